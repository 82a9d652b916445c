//! What products take of a saved object: keys, types and words of its attributes, and of the JSON that some of
//! them hold as text. The tables are transcribed from the products' sources, which each names.
//!
//! A file goes to every version, so that a key of a newer one is a fault too: an older one refuses the import,
//! or drops the key without a word. Not here: keys of what products keep open (`seen`), and what they do
//! with it (`reading`).

mod kibana;
mod osd;

use serde_json::Value;

use super::super::Product;
use super::Findings;

/// Versions that are looked at, oldest first; 9.9 stands for all of 9.
const KIBANA: [Version; 3] = [Version(8, 14), Version(8, 19), Version(9, 9)];
const OSD: [Version; 3] = [Version(2, 0), Version(2, 19), Version(3, 7)];

/// A version of a product: its first two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u8, u8);

/// What a value may be.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Any,
    Bool,
    Number,
    Text,
    /// One of these.
    Word(&'static [&'static str]),
    /// JSON in a text.
    Json(&'static Self),
    /// No more than so many.
    List(usize, &'static Self),
    /// Keys of the user's.
    Map(&'static Self),
    /// These keys and no others.
    Closed(&'static [Key]),
    /// These keys, and others that are kept as they are.
    Open(&'static [Key]),
}

/// A key of an object.
#[derive(Debug, Clone, Copy)]
struct Key {
    name: &'static str,
    kind: Kind,
    is_required: bool,
    since: Version,
}

const fn must(name: &'static str, kind: Kind) -> Key {
    Key { name, kind, is_required: true, since: Version(0, 0) }
}

const fn may(name: &'static str, kind: Kind) -> Key {
    Key { is_required: false, ..must(name, kind) }
}

/// A key that older versions do not have.
const fn since(major: u8, minor: u8, key: Key) -> Key {
    Key { since: Version(major, minor), ..key }
}

/// A list without a bound of its own.
const fn list(of: &'static Kind) -> Kind {
    Kind::List(usize::MAX, of)
}

const TEXTS: Kind = list(&Kind::Text);
const ANYTHING: Kind = list(&Kind::Any);

/// A query with its language.
const QUERY: Kind =
    Kind::Closed(&[must("query", Kind::Text), must("language", Kind::Word(&["kuery", "lucene"]))]);

/// Where a search comes from. Other keys are of older versions and kept.
const SOURCE: Kind = Kind::Closed(&[must(
    "searchSourceJSON",
    Kind::Json(&Kind::Open(&[
        may("query", QUERY),
        may("filter", ANYTHING),
        may("indexRefName", Kind::Text),
    ])),
)]);

/// References of an object.
const REFERENCES: Kind = list(&Kind::Closed(&[
    must("name", Kind::Text),
    must("type", Kind::Text),
    must("id", Kind::Text),
]));

/// Entries of a view's fields.
const FIELDS: Kind = Kind::Json(&list(&Kind::Closed(&[
    may("count", Kind::Number),
    must("name", Kind::Text),
    must("type", Kind::Text),
    may("esTypes", TEXTS),
    may("scripted", Kind::Bool),
    must("searchable", Kind::Bool),
    must("aggregatable", Kind::Bool),
    must("readFromDocValues", Kind::Bool),
    may("subType", Kind::Open(&[])),
])));

/// Checks an object as it stands in the file, with JSON in its texts.
pub(super) fn object(product: Product, object: &Value, findings: &mut Findings) {
    let (root, types, versions): (_, &[(&str, Kind)], _) = match product {
        Product::Elasticsearch => (kibana::OBJECT, &kibana::TYPES, KIBANA),
        Product::OpenSearch => (osd::OBJECT, &osd::TYPES, OSD),
    };
    let attributes = types.iter().find(|(name, _)| object["type"] == *name);
    // What is wrong for the oldest is told once.
    let mut told = Vec::new();
    for version in versions {
        let mut wrong = Vec::new();
        look("", root, object, version, &mut wrong);
        if let Some((_, kind)) = attributes {
            look("attributes", *kind, &object["attributes"], version, &mut wrong);
        }
        for problem in wrong {
            if !told.contains(&problem) {
                let Version(major, minor) = version;
                findings.add(
                    format!("{problem} by version {major}.{minor}"),
                    "write what every version takes: another is refused, or dropped",
                );
                told.push(problem);
            }
        }
    }
}

/// Whether a value may stand here in a version.
fn look(path: &str, kind: Kind, value: &Value, version: Version, wrong: &mut Vec<String>) {
    let is_it = match kind {
        Kind::Any => true,
        Kind::Bool => value.is_boolean(),
        Kind::Number => value.is_number(),
        Kind::Text => value.is_string(),
        Kind::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Kind::Json(inner) => match value.as_str().map(serde_json::from_str::<Value>) {
            Some(Ok(value)) => return look(path, *inner, &value, version, wrong),
            _ => false,
        },
        Kind::List(most, of) => match value.as_array() {
            Some(all) if all.len() <= most => {
                for (at, value) in all.iter().enumerate() {
                    look(&format!("{path}.{at}"), *of, value, version, wrong);
                }
                return;
            }
            _ => false,
        },
        Kind::Map(of) => match value.as_object() {
            Some(map) => {
                for (name, value) in map {
                    look(&format!("{path}.{name}"), *of, value, version, wrong);
                }
                return;
            }
            None => false,
        },
        Kind::Closed(keys) | Kind::Open(keys) => match value.as_object() {
            Some(map) => {
                let is_closed = matches!(kind, Kind::Closed(_));
                return members(path, keys, is_closed, map, version, wrong);
            }
            None => false,
        },
    };
    if !is_it {
        let what = value.to_string().chars().take(40).collect::<String>();
        wrong.push(format!("{path} is {what}, which is not taken"));
    }
}

/// Looks at the keys of an object.
fn members(
    path: &str,
    keys: &[Key],
    is_closed: bool,
    map: &serde_json::Map<String, Value>,
    version: Version,
    wrong: &mut Vec<String>,
) {
    let below =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let known = || keys.iter().filter(|key| key.since <= version);
    for (name, value) in map {
        match known().find(|key| key.name == name) {
            Some(key) => look(&below(name), key.kind, value, version, wrong),
            None if is_closed => wrong.push(format!("{} is not known", below(name))),
            None => (),
        }
    }
    for key in known().filter(|key| key.is_required && !map.contains_key(key.name)) {
        wrong.push(format!("{} is missing, which is asked for", below(key.name)));
    }
}
