//! Arbitrary records for property tests, and what their documents must say: each value type once,
//! so that a new row is tested without a further line.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::summary::{
    ClassCounts, MethodCounts, OutcomeCounts, ReasonCounts, StatusCounts, Times, push_counts,
};
use super::termination::{Outcome, Phase, Reason, State};
use super::value::{
    Bytes, Count, EcsNanos, Flag, Ip, Micros, MicrosList, Port, Ratio, Status, Text, TextList,
    TimespanMs, TimestampMs, cut,
};
use crate::base::histogram::Histogram;

/// A document as a tree.
pub(super) type Document = serde_json::Map<String, Value>;

/// What the values of one record are drawn from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) mask: u128,
    /// A number for each id.
    numbers: Vec<u64>,
    /// A text for each id, by remainder.
    texts: Vec<Vec<u8>>,
    /// A list in its binary form.
    list: Vec<u8>,
    /// Spans in their binary form.
    spans: Vec<u8>,
    /// Counts by keys that all vocabularies have, in their binary form.
    counts: Vec<u8>,
    /// Times in their binary form.
    times: Vec<u8>,
}

impl Source {
    /// Anything: all or few fields, small and huge numbers, clean and hostile texts.
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let number = prop_oneof![0..300_u64, any::<u64>()];
        let text = prop_oneof![
            "[a-z/.-]{0,40}".prop_map(String::into_bytes),
            "[\"\\\\\u{0}-\u{1f}\u{7f}\u{e9}\u{2028}\u{1f600}a]{0,40}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..60),
        ];
        (
            prop_oneof![any::<u128>(), Just(u128::MAX), Just(1)],
            proptest::collection::vec(number, 128),
            proptest::collection::vec(text, 13),
        )
            .prop_map(|(mask, numbers, texts)| {
                let mut list = Vec::new();
                for text in &texts {
                    TextList::push(&mut list, text);
                }
                let (mut histogram, mut spans) = (Histogram::default(), Vec::new());
                for &number in &numbers {
                    histogram.add(number);
                    MicrosList::push(&mut spans, number);
                }
                let (mut counts, mut times) = (Vec::new(), Vec::new());
                push_counts([(0, numbers[0]), (2, numbers[1])], &mut counts);
                Times::push(&histogram, &mut times);
                Self { mask, numbers, texts, list, spans, counts, times }
            })
    }

    /// The number for an id.
    fn number(&self, id: u8) -> u64 {
        self.numbers[usize::from(id)]
    }

    /// The text for an id.
    fn text(&self, id: u8) -> &[u8] {
        &self.texts[usize::from(id) % self.texts.len()]
    }
}

/// A value type that can be drawn, and knows its JSON without the code under test.
pub(super) trait Sample<'a> {
    /// Draws the value of field `id`.
    fn draw(source: &'a Source, id: u8) -> Self;
    /// What a document must hold.
    fn expected(&self) -> Value;
}

/// Implements [`Sample`] for number types: name, inner type, factor.
macro_rules! numbers {
    ($($name:ident($inner:ty) x $factor:literal),*) => {$(
        impl<'a> Sample<'a> for $name {
            fn draw(source: &'a Source, id: u8) -> Self {
                Self(<$inner>::try_from(source.number(id)).unwrap_or(<$inner>::MAX))
            }
            fn expected(&self) -> Value {
                json!(u64::from(self.0).saturating_mul($factor))
            }
        }
    )*};
}
numbers!(Micros(u64) x 1, Bytes(u64) x 1, Count(u64) x 1, EcsNanos(u64) x 1_000);
numbers!(Status(u16) x 1, Port(u16) x 1);

