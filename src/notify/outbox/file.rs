//! The outbox's file: appended to, and written anew when it has grown.
//!
//! Invariants: what [`OutboxFile::append`] gave back is on the disk, if that was asked for; a failed
//! write leaves no half line before a later one. Not here: lines (`line`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::line::{self, Content};

/// Name of the file, in the folder of the journal.
pub(super) const FILE_NAME: &str = "notices";
/// Most bytes that are read: many times what the bounds of the outbox allow.
const BYTES_MAX: u64 = 256 << 20;

#[derive(Debug)]
pub(super) struct OutboxFile {
    path: PathBuf,
    /// None while nothing could be opened or created.
    file: Option<File>,
    /// Its length: whole lines.
    pub(super) bytes: u64,
}

impl OutboxFile {
    /// What the file of a folder holds; there may be none. One that cannot be used is put aside, for
    /// whoever wants to look.
    pub(super) fn open(folder: &Path) -> (Self, Content) {
        let path = folder.join(FILE_NAME);
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    put_aside(&path, &error.to_string());
                }
                return (Self { path, file: None, bytes: 0 }, Content::default());
            }
        };
        let content = line::read(&bytes);
        let is_outbox = content.has_version || !content.lines.is_empty() || bytes.is_empty();
        if content.is_newer || !is_outbox {
            let newer = "it was written by a newer lbproxy";
            put_aside(&path, if content.is_newer { newer } else { "it is damaged" });
            return (Self { path, file: None, bytes: 0 }, Content::default());
        }
        let file = OpenOptions::new().append(true).open(&path).ok();
        if let Some(file) = &file {
            let _ = file.set_len(content.end as u64); // what was cut off by the end of a process
        }
        (Self { path, file, bytes: content.end as u64 }, content)
    }

    /// Appends lines, and waits until they are on the disk if `is_synced`.
    ///
    /// # Errors
    /// What the system says; the lines may be there, whole, or not.
    pub(super) fn append(&mut self, lines: &[u8], is_synced: bool) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no file yet"));
        };
        let written = file.write_all(lines);
        let written = if is_synced { written.and_then(|()| file.sync_data()) } else { written };
        if let Err(error) = written {
            let _ = file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Puts lines in the place of all that is there.
    ///
    /// # Errors
    /// What the system says; what was there stays.
    pub(super) fn replace(&mut self, lines: &[u8]) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let file = write(&new, lines).inspect_err(|_| drop(fs::remove_file(&new)))?;
        fs::rename(&new, &self.path)?;
        // From here on the old one has no name, and what is appended to it is lost.
        (self.file, self.bytes) = (Some(file), lines.len() as u64);
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

fn write(path: &Path, lines: &[u8]) -> io::Result<File> {
    let _ = fs::remove_file(path); // left by a process that was killed
    let mut file = OpenOptions::new().append(true).create_new(true).open(path)?;
    file.write_all(lines)?;
    file.sync_data()?;
    Ok(file)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let kind = fs::symlink_metadata(path)?;
    if !kind.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Gives a file that cannot be used another name.
fn put_aside(path: &Path, problem: &str) {
    let aside = path.with_extension("unreadable");
    let moved = fs::rename(path, &aside).is_ok();
    tracing::error!(
        file = %path.display(), problem, kept_as = moved.then(|| aside.display().to_string()),
        "notify: the outbox cannot be read; alerts that waited in it are not told"
    );
}
