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
    /// Lines that could not be written since the last that was.
    lost: u64,
}

/// For the whole process, as standard error is.
static KEPT: Mutex<Kept> = Mutex::new(Kept { is_keeping: false, newest: None, lost: 0 });

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kept {
    /// Writes a line, behind the number of those that were lost before it. A log that takes nothing (a
    /// full disk, a limit, a reader that has gone) is no reason to end: lines are lost until it does.
    fn write(&mut self, out: &mut impl Write, line: &[u8]) {
        let lost = match self.lost {
            0 => String::new(),
            count => {
                format!("lbproxy: {count} lines of the log could not be written before this\n")
            }
        };
        match out.write_all(lost.as_bytes()).and_then(|()| out.write_all(line)) {
            Ok(()) => self.lost = 0,
            Err(_) => self.lost += 1,
        }
    }
}

/// Where the log goes: to standard error, or to what is kept. A write is a whole line, and never fails:
/// whoever logs can do nothing about it, and `tracing` would panic.
pub(super) struct LogOutput;

impl Write for LogOutput {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut kept = kept();
        if kept.is_keeping {
            let text = without_colours(&String::from_utf8_lossy(line));
            kept.newest = Some((Instant::now(), text));
        } else {
            kept.write(&mut std::io::stderr(), line);
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
    let mut kept = kept();
    (kept.is_keeping, kept.newest) = (false, None);
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

    /// Goal: a log that takes nothing for a while ends nothing, and says what it lacks. Method: an
    /// output that fails as told.
    #[test]
    fn lines_that_cannot_be_written_are_counted_in_the_log_itself() {
        struct Disk {
            is_full: bool,
            text: String,
        }
        impl Write for Disk {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                if self.is_full {
                    return Err(std::io::ErrorKind::FileTooLarge.into());
                }
                self.text.push_str(std::str::from_utf8(bytes).unwrap());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut kept = Kept { is_keeping: false, newest: None, lost: 0 };
        let mut disk = Disk { is_full: false, text: String::new() };
        for (line, is_full) in
            [("a\n", false), ("b\n", true), ("c\n", true), ("d\n", false), ("e\n", false)]
        {
            disk.is_full = is_full;
            kept.write(&mut disk, line.as_bytes());
        }
        let want = "a\nlbproxy: 2 lines of the log could not be written before this\nd\ne\n";
        assert_eq!(disk.text, want);
    }

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
