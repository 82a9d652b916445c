//! The incidents: what the world is like meanwhile, and what is to be told of it.

use super::traffic::World;
use super::*;

/// What a row expects to be told first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Told {
    Page,
    /// A page of the endpoint [`super::traffic::BAD_ENDPOINT`] alone.
    PageOfEndpoint,
    Ticket,
    Absent(Absence),
    Nothing,
}

impl Told {
    pub(super) fn of(notice: &Notice) -> Self {
        match (notice.trigger, notice.severity, notice.group.as_slice()) {
            (Trigger::Absent { what, .. }, ..) => Self::Absent(what),
            (_, Severity::Ticket, _) => Self::Ticket,
            (_, Severity::Page, []) => Self::Page,
            (_, Severity::Page, group) => {
                assert_eq!(group, [(Dimension::Endpoint, super::traffic::BAD_ENDPOINT.to_owned())]);
                Self::PageOfEndpoint
            }
        }
    }

    /// For the documentation.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::PageOfEndpoint => "page of this endpoint",
            Self::Ticket => "ticket",
            Self::Absent(Absence::Traffic) => "no data: traffic",
            Self::Absent(Absence::Records) => "no data: records",
            Self::Absent(Absence::Heartbeat) => "no data: heartbeat",
            Self::Nothing => "nothing",
        }
    }
}

/// When theory says that it is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Theory {
    /// Such a share of the events is bad, from so many seconds after the start on.
    Bad { share: f64, from_s: f64 },
    /// There are none: what `no_data` says.
    Silence,
    /// Never.
    Never,
}

impl Theory {
    /// Seconds after the start, of the last objective. A row fires after `long × factor × (1 − target) ÷
    /// share`, if that is no longer than `long`: <https://sre.google/workbook/alerting-on-slos/>, 6.
    pub(super) fn seconds(self, objectives: &[Objective]) -> f64 {
        let objective = objectives.last().unwrap();
        let Objective { windows, period, target, no_data, .. } = objective;
        match self {
            Self::Bad { share, from_s } => {
                let row = |window: &BurnWindow| {
                    let long_s = window.long.as_secs_f64();
                    let after_s = long_s * window.factor(*period) * target.allowed() / share;
                    (after_s <= long_s).then_some(from_s + after_s)
                };
                windows.iter().filter_map(row).fold(f64::INFINITY, f64::min)
            }
            Self::Silence => no_data.after.unwrap().0.as_secs_f64(),
            Self::Never => f64::INFINITY,
        }
    }
}

/// One incident.
pub(super) struct Incident {
    pub(super) name: &'static str,
    /// The last one is what theory is about.
    pub(super) objectives: fn() -> Vec<Objective>,
    /// Requests a second.
    pub(super) rate: f64,
    /// The world, so many seconds after the start.
    pub(super) world: fn(u64, World) -> World,
    /// How long it lasts.
    pub(super) lasts_s: u64,
    /// What is told first, and when by theory.
    pub(super) first: Told,
    pub(super) theory: Theory,
    /// How many times somebody is woken.
    pub(super) pages: usize,
    /// The last alert is over at most so many seconds after the end of the incident.
    pub(super) over_s: u64,
}

pub(super) const HOUR: u64 = 3_600;

pub(super) fn both() -> Vec<Objective> {
    vec![latency(), availability()]
}

