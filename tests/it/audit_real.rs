//! Goal: `lbproxy log audit` is right about a real server: all is there, this number is missing, that
//! one stands twice, those wait. Method: the real program, both real servers, and documents that this
//! test deletes or stores again behind its back.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use lbproxy::mock::traffic::Ask;
use serde_json::Value;

use crate::audit::FIELDS;
use crate::server::{RealServer, Stored, on_both};
use crate::support::*;
use crate::traffic::{access, endpoint, generate, options};

/// Last part of the streams' names.
const NAMESPACE: &str = "proof";
/// So many that one lane has more than are read at once.
const REQUESTS: u64 = 10_500;

/// Runs `lbproxy log audit`; its exit code and what it printed.
fn audit(config: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
        .args(["log", "audit", "--config"])
        .arg(config)
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

/// The audit for programs; it must have the exit code `want`.
fn figures(config: &Path, want: i32, arguments: &[&str]) -> Value {
    let (code, text) = audit(config, &[&["--json"], arguments].concat());
    assert_eq!(code, want, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A count summed over the lanes of a kind.
fn of_kind(figures: &Value, kind: &str, name: &str) -> u64 {
    let lanes = figures["lanes"].as_array().unwrap().iter().filter(|lane| lane["kind"] == kind);
    lanes.map(|lane| lane[name].as_u64().unwrap()).sum()
}

/// Documents of the lane that has most.
fn largest_lane(server: &RealServer) -> Vec<Stored> {
    let mut lanes: HashMap<u64, Vec<Stored>> = HashMap::new();
    for stored in server.stored(&access(NAMESPACE), &FIELDS) {
        lanes.entry(stored.source["lbproxy.worker"].as_u64().unwrap()).or_default().push(stored);
    }
    let mut largest = lanes.into_values().max_by_key(Vec::len).unwrap();
    largest.sort_by_key(number);
    largest
}

/// The sequence number of a document.
fn number(stored: &Stored) -> u64 {
    stored.source["lbproxy.seq"].as_u64().unwrap()
}

/// Stores a document of the index it is in once more, in the index that is written to now.
fn store_again(server: &RealServer, stored: &Stored, document: &Value) {
    let path = format!("/{}/_create/{}?refresh=true", access(NAMESPACE), stored.id);
    server.must("PUT", &path, Some(document));
}

#[test]
fn every_number_is_accounted_for_and_what_is_wrong_is_named() {
    on_both(|product| {
        let server = RealServer::shared(product);
        let endpoint = endpoint("one");
        let service = one_service(&[endpoint.address()], "");
        let extra = "  rollup: {every: 1s}\n  process: {every: 1s}\n  heartbeat: {every: 1s}\n";
        let telemetry = server.telemetry(NAMESPACE) + extra;
        let proxy = Proxy::start(&service, &telemetry);
        let config = proxy.dir.path().join("audit.yaml");
        std::fs::copy(proxy.dir.path().join("proxy.yaml"), &config).unwrap();
        generate(options(&proxy, vec![Ask::get("a.test", "/a")], REQUESTS)).assert_untroubled();
        let stored = |count: u64| {
            proxy.await_figure("lbproxy_ship_acknowledged_total", |stored| stored >= count);
            wait_within(SHIPPED, "all requests to be stored", || {
                let found = figures(&config, 0, &[]);
                (of_kind(&found, "access", "stored") == count).then_some(found)
            })
        };

        // Beside the running proxy: all is there.
        let found = stored(REQUESTS);
        assert_eq!(found["product"], product.as_str());
        assert!(of_kind(&found, "heartbeat", "created") > 0, "{found:#}");
        assert!(of_kind(&found, "process", "created") > 0, "{found:#}");
        let (_, text) = audit(&config, &[]);
        assert!(text.contains("created ") && text.contains(" missing 0 (holds)"), "{text}");

        // One is deleted, far from the ends of its lane.
        let lane = largest_lane(server);
        assert!(lane.len() > 5_000, "{} in the largest lane", lane.len());
        let victim = &lane[lane.len() / 2];
        let path = format!("/{}/_doc/{}", victim.index, victim.id);
        let document = server.get(&path)["_source"].clone();
        server.must("DELETE", &format!("{path}?refresh=true"), None);
        let (code, text) = audit(&config, &[]);
        let named = format!("lbproxy.seq {}, after 20", number(victim));
        assert!(code == 1 && text.contains(&named), "{named}\n{text}");
        assert!(text.contains("1 missing\n") && text.contains("journal still holds 1"), "{text}");
        assert!(text.contains(" missing 1 (DOES NOT HOLD)"), "{text}");

        // After a rollover it comes back, in another index.
        server.post(&format!("/{}/_rollover", access(NAMESPACE)), &Value::Null);
        store_again(server, victim, &document);
        assert_eq!(of_kind(&figures(&config, 0, &[]), "access", "stored"), REQUESTS);

        // Another one stands in both.
        let double = &lane[7];
        let path = format!("/{}/_doc/{}", double.index, double.id);
        let document = server.get(&path)["_source"].clone();
        store_again(server, double, &document);
        let (code, text) = audit(&config, &["--since", "1h"]);
        assert!(code == 1 && text.contains(&format!("lbproxy.seq {}\n", number(double))), "{text}");
        assert!(text.contains("1 stored twice, in ") && text.contains(&double.index), "{text}");
        let found = figures(&config, 1, &[]);
        assert_eq!((of_kind(&found, "access", "twice"), &found["missing"]), (1, &0.into()));
        server.must("DELETE", &format!("{path}?refresh=true"), None);

        // A crash and a new start: rollups are written again, under other numbers.
        let dir = proxy.kill();
        let proxy = Proxy::start_in(Arc::clone(&dir), &service, &telemetry);
        generate(options(&proxy, vec![Ask::get("a.test", "/b")], 100)).assert_untroubled();
        let wanted = REQUESTS + 100;
        wait_within(SHIPPED, "all requests to be stored", || {
            let found = figures(&config, 0, &[]);
            (of_kind(&found, "access", "stored") == wanted).then_some(())
        });
        proxy.terminate();
        assert_eq!(figures(&config, 0, &[])["waiting"], 0, "all was shipped at the end");

        // Nobody takes the next ones: they wait, also after the proxy's end.
        let away = ship_to(&format!("http://{}", nobody()), NAMESPACE, "");
        let proxy = Proxy::start_in(dir, &service, &away);
        generate(options(&proxy, vec![Ask::get("a.test", "/c")], 30)).assert_untroubled();
        let dir = proxy.kill();
        let found = figures(&config, 0, &[]);
        assert_eq!(of_kind(&found, "access", "waiting"), 30, "{found:#}");
        assert_eq!(of_kind(&found, "access", "stored"), wanted, "{found:#}");
        let (_, text) = audit(&config, &[]);
        assert!(text.contains("30 waiting: the proxy ships them while it runs"), "{text}");

        // Only so much of it, and other ends.
        assert_eq!(figures(&config, 0, &["--until", "2020-01-01T00:00:00Z"])["created"], 0);
        let url = format!("http://{}", nobody());
        let (code, text) = audit(&config, &["--elasticsearch", &url]);
        assert!(code == 1 && text.contains("name another with --elasticsearch URL"), "{text}");
        let (code, text) = audit(&dir.path().join("none.yaml"), &[]);
        assert!(code == 2 && text.contains("cannot be read"), "{text}");
    });
}
