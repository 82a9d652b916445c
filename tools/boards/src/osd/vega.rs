//! Vega-Lite visualizations: what no aggregation-based form has, ratios, rates, dashed lines, the day
//! before. Both products draw them, so Kibana takes them too where Lens has no form.
//!
//! The server adds up; ratios, units and rates are Vega's, as scripts may be switched off on a server, and
//! its derivatives leave out what follows an empty bucket. The query holds the range of time itself, as a
//! query of one's own forbids `%timefield%`. `%autointerval%` is filled in below `interval` only, and
//! that is what servers of today call `fixed_interval`: Kibana renames it, OpenSearch knows both. Not
//! here: marks and scales (`draw`).

use lbproxy::record::Dataset;
use serde_json::{Map, Value, json};

use super::super::kql;
use super::super::model::{
    Event, Form, INSTANCE, INSTANCES, Join, Metric, NOW_MINUTES, Panel, Split, Term,
    Value as Worked, split,
};
use super::super::views::{scale, view_id};
use super::draw;

/// Of both Vega-Lite 4, which OpenSearch Dashboards 2.0 has, and 5.
const SCHEMA: &str = "https://vega.github.io/schema/vega-lite/v4.json";

pub(in super::super) fn spec(panel: &Panel) -> Value {
    let mut spec = json!({
        "$schema": SCHEMA,
        "autosize": { "type": "fit", "contains": "padding" },
        "config": {
            "view": { "stroke": null }, "axis": { "grid": false, "domain": false },
            // Of the products' own, by the older one's name in both: what has no data yet would be
            // covered by a warning that its axis has no end.
            "kibana": { "hideWarnings": true },
        },
    });
    let parts = [data(panel, Span::Now), draw::drawing(panel)];
    for part in parts {
        if let (Some(spec), Value::Object(part)) = (spec.as_object_mut(), part) {
            spec.extend(part);
        }
    }
    spec
}

/// Which span of time a search asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// The one that was chosen.
    Now,
    /// The same a day before.
    DayBefore,
}

const DAY_MS: u64 = 86_400_000;

impl Span {
    /// Whether a metric of a panel over time is asked for in this search. All others ask once for
    /// everything.
    fn has(self, panel: &Panel, metric: &Metric) -> bool {
        !panel.form.has_time() || metric.is_day_before == (self == Self::DayBefore)
    }

    /// What the product fills in for it: `what` is a bound, or `true` for all of it.
    fn placeholder(self, what: &Value) -> Value {
        let mut placeholder = json!({ "%timefilter%": what });
        if self == Self::DayBefore {
            placeholder["shift"] = (-1).into();
            placeholder["unit"] = "day".into();
        }
        placeholder
    }

    fn range(self) -> Value {
        json!({ "range": { "@timestamp": self.placeholder(&true.into()) } })
    }
}

/// Metrics of a search with their numbers.
fn metrics(panel: &Panel, span: Span) -> impl Iterator<Item = (usize, &Metric)> {
    panel.metrics.iter().enumerate().filter(move |(_, metric)| span.has(panel, metric))
}

/// Where rows come from: a search, and what makes rows of its answer.
pub(super) fn data(panel: &Panel, span: Span) -> Value {
    let of_each = Panel { splits: BY_INSTANCE, ..*panel };
    let panel = if has_rises(panel) { &of_each } else { panel };
    json!({
        "data": {
            "name": if span == Span::Now { "buckets" } else { "day_before" },
            "url": {
                "index": view_id(panel.dataset),
                "body": body(panel, span),
            },
            "format": { "property": format!("aggregations.{}.buckets", outermost(panel)) },
        },
        "transform": transforms(panel, span),
    })
}

/// What counters are told apart by before they are added up.
const BY_INSTANCE: &[Split] = &[split(INSTANCE, "Instance", INSTANCES)];

fn has_rises(panel: &Panel) -> bool {
    panel.metrics.iter().any(|metric| matches!(metric.value, Worked::Rise(_)))
}

