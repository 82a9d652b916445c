//! The journal: every record survives the end of the process, and is kept until it is shipped.
//!
//! ```text
//! worker 0 ─► Lane 0   ─► segment ─► segment ─► …  ┐
//! worker 1 ─► Lane 1   ─► segment ─► …             ├─► Reader "ship" (durable), followers
//! the rest ─► Lane 255 ─► segment ─► …             ┘
//! ```
//!
//! A directory, locked by one process. Each lane writes its own chain of preallocated, mapped
//! segment files; a thread prepares them ahead and another brings them to the disk. A durable
//! reader holds segments until it acknowledges them; followers hold nothing.
//!
//! Invariants: what `append` stored survives SIGKILL at any instruction; nothing unacknowledged is
//! ever overwritten; total size is bounded; a full journal drops the newest records, counts them
//! exactly, and tells of them as soon as there is space. `unsafe` stands in `mapping` alone.
//! Not here: what a record means (`record`), where it is shipped (`ship`). The format is drawn in
//! `docs/journal-format.md`.

mod cursor;
mod directory;
mod error;
mod folder;
mod format;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod gap;
mod handover;
mod identity;
mod lane;
mod mapping;
mod open;
mod page;
mod prepare;
mod reader;
mod recovery;
mod registry;
mod scan;
mod segment;
mod shared;
mod sync;
#[cfg(test)]
mod tests;

pub use cursor::NOTE_BYTES_MAX;
pub use error::{OpenError, ReadError};
pub use folder::FolderFault;
pub use format::{FRAME_BYTES_MAX, PREAMBLE_BYTES_MAX, STREAMS_MAX};
pub use gap::{Gap, Teller};
pub use identity::Identity;
pub use lane::{Appended, Lane};
pub use reader::{Entry, Positions, Reader};

use std::path::{Path, PathBuf};
use std::sync::atomic::{self, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::metrics::JournalMetrics;
use cursor::{Cursor, CursorFiles, Mark, Marks};
use registry::Durable;
use shared::Shared;

/// Id of the lane that no worker owns: health, gaps, everything rare.
pub const CONTROL_LANE: u8 = 255;

/// How to open a journal. No `Default`: each bound is the caller's decision.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory; created when absent.
    pub dir: PathBuf,
    /// Most bytes that segment files take. Reserved at once, so that a disk that fills up later
    /// changes nothing.
    pub bytes_max: u64,
    /// Bytes of one segment, a multiple of 4096 from 8192 up; made smaller when `bytes_max` has not
    /// room for three of them per lane. Three segments per lane are mapped at a time.
    pub segment_bytes: u32,
    /// Span between syncs: what power loss may take. Shorter than 50 ms counts as 50 ms.
    pub sync_every: Duration,
    /// Lanes to open beside the control lane; fewer than 255.
    pub workers: u8,
    /// Bytes kept with every segment and given with every entry: what is constant in a process. At
    /// most [`PREAMBLE_BYTES_MAX`].
    pub preamble: Vec<u8>,
    /// How gaps are told; they are only counted without it.
    pub teller: Option<Teller>,
    /// Where to count.
    pub metrics: Arc<JournalMetrics>,
}

/// Where a reader without a cursor starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At the oldest record that is still there.
    Oldest,
    /// Behind the newest record: only what comes later.
    Now,
}

