//! A journal, its files and its readers beside the list of what was stored.

mod harm;
mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use super::super::super::reader::{Positions, Reader};
use super::super::super::{Identity, Journal, Lane, Options, lock, sync};
use super::super::{Appended, GAPS, Gap, TELLER, append, wait_until};
use super::disk::{self, Key};
use super::expected::{Fate, LaneList, Places, Record, Use, missing};
use super::{SIZE, Size, Step};
use crate::metrics::JournalMetrics;

const READERS: [&str; 2] = ["audit", "ship"];

/// A use of a segment: after damage to headers a later start may give a number again.
type Name = (Key, u64);

/// An entry as a reader gave it.
#[derive(Debug, PartialEq, Eq)]
struct Given {
    key: Key,
    stream: u8,
    seq: u64,
    payload: Vec<u8>,
}

/// What is known of a durable reader.
#[derive(Default)]
struct Cursor {
    reader: Option<Reader>,
    /// Where it reads, and where it certainly has passed.
    seen: Places,
    passed: Places,
    /// The same, acknowledged.
    acked: (Places, Places),
    /// What each of its files says.
    files: [Option<(Places, Places)>; 2],
    /// Earlier positions.
    earlier: Vec<(Positions, Places, Places)>,
    /// Records acknowledged since the start, and those that waited for it then.
    settled: u64,
    recovered: u64,
    /// Its files were damaged: it may lag behind what was used again.
    is_blurred: bool,
}

/// An open journal.
struct Live {
    journal: Journal,
    lanes: Vec<(Key, Lane)>,
    appended: u64,
    dropped: u64,
}

pub(super) struct World {
    dir: tempfile::TempDir,
    live: Option<Live>,
    lists: BTreeMap<Key, LaneList>,
    /// By lane and number of use.
    uses: BTreeMap<Name, Use>,
    cursors: [Cursor; 2],
    starts: BTreeSet<(u64, u16)>,
    /// Folders in the place of free segments.
    blocked: Vec<OsString>,
    made: u64,
}

/// Where disk is memory, if there is such a place.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Copies the files as they are at this moment.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&path, &target);
        } else {
            match std::fs::copy(path, target) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => (), // surplus
                copied => drop(copied.unwrap()),
            }
        }
    }
}

fn pick<T>(all: &[T], number: usize) -> Option<&T> {
    number.checked_rem(all.len()).map(|at| &all[at])
}

fn raise(places: &mut Places, to: &Places) {
    for (key, &at) in to {
        let known = places.entry(*key).or_insert(0);
        *known = at.max(*known);
    }
}

impl World {
    pub(super) fn new() -> Self {
        let mut world = Self {
            dir: folder(),
            live: None,
            lists: BTreeMap::new(),
            uses: BTreeMap::new(),
            cursors: Default::default(),
            starts: BTreeSet::new(),
            blocked: Vec::new(),
            made: 0,
        };
        world.start(SIZE);
        world
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Append { lane, stream, bytes, count } => {
                for _ in 0..count {
                    let _ = self.append(lane, stream, bytes);
                }
            }
            Step::Read { reader, bytes } => {
                self.read(reader % 2, bytes);
            }
            Step::Acknowledge { reader, back } => self.acknowledge(reader % 2, back),
            Step::Rewind(reader) => {
                let cursor = &mut self.cursors[reader % 2];
                cursor.reader.as_mut().unwrap().rewind();
                (cursor.seen, cursor.passed) = cursor.acked.clone();
            }
            Step::Reopen(reader) => self.reopen(reader % 2),
            Step::SyncError(lane) => self.fail_sync(lane),
            Step::NoSpace(number) => self.block(number),
            Step::Space => self.unblock(),
            Step::Damage(damage) => self.damage_in_use(&damage),
            Step::Crash { damage, size } => {
                self.crash();
                for damage in damage {
                    self.damage(&damage, false);
                }
                self.start(size);
            }
        }
        self.check();
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn append(&mut self, lane: usize, stream: u8, bytes: usize) -> Appended {
        let live = self.live.as_mut().unwrap();
        let lanes = live.lanes.len();
        let (key, lane) = &mut live.lanes[lane % lanes];
        self.made += 1;
        let mut payload = format!("{} ", self.made).into_bytes();
        payload.resize(payload.len().max(bytes), b'.');
        if bytes == 0 {
            payload.clear();
        }
        let appended = append(lane, stream, &payload);
        let list = self.lists.get_mut(key).unwrap();
        let mut store = |list: &mut LaneList, stream: u8, payload| {
            let seq = list.next_seq[usize::from(stream)];
            list.next_seq[usize::from(stream)] += 1;
            live.appended += 1;
            let (fate, has_head, place) = (Fate::Whole, false, (0, 0));
            list.records.push(Record { stream, seq, payload, fate, has_head, place });
        };
        for _ in 0..lane.take_told() {
            let of = list.untold.iter().position(|&count| count > 0).expect("nothing to tell of");
            let count = std::mem::take(&mut list.untold[of]);
            let first_seq = list.next_seq[of] - count;
            let gap = Gap { lane: key.2, stream: u8::try_from(of).unwrap(), first_seq, count };
            store(list, GAPS, format!("{gap:?}").into_bytes());
        }
        if appended == Appended::Stored {
            assert!(list.untold.iter().all(|&count| count == 0), "a gap is told before it ends");
            store(list, stream, payload);
        } else {
            live.dropped += 1;
            list.next_seq[usize::from(stream)] += 1;
            list.untold[usize::from(stream)] += 1;
        }
        appended
    }