fn per_endpoint() -> Vec<Objective> {
    vec![availability(), each_endpoint()]
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

/// So long everything has to be clean.
const CLEAN_S: u64 = CLEAN.as_secs();
/// A page ends when bad events have left its short window, to the minute, and all has been clean.
const FAST_S: u64 = 5 * 60 + 60 + CLEAN_S;
/// A ticket, when they have left two hours, in cells of five minutes.
const DAY_S: u64 = 2 * HOUR + 5 * 60 + CLEAN_S;
/// Or six.
const DAYS_S: u64 = 6 * HOUR + 5 * 60 + CLEAN_S;

/// From the start on.
const fn bad(share: f64) -> Theory {
    Theory::Bad { share, from_s: 0.0 }
}

/// How long it lasts, what is told first and when in theory, how many pages there are, when all is over.
type Expected = (u64, Told, Theory, usize, u64);

const fn row(name: &'static str, world: fn(u64, World) -> World, expected: Expected) -> Incident {
    let (lasts_s, first, theory, pages, over_s) = expected;
    Incident { name, objectives: both, rate: 100.0, world, lasts_s, first, theory, pages, over_s }
}

pub(super) const INCIDENTS: [Incident; 14] = [
    row(
        "total outage, 2 minutes",
        |_, w| World { failing: 1.0, ..w },
        (120, Told::Page, bad(1.0), 1, FAST_S),
    ),
    row(
        "total outage, 1 hour",
        |_, w| World { failing: 1.0, ..w },
        (HOUR, Told::Page, bad(1.0), 1, DAYS_S),
    ),
    row(
        "2 % errors, 2 hours",
        |_, w| World { failing: 0.02, ..w },
        (2 * HOUR, Told::Page, bad(0.02), 1, DAYS_S),
    ),
    row(
        "slow burn: 0.2 % errors, 40 hours",
        |_, w| World { failing: 0.002, ..w },
        (40 * HOUR, Told::Ticket, bad(0.002), 0, DAYS_S),
    ),
    Incident {
        objectives: || vec![availability(), latency()],
        ..row(
            "latency step: 30 % over 300 ms, 1 hour",
            |_, w| World { slow: 0.3, ..w },
            (HOUR, Told::Page, bad(0.3), 1, DAY_S),
        )
    },
    Incident {
        objectives: per_endpoint,
        ..row(
            "one endpoint of four: 3 % errors there, 1 hour",
            |_, w| World { endpoint_failing: 0.03, ..w },
            (HOUR, Told::PageOfEndpoint, bad(0.03), 1, DAYS_S),
        )
    },
    Incident {
        objectives: || vec![availability()],
        rate: 1.0 / 60.0,
        ..row(
            "thin traffic (one a minute), failures for two minutes",
            |s, w| World { failing: if s < 120 { 0.9 } else { 0.0 }, ..w },
            (6 * HOUR, Told::Nothing, Theory::Never, 0, 0),
        )
    },
    Incident {
        objectives: no_traffic,
        ..row(
            "no traffic, `no_data` after 10 min",
            |_, w| World { rate: 0.0, ..w },
            (HOUR, Told::Absent(Absence::Traffic), Theory::Silence, 0, FAST_S),
        )
    },
    Incident {
        objectives: no_traffic,
        ..row(
            "no records, and they wait; `no_data` after 10 min",
            |s, w| World { rate: 0.0, waiting_seconds: s, ..w },
            (HOUR, Told::Absent(Absence::Records), Theory::Silence, 0, FAST_S),
        )
    },
    Incident {
        objectives: shipping,
        ..row(
            "stalled shipping, 99 % of samples below 60 s",
            |s, w| World { waiting_seconds: s, ..w },
            (HOUR, Told::Page, Theory::Bad { share: 1.0, from_s: 60.0 }, 1, DAYS_S),
        )
    },
    Incident {
        objectives: heartbeats,
        ..row(
            "heartbeat gone, `no_data` after 2 min",
            |_, w| World { has_heartbeat: false, ..w },
            (HOUR, Told::Absent(Absence::Heartbeat), Theory::Silence, 1, FAST_S),
        )
    },
    row(
        "flapping: 3 minutes of errors, 5 without, 2 hours",
        |s, w| World { failing: if s % 480 < 180 { 1.0 } else { w.failing }, ..w },
        (2 * HOUR, Told::Page, bad(1.0), 1, DAYS_S),
    ),
    row(
        "flapping: a minute of errors each quarter, 3 hours",
        |s, w| World { failing: if s % 900 < 60 { 1.0 } else { w.failing }, ..w },
        (3 * HOUR, Told::Page, bad(1.0), 1, DAYS_S),
    ),
    row(
        "20 deploys: 10 s down and a restart, then 10 s with 5 % errors",
        |s, w| match s % 1_200 {
            0..10 => World { is_down: true, ..w },
            10..20 => World { failing: 0.05, ..w },
            _ => w,
        },
        (20 * 1_200, Told::Nothing, Theory::Never, 0, 0),
    ),
];
