//! Goal: a back-test tells what the live evaluation tells, of the time that is asked about, and no more. Method:
//! the same records for both, the live one with a clock of its own; planted outages, pauses and edges of time.

use super::traffic::World;
use super::*;
use crate::record::{AccessRecord, Outcome, Reason, Status, Stream, Text, TimestampMs};

const MINUTE: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE;

/// The record of a request that ends then.
fn with_request(time_ms: u64, is_good: bool, visit: impl FnOnce(&[u8])) {
    let record = AccessRecord {
        timestamp: Some(TimestampMs(time_ms)),
        endpoint: Some(Text(if is_good { b"10.0.0.1:80" } else { b"10.0.0.2:80" })),
        reason: Some(Reason::Complete),
        status: Some(Status(if is_good { 200 } else { 503 })),
        outcome: Some(if is_good { Outcome::Success } else { Outcome::Failure }),
        ..AccessRecord::default()
    };
    let mut slot = [0; 256];
    let used = record.encode(&mut slot).unwrap();
    visit(&slot[..used]);
}

/// A request a second for so long, all bad while `is_bad` says so, by the second.
fn requests(seconds: u64, is_bad: impl Fn(u64) -> bool) -> impl Iterator<Item = (u64, bool)> {
    (0..seconds).map(move |second| (T0 + second * 1_000, !is_bad(second)))
}

fn backtest(objectives: Vec<Objective>, from_ms: Option<u64>, to_ms: Option<u64>) -> Backtest {
    let objectives: Vec<_> = objectives.into_iter().map(Arc::new).collect();
    let settings = BacktestSettings { evaluator: settings(), from_ms, to_ms, now_ms: u64::MAX };
    Backtest::new(&objectives, settings)
}

fn feed(test: &mut Backtest, requests: impl Iterator<Item = (u64, bool)>) {
    for (time_ms, is_good) in requests {
        with_request(time_ms, is_good, |payload| {
            test.take(time_ms, Stream::Access, payload, ORIGIN);
        });
    }
}

/// Severity, seconds after the start at which it fired and ended.
fn fired(found: &Tested) -> Vec<(Severity, u64, Option<u64>)> {
    let seconds = |ms: u64| (ms - T0) / 1_000;
    let firings = found.firings.iter();
    firings.map(|f| (f.severity, seconds(f.since_ms), f.until_ms.map(seconds))).collect()
}

/// Two outages within four hours.
fn outages(second: u64) -> bool {
    (3_600..3_900).contains(&second) || (9_000..9_030).contains(&second)
}

#[test]
fn it_fires_and_ends_when_the_live_evaluation_does() {
    let all = || requests(4 * 3_600, outages);
    // Live: a turn each second, an evaluation each tenth, at other moments than those of the back-test.
    let mut live = evaluator(vec![availability()]);
    let mut told = Vec::new();
    for (second, (time_ms, is_good)) in all().enumerate() {
        live.look(time_ms + 400, time_ms - T0);
        with_request(time_ms, is_good, |payload| {
            live.take(Stream::Access, payload, ORIGIN).unwrap();
        });
        if second % 10 == 4 {
            live.evaluate();
            told.extend_from_slice(live.notices());
            live.given(usize::MAX);
        }
    }
    let mut test = backtest(vec![availability()], None, None);
    feed(&mut test, all());
    let found = test.finish();
    let [tested] = found.objectives.as_slice() else { panic!("one objective") };
    assert!(told.len() >= 3, "{told:#?}");
    for notice in &told {
        let same = tested.firings.iter().find(|f| {
            f.severity == notice.severity && f.since_ms.abs_diff(notice.since_ms) <= 10_000
        });
        let same = same.unwrap_or_else(|| panic!("{notice:#?}\n{:#?}", tested.firings));
        if let AlertStatus::Resolved { at_ms } = notice.status {
            assert!(same.until_ms.unwrap().abs_diff(at_ms) <= 10_000, "{same:#?}");
        }
        assert_eq!(same.top.endpoint.as_deref(), Some("10.0.0.2:80"));
    }
    let fires = told.iter().filter(|notice| notice.status == AlertStatus::Firing).count();
    assert_eq!(tested.firings.len(), fires);
    // What is counted, and of whom.
    assert_eq!(tested.count(), EventCount { valid: 4 * 3_600, bad: 330 });
    let [endpoints, routes, reasons] = tested.spenders.most(5);
    assert_eq!(endpoints, [("10.0.0.2:80".to_owned(), 330)]);
    assert_eq!((routes, reasons), (vec![], vec![("503".to_owned(), 330)]));
    assert_eq!(tested.account().spent, 330);
    // To the first page belong all events of the first outage.
    let page = tested.firings.iter().find(|firing| firing.severity == Severity::Page).unwrap();
    assert_eq!(page.bad, 300, "{:#?}", tested.firings);
}