    fn read(&mut self, reader: usize, bytes: usize) -> usize {
        let cursor = &mut self.cursors[reader];
        let mut given = Vec::new();
        let count = read_some(cursor.reader.as_mut().unwrap(), bytes, &mut given);
        assert_eq!(count, given.len());
        for entry in &given {
            take(&self.lists, &mut cursor.seen, entry);
        }
        for (key, list) in &self.lists {
            let seen = cursor.seen.get(key).copied().unwrap_or(0);
            let next = list.next_whole(seen);
            assert!(count > 0 || next.is_none(), "{key:?}: at its end before the list is");
            cursor.passed.insert(*key, next.unwrap_or(list.records.len()));
        }
        count
    }

    fn acknowledge(&mut self, reader: usize, back: usize) {
        let heads = self.cursor_heads(reader);
        let before = disk::newest_cursor(self.dir(), READERS[reader], self.usable(reader));
        let cursor = &mut self.cursors[reader];
        let open = cursor.reader.as_mut().unwrap();
        cursor.earlier.push((open.positions(), cursor.seen.clone(), cursor.passed.clone()));
        let at = cursor.earlier.len() - 1 - back.min(cursor.earlier.len() - 1);
        let (positions, seen, passed) = &cursor.earlier[at];
        let acked = cursor.acked.0.clone();
        open.acknowledge(positions, &format!("note {}", self.made)).unwrap();
        raise(&mut cursor.acked.0, seen);
        raise(&mut cursor.acked.1, passed);
        raise(&mut cursor.acked.1, seen);
        for (key, &to) in &cursor.acked.0 {
            let from = acked.get(key).copied().unwrap_or(0);
            cursor.settled += self.lists[key].records[from..to]
                .iter()
                .filter(|record| matches!(record.fate, Fate::Whole | Fate::Hurt))
                .count() as u64;
        }
        assert_eq!(self.note_cursor_files(reader, &heads), 1, "one of the two files");
        let newest = disk::newest_cursor(self.dir(), READERS[reader], self.usable(reader));
        assert!(before.is_none() || newest != before, "the newest is never overwritten");
    }

    /// The beginnings of the files of a cursor.
    fn cursor_heads(&self, reader: usize) -> [Vec<u8>; 2] {
        [0, 1].map(|file| {
            let path = self.dir().join(format!("cursor-{}.{file}", READERS[reader]));
            let mut head = std::fs::read(path).unwrap_or_default();
            head.resize(32, 0);
            head
        })
    }

    /// Takes note of what was stored since the files of a cursor began so; says how many were.
    fn note_cursor_files(&mut self, reader: usize, before: &[Vec<u8>; 2]) -> usize {
        let now = self.cursor_heads(reader);
        let changed: Vec<_> = (0..2).filter(|&file| now[file] != before[file]).collect();
        let cursor = &mut self.cursors[reader];
        for &file in &changed {
            cursor.files[file] = Some(cursor.acked.clone());
        }
        changed.len()
    }

    /// The files of a cursor that hold something whole.
    fn usable(&self, reader: usize) -> [bool; 2] {
        self.cursors[reader].files.each_ref().map(Option::is_some)
    }

    fn reopen(&mut self, reader: usize) {
        let heads = self.cursor_heads(reader);
        let live = self.live.as_ref().unwrap();
        let cursor = &mut self.cursors[reader];
        cursor.reader = None;
        cursor.earlier.clear();
        cursor.reader = Some(live.journal.reader(READERS[reader]).unwrap());
        (cursor.seen, cursor.passed) = cursor.acked.clone();
        self.note_cursor_files(reader, &heads); // it may store where it stands
    }

