//! Goal: the floor, and that good requests are answered whatever one URL does. Method: the shared
//! states and the watch as the program has them, with traffic and time made up. Not here: single
//! transitions (`state`), single comparisons (`share`).

use std::time::Duration;

use super::*;

const LIMITS: config::Outlier = config::Outlier {
    failures: 5,
    eject: Duration::from_secs(1),
    eject_max: Duration::from_mins(1),
    max_ejected: 0.5,
};

fn service(endpoints: usize, max_ejected: f64) -> Vec<Arc<Outlier>> {
    let floor = Arc::new(Floor::new(endpoints, max_ejected));
    let limits = config::Outlier { max_ejected, ..LIMITS };
    let outlier = |index| {
        let names = ("web".to_owned(), format!("e{index}"));
        Arc::new(Outlier::new(names, limits, &floor, &Arc::default()))
    };
    (0..endpoints).map(outlier).collect()
}

#[test]
fn half_of_three_and_of_two_is_one_and_the_last_is_never_ejected() {
    for (endpoints, share, want) in [
        (1, 0.5, 0),
        (1, 1.0, 0),
        (2, 0.5, 1),
        (2, 1.0, 1),
        (3, 0.5, 1),
        (3, 0.67, 2),
        (3, 1.0, 2),
        (3, 0.1, 1),
        (3, 0.0, 0),
        (4, 0.5, 2),
        (10, 0.25, 2),
    ] {
        let outliers = service(endpoints, share);
        for outlier in outliers.iter().cycle().take(endpoints * 20) {
            outlier.failure(Entry::Open, FailureKind::Unreachable, 1);
        }
        let out = outliers.iter().filter(|outlier| !outlier.is_in_rotation()).count();
        assert_eq!(out, want, "{endpoints} endpoints, {share}");
        let first = outliers.iter().find(|outlier| !outlier.is_in_rotation());
        let Some(first) = first else { continue };
        first.probed(Probe::Connected);
        assert!(first.is_in_rotation(), "a probe connects");
        for outlier in outliers.iter().filter(|outlier| !Arc::ptr_eq(outlier, first)) {
            outlier.failure(Entry::Open, FailureKind::Unreachable, 2);
        }
        let out = outliers.iter().filter(|outlier| !outlier.is_in_rotation()).count();
        assert_eq!(
            out, want,
            "{endpoints} endpoints, {share}: the room goes to the next that fails"
        );
    }
}

#[test]
fn endpoints_that_fail_on_several_threads_at_once_never_exceed_the_floor() {
    let outliers = service(4, 0.5);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let outliers = &outliers;
            scope.spawn(move || {
                for round in 0..20_000 {
                    let outlier = &outliers[(round + thread) % 4];
                    match round % 3 {
                        0 => outlier.probed(Probe::Connected),
                        _ => (0..5).for_each(|_| {
                            outlier.failure(Entry::Open, FailureKind::Unreachable, 1);
                        }),
                    }
                    assert!(outliers[0].floor.ejected.load(Relaxed) <= 2);
                }
            });
        }
    });
    let out = outliers.iter().filter(|outlier| !outlier.is_in_rotation()).count();
    assert_eq!(outliers[0].floor.ejected.load(Relaxed), u32::try_from(out).unwrap());
}

/// Goal: whoever leaves gives its room back, once, and nothing that is still under way there counts.
/// Method: endpoints of four leave, ejected or not; then late ends.
#[test]
fn an_endpoint_that_leaves_takes_its_ejection_along() {
    let outliers = service(4, 0.5);
    let fail = |outlier: &Outlier| {
        (0..5).for_each(|_| outlier.failure(Entry::Open, FailureKind::Unreachable, 1));
    };
    let floor = &outliers[0].floor;
    outliers.iter().take(2).for_each(|outlier| fail(outlier));
    assert_eq!(floor.ejected.load(Relaxed), 2);
    outliers[0].leave();
    assert_eq!(floor.ejected.load(Relaxed), 1);
    outliers[0].success(Entry::Trial);
    outliers[0].probed(Probe::Connected);
    fail(&outliers[0]);
    assert_eq!(floor.ejected.load(Relaxed), 1, "what comes late changes nothing");
    assert_eq!(outliers[0].enter(2), Entry::Open, "for those who have not heard of it");
    outliers[2].leave();
    assert_eq!(floor.ejected.load(Relaxed), 1, "it was not ejected");
    floor.set(1, 0.5);
    assert!(floor.is_exceeded(), "the last one is ejected");
    outliers[1].return_for_want_of_others();
    assert!(outliers[1].is_in_rotation() && !floor.is_exceeded());
    fail(&outliers[1]);
    assert!(outliers[1].is_in_rotation(), "it is the last one");
}

