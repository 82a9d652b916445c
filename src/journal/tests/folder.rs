//! Goal: nothing that happens to the journal's folder takes its space away, and all of it is seen.
//! Method: a small journal, its folder moved, removed, replaced, its files cut or in the way; `look` and
//! the next tries are made here and now instead of waiting for the background.

use super::super::folder::FolderFault;
use super::super::segment::Segment;
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

/// Checks that the folder has no fault any more and takes records.
fn check_mended(journal: &Journal, lane: &mut Lane) {
    settle(journal);
    assert_eq!(journal.figures().folder_fault(), None);
    wait_until("records are stored again", || {
        settle(journal);
        fill(lane, 1) == 1
    });
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
    check_mended(&journal, &mut lane);
}

#[test]
fn a_removed_folder_that_another_process_made_anew_is_said_and_left_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("journal");
    let (journal, mut lane, _control) = open(&options(&here, 12));
    let mut reader = journal.reader("ship").unwrap();
    assert_eq!(fill(&mut lane, 1), 1);
    settle(&journal);
    std::fs::remove_dir_all(&here).unwrap();
    let other = open(&options(&here, 6));
    let cursors = || std::fs::read_dir(&here).unwrap().count();
    let before = cursors();
    settle(&journal);
    assert_eq!(journal.figures().folder_fault(), Some(FolderFault::Taken));
    assert_eq!(fill(&mut lane, 5), 5, "what is open is this process's alone");
    settle(&journal);
    assert_eq!(seqs(&read_all(&mut reader), 1), (1..=6).collect::<Vec<_>>());
    reader.acknowledge(&reader.positions(), "").unwrap();
    assert_eq!((reader.pending(), cursors()), (0, before), "nothing is made in it");
    drop(other);
    std::fs::remove_dir_all(&here).unwrap();
    settle(&journal);
    assert_eq!(journal.figures().folder_fault(), None);
    assert_eq!(super::super::last_start(&here), Some(journal.identity()));
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
    // One may be in the hands of the thread that prepares.
    wait_until("the gauge says what is usable, and none is given up", || {
        settle(&journal);
        metrics.capacity_bytes.value() < capacity && metrics.segments.value() == 12
    });
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
fn the_size_that_is_told_stays_the_same_while_segments_are_prepared() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut lane, _control) = open(&options(dir.path(), 12));
    let metrics = &journal.shared.metrics;
    for round in 0..300 {
        fill(&mut lane, 3);
        journal.shared.refresh_metrics();
        let told = (metrics.segments.value(), metrics.capacity_bytes.value());
        assert_eq!(told, (12, 12 * 8192), "after {round} segments");
    }
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

/// Goal: a file that is not believed any more is made anew, as often as it takes; the size stays. Method:
/// rounds of harm to every open file, each followed by records that are shipped.
#[test]
fn no_fault_of_a_file_costs_the_journal_any_of_its_size() {
    type Harm = fn(&Segment);
    let harms: [(&str, Harm); 3] = [
        ("not synced", |segment| segment.fail()),
        ("removed", |segment| std::fs::remove_file(&segment.path).unwrap()),
        ("cut", |segment| {
            let file = std::fs::OpenOptions::new().write(true).open(&segment.path).unwrap();
            file.set_len(0).unwrap();
        }),
    ];
    for (name, harm) in harms {
        let dir = tempfile::tempdir().unwrap();
        let (journal, mut lane, _control) = open(&options(dir.path(), 12));
        let mut reader = journal.reader("ship").unwrap();
        let metrics = Arc::clone(&journal.shared.metrics);
        for round in 0..6 {
            let live: Vec<_> = lock(&journal.shared.registry).segments.clone();
            let used = |segment: &&Arc<Segment>| !segment.says.is_sealed() && !segment.is_failed();
            live.iter().filter(used).for_each(|segment| harm(segment));
            settle(&journal);
            wait_until("records are stored", || fill(&mut lane, 1) == 1);
            read_all(&mut reader);
            reader.acknowledge(&reader.positions(), "").unwrap();
            wait_until(&format!("{name}, round {round}: the whole size"), || {
                settle(&journal);
                (metrics.segments.value(), metrics.capacity_bytes.value()) == (12, 12 * 8192)
            });
        }
        let files = recovery::list(dir.path()).unwrap();
        assert!(files.len() <= 12, "{name}: {} files", files.len());
    }
}

#[test]
fn a_segment_that_a_start_cannot_open_stops_it_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut lane, control) = open(&options(dir.path(), 12));
    drop(journal.reader("ship").unwrap());
    assert_eq!(fill(&mut lane, 30), 30);
    drop((lane, control, journal));
    let (held, away) = (dir.path().join("segment-00000012"), dir.path().join("away"));
    std::fs::rename(&held, &away).unwrap();
    std::os::unix::fs::symlink(&held, &held).unwrap(); // whoever opens it is led round for ever
    let error = Journal::open(options(dir.path(), 12)).unwrap_err();
    assert!(error.to_string().contains("segment-00000012"), "{error}");
    assert!(held.is_symlink(), "nothing was removed");
    std::fs::rename(&away, &held).unwrap();
    let (journal, _lane, _control) = open(&options(dir.path(), 12));
    let mut reader = journal.reader("ship").unwrap();
    assert_eq!(seqs(&read_all(&mut reader), 1), (1..=30).collect::<Vec<_>>());
}

