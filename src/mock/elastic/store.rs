//! What is stored: index templates, data streams with their backing indices, plain indices.
//!
//! ```text
//! name ─► Target ─► Index (the last one is written to) ─► id ─► Document
//!              └──► failure store
//! ```
//! An id is unique within one index only, as in the real servers: after a rollover the same id is
//! stored again. Memory is bounded by the limit given at the start.
//!
//! Not here: what the answers look like (`bulk`, `answer`).

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::Value;

use super::pattern;
use crate::record::write_timestamp;

/// What an id costs beside its own length, in bytes: the entry of the table, roughly.
const ENTRY_BYTES: usize = 96;

/// A document that was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its id.
    pub id: String,
    /// Index it is in: a backing index of its stream, or a plain one.
    pub index: String,
    /// The document; null when documents are not kept.
    pub source: Value,
    /// Times it was sent to this index: 1 and the repetitions that were answered 409.
    pub times: u32,
}

/// One document.
#[derive(Debug)]
struct Document {
    /// Its place among all that were stored, from 0.
    seq: u64,
    /// As it came; empty when documents are not kept.
    source: Bytes,
    /// Times it was sent.
    times: u32,
}

/// One index.
#[derive(Debug)]
pub(super) struct Index {
    /// Its name.
    pub(super) name: String,
    /// What is in it.
    documents: HashMap<Box<str>, Document>,
}

impl Index {
    /// An empty one.
    fn new(name: String) -> Self {
        Self { name, documents: HashMap::new() }
    }

    /// Whether a document with this id is in it.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.documents.contains_key(id)
    }

    /// Documents in it.
    pub(super) fn len(&self) -> usize {
        self.documents.len()
    }
}

/// What a name stands for.
#[derive(Debug)]
pub(super) struct Target {
    /// Whether it is a data stream; else a plain index of that name.
    pub(super) is_stream: bool,
    /// Its indices, oldest first; the last one is written to. Never empty.
    pub(super) indices: Vec<Index>,
    /// What was parked beside it.
    failures: Index,
}

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Creation {
    /// It is stored.
    Created {
        /// `_seq_no`: documents that were in the index before.
        seq_no: usize,
    },
    /// Its id was there already.
    Conflict,
    /// There is no room.
    Full,
}

/// Everything stored.
#[derive(Debug)]
pub(super) struct Store {
    /// Templates by name.
    pub(super) templates: BTreeMap<String, Value>,
    /// Data streams and plain indices by name.
    pub(super) targets: BTreeMap<String, Target>,
    /// Documents stored so far.
    seq: u64,
    /// Bytes in use.
    bytes: usize,
    /// Most of them.
    bytes_max: usize,
    /// Whether documents are kept, or only ids.
    keeps_sources: bool,
}

impl Store {
    /// An empty one.
    pub(super) fn new(bytes_max: usize, keeps_sources: bool) -> Self {
        Self {
            templates: BTreeMap::new(),
            targets: BTreeMap::new(),
            seq: 0,
            bytes: 0,
            bytes_max,
            keeps_sources,
        }
    }

    /// Whether `more` bytes of requests can be stored besides.
    pub(super) fn has_room(&self, more: usize) -> bool {
        self.bytes.saturating_add(more) <= self.bytes_max
    }

    /// The index that `name` is written to, made when it is the first time: a data stream when a
    /// template with `data_stream` fits, else a plain index.
    pub(super) fn write_index(&mut self, name: &str) -> &str {
        if !self.targets.contains_key(name) {
            let is_stream = self.is_stream_wanted(name);
            let first = if is_stream { backing_name(name, 1) } else { name.to_owned() };
            let target = Target {
                is_stream,
                indices: vec![Index::new(first)],
                failures: Index::new(failure_name(name)),
            };
            self.targets.insert(name.to_owned(), target);
        }
        let last = self.targets.get(name).and_then(|target| target.indices.last());
        last.map_or("", |index| index.name.as_str())
    }

    /// Whether the template that fits `name` best asks for a data stream.
    fn is_stream_wanted(&self, name: &str) -> bool {
        let fits = |template: &&Value| {
            let patterns = template["index_patterns"].as_array();
            patterns.into_iter().flatten().filter_map(Value::as_str).any(|p| pattern::fits(p, name))
        };
        let best = self.templates.values().filter(fits);
        let best = best.max_by_key(|template| template["priority"].as_u64().unwrap_or(0));
        best.is_some_and(|template| template["data_stream"].is_object())
    }

