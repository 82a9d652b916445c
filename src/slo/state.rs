//! The state of the evaluator as bytes: what makes alerts and budgets survive the end of the process.
//!
//! ```text
//! wall time | next part | minute | objectives (fingerprint, card, silence, alert, groups (key, series, alerts)*)*
//!   | notices that nobody has yet (card, the rest)* | those of alerts that are over, likewise
//! ```
//! Numbers as LEB128 (`bytes`). A *card* is an objective as far as notices need it, for one that is gone
//! from the files while its alert fires. An objective goes on from its state as long as it counts the same
//! events in the same groups ([`fingerprint`]); targets, windows and texts may change. One that does not
//! begins anew, and its alerts end. Not here: the file, its version and checksum (`consumer`).

use std::sync::Arc;
use std::time::Duration;

use super::adopt::gone;
use super::alert::{Alert, decode_trigger, encode_trigger};
use super::bytes::{Input, Output};
use super::clock::Clock;
use super::evaluator::{Evaluator, EvaluatorSettings};
use super::group::GroupSeries;
use super::notice::{AlertStatus, Notice, Top};
use super::objective::{Dimension, Indicator, Objective, Period, Severity, TargetShare};
use super::series::Series;
use super::tracked::Tracked;
use crate::base::fnv;
use crate::consumer::StateError;

/// Version of the state: raised when its bytes mean something else. 1 counted clean evaluations where 2 has
/// milliseconds: read as these, an alert of it ends up to 12 minutes later.
pub const STATE_VERSION: u16 = 2;

/// What of a group is in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    All,
    /// Its alerts, if they are or were any.
    Alerts,
}

impl Evaluator {
    /// All of it but the figures and [`Notice::top`]'s counts.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        self.encode_kept(bytes, Kept::All);
    }

    /// The same without counts of events: for whoever can read these again.
    pub fn encode_alerts(&self, bytes: &mut Vec<u8>) {
        self.encode_kept(bytes, Kept::Alerts);
    }

    fn encode_kept(&self, bytes: &mut Vec<u8>, kept: Kept) {
        let mut out = Output(std::mem::take(bytes));
        out.number(self.clock.counted_ms());
        out.number(self.next_part);
        out.number(u64::from(self.unknown_before));
        out.length(self.tracked.len());
        self.tracked.iter().for_each(|tracked| encode_tracked(tracked, kept, &mut out));
        out.length(self.notices.len());
        self.notices.iter().for_each(|notice| encode_notice(notice, &mut out));
        out.length(self.ended.len());
        self.ended.iter().for_each(|notice| encode_notice(notice, &mut out));
        *bytes = out.0;
    }

    /// From what [`Evaluator::encode`] gave, for the objectives of now.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn decode(
        objectives: &[Arc<Objective>],
        settings: EvaluatorSettings,
        bytes: &[u8],
    ) -> Result<Self, StateError> {
        let mut input = Input(bytes);
        let groups_max = settings.groups_max;
        let mut evaluator = Self::new(objectives, settings);
        evaluator.clock = Clock::earlier(input.number()?);
        evaluator.next_part = input.number()?;
        evaluator.unknown_before = input.small()?;
        let mut gone = Vec::new();
        for _ in 0..input.length()? {
            let print = u64::from_le_bytes(input.take()?);
            let card = decode_card(&mut input)?;
            let known = evaluator.tracked.iter_mut().find(|tracked| {
                tracked.objective.name == card.name && fingerprint(&tracked.objective) == print
            });
            if let Some(tracked) = known {
                decode_tracked(tracked, &mut input)?;
            } else {
                let mut tracked = Tracked::new(Arc::new(card), groups_max);
                decode_tracked(&mut tracked, &mut input)?;
                gone.push(tracked);
            }
        }
        evaluator.notices = input.list(|input| decode_notice(objectives, input))?.into();
        let ended = input.list(|input| decode_notice(objectives, input).map(Arc::new))?;
        evaluator.ended = ended.into();
        evaluator.end(&mut gone);
        Ok(evaluator)
    }
}

/// A number made of which events an objective counts, and in which groups.
pub(super) fn fingerprint(objective: &Objective) -> u64 {
    let Indicator { valid, good, bound: _ } = &objective.indicator;
    let text = format!("{valid}\0{good}\0{:?}", objective.group_by);
    fnv::fnv1a(fnv::EMPTY, text.as_bytes())
}

fn encode_tracked(tracked: &Tracked, kept: Kept, out: &mut Output) {
    out.0.extend_from_slice(&fingerprint(&tracked.objective).to_le_bytes());
    encode_card(&tracked.objective, out);
    out.number(tracked.silent_ms);
    out.number(u64::from(tracked.has_events));
    tracked.absent.encode(out);
    let is_kept = |group: &&GroupSeries| kept == Kept::All || group.alerts != [Alert::default(); 2];
    let groups: Vec<_> = tracked.table.all().iter().filter(is_kept).collect();
    out.length(groups.len());
    for group in groups {
        out.text(&group.key);
        match kept {
            Kept::All => group.series.encode(out),
            Kept::Alerts => Series::new(1).encode(out),
        }
        group.alerts.iter().for_each(|alert| alert.encode(out));
    }
}

