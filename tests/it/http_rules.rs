//! Goal: the proxy is a correct intermediary. Method: raw sockets on both sides, named rows.

use std::io::{BufReader, Write as _};

use crate::frames::{self, Frames};
use crate::support::*;

/// Each request that proxies are known to treat differently, and the answer we stand for.
#[test]
fn questionable_requests_get_one_strict_answer() {
    let upstream = Upstream::ok();
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
    let head = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    for (name, request, status) in [
        (
            "length and chunks",
            head("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
            400,
        ),
        (
            "chunks and length",
            head("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") + "0\r\n\r\n",
            400,
        ),
        ("two lengths", head("Content-Length: 2\r\nContent-Length: 3\r\n") + "abc", 400),
        ("list of lengths", head("Content-Length: 2, 2\r\n") + "ab", 400),
        ("unknown coding", head("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n", 400),
        ("a second coding", head("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n", 400),
        ("chunked twice", head("Transfer-Encoding: chunked, chunked\r\n") + "0\r\n\r\n", 400),
        (
            "chunks in HTTP/1.0",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            400,
        ),
        ("bare LF in chunk", head("Transfer-Encoding: chunked\r\n") + "2\nab\r\n0\r\n\r\n", 400),
        (
            "bare LF in extension",
            head("Transfer-Encoding: chunked\r\n") + "2;x\nab\r\n0\r\n\r\n",
            400,
        ),
        (
            "bare LF in trailer",
            head("Transfer-Encoding: chunked\r\n") + "2\r\nab\r\n0\r\nX: a\n\r\n",
            400,
        ),
        (
            "bare LF after trailer",
            head("Transfer-Encoding: chunked\r\n") + "2\r\nab\r\n0\r\n\n",
            400,
        ),
        ("no host", "GET / HTTP/1.1\r\n\r\n".into(), 400),
        ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(), 400),
        ("host with two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n".into(), 400),
        ("an authority for a target", "GET b HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("… with a port", "DELETE b:80 HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("another scheme", "GET ftp://b/x HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".into(), 400),
        ("space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n".into(), 400),
        ("folded field", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n".into(), 400),
        ("NUL in value", "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n".into(), 400),
        ("fragment", "GET /a#f HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        (
            "connection names host",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n".into(),
            400,
        ),
        ("CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".into(), 405),
        ("TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n".into(), 405),
        ("unknown expectation", "GET / HTTP/1.1\r\nHost: a\r\nExpect: zork\r\n\r\n".into(), 417),
        ("long target", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9_000)), 414),
        (
            "large head",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(40_000)),
            431,
        ),
        (
            "many fields",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(200)),
            431,
        ),
        ("max-forwards 0", "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n".into(), 200),
    ] {
        assert_eq!(proxy.send(request).status, status, "{name}");
    }
    // A body that turns out bad, or a chunked one refused at its end, may have begun to go up.
    let complete: Vec<_> =
        upstream.seen().into_iter().filter(|(head, _)| !head.contains("chunked")).collect();
    assert!(complete.is_empty(), "nothing refused went up: {complete:?}");
}

