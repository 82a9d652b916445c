//! Lines of text with tones, cut and aligned by what is seen, not by what is sent.
//!
//! Every character is one column wide: the texts are ours. A tone adds to a word and never stands for
//! it. Not here: where lines are drawn (`screen`).

use std::fmt::Write as _;

/// Width of the column of labels.
pub(super) const LABEL_COLUMNS: usize = 12;

/// What a piece of text is to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it is.
    Normal,
    /// A label, or less important than the rest.
    Quiet,
    /// What to look at first.
    Strong,
    /// A picture of numbers.
    Accent,
    /// May hurt users.
    Warn,
    /// Hurts users now.
    Bad,
}

impl Tone {
    /// The code that sets it, if it has one.
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Normal => None,
            Self::Quiet => Some("2"),
            Self::Strong => Some("1"),
            Self::Accent => Some("36"),
            Self::Warn => Some("33"),
            Self::Bad => Some("31"),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line(Vec<(Tone, String)>);

impl Line {
    pub(super) fn blank() -> Self {
        Self::default()
    }

    /// A line that begins with a label in the first column.
    pub(super) fn labelled(label: &str) -> Self {
        Self::default().left(LABEL_COLUMNS, Tone::Quiet, label)
    }

    pub(super) fn and(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.0.push((tone, text.into()));
        self
    }

    /// With more text, after at least one space and so that it ends `width` columns further on.
    pub(super) fn right(self, width: usize, tone: Tone, text: impl Into<String>) -> Self {
        let text = text.into();
        let room = width.saturating_sub(text.chars().count()).max(1);
        self.and(Tone::Normal, " ".repeat(room)).and(tone, text)
    }

    /// With more text, and spaces up to `width` columns further on; at least one.
    pub(super) fn left(self, width: usize, tone: Tone, text: impl Into<String>) -> Self {
        let text = text.into();
        let room = width.saturating_sub(text.chars().count()).max(1);
        self.and(tone, text).and(Tone::Normal, " ".repeat(room))
    }

    /// Whether nothing is seen of it.
    pub(super) fn is_blank(&self) -> bool {
        self.0.iter().all(|(_, text)| text.trim().is_empty())
    }

    /// As it is sent: at most `width` columns, with or without colours. What does not fit ends in `…`.
    pub(super) fn render(&self, width: usize, has_colours: bool) -> String {
        let seen: usize = self.0.iter().map(|(_, text)| text.chars().count()).sum();
        let spaces = self.0.iter().rev().flat_map(|(_, text)| text.chars().rev());
        let length = seen - spaces.take_while(|&c| c == ' ').count();
        let mut left = if length > width { width.saturating_sub(1) } else { length };
        let mut out = String::new();
        for (tone, text) in &self.0 {
            let shown: String = text.chars().take(left).collect();
            left -= shown.chars().count();
            match tone.code().filter(|_| has_colours && !shown.trim().is_empty()) {
                Some(code) => {
                    let _ = write!(out, "\x1b[{code}m{shown}\x1b[0m");
                }
                None => out.push_str(&shown),
            }
        }
        if length > width && width > 0 {
            out.push('…');
        }
        out
    }

    /// As plain text, uncut.
    pub(super) fn plain(&self) -> String {
        self.render(usize::MAX, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_by_what_is_seen() {
        let line = Line::labelled("journal").and(Tone::Warn, "dropped").and(Tone::Normal, " 12 µs");
        for (name, width, has_colours, want) in [
            ("fits", 80, false, "journal     dropped 12 µs"),
            ("fits exactly", 25, false, "journal     dropped 12 µs"),
            ("one less", 24, false, "journal     dropped 12 …"),
            (
                "colours take no room",
                25,
                true,
                "\x1b[2mjournal\x1b[0m     \x1b[33mdropped\x1b[0m 12 µs",
            ),
            ("cut inside a tone", 15, true, "\x1b[2mjournal\x1b[0m     \x1b[33mdr\x1b[0m…"),
            ("cut between tones", 13, false, "journal     …"),
            ("one column", 1, false, "…"),
            ("none", 0, false, ""),
        ] {
            assert_eq!(line.render(width, has_colours), want, "{name}");
        }
    }

    #[test]
    fn cells_are_aligned_and_never_touch() {
        let row = |name: &str, value: &str| {
            Line::blank().left(6, Tone::Normal, name).right(6, Tone::Normal, value).plain()
        };
        assert_eq!(row("shop", "12 ms"), "shop   12 ms");
        assert_eq!(row("a-long-name", "123456789"), "a-long-name  123456789");
        assert!(Line::blank().is_blank());
        assert!(!Line::labelled("x").is_blank());
    }
}
