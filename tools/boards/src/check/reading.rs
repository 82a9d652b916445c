//! What Kibana 9.x makes of a stored dashboard when it is read: which references belong to which panel, what
//! becomes of links, lists and titles. What its way does not come upon is lost without a word.
//!
//! `src/platform/plugins/shared/dashboard/server/api/transforms/out/*` (references of a panel begin with its
//! index), `…/controls/server/transforms/*` (a list without data view or field is dropped),
//! `…/links/common/embeddable/transforms/*` (links are sorted by `order`, a destination without reference leads
//! nowhere), `…/lens/common/transforms/transform_out.ts` and
//! `kbn-lens-embeddable-utils/config_builder/config_builder.ts` (types of chart that it knows; a title beside
//! the attributes), `…/embeddable/server/enhancements` (drill-downs). Not here: keys and types (`schema`),
//! where drill-downs lead (`drilldowns`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::Findings;

/// Types of chart that are read in the form of the interface, too.
const CHARTS: [&str; 4] = ["lnsXY", "lnsMetric", "lnsDatatable", "lnsHeatmap"];

const DRILLDOWN: &str = "DASHBOARD_TO_DASHBOARD_DRILLDOWN";

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Checks a dashboard whose texts have been taken apart.
pub(super) fn dashboard(object: &Value, findings: &mut Findings) {
    let attributes = &object["attributes"];
    let mut read: BTreeSet<(String, &str)> = BTreeSet::new();
    for panel in each(&attributes["panelsJSON"]) {
        let index = text(panel, "panelIndex");
        index.clone_into(&mut findings.panel);
        findings.require(
            panel["gridData"]["i"] == index,
            "its place is another panel's",
            "give both the same id",
        );
        let own = names(panel, findings);
        kept(panel, findings);
        if panel["type"] == "lens" {
            by_value(object, panel, findings);
        }
        read.extend(own.into_iter().map(|(name, kind)| (format!("{index}:{name}"), kind)));
    }
    findings.panel.clear();
    lists(object, &mut read, findings);
    let stored: BTreeSet<_> = each(&object["references"])
        .filter(|own| own["type"] != "tag")
        .map(|own| (text(own, "name").to_owned(), text(own, "type")))
        .collect();
    for (name, kind) in read.difference(&stored) {
        findings.add(
            format!("no reference `{name}` to a {kind}, which is read"),
            "add it: what it leads to is lost",
        );
    }
    for (name, _) in stored.difference(&read) {
        findings.add(
            format!("the reference `{name}` is read by nothing"),
            "name it as what reads it does",
        );
    }
    let has_range =
        text(attributes, "timeFrom").is_empty() == text(attributes, "timeTo").is_empty();
    findings.require(
        has_range && (attributes["timeRestore"] == true || text(attributes, "timeTo").is_empty()),
        "its range is not restored",
        "give both ends, and `timeRestore`",
    );
}

/// Checks that the references of an object are those that it names, and the other way round: all but
/// dashboards of Kibana keep their names below keys that end alike.
pub(super) fn references(object: &Value, findings: &mut Findings) {
    fn named<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    found.extend(inner.as_str().filter(|_| key.ends_with("RefName")));
                    named(inner, found);
                }
            }
            Value::Array(list) => list.iter().for_each(|inner| named(inner, found)),
            _ => (),
        }
    }
    let mut read = BTreeSet::new();
    named(&object["attributes"], &mut read);
    let stored = each(&object["references"]).filter(|own| own["type"] != "tag");
    let stored: BTreeSet<_> = stored.map(|own| text(own, "name")).collect();
    for name in read.symmetric_difference(&stored) {
        findings.add(
            format!("the reference `{name}` is read and not there, or there and not read"),
            "write it once, and name it once",
        );
    }
}

