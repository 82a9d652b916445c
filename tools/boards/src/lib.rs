//! Boards: dashboards for Kibana and OpenSearch Dashboards from one source of panels.
//!
//! ```text
//! source/*.rs ─► kibana: input of kb-dashboard ─► kb-dashboard ─► finish ─► dashboards/kibana
//!          ├──► osd: visualizations, agg-based or Vega             ─► dashboards/opensearch
//!          ├──► held: where they say what is promised  ─► dashboards/*/targets.ndjson
//!          └──► docs: docs/boards.md           check: what is wrong with a board or its objects
//! ```
//! `make dashboards` writes what is committed; tests compare, and run every panel's search against
//! real servers. A package of its own: lbproxy embeds the files and knows nothing of their source.
//! No I/O here. Not here: sending the objects to a server.

pub mod check;
pub mod docs;
pub mod held;
pub mod kibana;
pub mod kql;
pub mod model;
pub mod osd;
pub mod source;
pub mod views;

use std::fmt::Write as _;

use lbproxy::elk::Product;
use lbproxy::record::Dataset;
use serde_json::{Value, json};

use model::{Board, Form, Panel};

/// Form of each type of saved object, by the version that last changed it before the oldest we support: servers
/// refuse newer ones and bring older ones up to date.
const KIBANA_VERSIONS: [(&str, &str); 4] =
    [("dashboard", "8.9.0"), ("index-pattern", "8.0.0"), ("search", "8.0.0"), ("tag", "8.0.0")];
/// The same for OpenSearch Dashboards, which has not changed them since it began.
const OSD_VERSIONS: [(&str, &str); 4] = [
    ("dashboard", "7.9.3"),
    ("index-pattern", "7.6.0"),
    ("search", "7.9.3"),
    ("visualization", "7.10.0"),
];
/// Since Kibana 8.8 always this.
const CORE_VERSION: &str = "8.8.0";

/// Version of a type of saved object.
fn version(product: Product, kind: &str) -> Option<&'static str> {
    let versions: &[_] = match product {
        Product::Elasticsearch => &KIBANA_VERSIONS,
        Product::OpenSearch => &OSD_VERSIONS,
    };
    versions.iter().find(|(known, _)| *known == kind).map(|(_, version)| *version)
}

fn object(product: Product, kind: &str, id: &str, attributes: &Value, references: &Value) -> Value {
    let version = version(product, kind).unwrap_or_default();
    let mut object =
        json!({ "id": id, "type": kind, "attributes": attributes, "references": references });
    match product {
        Product::Elasticsearch => {
            object["coreMigrationVersion"] = CORE_VERSION.into();
            object["typeMigrationVersion"] = version.into();
        }
        Product::OpenSearch => object["migrationVersion"] = json!({ kind: version }),
    }
    object
}

fn lines(objects: impl IntoIterator<Item = Value>) -> String {
    objects.into_iter().map(|object| object.to_string() + "\n").collect()
}

/// Where a search keeps the data view that it asks.
const SEARCH_INDEX: &str = "kibanaSavedObjectMeta.searchSourceJSON.index";

/// A search source over a view as its attribute, and the reference to the view.
fn search_source(dataset: Dataset, filter: &str) -> (Value, Value) {
    let source = json!({
        "query": { "language": "kuery", "query": filter },
        "filter": [],
        "indexRefName": SEARCH_INDEX,
    });
    let reference =
        json!({ "name": SEARCH_INDEX, "type": "index-pattern", "id": views::view_id(dataset) });
    (json!({ "searchSourceJSON": source.to_string() }), reference)
}

fn search(product: Product, id: &str, (title, note): (&str, &str), panel: &Panel) -> Value {
    let Form::Records(columns) = panel.form else { return Value::Null };
    let (meta, reference) = search_source(panel.dataset, panel.filter);
    let attributes = json!({
        "title": title,
        "description": note,
        "columns": columns,
        "sort": [["@timestamp", "desc"]],
        "kibanaSavedObjectMeta": meta,
    });
    let mut references = json!([reference]);
    if product == Product::Elasticsearch {
        references = json!([reference, tagged()]);
    }
    object(product, "search", id, &attributes, &references)
}

