//! Goal: the demo shows true numbers, ends by itself and when told, and leaves nothing behind. Method:
//! the real program without a terminal, its output as text, a temporary folder of its own.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read as _};
use std::process::{Child, Command, ExitStatus, Stdio};

use lbproxy_fakes::{Options, Product};

use crate::support::wait_for;

/// A demo under test, killed when dropped.
struct Demo {
    child: Child,
    /// Its output, until somebody closes it.
    output: Option<BufReader<std::process::ChildStdout>>,
    temp: tempfile::TempDir,
}

impl Demo {
    /// Starts it on free ports.
    fn start(arguments: &[&str]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
            .args(["demo", "--port", "0", "--admin-port", "0"])
            .args(arguments)
            .env("TMPDIR", temp.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().map(BufReader::new);
        Self { child, output, temp }
    }

    /// Reads lines until `is_it`.
    fn read_until(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        let mut read = String::new();
        loop {
            let mut line = String::new();
            let bytes = self.output.as_mut().unwrap().read_line(&mut line).unwrap();
            assert!(bytes > 0, "the output ended:\n{read}{}", self.errors());
            read.push_str(&line);
            if is_it(&line) {
                return read;
            }
        }
    }

    /// What it wrote to standard error, which it has closed.
    fn errors(&mut self) -> String {
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Waits for its end; gives its exit status, the rest of its output, and its errors.
    fn end(mut self) -> (ExitStatus, String, String) {
        let mut rest = String::new();
        if let Some(output) = &mut self.output {
            output.read_to_string(&mut rest).unwrap();
        }
        let errors = self.errors();
        let status = wait_for("the end", || self.child.try_wait().unwrap());
        let left: Vec<_> = std::fs::read_dir(self.temp.path()).unwrap().collect();
        assert!(left.is_empty(), "left behind: {left:?}\n{errors}");
        (status, rest.replace('\u{a0}', ""), errors)
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last line that begins so.
fn line<'t>(text: &'t str, start: &str) -> &'t str {
    let found = text.lines().rfind(|line| line.trim_start().starts_with(start));
    found.unwrap_or_else(|| panic!("no line {start:?} in\n{text}"))
}

/// The numbers in a line.
fn numbers(line: &str) -> Vec<u64> {
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// The numbers of a line of names and counts: `2xx 187   5xx 2`.
fn named(line: &str) -> HashMap<&str, u64> {
    let words: Vec<_> = line.split_whitespace().collect();
    words.windows(2).filter_map(|pair| Some((pair[0], pair[1].parse().ok()?))).collect()
}

/// Names and requests of the table below this head, to the next empty line.
fn table<'t>(text: &'t str, head: &str) -> Vec<(&'t str, u64)> {
    let rows = text.lines().skip_while(|line| !line.starts_with(head)).skip(1);
    let rows = rows.take_while(|line| !line.is_empty()).map(|row| {
        let mut words = row.split_whitespace();
        (words.next().unwrap(), words.next().unwrap().parse().unwrap())
    });
    rows.collect()
}

/// Checks the numbers of a summary against each other; gives how many requests there were.
fn check_summary(text: &str) -> u64 {
    let requests = numbers(line(text, "requests"))[0];
    let classes = named(line(text, "status"));
    let by_class: u64 = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"]
        .iter()
        .filter_map(|class| classes.get(class))
        .sum();
    assert_eq!(by_class, requests, "every request has one class or none\n{text}");
    let outcomes = line(text, "success");
    let by_outcome: u64 = numbers(outcomes.split_once('%').unwrap().1).iter().sum();
    assert_eq!(by_outcome, requests, "every request has one outcome\n{text}");
    let by_reason: u64 = table(text, "reason").into_iter().map(|(_, count)| count).sum();
    assert_eq!(by_reason, requests, "every request has one reason\n{text}");
    let (mut services, mut endpoints) = (0, 0);
    for (name, count) in table(text, "service, endpoint") {
        *(if name.starts_with("127.0.0.1:") { &mut endpoints } else { &mut services }) += count;
    }
    assert!(services == endpoints && services <= requests, "{services} {endpoints}\n{text}");
    let sent = numbers(line(text, "sent"));
    assert_eq!(sent[0], sent[1] + sent[2], "clients account for what they sent\n{text}");
    let records: u64 = numbers(line(text, "records")).iter().sum();
    let created = line(text, "created");
    assert!(created.ends_with("(holds)"), "{created}");
    assert_eq!(numbers(created), [records, records, 0], "the journal was read whole\n{text}");
    // A client may have given up before the proxy heard of it, so that nobody can record it.
    assert!((sent[1]..=sent[0]).contains(&requests), "{sent:?} and {requests} requests\n{text}");
    requests
}

#[test]
fn it_ends_by_itself_and_its_numbers_agree() {
    let mut demo = Demo::start(&["--duration", "2s", "--rate", "100"]);
    let head = demo.read_until(|line| line.starts_with("records"));
    assert_eq!(
        line(&head, "page").matches("http://127.0.0.1:").count(),
        2,
        "page and proxy\n{head}"
    );
    assert!(line(&head, "records").contains(&demo.temp.path().display().to_string()), "{head}");
    let (status, text, errors) = demo.end();
    assert!(status.success(), "{status}\n{errors}");
    let requests = check_summary(&text);
    assert!((1..=200).contains(&requests), "{requests} requests in 2 s at 100/s");
    assert!(text.contains("nothing was shipped"), "{text}");
}

#[test]
fn signals_end_it_with_a_summary() {
    use rustix::process::Signal;
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut demo = Demo::start(&[]);
        let is_second = |line: &str| line.trim_start().starts_with("00:") && line.contains('%');
        demo.read_until(is_second);
        demo.signal(signal);
        let (status, text, errors) = demo.end();
        assert!(status.success(), "{signal:?}: {status}\n{errors}");
        assert!(check_summary(&text) > 0, "{signal:?}");
    }
}

#[test]
fn a_reader_that_leaves_ends_it() {
    let mut demo = Demo::start(&[]);
    demo.read_until(|line| line.starts_with("records"));
    demo.output = None;
    let (status, _, errors) = demo.end();
    assert!(status.success(), "{status}\n{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[test]
fn records_that_no_server_took_are_told_with_what_keeps_them() {
    let kept = tempfile::tempdir().unwrap();
    let journal = kept.path().join("journal");
    let url = format!("http://{}", crate::support::nobody());
    let started = ["--duration", "1s", "--rate", "50", "--elasticsearch", &url];
    for (name, more, wants) in [
        (
            "temporary",
            &[][..],
            [
                "go with the temporary journal; --journal DIR keeps them",
                "demo --journal data/demo --elasticsearch",
            ],
        ),
        (
            "named",
            &["--journal", journal.to_str().unwrap()],
            ["wait in the journal, and the same command sends them", "log stats --journal"],
        ),
    ] {
        let (status, text, errors) = Demo::start(&[&started[..], more].concat()).end();
        assert!(status.success(), "{name}: {errors}");
        assert!(!text.contains("_count"), "{name}: there is nothing to count\n{text}");
        for want in wants {
            assert!(text.contains(want), "{name}: {want:?} is not in\n{text}");
        }
    }
}

#[test]
fn a_journal_that_cannot_be_is_told_in_words_of_the_command_line() {
    let (status, _, errors) = Demo::start(&["--journal", "/proc/x"]).end();
    assert_eq!(status.code(), Some(1), "{errors}");
    assert!(errors.contains("--journal DIR") && !errors.contains("telemetry."), "{errors}");
}

#[test]
fn what_it_ships_is_stored_and_a_named_journal_stays() {
    let server = lbproxy_fakes::start(Options::local(Product::OpenSearch)).unwrap();
    let kept = tempfile::tempdir().unwrap();
    let journal = kept.path().join("journal");
    let journal = journal.to_str().unwrap();
    let url = server.url();
    let arguments =
        ["--duration", "2s", "--rate", "100", "--journal", journal, "--elasticsearch", &url];
    let (status, text, errors) = Demo::start(&arguments).end();
    assert!(status.success(), "{status}\n{errors}");
    let requests = check_summary(&text);
    let shipped = named(line(&text, "journaled"));
    assert!(line(&text, "journaled").ends_with("(holds)"), "{text}");
    assert_eq!((shipped["recovered"], shipped["pending"]), (0, 0), "{text}");
    assert_eq!(server.count("logs-lbproxy.access-demo") as u64, requests);
    assert!(line(&text, "count them").contains("/logs-lbproxy.access-demo/_count"), "{text}");
    let removal = line(&text, "remove them");
    assert!(
        removal.ends_with(&format!("DELETE '{url}/_data_stream/*-lbproxy.*-demo'")),
        "{removal}"
    );
    let output = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
        .args(["log", "stats", "--json", "--journal", journal])
        .output()
        .unwrap();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["requests"].as_u64(), Some(requests), "{found:#}");
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for option in ["--port", "--admin-port"] {
        let temp = tempfile::tempdir().unwrap();
        let result = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
            .args(["demo", option, &port])
            .env("TMPDIR", temp.path())
            .output()
            .unwrap();
        let errors = String::from_utf8(result.stderr).unwrap();
        assert_eq!(result.status.code(), Some(1), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        let what = format!("cannot listen on 127.0.0.1:{port} ({option})");
        assert!(errors.contains(&what) && errors.contains("leave "), "{errors}");
        assert!(std::fs::read_dir(temp.path()).unwrap().next().is_none(), "left behind");
    }
}
