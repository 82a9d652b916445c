//! How fast a budget burns over the windows of an objective, and which of them fire.
//!
//! A burn rate of 1 spends the budget exactly within the period. A row fires while both of its windows
//! burn at its factor or faster and the long one has events enough. A window without events has no rate:
//! it neither fires nor is clean. Not here: what becomes of it (`alert`).

use super::notice::Trigger;
use super::objective::{BurnWindow, Objective, Severity};
use super::series::Series;
use super::tier::EventCount;

/// An alert stays until the short window burns slower than this share of the factor: a rate that moves
/// about its threshold is one alert.
pub const CLEAN_SHARE: f64 = 0.8;

/// The rate at which events burn a budget that allows so large a share of bad ones; `None` without
/// events.
pub fn burn_rate(count: EventCount, allowed: f64) -> Option<f64> {
    count.bad_share().map(|share| share / allowed)
}

/// One row of an objective's windows.
#[derive(Debug, Clone, Copy)]
pub(super) struct BurnRow {
    window: BurnWindow,
    pub(super) long_minutes: u32,
    short_minutes: u32,
    pub(super) factor: f64,
}

/// What the windows of one row say now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Burn {
    pub(super) severity: Severity,
    /// Whether it fires, if nothing else matters.
    pub(super) is_active: bool,
    /// Whether the short window is clean; `None` without events.
    pub(super) is_clean: Option<bool>,
    /// What a notice says of it, whether it fires or not.
    pub(super) trigger: Trigger,
    /// The rate over the long window.
    pub(super) long_rate: Option<f64>,
    /// The rate over the short window.
    pub(super) short_rate: Option<f64>,
}

/// Whole minutes of a span, at least 1.
pub(super) fn minutes(span: std::time::Duration) -> u32 {
    u32::try_from(span.as_secs() / 60).unwrap_or(u32::MAX).max(1)
}

impl BurnRow {
    /// The rows of an objective, in its order.
    pub(super) fn all(objective: &Objective) -> Vec<Self> {
        let row = |&window: &BurnWindow| Self {
            window,
            long_minutes: minutes(window.long),
            short_minutes: minutes(window.short),
            factor: window.factor(objective.period),
        };
        objective.windows.iter().map(row).collect()
    }

    /// Looks at a series, which is settled.
    pub(super) fn look(&self, objective: &Objective, series: &Series, now: u32) -> Burn {
        let long = series.sum(now, self.long_minutes);
        let short = series.sum(now, self.short_minutes);
        let allowed = objective.target.allowed();
        let (long_rate, short_rate) = (burn_rate(long, allowed), burn_rate(short, allowed));
        let burns = |rate: Option<f64>| rate.is_some_and(|rate| rate >= self.factor);
        Burn {
            severity: self.window.severity,
            is_active: burns(long_rate)
                && burns(short_rate)
                && long.valid >= objective.min_total
                && long.bad >= objective.min_bad,
            is_clean: short_rate.map(|rate| rate < CLEAN_SHARE * self.factor),
            trigger: Trigger::Burn {
                rate: long_rate.unwrap_or(0.0),
                factor: self.factor,
                long: self.window.long,
                short: self.window.short,
                valid: long.valid,
                bad: long.bad,
            },
            long_rate,
            short_rate,
        }
    }
}
