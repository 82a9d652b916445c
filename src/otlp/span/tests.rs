//! Goal: spans say what the record says, in the conventions' words. Method: records as the data plane
//! writes them, through their binary form; the ids against what an endpoint was told.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use proptest::prelude::*;

use super::*;
use crate::base::trace::{Context, Parent, Share};
use crate::record::{
    Count, EcsNanos, Flag, Ip, MicrosList, Outcome, State, Status as HttpStatus, Text, TextList,
    TimestampMs,
};

const END_MS: u64 = 1_700_000_000_000;

fn spans_of(record: &AccessRecord<'_>) -> Vec<Span> {
    let (mut slot, mut found) = ([0; 8 * 1024], Vec::new());
    let used = record.encode(&mut slot).unwrap();
    spans(&slot[..used], &mut found).unwrap();
    found
}

fn get(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.clone()?.value? {
        Any::StringValue(text) => text,
        Any::IntValue(number) => number.to_string(),
        Any::BoolValue(flag) => flag.to_string(),
        other => format!("{other:?}"),
    })
}

/// A request that one endpoint answered 200 within 10 ms.
fn answered() -> AccessRecord<'static> {
    AccessRecord {
        timestamp: Some(TimestampMs(END_MS)),
        duration: Some(EcsNanos(10_000)),
        method: Some(Text(b"GET")),
        path: Some(Text(b"/cart")),
        query: Some(Text(b"a=1")),
        domain: Some(Text(b"shop.test")),
        scheme: Some(Text(b"https")),
        http_version: Some(Text(b"2")),
        status: Some(HttpStatus(200)),
        service: Some(Text(b"shop")),
        endpoint: Some(Text(b"127.0.0.1:8080")),
        head_us: Some(Micros(1_000)),
        connect_us: Some(Micros(300)),
        reused: Some(Flag(false)),
        response_us: Some(Micros(5)),
        upstream_total_us: Some(Micros(8_000)),
        attempts: Some(Count(1)),
        reason: Some(Reason::Complete),
        outcome: Some(Outcome::Success),
        state: Some(State::new(Reason::Complete, crate::record::Phase::Data)),
        client_ip: Some(Ip([192, 0, 2, 7].into())),
        user_agent: Some(Text(b"curl/8")),
        referrer: Some(Text(b"http://a/")),
        trace_id: Some(Text(b"4bf92f3577b34da6a3ce929d0e0e4736")),
        span_id: Some(Text(b"00f067aa0ba902b7")),
        trace_sampled: Some(Flag(true)),
        ..AccessRecord::default()
    }
}

