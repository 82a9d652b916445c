//! An objective as it is evaluated: read from a file and checked.
//!
//! Invariants: a target is above 0 and below 1; a burn window's `short` is shorter than its `long`, its
//! `long` no longer than the period, and its factor can be reached ([`BurnWindow::is_reachable`]).
//! Not here: the file and its findings.

use std::fmt;
use std::time::Duration;

use crate::base::clock::micros;
use crate::base::units::write_duration;
use crate::query::Filter;

/// What is promised to users, and when to tell somebody that it is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objective {
    /// Identity: lower-case letters, digits and `-`, 1 to 32 bytes (Kibana allows 48 for the id
    /// `lbp-NAME-WINDOW`). Unique among all files.
    pub name: String,
    /// For people; `name` where the file has none.
    pub title: String,
    /// What the objective means, for people.
    pub description: String,
    /// Whose objective it is, for people and routes: `spec.service` of the file.
    pub service: String,
    /// Team or person in charge.
    pub owner: Option<String>,
    /// Link to what to do.
    pub runbook: Option<String>,
    /// Link to where to look.
    pub dashboard: Option<String>,
    /// Which events count, and which of them are good.
    pub indicator: Indicator,
    /// Least share of good events among valid ones.
    pub target: TargetShare,
    /// Over which time the target holds.
    pub period: Period,
    /// Each combination of these has a budget and alerts of its own; empty: one for all.
    pub group_by: Vec<Dimension>,
    /// When to tell somebody, the fastest first.
    pub windows: Vec<BurnWindow>,
    /// Least valid events of the long window, below which no alert fires.
    pub min_total: u64,
    /// Least bad events of the long window, below which no alert fires.
    pub min_bad: u64,
    /// What to do when there are no events at all.
    pub no_data: NoData,
    /// Names of routes in `slo.notify`; empty: what the routes' own conditions say.
    pub notify: Vec<String>,
    /// When nothing counts and nobody is told.
    pub maintenance: Vec<Maintenance>,
}

impl Objective {
    /// Name of a row of its windows: the long one, such as `1h`; `1h-5m` where two rows have the same long one.
    pub fn row_name(&self, window: &BurnWindow) -> String {
        let text = |span| write_duration(micros(span));
        let (long, short) = (text(window.long), text(window.short));
        let alike = self.windows.iter().filter(|other| other.long == window.long);
        if alike.count() > 1 { format!("{long}-{short}") } else { long }
    }
}

/// Which records count, and which of them are good. An event is a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indicator {
    /// Records that count.
    pub valid: Filter,
    /// Those of them that are good.
    pub good: Filter,
    /// For an indicator of latency: the bound that `good` asks for.
    pub bound: Option<Duration>,
}

/// The target of an objective in parts per million, so that 99.95 % is exact: 1 to 999 999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetShare(u32);

impl TargetShare {
    /// Of all events.
    const WHOLE: u32 = 1_000_000;
    /// What is served where nothing is configured: 99.9 %.
    pub const SERVED: Self = Self(999_000);
    /// What is fast enough where nothing is configured: 99 %.
    pub const FAST: Self = Self(990_000);

    /// `None` for 0 %, 100 % and beyond: nothing to keep, no budget to spend.
    pub const fn from_ppm(ppm: u32) -> Option<Self> {
        if ppm == 0 || ppm >= Self::WHOLE { None } else { Some(Self(ppm)) }
    }

    /// Parts per million of good events.
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// Share of events that may be bad, above 0 and below 1.
    pub fn allowed(self) -> f64 {
        f64::from(Self::WHOLE - self.0) / f64::from(Self::WHOLE)
    }
}

/// In percent, without zeros at the end: `99.9`.
impl fmt::Display for TargetShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&percent(self.0))
    }
}

/// Parts per million in percent, without zeros at the end: `99.9`.
pub(super) fn percent(ppm: u32) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Over which time a target holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// The time before now; whole minutes, 1 hour to 90 days.
    Rolling(Duration),
    /// From the first of a month to the first of the next, in UTC shifted by so many minutes.
    Month {
        /// Minutes east of UTC, -720 to 840.
        offset_minutes: i16,
    },
    /// From Monday to Monday, likewise.
    Week {
        /// Minutes east of UTC, -720 to 840.
        offset_minutes: i16,
    },
}

impl Period {
    /// Its length, a month taken as 30 days: what burn rates are counted with.
    pub const fn length(self) -> Duration {
        match self {
            Self::Rolling(length) => length,
            Self::Month { .. } => Duration::from_hours(30 * 24),
            Self::Week { .. } => Duration::from_hours(7 * 24),
        }
    }
}

/// By what events are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// `lbproxy.service`
    Service,
    /// `lbproxy.route`
    Route,
    /// `lbproxy.endpoint`
    Endpoint,
}

impl Dimension {
    /// All of them, with the names that files have for them.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Service, Self::Service.as_str()),
        (Self::Route, Self::Route.as_str()),
        (Self::Endpoint, Self::Endpoint.as_str()),
    ];

    /// As files and filters have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Route => "route",
            Self::Endpoint => "endpoint",
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Somebody looks at it in working hours.
    Ticket,
    /// Somebody is woken.
    Page,
}

impl Severity {
    /// All of them, with the names that files have for them.
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::Ticket, Self::Ticket.as_str()), (Self::Page, Self::Page.as_str())];

    /// As files and messages have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }
}

/// Fires while the budget burns so fast, over the long window and over the short one, that `budget` of
/// it would be spent within `long` (<https://sre.google/workbook/alerting-on-slos/>, 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BurnWindow {
    /// Share of the period's budget, in parts per million.
    pub budget_ppm: u32,
    /// Whole minutes.
    pub long: Duration,
    /// Whole minutes; makes that the alert ends soon after its cause.
    pub short: Duration,
    /// Who is told.
    pub severity: Severity,
}

impl BurnWindow {
    /// How many times faster than allowed the budget has to burn.
    pub fn factor(&self, period: Period) -> f64 {
        f64::from(self.budget_ppm) / 1e6 * period.length().as_secs_f64() / self.long.as_secs_f64()
    }

    /// Whether it can fire at all: with every event bad, the budget burns `1 / allowed` times as fast.
    pub fn is_reachable(&self, period: Period, target: TargetShare) -> bool {
        self.factor(period) * target.allowed() < 1.0
    }
}

/// What to do when there are no events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoData {
    /// Tells somebody after so long without an event; `None`: nobody is told of silence.
    pub after: Option<(Duration, Severity)>,
    /// What an alert does that is firing meanwhile.
    pub firing: Silence,
}

/// What an alert does while there are no events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Stays as it is: a lost path of records ends no page.
    Keep,
    /// Ends.
    Resolve,
}

impl Silence {
    /// As files have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Resolve => "resolve",
        }
    }
}

/// A time in which nothing counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maintenance {
    /// Milliseconds since 1970 of its first moment.
    pub start_ms: u64,
    /// Milliseconds since 1970 of the moment after its last.
    pub end_ms: u64,
    /// Comes again after so long; `None`: once.
    pub every: Option<Duration>,
}