/// From rows of counters by instance and time to rows of their rises by time.
fn rises(panel: &Panel, at: &str) -> Vec<Value> {
    let mut transforms = Vec::new();
    let all = || panel.metrics.iter().enumerate();
    transforms.extend(
        all().map(
            |(n, _)| json!({ "calculate": format!("{at}.m{n}r.value"), "as": format!("c{n}") }),
        ),
    );
    // An empty bucket says nothing of a counter.
    transforms.push(json!({ "filter": "isValid(datum.c0)" }));
    let before: Vec<_> = all()
        .map(|(n, _)| json!({ "op": "lag", "field": format!("c{n}"), "as": format!("b{n}") }))
        .collect();
    transforms.push(json!({
        "window": before, "groupby": ["split"], "sort": [{ "field": "time" }],
    }));
    // Nor does the first.
    transforms.push(json!({ "filter": "isValid(datum.b0)" }));
    transforms.extend(all().map(|(n, _)| {
        let risen = format!("(datum.b{n} > datum.c{n} ? datum.c{n} : datum.c{n} - datum.b{n})");
        let figure = format!(
            "isValid(datum.b{n}) ? (datum.seconds > 0 ? {risen} / datum.seconds : null) : null"
        );
        json!({ "calculate": figure, "as": format!("r{n}") })
    }));
    let sums: Vec<_> = all()
        .map(|(n, metric)| json!({ "op": "sum", "field": format!("r{n}"), "as": metric.label }))
        .collect();
    transforms.push(json!({ "aggregate": sums, "groupby": ["time"] }));
    transforms
}

/// Whether a panel's metrics are kept apart by filters within one search: rows of a table are of both
/// days.
fn is_apart(panel: &Panel) -> bool {
    panel.has_day_before() && !panel.form.has_time()
}

/// Name of the outermost aggregation.
const fn outermost(panel: &Panel) -> &'static str {
    match (panel.form, panel.splits.is_empty()) {
        (_, false) => "s0",
        (Form::Figure | Form::Table | Form::Records(_), true) => "all",
        _ => "time",
    }
}

fn body(panel: &Panel, span: Span) -> Value {
    let mut filters = vec![if is_apart(panel) {
        let both = [Span::Now.range(), Span::DayBefore.range()];
        json!({ "bool": { "should": both, "minimum_should_match": 1 } })
    } else {
        span.range()
    }];
    if let Ok(filter) = kql::parse(panel.filter)
        && filter != kql::Kql::All
    {
        filters.push(filter.query());
    }
    let mut query = json!({});
    if !panel.is_whole {
        filters.push("%dashboard_context-filter_clause%".into());
        query["must"] = json!(["%dashboard_context-must_clause%"]);
        query["must_not"] = json!(["%dashboard_context-must_not_clause%"]);
    }
    query["filter"] = filters.into();
    json!({ "size": 0, "query": { "bool": query }, "aggs": aggregations(panel, span) })
}

/// What happened, a row for each time; the lists above the panels do not narrow it, as health records and those of
/// objectives have few of their fields. What goes on for minutes has a row for each bucket of time.
pub(super) fn events(name: &str, dataset: Dataset, events: &[&Event]) -> Value {
    let of = |event: &&Event| kql::parse(event.filter).map(|own| own.query()).unwrap_or_default();
    let any: Vec<_> = events.iter().map(of).collect();
    let filters = json!([
        Span::Now.range(), { "bool": { "should": any, "minimum_should_match": 1 } },
    ]);
    let all = || events.iter().enumerate();
    let mut times = if dataset == Dataset::Slo {
        json!({ "date_histogram": {
            "field": "@timestamp", "interval": { "%autointerval%": 60 }, "min_doc_count": 1,
        } })
    } else {
        json!({ "terms": { "field": "@timestamp", "size": 100, "order": { "_key": "desc" } } })
    };
    let each: Map<_, _> =
        all().map(|(at, event)| (format!("e{at}"), json!({ "filter": of(event) }))).collect();
    let names =
        all().map(|(at, event)| format!("datum.e{at}.doc_count > 0 ? '{}' : ", event.label));
    let names = names.collect::<Vec<_>>().concat();
    times["aggs"] = each.into();
    json!({
        "data": {
            "name": name,
            "url": { "index": view_id(dataset), "body": {
                "size": 0, "query": { "bool": { "filter": filters } },
                "aggs": { "times": times },
            } },
            "format": { "property": "aggregations.times.buckets" },
        },
        "transform": [
            { "calculate": "datum.key", "as": "time" },
            { "calculate": names + "''", "as": "event" },
        ],
    })
}

