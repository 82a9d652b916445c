//! The way of one batch, until every document of it is settled.
//!
//! ```text
//! ready? ─► suspects looked up ─► gate ─► _bulk ─► answers ─► settled
//!   ▲                                                │ again, blocked, suspect, halves
//!   └───────────────── wait (jitter) ◄───────────────┘
//! ```
//! Invariants: a document is settled once; nothing is given up but by the server's own word of that
//! document; no wait outlives the order to stop.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use elasticsearch::http::Method;
use tokio::sync::watch;

use super::answer::{Outcome, Refusal, outcomes};
use super::batch::{Batch, Broken};
use super::dead_letter::{DeadLetters, Kept};
use super::gate::{Backoff, Gate};
use super::lookup::{self, Found, OpaqueIds, path_stream};
use super::session::Session;
use super::status::Status;
use crate::elk::client::{Call, Client};
use crate::elk::problem::{Fault, Problem};
use crate::metrics::ShipMetrics;

/// Keeps of an answer only what is looked at.
pub(super) const FILTER: &str = "errors,items.*.status,items.*.error.type,items.*.error.reason,\
                      items.*.failure_store,error.type,error.reason,status";

/// What all batches share; lives on one thread.
#[derive(Debug)]
pub(super) struct Context {
    /// The nodes.
    pub(super) client: Client,
    /// What was found out about the server.
    pub(super) session: Session,
    /// How many requests at once.
    pub(super) gate: Gate,
    /// What people are told.
    pub(super) status: Status,
    /// Where refused documents go.
    pub(super) dead_letters: RefCell<DeadLetters>,
    /// Last part of the streams' names.
    pub(super) namespace: String,
    /// Names of requests.
    pub(super) opaque_ids: OpaqueIds,
    /// Counters.
    pub(super) metrics: Arc<ShipMetrics>,
    /// Becomes true when shipping is to end.
    pub(super) stopping: watch::Receiver<bool>,
    /// Largest body that the server takes, as it was learnt.
    pub(super) body_bytes_max: std::cell::Cell<usize>,
}

/// How the documents of a batch ended; counted when the batch is acknowledged.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    /// Stored by this batch.
    pub(super) acknowledged: u64,
    /// Stored before.
    pub(super) duplicate: u64,
    /// In the failure store.
    pub(super) failure_store: u64,
    /// Dead letters, kept or not.
    pub(super) dead_letter: u64,
    /// Of these, those that found no room.
    pub(super) dead_letter_lost: u64,
}

impl Tally {
    /// Counts a dead letter.
    fn bury(&mut self, kept: Kept) {
        self.dead_letter += 1;
        self.dead_letter_lost += u64::from(kept == Kept::NoRoom);
    }
}

/// The order to stop came before everything was settled.
#[derive(Debug)]
pub(super) struct Unfinished;

/// Settles a batch, however long it takes. `number` tells it from others of this run.
///
/// # Errors
/// [`Unfinished`] after the order to stop, when the server does not take what is left.
pub(super) async fn deliver(
    context: Rc<Context>,
    batch: Batch,
    broken: Vec<Broken>,
    number: u64,
) -> Result<Tally, Unfinished> {
    let mut delivery = Delivery {
        own: format!("{}{number}", context.opaque_ids.run),
        tally: Tally::default(),
        backoff: Backoff::default(),
        context,
    };
    for broken in &broken {
        delivery.bury(|letters| letters.broken(broken)).await?;
    }
    // Parts wait here in order, the next one last; a part is halved at most once per bit of its
    // length.
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        delivery.step(part, &mut parts).await?;
    }
    Ok(delivery.tally)
}

/// Finds out about the server before there is anything to send, so that what is wrong is told at
/// once. Ends when it answers, or with the order to stop.
pub(super) async fn greet(context: Rc<Context>) {
    let own = String::new();
    let (tally, backoff) = (Tally::default(), Backoff::default());
    let mut greeting = Delivery { context, own, tally, backoff };
    loop {
        let context = &greeting.context;
        let Err(problem) = context.session.ready(&context.client).await else { return };
        context.status.ill(context.client.url(), &problem);
        context.client.turn();
        if greeting.wait(problem.fault).await.is_err() {
            return;
        }
    }
}

