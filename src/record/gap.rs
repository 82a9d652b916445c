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
        /// Start that they are missing from, when it ended before it could tell: its `lbproxy.epoch`.
        6 gap_epoch: Count => "lbproxy.gap.epoch", "";
        /// Its `lbproxy.instance`.
        7 gap_instance: Text<'a, 10> => "lbproxy.gap.instance", "";
    }
}

impl<'a> GapRecord<'a> {
    /// Tells of `count` records of `stream` from `first_seq` that found no space in `lane`, of this
    /// start or an `earlier` one: its instance as documents have it, and its epoch.
    pub fn journal_full(
        now: TimestampMs,
        lane: u8,
        (stream, first_seq, count): (u8, u64, u64),
        earlier: Option<(&'a str, u16)>,
    ) -> Self {
        Self {
            gap_epoch: earlier.map(|(_, epoch)| Count(u64::from(epoch))),
            gap_instance: earlier.map(|(instance, _)| Text(instance.as_bytes())),
            timestamp: Some(now),
            gap_worker: Some(Count(u64::from(lane))),
            gap_stream: Some(Count(u64::from(stream))),
            gap_first_seq: Some(Count(first_seq)),
            gap_count: Some(Count(count)),
            gap_reason: Some(Text(b"journal_full")),
        }
    }

    /// Instance and epoch of the start that they are missing from.
    pub fn start(&self, origin: (u64, u16)) -> (u64, u16) {
        let epoch = self.gap_epoch.and_then(|epoch| u16::try_from(epoch.0).ok());
        let digits = self.gap_instance.and_then(|digits| std::str::from_utf8(digits.0).ok());
        let instance = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        (instance.unwrap_or(origin.0), epoch.unwrap_or(origin.1))
    }
}
