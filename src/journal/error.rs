//! What can go wrong when a journal or a reader is opened, and when one is read.

use std::io;
use std::path::PathBuf;

use crate::base::trouble::RAISE_FILE_SIZE;

/// Why a journal or a reader cannot be opened. Callers branch on the variant; people read the text,
/// which ends in the cure; the system's own words are in `source()`.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be created, listed or written.
    #[error(
        "cannot use journal directory {}; check that it is a directory and its owner and mode, or \
         set telemetry.journal.path", path.display()
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process writes this journal.
    #[error(
        "journal directory {} is in use by {}; stop it, or set another telemetry.journal.path",
        path.display(), holder(*pid)
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The holder, where its lock file says so.
        pid: Option<u32>,
    },
    /// The disk has no room for the reserved segments.
    #[error(
        "no space for the journal in {}: {needed_bytes} bytes more are needed; free disk space, or \
         lower telemetry.journal.size", path.display()
    )]
    NoSpace {
        /// The directory.
        path: PathBuf,
        /// Bytes that could not be reserved.
        needed_bytes: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The size bound cannot hold two segments for each lane.
    #[error(
        "telemetry.journal.size is {bytes_max} bytes, too small for {lanes} lanes; set at least \
         {needed_bytes} bytes, or fewer workers"
    )]
    TooSmall {
        /// The bound.
        bytes_max: u64,
        /// Lanes, the control lane included.
        lanes: usize,
        /// Smallest bound that works.
        needed_bytes: u64,
    },
    /// Written by a newer lbproxy.
    #[error(
        "{} has journal format {found}, this build reads up to {supported}; upgrade lbproxy, or set \
         another telemetry.journal.path", path.display()
    )]
    Newer {
        /// The file that says so.
        path: PathBuf,
        /// Its format.
        found: u16,
        /// The newest format of this build.
        supported: u16,
    },
    /// The preamble does not fit into a segment header.
    #[error("preamble of {bytes} bytes is too long; use at most {bytes_max} bytes")]
    Preamble {
        /// Its length.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// The name of a reader cannot be part of a file name.
    #[error("reader name {name:?} is not usable; use 1 to 64 of a-z, 0-9 and -")]
    ReaderName {
        /// The name.
        name: String,
    },
    /// A durable reader of this name is open.
    #[error("reader {name} is open already; drop it first")]
    ReaderInUse {
        /// The name.
        name: String,
    },
    /// A file of the journal cannot be read or written.
    #[error("cannot use {}; {}", path.display(), file_cure(source))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Names the holder of a lock.
fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// What helps when a file cannot be used.
fn file_cure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::FileTooLarge => RAISE_FILE_SIZE,
        _ => "check the disk, and owner and mode of the file",
    }
}

/// Why reading stopped early. What was visited before counts; reading may be tried again.
#[derive(Debug, thiserror::Error)]
#[error("cannot read journal segment {}; nothing is lost, it is tried again", path.display())]
pub struct ReadError {
    /// The segment.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}
