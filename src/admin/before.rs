//! The period before the one that is shown: as long, directly before it, so that figures can be compared.
//!
//! Only whole windows count, those that began after this process did and are still kept, so that a
//! short history never looks like less traffic; `is_whole` says whether they fill the period. Absent
//! when there is no such window. Not here: words and colours (the page), what is worse (`slo`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::summary::{self, Place, Span};
use super::verdict::changes;
use crate::rollup::{Past, Totals};
use crate::slo::{ServiceTargets, Targets};

/// Where a period begins and ends, and how much of it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Period {
    /// Start of the first window that counts.
    since_ms: u64,
    /// Start of the period that is shown.
    until_ms: u64,
    /// Whether nothing of it is missing.
    is_whole: bool,
}

/// Figures of the period before.
#[derive(Debug)]
pub(super) struct Before {
    period: Period,
    /// Totals by service and endpoint.
    places: BTreeMap<Place, Totals>,
}

/// Since when windows are needed for a span and the period before it.
pub(super) const fn since_ms(span: Span) -> u64 {
    span.since_ms().saturating_sub(span.length_ms)
}

impl Before {
    /// The period before a span. What ended before `known_ms` is not known.
    pub(super) fn new(past: &Past, span: Span, known_ms: u64) -> Option<Self> {
        let mut windows = past.windows.iter().map(AsRef::as_ref).chain(past.open.iter());
        let window_ms = windows.next()?.span.length_ms.max(1);
        let period = period(span, window_ms, known_ms.max(past.forgotten_ms))?;
        let is_in = |start_ms| (period.since_ms..period.until_ms).contains(&start_ms);
        let windows = past.windows.iter().map(AsRef::as_ref).chain(past.open.iter());
        let windows = windows.filter(|window| is_in(window.span.start_ms));
        Some(Self { period, places: summary::by_place(windows) })
    }

    /// When it was, and its figures as a whole, beside those of now.
    pub(super) fn overall(&self, now: &Totals, targets: Targets) -> Value {
        let Period { since_ms, until_ms, is_whole } = self.period;
        let mut map = self.figures(|_| true, now, targets);
        map.insert("since_ms".to_owned(), since_ms.into());
        map.insert("until_ms".to_owned(), until_ms.into());
        map.insert("is_whole".to_owned(), is_whole.into());
        map.into()
    }

    /// Figures of a service, or of one of its endpoints, beside those of now.
    pub(super) fn of(
        &self,
        (service, endpoint): (Option<&str>, Option<&str>),
        now: &Totals,
        targets: &ServiceTargets,
    ) -> Value {
        let is_it = |place: &Place| {
            place.0.as_deref() == service && (endpoint.is_none() || place.1.as_deref() == endpoint)
        };
        self.figures(is_it, now, targets.of(service)).into()
    }

    /// Figures of some places together: what is compared, and how serious it is that something became
    /// worse.
    fn figures(
        &self,
        is_wanted: impl Fn(&Place) -> bool,
        now: &Totals,
        targets: Targets,
    ) -> Map<String, Value> {
        let mut totals = Totals::default();
        let places = self.places.iter().filter(|(place, _)| is_wanted(place));
        places.for_each(|(_, some)| totals.merge(some));
        let mut all = summary::figures(&totals);
        let names = ["requests", "success", "failure", "duration", "response_bytes"];
        let mut map: Map<_, _> =
            names.iter().filter_map(|&name| Some((name.to_owned(), all.remove(name)?))).collect();
        map.insert("seconds".to_owned(), json!(self.seconds()));
        map.insert("levels".to_owned(), changes(now, &totals, targets).json());
        map
    }

    fn seconds(&self) -> u64 {
        (self.period.until_ms - self.period.since_ms) / 1_000
    }
}

/// The period that ends where the first window of a span begins.
fn period(span: Span, window_ms: u64, known_ms: u64) -> Option<Period> {
    let until_ms = start_ms(span, window_ms);
    let length_ms = (span.length_ms / window_ms).max(1) * window_ms;
    let whole_ms = until_ms.saturating_sub(length_ms);
    let since_ms = whole_ms.max(known_ms.next_multiple_of(window_ms));
    (since_ms < until_ms).then_some(Period { since_ms, until_ms, is_whole: since_ms == whole_ms })
}

