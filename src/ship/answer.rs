//! What the answer to a bulk request means for each of its documents.
//!
//! Nothing is taken for stored that the server has not said of that document itself: HTTP 200 alone
//! says nothing. A refusal speaks of the document (a dead letter), of its stream (everything waits until
//! somebody acts), or does not tell (`doubt` decides). The words are those of OpenSearch 2.19 and
//! Elasticsearch 8.19; `tests/it/blocked_real.rs` asks both. Not here: what the answer to a whole
//! request means (`elk::problem`).

use serde::Deserialize;

use crate::base::object::Object;
use crate::elk::problem::{Error, Fault, Problem, in_short};
use crate::web::Secrets;

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
    /// Its stream takes nothing before somebody acts: send it again later.
    Held(Cause, Refusal),
    /// Refused; perhaps because of its stream. Where `is_suspect`, perhaps stored all the same.
    Unclear { refusal: Refusal, is_suspect: bool },
    /// Refused for good.
    Dead(Refusal),
}

/// Why a stream takes no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Credentials,
    Rights,
    Block,
    Missing,
    Shards,
    Pipeline,
    Closed,
    WriteIndex,
    Name,
}

impl Cause {
    pub(super) const fn fault(self) -> Fault {
        match self {
            Self::Credentials => Fault::Unauthorized,
            Self::Rights => Fault::Forbidden,
            _ => Fault::Blocked,
        }
    }

    /// What a person can do; empty where the fault says it.
    pub(super) const fn cure(self) -> &'static str {
        match self {
            Self::Credentials | Self::Rights | Self::Block => "",
            Self::Missing => {
                "create the stream, or let the server do so (action.auto_create_index)"
            }
            Self::Shards => {
                "raise cluster.max_shards_per_node, add a node, or delete indices that are not needed"
            }
            Self::Pipeline => {
                "create that ingest pipeline, or take index.default_pipeline or index.final_pipeline \
                 out of the index and its template"
            }
            Self::Closed => "open the index (POST INDEX/_open), or roll the stream over",
            Self::WriteIndex => {
                "give the alias a write index (is_write_index), or remove the alias"
            }
            Self::Name => "correct telemetry.namespace",
        }
    }
}

/// What a server says of a document that it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// The server's word for the error.
    pub(super) kind: String,
    /// Its explanation; may quote the document, unless it speaks of the stream.
    pub(super) reason: String,
}

/// Refusals that speak of the stream: status, the server's word, a part of its explanation. Empty is
/// any; the first that fits counts.
const OF_THE_STREAM: [(u16, &str, &str, Cause); 10] = [
    (401, "", "", Cause::Credentials),
    (403, "cluster_block_exception", "", Cause::Block),
    (429, "cluster_block_exception", "", Cause::Block), // flood stage
    (403, "", "", Cause::Rights),
    (404, "index_not_found_exception", "", Cause::Missing),
    (400, "validation_exception", "shards open", Cause::Shards),
    (400, "illegal_argument_exception", "pipeline with id [", Cause::Pipeline),
    (400, "index_closed_exception", "", Cause::Closed),
    (400, "illegal_argument_exception", "no write index is defined", Cause::WriteIndex),
    (400, "invalid_index_name_exception", "", Cause::Name),
];

/// Refusals with 400 that speak of the document, whatever became of its neighbours: it does not fit
/// the mapping. The limit of fields is one of them on Elasticsearch.
const OF_THE_DOCUMENT: [&str; 3] =
    ["document_parsing_exception", "mapper_parsing_exception", "strict_dynamic_mapping_exception"];

/// The part of a bulk answer that `filter_path` leaves.
#[derive(Debug, Deserialize)]
struct Reply {
    /// One per document, in order.
    items: Vec<Object<Entry>>,
}

/// An item; lbproxy only creates.
#[derive(Debug, Deserialize)]
struct Entry {
    create: Object<Result>,
}

/// The result of one document.
#[derive(Debug, Deserialize)]
struct Result {
    status: u16,
    error: Option<Object<Error>>,
    /// `used` when the failure store has it.
    failure_store: Option<String>,
}

