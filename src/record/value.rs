//! Field types of records. Unit, index type, binary form and JSON belong to the type, not the row.
//!
//! Binary: integers as LEB128, texts with their length before them. Decoding borrows and never
//! panics. Not here: which fields exist (the tables), rollups' types (`summary`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::json;
use super::schema::DecodeError;

/// How a type stands in index and documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldKind {
    /// Mapping type of Elasticsearch and OpenSearch.
    pub index_type: &'static str,
    /// Longest text that is indexed, in bytes; 0 where it does not apply.
    pub ignore_above: usize,
    /// Unit, or empty.
    pub unit: &'static str,
}

/// A key of a type whose documents hold an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The key.
    pub name: &'static str,
    /// Its mapping type: `histogram` where the server has it.
    pub index_type: &'static str,
}

/// A kind without text.
const fn kind(index_type: &'static str, unit: &'static str) -> FieldKind {
    FieldKind { index_type, ignore_above: 0, unit }
}

/// Where fields are encoded to: a caller's slice, never beyond it.
#[derive(Debug)]
pub(super) struct Writer<'o> {
    out: &'o mut [u8],
    /// Bytes used.
    at: usize,
}

impl<'o> Writer<'o> {
    /// Writes into `out` after `reserved` bytes.
    pub(super) fn new(out: &'o mut [u8], reserved: usize) -> Option<Self> {
        (out.len() >= reserved).then_some(Self { out, at: reserved })
    }

    /// Bytes used; the slice goes back to the caller.
    pub(super) fn finish(self, head: &[u8]) -> Option<usize> {
        self.out.get_mut(..head.len())?.copy_from_slice(head);
        Some(self.at)
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        *self.out.get_mut(self.at)? = byte;
        self.at += 1;
        Some(())
    }

    /// Bytes as they are.
    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        self.out.get_mut(self.at..self.at.checked_add(bytes.len())?)?.copy_from_slice(bytes);
        self.at += bytes.len();
        Some(())
    }

    /// An integer as LEB128.
    fn varint(&mut self, mut value: u64) -> Option<()> {
        while value >= 0x80 {
            self.byte(value.to_le_bytes()[0] | 0x80)?;
            value >>= 7;
        }
        self.byte(value.to_le_bytes()[0])
    }
}

/// Takes one byte off `input`.
fn take_byte(input: &mut &[u8]) -> Result<u8, DecodeError> {
    let (&first, rest) = input.split_first().ok_or(DecodeError::Damaged)?;
    *input = rest;
    Ok(first)
}

/// Takes `count` bytes off `input`.
fn take_bytes<'a>(input: &mut &'a [u8], count: usize) -> Result<&'a [u8], DecodeError> {
    let (bytes, rest) = input.split_at_checked(count).ok_or(DecodeError::Damaged)?;
    *input = rest;
    Ok(bytes)
}

/// Takes an LEB128 integer off `input`; one that is cut or longer than 64 bits is damage.
#[inline]
pub(super) fn take_varint(input: &mut &[u8]) -> Result<u64, DecodeError> {
    match input.split_first() {
        // Most have one byte, lengths of texts above all.
        Some((&byte, rest)) if byte < 0x80 => {
            *input = rest;
            Ok(byte.into())
        }
        _ => take_long_varint(input),
    }
}

/// [`take_varint`] of whatever length.
fn take_long_varint(input: &mut &[u8]) -> Result<u64, DecodeError> {
    let (mut value, mut shift) = (0_u64, 0);
    loop {
        let byte = take_byte(input)?;
        if shift == 63 && byte > 1 {
            return Err(DecodeError::Damaged);
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
        shift += 7;
    }
}

/// Takes an integer as LEB128 off `input`, however long.
#[inline]
fn skip_varint(input: &mut &[u8]) -> Result<(), DecodeError> {
    while take_byte(input)? & 0x80 != 0 {}
    Ok(())
}

/// Takes `N` bytes off `input`.
fn take_array<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    take_bytes(input, N)?.try_into().map_err(|_| DecodeError::Damaged)
}

/// Takes bytes with their length before them off `input`.
#[inline]
pub(super) fn take_sized<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let count = usize::try_from(take_varint(input)?).map_err(|_| DecodeError::Damaged)?;
    take_bytes(input, count)
}

/// Puts bytes with their length before them.
pub(super) fn put_sized(out: &mut Writer<'_>, bytes: &[u8]) -> Option<()> {
    out.varint(bytes.len() as u64)?;
    out.bytes(bytes)
}

