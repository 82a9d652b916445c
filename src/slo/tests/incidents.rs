//! Goal: every incident is told as it should be, in the time that theory gives, and ends; nothing else is
//! told. Method: a model of traffic in steps of ten seconds, three days of good traffic before; each row
//! an incident. What is measured stands in `docs/evaluation.md`, which is held against it; `UPDATE=1 cargo
//! test --lib slo::tests::incidents` writes it there.
//!
//! To theory (`table`) come up to ten seconds to the next evaluation and ten more to the second
//! one.

use std::fmt::Write as _;

use super::table::{HOUR, INCIDENTS, Incident, Told, both};
use super::traffic::{BAD_ENDPOINT, ENDPOINTS, HEALTHY, STEP_MS, World};
use super::*;
use crate::record::{
    AccessRecord, Count, HeartbeatRecord, ProcessRecord, Stream, Text, TimestampMs,
};

/// A simulation under way.
struct Simulation {
    evaluator: Evaluator,
    random: Random,
    now_ms: u64,
    /// What was told, and when.
    told: Vec<(u64, Notice)>,
}

impl Simulation {
    /// After three days of good traffic.
    fn new(objectives: Vec<Objective>, rate: f64, seed: u64) -> Self {
        let (evaluator, random) = (evaluator(objectives), Random(seed));
        let mut simulation = Self { evaluator, random, now_ms: T0, told: Vec::new() };
        for minute in 0..3 * 24 * 60 {
            simulation.now_ms = T0 + minute * 60_000;
            simulation.look();
            for _ in 0..6 {
                simulation.serve(World { rate, ..HEALTHY });
                for name in ["heartbeat", "shipping"] {
                    simulation.evaluator.add(name, &[], simulation.now_ms, EventCount::one(true));
                }
            }
        }
        simulation.now_ms += 60_000;
        simulation.step(World { rate, ..HEALTHY });
        assert!(simulation.told.is_empty(), "before the incident");
        simulation
    }

    fn look(&mut self) {
        self.evaluator.look(self.now_ms, self.now_ms - T0);
    }

    /// Ten seconds of traffic.
    fn serve(&mut self, world: World) {
        let valid = self.random.requests(world.rate);
        let mut failed = self.random.binomial(valid, world.failing);
        for endpoint in ENDPOINTS {
            let (valid, mut bad) = (valid / 4, failed / 4);
            if endpoint == BAD_ENDPOINT && world.endpoint_failing > 0.0 {
                bad = self.random.binomial(valid, world.endpoint_failing);
                failed += bad;
            }
            self.add("per-endpoint", &[endpoint.as_bytes()], EventCount { valid, bad });
        }
        let slow = self.random.binomial(valid - failed, world.slow);
        self.add("availability", &[], EventCount { valid, bad: failed });
        self.add("latency", &[], EventCount { valid: valid - failed, bad: slow });
    }

    /// Events of an objective, if it is watched.
    fn add(&mut self, objective: &str, group: &[&[u8]], events: EventCount) {
        self.evaluator.add(objective, group, self.now_ms, events);
    }

    /// A record of lbproxy itself.
    fn take(&mut self, stream: Stream, encode: impl FnOnce(&mut [u8]) -> Option<usize>) {
        let mut slot = [0; 1_024];
        let used = encode(&mut slot).unwrap();
        let origin = Origin { worker: 255, ..ORIGIN };
        self.evaluator.take(stream, &slot[..used], origin).unwrap();
    }

    /// Ten seconds go by; then an evaluation.
    fn step(&mut self, world: World) {
        self.now_ms += STEP_MS;
        if world.is_down {
            return;
        }
        self.look();
        self.serve(world);
        let now = Some(TimestampMs(self.now_ms));
        if world.has_heartbeat {
            let heartbeat = HeartbeatRecord {
                timestamp: now,
                summary_up: Some(Count(1)),
                ..Default::default()
            };
            self.take(Stream::Heartbeat, |out| heartbeat.encode(out));
        }
        let sample = ProcessRecord {
            timestamp: now,
            metricset: Some(Text(b"process")),
            oldest_pending_seconds: Some(Count(world.waiting_seconds)),
            ..Default::default()
        };
        self.take(Stream::Process, |out| sample.encode(out));
        self.evaluator.evaluate();
        self.tell();
    }

    fn tell(&mut self) {
        let notices = self.evaluator.notices().to_vec();
        self.evaluator.given(notices.len());
        self.told.extend(notices.into_iter().map(|notice| (self.now_ms, notice)));
    }

