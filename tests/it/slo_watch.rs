//! Goal: of two watchers one notifies; when it is killed while an alert fires, nobody is told of it again, and
//! its end is told by the other. Method: the real program, twice, on a real OpenSearch and Elasticsearch;
//! records of objectives as two instances would ship them, written by the test, so that it need not wait for
//! minutes; a receiver of webhooks.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::server::{RealServer, on_both};
use crate::setup_real::setup;
use crate::support::*;

/// Longest wait: the lease is 9 s, an alert is over after 72 evaluations.
const PATIENT: Duration = Duration::from_mins(4);

const OBJECTIVE: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: watched}
spec:
  description: Requests are answered.
  service: shop
  timeWindow: [{duration: 1d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
x-lbproxy:
  indicator: {availability: {}}
  group_by: [service]
  windows: [{budget: 5%, long: 10m, short: 1m, severity: page}]
";

/// A running `lbproxy slo watch`, killed when dropped.
struct Watcher {
    child: Child,
    admin: SocketAddr,
    log: Arc<Mutex<String>>,
    _dir: tempfile::TempDir,
}

impl Watcher {
    fn start(name: &str, telemetry: &str, hook: SocketAddr) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("slo.yaml"), OBJECTIVE).unwrap();
        let text = format!(
            "proxy:\n{}\nadmin: {{listen: \"127.0.0.1:0\"}}\ntelemetry:\n  instance: {name}\n  \
             heartbeat: {{every: off}}\n  journal: {{path: \"{}\"}}\n{telemetry}\
             slo:\n  files: [slo.yaml]\n  notify:\n    by: watch\n    channels: {{hook: {{type: webhook, \
             url: \"http://{hook}/hook\"}}}}\n",
            one_service(&[nobody()], ""),
            dir.path().join("journal").display(),
        );
        schema::assert_valid("the test's configuration", &text);
        let file = dir.path().join("proxy.yaml");
        std::fs::write(&file, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
            .args(["--log-format", "json", "slo", "watch", "--every", "1s", "--config"])
            .arg(&file)
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (copy, stderr) = (Arc::clone(&log), BufReader::new(child.stderr.take().unwrap()));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                copy.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let admin = wait_for("its admin address", || {
            let log = log.lock().unwrap();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.into_iter().find_map(|line| line["fields"]["address"].as_str()?.parse().ok())
        });
        Self { child, admin, log, _dir: dir }
    }

    fn get(&self, path: &str) -> Response {
        use std::io::Write as _;
        let mut stream = connect(self.admin);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin)
            .unwrap();
        read_response(&mut BufReader::new(stream), false).expect("no answer")
    }

    /// The value of a line of its metrics.
    fn figure(&self, name: &str) -> u64 {
        let page = String::from_utf8(self.get("/metrics").body).unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
    }

    fn holds(&self) -> bool {
        self.figure("lbproxy_watch_holder") == 1
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Ends it at once, as a crash does.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; its exit code.
    fn terminate(mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let status = wait_within(PATIENT, "its end", || self.child.try_wait().unwrap());
        (status.code(), self.log())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a minute's records of two instances.
fn ship(server: &RealServer, namespace: &str, minute: u64, valid: u64, bad: u64) {
    let mut body = String::new();
    for (instance, bad) in [("1", bad), ("2", 0)] {
        let create = json!({ "create": { "_index": format!("metrics-lbproxy.slo-{namespace}") } });
        let document = json!({
            "@timestamp": minute * 60_000,
            "lbproxy.instance": instance,
            "lbproxy.service": "shop",
            "lbproxy.slo.name": "watched",
            "lbproxy.slo.part": 0,
            "lbproxy.slo.valid": valid,
            "lbproxy.slo.good": valid - bad,
            "lbproxy.slo.bad": bad,
        });
        writeln!(body, "{create}\n{document}").unwrap();
    }
    let answer = server.bulk(&body);
    assert_eq!(answer["errors"], false, "{answer}");
}

fn now_minute() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / 60
}

/// What the receiver was told: status and identity.
fn told(hook: &Upstream) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let bodies =
        hook.seen().into_iter().map(|(_, body)| serde_json::from_slice::<Value>(&body).unwrap());
    bodies.map(|body| (text(&body["status"]), text(&body["groupKey"]))).collect()
}

#[test]
fn one_of_two_watchers_pages_and_the_other_tells_of_the_end() {
    on_both(|product| {
        let server = RealServer::shared(product);
        let namespace = "watched";
        setup(&server.telemetry(namespace), &["--only", "templates"]);
        let now = now_minute();
        (now - 4..=now).for_each(|minute| ship(server, namespace, minute, 600, 600));
        let hook = Upstream::ok();
        let start = |name: &str| Watcher::start(name, &server.telemetry(namespace), hook.address);
        let (one, other) = (start("one"), start("other"));
        wait_within(PATIENT, "the page", || (told(&hook).len() == 1).then_some(()));
        assert_ne!(one.holds(), other.holds(), "one of them has the lease");
        for watcher in [&one, &other] {
            assert_eq!(watcher.get("/readyz").status, 200);
            assert_eq!(watcher.get("/healthz").status, 200);
        }
        let (holder, other) = if one.holds() { (one, other) } else { (other, one) };
        // The document says that everybody was told, once it was written after that.
        wait_for("the answer", || {
            (holder.figure("lbproxy_slo_notices_pending") == 0).then_some(())
        });
        let turns = holder.figure("lbproxy_watch_turns_total");
        wait_for("a turn", || {
            (holder.figure("lbproxy_watch_turns_total") > turns + 1).then_some(())
        });
        let statuses = "lbproxy_slo_firing{alert=\"page\",objective=\"watched\",service=\"shop\"}";
        assert_eq!(holder.figure(statuses), 1);
        // Read many times over, counted once; a record that comes ten minutes late, too.
        let valid =
            "lbproxy_slo_period_events{quality=\"valid\",objective=\"watched\",service=\"shop\"}";
        assert_eq!(holder.figure(valid), 5 * 2 * 600);
        ship(server, namespace, now - 10, 600, 0);
        wait_for("the late record", || (holder.figure(valid) == 6 * 2 * 600).then_some(()));
        holder.kill();

        let now = now_minute();
        (now..now + 3).for_each(|minute| ship(server, namespace, minute, 600_000, 0));
        wait_within(PATIENT, "the lease", || other.holds().then_some(()));
        wait_within(PATIENT, "the end", || (told(&hook).len() > 1).then_some(()));
        assert_eq!(
            other.figure(valid),
            6 * 2 * 600 + 3 * 2 * 600_000,
            "read again from the records"
        );
        let all = told(&hook);
        let [(first, key), (last, same)] = &all[..] else { panic!("no second page: {all:?}") };
        assert_eq!((first.as_str(), last.as_str(), key), ("firing", "resolved", same));

        let (code, log) = other.terminate();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("the lease is released"), "{log}");
        let document = server.get(&format!("/lbproxy.watch-{namespace}/_doc/lease"));
        assert_eq!(document["_source"]["lbproxy"]["watch"]["holder"], "", "{document}");
        let mapping = server.get(&format!("/lbproxy.watch-{namespace}/_mapping"));
        let mapping = &mapping[format!("lbproxy.watch-{namespace}")]["mappings"];
        assert_eq!(mapping["dynamic"], "false", "{mapping}");
        assert_eq!(told(&hook).len(), 2);
    });
}

