//! Append, read, acknowledge, reopen, retention.

use std::sync::atomic::{AtomicU64, Ordering};

use super::super::{From, NOTE_BYTES_MAX, OpenError};
use super::*;

#[test]
fn records_come_back_in_order_with_their_identity() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut worker, mut control) = open(&options(dir.path(), 12));
    let mut reader = journal.reader("ship").unwrap();
    for number in 0..500_u32 {
        assert_eq!(append(&mut worker, 1, &number.to_le_bytes()), Appended::Stored);
        if number % 10 == 0 {
            assert_eq!(append(&mut worker, 2, b"connection"), Appended::Stored);
            assert_eq!(append(&mut control, 3, b"gap"), Appended::Stored);
        }
    }
    assert_eq!(reader.pending(), 600);
    let entries = read_all(&mut reader);
    assert_eq!(entries.len(), 600);
    assert_eq!(seqs(&entries, 1), (1..=500).collect::<Vec<_>>());
    assert_eq!(seqs(&entries, 2), (1..=50).collect::<Vec<_>>());
    assert_eq!(seqs(&entries, 3), (1..=50).collect::<Vec<_>>());
    for entry in entries.iter().filter(|entry| entry.stream == 1) {
        assert_eq!((entry.epoch, entry.lane), (1, 0));
        assert_eq!(entry.payload, (u32::try_from(entry.seq).unwrap() - 1).to_le_bytes());
    }
    assert!(entries.iter().filter(|e| e.stream == 3).all(|e| e.lane == super::super::CONTROL_LANE));
    journal.figures().metrics();
    assert_eq!(journal.shared.metrics.appended_total.value(), 600);
}

#[test]
fn acknowledged_records_stay_away_after_a_restart_and_others_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), 12);
    let (journal, mut worker, control) = open(&options);
    let mut reader = journal.reader("ship").unwrap();
    for _ in 0..40 {
        let _ = append(&mut worker, 1, &[7; 200]);
    }
    assert_eq!(reader.read(2000, &mut |_| ()).unwrap(), 10);
    reader.acknowledge(&reader.positions(), "index-000001").unwrap();
    assert_eq!(read_all(&mut reader).len(), 30);
    assert_eq!(reader.pending(), 30, "read, but not acknowledged");
    reader.rewind();
    assert_eq!(read_all(&mut reader).len(), 30);
    drop((worker, control));
    journal.close();
    assert!(reader.acknowledge(&reader.positions(), "").is_err(), "closed");
    drop(reader);

    let (journal, mut worker, _control) = open(&options);
    assert_eq!(journal.identity().epoch, 2);
    assert_eq!(options.metrics.recovered_total.value(), 30);
    let mut reader = journal.reader("ship").unwrap();
    assert_eq!((reader.note(), reader.pending()), ("index-000001", 30));
    let _ = append(&mut worker, 1, b"new");
    let entries = read_all(&mut reader);
    let old: Vec<_> = entries.iter().filter(|entry| entry.epoch == 1).cloned().collect();
    assert_eq!(seqs(&old, 1), (11..=40).collect::<Vec<_>>());
    assert_eq!(entries.len(), 31);
    reader.acknowledge(&reader.positions(), "index-000002").unwrap();
    assert_eq!((reader.pending(), reader.missed()), (0, 0));
}

#[test]
fn a_full_journal_drops_the_newest_and_says_exactly_which() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), 6);
    let (journal, mut worker, _control) = open(&options);
    let mut reader = journal.reader("ship").unwrap();
    let (mut stored, mut dropped) = (0, 0);
    while dropped < 25 {
        match append(&mut worker, 1, &[1; 100]) {
            Appended::Stored => stored += 1,
            Appended::Dropped => dropped += 1,
        }
    }
    let _ = append(&mut worker, 2, &[1; 100]);
    assert_eq!(reader.pending(), stored);
    let entries = read_all(&mut reader);
    assert_eq!(seqs(&entries, 1), (1..=stored).collect::<Vec<_>>());
    reader.acknowledge(&reader.positions(), "").unwrap();
    wait_until("space returns", || {
        let appended = append(&mut worker, 1, &[2; 100]);
        dropped += u64::from(appended == Appended::Dropped);
        appended == Appended::Stored
    });
    assert_eq!(append(&mut worker, 1, &[2; 100]), Appended::Stored);
    assert_eq!(append(&mut worker, 2, &[2; 100]), Appended::Stored);
    let (entries, after) = (read_all(&mut reader), stored + dropped);
    let streams: Vec<_> = entries.iter().map(|entry| entry.stream).collect();
    assert_eq!(streams, [GAPS, GAPS, 1, 1, 2], "gaps of every stream are told first, and once");
    assert_eq!(told(&entries), [gap(1, stored + 1, dropped), gap(2, 1, 1)]);
    assert_eq!((worker.take_told(), worker.take_told()), (2, 0));
    assert_eq!(seqs(&entries, 1), [after + 1, after + 2]);
    journal.figures().metrics();
    assert_eq!(options.metrics.dropped_full_total.value(), dropped + 1);
    assert_eq!(options.metrics.appended_total.value(), stored + 5);
    assert_eq!(reader.missed(), 0);
}

