//! What somebody is told: that an alert fires, or that it is over.
//!
//! Invariants: `key` stays the same from the first notice of an alert to its resolve, over restarts and
//! whoever evaluates it; what changes while it fires (figures, times) is never part of it. Not here: when
//! an alert fires (`alert`), words and channels (`notify`).

use std::sync::Arc;
use std::time::Duration;

use super::key::{AlertKind, alert_key};
use super::objective::{Dimension, Objective, Severity};

/// One notice. All that a message needs; a channel adds nothing of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Identity of the alert at every channel: `lbproxy/` and 32 hex digits.
    pub key: String,
    /// Whether it fires or is over.
    pub status: AlertStatus,
    /// Who is told.
    pub severity: Severity,
    /// What was promised.
    pub objective: Arc<Objective>,
    /// Which part of it, in the order of `group_by`; empty when there is one for all.
    pub group: Vec<(Dimension, String)>,
    /// Why.
    pub trigger: Trigger,
    /// Milliseconds since 1970 when it began to fire.
    pub since_ms: u64,
    /// Share of the period's budget that is left; below 0 when it is overspent.
    pub budget_left: f64,
    /// When nothing is left at this pace, in milliseconds since 1970; `None`: not within the period.
    pub exhausted_ms: Option<u64>,
    /// Where most of the bad events of the last minutes are.
    pub top: Top,
    /// Name of the instance that evaluated it, or of the namespace it watches.
    pub source: String,
}

impl Notice {
    /// Whether its alert tells that there are no events, from its begin to its end, whatever the trigger
    /// says.
    pub fn is_absence(&self) -> bool {
        self.key == alert_key(&self.objective.name, AlertKind::Absent, &self.group)
    }
}

/// An alert that somebody was told of and that is not over for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAlert {
    /// See [`Notice::key`].
    pub key: String,
    /// Who was told.
    pub severity: Severity,
    /// Name of the objective.
    pub objective: String,
    /// Whose objective it is.
    pub service: String,
    /// Which part of it.
    pub group: Vec<(Dimension, String)>,
    /// Milliseconds since 1970 when it began to fire.
    pub since_ms: u64,
}

/// Whether an alert fires or is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertStatus {
    /// It fires: for the first time, still, or with another severity.
    Firing,
    /// It is over.
    Resolved {
        /// Milliseconds since 1970.
        at_ms: u64,
    },
}

/// Why an alert fires.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trigger {
    /// The budget burns too fast.
    Burn {
        /// How many times faster than allowed, over the long window; 0 or more.
        rate: f64,
        /// From which rate on it fires.
        factor: f64,
        /// The long window.
        long: Duration,
        /// The short window.
        short: Duration,
        /// Events of the long window that count.
        valid: u64,
        /// Those of them that are bad.
        bad: u64,
    },
    /// No event for so long.
    Absent {
        /// What is missing.
        what: Absence,
        /// For how long.
        lasted: Duration,
    },
    /// `lbproxy slo test-alert`: nothing is wrong.
    Test,
}

/// Three kinds of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// Heartbeats arrive, and nobody asks for anything.
    Traffic,
    /// Heartbeats arrive, and say that records wait or were dropped.
    Records,
    /// No heartbeat.
    Heartbeat,
}

impl Absence {
    /// As JSON names it: the API, and `lbproxy slo backtest` for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traffic => "traffic",
            Self::Records => "records",
            Self::Heartbeat => "heartbeat",
        }
    }
}

/// Where most of the bad events are; what is unknown is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Top {
    /// `lbproxy.endpoint`
    pub endpoint: Option<String>,
    /// `lbproxy.route`
    pub route: Option<String>,
    /// `lbproxy.termination.reason`, or the status where the answer was whole.
    pub reason: Option<String>,
}
