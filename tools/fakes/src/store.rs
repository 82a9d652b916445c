//! What is stored: index templates, data streams with their backing indices, plain indices.
//!
//! ```text
//! name ─► Target ─► Index (the last one is written to) ─► id ─► Document
//!              └──► failure store
//! ```
//! An id is unique within one index only, as in the real servers: after a rollover the same id is
//! stored again. A document is found by searches only after a refresh, and there is none by itself.
//! Memory is bounded: documents and ids by the limit given at the start, names by [`NAMES_MAX`].
//!
//! Not here: what the answers look like (`bulk`, `answer`).

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use bytes::Bytes;
use humantime::format_rfc3339_millis;
use serde_json::{Value, json};

use super::{Product, pattern};

/// Most indices, and most templates.
pub(super) const NAMES_MAX: usize = 1_000;
/// What follows the name of a stream where its failure store is meant.
pub(super) const FAILURES: &str = "::failures";
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

#[derive(Debug)]
struct Document {
    /// Its place among all that were stored, from 0.
    seq: u64,
    /// As it came; empty when documents are not kept.
    source: Bytes,
    times: u32,
}

#[derive(Debug)]
pub(super) struct Index {
    pub(super) name: String,
    /// Those of its template when it was made, without those of components.
    pub(super) mappings: Value,
    documents: HashMap<Box<str>, Document>,
    /// Searches find documents whose `seq` is less.
    searchable: u64,
}

impl Index {
    fn new(name: String, mappings: Value) -> Self {
        Self { name, mappings, documents: HashMap::new(), searchable: 0 }
    }

