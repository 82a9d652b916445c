//! The boards, one file each. To add a panel, add it to its board's table; everything else is made
//! from there.
//!
//! Long ranges are answered from rollups, detail from records. Kept the same on all boards: names,
//! colours, titles in the field's terms with the question below, the order of views (can I trust this, are users
//! served, how much, whose fault, how close to the edge).

mod clients;
mod endpoints;
mod errors;
mod heartbeat;
mod latency;
mod overview;
mod process;
mod range;
mod service;
mod shipping;
mod slo;

use lbproxy::record::Dataset;
use lbproxy::slo::Targets;
use lbproxy::slo::verdict::SHIPPING_BEHIND_S;

use super::model::{
    Board, Control, Event, Form, Metric, Objective, Panel, Term, Unit, Value, metric, panel,
};

/// All boards, in the order of their links.
pub const BOARDS: &[Board] = &[
    overview::BOARD,
    service::BOARD,
    endpoints::BOARD,
    errors::BOARD,
    latency::BOARD,
    clients::BOARD,
    process::BOARD,
    heartbeat::BOARD,
    shipping::BOARD,
    slo::BOARD,
    range::BOARD,
];

/// What figures are held against until objectives are configured: as on the live page.
const TARGETS: Targets = Targets::DEFAULT;
/// What is promised to users.
pub(super) const SERVED: Objective =
    Objective { label: "objective 99.9 %", level: share(TARGETS.served.ppm()) };
/// The same of latency, in milliseconds.
pub(super) const LATENCY: Objective =
    Objective { label: "objective 300 ms", level: whole(TARGETS.fast_us) / 1e3 };
/// What may fail of them.
const MAY_FAIL: Objective =
    Objective { label: "objective 0.1 %", level: share(TARGETS.served.budget_ppm()) };
/// Share of served requests below which users are hurt now.
const SERVED_BADLY: f64 = share(1_000_000 - TARGETS.served.hurt_ppm());
/// Seconds that records may wait to be stored.
const LAG_MAX_S: f64 = whole(SHIPPING_BEHIND_S);

/// Parts of a million as a share.
const fn share(ppm: u32) -> f64 {
    ppm as f64 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
const fn whole(number: u64) -> f64 {
    number as f64
}

/// Colour of lines for objectives.
pub(super) const OBJECTIVE_COLOR: &str = "#69707D";

/// Colours that the eye tells apart whatever it sees of red and green; each has one meaning.
pub(super) mod color {
    /// Served, 2xx, up.
    pub(crate) const GOOD: &str = "#54B399";
    /// Redirections, information.
    pub(crate) const CALM: &str = "#6092C0";
    /// The client's doing, 4xx.
    pub(crate) const CLIENT: &str = "#D6BF57";
    /// Failing, 5xx, down.
    pub(crate) const BAD: &str = "#E7664C";
    /// Neither.
    pub(crate) const QUIET: &str = "#98A2B3";
    /// What matters most of several lines.
    pub(crate) const ACCENT: &str = "#9170B8";
    /// A figure that says nothing is wrong: readable on light and dark.
    pub(crate) const FIGURE: &str = "#757D8A";
    /// The tile of a figure that there is none of.
    pub(crate) const NOTHING: &str = "#D3DAE6";
    /// A figure that says users are hurt now.
    pub(crate) const RED: &str = "#DB4437";
    /// A figure that says something will hurt.
    pub(crate) const AMBER: &str = "#A87400";
}

/// The colour of a level of alarm, by its name.
pub(super) const fn alarm_color(name: &str) -> &'static str {
    match name.as_bytes() {
        b"red" => color::RED,
        _ => color::AMBER,
    }
}

/// The label of what was a day before.
const BEFORE: &str = "a day before";

/// What an alarm says of users.
const HURT: &str = "users are hurt";
/// What it says before.
const MISSED: &str = "misses the objective";
/// What it says of a board that does not have everything.
const UNTRUE: &str = "less is shown than happened";

/// Samples of the whole process.
pub(super) const PROCESS: &str = "metricset.name: process";

