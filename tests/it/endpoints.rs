//! Goal: endpoints are chosen and connected to as the configuration says. Method: the real program
//! with endpoints that fail, counted from outside. Ejections are in `ejection`.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use crate::frames::{self, Frames};
use crate::support::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// An endpoint that is busy with a response gets nothing more while another is idle; in turns it
/// would get half.
#[test]
fn least_request_counts_a_response_until_its_end() {
    for (balance, most) in [("least_request", 0), ("round_robin", 10)] {
        let start = |name: &'static str| {
            Upstream::start(move |head, _| {
                let body = if head.contains("/hang") { "never whole" } else { "" };
                format!(
                    "HTTP/1.1 200 OK\r\nX-Name: {name}\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len() * 2
                )
                .into_bytes()
            })
        };
        let upstreams = [start("a"), start("b")];
        let addresses = [upstreams[0].address, upstreams[1].address];
        let keys = format!(", balance: {balance}");
        let proxy = Proxy::start(&one_service(&addresses, &keys), "");
        // One connection, so that one worker sees it all.
        let mut client = Frames::connect(&proxy, &[]);
        let hang =
            frames::GET.map(|(name, value)| (name, if name == ":path" { "/hang" } else { value }));
        client.send(&frames::request(1, &hang));
        assert_eq!(client.outcome(1), Some(200));
        let count = |upstream: &Upstream| upstream.seen().len();
        let busy = usize::from(count(&upstreams[1]) == 1);
        for n in 1..=20 {
            client.send(&frames::request(2 * n + 1, &frames::GET));
            assert_eq!(client.outcome(2 * n + 1), Some(200));
        }
        assert_eq!(count(&upstreams[busy]), 1 + most, "{balance}");
    }
}

/// Only a connection that could not be made is a reason to go elsewhere: what was sent may have been
/// acted on.
#[test]
fn a_request_that_was_sent_is_not_sent_to_another_endpoint() {
    let silent = Upstream::start(|_, _| Vec::new());
    let other = Upstream::start(|_, _| Vec::new());
    let proxy = Proxy::start(
        &one_service(&[silent.address, other.address], ", outlier: {failures: 1000}"),
        "",
    );
    for method in ["GET", "POST"] {
        let before = silent.seen().len() + other.seen().len();
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(proxy.send(request).status, 502, "{method}");
        assert_eq!(silent.seen().len() + other.seen().len(), before + 1, "{method}");
    }
    for document in proxy.documents() {
        assert_eq!(document["lbproxy.attempts"], 1);
        assert_eq!(document.get("lbproxy.attempt.endpoint"), None, "only if more than one");
    }
}

/// With nothing left to try, the answer and the record are those of the last attempt.
#[test]
fn when_every_endpoint_refuses_there_is_one_attempt_each_up_to_the_limit() {
    let endpoints = [nobody(), nobody(), nobody()];
    for (attempts, want) in [(1, 1), (2, 2), (5, 3)] {
        let keys = format!(", retry: {{attempts: {attempts}}}, outlier: {{failures: 1000}}");
        let proxy = Proxy::start(&one_service(&endpoints, &keys), "");
        assert_eq!(proxy.send(GET).status, 502);
        let document = proxy.documents().remove(0);
        assert_eq!(document["lbproxy.attempts"], want, "{document:#}");
        assert_eq!(document["lbproxy.termination.reason"], "connect_refused");
        let reasons = document["lbproxy.attempt.reason"].as_array().map_or(1, Vec::len);
        assert_eq!(reasons, want, "{document:#}");
        assert_eq!(document.get("lbproxy.upstream.connect_us"), None, "no connection was made");
    }
}

/// What an endpoint cost before another one answered is not the proxy's own time.
#[test]
fn the_time_of_a_failed_attempt_is_not_the_proxys_own() {
    let black_hole = crate::terminations::black_hole().parse().unwrap();
    let keys = ", timeouts: {connect: 1s}, outlier: {failures: 1000}";
    let proxy = Proxy::start(&one_service(&[black_hole, Upstream::ok().address], keys), "");
    let document = wait_for("a request that needed both", || {
        assert_eq!(proxy.send(GET).status, 200);
        proxy.documents().into_iter().find(|document| document["lbproxy.attempts"] == 2)
    });
    let failed_us = document["lbproxy.attempt.time_us"][0].as_u64().unwrap();
    let own_us = document["lbproxy.time.self_us"].as_u64().unwrap();
    assert!(own_us < failed_us, "{document:#}");
}

