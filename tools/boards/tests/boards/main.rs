//! Goal: every board opens in both products, and every figure on it is true.
//! Method: the committed files are what the source makes of them now, kb-dashboard's part included;
//! the checker finds nothing in them; then every panel's saved object is read as its product reads it,
//! the search that it makes is run against the real server, and each figure is compared with what an
//! independent sum over the same documents says.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking and says why"
)]
#![expect(clippy::too_many_lines, reason = "a table of named rows is read row by row")]

mod agg_based;
mod committed;
mod cost;
mod data;
mod events;
mod figures;
mod lens;
mod ranges;
#[path = "../../../../tests/it/server.rs"]
#[expect(dead_code, reason = "the tests of the program ask a server for more")]
mod server;
mod splits;
#[path = "../../../../tests/it/support/base.rs"]
#[expect(dead_code, reason = "the tests of the program use the rest")]
mod support;
mod truth;
mod vega;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use lbproxy::elk::Product;
use lbproxy_boards as boards;
use serde_json::{Value, json};

use crate::server::{RealServer, on_both};
use data::Loaded;
use figures::{Answer, Figures, differences};

/// The saved objects of a product by type and id, texts of JSON inside taken out.
struct Objects(HashMap<(String, String), Value>);

impl Objects {
    fn of(product: Product) -> Self {
        let text = committed::text(product);
        let objects = text.lines().map(|line| {
            let object = unpack(serde_json::from_str(line).unwrap());
            let text = |key: &str| object[key].as_str().unwrap().to_owned();
            ((text("type"), text("id")), object)
        });
        Self(objects.collect())
    }

    fn get(&self, kind: &str, id: &str) -> &Value {
        let key = (kind.to_owned(), id.to_owned());
        self.0.get(&key).unwrap_or_else(|| panic!("no {kind} {id}"))
    }

    /// What a product multiplies the numbers of a field with before it shows them: its format.
    fn shown(&self, view: &str, field: &str) -> f64 {
        let format = &self.get("index-pattern", view)["attributes"]["fieldFormatMap"][field];
        match format["params"]["inputFormat"].as_str() {
            Some("nanoseconds") => 1e-6,
            Some("microseconds") => 1e-3,
            Some("milliseconds" | "seconds") | None => 1.0,
            Some(other) => panic!("{other}"),
        }
    }
}

/// Takes JSON out of texts.
fn unpack(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, unpack(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(list) => list.into_iter().map(unpack).collect::<Vec<_>>().into(),
        Value::String(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(&text).map_or(Value::String(text), unpack)
        }
        other => other,
    }
}

/// The id of the object that a reference of this name leads to.
fn referenced<'o>(object: &'o Value, name: &str) -> &'o str {
    let references = object["references"].as_array().unwrap();
    let found = references.iter().find(|reference| reference["name"] == name);
    found.unwrap_or_else(|| panic!("no reference {name}"))["id"].as_str().unwrap()
}

/// What a panel's search is sent to: the stream of the tests in place of all streams of its view.
fn stream(view: &str, namespace: &str) -> String {
    view.strip_suffix('*').unwrap().to_owned() + namespace
}

#[test]
fn every_panel_of_every_board_says_what_is_true() {
    on_both(|product| {
        let server = RealServer::shared(product);
        let began = std::time::Instant::now();
        let loaded = Loaded::into(server, "boards");
        let objects = Objects::of(product);
        let (mut table, mut wrong) = (String::new(), Vec::new());
        let mut figures = HashMap::new();
        let mut drawings = Vec::new();
        for board in boards::source::BOARDS {
            for panel in board.panels() {
                let asked = Asked::new(server, &objects, &loaded);
                let answer = asked.panel(product, board, panel);
                drawings.extend(asked.drawn.take().into_iter().map(|mut drawing| {
                    let row = board
                        .rows
                        .iter()
                        .find(|row| row.panels.iter().any(|own| own.id == panel.id));
                    drawing["board"] = board.id.into();
                    drawing["board_title"] = board.title.into();
                    drawing["id"] = panel.id.into();
                    drawing["title"] = panel.title.into();
                    drawing["width"] = panel.width.into();
                    drawing["height"] = row.unwrap().height.into();
                    drawing
                }));
                let want = truth::figures(product, panel, &loaded);
                assert!(!want.is_empty(), "{}/{}: the data has nothing for it", board.id, panel.id);
                let name = format!("{}/{}", board.id, panel.id);
                wrong.extend(
                    differences(&answer.figures, &want)
                        .into_iter()
                        .map(|own| format!("{name}: {own}")),
                );
                table += &answer.line(product, &name);
                figures.insert(name, answer.figures);
            }
        }
        // For tests/browser/vega.js, which draws them.
        let place = format!("{}/vega-{}.json", env!("CARGO_TARGET_TMPDIR"), product.as_str());
        std::fs::write(place, Value::from(drawings).to_string()).unwrap();
        eprint!("{table}");
        eprintln!("{} panels took {:.1} s", figures.len(), began.elapsed().as_secs_f64());
        wrong.extend(loaded.planned.differences(&figures));
        assert!(wrong.is_empty(), "{product:?}:\n{}", wrong.join("\n"));
    });
}

