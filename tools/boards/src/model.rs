//! What a board is made of: panels that ask one question each, in words that fit both products.
//!
//! Everything is `const`, so a board is a table in the source and a mistake in its form does not
//! compile; what the compiler cannot see (fields, filters, ids) is `check`'s. Not here: what the
//! products make of it (`kibana`, `osd`), which boards there are (`source`).

mod build;

pub use build::{metric, panel, row, split};
use lbproxy::record::Dataset;

/// The field that tells instances apart.
pub const INSTANCE: &str = "service.node.name";

/// Most instances of which a figure is joined.
pub const INSTANCES: u16 = 100;

/// Minutes before the end of the range that are now: an instance that is gone does not count for longer.
pub const NOW_MINUTES: u16 = 5;

/// Columns of the grid that panels stand on, in both products.
pub const GRID_WIDTH: u16 = 48;

/// One board.
#[derive(Debug, Clone, Copy)]
pub struct Board {
    /// Stable id: the saved object is `lbproxy-ID`.
    pub id: &'static str,
    /// Title.
    pub title: &'static str,
    /// The question that it answers.
    pub question: &'static str,
    /// What is shown at first, up to now, such as `24h`.
    pub range: &'static str,
    /// What can be chosen on it.
    pub controls: &'static [Control],
    /// Panels, row by row.
    pub rows: &'static [Row],
}

impl Board {
    /// Its panels, from top left to bottom right.
    pub fn panels(&self) -> impl Iterator<Item = &'static Panel> {
        self.rows.iter().flat_map(|row| row.panels)
    }

    /// Its title between others.
    pub fn name(&self) -> &'static str {
        self.title.trim_start_matches("lbproxy ")
    }

    /// Id of its dashboard.
    pub fn object_id(&self) -> String {
        format!("lbproxy-{}", self.id)
    }

    /// Id of what a panel keeps for itself: a visualization or a saved search.
    pub fn panel_id(&self, panel: &Panel) -> String {
        format!("lbproxy-{}-{}", self.id, panel.id)
    }
}

/// Panels side by side; their widths add up to [`GRID_WIDTH`].
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Height on the grid.
    pub height: u16,
    /// From left to right.
    pub panels: &'static [Panel],
}

/// A list of values to choose from, above the panels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// The lbproxy process.
    Instance,
    /// The service.
    Service,
    /// The route.
    Route,
    /// The endpoint.
    Endpoint,
    /// The listener.
    Listener,
    /// The objective; only where every panel is made of records of objectives.
    Objective,
    /// The class of the status to the downstream; only where every panel is made of single requests.
    StatusClass,
    /// The status to the downstream; likewise.
    Status,
}

impl Control {
    /// The field that is narrowed.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Instance => INSTANCE,
            Self::Service => "lbproxy.service",
            Self::Route => "lbproxy.route",
            Self::Endpoint => "lbproxy.endpoint",
            Self::Listener => "lbproxy.listener",
            Self::Objective => "lbproxy.slo.name",
            Self::StatusClass => "lbproxy.status_class",
            Self::Status => "http.response.status_code",
        }
    }

    /// Its id, the same on all boards: by it OpenSearch Dashboards knows again what was chosen.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Instance => "lbproxy-instance",
            Self::Service => "lbproxy-service",
            Self::Route => "lbproxy-route",
            Self::Endpoint => "lbproxy-endpoint",
            Self::Listener => "lbproxy-listener",
            Self::Objective => "lbproxy-objective",
            Self::StatusClass => "lbproxy-status-class",
            Self::Status => "lbproxy-status",
        }
    }

    /// What people read.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Instance => "Instance",
            Self::Service => "Service",
            Self::Route => "Route",
            Self::Endpoint => "Endpoint",
            Self::Listener => "Listener",
            Self::Objective => "Objective",
            Self::StatusClass => "Status class",
            Self::Status => "Status",
        }
    }
}

