//! The part of KQL (Kibana) and DQL (OpenSearch Dashboards) that boards use: the same text means the
//! same to both.
//!
//! ```text
//! either = all { "or" all }        all = one { "and" one }
//! one    = "not" one | "(" either ")" | field ":" values | field ("<" | "<=" | ">" | ">=") value
//! values = value | "(" value { "or" value } ")"        value = word | "…" | *        field = word | "…"
//! ```
//! Invariants: never panics; nesting is bounded. Not here: the language of `lbproxy log`, and
//! what both share (`query`).

use lbproxy::query::Lexer;
use serde_json::{Value, json};

/// What a filter asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kql {
    /// Everything.
    All,
    /// Each of these.
    And(Vec<Self>),
    /// One of these.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// That a field is there.
    Exists(String),
    /// That a field has this value.
    Is(String, String),
    /// That a field is less or more: field, one of `lt`, `lte`, `gt`, `gte`, number.
    Range(String, &'static str, String),
}

/// Reads a filter; an empty one asks for everything.
///
/// # Errors
/// What is wrong, and at which byte.
pub fn parse(text: &str) -> Result<Kql, String> {
    if text.trim().is_empty() {
        return Ok(Kql::All);
    }
    let mut parser = Parser { lexer: Lexer::new(text, |c| "():<>\"".contains(c)) };
    let found = parser.either()?;
    match parser.lexer.rest() {
        "" => Ok(found),
        _ => Err(parser.wrong("`and`, `or` or the end")),
    }
}

impl Kql {
    /// The fields it names.
    pub fn fields(&self) -> Vec<&str> {
        match self {
            Self::All => Vec::new(),
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::fields).collect(),
            Self::Not(part) => part.fields(),
            Self::Exists(field) | Self::Is(field, _) | Self::Range(field, ..) => vec![field],
        }
    }

    /// The query that both products make of it.
    pub fn query(&self) -> Value {
        match self {
            Self::All => json!({ "match_all": {} }),
            Self::And(parts) => json!({ "bool": { "filter": queries(parts) } }),
            Self::Or(parts) => {
                json!({ "bool": { "should": queries(parts), "minimum_should_match": 1 } })
            }
            Self::Not(part) => json!({ "bool": { "must_not": part.query() } }),
            Self::Exists(field) => json!({ "exists": { "field": field } }),
            Self::Is(field, value) => json!({ "match": { field: value } }),
            Self::Range(field, operator, bound) => {
                json!({ "range": { field: { *operator: bound } } })
            }
        }
    }
}

/// The queries of several parts.
fn queries(parts: &[Kql]) -> Vec<Value> {
    parts.iter().map(Kql::query).collect()
}

/// What was read of a filter.
struct Parser<'t> {
    lexer: Lexer<'t>,
}

