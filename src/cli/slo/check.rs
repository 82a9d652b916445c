//! `lbproxy slo check`: every mistake of the files, and where traffic is too thin for alerts.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::words::{promise, span};
use super::{Which, traffic};
use crate::cli::output::UsageError;
use crate::config::Report;
use crate::journal;
use crate::slo::Objective;
use crate::slo::file::{Thin, thin};

/// Arguments of `lbproxy slo check`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Look at this journal for how many events there are; default that of the configuration, if there.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy slo check                              slo.files of /etc/lbproxy/proxy.yaml, else ./proxy.yaml
  lbproxy slo check slo/*.yaml                   these alone; no configuration is read
  lbproxy slo check slo/*.yaml --journal DIR     and whether that journal has events enough for them
Exit code 0: they can be used, maybe with warnings. 2: they have mistakes, each on a line with file,
line, column, key and cure; `lbproxy run` goes on without an objective that has one.";

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (objectives, config) = match args.which.read() {
        Ok(read) => read,
        Err(report) => return Ok(crate::cli::check::refuse(&report)),
    };
    let mut stderr = std::io::stderr().lock();
    for warning in &objectives.warnings {
        let _ = writeln!(stderr, "warning: {warning}");
    }
    drop(stderr);
    if !objectives.findings.is_empty() {
        return Ok(crate::cli::check::refuse(&Report { findings: objectives.findings }));
    }
    let journal = match (&args.journal, config) {
        (Some(dir), _) if !journal::is_journal(dir) => {
            let shown = dir.display();
            return Err(
                UsageError(format!("{shown} holds no journal; name the folder of one")).into()
            );
        }
        (Some(dir), _) => Some(dir.clone()),
        (None, config) => config.map(|config| config.telemetry.journal.path),
    };
    let journal = journal.filter(|dir| journal::is_journal(dir));
    let mut out = std::io::stdout().lock();
    for objective in &objectives.objectives {
        writeln!(out, "{}", line(objective))?;
    }
    if let Some(dir) = journal {
        let traffic = traffic::look(&dir, &objectives.objectives)?;
        writeln!(out, "{}", traffic.told(&dir))?;
        for (objective, rate) in objectives.objectives.iter().zip(traffic.rates()) {
            for thin in thin(objective, rate.per_second) {
                let _ = writeln!(
                    std::io::stderr(),
                    "warning: {}",
                    warning(objective, &rate.group, &thin)
                );
            }
        }
    }
    writeln!(out, "ok")?;
    Ok(ExitCode::SUCCESS)
}

/// An objective in a line.
fn line(objective: &Objective) -> String {
    let windows = objective.windows.iter();
    let windows: Vec<_> = windows
        .map(|window| {
            let factor = window.factor(objective.period);
            format!("{} {} {factor:.1}x", window.severity.as_str(), span(window.long))
        })
        .collect();
    let windows = if windows.is_empty() { "no alerts".to_owned() } else { windows.join(", ") };
    format!("{}: {}; {windows}", objective.name, promise(objective))
}

/// What is said of a window that sees too few events.
fn warning(objective: &Objective, group: &str, thin: &Thin) -> String {
    let Thin { window, expected, needed, is_mute } = thin;
    let (name, long) = (&objective.name, span(window.long));
    let of = if group.is_empty() { String::new() } else { format!(" of {group}") };
    let events = format!("{name}: about {expected:.0} events{of} come in {long}");
    if *is_mute {
        let least = objective.min_bad.max(objective.min_total);
        return format!(
            "{events}, and its window asks for {least}: it cannot fire; write a longer `long`, or \
             lower `min_bad` and `min_total`"
        );
    }
    format!(
        "{events}, and with fewer than {:.0} one bad event alone is over the pace of its window: \
         `min_bad`, {}, decides; write a longer `long`, a lower target, or watch several services \
         together",
        needed.ceil(),
        objective.min_bad
    )
}