#[test]
fn acceptable_requests_go_up_as_they_are() {
    let upstream = Upstream::ok();
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
    for (name, request, wants, forbidden) in [
        (
            "odd path",
            "GET /a/../%2e%2e/b//c;x=%2f HTTP/1.1\r\nHost: a\r\n\r\n",
            &["GET /a/../%2e%2e/b//c;x=%2f HTTP/1.1\r\n", "Host: a\r\n"][..],
            &[][..],
        ),
        (
            "absolute target overrides host",
            "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n",
            &["GET /x HTTP/1.1\r\n", "host: b\r\n"],
            &["ost: a\r\n"],
        ),
        (
            "name case is kept",
            "GET / HTTP/1.1\r\nHost: a\r\nX-MiXed: v\r\n\r\n",
            &["\r\nX-MiXed: v\r\n"],
            &[],
        ),
        (
            "fields of the connection stay behind",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\nProxy-Connection: x\r\nTE: gzip\r\nUpgrade: foo\r\nTrailer: x\r\nProxy-Authorization: x\r\n\r\n",
            &[],
            &[
                "x-hop",
                "keep-alive:",
                "proxy-connection",
                "te:",
                "upgrade",
                "trailer",
                "proxy-auth",
            ],
        ),
        (
            "forwarding fields are ours",
            "GET / HTTP/1.1\r\nHost: a:80\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nVia: 1.0 x\r\n\r\n",
            &[
                "x-forwarded-for: 127.0.0.1\r\n",
                "x-forwarded-proto: http\r\n",
                "x-forwarded-host: a:80\r\n",
                "via: 1.0 x\r\n",
                "via: 1.1 lbproxy-",
            ],
            &["6.6.6.6"],
        ),
        (
            "max-forwards counts down",
            "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n",
            &["max-forwards: 2\r\n"],
            &[],
        ),
        (
            "any method",
            "BREW / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            &["BREW / HTTP/1.1\r\n", "Content-Length: 3\r\n"],
            &[],
        ),
    ] {
        let before = upstream.seen().len();
        assert_eq!(proxy.send(request).status, 200, "{name}");
        let (head, _) = upstream.seen().split_off(before).remove(0);
        for want in wants {
            let is_there = head.contains(want)
                || head.to_lowercase().contains(&want.to_lowercase()) && !want.contains("MiXed");
            assert!(is_there, "{name}: {want:?} is not in\n{head}");
        }
        for not in forbidden {
            assert!(!head.to_lowercase().contains(not), "{name}: {not:?} is in\n{head}");
        }
    }
}

