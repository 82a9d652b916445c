//! Goal: an endpoint that is broken is taken out of rotation and comes back; one URL takes nobody
//! out. Method: the real program, endpoints that fail in each way, good users beside attackers.

use std::io::{BufReader, Read as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::support::*;

const GOOD: &str = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n";
const BAD: &str = "GET /bad HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The sum of a metric over all its labels.
fn figure(proxy: &Proxy, name: &str) -> u64 {
    proxy.figures()[name]
}

/// What an endpoint does with `/bad`.
#[derive(Clone, Copy)]
enum Answer {
    Closes,
    Malformed,
    TooManyFields,
    Hangs,
}

impl Answer {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Closes => Vec::new(),
            Self::Malformed => b"HTTP/1.1 2x0 OK\r\n\r\n".to_vec(),
            Self::TooManyFields => {
                let fields = "X-A: a\r\n".repeat(200);
                format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n").into_bytes()
            }
            // Until the proxy has given up, which closes the connection.
            Self::Hangs => loop {
                std::thread::park();
            },
        }
    }
}

/// Attackers that ask for `/bad`, each with a pause between two requests, and one good user.
struct Attack {
    name: &'static str,
    endpoints: usize,
    attackers: usize,
    pause: Duration,
    answer: Answer,
}

/// Good requests of an attack that are asked.
const ASKED: usize = 100;

impl Attack {
    /// Good requests that were answered, of [`ASKED`].
    fn answered(&self) -> usize {
        let answer = self.answer;
        let upstream =
            || {
                Upstream::start(move |head, _| {
                    if head.starts_with("GET /bad") { answer.bytes() } else { OK.to_vec() }
                })
            };
        let upstreams: Vec<_> = (0..self.endpoints).map(|_| upstream()).collect();
        let addresses: Vec<_> = upstreams.iter().map(|upstream| upstream.address).collect();
        // Far longer than a good answer takes on a machine with much else to do.
        let service = one_service(&addresses, ", timeouts: {first_byte: 1s}");
        let proxy = Proxy::start(&service, "");
        let (is_over, attacks) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..self.attackers {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        assert!(proxy.send(BAD).status >= 500);
                        attacks.fetch_add(1, Ordering::Relaxed);
                        pause(self.pause);
                    }
                });
            }
            // The good user comes when the harm has been done.
            wait_for("the attack", || (attacks.load(Ordering::Relaxed) >= 20).then_some(()));
            let asked = (0..ASKED).filter(|_| {
                pause(Duration::from_millis(20));
                proxy.send(GOOD).status == 200
            });
            let answered = asked.count();
            is_over.store(true, Ordering::Relaxed);
            answered
        })
    }
}

/// The pace of a client.
fn pause(span: Duration) {
    let (_open, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(span);
}

/// One URL that every endpoint answers badly takes no service down, be it of one endpoint or three.
#[test]
fn good_users_are_answered_whatever_one_url_does_to_the_endpoints() {
    let (calm, parallel) = (Duration::from_millis(50), Duration::from_millis(10));
    let row = |name, endpoints, attackers, answer| {
        let pause = if attackers == 1 { calm } else { parallel };
        Attack { name, endpoints, attackers, pause, answer }
    };
    // Those that wait for time-outs come first: they take the longest.
    let rows = [
        row("one attacker, hangs", 3, 1, Answer::Hangs),
        row("eight attackers, hangs", 1, 8, Answer::Hangs),
        row("eight attackers, hangs", 3, 8, Answer::Hangs),
        row("one attacker, closed", 1, 1, Answer::Closes),
        row("one attacker, closed", 3, 1, Answer::Closes),
        row("eight attackers, closed", 1, 8, Answer::Closes),
        row("eight attackers, closed", 3, 8, Answer::Closes),
        row("eight attackers, malformed", 1, 8, Answer::Malformed),
        row("eight attackers, malformed", 3, 8, Answer::Malformed),
        row("eight attackers, over 100 fields", 3, 8, Answer::TooManyFields),
    ];
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answered = row.answered();
                    assert!(
                        answered * 100 >= ASKED * 99,
                        "{}, {} endpoint(s): {answered} of {ASKED}",
                        row.name,
                        row.endpoints
                    );
                }
            });
        }
    });
}

