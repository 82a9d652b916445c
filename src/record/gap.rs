//! The record that explains missing sequence numbers: the table.

use super::schema::record;
use super::value::{Count, Text, TimestampMs};

record! {
    /// Records of one stream and lane that were not journaled, and why.
    GapRecord {
        /// Wall time at which records were journaled again.
        0 timestamp: TimestampMs => "@timestamp", "";
        /// Lane they are missing from.
        1 gap_worker: Count => "lbproxy.gap.worker", "";
        /// Kind they are of: 1 access, 2 connection, 3 gap, 4 heartbeat, 5 process, 6 rollup.
        2 gap_stream: Count => "lbproxy.gap.stream", "";
        /// First missing sequence number.
        3 gap_first_seq: Count => "lbproxy.gap.first_seq", "";
        /// How many are missing.
        4 gap_count: Count => "lbproxy.gap.count", "";
        /// Why, such as journal_full.
        5 gap_reason: Text<'a, 64> => "lbproxy.gap.reason", "";
    }
}

impl GapRecord<'static> {
    /// Tells of `count` records of `stream` from `first_seq` that found no space in `lane`.
    pub fn journal_full(
        now: TimestampMs,
        lane: u8,
        (stream, first_seq, count): (u8, u64, u64),
    ) -> Self {
        Self {
            timestamp: Some(now),
            gap_worker: Some(Count(u64::from(lane))),
            gap_stream: Some(Count(u64::from(stream))),
            gap_first_seq: Some(Count(first_seq)),
            gap_count: Some(Count(count)),
            gap_reason: Some(Text(b"journal_full")),
        }
    }
}
