//! Whether any record can be what a filter asks for, told without a record.
//!
//! Invariant: *no* is certain, *yes* is not. Within an `and` the comparisons that stand beside each other
//! are held against each other; of an `or` within it, each part by itself. Linear in the filter's length.
//! Not here: what a filter means for one record (`filter`).

use super::field::{Field, Place};
use super::filter::{Comparison, Expr, Filter, Op, Operand};
use crate::record::{Stream, Value};

/// Most comparisons that one is held against; beyond it, those before are not looked at.
const KNOWN_MAX: usize = 64;
/// Statuses that records can have.
const STATUSES: Interval = Interval { least: 100, most: 999 };
/// Most fields that a sentence names.
const NAMED_MAX: usize = 4;

impl Filter {
    /// Kinds of records of which one could match.
    pub fn streams(&self) -> Vec<Stream> {
        let can = |stream: &Stream| {
            let expr = self.0.as_ref();
            expr.is_none_or(|expr| is_possible(expr, true, *stream, &mut Vec::new()))
        };
        Stream::ALL.into_iter().filter(can).collect()
    }

    /// Whether it compares the field with that path.
    pub fn asks(&self, path: &str) -> bool {
        self.comparisons().iter().any(|comparison| comparison.field.path == path)
    }

    /// Both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (Some(one), Some(two)) => Self(Some(Expr::and(vec![one.clone(), two.clone()]))),
            (one, two) => Self(one.as_ref().or(two.as_ref()).cloned()),
        }
    }

    /// Everything else.
    ///
    /// # Errors
    /// When it asks nothing, so that nothing is left.
    pub fn negated(&self) -> Result<Self, NothingLeft> {
        let expr = self.0.clone().ok_or(NothingLeft)?;
        Ok(Self(Some(Expr::Not(Box::new(expr)))))
    }

    /// Why no record matches, when none does.
    pub fn why_none(&self) -> String {
        let all = self.comparisons();
        let never = all.iter().find(|comparison| {
            let can = |stream| Fact::of(comparison, true).is_possible(stream);
            !Stream::ALL.into_iter().any(can)
        });
        if let Some(comparison) = never {
            return format!("`{comparison}` is true of no record");
        }
        let mut fields: Vec<&Field> = Vec::new();
        for comparison in all {
            let field = comparison.field;
            if matches!(field.place, Place::Record(_) | Place::Derived(..))
                && !fields.contains(&field)
            {
                fields.push(field);
            }
        }
        if Stream::ALL.into_iter().any(|stream| fields.iter().all(|field| field.is_in(stream))) {
            return "its parts contradict each other".to_owned();
        }
        let named = fields.into_iter().take(NAMED_MAX).map(|field| {
            let kinds = Stream::ALL.into_iter().filter(|stream| field.is_in(*stream));
            let kinds: Vec<_> = kinds.map(Stream::as_str).collect();
            format!("`{}` is in {}", field.short, kinds.join(", "))
        });
        format!("no kind of record has all of its fields: {}", named.collect::<Vec<_>>().join("; "))
    }

    /// Every comparison, in the order of the text.
    fn comparisons(&self) -> Vec<&Comparison> {
        fn collect<'e>(expr: &'e Expr, found: &mut Vec<&'e Comparison>) {
            match expr {
                Expr::And(parts) | Expr::Or(parts) => {
                    for part in parts {
                        collect(part, found);
                    }
                }
                Expr::Not(inner) => collect(inner, found),
                Expr::Compare(comparison) => found.push(comparison),
            }
        }
        let mut found = Vec::new();
        if let Some(expr) = &self.0 {
            collect(expr, &mut found);
        }
        found
    }
}

/// A filter that asks nothing has no opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("everything matches, so nothing is left")]
pub struct NothingLeft;

impl Field {
    /// Whether records of this kind can have it.
    pub fn is_in(&self, stream: Stream) -> bool {
        match self.place {
            Place::Record(ids) => {
                Stream::ALL.into_iter().zip(ids).any(|(kind, id)| kind == stream && id.is_some())
            }
            Place::Derived(kind, _) => kind == stream,
            Place::Origin(_) | Place::Stream => true,
        }
    }

    /// Whether it can hold several texts, of which each may be what is asked for.
    fn is_list(&self) -> bool {
        self.path.starts_with("lbproxy.attempt.")
    }
}

/// Whether a record of `stream` can make `expr` what is `wanted`, given what else is true of it.
fn is_possible<'e>(
    expr: &'e Expr,
    wanted: bool,
    stream: Stream,
    known: &mut Vec<Fact<'e>>,
) -> bool {
    match (expr, wanted) {
        (Expr::Not(inner), _) => is_possible(inner, !wanted, stream, known),
        (Expr::Compare(comparison), _) => Fact::of(comparison, wanted).fits(stream, known),
        (Expr::And(parts), false) | (Expr::Or(parts), true) => {
            parts.iter().any(|part| is_possible(part, wanted, stream, known))
        }
        (Expr::And(parts), true) | (Expr::Or(parts), false) => {
            let before = known.len();
            let can = parts.iter().all(|part| match fact(part, wanted) {
                Some(fact) => {
                    let fits = fact.fits(stream, known);
                    if known.len() < KNOWN_MAX {
                        known.push(fact);
                    }
                    fits
                }
                None => true,
            }) && parts
                .iter()
                .filter(|part| fact(part, wanted).is_none())
                .all(|part| is_possible(part, wanted, stream, known));
            known.truncate(before);
            can
        }
    }
}

