//! Goal: the live page's API tells the truth, to those who may ask, within bounds. Method: the real
//! program, traffic of which everything is known, and requests as pages, programs and attackers send
//! them.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::Value;

use crate::support::*;

/// Keys below `telemetry` that switch rollups on.
const ROLLUPS: &str = "  rollup: {every: 1m}\n";

/// Keys of a service whose failing endpoint stays away.
const EJECTED: &str = ", outlier: {failures: 3, eject: 10m, eject_max: 10m}";

/// An upstream that answers with the status in the path.
pub(crate) fn by_path() -> Upstream {
    Upstream::start(|head, _| {
        let path = head.split(' ').nth(1).unwrap_or("/");
        let status = path.trim_start_matches('/').split('/').next().unwrap_or("");
        let status = if status.len() == 3 { status } else { "200" };
        format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nhi").into_bytes()
    })
}

/// One request to the admin listener with these header lines.
fn ask(address: SocketAddr, method: &str, path: &str, fields: &[(&str, &str)]) -> Response {
    let mut stream = connect(address);
    let has_host = fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = [("Host", "localhost")].into_iter().filter(|_| !has_host);
    let lines: Vec<_> = host
        .chain(fields.iter().copied())
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let head =
        format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{}\r\n", lines.join("\r\n"));
    write!(stream, "{head}\r\n").unwrap();
    read_response(&mut BufReader::new(stream), false).unwrap()
}

