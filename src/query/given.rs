//! A filter for records of one kind: what it asks of the kind is answered once, not for each record.

use super::field::Place;
use super::filter::{Comparison, Expr, Filter};
use crate::record::{Stream, Value};

impl Filter {
    /// What is left to ask of a record of this kind; `None`: no record of it matches.
    pub fn given(&self, stream: Stream) -> Option<Self> {
        match self.0.as_ref().map_or(Known::Is(true), |expr| given(expr, stream)) {
            Known::Is(is) => is.then(Self::default),
            Known::Asks(expr) => Some(Self(Some(expr))),
        }
    }
}

/// What is known of a part of a filter.
enum Known {
    /// The answer.
    Is(bool),
    /// Nothing but the question.
    Asks(Expr),
}

fn given(expr: &Expr, stream: Stream) -> Known {
    // An answer that decides for all parts; else those that have none.
    let join = |parts: &[Expr], decisive: bool, wrap: fn(Vec<Expr>) -> Expr| {
        let mut open = Vec::new();
        for part in parts {
            match given(part, stream) {
                Known::Is(is) if is == decisive => return Known::Is(is),
                Known::Is(_) => {}
                Known::Asks(part) => open.push(part),
            }
        }
        if open.is_empty() { Known::Is(!decisive) } else { Known::Asks(wrap(open)) }
    };
    match expr {
        Expr::And(parts) => join(parts, false, Expr::and),
        Expr::Or(parts) => join(parts, true, Expr::or),
        Expr::Not(inner) => match given(inner, stream) {
            Known::Is(is) => Known::Is(!is),
            Known::Asks(inner) => Known::Asks(Expr::Not(Box::new(inner))),
        },
        Expr::Compare(Comparison { field, .. }) if field.place != Place::Stream => {
            Known::Asks(expr.clone())
        }
        Expr::Compare(comparison) => {
            Known::Is(comparison.holds(Some(Value::Text(stream.as_str().as_bytes()))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::with_row;
    use super::*;
    use crate::record::{AccessRecord, Outcome, Status};

    #[test]
    fn what_is_left_to_ask_of_a_kind_is_shorter_and_answers_the_same() {
        for (text, access, gap) in [
            ("", Some(""), Some("")),
            ("stream = access", Some(""), None),
            ("stream = access and status = 200", Some("status = 200"), None),
            ("stream = gap or status = 200", Some("status = 200"), Some("")),
            ("not (stream = access and status = 200)", Some("not status = 200"), Some("")),
            ("not stream = access", None, Some("")),
            ("stream != gap and stream ~ acc", Some(""), None),
            (
                "stream = a* and (outcome = failure or status = 5xx)",
                Some("outcome = failure or status = 5xx"),
                None,
            ),
            ("stream = access and (stream = gap or status = 2xx)", Some("status = 2xx"), None),
        ] {
            let filter = Filter::parse(text).unwrap();
            let left = |stream| filter.given(stream);
            let words = |left: Option<Filter>| left.map(|left| left.to_string());
            assert_eq!(words(left(Stream::Gap)), gap.map(str::to_owned), "{text}");
            assert_eq!(words(left(Stream::Access)), access.map(str::to_owned), "{text}");
            for status in [None, Some(Status(200)), Some(Status(503))] {
                let record =
                    AccessRecord { status, outcome: Some(Outcome::Success), ..Default::default() };
                let (whole, rest) = with_row(&record, |row| {
                    let rest = left(Stream::Access);
                    (filter.matches(row), rest.is_some_and(|rest| rest.matches(row)))
                });
                assert_eq!(whole, rest, "{text} for {status:?}");
            }
        }
    }
}
