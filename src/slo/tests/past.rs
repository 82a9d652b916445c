//! Goal: a budget over time steps where it was spent and ends at the budget of now; alerts that are over are
//! remembered. Method: events at known times, and plain sums.

use super::*;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// Lets it be a moment, by both clocks.
fn now(evaluator: &mut Evaluator, ms: u64) {
    evaluator.look(ms, ms - T0 + 100 * DAY_MS);
}

/// Adds events of an objective without groups.
fn add(evaluator: &mut Evaluator, ms: u64, valid: u64, bad: u64) {
    assert!(evaluator.add("availability", &[], ms, EventCount { valid, bad }));
}

#[test]
fn a_budget_steps_where_it_was_spent_as_fine_as_events_are_kept() {
    let mut all = evaluator(vec![availability()]);
    let spent = [(T0, 10), (T0 + 9 * DAY_MS, 40), (T0 + 10 * DAY_MS, 20)];
    for (ms, bad) in spent {
        now(&mut all, ms);
        add(&mut all, ms, 100_000, bad);
    }
    let end_ms = T0 + 10 * DAY_MS + 30 * MINUTE_MS;
    now(&mut all, end_ms);
    let points = all.past("availability", &[]).unwrap();
    // 300 of 300 000 events may be bad.
    let left = |bad: f64| 1.0 - bad / 300.0;
    let mut steps: Vec<(u64, f64)> = Vec::new();
    for point in &points {
        if steps.last().is_none_or(|(_, left)| (left - point.left).abs() > 1e-9) {
            steps.push((point.time_ms, point.left));
        }
    }
    let want = [left(0.0), left(10.0), left(50.0), left(70.0)];
    let lefts: Vec<_> = steps.iter().map(|(_, left)| *left).collect();
    assert!(lefts.iter().zip(want).all(|(one, other)| (one - other).abs() < 1e-9), "{lefts:?}");
    assert_eq!(lefts.len(), want.len());
    for ((ms, _), (spent_ms, _), within_ms) in [
        (steps[1], spent[0], 12 * 60 * MINUTE_MS),
        (steps[2], spent[1], 30 * MINUTE_MS),
        (steps[3], spent[2], MINUTE_MS),
    ] {
        let late_ms = ms - spent_ms;
        assert!((1..=within_ms).contains(&late_ms), "{late_ms} ms after, at most {within_ms}");
    }
    assert!(points.is_sorted_by(|one, other| one.time_ms < other.time_ms), "{points:?}");
    assert_eq!(points.last().unwrap().time_ms, end_ms);
    let is_left = all.statuses()[0].budget.left;
    assert!((points.last().unwrap().left - is_left).abs() < 1e-9);
    assert!(points.len() < 500, "{}", points.len());
}

#[test]
fn a_period_of_the_calendar_begins_with_a_whole_budget_and_ends_with_that_of_now() {
    for (name, period, old_ms) in [
        ("a month", Period::Month { offset_minutes: 0 }, T0 - 20 * DAY_MS),
        ("a month elsewhere", Period::Month { offset_minutes: 330 }, T0 - 20 * DAY_MS),
        ("a week", Period::Week { offset_minutes: -300 }, T0 - 6 * DAY_MS),
    ] {
        let mut all = evaluator(vec![Objective { period, ..availability() }]);
        now(&mut all, T0);
        add(&mut all, old_ms, 10_000, 9_000); // of the period before
        add(&mut all, T0 - DAY_MS, 100_000, 30);
        let points = all.past("availability", &[]).unwrap();
        let (first, last) = (points[0], points[points.len() - 1]);
        assert!(
            (first.left - 1.0).abs() < 1e-9 && (last.left - 0.7).abs() < 1e-9,
            "{name}: {points:?}"
        );
        assert!((last.left - all.statuses()[0].budget.left).abs() < 1e-9, "{name}");
    }
}

#[test]
fn a_series_is_found_by_its_group_in_any_order_and_no_other_is() {
    let grouped = vec![Dimension::Endpoint, Dimension::Service];
    let mut all = evaluator(vec![Objective { group_by: grouped, ..availability() }]);
    now(&mut all, T0);
    let events = EventCount { valid: 1_000, bad: 0 };
    assert!(all.add("availability", &[b"h:1", b"shop"], T0, events));
    let name = |dimension, name: &str| (dimension, name.to_owned());
    let (endpoint, service) = (name(Dimension::Endpoint, "h:1"), name(Dimension::Service, "shop"));
    for (what, objective, group, is_known) in [
        ("as it is grouped", "availability", vec![endpoint.clone(), service.clone()], true),
        ("the other way round", "availability", vec![service.clone(), endpoint.clone()], true),
        ("a part of it", "availability", vec![service.clone()], false),
        ("another", "availability", vec![name(Dimension::Endpoint, "h:2"), service.clone()], false),
        ("none", "availability", vec![], false),
        ("of no objective", "latency", vec![endpoint, service], false),
    ] {
        assert_eq!(all.past(objective, &group).is_some(), is_known, "{what}");
    }
    assert_eq!(
        evaluator(vec![availability()]).past("availability", &[]),
        Some(vec![]),
        "no events"
    );
}

