//! The budget of a series over the time of its period: how it was spent.
//!
//! Left at a moment = 1 − bad events from the start of the period until then ÷ events that may be bad in all of
//! the period so far, so the last point is the budget of now, and a step is what was spent at that time. Not
//! what was left then by the events of then: that would need those of the period before, which nobody keeps.

use super::budget::calendar;
use super::burn::minutes;
use super::clock::minute;
use super::evaluator::Evaluator;
use super::objective::{Dimension, Objective};
use super::series::Series;
use super::tracked::period_count;

/// A moment, and what was left then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetPoint {
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// Share of the budget; below 0 when it is overspent.
    pub left: f64,
}

impl Evaluator {
    /// How the budget of a series was spent, oldest first, from its first event in the period on: at most some
    /// hundred points, a minute apart within the last hour and half a day apart before the last three days.
    /// `None`: there is no such series.
    pub fn past(
        &mut self,
        objective: &str,
        group: &[(Dimension, String)],
    ) -> Option<Vec<BudgetPoint>> {
        let now_ms = self.clock.wall_ms();
        let known = self.tracked.iter_mut().find(|tracked| tracked.objective.name == objective)?;
        let is_it = |names: &[_]| {
            names.len() == group.len() && names.iter().all(|name| group.contains(name))
        };
        let group = known.table.all_mut().iter_mut().find(|known| is_it(&known.names))?;
        Some(past(&known.objective, &mut group.series, now_ms))
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 events")]
fn past(objective: &Objective, series: &mut Series, now_ms: u64) -> Vec<BudgetPoint> {
    series.settle();
    let (now, count) = (minute(now_ms), period_count(objective, series, now_ms));
    let first = match calendar(objective.period, now_ms) {
        Some((start_ms, _)) => minute(start_ms),
        None => series.first(now, minutes(objective.period.length())),
    };
    let cells = series.cells(first, now);
    let Some(begin) = cells.iter().position(|(_, cell)| cell.valid > 0) else { return Vec::new() };
    let allowed = count.valid as f64 * objective.target.allowed();
    let point = |minute: u32, bad: u64| BudgetPoint {
        time_ms: (u64::from(minute) * 60_000).min(now_ms),
        left: if allowed > 0.0 { 1.0 - bad as f64 / allowed } else { 1.0 },
    };
    // From now back, so that the last point is the budget of now whatever the first cell has of another period.
    let mut bad = count.bad;
    let mut points = Vec::with_capacity(cells.len() - begin + 1);
    for (end, cell) in cells[begin..].iter().rev() {
        let this = point(*end, bad);
        // The cell of now ends where the one before does, in the first millisecond of a minute.
        if points.last().is_none_or(|later: &BudgetPoint| later.time_ms > this.time_ms) {
            points.push(this);
        }
        bad = bad.saturating_sub(cell.bad);
    }
    let start = begin.checked_sub(1).map_or(first, |before| cells[before].0);
    points.push(point(start, bad));
    points.reverse();
    points
}
