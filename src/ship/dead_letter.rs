//! Records that a server refused for good: a file of JSON lines beside the journal.
//!
//! A line holds stream, `_id`, the server's answer and the document. It is written before its record
//! is acknowledged, so that none is lost; a crash in between leaves a line twice, with the same
//! `_id`. The file is bounded: what finds no room is counted, not kept. Each letter is written under
//! the file's lock and only into the file that stands at the path, for `resend` may replace it.

mod read;

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde_json::value::RawValue;

use super::answer::Refusal;
use super::batch::Broken;
pub(super) use read::{Fresh, Letter as Known, Turn, each, place};

/// Name of the file, below the folder of the journal.
pub const FILE_NAME: &str = "dead-letters.ndjson";
/// Most bytes of the file.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Writes dead letters.
#[derive(Debug)]
pub(super) struct DeadLetters {
    /// The file.
    path: PathBuf,
    /// Open once there is a letter.
    file: Option<File>,
}

/// Whether a letter was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is in the file.
    Yes,
    /// The file is full.
    NoRoom,
}

/// One line.
#[derive(serde::Serialize)]
struct Letter<'a> {
    /// Name of the data stream.
    stream: &'a str,
    /// Its `_id`.
    #[serde(rename = "_id")]
    id: &'a str,
    /// Status of the answer.
    status: u16,
    /// The server's word for the error.
    error_type: &'a str,
    /// Its explanation.
    error_reason: &'a str,
    /// The document, or the bytes of a record without one.
    document: &'a RawValue,
}

impl DeadLetters {
    /// In the folder of the journal; nothing is created before there is a letter.
    pub(super) fn new(folder: &Path) -> Self {
        Self { path: folder.join(FILE_NAME), file: None }
    }

    /// Where they are.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A document that was refused.
    ///
    /// # Errors
    /// When the file cannot be written; the record is then not to be acknowledged.
    pub(super) fn refused(
        &mut self,
        stream: &str,
        id: &str,
        refusal: &Refusal,
        document: &[u8],
    ) -> io::Result<Kept> {
        let document = serde_json::from_slice(document).map_err(io::Error::other)?;
        let Refusal { status, kind, reason } = refusal;
        self.write(&Letter {
            stream,
            id,
            status: *status,
            error_type: kind,
            error_reason: reason,
            document,
        })
    }

    /// A record without a document.
    ///
    /// # Errors
    /// As for [`DeadLetters::refused`].
    pub(super) fn broken(&mut self, broken: &Broken) -> io::Result<Kept> {
        let (instance, epoch, lane, seq) = broken.place;
        let hex = broken.payload.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}"); // a String takes everything
            hex
        });
        let document = serde_json::value::to_raw_value(&serde_json::json!({
            "lbproxy.instance": format!("{instance:010x}"), "lbproxy.epoch": epoch,
            "lbproxy.worker": lane, "lbproxy.seq": seq, "stream": broken.stream, "bytes_hex": hex,
        }))?;
        self.write(&Letter {
            stream: "",
            id: "",
            status: 0,
            error_type: "unreadable_record",
            error_reason: &broken.reason,
            document: &document,
        })
    }

    /// Appends one line with one write.
    ///
    /// # Errors
    /// What the system says.
    fn write(&mut self, letter: &Letter<'_>) -> io::Result<Kept> {
        let mut line = serde_json::to_vec(letter)?;
        line.push(b'\n');
        let mut file = self.held()?;
        let written = Self::append(&mut file, &line);
        rustix::fs::flock(&file, FlockOperation::Unlock)?;
        self.file = Some(file);
        written
    }

    /// The file that stands at the path now, locked: the one that is open, unless it was replaced.
    ///
    /// # Errors
    /// What the system says.
    fn held(&mut self) -> io::Result<File> {
        loop {
            let file = match self.file.take() {
                Some(file) => file,
                None => OpenOptions::new().create(true).append(true).open(&self.path)?,
            };
            hold(&file)?;
            let own = file.metadata()?;
            match std::fs::metadata(&self.path) {
                Ok(there) if (there.dev(), there.ino()) == (own.dev(), own.ino()) => {
                    return Ok(file);
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => (), // replaced: the next turn opens what is there
            }
        }
    }

    /// Appends a line to a locked file.
    ///
    /// # Errors
    /// What the system says; no half line stays.
    fn append(file: &mut File, line: &[u8]) -> io::Result<Kept> {
        let bytes = file.metadata()?.len();
        if bytes + line.len() as u64 > FILE_BYTES_MAX {
            return Ok(Kept::NoRoom);
        }
        if let Err(error) = file.write_all(line) {
            // No half line stays, or the next letter would be part of it.
            let _ = file.set_len(bytes);
            return Err(error);
        }
        Ok(Kept::Yes)
    }
}

/// Waits for the lock of the file; held for moments only.
///
/// # Errors
/// What the system says.
fn hold(file: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(file, FlockOperation::LockExclusive)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_lines_of_json_and_the_file_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let mut letters = DeadLetters::new(dir.path());
        let refusal = Refusal { status: 400, kind: "k".into(), reason: "r\n\"".into() };
        assert!(!letters.path().exists(), "nothing to say, no file");
        assert_eq!(letters.refused("s", "id", &refusal, b"{\"a\":1}").unwrap(), Kept::Yes);
        let broken =
            Broken { stream: 9, place: (1, 2, 3, 4), reason: "new".into(), payload: vec![0xab] };
        assert_eq!(letters.broken(&broken).unwrap(), Kept::Yes);
        let text = std::fs::read_to_string(letters.path()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["document"]["a"], 1);
        assert_eq!(lines[0]["error_reason"], "r\n\"");
        assert_eq!(lines[1]["document"]["bytes_hex"], "ab");

        File::options().write(true).open(letters.path()).unwrap().set_len(FILE_BYTES_MAX).unwrap();
        let mut again = DeadLetters::new(dir.path());
        assert_eq!(again.refused("s", "id", &refusal, b"{}").unwrap(), Kept::NoRoom);
        assert_eq!(std::fs::metadata(again.path()).unwrap().len(), FILE_BYTES_MAX);
    }
}
