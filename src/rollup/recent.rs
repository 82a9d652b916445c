//! The last quarter of an hour in slots of five seconds, for charts that move.
//!
//! A slot is the difference of the open windows between two looks at them, so that it costs nothing per
//! record. Invariants: slots add up to what was read while they were made; bounded in number and rows.
//! A row that moved to `_other` in between (over 400 rows in a window) shows there, and too little
//! where it was. What an earlier run or a backlog left is in no slot: it did not happen then.
//! Not here: when to look (`reader`), who shows it (`admin`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::totals::{Key, Totals};
use super::{Span, Window};
use crate::base::histogram::Histogram;
use crate::record::Outcome;

/// Length of a slot.
pub const SLOT_MS: u64 = 5_000;
/// Services and endpoints of a slot; the busiest stay.
const ROWS_MAX: usize = 256;
/// Ranks of [`Sum::quantiles_us`], in thousandths.
const RANKS: [u16; 3] = [500, 950, 990];

/// Figures of some exchanges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    /// Exchanges.
    pub requests: u64,
    /// Served.
    pub success: u64,
    /// Not served, by our fault or the endpoint's.
    pub failure: u64,
    /// By class of status; 0 for none.
    pub classes: [u64; 6],
    /// Bytes of requests.
    pub request_bytes: u64,
    /// Bytes of responses.
    pub response_bytes: u64,
    /// Durations.
    pub duration_us: Histogram,
}

impl Sum {
    /// Adds what came to `now` since it was as `before`.
    fn add(&mut self, now: &Totals, before: &Totals) {
        let of = |totals: &Totals, outcome: Outcome| totals.outcomes.of(u16::from(outcome.to_u8()));
        let more = |now: u64, before: u64| now.saturating_sub(before);
        self.requests += more(now.requests, before.requests);
        self.success += more(of(now, Outcome::Success), of(before, Outcome::Success));
        self.failure += more(of(now, Outcome::Failure), of(before, Outcome::Failure));
        for (status, count) in now.statuses.iter() {
            let class = usize::from(status / 100);
            let class = if class < self.classes.len() { class } else { 0 };
            self.classes[class] += more(count, before.statuses.of(status));
        }
        self.request_bytes += more(now.request_bytes, before.request_bytes);
        self.response_bytes += more(now.response_bytes, before.response_bytes);
        self.duration_us.merge(&now.duration_us.since(&before.duration_us));
    }

    /// Adds everything in `totals`.
    pub fn add_all(&mut self, totals: &Totals) {
        self.add(totals, &Totals::default());
    }

    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.success += other.success;
        self.failure += other.failure;
        for (own, other) in self.classes.iter_mut().zip(other.classes) {
            *own += other;
        }
        self.request_bytes += other.request_bytes;
        self.response_bytes += other.response_bytes;
        self.duration_us.merge(&other.duration_us);
    }

    /// p50, p95 and p99; `None` without exchanges.
    pub fn quantiles_us(&self) -> Option<[u64; 3]> {
        self.duration_us.quantiles(RANKS)
    }
}

/// Service and endpoint; neither for everything, no endpoint for a whole service.
type Place = (Option<Arc<str>>, Option<Arc<str>>);

/// One line of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRow {
    /// The service; `None` for everything.
    pub service: Option<Arc<str>>,
    /// The endpoint; `None` for the whole service.
    pub endpoint: Option<Arc<str>>,
    /// Exchanges.
    pub requests: u64,
    /// Served.
    pub success: u64,
    /// Not served.
    pub failure: u64,
    /// By class of status; 0 for none.
    pub classes: [u64; 6],
    /// Bytes of requests.
    pub request_bytes: u64,
    /// Bytes of responses.
    pub response_bytes: u64,
    /// p50, p95 and p99.
    pub quantiles_us: Option<[u64; 3]>,
}

/// What ended within a span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Start, a multiple of [`SLOT_MS`].
    pub start_ms: u64,
    /// Everything first, then services and endpoints.
    pub rows: Vec<SlotRow>,
}

/// Makes slots of looks at the open windows.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// The windows at the last look.
    seen: Arc<Vec<Window>>,
    /// Whether there was a look: the first one is no news.
    has_looked: bool,
    /// Start of the slot that is being filled.
    start_ms: u64,
    sums: BTreeMap<Place, Sum>,
}

impl Recent {
    /// Whether the slot that is being filled is over.
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        now_ms / SLOT_MS != self.start_ms / SLOT_MS
    }

    /// Takes a look. Gives the slot that is over, if one is.
    pub(super) fn look(&mut self, windows: Vec<Window>, now_ms: u64) -> Option<Slot> {
        if std::mem::replace(&mut self.has_looked, true) {
            self.add_news(&windows);
        } else {
            self.start_ms = now_ms - now_ms % SLOT_MS;
        }
        self.seen = Arc::new(windows);
        self.is_due(now_ms).then(|| {
            let sums = std::mem::take(&mut self.sums);
            let slot = Slot { start_ms: self.start_ms, rows: rows(&sums) };
            self.start_ms = now_ms - now_ms % SLOT_MS;
            slot
        })
    }

    /// Forgets windows that are closed; what remains is what the next look is compared with.
    pub(super) fn closed(&mut self, windows: &[Window]) -> Arc<Vec<Window>> {
        if !windows.is_empty() {
            let is_open = |span: Span| windows.iter().all(|closed| closed.span != span);
            Arc::make_mut(&mut self.seen).retain(|window| is_open(window.span));
        }
        Arc::clone(&self.seen)
    }

    /// Adds what came since the last look.
    fn add_news(&mut self, windows: &[Window]) {
        let none = Totals::default();
        for window in windows {
            let before = self.seen.iter().find(|seen| seen.span == window.span);
            let before: BTreeMap<&Key, &Totals> = before
                .map(|seen| seen.rows.iter().map(|(key, totals)| (key, totals)).collect())
                .unwrap_or_default();
            for (key, totals) in &window.rows {
                let before = before.get(key).copied().unwrap_or(&none);
                if totals.requests != before.requests {
                    let [service, _, endpoint] = key.names();
                    let name = |name: &[u8]| Arc::from(String::from_utf8_lossy(name));
                    let place = (service.map(name), endpoint.map(name));
                    self.sums.entry(place).or_default().add(totals, before);
                }
            }
        }
    }
}