fn decode_tracked(tracked: &mut Tracked, input: &mut Input<'_>) -> Result<(), StateError> {
    tracked.silent_ms = input.number()?;
    tracked.has_events = input.number()? == 1;
    tracked.absent = Alert::decode(input)?;
    for _ in 0..input.length()? {
        let key = input.bytes()?;
        tracked.table.restore(key, |group, empty| -> Result<(), StateError> {
            group.series = empty.decode(input)?;
            for alert in &mut group.alerts {
                *alert = Alert::decode(input)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Appends an objective as far as notices need it.
fn encode_card(objective: &Objective, out: &mut Output) {
    for text in [&objective.name, &objective.title, &objective.description, &objective.service] {
        out.text(text.as_bytes());
    }
    for text in [&objective.owner, &objective.runbook, &objective.dashboard] {
        out.maybe(text.as_ref(), |out, text| out.text(text.as_bytes()));
    }
    out.number(u64::from(objective.target.ppm()));
    let (kind, number) = match objective.period {
        Period::Rolling(length) => (0, length.as_secs()),
        Period::Month { offset_minutes } => (1, u64::from(offset_minutes.cast_unsigned())),
        Period::Week { offset_minutes } => (2, u64::from(offset_minutes.cast_unsigned())),
    };
    out.number(kind);
    out.number(number);
    out.maybe(objective.indicator.bound, |out, bound| {
        out.number(crate::base::clock::micros(bound));
    });
    out.length(objective.group_by.len());
    objective.group_by.iter().for_each(|&dimension| encode_dimension(dimension, out));
    out.length(objective.notify.len());
    objective.notify.iter().for_each(|name| out.text(name.as_bytes()));
}

fn decode_card(input: &mut Input<'_>) -> Result<Objective, StateError> {
    let mut text = || input.text();
    let (name, title, description, service) = (text()?, text()?, text()?, text()?);
    let mut link = || input.maybe(Input::text);
    let (owner, runbook, dashboard) = (link()?, link()?, link()?);
    let target = TargetShare::from_ppm(input.small()?).ok_or(StateError::Damaged)?;
    let (kind, number) = (input.number()?, input.number()?);
    let offset = || u16::try_from(number).map(u16::cast_signed).map_err(|_| StateError::Damaged);
    let period = match kind {
        0 => Period::Rolling(Duration::from_secs(number)),
        1 => Period::Month { offset_minutes: offset()? },
        2 => Period::Week { offset_minutes: offset()? },
        _ => return Err(StateError::Damaged),
    };
    let bound = input.maybe(Input::number)?.map(Duration::from_micros);
    let group_by = input.list(decode_dimension)?;
    let notify = input.list(Input::text)?;
    let mut card = gone(name, service);
    card.indicator.bound = bound;
    Ok(Objective {
        title,
        description,
        owner,
        runbook,
        dashboard,
        target,
        period,
        group_by,
        notify,
        ..card
    })
}

/// Appends a dimension by its place in [`Dimension::ALL`].
fn encode_dimension(dimension: Dimension, out: &mut Output) {
    let place = Dimension::ALL.iter().position(|(each, _)| *each == dimension);
    out.length(place.unwrap_or(0));
}

fn decode_dimension(input: &mut Input<'_>) -> Result<Dimension, StateError> {
    let place = usize::try_from(input.number()?).unwrap_or(usize::MAX);
    Dimension::ALL.get(place).map(|(dimension, _)| *dimension).ok_or(StateError::Damaged)
}

fn encode_notice(notice: &Notice, out: &mut Output) {
    encode_card(&notice.objective, out);
    out.text(notice.key.as_bytes());
    let at_ms = match notice.status {
        AlertStatus::Firing => None,
        AlertStatus::Resolved { at_ms } => Some(at_ms),
    };
    out.maybe(at_ms, Output::number);
    out.number(u64::from(notice.severity == Severity::Page));
    out.length(notice.group.len());
    for (dimension, value) in &notice.group {
        encode_dimension(*dimension, out);
        out.text(value.as_bytes());
    }
    encode_trigger(notice.trigger, out);
    out.number(notice.since_ms);
    out.float(notice.budget_left);
    out.maybe(notice.exhausted_ms, Output::number);
    let Top { endpoint, route, reason } = &notice.top;
    for text in [endpoint, route, reason] {
        out.maybe(text.as_ref(), |out, text| out.text(text.as_bytes()));
    }
    out.text(notice.source.as_bytes());
}

fn decode_notice(
    objectives: &[Arc<Objective>],
    input: &mut Input<'_>,
) -> Result<Notice, StateError> {
    let card = decode_card(input)?;
    let known = objectives.iter().find(|objective| objective.name == card.name);
    let objective = known.map_or_else(|| Arc::new(card), Arc::clone);
    let key = input.text()?;
    let status = match input.maybe(Input::number)? {
        None => AlertStatus::Firing,
        Some(at_ms) => AlertStatus::Resolved { at_ms },
    };
    let severity = if input.number()? == 1 { Severity::Page } else { Severity::Ticket };
    let group = input.list(|input| Ok((decode_dimension(input)?, input.text()?)))?;
    let trigger = decode_trigger(input)?;
    let (since_ms, budget_left) = (input.number()?, input.float()?);
    let exhausted_ms = input.maybe(Input::number)?;
    let mut text = || input.maybe(Input::text);
    let top = Top { endpoint: text()?, route: text()?, reason: text()? };
    let source = input.text()?;
    Ok(Notice {
        key,
        status,
        severity,
        objective,
        group,
        trigger,
        since_ms,
        budget_left,
        exhausted_ms,
        top,
        source,
    })
}
