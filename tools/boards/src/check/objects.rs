//! What is wrong with a file of saved objects.

use std::collections::{HashMap, HashSet};

use lbproxy::record::Dataset;
use serde_json::Value;

use super::super::model::{Board, GRID_WIDTH, Panel};
use super::super::views::{self, ViewField, view_id};
use super::super::{Product, kibana, kql, source::BOARDS, version};
use super::{
    Finding, Findings, color, drilldowns, events, instances, lens, order, reading, schema, seen,
    stored, units, ways,
};

/// Everything that is wrong with the objects in `text`, a line each.
pub fn objects(product: Product, file: &str, text: &str) -> Vec<Finding> {
    let mut findings = Findings::new(file);
    let mut objects = Vec::new();
    for (at, line) in text.lines().enumerate() {
        findings.board = format!("line {}", at + 1);
        match serde_json::from_str::<Value>(line) {
            Ok(object) => {
                object["id"].as_str().unwrap_or_default().clone_into(&mut findings.board);
                schema::object(product, &object, &mut findings);
                objects.push(expanded(object));
            }
            Err(error) => findings.add(format!("no JSON: {error}"), "write it anew"),
        }
    }
    let file = File::new(product, &objects, &mut findings);
    for object in &objects {
        file.object(object, &mut findings);
    }
    ways::lists(&objects, &mut findings);
    findings.found
}

/// A value with the JSON inside of its texts taken out, so that it can be walked.
pub(super) fn expanded(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, expanded(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(list) => list.into_iter().map(expanded).collect::<Vec<_>>().into(),
        Value::String(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(&text).map_or(Value::String(text), expanded)
        }
        other => other,
    }
}

/// A text of an object, or an empty one.
fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// The panel that objects are made of, where they are of boards of ours.
fn source(is_it: impl Fn(&Board, &Panel) -> bool) -> Option<&'static Panel> {
    BOARDS.iter().find_map(|board| board.panels().find(|own| is_it(board, own)))
}

/// What is known of the file as a whole.
struct File {
    product: Product,
    /// Type and id of every object.
    ids: HashSet<(String, String)>,
    /// Fields of each data view.
    views: HashMap<String, Vec<ViewField>>,
    /// How each writes its fields.
    formats: Value,
}

impl File {
    /// Looks at ids, which must be unique.
    fn new(product: Product, objects: &[Value], findings: &mut Findings) -> Self {
        let mut ids = HashSet::new();
        for object in objects {
            let key = (text(object, "type").to_owned(), text(object, "id").to_owned());
            findings.board.clone_from(&key.1);
            let is_first = ids.insert(key.clone());
            findings.require(
                is_first && key.1.starts_with(['l', 'm']),
                format!("a second {} with this id, or no id of lbproxy's", key.0),
                "give each its own, the same in every version",
            );
        }
        let views = Dataset::ALL.into_iter().map(|own| (view_id(own), views::fields(own)));
        let formats = objects
            .iter()
            .map(|own| (text(own, "id").to_owned(), own["attributes"]["fieldFormatMap"].clone()));
        Self { product, ids, views: views.collect(), formats: formats.collect() }
    }

