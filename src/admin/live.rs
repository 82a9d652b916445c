//! What is going on right now: one look at the counters a second, told to whoever listens.
//!
//! ```text
//! counters ─ 1 s ─► Sampler ─┬─► ring of 5 s points (always; some ten loads and a small file)
//!                            └─► one JSON text ─► every open stream (only while somebody listens)
//! ```
//! Ten pages cost as much as one. Rates are over the last five seconds. A page that is slow sees the
//! newest text and how many it missed. Not here: what was before (`summary`).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::Sources;
use super::events::{self, Seat};
use super::picture;
use super::verdict::{self, LastCount};
use crate::base::clock::wall_ms;
use crate::vitals::Usage;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Rates are over so many looks.
const RATE_LOOKS: usize = 5;
/// Points that are kept: a quarter of an hour of five seconds each.
const POINTS_MAX: usize = 180;
/// A stream without news gets a comment after this long.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Counters at one look.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) at: Instant,
    /// CPU time of the process in milliseconds.
    pub(super) cpu_ms: u64,
    /// Exchanges ended.
    pub(super) requests: u64,
    /// Bytes read from downstreams.
    pub(super) received: u64,
    /// Bytes written to downstreams.
    pub(super) sent: u64,
    /// By number of the endpoint: attempts, failures.
    pub(super) endpoints: HashMap<u64, [u64; 2]>,
}

/// A point of the process's own charts.
#[derive(Debug, Clone, Copy)]
struct Point {
    /// End of the five seconds.
    time_ms: u64,
    /// CPU time per time.
    cpu: f64,
    resident_bytes: u64,
    /// Bytes from downstreams per second.
    received: f64,
    /// Bytes to downstreams per second.
    sent: f64,
    connections: u64,
    in_flight: u64,
}

/// By number of the endpoint: its state, and since when, in milliseconds since 1970.
pub(super) type Since = HashMap<u64, (&'static str, u64)>;

#[derive(Debug, Default)]
struct State {
    /// The last looks, oldest first.
    looks: VecDeque<Look>,
    /// Looks ever taken.
    seq: u64,
    /// States of endpoints.
    since: Since,
    /// The last quarter of an hour.
    points: VecDeque<Point>,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Live {
    state: Mutex<State>,
    /// What the verdict was made of.
    count: LastCount,
    /// The newest text with its number.
    latest: watch::Sender<(u64, Arc<str>)>,
}

impl Live {
    /// Nothing seen yet.
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            count: LastCount::default(),
            latest: watch::channel((0, Arc::from(""))).0,
        }
    }

    /// Looks every second until dropped.
    pub(super) async fn run(self: Arc<Self>, sources: Arc<Sources>) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.look(&sources);
            if self.latest.receiver_count() > 0 {
                self.publish(&sources);
            }
        }
    }

    fn look(&self, sources: &Sources) {
        let look = picture::look(sources);
        let mut state = self.lock();
        state.seq += 1;
        state.looks.push_back(look);
        if state.looks.len() > RATE_LOOKS + 1 {
            state.looks.pop_front();
        }
        let now_ms = wall_ms();
        let states = sources.proxy.endpoints();
        let since = states.iter().map(|endpoint| {
            let word = picture::word(endpoint);
            let before = state.since.get(&endpoint.id).filter(|(old, _)| *old == word);
            (endpoint.id, before.copied().unwrap_or((word, now_ms)))
        });
        state.since = since.collect();
        if state.seq.is_multiple_of(RATE_LOOKS as u64) {
            state.add_point(sources, now_ms);
        }
    }

    /// Makes the text of now, and tells it.
    fn publish(&self, sources: &Sources) {
        let state = self.lock();
        let (seq, rates, since) = (state.seq, state.rates(), state.since.clone());
        drop(state);
        let now_ms = wall_ms();
        let mut value = picture::picture(sources, seq, now_ms, &rates, &since);
        value["verdict"] = verdict::json(&verdict::now(sources, now_ms, &since, &self.count));
        self.latest.send_replace((seq, Arc::from(value.to_string())));
    }

    /// The charts of the process, oldest point first.
    pub(super) fn points(&self) -> Value {
        let state = self.lock();
        let column =
            |of: &dyn Fn(&Point) -> Value| -> Value { state.points.iter().map(of).collect() };
        json!({
            "time_ms": column(&|point| point.time_ms.into()),
            "cpu_ratio": column(&|point| point.cpu.into()),
            "resident_bytes": column(&|point| point.resident_bytes.into()),
            "received_rate": column(&|point| point.received.into()),
            "sent_rate": column(&|point| point.sent.into()),
            "connections": column(&|point| point.connections.into()),
            "in_flight": column(&|point| point.in_flight.into()),
        })
    }

    /// Sends every new text to one reader until it leaves.
    pub(super) async fn tell(
        self: Arc<Self>,
        sources: Arc<Sources>,
        out: mpsc::Sender<Bytes>,
        seat: Seat,
    ) {
        let news = self.latest.subscribe();
        self.publish(&sources);
        forward(news, out).await;
        drop(seat);
    }

    /// What the sampler knows; nothing is changed in two steps that a panic could part.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends the newest text as often as the reader takes one, until it leaves.
