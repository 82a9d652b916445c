//! A mapping, read key by key.
//!
//! It remembers which keys were asked for; what is left over at its end is unknown, and the nearest
//! of the asked-for names is offered. So a key exists by being read: its name, type, limits and
//! default stand in one line of `read`, its meaning at the field of `types` that it fills; schema
//! and reference are written down from the same line (`keys`). Not here: which keys there are.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use saphyr::{MarkedYaml, Scalar, YamlData};

use super::keys::Shape;
use super::tree::{Item, Node, Place};
use super::types::Docs;
use crate::base::clock::micros;
use crate::base::nearest::nearest;
use crate::base::units;

/// Shortest and longest span of time that a key can have.
const SPANS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_hours(24));

pub(crate) struct Map<'s, 'n> {
    item: Item<'s, 'n>,
    /// Keys asked for so far.
    asked: Vec<&'static str>,
    /// What keys mean; earlier ones count.
    docs: Vec<Docs>,
}

impl<'s, 'n> Map<'s, 'n> {
    /// A mapping of which nothing was asked.
    pub(crate) const fn new(item: Item<'s, 'n>) -> Self {
        Self { item, asked: Vec::new(), docs: Vec::new() }
    }

    /// Says what its keys mean, for those that are not yet explained.
    pub(crate) fn means(mut self, docs: Docs) -> Self {
        self.docs.push(docs);
        self
    }

