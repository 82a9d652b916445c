//! Reading a YAML tree: every problem is noted with its place, and reading goes on.
//!
//! The same reader also runs on nothing ([`Source::recording`]): then every key is there, whatever
//! is asked of it is written down in `keys`, and no value is given. Not here: mappings (`map`),
//! which keys there are (`read`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};

use super::depth::{self, DEPTH_MAX};
use super::finding::{Finding, Places, Report};
use super::keys::{ANY_NAME, Key, Keys, Shape};
use super::map::Map;
use super::twice::{self, Twice};
use crate::base::clock::micros;
use crate::base::units;
use crate::base::visible::visible;

/// Most characters of each part of a message.
const PART_CHARS_MAX: usize = 500;

/// Looks up an environment variable.
pub type Environment<'e> = dyn Fn(&str) -> Option<String> + 'e;

pub(crate) struct Source<'s> {
    file: &'s str,
    text: &'s str,
    /// For `${…}`.
    environment: &'s Environment<'s>,
    /// What was found so far.
    findings: RefCell<Vec<Finding>>,
    /// What is worth a word and no mistake.
    warnings: RefCell<Vec<Finding>>,
    /// Where the keys stand that were asked for.
    places: RefCell<HashMap<String, (usize, usize)>>,
    /// What was asked for, when there is no file.
    keys: Option<Keys>,
    /// Paths of keys that are not read, as if they were not there.
    unread: &'s [String],
    /// Where everything of it stands in another file, when it is a text within that.
    within: Option<Place>,
}

/// A place in the file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    /// From 1; 0 for the file as a whole.
    pub(crate) line: usize,
    /// From 1.
    pub(crate) column: usize,
}

impl<'s> Source<'s> {
    /// A file with nothing found.
    pub(crate) fn new(file: &'s str, text: &'s str, environment: &'s Environment<'s>) -> Self {
        Self {
            file,
            text,
            environment,
            findings: RefCell::default(),
            warnings: RefCell::default(),
            places: RefCell::default(),
            keys: None,
            unread: &[],
            within: None,
        }
    }

    /// A text that stands as a whole at the place of `item`.
    pub(crate) fn inside(item: &Item<'s, '_>, text: &'s str) -> Self {
        let Source { file, environment, .. } = *item.source;
        Self { within: Some(item.place()), ..Self::new(file, text, environment) }
    }

    /// Takes what was found in a text within this one.
    pub(crate) fn adopt(&self, inner: Self) {
        self.findings.borrow_mut().extend(inner.findings.into_inner());
        self.warnings.borrow_mut().extend(inner.warnings.into_inner());
    }

    /// The same as if the keys with these paths were not there.
    pub(crate) fn without(self, unread: &'s [String]) -> Self {
        Self { unread, ..self }
    }

    pub(crate) fn is_unread(&self, path: &str) -> bool {
        self.unread.iter().any(|unread| unread == path)
    }

    /// No file, but a record of everything that is asked for.
    pub(crate) fn recording(environment: &'s Environment<'s>) -> Self {
        Self { keys: Some(Keys::default()), ..Self::new("", "", environment) }
    }

    pub(crate) fn into_keys(self) -> Vec<Key> {
        self.keys.map(Keys::into_vec).unwrap_or_default()
    }

    /// Writes down what is asked for, when there is no file.
    pub(crate) fn record(&self, note: impl FnOnce(&Keys)) {
        if let Some(keys) = &self.keys {
            note(keys);
        }
    }

    pub(crate) fn note(&self, place: Place, key: &str, problem: &str, cure: &str) {
        self.findings.borrow_mut().push(self.finding(place, key, problem, cure));
    }

    fn finding(&self, place: Place, key: &str, problem: &str, cure: &str) -> Finding {
        let place = self.within.unwrap_or(place);
        Finding {
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            key: shown(key),
            problem: shown(problem),
            cure: shown(cure),
        }
    }

    /// Notes where a key stands.
    pub(crate) fn stands(&self, key: &str, place: Place) {
        self.places.borrow_mut().insert(key.to_owned(), (place.line, place.column));
    }

    /// Everything found and what is worth a word, by place.
    pub(crate) fn into_words(self) -> (Vec<Finding>, Vec<Finding>) {
        (by_place(self.findings.into_inner()), by_place(self.warnings.into_inner()))
    }

    /// What is worth a word, in the order of its lines, and where the keys stand.
    pub(crate) fn into_rest(self) -> (Vec<Finding>, Places) {
        (
            by_place(self.warnings.into_inner()),
            Places { file: self.file.to_owned(), keys: self.places.into_inner() },
        )
    }

