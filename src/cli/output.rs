//! Standard output and standard error of the program: log format, error chain, exit code.

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// How lbproxy writes its own messages.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// One readable line each; colours only on a terminal.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

/// Starts the log of the process on standard error; `RUST_LOG` selects, default `info`. Spans of the
/// control plane go to `spans` alone; lines are events.
pub(super) fn start_log(format: LogFormat, spans: Option<Box<dyn Layer<Registry> + Send + Sync>>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = filter.and(filter_fn(is_event));
    let log = tracing_subscriber::fmt::layer()
        .with_writer(|| super::kept_log::LogOutput)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let all = tracing_subscriber::registry().with(spans);
    // A second start (only tests do it) keeps the first.
    let _ = match format {
        LogFormat::Text => all.with(log.with_filter(filter)).try_init(),
        LogFormat::Json => all.with(log.json().with_filter(filter)).try_init(),
    };
}

/// Whether something is a line of the log.
fn is_event(metadata: &tracing::Metadata<'_>) -> bool {
    metadata.is_event()
}

/// A mistake of the user (exit code 2) rather than a failure at run time (exit code 1).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

/// For clap: the URL of a server; what else an address may not have is told by whoever needs it.
pub(super) fn url(text: &str) -> Result<url::Url, String> {
    let no_url = |_| "write scheme, host and port, such as http://127.0.0.1:9200".to_owned();
    url::Url::parse(text).map_err(no_url)
}

/// For clap: what stands before and behind the first `=`, neither of them empty; else `cure` is said.
pub(super) fn pair(text: &str, cure: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
    let (name, value) = pair.ok_or(cure)?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Writes one line to standard output at once.
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

/// Whether whoever read standard output has gone away, which a program with nothing to write would
/// never notice.
pub(super) fn is_closed() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = std::io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::ERR)
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
    let _ = writeln!(std::io::stderr(), "lbproxy: {}", chain(error));
    ExitCode::from(if usage { 2 } else { 1 })
}

/// The causes, outermost first; what a message says itself is not said again.
fn chain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |mut told, cause| {
        if !told.contains(&cause) {
            told.push_str(if told.is_empty() { "" } else { ": " });
            told.push_str(&cause);
        }
        told
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let io = std::io::Error::other("disk on fire");
        let error = anyhow::Error::new(io).context("cannot read f: disk on fire; buy another");
        assert_eq!(chain(&error), "cannot read f: disk on fire; buy another");
        let error = anyhow::anyhow!("no space").context("cannot write");
        assert_eq!(chain(&error), "cannot write: no space");
    }
}
