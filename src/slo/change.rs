//! How serious it is that a figure is worse than in the period before.
//!
//! Worse is amber, and red only where users are hurt now. Not here: which periods (`admin`).

use super::Level;

/// Fewer requests than this in either period prove nothing.
const FEW: u64 = 20;
/// Failing requests of a million that there have to be more.
const FAILING_PPM: u64 = 5_000;
/// How much longer p99 has to be, in percent and in microseconds.
const SLOWER: (u64, u64) = (25, 1_000);

/// What is compared of a period.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compared {
    /// Requests.
    pub requests: u64,
    /// Those whose outcome is known.
    pub known: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// 99 of 100 took no longer; `None` without requests.
    pub p99_us: Option<u64>,
}

impl Compared {
    /// Of failures, which are of this level now.
    pub fn failing(&self, before: &Self, now: Level) -> Level {
        let ppm = |of: &Self| {
            let ppm = u128::from(of.failed) * 1_000_000 / u128::from(of.known.max(1));
            u64::try_from(ppm).unwrap_or(u64::MAX)
        };
        let is_worse = ppm(self) >= ppm(before).saturating_add(FAILING_PPM);
        self.level(before, is_worse, now)
    }

    /// Of latencies, which are of this level now.
    pub fn slower(&self, before: &Self, now: Level) -> Level {
        let (Some(is_us), Some(was_us)) = (self.p99_us, before.p99_us) else {
            return Level::Unknown;
        };
        let (percent, least_us) = SLOWER;
        let more_us = was_us.saturating_mul(percent) / 100;
        let is_worse = is_us >= was_us.saturating_add(more_us.max(least_us));
        self.level(before, is_worse, now)
    }

    fn level(&self, before: &Self, is_worse: bool, now: Level) -> Level {
        match (self.requests.min(before.requests) < FEW, is_worse, now) {
            (true, ..) => Level::Unknown,
            (_, false, _) => Level::Ok,
            (_, true, Level::Hurt) => Level::Hurt,
            (_, true, _) => Level::Warn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A period of so many requests, failures and microseconds.
    fn period(requests: u64, failed: u64, p99_us: u64) -> Compared {
        Compared { requests, known: requests, failed, p99_us: Some(p99_us) }
    }

    #[test]
    fn worse_is_amber_and_red_only_where_users_are_hurt() {
        use Level::{Hurt, Ok, Unknown, Warn};
        // This period, the one before; its levels; how serious the changes are.
        for (name, is, was, now, want) in [
            ("the same", period(100, 3, 9_000), period(100, 3, 9_000), [Hurt, Ok], [Ok, Ok]),
            ("better", period(100, 0, 5_000), period(100, 9, 9_000), [Ok, Ok], [Ok, Ok]),
            ("worse", period(100, 1, 90_000), period(100, 0, 9_000), [Ok, Ok], [Warn, Warn]),
            ("and hurts", period(100, 9, 9_000_000), period(100, 0, 9), [Hurt, Hurt], [Hurt, Hurt]),
            (
                "hardly worse",
                period(1_000, 4, 11_000),
                period(1_000, 0, 9_000),
                [Warn, Ok],
                [Ok, Ok],
            ),
            ("slower by nothing", period(100, 0, 900), period(100, 0, 300), [Ok, Ok], [Ok, Ok]),
            ("few now", period(19, 9, 9_000), period(100, 0, 9), [Hurt, Ok], [Unknown, Unknown]),
            ("few before", period(100, 9, 9_000), period(19, 0, 9), [Hurt, Ok], [Unknown, Unknown]),
        ] {
            let got = [is.failing(&was, now[0]), is.slower(&was, now[1])];
            assert_eq!(got, want, "{name}");
        }
        let nothing = Compared { p99_us: None, ..period(100, 0, 0) };
        assert_eq!(nothing.slower(&period(100, 0, 1), Ok), Unknown);
    }
}
