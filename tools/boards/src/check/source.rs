//! What is wrong with the source of a board.

use lbproxy::record::Dataset;

use super::super::kql;
use super::super::model::{
    Board, Control, Form, GRID_WIDTH, Metric, Panel, Side, Term, Unit, Value,
};
use super::super::views::{self, FieldUnit, ViewField, view_id};
use super::{Finding, Findings};

/// Everything that is wrong with boards.
pub fn boards(boards: &[Board]) -> Vec<Finding> {
    let mut findings = Findings::new("source");
    for (at, board) in boards.iter().enumerate() {
        board.id.clone_into(&mut findings.board);
        findings.panel.clear();
        let earlier = boards.get(..at).unwrap_or_default();
        let is_again = earlier.iter().any(|other| other.id == board.id);
        findings.require(!is_again, "a second board with this id", "give it one of its own");
        findings.require(is_id(board.id), "no id", "use lower-case letters, digits and hyphens");
        findings.require(
            !board.title.is_empty() && board.question.ends_with('?'),
            "a board without title or question",
            "say which question it answers, with a question mark",
        );
        let is_range = board.range.ends_with(['m', 'h', 'd'])
            && board.range.trim_end_matches(['m', 'h', 'd']).parse::<u16>().is_ok();
        findings.require(is_range, format!("`{}` is no range", board.range), "write such as 24h");
        layout(board, &mut findings);
        let panels: Vec<_> = board.panels().collect();
        for (at, own) in panels.iter().enumerate() {
            own.id.clone_into(&mut findings.panel);
            let earlier = panels.get(..at).unwrap_or_default();
            let is_again = earlier.iter().any(|other| other.id == own.id);
            findings.require(!is_again, "a second panel with this id", "give it one of its own");
            panel(board, own, &mut findings);
            if let Some(id) = own.more_on {
                let other = boards.iter().find(|other| other.id == id && other.id != board.id);
                more_on(own, other, &mut findings);
            }
        }
    }
    findings.found
}

/// Whether a text can be part of a saved object's id.
fn is_id(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(is_part)
}

/// That rows are full and no wider than the grid.
fn layout(board: &Board, findings: &mut Findings) {
    for (at, row) in board.rows.iter().enumerate() {
        let width: u16 = row.panels.iter().map(|panel| panel.width).sum();
        findings.require(
            width == GRID_WIDTH && row.height > 0,
            format!("row {at} is {width} wide and {} high", row.height),
            format!("make the widths add up to {GRID_WIDTH}, and the height more than 0"),
        );
    }
}

fn panel(board: &Board, panel: &Panel, findings: &mut Findings) {
    let known = views::fields(panel.dataset);
    let view = view_id(panel.dataset);
    findings.require(is_id(panel.id), "no id", "use lower-case letters, digits and hyphens");
    findings.require(
        !panel.title.is_empty() && panel.note.ends_with('.'),
        "a panel without title or note",
        "say what it answers and how to read it, in sentences",
    );
    let is_term = !panel.title.ends_with('?');
    let is_first = panel.note.find(". ").is_none_or(|end| panel.question().len() <= end);
    findings.require(
        is_term && panel.question().ends_with('?') && is_first,
        "a title that is no term, or a note that does not begin with a question",
        "call it what others call it, and ask what it answers in the note",
    );
    findings.require(
        !board.range.ends_with('d') && board.range != "24h" || panel.dataset != Dataset::Access,
        "a long range that is answered from single requests",
        "ask rollups, or put it on a board of an hour",
    );
    filter(panel.filter, &known, &view, findings);
    form(panel, &known, &view, findings);
    for split in panel.splits {
        findings.field(&known, &view, "terms", split.field);
        findings.require(
            !split.label.is_empty() && split.size > 0,
            "a split without label or size",
            "give it both",
        );
    }
    for (at, own) in panel.metrics.iter().enumerate() {
        let earlier = panel.metrics.get(..at).unwrap_or_default();
        let is_again = earlier.iter().any(|other| other.label == own.label);
        findings.require(
            !is_again && !own.label.is_empty(),
            format!("`{}` is no label of its own", own.label),
            "tell the metrics apart by their labels",
        );
        metric(panel, own, &known, &view, findings);
    }
    if !panel.is_whole {
        controls(board, panel, &known, findings);
    }
}

/// That what can be chosen on the board is a field of the panel's documents: else every choice would
/// empty it.
fn controls(board: &Board, panel: &Panel, known: &[ViewField], findings: &mut Findings) {
    for control in board.controls {
        let has_field = known.iter().any(|field| field.path == control.field());
        // Samples of processes share a dataset with those of endpoints and have no service.
        let is_of_endpoints = matches!(control, Control::Service | Control::Endpoint)
            && panel.filter.contains("metricset.name: process");
        findings.require(
            has_field && !is_of_endpoints,
            format!("the control `{}` would empty it", control.label()),
            "mark it `.whole()`, or take the control away",
        );
    }
}

