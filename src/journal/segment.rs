//! One use of a segment file, as lane, readers and background threads share it.
//!
//! Invariants: the lane alone stores `taken`. A [`Segment`] describes one use: the next one is another.
//! Not here: how far it is filled (`handover`), the bytes (`format`, `mapping`), which segments exist
//! (`registry`).

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::folder::Opened;
use super::format::{Header, Key, PerStream, State};
use super::handover::{HandOver, Progress};
use super::lock;

/// What is known of a use from the moment a lane takes the segment.
#[derive(Debug)]
pub(super) struct Taken {
    /// Number of this use in the directory.
    pub(super) ordinal: u64,
    /// Records journaled by the lane before.
    pub(super) base: u64,
    /// First sequence number of each stream that can stand here.
    pub(super) first_seq: PerStream,
}

/// One use of a segment file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: u32,
    pub(super) path: PathBuf,
    /// Length of the file.
    pub(super) bytes: u32,
    pub(super) key: Key,
    /// Start value of every CRC.
    pub(super) seed: u32,
    /// The writer's constant bytes.
    pub(super) preamble: Arc<[u8]>,
    /// Whether `progress` tells the end; a reader of another process learns it from the bytes.
    pub(super) measured: bool,
    /// Set when the lane takes the segment.
    taken: OnceLock<Taken>,
    /// What the lane says of it.
    pub(super) says: HandOver,
    /// A sync failed, or the file was removed or cut: nothing more may be appended, and the file is
    /// made anew before its next use.
    failed: AtomicBool,
    /// The file was removed: `to_sync` is the last way to its bytes.
    removed: AtomicBool,
    /// The folder that the file is in; by `path` where another process may be writing.
    folder: Option<Arc<Opened>>,
    /// Offset up to which the bytes are on the disk.
    synced: AtomicU32,
    /// Records found damaged in use and counted.
    lost: AtomicU64,
    /// Open from preparation until everything is synced: a descriptor opened later could miss an
    /// error of writing back.
    to_sync: Mutex<Option<Arc<File>>>,
}

impl Segment {
    /// A segment prepared for a lane.
    pub(super) fn prepared(
        file: u32,
        path: PathBuf,
        folder: Arc<Opened>,
        header: &Header,
        opened: File,
    ) -> Self {
        Self {
            to_sync: Mutex::new(Some(Arc::new(opened))),
            folder: Some(folder),
            ..Self::new(file, path, header, true)
        }
    }

    /// A segment of an earlier run, measured by recovery: it will not grow.
    pub(super) fn recovered(
        file: u32,
        path: PathBuf,
        folder: Arc<Opened>,
        header: &Header,
        found: Progress,
    ) -> Self {
        let segment = Self { folder: Some(folder), ..Self::new(file, path, header, true) };
        segment.says.set_progress(found);
        segment.says.seal();
        segment.synced.store(found.end, Ordering::Relaxed);
        segment
    }

    /// A segment that another process may be writing.
    pub(super) fn foreign(file: u32, path: PathBuf, header: &Header) -> Self {
        Self::new(file, path, header, false)
    }

    fn new(file: u32, path: PathBuf, header: &Header, measured: bool) -> Self {
        let segment = Self {
            file,
            path,
            bytes: header.segment_bytes,
            key: header.key,
            seed: header.seed,
            preamble: Arc::clone(&header.preamble),
            measured,
            taken: OnceLock::new(),
            says: HandOver::new(),
            failed: AtomicBool::new(false),
            removed: AtomicBool::new(false),
            folder: None,
            synced: AtomicU32::new(Progress::EMPTY.end),
            lost: AtomicU64::new(0),
            to_sync: Mutex::new(None),
        };
        if header.state == State::Taken {
            segment.take(Taken {
                ordinal: header.ordinal,
                base: header.base(),
                first_seq: header.first_seq,
            });
        }
        segment
    }

    /// The lane takes the segment. From now on readers can see it.
    pub(super) fn take(&self, taken: Taken) {
        let first = self.taken.set(taken).is_ok();
        debug_assert!(first, "a use is taken once");
    }

    /// What is known since the lane took it; `None` before.
    pub(super) fn taken(&self) -> Option<&Taken> {
        self.taken.get()
    }

    /// Number of this use; 0 until it is taken.
    pub(super) fn ordinal(&self) -> u64 {
        self.taken().map_or(0, |taken| taken.ordinal)
    }