#[test]
fn what_the_floor_stops_is_told_until_it_is_calm() {
    let outliers = service(1, 0.5);
    let mut watch = Watch::new(outliers.clone());
    let only = &outliers[0];
    (0..5).for_each(|_| only.failure(Entry::Open, FailureKind::Unreachable, 1));
    assert_eq!(only.metrics().kept.value(), 0);
    watch.tick(500, &[Count { failures: 5, ..Count::default() }]);
    assert_eq!(only.metrics().kept.value(), 1);
    only.success(Entry::Open);
    for tick in 0..10 {
        assert_eq!(only.metrics().kept.value(), 1, "{tick}: it may fail again at once");
        watch.tick(1000, &[Count { answers: 1, failures: 5, heads: 1 }]);
    }
    assert_eq!(only.metrics().kept.value(), 0);
}

/// Step of made-up time.
const STEP_MS: u64 = 10;

/// How an attempt fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    NoHead(FailureKind),
    /// In the body.
    Cut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    /// Good ones with an answer, bad ones with this.
    Well(Fault),
    /// All of them with this.
    Fails(Fault),
}

/// What became of made-up traffic.
#[derive(Debug, Default)]
struct Outcome {
    good: u64,
    answered: u64,
    /// Time that each endpoint was out, in ms.
    out_ms: Vec<u64>,
    /// When each was first out.
    first_out_ms: Vec<Option<u64>>,
}

/// Made-up traffic: requests per second, good and bad, for `seconds`.
struct Traffic {
    good: u32,
    bad: u32,
    seconds: u64,
}

/// Sends `traffic` in turns over endpoints of these behaviours; a time-out comes at once here, which
/// is the worst for a row.
fn play(seed: u64, behaviours: &[Behaviour], traffic: &Traffic) -> Outcome {
    let mut random = fastrand::Rng::with_seed(seed);
    let outliers = service(behaviours.len(), 0.5);
    let mut watch = Watch::new(outliers.clone());
    let mut totals = vec![Count::default(); behaviours.len()];
    let count = behaviours.len();
    let mut outcome =
        Outcome { out_ms: vec![0; count], first_out_ms: vec![None; count], ..Outcome::default() };
    let mut turn = random.usize(..count);
    for step in 1..=traffic.seconds * 100 {
        let now_ms = step * STEP_MS;
        // Of so many chances in a step, each of the two kinds takes its share: they come mixed.
        for _ in 0..STEP_MS {
            let draw = random.u32(..1000);
            let is_good = draw < traffic.good;
            if !is_good && draw >= traffic.good + traffic.bad {
                continue;
            }
            // As the balance and the service do: the next that is open, retried without connection.
            let mut is_answered = false;
            for _ in 0..count {
                turn = (turn + 1) % count;
                let entry = outliers[turn].enter(now_ms);
                if entry == Entry::Ejected {
                    continue;
                }
                let fault = match behaviours[turn] {
                    Behaviour::Well(_) if is_good => None,
                    Behaviour::Well(fault) | Behaviour::Fails(fault) => Some(fault),
                };
                if !matches!(fault, Some(Fault::NoHead(_))) {
                    totals[turn].heads += 1;
                    outliers[turn].head(entry);
                }
                let failure = fault.map(|fault| match fault {
                    Fault::NoHead(kind) => kind,
                    Fault::Cut => FailureKind::Broken,
                });
                if let Some(kind) = failure {
                    totals[turn].failures += 1;
                    outliers[turn].failure(entry, kind, now_ms);
                } else {
                    totals[turn].answers += 1;
                    outliers[turn].success(entry);
                    is_answered = true;
                }
                if failure != Some(FailureKind::Unreachable) {
                    break;
                }
            }
            outcome.good += u64::from(is_good);
            outcome.answered += u64::from(is_good && is_answered);
        }
        if now_ms.is_multiple_of(500) {
            watch.tick(now_ms, &totals);
        }
        for (index, outlier) in outliers.iter().enumerate() {
            if !outlier.is_in_rotation() {
                outcome.out_ms[index] += STEP_MS;
                outcome.first_out_ms[index].get_or_insert(now_ms);
            }
        }
    }
    outcome
}

