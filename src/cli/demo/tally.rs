//! Figures from the records themselves: since the start, and over the last seconds.
//!
//! Memory is bounded: a second is a handful of histograms, and [`HISTORY`] seconds are kept. Pure:
//! records and time come in. Not here: reading the journal (`mod`), showing it (`view`, `summary`).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::super::number::share;
use crate::query::Group;
use crate::record::{AccessRecord, Reason, Stream};

/// Seconds whose rate and latency are kept for the sparklines.
pub(super) const HISTORY: usize = 60;
/// Seconds that "now" means: enough requests for percentiles that do not jump.
const WINDOW: usize = 10;

/// A service, or one endpoint of it, as records name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) service: String,
    /// The endpoint; `None` for the service as a whole.
    pub(super) endpoint: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) all: Group,
    pub(super) places: Vec<Group>,
    /// How often each reason ended one, by its number.
    reasons: BTreeMap<u8, u64>,
    /// Requests that needed more than one attempt.
    pub(super) retried: u64,
    pub(super) span: Duration,
}

impl Figures {
    fn new(places: usize) -> Self {
        Self {
            all: Group::default(),
            places: vec![Group::default(); places],
            reasons: BTreeMap::new(),
            retried: 0,
            span: Duration::ZERO,
        }
    }

    fn add(&mut self, record: &AccessRecord<'_>, places: &[Place]) {
        self.all.add(record);
        if record.attempts.is_some_and(|attempts| attempts.0 > 1) {
            self.retried += 1;
        }
        if let Some(reason) = record.reason {
            *self.reasons.entry(reason.to_u8()).or_default() += 1;
        }
        let Some(service) = record.service else { return };
        for (place, group) in places.iter().zip(&mut self.places) {
            let is_here = place.endpoint.as_ref().is_none_or(|endpoint| {
                record.endpoint.is_some_and(|named| named.0 == endpoint.as_bytes())
            });
            if is_here && place.service.as_bytes() == service.0 {
                group.add(record);
            }
        }
    }

    /// Adds what others have counted.
    fn merge(&mut self, other: &Self) {
        self.all.merge(&other.all);
        for (own, others) in self.places.iter_mut().zip(&other.places) {
            own.merge(others);
        }
        for (reason, count) in &other.reasons {
            *self.reasons.entry(*reason).or_default() += count;
        }
        self.retried += other.retried;
        self.span += other.span;
    }

    /// Requests a second.
    pub(super) fn rate(&self) -> f64 {
        if self.span.is_zero() {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate is shown with three digits")]
        let requests = self.all.requests as f64;
        requests / self.span.as_secs_f64()
    }

    /// Each place with its figures and its share: a service of all requests, an endpoint of those of
    /// its service, which stands before it.
    pub(super) fn rows<'f>(
        &'f self,
        places: &'f [Place],
    ) -> impl Iterator<Item = (&'f Place, &'f Group, Option<f64>)> {
        let mut service = 0;
        places.iter().zip(&self.places).map(move |(place, group)| {
            let whole = if place.endpoint.is_some() { service } else { self.all.requests };
            if place.endpoint.is_none() {
                service = group.requests;
            }
            (place, group, share(group.requests, whole))
        })
    }

    /// Reasons with their counts, most frequent first.
    pub(super) fn reasons(&self) -> Vec<(Reason, u64)> {
        let known = self.reasons.iter();
        let mut reasons: Vec<_> =
            known.filter_map(|(number, count)| Some((Reason::from_u8(*number)?, *count))).collect();
        reasons.sort_by_key(|&(reason, count)| (std::cmp::Reverse(count), reason.to_u8()));
        reasons
    }
}

/// One second of a sparkline.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Requests a second.
    pub(super) rate: f64,
    /// 95 of 100 were not slower, in microseconds; `None` without requests.
    pub(super) p95_us: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Tally {
    pub(super) places: Vec<Place>,
    /// Since the start.
    pub(super) total: Figures,
    /// This second, not closed yet.
    current: Figures,
    /// The last seconds, newest last.
    window: VecDeque<Figures>,
    /// The last moments, newest last.
    pub(super) history: VecDeque<Moment>,
    /// Records of connections without a request.
    pub(super) connections: u64,
    pub(super) gaps: u64,
    /// Records that add up others.
    pub(super) rollups: u64,
    /// Records of heartbeats and samples.
    pub(super) vitals: u64,
    /// Records that could not be decoded.
    pub(super) unreadable: u64,
}

impl Tally {
    /// Nothing yet.
    pub(super) fn new(places: Vec<Place>) -> Self {
        let figures = Figures::new(places.len());
        Self {
            places,
            total: figures.clone(),
            current: figures,
            window: VecDeque::new(),
            history: VecDeque::new(),
            connections: 0,
            gaps: 0,
            rollups: 0,
            vitals: 0,
            unreadable: 0,
        }
    }

