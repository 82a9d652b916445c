//! Setting aside an endpoint that keeps failing, and letting it back by one trial.
//!
//! ```text
//! in rotation ──failures in a row──► aside until T ──T passes──► trial (one exchange)
//!      ▲                                  ▲                          │
//!      └──────────── success ─────────────┴───────── failure ────────┘  (next T twice as long)
//! ```
//! What counts as a failure: no connection, no first byte in time, cut before the response head. A
//! status from the endpoint never counts, since it may be the right answer to that request.
//!
//! Shared by all workers; atomics, written only when something fails or comes back. Time comes in as
//! milliseconds since the start of the data plane. Not here: active checks.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::config;

/// State of one endpoint.
#[derive(Debug)]
pub(in crate::proxy) struct Outlier {
    /// Limits.
    limits: config::Outlier,
    /// Failures in a row while in rotation.
    failures: AtomicU32,
    /// Times in a row it was set aside.
    ejections: AtomicU32,
    /// When its time aside ends; 0 while in rotation.
    until_ms: AtomicU64,
}

/// What an exchange may do with an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Entry {
    /// In rotation.
    Open,
    /// This exchange is the trial.
    Trial,
    /// Set aside.
    Aside,
}

impl Outlier {
    /// In rotation, nothing counted.
    pub(in crate::proxy) fn new(limits: config::Outlier) -> Self {
        Self {
            limits,
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            until_ms: AtomicU64::new(0),
        }
    }

    /// Whether it is in rotation: not aside, and no trial is due either.
    pub(in crate::proxy) fn is_in_rotation(&self) -> bool {
        self.until_ms.load(Ordering::Relaxed) == 0
    }

    /// Whether [`Outlier::enter`] would let an exchange in.
    pub(in crate::proxy) fn is_open(&self, now_ms: u64) -> bool {
        self.until_ms.load(Ordering::Relaxed) <= now_ms
    }

    /// Asks to use the endpoint. Of several exchanges that ask when the time aside is over, one gets
    /// the trial; the others find it aside for as long again.
    pub(in crate::proxy) fn enter(&self, now_ms: u64) -> Entry {
        match self.until_ms.load(Ordering::Relaxed) {
            0 => Entry::Open,
            until if until > now_ms => Entry::Aside,
            until => {
                let next = now_ms + self.span_ms();
                let order = Ordering::Relaxed;
                match self.until_ms.compare_exchange(until, next, order, order) {
                    Ok(_) => Entry::Trial,
                    Err(_) => Entry::Aside,
                }
            }
        }
    }

    /// An attempt got a response head. A late one, from before it was set aside, changes nothing.
    pub(in crate::proxy) fn success(&self, entry: Entry) {
        if entry == Entry::Trial {
            self.ejections.store(0, Ordering::Relaxed);
            self.until_ms.store(0, Ordering::Relaxed);
        }
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// An attempt failed. Gives whether this set the endpoint aside.
    pub(in crate::proxy) fn failure(&self, entry: Entry, now_ms: u64) -> bool {
        let is_aside = self.until_ms.load(Ordering::Relaxed) != 0;
        let ejects = match entry {
            Entry::Trial => true,
            Entry::Open | Entry::Aside if is_aside => false, // a late failure
            Entry::Open | Entry::Aside => {
                self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= self.limits.failures
            }
        };
        if ejects {
            self.until_ms.store(now_ms + self.span_ms(), Ordering::Relaxed);
            self.ejections.fetch_add(1, Ordering::Relaxed);
            self.failures.store(0, Ordering::Relaxed);
        }
        ejects
    }

    /// The next time aside: doubles with each time in a row, at least 1 ms.
    fn span_ms(&self) -> u64 {
        let doublings = self.ejections.load(Ordering::Relaxed).min(20);
        let span = self.limits.eject.saturating_mul(1 << doublings).min(self.limits.eject_max);
        u64::try_from(span.as_millis()).unwrap_or(u64::MAX / 2).max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn outlier() -> Outlier {
        Outlier::new(config::Outlier {
            failures: 3,
            eject: Duration::from_millis(100),
            eject_max: Duration::from_millis(300),
        })
    }

    /// Goal: every arrow of the picture. Method: a script of (time, success?, state after).
    #[test]
    fn is_set_aside_after_failures_in_a_row_and_returns_through_a_trial() {
        let endpoint = outlier();
        for (name, now_ms, is_success, want) in [
            ("one failure", 0, false, Entry::Open),
            ("a success clears the count", 0, true, Entry::Open),
            ("first", 0, false, Entry::Open),
            ("second", 0, false, Entry::Open),
            ("third", 0, false, Entry::Aside),
            ("the trial fails: twice as long", 100, false, Entry::Aside),
            ("the trial fails: capped", 300, false, Entry::Aside),
            ("the trial succeeds", 600, true, Entry::Open),
        ] {
            let entry = endpoint.enter(now_ms);
            assert_ne!(entry, Entry::Aside, "{name}");
            if is_success {
                endpoint.success(entry);
            } else {
                endpoint.failure(entry, now_ms);
            }
            let is_open = endpoint.is_open(now_ms);
            assert_eq!(is_open, want == Entry::Open, "{name}");
            assert_eq!(endpoint.is_in_rotation(), is_open, "{name}");
        }
    }

    #[test]
    fn only_one_exchange_gets_the_trial_and_late_answers_change_nothing() {
        let endpoint = outlier();
        (0..3).for_each(|_| {
            endpoint.failure(Entry::Open, 0);
        });
        endpoint.success(Entry::Open);
        assert_eq!(endpoint.enter(50), Entry::Aside, "a late success does not let it back");
        assert!(!endpoint.failure(Entry::Open, 60), "a late failure does not lengthen it");
        assert_eq!(endpoint.enter(100), Entry::Trial);
        assert_eq!(endpoint.enter(100), Entry::Aside, "the second of two");
    }
}
