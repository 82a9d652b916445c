//! Goal: nothing grows without a bound, and what is beyond it is still counted. Also what a window is.

use std::collections::HashSet;

use proptest::prelude::*;

use super::super::core::{OPEN_MAX, row_id};
use super::super::state::FORM;
use super::super::table::{RESTS_MAX, ROWS_MAX};
use super::super::totals::{Key, OTHER};
use super::super::{Span, Totals};
use super::*;
use crate::consumer::{PENDING_MAX, StateError};

/// Adds `exchanges` in order, all from one lane.
fn observe(core: &mut Core, exchanges: &[Exchange], now_ms: u64) {
    let first = core.lanes.next((1, 1, 0));
    for (seq, exchange) in (first..).zip(exchanges) {
        core.observe((1, 1, 0), seq, &exchange.record(), now_ms);
    }
}

fn exchange(time_ms: u64) -> Exchange {
    Exchange { time_ms, name: 0, duration_us: 1_000, status: 200 }
}

#[test]
fn a_window_is_closed_after_its_end_and_the_grace_and_an_idle_one_leaves_nothing() {
    let mut core = Core::new(RULES);
    observe(&mut core, &[exchange(T0), exchange(T0 + 59_999), exchange(T0 + 60_000)], T0);
    for (name, now_ms, closed) in [
        ("its end", T0 + 60_000, 0),
        ("within the grace", T0 + 61_999, 0),
        ("after the grace", T0 + 62_000, 1),
        ("nothing new", T0 + 121_999, 0),
        ("the next", T0 + 122_000, 1),
        ("idle minutes", T0 + 6_000_000, 0),
    ] {
        let windows = core.close_due(now_ms);
        assert_eq!(windows.len(), closed, "{name}");
    }
    let counts: Vec<_> = drain(&mut core)
        .iter()
        .map(|row| Totals::decode(row).unwrap())
        .map(|(span, _, totals)| (span.start_ms - T0, span.part, totals.requests))
        .collect();
    assert_eq!(counts, [(0, 0, 2), (60_000, 0, 1)]);
}

#[test]
fn a_record_for_a_closed_window_goes_to_a_part_of_its_own() {
    let mut core = Core::new(RULES);
    let mut parts = Vec::new();
    for now_ms in [T0 + 62_000, T0 + 70_000, T0 + 80_000] {
        observe(&mut core, &[exchange(T0 + 1)], now_ms - 2_000);
        core.close_due(now_ms);
        for row in drain(&mut core) {
            let (Span { start_ms, part, .. }, _, totals) = Totals::decode(&row).unwrap();
            assert_eq!((start_ms, totals.requests), (T0, 1));
            parts.push(part);
        }
    }
    assert_eq!(parts, [0, 1, 2]);
    assert_eq!((core.counted().records, core.counted().late), (3, 2));
}

#[test]
fn numbers_that_were_taken_are_not_taken_again() {
    let mut core = Core::new(RULES);
    for seq in [1, 2, 2, 1, 3] {
        core.observe((1, 1, 0), seq, &exchange(T0).record(), T0);
    }
    core.observe((1, 2, 0), 1, &exchange(T0).record(), T0);
    assert_eq!(core.counted().records, 4, "an epoch counts for itself");
}

#[test]
fn a_record_counts_the_same_when_only_what_is_needed_is_decoded() {
    for name in 0..NAMES.len() {
        let exchange = Exchange { name, ..exchange(T0) };
        let mut slot = [0; 1_024];
        let used = exchange.record().encode(&mut slot).unwrap();
        let mut core = Core::new(RULES);
        core.take((1, 1, 0), 1, &slot[..used], T0).unwrap();
        core.close_all();
        assert_eq!(sums(&drain(&mut core)), truth([&exchange]));
    }
}

#[test]
fn windows_open_at_a_time_are_bounded_and_add_up_all_the_same() {
    let mut core = Core::new(RULES);
    let many: Vec<_> = (0..10 * OPEN_MAX as u64)
        .map(|n| exchange(T0 + n * 7_919 % 400 * 60_000)) // to and fro
        .collect();
    observe(&mut core, &many, T0);
    assert!(core.open_count() <= OPEN_MAX);
    core.close_all();
    let rows = drain(&mut core);
    let ids: HashSet<_> = rows.iter().map(|row| row_id(row).unwrap()).collect();
    assert_eq!(ids.len(), rows.len(), "no part twice");
    assert_eq!(sums(&rows), truth(&many));
}

#[test]
fn rows_that_find_no_space_are_bounded_and_counted() {
    let mut core = Core::new(RULES);
    let many: Vec<_> = (0..PENDING_MAX as u64 + 10).map(|n| exchange(T0 + n * 60_000)).collect();
    observe(&mut core, &many, T0);
    core.close_all();
    assert_eq!((core.pending().count(), core.counted().rows_lost), (PENDING_MAX, 10));
}

/// Adds a request of this service, route and endpoint.
fn observe_names(core: &mut Core, seq: u64, service: &str, route: &str) {
    let record = AccessRecord {
        service: Some(Text(service.as_bytes())),
        route: Some(Text(route.as_bytes())),
        endpoint: Some(Text(b"e")),
        ..exchange(T0).record()
    };
    core.observe((1, 1, 0), seq, &record, T0);
}

