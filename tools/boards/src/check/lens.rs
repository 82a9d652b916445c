//! Whether a panel of Lens is whole: what is asked is drawn, what is drawn is asked, and what is calculated has
//! its parts.
//!
//! `x-pack/plugins/lens/public/datasources/form_based/to_expression.ts` (asks for `columnOrder`, and calculates
//! of `references`), `operations/definitions/formula/generate.ts` (a formula, its parts and the calculation
//! after it), `visualizations/{xy,metric,datatable,heatmap}` (their accessors). Not here: fields
//! (`objects`), order and sorting (`order`), keys (`schema`, `seen`).

use std::collections::HashSet;

use serde_json::Value;

use super::Findings;

/// Keys of a visualization that name a column, or several.
const ACCESSORS: [&str; 14] = [
    "accessors",
    "breakdownByAccessor",
    "columnId",
    "forAccessor",
    "maxAccessor",
    "metricAccessor",
    "secondaryMetricAccessor",
    "splitAccessor",
    "splitColumnAccessor",
    "splitRowAccessor",
    "valueAccessor",
    "xAccessor",
    "yAccessor",
    "trendlineMetricAccessor",
];

/// Checks the attributes of a panel.
pub(super) fn panel(attributes: &Value, findings: &mut Findings) {
    let state = &attributes["state"];
    let drawn = &state["visualization"];
    let layers = state["datasourceStates"]["formBased"]["layers"].as_object();
    // A chart of several layers lists them, all others are of one.
    let parts: Vec<_> =
        drawn["layers"].as_array().map_or_else(|| vec![drawn], |own| own.iter().collect());
    for part in &parts {
        let id = part["layerId"].as_str().unwrap_or_default();
        let is_there = layers.is_some_and(|own| own.contains_key(id));
        findings.require(
            is_there || part["layerType"] == "annotations",
            format!("the layer `{id}` is drawn, and asks nothing"),
            "give it columns",
        );
    }
    for (id, layer) in layers.into_iter().flatten() {
        let Some(part) = parts.iter().find(|part| part["layerId"] == id.as_str()) else {
            findings.add(format!("the layer `{id}` is not drawn"), "draw it, or do not ask");
            continue;
        };
        let mut accessors = HashSet::new();
        named(part, &mut accessors);
        columns(layer, &accessors, findings);
    }
}

/// The columns that are named below a value.
fn named<'v>(value: &'v Value, found: &mut HashSet<&'v str>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match inner {
                    Value::String(id) if ACCESSORS.contains(&key.as_str()) => {
                        found.insert(id);
                    }
                    Value::Array(ids) if key == "accessors" => {
                        found.extend(ids.iter().filter_map(Value::as_str));
                    }
                    inner => named(inner, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| named(inner, found)),
        _ => (),
    }
}

/// Checks the columns of a layer that is drawn by these.
fn columns(layer: &Value, accessors: &HashSet<&str>, findings: &mut Findings) {
    let columns = &layer["columns"];
    let own: HashSet<_> =
        columns.as_object().into_iter().flatten().map(|(id, _)| id.as_str()).collect();
    let order = layer["columnOrder"].as_array().into_iter().flatten();
    let order: Vec<_> = order.filter_map(Value::as_str).collect();
    let ordered: HashSet<_> = order.iter().copied().collect();
    findings.require(
        ordered == own && ordered.len() == order.len(),
        "columnOrder does not have each column once",
        "list them: what is not listed is not asked, and drawn as nothing",
    );
    let kinds: Vec<_> = order.iter().map(|id| columns[id]["isBucketed"] != true).collect();
    findings.require(
        kinds.is_sorted(),
        "a metric stands before a bucket",
        "put buckets first: they nest in this order",
    );
    let parts = |id: &str| columns[id]["references"].as_array().into_iter().flatten();
    let part_of: HashSet<_> =
        order.iter().flat_map(|id| parts(id)).filter_map(Value::as_str).collect();
    for id in &part_of {
        findings.require(
            own.contains(id),
            format!("a calculation is made of `{id}`, which is no column"),
            "add it",
        );
    }
    for id in accessors.difference(&own) {
        findings.add(format!("`{id}` is drawn, and is no column"), "name one of the layer's");
    }
    for id in &own {
        findings.require(
            accessors.contains(id) != part_of.contains(id),
            format!("the column `{id}` is not drawn once"),
            "draw it, or calculate with it, or leave it out",
        );
        calculated(columns, id, findings);
    }
}

/// Checks a column that is calculated: what it reads is what it says it is made of.
fn calculated(columns: &Value, id: &str, findings: &mut Findings) {
    let column = &columns[id];
    let parts = column["references"].as_array().map_or(&[][..], Vec::as_slice);
    match column["operationType"].as_str() {
        Some("formula") => findings.require(
            parts.len() == 1 && column["params"]["isFormulaBroken"] != true,
            format!("the formula `{id}` is not worked out"),
            "give it its parts",
        ),
        Some("math") => {
            let mut read = HashSet::new();
            variables(&column["params"]["tinymathAst"], &mut read);
            let parts: HashSet<_> = parts.iter().filter_map(Value::as_str).collect();
            findings.require(
                read == parts,
                format!("`{id}` calculates with other columns than it is made of"),
                "name the same",
            );
        }
        Some("static_value") => {
            let text = column["params"]["value"].as_str();
            let is_number = text.is_some_and(|text| text.parse::<f64>().is_ok());
            findings.require(is_number, format!("`{id}` is no number"), "write one");
        }
        _ => (),
    }
}

/// The columns that a calculation reads: texts, or variables.
fn variables<'v>(ast: &'v Value, found: &mut HashSet<&'v str>) {
    match ast {
        Value::String(id) => {
            found.insert(id);
        }
        Value::Object(map) if map.get("type").is_some_and(|own| own == "variable") => {
            found.extend(map.get("value").and_then(Value::as_str));
        }
        Value::Object(map) => {
            for inner in map.get("args").and_then(Value::as_array).into_iter().flatten() {
                variables(inner, found);
            }
        }
        _ => (),
    }
}
