//! Alerts that somebody was told of and that the evaluator does not know: its state was lost, or could not
//! be written, or there are no objectives any more.
//!
//! One of an objective that is watched fires from here on, as if the state had it: while the trouble lasts
//! nobody is told again, and its end is told. Of any other the end is told at once. Not here: who remembers
//! (`reader`'s recipient).

use std::sync::Arc;
use std::time::Duration;

use super::clock::minute;
use super::evaluator::Evaluator;
use super::key::{AlertKind, alert_key};
use super::notice::{Absence, AlertStatus, Notice, OpenAlert, Top, Trigger};
use super::objective::{Indicator, NoData, Objective, Period, Severity, Silence, TargetShare};
use super::tracked::{Tracked, place};
use crate::query::Filter;

impl Evaluator {
    /// Takes over what others remember of alerts.
    pub fn adopt(&mut self, open: Vec<OpenAlert>, now_ms: u64) {
        for alert in open {
            let is_told = self.notices.iter().any(|notice| notice.key == alert.key);
            if is_told || self.tracked.iter_mut().any(|tracked| tracked.adopt(&alert, now_ms)) {
                continue;
            }
            self.notices.push_back(over(alert, now_ms, &self.settings.source));
        }
    }
}

impl Tracked {
    /// Whether the alert is one of this objective's; it fires then.
    fn adopt(&mut self, alert: &OpenAlert, now_ms: u64) -> bool {
        if alert.objective != self.objective.name {
            return false;
        }
        let is_kind = |kind| alert_key(&alert.objective, kind, &alert.group) == alert.key;
        if is_kind(AlertKind::Absent) && self.objective.no_data.after.is_some() {
            if !self.absent.is_firing() {
                let (what, lasted) = (Absence::Traffic, Duration::ZERO);
                self.absent.adopt(alert.since_ms, Trigger::Absent { what, lasted }, 0);
            }
            return true;
        }
        let by: Vec<_> = alert.group.iter().map(|(dimension, _)| *dimension).collect();
        let severities = [Severity::Page, Severity::Ticket].into_iter();
        let mut severities = severities.filter(|each| is_kind(AlertKind::Burn(*each)));
        let Some(severity) = severities.next().filter(|_| by == self.objective.group_by) else {
            return false;
        };
        let rows = self.objective.windows.iter().enumerate();
        let mut rows = rows.filter(|(_, window)| window.severity == severity).peekable();
        let Some(&(_, window)) = rows.peek() else { return false };
        let trigger = Trigger::Burn {
            rate: 0.0,
            factor: window.factor(self.objective.period),
            long: window.long,
            short: window.short,
            valid: 0,
            bad: 0,
        };
        let rows = rows.fold(0, |rows, (place, _)| rows | 1 << (place & 31));
        let value = |wanted| {
            let mut values = alert.group.iter().filter(|(dimension, _)| *dimension == wanted);
            values.next().map(|(_, value)| value.as_bytes())
        };
        let (group, _) = self.table.group(minute(now_ms), value);
        if group.names != alert.group {
            return false; // no space for it
        }
        let known = &mut group.alerts[place(severity)];
        if !known.is_firing() {
            known.adopt(alert.since_ms, trigger, rows);
        }
        true
    }
}

/// That an alert is over which nobody evaluates any more.
fn over(alert: OpenAlert, now_ms: u64, source: &str) -> Notice {
    let OpenAlert { key, severity, objective, service, group, since_ms } = alert;
    Notice {
        key,
        status: AlertStatus::Resolved { at_ms: now_ms },
        severity,
        objective: Arc::new(gone(objective, service)),
        group,
        trigger: Trigger::Test,
        since_ms,
        budget_left: 1.0,
        exhausted_ms: None,
        top: Top::default(),
        source: source.to_owned(),
    }
}

/// What is left to say of an objective that is no more.
pub(super) fn gone(name: String, service: String) -> Objective {
    Objective {
        title: name.clone(),
        name,
        description: String::new(),
        service,
        owner: None,
        runbook: None,
        dashboard: None,
        indicator: Indicator { valid: Filter::default(), good: Filter::default(), bound: None },
        target: TargetShare::SERVED,
        period: Period::Rolling(Duration::from_hours(30 * 24)),
        group_by: Vec::new(),
        windows: Vec::new(),
        min_total: 0,
        min_bad: 0,
        no_data: NoData { after: None, firing: Silence::Keep },
        notify: Vec::new(),
        maintenance: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::group::{ABSENT, OTHER};
    use super::super::objective::Dimension;
    use super::super::tests::{T0, availability, evaluator};
    use super::*;

    fn open(objective: &str, kind: AlertKind, group: &[(Dimension, &str)]) -> OpenAlert {
        let group: Vec<_> = group.iter().map(|(by, value)| (*by, (*value).to_owned())).collect();
        OpenAlert {
            key: alert_key(objective, kind, &group),
            severity: Severity::Page,
            objective: objective.to_owned(),
            service: "shop".to_owned(),
            group,
            since_ms: T0 - 5,
        }
    }

    #[test]
    fn an_alert_that_only_the_outbox_knows_fires_on_or_is_told_to_be_over() {
        let after = Some((Duration::from_mins(5), Severity::Ticket));
        let no_data = NoData { after, firing: Silence::Keep };
        let objectives = vec![
            Objective { no_data, ..availability() },
            Objective {
                name: "each".to_owned(),
                group_by: vec![Dimension::Endpoint],
                ..availability()
            },
        ];
        let (page, ticket) = (AlertKind::Burn(Severity::Page), AlertKind::Burn(Severity::Ticket));
        let endpoint = [(Dimension::Endpoint, "a:1")];
        for (name, alert, fires) in [
            ("a page", open("availability", page, &[]), true),
            ("a ticket", open("availability", ticket, &[]), true),
            ("silence", open("availability", AlertKind::Absent, &[]), true),
            (
                "silence that nobody is told of any more",
                open("each", AlertKind::Absent, &[]),
                false,
            ),
            ("a group", open("each", page, &endpoint), true),
            ("the other groups", open("each", page, &[(Dimension::Endpoint, OTHER)]), true),
            (
                "records without an endpoint",
                open("each", page, &[(Dimension::Endpoint, ABSENT)]),
                true,
            ),
            ("a group of what has none now", open("availability", page, &endpoint), false),
            ("none of what has groups now", open("each", page, &[]), false),
            ("an objective that is gone", open("gone", page, &[]), false),
        ] {
            let mut evaluator = evaluator(objectives.clone());
            evaluator.adopt(vec![alert.clone()], T0);
            let firing: Vec<_> =
                evaluator.firing().iter().map(|n| (n.key.clone(), n.since_ms)).collect();
            let key = (alert.key.clone(), T0 - 5);
            assert_eq!(firing, if fires { vec![key.clone()] } else { vec![] }, "{name}");
            let told: Vec<_> =
                evaluator.notices().iter().map(|n| (n.key.clone(), n.since_ms)).collect();
            assert_eq!(told, if fires { vec![] } else { vec![key] }, "{name}");
            let is_over = |n: &Notice| n.status == AlertStatus::Resolved { at_ms: T0 };
            assert!(evaluator.notices().iter().all(is_over), "{name}");
            // A second time changes nothing.
            evaluator.adopt(vec![alert], T0 + 1);
            assert_eq!(evaluator.notices().len(), usize::from(!fires), "{name}");
        }
    }
}