    /// Whether nothing was found.
    pub(crate) fn is_clean(&self) -> bool {
        self.found() == 0
    }

    /// How many findings there are so far.
    pub(crate) fn found(&self) -> usize {
        self.findings.borrow().len()
    }

    /// Everything found, by place.
    pub(crate) fn report(self) -> Report {
        Report { findings: by_place(self.findings.into_inner()) }
    }

    /// The tree of the file; `None` when it is no YAML, nests too deep, or is not one document.
    pub(crate) fn parse(&self) -> Option<MarkedYaml<'s>> {
        let mut documents = self.documents()?;
        if documents.len() == 1 {
            return documents.pop();
        }
        let problem = format!("holds {} YAML documents", documents.len());
        self.note(Place::default(), "", &problem, "write exactly one, beginning with `proxy:`");
        None
    }

    /// The trees of the file, one for each document; `None` when it is no YAML or nests too deep.
    pub(crate) fn documents(&self) -> Option<Vec<MarkedYaml<'s>>> {
        if let Some(place) = depth::too_deep(self.text) {
            let problem = format!("has more than {DEPTH_MAX} lists and mappings within each other");
            self.note(place, "", &problem, "is it the right file? indent it by less");
            return None;
        }
        let twice = twice::keys(self.text);
        for Twice { key, first, again } in &twice {
            let problem = format!("stands twice, on lines {} and {}", first.line, again.line);
            self.note(*again, key, &problem, "keep one of the two");
        }
        if !twice.is_empty() {
            return None;
        }
        match MarkedYaml::load_from_str(self.text) {
            Ok(documents) => Some(documents),
            Err(error) => {
                let mark = error.marker();
                let place = Place { line: mark.line(), column: mark.col() + 1 };
                self.note(place, "", &format!("is not YAML: {}", error.info()), "mend the syntax");
                None
            }
        }
    }

    /// The text of a scalar, with `${VAR}` and `${VAR:-default}` replaced; `$${` stands for `${`.
    fn scalar(&self, item: &Item<'_, '_>, yaml: &MarkedYaml<'_>) -> Option<String> {
        let raw = match &yaml.data {
            YamlData::Value(Scalar::String(text)) => text.to_string(),
            YamlData::Value(Scalar::Boolean(flag)) => flag.to_string(),
            YamlData::Value(Scalar::Integer(_) | Scalar::FloatingPoint(_)) => {
                // As it was written: `1.10` is a name for somebody.
                let (start, end) = (yaml.span.start.index(), yaml.span.end.index());
                let text: String = self.text.chars().skip(start).take(end - start).collect();
                text.trim().to_owned()
            }
            YamlData::Value(Scalar::Null) => {
                item.note("is empty", "write a value or remove the key");
                return None;
            }
            _ => {
                item.note("is a list or a mapping", "write a single value");
                return None;
            }
        };
        self.substitute(&raw, item)
    }

    fn substitute(&self, raw: &str, item: &Item<'_, '_>) -> Option<String> {
        let mut out = String::new();
        let mut rest = raw;
        while let Some(at) = rest.find("${") {
            let (before, after) = rest.split_at(at);
            let after = after.get(2..).unwrap_or_default();
            if let Some(literal) = before.strip_suffix('$') {
                out.push_str(literal);
                out.push_str("${");
                rest = after;
                continue;
            }
            out.push_str(before);
            let Some((inside, tail)) = after.split_once('}') else {
                self.note(item.place(), &item.path, "`${` without `}`", "close it, or write `$${`");
                return None;
            };
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inside, None),
            };
            let value = (self.environment)(name).filter(|value| !value.is_empty());
            let Some(value) = value.or_else(|| default.map(str::to_owned)) else {
                let problem = format!("environment variable {name} is not set");
                let cure = format!("set it, or write ${{{name}:-default}}");
                self.note(item.place(), &item.path, &problem, &cure);
                return None;
            };
            out.push_str(&value);
            rest = tail;
        }
        out.push_str(rest);
        Some(out)
    }
}

/// In the order of lines and columns.
fn by_place(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| (finding.line, finding.column));
    findings
}

