//! The outbox: what was accepted and is not yet told, in a file that survives the end of the process.
//!
//! Invariants: a message is on the disk before it counts as accepted, and told all the same while the
//! disk takes none; each channel has a queue of its own; queues, alerts and the file have bounds, and
//! what is refused is counted. An alert that fires outside of a route's hours waits for them here. Not
//! here: lines, state and file (below), deliveries (`dispatcher`).

mod file;
pub(super) mod line;
mod state;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::channel::alertmanager;
use super::message::Message;
use super::route::{self, Way};
use crate::base::clock::millis;
use crate::base::trouble::Trouble;
use crate::config::{ChannelKind, Notify};
use crate::metrics::NotifyMetrics;
use crate::slo::key_of;
use file::OutboxFile;
use line::Line;
use state::State;

/// Most alerts that are known at once: pages and tickets of 100 objectives with 20 groups each are 4000, and
/// what was over a moment ago is one, too.
const ALERTS_MAX: usize = 5_000;
/// Most messages that wait for one channel, so that a flood is one summary; ends of alerts that it knows of
/// still find room.
const WAITING_MAX: usize = ALERTS_MAX;
/// Most messages of one delivery, for channels that take several.
pub(super) const TOGETHER_MAX: usize = 64;
/// The file is written anew from this size on, and from twice its size afterwards.
const ANEW_BYTES: u64 = 256 << 10;

#[derive(Debug)]
pub(super) struct Outbox {
    config: Arc<Notify>,
    channels: Vec<String>,
    state: State,
    file: OutboxFile,
    /// The file is to be written anew from this size on.
    anew_bytes: u64,
    /// The file does not hold all of the state.
    is_behind: bool,
    unwritable: Trouble,
    metrics: Arc<NotifyMetrics>,
}

/// How many of those that fire a channel may be told of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowance {
    /// Several in one delivery.
    Several,
    One,
    /// All that wait, as one summary.
    Summary,
    /// None for so long.
    NotFor(Duration),
}

/// What nobody is told of some messages: a line of the log for all of them.
#[derive(Debug, Default)]
struct Untold {
    /// Notices that found no room.
    refused: u64,
    /// Alerts that no route takes at any time.
    unrouted: u64,
    /// One of them.
    example: String,
}

impl Untold {
    fn note(self, metrics: &NotifyMetrics) {
        let Self { refused, unrouted, example } = self;
        metrics.refused_total.add(refused);
        metrics.unrouted_total.add(unrouted);
        if refused > 0 {
            tracing::error!(refused, "notify: too many alerts at once; these are not told");
        }
        if unrouted > 0 {
            tracing::warn!(unrouted, example, "notify: no route of slo.notify takes these alerts");
        }
    }
}

/// What a channel is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    Nothing,
    /// To ask again after so long.
    Wait(Duration),
    /// To say that these are done, without a delivery: a summary told of their begin, and others of it
    /// still fire.
    Settle(Vec<u64>),
    Deliver(Delivery),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    /// What it settles.
    pub(super) seqs: Vec<u64>,
    pub(super) messages: Vec<Arc<Message>>,
    pub(super) is_summary: bool,
    /// When the oldest was accepted, in milliseconds since 1970.
    pub(super) at_ms: u64,
}

impl Outbox {
    /// As it was when the last process ended, in whatever way.
    pub(super) fn open(folder: &Path, config: Arc<Notify>, metrics: Arc<NotifyMetrics>) -> Self {
        let (file, content) = OutboxFile::open(folder);
        metrics.damaged_total.add(content.damaged);
        if content.damaged > 0 {
            tracing::error!(
                lines = content.damaged,
                "notify: lines of the outbox are damaged and lost"
            );
        }
        let channels = config.channels.iter().map(|channel| channel.name.clone()).collect();
        let mut outbox = Self {
            config,
            channels,
            state: State::of(content.lines),
            file,
            anew_bytes: 0,
            is_behind: true,
            unwritable: Trouble::new(
                "notify: the outbox cannot be written; alerts are told all the same",
            ),
            metrics,
        };
        let _ = outbox.keep(&[]); // tried again with each message
        outbox
    }

    /// Takes messages. They are told whatever this gives back.
    ///
    /// # Errors
    /// They are not on the disk: give them again, which tells nobody twice.
    pub(super) fn accept(&mut self, messages: Vec<Message>, now_ms: u64) -> io::Result<()> {
        let (mut lines, mut untold) = (Vec::new(), Untold::default());
        for message in messages {
            if let Some(line) = self.line(message, now_ms, &mut untold) {
                self.state.apply(line.clone());
                lines.push(line);
            }
        }
        untold.note(&self.metrics);
        self.keep(&lines)
    }

