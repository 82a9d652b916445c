//! What each channel is sent, field by field. No real service is asked: the forms are those of the
//! documents that each row names.

use serde_json::{Value, json};

use super::super::fixture::{NOON, notice, notify, over};
use super::super::message::{Message, instant};
use super::receiver::{Receiver, Request};
use crate::config::Notify;
use crate::notify;
use crate::slo::{Notice, Trigger};

const KEY: &str = "lbproxy/00000000000000000000000000000000";

/// The request that a notice becomes at the only channel.
fn sent(config: &Notify, notice: &Notice, receiver: &Receiver) -> Request {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let before = receiver.seen().len();
    let told = runtime.block_on(notify::tell(&config.channels[0], notice));
    assert!(told.is_ok(), "{told:?}");
    receiver.seen()[before].clone()
}

/// A channel with these keys, where `URL` is the receiver.
fn channel(keys: &str, receiver: &Receiver) -> Notify {
    let url = format!("http://{}", receiver.address);
    notify(&format!("channels: {{a: {{{}}}}}", keys.replace("URL", &url)))
}

/// Facts of the notice as a mapping; names as `name` makes them.
fn facts(notice: &Notice, name: fn(&str) -> String) -> serde_json::Map<String, Value> {
    let facts = Message::of(notice).facts;
    facts.into_iter().map(|(one, value)| (name(&one), value.into())).collect()
}

fn summary(notice: &Notice) -> String {
    Message::of(notice).summary
}

/// PagerDuty/developer-docs, `docs/events-API-v2/01-Overview.md` and `02-Send-Alert-Event.md`.
#[test]
fn pagerduty_gets_events_of_version_2() {
    let receiver = Receiver::taking();
    let key = "0123456789abcdef0123456789abcdef";
    let keys = format!("type: pagerduty, url: \"URL/v2/enqueue\", routing_key: {key}");
    let config = channel(&keys, &receiver);
    let request = sent(&config, &notice('0'), &receiver);
    assert_eq!(request.line, "POST /v2/enqueue HTTP/1.1");
    assert_eq!(request.field("content-type"), "application/json");
    let want = json!({
        "routing_key": key, "event_action": "trigger", "dedup_key": KEY, "client": "lbproxy",
        "links": [
            {"href": "https://wiki.example.com/checkout", "text": "Runbook"},
            {"href": "https://kibana.example.com/app/dashboards#/view/lbproxy-slo", "text": "Board"},
        ],
        "payload": {
            "summary": summary(&notice('0')), "source": "edge-1", "severity": "critical",
            "timestamp": "2026-11-30T12:00:00.000Z", "component": "shop", "group": "checkout",
            "class": "service level objective",
            "custom_details": facts(&notice('0'), str::to_owned),
        },
    });
    assert_eq!(request.json(), want);
    let request = sent(&config, &over('0'), &receiver);
    let want = json!({"routing_key": key, "event_action": "resolve", "dedup_key": KEY});
    assert_eq!(request.json(), want, "the same key at the same routing key");
}

/// Goal: one alert's end ends no other. Method: an alert of each kind, with one severity, its end after the
/// objective is gone too.
#[test]
fn alerts_of_two_kinds_have_labels_of_their_own() {
    let receiver = Receiver::taking();
    let config = channel("type: alertmanager, urls: [\"URL/\"]", &receiver);
    let labels = |notice: &Notice| sent(&config, notice, &receiver).json()[0]["labels"].clone();
    // printf 'checkout\0no_data\0route=cart' | sha256sum
    let absence =
        Notice { key: "lbproxy/5b58356ddea1e8102a4c0b8171bcf587".to_owned(), ..notice('0') };
    let burn = labels(&notice('0'));
    let mut want = burn.clone();
    want["kind"] = "no_data".into();
    assert_eq!((&burn["kind"], &labels(&absence)), (&json!("burn"), &want));
    let end = Notice { trigger: Trigger::Test, status: over('0').status, ..absence };
    assert_eq!(labels(&end), want, "the same to its end");
}

