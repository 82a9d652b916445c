//! The answer to an import, and why an object was not imported, with what to do about it.
//!
//! Where an object has an error that the caller could resolve (a conflict, a missing reference),
//! servers create none at all and list the others as successes all the same. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::Product;
use super::object::{Object, type_title};

/// Most characters of a server's own words.
const WORDS_MAX: usize = 400;
/// Kinds of errors that a caller could resolve.
const RESOLVABLE: [&str; 3] = ["conflict", "ambiguous_conflict", "missing_references"];

/// An object's type and id.
type Key = (String, String);

/// What became of an import.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Imported {
    /// Objects with errors, and what these are, with their cures.
    errors: BTreeMap<Key, String>,
    /// Whether nothing was created because of them.
    pub(super) is_held_back: bool,
    created: BTreeSet<Key>,
    /// Those of the created that have another id here.
    moved: BTreeMap<Key, String>,
}

impl Imported {
    /// Reads an answer; `None` when it is none to an import.
    pub(super) fn read(answer: &Value, product: Product) -> Option<Self> {
        answer["success"].as_bool()?;
        let mut imported = Self::default();
        for listed in answer["errors"].as_array().into_iter().flatten() {
            let Some(key) = key(listed) else { continue };
            let error = &listed["error"];
            let kind = error["type"].as_str().unwrap_or_default();
            imported.is_held_back |= RESOLVABLE.contains(&kind);
            imported.errors.insert(key, why(error, product));
        }
        for listed in answer["successResults"].as_array().into_iter().flatten() {
            let Some(key) = key(listed).filter(|_| !imported.is_held_back) else { continue };
            if let Some(id) = listed["destinationId"].as_str().filter(|id| *id != key.1) {
                imported.moved.insert(key.clone(), id.to_owned());
            }
            imported.created.insert(key);
        }
        Some(imported)
    }

    /// Why an object has failed, if it has.
    pub(super) fn error(&self, object: &Object) -> Option<&String> {
        self.errors.get(&(object.kind.clone(), object.id.clone()))
    }

    /// Whether an object was created.
    pub(super) fn has(&self, object: &Object) -> bool {
        self.created.contains(&(object.kind.clone(), object.id.clone()))
    }

    /// Objects that have another id here: theirs and that one.
    pub(super) fn moved(&self) -> impl Iterator<Item = (&str, &str)> {
        self.moved.iter().map(|((_, id), other)| (id.as_str(), other.as_str()))
    }
}

/// Type and id of what is listed.
fn key(listed: &Value) -> Option<Key> {
    Some((listed["type"].as_str()?.to_owned(), listed["id"].as_str()?.to_owned()))
}

/// An error and its cure.
fn why(error: &Value, product: Product) -> String {
    let words = || {
        let words = error["message"].as_str().unwrap_or("no reason is given");
        words.chars().take(WORDS_MAX).collect::<String>()
    };
    let names = |key: &str| -> Vec<String> {
        let listed = error[key].as_array().into_iter().flatten();
        let name = |one: &Value| {
            let id = one["id"].as_str().unwrap_or("?");
            let kind = one["type"].as_str().map(|kind| type_title(kind, product));
            kind.map_or_else(|| id.to_owned(), |kind| format!("{kind} {id}"))
        };
        listed.map(name).collect()
    };
    match error["type"].as_str() {
        Some("conflict") => {
            let other = error["destinationId"].as_str();
            let other = other.map_or(String::new(), |id| format!(" ({id})"));
            format!(
                "it was changed{other} while this ran, or is somebody else's in another space; look \
                 at it under Saved Objects and run this again"
            )
        }
        Some("ambiguous_conflict") => format!(
            "several objects here are copies of it: {}; delete all but one",
            names("destinations").join(", ")
        ),
        Some("missing_references") => format!(
            "it needs what is not here: {}; import that first: the failure of it stands in another \
             line, or somebody has deleted it",
            names("references").join(", ")
        ),
        Some("unsupported_type") => {
            "this server has no objects of this type; enable the plugin that has".to_owned()
        }
        _ if words().to_lowercase().contains("licen") => {
            format!(
                "the licence does not allow it: {}; renew the licence or choose one that does",
                words()
            )
        }
        _ if error["statusCode"] == 403 => {
            format!("{}; grant the user all rights on Saved Objects in this space", words())
        }
        _ => format!("{}; see the server's log", words()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_are_told_with_their_cures_and_hold_back_all_when_they_could_be_resolved() {
        let rows = [
            ("conflict", json!({"type": "conflict", "destinationId": "b"}), "changed (b)", true),
            (
                "ambiguous",
                json!({"type": "ambiguous_conflict", "destinations": [{"id": "a"}, {"id": "b"}]}),
                "copies of it: a, b; delete",
                true,
            ),
            (
                "missing",
                json!({"type": "missing_references",
                       "references": [{"type": "index-pattern", "id": "x-*"}]}),
                "not here: data view x-*;",
                true,
            ),
            ("type", json!({"type": "unsupported_type"}), "enable the plugin", false),
            (
                "licence",
                json!({"type": "unknown", "statusCode": 403, "message": "License is expired."}),
                "licence does not allow it: License is expired.; renew",
                false,
            ),
            (
                "rights",
                json!({"type": "unknown", "statusCode": 403, "message": "Forbidden"}),
                "Forbidden; grant",
                false,
            ),
            ("other", json!({"type": "unknown", "message": "Boom"}), "Boom; see", false),
            ("no error", json!(null), "no reason is given", false),
        ];
        for (name, error, text, is_held_back) in rows {
            let failed = json!({"type": "dashboard", "id": "a", "error": error});
            let fine = json!({"type": "dashboard", "id": "b", "destinationId": "c"});
            let answer = json!({"success": false, "errors": [failed], "successResults": [fine]});
            let imported = Imported::read(&answer, Product::Elasticsearch).unwrap();
            let why = &imported.errors[&("dashboard".to_owned(), "a".to_owned())];
            assert!(why.contains(text), "{name}: {why}");
            assert_eq!(imported.is_held_back, is_held_back, "{name}");
            let created = usize::from(!is_held_back);
            assert_eq!((imported.created.len(), imported.moved().count()), (created, created));
        }
        assert_eq!(Imported::read(&json!({"status": "ok"}), Product::OpenSearch), None);
    }
}