    /// Opens the file for reading: also a removed one, as long as it is kept open.
    pub(super) fn open(&self) -> io::Result<File> {
        if let Some(file) = &*lock(&self.to_sync) {
            return file.try_clone();
        }
        self.folder.as_ref().map_or_else(|| File::open(&self.path), |dir| dir.open(self.file))
    }

    /// Looks whether the file that is kept open is still whole and in the folder; what is wrong is told
    /// once, and nothing more is appended then. A removed one goes on unless it `may_leave` for others.
    pub(super) fn look(&self, may_leave: bool) -> Option<&'static str> {
        let file = lock(&self.to_sync).clone()?;
        let stat = rustix::fs::fstat(&file).ok()?;
        if self.is_failed() {
            return None;
        }
        let is_removed = stat.st_nlink == 0;
        if !is_removed
            && u64::try_from(stat.st_size).is_ok_and(|size| size >= u64::from(self.bytes))
        {
            return None;
        }
        self.removed.store(is_removed, Ordering::Relaxed);
        if is_removed && !may_leave {
            return None;
        }
        self.failed.store(true, Ordering::Relaxed);
        Some(if is_removed { "was removed" } else { "was cut" })
    }

    /// Nothing more may be appended: what stands there is still read.
    pub(super) fn leave(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Whether the next start would find the file.
    pub(super) fn is_findable(&self) -> bool {
        !self.removed.load(Ordering::Relaxed) && self.path.exists()
    }

    /// Whether a sync failed, or the file was removed or cut.
    pub(super) fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Records that a sync failed: the lane leaves the segment, the file is not used again.
    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
        *lock(&self.to_sync) = None;
    }

    /// Makes the next sync fail, which has to come before anything else.
    #[cfg(test)]
    pub(super) fn break_sync(&self) {
        *lock(&self.to_sync) = File::open("/dev/null").ok().map(Arc::new); // it cannot be synced
    }

    /// Takes note that `lost` records of this use were damaged in use, altogether; returns how many of
    /// them nobody had counted yet.
    pub(super) fn note_lost(&self, lost: u64) -> u64 {
        lost.saturating_sub(self.lost.fetch_max(lost, Ordering::Relaxed))
    }

    /// Records of this use found damaged in use so far.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// The file, when it holds bytes that are not known to be on the disk.
    pub(super) fn dirty(&self) -> Option<(Arc<File>, Progress)> {
        let file = lock(&self.to_sync).clone()?;
        let progress = self.says.progress();
        (progress.end > self.synced.load(Ordering::Relaxed)).then_some((file, progress))
    }

    /// Records that everything up to `upto` is on the disk, and closes the file when that is all.
    pub(super) fn synced(&self, upto: Progress) {
        self.synced.store(upto.end, Ordering::Relaxed);
        self.close_when_synced();
    }

    /// Closes the descriptor kept for syncing when there is nothing left to sync; not that of a removed
    /// file, which is the last way to it.
    pub(super) fn close_when_synced(&self) {
        let is_synced = self.says.progress().end <= self.synced.load(Ordering::Relaxed);
        if !self.says.is_sealed() || !is_synced || self.removed.load(Ordering::Relaxed) {
            return;
        }
        let mut kept = lock(&self.to_sync);
        let Some(file) = &*kept else { return };
        if rustix::fs::fstat(&**file).is_ok_and(|stat| stat.st_nlink == 0) {
            self.removed.store(true, Ordering::Relaxed);
        } else {
            *kept = None;
        }
    }
}

/// The first segment of a lane whose number of use is `ordinal` or higher.
pub(super) fn at_or_after(
    segments: &[Arc<Segment>],
    key: Key,
    ordinal: u64,
) -> Option<Arc<Segment>> {
    of_lane(segments, key)
        .filter(|segment| segment.ordinal() >= ordinal)
        .min_by_key(|segment| segment.ordinal())
        .cloned()
}

/// The newest segment of a lane.
pub(super) fn last(segments: &[Arc<Segment>], key: Key) -> Option<Arc<Segment>> {
    of_lane(segments, key).max_by_key(|segment| segment.ordinal()).cloned()
}

/// Taken segments of a lane.
fn of_lane(segments: &[Arc<Segment>], key: Key) -> impl Iterator<Item = &Arc<Segment>> {
    segments.iter().filter(move |segment| segment.key == key && segment.taken().is_some())
}
