//! Dead letters read back, and their file replaced beside a shipper that writes on.
//!
//! Invariant: a file is replaced under the same lock under which letters are written, and what was
//! written since it was read is part of the new one; a writer that has the old file open notices.
//! Not here: sending letters (`resend`).

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};
use serde_json::value::RawValue;

use super::{FILE_NAME, hold};
use crate::base::object::Object;
use crate::record::{Dataset, Stream};

/// Name of the new file until it is whole.
const FRESH_NAME: &str = "dead-letters.fresh";
/// Held by the one who sends letters again.
const LOCK_NAME: &str = "dead-letters.lock";

#[derive(Debug, serde::Deserialize)]
pub(in crate::ship) struct Letter {
    /// Name of the data stream; empty for a record without a document.
    pub(in crate::ship) stream: String,
    /// Its `_id`.
    #[serde(rename = "_id")]
    pub(in crate::ship) id: String,
    pub(in crate::ship) status: u16,
    /// The server's word for the error.
    pub(in crate::ship) error_type: String,
    pub(in crate::ship) error_reason: String,
    pub(in crate::ship) document: Box<RawValue>,
}

impl Letter {
    /// From a line of the file.
    pub(in crate::ship) fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok().map(|Object(letter)| letter)
    }

    /// The dataset of its stream; `None` when it is no stream of ours.
    pub(in crate::ship) fn dataset(&self) -> Option<Dataset> {
        Dataset::ALL.into_iter().find(|dataset| {
            let rest = self.stream.strip_prefix(dataset.name());
            rest.is_some_and(|rest| rest.len() > 1 && rest.starts_with('-'))
        })
    }

    /// Whether it can be sent again.
    pub(in crate::ship) fn can_be_sent(&self) -> bool {
        // They stand unescaped in the body of a bulk, and streams in paths; ours are such.
        let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_plain = |text: &str| !text.is_empty() && text.bytes().all(is_byte);
        self.dataset().is_some() && is_plain(&self.id) && is_plain(&self.stream)
    }

    /// Appends its two lines of a bulk. Only what [can be sent](Self::can_be_sent) gives such.
    pub(in crate::ship) fn write_bulk(&self, body: &mut Vec<u8>) {
        let Self { stream, id, document, .. } = self;
        let action = format!("{{\"create\":{{\"_index\":\"{stream}\",\"_id\":\"{id}\"}}}}\n");
        body.extend_from_slice(action.as_bytes());
        body.extend_from_slice(document.get().as_bytes());
        body.push(b'\n');
    }
}

/// The place of a letter's record in the journal.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ship) struct Place {
    pub(in crate::ship) instance: u64,
    /// Start.
    pub(in crate::ship) epoch: u16,
    pub(in crate::ship) worker: u8,
    pub(in crate::ship) stream: u8,
    pub(in crate::ship) seq: u64,
}

/// What of a document tells its place.
#[derive(serde::Deserialize)]
struct Origin {
    /// Instance, as digits.
    #[serde(rename = "lbproxy.instance")]
    instance: String,
    /// Start.
    #[serde(rename = "lbproxy.epoch")]
    epoch: u16,
    #[serde(rename = "lbproxy.worker")]
    worker: u8,
    #[serde(rename = "lbproxy.seq")]
    seq: u64,
    /// Kind, where its stream holds several.
    #[serde(rename = "lbproxy.kind")]
    kind: Option<String>,
    /// Number of the kind, for a record without a document.
    stream: Option<u8>,
}

/// The place of the record of a line.
pub(in crate::ship) fn place(line: &[u8]) -> Option<Place> {
    let letter = Letter::read(line)?;
    let Object::<Origin>(origin) = serde_json::from_str(letter.document.get()).ok()?;
    let kinds = letter.dataset().map_or(&Stream::ALL[..], Dataset::kinds);
    let stream = match (&origin.kind, origin.stream) {
        (_, Some(number)) => number,
        (Some(word), None) => *kinds.iter().find(|kind| kind.as_str() == word)? as u8,
        (None, None) => *kinds.first().filter(|_| kinds.len() == 1)? as u8,
    };
    let instance = u64::from_str_radix(&origin.instance, 16).ok()?;
    Some(Place { instance, epoch: origin.epoch, worker: origin.worker, stream, seq: origin.seq })
}