    /// Path of a key of this mapping.
    fn path_of(&self, key: &str) -> String {
        if self.item.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.item.path) }
    }

    /// Notes that a key is missing, at the place of the mapping.
    pub(crate) fn missing(&self, key: &str, cure: &str) {
        self.note_absent(key, "is missing", cure);
    }

    /// Notes a problem with a key that is not there, at the place of the mapping.
    pub(crate) fn note_absent(&self, key: &str, problem: &str, cure: &str) {
        self.item.source.note(self.item.place(), &self.path_of(key), problem, cure);
    }

    /// Notes a problem with the mapping itself.
    pub(crate) fn note(&self, problem: &str, cure: &str) {
        self.item.note(problem, cure);
    }

    /// How many findings there are so far, of the whole file.
    pub(crate) fn found(&self) -> usize {
        self.item.source.found()
    }

    /// The keys with their nodes.
    fn entries(&self) -> impl Iterator<Item = (&'n str, &'n MarkedYaml<'s>, &'n MarkedYaml<'s>)> {
        let map = match self.item.node {
            Node::Yaml(MarkedYaml { data: YamlData::Mapping(map), .. }) => Some(map),
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
    pub(crate) fn get(&mut self, key: &'static str) -> Option<Item<'s, 'n>> {
        self.asked.push(key);
        let (source, path) = (self.item.source, self.path_of(key));
        source.record(|keys| {
            let doc = self.docs.iter().flat_map(|docs| docs.iter()).find(|(name, _)| *name == key);
            keys.ask(&path, doc.map_or("", |(_, doc)| doc.trim_ascii()));
        });
        let node = match self.item.node {
            Node::Yaml(_) if source.is_unread(&path) => return None,
            Node::Yaml(_) => Node::Yaml(self.entries().find(|(name, ..)| *name == key)?.2),
            Node::Anything => Node::Anything,
        };
        let item = Item { source, path, node };
        source.stands(&item.path, item.place());
        Some(item)
    }

    /// The node of a key; notes that it is missing.
    pub(crate) fn required(&mut self, key: &'static str, cure: &str) -> Option<Item<'s, 'n>> {
        let item = self.get(key);
        self.item.source.record(|keys| keys.require(&self.path_of(key)));
        if item.is_none() {
            self.missing(key, cure);
        }
        item
    }

    /// The node of one of two keys; both at once are noted, and with a `cure` that none is there.
    pub(crate) fn either(
        &mut self,
        one: &'static str,
        other: &'static str,
        cure: Option<&str>,
    ) -> (Option<Item<'s, 'n>>, Option<Item<'s, 'n>>) {
        let found = (self.get(one), self.get(other));
        let (source, is_required) = (self.item.source, cure.is_some());
        source.record(|keys| keys.exclude(&self.path_of(one), &self.path_of(other), is_required));
        match (&found, self.item.node) {
            ((Some(_), Some(second)), Node::Yaml(_)) => {
                second.note(&format!("stands beside `{one}`"), "keep one of the two");
                return (None, None);
            }
            ((None, None), _) => {
                if let Some(cure) = cure {
                    self.missing(one, cure);
                }
            }
            _ => (),
        }
        found
    }

    /// A mapping, if present.
    pub(crate) fn map(&mut self, key: &'static str) -> Option<Map<'s, 'n>> {
        self.get(key)?.map()
    }

    /// A list; empty when absent.
    pub(crate) fn list(&mut self, key: &'static str) -> Vec<Item<'s, 'n>> {
        self.get(key).map(Item::list).unwrap_or_default()
    }

    /// A list with one item at least.
    pub(crate) fn required_list(&mut self, key: &'static str, cure: &str) -> Vec<Item<'s, 'n>> {
        self.required(key, cure).map(|item| item.filled_list(cure)).unwrap_or_default()
    }

    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        self.get(key)?.text()
    }

    /// The path of a file.
    pub(crate) fn file(&mut self, key: &'static str) -> Option<String> {
        self.get(key)?.file()
    }

    pub(crate) fn address(&mut self, key: &'static str, default: IpAddr) -> Option<IpAddr> {
        let item = self.get(key);
        self.default(key, default);
        let Some(item) = item else { return Some(default) };
        item.parse("an IP address", "one, such as 0.0.0.0, 127.0.0.1 or ::", |t| t.parse().ok())
    }

    /// Writes down what a key is when it is absent.
    pub(crate) fn default(&self, key: &'static str, default: impl Display) {
        self.item.source.record(|keys| keys.default_is(&self.path_of(key), &default.to_string()));
    }

    /// A span of time within limits.
    pub(crate) fn duration(&mut self, key: &'static str, default: Duration) -> Duration {
        let item = self.get(key);
        self.default(key, units::write_duration(micros(default)));
        let Some(item) = item else { return default };
        let (least, most) = SPANS;
        item.shape(|| Shape::Duration { least: micros(least), most: micros(most) });
        let read =
            |text: &str| units::parse_duration(text).filter(|span| (least..=most).contains(span));
        item.parse_as(
            "a duration from 1ms to 24h",
            "a number and a unit, such as 500ms, 10s or 5m",
            read,
        )
        .unwrap_or(default)
    }

    /// A size within limits.
    pub(crate) fn bytes(&mut self, key: &'static str, default: u64, least: u64, most: u64) -> u64 {
        let size = self.bytes_if_given(key, least, most);
        self.default(key, units::write_bytes(default));
        size.unwrap_or(default)
    }

    /// A size within limits, or none.
    pub(crate) fn bytes_if_given(
        &mut self,
        key: &'static str,
        least: u64,
        most: u64,
    ) -> Option<u64> {
        let item = self.get(key)?;
        item.shape(|| Shape::Size { least, most });
        let (low, high) = (units::format_bytes(least), units::format_bytes(most));
        let what = format!("a size from {low} to {high}");
        let read =
            |text: &str| units::parse_bytes(text).filter(|size| (least..=most).contains(size));
        item.parse_as(&what, "a number and a unit, such as 64KiB or 5MiB", read)
    }

    /// A whole number within limits.
    pub(crate) fn number<N>(&mut self, key: &'static str, default: N, least: N, most: N) -> N
    where
        N: FromStr + PartialOrd + Display + Copy,
    {
        let number = self.number_if_given(key, default, least, most);
        self.default(key, default);
        number.unwrap_or(default)
    }

    /// A whole number within limits, or none; the example is for the message.
    pub(crate) fn number_if_given<N>(
        &mut self,
        key: &'static str,
        example: N,
        least: N,
        most: N,
    ) -> Option<N>
    where
        N: FromStr + PartialOrd + Display + Copy,
    {
        let item = self.get(key)?;
        let wide = |number: N| number.to_string().parse().unwrap_or(u64::MAX);
        item.shape(|| Shape::Number { least: wide(least), most: wide(most) });
        let what = format!("a whole number from {least} to {most}");
        let read = |text: &str| text.parse().ok().filter(|n| (least..=most).contains(n));
        item.parse_as(&what, &format!("one, such as {example}"), read)
    }

    pub(crate) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let item = self.get(key);
        self.default(key, default);
        let Some(item) = item else { return default };
        item.shape(|| Shape::Flag);
        item.parse_as("true or false", "one of them", |text| text.parse().ok()).unwrap_or(default)
    }

    pub(crate) fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        default: T,
        choices: &[(&'static str, T)],
    ) -> T {
        let item = self.get(key);
        if let Some((word, _)) = choices.iter().find(|(_, choice)| *choice == default) {
            self.default(key, word);
        }
        item.and_then(|item| item.choice(choices)).unwrap_or(default)
    }

    /// Notes keys that do nothing because another one is not there.
    pub(crate) fn useless_without(&self, key: &str, others: &[&str]) {
        if self.entries().any(|(name, ..)| name == key) {
            return;
        }
        let problem = format!("does nothing without `{key}`");
        self.note_useless(others, &problem, &format!("write `{key}` beside it, or remove it"));
    }

    /// Notes keys that do nothing beside another one.
    pub(crate) fn useless_beside(&self, other: &str, keys: &[&str]) {
        self.note_useless(keys, &format!("does nothing beside `{other}`"), "remove it");
    }

    fn note_useless(&self, keys: &[&str], problem: &str, cure: &str) {
        for (name, node, _) in self.entries().filter(|(name, ..)| keys.contains(name)) {
            let place = Place { line: node.span.start.line(), column: node.span.start.col() + 1 };
            self.item.source.note(place, &self.path_of(name), problem, cure);
        }
    }

    /// Ends the mapping: keys nobody asked for are mistakes.
    pub(crate) fn end(self) {
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
