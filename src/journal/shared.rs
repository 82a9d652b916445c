//! What lanes, readers and the background threads of one open journal share.
//!
//! Invariant: a lane touches only its own [`Slot`] and atomics on its common path.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;

use super::folder::Folder;
use super::format::Key;
use super::gap::{Gaps, Teller};
use super::identity::{Identity, Lock};
use super::lock;
use super::mapping::Mapping;
use super::page::PageFile;
use super::prepare::Retry;
use super::registry::Registry;
use super::segment::Segment;
use crate::metrics::JournalMetrics;

/// A segment ready to be written: mapped, with its pages in memory.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) mapping: Mapping,
    /// What readers will see of it.
    pub(super) segment: Arc<Segment>,
}

/// The hand-over place of one lane. Alone on its cache lines: its lane writes it all the time.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Slot {
    pub(super) lane: u8,
    /// Segments prepared ahead, the next first.
    pub(super) ready: ArrayQueue<Prepared>,
    /// No segment could be had when the lane last asked: it does not ask again until one comes.
    pub(super) is_full: AtomicBool,
    /// A segment for the lane is being prepared right now.
    pub(super) is_preparing: AtomicBool,
    /// Whether the lane still exists.
    pub(super) is_live: AtomicBool,
    /// Records appended since start. Written by the lane alone.
    pub(super) appended: AtomicU64,
    /// Records dropped since start. Written by the lane alone.
    pub(super) dropped: AtomicU64,
}

/// Everything that an open journal's parts share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) folder: Folder,
    /// Most bytes of segment files.
    pub(super) bytes_max: u64,
    /// Length of new segments.
    pub(super) segment_bytes: u32,
    /// Span between syncs.
    pub(super) sync_every: Duration,
    /// This start.
    pub(super) identity: Identity,
    /// Constant bytes for every segment header.
    pub(super) preamble: Arc<[u8]>,
    /// How lanes tell of gaps.
    pub(super) teller: Option<Teller>,
    /// Where lanes keep what they have dropped and not told of.
    pub(super) gaps: Option<Arc<PageFile>>,
    /// What earlier starts have dropped and not told of, for whichever lane has space first.
    pub(super) left: Mutex<Vec<Gaps>>,
    /// Whether there is any of it.
    pub(super) has_left: AtomicBool,
    pub(super) metrics: Arc<JournalMetrics>,
    pub(super) registry: Mutex<Registry>,
    /// Seeds of segments.
    pub(super) random: Mutex<fastrand::Rng>,
    /// One per lane, the control lane last.
    pub(super) slots: Vec<Slot>,
    /// Segments prepared ahead for each lane.
    pub(super) ahead: usize,
    /// Mappings that lanes are done with: unmapping is a system call.
    pub(super) unmap: ArrayQueue<Mapping>,
    /// Number of the next use of a segment.
    pub(super) next_ordinal: AtomicU64,
    /// The thread that prepares, to be woken.
    pub(super) preparer: OnceLock<Thread>,
    /// The background threads end.
    pub(super) is_stopping: AtomicBool,
    /// Lanes not yet dropped.
    pub(super) live_lanes: AtomicUsize,
    /// When segments are prepared again after one could not be.
    pub(super) retry: Mutex<Retry>,
    /// Held by the one look at folder and segments that goes on.
    pub(super) looking: Mutex<()>,
    /// Held until the journal is closed and no lane is left.
    pub(super) directory_lock: Mutex<Option<Lock>>,
}

impl Shared {
    /// The key of a lane of this start.
    pub(super) fn key(&self, lane: u8) -> Key {
        Key { instance: self.identity.instance, epoch: self.identity.epoch, lane }
    }

    /// Whether `key` is of this start.
    pub(super) fn is_current(&self, key: Key) -> bool {
        key == self.key(key.lane)
    }

    /// Wakes the thread that prepares segments. One system call when it sleeps, else none.
    pub(super) fn wake_preparer(&self) {
        if let Some(thread) = self.preparer.get() {
            thread.unpark();
        }
    }

    /// Whether what lanes drop leaves no trace when the process ends.
    pub(super) fn has_no_pages(&self) -> bool {
        self.gaps.as_ref().is_none_or(|gaps| gaps.is_lost())
    }

    /// Brings counters and gauges up to date: lanes count for themselves.
    pub(super) fn refresh_metrics(&self) {
        let total = |cell: fn(&Slot) -> &AtomicU64| -> u64 {
            self.slots.iter().map(|slot| cell(slot).load(Ordering::Relaxed)).sum()
        };
        self.metrics.appended_total.set(total(|slot| &slot.appended));
        self.metrics.dropped_full_total.set(total(|slot| &slot.dropped));
        let is_failing = lock(&self.retry).is_failing();
        let is_harmed = self.folder.fault().is_some() || self.has_no_pages();
        self.metrics.folder_fault.set(u64::from(is_harmed));
        let registry = lock(&self.registry);
        self.metrics.segments.set(registry.files() as u64);
        self.metrics.used_bytes.set(registry.used_bytes());
        // A file that cannot be opened or mapped holds nothing until it can.
        let usable = if is_failing { registry.open_bytes() } else { registry.file_bytes };
        self.metrics.capacity_bytes.set(usable);
    }

    /// Counts records of a segment that turned out to be damaged in use: `lost` altogether, for one
    /// reader. Others find the same.
    pub(super) fn count_lost(&self, segment: &Segment, lost: u64) {
        let is_first = segment.lost() == 0;
        let fresh = segment.note_lost(lost);
        self.metrics.damaged_records_total.add(fresh);
        self.metrics.damaged_segments_total.add(u64::from(is_first && fresh > 0));
    }

    /// Releases the directory when the journal is closed and no lane can write any more.
    pub(super) fn release_when_idle(&self) {
        if self.is_stopping.load(Ordering::SeqCst) && self.live_lanes.load(Ordering::SeqCst) == 0 {
            *lock(&self.directory_lock) = None;
        }
    }
}
