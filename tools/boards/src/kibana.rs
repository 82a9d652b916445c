//! Kibana: the input of kb-dashboard, and what is done to its output.
//!
//! kb-dashboard (PyPI) makes Lens panels by value of our panels. It writes for the newest Kibana and
//! leaves a few things out; [`finish`] puts them in and states the oldest version that has all of it.
//! Every panel is form-based Lens, or Vega where Lens has no form (bands that documents hold): both are
//! free in every licence. Not here: running kb-dashboard (the tests and `make dashboards` do).

use lbproxy::record::Dataset;
use serde_json::{Map, Value, json};

use super::model::{
    Alarm, Board, Form, GRID_WIDTH, INSTANCE, INSTANCES, Join, Metric, NOW_MINUTES, Panel, Side,
    Term, Unit, Value as Worked,
};
use super::views::{scale, view_id};
use super::{
    CORE_VERSION, Product, discover_links, lines, note, osd, places, tag, tagged, version,
    views_and_searches,
};

/// A day before, in the words of Lens.
const DAY: &str = "1d";

/// How often the first board asks anew, and with it those that links lead to, until somebody stops it.
const REFRESH_MS: u32 = 60_000;

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

/// Beside a level, in parts of it. Kibana gives a figure that is just a level the colour that begins there,
/// and the words say below or above.
const BESIDE: f64 = 1e-9;

