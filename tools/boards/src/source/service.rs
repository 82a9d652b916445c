//! Board 2: one service, chosen from the list, from rollups; its clients from records.

use lbproxy::record::Dataset;

use super::super::model::{Board, Form, Unit, Value, metric, panel, row, split};
use super::{
    BANDWIDTH_TIME, BEFORE, BY_CLASS, COUNT, FAILING, FAILURES, HURT, LATENCY, LATENCY_HEAT,
    LATENCY_TIME, MISSED, OF_ROLLUPS, P99, REQUESTS, SERVED, SERVED_BADLY, SUCCESS_TIME, color,
    served, slowest,
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
                    "Success rate",
                    "Are its users served? \
                     Share of valid requests that were served. Choose a service above.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[served("of valid requests")],
                )
                .red_below(SERVED_BADLY, HURT)
                .amber_below(SERVED.level, MISSED),
                panel(
                    "p99",
                    "Latency p99",
                    "How long do the slowest 1 % wait? \
                     99th percentile of the duration. Over 300 ms, go to Latency.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[slowest("p99")],
                )
                .amber_above(LATENCY.level, MISSED),
                panel(
                    "retries",
                    "Retries",
                    "How often was a second chance needed? \
                     Attempts after the first of a request: a second chance that users do not see.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[metric("attempts", Value::Sum("lbproxy.rollup.retries"), Unit::Count)],
                ),
            ],
        ),
        row(12, &[SUCCESS_TIME, LATENCY_TIME]),
        row(
            12,
            &[
                panel(
                    "class-time",
                    "Throughput by status class",
                    "What is answered? \
                     Requests per second by class of status.",
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
                    "Throughput, and a day before",
                    "More or fewer than a day before? \
                     Requests per second.",
                    Dataset::Rollup,
                    Form::Lines,
                    &[
                        REQUESTS.per_second().in_color(color::ACCENT),
                        REQUESTS.per_second().day_before(BEFORE).in_color(color::QUIET),
                    ],
                ),
                panel(
                    "failing-before",
                    "Error rate, and a day before",
                    "Failing more than a day before? \
                     Share of valid requests that were not served.",
                    Dataset::Rollup,
                    Form::Lines,
                    &[FAILING, FAILING.day_before(BEFORE).in_color(color::QUIET)],
                ),
                panel(
                    "latency-before",
                    "Latency p99, and a day before",
                    "Slower than a day before? \
                     The 99th percentile of the duration.",
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
                    "Routes",
                    "How is each route doing? \
                     By requests.",
                    Dataset::Rollup,
                    Form::Table,
                    &[REQUESTS, FAILURES, FAILING, P99],
                )
                .by(&[split("lbproxy.route", "Route", 20)])
                .more_on("errors")
                .wide(24),
                panel(
                    "clients",
                    "Top clients",
                    "Who asks most? \
                     Clients by requests, with what failed for them; from the records.",
                    Dataset::Access,
                    Form::Table,
                    &[
                        COUNT,
                        metric("failed", Value::Count("event.outcome: failure"), Unit::Requests)
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
