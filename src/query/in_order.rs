//! The records of a journal in the order of their times, over all lanes.
//!
//! ```text
//! lane 0    ─► windowful ─┐
//! lane 1    ─► windowful ─┼─► the earliest head, again and again
//! lane 255  ─► windowful ─┘
//! ```
//! Within a lane records stand as they were journaled, which is the order of their times unless the clock was
//! set back. Memory is a windowful for each lane that is being read; of a lane whose time has not come, one
//! record. It ends where the lanes end that there were at the start. Not here: what is done with a record.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use super::records::Runs;
use crate::journal::{self, Entry, ReadError, Reader};
use crate::record::{DecodeError, Origin, Stream, timestamp_ms};

/// What is done with each record: its time, kind, bytes and place; an error ends it.
pub type VisitRaw<'v, E> = dyn FnMut(u64, Stream, &[u8], Origin<'_>) -> Result<(), E> + 'v;

/// See the head of this file.
#[derive(Debug)]
pub struct InOrder {
    reader: Reader,
    lanes: Vec<Held>,
    /// Time of the next record of each lane that has one.
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    runs: Runs,
}

/// Records of a lane that were read and not visited.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    records: VecDeque<HeldRecord>,
}

#[derive(Debug)]
struct HeldRecord {
    time_ms: u64,
    stream: Stream,
    seq: u64,
    instance: u64,
    epoch: u16,
    lane: u8,
    preamble: Arc<[u8]>,
    /// Where in the bytes it starts and ends.
    at: (usize, usize),
}

impl InOrder {
    /// Opens the journal in a directory, as [`Reader::open_directory`] does.
    ///
    /// # Errors
    /// When it cannot be listed or read.
    pub fn open<E>(dir: &Path) -> Result<Self, E>
    where
        E: From<journal::OpenError> + From<ReadError>,
    {
        let reader = Reader::open_directory(dir, journal::From::Oldest)?;
        let lanes = (0..reader.lanes()).map(|_| Held::default()).collect::<Vec<_>>();
        let (heads, runs) = (BinaryHeap::new(), Runs::default());
        let mut all = Self { reader, lanes, heads, runs };
        for lane in 0..all.lanes.len() {
            all.fill(lane, 1)?;
            all.heads.extend(all.lanes[lane].head().map(|time| Reverse((time, lane))));
        }
        Ok(all)
    }

    /// Reads on in a lane that has nothing left.
    fn fill(&mut self, lane: usize, bytes_max: usize) -> Result<(), ReadError> {
        let Self { reader, lanes, runs, .. } = self;
        let held = &mut lanes[lane];
        held.bytes.clear();
        // What cannot be read is passed over; at the end of a lane there is nothing.
        while held.records.is_empty()
            && reader.read_one(lane, bytes_max, &mut |entry| held.push(&entry, runs))? > 0
        {}
        if held.records.is_empty() {
            held.bytes = Vec::new();
        }
        Ok(())
    }

    /// Visits every record once, the earliest first.
    ///
    /// # Errors
    /// When the journal cannot be read, or what `visit` says, which is then not called again.
    pub fn all<E: From<ReadError>>(&mut self, visit: &mut VisitRaw<'_, E>) -> Result<(), E> {
        while let Some(Reverse((_, lane))) = self.heads.pop() {
            let until = self.heads.peek().map_or(u64::MAX, |Reverse((time, _))| *time);
            while let Some(record) = self.lanes[lane].records.pop_front() {
                self.visit(lane, &record, visit)?;
                if self.lanes[lane].records.is_empty() {
                    self.fill(lane, usize::MAX)?;
                }
                if let Some(time) = self.lanes[lane].head().filter(|time| *time > until) {
                    self.heads.push(Reverse((time, lane)));
                    break;
                }
            }
        }
        Ok(())
    }

