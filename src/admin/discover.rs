//! Where Discover of Kibana or OpenSearch Dashboards is, so that the page can lead to a record there.
//!
//! Both take the same address but for a space, which is a part of the path in one and a parameter in
//! the other, and a workspace, which only the other has; with either it is known once shipping has met
//! the server. Not here: the query (the page).

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
        let Dashboards { space, workspace, .. } = &self.dashboards;
        let with = |start: &str, name: &Option<String>| {
            name.as_ref().map_or(String::new(), |name| format!("{start}{name}"))
        };
        let address = match self.product.get() {
            None if space.is_some() || workspace.is_some() => return None,
            Some(Product::OpenSearch) => {
                let (workspace, tenant) =
                    (with("/w/", workspace), with("?security_tenant=", space));
                format!("{base}{workspace}/app/discover{tenant}")
            }
            _ => format!("{base}{}/app/discover", with("/s/", space)),
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
        let (open, ops, none) = (Some(Product::OpenSearch), Some("ops"), None);
        for (name, url, space, workspace, product, want) in [
            ("any", "http://h:5601", none, none, None, Some("http://h:5601/app/discover")),
            ("with a path", "http://h/k/", none, none, kibana, Some("http://h/k/app/discover")),
            ("Kibana", "http://h", ops, none, kibana, Some("http://h/s/ops/app/discover")),
            (
                "a tenant",
                "http://h",
                ops,
                none,
                open,
                Some("http://h/app/discover?security_tenant=ops"),
            ),
            ("a workspace", "http://h", none, Some("w1"), open, Some("http://h/w/w1/app/discover")),
            ("not known yet", "http://h", ops, none, None, None),
            ("not known yet either", "http://h", none, Some("w1"), None, None),
        ] {
            let url = url.parse().unwrap();
            let [space, workspace] = [space, workspace].map(|name| name.map(str::to_owned));
            let dashboards = Dashboards { url, space, workspace, auth: None };
            let known = OnceLock::new();
            product.map(|product| known.set(product));
            let place = Discover { dashboards, product: Arc::new(known) }.place();
            let address = place.as_ref().and_then(|place| place["address"].as_str());
            assert_eq!(address, want, "{name}");
            assert!(place.is_none_or(|place| place["view"] == "logs-lbproxy.access-*"), "{name}");
        }
    }
}
