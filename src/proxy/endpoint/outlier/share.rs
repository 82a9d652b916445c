//! Whether an endpoint fails more than its neighbours: pure counting, no clock.
//!
//! A bad URL raises the share of failures at every endpoint alike; a broken endpoint stands out. So
//! a share is never judged by itself, only against that of the others in rotation, over the last
//! [`SHORT`] and the last [`SLICES`] ticks: the short one finds a broken endpoint in heavy traffic
//! within seconds, the long one in light traffic.
//! Not here: what follows (`state`), who counts (`watch`).

use std::ops::{Add, Sub};

/// Slices of a window: with a tick of 500 ms, 10 s.
pub(super) const SLICES: usize = 20;
/// Slices of the short window: 2 s.
pub(super) const SHORT: usize = 4;
/// Fewest attempts, of the endpoint and of its neighbours together, that say anything.
const ATTEMPTS_MIN: u64 = 10;
/// How much larger its share must be than theirs.
const EXCESS_MIN: f64 = 0.3;
/// How many standard errors that excess must be. Each look is a chance to be wrong: independent
/// requests exceed five errors once in three million.
const ERRORS_MIN: f64 = 5.0;
/// From this share of failures at the neighbours on, a failed trial may be the request's doing.
const FAILING_MIN: f64 = 0.1;

/// Attempts that ended, by how; what the client broke off is in none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::proxy) struct Count {
    /// With a whole answer.
    pub(in crate::proxy) answers: u64,
    /// On the account of the endpoint.
    pub(in crate::proxy) failures: u64,
    /// Attempts that got a response head, whatever came of it: no part of a share.
    pub(in crate::proxy) heads: u64,
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            answers: self.answers.saturating_add(other.answers),
            failures: self.failures.saturating_add(other.failures),
            heads: self.heads.saturating_add(other.heads),
        }
    }
}

impl Sub for Count {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            answers: self.answers.saturating_sub(other.answers),
            failures: self.failures.saturating_sub(other.failures),
            heads: self.heads.saturating_sub(other.heads),
        }
    }
}

impl Count {
    const fn attempts(self) -> u64 {
        self.answers.saturating_add(self.failures)
    }

    /// Share of failures; 0 without attempts.
    #[expect(clippy::cast_precision_loss, reason = "counts of seconds; a share needs no more")]
    fn share(self) -> f64 {
        self.failures as f64 / self.attempts().max(1) as f64
    }

    /// Whether its share of failures stands out from that of `others`, with `failures_min` or more.
    #[expect(clippy::cast_precision_loss, reason = "counts of seconds; a share needs no more")]
    pub(super) fn stands_out(self, others: Self, failures_min: u32) -> bool {
        let is_enough = self.failures >= u64::from(failures_min)
            && self.attempts() >= ATTEMPTS_MIN
            && others.attempts() >= ATTEMPTS_MIN;
        let excess = self.share() - others.share();
        if !is_enough || excess < EXCESS_MIN {
            return false;
        }
        // Two proportions against the share of both together.
        let whole = (self + others).share();
        let per = 1.0 / self.attempts() as f64 + 1.0 / others.attempts() as f64;
        excess >= ERRORS_MIN * (whole * (1.0 - whole) * per).sqrt()
    }

    /// Whether so many requests fail here that one failure proves little.
    pub(super) fn is_failing(self) -> bool {
        self.share() >= FAILING_MIN
    }
}

/// Counts of the last ticks.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    slices: [Count; SLICES],
    /// Where the next goes.
    next: usize,
}

impl Window {
    pub(super) fn push(&mut self, count: Count) {
        if let Some(slice) = self.slices.get_mut(self.next) {
            *slice = count;
        }
        self.next = (self.next + 1) % SLICES;
    }

    /// The sum of the last `slices`.
    pub(super) fn last(&self, slices: usize) -> Count {
        let from = self.next + SLICES - slices.min(SLICES);
        self.slices
            .iter()
            .cycle()
            .skip(from)
            .take(slices.min(SLICES))
            .fold(Count::default(), |sum, &count| sum + count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn count(failures: u64, attempts: u64) -> Count {
        Count { answers: attempts - failures, failures, heads: 0 }
    }

    /// Goal: what stands out and what does not. Method: failures of attempts, here and at neighbours.
    #[test]
    fn a_share_stands_out_only_against_neighbours_and_with_enough_attempts() {
        for (name, own, others, want) in [
            ("broken, neighbours well", count(10, 10), count(0, 20), true),
            ("broken, neighbours well, much traffic", count(500, 1000), count(0, 2000), true),
            ("broken, neighbours under an attack", count(100, 100), count(60, 200), true),
            ("attacked as the neighbours are", count(60, 100), count(120, 200), false),
            (
                "attacked alone, as are all: everything fails",
                count(100, 100),
                count(200, 200),
                false,
            ),
            ("five in a row and nothing else", count(5, 5), count(0, 100), false),
            ("five among many", count(5, 100), count(0, 200), false),
            ("chance: three of ten", count(3, 10), count(2, 20), false),
            ("chance: eight of ten, half fail", count(8, 10), count(10, 20), false),
            ("no neighbours", count(100, 100), count(0, 0), false),
            ("neighbours of whom too little is known", count(100, 100), count(0, 9), false),
            ("nothing at all", count(0, 0), count(0, 0), false),
            ("better than its neighbours", count(0, 100), count(100, 200), false),
        ] {
            assert_eq!(own.stands_out(others, 5), want, "{name}");
        }
        assert!(!count(10, 10).stands_out(count(0, 20), 11), "fewer than configured");
    }

    #[test]
    fn a_window_forgets_what_is_older() {
        let mut window = Window::default();
        assert_eq!(window.last(SLICES), Count::default());
        for tick in 1..=30 {
            window.push(count(0, tick));
            let sum = |from: u64| (from.max(1)..=tick).sum::<u64>();
            assert_eq!(window.last(SHORT).answers, sum(tick.saturating_sub(3)), "{tick}");
            assert_eq!(window.last(SLICES).answers, sum(tick.saturating_sub(19)), "{tick}");
        }
    }
}
