//! What a panel must say, from its definition and the documents alone, in the plainest way: filter,
//! group, add up. Shares no code with what makes or asks searches, but for the reader of filters.
#![expect(clippy::cast_precision_loss, reason = "the figures are small")]

use std::collections::BTreeMap;

use lbproxy::elk::Product;
use lbproxy::record::Dataset;
use lbproxy_boards::kql::{self, Kql};
use lbproxy_boards::model::{Form, Join, Metric, Panel, Term, Value as Worked};
use serde_json::Value;

use super::data::{DAY_MS, Loaded};
use super::figures::Truth;

/// Before the end of the range, what is called now.
const NOW_MS: u64 = 300_000;

/// Bucket of time and values of the splits.
type Bucket = (String, String);

/// Every figure of a panel.
pub(super) fn figures(product: Product, panel: &Panel, loaded: &Loaded) -> Truth {
    let mut truth = Truth::new();
    let own = groups(panel, loaded, panel.dataset, 0);
    if matches!(panel.form, Form::Records(_)) {
        let all = own.values().next().unwrap();
        let newest = all.iter().map(|document| time_ms(document)).max().unwrap() as f64;
        let count = all.len() as f64;
        for (label, figure) in [("documents", count), ("newest", newest)] {
            truth.insert((String::new(), String::new(), label.to_owned()), (figure, figure));
        }
        return truth;
    }
    for metric in panel.metrics {
        if let Worked::Rise(path) = metric.value {
            for (time, rise) in rises(&own, path) {
                let place = (time.to_string(), String::new(), metric.label.to_owned());
                truth.insert(place, (rise / 60.0, rise / 60.0));
            }
            continue;
        }
        // Rollups hold the distribution of the records' times: these are the truth.
        let is_merged =
            matches!(metric.value, Worked::Merged(..)) && product == Product::Elasticsearch;
        let earlier_ms = if metric.is_day_before { DAY_MS } else { 0 };
        let dataset = match metric.value {
            // Nor may bands be taken from what they are compared with.
            Worked::Sum(path) if path.starts_with(BANDS) => Dataset::Access,
            _ if is_merged => Dataset::Access,
            _ => panel.dataset,
        };
        for ((time, split), mut documents) in groups(panel, loaded, dataset, earlier_ms) {
            if matches!(metric.value, Worked::Last(..)) {
                documents.retain(|document| time_ms(document) >= loaded.range_ms.1 - NOW_MS);
            }
            let Some((low, high)) = figure(metric, &documents, is_merged) else { continue };
            let seconds = if metric.is_rate { 60.0 } else { 1.0 };
            let place = (time, split, metric.label.to_owned());
            truth.insert(place, (low / seconds, high / seconds));
        }
    }
    truth
}

/// What a counter has risen by in each bucket of time, of all instances together.
fn rises(groups: &BTreeMap<Bucket, Vec<&Value>>, path: &str) -> BTreeMap<u64, f64> {
    let mut counters: BTreeMap<String, BTreeMap<u64, f64>> = BTreeMap::new();
    for ((time, _), documents) in groups {
        for document in documents {
            let Some(number) = number(document, path) else { continue };
            let instance = text(values(document, "service.node.name")[0]);
            let highest = counters.entry(instance).or_default();
            let highest = highest.entry(time.parse().unwrap()).or_insert(number);
            *highest = highest.max(number);
        }
    }
    let mut rises = BTreeMap::new();
    for counter in counters.into_values() {
        let later = counter.iter().skip(1);
        for ((_, before), (time, now)) in counter.iter().zip(later) {
            let rise = if now < before { *now } else { now - before };
            *rises.entry(*time).or_insert(0.0) += rise;
        }
    }
    rises
}

/// The documents of each bucket, of the range or so much earlier.
fn groups<'d>(
    panel: &Panel,
    loaded: &'d Loaded,
    dataset: Dataset,
    earlier_ms: u64,
) -> BTreeMap<Bucket, Vec<&'d Value>> {
    let filter = kql::parse(panel.filter).unwrap();
    let (from, to) = loaded.range_ms;
    let is_then = |document: &&Value| (from..to).contains(&(time_ms(document) + earlier_ms));
    let documents = loaded.documents(dataset).iter().filter(is_then);
    let mut groups: BTreeMap<Bucket, Vec<&Value>> = BTreeMap::new();
    for document in documents.filter(|document| matches(&filter, document)) {
        let time = if panel.form.has_time() {
            ((time_ms(document) + earlier_ms) / 60_000 * 60_000).to_string()
        } else {
            String::new()
        };
        let mut splits = vec![String::new()];
        for split in panel.splits {
            let found = values(document, split.field);
            let joined = splits.iter().flat_map(|before| {
                found.iter().map(move |value| match before.as_str() {
                    "" => text(value),
                    before => format!("{before} · {}", text(value)),
                })
            });
            splits = joined.collect();
        }
        if let Form::Heat { field, bounds } = panel.form {
            let value = number(document, field).unwrap();
            let band = bounds.iter().rev().find(|from| value >= **from as f64);
            splits = band.map(ToString::to_string).into_iter().collect();
        }
        for split in splits {
            groups.entry((time.clone(), split)).or_default().push(document);
        }
    }
    groups
}

