//! The state of the core as bytes: what makes rollups survive the end of the process.
//!
//! ```text
//! magic[8] | crc32c u32 of the rest | version u16 | generation u64 | horizon u64 | next part u64
//!   | lanes u32, (instance u64, epoch u16, lane u8, next u64)*
//!   | rows of open windows u32, (length u32, record)*  | pending rows u32, (length u32, record)*
//! ```
//! Little-endian. Rows are records as in the journal, so they need no form of their own.
//! Not here: the file (`reader`).

use super::core::{Core, Rules};
use super::totals::Totals;

const MAGIC: [u8; 8] = *b"lbproll1";
/// Bytes before what the checksum covers.
const HEAD_BYTES: usize = 12;
const VERSION: u16 = 1;

/// Why bytes are no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Cut or changed.
    #[error("it is damaged")]
    Damaged,
    /// Of a later version.
    #[error("it was written by a newer lbproxy")]
    Newer,
}

impl Core {
    /// All of it but the figures, as the next generation.
    pub fn save(&mut self) -> Vec<u8> {
        self.generation += 1;
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&self.horizon_ms.to_le_bytes());
        out.extend_from_slice(&self.next_part.to_le_bytes());
        push_length(self.lanes.len(), &mut out);
        for ((instance, epoch, lane), next) in &self.lanes {
            out.extend_from_slice(&instance.to_le_bytes());
            out.extend_from_slice(&epoch.to_le_bytes());
            out.push(*lane);
            out.extend_from_slice(&next.to_le_bytes());
        }
        let rows = self.open.iter().flat_map(|(span, open)| {
            open.table.rows().filter_map(|(key, totals)| totals.encode(*span, key))
        });
        push_rows(&rows.collect::<Vec<_>>(), &mut out);
        push_rows(&self.pending, &mut out);
        let crc = crc32c::crc32c(&out[HEAD_BYTES..]);
        out[8..HEAD_BYTES].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// From what [`Core::save`] gave.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn load(rules: Rules, bytes: &[u8], now_ms: u64) -> Result<Self, StateError> {
        let (head, mut rest) = bytes.split_at_checked(HEAD_BYTES).ok_or(StateError::Damaged)?;
        if head[..8] != MAGIC || head[8..] != crc32c::crc32c(rest).to_le_bytes() {
            return Err(StateError::Damaged);
        }
        if u16::from_le_bytes(take(&mut rest)?) > VERSION {
            return Err(StateError::Newer);
        }
        let mut core = Self::new(rules);
        core.generation = u64::from_le_bytes(take(&mut rest)?);
        core.horizon_ms = u64::from_le_bytes(take(&mut rest)?);
        core.next_part = u64::from_le_bytes(take(&mut rest)?);
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            let instance = u64::from_le_bytes(take(&mut rest)?);
            let epoch = u16::from_le_bytes(take(&mut rest)?);
            let [lane] = take(&mut rest)?;
            let next = u64::from_le_bytes(take(&mut rest)?);
            core.lanes.insert((instance, epoch, lane), next);
        }
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            let (span, key, totals) =
                Totals::decode(take_row(&mut rest)?).map_err(|_| StateError::Damaged)?;
            core.reopen(span, key, &totals, now_ms);
        }
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            core.pending.push_back(take_row(&mut rest)?.to_vec());
        }
        Ok(core)
    }
}

/// Appends a number of things.
fn push_length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn push_rows<'a>(
    rows: impl IntoIterator<Item = &'a Vec<u8>, IntoIter: ExactSizeIterator>,
    out: &mut Vec<u8>,
) {
    let rows = rows.into_iter();
    push_length(rows.len(), out);
    for row in rows {
        push_length(row.len(), out);
        out.extend_from_slice(row);
    }
}

/// Takes `N` bytes.
fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], StateError> {
    let (bytes, rest) = input.split_first_chunk().ok_or(StateError::Damaged)?;
    *input = rest;
    Ok(*bytes)
}

fn take_row<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], StateError> {
    let length = usize::try_from(u32::from_le_bytes(take(input)?)).unwrap_or(usize::MAX);
    let (row, rest) = input.split_at_checked(length).ok_or(StateError::Damaged)?;
    *input = rest;
    Ok(row)
}
