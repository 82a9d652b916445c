//! Goal: endpoints that are found by name come and leave without a restart and without a failed request.
//! Method: the real program, a DNS server whose answers the test changes, endpoints on addresses of
//! loopback, and clients that count what is not 200.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use hickory_resolver::proto::rr::RecordType;

use crate::names::resolver;
use crate::support::dns::{self, Dns, Says};
use crate::support::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Lines below `proxy:` for a service on every host whose endpoints are found by name.
fn service(host: &str, keys: &str) -> String {
    format!(
        "  listen: {{address: 127.0.0.1, port: 0, trusted_proxies: []}}\n  services:\n    \
         - {{name: web, domain: \"*\", hosts: [{{address: {host}}}]{keys}}}"
    )
}

fn ip(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

/// A zone in which `web.test` has these addresses of loopback, for `ttl` seconds.
fn zone(ttl: u32, last: &[u8]) -> impl Fn(&str, RecordType) -> Says + Send + 'static {
    let ips: Vec<IpAddr> = last.iter().copied().map(ip).collect();
    move |name, kind| match name {
        "web.test." if ips.is_empty() => Says::NoSuchName,
        "web.test." => dns::addresses(name, ttl, &ips, kind),
        _ => Says::NoSuchName,
    }
}

/// Listeners on one port of several addresses of loopback.
fn listeners<const N: usize>(last: [u8; N]) -> (u16, [TcpListener; N]) {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let all: Vec<_> =
            last.iter().map_while(|&last| TcpListener::bind((ip(last), port)).ok()).collect();
        if let Ok(all) = all.try_into() {
            return (port, all);
        }
    }
}

/// Clients that ask without a pause until dropped; every answer has to be 200.
struct Callers {
    is_over: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    clients: Vec<std::thread::JoinHandle<()>>,
}

impl Callers {
    fn start(address: SocketAddr) -> Self {
        let (is_over, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = || {
            let (is_over, answers) = (Arc::clone(&is_over), Arc::clone(&answers));
            std::thread::spawn(move || {
                let mut stream = connect(address);
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while !is_over.load(SeqCst) {
                    stream.write_all(GET.as_bytes()).unwrap();
                    let answer = read_response(&mut reader, false).expect("an answer");
                    assert_eq!(answer.status, 200, "{}", answer.head);
                    answers.fetch_add(1, SeqCst);
                }
            })
        };
        let clients = (0..4).map(|_| client()).collect();
        Self { is_over, answers, clients }
    }

    /// Waits until so many more were answered.
    fn await_more(&self, count: usize) {
        let want = self.answers.load(SeqCst) + count;
        wait_for("answers", || (self.answers.load(SeqCst) >= want).then_some(()));
    }

    fn end(self) -> usize {
        self.is_over.store(true, SeqCst);
        for client in self.clients {
            client.join().expect("every answer is 200");
        }
        self.answers.load(SeqCst)
    }
}

/// Waits until the admin listener shows these endpoints and no others.
fn await_endpoints(proxy: &Proxy, want: &[String]) {
    wait_for("the endpoints of the answer", || {
        let live = crate::admin::live(proxy);
        let shown: Vec<&str> = live["endpoints"]
            .as_array()?
            .iter()
            .filter_map(|one| one["endpoint"].as_str())
            .collect();
        (shown == want).then_some(())
    });
}

#[test]
fn endpoints_come_and_leave_under_load_without_a_failed_request() {
    let (port, sockets) = listeners([2, 3, 4]);
    let [two, three, four] = sockets.map(|socket| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        Upstream::on(socket, move |_, _| answer.to_vec())
    });
    let label = |last: u8| format!("127.0.0.{last}:{port}");
    let dns = Dns::start(zone(1, &[2, 3]));
    let host = format!("web.test, port: {port}, discover: dns");
    let rest = format!("  heartbeat: {{every: 200ms}}\n{}", resolver(&dns));
    let proxy = Proxy::start(&service(&host, ""), &rest);
    await_endpoints(&proxy, &[label(2), label(3)]);
    let load = Callers::start(proxy.address);
    wait_for("both", || (!two.seen().is_empty() && !three.seen().is_empty()).then_some(()));