/// A dead endpoint of three costs nobody an answer; it is out after five refusals, and back by a probe,
/// without any traffic.
#[test]
fn a_dead_endpoint_of_three_is_ejected_and_comes_back_by_a_probe() {
    let (dead, port) = reserve();
    let others = [Upstream::ok(), Upstream::ok()];
    // No trial could let it back in time.
    let limits = ", outlier: {eject: 1h, eject_max: 1h}";
    let service = one_service(&[dead, others[0].address, others[1].address], limits);
    let proxy = Proxy::start(&service, "");
    let mut requests = 0;
    let died = Instant::now();
    wait_for("the ejection", || {
        requests += 1;
        assert_eq!(proxy.send(GOOD).status, 200, "another endpoint answers");
        (figure(&proxy, "lbproxy_endpoint_ejected") == 1).then_some(())
    });
    let out = died.elapsed();
    assert!(requests <= 5 * 3 * 2, "{requests} requests until five in a row, in turns");
    wait_for("a probe", || (figure(&proxy, "lbproxy_endpoint_probes_total") > 0).then_some(()));
    assert_eq!(figure(&proxy, "lbproxy_endpoint_ejected"), 1, "nobody listens");
    let returned = Instant::now();
    port.listen(16).unwrap();
    wait_for("its return", || (figure(&proxy, "lbproxy_endpoint_ejected") == 0).then_some(()));
    eprintln!("out after {out:?} and {requests} requests, back after {:?}", returned.elapsed());
    let refused = proxy.documents();
    let refused = refused.iter().filter(|document| document["lbproxy.attempts"] == 2).count();
    assert_eq!(refused, 5, "nobody was sent there while it was out");
    let log = proxy.terminate();
    for line in ["endpoint ejected; a probe or a trial", "endpoint is back in rotation"] {
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    }
}

/// What breaks every answer takes connections all the same: only a whole answer shows that it is well
/// again.
#[test]
fn an_endpoint_that_breaks_every_answer_is_found_by_its_share_and_comes_back_by_a_trial() {
    for answer in [
        "", // it closes
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nno more",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    ] {
        breaks_every_answer(answer.as_bytes());
    }
}

fn breaks_every_answer(answer: &'static [u8]) {
    let is_well = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&is_well);
    let broken = Upstream::start(move |_, _| {
        if answers.load(Ordering::Relaxed) { OK.to_vec() } else { answer.to_vec() }
    });
    let others = [Upstream::ok(), Upstream::ok()];
    let addresses = [broken.address, others[0].address, others[1].address];
    let keys = ", outlier: {eject: 100ms}, timeouts: {idle: 100ms}";
    let proxy = Proxy::start(&one_service(&addresses, keys), "");
    // Who gets the broken one may see its connection close without a response head.
    let ask = || {
        let mut stream = connect(proxy.address);
        stream.write_all(GOOD.as_bytes()).unwrap();
        read_response(&mut BufReader::new(stream), false)
    };
    wait_for("the ejection", || {
        ask();
        (figure(&proxy, "lbproxy_endpoint_ejected") == 1).then_some(())
    });
    let page = String::from_utf8(proxy.admin("GET", "/metrics").body).unwrap();
    let endpoint = format!("endpoint=\"{}\"", broken.address);
    let is_named = |line: &str| {
        line.starts_with("lbproxy_endpoint_ejections_total{")
            && line.contains("cause=\"share\"")
            && line.contains(&endpoint)
            && line.ends_with(" 1")
    };
    assert!(page.lines().any(is_named), "{page}");
    assert_eq!(figure(&proxy, "lbproxy_endpoint_ejections_total"), 1, "and no other endpoint");
    let before = broken.seen().len();
    wait_for("a trial that fails", || {
        ask();
        (broken.seen().len() > before).then_some(())
    });
    wait_for("a probe", || (figure(&proxy, "lbproxy_endpoint_probes_total") > 0).then_some(()));
    assert_eq!(figure(&proxy, "lbproxy_endpoint_ejected"), 1);
    is_well.store(true, Ordering::Relaxed);
    wait_for("the trial that lets it back", || {
        ask();
        (figure(&proxy, "lbproxy_endpoint_ejected") == 0).then_some(())
    });
}