impl Parser<'_> {
    /// A complaint about the next byte.
    fn wrong(&self, wanted: &str) -> String {
        format!("`{}`: {wanted} expected at byte {}", self.lexer.text, self.lexer.at)
    }

    /// `all { "or" all }`
    fn either(&mut self) -> Result<Kql, String> {
        let mut parts = vec![self.all()?];
        while self.lexer.keyword("or") {
            parts.push(self.all()?);
        }
        Ok(single_or(parts, Kql::Or))
    }

    /// `one { "and" one }`
    fn all(&mut self) -> Result<Kql, String> {
        let mut parts = vec![self.one()?];
        while self.lexer.keyword("and") {
            parts.push(self.one()?);
        }
        Ok(single_or(parts, Kql::And))
    }

    /// `"not" one | "(" either ")" | field …`
    fn one(&mut self) -> Result<Kql, String> {
        if !self.lexer.enters() {
            return Err(self.wrong("fewer parentheses"));
        }
        let found = if self.lexer.keyword("not") {
            Kql::Not(Box::new(self.one()?))
        } else if self.lexer.takes("(") {
            let inner = self.either()?;
            if !self.lexer.takes(")") {
                return Err(self.wrong("`)`"));
            }
            inner
        } else {
            self.comparison()?
        };
        self.lexer.leave();
        Ok(found)
    }

    /// `field ":" values | field operator value`
    fn comparison(&mut self) -> Result<Kql, String> {
        let field = &*self.field()?;
        for (sign, operator) in [("<=", "lte"), (">=", "gte"), ("<", "lt"), (">", "gt")] {
            if self.lexer.takes(sign) {
                let bound = self.value()?;
                return match bound.parse::<f64>() {
                    Ok(_) => Ok(Kql::Range(field.to_owned(), operator, bound)),
                    Err(_) => Err(self.wrong("a number")),
                };
            }
        }
        if !self.lexer.takes(":") {
            return Err(self.wrong("`:` or a comparison"));
        }
        if !self.lexer.takes("(") {
            return self.is(field);
        }
        let mut values = vec![self.is(field)?];
        while self.lexer.keyword("or") {
            values.push(self.is(field)?);
        }
        if self.lexer.takes(")") { Ok(single_or(values, Kql::Or)) } else { Err(self.wrong("`)`")) }
    }

    /// A field, bare or in quotation marks.
    fn field(&mut self) -> Result<String, String> {
        if self.lexer.rest().starts_with('"') {
            return self.value();
        }
        let field = self.lexer.word();
        if field.is_empty() {
            return Err(self.wrong("a field"));
        }
        self.lexer.at += field.len();
        Ok(field.to_owned())
    }

    /// One value of a field; `*` is any.
    fn is(&mut self, field: &str) -> Result<Kql, String> {
        let is_quoted = self.lexer.rest().starts_with('"');
        let value = self.value()?;
        match value.as_str() {
            "*" if !is_quoted => Ok(Kql::Exists(field.to_owned())),
            _ if value.contains('*') && !is_quoted => Err(self.wrong("a value without `*`")),
            _ => Ok(Kql::Is(field.to_owned(), value)),
        }
    }

    /// A value, bare or in quotation marks.
    fn value(&mut self) -> Result<String, String> {
        if self.lexer.takes("\"") {
            let rest = self.lexer.text.get(self.lexer.at..).unwrap_or_default();
            let end = rest.find('"').ok_or_else(|| self.wrong("a closing quotation mark"))?;
            self.lexer.at += end + 1;
            return Ok(rest.get(..end).unwrap_or_default().to_owned());
        }
        let word = self.lexer.word();
        if word.is_empty() || ["and", "or", "not"].contains(&word) {
            return Err(self.wrong("a value"));
        }
        self.lexer.at += word.len();
        Ok(word.to_owned())
    }
}

/// The only part, or all of them together.
fn single_or(mut parts: Vec<Kql>, several: fn(Vec<Kql>) -> Kql) -> Kql {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            several(parts)
        }
        None => Kql::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_boards_ask_is_understood() {
        let is = |field: &str, value: &str| Kql::Is(field.to_owned(), value.to_owned());
        for (text, want) in [
            ("", Kql::All),
            ("a.b: c", is("a.b", "c")),
            ("a : \"c d\"", is("a", "c d")),
            ("a: *", Kql::Exists("a".to_owned())),
            ("\"a.b\": *", Kql::Exists("a.b".to_owned())),
            ("a: (b or c)", Kql::Or(vec![is("a", "b"), is("a", "c")])),
            ("a: b and c: d", Kql::And(vec![is("a", "b"), is("c", "d")])),
            (
                "a: b or not (c: d and e >= 5)",
                Kql::Or(vec![
                    is("a", "b"),
                    Kql::Not(Box::new(Kql::And(vec![
                        is("c", "d"),
                        Kql::Range("e".to_owned(), "gte", "5".to_owned()),
                    ]))),
                ]),
            ),
        ] {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_it_is_not_says_where() {
        let deep = "(".repeat(100);
        for (text, want) in [
            ("a", "`:` or a comparison expected at byte 1"),
            ("a:", "a value expected"),
            ("a: b c", "the end"),
            ("(a: b", "`)`"),
            ("a: \"b", "quotation mark"),
            ("a > b", "a number"),
            ("a: b*", "without `*`"),
            (": b", "a field"),
            (&deep, "fewer parentheses"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
