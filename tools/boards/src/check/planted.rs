//! Goal: every rule that is transcribed from a product finds a fault that breaks it, where it is.
//! Method: one value of the committed files at a time is replaced, or taken away; texts of JSON on the way to
//! it are taken apart and put together again.

use lbproxy::elk::boards::saved_objects;
use serde_json::{Value, json};

use super::super::Product;
use super::objects;

/// Replaces what stands at a path, or takes it away: keys, numbers in lists, or `key=value` of an element.
fn plant(value: &mut Value, path: &[&str], new: &Value) {
    if let Value::String(text) = value {
        let mut inner: Value = serde_json::from_str(text).unwrap();
        plant(&mut inner, path, new);
        *text = inner.to_string();
        return;
    }
    let [first, rest @ ..] = path else { panic!("an empty path") };
    if let Value::Object(map) = value
        && rest.is_empty()
    {
        if new.is_null() {
            assert!(map.remove(*first).is_some(), "no {first}");
        } else {
            map.insert((*first).to_owned(), new.clone());
        }
        return;
    }
    let inner = match value {
        Value::Object(map) if *first == "*" => map.values_mut().next(),
        Value::Object(map) => map.get_mut(*first),
        Value::Array(list) => match first.split_once('=') {
            Some((key, own)) => list.iter_mut().find(|element| element[key] == own),
            None => list.get_mut(first.parse::<usize>().unwrap()),
        },
        _ => None,
    };
    let inner = inner.unwrap_or_else(|| panic!("no {first}"));
    if rest.is_empty() {
        *inner = new.clone();
    } else {
        plant(inner, rest, new);
    }
}

/// The object of this id as it is committed.
fn committed(product: Product, id: &str) -> Value {
    let lines = saved_objects(product).lines().filter(|line| line.contains(id));
    let mut objects = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    objects.find(|object| object["id"] == id).unwrap_or_else(|| panic!("no {id}"))
}

