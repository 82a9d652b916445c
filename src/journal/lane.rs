//! The writing end: one worker appends to its own chain of segments.
//!
//! Invariants: on the common path an append is a few stores into a mapped page: no lock, no system
//! call, no allocation. Sequence numbers are contiguous per stream from 1; a dropped record uses up
//! its number, and drops for want of space stand between segments, so that two segment headers tell
//! exactly how many records lie between them. What was dropped is told before anything else is
//! stored (`gap`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::format::{
    FRAME_BYTES_MAX, FRAME_HEAD_BYTES, HEADER_BYTES, Header, PerStream, STREAMS_MAX, State, base,
    frame_crc, next_offset, stream_index, tag, word,
};
use super::gap::{Gap, Gaps, Teller};
use super::handover::Progress;
use super::lock;
use super::mapping::Mapping;
use super::prepare::{self, Pages};
use super::segment::{Segment, Taken};
use super::shared::{Prepared, Shared, Slot};

/// Longest wait of a lane for a segment that is nearly ready.
const WAIT_MAX: Duration = Duration::from_millis(1);

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Appended {
    /// In the journal: it survives the end of the process.
    Stored,
    /// Not in the journal: no space is left, or it is larger than [`FRAME_BYTES_MAX`]. Its number
    /// is used up, and it is counted.
    Dropped,
}

/// The writing end of one worker. Never shared; dropping it seals its segment.
#[derive(Debug)]
pub struct Lane {
    /// What the journal's parts share.
    shared: Arc<Shared>,
    /// Index of the lane's slot.
    slot_index: usize,
    active: Option<Active>,
    /// Number of the next record of each stream.
    next_seq: PerStream,
    /// Records dropped of each stream.
    dropped: PerStream,
    /// Those that nobody was told of.
    untold: Gaps,
    /// Records of gaps since [`Lane::take_told`].
    told: u64,
}

#[derive(Debug)]
struct Active {
    mapping: Mapping,
    /// What readers see of it.
    segment: Arc<Segment>,
    /// Offset of the next frame.
    offset: usize,
    /// Frames so far.
    records: u32,
}

/// What became of a try to write a frame.
enum Written {
    /// Published.
    Done,
    /// Did not fit into what is left of the segment.
    NoRoom,
    /// Did not fit although there was room for the largest frame.
    TooLarge,
}

impl Lane {
    /// The lane of slot `slot_index`.
    pub(super) fn new(shared: Arc<Shared>, slot_index: usize, untold: Gaps) -> Self {
        Self {
            shared,
            slot_index,
            active: None,
            next_seq: [1; STREAMS_MAX],
            dropped: [0; STREAMS_MAX],
            untold,
            told: 0,
        }
    }

    /// The lane's id, part of every record's identity.
    pub fn id(&self) -> u8 {
        self.slot().lane
    }

    /// Appends one record to `stream` (1 to 16): `fill` encodes it straight into the segment and
    /// returns its length, or `None` when it did not fit; it may be called twice. Costs no lock, no
    /// system call and no allocation, but for the change of segment (once per `segment_bytes`).
    /// The first one that finds space again comes behind records of what was dropped before.
    ///
    /// When it returns [`Appended::Stored`] the record survives the end of the process, however
    /// abrupt; power loss may take records of the last sync interval.
    pub fn append(
        &mut self,
        stream: u8,
        mut fill: impl FnMut(&mut [u8]) -> Option<usize>,
    ) -> Appended {
        let Some(index) = stream_index(stream) else {
            debug_assert!(false, "stream {stream} is not 1 to {STREAMS_MAX}");
            count(&self.slot().dropped);
            return Appended::Dropped;
        };
        if self.tell_gaps() && matches!(self.write(stream, index, &mut fill), Written::Done) {
            if self.shared.has_left.load(Ordering::Relaxed) {
                self.tell_left();
            }
            return Appended::Stored;
        }
        self.untold.add(index, self.next_seq[index]);
        self.next_seq[index] += 1;
        self.dropped[index] += 1;
        count(&self.slot().dropped);
        Appended::Dropped
    }

