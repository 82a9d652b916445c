//! Which documents a search finds, in which order: as much of the query language as shipping and
//! audits speak.
//!
//! ```text
//! query  = clause | bool.filter of clauses      clause = ids | term | terms | range | exists
//! sort   = fields, each ascending               search_after = values of the last hit's fields
//! ```
//! A field is there by its whole name, dots in it, or as objects in objects; `_index` is one, and
//! `@timestamp` counts in milliseconds. Not here: which indices, what the answer looks like
//! (`search`), figures (`aggregate`).

use std::cmp::Ordering;
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::filter;
use super::store::Index;

/// Milliseconds since 1970 of a time as documents have it.
fn milliseconds(text: &str) -> Option<u64> {
    let at = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(at.as_millis()).ok()
}

/// A document that was found.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// Index it is in.
    pub(super) index: &'a str,
    pub(super) id: &'a str,
    /// It; null when documents are not kept.
    pub(super) source: Value,
}

impl Found<'_> {
    /// The value of a field; null when it has none.
    pub(super) fn field(&self, name: &str) -> Value {
        if name == "_index" {
            return self.index.into();
        }
        let found = value(&self.source, name).unwrap_or(&Value::Null);
        let date = found.as_str().filter(|_| name == "@timestamp").and_then(milliseconds);
        date.map_or_else(|| found.clone(), Value::from)
    }

    /// Whether a clause is true of it; `None` for one that the mock does not know.
    fn meets(&self, clause: &Value) -> Option<bool> {
        let (kind, of) = clause.as_object()?.iter().next()?;
        if kind == "exists" {
            return Some(!self.field(of["field"].as_str()?).is_null());
        }
        if kind == "ids" {
            return of["values"].is_array().then_some(true); // looked up by them
        }
        let (name, wanted) = of.as_object()?.iter().next()?;
        let own = self.field(name);
        let is = |other: &Value| compare(&own, other) == Ordering::Equal;
        match kind.as_str() {
            "term" => Some(is(wanted)),
            "terms" => Some(wanted.as_array()?.iter().any(is)),
            "range" => {
                let bound = |name: &str| wanted.get(name).map(|bound| compare(&own, bound));
                let from = bound("gte").is_none_or(Ordering::is_ge);
                let below = bound("lt").is_none_or(Ordering::is_lt);
                let to = bound("lte").is_none_or(Ordering::is_le);
                Some(!own.is_null() && from && below && to)
            }
            _ => None,
        }
    }

    /// Its values of the fields that a search sorts by.
    pub(super) fn sorted_by(&self, fields: &[&str]) -> Vec<Value> {
        fields.iter().map(|field| self.field(field)).collect()
    }

    /// The parts of it that `wanted` names: everything, nothing, or patterns of paths.
    pub(super) fn part(&self, wanted: &Value) -> Option<Value> {
        match wanted {
            Value::Bool(false) => None,
            Value::Array(patterns) => {
                let patterns: Vec<_> = patterns.iter().filter_map(Value::as_str).collect();
                Some(filter::fields(&patterns, "", &self.source))
            }
            _ => Some(self.source.clone()),
        }
    }
}

/// The documents of `indices` of which a query is true, by index and id; `None` for a query that the
/// mock does not know.
pub(super) fn found<'a>(indices: &[&'a Index], query: &'a Value) -> Option<Vec<Found<'a>>> {
    let clauses = match &query["bool"]["filter"] {
        Value::Array(clauses) => clauses.as_slice(),
        _ => std::slice::from_ref(query),
    };
    let ids = clauses.iter().find_map(|clause| clause["ids"]["values"].as_array()).map(|ids| {
        let mut ids: Vec<_> = ids.iter().filter_map(Value::as_str).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    });
    let nothing = Found { index: "", id: "", source: Value::Null };
    if clauses.iter().any(|clause| nothing.meets(clause).is_none()) {
        return None;
    }
    let mut found = Vec::new();
    for index in indices {
        // Looked up where that is possible: a test may have stored a hundred thousand.
        let candidates: Vec<_> = match &ids {
            Some(ids) => ids.iter().filter_map(|id| Some((*id, index.find(id)?))).collect(),
            None => index.searchable().collect(),
        };
        for (id, source) in candidates {
            let source = serde_json::from_slice(source).unwrap_or_default();
            let one = Found { index: &index.name, id, source };
            if clauses.iter().all(|clause| one.meets(clause) == Some(true)) {
                found.push(one);
            }
        }
    }
    Some(found)
}

/// The value at a path, in which dots stand between names or in them.
fn value<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    object.get(path).or_else(|| {
        let mut dots = path.match_indices('.');
        dots.find_map(|(at, _)| value(object.get(&path[..at])?, &path[at + 1..]))
    })
}

/// The order of two values of a field: numbers by size, everything else as text, nothing last.
pub(super) fn compare(one: &Value, other: &Value) -> Ordering {
    if let (Some(one), Some(other)) = (one.as_f64(), other.as_f64()) {
        return one.total_cmp(&other);
    }
    let key = |value: &Value| (value.is_null(), value.as_str().map(str::to_owned));
    key(one).cmp(&key(other))
}

/// The order of the values of several fields.
pub(super) fn compare_all(one: &[Value], other: &[Value]) -> Ordering {
    let mut pairs = one.iter().zip(other).map(|(one, other)| compare(one, other));
    pairs.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// The fields that a request sorts by.
pub(super) fn sort_fields(request: &Value) -> Vec<&str> {
    let fields = request["sort"].as_array().into_iter().flatten();
    fields.filter_map(|field| field.as_object()?.keys().next().map(String::as_str)).collect()
}

/// One hit of an answer.
pub(super) fn hit(found: &Found<'_>, request: &Value, fields: &[&str]) -> Value {
    let mut hit = json!({ "_index": found.index, "_id": found.id, "_score": 1.0 });
    if !fields.is_empty() {
        hit["_score"] = Value::Null;
        hit["sort"] = found.sorted_by(fields).into();
    }
    if let Some(source) = found.part(&request["_source"]) {
        hit["_source"] = source;
    }
    hit
}
