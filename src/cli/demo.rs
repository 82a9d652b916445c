//! `lbproxy demo`: under construction.

use std::process::ExitCode;

/// Arguments of `lbproxy demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  lbproxy demo")]
pub(super) struct Args {}

/// Runs it.
///
/// # Errors
/// Always, until it is written.
pub(super) fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not written yet")
}
