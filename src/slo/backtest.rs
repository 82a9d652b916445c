//! What objectives would have told of a time that is past: records in, alerts and budgets out.
//!
//! ```text
//! take(record)*  or  add_minute(counts)* ─► Evaluator, every 10 s of their time ─► notices ─► Firing
//!                                               └─► a record each minute ─► sums, PlotPoints
//! ```
//! The evaluator is that of `lbproxy run`; only its clock is another: it stands at the time of the records, and
//! goes on in steps of [`EVALUATE_EVERY`], also while there are none. Records before the time that is asked about
//! count, since windows and budgets reach back; of them alerts are looked for as far back as their longest window
//! and a relapse reach. Figures are of whole minutes. Not here: where records come from, how results are shown
//! (`cli`).

mod points;
mod results;
mod under;

use std::collections::HashMap;
use std::sync::Arc;

pub use points::{POINTS_MAX, PlotPoint, PlotPoints};
pub use results::{
    Backtested, BudgetAccount, Difference, Firing, FiringTotals, Tested, TestedSeries, differences,
};
pub use under::{FIRINGS_MAX, SERIES_MAX};

use super::alert::RELAPSE_MS;
use super::clock::EVALUATE_EVERY;
use super::clock::minute;
use super::evaluator::{Evaluator, EvaluatorSettings};
use super::notice::AlertStatus;
use super::objective::{Dimension, Objective};
use super::tier::EventCount;
use crate::base::clock::millis;
use crate::record::{Count, Origin, Ratio, SloRecord, Stream, Text};
use under::Under;

/// So long beyond the longest window silence is evaluated; the rest of it is passed over.
const SILENCE_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;

/// What is asked; no defaults.
#[derive(Debug, Clone)]
pub struct BacktestSettings {
    /// As for an evaluation that is live.
    pub evaluator: EvaluatorSettings,
    /// First millisecond that is asked about; `None`: the first record.
    pub from_ms: Option<u64>,
    /// First one that is not; `None`: the last record is the end.
    pub to_ms: Option<u64>,
    /// Records of a later time are not taken, and counted.
    pub now_ms: u64,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Backtest {
    evaluator: Evaluator,
    settings: BacktestSettings,
    /// Evaluations begin so long before the time that is asked about.
    lead_ms: u64,
    /// When the next evaluation is due; `None` before the first record.
    next_ms: Option<u64>,
    /// Time of the newest record.
    last_ms: u64,
    tested: Vec<Under>,
    /// Of each objective its place, by name.
    places: HashMap<String, usize>,
    /// Alerts that fire, by their key: objective, and which of its firings.
    firing: HashMap<String, (usize, usize)>,
    records: u64,
    unreadable: u64,
    ahead: u64,
    series_lost: u64,
}

impl Backtest {
    /// Nothing taken yet, for these objectives in their order.
    pub fn new(objectives: &[Arc<Objective>], settings: BacktestSettings) -> Self {
        let long = |objective: &Arc<Objective>| {
            objective.windows.iter().map(|window| millis(window.long)).max()
        };
        let lead_ms = objectives.iter().filter_map(long).max().unwrap_or(0) + RELAPSE_MS;
        let named = objectives.iter().enumerate();
        Self {
            evaluator: Evaluator::new(objectives, settings.evaluator.clone()),
            settings,
            lead_ms,
            next_ms: None,
            last_ms: 0,
            tested: objectives.iter().map(Under::new).collect(),
            places: named.map(|(place, objective)| (objective.name.clone(), place)).collect(),
            firing: HashMap::new(),
            records: 0,
            unreadable: 0,
            ahead: 0,
            series_lost: 0,
        }
    }

    /// Takes a record; those of earlier times have been taken, if all is well.
    pub fn take(&mut self, time_ms: u64, stream: Stream, payload: &[u8], origin: Origin<'_>) {
        // Records of objectives are no events, as in `reader`.
        if stream == Stream::Slo || !self.reach(time_ms) {
            return;
        }
        let is_asked = self.is_asked(time_ms);
        self.records += u64::from(is_asked);
        let tested = &mut self.tested;
        let taken = self.evaluator.take_and_tell(stream, payload, origin, |place, values| {
            if is_asked && let Some(under) = tested.get_mut(place) {
                under.result.spenders.add(values);
            }
        });
        self.unreadable += u64::from(taken.is_err());
    }

