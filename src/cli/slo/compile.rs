//! `lbproxy slo compile`: objectives as rules of another tool, and what that tool does not do.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use url::Url;

use super::Which;
use super::folder::{self, FileState};
use crate::cli::output::{UsageError, pair, url};
use crate::compile::{Compiled, Loss, Site, TOOLS, Tool, source_hash};
use crate::config::{Config, Report};
use crate::slo::file::Objectives;

/// Arguments of `lbproxy slo compile`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// For which tool.
    #[arg(long, value_name = "TOOL", value_parser = tool())]
    to: &'static Tool,
    /// Write the files into this folder, made when it is missing; without it they are printed.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write nothing; exit code 1 when the folder is not what would be written.
    #[arg(long, requires = "out")]
    check: bool,
    /// How the report is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Alertmanager, for tools that hand alerts to it.
    #[arg(long, value_name = "URL", value_parser = url)]
    alertmanager: Option<Url>,
    /// Kibana or OpenSearch Dashboards, for links; default that of the configuration.
    #[arg(long, value_name = "URL", value_parser = url)]
    dashboards: Option<Url>,
    /// A route of `notify` and the id of a connector or channel that stands for it; may be repeated.
    #[arg(long = "channel", value_name = "NAME=ID", value_parser = channel)]
    channels: Vec<(String, String)>,
    /// Last part of the data streams' names; default that of the configuration, else `default`.
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    #[command(flatten)]
    which: Which,
}

/// How the report is printed.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy slo compile --to prometheus                        print the rules
  lbproxy slo compile --to prometheus --out /etc/prometheus/rules
  lbproxy slo compile --to elastalert2 --out rules --check   in CI: are the files those of the objectives?
  lbproxy slo compile --to prometheus --out rules --format json slo/*.yaml
The report names what the tool does not do as lbproxy does; docs/slo-compile.md has all of it, and how
files are loaded. Exit code 1: --check found a difference, or a file cannot be written; 2: objectives
with mistakes.";

/// Reads the name of a tool.
fn tool() -> impl clap::builder::TypedValueParser<Value = &'static Tool> {
    let names = PossibleValuesParser::new(TOOLS.map(|tool| tool.name));
    names.try_map(|name| Tool::find(&name).ok_or("is no tool"))
}

/// Reads a route and what stands for it.
fn channel(text: &str) -> Result<(String, String), String> {
    pair(text, "write the route and its id, such as on-call=my-connector")
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (objectives, config) = match args.which.read() {
        Ok(read) => read,
        Err(report) => return Ok(crate::cli::check::refuse(&report)),
    };
    if !objectives.findings.is_empty() {
        return Ok(crate::cli::check::refuse(&Report { findings: objectives.findings }));
    }
    let site = site(args, config.as_ref())?;
    let compiled = args.to.run(&objectives.objectives, &site);
    let Some(dir) = &args.out else {
        print(&compiled)?;
        report(args, &objectives, &compiled, &[], &mut io::stderr().lock())?;
        return Ok(ExitCode::SUCCESS);
    };
    let files = folder::compare(dir, args.to.name, &compiled.files)?;
    if !args.check {
        folder::write(dir, &compiled.files, &files)?;
    }
    report(args, &objectives, &compiled, &files, &mut io::stdout().lock())?;
    let is_same = files.iter().all(|(_, state)| *state == FileState::Same);
    Ok(if args.check && !is_same { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Where the files are used, from the arguments, else from the configuration.
fn site(args: &Args, config: Option<&Config>) -> anyhow::Result<Site> {
    let address = |name: &str, url: Option<&Url>| -> Result<Option<String>, UsageError> {
        let Some(url) = url else { return Ok(None) };
        if !url.username().is_empty() || url.password().is_some() {
            let what =
                format!("--{name} has credentials, which would stand in a file that others read");
            return Err(UsageError(format!(
                "{what}; give the address alone, and them to the tool"
            )));
        }
        Ok(Some(url.as_str().trim_end_matches('/').to_owned()))
    };
    let namespace = config.map(|config| config.telemetry.namespace.clone());
    let server = config.and_then(|config| config.telemetry.elasticsearch.as_ref());
    let dashboards = server.and_then(|server| Some(server.dashboards.as_ref()?.url.clone()));
    let dashboards = args.dashboards.clone().or(dashboards);
    Ok(Site {
        namespace: args.namespace.clone().or(namespace).unwrap_or_else(|| "default".to_owned()),
        dashboards: address("dashboards", dashboards.as_ref())?,
        alertmanager: address("alertmanager", args.alertmanager.as_ref())?,
        channels: args.channels.clone(),
    })
}

/// Prints files; several with their names before them.
fn print(compiled: &Compiled) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for file in &compiled.files {
        if compiled.files.len() > 1 {
            writeln!(out, "---\n# {}", file.path)?;
        }
        out.write_all(file.text.as_bytes())?;
    }
    out.flush()
}

/// Prints what became of files, and what is lost.
fn report(
    args: &Args,
    objectives: &Objectives,
    compiled: &Compiled,
    files: &[(String, FileState)],
    out: &mut impl Write,
) -> io::Result<()> {
    let hash = source_hash(&objectives.objectives);
    match args.format {
        Format::Text => text(args, &hash, files, &compiled.losses, out),
        Format::Json => {
            let names = objectives.objectives.iter().map(|objective| objective.name.as_str());
            let files = files.iter().map(|(path, state)| {
                serde_json::json!({ "path": path, "state": state.as_str(), "difference": state.told() })
            });
            let losses = compiled.losses.iter().map(|loss| {
                let Loss { objective, what, why, instead } = loss;
                serde_json::json!({ "objective": objective, "what": what, "why": why, "instead": instead })
            });
            let report = serde_json::json!({
                "tool": args.to.name,
                "objectives": names.collect::<Vec<_>>(),
                "source_sha256": hash,
                "files": files.collect::<Vec<_>>(),
                "losses": losses.collect::<Vec<_>>(),
            });
            writeln!(out, "{report:#}")
        }
    }
}

/// The report for people: losses that several objectives share stand once.
fn text(
    args: &Args,
    hash: &str,
    files: &[(String, FileState)],
    losses: &[Loss],
    out: &mut impl Write,
) -> io::Result<()> {
    let dir = args.out.as_deref().unwrap_or(Path::new(""));
    for (path, state) in files {
        let shown = dir.join(path);
        match (state, args.check) {
            (FileState::Same, _) => writeln!(out, "same     {}", shown.display())?,
            (FileState::Stale, false) => writeln!(out, "removed  {}", shown.display())?,
            (_, false) => writeln!(out, "written  {}", shown.display())?,
            (state, true) => writeln!(out, "differs  {}: {}", shown.display(), state.told())?,
        }
    }
    writeln!(out, "{} from objectives sha256:{}", args.to.title, &hash[..16])?;
    let mut shown: Vec<(&Loss, Vec<&str>)> = Vec::new();
    for loss in losses {
        let same = |(other, _): &&mut (&Loss, _)| {
            (&other.what, &other.why, &other.instead) == (&loss.what, &loss.why, &loss.instead)
        };
        match shown.iter_mut().find(same) {
            Some((_, names)) => names.push(&loss.objective),
            None => shown.push((loss, vec![&loss.objective])),
        }
    }
    for (loss, names) in shown {
        let Loss { what, why, instead, .. } = loss;
        writeln!(out, "not as lbproxy does: {what}: {why}; {instead} ({})", names.join(", "))?;
    }
    Ok(())
}
