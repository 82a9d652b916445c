//! What the data plane counts and how it stands, for whoever looks: cells of all workers, states of
//! endpoints and queues. Looking costs a worker nothing.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use super::endpoint::{Count, Outlier};
use super::queue::Permits;
use super::shortage::{Shortage, Shortages};
use crate::base::clock::millis;
use crate::metrics::{Durations, EndpointMetrics, Exposition, ServiceMetrics, WorkerMetrics};

/// The cells of all workers, for reading.
#[derive(Debug)]
pub struct Figures {
    /// Per worker.
    pub(super) workers: Vec<Arc<WorkerMetrics>>,
    /// Per worker and service: service name and cells.
    pub(super) services: Vec<(u8, String, Arc<ServiceMetrics>)>,
    /// Per worker and endpoint: service name, endpoint and cells.
    pub(super) endpoints: Vec<(u8, String, String, Arc<EndpointMetrics>)>,
    /// Per endpoint: service name, endpoint, shared state.
    pub(super) outliers: Vec<(String, String, Arc<Outlier>)>,
    /// Per service that limits exchanges under way: its name, its permits.
    pub(super) permits: Vec<(String, Arc<Permits>)>,
    /// What the system refuses this process.
    pub(super) shortages: Shortages,
    /// Start of the data plane.
    pub(super) start: Instant,
    /// Told when an endpoint is ejected or comes back.
    pub(super) changed: Arc<Notify>,
}

/// One endpoint as people see it.
#[derive(Debug, Clone)]
pub struct EndpointState {
    /// Its service.
    pub service: String,
    /// Its address.
    pub endpoint: String,
    /// Whether an exchange may go there now, be it as a trial.
    pub is_open: bool,
    /// Whether it is in rotation, without a trial before.
    pub is_in_rotation: bool,
    /// Whether it fails and is in rotation all the same, since no more may be ejected.
    pub is_kept: bool,
}

/// Permits of one service that limits exchanges under way, as people see them.
#[derive(Debug, Clone)]
pub struct QueueState {
    /// The service.
    pub service: String,
    /// Exchanges under way.
    pub in_flight: usize,
    /// Most of them.
    pub in_flight_max: usize,
    /// Exchanges that wait for a permit.
    pub waiting: usize,
    /// Most of them.
    pub waiting_max: usize,
}

/// The cells of one endpoint, all workers together, or of several endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointTotals {
    /// Its service.
    pub service: String,
    /// Its address.
    pub endpoint: String,
    /// Attempts under way.
    pub in_flight: u64,
    /// Attempts made.
    pub attempts: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Connections that carry an exchange.
    pub active: u64,
    /// Connections that wait.
    pub idle: u64,
    /// Connections opened.
    pub opened: u64,
    /// Attempts on a pooled connection.
    pub reused: u64,
    /// Bytes from the endpoint.
    pub received: u64,
    /// Bytes to the endpoint.
    pub sent: u64,
}

impl EndpointTotals {
    /// Of one worker.
    fn new(service: &str, endpoint: &str, cells: &EndpointMetrics) -> Self {
        Self {
            service: service.to_owned(),
            endpoint: endpoint.to_owned(),
            in_flight: cells.in_flight.value(),
            attempts: cells.attempts_total.value(),
            failures: cells.failures_total.value(),
            active: cells.connections_active.value(),
            idle: cells.connections_idle.value(),
            opened: cells.connections_opened_total.value(),
            reused: cells.connections_reused_total.value(),
            received: cells.received_bytes_total.value(),
            sent: cells.sent_bytes_total.value(),
        }
    }

    /// Adds the figures of another.
    pub fn add(&mut self, other: &Self) {
        self.in_flight += other.in_flight;
        self.attempts += other.attempts;
        self.failures += other.failures;
        self.active += other.active;
        self.idle += other.idle;
        self.opened += other.opened;
        self.reused += other.reused;
        self.received += other.received;
        self.sent += other.sent;
    }
}

