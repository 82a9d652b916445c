//! Goal: what the journal holds arrives in a real server, each record once, whatever dies or is away.
//! Method: the real program, the real OpenSearch and Elasticsearch, a generator that remembers every
//! exchange; then the documents are compared with its memory, one by one.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use http::Method;
use lbproxy::elk::{Product, templates, templates::Types};
use lbproxy::mock::traffic::{self, Ask};
use lbproxy::record::Dataset;
use serde_json::{Value, json};

use crate::audit::{FIELDS, exactly_once};
use crate::server::{PASSWORD, RealServer, Stored, on_both};
use crate::support::*;
use crate::traffic::{Traffic, access, endpoint, generate, options};

/// Requests a second beside crashes: a busy machine ships several times as many, so that waiting has
/// an end.
const RATE: f64 = 100.0;

/// The log, line by line.
fn lines(proxy: &Proxy) -> Vec<Value> {
    let log = proxy.log();
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Lines of the log at warning or above.
fn warnings(proxy: &Proxy) -> Vec<Value> {
    let mut lines = lines(proxy);
    lines.retain(|line| line["level"] == "WARN" || line["level"] == "ERROR");
    lines
}

/// What the log says of records that wait and of records that are taken, in order. A server on its
/// way up or down refuses, cuts off and answers 503 before it is there or gone.
fn changes(proxy: &Proxy) -> Vec<String> {
    let texts = lines(proxy).into_iter().map(|line| line["fields"]["message"].to_string());
    texts.filter(|text| text.contains("records wait") || text.contains("takes records")).collect()
}

/// What a kind of request must leave in its document.
struct Want {
    status: u16,
    /// Where it may have been sent; empty when it was not sent anywhere.
    endpoints: Vec<String>,
    /// Attempts it may have taken.
    attempts: std::ops::RangeInclusive<u64>,
    reason: &'static str,
}

/// Kinds of requests: `web.test` has the endpoints that serve, `dead.test` those that refuse, and
/// `half.test` the first of each.
fn kinds(serving: &[String], refusing: &[String]) -> Vec<(Ask, Want)> {
    let ask = |method: Method, host: &str, path: &str, query: &str, body_bytes| Ask {
        method,
        query: query.to_owned(),
        body_bytes,
        ..Ask::get(host, path)
    };
    let want = |status, endpoints: &[String], attempts, reason| Want {
        status,
        endpoints: endpoints.to_vec(),
        attempts,
        reason,
    };
    let whole = |status| want(status, serving, 1..=1, "complete");
    let half = want(200, &serving[..1], 1..=2, "complete");
    let dead = want(502, refusing, 2..=2, "connect_refused");
    let nowhere = want(404, &[], 0..=0, "no_route");
    vec![
        (ask(Method::GET, "web.test", "/get", "", 0), whole(200)),
        (ask(Method::GET, "web.test", "/large", "lb_size=100KiB&a=b", 0), whole(200)),
        (ask(Method::HEAD, "web.test", "/head", "", 0), whole(200)),
        (ask(Method::POST, "web.test", "/post", "", 10_000), whole(200)),
        (ask(Method::PUT, "web.test", "/put", "lb_status=201", 1), whole(201)),
        (ask(Method::DELETE, "web.test", "/delete", "lb_status=204", 0), whole(204)),
        (ask(Method::OPTIONS, "web.test", "/options", "", 0), whole(200)),
        (ask(Method::GET, "web.test", "/fails", "lb_status=503", 0), whole(503)),
        (ask(Method::GET, "half.test", "/half", "", 0), half),
        (ask(Method::GET, "dead.test", "/dead", "", 0), dead),
        (ask(Method::GET, "unknown.test", "/unknown", "", 0), nowhere),
    ]
}

#[test]
fn every_exchange_is_stored_once_as_it_was() {
    const COUNT: u64 = 1_500;
    on_both(|product| {
        let server = RealServer::shared(product);
        let endpoints = [endpoint("one"), endpoint("two")];
        let serving = endpoints.each_ref().map(|endpoint| endpoint.address().to_string());
        let refusing = [nobody().to_string(), nobody().to_string()];
        let mut services = "  listen: {address: 127.0.0.1, port: 0}\n  services:\n".to_owned();
        for (name, hosts) in [
            ("web", &serving),
            ("half", &[refusing[0].clone(), serving[0].clone()]),
            ("dead", &refusing),
        ] {
            let outlier = "{failures: 1000000}";
            writeln!(
                services,
                "    - {{name: {name}, domain: {name}.test, hosts: {hosts:?}, outlier: {outlier}}}"
            )
            .unwrap();
        }
        let proxy = Proxy::start(&services, &server.telemetry("exchanges"));

        let (asks, wants): (Vec<_>, Vec<_>) = kinds(&serving, &refusing).into_iter().unzip();
        let runs = [("1.1", false), ("2", true)].map(|(version, http2)| {
            let mut asks = asks.clone();
            for ask in &mut asks {
                ask.path = format!("/h{version}{}", ask.path);
            }
            let run = generate(traffic::Options { http2, ..options(&proxy, asks, COUNT) });
            assert_eq!(run.report.counters.answered_total(), COUNT, "{:?}", run.report.counters);
            (version, run)
        });
        let figures = proxy.settled();
        assert_eq!(figures["lbproxy_ship_acknowledged_total"], 2 * COUNT, "{figures:#?}");
        assert_eq!(figures["lbproxy_ship_connected"], 1);
        assert_eq!(warnings(&proxy), Vec::<Value>::new());

        let stored = server.stored(&access("exchanges"), &[]);
        let by_path: HashMap<_, _> = stored
            .iter()
            .map(|stored| (stored.source["url.path"].as_str().unwrap(), &stored.source))
            .collect();
        for (version, run) in &runs {
            for exchange in &run.report.exchanges {
                let path = run.path(exchange);
                let document = by_path.get(path.as_str()).unwrap_or_else(|| panic!("no {path}"));
                check(document, version, &run.asks[exchange.ask], &wants[exchange.ask], exchange);
            }
        }
        let runs = runs.map(|(_, run)| run);
        assert_eq!(exactly_once(&stored, &runs), usize::try_from(2 * COUNT).unwrap());
        mapped_as_declared(server, &stored);
    });
}

/// Compares one document with the exchange it is of.
fn check(document: &Value, version: &str, ask: &Ask, want: &Want, exchange: &traffic::Exchange) {
    assert_eq!(exchange.status, Some(want.status), "{document:#}");
    for (path, want) in [
        ("http.request.method", json!(ask.method.as_str())),
        ("url.domain", json!(ask.host)),
        ("http.version", json!(version)),
        ("http.response.status_code", json!(want.status)),
        ("http.request.body.bytes", json!(ask.body_bytes)),
        ("http.response.body.bytes", json!(exchange.response_body_bytes)),
        ("lbproxy.termination.reason", json!(want.reason)),
    ] {
        assert_eq!(document[path], want, "{path} of {document:#}");
    }
    let query = document["url.query"].as_str().unwrap_or_default();
    assert_eq!(query, ask.query, "{document:#}");
    assert!(
        want.attempts.contains(&document["lbproxy.attempts"].as_u64().unwrap()),
        "{document:#}"
    );
    match document["lbproxy.endpoint"].as_str() {
        Some(endpoint) => {
            assert!(want.endpoints.iter().any(|known| known == endpoint), "{document:#}");
        }
        None => assert!(want.endpoints.is_empty(), "{document:#}"),
    }
    // Only the request that opened a connection knows how long that took.
    let has_opened = document["lbproxy.upstream.reused"] == json!(false);
    assert_eq!(document["lbproxy.upstream.connect_us"].is_u64(), has_opened, "{document:#}");
}

/// The mapping of the stream is the committed template's, and no document has a field it lacks.
fn mapped_as_declared(server: &RealServer, stored: &[Stored]) {
    let template = templates::index_template(server.product, Dataset::Access, Types::Usual);
    let declared = &template["template"]["mappings"]["properties"];
    let indices: HashSet<_> = stored.iter().map(|stored| stored.index.as_str()).collect();
    for index in indices {
        let answer = server.get(&format!("/{index}/_mapping"));
        let mappings = &answer[index]["mappings"];
        assert_eq!(&mappings["properties"], declared, "of {index}");
        assert_eq!(mappings["dynamic"], "false", "of {index}");
    }
    let names: HashSet<_> =
        stored.iter().flat_map(|stored| stored.source.as_object().unwrap().keys()).collect();
    for name in names {
        let pointer = format!("/{}/type", name.replace('.', "/properties/"));
        assert!(declared.pointer(&pointer).is_some(), "{name} is not mapped");
    }
}

#[test]
fn rollups_can_be_summed_up_to_what_the_records_say() {
    const COUNT: u64 = 300;
    on_both(|product| {
        let server = RealServer::shared(product);
        let endpoint = endpoint("one");
        let telemetry = server.telemetry("rollups") + "  rollup: {every: 1s}\n";
        let proxy = Proxy::start(&one_service(&[endpoint.address()], ""), &telemetry);
        for n in 0..COUNT {
            let status = if n % 3 == 0 { 418 } else { 200 };
            let head = format!("GET /?lb_status={status} HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(proxy.send(head).status, status);
        }
        let log = proxy.terminate();
        assert!(!log.contains("DOES NOT HOLD"), "{log}");

        let sums = |stream: &str, paths: &[&str]| -> Vec<u64> {
            let sum = |path: &&str| ((*path).to_owned(), json!({ "sum": { "field": path } }));
            let aggregations: serde_json::Map<_, _> = paths.iter().map(sum).collect();
            server.post(&format!("/{stream}/_refresh"), &Value::Null);
            let query = json!({ "size": 0, "aggs": aggregations });
            let answer = server.post(&format!("/{stream}/_search"), &query);
            let value = |path: &&str| answer["aggregations"][*path]["value"].as_f64().unwrap();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
            paths.iter().map(|path| value(path) as u64).collect()
        };
        let records =
            sums("logs-lbproxy.access-rollups", &["event.duration", "http.response.bytes"]);
        let rollups = sums(
            "metrics-lbproxy.rollup-rollups",
            &[
                "lbproxy.rollup.duration_us.sum",
                "lbproxy.rollup.response_bytes",
                "lbproxy.rollup.requests",
                "lbproxy.rollup.duration_us.count",
                "lbproxy.rollup.status.418",
                "lbproxy.rollup.class.2xx",
                "lbproxy.rollup.outcome.success",
                "lbproxy.rollup.reason.complete",
            ],
        );
        let want = [records[0] / 1_000, records[1], COUNT, COUNT, 100, 200, COUNT, COUNT];
        assert_eq!(rollups, want, "{product:?}");
    });
}

#[test]
fn a_crash_under_traffic_loses_nothing_and_doubles_nothing() {
    on_both(|product| {
        let server = RealServer::shared(product);
        let endpoint = endpoint("one");
        let service = one_service(&[endpoint.address()], "");
        let telemetry = server.telemetry("crash");
        let mut dir = Arc::new(tempfile::tempdir().unwrap());
        let mut runs = Vec::new();
        for cycle in 0..3 {
            let proxy = Proxy::start_in(dir, &service, &telemetry);
            let traffic = Traffic::start(&proxy, &format!("/{cycle}"), RATE);
            // Some are stored, some are on their way, some are not sent yet.
            proxy.await_figure("lbproxy_ship_acknowledged_total", |stored| stored >= 100);
            traffic.await_answers(50);
            dir = proxy.kill();
            runs.push(traffic.stop());
        }
        let proxy = Proxy::start_in(dir, &service, &telemetry);
        runs.push(generate(options(&proxy, vec![Ask::get("a.test", "/last")], 200)));
        let figures = proxy.settled();
        assert_eq!(figures["lbproxy_ship_dead_letter_total"], 0, "{figures:#?}");
        exactly_once(&server.stored(&access("crash"), &FIELDS), &runs);
    });
}

#[test]
fn rollovers_and_crashes_lose_nothing_and_double_nothing() {
    on_both(|product| {
        let server = RealServer::shared(product);
        let endpoint = endpoint("one");
        let service = one_service(&[endpoint.address()], "");
        let telemetry = server.telemetry("rollover");
        let rollover = format!("/{}/_rollover", access("rollover"));
        let mut dir = Arc::new(tempfile::tempdir().unwrap());
        let mut runs = Vec::new();
        let mut rollovers = 0;
        for cycle in 0..4 {
            let proxy = Proxy::start_in(dir, &service, &telemetry);
            let traffic = Traffic::start(&proxy, &format!("/{cycle}"), RATE);
            proxy.await_figure("lbproxy_ship_acknowledged_total", |stored| stored >= 100);
            for _ in 0..3 {
                server.post(&rollover, &Value::Null);
                // What is stored beyond this came after the rollover: the new index has some of it.
                let figures = proxy.figures();
                let before =
                    figures["lbproxy_ship_acknowledged_total"] + figures["lbproxy_ship_pending"];
                proxy.await_figure("lbproxy_ship_acknowledged_total", |stored| stored > before);
                traffic.await_answers(50);
            }
            dir = proxy.kill();
            // What was under way is stored or not, and the next process meets another index.
            server.post(&rollover, &Value::Null);
            rollovers += 4;
            runs.push(traffic.stop());
        }
        let proxy = Proxy::start_in(dir, &service, &telemetry);
        proxy.settled();
        let stored = server.stored(&access("rollover"), &FIELDS);
        let indices: HashSet<_> = stored.iter().map(|stored| &stored.index).collect();
        assert!(indices.len() > rollovers / 2, "{} indices, {rollovers} rollovers", indices.len());
        exactly_once(&stored, &runs);
    });
}

#[test]
fn records_wait_while_no_server_answers_and_traffic_does_not_notice() {
    on_both(|product| {
        let mut server = RealServer::alone(product);
        let endpoint = endpoint("one");
        let service = one_service(&[endpoint.address()], "");
        let proxy = Proxy::start(&service, &server.telemetry("outage"));
        let traffic = Traffic::start(&proxy, "/all", RATE);

        // Nothing listens yet.
        traffic.await_answers(100);
        proxy.await_figure("lbproxy_ship_pending", |pending| pending >= 100);
        assert_eq!(proxy.figures()["lbproxy_ship_connected"], 0);
        assert_eq!(proxy.admin("GET", "/readyz").status, 200, "never tied to the server");
        let first = warnings(&proxy);
        assert_eq!(first.len(), 1, "one line for one change of state: {first:#?}");
        assert!(first[0].to_string().contains(&server.address.to_string()), "{first:#?}");

        server.start();
        proxy.await_figure("lbproxy_ship_acknowledged_total", |stored| stored >= 100);
        proxy.await_figure("lbproxy_ship_connected", |connected| connected == 1);

        // It goes away under traffic and comes back.
        server.stop();
        proxy.await_figure("lbproxy_ship_connected", |connected| connected == 0);
        let pending = proxy.figures()["lbproxy_ship_pending"];
        traffic.await_answers(200);
        proxy.await_figure("lbproxy_ship_pending", |now| now >= pending + 150);
        server.start();
        proxy.await_figure("lbproxy_ship_connected", |connected| connected == 1);
        let run = traffic.stop();
        run.assert_untroubled();
        proxy.settled();
        let kib = proxy.resident_bytes_max() / 1024;
        println!("{}: at most {kib} KiB resident through the outage", product.as_str());
        let changes = changes(&proxy);
        assert!((4..=20).contains(&changes.len()), "{changes:#?}");
        assert!(changes.windows(2).all(|pair| pair[0] != pair[1]), "{changes:#?}");
        let count = run.report.exchanges.len();
        assert_eq!(exactly_once(&server.stored(&access("outage"), &FIELDS), &[run]), count);
    });
}

#[test]
fn records_wait_until_the_password_is_right() {
    let server = RealServer::shared(Product::Elasticsearch);
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let file = dir.path().join("password");
    std::fs::write(&file, "wrong\n").unwrap();
    let secret = format!("password_file: \"{}\"", file.display());
    let endpoint = endpoint("one");
    let service = one_service(&[endpoint.address()], "");
    let proxy = Proxy::start_in(dir, &service, &server.telemetry_with("password", &secret));
    let run = generate(options(&proxy, vec![Ask::get("a.test", "/wrong")], 500));
    run.assert_untroubled();
    proxy.await_figure("lbproxy_ship_unauthorized", |unauthorized| unauthorized == 1);
    let figures = proxy.figures();
    assert_eq!(figures["lbproxy_ship_connected"], 0);
    assert_eq!(figures["lbproxy_ship_acknowledged_total"], 0);
    let lines = warnings(&proxy);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        !proxy.log().contains(PASSWORD) && !lines[0].to_string().contains("wrong"),
        "{lines:?}"
    );

    // Put beside it and renamed, as secrets are: no moment with half a password.
    let next = file.with_extension("next");
    std::fs::write(&next, format!("{PASSWORD}\n")).unwrap();
    std::fs::rename(&next, &file).unwrap();
    let figures = proxy.settled();
    assert_eq!(figures["lbproxy_ship_unauthorized"], 0);
    assert_eq!(figures["lbproxy_ship_connected"], 1);
    assert_eq!(exactly_once(&server.stored(&access("password"), &FIELDS), &[run]), 500);
}

#[test]
fn records_are_not_given_to_a_server_of_another_kind() {
    // It answers 200 to everything, with JSON, and keeps nothing.
    let stranger = endpoint("stranger");
    let endpoint = endpoint("one");
    let service = one_service(&[endpoint.address()], "");
    let url = format!("http://{}", stranger.address());
    let proxy = Proxy::start(&service, &ship_to(&url, "stranger", ""));
    let run = generate(options(&proxy, vec![Ask::get("a.test", "/stranger")], 500));
    run.assert_untroubled();
    let lines = wait_within(SHIPPED, "a warning", || {
        Some(warnings(&proxy)).filter(|lines| !lines.is_empty())
    });
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let figures = proxy.figures();
    assert_eq!(figures["lbproxy_ship_connected"], 0);
    assert_eq!(figures["lbproxy_ship_acknowledged_total"], 0);
    let dir = proxy.kill();

    // With the right address all of them arrive.
    let server = RealServer::shared(Product::OpenSearch);
    let again = Proxy::start_in(dir, &service, &server.telemetry("stranger"));
    again.settled();
    let stored = server.stored(&access("stranger"), &FIELDS);
    assert_eq!(exactly_once(&stored, &[run]), 500);
}
