//! Any objective that the types allow.

use std::time::Duration;

use proptest::option;
use proptest::prelude::*;

use crate::query::Filter;
use crate::slo::{
    BurnWindow, Dimension, Indicator, Maintenance, NoData, Objective, Period, Severity, Silence,
    TargetShare,
};

/// Texts with what YAML and variables might take for something else.
const LINE: &str = "[a-zé#:{}\\[\\]\"'\\\\$|>&*%-]([a-z #:{}\"'\\\\$,]{0,20}[a-z${}\"'\\\\])?";

fn minutes(least: u64, most: u64) -> impl Strategy<Value = Duration> {
    (least..=most).prop_map(Duration::from_mins)
}

fn period() -> impl Strategy<Value = Period> {
    let offset = -12 * 60..=14 * 60_i16;
    prop_oneof![
        minutes(60, 90 * 24 * 60).prop_map(Period::Rolling),
        offset.clone().prop_map(|offset_minutes| Period::Month { offset_minutes }),
        offset.prop_map(|offset_minutes| Period::Week { offset_minutes }),
    ]
}

fn indicator() -> impl Strategy<Value = Indicator> {
    let valid = prop_oneof![
        Just("stream = access and outcome != unknown"),
        Just("stream = access and (path = \"/a b*\" or agent ~ \"x'\\\"y\")"),
    ];
    let good =
        prop_oneof![Just("outcome = success"), Just("not status = 5xx and duration <= 300ms")];
    let bound = option::of((1..3_600_000_u64).prop_map(Duration::from_millis));
    (valid, good, bound).prop_map(|(valid, good, bound)| Indicator {
        valid: Filter::parse(valid).unwrap(),
        good: Filter::parse(good).unwrap(),
        bound,
    })
}

/// Windows that can fire, in order.
fn windows(period: Period, target: TargetShare) -> impl Strategy<Value = Vec<BurnWindow>> {
    let most = period.length().as_secs() / 60;
    let severity = prop_oneof![Just(Severity::Page), Just(Severity::Ticket)];
    let window = (2..=most, any::<u64>(), 1..=1_000_000_u32, severity).prop_map(
        |(long, short, budget_ppm, severity)| BurnWindow {
            budget_ppm,
            long: Duration::from_mins(long),
            short: Duration::from_mins(1 + short % (long - 1)),
            severity,
        },
    );
    proptest::collection::vec(window, 0..=8).prop_map(move |mut windows| {
        windows.retain(|window| window.is_reachable(period, target));
        windows.sort_by_key(|window| (window.long, window.short));
        windows.dedup_by_key(|window| (window.long, window.short));
        windows
    })
}

fn no_data() -> impl Strategy<Value = NoData> {
    let severity = prop_oneof![Just(Severity::Page), Just(Severity::Ticket)];
    let firing = prop_oneof![Just(Silence::Keep), Just(Silence::Resolve)];
    (option::of((minutes(1, 7 * 24 * 60), severity)), firing)
        .prop_map(|(after, firing)| NoData { after, firing })
}

fn maintenance() -> impl Strategy<Value = Maintenance> {
    let every = option::of(minutes(3, 366 * 24 * 60));
    (0..4_000_000_000_000_u64, 1..100_000_u64, every).prop_map(|(start_ms, length, every)| {
        Maintenance { start_ms, end_ms: start_ms + length, every }
    })
}

pub(super) fn objective() -> impl Strategy<Value = Objective> {
    let target = (1..1_000_000_u32).prop_map(|ppm| TargetShare::from_ppm(ppm).unwrap());
    let promise = (period(), target)
        .prop_flat_map(|(period, target)| (Just(period), Just(target), windows(period, target)));
    let texts = ("[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", LINE, LINE, LINE);
    let link = option::of("https?://[a-z]{1,9}/[a-z#?=&]{0,9}");
    let dimensions = Dimension::ALL.map(|(dimension, _)| dimension).to_vec();
    let group_by = proptest::sample::subsequence(dimensions, 0..=3).prop_shuffle();
    let lists = (
        group_by,
        proptest::collection::vec(LINE, 0..4),
        proptest::collection::vec(maintenance(), 0..3),
    );
    let counts = (0..1_000_000_000_u64, 1..1_000_000_000_u64);
    let people = (option::of(LINE), link.clone(), link);
    (texts, indicator(), promise, counts, no_data(), lists, people).prop_map(
        |(texts, indicator, promise, counts, no_data, lists, people)| {
            let (name, title, description, service) = texts;
            let (period, target, windows) = promise;
            let (min_total, min_bad) = counts;
            let (group_by, notify, maintenance) = lists;
            let (owner, runbook, dashboard) = people;
            Objective {
                name,
                title,
                description,
                service,
                owner,
                runbook,
                dashboard,
                indicator,
                target,
                period,
                group_by,
                windows,
                min_total,
                min_bad,
                no_data,
                notify,
                maintenance,
            }
        },
    )
}
