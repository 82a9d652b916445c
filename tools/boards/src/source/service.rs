//! Board 2: one service, chosen from the list, from rollups; its clients from records.

use lbproxy::record::Dataset;

use super::super::model::{Board, Form, Unit, Value, metric, panel, row, split};
use super::{
    BANDWIDTH_TIME, BEFORE, BY_CLASS, COUNT, FAILING, FAILURES, HURT, LATENCY, LATENCY_HEAT,
    LATENCY_NEAR_MS, LATENCY_TIME, NEAR, OF_ROLLUPS, P99, REQUESTS, SERVED, color, served, slowest,
    success_time,
};

/// See the head of this file.
pub(super) const BOARD: Board = Board {
    id: "service",
    title: "lbproxy 2 Service detail",
    question: "How is one service doing, and which of its routes and endpoints is not?",
    range: "6h",
    controls: OF_ROLLUPS,
    rows: &[
        row(
            7,
            &[
                panel(
                    "success",
                    "Served",
                    "Share of valid requests that were served. Choose a service above.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[served("of valid requests")],
                )
                .red_below(SERVED.level, HURT),
                panel(
                    "p99",
                    "Slowest 1 % take at least",
                    "99th percentile of the duration. Over 300 ms, go to Latency.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[slowest("p99")],
                )
                .red_above(LATENCY.level, HURT)
                .amber_above(LATENCY_NEAR_MS, NEAR),
                panel(
                    "retries",
                    "Retried attempts",
                    "Attempts after the first of a request: a second chance that users do not see.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[metric("attempts", Value::Sum("lbproxy.rollup.retries"), Unit::Count)],
                ),
            ],
        ),
        row(12, &[success_time("Are its users served?"), LATENCY_TIME]),
        row(
            12,
            &[
                panel(
                    "class-time",
                    "What is answered?",
                    "Requests per second by class of status.",
                    Dataset::Rollup,
                    Form::Bars,
                    BY_CLASS,
                )
                .wide(24),
                LATENCY_HEAT,
            ],
        ),
        row(
            11,
            &[
                panel(
                    "rate-before",
                    "More or fewer than a day before?",
                    "Requests per second.",
                    Dataset::Rollup,
                    Form::Lines,
                    &[
                        REQUESTS.per_second().in_color(color::ACCENT),
                        REQUESTS.per_second().day_before(BEFORE).in_color(color::QUIET),
                    ],
                ),
                panel(
                    "failing-before",
                    "Failing more than a day before?",
                    "Share of valid requests that were not served.",
                    Dataset::Rollup,
                    Form::Lines,
                    &[FAILING, FAILING.day_before(BEFORE).in_color(color::QUIET)],
                ),
                panel(
                    "latency-before",
                    "Slower than a day before?",
                    "The 99th percentile of the duration.",
                    Dataset::Rollup,
                    Form::Lines,
                    &[P99, P99.day_before(BEFORE).in_color(color::QUIET)],
                ),
            ],
        ),
        row(
            14,
            &[
                panel(
                    "routes",
                    "How is each route doing?",
                    "By requests.",
                    Dataset::Rollup,
                    Form::Table,
                    &[REQUESTS, FAILURES, FAILING, P99],
                )
                .by(&[split("lbproxy.route", "Route", 20)])
                .more_on("errors")
                .wide(24),
                panel(
                    "clients",
                    "Who asks most?",
                    "Clients by requests, with what failed for them; from the records.",
                    Dataset::Access,
                    Form::Table,
                    &[
                        COUNT,
                        metric("failed", Value::Count("event.outcome: failure"), Unit::Count)
                            .in_color(color::BAD),
                    ],
                )
                .by(&[split("client.ip", "Client", 20)])
                .wide(24),
            ],
        ),
        row(10, &[BANDWIDTH_TIME.wide(48)]),
    ],
};
