//! Sockets of one worker: bind with SO_REUSEPORT, accept, serve until drained.
//!
//! Every worker has a socket of its own on each address; the kernel spreads connections. On drain
//! what already waits in the socket's queue is still served. Not here: requests (`exchange`), what is
//! left of a connection at its end (`ending`).

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::connection::{Connection, Expired};
use super::counted::Counted;
use super::ending::{self, Fault, record};
use super::exchange;
use super::io::{Leftover, Watched};
use super::shortage::Shortage;
use super::silence::{self, Parkable};
use super::streams::OnWorker;
use super::tls;
use super::worker::Worker;
use crate::config;
use crate::metrics::WorkerMetrics;
use crate::record::Reason;

/// Connections that may wait to be accepted, per worker.
const BACKLOG: i32 = 4096;
/// More than the longest head that hyper holds, so that the scanner refuses a head before hyper does.
const HEAD_ROOM_BYTES: usize = 1024;
/// Most bytes of a response that wait in an HTTP/2 stream to be read.
const STREAM_BUFFER_BYTES: usize = 32 * 1024;
/// Pause after a failed accept, so that a lack of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener as its workers share it.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) config: Arc<config::Listener>,
    /// Its TLS, if any.
    pub(super) tls: Option<TlsAcceptorDebug>,
}

/// A [`TlsAcceptor`] that can stand in a `Debug` struct without showing anything.
#[derive(Clone)]
pub(super) struct TlsAcceptorDebug(pub(super) TlsAcceptor);

impl std::fmt::Debug for TlsAcceptorDebug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsAcceptor")
    }
}

/// Binds one worker's socket.
///
/// # Errors
/// As the system says; the caller adds the address.
pub(super) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `::` takes IPv4 as well, whatever net.ipv6.bindv6only says.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until told to drain; then serves what already waits, and closes the socket.
pub(super) async fn accept(
    worker: Rc<Worker>,
    socket: TcpListener,
    shared: Shared,
    mut drain: watch::Receiver<bool>,
) {
    let is_draining = async |drain: &mut watch::Receiver<bool>| {
        let _ = drain.wait_for(|draining| *draining).await;
    };
    loop {
        tokio::select! {
            biased;
            () = is_draining(&mut drain) => break,
            accepted = socket.accept() => take(&worker, &shared, &drain, accepted).await,
        }
    }
    while let Some(accepted) = now_or_never(socket.accept()).await {
        if accepted.is_err() {
            break;
        }
        take(&worker, &shared, &drain, accepted).await;
    }
}

/// The value of `future` if it has one at once.
async fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// Serves an accepted connection on a task of its own, within the limit.
async fn take(
    worker: &Rc<Worker>,
    shared: &Shared,
    drain: &watch::Receiver<bool>,
    accepted: io::Result<(TcpStream, SocketAddr)>,
) {
    let (stream, peer) = match accepted {
        Ok(accepted) => accepted,
        Err(error) => {
            return refused(worker, &error).await;
        }
    };
    worker.shortages.accepted();
    let id = worker.next_connection();
    let config = Arc::clone(&shared.config);
    let connection = Connection::new(id, peer, config, Arc::clone(&worker.metrics));
    if worker.open.fetch_add(1, Ordering::Relaxed) >= connection.listener.limits.connections {
        worker.open.fetch_sub(1, Ordering::Relaxed);
        worker.metrics.connections_refused_total.add_owned(1);
        // A reset costs the attacker's side the state, not ours.
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        record(worker, &connection, Reason::ConnectionLimit, None, "");
        return;
    }
    let _ = stream.set_nodelay(true);
    let worker = Rc::clone(worker);
    let tls = shared.tls.clone();
    let drain = drain.clone();
    let stream = Counted::new(stream, Arc::clone(&worker.metrics));
    tokio::task::spawn_local(async move {
        serve(&worker, &connection, stream, tls, drain).await;
        worker.open.fetch_sub(1, Ordering::Relaxed);
    });
}

