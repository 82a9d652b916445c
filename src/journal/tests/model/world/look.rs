//! What stands on the disk, held against the list: where records are, and what a reader without the lock
//! sees.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::super::super::super::{From, Reader};
use super::super::disk::{self, HEADER};
use super::super::expected::{Places, Use};
use super::checks::acked;
use super::{Name, World, read_some, take};

impl World {
    /// Finds on the disk what was stored since the last look, and what is gone.
    pub(super) fn locate(&mut self) {
        let mut found = Vec::new();
        for path in disk::segments(self.dir()) {
            let bytes = std::fs::read(&path).unwrap();
            if let Some(header) = disk::header(&bytes) {
                found.push((header, path.file_name().unwrap().to_owned(), bytes));
            }
        }
        found.sort_by_key(|(header, _, _)| header.name());
        let files = found.iter().map(|(header, file, _)| (file.clone(), header.name())).collect();
        for (header, file, bytes) in found.into_iter().filter(|(header, _, _)| header.is_taken) {
            let list = self.lists.get_mut(&header.key).expect("a lane that was never opened");
            let located = self.uses.values().filter(|usage| usage.key == header.key);
            let located = located.map(|usage| usage.records.end).max().unwrap_or(0);
            let usage = self.uses.entry(header.name()).or_insert_with(|| Use {
                file: file.clone(),
                key: header.key,
                records: located..located,
                end: HEADER,
                copies_hurt: [false; 2],
                is_there: true,
                is_littered: false,
            });
            assert_eq!(usage.file, file, "{:?} twice", header.name());
            let is_open = usage.records.end == located && located < list.records.len();
            let frames = if is_open { disk::frames(&bytes, usage.end) } else { Vec::new() };
            if let Some(first) = frames.first().filter(|_| usage.records.is_empty()) {
                // What is missing before it stood in segments that were used again since the last look.
                let is_it = |at: &usize| {
                    (list.records[*at].stream, list.records[*at].seq) == (first.stream, first.seq)
                };
                let at = (located..list.records.len()).find(is_it).expect("what nobody stored");
                list.overwrite(located..at, acked(&self.cursors, header.key).0);
                usage.records = at..at;
            }
            for frame in frames {
                let record = &mut list.records[usage.records.end];
                let stored = (record.stream, record.seq, &record.payload);
                assert_eq!((frame.stream, frame.seq, &frame.payload), stored, "on the disk");
                record.place = (frame.at, frame.end);
                usage.end = frame.next();
                usage.records.end += 1;
            }
        }
        for (key, list) in &mut self.lists {
            let uses = self.uses.values().filter(|usage| usage.key == *key);
            let located = uses.map(|usage| usage.records.end).max().unwrap_or(0);
            list.overwrite(located..list.records.len(), acked(&self.cursors, *key).0);
        }
        self.strike_out(&files);
    }

    /// Uses that are not on the disk any more must have been acknowledged by everybody. `files` tells
    /// the number of use of each that has a header.
    fn strike_out(&mut self, files: &BTreeMap<OsString, Name>) {
        for (name, usage) in &mut self.uses {
            let is_unreadable = !files.contains_key(&usage.file)
                && usage.copies_hurt == [true, true]
                && self.dir.path().join(&usage.file).is_file();
            if !usage.is_there || is_unreadable || files.get(&usage.file) == Some(name) {
                continue;
            }
            usage.is_there = false;
            let (acked, _) = acked(&self.cursors, usage.key);
            self.lists.get_mut(&usage.key).unwrap().overwrite(usage.records.clone(), acked);
        }
    }

    /// Somebody without the lock sees everything that is whole.
    pub(super) fn read_from_outside(&self) {
        let mut all = Reader::open_directory(self.dir(), From::Oldest).unwrap();
        let mut seen = Places::new();
        self.read_whole(&mut all, &mut seen);
        let mut missed = 0;
        for (key, list) in &self.lists {
            let uses = self.uses.values().filter(|usage| usage.key == *key && usage.is_present());
            let starts: Vec<_> = uses.map(|usage| usage.records.start).collect();
            if let (Some(&first), Some(&last)) = (starts.first(), starts.last()) {
                missed += list.damaged(first..last);
            }
        }
        assert_eq!(all.missed(), missed, "missed by a reader without the lock");
        let mut rest = Reader::open_unacknowledged(self.dir(), "ship").unwrap();
        self.read_whole(&mut rest, &mut self.cursors[1].acked.seen.clone());
    }

    fn read_whole(&self, reader: &mut Reader, seen: &mut Places) {
        let mut given = Vec::new();
        while read_some(reader, 5000, &mut given) > 0 {}
        for entry in &given {
            take(&self.lists, seen, entry);
        }
        for (key, list) in &self.lists {
            let seen = seen.get(key).copied().unwrap_or(0);
            // Damage in the newest segment may be its end: who has no part in the journal waits there.
            let uses = self.uses.values().filter(|usage| usage.key == *key && usage.is_present());
            let newest = uses.map(|usage| usage.records.start).max().unwrap_or(0);
            let at = list.next_whole(seen);
            let is_behind = at.is_some_and(|at| at > newest && list.damaged(newest..at) > 0);
            assert!(at.is_none() || is_behind, "{key:?}: {at:?} is not given from outside");
        }
    }
}
