//! How many requests may be under way, how large one may be, how long to wait after one that failed, and
//! how long a node may take nothing.
//!
//! Additive increase, multiplicative decrease: a server that asks for less gets half, and one more
//! after every good answer.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::elk::problem::Fault;
use crate::metrics::ShipMetrics;

/// Lets requests through, a few at a time. Lives on one thread.
#[derive(Debug)]
pub(super) struct Gate {
    /// Most at once, as configured.
    most: usize,
    /// Most at once now.
    limit: Cell<usize>,
    active: Cell<usize>,
    freed: Notify,
    /// Shows both.
    metrics: Arc<ShipMetrics>,
}

/// The right to have one request under way; ends when dropped.
#[derive(Debug)]
pub(super) struct Permit<'a>(&'a Gate);

impl Gate {
    /// Lets `most` through at once.
    pub(super) fn new(most: usize, metrics: Arc<ShipMetrics>) -> Self {
        metrics.batches_in_flight_max.set(most as u64);
        metrics.batches_in_flight.set(0);
        let (limit, active) = (Cell::new(most), Cell::new(0));
        Self { most, limit, active, freed: Notify::new(), metrics }
    }

    pub(super) async fn enter(&self) -> Permit<'_> {
        while self.active.get() >= self.limit.get() {
            self.freed.notified().await;
        }
        self.set_active(self.active.get() + 1);
        Permit(self)
    }

    /// After a good answer.
    pub(super) fn widen(&self) {
        self.set_limit((self.limit.get() + 1).min(self.most));
        self.freed.notify_one();
    }

    /// After the server asked for less.
    pub(super) fn narrow(&self) {
        self.set_limit((self.limit.get() / 2).max(1));
    }

    /// Sets the limit and shows it.
    fn set_limit(&self, limit: usize) {
        self.limit.set(limit);
        self.metrics.batches_in_flight_max.set(limit as u64);
    }

    /// Sets what is under way and shows it.
    fn set_active(&self, active: usize) {
        self.active.set(active);
        self.metrics.batches_in_flight.set(active as u64);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.set_active(self.0.active.get().saturating_sub(1));
        self.0.freed.notify_one();
    }
}

/// No server's limit of a body is lower: whoever refuses less as too large means something else.
pub(super) const SMALL_BYTES: usize = 64 * 1024;

/// Most bytes of a body: as configured, or fewer once the server refused that many.
#[derive(Debug)]
pub(super) struct BodyLimit {
    configured: usize,
    now: Cell<usize>,
}

impl BodyLimit {
    pub(super) fn new(configured: usize) -> Self {
        Self { configured, now: Cell::new(configured) }
    }

    pub(super) fn get(&self) -> usize {
        self.now.get()
    }

    /// A body of so many bytes was too large. Says whether that is the first time.
    pub(super) fn lower(&self, refused: usize) -> bool {
        if refused <= SMALL_BYTES {
            return false;
        }
        let before = self.now.get();
        self.now.set(before.min((refused / 2).max(SMALL_BYTES)));
        before == self.configured && self.now.get() < before
    }

    /// It was not about the size.
    pub(super) fn forget(&self) {
        self.now.set(self.configured);
    }
}

/// A node that answers and takes nothing for so long is left for the next: it may be cut off from its
/// cluster. The waits stay as they were, so that nodes that all refuse get no more requests than one.
const NOTHING_MAX: Duration = Duration::from_secs(10);

/// Since when the node in use has taken nothing, while it was asked.
#[derive(Debug, Default)]
pub(super) struct NothingTaken(Cell<Option<Instant>>);

impl NothingTaken {
    /// It took something, or another node is in use.
    pub(super) fn end(&self) {
        self.0.set(None);
    }

    /// It was asked and took nothing. Says whether that lasts.
    pub(super) fn lasts(&self, now: Instant) -> bool {
        let since = self.0.get().unwrap_or(now);
        self.0.set(Some(since));
        now.saturating_duration_since(since) >= NOTHING_MAX
    }
}

/// Growing waits with jitter, so that several lbproxies do not come back at the same instant.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Failures in a row.
    failures: u32,
}

impl Backoff {
    /// Counts a failure without a wait, unless others came before it.
    pub(super) fn first(&mut self) -> bool {
        let is_first = self.failures == 0;
        self.failures = self.failures.max(1);
        is_first
    }

    /// The wait after one more failure.
    pub(super) fn next(&mut self, fault: Fault) -> Duration {
        let (first_ms, most_ms) = match fault {
            // A person has to act: no hurry, but soon enough that the cure shows.
            Fault::Unauthorized | Fault::Forbidden | Fault::Refused | Fault::Blocked => {
                (1_000, 10_000)
            }
            // One look at a file on this machine.
            Fault::DeadLetters => (200, 1_000),
            Fault::Overloaded => (200, 10_000),
            Fault::TooLarge => return Duration::ZERO,
            Fault::NotSent | Fault::Unknown => (100, 5_000),
        };
        let wait_ms = (first_ms << self.failures.min(16)).min(most_ms);
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(fastrand::u64(wait_ms / 2..=wait_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_halves_and_recovers_within_its_bounds() {
        let gate = Gate::new(4, Arc::default());
        let rows = [("one", 2), ("two", 1), ("never none", 1)];
        for (name, want) in rows {
            gate.narrow();
            assert_eq!(gate.limit.get(), want, "{name}");
        }
        for want in [2, 3, 4, 4] {
            gate.widen();
            assert_eq!(gate.limit.get(), want);
        }
    }

    #[test]
    fn a_limit_is_learnt_from_what_is_large_and_can_be_forgotten() {
        let limit = BodyLimit::new(1 << 20);
        for (name, refused, want) in [
            ("so small that it says nothing", SMALL_BYTES, (false, 1 << 20)),
            ("large", 1 << 20, (true, 1 << 19)),
            ("still large", 1 << 19, (false, 1 << 18)),
            ("never below the least", SMALL_BYTES + 1, (false, SMALL_BYTES)),
            ("never up", 1 << 20, (false, SMALL_BYTES)),
        ] {
            assert_eq!((limit.lower(refused), limit.get()), want, "{name}");
        }
        limit.forget();
        assert_eq!((limit.get(), limit.lower(1 << 20)), (1 << 20, true), "forgotten");
    }

    #[test]
    fn a_node_is_left_when_it_has_taken_nothing_for_long() {
        let (nothing, start) = (NothingTaken::default(), Instant::now());
        let lasts = |seconds| nothing.lasts(start + Duration::from_secs(seconds));
        assert_eq!([0, 9, 10, 11].map(lasts), [false, false, true, true]);
        nothing.end();
        assert_eq!([60, 69, 70].map(lasts), [false, false, true], "it took something meanwhile");
    }

    #[test]
    fn waits_grow_to_a_bound() {
        for fault in [Fault::NotSent, Fault::Overloaded, Fault::Unauthorized] {
            let mut backoff = Backoff::default();
            let waits: Vec<_> = (0..64).map(|_| backoff.next(fault)).collect();
            assert!(waits[0] < waits[20], "{fault:?}");
            assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(10)), "{fault:?}");
        }
    }
}
