//! The filter language, from text.
//!
//! ```text
//! filter     = [ either ]
//! either     = all { "or" all }
//! all        = one { [ "and" ] one }
//! one        = "not" one  |  "(" either ")"  |  field operator value
//! operator   = "="  "!="  "<"  "<="  ">"  ">="  "~"
//! value      = everything up to a space or a parenthesis  |  "…"  |  '…'
//! ```
//! In values of texts `*` stands for anything; a backslash takes the next character as it is.
//! Invariants: never panics, whatever the text; text and nesting are bounded; the first mistake is
//! told with its place. Not here: what a filter means (`filter`).

use std::fmt;

use super::field::{Field, Kind};
use super::filter::{Comparison, Expr, Op, Operand};
use super::glob::Glob;
use super::lexer::{DEPTH_MAX, Lexer};
use crate::base::instant::parse_rfc3339;
use crate::base::nearest::nearest;
use crate::base::units;
use crate::base::visible::visible;

/// Longest text that is read, in bytes.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// What is wrong with a filter, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    text: String,
    /// First byte of the part that is wrong.
    pub at: usize,
    /// Its length in bytes; 0 where something is missing.
    pub bytes: usize,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub cure: String,
}

impl std::error::Error for FilterError {}

/// Problem and cure, and below them the filter with carets under the part that is wrong.
impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, rest) = self.text.as_bytes().split_at(self.at.min(self.text.len()));
        let part = rest.get(..self.bytes).unwrap_or(rest);
        let columns = |text: &[u8]| visible(text).to_string().chars().count();
        writeln!(f, "{}; {}", visible(self.problem.as_bytes()), self.cure)?;
        writeln!(f, "  {}", visible(self.text.as_bytes()))?;
        write!(f, "  {}{}", " ".repeat(columns(before)), "^".repeat(columns(part).max(1)))
    }
}

/// Whether a character begins an operator.
pub(super) const fn is_operator(character: char) -> bool {
    matches!(character, '=' | '!' | '<' | '>' | '~')
}

/// Reads a filter; `None` for one that asks nothing.
pub(super) fn parse(text: &str) -> Result<Option<Expr>, FilterError> {
    if text.len() > TEXT_BYTES_MAX {
        let kept: String = text.chars().take(60).collect();
        let problem = format!("the filter is longer than {TEXT_BYTES_MAX} bytes");
        let cure = "leave something out".to_owned();
        return Err(FilterError { at: 0, bytes: 0, text: kept + "…", problem, cure });
    }
    let mut parser = Parser { lexer: Lexer::new(text, |c| is_operator(c) || "()\"'".contains(c)) };
    if parser.lexer.rest().is_empty() {
        return Ok(None);
    }
    let expr = parser.either()?;
    match parser.lexer.rest().chars().next() {
        None => Ok(Some(expr)),
        Some(_) => Err(parser.wrong(1, "this parenthesis closes nothing", "remove it")),
    }
}

/// What was read of a filter.
struct Parser<'t> {
    lexer: Lexer<'t>,
}

impl Parser<'_> {
    /// A mistake in the next `bytes`.
    fn wrong(
        &self,
        bytes: usize,
        problem: impl Into<String>,
        cure: impl Into<String>,
    ) -> FilterError {
        let (problem, cure) = (problem.into(), cure.into());
        FilterError { text: self.lexer.text.to_owned(), at: self.lexer.at, bytes, problem, cure }
    }

    /// `all { "or" all }`
    fn either(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.all()?];
        while self.lexer.keyword("or") {
            parts.push(self.all()?);
        }
        Ok(Expr::or(parts))
    }

    /// `one { [ "and" ] one }`
    fn all(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.one()?];
        loop {
            let rest = self.lexer.rest();
            if rest.is_empty() || rest.starts_with(')') || self.lexer.is_next("or") {
                return Ok(Expr::and(parts));
            }
            self.lexer.keyword("and");
            parts.push(self.one()?);
        }
    }

    /// `"not" one | "(" either ")" | comparison`
    fn one(&mut self) -> Result<Expr, FilterError> {
        if !self.lexer.enters() {
            let problem = format!("more than {DEPTH_MAX} within each other");
            return Err(self.wrong(1, problem, "say it with fewer `not` and parentheses"));
        }
        let expr = if self.lexer.takes("(") {
            let opened = self.lexer.at - 1;
            let inner = self.either()?;
            if !self.lexer.takes(")") {
                self.lexer.at = opened;
                return Err(self.wrong(1, "this parenthesis is not closed", "add a `)`"));
            }
            inner
        } else if self.lexer.keyword("not") {
            Expr::Not(Box::new(self.one()?))
        } else {
            Expr::Compare(self.comparison()?)
        };
        self.lexer.leave();
        Ok(expr)
    }

    /// `field operator value`
    fn comparison(&mut self) -> Result<Comparison, FilterError> {
        let name = self.lexer.word();
        if name.is_empty() {
            let bytes = self.lexer.rest().chars().next().map_or(0, char::len_utf8);
            return Err(self.wrong(bytes, "a field is missing here", "write one, such as status"));
        }
        let field = Field::find(name).map_err(|unknown| {
            self.wrong(name.len(), format!("`{name}` is not a field"), unknown.cure)
        })?;
        self.lexer.at += name.len();
        let found = Op::ALL.into_iter().find(|(_, text)| self.lexer.takes(text));
        let Some((op, _)) = found else {
            let bytes = self.lexer.word().len();
            let problem = format!("`{name}` is not compared with anything");
            return Err(self.wrong(bytes, problem, "write =, !=, <, <=, >, >= or ~ and a value"));
        };
        if self.lexer.rest().starts_with(is_operator) {
            return Err(self.wrong(1, "a second operator", "write =, !=, <, <=, >, >= or ~"));
        }
        let start = self.lexer.at;
        let glob = self.value()?;
        let end = std::mem::replace(&mut self.lexer.at, start);
        let operand = operand(field, op, glob)
            .map_err(|(problem, cure)| self.wrong(end - start, problem, cure))?;
        self.lexer.at = end;
        Ok(Comparison { field, op, operand })
    }

    /// A value, in quotation marks or bare.
    fn value(&mut self) -> Result<Glob, FilterError> {
        let rest = self.lexer.rest();
        let mark = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (mut parts, mut part) = (Vec::new(), String::new());
        let mut characters = rest.char_indices().skip(usize::from(mark.is_some()));
        let end = loop {
            let Some((at, character)) = characters.next() else {
                if let Some(mark) = mark {
                    let problem = "this quotation mark is not closed";
                    return Err(self.wrong(1, problem, format!("add a {mark}")));
                }
                break rest.len();
            };
            match character {
                '\\' => part.push(characters.next().map_or('\\', |(_, escaped)| escaped)),
                '*' => parts.push(std::mem::take(&mut part)),
                _ if Some(character) == mark => break at + 1,
                '(' | ')' if mark.is_none() => break at,
                _ if mark.is_none() && character.is_whitespace() => break at,
                _ => part.push(character),
            }
        };
        if end == 0 {
            return Err(self.wrong(0, "a value is missing here", "write one, or \"\" for none"));
        }
        self.lexer.at += end;
        parts.push(part);
        Ok(Glob::new(parts))
    }
}

