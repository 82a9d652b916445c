//! What is promised to users, and from where on a figure says that it is not kept. The one place with
//! levels: page, `top`, demo and boards have theirs from here.
//!
//! What may fail is the budget: 0.1 % where 99.9 % is promised. More than the budget is amber: the
//! objective will be missed if it goes on. 14.4 times as much is red: users are hurt now, as a page
//! of the workbook's fastest window would say. Not here: objectives as they are configured (`objective`),
//! which of them are targets (`file::targets`), sentences (`verdict`).

use super::TargetShare;

/// So many times the budget hurts users now: an hour of it spends 2 % of the budget of 30 days. In tenths.
const FAST_BURN: u32 = 144;
/// Fewer requests than this prove little: they count one level less.
const FEW: u64 = 3;
/// All of something, in parts of a million.
const ALL_PPM: u32 = 1_000_000;

/// How serious something is, least first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// As promised.
    Ok,
    /// Nobody knows.
    #[default]
    Unknown,
    /// For information.
    Note,
    /// Will hurt users; or less is known than happened.
    Warn,
    /// Users are hurt now.
    Hurt,
}

impl Level {
    /// All, least first.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Unknown, Self::Note, Self::Warn, Self::Hurt];

    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Hurt => "hurt",
        }
    }

    /// From its word; unknown for any other.
    pub fn of_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|level| level.as_str() == word).unwrap_or_default()
    }

    /// A shape that says it without a colour.
    pub const fn mark(self) -> char {
        match self {
            Self::Ok => '✓',
            Self::Unknown => '○',
            Self::Note => 'i',
            Self::Warn => '▲',
            Self::Hurt => '■',
        }
    }
}

/// What figures are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Targets {
    /// Requests that are served, of those whose outcome is known.
    pub served: TargetShare,
    /// What is fast enough, in microseconds.
    pub fast_us: u64,
    /// Requests that are fast enough.
    pub fast: TargetShare,
}

impl Targets {
    /// What is promised where nothing is configured: 99.9 % served, 99 % within 300 ms.
    pub const DEFAULT: Self =
        Self { served: TargetShare::SERVED, fast_us: 300_000, fast: TargetShare::FAST };

    /// How serious it is that `bad` of `all` requests failed.
    pub fn failing(&self, bad: u64, all: u64) -> Level {
        self.served.level(bad, all)
    }

    /// How serious it is that `bad` of `all` requests took longer than is fast enough.
    pub fn slow(&self, bad: u64, all: u64) -> Level {
        self.fast.level(bad, all)
    }
}

/// What the figures of each service are held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTargets {
    /// Of all requests together, and of each service that has none of its own.
    pub all: Targets,
    /// Of services that have their own.
    pub own: Vec<(String, Targets)>,
}

impl ServiceTargets {
    /// [`Targets::DEFAULT`] for all.
    pub const DEFAULT: Self = Self { all: Targets::DEFAULT, own: Vec::new() };

    /// Those of a service; `None` for all requests together.
    pub fn of(&self, service: Option<&str>) -> Targets {
        let own = self.own.iter().find(|(name, _)| Some(name.as_str()) == service);
        own.map_or(self.all, |(_, targets)| *targets)
    }
}

impl TargetShare {
    /// What may be bad, of a million.
    pub const fn budget_ppm(self) -> u32 {
        ALL_PPM - self.ppm()
    }

    /// More than this of a million hurts users now. Half of all does, however little was promised.
    pub const fn hurt_ppm(self) -> u32 {
        let budget = self.budget_ppm();
        let fast = budget * FAST_BURN / 10;
        let most = if budget > ALL_PPM / 2 { budget } else { ALL_PPM / 2 };
        if fast < most { fast } else { most }
    }

    /// How serious it is that `bad` of `all` are.
    pub fn level(self, bad: u64, all: u64) -> Level {
        let is_missed = is_over(bad, all, self.budget_ppm());
        match (is_over(bad, all, self.hurt_ppm()), is_missed, bad < FEW) {
            _ if all == 0 => Level::Unknown,
            (true, _, false) => Level::Hurt,
            (true, _, true) | (_, true, false) => Level::Warn,
            _ => Level::Ok,
        }
    }
}