pub(crate) fn json(proxy: &Proxy, path: &str) -> Value {
    let response = ask(proxy.admin, "GET", path, &[]);
    let text = String::from_utf8(response.body).unwrap();
    assert_eq!(response.status, 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// What the page is told now.
pub(crate) fn live(proxy: &Proxy) -> Value {
    Events::open(proxy.admin, "/api/v1/live").ok().unwrap().next("live").1
}

struct Events(BufReader<TcpStream>);

impl Events {
    /// Opens one; the status when it is refused.
    fn open(address: SocketAddr, path: &str) -> Result<Self, u16> {
        let mut stream = connect(address);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        if status != 200 {
            return Err(status);
        }
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        Ok(Self(reader))
    }

    /// The next event of this name.
    fn next(&mut self, wanted: &str) -> (u64, Value) {
        let (mut name, mut id, mut line) = (String::new(), 0, String::new());
        let until = Instant::now() + PATIENCE;
        loop {
            // Comments keep the stream alive, not the test.
            assert!(Instant::now() < until, "waited in vain for {wanted}");
            line.clear();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream ended");
            if let Some(text) = line.strip_prefix("event: ") {
                text.trim_end().clone_into(&mut name);
            } else if let Some(text) = line.strip_prefix("id: ") {
                id = text.trim_end().parse().unwrap();
            } else if let Some(text) = line.strip_prefix("data: ")
                && name == wanted
            {
                return (id, serde_json::from_str(text).unwrap());
            }
        }
    }
}

/// Goal: rates of the first minute are those of the traffic. Method: a window of an hour, almost all of
/// it before the process began; what was seen of it cannot be more than the time since its start, nor
/// can a rate be less than the known traffic over that time.
#[test]
fn rates_of_the_first_minute_are_over_the_time_since_the_start() {
    let upstream = by_path();
    let begun = std::time::Instant::now();
    let rollups = "  rollup: {every: 1h}\n";
    let proxy = Proxy::start(&one_service(&[upstream.address], EJECTED), rollups);
    for _ in 0..40 {
        assert_eq!(proxy.send("GET /200 HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    }
    for (page, sum) in [("overview", "/totals/requests"), ("services", "/requests")] {
        for range in ["5m", "1h"] {
            let answer = wait_for("every request to be counted", || {
                let answer = json(&proxy, &format!("/api/v1/{page}?range={range}"));
                (answer.pointer(sum)? == 40).then_some(answer)
            });
            let seen_s = answer["seen_s"].as_f64().unwrap();
            let most_s = begun.elapsed().as_secs_f64().max(1.0);
            assert!((1.0..=most_s).contains(&seen_s), "{page} of {range}: {seen_s} of {most_s} s");
        }
    }
    // A point of a long chart is a whole window: the same traffic over the same time.
    let long = json(&proxy, "/api/v1/overview?range=1h");
    let points = long["series"]["classes"][2].as_array().unwrap();
    let rate: f64 = points.iter().map(|rate| rate.as_f64().unwrap()).sum();
    let least = 40.0 / begun.elapsed().as_secs_f64().max(1.0);
    assert!(rate >= least - 0.001, "{rate} requests per second, at least {least}");
}

#[test]
fn figures_of_the_api_are_those_of_the_traffic() {
    let upstream = by_path();
    let proxy = Proxy::start(&one_service(&[upstream.address, nobody()], EJECTED), ROLLUPS);
    for (status, count) in [(200, 30), (302, 3), (404, 5), (503, 2)] {
        for _ in 0..count {
            let request = format!("GET /{status} HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(proxy.send(request).status, status);
        }
    }
    let overview = wait_for("every request to be counted", || {
        let overview = json(&proxy, "/api/v1/overview?range=5m");
        (overview["totals"]["requests"] == 40).then_some(overview)
    });
    let totals = &overview["totals"];
    for (name, is, want) in [
        ("success", &totals["success"], serde_json::json!(38)),
        ("failure", &totals["failure"], serde_json::json!(2)),
        ("classes", &totals["classes"], serde_json::json!([0, 0, 30, 3, 5, 2])),
        ("durations", &totals["duration"]["count"], serde_json::json!(40)),
        ("service", &overview["services"][0]["service"], serde_json::json!("web")),
        ("range", &overview["range_s"], serde_json::json!(300)),
    ] {
        assert_eq!(*is, want, "{name}");
    }
    let (p50, p99) = (&totals["duration"]["p50_us"], &totals["duration"]["p99_us"]);
    assert!(p50.as_u64().unwrap() > 0 && p99.as_u64() >= p50.as_u64(), "{totals}");
    let columns = overview["series"].as_object().unwrap();
    let points = columns["time_ms"].as_array().unwrap().len();
    assert!(columns["p99_us"].as_array().unwrap().len() == points, "{columns:?}");
    // The same from longer spans and from the table of services.
    for range in ["15m", "1h", "6h"] {
        let longer = json(&proxy, &format!("/api/v1/overview?range={range}"));
        assert_eq!(longer["totals"]["requests"], 40, "{range}");
    }
    let services = json(&proxy, "/api/v1/services?range=5m");
    let rows = services["rows"].as_array().unwrap();
    let of = |endpoint: &Value| rows.iter().find(|row| row["endpoint"] == *endpoint).unwrap();
    assert_eq!(of(&Value::Null)["requests"], 40);
    assert_eq!(of(&upstream.address.to_string().into())["requests"], 40, "retried from the other");
    let live = Events::open(proxy.admin, "/api/v1/live").ok().unwrap().next("live").1;
    let states: Vec<_> =
        live["endpoints"].as_array().unwrap().iter().map(|e| &e["state"]).collect();
    assert_eq!(states, ["up", "ejected"]);
    for (name, told) in [
        ("overview", &overview["before"]),
        ("its services", &overview["services"][0]["before"]),
        ("services", &services["before"]),
    ] {
        assert!(told.is_null(), "{name}: nothing is known of before the start: {told}");
    }
    assert_eq!(live["trust"]["dropped"], 0);
    assert_eq!(live["trust"]["shipping"]["state"], "off");
    let about = json(&proxy, "/api/v1/about");
    assert_eq!(about["listeners"][0]["address"], proxy.address.to_string());
    assert_eq!((&about["has_rollup"], &about["has_shipping"]), (&true.into(), &false.into()));
    assert!(about["discover"].is_null(), "no dashboards are configured: {about}");
    let fields = json(&proxy, "/api/v1/fields");
    let mut fields = fields["fields"].as_array().unwrap().iter();
    let field = fields.find(|field| field["short"] == "status").unwrap();
    assert_eq!(field["path"], "http.response.status_code");
    let process = json(&proxy, "/api/v1/process");
    assert!(process["metrics"]["lbproxy_requests_total"]["samples"].is_array(), "{process}");
    let durations = &process["metrics"]["lbproxy_request_duration_seconds"];
    let samples = durations["samples"].as_array().unwrap();
    let count = "lbproxy_request_duration_seconds_count{service=\"web\"} 40";
    assert!(durations["kind"] == "histogram" && samples.contains(&count.into()), "{durations}");
}

#[test]
fn a_mistake_is_told_with_its_place_and_its_cure() {
    let proxy = Proxy::start(&one_service(&[nobody()], ""), "");
    for (path, status, wants) in [
        ("/api/v1/overview?range=7m", 400, &["no range", "5m, 15m, 1h or 6h"][..]),
        (
            "/api/v1/overview",
            404,
            &["rollups are off", "telemetry.rollup.every", "\"is_off\":true"],
        ),
        (
            "/api/v1/requests?filter=status%20=%205xx%20and%20durration%3E1s",
            400,
            &["durration", "did you mean `duration`?", "\"start\":17", "\"end\":26"],
        ),
        ("/api/v1/requests?last=many", 400, &["no number"]),
        ("/api/v1", 404, &["there is: /api/v1/", "overview"]),
        ("/api/v1/", 404, &["there is: /api/v1/", "overview"]),
        ("/api/v1/nothing", 404, &["there is: /api/v1/", "overview"]),
        ("/nothing.js", 404, &["there is: /", "/metrics"]),
        ("/../../etc/passwd", 404, &["there is: /", "/metrics"]),
    ] {
        let response = ask(proxy.admin, "GET", path, &[]);
        let text = String::from_utf8(response.body).unwrap();
        assert_eq!(response.status, status, "{path}: {text}");
        for want in wants {
            assert!(text.contains(want), "{path}: {want} is not in {text}");
        }
    }
}

#[test]
fn pages_of_other_sites_are_refused_and_tools_are_not() {
    let proxy = Proxy::start(&one_service(&[nobody()], ""), "");
    let own = format!("http://{}", proxy.admin);
    let own_host = proxy.admin.to_string();
    for (name, method, path, fields, status) in [
        ("a tool", "GET", "/metrics", &[][..], 200),
        ("our page", "GET", "/api/v1/about", &[("Host", &*own_host), ("Origin", &*own)], 200),
        ("a name that was pointed here", "GET", "/api/v1/about", &[("Host", "evil.example")], 403),
        ("the same for metrics", "GET", "/metrics", &[("Host", "evil.example:9901")], 403),
        ("the same for the page", "GET", "/", &[("Host", "evil.example")], 403),
        ("a probe by name", "GET", "/readyz", &[("Host", "lb.internal")], 200),
        ("their page", "POST", "/api/v1/drain", &[("Origin", "https://evil.example")], 403),
        ("a sandboxed frame", "POST", "/api/v1/drain", &[("Origin", "null")], 403),
        ("their form", "POST", "/api/v1/drain", &[("Sec-Fetch-Site", "cross-site")], 403),
        (
            "a link to us",
            "GET",
            "/",
            &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")],
            200,
        ),
    ] {
        let response = ask(proxy.admin, method, path, fields);
        assert_eq!(response.status, status, "{name}: {}", response.head);
        let allowed = field(&response.head, "access-control-allow-origin");
        assert_eq!(allowed, None, "{name}");
    }
    assert_eq!(ask(proxy.admin, "GET", "/readyz", &[]).status, 200, "nobody drained it");
}

#[test]
fn with_a_token_figures_ask_for_it_and_the_page_does_not() {
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let file = dir.path().join("token");
    std::fs::write(&file, "sesame\n").unwrap();
    let rest = format!(
        "{ROLLUPS}admin: {{listen: \"127.0.0.1:0\", token_file: \"{}\"}}\n",
        file.display()
    );
    let proxy = Proxy::start_in(dir, &one_service(&[nobody()], ""), &rest);
    for (name, path, given, status) in [
        ("the page", "/", None, 200),
        ("its files", "/app.js", None, 200),
        ("health", "/healthz", None, 200),
        ("no token", "/api/v1/about", None, 401),
        ("no token", "/api/v1/live", None, 401),
        ("no token", "/metrics", None, 401),
        ("a wrong one", "/api/v1/overview", Some("Bearer sesam"), 401),
        ("the right one", "/api/v1/overview", Some("Bearer sesame"), 200),
    ] {
        let fields: Vec<_> = given.map(|token| ("Authorization", token)).into_iter().collect();
        assert_eq!(ask(proxy.admin, "GET", path, &fields).status, status, "{name}: {path}");
    }
    let named = [("Host", "lb.internal"), ("Authorization", "Bearer sesame")];
    assert_eq!(ask(proxy.admin, "GET", "/metrics", &named).status, 200, "by name, with the token");
}

#[test]
fn files_of_the_page_are_compressed_kept_and_bound_by_a_policy() {
    let proxy = Proxy::start(&one_service(&[nobody()], ""), "");
    for path in ["/", "/app.js", "/style.css", "/vendor/uPlot.iife.min.js"] {
        let packed = ask(proxy.admin, "GET", path, &[("Accept-Encoding", "gzip")]);
        let plain = ask(proxy.admin, "GET", path, &[]);
        assert_eq!((packed.status, plain.status), (200, 200), "{path}");
        assert_eq!(field(&packed.head, "content-encoding"), Some("gzip"), "{path}");
        let mut unpacked = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(packed.body.as_slice());
        std::io::Read::read_to_end(&mut decoder, &mut unpacked).unwrap();
        assert_eq!(unpacked, plain.body, "{path}");
        let policy = field(&plain.head, "content-security-policy").unwrap();
        for want in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(want), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(field(&plain.head, "x-content-type-options"), Some("nosniff"), "{path}");
        let tag = field(&plain.head, "etag").unwrap();
        let again = ask(proxy.admin, "GET", path, &[("If-None-Match", tag)]);
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
    }
}

#[test]
fn a_tail_shows_what_is_asked_for_and_says_what_it_left_out() {
    let upstream = by_path();
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
    let get = |path: &str| proxy.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).status;
    for path in ["/200/old", "/404/old", "/503/old"] {
        get(path);
    }
    let paths = |rows: &Value| -> Vec<String> {
        let rows = rows["rows"].as_array().unwrap().iter();
        rows.map(|row| row["url.path"].as_str().unwrap().to_owned()).collect()
    };
    let filter = "filter=status%20%3E=%20404&last=10";
    let mut tail = Events::open(proxy.admin, &format!("/api/v1/requests?{filter}")).ok().unwrap();
    let (first, told) = tail.next("rows");
    assert_eq!(told["found"], 2, "how many there are");
    let mut before = paths(&told);
    before.sort(); // two lanes may end within one millisecond
    assert_eq!(before, ["/404/old", "/503/old"], "what was there");
    get("/200/new");
    get("/502/new");
    let (second, new) = tail.next("rows");
    assert_eq!(paths(&new), ["/502/new"], "what came");
    assert!(new["found"].is_null(), "only the search counts: {new}");
    let newest = format!("/api/v1/requests?{filter}&last=1");
    let (_, newest) = Events::open(proxy.admin, &newest).ok().unwrap().next("rows");
    assert_eq!((&newest["found"], paths(&newest).len()), (&3.into(), 1), "also those not shown");
    assert!(second > first, "numbers of events rise");
    // More than eyes can follow: shown and left out are all of them.
    let mut all =
        Events::open(proxy.admin, "/api/v1/requests?filter=path%20=%20/200/many").ok().unwrap();
    let (mut shown, mut skipped) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let stream = connect(proxy.address);
            let mut writer = stream.try_clone().unwrap();
            let mut reader = BufReader::new(stream);
            for _ in 0..500 {
                writer.write_all(b"GET /200/many HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
                read_response(&mut reader, false).unwrap();
            }
        });
        while shown + skipped < 500 {
            let (_, rows) = all.next("rows");
            shown += rows["rows"].as_array().unwrap().len();
            skipped += usize::try_from(rows["skipped"].as_u64().unwrap()).unwrap();
        }
    });
    assert_eq!(shown + skipped, 500);
    assert!(skipped > 0, "{shown} shown");
    proxy.await_figure("lbproxy_admin_tail_skipped_total", |count| count >= 1);
}

#[test]
fn tails_are_bounded_and_their_seats_come_back() {
    let proxy = Proxy::start(&one_service(&[nobody()], ""), "");
    let open = || Events::open(proxy.admin, "/api/v1/requests?last=0");
    let mut taken: Vec<_> = (0..8).map(|_| open().ok().unwrap()).collect();
    assert_eq!(open().err(), Some(429));
    proxy.await_figure("lbproxy_admin_streams_refused_total", |count| count == 1);
    taken.pop();
    taken.push(wait_for("a seat to come back", || open().ok()));
    drop(taken);
    proxy.await_figure("lbproxy_admin_tails", |count| count == 0);
}

#[test]
fn the_live_stream_tells_every_second_with_rising_numbers_and_ends_with_its_reader() {
    let proxy = Proxy::start(&one_service(&[nobody()], ""), "");
    let mut live = Events::open(proxy.admin, "/api/v1/live").ok().unwrap();
    let numbers: Vec<u64> = (0..3).map(|_| live.next("live").0).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    proxy.await_figure("lbproxy_admin_streams", |count| count == 1);
    drop(live);
    proxy.await_figure("lbproxy_admin_streams", |count| count == 0);
}

/// Status and body of the answer to these bytes; nothing when there is none.
fn raw(address: SocketAddr, bytes: &[u8]) -> Option<(u16, String)> {
    let mut stream = connect(address);
    stream.write_all(bytes).unwrap();
    let answer = read_response(&mut BufReader::new(stream), false)?;
    Some((answer.status, String::from_utf8(answer.body).unwrap()))
}

#[test]
fn a_request_that_is_not_whole_is_refused_on_every_path() {
    let proxy = Proxy::start(&one_service(&[nobody()], ""), "");
    for (name, fields, want) in [
        ("localhost", &b"Host: localhost\r\n"[..], None),
        ("IPv6", b"Host: [::1]:9901\r\n", None),
        ("no Host", b"", Some("there is none")),
        ("two", b"Host: localhost\r\nHost: evil.example\r\n", Some("there are two")),
        ("the same twice", b"Host: localhost\r\nHost: localhost\r\n", Some("there are two")),
        ("a name behind an address", b"Host: [::1]evil.example\r\n", Some("behind the address")),
        ("bytes over 127", b"Host: localhost\xc3\xa9\r\n", Some("characters that no host has")),
        ("empty", b"Host:\r\n", Some("names no host")),
        ("a user", b"Host: evil@localhost\r\n", Some("characters that no host has")),
        ("no port", b"Host: localhost:x\r\n", Some("no number from 1 to 65535")),
    ] {
        for path in ["/", "/healthz", "/readyz", "/metrics", "/api/v1/about", "/none"] {
            let head = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
            let bytes = [head.as_bytes(), fields, b"\r\n"].concat();
            let (status, body) = raw(proxy.admin, &bytes).unwrap();
            let Some(want) = want else {
                assert_ne!(status, 400, "{name}: {path}: {body}");
                continue;
            };
            assert_eq!(status, 400, "{name}: {path}: {body}");
            assert!(body.contains(want), "{name}: {path}: {body}");
        }
    }
    for (name, bytes, want) in [
        ("HTTP/1.0 without a Host", "GET /healthz HTTP/1.0\r\n\r\n".to_owned(), 200),
        (
            "a long body",
            "POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
                .to_owned(),
            413,
        ),
        (
            "a long head",
            format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(200_000)),
            431,
        ),
        (
            "a form of another site",
            "POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n\
             Sec-Fetch-Mode: navigate\r\nContent-Length: 0\r\n\r\n"
                .to_owned(),
            403,
        ),
    ] {
        let status = raw(proxy.admin, bytes.as_bytes()).map(|(status, _)| status);
        assert_eq!(status, Some(want), "{name}");
    }
    assert_eq!(proxy.admin("GET", "/readyz").status, 200, "it does not drain");
}

/// Goal: whatever holds connections open, probes and pages are answered and memory stays. Method: four
/// times as many half heads as there are places, beside ten open pages.
#[test]
fn half_heads_hold_neither_probes_nor_pages_up() {
    let proxy = Proxy::start(&one_service(&[nobody()], ""), "");
    let open = || Events::open(proxy.admin, "/api/v1/live").ok().unwrap();
    let mut pages: Vec<_> = (0..10).map(|_| open()).collect();
    let first: Vec<_> = pages.iter_mut().map(|page| page.next("live").0).collect();
    let mut half = Vec::new();
    for count in 0..1_024 {
        let mut stream = connect(proxy.admin);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
        half.push(stream);
        if count % 128 == 0 {
            assert_eq!(proxy.admin("GET", "/healthz").status, 200, "beside {count}");
        }
    }
    proxy.await_figure("lbproxy_admin_connections_refused_total", |count| count >= 700);
    let open = proxy.figures()["lbproxy_admin_connections"];
    assert!((11..=256).contains(&open), "{open} open");
    for (page, first) in pages.iter_mut().zip(first) {
        // It goes on: numbers rise with the seconds.
        while page.next("live").0 <= first {}
    }
    // What is left gives up its place by itself.
    proxy.await_figure("lbproxy_admin_connections", |count| count <= 11);
    drop(half);
}
