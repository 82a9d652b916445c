//! Whether products write keys like ours: each key path of an object is one of a board that a product has
//! exported, or is looked up in its sources (`LOOKED_UP`). A key that no product reads is dropped or, in a closed
//! schema of a version to come, refused.
//!
//! Not here: values (`schema`), and what stands in specifications of Vega and in searches, which have
//! languages of their own: tests compile and run them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::Product;
use super::Findings;

/// Paths of columns of Lens: what terms are ordered by is one, too.
const COLUMNS: &str = "dashboard.panelsJSON.[].embeddableConfig<lens>.attributes.state.datasourceStates.formBased.layers.*.columns";

/// Paths that no board of the lists has, what is below them included, and the source that knows them.
const LOOKED_UP: [(Product, &str, &str); 35] = [
    (Product::Elasticsearch, "columns.*.params<formula>.format.params.suffix", LENS_COLUMNS),
    (Product::Elasticsearch, "columns.*.params<range>", LENS_COLUMNS),
    (Product::Elasticsearch, "visualization<lnsDatatable>.columns.[].isMetric", LENS_TABLE),
    (Product::Elasticsearch, "visualization<lnsDatatable>.density", LENS_TABLE),
    (Product::Elasticsearch, "visualization<lnsDatatable>.sorting", LENS_TABLE),
    (Product::Elasticsearch, "visualization<lnsMetric>.applyColorTo", LENS_METRIC),
    (Product::Elasticsearch, "visualization<lnsMetric>.collapseFn", LENS_METRIC),
    // 9.x has renamed it, and reads both.
    (Product::Elasticsearch, "visualization<lnsMetric>.secondaryLabelPosition", LENS_METRIC),
    (Product::Elasticsearch, "visualization<lnsMetric>.secondaryTrend", LENS_METRIC),
    (Product::Elasticsearch, "visualization<lnsXY>.layers.[data].colorMapping", COLOR_MAPPING),
    (Product::Elasticsearch, "visualization<lnsXY>.layers.[referenceLine]", LENS_XY),
    (Product::Elasticsearch, "layers.[annotations].annotations.[].extraFields", LENS_XY),
    (Product::Elasticsearch, "layers.[annotations].annotations.[].filter", LENS_XY),
    (Product::Elasticsearch, "layers.[annotations].annotations.[].isHidden", LENS_XY),
    (Product::Elasticsearch, "layers.[annotations].annotations.[].lineStyle", LENS_XY),
    (Product::Elasticsearch, "layers.[annotations].annotations.[].lineWidth", LENS_XY),
    (Product::Elasticsearch, "layers.[annotations].persistanceType", LENS_XY),
    (Product::Elasticsearch, "embeddableConfig<lens>.description", PANEL),
    (Product::Elasticsearch, "embeddableConfig<lens>.title", PANEL),
    (Product::Elasticsearch, "embeddableConfig<links>.hidePanelTitles", PANEL),
    (Product::Elasticsearch, "embeddableConfig<links>.title", PANEL),
    (Product::Elasticsearch, "embeddableConfig<search>.description", PANEL),
    (Product::Elasticsearch, "embeddableConfig<search>.title", PANEL),
    (Product::Elasticsearch, "embeddableConfig<visualization>.description", PANEL),
    (Product::Elasticsearch, "embeddableConfig<visualization>.title", PANEL),
    (Product::Elasticsearch, "embeddableConfig<visualization>.enhancements", DRILLDOWN),
    (Product::Elasticsearch, "index-pattern.allowNoIndex", VIEW),
    (Product::Elasticsearch, "index-pattern.fields.[]", VIEW),
    (Product::Elasticsearch, "index-pattern.fieldFormatMap.*", FORMATS),
    (Product::OpenSearch, "index-pattern.fieldFormatMap.*.params", FORMATS),
    (Product::OpenSearch, "visState.aggs.[].params<range>", AGGS),
    (Product::OpenSearch, "visState.aggs.[].params<date_histogram>.extended_bounds", AGGS),
    (Product::OpenSearch, "visState.aggs.[].params<max>", AGGS),
    (Product::OpenSearch, "visState.aggs.[].params<min>", AGGS),
    (Product::OpenSearch, "visState.params<histogram>.seriesParams.[].interpolate", SERIES),
];

const LENS_COLUMNS: &str =
    "x-pack/plugins/lens/public/datasources/form_based/operations/definitions";
const LENS_TABLE: &str = "kbn-lens-common/visualizations/datatable/types.ts";
const LENS_METRIC: &str = "kbn-lens-common/visualizations/metric/types.ts";
const LENS_XY: &str = "kbn-lens-common/visualizations/xy/types.ts";
const COLOR_MAPPING: &str =
    "packages/kbn-coloring/src/shared_components/color_mapping/config/types.ts";
const PANEL: &str = "presentation_publishing/interfaces/titles/title_manager.ts";
const DRILLDOWN: &str = "src/plugins/embeddable/common/bwc/enhancements";
const VIEW: &str = "src/plugins/data_views/common/data_views/abstract_data_views.ts";
const FORMATS: &str = "field_formats/common/converters/{duration,numeral}.ts";
const AGGS: &str =
    "src/plugins/data/common/search/aggs/{metrics/{max,min},buckets/{range,date_histogram}}.ts";
const SERIES: &str = "src/plugins/vis_type_vislib/public/types.ts";

