//! Elasticsearch and OpenSearch: the client, and what lbproxy installs there.
//!
//! ```text
//! record's tables, configuration ─► artefact::wanted ─┐
//!                          server ─► installer: read ──┴─► plan ─► installer: apply, verify
//! boards ─► saved_objects: the same for Kibana and OpenSearch Dashboards
//! objectives ─► alerts: the same for rules of Kibana and monitors of OpenSearch
//! ```
//! What is installed is also committed below `elk/`; a test compares. Invariants: nothing of somebody
//! else's is changed; a second run changes nothing. Not here: sending documents (`ship`), what a
//! record is (`record`).

pub mod access;
pub(crate) mod alerts;
pub mod artefact;
pub mod boards;
pub mod client;
pub(crate) mod findings;
pub(crate) mod given;
pub mod installer;
pub(crate) mod mapping;
pub mod minutes;
pub mod plan;
pub mod problem;
pub mod retention;
pub(crate) mod saved_objects;
pub(crate) mod search;
pub(crate) mod secret;
pub mod server;
mod streams;
pub mod templates;

/// What `managed_by` says of what is ours.
pub const MANAGED_BY: &str = "lbproxy";

/// A product that stores documents. They agree on all that lbproxy asks of them but a few keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Product {
    /// Elasticsearch 8.14 or newer.
    Elasticsearch,
    /// OpenSearch 2 or newer.
    OpenSearch,
}

impl Product {
    /// All products.
    pub const ALL: [Self; 2] = [Self::Elasticsearch, Self::OpenSearch];

    /// Its word on the command line and in file names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Elasticsearch => "elasticsearch",
            Self::OpenSearch => "opensearch",
        }
    }

    /// Its name as its makers write it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Elasticsearch => "Elasticsearch",
            Self::OpenSearch => "OpenSearch",
        }
    }
}
