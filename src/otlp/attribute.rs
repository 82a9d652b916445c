//! Attributes: a record's fields by the names of OpenTelemetry's conventions, as the record's table has
//! them; where the conventions have none, by the names of documents.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};

use crate::record::{FieldSpec, Value};

/// Names of request header fields, whose values are lists.
const LISTED: [&str; 2] = ["http.request.header.", "http.response.header."];
/// Methods that a span may name; others are `_OTHER`, so that names are few.
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"];

pub(super) fn text(key: impl Into<String>, value: impl Into<String>) -> KeyValue {
    any(key, Any::StringValue(value.into()))
}

pub(super) fn number(key: impl Into<String>, value: u64) -> KeyValue {
    any(key, Any::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn any(key: impl Into<String>, value: Any) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// Bytes of strangers as a text.
pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Name of the conventions for a field, unless it is that of a metric.
pub(super) fn convention(field: &FieldSpec) -> Option<&'static str> {
    (!field.otel.is_empty() && !field.otel.ends_with(".duration")).then_some(field.otel)
}

/// A field under this name.
pub(super) fn of(key: &str, value: Value<'_>) -> KeyValue {
    let is_list = LISTED.iter().any(|prefix| key.starts_with(prefix));
    let value = match value {
        Value::Number(number) | Value::Micros(number) | Value::TimeMs(number) => {
            Any::IntValue(i64::try_from(number).unwrap_or(i64::MAX))
        }
        Value::Ratio(number) => {
            Any::DoubleValue(f64::from(u32::try_from(number).unwrap_or(u32::MAX)) / 10_000.0)
        }
        Value::TimespanMs(from, to) => Any::StringValue(format!("{from}/{to}")),
        Value::Flag(flag) => Any::BoolValue(flag),
        Value::Address(address) => Any::StringValue(address.to_string()),
        Value::Text(bytes) => Any::StringValue(lossy(bytes)),
        Value::Texts(texts) => list(texts.items().map(lossy)),
    };
    match value {
        Any::StringValue(one) if is_list => any(key, list([one])),
        value => any(key, value),
    }
}

fn list(texts: impl IntoIterator<Item = String>) -> Any {
    let values = texts.into_iter().map(|text| AnyValue { value: Some(Any::StringValue(text)) });
    Any::ArrayValue(ArrayValue { values: values.collect() })
}

/// What a span may be named after: the method, if it is a known one.
pub(super) fn known_method(method: &[u8]) -> Option<&'static str> {
    METHODS.into_iter().find(|known| known.as_bytes() == method)
}

/// Attributes of a method: an unknown one stands beside the word for it.
pub(super) fn method(method: &[u8], out: &mut Vec<KeyValue>) {
    if let Some(known) = known_method(method) {
        out.push(text("http.request.method", known));
    } else {
        out.push(text("http.request.method", "_OTHER"));
        out.push(text("http.request.method_original", lossy(method)));
    }
}
