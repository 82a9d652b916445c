//! What somebody is told, in words: the one place, whatever the channel.
//!
//! Invariants: every text is one line without control characters and has a bound, for parts of it come
//! from configuration and traffic; only the values of a group are kept as they are, and are cleaned where they
//! are shown; a message can be kept as JSON and says the same after a restart. Not
//! here: how a channel wants it (`channel`).

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::micros;
use crate::base::units;
pub(super) use crate::record::timestamp_text as instant;
use crate::slo::{
    Absence, AlertStatus, Dimension, Notice, Objective, OpenAlert, Severity, Trigger,
};

/// Most characters of one text.
const TEXT_CHARS_MAX: usize = 300;
/// Most characters of a value of a group: a record has no longer one.
const VALUE_CHARS_MAX: usize = 255;
/// Most characters of a link.
const LINK_CHARS_MAX: usize = 2_000;
/// Most objectives that a summary names.
const NAMED_MAX: usize = 5;

/// A notice in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    /// Identity of the alert at every channel.
    pub(super) key: String,
    /// Whether somebody is woken.
    pub(super) is_page: bool,
    /// Whether it tells that there are no events.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_absence: bool,
    /// Milliseconds since 1970 when it began to fire.
    pub(super) since_ms: u64,
    /// Milliseconds since 1970 when it was over; absent while it fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resolved_ms: Option<u64>,
    pub(super) service: String,
    /// Name of the objective.
    pub(super) objective: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<String>,
    /// Which part of the objective: names and values, as they were counted.
    #[serde(default)]
    pub(super) group: Vec<(String, String)>,
    /// Routes that the objective names.
    #[serde(default)]
    pub(super) routes: Vec<String>,
    /// What is broken, for whom, in one sentence.
    pub(super) summary: String,
    /// All else, each with its name.
    pub(super) facts: Vec<(String, String)>,
    /// Where to look and what to do: what each is, and its URL.
    pub(super) links: Vec<(String, String)>,
    /// Who evaluated it.
    pub(super) source: String,
}

impl Message {
    pub(super) fn of(notice: &Notice) -> Self {
        let objective = &notice.objective;
        let resolved_ms = match notice.status {
            AlertStatus::Firing => None,
            AlertStatus::Resolved { at_ms } => Some(at_ms),
        };
        let group = notice.group.iter().map(|(by, value)| (name(*by).to_owned(), raw(value)));
        let group: Vec<_> = group.collect();
        let links = [("Runbook", &objective.runbook), ("Board", &objective.dashboard)];
        let links = links
            .into_iter()
            .filter_map(|(what, url)| Some((what.to_owned(), cut(url.as_ref()?, LINK_CHARS_MAX))));
        Self {
            key: notice.key.clone(),
            is_page: notice.severity == Severity::Page,
            is_absence: notice.is_absence(),
            since_ms: notice.since_ms,
            resolved_ms,
            service: text(&objective.service),
            objective: text(&objective.name),
            owner: objective.owner.as_deref().map(text),
            summary: summary(notice, &group),
            facts: facts(notice, &group),
            group,
            routes: objective.notify.clone(),
            links: links.collect(),
            source: text(&notice.source),
        }
    }

    /// Many alerts in one, for a channel that has been told of as many as may be. `key` is the same for
    /// all that the channel is told of so; `firing` are those that still fire, none when all are over.
    pub(super) fn summary_of(key: String, count: usize, firing: &[&Self], now_ms: u64) -> Self {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for message in firing {
            match counts.iter_mut().find(|(name, _)| *name == message.objective) {
                Some((_, count)) => *count += 1,
                None => counts.push((&message.objective, 1)),
            }
        }
        counts.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
        let mut named = String::new();
        for (name, count) in counts.iter().take(NAMED_MAX) {
            let comma = if named.is_empty() { "" } else { ", " };
            let _ = write!(named, "{comma}{name} ({count})"); // a String takes everything
        }
        if counts.len() > NAMED_MAX {
            let _ = write!(named, " and {} more objectives", counts.len() - NAMED_MAX);
        }
        let summary = if firing.is_empty() {
            format!("{count} more alerts of service level objectives are over")
        } else {
            format!("{} more alerts of service level objectives fire: {named}", firing.len())
        };
        let reason =
            "More alerts fired than this channel is told of one by one (slo.notify.rate_cap)";
        let first = firing.first();
        Self {
            key,
            is_page: firing.iter().any(|message| message.is_page),
            is_absence: false,
            // The next summary is another mail, though the oldest alert of it is the same.
            since_ms: now_ms,
            resolved_ms: firing.is_empty().then_some(now_ms),
            service: "lbproxy".to_owned(),
            objective: "many".to_owned(),
            owner: None,
            group: Vec::new(),
            routes: Vec::new(),
            summary: text(&summary),
            facts: vec![("Why one message".to_owned(), reason.to_owned())],
            links: first.map(|message| message.links.clone()).unwrap_or_default(),
            source: first.map(|message| message.source.clone()).unwrap_or_default(),
        }
    }

