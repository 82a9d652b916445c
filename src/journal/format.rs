//! The bytes of a segment: header, frames, checksums. Pure: no file is touched here.
//!
//! ```text
//! segment = header(4096) frame* 0…          header = copy(2048) copy(2048)
//! frame   = len u32 | crc32c u32 | tag u64 | payload[len - 8] | padding to 8 bytes
//! ```
//!
//! Invariants: all integers are little endian; `len` counts tag and payload, so it is never 0 in a
//! frame; `len` and CRC leave the processor as one 8-byte store, after everything they cover; the
//! slot after the last frame starts with 16 zero bytes, as far as it fits. The CRC starts from a
//! seed that is drawn anew for each use of a file, so bytes of an earlier use never validate. The
//! drawing with every offset is `docs/journal-format.md`.

use std::sync::Arc;

/// First bytes of every segment.
pub(super) const MAGIC: [u8; 8] = *b"lbpjrnl\0";
/// Format this build writes, and the newest it reads.
pub(super) const VERSION: u16 = 1;
/// Bytes of both header copies; the first frame stands here.
pub(super) const HEADER_BYTES: usize = 4096;
/// Bytes of one header copy.
pub(super) const COPY_BYTES: usize = HEADER_BYTES / 2;
/// Bytes of a header copy before its preamble.
const FIXED_BYTES: usize = 384;
/// Largest preamble, in bytes.
pub const PREAMBLE_BYTES_MAX: usize = COPY_BYTES - FIXED_BYTES;
/// Bytes of a frame before its payload.
pub(super) const FRAME_HEAD_BYTES: usize = 16;
/// Largest payload of one frame, in bytes; a longer record is dropped and counted.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Streams are numbered from 1 to this.
pub const STREAMS_MAX: usize = 16;
/// Smallest segment: the header and one page of frames.
pub(super) const SEGMENT_BYTES_MIN: u32 = 8192;
/// Largest segment, so that offsets and record counts fit into 32 bits each.
pub(super) const SEGMENT_BYTES_MAX: u32 = 1 << 30;
const _: () = assert!(HEADER_BYTES.is_multiple_of(8) && FRAME_HEAD_BYTES.is_multiple_of(8));

/// Bits of a tag that hold the sequence number.
const SEQ_BITS: u32 = 56;
/// Where the CRC of a header copy stands.
const HEADER_CRC: std::ops::Range<usize> = 12..16;

/// One number per stream; stream `s` stands at `s - 1`.
pub(super) type PerStream = [u64; STREAMS_MAX];

/// The lane a segment belongs to: unique over the whole life of a journal directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    /// Instance of the directory, 40 bits.
    pub(super) instance: u64,
    /// Start of the process within the instance.
    pub(super) epoch: u16,
    /// Lane within the start.
    pub(super) lane: u8,
}

/// What a segment is in use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Prepared for a lane, holds nothing.
    Prepared = 0,
    /// Taken by its lane; frames follow.
    Taken = 1,
}

/// Everything a segment says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Whether frames may follow.
    pub(super) state: State,
    pub(super) key: Key,
    /// Start value of every CRC of this use.
    pub(super) seed: u32,
    /// Number of this use in the directory; rises from segment to segment, over all lanes.
    pub(super) ordinal: u64,
    /// Length of the file in bytes.
    pub(super) segment_bytes: u32,
    /// Sequence number that the next record of each stream had when the lane took the segment.
    pub(super) first_seq: PerStream,
    /// Records of each stream that the lane had dropped by then.
    pub(super) dropped: PerStream,
    /// Caller's bytes, the same for a whole process.
    pub(super) preamble: Arc<[u8]>,
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// All zero: reserved, never used.
    Blank,
    /// Damaged, or no segment at all.
    Broken,
    /// Whole, but of a format this build does not know.
    Newer(u16),
}

impl Header {
    /// Records journaled by the lane before this segment, over all streams.
    pub(super) fn base(&self) -> u64 {
        base(&self.first_seq, &self.dropped)
    }

