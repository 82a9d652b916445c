//! `docs/boards.md`: every panel with its question, data and figures.

use std::fmt::Write as _;

use lbproxy::elk::boards::OLDEST;

use super::model::{Board, Form, Metric, Panel, Term, Value};
use super::{Product, osd};

const HEAD: &str = "\
# Boards

<!-- Generated from the tables in tools/boards/src/source; `make dashboards` rewrites it. -->

The same boards for Kibana (`dashboards/kibana/lbproxy.ndjson`) and OpenSearch Dashboards
(`dashboards/opensearch/lbproxy.ndjson`): `lbproxy setup --dashboards-url http://localhost:5601` installs them
([setup.md](setup.md)). Without it, import the file under *Saved objects*, or send it:

```sh
curl -H 'kbn-xsrf: true' -F file=@dashboards/kibana/lbproxy.ndjson \\
    'http://localhost:5601/api/saved_objects/_import?overwrite=true'
curl -H 'osd-xsrf: true' -F file=@dashboards/opensearch/lbproxy.ndjson \\
    'http://localhost:5601/api/saved_objects/_import?overwrite=true'
```

- Every panel is in the free licence of both products.
- Long ranges are answered from rollups: the documents that a panel touches grow with services, routes,
  endpoints and minutes, not with requests. Detail comes from the records.
- Percentiles of rollups are never averaged. Kibana merges their histograms, within 0.8 %. OpenSearch has no
  histograms: its panels show the percentile of the worst minute and endpoint and say so; the board of
  latency has percentiles over the records on both.
- Links between boards take the time range along, and on Kibana the filters; on OpenSearch Dashboards
  those that are pinned, as the lists above the panels do, and a list shows on the next board what was chosen.
- Kibana opens a board at the range that is named below; OpenSearch Dashboards keeps range and refresh as
  they are, at first its own of 15 minutes.
- Status class and status are lists to choose from only where every panel is made of single requests: a
  rollup holds many statuses.
- Heat maps over long ranges come from `lbproxy.rollup.duration_bucket`, bands that every rollup counts
  its requests in; a colour is what was counted, from any number of rollups. Both products draw them with
  Vega.
- Where a panel shows the day before, it is the same span, each point where it is held against: 24 hours
  earlier.
- A figure has a colour only where it says that something is wrong, and a word with it: red where users
  are hurt now, amber for what will hurt. From where on stands in the table; of success and latency it is as
  on the live page.
- Dashed lines, with their words, are the objectives 99.9 % served and 300 ms for the 99th percentile.
- Lines, bars and areas by service, endpoint and the like are those with most over the whole range, not
  those that are first for a moment. A mean is sorted by the sum that it is made of.
- What is now is the newest sample of each instance within the last 5 minutes of the range, joined as the table
  says: an instance that is gone does not count for longer.
- On Kibana a click on a value offers to go to the board that tells more of it, with range and filters: a route
  that fails to Errors, a slow one to Latency, a service to Service detail. OpenSearch Dashboards has no such
  way: there a click narrows the board (where it is agg-based); pin that filter, and follow a link. The id of a
  trace is a link to Kibana's view of it; OpenSearch Dashboards has no address for it that holds in all versions.
- Charts of errors and latency have a line where lbproxy was started and where an endpoint was ejected, from
  the health records; on OpenSearch Dashboards those drawn with Vega. No list narrows these lines.
- A title is the field's term; the question that a panel answers stands beside it here, and in the panel's
  description.
- Figures of Overview stand beside those of the same span a day before. Its first row says whether all of it can
  be trusted: what is late, missing or refused.
- On Kibana, Overview asks anew every 60 s, and so do the boards that its links lead to, until it is stopped; the
  tag `lbproxy` finds every board and search. OpenSearch Dashboards has no tags, and keeps the refresh that is set.
- Views have their fields stored: a site without documents shows nothing, and no error.
- Values of a split beside those of a day before are Vega in both products: Lens refuses them.

";

/// The page.
pub fn markdown(boards: &[Board]) -> String {
    let mut page = HEAD.to_owned();
    let oldest = |product| {
        OLDEST.iter().find(|(own, _)| *own == product).map_or("", |(_, version)| *version)
    };
    let (kibana, opensearch) = (oldest(Product::Elasticsearch), oldest(Product::OpenSearch));
    let _ = writeln!(page, "For Kibana {kibana} and OpenSearch Dashboards {opensearch}, or newer.");
    for board in boards {
        let _ = writeln!(
            page,
            "\n## {}\n\n{} On Kibana, opens at the last {}.",
            board.title, board.question, board.range
        );
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
