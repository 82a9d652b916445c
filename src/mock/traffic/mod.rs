//! A bounded traffic generator: connections of an HTTP client, paced, with honest counters.
//!
//! With a rate, requests fall due at fixed times whatever the answers take (open loop), and a request
//! that had to wait for a free connection is timed from when it fell due: a slow answer cannot hide
//! the requests it held up (coordinated omission). Without a rate, each connection asks again as soon
//! as it was answered (closed loop), and says nothing about latency at a given load.
//!
//! Every request is sent once. It ends in exactly one counter: answered whole, by class of status, or
//! failed. `sent = answered + failed` when it has ended. One thread, one runtime.
//!
//! Not here: TLS, redirects, cookies.

mod client;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::base::clock;
use crate::metrics::Cell64;
use client::{Client, Failure};

/// A request that is sent later than this after it fell due counts as late.
const LATE: Duration = Duration::from_millis(10);
/// Wait before a connection is tried again after it could not be opened.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);
/// Longest latency that is told apart, one hour in microseconds.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// What to send, where, how much, how fast. No `Default`: each bound is the caller's decision.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where requests go.
    pub target: SocketAddr,
    /// Connections, each with at most one request under way.
    pub connections: u32,
    /// Requests a second over all connections; `None` for as fast as answers come.
    pub rate: Option<f64>,
    /// Most requests.
    pub count: u64,
    /// Longest time.
    pub duration: Duration,
    /// What is asked, drawn by weight.
    pub asks: Vec<Ask>,
    /// Whether `/CONNECTION/NUMBER` is appended to each path, so that no target comes twice.
    pub is_unique: bool,
    /// HTTP/2 by prior knowledge instead of HTTP/1.1.
    pub http2: bool,
    /// A request without its whole answer after this long has failed.
    pub timeout: Duration,
    /// Seed of the draws, so that a run can be repeated.
    pub seed: u64,
    /// Exchanges kept for [`Report::exchanges`]; more are only counted.
    pub recorded_max: usize,
}

/// One kind of request.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Share of requests relative to the others.
    pub weight: u32,
    /// Method.
    pub method: http::Method,
    /// Host asked for.
    pub host: String,
    /// Path.
    pub path: String,
    /// Query without question mark, or empty.
    pub query: String,
    /// Length of the request body.
    pub body_bytes: u64,
}

impl Ask {
    /// A GET with weight 1.
    pub fn get(host: &str, path: &str) -> Self {
        Self {
            weight: 1,
            method: http::Method::GET,
            host: host.to_owned(),
            path: path.to_owned(),
            query: String::new(),
            body_bytes: 0,
        }
    }
}

/// What is counted while it runs; readable from any thread.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests begun.
    pub sent: Cell64,
    /// Answers received whole, by class of status from 1xx to 5xx.
    pub answered: [Cell64; 5],
    /// Requests for which no connection could be opened.
    pub failed_connect: Cell64,
    /// Requests broken off before the whole answer.
    pub failed_broken: Cell64,
    /// Requests given up after the timeout.
    pub failed_timeout: Cell64,
    /// Requests that fell due while no connection was free and were sent over 10 ms late.
    pub late: Cell64,
    /// Connections opened.
    pub connections: Cell64,
    /// Bytes of request bodies, of answered requests.
    pub sent_bytes: Cell64,
    /// Bytes of response bodies, of answers received whole.
    pub received_bytes: Cell64,
}

impl Counters {
    /// Answers received whole.
    pub fn answered_total(&self) -> u64 {
        self.answered.iter().map(Cell64::value).sum()
    }

    /// Requests without a whole answer.
    pub fn failed_total(&self) -> u64 {
        self.failed_connect.value() + self.failed_broken.value() + self.failed_timeout.value()
    }
}

/// One request and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// Connection it was sent on, from 0.
    pub connection: u32,
    /// Its number over all connections, from 0.
    pub number: u64,
    /// Index in [`Options::asks`].
    pub ask: usize,
    /// Status, when its head came.
    pub status: Option<u16>,
    /// Bytes of the response body that came.
    pub response_body_bytes: u64,
    /// Whether the whole answer came.
    pub is_whole: bool,
}

/// What a run did.
#[derive(Debug)]
pub struct Report {
    /// The counters at their end.
    pub counters: Arc<Counters>,
    /// Latency of whole answers in microseconds, from when the request fell due.
    pub latency_us: Histogram<u64>,
    /// Every exchange in the order they ended, up to the limit.
    pub exchanges: Vec<Exchange>,
    /// How long it ran.
    pub elapsed: Duration,
}

/// A running generator; stops when dropped.
#[derive(Debug)]
pub struct Running {
    counters: Arc<Counters>,
    /// Tells connections to end.
    stop: watch::Sender<bool>,
    /// The thread, which gives the report.
    thread: Option<JoinHandle<io::Result<Report>>>,
}

impl Running {
    /// The counters now.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Whether it has ended by itself.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When its thread had no runtime or ended with a panic.
    pub fn wait(mut self) -> io::Result<Report> {
        self.join()
    }

    /// Begins nothing more and waits for what is under way, at most for the timeout of a request.
    ///
    /// # Errors
    /// When its thread had no runtime or ended with a panic.
    pub fn stop(mut self) -> io::Result<Report> {
        self.stop.send_replace(true);
        self.join()
    }

    fn join(&mut self) -> io::Result<Report> {
        let thread = self.thread.take().ok_or_else(|| io::Error::other("the traffic has ended"))?;
        thread.join().map_err(|_| io::Error::other("the traffic generator ended with a panic"))?
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        // A generator that was waited for has nothing left to say.
        let _ = self.join();
    }
}

