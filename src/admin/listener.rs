//! Connections to the admin address, within bounds: how many, how long a head may take or be, how long
//! a connection may be idle, how long a reader may take nothing.
//!
//! When all places are taken, the connection that has waited longest for a head gives way to a new
//! one, so that a probe gets through whatever else is held open; connections with an answer under way
//! are left alone. Not here: what is answered, and how many event streams there may be (`api`).

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::Sleep;

use crate::metrics::AdminMetrics;

/// Most connections at a time: every event stream there may be, and more than as many again.
const CONNECTIONS_MAX: usize = 256;
/// Longest wait for the whole head of a request, and so for the next request of a connection.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// Longest head, in bytes: cookies of everything else on this host are in it.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Longest wait for a reader to take some of an answer.
const SEND_MAX: Duration = Duration::from_mins(1);
/// Pause after a failed accept, so that a lack of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An open connection, as the one who accepts sees it.
struct Open {
    task: AbortHandle,
    state: Arc<State>,
}

/// Since when a connection waits for a head, in microseconds since the listener began, and one more;
/// 0 while an answer is under way.
struct State(AtomicU64);

/// Says that an answer is under way, until dropped.
struct Busy {
    state: Arc<State>,
    start: Instant,
}

impl Busy {
    fn new(state: &Arc<State>, start: Instant) -> Self {
        state.0.store(0, Ordering::Relaxed);
        Self { state: Arc::clone(state), start }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.state.0.store(since(self.start), Ordering::Relaxed);
    }
}

/// The value of a [`State`] that waits from now on.
fn since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX).saturating_add(1)
}

/// Serves until dropped.
pub(super) async fn serve(listener: TcpListener, router: Router, metrics: Arc<AdminMetrics>) {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    let mut open: HashMap<Id, Open> = HashMap::new();
    let mut is_short = false;
    loop {
        let accepted = tokio::select! {
            Some(ended) = tasks.join_next_with_id(), if !tasks.is_empty() => {
                open.remove(&match ended {
                    Ok((id, ())) => id,
                    Err(error) => error.id(),
                });
                metrics.connections.set(open.len() as u64);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                if !std::mem::replace(&mut is_short, true) {
                    tracing::warn!(%error, "admin: connections cannot be accepted; trying on");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        is_short = false;
        if open.len() >= CONNECTIONS_MAX {
            metrics.connections_refused_total.add(1);
            // The oldest gives way, or else the new one does.
            let Some(oldest) = longest_waiting(&open) else { continue };
            if let Some(given_up) = open.remove(&oldest) {
                given_up.task.abort();
            }
        }
        let state = Arc::new(State(AtomicU64::new(since(start))));
        let task = tasks.spawn(connection(stream, router.clone(), Arc::clone(&state), start));
        open.insert(task.id(), Open { task, state });
        metrics.connections.set(open.len() as u64);
    }
}

/// The connection that has waited longest for a head; `None` when all have an answer under way.
fn longest_waiting(open: &HashMap<Id, Open>) -> Option<Id> {
    let waiting = open.iter().map(|(&id, open)| (open.state.0.load(Ordering::Relaxed), id));
    waiting.filter(|&(since, _)| since > 0).min_by_key(|&(since, _)| since).map(|(_, id)| id)
}

/// One connection to its end.
async fn connection(stream: TcpStream, router: Router, state: Arc<State>, start: Instant) {
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request: Request<Incoming>| {
        let busy = Busy::new(&state, start);
        let answer = router.call(request);
        async move {
            let answer = answer.await;
            answer.map(|answer| answer.map(|body| Answer { body, _busy: busy }))
        }
    });
    // An end by a limit, or by the other side, is nobody's business.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Patient { stream, stall: None }), service)
        .await;
}

/// A body that says while it lasts that it is under way.
struct Answer {
    body: Body,
    _busy: Busy,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that fails once its reader has taken nothing for [`SEND_MAX`] while something waits.
struct Patient {
    stream: TcpStream,
    stall: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// What a write has come to, or its failure once it has waited too long.
    fn limit<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(SEND_MAX)));
        ready!(stall.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limit(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.limit(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
