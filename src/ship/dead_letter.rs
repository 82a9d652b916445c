//! Records that a server refused for good: a file of JSON lines beside the journal.
//!
//! A line holds stream, `_id`, the server's answer and the document. The letters of a batch are written
//! together, as the last thing before it is acknowledged, so that the file holds what is counted; a crash
//! in between leaves lines twice, with the same `_id`. The file is bounded: what finds no room waits, and
//! with it all that was made later. Letters are written under the file's lock and only into the file that
//! stands at the path, for `resend` may replace it.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod read;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde_json::value::RawValue;

use super::answer::Refusal;
use super::batch::Broken;
use crate::base::hex::hex;
use read::regular;
pub(super) use read::{Fresh, Letter as Known, Turn, each, place};

/// Name of the file, below the folder of the journal.
pub const FILE_NAME: &str = "dead-letters.ndjson";

#[derive(Debug)]
pub(super) struct DeadLetters {
    path: PathBuf,
    /// Most bytes of the file, unless the letters of one batch alone are more.
    bytes_max: u64,
    /// Open once there is a letter.
    file: Option<File>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// They are in the file.
    Yes,
    /// None is: the file is full.
    NoRoom,
}

/// Letters that are to be written together.
#[derive(Debug, Default)]
pub(super) struct Letters {
    lines: Vec<u8>,
    pub(super) count: u64,
}

#[derive(serde::Serialize)]
struct Letter<'a> {
    /// Name of the data stream.
    stream: &'a str,
    #[serde(rename = "_id")]
    id: &'a str,
    status: u16,
    /// The server's word for the error.
    error_type: &'a str,
    error_reason: &'a str,
    /// The document, or the bytes of a record without one.
    document: &'a RawValue,
}

impl Letters {
    /// A document that was refused.
    pub(super) fn refused(&mut self, stream: &str, id: &str, refusal: &Refusal, document: &[u8]) {
        let Refusal { status, kind, reason } = refusal;
        let text = String::from_utf8_lossy(document);
        self.add(stream, id, (*status, kind, reason), RawValue::from_string(text.into_owned()));
    }

    /// A record without a document.
    pub(super) fn broken(&mut self, broken: &Broken) {
        let (instance, epoch, lane, seq) = broken.place;
        let document = serde_json::value::to_raw_value(&serde_json::json!({
            "lbproxy.instance": format!("{instance:010x}"), "lbproxy.epoch": epoch,
            "lbproxy.worker": lane, "lbproxy.seq": seq, "stream": broken.stream,
            "bytes_hex": hex(&broken.payload),
        }));
        self.add("", "", (0, "unreadable_record", &broken.reason), document);
    }

    /// Adds a line. What is no JSON is a fault of lbproxy, and no reason to stop all others.
    fn add(
        &mut self,
        stream: &str,
        id: &str,
        (status, error_type, error_reason): (u16, &str, &str),
        document: serde_json::Result<Box<RawValue>>,
    ) {
        let document = document.unwrap_or_default();
        let letter = Letter { stream, id, status, error_type, error_reason, document: &document };
        let start = self.lines.len();
        match serde_json::to_writer(&mut self.lines, &letter) {
            Ok(()) => self.lines.push(b'\n'),
            Err(error) => {
                self.lines.truncate(start);
                tracing::error!(%error, stream, id, "shipping: a dead letter cannot be written");
            }
        }
        self.count += 1;
    }
}

