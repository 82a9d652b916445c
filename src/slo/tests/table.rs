//! The incidents: what the world is like meanwhile, and what is to be told of it.

use super::traffic::World;
use super::*;

/// What a row expects to be told first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Told {
    Page,
    Ticket,
    Absent(Absence),
    Nothing,
}

impl Told {
    pub(super) fn of(notice: &Notice) -> Self {
        match (notice.trigger, notice.severity) {
            (Trigger::Absent { what, .. }, _) => Self::Absent(what),
            (_, Severity::Page) => Self::Page,
            (_, Severity::Ticket) => Self::Ticket,
        }
    }
}

/// One incident.
pub(super) struct Incident {
    pub(super) name: &'static str,
    pub(super) objectives: fn() -> Vec<Objective>,
    /// Requests a second.
    pub(super) rate: f64,
    /// The world, so many seconds after the start.
    pub(super) world: fn(u64, World) -> World,
    /// How long it lasts.
    pub(super) lasts_s: u64,
    /// What is told first, and after how many seconds in theory.
    pub(super) first: Told,
    pub(super) theory_s: f64,
    /// How many times somebody is woken.
    pub(super) pages: usize,
    /// The last alert is over at most so many seconds after the end of the incident.
    pub(super) over_s: u64,
}

pub(super) const HOUR: u64 = 3_600;

pub(super) fn both() -> Vec<Objective> {
    vec![availability(), latency()]
}

/// Availability, and silence is told.
fn silent(after_s: u64, severity: Severity) -> Vec<Objective> {
    let after = Some((Duration::from_secs(after_s), severity));
    vec![Objective { no_data: NoData { after, firing: Silence::Keep }, ..availability() }]
}

fn no_traffic() -> Vec<Objective> {
    silent(600, Severity::Ticket)
}

fn heartbeats() -> Vec<Objective> {
    let filter = |text| Filter::parse(text).unwrap();
    let [mut objective]: [Objective; 1] = silent(120, Severity::Page).try_into().unwrap();
    objective.name = "heartbeat".to_owned();
    objective.indicator.valid = filter("stream = heartbeat and summary_up = *");
    objective.indicator.good = filter("summary_up = 1");
    vec![objective]
}

/// 99 % of samples find the oldest record younger than a minute.
fn shipping() -> Vec<Objective> {
    let mut objective = objective("shipping", "oldest_pending_seconds < 60", 990_000);
    objective.indicator.valid = Filter::parse("stream = process and metricset = process").unwrap();
    vec![objective]
}

/// A page ends when bad events have left its short window, and five clean minutes later.
const FAST_S: u64 = 5 * 60 + 5 * 60 + 60;
/// A ticket, after two hours.
const DAY_S: u64 = 2 * HOUR + 600;
/// Or six.
const DAYS_S: u64 = 6 * HOUR + 1_200;

/// How long it lasts, what is told first and when in theory, how many pages there are, when all is over.
type Expected = (u64, Told, f64, usize, u64);

const fn row(name: &'static str, world: fn(u64, World) -> World, expected: Expected) -> Incident {
    let (lasts_s, first, theory_s, pages, over_s) = expected;
    Incident { name, objectives: both, rate: 100.0, world, lasts_s, first, theory_s, pages, over_s }
}

pub(super) const INCIDENTS: [Incident; 13] = [
    row(
        "total outage, 2 minutes",
        |_, w| World { failing: 1.0, ..w },
        (120, Told::Page, 51.8, 1, FAST_S),
    ),
    row(
        "total outage, 1 hour",
        |_, w| World { failing: 1.0, ..w },
        (HOUR, Told::Page, 51.8, 1, DAYS_S),
    ),
    row(
        "2 % errors",
        |_, w| World { failing: 0.02, ..w },
        (2 * HOUR, Told::Page, 2_592.0, 1, DAYS_S),
    ),
    row(
        "slow burn, 0.2 %",
        |_, w| World { failing: 0.002, ..w },
        (40 * HOUR, Told::Ticket, 129_600.0, 0, DAYS_S),
    ),
    row(
        "latency step, 30 % slow",
        |_, w| World { slow: 0.3, ..w },
        (HOUR, Told::Page, 1_728.0, 1, DAY_S),
    ),
    Incident {
        objectives: || vec![availability()],
        rate: 1.0 / 60.0,
        ..row(
            "thin traffic, failures for two minutes",
            |s, w| World { failing: if s < 120 { 0.9 } else { 0.0 }, ..w },
            (6 * HOUR, Told::Nothing, 0.0, 0, 0),
        )
    },
    Incident {
        objectives: no_traffic,
        ..row(
            "no traffic",
            |_, w| World { rate: 0.0, ..w },
            (HOUR, Told::Absent(Absence::Traffic), 600.0, 0, FAST_S),
        )
    },
    Incident {
        objectives: no_traffic,
        ..row(
            "no records, and they wait",
            |s, w| World { rate: 0.0, waiting_seconds: s, ..w },
            (HOUR, Told::Absent(Absence::Records), 600.0, 0, FAST_S),
        )
    },
    Incident {
        objectives: shipping,
        ..row(
            "stalled shipping",
            |s, w| World { waiting_seconds: s, ..w },
            (HOUR, Told::Page, 578.4, 1, DAYS_S),
        )
    },
    Incident {
        objectives: heartbeats,
        ..row(
            "heartbeat gone",
            |_, w| World { has_heartbeat: false, ..w },
            (HOUR, Told::Absent(Absence::Heartbeat), 120.0, 1, FAST_S),
        )
    },
    row(
        "flapping: 3 minutes of errors, 5 without",
        |s, w| World { failing: if s % 480 < 180 { 1.0 } else { w.failing }, ..w },
        (2 * HOUR, Told::Page, 51.8, 1, DAYS_S),
    ),
    row(
        "flapping: a minute of errors each quarter",
        |s, w| World { failing: if s % 900 < 60 { 1.0 } else { w.failing }, ..w },
        (3 * HOUR, Told::Page, 51.8, 2, DAYS_S),
    ),
    row(
        "20 deploys: each 10 s down, then 10 s with 5 % errors",
        |s, w| match s % 1_200 {
            0..10 => World { is_down: true, ..w },
            10..20 => World { failing: 0.05, ..w },
            _ => w,
        },
        (20 * 1_200, Told::Nothing, 0.0, 0, 0),
    ),
];