/// The references that a panel is read with, and the types of what they lead to.
fn names<'p>(panel: &'p Value, findings: &mut Findings) -> Vec<(String, &'p str)> {
    let config = &panel["embeddableConfig"];
    let attributes = &config["attributes"];
    let mut found: Vec<(String, &str)> = Vec::new();
    if let Some(name) = panel["panelRefName"].as_str() {
        found.push((name.to_owned(), text(panel, "type")));
    }
    let state = &attributes["state"];
    let layers = state["datasourceStates"]["formBased"]["layers"].as_object();
    for id in layers.into_iter().flat_map(serde_json::Map::keys) {
        found.push((format!("indexpattern-datasource-layer-{id}"), "index-pattern"));
    }
    let drawn = each(&state["visualization"]["layers"]);
    for layer in drawn.filter(|own| own["layerType"] == "annotations") {
        let id = text(layer, "layerId");
        found.push((format!("xy-visualization-layer-{id}"), "index-pattern"));
    }
    if let Some(name) = config["savedVis"]["data"]["searchSource"]["indexRefName"].as_str() {
        found.push((name.to_owned(), "index-pattern"));
    }
    for (at, link) in each(&attributes["links"]).enumerate() {
        if let Some(name) = link["destinationRefName"].as_str() {
            found.push((name.to_owned(), "dashboard"));
        }
        let is_whole = link["order"] == at
            && !text(link, "label").is_empty()
            && (link["type"] == "externalLink") != link["destinationRefName"].is_string();
        findings.require(
            is_whole,
            format!("the link `{}` is out of order, or without label or target", text(link, "id")),
            "number them from 0, and give each both",
        );
    }
    for event in each(&config["enhancements"]["dynamicActions"]["events"]) {
        let id = text(event, "eventId");
        found.push((format!("drilldown:{DRILLDOWN}:{id}:dashboardId"), "dashboard"));
    }
    found
}

/// Checks that a panel is kept as it is, and has a title in each form.
fn kept(panel: &Value, findings: &mut Findings) {
    let config = &panel["embeddableConfig"];
    let is_reference = panel["panelRefName"].is_string();
    let is_kept = match text(panel, "type") {
        "lens" => {
            let chart = text(&config["attributes"], "visualizationType");
            findings.require(
                is_reference || CHARTS.contains(&chart),
                format!("the chart `{chart}` is not read"),
                format!("use one of {}", CHARTS.join(", ")),
            );
            config["attributes"]["state"].is_object()
        }
        "links" => config["attributes"]["links"].is_array(),
        "visualization" => config["savedVis"].is_object(),
        _ => false,
    };
    findings.require(is_reference || is_kept, "a panel without content is dropped", "give it some");
    let title = text(config, "title");
    let older = text(&config["savedVis"], "title");
    findings.require(
        !title.is_empty() || !older.is_empty(),
        "its title is lost where it is read in the form of the interface",
        "write it beside the attributes, too",
    );
    let in_attributes = text(&config["attributes"], "title");
    findings.require(
        title.is_empty() || in_attributes.is_empty() || title == in_attributes,
        format!("it is called `{title}` and `{in_attributes}`"),
        "call it the same",
    );
}

/// Checks that the references within a panel of Lens are those of the dashboard, which win.
fn by_value(object: &Value, panel: &Value, findings: &mut Findings) {
    let before = format!("{}:", text(panel, "panelIndex"));
    let outer: BTreeSet<_> = each(&object["references"])
        .filter_map(|own| Some((text(own, "name").strip_prefix(&before)?, text(own, "id"))))
        .filter(|(name, _)| !name.starts_with("drilldown:"))
        .collect();
    let inner: BTreeSet<_> = each(&panel["embeddableConfig"]["attributes"]["references"])
        .map(|own| (text(own, "name"), text(own, "id")))
        .collect();
    findings.require(
        inner == outer,
        "its references are others than the dashboard's of it",
        "write the same",
    );
}

/// Checks the lists to choose from, and adds the references that they are read with.
fn lists<'o>(object: &'o Value, read: &mut BTreeSet<(String, &'o str)>, findings: &mut Findings) {
    let lists = object["attributes"]["controlGroupInput"]["panelsJSON"].as_object();
    let mut orders = BTreeSet::new();
    for (id, list) in lists.into_iter().flatten() {
        let input = &list["explicitInput"];
        let name = format!("controlGroup_{id}:optionsListDataView");
        let view = each(&object["references"]).find(|own| own["name"] == name.as_str());
        let is_read = input["id"] == id.as_str()
            && !text(input, "fieldName").is_empty()
            && !text(input, "title").is_empty()
            && view.is_some_and(|view| view["id"] == input["dataViewId"])
            && orders.insert(list["order"].as_u64());
        findings.require(
            is_read,
            format!("the list `{id}` is dropped, or stands on another"),
            "give it its id, an order of its own, field, title and data view",
        );
        read.insert((name, "index-pattern"));
    }
}
