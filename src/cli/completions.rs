//! `lbproxy completions`: what shells need to complete our command line.

use std::io::Write as _;
use std::process::ExitCode;

use clap_complete::Shell;

/// Arguments of `lbproxy completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// For which shell.
    #[arg(value_enum)]
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy completions bash > /etc/bash_completion.d/lbproxy
  lbproxy completions zsh > ~/.zfunc/_lbproxy                      with ~/.zfunc in $fpath
  lbproxy completions fish > ~/.config/fish/completions/lbproxy.fish
  source <(lbproxy completions bash)                               for this shell alone";

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "lbproxy", &mut script);
    let mut out = std::io::stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