/// How the file is opened; does not wait for whoever has the other end of a pipe.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    options
}

/// Whether it is a file, so that what is written into it stays there.
///
/// # Errors
/// When it is not.
pub(super) fn regular(facts: &Metadata) -> io::Result<()> {
    if facts.is_file() {
        return Ok(());
    }
    Err(io::Error::other("it is not a regular file"))
}

/// Visits every whole line; says where the last of them ends. Nothing where there is no file.
///
/// # Errors
/// When the file cannot be read.
pub(in crate::ship) fn each(folder: &Path, visit: &mut dyn FnMut(&[u8])) -> io::Result<u64> {
    let file = match options().open(folder.join(FILE_NAME)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    regular(&file.metadata()?)?;
    lines(BufReader::new(file), visit)
}

/// As [`each`], of an open file.
///
/// # Errors
/// When it cannot be read.
pub(super) fn lines(mut from: impl BufRead, visit: &mut dyn FnMut(&[u8])) -> io::Result<u64> {
    let (mut line, mut end) = (Vec::new(), 0);
    while from.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        end += line.len() as u64;
        visit(line.trim_ascii_end());
        line.clear();
    }
    Ok(end)
}

/// The right to send letters again; one at a time. Ends when dropped.
#[derive(Debug)]
pub(in crate::ship) struct Turn {
    /// Carries the lock.
    _file: File,
}

impl Turn {
    /// Takes it; `None` when somebody has it.
    ///
    /// # Errors
    /// When the lock's file cannot be made.
    pub(in crate::ship) fn take(folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join(LOCK_NAME);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// What the file of dead letters will hold instead of what was read of it.
#[derive(Debug)]
pub(in crate::ship) struct Fresh {
    folder: PathBuf,
    file: File,
}

impl Fresh {
    /// Nothing yet. `_turn` shows that nobody else does the same.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(in crate::ship) fn new(folder: &Path, _turn: &Turn) -> io::Result<Self> {
        let path = folder.join(FRESH_NAME);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Self { folder: folder.to_owned(), file })
    }

    /// Keeps a line.
    ///
    /// # Errors
    /// What the system says.
    pub(in crate::ship) fn keep(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.write_all(&[line, b"\n"].concat())
    }

    /// Keeps a letter with another answer.
    ///
    /// # Errors
    /// What the system says.
    pub(in crate::ship) fn keep_refused(
        &mut self,
        letter: &Letter,
        refusal: &super::Refusal,
    ) -> io::Result<()> {
        let line = serde_json::to_vec(&super::Letter {
            stream: &letter.stream,
            id: &letter.id,
            status: refusal.status,
            error_type: &refusal.kind,
            error_reason: &refusal.reason,
            document: &letter.document,
        })?;
        self.keep(&line)
    }

    /// Puts it in the place of what was read, which ended at `end`, at one stroke: before it the old
    /// file counts, afterwards this one.
    ///
    /// # Errors
    /// What the system says; the old file is then as it was.
    pub(in crate::ship) fn replace(mut self, end: u64) -> io::Result<()> {
        let (path, fresh) = (self.folder.join(FILE_NAME), self.folder.join(FRESH_NAME));
        let mut old = OpenOptions::new().read(true).append(true).open(&path)?;
        hold(&old)?;
        old.seek(SeekFrom::Start(end))?;
        let mut since = Vec::new();
        old.read_to_end(&mut since)?;
        self.file.write_all(&since)?;
        if self.file.metadata()?.len() == 0 {
            std::fs::remove_file(&path)?;
            std::fs::remove_file(&fresh)?;
        } else {
            self.file.sync_all()?;
            std::fs::rename(&fresh, &path)?;
        }
        File::open(&self.folder)?.sync_all()
        // The lock on the old file ends with it.
    }

