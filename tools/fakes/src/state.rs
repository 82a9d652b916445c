//! What the thread of a mock and its owner share: script, store, requests seen. Behind one lock that
//! is never held over an `await`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::alerting::Alerting;
use super::dashboards::Dashboards;
use super::setup::Setup;
use super::store::Store;
use super::{Credentials, Options, Product, Seen, Step};

/// A bulk request that is still running.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) node: usize,
    pub(super) opaque_id: Option<String>,
    /// Length of its body, unpacked.
    pub(super) body_bytes: usize,
    pub(super) description: String,
    pub(super) started: std::time::SystemTime,
    /// Lets it go on when it is held.
    pub(super) held: Option<oneshot::Sender<()>>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) product: Product,
    /// What callers must prove.
    pub(super) credentials: Option<Credentials>,
    /// Longest body, unpacked.
    pub(super) body_bytes_max: usize,
    /// Steps of the next bulk requests.
    pub(super) steps: VecDeque<Step>,
    /// Step of those after them.
    pub(super) default: Step,
    pub(super) store: Store,
    /// What set-up has left, and what it may do.
    pub(super) setup: Setup,
    /// Kibana or OpenSearch Dashboards, and what it has.
    pub(super) dashboards: Dashboards,
    /// Rules, SLOs, monitors.
    pub(super) alerting: Alerting,
    /// Most bytes of bulk requests still running.
    running_bytes_max: usize,
    /// Bulk requests still running, by number.
    pub(super) tasks: BTreeMap<u64, Task>,
    /// Number of the last task.
    pub(super) last_task: u64,
    /// Ids the server has given so far.
    last_id: u64,
    /// Requests received, while there is room.
    pub(super) seen: Vec<Seen>,
    pub(super) recorded_max: usize,
    pub(super) requests: u64,
    /// Bulk requests whose caller waits.
    pub(super) in_flight: usize,
    /// The most of them there were.
    pub(super) in_flight_max: usize,
    /// Bulk requests refused because the store was full.
    pub(super) refused_full: u64,
}

impl State {
    /// The state of a fresh mock.
    pub(super) fn new(options: Options) -> Self {
        Self {
            product: options.product,
            credentials: options.credentials,
            body_bytes_max: options.body_bytes_max,
            steps: VecDeque::new(),
            default: Step::default(),
            store: Store::new(options.product, options.stored_bytes_max, options.keeps_sources),
            setup: Setup::default(),
            dashboards: Dashboards::default(),
            alerting: Alerting::default(),
            running_bytes_max: options.stored_bytes_max,
            tasks: BTreeMap::new(),
            last_task: 0,
            last_id: 0,
            seen: Vec::new(),
            recorded_max: options.recorded_max,
            requests: 0,
            in_flight: 0,
            in_flight_max: 0,
            refused_full: 0,
        }
    }

    /// Whether a bulk request of that many bytes can run beside the others.
    pub(super) fn has_room(&self, body_bytes: usize) -> bool {
        let running: usize = self.tasks.values().map(|task| task.body_bytes).sum();
        running.saturating_add(body_bytes) <= self.running_bytes_max
    }

    /// An id for a document that has none.
    pub(super) fn next_id(&mut self) -> String {
        self.last_id += 1;
        format!("mock-{:015}", self.last_id)
    }

    /// Counts a request and records it while there is room; gives its place.
    pub(super) fn record(&mut self, seen: Seen) -> Option<usize> {
        self.requests += 1;
        (self.seen.len() < self.recorded_max).then(|| {
            self.seen.push(seen);
            self.seen.len() - 1
        })
    }

    /// Notes what the request at `place` was answered.
    pub(super) fn answered(&mut self, place: usize, status: u16) {
        if let Some(seen) = self.seen.get_mut(place) {
            seen.status = Some(status);
        }
    }

    /// The step of the next bulk request.
    pub(super) fn next_step(&mut self) -> Step {
        self.steps.pop_front().unwrap_or_else(|| self.default.clone())
    }
}

/// [`State`] behind its lock.
#[derive(Debug)]
pub(super) struct Shared(Mutex<State>);

impl Shared {
    /// Puts it behind its lock.
    pub(super) fn new(state: State) -> Self {
        Self(Mutex::new(state))
    }

    /// The state, for a moment.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