    /// The next sync of a lane's segment fails; the lane has to go on in another.
    fn fail_sync(&mut self, lane: usize) {
        let live = self.live.as_ref().unwrap();
        let key = live.lanes[lane % live.lanes.len()].0;
        let segments = lock(&live.journal.shared.registry).segments.clone();
        let active = segments
            .iter()
            .filter(|segment| segment.key.lane == key.2 && segment.taken().is_some())
            .find(|segment| !segment.is_sealed());
        if let Some(active) = active.filter(|active| active.dirty().is_some()) {
            active.break_sync();
            sync::sync_all(&live.journal.shared);
            assert!(active.is_failed(), "a failed sync is noticed");
        }
    }

    /// Puts a folder in the place of a free segment.
    fn block(&mut self, number: usize) {
        let registry = lock(&self.live.as_ref().unwrap().journal.shared.registry);
        let free: Vec<_> = registry.free.iter().map(|free| free.number).collect();
        if let Some(number) = pick(&free, number) {
            let path = self.dir.path().join(format!("segment-{number:08}"));
            if path.is_file() {
                std::fs::remove_file(&path).unwrap();
                std::fs::create_dir(&path).unwrap();
                self.blocked.push(path.file_name().unwrap().to_owned());
            }
        }
    }

    fn unblock(&mut self) {
        for name in self.blocked.drain(..) {
            std::fs::remove_dir(self.dir.path().join(name)).unwrap();
        }
    }

    /// The process is gone: its files are as they are at this moment.
    fn crash(&mut self) {
        let next = folder();
        copy(self.dir(), next.path());
        for cursor in &mut self.cursors {
            cursor.reader = None;
        }
        let Live { journal, lanes, .. } = self.live.take().unwrap();
        drop(lanes);
        journal.close();
        self.dir = next;
        self.locate();
    }

    fn start(&mut self, size: Size) {
        for usage in self.uses.values_mut().filter(|usage| !usage.is_present() && usage.is_there) {
            // Headers are read at a start only.
            for record in
                &mut self.lists.get_mut(&usage.key).unwrap().records[usage.records.clone()]
            {
                if record.fate == Fate::Whole {
                    record.fate = Fate::Hurt;
                }
            }
            usage.is_there = false; // free from now on
        }
        for record in self.lists.values_mut().flat_map(|list| &mut list.records) {
            if record.fate == Fate::Hurt {
                record.fate = Fate::Lost;
            }
        }
        self.load_cursors();
        self.read_from_outside();
        let metrics = Arc::new(JournalMetrics::default());
        let options = Options {
            dir: self.dir().to_owned(),
            bytes_max: size.segments * u64::from(size.segment_pages) * 4096,
            segment_bytes: size.segment_pages * 4096,
            sync_every: std::time::Duration::from_hours(1),
            workers: size.workers,
            preamble: b"constant".to_vec(),
            teller: Some(TELLER),
            metrics: Arc::clone(&metrics),
        };
        let (journal, lanes) = Journal::open(options).expect("damage never stops a start");
        let Identity { instance, epoch } = journal.identity();
        assert!(self.starts.insert((instance, epoch)), "an identity twice");
        let lanes: Vec<_> =
            lanes.into_iter().map(|lane| ((instance, epoch, lane.id()), lane)).collect();
        self.check_recovery(&metrics);
        for (key, _) in &lanes {
            assert!(self.lists.insert(*key, LaneList::new()).is_none());
        }
        self.live = Some(Live { journal, lanes, appended: 0, dropped: 0 });
        for reader in 0..READERS.len() {
            self.cursors[reader].settled = 0;
            self.cursors[reader].recovered = self.unsettled(reader).0;
            self.reopen(reader);
        }
        self.check();
    }

    /// What the cursors' files say.
    fn load_cursors(&mut self) {
        for (reader, name) in READERS.iter().enumerate() {
            let newest = disk::newest_cursor(self.dir.path(), name, self.usable(reader));
            let cursor = &mut self.cursors[reader];
            let acked = newest.and_then(|file| cursor.files[file].clone()).unwrap_or_default();
            cursor.is_blurred |= cursor.acked != acked;
            cursor.acked = acked;
        }
    }

