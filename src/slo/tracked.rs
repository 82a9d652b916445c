//! One objective under watch: its groups, its alerts, and what an evaluation makes of them.
//!
//! Silence of one group while others have events is not silence of records: its alert ends. Silence of
//! the whole objective is what `no_data` is about. During maintenance nothing moves. Not here: whether
//! a record counts (`evaluator`).

use std::sync::Arc;
use std::time::Duration;

use super::absence::Evidence;
use super::alert::{Alert, AlertState, Change, EvaluationTime, Look};
use super::budget::{Budget, calendar};
use super::burn::{Burn, BurnRow, minutes};
use super::clock::minute;
use super::group::{GroupSeries, GroupTable};
use super::key::{AlertKind, alert_key};
use super::notice::{AlertStatus, Notice, Top, Trigger};
use super::objective::{Maintenance, Objective, Severity, Silence};
use super::series::Series;
use super::tier::EventCount;

/// An objective with all that is known of it.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) objective: Arc<Objective>,
    pub(super) rows: Vec<BurnRow>,
    pub(super) table: GroupTable,
    /// Watched time without an event.
    pub(super) silent_ms: u64,
    /// Whether there was an event since the last evaluation.
    pub(super) has_events: bool,
    /// The alert of no events at all.
    pub(super) absent: Alert,
}

/// What an evaluation is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now<'a> {
    pub(super) ms: u64,
    /// Time watched since the last one.
    pub(super) watched_ms: u64,
    /// Milliseconds of clean evaluations before an alert ends.
    pub(super) clean_ms: u64,
    pub(super) evidence: &'a Evidence,
    /// See [`Notice::source`].
    pub(super) source: &'a str,
}

impl Now<'_> {
    /// What an alert needs of it.
    const fn time(&self) -> EvaluationTime {
        EvaluationTime { ms: self.ms, watched_ms: self.watched_ms, clean_ms: self.clean_ms }
    }
}

impl Tracked {
    /// Without events, and at most so many groups.
    pub(super) fn new(objective: Arc<Objective>, groups_max: usize) -> Self {
        let rows = BurnRow::all(&objective);
        let longest = rows.iter().map(|row| row.long_minutes).max().unwrap_or(1);
        let reach = minutes(objective.period.length()).max(longest);
        let table = GroupTable::new(&objective.group_by, groups_max, reach, longest);
        let absent = Alert::default();
        Self { objective, rows, table, silent_ms: 0, has_events: false, absent }
    }

    /// Looks at all of it; notices of what changed go to `out`.
    pub(super) fn evaluate(&mut self, now: Now<'_>, out: &mut impl Extend<Notice>) {
        let is_maintained = is_within(&self.objective.maintenance, now.ms);
        if self.has_events || is_maintained {
            self.silent_ms = 0;
        } else {
            self.silent_ms = self.silent_ms.saturating_add(now.watched_ms);
        }
        self.has_events = false;
        out.extend(self.evaluate_silence(now, is_maintained));
        let groups = self.table.all_mut();
        for group in &mut *groups {
            group.series.settle();
        }
        let last = groups.iter().map(|group| group.series.last()).max().unwrap_or(0);
        for group in groups.iter_mut().filter(|group| group.series.last() > 0 || group.is_firing())
        {
            let burns = self
                .rows
                .iter()
                .map(|row| row.look(&self.objective, &group.series, minute(now.ms)));
            let burns: Vec<Burn> = burns.collect();
            for severity in [Severity::Page, Severity::Ticket] {
                let looked = Looked { burns: &burns, severity, last, is_maintained };
                out.extend(evaluate_burn(&self.objective, group, looked, now));
            }
        }
    }

    /// Whether there are events at all.
    fn evaluate_silence(&mut self, now: Now<'_>, is_maintained: bool) -> Option<Notice> {
        let look = match self.objective.no_data.after {
            _ if is_maintained => Look::Unknown,
            Some((after, _)) if Duration::from_millis(self.silent_ms) >= after => {
                let lasted = Duration::from_secs(self.silent_ms / 1_000);
                Look::Active(Trigger::Absent { what: now.evidence.what(), lasted })
            }
            _ => Look::Clean,
        };
        let change = self.absent.step(look, now.time())?;
        let mut count = EventCount::default();
        for group in self.table.all_mut() {
            count.add(period_count(&self.objective, &mut group.series, now.ms));
        }
        let budget = Budget::of(count, &self.objective);
        Some(notice(&self.objective, &About::silence(&self.objective), change, budget, now))
    }

    /// The notices of all alerts that fire: that they still do, or, of an objective that is no longer what it
    /// was, that they are over.
    pub(super) fn firing(&mut self, now: Now<'_>, is_over: bool) -> Vec<Notice> {
        let objective = &self.objective;
        let mut notices = Vec::new();
        let mut add = |about: About<'_>, alert: &Alert, count| {
            let AlertState::Firing { since_ms, trigger, .. } = alert.state else { return };
            let change = Change::Ends(since_ms, trigger);
            let mut notice = notice(objective, &about, change, Budget::of(count, objective), now);
            if !is_over {
                notice.status = AlertStatus::Firing;
            }
            notices.push(notice);
        };
        let mut all = EventCount::default();
        for group in self.table.all_mut() {
            let count = period_count(objective, &mut group.series, now.ms);
            all.add(count);
            for severity in [Severity::Page, Severity::Ticket] {
                let kind = AlertKind::Burn(severity);
                let about = About { kind, severity, group: &group.names, top: group.top.most() };
                add(about, &group.alerts[place(severity)], count);
            }
        }
        add(About::silence(objective), &self.absent, all);
        notices
    }

    /// All of its alerts.
    pub(super) fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.table.all().iter().flat_map(|group| &group.alerts).chain([&self.absent])
    }

    /// As [`Tracked::alerts`].
    pub(super) fn alerts_mut(&mut self) -> impl Iterator<Item = &mut Alert> {
        self.table
            .all_mut()
            .iter_mut()
            .flat_map(|group| &mut group.alerts)
            .chain([&mut self.absent])
    }

    /// The clock jumped.
    pub(super) fn shift(&mut self, minutes: i64) {
        for group in self.table.all_mut() {
            group.series.shift(minutes);
            group.top.shift(minutes);
        }
    }
}