/// One question, and the data and form of its answer.
#[derive(Debug, Clone, Copy)]
pub struct Panel {
    /// Stable id within its board.
    pub id: &'static str,
    /// What it shows, in the field's terms.
    pub title: &'static str,
    /// The question that it answers, how to read it, and where to go next.
    pub note: &'static str,
    /// Where its documents are.
    pub dataset: Dataset,
    /// Which of them count, in KQL; empty for all.
    pub filter: &'static str,
    /// How it is drawn.
    pub form: Form,
    /// What is drawn: columns, lines, or the one figure.
    pub metrics: &'static [Metric],
    /// By what: a table's rows, or the series of a chart.
    pub splits: &'static [Split],
    /// A level that the first metric is to be held against.
    pub objective: Option<Objective>,
    /// From where on a figure says that something is wrong; else it has no colour.
    pub alarm: Option<Alarm>,
    /// Whether the board's controls leave it alone, as its documents do not have their fields.
    pub is_whole: bool,
    /// Id of the board that tells more of a value that is clicked, where it is another.
    pub more_on: Option<&'static str>,
    /// Whether what happened to lbproxy and its endpoints stands in it.
    pub has_events: bool,
    /// Width on the grid.
    pub width: u16,
}

/// Something that happened at one time, which a chart may have its cause in.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// What people read.
    pub label: &'static str,
    /// Which documents tell of it: health records, or those of objectives.
    pub dataset: Dataset,
    /// Which of them, in KQL.
    pub filter: &'static str,
    /// What of them a person who points at it reads.
    pub fields: &'static [&'static str],
    /// Its colour.
    pub color: &'static str,
    /// Its sign, by Kibana's name.
    pub icon: &'static str,
}

/// How a panel is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One figure for the whole range; below it that of the day before, if it is asked for.
    Figure,
    /// Lines over time.
    Lines,
    /// Stacked bars over time.
    Bars,
    /// Stacked areas over time.
    Areas,
    /// Rows by the splits, sorted by the first metric.
    Table,
    /// Counts over time and over bands of a field, whose bounds are in the field's own unit.
    Heat {
        /// The field.
        field: &'static str,
        /// Where a band begins and the one before ends; the last is open.
        bounds: &'static [u64],
    },
    /// The same where documents hold the counts of the bands themselves: one metric for each, lowest
    /// first.
    Bands,
    /// The documents themselves, newest first, with these fields.
    Records(&'static [&'static str]),
}

impl Form {
    /// Whether it runs over time.
    pub const fn has_time(self) -> bool {
        matches!(self, Self::Lines | Self::Bars | Self::Areas | Self::Bands | Self::Heat { .. })
    }
}

/// A figure.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// What people read.
    pub label: &'static str,
    /// How it is worked out.
    pub value: Value,
    /// In what.
    pub unit: Unit,
    /// Whether it is divided by the seconds of each bucket of time.
    pub is_rate: bool,
    /// Its colour, where it has one on all boards.
    pub color: Option<&'static str>,
    /// Whether it is that of the same span a day before.
    pub is_day_before: bool,
}

