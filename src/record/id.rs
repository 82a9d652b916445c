//! `_id`s of documents: made of what stands in the journal, so the same after any replay.
//!
//! ```text
//! Bytes   time_ms 6 | instance 5 | epoch 2 | lane 1 | seq 5 | kind 1          27 characters
//! Text    time_ms 6 | instance 5 | epoch 2 | lane 1 | seq 5 | kind in 4 bits  26 characters
//! ```
//! Lengths in bytes, big endian, as unpadded base64url. Elasticsearch and OpenSearch keep an `_id` that
//! is base64 of whole bytes as those bytes: [`IdForm::Bytes`] in 20, whose order is that of time. Any
//! other is kept as text: [`IdForm::Text`] in 27, in the order of its characters.
//!
//! Invariants: a record keeps the form of the program that journaled it, which stands in the preamble
//! of its segment ([`Constants::ids`](super::Constants::ids)), or else it would be stored twice across
//! an upgrade. A row of sums (rollup, slo) has the fingerprint of its window and key in place of epoch, lane and
//! seq, and always the form `Text`: whoever writes a row again, an older or a newer program, gives it the
//! same `_id`. A time past the year 10889 or a sequence number past 2^40 (a million a second for 12 days
//! without a restart) would wrap.

use super::document::{Origin, Stream, timestamp_ms};
use super::{DecodeError, RollupRecord, SloRecord};
use crate::base::fnv::{EMPTY, fnv1a};

/// How the `_id`s of a run are made. Its number stands in the journal and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum IdForm {
    /// Of runs that say nothing of it.
    Text = 0,
    /// Of this version.
    #[default]
    Bytes = 1,
}

impl IdForm {
    /// From its number in the journal; `None` for one of a later version.
    pub(super) const fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Text),
            1 => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// Appends the `_id` of a record: 27 or 26 characters. Every kind has its timestamp as field 0.
///
/// # Errors
/// When the payload has no timestamp; `out` is then as it was.
pub fn write_id(
    stream: Stream,
    payload: &[u8],
    origin: &Origin<'_>,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let time_ms = timestamp_ms(payload)?;
    // Groups of three bytes are four characters; the last byte stays zero.
    let mut raw = [0_u8; 21];
    raw[0..6].copy_from_slice(&time_ms.to_be_bytes()[2..]);
    raw[6..11].copy_from_slice(&origin.instance.to_be_bytes()[3..]);
    let mut form = origin.constants.ids;
    let fingerprint = match stream {
        Stream::Rollup => Some(RollupRecord::decode(payload)?.fingerprint()),
        Stream::Slo => Some(SloRecord::decode(payload)?.fingerprint()),
        _ => None,
    };
    if let Some(fingerprint) = fingerprint {
        raw[11..19].copy_from_slice(&fingerprint.to_be_bytes());
        form = IdForm::Text;
    } else {
        raw[11..13].copy_from_slice(&origin.epoch.to_be_bytes());
        raw[13] = origin.worker;
        raw[14..19].copy_from_slice(&origin.seq.to_be_bytes()[3..]);
    }
    let (kind, length) = match form {
        IdForm::Bytes => (stream as u8, 27),
        IdForm::Text => ((stream as u8) << 4, 26),
    };
    raw[19] = kind;
    let mut id = [0_u8; 28];
    for (group, four) in raw.chunks_exact(3).zip(id.chunks_exact_mut(4)) {
        let bits = group.iter().fold(0_usize, |bits, &byte| bits << 8 | usize::from(byte));
        for (place, character) in four.iter_mut().rev().enumerate() {
            *character = ALPHABET[bits >> (6 * place) & 63];
        }
    }
    out.extend_from_slice(&id[..length]);
    Ok(())
}

/// A number made of numbers and of texts that may be absent.
pub(super) fn fingerprint(numbers: &[u64], texts: &[Option<&[u8]>]) -> u64 {
    let add = |hash, number: u64| fnv1a(hash, &number.to_le_bytes());
    let hash = numbers.iter().fold(EMPTY, |hash, number| add(hash, *number));
    texts.iter().fold(hash, |hash, text| {
        // Which text ends where is part of it, and absent is not empty.
        let hash = add(hash, text.map_or(u64::MAX, |text| text.len() as u64));
        fnv1a(hash, text.unwrap_or_default())
    })
}

#[cfg(test)]
mod tests;
