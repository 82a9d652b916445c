//! Goal: whatever happens when, every row stands in the journal once, and the rows add up to the
//! records. Method: the real journal and reader, time in hand; any records from two lanes, some of them
//! with a clock that went back; runs that end by a crash at every step of closing a window.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::super::History;
use super::super::core::{RowId, row_id};
use super::super::reader::{Options, READER, STATE_FILE_NAME, Service};
use super::*;
use crate::journal::{self, Appended, Journal, Lane};
use crate::metrics::{JournalMetrics, RollupMetrics};
use crate::record::Stream;

/// A step of a run.
#[derive(Debug, Clone)]
enum Step {
    /// Exchanges end: lane, how long ago by the clock, and the rest.
    Exchanges(Vec<(usize, u64, Exchange)>),
    /// Time goes by.
    Pass(u64),
    /// The reader takes its turn.
    Turn,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Stop,
    /// Between two turns.
    Crash,
    /// While rows are appended: after so many.
    Appending(usize),
    /// After the state was written, before the cursor was.
    BeforeCursor,
}

/// One run of the process.
#[derive(Debug, Clone)]
struct Run {
    steps: Vec<Step>,
    end: End,
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    let back = prop_oneof![8 => Just(0_u64), 1 => 0..5_000_u64, 1 => 0..200_000_u64];
    let exchange = (0..NAMES.len(), 1..50_000_u64, prop_oneof![Just(0), Just(200), Just(503)])
        .prop_map(|(name, duration_us, status)| Exchange { time_ms: 0, name, duration_us, status });
    let exchanges = proptest::collection::vec((0..2_usize, back, exchange), 1..20);
    let step = prop_oneof![
        4 => exchanges.prop_map(Step::Exchanges),
        3 => (0..50_000_u64).prop_map(Step::Pass),
        3 => Just(Step::Turn),
    ];
    let end = prop_oneof![
        Just(End::Stop),
        Just(End::Crash),
        (0..4_usize).prop_map(End::Appending),
        Just(End::BeforeCursor),
    ];
    let run =
        (proptest::collection::vec(step, 0..12), end).prop_map(|(steps, end)| Run { steps, end });
    proptest::collection::vec(run, 1..6)
}

/// What outlives a run.
struct World {
    dir: tempfile::TempDir,
    now_ms: u64,
    exchanges: Vec<Exchange>,
    rows: Arc<Mutex<Vec<Vec<u8>>>>,
    /// How many rows find space.
    room: Arc<AtomicUsize>,
    /// After so long an appended row is on the disk.
    settle: Duration,
}

