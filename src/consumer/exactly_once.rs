//! Records added up exactly once, and rows of the sums appended to the journal exactly once.
//!
//! ```text
//! journal::Reader ─► Aggregate ─► pending rows ─► control lane of the journal
//!       ▲               │
//!       └ acknowledge ◄─┴─► StateFile: open sums, pending rows, numbers of records that are in them
//! ```
//! At any crash: (1) rows are fixed in memory; (2) the state that holds them replaces the one before;
//! (3) the journal is acknowledged up to there; (4) the rows are appended. A new start loads the state,
//! reads on, skips numbers that are in it, and finds in the journal, which holds everything behind the
//! acknowledged position, which rows were appended already.
//!
//! Invariants: a row is appended only after a state that holds it was written; the journal is
//! acknowledged only up to the last state; the state does not let go of a row before the journal has
//! brought it to the disk. When the state cannot be written, the journal is let go all the same; the
//! cursor's note then names a state that nobody has. Not here: the file (`state`), what the sums are
//! ([`Aggregate`]).

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::{Pending, StateFile, Stopping};
use crate::base::clock::wall_ms;
use crate::base::trouble::Trouble;
use crate::journal::{Entry, Reader};
use crate::metrics::Cell64;
use crate::record::Stream;

/// Payload read at a time.
const SLICE_BYTES: usize = 256 * 1024;
/// Slices read before something else is looked at.
const SLICES_MAX: usize = 256;
/// Wait before the journal is tried again when it is full.
const FULL_PAUSE: Duration = Duration::from_secs(1);

/// Appends a row to the journal; `false` when there is no space.
pub type Append = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// What tells a row from all others of its stream: its time, and a hash of what else its `_id` is made of.
pub type RowId = (u64, u64);

/// What records are added up to. Pure: the time comes in, and nothing is read or written.
pub(crate) trait Aggregate {
    /// Where its rows go.
    const ROWS: Stream;

    /// What tells a row from all others; `None` when it is none.
    fn row_id(row: &[u8]) -> Option<RowId>;

    /// Takes a record; one that was taken before ([`super::Lanes`]) changes nothing.
    fn take(&mut self, entry: &Entry<'_>, now_ms: u64);

    /// Looks at where things stand: everything there was until `now_ms` has been read. Sums become
    /// pending rows as far as `closing` allows.
    fn look(&mut self, closing: Closing, now_ms: u64);

    /// Rows to be appended.
    fn pending(&mut self) -> &mut Pending;

    /// Appends its state, pending rows included.
    fn encode(&self, out: &mut Vec<u8>);

    /// Whether the state is to be written as soon as rows that were appended are on the disk.
    fn is_urgent(&self) -> bool {
        false
    }

    /// The state was written, or cannot be. Says whether it changed by what was done now: it is then
    /// written once more.
    fn saved(&mut self) -> bool {
        false
    }

    /// Brings its metrics up to date.
    fn show(&mut self);
}

/// Which sums may become rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// None: rows that were appended may not be on the disk yet.
    Nothing,
    /// Those whose time has come.
    Due,
    /// All: the process ends.
    All,
}

/// When things are done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// After so long an appended row is on the disk.
    pub(crate) settle: Duration,
    /// The state is written at least so often, if anything was read.
    pub(crate) save_every: Duration,
    /// Most bytes of records that the journal holds for sums.
    pub(crate) held_bytes_max: u64,
}

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cells<'o> {
    /// Rows appended.
    pub(crate) rows: &'o Cell64,
    /// Times the state could not be written.
    pub(crate) state_errors: &'o Cell64,
}

/// One run; see the head of this file.
pub(crate) struct ExactlyOnce<'o, A> {
    reader: &'o mut Reader,
    append: &'o mut Append,
    state: StateFile,
    aggregate: A,
    limits: Limits,
    cells: Cells<'o>,
    /// Rows found in the journal while there are pending ones that may be among them; `None` once that
    /// is settled.
    written: Option<HashSet<RowId>>,
    /// Payload read since the last acknowledgement.
    held_bytes: u64,
    /// [`Pending::added`] at the last save.
    rows_saved: u64,
    last_save: Instant,
    last_append: Option<Instant>,
    /// Do not try to append before.
    append_after: Option<Instant>,
    // What may go wrong each second.
    unreadable: Trouble,
    unwritable: Trouble,
    unremembered: Trouble,
}

