//! Reading a YAML tree key by key: every problem is noted with its place, and reading goes on.
//!
//! A [`Map`] remembers which keys were asked for; what is left over at its end is unknown, and the
//! nearest of the asked-for names is offered. So a key exists by being read: its name, type and
//! default stand in one line of `read`. Not here: which keys there are.

use std::cell::RefCell;
use std::str::FromStr;
use std::time::Duration;

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};

use super::finding::{Finding, Report};
use crate::base::nearest::nearest;
use crate::base::units;

/// Looks up an environment variable.
pub type Environment<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// A file being read.
pub(super) struct Source<'s> {
    /// Its name.
    file: &'s str,
    /// Its text.
    text: &'s str,
    /// For `${…}`.
    environment: &'s Environment<'s>,
    /// What was found so far.
    findings: RefCell<Vec<Finding>>,
}

/// A place in the file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// From 1; 0 for the file as a whole.
    line: usize,
    /// From 1.
    column: usize,
}

impl<'s> Source<'s> {
    /// A file with nothing found.
    pub(super) fn new(file: &'s str, text: &'s str, environment: &'s Environment<'s>) -> Self {
        Self { file, text, environment, findings: RefCell::default() }
    }

    /// Notes a problem.
    pub(super) fn note(&self, place: Place, key: &str, problem: &str, cure: &str) {
        self.findings.borrow_mut().push(Finding {
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            key: key.to_owned(),
            problem: problem.to_owned(),
            cure: cure.to_owned(),
        });
    }

    /// Whether nothing was found.
    pub(super) fn is_clean(&self) -> bool {
        self.findings.borrow().is_empty()
    }

    /// Everything found, by place.
    pub(super) fn report(self) -> Report {
        let mut findings = self.findings.into_inner();
        findings.sort_by_key(|finding| (finding.line, finding.column));
        Report { findings }
    }

    /// The tree of the file; `None` when it is no YAML or not one mapping.
    pub(super) fn parse(&self) -> Option<MarkedYaml<'s>> {
        match MarkedYaml::load_from_str(self.text) {
            Ok(mut documents) if documents.len() == 1 => documents.pop(),
            Ok(documents) => {
                let problem = format!("holds {} YAML documents", documents.len());
                self.note(
                    Place::default(),
                    "",
                    &problem,
                    "write exactly one, beginning with `proxy:`",
                );
                None
            }
            Err(error) => {
                let mark = error.marker();
                let place = Place { line: mark.line(), column: mark.col() + 1 };
                self.note(place, "", &format!("is not YAML: {}", error.info()), "mend the syntax");
                None
            }
        }
    }

    /// The text of a scalar, with `${VAR}` and `${VAR:-default}` replaced; `$${` stands for `${`.
    fn scalar(&self, item: &Item<'_, '_>) -> Option<String> {
        let raw = match &item.yaml.data {
            YamlData::Value(Scalar::String(text)) => text.to_string(),
            YamlData::Value(Scalar::Boolean(flag)) => flag.to_string(),
            YamlData::Value(Scalar::Integer(_) | Scalar::FloatingPoint(_)) => {
                // As it was written: `1.10` is a name for somebody.
                let (start, end) = (item.yaml.span.start.index(), item.yaml.span.end.index());
                let text: String = self.text.chars().skip(start).take(end - start).collect();
                text.trim().to_owned()
            }
            YamlData::Value(Scalar::Null) => {
                self.note(item.place(), &item.path, "is empty", "write a value or remove the key");
                return None;
            }
            _ => {
                self.note(
                    item.place(),
                    &item.path,
                    "is a list or a mapping",
                    "write a single value",
                );
                return None;
            }
        };
        self.substitute(&raw, item)
    }

    /// Replaces variables.
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

/// A node with the path that leads to it.
pub(super) struct Item<'s, 'n> {
    /// The file.
    source: &'n Source<'s>,
    /// Path of keys.
    pub(super) path: String,
    /// The node.
    yaml: &'n MarkedYaml<'s>,
}

impl<'s, 'n> Item<'s, 'n> {
    /// The root of a tree.
    pub(super) fn root(source: &'n Source<'s>, yaml: &'n MarkedYaml<'s>) -> Self {
        Self { source, path: String::new(), yaml }
    }

    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        let start = &self.yaml.span.start;
        Place { line: start.line(), column: start.col() + 1 }
    }

    /// Notes a problem with it.
    pub(super) fn note(&self, problem: &str, cure: &str) {
        self.source.note(self.place(), &self.path, problem, cure);
    }

    /// Its text.
    pub(super) fn text(&self) -> Option<String> {
        self.source.scalar(self)
    }

    /// Whether it is a mapping.
    pub(super) fn is_map(&self) -> bool {
        matches!(self.yaml.data, YamlData::Mapping(_))
    }

    /// It as a mapping.
    pub(super) fn map(self) -> Option<Map<'s, 'n>> {
        if self.is_map() {
            Some(Map { item: self, asked: Vec::new() })
        } else {
            self.note("is not a mapping", "write `key: value` lines below it, indented");
            None
        }
    }

    /// Its items as a list.
    pub(super) fn list(self) -> Vec<Item<'s, 'n>> {
        let YamlData::Sequence(items) = &self.yaml.data else {
            self.note("is not a list", "write its items as lines that begin with `- `");
            return Vec::new();
        };
        items
            .iter()
            .enumerate()
            .map(|(index, yaml)| Item {
                source: self.source,
                path: format!("{}[{index}]", self.path),
                yaml,
            })
            .collect()
    }

    /// Its text, read by `read`; `what` and `example` for the message.
    pub(super) fn parse<T>(
        &self,
        what: &str,
        example: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text()?;
        let value = read(&text);
        if value.is_none() {
            self.note(
                &format!("`{}` is not {what}", text.escape_debug()),
                &format!("write {example}"),
            );
        }
        value
    }
}

