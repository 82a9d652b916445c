//! Goal: what is counted is what the records say, in the right group and minute, and every bound is told.
//! Method: records through the evaluator, beside plain sums.

use super::super::key::{AlertKind, alert_key};
use super::*;
use crate::consumer::StateError;
use crate::query::Row;
use crate::record::{
    AccessRecord, EcsNanos, Micros, Outcome, Reason, Status, Stream, Text, TextList, TimestampMs,
};

/// An exchange: when, which endpoint, how long, how it ended.
pub(super) fn take(
    evaluator: &mut Evaluator,
    time_ms: u64,
    endpoint: &str,
    duration_us: u64,
    outcome: Outcome,
) {
    let record = AccessRecord {
        timestamp: Some(TimestampMs(time_ms)),
        duration: Some(EcsNanos(duration_us)),
        service: Some(Text(b"shop")),
        endpoint: (!endpoint.is_empty()).then_some(Text(endpoint.as_bytes())),
        outcome: Some(outcome),
        ..AccessRecord::default()
    };
    let mut slot = [0; 512];
    let used = record.encode(&mut slot).unwrap();
    evaluator.take(Stream::Access, &slot[..used], ORIGIN).unwrap();
}

/// A page that somebody remembers.
fn open(objective: &str, group: &[(Dimension, String)]) -> OpenAlert {
    OpenAlert {
        key: alert_key(objective, AlertKind::Burn(Severity::Page), group),
        severity: Severity::Page,
        objective: objective.to_owned(),
        service: "shop".to_owned(),
        group: group.to_vec(),
        since_ms: T0 - 5,
    }
}

/// The budget's events of each series: values of the group, valid, bad.
fn counted(evaluator: &mut Evaluator) -> Vec<(String, u64, u64)> {
    let statuses = evaluator.statuses();
    let row = |status: &SeriesStatus| {
        let values: Vec<_> = status.group.iter().map(|(_, value)| value.as_str()).collect();
        (values.join(" "), status.budget.count.valid, status.budget.count.bad)
    };
    statuses.iter().map(row).collect()
}

fn rows(rows: &[(&str, u64, u64)]) -> Vec<(String, u64, u64)> {
    rows.iter().map(|&(name, valid, bad)| (name.to_owned(), valid, bad)).collect()
}

#[test]
fn a_record_counts_for_each_objective_as_its_predicates_say() {
    let mut evaluator = evaluator(vec![availability(), latency()]);
    evaluator.look(T0, 0);
    for (duration_us, outcome) in [
        (300_000, Outcome::Success),
        (300_001, Outcome::Success),
        (1, Outcome::Failure),
        (1, Outcome::Unknown),
    ] {
        take(&mut evaluator, T0, "a:1", duration_us, outcome);
    }
    assert_eq!(counted(&mut evaluator), rows(&[("", 3, 1), ("", 3, 2)]));
    let counts = evaluator.counts();
    assert_eq!((counts.records, counts.events, counts.other), (4, 6, 0));
}

