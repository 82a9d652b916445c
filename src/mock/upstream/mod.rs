//! A mock HTTP server behind the proxy: it answers with what it received, as JSON, and plays scripted
//! delays, sizes and faults (see [`KEYS`]).
//!
//! ```text
//! accept ─► Session ─► hyper (HTTP/1, HTTP/2 by prior knowledge) ─► answer ─► PacedBody
//!                        └─ given back when bytes are asked for that hyper would not send ─► raw
//! ```
//! One thread, one runtime. Memory is bounded: bodies are streamed and checksummed, of each at most
//! 64 KiB is kept for the echo; recorded requests are counted beyond their limit.
//!
//! Not here: TLS. Over HTTP/2 a fault resets its stream, and interim responses are left out.

mod answer;
mod echo;
mod raw;
mod script;
mod socket;
#[cfg(test)]
mod tests;

pub use echo::{BODY_BYTES_MAX, Fields};
pub use script::{After, Fault, KEYS, Manner, Mistake, Place, Script};

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::OnThread;
use super::thread::Thread;
use crate::metrics::Cell64;
use answer::Session;
use socket::Socket;

/// Most connections at once; beyond it they are closed when accepted, and counted.
const CONNECTIONS_MAX: u64 = 20_000;
/// Pause after a failed accept, so that a lack of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How the mock behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens; port 0 takes any free one.
    pub address: SocketAddr,
    /// Stands in every echo.
    pub name: String,
    /// What is done to a request that does not ask for something else.
    pub script: Script,
    /// What goes wrong by chance.
    pub imperfection: Imperfection,
    /// Requests kept for [`Running::seen`]; more are only counted.
    pub recorded_max: usize,
}

impl Options {
    /// A perfect mock on a free loopback port that records nothing.
    pub fn local(name: &str) -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            name: name.to_owned(),
            script: Script::default(),
            imperfection: Imperfection::default(),
            recorded_max: 0,
        }
    }
}

/// What goes wrong by chance. Shares are 0 to 1; a request's own script wins.
#[derive(Debug, Clone, Default)]
pub struct Imperfection {
    /// Share of requests answered 503.
    pub fail_share: f64,
    /// Share of requests whose connection is reset without an answer.
    pub reset_share: f64,
    /// Share of requests that wait longer.
    pub slow_share: f64,
    /// How much longer.
    pub slow_delay: Duration,
    /// Every request waits up to this much longer, evenly spread.
    pub jitter: Duration,
    /// Seed of the chances, so that a run can be repeated.
    pub seed: u64,
}

impl Imperfection {
    /// Changes the script of one request by chance.
    fn apply(&self, rng: &mut fastrand::Rng, script: &mut Script) {
        if !self.jitter.is_zero() {
            script.delay += self.jitter.mul_f64(rng.f64());
        }
        if self.slow_share > 0.0 && rng.f64() < self.slow_share {
            script.delay += self.slow_delay;
        }
        if self.fail_share > 0.0 && rng.f64() < self.fail_share {
            script.status = Some(503);
        }
        if self.reset_share > 0.0 && rng.f64() < self.reset_share {
            script.fault = Some(Fault { manner: Manner::Reset, place: Place::Nothing });
        }
    }
}

/// A request that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Method.
    pub method: String,
    /// Target, as it came.
    pub target: String,
    /// HTTP version: 1.0, 1.1 or 2.
    pub version: &'static str,
    /// Fields, as they came; names in lower case over HTTP/2.
    pub headers: Fields,
    /// Length of the body.
    pub body_bytes: u64,
    /// CRC-32C of the body.
    pub body_crc32c: u32,
    /// Ordinal of the connection, from 1.
    pub connection: u64,
}

#[derive(Debug, Default)]
struct Counts {
    requests: Cell64,
    connections: Cell64,
    /// Connections open now.
    open: Cell64,
    /// Connections closed at once because there were too many.
    refused: Cell64,
}

#[derive(Debug)]
struct Recorder {
    most: usize,
    seen: Mutex<Vec<Seen>>,
}

/// What all connections of a mock share; lives on its thread.
#[derive(Debug)]
struct State {
    name: String,
    script: Script,
    imperfection: Imperfection,
    rng: RefCell<fastrand::Rng>,
    counts: Arc<Counts>,
    recorder: Arc<Recorder>,
}

