//! Totals: what is added up for one service, route and endpoint; and their key.
//!
//! Invariant: adding records one by one, or merging totals in any grouping and order, gives the same.
//! Not here: which records belong together (`table`, `core`).

use crate::base::histogram::Histogram;
use crate::base::names::{push_name, take_name};
use crate::record::{
    AccessRecord, Blame, Bytes, ClassCounts, Count, DecodeError, MethodCounts, Micros,
    OutcomeCounts, Reason, ReasonCounts, RollupRecord, StatusCounts, Text, Times, TimestampMs,
    push_counts,
};

use super::Span;

/// Largest payload of a rollup record.
const PAYLOAD_BYTES_MAX: usize = 60 * 1024;

/// The fields of a record that rollups look at.
pub(super) const FIELDS: u128 = AccessRecord::bits(&[
    "timestamp",
    "duration",
    "method",
    "status",
    "request_body_bytes",
    "request_bytes",
    "response_body_bytes",
    "response_bytes",
    "route",
    "service",
    "endpoint",
    "connect_us",
    "reused",
    "first_byte_us",
    "attempts",
    "attempt_endpoints",
    "attempt_reasons",
    "reason",
    "outcome",
]);

/// Counts by a small number, sorted by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(Vec<(u16, u64)>);

impl Counts {
    /// Adds to one of them.
    fn add(&mut self, key: u16, count: u64) {
        match self.0.binary_search_by_key(&key, |&(key, _)| key) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(count),
            Err(at) => self.0.insert(at, (key, count)),
        }
    }

    fn merge(&mut self, other: &Self) {
        for &(key, count) in &other.0 {
            self.add(key, count);
        }
    }

    /// The count of a key.
    pub fn of(&self, key: u16) -> u64 {
        self.0.binary_search_by_key(&key, |&(key, _)| key).map_or(0, |at| self.0[at].1)
    }

    /// All that are not zero, by rising key.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> {
        self.0.iter().copied()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_counts(self.iter(), &mut bytes);
        bytes
    }
}

/// What is added up. Keys of counts are those of the record's types, such as [`StatusCounts`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests.
    pub requests: u64,
    /// By outcome.
    pub outcomes: Counts,
    /// By status, 0 for none.
    pub statuses: Counts,
    /// By method.
    pub methods: Counts,
    /// By reason for the end.
    pub reasons: Counts,
    /// Bytes of request bodies.
    pub request_body_bytes: u64,
    /// Bytes of requests.
    pub request_bytes: u64,
    /// Bytes of response bodies.
    pub response_body_bytes: u64,
    /// Bytes of responses.
    pub response_bytes: u64,
    /// Attempts.
    pub attempts: u64,
    /// Attempts after the first of a request.
    pub retries: u64,
    /// Upstream connections opened.
    pub connections_opened: u64,
    /// Attempts that failed here, whoever served the request then.
    pub failed_attempts: u64,
    /// Durations.
    pub duration_us: Histogram,
    /// Times to the response head.
    pub first_byte_us: Histogram,
    /// Times to connect.
    pub connect_us: Histogram,
}

/// The endpoints that failed an attempt of a request, once for each; by the last one's reason where there
/// was no other.
pub(super) fn failed_at<'r>(record: &AccessRecord<'r>) -> impl Iterator<Item = &'r [u8]> {
    let is_its_doing = |reason: Reason| reason.blame() == Blame::Endpoint;
    let only = record.endpoint.filter(|_| record.attempt_endpoints.is_none());
    let only = only.filter(|_| record.reason.is_some_and(is_its_doing)).map(|name| name.0);
    let lists = record.attempt_endpoints.zip(record.attempt_reasons);
    let each = lists.into_iter().flat_map(|(names, reasons)| names.items().zip(reasons.items()));
    let failed = each.filter(move |(_, reason)| {
        let reason = std::str::from_utf8(reason).ok().and_then(Reason::from_text);
        reason.is_some_and(is_its_doing)
    });
    only.into_iter().chain(failed.map(|(name, _)| name))
}

