//! Three kinds of nothing: nobody asks, records do not arrive, there is no heartbeat.
//!
//! Time is what was watched: it stands still while nobody evaluates, and no jump of the clock makes it
//! longer. Not here: whether silence is told (`tracked`).

use std::time::Duration;

use super::notice::Absence;
use crate::base::clock::millis;
use crate::record::{DecodeError, HeartbeatRecord, ProcessRecord, Stream};

/// The oldest record that waits to be shipped is older: records do not arrive.
pub const WAITING_SECONDS: u64 = 60;
/// Least time without a heartbeat after which it is missing.
const HEARTBEAT_GONE_MIN: Duration = Duration::from_secs(30);

/// What heartbeats and samples of the process say of the way of records.
#[derive(Debug)]
pub(super) struct Evidence {
    /// A heartbeat is missing after so long; `None`: none is expected.
    heartbeat_within_ms: Option<u64>,
    /// Watched time without one.
    heartbeat_silent_ms: u64,
    /// The last sample says that records wait or were dropped.
    is_waiting: bool,
    /// Records dropped, by the last sample.
    dropped: Option<u64>,
}

impl Evidence {
    /// With a heartbeat each `every`, if there is to be one.
    pub(super) fn new(every: Option<Duration>) -> Self {
        Self {
            heartbeat_within_ms: every.map(|every| millis((3 * every).max(HEARTBEAT_GONE_MIN))),
            heartbeat_silent_ms: 0,
            is_waiting: false,
            dropped: None,
        }
    }

    /// Notes what a record says.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn note(&mut self, stream: Stream, payload: &[u8]) -> Result<(), DecodeError> {
        const WANTED: u128 =
            ProcessRecord::bits(&["metricset", "dropped_full", "oldest_pending_seconds"]);
        match stream {
            Stream::Heartbeat if HeartbeatRecord::decode(payload)?.action.is_none() => {
                self.heartbeat_silent_ms = 0;
            }
            Stream::Process => {
                let sample = ProcessRecord::decode_only::<WANTED>(payload)?;
                if sample.metricset.is_none_or(|name| name.0 != b"process") {
                    return Ok(());
                }
                let dropped = sample.dropped_full.map(|dropped| dropped.0);
                let drops = self.dropped.zip(dropped).is_some_and(|(before, now)| now > before);
                let oldest = sample.oldest_pending_seconds.map_or(0, |seconds| seconds.0);
                self.is_waiting = drops || oldest > WAITING_SECONDS;
                self.dropped = dropped;
            }
            _ => (),
        }
        Ok(())
    }

    /// Notes what somebody else has seen: whether there was a heartbeat since the last time, and whether
    /// records wait.
    pub(super) fn hear(&mut self, is_alive: bool, is_waiting: bool) {
        if is_alive {
            self.heartbeat_silent_ms = 0;
        }
        self.is_waiting = is_waiting;
    }

    /// So much time was watched.
    pub(super) fn pass(&mut self, watched_ms: u64) {
        self.heartbeat_silent_ms = self.heartbeat_silent_ms.saturating_add(watched_ms);
    }

    /// Which nothing it is, while there are no events.
    pub(super) fn what(&self) -> Absence {
        if self.heartbeat_within_ms.is_some_and(|within| self.heartbeat_silent_ms >= within) {
            Absence::Heartbeat
        } else if self.is_waiting {
            Absence::Records
        } else {
            Absence::Traffic
        }
    }
}