impl State {
    /// Counts a request; gives its ordinal.
    fn count_request(&self) -> u64 {
        self.counts.requests.add_owned(1);
        self.counts.requests.value()
    }

    fn records(&self) -> bool {
        self.recorder.most > 0
    }

    /// Whether somebody looks at request heads as they came.
    fn keeps_heads(&self) -> bool {
        self.script.size.is_none() || self.records()
    }

    /// Records a request while there is room.
    fn record(&self, seen: impl FnOnce() -> Seen) {
        if self.records() {
            let mut kept = self.recorder.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < self.recorder.most {
                kept.push(seen());
            }
        }
    }
}

/// A running mock; stops when dropped.
#[derive(Debug)]
pub struct Running {
    thread: Thread,
    address: SocketAddr,
    counts: Arc<Counts>,
    recorder: Arc<Recorder>,
}

impl Running {
    /// Where it listens; the port is the real one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests received so far.
    pub fn requests(&self) -> u64 {
        self.counts.requests.value()
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.counts.connections.value()
    }

    /// Connections open now.
    pub fn connections_open(&self) -> u64 {
        self.counts.open.value()
    }

    /// Connections closed at once because there were too many.
    pub fn connections_refused(&self) -> u64 {
        self.counts.refused.value()
    }

    /// Requests recorded so far, in the order their bodies ended.
    pub fn seen(&self) -> Vec<Seen> {
        self.recorder.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Closes the listener and all connections. Blocks until the thread has ended.
    pub fn stop(self) {
        drop(self.thread);
    }
}

/// Starts a mock on a thread of its own.
///
/// # Errors
/// When the address cannot be listened on, or a thread cannot be had.
pub fn start(options: Options) -> io::Result<Running> {
    let listener = std::net::TcpListener::bind(options.address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let counts = Arc::new(Counts::default());
    let recorder = Arc::new(Recorder { most: options.recorded_max, seen: Mutex::default() });
    let shared = (Arc::clone(&counts), Arc::clone(&recorder));
    let thread = Thread::start("mock-upstream", move |stopped| {
        let (counts, recorder) = shared;
        let rng = RefCell::new(fastrand::Rng::with_seed(options.imperfection.seed));
        let Options { name, script, imperfection, .. } = options;
        let state = Rc::new(State { name, script, imperfection, rng, counts, recorder });
        serve(state, listener, stopped)
    })?;
    Ok(Running { thread, address, counts, recorder })
}

/// Accepts until told to stop.
async fn serve(
    state: Rc<State>,
    listener: std::net::TcpListener,
    mut stopped: oneshot::Receiver<()>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the mock upstream cannot watch its socket; not serving");
            return;
        }
    };
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let counts = &state.counts;
                if counts.open.value() >= CONNECTIONS_MAX {
                    counts.refused.add_owned(1);
                    continue;
                }
                counts.connections.add_owned(1);
                counts.open.add_owned(1);
                let id = counts.connections.value();
                tokio::task::spawn_local(serve_connection(Rc::clone(&state), stream, peer, id));
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed; trying again shortly");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn serve_connection(state: Rc<State>, stream: TcpStream, peer: SocketAddr, id: u64) {
    let _ = stream.set_nodelay(true); // Slower, not wrong, where it fails.
    let socket = Socket::new(stream, state.keeps_heads());
    let session = Rc::new(Session {
        state: Rc::clone(&state),
        socket: socket.clone(),
        plan: RefCell::new(None),
        id,
        peer,
    });
    loop {
        let service = service_fn(|request| answer::answer(Rc::clone(&session), request));
        let io = TokioIo::new(socket.clone());
        // Broken connections are what a mock is for: nothing to report.
        let _ = auto::Builder::new(OnThread).serve_connection(io, service).await;
        let Some(plan) = session.plan.take() else { break };
        match raw::play(plan, &socket).await {
            raw::End::KeepAlive => {}
            raw::End::Close => break,
            raw::End::Reset => {
                socket.reset_on_close();
                break;
            }
        }
    }
    state.counts.open.sub_owned(1);
}
