//! What is asked of a record: comparisons joined by `and`, `or`, `not`.
//!
//! A comparison with a field that the record does not have is false, and `!=` is exactly `not =`,
//! so `status != 200` finds exchanges without a status too. `field = *` asks whether it is there.
//! Among several texts one that matches is enough. Not here: reading it from text (`parse`).

use std::fmt;

use ipnet::IpNet;

use super::field::{Field, Kind};
use super::glob::Glob;
use super::parse::{self, FilterError};
use super::row::Row;
use crate::base::units;
use crate::record::{Ratio, Value, write_timestamp};

/// A question that a record answers with yes or no. The default asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter(pub(super) Option<Expr>);

impl Filter {
    /// Reads a filter; an empty text asks nothing.
    ///
    /// # Errors
    /// The first mistake, with its place and a cure.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::parse(text).map(Self)
    }

    /// Whether a record is what is asked for.
    pub fn matches(&self, row: &Row<'_>) -> bool {
        self.0.as_ref().is_none_or(|expr| expr.matches(row))
    }

    /// The fields that it asks for; one that is asked for twice comes twice.
    pub fn fields(&self) -> Vec<&'static Field> {
        let mut fields = Vec::new();
        if let Some(expr) = &self.0 {
            expr.push_fields(&mut fields);
        }
        fields
    }
}

/// As [`Filter::parse`] reads it, in one spelling for all that mean the same.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |expr| expr.fmt(f))
    }
}

/// A part of a filter. Nested only as deep as `parse` allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
    /// All of them: two at least, none of them `And`.
    And(Vec<Self>),
    /// One of them: two at least, none of them `Or`.
    Or(Vec<Self>),
    Not(Box<Self>),
    Compare(Comparison),
}

/// Compares one field with one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) field: &'static Field,
    pub(super) op: Op,
    pub(super) operand: Operand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// `=`
    Is,
    /// `!=`
    IsNot,
    /// `<`
    Less,
    /// `<=`
    LessOrIs,
    /// `>`
    More,
    /// `>=`
    MoreOrIs,
    /// `~`
    Contains,
}

impl Op {
    /// All, those that begin with another one first.
    pub(super) const ALL: [(Self, &'static str); 7] = [
        (Self::IsNot, "!="),
        (Self::LessOrIs, "<="),
        (Self::MoreOrIs, ">="),
        (Self::Is, "="),
        (Self::Less, "<"),
        (Self::More, ">"),
        (Self::Contains, "~"),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(op, _)| *op == self).map_or("", |(_, text)| text)
    }

    /// Whether it asks for an order.
    pub(super) const fn is_order(self) -> bool {
        matches!(self, Self::Less | Self::LessOrIs | Self::More | Self::MoreOrIs)
    }
}

/// What to compare with: of the kind of the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operand {
    /// `*`: whatever it is.
    Any,
    Text(Glob),
    /// A number, bytes, microseconds, or milliseconds since 1970.
    Number(u64),
    /// `5xx`: statuses of one class, by its first digit.
    Class(u8),
    Flag(bool),
    /// An address or a network.
    Network(IpNet),
}

impl Expr {
    pub(super) fn and(parts: Vec<Self>) -> Self {
        Self::join(parts, Self::And, |part| match part {
            Self::And(inner) => inner,
            other => vec![other],
        })
    }

    /// One of some.
    pub(super) fn or(parts: Vec<Self>) -> Self {
        Self::join(parts, Self::Or, |part| match part {
            Self::Or(inner) => inner,
            other => vec![other],
        })
    }

    /// Joins parts after those of their own kind are unpacked; one alone stays itself.
    fn join(parts: Vec<Self>, wrap: fn(Vec<Self>) -> Self, unpack: fn(Self) -> Vec<Self>) -> Self {
        let mut flat: Vec<_> = parts.into_iter().flat_map(unpack).collect();
        match (flat.len(), flat.pop()) {
            (1, Some(only)) => only,
            (_, last) => {
                flat.extend(last);
                wrap(flat)
            }
        }
    }

    fn push_fields(&self, fields: &mut Vec<&'static Field>) {
        match self {
            Self::And(parts) | Self::Or(parts) => {
                for part in parts {
                    part.push_fields(fields);
                }
            }
            Self::Not(inner) => inner.push_fields(fields),
            Self::Compare(comparison) => fields.push(comparison.field),
        }
    }

