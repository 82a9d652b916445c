//! Goal: every reason in the closed list is produced by something that happens, and means what the
//! list says. Method: one named row per way to end, each on a program of its own over raw sockets;
//! the record that it leaves is compared with the row. What cannot be produced from outside stands
//! in [`ELSEWHERE`] with why. Every document of every row keeps the arithmetic of its timers.

use std::collections::HashSet;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};

use lbproxy::record::{Blame, Reason};
use serde_json::Value;

use crate::support::*;

/// Reasons that no row shows, and why.
const ELSEWHERE: [(Reason, &str); 6] = [
    (Reason::NoLocalPort, "needs a network of its own: see the tests of `proxy::shortage`"),
    (Reason::NoMemory, "the same"),
    (Reason::ConnectDenied, "the same"),
    (Reason::NoEndpoint, "of a service whose endpoints are found by name: see `discovery`"),
    (Reason::Internal, "stands for a fault of the proxy itself; one that is known is mended"),
    (Reason::JournalFull, "its own record finds no space either: see the test of the answer below"),
];

struct Row {
    name: &'static str,
    endpoint: fn() -> String,
    /// Further keys of the listener and of the service.
    keys: (&'static str, &'static str),
    client: fn(&Proxy),
    reason: Reason,
    state: &'static str,
    status: Option<u16>,
    blame: Blame,
}

impl Row {
    /// Runs it; gives every document it left.
    fn run(&self) -> Vec<Value> {
        let (listener, service) = self.keys;
        let proxy = format!(
            "  listen: {{address: 127.0.0.1, port: 0{listener}}}\n  services:\n    \
             - {{name: web, domain: a, hosts: [\"{}\"]{service}}}",
            (self.endpoint)()
        );
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let proxy = Proxy::start_with(dir, &proxy, "", "200ms", "");
        (self.client)(&proxy);
        if self.reason == Reason::DrainTimeout {
            let dir = Arc::clone(&proxy.dir);
            assert!(proxy.terminate().contains("(holds)"), "{}", self.name);
            return documents(dir.path());
        }
        wait_for(self.name, || {
            let all = proxy.documents();
            all.iter().any(|document| self.is_of(document)).then_some(all)
        })
    }

    fn is_of(&self, document: &Value) -> bool {
        document["lbproxy.termination.reason"] == self.reason.as_str()
    }

    /// Compares the record with the row.
    fn check(&self, documents: &[Value]) {
        let name = self.name;
        let document = documents.iter().find(|document| self.is_of(document)).unwrap();
        assert_eq!(document["lbproxy.termination.state"], self.state, "{name}: {document:#}");
        let status = document.get("http.response.status_code").and_then(Value::as_u64);
        assert_eq!(status, self.status.map(u64::from), "{name}: {document:#}");
        assert_eq!(self.reason.blame(), self.blame, "{name}");
        for document in documents {
            timers_add_up(name, document);
        }
    }
}

/// `head + queue + dns + connect + tls + first_byte + response ≤ duration`; no connect time on a
/// connection that was reused; no time of an upstream that was never asked.
pub(crate) fn timers_add_up(name: &str, document: &Value) {
    let micros = |path: &str| document.get(path).and_then(Value::as_u64);
    let parts = [
        "lbproxy.time.head_us",
        "lbproxy.time.queue_us",
        "lbproxy.upstream.dns_us",
        "lbproxy.upstream.connect_us",
        "lbproxy.upstream.tls_us",
        "lbproxy.upstream.first_byte_us",
        "lbproxy.time.response_us",
    ];
    let sum: u64 = parts.iter().filter_map(|path| micros(path)).sum();
    let whole = micros("event.duration").unwrap() / 1_000;
    assert!(sum <= whole, "{name}: parts {sum} us, whole {whole} us in {document:#}");
    if document["lbproxy.upstream.reused"] == true {
        assert_eq!(micros("lbproxy.upstream.connect_us"), None, "{name}: {document:#}");
    }
    let has_response = micros("lbproxy.upstream.first_byte_us").is_some();
    assert_eq!(micros("lbproxy.time.self_us").is_some(), has_response, "{name}: {document:#}");
    assert!(document["lbproxy.attempts"] != 0 || !has_response, "{name}: {document:#}");
}

