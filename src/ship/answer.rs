//! What the answer to a bulk request means for each of its documents.
//!
//! Nothing is taken for stored that the server has not said of that document itself: HTTP 200 alone
//! says nothing. Background: Elasticsearch and OpenSearch bulk API; `docs/shipping.md`. Not here: what
//! the answer to a whole request means (`elk::problem`).

use serde::Deserialize;

use crate::elk::problem::{Error, Fault, Problem};

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Stored now.
    Stored,
    /// It was stored before.
    Duplicate,
    /// The server keeps it in its failure store.
    FailureStore,
    /// Not stored: send it again soon.
    Again,
    /// Perhaps stored: look, then send it again.
    Suspect,
    /// Not stored before somebody acts (rights, a block, a missing stream): send it again later.
    Blocked(Refusal),
    /// Refused for good.
    Dead(Refusal),
}

/// What a server says of a document that it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Status of the document.
    pub(super) status: u16,
    /// The server's word for the error.
    pub(super) kind: String,
    /// Its explanation; may quote the document.
    pub(super) reason: String,
}

/// The part of a bulk answer that `filter_path` leaves.
#[derive(Debug, Deserialize)]
struct Reply {
    /// One per document, in order.
    items: Vec<Entry>,
}

/// An item; lbproxy only creates.
#[derive(Debug, Deserialize)]
struct Entry {
    /// The result.
    create: Result,
}

/// The result of one document.
#[derive(Debug, Deserialize)]
struct Result {
    /// Its status.
    status: u16,
    /// Why it was refused.
    error: Option<Error>,
    /// `used` when the failure store has it.
    failure_store: Option<String>,
}

/// Reads the answer to a bulk of `count` documents.
///
/// # Errors
/// [`Fault::Unknown`] when it cannot be read as a whole or does not speak of every document.
pub(super) fn outcomes(body: &[u8], count: usize) -> std::result::Result<Vec<Outcome>, Problem> {
    let reply: Reply = serde_json::from_slice(body)
        .map_err(|error| Problem::new(Fault::Unknown, format!("unreadable answer: {error}")))?;
    let got = reply.items.len();
    if got != count {
        let reason = format!("the answer speaks of {got} documents, not of {count}");
        return Err(Problem::new(Fault::Unknown, reason));
    }
    Ok(reply.items.into_iter().map(|entry| outcome(entry.create)).collect())
}

/// The table of documents.
fn outcome(result: Result) -> Outcome {
    let status = result.status;
    let is_parked = result.failure_store.as_deref() == Some("used");
    let Error { kind, reason } = result.error.unwrap_or_default();
    match (status, kind.as_str()) {
        (200 | 201, _) if is_parked => Outcome::FailureStore,
        (200 | 201, _) => Outcome::Stored,
        (409, _) => Outcome::Duplicate,
        (429 | 503, _) => Outcome::Again,
        (500..=599, _) => Outcome::Suspect,
        // About the stream or the credentials, not about this document.
        (401 | 403, _) | (404, "index_not_found_exception") => {
            Outcome::Blocked(Refusal { status, kind, reason })
        }
        _ => Outcome::Dead(Refusal { status, kind, reason }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_of_a_document_has_its_outcome() {
        let refusal =
            |status, kind: &str| Refusal { status, kind: kind.into(), reason: "r".into() };
        let error = |kind: &str| format!(r#","error":{{"type":"{kind}","reason":"r"}}"#);
        let rows = [
            ("stored", 201, String::new(), Outcome::Stored),
            ("parked", 201, r#","failure_store":"used""#.into(), Outcome::FailureStore),
            ("there already", 409, error("version_conflict_engine_exception"), Outcome::Duplicate),
            ("queue full", 429, error("es_rejected_execution_exception"), Outcome::Again),
            ("flood stage", 429, error("cluster_block_exception"), Outcome::Again),
            ("shard away", 503, error("unavailable_shards_exception"), Outcome::Again),
            ("fault inside", 500, error("x"), Outcome::Suspect),
            (
                "write block",
                403,
                error("cluster_block_exception"),
                Outcome::Blocked(refusal(403, "cluster_block_exception")),
            ),
            (
                "no stream",
                404,
                error("index_not_found_exception"),
                Outcome::Blocked(refusal(404, "index_not_found_exception")),
            ),
            (
                "bad field",
                400,
                error("document_parsing_exception"),
                Outcome::Dead(refusal(400, "document_parsing_exception")),
            ),
            (
                "parking failed",
                400,
                error("x") + r#","failure_store":"failed""#,
                Outcome::Dead(refusal(400, "x")),
            ),
        ];
        for (name, status, more, want) in rows {
            let body =
                format!(r#"{{"errors":true,"items":[{{"create":{{"status":{status}{more}}}}}]}}"#);
            assert_eq!(outcomes(body.as_bytes(), 1).unwrap(), [want], "{name}");
        }
    }

    #[test]
    fn an_answer_that_does_not_speak_of_every_document_is_unknown() {
        let rows: [(&str, &[u8]); 6] = [
            ("nothing", b""),
            ("not JSON", b"<html>"),
            ("cut", br#"{"items":[{"create":{"status":201}}"#),
            ("too few", br#"{"items":[{"create":{"status":201}}]}"#),
            ("too many", br#"{"items":[{"create":{"status":201}},{"create":{"status":201}},{"create":{"status":201}}]}"#),
            ("another verb", br#"{"items":[{"index":{"status":201}},{"index":{"status":201}}]}"#),
        ];
        for (name, body) in rows {
            assert_eq!(outcomes(body, 2).unwrap_err().fault, Fault::Unknown, "{name}");
        }
    }
}
