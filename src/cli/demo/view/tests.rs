//! Goal: the picture fits, and says what is there and what is not. Method: pictures of made-up states,
//! read as text.

use std::path::Path;

use super::super::tally::tests::{places, request};
use super::*;
use crate::record::Stream;
use crate::slo::ServiceTargets;
use crate::slo::verdict::{Minutes, Misses, Requests, ServiceMinutes, Situation, Trust, judge};

static DEFAULTS: ServiceTargets = ServiceTargets::DEFAULT;

fn facts(elasticsearch: Option<&str>) -> Facts {
    Facts {
        program: "lbproxy".to_owned(),
        proxy: ([127, 0, 0, 1], 8080).into(),
        admin: ([127, 0, 0, 1], 9901).into(),
        journal: Path::new("/tmp/lbproxy-abcdef").to_owned(),
        is_kept: false,
        elasticsearch: elasticsearch.map(str::to_owned),
        stream: "logs-lbproxy.access-demo".to_owned(),
        rate: 200,
        duration: None,
        about: vec!["", "steady", "imperfect: 3 % 503, 1.5 % reset, 4 % slow"],
    }
}

/// A minute of requests, one in four of which fails at the second endpoint.
fn tally() -> Tally {
    let mut tally = Tally::new(places());
    for second in 1..=60 {
        for number in 0..100 {
            let payload = if number % 4 == 0 {
                request(Some("b:2"), 502, 250_000 + second, Reason::UpstreamClosed)
            } else {
                request(Some("a:1"), 200, 8_000 + second, Reason::Complete)
            };
            tally.add(Stream::Access as u8, &payload);
        }
        tally.close_second(Duration::from_secs(1));
    }
    tally
}

/// The picture as plain text of so many columns.
fn shown(picture: &Picture<'_>, columns: usize) -> Vec<String> {
    picture.lines(columns).iter().map(|line| line.render(columns, false)).collect()
}

/// The verdict on a service that fails.
fn verdicts() -> Verdicts {
    let misses =
        Misses { bad: 25, all: 100, reason: Some("upstream_closed".to_owned()), endpoint: None };
    let services = vec![ServiceMinutes {
        name: Some("shop".to_owned()),
        failing: misses,
        ..ServiceMinutes::default()
    }];
    let minutes = Minutes { since_ms: 0, until_ms: 1, requests: 100, services };
    judge(&Situation {
        now_ms: 1,
        is_draining: false,
        requests: Requests::Counted(&minutes),
        out: &[],
        shortages: &[],
        trust: Trust::default(),
        targets: &DEFAULTS,
    })
}

/// A picture after a minute.
fn picture<'a>(facts: &'a Facts, tally: &'a Tally, journal: &'a JournalMetrics) -> Picture<'a> {
    let state = |endpoint: &str, is_open| EndpointState {
        id: 0,
        service: "shop".to_owned(),
        endpoint: endpoint.to_owned(),
        is_open,
        is_in_rotation: is_open,
        is_kept: false,
    };
    Picture {
        facts,
        tally,
        missed: 0,
        elapsed: Duration::from_mins(1),
        endpoints: vec![state("a:1", true), state("b:2", false)],
        verdicts: verdicts(),
        pulse: Pulse {
            cpu: Some(2_150),
            memory_bytes: Some(30 << 20),
            received_bytes: Some(123 << 10),
            sent_bytes: Some(900 << 20),
            checks: [14, 2],
        },
        journal,
        shipping: None,
        log: None,
    }
}

