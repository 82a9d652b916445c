//! `lbproxy run`: journal, data plane, shipping and admin in one process, until told to stop.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::admin;
use crate::base::units;
use crate::config::{self, Config};
use crate::journal::{self, Journal};
use crate::metrics::{AdminMetrics, JournalMetrics};
use crate::proxy;
use crate::record::Constants;

/// Bytes of one segment: small, since three per lane are mapped at a time.
const SEGMENT_BYTES: u32 = 1 << 20;

/// Arguments of `lbproxy run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration; default /etc/lbproxy/proxy.yaml, then ./proxy.yaml.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How long exchanges may go on after SIGTERM, such as 30s.
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = span)]
    drain_timeout: Duration,
}

/// A duration on the command line.
fn span(text: &str) -> Result<Duration, String> {
    units::parse_duration(text).ok_or_else(|| "write a number and a unit, such as 30s".to_owned())
}

/// Runs until SIGTERM, SIGINT or `POST /api/v1/drain`.
///
/// # Errors
/// When something cannot be started; nothing is left running then.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = match config::find(args.config).and_then(|path| config::load(&path)) {
        Ok(config) => config,
        Err(report) => return Ok(super::check::refuse(&report)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the control plane")?;
    runtime.block_on(serve(config, args.drain_timeout))
}

/// A started process: what has to be stopped in order.
async fn serve(config: Config, drain_timeout: Duration) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let listener = admin::bind(config.admin.listen).await?;
    let admin_address = listener.local_addr().context("cannot read the admin address")?;
    let journal_metrics = Arc::new(JournalMetrics::default());
    let (journal, mut lanes) = open_journal(&config, &journal_metrics)?;
    let control = lanes.pop();
    let running = proxy::start(proxy::Options {
        config: config.proxy.clone(),
        lanes,
        when_full: config.telemetry.journal.when_full,
        instance: journal.identity().instance,
    })?;
    let (drain, mut draining) = watch::channel(false);
    let figures = running.figures();
    let sources = Arc::new(admin::Sources {
        proxy: Arc::clone(&figures),
        journal: Arc::clone(&journal_metrics),
        ship: None,
        admin: AdminMetrics::default(),
        start,
        drain,
        token: config.admin.token.clone(),
    });
    let admin_task = tokio::spawn(admin::serve(listener, Arc::clone(&sources)));
    for address in running.addresses() {
        tracing::info!(%address, workers = config.proxy.workers, "listening");
    }
    tracing::info!(address = %admin_address, "admin: /healthz /readyz /metrics");
    wait_for_stop(&sources, &mut draining).await?;

    tracing::info!(seconds = drain_timeout.as_secs(), "draining; no new connections are taken");
    let cut = tokio::task::spawn_blocking(move || running.drain(drain_timeout)).await?;
    if cut > 0 {
        tracing::warn!(connections = cut, "cut at the end of the drain; their records say so");
    }
    drop(control);
    journal.close();
    equations(&journal_metrics, figures.records_created())?;
    tokio::time::sleep(admin::LAST_ANSWERS).await;
    admin_task.abort();
    Ok(ExitCode::SUCCESS)
}

/// Opens the journal with one lane per worker and the control lane.
fn open_journal(
    config: &Config,
    metrics: &Arc<JournalMetrics>,
) -> anyhow::Result<(Journal, Vec<journal::Lane>)> {
    let constants = Constants {
        node_name: config.telemetry.instance.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config_hash: config.hash.clone(),
    };
    let options = journal::Options {
        dir: config.telemetry.journal.path.clone(),
        bytes_max: config.telemetry.journal.size_bytes,
        segment_bytes: SEGMENT_BYTES,
        sync_every: config.telemetry.journal.sync,
        workers: u8::try_from(config.proxy.workers.get()).unwrap_or(u8::MAX),
        preamble: constants.encode(),
        metrics: Arc::clone(metrics),
    };
    Ok(Journal::open(options)?)
}

/// Waits for a signal or the admin's word.
async fn wait_for_stop(
    sources: &admin::Sources,
    draining: &mut watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
        _ = draining.wait_for(|draining| *draining) => (),
    }
    sources.drain.send_replace(true);
    Ok(())
}

/// The last line: what became of every record.
fn equations(journal: &JournalMetrics, created: u64) -> std::io::Result<()> {
    let (appended, dropped) = (journal.appended_total.value(), journal.dropped_full_total.value());
    let verdict = if created == appended + dropped { "holds" } else { "DOES NOT HOLD" };
    writeln!(
        std::io::stderr(),
        "lbproxy: created {created} = journaled {appended} + dropped_full {dropped} ({verdict})"
    )
}
