//! Standard output and standard error of the program: log format, error chain, exit code.

use std::collections::VecDeque;
use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tracing_subscriber::EnvFilter;

/// How lbproxy writes its own messages.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// One readable line each; colours only on a terminal.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

/// Starts the log of the process on standard error; `RUST_LOG` selects, default `info`.
pub(super) fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| LogOutput)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // A second start (only tests do it) keeps the first.
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}

/// Most lines of the log that are kept for a screen; older ones are forgotten.
const KEPT_LINES_MAX: usize = 16;

/// The last lines of the log with their times, while a screen is drawn where they would go.
static KEPT: Mutex<Option<VecDeque<(Instant, String)>>> = Mutex::new(None);

/// Locks what is kept.
fn kept() -> MutexGuard<'static, Option<VecDeque<(Instant, String)>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the log goes: to standard error, or to what is kept. A write is a whole line.
struct LogOutput;

impl std::io::Write for LogOutput {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        if let Some(lines) = &mut *kept() {
            if lines.len() >= KEPT_LINES_MAX {
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
pub(super) fn keep_log() {
    if std::io::stderr().is_terminal() {
        kept().get_or_insert_default();
    }
}

/// The last lines that were kept, with their times, oldest first.
pub(super) fn kept_log() -> Vec<(Instant, String)> {
    kept().iter().flatten().cloned().collect()
}

/// Writes the log again from now on; what was kept is forgotten.
pub(super) fn release_log() {
    kept().take();
}

/// A mistake of the user (exit code 2) rather than a failure at run time (exit code 1).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

/// Writes one line to standard output at once.
///
/// # Errors
/// When the reader has gone away.
pub(super) fn line(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Whether standard output is a terminal on which colours are welcome (<https://no-color.org>).
pub(super) fn has_colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// Prints the chain of causes on one line and gives the exit code.
pub(super) fn fail(error: &anyhow::Error) -> ExitCode {
    let usage = error.is::<UsageError>();
    // A reader that went away (`lbproxy log tail | head`) is a normal end.
    if error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    }) {
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(std::io::stderr(), "lbproxy: {error:#}");
    ExitCode::from(if usage { 2 } else { 1 })
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
