//! Goal: a fault of a consumer costs no record, and no state is taken for a later one. Method: the real
//! journal, a consumer that fails as it is told to, and files.

use std::sync::Arc;
use std::sync::mpsc;

use super::*;
use crate::journal::{self, Appended, Journal, Lane};

/// Longest wait for what has to happen.
const DEADLINE: Duration = Duration::from_secs(20);

fn open(dir: &tempfile::TempDir) -> (Journal, Lane) {
    let (journal, mut lanes) = Journal::open(journal::Options {
        dir: dir.path().to_owned(),
        bytes_max: 1 << 20,
        segment_bytes: 64 * 1024,
        sync_every: Duration::from_mins(1),
        workers: 1,
        preamble: Vec::new(),
        teller: None,
        metrics: Arc::default(),
    })
    .unwrap();
    (journal, lanes.remove(0))
}

fn append(lane: &mut Lane, bytes: &[u8]) {
    let done = lane.append(1, |out| {
        out.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(bytes.len())
    });
    assert_eq!(done, Appended::Stored);
}

/// How the first run ends, behind two records of which it has acknowledged one.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Error,
    Panic,
}

struct Failing {
    reader: Reader,
    fault: Fault,
    restarts: Arc<Cell64>,
    /// Tells of the records of each run.
    told: mpsc::Sender<Vec<Vec<u8>>>,
}

impl Consumer for Failing {
    const NAME: &'static str = "failing";

    fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    fn restarts(&self) -> &Cell64 {
        &self.restarts
    }

    fn run(&mut self, stopping: &Stopping) -> Result<(), Box<dyn Error>> {
        let is_first = self.restarts.value() == 0;
        let mut read = Vec::new();
        while self.reader.read(1, &mut |entry| read.push(entry.payload.to_vec()))? > 0 {
            if is_first && read.len() == 1 {
                self.reader.acknowledge(&self.reader.positions(), "")?;
            }
        }
        self.told.send(read)?;
        match self.fault {
            Fault::Error if is_first => Err("no".into()),
            Fault::Panic if is_first => panic!("as it is told to"),
            _ => {
                while !stopping.sleep(DEADLINE) {}
                Ok(())
            }
        }
    }
}

#[test]
fn after_a_fault_a_consumer_goes_on_behind_what_it_acknowledged() {
    for fault in [Fault::Error, Fault::Panic] {
        let dir = tempfile::tempdir().unwrap();
        let (journal, mut lane) = open(&dir);
        append(&mut lane, b"one");
        append(&mut lane, b"two");
        let (told, runs) = mpsc::channel();
        let restarts = Arc::new(Cell64::default());
        let reader = journal.reader(Failing::NAME).unwrap();
        let running =
            start(Failing { reader, fault, restarts: Arc::clone(&restarts), told }).unwrap();
        let run = || runs.recv_timeout(DEADLINE).unwrap();
        assert_eq!(run(), [b"one".to_vec(), b"two".to_vec()], "{fault:?}");
        assert_eq!(run(), [b"two".to_vec()], "{fault:?}");
        assert_eq!(restarts.value(), 1, "{fault:?}");
        assert!(running.stop(DEADLINE), "{fault:?}: the order ends its sleep");
    }
}

#[test]
fn pauses_grow_while_one_fault_follows_another() {
    let seconds = Duration::from_secs;
    for (name, before, ran, is_stopping, want) in [
        ("the first", None, 0, false, 1),
        ("the next", Some(1), 0, false, 2),
        ("one more", Some(32), 5, false, 60),
        ("and no longer", Some(60), 5, false, 60),
        ("after a run that lasted", Some(60), 60, false, 1),
        ("at the end", Some(60), 0, true, 1),
    ] {
        let have = next_pause(before.map(seconds), seconds(ran), is_stopping);
        assert_eq!(have, seconds(want), "{name}");
    }
}

#[test]
fn the_order_to_stop_holds_for_whoever_asks_later() {
    let (stop, order) = watch::channel(false);
    let stopping = Stopping(order);
    assert!(!stopping.is_given() && !stopping.sleep(Duration::from_millis(1)));
    stop.send_replace(true);
    for _ in 0..2 {
        assert!(stopping.is_given() && stopping.sleep(DEADLINE));
    }
    let (gone, order) = watch::channel(false);
    drop(gone);
    assert!(Stopping(order).is_given(), "nobody is left who could give it");
}