/// A connection that is too old is not used again: its name may stand for somebody else by now. One
/// that is not goes on.
#[test]
fn a_pooled_connection_has_a_greatest_age() {
    let upstream = Upstream::ok();
    for (keys, is_reused) in [(", pool: {age_max: 1ms}", false), (", pool: {age_max: 1h}", true)] {
        let proxy = Proxy::start(&one_service(&[upstream.address], keys), "");
        // One connection, so that one worker sees it all.
        let mut client = Frames::connect(&proxy, &[]);
        let mut stream = 1;
        let mut get = || {
            client.send(&frames::request(stream, &frames::GET));
            assert_eq!(client.outcome(stream), Some(200));
            stream += 2;
        };
        get();
        if is_reused {
            (0..20).for_each(|_| get());
            assert_eq!(proxy.figures()["lbproxy_pool_connections_opened_total"], 1);
        } else {
            wait_for("connections that were not used again", || {
                get();
                (proxy.figures()["lbproxy_pool_connections_opened_total"] >= 3).then_some(())
            });
        }
    }
}

/// Goal: a connection on which request and answer came whole is used again, however their ends are
/// told. Method: each pair three times on one client connection, so that one worker sees it all.
#[test]
fn a_connection_is_used_again_after_every_whole_exchange() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let trailer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n";
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let wants = "GET / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: trailers\r\n\r\n";
    let post = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (name, request, answer) in [
        ("lengths", get.to_owned(), whole),
        ("a trailer of the response", get.to_owned(), trailer),
        ("a trailer that is asked for", wants.to_owned(), trailer),
        ("a trailer of the request", format!("{post}2\r\nab\r\n0\r\nX-Sum: 7\r\n\r\n"), whole),
    ] {
        let upstream = Upstream::start(move |_, _| answer.into());
        let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
        let mut stream = connect(proxy.address);
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        for _ in 0..3 {
            stream.write_all(request.as_bytes()).unwrap();
            assert_eq!(read_response(&mut reader, false).unwrap().body, b"ok", "{name}");
        }
        assert_used_again(name, &proxy);
    }
    // The data comes whole, the end of the stream after the answer or never.
    let upstream = Upstream::start(move |_, _| trailer.into());
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
    let mut client = Frames::connect(&proxy, &[]);
    for stream in [1, 3, 5] {
        let [_, rest @ ..] = frames::GET;
        let fields = [&[(":method", "POST")][..], &rest, &[("content-length", "2")]].concat();
        let head = frames::block(&fields);
        client.send(&frames::frame(frames::HEADERS, frames::END_HEADERS, stream, &head));
        client.send(&frames::frame(frames::DATA, 0, stream, b"ab"));
        assert_eq!(client.outcome(stream), Some(200));
    }
    wait_for("three records", || (proxy.documents().len() == 3).then_some(()));
    assert_used_again("HTTP/2, before the end is told", &proxy);
}

/// Three exchanges were whole and rode one connection.
fn assert_used_again(name: &str, proxy: &Proxy) {
    let documents = proxy.documents();
    assert_eq!(documents.len(), 3, "{name}");
    for document in documents {
        assert_eq!(document["lbproxy.termination.reason"], "complete", "{name}: {document:#}");
        let has_body = document["http.request.body.bytes"].as_u64() > Some(0);
        assert_eq!(document["lbproxy.time.body_us"].is_u64(), has_body, "{name}: {document:#}");
    }
    assert_eq!(proxy.figures()["lbproxy_pool_connections_opened_total"], 1, "{name}");
}

