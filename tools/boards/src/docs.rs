//! `docs/boards.md`: every panel with its question, data and figures.

use std::fmt::Write as _;

use lbproxy::elk::boards::OLDEST;

use super::model::{Board, Form, Metric, Panel, Term, Value};
use super::{Product, osd};

/// Before the table of boards; the oldest versions take the places of the words in capitals.
const HEAD: &str = "\
# Boards

<!-- Generated from the tables in tools/boards/src/source; `make dashboards` rewrites it. -->

What lbproxy has recorded, as boards for Kibana KIBANA or newer and OpenSearch Dashboards OPENSEARCH or newer: the same
for both, and free in every licence. Begin with Overview; the links at the top of each board lead to the others.
[Pictures](tour.md#the-boards).

| Board | What it answers | Kibana opens it at the last |
|---|---|---|
";

/// Between the table of boards and that of their panels.
const MIDDLE: &str = "
## Install

```sh
lbproxy setup --dashboards-url http://localhost:5601
```

puts them beside what the documents need, and later brings them up to date ([setup.md](setup.md#boards)). By hand, import
`dashboards/kibana/lbproxy.ndjson` or `dashboards/opensearch/lbproxy.ndjson` under *Saved objects*, or send it:

```sh
curl -H 'kbn-xsrf: true' -F file=@dashboards/kibana/lbproxy.ndjson \\
    'http://localhost:5601/api/saved_objects/_import?overwrite=true'
curl -H 'osd-xsrf: true' -F file=@dashboards/opensearch/lbproxy.ndjson \\
    'http://localhost:5601/api/saved_objects/_import?overwrite=true'
```

A site without documents shows nothing, and no error. Lists above the panels narrow all of them to a service, route,
endpoint or instance.

## Read

- The first row of Overview says whether the rest can be trusted: what is late, missing or refused.
- A title is the field's term. The question that the panel answers is its description, and stands beside it below.
- A figure has a colour only where something is wrong, and a word with it: red where users are hurt now, amber for
  what will hurt. From where on stands in the tables below; of success and latency it is as on the live page.
- Dashed lines, with their words, are the objectives: 99.9 % served, and 300 ms for the 99th percentile. Where
  `slo.files` has objectives of all requests, `lbproxy setup` puts these into lines, levels and words of all boards
  ([slo.md](slo.md#boards)); files that are imported by hand have the usual ones.
- The dashed lines of burn rates are where the windows fire that an objective has where it names none.
- Upright lines in charts of errors and latency are where lbproxy was started and where an endpoint was ejected, from
  the health records, and where a page or a ticket fired, one for each minute of it; on OpenSearch Dashboards in those
  drawn with Vega, and one of an alert for each step of the chart. No list narrows them.
- Budgets and burn rates are those of the instance and group that is worst: each instance counts its own traffic.
- What is *now* (CPU, memory, requests in flight) is the newest sample of each instance within the last 5 minutes of the
  range, joined as the table says: an instance that is gone does not count for longer.
- *A day before* is the same span 24 hours earlier: each point stands where it is held against.
- Lines, bars and areas by service, endpoint and the like are those with most over the whole range, not those that
  are first for a moment. Where a mean is split, they are those with the largest sum.

## Go on

- Links between boards take the time range along, and on Kibana the filters; on OpenSearch Dashboards those that are
  pinned, as the lists above the panels do, and a list shows on the next board what was chosen.
- On Kibana a click on a value offers the board that tells more of it, with range and filters: a route that fails leads
  to Errors, a slow one to Latency, a service to Service detail. On OpenSearch Dashboards a click narrows the board (in
  panels that are agg-based); pin that filter, and follow a link.
- The id of a trace is a link to Kibana's view of it; OpenSearch Dashboards has no address for it that holds in all
  versions.
- Kibana opens a board at the range of the table above. Overview asks anew every 60 s there, and so do the boards that
  its links lead to, until it is stopped. OpenSearch Dashboards keeps range and refresh as they are, at first 15 minutes.
- The tag `lbproxy` finds every board and search in Kibana; OpenSearch Dashboards has no tags.

## Where the figures come from

- Boards that open with a day or more ask [rollups](rollups.md), one document a minute for each service, route and
  endpoint, and samples and checks, so many a minute: what a panel costs does not grow with requests
  ([measured](../bench/BOARDS.md)). Detail comes from the [records](records.md), one document a request.
- Percentiles of rollups are never averaged. Kibana merges their histograms, within 0.8 %. OpenSearch has no histograms:
  its panels show the percentile of the worst minute and endpoint and say so; the board of latency has percentiles
  over the records on both.
- Heat maps over long ranges come from bands that every rollup counts its requests in
  (`lbproxy.rollup.duration_bucket`): a colour is what was counted.
- Status class and status are lists to choose from only where every panel is made of records: a rollup holds many
  statuses.

## Every panel

*Data* is the kind of document, and which of them; *Shows* is each figure with its unit, what it is split by, and from
where on it has a colour. *On OpenSearch* says what draws it there: `agg-based` panels can be clicked, those of `Vega`
cannot. On Kibana Lens draws all but heat maps over rollups and splits beside a day before, which are Vega there too.
";

/// The page.
pub fn markdown(boards: &[Board]) -> String {
    let oldest = |product| {
        OLDEST.iter().find(|(own, _)| *own == product).map_or("", |(_, version)| *version)
    };
    let (kibana, opensearch) = (oldest(Product::Elasticsearch), oldest(Product::OpenSearch));
    let mut page = HEAD.replace("KIBANA", kibana).replace("OPENSEARCH", opensearch);
    for Board { id, title, question, range, .. } in boards {
        let _ = writeln!(page, "| [{title}](#{}) | {question} | {range} |", anchor(boards, id));
    }
    page += MIDDLE;
    for board in boards {
        let _ = writeln!(page, "\n### {}\n\n{}\n", board.title, board.question);
        let controls: Vec<_> = board.controls.iter().map(|control| control.label()).collect();
        let _ = writeln!(page, "Lists to choose from: {}.\n", controls.join(", "));
        page += "| Panel | Data | Shows | Form | On OpenSearch |\n|---|---|---|---|---|\n";
        for panel in board.panels() {
            page += &row(boards, panel);
        }
    }
    page
}

/// Where on the page a board stands.
fn anchor(boards: &[Board], id: &str) -> String {
    let title = boards.iter().find(|board| board.id == id).map_or("", |board| board.title);
    title.to_lowercase().replace(' ', "-")
}

fn row(boards: &[Board], panel: &Panel) -> String {
    let metrics: Vec<_> = panel.metrics.iter().map(metric).collect();
    let splits: Vec<_> = panel.splits.iter().map(|split| format!("`{}`", split.field)).collect();
    let mut shows = metrics.join("<br>");
    if !splits.is_empty() {
        let _ = write!(shows, "<br>by {}", splits.join(", "));
    }
    let mut data = panel.dataset.as_str().to_owned();
    if !panel.filter.is_empty() {
        let filter = panel.filter.split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = write!(data, " where `{filter}`");
    }
    let unit = panel.metrics.first().map(|metric| metric.unit);
    if let (Some(alarm), Some(unit)) = (panel.alarm, unit) {
        for (color, level, word) in alarm.levels() {
            let _ =
                write!(shows, "<br>{color} {} {}: {word}", alarm.side.as_str(), unit.text(level));
        }
    }
    let form = match panel.form {
        Form::Figure => "figure",
        Form::Lines => "lines",
        Form::Bars => "stacked bars",
        Form::Areas => "areas",
        Form::Table => "table",
        Form::Heat { .. } | Form::Bands => "heat map",
        Form::Records(_) => "records",
    };
    let osd = match panel.form {
        Form::Records(_) => "saved search",
        _ if osd::is_plain(panel) => "agg-based",
        _ => "Vega",
    };
    if let Some(board) = panel.more_on {
        let _ = write!(shows, "<br>more on [{board}](#{})", anchor(boards, board));
    }
    let (title, question) = (panel.title, panel.question());
    format!("| **{title}**: {question} | {data} | {shows} | {form} | {osd} |\n")
}

fn metric(metric: &Metric) -> String {
    let terms = |terms: &[Term]| {
        let each = terms.iter().map(|term| match term {
            Term::Count(filter) => format!("documents with `{filter}`"),
            Term::Sum(field) => format!("`{field}`"),
        });
        each.collect::<Vec<_>>().join(" + ")
    };
    let what = match metric.value {
        Value::Count("") => "documents".to_owned(),
        Value::Count(filter) => format!("documents with `{filter}`"),
        Value::Sum(field) => format!("sum of `{field}`"),
        Value::Max(field) => format!("highest `{field}`"),
        Value::Min(field) => format!("lowest `{field}`"),
        Value::Mean(field) => format!("mean of `{field}`"),
        Value::Last(field, join) => format!("last `{field}`, {}", join.words()),
        Value::Rise(field) => format!("increase of `{field}`, sum of all instances"),
        Value::Distinct(field) => format!("different `{field}`"),
        Value::Percentile(field, percentile) | Value::Merged(field, percentile) => {
            format!("p{percentile} of `{field}`")
        }
        Value::Ratio(top, bottom) => format!("({}) ÷ ({})", terms(top), terms(bottom)),
    };
    let per = if metric.is_rate { " per second" } else { "" };
    let when = if metric.is_day_before { ", of the day before" } else { "" };
    format!("{}: {what}, {}{per}{when}", metric.label, metric.unit.as_str())
}