impl Totals {
    /// Adds one request, but for its failed attempts, which may be another endpoint's.
    pub fn add(&mut self, record: &AccessRecord<'_>) {
        let bytes = |field: Option<Bytes>| field.map_or(0, |bytes| bytes.0);
        let attempts = record.attempts.map_or(0, |attempts| attempts.0);
        self.requests += 1;
        self.statuses.add(record.status.map_or(0, |status| status.0), 1);
        self.methods.add(record.method.map_or(0, |method| MethodCounts::key(method.0)), 1);
        if let Some(outcome) = record.outcome {
            self.outcomes.add(u16::from(outcome.to_u8()), 1);
        }
        if let Some(reason) = record.reason {
            self.reasons.add(u16::from(reason.to_u8()), 1);
        }
        add(&mut self.request_body_bytes, bytes(record.request_body_bytes));
        add(&mut self.request_bytes, bytes(record.request_bytes));
        add(&mut self.response_body_bytes, bytes(record.response_body_bytes));
        add(&mut self.response_bytes, bytes(record.response_bytes));
        add(&mut self.attempts, attempts);
        add(&mut self.retries, attempts.saturating_sub(1));
        add(&mut self.connections_opened, u64::from(record.reused.is_some_and(|reused| !reused.0)));
        let times = [
            (record.duration.map(|span| span.0), &mut self.duration_us),
            (record.first_byte_us.map(|span| span.0), &mut self.first_byte_us),
            (record.connect_us.map(|span| span.0), &mut self.connect_us),
        ];
        for (span, histogram) in times {
            if let Some(span) = span {
                histogram.add(span);
            }
        }
    }

    /// Adds everything in `other`.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.requests, other.requests);
        self.outcomes.merge(&other.outcomes);
        self.statuses.merge(&other.statuses);
        self.methods.merge(&other.methods);
        self.reasons.merge(&other.reasons);
        add(&mut self.request_body_bytes, other.request_body_bytes);
        add(&mut self.request_bytes, other.request_bytes);
        add(&mut self.response_body_bytes, other.response_body_bytes);
        add(&mut self.response_bytes, other.response_bytes);
        add(&mut self.attempts, other.attempts);
        add(&mut self.retries, other.retries);
        add(&mut self.connections_opened, other.connections_opened);
        add(&mut self.failed_attempts, other.failed_attempts);
        self.duration_us.merge(&other.duration_us);
        self.first_byte_us.merge(&other.first_byte_us);
        self.connect_us.merge(&other.connect_us);
    }

    /// By class of status: see [`ClassCounts`].
    pub fn classes(&self) -> Counts {
        let mut classes = Counts::default();
        for (status, count) in self.statuses.iter() {
            classes.add(ClassCounts::key(status), count);
        }
        classes
    }

    /// The record of this key and span. `None` when it is larger than any journal takes: some
    /// thousand different values in each distribution.
    pub(super) fn encode(&self, span: Span, key: &Key) -> Option<Vec<u8>> {
        let counts = [&self.outcomes, &self.statuses, &self.methods, &self.reasons];
        let [outcomes, statuses, methods, reasons] = counts.map(Counts::bytes);
        let classes = self.classes().bytes();
        let [duration, first_byte, connect] =
            [&self.duration_us, &self.first_byte_us, &self.connect_us].map(|histogram| {
                let mut bytes = Vec::new();
                Times::push(histogram, &mut bytes);
                bytes
            });
        let times = |histogram: &Histogram, bytes| (!histogram.is_empty()).then_some(Times(bytes));
        let [service, route, endpoint] = key.names();
        let record = RollupRecord {
            timestamp: Some(TimestampMs(span.start_ms)),
            rollup_window_us: Some(Micros(span.length_ms.saturating_mul(1_000))),
            rollup_part: Some(Count(span.part)),
            service: service.map(Text),
            route: route.map(Text),
            endpoint: endpoint.map(Text),
            rollup_requests: Some(Count(self.requests)),
            rollup_outcomes: Some(OutcomeCounts(&outcomes)),
            rollup_classes: Some(ClassCounts(&classes)),
            rollup_statuses: Some(StatusCounts(&statuses)),
            rollup_methods: Some(MethodCounts(&methods)),
            rollup_reasons: Some(ReasonCounts(&reasons)),
            rollup_request_body_bytes: Some(Bytes(self.request_body_bytes)),
            rollup_request_bytes: Some(Bytes(self.request_bytes)),
            rollup_response_body_bytes: Some(Bytes(self.response_body_bytes)),
            rollup_response_bytes: Some(Bytes(self.response_bytes)),
            rollup_attempts: Some(Count(self.attempts)),
            rollup_retries: Some(Count(self.retries)),
            rollup_connections_opened: Some(Count(self.connections_opened)),
            rollup_duration: times(&self.duration_us, &duration),
            rollup_first_byte: times(&self.first_byte_us, &first_byte),
            rollup_connect: times(&self.connect_us, &connect),
            rollup_failed_attempts: Some(Count(self.failed_attempts)),
        };
        let mut payload = vec![0; PAYLOAD_BYTES_MAX];
        let used = record.encode(&mut payload)?;
        payload.truncate(used);
        payload.shrink_to_fit();
        Some(payload)
    }

    /// What [`Totals::encode`] wrote.
    ///
    /// # Errors
    /// When the payload is none of it.
    pub(super) fn decode(payload: &[u8]) -> Result<(Span, Key, Self), DecodeError> {
        let record = RollupRecord::decode(payload)?;
        let count = |field: Option<Count>| field.map_or(0, |count| count.0);
        let bytes = |field: Option<Bytes>| field.map_or(0, |bytes| bytes.0);
        let times =
            |field: Option<Times<'_>>| field.map_or(Ok(Histogram::default()), Times::histogram);
        let span = Span {
            start_ms: record.timestamp.ok_or(DecodeError::Damaged)?.0,
            length_ms: record.rollup_window_us.ok_or(DecodeError::Damaged)?.0 / 1_000,
            part: count(record.rollup_part),
        };
        let mut key = Vec::new();
        let names = [record.service.map(|t| t.0), record.route.map(|t| t.0)];
        Key::write(names[0], names[1], record.endpoint.map(|t| t.0), &mut key);
        let totals = Self {
            requests: count(record.rollup_requests),
            outcomes: Counts(record.rollup_outcomes.map(OutcomeCounts::counts).unwrap_or_default()),
            statuses: Counts(record.rollup_statuses.map(StatusCounts::counts).unwrap_or_default()),
            methods: Counts(record.rollup_methods.map(MethodCounts::counts).unwrap_or_default()),
            reasons: Counts(record.rollup_reasons.map(ReasonCounts::counts).unwrap_or_default()),
            request_body_bytes: bytes(record.rollup_request_body_bytes),
            request_bytes: bytes(record.rollup_request_bytes),
            response_body_bytes: bytes(record.rollup_response_body_bytes),
            response_bytes: bytes(record.rollup_response_bytes),
            attempts: count(record.rollup_attempts),
            retries: count(record.rollup_retries),
            connections_opened: count(record.rollup_connections_opened),
            failed_attempts: count(record.rollup_failed_attempts),
            duration_us: times(record.rollup_duration)?,
            first_byte_us: times(record.rollup_first_byte)?,
            connect_us: times(record.rollup_connect)?,
        };
        Ok((span, Key(key.into()), totals))
    }
}