    /// Records of gaps that were written since this was asked last.
    pub fn take_told(&mut self) -> u64 {
        std::mem::take(&mut self.told)
    }

    /// Tells of every gap; says whether there was space for that. Where there was none, nothing was
    /// made: the gap grows, and is told later. A process that is killed between the record and the
    /// page leaves it to be told once more, with the same numbers.
    fn tell_gaps(&mut self) -> bool {
        if self.untold.is_empty() {
            return true;
        }
        while let Some(gap) = self.untold.first() {
            if !self.tell(gap) {
                return false;
            }
            self.untold.forget(gap.stream);
        }
        true
    }

    /// Tells of what earlier starts left, as far as there is space; another lane may be at it.
    #[cold]
    pub(super) fn tell_left(&mut self) {
        let shared = Arc::clone(&self.shared);
        let Ok(mut left) = shared.left.try_lock() else { return };
        while let Some(gaps) = left.last_mut() {
            while let Some(gap) = gaps.first() {
                if !self.tell(gap) {
                    return;
                }
                gaps.forget(gap.stream);
            }
            left.pop();
        }
        shared.has_left.store(false, Ordering::Relaxed);
    }

    /// Tells of a gap, if anybody wants to know; says whether there was space for that.
    fn tell(&mut self, gap: Gap) -> bool {
        let Some(Teller { stream, encode }) = self.shared.teller else { return true };
        let Some(index) = stream_index(stream) else { return true };
        match self.write(stream, index, &mut |out: &mut [u8]| encode(gap, out)) {
            Written::Done => self.told += 1,
            Written::NoRoom => return false,
            // Kept, it would stand in the way of every record.
            Written::TooLarge => debug_assert!(false, "{gap:?} cannot be told"),
        }
        true
    }

    /// Writes a frame, into the next segment where the active one has no room; only then is its
    /// number used up.
    fn write(
        &mut self,
        stream: u8,
        index: usize,
        fill: &mut impl FnMut(&mut [u8]) -> Option<usize>,
    ) -> Written {
        let seq = self.next_seq[index];
        let mut written = self.write_here(stream, seq, fill);
        if matches!(written, Written::NoRoom) && self.rotate() {
            written = self.write_here(stream, seq, fill);
        }
        if matches!(written, Written::Done) {
            self.next_seq[index] += 1;
            count(&self.slot().appended);
        }
        written
    }

    /// Writes a frame into the active segment.
    fn write_here(
        &mut self,
        stream: u8,
        seq: u64,
        fill: &mut impl FnMut(&mut [u8]) -> Option<usize>,
    ) -> Written {
        match &mut self.active {
            Some(active) if !active.segment.is_failed() => active.write(stream, seq, fill),
            _ => Written::NoRoom,
        }
    }

    fn slot(&self) -> &Slot {
        &self.shared.slots[self.slot_index]
    }

    /// Takes the next segment and seals the active one; `false` when there is no next.
    fn rotate(&mut self) -> bool {
        let was_active = self.active.is_some();
        let mut next = self.next_prepared();
        self.seal();
        if next.is_none() && was_active {
            // What was just sealed may be free already: acknowledged, or no reader holds it.
            next = self.prepare_here();
        }
        self.active = next.map(|prepared| self.take(prepared));
        self.active.is_some()
    }

    /// A prepared segment: from the slot, or made here and now when the preparing thread is late.
    fn next_prepared(&self) -> Option<Prepared> {
        while let Some(prepared) = self.slot().ready.pop() {
            self.shared.wake_preparer();
            if !prepared.segment.is_failed() {
                return Some(prepared);
            }
            lock(&self.shared.registry).release(&prepared.segment);
        }
        if self.slot().is_full.load(Ordering::Acquire) { None } else { self.prepare_here() }
    }

