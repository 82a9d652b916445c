//! `lbproxy man`: the manual, from the same table as `--help`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap_mangen::Man;

/// Arguments of `lbproxy man`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Write a page for the program and for each subcommand into this directory instead.
    #[arg(long, value_name = "DIR")]
    all: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy man | man -l -                          read the main page
  lbproxy man --all /usr/local/share/man/man1     install all: man lbproxy-log-query";

/// Prints the main page, or writes all of them.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(dir) = &args.all {
        let fault = || format!("cannot write the pages to {}; create it first", dir.display());
        clap_mangen::generate_to(super::command(), dir).with_context(fault)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut page = Vec::new();
    Man::new(super::command()).render(&mut page)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&page)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
