//! Goal: heartbeat and samples of the process are records with the right fields, and the same on
//! /metrics; probes are nobody's traffic. Method: the real program with short spans, its journal, and
//! traffic of known size.

use std::io::{BufReader, Write as _};

use lbproxy_fakes::{Options, Product};
use serde_json::Value;

use crate::support::*;

/// Documents of heartbeat and process that hold this.
fn with(documents: &[Value], field: &str, value: &str) -> Vec<Value> {
    documents.iter().filter(|document| document[field] == value).cloned().collect()
}

/// The value of a metric with exactly these labels.
fn metric(proxy: &Proxy, name: &str) -> Option<String> {
    let page = String::from_utf8(proxy.admin("GET", "/metrics").body).unwrap();
    page.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned()))
}

/// The sum of a metric over its labels.
fn sum(proxy: &Proxy, name: &str) -> u64 {
    let page = String::from_utf8(proxy.admin("GET", "/metrics").body).unwrap();
    let lines = page.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// `max − min + 1 = count` for one kind of record, from 1.
fn is_complete(documents: &[Value]) -> bool {
    let seqs: Vec<_> = documents.iter().map(|d| d["lbproxy.seq"].as_u64().unwrap()).collect();
    seqs.iter().copied().eq(1..=seqs.len() as u64)
}

/// Waits for three checks of the listener.
fn beats(proxy: &Proxy) -> (Vec<Value>, Vec<Value>) {
    wait_for("three beats", || {
        let documents = proxy.documents();
        let beats = with(&documents, "monitor.id", "test/listener/default");
        (beats.len() >= 3).then_some((documents, beats))
    })
}

#[test]
fn each_beat_asks_the_listener_and_is_nobodys_traffic() {
    let upstream = Upstream::ok();
    let proxy =
        Proxy::start(&one_service(&[upstream.address], ""), "  heartbeat: {every: 100ms}\n");
    let (documents, beats) = beats(&proxy);
    for beat in &beats {
        assert_eq!(beat["lbproxy.kind"], "heartbeat");
        assert_eq!(beat["monitor.status"], "up", "{beat:#}");
        assert_eq!(beat["monitor.type"], "http");
        assert_eq!((&beat["summary.up"], &beat["summary.down"]), (&1.into(), &0.into()));
        assert_eq!(beat["http.response.status_code"], 200);
        assert_eq!(beat["url.full"], format!("http://{}", proxy.address));
        assert_eq!(beat["url.port"], proxy.address.port());
        assert_eq!(beat["lbproxy.listener"], "default");
        assert!(beat["tls.rtt.handshake.us"].is_null() && beat["error.type"].is_null());
        let part = |field: &str| beat[field].as_u64().unwrap_or_else(|| panic!("{field}"));
        let parts = part("http.rtt.write_request.us")
            + part("http.rtt.response_header.us")
            + part("http.rtt.content.us");
        assert!(parts <= part("http.rtt.total.us") && parts + 3 > part("http.rtt.total.us"));
        assert!(part("tcp.rtt.connect.us") + parts <= part("monitor.duration.us"), "{beat:#}");
        assert!(beat["monitor.timespan"]["gte"].as_str() < beat["monitor.timespan"]["lt"].as_str());
    }
    assert_eq!(beats[2]["state.checks"], 3);
    assert_eq!(beats[2]["state.id"], beats[0]["state.id"]);
    let endpoint = format!("test/endpoint/web/{}", upstream.address);
    let endpoints = with(&documents, "monitor.id", &endpoint);
    assert!(endpoints.len() >= 2 && endpoints.iter().all(|one| one["monitor.status"] == "up"));
    assert!(is_complete(&with(&documents, "lbproxy.kind", "heartbeat")));

    assert!(upstream.seen().is_empty(), "no probe went on to the endpoint");
    let access = documents.iter().filter(|d| !d["http.request.method"].is_null()).count();
    assert_eq!((access, sum(&proxy, "lbproxy_requests_total")), (0, 0));
    assert!(sum(&proxy, "lbproxy_probes_total") >= 3);
    let up = format!("lbproxy_monitor_up{{monitor=\"{endpoint}\"}}");
    assert_eq!(metric(&proxy, &up).as_deref(), Some("1"));

    // The same request without the token of this process is a user's.
    let request = "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nLbproxy-Probe: x\r\n\r\n";
    assert_eq!(proxy.send(request).status, 200);
    let users = wait_for("its record", || {
        let documents = proxy.documents();
        Some(with(&documents, "http.request.method", "OPTIONS")).filter(|users| !users.is_empty())
    });
    assert_eq!(users[0]["lbproxy.termination.reason"], "answered_locally");
    let log = proxy.terminate();
    assert!(log.contains("(holds)") && !log.contains("DOES NOT HOLD"), "{log}");
}

#[test]
fn a_listener_with_tls_is_asked_over_tls() {
    let upstream = Upstream::ok();
    let file = |name| format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let tls = format!("tls: {{cert_file: {}, key_file: {}}}", file("cert.pem"), file("key.pem"));
    let service = one_service(&[upstream.address], "").replace("trusted_proxies: []", &tls);
    let proxy = Proxy::start(&service, "  heartbeat: {every: 100ms}\n");
    let (documents, beats) = beats(&proxy);
    for beat in beats {
        assert_eq!(beat["monitor.status"], "up", "{beat:#}");
        assert_eq!(beat["url.scheme"], "https");
        assert!(beat["tls.rtt.handshake.us"].as_u64().is_some_and(|us| us > 0), "{beat:#}");
    }
    let connections = documents.iter().filter(|d| !d["lbproxy.connection.id"].is_null()).count();
    assert_eq!(connections, 0, "no probe left a record of a connection");
    assert!(sum(&proxy, "lbproxy_tls_handshakes_total") >= 3);
}

#[test]
fn an_endpoint_ejected_and_back_leaves_a_record_of_each_change_at_once() {
    let (dead, port) = reserve();
    let outlier = ", outlier: {failures: 2, eject: 1h, eject_max: 1h}";
    // The next regular beat is an hour away: what follows comes by itself.
    let proxy = Proxy::start(
        &one_service(&[dead, Upstream::ok().address], outlier),
        "  heartbeat: {every: 1h}\n",
    );
    let changes = |count: usize| {
        wait_for("the change", || {
            let changes = with(&proxy.documents(), "event.action", "state_change");
            (changes.len() >= count).then_some(changes)
        })
    };
    // A change is one from what was seen before; a beat looks at endpoints first.
    wait_for("a first look", || (sum(&proxy, "lbproxy_monitor_up") > 0).then_some(()));
    wait_for("the ejection", || {
        assert_eq!(proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
        (sum(&proxy, "lbproxy_endpoint_ejected") == 1).then_some(())
    });
    let down = &changes(1)[0];
    assert_eq!(down["monitor.id"], format!("test/endpoint/web/{dead}"));
    assert_eq!(down["monitor.type"], "passive");
    assert_eq!((&down["monitor.status"], &down["state.status"]), (&"down".into(), &"down".into()));
    assert_eq!(down["lbproxy.health.previous"], "up");
    assert_eq!(down["error.type"], "outlier");
    assert_eq!(down["lbproxy.service"], "web");
    assert!(down["summary.down"].is_null(), "a change is no check");

    // No request and no trial: a probe finds it.
    port.listen(8).unwrap();
    let all = changes(2);
    let up = all.last().unwrap();
    assert_eq!(
        (&up["monitor.status"], &up["lbproxy.health.previous"]),
        (&"up".into(), &"down".into())
    );
    assert!(up["error.type"].is_null() && up["lbproxy.health.previous_duration_ms"].is_u64());
    assert_ne!(up["state.id"], down["state.id"]);
}

#[test]
fn samples_of_the_process_agree_with_the_traffic() {
    const REQUESTS: u64 = 50;
    let upstream = Upstream::ok();
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), "  process: {every: 100ms}\n");
    let stream = connect(proxy.address);
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    let (mut sent, mut received) = (0, 0);
    for n in 0..REQUESTS {
        let request = format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n");
        writer.write_all(request.as_bytes()).unwrap();
        sent += request.len() as u64;
        received += read_response(&mut reader, false).unwrap().wire_bytes as u64;
    }
    let of = |documents: &[Value], name: &str| with(documents, "metricset.name", name);
    let last_of = |documents: &[Value], name: &str, field: &str, value: Value| {
        of(documents, name).into_iter().rev().find(|document| document[field] == value)
    };
    let address = upstream.address.to_string();
    let (documents, sample, workers, endpoint) = wait_for("samples of all the traffic", || {
        let documents = proxy.documents();
        let last = |name: &str, field: &str, value: Value| last_of(&documents, name, field, value);
        let sample = last("process", "lbproxy.requests.count", REQUESTS.into())?;
        let endpoint = last("endpoint", "lbproxy.endpoint", address.as_str().into())?;
        let workers = [0, 1].map(|id| last("worker", "lbproxy.sample.worker", id.into()));
        let [Some(zero), Some(one)] = workers else { return None };
        // Rates take two readings, and a worker may have begun between them.
        let has_rate = |worker: &Value| worker["system.process.cpu.total.pct"].is_number();
        let is_all = endpoint["lbproxy.requests.count"] == REQUESTS
            && [&zero, &one].into_iter().all(has_rate);
        is_all.then_some((documents.clone(), sample, [zero, one], endpoint))
    });
    let number = |document: &Value, field: &str| {
        document[field].as_u64().unwrap_or_else(|| panic!("{field} in {document:#}"))
    };
    let share = |field: &str| sample[field].as_f64().unwrap_or_else(|| panic!("{field}"));
    for (name, field, want) in [
        ("bytes that clients sent", "lbproxy.downstream.received.bytes", sent),
        ("bytes that clients got", "lbproxy.downstream.sent.bytes", received),
        ("connections accepted", "lbproxy.connections.accepted", 1),
        ("connections open", "lbproxy.connections.open", 1),
        ("opened once", "lbproxy.pool.opened", 1),
        ("then reused", "lbproxy.pool.reused", REQUESTS - 1),
        ("none closed", "lbproxy.pool.closed", 0),
        ("a record of each", "lbproxy.requests.count", REQUESTS),
    ] {
        assert_eq!(number(&sample, field), want, "{name}");
    }
    let created = number(&sample, "lbproxy.records.created");
    let journaled = number(&sample, "lbproxy.records.journaled");
    assert!(created >= journaled && journaled >= REQUESTS, "{created} {journaled}");
    // Two worlds of bytes: heads are rewritten on the way, so sizes differ, but not by much.
    assert!(number(&sample, "lbproxy.upstream.sent.bytes") > sent / 2);
    assert_eq!(
        number(&sample, "lbproxy.upstream.received.bytes"),
        REQUESTS * "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Case: Kept\r\n\r\nhi".len() as u64
    );
    let cores = number(&sample, "system.cpu.cores");
    for field in ["system.process.memory.rss.pct", "system.memory.actual.used.pct"] {
        assert!((0.0..=1.0).contains(&share(field)), "{field}");
    }
    assert!(cores >= 1 && share("system.process.cpu.total.pct") >= 0.0);
    let rss = number(&sample, "system.process.memory.rss.bytes");
    assert!(number(&sample, "lbproxy.memory.pss.bytes") <= rss + (1 << 20), "{sample:#}");
    assert!(number(&sample, "lbproxy.memory.heap.allocated.bytes") > 10_000);
    assert!(number(&sample, "lbproxy.memory.journal_mapped.bytes") >= 3 << 20, "{sample:#}");
    assert!(number(&sample, "system.process.fd.open") > 5);
    assert!(number(&sample, "system.process.num_threads") > 3);
    assert!(number(&sample, "lbproxy.context_switches.voluntary") > 0);

    assert_eq!(number(&endpoint, "lbproxy.pool.opened"), 1);
    let both: u64 = workers.iter().map(|w| number(w, "lbproxy.requests.count")).sum();
    assert_eq!(both, REQUESTS);
    assert!(is_complete(
        &documents.iter().filter(|d| !d["metricset.name"].is_null()).cloned().collect::<Vec<_>>()
    ));

    // What the page says is what a sample said.
    wait_for("the same values on /metrics", || {
        let page: u64 = metric(&proxy, "lbproxy_process_pss_bytes")?.parse().unwrap();
        let documents = of(&proxy.documents(), "process");
        documents.iter().any(|d| d["lbproxy.memory.pss.bytes"] == page).then_some(())
    });
    assert_eq!(sum(&proxy, "lbproxy_downstream_received_bytes_total"), sent);
    assert_eq!(sum(&proxy, "lbproxy_pool_connections_opened_total"), 1);
    let log = proxy.terminate();
    assert!(log.contains("(holds)") && !log.contains("DOES NOT HOLD"), "{log}");
}

