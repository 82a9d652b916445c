//! Boards: the saved objects for Kibana and OpenSearch Dashboards, as committed below `dashboards/`.
//!
//! Not here: what makes them (`tools/boards`), sending them to a server (`saved_objects`).

use super::Product;
use crate::record::Dataset;

/// Oldest Kibana that the boards are for, and oldest OpenSearch Dashboards.
pub const OLDEST: [(Product, &str); 2] =
    [(Product::Elasticsearch, "8.14"), (Product::OpenSearch, "2.0")];

/// The saved objects for a product's dashboards, one JSON object per line: the body of
/// `POST /api/saved_objects/_import?overwrite=true`.
pub const fn saved_objects(product: Product) -> &'static str {
    match product {
        Product::Elasticsearch => include_str!("../../dashboards/kibana/lbproxy.ndjson"),
        Product::OpenSearch => include_str!("../../dashboards/opensearch/lbproxy.ndjson"),
    }
}

/// Raised whenever the committed objects change, by the test that compares them with their source: what
/// an older lbproxy finds with a higher one is a newer lbproxy's.
pub fn revision() -> u64 {
    let text = include_str!("../../dashboards/revision");
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Id and title of the data view of a dataset: its index pattern.
pub fn view_id(dataset: Dataset) -> String {
    format!("{}-*", dataset.name())
}
