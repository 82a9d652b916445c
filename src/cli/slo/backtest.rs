//! `lbproxy slo backtest`: which alerts objectives would have given on the traffic that really was, and what others
//! would have given instead.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use super::common::{bounds, no_objectives, output, tell};
use super::source::Source;
use super::{Which, compare, json, pictures, text};
use crate::cli::log::Window;
use crate::config::Report;
use crate::slo::file::load_files;

/// Arguments of `lbproxy slo backtest`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Other files: what would they have given instead? May be given several times.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    against: Vec<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// Which time is meant; default all that there is.
    #[command(flatten)]
    window: Window,
    /// In which form.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
    /// Write it to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Forms of a back-test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Tables for people.
    Text,
    /// Everything, for programs.
    Json,
    /// Budgets, burn rates and alerts over time, a picture below the other.
    Svg,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy slo backtest                                  the objectives and the journal of the configuration
  lbproxy slo backtest slo/*.yaml --journal data/journal --since 6h
  lbproxy slo backtest slo/*.yaml --against tight/*.yaml      what changes if I tighten this?
  lbproxy slo backtest --elasticsearch --since 30d      the minutes that all instances have stored
  lbproxy slo backtest --from 2026-11-24 --to 2026-11-25 --format svg --out november-24.svg
Records before the time count for windows and budgets. Nothing is told to anybody, and nothing is changed: the journal
may be that of a running proxy. Exit code 0, whatever would have fired. 2: usage, configuration or objectives.";

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (objectives, config) = match args.which.read_with(args.source.needs_config()) {
        Ok(read) => read,
        Err(report) => return Ok(crate::cli::check::refuse(&report)),
    };
    let others = (!args.against.is_empty()).then(|| load_files(&args.against));
    for read in [Some(&objectives), others.as_ref()].into_iter().flatten() {
        if !read.findings.is_empty() {
            return Ok(crate::cli::check::refuse(&Report { findings: read.findings.clone() }));
        }
    }
    let sets: Vec<_> = std::iter::once(objectives.objectives)
        .chain(others.map(|others| others.objectives))
        .collect();
    if sets.iter().all(Vec::is_empty) {
        return Err(no_objectives());
    }
    let asked = bounds(args.window, None)?;
    let found = args.source.test(&sets, asked, args.which.config.clone(), config.as_ref())?;
    tell(&found);
    let names = ["", "(against)"];
    let made = match args.format {
        Form::Text => text::write(&found)? + &compare::text(&found)?,
        Form::Json => json::pretty(&compare::json(&found))?,
        Form::Svg => pictures::file(&found, names),
    };
    output(args.out.as_deref(), &made)?;
    Ok(ExitCode::SUCCESS)
}
