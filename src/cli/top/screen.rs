//! The terminal in raw mode on a page of its own, as before when dropped, also after a panic.
//!
//! Not here: what is drawn (`picture`), which keys mean what (`state`).

use std::io::{self, IsTerminal as _};

use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;

use super::super::kept_log;

/// A terminal that is drawn on.
pub(super) struct Screen(DefaultTerminal);

impl Screen {
    /// Whether standard output is a terminal that can be drawn on.
    pub(super) fn is_there() -> bool {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        !is_dumb && io::stdout().is_terminal()
    }

    pub(super) fn open() -> io::Result<Self> {
        kept_log::keep();
        // Also puts the terminal back before a panic is told.
        match ratatui::try_init() {
            Ok(terminal) => Ok(Self(terminal)),
            Err(error) => {
                release();
                Err(error)
            }
        }
    }

    /// Draws a picture; what has not changed is not sent.
    pub(super) fn draw(&mut self, picture: impl FnOnce(&mut Buffer)) -> io::Result<()> {
        self.0.draw(|frame| picture(frame.buffer_mut())).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.0.show_cursor();
        release();
    }
}

/// Puts the terminal back. One that has gone away needs nothing.
fn release() {
    let _ = ratatui::try_restore();
    kept_log::release();
}
