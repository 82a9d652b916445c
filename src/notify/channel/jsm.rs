//! Jira Service Management and Opsgenie: the same alert API below two bases (prometheus/alertmanager
//! `notify/opsgenie`, Atlassian's JSM operations API). An alert is its `alias`.

use std::io;

use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Map, Value, json};

use super::super::message::{Message, cut};
use super::{Call, below, reveal, secret_field};
use crate::config::Secret;

/// Most characters of `message`.
const MESSAGE_CHARS_MAX: usize = 130;
/// Most characters of `details`, names and values together.
const DETAILS_CHARS_MAX: usize = 8_000;
/// Most characters of `source`.
const SOURCE_CHARS_MAX: usize = 100;

pub(super) fn call(base: &url::Url, api_key: &Secret, message: &Message) -> io::Result<Call> {
    let key = format!("GenieKey {}", reveal("api_key_file", api_key)?);
    let fields = HeaderMap::from_iter([(AUTHORIZATION, secret_field("api_key_file", &key)?)]);
    let source = cut(&message.source, SOURCE_CHARS_MAX);
    let url = below(base, &["v2", "alerts"]);
    if message.is_firing() {
        return Ok(Call::json(url, fields, &alert(message, &source), []));
    }
    let mut url = below(&url, &[&message.key, "close"]);
    url.set_query(Some("identifierType=alias"));
    let body = json!({"source": source, "note": message.headline()});
    Ok(Call::json(url, fields, &body, []))
}

fn alert(message: &Message, source: &str) -> Value {
    let mut details = Map::new();
    let mut chars = 0;
    for (name, value) in message.facts.iter().chain(&message.links) {
        chars += name.chars().count() + value.chars().count();
        if chars <= DETAILS_CHARS_MAX {
            details.insert(name.clone(), value.as_str().into());
        }
    }
    json!({
        "message": cut(&message.summary, MESSAGE_CHARS_MAX),
        "alias": message.key,
        "description": message.body(),
        "details": details,
        "entity": message.service,
        "source": source,
        "tags": ["lbproxy", message.severity(), message.objective],
        "priority": if message.is_page { "P1" } else { "P3" },
    })
}