    dns.set(zone(1, &[2, 3, 4]));
    wait_for("traffic for the new one", || (!four.seen().is_empty()).then_some(()));
    let page = || String::from_utf8(proxy.admin("GET", "/metrics").body).unwrap();
    wait_for("its heartbeat", || {
        let line = format!("lbproxy_monitor_up{{monitor=\"test/endpoint/web/{}\"}} 1", label(4));
        page().contains(&line).then_some(())
    });

    dns.set(zone(1, &[4, 3]));
    await_endpoints(&proxy, &[label(3), label(4)]);
    load.await_more(50); // what was under way has ended
    let seen = two.seen().len();
    load.await_more(500);
    assert_eq!(two.seen().len(), seen, "nothing new for the one that left");
    assert!(!page().contains(&label(2)), "no figure of the one that left");
    // All of them at once.
    dns.set(zone(1, &[2]));
    await_endpoints(&proxy, &[label(2)]);
    load.await_more(500);
    assert!(two.seen().len() > seen, "it is back");
    assert!(load.end() > 1_000);
    let figures = proxy.figures();
    assert_eq!(figures["lbproxy_discovery_endpoints"], 1);
    assert_eq!(figures["lbproxy_discovery_changes_total"], 4);
    assert_eq!(figures["lbproxy_no_endpoint_total"], 0);
    let log = proxy.log();
    assert!(log.contains(&format!("\"left\":\"{}\"", label(2))), "{log}");
    assert!(log.contains(&format!("\"came\":\"{}\"", label(4))), "{log}");
    for document in proxy.documents() {
        if let Some(reason) = document["lbproxy.termination.reason"].as_str() {
            assert_eq!(reason, "complete", "{document:#}");
        }
    }
}

/// Goal: an exchange that is under way at an endpoint that leaves ends as it would have, and then its
/// connection closes, as idle ones do at once. Method: an endpoint that says when its connections end.
#[test]
fn what_is_under_way_at_an_endpoint_that_leaves_ends_undisturbed() {
    let (port, [leaves, stays]) = listeners([2, 3]);
    let _stays =
        Upstream::on(stays, |_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nstay".to_vec());
    let may_end = Arc::new(AtomicBool::new(false));
    let (closed, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (flag, ends, starts) = (Arc::clone(&may_end), Arc::clone(&closed), Arc::clone(&seen));
    std::thread::spawn(move || {
        for mut stream in leaves.incoming().map_while(Result::ok) {
            let (flag, ends, starts) = (Arc::clone(&flag), Arc::clone(&ends), Arc::clone(&starts));
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while let Some(head) = read_head(&mut reader) {
                    starts.fetch_add(1, SeqCst);
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
                    while head.contains("/slow") && !flag.load(SeqCst) {
                        std::thread::park_timeout(Duration::from_millis(5));
                    }
                    let _ = stream.write_all(b"half");
                }
                ends.fetch_add(1, SeqCst);
            });
        }
    });
    let dns = Dns::start(zone(1, &[2]));
    let host = format!("web.test, port: {port}, discover: dns");
    let proxy = Proxy::start(&service(&host, ""), &resolver(&dns));
    await_endpoints(&proxy, &[format!("127.0.0.2:{port}")]);
    let mut slow = connect(proxy.address);
    slow.write_all(GET.replace("/ ", "/slow ").as_bytes()).unwrap();
    wait_for("the slow one", || (seen.load(SeqCst) == 1).then_some(()));
    assert_eq!(proxy.send(GET).body, b"halfhalf");
    assert_eq!(closed.load(SeqCst), 0, "it waits in the pool");
    dns.set(zone(1, &[3]));
    await_endpoints(&proxy, &[format!("127.0.0.3:{port}")]);
    wait_for("the end of the idle connection", || (closed.load(SeqCst) == 1).then_some(()));
    assert_eq!(proxy.send(GET).body, b"stay");
    may_end.store(true, SeqCst);
    let mut answer = BufReader::new(&slow);
    assert_eq!(read_response(&mut answer, false).unwrap().body, b"halfhalf");
    wait_for("the end of its connection", || (closed.load(SeqCst) == 2).then_some(()));
}

