//! Board 10: what was promised, what is left of it, and what spends it; from records of objectives and from
//! rollups, for ranges of weeks.
//!
//! A record of an objective is a minute of one series (an objective, or one group of it) of one instance. Each
//! instance counts its own traffic, so budgets and burn rates here are those of the instance and the series that
//! is worst; events are those of all. What is made of rollups is of all traffic, whatever objective is chosen.

use lbproxy::record::Dataset;

use super::super::model::{
    Board, Control, Form, Metric, Panel, Split, Unit, Value, metric, panel, row, split,
};
use super::{
    BAD_SHARE, FAILING, FAILURES, GOOD, HURT, MISSED, REQUESTS, SERVED, SERVED_BADLY, SUCCESS,
    color,
};

/// What is left of a budget when nothing is: records have four digits.
const NOTHING_LEFT: f64 = 0.0001;
/// Burn rates from which on the windows fire that an objective has where it names none.
const FASTEST: f64 = 14.4;
const FAST: f64 = 6.0;
const SLOW: f64 = 1.0;

/// By objective, those that are worst.
const BY_OBJECTIVE: &[Split] = &[split("lbproxy.slo.name", "Objective", 10)];

const BURN_1H: Metric = metric("burn, 1 h", Value::Max("lbproxy.slo.burn_rate.1h"), Unit::Count);
const BURN_6H: Metric = metric("burn, 6 h", Value::Max("lbproxy.slo.burn_rate.6h"), Unit::Count);
const BURN_3D: Metric = metric("burn, 3 d", Value::Max("lbproxy.slo.burn_rate.3d"), Unit::Count);
const LEFT: Metric = metric("left", Value::Min("lbproxy.slo.budget_left"), Unit::Share);

/// Minutes of series with an alert in a state.
const fn minutes(label: &'static str, filter: &'static str) -> Metric {
    metric(label, Value::Count(filter), Unit::Count)
}

