//! Goal: windows of a series are what adding up the events themselves gives. Method: random events over
//! days, some late, beside a plain map.

use std::collections::BTreeMap;

use super::super::bytes::{Input, Output};
use super::super::series::Series;
use super::super::tier::EventCount;
use super::Random;

const START: u32 = 30_000_000;
const DAYS_30: u32 = 30 * 24 * 60;

/// Events of a window that ends in `now`, in whole cells of `width` minutes.
fn truth(events: &BTreeMap<u32, EventCount>, now: u32, minutes: u32, width: u32) -> EventCount {
    let first = (now / width + 1 - minutes.div_ceil(width)) * width;
    let mut sum = EventCount::default();
    events.range(first..).for_each(|(_, count)| sum.add(*count));
    sum
}

#[test]
fn every_window_is_the_sum_of_its_minutes() {
    let mut random = Random(7);
    let (mut series, mut events) = (Series::new(DAYS_30), BTreeMap::<u32, EventCount>::new());
    for now in START..START + 40 * 24 * 60 {
        for _ in 0..random.below(4) {
            let late = if random.below(10) == 0 { random.below(500) } else { random.below(2) };
            let minute = now - u32::try_from(late).unwrap();
            let is_good = random.below(5) > 0;
            assert!(series.count(minute, EventCount::one(is_good)));
            events.entry(minute).or_default().add(EventCount::one(is_good));
        }
        if random.below(97) == 0 {
            series.settle();
            for (minutes, width) in
                [(5, 1), (60, 1), (120, 5), (360, 5), (1_440, 30), (4_320, 30), (DAYS_30, 720)]
            {
                let want = truth(&events, now, minutes, width);
                assert_eq!(series.sum(now, minutes), want, "{minutes} minutes up to {now}");
            }
        }
    }
}

#[test]
fn what_no_tier_reaches_is_refused_and_a_silence_empties_windows() {
    let mut series = Series::new(DAYS_30);
    assert!(series.count(START, EventCount::one(false)));
    assert!(
        series.count(START - DAYS_30, EventCount::one(false)),
        "the longest tier is a cell longer"
    );
    assert!(!series.count(START - DAYS_30 - 2 * 720, EventCount::one(false)));
    series.settle();
    assert_eq!(series.sum(START + 59, 60), EventCount::one(false));
    assert_eq!(series.sum(START + 60, 60), EventCount::default());
    assert_eq!(series.sum(START + 2 * DAYS_30, DAYS_30), EventCount::default());
    assert!(series.count(START + 2 * DAYS_30, EventCount::one(true)), "and on it goes");
    series.settle();
    assert_eq!(series.sum(START + 2 * DAYS_30, DAYS_30), EventCount::one(true));
}

#[test]
fn windows_stay_as_they_are_when_the_clock_jumps() {
    for minutes in [90_i64, -90, 30 * 24 * 60, -30 * 24 * 60] {
        let mut series = Series::new(DAYS_30);
        (0..600).for_each(|age| assert!(series.count(START - age, EventCount::one(age % 3 == 0))));
        series.settle();
        let windows = [5, 60, 360, 4_320];
        let before = windows.map(|window| series.sum(START, window));
        series.shift(minutes);
        let now = u32::try_from(i64::from(START) + minutes).unwrap();
        for (window, before) in windows.into_iter().zip(before) {
            let after = series.sum(now, window);
            let moved = after.valid.abs_diff(before.valid);
            assert!(moved <= u64::from(if window > 360 { 30_u32 } else { 5 }), "{window}: {moved}");
        }
    }
}

#[test]
fn a_calendar_period_begins_anew_at_its_start() {
    let mut series = Series::new(DAYS_30);
    (0..90)
        .for_each(|minute| assert!(series.count(START + minute, EventCount::one(minute % 2 == 0))));
    series.settle();
    assert_eq!(series.since_start(START + 60).valid, 30, "the last hour to the minute");
    assert!(series.count(START + 50, EventCount::one(true)), "late, of the period before");
    assert!(series.count(START + 61, EventCount::one(false)), "late, of this one");
    series.settle();
    assert_eq!(series.since_start(START + 60), EventCount { valid: 31, bad: 16 });
    assert_eq!(series.since_start(START + 90), EventCount::default());
}

#[test]
fn events_are_owed_to_rows_once_each_late_ones_too() {
    let mut series = Series::new(DAYS_30);
    let owed = |series: &mut Series, now| {
        series.settle();
        let mut rows = Vec::new();
        series.take_unwritten(now, |minute, is_late, count| {
            rows.push((minute - START, is_late, count.valid));
        });
        rows
    };
    for minute in [0, 0, 1] {
        assert!(series.count(START + minute, EventCount::one(true)));
    }
    assert_eq!(owed(&mut series, START + 1), [(0, false, 2)]);
    assert!(series.count(START, EventCount::one(true)));
    assert_eq!(owed(&mut series, START + 2), [(0, true, 1), (1, false, 1)]);
    assert_eq!(owed(&mut series, START + 9), []);
}

#[test]
fn a_series_comes_back_from_a_state_as_it_was() {
    let mut random = Random(3);
    let mut series = Series::new(DAYS_30);
    for minute in 0..9_000 {
        assert!(series.count(START + minute, EventCount::one(random.below(9) > 0)));
    }
    let _ = series.since_start(START + 100);
    let mut out = Output::default();
    series.encode(&mut out);
    let back = Series::new(DAYS_30).decode(&mut Input(&out.0)).unwrap();
    let windows = |mut series: Series| {
        series.settle();
        [5, 60, 360, 4_320, DAYS_30].map(|window| series.sum(START + 9_000, window))
    };
    assert_eq!(windows(back), windows(series.clone()));
    let longer = Series::new(90 * 24 * 60).decode(&mut Input(&out.0)).unwrap();
    assert_eq!(windows(longer), windows(series.clone()), "the period became longer");
    let shorter = Series::new(24 * 60).decode(&mut Input(&out.0)).unwrap();
    assert_eq!(windows(shorter)[..3], windows(series)[..3], "or shorter");
    for cut in [0, 1, 20, out.0.len() / 2, out.0.len() - 1] {
        assert!(Series::new(DAYS_30).decode(&mut Input(&out.0[..cut])).is_err(), "cut at {cut}");
    }
}

#[test]
fn two_series_become_one() {
    let (mut one, mut two, mut both) =
        (Series::new(DAYS_30), Series::new(DAYS_30), Series::new(DAYS_30));
    for minute in 0..3_000 {
        let to = if minute % 3 == 0 { &mut one } else { &mut two };
        assert!(to.count(START + minute, EventCount::one(minute % 7 > 0)));
        assert!(both.count(START + minute, EventCount::one(minute % 7 > 0)));
    }
    one.merge(two);
    both.settle();
    for window in [5, 60, 360, 4_320, DAYS_30] {
        assert_eq!(one.sum(START + 3_000, window), both.sum(START + 3_000, window), "{window}");
    }
}