    /// Whether a record is what is asked for.
    fn matches(&self, row: &Row<'_>) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.matches(row)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(row)),
            Self::Not(inner) => !inner.matches(row),
            Self::Compare(comparison) => comparison.matches(row),
        }
    }
}

impl Comparison {
    /// Whether it holds for a record.
    fn matches(&self, row: &Row<'_>) -> bool {
        self.holds(row.get(self.field))
    }

    /// Whether it holds for this value of its field.
    pub(super) fn holds(&self, value: Option<Value<'_>>) -> bool {
        let is = || value.is_some_and(|value| self.operand.is(value));
        let order = || {
            let (number, Operand::Number(wanted)) = (number(value?)?, &self.operand) else {
                return None;
            };
            Some(number.cmp(wanted))
        };
        match self.op {
            Op::Is => is(),
            Op::IsNot => !is(),
            Op::Less => order().is_some_and(std::cmp::Ordering::is_lt),
            Op::LessOrIs => order().is_some_and(std::cmp::Ordering::is_le),
            Op::More => order().is_some_and(std::cmp::Ordering::is_gt),
            Op::MoreOrIs => order().is_some_and(std::cmp::Ordering::is_ge),
            Op::Contains => match (&self.operand, value) {
                (Operand::Text(glob), Some(Value::Text(text))) => glob.is_in(text),
                (Operand::Text(glob), Some(Value::Texts(texts))) => {
                    texts.items().any(|text| glob.is_in(text))
                }
                _ => false,
            },
        }
    }
}

/// A value as a number, when it is one.
const fn number(value: Value<'_>) -> Option<u64> {
    match value {
        Value::Number(number)
        | Value::Micros(number)
        | Value::TimeMs(number)
        | Value::TimespanMs(number, _)
        | Value::Ratio(number) => Some(number),
        _ => None,
    }
}

impl Operand {
    /// Whether a value is this.
    pub(super) fn is(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Any, _) => true,
            (Self::Text(glob), Value::Text(text)) => glob.matches(text),
            (Self::Text(glob), Value::Texts(texts)) => texts.items().any(|t| glob.matches(t)),
            (Self::Class(class), Value::Number(status)) => status / 100 == u64::from(*class),
            (Self::Flag(wanted), Value::Flag(flag)) => *wanted == flag,
            (Self::Network(network), Value::Address(address)) => {
                network.contains(&address.to_canonical())
            }
            (Self::Number(wanted), value) => number(value) == Some(*wanted),
            _ => false,
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                // `and` binds tighter than `or`.
                if word == "and" && matches!(part, Self::Or(_)) {
                    write!(f, "({part})")?;
                } else {
                    write!(f, "{part}")?;
                }
            }
            Ok(())
        };
        match self {
            Self::And(parts) => join(f, parts, "and"),
            Self::Or(parts) => join(f, parts, "or"),
            Self::Not(inner) if matches!(**inner, Self::And(_) | Self::Or(_)) => {
                write!(f, "not ({inner})")
            }
            Self::Not(inner) => write!(f, "not {inner}"),
            Self::Compare(comparison) => comparison.fmt(f),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.field.short, self.op.as_str())?;
        match &self.operand {
            Operand::Any => f.write_str("*"),
            Operand::Text(glob) => glob.fmt(f),
            Operand::Class(class) => write!(f, "{class}xx"),
            Operand::Flag(flag) => flag.fmt(f),
            Operand::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                network.addr().fmt(f)
            }
            Operand::Network(network) => network.fmt(f),
            Operand::Number(number) => match self.field.kind {
                Kind::Span => f.write_str(&units::write_duration(*number)),
                Kind::Size => f.write_str(&units::write_bytes(*number)),
                Kind::Share => Ratio(*number).fmt(f),
                Kind::Time => {
                    let mut text = Vec::new();
                    write_timestamp(*number, &mut text);
                    f.write_str(String::from_utf8_lossy(&text).trim_matches('"'))
                }
                _ => number.fmt(f),
            },
        }
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
#[cfg(test)]
mod tests;