    /// Takes the events of a minute: of an objective, in the group with these values. As nobody knows when in the
    /// minute they were, they are spread evenly over it. Minutes come in their order.
    pub fn add_minute<'e>(
        &mut self,
        start_ms: u64,
        events: &(impl Iterator<Item = (&'e str, &'e [&'e [u8]], EventCount)> + Clone),
    ) {
        let steps = MINUTE_MS / millis(EVALUATE_EVERY);
        for step in 0..steps {
            let time_ms = start_ms + step * millis(EVALUATE_EVERY);
            if !self.reach(time_ms) {
                return;
            }
            self.records += u64::from(step == 0 && self.is_asked(time_ms));
            for (objective, group, all) in events.clone() {
                let (before, upto) = (up_to(step, steps, all), up_to(step + 1, steps, all));
                let part =
                    EventCount { valid: upto.valid - before.valid, bad: upto.bad - before.bad };
                self.evaluator.add(objective, group, time_ms, part);
            }
        }
    }

    /// Nobody watched until then: the process was not there.
    pub fn pass_over(&mut self, until_ms: u64) {
        self.next_ms = self.next_ms.map(|next_ms| next_ms.max(step_after(until_ms)));
    }

    fn is_asked(&self, time_ms: u64) -> bool {
        self.settings.from_ms.is_none_or(|from_ms| time_ms >= from_ms)
    }

    /// Evaluates up to a moment; `false` when what is of that moment is not asked about.
    fn reach(&mut self, time_ms: u64) -> bool {
        if time_ms > self.settings.now_ms {
            self.ahead += 1;
            return false;
        }
        if self.settings.to_ms.is_some_and(|to_ms| time_ms >= to_ms) {
            return false;
        }
        self.last_ms = self.last_ms.max(time_ms);
        self.evaluate_until(time_ms);
        true
    }

    fn evaluate_until(&mut self, time_ms: u64) {
        if self.settings.from_ms.is_none() {
            self.settings.from_ms = Some(time_ms / MINUTE_MS * MINUTE_MS);
        }
        let step_ms = millis(EVALUATE_EVERY);
        let mut next_ms = self.next_ms.unwrap_or(time_ms / step_ms * step_ms);
        // Behind so long a silence every window is empty, and nothing changes any more.
        let silent_ms = next_ms.saturating_add(self.lead_ms + SILENCE_MS);
        while next_ms <= time_ms {
            self.step(next_ms);
            next_ms += step_ms;
            if next_ms > silent_ms {
                next_ms = next_ms.max(time_ms / step_ms * step_ms);
            }
        }
        self.next_ms = Some(next_ms);
    }

    fn step(&mut self, at_ms: u64) {
        self.evaluator.look(at_ms, at_ms);
        let from_ms = self.settings.from_ms.unwrap_or(0);
        if at_ms.saturating_add(self.lead_ms) < from_ms {
            return;
        }
        self.evaluator.evaluate();
        self.hear();
        if self.evaluator.has_minutes() {
            self.close_minutes();
        }
    }

    /// Takes what the evaluator tells.
    fn hear(&mut self) {
        let notices = self.evaluator.notices().to_vec();
        self.evaluator.given(notices.len());
        for notice in notices {
            let Some(&place) = self.places.get(&notice.objective.name) else { continue };
            match notice.status {
                AlertStatus::Firing => {
                    let key = notice.key.clone();
                    if let Some(number) = self.tested[place].fires(notice) {
                        self.firing.insert(key, (place, number));
                    }
                }
                AlertStatus::Resolved { at_ms } => {
                    if let Some((place, number)) = self.firing.remove(&notice.key) {
                        self.tested[place].result.firings[number].until_ms = Some(at_ms);
                    }
                }
            }
        }
    }

    /// Takes the records of the minutes that are past.
    fn close_minutes(&mut self) {
        let mut rows = Vec::new();
        self.evaluator.close_minutes(|row| rows.extend(row));
        for row in &rows {
            // The evaluator wrote it.
            if let Ok(record) = SloRecord::decode(row) {
                self.take_row(&record);
            }
        }
    }

    fn take_row(&mut self, record: &SloRecord<'_>) {
        let text = |text: Option<Text<'_, 255>>| {
            text.map(|text| String::from_utf8_lossy(text.0).into_owned()).unwrap_or_default()
        };
        let name = record.slo_name.map_or(&b""[..], |name| name.0);
        let place = std::str::from_utf8(name).ok().and_then(|name| self.places.get(name));
        let (Some(&place), Some(time)) = (place, record.timestamp) else { return };
        let under = &mut self.tested[place];
        let group = |&dimension: &Dimension| {
            let value = match dimension {
                Dimension::Service => text(record.service),
                Dimension::Route => text(record.route),
                Dimension::Endpoint => text(record.endpoint),
            };
            (dimension, value)
        };
        let group: Vec<_> = under.result.objective.group_by.iter().map(group).collect();
        let Some(series) = under.series(group) else {
            self.series_lost += 1;
            return;
        };
        let count = |count: Option<Count>| count.map_or(0, |count| count.0);
        let events = EventCount { valid: count(record.slo_valid), bad: count(record.slo_bad) };
        let at = minute(time.0);
        under.bad(series, at, events.bad);
        if time.0 >= self.settings.from_ms.unwrap_or(0) {
            let kept = &mut under.result.series[series];
            kept.count.add(events);
            let spent = record.slo_budget_spent.map_or(0.0, share);
            let rate = |rate: Option<Ratio>| rate.map(share);
            kept.points.add(
                at,
                PlotPoint {
                    budget_left: 1.0 - spent,
                    burn_1h: rate(record.slo_burn_1h),
                    burn_6h: rate(record.slo_burn_6h),
                },
            );
        }
    }

    /// All that was found.
    pub fn finish(mut self) -> Backtested {
        let step_ms = millis(EVALUATE_EVERY);
        let to_ms = match (self.settings.to_ms, self.next_ms) {
            (Some(to_ms), _) => to_ms.min(self.settings.now_ms),
            // The last records are evaluated, too: twice, or nothing would fire.
            (None, Some(_)) => step_after(self.last_ms) + step_ms,
            (None, None) => self.settings.from_ms.unwrap_or(0),
        };
        let mut statuses = Vec::new();
        if self.next_ms.is_some() {
            self.evaluate_until(to_ms);
            statuses = self.evaluator.statuses();
            // The last minute is past, too.
            let end_ms = to_ms.div_ceil(MINUTE_MS) * MINUTE_MS + step_ms;
            self.evaluator.look(end_ms, end_ms);
            self.close_minutes();
        }
        let from_ms = self.settings.from_ms.unwrap_or(to_ms);
        for status in statuses {
            let place = self.places.get(&status.objective.name);
            if let Some(under) = place.map(|&place| &mut self.tested[place])
                && let Some(series) = under.series(status.group.clone())
            {
                under.result.series[series].status = Some(status);
            }
        }
        let finished = |under: Under| {
            let mut result = under.result;
            // What was over before it began is not asked about.
            result.firings.retain(|firing| firing.until_ms.is_none_or(|until| until >= from_ms));
            result
        };
        Backtested {
            from_ms,
            to_ms,
            records: self.records,
            unreadable: self.unreadable,
            ahead: self.ahead,
            series_lost: self.series_lost,
            counts: self.evaluator.counts(),
            objectives: self.tested.into_iter().map(finished).collect(),
        }
    }
}

/// Of the events of a minute, those up to the end of a step; no step has more bad events than events.
fn up_to(step: u64, steps: u64, all: EventCount) -> EventCount {
    let share = |of: u64, part: u64, whole: u64| {
        let share = u128::from(of) * u128::from(part) / u128::from(whole.max(1));
        u64::try_from(share).unwrap_or(u64::MAX)
    };
    let valid = share(all.valid, step, steps);
    EventCount { valid, bad: share(all.bad, valid, all.valid) }
}

/// The first evaluation after a moment.
fn step_after(ms: u64) -> u64 {
    (ms / millis(EVALUATE_EVERY) + 1) * millis(EVALUATE_EVERY)
}

#[expect(clippy::cast_precision_loss, reason = "four decimals")]
fn share(ratio: Ratio) -> f64 {
    ratio.0 as f64 / 10_000.0
}
