//! Refusals, in the words of the real servers: of a whole request, and of one item of a bulk request.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{ItemOutcome, Product};

/// An answer that a request is refused with.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Refusal {
    /// One with an exception, as most are.
    pub(super) fn exception(status: u16, kind: &str, reason: &str) -> Self {
        Self::details(status, &json!({ "type": kind, "reason": reason }))
    }

    /// One with an exception that says more than type and reason.
    fn details(status: u16, exception: &Value) -> Self {
        let mut error = exception.clone();
        error["root_cause"] = json!([exception]);
        Self::plain(status, &json!({ "error": error, "status": status }))
    }

    fn plain(status: u16, body: &Value) -> Self {
        Self { status, body: body.to_string().into() }
    }

    /// Something in the request makes no sense.
    pub(super) fn illegal(reason: &str) -> Self {
        Self::exception(400, "illegal_argument_exception", reason)
    }

    /// No index or stream of that name.
    pub(super) fn no_index(name: &str) -> Self {
        let exception = json!({
            "type": "index_not_found_exception", "reason": format!("no such index [{name}]"),
            "resource.type": "index_or_alias", "resource.id": name,
            "index_uuid": "_na_", "index": name,
        });
        Self::details(404, &exception)
    }

    /// A body in a format that is not understood.
    pub(super) fn content_type(found: &str) -> Self {
        let text = format!("Content-Type header [{found}] is not supported");
        Self::plain(406, &json!({ "error": text, "status": 406 }))
    }

    /// Nothing is done at this path, or not with this method.
    pub(super) fn no_handler(product: Product, head: &http::request::Parts) -> Self {
        let text = format!("no handler found for uri [{}] and method [{}]", head.uri, head.method);
        let mut body = json!({ "error": text });
        if product != Product::OpenSearch {
            body["status"] = 400.into();
        }
        Self::plain(400, &body)
    }

    /// What the reduced build answers at `/`, where only its wildcard for index names listens.
    pub(super) fn no_main_action() -> Self {
        let text = "Incorrect HTTP method for uri [/] and method [GET], allowed: [DELETE]";
        Self::plain(405, &json!({ "error": text, "status": 405 }))
    }

    /// What the server itself says when it refuses a bulk request with `status`.
    pub(super) fn usual(product: Product, status: u16) -> Self {
        let is_open = product == Product::OpenSearch;
        let (kind, reason) = match status {
            401 if is_open => return Self { status, body: Bytes::from_static(b"Unauthorized") },
            401 => return Self::unauthorized(),
            403 => {
                ("cluster_block_exception", "blocked by: [FORBIDDEN/6/cluster read-only (api)];")
            }
            413 => return Self { status, body: Bytes::new() },
            429 => (
                rejection(product),
                "rejected execution of coordinating operation [coordinating_and_primary_bytes=0, \
                 replica_bytes=0, all_bytes=0, coordinating_operation_bytes=2048, \
                 max_coordinating_bytes=1024]",
            ),
            503 if is_open => ("cluster_manager_not_discovered_exception", "no cluster manager"),
            503 => ("master_not_discovered_exception", "no master"),
            _ => ("status_exception", "scripted"),
        };
        Self::exception(status, kind, reason)
    }

    /// Wrong or missing credentials.
    fn unauthorized() -> Self {
        let exception = json!({
            "type": "security_exception",
            "reason": "unable to authenticate for REST request",
            "header": { "WWW-Authenticate": ["Basic realm=\"security\", charset=\"UTF-8\"", "ApiKey"] },
        });
        Self::details(401, &exception)
    }
}

/// Type of the exception when a queue is full.
const fn rejection(product: Product) -> &'static str {
    match product {
        Product::OpenSearch => "rejected_execution_exception",
        Product::Elasticsearch | Product::ElasticsearchReduced => "es_rejected_execution_exception",
    }
}

/// Type of the exception when a document does not fit the mapping or is no document.
pub(super) const fn parsing(product: Product) -> &'static str {
    match product {
        Product::OpenSearch => "mapper_parsing_exception",
        Product::Elasticsearch | Product::ElasticsearchReduced => "document_parsing_exception",
    }
}

/// Why a document with this id is not stored again.
pub(super) fn conflict(id: &str, index: &str) -> Value {
    json!({
        "type": "version_conflict_engine_exception",
        "reason": format!("[{id}]: version conflict, document already exists (current version [1])"),
        "index_uuid": "mock", "shard": "0", "index": index,
    })
}

/// What is answered for an item that a script lets fail: status and `error`. Nothing for a document
/// that goes to the failure store.
pub(super) fn item(
    outcome: &ItemOutcome,
    product: Product,
    id: &str,
    index: &str,
) -> Option<(u16, Value)> {
    let (status, kind, reason) = match outcome {
        ItemOutcome::FailureStored => return None,
        ItemOutcome::Rejected => (
            429,
            rejection(product),
            format!("rejected execution of primary operation on [{index}][0]: queue is full"),
        ),
        ItemOutcome::WriteBlocked => (
            403,
            "cluster_block_exception",
            format!("index [{index}] blocked by: [FORBIDDEN/8/index write (api)];"),
        ),
        ItemOutcome::FloodStage => (
            429,
            "cluster_block_exception",
            format!(
                "index [{index}] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage \
                 watermark, index has read-only-allow-delete block];"
            ),
        ),
        ItemOutcome::Malformed => (
            400,
            parsing(product),
            format!(
                "failed to parse field [field] of type [long] in document with id '{id}'. Preview of \
                 field's value: 'text'"
            ),
        ),
        ItemOutcome::Missing => {
            (404, "index_not_found_exception", format!("no such index [{index}]"))
        }
        ItemOutcome::Error { status, kind, reason } => (*status, kind.as_str(), reason.clone()),
    };
    Some((status, json!({ "type": kind, "reason": reason })))
}
