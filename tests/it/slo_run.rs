//! Goal: an outage is told once, wherever the process is killed, and what objectives saw is stored and on the
//! metrics page. Method: the real program in front of nobody, with the default objectives, killed while the alert
//! fires; a fake Elasticsearch.

use std::sync::Arc;
use std::time::Duration;

use lbproxy_fakes::{Options, Product};

use crate::support::*;

const STREAM: &str = "metrics-lbproxy.slo-default";
/// A minute, its record, and some time to ship it.
const MINUTE: Duration = Duration::from_secs(100);

/// The value of a line of the metrics page.
fn value(proxy: &Proxy, line: &str) -> Option<String> {
    let page = String::from_utf8(proxy.admin("GET", "/metrics").body).unwrap();
    page.lines().find_map(|each| Some(each.strip_prefix(line)?.trim().to_owned()))
}

#[test]
fn an_outage_pages_once_over_a_kill_and_its_minutes_are_stored() {
    let server = lbproxy_fakes::start(Options::local(Product::Elasticsearch)).unwrap();
    let rest = format!("{}slo: {{}}\n", ship_to(&server.url(), "default", ""));
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let service = one_service(&[nobody()], "");
    let proxy = Proxy::start_in(Arc::clone(&dir), &service, &rest);
    for _ in 0..100 {
        assert!(proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").head.contains(" 50"));
    }
    let firing = "lbproxy_slo_firing{alert=\"page\",objective=\"availability\"}";
    wait_within(MINUTE, "the page", || value(&proxy, firing).filter(|value| value == "1"));
    assert!(proxy.log().contains("alert fires"), "{}", proxy.log());
    // The state that has the alert is written with the records of a minute.
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
