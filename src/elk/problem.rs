//! What an answer means for the request as a whole: one table of statuses.
//!
//! Not here: the documents of a bulk request (`ship::answer`).

use serde::{Deserialize, Deserializer};

use crate::base::object::Object;
use crate::web::Secrets;

/// Why a request had no usable answer, and thereby what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No connection could be made: nothing was sent.
    NotSent,
    /// The answer was lost or cannot be understood: anything may have happened.
    Unknown,
    /// The server asks for less (429, 503): nothing was stored.
    Overloaded,
    /// A block, or a stream that takes nothing: nothing was stored, and a person has to act.
    Blocked,
    /// The body is too large (413): nothing was stored.
    TooLarge,
    /// The credentials are refused (401).
    Unauthorized,
    /// The credentials do not suffice (403).
    Forbidden,
    /// The server does not want such a request at all: a person has to act.
    Refused,
    /// Not the server's: the file of dead letters is full, or cannot be written.
    DeadLetters,
}

/// A fault and its reason in words, without anything of a document.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) fault: Fault,
    pub(crate) reason: String,
    /// Status of the answer; 0 without one.
    pub(crate) status: u16,
    /// What a person can do, where it is known more exactly than by the fault; else empty.
    pub(crate) cure: &'static str,
}

impl Problem {
    /// A problem without an answer.
    pub(crate) fn new(fault: Fault, reason: impl Into<String>) -> Self {
        Self { fault, reason: reason.into(), status: 0, cure: "" }
    }

    /// Whether waiting may help: the server starts, has not loaded its users yet, or has too much to do.
    pub(crate) const fn may_pass(&self) -> bool {
        self.cure.is_empty()
            && matches!(
                self.fault,
                Fault::NotSent | Fault::Unknown | Fault::Overloaded | Fault::Unauthorized
            )
    }

    /// Whether the server has nothing at this path: a build without that part.
    pub(crate) const fn is_no_such_api(&self) -> bool {
        matches!(self.status, 400 | 405)
    }
}

/// Classifies a status and body of any request but the documents of a bulk; `None` when the answer
/// can be used (2xx, and 404: it says that something is not there).
pub(crate) fn problem(status: u16, body: &[u8], secrets: &Secrets) -> Option<Problem> {
    let Error { kind, reason: words } = error(body);
    let fault = match status {
        200..=299 | 404 => return None,
        401 => Fault::Unauthorized,
        403 | 429 if kind == "cluster_block_exception" => Fault::Blocked,
        403 => Fault::Forbidden,
        413 => Fault::TooLarge,
        429 | 503 => Fault::Overloaded,
        408 | 500..=599 => Fault::Unknown,
        _ => Fault::Refused,
    };
    let mut reason = format!("the server answers {status}");
    if !kind.is_empty() {
        reason.push(' ');
        reason.push_str(&secrets.mask(&kind));
    }
    // A person has to act and needs the server's own words; no document is in such an answer.
    if matches!(fault, Fault::Refused | Fault::Forbidden | Fault::Blocked) {
        reason.push_str(&in_short(&secrets.mask(&words)));
    }
    Some(Problem { status, ..Problem::new(fault, reason) })
}

/// Most characters of a server's own words in a reason.
const WORDS_MAX: usize = 400;

/// A server's own words, to follow what they explain.
pub(crate) fn in_short(words: &str) -> String {
    let start = if words.is_empty() { "" } else { ": " };
    start.chars().chain(words.chars().take(WORDS_MAX)).collect()
}

/// `error` of an error body, if it has one. Kibana and OpenSearch Dashboards have a `message` beside it.
fn error(body: &[u8]) -> Error {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Body {
        Store { error: Object<Error> },
        Dashboards { error: String, message: String },
    }
    match serde_json::from_slice(body) {
        Ok(Body::Store { error: Object(error) }) => error,
        Ok(Body::Dashboards { error: kind, message: reason }) => Error { kind, reason },
        Err(_) => Error::default(),
    }
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Error {
    #[serde(rename = "type", default, deserialize_with = "text_or_none")]
    pub(crate) kind: String,
    #[serde(default, deserialize_with = "text_or_none")]
    pub(crate) reason: String,
}

/// A text; `null`, as servers say of an exception without a message, is an empty one.
fn text_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_of_a_request_has_its_fault() {
        let block = br#"{"error":{"type":"cluster_block_exception","reason":"x"},"status":403}"#;
        let silent = br#"{"error":{"type":"cluster_block_exception","reason":null}}"#;
        let rows: [(&str, u16, &[u8], Option<Fault>); 16] = [
            ("fine", 200, b"", None),
            ("not there", 404, b"", None),
            ("moved", 302, b"", Some(Fault::Refused)),
            ("not understood", 400, b"", Some(Fault::Refused)),
            ("who are you", 401, b"", Some(Fault::Unauthorized)),
            ("you may not", 403, b"{}", Some(Fault::Forbidden)),
            ("write block", 403, block, Some(Fault::Blocked)),
            ("without words", 403, silent, Some(Fault::Blocked)),
            ("flood stage", 429, block, Some(Fault::Blocked)),
            ("no master yet", 503, block, Some(Fault::Overloaded)),
            ("too slow", 408, b"", Some(Fault::Unknown)),
            ("too large", 413, b"<html>", Some(Fault::TooLarge)),
            ("too much", 429, b"", Some(Fault::Overloaded)),
            ("broken", 500, b"", Some(Fault::Unknown)),
            ("gateway", 502, b"", Some(Fault::Unknown)),
            ("not now", 503, b"", Some(Fault::Overloaded)),
        ];
        for (name, status, body, want) in rows {
            assert_eq!(
                problem(status, body, &Secrets::default()).map(|problem| problem.fault),
                want,
                "{name}"
            );
        }
    }

    #[test]
    fn a_refusal_carries_the_servers_own_words_up_to_a_bound() {
        let long = "x".repeat(1_000);
        let body =
            format!(r#"{{"error":{{"type":"illegal_argument_exception","reason":"{long}"}}}}"#);
        let problem = |status, body: &[u8]| problem(status, body, &Secrets::default()).unwrap();
        let reason = problem(400, body.as_bytes()).reason;
        let start = "the server answers 400 illegal_argument_exception: xx";
        assert!(reason.starts_with(start) && reason.len() < 500, "{reason}");
        assert!(!problem(503, body.as_bytes()).reason.contains("xx"), "nobody has to act");
        let body =
            br#"{"statusCode":403,"error":"Forbidden","message":"Unable to bulk_get search"}"#;
        let reason = problem(403, body).reason;
        assert_eq!(reason, "the server answers 403 Forbidden: Unable to bulk_get search");
    }
}
