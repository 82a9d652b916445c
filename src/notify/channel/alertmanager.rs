//! Alertmanager, API v2 (prometheus/alertmanager `api/v2/openapi.yaml`, `docs/alerts_api.md`): an alert is
//! its labels, so nothing that changes is one of them. It is told again while it fires, before its
//! `endsAt`, and for a while after it is over (`dispatcher`).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::message::{Message, instant, text};
use super::{Call, below, credentials};
use crate::base::clock::millis;
use crate::config::Auth;

/// How often it is told again.
pub(in super::super) const AGAIN: Duration = Duration::from_mins(1);
/// For how long after the end.
pub(in super::super) const AFTER_END: Duration = Duration::from_mins(5);
/// What `endsAt` of an alert that fires is ahead of now, so that three lost repetitions end nothing.
const AHEAD: Duration = Duration::from_mins(4);

/// One call for each replica.
pub(super) fn calls(
    urls: &[url::Url],
    auth: &Auth,
    messages: &[Arc<Message>],
    now_ms: u64,
) -> io::Result<Vec<Call>> {
    let alerts: Vec<_> = messages.iter().map(|message| alert(message, now_ms)).collect();
    let fields = credentials(auth)?;
    let call = |url| {
        let url = below(url, &["api", "v2", "alerts"]);
        Call::json(url, fields.clone(), &Value::Array(alerts.clone()), [])
    };
    Ok(urls.iter().map(call).collect())
}

fn alert(message: &Message, now_ms: u64) -> Value {
    let ends_ms = message.resolved_ms.unwrap_or(now_ms + millis(AHEAD));
    json!({
        "labels": labels(message),
        "annotations": annotations(message),
        "startsAt": instant(message.since_ms),
        // Alertmanager takes no end before the begin.
        "endsAt": instant(ends_ms.max(message.since_ms)),
    })
}

/// What tells the alert from others, the same from its begin to its end.
pub(super) fn labels(message: &Message) -> Map<String, Value> {
    let mut labels = Map::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            labels.insert(name.to_owned(), value.into());
        }
    };
    for (name, value) in &message.group {
        add(&format!("slo_{name}"), &text(value));
    }
    add("alertname", "ServiceLevelObjective");
    add("kind", if message.is_absence { "no_data" } else { "burn" });
    add("objective", &message.objective);
    add("owner", message.owner.as_deref().unwrap_or_default());
    add("service", &message.service);
    add("severity", message.severity());
    labels
}

/// What may change while it fires: words, figures, links.
pub(super) fn annotations(message: &Message) -> Map<String, Value> {
    let mut annotations = Map::new();
    let mut add = |name: &str, value: &str| annotations.insert(name.to_owned(), value.into());
    for (name, value) in &message.facts {
        add(&name.to_lowercase().replace(' ', "_"), value);
    }
    for (name, url) in &message.links {
        add(&format!("{}_url", name.to_lowercase()), url);
    }
    add("summary", &message.summary);
    annotations
}