/// Start of the first window that touches a span.
const fn start_ms(span: Span, window_ms: u64) -> u64 {
    span.since_ms() - span.since_ms() % window_ms
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::record::{AccessRecord, EcsNanos, Outcome, Text, TimestampMs};
    use crate::rollup::{Core, Rules};

    /// Minutes since 1970 in milliseconds.
    const fn minute(number: u64) -> u64 {
        number * 60_000
    }

    /// Requests of one endpoint in some minutes: (minute, how many, how many of them failed, how long).
    fn past(minutes: &[(u64, u64, u64, u64)]) -> Past {
        let mut core = Core::new(Rules { window_ms: 60_000, grace_ms: 2_000 });
        let mut seq = 0;
        for &(number, count, failed, duration_us) in minutes {
            for index in 0..count {
                seq += 1;
                let outcome = if index < failed { Outcome::Failure } else { Outcome::Success };
                let record = AccessRecord {
                    timestamp: Some(TimestampMs(minute(number) + 1_000)),
                    service: Some(Text(b"shop")),
                    endpoint: Some(Text(b"10.0.0.1:80")),
                    outcome: Some(outcome),
                    duration: Some(EcsNanos(duration_us)),
                    ..AccessRecord::default()
                };
                core.observe((1, 1, 0), seq, &record, minute(number) + 1_000);
            }
        }
        let windows = core.close_all().into_iter().map(Arc::new).collect();
        Past {
            windows,
            open: Arc::default(),
            open_ms: 0,
            slots: Vec::new(),
            forgotten_ms: 0,
            earlier_ms: None,
        }
    }

    /// The last five minutes, asked for in the middle of minute 100.
    const SPAN: Span = Span { length_ms: 5 * 60_000, now_ms: minute(100) + 30_000 };

    /// Goal: the period is as long, touches the shown one, and claims nothing that is not known.
    /// Method: periods of a clock that is given.
    #[test]
    fn a_period_is_directly_before_and_as_long_as_what_is_known_of_it() {
        let p = |since, until, is_whole| {
            Some(Period { since_ms: minute(since), until_ms: minute(until), is_whole })
        };
        for (name, known_ms, want) in [
            ("all is known", 0, p(90, 95, true)),
            ("just all", minute(90), p(90, 95, true)),
            ("began within a window: that one is not whole", minute(90) + 1, p(91, 95, false)),
            ("two minutes", minute(93), p(93, 95, false)),
            ("nothing but the shown one", minute(94) + 1, None),
            ("not even that", minute(100), None),
        ] {
            assert_eq!(period(SPAN, 60_000, known_ms), want, "{name}");
        }
        let hours = Span { length_ms: 6 * 60 * 60_000, now_ms: 1_000 };
        assert_eq!(period(hours, 60_000, 0), None, "nothing is before 1970");
    }

    /// Goal: figures of the period before are sums of exactly its windows. Method: requests of known
    /// numbers in minutes of both periods and before them.
    #[test]
    fn figures_are_those_of_its_windows_and_of_no_others() {
        let past = past(&[(89, 50, 50, 1), (90, 10, 1, 8_000), (94, 20, 2, 8_000), (95, 70, 0, 2)]);
        let before = Before::new(&past, SPAN, 0).unwrap();
        let all = before.overall(&Totals::default(), Targets::DEFAULT);
        for (name, want) in [
            ("requests", json!(30)),
            ("failure", json!(3)),
            ("success", json!(27)),
            ("seconds", json!(300)),
            ("since_ms", json!(minute(90))),
            ("until_ms", json!(minute(95))),
            ("is_whole", json!(true)),
        ] {
            assert_eq!(all[name], want, "{name}");
        }
        let p99 = all["duration"]["p99_us"].as_u64().unwrap();
        assert!(p99.abs_diff(8_000) <= 40, "{p99}");
        let targets = ServiceTargets::DEFAULT;
        for (name, service, endpoint, want) in [
            ("the service", Some("shop"), None, 30),
            ("its endpoint", Some("shop"), Some("10.0.0.1:80"), 30),
            ("another endpoint", Some("shop"), Some("10.0.0.2:80"), 0),
            ("another service", Some("api"), None, 0),
        ] {
            assert_eq!(
                before.of((service, endpoint), &Totals::default(), &targets)["requests"],
                want,
                "{name}"
            );
        }
        assert!(Before::new(&past, SPAN, minute(99)).is_none(), "not known");
        let forgotten = Past { forgotten_ms: minute(94), ..past };
        let shorter = Before::new(&forgotten, SPAN, 0).unwrap();
        let shorter = shorter.overall(&Totals::default(), Targets::DEFAULT);
        assert_eq!((&shorter["requests"], &shorter["is_whole"]), (&json!(20), &json!(false)));
        assert_eq!(shorter["seconds"], 60, "rates are over what is known");
    }
}