/// Splits around time around metrics.
fn aggregations(panel: &Panel, span: Span) -> Value {
    let mut inner = Map::new();
    for (at, metric) in metrics(panel, span) {
        if is_apart(panel) {
            let span = if metric.is_day_before { Span::DayBefore } else { Span::Now };
            let mut own = Map::new();
            figures(at, metric, &mut own);
            inner.insert(format!("m{at}w"), json!({ "filter": span.range(), "aggs": own }));
        } else {
            figures(at, metric, &mut inner);
        }
    }
    let mut inner = Value::from(inner);
    if panel.form.has_time() {
        inner = json!({ "time": {
            "date_histogram": {
                "field": "@timestamp",
                "interval": { "%autointerval%": 60 },
                "min_doc_count": 0,
                "extended_bounds": {
                    "min": span.placeholder(&"min".into()), "max": span.placeholder(&"max".into()),
                },
            },
            "aggs": inner,
        } });
    } else if panel.splits.is_empty() {
        // Vega-Lite reads rows, so there must be a bucket.
        inner =
            json!({ "all": { "filters": { "filters": [{ "match_all": {} }] }, "aggs": inner } });
    }
    for (at, split) in panel.splits.iter().enumerate().rev() {
        let (mut order, mut sorted) = (json!({}), "m0r".to_owned());
        if is_apart(panel) {
            sorted = format!("m0w>{sorted}");
            let own = json!({ "m0r": most(panel.metrics.first()) });
            inner["m0w"] = json!({ "filter": Span::Now.range(), "aggs": own });
        } else {
            // Beside time, not within: of the whole range.
            inner["m0r"] = most(panel.metrics.first());
        }
        if let Some(Worked::Percentile(_, percentile)) = panel.metrics.first().map(|own| own.value)
        {
            sorted = format!("{sorted}.{percentile}");
        }
        order[sorted] = "desc".into();
        let terms = json!({ "field": split.field, "size": split.size, "order": order });
        let mut around = json!({});
        around[format!("s{at}")] = json!({ "terms": terms, "aggs": inner });
        inner = around;
    }
    inner
}

/// What splits are sorted by: the metric, or the first of what a ratio is made of, as servers sort by
/// nothing that is calculated.
fn most(metric: Option<&Metric>) -> Value {
    match metric.map(|metric| metric.value) {
        Some(Worked::Ratio([Term::Sum(field), ..], _)) => json!({ "sum": { "field": field } }),
        Some(Worked::Ratio([Term::Count(filter), ..], _)) => count(filter),
        _ => raw(metric),
    }
}

/// The plain aggregation below a metric.
fn raw(metric: Option<&Metric>) -> Value {
    match metric.map(|metric| metric.value) {
        Some(Worked::Count(filter)) => count(filter),
        Some(Worked::Sum(field)) => json!({ "sum": { "field": field } }),
        Some(Worked::Max(field) | Worked::Rise(field)) => json!({ "max": { "field": field } }),
        Some(Worked::Min(field)) => json!({ "min": { "field": field } }),
        Some(Worked::Mean(field)) => json!({ "avg": { "field": field } }),
        Some(Worked::Distinct(field)) => json!({ "cardinality": { "field": field } }),
        Some(Worked::Percentile(field, percentile)) => {
            json!({ "percentiles": { "field": field, "percents": [percentile] } })
        }
        Some(Worked::Merged(field, percentile)) => {
            json!({ "max": { "field": format!("{field}.p{percentile}") } })
        }
        Some(Worked::Last(field, join)) => newest(field, join),
        Some(Worked::Ratio(..)) | None => Value::Null,
    }
}

/// The newest values of a field by instance, joined by the server: of documents that are alike in time the
/// highest.
fn newest(field: &str, join: Join) -> Value {
    let now = json!({
        "gte": { "%timefilter%": "max", "shift": -i32::from(NOW_MINUTES), "unit": "minute" },
        "lte": { "%timefilter%": "max" },
    });
    let mut newest = json!({
        "terms": { "field": "@timestamp", "size": 1, "order": { "_key": "desc" } },
    });
    newest["aggs"] = json!({ "value": { "max": { "field": field } } });
    let of_each = json!({
        "newest": newest, "last": { "max_bucket": { "buckets_path": "newest>value" } },
    });
    let mut joined = json!({});
    joined[format!("{}_bucket", join.as_str())] = json!({ "buckets_path": "instances>last" });
    let instances = json!({ "field": INSTANCE, "size": INSTANCES, "order": { "_key": "asc" } });
    let filters = json!([{ "range": { "@timestamp": now } }, { "exists": { "field": field } }]);
    json!({
        "filter": { "bool": { "filter": filters } },
        "aggs": { "instances": { "terms": instances, "aggs": of_each }, "joined": joined },
    })
}

fn count(filter: &str) -> Value {
    json!({ "filter": kql::parse(filter).map(|filter| filter.query()).unwrap_or_default() })
}

/// The aggregations of one metric: `m0r`, or of a ratio `m0a0` … the terms above the line and `m0b0` …
/// those below.
fn figures(at: usize, metric: &Metric, out: &mut Map<String, Value>) {
    let name = |suffix: &str| format!("m{at}{suffix}");
    if let Worked::Ratio(top, bottom) = metric.value {
        for (letter, terms) in [("a", top), ("b", bottom)] {
            for (n, term) in terms.iter().enumerate() {
                let aggregation = match term {
                    Term::Count(filter) => count(filter),
                    Term::Sum(field) => json!({ "sum": { "field": field } }),
                };
                out.insert(name(&format!("{letter}{n}")), aggregation);
            }
        }
        return;
    }
    out.insert(name("r"), raw(Some(metric)));
}