impl Figures {
    /// Adds every figure of the data plane to a metrics page.
    pub fn expose(&self, page: &mut Exposition) {
        for (id, cells) in self.workers.iter().enumerate() {
            cells.expose(&[("worker", &id.to_string())], page);
        }
        self.shortages.metrics_now().expose(&[], page);
        for (id, service, cells) in &self.services {
            cells.expose(&[("worker", &id.to_string()), ("service", service)], page);
        }
        // Every worker has every service.
        for (_, service, _) in self.services.iter().filter(|(worker, ..)| *worker == 0) {
            let own = self.services.iter().filter(|(_, name, _)| name == service);
            let all = own.map(|(.., cells)| &cells.durations);
            Durations::expose(all, &[("service", service)], page);
        }
        for (id, service, endpoint, cells) in &self.endpoints {
            let id = id.to_string();
            cells.expose(&[("worker", &id), ("service", service), ("endpoint", endpoint)], page);
        }
        for (service, endpoint, outlier) in &self.outliers {
            outlier.metrics().expose(&[("service", service), ("endpoint", endpoint)], page);
        }
    }

    /// Attempts that ended, of each endpoint over all workers, in the order of [`Self::endpoints`].
    pub(super) fn attempts(&self, totals: &mut [Count]) {
        totals.fill(Count::default());
        // Every worker has every endpoint, in the same order.
        for chunk in self.endpoints.chunks(totals.len().max(1)) {
            for (total, (.., cells)) in totals.iter_mut().zip(chunk) {
                total.heads += cells.answers_total.value();
                total.answers += cells.answers_whole_total.value();
                total.failures += cells.failures_total.value();
            }
        }
    }

    /// Every endpoint with its state.
    pub fn endpoints(&self) -> Vec<EndpointState> {
        let now_ms = millis(self.start.elapsed());
        self.outliers
            .iter()
            .map(|(service, endpoint, outlier)| EndpointState {
                service: service.clone(),
                endpoint: endpoint.clone(),
                is_open: outlier.is_open(now_ms),
                is_in_rotation: outlier.is_in_rotation(),
                is_kept: outlier.is_kept(),
            })
            .collect()
    }

    /// What the system refuses this process now, in words.
    pub fn shortages(&self) -> Vec<&'static str> {
        self.shortages.now().map(Shortage::word).collect()
    }

    /// Every service that limits exchanges under way.
    pub fn queues(&self) -> Vec<QueueState> {
        let state = |(service, permits): &(String, Arc<Permits>)| {
            let (in_flight, waiting) = permits.now();
            QueueState {
                service: service.clone(),
                in_flight,
                in_flight_max: permits.most,
                waiting,
                waiting_max: permits.waiting_max,
            }
        };
        self.permits.iter().map(state).collect()
    }

    /// Waits until an endpoint has been ejected or has come back since the last call. For one waiter.
    pub async fn endpoint_changed(&self) {
        self.changed.notified().await;
    }

    /// Cells of each worker.
    pub fn workers(&self) -> &[Arc<WorkerMetrics>] {
        &self.workers
    }

    /// Cells of each worker and service: worker, service, cells.
    pub fn service_cells(&self) -> &[(u8, String, Arc<ServiceMetrics>)] {
        &self.services
    }

    /// Totals of every endpoint, in the order of [`Self::endpoints`].
    pub fn endpoint_totals(&self) -> Vec<EndpointTotals> {
        let mut all: Vec<EndpointTotals> = Vec::new();
        // Every worker has every endpoint, in the same order.
        let count = self.endpoints.iter().filter(|(worker, ..)| *worker == 0).count().max(1);
        for (index, (_, service, endpoint, cells)) in self.endpoints.iter().enumerate() {
            let totals = EndpointTotals::new(service, endpoint, cells);
            match all.get_mut(index % count) {
                Some(sum) => sum.add(&totals),
                None => all.push(totals),
            }
        }
        all
    }
}
