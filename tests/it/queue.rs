//! Goal: a limit of requests under way holds over all workers, who waits is served or told why not, and
//! no end of a request keeps its permit. Method: the real program with two workers before endpoints that
//! answer when the test lets them; what happens is seen in answers, records and metrics.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::support::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const TAKEN: &str = "lbproxy_queue_places_taken";
const WAITING: &str = "lbproxy_queue_waiting";

/// An endpoint that answers once the gate is open.
struct Gate {
    upstream: Upstream,
    open: Arc<(Mutex<bool>, Condvar)>,
}

impl Gate {
    fn closed() -> Self {
        let open: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let gate = Arc::clone(&open);
        let upstream = Upstream::start(move |_, _| {
            let is_closed = |open: &mut bool| !*open;
            let (lock, opened) = &*gate;
            drop(opened.wait_while(lock.lock().unwrap(), is_closed).unwrap());
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec()
        });
        Self { upstream, open }
    }

    fn open(&self) {
        *self.open.0.lock().unwrap() = true;
        self.open.1.notify_all();
    }
}

fn start(upstream: &Upstream, limits: &str) -> Proxy {
    let limits = format!(", limits: {{{limits}}}, outlier: {{failures: 1000}}");
    Proxy::start(&one_service(&[upstream.address], &limits), "")
}

/// Sends a request whose answer is read later.
fn ask(proxy: &Proxy) -> TcpStream {
    let mut stream = connect(proxy.address);
    stream.write_all(GET.as_bytes()).unwrap();
    stream
}

fn answer(stream: TcpStream) -> Response {
    read_response(&mut BufReader::new(stream), false).expect("no response")
}

/// The one record with this reason.
fn record(proxy: &Proxy, reason: &str) -> Value {
    let is_it = |document: &Value| document["lbproxy.termination.reason"] == reason;
    wait_for(reason, || proxy.documents().into_iter().find(is_it))
}

fn all_free(proxy: &Proxy) {
    proxy.await_figure(TAKEN, |taken| taken == 0);
    proxy.await_figure(WAITING, |waiting| waiting == 0);
}

#[test]
fn no_more_requests_are_under_way_than_the_limit_over_all_workers() {
    const CLIENTS: usize = 16;
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let upstream = Upstream::start(move |_, _| {
        seen.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
        std::thread::park_timeout(Duration::from_millis(5)); // others would come in meanwhile
        inside.fetch_sub(1, SeqCst);
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec()
    });
    let proxy = start(&upstream, "in_flight: 3, queue_timeout: 1h");
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let stream = connect(proxy.address);
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                for _ in 0..10 {
                    (&stream).write_all(GET.as_bytes()).unwrap();
                    assert_eq!(read_response(&mut reader, false).unwrap().status, 200);
                }
            });
        }
    });
    assert_eq!(most.load(SeqCst), 3);
    all_free(&proxy);
    let documents = proxy.documents();
    assert_eq!(documents.len(), CLIENTS * 10);
    let queue_us = |document: &Value| document["lbproxy.time.queue_us"].as_u64().unwrap();
    let waits = documents.iter().filter(|document| queue_us(document) > 0).count();
    assert!(waits > 0 && proxy.figures()["lbproxy_queue_waits_total"] >= waits as u64);
    for document in &documents {
        crate::terminations::timers_add_up("served after a wait", document);
    }
    let slowest = documents.iter().max_by_key(|document| queue_us(document)).unwrap();
    let own_us = slowest["lbproxy.time.self_us"].as_u64().unwrap();
    assert!(own_us < queue_us(slowest), "the wait is not the proxy's own time: {slowest:#}");
}

#[test]
fn whoever_finds_the_queue_full_is_told_at_once() {
    for (queue, name) in [(0, "no queue"), (2, "a queue of two")] {
        let gate = Gate::closed();
        let limits = format!("in_flight: 1, queue: {queue}, queue_timeout: 1h");
        let proxy = start(&gate.upstream, &limits);
        let mut served = vec![ask(&proxy)];
        proxy.await_figure(TAKEN, |taken| taken == 1);
        served.extend((0..queue).map(|_| ask(&proxy)));
        proxy.await_figure(WAITING, |waiting| waiting == queue);
        let refused = proxy.send(GET);
        let text = String::from_utf8_lossy(&refused.body).into_owned();
        assert_eq!(refused.status, 503, "{name}");
        assert!(text.contains("reason: queue_full"), "{name}: {text}");
        let document = record(&proxy, "queue_full");
        assert_eq!(document["lbproxy.termination.state"], "RQ", "{name}: {document:#}");
        assert_eq!(
            (&document["lbproxy.attempts"], &document["lbproxy.service"]),
            (&0.into(), &"web".into())
        );
        assert_eq!(document.get("lbproxy.time.queue_us"), None, "{name}: it never waited");
        gate.open();
        for stream in served {
            assert_eq!(answer(stream).status, 200, "{name}");
        }
        all_free(&proxy);
    }
}