/// The figure of a metric, from lowest to highest that is right; nothing when there is none.
fn figure(metric: &Metric, documents: &[&Value], is_merged: bool) -> Option<(f64, f64)> {
    let numbers = |path: &str| -> Vec<f64> {
        documents
            .iter()
            .filter_map(|document| number(document, path))
            .map(|n| n * shown(path))
            .collect()
    };
    let count = |filter: &str| {
        let filter = kql::parse(filter).unwrap();
        documents.iter().filter(|document| matches(&filter, document)).count() as f64
    };
    let exactly = |figure: f64| Some((figure, figure));
    match metric.value {
        Worked::Count(filter) => exactly(count(filter)),
        Worked::Sum(path) if path.starts_with(BANDS) => {
            let (from, to) = band(path);
            // Within a bucket of its histogram a rollup cannot tell on which side a duration is.
            let within = |from: f64, to: f64| {
                let all = numbers("event.duration").into_iter();
                all.filter(|ms| *ms > from && *ms <= to).count() as f64
            };
            Some((within(from * 1.005, to * 0.995), within(from * 0.995, to * 1.005)))
        }
        Worked::Sum(path) => exactly(numbers(path).iter().sum()),
        Worked::Max(path) => numbers(path).into_iter().reduce(f64::max).and_then(exactly),
        Worked::Min(path) => numbers(path).into_iter().reduce(f64::min).and_then(exactly),
        Worked::Mean(path) => {
            let numbers = numbers(path);
            let count = numbers.len() as f64;
            (count > 0.0).then(|| numbers.iter().sum::<f64>() / count).and_then(exactly)
        }
        Worked::Distinct(path) => {
            let all: std::collections::BTreeSet<_> =
                documents.iter().flat_map(|document| values(document, path)).map(text).collect();
            exactly(all.len() as f64)
        }
        Worked::Last(path, join) => {
            let mut newest: BTreeMap<String, (u64, f64)> = BTreeMap::new();
            for document in documents {
                let Some(number) = number(document, path) else { continue };
                let instance = text(values(document, "service.node.name")[0]);
                let known = newest.entry(instance).or_insert((0, number));
                if time_ms(document) >= known.0 {
                    *known = (time_ms(document), number);
                }
            }
            let all = newest.into_values().map(|(_, number)| number * shown(path));
            let joined = match join {
                Join::Sum => all.reduce(|one, other| one + other),
                Join::Highest => all.reduce(f64::max),
                Join::Lowest => all.reduce(f64::min),
            };
            joined.and_then(exactly)
        }
        Worked::Rise(_) => None,
        Worked::Percentile(path, percentile) => quantile(numbers(path), percentile, 0.0),
        Worked::Merged(path, percentile) if is_merged => {
            quantile(numbers(measured(path)), percentile, 0.01)
        }
        Worked::Merged(path, percentile) => {
            let all = numbers(&format!("{path}.p{percentile}"));
            all.into_iter().reduce(f64::max).and_then(exactly)
        }
        Worked::Ratio(top, bottom) => {
            let sum = |terms: &[Term]| -> f64 {
                let each = terms.iter().map(|term| match term {
                    Term::Count(filter) => count(filter),
                    Term::Sum(path) => numbers(path).iter().sum(),
                });
                each.sum()
            };
            let whole = sum(bottom);
            if whole == 0.0 { None } else { exactly(sum(top) / whole) }
        }
    }
}

/// Start of the fields of bands.
const BANDS: &str = "lbproxy.rollup.duration_bucket.";

/// From where to where a band goes, in milliseconds, by its name.
fn band(path: &str) -> (f64, f64) {
    const ENDS_MS: [f64; 15] =
        [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4];
    let name = path.strip_prefix(BANDS).unwrap();
    let number = |text: &str| text.parse::<f64>().unwrap();
    let end = match name.strip_prefix("to_") {
        None => return (6e4, f64::INFINITY),
        Some(end) if end.ends_with("ms") => number(end.trim_end_matches("ms")),
        Some(end) => number(end.trim_end_matches('s')) * 1e3,
    };
    let at = ENDS_MS.iter().position(|own| (own - end).abs() < 0.5).unwrap();
    (if at == 0 { -1.0 } else { ENDS_MS[at - 1] }, end)
}

