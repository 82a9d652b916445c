//! Until when notices may be told: for one of several that notify in turn.
//!
//! Looked at right before each delivery. By a clock that never jumps; nothing else is behind it. Not here:
//! whose turn it is (`watch`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::base::clock::micros;

/// See the head of this file. Copies are the same fence.
#[derive(Debug, Clone)]
pub struct Fence {
    start: Instant,
    /// Microseconds since `start`.
    until_us: Arc<AtomicU64>,
}

impl Fence {
    /// One that is always open.
    pub fn open() -> Self {
        Self { start: Instant::now(), until_us: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// One that is closed until it is opened.
    pub fn closed() -> Self {
        Self { start: Instant::now(), until_us: Arc::default() }
    }

    /// Opens it until a moment.
    pub fn open_until(&self, end: Instant) {
        let until = end.saturating_duration_since(self.start);
        self.until_us.store(micros(until), Ordering::Release);
    }

    /// Closes it at once; a delivery under way goes on.
    pub fn close(&self) {
        self.until_us.store(0, Ordering::Release);
    }

    /// Whether something may be told now.
    pub fn is_open(&self) -> bool {
        micros(self.start.elapsed()) < self.until_us.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_fence_is_open_until_its_end() {
        let fence = Fence::closed();
        assert!(!fence.is_open() && Fence::open().is_open());
        let copy = fence.clone();
        fence.open_until(Instant::now() + Duration::from_hours(1));
        assert!(copy.is_open());
        fence.open_until(Instant::now());
        assert!(!copy.is_open(), "the end is not within");
        fence.open_until(Instant::now() + Duration::from_hours(1));
        copy.close();
        assert!(!fence.is_open());
    }
}
