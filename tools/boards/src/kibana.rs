//! Kibana: the input of kb-dashboard, and what is done to its output.
//!
//! kb-dashboard (PyPI) makes Lens panels by value of our panels. It writes for the newest Kibana and
//! leaves a few things out; [`finish()`] puts them in and states the oldest version that has all of it.
//! Every panel is form-based Lens, or Vega where Lens has no form (bands that documents hold): both are
//! free in every licence. Not here: running kb-dashboard (the tests and `make dashboards` do).

mod color;
mod finish;

pub use finish::finish;
use serde_json::{Value, json};

use super::model::{Board, Form, GRID_WIDTH, Metric, Panel, Term, Unit, Value as Worked};
use super::views::{scale, view_id};
use super::{Product, discover_links, note, osd, places};

/// A day before, in the words of Lens.
const DAY: &str = "1d";

/// Height of the row of links above the panels.
const HEAD: u16 = 4;

/// The input of kb-dashboard: YAML in its JSON form.
pub fn source(boards: &'static [Board]) -> Value {
    json!({ "dashboards": boards.iter().map(|board| dashboard(boards, board)).collect::<Vec<_>>() })
}

/// The input for one board.
fn dashboard(boards: &[Board], board: &'static Board) -> Value {
    let mut panels = vec![links(boards, board), discover(board)];
    panels.extend(places(board, HEAD).into_iter().map(|(panel, [x, y, w, h])| {
        let mut source = chart(board, panel);
        source["id"] = panel.id.into();
        source["title"] = panel.title.into();
        source["description"] = note(Product::Elasticsearch, panel).into();
        let more = panel.more_on.and_then(|id| boards.iter().find(|other| other.id == id));
        if let Some(other) = more {
            source["drilldowns"] = json!([{
                "id": format!("{}-{}", panel.id, other.id), "dashboard": other.object_id(),
                "name": format!("Go to {}", other.name().trim_start_matches(|c: char| !c.is_alphabetic())), "triggers": ["filter"],
                "with_time": true, "with_filters": true,
            }]);
        }
        source["position"] = json!({ "x": x, "y": y });
        source["size"] = json!({ "w": w, "h": h });
        source
    }));
    let view = board.panels().find(|panel| !panel.is_whole).map(|panel| view_id(panel.dataset));
    let controls: Vec<_> = board
        .controls
        .iter()
        .map(|control| {
            json!({
                "type": "options", "id": control.id(), "label": control.label(),
                "field": control.field(), "data_view": view, "multiple": true,
            })
        })
        .collect();
    json!({
        "id": board.object_id(),
        "name": board.title,
        "description": board.question,
        "time_range": { "from": format!("now-{}", board.range), "to": "now" },
        "controls": controls,
        "panels": panels,
    })
}

/// Links to all boards, which take time range and filters along.
fn links(boards: &[Board], board: &Board) -> Value {
    let others = boards.iter().filter(|other| other.id != board.id);
    let items: Vec<_> = others
        .map(|other| {
            json!({
                "id": format!("to-{}", other.id), "label": other.name(), "dashboard": other.object_id(),
                "with_time": true, "with_filters": true,
            })
        })
        .collect();
    json!({
        "id": "boards", "title": "Boards", "hide_title": true,
        "description": "The other boards, with the same time range and filters.",
        "position": { "x": 0, "y": 0 }, "size": { "w": GRID_WIDTH * 3 / 4, "h": HEAD },
        "links": { "layout": "horizontal", "items": items },
    })
}

fn discover(board: &Board) -> Value {
    json!({
        "id": "discover", "title": "Discover", "hide_title": true,
        "description": "The documents behind the panels.",
        "position": { "x": GRID_WIDTH * 3 / 4, "y": 0 }, "size": { "w": GRID_WIDTH / 4, "h": HEAD },
        "markdown": { "content": discover_links(board) },
    })
}

/// Whether Lens has no form for a panel: bands that documents hold, and values of a split beside those of
/// another day, which it refuses.
pub(super) fn is_vega(panel: &Panel) -> bool {
    panel.form == Form::Bands || panel.has_day_before() && !panel.splits.is_empty()
}