/// The rows of a slot.
fn rows(sums: &BTreeMap<Place, Sum>) -> Vec<SlotRow> {
    let (mut all, mut services) = (Sum::default(), BTreeMap::<&Option<Arc<str>>, Sum>::new());
    for ((service, _), sum) in sums {
        all.merge(sum);
        services.entry(service).or_default().merge(sum);
    }
    let services = services.iter().filter(|(service, _)| service.is_some());
    let endpoints = sums.iter().filter(|((_, endpoint), _)| endpoint.is_some());
    let mut rows: Vec<_> = services
        .map(|(service, sum)| row(service.as_ref(), None, sum))
        .chain(
            endpoints
                .map(|((service, endpoint), sum)| row(service.as_ref(), endpoint.as_ref(), sum)),
        )
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.requests));
    rows.truncate(ROWS_MAX);
    rows.insert(0, row(None, None, &all));
    rows
}

fn row(service: Option<&Arc<str>>, endpoint: Option<&Arc<str>>, sum: &Sum) -> SlotRow {
    SlotRow {
        service: service.cloned(),
        endpoint: endpoint.cloned(),
        requests: sum.requests,
        success: sum.success,
        failure: sum.failure,
        classes: sum.classes,
        request_bytes: sum.request_bytes,
        response_bytes: sum.response_bytes,
        quantiles_us: sum.quantiles_us(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Core, Rules};
    use super::*;
    use crate::record::{AccessRecord, EcsNanos, Status, Text, TimestampMs};

    fn record(
        time_ms: u64,
        endpoint: &'static str,
        status: u16,
        duration_us: u64,
    ) -> AccessRecord<'static> {
        AccessRecord {
            timestamp: Some(TimestampMs(time_ms)),
            service: Some(Text(b"shop")),
            endpoint: Some(Text(endpoint.as_bytes())),
            status: Some(Status(status)),
            outcome: Some(if status < 500 { Outcome::Success } else { Outcome::Failure }),
            duration: Some(EcsNanos(duration_us)),
            ..AccessRecord::default()
        }
    }

    /// Goal: slots hold what came between looks, also over the end of a window. Method: a script of
    /// records and looks, each slot against what was put in.
    #[test]
    fn slots_hold_what_came_between_two_looks_and_nothing_twice() {
        let mut core = Core::new(Rules { window_ms: 60_000, grace_ms: 2_000 });
        let mut recent = Recent::default();
        let mut seq = 0;
        let mut put = |core: &mut Core, time_ms, endpoint, status, count: u64| {
            for _ in 0..count {
                seq += 1;
                let record = record(time_ms, endpoint, status, 1_000 * u64::from(status));
                core.observe((1, 1, 0), seq, &record, time_ms);
            }
        };
        put(&mut core, 50_000, "a", 200, 7);
        assert_eq!(recent.look(core.open_windows(), 51_000), None, "a backlog is no news");
        put(&mut core, 53_000, "a", 200, 3);
        put(&mut core, 53_000, "b", 503, 1);
        assert_eq!(recent.look(core.open_windows(), 54_000), None, "the slot goes on");
        let slot = recent.look(core.open_windows(), 55_100).unwrap();
        let of = |slot: &Slot| -> Vec<_> {
            let name = |row: &SlotRow| row.endpoint.clone().or(row.service.clone());
            let rows = slot.rows.iter().map(|row| (name(row), row.requests, row.failure));
            rows.map(|(name, n, failed)| (name.map(|n| n.to_string()), n, failed)).collect()
        };
        let named = |name: &str, n, failed| (Some(name.to_owned()), n, failed);
        assert_eq!(slot.start_ms, 50_000);
        assert_eq!(
            of(&slot),
            [(None, 4, 1), named("shop", 4, 1), named("a", 3, 0), named("b", 1, 1)]
        );
        let [p50, _, p99] = slot.rows[0].quantiles_us.unwrap();
        assert!(p50.abs_diff(200_000) < 1_000 && p99.abs_diff(503_000) < 2_000, "{p50} {p99}");
        // Over the end of the window: the last look comes before it is closed.
        put(&mut core, 59_000, "a", 200, 2);
        put(&mut core, 61_000, "a", 404, 5);
        let slot = recent.look(core.open_windows(), 62_000).unwrap();
        assert_eq!((slot.start_ms, slot.rows[0].requests), (55_000, 7));
        assert_eq!(slot.rows[0].classes, [0, 0, 2, 0, 5, 0]);
        let closed = core.close_due(62_500);
        assert_eq!(recent.closed(&closed).len(), 1);
        let slot = recent.look(core.open_windows(), 65_000).unwrap();
        assert_eq!(slot.rows[0].requests, 0, "nothing came");
    }
}