/// One batch on its way.
struct Delivery {
    /// What all share.
    context: Rc<Context>,
    /// Name of its requests.
    own: String,
    /// What is settled.
    tally: Tally,
    /// Waits.
    backoff: Backoff,
}

impl Delivery {
    /// Sends one part once; what is left of it goes back to `parts`.
    ///
    /// # Errors
    /// [`Unfinished`].
    async fn step(&mut self, part: Batch, parts: &mut Vec<Batch>) -> Result<(), Unfinished> {
        let context = Rc::clone(&self.context);
        if part.bytes() > context.body_bytes_max.get() && part.len() > 1 {
            let (first, second) = part.halves();
            parts.extend([second, first]);
            return Ok(());
        }
        let permit = context.gate.enter().await;
        let (mut part, result) = match self.look_up(part).await {
            Ok(part) if part.is_empty() => return Ok(()),
            Ok(part) => {
                let result = self.send(&part).await;
                (part, result)
            }
            // Nothing was sent, so nothing new is unknown.
            Err((part, mut problem)) => {
                if problem.fault == Fault::Unknown {
                    problem.fault = Fault::NotSent;
                }
                (part, Err(problem))
            }
        };
        drop(permit);
        match result {
            Ok(answers) => {
                context.status.well(context.client.url());
                context.gate.widen();
                let (left, wait) = self.settle(&part, answers).await?;
                let is_progress = left.len() < part.len();
                if is_progress && wait.is_none() {
                    self.backoff = Backoff::default();
                }
                if !left.is_empty() {
                    context.metrics.retried_records_total.add(left.len() as u64);
                    self.wait(wait.unwrap_or(Fault::Overloaded)).await?;
                }
                parts.push(left);
                Ok(())
            }
            Err(problem) => {
                if problem.fault == Fault::Unknown {
                    part.suspect_all();
                }
                self.react(&problem, part, parts).await
            }
        }
    }

    /// Takes those documents out of a part that are stored already.
    ///
    /// # Errors
    /// The part as it was, and what the server says.
    async fn look_up(&mut self, part: Batch) -> Result<Batch, (Batch, Problem)> {
        let context = &self.context;
        if let Err(problem) = context.session.ready(&context.client).await {
            return Err((part, problem));
        }
        let suspects = part.items().iter().filter(|item| item.is_suspect).count() as u64;
        if suspects == 0 {
            return Ok(part);
        }
        let Context { client, namespace, opaque_ids, .. } = &**context;
        match lookup::stored(client, &part, namespace, opaque_ids, &self.own).await {
            Ok(Found::Ids(ids)) => {
                let left =
                    part.subset(|_, item| !(item.is_suspect && ids.contains(part.id(*item))));
                self.tally.duplicate += (part.len() - left.len()) as u64;
                Ok(left)
            }
            Ok(Found::MayNotLook) => {
                context.metrics.unverified_total.add(suspects);
                Ok(part)
            }
            Err(problem) => Err((part, problem)),
        }
    }

    /// Sends the bulk.
    ///
    /// # Errors
    /// Why there is no answer for every document.
    async fn send(&self, part: &Batch) -> Result<Vec<Outcome>, Problem> {
        let context = &self.context;
        let path = format!("/{}/_bulk?filter_path={FILTER}", path_stream(&context.namespace));
        let call = Call {
            opaque_id: &self.own,
            body: part.body(),
            content: "application/x-ndjson",
            fields: &[],
        };
        context.metrics.batches_total.add(1);
        context.metrics.sent_bytes_total.add(part.bytes() as u64);
        let reply = context.client.call(Method::Post, &path, call).await?;
        if reply.status == 404 {
            let reason = "the server has no _bulk; is it Elasticsearch or OpenSearch?";
            return Err(Problem::new(Fault::Refused, reason));
        }
        outcomes(&reply.body, part.len())
    }