    fn visit<E>(
        &mut self,
        lane: usize,
        record: &HeldRecord,
        visit: &mut VisitRaw<'_, E>,
    ) -> Result<(), E> {
        let Some(constants) = self.runs.constants(&record.preamble) else { return Ok(()) };
        let &HeldRecord { instance, epoch, lane: worker, seq, .. } = record;
        let origin = Origin { instance, epoch, worker, seq, constants: &constants };
        let payload = &self.lanes[lane].bytes[record.at.0..record.at.1];
        visit(record.time_ms, record.stream, payload, origin)
    }

    /// Records that were overwritten or damaged before they could be read.
    pub fn missed(&self) -> u64 {
        self.reader.missed()
    }

    /// Sentences about what could not be read at all.
    pub fn complaints(&self) -> Vec<String> {
        self.runs.complaints()
    }
}

impl Held {
    /// Time of the next record.
    fn head(&self) -> Option<u64> {
        self.records.front().map(|record| record.time_ms)
    }

    /// Keeps a record; counts it when it is none.
    fn push(&mut self, entry: &Entry<'_>, runs: &mut Runs) {
        let Some(stream) = Stream::from_u8(entry.stream) else {
            return runs.count(DecodeError::Newer);
        };
        let time_ms = match timestamp_ms(entry.payload) {
            Ok(time_ms) => time_ms,
            Err(error) => return runs.count(error),
        };
        let start = self.bytes.len();
        self.bytes.extend_from_slice(entry.payload);
        self.records.push_back(HeldRecord {
            time_ms,
            stream,
            seq: entry.seq,
            instance: entry.instance,
            epoch: entry.epoch,
            lane: entry.lane,
            preamble: Arc::clone(entry.preamble),
            at: (start, self.bytes.len()),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::journal::{Appended, Journal, Lane};
    use crate::record::{AccessRecord, Constants, TimestampMs};

    fn append(lane: &mut Lane, time_ms: u64) {
        let record =
            AccessRecord { timestamp: Some(TimestampMs(time_ms)), ..AccessRecord::default() };
        let appended = lane.append(Stream::Access as u8, |out| record.encode(out));
        assert_ne!(appended, Appended::Dropped);
    }

    /// Runs a process whose lanes journal at these times, one record each time.
    fn run(dir: &Path, times: [&[u64]; 2]) {
        let (journal, mut lanes) = Journal::open(journal::Options {
            dir: dir.to_owned(),
            bytes_max: 4 << 20,
            segment_bytes: 64 * 1024,
            sync_every: Duration::from_mins(1),
            workers: 2,
            preamble: Constants::default().encode(),
            teller: None,
            metrics: Arc::default(),
        })
        .unwrap();
        for (lane, times) in lanes.iter_mut().zip(times) {
            for &time in times {
                append(lane, time);
            }
        }
        drop(lanes);
        journal.close();
    }

    #[test]
    fn records_of_all_lanes_and_starts_come_in_the_order_of_their_times() {
        let dir = tempfile::tempdir().unwrap();
        // More of one lane than a window holds.
        let many: Vec<u64> = (0..40_000).map(|n| 100 + n).collect();
        run(dir.path(), [&[1, 5, 9, 50_000], &many]);
        run(dir.path(), [&[60_000, 60_002], &[60_001]]);
        let mut seen = Vec::new();
        let mut all = InOrder::open::<Box<dyn std::error::Error>>(dir.path()).unwrap();
        all.all::<ReadError>(&mut |time, stream, payload, origin| {
            assert_eq!((stream, timestamp_ms(payload)), (Stream::Access, Ok(time)));
            seen.push((time, origin.epoch));
            Ok(())
        })
        .unwrap();
        let mut want: Vec<_> =
            [1, 5, 9, 50_000].iter().chain(&many).map(|&time| (time, 1)).collect();
        want.sort_unstable();
        want.extend([60_000, 60_001, 60_002].map(|time| (time, 2)));
        assert_eq!(seen, want);
        assert_eq!((all.missed(), all.complaints()), (0, vec![]));
    }
}
