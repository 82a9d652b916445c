//! Records that found no space: how many of each stream, and how they are told of.
//!
//! Invariant: a gap is told before the next record of its lane is stored, or not at all yet; so the
//! numbers of a gap are next to each other, and one count per stream holds everything untold, however
//! long it lasts. Not here: when there is space (`lane`), what such a record says (`record`).

use super::format::PerStream;

/// Records next to each other that were dropped: their numbers are `first_seq .. first_seq + count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Their lane.
    pub lane: u8,
    /// Their stream.
    pub stream: u8,
    /// Number of the first.
    pub first_seq: u64,
    /// How many.
    pub count: u64,
}

/// How lanes tell of their gaps: the journal knows no field.
#[derive(Debug, Clone, Copy)]
pub struct Teller {
    /// Stream of the records that tell; for nothing else.
    pub stream: u8,
    /// Encodes one, as [`Lane::append`](super::Lane::append) asks for it.
    pub encode: fn(Gap, &mut [u8]) -> Option<usize>,
}

/// What a lane has dropped and not told of.
#[derive(Debug, Default)]
pub(super) struct Untold {
    counts: PerStream,
    is_any: bool,
}

impl Untold {
    /// Whether there is nothing to tell.
    pub(super) const fn is_empty(&self) -> bool {
        !self.is_any
    }

    /// Takes note of a dropped record of the stream at `index`.
    pub(super) fn add(&mut self, index: usize) {
        self.counts[index] += 1;
        self.is_any = true;
    }

    /// The first stream that has any, and how many.
    pub(super) fn first(&self) -> Option<(u8, u64)> {
        (1_u8..).zip(self.counts).find(|(_, count)| *count > 0)
    }

    /// Forgets those of the stream at `index`, which were told.
    pub(super) fn forget(&mut self, index: usize) {
        self.counts[index] = 0;
        self.is_any = self.first().is_some();
    }
}
