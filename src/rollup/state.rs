//! The state of the core as bytes: what makes rollups survive the end of the process.
//!
//! ```text
//! horizon u64 | next part u64
//!   | lanes u32, (instance u64, epoch u16, lane u8, next u64)*
//!   | rows of open windows u32, (length u32, record)*  | pending rows u32, (length u32, record)*
//! ```
//! Little-endian, behind the head that every state has (`consumer::state`). Rows are records as in the
//! journal, so they need no form of their own.

use super::core::{Core, Rules};
use super::totals::Totals;
use crate::consumer::{
    Form, Lanes, Pending, StateError, push_counted, push_length, take, take_counted,
};

/// The file.
pub(super) const FORM: Form = Form {
    file_name: "rollup-state",
    magic: *b"lbproll1",
    version: 1,
    loss: "windows that were open begin anew in late parts",
};

impl Core {
    /// All of it but the figures.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.horizon_ms.to_le_bytes());
        out.extend_from_slice(&self.next_part.to_le_bytes());
        self.lanes.encode(out);
        let rows = self.open.iter().flat_map(|(span, open)| {
            open.table.rows().filter_map(|(key, totals)| totals.encode(*span, key))
        });
        let rows: Vec<_> = rows.collect();
        push_length(rows.len(), out);
        for row in &rows {
            push_counted(row, out);
        }
        self.pending.encode(out);
    }

    /// From what [`Core::encode`] gave.
    pub(super) fn decode(rules: Rules, input: &mut &[u8], now_ms: u64) -> Result<Self, StateError> {
        let mut core = Self::new(rules);
        core.horizon_ms = u64::from_le_bytes(take(input)?);
        core.next_part = u64::from_le_bytes(take(input)?);
        core.lanes = Lanes::decode(input)?;
        for _ in 0..u32::from_le_bytes(take(input)?) {
            let (span, key, totals) =
                Totals::decode(take_counted(input)?).map_err(|_| StateError::Damaged)?;
            core.reopen(span, key, &totals, now_ms);
        }
        core.pending = Pending::decode(input)?;
        Ok(core)
    }
}
