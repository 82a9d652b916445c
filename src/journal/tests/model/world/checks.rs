//! What counters must say.

use super::super::disk::Key;
use super::super::expected::{Fate, missing};
use super::{Cursor, READERS, World};
use crate::metrics::JournalMetrics;

impl World {
    /// Holds at any moment.
    pub(super) fn check(&self) {
        let live = self.live.as_ref().unwrap();
        let figures = live.journal.figures();
        assert_eq!(figures.metrics().appended_total.value(), live.appended);
        assert_eq!(figures.metrics().dropped_full_total.value(), live.dropped);
        for (reader, name) in READERS.iter().enumerate() {
            let cursor = &self.cursors[reader];
            let (least, most) = self.unsettled(reader);
            let pending = figures.pending(name);
            assert!(
                (least..=most).contains(&pending),
                "{name}: {pending} wait, not {least} to {most}"
            );
            if least == most {
                let (left, right) = (cursor.recovered + live.appended, cursor.settled + pending);
                assert_eq!(left, right, "{name}: recovered + journaled = settled + pending");
            }
        }
    }

    /// What a start says of what it found.
    pub(super) fn check_recovery(&self, metrics: &JournalMetrics) {
        let (mut whole, mut least, mut most) = (0, 0, 0);
        for (key, list) in &self.lists {
            let (seen, passed) = acked(&self.cursors, *key);
            let (seen, passed) = (seen.min(list.records.len()), passed.min(list.records.len()));
            whole += list.whole(seen..list.records.len());
            let uses: Vec<_> = self.uses.values().filter(|usage| usage.key == *key).collect();
            let (at_least, at_most) = missing(list, &uses, seen, passed);
            least += at_least;
            most += at_most;
        }
        assert_eq!(metrics.recovered_total.value(), whole, "records that wait");
        if self.cursors.iter().all(|cursor| !cursor.is_blurred) {
            let missing = metrics.damaged_records_total.value();
            assert!((least..=most).contains(&missing), "{missing} missing, not {least} to {most}");
        }
        let aside = self.dir().join("damaged");
        let kept = std::fs::read_dir(aside).map_or(0, Iterator::count);
        assert!(kept <= 8, "{kept} kept aside");
        assert!(kept > 0 || metrics.damaged_segments_total.value() == 0, "none kept aside");
    }

    /// Records behind the acknowledged position of a reader: at least and at most.
    pub(super) fn unsettled(&self, reader: usize) -> (u64, u64) {
        let cursor = &self.cursors[reader];
        let (mut least, mut hurt) = (0, 0);
        for (key, list) in &self.lists {
            let seen = cursor.acked.seen.get(key).copied().unwrap_or(0);
            least += list.whole(seen..list.records.len());
            hurt += list.records.iter().filter(|record| record.fate == Fate::Hurt).count() as u64;
        }
        (least, least + hurt)
    }
}

/// What every reader has acknowledged of a lane: up to the last record that it was given, and as far as
/// it may have passed damage behind that.
pub(super) fn acked(cursors: &[Cursor; 2], key: Key) -> (usize, usize) {
    let at = |places: &super::Places| places.get(&key).copied().unwrap_or(0);
    let [one, two] = cursors;
    (at(&one.acked.seen).min(at(&two.acked.seen)), at(&one.acked.passed).min(at(&two.acked.passed)))
}
