//! Which records of a restarted shipper an earlier request may have stored already.
//!
//! What was sent and not acknowledged when a shipper ended cannot be known exactly, but bounded: per
//! lane at most what its requests under way could hold. That bound is kept in the note of the
//! cursor. Those records are looked up before they are sent, since their `_id` alone does not
//! protect them when the stream was rolled over in between.

use std::collections::HashMap;

use crate::consumer::{LaneKey, Lanes};
use crate::journal::{Entry, Identity};

/// Tells suspects while the journal is read.
#[derive(Debug)]
pub(super) struct Suspicion {
    /// Most records of a lane that may be stored; from the note.
    limit: u64,
    /// The start whose records nobody has sent before; `None` after a fault within it.
    fresh: Option<Identity>,
    /// Suspects so far, by lane.
    seen: HashMap<LaneKey, u64>,
}

impl Suspicion {
    /// At the start of a process, from the cursor's note.
    pub(super) fn at_start(note: &str, fresh: Identity) -> Self {
        Self { limit: limit(note), fresh: Some(fresh), seen: HashMap::new() }
    }

    /// After a fault of the shipper within a process.
    pub(super) fn after_fault(note: &str) -> Self {
        Self { limit: limit(note), fresh: None, seen: HashMap::new() }
    }

    /// Whether a record may be stored; called once for each, in the order of its lane.
    pub(super) fn of(&mut self, entry: &Entry<'_>) -> bool {
        let is_fresh = self
            .fresh
            .is_some_and(|fresh| (fresh.instance, fresh.epoch) == (entry.instance, entry.epoch));
        if is_fresh || self.limit == 0 {
            return false;
        }
        let seen = self.seen.entry(Lanes::key(entry)).or_insert(0);
        *seen += 1;
        *seen <= self.limit
    }
}

/// The note while requests are under way.
pub(super) fn note(records_max: usize) -> String {
    format!("unsettled_max={records_max}")
}

/// What a note says. A cursor without a note may have been followed by anything.
fn limit(note: &str) -> u64 {
    note.strip_prefix("unsettled_max=").and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `count` records of this epoch are suspects.
    fn suspects(mut suspicion: Suspicion, epoch: u16, count: u64) -> usize {
        let preamble = std::sync::Arc::from([].as_slice());
        (1..=count)
            .filter(|&seq| {
                let preamble = &preamble;
                let (stream, instance, payload) = (1, 7, [].as_slice());
                suspicion.of(&Entry { lane: 0, stream, seq, instance, epoch, preamble, payload })
            })
            .count()
    }

    #[test]
    fn suspects_are_bounded_by_the_note_and_spare_what_is_new() {
        let fresh = Identity { instance: 7, epoch: 3 };
        let rows = [
            ("earlier run, killed", Suspicion::at_start(&note(20), fresh), 2, 20),
            ("earlier run, ended well", Suspicion::at_start(&note(0), fresh), 2, 0),
            ("earlier run, no note", Suspicion::at_start("", fresh), 2, 50),
            ("earlier run, foreign note", Suspicion::at_start("x=1", fresh), 2, 50),
            ("this run", Suspicion::at_start(&note(20), fresh), 3, 0),
            ("this run after a fault", Suspicion::after_fault(&note(20)), 3, 20),
        ];
        for (name, suspicion, epoch, want) in rows {
            assert_eq!(suspects(suspicion, epoch, 50), want, "{name}");
        }
    }
}
