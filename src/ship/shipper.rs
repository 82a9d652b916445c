//! The loop: journal → batches → deliveries, acknowledged in the order they were read.
//!
//! The journal is asked again as soon as a batch was full, else after `batch.wait`: a busy proxy
//! ships full batches back to back, a quiet one wakes once a second.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::task::{JoinError, JoinHandle};
use tracing::Instrument as _;

use super::batch::Filler;
use super::context::Context;
use super::deliver::{Tally, Unfinished, deliver, greet};
use super::suspects::{self, Suspicion};
use crate::base::trouble::Trouble;
use crate::config::Batch as Limits;
use crate::consumer::Stopping;
use crate::journal::{Positions, Reader};

/// Gauges are never older, also while the server is away.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// A batch on its way.
struct Sent {
    task: JoinHandle<Result<Tally, Unfinished>>,
    /// Where the journal is read to when it is settled.
    upto: Positions,
    /// Wall time of its first record, in milliseconds.
    oldest_ms: Option<u64>,
}

pub(super) struct Shipper<'a> {
    pub(super) reader: &'a mut Reader,
    /// What deliveries share.
    pub(super) context: Rc<Context>,
    pub(super) filler: Filler,
    pub(super) suspicion: Suspicion,
    /// Limits of a batch.
    pub(super) limits: Limits,
    /// Number of the next batch.
    pub(super) next_number: u64,
    /// The journal cannot be read.
    pub(super) unreadable: Trouble,
    /// The cursor cannot be written: the records are sent once more after a restart, and found to be
    /// there.
    pub(super) unwritable: Trouble,
    /// Settled, and not yet in the cursor.
    pub(super) unremembered: Tally,
}

impl Shipper<'_> {
    /// Ships until told to stop, and then what is left, if the server takes it.
    ///
    /// # Errors
    /// When a delivery ended with a panic.
    pub(super) async fn run(&mut self, stopping: &Stopping) -> Result<(), JoinError> {
        let mut sent: VecDeque<Sent> = VecDeque::new();
        let mut next_look = Instant::now();
        self.note();
        tokio::task::spawn_local(greet(Rc::clone(&self.context)));
        loop {
            let is_stopping = stopping.is_given();
            let is_due = is_stopping || Instant::now() >= next_look;
            if is_due && sent.len() < self.limits.in_flight {
                match self.fill(sent.is_empty()) {
                    Some((batch, is_full)) => {
                        sent.push_back(batch);
                        if is_full {
                            continue;
                        }
                    }
                    None if is_stopping && sent.is_empty() => {
                        self.settled();
                        return Ok(());
                    }
                    None => (),
                }
                next_look = Instant::now() + self.limits.wait;
            }
            self.show(sent.front());
            let has_room = sent.len() < self.limits.in_flight && !is_stopping;
            let until_look = next_look.saturating_duration_since(Instant::now());
            let pause = if has_room { until_look.min(SHOW_EVERY) } else { SHOW_EVERY };
            tokio::select! {
                biased;
                ended = first(&mut sent) => match ended? {
                    Ok((tally, upto)) => {
                        self.acknowledge(tally, &upto);
                        self.context.settled.send_modify(|count| *count += 1);
                    }
                    Err(Unfinished) => return Ok(()),
                },
                () = tokio::time::sleep(pause) => (),
                () = stopping.given(), if !is_stopping => (),
            }
        }
    }

    /// Reads one batch and sends it on its way. `None` when there is nothing; damage that was passed is
    /// acknowledged then, if nothing before it is under way.
    fn fill(&mut self, is_settled: bool) -> Option<(Sent, bool)> {
        let limit_bytes = self.context.body_limit.get();
        let filled = self.filler.fill(self.reader, &mut self.suspicion, limit_bytes);
        self.unreadable.note(&filled);
        let filled = filled.ok()?;
        if filled.batch.is_empty() && filled.broken.is_empty() {
            let is_left = self.unremembered != Tally::default();
            if is_settled && (is_left || self.reader.passes_damage(&filled.upto)) {
                self.acknowledge(Tally::default(), &filled.upto);
            }
            return None;
        }
        let context = Rc::clone(&self.context);
        let number = self.next_number;
        self.next_number += 1;
        let span = tracing::info_span!(
            "ship batch",
            records = filled.batch.len(),
            bytes = filled.batch.bytes(),
            "otel.kind" = "client",
            "otel.status_code" = tracing::field::Empty,
        );
        let delivery = deliver(context, filled.batch, filled.broken, number).instrument(span);
        let task = tokio::task::spawn_local(delivery);
        let sent = Sent { task, upto: filled.upto, oldest_ms: filled.oldest_ms };
        Some((sent, filled.is_full))
    }

    /// Everything up to here is settled: remembered and counted together, or it would be pending too.
    fn acknowledge(&mut self, tally: Tally, upto: &Positions) {
        self.unremembered.add(tally);
        if !self.store(upto, &suspects::note(self.unsettled_max())) {
            return;
        }
        let tally = std::mem::take(&mut self.unremembered);
        let metrics = &self.context.metrics;
        metrics.acknowledged_total.add(tally.acknowledged);
        metrics.duplicate_total.add(tally.duplicate);
        metrics.failure_store_total.add(tally.failure_store);
        metrics.dead_letter_total.add(tally.dead_letter);
        if tally.dead_letter > 0 {
            let file = self.context.dead_letters.borrow().path().display().to_string();
            tracing::warn!(
                count = tally.dead_letter,
                file,
                "shipping: documents were refused for good"
            );
        }
    }

    /// Most records of a lane that may be stored and not acknowledged.
    fn unsettled_max(&self) -> usize {
        self.limits.in_flight * self.limits.documents
    }

    /// Says in the cursor that requests may be under way from now on.
    fn note(&mut self) {
        self.store(&Positions::default(), &suspects::note(self.unsettled_max()));
    }

    /// Says in the cursor that none is.
    fn settled(&mut self) {
        self.store(&Positions::default(), &suspects::note(0));
        self.show(None);
    }

    /// Writes the cursor; says whether it could be written.
    fn store(&mut self, upto: &Positions, note: &str) -> bool {
        let stored = self.reader.acknowledge(upto, note);
        self.unwritable.note(&stored);
        self.context.metrics.damaged_total.set(self.reader.damaged());
        stored.is_ok()
    }

    /// Brings the gauges up to date.
    fn show(&self, oldest: Option<&Sent>) {
        let metrics = &self.context.metrics;
        metrics.pending.set(self.reader.pending());
        metrics.oldest_pending_seconds.set(oldest.and_then(|sent| sent.oldest_ms).map_or(0, age_s));
    }
}

/// Waits for the oldest batch; forever when there is none.
///
/// # Errors
/// When its delivery ended with a panic.
async fn first(
    sent: &mut VecDeque<Sent>,
) -> Result<Result<(Tally, Positions), Unfinished>, JoinError> {
    let Some(front) = sent.front_mut() else { return std::future::pending().await };
    let ended = (&mut front.task).await?;
    let upto = std::mem::take(&mut front.upto);
    sent.pop_front();
    Ok(ended.map(|tally| (tally, upto)))
}

/// Seconds since a wall time; 0 when the clock was set back.
fn age_s(time_ms: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(time_ms)).as_secs()
}
