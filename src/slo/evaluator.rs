//! All objectives together: records in; notices, figures and rows out.
//!
//! ```text
//! look(clocks) ─► take(record)* ─► evaluate() ─► notices ─► (somebody has them) ─► given()
//!                                            └─► statuses, rows
//! ```
//! A predicate that several objectives share is asked once per record. A notice stays until somebody
//! says that it was given, over restarts too. Not here: reading, clocks, files; how a state is written
//! (`state`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::absence::Evidence;
use super::alert::CLEAN;
use super::asked::Asked;
use super::clock::{self, Clock, EVALUATE_EVERY};
use super::notice::{AlertStatus, Notice};
use super::objective::{Dimension, Objective};
use super::tier::EventCount;
use super::tracked::{Now, Tracked, is_within};
use crate::base::clock::millis;
use crate::journal::Identity;
use crate::metrics::SloMetrics;
use crate::query::{Field, Row};
use crate::record::{DecodeError, Origin, Stream, Value};

/// Most groups of an objective, beside the one of all others.
pub const GROUPS_MAX: usize = 20;
/// Most alerts that are over and remembered, the newest.
pub const ENDED_MAX: usize = 256;
/// Most notices that wait for somebody to take them; beyond, the oldest are given up and counted.
pub const NOTICES_MAX: usize = 4_096;

/// How to evaluate; no defaults.
#[derive(Debug, Clone)]
pub struct EvaluatorSettings {
    /// Most groups of an objective, beside the one of all others.
    pub groups_max: usize,
    /// How often heartbeats come, if they do.
    pub heartbeat_every: Option<Duration>,
    /// Who evaluates: [`Notice::source`].
    pub source: String,
}

/// Figures of the evaluator; each only rises.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct EvaluatorCounts {
    /// Records looked at, also those that are no event of any objective.
    pub records: u64,
    /// Times that a record counted for an objective.
    pub events: u64,
    /// Of these, counted under [`OTHER`](super::OTHER): too many groups.
    pub other: u64,
    /// Events older than the period of their objective: not counted.
    pub late: u64,
    /// Events of a time to come: counted as of now.
    pub ahead: u64,
    /// Events of a time of maintenance: not counted.
    pub maintained: u64,
    /// Jumps of the clock.
    pub jumps: u64,
    /// Notices made, also those that nobody has yet.
    pub notices: u64,
    /// Notices given up: nobody took them for too long.
    pub notices_lost: u64,
}

impl EvaluatorCounts {
    /// Adds what has come since `before` to the metrics.
    pub fn show(self, before: Self, metrics: &SloMetrics) {
        for (cell, now, before) in [
            (&metrics.records_total, self.records, before.records),
            (&metrics.events_total, self.events, before.events),
            (&metrics.other_total, self.other, before.other),
            (&metrics.late_total, self.late, before.late),
            (&metrics.ahead_total, self.ahead, before.ahead),
            (&metrics.maintenance_total, self.maintained, before.maintained),
            (&metrics.clock_jumps_total, self.jumps, before.jumps),
            (&metrics.notices_total, self.notices, before.notices),
            (&metrics.notices_lost_total, self.notices_lost, before.notices_lost),
        ] {
            cell.add(now.saturating_sub(before));
        }
    }
}

/// The fields that a record's group and whereabouts are in.
#[derive(Debug, Clone, Copy)]
struct Names {
    service: &'static Field,
    route: &'static Field,
    endpoint: &'static Field,
    reason: &'static Field,
    status: &'static Field,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Evaluator {
    pub(super) settings: EvaluatorSettings,
    pub(super) tracked: Vec<Tracked>,
    /// By kind of record.
    asked: [Asked; Stream::ALL.len()],
    names: Names,
    pub(super) clock: Clock,
    pub(super) evidence: Evidence,
    /// Milliseconds of clean evaluations before an alert ends.
    clean_ms: u64,
    /// The start whose events counters are of; `None`: of all.
    start: Option<Identity>,
    pub(super) notices: VecDeque<Notice>,
    /// Alerts that are over, oldest first.
    pub(super) ended: VecDeque<Arc<Notice>>,
    /// The minute up to which there are records.
    pub(super) rows_minute: u32,
    /// Minutes before this one may have records that nobody knows of.
    pub(super) unknown_before: u32,
    /// Number of the next part of a minute that has a record.
    pub(super) next_part: u64,
    pub(super) counts: EvaluatorCounts,
}

