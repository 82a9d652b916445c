//! Goal: what endpoints are told and what a collector gets are the same traces, each span of an answered
//! request arrives however proxy and collector end, and what is lost is counted. Method: the real
//! program against the real OpenTelemetry Collector, and against a receiver that refuses, is slow, or is
//! gone; the journal's records say what must arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lbproxy_fakes::{Options, Product};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::support::collector::{Collector, Receiver, Reply, texts};
use crate::support::tls::fixture;
use crate::support::*;

/// Times the process is killed.
const KILLS: usize = 8;
/// A trace that a caller began, and its span.
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The lines of `telemetry` that export to a collector.
fn export_to(endpoint: impl std::fmt::Display, keys: &str) -> String {
    format!("  otlp: {{endpoint: \"http://{endpoint}\"{keys}}}\n")
}

/// `/broken` is 500, `/slow` takes a while, anything else 200.
fn upstream() -> Upstream {
    Upstream::start(|head, _| {
        let status = match head.split(' ').nth(1) {
            Some("/broken") => "500 Internal Server Error",
            Some("/slow") => {
                std::thread::park_timeout(std::time::Duration::from_millis(300));
                "200 OK"
            }
            _ => "200 OK",
        };
        format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nhi").into_bytes()
    })
}

/// A request with further fields.
fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// Sends requests over one connection.
fn send(proxy: &Proxy, paths: impl IntoIterator<Item = &'static str>) {
    use std::io::Write as _;
    let stream = connect(proxy.address);
    let mut writer = stream.try_clone().unwrap();
    let mut reader = std::io::BufReader::new(stream);
    for path in paths {
        writer.write_all(get(path, "").as_bytes()).unwrap();
        read_response(&mut reader, false).unwrap();
    }
}

/// A span by its ids, as hex digits: trace, span, parent.
type Ids = (String, String, String);

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn ids(span: &Span) -> Ids {
    (hex(&span.trace_id), hex(&span.span_id), hex(&span.parent_span_id))
}

fn text(document: &Value, path: &str) -> String {
    document[path].as_str().unwrap_or_default().to_owned()
}

fn records(documents: Vec<Value>) -> Vec<Value> {
    documents.into_iter().filter(|document| document.get("event.outcome").is_some()).collect()
}

/// The server spans that records must have.
fn server_spans(records: &[Value]) -> BTreeSet<Ids> {
    let ids = |record| {
        let parent = text(record, "lbproxy.trace.parent_id");
        (text(record, "trace.id"), text(record, "span.id"), parent)
    };
    records.iter().map(ids).collect()
}

/// The client spans that endpoints were told of, by trace and span.
fn told(upstreams: &[&Upstream]) -> BTreeSet<(String, String)> {
    let seen = upstreams.iter().flat_map(|upstream| upstream.seen());
    seen.map(|(head, _)| {
        let parts: Vec<_> = field(&head, "traceparent").unwrap().split('-').collect();
        (parts[1].to_owned(), parts[2].to_owned())
    })
    .collect()
}

/// Spans of a kind, each once.
fn of_kind(spans: &[Span], kind: SpanKind) -> BTreeSet<Ids> {
    spans.iter().filter(|span| span.kind == kind as i32).map(ids).collect()
}

/// Spans and records are the same: each server span of a record, below it as many client spans as it
/// says attempts, and no other.
fn check_spans(name: &str, spans: &[Span], records: &[Value]) {
    let servers = of_kind(spans, SpanKind::Server);
    assert_eq!(servers, server_spans(records), "{name}: server spans");
    let mut attempts = BTreeMap::<String, u64>::new();
    for (_, _, parent) in of_kind(spans, SpanKind::Client) {
        *attempts.entry(parent).or_default() += 1;
    }
    let want = records.iter().filter_map(|record| {
        let count = record["lbproxy.attempts"].as_u64().unwrap();
        (count > 0).then(|| (text(record, "span.id"), count))
    });
    assert_eq!(attempts, want.collect(), "{name}: client spans");
}

/// A request: proxy, fields; trace and flags that the endpoint is told, `*` for any; whether it gets the
/// state; what the record says.
type Through<'a> = (&'a str, &'a Proxy, String, Option<(&'a str, &'a str)>, bool, &'a str);

