//! Goal: notices reach a real Alertmanager and a real mail server, and `lbproxy slo test-alert` says what
//! a channel answered. Method: the library's deliveries and the real program; PagerDuty, Jira Service
//! Management and Slack are not asked: `src/notify/tests/payload.rs` has their documented forms.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lbproxy::config::{self, Notify};
use lbproxy::notify::{Options, start};
use lbproxy::query::Filter;
use lbproxy::slo::{
    AlertStatus, Dimension, Indicator, NoData, Notice, Objective, Period, Recipient as _, Severity,
    Silence, TargetShare, Top, Trigger,
};
use serde_json::Value;

use crate::disk::{Disk, tool};
use crate::support::tls::fixture;
use crate::support::*;

/// A whole configuration with these keys of `slo.notify.channels`.
pub(crate) fn configuration(channels: &str) -> String {
    format!(
        "proxy:\n  listen: {{address: 127.0.0.1, port: 0}}\n  services:\n    \
         - {{name: a, domain: a, hosts: [\"127.0.0.1:1\"]}}\ntelemetry: {{instance: test}}\n\
         slo:\n  notify:\n    channels: {{{channels}}}\n"
    )
}

fn notify(channels: &str) -> Notify {
    let text = configuration(channels);
    schema::assert_valid("the test's configuration", &text);
    let config = config::parse("f.yaml", &text, &|_| None);
    config.unwrap_or_else(|report| panic!("{report}")).slo.notify
}

/// A page that fires since a minute ago.
fn notice() -> Notice {
    let objective = Objective {
        name: "checkout".to_owned(),
        title: "Käufer zahlen".to_owned(),
        description: "Customers can pay.".to_owned(),
        service: "shop".to_owned(),
        owner: None,
        runbook: Some("https://wiki.example.com/checkout".to_owned()),
        dashboard: None,
        indicator: Indicator { valid: Filter::default(), good: Filter::default(), bound: None },
        target: TargetShare::from_ppm(999_000).unwrap(),
        period: Period::Rolling(Duration::from_hours(720)),
        group_by: vec![Dimension::Route],
        windows: Vec::new(),
        min_total: 0,
        min_bad: 0,
        no_data: NoData { after: None, firing: Silence::Keep },
        notify: Vec::new(),
        maintenance: Vec::new(),
    };
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    Notice {
        key: format!("lbproxy/{}", "0".repeat(32)),
        status: AlertStatus::Firing,
        severity: Severity::Page,
        objective: Arc::new(objective),
        group: vec![(Dimension::Route, "cart".to_owned())],
        trigger: Trigger::Burn {
            rate: 52.0,
            factor: 14.4,
            long: Duration::from_hours(1),
            short: Duration::from_mins(5),
            valid: 23_700,
            bad: 1_234,
        },
        since_ms: u64::try_from(now).unwrap() - 60_000,
        budget_left: 0.66,
        exhausted_ms: None,
        top: Top::default(),
        source: "edge-1".to_owned(),
    }
}

fn over(notice: &Notice) -> Notice {
    Notice { status: AlertStatus::Resolved { at_ms: notice.since_ms + 30_000 }, ..notice.clone() }
}

/// A program of the tests; ends when dropped.
pub(crate) struct Running {
    child: Child,
    /// Some end with it.
    _stdin: ChildStdin,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (copy, stdout) = (Arc::clone(&lines), BufReader::new(child.stdout.take().unwrap()));
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).for_each(|line| copy.lock().unwrap().push(line));
        });
        let stdin = child.stdin.take().unwrap();
        Self { child, _stdin: stdin, lines }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page of HTTP as JSON; `None` while there is none.
fn get(address: SocketAddr, path: &str) -> Option<Value> {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").ok()?;
    let response = read_response(&mut BufReader::new(stream), false)?;
    serde_json::from_slice(&response.body).ok()
}

