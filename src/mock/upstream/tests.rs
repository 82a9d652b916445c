//! The mock over raw sockets: what is asked for is what stands on the wire.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};

use super::*;

/// No answer takes this long; only a failure waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

fn connect(mock: &Running) -> TcpStream {
    let stream = TcpStream::connect(mock.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Closed,
    Reset,
    Open,
}

/// Sends `request`, reads until the connection ends, or, when `hangs`, until nothing more comes.
fn send(mock: &Running, request: &str, hangs: bool) -> (String, Ended) {
    let mut stream = connect(mock);
    stream.write_all(request.as_bytes()).unwrap();
    let mut got = Vec::new();
    let mut part = vec![0; 65_536];
    let ended = loop {
        match stream.read(&mut part) {
            Ok(0) => break Ended::Closed,
            Ok(count) => got.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break Ended::Reset,
            Err(error) if error.kind() == ErrorKind::WouldBlock && hangs => break Ended::Open,
            Err(error) => panic!("{error} after {:?}", got.escape_ascii().to_string()),
        }
        if hangs {
            // Shorter only makes this test see less, never makes it fail.
            stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        }
    };
    (String::from_utf8_lossy(&got).into_owned(), ended)
}

fn get(mock: &Running, target: &str) -> (String, Ended) {
    send(mock, &format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), false)
}