/// The palette of an alarm: colours only on its wrong side, so that all else is the theme's. A figure of
/// nothing is a NaN to Kibana, which gives it the first colour; so that one stands where no figure is.
fn palette(panel: &Panel, alarm: &Alarm) -> Value {
    // In the numbers of the field, whose format turns them into what people read.
    let scale = panel.metrics.first().map_or(1.0, |metric| lens_scale(panel, metric));
    let mut levels: Vec<_> = alarm
        .levels()
        .map(|(name, level, _)| (level / scale, super::source::alarm_color(name)))
        .collect();
    levels.sort_by(|one, other| one.0.total_cmp(&other.0));
    let beside = |level: f64| level.abs().max(1.0) * BESIDE;
    // Where each colour ends, that of nothing first.
    let (ends, range, continuity): (Vec<f64>, _, _) = match alarm.side {
        Side::Above => {
            let begins: Vec<_> =
                levels.iter().map(|(level, _)| level + 2.0 * beside(*level)).collect();
            let first = levels.first().map(|(level, _)| level + beside(*level));
            (begins.into_iter().chain([f64::from(u32::MAX)]).collect(), [first, None], "above")
        }
        Side::Below => {
            let mut ends: Vec<_> =
                [-1.0].into_iter().chain(levels.iter().map(|own| own.0)).collect();
            let last = ends.last_mut().map(|last| {
                *last -= beside(*last);
                *last
            });
            (ends, [None, last], "below")
        }
    };
    // Beside it where each begins.
    let begins = [range[0]].into_iter().chain(ends.iter().copied().map(Some));
    let stop = |(color, stop): (&str, Option<f64>)| json!({ "color": color, "stop": stop });
    let colors = [super::source::color::NOTHING].into_iter().chain(levels.iter().map(|own| own.1));
    let stops: Vec<_> = colors.clone().zip(ends.iter().copied().map(Some)).map(stop).collect();
    let color_stops: Vec<_> = colors.zip(begins).map(stop).collect();
    json!({
        "name": "custom", "type": "palette",
        "params": {
            "name": "custom", "steps": stops.len(), "maxSteps": 5, "reverse": false,
            "progression": "fixed", "continuity": continuity,
            "rangeType": "number", "rangeMin": range[0], "rangeMax": range[1],
            "stops": stops, "colorStops": color_stops,
        },
    })
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

/// The file to import, from what kb-dashboard made of [`source`]: data views, searches, then
/// the dashboards in the order of `boards`.
///
/// # Errors
/// When it is not what kb-dashboard writes.
pub fn finish(boards: &'static [Board], compiled: &str) -> Result<String, String> {
    let mut dashboards = Map::new();
    for line in compiled.lines() {
        let object: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let id = object["id"].as_str().unwrap_or_default().to_owned();
        dashboards.insert(id, object);
    }
    let mut objects = views_and_searches(Product::Elasticsearch, boards);
    objects.push(tag());
    for board in boards {
        let id = board.object_id();
        let compiled = dashboards.get(&id).ok_or_else(|| format!("kb-dashboard made no {id}"))?;
        let mut object =
            finished(board, compiled).ok_or_else(|| format!("{id} is not understood"))?;
        if boards.first().is_some_and(|first| first.id == board.id) {
            object["attributes"]["refreshInterval"] =
                json!({ "pause": false, "value": REFRESH_MS });
        }
        objects.push(object);
    }
    Ok(lines(objects))
}

fn finished(board: &'static Board, compiled: &Value) -> Option<Value> {
    let mut attributes = compiled["attributes"].clone();
    let mut panels: Vec<Value> = serde_json::from_str(attributes["panelsJSON"].as_str()?).ok()?;
    let mut references = compiled["references"].as_array()?.clone();
    references.push(tagged());
    for (panel, [..]) in places(board, HEAD) {
        let own = panels.iter_mut().find(|own| own["panelIndex"] == panel.id)?;
        complete(panel, own)?;
        if panel.has_events && !is_vega(panel) {
            let attributes = &mut own["embeddableConfig"]["attributes"];
            let mut reference = events(attributes)?;
            attributes["references"].as_array_mut()?.push(reference.clone());
            reference["name"] = format!("{}:{}", panel.id, reference["name"].as_str()?).into();
            references.push(reference);
        }
    }
    attributes["panelsJSON"] = Value::from(panels).to_string().into();
    // Of a newer Kibana than the oldest that the rest needs.
    attributes["controlGroupInput"].as_object_mut()?.remove("showApplySelections");
    Some(json!({
        "id": compiled["id"], "type": "dashboard", "attributes": attributes,
        "references": references,
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": version(Product::Elasticsearch, "dashboard"),
    }))
}

/// Adds the layer of what happened to a chart; the reference to what it is read from. No list above the panels
/// narrows it: health records have few of their fields.
fn events(attributes: &mut Value) -> Option<Value> {
    let each = super::source::EVENTS.iter().enumerate().map(|(at, event)| {
        json!({
            "id": format!("event-{at}"), "type": "query", "label": event.label,
            "key": { "type": "point_in_time" }, "timeField": "@timestamp",
            "filter": { "type": "kibana_query", "language": "kuery", "query": event.filter },
            "extraFields": ["monitor.name", "service.node.name", "error.message"],
            "color": event.color, "icon": event.icon, "lineWidth": 1, "lineStyle": "solid",
            "isHidden": false,
        })
    });
    attributes["state"]["visualization"]["layers"].as_array_mut()?.push(json!({
        "layerId": "events", "layerType": "annotations", "persistanceType": "byValue",
        "ignoreGlobalFilters": true, "annotations": each.collect::<Vec<_>>(),
    }));
    Some(json!({
        "name": "xy-visualization-layer-events", "type": "index-pattern",
        "id": view_id(Dataset::Health),
    }))
}

/// Puts into a compiled panel what kb-dashboard has no words for.
fn complete(panel: &Panel, compiled: &mut Value) -> Option<()> {
    compiled["embeddableConfig"]["description"] = note(Product::Elasticsearch, panel).into();
    // The interface of 9.x reads a title here only.
    compiled["embeddableConfig"]["title"] = panel.title.into();
    if matches!(panel.form, Form::Records(_)) {
        compiled["embeddableConfig"].as_object_mut()?.remove("savedObjectId");
        compiled["panelRefName"] = format!("panel_{}", panel.id).into();
        return Some(());
    }
    if is_vega(panel) {
        // What the specification asks for is all that is asked.
        return Some(());
    }
    let state = &mut compiled["embeddableConfig"]["attributes"]["state"];
    if let Some(alarm) = panel.alarm {
        state["visualization"]["palette"] = palette(panel, &alarm);
    }
    let layers = state["datasourceStates"]["formBased"]["layers"].as_object_mut()?;
    for layer in layers.values_mut() {
        if panel.is_whole {
            layer["ignoreGlobalFilters"] = true.into();
        }
        for (at, metric) in panel.metrics.iter().enumerate() {
            let Some(column) = layer["columns"].get_mut(format!("m{at}")) else { continue };
            if metric.is_rate {
                column["timeScale"] = "s".into();
            }
            if panel.form == Form::Figure && is_of_events(panel.dataset, metric.value) {
                // kb-dashboard says nothing where there is none.
                column["params"]["emptyAsNull"] = false.into();
            }
            if metric.is_day_before && column["operationType"] != "formula" {
                column["timeShift"] = DAY.into();
            }
        }
        splits_first(panel, layer)?;
        if joined(panel).is_some() {
            of_each_instance(layer)?;
            for column in layer["columns"].as_object_mut()?.values_mut() {
                if column["operationType"] == "last_value" {
                    column["reducedTimeRange"] = format!("{NOW_MINUTES}m").into();
                }
            }
        }
        rises(panel, layer)?;
        // kb-dashboard puts the shift of a formula's parts where Kibana does not look.
        for column in layer["columns"].as_object_mut()?.values_mut() {
            if let Some(shift) =
                column["params"].as_object_mut().and_then(|own| own.remove("shift"))
            {
                column["timeShift"] = shift;
            }
        }
    }
    if let Some(join) = joined(panel) {
        state["visualization"]["breakdownByAccessor"] = "instance".into();
        state["visualization"]["collapseFn"] = join.as_str().into();
    }
    if matches!(panel.form, Form::Lines | Form::Bars | Form::Areas)
        && axis(panel)["title"].is_null()
    {
        // Else it is that of the first metric.
        state["visualization"]["axisTitlesVisibilitySettings"] =
            json!({ "x": true, "yLeft": false, "yRight": true });
    }
    // Kibana calls it `yTitle`, which is there too.
    state["visualization"].as_object_mut()?.remove("yLeftTitle");
    let drawn = state["visualization"].get_mut("layers").and_then(Value::as_array_mut);
    for layer in drawn.into_iter().flatten() {
        if has_rises(panel) && layer["layerType"] == "data" {
            layer["splitAccessor"] = "instance".into();
            layer["collapseFn"] = Join::Sum.as_str().into();
        }
        if layer["layerType"] == "referenceLine" {
            let lines = layer.get_mut("yConfig").and_then(Value::as_array_mut);
            for line in lines.into_iter().flatten() {
                // Else a dashed line does not say what it is.
                line["textVisibility"] = true.into();
            }
        }
    }
    Some(())
}

/// How the figure of a panel is joined, where it is of instances.
fn joined(panel: &Panel) -> Option<Join> {
    panel.metrics.iter().find_map(|metric| match metric.value {
        Worked::Last(_, join) => Some(join),
        _ => None,
    })
}

/// Whether a panel shows what counters have risen by.
fn has_rises(panel: &Panel) -> bool {
    panel.metrics.iter().any(|metric| matches!(metric.value, Worked::Rise(_)))
}

/// Puts the rise of each counter in its place.
fn rises(panel: &Panel, layer: &mut Value) -> Option<()> {
    if !has_rises(panel) || layer["columns"]["time"].is_null() {
        return Some(());
    }
    for (at, metric) in panel.metrics.iter().enumerate() {
        let (own, part) = (format!("m{at}"), format!("m{at}X0"));
        let mut counter = layer["columns"][&own].take();
        counter["label"] = format!("Part of {}", metric.label).into();
        counter.as_object_mut()?.remove("timeScale");
        layer["columns"][&part] = counter;
        layer["columns"][&own] = json!({
            "label": metric.label, "customLabel": true, "dataType": "number", "isBucketed": false,
            "operationType": "counter_rate", "scale": "ratio", "references": [part],
            "timeScale": "s", "params": {},
        });
        layer["columnOrder"].as_array_mut()?.push(part.into());
    }
    of_each_instance(layer)
}

/// Splits a layer by instance.
fn of_each_instance(layer: &mut Value) -> Option<()> {
    layer["columns"]["instance"] = json!({
        "label": "Instance", "customLabel": true, "dataType": "string", "isBucketed": true,
        "operationType": "terms", "scale": "ordinal", "sourceField": INSTANCE,
        "params": {
            "size": INSTANCES, "orderBy": { "type": "alphabetical", "fallback": false },
            "orderDirection": "asc", "otherBucket": false, "missingBucket": false,
            "parentFormat": { "id": "terms" }, "include": [], "exclude": [],
            "includeIsRegex": false, "excludeIsRegex": false,
        },
    });
    layer["columnOrder"].as_array_mut()?.insert(0, "instance".into());
    Some(())
}

/// Whether a figure adds up what need not happen, so that none of it is 0 and the best there is. What is
/// always recorded (samples, traffic) is not 0 but nothing where there is none.
fn is_of_events(dataset: Dataset, value: Worked) -> bool {
    match value {
        Worked::Count(_) => true,
        Worked::Sum(_) => !matches!(dataset, Dataset::Process | Dataset::Rollup),
        _ => false,
    }
}

/// Puts splits around time, so that they are those with most of the whole range and not of each bucket,
/// and lets each be sorted: Lens cannot sort by what it calculates, so by the first of what that is made of.
fn splits_first(panel: &Panel, layer: &mut Value) -> Option<()> {
    let columns = layer["columns"].clone();
    layer["columnOrder"].as_array_mut()?.sort_by_key(|id| {
        let column = &columns[id.as_str().unwrap_or_default()];
        (column["isBucketed"] != true, column["operationType"] == "date_histogram")
    });
    for column in layer["columns"].as_object_mut()?.values_mut() {
        if column["params"]["orderBy"]["type"] != "alphabetical" {
            continue;
        }
        let params = &mut column["params"];
        let Worked::Ratio([first, ..], _) = panel.metrics.first()?.value else { return None };
        params["orderBy"] = json!({ "type": "custom" });
        params["orderAgg"] = json!({
            "label": "Most", "dataType": "number", "isBucketed": false, "scale": "ratio",
            "operationType": "count", "sourceField": "___records___",
            "params": { "emptyAsNull": true },
        });
        match first {
            Term::Sum(field) => {
                params["orderAgg"]["operationType"] = "sum".into();
                params["orderAgg"]["sourceField"] = (*field).into();
            }
            Term::Count("") => (),
            Term::Count(filter) => {
                params["orderAgg"]["filter"] = json!({ "language": "kuery", "query": filter });
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::model::panel;
    use super::*;

    /// A figure in the unit of its field, which is not the one that people read.
    const LATE: Metric = Metric {
        label: "p99",
        value: Worked::Merged("lbproxy.rollup.duration_us", 99),
        unit: Unit::Ms,
        is_rate: false,
        color: None,
        is_day_before: false,
    };

    #[test]
    fn colours_of_an_alarm_begin_and_end_where_the_source_says_in_the_units_of_the_field() {
        let above = panel("a", "", "", Dataset::Rollup, Form::Figure, &[LATE])
            .red_above(300.0, "hurt")
            .amber_above(240.0, "near");
        let params = &palette(&above, &above.alarm.unwrap())["params"];
        let (amber, red) = (super::super::source::alarm_color("amber"), "#DB4437");
        let nothing = super::super::source::color::NOTHING;
        let rounded = |stops: &Value| -> Vec<(String, f64)> {
            let stops = stops.as_array().unwrap().iter();
            let stop = |own: &Value| (own["stop"].as_f64().unwrap_or(f64::NAN) * 1e6).round() / 1e6;
            stops.map(|own| (own["color"].as_str().unwrap().to_owned(), stop(own))).collect()
        };
        let stop = |color: &str, stop: f64| (color.to_owned(), stop);
        assert_eq!(
            rounded(&params["stops"]),
            [
                stop(nothing, 240_000.000_48),
                stop(amber, 300_000.000_6),
                stop(red, f64::from(u32::MAX))
            ]
        );
        assert_eq!(params["colorStops"][1]["stop"], params["stops"][0]["stop"]);
        assert_eq!(params["continuity"], "above", "nothing below amber has a colour");

        let below =
            panel("b", "", "", Dataset::Rollup, Form::Figure, &[super::super::source::SUCCESS])
                .red_below(0.99, "hurt")
                .amber_below(0.999, "near");
        let params = &palette(&below, &below.alarm.unwrap())["params"];
        assert_eq!(
            rounded(&params["stops"]),
            [stop(nothing, -1.0), stop(red, 0.99), stop(amber, 0.999)]
        );
        assert_eq!(params["rangeMax"], params["stops"][2]["stop"]);
        assert!(params["rangeMax"].as_f64().unwrap() < 0.999, "0.999 itself has no colour");
    }

    #[test]
    fn a_figure_of_what_did_not_happen_is_0_and_one_of_what_is_not_recorded_yet_is_nothing() {
        let mut found = std::collections::BTreeMap::new();
        for line in lbproxy::elk::boards::saved_objects(Product::Elasticsearch).lines() {
            let object: Value = serde_json::from_str(line).unwrap();
            let panels = object["attributes"]["panelsJSON"].as_str().unwrap_or("[]");
            for panel in serde_json::from_str::<Vec<Value>>(panels).unwrap() {
                let state = &panel["embeddableConfig"]["attributes"]["state"];
                let layers = state["datasourceStates"]["formBased"]["layers"].as_object();
                for layer in layers.into_iter().flat_map(Map::values) {
                    let text = |text: &Value| text.as_str().unwrap().to_owned();
                    let name = format!("{}/{}", text(&object["id"]), text(&panel["panelIndex"]));
                    found.insert(name, layer["columns"]["m0"]["params"]["emptyAsNull"].as_bool());
                }
            }
        }
        for (name, is_nothing) in [
            ("lbproxy-overview/gaps", false),
            ("lbproxy-errors/failed", false),
            ("lbproxy-clients/bad", false),
            ("lbproxy-heartbeat/changes", false),
            ("lbproxy-shipping/gaps", false),
            ("lbproxy-shipping/away", false),
            ("lbproxy-overview/requests", true),
            ("lbproxy-overview/failed", true),
            ("lbproxy-overview/dead", true),
            ("lbproxy-slo/bad", true),
        ] {
            assert_eq!(found.get(name), Some(&Some(is_nothing)), "{name}");
        }
    }

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
