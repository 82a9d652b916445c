//! Open connections to an endpoint that wait for the next request. One pool per worker and endpoint.
//!
//! Last in, first out, so that surplus connections age and close. A connection goes back only when
//! its response body has ended; one whose request body has not is never reused. Bounded by
//! `pool.idle_max`, and in age by `pool.age_max`: whoever a name stands for now is found by the next
//! connect. The pool of an endpoint that has left its service is closed. Not here: opening (`connect`).

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::Rc;
use std::time::Instant;

use hyper::client::conn::http1::SendRequest;

use super::{Endpoint, Entry, FailureKind, Kept};
use crate::config;
use crate::proxy::body::RequestBody;
use crate::record::Reason;

/// Idle connections of one worker to one endpoint.
#[derive(Debug)]
pub(in crate::proxy) struct Pool {
    config: config::Pool,
    /// Oldest first.
    idle: RefCell<Vec<Idle>>,
    /// Takes no connection any more.
    is_closed: Cell<bool>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    /// Since when it waits.
    since: Instant,
    requests: u64,
    /// When it is too old.
    retires: Instant,
    kept: Kept,
}

impl Pool {
    pub(in crate::proxy) fn new(config: config::Pool) -> Self {
        Self { config, idle: RefCell::default(), is_closed: Cell::new(false) }
    }

    /// The endpoint has left its service: idle connections are closed now, each other one at the end of
    /// its exchange.
    pub(in crate::proxy) fn close(&self, endpoint: &Endpoint) {
        self.is_closed.set(true);
        self.idle.borrow_mut().clear();
        endpoint.metrics.connections_idle.set(0);
    }

    /// Closes connections that have waited too long, are too old or were closed by the endpoint.
    pub(in crate::proxy) fn sweep(&self, endpoint: &Endpoint, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|idle| {
            !idle.sender.is_closed()
                && now < idle.retires
                && now.saturating_duration_since(idle.since) < self.config.idle_timeout
        });
        endpoint.metrics.connections_idle.set(idle.len() as u64);
    }
}

/// An attempt under way at an endpoint, counted while it lives.
#[derive(Debug)]
pub(in crate::proxy) struct Load {
    endpoint: Rc<Endpoint>,
    /// How it was let in.
    entry: Entry,
}

impl Load {
    /// Counts one more.
    pub(in crate::proxy) fn new(endpoint: &Rc<Endpoint>, entry: Entry) -> Self {
        endpoint.in_flight.set(endpoint.in_flight.get() + 1);
        endpoint.metrics.in_flight.add_owned(1);
        endpoint.metrics.attempts_total.add_owned(1);
        Self { endpoint: Rc::clone(endpoint), entry }
    }

    /// A response head came.
    pub(in crate::proxy) fn head(&self) {
        self.endpoint.metrics.answers_total.add_owned(1);
        self.endpoint.outlier.head(self.entry);
    }

    /// The attempt ends: counts how, and tells all workers. Dropped without, nobody learns from it.
    pub(in crate::proxy) fn end(self, reason: Reason, now_ms: u64) {
        let (metrics, outlier) = (&self.endpoint.metrics, &self.endpoint.outlier);
        if reason == Reason::Complete {
            metrics.answers_whole_total.add_owned(1);
            return outlier.success(self.entry);
        }
        let kind = FailureKind::from(reason);
        if kind != FailureKind::NotTheEndpoint {
            metrics.failures_total.add_owned(1);
        }
        outlier.failure(self.entry, kind, now_ms);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.endpoint.in_flight.set(self.endpoint.in_flight.get() - 1);
        self.endpoint.metrics.in_flight.sub_owned(1);
    }
}

/// A connection in use by one attempt. Dropped, it closes; see [`Lease::give_back`].
#[derive(Debug)]
pub(in crate::proxy) struct Lease {
    /// Sends requests on it; `None` only once given back.
    sender: Option<SendRequest<RequestBody>>,
    pub(in crate::proxy) endpoint: Rc<Endpoint>,
    /// Requests it has carried, this one included.
    pub(in crate::proxy) requests: u64,
    /// The attempt, from the response head to the end of the response.
    load: Option<Load>,
    /// When the connection is too old to be reused.
    retires: Instant,
    /// What was sent on it last, if that may be sent again.
    pub(in crate::proxy) kept: Kept,
}

impl Lease {
    /// A connection opened for this attempt. Its age is drawn, so that connections that were opened
    /// together do not end together.
    pub(in crate::proxy) fn opened(
        endpoint: &Rc<Endpoint>,
        sender: SendRequest<RequestBody>,
    ) -> Self {
        endpoint.metrics.connections_opened_total.add_owned(1);
        let age = endpoint.pool.config.age_max.mul_f64(1.0 - fastrand::f64() / 4.0);
        Self::new(endpoint, sender, Instant::now() + age, 1, Kept::default())
    }

    /// The idle connection used last that is still good, if any.
    pub(in crate::proxy) fn take(endpoint: &Rc<Endpoint>, now: Instant) -> Option<Self> {
        let mut pool = endpoint.pool.idle.borrow_mut();
        while let Some(idle) = pool.pop() {
            let waited = now.saturating_duration_since(idle.since);
            let is_over = waited >= endpoint.pool.config.idle_timeout || now >= idle.retires;
            if is_over || idle.sender.is_closed() {
                continue;
            }
            endpoint.metrics.connections_idle.set(pool.len() as u64);
            let Idle { sender, requests, retires, kept, .. } = idle;
            return Some(Self::new(endpoint, sender, retires, requests + 1, kept));
        }
        endpoint.metrics.connections_idle.set(0);
        None
    }

    /// Counts a connection as active.
    fn new(
        endpoint: &Rc<Endpoint>,
        sender: SendRequest<RequestBody>,
        retires: Instant,
        requests: u64,
        kept: Kept,
    ) -> Self {
        endpoint.metrics.connections_active.add_owned(1);
        let endpoint = Rc::clone(endpoint);
        Self { sender: Some(sender), endpoint, requests, load: None, retires, kept }
    }

    /// The connection itself, until it is given back.
    pub(in crate::proxy) fn sender(&mut self) -> Option<&mut SendRequest<RequestBody>> {
        self.sender.as_mut()
    }

    /// Counts the attempt for as long as the connection is in use.
    pub(in crate::proxy) fn carry(&mut self, load: Load) {
        self.load = Some(load);
    }

    /// Ends the attempt; see [`Load::end`].
    pub(in crate::proxy) fn end(&mut self, reason: Reason, now_ms: u64) {
        if let Some(load) = self.load.take() {
            load.end(reason, now_ms);
        }
    }

    /// Lets the connection carry no further exchange.
    pub(in crate::proxy) fn retire(&mut self, now: Instant) {
        self.retires = now;
    }

    /// Puts the connection back, unless it is too old; its exchange ended cleanly at `now`.
    pub(in crate::proxy) fn give_back(mut self, now: Instant) {
        let Some(sender) = self.sender.take() else { return };
        let (requests, retires, kept) = (self.requests, self.retires, mem::take(&mut self.kept));
        let mut pool = self.endpoint.pool.idle.borrow_mut();
        let is_full = pool.len() >= self.endpoint.pool.config.idle_max;
        let is_over = self.endpoint.pool.is_closed.get() || is_full || now >= retires;
        if !sender.is_closed() && !is_over {
            pool.push(Idle { sender, since: now, requests, retires, kept });
        }
        self.endpoint.metrics.connections_idle.set(pool.len() as u64);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.endpoint.metrics.connections_active.sub_owned(1);
    }
}