/// Whoever listens after a refused probe is another process than the one that was broken: no trial has to
/// wait for `eject` then.
#[test]
fn an_endpoint_that_was_broken_and_is_restarted_comes_back_by_a_probe() {
    let (address, _port) = reserve();
    let others = [Upstream::ok(), Upstream::ok()];
    let limits = ", outlier: {eject: 1h, eject_max: 1h}";
    let service = one_service(&[address, others[0].address, others[1].address], limits);
    let proxy = Proxy::start(&service, "");
    let listener = std::net::TcpListener::bind(address).unwrap();
    let end = socket2::Socket::from(listener.try_clone().unwrap());
    let _broken = Upstream::on(listener, |_, _| Vec::new());
    wait_for("the ejection", || {
        proxy.send(GOOD);
        (figure(&proxy, "lbproxy_endpoint_ejected") == 1).then_some(())
    });
    let probes = |more: u64| {
        let before = figure(&proxy, "lbproxy_endpoint_probes_total");
        proxy.await_figure("lbproxy_endpoint_probes_total", |probes| probes >= before + more);
    };
    probes(2);
    assert_eq!(figure(&proxy, "lbproxy_endpoint_ejected"), 1, "to connect says nothing of answers");
    end.shutdown(std::net::Shutdown::Both).unwrap();
    drop(end);
    probes(2); // one may have been under way
    assert_eq!(figure(&proxy, "lbproxy_endpoint_ejected"), 1, "nobody listens");
    let listener = std::net::TcpListener::bind(address).unwrap();
    let _well = Upstream::on(listener, |_, _| OK.to_vec());
    wait_for("its return", || (figure(&proxy, "lbproxy_endpoint_ejected") == 0).then_some(()));
}

/// Who leaves before the end of an answer says nothing of the endpoint.
#[test]
fn a_client_that_leaves_in_the_body_is_no_failure_of_the_endpoint() {
    let half =
        || Upstream::start(|_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nmore".into());
    let (stalls, whole) = (half(), Upstream::ok());
    let proxy = Proxy::start(&one_service(&[stalls.address, whole.address], ""), "");
    for _ in 0..20 {
        let mut stream = connect(proxy.address);
        stream.write_all(GOOD.as_bytes()).unwrap();
        stream.read_exact(&mut [0; 20]).unwrap();
    }
    let ended = |reason: &str| {
        let documents = proxy.documents();
        documents.iter().filter(|d| d["lbproxy.termination.reason"] == reason).count() as u64
    };
    wait_for("all records", || {
        (ended("downstream_closed") + ended("complete") == 20).then_some(())
    });
    let figures = proxy.figures();
    assert!(ended("downstream_closed") > 0, "{figures:#?}");
    for (name, want) in [
        ("answers_total", 20),
        ("answers_whole_total", ended("complete")),
        ("failures_total", 0),
        ("requests_in_flight", 0),
    ] {
        assert_eq!(figures[&format!("lbproxy_endpoint_{name}")], want, "{name}");
    }
}

/// Where the floor stops an ejection, that is said once for each change, not for each request.
#[test]
fn an_endpoint_that_the_floor_keeps_in_rotation_is_told_of_once() {
    let (only, port) = reserve();
    let proxy = Proxy::start(&one_service(&[only], ""), "");
    wait_for("the metric", || {
        assert_eq!(proxy.send(GOOD).status, 502, "and never 503");
        (figure(&proxy, "lbproxy_endpoint_kept_in_rotation") == 1).then_some(())
    });
    (0..20).for_each(|_| assert_eq!(proxy.send(GOOD).status, 502));
    let state = || crate::admin::live(&proxy)["endpoints"][0]["state"].clone();
    assert_eq!(state(), "kept", "as the metric says");
    assert_eq!(figure(&proxy, "lbproxy_endpoint_ejections_total"), 0);
    port.listen(16).unwrap();
    let _well = Upstream::on(port.into(), |_, _| OK.to_vec());
    assert_eq!(proxy.send(GOOD).status, 200, "the next request finds it");
    wait_for("the metric", || {
        (figure(&proxy, "lbproxy_endpoint_kept_in_rotation") == 0).then_some(())
    });
    assert_eq!(state(), "up");
    let log = proxy.terminate();
    for line in ["endpoint fails and stays in rotation", "endpoint no longer needs to be kept"] {
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    }
}