/// Goal: what is not read of a record changes nothing. Method: random fields, beside what the whole record says.
#[test]
fn a_record_read_in_part_counts_and_is_told_as_the_whole_one() {
    let other = objective("other", "status < 500 and route = c*", 990_000);
    let all = [availability(), latency(), each_endpoint(), other];
    let (mut evaluator, mut random) = (evaluator(all.to_vec()), Random(5));
    evaluator.look(T0, 0);
    let mut slot = [0; 512];
    for _ in 0..2_000 {
        let mut has = || random.below(4) > 0;
        let record = AccessRecord {
            timestamp: Some(TimestampMs(T0)),
            duration: has().then_some(EcsNanos(299_000)),
            path: has().then_some(Text(&[b'x'; 200])),
            status: has().then_some(Status(if has() { 200 } else { 503 })),
            route: has().then_some(Text(if has() { b"cart" } else { b"help" })),
            endpoint: has().then_some(Text(b"a:1")),
            first_byte_us: has().then_some(Micros(u64::MAX)),
            attempt_endpoints: has().then_some(TextList(b"\x03a:1")),
            reason: has().then_some(if has() { Reason::Complete } else { Reason::ConnectTimeout }),
            outcome: has().then_some(if has() { Outcome::Success } else { Outcome::Failure }),
            user_agent: has().then_some(Text(b"curl")),
            ..AccessRecord::default()
        };
        let used = record.encode(&mut slot).unwrap();
        let row = Row::read(Stream::Access, &slot[..used], ORIGIN).unwrap();
        let status = record.status.map(|status| status.0.to_string());
        let reason = match (record.reason, &status) {
            (Some(Reason::Complete) | None, Some(status)) => Some(status.as_str()),
            (reason, _) => reason.map(Reason::as_str),
        };
        let values = [record.endpoint, record.route].map(|text| text.map(|text| text.0));
        let values =
            [values[0], values[1], reason.map(str::as_bytes)].map(|v| v.map(<[u8]>::to_vec));
        let valid = |place: &usize| all[*place].indicator.valid.matches(&row);
        let bad = |place: &usize| !all[*place].indicator.good.matches(&row);
        let events = (0..all.len()).filter(valid).count() as u64;
        let want: Vec<_> =
            (0..all.len()).filter(|n| valid(n) && bad(n)).map(|n| (n, values.clone())).collect();

        let (mut told, before) = (Vec::new(), evaluator.counts().events);
        let tell = |place, values: [Option<&[u8]>; 3]| {
            told.push((place, values.map(|value| value.map(<[u8]>::to_vec))));
        };
        evaluator.take_and_tell(Stream::Access, &slot[..used], ORIGIN, tell).unwrap();
        assert_eq!((evaluator.counts().events - before, told), (events, want), "{record:?}");
    }
}

#[test]
fn groups_are_so_many_and_the_rest_is_one() {
    let per_endpoint =
        Objective { group_by: vec![Dimension::Service, Dimension::Endpoint], ..availability() };
    let settings = EvaluatorSettings { groups_max: 2, ..settings() };
    let mut evaluator = Evaluator::new(&[Arc::new(per_endpoint)], settings);
    evaluator.look(T0, 0);
    for endpoint in ["a:1", "", "b:1", "a:1", "c:1"] {
        take(&mut evaluator, T0, endpoint, 1, Outcome::Failure);
    }
    let want = rows(&[("_other _other", 2, 2), ("shop a:1", 2, 2), ("shop -", 1, 1)]);
    assert_eq!(counted(&mut evaluator), want);
    assert_eq!(evaluator.counts().other, 2);
    // Four days later the one without an endpoint has been silent for longer than the longest window.
    let later_ms = T0 + 4 * 86_400_000;
    evaluator.look(later_ms, later_ms - T0);
    take(&mut evaluator, later_ms, "a:1", 1, Outcome::Success);
    take(&mut evaluator, later_ms, "d:1", 1, Outcome::Success);
    let want = rows(&[("_other _other", 3, 3), ("shop a:1", 3, 2), ("shop d:1", 1, 0)]);
    assert_eq!(counted(&mut evaluator), want, "it gave way, and its events are kept");
}

#[test]
fn late_and_early_records_and_maintenance_are_told_apart() {
    let maintenance = Maintenance {
        start_ms: T0 - 3 * 86_400_000 - 3_600_000,
        end_ms: T0 - 3 * 86_400_000,
        every: Some(Duration::from_hours(24)),
    };
    let objective = Objective { maintenance: vec![maintenance], ..availability() };
    let mut evaluator = evaluator(vec![objective]);
    evaluator.look(T0, 0);
    for (time_ms, outcome) in [
        (T0, Outcome::Success),
        (T0 - 2 * 3_600_000, Outcome::Failure),
        (T0 - 1, Outcome::Failure),               // in maintenance
        (T0 - 3_600_000, Outcome::Failure),       // its first moment
        (T0 + 59_000, Outcome::Success),          // a clock that is a little ahead
        (T0 + 7_200_000, Outcome::Success),       // or two hours
        (T0 - 40 * 86_400_000, Outcome::Failure), // before the period
    ] {
        take(&mut evaluator, time_ms, "a:1", 1, outcome);
    }
    assert_eq!(counted(&mut evaluator), rows(&[("", 4, 1)]));
    let EvaluatorCounts { events, late, ahead, maintained, .. } = evaluator.counts();
    assert_eq!((events, late, ahead, maintained), (4, 1, 1, 2));
}