    fn object(&self, object: &Value, findings: &mut Findings) {
        text(object, "id").clone_into(&mut findings.board);
        findings.panel.clear();
        self.versions(object, findings);
        self.references(object, findings);
        links(&self.ids, object, findings);
        seen::object(self.product, object, findings);
        let attributes = &object["attributes"];
        let kind = text(object, "type");
        let title = if kind == "tag" { "name" } else { "title" };
        findings.require(!text(attributes, title).is_empty(), "no title", "give it one");
        if self.product == Product::Elasticsearch && matches!(kind, "dashboard" | "search") {
            ways::tag(object, findings);
        }
        match kind {
            "tag" if self.product == Product::Elasticsearch => (),
            "dashboard" => {
                grid(&attributes["panelsJSON"], findings);
                let first = BOARDS.first().map(Board::object_id);
                match self.product {
                    Product::OpenSearch => {
                        reading::references(object, findings);
                        ways::dashboard(attributes, findings);
                    }
                    Product::Elasticsearch => {
                        reading::dashboard(object, findings);
                        let is_first = first.as_deref() == Some(text(object, "id"));
                        ways::refresh(object, is_first, findings);
                    }
                }
                self.panels(object, findings);
            }
            "visualization" => {
                reading::references(object, findings);
                self.visualization(object, findings);
            }
            "search" => {
                reading::references(object, findings);
                let view = reference(object, super::super::SEARCH_INDEX);
                for column in attributes["columns"].as_array().into_iter().flatten() {
                    self.field(&view, "column", column.as_str().unwrap_or_default(), findings);
                }
                self.walk(&view, attributes, findings);
            }
            "index-pattern" => match self.views.get(text(object, "id")) {
                Some(known) => {
                    stored::view(self.product, attributes, known, findings);
                    units::formats(self.product, attributes, findings);
                    drilldowns::links(attributes, findings);
                }
                None => {
                    findings
                        .add("a data view of no dataset", "see docs/records.md for their names");
                }
            },
            kind => findings.add(
                format!("the type {kind} is not in every licence and product"),
                "use dashboards, visualizations, searches and data views",
            ),
        }
    }

    /// That no version is newer than the oldest server knows.
    fn versions(&self, object: &Value, findings: &mut Findings) {
        let kind = text(object, "type");
        let stated = match self.product {
            Product::Elasticsearch => object["typeMigrationVersion"].as_str(),
            Product::OpenSearch => object["migrationVersion"][kind].as_str(),
        };
        let newest = version(self.product, kind);
        let is_fine = match (stated, newest) {
            (Some(stated), Some(newest)) => numbers(stated) <= numbers(newest),
            _ => false,
        };
        findings.require(
            is_fine,
            format!(
                "version {stated:?} of a {kind}, {newest:?} being what the oldest server reads"
            ),
            "state that one",
        );
    }

    /// That every reference leads to an object of this file.
    fn references(&self, object: &Value, findings: &mut Findings) {
        for reference in object["references"].as_array().into_iter().flatten() {
            let target = (text(reference, "type").to_owned(), text(reference, "id").to_owned());
            findings.require(
                self.ids.contains(&target),
                format!("the reference {} leads to no {}", text(reference, "name"), target.0),
                format!("add `{}`, or take the reference away", target.1),
            );
        }
    }

    /// The panels of a dashboard: their references, and what by-value panels ask.
    fn panels(&self, object: &Value, findings: &mut Findings) {
        for panel in object["attributes"]["panelsJSON"].as_array().into_iter().flatten() {
            let id = text(panel, "panelIndex").to_owned();
            findings.panel.clone_from(&id);
            let kind_of = |name: &str| {
                let mut all = object["references"].as_array().into_iter().flatten();
                all.find(|own| text(own, "name") == name).map(|own| text(own, "type").to_owned())
            };
            drilldowns::panel(panel, kind_of, findings);
            if let Some(name) = panel["panelRefName"].as_str() {
                // Kibana puts the panel's id before the name, OpenSearch Dashboards does not.
                let name = match self.product {
                    Product::Elasticsearch => format!("{id}:{name}"),
                    Product::OpenSearch => name.to_owned(),
                };
                let target = reference(object, &name);
                findings.require(!target.is_empty(), format!("no reference {name}"), "add it");
                continue;
            }
            let config = &panel["embeddableConfig"];
            let attributes = &config["attributes"];
            match text(panel, "type") {
                "lens" => {
                    let described = !text(attributes, "title").is_empty()
                        && !text(config, "description").is_empty();
                    findings.require(described, "no title or description", "give it both");
                    lens::panel(attributes, findings);
                    self.lens(object, attributes, &id, findings);
                    let is_it = |board: &Board, own: &Panel| {
                        board.object_id() == text(object, "id") && own.id == id
                    };
                    if let Some(own) = source(is_it) {
                        let params = &attributes["state"]["visualization"]["palette"]["params"];
                        let scale =
                            own.metrics.first().map_or(1.0, |first| kibana::lens_scale(own, first));
                        color::kibana(own, scale, params, findings);
                    }
                }
                "visualization" if config["savedVis"]["type"] == "vega" => {
                    let described = !text(&config["savedVis"], "title").is_empty()
                        && !text(config, "description").is_empty();
                    findings.require(described, "no title or description", "give it both");
                    self.vega(&config["savedVis"]["params"]["spec"], findings);
                }
                "links" | "visualization" => (),
                kind => findings.add(
                    format!("the panel type {kind} is not in every licence"),
                    "use Lens, Vega, links, markdown and searches",
                ),
            }
        }
        findings.panel.clear();
        let controls = &object["attributes"]["controlGroupInput"]["panelsJSON"];
        for control in controls.as_object().into_iter().flat_map(serde_json::Map::values) {
            let input = &control["explicitInput"];
            let (view, field) = (text(input, "dataViewId"), text(input, "fieldName"));
            self.field(view, text(control, "type"), field, findings);
        }
    }

