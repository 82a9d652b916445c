//! Text from strangers, made safe to show on a terminal.
//!
//! A path or a user agent can hold escape sequences that recolour, overwrite or rename a terminal,
//! and marks that turn the order of characters around. Each becomes an escape that can be read:
//! `\x1b`, `\u{202e}`. Bytes that are no UTF-8 become `\xff`. Everything else, the backslash
//! included, stays as it is: this is for eyes; programs read [`json`].

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Shows `text`; see the head of this file.
pub const fn visible(text: &[u8]) -> Visible<'_> {
    Visible(text)
}

/// A JSON document in which every such character is an escape of JSON: for programs the same document.
/// Line breaks stay, which stand between its parts and in no text.
pub fn json(document: &str) -> Cow<'_, str> {
    let is_hidden = |character| character != '\n' && is_hidden(character);
    if !document.contains(is_hidden) {
        return Cow::Borrowed(document);
    }
    let mut out = String::with_capacity(document.len() + 64);
    for character in document.chars() {
        if is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Bytes that are shown without their power over a terminal.
#[derive(Debug, Clone, Copy)]
pub struct Visible<'t>(&'t [u8]);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            let mut rest = chunk.valid();
            while let Some(at) = rest.find(is_hidden) {
                let (clean, tail) = rest.split_at(at);
                f.write_str(clean)?;
                let mut tail = tail.chars();
                if let Some(hidden) = tail.next() {
                    escape(hidden, f)?;
                }
                rest = tail.as_str();
            }
            f.write_str(rest)?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Writes the escape of one character.
fn escape(hidden: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match hidden {
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\0'..='\x7f' => write!(f, "\\x{:02x}", u32::from(hidden)),
        _ => {
            f.write_str("\\u{")?;
            write!(f, "{:x}", u32::from(hidden))?;
            f.write_char('}')
        }
    }
}

/// Whether a character acts on the terminal or on its neighbours instead of being seen: control
/// characters (C0, DEL, C1), line separators, direction marks, and those of no width.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_shown_as_an_escape() {
        for (name, text, want) in [
            ("plain", &b"/shop?q=1"[..], "/shop?q=1"),
            ("other scripts", "/\u{e9}\u{5d0}\u{1f600}".as_bytes(), "/\u{e9}\u{5d0}\u{1f600}"),
            ("colour", b"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
            ("window title", b"\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
            ("C1 of one byte", b"\x9b31m", "\\x9b31m"),
            ("C1 as UTF-8", "\u{9b}31m".as_bytes(), "\\u{9b}31m"),
            ("lines", b"a\r\nb\tc\0\x7f", "a\\r\\nb\\tc\\x00\\x7f"),
            ("right to left", "a\u{202e}b\u{2067}".as_bytes(), "a\\u{202e}b\\u{2067}"),
            ("no width", "a\u{200b}\u{feff}b".as_bytes(), "a\\u{200b}\\u{feff}b"),
            ("no UTF-8", b"a\xff\xf0\x9f", "a\\xff\\xf0\\x9f"),
            ("a backslash stays", br"a\b", r"a\b"),
        ] {
            assert_eq!(visible(text).to_string(), want, "{name}");
        }
    }

    #[test]
    fn json_stays_the_same_document_and_acts_on_no_terminal() {
        let document = "{\"a\\u001b\":\"\u{9b}31m \u{202e}x \u{e0041} \u{7f} \u{e9}\"}";
        let shown = json(document);
        assert_eq!(shown, "{\"a\\u001b\":\"\\u009b31m \\u202ex \\udb40\\udc41 \\u007f \u{e9}\"}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&shown), read(document));
        let plain = "{\n  \"a\": 1\n}\n";
        assert!(matches!(json(plain), Cow::Borrowed(_)), "most documents are not copied");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let shown = visible(&bytes).to_string();
            prop_assert!(!shown.contains(is_hidden), "{shown:?}");
        }
    }
}
