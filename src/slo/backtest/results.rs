//! What a back-test found, and what two of them have not in common. Not here: how it was found (`backtest`).

use std::sync::Arc;

use super::points::PlotPoints;
use crate::slo::evaluator::EvaluatorCounts;
use crate::slo::notice::{Top, Trigger};
use crate::slo::objective::{Dimension, Objective, Severity};
use crate::slo::spenders::Spenders;
use crate::slo::status::SeriesStatus;
use crate::slo::tier::EventCount;

/// What a back-test found, over the time that is asked about.
#[derive(Debug, Clone)]
pub struct Backtested {
    /// First millisecond of the time.
    pub from_ms: u64,
    /// First one after it.
    pub to_ms: u64,
    /// Records of the time, of whatever kind; or minutes.
    pub records: u64,
    /// Records that cannot be read.
    pub unreadable: u64,
    /// Records of a time to come: not taken.
    pub ahead: u64,
    /// Minutes of groups for which there was no place.
    pub series_lost: u64,
    /// Figures of the evaluator, also of records before the time.
    pub counts: EvaluatorCounts,
    /// Each objective, in their order.
    pub objectives: Vec<Tested>,
}

/// What was found of one objective.
#[derive(Debug, Clone)]
pub struct Tested {
    /// The objective, as it was tested.
    pub objective: Arc<Objective>,
    /// Each group; one for all without groups.
    pub series: Vec<TestedSeries>,
    /// Each time that an alert fired, in the order in which they began.
    pub firings: Vec<Firing>,
    /// Those beyond the bound.
    pub firings_lost: u64,
    /// Where its bad events were; nothing of minutes that were counted elsewhere.
    pub spenders: Spenders,
}

/// What was found of one group.
#[derive(Debug, Clone)]
pub struct TestedSeries {
    /// Which group; empty when there is one for all.
    pub group: Vec<(Dimension, String)>,
    /// Its events of the time.
    pub count: EventCount,
    /// Where it stands at the end; `None` for a group that was gone by then.
    pub status: Option<SeriesStatus>,
    /// Its figures over time.
    pub points: PlotPoints,
}

/// One time that an alert fired.
#[derive(Debug, Clone, PartialEq)]
pub struct Firing {
    /// Who would have been told.
    pub severity: Severity,
    /// Why it fired, with the figures of that moment.
    pub trigger: Trigger,
    /// Milliseconds since 1970 when it began; maybe before the time that is asked about.
    pub since_ms: u64,
    /// When it was over; `None`: it still fires at the end.
    pub until_ms: Option<u64>,
    /// Where most of the bad events were.
    pub top: Top,
    /// Share of the budget that was left when it began.
    pub budget_left: f64,
    /// Bad events from the start of the short window in which it began to its end.
    pub bad: u64,
    /// The first minute of these.
    pub(super) first_minute: u32,
    /// Which group; empty when there is one for all.
    pub group: Vec<(Dimension, String)>,
}

impl Firing {
    /// Whether nobody would have been told of bad events, but of none at all.
    pub const fn is_silence(&self) -> bool {
        matches!(self.trigger, Trigger::Absent { .. })
    }

    /// For how long it fired within a time, in milliseconds.
    pub fn lasted_ms(&self, from_ms: u64, to_ms: u64) -> u64 {
        self.until_ms.unwrap_or(to_ms).min(to_ms).saturating_sub(self.since_ms.max(from_ms))
    }
}

/// A budget in events and in minutes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetAccount {
    /// Bad events that the period's events so far allow.
    pub events: f64,
    /// Bad events of the period.
    pub spent: u64,
    /// What is left of them; below 0 when it is overspent.
    pub left: f64,
    /// Minutes of a period in which everything may fail.
    pub minutes: f64,
    /// What is left of them.
    pub minutes_left: f64,
}

impl BudgetAccount {
    /// Of events of the period of an objective.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 events")]
    pub fn of(count: EventCount, objective: &Objective) -> Self {
        let allowed = objective.target.allowed();
        let events = count.valid as f64 * allowed;
        let left = events - count.bad as f64;
        let minutes = objective.period.length().as_secs_f64() / 60.0 * allowed;
        let share = if events > 0.0 { left / events } else { 1.0 };
        Self { events, spent: count.bad, left, minutes, minutes_left: minutes * share }
    }

    /// Which share of the budget so many bad events are; `None` without events.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 events")]
    pub fn share(&self, bad: u64) -> Option<f64> {
        (self.events > 0.0).then(|| bad as f64 / self.events)
    }
}

impl TestedSeries {
    /// Its budget at the end; `None` for a group that was gone by then.
    pub fn account(&self) -> Option<BudgetAccount> {
        let status = self.status.as_ref()?;
        Some(BudgetAccount::of(status.budget.count, &status.objective))
    }
}

impl Tested {
    /// The events of all groups.
    pub fn count(&self) -> EventCount {
        let mut all = EventCount::default();
        self.series.iter().for_each(|series| all.add(series.count));
        all
    }

    /// The budget of all groups together at the end.
    pub fn account(&self) -> BudgetAccount {
        let mut all = EventCount::default();
        let counts = self.series.iter().filter_map(|series| series.status.as_ref());
        counts.for_each(|status| all.add(status.budget.count));
        BudgetAccount::of(all, &self.objective)
    }

    /// What it would have told, in numbers.
    pub fn totals(&self, from_ms: u64, to_ms: u64) -> FiringTotals {
        let of = |severity: Severity, is_silence: bool| {
            let firings = self.firings.iter();
            firings.filter(move |f| f.severity == severity && f.is_silence() == is_silence)
        };
        let silences = self.firings.iter().filter(|firing| firing.is_silence()).count();
        let pages = || of(Severity::Page, false);
        FiringTotals {
            pages: pages().count(),
            tickets: of(Severity::Ticket, false).count(),
            silences,
            page_ms: pages().map(|firing| firing.lasted_ms(from_ms, to_ms)).sum(),
            budget_left: self.left(),
        }
    }

    /// The least that is left of the budget of any group.
    pub fn left(&self) -> Option<f64> {
        let left = self.series.iter().filter_map(|series| series.status.as_ref());
        left.map(|status| status.budget.left).reduce(f64::min)
    }
}

/// What an objective would have told, in numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FiringTotals {
    /// Pages because a budget burned.
    pub pages: usize,
    /// Tickets, likewise.
    pub tickets: usize,
    /// Alerts because there were no events.
    pub silences: usize,
    /// For how long pages fired, added up, in milliseconds.
    pub page_ms: u64,
    /// Least share of the budget that is left of any group at the end.
    pub budget_left: Option<f64>,
}

/// An objective by two sets of files.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Name of the objective, by which the two are told to be the same.
    pub name: String,
    /// By the first; `None`: not there.
    pub before: Option<FiringTotals>,
    /// By the second; `None`: not there.
    pub after: Option<FiringTotals>,
}

/// Objectives by their names, in the order of the first, then those that the second alone has.
pub fn differences(before: &Backtested, after: &Backtested) -> Vec<Difference> {
    let totals = |of: &Backtested, name: &str| {
        let tested = of.objectives.iter().find(|tested| tested.objective.name == name)?;
        Some(tested.totals(of.from_ms, of.to_ms))
    };
    let name = |tested: &Tested| tested.objective.name.clone();
    let mut names: Vec<_> = before.objectives.iter().map(name).collect();
    names.extend(after.objectives.iter().map(name).filter(|name| totals(before, name).is_none()));
    let difference = |name: String| Difference {
        before: totals(before, &name),
        after: totals(after, &name),
        name,
    };
    names.into_iter().map(difference).collect()
}
