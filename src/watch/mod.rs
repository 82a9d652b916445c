//! Objectives over all instances: `lbproxy slo watch`.
//!
//! ```text
//! metrics-lbproxy.slo-* ─► read ─► sums: what is new ─► slo::Evaluator ─► notices ─► notify
//! heartbeats, samples ───► signs ──────────────────────────┘ │
//! lbproxy.watch-* (one document) ◄── lease, alerts, notices not yet told ──┘
//! ```
//! Invariants: one watcher notifies at a time (`lease`); nobody is told anything that the document does not
//! hold already, so the next holder knows of it; a record is counted once, however often it is read; while
//! records cannot be read nothing fires and nothing ends. Everything is bounded, and every bound is counted
//! ([`WatchMetrics`]). docs/slo-watch.md says what can be relied on. Not here: how counts are judged (`slo`),
//! how somebody is told (`notify`).

mod document;
mod lease;
mod read;
mod signs;
mod store;
mod sums;
mod tenure;
#[cfg(test)]
mod tests;
mod watcher;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::config::{Elasticsearch, Notify};
use crate::elk::client::ClientError;
use crate::metrics::{Exposition, SloMetrics, WatchMetrics};
use crate::notify;
use crate::slo::{self, Objective, Statuses};

/// Least time without events that is told: each minute has one record, which is on its way for seconds.
pub const SILENCE_MIN: Duration = Duration::from_mins(3);

/// What a watcher needs; no defaults.
#[derive(Debug)]
pub struct Options {
    /// Where records and the lease are.
    pub elasticsearch: Elasticsearch,
    /// Last part of the streams' names.
    pub namespace: String,
    /// Those that are evaluated; their records are found by their names.
    pub objectives: Vec<Arc<Objective>>,
    /// Who is told while this one holds the lease.
    pub notify: Notify,
    /// How often instances send heartbeats, if they do.
    pub heartbeat_every: Option<Duration>,
    /// Name of this watcher, for people.
    pub instance: String,
    /// A folder of this watcher alone.
    pub folder: PathBuf,
    /// How often to read and evaluate.
    pub every: Duration,
    /// What others see of it.
    pub shown: Arc<WatchShown>,
}

/// What others see of a watcher.
#[derive(Debug, Default)]
pub struct WatchShown {
    /// Those of the lease, of turns and of readings.
    pub metrics: WatchMetrics,
    /// Those of the evaluation.
    pub slo: SloMetrics,
    /// Where each series stands; nothing while another holds the lease.
    pub statuses: Statuses,
    /// Those of notices, while this one holds the lease.
    notices: Mutex<Option<Arc<notify::Metrics>>>,
}

impl WatchShown {
    /// Adds all of it to a page.
    pub fn expose(&self, page: &mut Exposition) {
        self.metrics.expose(&[], page);
        self.slo.expose(&[], page);
        slo::expose(&self.statuses.last().series, page);
        if let Some(notices) = self.notices() {
            notices.expose(page);
        }
    }

    /// Whether it does what it is for: holds the lease and watches, or sees that another holds it.
    pub fn is_ready(&self) -> bool {
        self.metrics.up.value() == 1
    }

    fn notices(&self) -> Option<Arc<notify::Metrics>> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_notices(&self, notices: Option<Arc<notify::Metrics>>) {
        *self.notices.lock().unwrap_or_else(PoisonError::into_inner) = notices;
    }
}

/// Watches until `stop` becomes true; then tells what is to be told and releases the lease.
///
/// # Errors
/// When the certificates for the server cannot be used; nothing was asked then.
pub async fn run(options: Options, mut stop: watch::Receiver<bool>) -> Result<(), ClientError> {
    let mut watcher = watcher::Watcher::new(options)?;
    loop {
        // A turn that is given up in between leaves a document that is whole, and a state that goes on.
        let wait = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            wait = watcher.turn() => wait,
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            () = tokio::time::sleep(wait) => (),
        }
    }
    watcher.end().await;
    Ok(())
}
