//! The loop: journal → batch → collector, acknowledged when every part of it is taken or given up.
//!
//! Invariants: at least once, with ids that make a repetition the same span; what waits for a collector
//! that is away is bounded, and beyond it the oldest spans are skipped and counted: traces never push
//! out a record that Elasticsearch has not taken. Not here: what a batch holds (`batch`), what an answer
//! means (`answer`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::Answer;
use super::batch::{Batch, Choice};
use super::client::{Client, Plan};
use super::control::ControlPlane;
use crate::base::trouble::Trouble;
use crate::consumer::Stopping;
use crate::journal::{Positions, Reader};
use crate::metrics::OtlpMetrics;
use crate::record::Constants;
use crate::web;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

/// Longest wait of a span before it is sent.
const WAIT: Duration = Duration::from_secs(1);
/// Waits after failures in a row: from the first to the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// A collector that goes on refusing is told of once in so long.
const TELL_EVERY: Duration = Duration::from_secs(30);

pub(super) struct Exporter<'a> {
    pub(super) reader: &'a mut Reader,
    /// How the collector is reached.
    pub(super) plan: &'a Plan,
    pub(super) client: Client,
    /// Spans of the control plane.
    pub(super) control: &'a ControlPlane,
    pub(super) choice: Choice,
    /// Most bytes of the journal that wait.
    pub(super) held_bytes_max: u64,
    pub(super) host: &'a str,
    pub(super) constants: &'a Constants,
    pub(super) metrics: Arc<OtlpMetrics>,
    /// When trouble was told of last; `None` when there is none.
    pub(super) told: Option<Instant>,
    /// The journal cannot be read.
    pub(super) unreadable: Trouble,
    /// The cursor cannot be written: the same spans are sent once more after a restart.
    pub(super) unwritable: Trouble,
}

/// The order to stop came before a batch was settled.
struct Unfinished;

/// Which part of a batch a request is about.
#[derive(Clone, Copy)]
enum Signal {
    Spans,
    Logs,
}

