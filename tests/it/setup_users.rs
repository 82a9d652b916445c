//! Goal: `lbproxy setup` waits for servers that start, and gives users the passwords that a Secret has. Method: the
//! real program against the mock, which starts later or is out of order for a while; who may sign in afterwards,
//! and requests that changed something, row by row.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lbproxy_fakes::{Options, Outage, Product, Running};
use rustix::process::{Pid, Signal, kill_process};

use crate::setup::{changes, configuration, server, setup};
use crate::support::*;

/// What each try but the last says.
const AGAIN: &str = "; asking again, for ";
const PRODUCTS: [Product; 2] = [Product::Elasticsearch, Product::OpenSearch];

/// Whether the server lets somebody in.
fn lets_in(server: &Running, user: &str, password: &str) -> bool {
    let packed = STANDARD.encode(format!("{user}:{password}"));
    let mut connection = connect(server.address());
    write!(connection, "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {packed}\r\n\r\n")
        .unwrap();
    let answer = read_response(&mut BufReader::new(connection), false).unwrap();
    answer.status != 401
}

/// Users and the files of their passwords.
struct Files(tempfile::TempDir);

impl Files {
    fn new(all: &[(&str, &str)]) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        for (user, password) in all {
            files.write(user, password);
        }
        files
    }

    fn write(&self, user: &str, password: &str) {
        std::fs::write(self.0.path().join(user), password).unwrap();
    }

    /// The flags that name them.
    fn flags(&self, users: &[&str]) -> Vec<String> {
        let file = |user: &&str| format!("--user={user}={}", self.0.path().join(user).display());
        users.iter().map(file).collect()
    }
}

#[test]
fn users_get_the_passwords_that_are_given_once_and_again_when_they_change() {
    const SHIPPING: &str = "lbproxy";
    const WATCH: &str = "lbproxy_watch";
    const KIBANA: &str = "kibana_system";
    for product in PRODUCTS {
        let server = server(product);
        // Files that people write end in a newline.
        let first = [(SHIPPING, "first-ship\n"), (WATCH, "first-watch"), (KIBANA, "first-kibana")];
        let files = Files::new(&first);
        let users: &[&str] = match product {
            Product::OpenSearch => &[SHIPPING, WATCH],
            _ => &[SHIPPING, WATCH, KIBANA],
        };
        let flags = files.flags(users);
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        let dry: Vec<_> = flags.iter().copied().chain(["--dry-run"]).collect();
        setup(&server, &dry).expect("dry", 0, &["+ user lbproxy", "+ user lbproxy_watch"]);
        assert!(users.iter().all(|user| !lets_in(&server, user, "first-ship")), "{product:?}");
        setup(&server, &flags).expect("first", 0, &["+ user lbproxy", "+ user lbproxy_watch"]);
        for (user, password) in first.iter().filter(|(user, _)| users.contains(user)) {
            assert!(lets_in(&server, user, password.trim()), "{product:?} {user}");
        }
        let before = server.requests().len();
        setup(&server, &flags).expect("second", 0, &["nothing to do"]);
        assert_eq!(changes(&server, before), [""; 0], "{product:?}");

        files.write(SHIPPING, "second-ship");
        let want = ["~ user lbproxy\n", "password: another -> the one in its file"];
        setup(&server, &flags).expect("changed", 0, &want);
        assert!(lets_in(&server, SHIPPING, "second-ship"), "{product:?}");
        assert!(!lets_in(&server, SHIPPING, "first-ship"), "{product:?}");
        assert!(lets_in(&server, WATCH, "first-watch"), "{product:?}");

        setup(&server, &["--remove", "--only", "access"]).expect("removed", 0, &["- user lbproxy"]);
        assert!(!lets_in(&server, WATCH, "first-watch"), "{product:?}");
    }
}

#[test]
fn a_user_that_cannot_be_given_a_password_is_told_with_its_cure() {
    let files =
        Files::new(&[("lbproxy", "sesame-1"), ("kibana_system", "sesame-2"), ("empty", "")]);
    let file = |name: &str| files.0.path().join(name).display().to_string();
    let theirs = serde_json::json!({ "roles": ["x"], "metadata": {} });
    let elastic = server(Product::Elasticsearch);
    elastic.keep("/_security/user/lbproxy", theirs);
    let refusing = server(Product::Elasticsearch);
    let reason = r#"{"error":{"type":"validation","reason":"sesame-1 is too short"}}"#;
    refusing.script("PUT", "/_security/user/lbproxy", 400, reason);
    let open = server(Product::OpenSearch);
    for (name, server, flags, code, want) in [
        (
            "theirs",
            &elastic,
            vec![format!("--user=lbproxy={}", file("lbproxy"))],
            1,
            "somebody else's stays",
        ),
        (
            "too short",
            &refusing,
            vec![format!("--user=lbproxy={}", file("lbproxy"))],
            1,
            "*** is too short",
        ),
        (
            "not Kibana",
            &open,
            files.flags(&["kibana_system"]),
            1,
            "kibana_system is a user of Elasticsearch",
        ),
        (
            "empty",
            &open,
            vec![format!("--user=lbproxy={}", file("empty"))],
            2,
            "is empty; write the password",
        ),
        ("no file", &open, vec![format!("--user=lbproxy={}", file("none"))], 2, "cannot be read"),
        ("twice", &open, files.flags(&["lbproxy", "lbproxy"]), 2, "stands twice"),
        (
            "not of this kind",
            &open,
            [files.flags(&["lbproxy"]), vec!["--only=templates".into()]].concat(),
            2,
            "add access to it",
        ),
        (
            "unknown",
            &open,
            vec![format!("--user=elastic={}", file("lbproxy"))],
            2,
            "write one of lbproxy,",
        ),
    ] {
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        let run = setup(server, &flags);
        run.expect(name, code, &[want]);
        assert!(!run.said().contains("sesame"), "{name}");
    }
}

