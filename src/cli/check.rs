//! `lbproxy check`: under construction.

use std::process::ExitCode;

/// Arguments of `lbproxy check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Runs it.
///
/// # Errors
/// Always, until it is written.
pub(super) fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not written yet")
}