/// Goal: what a start dropped last is told by a later one, whether it was closed or killed. Method: a
/// kill is a copy of the files at that moment.
#[test]
fn what_was_dropped_at_the_end_is_told_once_by_the_next_start() {
    for is_killed in [false, true] {
        let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (journal, mut worker, control) = open(&options(dir.path(), 6));
        let reader = journal.reader("ship").unwrap();
        let (mut stored, mut dropped) = (0, 0);
        while dropped < 25 {
            match append(&mut worker, 1, &[1; 100]) {
                Appended::Stored => stored += 1,
                Appended::Dropped => dropped += 1,
            }
        }
        let start = journal.identity();
        let dir = if is_killed {
            for entry in std::fs::read_dir(dir.path()).unwrap() {
                let path = entry.unwrap().path();
                std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
            }
            copy.path()
        } else {
            dir.path()
        };
        drop((reader, worker, control, journal));

        // One that finds no space either, for nobody has read anything.
        let (journal, worker, control) = open(&options(dir, 6));
        drop((worker, control, journal));
        let (journal, worker, mut control) = open(&options(dir, 6));
        let mut reader = journal.reader("ship").unwrap();
        let mut entries = read_all(&mut reader);
        reader.acknowledge(&reader.positions(), "").unwrap();
        wait_until("space returns", || append(&mut control, 2, &[2; 100]) == Appended::Stored);
        entries.extend(read_all(&mut reader));
        let earlier = Some(start);
        let want = Gap { earlier, lane: 0, stream: 1, first_seq: stored + 1, count: dropped };
        let told: Vec<_> =
            told(&entries).into_iter().filter(|gap| gap.contains("lane: 0")).collect();
        assert_eq!(told, [format!("{want:?}")], "killed: {is_killed}");
        reader.acknowledge(&reader.positions(), "").unwrap();
        drop((reader, worker, control, journal));
        let (journal, _worker, control) = open(&options(dir, 6));
        assert!(read_all(&mut journal.follower(From::Now).unwrap()).is_empty());
        assert_eq!(journal.figures().metrics().appended_total.value(), 0, "and not again");
        drop(control);
    }
}

#[test]
fn without_a_durable_reader_the_oldest_records_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), 6);
    let (journal, mut worker, _control) = open(&options);
    let mut follower = journal.follower(From::Oldest).unwrap();
    let mut stored = Vec::new();
    for seq in 1..=2000_u64 {
        // Six segments leave the preparing thread little to go on: a drop is possible.
        if append(&mut worker, 1, &seq.to_le_bytes()) != Appended::Dropped {
            stored.push(seq);
        }
    }
    let entries = read_all(&mut follower);
    assert!(!entries.is_empty() && entries.len() < stored.len(), "six segments hold some");
    let overwritten = stored.len() - entries.len();
    assert_eq!(seqs(&entries, 1), stored[overwritten..]);
    assert_eq!(follower.missed(), overwritten as u64, "what was overwritten is counted");
    assert!(read_all(&mut journal.follower(From::Now).unwrap()).is_empty());
}

#[test]
fn too_large_a_record_is_dropped_and_the_next_one_fits() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut worker, _control) = open(&options(dir.path(), 12));
    let mut reader = journal.reader("ship").unwrap();
    assert_eq!(append(&mut worker, 1, &[0; 4080]), Appended::Stored, "fills a segment exactly");
    assert_eq!(append(&mut worker, 1, &[0; 4081]), Appended::Dropped);
    assert_eq!(append(&mut worker, 1, &[0; 3000]), Appended::Stored);
    assert_eq!(append(&mut worker, 1, b""), Appended::Stored, "empty is a record too");
    let entries = read_all(&mut reader);
    assert_eq!((seqs(&entries, 1), told(&entries)), (vec![1, 3, 4], vec![gap(1, 2, 1)]));
    assert_eq!(reader.missed(), 0);
}

