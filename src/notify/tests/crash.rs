//! Ends of the process at any moment.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::fixture::{NOON, config, message, notice, notify, numbered, outbox};
use super::super::message::Message;
use super::super::outbox::{Allowance, Outbox, Work};
use super::receiver::{Receiver, status};
use crate::notify::{Options, start};
use crate::slo::Recipient as _;

/// One step of a story.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// An alert fires, or is over.
    Give(u8, bool),
    /// A channel takes what is next for it.
    Tell(bool),
    /// The process ends; of what it wrote since the last message, this share is on the disk.
    Crash(u16),
    /// The process ends while it takes a message, which is given again.
    Torn(u8, bool, u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u8, any::<bool>()).prop_map(|(alert, fires)| Step::Give(alert, fires)),
        5 => any::<bool>().prop_map(Step::Tell),
        1 => any::<u16>().prop_map(Step::Crash),
        1 => (0..4_u8, any::<bool>(), any::<u16>()).prop_map(|(a, f, at)| Step::Torn(a, f, at)),
    ]
}

/// The outbox and what the story knows of it.
struct World {
    dir: tempfile::TempDir,
    outbox: Outbox,
    /// Bytes of the file when the last message was accepted: these are safe.
    safe: u64,
    /// What was accepted, by alert: each time that it fired has a begin of its own.
    given: BTreeMap<String, Vec<(u64, bool)>>,
    /// What channels were told, in order.
    told: BTreeMap<(&'static str, String), Vec<(u64, bool)>>,
    begin_ms: u64,
}

const CHANNELS: [&str; 2] = ["a", "b"];

fn open(folder: &Path) -> Outbox {
    outbox(folder, "[{name: r, to: [a, b]}]")
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let outbox = open(dir.path());
        let (given, told) = (BTreeMap::new(), BTreeMap::new());
        let mut world = Self { dir, outbox, safe: 0, given, told, begin_ms: NOON };
        world.safe = world.bytes();
        world
    }

    fn bytes(&self) -> u64 {
        std::fs::metadata(self.dir.path().join("notices")).unwrap().len()
    }

    /// What the core would give, as it remembers what it gave.
    fn next(&mut self, alert: u8, fires: bool) -> Option<Message> {
        let key = format!("lbproxy/{alert}");
        let last = self.given.get(&key).and_then(|given| given.last().copied());
        let is_firing = last.is_some_and(|(_, fires)| fires);
        if is_firing == fires {
            return None;
        }
        let mut message = message(&key, fires);
        if fires {
            self.begin_ms += 1_000;
        }
        message.since_ms = if fires { self.begin_ms } else { last?.0 };
        Some(message)
    }

    fn accept(&mut self, message: &Message) {
        self.outbox.accept(vec![message.clone()], NOON).unwrap();
        let one = (message.since_ms, message.is_firing());
        self.given.entry(message.key.clone()).or_default().push(one);
        self.safe = self.bytes();
    }

    /// Delivers what is next; whether there was something.
    fn tell(&mut self, channel: &'static str) -> bool {
        let Work::Deliver(delivery) = self.outbox.next(channel, Allowance::One, NOON) else {
            return false;
        };
        let message = &delivery.messages[0];
        let one = (message.since_ms, message.is_firing());
        self.told.entry((channel, message.key.clone())).or_default().push(one);
        self.outbox.done(channel, delivery.seqs, false);
        true
    }

    /// Ends the process; the file has this length then.
    fn crash(&mut self, length: u64) {
        let path = self.dir.path().join("notices");
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
        self.outbox = open(self.dir.path());
        self.safe = self.bytes();
    }

    fn step(&mut self, step: Step) {
        let part = |from: u64, to: u64, share: u16| {
            from + (to - from) * u64::from(share) / u64::from(u16::MAX)
        };
        match step {
            Step::Give(alert, fires) => {
                if let Some(message) = self.next(alert, fires) {
                    self.accept(&message);
                }
            }
            Step::Tell(is_first) => drop(self.tell(CHANNELS[usize::from(is_first)])),
            Step::Crash(share) => self.crash(part(self.safe, self.bytes(), share)),
            Step::Torn(alert, fires, share) => {
                let Some(message) = self.next(alert, fires) else { return };
                let before = self.bytes();
                self.outbox.accept(vec![message.clone()], NOON).unwrap();
                self.crash(part(before, self.bytes(), share));
                self.accept(&message);
            }
        }
    }