/// Goal: a real Alertmanager knows the alert by its labels, tells its own receivers of begin and end, and
/// one replica is enough.
#[test]
fn alertmanager_tells_its_receivers_of_begin_and_end() {
    let receivers = Upstream::ok();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alertmanager.yml");
    let text = format!(
        "route: {{receiver: hook, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers:\n  - name: hook\n    webhook_configs: [{{url: \"http://{}/hook\", send_resolved: true}}]\n",
        receivers.address
    );
    std::fs::write(&file, text).unwrap();
    let (address, reserved) = reserve();
    let mut command = Command::new(part("alertmanager"));
    command.args(["--cluster.listen-address=", "--config.file"]).arg(&file);
    command.arg("--storage.path").arg(dir.path().join("data"));
    command.arg(format!("--web.listen-address={address}"));
    drop(reserved);
    let _alertmanager = Running::start(&mut command);
    wait_for("Alertmanager", || get(address, "/api/v2/status"));

    let gone = nobody();
    let config = notify(&format!(
        "am: {{type: alertmanager, urls: [\"http://{gone}\", \"http://{address}\"], timeout: 2s}}"
    ));
    let running = start(Options { config, folder: dir.path().to_owned() }).unwrap();
    let notice = notice();
    running.sink().accept(std::slice::from_ref(&notice)).unwrap();
    let alerts = wait_for("the alert", || {
        get(address, "/api/v2/alerts").filter(|alerts| !alerts.as_array().unwrap().is_empty())
    });
    let labels = &alerts[0]["labels"];
    assert_eq!((&labels["severity"], &labels["slo_route"]), (&"page".into(), &"cart".into()));
    assert_eq!(alerts[0]["status"]["state"], "active");
    let told = || -> Vec<Value> {
        let seen = receivers.seen();
        seen.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    };
    let first = wait_for("its begin", || told().into_iter().next());
    assert_eq!((&first["status"], &first["alerts"][0]["labels"]), (&"firing".into(), labels));
    running.sink().accept(&[over(&notice)]).unwrap();
    let last = wait_for("its end", || told().into_iter().find(|told| told["status"] == "resolved"));
    assert_eq!(&last["alerts"][0]["labels"], labels, "the same alert");
    assert!(running.stop(Duration::from_secs(5)));
}

/// A mail server; with STARTTLS and passwords if it is `strict`.
pub(crate) fn mail_server(strict: bool) -> (Running, SocketAddr) {
    let (address, reserved) = reserve();
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/smtp.py");
    let mut command = Command::new(part("aiosmtpd"));
    command.arg(script).arg(address.port().to_string());
    if strict {
        command.args([fixture("signed.pem"), fixture("signed-key.pem")]);
    }
    drop(reserved);
    let server = Running::start(&mut command);
    wait_for("the mail server", || server.lines().contains(&"ready".to_owned()).then_some(()));
    (server, address)
}

/// The keys of a mail channel.
pub(crate) fn mail_channel(address: SocketAddr, password: &str, to: &str) -> String {
    format!(
        "type: email, server: localhost, port: {}, from: lbproxy@example.com, to: [{to}], \
         username: lbproxy, password: {password}, ca_file: \"{}\", timeout: 5s",
        address.port(),
        fixture("ca.pem").display()
    )
}

#[test]
fn mail_goes_encrypted_to_everybody_and_its_end_answers_its_begin() {
    let (server, address) = mail_server(true);
    let dir = tempfile::tempdir().unwrap();
    let to = "one@example.com, two@example.com";
    let config = notify(&format!("mail: {{{}}}", mail_channel(address, "hunter22", to)));
    let running = start(Options { config, folder: dir.path().to_owned() }).unwrap();
    let notice = notice();
    running.sink().accept(&[notice.clone(), over(&notice)]).unwrap();
    let mails = wait_for("two mails", || {
        let lines = server.lines();
        let mails = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Some(mails.collect::<Vec<_>>()).filter(|mails| mails.len() == 2)
    });
    assert!(running.stop(Duration::from_secs(5)));
    let field = |mail: &Value, name: &str| {
        let content = mail["content"].as_str().unwrap().to_owned();
        let head = content.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {content}")).to_owned()
    };
    for mail in &mails {
        assert_eq!((&mail["tls"], &mail["user"]), (&true.into(), &"lbproxy".into()));
        assert_eq!(mail["to"], serde_json::json!(["one@example.com", "two@example.com"]));
    }
    let id = field(&mails[0], "Message-ID");
    assert_eq!((field(&mails[1], "In-Reply-To"), field(&mails[1], "References")), (id.clone(), id));
    assert!(field(&mails[0], "Subject").starts_with("PAGE: shop"), "{}", mails[0]);
    assert!(field(&mails[1], "Subject").starts_with("RESOLVED: shop"), "{}", mails[1]);
}