    /// A Lens panel: every layer has its data view, every column its field and unit.
    fn lens(&self, dashboard: &Value, attributes: &Value, panel: &str, findings: &mut Findings) {
        let sources = &attributes["state"]["datasourceStates"];
        let layers = sources["formBased"]["layers"].as_object();
        let has_query =
            !sources["textBased"]["layers"].as_object().is_none_or(serde_json::Map::is_empty);
        findings.require(!has_query, "ES|QL", "use a form-based layer, which every version has");
        findings.require(layers.is_some_and(|own| !own.is_empty()), "no layer", "give it one");
        for (id, layer) in layers.into_iter().flatten() {
            let name = format!("{panel}:indexpattern-datasource-layer-{id}");
            let view = reference(dashboard, &name);
            findings.require(!view.is_empty(), format!("no reference {name}"), "add it");
            self.walk(&view, layer, findings);
            order::lens(layer, findings);
            units::rate(layer, &attributes["state"]["visualization"], findings);
            instances::lens(layer, &attributes["state"]["visualization"], findings);
            self.units(&view, &layer["columns"], findings);
        }
        let drawn = attributes["state"]["visualization"]["layers"].as_array().into_iter().flatten();
        for own in drawn.filter(|own| own["layerType"] == "referenceLine") {
            let mut lines = own["yConfig"].as_array().into_iter().flatten();
            findings.require(
                lines.all(|line| line["textVisibility"] == true),
                "a line that does not say what it is",
                "show its text",
            );
        }
        let drawn = attributes["state"]["visualization"]["layers"].as_array().into_iter().flatten();
        for own in drawn.filter(|own| own["layerType"] == "annotations") {
            let name = format!("{panel}:xy-visualization-layer-{}", text(own, "layerId"));
            let known = self.views.get(&reference(dashboard, &name)).map(Vec::as_slice);
            events::lens(own, known, findings);
        }
        let view = layers
            .and_then(|layers| layers.keys().next())
            .map(|id| reference(dashboard, &format!("{panel}:indexpattern-datasource-layer-{id}")));
        self.walk(&view.unwrap_or_default(), &attributes["state"]["query"], findings);
    }

    /// That what is calculated says in what it is, having no field whose format would.
    fn units(&self, view: &str, columns: &Value, findings: &mut Findings) {
        for column in columns.as_object().into_iter().flat_map(serde_json::Map::values) {
            let (operation, label) = (text(column, "operationType"), text(column, "label"));
            findings.require(!label.is_empty(), "a column without label", "give it one");
            let has_format = column["params"]["format"]["id"].is_string();
            findings.require(
                operation != "formula" || has_format,
                format!("the formula `{label}` has no unit"),
                "give it a format",
            );
            let known = self.views.get(view).into_iter().flatten();
            let field = known.clone().find(|field| field.path == text(column, "sourceField"));
            let has_unit = field.is_none_or(|field| {
                let is_count = field.path.rsplit('.').next() == Some("count");
                is_count || !field.path.contains("_us") || field.unit != views::FieldUnit::None
            });
            findings.require(has_unit, format!("`{label}` has no unit"), "give its field one");
        }
    }