    /// What a message changes; none when everybody knows it already.
    fn line(&mut self, message: Message, now_ms: u64, untold: &mut Untold) -> Option<Line> {
        let is_full = self.state.alerts.len() >= ALERTS_MAX;
        let known = self.state.alerts.get_mut(&message.key);
        let to: BTreeSet<String> = match known {
            Some(alert) if !message.is_firing() && !alert.message.is_firing() => return None,
            Some(alert) if !message.is_firing() => alert.told.clone(),
            Some(alert) if alert.message.is_firing() => {
                let is_same = alert.message.is_page == message.is_page;
                let told = alert.told.clone();
                if is_same {
                    // Figures change; nobody is told of that alone, but by repetitions.
                    alert.message = Arc::new(message.clone());
                }
                let wanted = self.wanted(&message, now_ms);
                let to = if is_same { &wanted - &told } else { &wanted | &told };
                if is_same && to.is_empty() {
                    return None;
                }
                to
            }
            None if is_full => {
                untold.refused += 1;
                return None;
            }
            _ => {
                let way = route::way(&self.config, &message, now_ms);
                if way == Way::Nowhere {
                    untold.unrouted += 1;
                    let (service, objective) = (&message.service, &message.objective);
                    untold.example = format!("{objective} of {service}");
                }
                self.names(&way)
            }
        };
        let is_end = !message.is_firing();
        let has_room = |name: &String| is_end || self.state.waiting_count(name) < WAITING_MAX;
        let (to, full): (Vec<_>, Vec<_>) = to.into_iter().partition(has_room);
        // The next look at the hours finds them again, once there is room.
        untold.refused += full.len() as u64;
        Some(Line::Notice { seq: self.state.next_seq, at_ms: now_ms, to, message })
    }

    /// Names of the channels that a message goes to now.
    fn wanted(&self, message: &Message, now_ms: u64) -> BTreeSet<String> {
        self.names(&route::way(&self.config, message, now_ms))
    }

    fn names(&self, way: &Way) -> BTreeSet<String> {
        match way {
            Way::Nowhere => BTreeSet::new(),
            Way::To(places) => {
                places.iter().filter_map(|&at| self.channels.get(at).cloned()).collect()
            }
        }
    }

    /// Tells alerts that fire to channels whose hours have begun; forgets what is over for long; brings
    /// gauges up to date.
    pub(super) fn tick(&mut self, now_ms: u64) {
        let alerts = self.state.alerts.values().map(|alert| Arc::clone(&alert.message));
        let firing: Vec<_> = alerts.filter(|message| message.is_firing()).collect();
        let mut lines = Vec::new();
        for message in firing {
            let told = &self.state.alerts[&message.key].told;
            let wanted = self.wanted(&message, now_ms);
            let has_room = |name: &&String| self.state.waiting_count(name) < WAITING_MAX;
            let to: Vec<_> = wanted.difference(told).filter(has_room).cloned().collect();
            if !to.is_empty() {
                let message = Message::clone(&message);
                let line = Line::Notice { seq: self.state.next_seq, at_ms: now_ms, to, message };
                self.state.apply(line.clone());
                lines.push(line);
            }
        }
        let then_ms = now_ms.saturating_sub(millis(alertmanager::AFTER_END));
        let gone = self.state.forget(then_ms, &self.channels);
        if gone > 0 {
            self.metrics.refused_total.add(gone);
            tracing::warn!(
                gone,
                "notify: notices waited for channels that are gone from slo.notify"
            );
        }
        let _ = self.keep(&lines); // told all the same, and kept with the next
    }

    /// Puts lines on the disk, or all there is when the file is behind or has grown; brings gauges up to date.
    fn keep(&mut self, lines: &[Line]) -> io::Result<()> {
        let kept = self.try_keep(lines);
        self.is_behind = kept.is_err();
        self.metrics.write_failures_total.add(u64::from(kept.is_err()));
        self.metrics.bytes.set(self.file.bytes);
        self.metrics.alerts.set(self.state.alerts.len() as u64);
        self.unwritable.note(&kept);
        kept
    }

    fn try_keep(&mut self, lines: &[Line]) -> io::Result<()> {
        if self.is_behind || self.file.bytes >= self.anew_bytes {
            let first = line::first();
            let all = line::write([first].iter().chain(&self.state.lines()));
            match self.file.replace(&all) {
                Ok(()) => {
                    self.anew_bytes = (2 * self.file.bytes).max(ANEW_BYTES);
                    return Ok(());
                }
                Err(error) if self.is_behind => return Err(error),
                // No room for a second file: the old one still takes lines.
                Err(_) => (),
            }
        }
        if lines.is_empty() { Ok(()) } else { self.file.append(&line::write(lines), true) }
    }

    /// What a channel is to do next.
    pub(super) fn next(&self, channel: &str, allowance: Allowance, now_ms: u64) -> Work {
        let Some(head) = self.state.waiting(channel).next() else { return Work::Nothing };
        let is_end = !head.message.is_firing();
        let alone = || {
            Work::Deliver(Delivery {
                seqs: vec![head.seq],
                messages: vec![Arc::clone(&head.message)],
                is_summary: false,
                at_ms: head.at_ms,
            })
        };
        match allowance {
            _ if is_end && self.state.is_summed(channel, &head.message.key) => {
                self.summary(channel, allowance, now_ms)
            }
            Allowance::Several => Work::Deliver(self.several(channel)),
            _ if is_end => alone(),
            Allowance::One => alone(),
            Allowance::Summary => self.summary(channel, allowance, now_ms),
            Allowance::NotFor(wait) => Work::Wait(wait),
        }
    }