/// A type that a record field can have.
pub(super) trait Field<'a>: Sized {
    /// How it stands in index and documents.
    const KIND: FieldKind;
    /// Its keys in documents, if it is an object.
    const PARTS: &'static [Part] = &[];
    /// Appends the binary form; `None` when it does not fit.
    fn put(&self, out: &mut Writer<'_>) -> Option<()>;
    /// Takes the binary form off `input`.
    ///
    /// # Errors
    /// [`DecodeError::Damaged`] when it is cut or impossible, [`DecodeError::Newer`] when it is a
    /// word that a later version may have added.
    fn take(input: &mut &'a [u8]) -> Result<Self, DecodeError>;
    /// Takes it off `input` unread: cheaper where `take` looks whether it is possible.
    ///
    /// # Errors
    /// As for [`Field::take`], as far as it is looked at.
    fn skip(input: &mut &'a [u8]) -> Result<(), DecodeError> {
        Self::take(input).map(drop)
    }
    fn json(&self, out: &mut Vec<u8>);
    /// The value without its type.
    fn value(&self) -> Value<'a>;
}

/// The value of a field whose type is known only at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A count, an ordinal, bytes, a status, a port; of counts and distributions, how many there are.
    Number(u64),
    /// A span in microseconds, also where documents give nanoseconds; of several, their sum.
    Micros(u64),
    /// Wall time in milliseconds since 1970, UTC.
    TimeMs(u64),
    /// A span of wall time, both in milliseconds since 1970, UTC.
    TimespanMs(u64, u64),
    /// A share or rate in ten-thousandths.
    Ratio(u64),
    /// Yes or no.
    Flag(bool),
    /// An address.
    Address(IpAddr),
    /// A text, or a word of a vocabulary.
    Text(&'a [u8]),
    /// Several texts.
    Texts(TextList<'a>),
}

/// Declares an unsigned field type: name, inner type, variant of [`Value`], kind, factor in JSON.
macro_rules! unsigned {
    ($($(#[$doc:meta])* $name:ident($inner:ty) $value:ident $index_type:literal $unit:literal x $factor:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub $inner);

        impl<'a> Field<'a> for $name {
            const KIND: FieldKind = kind($index_type, $unit);
            fn put(&self, out: &mut Writer<'_>) -> Option<()> {
                out.varint(u64::from(self.0))
            }
            fn take(input: &mut &'a [u8]) -> Result<Self, DecodeError> {
                take_varint(input)?.try_into().map(Self).map_err(|_| DecodeError::Damaged)
            }
            fn skip(input: &mut &'a [u8]) -> Result<(), DecodeError> {
                skip_varint(input)
            }
            fn json(&self, out: &mut Vec<u8>) {
                json::integer(u64::from(self.0).saturating_mul($factor), out);
            }
            fn value(&self) -> Value<'a> {
                Value::$value(u64::from(self.0))
            }
        }
    )*};
}

unsigned! {
    /// A span in whole microseconds, the unit of every latency but ECS's own.
    Micros(u64) Micros "long" "µs" x 1;
    /// Bytes.
    Bytes(u64) Number "long" "bytes" x 1;
    /// A count or an ordinal.
    Count(u64) Number "long" "" x 1;
    /// An HTTP status.
    Status(u16) Number "short" "" x 1;
    /// A TCP port.
    Port(u16) Number "integer" "" x 1;
    /// A span in microseconds that documents give in nanoseconds, as ECS asks for `event.duration`.
    EcsNanos(u64) Micros "long" "ns" x 1_000;
}

/// Wall time in milliseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimestampMs(pub u64);

impl<'a> Field<'a> for TimestampMs {
    const KIND: FieldKind = kind("date", "");
    fn put(&self, out: &mut Writer<'_>) -> Option<()> {
        out.varint(self.0)
    }
    fn take(input: &mut &'a [u8]) -> Result<Self, DecodeError> {
        take_varint(input).map(Self)
    }
    fn json(&self, out: &mut Vec<u8>) {
        json::timestamp(self.0, out);
    }
    fn value(&self) -> Value<'a> {
        Value::TimeMs(self.0)
    }
}

/// A span of wall time: from the first to before the second, both in milliseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimespanMs(pub u64, pub u64);

impl<'a> Field<'a> for TimespanMs {
    const KIND: FieldKind = kind("date_range", "");
    fn put(&self, out: &mut Writer<'_>) -> Option<()> {
        out.varint(self.0)?;
        out.varint(self.1)
    }
    fn take(input: &mut &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self(take_varint(input)?, take_varint(input)?))
    }
    fn json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"gte\":");
        json::timestamp(self.0, out);
        out.extend_from_slice(b",\"lt\":");
        json::timestamp(self.1, out);
        out.push(b'}');
    }
    fn value(&self) -> Value<'a> {
        Value::TimespanMs(self.0, self.1)
    }
}

