//! `lbproxy check`: every mistake of a configuration and of what it names, or what it means.

mod here;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use crate::config::{self, Config};
use crate::slo::{self, Objective};

/// Arguments of `lbproxy check`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Configuration, `-` for standard input; default /etc/lbproxy/proxy.yaml, then ./proxy.yaml.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy check                           /etc/lbproxy/proxy.yaml, else ./proxy.yaml
  lbproxy check -c proxy.yaml && systemctl restart lbproxy
  envsubst <proxy.tmpl | lbproxy check -c -
Looks as the user who runs it, on this machine: files, certificates and keys, the journal's folder,
ports. Nothing is bound, made or connected. Exit code 0: it can be used, maybe with warnings. 2: it has
mistakes, each on a line with file, line, column, key and cure.";

/// Prints findings and exits with 2, or prints a summary.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = match config::find(args.config).and_then(|path| config::load(&path)) {
        Ok(config) => config,
        Err(report) => return Ok(refuse(&report)),
    };
    for warning in &config.warnings {
        let _ = writeln!(std::io::stderr(), "warning: {warning}");
    }
    let slo = slo::file::load(&config);
    for warning in &slo.warnings {
        let _ = writeln!(std::io::stderr(), "warning: {warning}");
    }
    let findings = [here::look(&config), slo.findings].concat();
    if !findings.is_empty() {
        return Ok(refuse(&config::Report { findings }));
    }
    summary(&config, &slo.objectives, &mut std::io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

/// Prints findings to standard error.
pub(super) fn refuse(report: &config::Report) -> ExitCode {
    let mut stderr = std::io::stderr().lock();
    for finding in &report.findings {
        let _ = writeln!(stderr, "{finding}");
    }
    let count = report.findings.len();
    let plural = if count == 1 { "" } else { "s" };
    let _ = writeln!(stderr, "lbproxy: {count} mistake{plural}");
    ExitCode::from(2)
}

/// What a configuration means, in a few lines.
fn summary(
    config: &Config,
    objectives: &[Arc<Objective>],
    out: &mut impl std::io::Write,
) -> std::io::Result<()> {
    for listener in &config.proxy.listeners {
        let scheme = if listener.tls.is_some() { "https" } else { "http" };
        let socket = std::net::SocketAddr::new(listener.address, listener.port);
        writeln!(out, "listen   {scheme}://{socket}  ({} workers)", config.proxy.workers)?;
    }
    for service in &config.proxy.services {
        let fixed = service.hosts.iter().map(ToString::to_string);
        let hosts = fixed.chain(service.discovered.iter().map(ToString::to_string));
        let hosts: Vec<_> = hosts.collect();
        let domains: Vec<_> = service
            .domains
            .iter()
            .map(|domain| match domain {
                config::Domain::Exact(name) => name.clone(),
                config::Domain::Suffix(name) => format!("*{name}"),
                config::Domain::Any => "*".to_owned(),
            })
            .collect();
        writeln!(out, "service  {}: {} -> {}", service.name, domains.join(" "), hosts.join(" "))?;
    }
    let journal = &config.telemetry.journal;
    let size = crate::base::units::format_bytes(journal.size_bytes);
    writeln!(out, "journal  {} up to {size}", journal.path.display())?;
    match &config.telemetry.elasticsearch {
        Some(target) => {
            let urls: Vec<_> = target.urls.iter().map(ToString::to_string).collect();
            writeln!(out, "ship     {}", urls.join(" "))?;
        }
        None => writeln!(out, "ship     nothing: telemetry.elasticsearch is not set")?,
    }
    let names: Vec<_> = objectives.iter().map(|objective| objective.name.as_str()).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(" ") };
    writeln!(out, "slo      {names}")?;
    let channels = config.slo.notify.channels.iter();
    let channels: Vec<_> =
        channels.map(|one| format!("{} ({})", one.name, one.target.kind().as_str())).collect();
    if !channels.is_empty() {
        writeln!(out, "notify   {}", channels.join(", "))?;
    }
    writeln!(out, "ok")
}
