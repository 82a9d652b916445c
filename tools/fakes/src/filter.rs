//! `filter_path` and `_source`: keep the parts of an answer, and of a document, that a caller asks for.
//!
//! ```text
//! filters = path { "," path }      path = word { "." word }      word: `*` stands for any text
//! ```
//! Arrays are looked through; objects and arrays in which nothing is kept vanish, so a list can
//! become shorter, as in the real servers. Not here: `**` and exclusion (`-`).

use serde_json::{Map, Value};

use super::pattern;

/// What `filters` keeps of `answer`; an empty object when that is nothing.
pub(super) fn apply(filters: &str, answer: &Value) -> Value {
    let paths: Vec<Vec<&str>> = filters.split(',').map(|path| path.split('.').collect()).collect();
    let paths: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
    kept(&paths, answer).unwrap_or_else(|| Value::Object(Map::new()))
}

/// What `paths` keep of `value`; nothing when they keep nothing.
fn kept(paths: &[&[&str]], value: &Value) -> Option<Value> {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter_map(|(name, value)| {
                let fits = |path: &&&[&str]| path.first().is_some_and(|p| pattern::fits(p, name));
                let rests: Vec<_> = paths.iter().filter(fits).map(|path| &path[1..]).collect();
                let is_whole = rests.iter().any(|rest| rest.is_empty());
                let value = if is_whole { Some(value.clone()) } else { kept(&rests, value) };
                Some((name.clone(), value?))
            });
            let fields: Map<_, _> = fields.collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().filter_map(|item| kept(paths, item)).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        _ => None,
    }
}

/// The fields of a document whose paths below `above` fit a pattern.
pub(super) fn fields(patterns: &[&str], above: &str, document: &Value) -> Value {
    let fields = document.as_object().into_iter().flatten().filter_map(|(name, value)| {
        let path = format!("{above}{name}");
        if patterns.iter().any(|pattern| pattern::fits(pattern, &path)) {
            return Some((name.clone(), value.clone()));
        }
        let below = fields(patterns, &format!("{path}."), value);
        below.as_object().is_some_and(|below| !below.is_empty()).then(|| (name.clone(), below))
    });
    Value::Object(fields.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_asked_for_is_kept_and_what_is_left_empty_vanishes() {
        let answer = json!({
            "took": 3, "errors": true,
            "items": [
                {"create": {"_id": "a", "status": 201}},
                {"create": {"_id": "b", "status": 400, "error": {"type": "t", "reason": "r"}}},
            ],
        });
        for (filters, want) in [
            ("errors", json!({"errors": true})),
            (
                "errors,items.*.status,items.*.error.type",
                json!({"errors": true, "items": [
                    {"create": {"status": 201}},
                    {"create": {"status": 400, "error": {"type": "t"}}},
                ]}),
            ),
            (
                "items.*.error",
                json!({"items": [{"create": {"error": {"type": "t", "reason": "r"}}}]}),
            ),
            (
                "items.create._i*",
                json!({"items": [{"create": {"_id": "a"}}, {"create": {"_id": "b"}}]}),
            ),
            ("took.more", json!({})),
            ("items", json!({"items": answer["items"]})),
            ("", json!({})),
        ] {
            assert_eq!(apply(filters, &answer), want, "{filters}");
        }
    }
}
