//! Artefacts for Elasticsearch and OpenSearch, made from the tables of `record`.
//!
//! What is generated is committed below `elk/`; a test compares. Not here: sending anything
//! (`ship`), what a record is (`record`).

pub mod boards;
pub mod templates;

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
}
