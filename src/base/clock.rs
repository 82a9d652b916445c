//! The wall clock, and spans as whole numbers, as records and metrics have them.
//!
//! Nothing here fails: a clock before 1970 is 1970, and what does not fit is the largest number.
//! Not here: instants as text (`instant`), durations as text (`units`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Wall time in milliseconds since 1970, UTC.
pub fn wall_ms() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Whole milliseconds of a span.
pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Whole microseconds of a span.
pub fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
