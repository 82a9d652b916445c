//! What must hold of the answer to a bulk, whatever its body: every document has exactly one outcome,
//! that of its own item, or none has.

use serde_json::Value;

use super::{Outcome, Refusal, outcomes};
use crate::elk::problem::Fault;
use crate::web::Secrets;

/// Most bytes of the reason that a log line, a page and a metric's label may get.
const REASON_BYTES_MAX: usize = 1_000;

/// Kinds of 400 that speak of the document, whatever becomes of its neighbours.
const OF_THE_DOCUMENT: [&str; 3] =
    ["document_parsing_exception", "mapper_parsing_exception", "strict_dynamic_mapping_exception"];

/// Whether a tree is an answer for so many documents.
fn is_answer(tree: &Value, count: usize) -> bool {
    let is_text_or_none = |value: &Value| value.is_string() || value.is_null();
    let is_error = |error: &Value| {
        let is_told = is_text_or_none(&error["type"]) && is_text_or_none(&error["reason"]);
        error.is_null() || error.is_object() && is_told
    };
    let is_item = |item: &Value| {
        let result = &item["create"];
        result["status"].as_u64().is_some_and(|status| status <= 65_535)
            && is_error(&result["error"])
            && is_text_or_none(&result["failure_store"])
    };
    tree["items"].as_array().is_some_and(|items| items.len() == count && items.iter().all(is_item))
}

/// How many documents were sent, then the body.
pub(crate) fn answer(data: &[u8]) {
    let Some((&count, body)) = data.split_first() else { return };
    let count = usize::from(count);
    // What is passed over may be no text, too deep, or no number; a tree cannot be made of that.
    let tree = serde_json::from_slice::<Value>(body).ok();
    if let Some(tree) = &tree {
        let once = serde_json::to_vec(tree).unwrap_or_default(); // a key that stands twice is a mistake
        let is_read = outcomes(&once, count, &Secrets::default()).is_ok();
        assert_eq!(is_read, is_answer(tree, count), "{tree}");
    }
    let found = match outcomes(body, count, &Secrets::default()) {
        Ok(found) => found,
        Err(problem) => {
            assert_eq!(problem.fault, Fault::Unknown, "anything may have happened");
            assert!((1..=REASON_BYTES_MAX).contains(&problem.reason.len()), "{}", problem.reason);
            return;
        }
    };
    assert_eq!(found.len(), count);
    let Some(tree) = tree else { return };
    assert_eq!(tree["items"].as_array().map(Vec::len), Some(count), "what is none is no answer");
    for (index, outcome) in found.iter().enumerate() {
        let item = &tree["items"][index]["create"];
        let is_parked = item["failure_store"] == "used";
        let kind = item["error"]["type"].as_str().unwrap_or_default();
        let reason = item["error"]["reason"].as_str().unwrap_or_default();
        let is_same = |refusal: &Refusal| refusal.kind == kind && refusal.reason == reason;
        let is_documents = item["status"] == 400 && OF_THE_DOCUMENT.contains(&kind);
        let is_right = match (item["status"].as_u64(), outcome) {
            (Some(200 | 201), Outcome::Stored) => !is_parked,
            (Some(200 | 201), Outcome::FailureStore) => is_parked,
            (Some(200 | 201), _) | (_, Outcome::Stored | Outcome::FailureStore) => false,
            (status, Outcome::Duplicate) => status == Some(409),
            (status, Outcome::Again) => matches!(status, Some(429 | 503)),
            // For good: only what the server says of this document's own content.
            (_, Outcome::Dead(refusal)) => is_documents && is_same(refusal),
            (status, Outcome::Held(_, refusal) | Outcome::Unclear { refusal, .. }) => {
                let is_other = status != Some(409) && !is_documents;
                is_other && status == Some(refusal.status.into()) && is_same(refusal)
            }
        };
        assert!(is_right, "{item} is not {outcome:?}");
    }
}
