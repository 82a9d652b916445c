//! What a lane says of one use of a segment, and what readers may conclude from it.
//!
//! Invariants: bytes before [`Progress::end`] are stored before it is, `sealed` after the last progress:
//! who looks at `sealed` first and then at the progress has the end. `retired` is stored before any byte
//! of the next use: who reads bytes and then looks has bytes of this use, or is told. Held at every order
//! of loads and stores by `tests/handover.rs`. Not here: what else is known of a use (`segment`).

use super::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use super::format::HEADER_BYTES;

/// How far a segment is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// Frames published.
    pub(super) records: u32,
    /// Offset after the last of them.
    pub(super) end: u32,
}

impl Progress {
    /// A segment without frames.
    #[expect(clippy::cast_possible_truncation, reason = "a page")]
    pub(super) const EMPTY: Self = Self { records: 0, end: HEADER_BYTES as u32 };

    fn pack(self) -> u64 {
        u64::from(self.records) << 32 | u64::from(self.end)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the word")]
    fn unpack(packed: u64) -> Self {
        Self { records: (packed >> 32) as u32, end: packed as u32 }
    }
}

/// Written by the lane, and at the end by whoever uses the file again; read by everybody.
#[derive(Debug)]
pub(super) struct HandOver {
    /// [`Progress`], packed.
    progress: AtomicU64,
    /// Nothing will be appended any more.
    sealed: AtomicBool,
    /// The file is about to be overwritten.
    retired: AtomicBool,
}

impl HandOver {
    /// A use without frames.
    pub(super) fn new() -> Self {
        Self {
            progress: AtomicU64::new(Progress::EMPTY.pack()),
            sealed: AtomicBool::new(false),
            retired: AtomicBool::new(false),
        }
    }

    /// Publishes how far the segment is filled. Only for the lane.
    pub(super) fn set_progress(&self, progress: Progress) {
        self.progress.store(progress.pack(), Ordering::Release);
    }

    /// How far the segment is filled.
    pub(super) fn progress(&self) -> Progress {
        Progress::unpack(self.progress.load(Ordering::Acquire))
    }

    /// Nothing will be appended any more. Only for the lane.
    pub(super) fn seal(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    /// Whether nothing will be appended any more; look at it before [`HandOver::progress`].
    pub(super) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    /// Says that the file is about to be overwritten.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        fence(Ordering::Release); // what is stored into the file from here on comes later
    }

    /// Whether bytes read just now may belong to another use already.
    pub(super) fn is_retired(&self) -> bool {
        fence(Ordering::Acquire); // what was read of the file came earlier
        self.retired.load(Ordering::Relaxed)
    }
}
