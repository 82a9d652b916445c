//! Opening a connection to an endpoint, with each part of the time it takes.
//!
//! Runs on the worker; a name look-up goes to tokio's blocking pool. Not here: who may connect and
//! how often (`exchange`, `outlier`).

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Endpoint;
use crate::proxy::body::RequestBody;
use crate::proxy::counted::Counted;
use crate::proxy::limit::{Deadline, Timer};
use crate::record::Reason;

/// A connection just opened.
#[derive(Debug)]
pub(in crate::proxy) struct Opened {
    /// Sends requests on it.
    pub(in crate::proxy) sender: SendRequest<RequestBody>,
    /// Name look-up; absent for an IP address.
    pub(in crate::proxy) dns: Option<Duration>,
    /// TCP connect.
    pub(in crate::proxy) connect: Duration,
}

/// Why no connection could be opened.
#[derive(Debug, Clone, Copy)]
pub(in crate::proxy) struct ConnectError {
    /// For the record.
    pub(in crate::proxy) reason: Reason,
}

/// Opens a connection within the endpoint's connect timeout.
///
/// # Errors
/// With the reason; nothing was sent, so the request can go elsewhere.
pub(in crate::proxy) async fn open(
    endpoint: &Rc<Endpoint>,
    timer: &Rc<Timer>,
) -> Result<Opened, ConnectError> {
    let deadline = Deadline::new(timer);
    deadline.set(endpoint.connect_timeout);
    let mut opening = std::pin::pin!(open_unlimited(endpoint));
    std::future::poll_fn(|cx| {
        if let std::task::Poll::Ready(result) = opening.as_mut().poll(cx) {
            return std::task::Poll::Ready(result);
        }
        deadline.poll(cx).map(|()| Err(ConnectError { reason: Reason::ConnectTimeout }))
    })
    .await
}

/// Looks up, connects, and hands the connection to hyper.
async fn open_unlimited(endpoint: &Endpoint) -> Result<Opened, ConnectError> {
    let start = Instant::now();
    let (addresses, dns) = if let Some(ip) = endpoint.ip {
        (vec![SocketAddr::new(ip, endpoint.port)], None)
    } else {
        let found = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port)).await;
        let found: Vec<_> =
            found.map_err(|_| ConnectError { reason: Reason::DnsFailed })?.collect();
        (found, Some(start.elapsed()))
    };
    let begun = start + dns.unwrap_or_default();
    let mut failed = ConnectError { reason: Reason::DnsFailed };
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let connect = begun.elapsed();
                // Heads and bodies leave in one writev; waiting for more would only delay them.
                let _ = stream.set_nodelay(true);
                return Ok(Opened { sender: handshake(endpoint, stream).await?, dns, connect });
            }
            Err(error) => failed = ConnectError { reason: reason_of(&error) },
        }
    }
    Err(failed)
}

/// Starts hyper's client on `stream`, on this worker.
async fn handshake(
    endpoint: &Endpoint,
    stream: TcpStream,
) -> Result<SendRequest<RequestBody>, ConnectError> {
    let stream = Counted::new(stream, Arc::clone(&endpoint.metrics));
    let (sender, connection) = Builder::new()
        .preserve_header_case(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| ConnectError { reason: Reason::ConnectFailed })?;
    tokio::task::spawn_local(async move {
        // How it ended is seen by the exchange that rode it; an idle one that closes is no event.
        let _ = connection.await;
    });
    Ok(sender)
}

/// The record's word for a failed connect.
fn reason_of(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Reason::ConnectRefused,
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        _ => Reason::ConnectFailed,
    }
}