/// Whether `bad` of `all` is more than so many of a million.
pub(super) fn is_over(bad: u64, all: u64, ppm: u32) -> bool {
    u128::from(bad) * u128::from(ALL_PPM) > u128::from(all) * u128::from(ppm)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(ppm: u32) -> TargetShare {
        TargetShare::from_ppm(ppm).unwrap()
    }

    #[test]
    fn a_share_of_failures_is_held_against_the_budget() {
        for (name, bad, all, want) in [
            ("nothing was asked", 0, 0, Level::Unknown),
            ("none of some", 0, 5, Level::Ok),
            ("just what may fail", 10, 10_000, Level::Ok),
            ("more than may", 11, 10_000, Level::Warn),
            ("just below the fast burn", 144, 10_000, Level::Warn),
            ("above it", 145, 10_000, Level::Hurt),
            ("everything", 4, 4, Level::Hurt),
            ("two of two are few", 2, 2, Level::Warn),
            ("one of a hundred is few", 1, 100, Level::Ok),
            ("three of a hundred are not", 3, 100, Level::Hurt),
            ("numbers without end", u64::MAX, u64::MAX, Level::Hurt),
        ] {
            assert_eq!(Targets::DEFAULT.failing(bad, all), want, "{name}");
        }
        assert_eq!(Targets::DEFAULT.slow(2, 200), Level::Ok, "1 % may be slow");
        assert_eq!(Targets::DEFAULT.slow(3, 200), Level::Warn);
        assert_eq!(Targets::DEFAULT.slow(29, 200), Level::Hurt);
    }

    #[test]
    fn a_target_of_little_can_be_missed_too() {
        for (name, target_ppm, budget, hurt) in [
            ("the default", 999_000, 1_000, 14_400),
            ("nearly everything", 999_999, 1, 14),
            ("nine of ten", 900_000, 100_000, 500_000),
            ("a third", 333_333, 666_667, 666_667),
            ("hardly anything", 1, 999_999, 999_999),
        ] {
            let target = share(target_ppm);
            assert_eq!((target.budget_ppm(), target.hurt_ppm()), (budget, hurt), "{name}");
        }
    }

    #[test]
    fn a_service_has_its_own_targets_or_those_of_all() {
        let served = |ppm| Targets { served: share(ppm), ..Targets::DEFAULT };
        let own = || vec![("shop".to_owned(), served(990_000))];
        for (name, targets, service, want) in [
            ("nothing configured", ServiceTargets::DEFAULT, Some("shop"), 999_000),
            ("its own", ServiceTargets { all: served(950_000), own: own() }, Some("shop"), 990_000),
            (
                "that of all",
                ServiceTargets { all: served(950_000), own: own() },
                Some("api"),
                950_000,
            ),
            ("no service", ServiceTargets { all: served(950_000), own: own() }, None, 950_000),
        ] {
            assert_eq!(targets.of(service).served.ppm(), want, "{name}");
        }
    }

    #[test]
    fn words_of_levels_read_back() {
        for level in Level::ALL {
            assert_eq!(Level::of_word(level.as_str()), level);
        }
        assert_eq!(Level::of_word("of a newer version"), Level::Unknown);
    }

    proptest! {
        /// Goal: more failures are never less serious, nor is a higher promise. Method: any counts.
        #[test]
        fn levels_rise_with_failures_and_with_what_is_promised(
            all in 1..u64::MAX, bad in any::<u64>(), more in any::<u64>(),
            target in 1..1_000_000_u32, other in 1..1_000_000_u32,
        ) {
            let bad = bad.min(all);
            let worse = bad.saturating_add(more).min(all);
            prop_assert!(share(target).level(bad, all) <= share(target).level(worse, all));
            let (low, high) = (share(target.min(other)), share(target.max(other)));
            prop_assert!(low.level(bad, all) <= high.level(bad, all));
        }
    }
}