/// The field of access records whose distribution a field of rollups is.
fn measured(path: &str) -> &'static str {
    match path {
        "lbproxy.rollup.duration_us" => "event.duration",
        "lbproxy.rollup.first_byte_us" => "lbproxy.upstream.first_byte_us",
        "lbproxy.rollup.connect_us" => "lbproxy.upstream.connect_us",
        other => panic!("{other}"),
    }
}

/// What a number is multiplied with to be in milliseconds, if it is a time by its name.
fn shown(path: &str) -> f64 {
    match path.rsplit('.').next() {
        _ if path == "event.duration" => 1e-6,
        Some("count") => 1.0,
        Some("us") => 1e-3,
        _ if path.contains("_us") => 1e-3,
        _ => 1.0,
    }
}

/// A percentile lies near its rank: servers interpolate in ways of their own, and where there are many
/// values they keep a sketch of them. A histogram is right only within `error`.
fn quantile(mut numbers: Vec<f64>, percentile: u8, error: f64) -> Option<(f64, f64)> {
    numbers.sort_by(f64::total_cmp);
    let last = numbers.len().checked_sub(1)?;
    let rank = last * usize::from(percentile) / 100;
    let slack = 1 + numbers.len() / 200;
    let (low, high) = (numbers[rank.saturating_sub(slack)], numbers[(rank + 1 + slack).min(last)]);
    Some((low * (1.0 - error), high * (1.0 + error)))
}

/// Whether a document matches a filter.
fn matches(filter: &Kql, document: &Value) -> bool {
    match filter {
        Kql::All => true,
        Kql::And(parts) => parts.iter().all(|part| matches(part, document)),
        Kql::Or(parts) => parts.iter().any(|part| matches(part, document)),
        Kql::Not(part) => !matches(part, document),
        Kql::Exists(path) => !values(document, path).is_empty(),
        Kql::Is(path, value) => values(document, path).iter().any(|own| text(own) == *value),
        Kql::Range(path, operator, bound) => {
            let bound: f64 = bound.parse().unwrap();
            number(document, path).is_some_and(|number| match *operator {
                "lt" => number < bound,
                "lte" => number <= bound,
                "gt" => number > bound,
                _ => number >= bound,
            })
        }
    }
}

/// The values of a field: documents have dotted keys, and objects below some of them.
fn values<'d>(document: &'d Value, path: &str) -> Vec<&'d Value> {
    let below = |key: &str, rest: &str| match rest {
        "" => document.get(key),
        part => document.get(key).and_then(|object| object.get(part)),
    };
    let mut ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
    let found = ends.find_map(|at| below(&path[..at], path[at..].trim_start_matches('.')));
    match found {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(value) => vec![value],
        None => Vec::new(),
    }
}

fn number(document: &Value, path: &str) -> Option<f64> {
    values(document, path).first().and_then(|value| value.as_f64())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `@timestamp` in milliseconds: all of it is on one day.
pub(super) fn time_ms(document: &Value) -> u64 {
    let text = document["@timestamp"].as_str().unwrap();
    lbproxy::base::instant::parse_rfc3339(text).unwrap()
}

/// How a bucket of an answer is named here.
pub(super) fn key(bucket: &Value, is_time: bool, is_band: bool) -> String {
    if is_band {
        return format!("{:.0}", bucket["from"].as_f64().unwrap());
    }
    match bucket["key_as_string"].as_str().filter(|_| !is_time) {
        Some(text) => text.to_owned(),
        None => text(&bucket["key"]),
    }
}

/// A percentile of the histograms of documents of one bucket, as a server with that type adds them up.
pub(super) fn merged(
    documents: &[Value],
    column: &Value,
    time: &str,
    splits: &[(String, String)],
) -> Option<f64> {
    let path = column["sourceField"].as_str().unwrap();
    let (object, key) = path.rsplit_once('.').unwrap();
    let mut points: BTreeMap<u64, u64> = BTreeMap::new();
    for document in documents {
        let is_then =
            time.is_empty() || time_ms(document) / 60_000 * 60_000 == time.parse::<u64>().unwrap();
        let is_there = splits
            .iter()
            .all(|(field, value)| values(document, field).iter().any(|own| text(own) == *value));
        if !is_then || !is_there {
            continue;
        }
        let histogram = &document[object][key];
        let list = |name: &str| histogram[name].as_array().into_iter().flatten();
        for (value, count) in list("values").zip(list("counts")) {
            *points.entry(value.as_u64().unwrap()).or_default() += count.as_u64().unwrap();
        }
    }
    let total: u64 = points.values().sum();
    let rank = column["params"]["percentile"].as_u64().unwrap() * total.checked_sub(1)? / 100;
    let mut before = 0;
    let found = points.into_iter().find(|(_, count)| {
        before += count;
        before > rank
    });
    found.map(|(value, _)| value as f64)
}
