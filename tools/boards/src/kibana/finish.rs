//! What is done to the output of kb-dashboard: what it leaves out is put in, and each object states the
//! oldest version that has all of it.

use lbproxy::record::Dataset;
use serde_json::{Map, Value, json};

use super::color::palette;
use super::{DAY, HEAD, axis, is_vega};
use crate::model::{
    Board, Event, Form, INSTANCE, INSTANCES, Join, NOW_MINUTES, Panel, Term, Value as Worked,
};
use crate::source::event_layers;
use crate::views::view_id;
use crate::{CORE_VERSION, Product, lines, note, places, tag, tagged, version, views_and_searches};

/// How often the first board asks anew, and with it those that links lead to, until somebody stops it.
const REFRESH_MS: u32 = 60_000;

/// The file to import, from what kb-dashboard made of [`source`](super::source): data views, searches, then
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
    let compiled = &with_own_layers(compiled)?;
    let mut attributes = compiled["attributes"].clone();
    let mut panels: Vec<Value> = serde_json::from_str(attributes["panelsJSON"].as_str()?).ok()?;
    let mut references = compiled["references"].as_array()?.clone();
    references.push(tagged());
    for (panel, [..]) in places(board, HEAD) {
        let own = panels.iter_mut().find(|own| own["panelIndex"] == panel.id)?;
        complete(panel, own)?;
        if panel.has_events && !is_vega(panel) {
            let attributes = &mut own["embeddableConfig"]["attributes"];
            for (name, dataset, own) in event_layers() {
                let mut reference = events(attributes, name, dataset, &own)?;
                attributes["references"].as_array_mut()?.push(reference.clone());
                reference["name"] = format!("{}:{}", panel.id, reference["name"].as_str()?).into();
                references.push(reference);
            }
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

/// With layers that are named by their panel: kb-dashboard makes their names of all that stands in them, so that
/// a level would change them.
fn with_own_layers(compiled: &Value) -> Option<Value> {
    let panels: Vec<Value> =
        serde_json::from_str(compiled["attributes"]["panelsJSON"].as_str()?).ok()?;
    let mut text = compiled.to_string();
    for panel in &panels {
        let drawn = &panel["embeddableConfig"]["attributes"]["state"]["visualization"];
        let layers = drawn["layers"].as_array().into_iter().flatten().chain([drawn]);
        let names = layers.filter_map(|layer| layer["layerId"].as_str());
        for (at, name) in names.enumerate() {
            text = text.replace(name, &format!("{}-{at}", panel["panelIndex"].as_str()?));
        }
    }
    serde_json::from_str(&text).ok()
}

/// Adds a layer of what happened to a chart; the reference to what it is read from. No list above the panels
/// narrows it: health records and those of objectives have few of their fields.
fn events(
    attributes: &mut Value,
    name: &str,
    dataset: Dataset,
    events: &[&Event],
) -> Option<Value> {
    let each = events.iter().enumerate().map(|(at, event)| {
        json!({
            "id": format!("{}-{at}", name.trim_end_matches('s')), "type": "query", "label": event.label,
            "key": { "type": "point_in_time" }, "timeField": "@timestamp",
            "filter": { "type": "kibana_query", "language": "kuery", "query": event.filter },
            "extraFields": event.fields,
            "color": event.color, "icon": event.icon, "lineWidth": 1, "lineStyle": "solid",
            "isHidden": false,
        })
    });
    attributes["state"]["visualization"]["layers"].as_array_mut()?.push(json!({
        "layerId": name, "layerType": "annotations", "persistanceType": "byValue",
        "ignoreGlobalFilters": true, "annotations": each.collect::<Vec<_>>(),
    }));
    Some(json!({
        "name": format!("xy-visualization-layer-{name}"), "type": "index-pattern",
        "id": view_id(dataset),
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
        complete_layer(panel, layer)?;
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

/// The same for what a panel asks for.
fn complete_layer(panel: &Panel, layer: &mut Value) -> Option<()> {
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
        if let Some(shift) = column["params"].as_object_mut().and_then(|own| own.remove("shift")) {
            column["timeShift"] = shift;
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
    use super::*;

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
            ("lbproxy-slo/pages", false),
        ] {
            assert_eq!(found.get(name), Some(&Some(is_nothing)), "{name}");
        }
    }
}