/// The figure of a metric, in Vega's language, from the bucket at `bucket`.
fn read(panel: &Panel, at: usize, metric: &Metric, bucket: &str) -> String {
    let times = match scale(panel, metric) {
        1.0 => String::new(),
        scale => format!(" * {scale}"),
    };
    let apart = if is_apart(panel) { format!("{bucket}.m{at}w") } else { bucket.to_owned() };
    let bucket = &apart;
    let raw = format!("{bucket}.m{at}r");
    if metric.is_rate {
        let sum = match metric.value {
            Worked::Count(_) => format!("{raw}.doc_count"),
            _ => format!("{raw}.value"),
        };
        return format!("datum.seconds > 0 ? {sum} / datum.seconds : null");
    }
    let value = match metric.value {
        Worked::Count(_) => return format!("{raw}.doc_count"),
        Worked::Ratio(top, bottom) => {
            let sum = |terms: &[Term], letter: &str| {
                let parts = terms.iter().enumerate().map(|(n, term)| match term {
                    Term::Count(_) => format!("{bucket}.m{at}{letter}{n}.doc_count"),
                    Term::Sum(_) => format!("{bucket}.m{at}{letter}{n}.value"),
                });
                parts.collect::<Vec<_>>().join(" + ")
            };
            let (top, bottom) = (sum(top, "a"), sum(bottom, "b"));
            return format!("{bottom} > 0 ? ({top}) / ({bottom}){times} : null");
        }
        Worked::Percentile(_, percentile) => format!("{raw}.values['{percentile}.0']"),
        // A sum of nothing is 0.
        Worked::Last(..) => {
            return format!("{raw}.doc_count > 0 ? {raw}.joined.value{times} : null");
        }
        _ => format!("{raw}.value"),
    };
    format!("isValid({value}) ? {value}{times} : null")
}

/// From the buckets to a row for each figure.
fn transforms(panel: &Panel, span: Span) -> Value {
    let mut transforms = Vec::new();
    let mut levels: Vec<_> = (1..panel.splits.len()).map(|at| format!("s{at}")).collect();
    if panel.form.has_time() && !panel.splits.is_empty() {
        levels.push("time".to_owned());
    }
    // Each level's buckets become rows of their own; `at` is the path of the innermost.
    let mut at = "datum".to_owned();
    let mut keys = Vec::new();
    if !panel.splits.is_empty() {
        keys.push("datum.key".to_owned());
    }
    for level in levels {
        let inner = format!("in_{level}");
        let path = format!("{at}.{level}.buckets");
        let path = path.trim_start_matches("datum.");
        transforms.push(json!({ "flatten": [path], "as": [inner] }));
        at = format!("datum.{inner}");
        if level != "time" {
            keys.push(format!("{at}.key"));
        }
    }
    if panel.form.has_time() {
        // What was a day before is drawn where it is held against.
        let shift = if span == Span::DayBefore { format!(" + {DAY_MS}") } else { String::new() };
        transforms.push(json!({ "calculate": format!("{at}.key{shift}"), "as": "time" }));
    }
    let is_rate = |(_, metric): (usize, &Metric)| metric.is_rate;
    if metrics(panel, span).any(is_rate) || matches!(panel.form, Form::Bands | Form::Bars) {
        // Only the server knows the length of an automatic interval, and the keys of its buckets, which
        // are without holes.
        transforms.push(json!({ "joinaggregate": [
            { "op": "min", "field": "time", "as": "first" },
            { "op": "max", "field": "time", "as": "last" },
            { "op": "distinct", "field": "time", "as": "buckets" },
        ] }));
        let seconds =
            "datum.buckets > 1 ? (datum.last - datum.first) / (datum.buckets - 1) / 1000 : 0";
        transforms.push(json!({ "calculate": seconds, "as": "seconds" }));
    }
    if !keys.is_empty() {
        transforms.push(json!({ "calculate": keys.join(" + ' · ' + "), "as": "split" }));
    }
    let labels: Vec<_> = metrics(panel, span).map(|(_, metric)| metric.label).collect();
    if has_rises(panel) {
        transforms.extend(rises(panel, &at));
        transforms.push(json!({ "fold": labels, "as": ["series", "figure"] }));
        return transforms.into();
    }
    for (number, metric) in metrics(panel, span) {
        let figure = read(panel, number, metric, &at);
        transforms.push(json!({ "calculate": figure, "as": metric.label }));
    }
    transforms.push(json!({ "fold": labels, "as": ["series", "figure"] }));
    transforms.into()
}
