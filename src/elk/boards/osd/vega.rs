//! Vega-Lite visualizations: what no aggregation-based form has, ratios, rates and dashed lines.
//!
//! The server adds up; ratios, units and rates are Vega's, as scripts may be switched off on a server, and
//! its derivatives leave out what follows an empty bucket. The query holds the range of time itself, as a query of one's own forbids `%timefield%`.

use serde_json::{Map, Value, json};

use super::super::model::{Form, Metric, Panel, Term, Unit, Value as Worked};
use super::super::views::{scale, view_id};
use super::super::{kql, source};

/// Of both Vega-Lite 4, which OpenSearch Dashboards 2.0 has, and 5.
const SCHEMA: &str = "https://vega.github.io/schema/vega-lite/v4.json";

/// A specification.
pub(super) fn spec(panel: &Panel) -> Value {
    let mut spec = json!({
        "$schema": SCHEMA,
        "autosize": { "type": "fit", "contains": "padding" },
        "data": {
            "name": "buckets",
            "url": {
                "index": view_id(panel.dataset),
                "body": body(panel),
            },
            "format": { "property": format!("aggregations.{}.buckets", outermost(panel)) },
        },
        "transform": transforms(panel),
        "config": { "view": { "stroke": null }, "axis": { "grid": false, "domain": false } },
    });
    let drawing = match panel.form {
        Form::Figure => figure(panel),
        Form::Table => table(panel),
        _ => chart(panel),
    };
    if let (Some(spec), Value::Object(drawing)) = (spec.as_object_mut(), drawing) {
        spec.extend(drawing);
    }
    spec
}

/// Name of the outermost aggregation.
const fn outermost(panel: &Panel) -> &'static str {
    match (panel.form, panel.splits.is_empty()) {
        (_, false) => "s0",
        (Form::Figure | Form::Table | Form::Records(_), true) => "all",
        _ => "time",
    }
}

/// The search.
fn body(panel: &Panel) -> Value {
    let mut filters = vec![json!({ "range": { "@timestamp": { "%timefilter%": true } } })];
    if let Ok(filter) = kql::parse(panel.filter)
        && filter != kql::Kql::All
    {
        filters.push(filter.query());
    }
    let mut query = json!({});
    if !panel.is_whole {
        filters.push("%dashboard_context-filter_clause%".into());
        query["must"] = json!(["%dashboard_context-must_clause%"]);
        query["must_not"] = json!(["%dashboard_context-must_not_clause%"]);
    }
    query["filter"] = filters.into();
    json!({ "size": 0, "query": { "bool": query }, "aggs": aggregations(panel) })
}

/// Splits around time around metrics.
fn aggregations(panel: &Panel) -> Value {
    let mut inner = Map::new();
    for (at, metric) in panel.metrics.iter().enumerate() {
        figures(at, metric, &mut inner);
    }
    let mut inner = Value::from(inner);
    if panel.form.has_time() {
        inner = json!({ "time": {
            "date_histogram": {
                "field": "@timestamp",
                "fixed_interval": { "%autointerval%": 60 },
                "min_doc_count": 0,
                "extended_bounds": {
                    "min": { "%timefilter%": "min" }, "max": { "%timefilter%": "max" },
                },
            },
            "aggs": inner,
        } });
    } else if panel.splits.is_empty() {
        // Vega-Lite reads rows, so there must be a bucket.
        inner =
            json!({ "all": { "filters": { "filters": [{ "match_all": {} }] }, "aggs": inner } });
    }
    for (at, split) in panel.splits.iter().enumerate().rev() {
        let mut terms = json!({ "field": split.field, "size": split.size });
        // Within time there is no metric of the whole split to sort by.
        if !panel.form.has_time() {
            let mut sorted = json!({});
            sorted["m0r"] = "desc".into();
            terms["order"] = sorted;
            inner["m0r"] = raw(panel.metrics.first());
        }
        let mut around = json!({});
        around[format!("s{at}")] = json!({ "terms": terms, "aggs": inner });
        inner = around;
    }
    inner
}

/// The plain aggregation below a metric.
fn raw(metric: Option<&Metric>) -> Value {
    match metric.map(|metric| metric.value) {
        Some(Worked::Count(filter)) => count(filter),
        Some(Worked::Sum(field)) => json!({ "sum": { "field": field } }),
        Some(Worked::Max(field)) => json!({ "max": { "field": field } }),
        Some(Worked::Min(field)) => json!({ "min": { "field": field } }),
        Some(Worked::Mean(field)) => json!({ "avg": { "field": field } }),
        Some(Worked::Distinct(field)) => json!({ "cardinality": { "field": field } }),
        Some(Worked::Percentile(field, percentile)) => {
            json!({ "percentiles": { "field": field, "percents": [percentile] } })
        }
        Some(Worked::Merged(field, percentile)) => {
            json!({ "max": { "field": format!("{field}.p{percentile}") } })
        }
        Some(Worked::Last(_) | Worked::Ratio(..)) | None => Value::Null,
    }
}

