//! What is known of a name, and what an answer changes. Pure: time comes in.
//!
//! ```text
//!            other addresses               no address, for EMPTY_KEPT
//! endpoints ────────────────► endpoints   endpoints ────────────────────► none
//!     │ failed │ no address: they stay
//! ```
//! Not here: asking (`discovery`).

use std::time::{Duration, Instant};

use crate::config::Endpoint;
use crate::names::{LookupFailure, TTL_MAX, TTL_MIN};
use crate::web::backoff;

/// How long the endpoints of before stay when a name has no address any more: a zone that is made anew is
/// empty for a moment, and what is really gone refuses connections anyway.
pub(super) const EMPTY_KEPT: Duration = Duration::from_secs(30);
/// First and longest time until a name is asked again that gave nothing.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// What was kept is no longer kept this long after its time.
const AFTER: Duration = Duration::from_millis(20);

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct KnownName {
    endpoints: Vec<Endpoint>,
    /// Since when answers have no address.
    empty_since: Option<Instant>,
    /// Answers in a row that gave nothing.
    misses: u32,
    /// The last look-up failed.
    is_failed: bool,
}

/// What an answer says that was not known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NameNews {
    /// What was known already.
    Nothing,
    /// Other endpoints.
    Endpoints,
    /// No address; the endpoints stay.
    Empty { is_first: bool },
    /// No address for so long that the endpoints are gone.
    Gone,
    /// No answer; the endpoints stay.
    Failed { failure: LookupFailure, is_first: bool },
}

impl KnownName {
    pub(super) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Whether the last answer gave nothing.
    pub(super) const fn is_stale(&self) -> bool {
        self.misses > 0
    }

    /// Takes an answer, with the time until which it counts; gives when to ask again.
    pub(super) fn take(
        &mut self,
        answer: Result<(Vec<Endpoint>, Instant), LookupFailure>,
        now: Instant,
    ) -> (NameNews, Instant) {
        let failure = match answer {
            Ok((endpoints, until)) => {
                let again = (until + AFTER).clamp(now + TTL_MIN, now + TTL_MAX);
                (self.empty_since, self.misses, self.is_failed) = (None, 0, false);
                if endpoints == self.endpoints {
                    return (NameNews::Nothing, again);
                }
                self.endpoints = endpoints;
                return (NameNews::Endpoints, again);
            }
            Err(failure) => failure,
        };
        let again = now + backoff(AGAIN, self.misses).max(TTL_MIN);
        self.misses = self.misses.saturating_add(1);
        if failure != LookupFailure::NotFound {
            let is_first = !std::mem::replace(&mut self.is_failed, true);
            return (NameNews::Failed { failure, is_first }, again);
        }
        self.is_failed = false;
        let is_first = self.empty_since.is_none();
        let since = *self.empty_since.get_or_insert(now);
        if !self.endpoints.is_empty() && now.saturating_duration_since(since) >= EMPTY_KEPT {
            self.endpoints = Vec::new();
            return (NameNews::Gone, again);
        }
        (NameNews::Empty { is_first }, again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_ANSWER: fn() -> LookupFailure = || LookupFailure::Failed("no answer".into());

    fn endpoint(number: u8) -> Endpoint {
        Endpoint { address: format!("10.0.0.{number}"), port: 80, weight: 1 }
    }

    /// Goal: who stays, for how long, and what is told. Method: answers at seconds, one after the other.
    #[test]
    fn endpoints_stay_when_a_look_up_fails_and_for_a_while_when_it_finds_nothing() {
        let begin = Instant::now();
        let mut known = KnownName::default();
        let found = |numbers: &[u8]| Ok(numbers.iter().copied().map(endpoint).collect::<Vec<_>>());
        let failed = |is_first| NameNews::Failed { failure: NO_ANSWER(), is_first };
        for (name, second, answer, want, count) in [
            (
                "nobody knows it at the start",
                0,
                Err(LookupFailure::NotFound),
                NameNews::Empty { is_first: true },
                0,
            ),
            ("still", 40, Err(LookupFailure::NotFound), NameNews::Empty { is_first: false }, 0),
            ("two", 50, found(&[1, 2]), NameNews::Endpoints, 2),
            ("the same", 55, found(&[1, 2]), NameNews::Nothing, 2),
            ("no answer", 60, Err(NO_ANSWER()), failed(true), 2),
            ("no answer for long", 6_000, Err(NO_ANSWER()), failed(false), 2),
            ("one left", 6_001, found(&[2]), NameNews::Endpoints, 1),
            ("none", 6_002, Err(LookupFailure::NotFound), NameNews::Empty { is_first: true }, 1),
            ("no answer, which is no proof", 6_040, Err(NO_ANSWER()), failed(true), 1),
            ("none, for long", 6_041, Err(LookupFailure::NotFound), NameNews::Gone, 0),
            (
                "still none",
                6_042,
                Err(LookupFailure::NotFound),
                NameNews::Empty { is_first: false },
                0,
            ),
            ("back", 6_050, found(&[2]), NameNews::Endpoints, 1),
            (
                "none again",
                6_051,
                Err(LookupFailure::NotFound),
                NameNews::Empty { is_first: true },
                1,
            ),
        ] {
            let now = begin + Duration::from_secs(second);
            let answer = answer.map(|endpoints| (endpoints, now));
            let is_good = answer.is_ok();
            let (news, _) = known.take(answer, now);
            assert_eq!((news, known.endpoints().len()), (want, count), "{name}");
            assert_eq!(known.is_stale(), !is_good, "{name}");
        }
    }

    #[test]
    fn a_name_is_asked_again_within_bounds() {
        let now = Instant::now();
        let mut known = KnownName::default();
        for (name, ttl_ms, least_ms, most_ms) in [
            ("none", 0, 1_000, 1_000),
            ("5 s", 5_000, 5_001, 5_100),
            ("a day", 86_400_000, 60_000, 60_000),
        ] {
            let until = now + Duration::from_millis(ttl_ms);
            let (_, again) = known.take(Ok((vec![endpoint(1)], until)), now);
            let wait_ms = again.saturating_duration_since(now).as_millis();
            assert!((least_ms..=most_ms).contains(&wait_ms), "{name}: {wait_ms} ms");
        }
        for miss in 0..100 {
            let (_, again) = known.take(Err(NO_ANSWER()), now);
            let wait = again.saturating_duration_since(now);
            assert!((TTL_MIN..=AGAIN.1).contains(&wait), "{miss}: {wait:?}");
        }
    }
}
