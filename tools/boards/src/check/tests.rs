//! Goal: every kind of fault that can be planted in a board or its saved objects is found, where it is.
//! Method: one fault at a time in boards and files that are otherwise without any.

use lbproxy::elk::boards::saved_objects;
use lbproxy::record::Dataset;

use super::super::model::{
    Board, Control, Form, Join, Metric, Panel, Row, Term, Unit, Value, metric, panel, row, split,
};
use super::super::source::BOARDS;
use super::super::{Product, osd};
use super::{boards, objects};

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
        "a total since start over time",
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

/// A file with one thing replaced by another.
fn planted(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "nothing to replace: {from}");
    text.replacen(from, to, 1)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of named rows is read row by row")]
fn each_fault_of_saved_objects_is_found() {
    let kibana = saved_objects(Product::Elasticsearch).to_owned();
    let osd = osd::saved_objects(BOARDS);
    let first = kibana.lines().next().unwrap();
    let without = |text: &str, id: &str| -> String {
        let is_other =
            |line: &&str| !line.contains(&format!("\"id\":\"{id}\",\"migrationVersion\""));
        text.lines().filter(is_other).map(|line| line.to_owned() + "\n").collect()
    };
    for (product, text, want) in [
        (Product::Elasticsearch, format!("{kibana}{{\n"), "no JSON"),
        (Product::Elasticsearch, format!("{kibana}{first}\n"), "a second index-pattern"),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\"typeMigrationVersion\":\"8.9.0\"",
                "\"typeMigrationVersion\":\"10.2.0\"",
            ),
            "what the oldest server reads",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "\"visualization\":\"7.10.0\"", "\"visualization\":\"7.17.0\""),
            "what the oldest server reads",
        ),
        (
            Product::OpenSearch,
            without(&osd, "lbproxy-errors-reason-time"),
            "the reference panel_reason-time leads to no visualization",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "](#/view/lbproxy-errors)", "](#/view/lbproxy-mistakes)"),
            "a link leads to no dashboard `lbproxy-mistakes`",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "\\\"panelRefName\\\":\\\"panel_", "\\\"panelRefName\\\":\\\"table_"),
            "no reference table_",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"sourceField\\\":\\\"lbproxy.rollup.requests\\\"",
                "\\\"sourceField\\\":\\\"lbproxy.rollup.request\\\"",
            ),
            "is no field of metrics-lbproxy.rollup-*",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"sourceField\\\":\\\"lbproxy.rollup.requests\\\"",
                "\\\"sourceField\\\":\\\"lbproxy.route\\\"",
            ),
            "`sum` cannot be made of `lbproxy.route`",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\\\\\"field\\\\\\\": \\\\\\\"lbproxy.rollup.outcome.success\\\\\\\"",
                "\\\\\\\"field\\\\\\\": \\\\\\\"lbproxy.rollup.outcome.fine\\\\\\\"",
            ),
            "`lbproxy.rollup.outcome.fine` is no field",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "\\\\\\\"interval\\\\\\\": {", "\\\\\\\"fixed_interval\\\\\\\": {"),
            "`%autointerval%` is not filled in below `fixed_interval`",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\\\\\"unit\\\\\\\": \\\\\\\"day",
                "\\\\\\\"unit\\\\\\\": \\\\\\\"dawn",
            ),
            "is not filled in",
        ),
        (
            Product::Elasticsearch,
            kibana.replace("duration_bucket.to_1ms", "duration_bucket.to_1s1"),
            "`lbproxy.rollup.duration_bucket.to_1s1` is no field",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\"fieldName\\\":\\\"lbproxy.service\\\"",
                "\\\"fieldName\\\":\\\"lbproxy.shop\\\"",
            ),
            "`lbproxy.shop` is no field",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "event.outcome: failure", "event.outcome: (failure"),
            "no KQL",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\\\"w\\\":24,\\\"x\\\":24", "\\\"w\\\":24,\\\"x\\\":30"),
            "keep within 48 columns",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "\\\"w\\\":24,\\\"x\\\":24", "\\\"w\\\":24,\\\"x\\\":12"),
            "it stands on `links`",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"format\\\":{\\\"id\\\":\\\"percent\\\"",
                "\\\"form\\\":{\\\"id\\\":\\\"percent\\\"",
            ),
            "has no unit",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\"title\":\"lbproxy 1 Overview\"", "\"title\":\"\""),
            "no title",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"textBased\\\":{\\\"layers\\\":{}}",
                "\\\"textBased\\\":{\\\"layers\\\":{\\\"a\\\":{}}}",
            ),
            "ES|QL",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\\\"type\\\":\\\"lens\\\"}", "\\\"type\\\":\\\"maps\\\"}"),
            "the panel type maps is not in every licence",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"continuity\\\":\\\"below\\\"",
                "\\\"continuity\\\":\\\"above\\\"",
            ),
            "is drawn in",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"stops\\\":[{\\\"color\\\":\\\"#D3DAE6",
                "\\\"stops\\\":[{\\\"color\\\":\\\"#DB4437",
            ),
            "Some(NaN) is drawn in",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\\\"urlTemplate\\\":\\\"../app/", "\\\"urlTemplate\\\":\\\"/app/"),
            "`trace.id` leads to `/s/ops/app/app/apm",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "DASHBOARD_TO_DASHBOARD_DRILLDOWN\\\"", "URL_DRILLDOWN\\\""),
            "the drill-down URL_DRILLDOWN is not in every licence",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, ":failing-routes-errors:dashboardId", ":failing:dashboardId"),
            "the drill-down failing-routes-errors leads nowhere",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "FILTER_TRIGGER", "ROW_CLICK_TRIGGER"),
            "is never offered",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"config\\\":{\\\"useCurrentDateRange\\\":true",
                "\\\"config\\\":{\\\"useCurrentDateRange\\\":false",
            ),
            "loses what was chosen",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, ":xy-visualization-layer-events\"", ":xy-visualization-layer-event\""),
            "events without a view",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "persistanceType", "persistenceType"),
            "looked for in a library",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"ignoreGlobalFilters\\\":true,\\\"layerId\\\":\\\"events",
                "\\\"layerId\\\":\\\"events",
            ),
            "a list would take the events away",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "event.action: state_change and monitor.type: passive",
                "event.act: state_change",
            ),
            "`event.act` is no field of the events",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\\\\\"name\\\\\\\": \\\\\\\"events",
                "\\\\\\\"name\\\\\\\": \\\\\\\"event",
            ),
            "no events",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"splitAccessor\\\":\\\"instance",
                "\\\"splitAccessor\\\":\\\"time",
            ),
            "a counter that jumps from instance to instance",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\\\"yTitle\\\":\\\"req/s", "\\\"yTitle\\\":\\\"count"),
            "does not say that it is a rate",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\\\\\"title\\\\\\\": \\\\\\\"req/s",
                "\\\\\\\"title\\\\\\\": \\\\\\\"count",
            ),
            "does not say that it is a rate",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\"id\":\"lbproxy-tag\",\"name\"",
                "\"id\":\"lbproxy-label\",\"name\"",
            ),
            "leads to no tag",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\"color\":\"#6092C0\"",
                "\"title\":\"lbproxy\",\"color\":\"#6092C0\"",
            ),
            "attributes.title is not known",
        ),
        (
            Product::Elasticsearch,
            kibana.replace(
                "\"name\":\"tag-ref-lbproxy-tag\",\"type\":\"tag\"",
                "\"name\":\"tag-ref-lbproxy-tag\",\"type\":\"search\"",
            ),
            "without a tag",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\"pause\":false,\"value\":60000", "\"pause\":false,\"value\":1000"),
            "asks anew every 1000 ms",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\\\"collapseFn\\\":", "\\\"collapse\\\":"),
            "not joined",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"columnOrder\\\":[\\\"instance\\\",\\\"m0\\\"]",
                "\\\"columnOrder\\\":[\\\"m0\\\"]",
            ),
            "of whichever instance wrote last",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\\\"reducedTimeRange\\\":", "\\\"reduced\\\":"),
            "an instance that is gone counts",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\\\\\"unit\\\\\\\": \\\\\\\"minute",
                "\\\\\\\"unit\\\\\\\": \\\\\\\"hour",
            ),
            "an instance that is gone counts",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\\\\\"field\\\\\\\": \\\\\\\"service.node.name\\\\\\\",\\\\n",
                "\\\\\\\"field\\\\\\\": \\\\\\\"lbproxy.sample.worker\\\\\\\",\\\\n",
            ),
            "of whichever instance wrote last",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "datum.figure < 0.999", "datum.figure < 0.998"),
            "is drawn in",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "datum.figure < 0.999", "datum.figure <= 0.999"),
            "is not understood",
        ),
        (
            Product::Elasticsearch,
            planted(
                &kibana,
                "\\\"columnOrder\\\":[\\\"s0\\\",\\\"time\\\"",
                "\\\"columnOrder\\\":[\\\"time\\\",\\\"s0\\\"",
            ),
            "a split within time",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\\\"textVisibility\\\":true", "\\\"textVisibility\\\":false"),
            "a line that does not say what it is",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\"name\\\":\\\"lbproxy.service\\\"",
                "\\\"name\\\":\\\"lbproxy.shop\\\"",
            ),
            "`lbproxy.service` is not known before there is data",
        ),
        (
            Product::OpenSearch,
            osd.replace("\\\"readFromDocValues\\\":", "\\\"doc_values\\\":"),
            "its first opening rewrites it",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\"allowNoIndex\":true", "\"allowNoIndex\":false"),
            "is not known before there is data",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\"timeRestore\":false",
                "\"timeRestore\":true,\"timeFrom\":\"now-1h\",\"timeTo\":\"now\"",
            ),
            "a link to it resets range",
        ),
        (
            Product::OpenSearch,
            planted(
                &osd,
                "\\\"id\\\":\\\"lbproxy-service\\\"",
                "\\\"id\\\":\\\"overview-service\\\"",
            ),
            "is not known again",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "\\\"showSuffix\\\":false", "\\\"showSuffix\\\":true"),
            " Milliseconds`",
        ),
        (
            Product::OpenSearch,
            planted(&osd, "\\\"customLabel\\\":\\\"p99, ms\\\"", "\\\"customLabel\\\":\\\"p99\\\""),
            "the unit is read 0 times",
        ),
        (
            Product::Elasticsearch,
            planted(&kibana, "\"type\":\"search\"", "\"type\":\"canvas-workpad\""),
            "the type canvas-workpad is not in every licence",
        ),
    ] {
        let found = objects(product, "file", &text);
        let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert!(texts.iter().any(|text| text.contains(want)), "{want}: {texts:#?}");
        assert!(
            found.iter().all(|own| !own.board.is_empty() && !own.cure.is_empty()),
            "{texts:#?}"
        );
    }
}
