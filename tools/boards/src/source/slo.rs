//! Board 10: what was promised, and what spends it; from rollups, for ranges of weeks.
//!
//! Waits for records of objectives: budget left, burn rate by window, alerts. Until then the objective
//! is the one that the dashed lines show.

use lbproxy::record::Dataset;

use super::super::model::{Board, Form, Unit, Value, metric, panel, row, split};
use super::{
    BAD_SHARE, FAILING, FAILS_BADLY, FAILURES, GOOD, HURT, MAY_FAIL, MISSED, OF_ROLLUPS, REQUESTS,
    SERVED, SERVED_BADLY, SUCCESS,
};

/// See the head of this file.
pub(super) const BOARD: Board = Board {
    id: "slo",
    title: "lbproxy 10 SLI and SLO",
    question: "Is what was promised kept, and what spends the budget of errors?",
    range: "7d",
    controls: OF_ROLLUPS,
    rows: &[
        row(
            7,
            &[
                panel(
                    "sli",
                    "SLI: success rate",
                    "Is what was promised kept? \
                     Good of valid requests. 99.9 % is promised until objectives are configured.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[metric("good of valid", SUCCESS.value, Unit::Share)],
                )
                .red_below(SERVED_BADLY, HURT)
                .amber_below(SERVED.level, MISSED),
                panel(
                    "spent",
                    "Error rate",
                    "Does more fail than may? \
                     Of this, 0.1 % may fail: what is above spends budget of another time.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[metric("of valid", FAILING.value, Unit::Share)],
                )
                .red_above(FAILS_BADLY, HURT)
                .amber_above(MAY_FAIL, MISSED),
                panel(
                    "bad",
                    "Failed requests",
                    "How much of the budget is spent? \
                     What the budget is counted in.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[metric("bad", FAILURES.value, Unit::Requests)],
                ),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "sli-time",
                    "Success rate over time",
                    "When was the promise not kept? \
                     Good of valid requests, against the objective.",
                    Dataset::Rollup,
                    Form::Lines,
                    &[SUCCESS],
                )
                .against(SERVED.label, SERVED.level)
                .wide(24),
                panel(
                    "spent-time",
                    "Errors by service",
                    "When was the budget spent? \
                     Failed requests by service.",
                    Dataset::Rollup,
                    Form::Bars,
                    &[FAILURES],
                )
                .by(&[split("lbproxy.service", "Service", 10)])
                .wide(24),
            ],
        ),
        row(
            14,
            &[
                panel(
                    "services",
                    "Services by errors",
                    "Which service is within its objective? \
                     By failed requests.",
                    Dataset::Rollup,
                    Form::Table,
                    &[
                        FAILURES,
                        metric(
                            "good",
                            Value::Ratio(&[GOOD], &[super::GOOD, super::FAILED]),
                            Unit::Share,
                        ),
                        REQUESTS,
                    ],
                )
                .by(&[split("lbproxy.service", "Service", 20)])
                .more_on("service"),
                panel(
                    "routes",
                    "Routes by errors",
                    "Which route spends it? \
                     By failed requests.",
                    Dataset::Rollup,
                    Form::Table,
                    &[FAILURES, FAILING],
                )
                .by(&[split("lbproxy.service", "Service", 10), split("lbproxy.route", "Route", 20)])
                .more_on("errors"),
                panel(
                    "endpoints",
                    "Endpoints by errors",
                    "Which endpoint spends it? \
                     By failed requests.",
                    Dataset::Rollup,
                    Form::Table,
                    &[FAILURES, BAD_SHARE],
                )
                .by(&[
                    split("lbproxy.service", "Service", 10),
                    split("lbproxy.endpoint", "Endpoint", 20),
                ]),
            ],
        ),
    ],
};
