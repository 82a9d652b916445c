//! Goal: whatever ends the process when, an alert is told once and its end once, and records of objectives add
//! up to the events. Method: the real journal, state and reader, time in hand; an outage and its end, with the
//! process killed again and again, or its files broken.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::super::file::Objectives;
use super::super::reader::Service;
use super::*;
use crate::config::Finding;
use crate::consumer::Aggregate as _;
use crate::journal::{self, Appended, Journal, Lane};
use crate::metrics::{JournalMetrics, SloMetrics};
use crate::record::{AccessRecord, Outcome, SloRecord, Stream, TimestampMs};

/// Whom notices are given to.
#[derive(Clone, Default)]
struct Outbox {
    told: Arc<Mutex<Vec<Notice>>>,
    /// The next so many times, it cannot be written.
    fails: Arc<AtomicU64>,
    /// It is the last thing that the process does.
    is_end: Arc<AtomicBool>,
}

impl Recipient for Outbox {
    fn accept(&mut self, notices: &[Notice]) -> io::Result<()> {
        if self.fails.load(Ordering::Relaxed) > 0 {
            self.fails.fetch_sub(1, Ordering::Relaxed);
            return Err(io::Error::other("the disk is full"));
        }
        self.told.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(notices);
        assert!(!self.is_end.load(Ordering::Relaxed), "killed");
        Ok(())
    }

    fn open(&self) -> Vec<OpenAlert> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = BTreeMap::new();
        for notice in &*told {
            let Notice { key, severity, objective, group, since_ms, .. } = notice.clone();
            let (objective, service) = (objective.name.clone(), objective.service.clone());
            let alert = OpenAlert { key, severity, objective, service, group, since_ms };
            match notice.status {
                AlertStatus::Firing => open.insert(notice.key.clone(), alert),
                AlertStatus::Resolved { .. } => open.remove(&notice.key),
            };
        }
        open.into_values().collect()
    }
}

/// What outlives a run.
struct Machine {
    dir: tempfile::TempDir,
    now_ms: u64,
    steady_ms: Arc<AtomicU64>,
    outbox: Outbox,
    /// What files of objectives say.
    files: Objectives,
    rows: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Events that count, and bad ones, of each minute.
    events: BTreeMap<u64, EventCount>,
}

