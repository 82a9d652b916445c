//! Rollups: access records added up per minute, service, route and endpoint.
//!
//! ```text
//! journal::Reader ─► Core ─► rows of closed windows ─► control lane of the journal ─► shipped
//!       ▲              │ └─► History: the last hours, for the page
//!       └ acknowledge ◄┴── rollup-state (file): open windows, rows not yet written
//! ```
//!
//! Exactly once, at any crash, by the protocol of `consumer::ExactlyOnce`. A row's `_id` is made of its
//! window and key, so even a row that is written twice is stored once. `docs/rollups.md` has what follows
//! for whoever sums them.
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

pub use core::{Core, Counted, OPEN_MAX, Rules, row_id};
pub use history::{History, Past};
pub use reader::{Options, READER, STATE_FILE_NAME};
pub use recent::{SLOT_MS, Slot, SlotRow, Sum};
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