// -- endpoints

/// Answers each request with `bytes`; nothing closes the connection.
fn answers(bytes: &'static [u8]) -> String {
    Upstream::start(move |_, _| bytes.to_vec()).address.to_string()
}

fn ok() -> String {
    Upstream::ok().address.to_string()
}

/// Takes the request and says nothing more for as long as anybody would wait.
fn mute() -> String {
    Upstream::start(|_, _| {
        std::thread::park_timeout(PATIENCE);
        Vec::new()
    })
    .address
    .to_string()
}

/// Sends head and part of a body, then closes.
fn breaks_off() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        }
    });
    address.to_string()
}

/// Sends head and part of a body before it has the request whole, and goes on reading.
fn answers_at_once() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    address.to_string()
}

/// Listens, but its queue is full: nobody gets an answer to a SYN.
pub(crate) fn black_hole() -> String {
    use socket2::{Domain, Socket, Type};
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let first = TcpStream::connect(address).unwrap();
    // Neither is ever used or closed: the queue stays full while the tests run.
    std::mem::forget((first, listener));
    address.to_string()
}

/// Sends what it gets back to the proxy, as a loop in the configuration would.
static LOOP_TO: OnceLock<Mutex<Option<SocketAddr>>> = OnceLock::new();

fn sends_back() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let to = wait_for("the proxy's address", || {
                *LOOP_TO.get_or_init(Mutex::default).lock().unwrap()
            });
            let back = connect(to);
            let (mut a, mut b) = (stream.try_clone().unwrap(), back.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut a, &mut b));
            let (mut a, mut b) = (back, stream);
            std::thread::spawn(move || std::io::copy(&mut a, &mut b));
        }
    });
    address.to_string()
}

// -- clients

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends a request and reads the answer, if one comes.
fn send(proxy: &Proxy, request: &str) -> Option<Response> {
    let mut stream = connect(proxy.address);
    stream.write_all(request.as_bytes()).unwrap();
    read_response(&mut BufReader::new(stream), false)
}

fn get(proxy: &Proxy) {
    send(proxy, GET);
}

