//! Board 11: load against what comes of it, on one axis of time.
//!
//! Waits for measurements under load: the most that is served within the objective, and the headroom
//! to it. Until then the panels show load, latency and resources beside each other, which is what a
//! measurement would be read from.

use lbproxy::record::Dataset;

use super::super::model::{Board, Control, Form, Unit, Value, metric, panel, row, split};
use super::{FAILING, LATENCY, MAY_FAIL, P99, PROCESS, REQUESTS, color};

/// See the head of this file.
pub(super) const BOARD: Board = Board {
    id: "range",
    title: "lbproxy 11 Operational range",
    question: "How much load is there, and what gives way first when it grows?",
    range: "24h",
    controls: &[Control::Instance],
    rows: &[
        row(
            7,
            &[
                panel(
                    "most",
                    "Peak throughput of an instance",
                    "How much load was there? \
                     Highest rate of any sample in this range: of the busiest instance, not of all together.",
                    Dataset::Process,
                    Form::Figure,
                    &[metric(
                        "busiest instance",
                        Value::Max("lbproxy.requests.per_second"),
                        Unit::Count,
                    )],
                )
                .only(PROCESS),
                panel(
                    "cpu",
                    "Peak CPU usage",
                    "How close were the cores to their end? \
                     Of the whole host of the busiest instance, highest of any sample.",
                    Dataset::Process,
                    Form::Figure,
                    &[metric(
                        "of the host",
                        Value::Max("system.process.cpu.total.norm.pct"),
                        Unit::Share,
                    )],
                )
                .only(PROCESS),
                panel(
                    "in-flight",
                    "Peak requests in flight of an instance",
                    "How much was under way at once? \
                     Exchanges that had begun and not ended, highest of any sample: of the busiest instance.",
                    Dataset::Process,
                    Form::Figure,
                    &[metric(
                        "exchanges",
                        Value::Max("lbproxy.requests.in_flight"),
                        Unit::Requests,
                    )],
                )
                .only(PROCESS),
            ],
        ),
        row(
            11,
            &[
                panel(
                    "load-time",
                    "Throughput by instance",
                    "How much load? \
                     Requests per second by instance.",
                    Dataset::Rollup,
                    Form::Lines,
                    &[REQUESTS.per_second()],
                )
                .by(&[split("service.node.name", "Instance", 10)])
                .wide(24),
                panel(
                    "latency-time",
                    "Latency p99",
                    "Does latency give way? \
                     99th percentile under that load, against the objective.",
                    Dataset::Rollup,
                    Form::Lines,
                    &[P99],
                )
                .with_events()
                .against(LATENCY.label, LATENCY.level)
                .wide(24),
            ],
        ),
        row(
            11,
            &[
                panel(
                    "failing-time",
                    "Error rate",
                    "Do requests fail? \
                     Share of valid requests that failed under that load, against what may.",
                    Dataset::Rollup,
                    Form::Lines,
                    &[FAILING],
                )
                .against(MAY_FAIL.label, MAY_FAIL.level)
                .with_events()
                .wide(24),
                panel(
                    "cpu-time",
                    "Saturation: CPU usage",
                    "Do cores give way? \
                     Share of all cores.",
                    Dataset::Process,
                    Form::Lines,
                    &[
                        metric(
                            "lbproxy",
                            Value::Max("system.process.cpu.total.norm.pct"),
                            Unit::Share,
                        )
                        .in_color(color::ACCENT),
                        metric("host", Value::Max("system.cpu.total.norm.pct"), Unit::Share)
                            .in_color(color::QUIET),
                    ],
                )
                .only(PROCESS)
                .wide(24),
            ],
        ),
        row(
            11,
            &[
                panel(
                    "delay-time",
                    "Event loop delay",
                    "Do workers come late? \
                     Longest time that a worker came late to a timer.",
                    Dataset::Process,
                    Form::Lines,
                    &[metric("longest", Value::Max("lbproxy.loop_delay.max_us"), Unit::Ms)],
                )
                .only(PROCESS)
                .wide(24),
                panel(
                    "queue-time",
                    "Saturation: requests in flight",
                    "Do exchanges pile up? \
                     Exchanges under way on the busiest instance, highest of each bucket.",
                    Dataset::Process,
                    Form::Lines,
                    &[metric(
                        "exchanges",
                        Value::Max("lbproxy.requests.in_flight"),
                        Unit::Requests,
                    )],
                )
                .only(PROCESS)
                .wide(24),
            ],
        ),
    ],
};
