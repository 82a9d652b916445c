//! Figures over what a search finds: as many aggregations as audits ask for.
//!
//! `terms`, `composite` of terms, `range`, each with aggregations below it, and `min`, `max`, `sum`.
//! Not here: which documents (`find`).

use serde_json::{Map, Value, json};

use super::find::{Found, compare_all};

/// The figures `wanted`; `None` for some that the mock does not know.
pub(super) fn aggregate(wanted: &Value, found: &[&Found<'_>]) -> Option<Map<String, Value>> {
    let figures = wanted.as_object().into_iter().flatten();
    figures.map(|(name, wanted)| Some((name.clone(), figure(wanted, found)?))).collect()
}

fn figure(wanted: &Value, found: &[&Found<'_>]) -> Option<Value> {
    let (kind, of) = wanted.as_object()?.iter().find(|(kind, _)| *kind != "aggs")?;
    let below = &wanted["aggs"];
    match kind.as_str() {
        "terms" => {
            let groups = groups(&[of["field"].as_str()?], found);
            let buckets = groups.into_iter().map(|(key, all)| bucket(key[0].clone(), below, &all));
            Some(json!({ "buckets": buckets.collect::<Option<Vec<_>>>()? }))
        }
        "composite" => composite(of, below, found),
        "range" => range(of, below, found),
        _ => {
            let field = of["field"].as_str()?;
            let values = found.iter().filter_map(|one| one.field(field).as_f64());
            let value = match kind.as_str() {
                "min" => values.reduce(f64::min),
                "max" => values.reduce(f64::max),
                "sum" => Some(values.sum()),
                _ => return None,
            };
            Some(json!({ "value": value }))
        }
    }
}

/// A bucket and the figures below it.
fn bucket(key: Value, below: &Value, all: &[&Found<'_>]) -> Option<Value> {
    let mut bucket = aggregate(below, all)?;
    bucket.insert("key".to_owned(), key);
    bucket.insert("doc_count".to_owned(), all.len().into());
    Some(Value::Object(bucket))
}

/// Documents by the values of fields, lowest first; those that lack one are in no group.
fn groups<'f, 'd>(
    fields: &[&str],
    found: &[&'f Found<'d>],
) -> Vec<(Vec<Value>, Vec<&'f Found<'d>>)> {
    let mut keyed: Vec<_> = found.iter().map(|one| (one.sorted_by(fields), *one)).collect();
    keyed.retain(|(key, _)| !key.iter().any(Value::is_null));
    keyed.sort_by(|one, other| compare_all(&one.0, &other.0));
    let groups = keyed.chunk_by(|one, other| compare_all(&one.0, &other.0).is_eq());
    groups.map(|group| (group[0].0.clone(), group.iter().map(|(_, one)| *one).collect())).collect()
}

/// A page of groups behind a key.
fn composite(of: &Value, below: &Value, found: &[&Found<'_>]) -> Option<Value> {
    let sources = of["sources"].as_array()?.iter().filter_map(|one| one.as_object()?.iter().next());
    let (names, fields): (Vec<_>, Vec<_>) =
        sources.map(|(name, source)| (name, source["terms"]["field"].as_str())).unzip();
    let fields: Vec<_> = fields.into_iter().collect::<Option<_>>()?;
    let mut groups = groups(&fields, found);
    if let Some(after) = of["after"].as_object() {
        let after: Vec<_> = names.iter().map(|name| after[*name].clone()).collect();
        groups.retain(|(key, _)| compare_all(key, &after).is_gt());
    }
    let size = of["size"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(10);
    groups.truncate(size);
    let key = |values: Vec<Value>| -> Value {
        let names = names.iter().map(|name| (*name).clone());
        Value::Object(names.zip(values).collect())
    };
    let last = groups.last().map(|(values, _)| key(values.clone()));
    let buckets = groups.into_iter().map(|(values, all)| bucket(key(values), below, &all));
    let mut figure = json!({ "buckets": buckets.collect::<Option<Vec<_>>>()? });
    if let Some(last) = last {
        figure["after_key"] = last;
    }
    Some(figure)
}

/// Documents by spans of a number, `from` in it and `to` not.
fn range(of: &Value, below: &Value, found: &[&Found<'_>]) -> Option<Value> {
    let field = of["field"].as_str()?;
    let buckets = of["ranges"].as_array()?.iter().map(|range| {
        let (from, to) = (range["from"].as_f64(), range["to"].as_f64());
        let is_in =
            |value: f64| from.is_none_or(|from| value >= from) && to.is_none_or(|to| value < to);
        let all = found.iter().filter(|one| one.field(field).as_f64().is_some_and(is_in));
        bucket(range["key"].clone(), below, &all.copied().collect::<Vec<_>>())
    });
    Some(json!({ "buckets": buckets.collect::<Option<Vec<_>>>()? }))
}