/// Sends part of something, and waits until the proxy ends the connection.
fn send_and_wait(proxy: &Proxy, bytes: &str) {
    let mut stream = connect(proxy.address);
    stream.write_all(bytes.as_bytes()).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Sends a request and leaves once it has arrived upstream.
fn leave(proxy: &Proxy) {
    let mut stream = connect(proxy.address);
    stream.write_all(GET.as_bytes()).unwrap();
    wait_for("the request at the endpoint", || {
        let page = String::from_utf8(proxy.admin("GET", "/metrics").body).unwrap();
        let mut lines =
            page.lines().filter(|l| l.starts_with("lbproxy_pool_connections_opened_total{"));
        lines.any(|line| line.ends_with(" 1")).then_some(())
    });
}

/// A request that takes the only permit, for as long as the stream lives.
fn holds_a_permit(proxy: &Proxy) -> TcpStream {
    let mut stream = connect(proxy.address);
    stream.write_all(GET.as_bytes()).unwrap();
    proxy.await_figure("lbproxy_queue_places_taken", |taken| taken == 1);
    stream
}

#[test]
fn every_reason_is_produced_and_means_what_the_list_says() {
    use Blame::{Downstream, Endpoint, Nobody, Proxy as Us};
    const BIG: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cert = |file: &str| format!("{}/tests/fixtures/tls/{file}", env!("CARGO_MANIFEST_DIR"));
    let tls = format!(", tls: {{cert_file: {}, key_file: {}}}", cert("cert.pem"), cert("key.pem"));
    let tls: &'static str = tls.leak();
    let row = |name, endpoint, keys, client, reason, state, status, blame| Row {
        name,
        endpoint,
        keys,
        client,
        reason,
        state,
        status,
        blame,
    };
    let rows: Vec<Row> = vec![
        row("served", ok, ("", ""), get, Reason::Complete, "--", Some(200), Nobody),
        row(
            "OPTIONS that goes no further",
            ok,
            ("", ""),
            |p| _ = send(p, "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"),
            Reason::AnsweredLocally,
            "LR",
            Some(200),
            Nobody,
        ),
        row(
            "a host nobody serves",
            ok,
            ("", ""),
            |p| _ = send(p, "GET / HTTP/1.1\r\nHost: b\r\n\r\n"),
            Reason::NoRoute,
            "PR",
            Some(404),
            Downstream,
        ),
        row(
            "the only endpoint is dead, and stays in rotation",
            || nobody().to_string(),
            ("", ", outlier: {failures: 1, eject: 1h, eject_max: 1h}"),
            |p| (get(p), get(p)).1,
            Reason::ConnectRefused,
            "SC",
            Some(502),
            Endpoint,
        ),
        row(
            "two hosts",
            ok,
            ("", ""),
            |p| _ = send(p, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
            Reason::BadRequest,
            "PR",
            Some(400),
            Downstream,
        ),
        row(
            "bytes that are no request",
            ok,
            ("", ""),
            |p| send_and_wait(p, "NONSENSE\r\n\r\n"),
            Reason::BadRequest,
            "PR",
            Some(400),
            Downstream,
        ),
        row(
            "TRACE",
            ok,
            ("", ""),
            |p| _ = send(p, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
            Reason::MethodNotAllowed,
            "PR",
            Some(405),
            Downstream,
        ),
        row(
            "a long target",
            ok,
            (", limits: {uri_bytes: 64B}", ""),
            |p| _ = send(p, &format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(64))),
            Reason::UriTooLong,
            "PR",
            Some(414),
            Downstream,
        ),
        row(
            "a target longer than any head",
            ok,
            ("", ""),
            |p| _ = send(p, &format!("GET /{}", "a".repeat(40_000))),
            Reason::UriTooLong,
            "PR",
            Some(414),
            Downstream,
        ),
        row(
            "a long head",
            ok,
            ("", ""),
            |p| _ = send(p, &format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(40_000))),
            Reason::HeadTooLarge,
            "PR",
            Some(431),
            Downstream,
        ),
        row(
            "a body too large by its length",
            ok,
            ("", ", limits: {body_bytes: 4B}"),
            |p| _ = send(p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde"),
            Reason::BodyTooLarge,
            "PR",
            Some(413),
            Downstream,
        ),
        row(
            "a body too large by count",
            ok,
            ("", ", limits: {body_bytes: 4B}"),
            |p| {
                let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
                send(p, &format!("{head}5\r\nabcde\r\n0\r\n\r\n"));
            },
            Reason::BodyTooLarge,
            "PH",
            Some(413),
            Downstream,
        ),
        row(
            "an unknown expectation",
            ok,
            ("", ""),
            |p| _ = send(p, "GET / HTTP/1.1\r\nHost: a\r\nExpect: zork\r\n\r\n"),
            Reason::ExpectationFailed,
            "PR",
            Some(417),
            Downstream,
        ),
        row(
            "a loop in the configuration",
            sends_back,
            ("", ""),
            |p| {
                *LOOP_TO.get_or_init(Mutex::default).lock().unwrap() = Some(p.address);
                get(p);
            },
            Reason::LoopDetected,
            "PR",
            Some(508),
            Us,
        ),
        row(
            "the client leaves while it waits",
            mute,
            ("", ""),
            leave,
            Reason::DownstreamClosed,
            "CH",
            None,
            Downstream,
        ),
        row(
            "half a head",
            ok,
            (", timeouts: {head: 1s}", ""),
            |p| {
                let answer = send(p, "GET / HTTP/1.1\r\nAccept: application/json\r\n").unwrap();
                let body: Value = serde_json::from_slice(&answer.body).unwrap();
                assert_eq!((answer.status, &body["reason"]), (408, &"head_timeout".into()));
            },
            Reason::HeadTimeout,
            "cR",
            Some(408),
            Downstream,
        ),
        row(
            "half a body",
            ok,
            (", timeouts: {idle: 200ms}", ""),
            |p| _ = send(p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"),
            Reason::BodyTimeout,
            "cH",
            Some(408),
            Downstream,
        ),
        row(
            "a client that does not read",
            || {
                let chunk = [b"10000\r\n", [b'x'; 0x10000].as_slice(), b"\r\n"].concat();
                Upstream::start(move |_, _| [BIG, &chunk.repeat(300)].concat()).address.to_string()
            },
            (", timeouts: {idle: 200ms}", ""),
            |p| {
                let mut stream = connect(p.address);
                stream.write_all(GET.as_bytes()).unwrap();
                wait_for("the record", || (!p.documents().is_empty()).then_some(()));
            },
            Reason::ResponseTimeout,
            "cD",
            Some(200),
            Downstream,
        ),
        row(
            "a body that is none",
            ok,
            ("", ""),
            |p| {
                let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
                send(p, &format!("{head}nonsense\r\n"));
            },
            Reason::BadBody,
            "PH",
            Some(400),
            Downstream,
        ),
        row(
            "a body that turns out to be none while the response is under way",
            answers_at_once,
            ("", ""),
            |p| {
                let stream = connect(p.address);
                let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
                write!(&stream, "{head}1\r\nx\r\n").unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut line = [0; 12];
                reader.read_exact(&mut line).unwrap();
                assert_eq!(&line, b"HTTP/1.1 200");
                write!(&stream, "nonsense\r\n").unwrap();
                let _ = reader.read_to_end(&mut Vec::new());
            },
            Reason::BadBody,
            "PD",
            Some(200),
            Downstream,
        ),
        row(
            "a name that does not exist",
            || "no-such-host.invalid:80".to_owned(),
            ("", ", timeouts: {connect: 20s}"),
            get,
            Reason::DnsFailed,
            "SC",
            Some(502),
            Endpoint,
        ),
        row(
            "nobody listens",
            || nobody().to_string(),
            ("", ""),
            get,
            Reason::ConnectRefused,
            "SC",
            Some(502),
            Endpoint,
        ),
        row(
            "nobody answers the call",
            black_hole,
            ("", ", timeouts: {connect: 200ms}"),
            get,
            Reason::ConnectTimeout,
            "sC",
            Some(504),
            Endpoint,
        ),
        row(
            "an address without a way to it",
            || "255.255.255.255:80".to_owned(),
            ("", ""),
            get,
            Reason::ConnectFailed,
            "SC",
            Some(502),
            Endpoint,
        ),
        row(
            "no first byte",
            mute,
            ("", ", timeouts: {first_byte: 200ms}"),
            get,
            Reason::FirstByteTimeout,
            "sH",
            Some(504),
            Endpoint,
        ),
        row(
            "the response stalls",
            || answers(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
            ("", ", timeouts: {idle: 200ms}"),
            get,
            Reason::UpstreamIdleTimeout,
            "sD",
            Some(200),
            Endpoint,
        ),
        row(
            "the endpoint closes instead of answering",
            || answers(b""),
            ("", ""),
            get,
            Reason::UpstreamClosed,
            "SH",
            Some(502),
            Endpoint,
        ),
        row(
            "the response breaks off",
            breaks_off,
            ("", ""),
            get,
            Reason::UpstreamReset,
            "SD",
            Some(200),
            Endpoint,
        ),
        row(
            "the response is nonsense",
            || answers(b"nonsense\r\n\r\n"),
            ("", ""),
            get,
            Reason::UpstreamBadResponse,
            "SH",
            Some(502),
            Endpoint,
        ),
        row(
            "a protocol that nobody asked for",
            || {
                answers(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
            },
            ("", ""),
            get,
            Reason::UpstreamBadResponse,
            "SH",
            Some(502),
            Endpoint,
        ),
        row(
            "one connection too many",
            ok,
            (", limits: {connections: 1}", ""),
            |p| {
                let mut first = connect(p.address);
                first.write_all(GET.as_bytes()).unwrap();
                read_response(&mut BufReader::new(first.try_clone().unwrap()), false).unwrap();
                let _ = connect(p.address).read(&mut [0]);
            },
            Reason::ConnectionLimit,
            "RR",
            None,
            Us,
        ),
        row(
            "no descriptor left to call the endpoint with",
            ok,
            ("", ""),
            |p| {
                let mut stream = connect(p.address);
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                stream
                    .write_all(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n")
                    .unwrap();
                read_response(&mut reader, false).unwrap(); // it is accepted
                p.limit_descriptors(Some(0));
                stream.write_all(GET.as_bytes()).unwrap();
                assert_eq!(read_response(&mut reader, false).unwrap().status, 503);
            },
            Reason::NoDescriptor,
            "RC",
            Some(503),
            Us,
        ),
        row(
            "one request too many, and no line",
            mute,
            ("", ", limits: {in_flight: 1, queue: 0}"),
            |p| {
                let _first = holds_a_permit(p);
                get(p);
            },
            Reason::QueueFull,
            "RQ",
            Some(503),
            Us,
        ),
        row(
            "one request too many, and a line that does not move",
            mute,
            ("", ", limits: {in_flight: 1, queue_timeout: 100ms}"),
            |p| {
                let _first = holds_a_permit(p);
                get(p);
            },
            Reason::QueueTimeout,
            "RQ",
            Some(503),
            Us,
        ),
        row(
            "cut at the end of the drain",
            mute,
            ("", ""),
            |p| {
                let mut stream = connect(p.address);
                stream.write_all(GET.as_bytes()).unwrap();
                wait_for("the exchange", || {
                    let page = String::from_utf8(p.admin("GET", "/metrics").body).unwrap();
                    let mut lines = page.lines();
                    lines
                        .any(|l| l.starts_with("lbproxy_requests_in_flight{") && l.ends_with(" 1"))
                        .then_some(())
                });
                std::mem::forget(stream); // open until the program has cut it
            },
            Reason::DrainTimeout,
            "KH",
            None,
            Us,
        ),
        row(
            "no TLS on a TLS port",
            ok,
            (tls, ""),
            |p| send_and_wait(p, GET),
            Reason::TlsFailed,
            "CR",
            None,
            Downstream,
        ),
        row(
            "a connection without a request",
            ok,
            ("", ""),
            |p| drop(connect(p.address)),
            Reason::ClosedWithoutRequest,
            "CR",
            None,
            Downstream,
        ),
        row(
            "a request that breaks off in its head",
            ok,
            ("", ""),
            |p| drop(connect(p.address).write_all(b"GET / HT")),
            Reason::ClosedWithoutRequest,
            "CR",
            None,
            Downstream,
        ),
        row(
            "a connection on which nothing comes",
            ok,
            (", timeouts: {head: 1s}", ""),
            |p| {
                let mut answer = Vec::new();
                let _ = connect(p.address).read_to_end(&mut answer);
                assert!(answer.is_empty(), "closed quietly");
            },
            Reason::IdleTimeout,
            "cR",
            None,
            Downstream,
        ),
    ];
    let named: HashSet<_> = rows.iter().map(|row| row.reason).collect();
    for &reason in Reason::ALL {
        let why = ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == reason);
        assert_ne!(named.contains(&reason), why.is_some(), "{reason:?} {why:?}");
    }
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(row) =
                    rows.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    row.check(&row.run());
                }
            });
        }
    });
}

