//! The words of a message.

use std::sync::Arc;
use std::time::Duration;

use super::super::fixture::{NOON, notice, over};
use super::super::message::Message;
use crate::slo::{Absence, Notice, Severity, Trigger};

#[test]
fn a_message_says_what_is_broken_for_whom_since_when_and_where_to_look() {
    let body = Message::of(&notice('0')).body();
    let want = "\
PAGE: shop, route cart: Checkout answers: 5.2 % bad in 1h, 99.9 % is promised; the budget burns 52 times too fast

Objective: Customers can pay.
Route: cart
Since: 2026-11-30T12:00:00.000Z
Bad: 1234 of 23700 in 1h (5.2 %)
Burn rate: 52; it fires from 14.4 on, over 1h and 5m
Budget spent: 34 % of what 30d allow
Budget is gone by: 2026-11-30T21:00:00.000Z
Top endpoint: 10.0.0.1:9090
Top reason: upstream_reset
Owner: payments
Evaluated by: edge-1
Runbook: https://wiki.example.com/checkout
Board: https://kibana.example.com/app/dashboards#/view/lbproxy-slo
";
    assert_eq!(body, want);
}

#[test]
fn headlines_fit_what_happened() {
    let absent = |what, lasted| Notice {
        trigger: Trigger::Absent { what, lasted: Duration::from_secs(lasted) },
        severity: Severity::Ticket,
        group: Vec::new(),
        ..notice('0')
    };
    for (name, notice, want) in [
        ("over", over('0'), "RESOLVED: shop, route cart: Checkout answers: is over after 12m 30s"),
        (
            "nobody asks",
            absent(Absence::Traffic, 600),
            "TICKET: shop: Checkout answers: no request, while heartbeats arrive, for 10m",
        ),
        (
            "nothing arrives",
            absent(Absence::Heartbeat, 93_784),
            "TICKET: shop: Checkout answers: no heartbeat for 1d 2h",
        ),
        (
            "a test",
            Notice { trigger: Trigger::Test, ..notice('0') },
            "PAGE: shop, route cart: Checkout answers: a test of `lbproxy slo test-alert`; nothing is wrong",
        ),
    ] {
        assert_eq!(Message::of(&notice).headline(), want, "{name}");
    }
}

#[test]
fn a_budget_that_is_gone_is_not_told_to_be_gone_soon() {
    for (name, budget_left, want) in [
        (
            "nearly all is left",
            0.9995,
            "Budget spent: 0.05 % of what 30d allow\nBudget is gone by: ",
        ),
        ("just gone", 0.0, "Budget spent: 100 % of what 30d allow\nTop endpoint: "),
        ("an outage with little traffic", -999.0, "Budget spent: 1000 times what 30d allow\nTop "),
    ] {
        let body = Message::of(&Notice { budget_left, ..notice('0') }).body();
        assert!(body.contains(want), "{name}: {body}");
    }
}

#[test]
fn texts_from_outside_are_lines_with_a_bound() {
    let mut notice = notice('0');
    let objective = Arc::make_mut(&mut notice.objective);
    objective.title = "x\r\nBcc: all@example.com\u{1b}[2J".to_owned();
    objective.description = "é".repeat(5_000);
    notice.top.endpoint = Some("y".repeat(5_000));
    notice.group[0].1 = "a\u{202e}b\u{2067}\u{2028}\n".to_owned();
    notice.budget_left = f64::NAN;
    notice.since_ms = NOON;
    let message = Message::of(&notice);
    let facts = message.facts.iter().map(|(_, value)| value.as_str());
    for text in facts.chain([message.summary.as_str(), &message.service]) {
        assert!(!text.contains(char::is_control), "{text:?}");
        assert!(!text.contains(['\u{202e}', '\u{2067}', '\u{2028}']), "{text:?}");
        assert!(text.chars().count() <= 300, "{text}");
    }
    assert!(message.summary.contains("Bcc: all@example.com [2J"), "on the same line");
}

/// Goal: the evaluator knows its alert again after a restart. Method: values that no text keeps.
#[test]
fn an_alert_keeps_its_group_as_it_was_counted() {
    for (name, value) in [
        ("a line feed", "a\nb"),
        ("turned around", "a\u{202e}b"),
        ("as long as a record has it", "l".repeat(255).as_str()),
    ] {
        let mut notice = notice('0');
        value.clone_into(&mut notice.group[0].1);
        let kept = serde_json::to_string(&Message::of(&notice)).unwrap();
        let message: Message = serde_json::from_str(&kept).unwrap();
        assert_eq!(message.as_open().unwrap().group, notice.group, "{name}");
    }
}
