//! Goal: damage costs what it covers, is counted by the number of records, and stops nothing. Method:
//! a small segment is cut at each byte and each bit of its frames is flipped, at the end of a lane and
//! before a later segment; then the losses that a count could miss, by name.

use std::path::PathBuf;

use super::super::folder::Opened;
use super::super::{From, recovery};
use super::disk::{self, Frame, HEADER};
use super::*;

/// A stopped journal, and one segment of it to be damaged.
struct Victim {
    dir: tempfile::TempDir,
    path: PathBuf,
    bytes: Vec<u8>,
    frames: Vec<Frame>,
    /// Numbers of the records of all others of the lane.
    others: Vec<(u8, u64)>,
}

/// What is left after damage.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    /// Stream and number of each record that is read.
    records: Vec<(u8, u64)>,
    /// Records known to be missing.
    missing: u64,
    /// Copies of segments that were kept: how many are the damaged one, and how many not.
    aside: (usize, usize),
}

impl Victim {
    /// The only segment of a lane, or one with a later one.
    fn new(is_followed: bool) -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let (journal, mut worker, control) = open(&options(dir.path(), 6));
        drop(journal.reader("ship").unwrap());
        for (stream, payload) in
            [(1, "one"), (2, "two"), (1, ""), (1, "four"), (3, "five 5"), (2, "6")]
        {
            assert_eq!(append(&mut worker, stream, payload.as_bytes()), Appended::Stored);
        }
        if is_followed {
            assert_eq!(append(&mut worker, 1, &[7; 4000]), Appended::Stored);
        }
        drop((worker, control));
        journal.close();
        let with_frames = disk::segments(dir.path()).into_iter().map(|path| {
            let bytes = std::fs::read(&path).unwrap();
            let is_taken = disk::header(&bytes).is_some_and(|header| header.is_taken);
            let frames = if is_taken { disk::frames(&bytes, HEADER) } else { Vec::new() };
            (path, bytes, frames)
        });
        let mut segments: Vec<_> =
            with_frames.filter(|(_, _, frames)| !frames.is_empty()).collect();
        segments.sort_by_key(|(_, _, frames)| frames.len());
        assert_eq!(segments.len(), 1 + usize::from(is_followed));
        let (path, bytes, frames) = segments.pop().unwrap();
        let others = segments.iter().flat_map(|(_, _, frames)| frames);
        let others = others.map(|frame| (frame.stream, frame.seq)).collect();
        Self { dir, path, bytes, frames, others }
    }

    /// Damages the segment, looks at what a start and a reader find, and mends it.
    fn damaged(&self, bytes: &[u8]) -> Left {
        std::fs::write(&self.path, bytes).unwrap();
        let folder = Arc::new(Opened::new(self.dir.path()).unwrap());
        let found =
            recovery::recover(self.dir.path(), &folder).expect("damage never stops a start");
        let mut records = Vec::new();
        let mut reader = Reader::open_directory(self.dir.path(), From::Oldest).unwrap();
        let visit = &mut |entry: super::super::Entry<'_>| records.push((entry.stream, entry.seq));
        while reader.read(1 << 20, visit).unwrap() > 0 {}
        assert_eq!(found.records, records.len() as u64);
        let folder = self.dir.path().join("damaged");
        let copies = std::fs::read_dir(&folder).into_iter().flatten();
        let mut aside = (0, 0);
        for entry in copies {
            let is_it = std::fs::read(entry.unwrap().path()).unwrap() == bytes;
            *(if is_it { &mut aside.0 } else { &mut aside.1 }) += 1;
        }
        let _ = std::fs::remove_dir_all(folder);
        std::fs::write(&self.path, &self.bytes).unwrap();
        Left { records, missing: found.damaged_records, aside }
    }

    /// The records of the frames that `keeps`, and of the other segments.
    fn records(&self, keeps: impl Fn(&Frame) -> bool) -> Vec<(u8, u64)> {
        let kept = self.frames.iter().filter(|frame| keeps(frame));
        kept.map(|frame| (frame.stream, frame.seq)).chain(self.others.iter().copied()).collect()
    }
}

#[test]
fn a_flipped_bit_costs_the_record_it_is_in_and_nothing_else() {
    for is_followed in [false, true] {
        let victim = Victim::new(is_followed);
        let end = victim.frames.last().unwrap().next() + 32;
        // Both header copies are looked at byte by byte in `format`.
        let header = (0..HEADER).step_by(97).map(|at| (at, at % 8));
        for (at, bit) in header.chain((HEADER..end).flat_map(|at| (0..8).map(move |bit| (at, bit))))
        {
            let mut bytes = victim.bytes.clone();
            bytes[at] ^= 1 << bit;
            let is_hit = |frame: &Frame| (frame.at..frame.end).contains(&at);
            let missing = u64::from(victim.frames.iter().any(is_hit));
            let want = Left {
                records: victim.records(|frame| !is_hit(frame)),
                missing,
                aside: (usize::from(missing > 0), 0),
            };
            assert_eq!(victim.damaged(&bytes), want, "bit {bit} of byte {at}, {is_followed}");
        }
    }
}