/// A part of a message: without power over a terminal, and not without end, whatever was typed.
fn shown(text: &str) -> String {
    let mut shown = visible(text.as_bytes()).to_string();
    if let Some((end, _)) = shown.char_indices().nth(PART_CHARS_MAX) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// What stands at a path.
#[derive(Clone, Copy)]
pub(crate) enum Node<'s, 'n> {
    /// A node of the file.
    Yaml(&'n MarkedYaml<'s>),
    /// Whatever is asked for: see [`Source::recording`].
    Anything,
}

/// A node with the path that leads to it.
#[derive(Clone)]
pub(crate) struct Item<'s, 'n> {
    pub(crate) source: &'n Source<'s>,
    pub(crate) path: String,
    pub(crate) node: Node<'s, 'n>,
}

impl<'s, 'n> Item<'s, 'n> {
    /// The root of a tree.
    pub(crate) fn root(source: &'n Source<'s>, yaml: &'n MarkedYaml<'s>) -> Self {
        Self { source, path: String::new(), node: Node::Yaml(yaml) }
    }

    /// The same at a path.
    pub(crate) fn below(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// Whether nothing is read: see [`Source::recording`].
    pub(crate) const fn is_recording(&self) -> bool {
        matches!(self.node, Node::Anything)
    }

    /// The file and the line that it stands on.
    pub(crate) fn whereabouts(&self) -> String {
        format!("{}:{}", self.source.file, self.place().line)
    }

    /// Whether a file is read, and it is there with nothing in it.
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self.node, Node::Yaml(MarkedYaml { data: YamlData::Value(Scalar::Null), .. }))
    }

    /// The root of no tree, to record what is asked for.
    pub(crate) fn recording(source: &'n Source<'s>) -> Self {
        Self { source, path: String::new(), node: Node::Anything }
    }

    pub(crate) fn place(&self) -> Place {
        match self.node {
            Node::Yaml(yaml) => {
                let start = &yaml.span.start;
                Place { line: start.line(), column: start.col() + 1 }
            }
            Node::Anything => Place::default(),
        }
    }

    /// The place of a byte of its text, as far as the text is written as it is read: else its own.
    pub(crate) fn place_of(&self, text: &str, at: usize) -> Place {
        let place = self.place();
        let line = self.source.text.lines().nth(place.line.saturating_sub(1)).unwrap_or_default();
        let mut written = line.chars().skip(place.column.saturating_sub(1)).peekable();
        let quote = usize::from(written.next_if(|first| matches!(first, '"' | '\'')).is_some());
        let is_same = text.chars().all(|character| written.next() == Some(character));
        let before = text.get(..at).filter(|_| is_same).map(|before| before.chars().count());
        Place { column: place.column + before.map_or(0, |count| count + quote), ..place }
    }

    /// Notes a problem with it.
    pub(crate) fn note(&self, problem: &str, cure: &str) {
        self.source.note(self.place(), &self.path, problem, cure);
    }

    /// Says what is worth a word and no mistake.
    pub(crate) fn warn(&self, problem: &str, cure: &str) {
        let warning = self.source.finding(self.place(), &self.path, problem, cure);
        self.source.warnings.borrow_mut().push(warning);
    }

    /// Writes down what it is read as.
    pub(crate) fn shape(&self, shape: impl FnOnce() -> Shape) {
        self.source.record(|keys| keys.shape(&self.path, shape()));
    }

    pub(crate) fn text(&self) -> Option<String> {
        self.shape(|| Shape::Text("text".to_owned()));
        self.scalar()
    }

    /// Its text, the path of a file.
    pub(crate) fn file(&self) -> Option<String> {
        self.shape(|| Shape::Text("path".to_owned()));
        self.scalar()
    }

    /// Its text, without a word about its shape.
    fn scalar(&self) -> Option<String> {
        match self.node {
            Node::Yaml(yaml) => self.source.scalar(self, yaml),
            Node::Anything => None,
        }
    }

    pub(crate) fn map(self) -> Option<Map<'s, 'n>> {
        self.shape(|| Shape::Map);
        match self.node {
            Node::Yaml(yaml) if !matches!(yaml.data, YamlData::Mapping(_)) => {
                self.note("is not a mapping", "write `key: value` lines below it, indented");
                None
            }
            _ => Some(Map::new(self)),
        }
    }

    /// It as a mapping, or else what `read` makes of its text.
    pub(crate) fn map_or_text<T>(
        self,
        what: &str,
        example: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Map<'s, 'n>, Option<T>> {
        let is_map = match self.node {
            Node::Yaml(yaml) => matches!(yaml.data, YamlData::Mapping(_)),
            Node::Anything => false,
        };
        if !is_map {
            let value = self.parse(what, example, read);
            if matches!(self.node, Node::Yaml(_)) {
                return Err(value);
            }
        }
        self.map().ok_or(None)
    }

    /// A mapping whose keys are names that whoever writes the file chooses, with what stands there; a key
    /// that is no text has an empty one. `doc` is the meaning of each; empty where they are not looked into.
    pub(crate) fn named(self, doc: &str) -> Vec<(String, Self)> {
        self.shape(|| Shape::Names);
        let item = |name: &str, node| {
            let path = format!("{}.{name}", self.path);
            (name.to_owned(), Item { source: self.source, path, node })
        };
        let yaml = match self.node {
            Node::Yaml(yaml) => yaml,
            Node::Anything if doc.is_empty() => return Vec::new(),
            Node::Anything => {
                let any = item(ANY_NAME, Node::Anything);
                self.source.record(|keys| keys.ask(&any.1.path, doc));
                return vec![any];
            }
        };
        let YamlData::Mapping(map) = &yaml.data else {
            self.note("is not a mapping", "write `key: value` lines below it, indented");
            return Vec::new();
        };
        let named = map.iter().map(|(key, value)| match &key.data {
            YamlData::Value(Scalar::String(name)) => item(name, Node::Yaml(value)),
            _ => item("", Node::Yaml(value)),
        });
        named.inspect(|(_, item)| self.source.stands(&item.path, item.place())).collect()
    }

    /// Its items as a list of `most` at most.
    pub(crate) fn bounded_list(self, most: usize) -> Vec<Self> {
        if let Node::Yaml(MarkedYaml { data: YamlData::Sequence(items), .. }) = self.node
            && items.len() > most
        {
            self.note(&format!("has {} items", items.len()), &format!("write {most} at most"));
            return Vec::new();
        }
        self.list()
    }

    /// Its items as a list.
    pub(crate) fn list(self) -> Vec<Self> {
        self.shape(|| Shape::List { is_filled: false });
        self.items()
    }

    /// Its items as a list; notes that there is none.
    pub(crate) fn filled_list(self, cure: &str) -> Vec<Self> {
        self.shape(|| Shape::List { is_filled: true });
        if let Node::Yaml(MarkedYaml { data: YamlData::Sequence(items), .. }) = self.node
            && items.is_empty()
        {
            self.note("is empty", cure);
        }
        self.items()
    }

    /// Its items, without a word about its shape.
    fn items(self) -> Vec<Self> {
        let item = |path: String, node| Item { source: self.source, path, node };
        let yaml = match self.node {
            Node::Yaml(yaml) => yaml,
            Node::Anything => return vec![item(format!("{}[]", self.path), Node::Anything)],
        };
        let YamlData::Sequence(items) = &yaml.data else {
            self.note("is not a list", "write its items as lines that begin with `- `");
            return Vec::new();
        };
        let items = items.iter().enumerate();
        items
            .map(|(index, yaml)| item(format!("{}[{index}]", self.path), Node::Yaml(yaml)))
            .collect()
    }

    /// Its text, read by `read`; `what` and `example` for the message.
    pub(crate) fn parse<T>(
        &self,
        what: &str,
        example: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.shape(|| Shape::Text(what.to_owned()));
        self.parse_as(what, example, read)
    }

    /// As [`Item::parse`], without a word about its shape.
    pub(crate) fn parse_as<T>(
        &self,
        what: &str,
        example: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.scalar()?;
        let value = read(&text);
        if value.is_none() {
            self.note(
                &format!("`{}` is not {what}", text.escape_debug()),
                &format!("write {example}"),
            );
        }
        value
    }

    /// One of some words.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.shape(|| Shape::Choice(words.clone()));
        let read = |text: &str| choices.iter().find(|(word, _)| *word == text).map(|&(_, t)| t);
        self.parse_as("a known word here", &words.join(" or "), read)
    }

    /// A span of time within limits.
    pub(crate) fn span(&self, least: Duration, most: Duration, example: &str) -> Option<Duration> {
        self.shape(|| Shape::Duration { least: micros(least), most: micros(most) });
        let write = |span: Duration| units::write_duration(micros(span));
        let what = format!("a duration from {} to {}", write(least), write(most));
        let fits = |span: &Duration| (least..=most).contains(span);
        self.parse_as(&what, example, |text| units::parse_duration(text).filter(fits))
    }

    /// A TCP port of `least` or more.
    pub(crate) fn port(&self, least: u16) -> Option<u16> {
        self.shape(|| Shape::Number { least: least.into(), most: u16::MAX.into() });
        let example = format!("a number from {least} to 65535, such as 8080");
        self.parse_as("a port", &example, |text| text.parse().ok().filter(|&port| port >= least))
    }
}
