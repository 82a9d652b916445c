//! How a connection ends: what its record says, and the last words to the peer.
//!
//! A request that never became an exchange is answered here, since hyper either says nothing (a head
//! that does not come in time) or is not even shown it (a head over a limit). Not here: the ends of
//! exchanges (`stopwatch`).

use std::error::Error;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::connection::{Connection, Expired};
use super::respond;
use super::rules::{BAD_REQUEST, HEAD_TOO_LARGE, Refusal, URI_TOO_LONG};
use super::stopwatch::wall_clock;
use super::worker::Worker;
use crate::base::clock::micros;
use crate::record::{
    Bytes, ConnectionRecord, Count, EcsNanos, Ip, Micros, Phase, Port, Reason, State, Status,
    Stream, Text,
};

/// How long a peer may take for our last words, and go on sending after them.
const LINGER: Duration = Duration::from_secs(2);
/// How much it may send meanwhile.
const LINGER_BYTES: usize = 1 << 20;

/// What hyper ended a connection with.
pub(super) type Fault = Box<dyn Error + Send + Sync>;

/// No complete head in time.
const HEAD_TIMEOUT: Refusal = Refusal::new(StatusCode::REQUEST_TIMEOUT, Reason::HeadTimeout);

/// The end of a connection that is worth a record of its own.
struct Verdict {
    reason: Reason,
    status: Option<StatusCode>,
    /// Whether the answer is still to be given.
    is_owed: bool,
    /// What the parser or the system said, where that tells more.
    message: String,
}

/// Ends a connection that hyper has let go of: its record, if it is worth one, then last words.
pub(super) async fn end<S: AsyncRead + AsyncWrite + Unpin>(
    worker: &Worker,
    connection: &Connection,
    stream: Option<S>,
    fault: Option<Fault>,
) {
    let mut words = Vec::new();
    if let Some(verdict) = verdict(connection, fault.as_deref()) {
        let Verdict { reason, status, is_owed, message } = verdict;
        if let Some(status) = status {
            connection.lingers.set(true);
            if is_owed {
                words = respond::last_words(Refusal::new(status, reason), connection);
                connection.on_write(words.len());
            }
        }
        record(worker, connection, reason, status.map(|status| status.as_u16()), &message);
    }
    let Some(stream) = stream else { return };
    if connection.lingers.get() {
        // The peer may be gone or never stop: either is the end. Boxed: few connections come here, and
        // every connection's task would be larger by it all its life.
        let _ = tokio::time::timeout(LINGER, Box::pin(linger(stream, &words))).await;
    } else if connection.expired.get() == Some(Expired::KeepAlive) {
        close(stream).await;
    }
}

/// Closes a connection that is idle, so that the peer knows it for whole (TLS says so in words).
pub(super) async fn close<S: AsyncWrite + Unpin>(mut stream: S) {
    let _ = tokio::time::timeout(LINGER, stream.shutdown()).await;
}

/// Says `words`, closes our side, and reads away what the peer still sends.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, words: &[u8]) {
    if stream.write_all(words).await.is_err() {
        return;
    }
    let _ = stream.shutdown().await; // already done, where hyper said the last words
    let mut rest = [0; 4096];
    let mut left = LINGER_BYTES;
    while let Ok(count @ 1..) = stream.read(&mut rest).await {
        left = left.saturating_sub(count);
        if left == 0 {
            return;
        }
    }
}

/// Whether the end of a connection is worth a record of its own, and which.
fn verdict(
    connection: &Connection,
    fault: Option<&(dyn Error + Send + Sync + 'static)>,
) -> Option<Verdict> {
    let message = || fault.map(ToString::to_string).unwrap_or_default();
    let owed = |Refusal { status, reason }| Verdict {
        reason,
        status: Some(status),
        is_owed: true,
        message: String::new(),
    };
    let silent = |reason| Verdict { reason, status: None, is_owed: false, message: message() };
    let scanner = connection.scanner.borrow();
    if let Some(reason) = scanner.refused() {
        return Some(owed(match reason {
            Reason::UriTooLong => URI_TOO_LONG,
            Reason::HeadTooLarge => HEAD_TOO_LARGE,
            _ => BAD_REQUEST,
        }));
    }
    let hyper = fault.and_then(|fault| fault.downcast_ref::<hyper::Error>());
    if hyper.is_some_and(hyper::Error::is_parse) {
        // hyper has answered, unless it took the request for HTTP/2, which is not spoken here.
        let is_owed = connection.sent_bytes.get() == 0;
        return Some(Verdict { is_owed, message: message(), ..owed(BAD_REQUEST) });
    }
    if hyper.is_some_and(is_h2_violation) {
        return Some(silent(Reason::BadRequest));
    }
    let is_in_head = scanner.head_begun().is_some();
    match connection.expired.get() {
        Some(Expired::Head) if is_in_head => Some(owed(HEAD_TIMEOUT)),
        Some(Expired::Head) => Some(silent(Reason::IdleTimeout)),
        _ if is_in_head || connection.requests.get() == 0 => {
            Some(silent(Reason::ClosedWithoutRequest))
        }
        _ => None,
    }
}

/// Whether we ended an HTTP/2 connection because the peer broke its rules, or flooded it.
fn is_h2_violation(fault: &hyper::Error) -> bool {
    let h2 = fault.source().and_then(|source| source.downcast_ref::<h2::Error>());
    h2.is_some_and(|fault| fault.is_go_away() && fault.is_library())
}

/// Writes the record of a connection.
pub(super) fn record(
    worker: &Worker,
    connection: &Connection,
    reason: Reason,
    status: Option<u16>,
    message: &str,
) {
    let tls = connection.tls.get();
    // One look at the clock: a part is never longer than the whole.
    let now = Instant::now();
    let since = |begun| micros(now.saturating_duration_since(begun));
    let record = ConnectionRecord {
        timestamp: Some(wall_clock()),
        duration: Some(EcsNanos(since(connection.accepted))),
        listener: Some(Text(connection.listener.name.as_bytes())),
        source_ip: Some(Ip(connection.peer.ip().to_canonical())),
        source_port: Some(Port(connection.peer.port())),
        connection_id: Some(Count(connection.id)),
        status: status.map(Status),
        received_bytes: Some(Bytes(connection.received_bytes.get())),
        sent_bytes: Some(Bytes(connection.sent_bytes.get())),
        head_us: connection.scanner.borrow().head_begun().map(|begun| Micros(since(begun))),
        tls_us: tls.map(|tls| Micros(micros(tls.handshake))),
        tls_version: tls.map(|tls| Text(tls.version.as_bytes())),
        tls_server_name: tls
            .and_then(|tls| tls.server_name.as_ref())
            .map(|name| Text(name.as_bytes())),
        state: Some(State::new(reason, Phase::Request)),
        reason: Some(reason),
        message: (!message.is_empty()).then_some(Text(message.as_bytes())),
    };
    worker.append(Stream::Connection, |out| record.encode(out));
}
