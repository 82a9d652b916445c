//! Rows that are fixed and not yet in the journal, in the order in which they are to be written.
//!
//! Part of a state. Nothing changes in a row from here on, so that written twice it is the same.
//! Bounded: while the journal has no space, the oldest are given up and counted.

use std::collections::VecDeque;

use super::state::{StateError, push_counted, push_length, take, take_counted};

/// Most rows that wait for space in the journal.
pub const PENDING_MAX: usize = 8_192;

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Pending {
    rows: VecDeque<Vec<u8>>,
    /// Rows that ever came here.
    added: u64,
    lost: u64,
}

impl Pending {
    /// Adds a row; `None` for one that no frame of the journal holds, which is lost.
    pub fn push(&mut self, row: Option<Vec<u8>>) {
        let Some(row) = row else {
            self.lost += 1;
            return;
        };
        self.rows.push_back(row);
        self.added += 1;
        if self.rows.len() > PENDING_MAX {
            self.rows.pop_front();
            self.lost += 1;
        }
    }

    /// The next row to write.
    pub fn first(&self) -> Option<&[u8]> {
        self.rows.front().map(Vec::as_slice)
    }

    /// The row that [`Pending::first`] gave is in the journal.
    pub fn written(&mut self) {
        self.rows.pop_front();
    }

    /// Takes away the rows that are in the journal already.
    pub fn retain(&mut self, is_left: impl Fn(&[u8]) -> bool) {
        self.rows.retain(|row| is_left(row));
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// How many ever came here: more than when the state was written means that they are not in it.
    pub(super) fn added(&self) -> u64 {
        self.added
    }

    /// How many were given up.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Appends them to a state: `rows u32, (length u32, row)*`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        push_length(self.rows.len(), out);
        self.rows.iter().for_each(|row| push_counted(row, out));
    }

    /// Takes them from a state.
    ///
    /// # Errors
    /// When it ends before.
    pub fn decode(input: &mut &[u8]) -> Result<Self, StateError> {
        let mut rows = VecDeque::new();
        for _ in 0..u32::from_le_bytes(take(input)?) {
            rows.push_back(take_counted(input)?.to_vec());
        }
        Ok(Self { rows, ..Self::default() })
    }
}