/// An open journal. Dropping it closes it.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Journal {
    /// Opens or creates the journal, finds what earlier runs left, reserves its space and starts
    /// its threads. The lanes are those of the workers, ids from 0, then the control lane. Blocks
    /// on the disk: under a second per GiB.
    ///
    /// # Errors
    /// See [`OpenError`]; damage on disk is none.
    pub fn open(options: Options) -> Result<(Self, Vec<Lane>), OpenError> {
        open::open(options)
    }

    /// The numbers that make the records of this start unique.
    pub fn identity(&self) -> Identity {
        self.shared.identity
    }

    /// The durable reader `name`: starts where it acknowledged last, else at the oldest record, and
    /// keeps everything from there on until it acknowledges more. From its first opening on it
    /// holds records even while it is not open; see [`Journal::forget_unused`].
    ///
    /// # Errors
    /// [`OpenError::ReaderName`], [`OpenError::ReaderInUse`], and [`OpenError::File`] when its
    /// files cannot be created.
    pub fn reader(&self, name: &str) -> Result<Reader, OpenError> {
        check_name(name)?;
        let dir = self.shared.folder.path();
        let (mut files, _) = CursorFiles::load(dir, name);
        let lanes = usize::try_from(self.shared.bytes_max / u64::from(self.shared.segment_bytes));
        let cursor = {
            let mut registry = lock(&self.shared.registry);
            let oldest: Marks = registry
                .keys()
                .into_iter()
                .filter_map(|key| {
                    let first = segment::at_or_after(&registry.segments, key, 0)?;
                    Some((key, Mark::at_start(&first)))
                })
                .collect();
            let known = registry
                .durable
                .entry(name.to_owned())
                .or_insert_with(|| Durable { acked: oldest, ..Durable::default() });
            if std::mem::replace(&mut known.in_use, true) {
                return Err(OpenError::ReaderInUse { name: name.to_owned() });
            }
            // A lane whose first segments are lost before anything of it is acknowledged is missed.
            for slot in &self.shared.slots {
                known.acked.entry(self.shared.key(slot.lane)).or_insert(Mark::START);
            }
            let mut cursor = Cursor { marks: known.acked.clone(), note: known.note.clone() };
            registry.prune(&mut cursor.marks, |key| self.shared.is_current(key));
            cursor
        };
        let reserved = files
            .reserve(lanes.unwrap_or(0) + self.shared.slots.len())
            .and_then(|()| files.store(&cursor, true));
        let reader = Reader::durable(Arc::clone(&self.shared), name, files, cursor);
        match reserved {
            Ok(()) => Ok(reader),
            Err(source) => {
                Err(OpenError::File { path: dir.join(format!("cursor-{name}")), source })
            }
        }
    }

    /// Gives up every durable reader that is not open, whichever version opened it once, and tells of
    /// each: nothing is kept for it any more.
    ///
    /// # Errors
    /// [`OpenError::File`] when its files cannot be removed.
    pub fn forget_unused(&self) -> Result<(), OpenError> {
        let mut registry = lock(&self.shared.registry);
        let unused = registry.durable.extract_if(.., |_, reader| !reader.in_use);
        let unused: Vec<_> = unused.map(|(name, _)| name).collect();
        drop(registry);
        self.shared.wake_preparer();
        let dir = self.shared.folder.path();
        for name in unused {
            let path = dir.join(format!("cursor-{name}"));
            CursorFiles::remove(dir, &name).map_err(|source| OpenError::File { path, source })?;
            tracing::info!(reader = name, "nothing in the journal waits for this reader any more");
        }
        Ok(())
    }

    /// A reader that holds nothing back: what is overwritten before it comes by is counted in
    /// [`Reader::missed`].
    ///
    /// # Errors
    /// None at present.
    pub fn follower(&self, from: From) -> Result<Reader, OpenError> {
        Ok(Reader::follower(Arc::clone(&self.shared), from))
    }

    /// What can be asked about it, also while others own it.
    pub fn figures(&self) -> Figures {
        Figures { shared: Arc::clone(&self.shared) }
    }

    /// Ends the threads after a last sync, and releases the directory as soon as no lane is left:
    /// drop the lanes first. Readers can still read, but not acknowledge.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // A thread that panicked has nothing left to do either.
            let _ = thread.join();
        }
        self.shared.refresh_metrics();
        self.shared.release_when_idle();
    }
}

/// Whether a directory holds a journal: segments, of a running process or a stopped one.
pub fn is_journal(dir: &Path) -> bool {
    let Ok(mut entries) = std::fs::read_dir(dir) else { return false };
    entries.any(|entry| {
        let name = entry.map(|entry| entry.file_name());
        name.is_ok_and(|name| name.to_str().and_then(folder::segment_number).is_some())
    })
}

/// The last start of the journal in a directory, whether it runs or not; `None` when nothing readable
/// tells of one.
pub fn last_start(dir: &Path) -> Option<Identity> {
    identity::IdentityFile::load(dir).ok()?.last()
}

/// What can be asked about a journal from any thread, also after its end.
#[derive(Debug, Clone)]
pub struct Figures {
    shared: Arc<Shared>,
}

impl Figures {
    /// Its metrics, brought up to date: lanes count for themselves. Costs a short lock.
    pub fn metrics(&self) -> &JournalMetrics {
        self.shared.refresh_metrics();
        &self.shared.metrics
    }

    /// See [`Journal::follower`].
    pub fn follower(&self, from: From) -> Reader {
        Reader::follower(Arc::clone(&self.shared), from)
    }

    /// What is wrong with the folder, seen within a second.
    pub fn folder_fault(&self) -> Option<FolderFault> {
        self.shared.folder.fault()
    }

    /// What keeps it from storing records as it should, and the cure, for people.
    pub fn fault(&self) -> Option<&'static str> {
        let unprepared = "segment files of the journal cannot be opened or reserved, and what finds no \
                          space is dropped and counted: the log names the cause, such as a full disk";
        let is_failing = lock(&self.shared.retry).is_failing();
        let untraced = "the journal's file `gaps` cannot be used, and records that find no space leave no \
                        trace when the process ends before they are told of: the log names the cause";
        self.folder_fault()
            .map(FolderFault::text)
            .or(is_failing.then_some(unprepared))
            .or(self.shared.has_no_pages().then_some(untraced))
    }

    /// Those of [`Figures::pending`] that the next start would not find, since their files were removed
    /// or are elsewhere. Looks at each file.
    pub fn pending_unfindable(&self, name: &str) -> u64 {
        let registry = lock(&self.shared.registry);
        registry.durable.get(name).map_or(0, |reader| registry.unfindable_behind(&reader.acked))
    }

    /// Records journaled and not acknowledged by the durable reader `name`; 0 when there is none.
    pub fn pending(&self, name: &str) -> u64 {
        let registry = lock(&self.shared.registry);
        registry.durable.get(name).map_or(0, |reader| registry.records_behind(&reader.acked))
    }
}

/// Whether `name` can be part of a file name.
fn check_name(name: &str) -> Result<(), OpenError> {
    let usable = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=64).contains(&name.len()) && name.bytes().all(usable) {
        return Ok(());
    }
    Err(OpenError::ReaderName { name: name.to_owned() })
}

/// Locks; what a panicking thread left behind is consistent, for nothing is changed in two steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
