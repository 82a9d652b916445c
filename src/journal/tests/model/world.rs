//! A journal, its files and its readers beside the list of what was stored.

mod checks;
mod harm;
mod look;
mod start;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::super::super::reader::{Positions, Reader};
use super::super::super::{Entry, Identity, Journal, Lane, lock, prepare, sync};
use super::super::{Appended, GAPS, Gap};
use super::disk::{self, Key};
use super::expected::{Fate, LaneList, Places, Record, Use};
use super::{SIZE, Step};

const READERS: [&str; 2] = ["audit", "ship"];
/// Longer than any run: what failed is tried again in [`World::background`] only.
const LATER: Duration = Duration::from_hours(1);

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

/// Where a reader stands in every lane: behind the last record it was given, and as far as it may have
/// passed damage behind that.
#[derive(Debug, Clone, Default, PartialEq)]
struct Stand {
    seen: Places,
    passed: Places,
}

/// What is known of a durable reader.
#[derive(Default)]
struct Cursor {
    reader: Option<Reader>,
    at: Stand,
    acked: Stand,
    /// What each of its files says.
    files: [Option<Stand>; 2],
    /// Where it stood after each read since it began.
    earlier: Vec<(Positions, Stand)>,
    /// Records acknowledged since the start, and those that waited for it then.
    settled: u64,
    recovered: u64,
    /// Its files were damaged: it may lag behind what was used again.
    is_blurred: bool,
}

