//! `lbproxy slo`: service level objectives, from their files. One file per subcommand.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::{self, Config, Report};
use crate::names;
use crate::slo::file::{self, Objectives};

mod backtest;
mod check;
mod common;
mod compare;
mod compile;
mod export;
mod folder;
mod json;
mod pictures;
mod plot;
mod report;
mod source;
mod svg;
mod test_alert;
mod text;
mod traffic;
mod watch;
mod words;

/// Arguments of `lbproxy slo`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// Shown below `lbproxy slo --help`.
const EXAMPLES: &str = "\
Examples:
  lbproxy slo check                          the objectives of the configuration: every mistake at once
  lbproxy slo check slo/*.yaml               of some files, without a configuration
  lbproxy slo check --journal data/journal   and whether there is traffic enough for their alerts
  lbproxy slo export --to openslo            for the tools of OpenSLO
  lbproxy slo compile --to prometheus        alert rules for another tool
  lbproxy slo test-alert --to oncall         does somebody's phone ring?
  lbproxy slo backtest                       what would have fired on the traffic of the journal
  lbproxy slo report > review.md             the last 30 days: budgets, incidents, who spent them
  lbproxy slo watch                          notify for all instances together
How to write one: docs/slo.md; for editors: lbproxy schema slo.";

/// What can be done with objectives.
#[derive(Debug, Subcommand)]
enum Command {
    /// Validate objectives: all mistakes at once; and warn where traffic is too thin for them.
    Check(check::Args),
    /// Print objectives in the form of another tool.
    Export(export::Args),
    /// Tell a channel of an alert that is none, and that it is over.
    TestAlert(test_alert::Args),
    /// Make alert rules of them for another tool, and tell what it does not do.
    Compile(Box<compile::Args>),
    /// Say which alerts would have fired on traffic that was, and what other objectives would change.
    Backtest(backtest::Args),
    /// Report on budgets, incidents and who spent them, with plots.
    Report(report::Args),
    /// Evaluate over all instances, from what they shipped, and notify: one watcher at a time.
    Watch(watch::Args),
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Check(args) => check::run(args),
        Command::Export(args) => export::run(args),
        Command::TestAlert(args) => test_alert::run(args),
        Command::Compile(args) => compile::run(args),
        Command::Backtest(args) => backtest::run(args),
        Command::Report(args) => report::run(args),
        Command::Watch(args) => watch::run(args),
    }
}

/// Which objectives are meant.
#[derive(Debug, clap::Args)]
struct Which {
    /// Files of objectives; default those that `slo.files` of the configuration names.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The configuration; default /etc/lbproxy/proxy.yaml, then ./proxy.yaml.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Which {
    /// Reads them, with the configuration where it was asked or named.
    ///
    /// # Errors
    /// When the configuration has mistakes.
    fn read(&self) -> Result<(Objectives, Option<Config>), Report> {
        self.read_with(false)
    }

    /// As [`Which::read`]; the configuration also where nothing but its server is needed.
    ///
    /// # Errors
    /// As for [`Which::read`].
    fn read_with(&self, is_needed: bool) -> Result<(Objectives, Option<Config>), Report> {
        let config = if self.files.is_empty() || self.config.is_some() || is_needed {
            Some(config::find(self.config.clone()).and_then(|path| config::load(&path))?)
        } else {
            None
        };
        if let Some(config) = &config {
            names::configure(&config.resolver);
        }
        let objectives = match &config {
            Some(config) if self.files.is_empty() => file::load(config),
            Some(config) => file::load_files_for(config, &self.files),
            None => file::load_files(&self.files),
        };
        Ok((objectives, config))
    }
}