/// Goal: the counts of thin minutes are exact. Method: half an hour of the same minute.
#[test]
fn a_minute_of_few_events_is_counted_whole() {
    for (valid, bad) in [(3, 2), (4, 3), (1, 1), (1, 0), (5, 5), (601, 7)] {
        let mut test = backtest(vec![availability()], None, None);
        for minute in 0..30 {
            let events = ("availability", &[][..], EventCount { valid, bad });
            test.add_minute(T0 + minute * MINUTE, &[events].into_iter());
        }
        let count = test.finish().objectives[0].count();
        assert_eq!(count, EventCount { valid: 30 * valid, bad: 30 * bad }, "{valid}, {bad}");
    }
}

#[test]
fn what_came_before_the_time_counts_for_windows_and_is_not_told() {
    let all = || requests(4 * 3_600, outages);
    let mut whole = backtest(vec![availability()], None, None);
    feed(&mut whole, all());
    let whole = fired(&whole.finish().objectives[0]);
    // From the middle of the first page to behind it.
    let page = *whole.iter().find(|(severity, ..)| *severity == Severity::Page).unwrap();
    let (_, since, until) = page;
    let from_s = (since / 60 + 1) * 60;
    let to_s = until.unwrap().div_ceil(60) * 60 + 600;
    let at = |second: u64| Some(T0 + second * 1_000);
    let mut test = backtest(vec![availability()], at(from_s), at(to_s));
    feed(&mut test, all());
    let found = test.finish();
    assert_eq!((found.from_ms, found.to_ms), (T0 + from_s * 1_000, T0 + to_s * 1_000));
    let tested = &found.objectives[0];
    assert!(fired(tested).contains(&page), "it began before: {:?}", fired(tested));
    let bad = (from_s..3_900).count() as u64;
    assert_eq!(tested.count(), EventCount { valid: to_s - from_s, bad });
    assert_eq!(found.records, to_s - from_s);
    assert_eq!(tested.spenders.bad, bad);
    let left = tested.account();
    assert_eq!(left.spent, 300, "the budget is that of the period, not of the time");
    // What was over before is not told.
    let mut test = backtest(vec![availability()], at(to_s), None);
    feed(&mut test, all());
    let late = fired(&test.finish().objectives[0]);
    assert!(!late.contains(&page), "{late:?}");
    assert!(late.iter().all(|row| whole.contains(row)), "{late:?} of {whole:?}");
}

/// Goal: a proxy that was stopped is no silence. Method: an hour between two starts, and an objective that tells of
/// ten minutes without an event.
#[test]
fn nobody_watched_while_no_process_ran() {
    let silent = || {
        let after = Some((Duration::from_mins(10), Severity::Page));
        vec![Objective { no_data: NoData { after, firing: Silence::Keep }, ..availability() }]
    };
    let day = || {
        requests(7_200, |_| false).filter(|(time, _)| !(600_000..4_200_000).contains(&(time - T0)))
    };
    for (name, is_stopped, want) in [("silence", false, 1), ("stopped", true, 0)] {
        let mut test = backtest(silent(), None, None);
        feed(&mut test, day().take(600));
        if is_stopped {
            test.pass_over(T0 + 4_200_000);
        }
        feed(&mut test, day().skip(600));
        let found = test.finish();
        let firings = &found.objectives[0].firings;
        assert_eq!(
            firings.iter().filter(|firing| firing.is_silence()).count(),
            want,
            "{name}: {firings:#?}"
        );
    }
}