/// Reads the answer to a bulk of `count` documents.
///
/// # Errors
/// [`Fault::Unknown`] when it cannot be read as a whole or does not speak of every document.
pub(super) fn outcomes(
    body: &[u8],
    count: usize,
    secrets: &Secrets,
) -> std::result::Result<Vec<Outcome>, Problem> {
    let Object(reply): Object<Reply> = serde_json::from_slice(body)
        .map_err(|error| format!("unreadable answer{}", in_short(&error.to_string())))
        .map_err(|reason| Problem::new(Fault::Unknown, reason))?;
    let got = reply.items.len();
    if got != count {
        let reason = format!("the answer speaks of {got} documents, not of {count}");
        return Err(Problem::new(Fault::Unknown, reason));
    }
    Ok(reply.items.into_iter().map(|Object(entry)| outcome(entry.create.0, secrets)).collect())
}

fn outcome(result: Result, secrets: &Secrets) -> Outcome {
    let status = result.status;
    let is_parked = result.failure_store.as_deref() == Some("used");
    let Error { kind, reason } = result.error.unwrap_or_default().0;
    let fits = |(known, word, part, _): &&(u16, &str, &str, Cause)| {
        *known == status && (word.is_empty() || *word == kind) && reason.contains(part)
    };
    match status {
        200 | 201 if is_parked => return Outcome::FailureStore,
        200 | 201 => return Outcome::Stored,
        409 => return Outcome::Duplicate,
        _ => (),
    }
    let cause = OF_THE_STREAM.iter().find(fits).map(|(.., cause)| *cause);
    let is_documents = status == 400 && OF_THE_DOCUMENT.contains(&kind.as_str());
    let refusal = Refusal { status, kind: secrets.mask(&kind), reason: secrets.mask(&reason) };
    match (cause, status) {
        (Some(cause), _) => Outcome::Held(cause, refusal),
        // Queues, circuit breakers, shards and masters that are away for a moment.
        (None, 429 | 503) => Outcome::Again,
        (None, _) if is_documents => Outcome::Dead(refusal),
        (None, _) => Outcome::Unclear { refusal, is_suspect: (500..=599).contains(&status) },
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;

#[cfg(test)]
mod tests {
    use elasticsearch::http::headers::{HeaderMap, HeaderValue};

    use super::*;

    /// What is done, in a word.
    fn done(status: u16, kind: &str, reason: &str, more: &str) -> String {
        let error = serde_json::json!({ "type": kind, "reason": reason });
        let error = if kind.is_empty() { String::new() } else { format!(r#","error":{error}"#) };
        let body = format!(r#"{{"items":[{{"create":{{"status":{status}{error}{more}}}}}]}}"#);
        match outcomes(body.as_bytes(), 1, &Secrets::default()).unwrap().remove(0) {
            Outcome::Held(cause, refusal) => {
                assert_eq!(refusal.status, status);
                format!("waits: {cause:?}")
            }
            Outcome::Unclear { is_suspect: true, .. } => "unclear, perhaps stored".into(),
            Outcome::Unclear { .. } => "unclear".into(),
            Outcome::Dead(_) => "dead".into(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn each_answer_to_a_document_has_its_outcome() {
        const ILLEGAL: &str = "illegal_argument_exception";
        const BLOCK: &str = "cluster_block_exception";
        const INVALID: &str = "validation_exception";
        const PARSING: &str = "document_parsing_exception";
        // What OpenSearch 2.19.4 (o) and Elasticsearch 8.19.21 (e) say of documents in such a state.
        let rows = [
            ("stored", 201, "", "", "Stored"),
            ("there already", 409, "version_conflict_engine_exception", "", "Duplicate"),
            ("queue full o", 429, "rejected_execution_exception", "", "Again"),
            ("queue full e", 429, "es_rejected_execution_exception", "", "Again"),
            ("memory", 429, "circuit_breaking_exception", "[parent] Data too large", "Again"),
            ("shard away", 503, "unavailable_shards_exception", "primary shard is not", "Again"),
            ("slow master", 503, "process_cluster_event_timeout_exception", "failed to", "Again"),
            ("no master yet", 503, BLOCK, "[SERVICE_UNAVAILABLE/2/no master];", "Again"),
            ("flood stage", 429, BLOCK, "[TOO_MANY_REQUESTS/12/disk usage", "waits: Block"),
            ("write block", 403, BLOCK, "[FORBIDDEN/8/index write (api)];", "waits: Block"),
            ("read-only", 403, BLOCK, "[FORBIDDEN/5/index read-only (api)];", "waits: Block"),
            ("not known", 401, "security_exception", "", "waits: Credentials"),
            ("no right", 403, "security_exception", "", "waits: Rights"),
            ("no auto-create", 404, "index_not_found_exception", "no such index", "waits: Missing"),
            ("shards o", 400, INVALID, "[4]/[1] maximum shards open;", "waits: Shards"),
            ("shards e", 400, INVALID, "[5]/[1] maximum normal shards open", "waits: Shards"),
            ("no pipeline", 400, ILLEGAL, "pipeline with id [a] does not exist", "waits: Pipeline"),
            ("closed", 400, "index_closed_exception", "closed", "waits: Closed"),
            ("no write index", 400, ILLEGAL, "no write index is defined", "waits: WriteIndex"),
            ("a bad name", 400, "invalid_index_name_exception", "Invalid index", "waits: Name"),
            ("bad field o", 400, "mapper_parsing_exception", "failed to parse field", "dead"),
            ("bad field e", 400, PARSING, "failed to parse field", "dead"),
            ("unknown field", 400, "strict_dynamic_mapping_exception", "", "dead"),
            ("limit of fields e", 400, PARSING, "Limit of total fields [3]", "dead"),
            ("limit of fields o", 400, ILLEGAL, "Limit of total fields [3]", "unclear"),
            ("long term o", 400, ILLEGAL, "Document contains at least one immense term", "unclear"),
            ("pipeline fails", 400, "script_exception", "runtime error", "unclear"),
            ("never heard of", 400, "x", "", "unclear"),
            ("gone", 404, "resource_not_found_exception", "", "unclear"),
            ("fault inside", 500, "null_pointer_exception", "", "unclear, perhaps stored"),
            ("nothing but a status", 400, "", "", "unclear"),
        ];
        for (name, status, kind, reason, want) in rows {
            assert_eq!(done(status, kind, reason, ""), want, "{name}");
        }
        let used = r#","failure_store":"used""#;
        assert_eq!(done(201, "", "", used), "FailureStore");
        let failed = r#","failure_store":"failed""#;
        assert_eq!(done(400, PARSING, "", failed), "dead");
        let silent = r#","error":{"type":"null_pointer_exception","reason":null}"#;
        assert_eq!(done(500, "", "", silent), "unclear, perhaps stored", "nothing but a kind");
    }

    #[test]
    fn a_refusal_that_quotes_the_credentials_is_kept_without_them() {
        let mut fields = HeaderMap::new();
        let mut token = HeaderValue::from_static("Bearer mapper_parsing_exception");
        token.set_sensitive(true);
        fields.insert("authorization", token);
        let error = r#"{"type":"mapper_parsing_exception","reason":"r mapper_parsing_exception"}"#;
        let body = format!(r#"{{"items":[{{"create":{{"status":400,"error":{error}}}}}]}}"#);
        let refusal = Refusal { status: 400, kind: "***".into(), reason: "r ***".into() };
        // What is done follows from what the server said.
        let got = outcomes(body.as_bytes(), 1, &Secrets::of(&fields)).unwrap();
        assert_eq!(got, [Outcome::Dead(refusal)]);
    }

    #[test]
    fn every_cause_has_a_cure_or_a_fault_with_one() {
        for (status, kind, _, cause) in OF_THE_STREAM {
            let is_plain = matches!(cause, Cause::Credentials | Cause::Rights | Cause::Block);
            assert_eq!(cause.cure().is_empty(), is_plain, "{status} {kind}");
        }
    }

    #[test]
    fn an_answer_that_does_not_speak_of_every_document_is_unknown() {
        let rows: [(&str, &[u8]); 9] = [
            ("nothing", b""),
            ("an array", br#"[[{"create":{"status":201}},{"create":{"status":201}}]]"#),
            ("items that are arrays", br#"{"items":[[{"status":201}],[{"status":201}]]}"#),
            ("results that are arrays", br#"{"items":[{"create":[201]},{"create":[201]}]}"#),
            ("not JSON", b"<html>"),
            ("cut", br#"{"items":[{"create":{"status":201}}"#),
            ("too few", br#"{"items":[{"create":{"status":201}}]}"#),
            ("too many", br#"{"items":[{"create":{"status":201}},{"create":{"status":201}},{"create":{"status":201}}]}"#),
            ("another verb", br#"{"items":[{"index":{"status":201}},{"index":{"status":201}}]}"#),
        ];
        for (name, body) in rows {
            assert_eq!(
                outcomes(body, 2, &Secrets::default()).unwrap_err().fault,
                Fault::Unknown,
                "{name}"
            );
        }
    }
}
