//! Durations and sizes as people write them: `500ms`, `10s`, `5m`; `64KiB`, `5MiB`.
//!
//! One grammar for the configuration, the command line and the mock's script: a whole number and a
//! unit, no space. Not here: units of record fields (`record::value`).

use std::time::Duration;

/// Units of time, shortest first.
const TIME_UNITS: [(&str, u64); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

/// Units of size, smallest first; decimal units are left out because nobody agrees on them.
const SIZE_UNITS: [(&str, u64); 4] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Reads `500ms`, `10s`, `5m`, `1h`, `7d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &TIME_UNITS).map(Duration::from_micros)
}

/// Reads `512B`, `64KiB`, `5MiB`, `1GiB`, in bytes.
pub fn parse_bytes(text: &str) -> Option<u64> {
    parse(text, &SIZE_UNITS)
}

/// Splits number and unit, and multiplies; `None` for anything else, overflow included.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let &(_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Writes a span as [`parse_duration`] reads it, exactly, in the largest unit that divides it.
pub fn write_duration(micros: u64) -> String {
    write(micros, &TIME_UNITS)
}

/// Writes a size as [`parse_bytes`] reads it, exactly, in the largest unit that divides it.
pub fn write_bytes(bytes: u64) -> String {
    write(bytes, &SIZE_UNITS)
}

/// The number with the largest unit that leaves nothing over; the smallest for 0.
fn write(value: u64, units: &[(&str, u64)]) -> String {
    let fits = |&&(_, factor): &&(&str, u64)| value > 0 && value.is_multiple_of(factor);
    let (name, factor) = units.iter().rev().find(fits).copied().unwrap_or(units[0]);
    format!("{}{name}", value / factor)
}

/// Writes a latency with three digits at most: `870 µs`, `12.4 ms`, `1.03 s`.
pub fn format_micros(micros: u64) -> String {
    let value = |divisor: f64| {
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let value = micros as f64 / divisor;
        let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        format!("{value:.decimals$}")
    };
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", value(1e3)),
        _ => format!("{} s", value(1e6)),
    }
}

/// Writes a size: `512 B`, `64.0 KiB`, `1.50 GiB`.
pub fn format_bytes(bytes: u64) -> String {
    let value = |shift: u32| {
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let value = bytes as f64 / (1_u64 << shift) as f64;
        let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        format!("{value:.decimals$}")
    };
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", value(10)),
        1_048_576..1_073_741_824 => format!("{} MiB", value(20)),
        _ => format!("{} GiB", value(30)),
    }
}

/// Keeps the digits of a count together: as wide as a space in every terminal.
const SEPARATOR: char = '\u{a0}';

/// A count with its thousands apart: `12 345`.
pub fn format_count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(SEPARATOR);
        }
        text.push(digit);
    }
    text
}

/// A share from 0 to 1 with one decimal: `98.6 %`. Rounding never turns nearly all into all, or hardly
/// any into none.
pub fn format_share(share: f64) -> String {
    if share > 0.0 && share < 0.001 {
        "<0.1 %".to_owned()
    } else if share < 1.0 {
        format!("{:.1} %", (share * 100.0).min(99.9))
    } else {
        "100 %".to_owned()
    }
}

/// A span in its largest whole unit: `45 s`, `12 min`, `3 h`, `9 d`.
pub fn format_seconds(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_nothing_else() {
        for (text, want) in [
            ("500ms", Some(500_000)),
            ("10s", Some(10_000_000)),
            ("5m", Some(300_000_000)),
            ("0s", Some(0)),
            ("10", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("10 s", None),
            ("99999999999999999d", None),
        ] {
            assert_eq!(parse_duration(text), want.map(Duration::from_micros), "{text}");
        }
        assert_eq!(parse_bytes("64KiB"), Some(65_536));
        assert_eq!(parse_bytes("64KB"), None, "decimal units are refused, not guessed");
    }

    #[test]
    fn what_is_written_exactly_reads_back() {
        for (micros, want) in
            [(0, "0us"), (1_500, "1500us"), (200_000, "200ms"), (86_400_000_000, "1d")]
        {
            assert_eq!(write_duration(micros), want);
            assert_eq!(parse_duration(want), Some(Duration::from_micros(micros)));
        }
        for (bytes, want) in [(0, "0B"), (1_000, "1000B"), (1 << 20, "1MiB"), (3 << 30, "3GiB")] {
            assert_eq!(write_bytes(bytes), want);
            assert_eq!(parse_bytes(want), Some(bytes));
        }
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        for (value, want) in
            [(0, "0"), (999, "999"), (1_000, "1 000"), (12_345, "12 345"), (1_000_000, "1 000 000")]
        {
            assert_eq!(format_count(value).replace(SEPARATOR, " "), want);
        }
    }

    #[test]
    fn spans_are_short() {
        for (seconds, want) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7_200, "2 h"), (200_000, "2 d")]
        {
            assert_eq!(format_seconds(seconds), want);
        }
    }

    #[test]
    fn writes_three_digits_and_a_unit() {
        for (micros, want) in [(870, "870 µs"), (12_400, "12.4 ms"), (1_030_000, "1.03 s")] {
            assert_eq!(format_micros(micros), want);
        }
        for (bytes, want) in [(512, "512 B"), (65_536, "64.0 KiB"), (1_610_612_736, "1.50 GiB")] {
            assert_eq!(format_bytes(bytes), want);
        }
    }
}
