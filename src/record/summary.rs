//! Field types of rollups: counts by a closed list of names, and the distribution of times.
//!
//! ```text
//! counts = (key's distance to the one before: LEB128, count: LEB128)*
//! times  = sum: LEB128, max: LEB128, counts by bucket
//! ```
//! In documents both are objects; [`Field::PARTS`] says which of their keys are mapped. Not here: adding
//! up (`rollup`), buckets (`base::histogram`).

use super::json;
use super::schema::DecodeError;
use super::termination::{Outcome, Reason};
use super::value::{Field, FieldKind, Part, Value, Writer, put_sized, take_sized, take_varint};
use crate::base::histogram::Histogram;

/// Most pairs of values and counts that a document's histogram has.
const POINTS_MAX: usize = 256;

/// Appends an integer as LEB128.
fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends counts by rising keys.
pub fn push_counts(counts: impl IntoIterator<Item = (u16, u64)>, out: &mut Vec<u8>) {
    let mut before = 0;
    for (key, count) in counts {
        push_varint(out, u64::from(key.saturating_sub(before)));
        push_varint(out, count);
        before = key;
    }
}

/// The counts in `bytes`; no key stands there twice, for servers refuse such a document.
fn read_counts(mut bytes: &[u8]) -> Result<Vec<(u16, u64)>, DecodeError> {
    let (mut counts, mut key) = (Vec::new(), 0_u16);
    while !bytes.is_empty() {
        let step = u16::try_from(take_varint(&mut bytes)?).map_err(|_| DecodeError::Damaged)?;
        if step == 0 && !counts.is_empty() {
            return Err(DecodeError::Damaged);
        }
        key = key.checked_add(step).ok_or(DecodeError::Damaged)?;
        counts.push((key, take_varint(&mut bytes)?));
    }
    Ok(counts)
}

/// An object whose keys are mapped for themselves.
pub(super) const fn object(unit: &'static str) -> FieldKind {
    FieldKind { index_type: "object", ignore_above: 0, unit }
}

/// The mapped keys of counts.
pub(super) const fn parts<const N: usize>(names: [&'static str; N]) -> [Part; N] {
    let mut parts = [Part { name: "", index_type: "long" }; N];
    let mut at = 0;
    while at < N {
        parts[at].name = names[at];
        at += 1;
    }
    parts
}

/// Declares a type of counts: what its keys are called in documents, and which of them are mapped.
macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident: $key_name:expr, $parts:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name<'a>(pub &'a [u8]);

        impl $name<'_> {
            /// The counts by key; nothing when they are damaged.
            pub fn counts(self) -> Vec<(u16, u64)> {
                read_counts(self.0).unwrap_or_default()
            }

            /// The key in documents.
            fn key_name(key: u16, out: &mut Vec<u8>) -> bool {
                let name: fn(u16, &mut Vec<u8>) -> bool = $key_name;
                name(key, out)
            }
        }

        impl<'a> Field<'a> for $name<'a> {
            const KIND: FieldKind = object("");
            const PARTS: &'static [Part] = &$parts;
            fn put(&self, out: &mut Writer<'_>) -> Option<()> {
                put_sized(out, self.0)
            }
            fn take(input: &mut &'a [u8]) -> Result<Self, DecodeError> {
                let bytes = take_sized(input)?;
                let mut name = Vec::new();
                for (key, _) in read_counts(bytes)? {
                    if !Self::key_name(key, &mut name) {
                        return Err(DecodeError::Newer);
                    }
                }
                Ok(Self(bytes))
            }
            fn json(&self, out: &mut Vec<u8>) {
                let name = |key, out: &mut Vec<u8>| _ = Self::key_name(key, out);
                json::counts(self.counts(), name, out);
            }
            fn value(&self) -> Value<'a> {
                Value::Number(self.counts().iter().fold(0, |sum: u64, count| sum.saturating_add(count.1)))
            }
        }
    )*};
}