/// Reads one answer with a length off a kept connection.
fn read_answer(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

fn body_of(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn the_echo_says_what_came_names_as_they_were_written() {
    let mock = start(Options::local("one")).unwrap();
    let (answer, ended) = send(
        &mock,
        "PUT /a/b?x=1&y HTTP/1.1\r\nHoSt: h\r\nX-OnE: 1\r\nConnection: close\r\n\
         content-length: 5\r\n\r\nhello",
        false,
    );
    assert_eq!(ended, Ended::Closed);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let mut echo: serde_json::Value = serde_json::from_str(body_of(&answer)).unwrap();
    let timestamp = echo["timestamp"].take();
    assert_eq!(timestamp.as_str().unwrap().len(), "2026-11-24T00:14:28.123Z".len());
    assert!(echo["peer"].take().as_str().unwrap().starts_with("127.0.0.1:"));
    let want = serde_json::json!({
        "name": "one", "request": 1, "timestamp": null, "method": "PUT", "path": "/a/b",
        "query": "x=1&y", "version": "1.1", "peer": null, "connection": 1, "body": "hello",
        "headers": [["HoSt", "h"], ["X-OnE", "1"], ["Connection", "close"], ["content-length", "5"]],
        "body_bytes": 5, "body_crc32c": "9a71bb4c",
    });
    assert_eq!(echo, want);
}

#[test]
fn a_kept_connection_shows_each_request_its_own_head() {
    let mock = start(Options::local("one")).unwrap();
    let mut stream = connect(&mock);
    for (name, body) in [("X-First", "abc"), ("X-SECOND", ""), ("x-third", "defg")] {
        let length = body.len();
        let request =
            format!("POST / HTTP/1.1\r\n{name}: 1\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        let (_, answer) = read_answer(&mut stream);
        let echo: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(echo["headers"][0][0], name);
        assert_eq!(echo["body"], body);
        assert_eq!(echo["connection"], 1);
    }
    assert_eq!((mock.requests(), mock.connections()), (3, 1));
}

#[test]
fn a_body_that_is_long_or_no_text_is_told_by_length_and_checksum() {
    let mock = start(Options::local("one")).unwrap();
    let long = vec![b'x'; BODY_BYTES_MAX + 1];
    for (body, want) in [(&long[..], None), (b"\xff\xfe", None), (&long[1..], Some(()))] {
        let mut stream = connect(&mock);
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let (_, answer) = read_answer(&mut stream);
        let echo: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(echo["body"].as_str().map(|_| ()), want);
        assert_eq!(echo["body_bytes"], body.len());
        assert_eq!(echo["body_crc32c"], format!("{:08x}", crc32c::crc32c(body)));
    }
}

#[test]
fn status_size_fields_and_coding_are_as_asked() {
    let mock = start(Options::local("one")).unwrap();
    let (answer, _) = get(&mock, "/?lb_status=418&lb_size=10B&lb_header=X-A:b&lb_header=X-A:c");
    assert!(answer.starts_with("HTTP/1.1 418 I'm a teapot\r\n"), "{answer}");
    assert!(answer.contains("x-a: b\r\nx-a: c\r\n"), "{answer}");
    assert!(answer.contains("content-length: 10\r\n"), "{answer}");
    assert_eq!(body_of(&answer), "abcdefghij");

    let (answer, _) = get(&mock, "/?lb_size=10B&lb_chunked=true&lb_chunks=2&lb_chunk_delay=1ms");
    assert!(answer.contains("transfer-encoding: chunked\r\n"), "{answer}");
    assert_eq!(body_of(&answer), "5\r\nabcde\r\n5\r\nfghij\r\n0\r\n\r\n");

    let (answer, _) = get(&mock, "/?lb_status=204");
    assert!(answer.starts_with("HTTP/1.1 204 No Content\r\n") && body_of(&answer).is_empty());

    let (answer, _) =
        send(&mock, "HEAD /?lb_size=10B HTTP/1.1\r\nConnection: close\r\n\r\n", false);
    assert!(answer.contains("content-length: 10\r\n") && body_of(&answer).is_empty(), "{answer}");
}

#[test]
fn a_wrong_script_is_answered_with_the_reason() {
    let mock = start(Options::local("one")).unwrap();
    let (answer, _) = get(&mock, "/?lb_delay=5");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(body_of(&answer), "lb_delay: \"5\" is no duration; write 50ms or 2s\n");
}

#[test]
fn every_fault_breaks_off_where_and_how_it_says() {
    let mock = start(Options::local("one")).unwrap();
    let whole = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 10\r\n\r\n";
    let half = &whole[..whole.len() / 2];
    let malformed = "HTTP/1.1 2OO Fine\r\ncontent length 0\r\n\r\n";
    let cut = format!("{whole}abcd");
    for (name, got, ended) in [
        ("hang", "", Ended::Open),
        ("hang-head", half, Ended::Open),
        ("hang-body", &cut, Ended::Open),
        ("close", "", Ended::Closed),
        ("close-head", half, Ended::Closed),
        ("close-body", &cut, Ended::Closed),
        ("reset", "", Ended::Reset),
        ("reset-head", half, Ended::Reset),
        ("reset-body", &cut, Ended::Reset),
        ("malformed", malformed, Ended::Closed),
    ] {
        let request = format!(
            "POST /?lb_size=10B&lb_cut=4B&lb_fault={name} HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi"
        );
        let hangs = ended == Ended::Open;
        if hangs && got.is_empty() {
            // Nothing to read: shown by the request having arrived and the socket being open.
            let mut stream = connect(&mock);
            stream.write_all(request.as_bytes()).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "{name}");
            continue;
        }
        assert_eq!(send(&mock, &request, hangs), (got.to_owned(), ended), "{name}");
    }
    assert_eq!(Fault::ALL.len(), 10, "a fault without a row here");
}

#[test]
fn a_chunked_body_that_is_cut_has_no_last_chunk() {
    let mock = start(Options::local("one")).unwrap();
    let (answer, ended) = get(&mock, "/?lb_size=10B&lb_chunked=true&lb_fault=close-body");
    assert_eq!((body_of(&answer), ended), ("5\r\nabcde\r\n", Ended::Closed));
}

#[test]
fn raw_bytes_are_sent_as_they_are() {
    let mock = start(Options::local("one")).unwrap();
    let (answer, ended) = get(&mock, "/?lb_raw=HTTP/1.1%20200%0d%0aA%00:%ff");
    assert_eq!((answer.as_str(), ended), ("HTTP/1.1 200\r\nA\0:\u{fffd}", Ended::Closed));
}

#[test]
fn interim_responses_and_trailers_come_and_the_connection_lives_on() {
    let mock = start(Options::local("one")).unwrap();
    let mut stream = connect(&mock);
    stream
        .write_all(b"GET /?lb_size=3B&lb_informational=103&lb_trailer=X-T:v HTTP/1.1\r\n\r\n")
        .unwrap();
    assert_eq!(
        read_answer(&mut stream).0,
        "HTTP/1.1 103 Interim\r\nlink: </style.css>; rel=preload\r\n\r\n"
    );
    let (head, _) = read_answer(&mut stream);
    assert!(head.contains("transfer-encoding: chunked\r\ntrailer: X-T\r\n"), "{head}");
    let mut body = [0; b"3\r\nabc\r\n0\r\nX-T: v\r\n\r\n".len()];
    stream.read_exact(&mut body).unwrap();
    assert_eq!(&body, b"3\r\nabc\r\n0\r\nX-T: v\r\n\r\n");

    stream.write_all(b"GET /second HTTP/1.1\r\nX-Case: 1\r\n\r\n").unwrap();
    let (_, body) = read_answer(&mut stream);
    let echo: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&echo["path"], &echo["headers"][0][0]), (&"/second".into(), &"X-Case".into()));
    assert_eq!(mock.connections(), 1);
}

#[test]
fn a_connection_can_be_closed_with_and_without_a_word() {
    let mock = start(Options::local("one")).unwrap();
    for (how, is_said) in [("close", true), ("drop", false)] {
        let request = format!("GET /?lb_size=1B&lb_connection={how} HTTP/1.1\r\n\r\n");
        let (answer, ended) = send(&mock, &request, false);
        assert_eq!(ended, Ended::Closed);
        assert_eq!(answer.contains("connection: close\r\n"), is_said, "{answer}");
        assert_eq!(body_of(&answer), "a");
    }
}

