//! What is known of one downstream connection, shared by its socket wrapper and its exchanges.
//!
//! Single-threaded: plain cells behind an `Rc`. Not here: reading and writing (`io`).

use std::cell::{Cell, OnceCell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};

use super::scan::{self, Head, Scanner};
use super::streams::Stall;
use super::{headers, silence};
use crate::config;
use crate::metrics::WorkerMetrics;

/// What TLS agreed on, for the first record of the connection and for all.
#[derive(Debug)]
pub(super) struct TlsFacts {
    /// Accept to end of the handshake.
    pub(super) handshake: Duration,
    /// `1.2` or `1.3`.
    pub(super) version: &'static str,
    /// Name of the cipher suite.
    pub(super) cipher: &'static str,
    /// Name the client asked for.
    pub(super) server_name: Option<String>,
    /// Whether an earlier session was resumed.
    pub(super) resumed: bool,
}

/// Which of the socket's time limits has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// No complete head in time.
    Head,
    /// No further request in time.
    KeepAlive,
    /// Nothing came for a moment: the connection is parked and goes on.
    Silence,
    /// The downstream does not read.
    Write,
}

#[derive(Debug)]
pub(super) struct Connection {
    /// Unique within the process: worker in the top byte, counter below.
    pub(super) id: u64,
    /// The other end.
    pub(super) peer: SocketAddr,
    /// When it was accepted.
    pub(super) accepted: Instant,
    /// The listener it came through.
    pub(super) listener: Arc<config::Listener>,
    /// Whether the peer's forwarding fields are believed.
    pub(super) is_trusted: bool,
    /// Set after the handshake of a TLS connection.
    pub(super) tls: OnceCell<TlsFacts>,
    /// Framing of HTTP/1 requests.
    pub(super) scanner: RefCell<Scanner>,
    /// Exchanges begun.
    pub(super) requests: Cell<u64>,
    pub(super) in_flight: Cell<u32>,
    /// End of the last exchange.
    pub(super) last_end: Cell<Instant>,
    /// The downstream has not taken all that was written.
    pub(super) is_sending: Cell<bool>,
    pub(super) received_bytes: Cell<u64>,
    pub(super) sent_bytes: Cell<u64>,
    /// The limit that ended it.
    pub(super) expired: Cell<Option<Expired>>,
    /// We close it while the peer may still be sending: what comes must be read away for a moment,
    /// or the kernel resets the connection and the peer never sees our answer (RFC 9112 §9.6).
    pub(super) lingers: Cell<bool>,
    /// The HTTP/2 stream whose task runs just now.
    running: RefCell<Option<Rc<Stall>>>,
    /// The peer's address as a field value, made once.
    forwarded_for: HeaderValue,
    /// Cells of the worker.
    pub(super) metrics: Arc<WorkerMetrics>,
}

impl Connection {
    /// A connection accepted now.
    pub(super) fn new(
        id: u64,
        peer: SocketAddr,
        listener: Arc<config::Listener>,
        metrics: Arc<WorkerMetrics>,
    ) -> Rc<Self> {
        let accepted = Instant::now();
        let is_trusted = trusts(&listener, peer.ip().to_canonical());
        let limits = scan::Limits {
            head_bytes: listener.limits.head_bytes as u64,
            fields: listener.limits.headers,
        };
        metrics.connections_total.add_owned(1);
        metrics.connections.add_owned(1);
        Rc::new(Self {
            id,
            peer,
            accepted,
            listener,
            is_trusted,
            tls: OnceCell::new(),
            scanner: RefCell::new(Scanner::new(limits)),
            requests: Cell::new(0),
            in_flight: Cell::new(0),
            last_end: Cell::new(accepted),
            is_sending: Cell::new(false),
            received_bytes: Cell::new(0),
            sent_bytes: Cell::new(0),
            expired: Cell::new(None),
            lingers: Cell::new(false),
            running: RefCell::new(None),
            forwarded_for: HeaderValue::from_str(&peer.ip().to_canonical().to_string())
                .unwrap_or(HeaderValue::from_static("unknown")),
            metrics,
        })
    }

    /// The peer's address, for `X-Forwarded-For`.
    pub(super) fn forwarded_for(&self) -> HeaderValue {
        self.forwarded_for.clone()
    }

    /// `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.listener.tls.is_some() { "https" } else { "http" }
    }

    /// The client as far as it is believed; see [`headers::client`].
    pub(super) fn client_of(&self, headers: &HeaderMap) -> IpAddr {
        let peer = self.peer.ip().to_canonical();
        if self.is_trusted {
            headers::client(headers, peer, |address| trusts(&self.listener, address))
        } else {
            peer
        }
    }

    /// The HTTP/2 stream whose task runs just now; none for HTTP/1.
    pub(super) fn stream(&self) -> Option<Rc<Stall>> {
        self.running.borrow().clone()
    }

    /// The task of `stream` begins or ends to run; gives what ran before.
    pub(super) fn switch_to(&self, stream: Option<Rc<Stall>>) -> Option<Rc<Stall>> {
        self.running.replace(stream)
    }

    /// Notes bytes that were read; gives how many of them hyper may see.
    pub(super) fn on_read(&self, bytes: &[u8]) -> usize {
        self.received_bytes.set(self.received_bytes.get() + bytes.len() as u64);
        self.scanner.borrow_mut().feed(bytes)
    }

    /// Notes bytes that were written.
    pub(super) fn on_write(&self, bytes: usize) {
        self.sent_bytes.set(self.sent_bytes.get() + bytes as u64);
    }

    /// An exchange begins; gives its ordinal and what the scanner saw of its head.
    pub(super) fn begin(&self) -> (u64, Option<Head>) {
        self.requests.set(self.requests.get() + 1);
        self.in_flight.set(self.in_flight.get() + 1);
        (self.requests.get(), self.scanner.borrow_mut().take_head())
    }

    /// An exchange has ended at `now`.
    pub(super) fn end(&self, now: Instant) {
        self.in_flight.set(self.in_flight.get() - 1);
        self.last_end.set(now);
    }

    /// The read limit that applies while nothing comes: which, and how long. `None` while an
    /// exchange is under way, whose own limits apply.
    pub(super) fn read_limit(&self) -> Option<(Expired, Duration)> {
        let timeouts = &self.listener.timeouts;
        // While the downstream has not taken its response, it cannot be late with a request.
        if self.in_flight.get() > 0 || self.is_sending.get() {
            None
        } else if self.requests.get() == 0 || self.scanner.borrow().head_begun().is_some() {
            Some((Expired::Head, timeouts.head))
        } else if self.scanner.borrow().is_between_requests()
            && timeouts.keep_alive > silence::PARKED_AFTER
        {
            Some((Expired::Silence, silence::PARKED_AFTER))
        } else {
            Some((Expired::KeepAlive, timeouts.keep_alive))
        }
    }
}

/// Whether what `address` says of others is believed.
fn trusts(listener: &config::Listener, address: IpAddr) -> bool {
    listener.trusted_proxies.iter().any(|net| net.contains(&address))
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.metrics.connections.sub_owned(1);
    }
}
