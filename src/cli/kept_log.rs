//! The log while a screen is drawn where its lines would go: the newest is kept to be shown there.
//!
//! Not here: what is logged and in which format (`output`).

use std::io::{IsTerminal as _, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[derive(Debug)]
struct Kept {
    /// Whether they are kept; else they are written.
    is_keeping: bool,
    /// The newest that was kept, with its time.
    newest: Option<(Instant, String)>,
}

/// For the whole process, as standard error is.
static KEPT: Mutex<Kept> = Mutex::new(Kept { is_keeping: false, newest: None });

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the log goes: to standard error, or to what is kept. A write is a whole line.
pub(super) struct LogOutput;

impl Write for LogOutput {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut kept = kept();
        if kept.is_keeping {
            let text = without_colours(&String::from_utf8_lossy(line));
            kept.newest = Some((Instant::now(), text));
        } else {
            std::io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Keeps the log from now on, if it would go to the terminal.
pub(super) fn keep() {
    kept().is_keeping = std::io::stderr().is_terminal();
}

/// The newest line that was kept, with its time.
pub(super) fn newest() -> Option<(Instant, String)> {
    kept().newest.clone()
}

/// Writes the log again from now on; what was kept is forgotten.
pub(super) fn release() {
    *kept() = Kept { is_keeping: false, newest: None };
}

/// A line of the log without what sets colours, and without its end.
fn without_colours(line: &str) -> String {
    let mut parts = line.trim_end().split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.filter_map(|part| part.split_once('m')).fold(first, |line, (_, rest)| line + rest)
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
