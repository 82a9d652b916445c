//! Board 2: one service, chosen from the list, from rollups; its clients from records.

use super::super::model::{Board, Form, Unit, Value, metric, panel, row, split};
use super::{
    BANDWIDTH_TIME, BY_CLASS, COUNT, FAILING, FAILURES, LATENCY_TIME, OF_ROLLUPS, P99, REQUESTS,
    SUCCESS, color, success_time,
};
use crate::record::Dataset;

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
                    &[metric("of valid requests", SUCCESS.value, Unit::Share)],
                ),
                panel(
                    "p99",
                    "Slowest 1 % take at least",
                    "99th percentile of the duration. Over 300 ms, go to Latency.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[P99],
                ),
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
                BANDWIDTH_TIME,
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
    ],
};