/// How a figure is worked out of the documents of its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Documents that match a filter in KQL; an empty one is matched by all.
    Count(&'static str),
    /// Sum over a field.
    Sum(&'static str),
    /// Highest value of a field.
    Max(&'static str),
    /// Lowest value of a field.
    Min(&'static str),
    /// Mean over a field.
    Mean(&'static str),
    /// Values in the newest document of each instance that has the field, joined; now only.
    Last(&'static str, Join),
    /// What a counter has risen by since the bucket of time before, of all instances together. One that is
    /// less than before has begun anew.
    Rise(&'static str),
    /// How many different values a field has.
    Distinct(&'static str),
    /// Percentile of a field, over records.
    Percentile(&'static str, u8),
    /// Percentile of times that rollups hold as a distribution. Where the server cannot add
    /// distributions up, the highest such percentile of any rollup instead, and the panel says so.
    Merged(&'static str, u8),
    /// The terms of the first list added up, divided by those of the second.
    Ratio(&'static [Term], &'static [Term]),
}

/// How figures of several instances become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// All of them together.
    Sum,
    /// That of the instance with most.
    Highest,
    /// That of the instance with least.
    Lowest,
}

impl Join {
    /// Its name in Lens, and in the aggregations of servers before `_bucket`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Highest => "max",
            Self::Lowest => "min",
        }
    }

    /// What it is of several, for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Sum => "sum of all instances",
            Self::Highest => "instance with most",
            Self::Lowest => "instance with least",
        }
    }
}

/// A summand of a ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// Documents that match a filter in KQL.
    Count(&'static str),
    /// Sum over a field.
    Sum(&'static str),
}

/// What a figure is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things without a word of their own.
    Count,
    /// Requests.
    Requests,
    /// Connections.
    Connections,
    /// Records.
    Records,
    /// A part of 1, shown in percent.
    Share,
    /// Milliseconds.
    Ms,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// Its word in documentation and on axes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Requests => "requests",
            Self::Connections => "connections",
            Self::Records => "records",
            Self::Share => "%",
            Self::Ms => "ms",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
        }
    }

    /// A number in it, as people write it.
    pub fn text(self, number: f64) -> String {
        match self {
            Self::Share => lbproxy::elk::boards::percent(number),
            Self::Ms | Self::Seconds | Self::Bytes => format!("{number} {}", self.as_str()),
            _ => number.to_string(),
        }
    }

    /// Whether it counts things.
    pub const fn is_count(self) -> bool {
        matches!(self, Self::Count | Self::Requests | Self::Connections | Self::Records)
    }

    /// So many of it in each second, in a word.
    pub fn per_second(self) -> String {
        match self {
            Self::Count => "per second".to_owned(),
            Self::Requests => "req/s".to_owned(),
            _ => format!("{}/s", self.as_str()),
        }
    }
}

/// The values of a field, those with the highest first metric.
#[derive(Debug, Clone, Copy)]
pub struct Split {
    /// The field.
    pub field: &'static str,
    /// What people read.
    pub label: &'static str,
    /// How many values.
    pub size: u16,
}

/// A level drawn as a dashed line.
#[derive(Debug, Clone, Copy)]
pub struct Objective {
    /// What people read.
    pub label: &'static str,
    /// The level, in the unit of the panel's first metric.
    pub level: f64,
}

/// From where on a figure says that something is wrong. Red is for users that are hurt now, amber for
/// what will hurt; a word stands beside the colour.
#[derive(Debug, Clone, Copy)]
pub struct Alarm {
    /// On which side of the levels it is wrong.
    pub side: Side,
    /// The milder level, in the figure's unit, and what it says.
    pub amber: Option<(f64, &'static str)>,
    /// The level that hurts users, and what it says.
    pub red: Option<(f64, &'static str)>,
}

/// A side of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Less is worse.
    Below,
    /// More is worse.
    Above,
}

impl Side {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Below => "below",
            Self::Above => "above",
        }
    }
}

impl Alarm {
    /// Its levels with colours and words, the worst first.
    pub fn levels(&self) -> impl Iterator<Item = (&'static str, f64, &'static str)> {
        let red = self.red.map(|(level, word)| ("red", level, word));
        let amber = self.amber.map(|(level, word)| ("amber", level, word));
        red.into_iter().chain(amber)
    }
}

impl Panel {
    /// The question that it answers.
    pub fn question(&self) -> &'static str {
        self.note.split_inclusive('?').next().unwrap_or_default()
    }

    /// Whether it shows what was a day before.
    pub fn has_day_before(&self) -> bool {
        self.metrics.iter().any(|metric| metric.is_day_before)
    }
}

impl Value {
    /// The field whose unit the figure is in, if it is one field's.
    pub const fn field(self) -> Option<&'static str> {
        match self {
            Self::Count(_) | Self::Distinct(_) => None,
            Self::Sum(field)
            | Self::Max(field)
            | Self::Min(field)
            | Self::Mean(field)
            | Self::Last(field, _)
            | Self::Rise(field)
            | Self::Percentile(field, _)
            | Self::Merged(field, _) => Some(field),
            Self::Ratio(top, _) => match top {
                [Term::Sum(field), ..] => Some(field),
                _ => None,
            },
        }
    }
}
