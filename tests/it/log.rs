//! Goal: `lbproxy log` tells the truth about a journal, whoever writes it, and harms no terminal.
//! Method: the real program on known traffic through the real proxy, and on journals written here
//! with known numbers; its exits, its output, its words.

use std::io::{BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lbproxy::journal::{Appended, Journal, Lane, Options};
use lbproxy::record::{
    AccessRecord, Bytes, Constants, EcsNanos, Flag, IdForm, Outcome, ProcessRecord, Reason, Status,
    Stream, Text, TimestampMs,
};
use serde_json::Value;

use crate::support::*;

/// The program with these arguments, not started.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbproxy"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs `lbproxy log` on the journal below `dir`.
fn log(dir: &Path, args: &[&str]) -> Output {
    let journal = dir.join("journal");
    command(&["log"]).args(args).arg("--journal").arg(journal).output().unwrap()
}

/// Its standard output, when it ended well.
fn text(output: Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn documents_in(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A running `lbproxy log tail`, killed when dropped.
struct Tail {
    child: Child,
    lines: Receiver<String>,
    stderr: Receiver<String>,
}

impl Tail {
    /// Starts it on the journal below `dir`.
    fn start(dir: &Path, args: &[&str]) -> Self {
        let mut child = command(&["log", "tail", "--journal"])
            .arg(dir.join("journal"))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines(child.stdout.take().unwrap());
        let stderr = lines_of(BufReader::new(child.stderr.take().unwrap()));
        Self { child, lines, stderr }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("no further line")
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end by itself; gives its exit code.
    fn end(&mut self) -> Option<i32> {
        wait_for("the end of tail", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: ChildStdout) -> Receiver<String> {
    lines_of(BufReader::new(from))
}

fn lines_of(from: impl std::io::BufRead + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in from.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A journal of 16 segments that this process writes: itself, the lane of a worker, the control
/// lane.
pub(crate) fn journal(dir: &Path, segment_bytes: u32) -> (Journal, Lane, Lane) {
    let constants = Constants {
        node_name: "n\x1b[31m".to_owned(),
        version: "1".to_owned(),
        config_hash: "h".to_owned(),
        ids: IdForm::default(),
    };
    let options = Options {
        dir: dir.join("journal"),
        bytes_max: 16 * u64::from(segment_bytes),
        segment_bytes,
        sync_every: Duration::from_secs(1),
        workers: 1,
        preamble: constants.encode(),
        teller: None,
        metrics: Arc::default(),
    };
    let (journal, mut lanes) = Journal::open(options).unwrap();
    let control = lanes.pop().unwrap();
    (journal, lanes.pop().unwrap(), control)
}

/// Bytes of a segment that holds all records of one test.
pub(crate) const ROOMY: u32 = 1 << 20;

/// Appends a record; waits for space where the lane has none for a moment.
pub(crate) fn append(lane: &mut Lane, record: &AccessRecord<'_>) {
    wait_for("space in the journal", || {
        let appended = lane.append(Stream::Access as u8, |into| record.encode(into));
        (appended != Appended::Dropped).then_some(())
    });
}

pub(crate) fn served(path: &str, time_ms: u64, duration_us: u64) -> AccessRecord<'_> {
    AccessRecord {
        timestamp: Some(TimestampMs(time_ms)),
        duration: Some(EcsNanos(duration_us)),
        method: Some(Text(b"GET")),
        path: Some(Text(path.as_bytes())),
        status: Some(Status(200)),
        service: Some(Text(b"web")),
        reason: Some(Reason::Complete),
        outcome: Some(Outcome::Success),
        request_bytes: Some(Bytes(100)),
        response_bytes: Some(Bytes(1_000)),
        reused: Some(Flag(true)),
        ..AccessRecord::default()
    }
}

/// An upstream that answers `/fail…` with 503.
fn upstream() -> Upstream {
    Upstream::start(|head, _| {
        let status = if head.contains(" /fail") { "503 No" } else { "200 OK" };
        format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nhi").into_bytes()
    })
}

/// Sends one request for a path; the next one will end at a later millisecond.
fn get(proxy: &Proxy, path: &str) {
    let now_ms = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    proxy.send(format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: t/1\r\n\r\n"));
    let ended_ms = now_ms();
    while now_ms() == ended_ms {
        std::thread::yield_now();
    }
}

#[test]
fn known_traffic_is_found_while_the_proxy_runs_and_after_it_has_stopped() {
    let upstream = upstream();
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
    for n in 0..7 {
        get(&proxy, &format!("/ok/{n}?q={n}"));
    }
    for n in 0..3 {
        get(&proxy, &format!("/fail/{n}"));
    }
    let dir = Arc::clone(&proxy.dir);
    let ask = |name: &str| {
        for (filter, want) in [
            (&["status = 5xx"][..], 3),
            (&["status=200"], 7),
            (&["path = /ok/*", "and", "query = q=3"], 1),
            (&["host=shop.example method=GET"], 10),
            (&["(path ~ OK or path ~ fail) and not status = 503"], 7),
            (&["endpoint = *", "agent = t/*"], 10),
            (&["duration > 0 and bytes > 10B"], 10),
            (&["client = 127.0.0.0/8", "stream = access"], 10),
            (&["service = other"], 0),
            (&["--since", "1h"], 10),
            (&["--until", "1h"], 0),
            (&["--since", "2020-01-01T00:00:00Z", "--until", "2020-01-02"], 0),
            (&["--limit", "4"], 4),
            (&["--limit", "0"], 10),
        ] {
            let found = text(log(dir.path(), &[&["query", "--json"], filter].concat()));
            assert_eq!(documents_in(&found).len(), want, "{name}: {filter:?}\n{found}");
        }
        let newest = text(log(dir.path(), &["query", "--json", "--limit", "3"]));
        let paths: Vec<_> = documents_in(&newest).iter().map(|d| d["url.path"].clone()).collect();
        assert_eq!(paths, ["/fail/0", "/fail/1", "/fail/2"], "{name}: in order of time");
        // A document is what is shipped, whole.
        let all = documents_in(&text(log(dir.path(), &["query", "--json"])));
        for document in documents(dir.path()) {
            assert!(all.contains(&document), "{name}: {document}");
        }
    };
    ask("running");
    let fields = ["query", "path ~ /2", "--fields", "status,path,lbproxy.service"];
    let csv = text(log(dir.path(), &[&fields[..], &["--csv"]].concat()));
    assert_eq!(csv, "status,path,lbproxy.service\n200,/ok/2,web\n503,/fail/2,web\n");
    let table = text(log(dir.path(), &fields));
    assert_eq!(
        table,
        "status  path     lbproxy.service\n200     /ok/2    web\n503     /fail/2  web\n"
    );
    let json = text(log(dir.path(), &[&fields[..], &["--json"]].concat()));
    assert_eq!(
        json.lines().next(),
        Some(r#"{"http.response.status_code":200,"url.path":"/ok/2","lbproxy.service":"web"}"#)
    );
    // The configuration names the journal as well as --journal does.
    let config = dir.path().join("proxy.yaml");
    let output =
        command(&["log", "query", "status = 503", "--json", "--config"]).arg(config).output();
    assert_eq!(documents_in(&text(output.unwrap())).len(), 3);
    proxy.terminate();
    ask("stopped");
}

/// Goal: what an error page of ours says leads to its record, and to no other. Method: refusals on one
/// connection and on others, as text and as JSON; each line of a page as a filter.
#[test]
fn an_error_page_names_its_record_as_filters_do() {
    let proxy = Proxy::start(&one_service(&[nobody()], ""), "");
    let request =
        |accept: &str| format!("GET /{accept} HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n");
    let mut stream = connect(proxy.address);
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut pages = Vec::new();
    for accept in ["text/plain", "application/json"] {
        stream.write_all(request(accept).as_bytes()).unwrap();
        pages.push((accept, read_response(&mut answers, false).unwrap().body));
    }
    pages.push(("other", proxy.send(request("other")).body));
    for (name, page) in pages {
        let page = String::from_utf8(page).unwrap();
        let names = ["reason", "connection", "request"];
        let filter: Vec<_> = if let Ok(page) = serde_json::from_str::<Value>(&page) {
            names.map(|name| format!("{name} = {}", page[name])).into()
        } else {
            let pairs = page.lines().filter_map(|line| line.split_once(": "));
            pairs.map(|(name, value)| format!("{name} = {value}")).collect()
        };
        assert_eq!(filter.len(), 3, "{name}: {page}");
        let found = wait_for("the record", || {
            let asked = ["query", "--json", &filter.join(" and ")];
            let found = documents_in(&text(log(proxy.dir.path(), &asked)));
            (!found.is_empty()).then_some(found)
        });
        let paths: Vec<_> = found.iter().map(|found| found["url.path"].as_str()).collect();
        let path = format!("/{name}");
        assert_eq!(paths, [Some(path.as_str())], "{name}: {filter:?}");
    }
}

/// Goal: nobody has to look for requests among samples. Method: one record of each kind of pace; which
/// kinds each form shows, with and without a filter.
#[test]
fn tables_without_a_filter_leave_out_routine_and_name_the_kind() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut lane, mut control) = journal(dir.path(), ROOMY);
    append(&mut lane, &served("/", 1, 1));
    let sample = ProcessRecord { timestamp: Some(TimestampMs(2)), ..ProcessRecord::default() };
    let appended = control.append(Stream::Process as u8, |into| sample.encode(into));
    assert_ne!(appended, Appended::Dropped);
    for (name, args, want) in [
        ("a table", &["query"][..], &["access"][..]),
        ("CSV", &["query", "--csv"], &["access"]),
        ("documents", &["query", "--json", "--fields", "stream"], &["access", "process"]),
        ("all", &["query", "stream = *"], &["access", "process"]),
        ("one kind", &["query", "stream = process"], &["process"]),
        ("export", &["export", "--csv", "--fields", "stream"], &["access", "process"]),
    ] {
        let shown = text(log(dir.path(), args));
        let has: Vec<_> =
            ["access", "process"].into_iter().filter(|kind| shown.contains(kind)).collect();
        assert_eq!(has, want, "{name}:\n{shown}");
    }
    drop((lane, control));
    journal.close();
}

#[test]
fn stats_are_the_figures_of_known_records() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut lane, control) = journal(dir.path(), ROOMY);
    // 1 to 100 ms; a failure that took a second; a client that left.
    for n in 1..=100 {
        append(&mut lane, &served("/a", 1_000_000 + n * 100, n * 1_000));
    }
    let failed = AccessRecord {
        status: Some(Status(502)),
        outcome: Some(Outcome::Failure),
        reason: Some(Reason::ConnectRefused),
        service: Some(Text(b"other")),
        reused: Some(Flag(false)),
        ..served("/b", 1_010_000, 1_000_000)
    };
    append(&mut lane, &failed);
    let left = AccessRecord {
        status: None,
        outcome: Some(Outcome::Unknown),
        reason: Some(Reason::DownstreamClosed),
        reused: None,
        ..served("/c", 1_000_000, 5_000)
    };
    append(&mut lane, &left);

    let stats: Value =
        serde_json::from_str(&text(log(dir.path(), &["stats", "--json", "--by", "service"])))
            .unwrap();
    for (path, want) in [
        ("/requests", serde_json::json!(102)),
        ("/success", 100.into()),
        ("/failure", 1.into()),
        ("/unknown", 1.into()),
        ("/status/2xx", 100.into()),
        ("/status/5xx", 1.into()),
        ("/status/none", 1.into()),
        ("/span_ms", 10_000.into()),
        ("/rate", 10.2.into()),
        ("/first_ms", 1_000_000.into()),
        ("/last_ms", 1_010_000.into()),
        ("/duration_us/max", 1_000_000.into()),
        ("/request_bytes", 10_200.into()),
        ("/response_bytes", 102_000.into()),
        ("/by", "lbproxy.service".into()),
        ("/groups/0/value", "web".into()),
        ("/groups/0/requests", 101.into()),
        ("/groups/1/value", "other".into()),
        ("/groups/1/requests", 1.into()),
        ("/groups/1/success_share", 0.0.into()),
        ("/groups/1/duration_us/p50", 1_000_000.into()),
        ("/trust/records", 102.into()),
        ("/trust/missed", 0.into()),
        ("/trust/holes", 0.into()),
        ("/trust/lanes/0/first_seq", 1.into()),
        ("/trust/lanes/0/last_seq", 102.into()),
    ] {
        assert_eq!(stats.pointer(path), Some(&want), "{path} in {stats:#}");
    }
    // 102 durations: 1 to 100 ms, 5 ms once more, 1 s; three digits are kept.
    for (name, want) in [("p50", 50_000), ("p95", 96_000), ("p99", 100_000)] {
        let have = stats["duration_us"][name].as_u64().unwrap();
        assert!(have.abs_diff(want) <= want / 500, "{name}: {have}");
    }
    let share = stats["success_share"].as_f64().unwrap();
    assert!((share - 100.0 / 101.0).abs() < 1e-9, "{share}");

    let page = text(log(dir.path(), &["stats", "--by", "path", "--top", "1", "duration < 1s"]));
    for want in [
        "requests   101 in ",
        "success    100.0 % (100 served, 0 failed, 1 unknown)",
        "status     none 1, 2xx 100",
        "max 100 ms",
        "\n/a           100  ",
        "\n_other         1  ",
        "trust      102 records read, 0 overwritten",
        "no numbers are missing",
    ] {
        assert!(page.contains(want), "{want:?} is not in\n{page}");
    }
    let none = text(log(dir.path(), &["stats", "status = 404"]));
    assert!(none.starts_with("requests   0: "), "{none}");
    drop((lane, control));
    journal.close();
}

#[test]
fn tail_shows_the_last_records_then_each_new_one_until_ctrl_c() {
    let upstream = upstream();
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
    for n in 0..5 {
        get(&proxy, &format!("/before/{n}"));
    }
    let mut tail = Tail::start(proxy.dir.path(), &["-n", "2"]);
    for want in ["/before/3", "/before/4"] {
        let line = tail.line();
        assert!(line.contains(&format!(" 200 GET shop.example{want} ")), "{line}");
        assert!(line.contains(&format!(" web→{} ", upstream.address)), "{line}");
        assert!(!line.contains('\x1b') && !line.contains("complete"), "{line:?}");
    }
    let mut failures = Tail::start(proxy.dir.path(), &["status = 5xx", "--json"]);
    get(&proxy, "/after");
    get(&proxy, "/fail");
    // Of two lanes that are read while both grow, the later record may be seen first.
    let lines = [tail.line(), tail.line()];
    for want in ["/after", "/fail"] {
        assert!(lines.iter().any(|line| line.contains(want)), "{want} is not in {lines:?}");
    }
    let document: Value = serde_json::from_str(&failures.line()).unwrap();
    assert_eq!(document["url.path"], "/fail");
    for tail in [&mut tail, &mut failures] {
        tail.signal(rustix::process::Signal::INT);
        assert_eq!(tail.end(), Some(0));
    }
    let last = text(log(proxy.dir.path(), &["tail", "--no-follow", "-n", "1"]));
    assert_eq!(last.lines().count(), 1, "{last}");
    assert!(last.contains(" 503 GET shop.example/fail "), "{last}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let dir = tempfile::tempdir().unwrap();
    let (_journal, mut lane, _control) = journal(dir.path(), ROOMY);
    for n in 0..2_000 {
        append(&mut lane, &served("/", n, 1));
    }
    for (name, args) in [
        ("idle tail", &["tail", "-n", "3"][..]),
        ("tail", &["tail", "-n", "2000"]),
        ("query", &["query", "--json", "--limit", "0"]),
        ("table", &["query"]),
    ] {
        let mut child = command(&["log"])
            .args(args)
            .arg("--journal")
            .arg(dir.path().join("journal"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0]).unwrap();
        drop(stdout);
        let status = wait_for(name, || child.try_wait().unwrap());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""), "{name}");
    }
}

/// Goal: nothing is lost without a word. Method: tail is stopped while the journal comes round;
/// what it printed and what it says was overwritten make the whole.
#[test]
fn what_was_overwritten_before_it_could_be_read_is_counted() {
    const RECORDS: u64 = 2_000;
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut lane, control) = journal(dir.path(), 8_192);
    append(&mut lane, &served("/first", 1, 1));
    let tail = Tail::start(dir.path(), &["--json"]);
    tail.line();
    tail.signal(rustix::process::Signal::STOP);
    for n in 2..=RECORDS {
        append(&mut lane, &served("/", n, 1));
    }
    tail.signal(rustix::process::Signal::CONT);
    let mut seen = 1;
    while documents_in(&tail.line())[0]["@timestamp"] != "1970-01-01T00:00:02.000Z" {
        seen += 1;
    }
    let word = tail.stderr.recv_timeout(PATIENCE).unwrap();
    let missed = word.strip_prefix("lbproxy: ").and_then(|rest| rest.split(' ').next());
    let missed: u64 = missed.unwrap().parse().unwrap();
    assert!(word.ends_with("records were overwritten or damaged before they could be read"));
    assert_eq!(seen + 1 + missed, RECORDS, "{word}");
    drop((lane, control));
    journal.close();
}

#[test]
fn hostile_text_does_not_reach_the_terminal() {
    let evil = "/\x1b]0;owned\x07\x1b[2J\r\n\u{202e}\u{9b}31m";
    let dir = tempfile::tempdir().unwrap();
    let (_journal, mut lane, _control) = journal(dir.path(), ROOMY);
    let record = AccessRecord {
        method: Some(Text(b"GET\x1b[0m")),
        query: Some(Text(b"\xff\xfe\x00")),
        user_agent: Some(Text(evil.as_bytes())),
        ..served(evil, 1, 1)
    };
    append(&mut lane, &AccessRecord { domain: Some(Text(evil.as_bytes())), ..record });
    for args in [
        &["tail", "--no-follow"][..],
        &["query"],
        &["query", "--fields", "agent,path,query,method,node"],
        &["query", "--csv", "--fields", "agent,path,query,method,node"],
        &["stats", "--by", "path"],
        &["stats", "--by", "node"],
    ] {
        let shown = text(log(dir.path(), args));
        let is_harmful = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.contains(is_harmful), "{args:?}: {shown:?}");
        assert!(shown.contains("\\x1b"), "{args:?}: {shown}");
    }
    // The exact form keeps what came, in JSON's own escapes.
    for args in [
        &["query", "--json", "path ~ owned"][..],
        &["query", "--json", "--fields", "url.path", "path ~ owned"],
        &["tail", "--json", "--no-follow"],
        &["stats", "--json", "--by", "path"],
    ] {
        let exact = text(log(dir.path(), args));
        let is_harmful = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!exact.contains(is_harmful), "{args:?}: {exact:?}");
        if !args.contains(&"stats") {
            assert_eq!(documents_in(&exact)[0]["url.path"], evil, "{args:?}");
        }
    }
    // A proxy lets such text in where HTTP allows it.
    let upstream = upstream();
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
    proxy.send("GET /a HTTP/1.1\r\nHost: a\r\nUser-Agent: \u{202e}\u{9b}2Jx\r\n\r\n");
    let shown = text(log(proxy.dir.path(), &["query", "--fields", "agent"]));
    assert_eq!(shown, "agent\n\\u{202e}\\u{9b}2Jx\n");
}

