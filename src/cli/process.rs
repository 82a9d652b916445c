//! One whole lbproxy in this process: journal, data plane, shipping, admin. `run` and `demo` start it
//! here, and end it in the same order.
//!
//! Start: admin address, journal, its consumers, data plane, vitals; whatever fails, nothing is left
//! running. End: no more vitals, no new connections, exchanges end, the journal takes their records,
//! shipping takes what it can, and [`Ledger`] says what became of every record.

use std::io::Read as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::objectives;
use crate::admin;
use crate::base::hex::hex;
use crate::config::{self, Config, NotifiedBy};
use crate::consumer;
use crate::control::{self, Control};
use crate::elk::Product;
use crate::journal::{self, Journal, Lane};
use crate::metrics::{JournalMetrics, Ledger, RollupMetrics, ShipMetrics};
use crate::notify;
use crate::otlp;
use crate::proxy;
use crate::record::{Constants, IdForm, Stream};
use crate::rollup;
use crate::ship;
use crate::slo::{self, file::Objectives};
use crate::vitals;

/// Bytes of one segment: small, since three per lane are mapped at a time.
const SEGMENT_BYTES: u32 = 1 << 20;
/// Least time that shipping gets at the end, even when exchanges took the whole drain.
const FLUSH_MIN: Duration = Duration::from_secs(5);

/// Least time that traces get beyond that of shipping.
const TRACES_MIN: Duration = Duration::from_secs(1);
/// Time that notices get for one more try; those that wait are told after the next start.
const NOTICES_MIN: Duration = Duration::from_secs(5);

pub(super) struct Process {
    journal: Journal,
    /// The lane of everything but exchanges.
    control: Arc<Control>,
    vitals: vitals::Running,
    running: proxy::Running,
    /// Rollups, unless they are off.
    rollups: Option<consumer::Running>,
    /// The evaluation of objectives, if there are any.
    objectives: Option<consumer::Running>,
    shipping: Option<consumer::Running>,
    traces: Option<consumer::Running>,
    /// Notices of objectives, if there is a channel.
    notices: Option<notify::Running>,
    /// What the admin listener shows.
    sources: Arc<admin::Sources>,
    admin_task: JoinHandle<()>,
    admin_address: std::net::SocketAddr,
}

impl Process {
    /// Starts everything, with what files say of objectives; `plane` has the control plane's own spans, if they are
    /// exported.
    ///
    /// # Errors
    /// When something cannot be started; nothing is left running then.
    pub(super) async fn start(
        config: &Config,
        objectives: Objectives,
        plane: Option<otlp::ControlPlane>,
    ) -> anyhow::Result<Self> {
        let start = Instant::now();
        let listener = admin::bind(config.admin.listen).await?;
        let admin_address = listener.local_addr().context("cannot read the admin address")?;
        let (journal, mut lanes) = open_journal(config)?;
        let control = Arc::new(Control::new(lanes.pop().context("no control lane")?));
        let telemetry = &config.telemetry;
        let probe_token = probe_token();
        let product = Arc::default();
        let (shipping, ship) = start_shipping(config, &journal, &product)?;
        let (traces, otlp) = start_traces(config, &journal, plane)?;
        let (rollups, rollup) = start_rollups(config, &journal, &control)?;
        let (notices, sink) = start_notices(config)?;
        let watch = objectives::start(config, objectives, &journal, &control, sink)?;
        journal.forget_unused()?; // of what is off, and of what only a newer version knows
        let running = proxy::start(proxy::Options {
            config: config.proxy.clone(),
            lanes,
            when_full: config.telemetry.journal.when_full,
            instance: journal.identity().instance,
            probe_token: telemetry.heartbeat_every.map(|_| probe_token.clone()),
            traces: config.telemetry.otlp.as_ref().map(|otlp| otlp.sample),
        })?;
        let vitals = vitals::start(vitals::Options {
            instance: telemetry.instance.clone(),
            listeners: config.proxy.listeners.clone(),
            addresses: running.addresses().to_vec(),
            probe_token,
            heartbeat_every: telemetry.heartbeat_every,
            process_every: telemetry.process_every,
            start,
            journal_folder: telemetry.journal.path.clone(),
            figures: running.figures(),
            control: Arc::clone(&control),
            journal: journal.figures(),
            ship: ship.as_ref().map(|ship| (ship.reader, Arc::clone(&ship.metrics))),
        });
        let sources = Arc::new(admin::Sources {
            proxy: running.figures(),
            journal: journal.figures(),
            control: Arc::clone(&control),
            rollup,
            slo: watch.slo,
            targets: watch.targets,
            ship,
            vitals: vitals.metrics(),
            otlp,
            notify: notices.as_ref().map(notify::Running::metrics),
            admin: Arc::default(),
            about: about(config, running.addresses(), product),
            start,
            drain: watch::channel(false).0,
            token: config.admin.token.clone(),
        });
        let admin_task = tokio::spawn(admin::serve(listener, Arc::clone(&sources)));
        Ok(Self {
            journal,
            control,
            vitals,
            running,
            rollups,
            objectives: watch.running,
            shipping,
            traces,
            notices,
            sources,
            admin_task,
            admin_address,
        })
    }

