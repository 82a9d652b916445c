//! PagerDuty, Events API v2 (PagerDuty/developer-docs, `docs/events-API-v2`): an alert is its `dedup_key`
//! at one `routing_key`; a resolve with both of them ends it.

use std::io;

use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

use super::super::message::{Message, cut, instant};
use super::{Call, reveal};
use crate::config::Secret;

/// Most characters of `summary`.
const SUMMARY_CHARS_MAX: usize = 1_024;

pub(super) fn call(url: &url::Url, routing_key: &Secret, message: &Message) -> io::Result<Call> {
    let key = reveal("routing_key_file", routing_key)?;
    let body = body(&key, message);
    Ok(Call::json(url.clone(), HeaderMap::new(), &body, [key]))
}

fn body(routing_key: &str, message: &Message) -> Value {
    if !message.is_firing() {
        return json!({
            "routing_key": routing_key, "event_action": "resolve", "dedup_key": message.key,
        });
    }
    let facts: Map<_, _> =
        message.facts.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let links: Vec<_> =
        message.links.iter().map(|(text, href)| json!({"href": href, "text": text})).collect();
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": message.key,
        "client": "lbproxy",
        "links": links,
        "payload": {
            "summary": cut(&message.summary, SUMMARY_CHARS_MAX),
            "source": message.source,
            "severity": if message.is_page { "critical" } else { "warning" },
            "timestamp": instant(message.since_ms),
            "component": message.service,
            "group": message.objective,
            "class": "service level objective",
            "custom_details": facts,
        },
    })
}