    /// The alert, for whoever has forgotten it; `None` of a dimension that is not known here.
    pub(super) fn as_open(&self) -> Option<OpenAlert> {
        let dimension = |by: &str| Dimension::ALL.iter().find(|(_, name)| *name == by);
        let group = self.group.iter().map(|(by, value)| Some((dimension(by)?.0, value.clone())));
        Some(OpenAlert {
            key: self.key.clone(),
            severity: if self.is_page { Severity::Page } else { Severity::Ticket },
            objective: self.objective.clone(),
            service: self.service.clone(),
            group: group.collect::<Option<_>>()?,
            since_ms: self.since_ms,
        })
    }

    pub(super) const fn is_firing(&self) -> bool {
        self.resolved_ms.is_none()
    }

    /// As files and messages have it.
    pub(super) const fn severity(&self) -> &'static str {
        if self.is_page { Severity::Page.as_str() } else { Severity::Ticket.as_str() }
    }

    /// The sentence with what it means for the reader: a page, a ticket, or that it is over.
    pub(super) fn headline(&self) -> String {
        let mark = match (self.resolved_ms, self.is_page) {
            (Some(_), _) => "RESOLVED",
            (None, true) => "PAGE",
            (None, false) => "TICKET",
        };
        format!("{mark}: {}", self.summary)
    }

    /// Everything, a line each.
    pub(super) fn body(&self) -> String {
        let mut out = format!("{}\n\n", self.headline());
        for (name, value) in self.facts.iter().chain(&self.links) {
            let _ = writeln!(out, "{name}: {value}"); // a String takes everything
        }
        out
    }

    /// A value of those that routes tell apart.
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        match name {
            "service" => Some(&self.service),
            "objective" => Some(&self.objective),
            "owner" => self.owner.as_deref(),
            name => self.group.iter().find(|(by, _)| by == name).map(|(_, value)| value.as_str()),
        }
    }
}

fn name(dimension: Dimension) -> &'static str {
    Dimension::ALL.iter().find(|(one, _)| *one == dimension).map_or("", |(_, name)| name)
}

/// A value that tells an alert from others, as it is.
fn raw(value: &str) -> String {
    value.chars().take(VALUE_CHARS_MAX).collect()
}

/// One line with a bound.
pub(super) fn text(value: &str) -> String {
    cut(value, TEXT_CHARS_MAX)
}

/// At most so many characters, without those that end a line or turn the order of the others.
pub(super) fn cut(value: &str, most: usize) -> String {
    let acts = |c| matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let clean = |c: char| if c.is_control() || acts(c) { ' ' } else { c };
    let mut kept: String = value.chars().take(most).map(clean).collect();
    if value.chars().nth(most).is_some() {
        kept.pop();
        kept.push('…');
    }
    kept
}

