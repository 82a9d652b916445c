//! What shipping is doing, as people see it: one log line per change, and gauges.
//!
//! Records are settled in the order they were made, so the oldest batch that waits says why shipping
//! waits: its cause is told, and that records are taken only when none waits. So causes of several batches
//! do not take turns in the log.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::elk::problem::{Fault, Problem};
use crate::metrics::ShipMetrics;

/// Requests in a row after which "less, please" is a state and no passing matter: over ten seconds.
const OVERLOADED_IN_A_ROW: u32 = 8;

/// Who waits: the number of a batch, or [`NOBODY_YET`].
pub(super) type Who = u64;
/// Whoever looks at the server before there is a batch.
pub(super) const NOBODY_YET: Who = Who::MAX;

/// Why: the fault, and the cure that was told.
type Cause = (Fault, &'static str);

/// What was told, and what is to be told.
#[derive(Debug)]
pub(super) struct Status {
    is_taking: Cell<bool>,
    /// What was told of each node, by its address, since records were taken last: nodes that are asked
    /// in turn do not take turns in the log.
    told: RefCell<BTreeMap<String, Cause>>,
    /// Who waits; at most the batches under way and one.
    waiting: RefCell<BTreeMap<Who, Cause>>,
    /// Times in a row that the server asked for less.
    overloaded: Cell<u32>,
    metrics: Arc<ShipMetrics>,
}

impl Status {
    pub(super) fn new(metrics: Arc<ShipMetrics>) -> Self {
        metrics.connected.set(0);
        let status = Self {
            is_taking: Cell::new(false),
            told: RefCell::default(),
            waiting: RefCell::default(),
            overloaded: Cell::new(0),
            metrics,
        };
        status.show(None);
        status
    }

    /// Records of this batch are taken, or it is settled.
    pub(super) fn accepted(&self, who: Who, url: &str) {
        self.overloaded.set(0);
        self.done(NOBODY_YET); // a batch knows better
        self.done(who);
        if self.first().is_some() {
            return;
        }
        self.metrics.connected.set(1);
        self.told.borrow_mut().clear();
        if !self.is_taking.replace(true) {
            tracing::info!(url, "shipping: the server takes records");
        }
    }

    /// Waits no longer; whether records are taken is not known.
    pub(super) fn done(&self, who: Who) {
        self.waiting.borrow_mut().remove(&who);
        self.show(self.first().map(|(_, cause)| cause));
    }

    /// Records of this batch wait, and why.
    pub(super) fn waits(&self, who: Who, url: &str, problem: &Problem) {
        let Problem { fault, reason, .. } = problem;
        if *fault == Fault::Overloaded {
            self.overloaded.set(self.overloaded.get() + 1);
            if self.overloaded.get() < OVERLOADED_IN_A_ROW {
                return;
            }
        }
        let cure = if problem.cure.is_empty() { cure(problem) } else { problem.cure };
        self.waiting.borrow_mut().insert(who, (*fault, cure));
        let Some((first, cause)) = self.first() else { return };
        // Another's cause is told when it comes up again, with its reason.
        if first == who && self.told.borrow_mut().insert(url.to_owned(), cause) != Some(cause) {
            self.is_taking.set(false);
            tracing::warn!(url, reason, "shipping: records wait in the journal; {cure}");
        }
        self.metrics.connected.set(0);
        self.show(Some(cause));
    }

    fn first(&self) -> Option<(Who, Cause)> {
        self.waiting.borrow().first_key_value().map(|(who, cause)| (*who, *cause))
    }

    /// Brings the gauges up to date, but for `connected`.
    fn show(&self, cause: Option<Cause>) {
        let fault = cause.map(|(fault, _)| fault);
        let ShipMetrics { unauthorized, blocked, dead_letters_full, .. } = &*self.metrics;
        unauthorized.set(u64::from(fault == Some(Fault::Unauthorized)));
        dead_letters_full.set(u64::from(fault == Some(Fault::DeadLetters)));
        // It answers, and takes nothing.
        let is_blocked = matches!(
            fault,
            Some(Fault::Blocked | Fault::Forbidden | Fault::Refused | Fault::Overloaded)
        );
        blocked.set(u64::from(is_blocked));
    }
}

/// What a person can do.
const fn cure(problem: &Problem) -> &'static str {
    match problem.fault {
        Fault::NotSent => "start the server, or correct telemetry.elasticsearch.urls",
        Fault::Unknown => "it is tried again; look at the server's own log if it goes on",
        Fault::Unauthorized => "correct user, password or key of telemetry.elasticsearch",
        Fault::Forbidden => "grant the user the rights that `create_doc` and `auto_configure` give",
        Fault::Refused => "mend what the reason says, and check telemetry.elasticsearch.urls",
        Fault::Overloaded => "give the server more room: it asks for less",
        Fault::Blocked if problem.status == 429 => {
            "free disk space on the server, or raise its watermarks: this block then goes by itself"
        }
        Fault::Blocked => "take the block that the reason names off the index or the cluster",
        Fault::DeadLetters => {
            "run `lbproxy log resend` once what they were refused for is mended, or raise \
             telemetry.elasticsearch.dead_letters"
        }
        Fault::TooLarge => "it is tried again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Cell64;

    /// What a status shows: connected, unauthorized, blocked, full.
    fn shown(metrics: &ShipMetrics) -> [u64; 4] {
        let ShipMetrics { connected, unauthorized, blocked, dead_letters_full, .. } = metrics;
        [connected, unauthorized, blocked, dead_letters_full].map(Cell64::value)
    }

    /// What was told of each node.
    fn told(status: &Status) -> Vec<(String, Fault)> {
        status.told.borrow().iter().map(|(url, (fault, _))| (url.clone(), *fault)).collect()
    }

    #[test]
    fn each_fault_is_one_state() {
        for (fault, want) in [
            (Fault::NotSent, [0, 0, 0, 0]),
            (Fault::Unknown, [0, 0, 0, 0]),
            (Fault::Unauthorized, [0, 1, 0, 0]),
            (Fault::Forbidden, [0, 0, 1, 0]),
            (Fault::Refused, [0, 0, 1, 0]),
            (Fault::Blocked, [0, 0, 1, 0]),
            (Fault::DeadLetters, [0, 0, 0, 1]),
        ] {
            let metrics = Arc::new(ShipMetrics::default());
            let status = Status::new(Arc::clone(&metrics));
            status.accepted(0, "u");
            status.waits(1, "u", &Problem::new(fault, "r"));
            assert_eq!(shown(&metrics), want, "{fault:?}");
            status.accepted(1, "u");
            assert_eq!(shown(&metrics), [1, 0, 0, 0], "{fault:?}");
        }
    }

    #[test]
    fn less_is_a_state_only_when_it_lasts() {
        let metrics = Arc::new(ShipMetrics::default());
        let status = Status::new(Arc::clone(&metrics));
        status.accepted(0, "u");
        for n in 1..=OVERLOADED_IN_A_ROW {
            assert_eq!(metrics.connected.value(), 1, "{n}");
            status.waits(0, "u", &Problem::new(Fault::Overloaded, "r"));
        }
        assert_eq!(shown(&metrics), [0, 0, 1, 0]);
    }

    #[test]
    fn the_oldest_batch_that_waits_says_why() {
        let metrics = Arc::new(ShipMetrics::default());
        let status = Status::new(Arc::clone(&metrics));
        status.waits(5, "u", &Problem::new(Fault::Blocked, "r"));
        status.waits(6, "u", &Problem::new(Fault::Unauthorized, "r"));
        assert_eq!(
            (shown(&metrics), told(&status)),
            ([0, 0, 1, 0], vec![("u".into(), Fault::Blocked)])
        );
        status.accepted(6, "u");
        assert_eq!(
            shown(&metrics),
            [0, 0, 1, 0],
            "a younger one that is taken does not mean all are"
        );
        status.waits(6, "u", &Problem::new(Fault::Unauthorized, "r"));
        status.accepted(5, "u");
        assert_eq!(shown(&metrics), [0, 1, 0, 0]);
        status.done(6);
        assert_eq!(shown(&metrics), [0; 4], "nobody is refused any more");
        status.accepted(7, "u");
        assert_eq!((shown(&metrics), told(&status)), ([1, 0, 0, 0], Vec::new()));
        assert!(status.is_taking.get());
    }

    #[test]
    fn a_batch_that_is_taken_knows_better_than_who_looked_before_it() {
        let metrics = Arc::new(ShipMetrics::default());
        let status = Status::new(Arc::clone(&metrics));
        status.waits(NOBODY_YET, "u", &Problem::new(Fault::Unauthorized, "r"));
        status.accepted(0, "v");
        assert_eq!(shown(&metrics), [1, 0, 0, 0]);
    }
}