#[test]
fn whoever_waits_too_long_is_told_and_the_record_says_how_long() {
    let gate = Gate::closed();
    let proxy = start(&gate.upstream, "in_flight: 1, queue_timeout: 100ms");
    let first = ask(&proxy);
    proxy.await_figure(TAKEN, |taken| taken == 1);
    let late = proxy.send(GET);
    assert_eq!(late.status, 503);
    assert!(String::from_utf8_lossy(&late.body).contains("reason: queue_timeout"));
    let document = record(&proxy, "queue_timeout");
    assert_eq!(document["lbproxy.termination.state"], "RQ", "{document:#}");
    assert_eq!(document["lbproxy.attempts"], 0, "{document:#}");
    assert!(document["lbproxy.time.queue_us"].as_u64().unwrap() > 0, "{document:#}");
    proxy.await_figure(WAITING, |waiting| waiting == 0);
    gate.open();
    assert_eq!(answer(first).status, 200);
    all_free(&proxy);
}

#[test]
fn a_client_that_leaves_leaves_the_queue_too() {
    let gate = Gate::closed();
    let proxy = start(&gate.upstream, "in_flight: 1, queue: 1, queue_timeout: 1h");
    let first = ask(&proxy);
    proxy.await_figure(TAKEN, |taken| taken == 1);
    let second = ask(&proxy);
    proxy.await_figure(WAITING, |waiting| waiting == 1);
    drop(second);
    proxy.await_figure(WAITING, |waiting| waiting == 0);
    let document = record(&proxy, "downstream_closed");
    assert_eq!(document["lbproxy.termination.state"], "CQ", "{document:#}");
    assert!(document["lbproxy.time.queue_us"].as_u64().unwrap() > 0, "{document:#}");
    let third = ask(&proxy);
    proxy.await_figure(WAITING, |waiting| waiting == 1);
    gate.open();
    assert_eq!((answer(first).status, answer(third).status), (200, 200));
    all_free(&proxy);
}

/// What a client does with its connection.
type End = fn(&mut TcpStream);

/// Each way to end before the end; afterwards the only permit is free, so that a request is served.
#[test]
fn every_end_releases_the_permit() {
    let upstream = Upstream::start(|head, _| {
        let half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
        match head {
            _ if head.contains("/closes") => Vec::new(),
            _ if head.contains("/breaks") => [&half[..], b"nonsense that is too long"].concat(),
            _ if head.contains("/hangs") => half.to_vec(),
            _ if head.contains("/mute") => {
                std::thread::park_timeout(PATIENCE);
                Vec::new()
            }
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec(),
        }
    });
    let proxy = start(&upstream, "in_flight: 1, queue: 0");
    let ends: [(&str, End); 5] = [
        ("/closes", |stream| _ = read_response(&mut BufReader::new(stream), false)),
        ("/breaks", |stream| _ = stream.read_to_end(&mut Vec::new())),
        ("/hangs", |stream| _ = stream.read(&mut [0]).unwrap()),
        ("/mute", |_| ()),
        ("/", |stream| _ = stream.read(&mut [0]).unwrap()),
    ];
    for (path, end) in ends {
        let mut stream = connect(proxy.address);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        if path == "/mute" {
            proxy.await_figure(TAKEN, |taken| taken == 1);
        }
        end(&mut stream);
        drop(stream);
        all_free(&proxy);
        assert_eq!(proxy.send(GET).status, 200, "after {path}");
        all_free(&proxy);
    }
}

#[test]
fn the_attempts_of_a_request_share_one_permit() {
    let keys = |limits: &str| {
        let keys = format!("{limits}, outlier: {{failures: 1000}}");
        one_service(&[nobody(), Upstream::ok().address], &keys)
    };
    let proxy = Proxy::start(&keys(", limits: {in_flight: 1, queue: 0}"), "");
    let free = Proxy::start(&keys(""), "");
    for _ in 0..4 {
        assert_eq!((proxy.send(GET).status, free.send(GET).status), (200, 200));
        all_free(&proxy);
    }
    let documents = proxy.documents();
    assert!(documents.iter().any(|document| document["lbproxy.attempts"] == 2));
    assert!(documents.iter().all(|document| document["lbproxy.time.queue_us"] == 0));
    assert_eq!(proxy.figures()["lbproxy_queue_waits_total"], 0);
    let has_none = |document: &Value| document.get("lbproxy.time.queue_us").is_none();
    assert!(free.documents().iter().all(has_none), "no limit, no wait");
}

#[test]
fn who_waits_is_seen_in_samples_and_by_the_admin_api() {
    let gate = Gate::closed();
    let limits = ", limits: {in_flight: 1, queue: 5, queue_timeout: 1h}";
    let service = one_service(&[gate.upstream.address], limits);
    let proxy = Proxy::start(&service, "  process: {every: 100ms}\n");
    let served: Vec<_> = (0..3).map(|_| ask(&proxy)).collect();
    proxy.await_figure(WAITING, |waiting| waiting == 2);
    let top = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lbproxy"));
        let url = format!("http://{}", proxy.admin);
        let output = command.args(["top", "--json", "--admin", &url]).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let want = serde_json::json!([
        { "service": "web", "in_flight": 1, "in_flight_max": 1, "waiting": 2, "waiting_max": 5 }
    ]);
    assert_eq!(top()["live"]["queues"], want);
    let sample = |queued: u64| {
        let is_it = |document: &Value| {
            document["metricset.name"] == "process" && document["lbproxy.requests.queued"] == queued
        };
        let last = || proxy.documents().into_iter().rev().find(|document| is_it(document));
        wait_for("a sample of who waits", last)
    };
    assert_eq!(sample(2)["lbproxy.requests.queue_waits"], 2);
    gate.open();
    for stream in served {
        assert_eq!(answer(stream).status, 200);
    }
    all_free(&proxy);
    assert_eq!(top()["live"]["queues"][0]["waiting"], 0);
}
