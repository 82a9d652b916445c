//! Goal: a dead letter is stored once as soon as its reason is gone, whoever dies meanwhile, and none is
//! lost on the way. Method: the real program beside a running proxy, against the mock, which refuses
//! what a script says.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use lbproxy_fakes::{ItemOutcome, Options, Product, Reply, Running, Step, Which};
use serde_json::Value;

use crate::support::*;

/// The stream that requests go to.
const STREAM: &str = "logs-lbproxy.access-default";

/// A proxy that ships to a mock which refuses what is below `/bad/`.
fn refusing(product: Product) -> (Running, Upstream, Proxy) {
    let server = lbproxy_fakes::start(Options::local(product)).unwrap();
    refuse(&server);
    let upstream = Upstream::ok();
    let rest =
        format!("  elasticsearch: {{urls: [\"{}\"], batch: {{wait: 50ms}}}}\n", server.url());
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), &rest);
    (server, upstream, proxy)
}

/// Documents of requests below `/bad/` do not fit the mapping.
fn refuse(server: &Running) {
    server.set_default(Step::item(Which::Containing("/bad/".into()), ItemOutcome::Malformed));
}

/// Sends requests for `/good/N` and `/bad/N`, and waits until both are settled.
fn send(proxy: &Proxy, from: usize, to: usize) {
    for n in from..to {
        for path in ["good", "bad"] {
            let request = format!("GET /{path}/{n} HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(proxy.send(request).status, 200);
        }
    }
    proxy.await_figure("lbproxy_ship_dead_letter_total", |dead| dead >= to as u64);
}

/// `lbproxy log resend`, not started.
fn resend(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbproxy"));
    command.args(["log", "resend", "--config"]).arg(dir.join("proxy.yaml")).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code and words of one that has ended.
fn told(output: Output) -> (i32, String) {
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

/// The same, run to its end.
fn run(dir: &Path, arguments: &[&str]) -> (i32, String) {
    told(resend(dir, arguments).output().unwrap())
}

/// A running one, killed when dropped.
struct Resending(Child);

impl Drop for Resending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The letters that are kept.
fn letters(dir: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("journal/dead-letters.ndjson")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_full_file_stops_shipping_until_letters_were_sent_again_and_loses_none() {
    const COUNT: u64 = 200;
    let server = lbproxy_fakes::start(Options::local(Product::OpenSearch)).unwrap();
    refuse(&server);
    let upstream = Upstream::ok();
    let service = one_service(&[upstream.address], "");
    let rest = format!(
        "  elasticsearch: {{urls: [\"{}\"], dead_letters: 64KiB, batch: {{documents: 20}}}}\n",
        server.url()
    );
    let proxy = Proxy::start(&service, &rest);
    let fill = "f".repeat(1_000);
    for n in 0..COUNT {
        let request = format!("GET /bad/{n}/{fill} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(proxy.send(request).status, 200);
    }
    proxy.await_figure("lbproxy_ship_dead_letters_full", |full| full == 1);
    let figures = proxy.figures();
    assert_eq!(figures["lbproxy_ship_connected"], 0);
    let log = proxy.log();
    let told = log.matches("records wait in the journal").count();
    assert_eq!(told, 1, "{log}");
    assert!(log.contains("dead-letters.ndjson is full") && log.contains("log resend"), "{log}");

    // The end says what the file says, and the rest is pending; so does the next start.
    let dir = Arc::clone(&proxy.dir);
    let [dead, pending] = account(&proxy.terminate(), ["dead_letter", "pending"]);
    assert_eq!((letters(dir.path()).len() as u64, dead + pending), (dead, COUNT));
    assert!(dead > 0 && pending > 0, "{dead} {pending}");
    let proxy = Proxy::start_in(Arc::clone(&dir), &service, &rest);
    proxy.await_figure("lbproxy_ship_dead_letters_full", |full| full == 1);

    // The reason is gone, the letters are sent again: shipping goes on by itself.
    server.set_default(Step::default());
    // What was refused before and found no room is written first, and may fill the file once more.
    wait_for("shipping to go on", || {
        let (code, text) = run(dir.path(), &[]);
        assert!(code == 0, "{text}");
        (proxy.figures()["lbproxy_ship_pending"] == 0).then_some(())
    });
    proxy.await_figure("lbproxy_ship_dead_letters_full", |full| full == 0);
    let (code, text) = run(dir.path(), &[]);
    assert!(code == 0, "{text}");
    assert_eq!((server.count(STREAM), server.duplicates(STREAM)), (200, Vec::new()));
    account(&proxy.terminate(), []);
}

#[test]
fn what_was_refused_is_stored_once_when_the_reason_is_gone() {
    let (server, _upstream, proxy) = refusing(Product::OpenSearch);
    send(&proxy, 0, 4);
    let dir = Arc::clone(&proxy.dir);
    let dir = dir.path();
    assert_eq!((letters(dir).len(), server.count(STREAM)), (4, 4));

    let (code, text) = run(dir, &["--dry-run"]);
    assert!(code == 0 && text.contains("4 would be sent again; nothing was changed"), "{text}");
    assert!(text.contains("4 refused: logs-lbproxy.access-default: 400 "), "{text}");

    // Still refused, with another word for it: they stay, with the new one.
    let outcome = ItemOutcome::Error { status: 400, kind: "still".into(), reason: "no".into() };
    server.set_default(Step::item(Which::Containing("/bad/".into()), outcome));
    let (code, text) = run(dir, &[]);
    assert!(
        code == 1 && text.contains("4 refused again: ") && text.contains("still: no"),
        "{text}"
    );
    assert!(text.contains("refused 4 + unreadable 0 + left 0 (holds)"), "{text}");
    assert!(letters(dir).iter().all(|letter| letter["error_type"] == "still"), "{text}");

    // One that cannot be sent stands among them.
    let file = dir.join("journal/dead-letters.ndjson");
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("no letter\n{before}")).unwrap();
    server.set_default(Step::default());
    let (code, text) = run(dir, &[]);
    assert!(code == 0 && text.contains("dead_letters 5 = stored 4 + "), "{text}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "no letter\n");
    assert_eq!((server.count(STREAM), server.duplicates(STREAM)), (8, Vec::new()));
    std::fs::remove_file(&file).unwrap();
    let (code, text) = run(dir, &[]);
    assert!(code == 0 && text.contains("nothing to do"), "{text}");

    // The proxy had the file open: what it refuses from now on is in the one that stands there.
    refuse(&server);
    send(&proxy, 4, 5);
    assert_eq!(letters(dir).len(), 1);
    server.set_default(Step::default());
    let (code, text) = run(dir, &[]);
    assert!(code == 0 && text.contains("stored 1 + "), "{text}");
    assert!(!file.exists(), "none is left");
    let log = proxy.terminate();
    assert!(!log.contains("DOES NOT HOLD"), "{log}");
    assert_eq!((server.count(STREAM), server.duplicates(STREAM)), (10, Vec::new()));
}

#[test]
fn a_limit_on_file_sizes_makes_letters_wait_and_ends_nothing() {
    let (server, _upstream, proxy) = refusing(Product::Elasticsearch);
    send(&proxy, 0, 1);
    proxy.limit_file_size(Some(1));
    assert_eq!(proxy.send("GET /bad/1 HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    proxy.await_figure("lbproxy_ship_dead_letters_full", |full| full == 1);
    assert!(proxy.log().contains("raise the limit of file sizes (ulimit -f"), "{}", proxy.log());
    assert_eq!(letters(proxy.dir.path()).len(), 1, "nothing of the other stays");
    proxy.limit_file_size(None);
    send(&proxy, 2, 3);
    assert_eq!(letters(proxy.dir.path()).len(), 3);
    let log = proxy.terminate();
    assert!(!log.contains("DOES NOT HOLD"), "{log}");
    assert_eq!(server.count(STREAM), 2);
}

#[test]
fn a_resend_that_is_killed_leaves_nothing_lost_and_nothing_twice() {
    let (server, _upstream, proxy) = refusing(Product::Elasticsearch);
    send(&proxy, 0, 6);
    let dir = Arc::clone(&proxy.dir);
    let dir = dir.path();

    // Stored, and the answer never comes.
    server.set_default(Step::reply(Reply::Silence));
    let mut first = Resending(resend(dir, &[]).spawn().unwrap());
    wait_for("letters to be stored", || (server.count(STREAM) == 12).then_some(()));
    let (code, text) = run(dir, &[]);
    assert!(code == 1 && text.contains("another `lbproxy log resend` is at work"), "{text}");
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    assert_eq!(letters(dir).len(), 6, "all are where they were");

    // Their ids alone would not protect them now.
    server.rollover(STREAM).unwrap();
    refuse(&server);
    send(&proxy, 6, 7);
    server.set_default(Step::default());
    let (code, text) = run(dir, &[]);
    assert!(code == 0, "{text}");
    assert!(text.contains("dead_letters 7 = stored 1 + duplicate 6 + "), "{text}");
    assert_eq!((server.count(STREAM), server.duplicates(STREAM)), (14, Vec::new()));
    assert!(letters(dir).is_empty());
}

#[test]
fn letters_stay_where_they_are_while_nobody_takes_them() {
    let (server, _upstream, proxy) = refusing(Product::ElasticsearchReduced);
    send(&proxy, 0, 3);
    let dir = Arc::clone(&proxy.dir);
    let dir = dir.path();
    let before = letters(dir);
    for (name, step, want) in [
        ("no right", Step::refuse(403), "were left as they were"),
        ("blocked", Step::item(Which::All, ItemOutcome::WriteBlocked), "cluster_block_exception"),
    ] {
        server.set_default(step);
        let (code, text) = run(dir, &[]);
        assert!(code == 1 && text.contains(want), "{name}: {text}");
        assert_eq!(letters(dir), before, "{name}");
    }
    // Too much at once, too little room, a fault: tried again until it is done.
    server.set_default(Step::default());
    server.push(Step::item(Which::Ordinal(1), ItemOutcome::Rejected));
    server.push(Step::lost_after_storing().then_rollover());
    let (code, text) = run(dir, &[]);
    assert!(code == 0 && text.contains(" left 0 (holds)"), "{text}");
    assert_eq!((server.count(STREAM), server.duplicates(STREAM)), (6, Vec::new()));
}