/// Implements [`Sample`] for vocabularies.
macro_rules! words {
    ($($name:ident: $number:ident => $draw:expr),*) => {$(
        impl<'a> Sample<'a> for $name {
            fn draw(source: &'a Source, id: u8) -> Self {
                let $number = usize::try_from(source.number(id) % 1_000).unwrap();
                $draw
            }
            fn expected(&self) -> Value {
                json!(self.as_str())
            }
        }
    )*};
}
words!(
    Reason: number => Reason::ALL[number % Reason::ALL.len()],
    Outcome: number => Outcome::ALL[number % Outcome::ALL.len()],
    State: number => State::new(
        Reason::ALL[number % Reason::ALL.len()],
        Phase::ALL[number % Phase::ALL.len()],
    )
);

impl<'a> Sample<'a> for TimestampMs {
    fn draw(source: &'a Source, id: u8) -> Self {
        Self(source.number(id))
    }
    fn expected(&self) -> Value {
        let mut out = Vec::new();
        super::json::timestamp(self.0, &mut out); // has its own tests
        serde_json::from_slice(&out).unwrap()
    }
}

impl<'a> Sample<'a> for TimespanMs {
    fn draw(source: &'a Source, id: u8) -> Self {
        Self(source.number(id), source.number(id) / 2)
    }
    fn expected(&self) -> Value {
        json!({ "gte": TimestampMs(self.0).expected(), "lt": TimestampMs(self.1).expected() })
    }
}

impl<'a> Sample<'a> for Ratio {
    fn draw(source: &'a Source, id: u8) -> Self {
        Self(source.number(id) % 1_000_000_000)
    }
    fn expected(&self) -> Value {
        json!(f64::from(u32::try_from(self.0).unwrap()) / 10_000.0)
    }
}

impl<'a> Sample<'a> for Flag {
    fn draw(source: &'a Source, id: u8) -> Self {
        Self(source.number(id) % 2 == 1)
    }
    fn expected(&self) -> Value {
        json!(self.0)
    }
}

impl<'a> Sample<'a> for Ip {
    fn draw(source: &'a Source, id: u8) -> Self {
        let number = source.number(id);
        Self(match u32::try_from(number) {
            Ok(v4) => std::net::Ipv4Addr::from(v4).into(),
            Err(_) => std::net::Ipv6Addr::from(u128::from(number) << 40).into(),
        })
    }
    fn expected(&self) -> Value {
        json!(self.0.to_string())
    }
}

impl<'a, const N: usize> Sample<'a> for Text<'a, N> {
    fn draw(source: &'a Source, id: u8) -> Self {
        Self(cut(source.text(id), N))
    }
    fn expected(&self) -> Value {
        json!(String::from_utf8_lossy(self.0))
    }
}

impl<'a> Sample<'a> for TextList<'a> {
    fn draw(source: &'a Source, _id: u8) -> Self {
        Self(&source.list)
    }
    fn expected(&self) -> Value {
        self.items().map(String::from_utf8_lossy).collect::<Vec<_>>().into()
    }
}

impl<'a> Sample<'a> for MicrosList<'a> {
    fn draw(source: &'a Source, _id: u8) -> Self {
        Self(&source.spans)
    }
    fn expected(&self) -> Value {
        self.items().collect::<Vec<_>>().into()
    }
}

/// Implements [`Sample`] for counts: name, names of the keys 0 and 2.
macro_rules! counts {
    ($($name:ident $zero:literal $two:literal),*) => {$(
        impl<'a> Sample<'a> for $name<'a> {
            fn draw(source: &'a Source, _id: u8) -> Self {
                Self(&source.counts)
            }
            fn expected(&self) -> Value {
                json!({ $zero: self.counts()[0].1, $two: self.counts()[1].1 })
            }
        }
    )*};
}
counts!(
    ClassCounts "none" "2xx",
    StatusCounts "none" "2",
    MethodCounts "_other" "HEAD",
    ReasonCounts "complete" "no_route",
    OutcomeCounts "success" "unknown"
);

impl<'a> Sample<'a> for Times<'a> {
    fn draw(source: &'a Source, _id: u8) -> Self {
        Self(&source.times)
    }
    fn expected(&self) -> Value {
        let mut out = Vec::new();
        super::value::Field::json(self, &mut out); // has its own tests
        serde_json::from_slice(&out).unwrap()
    }
}