/// Documents that match.
fn count(filter: &str) -> Value {
    json!({ "filter": kql::parse(filter).map(|filter| filter.query()).unwrap_or_default() })
}

/// The aggregations of one metric: `m0r`, or of a ratio `m0a0` … the terms above the line and `m0b0` …
/// those below.
fn figures(at: usize, metric: &Metric, out: &mut Map<String, Value>) {
    let name = |suffix: &str| format!("m{at}{suffix}");
    if let Worked::Ratio(top, bottom) = metric.value {
        for (letter, terms) in [("a", top), ("b", bottom)] {
            for (n, term) in terms.iter().enumerate() {
                let aggregation = match term {
                    Term::Count(filter) => count(filter),
                    Term::Sum(field) => json!({ "sum": { "field": field } }),
                };
                out.insert(name(&format!("{letter}{n}")), aggregation);
            }
        }
        return;
    }
    out.insert(name("r"), raw(Some(metric)));
}

/// The figure of a metric, in Vega's language, from the bucket at `bucket`.
fn read(panel: &Panel, at: usize, metric: &Metric, bucket: &str) -> String {
    let times = match scale(panel, metric) {
        1.0 => String::new(),
        scale => format!(" * {scale}"),
    };
    let raw = format!("{bucket}.m{at}r");
    if metric.is_rate {
        let sum = match metric.value {
            Worked::Count(_) => format!("{raw}.doc_count"),
            _ => format!("{raw}.value"),
        };
        return format!("datum.seconds > 0 ? {sum} / datum.seconds : null");
    }
    let value = match metric.value {
        Worked::Count(_) => return format!("{raw}.doc_count"),
        Worked::Ratio(top, bottom) => {
            let sum = |terms: &[Term], letter: &str| {
                let parts = terms.iter().enumerate().map(|(n, term)| match term {
                    Term::Count(_) => format!("{bucket}.m{at}{letter}{n}.doc_count"),
                    Term::Sum(_) => format!("{bucket}.m{at}{letter}{n}.value"),
                });
                parts.collect::<Vec<_>>().join(" + ")
            };
            let (top, bottom) = (sum(top, "a"), sum(bottom, "b"));
            return format!("{bottom} > 0 ? ({top}) / ({bottom}){times} : null");
        }
        Worked::Percentile(_, percentile) => format!("{raw}.values['{percentile}.0']"),
        _ => format!("{raw}.value"),
    };
    format!("isValid({value}) ? {value}{times} : null")
}

/// From the buckets to a row for each figure.
fn transforms(panel: &Panel) -> Value {
    let mut transforms = Vec::new();
    let mut levels: Vec<_> = (1..panel.splits.len()).map(|at| format!("s{at}")).collect();
    if panel.form.has_time() && !panel.splits.is_empty() {
        levels.push("time".to_owned());
    }
    // Each level's buckets become rows of their own; `at` is the path of the innermost.
    let mut at = "datum".to_owned();
    let mut keys = Vec::new();
    if !panel.splits.is_empty() {
        keys.push("datum.key".to_owned());
    }
    for level in levels {
        let inner = format!("in_{level}");
        let path = format!("{at}.{level}.buckets");
        let path = path.trim_start_matches("datum.");
        transforms.push(json!({ "flatten": [path], "as": [inner] }));
        at = format!("datum.{inner}");
        if level != "time" {
            keys.push(format!("{at}.key"));
        }
    }
    if panel.form.has_time() {
        transforms.push(json!({ "calculate": format!("{at}.key"), "as": "time" }));
    }
    if panel.metrics.iter().any(|metric| metric.is_rate) {
        // Only the server knows the length of an automatic interval, and the keys of its buckets, which
        // are without holes.
        transforms.push(json!({ "joinaggregate": [
            { "op": "min", "field": "time", "as": "first" },
            { "op": "max", "field": "time", "as": "last" },
            { "op": "distinct", "field": "time", "as": "buckets" },
        ] }));
        let seconds =
            "datum.buckets > 1 ? (datum.last - datum.first) / (datum.buckets - 1) / 1000 : 0";
        transforms.push(json!({ "calculate": seconds, "as": "seconds" }));
    }
    if !keys.is_empty() {
        transforms.push(json!({ "calculate": keys.join(" + ' · ' + "), "as": "split" }));
    }
    let labels: Vec<_> = panel.metrics.iter().map(|metric| metric.label).collect();
    for (number, metric) in panel.metrics.iter().enumerate() {
        let figure = read(panel, number, metric, &at);
        transforms.push(json!({ "calculate": figure, "as": metric.label }));
    }
    transforms.push(json!({ "fold": labels, "as": ["series", "figure"] }));
    transforms.into()
}

