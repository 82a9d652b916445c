//! What the tests of this folder share: a configuration of three channels, notices and messages.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::message::Message;
use super::outbox::Outbox;
use crate::config::{self, Notify};
use crate::query::Filter;
use crate::slo::{
    AlertStatus, BurnWindow, Dimension, Indicator, NoData, Notice, Objective, Period, Severity,
    Silence, TargetShare, Top, Trigger,
};

/// 2026-11-30T12:00:00Z, a Monday.
pub(super) const NOON: u64 = 1_796_040_000_000;

/// Keys of `slo.notify`, read from a whole file.
pub(super) fn notify(keys: &str) -> Notify {
    let text = format!(
        "proxy:\n  listen: {{address: 127.0.0.1, port: 0}}\n  services:\n    \
         - {{name: a, domain: a, hosts: [{{address: 127.0.0.1, port: 1}}]}}\nslo: {{notify: {{{keys}}}}}\n"
    );
    config::parse("f.yaml", &text, &|_| None).unwrap_or_else(|report| panic!("{report}")).slo.notify
}

/// Channels `a`, `b`, `c` that lead nowhere, with routes.
pub(super) fn config(routes: &str) -> Notify {
    let one = "type: webhook, url: \"http://127.0.0.1:1/hook\"";
    notify(&format!("channels: {{a: {{{one}}}, b: {{{one}}}, c: {{{one}}}}}, routes: {routes}"))
}

/// An outbox with channels `a`, `b`, `c` and these routes.
pub(super) fn outbox(folder: &Path, routes: &str) -> Outbox {
    Outbox::open(folder, Arc::new(config(routes)), Arc::default())
}

fn objective() -> Objective {
    Objective {
        name: "checkout".to_owned(),
        title: "Checkout answers".to_owned(),
        description: "Customers can pay.".to_owned(),
        service: "shop".to_owned(),
        owner: Some("payments".to_owned()),
        runbook: Some("https://wiki.example.com/checkout".to_owned()),
        dashboard: Some("https://kibana.example.com/app/dashboards#/view/lbproxy-slo".to_owned()),
        indicator: Indicator { valid: Filter::default(), good: Filter::default(), bound: None },
        target: TargetShare::from_ppm(999_000).unwrap(),
        period: Period::Rolling(Duration::from_hours(30 * 24)),
        group_by: vec![Dimension::Route],
        windows: vec![BurnWindow {
            budget_ppm: 20_000,
            long: Duration::from_hours(1),
            short: Duration::from_mins(5),
            severity: Severity::Page,
        }],
        min_total: 0,
        min_bad: 0,
        no_data: NoData { after: None, firing: Silence::Keep },
        notify: Vec::new(),
        maintenance: Vec::new(),
    }
}

/// A page that fires since noon.
pub(super) fn notice(digit: char) -> Notice {
    Notice {
        key: format!("lbproxy/{}", digit.to_string().repeat(32)),
        status: AlertStatus::Firing,
        severity: Severity::Page,
        objective: Arc::new(objective()),
        group: vec![(Dimension::Route, "cart".to_owned())],
        trigger: Trigger::Burn {
            rate: 52.06,
            factor: 14.4,
            long: Duration::from_hours(1),
            short: Duration::from_mins(5),
            valid: 23_700,
            bad: 1_234,
        },
        since_ms: NOON,
        budget_left: 0.66,
        exhausted_ms: Some(NOON + 9 * 3_600_000),
        top: Top {
            endpoint: Some("10.0.0.1:9090".to_owned()),
            route: Some("cart".to_owned()),
            reason: Some("upstream_reset".to_owned()),
        },
        source: "edge-1".to_owned(),
    }
}

/// The same when it is over, 12 minutes and 30 seconds later.
pub(super) fn over(digit: char) -> Notice {
    Notice { status: AlertStatus::Resolved { at_ms: NOON + 750_000 }, ..notice(digit) }
}

/// A page that fires, with the key of a number.
pub(super) fn numbered(number: usize) -> Notice {
    Notice { key: format!("lbproxy/{number:032}"), ..notice('0') }
}

/// A message of an alert of `shop`, route `cart`.
pub(super) fn message(key: &str, is_firing: bool) -> Message {
    let mut message = Message::of(&if is_firing { notice('0') } else { over('0') });
    key.clone_into(&mut message.key);
    message
}