/// Id of the tag of everything of ours that Kibana lets have one.
const TAG: &str = "lbproxy-tag";

/// The tag. OpenSearch Dashboards has none.
fn tag() -> Value {
    let attributes =
        json!({ "name": "lbproxy", "description": "What lbproxy brings.", "color": "#6092C0" });
    object(Product::Elasticsearch, "tag", TAG, &attributes, &json!([]))
}

/// The reference of an object that has the tag.
fn tagged() -> Value {
    json!({ "type": "tag", "id": TAG, "name": format!("tag-ref-{TAG}") })
}

/// Views and searches that the boards lead to.
fn views_and_searches(product: Product, boards: &[Board]) -> Vec<Value> {
    let mut objects: Vec<_> =
        Dataset::ALL.into_iter().map(|dataset| views::saved_object(product, dataset)).collect();
    for (dataset, title, panel) in source::SEARCHES {
        let id = search_id(*dataset);
        objects.push(search(product, &id, (title, panel.note), panel));
    }
    for board in boards {
        for panel in board.panels().filter(|panel| matches!(panel.form, Form::Records(_))) {
            let title = format!("{}: {}", board.title, panel.title);
            objects.push(search(product, &board.panel_id(panel), (&title, panel.note), panel));
        }
    }
    objects
}

/// Id of the saved search over a whole dataset.
fn search_id(dataset: Dataset) -> String {
    format!("lbproxy-{}", dataset.as_str())
}

/// The datasets of a board that have a search of their own, in the order of their first panels.
fn searched(board: &Board) -> Vec<(Dataset, &'static str)> {
    let mut found: Vec<(Dataset, &'static str)> = Vec::new();
    for panel in board.panels() {
        let search = source::SEARCHES.iter().find(|(dataset, ..)| *dataset == panel.dataset);
        if let Some((dataset, title, _)) = search
            && !found.iter().any(|(known, _)| known == dataset)
        {
            found.push((*dataset, title));
        }
    }
    found
}

/// The line with ways into Discover. The links are relative, so that they hold in every space and
/// below every path.
fn discover_links(board: &Board) -> String {
    let links: Vec<_> = searched(board)
        .into_iter()
        .map(|(dataset, title)| format!("[{title}](discover#/view/{})", search_id(dataset)))
        .collect();
    format!("In Discover: {}", links.join(" · "))
}

/// Where each panel stands: `x`, `y`, `width`, `height`, below a head of this height.
fn places(board: &'static Board, head: u16) -> Vec<(&'static Panel, [u16; 4])> {
    let (mut placed, mut y) = (Vec::new(), head);
    for row in board.rows {
        let mut x = 0;
        for panel in row.panels {
            placed.push((panel, [x, y, panel.width, row.height]));
            x += panel.width;
        }
        y += row.height;
    }
    placed
}

/// What a panel says below its title: how to read it, and what it leaves out.
pub fn note(product: Product, panel: &Panel) -> String {
    let mut note = panel.note.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_merged = |metric: &model::Metric| matches!(metric.value, model::Value::Merged(..));
    if panel.metrics.iter().any(is_merged) {
        note += match product {
            Product::Elasticsearch => " Percentiles of all requests, from the rollups' histograms.",
            Product::OpenSearch => {
                " Percentiles here are those of the worst minute and endpoint, as rollups cannot be \
                 merged on OpenSearch; Latency has them from the records."
            }
        };
    }
    for (color, level, word) in panel.alarm.iter().flat_map(model::Alarm::levels) {
        let side = panel.alarm.map_or("", |alarm| alarm.side.as_str());
        let level = panel.metrics.first().map_or(String::new(), |metric| metric.unit.text(level));
        // Writing to a String cannot fail.
        let _ = write!(note, " {} {side} {level}: {word}.", capital(color));
    }
    if panel.has_day_before() {
        note += " The same span a day before stands beside it.";
    }
    if panel.is_whole {
        note += " Not narrowed by the controls above.";
    }
    note
}

/// A word at the beginning of a sentence.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