const FORM: Form =
    Form { file_name: "some-state", magic: *b"lbpsome1", version: 2, loss: "a test" };

fn load(dir: &tempfile::TempDir, note: &str) -> (StateFile, Option<Vec<u8>>, bool) {
    let (file, earlier) =
        StateFile::open(FORM, dir.path(), note, |_, body| Ok(take_counted(body)?.to_vec()));
    let is_lost = matches!(earlier, Earlier::Lost);
    (file, if let Earlier::State(state) = earlier { Some(state) } else { None }, is_lost)
}

#[test]
fn a_state_is_taken_if_it_is_the_one_that_the_cursor_notes_or_a_later_one() {
    let dir = tempfile::tempdir().unwrap();
    let (mut file, state, is_lost) = load(&dir, "");
    assert_eq!((state, is_lost), (None, false), "the first run");
    for text in ["a", "b"] {
        file.replace(|out| push_counted(text.as_bytes(), out)).unwrap();
    }
    assert_eq!(file.note(), "state=2");
    for (name, note, is_lost) in [
        ("of this state", "state=2", false),
        ("of the one before: the cursor was not written", "state=1", false),
        ("none: as before", "", false),
        ("of one that could not be written", "state=3", true),
    ] {
        let want = (!is_lost).then(|| b"b".to_vec());
        let (file, state, lost) = load(&dir, note);
        assert_eq!((state, lost), (want, is_lost), "{name}");
        assert_eq!(file.note(), if is_lost { "state=3" } else { "state=2" }, "{name}");
    }
}

#[test]
fn a_state_that_cannot_be_read_is_kept_aside_and_its_number_not_used_again() {
    let newer = Form { version: FORM.version + 1, ..FORM };
    for (name, bytes) in [
        ("of a newer lbproxy", newer.seal(9, |out| push_counted(b"a", out))),
        ("of another kind", Form { magic: *b"lbproll1", ..FORM }.seal(9, |_| ())),
        ("ends within its body", FORM.seal(9, |out| push_length(3, out))),
        ("empty", Vec::new()),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("some-state"), &bytes).unwrap();
        let (mut file, state, is_lost) = load(&dir, "state=9");
        assert_eq!((state, is_lost), (None, true), "{name}");
        assert_eq!(
            std::fs::read(dir.path().join("some-state.unreadable")).unwrap(),
            bytes,
            "{name}"
        );
        file.replace(|out| push_counted(b"new", out)).unwrap();
        let (file, state, _) = load(&dir, &file.note());
        assert_eq!((state, file.note()), (Some(b"new".to_vec()), "state=10".to_owned()), "{name}");
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(load(&dir, "state=4").2, "one that is gone");
}

/// Goal: nothing of that name blocks the start or the next state. Method: a folder and a pipe, as the state
/// and as the one that is being written.
#[test]
fn what_is_no_file_is_kept_aside_too() {
    let pipe = |path: &std::path::Path| {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
    };
    for is_pipe in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some-state");
        if is_pipe {
            pipe(&path);
        } else {
            std::fs::create_dir(&path).unwrap();
        }
        pipe(&dir.path().join("some-state.new"));
        let (mut file, state, is_lost) = load(&dir, "");
        assert_eq!((state, is_lost), (None, true), "a pipe: {is_pipe}");
        let aside = std::fs::metadata(dir.path().join("some-state.unreadable")).unwrap();
        assert_eq!(aside.is_dir(), !is_pipe);
        file.replace(|out| push_counted(b"new", out)).unwrap();
        assert_eq!(load(&dir, "").1, Some(b"new".to_vec()), "a pipe: {is_pipe}");
    }
}

#[test]
fn numbers_are_remembered_of_so_many_lanes() {
    let mut lanes = Lanes::default();
    assert!((0..5_000).all(|epoch| lanes.advance((1, epoch, 0), 7)));
    assert_eq!((lanes.next((1, 0, 0)), lanes.next((1, 4_999, 0))), (0, 8), "the earliest go");
    let mut bytes = Vec::new();
    lanes.encode(&mut bytes);
    let mut again = Lanes::decode(&mut bytes.as_slice()).unwrap();
    assert!(!again.advance((1, 4_999, 0), 7) && again.advance((1, 4_999, 0), 8));
}