/// A mapping being read.
pub(super) struct Map<'s, 'n> {
    /// The mapping.
    item: Item<'s, 'n>,
    /// Keys asked for so far.
    asked: Vec<&'static str>,
}

impl<'s, 'n> Map<'s, 'n> {
    /// Path of a key of this mapping.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.item.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.item.path) }
    }

    /// Notes that a key is missing, at the place of the mapping.
    pub(super) fn missing(&self, key: &str, cure: &str) {
        self.item.source.note(self.item.place(), &self.path_of(key), "is missing", cure);
    }

    /// Notes a problem with the mapping itself.
    pub(super) fn note(&self, problem: &str, cure: &str) {
        self.item.note(problem, cure);
    }

    /// The keys with their nodes.
    fn entries(&self) -> impl Iterator<Item = (&'n str, &'n MarkedYaml<'s>, &'n MarkedYaml<'s>)> {
        let map = match &self.item.yaml.data {
            YamlData::Mapping(map) => Some(map),
            _ => None,
        };
        map.into_iter().flat_map(|map| map.iter()).map(|(key, value)| {
            let name = match &key.data {
                YamlData::Value(Scalar::String(name)) => name.as_ref(),
                _ => "",
            };
            (name, key, value)
        })
    }

    /// The node of a key, if present.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Item<'s, 'n>> {
        self.asked.push(key);
        let (_, _, yaml) = self.entries().find(|(name, _, _)| *name == key)?;
        Some(Item { source: self.item.source, path: self.path_of(key), yaml })
    }

    /// A mapping, if present.
    pub(super) fn map(&mut self, key: &'static str) -> Option<Map<'s, 'n>> {
        self.get(key)?.map()
    }

    /// A list; empty when absent.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<Item<'s, 'n>> {
        self.get(key).map(Item::list).unwrap_or_default()
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.get(key)?.text()
    }

    /// A span of time within limits.
    pub(super) fn duration(&mut self, key: &'static str, default: Duration) -> Duration {
        let Some(item) = self.get(key) else { return default };
        let read = |text: &str| {
            units::parse_duration(text)
                .filter(|span| (Duration::from_millis(1)..=Duration::from_hours(24)).contains(span))
        };
        item.parse(
            "a duration from 1ms to 24h",
            "a number and a unit, such as 500ms, 10s or 5m",
            read,
        )
        .unwrap_or(default)
    }

    /// A size within limits.
    pub(super) fn bytes(&mut self, key: &'static str, default: u64, least: u64, most: u64) -> u64 {
        let Some(item) = self.get(key) else { return default };
        let (low, high) = (units::format_bytes(least), units::format_bytes(most));
        let what = format!("a size from {low} to {high}");
        let read =
            |text: &str| units::parse_bytes(text).filter(|size| (least..=most).contains(size));
        item.parse(&what, "a number and a unit, such as 64KiB or 5MiB", read).unwrap_or(default)
    }

    /// A whole number within limits.
    pub(super) fn number<N>(&mut self, key: &'static str, default: N, least: N, most: N) -> N
    where
        N: FromStr + PartialOrd + std::fmt::Display + Copy,
    {
        let Some(item) = self.get(key) else { return default };
        let what = format!("a whole number from {least} to {most}");
        let read = |text: &str| text.parse().ok().filter(|n| (least..=most).contains(n));
        item.parse(&what, &format!("one, such as {default}"), read).unwrap_or(default)
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let Some(item) = self.get(key) else { return default };
        item.parse("true or false", "one of them", |text| text.parse().ok()).unwrap_or(default)
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        default: T,
        choices: &[(&str, T)],
    ) -> T {
        let Some(item) = self.get(key) else { return default };
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let read = |text: &str| choices.iter().find(|(word, _)| *word == text).map(|&(_, t)| t);
        item.parse("a known word here", &words.join(" or "), read).unwrap_or(default)
    }

    /// Ends the mapping: keys nobody asked for are mistakes.
    pub(super) fn end(self) {
        for (name, key, _) in self.entries() {
            if self.asked.contains(&name) {
                continue;
            }
            let cure = nearest(name, self.asked.iter().copied()).map_or_else(
                || format!("remove it; known here: {}", self.asked.join(", ")),
                |known| format!("did you mean `{known}`?"),
            );
            let start = &key.span.start;
            let place = Place { line: start.line(), column: start.col() + 1 };
            let path = self.path_of(&name.escape_debug().to_string());
            self.item.source.note(place, &path, "is not a known key", &cure);
        }
    }
}
