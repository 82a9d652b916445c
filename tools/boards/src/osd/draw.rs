//! Marks and scales of Vega-Lite visualizations: how the rows of a search (`vega`) are drawn.
//!
//! A figure has a colour only where it says that something is wrong, and then a word beside it. Not
//! here: what is asked.

use lbproxy::record::Dataset;
use serde_json::{Value, json};

use super::super::model::{Alarm, Event, Form, Metric, Panel, Side, Unit};
use super::super::source::{self, color};
use super::vega::{self, Span, data};

/// The drawing of a panel.
pub(super) fn drawing(panel: &Panel) -> Value {
    match panel.form {
        Form::Figure => figure(panel),
        Form::Table => table(panel),
        Form::Bands => heat(panel),
        _ => chart(panel),
    }
}

/// How a unit is written, in the language of d3.
const fn format_of(unit: Unit) -> &'static str {
    match unit {
        Unit::Share => ".2%",
        Unit::Ms => ",.1~f",
        Unit::Bytes => ".3s",
        _ => ",.4~g",
    }
}

fn axis_title(panel: &Panel) -> String {
    // Its numbers say a share's.
    let own = panel.metrics.first().map(|metric| metric.unit).filter(|unit| *unit != Unit::Share);
    let Some(unit) = own else { return String::new() };
    let is_rate = panel.metrics.iter().any(|metric| metric.is_rate);
    if is_rate { unit.per_second() } else { unit.as_str().to_owned() }
}

/// A figure with its unit, in Vega's language; the word where there is none.
fn text(unit: Unit, nothing: &str) -> String {
    if unit == Unit::Seconds {
        let spans = [(86_400, "days"), (3_600, "hours"), (60, "min")];
        let each = spans.map(|(seconds, word)| {
            let least = 2 * seconds;
            format!(
                "datum.figure >= {least} ? format(datum.figure / {seconds}, ',.1~f') + ' {word}' : "
            )
        });
        let rest = "format(datum.figure, ',.4~g') + ' s'";
        return format!("isValid(datum.figure) ? ({}{rest}) : '{nothing}'", each.concat());
    }
    let after = match unit {
        Unit::Ms => " + ' ms'",
        Unit::Bytes => " + 'B'",
        _ => "",
    };
    let format = format_of(unit);
    format!("isValid(datum.figure) ? format(datum.figure, '{format}'){after} : '{nothing}'")
}

/// One figure, large; below it what it says where something is wrong.
fn figure(panel: &Panel) -> Value {
    let mut transforms = rows(panel);
    let unit = panel.metrics.first().map_or(Unit::Count, |metric| metric.unit);
    // Nothing is not 0.
    transforms.push(json!({ "calculate": text(unit, "nothing in this range"), "as": "text" }));
    let text = json!({ "field": "text", "type": "nominal" });
    let mut color = json!({ "value": color::FIGURE });
    let mut layers = vec![json!({ "mark": { "type": "text", "fontSize": 32, "tooltip": true } })];
    if let Some(alarm) = panel.alarm {
        let conditions = alarm.levels().map(|(name, level, _)| {
            json!({ "test": test(&alarm, level), "value": source::alarm_color(name) })
        });
        color["condition"] = conditions.collect::<Vec<_>>().into();
        let words =
            alarm.levels().map(|(_, level, word)| format!("{} ? '{word}' : ", test(&alarm, level)));
        let word = words.collect::<String>() + "''";
        transforms.push(json!({ "calculate": word, "as": "word" }));
        layers.push(json!({
            "mark": { "type": "text", "fontSize": 13, "dy": 30 },
            "encoding": { "text": { "field": "word", "type": "nominal" }, "color": color },
        }));
    }
    layers[0]["encoding"] = json!({ "text": text, "color": color });
    if let [now, before] = panel.metrics {
        // Rows of both days are one answer.
        let only =
            |metric: &Metric| json!({ "filter": format!("datum.series == '{}'", metric.label) });
        for layer in &mut layers {
            layer["transform"] = json!([only(now)]);
        }
        let sentence = format!("datum.text + ' {}'", before.label);
        layers.push(json!({
            "transform": [only(before), { "calculate": sentence, "as": "sentence" }],
            "mark": { "type": "text", "fontSize": 13, "dy": 50, "color": color::FIGURE },
            "encoding": { "text": { "field": "sentence", "type": "nominal" } },
        }));
    }
    json!({ "transform": transforms, "layer": layers })
}