/// How a unit is written, in the language of d3.
const fn format_of(unit: Unit) -> &'static str {
    match unit {
        Unit::Share => ".2%",
        Unit::Ms => ",.1~f",
        Unit::Bytes => ".3s",
        Unit::Count | Unit::Seconds => ",.4~g",
    }
}

/// Title of an axis.
fn axis_title(panel: &Panel) -> String {
    let unit = panel.metrics.first().map_or("", |metric| metric.unit.as_str());
    let is_rate = panel.metrics.iter().any(|metric| metric.is_rate);
    if is_rate { format!("{unit} per second") } else { unit.to_owned() }
}

/// One figure, large.
fn figure(panel: &Panel) -> Value {
    let metric = panel.metrics.first();
    let text = metric.map_or("", |metric| format_of(metric.unit));
    json!({
        "mark": {
            "type": "text", "fontSize": 36, "color": metric.and_then(|metric| metric.color),
            "tooltip": true,
        },
        "encoding": { "text": { "field": "figure", "type": "quantitative", "format": text } },
    })
}

/// Rows by the splits, a column for each metric.
fn table(panel: &Panel) -> Value {
    let formats: Vec<_> = panel
        .metrics
        .iter()
        .map(|metric| {
            let (label, format) = (metric.label, format_of(metric.unit));
            format!("datum.series == '{label}' ? format(datum.figure, '{format}') : ")
        })
        .collect();
    let mut transforms = transforms(panel);
    if let Some(transforms) = transforms.as_array_mut() {
        transforms.push(json!({ "calculate": formats.concat() + "''", "as": "text" }));
    }
    let labels: Vec<_> = panel.metrics.iter().map(|metric| metric.label).collect();
    let names: Vec<_> = panel.splits.iter().map(|split| split.label).collect();
    json!({
        "transform": transforms,
        "mark": { "type": "text", "fontSize": 12 },
        "encoding": {
            "y": {
                "field": "split", "type": "nominal", "sort": null,
                "axis": { "title": names.join(" · "), "labelLimit": 260, "ticks": false },
            },
            "x": {
                "field": "series", "type": "nominal", "sort": labels,
                "axis": { "orient": "top", "title": null, "labelAngle": 0, "ticks": false },
            },
            "text": { "field": "text", "type": "nominal" },
        },
    })
}

/// Lines, bars or areas over time, with the dashed line.
fn chart(panel: &Panel) -> Value {
    let mark = match panel.form {
        Form::Bars => json!({ "type": "bar", "tooltip": true }),
        Form::Areas => json!({ "type": "area", "tooltip": true }),
        _ => json!({ "type": "line", "tooltip": true }),
    };
    let series = if panel.splits.is_empty() { "series" } else { "split" };
    let mut color = json!({ "field": series, "type": "nominal", "legend": { "orient": "bottom", "title": null } });
    let colors: Vec<_> = panel.metrics.iter().filter_map(|metric| metric.color).collect();
    if panel.splits.is_empty() {
        let labels: Vec<_> = panel.metrics.iter().map(|metric| metric.label).collect();
        color["sort"] = json!(labels);
        if colors.len() == labels.len() {
            color["scale"] = json!({ "domain": labels, "range": colors });
        }
    }
    let unit = panel.metrics.first().map(|metric| metric.unit);
    let mut y = json!({
        "field": "figure", "type": "quantitative",
        "axis": { "title": axis_title(panel), "format": unit.map_or("", format_of) },
    });
    if panel.form == Form::Lines && unit == Some(Unit::Share) {
        // On an axis from 0, what matters would be a flat line at the top.
        y["scale"] = json!({ "zero": false });
    }
    if panel.form != Form::Lines {
        y["stack"] = "zero".into();
    }
    let mut layers = vec![json!({
        "mark": mark,
        "encoding": {
            "x": { "field": "time", "type": "temporal", "axis": { "title": null } },
            "y": y,
            "color": color,
        },
    })];
    if let Some(objective) = panel.objective {
        layers.push(json!({
            "data": { "values": [{ "level": objective.level, "label": objective.label }] },
            "mark": {
                "type": "rule", "strokeDash": [6, 4], "color": source::OBJECTIVE_COLOR,
                "tooltip": true,
            },
            "encoding": {
                "y": { "field": "level", "type": "quantitative" },
                "tooltip": { "field": "label", "type": "nominal" },
            },
        }));
    }
    json!({ "layer": layers })
}
