//! Durations and sizes as people write them: `500ms`, `10s`, `5m`; `64KiB`, `5MiB`.
//!
//! One grammar for the configuration, the command line and the mock's script: a whole number and a
//! unit, no space. Not here: units of record fields (`record::value`).

use std::time::Duration;

/// Units of time, longest first so that `ms` is not read as `m`.
const TIME_UNITS: [(&str, u64); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

/// Units of size; decimal units are left out because nobody agrees on them.
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
    fn writes_three_digits_and_a_unit() {
        for (micros, want) in [(870, "870 µs"), (12_400, "12.4 ms"), (1_030_000, "1.03 s")] {
            assert_eq!(format_micros(micros), want);
        }
        for (bytes, want) in [(512, "512 B"), (65_536, "64.0 KiB"), (1_610_612_736, "1.50 GiB")] {
            assert_eq!(format_bytes(bytes), want);
        }
    }
}