/// Adds; a sum that is too large stays at the highest number.
fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

/// Service, route and endpoint, as one text of bytes: each with its length before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub(super) Box<[u8]>);

/// Stands for everything beyond the limit.
pub const OTHER: &[u8] = b"_other";

impl Key {
    /// Writes the key of these names into `out`; names longer than 254 bytes are cut.
    pub(super) fn write(
        service: Option<&[u8]>,
        route: Option<&[u8]>,
        endpoint: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        out.clear();
        for name in [service, route, endpoint] {
            push_name(name, out);
        }
    }

    /// What a service's routes and endpoints beyond the limit count for.
    pub(super) fn rest_of(service: Option<&[u8]>) -> Self {
        let mut key = Vec::new();
        Self::write(service, Some(OTHER), Some(OTHER), &mut key);
        Self(key.into())
    }

    /// Whether it is one of [`Key::rest_of`].
    pub(super) fn is_rest(&self) -> bool {
        let [_, route, endpoint] = self.names();
        route == Some(OTHER) && endpoint == Some(OTHER)
    }

    /// Service, route and endpoint.
    pub fn names(&self) -> [Option<&[u8]>; 3] {
        let mut rest: &[u8] = &self.0;
        [(); 3].map(|()| take_name(&mut rest))
    }

    /// The service.
    pub fn service(&self) -> Option<&[u8]> {
        self.names()[0]
    }
}
