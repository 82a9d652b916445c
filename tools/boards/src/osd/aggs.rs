//! Aggregation-based visualizations: metric, table, line, bar, area, heat map.

use serde_json::{Value, json};

use super::super::model::{Form, Metric, Panel, Value as Worked};
use super::super::{Product, views};

/// The state of a visualization.
pub(super) fn state(panel: &Panel, title: &str) -> Value {
    let kind = match panel.form {
        Form::Figure | Form::Records(_) => "metric",
        Form::Lines => "line",
        Form::Bars => "histogram",
        Form::Areas => "area",
        Form::Table => "table",
        Form::Heat { .. } | Form::Bands => "heatmap",
    };
    let mut aggs: Vec<_> =
        panel.metrics.iter().enumerate().map(|(at, own)| metric(panel, at, own)).collect();
    // Around time: those with most of the whole range, not of each bucket.
    let schema = if panel.form == Form::Table { "bucket" } else { "group" };
    aggs.extend(panel.splits.iter().enumerate().map(|(at, split)| {
        json!({
            "id": format!("s{at}"), "enabled": true, "type": "terms", "schema": schema,
            "params": {
                "field": split.field, "orderBy": order(panel), "order": "desc", "size": split.size,
                "otherBucket": false, "missingBucket": false, "customLabel": split.label,
            },
        })
    }));
    if panel.form.has_time() {
        aggs.push(json!({
            "id": "time", "enabled": true, "type": "date_histogram", "schema": "segment",
            "params": {
                "field": "@timestamp", "interval": "auto", "useNormalizedOpenSearchInterval": true,
                "drop_partials": false, "min_doc_count": 1, "extended_bounds": {},
                "customLabel": "Time",
            },
        }));
    }
    if let Form::Heat { field, bounds } = panel.form {
        let ranges: Vec<_> = bounds
            .iter()
            .enumerate()
            .map(|(at, from)| match bounds.get(at + 1) {
                Some(to) => json!({ "from": from, "to": to }),
                None => json!({ "from": from }),
            })
            .collect();
        aggs.push(json!({
            "id": "s0", "enabled": true, "type": "range", "schema": "group",
            "params": { "field": field, "ranges": ranges, "customLabel": "Band" },
        }));
    }
    json!({ "title": title, "type": kind, "aggs": aggs, "params": params(panel, kind) })
}

/// What terms are sorted by: the first metric. Percentiles are sorted by their value.
fn order(panel: &Panel) -> String {
    match panel.metrics.first().map(|metric| metric.value) {
        Some(Worked::Percentile(_, percentile)) => format!("m0.{percentile}"),
        _ => "m0".to_owned(),
    }
}

/// The unit of a metric, unless its numbers say it.
fn unsaid(panel: &Panel, metric: &Metric) -> Option<&'static str> {
    let of_field = metric.value.field().map(|path| views::unit_of(panel.dataset, path));
    let is_said = of_field.is_some_and(|unit| views::says_unit(Product::OpenSearch, unit));
    (!is_said).then(|| metric.unit.as_str())
}

/// What people read beside the number, with its unit where there is no axis that says it.
fn label(panel: &Panel, metric: &Metric) -> String {
    match unsaid(panel, metric) {
        Some(unit) if !panel.form.has_time() && !metric.unit.is_count() => {
            format!("{}, {unit}", metric.label)
        }
        _ => metric.label.to_owned(),
    }
}

