//! Which segment files exist, what each is in use for, and when one may be used again.
//!
//! Invariants: a segment is used again only when it is sealed and every durable reader has
//! acknowledged its end, the oldest first; without a durable reader the oldest sealed segment is
//! used again (a ring). A file is in exactly one place: `free`, `segments`, or in the hands of the
//! thread that prepares it. Behind one mutex that is held for microseconds and never during I/O;
//! lanes take it only when no prepared segment is left.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::cursor::{Mark, Marks};
use super::format::Key;
use super::segment::Segment;

/// A file that holds nothing any reader needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FreeFile {
    pub(super) number: u32,
    /// Its length, as [`Registry::file_bytes`] counts it.
    pub(super) bytes: u64,
    /// Whether it can be used as it is; else it is made anew.
    pub(super) is_trusted: bool,
}

/// What the journal knows of one durable reader.
#[derive(Debug, Default)]
pub(super) struct Durable {
    /// Acknowledged position in every lane.
    pub(super) acked: Marks,
    pub(super) note: String,
    /// Whether a [`super::Reader`] of this name is open.
    pub(super) in_use: bool,
}

/// All segment files of a directory.
#[derive(Debug, Default)]
pub(super) struct Registry {
    /// Prepared, active and sealed segments, in no order.
    pub(super) segments: Vec<Arc<Segment>>,
    /// Files to use next, the longest free first.
    pub(super) free: VecDeque<FreeFile>,
    pub(super) durable: BTreeMap<String, Durable>,
    /// Bytes of all files in `free` and `segments`, and of those that are being prepared.
    pub(super) file_bytes: u64,
    /// Files in the hands of a thread that prepares them.
    pub(super) in_preparation: usize,
}

impl Registry {
    /// Lanes that have a segment.
    pub(super) fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<_> = self.segments.iter().map(|segment| segment.key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Whether every durable reader has acknowledged all of a segment.
    fn is_passed(&self, segment: &Segment) -> bool {
        segment.says.progress().records == 0
            || self.durable.values().all(|reader| {
                reader.acked.get(&segment.key).is_some_and(|mark| mark.has_passed(segment))
            })
    }

    /// Takes the file to use next out of the registry: a free one, else the oldest that may be
    /// used again; `None`: the journal is full. The other way round while free ones cannot be had:
    /// what is used again has its space already.
    pub(super) fn claim(&mut self, is_reuse_first: bool) -> Option<FreeFile> {
        if is_reuse_first {
            return self.reuse().or_else(|| self.free.pop_front());
        }
        self.free.pop_front().or_else(|| self.reuse())
    }

    /// Takes out the oldest segment that may be used again; its readers are told first.
    fn reuse(&mut self) -> Option<FreeFile> {
        let reusable = |(_, segment): &(usize, &Arc<Segment>)| {
            segment.taken().is_some() && segment.says.is_sealed() && self.is_passed(segment)
        };
        let (index, _) = self
            .segments
            .iter()
            .enumerate()
            .filter(reusable)
            .min_by_key(|(_, segment)| segment.ordinal())?;
        let segment = self.segments.swap_remove(index);
        segment.says.retire();
        Some(free_file(&segment))
    }

    /// Gives back a file that could not be prepared: behind the others, so that one that never can be
    /// stands in nobody's way.
    pub(super) fn give_back(&mut self, free: FreeFile) {
        self.file_bytes += free.bytes;
        self.free.push_back(free);
    }

    /// Files in all.
    pub(super) fn files(&self) -> usize {
        self.segments.len() + self.free.len() + self.in_preparation
    }

    /// Bytes of segments that are open: prepared or taken.
    pub(super) fn open_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.bytes)).sum()
    }

    /// Gives back a prepared segment that its lane never took.
    pub(super) fn release(&mut self, segment: &Arc<Segment>) {
        self.segments.retain(|other| !Arc::ptr_eq(other, segment));
        self.free.push_back(free_file(segment));
    }

    /// Bytes of segments that hold records a durable reader has not acknowledged, or that are
    /// being written.
    pub(super) fn used_bytes(&self) -> u64 {
        self.segments
            .iter()
            .filter(|segment| segment.taken().is_some())
            .filter(|segment| !segment.says.is_sealed() || !self.is_passed(segment))
            .map(|segment| u64::from(segment.bytes))
            .sum()
    }

    /// Records behind `marks`, in all lanes.
    pub(super) fn records_behind(&self, marks: &Marks) -> u64 {
        self.segments
            .iter()
            .filter(|segment| segment.taken().is_some())
            .map(|segment| marks.get(&segment.key).unwrap_or(&Mark::START).left_in(segment))
            .sum()
    }

    /// Of [`Registry::records_behind`], those in files that are not at their path.
    pub(super) fn unfindable_behind(&self, marks: &Marks) -> u64 {
        let left = |segment: &Arc<Segment>| {
            marks.get(&segment.key).unwrap_or(&Mark::START).left_in(segment)
        };
        self.segments
            .iter()
            .filter(|segment| segment.taken().is_some())
            .filter(|segment| left(segment) > 0 && !segment.is_findable())
            .map(left)
            .sum()
    }

    /// Bytes behind `marks`, in all lanes.
    pub(super) fn bytes_behind(&self, marks: &Marks) -> u64 {
        self.segments
            .iter()
            .filter(|segment| segment.taken().is_some())
            .map(|segment| marks.get(&segment.key).unwrap_or(&Mark::START).bytes_left_in(segment))
            .sum()
    }

    /// Whether `new` has passed a sealed segment that `old` had not: it may become free.
    pub(super) fn passes_more(&self, old: &Marks, new: &Marks) -> bool {
        let has_passed = |marks: &Marks, segment: &Segment| {
            marks.get(&segment.key).is_some_and(|mark| mark.has_passed(segment))
        };
        self.segments
            .iter()
            .filter(|segment| segment.taken().is_some() && segment.says.is_sealed())
            .any(|segment| has_passed(new, segment) && !has_passed(old, segment))
    }

    /// Forgets marks of lanes that have no segment any more and are not being written.
    pub(super) fn prune(&self, marks: &mut Marks, is_written: impl Fn(Key) -> bool) {
        let keys = self.keys();
        marks.retain(|key, _| keys.binary_search(key).is_ok() || is_written(*key));
    }
}

/// The file of a segment, for another use; made anew when it cannot be trusted.
fn free_file(segment: &Segment) -> FreeFile {
    FreeFile {
        number: segment.file,
        bytes: u64::from(segment.bytes),
        is_trusted: !segment.is_failed(),
    }
}
