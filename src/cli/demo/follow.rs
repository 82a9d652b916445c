//! Follows the journal of the running proxy, as any other program could, and tallies what it reads.

use std::path::Path;

use tokio::time::Instant;

use super::tally::{Place, Tally};
use crate::journal::{From, OpenError, Reader};

/// Bytes of records read at a time.
const READ_BYTES: usize = 1 << 20;
/// Reads of one second at most; what is left waits for the next.
const READS_MAX: usize = 64;

/// A reader and its figures.
#[derive(Debug)]
pub(super) struct Follower {
    /// Holds nothing back in the journal.
    reader: Reader,
    pub(super) tally: Tally,
    /// End of the last second that was closed.
    last: Instant,
}

impl Follower {
    /// Follows from `start`, which is now.
    pub(super) fn open(dir: &Path, places: Vec<Place>, start: Instant) -> Result<Self, OpenError> {
        let reader = Reader::open_directory(dir, From::Now)?;
        Ok(Self { reader, tally: Tally::new(places), last: start })
    }

    /// Reads what was journaled since, and counts it as the second that ended at `now`.
    pub(super) fn close_second(&mut self, now: Instant) {
        for _ in 0..READS_MAX {
            let tally = &mut self.tally;
            let read = self.reader.read(READ_BYTES, &mut |entry| {
                tally.add(entry.stream, entry.payload);
            });
            match read {
                Ok(0) => break, // also no lane that is new
                Ok(_) => (),
                Err(error) => {
                    tracing::warn!(%error, "the journal cannot be read; trying again in a second");
                    break;
                }
            }
        }
        self.tally.close_second(now.saturating_duration_since(self.last));
        self.last = now;
    }

    /// Records that could not be had: overwritten before they were read, or damaged.
    pub(super) fn missed(&self) -> u64 {
        self.reader.missed()
    }
}
