//! `lbproxy slo report`: what objectives promised and what became of it, for a review.

mod html;
mod markdown;
mod parts;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;

use super::common::{bounds, no_objectives, output, tell};
use super::source::Source;
use super::{Which, json};
use crate::base::units::parse_duration;
use crate::cli::log::Window;
use crate::config::Report;

/// Spenders of each kind that are shown.
const SPENDERS: usize = 5;

/// Arguments of `lbproxy slo report`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    source: Source,
    /// How long a time, up to now or to --until.
    #[arg(long, value_name = "SPAN", default_value = "30d", conflicts_with = "since")]
    window: String,
    /// Which time is meant.
    #[command(flatten)]
    times: Window,
    /// In which form.
    #[arg(long, value_enum, default_value_t = Form::Md)]
    format: Form,
    /// Write it to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Markdown: for a ticket or a wiki.
    Md,
    /// A page with pictures, nothing loaded from elsewhere.
    Html,
    /// Everything, for programs: as `slo backtest` has it.
    Json,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy slo report > review.md                                  the last 30 days of the configuration's journal
  lbproxy slo report --window 7d --format html --out week.html
  lbproxy slo report --elasticsearch --window 30d --format html --out november.html     of all instances
  lbproxy slo report slo/*.yaml --journal data/journal --format json | jq '.objectives[].budget'
A journal holds days rather than a month: the report says how much of the time it knows. Exit code as `slo backtest`.";

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (objectives, config) = match args.which.read_with(args.source.needs_config()) {
        Ok(read) => read,
        Err(report) => return Ok(crate::cli::check::refuse(&report)),
    };
    if !objectives.findings.is_empty() {
        return Ok(crate::cli::check::refuse(&Report { findings: objectives.findings }));
    }
    if objectives.objectives.is_empty() {
        return Err(no_objectives());
    }
    let window = parse_duration(&args.window).filter(|window| *window >= Duration::from_mins(1));
    let window = window.ok_or_else(|| {
        crate::cli::output::UsageError(
            "--window: write a span such as 7d, one minute at least".to_owned(),
        )
    })?;
    let asked = bounds(args.times, Some(window))?;
    let sets = [objectives.objectives];
    let found = args.source.test(&sets, asked, args.which.config.clone(), config.as_ref())?;
    tell(&found);
    let made = match args.format {
        Form::Md => markdown::write(&found)?,
        Form::Html => html::write(&found),
        Form::Json => json::pretty(&json::found(&found))?,
    };
    output(args.out.as_deref(), &made)?;
    Ok(ExitCode::SUCCESS)
}
