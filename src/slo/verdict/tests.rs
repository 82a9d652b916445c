//! Goal: in every situation the verdict says the right thing, in the right order. Method: situations as they
//! are known, named, and what is said of them; then any situation at all.

use proptest::prelude::*;

use super::*;
use crate::slo::{ServiceTargets, TargetShare};

/// The clock of all situations: 12:03:04 UTC.
const NOW_MS: u64 = 1_795_521_784_000;
/// Where the counts begin: 11:58:04.
const SINCE_MS: u64 = NOW_MS - WINDOW_MS;

static DEFAULTS: ServiceTargets = ServiceTargets::DEFAULT;

/// A service of so many requests, failures and slow requests.
fn service(name: &str, all: u64, failed: u64, slow: u64) -> ServiceMinutes {
    ServiceMinutes {
        name: Some(name.to_owned()),
        failing: Misses { bad: failed, all, ..Misses::default() },
        slow: Misses { bad: slow, all, ..Misses::default() },
        slices: Vec::new(),
    }
}

/// Where and why its requests failed.
fn at(mut service: ServiceMinutes, reason: &str, endpoint: &str) -> ServiceMinutes {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    (service.failing.reason, service.failing.endpoint) = (text(reason), text(endpoint));
    service
}

/// Slices of five seconds before now, oldest first: requests, failures, p99 in milliseconds.
fn with_slices(mut service: ServiceMinutes, slices: &[(u64, u64, u64)]) -> ServiceMinutes {
    let begin_ms = NOW_MS - slices.len() as u64 * 5_000;
    let slices = slices.iter().zip(0..).map(|(&(all, bad, p99_ms), index)| {
        let start_ms = begin_ms + index * 5_000;
        let p99_us = (all > 0).then_some(p99_ms * 1_000);
        Slice { start_ms, end_ms: start_ms + 5_000, all, bad, p99_us }
    });
    service.slices = slices.collect();
    service
}

fn minutes(services: Vec<ServiceMinutes>) -> Minutes {
    Minutes {
        since_ms: SINCE_MS,
        until_ms: NOW_MS,
        requests: services.iter().map(|one| one.failing.all).sum(),
        services,
    }
}

