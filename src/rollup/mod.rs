//! Rollups: access records added up per minute, service, route and endpoint.
//!
//! ```text
//! journal::Reader ─► Core ─► rows of closed windows ─► control lane of the journal ─► shipped
//!       ▲              │ └─► History: the last hours, for the page
//!       └ acknowledge ◄┴── rollup-state (file): open windows, rows not yet written
//! ```
//!
//! Exactly once, at any crash: (1) windows are closed in memory; (2) the state, with their rows and the
//! number of each lane up to which records are in it, replaces the one before; (3) the journal is
//! acknowledged up to there; (4) the rows are appended. A new start loads the state, reads on, skips
//! numbers that are in it, and finds in the journal, which holds everything behind the acknowledged
//! position, which rows were appended already. A row's `_id` is made of its window and key, so even a
//! row that is written twice is stored once. `docs/rollups.md` has what follows for whoever sums them.
//!
//! Not here: what a rollup record holds (`record`), who shows windows (`admin`).

mod core;
mod history;
mod reader;
mod recent;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod totals;

pub use core::{Core, Counted, LaneKey, OPEN_MAX, PENDING_MAX, RowId, Rules, row_id};
pub use history::{History, Past};
pub use reader::{Append, Options, READER, Running, STATE_FILE_NAME, start};
pub use recent::{SLOT_MS, Slot, SlotRow, Sum};
pub use state::StateError;
pub use table::{RESTS_MAX, ROWS_MAX, TRACKED_MAX};
pub use totals::{Counts, Key, OTHER, Totals};

/// Which part of time a window is, and which part of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Its start, a multiple of its length.
    pub start_ms: u64,
    /// Its length.
    pub length_ms: u64,
    /// 0, or the number of a late part.
    pub part: u64,
}

impl Span {
    /// Where it ends: the start of the next.
    pub fn end_ms(self) -> u64 {
        self.start_ms.saturating_add(self.length_ms)
    }
}

/// A closed window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// When.
    pub span: Span,
    /// Its rows, sorted by key.
    pub rows: Vec<(Key, Totals)>,
}
