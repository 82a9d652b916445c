//! `lbproxy run`: journal, data plane, shipping and admin in one process, until told to stop.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use super::output::{self, LogFormat};
use super::process::Process;
use super::signals::{Hangup, Signals};
use crate::base::units;
use crate::config::{self, Config};
use crate::names;
use crate::otlp::ControlPlane;
use crate::slo::file::{self, Objectives};

/// Arguments of `lbproxy run`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Configuration, `-` for standard input; default /etc/lbproxy/proxy.yaml, then ./proxy.yaml.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How long exchanges may go on after SIGTERM, such as 30s.
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = span)]
    drain_timeout: Duration,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy run --config proxy.yaml
  lbproxy run -c proxy.yaml --drain-timeout 5m       let long downloads end
  RUST_LOG=lbproxy=debug lbproxy --log-format json run
SIGTERM, SIGINT, SIGQUIT and `POST /api/v1/drain` end it: no new connections, then the drain.
SIGHUP, SIGUSR1 and SIGUSR2 do not: there is no reload yet, and no log file to reopen.
`--config -` reads standard input; files that it names are then relative to the current folder.";

/// A duration on the command line.
fn span(text: &str) -> Result<Duration, String> {
    units::parse_duration(text).ok_or_else(|| "write a number and a unit, such as 30s".to_owned())
}

/// Runs until SIGTERM, SIGINT, SIGQUIT or `POST /api/v1/drain`.
///
/// # Errors
/// When something cannot be started; nothing is left running then.
pub(super) fn run(args: Args, log: LogFormat) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the control plane")?;
    let signals = {
        let _entered = runtime.enter();
        // Before anything else: no signal of the start is lost, or ends the process at once.
        Signals::install(Hangup::Told).context("cannot watch for signals")?
    };
    let result = runtime.block_on(start(args, log, signals));
    // Whoever reads a configuration that never ends is not waited for.
    runtime.shutdown_background();
    result
}

/// From the configuration to the last line.
async fn start(args: Args, log: LogFormat, mut signals: Signals) -> anyhow::Result<ExitCode> {
    let named = args.config;
    let read = || {
        let config = config::find(named).and_then(|path| config::load(&path))?;
        names::configure(&config.resolver);
        let objectives = file::load(&config);
        Ok::<_, config::Report>((config, objectives))
    };
    let read = tokio::select! {
        biased;
        () = signals.end_before_log() => {
            let _ = writeln!(std::io::stderr(), "lbproxy: told to end before anything was started");
            return Ok(ExitCode::SUCCESS);
        }
        // On a thread of its own: it may wait for standard input.
        read = tokio::task::spawn_blocking(read) => read?,
    };
    let (config, objectives) = match read {
        Ok(read) => read,
        Err(report) => return Ok(super::check::refuse(&report)),
    };
    let (layer, control) = config.telemetry.otlp.as_ref().map(|_| ControlPlane::new()).unzip();
    output::start_log(log, layer.map(|layer| Box::new(layer) as _));
    for warning in config.warnings.iter().chain(&objectives.warnings) {
        tracing::warn!("{warning}");
    }
    for finding in &objectives.findings {
        tracing::warn!("{finding}; lbproxy runs without this");
    }
    serve(&config, objectives, control, args.drain_timeout, &mut signals).await
}

/// From the start to the last line.
async fn serve(
    config: &Config,
    objectives: Objectives,
    control: Option<ControlPlane>,
    drain_timeout: Duration,
    signals: &mut Signals,
) -> anyhow::Result<ExitCode> {
    let process = Process::start(config, objectives, control).await?;
    for address in process.addresses() {
        tracing::info!(%address, workers = config.proxy.workers, "listening");
    }
    tracing::info!(address = %process.admin_address(), "admin: live page at /; /healthz /readyz /metrics /api/v1");
    tokio::select! {
        () = signals.end() => (),
        () = process.drain_asked() => (),
    }
    tracing::info!(seconds = drain_timeout.as_secs(), "draining; no new connections are taken");
    let ledger = process.drain(drain_timeout).await?;
    for equation in ledger.equations() {
        // Whoever read it may have gone, as a terminal does: no failure of the run.
        let _ = writeln!(std::io::stderr(), "lbproxy: {equation}");
    }
    Ok(ExitCode::SUCCESS)
}