    /// `kill -9` and a new start, with the state of now.
    fn restart(&mut self, objectives: Vec<Objective>) {
        let objectives: Vec<_> = objectives.into_iter().map(Arc::new).collect();
        let bytes = bytes(&self.evaluator);
        self.evaluator = Evaluator::decode(&objectives, settings(), &bytes).unwrap();
    }
}

/// Runs one and checks it; gives its row of the table.
fn run(incident: &Incident) -> String {
    let world = World { rate: incident.rate, ..HEALTHY };
    let mut simulation = Simulation::new((incident.objectives)(), incident.rate, 42);
    let start_ms = simulation.now_ms;
    let mut was_down = false;
    for step in 0..incident.lasts_s * 1_000 / STEP_MS {
        let world = (incident.world)(step * STEP_MS / 1_000, world);
        if was_down && !world.is_down {
            simulation.restart((incident.objectives)());
        }
        was_down = world.is_down;
        simulation.step(world);
    }
    let end_ms = simulation.now_ms;
    for _ in 0..12 * HOUR * 1_000 / STEP_MS {
        simulation.step(world);
    }
    let name = incident.name;
    let told = &simulation.told;
    let fired: Vec<_> = told.iter().filter(|(_, n)| n.status == AlertStatus::Firing).collect();
    let pages = fired.iter().filter(|(_, notice)| notice.severity == Severity::Page).count();
    let first = fired.first().map_or(Told::Nothing, |(_, notice)| Told::of(notice));
    assert_eq!(first, incident.first, "{name}: {fired:#?}");
    assert_eq!(pages, incident.pages, "{name}: {fired:#?}");
    let count = format!("{pages} + {}", fired.len() - pages);
    let Some((first_ms, first)) = fired.first() else {
        return format!("| {name} | nothing | {count} | | | |");
    };
    let theory = Duration::from_secs_f64(incident.theory.seconds(&(incident.objectives)()));
    let after = Duration::from_millis(first_ms - start_ms);
    // What always fails makes slow burns a little faster than theory.
    let early = theory.mul_f64(0.93).saturating_sub(Duration::from_secs(10));
    let late = theory.mul_f64(1.05) + Duration::from_secs(30);
    assert!((early..=late).contains(&after), "{name}: {after:?}");
    let ends = |notice: &&Notice| notice.status != AlertStatus::Firing;
    let ended = told.iter().filter(|(_, notice)| ends(&notice)).count();
    assert_eq!(ended, fired.len(), "{name}: all is over");
    let since_end = |at_ms: &u64| Duration::from_millis(at_ms.saturating_sub(end_ms));
    let over = told.last().map(|(at_ms, _)| since_end(at_ms)).unwrap_or_default();
    assert!(over.as_secs() <= incident.over_s, "{name}: over after {over:?}");
    let first_over = told.iter().find(|(_, notice)| notice.key == first.key && ends(&notice));
    let first_over = first_over.map(|(at_ms, _)| since_end(at_ms)).unwrap_or_default();
    let (theory, after, over) = (words(theory), words(after), words(first_over));
    format!("| {name} | {} | {count} | {theory} | {after} | {over} |", incident.first.as_str())
}

/// A span in its two largest units.
fn words(span: Duration) -> String {
    let seconds = span.as_secs_f64().round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days at most")]
    let seconds = seconds as u64;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut parts = Vec::new();
    for (count, unit) in [(hours, "h"), (minutes, "min"), (seconds, "s")] {
        if count > 0 && parts.len() < 2 {
            parts.push(format!("{count} {unit}"));
        }
    }
    parts.join(" ")
}

/// Goal: see the head of this file; what the documentation says is what is measured.
#[test]
fn incidents_are_told_once_in_the_time_that_theory_gives_and_end() {
    let mut table =
        "| Incident | Told first | Pages + tickets | Theory | Measured | Over, after its end |\n\
                     |---|---|---|---|---|---|\n"
            .to_owned();
    for incident in &INCIDENTS {
        writeln!(table, "{}", run(incident)).unwrap();
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/evaluation.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("| Incident |").expect("the table's first line");
    let after = &rest[rest.find("\n\n").expect("an empty line after the table") + 1..];
    let want = format!("{before}{table}{after}");
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, want).unwrap();
    } else {
        assert!(text == want, "stale; `UPDATE=1` writes it, then look at the diff:\n{table}");
    }
}

