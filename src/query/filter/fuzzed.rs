//! What must hold of a filter for any text, and of its answer for any record.

use super::{Filter, FilterError};
use crate::query::lexer::DEPTH_MAX;
use crate::query::{Kind, Row, fields, show};
use crate::record::{Constants, IdForm, Origin, Stream, Value};

/// A filter is asked of a record; its text and the text's reading are the same.
pub(super) fn check(text: &str, row: Option<&Row<'_>>) {
    match Filter::parse(text) {
        Ok(filter) => {
            let again = Filter::parse(&filter.to_string());
            assert_eq!(again.as_ref(), Ok(&filter), "{text:?} is printed as another filter");
            if let (Some(row), Ok(again)) = (row, again) {
                let not = Filter::parse(&format!("not ({filter})"));
                assert_eq!(filter.matches(row), again.matches(row));
                let is_possible = filter.streams().contains(&row.stream) || !has_statuses(row);
                assert!(is_possible || !filter.matches(row), "{filter} is called impossible");
                let is_nothing = filter.to_string().is_empty();
                // It may be too long or too deep for one more `not`.
                assert!(
                    is_nothing
                        || not.is_err()
                        || not.is_ok_and(|n| n.matches(row) != filter.matches(row))
                );
            }
            let (deep, back) = ("(".repeat(DEPTH_MAX + 1), ")".repeat(DEPTH_MAX + 1));
            assert!(Filter::parse(&format!("{deep}{text}{back}")).is_err(), "as deep as is wanted");
        }
        Err(error) => check_error(&error, text),
    }
}

/// Whether its statuses are those of HTTP; others have no record that lbproxy wrote.
fn has_statuses(row: &Row<'_>) -> bool {
    let statuses = fields().iter().filter(|field| field.kind == Kind::Status);
    let mut values = statuses.filter_map(|field| row.get(field));
    values.all(|value| matches!(value, Value::Number(100..=999)))
}

/// The place is within the text; nothing of the text has power over a terminal.
fn check_error(error: &FilterError, text: &str) {
    assert!(text.is_char_boundary(error.at), "{} of {text:?}", error.at);
    let shown = error.to_string();
    assert_eq!(shown.lines().count(), 3, "{shown}");
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
}

/// A filter, a line end, the number of a kind, and the payload of its record.
pub(crate) fn filter(data: &[u8]) {
    const CONSTANTS: &Constants = &Constants {
        node_name: String::new(),
        version: String::new(),
        config_hash: String::new(),
        ids: IdForm::Bytes,
    };
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (text, record) = data.split_at(end);
    let origin = Origin { instance: 0xab, epoch: 7, worker: 1, seq: 42, constants: CONSTANTS };
    let row = record
        .get(1..)
        .and_then(<[u8]>::split_first)
        .and_then(|(&stream, payload)| Row::read(Stream::from_u8(stream)?, payload, origin).ok());
    if let Ok(text) = std::str::from_utf8(text) {
        check(text, row.as_ref());
    }
    if let Some(row) = &row {
        for field in fields() {
            let shown = row.get(field).map(|value| show(field, value)).unwrap_or_default();
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
        }
    }
}
