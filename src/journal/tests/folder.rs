//! Goal: nothing that happens to the journal's folder takes its space away, and all of it is seen.
//! Method: a small journal, its folder moved, removed, replaced, its files cut or in the way; `look` and
//! the next tries are made here and now instead of waiting for the background.

use super::super::folder::FolderFault;
use super::super::{lock, prepare, recovery};
use super::*;

/// Records of 1000 bytes, three to a segment.
fn fill(lane: &mut Lane, count: usize) -> usize {
    let stored = |_: &usize| append(lane, 1, &[7; 1000]) == Appended::Stored;
    (0..count).filter(stored).count()
}

/// Lets the background have prepared what it can.
fn settle(journal: &Journal) {
    prepare::look(&journal.shared);
    prepare::fill_slots(&journal.shared);
    journal.shared.refresh_metrics();
}

#[test]
fn a_moved_folder_is_told_and_written_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (here, away) = (dir.path().join("here"), dir.path().join("away"));
    let (journal, mut lane, _control) = open(&options(&here, 12));
    let mut reader = journal.reader("ship").unwrap();
    assert_eq!(fill(&mut lane, 6), 6);
    std::fs::rename(&here, &away).unwrap();
    settle(&journal);
    assert_eq!(journal.figures().folder_fault(), Some(FolderFault::Away));
    assert_eq!(journal.shared.metrics.folder_fault.value(), 1);
    assert_eq!(fill(&mut lane, 12), 12, "segments are opened in the folder, wherever it is");
    assert_eq!(journal.figures().pending_unfindable("ship"), 18, "not at the path");
    assert_eq!(seqs(&read_all(&mut reader), 1), (1..=18).collect::<Vec<_>>());
    reader.acknowledge(&reader.positions(), "").unwrap();

    std::fs::create_dir(&here).unwrap();
    settle(&journal);
    assert_eq!(journal.figures().folder_fault(), Some(FolderFault::Away), "another one");
    assert!(std::fs::read_dir(&here).unwrap().next().is_none(), "it is left alone");
    std::fs::remove_dir(&here).unwrap();
    std::fs::rename(&away, &here).unwrap();
    settle(&journal);
    assert_eq!(journal.figures().folder_fault(), None);
    assert_eq!(journal.shared.metrics.damaged_records_total.value(), 0);
}

#[test]
fn a_removed_folder_is_made_anew_and_what_follows_is_found_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("journal");
    let (journal, mut lane, control) = open(&options(&here, 12));
    let identity = journal.identity();
    let mut reader = journal.reader("ship").unwrap();
    assert_eq!(fill(&mut lane, 2), 2);
    std::fs::remove_dir_all(&here).unwrap();
    assert_eq!(fill(&mut lane, 1), 1, "before it is noticed");
    settle(&journal);
    assert_eq!(journal.figures().folder_fault(), None, "a new one stands there");
    assert_eq!(journal.shared.metrics.folders_removed_total.value(), 1);
    assert!(journal.shared.metrics.segments_removed_total.value() > 0);
    assert_eq!(fill(&mut lane, 5), 5);
    assert_eq!(journal.figures().pending_unfindable("ship"), 3);
    assert_eq!(seqs(&read_all(&mut reader), 1), (1..=8).collect::<Vec<_>>(), "open files are read");
    let second = Journal::open(options(&here, 12)).map(|_| ());
    assert!(matches!(second, Err(super::super::OpenError::Locked { .. })), "{second:?}");
    drop((reader, lane, control));
    drop(journal);

    let (journal, _lane, _control) = open(&options(&here, 12));
    assert_eq!(journal.identity().instance, identity.instance);
    assert!(journal.identity().epoch > identity.epoch, "no number is given out twice");
    let mut reader = journal.reader("ship").unwrap();
    assert_eq!(seqs(&read_all(&mut reader), 1), [4, 5, 6, 7, 8]);
}