const RUNS: u64 = 20;

/// One URL that every endpoint answers badly takes nobody's service down.
#[test]
fn good_requests_are_answered_whatever_one_url_does() {
    use FailureKind::{Broken, Silent};
    for fault in [Fault::NoHead(Broken), Fault::NoHead(Silent), Fault::Cut] {
        for endpoints in [1, 2, 3, 10] {
            for (name, good, bad) in
                [("one attacker", 20, 20), ("eight attackers", 2, 160), ("a flood", 10, 400)]
            {
                let behaviours = vec![Behaviour::Well(fault); endpoints];
                let (mut asked, mut answered) = (0, 0);
                for seed in 0..RUNS {
                    let traffic = Traffic { good, bad, seconds: 20 };
                    let outcome = play(seed, &behaviours, &traffic);
                    (asked, answered) = (asked + outcome.good, answered + outcome.answered);
                }
                assert!(
                    answered * 100 >= asked * 99,
                    "{fault:?}, {name}, {endpoints} endpoints: {answered} of {asked}"
                );
            }
        }
    }
}

/// One broken endpoint of three is found, others are left alone, and what it costs is its share until
/// then and a trial now and then.
#[test]
fn one_broken_endpoint_of_three_is_found_also_under_an_attack() {
    use FailureKind::{Broken, Silent, Unreachable};
    use Fault::{Cut, NoHead};
    for (name, fault, good, bad, within_ms) in [
        ("refuses", NoHead(Unreachable), 30, 0, 1_000),
        ("closes before every answer", NoHead(Broken), 30, 0, 3_000),
        ("closes before every answer in light traffic", NoHead(Broken), 6, 0, 15_000),
        ("closes before every answer, beside an attack", NoHead(Broken), 30, 20, 8_000),
        ("cuts every answer", Cut, 30, 0, 3_000),
        ("cuts every answer in light traffic", Cut, 6, 0, 15_000),
        ("cuts every answer, beside an attack", Cut, 30, 20, 8_000),
        ("never answers", NoHead(Silent), 30, 0, 3_000),
        ("never answers, beside an attack", NoHead(Silent), 30, 20, 8_000),
    ] {
        for seed in 0..RUNS {
            let well = Behaviour::Well(NoHead(Broken));
            let behaviours = [well, Behaviour::Fails(fault), well];
            let outcome = play(seed, &behaviours, &Traffic { good, bad, seconds: 30 });
            let found_ms = outcome.first_out_ms[1];
            assert!(
                found_ms.is_some_and(|found_ms| found_ms <= within_ms),
                "{name}, {seed}: {outcome:?}"
            );
            let wrongly_ms = outcome.out_ms[0] + outcome.out_ms[2];
            assert_eq!(wrongly_ms, 0, "{name}, {seed}: {outcome:?}");
            let lost = outcome.good - outcome.answered;
            let share_until_found = u64::from(good) * within_ms / 1000 / 3;
            assert!(lost <= share_until_found + 60, "{name}, {seed}: {outcome:?}");
        }
    }
}

/// With too little traffic for a share, time-outs in a row still find an endpoint that hangs; one whose
/// answers have begun and go on does not hang.
#[test]
fn an_endpoint_that_answers_nobody_is_found_without_neighbours_to_compare_with() {
    let outliers = service(2, 0.5);
    let mut watch = Watch::new(outliers.clone());
    let mut totals = [Count::default(); 2];
    for second in 1..=20_u64 {
        for (total, outlier) in totals.iter_mut().zip(&outliers) {
            total.failures += 1;
            outlier.failure(Entry::Open, FailureKind::Silent, second * 1000);
        }
        totals[0].heads += 1;
        watch.tick(second * 1000, &totals);
        assert_eq!(outliers[1].is_in_rotation(), second < 10, "{second}");
    }
    assert!(outliers[0].is_in_rotation());
}
