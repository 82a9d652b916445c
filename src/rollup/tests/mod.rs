//! Rollups against the truth: what the same records give when they are simply added up.

mod bounds;
mod crashes;

use std::collections::BTreeMap;

use super::totals::{Key, Totals};
use super::{Core, Rules};
use crate::record::{
    AccessRecord, Bytes, Count, EcsNanos, Flag, Micros, Outcome, Reason, Status, Text, TextList,
    TimestampMs,
};

/// A start of a window of [`RULES`].
const T0: u64 = 1_800_000_000_000;
/// Windows of a minute.
const RULES: Rules = Rules { window_ms: 60_000, grace_ms: 2_000 };

/// An exchange, as far as rollups look at it.
#[derive(Debug, Clone, Copy)]
struct Exchange {
    /// When it ended.
    time_ms: u64,
    name: usize,
    duration_us: u64,
    /// Its status; 0 for none.
    status: u16,
}

/// Service, route and endpoint of an exchange.
type Names = (&'static [u8], Option<&'static [u8]>, Option<&'static [u8]>);

const NAMES: [Names; 4] = [
    (b"shop", Some(b"/cart"), Some(b"10.0.0.1:80")),
    (b"shop", Some(b"/cart"), Some(b"10.0.0.2:80")),
    (b"shop", None, Some(b"10.0.0.1:80")),
    (b"blog", None, None),
];

impl Exchange {
    fn record(&self) -> AccessRecord<'static> {
        let (service, route, endpoint) = NAMES[self.name];
        let is_new = self.duration_us.is_multiple_of(3);
        AccessRecord {
            timestamp: Some(TimestampMs(self.time_ms)),
            duration: Some(EcsNanos(self.duration_us)),
            method: Some(Text(if is_new { b"GET" } else { b"BREW" })),
            status: (self.status > 0).then_some(Status(self.status)),
            request_body_bytes: Some(Bytes(1)),
            response_bytes: Some(Bytes(self.duration_us)),
            service: Some(Text(service)),
            route: route.map(Text),
            endpoint: endpoint.map(Text),
            reused: endpoint.map(|_| Flag(!is_new)),
            connect_us: is_new.then_some(Micros(self.duration_us / 2)),
            first_byte_us: endpoint.map(|_| Micros(self.duration_us / 3)),
            attempts: Some(Count(u64::from(self.status / 200))),
            reason: Some(Reason::Complete),
            outcome: Some(if self.status < 500 { Outcome::Success } else { Outcome::Failure }),
            ..AccessRecord::default()
        }
    }

    /// The key of its row.
    fn key(&self) -> Key {
        let (service, route, endpoint) = NAMES[self.name];
        let mut key = Vec::new();
        Key::write(Some(service), route, endpoint, &mut key);
        Key(key.into())
    }
}

/// Totals by start of the window and key.
type Sums = BTreeMap<(u64, Key), Totals>;

/// What the rollups of these exchanges must add up to.
fn truth<'e>(exchanges: impl IntoIterator<Item = &'e Exchange>) -> Sums {
    let mut sums = Sums::new();
    for exchange in exchanges {
        let start_ms = exchange.time_ms - exchange.time_ms % RULES.window_ms;
        sums.entry((start_ms, exchange.key())).or_default().add(&exchange.record());
    }
    sums
}

/// What rows add up to, whatever their part.
fn sums<'r>(rows: impl IntoIterator<Item = &'r Vec<u8>>) -> Sums {
    let mut sums = Sums::new();
    for row in rows {
        let (span, key, totals) = Totals::decode(row).unwrap();
        sums.entry((span.start_ms, key)).or_default().merge(&totals);
    }
    sums
}

#[test]
fn a_failed_attempt_counts_for_the_endpoint_that_failed_it() {
    /// Endpoint, requests, failed attempts.
    type Row = (&'static str, u64, u64);
    /// Name, endpoints and reasons of the attempts, how the last ended, rows.
    type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str], Reason, &'a [Row]);
    let texts = |items: &[&str]| {
        let mut list = Vec::new();
        for item in items {
            TextList::push(&mut list, item.as_bytes());
        }
        list
    };
    let rows: [Case<'_>; 6] = [
        ("one attempt, served", &[], &[], Reason::Complete, &[("last", 1, 0)]),
        ("one attempt, failed", &[], &[], Reason::ConnectRefused, &[("last", 1, 1)]),
        ("one attempt, the client left", &[], &[], Reason::DownstreamClosed, &[("last", 1, 0)]),
        (
            "another served it",
            &["dead", "last"],
            &["connect_refused", "complete"],
            Reason::Complete,
            &[("dead", 0, 1), ("last", 1, 0)],
        ),
        (
            "all failed, one of them twice",
            &["dead", "dead", "last"],
            &["connect_timeout", "upstream_reset", "first_byte_timeout"],
            Reason::FirstByteTimeout,
            &[("dead", 0, 2), ("last", 1, 1)],
        ),
        (
            "our own shortage, and a word of a newer version",
            &["one", "two", "last"],
            &["no_descriptor", "a_new_word", "complete"],
            Reason::Complete,
            &[("last", 1, 0)],
        ),
    ];
    for (name, endpoints, reasons, reason, want) in rows {
        let (endpoints, reasons) = (texts(endpoints), texts(reasons));
        let list = |bytes| Some(TextList(bytes)).filter(|list| !list.0.is_empty());
        let record = AccessRecord {
            timestamp: Some(TimestampMs(T0)),
            service: Some(Text(b"shop")),
            endpoint: Some(Text(b"last")),
            reason: Some(reason),
            attempt_endpoints: list(&endpoints),
            attempt_reasons: list(&reasons),
            ..AccessRecord::default()
        };
        let mut payload = vec![0; 1024];
        let used = record.encode(&mut payload).unwrap();
        let mut core = Core::new(RULES);
        core.take((1, 1, 0), 1, &payload[..used], T0).unwrap();
        core.close_all();
        let got: Vec<_> = sums(&drain(&mut core))
            .into_iter()
            .map(|((_, key), totals)| {
                let endpoint = String::from_utf8(key.names()[2].unwrap().to_vec()).unwrap();
                (endpoint, totals.requests, totals.failed_attempts)
            })
            .collect();
        let want: Vec<_> = want.iter().map(|(name, a, b)| ((*name).to_owned(), *a, *b)).collect();
        assert_eq!(got, want, "{name}");
    }
}

/// Every pending row, taken.
fn drain(core: &mut Core) -> Vec<Vec<u8>> {
    let rows = std::iter::from_fn(|| {
        let row = core.pending().first()?.to_vec();
        core.pending().written();
        Some(row)
    });
    rows.collect()
}
