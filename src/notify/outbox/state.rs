//! What is waiting for whom, and which alerts channels know of: made of lines alone, so that a restart
//! gives the same. Pure.
//!
//! Invariants: each channel has a queue of its own, in the order of acceptance; nothing leaves it but by a
//! line. Not here: which channel is told (`route`), when (`dispatcher`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::super::message::Message;
use super::line::Line;

/// See the head of this file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in super::super) struct State {
    /// The number after the last.
    pub(super) next_seq: u64,
    /// Alerts that fire, and those that were over a moment ago, by their keys.
    pub(super) alerts: BTreeMap<String, Alert>,
    /// Messages that wait, by channel.
    queues: BTreeMap<String, VecDeque<Waiting>>,
    /// Keys of alerts that a channel knows by a summary alone.
    summed: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Alert {
    /// The newest message about it.
    pub(super) message: Arc<Message>,
    /// Channels that know that it fires, or will.
    pub(super) told: BTreeSet<String>,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) seq: u64,
    /// When it was accepted, in milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) message: Arc<Message>,
}

impl State {
    pub(super) fn of(lines: impl IntoIterator<Item = Line>) -> Self {
        let mut state = Self::default();
        lines.into_iter().for_each(|line| state.apply(line));
        state
    }

    /// Does what a line says.
    pub(super) fn apply(&mut self, line: Line) {
        match line {
            Line::Outbox { .. } => (),
            Line::Next { seq } => self.next_seq = self.next_seq.max(seq),
            // Numbers rise: what has an old one is damaged.
            Line::Notice { seq, .. } if seq < self.next_seq || seq == u64::MAX => (),
            Line::Notice { seq, at_ms, to, message } => {
                self.next_seq = seq + 1;
                let to: BTreeSet<_> = to.into_iter().collect();
                let message = Arc::new(message);
                let alert = self.alerts.entry(message.key.clone()).or_insert_with(|| Alert {
                    message: Arc::clone(&message),
                    told: BTreeSet::new(),
                });
                if message.is_firing() {
                    if !alert.message.is_firing() {
                        alert.told.clear();
                    }
                    alert.told.extend(to.iter().cloned());
                }
                alert.message = Arc::clone(&message);
                for channel in to {
                    let one = Waiting { seq, at_ms, message: Arc::clone(&message) };
                    self.queues.entry(channel).or_default().push_back(one);
                }
            }
            Line::Done { channel, seqs, summed } => {
                let seqs: BTreeSet<_> = seqs.into_iter().collect();
                for one in self.take(&channel, &seqs) {
                    self.sum(&channel, &one.message, summed);
                }
            }
            Line::Alert { told, message } => {
                let told = told.into_iter().collect();
                let key = message.key.clone();
                self.alerts.insert(key, Alert { message: Arc::new(message), told });
            }
            Line::Summed { channel, keys } => {
                if !keys.is_empty() {
                    self.summed.entry(channel).or_default().extend(keys);
                }
            }
        }
    }

    /// Takes messages out of a channel's queue.
    fn take(&mut self, channel: &str, seqs: &BTreeSet<u64>) -> Vec<Waiting> {
        let Some(queue) = self.queues.get_mut(channel) else { return Vec::new() };
        let mut taken = Vec::new();
        queue.retain(|one| {
            let is_kept = !seqs.contains(&one.seq);
            if !is_kept {
                taken.push(one.clone());
            }
            is_kept
        });
        if queue.is_empty() {
            self.queues.remove(channel);
        }
        taken
    }

    /// A channel was told of this, by a summary or not.
    fn sum(&mut self, channel: &str, message: &Message, summed: bool) {
        let keys = self.summed.entry(channel.to_owned()).or_default();
        if summed && message.is_firing() {
            keys.insert(message.key.clone());
        } else {
            keys.remove(&message.key);
        }
        if keys.is_empty() {
            self.summed.remove(channel);
        }
    }

    /// The lines that give it.
    pub(super) fn lines(&self) -> Vec<Line> {
        let alerts = self.alerts.values().map(|alert| Line::Alert {
            told: alert.told.iter().cloned().collect(),
            message: Message::clone(&alert.message),
        });
        let mut waiting: BTreeMap<u64, (u64, Vec<String>, &Arc<Message>)> = BTreeMap::new();
        for (channel, queue) in &self.queues {
            for Waiting { seq, at_ms, message } in queue {
                let entry = waiting.entry(*seq);
                let (_, to, _) = entry.or_insert_with(|| (*at_ms, Vec::new(), message));
                to.push(channel.clone());
            }
        }
        let summed = self.summed.iter().map(|(channel, keys)| Line::Summed {
            channel: channel.clone(),
            keys: keys.iter().cloned().collect(),
        });
        // A notice changes its alert, so that alerts come last.
        let waiting = waiting.into_iter().map(|(seq, (at_ms, to, message))| Line::Notice {
            seq,
            at_ms,
            to,
            message: Message::clone(message),
        });
        let next = Line::Next { seq: self.next_seq };
        waiting.chain(alerts).chain(summed).chain([next]).collect()
    }

    /// What waits for a channel, the oldest first.
    pub(super) fn waiting(&self, channel: &str) -> impl Iterator<Item = &Waiting> {
        self.queues.get(channel).into_iter().flatten()
    }

    pub(super) fn waiting_count(&self, channel: &str) -> usize {
        self.queues.get(channel).map_or(0, VecDeque::len)
    }

    /// Whether a channel knows a key by a summary alone.
    pub(super) fn is_summed(&self, channel: &str, key: &str) -> bool {
        self.summed.get(channel).is_some_and(|keys| keys.contains(key))
    }

    /// Keys that a channel knows by a summary alone.
    pub(super) fn summed(&self, channel: &str) -> BTreeSet<String> {
        self.summed.get(channel).cloned().unwrap_or_default()
    }

    /// Forgets alerts that were over before `then_ms` and of which everybody knows; channels that are
    /// configured no more, too. Gives how many messages waited for those.
    pub(super) fn forget(&mut self, then_ms: u64, channels: &[String]) -> u64 {
        let mut gone = 0;
        self.queues.retain(|channel, queue| {
            let is_kept = channels.contains(channel);
            gone += if is_kept { 0 } else { queue.len() as u64 };
            is_kept
        });
        self.summed.retain(|channel, _| channels.contains(channel));
        let waiting: BTreeSet<_> =
            self.queues.values().flatten().map(|one| one.message.key.clone()).collect();
        self.alerts.retain(|key, alert| {
            alert.told.retain(|channel| channels.contains(channel));
            alert.message.resolved_ms.is_none_or(|at_ms| at_ms > then_ms) || waiting.contains(key)
        });
        gone
    }
}
