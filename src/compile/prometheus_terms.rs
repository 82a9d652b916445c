//! Parts of Prometheus rules that know nothing of rows: texts, labels, times of maintenance.

use super::number;
use super::yaml::mapping;
use crate::slo::{Dimension, Maintenance, Objective};

/// A text that Prometheus does not take for a template.
pub(super) fn text(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

/// The label of a dimension, as lbproxy's own notices have it.
pub(super) fn group_label(dimension: Dimension) -> String {
    format!("slo_{}", dimension.as_str())
}

/// What Alertmanager routes by, beside the labels of the series.
pub(super) fn labels(objective: &Objective, severity: &str) -> String {
    let (service, routes) = (text(&objective.service), text(&objective.notify.join(",")));
    let owner = objective.owner.as_deref().map(text);
    let labels = [
        ("severity", Some(severity)),
        ("service", Some(service.as_str())),
        ("owner", owner.as_deref()),
        ("notify", Some(routes.as_str())),
    ];
    mapping(6, &labels)
}

/// What people read; `summary` and the group that it is of.
pub(super) fn annotations(objective: &Objective, summary: &str) -> String {
    let groups = objective.group_by.iter().map(|dimension| {
        format!("{} {{{{ $labels.{} }}}}", dimension.as_str(), group_label(*dimension))
    });
    let about: Vec<_> = std::iter::once(text(summary)).chain(groups).collect();
    let description = text(&objective.description);
    let (runbook, dashboard) = (&objective.runbook, &objective.dashboard);
    let (runbook, dashboard) = (runbook.as_deref().map(text), dashboard.as_deref().map(text));
    let annotations = [
        ("summary", Some(about.join("; "))),
        ("description", Some(description)),
        ("runbook_url", runbook),
        ("dashboard_url", dashboard),
    ];
    mapping(6, &annotations.each_ref().map(|(key, value)| (*key, value.as_deref())))
}

/// A term that has a value in times of maintenance and none outside.
pub(super) fn maintenance(times: &[Maintenance]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970: below 2^53")]
    let seconds = |ms: u64| number(ms as f64 / 1e3);
    let term = |time: &Maintenance| {
        let start = seconds(time.start_ms);
        match time.every {
            None => {
                format!("vector(time()) >= {start} and vector(time()) < {}", seconds(time.end_ms))
            }
            Some(every) => format!(
                "vector(time()) >= {start} and (vector(time()) - {start}) % {} < {}",
                every.as_secs(),
                seconds(time.end_ms.saturating_sub(time.start_ms))
            ),
        }
    };
    times.iter().map(term).collect::<Vec<_>>().join(" or ")
}