/// Asks for a panel as its product would.
struct Asked<'a> {
    server: &'a RealServer,
    objects: &'a Objects,
    loaded: &'a Loaded,
    /// Vega's specifications with the answers to their searches.
    drawn: RefCell<Vec<Value>>,
    /// Documents that the searches so far went through, and milliseconds that they took.
    spent: Cell<(u64, u64)>,
}

impl<'a> Asked<'a> {
    fn new(server: &'a RealServer, objects: &'a Objects, loaded: &'a Loaded) -> Self {
        Self { server, objects, loaded, drawn: RefCell::default(), spent: Cell::default() }
    }

    fn panel(
        &self,
        product: Product,
        board: &boards::model::Board,
        panel: &boards::model::Panel,
    ) -> Answer {
        if matches!(panel.form, boards::model::Form::Records(_)) {
            return self.records(self.objects.get("search", &board.panel_id(panel)));
        }
        if product == Product::Elasticsearch {
            let dashboard = self.objects.get("dashboard", &board.object_id());
            let panels = dashboard["attributes"]["panelsJSON"].as_array().unwrap();
            let own = panels.iter().find(|own| own["panelIndex"] == panel.id).unwrap();
            let drawn = &own["embeddableConfig"]["savedVis"];
            if drawn["type"] == "vega" {
                return vega::ask(self, &drawn["params"]["spec"]);
            }
            return lens::ask(self, dashboard, panel.id);
        }
        let object = self.objects.get("visualization", &board.panel_id(panel));
        match object["attributes"]["visState"]["type"].as_str() {
            Some("vega") => vega::ask(self, &object["attributes"]["visState"]["params"]["spec"]),
            _ => agg_based::ask(self, object),
        }
    }

    /// A saved search: how many documents, and the newest of them.
    fn records(&self, object: &Value) -> Answer {
        let view = referenced(object, "kibanaSavedObjectMeta.searchSourceJSON.index");
        let source = &object["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"];
        let mut body = json!({ "size": 1, "query": self.query(&[source["query"].clone()]) });
        let [sorted, direction] = &object["attributes"]["sort"][0].as_array().unwrap()[..] else {
            panic!("sort of {object}");
        };
        body["sort"] = json!([{ sorted.as_str().unwrap(): direction }]);
        let answer = self.search(view, body);
        let mut figures = Figures::default();
        figures.add("", "", "documents", answer["hits"]["total"]["value"].as_f64());
        let newest = answer["hits"]["hits"][0]["sort"][0].as_f64();
        figures.add("", "", "newest", newest);
        Answer::new(figures, &answer)
    }

    /// The range of the data and these filters in KQL.
    fn query(&self, filters: &[Value]) -> Value {
        self.query_earlier(filters, 0)
    }

    /// The same so much earlier.
    fn query_earlier(&self, filters: &[Value], earlier_ms: u64) -> Value {
        let mut all = vec![json!({ "range": { "@timestamp": self.range(earlier_ms) } })];
        for filter in filters {
            assert_eq!(filter["language"], "kuery");
            all.push(boards::kql::parse(filter["query"].as_str().unwrap()).unwrap().query());
        }
        json!({ "bool": { "filter": all } })
    }

    fn range(&self, earlier_ms: u64) -> Value {
        let (from, to) = self.loaded.range_ms;
        let (from, to) = (from - earlier_ms, to - earlier_ms);
        json!({ "gte": from, "lt": to, "format": "epoch_millis" })
    }

    /// The answer to a search.
    fn search(&self, view: &str, mut body: Value) -> Value {
        body["track_total_hits"] = true.into();
        let stream = stream(view, self.loaded.namespace);
        let answer = self.server.post(&format!("/{stream}/_search?request_cache=false"), &body);
        let (documents, took_ms) = self.spent.get();
        let number = |value: &Value| value.as_u64().unwrap();
        self.spent.set((
            documents + number(&answer["hits"]["total"]["value"]),
            took_ms + number(&answer["took"]),
        ));
        answer
    }

    /// The documents of a dataset that match, whole.
    fn documents(&self, view: &str, query: &Value) -> Vec<Value> {
        let body = json!({ "size": 10_000, "query": query });
        let mut answer = self.search(view, body);
        let Value::Array(hits) = answer["hits"]["hits"].take() else { panic!("{answer}") };
        hits.into_iter().map(|mut hit| hit["_source"].take()).collect()
    }
}