/// Checks an object whose texts have been taken apart.
pub(super) fn object(product: Product, object: &Value, findings: &mut Findings) {
    let seen = folders(list(product));
    for path in paths(object) {
        let is_looked_up =
            || LOOKED_UP.iter().any(|(of, own, _)| *of == product && is_below(&path, own));
        findings.require(
            seen.contains(&path) || is_looked_up(),
            format!("no board that the product has exported has {path}"),
            "leave it out, or look it up in the product's sources and add it here",
        );
    }
}

/// The paths that boards of a product have.
const fn list(product: Product) -> &'static str {
    match product {
        Product::Elasticsearch => include_str!("seen/kibana.txt"),
        Product::OpenSearch => include_str!("seen/opensearch.txt"),
    }
}

/// The paths of an object, without those of a language of its own.
fn paths(object: &Value) -> BTreeSet<String> {
    let kind = object["type"].as_str().unwrap_or_default();
    let mut own = BTreeSet::new();
    walk(&object["attributes"], kind, None, &mut own);
    own.retain(|path| !path.contains(".spec"));
    own
}

/// Whether a path is that of an entry of [`LOOKED_UP`], or below it.
fn is_below(path: &str, entry: &str) -> bool {
    let after = path.find(entry).and_then(|at| path.get(at + entry.len()..));
    after.is_some_and(|after| after.is_empty() || after.starts_with('.'))
}

/// Every path of a list, those of folders included.
fn folders(list: &str) -> BTreeSet<String> {
    let (mut found, mut above) = (BTreeSet::new(), Vec::<&str>::new());
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        above.truncate(line.len() - line.trim_start().len());
        let path = |above: &[&str], name: &str| {
            let parts: Vec<_> = above.iter().copied().chain([name]).collect();
            parts.join(".")
        };
        if let Some(folder) = line.trim_start().strip_suffix('/') {
            found.insert(path(&above, folder));
            above.push(folder);
        } else {
            found.extend(line.split_whitespace().map(|name| path(&above, name)));
        }
    }
    found
}

/// What a key is called here whose content depends on a type: the key, and the type.
type Typed<'v> = Option<(&'static str, &'v str)>;

/// The paths of everything below a value that has nothing below itself.
fn walk(value: &Value, path: &str, typed: Typed<'_>, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, inner) in map {
                member(map, key, inner, path, typed, found);
            }
        }
        Value::Array(list) if list.iter().any(|own| own.is_object() || own.is_array()) => {
            for inner in list {
                let text = |key: &str| inner[key].as_str();
                let typed = match path.rsplit('.').next() {
                    Some("panelsJSON") => Some(("embeddableConfig", text("type").unwrap_or("ref"))),
                    Some("aggs") if inner["schema"].is_string() => text("type").map(params),
                    _ => None,
                };
                let layer = text("layerType").filter(|_| path.ends_with(".layers"));
                walk(inner, &format!("{path}.[{}]", layer.unwrap_or_default()), typed, found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

/// What is below `params` is of this type.
const fn params(of: &str) -> (&'static str, &str) {
    ("params", of)
}

/// The paths below a key of an object.
fn member(
    map: &Map<String, Value>,
    key: &str,
    inner: &Value,
    path: &str,
    typed: Typed<'_>,
    found: &mut BTreeSet<String>,
) {
    let text = |value: &'static str| inner[value].as_str();
    let ends = |end: &str| path.ends_with(end);
    let below = |name: &str| format!("{path}.{name}");
    if key == "spec" {
        return;
    }
    if key == "orderAgg" && path.starts_with(COLUMNS) {
        found.insert(below(key));
        let operation = text("operationType").map(params);
        return walk(inner, &format!("{COLUMNS}.*"), operation, found);
    }
    if ends(".*.columns") {
        return walk(inner, &below("*"), text("operationType").map(params), found);
    }
    if ends("controlGroupInput.panelsJSON") {
        let of = text("type").map(|of| ("explicitInput", of));
        return walk(inner, &below("*"), of, found);
    }
    if ["fieldFormatMap", "fieldAttrs", "runtimeFieldMap"].iter().any(|own| ends(own))
        || (ends(".layers") && inner.is_object())
    {
        return walk(inner, &below("*"), None, found);
    }
    let name = match typed {
        Some((of, typed)) if of == key => format!("{key}<{typed}>"),
        _ => key.to_owned(),
    };
    let typed = match key {
        "state" => {
            map.get("visualizationType").and_then(Value::as_str).map(|own| ("visualization", own))
        }
        "savedVis" | "visState" => text("type").map(params),
        _ => None,
    };
    walk(inner, &below(&name), typed, found);
}

#[cfg(test)]
mod tests {
    use lbproxy::elk::boards::saved_objects;

    use super::super::objects::expanded;
    use super::*;

    #[test]
    fn what_was_looked_up_is_needed_for_an_object_and_in_no_list() {
        for product in Product::ALL {
            let seen = folders(list(product));
            let lines = saved_objects(product).lines();
            let objects = lines.map(|line| expanded(serde_json::from_str(line).unwrap()));
            let unseen: Vec<_> =
                objects.flat_map(|own| paths(&own)).filter(|path| !seen.contains(path)).collect();
            for (_, entry, _) in LOOKED_UP.iter().filter(|(of, ..)| *of == product) {
                let is_needed = unseen.iter().any(|path| is_below(path, entry));
                assert!(is_needed, "{product:?}: {entry} is seen in boards, or no object has it");
            }
        }
    }
}