    /// Stores a document in `index` of `name`, unless its id is there.
    pub(super) fn create(&mut self, name: &str, index: &str, id: &str, source: &Bytes) -> Creation {
        let Some(target) = self.targets.get_mut(name) else { return Creation::Full };
        let Some(index) = target.indices.iter_mut().find(|known| known.name == index) else {
            return Creation::Full;
        };
        if let Some(document) = index.documents.get_mut(id) {
            document.times = document.times.saturating_add(1);
            return Creation::Conflict;
        }
        let seq_no = index.documents.len();
        let document =
            Document { seq: self.seq, source: kept(self.keeps_sources, source), times: 1 };
        let cost = document.source.len() + id.len() + ENTRY_BYTES;
        if self.bytes + cost > self.bytes_max {
            return Creation::Full;
        }
        index.documents.insert(id.into(), document);
        self.bytes += cost;
        self.seq += 1;
        Creation::Created { seq_no }
    }

    /// Parks a document beside `name`; gives the name of the index it is in.
    pub(super) fn park(&mut self, name: &str, id: &str, source: &Bytes) -> Option<String> {
        let target = self.targets.get_mut(name)?;
        let source = kept(self.keeps_sources, source);
        let cost = source.len() + id.len() + ENTRY_BYTES;
        if self.bytes + cost > self.bytes_max {
            return None;
        }
        self.bytes += cost;
        let document = Document { seq: self.seq, source, times: 1 };
        self.seq += 1;
        target.failures.documents.insert(id.into(), document);
        Some(target.failures.name.clone())
    }

    /// Gives a stream a new write index; its name and that of the one before. `None` when `name` is
    /// no stream.
    pub(super) fn rollover(&mut self, name: &str) -> Option<(String, String)> {
        let target = self.targets.get_mut(name).filter(|target| target.is_stream)?;
        let old = target.indices.last()?.name.clone();
        let new = backing_name(name, target.indices.len() + 1);
        target.indices.push(Index::new(new.clone()));
        Some((old, new))
    }

    /// Indices that `expression` names: streams, indices and backing indices, with commas and `*`.
    pub(super) fn indices(&self, expression: &str) -> Vec<&Index> {
        let mut found = Vec::new();
        for (name, target) in &self.targets {
            let is_whole = pattern::any_fits(expression, name);
            found.extend(
                target
                    .indices
                    .iter()
                    .filter(|index| is_whole || pattern::any_fits(expression, &index.name)),
            );
        }
        found
    }

    /// Documents of `name`, in the order they were stored.
    pub(super) fn documents(&self, name: &str) -> Vec<Stored> {
        in_order(self.targets.get(name).map_or(&[], |target| target.indices.as_slice()))
    }

    /// Documents parked beside `name`, in the order they came.
    pub(super) fn failures(&self, name: &str) -> Vec<Stored> {
        let failures = self.targets.get(name).map(|target| &target.failures);
        in_order(failures.map_or(&[], std::slice::from_ref))
    }

    /// Ids that are in more than one index of `name`, sorted.
    pub(super) fn duplicates(&self, name: &str) -> Vec<String> {
        let Some(target) = self.targets.get(name) else { return Vec::new() };
        let mut twice = std::collections::BTreeSet::new();
        for (place, index) in target.indices.iter().enumerate() {
            let newer = target.indices.get(place + 1..).unwrap_or_default();
            let ids = index.documents.keys().filter(|id| newer.iter().any(|i| i.contains(id)));
            twice.extend(ids.map(|id| String::from(&**id)));
        }
        twice.into_iter().collect()
    }
}

/// What is kept of a document.
fn kept(keeps_sources: bool, source: &Bytes) -> Bytes {
    // A copy, so that one kept document does not keep its whole request.
    if keeps_sources { Bytes::copy_from_slice(source) } else { Bytes::new() }
}

/// The documents of several indices, in the order they were stored.
fn in_order(indices: &[Index]) -> Vec<Stored> {
    let mut found: Vec<_> = indices
        .iter()
        .flat_map(|index| index.documents.iter().map(move |(id, document)| (index, id, document)))
        .collect();
    found.sort_unstable_by_key(|(_, _, document)| document.seq);
    let stored = |(index, id, document): (&Index, &Box<str>, &Document)| Stored {
        id: String::from(&**id),
        index: index.name.clone(),
        source: serde_json::from_slice(&document.source).unwrap_or(Value::Null),
        times: document.times,
    };
    found.into_iter().map(stored).collect()
}

/// Name of a backing index.
fn backing_name(stream: &str, generation: usize) -> String {
    format!(".ds-{stream}-{}-{generation:06}", today())
}

/// Name of the index of a stream's failure store.
fn failure_name(stream: &str) -> String {
    format!(".fs-{stream}-{}-000001", today())
}

/// The day, as it stands in names of backing indices.
fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut text = Vec::with_capacity(26);
    write_timestamp(u64::try_from(since.as_millis()).unwrap_or(0), &mut text);
    let text = String::from_utf8_lossy(&text).replace('-', ".");
    text.trim_matches('"').chars().take("2026.11.24".len()).collect()
}
