//! The least that shipping needs: a role, and a user or key that has it.
//!
//! `auto_configure` and `create_doc` on its own streams; and unless it is to write only, the right to
//! look up whether a document whose answer was lost is stored, which is what keeps it from being
//! stored twice across a rollover, and is what audits need. No right to install anything. Background: Elasticsearch "Security
//! privileges"; OpenSearch "Permissions", which knows no `create_doc`: who may create may overwrite.

use serde_json::{Value, json};

use super::server::Features;
use super::{MANAGED_BY, Product, templates};
use crate::record::Dataset;

/// Name of the role.
pub const ROLE: &str = "lbproxy_shipping";
/// Name of the user.
pub const USER: &str = "lbproxy";
/// Name of the API key.
pub const API_KEY: &str = "lbproxy_shipping";

/// Name of the role for `lbproxy slo watch`.
pub const WATCH_ROLE: &str = "lbproxy_watch";
/// Name of the user that has it; made where its password is given.
pub const WATCH_USER: &str = "lbproxy_watch";

/// Which credentials are made for shipping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// A user with a password.
    User,
    /// The user of `lbproxy slo watch`, to be removed; it is made where its password is given (`given`).
    Watch,
    /// An API key; Elasticsearch only.
    ApiKey,
}

/// What shipping may do beyond writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Look up what it wrote.
    Lookup,
    /// Nothing.
    WriteOnly,
}

/// Patterns of the streams of all datasets.
pub fn stream_patterns() -> Vec<String> {
    Dataset::ALL.into_iter().map(|dataset| format!("{}-*", dataset.name())).collect()
}

/// What a role, or a key of its own, may do on Elasticsearch.
pub fn privileges(rights: Rights, features: Features) -> Value {
    let mut privileges = vec!["auto_configure", "create_doc"];
    if rights == Rights::Lookup {
        privileges.extend(["maintenance", "read"]);
        // `read` does not reach what stands beside a stream; older versions do not know the word.
        privileges.extend(features.failure_store.then_some("read_failure_store"));
    }
    json!({
        "cluster": ["monitor"],
        "indices": [{ "names": stream_patterns(), "privileges": privileges }],
    })
}

/// The body of `PUT _security/role/NAME`, or `PUT _plugins/_security/api/roles/NAME`.
pub fn role(product: Product, rights: Rights, features: Features) -> Value {
    match product {
        Product::Elasticsearch => {
            let mut role = privileges(rights, features);
            role["metadata"] = json!({ "managed_by": MANAGED_BY });
            role
        }
        Product::OpenSearch => {
            let mut actions = vec![
                "indices:admin/create",
                "indices:admin/data_stream/create",
                "indices:admin/mapping/put",
                "indices:data/write/bulk*",
                "indices:data/write/index",
            ];
            if rights == Rights::Lookup {
                actions.extend(["indices:admin/refresh*", "indices:data/read/search"]);
            }
            json!({
                "description": format!("managed by {MANAGED_BY}: shipping of records"),
                "cluster_permissions": ["cluster_monitor", "indices:data/write/bulk"],
                "index_permissions": [{
                    "index_patterns": stream_patterns(), "allowed_actions": actions,
                }],
            })
        }
    }
}

/// The role of a watcher: it reads what objectives and instances said, and keeps its lease.
pub fn watch_role(product: Product) -> Value {
    let pattern = |dataset: Dataset| format!("{}-*", dataset.name());
    let read = [Dataset::Slo, Dataset::Health, Dataset::Process].map(pattern);
    let lease = [format!("{}-*", templates::WATCH)];
    match product {
        Product::Elasticsearch => json!({
            "cluster": [],
            "indices": [
                { "names": read, "privileges": ["read"] },
                { "names": lease, "privileges": ["create_index", "index", "read"] },
            ],
            "metadata": { "managed_by": MANAGED_BY },
        }),
        Product::OpenSearch => json!({
            "description": format!("managed by {MANAGED_BY}: evaluation over all instances"),
            "cluster_permissions": ["indices:data/write/bulk"],
            "index_permissions": [
                { "index_patterns": read, "allowed_actions": ["indices:data/read/search"] },
                { "index_patterns": lease, "allowed_actions": [
                    "indices:admin/create", "indices:data/read/get", "indices:data/write/bulk*",
                    "indices:data/write/index",
                ] },
            ],
        }),
    }
}

/// The body of `PUT _security/user/NAME`, or `PUT _plugins/_security/api/internalusers/NAME`, but for
/// the password.
pub fn user(product: Product, role: &str) -> Value {
    let what = if role == WATCH_ROLE {
        "lbproxy, evaluation over all instances"
    } else {
        "lbproxy, shipping of records"
    };
    match product {
        Product::Elasticsearch => json!({
            "roles": [role], "full_name": what,
            "metadata": { "managed_by": MANAGED_BY },
        }),
        Product::OpenSearch => json!({
            "opendistro_security_roles": [role],
            "description": what,
            "attributes": { "managed_by": MANAGED_BY },
        }),
    }
}

/// The body of `POST _security/api_key`.
pub fn api_key(rights: Rights, features: Features) -> Value {
    json!({
        "name": API_KEY,
        "role_descriptors": { ROLE: privileges(rights, features) },
        "metadata": { "managed_by": MANAGED_BY },
    })
}
