//! Objectives over many instances: counts, signs of life and notices that go on elsewhere.
//!
//! Who reads the records that instances made has counts told apart already, may read them again whenever it
//! starts, and keeps of the evaluator only what cannot be read again ([`Evaluator::encode_alerts`]). Not
//! here: reading (`watch`).

use std::collections::HashSet;

use super::clock;
use super::evaluator::Evaluator;
use super::notice::Notice;
use super::tier::EventCount;
use super::tracked::is_within;
use crate::base::clock::millis;

impl Evaluator {
    /// Counts events that somebody else told apart: of the objective with this name, at a time, in the
    /// group with these values in the order of its `group_by`. Says whether they count. Events that are
    /// older than `no_data.after` are no sign that there are any now.
    pub fn add(
        &mut self,
        objective: &str,
        group: &[&[u8]],
        time_ms: u64,
        events: EventCount,
    ) -> bool {
        let (now, now_ms) = (self.clock.minute(), self.clock.wall_ms());
        let known = self.tracked.iter_mut().find(|tracked| tracked.objective.name == objective);
        let Some(tracked) = known else { return false };
        if is_within(&tracked.objective.maintenance, time_ms) {
            self.counts.maintained += events.valid;
            return false;
        }
        let age_ms = now_ms.saturating_sub(time_ms);
        let after = tracked.objective.no_data.after;
        let is_recent = after.is_none_or(|(after, _)| age_ms < millis(after));
        let by = &tracked.objective.group_by;
        let place = |wanted| by.iter().position(|dimension| *dimension == wanted);
        let value = |dimension| group.get(place(dimension)?).copied();
        let (series, is_other) = tracked.table.group(now, value);
        if !series.series.count(clock::minute(time_ms), events) {
            self.counts.late += events.valid;
            return false;
        }
        series.total.add(events);
        tracked.has_events |= events.valid > 0 && is_recent;
        self.counts.events += events.valid;
        self.counts.other += if is_other { events.valid } else { 0 };
        true
    }

    /// Notes whether there was a heartbeat since the last time, and whether an instance says that records
    /// wait or were dropped.
    pub fn hear(&mut self, is_alive: bool, is_waiting: bool) {
        self.evidence.hear(is_alive, is_waiting);
    }

    /// Drops notices of which `is_told` says so.
    pub fn settle(&mut self, mut is_told: impl FnMut(&Notice) -> bool) {
        self.notices.retain(|notice| !is_told(notice));
    }

    /// Of several notices of one alert only the last is kept: for somebody who starts to tell.
    pub fn keep_last(&mut self) {
        let mut seen = HashSet::new();
        let keep: Vec<bool> =
            self.notices.iter().rev().map(|notice| seen.insert(notice.key.clone())).collect();
        let mut keep = keep.into_iter().rev();
        self.notices.retain(|_| keep.next() == Some(true));
    }
}