impl Evaluator {
    /// Nothing counted yet, for these objectives in their order.
    pub fn new(objectives: &[Arc<Objective>], settings: EvaluatorSettings) -> Self {
        let tracked =
            |objective: &Arc<Objective>| Tracked::new(Arc::clone(objective), settings.groups_max);
        let names = Names::default();
        let asked = Stream::ALL.map(|stream| Asked::of(objectives, stream, &names.all()));
        Self {
            tracked: objectives.iter().map(tracked).collect(),
            asked,
            names,
            clock: Clock::default(),
            evidence: Evidence::new(settings.heartbeat_every),
            clean_ms: millis(CLEAN),
            start: None,
            notices: VecDeque::new(),
            ended: VecDeque::new(),
            rows_minute: 0,
            unknown_before: 0,
            next_part: 1,
            counts: EvaluatorCounts::default(),
            settings,
        }
    }

    /// It is evaluated so often instead of each [`EVALUATE_EVERY`]: an alert ends after as many intervals.
    pub fn evaluate_each(&mut self, every: Duration) {
        let pace = every.as_secs_f64() / EVALUATE_EVERY.as_secs_f64();
        self.clean_ms = millis(CLEAN.mul_f64(pace));
    }

    /// Counters ([`SeriesStatus::total`](super::SeriesStatus::total)) are to have the events of this start alone: what is read again after
    /// a kill, or for the first time after days, did not happen now.
    pub fn count_from(&mut self, start: Identity) {
        self.start = Some(start);
    }

    /// Looks at the clocks: wall time in milliseconds since 1970, and milliseconds of a clock that never
    /// jumps. To be called before records are taken, and before each evaluation.
    pub fn look(&mut self, wall_ms: u64, steady_ms: u64) {
        if let Some(minutes) = self.clock.look(wall_ms, steady_ms) {
            self.counts.jumps += 1;
            self.tracked.iter_mut().for_each(|tracked| tracked.shift(minutes));
        }
    }

    /// Counts a record for each objective that it is an event of.
    ///
    /// # Errors
    /// When the payload is no record of this kind; nothing was counted then.
    #[inline]
    pub fn take(
        &mut self,
        stream: Stream,
        payload: &[u8],
        origin: Origin<'_>,
    ) -> Result<(), DecodeError> {
        self.take_and_tell(stream, payload, origin, |_, _| ())
    }

    /// As [`Evaluator::take`]; tells of each bad event that counts: the place of the objective among those
    /// of [`Evaluator::new`]; endpoint, route and reason.
    ///
    /// # Errors
    /// As for [`Evaluator::take`].
    #[inline]
    pub fn take_and_tell(
        &mut self,
        stream: Stream,
        payload: &[u8],
        origin: Origin<'_>,
        bad: impl FnMut(usize, [Option<&[u8]>; 3]),
    ) -> Result<(), DecodeError> {
        let row = Row::read_some(stream, payload, origin, self.asked[stream.place()].wanted)?;
        self.evidence.note(stream, payload)?;
        self.count(&row, bad);
        Ok(())
    }

    /// Counts a record for every objective that it is an event of.
    fn count(&mut self, row: &Row<'_>, mut bad: impl FnMut(usize, [Option<&[u8]>; 3])) {
        self.counts.records += 1;
        let asked = &mut self.asked[row.stream.place()];
        asked.answers.fill(None);
        let now = self.clock.minute();
        let time_ms = row.time_ms();
        let origin = Identity { instance: row.origin.instance, epoch: row.origin.epoch };
        let is_own = self.start.is_none_or(|start| start == origin);
        for &(number, valid, good) in &asked.objectives {
            let mut ask = |place: usize| {
                *asked.answers[place].get_or_insert_with(|| asked.predicates[place].matches(row))
            };
            if !ask(valid) {
                continue;
            }
            let is_good = ask(good);
            let tracked = &mut self.tracked[number];
            if is_within(&tracked.objective.maintenance, time_ms) {
                self.counts.maintained += 1;
                continue;
            }
            let mut minute = clock::minute(time_ms);
            if minute > now.saturating_add(1) {
                self.counts.ahead += 1;
                minute = now;
            }
            let (group, is_other) =
                tracked.table.group(now, |dimension| text(row, self.names.of(dimension)));
            if !group.series.count(minute, EventCount::one(is_good)) {
                self.counts.late += 1;
                continue;
            }
            if is_own {
                group.total.add(EventCount::one(is_good));
            }
            self.counts.events += 1;
            self.counts.other += u64::from(is_other);
            tracked.has_events = true;
            if !is_good {
                self.names.with_whereabouts(row, |values| {
                    group.top.add(now, values);
                    bad(number, values);
                });
            }
        }
    }