/// Appends the name at `key` of a list; says whether there is one.
fn listed(names: &[&str], key: u16, out: &mut Vec<u8>) -> bool {
    let Some(name) = names.get(usize::from(key)) else { return false };
    out.extend_from_slice(name.as_bytes());
    true
}

/// The texts of a vocabulary whose numbers count from 0.
macro_rules! texts {
    ($vocabulary:ident) => {{
        let mut texts = [""; $vocabulary::ALL.len()];
        let mut at = 0;
        while at < texts.len() {
            texts[at] = $vocabulary::ALL[at].as_str();
            at += 1;
        }
        texts
    }};
}

/// Names of [`ReasonCounts`], by number.
const REASONS: [&str; Reason::ALL.len()] = texts!(Reason);
/// Names of [`OutcomeCounts`], by number.
const OUTCOMES: [&str; Outcome::ALL.len()] = texts!(Outcome);
/// Names of [`ClassCounts`], by number.
const CLASSES: [&str; 7] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx", "other"];
/// Names of [`MethodCounts`], by number: append only.
const METHODS: [&str; 10] =
    ["_other", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"];

counts! {
    /// Counts by class of status; key 0 for no status at all.
    ClassCounts: |key, out| listed(&CLASSES, key, out), parts(CLASSES);
    /// Counts by status; key 0 for no status at all.
    StatusCounts: |key, out| {
        if key == 0 {
            out.extend_from_slice(b"none");
        } else {
            json::integer(u64::from(key), out);
        }
        true
    }, parts([
        "none", "100", "101", "103", "200", "201", "202", "203", "204", "205", "206", "207", "226",
        "300", "301", "302", "303", "304", "307", "308", "400", "401", "402", "403", "404", "405",
        "406", "407", "408", "409", "410", "411", "412", "413", "414", "415", "416", "417", "418",
        "421", "422", "423", "424", "425", "426", "428", "429", "431", "451", "499", "500", "501",
        "502", "503", "504", "505", "507", "508", "511", "520", "521", "522", "523", "524", "525",
    ]);
    /// Counts by method; key 0 for methods without a number.
    MethodCounts: |key, out| listed(&METHODS, key, out), parts(METHODS);
    /// Counts by [`Reason`].
    ReasonCounts: |key, out| listed(&REASONS, key, out), parts(REASONS);
    /// Counts by [`Outcome`].
    OutcomeCounts: |key, out| listed(&OUTCOMES, key, out), parts(OUTCOMES);
}

impl MethodCounts<'_> {
    /// The key of a method.
    pub fn key(method: &[u8]) -> u16 {
        let at = METHODS.iter().position(|name| name.as_bytes() == method);
        at.and_then(|at| u16::try_from(at).ok()).unwrap_or(0)
    }
}

impl ClassCounts<'_> {
    /// The key of a status's class.
    pub fn key(status: u16) -> u16 {
        (status / 100).min(6)
    }

    /// The name of a status's class; 0 is no status.
    pub(super) fn name(status: u16) -> &'static [u8] {
        CLASSES.get(usize::from(Self::key(status))).map_or(b"other", |name| name.as_bytes())
    }
}

/// The distribution of times, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times<'a>(pub &'a [u8]);

/// Percentiles of [`Times`] in documents: key, thousandths.
const QUANTILES: [(&str, u16); 6] =
    [("p50", 500), ("p75", 750), ("p90", 900), ("p95", 950), ("p99", 990), ("p99_9", 999)];

impl Times<'_> {
    /// Appends the binary form of a histogram.
    pub fn push(histogram: &Histogram, out: &mut Vec<u8>) {
        push_varint(out, histogram.sum());
        push_varint(out, histogram.max());
        push_counts(histogram.buckets().iter().copied(), out);
    }

    /// The histogram.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn histogram(self) -> Result<Histogram, DecodeError> {
        let mut bytes = self.0;
        let (sum, max) = (take_varint(&mut bytes)?, take_varint(&mut bytes)?);
        Histogram::from_parts(read_counts(bytes)?, sum, max).ok_or(DecodeError::Damaged)
    }
}