#[test]
fn a_full_picture_fits_80_columns_and_says_what_matters() {
    let (facts, tally, journal) = (facts(None), tally(), JournalMetrics::default());
    journal.appended_total.set(6_000);
    journal.dropped_full_total.set(7);
    let text = "2026-11-24T18:00:00.1Z  WARN endpoint ejected; a probe or a trial request will let \
                it back service=\"shop\" endpoint=\"b:2\"";
    let log = Some((Instant::now(), text.to_owned()));
    let picture = Picture { log, ..picture(&facts, &tally, &journal) };
    let lines = shown(&picture, 80);
    assert!(lines.len() <= 27, "{} lines, blank ones included", lines.len());
    assert!(lines.iter().filter(|line| !line.is_empty()).count() <= 24, "{lines:#?}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
    let text = lines.join("\n").replace('\u{a0}', " ");
    for wanted in [
        "page        http://127.0.0.1:9901/   proxy http://127.0.0.1:8080",
        "curl -H 'Host: shop.demo' http://127.0.0.1:8080/hello",
        "lbproxy log tail --journal /tmp/lbproxy-abcdef",
        "users       ■ shop: 25.0 % of requests failed in the last 5 minutes, most of",
        "            them upstream_closed.",
        "requests/s  100",
        "last 10 s         1 000     75.0 %    8.06 ms     250 ms     250 ms     250 ms",
        "since start       6 000     75.0 %",
        "2xx 4 500   5xx 1 500   retried 1 500",
        "  a:1               in rotation    75.0 %    0.0 %",
        "  b:2               ejected        25.0 %    100 %",
        "upstream_closed 1 500",
        "lbproxy     cpu 21.5 %  mem 30.0 MiB  in 123 KiB/s  out 900 MiB/s  2/16 down",
        "6 000 appended",
        "7 dropped",
        "not configured: add --elasticsearch URL",
        "WARN endpoint ejected",
        "endpoint=\"b:2\"",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
    }
}

#[test]
fn before_the_first_request_there_are_dashes_and_no_zeros() {
    let (facts, tally, journal) = (facts(None), Tally::new(places()), JournalMetrics::default());
    let picture = Picture {
        endpoints: Vec::new(),
        elapsed: Duration::ZERO,
        ..picture(&facts, &tally, &journal)
    };
    let text = shown(&picture, 80).join("\n");
    assert!(text.contains("last 0 s              0          -          -"), "{text}");
    assert!(text.contains("none but complete"), "{text}");
    let (titles, values) = picture.plain();
    assert_eq!(titles.chars().count(), values.chars().count());
}

#[test]
fn a_narrow_terminal_keeps_the_newest_of_a_sparkline() {
    let (facts, tally, journal) = (facts(None), tally(), JournalMetrics::default());
    let lines = shown(&picture(&facts, &tally, &journal), 30);
    let spark = lines.iter().find(|line| line.starts_with("requests/s")).unwrap();
    assert!(spark.ends_with("██████████") && spark.chars().count() == 30, "{spark:?}");
}

/// Goal: the states of shipping are told apart. Method: a row for each, with the seconds since
/// the start.
#[test]
fn shipping_says_where_it_stands() {
    let url = Some("http://127.0.0.1:9200");
    for (name, url, seconds, [connected, unauthorized, blocked, full], want) in [
        ("absent", None, 60, [0; 4], "not configured: add --elasticsearch URL"),
        ("early", url, 1, [0; 4], "connecting"),
        ("away", url, 60, [0; 4], "not connected"),
        ("refused", url, 60, [0, 1, 0, 0], "refused: credentials"),
        ("blocked", url, 1, [0, 0, 1, 0], "blocked"),
        ("full", url, 60, [0, 0, 0, 1], "dead letters full"),
        (
            "well",
            url,
            60,
            [1, 0, 0, 0],
            "connected   41 acknowledged   9 pending   http://127.0.0.1:9200",
        ),
    ] {
        let (facts, tally, journal) = (facts(url), Tally::new(places()), JournalMetrics::default());
        let ship = ShipMetrics::default();
        ship.connected.set(connected);
        ship.unauthorized.set(unauthorized);
        ship.blocked.set(blocked);
        ship.dead_letters_full.set(full);
        ship.acknowledged_total.set(40);
        ship.duplicate_total.set(1);
        let picture = Picture {
            shipping: url.map(|_| (&ship, 9)),
            elapsed: Duration::from_secs(seconds),
            ..picture(&facts, &tally, &journal)
        };
        let line = picture.shipping().plain();
        assert!(line.starts_with(&format!("shipping    {want}")), "{name}: {line}");
    }
}