    /// Prepares a segment on the lane's own thread, or waits a moment for the one that is being
    /// prepared for it from the last free file.
    #[cold]
    fn prepare_here(&self) -> Option<Prepared> {
        let slot = self.slot();
        let prepared = prepare::prepare(&self.shared, slot, Pages::OnDemand).or_else(|| {
            let deadline = Instant::now() + WAIT_MAX;
            while slot.is_preparing.load(Ordering::Acquire) && Instant::now() < deadline {
                std::thread::yield_now();
            }
            slot.ready.pop()
        });
        self.shared.metrics.late_preparations_total.add(u64::from(prepared.is_some()));
        self.shared.wake_preparer();
        prepared
    }

    /// Writes the header of a segment that the lane starts to use.
    fn take(&self, Prepared { mut mapping, segment }: Prepared) -> Active {
        let ordinal = self.shared.next_ordinal.fetch_add(1, Ordering::Relaxed);
        let header = Header {
            state: State::Taken,
            key: segment.key,
            seed: segment.seed,
            ordinal,
            segment_bytes: segment.bytes,
            first_seq: self.next_seq,
            dropped: self.dropped,
            preamble: Arc::clone(&segment.preamble),
        };
        prepare::write_header(&mut mapping, &header);
        let base = base(&self.next_seq, &self.dropped);
        segment.take(Taken { ordinal, base, first_seq: self.next_seq });
        Active { mapping, segment, offset: HEADER_BYTES, records: 0 }
    }

    /// Ends the active segment, if any, and leaves its mapping to the background.
    fn seal(&mut self) {
        if let Some(Active { mapping, segment, .. }) = self.active.take() {
            segment.says.seal();
            // A full queue means that the background is stuck: then unmapping happens right here.
            drop(self.shared.unmap.push(mapping));
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.seal();
        self.untold.store_again();
        self.slot().is_live.store(false, Ordering::SeqCst);
        while let Some(prepared) = self.slot().ready.pop() {
            lock(&self.shared.registry).release(&prepared.segment);
        }
        self.shared.live_lanes.fetch_sub(1, Ordering::SeqCst);
        self.shared.wake_preparer();
        self.shared.release_when_idle();
    }
}

impl Active {
    /// Writes one frame at the end, in this order: payload, tag, the empty slot after it, and last
    /// length and CRC in one store.
    fn write(
        &mut self,
        stream: u8,
        seq: u64,
        fill: &mut impl FnMut(&mut [u8]) -> Option<usize>,
    ) -> Written {
        let (offset, end) = (self.offset, self.mapping.len());
        let Some(room) = end.checked_sub(offset + FRAME_HEAD_BYTES).filter(|room| *room > 0) else {
            return Written::NoRoom;
        };
        let room = room.min(FRAME_BYTES_MAX);
        let bytes = self.mapping.bytes_mut();
        let payload = &mut bytes[offset + FRAME_HEAD_BYTES..][..room];
        let Some(filled) = fill(payload).filter(|filled| *filled <= room) else {
            let largest = FRAME_BYTES_MAX.min(end - HEADER_BYTES - FRAME_HEAD_BYTES);
            return if room >= largest { Written::TooLarge } else { Written::NoRoom };
        };
        bytes[offset + 8..][..8].copy_from_slice(&tag(stream, seq).to_le_bytes());
        let next = next_offset(offset, filled);
        let blank_end = end.min(next + FRAME_HEAD_BYTES);
        bytes[next.min(blank_end)..blank_end].fill(0);
        let covered = &bytes[offset + 8..offset + FRAME_HEAD_BYTES + filled];
        #[expect(clippy::cast_possible_truncation, reason = "bounded by FRAME_BYTES_MAX")]
        let len = covered.len() as u32;
        let crc = frame_crc(self.segment.seed, len, covered);
        self.mapping.publish(offset, word(len, crc));
        self.offset = next;
        self.records += 1;
        #[expect(clippy::cast_possible_truncation, reason = "bounded by SEGMENT_BYTES_MAX")]
        self.segment.says.set_progress(Progress { records: self.records, end: next as u32 });
        Written::Done
    }
}

/// Adds one to a cell that its caller alone writes.
fn count(cell: &AtomicU64) {
    cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}
