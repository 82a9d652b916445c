//! The core: records in, closed windows out. Pure: time comes in, nothing is read or written.
//!
//! ```text
//! record ─► open window ─► (its end and the grace are past) ─► pending rows ─► journal
//!           └───────────── state: all of this as bytes ───────┘
//! ```
//! Invariants: each record is counted once, whatever is read again: per lane only numbers that rise are
//! taken. Nothing changes in a row once it is pending, so that written twice it is the same. A window
//! that was closed is never opened again under the same part. Everything is bounded.
//! Not here: reading, files, threads (`reader`).

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::table::Table;
use super::totals::{FIELDS, Key, Totals};
use super::{Span, Window};
use crate::record::{AccessRecord, DecodeError, RollupRecord};

/// Most windows open at a time; one more closes the oldest.
pub const OPEN_MAX: usize = 64;
/// Most rows that wait for space in the journal; beyond, the oldest are given up and counted.
pub const PENDING_MAX: usize = 8_192;
/// Most lanes whose position is remembered; beyond, those of the earliest starts are forgotten.
const LANES_MAX: usize = 4_096;

/// A lane of one start: instance, epoch, lane.
pub type LaneKey = (u64, u16, u8);

/// How windows are cut.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Length of a window.
    pub window_ms: u64,
    /// How long after its end a window is closed.
    pub grace_ms: u64,
}

/// What tells a row of the journal from all others: start of its window, and
/// [`RollupRecord::fingerprint`].
pub type RowId = (u64, u64);

/// A window that records are added to.
#[derive(Debug)]
pub(super) struct Open {
    /// When it is closed.
    pub(super) due_ms: u64,
    pub(super) table: Table,
}

/// Figures of the core; each only rises.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Records added.
    pub records: u64,
    /// Of these, added to a part of a window that had been closed.
    pub late: u64,
    /// Of these, counted under `_other`.
    pub other: u64,
    /// Rows given up: no space in the journal for too long, or too large.
    pub rows_lost: u64,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Core {
    /// How windows are cut.
    rules: Rules,
    /// Windows that records are added to.
    pub(super) open: BTreeMap<Span, Open>,
    /// Next number of each lane.
    pub(super) lanes: BTreeMap<LaneKey, u64>,
    /// Windows that start earlier may have been closed before.
    pub(super) horizon_ms: u64,
    /// Next number of a late part.
    pub(super) next_part: u64,
    /// Rows of closed windows, to be written in this order.
    pub(super) pending: VecDeque<Vec<u8>>,
    /// How often it was saved, over all runs.
    pub(super) generation: u64,
    /// Rows that ever became pending.
    rows_closed: u64,
    counted: Counted,
    /// The key being looked up; kept for its memory.
    key: Vec<u8>,
}

