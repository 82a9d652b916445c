//! The control lane: records of everything but exchanges, from any thread.
//!
//! One lock around one lane, never taken on a request's way. What it makes counts in the same
//! equation as the workers' records, and a gap gets a record of its own, as theirs does. After
//! [`Control::close`] nothing is made any more. Not here: what the records say.

use std::sync::{Arc, Mutex, PoisonError};

use crate::journal::{Appended, CONTROL_LANE, Lane};
use crate::metrics::ControlMetrics;
use crate::record::{GapRecord, Stream, TimestampMs};

/// The control lane, shared.
#[derive(Debug)]
pub struct Control {
    /// The lane; `None` once closed.
    lane: Mutex<Option<Lane>>,
    /// Its cells.
    metrics: Arc<ControlMetrics>,
}

impl Control {
    /// Around the journal's last lane.
    pub fn new(lane: Lane) -> Self {
        Self { lane: Mutex::new(Some(lane)), metrics: Arc::default() }
    }

    /// Its cells.
    pub fn metrics(&self) -> &ControlMetrics {
        &self.metrics
    }

    /// Appends a record of `stream`, made at `now`; says whether it was stored. A dropped one is counted
    /// by the journal.
    pub fn append(
        &self,
        now: TimestampMs,
        stream: Stream,
        encode: impl FnMut(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let mut lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lane) = lane.as_mut() else { return false };
        self.metrics.records_created_total.add(1);
        let appended = lane.append(stream as u8, encode);
        if let Appended::AfterGap { stream, first_seq, count } = appended {
            let gap = GapRecord::journal_full(now, CONTROL_LANE, (stream, first_seq, count));
            self.metrics.records_created_total.add(1);
            // Dropped again: the next record after space returns tells of the longer gap.
            let _ = lane.append(Stream::Gap as u8, |out| gap.encode(out));
        }
        appended != Appended::Dropped
    }

    /// Seals the lane; to be called before the journal closes.
    pub fn close(&self) {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
