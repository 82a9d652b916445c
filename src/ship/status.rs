//! What shipping is doing, as people see it: one log line per change, and two gauges.

use std::cell::Cell;
use std::sync::Arc;

use crate::elk::problem::{Fault, Problem};
use crate::metrics::ShipMetrics;

/// Requests in a row after which "less, please" is a state and no passing matter: over ten seconds.
const OVERLOADED_IN_A_ROW: u32 = 8;

/// What people know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Nothing yet.
    Nothing,
    /// Records are taken.
    Well,
    /// They wait, because of this.
    Ill(Fault),
}

/// The state that was told last.
#[derive(Debug)]
pub(super) struct Status {
    /// It.
    told: Cell<Told>,
    /// Times in a row that the server asked for less.
    overloaded: Cell<u32>,
    /// Shows it.
    metrics: Arc<ShipMetrics>,
}

impl Status {
    /// Nothing is known yet.
    pub(super) fn new(metrics: Arc<ShipMetrics>) -> Self {
        metrics.connected.set(0);
        metrics.unauthorized.set(0);
        Self { told: Cell::new(Told::Nothing), overloaded: Cell::new(0), metrics }
    }

    /// The server takes records.
    pub(super) fn well(&self, url: &str) {
        self.overloaded.set(0);
        if self.told.replace(Told::Well) != Told::Well {
            tracing::info!(url, "shipping: the server takes records");
        }
        self.metrics.connected.set(1);
        self.metrics.unauthorized.set(0);
    }

    /// It does not, and why.
    pub(super) fn ill(&self, url: &str, problem: &Problem) {
        let Problem { fault, reason, .. } = problem;
        if *fault == Fault::TooLarge {
            tracing::info!(url, reason, "shipping: the server wants smaller requests");
            return;
        }
        if *fault == Fault::Overloaded {
            self.overloaded.set(self.overloaded.get() + 1);
            if self.overloaded.get() < OVERLOADED_IN_A_ROW {
                return;
            }
        }
        if self.told.replace(Told::Ill(*fault)) != Told::Ill(*fault) {
            let cure = cure(*fault);
            tracing::warn!(url, reason, "shipping: records wait in the journal; {cure}");
        }
        self.metrics.connected.set(0);
        self.metrics.unauthorized.set(u64::from(*fault == Fault::Unauthorized));
    }
}

/// What a person can do.
const fn cure(fault: Fault) -> &'static str {
    match fault {
        Fault::NotSent => "start the server, or correct telemetry.elasticsearch.urls",
        Fault::Unknown => "it is tried again; look at the server's own log if it goes on",
        Fault::Unauthorized => "correct user, password or key of telemetry.elasticsearch",
        Fault::Forbidden => "grant the user the rights that `create_doc` and `auto_configure` give",
        Fault::Refused => "mend what the reason says, and check telemetry.elasticsearch.urls",
        Fault::Overloaded => "give the server more room, or take a block off its indices",
        Fault::TooLarge => "it is tried again",
    }
}
