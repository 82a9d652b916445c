//! Board 3: endpoints, against each other. Why they were ejected stands on Heartbeat.

use lbproxy::record::Dataset;

use super::super::model::{Board, Form, Metric, Term, Unit, Value, metric, panel, row, split};
use super::{BAD_SHARE, FAILING, FAILURES, OF_ROLLUPS, P99, REQUESTS};

/// One line for each endpoint.
const BY_ENDPOINT: &[super::super::model::Split] = &[split("lbproxy.endpoint", "Endpoint", 12)];

/// Mean over the rollups' sums: sums may be added up, percentiles not.
const fn mean(label: &'static str, top: &'static [Term], bottom: &'static [Term]) -> Metric {
    metric(label, Value::Ratio(top, bottom), Unit::Ms)
}

/// By the endpoint that failed them, not by the one that was tried last.
const FAILED_ATTEMPTS: Metric =
    metric("failed attempts", Value::Sum("lbproxy.rollup.failed_attempts"), Unit::Count);

/// See the head of this file.
pub(super) const BOARD: Board = Board {
    id: "endpoints",
    title: "lbproxy 3 Upstreams",
    question: "Which endpoint gets more, fails more or answers later than the others?",
    range: "6h",
    controls: OF_ROLLUPS,
    rows: &[
        row(
            12,
            &[
                panel(
                    "share",
                    "Throughput by endpoint",
                    "Is traffic spread evenly? \
                     Requests per second by endpoint.",
                    Dataset::Rollup,
                    Form::Areas,
                    &[REQUESTS.per_second()],
                )
                .by(BY_ENDPOINT)
                .wide(24),
                panel(
                    "failing",
                    "Errors by endpoint",
                    "Which one fails? \
                     Failed requests by the endpoint of their last attempt; its failed attempts stand below.",
                    Dataset::Rollup,
                    Form::Bars,
                    &[FAILURES],
                )
                .by(BY_ENDPOINT)
                .with_events()
                .wide(24),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "first-byte",
                    "Time to first byte by endpoint",
                    "Which one answers late? \
                     Mean time from the request handed over to the response head.",
                    Dataset::Rollup,
                    Form::Lines,
                    &[mean(
                        "first byte",
                        &[Term::Sum("lbproxy.rollup.first_byte_us.sum")],
                        &[Term::Sum("lbproxy.rollup.first_byte_us.count")],
                    )],
                )
                .by(BY_ENDPOINT)
                .wide(24),
                panel(
                    "connect",
                    "Connect time by endpoint",
                    "Which one is hard to reach? \
                     Mean time to connect, where a connection was opened.",
                    Dataset::Rollup,
                    Form::Lines,
                    &[mean(
                        "connect",
                        &[Term::Sum("lbproxy.rollup.connect_us.sum")],
                        &[Term::Sum("lbproxy.rollup.connect_us.count")],
                    )],
                )
                .by(BY_ENDPOINT)
                .wide(24),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "opened",
                    "Connections opened by endpoint",
                    "How many connections are opened? \
                     Upstream connections opened per second: many of them, and keep-alive does not work.",
                    Dataset::Rollup,
                    Form::Bars,
                    &[metric(
                        "connections",
                        Value::Sum("lbproxy.rollup.connections_opened"),
                        Unit::Connections,
                    )
                    .per_second()],
                )
                .by(BY_ENDPOINT)
                .wide(24),
                panel(
                    "failed-attempts",
                    "Failed attempts by endpoint",
                    "Which one cannot be reached or does not answer? \
                     Attempts that failed at the endpoint itself, whoever served the request then.",
                    Dataset::Rollup,
                    Form::Bars,
                    &[FAILED_ATTEMPTS],
                )
                .by(BY_ENDPOINT)
                .wide(24),
            ],
        ),
        row(
            14,
            &[
                panel(
                    "endpoints",
                    "Endpoints",
                    "How is each endpoint doing? \
                     By requests.",
                    Dataset::Rollup,
                    Form::Table,
                    &[REQUESTS, FAILURES, FAILING, FAILED_ATTEMPTS, P99],
                )
                .more_on("errors")
                .by(&[
                    split("lbproxy.service", "Service", 10),
                    split("lbproxy.endpoint", "Endpoint", 20),
                ])
                .wide(30),
                panel(
                    "budget",
                    "Errors by cause",
                    "Who causes what fails? \
                     Failed requests by reason, of the endpoints' account.",
                    Dataset::Rollup,
                    Form::Table,
                    &[
                        metric(
                            "refused",
                            Value::Sum("lbproxy.rollup.reason.connect_refused"),
                            Unit::Requests,
                        ),
                        metric(
                            "late",
                            Value::Sum("lbproxy.rollup.reason.first_byte_timeout"),
                            Unit::Requests,
                        ),
                        BAD_SHARE,
                    ],
                )
                .by(&[split("lbproxy.endpoint", "Endpoint", 20)])
                .wide(18),
            ],
        ),
    ],
};