/// All is well, as far as it is known.
fn calm(requests: Requests<'_>) -> Situation<'_> {
    Situation {
        now_ms: NOW_MS,
        is_draining: false,
        requests,
        out: &[],
        shortages: &[],
        trust: Trust { shipping: ShippingState::Working, ..Trust::default() },
        targets: &DEFAULTS,
    }
}

/// Marks and sentences, in order.
fn told(situation: &Situation<'_>) -> Vec<String> {
    let list = judge(situation).list;
    list.iter().map(|one| format!("{} {}", one.level.mark(), one.text())).collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of named rows is read row by row")]
fn requests_are_told_by_service_with_why_where_and_since_when() {
    let quiet = [(100, 0, 5); 12];
    let outage = [&[(100, 0, 5); 10][..], &[(100, 50, 5), (100, 90, 5)]].concat();
    let over = [&[(100, 50, 5)][..], &quiet].concat();
    let slow = [(100, 0, 5), (100, 0, 900), (100, 0, 800)];
    let was_slow = [&[(100, 0, 900)][..], &quiet].concat();
    let check = |name: &str, services: Vec<ServiceMinutes>, want: &[&str]| {
        let minutes = minutes(services);
        assert_eq!(told(&calm(Requests::Counted(&minutes))), want, "{name}");
    };
    check("one well", vec![service("shop", 100, 0, 0)], &["✓ shop is within its objectives."]);
    check(
        "two well, one without requests",
        vec![service("shop", 100, 0, 0), service("api", 9, 0, 0), service("old", 0, 0, 0)],
        &["✓ All 2 services with traffic are within their objectives."],
    );
    check(
        "as much fails as may",
        vec![service("shop", 10_000, 10, 100)],
        &["✓ shop is within its objectives."],
    );
    check(
        "a little more fails",
        vec![at(service("shop", 10_000, 50, 0), "upstream_reset", "10.0.0.2:80")],
        &[
            "▲ shop: 0.5 % of requests failed in the last 5 minutes, most of them upstream_reset at \
           10.0.0.2:80.",
        ],
    );
    check(
        "an outage, with the share since it began",
        vec![with_slices(at(service("shop", 1_200, 140, 0), "", "10.0.0.2:80"), &outage)],
        &["■ shop: 70.0 % of requests failed since 12:02:54 UTC, most of them at 10.0.0.2:80."],
    );
    check(
        "an outage that is over",
        vec![with_slices(at(service("shop", 1_300, 50, 0), "status 503", ""), &over)],
        &[
            "▲ shop: 50.0 % of requests failed from 12:01:59 UTC to 12:02:04 UTC, most of them status 503.",
        ],
    );
    check(
        "slow",
        vec![with_slices(service("shop", 300, 0, 180), &slow)],
        &[
            "■ shop is slow since 12:02:54 UTC: 60.0 % of requests in the last 5 minutes took more than \
           300 ms.",
        ],
    );
    check(
        "was slow",
        vec![with_slices(service("shop", 1_300, 0, 50), &was_slow)],
        &[
            "▲ shop was slow from 12:01:59 UTC to 12:02:04 UTC: 3.8 % of requests in the last 5 minutes took \
           more than 300 ms.",
        ],
    );
    check(
        "the worst first, a level before a share",
        vec![service("a", 100, 2, 0), service("b", 1_000, 20, 0), service("c", 1_000, 900, 900)],
        &[
            "■ c: 90.0 % of requests failed in the last 5 minutes.",
            "■ c is slow: 90.0 % of requests in the last 5 minutes took more than 300 ms.",
            "■ b: 2.0 % of requests failed in the last 5 minutes.",
            "▲ a: 2.0 % of requests failed in the last 5 minutes.",
        ],
    );
    check(
        "of no service",
        vec![ServiceMinutes { name: None, ..service("", 50, 50, 0) }],
        &["■ requests for no service: 100 % of requests failed in the last 5 minutes."],
    );
    check(
        "a hostile name",
        vec![at(service("\u{1b}[31m", 9, 9, 0), "", "\u{202e}x")],
        &[
            "■ \\x1b[31m: 100 % of requests failed in the last 5 minutes, most of them at \\u{202e}x.",
        ],
    );
}

#[test]
fn what_is_not_known_is_told_in_words_of_its_own() {
    let (none, of_none) =
        (minutes(Vec::new()), minutes(vec![ServiceMinutes { name: None, ..service("", 9, 0, 0) }]));
    let left = Minutes { requests: 1_200, ..minutes(vec![service("shop", 0, 0, 0)]) };
    let late = Minutes { until_ms: NOW_MS - 40_000, ..minutes(vec![service("shop", 9, 9, 0)]) };
    for (name, requests, want) in [
        (
            "off",
            Requests::Off,
            &["○ Not configured: outcomes and latencies need telemetry.rollup.every, such as 1m."]
                [..],
        ),
        (
            "soon",
            Requests::Soon,
            &["○ No data yet: the first figures come within five seconds of the start."],
        ),
        ("nothing", Requests::Counted(&none), &["○ No traffic in the last 5 minutes."]),
        (
            "no service",
            Requests::Counted(&of_none),
            &["○ No request in the last 5 minutes was for a service."],
        ),
        (
            "clients left",
            Requests::Counted(&left),
            &[
                "○ No outcome is known: clients left before the end of all 1\u{a0}200 requests in the last \
               5 minutes.",
            ],
        ),
        (
            "behind, with what was known",
            Requests::Counted(&late),
            &[
                "■ shop: 100 % of requests failed in the last 5 minutes.",
                "○ No data: the figures are behind by 40 s.",
            ],
        ),
    ] {
        assert_eq!(told(&calm(requests)), want, "{name}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of named rows is read row by row")]
fn users_come_before_records_and_records_hurt_nobody() {
    let well = minutes(vec![service("shop", 100, 0, 0)]);
    let calm = || calm(Requests::Counted(&well));
    let trust =
        |shipping, oldest_pending_s| Trust { shipping, oldest_pending_s, ..Trust::default() };
    let kept = "✓ shop is within its objectives.";
    let one = OutOfRotation {
        service: "shop",
        endpoint: "10.0.0.2:80",
        is_kept: false,
        since_ms: Some(NOW_MS - 12_000),
    };
    let other = OutOfRotation { service: "api", is_kept: true, since_ms: None, ..one };
    for (name, situation, want) in [
        (
            "endpoints",
            Situation { out: &[one, one, other], ..calm() },
            &[
                "▲ 10.0.0.2:80 of shop is ejected since 12:02:52 UTC, and 1 more.",
                "▲ 10.0.0.2:80 of api fails and is kept in rotation.",
                kept,
            ][..],
        ),
        (
            "a shortage of our own",
            Situation { shortages: &["descriptors", "local ports"], ..calm() },
            &[
                "■ The system refuses this process descriptors, local ports: connections fail; the log says \
                 what to raise.",
                kept,
            ],
        ),
        (
            "draining",
            Situation { is_draining: true, ..calm() },
            &["i Draining: no new connections are taken.", kept],
        ),
        (
            "records wait a little",
            Situation { trust: trust(ShippingState::Waiting, 60), ..calm() },
            &[kept],
        ),
        (
            "nothing is shipped",
            Situation { trust: trust(ShippingState::Off, 400), ..calm() },
            &[kept],
        ),
        (
            "records wait",
            Situation { trust: trust(ShippingState::Working, 400), ..calm() },
            &[kept, "▲ Shipping is behind by 6 min: what is stored is not all."],
        ),
        (
            "credentials refused",
            Situation { trust: trust(ShippingState::Unauthorized, 0), ..calm() },
            &[kept, "▲ Elasticsearch refuses the credentials: records wait in the journal."],
        ),
        (
            "blocked",
            Situation { trust: trust(ShippingState::Blocked, 0), ..calm() },
            &[
                kept,
                "▲ Elasticsearch does not take records: they wait in the journal, the log says why.",
            ],
        ),
        (
            "dead letters full",
            Situation { trust: trust(ShippingState::DeadLettersFull, 0), ..calm() },
            &[
                kept,
                "▲ The file of dead letters is full: records wait in the journal until `lbproxy log resend` \
                 has made room.",
            ],
        ),
        (
            "lost, and why",
            Situation {
                trust: Trust { lost: 2, fault: Some("the disk is full"), ..Trust::default() },
                ..calm()
            },
            &[
                kept,
                "▲ Records: the disk is full.",
                "▲ 2 records are lost: figures say less than happened.",
            ],
        ),
    ] {
        assert_eq!(told(&situation), want, "{name}");
    }
}

#[test]
fn targets_of_a_service_are_what_it_is_held_against() {
    let minutes = minutes(vec![service("shop", 1_000, 20, 0), service("api", 1_000, 20, 0)]);
    let half = TargetShare::from_ppm(950_000).unwrap();
    let own = vec![("shop".to_owned(), Targets { served: half, ..Targets::DEFAULT })];
    let targets = ServiceTargets { own, ..ServiceTargets::DEFAULT };
    let situation = Situation { targets: &targets, ..calm(Requests::Counted(&minutes)) };
    assert_eq!(told(&situation), ["■ api: 2.0 % of requests failed in the last 5 minutes."]);
}

#[test]
fn where_to_look_is_where_the_figures_are() {
    let minutes = minutes(vec![service("shop", 100, 50, 50)]);
    let list = judge(&calm(Requests::Counted(&minutes))).list;
    let looks: Vec<_> = list.iter().map(|one| (one.service.as_deref(), one.look_at)).collect();
    let at = |which| (Some("shop"), LookAt::Requests { since_ms: SINCE_MS, which });
    assert_eq!(looks, [at(Selection::Failed), at(Selection::SlowerThan(300_000))]);
}

#[test]
fn most_is_more_than_half() {
    let counts = |a: u64, b: u64| [("a".to_owned(), a), ("b".to_owned(), b)];
    for (name, counts, all, want) in [
        ("all of it", counts(9, 0), 9, Some("a")),
        ("the other", counts(1, 9), 10, Some("b")),
        ("just half", counts(5, 5), 10, None),
        ("less of more", counts(5, 1), 12, None),
        ("none of nothing", counts(0, 0), 0, None),
    ] {
        assert_eq!(most(counts, all).as_deref(), want, "{name}");
    }
    assert_eq!(most([], 0), None);
}

/// Any service, with counts that need not fit each other.
fn any_service() -> impl Strategy<Value = ServiceMinutes> {
    let slice = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<Option<u64>>());
    let slices = proptest::collection::vec(slice, 0..8);
    let misses = (any::<u64>(), any::<u64>(), any::<Option<String>>());
    let misses =
        misses.prop_map(|(bad, all, reason)| Misses { bad, all, endpoint: reason.clone(), reason });
    (any::<Option<String>>(), misses.clone(), misses, slices).prop_map(
        |(name, failing, slow, slices)| {
            let slices = slices.into_iter().map(|(start_ms, end_ms, all, bad, p99_us)| Slice {
                start_ms,
                end_ms,
                all,
                bad,
                p99_us,
            });
            ServiceMinutes { name, failing, slow, slices: slices.collect() }
        },
    )
}

proptest! {
    /// Goal: whatever is known, there is an answer, about users first, in order and bounded, and every sign
    /// in it can be shown. Method: any numbers and names.
    #[test]
    fn any_situation_has_a_verdict(
        now_ms in any::<u64>(), until_ms in any::<u64>(), requests in any::<u64>(),
        services in proptest::collection::vec(any_service(), 0..12),
        out in proptest::collection::vec(("[a-c]", any::<String>(), any::<bool>(), any::<Option<u64>>()), 0..9),
        (lost, oldest_pending_s, is_draining) in (any::<u64>(), any::<u64>(), any::<bool>()),
    ) {
        let minutes = Minutes { since_ms: 0, until_ms, requests, services };
        let out: Vec<_> = out.iter().map(|(service, endpoint, is_kept, since_ms)| OutOfRotation {
            service, endpoint, is_kept: *is_kept, since_ms: *since_ms,
        }).collect();
        let trust = Trust { lost, oldest_pending_s, shipping: ShippingState::Waiting, fault: None };
        let situation = Situation {
            now_ms, is_draining, out: &out, trust, ..calm(Requests::Counted(&minutes))
        };
        let Verdicts { list, more } = judge(&situation);
        prop_assert!(list.len() <= LIST_MAX && (more == 0 || list.len() == LIST_MAX));
        prop_assert_eq!(list.first().map(|one| one.about), Some(Concern::Users));
        let order = |one: &Verdict| (one.about == Concern::Records, Reverse(one.level));
        prop_assert!(list.is_sorted_by_key(order));
        for one in &list {
            prop_assert!(one.about == Concern::Users || one.level == Level::Warn);
            let text = one.text();
            prop_assert!(!text.is_empty() && !text.contains(char::is_control), "{:?}", text);
        }
    }

    /// Goal: more failures never make it look better. Method: any counts, of now.
    #[test]
    fn the_level_rises_with_the_share_of_failures(all in 1..1_000_000_u64, bad in any::<u64>(), more in any::<u64>()) {
        let level = |bad| {
            let minutes = minutes(vec![service("shop", all, bad, 0)]);
            judge(&calm(Requests::Counted(&minutes))).list[0].level
        };
        let bad = bad % (all + 1);
        let worse = bad + more % (all - bad + 1);
        prop_assert!(level(bad) <= level(worse));
    }
}