#[test]
fn a_name_that_is_not_there_at_the_start_stops_nothing_and_is_found_when_it_comes() {
    let upstream = Upstream::ok();
    let dns = Dns::start(zone(1, &[]));
    let host = format!("web.test, port: {}, discover: dns", upstream.address.port());
    let proxy = Proxy::start(&service(&host, ""), &resolver(&dns));
    let ready = || {
        let answer = proxy.admin("GET", "/readyz");
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    let none = (503, "no service has an endpoint: web\n".to_owned());
    wait_for("the first answer", || (ready() == none).then_some(()));
    assert_eq!(proxy.send(GET).status, 503);
    let document = proxy.documents().remove(0);
    assert_eq!(document["lbproxy.termination.reason"], "no_endpoint", "{document:#}");
    assert_eq!(proxy.log().matches("a name has no address").count(), 1, "{}", proxy.log());
    dns.set(zone(1, &[1]));
    wait_for("the first endpoint", || (ready() == (200, "ready\n".to_owned())).then_some(()));
    assert_eq!(proxy.send(GET).status, 200);

    // Beside a service that has endpoints, a service without is no reason to send nobody.
    dns.set(zone(1, &[]));
    let both = format!(
        "{}\n    - {{name: other, domain: \"*\", hosts: [{{address: {host}}}]}}",
        one_service(&[upstream.address], "").replace("\"*\"", "b.test")
    );
    let proxy = Proxy::start(&both, &resolver(&dns));
    let want = "ready; without an endpoint: other\n";
    wait_for("the first answer", || {
        let answer = proxy.admin("GET", "/readyz");
        (answer.status == 200 && answer.body == want.as_bytes()).then_some(())
    });
}

#[test]
fn traffic_goes_on_when_the_server_dies_or_says_nonsense() {
    let upstream = Upstream::ok();
    let host = format!("web.test, port: {}, discover: dns", upstream.address.port());
    for (name, zone_after) in [
        ("silent", (|_, _| Says::Silent) as fn(&str, RecordType) -> Says),
        ("fails", |_, _| Says::Fails),
        ("garbage", |_, _| Says::Garbage(vec![0xc0; 600])),
        ("an answer to another question", |_, kind| dns::addresses("else.test", 1, &[ip(9)], kind)),
        ("no such name, for a moment", |_, _| Says::NoSuchName),
    ] {
        let dns = Dns::start(zone(1, &[1]));
        let proxy = Proxy::start(&service(&host, ""), &resolver(&dns));
        proxy.await_figure("lbproxy_discovery_endpoints", |count| count == 1);
        dns.set(zone_after);
        let misses = || {
            let figures = proxy.figures();
            figures["lbproxy_discovery_failures_total"] + figures["lbproxy_discovery_empty_total"]
        };
        wait_for(name, || {
            assert_eq!(proxy.send(GET).status, 200, "{name}");
            (misses() >= 2).then_some(())
        });
        let figures = proxy.figures();
        assert_eq!(figures["lbproxy_discovery_endpoints"], 1, "{name}");
        assert_eq!(figures["lbproxy_discovery_stale"], 1, "{name}");
        let told = proxy.log().matches("the endpoints that it had stay").count();
        assert_eq!(told, 1, "{name}: {}", proxy.log());
        dns.set(zone(1, &[1]));
        proxy.await_figure("lbproxy_discovery_stale", |stale| stale == 0);
    }
}

#[test]
fn ports_and_weights_come_from_srv_records() {
    let upstreams = [Upstream::ok(), Upstream::ok()];
    let ports = upstreams.each_ref().map(|upstream| upstream.address.port());
    let dns = Dns::start(move |name, kind| match name {
        "_http._tcp.web.test." => {
            let hosts =
                [(10, 3, ports[0], "a.test"), (10, 1, ports[1], "b.test"), (20, 9, 1, "a.test")];
            Says::Records(hosts.map(|host| dns::srv(name, 1, host)).into(), Vec::new())
        }
        "a.test." | "b.test." => dns::addresses(name, 1, &[ip(1)], kind),
        _ => Says::NoSuchName,
    });
    let host = "_http._tcp.web.test, discover: srv";
    let proxy = Proxy::start(&service(host, ""), &resolver(&dns));
    proxy.await_figure("lbproxy_discovery_endpoints", |count| count == 2);
    // One connection, so that one worker has all the turns.
    let mut stream = connect(proxy.address);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    for _ in 0..40 {
        stream.write_all(GET.as_bytes()).unwrap();
        assert_eq!(read_response(&mut reader, false).unwrap().status, 200);
    }
    assert_eq!(upstreams.map(|upstream| upstream.seen().len()), [30, 10]);
}

#[test]
fn a_time_to_live_of_nothing_is_a_second() {
    let upstream = Upstream::ok();
    let dns = Dns::start(zone(0, &[1]));
    let host = format!("web.test, port: {}, discover: dns", upstream.address.port());
    let begin = Instant::now();
    let proxy = Proxy::start(&service(&host, ""), &resolver(&dns));
    wait_for("three questions", || (dns.asked().len() >= 3).then_some(()));
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", dns.asked());
    assert_eq!(proxy.send(GET).status, 200);
    assert_eq!(proxy.figures()["lbproxy_discovery_changes_total"], 1, "the same is no change");
}

/// More addresses than a service may have, by TCP since UDP is too small; all of them on one listener.
#[test]
fn a_thousand_addresses_are_used_and_no_more() {
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let upstream =
        Upstream::on(socket, |_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
    let all: Vec<IpAddr> =
        (1..=1_200_u32).map(|n| IpAddr::from((0x7f01_0000 + n).to_be_bytes())).collect();
    let turned = AtomicUsize::new(0);
    let dns = Dns::start(move |name, kind| {
        // As name servers do: another order each time.
        let mut all = all.clone();
        all.rotate_left(turned.fetch_add(7, SeqCst) % 1_200);
        dns::addresses(name, 1, &all, kind)
    });
    let host = format!("web.test, port: {port}, discover: dns");
    let proxy = Proxy::start(&service(&host, ", balance: least_request"), &resolver(&dns));
    proxy.await_figure("lbproxy_discovery_endpoints", |count| count == 1_000);
    for _ in 0..50 {
        assert_eq!(proxy.send(GET).status, 200);
    }
    let asked = dns.asked().len();
    wait_for("the same in another order", || (dns.asked().len() > asked + 1).then_some(()));
    let figures = proxy.figures();
    assert_eq!(figures["lbproxy_discovery_refused_total"], 200, "once, for one change");
    assert_eq!(figures["lbproxy_discovery_changes_total"], 1);
    assert_eq!(upstream.seen().len(), 50);
    let resident = proxy.resident_bytes_max();
    assert!(resident < 200 << 20, "{resident} bytes");
    let mut answer = String::new();
    let mut stream = connect(proxy.admin);
    write!(stream, "GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut some = [0; 4096];
    while !answer.contains("127.1.0.1:") {
        let bytes = stream.read(&mut some).unwrap();
        assert!(bytes > 0, "{answer}");
        answer += &String::from_utf8_lossy(&some[..bytes]);
    }
}
