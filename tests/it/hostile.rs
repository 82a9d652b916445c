//! Goal: no input stops the service of others, reaches an endpoint as something else than it was, or
//! takes memory or endpoints without bound. Method: raw bytes to the real program; every attack is
//! bounded in count; what the endpoint saw and what the journal holds are counted.

use std::io::{BufReader, Read as _, Write as _};
use std::time::Duration;

use serde_json::Value;

use crate::frames::*;
use crate::support::*;
use crate::terminations::timers_add_up;

const PLAIN: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A program with these further keys of the listener, before `upstream`.
fn start(upstream: &Upstream, listener: &str) -> Proxy {
    let service = one_service(&[upstream.address], "");
    Proxy::start(&service.replace(", trusted_proxies: []", listener), "")
}

/// Records with this reason, once there are any.
fn records(proxy: &Proxy, reason: &str) -> Vec<Value> {
    wait_for(reason, || {
        let mut all = proxy.documents();
        all.retain(|document| document["lbproxy.termination.reason"] == reason);
        (!all.is_empty()).then_some(all)
    })
}

/// Messages that two parties might frame differently. Whatever is made of them, the request hidden
/// in them never becomes one.
#[test]
fn nothing_is_smuggled() {
    const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let post = |fields: &str, rest: &str| {
        format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{rest}").into_bytes()
    };
    let chunk = format!("0\r\n\r\n{HIDDEN}");
    let length = HIDDEN.len();
    let upstream = Upstream::ok();
    let proxy = start(&upstream, "");
    let mut rows = vec![
        ("CL.TE", post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", &chunk)),
        ("TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &chunk)),
        ("CL.CL", post(&format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), HIDDEN)),
        ("header line ended by CR alone", post("X: 1\rTransfer-Encoding: chunked\r\n", HIDDEN)),
        ("a name that is empty", post(": x\r\nContent-Length: 0\r\n", HIDDEN)),
        ("a name with NUL", post("Content\0-Length: 0\r\n", HIDDEN)),
        (
            "chunk size beyond 64 bits",
            post("Transfer-Encoding: chunked\r\n", &format!("10000000000000000\r\n{HIDDEN}")),
        ),
        (
            "chunk size that is negative",
            post("Transfer-Encoding: chunked\r\n", &format!("-1\r\n{HIDDEN}")),
        ),
        (
            "chunk size with 0x",
            post("Transfer-Encoding: chunked\r\n", &format!("0x0\r\n\r\n{HIDDEN}")),
        ),
        (
            "chunk line ended by LF alone",
            post("Transfer-Encoding: chunked\r\n", &format!("0;\n\r\n{HIDDEN}")),
        ),
        (
            "trailer line ended by LF alone",
            post("Transfer-Encoding: chunked\r\n", &format!("0\r\nX: a\n\n{HIDDEN}")),
        ),
        (
            "trailer ended by LF alone",
            post("Transfer-Encoding: chunked\r\n", &format!("0\r\n\n{HIDDEN}")),
        ),
        (
            "a head that only the scanner sees, then two lengths",
            post(
                "Transfer-Encoding: chunked\r\n",
                &format!(
                    "0\r\nX: a\n\nGET /ghost HTTP/1.1\r\n\r\n\
                     POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\
                     Transfer-Encoding: chunked\r\n\r\n{chunk}"
                ),
            ),
        ),
        (
            "chunk longer than its size",
            post("Transfer-Encoding: chunked\r\n", &format!("1\r\nxx\r\n{HIDDEN}")),
        ),
        (
            "chunks to HTTP/1.0",
            format!("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}").into_bytes(),
        ),
        (
            "body behind a refusal",
            format!("POST / HTTP/1.1\r\nHost: b b\r\nContent-Length: {length}\r\n\r\n{HIDDEN}").into(),
        ),
        (
            "body behind a local answer",
            format!(
                "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nContent-Length: {length}\r\n\r\n\
                 {HIDDEN}"
            )
            .into(),
        ),
        (
            "body of a GET",
            format!("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{HIDDEN}").into(),
        ),
        (
            "body of an upgrade",
            post(
                &format!("Connection: upgrade\r\nUpgrade: x\r\nContent-Length: {length}\r\n"),
                HIDDEN,
            ),
        ),
        (
            "body of a CONNECT",
            format!("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: {length}\r\n\r\n{HIDDEN}")
                .into(),
        ),
    ];
    let codings = [
        "xchunked",
        "chunked, identity",
        "gzip, chunked",
        "chunked, chunked",
        "chunked\r\nTransfer-Encoding: chunked",
        "identity, chunked, identity",
        "chunked;q=1",
        "\"chunked\"",
        "chunked\x0b",
        "\x0bchunked",
        "",
        "identity",
        "cHuNkEd\x00",
    ];
    for coding in codings {
        rows.push((coding, post(&format!("Transfer-Encoding: {coding}\r\n"), &chunk)));
        let both = format!("Content-Length: 4\r\nTransfer-Encoding: {coding}\r\n");
        rows.push((coding, post(&both, &chunk)));
    }
    let fields = [
        "Transfer-Encoding : chunked",
        " Transfer-Encoding: chunked",
        "Transfer-Encoding\t: chunked",
        "X: x\r\n Transfer-Encoding: chunked",
        "Transfer\u{2010}Encoding: chunked",
        "Transfer-Encoding\r\n: chunked",
    ];
    for field in fields {
        let both = format!("Content-Length: {}\r\n{field}\r\n", chunk.len());
        rows.push((field, post(&both, &chunk)));
    }
    let lengths =
        ["+0", "-0", "0x0", "0 0", "0, 1", "0,0", "", "00000000000000000000000000000001x", "1e1"];
    for value in lengths.into_iter().chain(["18446744073709551616", "99999999999999999999999"]) {
        rows.push((value, post(&format!("Content-Length: {value}\r\n"), HIDDEN)));
    }
    for (name, bytes) in rows {
        let mut stream = connect(proxy.address);
        stream.write_all(&bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answers = Vec::new();
        let _ = stream.read_to_end(&mut answers);
        let heads: Vec<_> = upstream.seen().into_iter().map(|(head, _)| head).collect();
        let is_hidden = heads.iter().any(|head| head.contains("/hidden"));
        assert!(!is_hidden, "{name:?}: {heads:#?}\n{}", String::from_utf8_lossy(&answers));
    }
    assert_eq!(proxy.send(PLAIN).status, 200, "and service goes on");
    let mut next = connect(proxy.address);
    write!(next, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}")
        .unwrap();
    let mut reader = BufReader::new(next);
    for _ in 0..2 {
        assert_eq!(read_response(&mut reader, false).unwrap().status, 200);
    }
    let last = upstream.seen().pop().unwrap();
    assert!(last.0.starts_with("GET /hidden"), "the test sees requests that are ones: {last:?}");
}

/// What HTTP/2 can carry and HTTP/1.1 cannot must not turn into something else on the way down.
#[test]
fn nothing_is_smuggled_from_http2_to_http1() {
    let upstream = Upstream::ok();
    let proxy = start(&upstream, "");
    let with = |name: &'static str, value: &'static str| [&GET[..], &[(name, value)]].concat();
    let instead = |name: &str, value: &'static str| {
        GET.map(|(field, old)| (field, if field == name { value } else { old })).to_vec()
    };
    let break_out = "x\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    for (name, fields) in [
        ("line ends in a value", with("x", break_out)),
        ("line end in a name", with("x: y\r\nz", "1")),
        ("NUL in a value", with("x", "\0")),
        ("line ends in the path", instead(":path", "/ HTTP/1.1\r\nHost: a\r\n\r\nGET /hidden")),
        ("space in the path", instead(":path", "/ HTTP/1.1")),
        ("line ends in the method", instead(":method", "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET")),
        ("space in the method", instead(":method", "GET /hidden")),
        ("line ends in the authority", instead(":authority", break_out)),
        ("user in the authority", instead(":authority", "u@a")),
        ("path in the authority", instead(":authority", "a/hidden")),
        ("host that contradicts", with("host", "b")),
        ("two hosts", [with("host", "a"), vec![("host", "b")]].concat()),
        ("chunked", with("transfer-encoding", "chunked")),
        ("connection", with("connection", "x")),
        ("upgrade", with("upgrade", "x")),
        ("TE of something else", with("te", "gzip")),
        ("upper case", with("X-Upper", "1")),
        ("a length that is none", with("content-length", "1\r\n\r\n")),
        ("a length and no body", with("content-length", "5")),
        ("two paths", with(":path", "/hidden")),
        ("no path", GET[..3].to_vec()),
        ("unknown pseudo field", with(":x", "1")),
        ("CONNECT", vec![(":method", "CONNECT"), (":authority", "a:1")]),
    ] {
        let mut client = Frames::connect(&proxy, &[]);
        client.send(&request(1, &fields));
        let status = client.outcome(1);
        assert!(!matches!(status, Some(200..=399)), "{name}: {status:?}");
        let seen = upstream.seen();
        assert!(seen.is_empty(), "{name}: {seen:?}");
    }
    let mut client = Frames::connect(&proxy, &[]);
    client.send(&request(1, &with("te", "trailers")));
    assert_eq!(client.outcome(1), Some(200), "the test's own bytes are good");
    // A body longer than its length stops before the endpoint has a whole request.
    let mut client = Frames::connect(&proxy, &[]);
    let fields = [&[(":method", "POST")], &GET[1..], &[("content-length", "1")]].concat();
    client.send(&frame(HEADERS, END_HEADERS, 1, &block(&fields)));
    client.send(&frame(DATA, END_STREAM, 1, b"xGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_ne!(client.outcome(1), Some(200));
    let cut: Vec<_> = upstream.seen().split_off(1);
    let is_cut = |(head, body): &Request| head.starts_with("POST / ") && body.is_empty();
    assert!(cut.iter().all(is_cut), "at most a request without its body: {cut:?}");
}

/// A response cannot bring another one along.
#[test]
fn what_follows_a_response_is_not_the_next_response() {
    for (name, request, answer) in [
        ("HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK\r\nContent-Length: 99"),
        ("204", PLAIN, "204 No Content\r\nContent-Length: 99"),
        ("304", PLAIN, "304 Not Modified\r\nContent-Length: 99"),
        ("no body", PLAIN, "200 OK\r\nContent-Length: 0"),
    ] {
        let evil = "HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 0\r\n\r\n";
        let first = format!("HTTP/1.1 {answer}\r\n\r\n{evil}").into_bytes();
        let upstream = Upstream::start(move |head, _| {
            if head.contains("/second") {
                b"HTTP/1.1 200 OK\r\nX-Good: 1\r\nContent-Length: 0\r\n\r\n".to_vec()
            } else {
                first.clone()
            }
        });
        let proxy = start(&upstream, "");
        let stream = connect(proxy.address);
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        for _ in 0..20 {
            (&stream).write_all(request.as_bytes()).unwrap();
            let head = read_response(&mut reader, request.starts_with("HEAD")).unwrap();
            assert!(head.status != 204 || head.field("content-length").is_none(), "{}", head.head);
            write!(&stream, "GET /second HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let second = read_response(&mut reader, false).unwrap();
            let is_ours = second.field("x-evil").is_none();
            assert!(is_ours && matches!(second.status, 200 | 502), "{name}: {}", second.head);
        }
    }
}

/// Heads and bodies that come byte by byte hold no one else up; a head has its time.
#[test]
fn slow_clients_are_cut_and_hold_nobody_up() {
    let upstream = Upstream::ok();
    let proxy = start(&upstream, ", timeouts: {head: 2s, idle: 2s}");
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n";
    let mut heads: Vec<_> = (0..50).map(|_| connect(proxy.address)).collect();
    let mut bodies: Vec<_> = (0..50).map(|_| connect(proxy.address)).collect();
    for (stream, start) in
        heads.iter_mut().map(|s| (s, "GET / HT")).chain(bodies.iter_mut().map(|s| (s, post)))
    {
        stream.write_all(start.as_bytes()).unwrap();
    }
    assert_eq!(proxy.send(PLAIN).status, 200, "others are served meanwhile");
    // A byte now and then does not begin the time of a head anew.
    let mut dribble = connect(proxy.address);
    dribble.write_all(PLAIN.trim_end().as_bytes()).unwrap();
    dribble.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut answer = Vec::new();
    wait_for("the end of the dribble", || {
        let _ = dribble.write_all(b"x");
        let ended = dribble.read_to_end(&mut answer).is_ok();
        ended.then_some(())
    });
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    for stream in heads.into_iter().chain(bodies) {
        assert_eq!(read_response(&mut BufReader::new(stream), false).unwrap().status, 408);
    }
    assert_eq!(records(&proxy, "head_timeout").len(), 51);
    let all = proxy.documents();
    let stalled = all.iter().filter(|d| d["lbproxy.termination.reason"] == "body_timeout").count();
    assert_eq!(stalled, 50);
    for document in &all {
        timers_add_up("slow", document);
    }
}

/// A stream whose window stays shut is cut, and only that stream.
#[test]
fn a_reader_that_stops_on_http2_is_cut_after_the_idle_limit() {
    let body = b"x".repeat(1 << 20);
    let upstream = Upstream::start(move |head, _| {
        let body = if head.contains("/big") { &body[..] } else { b"ok" };
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body]
            .concat()
    });
    let proxy = start(&upstream, ", timeouts: {idle: 1s}");
    // SETTINGS_INITIAL_WINDOW_SIZE 1000: the window of each stream, never opened.
    let mut client = Frames::connect(&proxy, &[(4, 1_000)]);
    let big = GET.map(|(name, value)| (name, if name == ":path" { "/big" } else { value }));
    client.send(&request(1, &big));
    let reset = client.next_of(RST_STREAM).expect("the stream is reset");
    assert_eq!((reset.stream, &reset.payload[..]), (1, &8_u32.to_be_bytes()[..]), "CANCEL");
    client.send(&request(3, &GET));
    assert_eq!(client.outcome(3), Some(200), "the connection goes on");
    let cut = records(&proxy, "response_timeout").remove(0);
    assert_eq!(cut["lbproxy.termination.state"], "cD", "{cut:#}");
    assert_eq!(cut["http.version"], "2");
    assert_eq!(cut["http.response.status_code"], 200);
    timers_add_up("slow reader", &cut);
}

/// A slow but steady reader is no reason to cut.
#[test]
fn a_reader_that_goes_on_slowly_over_http2_is_served_to_the_end() {
    const LENGTH: usize = 60_000; // less than the window of the connection
    let upstream = Upstream::start(|_, _| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
        [head.as_bytes(), &b"x".repeat(LENGTH)].concat()
    });
    let proxy = start(&upstream, ", timeouts: {idle: 5s}");
    let mut client = Frames::connect(&proxy, &[(4, 2_000)]);
    client.send(&request(1, &GET));
    let mut length = 0;
    // Each window is opened only after a pause far shorter than the limit, all together longer.
    client.0.set_read_timeout(Some(Duration::from_millis(250))).unwrap();
    wait_for("the whole body", || {
        while let Some(came) = client.next() {
            assert!(!matches!(came.kind, RST_STREAM | GOAWAY), "{came:?} after {length} bytes");
            if came.kind == DATA {
                length += came.payload.len();
                if came.flags & END_STREAM != 0 {
                    return Some(());
                }
            }
        }
        client.send(&frame(WINDOW_UPDATE, 0, 1, &2_000_u32.to_be_bytes()));
        None
    });
    assert_eq!(length, LENGTH);
    assert_eq!(records(&proxy, "complete").len(), 1);
}

#[test]
fn ten_thousand_pipelined_requests_are_answered_in_order() {
    const COUNT: usize = 10_000;
    let upstream = Upstream::start(|head, _| {
        let path = head.split(' ').nth(1).unwrap();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()).into_bytes()
    });
    let proxy = start(&upstream, "");
    let stream = connect(proxy.address);
    let mut writer = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut all = Vec::new();
            for n in 0..COUNT {
                write!(all, "GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            }
            writer.write_all(&all).unwrap();
        });
        let mut reader = BufReader::new(stream);
        for n in 0..COUNT {
            let answer = read_response(&mut reader, false).unwrap();
            assert_eq!(answer.body, format!("/{n}").into_bytes());
        }
    });
    let documents = proxy.documents();
    assert_eq!(documents.len(), COUNT);
    for document in &documents {
        timers_add_up("pipelined", document);
    }
}