#[test]
fn a_trace_goes_through_to_the_endpoint_only_where_spans_are_exported() {
    const STATE: &str = "Tracestate: vendor=1\r\n";
    let upstream = upstream();
    let receiver = Receiver::start(|_| Reply::Take);
    let service = one_service(&[upstream.address], "");
    let plain = Proxy::start(&service, "");
    let traced = Proxy::start(&service, &export_to(receiver.address, ", sample: 0"));
    let parent = format!("Traceparent: {PARENT}\r\n");
    let broken = "Traceparent: 00-zz-1-1\r\n";
    let rows: [Through<'_>; 8] = [
        ("none", &plain, String::new(), None, false, ""),
        ("as it came", &plain, format!("{parent}{STATE}"), Some((TRACE, "01")), true, TRACE),
        ("no trace, as it came", &plain, format!("{broken}{STATE}"), Some(("zz", "1")), true, ""),
        ("begun", &traced, String::new(), Some(("*", "00")), false, "*"),
        ("continued", &traced, format!("{parent}{STATE}"), Some((TRACE, "01")), true, TRACE),
        ("replaced", &traced, format!("{broken}{STATE}"), Some(("*", "00")), false, "*"),
        ("two of them", &traced, format!("{parent}{parent}{STATE}"), Some(("*", "00")), false, "*"),
        ("a state alone", &traced, STATE.to_owned(), Some(("*", "00")), false, "*"),
    ];
    for (number, (name, proxy, fields, want, has_state, recorded)) in rows.into_iter().enumerate() {
        let path = format!("/{number}");
        assert_eq!(proxy.send(get(&path, &fields)).status, 200, "{name}");
        let (head, _) = upstream.seen().pop().unwrap();
        let told = field(&head, "traceparent").map(|value| value.split('-').collect::<Vec<_>>());
        match (told, want) {
            (None, None) => (),
            (Some(parts), Some((trace, flags))) => {
                let is_new = parts[1].len() == 32 && parts[1] != TRACE;
                assert!(if trace == "*" { is_new } else { parts[1] == trace }, "{name}: {head}");
                assert_eq!(parts.last(), Some(&flags), "{name}: {head}");
            }
            (told, _) => panic!("{name}: {told:?}"),
        }
        assert_eq!(head.to_lowercase().matches("traceparent").count(), usize::from(want.is_some()));
        assert_eq!(field(&head, "tracestate").is_some(), has_state, "{name}: {head}");
        let record = wait_for("the record", || {
            records(proxy.documents()).into_iter().find(|record| record["url.path"] == path)
        });
        let id = text(&record, "trace.id");
        assert!(recorded == "*" && id.len() == 32 || recorded == id, "{name}: {record}");
        let is_traced = std::ptr::eq(proxy, &raw const traced);
        assert_eq!(record.get("span.id").is_some(), is_traced, "{name}: {record}");
    }
}

#[test]
fn the_real_collector_gets_the_spans_that_endpoints_were_told_of() {
    let collector = Collector::start();
    for (protocol, address) in [("grpc", collector.grpc), ("http/protobuf", collector.http)] {
        let upstream = upstream();
        let before = collector.spans().len();
        let proxy = Proxy::start(
            &one_service(&[nobody(), upstream.address], ", balance: round_robin"),
            &export_to(address, &format!(", protocol: {protocol}, sample: 1, logs: true")),
        );
        send(&proxy, ["/", "/a?b=c", "/broken", "/"]);
        proxy.send(get("/", &format!("Traceparent: {PARENT}\r\n")));
        proxy.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
        let dir = {
            let dir = Arc::clone(&proxy.dir);
            proxy.terminate();
            dir
        };
        let records = records(documents(dir.path()));
        assert_eq!(records.len(), 6, "{protocol}");
        let attempts: u64 = records.iter().filter_map(|r| r["lbproxy.attempts"].as_u64()).sum();
        assert!(attempts > 5, "{protocol}: nothing was tried twice");
        let count = records.len() + usize::try_from(attempts).unwrap();
        let spans = wait_for("the spans", || {
            let spans = collector.spans().split_off(before);
            (spans.len() >= count).then_some(spans)
        });
        assert_eq!(spans.len(), count, "{protocol}");
        let ids = |kind: &str| -> BTreeSet<Ids> {
            let spans = spans.iter().filter(|span| span["Kind"] == kind);
            spans
                .map(|span| {
                    (span["Trace ID"].clone(), span["ID"].clone(), span["Parent ID"].clone())
                })
                .collect()
        };
        assert_eq!(ids("Server"), server_spans(&records), "{protocol}");
        let clients: BTreeSet<_> = ids("Client").into_iter().map(|(t, s, _)| (t, s)).collect();
        assert!(told(&[&upstream]).is_subset(&clients), "{protocol}: {clients:#?}");
        let failed = spans.iter().filter(|span| span["Status code"] == "Error").count();
        let refused = records.iter().filter(|r| r["lbproxy.attempts"] == 2).count();
        assert_eq!(failed, 2 + refused, "{protocol}: /broken twice, and refused connections");
        for want in ["service.name: Str(lbproxy)", "service.instance.id: Str(test)", "LogRecord #0"]
        {
            assert!(collector.printed().contains(want), "{protocol}: {want}");
        }
    }
}

