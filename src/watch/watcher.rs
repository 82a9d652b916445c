//! A watcher's turns: look whose the lease is; if ours, read, evaluate, write the document, and only then tell.
//!
//! ```text
//! read document ─► another's: wait
//!              └─► ours, or free: take ─► read records, evaluate ─► write state ─► hand notices over
//! ```
//! The order is what makes a notice survive: it is in the document before anybody is told, and leaves the
//! document when everybody is. Not here: what each step does (`lease`, `store`, `tenure`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::document::{LeaseDocument, UnusableDocument};
use super::lease::{LeaseTurn, Sequence, WatchLease};
use super::store::{LeaseStore, LeaseWrite};
use super::tenure::{Tenure, Watched};
use super::{Options, WatchShown};
use crate::base::clock::wall_ms;
use crate::config::Notify;
use crate::elk::client::{Client, ClientError};
use crate::elk::problem::{Fault, Problem};
use crate::notify::{self, Fence};
use crate::slo::{EvaluatorSettings, GROUPS_MAX};

/// Longest wait for one answer: a lease must not end while its holder waits.
const REQUEST_MAX: Duration = Duration::from_secs(10);
/// A holder that cannot read for so long gives the lease up: another may have the rights, or the way.
const UNREADABLE_MAX: Duration = Duration::from_mins(5);
/// Longest wait for the next turn while the server is away.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// The same trouble is told again after so long, other trouble at most so often.
const TELL_EVERY: Duration = Duration::from_mins(5);
/// Least time between two words of trouble.
const TELL_MIN: Duration = Duration::from_mins(1);
/// How long what waits is told at the end.
const FLUSH: Duration = Duration::from_secs(5);
/// Longest wait for the release of the lease.
const RELEASE_MAX: Duration = Duration::from_secs(5);

/// How long the lease is a holder's: three turns may fail.
fn length(every: Duration) -> Duration {
    4 * every + Duration::from_secs(5)
}

/// See the head of this file.
pub(super) struct Watcher {
    client: Client,
    store: LeaseStore,
    lease: WatchLease,
    watched: Watched,
    notify: Notify,
    folder: PathBuf,
    every: Duration,
    /// While this one holds the lease.
    tenure: Option<Tenure>,
    /// Open while somebody may be told something.
    fence: Fence,
    start: Instant,
    /// Turns in a row that failed.
    failures: u32,
    /// Since when records cannot be read.
    unreadable: Option<Duration>,
    /// The lease is left to others until then.
    rests_until: Duration,
    /// Trouble that was told, and when.
    told: Option<(String, Instant)>,
    shown: Arc<WatchShown>,
}

impl Watcher {
    /// Asks nobody yet.
    pub(super) fn new(options: Options) -> Result<Self, ClientError> {
        let Options { mut elasticsearch, namespace, objectives, notify, folder, .. } = options;
        elasticsearch.timeout = elasticsearch.timeout.min(REQUEST_MAX);
        let shown = options.shown;
        let settings = EvaluatorSettings {
            groups_max: GROUPS_MAX,
            heartbeat_every: options.heartbeat_every,
            source: namespace.clone(),
        };
        let own = format!("{}/{:016x}", options.instance, fastrand::u64(..));
        tracing::info!(holder = own, url = %elasticsearch.urls[0], "slo watch: begins");
        Ok(Self {
            client: Client::new(&elasticsearch)?,
            store: LeaseStore::new(&namespace),
            lease: WatchLease::new(own, length(options.every)),
            watched: Watched {
                namespace,
                objectives,
                settings,
                every: options.every,
                shown: Arc::clone(&shown),
            },
            notify,
            folder: folder.join("outbox"),
            every: options.every,
            tenure: None,
            fence: Fence::closed(),
            start: Instant::now(),
            failures: 0,
            unreadable: None,
            rests_until: Duration::ZERO,
            told: None,
            shown,
        })
    }

    fn steady(&self) -> Duration {
        self.start.elapsed()
    }

