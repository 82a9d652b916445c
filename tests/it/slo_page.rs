//! Goal: what the live page and `top` say of objectives is what was promised and what happened. Method: the real
//! program with objectives of a file, and traffic of known counts.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::admin;
use crate::support::*;

/// Two evaluations, and some time to spare on a machine that is busy.
const EVALUATED: Duration = Duration::from_mins(1);

/// An availability that half of the requests may miss, by service, with pages and no tickets.
const HALF: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: half, displayName: Half of it}
spec:
  description: Every second request.
  service: shop
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.5}]
x-lbproxy:
  indicator: {availability: {}}
  group_by: [service]
  windows: [{budget: 0.05%, long: 1h, short: 5m, severity: page}]
  min_bad: 5
  min_total: 10
  runbook: https://wiki.example.com/half
";

/// The proxy with this objective, after 30 requests that were served and 10 that were not.
fn asked() -> Proxy {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    std::fs::write(dir.path().join("half.yaml"), HALF).unwrap();
    let rest = "  rollup: {every: 1m}\nslo: {files: [half.yaml]}\n";
    let upstream = admin::by_path();
    let proxy = Proxy::start_in(dir, &one_service(&[upstream.address], ""), rest);
    for (path, count) in [("/200", 30), ("/503", 10)] {
        for _ in 0..count {
            proxy.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        }
    }
    proxy
}

#[test]
fn pages_and_programs_are_told_where_an_objective_stands_and_how_its_budget_was_spent() {
    let proxy = asked();
    let all = wait_within(EVALUATED, "the alert to fire", || {
        let all = admin::json(&proxy, "/api/v1/slo");
        (all["series"][0]["state"] == "firing").then_some(all)
    });
    for (name, at, want) in [
        ("name", "/objectives/0/name", json!("half")),
        ("target", "/objectives/0/target_ppm", json!(500_000)),
        ("period", "/objectives/0/period_s", json!(30 * 86_400)),
        ("kind of period", "/objectives/0/period", json!("rolling")),
        ("what counts", "/objectives/0/valid", json!("stream = access and outcome != unknown")),
        ("runbook", "/objectives/0/runbook", json!("https://wiki.example.com/half")),
        ("grouped by", "/objectives/0/group_by", json!(["service"])),
        ("series of it", "/series/0/objective", json!("half")),
        ("title", "/series/0/title", json!("Half of it")),
        ("group", "/series/0/group", json!({ "service": "web" })),
        ("level", "/series/0/level", json!("hurt")),
        ("alert", "/series/0/alert", json!("page")),
        ("events", "/series/0/valid", json!(40)),
        ("bad ones", "/series/0/bad", json!(10)),
        ("budget", "/series/0/budget_left", json!(0.5)),
        ("now", "/series/0/good_5m", json!(0.75)),
        ("burn", "/series/0/burn/3d", json!(0.5)),
        ("window", "/series/0/windows/0/long_s", json!(3_600)),
        ("that fires", "/series/0/windows/0/is_active", json!(true)),
        ("the alert's own", "/alerts/0/alert", json!("page")),
        ("group of it", "/alerts/0/group", json!({ "service": "web" })),
        ("still", "/alerts/0/until_ms", Value::Null),
        ("why", "/alerts/0/reason/bad", json!(10)),
    ] {
        assert_eq!(all.pointer(at), Some(&want), "{name}: {all}");
    }
    assert_eq!(all["alerts"].as_array().unwrap().len(), 1);
    let budget = admin::json(&proxy, "/api/v1/slo/budget?objective=half&service=web");
    let left = budget["left"].as_array().unwrap();
    assert_eq!((left.first(), left.last()), (Some(&json!(1.0)), Some(&json!(0.5))), "{budget}");
    assert_eq!(left.len(), budget["time_ms"].as_array().unwrap().len());
    // A quarter fails, which is less than may.
    let levels = wait_for("every request to be counted", || {
        let totals = admin::json(&proxy, "/api/v1/overview?range=5m")["totals"].take();
        (totals["requests"] == 40).then(|| totals["levels"].clone())
    });
    assert_eq!(levels["success"], "ok");
    let live = admin::live(&proxy);
    assert_eq!(live["slo"]["worst"]["budget_left"], json!(0.5), "{}", live["slo"]);
    assert_eq!((&live["slo"]["hurt"], &live["slo"]["series"]), (&json!(1), &json!(1)));
    assert_eq!(live["verdict"]["list"][0]["level"], "ok", "{}", live["verdict"]);
    for (name, path, status, wants) in [
        ("no name", "/api/v1/slo/budget", 400, ["`objective` is missing", "/api/v1/slo lists"]),
        ("no such", "/api/v1/slo/budget?objective=x", 404, ["no such series", "its group"]),
        ("no group", "/api/v1/slo/budget?objective=half", 404, ["no such series", "its group"]),
    ] {
        let response = proxy.admin("GET", path);
        let text = String::from_utf8(response.body).unwrap();
        assert_eq!(response.status, status, "{name}: {text}");
        assert!(wants.iter().all(|want| text.contains(want)), "{name}: {text}");
    }
}

#[test]
fn without_objectives_it_is_told_what_to_configure() {
    let proxy = Proxy::start(&one_service(&[nobody()], ""), "slo: {files: []}\n");
    for path in ["/api/v1/slo", "/api/v1/slo/budget?objective=a"] {
        let response = proxy.admin("GET", path);
        let text = String::from_utf8(response.body).unwrap();
        assert_eq!(response.status, 404, "{path}: {text}");
        for want in ["no objective", "slo.files", "\"is_off\":true"] {
            assert!(text.contains(want), "{path}: {want} is not in {text}");
        }
    }
    assert!(admin::live(&proxy)["slo"].is_null());
}