impl Cursor {
    /// It reads on from what it has acknowledged.
    fn begin(&mut self) {
        self.at = self.acked.clone();
        let positions = self.reader.as_ref().unwrap().positions();
        self.earlier = vec![(positions, self.at.clone())];
    }
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
            Step::Acknowledge { reader, back, again } => {
                self.acknowledge(reader % 2, back);
                self.acknowledge(reader % 2, back + again);
            }
            Step::CatchUp => self.catch_up(),
            Step::Rewind(reader) => {
                let cursor = &mut self.cursors[reader % 2];
                cursor.reader.as_mut().unwrap().rewind();
                cursor.begin();
            }
            Step::Reopen(reader) => self.reopen(reader % 2),
            Step::Background => self.background(),
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
            Step::Reload(size) => {
                self.close();
                self.locate();
                self.start(size);
            }
        }
        self.check();
    }

    /// After one more start all is read, and there is space again and again.
    pub(super) fn finish(mut self) {
        self.crash();
        self.unblock();
        self.start(SIZE);
        for _ in 0..8 {
            self.catch_up();
            self.check();
            for lane in 0..2 {
                for _ in 0..10 {
                    self.background();
                    assert_eq!(self.append(lane, 1, 500), Appended::Stored, "there is space");
                }
            }
        }
        let files = disk::segments(self.dir());
        let bytes: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
        assert!(bytes <= SIZE.bytes_max(), "{bytes} bytes on the disk");
    }

    /// All is read and acknowledged.
    fn catch_up(&mut self) {
        for reader in 0..READERS.len() {
            while self.read(reader, 1 << 20) > 0 {}
            self.acknowledge(reader, 0);
            let pending = self.cursors[reader].reader.as_ref().unwrap().pending();
            assert_eq!(pending, 0, "all is acknowledged");
        }
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn append(&mut self, lane: usize, stream: u8, bytes: usize) -> Appended {
        self.made += 1;
        let mut payload = format!("{} ", self.made).into_bytes();
        payload.resize(payload.len().max(bytes), b'.');
        if bytes == 0 {
            payload.clear();
        }
        self.append_by(lane, stream, payload.clone(), |into| {
            into.get_mut(..payload.len())?.copy_from_slice(&payload);
            Some(payload.len())
        })
    }

    /// Appends `payload`, which `fill` writes.
    fn append_by(
        &mut self,
        lane: usize,
        stream: u8,
        payload: Vec<u8>,
        fill: impl FnMut(&mut [u8]) -> Option<usize>,
    ) -> Appended {
        let live = self.live.as_mut().unwrap();
        let lanes = live.lanes.len();
        let (key, lane) = &mut live.lanes[lane % lanes];
        let appended = lane.append(stream, fill);
        lock(&live.journal.shared.retry).put_off(LATER);
        let key = *key;
        let told = lane.take_told();
        let own = self.lists[&key].untold.iter().filter(|&&count| count > 0).count() as u64;
        let own = own.min(told);
        self.note_told(key, own, false);
        let live = self.live.as_mut().unwrap();
        let list = self.lists.get_mut(&key).unwrap();
        if appended == Appended::Stored {
            assert!(list.untold.iter().all(|&count| count == 0), "a gap is told before it ends");
            list.store(stream, payload);
            live.appended += 1;
            self.note_told(key, told - own, true);
        } else {
            live.dropped += 1;
            list.next_seq[usize::from(stream)] += 1;
            list.untold[usize::from(stream)] += 1;
        }
        appended
    }

    /// A lane has told of so many gaps of its own, or of what earlier starts left.
    fn note_told(&mut self, key: Key, told: u64, is_left: bool) {
        for _ in 0..told {
            let is_meant = |(other, list): &(&Key, &LaneList)| {
                let is_earlier = (other.0, other.1) != (key.0, key.1);
                let is_untold = list.untold.iter().any(|&count| count > 0);
                is_untold && if is_left { is_earlier } else { **other == key }
            };
            let whose = *self.lists.iter().find(is_meant).expect("nothing to tell of").0;
            let list = self.lists.get_mut(&whose).unwrap();
            let of = list.untold.iter().position(|&count| count > 0).unwrap();
            let count = std::mem::take(&mut list.untold[of]);
            let earlier = is_left.then_some(Identity { instance: whose.0, epoch: whose.1 });
            let (lane, stream) = (whose.2, u8::try_from(of).unwrap());
            let gap = Gap { earlier, lane, stream, first_seq: list.next_seq[of] - count, count };
            let teller = self.lists.get_mut(&key).unwrap();
            teller.store(GAPS, format!("{gap:?}").into_bytes());
            self.live.as_mut().unwrap().appended += 1;
        }
    }

    fn read(&mut self, reader: usize, bytes: usize) -> usize {
        let cursor = &mut self.cursors[reader];
        let open = cursor.reader.as_mut().unwrap();
        let mut given = Vec::new();
        let count = read_some(open, bytes, &mut given);
        assert_eq!(count, given.len());
        for entry in &given {
            take(&self.lists, &mut cursor.at.seen, entry);
        }
        for (key, list) in &self.lists {
            let seen = cursor.at.seen.get(key).copied().unwrap_or(0);
            let next = list.next_whole(seen);
            assert!(count > 0 || next.is_none(), "{key:?}: at its end before the list is");
            cursor.at.passed.insert(*key, next.unwrap_or(list.records.len()));
        }
        cursor.earlier.push((open.positions(), cursor.at.clone()));
        count
    }

    fn acknowledge(&mut self, reader: usize, back: usize) {
        let heads = self.cursor_heads(reader);
        let before = disk::newest_cursor(self.dir(), READERS[reader], self.usable(reader));
        let cursor = &mut self.cursors[reader];
        let at = cursor.earlier.len() - 1 - back.min(cursor.earlier.len() - 1);
        let (positions, stand) = &cursor.earlier[at];
        let acked = cursor.acked.seen.clone();
        let open = cursor.reader.as_mut().unwrap();
        open.acknowledge(positions, &format!("note {}", self.made)).unwrap();
        raise(&mut cursor.acked.seen, &stand.seen);
        raise(&mut cursor.acked.passed, &stand.passed);
        for (key, &to) in &cursor.acked.seen {
            let from = acked.get(key).copied().unwrap_or(0);
            let settled = |record: &&Record| matches!(record.fate, Fate::Whole | Fate::Hurt);
            let records = &self.lists[key].records[from..to];
            cursor.settled += records.iter().filter(settled).count() as u64;
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
        cursor.reader = Some(live.journal.reader(READERS[reader]).unwrap());
        cursor.begin();
        self.note_cursor_files(reader, &heads); // it may store where it stands
    }

    /// What the threads of the journal do when they wake, some time later.
    fn background(&mut self) {
        let shared = &self.live.as_ref().unwrap().journal.shared;
        lock(&shared.retry).put_off(Duration::ZERO);
        prepare::turn(shared);
        sync::sync_all(shared);
        lock(&shared.retry).put_off(LATER);
    }

    /// The next sync of a lane's segment fails; the lane has to go on in another.
    fn fail_sync(&mut self, lane: usize) {
        let live = self.live.as_ref().unwrap();
        let key = live.lanes[lane % live.lanes.len()].0;
        let segments = lock(&live.journal.shared.registry).segments.clone();
        let active = segments
            .iter()
            .filter(|segment| segment.key.lane == key.2 && segment.taken().is_some())
            .find(|segment| !segment.says.is_sealed());
        if let Some(active) = active.filter(|active| active.dirty().is_some()) {
            let filled = active.says.progress();
            active.break_sync();
            sync::sync_all(&live.journal.shared);
            let _ = self.append(lane, 1, 100);
            assert_eq!(active.says.progress(), filled, "the lane goes on in another segment");
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
}

fn read_some(reader: &mut Reader, bytes: usize, given: &mut Vec<Given>) -> usize {
    let visit = &mut |entry: Entry<'_>| {
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