    /// The first that wait, each alert once.
    fn several(&self, channel: &str) -> Delivery {
        let mut keys = BTreeSet::new();
        let first = self.state.waiting(channel).take(TOGETHER_MAX);
        let first: Vec<_> = first.take_while(|one| keys.insert(one.message.key.clone())).collect();
        Delivery {
            seqs: first.iter().map(|one| one.seq).collect(),
            messages: first.iter().map(|one| Arc::clone(&one.message)).collect(),
            is_summary: false,
            at_ms: first.first().map_or(0, |one| one.at_ms),
        }
    }

    /// The first that wait as one: those that fire, if they may be told so now, and ends of those that
    /// the channel knows by a summary.
    fn summary(&self, channel: &str, allowance: Allowance, now_ms: u64) -> Work {
        let mut keys = self.state.summed(channel);
        let mut taken = Vec::new();
        for one in self.state.waiting(channel) {
            let message = &one.message;
            let is_part = if !message.is_firing() {
                keys.remove(&message.key)
            } else if allowance == Allowance::Summary {
                keys.insert(message.key.clone());
                true
            } else {
                // Told by itself, and no part of the summary.
                false
            };
            if !is_part {
                break;
            }
            taken.push(one);
        }
        let seqs: Vec<_> = taken.iter().map(|one| one.seq).collect();
        let has_begun = taken.iter().any(|one| one.message.is_firing());
        if !has_begun && !keys.is_empty() {
            return Work::Settle(seqs);
        }
        let known = |key: &String| self.state.alerts.get(key).map(|alert| &*alert.message);
        let firing: Vec<_> = keys.iter().filter_map(known).collect();
        let ended = taken.iter().filter(|one| !one.message.is_firing()).count();
        let message = Message::summary_of(summary_key(channel), ended, &firing, now_ms);
        Work::Deliver(Delivery {
            seqs,
            messages: vec![Arc::new(message)],
            is_summary: true,
            at_ms: taken.first().map_or(now_ms, |one| one.at_ms),
        })
    }

    /// A channel needs these no more.
    pub(super) fn done(&mut self, channel: &str, seqs: Vec<u64>, summed: bool) {
        let line = Line::Done { channel: channel.to_owned(), seqs, summed };
        self.state.apply(line.clone());
        // Not waited for: if it is lost, the channel is told once more, with the same key.
        if !self.is_behind && self.file.append(&line::write([&line]), false).is_err() {
            self.is_behind = true;
        }
    }

    /// Alerts that a channel is to be told of again: all it knows of, but those that wait for it.
    pub(super) fn again(&self, channel: &str) -> Vec<Arc<Message>> {
        let waiting: BTreeSet<_> =
            self.state.waiting(channel).map(|one| one.message.key.as_str()).collect();
        let known = self.state.alerts.values().filter(|alert| alert.told.contains(channel));
        let known = known.map(|alert| &alert.message);
        known.filter(|message| !waiting.contains(message.key.as_str())).cloned().collect()
    }

    /// The newest message of each alert that fires.
    pub(super) fn firing(&self) -> impl Iterator<Item = &Message> {
        let messages = self.state.alerts.values().map(|alert| &*alert.message);
        messages.filter(|message| message.is_firing())
    }

    /// Takes alerts that fire and of which everybody whom the routes name at `at_ms` knows already.
    pub(super) fn adopt(&mut self, firing: Vec<Message>, at_ms: u64) {
        let mut lines = Vec::new();
        for message in firing {
            if self.state.alerts.len() >= ALERTS_MAX {
                self.metrics.refused_total.add(1);
                continue;
            }
            let told = self.wanted(&message, at_ms).into_iter().collect();
            let line = Line::Alert { told, message };
            self.state.apply(line.clone());
            lines.push(line);
        }
        let _ = self.keep(&lines); // known all the same, and kept with the next
    }

    /// Whether a message with this key waits for a channel.
    pub(super) fn waits_for(&self, key: &str) -> bool {
        let mut waiting = self.channels.iter().flat_map(|channel| self.state.waiting(channel));
        waiting.any(|one| one.message.key == key)
    }

    /// How many wait for a channel, and since when in milliseconds since 1970.
    pub(super) fn waiting(&self, channel: &str) -> (usize, Option<u64>) {
        let oldest = self.state.waiting(channel).next().map(|one| one.at_ms);
        (self.state.waiting_count(channel), oldest)
    }
}

/// What a channel takes at once.
pub(super) const fn takes_several(kind: ChannelKind) -> bool {
    matches!(kind, ChannelKind::Alertmanager)
}

/// The key of a channel's summaries.
fn summary_key(channel: &str) -> String {
    key_of(&format!("summary|{channel}"))
}