/// A fault: the object, the path of a value, what it becomes (nothing: it is taken away), and what is found.
type Row = (&'static str, &'static str, Value, &'static str);

fn check(product: Product, rows: Vec<Row>) {
    let found = |object: &Value| -> Vec<String> {
        // Alone in its file, so that what it refers to is missing; no row looks for that.
        let found = objects(product, "file", &object.to_string());
        found.iter().map(ToString::to_string).collect()
    };
    for (id, path, new, want) in rows {
        let mut object = committed(product, id);
        let is_it = |text: &String| text.contains(want) && text.contains(id);
        assert!(!found(&object).iter().any(is_it), "{want}: it is found without the fault");
        plant(&mut object, &path.split('/').collect::<Vec<_>>(), &new);
        let texts = found(&object);
        assert!(texts.iter().any(is_it), "{path} as {new}: {want}: {texts:#?}");
    }
}

const OVERVIEW: &str = "lbproxy-overview";
const PANELS: &str = "attributes/panelsJSON";

#[test]
fn faults_of_what_kibana_takes_and_reads_are_found() {
    let none = Value::Null;
    let panel = |own: &str| -> &'static str { format!("{PANELS}/panelIndex={own}").leak() };
    let boards = |own: &str| panel(&format!("boards/embeddableConfig/{own}"));
    let state = |own: &str| panel(&format!("success/embeddableConfig/attributes/state/{own}"));
    let layer = |own: &str| state(&format!("datasourceStates/formBased/layers/*/{own}"));
    let list = |own: &str| -> &'static str {
        format!("attributes/controlGroupInput/panelsJSON/lbproxy-service/{own}").leak()
    };
    let view = "metrics-lbproxy.rollup-*";
    check(
        Product::Elasticsearch,
        vec![
            // Schemas.
            (OVERVIEW, "workspaces", json!([]), "workspaces is not known"),
            (OVERVIEW, "attributes/colour", json!("red"), "attributes.colour is not known"),
            (OVERVIEW, "attributes/title", none.clone(), "attributes.title is missing"),
            (OVERVIEW, "attributes/sections", json!([]), "sections is not known by version 8.14"),
            (OVERVIEW, "attributes/optionsJSON/darkTheme", json!(true), "darkTheme is not known"),
            (OVERVIEW, "attributes/version", json!("1"), "version is \"1\", which is not taken"),
            (OVERVIEW, panel("success/gridData/x"), json!("0"), "gridData.x is \"0\""),
            (OVERVIEW, panel("success/embeddableConfig"), json!([]), "which is not taken"),
            (OVERVIEW, list("width"), json!("wide"), "width is \"wide\""),
            (OVERVIEW, list("explicitInput/colour"), json!(1), "colour is not known"),
            (OVERVIEW, boards("attributes/links/0/options/inNewTab"), json!(true), "not known"),
            (OVERVIEW, layer("columns/m0/operationType"), json!("summe"), "\"summe\", which"),
            (OVERVIEW, layer("columns/m0/fields"), json!([]), "fields is not known"),
            (OVERVIEW, layer("sampling"), json!("1"), "sampling is \"1\""),
            ("lbproxy-access", "attributes/sampleSize", json!(100), "sampleSize is not known"),
            ("lbproxy-access", "attributes/sort/0", json!(["a", "b", "c"]), "which is not taken"),
            (view, "attributes/fields/0/searchable", none.clone(), "searchable is missing"),
            (view, "attributes/fieldFormatMap", json!("{"), "which is not taken"),
            // The reading path of 9.x.
            (OVERVIEW, "references/0/name", json!("boards:link_to-a"), "is read by nothing"),
            (
                OVERVIEW,
                "references/0/name",
                json!("boards:link_to-a"),
                "to a dashboard, which is read",
            ),
            (OVERVIEW, panel("success/gridData/i"), json!("p99"), "its place is another panel's"),
            (OVERVIEW, boards("attributes/links/0/order"), json!(7), "is out of order"),
            (OVERVIEW, boards("attributes/links/0/label"), json!(""), "without label"),
            (OVERVIEW, list("explicitInput/fieldName"), json!(""), "is dropped"),
            (OVERVIEW, list("explicitInput/dataViewId"), json!("other"), "is dropped"),
            (OVERVIEW, list("order"), json!(1), "stands on another"),
            (OVERVIEW, panel("success/embeddableConfig/title"), none.clone(), "its title is lost"),
            (OVERVIEW, panel("success/embeddableConfig/title"), json!("Other"), "it is called"),
            (
                OVERVIEW,
                panel("success/embeddableConfig/attributes/visualizationType"),
                json!("lnsChoropleth"),
                "is not read",
            ),
            (
                OVERVIEW,
                panel("success/embeddableConfig/attributes/references/0/id"),
                json!("other"),
                "its references are others",
            ),
            (
                OVERVIEW,
                panel("discover/embeddableConfig/savedVis"),
                none.clone(),
                "a panel without content is dropped",
            ),
            (OVERVIEW, "attributes/timeTo", none.clone(), "its range is not restored"),
            ("lbproxy-access", "references/0/name", json!("other"), "is read and not there"),
            // Keys that nobody else writes.
            (
                OVERVIEW,
                state("visualization/colour"),
                json!("red"),
                "visualization<lnsMetric>.colour",
            ),
            (OVERVIEW, layer("columns/m0X0/params/size"), json!(5), "columns.*.params<sum>.size"),
            (OVERVIEW, panel("success/embeddableConfig/colour"), json!(1), "Config<lens>.colour"),
            // Columns of Lens.
            (OVERVIEW, layer("columnOrder"), json!(["m0"]), "does not have each column once"),
            (OVERVIEW, layer("columns/m0/references"), json!(["m0X9"]), "made of `m0X9`, which"),
            (OVERVIEW, layer("columns/m0/references"), json!(["m0X0"]), "is not drawn once"),
            (OVERVIEW, state("visualization/metricAccessor"), json!("m9"), "`m9` is drawn, and"),
            (
                OVERVIEW,
                state("visualization/layerId"),
                json!("other"),
                "is drawn, and asks nothing",
            ),
            (OVERVIEW, state("visualization/layerId"), json!("other"), "is not drawn; draw it"),
            (
                OVERVIEW,
                layer("columns/m0X3/params/tinymathAst/args/0"),
                json!("m0"),
                "calculates with other columns",
            ),
            (OVERVIEW, layer("columns/m0/params/isFormulaBroken"), json!(true), "not worked out"),
            (OVERVIEW, layer("columns/m0X0/isBucketed"), json!(true), "a metric stands before"),
        ],
    );
}

#[test]
fn faults_of_what_opensearch_dashboards_takes_and_reads_are_found() {
    let none = Value::Null;
    let (controls, chart) = ("lbproxy-overview-controls", "lbproxy-overview-success");
    let state = "attributes/visState";
    let inner = |own: &str| -> &'static str { format!("{state}/params/{own}").leak() };
    check(
        Product::OpenSearch,
        vec![
            (OVERVIEW, "coreMigrationVersion", json!("8.8.0"), "is not known"),
            (OVERVIEW, "attributes/controlGroupInput", json!({}), "is not known"),
            (OVERVIEW, "attributes/panelsJSON/0/panelRefName", none.clone(), "is missing"),
            (OVERVIEW, "attributes/panelsJSON/0/gridData/w", json!("24"), "which is not taken"),
            (OVERVIEW, "references/0/name", json!("panel_other"), "is read and not there"),
            (chart, "attributes/lbproxy", json!("1"), "attributes.lbproxy is not known"),
            (chart, "attributes/visState/type", json!("gauge"), "which is not taken"),
            (chart, "attributes/visState/aggs", none.clone(), "aggs is missing"),
            (chart, inner("spec/$schema"), none.clone(), "$schema is missing"),
            (controls, inner("controls/0/label"), none.clone(), "label is missing"),
            (controls, inner("controls/0/options/size"), json!("50"), "which is not taken"),
            (controls, inner("colour"), json!(1), "params<input_control_vis>.colour"),
            ("lbproxy-access", "attributes/columnWidths", json!({}), "known by version 2.0"),
            ("metrics-lbproxy.rollup-*", "attributes/fields", none, "fields is missing"),
            (OVERVIEW, "attributes/panelsJSON/0/colour", json!(1), "panelsJSON.[].colour"),
        ],
    );
}