/// Good requests, as rollups have them.
pub(super) const GOOD: Term = Term::Sum("lbproxy.rollup.outcome.success");
pub(super) const FAILED: Term = Term::Sum("lbproxy.rollup.outcome.failure");

/// Share of valid requests that were served.
pub(super) const SUCCESS: Metric =
    metric("served", Value::Ratio(&[GOOD], &[GOOD, FAILED]), Unit::Share).in_color(color::GOOD);
/// Share of valid requests that were not.
pub(super) const FAILING: Metric =
    metric("failing", Value::Ratio(&[FAILED], &[GOOD, FAILED]), Unit::Share).in_color(color::BAD);
/// Failed requests as a share of all, where the order of columns asks for another than [`FAILING`].
pub(super) const BAD_SHARE: Metric = metric(
    "of all requests",
    Value::Ratio(&[FAILED], &[Term::Sum("lbproxy.rollup.requests")]),
    Unit::Share,
);
pub(super) const COUNT: Metric = metric("requests", Value::Count(""), Unit::Requests);
pub(super) const REQUESTS: Metric =
    metric("requests", Value::Sum("lbproxy.rollup.requests"), Unit::Requests);
pub(super) const FAILURES: Metric =
    metric("failed", Value::Sum("lbproxy.rollup.outcome.failure"), Unit::Requests)
        .in_color(color::BAD);
/// Half of the requests were faster.
pub(super) const P50: Metric =
    metric("p50", Value::Merged("lbproxy.rollup.duration_us", 50), Unit::Ms).in_color(color::QUIET);
/// Nineteen of twenty were faster.
pub(super) const P95: Metric =
    metric("p95", Value::Merged("lbproxy.rollup.duration_us", 95), Unit::Ms).in_color(color::CALM);
/// Ninety-nine of a hundred were faster.
pub(super) const P99: Metric =
    metric("p99", Value::Merged("lbproxy.rollup.duration_us", 99), Unit::Ms)
        .in_color(color::ACCENT);

/// Requests by class of status, over rollups.
pub(super) const BY_CLASS: &[Metric] = &[
    metric("2xx", Value::Sum("lbproxy.rollup.class.2xx"), Unit::Requests)
        .per_second()
        .in_color(color::GOOD),
    metric("3xx", Value::Sum("lbproxy.rollup.class.3xx"), Unit::Requests)
        .per_second()
        .in_color(color::CALM),
    metric("4xx", Value::Sum("lbproxy.rollup.class.4xx"), Unit::Requests)
        .per_second()
        .in_color(color::CLIENT),
    metric("5xx", Value::Sum("lbproxy.rollup.class.5xx"), Unit::Requests)
        .per_second()
        .in_color(color::BAD),
    metric("none sent", Value::Sum("lbproxy.rollup.class.none"), Unit::Requests)
        .per_second()
        .in_color(color::QUIET),
];

/// Bytes from and to clients, over rollups.
pub(super) const BANDWIDTH: &[Metric] = &[
    metric("to clients", Value::Sum("lbproxy.rollup.response_bytes"), Unit::Bytes)
        .per_second()
        .in_color(color::CALM),
    metric("from clients", Value::Sum("lbproxy.rollup.request_bytes"), Unit::Bytes)
        .per_second()
        .in_color(color::QUIET),
];

pub(super) const PERCENTILES: &[Metric] = &[P50, P95, P99];

/// What a person reads of a health record that is an event.
const OF_HEALTH: &[&str] = &["monitor.name", "service.node.name", "error.message"];
/// The same of an alert.
const OF_ALERT: &[&str] =
    &["lbproxy.slo.name", "lbproxy.service", "lbproxy.endpoint", "service.node.name"];