#[test]
fn questions_are_answered_and_bounded() {
    let statuses = Statuses::default();
    let answers: Vec<_> =
        (0..QUESTIONS_MAX).map(|_| statuses.ask("availability", Vec::new()).unwrap()).collect();
    assert!(statuses.ask("availability", Vec::new()).is_none(), "one more than fits");
    let mut all = evaluator(vec![availability()]);
    now(&mut all, T0);
    add(&mut all, T0, 1_000, 0);
    statuses.answer(&mut all);
    for answer in answers {
        assert!(answer.try_recv().unwrap().is_some_and(|points| !points.is_empty()));
    }
    assert!(statuses.ask("availability", Vec::new()).is_some(), "there is room again");
}

/// An outage of so many evaluations, and its end.
fn outage(all: &mut Evaluator, start_ms: u64) -> u64 {
    let (mut ms, before) = (start_ms, all.ended.back().map(|last| last.since_ms));
    for turn in 0..400 {
        ms = start_ms + turn * 10_000;
        now(all, ms);
        add(all, ms, 1_000, if turn < 30 { 1_000 } else { 0 });
        all.evaluate();
        if all.ended.back().map(|last| last.since_ms) != before {
            return ms;
        }
    }
    panic!("the alert did not end until {ms}");
}

#[test]
fn the_newest_alerts_that_are_over_are_remembered_over_a_start() {
    let page = || Objective { windows: availability().windows[..1].to_vec(), ..availability() };
    let mut all = evaluator(vec![page()]);
    let end_ms = outage(&mut all, T0);
    let [ended] = &*Evaluated::by(&mut all).ended else { panic!("{:?}", all.ended) };
    assert_eq!(ended.status, AlertStatus::Resolved { at_ms: end_ms });
    assert!(ended.since_ms > T0 && ended.since_ms < end_ms);
    let again = Evaluator::decode(&[Arc::new(page())], settings(), &bytes(&all)).unwrap();
    assert_eq!(again.ended, all.ended);
    // As many as there is room for, and one more.
    let one = Arc::clone(&all.ended[0]);
    all.ended.extend(std::iter::repeat_n(one, ENDED_MAX - 1));
    outage(&mut all, end_ms + DAY_MS);
    assert_eq!(all.ended.len(), ENDED_MAX);
    assert!(all.ended.back().unwrap().since_ms > end_ms + DAY_MS, "the newest is kept");
}

#[test]
fn a_series_is_as_serious_as_its_worst_alert_or_its_budget() {
    let test = Trigger::Test;
    let fires = AlertState::Firing { since_ms: T0, trigger: test, clean_ms: 0 };
    let pends = AlertState::Pending { evaluations: 1 };
    let calm = AlertState::Inactive;
    let page = Some((Duration::from_mins(5), Severity::Page));
    for (name, valid, left, [ticket, page_alert], absent, no_data, want) in [
        ("no events", 0, 1.0, [calm, calm], calm, None, Level::Unknown),
        ("all well", 9, 0.5, [calm, calm], calm, None, Level::Ok),
        ("spent", 9, 0.0, [calm, calm], calm, None, Level::Warn),
        ("a pending page", 9, 0.5, [calm, pends], calm, None, Level::Note),
        ("a ticket", 9, 0.5, [fires, calm], calm, None, Level::Warn),
        ("a page", 9, 0.5, [fires, fires], calm, None, Level::Hurt),
        ("silence", 0, 1.0, [calm, calm], fires, None, Level::Warn),
        ("silence that pages", 0, 1.0, [calm, calm], fires, page, Level::Hurt),
    ] {
        let no_data = NoData { after: no_data, firing: Silence::Keep };
        let mut all = evaluator(vec![Objective { no_data, ..availability() }]);
        now(&mut all, T0);
        let mut status = all.statuses().remove(0);
        status.budget = Budget { count: EventCount { valid, bad: 0 }, left };
        (status.alerts, status.absent) = ([ticket, page_alert], absent);
        assert_eq!(status.level(), want, "{name}");
    }
}