    /// Each channel was told everything, and nothing before what came before it.
    fn check(&mut self) {
        for channel in CHANNELS {
            while self.tell(channel) {}
            for (key, given) in &self.given {
                let told = self.told.get(&(channel, key.clone())).cloned().unwrap_or_default();
                let mut known = 0;
                for one in &told {
                    let place = given.iter().position(|other| other == one).unwrap();
                    assert!(place <= known, "{channel}, {key}: {told:?} of {given:?}");
                    known = known.max(place + 1);
                }
                assert_eq!(known, given.len(), "{channel}, {key}: {told:?} of {given:?}");
            }
        }
    }
}

fn story() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 60;
    }
    config
}

proptest! {
    #![proptest_config(story())]
    #[test]
    fn whenever_the_process_ends_everything_is_told_at_least_once_and_in_order(
        steps in proptest::collection::vec(step(), 1..40)
    ) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.check();
    }
}

#[test]
fn an_outbox_that_cannot_be_read_is_put_aside_whole_and_a_new_one_begun() {
    let json = r#"{"outbox":{"version":2,"more":1}}"#;
    let newer = format!("{:08x} {json}\n{{\"unknown\":true}}\n", crc32c::crc32c(json.as_bytes()));
    for (name, bytes, is_aside) in [
        ("of a newer version", newer.as_bytes(), true),
        ("one line of anything", &[0xff, 0, b'x', 7], true),
        ("lines of anything", b"nonsense\n\0\xff\nmore", true),
        ("empty", b"", false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("notices"), bytes).unwrap();
        let mut outbox = open(dir.path());
        let aside = std::fs::read(dir.path().join("notices.unreadable")).ok();
        assert_eq!(aside.as_deref(), is_aside.then_some(bytes), "{name}");
        outbox.accept(vec![message("lbproxy/1", true)], NOON).unwrap();
        assert_eq!(open(dir.path()).waiting("a").0, 1, "{name}");
    }
}

#[test]
fn the_gauge_of_alerts_follows_what_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Arc::<crate::metrics::NotifyMetrics>::default();
    let config = Arc::new(config("[{name: r, to: [a]}]"));
    let mut outbox = Outbox::open(dir.path(), Arc::clone(&config), Arc::clone(&metrics));
    outbox.accept(vec![message("lbproxy/1", true), message("lbproxy/2", true)], NOON).unwrap();
    assert_eq!(metrics.alerts.value(), 2);
    let metrics = Arc::<crate::metrics::NotifyMetrics>::default();
    Outbox::open(dir.path(), config, Arc::clone(&metrics));
    assert_eq!(metrics.alerts.value(), 2, "after a start, too");
}

#[test]
fn a_damaged_line_costs_that_line_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notices");
    let mut outbox = open(dir.path());
    for number in 0..3 {
        outbox.accept(vec![message(&format!("lbproxy/{number}"), true)], NOON).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap().replacen("lbproxy/1", "lbproxy/7", 1);
    std::fs::write(&path, text).unwrap();
    let metrics = Arc::<crate::metrics::NotifyMetrics>::default();
    let config = Arc::new(config("[{name: r, to: [a]}]"));
    let outbox = Outbox::open(dir.path(), config, Arc::clone(&metrics));
    assert_eq!((outbox.waiting("a").0, metrics.damaged_total.value()), (2, 1));
}

#[test]
fn the_file_stays_small_however_often_alerts_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut outbox = open(dir.path());
    let mut most = 0;
    for number in 0..2_000 {
        outbox.accept(vec![message("lbproxy/1", number % 2 == 0)], NOON).unwrap();
        for channel in CHANNELS {
            while let Work::Deliver(delivery) = outbox.next(channel, Allowance::One, NOON) {
                outbox.done(channel, delivery.seqs, false);
            }
        }
        most = most.max(std::fs::metadata(dir.path().join("notices")).unwrap().len());
    }
    assert!((200_000..300_000).contains(&most), "{most} bytes");
}

/// Names of what the child process gets.
const FOLDER: &str = "LBPROXY_TEST_OUTBOX";
const ADDRESS: &str = "LBPROXY_TEST_CHANNEL";
const FIRST: &str = "LBPROXY_TEST_FIRST";