impl DeadLetters {
    /// In the folder of the journal; nothing is created before there is a letter.
    pub(super) fn new(folder: &Path, bytes_max: u64) -> Self {
        Self { path: folder.join(FILE_NAME), bytes_max, file: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends all of the letters, or none.
    ///
    /// # Errors
    /// When the file cannot be written; their records are then not to be acknowledged.
    pub(super) fn write(&mut self, letters: &Letters) -> io::Result<Kept> {
        let mut file = self.held()?;
        let written = self.append(&mut file, &letters.lines);
        rustix::fs::flock(&file, FlockOperation::Unlock)?;
        self.file = Some(file);
        written
    }

    /// The file that stands at the path now, locked: the one that is open, unless it was replaced.
    fn held(&mut self) -> io::Result<File> {
        loop {
            let file = match self.file.take() {
                Some(file) => file,
                None => read::options().create(true).append(true).open(&self.path)?,
            };
            let own = file.metadata()?;
            regular(&own)?;
            hold(&file)?;
            match std::fs::metadata(&self.path) {
                Ok(there) if (there.dev(), there.ino()) == (own.dev(), own.ino()) => {
                    return Ok(file);
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => (), // replaced: the next turn opens what is there
            }
        }
    }

    /// Appends lines to a locked file. The first of a file always have room, or they would wait for ever.
    ///
    /// # Errors
    /// What the system says; none of the lines stays then.
    fn append(&self, file: &mut File, lines: &[u8]) -> io::Result<Kept> {
        let bytes = file.metadata()?.len();
        if bytes > 0 && bytes + lines.len() as u64 > self.bytes_max {
            return Ok(Kept::NoRoom);
        }
        let mut last = [b'\n'];
        if bytes > 0 {
            file.read_exact_at(&mut last, bytes - 1)?;
        }
        // A process that was killed while it wrote has left half a line; it is to stay one by itself.
        let end: &[u8] = if last == [b'\n'] { b"" } else { b"\n" };
        if let Err(error) = file.write_all(end).and_then(|()| file.write_all(lines)) {
            // No half line stays, or the next letter would be part of it.
            let _ = file.set_len(bytes);
            return Err(error);
        }
        Ok(Kept::Yes)
    }
}

/// Waits for the lock of the file; held for moments only.
fn hold(file: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(file, FlockOperation::LockExclusive)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSAL: fn() -> Refusal =
        || Refusal { status: 400, kind: "k".into(), reason: "r\n\"".into() };

    #[test]
    fn letters_are_lines_of_json() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = DeadLetters::new(dir.path(), 1 << 20);
        assert!(!file.path().exists(), "nothing to say, no file");
        let mut letters = Letters::default();
        letters.refused("s", "id", &REFUSAL(), b"{\"a\":1}");
        let broken =
            Broken { stream: 9, place: (1, 2, 3, 4), reason: "new".into(), payload: vec![0xab] };
        letters.broken(&broken);
        letters.refused("s", "id", &REFUSAL(), b"no JSON");
        assert_eq!((file.write(&letters).unwrap(), letters.count), (Kept::Yes, 3));
        let text = std::fs::read_to_string(file.path()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["document"]["a"], 1);
        assert_eq!(lines[0]["error_reason"], "r\n\"");
        assert_eq!(lines[1]["document"]["bytes_hex"], "ab");
        assert!(lines[2]["document"].is_null() && lines[2]["_id"] == "id");
    }

    #[test]
    fn all_letters_of_a_batch_are_kept_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = DeadLetters::new(dir.path(), 1_000);
        let of = |count: usize| {
            let mut letters = Letters::default();
            (0..count).for_each(|_| letters.refused("s", "id", &REFUSAL(), b"{}"));
            letters
        };
        let one = of(1).lines.len();
        let lines =
            |file: &DeadLetters| std::fs::read_to_string(file.path()).unwrap().lines().count();
        for (name, count, kept, want) in [
            ("room", 3, Kept::Yes, 3),
            ("too many", 1_000 / one, Kept::NoRoom, 3),
            ("what still fits", 1, Kept::Yes, 4),
        ] {
            assert_eq!((file.write(&of(count)).unwrap(), lines(&file)), (kept, want), "{name}");
        }
        // Sent again meanwhile: another file stands there, and the largest batch has room in it.
        std::fs::remove_file(file.path()).unwrap();
        let large = 2_000 / one;
        assert_eq!((file.write(&of(large)).unwrap(), lines(&file)), (Kept::Yes, large));
        assert_eq!(file.write(&of(1)).unwrap(), Kept::NoRoom);
        // A process was killed while it wrote.
        std::fs::write(file.path(), "whole\nhal").unwrap();
        assert_eq!(file.write(&of(1)).unwrap(), Kept::Yes);
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(text.starts_with("whole\nhal\n{") && text.ends_with("}\n"), "{text}");
        // The folder is removed, and made anew.
        std::fs::remove_dir_all(dir.path()).unwrap();
        assert!(file.write(&of(1)).is_err(), "never into a file that nobody finds");
        std::fs::create_dir(dir.path()).unwrap();
        assert_eq!((file.write(&of(1)).unwrap(), lines(&file)), (Kept::Yes, 1));
    }

    #[test]
    fn what_is_no_file_keeps_no_letter() {
        type Place = fn(&Path) -> io::Result<()>;
        let rows: [(&str, Place); 3] = [
            ("a folder", |path| std::fs::create_dir(path)),
            ("a pipe", |path| {
                let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
                Ok(rustix::fs::mknodat(
                    rustix::fs::CWD,
                    path,
                    kind,
                    mode | rustix::fs::Mode::WUSR,
                    0,
                )?)
            }),
            ("a link to nowhere", |path| std::os::unix::fs::symlink("/dev/null", path)),
        ];
        for (name, place) in rows {
            let dir = tempfile::tempdir().unwrap();
            let mut file = DeadLetters::new(dir.path(), 1_000);
            place(file.path()).unwrap();
            let mut letters = Letters::default();
            letters.refused("s", "id", &REFUSAL(), b"{}");
            assert!(file.write(&letters).is_err(), "{name}");
            assert!(each(dir.path(), &mut |_| ()).is_err(), "{name}: reading it");
            // It is put away.
            let _ = std::fs::remove_dir(file.path()).or_else(|_| std::fs::remove_file(file.path()));
            assert_eq!(file.write(&letters).unwrap(), Kept::Yes, "{name}");
            assert_eq!(std::fs::read(file.path()).unwrap(), letters.lines, "{name}");
        }
    }
}