    /// One turn; gives the time until the next.
    pub(super) async fn turn(&mut self) -> Duration {
        let result = self.try_turn().await;
        self.show_lease();
        self.shown.metrics.turns_total.add(1);
        match result {
            Ok(()) => {
                self.failures = 0;
                self.shown.metrics.up.set(1);
                if self.told.take().is_some() {
                    tracing::info!("slo watch: watching again");
                }
                self.every
            }
            Err(problem) => {
                self.failures = self.failures.saturating_add(1);
                self.shown.metrics.up.set(0);
                self.shown.metrics.failures_total.add(1);
                if matches!(problem.fault, Fault::NotSent | Fault::Unknown | Fault::Overloaded) {
                    self.client.turn(self.client.node());
                }
                self.tell(&problem);
                let longest = WAIT_MAX.max(self.every);
                let wait =
                    (self.every * (1 << self.failures.min(8).saturating_sub(1))).min(longest);
                // A holder goes on as often as before, or else it would lose the lease.
                let wait = if self.tenure.is_some() { self.every } else { wait };
                wait.mul_f64(0.8 + fastrand::f64() / 5.0)
            }
        }
    }

    async fn try_turn(&mut self) -> Result<(), Problem> {
        let found = self.store.read(&self.client).await?;
        let now = self.steady();
        let found = match found {
            Some((sequence, source)) => Some((sequence, self.understand(&source)?)),
            None => None,
        };
        let view = found.as_ref().map(|(sequence, document)| document.view(*sequence));
        let turn = self.lease.read(view, now);
        let state = found.map(|(_, document)| document.state).unwrap_or_default();
        let over = match turn {
            LeaseTurn::Wait => {
                self.lose();
                return Ok(());
            }
            LeaseTurn::Take(over) => {
                self.lose();
                if now < self.rests_until {
                    return Ok(());
                }
                let Some(sequence) = self.write(over, state.clone(), 0).await? else {
                    return Ok(()); // another was faster
                };
                self.shown.metrics.taken_total.add(1);
                tracing::info!(
                    holder = self.lease.own(),
                    "slo watch: holds the lease; notifies from now on"
                );
                sequence
            }
            LeaseTurn::Renew(over) => over,
        };
        self.hold(over, &state).await
    }

    /// What a document says; of a damaged one that somebody else holds the lease, whose state is lost.
    fn understand(&mut self, source: &Value) -> Result<LeaseDocument, Problem> {
        match LeaseDocument::read(source) {
            Ok(document) => Ok(document),
            Err(UnusableDocument::Newer) => {
                self.lose();
                let reason =
                    "the lease's document was written by a newer lbproxy, and is left alone";
                let cure = "upgrade this one; until then it does not watch";
                Err(Problem { cure, ..Problem::new(Fault::Refused, reason) })
            }
            Err(UnusableDocument::Damaged) => {
                self.shown.metrics.state_errors_total.add(1);
                tracing::error!(
                    "slo watch: the lease's document is damaged; it is written anew when nobody renews it"
                );
                let (holder, length) = ("unknown".to_owned(), self.lease.length());
                Ok(LeaseDocument { holder, write: 0, length, state: Vec::new() })
            }
        }
    }

    /// The part of a turn that the holder does.
    async fn hold(&mut self, over: Sequence, state: &[u8]) -> Result<(), Problem> {
        let steady = self.steady();
        if self.tenure.is_none() {
            let (config, folder) = (self.notify.clone(), self.folder.clone());
            let options = notify::Options { config, folder };
            match Tenure::begin(&self.watched, state, options, &self.fence, steady) {
                Ok(tenure) => self.tenure = Some(tenure),
                Err(error) => {
                    self.give_up(over, state.to_vec()).await;
                    return Err(Problem::new(Fault::Refused, error.to_string()));
                }
            }
        }
        let Some(tenure) = &mut self.tenure else { return Ok(()) };
        let polled = tenure.poll(&self.client, &self.watched, steady).await;
        let (state, firing) = tenure.state();
        self.unreadable = polled.is_err().then(|| self.unreadable.unwrap_or(steady));
        if self.unreadable.is_some_and(|since| steady.saturating_sub(since) >= UNREADABLE_MAX) {
            self.unreadable = None;
            tracing::warn!("slo watch: gives the lease up, since it cannot read");
            self.give_up(over, state).await;
            return polled;
        }
        if self.write(Some(over), state, firing).await?.is_some() {
            let now = self.steady();
            if self.lease.may_notify(now)
                && let Some(tenure) = &mut self.tenure
            {
                tenure.hand_over(now);
            } else {
                self.shown.metrics.fenced_total.add(1);
            }
        }
        polled
    }

    /// Writes the document; `None` when another write came before.
    async fn write(
        &mut self,
        over: Option<Sequence>,
        state: Vec<u8>,
        firing: usize,
    ) -> Result<Option<Sequence>, Problem> {
        let holder = self.lease.own().to_owned();
        let LeaseWrite::Done(sequence) = self.send(over, holder, state, firing).await? else {
            self.shown.metrics.conflicts_total.add(1);
            self.lease.forget();
            self.move_fence();
            return Ok(None);
        };
        self.lease.written(sequence);
        self.move_fence();
        Ok(Some(sequence))
    }

