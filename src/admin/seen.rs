//! How much of a span of time was seen: what rates divide by. A window may begin before this process
//! did, and before it there was nobody to count.
//!
//! Pure. Not here: counts (`summary`); rates over the last looks, which begin with the first (`live`).

use crate::rollup::Past;

/// Rates over less than this say nothing.
const SHORTEST_MS: u64 = 1_000;

/// When somebody counted, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    start_ms: u64,
    /// When an earlier one counted what is in the windows that are kept: from, to.
    earlier: (u64, u64),
    /// When the counts were taken.
    until_ms: u64,
}

impl Seen {
    /// What `past` was counted from, by a process that started then.
    pub(super) fn of(past: &Past, start_ms: u64) -> Self {
        let (from_ms, to_ms) = past.earlier_ms.unwrap_or_default();
        Self { start_ms, earlier: (from_ms, to_ms.min(start_ms)), until_ms: past.open_ms }
    }

    /// Seconds of a span that were seen, at least one.
    #[expect(clippy::cast_precision_loss, reason = "spans are short")]
    pub(super) fn seconds(self, from_ms: u64, to_ms: u64) -> f64 {
        let to_ms = to_ms.min(self.until_ms);
        let overlap = |since_ms: u64, until_ms: u64| {
            to_ms.min(until_ms).saturating_sub(from_ms.max(since_ms))
        };
        let seen_ms = overlap(self.start_ms, u64::MAX) + overlap(self.earlier.0, self.earlier.1);
        seen_ms.max(SHORTEST_MS) as f64 / 1_000.0
    }

    /// The same without what an earlier process saw: charts of slots have only what this one counted.
    pub(super) fn by_this_process(self) -> Self {
        Self { earlier: (0, 0), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Second of the clock, in milliseconds.
    const fn at(second: u64) -> u64 {
        second * 1_000
    }

    #[test]
    fn only_time_that_somebody_counted_is_divided_by() {
        // Started, an earlier one, counted until; the span; its seconds.
        for (name, start, earlier, until, span, want) in [
            ("all of it", 0, (0, 0), 900, (300, 600), 300.0),
            ("started in its middle", 340, (0, 0), 360, (300, 600), 20.0),
            ("started long after it began", 590, (0, 0), 600, (0, 600), 10.0),
            ("goes on", 0, (0, 0), 345, (300, 360), 45.0),
            ("before the start", 700, (0, 0), 900, (300, 600), 1.0),
            ("has just started", 600, (0, 0), 600, (540, 660), 1.0),
            ("killed and started again", 330, (300, 320), 350, (300, 360), 40.0),
            ("an earlier one began within it", 330, (310, 320), 350, (300, 360), 30.0),
            ("an earlier one hours ago", 9_000, (60, 120), 9_010, (8_700, 9_060), 10.0),
            ("an earlier one's clock was ahead", 330, (300, 400), 350, (300, 360), 50.0),
            ("the period before", 60, (0, 0), 900, (300, 600), 300.0),
            ("the period before, known in part", 480, (0, 0), 900, (300, 600), 120.0),
        ] {
            let past = Past {
                windows: Vec::new(),
                open: std::sync::Arc::default(),
                open_ms: at(until),
                slots: Vec::new(),
                forgotten_ms: 0,
                earlier_ms: Some((at(earlier.0), at(earlier.1))).filter(|_| earlier != (0, 0)),
            };
            let seconds = Seen::of(&past, at(start)).seconds(at(span.0), at(span.1));
            assert!((seconds - want).abs() < 1e-9, "{name}: {seconds} instead of {want}");
        }
    }
}
