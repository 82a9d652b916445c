//! Which documents the panels of long ranges ask, as their committed objects say: those whose number does not
//! grow with traffic.

use lbproxy::elk::Product;
use lbproxy::record::Dataset;
use lbproxy_boards as boards;
use serde_json::Value;

use super::Objects;

/// The kinds of documents that a panel's search and its lines of events ask.
fn asked(
    product: Product,
    objects: &Objects,
    board: &boards::model::Board,
    id: &str,
) -> Vec<Dataset> {
    let text = match product {
        Product::OpenSearch => {
            objects.get("visualization", &format!("{}-{id}", board.object_id())).to_string()
        }
        Product::Elasticsearch => {
            let dashboard = objects.get("dashboard", &board.object_id());
            let panels = dashboard["attributes"]["panelsJSON"].as_array().unwrap();
            panels.iter().find(|own| own["panelIndex"] == id).map(Value::to_string).unwrap()
        }
    };
    Dataset::ALL.into_iter().filter(|own| text.contains(own.name())).collect()
}

#[test]
fn over_a_day_no_panel_asks_single_requests_and_over_more_only_what_is_of_a_minute() {
    for product in Product::ALL {
        let objects = Objects::of(product);
        let mut days = 0;
        for board in boards::source::BOARDS {
            let is_more = board.range.ends_with('d');
            if !is_more && board.range != "24h" {
                continue;
            }
            days += usize::from(is_more);
            for panel in board.panels() {
                if matches!(panel.form, boards::model::Form::Records(_)) {
                    continue; // The newest few, sorted by time.
                }
                let asked = asked(product, &objects, board, panel.id);
                let place = format!("{product:?} {}/{}: {asked:?}", board.id, panel.id);
                assert!(asked.contains(&panel.dataset), "{place}");
                if is_more {
                    let by_minute = [Dataset::Rollup, Dataset::Slo];
                    assert!(asked.iter().all(|own| by_minute.contains(own)), "{place}");
                }
                for single in [Dataset::Access, Dataset::Connection] {
                    assert!(!asked.contains(&single), "{place}");
                }
            }
        }
        assert_ne!(days, 0, "no board opens with more than a day");
    }
}
