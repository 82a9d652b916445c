//! Goal: rollups are the access records added up, each once, wherever a process is killed. Method: the
//! real program with windows of one second, killed at any moment of them; then the documents of the
//! journal, and those that a mock Elasticsearch stores, against the records among them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lbproxy_fakes::{Options, Product};
use serde_json::Value;

use crate::support::*;

/// Times the process is killed.
const KILLS: usize = 20;

/// A service of two endpoints that answer by the path, and one that refuses every connection.
fn services(upstreams: &[Upstream; 2]) -> String {
    one_service(&[upstreams[0].address, nobody(), upstreams[1].address], "")
}

/// `/missing` is 404, `/broken` 500, anything else 200.
fn upstream() -> Upstream {
    Upstream::start(|head, _| {
        let status = match head.split(' ').nth(1) {
            Some("/missing") => "404 Not Found",
            Some("/broken") => "500 Internal Server Error",
            _ => "200 OK",
        };
        format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nhi").into_bytes()
    })
}

/// Sends some requests over one connection, of several methods and ends.
fn send(proxy: &Proxy, count: usize) {
    use std::io::Write as _;
    let stream = connect(proxy.address);
    let mut writer = stream.try_clone().unwrap();
    let mut reader = std::io::BufReader::new(stream);
    for n in 0..count {
        let line = ["GET /", "GET /missing", "DELETE /", "GET /broken", "BREW /"][n % 5];
        // In one piece: several would wait for each other's acknowledgement.
        writer.write_all(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
        read_response(&mut reader, false).unwrap();
    }
}

/// A metric of the proxy; 0 when it is not there.
fn metric(proxy: &Proxy, name: &str) -> u64 {
    let page = String::from_utf8(proxy.admin("GET", "/metrics").body).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

/// Start of the window of one second, service and endpoint. There are no routes here.
type Key = (String, String, String);

fn key(document: &Value) -> Key {
    let time = document["@timestamp"].as_str().unwrap();
    let second = format!("{}.000Z", time.split('.').next().unwrap());
    (second, document["lbproxy.service"].to_string(), document["lbproxy.endpoint"].to_string())
}

/// Numbers by name, added up.
type Sums = BTreeMap<String, u64>;

fn add(sums: &mut Sums, name: String, value: &Value) {
    *sums.entry(name).or_default() += value.as_u64().unwrap();
}

/// What the rollups say of one key.
fn of_rollup(document: &Value, sums: &mut Sums) {
    for (path, value) in document.as_object().unwrap() {
        let Some(name) = path.strip_prefix("lbproxy.rollup.") else { continue };
        match (name, value) {
            ("window_us", value) => assert_eq!(value, 1_000_000),
            ("part", _) => (),
            (_, Value::Object(parts)) if name.ends_with("_us") => {
                for part in ["count", "sum"] {
                    add(sums, format!("{name}.{part}"), &parts[part]);
                }
                let counts = parts["histogram"]["counts"].as_array().unwrap();
                let counted: u64 = counts.iter().map(|count| count.as_u64().unwrap()).sum();
                assert_eq!(parts["count"], counted, "{name}");
            }
            // On which side of an edge a duration lies, a histogram knows within 0.4 % only: all of them.
            ("duration_bucket", Value::Object(bands)) => {
                bands.values().for_each(|count| add(sums, name.to_owned(), count));
            }
            (_, Value::Object(parts)) => {
                for (part, value) in parts {
                    add(sums, format!("{name}.{part}"), value);
                }
            }
            (name, value) => add(sums, name.to_owned(), value),
        }
    }
}

/// What the rollups have to say of an access record.
fn of_record(document: &Value, sums: &mut Sums) {
    let one = Value::from(1);
    let text = |path: &str| document[path].as_str().unwrap().to_owned();
    add(sums, "requests".to_owned(), &one);
    add(sums, format!("outcome.{}", text("event.outcome")), &one);
    add(sums, format!("reason.{}", text("lbproxy.termination.reason")), &one);
    let method = text("http.request.method");
    let method = if method == "BREW" { "_other" } else { &method };
    add(sums, format!("method.{method}"), &one);
    let status = document["http.response.status_code"].as_u64().unwrap();
    add(sums, format!("status.{status}"), &one);
    add(sums, format!("class.{}xx", status / 100), &one);
    for (name, path) in [
        ("request_body_bytes", "http.request.body.bytes"),
        ("request_bytes", "http.request.bytes"),
        ("response_body_bytes", "http.response.body.bytes"),
        ("response_bytes", "http.response.bytes"),
        ("attempts", "lbproxy.attempts"),
    ] {
        add(sums, name.to_owned(), document.get(path).unwrap_or(&Value::from(0)));
    }
    let attempts = document["lbproxy.attempts"].as_u64().unwrap();
    add(sums, "retries".to_owned(), &attempts.saturating_sub(1).into());
    let opened = u64::from(document["lbproxy.upstream.reused"] == false);
    add(sums, "connections_opened".to_owned(), &opened.into());
    for (name, value) in spans(document) {
        if name == "duration_us" {
            add(sums, "duration_bucket".to_owned(), &one);
        }
        add(sums, format!("{name}.count"), &one);
        add(sums, format!("{name}.sum"), &value.into());
    }
}

/// The endpoints that refused an attempt of a request, once for each: another may have served it.
fn refused_by(document: &Value) -> Vec<Value> {
    let list = |path: &str| document[path].as_array().cloned().unwrap_or_default();
    let [mut endpoints, mut reasons] =
        [list("lbproxy.attempt.endpoint"), list("lbproxy.attempt.reason")];
    if endpoints.is_empty() {
        endpoints.push(document["lbproxy.endpoint"].clone());
        reasons.push(document["lbproxy.termination.reason"].clone());
    }
    let each = endpoints.into_iter().zip(reasons);
    each.filter(|(_, reason)| reason == "connect_refused").map(|(endpoint, _)| endpoint).collect()
}

/// The times of an access record, in microseconds.
fn spans(document: &Value) -> Vec<(&'static str, u64)> {
    let spans = [
        ("duration_us", document["event.duration"].as_u64().map(|ns| ns / 1_000)),
        ("first_byte_us", document["lbproxy.upstream.first_byte_us"].as_u64()),
        ("connect_us", document["lbproxy.upstream.connect_us"].as_u64()),
    ];
    spans.into_iter().filter_map(|(name, span)| Some((name, span?))).collect()
}

/// Rollups and records say the same, each rollup stands once, and percentiles are within 1 %.
fn check(name: &str, documents: &[Value]) {
    let is_rollup = |document: &&Value| document.get("lbproxy.rollup.requests").is_some();
    let (rollups, records): (Vec<_>, Vec<_>) = documents.iter().partition(is_rollup);
    let records: Vec<_> =
        records.into_iter().filter(|record| record.get("event.outcome").is_some()).collect();
    let (mut have, mut want) = (BTreeMap::<Key, Sums>::new(), BTreeMap::<Key, Sums>::new());
    let mut times = BTreeMap::<(Key, &str), Vec<u64>>::new();
    for record in &records {
        of_record(record, want.entry(key(record)).or_default());
        for endpoint in refused_by(record) {
            let (second, service, _) = key(record);
            let place = want.entry((second, service, endpoint.to_string())).or_default();
            add(place, "failed_attempts".to_owned(), &Value::from(1));
        }
        for (span, value) in spans(record) {
            times.entry((key(record), span)).or_default().push(value);
        }
    }
    let (mut seen, mut parts) = (BTreeSet::new(), BTreeMap::<Key, usize>::new());
    for rollup in &rollups {
        let part = rollup["lbproxy.rollup.part"].as_u64().unwrap();
        assert!(seen.insert((key(rollup), part)), "{name}: twice: {rollup}");
        *parts.entry(key(rollup)).or_default() += 1;
        of_rollup(rollup, have.entry(key(rollup)).or_default());
    }
    for sums in have.values_mut().chain(want.values_mut()) {
        sums.retain(|_, sum| *sum > 0);
    }
    assert_eq!(have, want, "{name}");
    let failed: u64 = want.values().filter_map(|sums| sums.get("failed_attempts")).sum();
    assert!(failed > 0, "{name}: one endpoint refuses every attempt");
    for rollup in rollups.iter().filter(|rollup| parts[&key(rollup)] == 1) {
        for ((_, span), values) in times.iter_mut().filter(|((k, _), _)| *k == key(rollup)) {
            values.sort_unstable();
            let distribution = &rollup[&format!("lbproxy.rollup.{span}")];
            for (percentile, per_mille) in [
                ("p50", 500),
                ("p75", 750),
                ("p90", 900),
                ("p95", 950),
                ("p99", 990),
                ("p99_9", 999),
            ] {
                let exact = values[(values.len() * per_mille).div_ceil(1_000) - 1];
                let got = distribution[percentile].as_u64().unwrap();
                let is_near = got.abs_diff(exact) * 100 <= exact;
                assert!(is_near, "{name}: {span} {percentile}: {got} is not {exact}");
            }
            assert_eq!(distribution["max"], *values.last().unwrap(), "{name}: {span}");
        }
    }
}

#[test]
fn kills_in_the_middle_of_windows_leave_each_rollup_once_and_equal_to_the_records() {
    let upstreams = [upstream(), upstream()];
    let services = services(&upstreams);
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let mut sent = 0;
    for kill in 0..KILLS {
        let rest = "  rollup: {every: 1s}\n";
        let proxy = Proxy::start_in(Arc::clone(&dir), &services, rest);
        let count = 20 + kill * 7;
        send(&proxy, count);
        sent += count;
        if kill % 3 == 1 {
            // Right behind the first rows of windows, so that others are under way.
            wait_for("rows", || (metric(&proxy, "lbproxy_rollup_rows_total") > 0).then_some(()));
            send(&proxy, 5);
            sent += 5;
        }
        proxy.kill();
    }

    let server = lbproxy_fakes::start(Options::local(Product::ElasticsearchReduced)).unwrap();
    let rest = format!(
        "  rollup: {{every: 1s}}\n  elasticsearch: {{urls: [\"{}\"], batch: {{wait: 50ms}}}}\n",
        server.url()
    );
    let proxy = Proxy::start_in(Arc::clone(&dir), &services, &rest);
    wait_for("every record", || {
        (server.count("logs-lbproxy.access-default") == sent).then_some(())
    });
    let log = proxy.terminate();
    assert!(!log.contains("DOES NOT HOLD"), "{log}");

    let all = documents(dir.path());
    let records = all.iter().filter(|document| document.get("event.outcome").is_some()).count();
    assert_eq!(records, sent);
    check("journal", &all);

    let stored = |stream: &str| {
        assert_eq!(server.duplicates(stream), Vec::<String>::new());
        let documents = server.documents(stream).into_iter();
        documents.map(|document| (document.times, document.source)).collect::<Vec<_>>()
    };
    let rollups = stored("metrics-lbproxy.rollup-default");
    assert!(rollups.iter().all(|(times, _)| *times == 1), "one was sent twice");
    let records = stored("logs-lbproxy.access-default");
    let stored: Vec<_> = rollups.into_iter().chain(records).map(|(_, source)| source).collect();
    check("Elasticsearch", &stored);
}

#[test]
fn a_server_without_the_histogram_type_gets_a_template_without_it() {
    for (product, want) in [
        (Product::Elasticsearch, r#"{"type":"histogram"}"#),
        (Product::ElasticsearchReduced, r#"{"enabled":false,"type":"object"}"#),
        (Product::OpenSearch, r#"{"enabled":false,"type":"object"}"#),
    ] {
        let server = lbproxy_fakes::start(Options::local(product)).unwrap();
        let rest = format!("  elasticsearch: {{urls: [\"{}\"]}}\n", server.url());
        let upstreams = [upstream(), upstream()];
        let proxy = Proxy::start(&services(&upstreams), &rest);
        send(&proxy, 1);
        let template = wait_for("the template", || server.template("metrics-lbproxy.rollup"));
        let rollup =
            &template["template"]["mappings"]["properties"]["lbproxy"]["properties"]["rollup"];
        let times = &rollup["properties"]["duration_us"]["properties"];
        assert_eq!(times["histogram"].to_string(), want, "{product:?}");
    }
}

#[test]
fn without_rollups_nothing_waits_for_them() {
    let upstreams = [upstream(), upstream()];
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let on = "  rollup: {every: 1h}\n";
    let proxy = Proxy::start_in(Arc::clone(&dir), &services(&upstreams), on);
    send(&proxy, 3);
    proxy.kill();
    assert!(dir.path().join("journal/cursor-rollup.0").exists());
    let off = "  rollup: {every: off}\n";
    let proxy = Proxy::start_in(Arc::clone(&dir), &services(&upstreams), off);
    send(&proxy, 3);
    proxy.terminate();
    assert!(!dir.path().join("journal/cursor-rollup.0").exists());
    let rollups =
        documents(dir.path()).into_iter().filter(|d| d.get("lbproxy.rollup.part").is_some());
    assert_eq!(rollups.count(), 0);
}

#[test]
fn a_reader_that_only_a_newer_version_knows_holds_nothing() {
    let upstreams = [upstream(), upstream()];
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let on = "  rollup: {every: 1h}\n";
    Proxy::start_in(Arc::clone(&dir), &services(&upstreams), on).kill();
    let cursor = |name: &str, n: u8| dir.path().join(format!("journal/cursor-{name}.{n}"));
    for n in [0, 1] {
        std::fs::copy(cursor("rollup", n), cursor("later", n)).unwrap();
    }
    Proxy::start_in(Arc::clone(&dir), &services(&upstreams), on).terminate();
    for n in [0, 1] {
        assert!(cursor("rollup", n).exists() && !cursor("later", n).exists(), "{n}");
    }
}