#[test]
fn a_killed_proxy_delivers_the_spans_of_answered_requests_after_its_next_start() {
    let upstream = upstream();
    let service = one_service(&[nobody(), upstream.address], ", balance: round_robin");
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let (address, port) = reserve();
    let rest = export_to(address, ", sample: 1, timeout: 1s");
    let mut spans = Vec::new();
    let mut sent = 0;
    for kill in 0..KILLS {
        // Gone at first, and then away every other time, while the proxy is killed all the same.
        let receiver = (kill % 2 == 1).then(|| Receiver::on(address, |_| Reply::Take));
        let proxy = Proxy::start_in(Arc::clone(&dir), &service, &rest);
        let count = 20 + kill * 13;
        send(&proxy, ["/", "/broken"].into_iter().cycle().take(count));
        sent += count;
        if let Some(receiver) = &receiver {
            if kill % 4 == 1 {
                wait_for("the first spans", || (!receiver.spans().is_empty()).then_some(()));
            }
            send(&proxy, ["/"; 5]);
            sent += 5;
        }
        proxy.kill();
        spans.extend(receiver.iter().flat_map(Receiver::spans));
    }
    drop(port);
    let receiver = Receiver::on(address, |_| Reply::Take);
    let proxy = Proxy::start_in(Arc::clone(&dir), &service, &rest);
    proxy.await_figure("lbproxy_otlp_pending", |pending| pending == 0);
    proxy.terminate();
    spans.extend(receiver.spans());
    let records = records(documents(dir.path()));
    assert_eq!(records.len(), sent, "each answered request has its record");
    check_spans("after the kills", &spans, &records);
    let clients: BTreeSet<_> = of_kind(&spans, SpanKind::Client)
        .into_iter()
        .map(|(trace, span, _)| (trace, span))
        .collect();
    assert!(told(&[&upstream]).is_subset(&clients));
}