/// prometheus/alertmanager `api/v2/openapi.yaml`: `postableAlerts`.
#[test]
fn alertmanager_gets_labels_that_stay_and_an_end_that_is_ahead() {
    let receiver = Receiver::taking();
    let keys = "type: alertmanager, urls: [\"URL/am/\"], username: u, password: hunter22";
    let config = channel(keys, &receiver);
    let request = sent(&config, &notice('0'), &receiver);
    assert_eq!(request.line, "POST /am/api/v2/alerts HTTP/1.1");
    assert_eq!(request.field("authorization"), "Basic dTpodW50ZXIyMg==");
    let body = request.json();
    let labels = json!({
        "alertname": "ServiceLevelObjective", "severity": "page", "service": "shop",
        "objective": "checkout", "owner": "payments", "slo_route": "cart", "kind": "burn",
    });
    assert_eq!((body.as_array().unwrap().len(), &body[0]["labels"]), (1, &labels));
    assert_eq!(body[0]["annotations"]["summary"], summary(&notice('0')));
    assert_eq!(body[0]["annotations"]["runbook_url"], "https://wiki.example.com/checkout");
    assert_eq!(body[0]["annotations"]["top_endpoint"], "10.0.0.1:9090");
    assert_eq!(body[0]["startsAt"], "2026-11-30T12:00:00.000Z");
    let end = crate::base::instant::parse_rfc3339(body[0]["endsAt"].as_str().unwrap()).unwrap();
    let ahead = end.saturating_sub(crate::base::clock::wall_ms());
    assert!((200_000..=240_000).contains(&ahead), "{ahead} ms ahead");
    let body = sent(&config, &over('0'), &receiver).json();
    assert_eq!(body[0]["labels"], labels, "identity does not change with the end");
    assert_eq!(body[0]["endsAt"], instant(NOON + 750_000));
}

/// prometheus/alertmanager `notify/opsgenie/opsgenie.go` and Atlassian's "Integration events" of JSM
/// operations.
#[test]
fn jira_service_management_gets_an_alias_that_closes_the_alert() {
    let receiver = Receiver::taking();
    let config =
        channel("type: jsm, url: \"URL/jsm/ops/integration\", api_key: hunter22", &receiver);
    let request = sent(&config, &notice('0'), &receiver);
    assert_eq!(request.line, "POST /jsm/ops/integration/v2/alerts HTTP/1.1");
    assert_eq!(request.field("authorization"), "GenieKey hunter22");
    let body = request.json();
    assert_eq!((&body["alias"], &body["priority"]), (&json!(KEY), &json!("P1")));
    assert_eq!(body["tags"], json!(["lbproxy", "page", "checkout"]));
    assert_eq!((&body["entity"], &body["source"]), (&json!("shop"), &json!("edge-1")));
    assert!(body["message"].as_str().unwrap().chars().count() <= 130, "{body}");
    assert!(body["description"].as_str().unwrap().contains("Runbook: https://wiki"), "{body}");
    let request = sent(&config, &over('0'), &receiver);
    let path = format!("/jsm/ops/integration/v2/alerts/{}/close", KEY.replace('/', "%2F"));
    assert_eq!(request.line, format!("POST {path}?identifierType=alias HTTP/1.1"));
}

/// docs.slack.dev, "Sending messages using incoming webhooks" and "Formatting message text".
#[test]
fn slack_gets_a_text_and_blocks_with_its_three_characters_escaped() {
    let receiver = Receiver::taking();
    let config = channel("type: slack, url: \"URL/services/T0/B0/XXXXXXXXXXXX\"", &receiver);
    let mut odd = notice('0');
    let objective = std::sync::Arc::make_mut(&mut odd.objective);
    objective.title = "a <b> & c".to_owned();
    let request = sent(&config, &odd, &receiver);
    assert_eq!(request.line, "POST /services/T0/B0/XXXXXXXXXXXX HTTP/1.1");
    let body = request.json();
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("PAGE: shop, route cart: a &lt;b&gt; &amp; c: "), "{text}");
    assert_eq!(body["blocks"][0]["text"]["text"], format!("*{text}*"));
    let facts = body["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(facts.contains("*Budget spent*: 34 % of what 30d allow\n"), "{facts}");
    let links = body["blocks"][2]["text"]["text"].as_str().unwrap();
    assert!(links.starts_with("<https://wiki.example.com/checkout|Runbook> · <https"), "{links}");
    let body = sent(&config, &over('0'), &receiver).json();
    assert!(body["text"].as_str().unwrap().starts_with("RESOLVED: "), "{body}");
}