/// A share as percent: two digits behind the point where it is small.
fn percent(share: f64) -> String {
    let value = share * 100.0;
    let decimals = if value.abs() < 1.0 { 2 } else { usize::from(value.abs() < 99.95) };
    let text = format!("{value:.decimals$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

/// How many times as fast.
fn times(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

/// A window, as it is configured.
fn window(span: Duration) -> String {
    units::write_duration(micros(span))
}

/// A span in whole seconds: the two largest units.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let parts = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = parts.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(3);
    let part = |index: usize| {
        let (unit, name) = parts.get(index)?;
        let above = if index == 0 { u64::MAX } else { parts[index - 1].0 };
        let count = seconds % above / unit;
        (count > 0 || index == first).then(|| format!("{count}{name}"))
    };
    [part(first), part(first + 1)].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// What is broken, for whom.
fn summary(notice: &Notice, group: &[(String, String)]) -> String {
    let Objective { service, title, target, .. } = &*notice.objective;
    let part = group.iter().map(|(by, value)| format!("{by} {value}")).collect::<Vec<_>>();
    let whom = match part.join(", ") {
        part if part.is_empty() => format!("{service}: {title}"),
        part => format!("{service}, {part}: {title}"),
    };
    let what = match (notice.status, notice.trigger) {
        (AlertStatus::Resolved { at_ms }, _) => {
            let lasted = Duration::from_millis(at_ms.saturating_sub(notice.since_ms));
            format!("is over after {}", span(lasted))
        }
        (_, Trigger::Burn { rate, valid, bad, long, .. }) => {
            let share = share(bad, valid);
            format!(
                "{} bad in {}, {target} % is promised; the budget burns {} times too fast",
                percent(share),
                window(long),
                times(rate)
            )
        }
        (_, Trigger::Absent { what, lasted }) => format!("{} for {}", absent(what), span(lasted)),
        (_, Trigger::Test) => "a test of `lbproxy slo test-alert`; nothing is wrong".to_owned(),
    };
    text(&format!("{whom}: {what}"))
}

fn share(bad: u64, valid: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let share = bad as f64 / valid.max(1) as f64;
    share
}

fn absent(what: Absence) -> &'static str {
    match what {
        Absence::Traffic => "no request, while heartbeats arrive,",
        Absence::Records => "records wait or were dropped, while heartbeats arrive,",
        Absence::Heartbeat => "no heartbeat",
    }
}

/// What else there is to say.
fn facts(notice: &Notice, group: &[(String, String)]) -> Vec<(String, String)> {
    let objective = &notice.objective;
    let mut facts = Vec::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            facts.push((name.to_owned(), text(&value)));
        }
    };
    add("Objective", objective.description.clone());
    for (by, value) in group {
        add(&capital(by), value.clone());
    }
    add("Since", instant(notice.since_ms));
    if let AlertStatus::Resolved { at_ms } = notice.status {
        add("Until", instant(at_ms));
    }
    if let Trigger::Burn { rate, factor, long, short, valid, bad } = notice.trigger {
        let bound = objective
            .indicator
            .bound
            .map_or_else(String::new, |bound| format!("; good is up to {}", window(bound)));
        let percent = percent(share(bad, valid));
        add("Bad", format!("{bad} of {valid} in {} ({percent}){bound}", window(long)));
        let (long, short) = (window(long), window(short));
        let factor = format!("{factor:.1}");
        let (rate, factor) = (times(rate), factor.trim_end_matches(".0"));
        add("Burn rate", format!("{rate}; it fires from {factor} on, over {long} and {short}"));
    }
    if notice.trigger != Trigger::Test {
        let length = window(objective.period.length());
        let spent = 1.0 - notice.budget_left;
        // With little traffic an outage spends it a thousand times over.
        let told = if spent < 10.0 { percent(spent) + " of" } else { times(spent) + " times" };
        add("Budget spent", format!("{told} what {length} allow"));
        let gone_ms = notice.exhausted_ms.filter(|_| spent < 1.0);
        add("Budget is gone by", gone_ms.map(instant).unwrap_or_default());
    }
    let top = &notice.top;
    for (by, value) in [("endpoint", &top.endpoint), ("route", &top.route), ("reason", &top.reason)]
    {
        // What the alert is grouped by is said already.
        if !group.iter().any(|(name, _)| name == by) {
            add(&format!("Top {by}"), value.clone().unwrap_or_default());
        }
    }
    add("Owner", objective.owner.clone().unwrap_or_default());
    add("Evaluated by", notice.source.clone());
    facts
}

fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