/// That a click on a value leads to another board, whose panels it narrows and does not empty.
fn more_on(panel: &Panel, other: Option<&Board>, findings: &mut Findings) {
    let Some(other) = other else {
        return findings.add("more is told on no other board", "name another board by its id");
    };
    findings.require(!panel.splits.is_empty(), "nothing to click on", "split it by a field");
    for own in other.panels().filter(|own| !own.is_whole) {
        let known = views::fields(own.dataset);
        for split in panel.splits {
            findings.require(
                known.iter().any(|field| field.path == split.field),
                format!("a click on `{}` would empty {}/{}", split.field, other.id, own.id),
                "lead to a board that has the field",
            );
        }
    }
}

/// That a filter is KQL over known fields.
fn filter(text: &str, known: &[ViewField], view: &str, findings: &mut Findings) {
    match kql::parse(text) {
        Ok(filter) => {
            for path in filter.fields() {
                findings.field(known, view, "filter", path);
            }
        }
        Err(error) => findings.add(format!("the filter is no KQL: {error}"), "mend it"),
    }
}

/// That form, metrics and splits go together.
fn form(panel: &Panel, known: &[ViewField], view: &str, findings: &mut Findings) {
    let counts = (panel.metrics.len(), panel.splits.len());
    let is_fitting = match panel.form {
        Form::Figure => {
            let is_of_day_before = |own: &Metric| own.is_day_before;
            let has_one = counts == (1, 0);
            has_one || counts == (2, 0) && panel.metrics.last().is_some_and(is_of_day_before)
        }
        Form::Lines | Form::Bars | Form::Areas => counts.0 >= 1 && counts.1 <= 1,
        Form::Table => counts.0 >= 1 && counts.1 >= 1,
        Form::Heat { field, bounds } => {
            findings.field(known, view, "range", field);
            counts == (1, 0) && bounds.is_sorted() && bounds.len() > 1
        }
        Form::Bands => {
            let is_band = |own: &Metric| matches!(own.value, Value::Sum(_)) && !own.is_rate;
            counts.0 > 1 && counts.1 == 0 && panel.metrics.iter().all(is_band)
        }
        Form::Records(columns) => {
            for path in columns {
                findings.field(known, view, "column", path);
            }
            counts == (0, 0) && !columns.is_empty()
        }
    };
    findings.require(
        is_fitting,
        format!("{} metrics and {} splits do not go with its form", counts.0, counts.1),
        "a figure has one metric, a chart metrics or one split, a table both, a heat map sums",
    );
    let is_split_of_one = counts.0 == 1 || counts.1 == 0 || panel.form == Form::Table;
    findings.require(
        is_split_of_one,
        "several metrics and a split",
        "draw either the metrics or one metric by the split",
    );
    if panel.form == Form::Table {
        let is_sortable = panel.metrics.first().is_some_and(|metric| {
            matches!(
                metric.value,
                Value::Count("") | Value::Sum(_) | Value::Max(_) | Value::Min(_) | Value::Mean(_)
            )
        });
        findings.require(
            is_sortable,
            "the first metric cannot be sorted by",
            "put a count, sum or maximum first",
        );
    }
    findings.require(
        panel.objective.is_none() || panel.form == Form::Lines,
        "an objective without lines",
        "draw it as lines, or leave the objective out",
    );
    findings.require(
        !panel.has_events || matches!(panel.form, Form::Lines | Form::Bars | Form::Areas),
        "events without time",
        "draw them in a chart over time",
    );
    alarm(panel, findings);
    day_before(panel, findings);
}

/// That a figure has a colour only where it says that something is wrong, in a word as well.
fn alarm(panel: &Panel, findings: &mut Findings) {
    let is_figure = panel.form == Form::Figure;
    let is_colored = panel.metrics.iter().any(|metric| metric.color.is_some());
    findings.require(
        !is_figure || !is_colored,
        "a figure that always has a colour",
        "say with `.red_below` and the like from where on something is wrong",
    );
    let Some(alarm) = panel.alarm else { return };
    findings.require(is_figure, "an alarm without a figure", "draw an objective instead");
    findings.require(
        alarm.levels().all(|(.., word)| !word.is_empty()),
        "a colour without a word",
        "say what it means",
    );
    let is_before = match (alarm.amber, alarm.red, alarm.side) {
        (Some((amber, _)), Some((red, _)), Side::Above) => amber < red,
        (Some((amber, _)), Some((red, _)), Side::Below) => amber > red,
        _ => true,
    };
    findings.require(
        is_before,
        "amber does not come before red",
        "warn before users are hurt, or leave amber out",
    );
}