/// Goal: what the system refuses this process is told and counted as its own, by one line when it
/// begins and one when it is over; the endpoint stays in rotation, and nothing spins. Method: the
/// limit of descriptors is taken away from the running program, and given back.
#[test]
fn a_shortage_of_our_own_is_no_failure_of_an_endpoint() {
    let upstream = Upstream::ok();
    let limits = ", outlier: {failures: 1, eject: 1h, eject_max: 1h}, pool: {idle_max: 0}";
    let proxy = Proxy::start(&one_service(&[upstream.address], limits), "");
    let mut stream = connect(proxy.address);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut get = || {
        stream.write_all(GET.as_bytes()).unwrap();
        read_response(&mut reader, false).unwrap().status
    };
    assert_eq!(get(), 200);
    proxy.limit_descriptors(Some(0));
    for _ in 0..5 {
        assert_eq!(get(), 503);
    }
    let waits = connect(proxy.address); // in the queue of the socket: nobody can accept it
    let told = |what: &str| proxy.log().matches(what).count();
    assert_eq!(told("refuses connections to this process"), 1, "{}", proxy.log());
    assert!(proxy.log().contains("the limit of open files is 0"), "{}", proxy.log());
    proxy.limit_descriptors(None);
    assert_eq!(proxy.figures()["lbproxy_shortage_now"], 1, "until something was quiet for a while");
    assert_eq!(
        crate::admin::live(&proxy)["trust"]["shortages"],
        serde_json::json!(["descriptors"])
    );
    assert_eq!(get(), 200, "it was never set aside");
    wait_for("the end of the shortage", || {
        assert_eq!(get(), 200);
        (told("gives this process connections again") == 1).then_some(())
    });
    assert_eq!(proxy.send(GET).status, 200, "and connections are accepted again");
    drop(waits);
    let figures = proxy.figures();
    assert_eq!(figures["lbproxy_endpoint_failures_total"], 0);
    assert_eq!(figures["lbproxy_shortage_now"], 0);
    let short = figures["lbproxy_shortages_total"];
    assert_eq!(short, 5 + figures["lbproxy_accept_errors_total"], "{figures:#?}");
    assert!(short < 5_000, "a failed accept pauses: {short}");
    assert_eq!(told("refuses connections to this process"), 1, "{}", proxy.log());
}

/// A name is looked up, and its time stands apart from the time to connect.
#[test]
fn an_endpoint_may_be_a_name() {
    let upstream = Upstream::ok();
    let service = one_service(&[upstream.address], "")
        .replace(&upstream.address.to_string(), &format!("localhost:{}", upstream.address.port()));
    let proxy = Proxy::start(&service, "");
    assert_eq!(proxy.send(GET).status, 200);
    let document = proxy.documents().remove(0);
    assert!(document["lbproxy.upstream.dns_us"].is_u64(), "{document:#}");
    assert!(document["lbproxy.upstream.connect_us"].is_u64(), "{document:#}");
}

/// A pooled connection may be closing at the other end while it is taken, however short it waited:
/// what may be repeated is sent again on a fresh one, what may not is not.
#[test]
fn a_pooled_connection_that_had_closed_costs_a_repeatable_request_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&heads);
    // One answer per connection; the second request is read and the connection closed.
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || {
                let mut stream = stream;
                let read = |stream: &mut TcpStream| {
                    let mut head = vec![0; 4096];
                    let bytes = stream.read(&mut head).unwrap_or(0);
                    let head = String::from_utf8_lossy(&head[..bytes]).to_lowercase();
                    seen.lock().unwrap().push(head);
                };
                read(&mut stream);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                read(&mut stream);
            });
        }
    });
    for (method, body, status, reason) in [
        ("GET", "", 200, "complete"),
        ("DELETE", "", 200, "complete"),
        ("POST", "", 502, "upstream_closed"),
        ("PUT", "body", 502, "upstream_closed"),
    ] {
        let proxy = Proxy::start(&one_service(&[address], ", outlier: {failures: 1000}"), "");
        let mut stream = connect(proxy.address);
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        stream.write_all(GET.as_bytes()).unwrap();
        assert_eq!(read_response(&mut reader, false).unwrap().status, 200);
        let length = body.len();
        write!(
            stream,
            "{method} /again?{method} HTTP/1.1\r\nHost: a\r\nX-Twice: 1\r\nX-Twice: 2\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        assert_eq!(read_response(&mut reader, false).unwrap().status, status, "{method} {body}");
        let documents = proxy.documents();
        let document = documents.iter().find(|d| d["url.path"] == "/again").unwrap();
        assert_eq!(document["lbproxy.termination.reason"], reason, "{method}: {document:#}");
        assert_eq!(document["lbproxy.attempts"], 1, "{method}: the same endpoint");
        let is_reused = document["lbproxy.upstream.reused"] == true;
        assert_eq!(is_reused, status != 200, "{method}: {document:#}");
        crate::terminations::timers_add_up(method, document);
        let mut heads = heads.lock().unwrap().clone();
        heads.retain(|head| head.contains(&format!("/again?{}", method.to_lowercase())));
        assert_eq!(heads.len(), if is_reused { 1 } else { 2 }, "{heads:#?}");
        assert_eq!(heads.first(), heads.last(), "the same request, but for the case of names");
    }
}
