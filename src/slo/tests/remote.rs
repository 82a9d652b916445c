//! Goal: who adds up what instances counted judges as one who saw every record, and alerts go on when
//! another takes over who has read the counts again. Method: evaluators that count, and one that is given
//! their records.

use std::collections::BTreeMap;

use super::counting::take;
use super::*;
use crate::record::{Outcome, SloRecord};

/// With the fastest row of windows alone: one alert.
fn paged() -> Objective {
    let windows = availability().windows[..1].to_vec();
    Objective { windows, ..availability() }
}

/// One who watches, with its time in seconds since T0.
struct Watcher {
    evaluator: Evaluator,
    seconds: u64,
}

impl Watcher {
    fn new(objectives: Vec<Objective>) -> Self {
        let mut evaluator = evaluator(objectives);
        evaluator.look(T0, 0);
        Self { evaluator, seconds: 0 }
    }

    fn add(&mut self, minute: u64, valid: u64, bad: u64) -> bool {
        self.evaluator.add("availability", &[], T0 + minute * 60_000, EventCount { valid, bad })
    }

    /// An evaluation ten seconds later; the notices since the last.
    fn step(&mut self) -> Vec<Notice> {
        self.seconds += 10;
        self.evaluator.look(T0 + self.seconds * 1_000, self.seconds * 1_000);
        self.evaluator.evaluate();
        let notices = self.evaluator.notices().to_vec();
        self.evaluator.given(notices.len());
        notices
    }

    /// Each minute a record of so many events, for so many minutes.
    fn minutes(&mut self, count: u64, valid: u64, bad: u64) -> Vec<Notice> {
        let mut notices = Vec::new();
        for _ in 0..count * 6 {
            if self.seconds.is_multiple_of(60) {
                self.add(self.seconds / 60, valid, bad);
            }
            notices.extend(self.step());
        }
        notices
    }

    /// Another one with the state of this one, and none of its counts.
    fn successor(&self, objectives: Vec<Objective>) -> Self {
        let objectives: Vec<_> = objectives.into_iter().map(Arc::new).collect();
        let mut state = Vec::new();
        self.evaluator.encode_alerts(&mut state);
        let mut evaluator = Evaluator::decode(&objectives, settings(), &state).unwrap();
        evaluator.look(T0 + self.seconds * 1_000, 0);
        Self { evaluator, seconds: self.seconds }
    }
}

#[test]
fn an_alert_goes_on_with_the_next_watcher_and_ends_there() {
    let mut first = Watcher::new(vec![paged()]);
    let fires = first.minutes(10, 600, 600);
    let [fires] = &fires[..] else { panic!("{fires:?}") };
    assert_eq!(fires.status, AlertStatus::Firing);

    let mut second = first.successor(vec![paged()]);
    // Before anything was read again nothing moves.
    assert!((0..60).all(|_| second.step().is_empty()), "nobody knows, so nothing ends");
    for minute in 0..10 {
        second.add(minute, 600, 600);
    }
    let notices = second.minutes(60, 600, 0);
    let [over] = &notices[..] else { panic!("no second page: {notices:?}") };
    assert!(matches!(over.status, AlertStatus::Resolved { .. }));
    assert_eq!((&over.key, over.since_ms), (&fires.key, fires.since_ms));

    // One whose objectives lack it ends it, too.
    let mut other = first.successor(vec![latency()]);
    assert!(matches!(other.evaluator.notices()[0].status, AlertStatus::Resolved { .. }));
    assert_eq!(other.evaluator.notices()[0].key, fires.key);
}

#[test]
fn a_state_without_counts_is_small() {
    let mut watcher = Watcher::new(vec![availability(), latency()]);
    watcher.minutes(30, 600, 600);
    let mut state = Vec::new();
    watcher.evaluator.encode_alerts(&mut state);
    assert!(state.len() < bytes(&watcher.evaluator).len());
    let mut quiet = Vec::new();
    Watcher::new(vec![availability(), latency()]).evaluator.encode_alerts(&mut quiet);
    assert!(quiet.len() < 200, "{} bytes where no alert is or was", quiet.len());
}

/// Gives a watcher the records of minutes that are past.
fn hand_over(instance: &mut Evaluator, watcher: &mut Evaluator) {
    instance.close_minutes(|row| {
        let row = row.unwrap();
        let record = SloRecord::decode(&row).unwrap();
        let (valid, bad) = (record.slo_valid.unwrap().0, record.slo_bad.unwrap().0);
        let group: Vec<_> = record.endpoint.map(|name| name.0).into_iter().collect();
        let name = std::str::from_utf8(record.slo_name.unwrap().0).unwrap();
        let at_ms = record.timestamp.unwrap().0;
        assert!(watcher.add(name, &group, at_ms, EventCount { valid, bad }), "{record:?}");
    });
}

#[test]
fn what_instances_counted_adds_up_to_what_one_would_have_seen() {
    let objectives =
        || vec![Objective { group_by: vec![Dimension::Endpoint], ..availability() }, latency()];
    let (mut one, mut watcher) = (evaluator(objectives()), evaluator(objectives()));
    let mut instances = [evaluator(objectives()), evaluator(objectives())];
    let mut random = Random(7);
    for seconds in (0..3_700).step_by(10) {
        let now_ms = T0 + seconds * 1_000;
        for evaluator in instances.iter_mut().chain([&mut one, &mut watcher]) {
            evaluator.look(now_ms, seconds * 1_000);
        }
        // The last minutes have no traffic, so that all of it is in records.
        for _ in 0..if seconds < 3_600 { 20 } else { 0 } {
            // More endpoints than groups, and late records.
            let endpoint = format!("e{}:1", random.below(30));
            let late_ms = if random.below(9) == 0 { random.below(5) * 60_000 } else { 0 };
            let outcome = if random.below(9) == 0 { Outcome::Failure } else { Outcome::Success };
            let duration = random.below(600_000);
            let instance = &mut instances[usize::try_from(random.below(2)).unwrap()];
            take(instance, now_ms - late_ms, &endpoint, duration, outcome);
            take(&mut one, now_ms - late_ms, &endpoint, duration, outcome);
        }
        for instance in &mut instances {
            hand_over(instance, &mut watcher);
        }
    }
    let totals = |evaluator: &mut Evaluator| {
        let mut sums = BTreeMap::<String, (EventCount, usize)>::new();
        for status in evaluator.statuses() {
            let (sum, series) = sums.entry(status.objective.name.clone()).or_default();
            sum.add(status.budget.count);
            *series += 1;
        }
        sums
    };
    assert_eq!(totals(&mut watcher), totals(&mut one), "and _other is one group");
}