impl Machine {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            now_ms: T0,
            steady_ms: Arc::default(),
            outbox: Outbox::default(),
            files: promises(),
            rows: Arc::default(),
            events: BTreeMap::new(),
        }
    }

    fn open(&self) -> (Journal, Vec<Lane>, Options) {
        let mut read = self.files.clone();
        keep_unread(&mut read, self.dir.path(), self.now_ms);
        let (journal, mut lanes) = Journal::open(journal::Options {
            dir: self.dir.path().to_owned(),
            bytes_max: 4 << 20,
            segment_bytes: 64 * 1024,
            sync_every: Duration::from_mins(1),
            workers: 2,
            preamble: Vec::new(),
            teller: None,
            metrics: Arc::new(JournalMetrics::default()),
        })
        .unwrap();
        let mut control = lanes.pop().unwrap();
        let rows = Arc::clone(&self.rows);
        let options = Options {
            reader: journal.reader(READER).unwrap(),
            identity: journal.identity(),
            objectives: read.objectives,
            settings: settings(),
            settle: Duration::ZERO,
            held_bytes_max: 20_000,
            folder: self.dir.path().to_owned(),
            append: Box::new(move |row| {
                rows.lock().unwrap().push(row.to_vec());
                append(&mut control, Stream::Slo, row)
            }),
            recipient: Box::new(self.outbox.clone()),
            metrics: Arc::new(SloMetrics::default()),
            statuses: Arc::default(),
        };
        (journal, lanes, options)
    }

    /// One run of so many turns of five seconds; at its end the process is killed, or stops. Gives the events in
    /// budgets.
    fn live(&mut self, turns: u64, is_bad: impl Fn(u64) -> bool, is_killed: bool) -> u64 {
        let (journal, mut lanes, mut options) = self.open();
        let statuses = Arc::clone(&options.statuses);
        let steady_ms = Arc::clone(&self.steady_ms);
        let steady = move || Duration::from_millis(steady_ms.load(Ordering::Relaxed));
        let mut service = Service::new(&mut options, self.now_ms, Box::new(steady));
        for _ in 0..turns {
            self.now_ms += 5_000;
            self.steady_ms.fetch_add(5_000, Ordering::Relaxed);
            for n in 0..20 {
                let is_good = !is_bad((self.now_ms - T0) / 1_000);
                let record = AccessRecord {
                    timestamp: Some(TimestampMs(self.now_ms)),
                    outcome: Some(if is_good { Outcome::Success } else { Outcome::Failure }),
                    ..AccessRecord::default()
                };
                let mut slot = [0; 64];
                let used = record.encode(&mut slot).unwrap();
                assert!(append(&mut lanes[n % 2], Stream::Access, &slot[..used]));
                let minute = self.events.entry(self.now_ms / 60_000 * 60_000).or_default();
                minute.add(EventCount::one(is_good));
            }
            assert!(service.turn(self.now_ms, false));
        }
        if !is_killed {
            assert!(service.turn(self.now_ms, true));
            drop(options);
            drop(lanes);
            journal.close();
        }
        statuses.last().series.iter().map(|series| series.budget.count.valid).sum()
    }

    /// What an outbox makes of notices: an alert that fires and is told so again is no news.
    fn news(&self) -> Vec<(String, bool)> {
        let mut firing = HashSet::new();
        let told = self.outbox.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = |notice: &&Notice| match notice.status {
            AlertStatus::Firing => firing.insert(notice.key.clone()),
            AlertStatus::Resolved { .. } => firing.remove(&notice.key),
        };
        let news = told.iter().filter(is_news);
        news.filter(|notice| notice.severity == Severity::Page)
            .map(|notice| (notice.key.clone(), notice.status == AlertStatus::Firing))
            .collect()
    }

    /// When the page was told to be over.
    fn over_ms(&self) -> u64 {
        let told = self.outbox.told.lock().unwrap();
        let of = |notice: &Notice| match notice.status {
            AlertStatus::Resolved { at_ms } if notice.severity == Severity::Page => Some(at_ms),
            _ => None,
        };
        told.iter().find_map(of).unwrap()
    }

    /// Records of objectives add up to the events, and none stands twice.
    fn check_rows(&self) {
        let rows = self.rows.lock().unwrap();
        let ids: Vec<_> =
            rows.iter().map(|row| super::super::reader::Watching::row_id(row)).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "a row stands twice");
        let mut sums = BTreeMap::<u64, EventCount>::new();
        for row in &*rows {
            let record = SloRecord::decode(row).unwrap();
            let count = |field: Option<crate::record::Count>| field.unwrap().0;
            let (valid, bad) = (count(record.slo_valid), count(record.slo_bad));
            assert_eq!(count(record.slo_good), valid - bad);
            sums.entry(record.timestamp.unwrap().0).or_default().add(EventCount { valid, bad });
        }
        // The last minute is not over yet.
        let last = *self.events.keys().next_back().unwrap();
        let past: BTreeMap<_, _> =
            self.events.range(..last).map(|(at, count)| (*at, *count)).collect();
        sums.retain(|at, count| *at < last && count.valid > 0);
        assert_eq!(sums, past);
    }
}

/// Files with the one objective.
fn promises() -> Objectives {
    Objectives { objectives: vec![Arc::new(availability())], ..Objectives::default() }
}

/// Appends bytes as they are.
fn append(lane: &mut Lane, stream: Stream, bytes: &[u8]) -> bool {
    let appended = lane.append(stream as u8, |out| {
        out.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(bytes.len())
    });
    appended == Appended::Stored
}

/// The page of the one objective.
fn page() -> String {
    "lbproxy/6b4dbde7218a8f7ce883896fc3da6ccb".to_owned()
}

/// Three minutes of it.
fn outage(second: u64) -> bool {
    (60..240).contains(&second)
}

/// Goal: kills put nothing off without end, and starts make no end come sooner. Method: from one long run to one of
/// 15 s after the other; 50 minutes are what the end takes without kills: the half hour in which the slow page's
/// short window has the outage, and twelve clean minutes.
#[test]
fn a_process_that_is_killed_again_and_again_pages_once_and_tells_the_end() {
    let mut over_ms = None;
    for turns in [600, 61, 23, 7, 3] {
        let mut machine = Machine::new();
        let mut left = 600;
        while left > 0 {
            let some = turns.min(left);
            machine.live(some, outage, true);
            left -= some;
        }
        machine.live(1, outage, false);
        let want = [(page(), true), (page(), false)];
        assert_eq!(machine.news(), want, "killed after {turns} turns");
        machine.check_rows();
        let off_ms = machine.over_ms().abs_diff(*over_ms.get_or_insert(machine.over_ms()));
        assert!(off_ms <= 10_000, "killed after {turns} turns: over {off_ms} ms sooner or later");
    }
}