/// What stands in charts of errors and latency. A restart is told by the first record of its kind; an alert by
/// each minute in which it fires.
pub(super) const EVENTS: &[Event] = &[
    Event {
        label: "lbproxy started",
        dataset: Dataset::Health,
        filter: "lbproxy.kind: heartbeat and lbproxy.seq: 1",
        fields: OF_HEALTH,
        color: color::CALM,
        icon: "flag",
    },
    Event {
        label: "endpoint ejected",
        dataset: Dataset::Health,
        filter: "event.action: state_change and monitor.type: passive and monitor.status: down",
        fields: OF_HEALTH,
        color: color::BAD,
        icon: "alert",
    },
    Event {
        label: "page fires",
        dataset: Dataset::Slo,
        filter: slo::PAGES,
        fields: OF_ALERT,
        color: color::RED,
        icon: "bell",
    },
    Event {
        label: "ticket fires",
        dataset: Dataset::Slo,
        filter: slo::TICKETS,
        fields: OF_ALERT,
        color: color::CLIENT,
        icon: "bell",
    },
];

/// The events by what they are read from, with the name of their layer in a chart.
pub(super) fn event_layers() -> [(&'static str, Dataset, Vec<&'static Event>); 2] {
    [("events", Dataset::Health), ("alerts", Dataset::Slo)].map(|(name, dataset)| {
        (name, dataset, EVENTS.iter().filter(|own| own.dataset == dataset).collect())
    })
}

/// What narrows a board that is made of rollups.
const OF_ROLLUPS: &[Control] =
    &[Control::Service, Control::Route, Control::Endpoint, Control::Instance];
/// What narrows a board that is made of single requests.
const OF_REQUESTS: &[Control] = &[
    Control::Service,
    Control::Route,
    Control::Endpoint,
    Control::Instance,
    Control::StatusClass,
    Control::Status,
];

/// Success as a figure, which has no colour of its own.
const fn served(label: &'static str) -> Metric {
    metric(label, SUCCESS.value, Unit::Share)
}

/// The 99th percentile as a figure, which has no colour of its own.
const fn slowest(label: &'static str) -> Metric {
    metric(label, P99.value, Unit::Ms)
}

/// Success over time.
const SUCCESS_TIME: Panel = panel(
    "success-time",
    "Success rate over time",
    "Are users served? Share of valid requests that were served, against what is promised.",
    Dataset::Rollup,
    Form::Lines,
    &[SUCCESS],
)
.against(SERVED.label, SERVED.level)
.with_events()
.wide(24);

const LATENCY_TIME: Panel = panel(
    "latency-time",
    "Latency percentiles",
    "How long do users wait? Duration of requests, against what is promised for the 99th percentile.",
    Dataset::Rollup,
    Form::Lines,
    PERCENTILES,
)
.against(LATENCY.label, LATENCY.level)
.with_events()
.wide(24);

/// Requests of rollups whose duration is in a band.
const fn band(label: &'static str, field: &'static str) -> Metric {
    metric(label, Value::Sum(field), Unit::Requests)
}

/// Every band that rollups count durations in.
const BANDS: &[Metric] = &[
    band("to 1 ms", "lbproxy.rollup.duration_bucket.to_1ms"),
    band("to 2 ms", "lbproxy.rollup.duration_bucket.to_2ms"),
    band("to 5 ms", "lbproxy.rollup.duration_bucket.to_5ms"),
    band("to 10 ms", "lbproxy.rollup.duration_bucket.to_10ms"),
    band("to 20 ms", "lbproxy.rollup.duration_bucket.to_20ms"),
    band("to 50 ms", "lbproxy.rollup.duration_bucket.to_50ms"),
    band("to 100 ms", "lbproxy.rollup.duration_bucket.to_100ms"),
    band("to 200 ms", "lbproxy.rollup.duration_bucket.to_200ms"),
    band("to 500 ms", "lbproxy.rollup.duration_bucket.to_500ms"),
    band("to 1 s", "lbproxy.rollup.duration_bucket.to_1s"),
    band("to 2 s", "lbproxy.rollup.duration_bucket.to_2s"),
    band("to 5 s", "lbproxy.rollup.duration_bucket.to_5s"),
    band("to 10 s", "lbproxy.rollup.duration_bucket.to_10s"),
    band("to 30 s", "lbproxy.rollup.duration_bucket.to_30s"),
    band("to 60 s", "lbproxy.rollup.duration_bucket.to_60s"),
    band("over 60 s", "lbproxy.rollup.duration_bucket.over_60s"),
];

