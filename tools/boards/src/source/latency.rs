//! Board 5: where the time of requests goes.

use lbproxy::record::Dataset;

use super::super::model::{Board, Form, Metric, Term, Unit, Value, metric, panel, row, split};
use super::{LATENCY, OF_REQUESTS, color};

/// Bounds of the heat map, in nanoseconds: about three to a power of ten.
const BANDS_NS: &[u64] = &[
    0,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    5_000_000_000,
];

/// A percentile of the duration.
const fn duration(label: &'static str, percentile: u8) -> Metric {
    metric(label, Value::Percentile("event.duration", percentile), Unit::Ms)
}

/// Mean of a part of the time: means of parts add up to the whole, medians do not.
const fn part(label: &'static str, field: &'static str) -> Metric {
    metric(label, Value::Mean(field), Unit::Ms)
}

/// 99th percentile of a part of the time.
const fn tail(label: &'static str, field: &'static str) -> Metric {
    metric(label, Value::Percentile(field, 99), Unit::Ms)
}

/// See the head of this file.
pub(super) const BOARD: Board = Board {
    id: "latency",
    title: "lbproxy 5 Latency breakdown",
    question: "Where does the time of slow requests go?",
    range: "1h",
    controls: OF_REQUESTS,
    rows: &[
        row(
            13,
            &[
                panel(
                    "percentiles",
                    "Latency percentiles",
                    "How long do requests take? \
                     Percentiles over the records themselves.",
                    Dataset::Access,
                    Form::Lines,
                    &[
                        duration("p50", 50).in_color(color::QUIET),
                        duration("p95", 95).in_color(color::CALM),
                        duration("p99", 99).in_color(color::ACCENT),
                    ],
                )
                .against(LATENCY.label, LATENCY.level)
                .with_events()
                .wide(24),
                panel(
                    "heat",
                    "Latency distribution",
                    "How are durations spread? \
                     Requests by duration: two bands far apart are two kinds of request.",
                    Dataset::Access,
                    Form::Heat { field: "event.duration", bounds: BANDS_NS },
                    &[metric("requests", Value::Count(""), Unit::Requests)],
                )
                .wide(24),
            ],
        ),
        row(
            13,
            &[
                panel(
                    "parts",
                    "Mean time by phase",
                    "Which part of the time grows? \
                     Mean of each part, over the requests that had it.",
                    Dataset::Access,
                    Form::Lines,
                    &[
                        part("request head", "lbproxy.time.head_us"),
                        part("queue", "lbproxy.time.queue_us"),
                        part("look-up", "lbproxy.upstream.dns_us"),
                        part("connect", "lbproxy.upstream.connect_us"),
                        part("TLS to endpoint", "lbproxy.upstream.tls_us"),
                        part("first byte", "lbproxy.upstream.first_byte_us"),
                        part("response", "lbproxy.time.response_us"),
                        part("proxy itself", "lbproxy.time.self_us"),
                    ],
                )
                .wide(24),
                panel(
                    "tails",
                    "Time p99 by phase",
                    "Which part makes the slowest slow? \
                     99th percentile of each part.",
                    Dataset::Access,
                    Form::Lines,
                    &[
                        tail("queue", "lbproxy.time.queue_us"),
                        tail("connect", "lbproxy.upstream.connect_us"),
                        tail("first byte", "lbproxy.upstream.first_byte_us"),
                        tail("response", "lbproxy.time.response_us"),
                        tail("proxy itself", "lbproxy.time.self_us"),
                    ],
                )
                .wide(24),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "reuse",
                    "Connection reuse",
                    "How many ride a pooled connection? \
                     Share of requests that needed no connection of their own.",
                    Dataset::Access,
                    Form::Lines,
                    &[metric(
                        "reused",
                        Value::Ratio(
                            &[Term::Count("lbproxy.upstream.reused: true")],
                            &[Term::Count("lbproxy.upstream.reused: *")],
                        ),
                        Unit::Share,
                    )],
                )
                .wide(24),
                panel(
                    "first-byte",
                    "Time to first byte p95 by endpoint",
                    "Which endpoint answers late? \
                     95th percentile of the time to the first byte, by endpoint.",
                    Dataset::Access,
                    Form::Lines,
                    &[metric(
                        "p95",
                        Value::Percentile("lbproxy.upstream.first_byte_us", 95),
                        Unit::Ms,
                    )],
                )
                .by(&[split("lbproxy.endpoint", "Endpoint", 8)])
                .wide(24),
            ],
        ),
        row(
            14,
            &[
                panel(
                    "routes",
                    "Latency by route",
                    "Which route is slow, and where? \
                     By requests.",
                    Dataset::Access,
                    Form::Table,
                    &[
                        metric("requests", Value::Count(""), Unit::Requests),
                        duration("p50", 50),
                        duration("p99", 99),
                        metric(
                            "first byte p99",
                            Value::Percentile("lbproxy.upstream.first_byte_us", 99),
                            Unit::Ms,
                        ),
                    ],
                )
                .by(&[split("lbproxy.service", "Service", 8), split("lbproxy.route", "Route", 10)])
                .wide(24),
                panel(
                    "new-or-pooled",
                    "Latency of new and pooled connections",
                    "What does a new connection cost? \
                     The same endpoint, with a pooled connection and without.",
                    Dataset::Access,
                    Form::Table,
                    &[
                        metric("requests", Value::Count(""), Unit::Requests),
                        duration("p50", 50),
                        duration("p99", 99),
                    ],
                )
                .by(&[
                    split("lbproxy.endpoint", "Endpoint", 10),
                    split("lbproxy.upstream.reused", "Pooled", 2),
                ])
                .wide(24),
            ],
        ),
        row(
            14,
            &[panel(
                "paths",
                "URL paths by time spent",
                "Which URLs take the time? \
                 By the time of all their requests together: what is worth making faster.",
                Dataset::Access,
                Form::Table,
                &[
                    metric("all together", Value::Sum("event.duration"), Unit::Ms),
                    metric("requests", Value::Count(""), Unit::Requests),
                    duration("p50", 50),
                    duration("p99", 99),
                    metric("sent", Value::Sum("http.response.bytes"), Unit::Bytes),
                ],
            )
            .by(&[split("url.path", "Path", 20)])
            .wide(48)],
        ),
    ],
};
