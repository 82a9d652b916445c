//! What the integration tests share: the program under test, a raw upstream, and what `base` has.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[path = "support/base.rs"]
mod base;
#[path = "support/collector.rs"]
pub(crate) mod collector;
#[path = "support/dns.rs"]
#[expect(dead_code, reason = "the tests of `names` use the rest")]
pub(crate) mod dns;
#[path = "support/schema.rs"]
pub(crate) mod schema;
#[path = "support/tls.rs"]
pub(crate) mod tls;

pub(crate) use base::*;

/// Longest wait for records to be stored by a real server.
pub(crate) const SHIPPED: Duration = Duration::from_mins(2);

/// Waits until `check` gives a value.
pub(crate) fn wait_for<T>(what: &str, check: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, check)
}

/// The path of a part that `scripts/parts` has installed.
pub(crate) fn part(name: &str) -> String {
    let parts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/parts");
    let output = Command::new(parts).args(["where", name]).output().unwrap();
    assert!(
        output.status.success(),
        "{name} is not installed; run scripts/parts test (some need a Go toolchain to build them)"
    );
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// An instant, in milliseconds since 1970, as RFC 3339 in UTC.
pub(crate) fn rfc_3339(ms: u64) -> String {
    lbproxy::record::timestamp_text(ms)
}

/// Runs an asynchronous client on a runtime of its own.
pub(crate) fn run<T>(client: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        tokio::time::timeout(PATIENCE, client).await.expect("the proxy did not answer")
    })
}