impl Core {
    /// Nothing read yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            open: BTreeMap::new(),
            lanes: BTreeMap::new(),
            horizon_ms: 0,
            next_part: 1,
            pending: VecDeque::new(),
            generation: 0,
            rows_closed: 0,
            counted: Counted::default(),
            key: Vec::new(),
        }
    }

    /// Nothing read yet, but an earlier run may have closed any window up to now: what comes is added
    /// to parts of their own, numbered from `first_part`. The state that was lost was at most the
    /// `generation`th.
    pub fn after_loss(rules: Rules, now_ms: u64, first_part: u64, generation: u64) -> Self {
        let horizon_ms = now_ms.saturating_add(rules.window_ms);
        Self { horizon_ms, next_part: first_part, generation, ..Self::new(rules) }
    }

    /// [`Core::observe`] for a record in its binary form.
    ///
    /// # Errors
    /// When it is none, as far as rollups look at it.
    pub fn take(
        &mut self,
        lane: LaneKey,
        seq: u64,
        payload: &[u8],
        now_ms: u64,
    ) -> Result<(), DecodeError> {
        let record = AccessRecord::decode_only::<FIELDS>(payload)?;
        self.observe(lane, seq, &record, now_ms);
        Ok(())
    }

    /// Adds a record that stands in `lane` under number `seq`, unless it was added before.
    #[inline]
    pub fn observe(&mut self, lane: LaneKey, seq: u64, record: &AccessRecord<'_>, now_ms: u64) {
        if !self.advance(lane, seq) {
            return;
        }
        let time_ms = record.timestamp.map_or(0, |time| time.0);
        let length_ms = self.rules.window_ms;
        let start_ms = time_ms - time_ms % length_ms;
        let (service, route) = (record.service.map(|t| t.0), record.route.map(|t| t.0));
        let mut key = std::mem::take(&mut self.key);
        Key::write(service, route, record.endpoint.map(|t| t.0), &mut key);
        let (open, is_late) = self.opened(start_ms, length_ms, now_ms);
        let (row, other) = open.table.row(&key);
        row.add(record);
        self.key = key;
        self.counted.records += 1;
        self.counted.late += u64::from(is_late);
        self.counted.other += other;
    }

    /// Takes the next number of a lane; `false` for one that was taken.
    fn advance(&mut self, lane: LaneKey, seq: u64) -> bool {
        let next = self.lanes.entry(lane).or_insert(0);
        if seq < *next {
            return false;
        }
        *next = seq + 1;
        if self.lanes.len() > LANES_MAX {
            let oldest = self.lanes.keys().min_by_key(|(_, epoch, _)| *epoch).copied();
            oldest.map(|oldest| self.lanes.remove(&oldest));
        }
        true
    }

    /// The open window that starts then, opened if need be; says whether it is a late part.
    fn opened(&mut self, start_ms: u64, length_ms: u64, now_ms: u64) -> (&mut Open, bool) {
        let at = |part| Span { start_ms, length_ms, part };
        let found = self.open.range(at(0)..=at(u64::MAX)).next().map(|(span, _)| *span);
        let span = found.unwrap_or_else(|| {
            if self.open.len() >= OPEN_MAX {
                self.close_first();
            }
            if start_ms >= self.horizon_ms {
                return at(0);
            }
            self.next_part += 1;
            at(self.next_part - 1)
        });
        let due_ms = span.end_ms().max(now_ms).saturating_add(self.rules.grace_ms);
        let open =
            self.open.entry(span).or_insert_with(|| Open { due_ms, table: Table::default() });
        (open, span.part > 0)
    }

    /// Puts a row of an open window back, from a state.
    pub(super) fn reopen(&mut self, span: Span, key: Key, totals: &Totals, now_ms: u64) {
        let due_ms = span.end_ms().max(now_ms).saturating_add(self.rules.grace_ms);
        let open =
            self.open.entry(span).or_insert_with(|| Open { due_ms, table: Table::default() });
        open.table.restore(key, totals);
    }

    /// Whether a window is to be closed.
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.open.values().any(|open| open.due_ms <= now_ms)
    }

    /// Closes what is due. To be called when everything that was in the journal has been read.
    pub fn close_due(&mut self, now_ms: u64) -> Vec<Window> {
        let due = self.open.iter().filter(|(_, open)| open.due_ms <= now_ms).map(|(span, _)| *span);
        let due: Vec<_> = due.collect();
        due.into_iter().filter_map(|span| self.close(span)).collect()
    }

    /// Closes everything: the process ends.
    pub fn close_all(&mut self) -> Vec<Window> {
        self.close_due(u64::MAX)
    }

    /// Closes the window that starts first, to make room.
    fn close_first(&mut self) {
        if let Some(span) = self.open.keys().next().copied() {
            self.close(span);
        }
    }

    /// Closes one window: its rows become pending.
    fn close(&mut self, span: Span) -> Option<Window> {
        let open = self.open.remove(&span)?;
        self.horizon_ms = self.horizon_ms.max(span.end_ms());
        let (rows, other) = open.table.finish();
        self.counted.other += other;
        for (key, totals) in &rows {
            match totals.encode(span, key) {
                Some(payload) => {
                    self.pending.push_back(payload);
                    self.rows_closed += 1;
                }
                None => self.counted.rows_lost += 1,
            }
        }
        while self.pending.len() > PENDING_MAX {
            self.pending.pop_front();
            self.counted.rows_lost += 1;
        }
        Some(Window { span, rows })
    }

    /// The next row to write.
    pub fn pending(&self) -> Option<&[u8]> {
        self.pending.front().map(Vec::as_slice)
    }

    /// How many rows are to be written.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// The row that [`Core::pending`] gave is in the journal.
    pub fn written(&mut self) {
        self.pending.pop_front();
    }

    /// Takes away the pending rows that are in the journal already.
    pub fn forget_written(&mut self, written: &HashSet<RowId>) {
        self.pending.retain(|row| row_id(row).is_none_or(|id| !written.contains(&id)));
    }

    /// Number of the last state.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// How many rows ever became pending: more than at the last [`Core::save`] means that they must
    /// be saved before one is written.
    pub fn rows_closed(&self) -> u64 {
        self.rows_closed
    }

    /// What is in the open windows so far.
    pub fn open_windows(&self) -> Vec<Window> {
        let copy = |(key, totals): (&Key, &Totals)| (key.clone(), totals.clone());
        let open = self.open.iter();
        open.map(|(&span, open)| Window { span, rows: open.table.rows().map(copy).collect() })
            .collect()
    }

    /// Windows that records are added to.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Its figures.
    pub fn counted(&self) -> Counted {
        self.counted
    }
}

/// What tells a row from all others; `None` when it is none.
pub fn row_id(payload: &[u8]) -> Option<RowId> {
    let record = RollupRecord::decode(payload).ok()?;
    Some((record.timestamp?.0, record.fingerprint()))
}
