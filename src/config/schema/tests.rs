//! Goal: the schema knows the keys that the reader knows, no more and no fewer, and so does the
//! reader when it tells what is known. Method: a file with every key of the schema and an unknown
//! one beside them goes through the real reader, which names what it asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::{keys, parse};
use super::*;

/// A key that is like no other.
const UNKNOWN: &str = "zzzz";

/// Mappings by path with the names of their keys.
type Names = BTreeMap<String, BTreeSet<String>>;

/// A value with every key that `schema` allows, of two that exclude each other the one that `pick`
/// says, and an unknown key in every mapping; fills `names` on the way.
fn everything(schema: &Value, path: &str, pick: usize, names: &mut Names) -> Value {
    if let Some(any) = schema["anyOf"].as_array() {
        let structured = any.iter().find(|one| one["type"] == "object" || one["type"] == "array");
        return structured.map_or("x".into(), |one| everything(one, path, pick, names));
    }
    if schema["type"] == "array" {
        return vec![everything(&schema["items"], &format!("{path}[0]"), pick, names)].into();
    }
    if schema["additionalProperties"].is_object() {
        let path = format!("{path}.{ANY_NAME}");
        let one = everything(&schema["additionalProperties"], &path, pick, names);
        return json!({ANY_NAME: one});
    }
    let Some(properties) = schema["properties"].as_object() else { return "x".into() };
    names.insert(path.to_owned(), properties.keys().cloned().collect());
    let rules = schema["allOf"].as_array().into_iter().flatten();
    let out: Vec<&str> = rules
        .filter_map(|rule| match rule["oneOf"].as_array() {
            Some(pair) => pair[1 - pick]["required"][0].as_str(),
            None => rule["not"]["required"][1 - pick].as_str(),
        })
        .collect();
    let mut object = serde_json::Map::new();
    for (name, property) in properties.iter().filter(|(name, _)| !out.contains(&name.as_str())) {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        object.insert(name.clone(), everything(property, &path, pick, names));
    }
    object.insert(UNKNOWN.to_owned(), 1.into());
    object.into()
}

#[test]
fn the_reader_asks_for_the_keys_of_the_schema_and_no_others() {
    let schema: Value = serde_json::from_str(&json_schema()).unwrap();
    let mut all = BTreeSet::new();
    for pick in [0, 1] {
        let mut want = Names::new();
        let file = everything(&schema, "", pick, &mut want).to_string();
        let report = parse("f", &file, &|_| None).unwrap_err();
        let mut have = Names::new();
        for finding in &report.findings {
            if finding.problem != "is not a known key" {
                continue;
            }
            let path = finding.key.strip_suffix(UNKNOWN);
            let path = path.unwrap_or_else(|| panic!("{finding}")).trim_end_matches('.');
            let known = finding.cure.split_once("known here: ");
            let known = known.unwrap_or_else(|| panic!("{finding}")).1;
            have.insert(path.to_owned(), known.split(", ").map(str::to_owned).collect());
        }
        assert_eq!(have, want);
        all.extend(want.into_keys());
    }
    let maps: BTreeSet<_> = keys()
        .into_iter()
        .filter(|key| key.shapes.contains(&Shape::Map))
        .map(|key| key.path.replace("[]", "[0]"))
        .collect();
    assert_eq!(all, maps, "every mapping was read");
}

#[test]
fn every_key_is_explained_and_defaults_are_of_its_kind() {
    for key in keys() {
        let Key { path, shapes, default, is_required, doc, .. } = &key;
        assert!(path.is_empty() || path.ends_with(']') || doc.ends_with('.'), "{path}: {doc:?}");
        assert!(default.is_none() || !is_required, "{path} is required and has a default");
        let Some(default) = default else { continue };
        let fits = match shapes.as_slice() {
            [Shape::Number { least, most }] => {
                default.parse().is_ok_and(|number: u64| (least..=most).contains(&&number))
            }
            [Shape::Duration { least, most }] => {
                units::parse_duration(default).is_some_and(|span| {
                    (u128::from(*least)..=u128::from(*most)).contains(&span.as_micros())
                })
            }
            [Shape::Size { least, most }] => {
                units::parse_bytes(default).is_some_and(|size| (least..=most).contains(&&size))
            }
            [Shape::Flag] => ["true", "false"].contains(&default.as_str()),
            [Shape::Choice(words)] => words.contains(&default.as_str()),
            [Shape::Text(_)] => !default.is_empty(),
            _ => false,
        };
        assert!(fits, "{path}: {default} is no {shapes:?}");
    }
}

#[test]
fn nothing_in_it_depends_on_this_machine() {
    let schema: Value = serde_json::from_str(&json_schema()).unwrap();
    let proxy = &schema["properties"]["proxy"]["properties"];
    assert_eq!(proxy["workers"].get("default"), None, "one for each core");
    let telemetry = &schema["properties"]["telemetry"]["properties"];
    assert_eq!(telemetry["instance"].get("default"), None, "the host's name");
    assert_eq!(telemetry["journal"]["properties"]["size"]["default"], "256MiB");
}