#[test]
fn beyond_the_limit_the_largest_rows_stay_and_the_rest_is_other_of_its_service() {
    let mut core = Core::new(RULES);
    let mut seq = 0;
    for round in 0..20 {
        for route in 0..1_000 {
            // Ten large routes among a thousand small ones, met in another order each time.
            let route = (route * 7 + round * 37) % 1_000;
            for _ in 0..if route % 100 == 7 { 10 } else { 1 } {
                seq += 1;
                observe_names(&mut core, seq, "shop", &format!("/{route}"));
            }
        }
    }
    let [window] = <[_; 1]>::try_from(core.close_all()).unwrap();
    assert!(window.rows.len() <= ROWS_MAX + 1, "{} rows", window.rows.len());
    assert_eq!(window.rows.iter().map(|(_, totals)| totals.requests).sum::<u64>(), seq);
    let rest = window.rows.iter().find(|(key, _)| key.is_rest()).unwrap();
    assert_eq!(rest.0.names(), [Some(b"shop".as_slice()), Some(OTHER), Some(OTHER)]);
    assert_eq!(core.counted().other, rest.1.requests);
    let is_large = |route: &[u8]| route.ends_with(b"07") || route == b"/7";
    let large = |key: &Key| key.names()[1].is_some_and(is_large);
    let kept = window.rows.iter().filter(|(key, totals)| large(key) && totals.requests == 200);
    assert_eq!(kept.count(), 10);
}

#[test]
fn a_key_with_many_requests_is_never_folded_away() {
    let mut core = Core::new(RULES);
    let mut seq = 0;
    for route in 0..5_000 {
        for name in [format!("/small/{route}"), "/large".to_owned()] {
            seq += 1;
            observe_names(&mut core, seq, "shop", &name);
        }
    }
    let [window] = <[_; 1]>::try_from(core.close_all()).unwrap();
    let large = window.rows.iter().find(|(key, _)| key.names()[1] == Some(b"/large")).unwrap();
    assert_eq!(large.1.requests, 5_000);
}

#[test]
fn services_without_number_share_one_other() {
    let mut core = Core::new(RULES);
    for service in 0..5_000_u64 {
        observe_names(&mut core, service + 1, &format!("s{service}"), "/");
    }
    let [window] = <[_; 1]>::try_from(core.close_all()).unwrap();
    assert!(window.rows.len() <= ROWS_MAX + RESTS_MAX + 1, "{} rows", window.rows.len());
    assert_eq!(window.rows.iter().map(|(_, totals)| totals.requests).sum::<u64>(), 5_000);
    assert!(window.rows.iter().any(|(key, _)| *key == Key::rest_of(Some(OTHER))));
}

#[test]
fn a_state_comes_back_whole_or_not_at_all() {
    let mut core = Core::new(RULES);
    observe(&mut core, &[exchange(T0), exchange(T0 + 60_000)], T0);
    core.close_due(T0 + 62_000);
    let save = |core: &Core| FORM.seal(1, |out| core.encode(out));
    let load = |bytes: &[u8]| {
        let (_, _, mut body) = FORM.open(bytes)?;
        Core::decode(RULES, &mut body, T0 + 62_000)
    };
    let saved = save(&core);
    let mut loaded = load(&saved).unwrap();
    assert_eq!((loaded.open_count(), loaded.pending().count()), (1, 1));
    assert_eq!(save(&loaded), saved);
    loaded.observe((1, 1, 0), 1, &exchange(T0).record(), T0);
    assert_eq!(loaded.counted().records, 0, "the position is part of it");
    for at in 0..saved.len() {
        let mut bytes = saved.clone();
        bytes[at] ^= 1;
        let damaged = load(&bytes).unwrap_err();
        assert_eq!(damaged, StateError::Damaged, "byte {at}");
        let cut = load(&saved[..at]).unwrap_err();
        assert_eq!(cut, StateError::Damaged, "cut at {at}");
    }
}

/// Goal: an update goes on from the state of the version before, and a step back from ours. Method: the
/// file that version 0.1.0 left.
#[test]
fn a_state_of_an_earlier_version_is_read_and_written_as_it_was() {
    let bytes = include_bytes!("../../../tests/fixtures/journal-text-ids/journal/rollup-state");
    let (version, generation, mut body) = FORM.open(bytes).unwrap();
    let mut core = Core::decode(RULES, &mut body, T0).unwrap();
    assert!(body.is_empty(), "nothing is left over");
    assert_eq!(version, 1);
    assert!(core.open_count() + core.pending().count() > 0, "it says something");
    assert_eq!(FORM.seal(generation, |out| core.encode(out)), bytes);
}

#[test]
fn after_a_lost_state_no_part_is_used_again() {
    let mut core = Core::after_loss(RULES, T0 + 30_000, 7 << 32);
    observe(&mut core, &[exchange(T0), exchange(T0 + 60_000), exchange(T0 + 120_000)], T0 + 30_000);
    let parts: Vec<_> = core.close_all().iter().map(|window| window.span.part).collect();
    assert_eq!(parts, [7 << 32, (7 << 32) + 1, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Goal: a row says the same in the journal. Method: encode, decode, compare.
    #[test]
    fn totals_come_back_from_their_record(
        durations in proptest::collection::vec((0..10_000_000_u64, 0..700_u16), 0..300),
        part in any::<u64>(),
    ) {
        let span = Span { start_ms: T0, length_ms: 60_000, part };
        let mut totals = Totals::default();
        for (duration_us, status) in durations {
            totals.add(&Exchange { time_ms: T0, name: 0, duration_us, status }.record());
        }
        for name in 0..NAMES.len() {
            let key = Exchange { name, ..exchange(T0) }.key();
            let payload = totals.encode(span, &key).unwrap();
            prop_assert_eq!(Totals::decode(&payload), Ok((span, key, totals.clone())));
        }
    }
}
