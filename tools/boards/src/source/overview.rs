//! Board 1: the golden signals, from rollups.

use lbproxy::record::Dataset;

use super::super::model::{Board, Form, Metric, Unit, Value, metric, panel, row, split};
use super::{
    BANDWIDTH_TIME, BEFORE, BY_CLASS, FAILING, FAILURES, HURT, LAG_MAX_S, LATENCY, LATENCY_HEAT,
    LATENCY_TIME, MISSED, OF_ROLLUPS, P99, PROCESS, REQUESTS, SERVED, SERVED_BADLY, SUCCESS_TIME,
    UNTRUE, color, served, slowest,
};

/// Reasons that most often hurt users; the board of errors has all of them.
const REASONS: &[Metric] = &[
    reason("no endpoint", "lbproxy.rollup.reason.no_endpoint"),
    reason("connect refused", "lbproxy.rollup.reason.connect_refused"),
    reason("connect timeout", "lbproxy.rollup.reason.connect_timeout"),
    reason("first byte timeout", "lbproxy.rollup.reason.first_byte_timeout"),
    reason("upstream closed", "lbproxy.rollup.reason.upstream_closed"),
    reason("upstream reset", "lbproxy.rollup.reason.upstream_reset"),
    reason("queue full", "lbproxy.rollup.reason.queue_full"),
    reason("queue timeout", "lbproxy.rollup.reason.queue_timeout"),
    reason("downstream closed", "lbproxy.rollup.reason.downstream_closed"),
];

/// Requests that ended for a reason.
const fn reason(label: &'static str, field: &'static str) -> Metric {
    metric(label, Value::Sum(field), Unit::Requests)
}

/// Failed requests as a figure, which has no colour of its own.
const FAILED_NOW: Metric = metric("failed", FAILURES.value, Unit::Requests);

/// See the head of this file.
pub(super) const BOARD: Board = Board {
    id: "overview",
    title: "lbproxy 1 Overview",
    question: "Are users served, how much is asked, and whose fault is what fails?",
    range: "24h",
    controls: OF_ROLLUPS,
    rows: &[
        row(
            5,
            &[
                panel(
                    "lag",
                    "Shipping lag",
                    "Is what is newest shown here? \
                     Age of the oldest record that waited to be stored: what is newer may be missing here.",
                    Dataset::Process,
                    Form::Figure,
                    &[metric(
                        "waited",
                        Value::Max("lbproxy.ship.oldest_pending_seconds"),
                        Unit::Seconds,
                    )],
                )
                .amber_above(LAG_MAX_S, UNTRUE)
                .only(PROCESS)
                .whole()
                .wide(12),
                panel(
                    "gaps",
                    "Missing records",
                    "Is everything shown here? \
                     Lost to a full journal. 0, or this board says less than happened. See Shipping.",
                    Dataset::Health,
                    Form::Figure,
                    &[metric("missing", Value::Sum("lbproxy.gap.count"), Unit::Records)],
                )
                .amber_above(0.0, UNTRUE)
                .only("lbproxy.kind: gap")
                .whole()
                .wide(12),
                panel(
                    "dead",
                    "Refused records",
                    "Was anything left out for good? \
                     Refused in this range: in the dead letters, each with its reason. See Shipping.",
                    Dataset::Process,
                    Form::Figure,
                    &[metric("refused", Value::Sum("lbproxy.records.dead_letter_new"), Unit::Records)],
                )
                .amber_above(0.0, UNTRUE)
                .only(PROCESS)
                .whole()
                .wide(12),
                panel(
                    "in-flight",
                    "Saturation: requests in flight",
                    "How close to the edge? \
                     Exchanges that had begun and not ended, highest on one instance. See Process.",
                    Dataset::Process,
                    Form::Figure,
                    &[metric("busiest instance", Value::Max("lbproxy.requests.in_flight"), Unit::Requests)],
                )
                .only(PROCESS)
                .whole()
                .wide(12),
            ],
        ),
        row(
            7,
            &[
                panel(
                    "success",
                    "Success rate",
                    "Are users served? \
                     Share of valid requests that were served: 5xx and whatever is the endpoint's or \
                     proxy's fault count against it, a client that left counts not at all. Below 99.9 %, \
                     go to Errors.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[served("served"), served("served").day_before(BEFORE)],
                )
                .red_below(SERVED_BADLY, HURT)
                .amber_below(SERVED.level, MISSED)
                .wide(12),
                panel(
                    "p99",
                    "Latency p99",
                    "How long do the slowest 1 % wait? \
                     99th percentile of the duration, first byte of the request to last byte of the \
                     response. Over 300 ms, go to Latency.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[slowest("p99"), slowest("p99").day_before(BEFORE)],
                )
                .amber_above(LATENCY.level, MISSED)
                .wide(12),
                panel(
                    "requests",
                    "Total requests",
                    "How much was asked? \
                     All of this range, whatever became of them.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[REQUESTS, REQUESTS.day_before(BEFORE)],
                )
                .wide(12),
                panel(
                    "failed",
                    "Failed requests",
                    "How many were not served? \
                     Those that a client has left are not counted.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[FAILED_NOW, FAILED_NOW.day_before(BEFORE)],
                )
                .wide(12),
            ],
        ),
        row(
            12,
            &[
                SUCCESS_TIME,
                LATENCY_TIME,
            ],
        ),
        row(
            12,
            &[
                panel(
                    "class-time",
                    "Throughput by status class",
                    "How much is asked, and what is answered? \
                     Requests per second by class of status; `none sent` are those that ended before a status.",
                    Dataset::Rollup,
                    Form::Bars,
                    BY_CLASS,
                )
                .wide(24),
                LATENCY_HEAT,
            ],
        ),
        row(
            12,
            &[
                panel(
                    "reason-time",
                    "Errors by reason",
                    "Why do requests end badly? \
                     Requests by reason, those that most often hurt users; all of them are on Errors.",
                    Dataset::Rollup,
                    Form::Bars,
                    REASONS,
                )
                .wide(24),
                BANDWIDTH_TIME,
            ],
        ),
        row(
            10,
            &[panel(
                "service-time",
                "Throughput by service",
                "Which service is asked most? \
                 Requests per second by service.",
                Dataset::Rollup,
                Form::Lines,
                &[REQUESTS.per_second()],
            )
            .by(&[split("lbproxy.service", "Service", 8)])
            .more_on("service")
            .wide(48)],
        ),
        row(
            14,
            &[
                panel(
                    "failing-routes",
                    "Routes by errors",
                    "Which routes fail most? \
                     By failed requests. A click on a value keeps only it.",
                    Dataset::Rollup,
                    Form::Table,
                    &[FAILURES, REQUESTS, FAILING],
                )
                .more_on("errors")
                .by(&[
                    split("lbproxy.service", "Service", 8),
                    split("lbproxy.route", "Route", 8),
                ])
                .wide(24),
                panel(
                    "slow-routes",
                    "Routes by latency",
                    "Which routes are slowest? \
                     By the longest request of the range.",
                    Dataset::Rollup,
                    Form::Table,
                    &[
                        metric("longest", Value::Max("lbproxy.rollup.duration_us.max"), Unit::Ms)
                            .in_color(color::ACCENT),
                        P99,
                        REQUESTS,
                    ],
                )
                .more_on("latency")
                .by(&[
                    split("lbproxy.service", "Service", 8),
                    split("lbproxy.route", "Route", 8),
                ])
                .wide(24),
            ],
        ),
    ],
};
