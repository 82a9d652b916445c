//! Texts with `*` for anything: what `=` and `~` compare with.

use std::fmt::{self, Write as _};

use memchr::memmem;

/// A text in which some places match anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    /// The texts between the stars; a single one when there is no star.
    parts: Vec<String>,
}

impl Glob {
    /// Of the texts between the stars: one at least.
    pub(crate) fn new(parts: Vec<String>) -> Self {
        debug_assert!(!parts.is_empty(), "a text without stars is one part");
        Self { parts }
    }

    /// Whether it is a star and nothing else.
    pub(crate) fn is_anything(&self) -> bool {
        self.parts.iter().all(String::is_empty) && self.parts.len() == 2
    }

    /// The text, when it has no star.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Whether it matches the whole text.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|only| only.as_bytes() == text);
        };
        let rest = text.strip_prefix(first.as_bytes());
        let Some(rest) = rest.and_then(|rest| rest.strip_suffix(last.as_bytes())) else {
            return false;
        };
        in_order(rest, middle, memmem::find)
    }

    /// Whether it matches somewhere in the text; ASCII letters match in either case.
    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        in_order(text, &self.parts, |text, part| {
            if part.is_empty() {
                return Some(0);
            }
            text.windows(part.len()).position(|window| window.eq_ignore_ascii_case(part))
        })
    }
}

/// Whether all parts stand in `text` one behind the other. The first place of each leaves the most
/// for the next, so nothing has to be tried twice.
fn in_order(
    mut text: &[u8],
    parts: &[String],
    find: impl Fn(&[u8], &[u8]) -> Option<usize>,
) -> bool {
    for part in parts {
        let Some(at) = find(text, part.as_bytes()) else { return false };
        text = text.get(at + part.len()..).unwrap_or_default();
    }
    true
}

/// As the parser reads it: bare where that is possible, else in quotation marks.
impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                text.push('*');
            }
            for character in part.chars() {
                if matches!(character, '*' | '\\' | '"' | '\'') {
                    text.push('\\');
                }
                text.push(character);
            }
        }
        let is_bare = !text.is_empty()
            && !text.starts_with(super::parse::is_operator)
            && !text.contains(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
        if is_bare {
            return f.write_str(&text);
        }
        f.write_char('"')?;
        f.write_str(&text)?;
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Glob {
        Glob::new(text.split('*').map(str::to_owned).collect())
    }

    #[test]
    fn stars_match_anything_and_the_rest_itself() {
        for (pattern, text, whole, inside) in [
            ("/a", "/a", true, true),
            ("/a", "/ab", false, true),
            ("/a*", "/ab", true, true),
            ("*a", "/ab", false, true),
            ("/*/x", "/a/b/x", true, true),
            ("/*/x", "/x", false, false),
            ("a*a", "a", false, false),
            ("a*a", "aa", true, true),
            ("a*b*c", "aXbXbXc", true, true),
            ("a*b*c", "acb", false, false),
            ("", "", true, true),
            ("", "a", false, true),
            ("*", "", true, true),
            ("moz*firefox", "Mozilla/5.0 Firefox/1", false, true),
            ("*b*b*", "ab", false, false),
        ] {
            assert_eq!(glob(pattern).matches(text.as_bytes()), whole, "{pattern} = {text}");
            assert_eq!(glob(pattern).is_in(text.as_bytes()), inside, "{pattern} in {text}");
        }
        assert!(glob("a*").matches(b"a\xff"), "texts need not be UTF-8");
    }
}
