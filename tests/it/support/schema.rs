//! Checks a configuration, or a file of objectives, against its JSON Schema: the few keywords that it uses, and none else.

use std::sync::LazyLock;

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::Value;

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&lbproxy::config::json_schema()).unwrap());

/// Its `$defs` are those of the other one.
static OBJECTIVES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&lbproxy::slo::file::json_schema()).unwrap());

fn to_json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Mapping(map) => map
            .iter()
            .map(|(key, value)| (key.as_str().unwrap().to_owned(), to_json(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Yaml::Sequence(items) => items.iter().map(to_json).collect::<Vec<_>>().into(),
        Yaml::Value(Scalar::String(text)) => text.as_ref().into(),
        Yaml::Value(Scalar::Integer(number)) => (*number).into(),
        Yaml::Value(Scalar::Boolean(flag)) => (*flag).into(),
        Yaml::Value(Scalar::FloatingPoint(number)) => number.into_inner().into(),
        Yaml::Value(Scalar::Null) => Value::Null,
        other => panic!("{other:?} stands in no configuration of ours"),
    }
}

/// The documents of a text, without those that are empty.
pub(crate) fn yaml_documents(text: &str) -> Vec<Value> {
    let all = Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    all.iter().map(to_json).filter(|document| !document.is_null()).collect()
}

/// What is wrong with `value`, by path.
fn faults(schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$ref" => {
                let target = rule.as_str().unwrap().strip_prefix('#').unwrap();
                found.extend(faults(SCHEMA.pointer(target).unwrap(), value, path));
            }
            "allOf" => found.extend(list(rule).flat_map(|one| faults(one, value, path))),
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                found.extend(
                    items.flat_map(|(at, item)| faults(rule, item, &format!("{path}[{at}]"))),
                );
            }
            "properties" => {
                let known = rule.as_object().unwrap().iter();
                let there = known.filter_map(|(name, rule)| Some((name, rule, value.get(name)?)));
                found.extend(there.flat_map(|(name, rule, inner)| {
                    faults(rule, inner, &format!("{path}.{name}"))
                }));
            }
            keyword if holds(keyword, rule, schema, value) => (),
            keyword => found.push(format!("{path}: {value} against {keyword} {rule}")),
        }
    }
    found
}

/// A rule that is a list.
fn list(rule: &Value) -> std::slice::Iter<'_, Value> {
    rule.as_array().unwrap().iter()
}

/// Whether a rule about the value itself holds. Panics at a keyword that it does not know: a rule
/// that is not understood is not a rule that holds.
fn holds(keyword: &str, rule: &Value, schema: &Value, value: &Value) -> bool {
    let meets = |schema: &&Value| faults(schema, value, "").is_empty();
    let has =
        |name: &Value| value.as_object().is_none_or(|map| map.contains_key(name.as_str().unwrap()));
    let number = value.as_i64();
    match keyword {
        "$schema" | "$defs" | "$comment" | "title" | "description" | "default" | "examples" => true,
        "type" if rule.is_array() => list(rule).any(|name| is_type(value, name)),
        "type" => is_type(value, rule),
        "enum" => list(rule).any(|word| word == value),
        "pattern" => {
            let pattern = regex::Regex::new(rule.as_str().unwrap()).unwrap();
            value.as_str().is_none_or(|text| pattern.is_match(text))
        }
        "minimum" => number.is_none_or(|number| number >= rule.as_i64().unwrap()),
        "maximum" => number.is_none_or(|number| number <= rule.as_i64().unwrap()),
        "minItems" => {
            value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap())
        }
        "anyOf" => list(rule).any(|one| meets(&one)),
        "oneOf" => list(rule).filter(meets).count() == 1,
        "not" => !meets(&rule),
        "required" => list(rule).all(has),
        "additionalProperties" => {
            let known = |name: &str| schema["properties"].get(name).is_some();
            let is_one = |value| rule.is_object() && faults(rule, value, "").is_empty();
            let fits = |(name, value): (&String, _)| known(name) || is_one(value);
            value.as_object().is_none_or(|map| map.iter().all(fits))
        }
        other => panic!("the schema uses {other}, which this check does not know"),
    }
}

/// Whether a value is of a type.
fn is_type(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        other => panic!("type {other}"),
    }
}

/// What the schema finds in a file.
pub(crate) fn schema_faults(text: &str) -> Vec<String> {
    let documents = Yaml::load_from_str(text).unwrap();
    faults(&SCHEMA, &to_json(&documents[0]), "")
}

/// What the schema of objectives finds in a file of one document.
pub(crate) fn objective_faults(text: &str) -> Vec<String> {
    let documents = Yaml::load_from_str(text).unwrap();
    faults(&OBJECTIVES, &to_json(&documents[0]), "")
}

/// Checks a file against the schema.
pub(crate) fn assert_valid(name: &str, text: &str) {
    let faults = schema_faults(text);
    assert!(faults.is_empty(), "{name}: {faults:#?}\n{text}");
}