fn to(address: &str) -> crate::config::Notify {
    let url = format!("http://{address}/hook");
    let channel = format!("{{type: webhook, url: \"{url}\", timeout: 1m}}");
    notify(&format!("channels: {{a: {channel}}}, rate_cap: 1000"))
}

/// This program once more, which does what that test says.
fn child(test: &str, folder: &Path, receiver: &Receiver, first: usize) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("notify::tests::crash::{test}"), "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(ADDRESS, receiver.address.to_string())
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "the process that the next test kills"]
fn accepts_and_waits() {
    let (folder, address) = (std::env::var(FOLDER).unwrap(), std::env::var(ADDRESS).unwrap());
    let running = start(Options { config: to(&address), folder: folder.into() }).unwrap();
    running.sink().accept(&[notice('1')]).unwrap();
    println!("\naccepted");
    std::thread::park();
}

/// Goal: `kill -9` between acceptance and delivery. Method: this program once more, with a channel that
/// hangs.
#[test]
fn a_killed_process_tells_after_its_restart_once_with_the_same_key() {
    let dir = tempfile::tempdir().unwrap();
    let hanging = Receiver::start(|_| None);
    let mut child = child("accepts_and_waits", dir.path(), &hanging, 0);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "accepted"));
    let first = hanging.await_count(1);
    child.kill().unwrap();
    child.wait().unwrap();

    let good = Receiver::start(|_| Some(status(200)));
    for _restart in 0..2 {
        let config = to(&good.address.to_string());
        let running = start(Options { config, folder: dir.path().to_owned() }).unwrap();
        good.await_count(1);
        assert!(running.stop(Duration::from_secs(5)));
    }
    let seen = good.seen();
    assert_eq!(seen.len(), 1, "once");
    assert_eq!(seen[0].json()["groupKey"], notice('1').key);
    assert_eq!(seen[0].json(), first[0].json(), "word by word what was on its way");
}

#[test]
#[ignore = "the process that the next test kills"]
fn accepts_one_after_another() {
    let variable = |name| std::env::var(name).unwrap();
    let config = to(&variable(ADDRESS));
    let running = start(Options { config, folder: variable(FOLDER).into() }).unwrap();
    for number in variable(FIRST).parse().unwrap().. {
        running.sink().accept(&[numbered(number)]).unwrap();
        println!("\naccepted {number}");
    }
}

/// Goal: `kill -9` at any moment of accepting, sending and noting loses nothing that was accepted, keeps its
/// order, and tells at most what was on its way a second time. Method: eight lives, each killed after some
/// notices, at no certain moment.
#[test]
fn killed_at_any_moment_it_has_lost_nothing_that_it_accepted() {
    const LIVES: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::taking();
    let mut accepted = 0;
    for _life in 0..LIVES {
        let mut child = child("accepts_one_after_another", dir.path(), &receiver, accepted);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut lines = lines.filter(|line| line.starts_with("accepted "));
        let some = lines.by_ref().take(fastrand::usize(1..30)).count();
        std::thread::park_timeout(Duration::from_micros(fastrand::u64(0..5_000)));
        child.kill().unwrap();
        accepted += some + lines.count();
        child.wait().unwrap();
    }
    let config = to(&receiver.address.to_string());
    let running = start(Options { config, folder: dir.path().to_owned() }).unwrap();
    let keys = |receiver: &Receiver| -> Vec<String> {
        let seen = receiver.seen().into_iter().map(|request| request.json());
        seen.map(|body| body["groupKey"].as_str().unwrap().to_owned()).collect()
    };
    let last = numbered(accepted - 1).key;
    super::receiver::wait_for("the last notice", || keys(&receiver).contains(&last).then_some(()));
    assert!(running.stop(Duration::from_secs(5)));
    let told = keys(&receiver);
    let mut first = Vec::new();
    for key in &told {
        if !first.contains(key) {
            first.push(key.clone());
        }
    }
    // The one that was being accepted when it was killed may be told, too.
    let want: Vec<_> = (0..first.len()).map(|number| numbered(number).key).collect();
    assert_eq!(first, want, "in order, and none is missing");
    assert!(first.len() >= accepted, "{} of {accepted}", first.len());
    assert!(told.len() - first.len() <= LIVES, "{} twice", told.len() - first.len());
}