/// Goal: minutes that were counted elsewhere give the same, to a minute. Method: the same day as records and as
/// minutes.
#[test]
fn minutes_give_the_alerts_of_their_records() {
    let mut records = backtest(vec![availability()], None, None);
    feed(&mut records, requests(4 * 3_600, outages));
    let mut minutes = backtest(vec![availability()], None, None);
    for minute in 0..4 * 60 {
        let bad = (minute * 60..(minute + 1) * 60).filter(|second| outages(*second)).count() as u64;
        let events = EventCount { valid: 60, bad };
        let row: (&str, &[&[u8]], _) = ("availability", &[], events);
        minutes.add_minute(T0 + minute * MINUTE, &std::iter::once(row));
    }
    let (records, minutes) = (records.finish(), minutes.finish());
    let (one, other) = (&records.objectives[0], &minutes.objectives[0]);
    assert_eq!(one.count(), other.count());
    let (one, other) = (fired(one), fired(other));
    assert_eq!(one.len(), other.len(), "{one:?} {other:?}");
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one.0, other.0);
        assert!(one.1.abs_diff(other.1) <= 60, "{one:?} {other:?}");
        assert!(one.2.zip(other.2).is_none_or(|(one, other)| one.abs_diff(other) <= 60));
    }
}

#[test]
fn edges_of_time_are_told_and_cost_nothing() {
    // A clock that stood at 1970, then years of nothing, then two minutes, then one that runs ahead.
    let settings = BacktestSettings {
        evaluator: settings(),
        from_ms: None,
        to_ms: None,
        now_ms: T0 + HOUR_MS,
    };
    let mut test = Backtest::new(&[Arc::new(availability())], settings);
    let times = [5_000, T0, T0 + MINUTE, T0 + 2 * MINUTE, T0 + 100 * HOUR_MS];
    feed(&mut test, times.into_iter().map(|time| (time, true)));
    let found = test.finish();
    assert_eq!((found.ahead, found.records), (1, 4));
    assert_eq!(found.objectives[0].firings, []);
    // Nothing at all.
    let nothing = backtest(vec![availability()], Some(T0), Some(T0 + HOUR_MS)).finish();
    let tested = &nothing.objectives[0];
    assert_eq!((tested.count(), tested.firings.len()), (EventCount::default(), 0));
    assert_eq!(tested.left(), None, "nobody knows");
    let nothing = backtest(vec![availability()], None, None).finish();
    assert_eq!((nothing.from_ms, nothing.to_ms), (0, 0));
}

#[test]
fn two_sets_are_compared_by_the_names_of_their_objectives() {
    let tight = || Objective { target: TargetShare::from_ppm(999_900).unwrap(), ..availability() };
    let run = |objectives| {
        let mut test = backtest(objectives, None, None);
        // Five bad requests, and six hours later an outage.
        feed(
            &mut test,
            requests(8 * 3_600, |second| second % 1_800 == 7 || (25_000..25_100).contains(&second)),
        );
        test.finish()
    };
    let (before, after) = (
        run(vec![availability(), latency()]),
        run(vec![tight(), objective("other", "outcome = success", 990_000)]),
    );
    let found = differences(&before, &after);
    let names: Vec<_> = found
        .iter()
        .map(|one| (one.name.as_str(), one.before.is_some(), one.after.is_some()))
        .collect();
    assert_eq!(
        names,
        [("availability", true, true), ("latency", true, false), ("other", false, true)]
    );
    let (before, after) = (found[0].before.unwrap(), found[0].after.unwrap());
    assert!(after.page_ms > before.page_ms && before.pages == 1, "{before:?} {after:?}");
    assert!(after.budget_left < before.budget_left);
}

/// Goal: a month of minutes is quick. Method: three days of day and night for two objectives; the time of this build
/// is printed, `bench/record_path.rs` has that of an optimised one.
#[test]
fn days_of_minutes_are_tested_in_seconds() {
    let start = std::time::Instant::now();
    let mut test = backtest(vec![availability(), latency()], None, None);
    let mut random = Random(7);
    for minute in 0..3 * 1_440 {
        let start_ms = T0 + minute * MINUTE;
        let World { rate, failing, .. } = super::traffic::healthy_day(&mut random, start_ms);
        let valid = random.requests(rate) * 6;
        let events = EventCount { valid, bad: random.binomial(valid, failing) };
        let rows: [(&str, &[&[u8]], _); 2] =
            [("availability", &[], events), ("latency", &[], events)];
        test.add_minute(start_ms, &rows.into_iter());
    }
    let found = test.finish();
    let took = start.elapsed();
    println!("3 days of minutes, 2 objectives: {took:?}");
    assert!(took < Duration::from_mins(1), "{took:?}");
    assert_eq!(found.records, 3 * 1_440);
    let series = &found.objectives[0].series[0];
    assert_eq!(found.objectives[0].totals(found.from_ms, found.to_ms).pages, 0);
    assert!(series.points.iter().count() <= POINTS_MAX);
}
