//! Records that found no space: how many of each stream, and how they are told of.
//!
//! Invariant: a gap is told before the next record of its lane is stored, or not at all yet; so the
//! numbers of a gap are next to each other, and one count per stream holds everything untold, however
//! long it lasts. It stands in the lane's page of `gaps` (`page`) until it is told, by this start or a
//! later one. Not here: when there is space (`lane`), what such a record says (`record`).

use super::format::{Key, PerStream, STREAMS_MAX, stream_index};
use super::identity::Identity;
use super::page::Page;

/// Records next to each other that were dropped: their numbers are `first_seq .. first_seq + count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Their start, when it is an earlier one.
    pub earlier: Option<Identity>,
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

/// What one lane has dropped and not told of.
#[derive(Debug)]
pub(super) struct Gaps {
    key: Key,
    /// Whether its start is an earlier one.
    is_left: bool,
    first_seq: PerStream,
    counts: PerStream,
    is_any: bool,
    /// Where the next start finds it; none where there was no room for it.
    page: Option<Page>,
}

impl Gaps {
    /// Nothing dropped so far.
    pub(super) fn none(key: Key, page: Option<Page>) -> Self {
        let nothing = [0; STREAMS_MAX];
        Self { key, is_left: false, first_seq: nothing, counts: nothing, is_any: false, page }
    }

    /// What the page of an earlier start holds.
    pub(super) fn left(key: Key, first_seq: PerStream, counts: PerStream, page: Page) -> Self {
        Self { key, is_left: true, first_seq, counts, is_any: true, page: Some(page) }
    }

    /// Whether there is nothing to tell.
    pub(super) const fn is_empty(&self) -> bool {
        !self.is_any
    }

    /// Takes note of a dropped record of the stream at `index`.
    pub(super) fn add(&mut self, index: usize, seq: u64) {
        if self.counts[index] == 0 {
            self.first_seq[index] = seq;
        }
        self.counts[index] += 1;
        self.is_any = true;
        self.store();
    }

    /// The next to tell of.
    pub(super) fn first(&self) -> Option<Gap> {
        let Key { instance, epoch, lane } = self.key;
        let earlier = self.is_left.then_some(Identity { instance, epoch });
        let index = self.counts.iter().position(|count| *count > 0)?;
        let stream = u8::try_from(index + 1).ok()?;
        let (first_seq, count) = (self.first_seq[index], self.counts[index]);
        Some(Gap { earlier, lane, stream, first_seq, count })
    }

    /// Forgets those of a stream, which were told.
    pub(super) fn forget(&mut self, stream: u8) {
        let Some(index) = stream_index(stream) else { return };
        self.counts[index] = 0;
        self.is_any = self.counts.iter().any(|count| *count > 0);
        self.store();
    }

    /// Stores what is untold where the file was made anew since.
    pub(super) fn store_again(&mut self) {
        if self.is_any && self.page.as_ref().is_some_and(Page::is_stale) {
            self.store();
        }
    }

    fn store(&mut self) {
        if let Some(page) = &mut self.page {
            page.store(self.key, &self.first_seq, &self.counts);
        }
    }
}
