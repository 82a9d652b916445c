//! The log while a screen is drawn where its lines would go: the last few are kept to be shown there.
//!
//! Not here: what is logged and in which format (`output`).

use std::collections::VecDeque;
use std::io::{IsTerminal as _, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Most lines that are kept; older ones are forgotten.
const LINES_MAX: usize = 16;

/// The last lines of the log with their times, while a screen is drawn where they would go.
static KEPT: Mutex<Option<VecDeque<(Instant, String)>>> = Mutex::new(None);

/// Locks what is kept.
fn kept() -> MutexGuard<'static, Option<VecDeque<(Instant, String)>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the log goes: to standard error, or to what is kept. A write is a whole line.
pub(super) struct LogOutput;

impl Write for LogOutput {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        if let Some(lines) = &mut *kept() {
            if lines.len() >= LINES_MAX {
                lines.pop_front();
            }
            lines.push_back((Instant::now(), without_colours(&String::from_utf8_lossy(line))));
        } else {
            std::io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A line of the log without what sets colours, and without its end.
fn without_colours(line: &str) -> String {
    let mut parts = line.trim_end().split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.filter_map(|part| part.split_once('m')).fold(first, |line, (_, rest)| line + rest)
}

/// Keeps the log from now on instead of writing it, if it would go to the terminal.
pub(super) fn keep() {
    if std::io::stderr().is_terminal() {
        kept().get_or_insert_default();
    }
}

/// The last lines that were kept, with their times, oldest first.
pub(super) fn lines() -> Vec<(Instant, String)> {
    kept().iter().flatten().cloned().collect()
}

/// Writes the log again from now on; what was kept is forgotten.
pub(super) fn release() {
    kept().take();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_lines_have_no_colours() {
        for (name, line, want) in [
            ("none", "WARN it\n", "WARN it"),
            ("some", "\x1b[2m12:00\x1b[0m \x1b[33m WARN\x1b[0m it\n", "12:00  WARN it"),
            ("cut", "it\x1b[3", "it"),
        ] {
            assert_eq!(without_colours(line), want, "{name}");
        }
    }
}
