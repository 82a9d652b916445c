//! The end of a process, and the start of the next.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::super::super::{Identity, Options, open};
use super::super::super::{Appended, TELLER};
use super::super::disk;
use super::super::expected::{Fate, LaneList};
use super::super::{SIZE, Size};
use super::{Live, READERS, World};
use crate::metrics::JournalMetrics;

impl Size {
    pub(super) fn bytes_max(self) -> u64 {
        self.segments * u64::from(self.segment_pages) * 4096
    }
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
            std::fs::copy(path, target).unwrap();
        }
    }
}

impl World {
    pub(in super::super) fn new() -> Self {
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

    /// The process is gone in the middle of an append: its files are as they were at that moment.
    pub(super) fn crash(&mut self) {
        let (from, next) = (self.dir().to_owned(), folder());
        let mut is_copied = false;
        let appended = self.append_by(0, 1, Vec::new(), |into| {
            let half = into.len() / 2;
            into[..half].fill(b'!');
            if !std::mem::replace(&mut is_copied, true) {
                copy(&from, next.path());
            }
            None
        });
        if !is_copied {
            copy(&from, next.path()); // it had no space to begin with
        } else if appended == Appended::Dropped {
            // After that moment, and not as a page of the copy has it.
            let key = self.live.as_ref().unwrap().lanes[0].0;
            let list = self.lists.get_mut(&key).unwrap();
            list.untold[1] -= 1;
            list.next_seq[1] -= 1;
        }
        self.close();
        self.dir = next;
        self.locate();
    }

    pub(super) fn close(&mut self) {
        for cursor in &mut self.cursors {
            cursor.reader = None;
        }
        let Live { journal, lanes, .. } = self.live.take().unwrap();
        drop(lanes);
        journal.close();
    }

    pub(super) fn start(&mut self, size: Size) {
        self.settle_damage();
        self.load_cursors();
        self.read_from_outside();
        let metrics = Arc::new(JournalMetrics::default());
        let options = Options {
            dir: self.dir().to_owned(),
            bytes_max: size.bytes_max(),
            segment_bytes: size.segment_pages * 4096,
            sync_every: Duration::from_hours(1),
            workers: size.workers,
            preamble: b"constant".to_vec(),
            teller: Some(TELLER),
            metrics: Arc::clone(&metrics),
        };
        let opened = open::open_by_hand(options, self.starts.len() as u64);
        let (journal, lanes) = opened.expect("damage never stops a start");
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
        let lanes = &mut self.live.as_mut().unwrap().lanes;
        let (key, told) = lanes.last_mut().map(|(key, lane)| (*key, lane.take_told())).unwrap();
        self.note_told(key, told, true);
        self.check();
    }

    /// What was damaged so far is what a start finds.
    fn settle_damage(&mut self) {
        for usage in self.uses.values_mut().filter(|usage| usage.is_there && !usage.is_present()) {
            // Headers are read at a start only.
            let list = self.lists.get_mut(&usage.key).unwrap();
            for record in &mut list.records[usage.records.clone()] {
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
    }

    /// What the files of the cursors say.
    fn load_cursors(&mut self) {
        for (reader, name) in READERS.iter().enumerate() {
            let newest = disk::newest_cursor(self.dir.path(), name, self.usable(reader));
            let cursor = &mut self.cursors[reader];
            let acked = newest.and_then(|file| cursor.files[file].clone()).unwrap_or_default();
            cursor.is_blurred |= cursor.acked != acked;
            cursor.acked = acked;
        }
    }
}