/// A head over a limit behind a good request: the good one is answered first, and whole.
#[test]
fn a_refused_head_waits_for_the_answers_before_it() {
    let body = b"x".repeat(3 << 20);
    let upstream = Upstream::start(move |_, _| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), &body].concat()
    });
    let proxy = start(&upstream, "");
    let mut stream = connect(proxy.address);
    let bad = format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "X: 1\r\n".repeat(101));
    stream.write_all(format!("{PLAIN}{bad}").as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let good = read_response(&mut reader, false).unwrap();
    assert_eq!((good.status, good.body.len()), (200, 3 << 20));
    let refused = read_response(&mut reader, false).unwrap();
    assert_eq!((refused.status, refused.field("connection")), (431, Some("close")));
    let text = String::from_utf8(refused.body).unwrap();
    assert!(text.contains("reason: head_too_large\n"), "{text}");
    assert_eq!(records(&proxy, "head_too_large")[0]["http.response.status_code"], 431);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0, "closed");
}

/// Floods on one HTTP/2 connection: it is closed with a reason, its record says so, the endpoint saw
/// little of it, and others are served.
#[test]
fn floods_over_http2_end_the_connection_and_nothing_else() {
    let many = |bytes: Vec<u8>, count: usize| bytes.repeat(count);
    let continuation = [
        frame(HEADERS, END_STREAM, 1, &block(&GET)),
        many(frame(CONTINUATION, 0, 1, &block(&[("x", "1")])), 10_000),
    ]
    .concat();
    let rapid_reset: Vec<u8> = (0..5_000_u32)
        .flat_map(|n| {
            let stream = 2 * n + 1;
            [request(stream, &GET), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        })
        .collect();
    // Each makes the proxy reset the stream by itself ("MadeYouReset").
    let made_you_reset: Vec<u8> = (0..5_000_u32)
        .flat_map(|n| {
            let stream = 2 * n + 1;
            let update = frame(WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes());
            [request(stream, &GET), update].concat()
        })
        .collect();
    let pings = many(frame(PING, 0, 0, &[0; 8]), 100_000);
    let settings = many(frame(SETTINGS, 0, 0, &[]), 100_000);
    let empty_data = [
        frame(HEADERS, END_HEADERS, 1, &block(&[&[(":method", "POST")], &GET[1..]].concat())),
        many(frame(DATA, 0, 1, &[]), 100_000),
    ]
    .concat();
    for (name, bytes, must_close) in [
        ("CONTINUATION without end", continuation, true),
        ("rapid reset", rapid_reset, true),
        ("made you reset", made_you_reset, true),
        ("pings", pings, false),
        ("settings", settings, false),
        ("empty DATA", empty_data, false),
    ] {
        let upstream = Upstream::ok();
        let proxy = start(&upstream, "");
        let mut client = Frames::connect(&proxy, &[]);
        // Nothing is read meanwhile: what the proxy answers must not pile up either, so it stops taking
        // what need not end the connection.
        let patience = if must_close { PATIENCE } else { Duration::from_millis(500) };
        client.0.set_write_timeout(Some(patience)).unwrap();
        let is_open = client.send(&bytes) && client.send(&frame(PING, 0, 0, b"are_open"));
        if must_close {
            let goaway = client.next_of(GOAWAY);
            assert!(goaway.is_some() || !is_open, "{name}: still open");
            let record = records(&proxy, "bad_request").remove(0);
            assert_eq!(record["lbproxy.termination.state"], "PR", "{name}: {record:#}");
            assert!(record["error.message"].is_string(), "{name}: {record:#}");
        }
        assert_eq!(proxy.send(PLAIN).status, 200, "{name}: others are served");
        let up = upstream.seen().len();
        assert!(up <= 300, "{name}: {up} requests went up");
        let resident = metric(&proxy, "lbproxy_process_resident_bytes");
        assert!(resident < 100e6, "{name}: {resident} bytes resident");
        drop(client);
        let log = proxy.terminate();
        assert!(log.contains("(holds)"), "{name}: {log}");
    }
}

/// An endpoint that goes on sending one response for as long as anybody takes it.
fn endless() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let length = u64::MAX / 2;
                let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                while stream.write_all(&[b'x'; 16 * 1024]).is_ok() {}
            });
        }
    });
    address
}