/// A burn rate over time, against the rate from which on its window fires.
const fn burn(
    id: &'static str,
    title: &'static str,
    note: &'static str,
    rate: &'static [Metric],
    line: (&'static str, f64),
) -> Panel {
    panel(id, title, note, Dataset::Slo, Form::Lines, rate).by(BY_OBJECTIVE).against(line.0, line.1)
}

/// See the head of this file.
pub(super) const BOARD: Board = Board {
    id: "slo",
    title: "lbproxy 10 SLI and SLO",
    question: "Is what was promised kept, and what spends the budget of errors?",
    range: "7d",
    controls: &[Control::Objective, Control::Instance],
    rows: &[
        row(
            7,
            &[
                panel(
                    "budget",
                    "Error budget left",
                    "How much may still fail? \
                     The lowest of all objectives in this range; nothing left is a promise that is broken.",
                    Dataset::Slo,
                    Form::Figure,
                    &[metric("lowest", LEFT.value, Unit::Share)],
                )
                .amber_below(NOTHING_LEFT, "spent")
                .wide(12),
                panel(
                    "burn",
                    "Burn rate",
                    "How fast is the budget spent? \
                     The highest over an hour: 1 spends the budget within the period of the objective.",
                    Dataset::Slo,
                    Form::Figure,
                    &[metric("highest, 1 h", BURN_1H.value, Unit::Count)],
                )
                .red_above(FASTEST, HURT)
                .wide(12),
                panel(
                    "pages",
                    "Alerts: minutes with a page",
                    "Was anybody woken? \
                     Minutes in which a page fired, of all objectives, groups and instances together.",
                    Dataset::Slo,
                    Form::Figure,
                    &[minutes("minutes", "")],
                )
                .only(PAGES)
                .red_above(0.0, HURT)
                .wide(12),
                panel(
                    "sli",
                    "Success rate",
                    "Are users served? \
                     Good of valid requests, all services together, whatever objective is chosen.",
                    Dataset::Rollup,
                    Form::Figure,
                    &[metric("good of valid", SUCCESS.value, Unit::Share)],
                )
                .red_below(SERVED_BADLY, HURT)
                .amber_below(SERVED.level, MISSED)
                .whole()
                .wide(12),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "budget-time",
                    "Error budget left by objective",
                    "When was the budget spent? \
                     What was left at each time, of the instance and group with least.",
                    Dataset::Slo,
                    Form::Lines,
                    &[LEFT],
                )
                .by(BY_OBJECTIVE)
                .wide(24),
                panel(
                    "state-time",
                    "Alerts over time",
                    "When did which alert fire? \
                     Minutes of series by the state of their worst alert; what is inactive is not shown.",
                    Dataset::Slo,
                    Form::Bars,
                    &[
                        minutes("page fires", PAGES).in_color(color::BAD),
                        minutes("ticket fires", TICKETS).in_color(color::CLIENT),
                        minutes("no data", "lbproxy.slo.state: firing and lbproxy.slo.alert: no_data")
                            .in_color(color::ACCENT),
                        minutes("pending", "lbproxy.slo.state: pending").in_color(color::QUIET),
                    ],
                )
                .wide(24),
            ],
        ),
        row(
            12,
            &[
                burn(
                    "burn-1h",
                    "Burn rate, 1 h",
                    "Does the budget burn so fast that somebody is woken? \
                     From 14.4 on an hour of it spends 2 % of the budget of 30 days; the short window of 5 \
                     minutes has to burn as fast.",
                    &[BURN_1H],
                    ("page from 14.4", FASTEST),
                ),
                burn(
                    "burn-6h",
                    "Burn rate, 6 h",
                    "Does it burn fast for hours? \
                     From 6 on six hours of it spend 5 % of the budget of 30 days; the short window is 30 minutes.",
                    &[BURN_6H],
                    ("page from 6", FAST),
                ),
                burn(
                    "burn-3d",
                    "Burn rate, 3 d",
                    "Does it burn slowly for days? \
                     From 1 on the budget will be spent before its period ends; the short window is 6 hours.",
                    &[BURN_3D],
                    ("ticket from 1", SLOW),
                ),
            ],
        ),
        row(
            12,
            &[
                panel(
                    "events-time",
                    "Throughput of events",
                    "How much do the objectives count? \
                     Good and bad events per second: where hardly any come, few of them spend a budget.",
                    Dataset::Slo,
                    Form::Bars,
                    &[
                        metric("bad", Value::Sum("lbproxy.slo.bad"), Unit::Count)
                            .per_second()
                            .in_color(color::BAD),
                        metric("good", Value::Sum("lbproxy.slo.good"), Unit::Count)
                            .per_second()
                            .in_color(color::GOOD),
                    ],
                )
                .wide(24),
                panel(
                    "bad-time",
                    "Errors by objective",
                    "Which objective spends its budget? \
                     Bad events by objective.",
                    Dataset::Slo,
                    Form::Bars,
                    &[metric("bad", Value::Sum("lbproxy.slo.bad"), Unit::Count)],
                )
                .by(BY_OBJECTIVE)
                .wide(24),
            ],
        ),
        row(
            12,
            &[panel(
                "objectives",
                "Objectives by budget",
                "Which promise is about to be broken? \
                 Highest share of the budget that was spent in this range, most first: above 100 % it is overspent.",
                Dataset::Slo,
                Form::Table,
                &[
                    metric("spent", Value::Max("lbproxy.slo.budget_spent"), Unit::Share),
                    LEFT,
                    BURN_1H,
                    BURN_6H,
                    BURN_3D,
                    metric("bad events", Value::Sum("lbproxy.slo.bad"), Unit::Count),
                    metric("events", Value::Sum("lbproxy.slo.valid"), Unit::Count),
                ],
            )
            .by(&[split("lbproxy.slo.name", "Objective", 100)])
            .wide(48)],
        ),
        row(
            14,
            &[
                panel(
                    "services",
                    "Services by errors",
                    "Which service fails? \
                     By failed requests, whatever objective is chosen.",
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
                .more_on("service")
                .whole(),
                panel(
                    "routes",
                    "Routes by errors",
                    "Which route fails? \
                     By failed requests, likewise.",
                    Dataset::Rollup,
                    Form::Table,
                    &[FAILURES, FAILING],
                )
                .by(&[split("lbproxy.service", "Service", 10), split("lbproxy.route", "Route", 20)])
                .more_on("errors")
                .whole(),
                panel(
                    "endpoints",
                    "Endpoints by errors",
                    "Which endpoint fails? \
                     By failed requests, likewise.",
                    Dataset::Rollup,
                    Form::Table,
                    &[FAILURES, BAD_SHARE],
                )
                .by(&[
                    split("lbproxy.service", "Service", 10),
                    split("lbproxy.endpoint", "Endpoint", 20),
                ])
                .whole(),
            ],
        ),
        row(
            12,
            &[panel(
                "incidents",
                "Incidents",
                "What fired, and where? \
                 Each minute of each alert that fired, newest first.",
                Dataset::Slo,
                Form::Records(&[
                    "lbproxy.slo.name",
                    "lbproxy.slo.alert",
                    "lbproxy.service",
                    "lbproxy.route",
                    "lbproxy.endpoint",
                    "lbproxy.slo.bad",
                    "lbproxy.slo.burn_rate.1h",
                    "lbproxy.slo.budget_left",
                ]),
                &[],
            )
            .only("lbproxy.slo.state: firing")
            .wide(48)],
        ),
    ],
};

/// Minutes in which a page fired.
pub(super) const PAGES: &str = "lbproxy.slo.state: firing and lbproxy.slo.alert: page";
/// Minutes in which a ticket fired, and no page.
pub(super) const TICKETS: &str = "lbproxy.slo.state: firing and lbproxy.slo.alert: ticket";
