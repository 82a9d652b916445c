//! Goal: charts have a line at each start of lbproxy, each ejection of an endpoint and each minute of an alert, and
//! none elsewhere.
//! Method: what the layers of every chart with events find on the real servers, against what the data was made
//! with.

use lbproxy::elk::Product;
use lbproxy_boards::source::BOARDS;
use serde_json::{Value, json};

use super::data::{EJECTED_MS, Loaded, STARTED_MS, alerts_ms};
use super::{Asked, Objects, referenced, vega};
use crate::server::{RealServer, on_both};

#[test]
fn charts_have_a_line_at_each_event_and_alert() {
    on_both(|product| {
        let server = RealServer::shared(product);
        let (loaded, objects) = (Loaded::into(server, "events"), Objects::of(product));
        let asked = Asked::new(server, &objects, &loaded);
        let mut count = 0;
        for board in BOARDS {
            for panel in board.panels().filter(|panel| panel.has_events) {
                let found = match product {
                    Product::Elasticsearch => of_lens(&asked, &board.object_id(), panel.id),
                    Product::OpenSearch => {
                        let object = objects.get("visualization", &board.panel_id(panel));
                        let state = &object["attributes"]["visState"];
                        if state["type"] != "vega" {
                            // No agg-based form has them.
                            continue;
                        }
                        vega::events(&asked, &state["params"]["spec"])
                    }
                };
                let mut want =
                    vec![(STARTED_MS, "lbproxy started"), (EJECTED_MS, "endpoint ejected")];
                want.extend(alerts_ms());
                want.sort_unstable();
                let want: Vec<_> =
                    want.into_iter().map(|(time_ms, label)| (time_ms, label.to_owned())).collect();
                assert_eq!(found, want, "{product:?} {}/{}", board.id, panel.id);
                count += 1;
            }
        }
        assert!(count > 3, "{product:?}: {count} charts");
    });
}

/// Times and labels of what the annotations of a panel find.
fn of_lens(asked: &Asked<'_>, dashboard: &str, id: &str) -> Vec<(u64, String)> {
    let dashboard = asked.objects.get("dashboard", dashboard);
    let panels = dashboard["attributes"]["panelsJSON"].as_array().unwrap();
    let panel = panels.iter().find(|panel| panel["panelIndex"] == id).unwrap();
    let layers = &panel["embeddableConfig"]["attributes"]["state"]["visualization"]["layers"];
    let layers = layers.as_array().unwrap().iter();
    let mut found = Vec::new();
    for layer in layers.filter(|layer| layer["layerType"] == "annotations") {
        let name = format!("{id}:xy-visualization-layer-{}", layer["layerId"].as_str().unwrap());
        let view = referenced(dashboard, &name);
        for own in layer["annotations"].as_array().unwrap() {
            let time = own["timeField"].as_str().unwrap();
            let query = asked.query(&[own["filter"].clone()]);
            let body = json!({ "size": 100, "query": query, "sort": [{ time: "asc" }] });
            let answer = asked.search(view, body);
            let times = answer["hits"]["hits"].as_array().unwrap().iter();
            let label = own["label"].as_str().unwrap();
            found.extend(
                times.map(|hit: &Value| (hit["sort"][0].as_u64().unwrap(), label.to_owned())),
            );
        }
    }
    found.sort();
    found
}
