//! Notices of service level objectives, told to people: PagerDuty, Alertmanager, Jira Service Management,
//! Slack, webhooks, mail.
//!
//! ```text
//! slo::Notice ─► Sink ─► message ─► route ─► outbox (file) ─► a dispatcher per channel ─► send
//! ```
//!
//! A thread at low priority, asleep unless there is something to tell. A notice that was accepted is on
//! the disk and is told at least once, with the same key; a channel that hangs delays no other.
//! `docs/notify.md` says what can be relied on. Not here: when an alert fires (`slo`).

mod answer;
mod channel;
mod dispatcher;
mod fence;
#[cfg(test)]
mod fixture;
mod message;
mod outbox;
mod route;
mod send;
mod smtp;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;

use crate::base::background::Background;
use crate::base::clock::wall_ms;
use crate::config::{Channel, Notify};
use crate::metrics::{Cell64, ChannelMetrics, Exposition, NotifyMetrics};
use crate::slo::{Notice, OpenAlert, Recipient};
use answer::Answer;
use dispatcher::{Cap, Dispatcher};
pub use fence::Fence;
use message::Message;
use outbox::Outbox;
use send::Sender;

/// What must hold for any input.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed {
    pub(crate) use super::outbox::line::fuzzed::outbox;
}

/// Wait before deliveries are started again after a fault of their own.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// How often hours and gauges are looked at.
const TICK: Duration = Duration::from_secs(10);

/// What telling needs; no defaults.
#[derive(Debug)]
pub struct Options {
    /// Channels and routes.
    pub config: Notify,
    /// Where the outbox is: the folder of the journal.
    pub folder: PathBuf,
}

/// Why telling cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Certificates or a proxy.
    #[error("cannot use slo.notify.channels.{channel}: {error}; check its ca_file and proxy")]
    Channel {
        /// Name in `slo.notify.channels`.
        channel: String,
        /// Of the file of certificates or of the proxy, without a secret.
        error: io::Error,
    },
    /// The system gives no thread.
    #[error("cannot start notices: {0}; raise the limit of threads")]
    Thread(#[from] io::Error),
}

/// What the core and the dispatchers share.
#[derive(Debug)]
struct Shared {
    outbox: Mutex<Outbox>,
    /// While it is closed nobody is told anything.
    fence: Fence,
    wake: watch::Sender<()>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Outbox> {
        // A fault while it was held leaves a state of whole lines.
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where notices are given.
#[derive(Debug, Clone)]
pub struct Sink(Arc<Shared>);

impl Recipient for Sink {
    /// Blocks as long as the disk takes. What is not on it is told all the same, and nobody is told twice
    /// of what is given again.
    fn accept(&mut self, notices: &[Notice]) -> io::Result<()> {
        let messages = notices.iter().map(Message::of).collect();
        let accepted = self.0.lock().accept(messages, wall_ms());
        self.0.wake.send_replace(());
        accepted
    }

    fn open(&self) -> Vec<OpenAlert> {
        self.0.lock().firing().filter_map(Message::as_open).collect()
    }
}

/// For one of several that notify in turn.
impl Sink {
    /// Takes alerts that fire and of which everybody was told, by whoever notified before: those whom the
    /// routes name at `at_ms` are told of their ends, and of nothing else.
    pub fn adopt(&self, firing: &[Notice], at_ms: u64) {
        let messages = firing.iter().map(Message::of).collect();
        self.0.lock().adopt(messages, at_ms);
        self.0.wake.send_replace(());
    }

    /// Whether a channel is still to be told of the alert with this key.
    pub fn waits_for(&self, key: &str) -> bool {
        self.0.lock().waits_for(key)
    }
}

/// Figures of the outbox, and of each channel by its name.
#[derive(Debug)]
pub struct Metrics {
    outbox: Arc<NotifyMetrics>,
    channels: Vec<(String, Arc<ChannelMetrics>)>,
}

impl Metrics {
    /// Adds them to a page.
    pub fn expose(&self, page: &mut Exposition) {
        self.outbox.expose(&[], page);
        for (name, metrics) in &self.channels {
            metrics.expose(&[("channel", name)], page);
        }
    }
}

/// Deliveries on their thread. When this is dropped they end as by [`Running::stop`], and nobody waits.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    /// Becomes true when it is to stop.
    stop: watch::Sender<bool>,
    thread: Background,
}

impl Running {
    /// Where notices are given; any number may be in use.
    pub fn sink(&self) -> Sink {
        Sink(Arc::clone(&self.shared))
    }

