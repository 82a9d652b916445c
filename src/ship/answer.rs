//! What answers mean: one table for whole requests, one for the documents of a bulk.
//!
//! Nothing is taken for stored that the server has not said of that document itself: HTTP 200 alone
//! says nothing. Background: Elasticsearch and OpenSearch bulk API; `docs/shipping.md`.

use serde::Deserialize;

/// Why a request had no usable answer, and thereby what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No connection could be made: nothing was sent.
    NotSent,
    /// The answer was lost or cannot be understood: anything may have happened.
    Unknown,
    /// The server asks for less (429, 503, blocks): nothing was stored.
    Overloaded,
    /// The body is too large (413): nothing was stored.
    TooLarge,
    /// The credentials are refused (401).
    Unauthorized,
    /// The credentials do not suffice (403).
    Forbidden,
    /// The server does not want such a request at all: a person has to act.
    Refused,
}

/// A fault and its reason in words, without anything of a document.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    /// The fault.
    pub(super) fault: Fault,
    /// The reason.
    pub(super) reason: String,
}

impl Problem {
    /// A problem.
    pub(super) fn new(fault: Fault, reason: impl Into<String>) -> Self {
        Self { fault, reason: reason.into() }
    }
}

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

/// Classifies a status and body of any request but the documents of a bulk; `None` when the answer
/// can be used (2xx, and 404: it says that something is not there).
pub(super) fn problem(status: u16, body: &[u8]) -> Option<Problem> {
    let Error { kind, reason: words } = error(body);
    let fault = match status {
        200..=299 | 404 => return None,
        401 => Fault::Unauthorized,
        403 if kind == "cluster_block_exception" => Fault::Overloaded,
        403 => Fault::Forbidden,
        413 => Fault::TooLarge,
        429 | 503 => Fault::Overloaded,
        408 | 500..=599 => Fault::Unknown,
        _ => Fault::Refused,
    };
    let mut reason = format!("the server answers {status}");
    if !kind.is_empty() {
        reason.push(' ');
        reason.push_str(&kind);
    }
    // A person has to act and needs the server's own words; no document is in such an answer.
    if fault == Fault::Refused && !words.is_empty() {
        reason.push_str(": ");
        reason.extend(words.chars().take(WORDS_MAX));
    }
    Some(Problem::new(fault, reason))
}

/// Most characters of a server's own words in a reason.
const WORDS_MAX: usize = 400;

/// `error` of an error body, if it has one.
fn error(body: &[u8]) -> Error {
    #[derive(Deserialize)]
    struct Body {
        error: Error,
    }
    serde_json::from_slice::<Body>(body).map(|body| body.error).unwrap_or_default()
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

/// An error.
#[derive(Debug, Default, Deserialize)]
struct Error {
    /// Its name.
    #[serde(rename = "type", default)]
    kind: String,
    /// Its explanation.
    #[serde(default)]
    reason: String,
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
    fn each_status_of_a_request_has_its_fault() {
        let block = br#"{"error":{"type":"cluster_block_exception","reason":"x"},"status":403}"#;
        let rows: [(&str, u16, &[u8], Option<Fault>); 13] = [
            ("fine", 200, b"", None),
            ("not there", 404, b"", None),
            ("moved", 302, b"", Some(Fault::Refused)),
            ("not understood", 400, b"", Some(Fault::Refused)),
            ("who are you", 401, b"", Some(Fault::Unauthorized)),
            ("you may not", 403, b"{}", Some(Fault::Forbidden)),
            ("write block", 403, block, Some(Fault::Overloaded)),
            ("too slow", 408, b"", Some(Fault::Unknown)),
            ("too large", 413, b"<html>", Some(Fault::TooLarge)),
            ("too much", 429, b"", Some(Fault::Overloaded)),
            ("broken", 500, b"", Some(Fault::Unknown)),
            ("gateway", 502, b"", Some(Fault::Unknown)),
            ("not now", 503, b"", Some(Fault::Overloaded)),
        ];
        for (name, status, body, want) in rows {
            assert_eq!(problem(status, body).map(|problem| problem.fault), want, "{name}");
        }
    }

    #[test]
    fn a_refusal_carries_the_servers_own_words_up_to_a_bound() {
        let long = "x".repeat(1_000);
        let body =
            format!(r#"{{"error":{{"type":"illegal_argument_exception","reason":"{long}"}}}}"#);
        let reason = problem(400, body.as_bytes()).unwrap().reason;
        let start = "the server answers 400 illegal_argument_exception: xx";
        assert!(reason.starts_with(start) && reason.len() < 500, "{reason}");
        assert!(!problem(503, body.as_bytes()).unwrap().reason.contains("xx"), "nobody has to act");
    }

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
