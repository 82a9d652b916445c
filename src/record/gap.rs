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
        /// Stream they are missing from: 1 access, 2 connection.
        2 gap_stream: Count => "lbproxy.gap.stream", "";
        /// First missing sequence number.
        3 gap_first_seq: Count => "lbproxy.gap.first_seq", "";
        /// How many are missing.
        4 gap_count: Count => "lbproxy.gap.count", "";
        /// Why, such as journal_full.
        5 gap_reason: Text<'a, 64> => "lbproxy.gap.reason", "";
    }
}
