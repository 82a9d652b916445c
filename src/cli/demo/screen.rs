//! The terminal: a picture that is drawn over itself, on a page of its own that goes away at the end.
//!
//! Plain control sequences that every terminal of the last decades knows (`xterm`, `screen`, `tmux`,
//! the Linux console), sent in one write so that nothing flickers; no raw mode, so Ctrl-C stays a
//! signal. Not here: what the picture shows (`view`).

use std::io::{self, IsTerminal as _, Write as _};

use super::super::{kept_log, output};
use super::line::Line;

/// To the other page, and no cursor.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[2J";
/// The cursor again, and back to the page of before.
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";
/// What a terminal that does not tell has: columns and rows.
const SIZE: (usize, usize) = (80, 24);

/// A terminal that is drawn on; as before when dropped.
#[derive(Debug)]
pub(super) struct Screen {
    has_colours: bool,
    /// Columns and rows of the last picture.
    size: (usize, usize),
}

impl Screen {
    /// Standard output, if it is a terminal that can be drawn on.
    pub(super) fn open() -> io::Result<Option<Self>> {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let mut out = io::stdout();
        if is_dumb || !out.is_terminal() {
            return Ok(None);
        }
        kept_log::keep();
        let screen = Self { has_colours: output::has_colours(), size: size() };
        out.write_all(ENTER)?;
        out.flush()?;
        Ok(Some(screen))
    }

    /// Draws over what is there, given the columns that there are.
    pub(super) fn draw(&mut self, lines: impl FnOnce(usize) -> Vec<Line>) -> io::Result<()> {
        let (columns, rows) = size();
        let mut frame = String::new();
        // What a terminal does to a picture when it changes its size cannot be drawn over.
        let is_resized = self.size != (columns, rows);
        frame.push_str(if is_resized { "\x1b[2J\x1b[H" } else { "\x1b[H" });
        self.size = (columns, rows);
        for (index, line) in fit(lines(columns), rows).iter().enumerate() {
            if index > 0 {
                frame.push_str("\r\n");
            }
            frame.push_str(&line.render(columns, self.has_colours));
            frame.push_str("\x1b[K");
        }
        frame.push_str("\x1b[J");
        let mut out = io::stdout().lock();
        out.write_all(frame.as_bytes())?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = io::stdout();
        // A terminal that has gone away needs nothing.
        let _ = out.write_all(LEAVE).and_then(|()| out.flush());
        kept_log::release();
    }
}

/// Columns and rows of the terminal now.
fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => SIZE,
    }
}

/// At most `rows` lines: blank ones are given up first, lowest first, then the lowest.
fn fit(mut lines: Vec<Line>, rows: usize) -> Vec<Line> {
    while lines.len() > rows {
        match lines.iter().rposition(Line::is_blank) {
            Some(blank) => drop(lines.remove(blank)),
            None => lines.truncate(rows),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_terminal_loses_blank_lines_first() {
        let lines = || {
            let line = Line::labelled;
            vec![line("a"), Line::blank(), line("b"), Line::blank(), line("c")]
        };
        for (rows, want) in [(9, "a||b||c"), (4, "a||b|c"), (3, "a|b|c"), (2, "a|b"), (0, "")] {
            let shown: Vec<_> = fit(lines(), rows).iter().map(Line::plain).collect();
            assert_eq!(shown.join("|"), want, "{rows} rows");
        }
    }
}