/// Checks and changes share a data stream, and count apart from gaps: each is stored, none for another.
#[test]
fn all_of_them_are_shipped_and_stored_once_each() {
    let server = lbproxy_fakes::start(Options::local(Product::Elasticsearch)).unwrap();
    // Nobody answers there: one of the two is ejected, which is a change.
    let service =
        one_service(&[nobody(), nobody()], ", outlier: {failures: 1, eject: 1h, eject_max: 1h}");
    let vitals = "  heartbeat: {every: 100ms}\n  process: {every: 100ms}\n";
    let proxy = Proxy::start(&service, &(vitals.to_owned() + &ship_to(&server.url(), "t", "")));
    // A change is one from what was seen before; a beat looks at endpoints first.
    wait_for("a first look", || (sum(&proxy, "lbproxy_monitor_up") > 0).then_some(()));
    assert_eq!(proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 502);
    let stored = |stream: &str| server.documents(&format!("{stream}-t"));
    wait_for("checks, a change and samples", || {
        let health = stored("logs-lbproxy.health");
        let has_change = health.iter().any(|stored| !stored.source["event.action"].is_null());
        (has_change && health.len() >= 6 && stored("metrics-lbproxy.process").len() >= 8)
            .then_some(())
    });
    let log = proxy.terminate();
    assert!(log.contains("duplicate 0 ") && !log.contains("DOES NOT HOLD"), "{log}");
    for stream in ["logs-lbproxy.health", "metrics-lbproxy.process"] {
        let stored = stored(stream);
        assert!(stored.iter().all(|stored| stored.times == 1), "{stream}: an id was sent twice");
        let mut documents: Vec<_> = stored.into_iter().map(|stored| stored.source).collect();
        documents.sort_by_key(|document| document["lbproxy.seq"].as_u64());
        assert!(is_complete(&documents), "{stream}: numbers are missing or there twice");
    }
}

#[test]
fn off_is_off() {
    let proxy = Proxy::start(
        &one_service(&[nobody()], ""),
        "  heartbeat: {every: off}\n  process: {every: 0}\n",
    );
    assert_eq!(metric(&proxy, "lbproxy_process_pss_bytes"), None);
    assert_eq!(sum(&proxy, "lbproxy_monitor_up"), 0);
    assert!(proxy.terminate().contains("created 0 = journaled 0"));
}
