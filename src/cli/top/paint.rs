//! Tones of text, and short pieces that flow into lines.
//!
//! A tone adds to a word and never stands for it. Without colours, weight and brightness remain.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// What a piece of text is to the reader, least serious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    /// A label, or less important than the rest.
    Quiet,
    /// As it should be.
    Good,
    /// As it is.
    Normal,
    /// For information.
    Note,
    /// What to look at first.
    Strong,
    /// Will hurt users.
    Warn,
    /// Hurts users now.
    Bad,
}

/// Whether there are colours, and which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Palette {
    pub(super) has_colours: bool,
}

impl Palette {
    pub(super) fn style(self, tone: Tone) -> Style {
        let (colour, modifier) = match tone {
            Tone::Quiet => (None, Modifier::DIM),
            Tone::Good => (Some(Color::Green), Modifier::empty()),
            Tone::Normal => (None, Modifier::empty()),
            Tone::Note => (Some(Color::Cyan), Modifier::empty()),
            Tone::Strong => (None, Modifier::BOLD),
            Tone::Warn => (Some(Color::Yellow), Modifier::BOLD),
            Tone::Bad => (Some(Color::Red), Modifier::BOLD),
        };
        let style = Style::new().add_modifier(modifier);
        colour.filter(|_| self.has_colours).map_or(style, |colour| style.fg(colour))
    }

    /// Pieces in as many lines as they need: a piece is not parted unless it is longer than a line.
    pub(super) fn flow(self, pieces: &[Piece], gap: u16, width: u16) -> Vec<Line<'static>> {
        let (mut lines, mut line, mut used) = (Vec::new(), Line::default(), 0);
        for piece in pieces {
            let long = piece.width();
            if used > 0 && used + usize::from(gap) + long > usize::from(width) {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            if used > 0 {
                line.push_span(Span::raw(" ".repeat(gap.into())));
                used += usize::from(gap);
            }
            used += long;
            for (tone, text) in &piece.0 {
                line.push_span(Span::styled(text.clone(), self.style(*tone)));
            }
        }
        lines.push(line);
        lines
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Piece(Vec<(Tone, String)>);

impl Piece {
    pub(super) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self(vec![(tone, text.into())])
    }

    /// A label and its value.
    pub(super) fn labelled(label: &str, tone: Tone, value: impl Into<String>) -> Self {
        Self::new(Tone::Quiet, format!("{label} ")).and(tone, value)
    }

    pub(super) fn and(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.0.push((tone, text.into()));
        self
    }

    /// Pieces behind a label that stays with the first.
    pub(super) fn row(label: &str, mut pieces: Vec<Self>) -> Vec<Self> {
        if let Some(first) = pieces.first_mut() {
            first.0.insert(0, (Tone::Quiet, format!("{label:<10}")));
        }
        pieces
    }

    /// Each word of a sentence.
    pub(super) fn words(tone: Tone, text: &str) -> Vec<Self> {
        text.split(' ').map(|word| Self::new(tone, word)).collect()
    }

    /// Columns that it needs.
    fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| Span::raw(text.as_str()).width()).sum()
    }
}

/// A text of at most so many columns; what is longer ends in `…`.
pub(super) fn cut(text: &str, columns: usize) -> String {
    let mut cut = text.to_owned();
    if Span::raw(text).width() > columns {
        while Span::raw(cut.as_str()).width() + 1 > columns && cut.pop().is_some() {}
        cut.push_str(if columns > 0 { "…" } else { "" });
    }
    cut
}

/// A span in few characters: `45s`, `12m`, `3h`, `9d`.
pub(super) fn span_of(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stay_whole_where_they_fit() {
        let palette = Palette { has_colours: true };
        let pieces = [
            Piece::labelled("rate", Tone::Strong, "12/s"),
            Piece::labelled("in", Tone::Strong, "3 B"),
            Piece::new(Tone::Bad, "longer-than-a-line"),
        ];
        for (width, want) in [
            (40, "rate 12/s  in 3 B  longer-than-a-line"),
            (20, "rate 12/s  in 3 B|longer-than-a-line"),
            (10, "rate 12/s|in 3 B|longer-than-a-line"),
            (0, "rate 12/s|in 3 B|longer-than-a-line"),
        ] {
            let lines: Vec<_> =
                palette.flow(&pieces, 2, width).iter().map(ToString::to_string).collect();
            assert_eq!(lines.join("|"), want, "{width}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_by_columns() {
        for (text, columns, want) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("\u{4e2d}\u{6587}\u{5b57}", 4, "\u{4e2d}…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(cut(text, columns), want, "{text} in {columns}");
        }
    }

    #[test]
    fn without_colours_no_style_has_one() {
        for tone in [Tone::Quiet, Tone::Good, Tone::Normal, Tone::Note, Tone::Warn, Tone::Bad] {
            let style = Palette { has_colours: false }.style(tone);
            assert_eq!((style.fg, style.bg), (None, None), "{tone:?}");
        }
    }

    #[test]
    fn spans_are_short() {
        for (seconds, want) in [(0, "0s"), (59, "59s"), (60, "1m"), (7_200, "2h"), (200_000, "2d")]
        {
            assert_eq!(span_of(seconds), want);
        }
    }
}