/// A panel without its frame.
fn chart(board: &Board, panel: &Panel) -> Value {
    let time =
        json!({ "id": "time", "type": "date_histogram", "field": "@timestamp", "label": "Time" });
    let metrics: Vec<_> =
        panel.metrics.iter().enumerate().map(|(at, own)| metric(panel, at, own)).collect();
    let mut splits = panel.splits.iter().enumerate().map(|(at, split)| {
        json!({
            "id": format!("s{at}"), "type": "values", "field": split.field, "label": split.label,
            "size": split.size, "sort": { "by": "m0", "direction": "desc" },
            "show_other_bucket": false, "include_missing_values": false,
        })
    });
    let mut lens = match panel.form {
        Form::Records(_) => {
            return json!({ "search": { "saved_search_id": board.panel_id(panel) } });
        }
        _ if is_vega(panel) => return json!({ "vega": { "spec": osd::vega::spec(panel) } }),
        Form::Figure => figure(panel, &metrics),
        Form::Table => json!({
            "type": "datatable", "metrics": metrics, "breakdowns": splits.collect::<Vec<_>>(),
            "sorting": { "column_id": "m0", "direction": "desc" },
            "appearance": { "density": "compact" },
        }),
        Form::Heat { field, bounds } => json!({
            "type": "heatmap", "metric": metrics.first(), "x_axis": time,
            "y_axis": {
                "id": "s0", "type": "intervals", "field": field, "label": "Band",
                "intervals": bands(bounds).map(|(from, to)| match to {
                    Some(to) => json!({ "from": from, "to": to }),
                    None => json!({ "from": from }),
                }).collect::<Vec<_>>(),
            },
        }),
        Form::Lines | Form::Bars | Form::Areas | Form::Bands => {
            let mut xy = json!({
                "dimension": time, "metrics": metrics,
                "legend": { "visible": "show", "position": "bottom" },
                "appearance": { "y_left_axis": axis(panel) },
            });
            xy["type"] = match panel.form {
                Form::Bars => "bar",
                Form::Areas => "area",
                _ => "line",
            }
            .into();
            if let Some(split) = splits.next() {
                xy["breakdown"] = split;
            }
            if let Some(objective) = panel.objective {
                let level = objective.level
                    / panel.metrics.first().map_or(1.0, |metric| scale(panel, metric));
                xy["layers"] = json!([{
                    "type": "reference_line", "data_view": view_id(panel.dataset),
                    "reference_lines": [{
                        "id": "objective", "label": objective.label, "value": level,
                        "line_style": "dashed", "color": super::source::OBJECTIVE_COLOR,
                    }],
                }]);
            }
            xy
        }
    };
    lens["data_view"] = view_id(panel.dataset).into();
    if !panel.filter.is_empty() {
        lens["query"] = json!({ "kql": panel.filter });
    }
    json!({ "lens": lens })
}

/// One figure; below it from where on it says that something is wrong.
fn figure(panel: &Panel, metrics: &[Value]) -> Value {
    let mut figure = json!({ "type": "metric", "primary": metrics.first() });
    if let Some(before) = metrics.get(1) {
        figure["secondary"] = before.clone();
    }
    if let (Some(alarm), Some(unit)) = (panel.alarm, panel.metrics.first().map(|own| own.unit)) {
        let words: Vec<_> = alarm
            .levels()
            .map(|(color, level, word)| {
                format!("{color} {} {}: {word}", alarm.side.as_str(), unit.text(level))
            })
            .collect();
        figure["titles_and_text"] = json!({ "subtitle": words.join(" · ") });
    }
    figure
}

/// What the numbers of a column are multiplied with to be what people read: what is calculated is in
/// its unit already.
pub(super) fn lens_scale(panel: &Panel, metric: &Metric) -> f64 {
    match metric.value {
        Worked::Ratio(..) | Worked::Count(_) => 1.0,
        _ => scale(panel, metric),
    }
}

/// Bands from their bounds; the last is open.
fn bands(bounds: &[u64]) -> impl Iterator<Item = (u64, Option<u64>)> {
    bounds.iter().enumerate().map(|(at, from)| (*from, bounds.get(at + 1).copied()))
}

/// The title of the vertical axis, unless its numbers say their unit.
fn axis_title(panel: &Panel) -> Option<String> {
    let unit = panel.metrics.first()?.unit;
    let is_rate = panel.metrics.iter().any(|metric| metric.is_rate);
    match (unit.is_count(), is_rate) {
        (true, true) => Some(unit.per_second()),
        (true, false) => Some(unit.as_str().to_owned()),
        (false, true) => Some("per second".to_owned()),
        (false, false) => None,
    }
}

