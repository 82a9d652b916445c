//! Goal: whatever answers, no more of it is read than the bound. Method: a socket that says so.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};

use flate2::write::GzEncoder;

use super::wire::ANSWER_BYTES_MAX;
use super::*;
use crate::config;

/// A part of a body: there is nothing in it that has to be kept apart.
const PART: &[u8] = &[b' '; 1 << 20];
/// Parts that are more than is read.
const PARTS: usize = (ANSWER_BYTES_MAX >> 20) + 1;

/// What a client makes of the one answer that `write` puts on the wire.
fn answered(
    write: impl FnOnce(&mut TcpStream) -> std::io::Result<()> + Send,
) -> Result<Reply, Problem> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "proxy: {{listen: {{address: 127.0.0.1, port: 80}}, services: [{{name: a, domain: a, \
         hosts: [{{address: 127.0.0.1, port: 1}}]}}]}}\n\
         telemetry: {{elasticsearch: {{urls: [\"http://{}\"], api_key: hunter22}}}}\n",
        listener.local_addr().unwrap()
    );
    let config = config::parse("test", &text, &|_| None).unwrap().telemetry.elasticsearch.unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
            while head.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            // A client that has enough goes.
            let _ = write(&mut stream);
        });
        // Ends before the thread is waited for, and its connection with it.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::new(&config).unwrap();
        runtime.block_on(client.call(Method::Get, "/", Call::default()))
    })
}

#[test]
fn an_answer_without_an_end_is_left_with_a_word_of_what_to_look_at() {
    let chunked = |stream: &mut TcpStream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for _ in 0..PARTS {
            write!(stream, "{:x}\r\n", PART.len())?;
            stream.write_all(PART)?;
            stream.write_all(b"\r\n")?;
        }
        stream.write_all(b"0\r\n\r\n")
    };
    let until_close = |stream: &mut TcpStream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        (0..PARTS).try_for_each(|_| stream.write_all(PART))
    };
    let measured = |stream: &mut TcpStream| {
        let bytes = PARTS * PART.len();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n")
    };
    let packed = |stream: &mut TcpStream| {
        let mut body = GzEncoder::new(Vec::new(), Level::fast());
        (0..PARTS).try_for_each(|_| body.write_all(PART))?;
        let body = body.finish()?;
        let bytes = body.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {bytes}\r\n\r\n"
        )?;
        stream.write_all(&body)
    };
    for (name, answer) in [
        ("chunked", answered(chunked)),
        ("until the connection is closed", answered(until_close)),
        ("with its length", answered(measured)),
        ("unpacked", answered(packed)),
    ] {
        let problem = answer.map(|reply| reply.body.len()).expect_err(name);
        assert_eq!(problem.fault, Fault::Unknown, "{name}");
        let reason = problem.reason;
        assert!(
            reason.starts_with("the answer is longer than 64 MiB; look at "),
            "{name}: {reason}"
        );
    }
}

#[test]
fn a_redirect_is_told_and_nobody_is_asked_there() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = elsewhere.local_addr().unwrap();
        let problem = answered(|stream| {
            write!(
                stream,
                "HTTP/1.1 {status} Moved\r\nLocation: http://u:secret@{host}/_bulk?key=secret\r\n\
                 Content-Length: 0\r\n\r\n"
            )
        });
        let problem = problem.map(|reply| reply.status).expect_err("followed");
        assert_eq!((problem.fault, problem.status), (Fault::Refused, status));
        let want = format!("{status} redirects to {host}, and no redirect is followed");
        assert_eq!(problem.reason, want);
        assert!(problem.cure.contains("telemetry.elasticsearch"));
        elsewhere.set_nonblocking(true).unwrap();
        assert!(elsewhere.accept().is_err(), "{status}: somebody came");
    }
}

#[test]
fn a_server_that_quotes_the_credentials_is_told_of_without_them() {
    let start = "x".repeat(395); // where words are cut, too
    let body =
        format!(r#"{{"error":{{"type":"hunter22","reason":"ApiKey hunter22 {start} hunter22"}}}}"#);
    let refused = answered(|stream| {
        let bytes = body.len();
        write!(stream, "HTTP/1.1 403 Forbidden\r\nContent-Length: {bytes}\r\n\r\n{body}")
    });
    let problem = refused.map(|reply| reply.status).expect_err("refused");
    assert_eq!(problem.reason, format!("the server answers 403 ***: *** {start} "));
}

#[test]
fn an_answer_of_any_form_comes_whole() {
    let packed = |stream: &mut TcpStream| {
        let mut body = GzEncoder::new(Vec::new(), Level::fast());
        body.write_all(b"{\"a\":1}")?;
        let body = body.finish()?;
        let bytes = body.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\nContent-Encoding: gzip\r\n\
             Content-Length: {bytes}\r\n\r\n"
        )?;
        stream.write_all(&body)
    };
    let chunked = |stream: &mut TcpStream| {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\n\
              Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n",
        )
    };
    for (name, answer) in [("packed", answered(packed)), ("chunked", answered(chunked))] {
        let Reply { status, is_elastic, body, .. } = answer.unwrap();
        assert_eq!((status, is_elastic, &body[..]), (200, true, &b"{\"a\":1}"[..]), "{name}");
    }
}
