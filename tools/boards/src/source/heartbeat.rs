//! Board 8: whether listeners and endpoints are up, from heartbeats.

use lbproxy::record::Dataset;

use super::super::model::{
    Board, Control, Form, Metric, Term, Unit, Value, metric, panel, row, split,
};
use super::color;

/// Checks, not changes of state.
const CHECKS: &str = "lbproxy.kind: heartbeat and not event.action: *";
const CHANGES: &str = "lbproxy.kind: heartbeat and event.action: state_change";

/// Checks that found something up.
const UP: Term = Term::Sum("summary.up");
/// Checks that found something down.
const DOWN: Term = Term::Sum("summary.down");

/// Share of checks that found it up.
const AVAILABLE: Metric = metric("up", Value::Ratio(&[UP], &[UP, DOWN]), Unit::Share);
/// Checks that found it down.
const DOWNS: Metric = metric("down", Value::Sum("summary.down"), Unit::Count).in_color(color::BAD);

/// See the head of this file.
pub(super) const BOARD: Board = Board {
    id: "heartbeat",
    title: "lbproxy 8 Heartbeat",
    question: "Was every listener and endpoint up, and since when is one not?",
    range: "24h",
    controls: &[Control::Instance, Control::Service, Control::Endpoint],
    rows: &[
        row(
            7,
            &[
                panel(
                    "listeners",
                    "Listener availability",
                    "Does lbproxy answer? \
                     Share of checks that a listener answered. Anything below 100 % is an outage of the proxy.",
                    Dataset::Health,
                    Form::Figure,
                    &[metric("of checks", AVAILABLE.value, Unit::Share)],
                )
                .red_below(1.0, "users are hurt")
                .only("lbproxy.kind: heartbeat and monitor.type: http and not event.action: *")
                .whole(),
                panel(
                    "endpoints",
                    "Endpoint availability",
                    "Are endpoints in rotation? \
                     Share of looks at an endpoint that found it in rotation.",
                    Dataset::Health,
                    Form::Figure,
                    &[metric("of looks", AVAILABLE.value, Unit::Share)],
                )
                .amber_below(1.0, "less room than planned")
                .only("lbproxy.kind: heartbeat and monitor.type: passive and not event.action: *"),
                panel(
                    "changes",
                    "State changes",
                    "Does anything flap? \
                     How often something went up or down: many of them, and something flaps.",
                    Dataset::Health,
                    Form::Figure,
                    &[metric("changes", Value::Count(""), Unit::Count)],
                )
                .only(CHANGES),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "up-time",
                    "Failed checks",
                    "What was down, and when? \
                     Checks that found it down.",
                    Dataset::Health,
                    Form::Bars,
                    &[DOWNS],
                )
                .only(CHECKS)
                .by(&[split("monitor.name", "Monitor", 16)])
                .wide(24),
                panel(
                    "response-time",
                    "Check duration",
                    "How fast does the proxy itself answer? \
                     The whole check of a listener, longest of each bucket.",
                    Dataset::Health,
                    Form::Lines,
                    &[metric("check", Value::Max("monitor.duration.us"), Unit::Ms)],
                )
                .only("lbproxy.kind: heartbeat and monitor.type: http and not event.action: *")
                .by(&[split("lbproxy.listener", "Listener", 10)])
                .whole()
                .wide(24),
            ],
        ),
        row(
            14,
            &[
                panel(
                    "monitors",
                    "Availability by monitor",
                    "How is each one? \
                     By checks that found it down.",
                    Dataset::Health,
                    Form::Table,
                    &[
                        DOWNS,
                        metric("up", Value::Sum("summary.up"), Unit::Count),
                        metric("share up", AVAILABLE.value, Unit::Share),
                    ],
                )
                .only(CHECKS)
                .by(&[split("monitor.name", "Monitor", 20)])
                .wide(24),
                panel(
                    "outages",
                    "Outages",
                    "Which outages were there? \
                     Newest first: from which state to which, how long the one before had lasted, and why.",
                    Dataset::Health,
                    Form::Records(&[
                        "monitor.name",
                        "lbproxy.health.previous",
                        "monitor.status",
                        "lbproxy.health.previous_duration_ms",
                        "error.type",
                        "error.message",
                    ]),
                    &[],
                )
                .only(CHANGES)
                .wide(24),
            ],
        ),
    ],
};