/// The vertical axis. Shares near 1 would be a flat line on an axis from 0.
fn axis(panel: &Panel) -> Value {
    let is_share = panel.metrics.first().is_some_and(|metric| metric.unit == Unit::Share);
    let mut axis = json!({});
    if let Some(title) = axis_title(panel) {
        axis["title"] = title.into();
    }
    if panel.form == Form::Lines && is_share {
        axis["extent"] = json!({ "mode": "data_bounds" });
    }
    axis
}

/// A metric of a panel. A field's own format serves where there is one field; what is calculated
/// has none and is given one.
fn metric(panel: &Panel, at: usize, metric: &Metric) -> Value {
    let shift = if metric.is_day_before { Some(DAY) } else { None };
    let mut source = match metric.value {
        Worked::Count("") => json!({ "aggregation": "count" }),
        // kb-dashboard loses the filter of a plain count, not that of a formula.
        Worked::Count(filter) => json!({ "formula": term(&Term::Count(filter), shift) }),
        Worked::Sum(field) => json!({ "aggregation": "sum", "field": field }),
        // Of a counter, what it is worked out of.
        Worked::Max(field) | Worked::Rise(field) => {
            json!({ "aggregation": "max", "field": field })
        }
        Worked::Min(field) => json!({ "aggregation": "min", "field": field }),
        Worked::Mean(field) => json!({ "aggregation": "average", "field": field }),
        Worked::Distinct(field) => json!({ "aggregation": "unique_count", "field": field }),
        Worked::Last(field, _) => {
            json!({ "aggregation": "last_value", "field": field, "date_field": "@timestamp" })
        }
        Worked::Percentile(field, percentile) => {
            json!({ "aggregation": "percentile", "field": field, "percentile": percentile })
        }
        Worked::Merged(field, percentile) => json!({
            "aggregation": "percentile", "field": format!("{field}.histogram"),
            "percentile": percentile,
        }),
        Worked::Ratio(top, bottom) => {
            let sum = |terms: &[Term]| {
                let each = terms.iter().map(|own| term(own, shift));
                each.collect::<Vec<_>>().join(" + ")
            };
            let scaled = match scale(panel, metric) {
                1.0 => String::new(),
                scale => format!(" * {scale}"),
            };
            json!({ "formula": format!("({}) / ({}){scaled}", sum(top), sum(bottom)) })
        }
    };
    source["id"] = format!("m{at}").into();
    source["label"] = metric.label.into();
    if source.get("formula").is_some() || matches!(metric.value, Worked::Count(_)) {
        source["format"] = match metric.unit {
            Unit::Share => json!({ "type": "percent", "decimals": 2 }),
            Unit::Ms => json!({ "type": "number", "decimals": 2, "suffix": " ms" }),
            Unit::Seconds => json!({ "type": "number", "decimals": 1, "suffix": " s" }),
            Unit::Bytes => json!({ "type": "bytes", "decimals": 1 }),
            _ => json!({ "type": "number", "decimals": 0 }),
        };
    }
    if let Some(color) = metric.color.filter(|_| panel.form.has_time() && panel.splits.is_empty())
        && !matches!(panel.form, Form::Heat { .. } | Form::Bands)
    {
        source["color"] = color.into();
    }
    source
}

/// A term in the language of formulas.
fn term(term: &Term, shift: Option<&str>) -> String {
    let (function, own) = match term {
        Term::Count("") => ("count", None),
        Term::Count(filter) => ("count", Some(format!("kql='{filter}'"))),
        Term::Sum(field) => ("sum", Some((*field).to_owned())),
    };
    let shift = shift.map(|shift| format!("shift='{shift}'"));
    let arguments: Vec<_> = own.into_iter().chain(shift).collect();
    format!("{function}({})", arguments.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_shift_each_of_their_parts() {
        for (term_, shift, want) in [
            (Term::Count(""), None, "count()"),
            (Term::Count("a: b"), Some(DAY), "count(kql='a: b', shift='1d')"),
            (Term::Sum("a.b"), Some(DAY), "sum(a.b, shift='1d')"),
        ] {
            assert_eq!(term(&term_, shift), want);
        }
    }
}
