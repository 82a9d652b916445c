//! What every tool computes from an objective, once: ids, factors, shares, texts.
//!
//! An id is `lbp-NAME`, and of a rule `lbp-NAME-LONG`, such as `lbp-availability-1h`; `lbp-NAME-LONG-SHORT`
//! where two rows have the same long window; `lbp-NAME-no-data`. One that is too long, or that another
//! objective has too, ends in the first digits of the SHA-256 of what it stands for instead.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::header::hex;
use crate::base::clock::micros;
use crate::base::units::write_duration;
use crate::slo::{BurnWindow, Objective, Severity};

/// Longest id: what Kibana allows for one.
pub const ID_BYTES_MAX: usize = 48;
/// Hex digits of an id that is cut.
const HASH_DIGITS: usize = 8;

/// An objective as tools need it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What the rules are of, with every default filled in.
    pub objective: Arc<Objective>,
    /// `lbp-NAME`.
    pub id: String,
    /// One for each row of windows, in their order.
    pub rules: Vec<BurnRule>,
    /// What is told of silence, if anything is.
    pub absence: Option<AbsenceRule>,
}

/// A row of windows as a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct BurnRule {
    /// `lbp-NAME-LONG`.
    pub id: String,
    /// `LONG`, or `LONG-SHORT` where two rows have the same long window: as documents have it.
    pub name: String,
    /// Its windows, its share of the budget and its severity.
    pub window: BurnWindow,
    /// The long window, such as `1h`: in the largest unit of `m`, `h` and `d` that divides it.
    pub long: String,
    /// The short window, written as [`Self::long`].
    pub short: String,
    /// Fires from this burn rate on.
    pub factor: f64,
}

/// Silence as a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsenceRule {
    /// `lbp-NAME-no-data`.
    pub id: String,
    /// Without an event for so long.
    pub after: Duration,
    /// Whether it is a page or a ticket.
    pub severity: Severity,
}

/// Objectives as tools need them, in their order; no two ids are the same.
pub fn subjects(objectives: &[Arc<Objective>]) -> Vec<Subject> {
    let mut subjects: Vec<_> = objectives.iter().map(subject).collect();
    let mut uses: HashMap<String, u32> = HashMap::new();
    for one in &mut subjects {
        one.ids(|id, _| *uses.entry(id.clone()).or_default() += 1);
    }
    for one in &mut subjects {
        one.ids(|id, stands_for| {
            if uses.get(id) != Some(&1) || id.len() > ID_BYTES_MAX {
                *id = cut(id, stands_for);
            }
        });
    }
    subjects
}

fn subject(objective: &Arc<Objective>) -> Subject {
    let id = format!("lbp-{}", objective.name);
    let text = |span: Duration| write_duration(micros(span));
    let rule = |&window: &BurnWindow| {
        let (name, factor) = (objective.row_name(&window), window.factor(objective.period));
        BurnRule {
            id: format!("{id}-{name}"),
            name,
            window,
            long: text(window.long),
            short: text(window.short),
            factor,
        }
    };
    let absence = objective.no_data.after.map(|(after, severity)| AbsenceRule {
        id: format!("{id}-no-data"),
        after,
        severity,
    });
    Subject {
        rules: objective.windows.iter().map(rule).collect(),
        objective: Arc::clone(objective),
        absence,
        id,
    }
}

impl Subject {
    /// Visits every id, with a text that nothing else stands for.
    fn ids(&mut self, mut visit: impl FnMut(&mut String, &str)) {
        let name = self.objective.name.clone();
        visit(&mut self.id, &name);
        for rule in &mut self.rules {
            visit(&mut rule.id, &format!("{name}\0{}\0{}", rule.long, rule.short));
        }
        if let Some(absence) = &mut self.absence {
            visit(&mut absence.id, &format!("{name}\0no-data"));
        }
    }

    /// What fires, in a sentence without a full stop.
    pub fn burns(&self, rule: &BurnRule) -> String {
        let (long, short) = (&rule.long, &rule.short);
        format!(
            "{}: the error budget burns {} times faster than allowed, over {long} and over {short}",
            self.objective.title,
            number(rule.factor)
        )
    }

    /// What silence means, in a sentence without a full stop.
    pub fn is_silent(&self, rule: &AbsenceRule) -> String {
        format!("{}: no event for {}", self.objective.title, write_duration(micros(rule.after)))
    }
}

/// An id cut so that it ends in digits of a hash.
fn cut(id: &str, stands_for: &str) -> String {
    let kept = id.len().min(ID_BYTES_MAX - 1 - HASH_DIGITS);
    format!("{}-{}", &id[..kept], &hex(stands_for.as_bytes())[..HASH_DIGITS])
}

/// A number as files have it: no more than ten digits behind the point, no zeros at the end.
pub fn number(value: f64) -> String {
    let text = format!("{value:.10}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
