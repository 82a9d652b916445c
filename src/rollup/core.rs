//! The core: records in, closed windows out. Pure: time comes in, nothing is read or written.
//!
//! ```text
//! record ─► open window ─► (its end and the grace are past) ─► pending rows ─► journal
//!           └───────────── state: all of this as bytes ───────┘
//! ```
//! Invariants: each record is counted once, whatever is read again: per lane only numbers that rise are
//! taken. Nothing changes in a row once it is pending, so that written twice it is the same. A window
//! that was closed is never opened again under the same part. Everything is bounded.
//! Not here: reading, files, threads (`reader`, `consumer`).

use std::collections::BTreeMap;

use super::table::Table;
use super::totals::{FIELDS, Key, Totals, failed_at};
use super::{Span, Window};
pub(super) use crate::consumer::RowId;
use crate::consumer::{LaneKey, Lanes, Pending};
use crate::record::{AccessRecord, DecodeError, RollupRecord};

/// Most windows open at a time; one more closes the oldest.
pub const OPEN_MAX: usize = 64;

/// How windows are cut.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Length of a window.
    pub window_ms: u64,
    /// How long after its end a window is closed.
    pub grace_ms: u64,
}

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
    /// Which records were taken.
    pub(super) lanes: Lanes,
    /// Windows that start earlier may have been closed before.
    pub(super) horizon_ms: u64,
    /// Next number of a late part.
    pub(super) next_part: u64,
    /// Rows of closed windows.
    pub(super) pending: Pending,
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
            lanes: Lanes::default(),
            horizon_ms: 0,
            next_part: 1,
            pending: Pending::default(),
            counted: Counted::default(),
            key: Vec::new(),
        }
    }

    /// Nothing read yet, but an earlier run may have closed any window up to now: what comes is added
    /// to parts of their own, numbered from `first_part`.
    pub fn after_loss(rules: Rules, now_ms: u64, first_part: u64) -> Self {
        let horizon_ms = now_ms.saturating_add(rules.window_ms);
        Self { horizon_ms, next_part: first_part, ..Self::new(rules) }
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
        if !self.lanes.advance(lane, seq) {
            return;
        }
        let time_ms = record.timestamp.map_or(0, |time| time.0);
        let length_ms = self.rules.window_ms;
        let start_ms = time_ms - time_ms % length_ms;
        let (service, route) = (record.service.map(|t| t.0), record.route.map(|t| t.0));
        let mut key = std::mem::take(&mut self.key);
        Key::write(service, route, record.endpoint.map(|t| t.0), &mut key);
        let (open, is_late) = self.opened(start_ms, length_ms, now_ms);
        let (row, mut other) = open.table.row(&key);
        row.add(record);
        for endpoint in failed_at(record) {
            Key::write(service, route, Some(endpoint), &mut key);
            let (row, folded) = open.table.row(&key);
            row.failed_attempts = row.failed_attempts.saturating_add(1);
            other += folded;
        }
        self.key = key;
        self.counted.records += 1;
        self.counted.late += u64::from(is_late);
        self.counted.other += other;
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
            self.pending.push(totals.encode(span, key));
        }
        Some(Window { span, rows })
    }

    /// Rows of closed windows, to be written.
    pub fn pending(&mut self) -> &mut Pending {
        &mut self.pending
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
        Counted { rows_lost: self.pending.lost(), ..self.counted }
    }
}

/// What tells a row from all others: start of its window, and [`RollupRecord::fingerprint`]; `None` when it is
/// none.
pub fn row_id(payload: &[u8]) -> Option<RowId> {
    let record = RollupRecord::decode(payload).ok()?;
    Some((record.timestamp?.0, record.fingerprint()))
}