    /// Leaves everything as it was.
    pub(in crate::ship) fn leave(self) {
        let _ = std::fs::remove_file(self.folder.join(FRESH_NAME)); // else the next one overwrites it
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DeadLetters, Kept, Letters};
    use super::*;
    use crate::ship::answer::Refusal;

    fn refusal(reason: &str) -> Refusal {
        Refusal { status: 400, kind: "k".into(), reason: reason.into() }
    }

    fn lines(folder: &Path) -> Vec<String> {
        let mut lines = Vec::new();
        each(folder, &mut |line| lines.push(String::from_utf8(line.to_vec()).unwrap())).unwrap();
        lines
    }

    #[test]
    fn a_letter_written_while_others_are_sent_again_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = DeadLetters::new(dir.path(), 1 << 20);
        let mut write = |id: &str| {
            let mut letters = Letters::default();
            let stream = "logs-lbproxy.access-default";
            letters.refused(stream, id, &refusal("first"), b"{\"a\":1}");
            assert_eq!(file.write(&letters).unwrap(), Kept::Yes);
        };
        write("one");
        write("two");
        let turn = Turn::take(dir.path()).unwrap().unwrap();
        assert!(Turn::take(dir.path()).unwrap().is_none(), "one at a time");
        let mut fresh = Fresh::new(dir.path(), &turn).unwrap();
        let mut read = Vec::new();
        let end = each(dir.path(), &mut |line| read.push(Letter::read(line).unwrap())).unwrap();
        fresh.keep_refused(&read[1], &refusal("second")).unwrap();
        write("three");
        fresh.replace(end).unwrap();
        write("four");
        let told: Vec<_> = lines(dir.path())
            .iter()
            .map(|line| Letter::read(line.as_bytes()).unwrap())
            .map(|letter| format!("{} {}", letter.id, letter.error_reason))
            .collect();
        assert_eq!(told, ["two second", "three first", "four first"]);

        // Nothing left: no file, and the next letter makes one.
        let fresh = Fresh::new(dir.path(), &turn).unwrap();
        let end = each(dir.path(), &mut |_| ()).unwrap();
        fresh.replace(end).unwrap();
        assert!(!dir.path().join(FILE_NAME).exists());
        write("five");
        assert_eq!(lines(dir.path()).len(), 1);
    }

    #[test]
    fn half_a_line_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE_NAME), "whole\nhal").unwrap();
        assert_eq!(lines(dir.path()), ["whole"]);
        let turn = Turn::take(dir.path()).unwrap().unwrap();
        let end = each(dir.path(), &mut |_| ()).unwrap();
        Fresh::new(dir.path(), &turn).unwrap().replace(end).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join(FILE_NAME)).unwrap(), "hal");
    }

    #[test]
    fn a_letter_tells_its_place_in_the_journal() {
        let origin = r#""lbproxy.instance":"000000000a","lbproxy.epoch":2,"lbproxy.worker":3,"lbproxy.seq":4"#;
        let line = |stream: &str, more: &str| {
            format!(
                r#"{{"stream":"{stream}","_id":"x","status":400,"error_type":"","error_reason":"","document":{{{origin}{more}}}}}"#
            )
        };
        let rows = [
            ("a request", line("logs-lbproxy.access-default", ""), Some(1)),
            ("a gap", line("logs-lbproxy.health-default", r#","lbproxy.kind":"gap""#), Some(3)),
            ("no document", line("", r#","stream":9"#), Some(9)),
            ("of no kind", line("logs-lbproxy.health-default", ""), None),
            ("nothing", "{}".to_owned(), None),
        ];
        for (name, line, want) in rows {
            let place = place(line.as_bytes());
            let want =
                want.map(|stream| Place { instance: 10, epoch: 2, worker: 3, stream, seq: 4 });
            assert_eq!(place, want, "{name}");
        }
    }
}