    fn check_recovery(&self, metrics: &JournalMetrics) {
        let (mut whole, mut least, mut most) = (0, 0, 0);
        for (key, list) in &self.lists {
            let (seen, passed) = acked(&self.cursors, *key);
            let (seen, passed) = (seen.min(list.records.len()), passed.min(list.records.len()));
            whole += list.whole(seen..list.records.len());
            let uses: Vec<_> = self.uses.values().filter(|usage| usage.key == *key).collect();
            let (at_least, at_most) = missing(list, &uses, seen, passed);
            least += at_least;
            most += at_most;
        }
        assert_eq!(metrics.recovered_total.value(), whole, "records that wait");
        if self.cursors.iter().all(|cursor| !cursor.is_blurred) {
            let missing = metrics.damaged_records_total.value();
            assert!((least..=most).contains(&missing), "{missing} missing, not {least} to {most}");
        }
        let aside = self.dir().join("damaged");
        let kept = std::fs::read_dir(aside).map_or(0, Iterator::count);
        assert!(kept <= 8, "{kept} kept aside");
        assert!(kept > 0 || metrics.damaged_segments_total.value() == 0, "none kept aside");
    }

    /// Records behind the acknowledged position of a reader: at least and at most.
    fn unsettled(&self, reader: usize) -> (u64, u64) {
        let cursor = &self.cursors[reader];
        let (mut least, mut hurt) = (0, 0);
        for (key, list) in &self.lists {
            let seen = cursor.acked.0.get(key).copied().unwrap_or(0);
            least += list.whole(seen..list.records.len());
            hurt += list.records.iter().filter(|record| record.fate == Fate::Hurt).count() as u64;
        }
        (least, least + hurt)
    }

    /// What must hold at any moment.
    fn check(&self) {
        let live = self.live.as_ref().unwrap();
        let figures = live.journal.figures();
        assert_eq!(figures.metrics().appended_total.value(), live.appended);
        assert_eq!(figures.metrics().dropped_full_total.value(), live.dropped);
        for (reader, name) in READERS.iter().enumerate() {
            let cursor = &self.cursors[reader];
            let (least, most) = self.unsettled(reader);
            let pending = figures.pending(name);
            assert!(
                (least..=most).contains(&pending),
                "{name}: {pending} wait, not {least} to {most}"
            );
            if least == most {
                let (left, right) = (cursor.recovered + live.appended, cursor.settled + pending);
                assert_eq!(left, right, "{name}: recovered + journaled = settled + pending");
            }
        }
    }

    /// After one more start all is read, and there is space again and again.
    pub(super) fn finish(mut self) {
        self.crash();
        self.unblock();
        self.start(SIZE);
        for _ in 0..12 {
            for reader in 0..READERS.len() {
                while self.read(reader, 1 << 20) > 0 {}
                self.acknowledge(reader, 0);
                let pending = self.cursors[reader].reader.as_ref().unwrap().pending();
                assert_eq!(pending, 0, "all is acknowledged");
            }
            self.check();
            for lane in 0..2 {
                let mut left = 10;
                wait_until("space returns", || {
                    left -= u32::from(self.append(lane, 1, 500) == Appended::Stored);
                    left == 0
                });
            }
        }
    }
}

/// What every reader has acknowledged of a lane.
fn acked(cursors: &[Cursor; 2], key: Key) -> (usize, usize) {
    let least = |places: fn(&Cursor) -> &Places| {
        cursors.iter().map(|cursor| places(cursor).get(&key).copied().unwrap_or(0)).min().unwrap()
    };
    (least(|cursor| &cursor.acked.0), least(|cursor| &cursor.acked.1))
}

fn read_some(reader: &mut Reader, bytes: usize, given: &mut Vec<Given>) -> usize {
    let visit = &mut |entry: super::super::super::Entry<'_>| {
        assert_eq!(&entry.preamble[..], b"constant");
        given.push(Given {
            key: (entry.instance, entry.epoch, entry.lane),
            stream: entry.stream,
            seq: entry.seq,
            payload: entry.payload.to_vec(),
        });
    };
    reader.read(bytes, visit).unwrap()
}

/// The entry must be the next whole record of its lane.
fn take(lists: &BTreeMap<Key, LaneList>, seen: &mut Places, entry: &Given) {
    let list = lists.get(&entry.key).expect("an entry of a lane that never was");
    let from = seen.entry(entry.key).or_insert(0);
    let at = list.next_whole(*from);
    let want = at.map(|at| &list.records[at]);
    let is_next = want.is_some_and(|want| {
        (want.stream, want.seq) == (entry.stream, entry.seq) && want.payload == entry.payload
    });
    assert!(is_next, "after {from} comes {want:?}, not {entry:?}");
    *from = at.unwrap() + 1;
}
