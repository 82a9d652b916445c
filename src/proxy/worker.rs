//! One worker: a thread with its own runtime, sockets, pools, balances and journal lane.
//!
//! Nothing here is shared with other workers but counters, the endpoints' states and the count of
//! connections. Not here: accepting (`listener`), one request (`exchange`).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use http::header::HeaderValue;

use super::headers::Via;
use super::limit::Timer;
use super::route::Routes;
use super::service::Service;
use super::shortage::Shortages;
use crate::base::trace::Share;
use crate::config::WhenFull;
use crate::journal::{Appended, Lane};
use crate::metrics::WorkerMetrics;
use crate::record::Stream;

/// How often pools are swept, and shortages looked at.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The state of one worker.
#[derive(Debug)]
pub(super) struct Worker {
    /// Its number, also its lane's.
    pub(super) id: u8,
    /// Where records go.
    lane: RefCell<Lane>,
    /// What happens when they find no space.
    pub(super) when_full: WhenFull,
    /// Whether the last record found none.
    is_journal_full: Cell<bool>,
    pub(super) timer: Rc<Timer>,
    routes: Routes,
    /// Services, in the order of the configuration.
    pub(super) services: Vec<Rc<Service>>,
    /// Our entry in `Via`.
    pub(super) via: Via,
    /// Value of [`PROBE_FIELD`](super::PROBE_FIELD) in the heartbeat's own requests.
    pub(super) probe_token: Option<HeaderValue>,
    /// Share of new traces that is kept; `None` when there are no spans.
    pub(super) traces: Option<Share>,
    pub(super) metrics: Arc<WorkerMetrics>,
    /// Start of the data plane; endpoint states count from here.
    start: Instant,
    /// Connections accepted by this worker.
    connections: Cell<u64>,
    /// Connections open now, over all workers.
    pub(super) open: Arc<AtomicUsize>,
    /// What the system refuses this process.
    pub(super) shortages: Shortages,
    /// Set when the drain's deadline has passed: what is dropped now was cut by us.
    pub(super) is_killed: Cell<bool>,
}

/// What a worker is made of; no defaults.
pub(super) struct Parts {
    pub(super) id: u8,
    pub(super) lane: Lane,
    /// What happens when the journal is full.
    pub(super) when_full: WhenFull,
    pub(super) services: Vec<Rc<Service>>,
    /// Name of this process in `Via`.
    pub(super) pseudonym: String,
    /// By which the heartbeat's requests are known.
    pub(super) probe_token: Option<HeaderValue>,
    /// Share of new traces that is kept; `None` when there are no spans.
    pub(super) traces: Option<Share>,
    pub(super) metrics: Arc<WorkerMetrics>,
    /// Start of the data plane.
    pub(super) start: Instant,
    /// Connections open over all workers.
    pub(super) open: Arc<AtomicUsize>,
    pub(super) shortages: Shortages,
}

impl Worker {
    /// A worker that serves nothing yet.
    pub(super) fn new(parts: Parts) -> Rc<Self> {
        let routes =
            Routes::new(parts.services.iter().map(|service| service.config.domains.as_slice()));
        Rc::new(Self {
            id: parts.id,
            lane: RefCell::new(parts.lane),
            when_full: parts.when_full,
            is_journal_full: Cell::new(false),
            timer: Timer::new(),
            routes,
            services: parts.services,
            via: Via::new(&parts.pseudonym),
            shortages: parts.shortages.of_worker(&parts.metrics),
            probe_token: parts.probe_token,
            traces: parts.traces,
            metrics: parts.metrics,
            start: parts.start,
            connections: Cell::new(0),
            open: parts.open,
            is_killed: Cell::new(false),
        })
    }

    /// The service for a host.
    pub(super) fn service_for(&self, host: &str) -> Option<Rc<Service>> {
        self.services.get(self.routes.find(host)?).map(Rc::clone)
    }

    /// Milliseconds since the start of the data plane, 1 or more.
    pub(super) fn millis_at(&self, now: Instant) -> u64 {
        let span = now.saturating_duration_since(self.start).as_millis();
        u64::try_from(span).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// A number for a new connection: the worker's in the top byte of 48 bits.
    pub(super) fn next_connection(&self) -> u64 {
        self.connections.set(self.connections.get() + 1);
        u64::from(self.id) << 40 | self.connections.get()
    }

    /// Whether the journal had no space for the last record.
    pub(super) fn is_journal_full(&self) -> bool {
        self.is_journal_full.get()
    }

    /// Appends a record of `stream`.
    pub(super) fn append(&self, stream: Stream, encode: impl FnMut(&mut [u8]) -> Option<usize>) {
        let mut lane = self.lane.borrow_mut();
        let appended = lane.append(stream as u8, encode);
        self.metrics.records_created_total.add_owned(1 + lane.take_told());
        self.is_journal_full.set(appended == Appended::Dropped);
    }

    /// Sweeps the pools for ever, and tells of shortages that are over.
    pub(super) async fn sweep(self: Rc<Self>) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            self.shortages.settle();
            let now = Instant::now();
            for service in &self.services {
                for endpoint in service.endpoints().iter() {
                    endpoint.pool.sweep(endpoint, now);
                }
            }
        }
    }
}
