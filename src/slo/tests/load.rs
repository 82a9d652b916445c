//! Goal: a hundred objectives of twenty groups cost nothing that anybody notices. Method: their series
//! full of events, one evaluation after the other, bytes of every series added up. `bench/record_path.rs`
//! measures the same in an optimised build.

use std::time::Instant;

use super::super::group::GroupSeries;
use super::*;

/// Most bytes of all of it.
const BYTES_MAX: usize = 10 << 20;

/// A hundred objectives, each with twenty groups that have had events for three days.
fn large() -> Evaluator {
    let objective = |n: usize| Objective {
        name: format!("objective-{n}"),
        group_by: vec![Dimension::Endpoint],
        ..availability()
    };
    let mut evaluator = evaluator((0..100).map(objective).collect());
    for step in 0..150 {
        let now_ms = T0 + step * 30 * 60_000;
        evaluator.look(now_ms, now_ms - T0);
        for n in 0..100 {
            for group in 0..20 {
                let endpoint = format!("10.0.0.{group}:8080");
                let count = EventCount { valid: 90_000, bad: 20 };
                evaluator.add(&format!("objective-{n}"), &[endpoint.as_bytes()], now_ms, count);
            }
        }
    }
    evaluator
}

#[test]
fn a_hundred_objectives_of_twenty_groups_are_small_and_quick() {
    let mut evaluator = large();
    let groups = evaluator.tracked.iter().flat_map(|tracked| tracked.table.all());
    let bytes: usize = groups.map(GroupSeries::bytes).sum();
    let start = Instant::now();
    for _ in 0..3 {
        evaluator.evaluate();
    }
    let each = start.elapsed() / 3;
    let state = super::bytes(&evaluator).len();
    println!(
        "{} series: {bytes} bytes, evaluated in {each:?}, state {state} bytes",
        evaluator.statuses().len()
    );
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
    // 1 % of a core is 100 ms each ten seconds; this build is not optimised.
    assert!(each < Duration::from_secs(1), "{each:?}");
}
