//! What the data plane counts and how it stands, for whoever looks: cells of all workers, states of
//! endpoints and queues. Looking costs a worker nothing.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use super::discovery::DiscoveryState;
use super::endpoint::Member;
use super::queue::Permits;
use super::roster::Roster;
use super::shortage::{Shortage, Shortages};
use crate::base::clock::millis;
use crate::metrics::{
    Cell64, Durations, EndpointMetrics, Exposition, ServiceMetrics, WorkerMetrics,
};

/// The cells of all workers, for reading.
#[derive(Debug)]
pub struct Figures {
    /// Per worker.
    pub(super) workers: Vec<Arc<WorkerMetrics>>,
    /// Per worker and service: service name and cells.
    pub(super) services: Vec<(u8, String, Arc<ServiceMetrics>)>,
    /// Per service: its endpoints.
    pub(super) rosters: Vec<Arc<Roster>>,
    /// Per service whose endpoints are discovered.
    pub(super) discoveries: Vec<Arc<DiscoveryState>>,
    /// Per service that limits exchanges under way: its name, its permits.
    pub(super) permits: Vec<(String, Arc<Permits>)>,
    /// What the system refuses this process.
    pub(super) shortages: Shortages,
    /// Start of the data plane.
    pub(super) start: Instant,
    /// Told when an endpoint comes, leaves, is ejected or comes back.
    pub(super) changed: Arc<Notify>,
}

/// One endpoint as people see it.
#[derive(Debug, Clone)]
pub struct EndpointState {
    /// Tells it from every other endpoint that this process ever had.
    pub id: u64,
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
    /// As in its [`EndpointState`].
    pub id: u64,
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
    fn new(service: &str, member: &Member) -> Self {
        let sum = |cell: fn(&EndpointMetrics) -> &Cell64| -> u64 {
            member.all_cells().iter().map(|cells| cell(cells).value()).sum()
        };
        Self {
            id: member.id,
            service: service.to_owned(),
            endpoint: member.label.clone(),
            in_flight: sum(|cells| &cells.in_flight),
            attempts: sum(|cells| &cells.attempts_total),
            failures: sum(|cells| &cells.failures_total),
            active: sum(|cells| &cells.connections_active),
            idle: sum(|cells| &cells.connections_idle),
            opened: sum(|cells| &cells.connections_opened_total),
            reused: sum(|cells| &cells.connections_reused_total),
            received: sum(|cells| &cells.received_bytes_total),
            sent: sum(|cells| &cells.sent_bytes_total),
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
        for (service, member) in self.members() {
            let labels = [("service", service.as_str()), ("endpoint", member.label.as_str())];
            for (id, cells) in member.all_cells().iter().enumerate() {
                cells.expose(&[("worker", &id.to_string()), labels[0], labels[1]], page);
            }
            member.outlier.metrics().expose(&labels, page);
        }
        for discovery in &self.discoveries {
            discovery.metrics().expose(&[("service", discovery.service.as_str())], page);
        }
    }

    /// Every endpoint of now, with its service.
    fn members(&self) -> Vec<(String, Arc<Member>)> {
        let of = |roster: &Arc<Roster>| {
            let members = roster.members();
            let name = roster.service.name.clone();
            (0..members.len()).map(move |index| (name.clone(), Arc::clone(&members[index])))
        };
        self.rosters.iter().flat_map(of).collect()
    }

    /// Every endpoint with its state.
    pub fn endpoints(&self) -> Vec<EndpointState> {
        self.states_and_totals().into_iter().map(|(state, _)| state).collect()
    }

    /// Every endpoint with its state, and what was counted of it.
    pub fn states_and_totals(&self) -> Vec<(EndpointState, EndpointTotals)> {
        let now_ms = millis(self.start.elapsed());
        let both = |(service, member): (String, Arc<Member>)| {
            let totals = EndpointTotals::new(&service, &member);
            let outlier = &member.outlier;
            let state = EndpointState {
                id: member.id,
                service,
                endpoint: member.label.clone(),
                is_open: outlier.is_open(now_ms),
                is_in_rotation: outlier.is_in_rotation(),
                is_kept: outlier.is_kept(),
            };
            (state, totals)
        };
        self.members().into_iter().map(both).collect()
    }

    /// Services without an endpoint, and whether that is all of them.
    pub fn without_endpoint(&self) -> (Vec<String>, bool) {
        let empty = self.rosters.iter().filter(|roster| roster.members().is_empty());
        let empty: Vec<String> = empty.map(|roster| roster.service.name.clone()).collect();
        let is_all = empty.len() == self.rosters.len();
        (empty, is_all)
    }

    /// Services whose endpoints are looked up for the first time.
    pub fn looking_up(&self) -> Vec<String> {
        let first = self.discoveries.iter().filter(|discovery| !discovery.has_looked());
        first.map(|discovery| discovery.service.clone()).collect()
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

    /// Waits until an endpoint has come, left, been ejected or come back since the last call. For one waiter.
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

    /// Totals of every endpoint.
    pub fn endpoint_totals(&self) -> Vec<EndpointTotals> {
        let totals =
            |(service, member): (String, Arc<Member>)| EndpointTotals::new(&service, &member);
        self.members().into_iter().map(totals).collect()
    }
}