/// Goal: nobody is told of an alert that the next start does not know. Method: the process ends while the
/// outbox writes the page; the next one starts when the outage is long over.
#[test]
fn an_alert_that_was_told_right_before_a_kill_ends() {
    let mut machine = Machine::new();
    machine.outbox.is_end.store(true, Ordering::Relaxed);
    let end = std::panic::catch_unwind(AssertUnwindSafe(|| machine.live(60, outage, true)));
    assert!(end.is_err(), "it told nobody");
    assert_eq!(machine.news(), [(page(), true)]);
    machine.outbox.is_end.store(false, Ordering::Relaxed);
    machine.now_ms += 40 * 60_000;
    machine.live(200, outage, false);
    assert_eq!(machine.news(), [(page(), true), (page(), false)]);
}

#[test]
fn a_notice_waits_while_the_outbox_cannot_be_written() {
    let mut machine = Machine::new();
    machine.outbox.fails.store(50, Ordering::Relaxed);
    machine.live(40, |second| second > 60, true);
    assert_eq!(machine.news(), []);
    machine.live(80, |second| second > 60, false);
    assert_eq!(machine.news(), [(page(), true)], "also over a kill");
}

#[test]
fn an_alert_goes_on_from_the_outbox_when_the_state_is_gone() {
    for (name, turns, is_over, want) in [
        ("the outage lasts", 60, false, [(page(), true)].as_slice()),
        ("it is over", 560, true, &[(page(), true), (page(), false)]),
    ] {
        let mut machine = Machine::new();
        machine.live(40, |_| true, true);
        let state = machine.dir.path().join("slo-state");
        std::fs::write(&state, b"nonsense").unwrap();
        machine.live(turns, |_| !is_over, false);
        let kept = machine.dir.path().join("slo-state.unreadable");
        assert!(kept.exists(), "{name}: kept for whoever wants to look");
        assert_eq!(machine.news(), want, "{name}");
        let rows = machine.rows.lock().unwrap();
        let ids: Vec<_> =
            rows.iter().map(|row| super::super::reader::Watching::row_id(row)).collect();
        assert_eq!(
            ids.iter().collect::<HashSet<_>>().len(),
            ids.len(),
            "{name}: no row stands twice"
        );
    }
}

/// Goal: who mistypes an objective ends no alert of it and keeps its budget; who takes it away ends it. Method:
/// three starts: the page fires, the file has a mistake, and then what the row says.
#[test]
fn a_mistake_in_a_file_ends_no_alert_and_erases_no_budget() {
    let finding = Finding {
        file: "slo/a.yaml".to_owned(),
        line: 3,
        column: 1,
        key: "metadata.name".to_owned(),
        problem: "is absent".to_owned(),
        cure: "write one".to_owned(),
    };
    let broken = || Objectives { findings: vec![finding.clone()], ..Objectives::default() };
    let (fires, ends) = ((page(), true), (page(), false));
    for (name, last, turns, is_bad, want) in [
        ("mended, the outage lasts", promises(), 12, true, vec![fires.clone()]),
        ("broken on, it is over", broken(), 600, false, vec![fires.clone(), ends.clone()]),
        ("mended, it is over", promises(), 600, false, vec![fires.clone(), ends.clone()]),
        ("taken away", Objectives::default(), 1, true, vec![fires.clone(), ends.clone()]),
    ] {
        let mut machine = Machine::new();
        machine.live(40, |_| true, false);
        machine.files = broken();
        machine.live(12, |_| true, false);
        assert_eq!(machine.news(), std::slice::from_ref(&fires), "{name}: the file has a mistake");
        machine.files = last;
        let counted = machine.live(turns, |_| is_bad, false);
        assert_eq!(machine.news(), want, "{name}");
        let events: u64 = machine.events.values().map(|count| count.valid).sum();
        let is_gone = machine.files.findings.is_empty() && machine.files.objectives.is_empty();
        assert_eq!(counted, if is_gone { 0 } else { events }, "{name}: all are in the budget");
    }
}
