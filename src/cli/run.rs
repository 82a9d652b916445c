//! `lbproxy run`: journal, data plane, shipping and admin in one process, until told to stop.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::output::{self, LogFormat};
use super::process::Process;
use crate::base::units;
use crate::config::{self, Config};
use crate::otlp::ControlPlane;

/// Arguments of `lbproxy run`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Configuration; default /etc/lbproxy/proxy.yaml, then ./proxy.yaml.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How long exchanges may go on after SIGTERM, such as 30s.
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = span)]
    drain_timeout: Duration,
}

/// Shown below `--help`.
const EXAMPLES: &str = "\
Examples:
  lbproxy run --config proxy.yaml
  lbproxy run -c proxy.yaml --drain-timeout 5m       let long downloads end
  RUST_LOG=lbproxy=debug lbproxy --log-format json run
SIGTERM, SIGINT and `POST /api/v1/drain` end it: no new connections, then the drain.";

/// A duration on the command line.
fn span(text: &str) -> Result<Duration, String> {
    units::parse_duration(text).ok_or_else(|| "write a number and a unit, such as 30s".to_owned())
}

/// Runs until SIGTERM, SIGINT or `POST /api/v1/drain`.
///
/// # Errors
/// When something cannot be started; nothing is left running then.
pub(super) fn run(args: Args, log: LogFormat) -> anyhow::Result<ExitCode> {
    let config = match config::find(args.config).and_then(|path| config::load(&path)) {
        Ok(config) => config,
        Err(report) => return Ok(super::check::refuse(&report)),
    };
    let (layer, control) = config.telemetry.otlp.as_ref().map(|_| ControlPlane::new()).unzip();
    output::start_log(log, layer.map(|layer| Box::new(layer) as _));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the control plane")?;
    runtime.block_on(serve(&config, control, args.drain_timeout))
}

/// From the start to the last line.
///
/// # Errors
/// When something cannot be started.
async fn serve(
    config: &Config,
    control: Option<ControlPlane>,
    drain_timeout: Duration,
) -> anyhow::Result<ExitCode> {
    // Before anything runs: a signal during the start is not lost.
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let process = Process::start(config, control).await?;
    for address in process.addresses() {
        tracing::info!(%address, workers = config.proxy.workers, "listening");
    }
    tracing::info!(address = %process.admin_address(), "admin: live page at /; /healthz /readyz /metrics /api/v1");
    tokio::select! {
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
        () = process.drain_asked() => (),
    }
    tracing::info!(seconds = drain_timeout.as_secs(), "draining; no new connections are taken");
    let ledger = process.drain(drain_timeout).await?;
    for equation in ledger.equations() {
        writeln!(std::io::stderr(), "lbproxy: {equation}")?;
    }
    Ok(ExitCode::SUCCESS)
}
