//! Who is told by Kibana and OpenSearch, and in which words: their channels by the routes of an objective.

use std::time::Duration;

use super::{BurnRule, Loss, Site, Subject};
use crate::slo::Severity;

/// Ids of the channels of an objective, each once, and what it loses of them. Without `notify` every channel of
/// the site is told.
pub(super) fn channels<'s>(subject: &Subject, site: &'s Site) -> (Vec<&'s str>, Vec<Loss>) {
    let objective = &subject.objective;
    let mut ids: Vec<&str> = Vec::new();
    let mut losses = Vec::new();
    let mut lose = |what: &str, why: String| {
        losses.push(Loss {
            objective: objective.name.clone(),
            what: what.to_owned(),
            why,
            instead: "name it with `--channel ROUTE=ID`, or let lbproxy notify (docs/slo.md)"
                .into(),
        });
    };
    let is_silent = subject.rules.is_empty() && subject.absence.is_none();
    let wanted: Vec<_> = match objective.notify.as_slice() {
        [] => site.channels.iter().collect(),
        names => {
            for name in
                names.iter().filter(|name| !site.channels.iter().any(|(own, _)| own == *name))
            {
                lose("`notify`", format!("no channel is named for the route {name}"));
            }
            site.channels.iter().filter(|(own, _)| names.contains(own)).collect()
        }
    };
    for (_, id) in wanted {
        if !ids.contains(&id.as_str()) {
            ids.push(id);
        }
    }
    if ids.is_empty() && objective.notify.is_empty() && !is_silent {
        lose(
            "somebody is told",
            "no channel is named: alerts stand in a list and reach nobody".into(),
        );
    }
    (ids, losses)
}

/// The words that both tools add to what fires: what to do, where to look.
pub(super) fn links(subject: &Subject, site: &Site) -> String {
    let objective = &subject.objective;
    let board = objective.dashboard.clone().or_else(|| {
        let base = site.dashboards.as_ref()?;
        Some(format!("{base}/app/dashboards#/view/lbproxy-slo"))
    });
    let lines = [
        ("Owner", objective.owner.clone()),
        ("Runbook", objective.runbook.clone()),
        ("Board", board),
    ];
    let lines = lines.into_iter().filter_map(|(name, text)| Some(format!("\n{name}: {}", text?)));
    lines.collect()
}

/// Tags for people: whose it is, how bad.
pub(super) fn tags(subject: &Subject, severity: Option<Severity>) -> Vec<String> {
    let objective = &subject.objective;
    let mut tags =
        vec![format!("objective:{}", objective.name), format!("service:{}", objective.service)];
    tags.extend(severity.map(|severity| format!("severity:{}", severity.as_str())));
    tags.extend(objective.owner.as_ref().map(|owner| format!("owner:{owner}")));
    tags
}

/// Minutes of the windows of a row: the long one, the short one.
pub(super) fn minutes(rule: &BurnRule) -> [u64; 2] {
    [rule.window.long, rule.window.short].map(whole_minutes)
}

/// Minutes of a span as queries have it: whole ones, at least one.
pub(super) fn whole_minutes(span: Duration) -> u64 {
    (span.as_secs() / 60).max(1)
}
