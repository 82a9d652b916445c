//! The body of a bulk request: pairs of lines, an action and its document.
//!
//! ```text
//! body = { action "\n" document "\n" }      action = {"create":{"_index":"…","_id":"…"}}
//! ```
//! Not here: what is done with them (`bulk`).

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;

use super::refusal::Refusal;

/// One action and its document.
#[derive(Debug)]
pub(super) struct Action {
    /// Stream or index it goes to.
    pub(super) name: String,
    /// Id of the document; none when the server shall find one.
    pub(super) id: Option<String>,
    /// Whether it creates; the mock does nothing else.
    pub(super) is_create: bool,
    pub(super) source: Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line<'a> {
    #[serde(borrow)]
    Create(Meta<'a>),
    /// Stores a document, whether it is new or not.
    #[serde(borrow)]
    Index(Meta<'a>),
}

/// Where an action goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta<'a> {
    /// Stream or index.
    #[serde(rename = "_index", borrow)]
    index: Option<Cow<'a, str>>,
    #[serde(rename = "_id", borrow)]
    id: Option<Cow<'a, str>>,
}

/// Reads the actions of `body`; those that name no index go to `target`.
///
/// # Errors
/// What the real servers say about a body that is none; the whole request is refused then.
pub(super) fn read(body: &Bytes, target: Option<&str>) -> Result<Vec<Action>, Refusal> {
    if body.last().is_some_and(|&byte| byte != b'\n') {
        return Err(Refusal::illegal("The bulk request must be terminated by a newline [\\n]"));
    }
    let mut actions = Vec::new();
    let mut open: Option<Action> = None;
    let mut at = 0;
    for (number, end) in (1..).zip(memchr::memchr_iter(b'\n', body)) {
        let line = body.slice(at..end);
        at = end + 1;
        if let Some(mut action) = open.take() {
            action.source = line;
            actions.push(action);
        } else if !line.trim_ascii().is_empty() {
            open = Some(read_line(&line, number, target)?);
        }
    }
    // An action without a document is passed over, as in the real servers.
    if actions.is_empty() {
        return Err(invalid("no requests added"));
    }
    Ok(actions)
}

fn read_line(line: &[u8], number: usize, target: Option<&str>) -> Result<Action, Refusal> {
    let malformed = |error| format!("Malformed action/metadata line [{number}]: {error}");
    let line = serde_json::from_slice(line).map_err(|e| Refusal::illegal(&malformed(e)))?;
    let (meta, is_create) = match line {
        Line::Create(meta) => (meta, true),
        Line::Index(meta) => (meta, false),
    };
    let name = meta.index.as_deref().or(target).ok_or_else(|| invalid("index is missing"))?;
    let id = meta.id.map(Cow::into_owned);
    Ok(Action { name: name.to_owned(), id, is_create, source: Bytes::new() })
}

/// A request that fails its validation.
fn invalid(what: &str) -> Refusal {
    let reason = format!("Validation Failed: 1: {what};");
    Refusal::exception(400, "action_request_validation_exception", &reason)
}