/// Goal: what keeps a watcher from watching is said, and nobody is paged of it. Method: a server that is not
/// there, one without the stream, and configurations that do not fit.
#[test]
fn a_watcher_says_what_it_lacks() {
    let hook = Upstream::ok();
    let away = ship_to(&format!("http://{}", nobody()), "default", "");
    let watcher = Watcher::start("alone", &away, hook.address);
    wait_for("a word", || watcher.log().contains("cannot watch").then_some(()));
    let log = watcher.log();
    assert!(log.contains("start the server, or correct telemetry.elasticsearch.urls"), "{log}");
    assert_eq!((watcher.get("/healthz").status, watcher.get("/readyz").status), (200, 503));
    let (code, log) = watcher.terminate();
    assert_eq!(code, Some(0), "{log}");

    on_both(|product| {
        let server = RealServer::shared(product);
        let watcher = Watcher::start("alone", &server.telemetry("empty"), hook.address);
        wait_for("a word", || watcher.log().contains("is not there").then_some(()));
        assert!(watcher.log().contains("run `lbproxy setup`"), "{}", watcher.log());
        assert_eq!(watcher.get("/readyz").status, 503);
    });
    assert_eq!(told(&hook), []);

    let dir = tempfile::tempdir().unwrap();
    let head = format!("proxy:\n{}\n", one_service(&[nobody()], ""));
    for (name, rest, want) in [
        (
            "no server",
            "slo: {notify: {by: watch}}\n".to_owned(),
            "telemetry.elasticsearch is absent",
        ),
        ("instances notify", format!("telemetry:\n{away}"), "slo.notify.by is `instance`"),
        (
            "no objective",
            format!("telemetry:\n{away}slo: {{files: [], notify: {{by: watch}}}}\n"),
            "there is no objective to watch",
        ),
    ] {
        let file = dir.path().join("proxy.yaml");
        std::fs::write(&file, format!("{head}{rest}")).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
            .args(["slo", "watch", "--config"])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains(want), "{name}: {said}");
    }
}