/// What a value means for a field; else problem and cure.
fn operand(field: &Field, op: Op, glob: Glob) -> Result<Operand, (String, String)> {
    let name = field.short;
    let wrong = |problem: &str, cure: &str| Err((format!("`{name}` {problem}"), cure.to_owned()));
    if glob.is_anything() && matches!(op, Op::Is | Op::IsNot) {
        return Ok(Operand::Any);
    }
    match (field.kind, op) {
        (Kind::Text, op) if op.is_order() => return wrong("is a text and has no order", ORDERLESS),
        (Kind::Flag | Kind::Address, op) if op.is_order() => {
            return wrong("has no order", "use = or !=");
        }
        (Kind::Text, _) => return text(field, op, glob),
        (_, Op::Contains) => return wrong("is not a text", "use another operator than ~"),
        _ => (),
    }
    let written = glob.to_string();
    let value = glob.literal().unwrap_or(&written);
    let number = || value.parse::<u64>().ok();
    let (read, what) = match field.kind {
        Kind::Number | Kind::Text => (number().map(Operand::Number), "a whole number, such as 3"),
        Kind::Status if op.is_order() => (status(value), "a status, such as 500"),
        Kind::Status => {
            (class(value).or_else(|| status(value)), "a status or a class, such as 200 or 5xx")
        }
        Kind::Share => (share(value), "a share or rate, such as 0.25 or 25%"),
        Kind::Size => (
            units::parse_bytes(value).or_else(number).map(Operand::Number),
            "a size, such as 512B, 64KiB or 1MiB",
        ),
        Kind::Span => (span(value), "a time with its unit, such as 200ms, 1s or 150us"),
        Kind::Time => (
            parse_rfc3339(value).map(Operand::Number),
            "an instant with its zone, such as 2026-11-24T00:14:28Z",
        ),
        Kind::Flag => (value.parse().ok().map(Operand::Flag), "true or false"),
        Kind::Address => (network(value), "an address or a network, such as 10.0.0.0/8"),
    };
    read.ok_or_else(|| (format!("`{value}` is no value of `{name}`"), format!("write {what}")))
}

/// A share or rate in ten-thousandths: `0.25` and `25%` are 2500.
fn share(text: &str) -> Option<Operand> {
    let (digits, places) = text.strip_suffix('%').map_or((text, 4), |percent| (percent, 2));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > places || !is_digits(whole) || !is_digits(part) {
        return None;
    }
    format!("{whole}{part:0<places$}").parse().ok().map(Operand::Number)
}

/// What can be asked of a text.
const ORDERLESS: &str = "use =, != or ~";

/// A value of a text; a word of a closed list is looked up there.
fn text(field: &Field, op: Op, glob: Glob) -> Result<Operand, (String, String)> {
    if op != Op::Contains
        && let (Some(word), Some(words)) = (glob.literal(), field.words())
        && !words.contains(&word)
    {
        let problem = format!("`{word}` is no value of `{}`", field.short);
        let cure = nearest(word, words.iter().copied()).map_or_else(
            || format!("known are {}", words.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        return Err((problem, cure));
    }
    Ok(Operand::Text(glob))
}

/// `404`
fn status(value: &str) -> Option<Operand> {
    value.parse::<u16>().ok().map(|status| Operand::Number(u64::from(status)))
}

/// `5xx`
fn class(value: &str) -> Option<Operand> {
    match value.as_bytes() {
        [digit @ b'1'..=b'9', b'x' | b'X', b'x' | b'X'] => Some(Operand::Class(digit - b'0')),
        _ => None,
    }
}

/// `200ms`; 0 needs no unit.
fn span(value: &str) -> Option<Operand> {
    if value == "0" {
        return Some(Operand::Number(0));
    }
    let micros = units::parse_duration(value)?.as_micros();
    u64::try_from(micros).ok().map(Operand::Number)
}

/// `10.0.0.7` or `10.0.0.0/8`
fn network(value: &str) -> Option<Operand> {
    let address = || value.parse::<std::net::IpAddr>().ok().map(ipnet::IpNet::from);
    value.parse().ok().or_else(address).map(Operand::Network)
}