/// A connection could not be accepted: that is counted, and told if the fault is here. It waits where
/// it is, or its peer has left.
async fn refused(worker: &Worker, error: &io::Error) {
    worker.metrics.accept_errors_total.add_owned(1);
    if let Some(kind) = Shortage::of(error) {
        worker.shortages.failed(kind, error, format_args!("accepting a connection"));
    } else {
        tracing::debug!(%error, "a connection could not be accepted");
    }
    if error.kind() != io::ErrorKind::ConnectionAborted {
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Handshake if any, then HTTP until the end.
async fn serve(
    worker: &Rc<Worker>,
    connection: &Rc<Connection>,
    stream: Counted<TcpStream, WorkerMetrics>,
    tls: Option<TlsAcceptorDebug>,
    drain: watch::Receiver<bool>,
) {
    match tls {
        None => serve_http(worker, connection, stream, drain).await,
        // Boxed, so that a connection without TLS has no room for a handshake all its life.
        Some(tls) => Box::pin(serve_tls(worker, connection, stream, tls, drain)).await,
    }
}

/// Handshake, then HTTP until the end.
async fn serve_tls(
    worker: &Rc<Worker>,
    connection: &Rc<Connection>,
    stream: Counted<TcpStream, WorkerMetrics>,
    TlsAcceptorDebug(acceptor): TlsAcceptorDebug,
    drain: watch::Receiver<bool>,
) {
    let begun = Instant::now();
    let limit = connection.listener.timeouts.tls_handshake;
    let result = tokio::time::timeout(limit, acceptor.accept(stream)).await;
    let fault = match result {
        Ok(Ok(stream)) => {
            worker.metrics.tls_handshakes_total.add_owned(1);
            let facts = tls::facts(stream.get_ref().1, begun.elapsed());
            let _ = connection.tls.set(facts);
            return serve_http(worker, connection, stream, drain).await;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "handshake took too long".to_owned(),
    };
    worker.metrics.tls_handshake_failures_total.add_owned(1);
    record(worker, connection, Reason::TlsFailed, None, &fault);
}

/// HTTP/1.1 or HTTP/2 until either side ends it, parked while it is idle.
async fn serve_http<S: AsyncRead + AsyncWrite + Parkable + Unpin + 'static>(
    worker: &Rc<Worker>,
    connection: &Rc<Connection>,
    mut stream: S,
    mut drain: watch::Receiver<bool>,
) {
    loop {
        // Boxed, so that what hyper holds is free while the connection is parked.
        stream = match Box::pin(speak(worker, connection, stream, &mut drain)).await {
            Spoken::Ended(stream, fault) => {
                return ending::end(worker, connection, stream, fault).await;
            }
            Spoken::Silence(stream) => stream,
        };
        if !silence::park(worker, connection, &stream, &mut drain).await {
            return ending::close(stream).await;
        }
    }
}

/// How hyper and a connection parted.
enum Spoken<S> {
    /// hyper, the downstream or a limit has ended it.
    Ended(Option<S>, Option<Fault>),
    /// It is idle and goes on.
    Silence(S),
}

/// Lets hyper speak until it or the downstream has ended the connection, or nothing comes.
async fn speak<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    worker: &Rc<Worker>,
    connection: &Rc<Connection>,
    stream: S,
    drain: &mut watch::Receiver<bool>,
) -> Spoken<S> {
    let service =
        service_fn(|request| exchange::run(Rc::clone(worker), Rc::clone(connection), request));
    let leftover = Leftover::default();
    let socket = Watched::new(stream, Rc::clone(connection), &worker.timer, &leftover);
    let mut limit = silence::Limit::new(worker);
    let ended = {
        let builder = builder(worker, connection);
        let mut serving = pin!(builder.serve_connection(TokioIo::new(socket), service));
        let mut is_draining = *drain.borrow_and_update();
        if is_draining {
            serving.as_mut().graceful_shutdown();
        }
        loop {
            let turn = poll_fn(|cx| match serving.as_mut().poll(cx) {
                Poll::Ready(ended) => Poll::Ready(Ok(ended)),
                Poll::Pending => limit.poll(connection, cx).map(Err),
            });
            tokio::select! {
                biased;
                ended = turn => break ended,
                Ok(()) = drain.changed(), if !is_draining => {
                    is_draining = true;
                    serving.as_mut().graceful_shutdown();
                }
            }
        }
    };
    match (ended, leftover.take()) {
        (Err(Expired::Silence), Some(stream)) => Spoken::Silence(stream),
        (Err(kind), stream) => {
            connection.expired.set(Some(kind));
            Spoken::Ended(stream, None)
        }
        (Ok(ended), stream) => Spoken::Ended(stream, ended.err()),
    }
}

/// hyper with the limits of the connection's listener.
fn builder(worker: &Worker, connection: &Rc<Connection>) -> auto::Builder<OnWorker> {
    let listener = &connection.listener;
    let limits = listener.limits;
    let executor = OnWorker { connection: Rc::clone(connection), timer: Rc::clone(&worker.timer) };
    let mut builder = auto::Builder::new(executor);
    builder
        .http1()
        .preserve_header_case(true)
        .max_headers(limits.headers)
        .max_buf_size(limits.head_bytes + HEAD_ROOM_BYTES);
    builder
        .http2()
        .max_concurrent_streams(limits.streams)
        .max_send_buf_size(STREAM_BUFFER_BYTES)
        .max_header_list_size(u32::try_from(limits.head_bytes * 2).unwrap_or(u32::MAX));
    // What was parked has spoken HTTP/1.
    let is_http1 = !listener.http2 || connection.requests.get() > 0;
    if is_http1 { builder.http1_only() } else { builder }
}
