//! The control lane: records of everything but exchanges, from any thread.
//!
//! One lock around one lane, never taken on a request's way. What it makes counts in the same
//! equation as the workers' records, gaps told by the lane included. After [`Control::close`] nothing
//! is made any more. Not here: what the records say, when gaps are told (`journal`).

use std::sync::{Arc, Mutex, PoisonError};

use crate::base::clock::wall_ms;
use crate::journal::{Appended, Gap, Lane, Teller};
use crate::metrics::ControlMetrics;
use crate::record::{GapRecord, Stream, TimestampMs};

/// How every lane tells of records that found no space.
pub const TELLER: Teller = Teller {
    stream: Stream::Gap as u8,
    encode: |Gap { earlier, lane, stream, first_seq, count }, out| {
        let now = TimestampMs(wall_ms());
        let start = earlier.map(|start| (format!("{:010x}", start.instance), start.epoch));
        let earlier = start.as_ref().map(|(instance, epoch)| (instance.as_str(), *epoch));
        GapRecord::journal_full(now, lane, (stream, first_seq, count), earlier).encode(out)
    },
};

/// The control lane, shared.
#[derive(Debug)]
pub struct Control {
    /// The lane; `None` once closed.
    lane: Mutex<Option<Lane>>,
    metrics: Arc<ControlMetrics>,
}

impl Control {
    /// Around the journal's last lane.
    pub fn new(mut lane: Lane) -> Self {
        let metrics = ControlMetrics::default();
        metrics.records_created_total.add(lane.take_told()); // what earlier starts left to be told
        Self { lane: Mutex::new(Some(lane)), metrics: Arc::new(metrics) }
    }

    /// Its cells.
    pub fn metrics(&self) -> &ControlMetrics {
        &self.metrics
    }

    /// Appends a record of `stream`; says whether it was stored. A dropped one is counted by the
    /// journal.
    pub fn append(&self, stream: Stream, encode: impl FnMut(&mut [u8]) -> Option<usize>) -> bool {
        let mut lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lane) = lane.as_mut() else { return false };
        let appended = lane.append(stream as u8, encode);
        self.metrics.records_created_total.add(1 + lane.take_told());
        appended == Appended::Stored
    }

    /// Seals the lane; to be called before the journal closes.
    pub fn close(&self) {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[cfg(test)]
mod tests;