/// A share or rate, kept in ten-thousandths: 10 000 is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(pub u64);

impl Ratio {
    /// What 1 is kept as.
    pub const ONE: u64 = 10_000;

    /// `part / whole`; `None` when there is no whole.
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        let scaled = u128::from(part) * u128::from(Self::ONE);
        let share = scaled.checked_div(u128::from(whole))?;
        Some(Self(u64::try_from(share).unwrap_or(u64::MAX)))
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:04}", self.0 / Self::ONE, self.0 % Self::ONE)
    }
}

impl<'a> Field<'a> for Ratio {
    const KIND: FieldKind = kind("float", "");
    fn put(&self, out: &mut Writer<'_>) -> Option<()> {
        out.varint(self.0)
    }
    fn take(input: &mut &'a [u8]) -> Result<Self, DecodeError> {
        take_varint(input).map(Self)
    }
    fn json(&self, out: &mut Vec<u8>) {
        json::integer(self.0 / Self::ONE, out);
        out.push(b'.');
        let mut part = self.0 % Self::ONE;
        for place in [1_000, 100, 10, 1] {
            out.push(b'0' + u8::try_from(part / place).unwrap_or(0));
            part %= place;
        }
    }
    fn value(&self) -> Value<'a> {
        Value::Ratio(self.0)
    }
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag(pub bool);

impl<'a> Field<'a> for Flag {
    const KIND: FieldKind = kind("boolean", "");
    fn put(&self, out: &mut Writer<'_>) -> Option<()> {
        out.byte(u8::from(self.0))
    }
    fn take(input: &mut &'a [u8]) -> Result<Self, DecodeError> {
        match take_byte(input)? {
            0 => Ok(Self(false)),
            1 => Ok(Self(true)),
            _ => Err(DecodeError::Damaged),
        }
    }
    fn json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.0 { b"true" } else { b"false" });
    }
    fn value(&self) -> Value<'a> {
        Value::Flag(self.0)
    }
}

/// An IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ip(pub IpAddr);

impl<'a> Field<'a> for Ip {
    const KIND: FieldKind = kind("ip", "");
    fn put(&self, out: &mut Writer<'_>) -> Option<()> {
        match self.0 {
            IpAddr::V4(v4) => out.byte(4).and_then(|()| out.bytes(&v4.octets())),
            IpAddr::V6(v6) => out.byte(6).and_then(|()| out.bytes(&v6.octets())),
        }
    }
    fn take(input: &mut &'a [u8]) -> Result<Self, DecodeError> {
        match take_byte(input)? {
            4 => Ok(Self(IpAddr::V4(Ipv4Addr::from(take_array::<4>(input)?)))),
            6 => Ok(Self(IpAddr::V6(Ipv6Addr::from(take_array::<16>(input)?)))),
            _ => Err(DecodeError::Damaged),
        }
    }
    fn json(&self, out: &mut Vec<u8>) {
        json::address(self.0, out);
    }
    fn value(&self) -> Value<'a> {
        Value::Address(self.0)
    }
}

/// Bytes that are text if all is well: cut at `N` bytes, at a character's start, when encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a, const N: usize>(pub &'a [u8]);

impl<'a, const N: usize> Field<'a> for Text<'a, N> {
    const KIND: FieldKind = FieldKind { index_type: "keyword", ignore_above: N, unit: "" };
    fn put(&self, out: &mut Writer<'_>) -> Option<()> {
        put_sized(out, cut(self.0, N))
    }
    fn take(input: &mut &'a [u8]) -> Result<Self, DecodeError> {
        take_sized(input).map(Self)
    }
    fn json(&self, out: &mut Vec<u8>) {
        json::text(self.0, out);
    }
    fn value(&self) -> Value<'a> {
        Value::Text(self.0)
    }
}

/// The first bytes of `text`, at most `most`, without a part of a UTF-8 character at the end.
pub(super) fn cut(text: &[u8], most: usize) -> &[u8] {
    if text.len() <= most {
        return text;
    }
    let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    let end = (most.saturating_sub(3)..=most).rev().find(|&at| !is_inside(at)).unwrap_or(most);
    text.get(..end).unwrap_or_default()
}

/// Several texts: each with its length before it, built by [`TextList::push`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextList<'a>(pub &'a [u8]);