    /// Looks at every objective; notices of what changed wait from here on.
    pub fn evaluate(&mut self) {
        let watched_ms = self.clock.take_watched();
        self.evidence.pass(watched_ms);
        let (ms, clean_ms) = (self.clock.wall_ms(), self.clean_ms);
        let source = &self.settings.source;
        let now = Now { ms, watched_ms, clean_ms, evidence: &self.evidence, source };
        let before = self.notices.len();
        for tracked in &mut self.tracked {
            tracked.evaluate(now, &mut self.notices);
        }
        self.noted(before);
    }

    /// Whether an alert moved since a state was last written.
    pub fn is_unsaved(&self) -> bool {
        self.tracked.iter().any(|tracked| tracked.alerts().any(|alert| alert.is_unsaved))
    }

    /// A state was written.
    pub fn saved(&mut self) {
        for tracked in &mut self.tracked {
            tracked.alerts_mut().for_each(|alert| alert.is_unsaved = false);
        }
    }

    /// Ends the alerts of objectives that are no more, or no more what they were.
    pub(super) fn end(&mut self, gone: &mut [Tracked]) {
        let (ms, source) = (self.clock.wall_ms(), self.settings.source.as_str());
        let clean_ms = self.clean_ms;
        let now = Now { ms, watched_ms: 0, clean_ms, evidence: &self.evidence, source };
        let ends: Vec<_> = gone.iter_mut().flat_map(|tracked| tracked.firing(now, true)).collect();
        let before = self.notices.len();
        self.notices.extend(ends);
        self.noted(before);
    }

    /// The notices of all alerts that fire now, with figures of now.
    pub fn firing(&mut self) -> Vec<Notice> {
        let Self { settings, tracked, clock, evidence, clean_ms, .. } = self;
        let clean_ms = *clean_ms;
        let (ms, source) = (clock.wall_ms(), settings.source.as_str());
        let now = Now { ms, watched_ms: 0, clean_ms, evidence, source };
        tracked.iter_mut().flat_map(|tracked| tracked.firing(now, false)).collect()
    }

    /// Counts notices beyond so many, remembers ends of alerts, and gives up the oldest of too many.
    fn noted(&mut self, before: usize) {
        self.counts.notices += (self.notices.len() - before) as u64;
        let is_end = |notice: &&Notice| matches!(notice.status, AlertStatus::Resolved { .. });
        let ends = self.notices.iter().skip(before).filter(is_end);
        self.ended.extend(ends.cloned().map(Arc::new));
        self.ended.drain(..self.ended.len().saturating_sub(ENDED_MAX));
        while self.notices.len() > NOTICES_MAX {
            self.notices.pop_front();
            self.counts.notices_lost += 1;
        }
    }

    /// What somebody is to be told, the oldest first.
    pub fn notices(&mut self) -> &[Notice] {
        self.notices.make_contiguous()
    }

    /// The first so many notices are with somebody who will not lose them.
    pub fn given(&mut self, count: usize) {
        self.notices.drain(..count.min(self.notices.len()));
    }

    /// Its figures since it was made: no part of a state.
    pub fn counts(&self) -> EvaluatorCounts {
        self.counts
    }
}

/// The text of a field.
fn text<'r>(row: &'r Row<'_>, field: &Field) -> Option<&'r [u8]> {
    match row.get(field) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

impl Default for Names {
    #[expect(clippy::expect_used, reason = "rows of the table of records, held by a test")]
    fn default() -> Self {
        let find = |name| Field::find(name).expect("a field of records");
        Self {
            service: find("lbproxy.service"),
            route: find("lbproxy.route"),
            endpoint: find("lbproxy.endpoint"),
            reason: find("lbproxy.termination.reason"),
            status: find("http.response.status_code"),
        }
    }
}

impl Names {
    fn all(self) -> [&'static Field; 5] {
        [self.service, self.route, self.endpoint, self.reason, self.status]
    }

    const fn of(self, dimension: Dimension) -> &'static Field {
        match dimension {
            Dimension::Service => self.service,
            Dimension::Route => self.route,
            Dimension::Endpoint => self.endpoint,
        }
    }

    /// Endpoint, route and reason of a record; of one that ended whole, its status for the reason.
    fn with_whereabouts(self, row: &Row<'_>, visit: impl FnOnce([Option<&[u8]>; 3])) {
        let mut digits = itoa::Buffer::new();
        let reason = match (text(row, self.reason), row.get(self.status)) {
            (Some(b"complete") | None, Some(Value::Number(status @ 100..=999))) => {
                Some(digits.format(status).as_bytes())
            }
            (reason, _) => reason,
        };
        visit([text(row, self.endpoint), text(row, self.route), reason]);
    }
}