    /// A visualization of OpenSearch Dashboards.
    fn visualization(&self, object: &Value, findings: &mut Findings) {
        let state = &object["attributes"]["visState"];
        findings.require(
            !text(&object["attributes"], "description").is_empty(),
            "no description",
            "say how to read it",
        );
        match text(state, "type") {
            "vega" => {
                let spec = &state["params"]["spec"];
                self.vega(spec, findings);
                let is_it = |board: &Board, own: &Panel| board.panel_id(own) == text(object, "id");
                if let Some(own) = source(is_it) {
                    color::vega(own, spec, findings);
                    if own.has_events {
                        events::vega(spec, findings);
                    }
                }
            }
            "markdown" => (),
            "input_control_vis" => {
                for control in state["params"]["controls"].as_array().into_iter().flatten() {
                    let view = reference(object, text(control, "indexPatternRefName"));
                    self.field(&view, "list", text(control, "fieldName"), findings);
                }
            }
            "metric" | "table" | "line" | "histogram" | "area" | "heatmap" => {
                let view = reference(object, super::super::SEARCH_INDEX);
                self.walk(&view, object, findings);
                order::agg_based(&state["aggs"], findings);
                instances::agg_based(&state["aggs"], findings);
                units::agg_based(state, &self.formats[&view], findings);
                for agg in state["aggs"].as_array().into_iter().flatten() {
                    let has_label = !text(&agg["params"], "customLabel").is_empty();
                    findings.require(
                        has_label,
                        format!("{} has no label", agg["id"]),
                        "give it one",
                    );
                }
            }
            kind => findings.add(format!("the visualization {kind} is not known"), "use another"),
        }
    }

    /// A specification of Vega-Lite: its searches, and that products fill their placeholders in.
    fn vega(&self, spec: &Value, findings: &mut Findings) {
        let layers = spec["layer"].as_array().into_iter().flatten();
        let urls = [spec].into_iter().chain(layers).map(|part| &part["data"]["url"]);
        let urls: Vec<_> = urls.filter(|url| url.is_object()).collect();
        findings.require(!urls.is_empty(), "no search", "write the specification anew");
        for url in urls {
            self.walk(text(url, "index"), url, findings);
            placeholders("", &url["body"], findings);
            order::nested(&url["body"]["aggs"], false, findings);
            instances::nested(&url["body"]["aggs"], findings);
        }
        units::rate_of_vega(spec, findings);
        let text = spec.to_string();
        let has_unit = text.contains("\"format\":\"") || text.contains("format(datum.figure");
        findings.require(has_unit, "no unit", "give its axis or text a format");
    }

    /// A field that is asked for.
    fn field(&self, view: &str, operation: &str, path: &str, findings: &mut Findings) {
        match self.views.get(view) {
            Some(known) => findings.field(known, view, operation, path),
            None => findings.add(format!("no data view `{view}`"), "use one of a dataset"),
        }
    }

    /// Every field and filter below a value, in the words of Lens, agg-based forms and searches.
    fn walk(&self, view: &str, value: &Value, findings: &mut Findings) {
        let Value::Object(map) = value else {
            for inner in value.as_array().into_iter().flatten() {
                self.walk(view, inner, findings);
            }
            return;
        };
        if let (Some(operation), Some(path)) =
            (map.get("operationType"), map.get("sourceField").and_then(Value::as_str))
            && path != "___records___"
        {
            self.field(view, operation.as_str().unwrap_or_default(), path, findings);
        }
        if let (Some(kind), Some(path)) = (map.get("type"), value["params"]["field"].as_str())
            && map.contains_key("schema")
        {
            self.field(view, kind.as_str().unwrap_or_default(), path, findings);
        }
        if let (Some("kuery"), Some(filter)) = (value["language"].as_str(), value["query"].as_str())
        {
            match kql::parse(filter) {
                Ok(filter) => {
                    for path in filter.fields() {
                        self.field(view, "filter", path, findings);
                    }
                }
                Err(error) => findings.add(format!("no KQL: {error}"), "mend the filter"),
            }
        }
        for (key, inner) in map {
            if let Some(path) = inner.get("field").and_then(Value::as_str)
                && !matches!(key.as_str(), "params" | "encoding")
                && inner.get("schema").is_none()
                && inner.get("type").is_none()
            {
                self.field(view, key, path, findings);
            }
            if matches!(key.as_str(), "match" | "range")
                && let Some(inner) = inner.as_object().filter(|own| !own.contains_key("field"))
            {
                for path in inner.keys() {
                    self.field(view, "filter", path, findings);
                }
            }
            self.walk(view, inner, findings);
        }
    }
}

