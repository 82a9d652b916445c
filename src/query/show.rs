//! A value as people read it: safe on a terminal, short, with its unit.

use std::fmt::Write as _;

use super::field::{Field, Kind};
use crate::base::units;
use crate::base::visible::visible;
use crate::record::{Ratio, Value, timestamp_text};

/// Writes the value of `field`; several texts with commas between them.
pub fn show(field: &Field, value: Value<'_>) -> String {
    match value {
        Value::Number(bytes) if field.kind == Kind::Size => units::format_bytes(bytes),
        Value::Number(number) => number.to_string(),
        Value::Micros(micros) => units::format_micros(micros),
        Value::TimeMs(ms) => timestamp_text(ms),
        Value::TimespanMs(from, to) => {
            format!("{}/{}", show(field, Value::TimeMs(from)), show(field, Value::TimeMs(to)))
        }
        Value::Ratio(ratio) => Ratio(ratio).to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Address(address) => address.to_string(),
        Value::Text(text) => visible(text).to_string(),
        Value::Texts(texts) => {
            let mut shown = String::new();
            for (index, text) in texts.items().enumerate() {
                // Writing to a String cannot fail.
                let _ = write!(shown, "{}{}", if index > 0 { "," } else { "" }, visible(text));
            }
            shown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::TextList;

    #[test]
    fn values_are_short_with_their_unit_and_harmless() {
        let mut list = Vec::new();
        TextList::push(&mut list, b"a");
        TextList::push(&mut list, b"b\x1b");
        for (name, value, want) in [
            ("bytes", Value::Number(2_048), "2.00 KiB"),
            ("status", Value::Number(404), "404"),
            ("duration", Value::Micros(12_400), "12.4 ms"),
            ("time", Value::TimeMs(0), "1970-01-01T00:00:00.000Z"),
            (
                "monitor_timespan",
                Value::TimespanMs(0, 1),
                "1970-01-01T00:00:00.000Z/1970-01-01T00:00:00.001Z",
            ),
            ("cpu", Value::Ratio(12_050), "1.2050"),
            ("reused", Value::Flag(true), "true"),
            ("client", Value::Address("::1".parse().unwrap()), "::1"),
            ("path", Value::Text(b"/\x1b[31m\xff"), "/\\x1b[31m\\xff"),
            ("attempt_endpoints", Value::Texts(TextList(&list)), "a,b\\x1b"),
        ] {
            assert_eq!(show(Field::find(name).unwrap(), value), want, "{name}");
        }
    }
}
