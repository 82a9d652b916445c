//! How long a downstream may say nothing, and what an idle connection holds meanwhile: its socket and
//! little else.
//!
//! hyper keeps its buffers, 8 KiB for each direction, as long as it serves a connection, and most open
//! connections wait for their next request. So hyper is let go when nothing has come for
//! [`PARKED_AFTER`], and made anew when the socket can be read again.
//!
//! Invariants: parked only between two requests of HTTP/1 with no byte of either in a buffer; the limit
//! goes on as if hyper had stayed; a busy connection is never parked.
//! Not here: who makes hyper anew (`listener`), the limit of writing (`io`).

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use super::connection::{Connection, Expired};
use super::counted::Counted;
use super::limit::Deadline;
use super::worker::Worker;
use crate::metrics::WorkerMetrics;

/// Silence after which a connection is parked. Making hyper anew takes about a microsecond.
pub(super) const PARKED_AFTER: Duration = Duration::from_secs(1);

/// The limit of the wait that goes on just now.
pub(super) struct Limit {
    /// Passes when nothing comes for too long.
    deadline: Deadline,
    /// What it is armed for, and after how many requests: the same wait goes on over several reads (a
    /// head that comes byte by byte), another request begins another wait.
    armed: Option<(Expired, u64)>,
}

impl Limit {
    /// Not armed.
    pub(super) fn new(worker: &Worker) -> Self {
        Self { deadline: Deadline::new(&worker.timer), armed: None }
    }

    /// To be asked whenever hyper has nothing more to do: arms the limit that applies now, and tells
    /// when it has passed. What comes at the last moment counts, since hyper was asked first.
    pub(super) fn poll(&mut self, connection: &Connection, cx: &Context<'_>) -> Poll<Expired> {
        let limit = connection.read_limit();
        let wait = limit.map(|(kind, _)| (kind, connection.requests.get()));
        if self.armed != wait {
            self.armed = wait;
            match limit {
                Some((_, span)) => self.deadline.set(span),
                None => self.deadline.clear(),
            }
        }
        match limit {
            Some((kind, _)) => self.deadline.poll(cx).map(|()| kind),
            None => Poll::Pending,
        }
    }
}

/// A stream that can tell that there is something to read, without a place to put it.
pub(super) trait Parkable {
    /// Ready when reading would give something, an end or an error.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()>;
}

impl Parkable for Counted<TcpStream, WorkerMetrics> {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        // An error is met again by whoever reads.
        self.get_ref().poll_read_ready(cx).map(|_| ())
    }
}

impl<S: Parkable> Parkable for TlsStream<S> {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        // The session has no plaintext left: the last read found none.
        self.get_ref().0.poll_readable(cx)
    }
}

/// Waits beside a parked connection until there is something to read: true. False when it is to be
/// closed: no further request in time, or we drain.
pub(super) async fn park<S: Parkable>(
    worker: &Worker,
    connection: &Connection,
    stream: &S,
    drain: &mut watch::Receiver<bool>,
) -> bool {
    worker.metrics.connections_parked.add_owned(1);
    let limit = connection.listener.timeouts.keep_alive;
    let deadline = Deadline::new(&worker.timer);
    deadline.set(limit.saturating_sub(connection.last_end.get().elapsed()));
    let readable = poll_fn(|cx| match stream.poll_readable(cx) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending => deadline.poll(cx).map(|()| false),
    });
    let is_readable = tokio::select! {
        biased;
        is_readable = readable => is_readable,
        _ = drain.wait_for(|is_draining| *is_draining) => false,
    };
    worker.metrics.connections_parked.sub_owned(1);
    is_readable
}