    /// Its figures; they go on counting.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Tells what waits, once, and ends at the latest at `deadline`; what is left stays in the outbox.
    /// Says whether the thread ended in time. Blocks.
    pub fn stop(self, deadline: Duration) -> bool {
        self.stop.send_replace(true);
        self.thread.join_within(deadline)
    }
}

/// Starts deliveries on a thread of their own. Channels may be away: notices wait.
///
/// # Errors
/// [`StartError`].
pub fn start(options: Options) -> Result<Running, StartError> {
    start_within(options, Fence::open())
}

/// The same, telling nobody anything while the fence is closed.
///
/// # Errors
/// [`StartError`].
pub fn start_within(options: Options, fence: Fence) -> Result<Running, StartError> {
    let Options { config, folder } = options;
    let config = Arc::new(config);
    let metrics = Arc::new(Metrics {
        outbox: Arc::default(),
        channels: config.channels.iter().map(|one| (one.name.clone(), figures())).collect(),
    });
    // What is wrong is told before anything runs.
    let senders = config.channels.iter().map(sender).collect::<Result<Vec<_>, _>>()?;
    let outbox = Outbox::open(&folder, Arc::clone(&config), Arc::clone(&metrics.outbox));
    let (outbox, wake) = (Mutex::new(outbox), watch::Sender::new(()));
    let shared = Arc::new(Shared { outbox, fence, wake });
    let (stop, stopping) = watch::channel(false);
    let (all, figures) = (Arc::clone(&shared), Arc::clone(&metrics));
    let thread = Background::start("notify", move || {
        supervise(&all, &config, senders, &figures, &stopping);
    })?;
    Ok(Running { shared, metrics, stop, thread })
}

/// Figures of a channel that was told nothing yet.
fn figures() -> Arc<ChannelMetrics> {
    let metrics = ChannelMetrics::default();
    metrics.up.set(Cell64::UNKNOWN);
    Arc::new(metrics)
}

fn sender(channel: &Channel) -> Result<Sender, StartError> {
    Sender::new(Arc::new(channel.clone()))
        .map_err(|error| StartError::Channel { channel: channel.name.clone(), error })
}

/// Runs a task for each channel and one for the time; starts again what has a fault of its own.
fn supervise(
    shared: &Arc<Shared>,
    config: &Notify,
    senders: Vec<Sender>,
    metrics: &Arc<Metrics>,
    stopping: &watch::Receiver<bool>,
) {
    let runtime = loop {
        match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => break runtime,
            Err(error) => {
                tracing::error!(%error, "notices cannot be told; it is tried again");
                metrics.outbox.restarts_total.add(1);
                std::thread::park_timeout(RESTART_PAUSE);
            }
        }
    };
    runtime.block_on(async {
        let ticking = tokio::spawn(tick(Arc::clone(shared), Arc::clone(metrics)));
        let mut channels = tokio::task::JoinSet::new();
        let all = config.channels.iter().zip(senders).zip(&metrics.channels);
        for ((channel, checked), (_, figures)) in all {
            let mut checked = Some(checked);
            let channel = Arc::new(channel.clone());
            let (shared, figures) = (Arc::clone(shared), Arc::clone(figures));
            let (outbox, stopping) = (Arc::clone(&metrics.outbox), stopping.clone());
            let rate_cap = config.rate_cap;
            channels.spawn(async move {
                loop {
                    match checked.take().map_or_else(|| sender(&channel), Ok) {
                        Ok(sender) => {
                            let stopping = stopping.clone();
                            let mut dispatcher =
                                dispatcher(&shared, &channel, &figures, sender, stopping, rate_cap);
                            let run = tokio::spawn(async move { dispatcher.run().await });
                            if run.await.is_ok() {
                                return;
                            }
                            let channel = channel.name.as_str();
                            tracing::error!(
                                channel,
                                "notify: a channel had a fault and is started again"
                            );
                        }
                        // Its certificates could be read at the start.
                        Err(error) => tracing::error!(%error, "notify: a channel is tried again"),
                    }
                    outbox.restarts_total.add(1);
                    tokio::time::sleep(RESTART_PAUSE).await;
                }
            });
        }
        let mut stopping = stopping.clone();
        if config.channels.is_empty() {
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
        channels.join_all().await;
        ticking.abort();
    });
    // A secret that is never read is not waited for.
    runtime.shutdown_background();
}

fn dispatcher(
    shared: &Arc<Shared>,
    channel: &Arc<Channel>,
    metrics: &Arc<ChannelMetrics>,
    sender: Sender,
    stopping: watch::Receiver<bool>,
    rate_cap: u32,
) -> Dispatcher {
    Dispatcher {
        shared: Arc::clone(shared),
        channel: Arc::clone(channel),
        metrics: Arc::clone(metrics),
        sender,
        woken: shared.wake.subscribe(),
        stopping,
        cap: Cap::new(rate_cap),
        repeated: None,
        failures: 0,
        told: None,
    }
}

/// Looks at hours and gauges from time to time.
async fn tick(shared: Arc<Shared>, metrics: Arc<Metrics>) {
    loop {
        shared.lock().tick(wall_ms());
        shared.wake.send_replace(());
        for (name, figures) in &metrics.channels {
            dispatcher::show(&shared, name, figures);
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Tells one channel of one notice, at once and past the outbox: what it answers, or why it did not take
/// it.
///
/// # Errors
/// Why not, in words without a secret; also when its certificates or its proxy cannot be used.
pub async fn tell(channel: &Channel, notice: &Notice) -> Result<String, String> {
    let mut sender = sender(channel).map_err(|error| error.to_string())?;
    match sender.deliver(&[Arc::new(Message::of(notice))]).await {
        Answer::Taken(words) => Ok(words),
        Answer::Later { reason, .. } | Answer::Refused(reason) => Err(reason),
    }
}