    /// Books every answer; gives what has to be sent again, and why if it is no passing matter.
    ///
    /// # Errors
    /// [`Unfinished`].
    async fn settle(
        &mut self,
        part: &Batch,
        answers: Vec<Outcome>,
    ) -> Result<(Batch, Option<Fault>), Unfinished> {
        let mut blocked: Option<Refusal> = None;
        let mut again: Vec<Option<bool>> = vec![None; part.len()];
        for (index, answer) in answers.into_iter().enumerate() {
            match answer {
                Outcome::Stored => self.tally.acknowledged += 1,
                Outcome::Duplicate => self.tally.duplicate += 1,
                Outcome::FailureStore => self.tally.failure_store += 1,
                Outcome::Again => again[index] = Some(false),
                Outcome::Suspect => again[index] = Some(true),
                Outcome::Blocked(refusal) => {
                    again[index] = Some(false);
                    blocked = Some(refusal);
                }
                Outcome::Dead(refusal) => {
                    let item = part.items()[index];
                    let stream = item.stream.data_stream(&self.context.namespace);
                    let (id, document) = (part.id(item), part.document(index));
                    self.bury(|letters| letters.refused(&stream, id, &refusal, document)).await?;
                }
            }
        }
        let left = part.subset(|index, item| {
            item.is_suspect = again[index] == Some(true);
            again[index].is_some()
        });
        let fault = blocked.map(|refusal| {
            let fault = if refusal.status == 404 { Fault::Refused } else { Fault::Forbidden };
            let problem = Problem::new(fault, format!("{} {}", refusal.status, refusal.kind));
            self.context.status.ill(self.context.client.url(), &problem);
            fault
        });
        Ok((left, fault))
    }

    /// After a request without answers: what comes next, and when.
    ///
    /// # Errors
    /// [`Unfinished`].
    async fn react(
        &mut self,
        problem: &Problem,
        part: Batch,
        parts: &mut Vec<Batch>,
    ) -> Result<(), Unfinished> {
        let context = Rc::clone(&self.context);
        context.metrics.batch_errors_total.add(1);
        tracing::Span::current().record("otel.status_code", "ERROR");
        context.status.ill(context.client.url(), problem);
        match problem.fault {
            Fault::TooLarge if part.len() == 1 => {
                let item = part.items()[0];
                let stream = item.stream.data_stream(&context.namespace);
                let refusal = Refusal {
                    status: 413,
                    kind: "too_large".into(),
                    reason: problem.reason.clone(),
                };
                let (id, document) = (part.id(item), part.document(0));
                return self.bury(|letters| letters.refused(&stream, id, &refusal, document)).await;
            }
            Fault::TooLarge => {
                let half = (part.bytes() / 2).max(1);
                context.body_bytes_max.set(context.body_bytes_max.get().min(half.max(64 * 1024)));
                let (first, second) = part.halves();
                parts.extend([second, first]);
                return Ok(());
            }
            Fault::Overloaded => context.gate.narrow(),
            Fault::NotSent | Fault::Unknown => {
                context.client.turn();
                context.session.forget().await;
            }
            Fault::Unauthorized | Fault::Forbidden | Fault::Refused => {
                context.session.forget().await;
            }
        }
        context.metrics.retried_records_total.add(part.len() as u64);
        parts.push(part);
        self.wait(problem.fault).await
    }

    /// Writes a dead letter, trying until it is written.
    ///
    /// # Errors
    /// [`Unfinished`].
    async fn bury(
        &mut self,
        mut write: impl FnMut(&mut DeadLetters) -> std::io::Result<Kept>,
    ) -> Result<(), Unfinished> {
        loop {
            let written = write(&mut self.context.dead_letters.borrow_mut());
            match written {
                Ok(kept) => {
                    self.tally.bury(kept);
                    return Ok(());
                }
                Err(error) => {
                    let file = self.context.dead_letters.borrow().path().display().to_string();
                    tracing::warn!(file, %error, "shipping: a dead letter waits; free disk space");
                    self.wait(Fault::Refused).await?;
                }
            }
        }
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// [`Unfinished`] when shipping is to end: nobody waits then.
    async fn wait(&mut self, fault: Fault) -> Result<(), Unfinished> {
        let wait = self.backoff.next(fault);
        if wait == Duration::ZERO {
            return Ok(());
        }
        let mut stopping = self.context.stopping.clone();
        tokio::select! {
            biased;
            // The shipper's end is also an order.
            _ = stopping.wait_for(|stopping| *stopping) => Err(Unfinished),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}
