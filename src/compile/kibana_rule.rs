//! A rule of Kibana, as `POST /api/alerting/rule/UUID` takes it: what all of ours have in common.
//!
//! Shapes are those of Kibana's own schemas (`alerting/common/routes/rule/apis/create`). Not here: parameters of
//! the kinds of rules (`kibana_query`, `kibana_slo`).

use serde_json::{Value, json};

use super::alert_object::{AlertApi, AlertObject};
use super::{Site, Subject, told};
use crate::slo::Severity;

/// How often a rule looks.
const EVERY: &str = "1m";
/// Group of the actions of every kind of rule when an alert is over.
const RECOVERED: &str = "recovered";

/// What is special about a rule.
pub(super) struct Draft<'a> {
    /// `lbp-NAME-LONG`.
    pub(super) id: &'a str,
    /// What fires, in a sentence without a full stop.
    pub(super) name: String,
    pub(super) rule_type: &'a str,
    /// The application that shows it.
    pub(super) consumer: &'a str,
    pub(super) params: Value,
    /// `None` for a rule that has several.
    pub(super) severity: Option<Severity>,
    /// Groups of the actions while it fires.
    pub(super) groups: &'a [&'a str],
    /// Looks in a row that find something before it fires.
    pub(super) looks: u32,
    /// Template of what was found.
    pub(super) found: &'a str,
}

/// The rule, with its actions.
pub(super) fn rule(draft: &Draft<'_>, subject: &Subject, site: &Site) -> AlertObject {
    let (channels, _) = told::channels(subject, site);
    let links = told::links(subject, site);
    let fires = format!("{}. {}{links}", draft.name, draft.found);
    let over = format!("Over: {}.{links}", draft.name);
    let mut actions = Vec::new();
    for channel in channels {
        let firing = draft.groups.iter().map(|group| action(channel, group, &fires));
        actions.extend(firing.chain([action(channel, RECOVERED, &over)]));
    }
    let body = json!({
        "name": draft.name,
        "rule_type_id": draft.rule_type,
        "consumer": draft.consumer,
        "enabled": true,
        "schedule": { "interval": EVERY },
        "tags": told::tags(subject, draft.severity),
        "params": draft.params,
        "actions": actions,
        "alert_delay": { "active": draft.looks },
    });
    AlertObject::new(AlertApi::Rule, draft.id, body, site)
}

/// One action of a connector, which is `ID`, or `KIND:ID` where it takes other parameters than a message.
fn action(channel: &str, group: &str, text: &str) -> Value {
    const ALERT: &str = "{{rule.id}}:{{alert.id}}";
    let is_over = group == RECOVERED;
    let (kind, id) = channel.split_once(':').unwrap_or(("", channel));
    let (id, params) = match kind {
        "index" => {
            let state = if is_over { "resolved" } else { "firing" };
            let document = json!({
                "@timestamp": "{{date}}", "message": text, "alert": ALERT, "state": state,
            });
            (id, json!({ "documents": [document] }))
        }
        "pagerduty" => {
            let event = if is_over { "resolve" } else { "trigger" };
            (id, json!({ "eventAction": event, "dedupKey": ALERT, "summary": text }))
        }
        "webhook" => {
            let body = json!({ "text": text, "alert": ALERT, "resolved": is_over });
            (id, json!({ "body": body.to_string() }))
        }
        _ => (channel, json!({ "message": text })),
    };
    let frequency =
        json!({ "summary": false, "notify_when": "onActionGroupChange", "throttle": null });
    json!({ "id": id, "group": group, "params": params, "frequency": frequency })
}