impl TextList<'_> {
    /// Longest item kept, in bytes.
    const ITEM_BYTES_MAX: usize = 127;

    /// Appends an item to the bytes of a list.
    pub fn push(list: &mut Vec<u8>, item: &[u8]) {
        let kept = cut(item, Self::ITEM_BYTES_MAX);
        list.push(u8::try_from(kept.len()).unwrap_or(0));
        list.extend_from_slice(kept);
    }
}

impl<'a> TextList<'a> {
    /// The items; stops at damage.
    pub fn items(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let count = usize::from(take_byte(&mut rest).ok()?);
            take_bytes(&mut rest, count).ok()
        })
    }
}

impl<'a> Field<'a> for TextList<'a> {
    const KIND: FieldKind = FieldKind { index_type: "keyword", ignore_above: 127, unit: "" };
    fn put(&self, out: &mut Writer<'_>) -> Option<()> {
        put_sized(out, self.0)
    }
    fn take(input: &mut &'a [u8]) -> Result<Self, DecodeError> {
        let list = Self(take_sized(input)?);
        let held: usize = list.items().map(|item| 1 + item.len()).sum();
        if held == list.0.len() { Ok(list) } else { Err(DecodeError::Damaged) }
    }
    fn skip(input: &mut &'a [u8]) -> Result<(), DecodeError> {
        take_sized(input).map(drop)
    }
    fn json(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (index, item) in self.items().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            json::text(item, out);
        }
        out.push(b']');
    }
    fn value(&self) -> Value<'a> {
        Value::Texts(*self)
    }
}

/// Several spans in whole microseconds, built by [`MicrosList::push`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MicrosList<'a>(pub &'a [u8]);

impl MicrosList<'_> {
    /// Appends a span to the bytes of a list.
    pub fn push(list: &mut Vec<u8>, micros: u64) {
        let mut slot = [0; 10];
        let mut writer = Writer { out: &mut slot, at: 0 };
        if writer.varint(micros).is_some() {
            let used = writer.at;
            list.extend_from_slice(&slot[..used]);
        }
    }
}

impl<'a> MicrosList<'a> {
    /// The spans; stops at damage.
    pub fn items(self) -> impl Iterator<Item = u64> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || take_varint(&mut rest).ok())
    }
}

impl<'a> Field<'a> for MicrosList<'a> {
    const KIND: FieldKind = kind("long", "µs");
    fn put(&self, out: &mut Writer<'_>) -> Option<()> {
        put_sized(out, self.0)
    }
    fn take(input: &mut &'a [u8]) -> Result<Self, DecodeError> {
        let list = take_sized(input)?;
        let mut rest = list;
        while !rest.is_empty() {
            take_varint(&mut rest)?;
        }
        Ok(Self(list))
    }
    fn skip(input: &mut &'a [u8]) -> Result<(), DecodeError> {
        take_sized(input).map(drop)
    }
    fn json(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (index, item) in self.items().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            json::integer(item, out);
        }
        out.push(b']');
    }
    fn value(&self) -> Value<'a> {
        Value::Micros(self.items().fold(0, u64::saturating_add))
    }
}

/// Implements [`Field`] for an enum kept as one byte: `as_str` in documents, `from_u8` to decode.
macro_rules! byte_field {
    ($($name:ty),*) => {$(
        impl<'a> $crate::record::value::Field<'a> for $name {
            const KIND: $crate::record::value::FieldKind =
                $crate::record::value::FieldKind { index_type: "keyword", ignore_above: 64, unit: "" };
            fn put(&self, out: &mut $crate::record::value::Writer<'_>) -> Option<()> {
                $crate::record::value::put_byte(out, self.to_u8())
            }
            fn take(input: &mut &'a [u8]) -> Result<Self, $crate::record::DecodeError> {
                let byte = $crate::record::value::next_byte(input)?;
                Self::from_u8(byte).ok_or($crate::record::DecodeError::Newer)
            }
            fn json(&self, out: &mut Vec<u8>) {
                $crate::record::json::plain(self.as_str().as_bytes(), out);
            }
            fn value(&self) -> $crate::record::Value<'a> {
                $crate::record::Value::Text(self.as_str().as_bytes())
            }
        }
    )*};
}
pub(super) use byte_field;

/// For [`byte_field`].
pub(super) fn put_byte(out: &mut Writer<'_>, byte: u8) -> Option<()> {
    out.byte(byte)
}

/// For [`byte_field`].
pub(super) fn next_byte(input: &mut &[u8]) -> Result<u8, DecodeError> {
    take_byte(input)
}
