//! An objective as OpenSLO v1, so that its own tools read it: indicators as filters of
//! `metricSource.type: lbproxy`, and what OpenSLO cannot say as a text in the annotation `x-lbproxy`.
//!
//! Invariant: [`super::parse`] reads the same objective again. Not here: what is usual (`extension`); all
//! is written, so that other defaults of a later version change nothing.

use std::fmt::Write as _;

use super::period;
use super::value::percent;
use crate::base::clock::micros;
use crate::base::units::write_duration;
use crate::record::write_timestamp;
use crate::slo::Objective;

/// The document, beginning with `---`.
pub fn print(objective: &Objective) -> String {
    let Objective { name, title, description, service, indicator, target, .. } = objective;
    let (window, utc_offset) = period::write(objective.period);
    let mut out = String::from("---\napiVersion: openslo/v1\nkind: SLO\n");
    let metric = |key: &str, filter: String, bound: Option<String>| {
        let bound = bound.map_or_else(String::new, |bound| format!(", bound: {bound}"));
        let filter = quoted(&filter);
        format!(
            "        {key}: {{metricSource: {{type: lbproxy, spec: {{filter: \
             {filter}{bound}}}}}}}\n"
        )
    };
    let bound = indicator.bound.map(|bound| write_duration(micros(bound)));
    let extension = extension(objective, utc_offset.as_deref());
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "metadata:\n  name: {name}\n  displayName: {title}\n  annotations:\n    x-lbproxy: \
         {extension}\n\
         spec:\n  description: {description}\n  service: {service}\n  indicator:\n    \
         metadata: {{name: {name}}}\n    spec:\n      ratioMetric:\n        counter: true\n\
         {good}{total}  timeWindow:\n    - {window}\n  budgetingMethod: Occurrences\n  \
         objectives:\n    - targetPercent: {target}\n",
        name = quoted(name),
        title = quoted(title),
        extension = quoted(&extension),
        description = quoted(description),
        service = quoted(service),
        good = metric("good", indicator.good.to_string(), bound),
        total = metric("total", indicator.valid.to_string(), None),
    );
    out
}

/// The keys of `x-lbproxy`, a line each.
fn extension(objective: &Objective, utc_offset: Option<&str>) -> String {
    let mut out = String::new();
    let mut key = |key: &str, value: &str| {
        let _ = writeln!(out, "{key}: {value}");
    };
    let span = |span| write_duration(micros(span));
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    let groups = objective.group_by.iter().map(|dimension| dimension.as_str().to_owned());
    key("group_by", &list(groups.collect()));
    let windows = objective.windows.iter().map(|window| {
        let (budget, severity) = (percent(window.budget_ppm), window.severity.as_str());
        let (long, short) = (span(window.long), span(window.short));
        format!("{{budget: {budget}, long: {long}, short: {short}, severity: {severity}}}")
    });
    key("windows", &list(windows.collect()));
    key("min_total", &objective.min_total.to_string());
    key("min_bad", &objective.min_bad.to_string());
    let after = objective.no_data.after.map_or_else(String::new, |(after, severity)| {
        format!("after: {}, severity: {}, ", span(after), severity.as_str())
    });
    let firing = objective.no_data.firing.as_str();
    key("no_data", &format!("{{{after}firing: {firing}}}"));
    key("notify", &list(objective.notify.iter().map(|name| quoted(name)).collect()));
    let instant = |ms| {
        let mut text = Vec::new();
        write_timestamp(ms, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    let maintenance = objective.maintenance.iter().map(|maintenance| {
        let every =
            maintenance.every.map_or_else(String::new, |every| format!(", every: {}", span(every)));
        let (start, end) = (instant(maintenance.start_ms), instant(maintenance.end_ms));
        format!("{{start: {start}, end: {end}{every}}}")
    });
    key("maintenance", &list(maintenance.collect()));
    let links = [
        ("owner", &objective.owner),
        ("runbook", &objective.runbook),
        ("dashboard", &objective.dashboard),
    ];
    for (name, value) in links {
        if let Some(value) = value {
            key(name, &quoted(value));
        }
    }
    if let Some(offset) = utc_offset {
        key("utc_offset", &quoted(offset));
    }
    out
}

/// A text as a double-quoted scalar; `${` as what stands for it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.replace("${", "$${").chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            character => out.push(character),
        }
    }
    out.push('"');
    out
}
