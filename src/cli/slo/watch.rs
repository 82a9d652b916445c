//! `lbproxy slo watch`: objectives over all instances, until told to stop.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::fs::FlockOperation;

use crate::admin::{self, WatchSources};
use crate::base::clock::wall_ms;
use crate::base::units;
use crate::cli::output::UsageError;
use crate::cli::signals::{Hangup, Signals};
use crate::config::{self, Config, NotifiedBy};
use crate::names;
use crate::slo::{self, NoData, Objective, file};
use crate::watch::{self, Options, SILENCE_MIN, WatchShown};

/// Arguments of `lbproxy slo watch`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Configuration, `-` for standard input; default /etc/lbproxy/proxy.yaml, then ./proxy.yaml.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address of /healthz, /readyz and /metrics, instead of admin.listen.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// How often to read and evaluate, 1s to 30s. An alert fires after two evaluations and ends after
    /// so long as 72 clean ones take.
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = every)]
    every: Duration,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy slo watch --config proxy.yaml
  lbproxy slo watch -c proxy.yaml --listen 0.0.0.0:9902     probes: /healthz, /readyz
Reads what all instances have shipped to telemetry.elasticsearch and tells slo.notify.channels. Start two: one
notifies, the other takes over. slo.notify.by has to be `watch`, so that instances do not notify themselves.
SIGTERM, SIGINT and SIGQUIT end it: what waits is told, the lease is released. See docs/slo-watch.md.";

/// How often, on the command line.
fn every(text: &str) -> Result<Duration, String> {
    let most = Duration::from_secs(30);
    units::parse_duration(text)
        .filter(|every| (Duration::from_secs(1)..=most).contains(every))
        .ok_or_else(|| "write 1s to 30s".to_owned())
}

/// Watches until a signal.
///
/// # Errors
/// When it cannot be started.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = match config::find(args.config.clone()).and_then(|path| config::load(&path)) {
        Ok(config) => config,
        Err(report) => return Ok(crate::cli::check::refuse(&report)),
    };
    names::configure(&config.resolver);
    let shown = Arc::new(WatchShown::default());
    let (options, _lock) = options(args, &config, Arc::clone(&shown))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start a runtime; raise the limit of threads")?;
    let listen = args.listen.unwrap_or(config.admin.listen);
    let admin = WatchSources {
        shown,
        admin: Arc::default(),
        token: config.admin.token.clone(),
        start: Instant::now(),
    };
    runtime.block_on(serve(options, listen, admin))?;
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

/// From the start to the release of the lease.
async fn serve(options: Options, listen: SocketAddr, admin: WatchSources) -> anyhow::Result<()> {
    let mut signals = Signals::install(Hangup::Told).context("cannot watch for signals")?;
    let listener = admin::bind(listen).await?;
    let address = listener.local_addr().context("cannot read the admin address")?;
    tracing::info!(%address, "admin: /healthz /readyz /metrics");
    let admin_task = tokio::spawn(admin::serve_watch(listener, Arc::new(admin)));
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let watching = watch::run(options, stopping);
    tokio::pin!(watching);
    let ended = tokio::select! {
        ended = &mut watching => ended,
        () = signals.end() => {
            stop.send_replace(true);
            watching.await
        }
    };
    admin_task.abort();
    Ok(ended?)
}

/// What the configuration says, where it is enough; and the lock of the folder.
fn options(
    args: &Args,
    config: &Config,
    shown: Arc<WatchShown>,
) -> anyhow::Result<(Options, File)> {
    let usage = |text: &str| anyhow::Error::from(UsageError(text.to_owned()));
    let telemetry = &config.telemetry;
    let Some(elasticsearch) = telemetry.elasticsearch.clone() else {
        return Err(usage(
            "telemetry.elasticsearch is absent; write the urls of the server that instances ship to",
        ));
    };
    if config.slo.notify.by != NotifiedBy::Watch {
        return Err(usage(
            "slo.notify.by is `instance`: every instance notifies for itself, and a watcher would notify once \
             more; set slo.notify.by: watch for the instances and here",
        ));
    }
    let folder = telemetry.journal.path.join("watch");
    let lock = lock(&folder)?;
    let mut objectives = file::load(config);
    for warning in config.warnings.iter().chain(&objectives.warnings) {
        tracing::warn!("{warning}");
    }
    for finding in &objectives.findings {
        tracing::warn!("{finding}; this is not watched");
    }
    let unread = slo::keep_unread(&mut objectives, &folder, wall_ms());
    shown.slo.objectives_unread.set(unread as u64);
    if objectives.objectives.is_empty() {
        return Err(usage("there is no objective to watch; `lbproxy slo check` says why"));
    }
    if config.slo.notify.channels.is_empty() {
        tracing::warn!(
            "slo.notify.channels is empty: alerts are in this log and on /metrics alone"
        );
    }
    let options = Options {
        elasticsearch,
        namespace: telemetry.namespace.clone(),
        objectives: objectives.objectives.into_iter().map(patient).collect(),
        notify: config.slo.notify.clone(),
        heartbeat_every: telemetry.heartbeat_every,
        instance: telemetry.instance.clone(),
        folder,
        every: args.every,
        shown,
    };
    Ok((options, lock))
}

/// An objective that does not take the time between two records for silence.
fn patient(objective: Arc<Objective>) -> Arc<Objective> {
    let NoData { after: Some((after, severity)), firing } = objective.no_data else {
        return objective;
    };
    if after >= SILENCE_MIN {
        return objective;
    }
    let (name, seconds) = (objective.name.as_str(), SILENCE_MIN.as_secs());
    tracing::warn!(
        name,
        seconds,
        "no_data.after is shorter than records of minutes can tell; this objective is silent after more"
    );
    let no_data = NoData { after: Some((SILENCE_MIN, severity)), firing };
    Arc::new(Objective { no_data, ..Objective::clone(&objective) })
}

/// Keeps a folder for this watcher alone, as long as what this gives lives.
fn lock(folder: &std::path::Path) -> anyhow::Result<File> {
    let cannot = || format!("cannot use {} (below telemetry.journal.path)", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    let file = File::open(folder).with_context(cannot)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
            let folder = folder.display();
            let text = format!(
                "another `lbproxy slo watch` uses {folder}; give each its own telemetry.journal.path"
            );
            Err(UsageError(text).into())
        }
        Err(error) => Err(std::io::Error::from(error)).with_context(cannot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_often_has_bounds() {
        for (text, want) in [
            ("1s", Some(1)),
            ("30s", Some(30)),
            ("10s", Some(10)),
            ("31s", None),
            ("900ms", None),
            ("often", None),
        ] {
            assert_eq!(every(text).ok().map(|every| every.as_secs()), want, "{text}");
        }
        assert_eq!(every("10s"), Ok(crate::slo::EVALUATE_EVERY), "the default");
    }
}
