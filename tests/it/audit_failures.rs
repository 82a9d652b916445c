//! Goal: `lbproxy log audit` tells what is in the failure store from what is missing. Method: the real
//! program beside a running proxy, against the mock, which parks what a script says; the reduced build
//! of the real server cannot fill a failure store.

use std::process::Command;

use lbproxy_fakes::{ItemOutcome, Options, Product, Running, Step, Which};
use serde_json::{Value, json};

use crate::support::*;

/// The stream that requests go to.
const STREAM: &str = "logs-lbproxy.access-default";

/// Sends so many requests for `/good/N` and for `/bad/N`, and waits until all are settled.
fn send(proxy: &Proxy, count: usize) {
    for n in 0..count {
        for path in ["good", "bad"] {
            let request = format!("GET /{path}/{n} HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(proxy.send(request).status, 200);
        }
    }
    proxy.settled();
}

/// Runs `lbproxy log audit`; its exit code and what it printed.
fn audit(proxy: &Proxy, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbproxy"));
    command.args(["log", "audit", "--config"]).arg(proxy.dir.path().join("proxy.yaml"));
    let output = command.args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

/// The same for programs: exit code, and the places of the equation that hold anything.
fn places(proxy: &Proxy) -> (i32, Value) {
    let (code, text) = audit(proxy, &["--json"]);
    let found: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let names = ["stored", "failure_store", "missing", "failure_store_unread", "holds"];
    (code, names.map(|name| found[name].clone()).into_iter().collect())
}

/// A proxy that ships to a mock, which puts what is below `/bad/` into the failure store.
fn parking(product: Product) -> (Running, Upstream, Proxy) {
    let server = lbproxy_fakes::start(Options::local(product)).unwrap();
    let parked = Step::item(Which::Containing("/bad/".into()), ItemOutcome::FailureStored);
    server.set_default(parked);
    let upstream = Upstream::ok();
    let rest = format!(
        "  elasticsearch: {{urls: [\"{}\"], batch: {{wait: 50ms}}}}\n  process: {{every: off}}\n  rollup: {{every: off}}\n",
        server.url()
    );
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), &rest);
    (server, upstream, proxy)
}

#[test]
fn what_is_in_the_failure_store_is_told_and_not_missing() {
    let (server, _upstream, proxy) = parking(Product::Elasticsearch);
    send(&proxy, 3);
    assert_eq!((server.count(STREAM), server.failure_store(STREAM).len()), (3, 3));
    assert_eq!(places(&proxy), (0, json!([3, 3, 0, false, true])));
    let (code, text) = audit(&proxy, &[]);
    assert!(code == 0 && text.contains(" + failure_store 3 + "), "{text}");
    let line = "3 in the failure store: kept, and in no search of the streams; ";
    assert!(text.contains(line) && text.contains(" missing 0 (holds)"), "{text}");

    // Nobody may look there: they may be missing.
    server.forbid("POST", &format!("/{STREAM}::failures"));
    assert_eq!(places(&proxy), (1, json!([3, 0, 3, true, false])));
    let (code, text) = audit(&proxy, &[]);
    assert!(code == 1 && text.contains("grant the user `read_failure_store` on "), "{text}");
}

#[test]
fn a_version_without_a_failure_store_is_not_asked_for_one() {
    let (server, _upstream, proxy) = parking(Product::Elasticsearch);
    server.set_version("9.0.3");
    send(&proxy, 1);
    assert_eq!(places(&proxy), (1, json!([1, 0, 1, false, false])));
    let mut asked = server.requests().into_iter().filter(|seen| seen.target.contains("failures"));
    assert_eq!(asked.next(), None);
}