impl World {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            now_ms: T0,
            exchanges: Vec::new(),
            rows: Arc::default(),
            room: Arc::new(AtomicUsize::new(usize::MAX)),
            settle: Duration::ZERO,
        }
    }

    /// Opens the journal: itself, the workers' lanes, and options of a reader.
    fn open(&self) -> (Journal, Vec<Lane>, Options) {
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
        let (rows, room) = (Arc::clone(&self.rows), Arc::clone(&self.room));
        let options = Options {
            reader: journal.reader(READER).unwrap(),
            identity: journal.identity(),
            window: Duration::from_millis(RULES.window_ms),
            settle: self.settle,
            held_bytes_max: 2_000, // saves often
            folder: self.dir.path().to_owned(),
            append: Box::new(move |row| {
                if room.load(Ordering::Relaxed) == 0 {
                    return false;
                }
                room.fetch_sub(1, Ordering::Relaxed);
                rows.lock().unwrap().push(row.to_vec());
                append(&mut control, Stream::Rollup, row)
            }),
            metrics: Arc::new(RollupMetrics::default()),
            history: Arc::new(History::default()),
        };
        (journal, lanes, options)
    }

    /// Lives through one run.
    fn live(&mut self, Run { steps, end }: Run) {
        let (journal, mut lanes, mut options) = self.open();
        let mut service = Service::new(&mut options, self.now_ms);
        for step in steps {
            match step {
                Step::Pass(ms) => self.now_ms += ms,
                Step::Turn => assert!(service.turn(self.now_ms, false)),
                Step::Exchanges(exchanges) => {
                    for (lane, back_ms, exchange) in exchanges {
                        let exchange = Exchange { time_ms: self.now_ms - back_ms, ..exchange };
                        let mut slot = [0; 1_024];
                        let used = exchange.record().encode(&mut slot).unwrap();
                        assert!(append(&mut lanes[lane], Stream::Access, &slot[..used]));
                        self.exchanges.push(exchange);
                    }
                }
            }
        }
        self.now_ms += 1;
        match end {
            End::Crash => (),
            End::Stop => assert!(service.turn(self.now_ms, true)),
            End::Appending(rows) => {
                self.room.store(rows, Ordering::Relaxed);
                self.now_ms += RULES.window_ms + RULES.grace_ms;
                assert!(service.turn(self.now_ms, false));
                self.room.store(usize::MAX, Ordering::Relaxed);
            }
            End::BeforeCursor => {
                let cursors = [0, 1].map(|n| self.dir.path().join(format!("cursor-{READER}.{n}")));
                let before = cursors.each_ref().map(|path| std::fs::read(path).unwrap());
                self.now_ms += RULES.window_ms + RULES.grace_ms;
                assert!(service.turn(self.now_ms, false));
                drop(options);
                drop(lanes);
                journal.close();
                for (path, bytes) in cursors.iter().zip(before) {
                    std::fs::write(path, bytes).unwrap();
                }
            }
        }
    }
}

/// Appends bytes as they are.
fn append(lane: &mut Lane, stream: Stream, bytes: &[u8]) -> bool {
    let appended = lane.append(stream as u8, |out| {
        out.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(bytes.len())
    });
    appended == Appended::Stored
}

/// What must hold when everything has come to rest.
fn check(mut world: World) {
    world.now_ms += 1;
    world.live(Run { steps: vec![Step::Turn], end: End::Stop });
    let rows = world.rows.lock().unwrap().clone();
    let mut ids: Vec<RowId> = rows.iter().map(|row| row_id(row).unwrap()).collect();
    ids.sort_unstable();
    assert!(ids.is_sorted_by(|a, b| a < b), "a row stands twice in the journal");
    assert_eq!(sums(&rows), truth(&world.exchanges));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_row_stands_once_and_rows_add_up_to_records_whatever_happens(runs in runs()) {
        let mut world = World::new();
        for run in runs {
            world.live(run);
        }
        check(world);
    }
}

/// Some exchanges of the minute that is now, in both lanes.
fn some(count: u64) -> Step {
    let exchange = |n: u64| Exchange {
        time_ms: 0,
        name: usize::try_from(n).unwrap() % NAMES.len(),
        duration_us: 100 + n * n,
        status: 200,
    };
    Step::Exchanges((0..count).map(|n| (usize::from(n % 2 == 0), 0, exchange(n))).collect())
}

#[test]
fn an_orderly_run_has_one_part_of_each_minute_but_where_it_was_stopped() {
    let mut world = World::new();
    for _ in 0..3 {
        // Crashes do not cut minutes.
        world.live(Run { steps: vec![some(10), Step::Turn, Step::Pass(10_000)], end: End::Crash });
    }
    let parts = |world: &World| {
        let rows = world.rows.lock().unwrap();
        rows.iter().map(|row| Totals::decode(row).unwrap().0.part).collect::<Vec<_>>()
    };
    let steps = vec![Step::Turn, Step::Pass(60_000), Step::Turn];
    world.live(Run { steps, end: End::Crash });
    assert_eq!(parts(&world), [0; NAMES.len()], "one row for each name");
    world.live(Run { steps: vec![some(8)], end: End::Stop });
    world.live(Run { steps: vec![some(8)], end: End::Stop });
    assert_eq!(parts(&world).iter().filter(|part| **part > 0).count(), NAMES.len());
    check(world);
}