/// Starts a generator on a thread of its own.
///
/// # Errors
/// When nothing is asked for (`asks` is empty or without weight), or a thread cannot be had.
pub fn start(options: Options) -> io::Result<Running> {
    if options.asks.iter().all(|ask| ask.weight == 0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no ask with a weight"));
    }
    let counters = Arc::new(Counters::default());
    let (stop, stopping) = watch::channel(false);
    let shared = Arc::clone(&counters);
    let thread = std::thread::Builder::new().name("mock-traffic".to_owned()).spawn(move || {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        runtime.block_on(generate(options, shared, stopping))
    })?;
    Ok(Running { counters, stop, thread: Some(thread) })
}

/// What all connections of a generator share; lives on its thread.
#[derive(Debug)]
struct Shared {
    options: Options,
    /// Sum of the weights.
    weights: u32,
    start: Instant,
    /// Number of the next request.
    next: Cell<u64>,
    counters: Arc<Counters>,
    latency_us: RefCell<Histogram<u64>>,
    exchanges: RefCell<Vec<Exchange>>,
}

impl Shared {
    /// Number and due time of the next request, unless a bound is reached.
    fn next_turn(&self) -> Option<(u64, Instant)> {
        let number = self.next.get();
        #[expect(clippy::cast_precision_loss, reason = "2^53 requests are out of reach")]
        let due = match self.options.rate {
            Some(rate) => self.start + Duration::try_from_secs_f64(number as f64 / rate).ok()?,
            None => Instant::now(),
        };
        let is_over = number >= self.options.count || due - self.start >= self.options.duration;
        if is_over {
            return None;
        }
        self.next.set(number + 1);
        Some((number, due))
    }

    /// Draws an ask by weight.
    fn draw(&self, rng: &mut fastrand::Rng) -> usize {
        let mut left = rng.u32(0..self.weights);
        let asks = &self.options.asks;
        asks.iter()
            .position(|ask| {
                let is_it = left < ask.weight;
                left = left.saturating_sub(ask.weight);
                is_it
            })
            .unwrap_or(0)
    }

    /// Counts and records the end of an exchange.
    fn finish(&self, exchange: Exchange, failure: Option<Failure>, latency: Duration) {
        let counters = &self.counters;
        match failure {
            None => {
                let class = usize::from(exchange.status.unwrap_or(500) / 100).clamp(1, 5) - 1;
                counters.answered[class].add_owned(1);
                counters.received_bytes.add_owned(exchange.response_body_bytes);
                let ask = self.options.asks.get(exchange.ask);
                counters.sent_bytes.add_owned(ask.map_or(0, |ask| ask.body_bytes));
                let micros = clock::micros(latency);
                self.latency_us.borrow_mut().saturating_record(micros);
            }
            Some(Failure::Connect) => counters.failed_connect.add_owned(1),
            Some(Failure::Broken) => counters.failed_broken.add_owned(1),
            Some(Failure::Timeout) => counters.failed_timeout.add_owned(1),
        }
        let mut exchanges = self.exchanges.borrow_mut();
        if exchanges.len() < self.options.recorded_max {
            exchanges.push(exchange);
        }
    }
}

/// Runs all connections to their end.
async fn generate(
    options: Options,
    counters: Arc<Counters>,
    stopping: watch::Receiver<bool>,
) -> io::Result<Report> {
    let latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).map_err(io::Error::other)?;
    let shared = Rc::new(Shared {
        weights: options.asks.iter().fold(0, |sum: u32, ask| sum.saturating_add(ask.weight)),
        start: Instant::now(),
        next: Cell::new(0),
        counters,
        latency_us: RefCell::new(latency_us),
        exchanges: RefCell::default(),
        options,
    });
    let mut connections = JoinSet::new();
    for id in 0..shared.options.connections {
        connections.spawn_local(run(Rc::clone(&shared), id, stopping.clone()));
    }
    while connections.join_next().await.is_some() {}
    Ok(Report {
        counters: Arc::clone(&shared.counters),
        elapsed: shared.start.elapsed(),
        latency_us: shared.latency_us.borrow().clone(),
        exchanges: shared.exchanges.take(),
    })
}

/// One connection: takes turns until a bound is reached or it is told to stop.
async fn run(shared: Rc<Shared>, id: u32, mut stopping: watch::Receiver<bool>) {
    let mut rng = fastrand::Rng::with_seed(shared.options.seed ^ (u64::from(id) << 32));
    let mut client = Client::new(Rc::clone(&shared));
    while let Some((number, due)) = shared.next_turn() {
        let was_free = Instant::now() < due;
        if was_free {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return,
                () = tokio::time::sleep_until(due.into()) => {}
            }
        } else if *stopping.borrow() {
            return;
        }
        // The timer's own delay is nobody's latency; waiting for a free connection is.
        let begin = if was_free { Instant::now() } else { due };
        if begin.elapsed() > LATE {
            shared.counters.late.add_owned(1);
        }
        shared.counters.sent.add_owned(1);
        let ask = shared.draw(&mut rng);
        let mut exchange = Exchange {
            connection: id,
            number,
            ask,
            status: None,
            response_body_bytes: 0,
            is_whole: false,
        };
        let failure = client.exchange(&mut exchange).await.err();
        exchange.is_whole = failure.is_none();
        shared.finish(exchange, failure, begin.elapsed());
        if failure == Some(Failure::Connect) {
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }
}