impl Exporter<'_> {
    /// Exports until told to stop, and then what is left, if the collector takes it.
    pub(super) async fn run(&mut self, stopping: &Stopping) {
        loop {
            let is_stopping = stopping.is_given();
            if self.reader.pending_bytes() > self.held_bytes_max {
                self.skip(&Batch::default()); // a collector that is there and too slow
            }
            let mut batch = Batch::default();
            batch.add_control(self.control.take(), self.constants, self.host);
            let filled = batch.fill(self.reader, self.choice, self.host);
            self.unreadable.note(&filled);
            let is_at_end = filled.unwrap_or(true);
            self.metrics.unreadable_total.add(batch.unreadable);
            let (upto, has_read) = (self.reader.positions(), batch.has_read());
            self.show();
            if self.export(batch, stopping).await.is_err() {
                return;
            }
            if has_read {
                self.acknowledge(&upto);
            }
            if is_at_end {
                if is_stopping {
                    self.show();
                    return;
                }
                tokio::select! {
                    () = stopping.given() => (),
                    () = tokio::time::sleep(WAIT) => (),
                }
            }
        }
    }

    /// Sends a batch until it is taken, refused or given up.
    async fn export(&mut self, mut batch: Batch, stopping: &Stopping) -> Result<(), Unfinished> {
        let mut failures = 0;
        while !batch.is_empty() {
            let (signal, answer) = self.send(&batch).await;
            self.metrics.requests_total.add(1);
            match answer {
                Answer::Taken { rejected, message } => {
                    failures = 0;
                    self.taken(signal, &mut batch, rejected, &message);
                }
                Answer::Refused { reason } => {
                    self.metrics.connected.set(0);
                    self.tell("traces: the collector refuses what it gets; it is dropped", &reason);
                    let (spans, logs) = take_counts(signal, &mut batch);
                    self.metrics.spans_refused_total.add(spans);
                    self.metrics.logs_refused_total.add(logs);
                }
                Answer::Again { after, reason } => {
                    self.metrics.connected.set(0);
                    self.tell("traces: the collector does not take spans; they wait", &reason);
                    if after.is_none() {
                        self.client = self.plan.connect(); // the old one may hang
                    }
                    let wait = after.unwrap_or_else(|| web::backoff(BACKOFF, failures));
                    failures += 1;
                    if self.wait(wait, stopping).await? {
                        self.skip(&batch);
                        return Ok(());
                    }
                    self.metrics.retries_total.add(1);
                }
            }
        }
        Ok(())
    }

    /// Sends one part of a batch.
    async fn send(&self, batch: &Batch) -> (Signal, Answer) {
        if batch.span_count > 0 {
            let resource_spans = batch.spans.clone();
            let request = ExportTraceServiceRequest { resource_spans };
            (Signal::Spans, self.client.traces(request).await)
        } else {
            let resource_logs = batch.logs.clone();
            let request = ExportLogsServiceRequest { resource_logs };
            (Signal::Logs, self.client.logs(request).await)
        }
    }

    /// A part was taken, all but some.
    fn taken(&mut self, signal: Signal, batch: &mut Batch, rejected: u64, message: &str) {
        self.metrics.connected.set(1);
        if self.told.take().is_some() {
            tracing::info!("traces: the collector takes spans again");
        }
        if rejected > 0 || !message.is_empty() {
            tracing::warn!(rejected, reason = message, "traces: the collector has a remark");
        }
        let (spans, logs) = take_counts(signal, batch);
        let metrics = &self.metrics;
        metrics.spans_exported_total.add(spans.saturating_sub(rejected));
        metrics.spans_rejected_total.add(spans.min(rejected));
        metrics.logs_exported_total.add(logs.saturating_sub(rejected));
        metrics.logs_rejected_total.add(logs.min(rejected));
    }

    /// Waits before the next try; says whether more waits than may.
    ///
    /// # Errors
    /// [`Unfinished`] when it is to end: nobody waits then.
    async fn wait(&self, wait: Duration, stopping: &Stopping) -> Result<bool, Unfinished> {
        let until = Instant::now() + wait;
        loop {
            self.show();
            if self.reader.pending_bytes() > self.held_bytes_max {
                return Ok(true);
            }
            let rest = until.saturating_duration_since(Instant::now()).min(WAIT);
            if rest.is_zero() {
                return Ok(false);
            }
            tokio::select! {
                biased;
                () = stopping.given() => return Err(Unfinished),
                () = tokio::time::sleep(rest) => (),
            }
        }
    }

    /// Gives up a batch and what follows it in the journal, until there is some room again.
    fn skip(&mut self, batch: &Batch) {
        let target = self.held_bytes_max / 4 * 3;
        let (mut spans, mut logs) = (batch.span_count, batch.log_count);
        loop {
            self.acknowledge(&self.reader.positions());
            if self.reader.pending_bytes() <= target {
                break;
            }
            let mut next = Batch::default();
            match next.fill(self.reader, self.choice, self.host) {
                Ok(_) if next.has_read() => {
                    spans += next.span_count;
                    logs += next.log_count;
                    self.metrics.unreadable_total.add(next.unreadable);
                }
                _ => break,
            }
        }
        self.metrics.spans_skipped_total.add(spans);
        self.metrics.logs_skipped_total.add(logs);
        if spans + logs > 0 {
            let problem = "the collector is away or too slow";
            tracing::warn!(spans, logs, problem, "traces: the oldest are skipped");
        }
    }

    /// Everything up to here is settled.
    fn acknowledge(&mut self, upto: &Positions) {
        self.unwritable.note(&self.reader.acknowledge(upto, ""));
    }

    /// Tells of trouble, now and then.
    fn tell(&mut self, what: &'static str, reason: &str) {
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            tracing::warn!(reason, "{what}");
            self.told = Some(Instant::now());
        }
    }

    /// Brings the gauges up to date.
    fn show(&self) {
        self.metrics.held_bytes.set(self.reader.pending_bytes());
        self.metrics.held_bytes_max.set(self.held_bytes_max);
    }
}

/// Takes a part out of a batch; gives how many spans and log records that were.
fn take_counts(signal: Signal, batch: &mut Batch) -> (u64, u64) {
    match signal {
        Signal::Spans => {
            batch.spans.clear();
            (std::mem::take(&mut batch.span_count), 0)
        }
        Signal::Logs => {
            batch.logs.clear();
            (0, std::mem::take(&mut batch.log_count))
        }
    }
}
