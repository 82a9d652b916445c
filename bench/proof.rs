//! Goal: the promises of shipping at full size, shown and not only claimed. Method: the release
//! build, the real servers, and a generator that remembers each exchange; the index is read back
//! whole. `make proof` runs it; it ends by itself, and with a panic where a promise is broken.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a check that fails by panicking and prints what it saw"
)]

#[path = "../tests/it/audit.rs"]
mod audit;
#[path = "../tests/it/server.rs"]
#[expect(dead_code, reason = "the tests ask a server for more")]
mod server;
#[path = "../tests/it/support.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support;
#[path = "../tests/it/traffic.rs"]
mod traffic;

use std::sync::Arc;
use std::time::Instant;

use lbproxy::elk::Product;
use lbproxy::mock::traffic::{Ask, Options};

use audit::{FIELDS, exactly_once};
use server::RealServer;
use support::{Proxy, one_service};
use traffic::{Run, Traffic, access, endpoint, generate, options};

/// Requests of a run.
const COUNT: u64 = 100_000;
/// Requests a second during the outage.
const RATE: f64 = 1_000.0;
/// Most resident memory through an outage.
const RESIDENT_BYTES_MAX: u64 = 40_000_000;

fn main() {
    for product in Product::ALL {
        let mut server = RealServer::alone(product);
        server.start();
        everything_arrives(&server);
        everything_survives_a_crash(&server);
        everything_waits_for_a_minute(&mut server);
    }
}

/// One line of what was seen.
fn say(server: &RealServer, what: &str, begin: Instant, proxy: &Proxy) {
    println!(
        "{:<13} {what}; {:.1} s, at most {:.1} MB resident",
        server.product.as_str(),
        begin.elapsed().as_secs_f64(),
        mb(proxy.resident_bytes_max()),
    );
}

/// Bytes in MB, for people.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// A run of `GET`s by 50 connections, as fast as answers come.
fn burst(proxy: &Proxy, path: &str, count: u64) -> Options {
    Options { connections: 50, ..options(proxy, vec![Ask::get("a.test", path)], count) }
}

/// Documents of a namespace, each checked against the runs.
fn found(server: &RealServer, namespace: &str, runs: &[Run]) -> usize {
    exactly_once(&server.stored(&access(namespace), &FIELDS), runs)
}

/// 100 000 requests, 100 000 documents.
fn everything_arrives(server: &RealServer) {
    let begin = Instant::now();
    let endpoint = endpoint("one");
    let service = one_service(&[endpoint.address()], "");
    let proxy = Proxy::start(&service, &server.telemetry("all"));
    let run = generate(burst(&proxy, "/all", COUNT));
    run.assert_untroubled();
    let rate = f64::from(u32::try_from(COUNT).unwrap()) / run.report.elapsed.as_secs_f64();
    proxy.settled();
    let documents = found(server, "all", &[run]);
    assert_eq!(documents as u64, COUNT);
    let what = format!("{COUNT} requests at {rate:.0}/s: {documents} documents, each once, no gap");
    say(server, &what, begin, &proxy);
}

/// The same with `kill -9` in the middle and a restart.
fn everything_survives_a_crash(server: &RealServer) {
    let begin = Instant::now();
    let endpoint = endpoint("one");
    let service = one_service(&[endpoint.address()], "");
    let telemetry = server.telemetry("crash");
    let proxy = Proxy::start(&service, &telemetry);
    let traffic = Traffic::launch(burst(&proxy, "/before", COUNT));
    proxy.await_figure("lbproxy_ship_acknowledged_total", |stored| stored >= COUNT / 4);
    let dir = proxy.kill();
    let before = traffic.stop();
    let whole = before.report.counters.answered_total();
    assert!(whole < COUNT, "the crash came after the last request");
    let proxy = Proxy::start_in(Arc::clone(&dir), &service, &telemetry);
    let after = generate(burst(&proxy, "/after", COUNT - whole));
    after.assert_untroubled();
    let recovered = proxy.settled()["lbproxy_journal_recovered_total"];
    let documents = found(server, "crash", &[before, after]);
    let what = format!(
        "kill -9 after {whole} of {COUNT} responses ({recovered} records still to ship): \
         {documents} documents, each response once, no gap"
    );
    say(server, &what, begin, &proxy);
}

/// The server is stopped for a minute under traffic and started again.
fn everything_waits_for_a_minute(server: &mut RealServer) {
    let begin = Instant::now();
    let endpoint = endpoint("one");
    let service = one_service(&[endpoint.address()], "");
    let proxy = Proxy::start(&service, &server.telemetry("outage"));
    let traffic = Traffic::start(&proxy, "/outage", RATE);
    traffic.await_answers(5_000);
    server.stop();
    let stopped = Instant::now();
    traffic.await_answers(60_000);
    let away = stopped.elapsed();
    let waiting = proxy.figures()["lbproxy_ship_pending"];
    server.start();
    let run = traffic.stop();
    run.assert_untroubled();
    let requests = run.report.counters.sent.value();
    let answered = Instant::now();
    proxy.settled();
    let drained = answered.elapsed();
    let documents = found(server, "outage", &[run]);
    assert_eq!(documents as u64, requests);
    let most = proxy.resident_bytes_max();
    assert!(most < RESIDENT_BYTES_MAX, "{:.1} MB resident", mb(most));
    let what = format!(
        "away for {:.0} s at {RATE} requests/s: {requests} requests, none failed, {waiting} records \
         waited, stored {:.1} s after it was back; {documents} documents, each once, no gap",
        away.as_secs_f64(),
        drained.as_secs_f64(),
    );
    say(server, &what, begin, &proxy);
}
