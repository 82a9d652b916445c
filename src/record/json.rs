//! JSON values written straight into a buffer: integers, texts, addresses, times. No tree, no
//! formatter, no allocation beyond the buffer's own growth.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::instant::civil;

pub(super) fn integer(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an object of counts; `name` appends a key, which has nothing to escape.
pub(super) fn counts<K>(
    counts: impl IntoIterator<Item = (K, u64)>,
    name: impl Fn(K, &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    let empty = out.len();
    for (key, count) in counts {
        if out.len() > empty {
            out.push(b',');
        }
        out.push(b'"');
        name(key, out);
        out.extend_from_slice(b"\":");
        integer(count, out);
    }
    out.push(b'}');
}

/// Appends a string. Bytes that are no UTF-8 become U+FFFD; everything JSON asks for is escaped.
pub(super) fn text(bytes: &[u8], out: &mut Vec<u8>) {
    // No early exit and no table, so that the compiler tests 16 bytes at a time; nearly every text
    // is clean.
    if !bytes.iter().fold(false, |dirty, &byte| dirty | is_dirty(byte)) {
        return plain(bytes, out);
    }
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        escape(chunk.valid().as_bytes(), out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

/// Whether a byte may not simply be copied.
#[expect(clippy::needless_bitwise_bool, reason = "without branches the search is vectorised")]
const fn is_dirty(byte: u8) -> bool {
    (byte < 0x20) | (byte >= 0x7f) | (byte == b'"') | (byte == b'\\')
}

/// Appends a string known to be ASCII with nothing to escape.
pub(super) fn plain(bytes: &[u8], out: &mut Vec<u8>) {
    debug_assert!(!bytes.iter().any(|&byte| is_dirty(byte)));
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
}

/// In [`ESCAPE`]: stands for itself.
const CLEAN: u8 = 0;
/// In [`ESCAPE`]: written as `\u00xx`. Any other value is the letter after the backslash.
const HEX: u8 = b'u';

/// What becomes of a byte of UTF-8 (RFC 8259 §7); DEL is escaped too, for the sake of terminals.
const ESCAPE: [u8; 256] = {
    let mut table = [CLEAN; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = HEX;
        byte += 1;
    }
    table[0x7f] = HEX;
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[b'\t' as usize] = b't';
    table
};

/// Appends UTF-8 with quotes, backslashes and control characters escaped.
fn escape(mut bytes: &[u8], out: &mut Vec<u8>) {
    let is_special = |byte: &u8| ESCAPE[usize::from(*byte)] != CLEAN;
    while let Some(at) = bytes.iter().position(is_special) {
        let (clean, rest) = bytes.split_at(at);
        out.extend_from_slice(clean);
        let Some((&byte, rest)) = rest.split_first() else { return };
        match ESCAPE[usize::from(byte)] {
            HEX => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
            }
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
        bytes = rest;
    }
    out.extend_from_slice(bytes);
}

/// Lower-case hexadecimal digit of the low four bits.
pub(super) const fn hex_digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[(nibble & 15) as usize]
}

/// Appends an address as a string; IPv6 in the short form of RFC 5952.
pub(super) fn address(address: IpAddr, out: &mut Vec<u8>) {
    out.push(b'"');
    match address {
        IpAddr::V4(v4) => dotted(v4, out),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => {
                out.extend_from_slice(b"::ffff:");
                dotted(v4, out);
            }
            None => colons(v6, out),
        },
    }
    out.push(b'"');
}

/// Appends `192.0.2.1`.
fn dotted(v4: Ipv4Addr, out: &mut Vec<u8>) {
    let [a, b, c, d] = v4.octets();
    integer(u64::from(a), out);
    for octet in [b, c, d] {
        out.push(b'.');
        integer(u64::from(octet), out);
    }
}

/// Appends `2001:db8::1`: the longest run of two or more zeros becomes `::`, the first of equals.
fn colons(v6: Ipv6Addr, out: &mut Vec<u8>) {
    let segments = v6.segments();
    let (mut best, mut best_len, mut run) = (8, 1, 0);
    for (at, &segment) in segments.iter().enumerate() {
        run = if segment == 0 { run + 1 } else { 0 };
        if run > best_len {
            (best, best_len) = (at + 1 - run, run);
        }
    }
    let mut at = 0;
    while let Some(&segment) = segments.get(at) {
        if at == best {
            out.extend_from_slice(b"::");
            at += best_len;
            continue;
        }
        if at > 0 && at != best + best_len {
            out.push(b':');
        }
        let digits = 4_u32.saturating_sub(segment.leading_zeros() / 4).max(1);
        for place in (0..digits).rev() {
            out.push(hex_digit((segment >> (4 * place)).to_le_bytes()[0]));
        }
        at += 1;
    }
}

/// Milliseconds of the last instant of the year 9999, the last that ISO 8601 writes in four digits.
const TIMESTAMP_MS_MAX: u64 = 253_402_300_799_999;

/// Appends `"2026-11-24T00:14:28.123Z"`; later times than year 9999 are held there.
pub fn timestamp(ms: u64, out: &mut Vec<u8>) {
    let ms = ms.min(TIMESTAMP_MS_MAX);
    let (days, of_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (seconds, ms) = (of_day / 1_000, of_day % 1_000);
    let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
    let mut pair = |at: usize, value: u64| {
        text[at] = digit(value / 10);
        text[at + 1] = digit(value);
    };
    pair(1, year / 100);
    pair(3, year);
    pair(6, month);
    pair(9, day);
    pair(12, seconds / 3_600);
    pair(15, seconds / 60 % 60);
    pair(18, seconds % 60);
    pair(22, ms);
    text[21] = digit(ms / 100);
    out.extend_from_slice(&text);
}

/// The same as a text of its own, without the quotes.
pub fn timestamp_text(ms: u64) -> String {
    let mut text = Vec::new();
    timestamp(ms, &mut text);
    String::from_utf8_lossy(&text).trim_matches('"').to_owned()
}

/// The last decimal digit of `value`.
fn digit(value: u64) -> u8 {
    b'0' | (value % 10).to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    /// Goal: no day is skipped or doubled. Method: every day up to 2200 against a plain calendar.
    #[test]
    fn every_day_follows_the_day_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..84_000 {
            assert_eq!(civil(days), (year, month, day));
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 => 28 + u64::from(is_leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, day) if day == last => (year, month + 1, 1),
                (_, day) => (year, month, day + 1),
            };
        }
    }

    #[test]
    fn hostile_texts_stay_one_json_string() {
        let long = "/\u{e9}\"\n".repeat(2_000);
        for hostile in [
            &b""[..],
            b"plain",
            b"\"},{\"a\":1\\",
            b"\x00\x1b[31m\x7f\r\n\t",
            "\u{2028}\u{202e}\u{e9}\u{1f600}".as_bytes(),
            b"\xff\xfe cut \xf0\x9f",
            b"\xed\xa0\x80 half of a surrogate pair",
            long.as_bytes(),
        ] {
            let json = written(|out| text(hostile, out));
            let back: String = serde_json::from_str(&json).unwrap();
            assert_eq!(back, String::from_utf8_lossy(hostile));
            assert!(!json.bytes().any(|byte| byte < 0x20 || byte == 0x7f), "{json}");
        }
    }

    #[test]
    fn addresses_take_their_shortest_form() {
        for text in [
            "0.0.0.0",
            "255.254.10.9",
            "::",
            "::1",
            "1::",
            "2001:db8::1",
            "2001:db8:0:1:1:1:1:1",
            "2001:0:0:1::1",
            "1:0:0:2::3",
            "::ffff:192.0.2.1",
            "fe80::1:0:0:1",
            "ff01:23:4567:89ab:cdef:1000:100:10",
        ] {
            let parsed: IpAddr = text.parse().unwrap();
            assert_eq!(written(|out| address(parsed, out)), format!("\"{parsed}\""));
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let json = written(|out| text(&bytes, out));
            let back: String = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(back, String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn any_address_reads_as_the_standard_library_writes_it(
            v4 in any::<u32>(),
            segments in proptest::array::uniform8(prop_oneof![Just(0_u16), any::<u16>(), 0..16_u16]),
        ) {
            let v4 = IpAddr::from(Ipv4Addr::from(v4));
            prop_assert_eq!(written(|out| address(v4, out)), format!("\"{v4}\""));
            let v6 = IpAddr::from(Ipv6Addr::from(segments));
            prop_assert_eq!(written(|out| address(v6, out)), format!("\"{v6}\""));
        }
    }
}