/// A running `lbproxy run`, killed when dropped.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) dir: Arc<tempfile::TempDir>,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Proxy {
    /// Starts it in a new folder. `proxy` are lines below `proxy:` (two spaces deep), `rest` whole
    /// blocks after it.
    pub(crate) fn start(proxy: &str, rest: &str) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), proxy, rest)
    }

    /// Starts it in a folder that may hold a journal.
    pub(crate) fn start_in(dir: Arc<tempfile::TempDir>, proxy: &str, rest: &str) -> Self {
        Self::start_with(dir, proxy, rest, "10s", "")
    }

    /// Starts it with a limit on how long exchanges may go on after SIGTERM, and further keys of
    /// `telemetry.journal`.
    pub(crate) fn start_with(
        dir: Arc<tempfile::TempDir>,
        proxy: &str,
        rest: &str,
        drain: &str,
        journal_keys: &str,
    ) -> Self {
        let file = dir.path().join("proxy.yaml");
        let journal = dir.path().join("journal");
        // Tests count records: those that come by themselves are for the tests that ask for them.
        let quiet = ["heartbeat", "process", "rollup"].map(|key| {
            if rest.contains(&format!("  {key}:")) {
                String::new()
            } else {
                format!("  {key}: {{every: off}}\n")
            }
        });
        let admin = if rest.contains("admin:") { "" } else { "admin: {listen: \"127.0.0.1:0\"}\n" };
        let has_slo = rest.starts_with("slo:") || rest.contains("\nslo:");
        let slo = if has_slo { "" } else { "slo: {files: []}\n" };
        let rest = quiet.concat() + rest;
        let text = format!(
            "proxy:\n  workers: 2\n{proxy}\n{admin}{slo}\
             telemetry:\n  instance: test\n  journal: {{path: \"{}\"{journal_keys}}}\n{rest}",
            journal.display()
        );
        schema::assert_valid("the test's configuration", &text);
        std::fs::write(&file, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
            .args(["--log-format", "json", "run", "--drain-timeout", drain, "--config"])
            .arg(&file)
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (found, addresses) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let copy = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Ok(entry) = serde_json::from_str::<serde_json::Value>(&line) {
                    let fields = &entry["fields"];
                    if let Some(address) = fields["address"].as_str() {
                        let is_admin = fields["message"] != "listening";
                        let _ = found.send((is_admin, address.parse::<SocketAddr>().unwrap()));
                    }
                }
                copy.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let next = |wanted: bool| {
            let (is_admin, address) = addresses
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("the program did not start:\n{}", log.lock().unwrap()));
            assert_eq!(is_admin, wanted);
            address
        };
        let (address, admin) = (next(false), next(true));
        Self { child, dir, address, admin, log }
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(mut self) -> Arc<tempfile::TempDir> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Arc::clone(&self.dir)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Sets the size that its files may grow to; none for no limit.
    pub(crate) fn limit_file_size(&self, bytes: Option<u64>) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, limit).unwrap();
    }

    /// SIGTERM; waits for its end and gives what it logged.
    pub(crate) fn terminate(self) -> String {
        self.signal(rustix::process::Signal::TERM);
        self.ended()
    }

    /// Waits for its end, which has to be in order, and gives what it logged.
    pub(crate) fn ended(mut self) -> String {
        let status = wait_for("the end", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}\n{}", self.log.lock().unwrap());
        // Whoever reads it has a copy until the last line is read.
        wait_for("the last line", || (Arc::strong_count(&self.log) == 1).then_some(()));
        let log = self.log.lock().unwrap().clone();
        assert!(log.contains("created "), "{log}");
        log
    }

    /// One request on a connection of its own.
    pub(crate) fn send(&self, request: impl AsRef<[u8]>) -> Response {
        let mut stream = connect(self.address);
        stream.write_all(request.as_ref()).unwrap();
        let is_head = request.as_ref().starts_with(b"HEAD");
        read_response(&mut BufReader::new(stream), is_head).expect("no response")
    }

    /// A page of the admin listener.
    pub(crate) fn admin(&self, method: &str, path: &str) -> Response {
        let mut stream = connect(self.admin);
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        read_response(&mut BufReader::new(stream), false).unwrap()
    }

    /// Every metric that is a whole number, by name, added up over its labels.
    pub(crate) fn figures(&self) -> HashMap<String, u64> {
        let page = String::from_utf8(self.admin("GET", "/metrics").body).unwrap();
        let mut figures = HashMap::new();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let name = name.split('{').next().unwrap().to_owned();
            if let Ok(value) = value.parse::<u64>() {
                *figures.entry(name).or_default() += value;
            }
        }
        figures
    }

    /// Waits until a metric has a value.
    pub(crate) fn await_figure(&self, name: &str, is_there: impl Fn(u64) -> bool) {
        wait_within(SHIPPED, name, || is_there(self.figures()[name]).then_some(()));
    }

    /// Waits until nothing is under way or pending and both equations hold; gives the figures.
    pub(crate) fn settled(&self) -> HashMap<String, u64> {
        let until = Instant::now() + SHIPPED;
        wait_within(SHIPPED * 2, "the equations", || {
            let figures = self.figures();
            let sum = |names: &[&str]| -> u64 {
                names.iter().map(|name| figures[&format!("lbproxy_{name}")]).sum()
            };
            let ends = ["acknowledged", "duplicate", "failure_store", "dead_letter", "damaged"];
            let ends = ends.map(|end| format!("ship_{end}_total"));
            let is_settled = sum(&["requests_in_flight", "ship_pending"]) == 0
                && sum(&["records_created_total"])
                    == sum(&["journal_appended_total", "journal_dropped_full_total"])
                && sum(&["journal_appended_total", "journal_recovered_total"])
                    == sum(&ends.each_ref().map(String::as_str));
            assert!(is_settled || Instant::now() < until, "not settled: {figures:#?}");
            is_settled.then_some(figures)
        })
    }

    /// Lets it open descriptors below this number only; `None` for as many as before.
    pub(crate) fn limit_descriptors(&self, below: Option<u64>) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let pid = Some(Pid::from_child(&self.child));
        let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
        let current = below.or(maximum);
        prlimit(pid, Resource::Nofile, Rlimit { current, maximum }).unwrap();
    }

    /// Descriptors it holds of files whose path has `part` in it.
    pub(crate) fn open_files(&self, part: &str) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let targets = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        targets.filter(|target| target.to_string_lossy().contains(part)).count()
    }

    /// Most memory it has held at once so far, in bytes.
    pub(crate) fn resident_bytes_max(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// What it has logged so far, a JSON object a line.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Every document in the journal, in order of lanes and numbers.
    pub(crate) fn documents(&self) -> Vec<serde_json::Value> {
        documents(self.dir.path())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("its log:\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every document in the journal below `dir`.
pub(crate) fn documents(dir: &std::path::Path) -> Vec<serde_json::Value> {
    use lbproxy::journal::{From, Reader};
    use lbproxy::record::{Constants, Origin, Stream, write_document};
    let mut reader = Reader::open_directory(&dir.join("journal"), From::Oldest).unwrap();
    let mut documents = Vec::new();
    loop {
        let count = reader
            .read(1 << 20, &mut |entry| {
                let constants = Constants::decode(entry.preamble).unwrap();
                let origin = Origin::of(&entry, &constants);
                let stream = Stream::from_u8(entry.stream).unwrap();
                let mut out = Vec::new();
                write_document(stream, entry.payload, &origin, &mut out).unwrap();
                documents.push(serde_json::from_slice(&out).unwrap());
            })
            .unwrap();
        if count == 0 {
            return documents;
        }
    }
}

/// What the raw upstream answers, given head and body of a request. An empty answer closes.
type Answer = dyn Fn(&str, &[u8]) -> Vec<u8> + Send + Sync;

/// Head and body of a request.
pub(crate) type Request = (String, Vec<u8>);

/// An upstream that shows requests as they came and answers bytes as they are.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Upstream {
    /// Answers every request with `answer`.
    pub(crate) fn start(answer: impl Fn(&str, &[u8]) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    /// The same on a socket that listens already.
    pub(crate) fn on(
        listener: TcpListener,
        answer: impl Fn(&str, &[u8]) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (all, answer): (_, Arc<Answer>) = (Arc::clone(&seen), Arc::new(answer));
        // Ends with the process of the tests; it waits in accept and costs nothing.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, answer) = (Arc::clone(&all), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut writer = stream.try_clone().unwrap();
                    let mut reader = BufReader::new(stream);
                    while let Some(head) = read_head(&mut reader) {
                        let mut body = Vec::new();
                        read_body(&mut reader, &head, &mut body, false);
                        let bytes = answer(&head, &body);
                        seen.lock().unwrap().push((head, body));
                        if bytes.is_empty() || writer.write_all(&bytes).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, seen }
    }

    /// Answers `200` with a short body.
    pub(crate) fn ok() -> Self {
        Self::start(|_, _| {
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Case: Kept\r\n\r\nhi".to_vec()
        })
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

/// Lines below `proxy:` for one service of these endpoints on every host.
pub(crate) fn one_service(endpoints: &[SocketAddr], extra: &str) -> String {
    let hosts: Vec<_> = endpoints.iter().map(|address| format!("\"{address}\"")).collect();
    format!(
        "  listen: {{address: 127.0.0.1, port: 0, trusted_proxies: []}}\n  services:\n    \
         - {{name: web, domain: \"*\", hosts: [{}]{extra}}}",
        hosts.join(", ")
    )
}

/// What the last lines of a run say became of records, by name; both sides are equal.
pub(crate) fn account<const N: usize>(log: &str, names: [&str; N]) -> [u64; N] {
    let line = log.lines().find(|line| line.contains(" + recovered "));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    assert!(line.ends_with("(holds)"), "{line}");
    let words: Vec<_> = line.split_whitespace().collect();
    names.map(|name| {
        words[1 + words.iter().position(|word| *word == name).unwrap()].parse().unwrap()
    })
}

/// An address on loopback that refuses connections, for as long as the tests run.
pub(crate) fn nobody() -> SocketAddr {
    let (address, port) = reserve();
    std::mem::forget(port);
    address
}
