//! What a server is: product, version, licence, who asks; and what lbproxy may use of it.
//!
//! Pure: answers in, facts out. Not here: asking (`installer`).

use std::fmt;

use serde_json::Value;

use super::Product;

/// A version such as `8.19.2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number.
    pub patch: u16,
}

impl Version {
    /// A version.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }

    /// Reads `8.19.2` and `9.1.0-SNAPSHOT`.
    pub fn parse(text: &str) -> Option<Self> {
        let numbers = text.split('-').next()?;
        let mut numbers = numbers.split('.').map(|number| number.parse().ok());
        Some(Self::new(numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Facts about a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The product.
    pub product: Product,
    /// Its version, when it says so.
    pub version: Option<Version>,
    /// `basic`, `trial`, `platinum` …; Elasticsearch only.
    pub licence: Option<String>,
    /// The user it knows us as; none when it has no security.
    pub user: Option<String>,
    /// Plugins of its nodes, each once.
    pub plugins: Vec<String>,
    /// Whether it is Elastic's Serverless, whose version says nothing.
    pub is_serverless: bool,
}

impl Server {
    /// Reads the answer to `GET /`, or to another request where the server has no such page or the
    /// credentials do not suffice for it.
    pub fn read(answer: &Value, is_elastic: bool) -> Option<Self> {
        let node = answer["nodes"].as_object().and_then(|nodes| nodes.values().next());
        let of_node = node.and_then(|node| node["version"].as_str());
        let version = answer["version"]["number"].as_str().or(of_node).and_then(Version::parse);
        let product = if answer["version"]["distribution"] == "opensearch" {
            Product::OpenSearch
        } else if is_elastic || answer["tagline"] == "You Know, for Search" {
            Product::Elasticsearch
        } else if node.is_some()
            || answer["index_templates"].is_array()
            || answer["error"]["type"].is_string()
        {
            // Speaks the API and is not Elasticsearch, which always says so.
            Product::OpenSearch
        } else {
            return None;
        };
        let is_serverless = answer["version"]["build_flavor"] == "serverless";
        let (licence, user, plugins) = (None, None, Vec::new());
        Some(Self { product, version, licence, user, plugins, is_serverless })
    }

    /// Oldest version that can be used.
    pub const fn oldest(product: Product) -> Version {
        match product {
            // Data stream lifecycle.
            Product::Elasticsearch => Version::new(8, 14, 0),
            // Data streams with index state management that rolls over by shard size.
            Product::OpenSearch => Version::new(2, 0, 0),
        }
    }

    /// Whether it is older than that. One that does not tell its version is tried.
    pub fn is_too_old(&self) -> bool {
        self.version.is_some_and(|version| version < Self::oldest(self.product))
    }

    /// What it can do beyond the oldest.
    pub fn features(&self) -> Features {
        let version = self.version.unwrap_or(Self::oldest(self.product));
        let is_elastic = self.product == Product::Elasticsearch;
        let in_eight = (Version::new(8, 19, 0)..Version::new(9, 0, 0)).contains(&version);
        Features { failure_store: is_elastic && (in_eight || version >= Version::new(9, 1, 0)) }
    }
}

/// What some versions can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Documents that do not fit are kept beside the stream instead of being refused.
    pub failure_store: bool,
}

impl Features {
    /// Those of the newest version of a product.
    pub const fn newest(product: Product) -> Self {
        Self { failure_store: matches!(product, Product::Elasticsearch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn products_are_told_apart_by_what_they_say() {
        let open = json!({"version": {"distribution": "opensearch", "number": "2.19.4"}});
        let elastic = json!({"version": {"number": "8.19.2"}, "tagline": "You Know, for Search"});
        let (is_open, is_elastic) = (Some(Product::OpenSearch), Some(Product::Elasticsearch));
        for (name, says_elastic, answer, want) in [
            ("OpenSearch", false, open, is_open),
            ("Elasticsearch", true, elastic, is_elastic),
            ("Elasticsearch without GET /", true, json!({"error": "no handler"}), is_elastic),
            ("OpenSearch that may not", false, json!({"index_templates": []}), is_open),
            ("OpenSearch without one", false, json!({"error": {"type": "x"}}), is_open),
            ("OpenSearch's node", false, json!({"nodes": {"a": {"version": "2.1.0"}}}), is_open),
            ("a web server", false, Value::Null, None),
            ("another API", false, json!({"status": "ok"}), None),
        ] {
            let server = Server::read(&answer, says_elastic);
            assert_eq!(server.map(|server| server.product), want, "{name}");
        }
    }

    #[test]
    fn versions_decide_what_can_be_used() {
        for (product, version, is_too_old, failure_store) in [
            (Product::Elasticsearch, "7.17.0", true, false),
            (Product::Elasticsearch, "8.13.4", true, false),
            (Product::Elasticsearch, "8.14.0", false, false),
            (Product::Elasticsearch, "8.19.0", false, true),
            (Product::Elasticsearch, "9.0.3", false, false),
            (Product::Elasticsearch, "9.1.0-SNAPSHOT", false, true),
            (Product::Elasticsearch, "unknown", false, false),
            (Product::OpenSearch, "1.3.20", true, false),
            (Product::OpenSearch, "3.6.0", false, false),
        ] {
            let server = Server {
                version: Version::parse(version),
                ..Server::read(&json!({}), true).unwrap()
            };
            let server = Server { product, ..server };
            assert_eq!(server.is_too_old(), is_too_old, "{product:?} {version}");
            assert_eq!(server.features().failure_store, failure_store, "{product:?} {version}");
        }
    }
}