#[test]
fn an_unread_body_does_not_hold_the_answer_back() {
    let mock = start(Options::local("one")).unwrap();
    let mut stream = connect(&mock);
    stream
        .write_all(
            b"POST / HTTP/1.1\r\nx-lb-read: none\r\nx-lb-status: 413\r\nContent-Length: 9\r\n\r\n",
        )
        .unwrap();
    let (head, _) = read_answer(&mut stream);
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
}

#[test]
fn requests_are_recorded_up_to_the_limit_and_counted_beyond() {
    let mock = start(Options { recorded_max: 2, ..Options::local("one") }).unwrap();
    for path in ["/a", "/b", "/c"] {
        get(&mock, path);
    }
    let seen = mock.seen();
    assert_eq!(seen.iter().map(|seen| seen.target.as_str()).collect::<Vec<_>>(), ["/a", "/b"]);
    assert_eq!(seen[1].connection, 2);
    assert_eq!(seen[1].headers[0], ("Host".to_owned(), "h".to_owned()));
    assert_eq!(mock.requests(), 3);
}

#[test]
fn chance_follows_its_shares_and_its_seed() {
    let imperfection = Imperfection {
        fail_share: 0.1,
        slow_share: 0.2,
        slow_delay: Duration::from_millis(200),
        jitter: Duration::from_millis(4),
        ..Imperfection::default()
    };
    let run = || {
        let mut rng = fastrand::Rng::with_seed(7);
        let scripts = (0..10_000).map(|_| {
            let mut script = Script::default();
            imperfection.apply(&mut rng, &mut script);
            script
        });
        scripts.collect::<Vec<_>>()
    };
    let scripts = run();
    let failed = scripts.iter().filter(|script| script.status == Some(503)).count();
    let slow = scripts.iter().filter(|script| script.delay.as_millis() >= 200).count();
    assert!((900..1_100).contains(&failed), "{failed} of 10000 failed, share 0.1");
    assert!((1_850..2_150).contains(&slow), "{slow} of 10000 slow, share 0.2");
    assert!(scripts.iter().all(|script| script.delay < Duration::from_millis(204)));
    assert!(scripts.iter().all(|script| script.fault.is_none()));
    assert_eq!(scripts, run());
}

#[test]
fn stopping_closes_what_is_open() {
    let mock = start(Options::local("one")).unwrap();
    let mut stream = connect(&mock);
    stream.write_all(b"GET /?lb_fault=hang-body&lb_size=2B HTTP/1.1\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    let address = mock.address();
    mock.stop();
    let mut rest = Vec::new();
    // An end, whichever: what counts is that it comes.
    let _ = stream.read_to_end(&mut rest);
    assert!(TcpStream::connect(address).is_err());
}

/// Goal: the same script over HTTP/2, where a fault is a stream reset.
#[test]
fn http2_by_prior_knowledge_echoes_and_resets_streams() {
    let mock = start(Options::local("one")).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let exchanges = async {
        let stream = TcpStream::connect(mock.address()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        let driver = tokio::task::spawn_local(async move {
            let _ = connection.await;
        });
        let request = |target: &str| {
            let uri = format!("http://h{target}");
            http::Request::builder().uri(uri).body(()).unwrap()
        };
        let mut read = async |target: &str| {
            let (answer, _) = client.send_request(request(target), true).unwrap();
            let mut body = answer.await.map_err(|error| error.reason())?.into_body();
            let mut bytes = Vec::new();
            while let Some(data) = body.data().await {
                let data = data.map_err(|error| error.reason())?;
                bytes.extend_from_slice(&data);
                body.flow_control().release_capacity(data.len()).unwrap();
            }
            let trailers = body.trailers().await.map_err(|error| error.reason())?;
            Ok::<_, Option<h2::Reason>>((bytes, trailers))
        };
        let (echo, _) = read("/a?lb_chunks=3").await.unwrap();
        let echo: serde_json::Value = serde_json::from_slice(&echo).unwrap();
        assert_eq!((&echo["version"], &echo["path"]), (&"2".into(), &"/a".into()));
        let (body, trailers) = read("/?lb_size=100KiB&lb_trailer=X-T:v").await.unwrap();
        assert_eq!(body.len(), 102_400);
        assert_eq!(trailers.unwrap()["x-t"], "v");
        assert!(read("/?lb_fault=reset").await.is_err());
        assert!(read("/?lb_fault=close-body").await.is_err());
        assert!(read("/").await.is_ok(), "a stream's reset leaves the connection alone");
        driver.abort();
    };
    runtime.unwrap().block_on(async { tokio::time::timeout(DEADLINE, exchanges).await.unwrap() });
}