/// A part that is one comparison, or not one.
fn fact(expr: &Expr, wanted: bool) -> Option<Fact<'_>> {
    match expr {
        Expr::Compare(comparison) => Some(Fact::of(comparison, wanted)),
        Expr::Not(inner) => fact(inner, !wanted),
        Expr::And(_) | Expr::Or(_) => None,
    }
}

/// What is true of a record: that the field is there and the comparison, never `!=`, holds; or not both.
#[derive(Debug, Clone, Copy)]
struct Fact<'e> {
    comparison: &'e Comparison,
    op: Op,
    holds: bool,
}

impl<'e> Fact<'e> {
    fn of(comparison: &'e Comparison, wanted: bool) -> Self {
        match comparison.op {
            Op::IsNot => Self { comparison, op: Op::Is, holds: !wanted },
            op => Self { comparison, op, holds: wanted },
        }
    }

    /// Whether it can be true of a record of which all that is `known` is true.
    fn fits(&self, stream: Stream, known: &[Self]) -> bool {
        self.is_possible(stream) && !known.iter().any(|other| self.contradicts(other))
    }

    /// Whether it can be true of a record of `stream`.
    fn is_possible(&self, stream: Stream) -> bool {
        let Comparison { field, operand, .. } = self.comparison;
        if field.place == Place::Stream {
            let text = stream.as_str().as_bytes();
            let is = match (self.op, operand) {
                (Op::Contains, Operand::Text(glob)) => glob.is_in(text),
                _ => operand.is(Value::Text(text)),
            };
            return is == self.holds;
        }
        if !field.is_in(stream) {
            return !self.holds;
        }
        !self.holds || self.span().is_none_or(|span| !span.is_empty())
    }

    /// Values that it speaks of, when they are numbers.
    fn span(&self) -> Option<Interval> {
        let all = Interval::of(self.comparison.field);
        let number = match self.comparison.operand {
            Operand::Number(number) => number,
            Operand::Class(class) => {
                let least = u64::from(class) * 100;
                return Some(all.and(Interval { least, most: least + 99 }));
            }
            _ => return None,
        };
        let none = Interval { least: 1, most: 0 };
        let span = match self.op {
            Op::Is => Interval { least: number, most: number },
            Op::Less => number.checked_sub(1).map_or(none, |most| Interval { least: 0, most }),
            Op::LessOrIs => Interval { least: 0, most: number },
            Op::More => {
                number.checked_add(1).map_or(none, |least| Interval { least, most: u64::MAX })
            }
            Op::MoreOrIs => Interval { least: number, most: u64::MAX },
            Op::IsNot | Op::Contains => return None,
        };
        Some(all.and(span))
    }

    /// Whether both cannot be true of one record.
    fn contradicts(&self, other: &Self) -> bool {
        if self.comparison.field.path != other.comparison.field.path {
            return false;
        }
        match (self.holds, other.holds) {
            (true, true) => self.excludes(other),
            (true, false) => self.implies(other),
            (false, true) => other.implies(self),
            (false, false) => false,
        }
    }

    /// Whether no value is both.
    fn excludes(&self, other: &Self) -> bool {
        if let (Some(one), Some(two)) = (self.span(), other.span()) {
            return one.and(two).is_empty();
        }
        if self.comparison.field.is_list() {
            return false;
        }
        match (&self.comparison.operand, &other.comparison.operand) {
            (Operand::Flag(one), Operand::Flag(two)) => one != two,
            (Operand::Text(_), Operand::Text(_)) => {
                let is = |one: &Self, two: &Self| one.literal().is_none_or(|text| two.takes(text));
                !is(self, other) || !is(other, self)
            }
            _ => false,
        }
    }

    /// Whether each value that is this is the other too.
    fn implies(&self, other: &Self) -> bool {
        if matches!(other.comparison.operand, Operand::Any) {
            return true;
        }
        if let (Some(one), Some(two)) = (self.span(), other.span()) {
            return one.and(two) == one;
        }
        let is_same = self.op == other.op && self.comparison.operand == other.comparison.operand;
        is_same || self.literal().is_some_and(|text| other.takes(text))
    }

    /// The text that a value has to be.
    fn literal(&self) -> Option<&'e str> {
        match &self.comparison.operand {
            Operand::Text(glob) if self.op == Op::Is => glob.literal(),
            _ => None,
        }
    }

    /// Whether it holds for a text.
    fn takes(&self, text: &str) -> bool {
        match &self.comparison.operand {
            Operand::Text(glob) if self.op == Op::Contains => glob.is_in(text.as_bytes()),
            operand => operand.is(Value::Text(text.as_bytes())),
        }
    }
}

/// Numbers from one to another; none when the first is the larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Interval {
    least: u64,
    most: u64,
}

impl Interval {
    /// All values of a field.
    fn of(field: &Field) -> Self {
        if field.kind == super::Kind::Status { STATUSES } else { Self { least: 0, most: u64::MAX } }
    }

    fn and(self, other: Self) -> Self {
        Self { least: self.least.max(other.least), most: self.most.min(other.most) }
    }

    const fn is_empty(self) -> bool {
        self.least > self.most
    }
}

#[cfg(test)]
mod tests;
