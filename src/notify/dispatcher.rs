//! One channel's deliveries: one after the other, tried again after waits that grow, and repeated where the
//! channel forgets. Another channel's trouble is not seen here.
//!
//! Invariants: what is refused for good, or has waited for a day, is counted and told, and the next one
//! gets its turn; the lock of the outbox is never held while something is awaited. Not here: what waits
//! (`outbox`), one delivery (`send`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Shared;
use super::answer::Answer;
use super::channel::alertmanager;
use super::message::Message;
use super::outbox::{Allowance, Delivery, TOGETHER_MAX, Work, takes_several};
use super::send::Sender;
use crate::base::clock::{millis, wall_ms};
use crate::config::Channel;
use crate::metrics::ChannelMetrics;
use crate::web;

/// Waits after failures in a row: from the first to the longest, which is what a page waits beyond the end of
/// a channel's trouble.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// After so long nobody is helped by an alert.
const EXPIRED: Duration = Duration::from_hours(24);
/// So many failures in a row come before, for a clock may jump.
const EXPIRED_FAILURES: u32 = 10;
/// The time in which `rate_cap` alerts are told one by one.
const CAP_SPAN: Duration = Duration::from_mins(5);
/// Least time between two summaries.
const SUMMARY_EVERY: Duration = Duration::from_mins(1);
/// How often to look at a fence that is closed.
const FENCED: Duration = Duration::from_secs(1);
/// How often a channel in trouble is told of in the log.
const TELL_EVERY: Duration = Duration::from_mins(5);

pub(super) struct Dispatcher {
    pub(super) shared: Arc<Shared>,
    pub(super) channel: Arc<Channel>,
    pub(super) metrics: Arc<ChannelMetrics>,
    pub(super) sender: Sender,
    /// Changes with each message that is accepted.
    pub(super) woken: watch::Receiver<()>,
    /// Becomes true when it is to end.
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) cap: Cap,
    /// When alerts were repeated last.
    pub(super) repeated: Option<Instant>,
    /// Deliveries that failed, in a row.
    pub(super) failures: u32,
    /// When trouble was told of last; `None` when there is none.
    pub(super) told: Option<Instant>,
}

impl Dispatcher {
    /// Delivers until told to stop, and then what waits, unless a delivery fails.
    pub(super) async fn run(&mut self) {
        loop {
            self.woken.mark_unchanged();
            let is_stopping = *self.stopping.borrow() || self.stopping.has_changed().is_err();
            let allowance = self.cap.allowance(takes_several(self.channel.target.kind()));
            let work = self.shared.lock().next(&self.channel.name, allowance, wall_ms());
            match work {
                Work::Settle(seqs) => {
                    self.metrics.summed_total.add(seqs.len() as u64);
                    self.shared.lock().done(&self.channel.name, seqs, true);
                }
                Work::Deliver(delivery) => {
                    let wait = self.deliver(delivery).await;
                    self.show();
                    if let Some(wait) = wait {
                        if is_stopping {
                            return;
                        }
                        self.pause(wait).await;
                    }
                }
                Work::Nothing | Work::Wait(_) if is_stopping => return,
                Work::Nothing => {
                    self.show();
                    let wait = self.repeat().await;
                    self.sleep(wait).await;
                }
                Work::Wait(wait) => {
                    self.show();
                    self.sleep(wait).await;
                }
            }
        }
    }