/// A journal that may not lose records refuses what it could not record, and counts what it lost
/// while it found out.
#[test]
fn a_full_journal_that_must_not_lose_records_answers_503() {
    let upstream = Upstream::ok();
    let url = format!("http://{}", nobody());
    let proxy = Proxy::start_with(
        Arc::new(tempfile::tempdir().unwrap()),
        &one_service(&[upstream.address], ""),
        &ship_to(&url, "a", ""), // holds all of it
        "1s",
        ", size: 12MiB, when_full: reject",
    );
    let text = "a".repeat(2_000);
    let request = format!(
        "GET /{text}?{text} HTTP/1.1\r\nHost: a\r\nUser-Agent: {text}\r\nReferer: {text}\r\n\
         Accept: application/json\r\n\r\n"
    );
    let mut stream = connect(proxy.address);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut served = 0;
    let refused = wait_for("a full journal", || {
        stream.write_all(request.as_bytes()).unwrap();
        let answer = read_response(&mut reader, false).unwrap();
        served += usize::from(answer.status == 200);
        (answer.status != 200).then_some(answer)
    });
    let body: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!((refused.status, &body["reason"]), (503, &"journal_full".into()));
    assert_eq!(upstream.seen().len(), served, "nothing refused went up");
    assert_eq!(proxy.documents().len(), served - 1, "the one that found out is lost, and counted");
    drop((stream, reader));
    let last =
        format!("created {} = journaled {} + dropped_full 2 (holds)", served + 1, served - 1);
    let log = proxy.terminate();
    assert!(log.contains(&last), "{last} is not in {log}");
}