#[test]
fn another_process_reads_without_the_lock_and_sees_what_comes() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut worker, mut control) = open(&options(dir.path(), 24));
    let _ = append(&mut worker, 1, b"early");
    let mut all = Reader::open_directory(dir.path(), From::Oldest).unwrap();
    let mut late = Reader::open_directory(dir.path(), From::Now).unwrap();
    assert_eq!(read_all(&mut all).len(), 1);
    assert!(read_all(&mut late).is_empty());
    for number in 0..300_u32 {
        let _ = append(&mut worker, 1, &number.to_le_bytes());
        let _ = append(&mut control, 2, &number.to_le_bytes());
    }
    for reader in [&mut all, &mut late] {
        let entries = read_all(reader);
        assert_eq!(seqs(&entries, 1), (2..=301).collect::<Vec<_>>());
        assert_eq!(seqs(&entries, 2), (1..=300).collect::<Vec<_>>());
        assert_eq!(reader.missed(), 0);
    }
    assert!(all.acknowledge(&all.positions(), "").is_err());
    drop((worker, control));
    journal.close();
    let mut after = Reader::open_directory(dir.path(), From::Oldest).unwrap();
    assert_eq!(read_all(&mut after).len(), 601, "a stopped journal is readable too");
}

/// Goal: whoever reads at the very end of a journal that another process writes passes over nothing.
/// Method: a writer that appends a few records whenever the reader has come to the end.
#[test]
fn a_reader_at_the_end_of_a_growing_journal_passes_over_nothing() {
    const RECORDS: u64 = 15_000;
    let dir = tempfile::tempdir().unwrap();
    let roomy = Options { bytes_max: 6 << 20, segment_bytes: 1 << 20, ..options(dir.path(), 0) };
    let (_journal, mut worker, _control) = open(&roomy);
    let mut reader = Reader::open_directory(dir.path(), From::Oldest).unwrap();
    let last = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=RECORDS {
                assert_eq!(append(&mut worker, 1, &[7; 40]), Appended::Stored);
                if number % 3 == 0 {
                    wait_until("all is read", || last.load(Ordering::Relaxed) >= number);
                }
            }
        });
        let mut passed_over = Vec::new();
        wait_until("all is read", || {
            let read = reader.read(1 << 20, &mut |entry| {
                let before = last.swap(entry.seq, Ordering::Relaxed);
                passed_over.extend(before + 1..entry.seq);
            });
            read.is_ok() && last.load(Ordering::Relaxed) >= RECORDS
        });
        assert!(passed_over.is_empty(), "{passed_over:?}");
    });
    assert_eq!(reader.missed(), 0);
}

#[test]
fn a_second_opener_is_told_who_holds_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), 6);
    let held = open(&options);
    let error = Journal::open(options.clone()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
    assert!(error.to_string().contains("set another telemetry.journal.path"), "{error}");
    let (journal, worker, control) = held;
    journal.close();
    assert!(Journal::open(options.clone()).is_err(), "lanes can still write");
    drop((worker, control));
    assert!(Journal::open(options).is_ok());
}

#[test]
fn readers_have_one_owner_and_can_be_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut worker, _control) = open(&options(dir.path(), 6));
    assert!(matches!(journal.reader("No/Name"), Err(OpenError::ReaderName { .. })));
    let mut reader = journal.reader("ship").unwrap();
    assert!(matches!(journal.reader("ship"), Err(OpenError::ReaderInUse { .. })));
    assert!(reader.acknowledge(&reader.positions(), &"x".repeat(NOTE_BYTES_MAX + 1)).is_err());
    while append(&mut worker, 1, &[0; 500]) == Appended::Stored {}
    journal.forget_unused().unwrap();
    drop(reader);
    assert_eq!(append(&mut worker, 1, &[0; 500]), Appended::Dropped, "held while not open");
    journal.forget_unused().unwrap();
    assert!(!dir.path().join("cursor-ship.0").exists());
    wait_until("space returns", || append(&mut worker, 1, &[0; 500]) != Appended::Dropped);
}
