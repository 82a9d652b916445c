//! `lbproxy slo export`: objectives for other tools.

use std::io::Write as _;
use std::process::ExitCode;

use clap::ValueEnum;

use super::Which;
use crate::config::Report;
use crate::slo::file;

/// Arguments of `lbproxy slo export`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// In which form.
    #[arg(long, value_enum)]
    to: Form,
    #[command(flatten)]
    which: Which,
}

/// Forms of other tools.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// OpenSLO v1, one document each; lbproxy reads it too. What OpenSLO cannot say is the annotation
    /// `x-lbproxy`.
    Openslo,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy slo export --to openslo > objectives.yaml      those of the configuration, or the usual two
  lbproxy slo export --to openslo slo/latency.yaml
Nothing is left to a default, so the file means the same for later versions. Nothing is printed when
there is a mistake.";

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let objectives = match args.which.read() {
        Ok((objectives, _)) => objectives,
        Err(report) => return Ok(super::super::check::refuse(&report)),
    };
    if !objectives.findings.is_empty() {
        return Ok(super::super::check::refuse(&Report { findings: objectives.findings }));
    }
    let Form::Openslo = args.to;
    let mut out = std::io::stdout().lock();
    for objective in &objectives.objectives {
        out.write_all(file::print(objective).as_bytes())?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