/// prometheus/alertmanager `notify/webhook/webhook.go` and `template/template.go`, version 4. The
/// signature is ours: `docs/notify.md`; the wanted one is counted by `openssl dgst` for a body that is
/// known.
#[test]
fn a_webhook_gets_alertmanagers_form_signed() {
    let receiver = Receiver::taking();
    let config =
        channel("type: webhook, url: \"URL/hook?t=1\", sign: hunter22, bearer: tok3n", &receiver);
    let request = sent(&config, &notice('0'), &receiver);
    assert_eq!(request.line, "POST /hook?t=1 HTTP/1.1");
    assert_eq!(request.field("authorization"), "Bearer tok3n");
    let body = request.json();
    assert_eq!((&body["version"], &body["status"]), (&json!("4"), &json!("firing")));
    assert_eq!((&body["groupKey"], &body["receiver"]), (&json!(KEY), &json!("a")));
    let alert = &body["alerts"][0];
    assert_eq!(alert["fingerprint"], KEY.trim_start_matches("lbproxy/"));
    assert_eq!(alert["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!((&alert["labels"], &alert["status"]), (&body["commonLabels"], &body["status"]));
    let time = request.field("x-lbproxy-timestamp");
    let now = crate::base::clock::wall_ms() / 1_000;
    assert!(now.abs_diff(time.parse().unwrap()) < 60, "{time}");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"hunter22");
    let signed = format!("{time}.{}", request.body);
    let hex = request.field("x-lbproxy-signature").strip_prefix("sha256=").unwrap();
    let bytes: Vec<_> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    ring::hmac::verify(&key, signed.as_bytes(), &bytes).unwrap();
    let body = sent(&config, &over('0'), &receiver).json();
    assert_eq!(
        (&body["status"], &body["alerts"][0]["status"]),
        (&json!("resolved"), &json!("resolved"))
    );
    assert_eq!(body["alerts"][0]["endsAt"], instant(NOON + 750_000));
}

/// Goal: `docs/notify.md` shows what is really sent. Method: each block of it, rendered anew.
#[test]
fn the_page_shows_messages_as_they_are_sent() {
    let receiver = Receiver::taking();
    let json =
        |keys: &str, notice: &Notice| sent(&channel(keys, &receiver), notice, &receiver).json();
    let mut pagerduty = json("type: pagerduty, url: \"URL/\", routing_key: hunter22", &notice('0'));
    pagerduty["routing_key"] = "…".into();
    let slack = |notice: &Notice| {
        let body = json("type: slack, url: \"URL/services/T0/B0/X\"", notice);
        let blocks = body["blocks"].as_array().unwrap().iter();
        let texts = blocks.map(|block| block["text"]["text"].as_str().unwrap().to_owned());
        texts.collect::<Vec<_>>().join("\n")
    };
    let mut jsm = json("type: jsm, url: \"URL/\", api_key: hunter22", &notice('0'));
    jsm["description"] = "the text of the mail".into();
    jsm["details"] = "its lines, each by its name".into();
    let labels = &json("type: alertmanager, urls: [\"URL/\"]", &notice('0'))[0]["labels"];
    let (begin, end) = (Message::of(&notice('0')), Message::of(&over('0')));
    let page = include_str!("../../../docs/notify.md");
    let mut otherwise = String::new();
    for (language, shown) in [
        ("text", format!("Subject: {}\n\n{}", begin.headline(), begin.body().trim_end())),
        ("text", format!("Subject: {}", end.headline())),
        ("text", slack(&notice('0'))),
        ("json", serde_json::to_string_pretty(&pagerduty).unwrap()),
        ("json", serde_json::to_string_pretty(&jsm).unwrap()),
        ("json", labels.to_string()),
    ] {
        let block = format!("```{language}\n{shown}\n```\n");
        if !page.contains(&block) {
            otherwise += &block;
        }
    }
    assert!(otherwise.is_empty(), "docs/notify.md is to show:\n{otherwise}");
}