/// Exit code and what was said by `slo test-alert` with these channels, and in all of the log.
pub(crate) fn test_alert(channels: &str, to: &str) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("proxy.yaml");
    std::fs::write(&file, configuration(channels)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
        .args(["slo", "test-alert", "--hold", "0s", "--to", to, "--config"])
        .arg(&file)
        .env("RUST_LOG", "trace")
        .output()
        .unwrap();
    let said =
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

#[test]
fn test_alert_says_what_a_channel_answers() {
    let answer = |status: &str, fields: &str, body: &str| {
        let length = body.len();
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{fields}\r\n{body}");
        Upstream::start(move |_, _| text.clone().into_bytes())
    };
    let taking = answer("202 Accepted", "", r#"{"status":"success"}"#);
    let strict = answer("400 Bad Request", "", "routing_key hunter22 is \u{1b}[31minvalid");
    let moved = answer("302 Found", "Location: http://elsewhere.example/x?key=hunter22\r\n", "");
    let hanging = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let pagerduty = |address: SocketAddr| {
        format!(
            "oncall: {{type: pagerduty, url: \"http://{address}/v2/enqueue\", routing_key: hunter22, timeout: 1s}}"
        )
    };
    let hanging = hanging.local_addr().map(|address| (address, hanging)).unwrap();
    for (name, channels, to, code, wants) in [
        (
            "taken",
            pagerduty(taking.address),
            "oncall",
            0,
            &["oncall (pagerduty): fires taken: HTTP 202"][..],
        ),
        (
            "refused",
            pagerduty(strict.address),
            "oncall",
            1,
            &["NOT taken: HTTP 400", "***", "invalid"],
        ),
        (
            "moved",
            pagerduty(moved.address),
            "oncall",
            1,
            &["redirects to elsewhere.example", "NOT taken"],
        ),
        ("hangs", pagerduty(hanging.0), "oncall", 1, &["no answer in time"]),
        ("nobody there", pagerduty(nobody()), "oncall", 1, &["refused"]),
        ("no such channel", pagerduty(taking.address), "oncal", 2, &["did you mean oncall?"]),
        ("no channel at all", String::new(), "oncall", 2, &["slo.notify.channels has none"]),
        (
            "a mistake",
            "oncall: {type: pagerduty}".to_owned(),
            "oncall",
            2,
            &["routing_key_file: is missing"],
        ),
    ] {
        let (got, said) = test_alert(&channels, to);
        assert_eq!(got, Some(code), "{name}: {said}");
        assert!(wants.iter().all(|want| said.contains(want)), "{name}: {said}");
        assert!(!said.contains("hunter22") && !said.contains('\u{1b}'), "{name}: {said}");
    }
    let seen: Vec<Value> =
        taking.seen().iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect();
    let [fires, over] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(
        (&fires["event_action"], &over["event_action"]),
        (&"trigger".into(), &"resolve".into())
    );
    assert_eq!(fires["dedup_key"], over["dedup_key"]);
}

#[test]
fn test_alert_says_what_a_mail_server_answers() {
    let (strict, open) = (mail_server(true), mail_server(false));
    let channel = |server: &(Running, SocketAddr), password: &str, to: &str| {
        format!("mail: {{{}}}", mail_channel(server.1, password, to))
    };
    let here = "one@example.com";
    for (name, channels, code, wants) in [
        (
            "taken",
            channel(&strict, "hunter22", here),
            0,
            &["mail (email): fires taken: SMTP 250"][..],
        ),
        ("a wrong password", channel(&strict, "hunter23", here), 1, &["NOT taken", "535"]),
        ("no such reader", channel(&strict, "hunter22", "nobody@example.com"), 1, &["550"]),
        (
            "one of two readers is gone",
            channel(&strict, "hunter22", "nobody@example.com, one@example.com"),
            0,
            &["fires taken", "does not take alerts", "nobody@example.com: permanent error (550)"],
        ),
        ("no encryption", channel(&open, "hunter22", here), 1, &["NOT taken", "STARTTLS"]),
    ] {
        let (got, said) = test_alert(&channels, "mail");
        assert_eq!(got, Some(code), "{name}: {said}");
        assert!(wants.iter().all(|want| said.contains(want)), "{name}: {said}");
        assert!(!said.contains("hunter2"), "{name}: {said}");
    }
    assert_eq!(open.0.lines(), ["ready"], "nothing went over it in the clear");
}

#[test]
fn a_full_disk_delays_no_alert_and_is_said() {
    let on_tmpfs = |disk: &Disk| {
        tool("mount", &["-t", "tmpfs", "-o", "size=256k", "tmpfs", &disk.path("journal")])
    };
    let Some(disk) = Disk::new(on_tmpfs) else { return };
    let receiver = Upstream::ok();
    let channel = format!("a: {{type: webhook, url: \"http://{}/hook\"}}", receiver.address);
    let running = start(Options { config: notify(&channel), folder: disk.journal() }).unwrap();
    let mut sink = running.sink();
    let alert = |number: u32| Notice { key: format!("lbproxy/{number:032}"), ..notice() };
    sink.accept(&[alert(0)]).unwrap();
    disk.fill();
    let full = (1..1_000).find(|number| sink.accept(&[alert(*number)]).is_err());
    let full = full.expect("the disk took everything");
    let told =
        |count: u32| wait_for("alerts", || (receiver.seen().len() >= count as usize).then_some(()));
    told((full + 1).min(20));
    assert!(sink.accept(&[alert(full)]).is_err(), "still full");
    std::fs::remove_file(disk.journal().join("ballast")).unwrap();
    sink.accept(&[alert(full)]).unwrap();
    let kept = std::fs::read_to_string(disk.journal().join("notices")).unwrap();
    assert!(kept.contains(&alert(full).key), "it is on the disk once there is room");
    assert!(running.stop(Duration::from_secs(5)));
}