/// What nobody reads waits at the endpoint. Goal: a client that reads nothing holds no more than some
/// buffers of memory a response. Method: what came from the endpoint, less what went to the client,
/// once neither grows any more.
#[test]
fn what_a_client_does_not_read_is_not_held_here() {
    const RESPONSE_BYTES_MAX: u64 = 256 * 1024;
    let windows = |frames: &mut Frames| {
        frames.send(&frame(WINDOW_UPDATE, 0, 0, &(i32::MAX - 65_535).to_be_bytes()));
    };
    for (name, connections, streams) in [("HTTP/1", 10, 1), ("HTTP/2", 1, 60)] {
        let proxy = Proxy::start(&one_service(&[endless()], ""), "");
        let _clients: Vec<_> = (0..connections)
            .map(|_| {
                if streams == 1 {
                    let mut stream = connect(proxy.address);
                    stream.write_all(PLAIN.as_bytes()).unwrap();
                    return stream;
                }
                let mut client = Frames::connect(&proxy, &[(4, i32::MAX.cast_unsigned())]);
                windows(&mut client);
                for stream in 0..streams {
                    client.send(&request(2 * stream + 1, &GET));
                }
                client.0
            })
            .collect();
        let responses = u64::from(connections * streams);
        let (mut last, mut same) = ((0, 0), 0);
        let (received, sent) = wait_for(name, || {
            let figures = proxy.figures();
            let now = (
                figures["lbproxy_upstream_received_bytes_total"],
                figures["lbproxy_downstream_sent_bytes_total"],
            );
            let is_all = figures["lbproxy_requests_in_flight"] == responses;
            same = if is_all && now == last { same + 1 } else { 0 };
            last = now;
            (same == 50).then_some(now)
        });
        let held = (received - sent) / responses;
        assert!(held <= RESPONSE_BYTES_MAX, "{name}: {held} bytes a response");
        assert!(received > sent, "{name}: the endpoint would send more");
    }
}

/// The value of a figure without labels.
fn metric(proxy: &Proxy, name: &str) -> f64 {
    let page = String::from_utf8(proxy.admin("GET", "/metrics").body).unwrap();
    let line = page.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}
