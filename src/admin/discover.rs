//! Where Discover of Kibana or OpenSearch Dashboards is, so that the page can lead to a record there.
//!
//! Both take the same address but for a space, which is a part of the path in one and a parameter in
//! the other; with a space it is known once shipping has met the server. Not here: the query (the page).

use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::config::Dashboards;
use crate::elk::{Product, boards, saved_objects};
use crate::record::Dataset;

/// See the head of this file.
#[derive(Debug)]
pub struct Discover {
    /// As configured.
    pub dashboards: Dashboards,
    /// What stores the documents, once that is known.
    pub product: Arc<OnceLock<Product>>,
}

impl Discover {
    /// Its address and the data view of requests there, for the page.
    pub(super) fn place(&self) -> Option<Value> {
        let base = self.dashboards.url.as_str().trim_end_matches('/');
        let address = match (&self.dashboards.space, self.product.get()) {
            (None, _) => format!("{base}/app/discover"),
            (Some(_), None) => return None,
            (Some(space), Some(Product::Elasticsearch)) => format!("{base}/s/{space}/app/discover"),
            (Some(space), Some(Product::OpenSearch)) => {
                format!("{base}/app/discover?security_tenant={space}")
            }
        };
        let name = self.product.get().map(|&product| saved_objects::title(product));
        Some(json!({ "address": address, "view": boards::view_id(Dataset::Access), "name": name }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_is_where_each_product_looks_for_it() {
        let kibana = Some(Product::Elasticsearch);
        for (name, url, space, product, want) in [
            ("any", "http://h:5601", None, None, Some("http://h:5601/app/discover")),
            ("with a path", "http://h/k/", None, kibana, Some("http://h/k/app/discover")),
            ("Kibana", "http://h", Some("ops"), kibana, Some("http://h/s/ops/app/discover")),
            (
                "OpenSearch Dashboards",
                "http://h",
                Some("ops"),
                Some(Product::OpenSearch),
                Some("http://h/app/discover?security_tenant=ops"),
            ),
            ("not known yet", "http://h", Some("ops"), None, None),
        ] {
            let url = url.parse().unwrap();
            let dashboards = Dashboards { url, space: space.map(str::to_owned), auth: None };
            let known = OnceLock::new();
            product.map(|product| known.set(product));
            let place = Discover { dashboards, product: Arc::new(known) }.place();
            let address = place.as_ref().and_then(|place| place["address"].as_str());
            assert_eq!(address, want, "{name}");
            assert!(place.is_none_or(|place| place["view"] == "logs-lbproxy.access-*"), "{name}");
        }
    }
}