/// Goal: a group has one key, whoever names it. Method: records, counts of somebody else and an alert that somebody
/// remembers, of a name that is absent and of the groups beyond the bound.
#[test]
fn a_name_that_is_absent_and_the_other_groups_are_one_group_each() {
    for (name, values) in [(ABSENT, &["", ABSENT][..]), (OTHER, &[OTHER])] {
        let mut evaluator = evaluator(vec![each_endpoint()]);
        evaluator.look(T0, 0);
        for value in values {
            take(&mut evaluator, T0, value, 1, Outcome::Failure);
        }
        evaluator.add("per-endpoint", &[name.as_bytes()], T0, EventCount { valid: 1, bad: 1 });
        let group = vec![(Dimension::Endpoint, name.to_owned())];
        evaluator.adopt(vec![open("per-endpoint", &group)], T0);
        let count = values.len() as u64 + 1;
        assert_eq!(counted(&mut evaluator), rows(&[(name, count, count)]), "{name}");
        let firing: Vec<_> = evaluator.firing().into_iter().map(|notice| notice.group).collect();
        assert_eq!(firing, [group], "{name}");
        assert_eq!(evaluator.tracked[0].table.all().len(), if name == OTHER { 1 } else { 2 });
    }
}

/// Goal: a kill at any time changes nothing. Method: two evaluators see the same, one of them through
/// its state each minute.
#[test]
fn an_evaluator_goes_on_from_its_state_as_if_nothing_had_happened() {
    let objectives = || -> Vec<Arc<Objective>> {
        let after = Some((Duration::from_mins(5), Severity::Page));
        let no_data = NoData { after, firing: Silence::Keep };
        let group_by = vec![Dimension::Endpoint];
        let month = Period::Month { offset_minutes: 60 };
        vec![
            Arc::new(Objective { group_by, no_data, ..availability() }),
            Arc::new(Objective { period: month, ..latency() }),
        ]
    };
    let mut plain = Evaluator::new(&objectives(), settings());
    let mut saved = Evaluator::new(&objectives(), settings());
    let mut told = [Vec::new(), Vec::new()];
    let mut random = Random(5);
    for step in 0..12 * 60_u64 {
        let now_ms = T0 + step * 10_000;
        if step % 6 == 0 {
            saved = Evaluator::decode(&objectives(), settings(), &bytes(&saved)).unwrap();
        }
        let seed = random.next();
        for (evaluator, told) in [&mut plain, &mut saved].into_iter().zip(&mut told) {
            let mut random = Random(seed);
            evaluator.look(now_ms, now_ms - T0);
            // Good, then bad, then nothing, then good.
            for n in 0..if (400..480).contains(&step) { 0 } else { 20 } {
                let is_bad = (200..260).contains(&step) && random.below(2) == 0;
                let outcome = if is_bad { Outcome::Failure } else { Outcome::Success };
                let endpoint = format!("{}:1", n % 3);
                take(evaluator, now_ms - random.below(90_000), &endpoint, 1, outcome);
            }
            evaluator.evaluate();
            // Every second time nobody takes notices.
            if step % 2 == 0 {
                let notices = evaluator.notices().to_vec();
                evaluator.given(notices.len());
                told.extend(notices.into_iter().map(|n| Notice { top: Top::default(), ..n }));
            }
        }
    }
    let [plain_told, saved_told] = told;
    let text =
        |notice: &Notice| format!("{:?} {:?} {}", notice.status, notice.severity, notice.key);
    let texts = |told: &[Notice]| told.iter().map(text).collect::<Vec<_>>();
    assert_eq!(texts(&plain_told), texts(&saved_told));
    assert!(plain_told.len() > 8, "{plain_told:#?}");
    assert_eq!(counted(&mut plain), counted(&mut saved));
}

