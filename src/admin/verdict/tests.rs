//! Goal: the verdict is made of what happened. Method: rollups of requests of which everything is known.

use super::*;
use crate::record::{AccessRecord, EcsNanos, Status, Text, TimestampMs};
use crate::rollup::{Core, Rules, Slot, SlotRow};

/// The clock, within a minute.
const NOW_MS: u64 = 100 * 60_000 + 30_000;

static DEFAULTS: ServiceTargets = ServiceTargets::DEFAULT;

/// So many requests: service, endpoint, status, reason, duration.
type Requested<'t> = (u64, Option<&'t str>, &'t str, u16, Reason, u64);

/// Rollups of these requests, 30 seconds ago, and slots of the service `shop`.
fn past(requests: &[Requested<'_>], slots: &[(u64, u64)]) -> Past {
    let mut core = Core::new(Rules { window_ms: 60_000, grace_ms: 2_000 });
    let mut seq = 0;
    for &(count, service, endpoint, status, reason, duration_us) in requests {
        for _ in 0..count {
            seq += 1;
            let record = AccessRecord {
                timestamp: Some(TimestampMs(NOW_MS - 30_000)),
                service: service.map(|name| Text(name.as_bytes())),
                endpoint: Some(Text(endpoint.as_bytes())),
                status: Some(Status(status)),
                reason: Some(reason),
                outcome: Some(Outcome::of(Some(status), reason)),
                duration: Some(EcsNanos(duration_us)),
                ..AccessRecord::default()
            };
            core.observe((1, 1, 0), seq, &record, NOW_MS - 30_000);
        }
    }
    let row = |success, failure| SlotRow {
        service: Some(Arc::from("shop")),
        endpoint: None,
        requests: success + failure,
        success,
        failure,
        classes: [0; 6],
        request_bytes: 0,
        response_bytes: 0,
        quantiles_us: Some([1, 2, 3]),
    };
    let slots = slots.iter().zip(0..).map(|(&(success, failure), index)| {
        Arc::new(Slot { start_ms: index * SLOT_MS, rows: vec![row(success, failure)] })
    });
    Past {
        windows: Vec::new(),
        open: Arc::new(core.open_windows()),
        open_ms: NOW_MS - 1_000,
        slots: slots.collect(),
        forgotten_ms: 0,
        earlier_ms: None,
    }
}

fn span() -> Span {
    Span { length_ms: WINDOW_MS, now_ms: NOW_MS }
}

#[test]
fn failures_and_slow_requests_are_counted_with_what_most_have_in_common() {
    let (good, bad) = ("10.0.0.1:80", "10.0.0.2:80");
    let (complete, reset) = (Reason::Complete, Reason::UpstreamReset);
    let shop = Some("shop");
    // Requests; failures of how many, why, where; slow ones of how many, where.
    for (name, requests, failing, slow) in [
        (
            "one endpoint resets",
            &[(90, shop, good, 200, complete, 9_000), (10, shop, bad, 200, reset, 9_000)][..],
            (10, 100, Some("upstream_reset"), Some(bad)),
            (0, 100, None),
        ),
        (
            "the endpoint answers 503",
            &[(5, shop, bad, 503, complete, 400_000), (1, shop, good, 502, reset, 9_000)],
            (6, 6, Some("status 503"), Some(bad)),
            (5, 6, Some(bad)),
        ),
        (
            "a status of ours is no reason",
            &[(5, shop, bad, 502, Reason::UpstreamClosed, 1)],
            (5, 5, Some("upstream_closed"), Some(bad)),
            (0, 5, None),
        ),
        (
            "nothing in common",
            &[(5, shop, bad, 502, reset, 1), (5, shop, good, 503, Reason::NoEndpoint, 1)],
            (10, 10, None, None),
            (0, 10, None),
        ),
        (
            "a client that left is neither",
            &[(5, shop, good, 200, Reason::DownstreamClosed, 9), (5, shop, good, 404, complete, 9)],
            (0, 5, None, None),
            (0, 10, None),
        ),
    ] {
        let minutes = counted(&past(requests, &[]), span(), &DEFAULTS);
        let [service] = &*minutes.services else { panic!("{name}: {minutes:?}") };
        assert_eq!(service.name.as_deref(), shop, "{name}");
        let text = |text: Option<&str>| text.map(str::to_owned);
        let (bad, all, reason, endpoint) = failing;
        let want = Misses { bad, all, reason: text(reason), endpoint: text(endpoint) };
        assert_eq!(service.failing, want, "{name}");
        let (bad, all, endpoint) = slow;
        assert_eq!(
            service.slow,
            Misses { bad, all, reason: None, endpoint: text(endpoint) },
            "{name}"
        );
    }
}

#[test]
fn counts_are_those_of_the_last_minutes_with_slices_of_each_service() {
    let requests =
        [(3, Some("shop"), "a", 200, Reason::Complete, 1), (4, None, "", 404, Reason::NoRoute, 1)];
    let minutes = counted(&past(&requests, &[(5, 0), (2, 3)]), span(), &DEFAULTS);
    assert_eq!((minutes.requests, minutes.until_ms), (7, NOW_MS - 1_000));
    assert_eq!(minutes.since_ms, 100 * 60_000, "where the window begins");
    let names: Vec<_> = minutes.services.iter().map(|one| one.name.as_deref()).collect();
    assert_eq!(names, [None, Some("shop")]);
    let slice = |start_ms, all, bad| Slice {
        start_ms,
        end_ms: start_ms + SLOT_MS,
        all,
        bad,
        p99_us: Some(3),
    };
    assert_eq!(minutes.services[1].slices, [slice(0, 5, 0), slice(SLOT_MS, 5, 3)]);
    assert!(minutes.services[0].slices.is_empty());
}

#[test]
fn programs_get_the_sentence_whole_and_in_pieces_and_where_to_look() {
    let requests = [(8, Some("shop"), "a:1", 503, Reason::Complete, 900_000)];
    let minutes = counted(&past(&requests, &[(0, 8)]), span(), &DEFAULTS);
    let list = judge(&Situation {
        now_ms: NOW_MS,
        is_draining: true,
        requests: Requests::Counted(&minutes),
        out: &[],
        shortages: &[],
        trust: Trust { lost: 1, ..Trust::default() },
        targets: &DEFAULTS,
    });
    let all = json(&list);
    assert_eq!((&all["level"], &all["more"]), (&json!("hurt"), &json!(0)));
    let list = all["list"].as_array().unwrap();
    let levels: Vec<_> = list.iter().map(|one| &one["level"]).collect();
    assert_eq!(levels, ["hurt", "hurt", "note", "warn"]);
    for (name, at, want) in [
        (
            "text",
            "/0/text",
            json!(
                "shop: 100 % of requests failed since 00:00:00 UTC, most of them status 503 at a:1."
            ),
        ),
        ("first piece", "/0/words/0", json!("shop: 100 % of requests failed since ")),
        ("a time", "/0/words/1", json!({ "time_ms": 0 })),
        ("about", "/0/about", json!("users")),
        ("service", "/0/service", json!("shop")),
        ("endpoint", "/0/endpoint", json!("a:1")),
        ("reason", "/0/reason", json!("status 503")),
        ("bad", "/0/bad", json!(8)),
        ("of", "/0/of", json!(8)),
        ("since", "/0/since_ms", json!(0)),
        ("until", "/0/until_ms", Value::Null),
        (
            "failed",
            "/0/look_at",
            json!({ "page": "requests", "outcome": "failure", "since_ms": 100 * 60_000 }),
        ),
        (
            "slow",
            "/1/look_at",
            json!({ "page": "requests", "slower_than_us": 300_000, "since_ms": 100 * 60_000 }),
        ),
        ("nowhere", "/2/look_at", Value::Null),
        ("records", "/3/look_at", json!({ "page": "shipping" })),
        ("about records", "/3/about", json!("records")),
    ] {
        assert_eq!(all["list"].pointer(at).unwrap(), &want, "{name}");
    }
}
