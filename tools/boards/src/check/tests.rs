//! Goal: every kind of fault that can be planted in a board or its saved objects is found, where it is.
//! Method: one fault at a time in boards and files (`objects`) that are otherwise without any.

mod objects;

use lbproxy::record::Dataset;

use super::super::model::{
    Board, Control, Form, Join, Metric, Panel, Row, Term, Unit, Value, metric, panel, row, split,
};
use super::super::source::BOARDS;
use super::boards;

/// A figure without fault.
const FINE: Metric = metric("requests", Value::Sum("lbproxy.rollup.requests"), Unit::Count);
/// A panel without fault, as wide as the board.
const PANEL: Panel =
    panel("fine", "Requests", "How many? All of them.", Dataset::Rollup, Form::Figure, &[FINE])
        .wide(48);
/// A board without fault.
const BOARD: Board = Board {
    id: "board",
    title: "A board",
    question: "Is it fine?",
    range: "24h",
    controls: &[Control::Service],
    rows: &[row(8, &[PANEL])],
};

/// The findings in a board whose only row has these panels.
fn with(panels: &'static [Panel]) -> Vec<String> {
    // Boards are made of what lives for ever; a test's few bytes may.
    let rows: &'static [Row] = Box::leak(Box::new([row(8, panels)]));
    boards(&[Board { rows, ..BOARD }]).iter().map(ToString::to_string).collect()
}

#[test]
fn a_board_without_fault_has_no_finding() {
    assert_eq!(with(&[PANEL]), Vec::<String>::new());
    assert_eq!(boards(BOARDS), Vec::new());
}

/// A metric of a fault.
const fn value(value: Value, unit: Unit) -> Metric {
    metric("m", value, unit)
}
const LATE: Metric = value(Value::Merged("lbproxy.rollup.duration_us", 99), Unit::Ms);
/// A share whose filter is none.
const SHARE: Metric = value(
    Value::Ratio(&[Term::Sum("lbproxy.rollup.requests")], &[Term::Count("a: b c")]),
    Unit::Share,
);