/// What a tidy script does: the folder stays, what is in it goes.
#[test]
fn an_emptied_folder_is_locked_again_and_what_follows_is_found_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut lane, control) = open(&options(dir.path(), 12));
    let identity = journal.identity();
    let mut reader = journal.reader("ship").unwrap();
    assert_eq!(fill(&mut lane, 2), 2);
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    settle(&journal);
    assert_eq!(journal.figures().folder_fault(), None);
    assert_eq!(journal.shared.metrics.folders_removed_total.value(), 1);
    let second = Journal::open(options(dir.path(), 12)).map(|_| ());
    assert!(matches!(second, Err(super::super::OpenError::Locked { .. })), "{second:?}");
    let files = recovery::list(dir.path()).unwrap().len();
    assert!(files >= 7, "the size is reserved again: {files} files");
    assert_eq!(fill(&mut lane, 5), 5);
    read_all(&mut reader);
    assert_eq!(fill(&mut lane, 1), 1);
    reader.acknowledge(&reader.positions(), "").unwrap();
    drop((reader, lane, control, journal));
    let (journal, _lane, _control) = open(&options(dir.path(), 12));
    assert_eq!((journal.identity().instance, journal.identity().epoch), (identity.instance, 2));
    let mut reader = journal.reader("ship").unwrap();
    assert_eq!(seqs(&read_all(&mut reader), 1), [8]);
}

#[test]
fn a_folder_that_another_process_has_locked_is_written_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut lane, _control) = open(&options(dir.path(), 12));
    assert_eq!(fill(&mut lane, 1), 1);
    std::fs::remove_file(dir.path().join("lock")).unwrap();
    let other = super::super::identity::Lock::take(dir.path()).unwrap();
    settle(&journal);
    assert_eq!(journal.figures().folder_fault(), Some(FolderFault::Taken));
    // A segment that was being prepared meanwhile is left at the next look.
    wait_until("two writers would destroy each other's records", || {
        settle(&journal);
        fill(&mut lane, 1) == 0
    });
    drop(other);
    check_mended(&journal, &mut lane);
}

#[test]
fn what_was_acknowledged_is_used_again_while_free_files_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut lane, _control) = open(&options(dir.path(), 12));
    let mut reader = journal.reader("ship").unwrap();
    for free in &lock(&journal.shared.registry).free {
        let path = dir.path().join(format!("segment-{:08}", free.number));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
    }
    for round in 0..10 {
        wait_until(&format!("round {round} is stored"), || fill(&mut lane, 1) == 1);
        wait_until("all is shipped", || {
            fill(&mut lane, 3);
            read_all(&mut reader);
            reader.acknowledge(&reader.positions(), "").is_ok() && reader.pending() == 0
        });
    }
    assert!(journal.shared.metrics.prepare_errors_total.value() > 0);
}

/// What is dropped before and after something happens to `gaps` is told by the next start.
#[test]
fn the_file_of_gaps_is_made_whole_again_whatever_takes_it() {
    for (name, harm) in [
        ("cut", (|here| std::fs::write(here.join("gaps"), []).unwrap()) as fn(&Path)),
        ("removed", |here| std::fs::remove_file(here.join("gaps")).unwrap()),
        ("replaced", |here| {
            std::fs::write(here.join("other"), [1; 100]).unwrap();
            std::fs::rename(here.join("other"), here.join("gaps")).unwrap();
        }),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().join("journal");
        let options = options(&here, 12);
        let (journal, mut lane, control) = open(&options);
        drop(journal.reader("ship").unwrap());
        let stored = fill(&mut lane, 60);
        assert!(stored < 60, "{name}: some are dropped");
        harm(&here);
        settle(&journal);
        assert_eq!(journal.shared.metrics.folder_fault.value(), 0, "{name}: whole again");
        std::mem::forget(journal); // as if the process were killed, but for the lock
        assert_eq!(fill(&mut lane, 3), 0, "{name}");
        let found = super::super::page::open(&here, &[]).unwrap();
        let told: Vec<_> = found.left.iter().filter_map(super::super::gap::Gaps::first).collect();
        let told: Vec<_> = told.iter().map(|gap| (gap.first_seq, gap.count)).collect();
        assert_eq!(told, [(stored as u64 + 1, 63 - stored as u64)], "{name}");
        std::mem::forget((lane, control));
    }
}

#[test]
fn a_file_of_gaps_that_cannot_be_made_is_a_fault_and_records_are_dropped_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("journal");
    let (journal, mut lane, _control) = open(&options(&here, 12));
    let mut reader = journal.reader("ship").unwrap();
    let stored = fill(&mut lane, 60);
    std::fs::remove_file(here.join("gaps")).unwrap();
    std::fs::create_dir(here.join("gaps")).unwrap();
    settle(&journal);
    assert_eq!(journal.shared.metrics.folder_fault.value(), 1);
    assert!(journal.figures().fault().unwrap().contains("`gaps` cannot be used"));
    assert_eq!(fill(&mut lane, 3), 0);
    std::fs::remove_dir(here.join("gaps")).unwrap();
    settle(&journal);
    assert_eq!((journal.shared.metrics.folder_fault.value(), journal.figures().fault()), (0, None));
    read_all(&mut reader);
    reader.acknowledge(&reader.positions(), "").unwrap();
    settle(&journal);
    assert_eq!(fill(&mut lane, 1), 1);
    let (first, count) = (stored as u64 + 1, 63 - stored as u64);
    assert_eq!(told(&read_all(&mut reader)), [gap(1, first, count)], "it stayed in memory");
}
