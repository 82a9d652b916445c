//! The records of a journal as rows, for whoever follows or searches it.
//!
//! Invariant: a pass over a journal ends although the proxy writes on: it stops where it has caught
//! up. Not here: which journal, what is done with a row.

use std::sync::Arc;

use super::Row;
use crate::journal::{Entry, ReadError, Reader};
use crate::record::{Constants, DecodeError, Origin, Stream};

/// Bytes of records that are looked at between two looks at anything else.
pub const PASS_BYTES: usize = 1 << 20;
/// Runs whose constants are kept; beyond that they are read again.
const RUNS_MAX: usize = 64;

/// What is done with each record and the constants of its run; an error ends it.
pub type Visit<'v, E> = dyn FnMut(&Row<'_>, &Arc<Constants>) -> Result<(), E> + 'v;

/// Makes passes until one has come to where the writer is. A pass is up to [`PASS_BYTES`] of records, and
/// says how many bytes it was.
///
/// # Errors
/// What a pass says.
pub fn until_end<E>(mut pass: impl FnMut() -> Result<usize, E>) -> Result<(), E> {
    // A pass of less than a full one has seen the end of every lane, unless a file could not be
    // opened for a moment: hence a second one.
    let mut short = 0;
    while short < 2 {
        match pass()? {
            0 => break,
            PASS_BYTES.. => short = 0,
            _ => short += 1,
        }
    }
    Ok(())
}

/// The records of a journal, in the order in which they are found.
#[derive(Debug)]
pub struct Records {
    reader: Reader,
    /// What is constant in each run, and what could not be read.
    runs: Runs,
    /// Missed records that were told of.
    told: u64,
}

/// What is known of the runs that wrote the journal.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// Preambles with what they mean.
    known: Vec<(Arc<[u8]>, Arc<Constants>)>,
    damaged: u64,
    /// Records of a later version.
    newer: u64,
}

impl Records {
    /// What a reader gives.
    pub fn new(reader: Reader) -> Self {
        Self { reader, runs: Runs::default(), told: 0 }
    }

    /// Visits what there is now, up to [`PASS_BYTES`]; says how many bytes of records that was, 0 for none.
    ///
    /// # Errors
    /// When the journal cannot be read, or what `visit` says, which is then not called again.
    pub fn pass<E: From<ReadError>>(&mut self, visit: &mut Visit<'_, E>) -> Result<usize, E> {
        let (mut bytes, mut result) = (0, Ok(()));
        let runs = &mut self.runs;
        self.reader.read(PASS_BYTES, &mut |entry| {
            bytes += entry.payload.len();
            if result.is_ok() {
                result = runs.with_row(&entry, visit);
            }
        })?;
        result.map(|()| bytes)
    }

    /// Visits everything up to where the writer is when this comes there.
    ///
    /// # Errors
    /// As for [`Records::pass`].
    pub fn all<E: From<ReadError>>(&mut self, visit: &mut Visit<'_, E>) -> Result<(), E> {
        until_end(|| self.pass(visit))
    }

    /// Records that were overwritten or damaged before they could be read.
    pub fn missed(&self) -> u64 {
        self.reader.missed()
    }

    /// Records whose frame is whole and whose content is not, and those of a later version.
    pub const fn unreadable(&self) -> (u64, u64) {
        (self.runs.damaged, self.runs.newer)
    }

    /// A sentence about what was missed since the last time this was asked.
    pub fn news(&mut self) -> Option<String> {
        let missed = self.missed() - self.told;
        self.told += missed;
        (missed > 0).then(|| {
            let records = if missed == 1 { "record was" } else { "records were" };
            format!("{missed} {records} overwritten or damaged before they could be read")
        })
    }

    /// Sentences about what could not be read at all.
    pub fn complaints(&self) -> Vec<String> {
        self.runs.complaints()
    }
}

impl Runs {
    /// Sentences about what could not be read at all.
    pub(super) fn complaints(&self) -> Vec<String> {
        let (damaged, newer) = (self.damaged, self.newer);
        [(damaged, DecodeError::Damaged), (newer, DecodeError::Newer)]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, why)| format!("{count} records cannot be read: {why}"))
            .collect()
    }

    /// Gives an entry as a row to `visit`; counts it when it is none.
    fn with_row<E>(&mut self, entry: &Entry<'_>, visit: &mut Visit<'_, E>) -> Result<(), E> {
        let Some(stream) = Stream::from_u8(entry.stream) else {
            self.newer += 1;
            return Ok(());
        };
        let Some(constants) = self.constants(entry.preamble) else { return Ok(()) };
        match Row::read(stream, entry.payload, Origin::of(entry, &constants)) {
            Ok(row) => visit(&row, &constants),
            Err(error) => {
                self.count(error);
                Ok(())
            }
        }
    }

    /// What a preamble means; a record of one that says nothing is counted.
    pub(super) fn constants(&mut self, preamble: &Arc<[u8]>) -> Option<Arc<Constants>> {
        if let Some((_, constants)) = self.known.iter().find(|(known, _)| known == preamble) {
            return Some(Arc::clone(constants));
        }
        let read = Constants::decode(preamble).inspect_err(|error| self.count(*error));
        let constants = Arc::new(read.ok()?);
        if self.known.len() >= RUNS_MAX {
            self.known.clear();
        }
        self.known.push((Arc::clone(preamble), Arc::clone(&constants)));
        Some(constants)
    }

    /// Counts what could not be read.
    pub(super) const fn count(&mut self, error: DecodeError) {
        match error {
            DecodeError::Damaged => self.damaged += 1,
            DecodeError::Newer => self.newer += 1,
        }
    }
}
