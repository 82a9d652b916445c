//! Chosen fields of a record: as cells for people, as CSV for spreadsheets, as JSON.
//!
//! CSV and JSON say what the document says. Cells for people have units. In CSV, too, control
//! characters are shown as escapes, and a text that a spreadsheet would take for a formula has an
//! apostrophe before it.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::Value;

use super::FieldArg;
use crate::base::visible::visible;
use crate::query::{Field, Kind, Row, show};

/// Columns of a table when none are chosen.
const DEFAULTS: [&str; 10] = [
    "time", "stream", "status", "method", "host", "path", "duration", "service", "endpoint",
    "reason",
];

/// The fields that are printed when none are chosen.
///
/// # Errors
/// None: they are in the tables.
pub(super) fn defaults() -> anyhow::Result<Vec<FieldArg>> {
    let arg = |name: &str| Ok(FieldArg { name: name.to_owned(), field: Field::find(name)? });
    DEFAULTS.into_iter().map(arg).collect()
}

/// The cells of a record for people.
pub(super) fn cells(row: &Row<'_>, fields: &[FieldArg]) -> Vec<String> {
    let cell =
        |arg: &FieldArg| row.get(arg.field).map_or_else(|| "-".to_owned(), |v| show(arg.field, v));
    fields.iter().map(cell).collect()
}

/// Whether cells of a column are figures, to be put at its right side.
pub(super) const fn is_figure(arg: &FieldArg) -> bool {
    matches!(arg.field.kind, Kind::Number | Kind::Share | Kind::Size | Kind::Span)
}

/// What the document of a record says for each field.
///
/// # Errors
/// None: the record was read once.
fn values(row: &Row<'_>, fields: &[FieldArg]) -> anyhow::Result<Vec<Option<Value>>> {
    let mut document = Vec::new();
    row.write_document(&mut document)?;
    let mut document: Value = serde_json::from_slice(&document).context("a document is no JSON")?;
    // The kind of record stands in the name of the data stream, not in the document.
    document["stream"] = row.stream.as_str().into();
    Ok(fields.iter().map(|arg| document.get(arg.field.path).cloned()).collect())
}

/// A JSON object with these fields, in this order, without those that the record does not have.
pub(super) fn json(row: &Row<'_>, fields: &[FieldArg]) -> anyhow::Result<String> {
    let mut text = String::from("{");
    for (arg, value) in fields.iter().zip(values(row, fields)?) {
        let Some(value) = value else { continue };
        let comma = if text.len() > 1 { "," } else { "" };
        write!(text, "{comma}{}:{value}", Value::from(arg.field.path))?;
    }
    text.push('}');
    Ok(text)
}

/// The first line of CSV: names as they were chosen.
pub(super) fn csv_head(fields: &[FieldArg]) -> String {
    let names: Vec<_> = fields.iter().map(|arg| csv_cell(&arg.name)).collect();
    names.join(",")
}

/// A record as a line of CSV (RFC 4180, lines end in LF); absent fields are empty.
pub(super) fn csv(row: &Row<'_>, fields: &[FieldArg]) -> anyhow::Result<String> {
    let values = values(row, fields)?;
    let cells: Vec<_> = values.into_iter().map(|value| csv_cell(&plain(value))).collect();
    Ok(cells.join(","))
}

/// A JSON value as plain text; several have spaces between them.
fn plain(value: Option<Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text,
        Some(Value::Array(items)) => {
            items.into_iter().map(|item| plain(Some(item))).collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
    }
}

fn csv_cell(text: &str) -> String {
    let mut cell = visible(text.as_bytes()).to_string();
    if cell.starts_with(['=', '+', '-', '@']) {
        cell.insert(0, '\'');
    }
    if cell.contains(['"', ',', ' ']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{
        AccessRecord, Constants, EcsNanos, Origin, Status, Stream, Text, TextList, TimestampMs,
    };

    #[test]
    fn chosen_fields_stand_in_their_order_in_every_form() {
        let mut endpoints = Vec::new();
        TextList::push(&mut endpoints, b"a:1");
        TextList::push(&mut endpoints, b"b:2");
        let record = AccessRecord {
            timestamp: Some(TimestampMs(0)),
            duration: Some(EcsNanos(1_500)),
            status: Some(Status(200)),
            path: Some(Text(b"/a,\"b\"")),
            query: Some(Text(b"=cmd()\n\x1b[31m")),
            attempt_endpoints: Some(TextList(&endpoints)),
            ..AccessRecord::default()
        };
        let mut payload = [0; 1024];
        let used = record.encode(&mut payload).unwrap();
        let constants = Constants::default();
        let origin = Origin { instance: 1, epoch: 1, worker: 0, seq: 1, constants: &constants };
        let row = Row::read(Stream::Access, &payload[..used], origin).unwrap();
        let names = "status,duration,path,query,attempt_endpoints,route,stream";
        assert_eq!(defaults().unwrap().len(), DEFAULTS.len());
        let fields: Vec<_> = names
            .split(',')
            .map(|name| FieldArg { name: name.to_owned(), field: Field::find(name).unwrap() })
            .collect();
        assert_eq!(
            cells(&row, &fields),
            ["200", "1.50 ms", "/a,\"b\"", "=cmd()\\n\\x1b[31m", "a:1,b:2", "-", "access"]
        );
        assert_eq!(csv_head(&fields), names);
        assert_eq!(
            csv(&row, &fields).unwrap(),
            r#"200,1500000,"/a,""b""",'=cmd()\n\x1b[31m,"a:1 b:2",,access"#
        );
        let object: Value = serde_json::from_str(&json(&row, &fields).unwrap()).unwrap();
        let want = serde_json::json!({
            "http.response.status_code": 200, "event.duration": 1_500_000, "url.path": "/a,\"b\"",
            "url.query": "=cmd()\n\u{1b}[31m", "lbproxy.attempt.endpoint": ["a:1", "b:2"],
            "stream": "access",
        });
        assert_eq!(object, want);
    }
}
