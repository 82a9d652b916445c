//! Goal: an outage is told once, wherever the process is killed, and so is its end; what objectives saw is stored
//! and on the metrics page; a mistake in a file of objectives ends nothing. Method: the real program in front of nobody,
//! killed while the alert fires; a fake Elasticsearch, a receiver of notices. That an alert ends by itself takes 12 minutes: the
//! same with the time in hand is `src/slo/tests/reader.rs`.

use std::sync::Arc;
use std::time::Duration;

use lbproxy_fakes::{Options, Product};
use serde_json::Value;

use crate::support::*;

const STREAM: &str = "metrics-lbproxy.slo-default";
/// A minute, its record, and some time to ship it.
const MINUTE: Duration = Duration::from_secs(100);

/// What the receiver of notices was told of pages: objective and status.
fn pages(receiver: &Upstream) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let bodies = receiver.seen();
    let alerts = bodies.iter().map(|(_, body)| -> Value { serde_json::from_slice(body).unwrap() });
    let pages = alerts.filter(|alert| alert["commonLabels"]["severity"] == "page");
    pages.map(|page| (text(&page["commonLabels"]["objective"]), text(&page["status"]))).collect()
}

/// The value of a line of the metrics page.
fn value(proxy: &Proxy, line: &str) -> Option<String> {
    let page = String::from_utf8(proxy.admin("GET", "/metrics").body).unwrap();
    page.lines().find_map(|each| Some(each.strip_prefix(line)?.trim().to_owned()))
}

#[test]
fn an_outage_pages_once_over_a_kill_and_its_minutes_are_stored() {
    let server = lbproxy_fakes::start(Options::local(Product::Elasticsearch)).unwrap();
    let receiver = Upstream::ok();
    let channel = format!("{{type: webhook, url: \"http://{}/hook\"}}", receiver.address);
    let with = |objectives: &str| {
        let ship = ship_to(&server.url(), "default", "");
        format!("{ship}slo: {{{objectives}notify: {{channels: {{oncall: {channel}}}}}}}\n")
    };
    let rest = with("");
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let service = one_service(&[nobody()], "");
    let proxy = Proxy::start_in(Arc::clone(&dir), &service, &rest);
    for _ in 0..100 {
        assert!(proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").head.contains(" 50"));
    }
    let firing = "lbproxy_slo_firing{alert=\"page\",objective=\"availability\"}";
    wait_within(MINUTE, "the page", || value(&proxy, firing).filter(|value| value == "1"));
    let fires = ("availability".to_owned(), "firing".to_owned());
    wait_within(MINUTE, "the receiver's page", || (!pages(&receiver).is_empty()).then_some(()));
    assert!(proxy.log().contains("alert fires"), "{}", proxy.log());
    let of = |name: &str, path: &str| -> u64 {
        let documents = server.documents(STREAM);
        let own = documents.iter().filter(|document| document.source["lbproxy.slo.name"] == name);
        own.map(|document| document.source[path].as_u64().unwrap()).sum()
    };
    let valid = || of("availability", "lbproxy.slo.valid");
    wait_within(MINUTE, "records", || (valid() == 100).then_some(()));
    assert_eq!(of("availability", "lbproxy.slo.bad"), 100);
    assert_eq!(of("latency", "lbproxy.slo.valid"), 0, "nothing succeeded");
    assert_eq!(server.duplicates(STREAM), Vec::<String>::new());
    proxy.kill();

    let proxy = Proxy::start_in(Arc::clone(&dir), &service, &rest);
    proxy.await_figure("lbproxy_slo_evaluations_total", |count| count >= 2);
    assert_eq!(value(&proxy, firing).as_deref(), Some("1"));
    let log = proxy.terminate();
    assert!(!log.contains("alert fires"), "told once: {log}");
    assert!(!log.contains("DOES NOT HOLD"), "{log}");
    assert_eq!(pages(&receiver), std::slice::from_ref(&fires));

    // Whoever takes the objective away is told that its alert is over.
    let proxy = Proxy::start_in(Arc::clone(&dir), &service, &with("files: [], "));
    let ended = || (pages(&receiver).len() > 1).then_some(());
    wait_within(MINUTE, "the end", ended);
    proxy.terminate();
    assert_eq!(pages(&receiver), [fires, ("availability".to_owned(), "resolved".to_owned())]);
}

/// Goal: a page of an objective whose file is broken or gone is not told to be over. Method: the file as each row
/// leaves it, a start, and what is evaluated, shown and told then.
#[test]
fn a_page_goes_on_while_the_file_of_its_objective_cannot_be_read() {
    let receiver = Upstream::ok();
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let service = one_service(&[nobody()], "");
    let file = dir.path().join("shop.slo.yaml");
    let text = include_str!("../../slo/availability.yaml");
    let rest = format!(
        "slo: {{files: [\"*.slo.yaml\"], notify: {{channels: {{oncall: {{type: webhook, url: \"http://{}/hook\"}}}}}}}}\n",
        receiver.address
    );
    std::fs::write(&file, text).unwrap();
    let proxy = Proxy::start_in(Arc::clone(&dir), &service, &rest);
    for _ in 0..100 {
        assert!(proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").head.contains(" 50"));
    }
    wait_within(MINUTE, "the page", || (!pages(&receiver).is_empty()).then_some(()));
    proxy.terminate();
    let told = |status: &str| ("availability".to_owned(), status.to_owned());
    let mistyped = text.replace("target: 0.999", "target: 1");
    assert_ne!(mistyped, text);
    for (name, written, unread) in [
        ("a mistake", Some(mistyped.as_str()), "1"),
        ("it is gone", None, "1"),
        ("mended", Some(text), "0"),
    ] {
        match written {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let proxy = Proxy::start_in(Arc::clone(&dir), &service, &rest);
        proxy.await_figure("lbproxy_slo_evaluations_total", |count| count >= 2);
        let figure = |line: &str| value(&proxy, line);
        let of = "objective=\"availability\"";
        assert_eq!(figure("lbproxy_slo_objectives_unread").as_deref(), Some(unread), "{name}");
        let firing = format!("lbproxy_slo_firing{{alert=\"page\",{of}}}");
        assert_eq!(figure(&firing).as_deref(), Some("1"), "{name}");
        let bad = format!("lbproxy_slo_period_events{{quality=\"bad\",{of}}}");
        assert_eq!(figure(&bad).as_deref(), Some("100"), "{name}: the budget is what it was");
        let log = proxy.terminate();
        assert_eq!(log.contains("goes on as it was last read"), unread == "1", "{name}: {log}");
        assert_eq!(pages(&receiver), [told("firing")], "{name}");
    }
    std::fs::write(
        dir.path().join("other.slo.yaml"),
        text.replace("name: availability", "name: other"),
    )
    .unwrap();
    std::fs::remove_file(&file).unwrap();
    let proxy = Proxy::start_in(Arc::clone(&dir), &service, &rest);
    wait_within(MINUTE, "the end", || (pages(&receiver).len() > 1).then_some(()));
    proxy.terminate();
    assert_eq!(pages(&receiver), [told("firing"), told("resolved")], "taken away");
}

#[test]
fn without_objectives_nothing_waits_for_them() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let cursor = dir.path().join("journal/cursor-slo.0");
    let service = one_service(&[nobody()], "");
    Proxy::start_in(Arc::clone(&dir), &service, "slo: {}\n").terminate();
    assert!(cursor.exists());
    Proxy::start_in(Arc::clone(&dir), &service, "slo: {files: []}\n").terminate();
    assert!(!cursor.exists());
}