#[test]
fn an_alert_of_an_objective_that_is_gone_ends() {
    let mut evaluator = evaluator(vec![availability()]);
    let now_ms = T0 + 20_000;
    for ms in [T0, now_ms] {
        evaluator.look(ms, ms - T0);
        (0..100).for_each(|_| take(&mut evaluator, ms, "a:1", 1, Outcome::Failure));
        evaluator.evaluate();
    }
    let fired = evaluator.notices().to_vec();
    let pages = |told: &[Notice]| told.iter().filter(|n| n.severity == Severity::Page).count();
    assert_eq!(pages(&fired), 1, "{fired:#?}");
    let bytes = bytes(&evaluator);
    let same = Objective { title: "another title".to_owned(), ..availability() };
    let counts_others = Objective { indicator: latency().indicator, ..availability() };
    for (name, objectives, ends) in [
        ("it stays", vec![availability()], false),
        ("it has another title", vec![same], false),
        ("it counts something else", vec![counts_others], true),
        ("it is gone", vec![], true),
    ] {
        let objectives: Vec<_> = objectives.into_iter().map(Arc::new).collect();
        let mut next = Evaluator::decode(&objectives, settings(), &bytes).unwrap();
        let told = next.notices().to_vec();
        assert_eq!(texts(&told[..fired.len()]), texts(&fired), "{name}: what nobody had yet");
        let ended: Vec<_> = told[fired.len()..].iter().map(|n| (n.key.clone(), n.status)).collect();
        let want: Vec<_> = fired
            .iter()
            .filter(|_| ends)
            .map(|n| (n.key.clone(), AlertStatus::Resolved { at_ms: now_ms }))
            .collect();
        assert_eq!(ended, want, "{name}");
    }
}

fn texts(told: &[Notice]) -> Vec<String> {
    told.iter()
        .map(|notice| format!("{} {:?} {}", notice.key, notice.status, notice.since_ms))
        .collect()
}

#[test]
fn a_state_that_is_cut_is_damaged() {
    let mut evaluator = evaluator(vec![availability()]);
    evaluator.look(T0, 0);
    take(&mut evaluator, T0, "a:1", 1, Outcome::Failure);
    let bytes = bytes(&evaluator);
    let decode = |bytes: &[u8]| {
        Evaluator::decode(&[Arc::new(availability())], settings(), bytes).map(|_| ())
    };
    assert_eq!(decode(&bytes), Ok(()));
    for cut in 0..bytes.len() {
        assert_eq!(decode(&bytes[..cut]), Err(StateError::Damaged), "cut at {cut}");
    }
}

/// Goal: no alert fires or ends because a clock was set. Method: an alert fires, or nothing does; the
/// clock jumps; what is really the case stays the case.
#[test]
fn clocks_that_jump_neither_fire_nor_end_an_alert() {
    for jump_ms in [3 * 3_600_000_i64, -3 * 3_600_000, 5 * 86_400_000, -5 * 86_400_000] {
        for is_bad in [true, false] {
            let after = Some((Duration::from_mins(10), Severity::Page));
            let no_data = NoData { after, firing: Silence::Keep };
            let mut evaluator = evaluator(vec![Objective { no_data, ..availability() }]);
            let (mut told, mut wall_ms) = (Vec::new(), T0);
            for step in 0..6 * 60 * 6_u64 {
                // Two hours of good ones, or an incident at their end; then the jump.
                wall_ms += 10_000;
                if step == 2 * 60 * 6 + 60 {
                    wall_ms = wall_ms.saturating_add_signed(jump_ms);
                }
                evaluator.look(wall_ms, step * 10_000);
                let outcome =
                    if is_bad && step > 720 { Outcome::Failure } else { Outcome::Success };
                (0..10).for_each(|_| take(&mut evaluator, wall_ms, "a:1", 1, outcome));
                evaluator.evaluate();
                told.extend(evaluator.notices().to_vec());
                let count = told.len();
                evaluator.given(count);
            }
            let pages: Vec<_> = told.iter().filter(|n| n.severity == Severity::Page).collect();
            assert_eq!(pages.len(), usize::from(is_bad), "{jump_ms} {is_bad}: {told:#?}");
            assert!(told.iter().all(|notice| notice.status == AlertStatus::Firing));
            assert_eq!(evaluator.counts().jumps, 1);
        }
    }
}