/// Which of a group's alerts.
pub(super) const fn place(severity: Severity) -> usize {
    match severity {
        Severity::Ticket => 0,
        Severity::Page => 1,
    }
}

/// What the windows of a group say to the alert of one severity.
#[derive(Clone, Copy)]
struct Looked<'a> {
    burns: &'a [Burn],
    severity: Severity,
    /// The last minute with an event of the objective, in whatever group.
    last: u32,
    is_maintained: bool,
}

/// The alert of one severity of one group.
fn evaluate_burn(
    objective: &Arc<Objective>,
    group: &mut GroupSeries,
    looked: Looked<'_>,
    now: Now<'_>,
) -> Option<Notice> {
    let alert = &mut group.alerts[place(looked.severity)];
    let rows = looked.burns.iter().enumerate().filter(|(_, burn)| burn.severity == looked.severity);
    let active = rows.clone().filter(|(_, burn)| burn.is_active);
    let is_asked = |place: usize| alert.rows & 1 << (place & 31) != 0;
    let worst = active.clone().max_by(|(_, a), (_, b)| factor(a).total_cmp(&factor(b)));
    let look = if looked.is_maintained {
        Look::Unknown
    } else if let Some((_, worst)) = worst {
        Look::Active(worst.trigger)
    } else {
        let is_dark = |burn: &Burn| {
            // No event of this group: clean if others have some, else as the objective has it.
            let short = short_minutes(burn);
            looked.last.saturating_add(short) <= minute(now.ms)
                && objective.no_data.firing == Silence::Keep
        };
        rows.filter(|(place, _)| is_asked(*place)).fold(Look::Clean, |look, (_, burn)| {
            match (look, burn.is_clean) {
                (Look::Between, _) | (_, Some(false)) => Look::Between,
                (_, None) if is_dark(burn) => Look::Unknown,
                (look, _) => look,
            }
        })
    };
    let found = active.fold(0, |found, (place, _)| found | 1 << (place & 31));
    alert.rows |= found;
    let change = alert.step(look, now.time())?;
    let budget = Budget::of(period_count(objective, &mut group.series, now.ms), objective);
    let kind = AlertKind::Burn(looked.severity);
    let about =
        About { kind, severity: looked.severity, group: &group.names, top: group.top.most() };
    let mut notice = notice(objective, &about, change, budget, now);
    let pace = worst.and_then(|(_, burn)| burn.short_rate);
    notice.exhausted_ms = budget.exhausted_ms(pace.unwrap_or(0.0), objective, now.ms);
    Some(notice)
}

/// The factor of a row.
fn factor(burn: &Burn) -> f64 {
    if let Trigger::Burn { factor, .. } = burn.trigger { factor } else { 0.0 }
}

/// Minutes of a row's short window.
fn short_minutes(burn: &Burn) -> u32 {
    if let Trigger::Burn { short, .. } = burn.trigger { minutes(short) } else { 1 }
}

/// The events of the period that a moment is in.
pub(super) fn period_count(objective: &Objective, series: &mut Series, now_ms: u64) -> EventCount {
    match calendar(objective.period, now_ms) {
        Some((start_ms, _)) => series.since_start(minute(start_ms)),
        None => series.sum(minute(now_ms), minutes(objective.period.length())),
    }
}

/// Whether a moment is in one of these times.
pub(super) fn is_within(maintenance: &[Maintenance], at_ms: u64) -> bool {
    maintenance.iter().any(|time| {
        let Some(since_ms) = at_ms.checked_sub(time.start_ms) else { return false };
        let length_ms = time.end_ms.saturating_sub(time.start_ms);
        let every_ms = time.every.map_or(0, crate::base::clock::millis);
        since_ms.checked_rem(every_ms).unwrap_or(since_ms) < length_ms
    })
}

/// Which alert a notice is of.
struct About<'a> {
    kind: AlertKind,
    severity: Severity,
    group: &'a [(super::objective::Dimension, String)],
    top: Top,
}

impl About<'_> {
    /// The one of no events at all; a ticket where nobody is to be told of silence any more.
    fn silence(objective: &Objective) -> Self {
        let severity = objective.no_data.after.map_or(Severity::Ticket, |(_, severity)| severity);
        Self { kind: AlertKind::Absent, severity, group: &[], top: Top::default() }
    }
}

/// The notice of a change.
fn notice(
    objective: &Arc<Objective>,
    about: &About<'_>,
    change: Change,
    budget: Budget,
    now: Now<'_>,
) -> Notice {
    let (status, since_ms, trigger) = match change {
        Change::Fires(trigger) => (AlertStatus::Firing, now.ms, trigger),
        Change::Ends(since_ms, trigger) => {
            (AlertStatus::Resolved { at_ms: now.ms }, since_ms, trigger)
        }
    };
    Notice {
        key: alert_key(&objective.name, about.kind, about.group),
        status,
        severity: about.severity,
        objective: Arc::clone(objective),
        group: about.group.to_vec(),
        trigger,
        since_ms,
        budget_left: budget.left,
        exhausted_ms: budget.exhausted_ms(0.0, objective, now.ms),
        top: about.top.clone(),
        source: now.source.to_owned(),
    }
}
