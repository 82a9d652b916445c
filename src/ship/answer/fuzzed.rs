//! What must hold of the answer to a bulk, whatever its body: every document has exactly one outcome,
//! that of its own item, or none has.

use serde_json::Value;

use super::{Outcome, outcomes};
use crate::elk::problem::Fault;
use crate::web::Secrets;

/// Most bytes of the reason that a log line, a page and a metric's label may get.
const REASON_BYTES_MAX: usize = 1_000;

/// How many documents were sent, then the body.
pub(crate) fn answer(data: &[u8]) {
    let Some((&count, body)) = data.split_first() else { return };
    let count = usize::from(count);
    let found = match outcomes(body, count, &Secrets::default()) {
        Ok(found) => found,
        Err(problem) => {
            assert_eq!(problem.fault, Fault::Unknown, "anything may have happened");
            assert!((1..=REASON_BYTES_MAX).contains(&problem.reason.len()), "{}", problem.reason);
            return;
        }
    };
    assert_eq!(found.len(), count);
    // What is passed over may be no text, too deep, or no number; a tree cannot be made of that.
    let Ok(tree) = serde_json::from_slice::<Value>(body) else { return };
    assert_eq!(tree["items"].as_array().map(Vec::len), Some(count), "what is none is no answer");
    for (index, outcome) in found.iter().enumerate() {
        let item = &tree["items"][index]["create"];
        let is_parked = item["failure_store"] == "used";
        let kind = item["error"]["type"].as_str().unwrap_or_default();
        let is_right = match (item["status"].as_u64(), outcome) {
            (Some(200 | 201), Outcome::Stored) => !is_parked,
            (Some(200 | 201), Outcome::FailureStore) => is_parked,
            (Some(200 | 201), _) | (_, Outcome::Stored | Outcome::FailureStore) => false,
            (status, Outcome::Duplicate) => status == Some(409),
            (status, Outcome::Again) => matches!(status, Some(429 | 503)),
            // For good: only what the server says of this document's own content.
            (status, Outcome::Dead(refusal)) => status == Some(400) && refusal.kind == kind,
            (status, Outcome::Held(_, refusal) | Outcome::Unclear { refusal, .. }) => {
                status == Some(refusal.status.into()) && refusal.kind == kind && status != Some(409)
            }
        };
        assert!(is_right, "{item} is not {outcome:?}");
    }
}