    pub(super) fn add(&mut self, stream: u8, payload: &[u8]) {
        match (Stream::from_u8(stream), AccessRecord::decode(payload)) {
            (Some(Stream::Access), Ok(record)) => self.current.add(&record, &self.places),
            (Some(Stream::Connection), _) => self.connections += 1,
            (Some(Stream::Gap), _) => self.gaps += 1,
            (Some(Stream::Rollup), _) => self.rollups += 1,
            (Some(Stream::Heartbeat | Stream::Process | Stream::Slo), _) => self.vitals += 1,
            _ => self.unreadable += 1,
        }
    }

    /// Closes a second that lasted `span`.
    pub(super) fn close_second(&mut self, span: Duration) {
        let fresh = Figures::new(self.places.len());
        let mut second = std::mem::replace(&mut self.current, fresh);
        second.span = span;
        self.total.merge(&second);
        push(
            &mut self.history,
            Moment { rate: second.rate(), p95_us: second.all.duration_us(0.95) },
            HISTORY,
        );
        push(&mut self.window, second, WINDOW);
    }

    /// The last seconds together.
    pub(super) fn recent(&self) -> Figures {
        let mut recent = Figures::new(self.places.len());
        self.window.iter().for_each(|second| recent.merge(second));
        recent
    }
}

/// Appends; the oldest goes when there are more than `most`.
fn push<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() >= most {
        queue.pop_front();
    }
    queue.push_back(item);
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::super::number::percent;
    use super::*;
    use crate::record::{Count, EcsNanos, Flag, Outcome, Status, Text};

    /// The places of a service with two endpoints.
    pub(in super::super) fn places() -> Vec<Place> {
        [None, Some("a:1"), Some("b:2")]
            .map(|endpoint| Place {
                service: "shop".to_owned(),
                endpoint: endpoint.map(str::to_owned),
            })
            .to_vec()
    }

    /// A request as the journal has it.
    pub(in super::super) fn request(
        endpoint: Option<&str>,
        status: u16,
        duration_us: u64,
        reason: Reason,
    ) -> Vec<u8> {
        let record = AccessRecord {
            service: endpoint.map(|_| Text(b"shop")),
            endpoint: endpoint.map(|endpoint| Text(endpoint.as_bytes())),
            status: Some(Status(status)),
            duration: Some(EcsNanos(duration_us)),
            reason: Some(reason),
            outcome: Some(Outcome::of(Some(status), reason)),
            attempts: Some(Count(1 + u64::from(status == 502))),
            reused: endpoint.map(|_| Flag(true)),
            ..AccessRecord::default()
        };
        let mut payload = vec![0; 512];
        let used = record.encode(&mut payload).unwrap();
        payload.truncate(used);
        payload
    }

    #[test]
    fn requests_are_counted_once_for_each_place_they_belong_to() {
        let mut tally = Tally::new(places());
        for payload in [
            request(Some("a:1"), 200, 1_000, Reason::Complete),
            request(Some("b:2"), 502, 9_000, Reason::UpstreamClosed),
            request(Some("gone:3"), 200, 1_000, Reason::Complete),
            request(None, 404, 50, Reason::NoRoute),
        ] {
            tally.add(Stream::Access as u8, &payload);
        }
        tally.add(Stream::Connection as u8, &[]);
        tally.add(Stream::Gap as u8, &[]);
        tally.add(Stream::Rollup as u8, &[]);
        tally.add(Stream::Heartbeat as u8, &[]);
        tally.add(Stream::Process as u8, &[]);
        tally.add(Stream::Slo as u8, &[]);
        tally.add(Stream::Access as u8, &[1]);
        tally.add(99, &[]);
        assert_eq!(tally.total.all.requests, 0, "the second is not closed yet");
        tally.close_second(Duration::from_secs(2));
        let requests: Vec<_> = tally.total.places.iter().map(|group| group.requests).collect();
        assert_eq!(requests, [3, 1, 1]);
        assert_eq!(tally.total.all.requests, 4);
        let rows = tally.total.rows(&tally.places);
        let shares: Vec<_> = rows.map(|(_, _, share)| percent(share)).collect();
        assert_eq!(shares, ["75.0 %", "33.3 %", "33.3 %"]);
        assert_eq!((tally.total.retried, tally.total.rate().round()), (1, 2.0_f64.round()));
        assert_eq!(
            tally.total.reasons(),
            [(Reason::Complete, 2), (Reason::NoRoute, 1), (Reason::UpstreamClosed, 1)]
        );
        assert_eq!((tally.connections, tally.gaps, tally.unreadable), (1, 1, 2));
        assert_eq!(tally.rollups, 1);
        assert_eq!(tally.vitals, 3);
    }

    #[test]
    fn recent_forgets_and_total_does_not() {
        let mut tally = Tally::new(places());
        for _ in 0..HISTORY + 5 {
            tally.add(Stream::Access as u8, &request(Some("a:1"), 200, 700, Reason::Complete));
            tally.close_second(Duration::from_secs(1));
        }
        assert_eq!(tally.total.all.requests, HISTORY as u64 + 5);
        assert_eq!(tally.recent().all.requests, WINDOW as u64);
        assert_eq!(tally.recent().span, Duration::from_secs(WINDOW as u64));
        assert_eq!(tally.history.len(), HISTORY);
    }
}
