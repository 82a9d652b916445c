//! Goal: what an intermediary adds, takes off and leaves alone, in every case and not only in one.
//! Method: tables over names, versions and directions; raw sockets on both sides.

use std::io::{BufReader, Read as _, Write as _};
use std::net::IpAddr;

use serde_json::Value;

use crate::frames::{self, Frames};
use crate::support::*;

const HOP_BY_HOP: [&str; 7] =
    ["Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "TE", "Trailer", "Upgrade", "X-Hop"];

/// A program for `upstream` whose listener trusts these networks.
fn trusting(upstream: &Upstream, networks: &str) -> Proxy {
    let service = one_service(&[upstream.address], "");
    Proxy::start(
        &service.replace("trusted_proxies: []", &format!("trusted_proxies: [{networks}]")),
        "",
    )
}

/// The head of the only request that `upstream` got since `before`.
fn head_after(upstream: &Upstream, before: usize) -> String {
    let mut seen = upstream.seen().split_off(before);
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen.remove(0).0
}

/// Values of every field called `name`.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

#[test]
fn no_field_of_a_connection_crosses_in_either_direction() {
    for connection in ["X-Hop", "x-hop, close", "upgrade, X-HOP", " , ,X-Hop"] {
        for name in HOP_BY_HOP {
            let fields =
                format!("Connection: {connection}\r\n{name}: v1\r\n{name}: v2\r\nX-Stays: 1\r\n");
            let answer = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
            let upstream = Upstream::start(move |_, _| answer.clone().into_bytes());
            let proxy = trusting(&upstream, "");
            let answer = proxy.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
            let (up, down) = (head_after(&upstream, 0), answer.head);
            for (side, head) in [("up", &up), ("down", &down)] {
                let row = format!("{name} {side}, connection: {connection}\n{head}");
                assert_eq!(values(head, name), [""; 0], "{row}");
                assert_eq!(values(head, "x-stays"), ["1"], "{row}");
                let left = values(head, "connection");
                assert!(left.is_empty() || left == ["close"], "{row}");
            }
        }
    }
}

#[test]
fn connection_cannot_take_away_what_says_who_asks_for_what() {
    let upstream = Upstream::ok();
    let proxy = trusting(&upstream, "127.0.0.0/8");
    for name in [
        "Host",
        "Content-Length",
        "Authorization",
        "Cookie",
        "Forwarded",
        "Via",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Real-IP",
        "Traceparent",
        "X-Request-Id",
    ] {
        for form in [name.to_owned(), format!("close, {}", name.to_uppercase())] {
            let request = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {form}\r\n\r\n");
            assert_eq!(proxy.send(request).status, 400, "{form}");
        }
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn trailers_stay_announced_and_nothing_else_of_te() {
    let upstream = Upstream::ok();
    let proxy = trusting(&upstream, "");
    for (te, want) in
        [("trailers", &["trailers"][..]), ("gzip, Trailers;q=1", &["trailers"]), ("gzip", &[])]
    {
        let before = upstream.seen().len();
        proxy.send(format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: {te}\r\n\r\n"));
        assert_eq!(values(&head_after(&upstream, before), "te"), want, "{te}");
    }
}

/// What a peer says of the client before it counts only when the peer is trusted.
#[test]
fn forwarding_fields_are_believed_of_trusted_peers_only() {
    let upstream = Upstream::ok();
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 9.9.9.9\r\n\
                   x-forwarded-for: 10.1.1.1\r\nX-Forwarded-Proto: https\r\n\
                   X-Forwarded-Host: outside\r\nX-Forwarded-Port: 443\r\n\
                   Forwarded: for=9.9.9.9\r\n\r\n";
    for (networks, client, fields) in [
        (
            "",
            "127.0.0.1",
            [
                ("x-forwarded-for", Some("127.0.0.1")),
                ("x-forwarded-proto", Some("http")),
                ("x-forwarded-host", Some("a")),
                ("x-forwarded-port", None),
                ("forwarded", None),
            ],
        ),
        (
            "127.0.0.0/8, 10.0.0.0/8",
            "9.9.9.9",
            [
                ("x-forwarded-for", Some("6.6.6.6, 9.9.9.9, 10.1.1.1, 127.0.0.1")),
                ("x-forwarded-proto", Some("https")),
                ("x-forwarded-host", Some("outside")),
                ("x-forwarded-port", Some("443")),
                ("forwarded", Some("for=9.9.9.9")),
            ],
        ),
    ] {
        let proxy = trusting(&upstream, networks);
        let before = upstream.seen().len();
        proxy.send(request);
        let head = head_after(&upstream, before);
        for (name, want) in fields {
            let want: Vec<_> = want.into_iter().collect();
            assert_eq!(values(&head, name), want, "{networks:?} {name}");
        }
        let document = proxy.documents().remove(0);
        assert_eq!(document["client.ip"], client, "{networks:?}");
        assert_eq!(document["source.ip"], "127.0.0.1");
    }
}

/// The name of this process stands in `Via` behind the version that was spoken to it.
#[test]
fn via_names_the_version_that_the_client_spoke() {
    let upstream = Upstream::ok();
    let proxy = trusting(&upstream, "");
    proxy.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut h2 = Frames::connect(&proxy, &[]);
    h2.send(&frames::request(1, &frames::GET));
    assert_eq!(h2.outcome(1), Some(200));
    let seen = upstream.seen();
    let vias: Vec<_> = seen.iter().map(|(head, _)| values(head, "via").remove(0)).collect();
    let versions: Vec<_> = vias.iter().map(|via| via.split(' ').next().unwrap()).collect();
    assert_eq!(versions, ["1.0", "1.1", "2.0"]);
    for via in vias {
        let looped = format!("GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 other, {via} (x)\r\n\r\n");
        assert_eq!(proxy.send(looped).status, 508, "{via}");
    }
}

#[test]
fn targets_of_every_form_are_sent_on_as_one() {
    let upstream = Upstream::ok();
    let proxy = trusting(&upstream, "");
    for (target, want) in [
        ("/", "/"),
        ("/a?b=c&d=%20", "/a?b=c&d=%20"),
        ("/a?", "/a?"),
        ("http://a/x?y", "/x?y"),
        ("HTTP://a", "/"),
        ("http://a?y", "/?y"),
        ("*", "*"),
    ] {
        let before = upstream.seen().len();
        let answer = proxy.send(format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(answer.status, 200, "{target}");
        let head = head_after(&upstream, before);
        assert!(head.starts_with(&format!("OPTIONS {want} HTTP/1.1\r\n")), "{target}: {head}");
        assert_eq!(values(&head, "host"), ["a"], "{target}");
    }
}

#[test]
fn a_path_with_two_meanings_is_refused_where_the_service_says_so() {
    let upstream = Upstream::ok();
    let proxy = Proxy::start(&one_service(&[upstream.address], ", http: {path: reject}"), "");
    for (path, status) in [
        ("/a/../%2e%2e/b//c;x=%2f", 400),
        ("/%61dmin/..;/x", 400),
        ("/a%00", 400),
        ("/a%5cb", 400),
        ("/a.b/c..d/%61?x=../..", 200),
    ] {
        let answer = proxy.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(answer.status, status, "{path}");
    }
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn max_forwards_counts_for_options_only() {
    let upstream = Upstream::ok();
    let proxy = trusting(&upstream, "");
    for (method, value, want) in [
        ("OPTIONS", "1", Some("0")),
        ("OPTIONS", "99999999999999999999", None),
        ("GET", "0", Some("0")),
        ("OPTIONS", "x", None),
    ] {
        let before = upstream.seen().len();
        let answer =
            proxy.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: {value}\r\n\r\n"));
        match want {
            Some(want) => {
                assert_eq!(values(&head_after(&upstream, before), "max-forwards"), [want]);
            }
            None => assert_eq!(answer.status, 400, "{method} {value}"),
        }
    }
}

#[test]
fn bodies_end_where_the_status_and_the_method_say() {
    for (name, request, answer, length, body) in [
        ("HEAD keeps the length", "HEAD", "200 OK\r\nContent-Length: 7", Some("7"), ""),
        ("304 keeps the length", "GET", "304 Not Modified\r\nContent-Length: 7", Some("7"), ""),
        ("204 has none", "GET", "204 No Content\r\nContent-Length: 7", None, ""),
        ("empty says so", "GET", "200 OK\r\nContent-Length: 0", Some("0"), ""),
        (
            "body to the end",
            "GET",
            "200 OK\r\nConnection: close\r\n\r\nto the end",
            None,
            "to the end",
        ),
    ] {
        let answer = format!("HTTP/1.1 {answer}\r\n\r\n").replace("end\r\n\r\n", "end");
        let closes = answer.contains("close");
        // An answer without length is over when the endpoint closes.
        let upstream = closing_upstream(answer.into_bytes(), closes);
        let proxy = Proxy::start(&one_service(&[upstream], ""), "");
        for version in ["1.1", "1.0"] {
            let mut stream = connect(proxy.address);
            write!(stream, "{request} / HTTP/{version}\r\nHost: a\r\n\r\n").unwrap();
            let is_head = request == "HEAD";
            let got = read_response(&mut BufReader::new(stream), is_head).unwrap();
            assert_eq!(got.field("content-length"), length, "{name}, {version}\n{}", got.head);
            assert_eq!(got.body, body.as_bytes(), "{name}, {version}\n{}", got.head);
            assert!(got.field("date").is_some(), "{name}: {}", got.head);
            let is_chunked = got.field("transfer-encoding").is_some();
            assert_eq!(is_chunked, version == "1.1" && closes, "{name}, {version}\n{}", got.head);
        }
        for document in proxy.documents() {
            assert_eq!(document["lbproxy.termination.reason"], "complete", "{name}: {document:#}");
        }
    }
}

/// Answers each connection's first request, and closes after it if asked to.
fn closing_upstream(answer: Vec<u8>, closes: bool) -> std::net::SocketAddr {
    if !closes {
        return Upstream::start(move |_, _| answer.clone()).address;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.extend(byte);
            }
            let _ = stream.write_all(&answer);
        }
    });
    address
}

#[test]
fn one_continue_comes_before_the_body_is_sent() {
    let upstream = Upstream::ok();
    let proxy = trusting(&upstream, "");
    let stream = connect(proxy.address);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    write!(
        &stream,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n"
    )
    .unwrap();
    let interim = read_response(&mut reader, true).unwrap();
    assert_eq!(interim.status, 100);
    (&stream).write_all(b"abc").unwrap();
    assert_eq!(read_response(&mut reader, false).unwrap().status, 200);
    assert_eq!(upstream.seen().remove(0).1, b"abc");
}

/// `Upgrade` is not sent on, so what follows is the next request and not a tunnel.
#[test]
fn an_upgrade_is_not_a_tunnel_before_the_endpoint_agrees() {
    let upstream = Upstream::ok();
    let proxy = trusting(&upstream, "");
    let stream = connect(proxy.address);
    write!(
        &stream,
        "GET /one HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n\
         GET /two HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    for _ in 0..2 {
        assert_eq!(read_response(&mut reader, false).unwrap().status, 200);
    }
    let paths: Vec<_> = upstream
        .seen()
        .iter()
        .map(|(head, _)| head.split(' ').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(paths, ["/one", "/two"]);
}

/// A client that is refused while it still sends gets to read why: the proxy reads on for a moment
/// after it has closed its side, where closing at once would reset the connection.
#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let upstream = Upstream::ok();
    let limits = ", limits: {body_bytes: 1KiB}";
    let proxy = Proxy::start(&one_service(&[upstream.address], limits), "");
    let filler = vec![b'x'; 100_000];
    for (name, head, status) in [
        (
            "by length",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n".to_owned(),
            413,
        ),
        (
            "by count",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n".to_owned(),
            413,
        ),
        ("head without end", "GET / HTTP/1.1\r\nX: ".to_owned(), 431),
        ("target without end", "GET /".to_owned(), 414),
        ("no request at all", "\u{1}\r\n".to_owned(), 400),
    ] {
        // A client that is held up for longer than the moment may miss it.
        let taken = (0..10).filter(|_| {
            let mut stream = connect(proxy.address);
            let mut answer = Vec::new();
            let sent = stream.write_all(&[head.as_bytes(), &filler].concat());
            if sent.and_then(|()| stream.read_to_end(&mut answer)).is_err() {
                return false;
            }
            let text = String::from_utf8_lossy(&answer);
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {text}");
            proxy.admin("GET", "/healthz"); // time enough to close, were it to close at once
            stream.write_all(b"x").is_ok() && stream.write_all(b"x").is_ok()
        });
        assert!(taken.count() > 0, "{name}: reset, although the client was still sending");
    }
}

/// 408, 414 and 431 look like every other answer of the proxy.
#[test]
fn answers_to_requests_that_never_came_whole_have_a_body_by_accept() {
    let upstream = Upstream::ok();
    let service = one_service(&[upstream.address], "");
    let listener = ", timeouts: {head: 2s}, limits: {headers: 5}";
    let proxy = Proxy::start(&service.replace(", trusted_proxies: []", listener), "");
    let long = "a".repeat(40_000);
    for (status, reason, rest) in [
        (408, "head_timeout", String::new()),
        (431, "head_too_large", format!("X: {long}")),
        (431, "head_too_large", "X: 1\r\n".repeat(6)),
    ] {
        for is_json in [true, false] {
            let accept =
                if is_json { "accept: text/html, Application/JSON" } else { "Accept: */*" };
            let answer = proxy.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{accept}\r\n{rest}"));
            assert_eq!(answer.status, status);
            assert_eq!(answer.field("connection"), Some("close"));
            assert!(answer.field("date").is_some_and(|date| date.ends_with(" GMT")));
            if is_json {
                let body: Value = serde_json::from_slice(&answer.body).unwrap();
                assert_eq!((&body["status"], &body["reason"]), (&status.into(), &reason.into()));
                assert_eq!(answer.field("content-type"), Some("application/json"));
            } else {
                let text = String::from_utf8(answer.body).unwrap();
                assert!(text.contains(&format!("reason: {reason}\n")), "{text}");
            }
        }
    }
    let answer = proxy.send(format!("GET /{long} HTTP/1.1\r\n"));
    assert_eq!(answer.status, 414);
    for document in proxy.documents() {
        let ip: IpAddr = document["source.ip"].as_str().unwrap().parse().unwrap();
        assert!(ip.is_loopback() && document["lbproxy.time.head_us"].is_u64(), "{document:#}");
        let sent = document["destination.bytes"].as_u64().unwrap();
        assert!(sent > 100, "the answer counts: {document:#}");
    }
}