/// Whether the figure is on the wrong side of a level, in Vega's language. Nothing is not below.
fn test(alarm: &Alarm, level: f64) -> String {
    let sign = if alarm.side == Side::Below { "<" } else { ">" };
    format!("isValid(datum.figure) && datum.figure {sign} {level}")
}

/// Counts over time and over bands, which are its metrics.
fn heat(panel: &Panel) -> Value {
    let mut transforms = rows(panel);
    transforms.push(json!({ "calculate": "datum.time + datum.seconds * 1000", "as": "end" }));
    // What is empty has no colour, so that one request is told from none.
    transforms.push(json!({ "filter": "datum.figure > 0" }));
    let labels: Vec<_> = panel.metrics.iter().rev().map(|metric| metric.label).collect();
    let unit = panel.metrics.first().map_or("", |metric| format_of(metric.unit));
    json!({
        "transform": transforms,
        "mark": { "type": "rect", "tooltip": true },
        "encoding": {
            "x": { "field": "time", "type": "temporal", "axis": { "title": null } },
            "x2": { "field": "end" },
            "y": {
                "field": "series", "type": "ordinal", "scale": { "domain": labels },
                "axis": { "title": null, "ticks": false },
            },
            "color": {
                "field": "figure", "type": "quantitative",
                "scale": { "type": "sqrt", "scheme": "blues" },
                // Of no requests at all, a legend would go from NaN to NaN.
                "legend": {
                    "title": axis_title(panel), "format": unit,
                    "labelExpr": "datum.label == 'NaN' ? '' : datum.label",
                },
            },
        },
    })
}

/// What makes rows of the answer of now.
fn rows(panel: &Panel) -> Vec<Value> {
    match data(panel, Span::Now)["transform"].take() {
        Value::Array(transforms) => transforms,
        _ => Vec::new(),
    }
}

/// Rows by the splits, a column for each metric.
fn table(panel: &Panel) -> Value {
    let formats: Vec<_> = panel
        .metrics
        .iter()
        .map(|metric| {
            format!("datum.series == '{}' ? ({}) : ", metric.label, text(metric.unit, "–"))
        })
        .collect();
    let mut transforms = rows(panel);
    transforms.push(json!({ "calculate": formats.concat() + "''", "as": "text" }));
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
    let encoding = json!({
        "x": { "field": "time", "type": "temporal", "axis": { "title": null } },
        "y": y,
        "color": color,
    });
    let mut layers = vec![json!({ "mark": mark, "encoding": encoding })];
    if panel.form == Form::Bars {
        // As wide as the time it stands for, with a gap to the next.
        let end = "datum.time + (datum.seconds > 0 ? datum.seconds : 60) * 950";
        layers[0]["transform"] = json!([{ "calculate": end, "as": "end" }]);
        layers[0]["encoding"]["x2"] = json!({ "field": "end" });
    }
    if panel.has_day_before() {
        let mut layer = data(panel, Span::DayBefore);
        layer["mark"] = json!({ "type": "line", "strokeDash": [2, 3], "tooltip": true });
        layer["encoding"] = encoding;
        layers.push(layer);
    }
    if let Some(objective) = panel.objective {
        let level = json!({ "values": [{ "level": objective.level, "label": objective.label }] });
        let y = json!({ "field": "level", "type": "quantitative" });
        let color = source::OBJECTIVE_COLOR;
        layers.push(json!({
            "data": level,
            "mark": { "type": "rule", "strokeDash": [6, 4], "color": color },
            "encoding": { "y": y },
        }));
        layers.push(json!({
            "data": level,
            "mark": { "type": "text", "align": "left", "dy": -6, "color": color },
            "encoding": {
                "x": { "value": 4 }, "y": y, "text": { "field": "label", "type": "nominal" },
            },
        }));
    }
    if panel.has_events {
        layers.extend(source::event_layers().iter().map(events));
    }
    json!({ "layer": layers })
}

/// A line at each event of a layer.
fn events((name, dataset, own): &(&str, Dataset, Vec<&Event>)) -> Value {
    let colors: Vec<_> = own
        .iter()
        .map(|own| json!({ "test": format!("datum.event == '{}'", own.label), "value": own.color }))
        .collect();
    let mut layer = vega::events(name, *dataset, own);
    layer["mark"] = json!({ "type": "rule", "tooltip": true });
    layer["encoding"] = json!({
        "x": { "field": "time", "type": "temporal" },
        "color": { "condition": colors, "value": color::QUIET },
        "tooltip": [
            { "field": "event", "type": "nominal" }, { "field": "time", "type": "temporal", "format": "%c" },
        ],
    });
    layer
}
