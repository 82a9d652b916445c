//! Two clocks in one: wall time, which records have and which jumps, and steady time, which does not.
//!
//! A jump is when wall time goes [`JUMP_MS`] further, or less far, than steady time between two looks.
//! What was counted is then moved along with it, so that windows stay as they are: an alert neither fires
//! nor ends because of it. Between two runs only a jump back can be told; forward it is time that went by, of which
//! [`EVALUATE_EVERY`] counts as watched at most: so kills at any pace make nothing sooner that takes its time, and put
//! nothing off.

use std::time::Duration;

use crate::base::clock::millis;

/// How often to evaluate.
pub const EVALUATE_EVERY: Duration = Duration::from_secs(10);
/// Least difference of the two clocks that is a jump.
pub const JUMP_MS: u64 = 60_000;
/// Most time between two looks that counts as watched.
const WATCHED_MAX_MS: u64 = 60_000;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the unit stands last in every name")]
pub(super) struct Clock {
    /// Milliseconds since 1970 at the last look; 0: none so far.
    wall_ms: u64,
    /// Steady time then; `None`: of another run.
    steady_ms: Option<u64>,
    /// Time that was watched since it was last asked for.
    watched_ms: u64,
}

impl Clock {
    /// As it was when an earlier run had counted all time until then.
    pub(super) fn earlier(wall_ms: u64) -> Self {
        Self { wall_ms, ..Self::default() }
    }

    /// Up to when all time was counted: what a state has.
    pub(super) fn counted_ms(&self) -> u64 {
        self.wall_ms.saturating_sub(self.watched_ms)
    }

    pub(super) fn wall_ms(&self) -> u64 {
        self.wall_ms
    }

    /// The minute of the last look.
    pub(super) fn minute(&self) -> u32 {
        minute(self.wall_ms)
    }

    /// Looks at both; gives the minutes that wall time jumped.
    #[must_use]
    pub(super) fn look(&mut self, wall_ms: u64, steady_ms: u64) -> Option<i64> {
        let before = *self;
        let passed_ms = before.steady_ms.map(|before| steady_ms.saturating_sub(before));
        self.wall_ms = wall_ms;
        self.steady_ms = Some(steady_ms);
        if before.wall_ms == 0 {
            return None;
        }
        self.watched_ms += match passed_ms {
            Some(passed_ms) => passed_ms.min(WATCHED_MAX_MS),
            None => wall_ms.saturating_sub(before.wall_ms).min(millis(EVALUATE_EVERY)),
        };
        let expected_ms = before.wall_ms.saturating_add(passed_ms.unwrap_or(0));
        // Without steady time, wall time that went on is taken for time.
        let is_jump = wall_ms.saturating_add(JUMP_MS) <= expected_ms
            || (passed_ms.is_some() && wall_ms >= expected_ms.saturating_add(JUMP_MS));
        is_jump.then(|| i64::from(minute(wall_ms)) - i64::from(minute(expected_ms)))
    }

    /// The time watched since this was last asked.
    pub(super) fn take_watched(&mut self) -> u64 {
        std::mem::take(&mut self.watched_ms)
    }
}

/// The minute of an instant.
pub(crate) fn minute(ms: u64) -> u32 {
    u32::try_from(ms / 60_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 1_800_000_000_000;

    #[test]
    fn a_jump_is_what_the_two_clocks_do_not_share() {
        for (name, first, steady, wall, want) in [
            ("ten seconds go by", Some(5), 10_005, T0 + 10_000, None),
            ("an hour goes by", Some(5), 3_600_005, T0 + 3_600_000, None),
            ("set a little", Some(5), 10_005, T0 + 69_000, None),
            ("an hour ahead", Some(5), 10_005, T0 + 3_610_000, Some(60)),
            ("an hour back", Some(5), 10_005, T0 - 3_590_000, Some(-60)),
            ("another run, an hour later", None, 5, T0 + 3_600_000, None),
            ("another run, an hour earlier", None, 5, T0 - 3_600_000, Some(-60)),
        ] {
            let mut clock = Clock { wall_ms: T0, steady_ms: first, watched_ms: 0 };
            assert_eq!(clock.look(wall, steady), want, "{name}");
        }
        assert_eq!(Clock::default().look(T0, 5), None, "the first look");
    }

    #[test]
    fn time_that_nobody_watched_counts_as_one_evaluation_at_most() {
        for (name, wall, want) in [
            ("at once", T0, 0),
            ("soon", T0 + 3_000, 3_000),
            ("an hour later", T0 + 3_600_000, 10_000),
            ("earlier", T0 - 5_000, 0),
        ] {
            let mut clock = Clock::earlier(T0);
            let _ = clock.look(wall, 7);
            assert_eq!(clock.take_watched(), want, "another run, {name}");
            let _ = clock.look(wall + 4_000, 4_007);
            assert_eq!(clock.counted_ms(), wall, "{name}: four seconds are not counted yet");
            assert_eq!(clock.take_watched(), 4_000, "{name}");
            let _ = clock.look(wall + 999_999, 1_000_006);
            assert_eq!(clock.take_watched(), 60_000, "{name}: stopped");
        }
        let mut first = Clock::default();
        let _ = first.look(T0, 7);
        assert_eq!(first.take_watched(), 0, "the first run");
    }
}
