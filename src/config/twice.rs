//! Keys that stand twice in one mapping, told from the parser's events: a tree has no place for the second.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

use super::tree::Place;

/// A key that stands twice.
#[derive(Debug)]
pub(crate) struct Twice {
    /// Its path.
    pub(crate) key: String,
    /// Where it stands first.
    pub(crate) first: Place,
    /// Where it stands again.
    pub(crate) again: Place,
}

/// A list or mapping that has begun.
#[derive(Debug)]
enum Open {
    /// A list, and its items so far.
    List(usize),
    /// A mapping: its keys so far, and the one whose value is next.
    Map(HashMap<String, Place>, Option<String>),
}

impl Open {
    /// A node in it has ended; `scalar` when it was one, with its place.
    fn takes(&mut self, scalar: Option<(String, Place)>) -> Option<(Place, Place)> {
        let (keys, key) = match self {
            Self::List(items) => {
                *items += 1;
                return None;
            }
            Self::Map(keys, key) => (keys, key),
        };
        if key.take().is_some() {
            return None;
        }
        // A list or mapping for a key is no name, and not compared.
        let (name, place) = scalar.unwrap_or_default();
        *key = Some(name.clone());
        if name.is_empty() {
            return None;
        }
        if let Some(first) = keys.get(&name) {
            return Some((*first, place));
        }
        keys.insert(name, place);
        None
    }
}

/// Every key that stands twice, in the order of the text. Stops at what is no YAML.
pub(crate) fn keys(text: &str) -> Vec<Twice> {
    let (mut open, mut found): (Vec<Open>, _) = (Vec::new(), Vec::new());
    for event in Parser::new_from_iter(text.chars()) {
        let Ok((event, span)) = event else { break };
        let place = Place { line: span.start.line(), column: span.start.col() + 1 };
        let scalar = match event {
            Event::SequenceStart(..) => {
                open.push(Open::List(0));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(HashMap::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                open.pop();
                None
            }
            Event::Scalar(text, ..) => Some((text.into_owned(), place)),
            Event::Alias(_) => None,
            _ => continue,
        };
        let Some(around) = open.last_mut() else { continue };
        if let Some((first, again)) = around.takes(scalar) {
            found.push(Twice { key: path(&open), first, again });
        }
    }
    found
}

/// The path of the key whose value is next.
fn path(open: &[Open]) -> String {
    let mut path = String::new();
    for around in open {
        match around {
            Open::List(items) => path.extend(["[", &items.to_string(), "]"]),
            Open::Map(_, Some(key)) if path.is_empty() => path.clone_from(key),
            Open::Map(_, key) => path.extend([".", key.as_deref().unwrap_or_default()]),
        }
    }
    path
}