    /// Where the data plane listens, in the order of the listeners.
    pub(super) fn addresses(&self) -> &[std::net::SocketAddr] {
        self.running.addresses()
    }

    pub(super) fn admin_address(&self) -> std::net::SocketAddr {
        self.admin_address
    }

    /// What the admin listener shows.
    pub(super) fn sources(&self) -> &Arc<admin::Sources> {
        &self.sources
    }

    /// Waits until somebody asks for the drain over the admin listener.
    pub(super) async fn drain_asked(&self) {
        // The sender lives in `sources`, so this waits for the value alone.
        let _ = self.sources.drain.subscribe().wait_for(|draining| *draining).await;
    }

    /// Ends everything in order and gives the account.
    pub(super) async fn drain(self, timeout: Duration) -> anyhow::Result<Ledger> {
        let Self {
            journal,
            control,
            vitals,
            running,
            rollups,
            objectives,
            shipping,
            traces,
            notices,
            sources,
            admin_task,
            ..
        } = self;
        sources.drain.send_replace(true);
        // Before the listeners close: that is no outage.
        vitals.stop().await;
        let until = Instant::now() + timeout;
        let account = Arc::clone(&sources);
        let ledger = tokio::task::spawn_blocking(move || {
            let cut = running.drain(timeout);
            if cut > 0 {
                tracing::warn!(
                    connections = cut,
                    "cut at the end of the drain; their records say so"
                );
            }
            if rollups.is_some_and(|rollups| !rollups.stop(FLUSH_MIN)) {
                tracing::warn!("rollups did not end in time; the next start goes on with them");
            }
            if objectives.is_some_and(|objectives| !objectives.stop(FLUSH_MIN)) {
                tracing::warn!("objectives were not evaluated to the end; the next start goes on with them");
            }
            control.close();
            // Both at the same time: neither waits for the other's server.
            if let Some(traces) = &traces {
                traces.ask_to_stop();
            }
            if let Some(shipping) = shipping {
                let flush = until.saturating_duration_since(Instant::now()).max(FLUSH_MIN);
                if !shipping.stop(flush) {
                    tracing::warn!("shipping did not end in time; the rest stays in the journal");
                }
            }
            if let Some(traces) = traces {
                let flush = until.saturating_duration_since(Instant::now()).max(TRACES_MIN);
                if !traces.stop(flush) {
                    tracing::warn!("traces did not end in time; the rest stays in the journal");
                }
            }
            if notices.is_some_and(|notices| !notices.stop(NOTICES_MIN)) {
                tracing::warn!("notices did not end in time; the next start tells the rest");
            }
            let records = journal.figures().pending_unfindable(ship::READER);
            if records > 0 {
                tracing::warn!(
                    records,
                    "of what is pending are in journal files that were removed or moved: the next start \
                     cannot find them"
                );
            }
            journal.close();
            account.ledger()
        })
        .await?;
        // Readers of the last pages get them.
        tokio::time::sleep(admin::LAST_ANSWERS).await;
        admin_task.abort();
        Ok(ledger)
    }
}

