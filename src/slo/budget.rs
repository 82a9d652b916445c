//! The error budget of a period: how much of it is left, and when nothing will be.
//!
//! Counted in events: the budget is the share of the period's valid events so far that may be bad. Not
//! here: over which windows it burns (`burn`).

use super::burn::burn_rate;
use super::objective::{Objective, Period};
use super::tier::EventCount;
use crate::base::clock::millis;
use crate::base::instant::civil;

const MINUTE_MS: u64 = 60_000;
const DAY_MINUTES: u64 = 24 * 60;

/// What is left of the budget of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// The events of the period so far.
    pub count: EventCount,
    /// Share that is left; below 0 when it is overspent, 1 without events.
    pub left: f64,
}

impl Budget {
    /// Of the events of a period.
    pub fn of(count: EventCount, objective: &Objective) -> Self {
        let spent = burn_rate(count, objective.target.allowed()).unwrap_or(0.0);
        Self { count, left: 1.0 - spent }
    }

    /// When nothing is left if it goes on burning at this rate: milliseconds since 1970, `now_ms` when
    /// nothing is left already; `None`: not within the period.
    #[expect(clippy::cast_precision_loss, reason = "spans of months")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to the period's end"
    )]
    pub fn exhausted_ms(&self, rate: f64, objective: &Objective, now_ms: u64) -> Option<u64> {
        if self.left <= 0.0 {
            return Some(now_ms);
        }
        let length_ms = millis(objective.period.length());
        let (end_ms, ends) = match calendar(objective.period, now_ms) {
            Some((_, end_ms)) => (end_ms, true),
            None => (now_ms.saturating_add(length_ms), false),
        };
        // What is spent leaves a rolling period again: at 1 or slower it never gets to the end.
        if rate <= 0.0 || (!ends && rate <= 1.0) {
            return None;
        }
        let at_ms = now_ms.saturating_add((self.left * length_ms as f64 / rate) as u64);
        (at_ms < end_ms).then_some(at_ms)
    }
}

/// First moment of the calendar period that `now_ms` is in, and of the next; `None` for one that rolls.
pub(super) fn calendar(period: Period, now_ms: u64) -> Option<(u64, u64)> {
    let (offset_minutes, is_month) = match period {
        Period::Rolling(_) => return None,
        Period::Month { offset_minutes } => (offset_minutes, true),
        Period::Week { offset_minutes } => (offset_minutes, false),
    };
    let offset = i64::from(offset_minutes);
    let local = (now_ms / MINUTE_MS).saturating_add_signed(offset);
    let day = local / DAY_MINUTES;
    let (first, next) = if is_month {
        let first = |day: u64| day - (civil(day).2 - 1);
        (first(day), first(first(day) + 31))
    } else {
        let monday = day.saturating_sub((day + 3) % 7); // day 0 was a Thursday
        (monday, monday + 7)
    };
    let moment =
        |day: u64| (day * DAY_MINUTES).saturating_add_signed(-offset).saturating_mul(MINUTE_MS);
    Some((moment(first), moment(next)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: months and weeks start where a calendar says. Method: `date -u -d … +%s` as the truth.
    #[test]
    fn calendar_periods_start_at_midnight_of_their_place() {
        let month = |offset_minutes| Period::Month { offset_minutes };
        let week = |offset_minutes| Period::Week { offset_minutes };
        for (name, period, now_s, start_s, end_s) in [
            ("november 2026", month(0), 1_796_050_000_u64, 1_793_491_200_u64, 1_796_083_200_u64),
            ("its last moment", month(0), 1_796_083_199, 1_793_491_200, 1_796_083_200),
            ("december's first", month(0), 1_796_083_200, 1_796_083_200, 1_798_761_600),
            ("an hour east it is december", month(60), 1_796_079_600, 1_796_079_600, 1_798_758_000),
            ("leap february", month(0), 1_835_000_000, 1_832_976_000, 1_835_481_600),
            ("monday", week(0), 1_795_996_800, 1_795_996_800, 1_796_601_600),
            ("sunday before", week(0), 1_795_996_799, 1_795_392_000, 1_795_996_800),
            (
                "five hours west it is sunday",
                week(-300),
                1_795_996_800,
                1_795_410_000,
                1_796_014_800,
            ),
        ] {
            let have = calendar(period, now_s * 1_000);
            assert_eq!(have, Some((start_s * 1_000, end_s * 1_000)), "{name}");
        }
    }
}
