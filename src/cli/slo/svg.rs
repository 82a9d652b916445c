//! A picture as SVG: the few shapes that plots need, written one after the other.
//!
//! No crate: those for plots (`plotters`, `charming`) bring fonts, canvases or a browser's code for what is a dozen
//! kinds of elements here. Texts are escaped, numbers have one decimal. Colours are classes of [`STYLE`], light and
//! dark as the reader's system is. Not here: what is drawn (`plot`).

use std::borrow::Cow;
use std::fmt::Write as _;

/// Colours and letters of all pictures, as on the live page.
pub(super) const STYLE: &str = "\
.plot{--panel:#fff;--ink:#1b2330;--quiet:#5a6575;--line:#e3e7ec;--rate:#17388a;--slow:#7fa3d4;--left:#1d7a4d;\
--page:#b3261e;--ticket:#8a5a00;--silence:#5a6575;\
font:12px system-ui,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif;font-variant-numeric:tabular-nums}\
@media(prefers-color-scheme:dark){.plot{--panel:#171c24;--ink:#e4e9f0;--quiet:#98a4b5;--line:#2a323d;--rate:#c4d7ff;\
--slow:#5b83bd;--left:#63c796;--page:#ff8078;--ticket:#e5b04f;--silence:#98a4b5}}\
.plot .ground{fill:var(--panel)}.plot text{fill:var(--quiet)}.plot .title{fill:var(--ink);font-weight:600}\
.plot .head{fill:var(--ink)}\
.plot .grid{stroke:var(--line)}.plot .zero{stroke:var(--quiet)}.plot .limit{stroke:var(--quiet);stroke-dasharray:4 3}\
.plot .budget{fill:none;stroke:var(--left);stroke-width:1.6}.plot .fill{fill:var(--left);opacity:.12}\
.plot .rate{fill:none;stroke:var(--rate);stroke-width:1.6}.plot .slow{fill:none;stroke:var(--slow);stroke-width:1.6}\
.plot .page{fill:var(--page)}.plot .ticket{fill:var(--ticket)}.plot .silence{fill:var(--silence)}\
.plot .band{opacity:.16}.plot .mark{opacity:.9}";

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Svg {
    body: String,
    width: f64,
    height: f64,
}

/// Where a text is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

impl Svg {
    /// An empty picture, in pixels.
    pub(super) const fn new(width: f64, height: f64) -> Self {
        Self { body: String::new(), width, height }
    }

    /// A rectangle: left, top, width, height.
    pub(super) fn rect(&mut self, class: &str, [x, y, width, height]: [f64; 4]) {
        self.add(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        ));
    }

    /// The same, with words for whoever points at it.
    pub(super) fn told_rect(&mut self, class: &str, [x, y, width, height]: [f64; 4], words: &str) {
        let words = escape(words);
        self.add(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"><title>{words}</title></rect>"
        ));
    }

    /// A straight line between two points.
    pub(super) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.add(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// Lines through points, as many as there are gaps between them.
    pub(super) fn path(&mut self, class: &str, lines: &[Vec<(f64, f64)>]) {
        let mut data = String::new();
        for line in lines {
            for (place, (x, y)) in line.iter().enumerate() {
                // Writing to a String cannot fail.
                let _ = write!(data, "{}{x:.1} {y:.1}", if place == 0 { 'M' } else { 'L' });
            }
        }
        if !data.is_empty() {
            self.add(format_args!("<path class=\"{class}\" d=\"{data}\"/>"));
        }
    }

    /// A text whose line stands at that height.
    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// Another picture below all that there is.
    pub(super) fn append(&mut self, other: &Self) {
        let height = self.height;
        self.add(format_args!("<g transform=\"translate(0 {height:.1})\">{}</g>", other.body));
        self.height += other.height;
        self.width = self.width.max(other.width);
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.body, "{element}");
    }

    /// The element, for a page that has [`STYLE`].
    pub(super) fn inline(&self, label: &str) -> String {
        self.element("", "", label)
    }

    /// A file of its own.
    pub(super) fn file(&self, label: &str) -> String {
        let space = " xmlns=\"http://www.w3.org/2000/svg\"";
        self.element(space, &format!("<style>{STYLE}</style>\n"), label)
    }

    fn element(&self, space: &str, style: &str, label: &str) -> String {
        let Self { width, height, body } = self;
        let label = escape(label);
        format!(
            "<svg class=\"plot\"{space} viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{label}\">\n{style}\
             <rect class=\"ground\" width=\"{width:.0}\" height=\"{height:.0}\"/>\n{body}</svg>\n"
        )
    }
}

/// A text for XML and HTML: markup and control characters are harmless.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    let is_special = |c: char| matches!(c, '&' | '<' | '>' | '"' | '\'') || c.is_control();
    if !text.contains(is_special) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_are_no_markup() {
        let mut svg = Svg::new(10.0, 20.0);
        svg.text("t", (1.0, 2.0), Anchor::End, "<script>\u{1b}&\"'");
        let text = svg.file("a \"b\"");
        assert!(text.contains(">&lt;script&gt;\u{fffd}&amp;&quot;&#39;</text>"), "{text}");
        assert!(text.contains("aria-label=\"a &quot;b&quot;\""), "{text}");
        assert_eq!(escape("plain"), "plain");
    }

    #[test]
    fn pictures_stand_below_each_other() {
        let (mut one, mut other) = (Svg::new(10.0, 20.0), Svg::new(12.0, 30.0));
        other.line("grid", (0.0, 1.0), (2.0, 3.0));
        one.append(&other);
        let text = one.inline("both");
        assert!(
            text.contains("viewBox=\"0 0 12 50\"") && text.contains("translate(0 20.0)"),
            "{text}"
        );
        assert!(!text.contains("<style>"), "{text}");
    }
}