#[test]
fn acknowledgements_survive_in_the_new_folder() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("journal");
    let (journal, mut lane, control) = open(&options(&here, 12));
    let mut reader = journal.reader("ship").unwrap();
    std::fs::remove_dir_all(&here).unwrap();
    settle(&journal);
    assert_eq!(fill(&mut lane, 5), 5);
    read_all(&mut reader);
    reader.acknowledge(&reader.positions(), "index").unwrap();
    assert_eq!(fill(&mut lane, 2), 2);
    drop((reader, lane, control));
    drop(journal);
    let (journal, _lane, _control) = open(&options(&here, 12));
    let mut reader = journal.reader("ship").unwrap();
    assert_eq!(reader.note(), "index");
    assert_eq!(seqs(&read_all(&mut reader), 1), [6, 7]);
}

#[test]
fn the_folder_of_another_journal_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("journal");
    let (journal, mut lane, _control) = open(&options(&here, 12));
    std::fs::remove_dir_all(&here).unwrap();
    let other = options(&dir.path().join("other"), 6);
    drop(Journal::open(other).unwrap());
    std::fs::rename(dir.path().join("other"), &here).unwrap();
    let files = || recovery::list(&here).unwrap().len();
    let before = files();
    settle(&journal);
    assert_eq!(journal.figures().folder_fault(), Some(FolderFault::Removed));
    fill(&mut lane, 12);
    settle(&journal);
    assert_eq!(files(), before);
    std::fs::remove_dir_all(&here).unwrap();
    settle(&journal);
    assert_eq!(journal.figures().folder_fault(), None);
    wait_until("records are stored again", || {
        settle(&journal);
        fill(&mut lane, 1) == 1
    });
}

/// What makes a free segment unusable for a while, and what makes it usable again.
#[test]
fn a_file_that_cannot_be_opened_stays_free_and_is_used_when_it_can_be() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut lane, _control) = open(&options(dir.path(), 12));
    let _reader = journal.reader("ship").unwrap(); // everything is held
    let free: Vec<u32> =
        lock(&journal.shared.registry).free.iter().map(|free| free.number).collect();
    let path = |number: &u32| dir.path().join(format!("segment-{number:08}"));
    for number in &free {
        std::fs::remove_file(path(number)).unwrap();
        std::fs::create_dir(path(number)).unwrap();
    }
    let metrics = Arc::clone(&journal.shared.metrics);
    let capacity = 12 * 8192;
    wait_until("the lane finds no segment", || fill(&mut lane, 1) == 0);
    settle(&journal);
    assert!(metrics.prepare_errors_total.value() > 0);
    assert!(metrics.capacity_bytes.value() < capacity, "the gauge says what is usable");
    assert_eq!(metrics.segments.value(), 12, "none is given up");
    for number in &free {
        std::fs::remove_dir(path(number)).unwrap();
    }
    wait_until("the whole size is there again", || {
        settle(&journal);
        metrics.capacity_bytes.value() == capacity && fill(&mut lane, 1) == 1
    });
    let stored = fill(&mut lane, 100);
    assert!(stored >= (free.len() - 3) * 3, "{stored} records in {} files", free.len());
}

#[test]
fn a_segment_that_somebody_cuts_or_removes_is_left() {
    for (name, harm) in [
        (
            "cut",
            (|path| std::fs::OpenOptions::new().write(true).open(path)?.set_len(0))
                as fn(&Path) -> _,
        ),
        ("removed", |path| std::fs::remove_file(path)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (journal, mut lane, _control) = open(&options(dir.path(), 12));
        let mut reader = journal.reader("ship").unwrap();
        assert_eq!(fill(&mut lane, 1), 1, "{name}");
        let live: Vec<_> = lock(&journal.shared.registry).segments.clone();
        for segment in &live {
            harm(&segment.path).unwrap();
        }
        settle(&journal);
        assert_eq!(
            journal.shared.metrics.segments_removed_total.value(),
            live.len() as u64,
            "{name}: prepared ones too"
        );
        assert_eq!(fill(&mut lane, 4), 4, "{name}: it goes on in others");
        let seen = seqs(&read_all(&mut reader), 1);
        let kept = if name == "cut" { vec![2, 3, 4, 5] } else { vec![1, 2, 3, 4, 5] };
        assert_eq!(seen, kept, "{name}: open files are read");
        let lost = journal.shared.metrics.damaged_records_total.value();
        assert_eq!(lost, u64::from(name == "cut"), "{name}: exactly what is lost is counted");
    }
}
