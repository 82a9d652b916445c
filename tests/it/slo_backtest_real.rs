//! Goal: a back-test of the minutes that are stored gives what one of the journal gives, on both real servers. Method:
//! a proxy whose endpoint is gone, with the default objectives; the real program against each server.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::server::{RealServer, on_both};
use crate::support::*;

/// Last part of the streams' names.
const NAMESPACE: &str = "backtest";
/// A minute, its record, and some time to store it.
const MINUTE: Duration = Duration::from_secs(150);

#[test]
fn stored_minutes_give_the_alerts_and_counts_of_the_journal() {
    on_both(|product| {
        let server = RealServer::shared(product);
        let rest = server.telemetry(NAMESPACE) + "slo: {}\n";
        let proxy = Proxy::start(&one_service(&[nobody()], ""), &rest);
        for _ in 0..100 {
            assert!(proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").head.contains(" 50"));
        }
        let config = proxy.dir.path().join("proxy.yaml");
        let run = |arguments: &[&str]| {
            Command::new(env!("CARGO_BIN_EXE_lbproxy"))
                .args(["slo", "backtest", "--format", "json", "--config"])
                .arg(&config)
                .args(arguments)
                .output()
                .unwrap()
        };
        let found = |output: &std::process::Output| -> Value {
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{product:?}: {error}");
            serde_json::from_slice(&output.stdout).unwrap()
        };
        let stored = wait_within(MINUTE, "stored minutes", || {
            let output = run(&["--elasticsearch"]);
            // While its first index is made, a server answers 503.
            let is_early = output.status.code() == Some(1);
            let found = (!is_early).then(|| found(&output))?;
            (found["objectives"][0]["bad"] == 100).then_some(found)
        });
        let journal = found(&run(&[]));
        let alerts = |found: &Value| -> Vec<(String, u64)> {
            let alerts = found["objectives"][0]["alerts"].as_array().unwrap().iter();
            let row = |alert: &Value| {
                (alert["severity"].as_str().unwrap().to_owned(), alert["since"].as_u64().unwrap())
            };
            alerts.map(row).collect()
        };
        let (one, other) = (alerts(&stored), alerts(&journal));
        assert_eq!(one.len(), 2, "{product:?}: {one:?}");
        for (one, other) in one.iter().zip(&other) {
            assert_eq!(one.0, other.0, "{product:?}");
            assert!(one.1.abs_diff(other.1) <= 70_000, "{product:?}: {one:?} {other:?}");
        }
        for name in ["valid", "bad", "budget"] {
            assert_eq!(
                stored["objectives"][0][name], journal["objectives"][0][name],
                "{product:?}: {name}"
            );
        }
        proxy.terminate();
    });
}
