//! Where each series stands, for people: rates, budget, alerts.
//!
//! Rates are those of the objective's own rows, and those of [`BURN_SPANS`], which are the same for all. Not
//! here: pages, records (`rows`).

use std::sync::Arc;

use super::alert::AlertState;
use super::budget::Budget;
use super::burn::{BurnRow, burn_rate};
use super::clock::minute;
use super::evaluator::Evaluator;
use super::group::GroupSeries;
use super::level::Level;
use super::objective::{BurnWindow, Dimension, Objective, Severity};
use super::tier::EventCount;
use super::tracked::{Tracked, period_count, place};

/// Spans that every series has a burn rate of: minutes, and their names.
pub const BURN_SPANS: [(u32, &str); 7] = [
    (5, "5m"),
    (30, "30m"),
    (60, "1h"),
    (2 * 60, "2h"),
    (6 * 60, "6h"),
    (24 * 60, "1d"),
    (3 * 24 * 60, "3d"),
];

/// One series of an objective.
#[derive(Debug, Clone)]
pub struct SeriesStatus {
    /// The objective that it is a series of.
    pub objective: Arc<Objective>,
    /// Which part of it; empty when there is one for all.
    pub group: Vec<(Dimension, String)>,
    /// Events of this start: what counters have.
    pub total: EventCount,
    /// Its budget, with the events of the period so far.
    pub budget: Budget,
    /// When nothing is left at the pace of the last hour: see [`Budget::exhausted_ms`].
    pub exhausted_ms: Option<u64>,
    /// Each row of windows, in the order of the objective.
    pub burns: Vec<BurnStatus>,
    /// The rates over [`BURN_SPANS`]; `None` without events.
    pub rates: [Option<f64>; BURN_SPANS.len()],
    /// The alert of each severity: tickets, pages.
    pub alerts: [AlertState; 2],
    /// The alert of no events, of the whole objective.
    pub absent: AlertState,
}

/// One row of windows of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BurnStatus {
    /// The row, as the objective has it.
    pub window: BurnWindow,
    /// From which rate on it fires.
    pub factor: f64,
    /// The rate over the long window; `None` without events.
    pub long: Option<f64>,
    /// The rate over the short window.
    pub short: Option<f64>,
    /// Whether it would fire.
    pub is_active: bool,
}

impl SeriesStatus {
    /// The alert of one severity.
    pub const fn alert(&self, severity: Severity) -> AlertState {
        self.alerts[place(severity)]
    }

    /// How serious it is: a page is for users who are hurt, a ticket and a spent budget for what will hurt them.
    pub fn level(&self) -> Level {
        let silence = self.objective.no_data.after.map(|(_, severity)| severity);
        let alerts = Severity::ALL.map(|(severity, _)| (self.alert(severity), Some(severity)));
        let alerts = alerts.into_iter().chain([(self.absent, silence)]);
        let of_alert = |(state, severity)| match (state, severity) {
            (AlertState::Firing { .. }, Some(Severity::Page)) => Level::Hurt,
            (AlertState::Firing { .. }, _) => Level::Warn,
            (AlertState::Pending { .. }, _) => Level::Note,
            (AlertState::Inactive, _) => Level::Ok,
        };
        let of_budget = match self.budget.count.valid {
            0 => Level::Unknown,
            _ if self.budget.left <= 0.0 => Level::Warn,
            _ => Level::Ok,
        };
        alerts.map(of_alert).fold(of_budget, Level::max)
    }

    /// The worst that is the case, and the name of that alert: firing before pending, pages before
    /// tickets before silence.
    pub fn worst(&self) -> (AlertState, Option<&'static str>) {
        let [ticket, page] = self.alerts;
        let all = [(page, "page"), (ticket, "ticket"), (self.absent, "no_data")];
        let firing = all.iter().find(|(state, _)| state.is_firing());
        let pending = || all.iter().find(|(state, _)| matches!(state, AlertState::Pending { .. }));
        let worst = firing.or_else(pending).copied();
        worst.map_or((AlertState::Inactive, None), |(state, name)| (state, Some(name)))
    }
}

impl Evaluator {
    /// Where every series stands that had an event, and every objective without groups.
    pub fn statuses(&mut self) -> Vec<SeriesStatus> {
        let now_ms = self.clock.wall_ms();
        let mut statuses = Vec::new();
        for tracked in &mut self.tracked {
            let Tracked { objective, rows, table, absent, .. } = tracked;
            let is_one = objective.group_by.is_empty();
            let groups = table.all_mut().iter_mut();
            let seen = groups.filter(|group| is_one || group.series.last() > 0);
            statuses.extend(seen.map(|group| status(objective, rows, group, absent.state, now_ms)));
        }
        statuses
    }
}

/// Where one series stands.
pub(super) fn status(
    objective: &Arc<Objective>,
    rows: &[BurnRow],
    group: &mut GroupSeries,
    absent: AlertState,
    now_ms: u64,
) -> SeriesStatus {
    let now = minute(now_ms);
    group.series.settle();
    let burns: Vec<_> = rows
        .iter()
        .zip(&objective.windows)
        .map(|(row, &window)| {
            let burn = row.look(objective, &group.series, now);
            let (long, short) = (burn.long_rate, burn.short_rate);
            BurnStatus { window, factor: row.factor, long, short, is_active: burn.is_active }
        })
        .collect();
    let allowed = objective.target.allowed();
    let rates = BURN_SPANS.map(|(minutes, _)| burn_rate(group.series.sum(now, minutes), allowed));
    let budget = Budget::of(period_count(objective, &mut group.series, now_ms), objective);
    let pace = rates[2].unwrap_or(0.0);
    SeriesStatus {
        objective: Arc::clone(objective),
        group: group.names.clone(),
        total: group.total,
        budget,
        exhausted_ms: budget.exhausted_ms(pace, objective, now_ms),
        burns,
        rates,
        alerts: group.alerts.map(|alert| alert.state),
        absent,
    }
}