/// That what was a day before is held against what is now, in a form that both products have.
fn day_before(panel: &Panel, findings: &mut Findings) {
    if !panel.has_day_before() {
        return;
    }
    let has_form = match panel.form {
        Form::Lines => panel.splits.is_empty(),
        Form::Table | Form::Figure => true,
        _ => false,
    };
    findings.require(
        has_form,
        "the day before has no form here",
        "draw it as lines without a split, in a table or as a figure",
    );
    let is_held =
        panel.metrics.iter().filter(|own| own.is_day_before).all(|own| {
            panel.metrics.iter().any(|now| !now.is_day_before && now.value == own.value)
        });
    let is_now_first = panel.metrics.first().is_some_and(|metric| !metric.is_day_before);
    findings.require(
        is_held && is_now_first,
        "the day before stands alone",
        "put the same metric of now before it",
    );
}

fn metric(
    panel: &Panel,
    metric: &Metric,
    known: &[ViewField],
    view: &str,
    findings: &mut Findings,
) {
    match metric.value {
        Value::Count(text) => filter(text, known, view, findings),
        Value::Sum(field) => findings.field(known, view, "sum", field),
        Value::Max(field) | Value::Min(field) | Value::Rise(field) => {
            findings.field(known, view, "max", field);
        }
        Value::Mean(field) => findings.field(known, view, "avg", field),
        Value::Last(field, _) => findings.field(known, view, "last_value", field),
        Value::Distinct(field) => findings.field(known, view, "cardinality", field),
        Value::Percentile(field, _) => findings.field(known, view, "percentile", field),
        Value::Merged(field, percentile) => {
            findings.field(known, view, "percentile", &format!("{field}.histogram"));
            findings.field(known, view, "max", &format!("{field}.p{percentile}"));
        }
        Value::Ratio(top, bottom) => {
            for term in top.iter().chain(bottom) {
                match term {
                    Term::Count(text) => filter(text, known, view, findings),
                    Term::Sum(field) => findings.field(known, view, "sum", field),
                }
            }
        }
    }
    findings.require(
        unit_fits(panel, metric),
        format!("`{}` is not in {}", metric.label, metric.unit.as_str()),
        "name the unit that its field has",
    );
    let is_total = matches!(metric.value, Value::Max(field) if COUNTERS.contains(&field));
    findings.require(
        !is_total || !(panel.form.has_time() || panel.form == Form::Figure),
        "a total since start, which knows no range",
        "draw its rise, or add up what each sample has of it",
    );
    let is_rise = matches!(metric.value, Value::Rise(_));
    let is_plain = panel.form == Form::Lines && panel.splits.is_empty() && metric.is_rate;
    let are_rises = panel.metrics.iter().all(|own| matches!(own.value, Value::Rise(_)));
    findings.require(
        !is_rise || is_plain && are_rises && !panel.has_day_before(),
        "the rise of a counter has no form here",
        "draw it by the second, as lines without a split, beside other rises",
    );
    let is_sum = is_rise || matches!(metric.value, Value::Sum(_) | Value::Count(""));
    findings.require(
        !metric.is_rate || (panel.form.has_time() && is_sum),
        format!("`{}` cannot be a rate", metric.label),
        "only sums and counts over time have one",
    );
    findings.require(
        !matches!(metric.value, Value::Last(..)) || panel.form == Form::Figure,
        "what is now has a form only as a figure",
        "take `Max`, or draw it as a figure",
    );
}

/// Fields that are counted since the start of a process.
const COUNTERS: &[&str] = &[
    "lbproxy.connections.accepted",
    "lbproxy.pool.opened",
    "lbproxy.records.acknowledged",
    "lbproxy.records.dead_letter",
    "lbproxy.records.dropped_full",
    "lbproxy.records.duplicate",
    "lbproxy.records.failure_store",
    "lbproxy.records.journaled",
    "lbproxy.requests.count",
];

/// Whether a metric is in the unit that it says.
fn unit_fits(panel: &Panel, metric: &Metric) -> bool {
    let unit = match metric.value {
        Value::Count(_) | Value::Distinct(_) => return metric.unit.is_count(),
        Value::Ratio(..) if metric.unit == Unit::Share => return true,
        value => value.field().map(|path| views::unit_of(panel.dataset, path)),
    };
    let want = match unit {
        None | Some(FieldUnit::None) => Unit::Count,
        Some(FieldUnit::Ns | FieldUnit::Us | FieldUnit::Ms) => Unit::Ms,
        Some(FieldUnit::Seconds | FieldUnit::Age) => Unit::Seconds,
        Some(FieldUnit::Bytes) => Unit::Bytes,
        Some(FieldUnit::Share) => Unit::Share,
    };
    metric.unit == want || want == Unit::Count && metric.unit.is_count()
}