    /// Whether a document with this id is in it.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.documents.contains_key(id)
    }

    /// Documents in it.
    pub(super) fn len(&self) -> usize {
        self.documents.len()
    }

    /// Documents in it that searches find.
    pub(super) fn found(&self) -> usize {
        self.documents.values().filter(|document| document.seq < self.searchable).count()
    }

    /// The document with this id, as it came, when searches find it.
    pub(super) fn find(&self, id: &str) -> Option<&Bytes> {
        let document = self.documents.get(id).filter(|document| document.seq < self.searchable)?;
        Some(&document.source)
    }

    /// Ids and documents that searches find, by id.
    pub(super) fn searchable(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        let documents = self.documents.iter().filter(|(_, one)| one.seq < self.searchable);
        let mut documents: Vec<_> = documents.map(|(id, one)| (&**id, &one.source)).collect();
        documents.sort_unstable_by_key(|(id, _)| *id);
        documents.into_iter()
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

#[derive(Debug)]
pub(super) struct Store {
    /// Which server is played: it names backing indices.
    product: Product,
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
    pub(super) fn new(product: Product, bytes_max: usize, keeps_sources: bool) -> Self {
        Self {
            product,
            templates: BTreeMap::new(),
            targets: BTreeMap::new(),
            seq: 0,
            bytes: 0,
            bytes_max,
            keeps_sources,
        }
    }

    /// Whether documents of these ids and lengths can be stored besides.
    pub(super) fn has_room<'a>(&self, documents: impl Iterator<Item = (&'a str, usize)>) -> bool {
        let more: usize = documents.map(|(id, bytes)| self.cost(id, bytes)).sum();
        self.bytes.saturating_add(more) <= self.bytes_max
    }

    fn cost(&self, id: &str, source_bytes: usize) -> usize {
        id.len() + ENTRY_BYTES + if self.keeps_sources { source_bytes } else { 0 }
    }

    /// The index that `name` is written to, made when it is the first time: a data stream when a
    /// template with `data_stream` fits, else a plain index. Nothing when there are too many.
    pub(super) fn write_index(&mut self, name: &str) -> Option<&str> {
        if !self.targets.contains_key(name) {
            if self.is_crowded() {
                return None;
            }
            let is_stream = self.is_stream_wanted(name);
            let first = if is_stream { self.backing_name(name, 1) } else { name.to_owned() };
            let target = Target {
                is_stream,
                indices: vec![Index::new(first, self.mappings(name))],
                failures: Index::new(format!(".fs-{name}-{}-000001", today()), Value::Null),
            };
            self.targets.insert(name.to_owned(), target);
        }
        Some(self.targets.get(name)?.indices.last()?.name.as_str())
    }

    /// Whether there is no room for another index.
    fn is_crowded(&self) -> bool {
        self.targets.values().map(|target| target.indices.len()).sum::<usize>() >= NAMES_MAX
    }

    /// Name of a backing index.
    fn backing_name(&self, stream: &str, generation: usize) -> String {
        match self.product {
            Product::OpenSearch => format!(".ds-{stream}-{generation:06}"),
            Product::Elasticsearch | Product::ElasticsearchReduced => {
                format!(".ds-{stream}-{}-{generation:06}", today())
            }
        }
    }

    /// The stream whose backing index `name` is.
    pub(super) fn stream_of(&self, name: &str) -> Option<&str> {
        let mut streams = self.targets.iter().filter(|(_, target)| target.is_stream);
        let found = streams.find(|(_, target)| target.indices.iter().any(|i| i.name == name))?;
        Some(found.0)
    }

    /// Whether the template that fits `name` best asks for a data stream.
    pub(super) fn is_stream_wanted(&self, name: &str) -> bool {
        self.best_template(name).is_some_and(|template| template["data_stream"].is_object())
    }

    /// Mappings of the template that fits `name` best.
    pub(super) fn mappings(&self, name: &str) -> Value {
        let best = self.best_template(name);
        best.map_or(Value::Null, |best| best["template"]["mappings"].clone())
    }

    /// The template that fits `name` best.
    pub(super) fn best_template(&self, name: &str) -> Option<&Value> {
        let fits = |template: &&Value| {
            let patterns = template["index_patterns"].as_array();
            patterns.into_iter().flatten().filter_map(Value::as_str).any(|p| pattern::fits(p, name))
        };
        let all = self.templates.values().filter(fits);
        all.max_by_key(|template| template["priority"].as_u64().unwrap_or(0))
    }

    /// Whether a document with this id is in `index` of `name`.
    pub(super) fn has(&self, name: &str, index: &str, id: &str) -> bool {
        let mut indices = self.targets.get(name).into_iter().flat_map(|target| &target.indices);
        indices.any(|known| known.name == index && known.contains(id))
    }

    /// Stores a document in `index` of `name`; gives its `_seq_no`, or nothing when its id is there
    /// already. The caller has asked for room, and the index is there.
    pub(super) fn create(
        &mut self,
        name: &str,
        index: &str,
        id: &str,
        source: &Bytes,
    ) -> Option<usize> {
        let cost = self.cost(id, source.len());
        let source = self.kept(source);
        let indices = &mut self.targets.get_mut(name)?.indices;
        let index = indices.iter_mut().find(|known| known.name == index)?;
        if let Some(document) = index.documents.get_mut(id) {
            document.times = document.times.saturating_add(1);
            return None;
        }
        let seq_no = index.documents.len();
        index.documents.insert(id.into(), Document { seq: self.seq, source, times: 1 });
        self.bytes += cost;
        self.seq += 1;
        Some(seq_no)
    }

    /// Parks a document beside `name`, as a failed one with the document in it; gives the index it is
    /// in and its id there, which is another: the real failure store keeps the same document twice
    /// when it comes twice. The caller has asked for room.
    pub(super) fn park(&mut self, name: &str, id: &str, source: &Bytes) -> (String, String) {
        let failed = if self.keeps_sources { failed(name, id, source) } else { Bytes::new() };
        let cost = self.cost(id, failed.len());
        let Some(target) = self.targets.get_mut(name) else { return Default::default() };
        let parked_id = format!("failure-{:06}", target.failures.len() + 1);
        let document = Document { seq: self.seq, source: failed, times: 1 };
        self.seq += 1;
        self.bytes += cost;
        target.failures.documents.insert(parked_id.as_str().into(), document);
        (target.failures.name.clone(), parked_id)
    }

    /// What is kept of a document: a copy, so that it does not keep its whole request.
    fn kept(&self, source: &Bytes) -> Bytes {
        if self.keeps_sources { Bytes::copy_from_slice(source) } else { Bytes::new() }
    }

    /// Lets searches find what is in the indices that `expression` names; says how many they are.
    pub(super) fn refresh(&mut self, expression: &str) -> usize {
        let seq = self.seq;
        let mut count = 0;
        for (name, target) in &mut self.targets {
            let own = target.indices.iter_mut().map(|index| (false, index));
            for (is_failures, index) in own.chain([(true, &mut target.failures)]) {
                if is_named(expression, name, is_failures, &index.name) {
                    index.searchable = seq;
                    count += 1;
                }
            }
        }
        count
    }

    /// Deletes a stream or index with all its documents.
    pub(super) fn delete(&mut self, name: &str) {
        let Some(target) = self.targets.remove(name) else { return };
        let indices = target.indices.iter().chain([&target.failures]);
        let documents = indices.flat_map(|index| &index.documents);
        let bytes: usize =
            documents.map(|(id, document)| self.cost(id, document.source.len())).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Gives a stream a new write index; its name and that of the one before. `None` when `name` is
    /// no stream, or there are too many indices.
    pub(super) fn rollover(&mut self, name: &str) -> Option<(String, String)> {
        let target = self.targets.get(name).filter(|target| target.is_stream)?;
        if self.is_crowded() {
            return None;
        }
        let old = target.indices.last()?.name.clone();
        let new = self.backing_name(name, target.indices.len() + 1);
        let index = Index::new(new.clone(), self.mappings(name));
        self.targets.get_mut(name)?.indices.push(index);
        Some((old, new))
    }

    /// Indices that `expression` names: streams, indices and backing indices, with commas and `*`;
    /// failure stores by [`FAILURES`] or their own names.
    pub(super) fn indices(&self, expression: &str) -> Vec<&Index> {
        let mut found = Vec::new();
        for (name, target) in &self.targets {
            let has_failures = target.is_stream && self.product != Product::OpenSearch;
            let failures = has_failures.then_some((true, &target.failures));
            let all = target.indices.iter().map(|index| (false, index)).chain(failures);
            let named = all.filter(|(is_failures, index)| {
                is_named(expression, name, *is_failures, &index.name)
            });
            found.extend(named.map(|(_, index)| index));
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

/// A document of a failure store: another one, why it failed, and when.
fn failed(stream: &str, id: &str, source: &[u8]) -> Bytes {
    let source: Value = serde_json::from_slice(source).unwrap_or_default();
    let failed = json!({
        "@timestamp": format_rfc3339_millis(SystemTime::now()).to_string(),
        "document": { "id": id, "index": stream, "source": source },
        "error": { "type": "document_parsing_exception", "message": "failed to parse" },
    });
    failed.to_string().into()
}

/// Whether an expression names an index of a stream, or of its failure store.
fn is_named(expression: &str, stream: &str, is_failures: bool, index: &str) -> bool {
    if !is_failures {
        return pattern::any_fits(expression, stream) || pattern::any_fits(expression, index);
    }
    let names = |one: &str| {
        one == index || one.strip_suffix(FAILURES).is_some_and(|one| pattern::fits(one, stream))
    };
    expression.split(',').any(names)
}

/// The documents of several indices, in the order they were stored.
fn in_order(indices: &[Index]) -> Vec<Stored> {
    let mut found: Vec<_> = indices
        .iter()
        .flat_map(|index| {
            index.documents.iter().map(move |(id, document)| (index, &**id, document))
        })
        .collect();
    found.sort_unstable_by_key(|(_, _, document)| document.seq);
    let stored = |(index, id, document): (&Index, &str, &Document)| Stored {
        id: id.to_owned(),
        index: index.name.clone(),
        source: serde_json::from_slice(&document.source).unwrap_or(Value::Null),
        times: document.times,
    };
    found.into_iter().map(stored).collect()
}

/// The day, as it stands in names of backing indices.
pub(super) fn today() -> String {
    let text = format_rfc3339_millis(SystemTime::now()).to_string().replace('-', ".");
    text.chars().take("2026.11.24".len()).collect()
}