async fn forward(mut news: watch::Receiver<(u64, Arc<str>)>, out: mpsc::Sender<Bytes>) {
    let mut told = None;
    let mut frame = events::opening();
    loop {
        let sent = tokio::time::timeout(events::SEND_MAX, out.send(frame)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
        let changed = tokio::select! {
            () = out.closed() => return,
            changed = tokio::time::timeout(HEARTBEAT, news.changed()) => changed,
        };
        frame = match changed {
            Err(_) => events::heartbeat(),
            Ok(Err(_)) => return,
            Ok(Ok(())) => {
                let (seq, text) = news.borrow_and_update().clone();
                let missed = told.map_or(0, |told: u64| seq.saturating_sub(told + 1));
                told = Some(seq);
                let event = events::event("live", seq, &text);
                if missed > 0 {
                    let text = format!("{{\"skipped\":{missed}}}");
                    [events::event("skipped", seq, &text), event].concat().into()
                } else {
                    event
                }
            }
        };
    }
}

/// Rates over the last looks.
#[derive(Debug, Clone, Default)]
pub(super) struct Rates {
    /// Exchanges per second.
    pub(super) requests: f64,
    /// Bytes from downstreams per second.
    pub(super) received: f64,
    /// Bytes to downstreams per second.
    pub(super) sent: f64,
    /// CPU time per time; 1 is one core.
    pub(super) cpu: f64,
    /// By number of the endpoint: attempts and failures per second.
    pub(super) endpoints: HashMap<u64, [f64; 2]>,
}

impl State {
    /// Rates over the looks that are kept.
    #[expect(clippy::cast_precision_loss, reason = "rates are for eyes")]
    fn rates(&self) -> Rates {
        let (Some(first), Some(last)) = (self.looks.front(), self.looks.back()) else {
            return Rates::default();
        };
        let seconds = last.at.saturating_duration_since(first.at).as_secs_f64();
        if seconds <= 0.0 {
            return Rates::default();
        }
        let per_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let endpoints = last.endpoints.iter().map(|(id, now)| {
            let before = first.endpoints.get(id).copied().unwrap_or_default();
            (*id, [per_second(now[0], before[0]), per_second(now[1], before[1])])
        });
        Rates {
            requests: per_second(last.requests, first.requests),
            received: per_second(last.received, first.received),
            sent: per_second(last.sent, first.sent),
            cpu: per_second(last.cpu_ms, first.cpu_ms) / 1_000.0,
            endpoints: endpoints.collect(),
        }
    }

    /// Keeps the last five seconds as a point.
    fn add_point(&mut self, sources: &Sources, now_ms: u64) {
        let rates = self.rates();
        let (connections, in_flight) = picture::open_now(sources);
        if self.points.len() >= POINTS_MAX {
            self.points.pop_front();
        }
        self.points.push_back(Point {
            time_ms: now_ms,
            cpu: rates.cpu,
            resident_bytes: Usage::now().resident_bytes,
            received: rates.received,
            sent: rates.sent,
            connections,
            in_flight,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a slow reader costs nothing and knows what it missed. Method: texts come while it does not
    /// read; what it then gets is the last one and the number of those between.
    #[test]
    fn a_slow_reader_gets_the_newest_and_is_told_how_many_it_missed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (latest, news) = watch::channel((0, Arc::from("")));
            let (out, mut frames) = mpsc::channel(1);
            let sending = tokio::spawn(forward(news, out));
            let mut next =
                async || String::from_utf8(frames.recv().await.unwrap().to_vec()).unwrap();
            assert!(next().await.starts_with("retry: "));
            latest.send_replace((1, Arc::from("{\"n\":1}")));
            assert_eq!(next().await, "event: live\nid: 1\ndata: {\"n\":1}\n\n");
            for seq in 2..=6 {
                latest.send_replace((seq, Arc::from("{}")));
                tokio::task::yield_now().await;
            }
            let mut seen = String::new();
            while !seen.contains("id: 6\n") {
                seen += &next().await;
            }
            let skipped: u64 = seen
                .lines()
                .filter_map(|line| line.strip_prefix("data: {\"skipped\":")?.strip_suffix('}'))
                .map(|count| count.parse::<u64>().unwrap())
                .sum();
            let told = seen.matches("event: live").count() as u64;
            assert!(skipped > 0 && skipped + told == 5, "{seen}");
            drop(frames);
            sending.await.unwrap();
        });
    }
}