/// A token that nobody can guess: 128 bits of the system's own randomness.
fn probe_token() -> String {
    let mut bytes = [0_u8; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    if read.is_err() {
        bytes.fill_with(|| fastrand::u8(..));
    }
    hex(&bytes)
}

/// What is constant for this run.
fn constants(config: &Config) -> Constants {
    Constants {
        node_name: config.telemetry.instance.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config_hash: config.hash.clone(),
        ids: IdForm::default(),
    }
}

/// Opens the journal with one lane per worker and the control lane.
fn open_journal(config: &Config) -> anyhow::Result<(Journal, Vec<Lane>)> {
    let options = journal::Options {
        dir: config.telemetry.journal.path.clone(),
        bytes_max: config.telemetry.journal.size_bytes,
        segment_bytes: SEGMENT_BYTES,
        sync_every: config.telemetry.journal.sync,
        workers: u8::try_from(config.proxy.workers.get()).unwrap_or(u8::MAX),
        preamble: constants(config).encode(),
        teller: Some(control::TELLER),
        metrics: Arc::new(JournalMetrics::default()),
    };
    Ok(Journal::open(options)?)
}

/// Starts shipping, if it is configured.
fn start_shipping(
    config: &Config,
    journal: &Journal,
    product: &Arc<OnceLock<Product>>,
) -> anyhow::Result<(Option<consumer::Running>, Option<admin::Shipping>)> {
    let Some(target) = &config.telemetry.elasticsearch else { return Ok((None, None)) };
    let metrics = Arc::new(ShipMetrics::default());
    let running = ship::start(ship::Options {
        config: target.clone(),
        namespace: config.telemetry.namespace.clone(),
        reader: journal.reader(ship::READER)?,
        identity: journal.identity(),
        folder: config.telemetry.journal.path.clone(),
        metrics: Arc::clone(&metrics),
        product: Arc::clone(product),
    })?;
    Ok((Some(running), Some(admin::Shipping { reader: ship::READER, metrics })))
}

/// What the page says of this process.
fn about(
    config: &Config,
    addresses: &[std::net::SocketAddr],
    product: Arc<OnceLock<Product>>,
) -> admin::About {
    let names = config.proxy.listeners.iter().map(|listener| listener.name.clone());
    admin::About {
        instance: config.telemetry.instance.clone(),
        config_hash: config.hash.clone(),
        listeners: names.zip(addresses.iter().copied()).collect(),
        discover: discover(config, product),
    }
}

/// Where the page finds Discover, if dashboards are configured.
fn discover(config: &Config, product: Arc<OnceLock<Product>>) -> Option<admin::Discover> {
    let dashboards = config.telemetry.elasticsearch.as_ref()?.dashboards.clone()?;
    Some(admin::Discover { dashboards, product })
}

/// Starts the export of traces, if it is configured.
fn start_traces(
    config: &Config,
    journal: &Journal,
    plane: Option<otlp::ControlPlane>,
) -> anyhow::Result<(Option<consumer::Running>, Option<admin::Traces>)> {
    let (Some(target), Some(control)) = (&config.telemetry.otlp, plane) else {
        return Ok((None, None));
    };
    let metrics = Arc::clone(&control.metrics);
    let running = otlp::start(otlp::Options {
        config: target.clone(),
        reader: journal.reader(otlp::READER)?,
        held_bytes_max: config.telemetry.journal.size_bytes / 8,
        constants: constants(config),
        host: config::hostname(),
        control,
    })?;
    Ok((Some(running), Some(admin::Traces { reader: otlp::READER, metrics })))
}

/// Starts notices, if there is a channel for them; and who is given alerts.
fn start_notices(
    config: &Config,
) -> anyhow::Result<(Option<notify::Running>, Box<dyn slo::Recipient>)> {
    let channels_of = &config.slo.notify;
    if channels_of.channels.is_empty() || channels_of.by == NotifiedBy::Watch {
        return Ok((None, Box::new(objectives::Nobody)));
    }
    let folder = config.telemetry.journal.path.clone();
    let notices = notify::start(notify::Options { config: channels_of.clone(), folder })?;
    let sink = notices.sink();
    Ok((Some(notices), Box::new(sink)))
}

/// Starts rollups, unless they are off.
fn start_rollups(
    config: &Config,
    journal: &Journal,
    control: &Arc<Control>,
) -> anyhow::Result<(Option<consumer::Running>, Option<admin::Rollup>)> {
    let Some(window) = config.telemetry.rollup.every else { return Ok((None, None)) };
    let metrics = Arc::new(RollupMetrics::default());
    let history = Arc::new(rollup::History::default());
    let control = Arc::clone(control);
    let telemetry = &config.telemetry;
    let running = consumer::start(rollup::Options {
        reader: journal.reader(rollup::READER)?,
        identity: journal.identity(),
        window,
        settle: 2 * telemetry.journal.sync,
        held_bytes_max: telemetry.journal.size_bytes / 16,
        folder: telemetry.journal.path.clone(),
        append: Box::new(move |row| {
            control.append(Stream::Rollup, |out| {
                out.get_mut(..row.len())?.copy_from_slice(row);
                Some(row.len())
            })
        }),
        metrics: Arc::clone(&metrics),
        history: Arc::clone(&history),
    })
    .context("cannot start rollups; raise the limit of threads")?;
    Ok((Some(running), Some(admin::Rollup { metrics, history })))
}