#[test]
fn responses_lose_the_fields_of_the_connection_and_keep_the_rest() {
    let upstream = Upstream::start(|_, _| {
        b"HTTP/1.1 200 Fine\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-MiXed: v\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
    let response = proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((response.field("x-hop"), response.field("keep-alive")), (None, None));
    assert!(response.head.contains("X-MiXed: v"), "{}", response.head);
}

/// Old application servers send both. The chunks are what counts, and whoever sends the response on
/// takes the length off (RFC 9112 §6.3), or the next reader would go by a length that is false.
#[test]
fn a_length_beside_chunks_is_taken_off_responses() {
    const BODY: &str = "8\r\nabcdefgh\r\n0\r\n\r\n";
    let upstream = Upstream::start(|head, _| {
        let fields = head.split(' ').nth(1).unwrap()[1..].replace('_', ": ").replace('/', "\r\n");
        format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{BODY}").into_bytes()
    });
    let proxy = Proxy::start(&one_service(&[upstream.address], ", outlier: {failures: 1000}"), "");
    for (fields, status) in [
        ("Transfer-Encoding_chunked", 200),
        ("Transfer-Encoding_Chunked", 200),
        ("Content-Length_8/Transfer-Encoding_chunked", 200),
        ("Content-Length_3/Transfer-Encoding_chunked", 200),
        ("Content-Length_0/Transfer-Encoding_chunked", 200),
        ("Content-Length_20/Transfer-Encoding_chunked", 200),
        ("Transfer-Encoding_chunked/Content-Length_3", 200),
        ("Content-Length_x/Transfer-Encoding_chunked", 200),
        ("Transfer-Encoding_gzip,chunked", 502),
        ("Transfer-Encoding_chunked,chunked", 502),
        ("Transfer-Encoding_chunked/Transfer-Encoding_chunked", 502),
        ("Transfer-Encoding_gzip", 502),
        ("Transfer-Encoding_identity/Content-Length_8", 502),
    ] {
        let response = proxy.send(format!("GET /{fields} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(response.status, status, "{fields}: {}", response.head);
        let path = format!("/{fields}");
        let mut client = Frames::connect(&proxy, &[]);
        let request = frames::GET
            .map(|(name, value)| (name, if name == ":path" { path.as_str() } else { value }));
        client.send(&frames::request(1, &request));
        if status != 200 {
            assert_eq!(client.outcome(1), None, "{fields} over HTTP/2: 502 is in no static table");
            continue;
        }
        assert_eq!(response.body, b"abcdefgh", "{fields}: {}", response.head);
        assert_eq!(response.field("content-length"), None, "{fields}");
        assert_eq!(client.outcome(1), Some(200), "{fields} over HTTP/2");
        let mut body: Vec<u8> = Vec::new();
        while let Some(came) = client.next_of(frames::DATA) {
            body.extend(&came.payload);
            if came.flags & frames::END_STREAM != 0 {
                break;
            }
        }
        assert_eq!(body, b"abcdefgh", "{fields} over HTTP/2");
    }
    let documents = proxy.documents();
    for document in &documents {
        let is_good = document["http.response.status_code"] == 200;
        let reason = if is_good { "complete" } else { "upstream_bad_response" };
        assert_eq!(document["lbproxy.termination.reason"], reason, "{document:#}");
    }
}

#[test]
fn bodies_pass_both_ways_and_are_counted() {
    let upstream = Upstream::start(|_, body| {
        let echo = String::from_utf8_lossy(body).to_uppercase();
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{echo}\r\n0\r\n\r\n",
            echo.len()
        )
        .into_bytes()
    });
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
    let request = "POST /echo?q=1 HTTP/1.1\r\nHost: a\r\nUser-Agent: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let response = proxy.send(request);
    assert_eq!((response.status, response.body.as_slice()), (200, &b"ABCDE"[..]));
    let document = proxy.documents().remove(0);
    for (path, want) in [
        ("http.request.method", serde_json::json!("POST")),
        ("url.path", "/echo".into()),
        ("url.query", "q=1".into()),
        ("url.domain", "a".into()),
        ("http.response.status_code", 200.into()),
        ("http.request.body.bytes", 5.into()),
        ("http.response.body.bytes", 5.into()),
        ("http.response.bytes", response.wire_bytes.into()),
        ("lbproxy.service", "web".into()),
        ("lbproxy.endpoint", upstream.address.to_string().into()),
        ("lbproxy.upstream.reused", false.into()),
        ("lbproxy.termination.state", "--".into()),
        ("lbproxy.termination.reason", "complete".into()),
        ("event.outcome", "success".into()),
        ("user_agent.original", "t".into()),
        ("source.ip", "127.0.0.1".into()),
        ("lbproxy.attempts", 1.into()),
        ("lbproxy.seq", 1.into()),
    ] {
        assert_eq!(document[path], want, "{path} in {document:#}");
    }
    assert!(document["lbproxy.upstream.connect_us"].is_u64(), "it opened the connection");
}

/// Goal: what the client sends is what the endpoint gets, whatever the method and the versions.
/// Method: a body without a length, twice, so that the second may ride what the first left.
#[test]
fn a_body_of_unknown_length_reaches_the_endpoint_with_every_method() {
    for answer in ["HTTP/1.1 200 OK\r\n", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"] {
        let upstream = Upstream::start(move |head, _| {
            let body = if head.starts_with("HEAD") { "" } else { "ok" };
            format!("{answer}Content-Length: 2\r\n\r\n{body}").into_bytes()
        });
        let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
        let methods = ["GET", "HEAD", "DELETE", "OPTIONS", "POST"];
        for method in methods {
            let mut stream = connect(proxy.address);
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            for body in ["5\r\nhello\r\n0\r\n\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"] {
                write!(
                    stream,
                    "{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
                )
                .unwrap();
                assert_eq!(read_response(&mut reader, method == "HEAD").unwrap().status, 200);
            }
        }
        let mut client = Frames::connect(&proxy, &[]);
        for (stream, method) in (1..).step_by(2).zip(methods) {
            let [_, rest @ ..] = frames::GET;
            let head = frames::block(&[&[(":method", method)][..], &rest].concat());
            client.send(&frames::frame(frames::HEADERS, frames::END_HEADERS, stream, &head));
            client.send(&frames::frame(frames::DATA, frames::END_STREAM, stream, b"hello"));
            assert_eq!(client.outcome(stream), Some(200), "{method}, {answer}");
        }
        let seen = upstream.seen();
        assert_eq!(seen.len(), 3 * methods.len());
        for (head, body) in seen {
            assert_eq!(String::from_utf8_lossy(&body), "hello", "{answer}{head}");
            assert_eq!(field(&head, "transfer-encoding"), Some("chunked"), "{head}");
            assert_eq!(field(&head, "content-length"), None, "{head}");
        }
        for document in proxy.documents() {
            assert_eq!(document["http.request.body.bytes"], 5, "{document:#}");
        }
    }
}

#[test]
fn failures_of_endpoints_have_their_status_reason_and_form() {
    let silent = Upstream::start(|_, _| Vec::new());
    let garbage = Upstream::start(|_, _| b"nonsense\r\n\r\n".to_vec());
    let late = Upstream::start(|_, _| {
        std::thread::park_timeout(PATIENCE);
        Vec::new()
    });
    let timeout = ", timeouts: {first_byte: 200ms}";
    for (name, endpoint, extra, status, reason, state) in [
        ("refused", nobody(), "", 502, "connect_refused", "SC"),
        ("closes", silent.address, "", 502, "upstream_closed", "SH"),
        ("talks nonsense", garbage.address, "", 502, "upstream_bad_response", "SH"),
        ("too late", late.address, timeout, 504, "first_byte_timeout", "sH"),
    ] {
        let proxy = Proxy::start(&one_service(&[endpoint], extra), "");
        let json = proxy.send("GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n");
        assert_eq!(json.status, status, "{name}");
        let body: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
        assert_eq!(body["reason"], reason, "{name}");
        let text = proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(text.field("content-type"), Some("text/plain"), "{name}");
        let documents = proxy.documents();
        let is_json = |d: &&serde_json::Value| d["http.response.mime_type"] == "application/json";
        let document = documents.iter().find(is_json).unwrap();
        assert_eq!(document["lbproxy.termination.reason"], reason, "{name}");
        assert_eq!(document["lbproxy.termination.state"], state, "{name}");
        assert_eq!(document["event.outcome"], "failure", "{name}");
        assert_eq!(document["http.response.bytes"], json.wire_bytes, "{name} {}", json.head);
    }
}

/// One and the same head has one and the same answer, whatever buffer it meets.
#[test]
fn a_response_head_of_over_64_kib_is_502_every_time() {
    for (bytes, status) in [(65_536, 200), (65_537, 502), (80_000, 502), (120_000, 502)] {
        let rest = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: \r\n\r\n";
        let field = "x".repeat(bytes - rest.len());
        let head = rest.replace("X: ", &format!("X: {field}"));
        assert_eq!(head.len(), bytes);
        let upstream = Upstream::start(move |_, _| format!("{head}ok").into_bytes());
        let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
        for _ in 0..6 {
            let answer = proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(answer.status, status, "{bytes} bytes");
        }
    }
}

#[test]
fn an_unknown_host_is_404_and_a_service_whose_only_endpoint_is_dead_502() {
    let proxy = Proxy::start(
        &one_service(&[nobody()], ", outlier: {failures: 1, eject: 1h, eject_max: 1h}")
            .replace("\"*\"", "known"),
        "",
    );
    assert_eq!(proxy.send("GET / HTTP/1.1\r\nHost: other\r\n\r\n").status, 404);
    let known = "GET / HTTP/1.1\r\nHost: known\r\n\r\n";
    for request in ["the first", "the second: the last endpoint is never ejected"] {
        assert_eq!(proxy.send(known).status, 502, "{request}");
    }
}

#[test]
fn a_request_goes_to_another_endpoint_when_no_connection_can_be_made() {
    let upstream = Upstream::ok();
    let endpoints = [nobody(), upstream.address];
    let proxy = Proxy::start(&one_service(&endpoints, ", outlier: {failures: 1000}"), "");
    for _ in 0..6 {
        let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
        assert_eq!(proxy.send(request).status, 200);
    }
    let documents = proxy.documents();
    let retried: Vec<_> =
        documents.iter().filter(|document| document["lbproxy.attempts"] == 2).collect();
    assert!(!retried.is_empty(), "{documents:?}");
    let want = serde_json::json!(endpoints.map(|address| address.to_string()));
    assert_eq!(retried[0]["lbproxy.attempt.endpoint"], want);
    let want = serde_json::json!(["connect_refused", "complete"]);
    assert_eq!(retried[0]["lbproxy.attempt.reason"], want);
}

#[test]
fn a_body_over_the_limit_is_413_by_length_or_by_count() {
    let upstream = Upstream::ok();
    let limits = ", limits: {body_bytes: 4B}";
    let proxy = Proxy::start(&one_service(&[upstream.address], limits), "");
    let known = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde";
    assert_eq!(proxy.send(known).status, 413);
    let counted =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n";
    assert_eq!(proxy.send(counted).status, 413);
}
