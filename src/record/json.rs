//! JSON values written straight into a buffer: integers, texts, times. No tree, no formatter.

/// Appends an integer.
pub(super) fn integer(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a string. Bytes that are no UTF-8 become U+FFFD; everything JSON asks for is escaped.
pub(super) fn text(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    match std::str::from_utf8(bytes) {
        Ok(text) => escape(text.as_bytes(), out),
        Err(_) => escape(String::from_utf8_lossy(bytes).as_bytes(), out),
    }
    out.push(b'"');
}

/// Appends UTF-8 with quotes, backslashes and control characters escaped (RFC 8259 §7).
fn escape(mut bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    while let Some(at) = bytes.iter().position(|&byte| is_special(byte)) {
        let (clean, rest) = bytes.split_at(at);
        out.extend_from_slice(clean);
        let Some((&byte, rest)) = rest.split_first() else { return };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let digit = |nibble: u8| HEX[usize::from(nibble)];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            }
        }
        bytes = rest;
    }
    out.extend_from_slice(bytes);
}

/// Whether a byte cannot stand in a JSON string as it is; DEL is escaped for terminals' sake.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0x7f
}

/// Milliseconds of the last instant of the year 9999, the last that ISO 8601 writes in four digits.
const TIMESTAMP_MS_MAX: u64 = 253_402_300_799_999;

/// Appends `"2026-11-24T00:14:28.123Z"`; later times than year 9999 are held there.
pub(super) fn timestamp(ms: u64, out: &mut Vec<u8>) {
    let ms = ms.min(TIMESTAMP_MS_MAX);
    let (days, of_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (seconds, ms) = (of_day / 1_000, of_day % 1_000);
    out.push(b'"');
    for (value, digits, after) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (seconds / 3_600, 2, b':'),
        (seconds / 60 % 60, 2, b':'),
        (seconds % 60, 2, b'.'),
        (ms, 3, b'Z'),
    ] {
        padded(value, digits, out);
        out.push(after);
    }
    out.push(b'"');
}

/// Appends `value` with leading zeros.
fn padded(value: u64, digits: u32, out: &mut Vec<u8>) {
    for place in (0..digits).rev() {
        out.push(b'0' + u8::try_from(value / 10_u64.pow(place) % 10).unwrap_or(0));
    }
}

/// Year, month and day of a day since 1970 in the proleptic Gregorian calendar. Counts in eras of
/// 400 years that begin on 1 March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_iso_8601_with_milliseconds() {
        for (ms, want) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (1_795_479_268_123, "2026-11-24T00:14:28.123Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(written(|out| timestamp(ms, out)), format!("\"{want}\""));
        }
    }

    #[test]
    fn hostile_texts_stay_one_json_string() {
        for hostile in [
            &b"plain"[..],
            b"\"},{\"a\":1\\",
            b"\x00\x1b[31m\x7f\r\n\t",
            "\u{2028}\u{202e}\u{e9}\u{1f600}".as_bytes(),
            b"\xff\xfe cut \xf0\x9f",
        ] {
            let json = written(|out| text(hostile, out));
            let back: String = serde_json::from_str(&json).unwrap();
            assert_eq!(back, String::from_utf8_lossy(hostile));
            assert!(!json.bytes().any(|byte| byte < 0x20 || byte == 0x7f), "{json}");
        }
    }
}