#[test]
fn a_cut_costs_what_is_behind_it_and_nothing_else() {
    for is_followed in [false, true] {
        let victim = Victim::new(is_followed);
        let end = victim.frames.last().unwrap().next() + 32;
        for at in (0..HEADER).step_by(97).chain(HEADER..end) {
            let left = victim.damaged(&victim.bytes[..at]);
            let is_readable = disk::header(&victim.bytes[..at]).is_some();
            let whole = |frame: &Frame| is_readable && frame.end <= at;
            assert_eq!(left.records, victim.records(whole), "cut at {at}, {is_followed}");
            let lost = victim.frames.iter().filter(|frame| !whole(frame)).count() as u64;
            // Behind the cut nothing tells how much there was, but for what follows.
            let is_torn = |frame: &Frame| (frame.at + 16..frame.end).contains(&at);
            let torn = u64::from(victim.frames.iter().any(is_torn));
            let (least, most) = if is_followed { (lost, lost) } else { (torn, lost.min(1)) };
            assert!((least..=most).contains(&left.missing), "cut at {at}: {left:?}");
            let is_kept = left.aside.0 == 1;
            assert!(is_kept || left.missing == 0 || !is_readable, "cut at {at}: {left:?}");
        }
    }
}

/// Opens a journal again, and says how many records it finds missing.
fn missing_at_start(options: &Options) -> u64 {
    let again = Options { metrics: Arc::default(), ..options.clone() };
    drop(open(&again));
    again.metrics.damaged_records_total.value()
}

/// Fills `segments` segments of the worker's lane, nine records each, and stops; files in order.
fn filled(options: &Options, segments: usize, acknowledged: usize) -> Vec<PathBuf> {
    let (journal, mut worker, control) = open(options);
    let mut reader = journal.reader("ship").unwrap();
    for _ in 0..segments * 9 {
        assert_eq!(append(&mut worker, 1, &[7; 430]), Appended::Stored);
    }
    if acknowledged > 0 {
        assert_eq!(reader.read(acknowledged * 430, &mut |_| ()).unwrap(), acknowledged);
        reader.acknowledge(&reader.positions(), "").unwrap();
    }
    drop((worker, control));
    journal.close();
    let mut files: Vec<_> = disk::segments(&options.dir)
        .into_iter()
        .filter_map(|path| {
            let header = disk::header(&std::fs::read(&path).unwrap())?;
            header.is_taken.then_some((header.ordinal, path))
        })
        .collect();
    files.sort();
    files.into_iter().map(|(_, path)| path).collect()
}

#[test]
fn every_record_of_a_lost_segment_is_counted_from_the_acknowledged_position_on() {
    // Segments of nine records; which file is lost, how many records are acknowledged, how many missing.
    for (name, lost, acknowledged, want) in [
        ("the first, and nothing is acknowledged", 0, 0, 9),
        ("the first, acknowledged in part", 0, 4, 5),
        ("the first, acknowledged", 0, 9, 0),
        ("one between, before it is read", 1, 4, 9),
        ("one between, acknowledged in part", 1, 13, 5),
        ("one between, acknowledged", 1, 20, 0),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path(), 12);
        let files = filled(&options, 3, acknowledged);
        std::fs::remove_file(&files[lost]).unwrap();
        assert_eq!(missing_at_start(&options), want, "{name}");
    }
}

#[test]
fn damage_in_use_is_counted_once_whoever_comes_by_and_however_often() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), 12);
    let (journal, mut worker, _control) = open(&options);
    let mut readers = ["ship", "rollup"].map(|name| journal.reader(name).unwrap());
    for _ in 0..30 {
        assert_eq!(append(&mut worker, 1, &[7; 430]), Appended::Stored);
    }
    let path = disk::segments(dir.path()).into_iter().find(|path| {
        let bytes = std::fs::read(path).unwrap();
        disk::header(&bytes).is_some_and(|header| header.is_taken) && bytes[HEADER + 20] == 7
    });
    let path = path.unwrap();
    disk::flip(&path, HEADER + 20, 1);
    disk::flip(&path, HEADER + 1000, 1);
    for reader in &mut readers {
        for _ in 0..3 {
            reader.rewind();
            assert_eq!(read_all(reader).len(), 28);
        }
        reader.acknowledge(&reader.positions(), "").unwrap();
        assert_eq!((reader.pending(), reader.damaged()), (0, 2));
    }
    assert_eq!(options.metrics.damaged_records_total.value(), 2);
}

#[test]
fn files_that_were_cut_do_not_let_a_journal_outgrow_its_size() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), 8);
    let (journal, mut worker, control) = open(&options);
    drop(journal.reader("ship").unwrap());
    for _ in 0..4 {
        assert_eq!(append(&mut worker, 1, &[7; 4000]), Appended::Stored);
    }
    drop((worker, control));
    journal.close();
    for path in disk::segments(dir.path()) {
        if disk::header(&std::fs::read(&path).unwrap()).is_some_and(|header| header.is_taken) {
            std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(4096).unwrap();
        }
    }
    let (journal, mut worker, _control) = open(&options);
    let mut reader = journal.reader("ship").unwrap();
    for _ in 0..40 {
        let _ = append(&mut worker, 1, &[7; 4000]);
        read_all(&mut reader);
        reader.acknowledge(&reader.positions(), "").unwrap();
    }
    let files = disk::segments(dir.path());
    let bytes: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(bytes <= options.bytes_max, "{bytes} bytes on the disk");
}

#[test]
fn the_number_of_a_record_that_was_too_large_is_not_counted_as_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut worker, control) = open(&options(dir.path(), 6));
    assert_eq!(append(&mut worker, 1, &[7; 5000]), Appended::Dropped);
    for payload in ["one", "two"] {
        assert_eq!(append(&mut worker, 1, payload.as_bytes()), Appended::Stored);
    }
    drop((worker, control));
    journal.close();
    let frames = |path: &PathBuf| disk::frames(&std::fs::read(path).unwrap(), HEADER);
    let segments = disk::segments(dir.path());
    let path = segments.iter().find(|path| frames(path).len() == 3).unwrap(); // the first tells of the gap
    disk::flip(path, frames(path)[1].at + 16, 3);
    let options = options(dir.path(), 6);
    drop(open(&options));
    assert_eq!(options.metrics.damaged_records_total.value(), 1);
}
