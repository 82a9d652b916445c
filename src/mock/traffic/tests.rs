//! The generator against the mock upstream.

use std::collections::BTreeSet;

use super::super::upstream;
use super::*;

fn options(target: SocketAddr) -> Options {
    Options {
        target,
        connections: 4,
        rate: None,
        count: 200,
        duration: Duration::from_mins(1),
        asks: vec![Ask::get("h", "/a")],
        is_unique: false,
        http2: false,
        timeout: Duration::from_secs(20),
        seed: 1,
        recorded_max: 0,
    }
}

#[test]
fn every_request_is_sent_once_and_answered_whole() {
    for http2 in [false, true] {
        let mock = upstream::start(upstream::Options {
            recorded_max: 1_000,
            ..upstream::Options::local("one")
        });
        let mock = mock.unwrap();
        let post = Ask { method: http::Method::POST, body_bytes: 100_000, ..Ask::get("p", "/p") };
        let asks = vec![Ask { weight: 3, ..Ask::get("h", "/e2e") }, post];
        let report = start(Options {
            asks,
            is_unique: true,
            http2,
            recorded_max: 1_000,
            ..options(mock.address())
        });
        let report = report.unwrap().wait().unwrap();
        let counters = &report.counters;
        assert_eq!((counters.sent.value(), counters.answered[1].value()), (200, 200));
        assert_eq!((counters.failed_total(), counters.connections.value()), (0, 4));
        assert_eq!(report.latency_us.len(), 200);
        assert!(report.exchanges.iter().all(|exchange| exchange.is_whole));
        let numbers: BTreeSet<_> =
            report.exchanges.iter().map(|exchange| exchange.number).collect();
        assert_eq!(numbers, (0..200).collect());
        let seen = mock.seen();
        let targets: BTreeSet<_> = seen.iter().map(|seen| seen.target.as_str()).collect();
        assert_eq!(targets.len(), 200, "no target twice");
        let posts = seen.iter().filter(|seen| seen.method == "POST").count();
        assert!((20..100).contains(&posts), "{posts} of 200, weight 1 of 4");
        assert!(seen.iter().all(|s| s.body_bytes == if s.method == "POST" { 100_000 } else { 0 }));
    }
}

#[test]
fn a_broken_answer_is_a_failure_and_the_connection_is_opened_again() {
    let mock = upstream::start(upstream::Options::local("one")).unwrap();
    let ask = |query: &str| Ask { query: query.to_owned(), ..Ask::get("h", "/") };
    for (query, count) in [
        ("lb_fault=close", 3),
        ("lb_fault=reset", 3),
        ("lb_fault=close-body", 3),
        ("lb_fault=malformed", 3),
    ] {
        let asks = vec![ask(query)];
        let run = Options { asks, count, connections: 1, ..options(mock.address()) };
        let report = start(run).unwrap().wait().unwrap();
        let counters = &report.counters;
        assert_eq!(counters.failed_broken.value(), count, "{query}");
        assert_eq!(counters.connections.value(), count, "{query}");
        assert_eq!(counters.answered_total(), 0, "{query}");
    }
}

#[test]
fn a_connection_closed_while_idle_costs_no_request() {
    let mock = upstream::start(upstream::Options::local("one")).unwrap();
    let asks = vec![Ask { query: "lb_connection=close".to_owned(), ..Ask::get("h", "/") }];
    let report = start(Options { asks, count: 20, ..options(mock.address()) });
    let report = report.unwrap().wait().unwrap();
    assert_eq!(report.counters.answered[1].value(), 20);
    assert_eq!(report.counters.connections.value(), 20);
}

#[test]
fn no_answer_in_time_and_no_listener_are_told_apart() {
    let mock = upstream::start(upstream::Options::local("one")).unwrap();
    let asks = vec![Ask { query: "lb_fault=hang".to_owned(), ..Ask::get("h", "/") }];
    let timeout = Duration::from_millis(5);
    let report = start(Options { asks, count: 2, timeout, ..options(mock.address()) });
    assert_eq!(report.unwrap().wait().unwrap().counters.failed_timeout.value(), 2);
    let address = mock.address();
    mock.stop();
    let report = start(Options { count: 2, ..options(address) }).unwrap().wait().unwrap();
    assert_eq!(report.counters.failed_connect.value(), 2);
    assert_eq!(report.counters.sent.value(), 2);
}

/// Goal: requests held up by a slow one are timed from when they fell due. Method: one connection,
/// each answer takes 20 ms, one request falls due each millisecond.
#[test]
fn waiting_for_a_free_connection_is_part_of_the_latency() {
    let mock = upstream::start(upstream::Options::local("one")).unwrap();
    let asks = vec![Ask { query: "lb_delay=20ms".to_owned(), ..Ask::get("h", "/") }];
    let run =
        Options { asks, count: 10, connections: 1, rate: Some(1e3), ..options(mock.address()) };
    let report = start(run).unwrap().wait().unwrap();
    // The tenth fell due at 9 ms and could begin at 180 ms at the earliest.
    assert!(report.latency_us.max() > 180_000, "{} µs", report.latency_us.max());
    assert!(report.counters.late.value() >= 9);
}

#[test]
fn it_stops_when_told_and_at_its_time() {
    let mock = upstream::start(upstream::Options::local("one")).unwrap();
    let endless = Options { count: u64::MAX, rate: Some(100.0), ..options(mock.address()) };
    let running = start(endless.clone()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while running.counters().answered_total() == 0 {
        assert!(Instant::now() < deadline, "nothing was answered");
        std::thread::yield_now();
    }
    assert!(!running.is_finished());
    let report = running.stop().unwrap();
    assert_eq!(report.counters.sent.value(), report.counters.answered_total());

    let duration = Duration::from_millis(50);
    let report = start(Options { duration, ..endless.clone() }).unwrap().wait().unwrap();
    assert_eq!(report.counters.sent.value(), 5, "100 a second for 50 ms");
    assert!(start(Options { asks: vec![], ..endless }).is_err());
}