/// Panels with a fault each, and what is to be found.
const FAULTS: &[(&[Panel], &str)] = &[
    (&[PANEL.wide(40)], "row 0 is 40 wide"),
    (&[PANEL.wide(24), PANEL.wide(24)], "a second panel with this id"),
    (&[Panel { id: "Not an id", ..PANEL }], "no id"),
    (&[Panel { title: "", ..PANEL }], "without title"),
    (&[Panel { note: "no sentence", ..PANEL }], "without title or note"),
    (&[PANEL.only("lbproxy.service: (a or")], "the filter is no KQL"),
    (&[PANEL.only("lbproxy.servise: a")], "did you mean `lbproxy.service`?"),
    (
        &[Panel { metrics: &[value(Value::Sum("lbproxy.rollup.request"), Unit::Count)], ..PANEL }],
        "`lbproxy.rollup.request` is no field of metrics-lbproxy.rollup-*; did you mean",
    ),
    (
        &[Panel { metrics: &[value(Value::Sum("lbproxy.service"), Unit::Count)], ..PANEL }],
        "`sum` cannot be made of `lbproxy.service`, which is of type keyword",
    ),
    (&[Panel { metrics: &[SHARE], ..PANEL }], "the filter is no KQL"),
    (&[Panel { metrics: &[value(FINE.value, Unit::Bytes)], ..PANEL }], "`m` is not in bytes"),
    (&[Panel { metrics: &[value(LATE.value, Unit::Count)], ..PANEL }], "`m` is not in count"),
    (&[Panel { metrics: &[FINE.per_second()], ..PANEL }], "cannot be a rate"),
    (&[Panel { metrics: &[], ..PANEL }], "0 metrics and 0 splits do not go with its form"),
    (&[Panel { form: Form::Lines, metrics: &[FINE, FINE], ..PANEL }], "no label of its own"),
    (
        &[Panel { form: Form::Lines, metrics: &[FINE, LATE], ..PANEL }.by(&[split(
            "lbproxy.service",
            "Service",
            5,
        )])],
        "several metrics and a split",
    ),
    (
        &[Panel { form: Form::Table, metrics: &[LATE], ..PANEL }.by(&[split(
            "lbproxy.service",
            "Service",
            5,
        )])],
        "the first metric cannot be sorted by",
    ),
    (
        &[Panel { form: Form::Table, ..PANEL }.by(&[split("lbproxy.rollup.class", "Class", 5)])],
        "`lbproxy.rollup.class` is no field",
    ),
    (&[Panel { form: Form::Table, ..PANEL }.by(&[split("lbproxy.route", "", 5)])], "without label"),
    (&[PANEL.against("promised", 0.9)], "an objective without lines"),
    (&[Panel { metrics: &[FINE.in_color("#DB4437")], ..PANEL }], "always has a colour"),
    (
        &[Panel { form: Form::Lines, ..PANEL }.red_above(1.0, "too many")],
        "an alarm without a figure",
    ),
    (&[PANEL.red_above(1.0, "")], "a colour without a word"),
    (&[PANEL.with_events()], "events without time"),
    (
        &[Panel {
            metrics: &[value(Value::Rise("lbproxy.rollup.requests"), Unit::Count)],
            ..PANEL
        }],
        "the rise of a counter has no form here",
    ),
    (
        &[Panel {
            dataset: Dataset::Process,
            form: Form::Lines,
            metrics: &[value(Value::Max("lbproxy.records.journaled"), Unit::Count)],
            ..PANEL
        }],
        "a total since start, which knows no range",
    ),
    (
        &[Panel {
            dataset: Dataset::Process,
            form: Form::Figure,
            metrics: &[value(Value::Max("lbproxy.records.dead_letter"), Unit::Count)],
            ..PANEL
        }],
        "a total since start, which knows no range",
    ),
    (&[Panel { title: "How many?", ..PANEL }], "a title that is no term"),
    (&[Panel { note: "All of them. How many?", ..PANEL }], "does not begin with a question"),
    (&[Panel { dataset: Dataset::Access, ..PANEL }], "a long range that is answered from single"),
    (&[PANEL.more_on("boards")], "more is told on no other board"),
    (&[PANEL.more_on("board")], "more is told on no other board"),
    (&[PANEL.red_above(1.0, "hurt").amber_above(2.0, "near")], "amber does not come before red"),
    (&[PANEL.red_below(0.9, "hurt").amber_below(0.8, "near")], "amber does not come before red"),
    (
        &[Panel { form: Form::Bars, metrics: &[FINE, FINE.day_before("before")], ..PANEL }],
        "the day before has no form here",
    ),
    (
        &[Panel { form: Form::Lines, metrics: &[FINE.day_before("before")], ..PANEL }],
        "the day before stands alone",
    ),
    (&[Panel { form: Form::Bands, ..PANEL }], "1 metrics and 0 splits do not go with its form"),
    (
        &[Panel {
            dataset: Dataset::Connection,
            metrics: &[value(Value::Count(""), Unit::Count)],
            ..PANEL
        }],
        "the control `Service` would empty it",
    ),
    (
        &[Panel { form: Form::Records(&["lbproxy.nothing"]), metrics: &[], ..PANEL }],
        "`lbproxy.nothing` is no field",
    ),
    (
        &[Panel {
            form: Form::Lines,
            metrics: &[value(Value::Last("lbproxy.rollup.requests", Join::Sum), Unit::Count)],
            ..PANEL
        }],
        "what is now has a form only as a figure",
    ),
];

#[test]
fn each_fault_of_a_panel_is_found_and_says_where_and_how_to_mend_it() {
    for (panels, want) in FAULTS {
        let found = with(panels);
        assert!(found.iter().any(|text| text.contains(want)), "{want}: {found:#?}");
        assert!(found.iter().all(|text| text.starts_with("source: board")), "{found:#?}");
    }
}

/// Leads from a route to a board whose panels have none.
const MORE: &[Row] =
    &[row(8, &[PANEL.more_on("connections").by(&[split("lbproxy.route", "Route", 5)])])];
const CONNECTIONS: &[Row] = &[row(
    8,
    &[Panel {
        dataset: Dataset::Connection,
        metrics: &[value(Value::Count(""), Unit::Count)],
        ..PANEL
    }],
)];

#[test]
fn each_fault_of_a_board_is_found() {
    for (board, want) in [
        (Board { title: "", ..BOARD }, "a board without title"),
        (Board { question: "No question", ..BOARD }, "with a question mark"),
        (Board { id: "Board!", ..BOARD }, "no id"),
        (Board { range: "a day", ..BOARD }, "`a day` is no range"),
    ] {
        let found: Vec<_> = boards(&[board]).iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|text| text.contains(want)), "{want}: {found:#?}");
    }
    let other = Board { id: "connections", controls: &[], rows: CONNECTIONS, ..BOARD };
    let found = boards(&[Board { rows: MORE, ..BOARD }, other]);
    let want = "a click on `lbproxy.route` would empty connections/fine";
    assert!(found.iter().any(|own| own.problem == want), "{found:#?}");
    let twice = boards(&[BOARD, BOARD]);
    assert!(twice.iter().any(|own| own.problem.contains("a second board")), "{twice:#?}");
}