/// A receiver; spans exported, rejected, refused; whether a request is repeated. Two spans are sent.
type OfGrpc = (&'static str, Box<dyn Fn(usize) -> Reply + Send + Sync>, [u64; 3], bool);

#[test]
fn refusals_of_grpc_are_repeated_or_counted_as_the_protocol_says() {
    let again = || {
        let wait = Some(std::time::Duration::from_millis(50));
        let details = ErrorDetails::with_retry_info(wait);
        Reply::Refuse(Status::with_error_details(Code::ResourceExhausted, "later", details))
    };
    let rows: [OfGrpc; 7] = [
        ("takes all", Box::new(|_| Reply::Take), [2, 0, 0], false),
        ("takes one", Box::new(|_| Reply::TakeAllBut(1)), [1, 1, 0], false),
        (
            "asks for a wait",
            Box::new(move |n| if n < 2 { again() } else { Reply::Take }),
            [2, 0, 0],
            true,
        ),
        (
            "is away for a moment",
            Box::new(|n| match n {
                0 => Reply::Refuse(Status::unavailable("starting")),
                _ => Reply::Take,
            }),
            [2, 0, 0],
            true,
        ),
        ("is slow", Box::new(|n| if n == 0 { Reply::Hang } else { Reply::Take }), [2, 0, 0], true),
        (
            "does not understand",
            Box::new(|_| Reply::Refuse(Status::invalid_argument("no"))),
            [0, 0, 2],
            false,
        ),
        (
            "lets nobody in",
            Box::new(|_| Reply::Refuse(Status::unauthenticated("who?"))),
            [0, 0, 2],
            false,
        ),
    ];
    for (name, script, [exported, rejected, refused], is_repeated) in rows {
        let receiver = Receiver::start(script);
        check_answers(
            name,
            &receiver.address.to_string(),
            if name == "is slow" { ", timeout: 1s" } else { ", timeout: 1m" },
            [exported, rejected, refused, u64::from(is_repeated)],
        );
        assert_eq!(receiver.requests() > 1, is_repeated, "{name}");
    }
}

/// One request through a proxy that exports there; then what became of its two spans.
fn check_answers(name: &str, endpoint: &str, keys: &str, want: [u64; 4]) {
    let upstream = upstream();
    let keys = format!(", sample: 1{keys}");
    let service = one_service(&[upstream.address], "");
    let proxy = Proxy::start(&service, &export_to(endpoint, &keys));
    assert_eq!(proxy.send(get("/", "Connection: close\r\n")).status, 200, "{name}");
    proxy.await_figure("lbproxy_otlp_spans_total", |sum| sum >= 2);
    proxy.await_figure("lbproxy_otlp_pending", |pending| pending == 0);
    let page = String::from_utf8(proxy.admin("GET", "/metrics").body).unwrap();
    let value = |line: &str| -> u64 {
        let value = page.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{line} is not in\n{page}")).parse().unwrap()
    };
    let spans = |result| value(&format!("lbproxy_otlp_spans_total{{result=\"{result}\"}}"));
    let got = [
        spans("exported"),
        spans("rejected"),
        spans("refused"),
        u64::from(value("lbproxy_otlp_retries_total") > 0),
    ];
    assert_eq!(got, want, "{name}: exported, rejected, refused, whether repeated");
    assert_eq!(value("lbproxy_otlp_connected") == 1, want[2] == 0, "{name}");
}

#[test]
fn refusals_of_http_are_repeated_or_counted_as_the_protocol_says() {
    type Row = (&'static str, &'static [&'static str], [u64; 4]);
    // Answers in order, the last one for ever; spans exported, rejected, refused; whether repeated.
    let rows: [Row; 6] = [
        ("takes all", &["200 OK"], [2, 0, 0, 0]),
        ("busy", &["429 Too Many\r\nRetry-After: 0", "200 OK"], [2, 0, 0, 1]),
        ("away", &["503 Away", "502 Bad", "200 OK"], [2, 0, 0, 1]),
        ("closes", &["", "200 OK"], [2, 0, 0, 1]),
        ("bad", &["400 Bad"], [0, 0, 2, 0]),
        ("redirects", &["307 Elsewhere\r\nLocation: http://127.0.0.1:1/"], [0, 0, 2, 0]),
    ];
    for (name, answers, want) in rows {
        let turn = std::sync::atomic::AtomicUsize::new(0);
        let receiver = Upstream::start(move |_, _| {
            let turn = turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let answer = answers[turn.min(answers.len() - 1)];
            let is_closed = answer.is_empty();
            let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").into_bytes();
            if is_closed { Vec::new() } else { answer }
        });
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "Bearer s3cret\n").unwrap();
        let keys = format!(
            ", protocol: http/protobuf, headers: [{{name: Authorization, value_file: \"{}\"}}]",
            secret.path().display()
        );
        check_answers(name, &format!("{}/base/", receiver.address), &keys, want);
        for (head, body) in receiver.seen() {
            assert!(head.starts_with("POST /base/v1/traces HTTP/1.1\r\n"), "{name}: {head}");
            assert_eq!(field(&head, "authorization"), Some("Bearer s3cret"), "{name}");
            assert_eq!(field(&head, "content-type"), Some("application/x-protobuf"), "{name}");
            let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
            let spans = &request.resource_spans[0].scope_spans[0].spans;
            assert_eq!(spans.len(), 2, "{name}: server and client");
        }
    }
}

#[test]
fn the_head_decides_but_errors_and_slow_requests_are_always_exported() {
    let upstream = upstream();
    let receiver = Receiver::start(|_| Reply::Take);
    let headers = ", headers: [{name: x-tenant, value: shop}]";
    let proxy = Proxy::start(
        &one_service(&[upstream.address], ""),
        &export_to(receiver.address, &format!(", sample: 0, slow: 250ms{headers}")),
    );
    send(&proxy, ["/", "/broken", "/slow", "/", "/broken"]);
    proxy.send(get("/kept", &format!("Traceparent: {PARENT}\r\n")));
    proxy.send(get("/left", &format!("Traceparent: {}\r\n", PARENT.replace("-01", "-00"))));
    let dir = Arc::clone(&proxy.dir);
    proxy.terminate();
    let records = records(documents(dir.path()));
    assert_eq!(records.len(), 7);
    let is_wanted = |record: &Value| {
        record["http.response.status_code"].as_u64() >= Some(500)
            || record["event.duration"].as_u64() >= Some(250_000_000)
            || record["lbproxy.trace.sampled"] == true
    };
    let wanted: Vec<_> = records.iter().filter(|record| is_wanted(record)).cloned().collect();
    let paths: BTreeSet<_> = wanted.iter().map(|record| text(record, "url.path")).collect();
    for path in ["/broken", "/slow", "/kept"] {
        assert!(paths.contains(path), "{path}");
    }
    check_spans("sampled", &receiver.spans(), &wanted);
    assert_eq!(receiver.field("x-tenant").as_deref(), Some("shop"));
    let resource = receiver.resource();
    assert_eq!(resource["service.name"], "lbproxy");
    assert_eq!(resource["service.instance.id"], "test");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(resource["host.name"], lbproxy::config::hostname());
}

#[test]
fn a_collector_that_is_away_for_long_costs_the_oldest_spans_and_no_record() {
    let upstream = upstream();
    let (address, port) = reserve();
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let proxy = Proxy::start_with(
        Arc::clone(&dir),
        &one_service(&[upstream.address], ""),
        &export_to(address, ", sample: 1"),
        "10s",
        ", size: 12MiB",
    );
    // Some 2 KiB each: more than the eighth of the journal that may wait.
    let path: &'static str = Box::leak(format!("/{}", "x".repeat(2_000)).into_boxed_str());
    send(&proxy, std::iter::repeat_n(path, 1_500));
    proxy.await_figure("lbproxy_otlp_held_bytes_max", |most| most == 12 * 1024 * 1024 / 8);
    wait_for("skipped spans", || {
        // All of them were seen: else those that are skipped next may be of another lane than the oldest.
        let figures = proxy.figures();
        let (held, skipped) =
            (figures["lbproxy_otlp_held_bytes"], figures["lbproxy_otlp_spans_total"]);
        let are_seen = skipped + 2 * figures["lbproxy_otlp_pending"] >= 2 * 1_500;
        (skipped > 0 && are_seen && held <= 12 * 1024 * 1024 / 8).then_some(())
    });
    drop(port);
    let receiver = Receiver::on(address, |_| Reply::Take);
    send(&proxy, ["/last"]);
    proxy.await_figure("lbproxy_otlp_pending", |pending| pending == 0);
    let figures = proxy.figures();
    assert_eq!(figures["lbproxy_otlp_spans_total"], 2 * 1_501, "exported and skipped");
    assert_eq!(figures["lbproxy_journal_dropped_full_total"], 0);
    proxy.terminate();
    let records = records(documents(dir.path()));
    let servers = of_kind(&receiver.spans(), SpanKind::Server);
    assert!(servers.len() > 100 && servers.len() < 1_501, "{}", servers.len());
    assert!(servers.is_subset(&server_spans(&records)));
    let last = records.iter().find(|record| record["url.path"] == "/last").unwrap();
    assert!(
        servers.iter().any(|(_, span, _)| *span == text(last, "span.id")),
        "the newest is there"
    );
}

#[test]
fn log_records_are_those_of_all_requests_with_their_traces() {
    let upstream = upstream();
    let receiver = Receiver::start(|n| match n {
        0 => Reply::Refuse(Status::unavailable("starting")),
        _ => Reply::Take,
    });
    let proxy = Proxy::start(
        &one_service(&[upstream.address], ""),
        &export_to(receiver.address, ", sample: 0, slow: off, logs: true"),
    );
    send(&proxy, ["/", "/broken", "/"]);
    proxy.await_figure("lbproxy_otlp_logs_total", |count| count == 3);
    let logs = receiver.logs();
    let rows: Vec<_> = records(proxy.documents())
        .iter()
        .map(|record| (text(record, "trace.id"), text(record, "span.id"), text(record, "url.path")))
        .collect();
    let got: Vec<_> = logs
        .iter()
        .map(|log| {
            (hex(&log.trace_id), hex(&log.span_id), texts(&log.attributes)["url.path"].clone())
        })
        .collect();
    assert_eq!(got, rows);
    let texts: Vec<_> = logs.iter().map(|log| log.severity_text.as_str()).collect();
    assert_eq!(texts, ["INFO", "ERROR", "INFO"]);
    assert_eq!(of_kind(&receiver.spans(), SpanKind::Server).len(), 1, "spans of /broken alone");
}

#[test]
fn the_control_plane_has_spans_of_its_own() {
    let upstream = upstream();
    let server = lbproxy_fakes::start(Options::local(Product::Elasticsearch)).unwrap();
    let receiver = Receiver::start(|_| Reply::Take);
    let shipping = ship_to(&server.url(), "default", "");
    let proxy = Proxy::start(
        &one_service(&[upstream.address], ""),
        &format!("{shipping}{}", export_to(receiver.address, ", sample: 0, slow: off")),
    );
    send(&proxy, ["/"; 3]);
    let names =
        || -> BTreeSet<String> { receiver.spans().iter().map(|span| span.name.clone()).collect() };
    let want = BTreeSet::from(["ship batch".to_owned(), "ship setup".to_owned()]);
    wait_for("both spans", || (names() == want).then_some(()));
    let batches = receiver.spans().into_iter().filter(|span| span.name == "ship batch");
    let sent: u64 =
        batches.map(|span| texts(&span.attributes)["records"].parse::<u64>().unwrap()).sum();
    assert!((1..=4).contains(&sent), "{sent}");
    assert!(!proxy.log().contains("ship batch"), "spans are no part of the log");
}

#[test]
fn tls_is_verified_and_shows_a_certificate_of_our_own() {
    let upstream = upstream();
    let collector = Collector::start_tls();
    let file = |key: &str, name| format!("{key}: \"{}\"", fixture(name).display());
    let (ca, other) = (file("ca_file", "ca.pem"), file("ca_file", "cert.pem"));
    let own =
        format!("{}, {}", file("cert_file", "signed.pem"), file("key_file", "signed-key.pem"));
    for (protocol, address) in [("grpc", collector.grpc), ("http/protobuf", collector.http)] {
        for (name, tls, is_taken) in [
            ("both are shown", format!("{ca}, {own}"), true),
            ("another authority", format!("{other}, {own}"), false),
            ("the usual ones", own.clone(), false),
            ("none of our own", ca.clone(), false),
        ] {
            let keys = format!(", protocol: {protocol}, sample: 1, timeout: 1m, tls: {{{tls}}}");
            let endpoint = format!("https://localhost:{}", address.port());
            let rest = format!("  otlp: {{endpoint: \"{endpoint}\"{keys}}}\n");
            let proxy = Proxy::start(&one_service(&[upstream.address], ""), &rest);
            send(&proxy, ["/"]);
            if is_taken {
                proxy.await_figure("lbproxy_otlp_spans_total", |spans| spans == 2);
                assert_eq!(proxy.figures()["lbproxy_otlp_connected"], 1, "{protocol}: {name}");
            } else {
                proxy.await_figure("lbproxy_otlp_retries_total", |retries| retries > 0);
                assert_eq!(proxy.figures()["lbproxy_otlp_spans_total"], 0, "{protocol}: {name}");
                assert!(proxy.log().contains("does not take spans"), "{protocol}: {name}");
            }
        }
    }
    assert_eq!(collector.spans().len(), 4, "two of each protocol");
}