/// Goal: who is told knows where to look. Method: records of four endpoints, of one of which three of five
/// requests fail, after 55 minutes of good ones; before these there was nothing.
#[test]
fn a_failing_endpoint_is_told_by_itself() {
    const GOOD_STEPS: u32 = 11 * 60;
    const STEP: Duration = Duration::from_secs(5);
    let mut simulation = Simulation::new(vec![availability(), each_endpoint()], 0.0, 1);
    let start_ms = simulation.now_ms;
    for step in 0..12 * 60_u64 {
        simulation.now_ms += 5_000;
        simulation.look();
        for n in 0..20_u64 {
            let endpoint = format!("10.0.0.{}:80", n % 4);
            let fails = step >= u64::from(GOOD_STEPS) && n % 8 == 3;
            let record = AccessRecord {
                timestamp: Some(TimestampMs(simulation.now_ms)),
                endpoint: Some(Text(endpoint.as_bytes())),
                route: Some(Text(b"/cart")),
                status: Some(crate::record::Status(if fails { 503 } else { 200 })),
                reason: Some(crate::record::Reason::Complete),
                outcome: Some(if fails {
                    crate::record::Outcome::Failure
                } else {
                    crate::record::Outcome::Success
                }),
                ..AccessRecord::default()
            };
            simulation.take(Stream::Access, |out| record.encode(out));
        }
        if step % 2 == 1 {
            simulation.evaluator.evaluate();
            simulation.tell();
        }
    }
    let pages = simulation.told.iter().filter(|(_, n)| n.severity == Severity::Page);
    let groups: Vec<_> = pages.filter(|(_, n)| !n.group.is_empty()).collect();
    let [(at_ms, notice)] = groups.as_slice() else { panic!("{} pages", groups.len()) };
    assert_eq!(notice.group, [(Dimension::Endpoint, "10.0.0.3:80".to_owned())]);
    let top = Top {
        endpoint: Some("10.0.0.3:80".to_owned()),
        route: Some("/cart".to_owned()),
        reason: Some("503".to_owned()),
    };
    assert_eq!(notice.top, top);
    // In windows that reach back to the first request, the share of bad events is what a row asks for,
    // `r`, when `0.6 t = r (good + t)`: the 6 hours' row, with the smaller `r`, comes first.
    let Trigger::Burn { long, factor, .. } = notice.trigger else { panic!("{:?}", notice.trigger) };
    assert_eq!(long, Duration::from_hours(6));
    let ratio = factor * availability().target.allowed();
    let good = STEP * GOOD_STEPS;
    let theory = good.mul_f64(ratio / (0.6 - ratio));
    let after = Duration::from_millis(at_ms - start_ms).saturating_sub(good);
    // The second evaluation that finds it, each at most ten seconds after the one before; and records
    // come every five seconds.
    let (first, last) = (theory + EVALUATE_EVERY, theory + 2 * EVALUATE_EVERY + STEP);
    assert!((first..=last).contains(&after), "{after:?}, {first:?} to {last:?} by theory");
}

/// Goal: nobody is woken for nothing. Method: thirty days of day and night, with small faults, three
/// seeds, each day with a restart.
#[test]
fn thirty_healthy_days_wake_nobody() {
    for seed in [1, 2, 3] {
        let (evaluator, random) = (evaluator(both()), Random(seed));
        let mut simulation = Simulation { evaluator, random, now_ms: T0, told: Vec::new() };
        for step in 0..30 * 24 * HOUR * 1_000 / STEP_MS {
            let world = super::traffic::healthy_day(&mut simulation.random, simulation.now_ms);
            simulation.now_ms += STEP_MS;
            simulation.look();
            simulation.serve(world);
            simulation.evaluator.evaluate();
            if step % 8_640 == 8_639 {
                simulation.restart(both());
            }
        }
        simulation.tell();
        let pages = simulation.told.iter().filter(|(_, n)| n.severity == Severity::Page);
        assert_eq!(pages.count(), 0, "seed {seed}: {:#?}", simulation.told);
        let statuses = simulation.evaluator.statuses();
        assert!(statuses.iter().all(|status| status.budget.left > 0.5), "{statuses:#?}");
        println!(
            "seed {seed}: {} notices, budgets left {:?}",
            simulation.told.len(),
            statuses.iter().map(|status| status.budget.left).collect::<Vec<_>>()
        );
    }
}