/// A run that goes on.
struct Begun {
    child: Child,
    err: BufReader<ChildStderr>,
    said: String,
    _dir: tempfile::TempDir,
}

impl Begun {
    fn new(server: &Running, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
            .args(["setup", "--config"])
            .arg(configuration(server, "", dir.path()))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        Self { child, err, said: String::new(), _dir: dir }
    }

    /// Waits until it says that it asks again.
    fn waits(&mut self) {
        while !self.said.contains(AGAIN) {
            assert!(self.err.read_line(&mut self.said).unwrap() > 0, "it ended:\n{}", self.said);
        }
    }

    /// Its exit code, and everything it said.
    fn ended(mut self) -> (i32, String) {
        self.err.read_to_string(&mut self.said).unwrap();
        let output = self.child.wait_with_output().unwrap();
        let text = self.said + &String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text)
    }
}

#[test]
fn a_server_that_starts_is_waited_for_and_each_try_says_so() {
    for outage in [Outage::Unreachable, Outage::Unavailable] {
        let server = server(Product::Elasticsearch);
        server.set_outage(0, outage);
        let run = Begun::new(&server, &["--wait", "2m"]);
        // Two tries at the least; who is refused at the door cannot be counted.
        match outage {
            Outage::Unavailable => {
                wait_for("tries", || (server.requests().len() > 1).then_some(()));
            }
            _ => std::thread::sleep(Duration::from_millis(700)),
        }
        server.set_outage(0, Outage::None);
        let (code, text) = run.ended();
        assert!(code == 0 && text.contains("done: "), "{outage:?}: {code}: {text}");
        let tries = text.lines().filter(|line| line.contains(AGAIN)).count();
        assert!((1..=5).contains(&tries) && text.contains(&server.url()), "{outage:?}: {text}");
    }
}

#[test]
fn dashboards_that_start_are_waited_for_after_their_user_has_its_password() {
    let store = server(Product::Elasticsearch);
    let credentials =
        lbproxy_fakes::Credentials::Basic { user: "admin".into(), password: "secret".into() };
    let options =
        Options { credentials: Some(credentials), ..Options::local(Product::Elasticsearch) };
    let kibana = lbproxy_fakes::start(options).unwrap();
    kibana.set_dashboards("8.19.2");
    kibana.set_outage(0, Outage::Unavailable);
    let files = Files::new(&[("kibana_system", "for-kibana")]);
    let flags = files.flags(&["kibana_system"]);
    let url = kibana.url();
    let mut run = Begun::new(&store, &["--wait", "2m", &flags[0], "--dashboards-url", &url]);
    // Kibana starts once its user may sign in.
    let is_there = || lets_in(&store, "kibana_system", "for-kibana").then_some(());
    wait_for("the password", is_there);
    run.waits();
    assert_eq!(kibana.saved_objects("default").len(), 0);
    kibana.set_outage(0, Outage::None);
    let (code, text) = run.ended();
    assert!(code == 0 && text.contains("boards   Kibana 8.19.2"), "{code}: {text}");
    assert!(text.contains(AGAIN), "{text}");
    assert!(!kibana.saved_objects("default").is_empty(), "{text}");
}

#[test]
fn waiting_ends_with_the_last_reason_or_at_once_where_it_does_not_help() {
    let gone = server(Product::Elasticsearch);
    gone.set_outage(0, Outage::Unreachable);
    let forbidden = server(Product::Elasticsearch);
    forbidden.script("GET", "/", 302, "");
    for (name, server, wait, tries, within, want) in [
        ("time is over", &gone, "1s", 1..=4, 20, "; nothing was changed"),
        ("no waiting", &gone, "0s", 0..=0, 20, "; nothing was changed"),
        ("another program", &forbidden, "5m", 0..=0, 60, "nothing was changed"),
    ] {
        let begun = Instant::now();
        let run = Begun::new(server, &["--wait", wait]);
        let (code, text) = run.ended();
        let told = text.lines().filter(|line| line.contains(AGAIN)).count();
        assert!(code == 1 && text.contains(want), "{name}: {code}: {text}");
        assert!(tries.contains(&told), "{name}: {told}: {text}");
        assert!(begun.elapsed() < Duration::from_secs(within), "{name}");
    }
}

#[test]
fn a_signal_ends_the_waiting() {
    let gone = server(Product::Elasticsearch);
    gone.set_outage(0, Outage::Unavailable);
    let mut run = Begun::new(&gone, &["--wait", "5m"]);
    run.waits();
    kill_process(Pid::from_child(&run.child), Signal::TERM).unwrap();
    let (code, text) = run.ended();
    assert!(code == 1 && text.contains("ended by a signal"), "{code}: {text}");
}
