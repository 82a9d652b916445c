//! Records of the minutes that are past: what each series counted in them, and where it stands.
//!
//! A minute's events are in records once each: those that come after its record was made are in a part of
//! their own. A series without events has a record only while one of its alerts is not inactive, or where it
//! is the only one of its objective. Not here: who writes them to the journal, and that each is written once
//! (`reader`).

use super::alert::AlertState;
use super::evaluator::Evaluator;
use super::objective::Dimension;
use super::status::{SeriesStatus, status};
use super::tier::EventCount;
use super::tracked::{Tracked, is_within};
use crate::record::{Count, Ratio, SloRecord, Text, TextList, TimestampMs};

/// How long after its end a minute is past: whoever finished a request then has journaled it.
const GRACE_MS: u64 = 2_000;
/// Largest payload of a record.
const PAYLOAD_BYTES_MAX: usize = 4 * 1024;

impl Evaluator {
    /// Whether a minute has passed since records were made.
    pub fn has_minutes(&self) -> bool {
        super::clock::minute(self.clock.wall_ms().saturating_sub(GRACE_MS)) != self.rows_minute
    }

    /// Gives the records of all minutes that are past and have none; `None` for one that is too large.
    pub fn close_minutes(&mut self, mut push: impl FnMut(Option<Vec<u8>>)) {
        let now_ms = self.clock.wall_ms();
        let now = super::clock::minute(now_ms.saturating_sub(GRACE_MS));
        let is_first = std::mem::replace(&mut self.rows_minute, now) == 0;
        let unknown_before = self.unknown_before;
        let (next_part, mut slot) = (&mut self.next_part, vec![0; PAYLOAD_BYTES_MAX]);
        for tracked in &mut self.tracked {
            let Tracked { objective, rows, table, absent, .. } = tracked;
            let is_one = objective.group_by.is_empty();
            for group in table.all_mut() {
                if !is_one && group.series.last() == 0 {
                    continue;
                }
                let status = status(objective, rows, group, absent.state, now_ms);
                let burning = burning(&status, now_ms);
                let mut made = false;
                let mut write = |minute: u32, part, events| {
                    let used = encode(&status, minute, part, events, &burning, &mut slot);
                    push(used.map(|used| slot[..used].to_vec()));
                };
                group.series.take_unwritten(now, |minute, is_late, events| {
                    let is_part = is_late || minute < unknown_before;
                    let part = if is_part { *next_part } else { 0 };
                    *next_part += u64::from(is_part);
                    made |= minute + 1 == now;
                    write(minute, part, events);
                });
                let is_told = is_one || status.worst().0 != AlertState::Inactive;
                let is_told = is_told && !made && !is_first && now > unknown_before;
                if is_told && let Some(minute) = group.series.skip(now) {
                    write(minute, 0, EventCount::default());
                }
            }
        }
    }

    /// An earlier run may have made records of any minute up to now, and nobody knows which: what comes is
    /// in parts of their own, numbered from `first`.
    pub fn after_loss(&mut self, now_ms: u64, first: u64) {
        let now = super::clock::minute(now_ms);
        self.next_part = first;
        self.unknown_before = now.saturating_add(1);
    }
}

/// The rows that burn, as a list: none during maintenance, in which no alert begins.
fn burning(status: &SeriesStatus, now_ms: u64) -> Vec<u8> {
    let (objective, mut list) = (&status.objective, Vec::new());
    let is_maintained = is_within(&objective.maintenance, now_ms);
    for burn in status.burns.iter().filter(|burn| burn.is_active && !is_maintained) {
        TextList::push(&mut list, objective.row_name(&burn.window).as_bytes());
    }
    list
}

/// Writes the record of a minute.
fn encode(
    status: &SeriesStatus,
    minute: u32,
    part: u64,
    events: EventCount,
    burning: &[u8],
    out: &mut [u8],
) -> Option<usize> {
    let objective = &status.objective;
    let name = |wanted: Dimension| {
        let found = status.group.iter().find(|(each, _)| *each == wanted);
        found.map(|(_, name)| Text(name.as_bytes()))
    };
    let rate = |place: usize| status.rates[place].map(ratio);
    let (state, alert) = status.worst();
    SloRecord {
        timestamp: Some(TimestampMs(u64::from(minute) * 60_000)),
        slo_part: Some(Count(part)),
        slo_name: Some(Text(objective.name.as_bytes())),
        service: name(Dimension::Service),
        route: name(Dimension::Route),
        endpoint: name(Dimension::Endpoint),
        slo_valid: Some(Count(events.valid)),
        slo_good: Some(Count(events.good())),
        slo_bad: Some(Count(events.bad)),
        slo_target: Some(Count(u64::from(objective.target.ppm()))),
        slo_period: Some(Count(objective.period.length().as_secs())),
        slo_period_valid: Some(Count(status.budget.count.valid)),
        slo_period_bad: Some(Count(status.budget.count.bad)),
        slo_budget_left: Some(ratio(status.budget.left)),
        slo_budget_spent: Some(ratio(1.0 - status.budget.left)),
        slo_burn_5m: rate(0),
        slo_burn_30m: rate(1),
        slo_burn_1h: rate(2),
        slo_burn_2h: rate(3),
        slo_burn_6h: rate(4),
        slo_burn_1d: rate(5),
        slo_burn_3d: rate(6),
        slo_state: Some(Text(state.as_str().as_bytes())),
        slo_alert: alert.map(|alert| Text(alert.as_bytes())),
        slo_exhausted_at: status.exhausted_ms.map(TimestampMs),
        slo_burning: (!burning.is_empty()).then_some(TextList(burning)),
    }
    .encode(out)
}

/// A share or rate as records have it; below 0 is 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10^15")]
pub(super) fn ratio(value: f64) -> Ratio {
    Ratio((value * 10_000.0).round().clamp(0.0, 1e15) as u64)
}