fn metric(panel: &Panel, at: usize, metric: &Metric) -> Value {
    let of = |kind: &str, field: &str| (kind.to_owned(), json!({ "field": field }));
    let (kind, mut params) = match metric.value {
        Worked::Count(_) | Worked::Ratio(..) | Worked::Last(..) | Worked::Rise(_) => {
            ("count".to_owned(), json!({}))
        }
        Worked::Sum(field) => of("sum", field),
        Worked::Max(field) => of("max", field),
        Worked::Min(field) => of("min", field),
        Worked::Mean(field) => of("avg", field),
        Worked::Distinct(field) => of("cardinality", field),
        Worked::Merged(field, percentile) => of("max", &format!("{field}.p{percentile}")),
        Worked::Percentile(field, percentile) => {
            ("percentiles".to_owned(), json!({ "field": field, "percents": [percentile] }))
        }
    };
    params["customLabel"] = label(panel, metric).into();
    json!({ "id": format!("m{at}"), "enabled": true, "type": kind, "schema": "metric", "params": params })
}

fn params(panel: &Panel, kind: &str) -> Value {
    match panel.form {
        Form::Figure | Form::Records(_) => json!({
            "addTooltip": true, "addLegend": false, "type": "metric",
            "metric": {
                "percentageMode": false, "useRanges": false, "colorSchema": "Greys",
                "metricColorMode": "None", "colorsRange": [{ "from": 0, "to": 10_000 }],
                "labels": { "show": true }, "invertColors": false,
                "style": {
                    "bgFill": "#000", "bgColor": false, "labelColor": false, "subText": "",
                    "fontSize": 36,
                },
            },
        }),
        Form::Table => json!({
            "perPage": 10, "showPartialRows": false, "showMetricsAtAllLevels": false,
            "showTotal": false, "totalFunc": "sum", "percentageCol": "",
            "sort": { "columnIndex": null, "direction": null },
        }),
        Form::Heat { .. } | Form::Bands => json!({
            "type": "heatmap", "addTooltip": true, "addLegend": true, "enableHover": false,
            "legendPosition": "right", "times": [], "colorsNumber": 6, "colorSchema": "Blues",
            "setColorRange": false, "colorsRange": [], "invertColors": false,
            "percentageMode": false,
            "valueAxes": [{
                "show": false, "id": "ValueAxis-1", "type": "value",
                "scale": { "type": "linear", "defaultYExtents": false },
                "labels": { "show": false, "rotate": 0, "overwriteColor": false, "color": "black" },
            }],
        }),
        Form::Lines | Form::Bars | Form::Areas => xy(panel, kind),
    }
}

/// How a chart over time is drawn.
fn xy(panel: &Panel, kind: &str) -> Value {
    let mode = if panel.form == Form::Lines { "normal" } else { "stacked" };
    let series: Vec<_> = panel
        .metrics
        .iter()
        .enumerate()
        .map(|(at, metric)| {
            json!({
                "show": true, "type": kind, "mode": mode, "valueAxis": "ValueAxis-1",
                "data": { "label": metric.label, "id": format!("m{at}") },
                "drawLinesBetweenPoints": true, "lineWidth": 2, "interpolate": "linear",
                "showCircles": false,
            })
        })
        .collect();
    let unit = panel.metrics.first().and_then(|metric| unsaid(panel, metric)).unwrap_or_default();
    json!({
        "type": kind,
        "grid": { "categoryLines": false },
        "categoryAxes": [{
            "id": "CategoryAxis-1", "type": "category", "position": "bottom", "show": true,
            "style": {}, "scale": { "type": "linear" },
            "labels": { "show": true, "filter": true, "truncate": 100 }, "title": {},
        }],
        "valueAxes": [{
            "id": "ValueAxis-1", "name": "LeftAxis-1", "type": "value", "position": "left",
            "show": true, "style": {}, "scale": { "type": "linear", "mode": "normal" },
            "labels": { "show": true, "rotate": 0, "filter": false, "truncate": 100 },
            "title": { "text": unit },
        }],
        "seriesParams": series,
        "addTooltip": true, "addLegend": true, "legendPosition": "bottom", "times": [],
        "addTimeMarker": false, "labels": {},
        "thresholdLine": {
            "show": false, "value": 10, "width": 1, "style": "full", "color": "#E7664C",
        },
    })
}