    /// One header copy.
    pub(super) fn encode(&self) -> [u8; COPY_BYTES] {
        let mut copy = [0_u8; COPY_BYTES];
        copy[..8].copy_from_slice(&MAGIC);
        copy[8..10].copy_from_slice(&VERSION.to_le_bytes());
        copy[10] = self.state as u8;
        copy[11] = self.key.lane;
        copy[16..20].copy_from_slice(&self.seed.to_le_bytes());
        copy[20..22].copy_from_slice(&self.key.epoch.to_le_bytes());
        let preamble = &self.preamble[..self.preamble.len().min(PREAMBLE_BYTES_MAX)];
        copy[22..24].copy_from_slice(&low_u16(preamble.len()).to_le_bytes());
        copy[24..32].copy_from_slice(&self.key.instance.to_le_bytes());
        copy[32..40].copy_from_slice(&self.ordinal.to_le_bytes());
        copy[40..44].copy_from_slice(&self.segment_bytes.to_le_bytes());
        for index in 0..STREAMS_MAX {
            copy[64 + index * 8..][..8].copy_from_slice(&self.first_seq[index].to_le_bytes());
            copy[192 + index * 8..][..8].copy_from_slice(&self.dropped[index].to_le_bytes());
        }
        copy[FIXED_BYTES..FIXED_BYTES + preamble.len()].copy_from_slice(preamble);
        let crc = crc32c::crc32c(&copy);
        copy[HEADER_CRC].copy_from_slice(&crc.to_le_bytes());
        copy
    }

    /// Reads one header copy of [`COPY_BYTES`].
    pub(super) fn decode(copy: &[u8]) -> Result<Self, HeaderFault> {
        if copy.len() != COPY_BYTES || copy.iter().all(|byte| *byte == 0) {
            return Err(if copy.len() == COPY_BYTES {
                HeaderFault::Blank
            } else {
                HeaderFault::Broken
            });
        }
        let mut zeroed = [0_u8; COPY_BYTES];
        zeroed.copy_from_slice(copy);
        zeroed[HEADER_CRC].fill(0);
        if copy[..8] != MAGIC || crc32c::crc32c(&zeroed) != u32_at(copy, HEADER_CRC.start) {
            return Err(HeaderFault::Broken);
        }
        let version = u16_at(copy, 8);
        if version > VERSION {
            return Err(HeaderFault::Newer(version));
        }
        let preamble_bytes = usize::from(u16_at(copy, 22)).min(PREAMBLE_BYTES_MAX);
        Ok(Self {
            state: if copy[10] == State::Taken as u8 { State::Taken } else { State::Prepared },
            key: Key { instance: u64_at(copy, 24), epoch: u16_at(copy, 20), lane: copy[11] },
            seed: u32_at(copy, 16),
            ordinal: u64_at(copy, 32),
            segment_bytes: u32_at(copy, 40),
            first_seq: std::array::from_fn(|index| u64_at(copy, 64 + index * 8)),
            dropped: std::array::from_fn(|index| u64_at(copy, 192 + index * 8)),
            preamble: copy[FIXED_BYTES..FIXED_BYTES + preamble_bytes].into(),
        })
    }

    /// Reads the header from the first [`HEADER_BYTES`] of a file: the first copy when it is whole,
    /// else the second. The first is always written first, so it is never the older one.
    pub(super) fn decode_either(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let Some((first, second)) = bytes.split_at_checked(COPY_BYTES) else {
            return Err(HeaderFault::Broken);
        };
        match (Self::decode(first), Self::decode(second)) {
            (Ok(header), _) | (Err(HeaderFault::Blank | HeaderFault::Broken), Ok(header)) => {
                Ok(header)
            }
            (Err(HeaderFault::Newer(version)), _) | (_, Err(HeaderFault::Newer(version))) => {
                Err(HeaderFault::Newer(version))
            }
            (Err(HeaderFault::Blank), Err(HeaderFault::Blank)) => Err(HeaderFault::Blank),
            _ => Err(HeaderFault::Broken),
        }
    }
}

/// Records journaled by a lane when its streams stood at `first_seq` with `dropped` drops.
pub(super) fn base(first_seq: &PerStream, dropped: &PerStream) -> u64 {
    let journaled = |(seq, dropped): (&u64, &u64)| seq.saturating_sub(dropped.saturating_add(1));
    first_seq.iter().zip(dropped).map(journaled).fold(0, u64::saturating_add)
}

/// Index of `stream` in a [`PerStream`], or `None` for a number that is no stream.
pub(super) fn stream_index(stream: u8) -> Option<usize> {
    (1..=STREAMS_MAX).contains(&usize::from(stream)).then(|| usize::from(stream) - 1)
}