/// Changes the file of the state.
fn with_state(world: &World, change: impl FnOnce(&Path)) {
    change(&world.dir.path().join(STATE_FILE_NAME));
}

#[test]
fn a_state_that_is_damaged_or_gone_costs_no_closed_window_and_doubles_none() {
    for (name, change) in [
        ("gone", (|path| std::fs::remove_file(path).unwrap()) as fn(&Path)),
        ("damaged", |path| std::fs::write(path, b"lbproll1 and more").unwrap()),
    ] {
        let mut world = World::new();
        let steps = vec![some(12), Step::Turn, Step::Pass(70_000), Step::Turn, Step::Turn];
        world.live(Run { steps, end: End::Stop });
        let written = world.rows.lock().unwrap().len();
        assert_eq!(written, NAMES.len(), "{name}");
        with_state(&world, change);
        world.live(Run { steps: vec![some(8)], end: End::Stop });
        let rows = world.rows.lock().unwrap().clone();
        let ids: std::collections::HashSet<_> = rows.iter().map(|row| row_id(row)).collect();
        assert_eq!(ids.len(), rows.len(), "{name}");
        assert_eq!(sums(&rows), truth(&world.exchanges), "{name}");
    }
}

#[test]
fn rows_wait_while_the_journal_has_no_space() {
    let mut world = World::new();
    world.room.store(1, Ordering::Relaxed);
    let steps =
        vec![some(12), Step::Turn, Step::Pass(70_000), Step::Turn, Step::Pass(1), Step::Turn];
    world.live(Run { steps, end: End::Crash });
    assert_eq!(world.rows.lock().unwrap().len(), 1);
    world.room.store(usize::MAX, Ordering::Relaxed);
    check(world);
}

#[test]
fn no_row_is_appended_before_a_state_that_holds_it() {
    let mut world = World::new();
    world.settle = Duration::from_hours(1);
    let steps = vec![some(4), Step::Turn, Step::Pass(70_000), Step::Turn];
    world.live(Run { steps, end: End::Crash });
    let rows = |world: &World| world.rows.lock().unwrap().len();
    let before = rows(&world);
    assert_eq!(before, NAMES.len());
    // The next run appends, and from then on may not save; too many windows close the oldest.
    let old = (0..100).map(|minutes| {
        let exchange = Exchange { time_ms: 0, name: 0, duration_us: 1_000, status: 200 };
        (0, minutes * 60_000, exchange)
    });
    let steps = vec![
        some(4),
        Step::Turn,
        Step::Pass(70_000),
        Step::Turn,
        Step::Exchanges(old.collect()),
        Step::Turn,
    ];
    world.live(Run { steps, end: End::Crash });
    assert_eq!(rows(&world), before + NAMES.len());
    check(world);
}

#[test]
fn while_the_state_cannot_be_written_the_journal_is_let_go_and_nothing_is_doubled() {
    let mut world = World::new();
    let in_the_way = world.dir.path().join("rollup-state.new");
    world.live(Run { steps: vec![some(8), Step::Pass(70_000), Step::Turn], end: End::Stop });
    std::fs::create_dir(&in_the_way).unwrap();
    let steps = (0..20).flat_map(|_| [some(60), Step::Turn, Step::Pass(5_000)]).collect();
    world.live(Run { steps, end: End::Crash });
    let (journal, lanes, options) = world.open();
    let held = journal.figures().pending(READER);
    assert!(held < 20 * 60 / 4, "{held} records are held");
    drop((options, lanes, journal));

    std::fs::remove_dir(&in_the_way).unwrap();
    world.live(Run { steps: vec![some(8)], end: End::Stop });
    let rows = world.rows.lock().unwrap().clone();
    let ids: std::collections::HashSet<_> = rows.iter().map(|row| row_id(row)).collect();
    assert_eq!(ids.len(), rows.len());
    let truth = truth(&world.exchanges);
    for (key, have) in sums(&rows) {
        assert!(have.requests <= truth[&key].requests, "{key:?}");
    }
}