#[test]
fn mistakes_are_told_with_their_place_and_a_cure() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal");
    let (_journal, _lane, _control) = self::journal(dir.path(), ROOMY);
    let journal = journal.to_str().unwrap();
    let none = dir.path().join("none");
    let none = none.to_str().unwrap();
    for (name, args, wants) in [
        (
            "unknown field",
            &["query", "--journal", journal, "method = GET and statsu = 5xx"][..],
            &[
                "`statsu` is not a field; did you mean `status`?\n",
                "\n  method = GET and statsu = 5xx\n                   ^^^^^^\n",
            ][..],
        ),
        (
            "no unit",
            &["stats", "--journal", journal, "duration > 200"],
            &["200ms", "\n             ^^^\n"],
        ),
        (
            "unknown column",
            &["query", "--journal", journal, "--fields", "status,pth"],
            &["pth", "did you mean `path`?"],
        ),
        ("no time", &["query", "--journal", journal, "--since", "noon"], &["10m"]),
        ("no journal", &["tail", "--journal", none], &["no journal at", none, "--journal DIR"]),
        (
            "not a journal",
            &["stats", "--journal", dir.path().to_str().unwrap()],
            &["holds no journal"],
        ),
        ("no configuration", &["tail", "--config", none], &["cannot be read"]),
    ] {
        let output = command(&["log"]).args(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {stderr}");
        for want in wants {
            assert!(stderr.contains(want), "{name}: {want:?} is not in\n{stderr}");
        }
    }
    // Without any word about a journal it looks at the usual place.
    let bare = tempfile::tempdir().unwrap();
    let output = command(&["log", "tail"]).current_dir(bare.path()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("no journal at data/journal"), "{stderr}");
}

#[test]
fn shells_and_manuals_know_every_subcommand() {
    // The last two complete no values of options.
    let (words, fields) = (["query", "fields", "completions"], ["first_byte", "url.path"]);
    for (shell, has_fields) in
        [("bash", true), ("zsh", true), ("fish", true), ("elvish", false), ("powershell", false)]
    {
        let script = text(command(&["completions", shell]).output().unwrap());
        for want in words.iter().chain(fields.iter().filter(|_| has_fields)) {
            assert!(script.contains(want), "{shell}: {want}");
        }
    }
    let page = text(command(&["man"]).output().unwrap());
    assert!(page.contains(".TH lbproxy 1") && page.contains("lbproxy\\-log(1)"), "{page}");
    let dir = tempfile::tempdir().unwrap();
    text(command(&["man", "--all"]).arg(dir.path()).output().unwrap());
    for name in ["lbproxy", "lbproxy-run", "lbproxy-log-query", "lbproxy-schema-record"] {
        let page = std::fs::read_to_string(dir.path().join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}");
    }
    let output = command(&["man", "--all", "/dev/null/none"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write the pages"));
}