/// The tag of a frame.
pub(super) fn tag(stream: u8, seq: u64) -> u64 {
    u64::from(stream) << SEQ_BITS | seq
}

/// Stream and sequence number of a tag.
pub(super) fn untag(tag: u64) -> (u8, u64) {
    (tag.to_le_bytes()[7], tag & ((1 << SEQ_BITS) - 1))
}

/// First word of a frame.
pub(super) fn word(len: u32, crc: u32) -> u64 {
    u64::from(crc) << 32 | u64::from(len)
}

/// `len` and CRC of a first word.
#[expect(clippy::cast_possible_truncation, reason = "the two halves of the word")]
pub(super) fn unword(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

/// CRC of a frame: over tag and payload, then over `len`, starting from `seed`.
pub(super) fn frame_crc(seed: u32, len: u32, tag_and_payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, tag_and_payload), &len.to_le_bytes())
}

/// Offset of the slot after a frame at `offset` with `payload_bytes`.
pub(super) fn next_offset(offset: usize, payload_bytes: usize) -> usize {
    (offset + FRAME_HEAD_BYTES + payload_bytes).next_multiple_of(8)
}

/// The low 16 bits of a length that is known to fit.
#[expect(clippy::cast_possible_truncation, reason = "bounded by COPY_BYTES")]
fn low_u16(length: usize) -> u16 {
    debug_assert!(length <= COPY_BYTES);
    length as u16
}

/// Reads a `u16`; 0 past the end.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

/// Reads a `u32`; 0 past the end.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

/// Reads a `u64`; 0 past the end.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// `N` bytes at `at`; zeros past the end.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            state: State::Taken,
            key: Key { instance: 0x12_3456_789a, epoch: 7, lane: 255 },
            seed: 0xdead_beef,
            ordinal: 42,
            segment_bytes: 8192,
            first_seq: std::array::from_fn(|index| index as u64 + 1),
            dropped: [0; STREAMS_MAX],
            preamble: Arc::from(&b"constants"[..]),
        }
    }

    #[test]
    fn header_survives_its_encoding_and_any_damage_to_one_copy() {
        let header = header();
        let mut bytes = [header.encode(), header.encode()].concat();
        assert_eq!(Header::decode_either(&bytes), Ok(header.clone()));
        for at in 0..bytes.len() {
            bytes[at] ^= 0x10;
            assert_eq!(Header::decode_either(&bytes).as_ref(), Ok(&header), "byte {at}");
            bytes[at] ^= 0x10;
        }
        assert_eq!(header.base(), (0..16).sum::<u64>());
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let mut copy = header().encode();
        copy[8] = 9;
        assert_eq!(Header::decode(&copy), Err(HeaderFault::Broken));
        copy[HEADER_CRC].fill(0);
        let crc = crc32c::crc32c(&copy);
        copy[HEADER_CRC].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Header::decode(&copy), Err(HeaderFault::Newer(9)));
        assert_eq!(Header::decode(&[0; COPY_BYTES]), Err(HeaderFault::Blank));
    }

    /// Goal: the format does not change unnoticed. Method: the example of `docs/journal-format.md`.
    #[test]
    fn the_example_in_the_documentation_is_true() {
        let key = Key { instance: 0x12_3456_789a, epoch: 7, lane: 1 };
        let header = Header { key, first_seq: [1; STREAMS_MAX], ..header() }.encode();
        let covered = [&tag(1, 5).to_le_bytes()[..], b"record"].concat();
        let first = word(14, frame_crc(0xdead_beef, 14, &covered)).to_le_bytes();
        let documentation = include_str!("../../docs/journal-format.md");
        for (name, bytes) in
            [("header", &header[..48]), ("frame ", &[&first[..], &covered].concat()[..])]
        {
            for (index, line) in bytes.chunks(16).enumerate() {
                let name = if index == 0 { name } else { "" };
                let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
                let line = format!("{name:<9}{}\n", hex.join(" "));
                assert!(documentation.contains(&line), "not in the documentation: {line}");
            }
        }
    }

    #[test]
    fn tag_and_word_come_apart_again() {
        assert_eq!(untag(tag(3, 99)), (3, 99));
        assert_eq!(unword(word(24, 0xffff_0001)), (24, 0xffff_0001));
        assert_eq!(next_offset(4096, 1), 4120);
    }
}