/// That every placeholder below a value stands where both products look for it, and is of their words:
/// they send any other to the server as it is.
fn placeholders(key: &str, value: &Value, findings: &mut Findings) {
    match value {
        Value::Object(map) => {
            if map.contains_key("%autointerval%") {
                findings.require(
                    key == "interval",
                    format!("`%autointerval%` is not filled in below `{key}`"),
                    "write `interval`",
                );
            }
            if let Some(what) = map.get("%timefilter%") {
                let is_known = *what == true || *what == "min" || *what == "max";
                let shift = (&value["shift"], &value["unit"]);
                let is_shift = match shift {
                    (Value::Null, Value::Null) => true,
                    (shift, Value::String(unit)) => {
                        shift.is_i64()
                            && ["week", "day", "hour", "minute", "second"].contains(&unit.as_str())
                    }
                    _ => false,
                };
                findings.require(
                    is_known && is_shift,
                    format!("`{value}` is not filled in"),
                    "write `true`, `min` or `max`, and a shift with its unit",
                );
            }
            for (key, inner) in map {
                placeholders(key, inner, findings);
            }
        }
        Value::Array(list) => list.iter().for_each(|own| placeholders("", own, findings)),
        _ => (),
    }
}

/// The id that an object's reference of this name leads to, or nothing.
fn reference(object: &Value, name: &str) -> String {
    let references = object["references"].as_array().into_iter().flatten();
    let found = references.into_iter().find(|reference| text(reference, "name") == name);
    found.map(|reference| text(reference, "id").to_owned()).unwrap_or_default()
}

/// The numbers of a version.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(u32::MAX)).collect()
}

/// That links in texts lead to an object of this file.
fn links(ids: &HashSet<(String, String)>, object: &Value, findings: &mut Findings) {
    let whole = object.to_string();
    for (kind, before) in [("dashboard", "](#/view/"), ("search", "](discover#/view/")] {
        for (at, _) in whole.match_indices(before) {
            let rest = whole.get(at + before.len()..).unwrap_or_default();
            let id = rest.split(')').next().unwrap_or_default();
            findings.require(
                ids.contains(&(kind.to_owned(), id.to_owned())),
                format!("a link leads to no {kind} `{id}`"),
                "link to what is in the file",
            );
        }
    }
}

/// That panels stand on the grid, and none on another.
fn grid(panels: &Value, findings: &mut Findings) {
    let mut placed: Vec<(String, [u64; 4])> = Vec::new();
    for panel in panels.as_array().into_iter().flatten() {
        text(panel, "panelIndex").clone_into(&mut findings.panel);
        let place = ["x", "y", "w", "h"].map(|key| panel["gridData"][key].as_u64().unwrap_or(0));
        let [x, y, w, h] = place;
        findings.require(
            w > 0 && h > 0 && x + w <= u64::from(GRID_WIDTH),
            format!("it stands at {x}, {w} wide, {h} high"),
            format!("keep within {GRID_WIDTH} columns"),
        );
        for (other, [ox, oy, ow, oh]) in &placed {
            let is_apart = x + w <= *ox || ox + ow <= x || y + h <= *oy || oy + oh <= y;
            findings.require(is_apart, format!("it stands on `{other}`"), "move one of them");
        }
        placed.push((findings.panel.clone(), place));
    }
    findings.panel.clear();
}