#[test]
fn an_answered_request_is_a_server_span_with_a_client_span_in_it() {
    let spans = spans_of(&answered());
    let [server, client] = &spans[..] else { panic!("{spans:#?}") };
    assert_eq!((server.name.as_str(), server.kind), ("GET", SpanKind::Server as i32));
    assert_eq!((client.name.as_str(), client.kind), ("GET", SpanKind::Client as i32));
    let end_ns = END_MS * 1_000_000;
    assert_eq!(
        (server.start_time_unix_nano, server.end_time_unix_nano),
        (end_ns - 10_000_000, end_ns)
    );
    assert_eq!(
        (client.start_time_unix_nano, client.end_time_unix_nano),
        (end_ns - 8_000_000, end_ns)
    );
    assert_eq!(server.parent_span_id, Vec::<u8>::new());
    assert_eq!(client.parent_span_id, server.span_id);
    assert_eq!((server.flags, client.flags), (0x101, 0x101));
    assert!(server.status.is_none() && client.status.is_none());
    for (span, key, want) in [
        (server, "http.request.method", Some("GET")),
        (server, "url.path", Some("/cart")),
        (server, "url.query", Some("a=1")),
        (server, "url.scheme", Some("https")),
        (server, "server.address", Some("shop.test")),
        (server, "http.response.status_code", Some("200")),
        (server, "network.protocol.version", Some("2")),
        (server, "client.address", Some("192.0.2.7")),
        (server, "user_agent.original", Some("curl/8")),
        (server, "lbproxy.service", Some("shop")),
        (server, "lbproxy.termination.reason", Some("complete")),
        (server, "lbproxy.time.head_us", Some("1000")),
        (server, "error.type", None),
        (server, "http.server.request.duration", None),
        (client, "server.address", Some("127.0.0.1")),
        (client, "server.port", Some("8080")),
        (client, "url.full", Some("http://127.0.0.1:8080/cart?a=1")),
        (client, "http.response.status_code", Some("200")),
        (client, "network.protocol.version", Some("1.1")),
        (client, "http.request.resend_count", None),
        (client, "lbproxy.upstream.connect_us", Some("300")),
        (client, "lbproxy.upstream.reused", Some("false")),
        (client, "error.type", None),
    ] {
        assert_eq!(get(span, key).as_deref(), want, "{key}");
    }
    let keys: std::collections::BTreeSet<_> = server.attributes.iter().map(|a| &a.key).collect();
    assert_eq!(keys.len(), server.attributes.len(), "a key twice: {server:#?}");
    assert!(get(server, "http.request.header.referer").unwrap().starts_with("ArrayValue"));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of named rows is read row by row")]
fn names_and_errors_follow_the_conventions() {
    let base = answered();
    let failed = |reason, status| AccessRecord {
        status: Some(HttpStatus(status)),
        reason: Some(reason),
        outcome: Some(Outcome::of(Some(status), reason)),
        response_us: None,
        ..base
    };
    let upstream = |status| AccessRecord {
        status: Some(HttpStatus(status)),
        outcome: Some(Outcome::of(Some(status), Reason::Complete)),
        ..base
    };
    // Server: name, error.type; client: status, error.type.
    for (what, record, name, server, client) in [
        ("fine", base, "GET", None, (Some("200"), None)),
        (
            "a route",
            AccessRecord { route: Some(Text(b"/cart/:id")), ..base },
            "GET /cart/:id",
            None,
            (Some("200"), None),
        ),
        (
            "no known method",
            AccessRecord { method: Some(Text(b"BREW")), ..base },
            "HTTP",
            None,
            (Some("200"), None),
        ),
        ("404 of the endpoint", upstream(404), "GET", None, (Some("404"), Some("404"))),
        ("500 of the endpoint", upstream(500), "GET", Some("500"), (Some("500"), Some("500"))),
        ("its 502 told from ours", upstream(502), "GET", Some("502"), (Some("502"), Some("502"))),
        (
            "our 502",
            failed(Reason::ConnectRefused, 502),
            "GET",
            Some("connect_refused"),
            (None, Some("connect_refused")),
        ),
        (
            "another status sent on",
            AccessRecord {
                upstream_status: Some(HttpStatus(101)),
                ..failed(Reason::UpstreamBadResponse, 502)
            },
            "GET",
            Some("upstream_bad_response"),
            (None, Some("upstream_bad_response")),
        ),
        (
            "cut in the body",
            AccessRecord {
                reason: Some(Reason::UpstreamReset),
                outcome: Some(Outcome::Failure),
                ..base
            },
            "GET",
            Some("upstream_reset"),
            (Some("200"), Some("upstream_reset")),
        ),
        (
            "the client left",
            AccessRecord {
                reason: Some(Reason::DownstreamClosed),
                outcome: Some(Outcome::Unknown),
                ..base
            },
            "GET",
            None,
            (Some("200"), None),
        ),
    ] {
        let spans = spans_of(&record);
        assert_eq!(spans.len(), 2, "{what}");
        assert_eq!(spans[0].name, name, "{what}");
        assert_eq!(get(&spans[0], "error.type").as_deref(), server, "{what}");
        assert_eq!(spans[0].status.is_some(), server.is_some(), "{what}");
        let status = get(&spans[1], "http.response.status_code");
        let kind = get(&spans[1], "error.type");
        assert_eq!((status.as_deref(), kind.as_deref()), client, "{what}");
        assert_eq!(spans[1].status.is_some(), client.1.is_some(), "{what}");
    }
    let spans = spans_of(&AccessRecord { method: Some(Text(b"BREW")), ..base });
    for span in &spans {
        assert_eq!(get(span, "http.request.method").as_deref(), Some("_OTHER"));
        assert_eq!(get(span, "http.request.method_original").as_deref(), Some("BREW"));
    }
}

#[test]
fn each_attempt_is_a_client_span_after_the_one_before() {
    let (mut endpoints, mut statuses, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    let mut times = Vec::new();
    for (endpoint, status, reason, micros) in [
        ("10.0.0.1:80", "-", "connect_refused", 2_000),
        ("[::1]:81", "-", "connect_timeout", 3_000),
        ("shop.internal:82", "200", "complete", 3_500),
    ] {
        TextList::push(&mut endpoints, endpoint.as_bytes());
        TextList::push(&mut statuses, status.as_bytes());
        TextList::push(&mut reasons, reason.as_bytes());
        MicrosList::push(&mut times, micros);
    }
    let record = AccessRecord {
        endpoint: Some(Text(b"shop.internal:82")),
        attempts: Some(Count(3)),
        attempt_endpoints: Some(TextList(&endpoints)),
        attempt_statuses: Some(TextList(&statuses)),
        attempt_reasons: Some(TextList(&reasons)),
        attempt_us: Some(MicrosList(&times)),
        upstream_total_us: Some(Micros(3_500)),
        ..answered()
    };
    let spans = spans_of(&record);
    let rows: Vec<_> = spans[1..]
        .iter()
        .map(|span| {
            let from_end = |ns| (END_MS * 1_000_000 - ns) / 1_000;
            (
                get(span, "server.address").unwrap(),
                get(span, "http.request.resend_count"),
                get(span, "error.type"),
                from_end(span.start_time_unix_nano),
                from_end(span.end_time_unix_nano),
            )
        })
        .collect();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        rows,
        [
            (text("10.0.0.1"), None, Some(text("connect_refused")), 9_000, 7_000),
            (text("::1"), Some(text("1")), Some(text("connect_timeout")), 7_000, 4_000),
            (text("shop.internal"), Some(text("2")), None, 3_500, 0),
        ]
    );
    assert_eq!(get(&spans[1], "lbproxy.upstream.connect_us"), None, "that of the last one");
    assert_eq!(get(&spans[3], "lbproxy.upstream.connect_us").as_deref(), Some("300"));
}

#[test]
fn a_record_without_a_place_in_a_trace_has_no_spans() {
    for (what, record) in [
        ("no span", AccessRecord { span_id: None, ..answered() }),
        ("no trace", AccessRecord { trace_id: None, ..answered() }),
        ("no digits", AccessRecord { span_id: Some(Text(b"nonsense")), ..answered() }),
    ] {
        assert_eq!(spans_of(&record), [], "{what}");
    }
    let refused = AccessRecord { endpoint: None, attempts: Some(Count(0)), ..answered() };
    assert_eq!(spans_of(&refused).len(), 1, "answered by the proxy");
}

proptest! {
    /// What an endpoint was told is the id of the client span; what the caller told us is our parent.
    #[test]
    fn exported_ids_are_those_that_were_sent(
        trace in 1_u128..,
        span in 1_u64..,
        attempts in 1_usize..6,
        continued in any::<bool>(),
    ) {
        let begun = Context::begun(trace, span, Share::new(1.0));
        let parent = Parent::parse(&begun.traceparent(9)).unwrap();
        let context = if continued { Context::continued(&parent, span) } else { begun };
        let (mut list, mut reasons) = (Vec::new(), Vec::new());
        for _ in 0..attempts {
            TextList::push(&mut list, b"a:1");
            TextList::push(&mut reasons, b"complete");
        }
        let many = (attempts > 1).then_some(TextList(&list));
        let record = AccessRecord {
            trace_id: Some(Text(&context.trace_id)),
            span_id: Some(Text(&context.span_id)),
            parent_span_id: context.parent_id.as_ref().map(|id| Text(&id[..])),
            attempt_endpoints: many,
            attempt_statuses: many,
            attempt_reasons: many.map(|_| TextList(&reasons)),
            ..answered()
        };
        let spans = spans_of(&record);
        prop_assert_eq!(spans.len(), attempts + 1);
        let parent_id = continued.then(|| number_of(&parent.span_id).unwrap());
        let want = parent_id.map_or(Vec::new(), |id| u64::try_from(id).unwrap().to_be_bytes().to_vec());
        prop_assert_eq!(&spans[0].parent_span_id, &want);
        for (number, span) in (1..).zip(&spans[1..]) {
            let sent = Parent::parse(&context.traceparent(number)).unwrap();
            let digits = |bytes: &[u8]| -> Vec<u8> {
                bytes.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect()
            };
            prop_assert_eq!(digits(&span.span_id), sent.span_id.to_vec());
            prop_assert_eq!(digits(&span.trace_id), sent.trace_id.to_vec());
            prop_assert_eq!(&span.parent_span_id, &spans[0].span_id);
        }
    }
}