impl<'a> Field<'a> for Times<'a> {
    const KIND: FieldKind = object("µs");
    const PARTS: &'static [Part] = &{
        let names =
            ["count", "sum", "max", "p50", "p75", "p90", "p95", "p99", "p99_9", "histogram"];
        let mut parts = parts(names);
        parts[9].index_type = "histogram";
        parts
    };
    fn put(&self, out: &mut Writer<'_>) -> Option<()> {
        put_sized(out, self.0)
    }
    fn take(input: &mut &'a [u8]) -> Result<Self, DecodeError> {
        let times = Self(take_sized(input)?);
        times.histogram().map(|_| times)
    }
    fn json(&self, out: &mut Vec<u8>) {
        let histogram = self.histogram().unwrap_or_default();
        let mut key = |name: &str, value: u64| {
            let opening = if name == "count" { b'{' } else { b',' };
            out.extend_from_slice(&[opening, b'"']);
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            json::integer(value, out);
        };
        key("count", histogram.count());
        key("sum", histogram.sum());
        if let Some(values) = histogram.quantiles(QUANTILES.map(|(_, per_mille)| per_mille)) {
            key("max", histogram.max());
            for ((name, _), value) in QUANTILES.into_iter().zip(values) {
                key(name, value);
            }
            let points = histogram.points(POINTS_MAX);
            out.extend_from_slice(b",\"histogram\":{\"values\":");
            list(points.iter().map(|point| point.0), out);
            out.extend_from_slice(b",\"counts\":");
            list(points.iter().map(|point| point.1), out);
            out.push(b'}');
        }
        out.push(b'}');
    }
    fn value(&self) -> Value<'a> {
        Value::Number(self.histogram().map_or(0, |histogram| histogram.count()))
    }
}

/// Appends a list of integers.
fn list(values: impl Iterator<Item = u64>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::integer(value, out);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_a_key_of_its_own() {
        for (number, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(usize::from(reason.to_u8()), number, "{reason:?}: keys are numbers");
        }
        for (number, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(usize::from(outcome.to_u8()), number, "{outcome:?}: keys are numbers");
        }
        assert_eq!(MethodCounts::key(b"PATCH"), 6);
        assert_eq!(MethodCounts::key(b"patch"), 0);
        for (status, want) in [(0, "none"), (200, "2xx"), (599, "5xx"), (999, "other")] {
            assert_eq!(CLASSES[usize::from(ClassCounts::key(status))], want);
        }
    }

    #[test]
    fn counts_and_times_are_objects_in_documents() {
        let (mut bytes, mut out) = (Vec::new(), Vec::new());
        push_counts([(0, 1), (200, 70_000), (404, 3)], &mut bytes);
        StatusCounts(&bytes).json(&mut out);
        assert_eq!(out, br#"{"none":1,"200":70000,"404":3}"#);

        let (mut bytes, mut out) = (Vec::new(), Vec::new());
        let mut histogram = Histogram::default();
        for value in [10, 10, 90] {
            histogram.add(value);
        }
        Times::push(&histogram, &mut bytes);
        Times(&bytes).json(&mut out);
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let want = serde_json::json!({
            "count": 3, "sum": 110, "max": 90, "p50": 10, "p75": 90, "p90": 90, "p95": 90, "p99": 90,
            "p99_9": 90, "histogram": {"values": [10, 90], "counts": [2, 1]},
        });
        assert_eq!(read, want);
        let keys: Vec<_> = Times::PARTS.iter().map(|part| part.name).collect();
        assert!(read.as_object().unwrap().keys().all(|key| keys.contains(&key.as_str())));
    }
}
