//! Reading frames from a segment file: a bounded window, one step at a time, and the way back to a
//! valid frame after damage.
//!
//! Invariants: bytes are taken for a frame only when length, stream, sequence number and CRC agree;
//! memory is bounded by [`WINDOW_BYTES`] whatever the file holds; an unreadable page reads as
//! zeros, so that a bad disk block costs the frames on it and nothing else.
//! Not here: what a damaged frame means for the counts (`recovery`, `reader`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::format::{
    FRAME_BYTES_MAX, FRAME_HEAD_BYTES, PerStream, frame_crc, next_offset, stream_index, u64_at,
    untag, unword,
};

/// Most bytes held of a file at a time.
pub(super) const WINDOW_BYTES: usize = 256 * 1024;
/// Bytes that hold the largest frame.
pub(super) const FRAME_ROOM_BYTES: usize = FRAME_BYTES_MAX + FRAME_HEAD_BYTES + 8;
/// What is read at once where a larger read failed.
const PAGE_BYTES: usize = 4096;

/// A stretch of one file, read with `pread`.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// As long as the longest read so far: it is not filled with zeros again for the next one.
    bytes: Vec<u8>,
    /// How many of them were read.
    held: usize,
    /// Offset in the file of the first of them.
    start: usize,
}

impl Window {
    /// Forgets what was read: it belongs to another file, or may have changed.
    pub(super) fn clear(&mut self) {
        self.held = 0;
    }

    /// Offset after the last byte held.
    pub(super) fn end(&self) -> usize {
        self.start + self.held
    }

    /// Reads `length` bytes (at most [`WINDOW_BYTES`]) at `at`.
    pub(super) fn load(&mut self, file: &File, at: usize, length: usize) {
        self.start = at;
        self.held = length.min(WINDOW_BYTES);
        if self.bytes.len() < self.held {
            self.bytes.resize(self.held, 0);
        }
        let bytes = &mut self.bytes[..self.held];
        if read_at(file, bytes, at).is_ok() {
            return;
        }
        for (index, page) in bytes.chunks_mut(PAGE_BYTES).enumerate() {
            if read_at(file, page, at + index * PAGE_BYTES).is_err() {
                page.fill(0);
            }
        }
    }

    /// The bytes at `at`, as far as they are held.
    pub(super) fn get(&self, at: usize, length: usize) -> Option<&[u8]> {
        let from = at.checked_sub(self.start)?;
        self.bytes[..self.held].get(from..from.checked_add(length)?)
    }

    /// Whether the slot at `at` is held as a whole, as far as its length can be believed.
    pub(super) fn holds_slot(&self, at: usize) -> bool {
        self.get(at, FRAME_HEAD_BYTES).is_some_and(|head| {
            let (len, _) = unword(u64_at(head, 0));
            self.get(at + 8, usize::try_from(len).unwrap_or(usize::MAX)).is_some()
        })
    }

    /// Makes sure that `length` bytes at `at` are held; `limit` bounds the file.
    fn need(&mut self, file: &File, at: usize, length: usize, limit: usize) -> Option<&[u8]> {
        if at + length > limit {
            return None;
        }
        if at < self.start || at + length > self.end() || self.held == 0 {
            self.load(file, at, WINDOW_BYTES.min(limit - at));
        }
        self.get(at, length)
    }
}

/// Fills `into` from the file; past its end are zeros.
fn read_at(file: &File, into: &mut [u8], at: usize) -> io::Result<()> {
    let mut done = 0;
    while done < into.len() {
        match file.read_at(&mut into[done..], (at + done) as u64) {
            Ok(0) => {
                into[done..].fill(0);
                return Ok(());
            }
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What makes bytes a frame of one use of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    /// Start value of every CRC.
    pub(super) seed: u32,
    /// First sequence number of each stream.
    pub(super) first_seq: &'a PerStream,
    /// No frame reaches beyond this offset.
    pub(super) limit: usize,
}

/// A valid frame; its payload is in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) stream: u8,
    pub(super) seq: u64,
    /// Offset of the payload.
    pub(super) payload_at: usize,
    /// Bytes of the payload.
    pub(super) payload_bytes: usize,
    /// Offset of the next slot.
    pub(super) next: usize,
}

/// What stands at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Frame(Frame),
    /// The first word is zero, or there is no room for a frame: nothing was published here.
    Empty,
    /// Anything else.
    Broken,
}

/// The unchecked head of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of tag and payload, as far as the length can be true; else `None`.
    pub(super) payload_bytes: Option<usize>,
    pub(super) crc: u32,
    /// Stream number, any byte.
    pub(super) stream: u8,
    pub(super) seq: u64,
    /// Whether the first word is zero.
    pub(super) is_empty: bool,
}

impl Rules<'_> {
    /// The head at `at`, unchecked; `None` where there is no room for one.
    pub(super) fn head(&self, window: &mut Window, file: &File, at: usize) -> Option<Head> {
        let bytes = window.need(file, at, FRAME_HEAD_BYTES, self.limit)?;
        let (first, (stream, seq)) = (u64_at(bytes, 0), untag(u64_at(bytes, 8)));
        let (len, crc) = unword(first);
        let payload_bytes = usize::try_from(len)
            .ok()
            .and_then(|len| len.checked_sub(8))
            .filter(|bytes| *bytes <= FRAME_BYTES_MAX)
            .filter(|bytes| at + FRAME_HEAD_BYTES + bytes <= self.limit);
        Some(Head { payload_bytes, crc, stream, seq, is_empty: first == 0 })
    }

    /// Whether stream and sequence number can stand in this segment.
    fn is_plausible(&self, head: &Head) -> bool {
        stream_index(head.stream).is_some_and(|index| {
            let first = self.first_seq[index];
            head.seq.checked_sub(first).is_some_and(|index| u32::try_from(index).is_ok())
        })
    }

    /// What stands at `at`.
    pub(super) fn slot(&self, window: &mut Window, file: &File, at: usize) -> Slot {
        let Some(head) = self.head(window, file, at) else { return Slot::Empty };
        if head.is_empty {
            return Slot::Empty;
        }
        self.frame(window, file, at, &head).map_or(Slot::Broken, Slot::Frame)
    }

    /// The frame at `at` with this head, when it is valid.
    fn frame(&self, window: &mut Window, file: &File, at: usize, head: &Head) -> Option<Frame> {
        let payload_bytes = head.payload_bytes.filter(|_| self.is_plausible(head))?;
        let covered =
            window.need(file, at, FRAME_HEAD_BYTES + payload_bytes, self.limit)?.get(8..)?;
        let len = u32::try_from(covered.len()).ok()?;
        (frame_crc(self.seed, len, covered) == head.crc).then(|| Frame {
            stream: head.stream,
            seq: head.seq,
            payload_at: at + FRAME_HEAD_BYTES,
            payload_bytes,
            next: next_offset(at, payload_bytes),
        })
    }

    /// The first offset after `at` where a valid frame stands. Cheap: stream and sequence number
    /// are looked at before any CRC is computed.
    pub(super) fn resync(&self, window: &mut Window, file: &File, at: usize) -> Option<usize> {
        let mut at = at + 8;
        while let Some(head) = self.head(window, file, at) {
            if !head.is_empty && self.frame(window, file, at, &head).is_some() {
                return Some(at);
            }
            at += 8;
        }
        None
    }
}
