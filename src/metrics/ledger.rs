//! The account of records: what became of every one, by the counters.
//!
//! ```text
//! created               = journaled + dropped_full
//! journaled + recovered = acknowledged + duplicate + failure_store + dead_letter
//!                       + damaged + pending
//! ```
//! Both hold at the end of a process. While it runs each part is read before its whole, so that none is
//! larger, and a right side may be a little behind. Not here: who shows it.

use std::sync::Arc;

use super::{ControlMetrics, JournalMetrics, ShipMetrics, WorkerMetrics};
use crate::base::equation::Equation;

/// What became of every record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Records made, by workers and by everything else.
    pub created: u64,
    /// Appended to the journal.
    pub journaled: u64,
    /// Refused by a full journal.
    pub dropped_full: u64,
    /// The shipping side, if there is one.
    pub shipped: Option<Shipped>,
}

/// The shipping side of a [`Ledger`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shipped {
    /// Records of earlier runs that waited at start.
    pub recovered: u64,
    /// Stored.
    pub acknowledged: u64,
    /// Stored before.
    pub duplicate: u64,
    /// In the server's failure store.
    pub failure_store: u64,
    /// Refused for good.
    pub dead_letter: u64,
    /// Damaged on disk, or gone with a file, before they could be sent.
    pub damaged: u64,
    /// In the journal, and none of these yet.
    pub pending: u64,
}

impl Ledger {
    /// From the counters; shipping's have been read before.
    pub fn read(
        shipped: Option<Shipped>,
        journal: &JournalMetrics,
        workers: &[Arc<WorkerMetrics>],
        control: &ControlMetrics,
    ) -> Self {
        let journaled = journal.appended_total.value();
        let dropped_full = journal.dropped_full_total.value();
        let by_workers = workers.iter().map(|cells| cells.records_created_total.value());
        let created = by_workers.sum::<u64>() + control.records_created_total.value();
        Self { created, journaled, dropped_full, shipped }
    }

    /// The equations above; the second only with shipping.
    pub fn equations(&self) -> Vec<Equation> {
        let Self { created, journaled, dropped_full, shipped } = *self;
        let first = Equation::new(
            &[("created", created)],
            &[("journaled", journaled), ("dropped_full", dropped_full)],
        );
        let second = shipped.map(|shipped| {
            Equation::new(
                &[("journaled", journaled), ("recovered", shipped.recovered)],
                &[
                    ("acknowledged", shipped.acknowledged),
                    ("duplicate", shipped.duplicate),
                    ("failure_store", shipped.failure_store),
                    ("dead_letter", shipped.dead_letter),
                    ("damaged", shipped.damaged),
                    ("pending", shipped.pending),
                ],
            )
        });
        [first].into_iter().chain(second).collect()
    }
}

impl Shipped {
    /// From the counters; the journal is asked for what is `pending` after what is settled.
    pub fn read(ship: &ShipMetrics, pending: impl FnOnce() -> u64) -> Self {
        Self {
            recovered: ship.recovered.value(),
            acknowledged: ship.acknowledged_total.value(),
            duplicate: ship.duplicate_total.value(),
            failure_store: ship.failure_store_total.value(),
            dead_letter: ship.dead_letter_total.value(),
            damaged: ship.damaged_total.value(),
            pending: pending(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_say_whether_every_record_is_somewhere() {
        let shipped = Shipped {
            recovered: 3,
            acknowledged: 1,
            duplicate: 2,
            failure_store: 1,
            dead_letter: 1,
            damaged: 1,
            pending: 1,
        };
        let ledger = Ledger { created: 5, journaled: 4, dropped_full: 1, shipped: None };
        let told = |ledger: Ledger| -> Vec<String> {
            ledger.equations().iter().map(ToString::to_string).collect()
        };
        let first = "created 5 = journaled 4 + dropped_full 1 (holds)";
        assert_eq!(told(ledger), [first]);
        let second = "journaled 4 + recovered 3 = acknowledged 1 + duplicate 2 + failure_store 1 \
                      + dead_letter 1 + damaged 1 + pending 1 (holds)";
        assert_eq!(told(Ledger { shipped: Some(shipped), ..ledger }), [first, second]);
        let lost = Shipped { pending: 0, ..shipped };
        let lost = told(Ledger { created: 6, shipped: Some(lost), ..ledger });
        assert!(lost.iter().all(|equation| equation.ends_with("(DOES NOT HOLD)")), "{lost:?}");
    }
}