    /// Delivers; gives the wait before the next try when it failed.
    async fn deliver(&mut self, delivery: Delivery) -> Option<Duration> {
        if !self.shared.fence.is_open() {
            return Some(FENCED);
        }
        let answer = self.sender.deliver(&delivery.messages).await;
        let Delivery { seqs, messages, is_summary, at_ms } = delivery;
        let count = seqs.len() as u64;
        let channel = self.channel.name.as_str();
        let metrics = &self.metrics;
        match answer {
            Answer::Taken(words) => {
                metrics.up.set(1);
                let result = if is_summary { &metrics.summed_total } else { &metrics.sent_total };
                result.add(count);
                for message in &messages {
                    let (key, summary) = (&message.key, message.headline());
                    tracing::info!(channel, key, summary, words, "notify: told");
                }
                if self.told.take().is_some() {
                    tracing::info!(channel, "notify: the channel takes alerts again");
                }
                self.failures = 0;
                self.cap.sent(is_summary, messages.iter().filter(|m| m.is_firing()).count());
                self.shared.lock().done(channel, seqs, is_summary);
                None
            }
            Answer::Refused(reason) => {
                metrics.up.set(0);
                metrics.refused_total.add(count);
                let keys = keys(&messages);
                tracing::error!(
                    channel,
                    keys,
                    reason,
                    "notify: the channel refuses an alert for good"
                );
                self.failures = 0;
                self.shared.lock().done(channel, seqs, is_summary);
                None
            }
            Answer::Later { after, reason } => {
                metrics.up.set(0);
                metrics.failures_total.add(1);
                let waited = wall_ms().saturating_sub(at_ms);
                if waited > millis(EXPIRED) && self.failures >= EXPIRED_FAILURES {
                    metrics.expired_total.add(count);
                    let keys = keys(&messages);
                    tracing::error!(channel, keys, reason, "notify: given up after a day");
                    self.shared.lock().done(channel, seqs, is_summary);
                    return None;
                }
                if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                    tracing::warn!(
                        channel,
                        reason,
                        "notify: the channel does not take alerts; they wait"
                    );
                    self.told = Some(Instant::now());
                }
                // One that asks for no wait is not asked more often than one that says nothing.
                let wait = web::backoff(BACKOFF, self.failures).max(after.unwrap_or_default());
                self.failures = self.failures.saturating_add(1);
                Some(wait)
            }
        }
    }

    /// Tells a channel again what it knows, if it forgets; gives the time until it is due again.
    async fn repeat(&mut self) -> Duration {
        if !takes_several(self.channel.target.kind()) {
            return Duration::MAX;
        }
        let since = self.repeated.map_or(Duration::MAX, |at| at.elapsed());
        if since < alertmanager::AGAIN {
            return alertmanager::AGAIN.saturating_sub(since);
        }
        self.repeated = Some(Instant::now());
        let known = self.shared.lock().again(&self.channel.name);
        let known = if self.shared.fence.is_open() { known } else { Vec::new() };
        for some in known.chunks(TOGETHER_MAX) {
            self.metrics.repeats_total.add(1);
            if let Answer::Later { reason, .. } | Answer::Refused(reason) =
                self.sender.deliver(some).await
            {
                self.metrics.failures_total.add(1);
                tracing::warn!(
                    channel = self.channel.name,
                    reason,
                    "notify: alerts cannot be repeated"
                );
                // The others would fail alike, each after its limit.
                break;
            }
        }
        alertmanager::AGAIN
    }

    /// Waits, however many messages come, but for the order to stop.
    async fn pause(&mut self, wait: Duration) {
        tokio::select! {
            _ = self.stopping.wait_for(|stopping| *stopping) => (),
            () = tokio::time::sleep(wait) => (),
        }
    }

    /// Waits for the next message, or so long.
    async fn sleep(&mut self, wait: Duration) {
        tokio::select! {
            _ = self.stopping.wait_for(|stopping| *stopping) => (),
            // Its sender lives as long as this.
            _ = self.woken.changed() => (),
            () = tokio::time::sleep(wait) => (),
        }
    }

    /// Brings the gauges up to date.
    fn show(&self) {
        show(&self.shared, &self.channel.name, &self.metrics);
    }
}

/// Brings the gauges of a channel up to date.
pub(super) fn show(shared: &Shared, channel: &str, metrics: &ChannelMetrics) {
    let (count, oldest) = shared.lock().waiting(channel);
    metrics.waiting.set(count as u64);
    let age = oldest.map_or(0, |at_ms| wall_ms().saturating_sub(at_ms) / 1_000);
    metrics.oldest_seconds.set(age);
}

fn keys(messages: &[Arc<Message>]) -> String {
    messages.iter().map(|message| message.key.as_str()).collect::<Vec<_>>().join(" ")
}

/// How many alerts a channel was told of lately.
#[derive(Debug)]
pub(super) struct Cap {
    most: usize,
    sent: VecDeque<Instant>,
    summary: Option<Instant>,
}

impl Cap {
    pub(super) fn new(most: u32) -> Self {
        Self {
            most: usize::try_from(most).unwrap_or(usize::MAX),
            sent: VecDeque::new(),
            summary: None,
        }
    }

    fn allowance(&mut self, takes_several: bool) -> Allowance {
        if takes_several {
            return Allowance::Several;
        }
        while self.sent.front().is_some_and(|at| at.elapsed() >= CAP_SPAN) {
            self.sent.pop_front();
        }
        if self.sent.len() < self.most {
            return Allowance::One;
        }
        let since = self.summary.map_or(Duration::MAX, |at| at.elapsed());
        match SUMMARY_EVERY.saturating_sub(since) {
            Duration::ZERO => Allowance::Summary,
            wait => Allowance::NotFor(wait),
        }
    }

    fn sent(&mut self, is_summary: bool, firing: usize) {
        if is_summary {
            self.summary = Some(Instant::now());
        } else {
            self.sent.extend(std::iter::repeat_n(Instant::now(), firing));
        }
    }
}