/// Latency over time and over bands.
const LATENCY_HEAT: Panel = panel(
    "latency-heat",
    "Latency distribution",
    "How are durations spread? Requests by duration: two bands far apart are two kinds of request. Which, says Latency.",
    Dataset::Rollup,
    Form::Bands,
    BANDS,
)
.wide(24);

const BANDWIDTH_TIME: Panel = panel(
    "bandwidth-time",
    "Bandwidth",
    "How many bytes cross? Bytes per second of requests and responses, heads included.",
    Dataset::Rollup,
    Form::Areas,
    BANDWIDTH,
)
.wide(24);

/// Saved searches over whole datasets, for Discover: title and columns.
pub const SEARCHES: &[(Dataset, &str, Panel)] = &[
    (
        Dataset::Access,
        "requests",
        records(
            Dataset::Access,
            "Every request, newest first.",
            &[
                "lbproxy.service",
                "lbproxy.endpoint",
                "http.request.method",
                "url.path",
                "http.response.status_code",
                "lbproxy.termination.reason",
                "event.duration",
            ],
        ),
    ),
    (
        Dataset::Rollup,
        "rollups",
        records(
            Dataset::Rollup,
            "Every minute of every service, route and endpoint.",
            &[
                "lbproxy.service",
                "lbproxy.route",
                "lbproxy.endpoint",
                "lbproxy.rollup.requests",
                "lbproxy.rollup.outcome.failure",
                "lbproxy.rollup.duration_us.p99",
            ],
        ),
    ),
    (
        Dataset::Process,
        "samples",
        records(
            Dataset::Process,
            "Samples of process, workers and endpoints.",
            &[
                "metricset.name",
                "lbproxy.sample.worker",
                "lbproxy.endpoint",
                "system.process.cpu.total.pct",
                "lbproxy.requests.in_flight",
                "lbproxy.records.pending",
            ],
        ),
    ),
    (
        Dataset::Slo,
        "objectives",
        records(
            Dataset::Slo,
            "Every minute of every objective and group.",
            &[
                "lbproxy.slo.name",
                "lbproxy.slo.state",
                "lbproxy.slo.alert",
                "lbproxy.slo.valid",
                "lbproxy.slo.bad",
                "lbproxy.slo.burn_rate.1h",
                "lbproxy.slo.budget_left",
            ],
        ),
    ),
    (
        Dataset::Health,
        "checks and gaps",
        records(
            Dataset::Health,
            "Checks of listeners and endpoints, changes of their state, gaps.",
            &["lbproxy.kind", "monitor.name", "monitor.status", "event.action", "error.message"],
        ),
    ),
    (
        Dataset::Connection,
        "connections without a request",
        records(
            Dataset::Connection,
            "Connections that ended without a request that could be read.",
            &["lbproxy.listener", "source.ip", "lbproxy.termination.reason", "error.message"],
        ),
    ),
];

const fn records(dataset: Dataset, note: &'static str, columns: &'static [&'static str]) -> Panel {
    panel("", "", note, dataset, Form::Records(columns), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: words that have a level in them say the one that is used. Method: both, as text.
    #[test]
    fn words_name_the_levels_that_are_used() {
        let share = |level| Unit::Share.text(level);
        assert_eq!(SERVED.label, format!("objective {}", share(SERVED.level)));
        assert_eq!(LATENCY.label, format!("objective {}", Unit::Ms.text(LATENCY.level)));
        let notes: String = BOARDS
            .iter()
            .flat_map(|board| board.rows)
            .flat_map(|row| row.panels)
            .map(|panel| panel.note)
            .collect();
        for (name, want) in [
            ("served", format!("Below {}, go to Errors.", share(SERVED.level))),
            ("latency", format!("Over {}, go to Latency.", Unit::Ms.text(LATENCY.level))),
        ] {
            assert!(notes.contains(&want), "{name}: no {want:?}");
        }
        assert_eq!(MAY_FAIL.label, format!("objective {}", share(MAY_FAIL.level)));
        assert_eq!(share(SERVED_BADLY), "98.56 %");
    }
}