    /// Sends the document; without a holder it releases the lease.
    async fn send(
        &mut self,
        over: Option<Sequence>,
        holder: String,
        state: Vec<u8>,
        firing: usize,
    ) -> Result<LeaseWrite, Problem> {
        let write = self.lease.sending(self.steady());
        let document = LeaseDocument { holder, write, length: self.lease.length(), state };
        let document = document.write(wall_ms(), firing);
        self.store.write(&self.client, over, &document).await
    }

    fn move_fence(&self) {
        match self.lease.ends() {
            Some(ends) => self.fence.open_until(self.start + ends),
            None => self.fence.close(),
        }
    }

    /// The lease is another's, or nobody's.
    fn lose(&mut self) {
        self.fence.close();
        self.unreadable = None;
        if let Some(tenure) = self.tenure.take() {
            self.shown.metrics.lost_total.add(1);
            tracing::warn!(
                holder = self.lease.own(),
                "slo watch: lost the lease; another notifies"
            );
            tenure.give_up(&self.shown);
        }
    }

    /// Leaves the lease to others for a while; if the release does not arrive, it ends by itself.
    async fn give_up(&mut self, over: Sequence, state: Vec<u8>) {
        self.fence.close();
        if let Some(tenure) = self.tenure.take() {
            tenure.give_up(&self.shown);
        }
        self.rests_until = self.steady() + 2 * self.lease.length();
        let _ = self.release(over, state, 0).await;
    }

    async fn release(
        &mut self,
        over: Sequence,
        state: Vec<u8>,
        firing: usize,
    ) -> Result<bool, Problem> {
        self.lease.forget();
        let written = self.send(Some(over), String::new(), state, firing).await?;
        Ok(matches!(written, LeaseWrite::Done(_)))
    }

    /// Tells what waits, and releases the lease.
    pub(super) async fn end(mut self) {
        let Some(tenure) = self.tenure.take() else { return };
        let (state, firing) = tenure.finish(FLUSH, &self.shown);
        self.fence.close();
        let released = tokio::time::timeout(RELEASE_MAX, async {
            let Some((sequence, source)) = self.store.read(&self.client).await? else {
                return Ok(false);
            };
            let is_ours = LeaseDocument::read(&source)
                .is_ok_and(|document| document.holder == self.lease.own());
            if is_ours { self.release(sequence, state, firing).await } else { Ok(false) }
        });
        match released.await {
            Ok(Ok(true)) => tracing::info!("slo watch: ends; the lease is released"),
            Ok(Ok(false)) => tracing::info!("slo watch: ends; the lease is another's already"),
            Ok(Err(Problem { reason, .. })) => {
                tracing::warn!(
                    reason,
                    "slo watch: ends; the lease is not released and ends by itself"
                );
            }
            Err(_) => {
                tracing::warn!("slo watch: ends; the lease is not released and ends by itself");
            }
        }
    }

    fn show_lease(&self) {
        let holds = self.lease.may_notify(self.steady());
        self.shown.metrics.holder.set(u64::from(holds));
    }

    /// Tells of trouble, once and again after a while.
    fn tell(&mut self, problem: &Problem) {
        let Problem { reason, .. } = problem;
        let is_due = self.told.as_ref().is_none_or(|(before, at)| {
            at.elapsed() >= if before == reason { TELL_EVERY } else { TELL_MIN }
        });
        if is_due {
            let cure = if problem.cure.is_empty() { cure(problem.fault) } else { problem.cure };
            let url = self.client.url();
            tracing::warn!(
                url,
                reason,
                "slo watch: cannot watch; no alert fires or ends meanwhile; {cure}"
            );
            self.told = Some((reason.clone(), Instant::now()));
        }
    }
}

/// What a person can do.
const fn cure(fault: Fault) -> &'static str {
    match fault {
        Fault::NotSent => "start the server, or correct telemetry.elasticsearch.urls",
        Fault::Unauthorized => "correct user, password or key of telemetry.elasticsearch",
        Fault::Forbidden => "grant the rights of role lbproxy_watch (docs/slo-watch.md)",
        Fault::Blocked => "lift the block",
        Fault::Refused => "run `lbproxy setup`; docs/slo-watch.md lists what is needed",
        _ => "it is tried again",
    }
}