impl<'o, A: Aggregate> ExactlyOnce<'o, A> {
    /// Goes on with `aggregate`, which came out of `state`. `name` is what the log calls it.
    pub(crate) fn over(
        name: &str,
        (reader, append): (&'o mut Reader, &'o mut Append),
        state: StateFile,
        mut aggregate: A,
        limits: Limits,
        cells: Cells<'o>,
    ) -> Self {
        let trouble = |what: &str| Trouble::new(format!("{name}: {what}"));
        Self {
            written: (aggregate.pending().count() > 0).then(HashSet::new),
            held_bytes: 0,
            rows_saved: 0,
            last_save: Instant::now(),
            last_append: None,
            append_after: None,
            unreadable: trouble("the journal cannot be read"),
            unwritable: trouble(
                "the state beside the journal cannot be written; until it can, a crash costs what \
                 is not in rows",
            ),
            unremembered: trouble("the cursor cannot be written"),
            reader,
            append,
            state,
            aggregate,
            limits,
            cells,
        }
    }

    /// A turn each `tick` until it is told to stop, and then once more.
    pub(crate) fn run(mut self, stopping: &Stopping, tick: Duration) {
        loop {
            let is_last = stopping.sleep(tick);
            // The time before reading: what was appended until then will have been read.
            let is_at_end = self.turn(wall_ms(), is_last);
            self.aggregate.show();
            if is_last && is_at_end {
                return;
            }
        }
    }

    /// Reads what there is, closes what is due, appends rows. Says whether everything was read.
    pub(crate) fn turn(&mut self, now_ms: u64, is_last: bool) -> bool {
        let is_at_end = self.read(now_ms);
        if is_at_end {
            self.forget_written();
            self.written = None;
        }
        let is_settled = is_last || self.is_settled();
        if is_at_end {
            let closing = match (is_settled, is_last) {
                (_, true) => Closing::All,
                (true, false) => Closing::Due,
                (false, false) => Closing::Nothing,
            };
            self.aggregate.look(closing, now_ms);
        }
        if is_settled {
            let is_old = self.held_bytes > 0 && self.last_save.elapsed() >= self.limits.save_every;
            if self.aggregate.is_urgent() || !self.are_rows_saved() || is_old {
                self.save();
            }
        }
        if self.written.is_none() && self.are_rows_saved() {
            self.append();
        }
        is_at_end
    }

    /// Whether what was appended is on the disk.
    fn is_settled(&self) -> bool {
        self.last_append.is_none_or(|at| at.elapsed() >= self.limits.settle)
    }

    /// Whether the last state has every row.
    fn are_rows_saved(&mut self) -> bool {
        self.aggregate.pending().added() == self.rows_saved
    }

    /// Takes records until nothing is left, or a good deal has been read. Says whether nothing is.
    fn read(&mut self, now_ms: u64) -> bool {
        for _ in 0..SLICES_MAX {
            let (aggregate, held) = (&mut self.aggregate, &mut self.held_bytes);
            let mut written = self.written.as_mut();
            let read = self.reader.read(SLICE_BYTES, &mut |entry| {
                *held += entry.payload.len() as u64;
                if let Some(written) = &mut written
                    && entry.stream == A::ROWS as u8
                {
                    written.extend(A::row_id(entry.payload));
                }
                aggregate.take(&entry, now_ms);
            });
            self.unreadable.note(&read);
            match read {
                Ok(0) => return true,
                Ok(_) => (),
                Err(_) => return false,
            }
            if self.held_bytes >= self.limits.held_bytes_max && self.is_settled() {
                self.save();
            }
        }
        false
    }

    /// Takes away the pending rows that were found in the journal.
    fn forget_written(&mut self) {
        if let Some(written) = &self.written {
            let is_left = |row: &[u8]| A::row_id(row).is_none_or(|id| !written.contains(&id));
            self.aggregate.pending().retain(is_left);
        }
    }

    /// Writes the state, once more if that is what it takes, and acknowledges what is in it.
    fn save(&mut self) {
        self.save_once();
        if self.aggregate.saved() {
            self.save_once();
        }
    }

    fn save_once(&mut self) {
        // What was found so far lies before the position, and will not be found again.
        self.forget_written();
        let positions = self.reader.positions();
        let written = self.state.replace(|out| self.aggregate.encode(out));
        self.cells.state_errors.add(u64::from(written.is_err()));
        self.unwritable.note(&written);
        self.rows_saved = self.aggregate.pending().added();
        self.last_save = Instant::now();
        let acknowledged = self.reader.acknowledge(&positions, &self.state.note());
        self.unremembered.note(&acknowledged);
        if acknowledged.is_ok() {
            self.held_bytes = 0;
        }
    }

    /// Appends pending rows as long as there is space.
    fn append(&mut self) {
        if self.append_after.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.append_after = None;
        while let Some(row) = self.aggregate.pending().first() {
            if !(self.append)(row) {
                self.append_after = Some(Instant::now() + FULL_PAUSE);
                return;
            }
            self.aggregate.pending().written();
            self.last_append = Some(Instant::now());
            self.cells.rows.add(1);
        }
    }
}
