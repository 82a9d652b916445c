//! The way of one batch, until every document of it is settled.
//!
//! ```text
//! ready? ─► suspects looked up ─► gate ─► _bulk ─► answers ─► settled
//!   ▲                                                │ again, held, unclear, halves
//!   └───────────────── wait (jitter) ◄───────────────┘
//! ```
//! Invariants: a document is settled once; nothing is given up but by the server's own word of that
//! document, and then it is a dead letter; dead letters are written last, together, and in the order of
//! batches, so that the file holds none of a batch that is not acknowledged; no wait outlives the order
//! to stop.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use elasticsearch::http::Method;
use tokio::sync::watch;

use super::answer::{Cause, Outcome, Refusal, outcomes};
use super::batch::{Batch, Broken};
use super::dead_letter::{DeadLetters, Kept, Letters};
use super::doubt::{Doubt, Taken, Unclear};
use super::gate::{Backoff, Gate};
use super::lookup::{self, Found, OpaqueIds, path_stream};
use super::session::Session;
use super::status::{NOBODY_YET, Status, Who};
use crate::elk::client::{Call, Client};
use crate::elk::problem::{Fault, Problem, in_short};
use crate::metrics::ShipMetrics;
use crate::record::Dataset;

/// Keeps of an answer only what is looked at.
pub(super) const FILTER: &str = "errors,items.*.status,items.*.error.type,items.*.error.reason,\
                      items.*.failure_store,error.type,error.reason,status";

/// What all batches share; lives on one thread.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) client: Client,
    /// What was found out about the server.
    pub(super) session: Session,
    /// How many requests at once.
    pub(super) gate: Gate,
    pub(super) status: Status,
    /// Where refused documents go.
    pub(super) dead_letters: RefCell<DeadLetters>,
    /// Batches acknowledged so far: the number of the oldest that is not.
    pub(super) acknowledged: watch::Sender<u64>,
    /// Number of the request that was sent last.
    pub(super) request: Cell<u64>,
    /// Which streams take documents.
    pub(super) taken: Taken,
    /// Last part of the streams' names.
    pub(super) namespace: String,
    pub(super) opaque_ids: OpaqueIds,
    pub(super) metrics: Arc<ShipMetrics>,
    /// Becomes true when shipping is to end.
    pub(super) stopping: watch::Receiver<bool>,
    /// Largest body that the server takes, as it was learnt.
    pub(super) body_bytes_max: Cell<usize>,
}

impl Context {
    /// Sees to it that documents of these datasets can be sent.
    async fn ready(&self, datasets: impl Iterator<Item = Dataset>) -> Result<(), Problem> {
        self.session.ready(&self.client).await?;
        self.session.mapped(&self.client, datasets).await
    }
}

/// How the documents of a batch ended; counted when the batch is acknowledged.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    /// Stored by this batch.
    pub(super) acknowledged: u64,
    /// Stored before.
    pub(super) duplicate: u64,
    pub(super) failure_store: u64,
    /// In the file of dead letters.
    pub(super) dead_letter: u64,
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
    let own = format!("{}{number}", context.opaque_ids.run);
    let mut delivery = Delivery::new(context, number, own);
    for broken in &broken {
        delivery.letters.broken(broken);
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
    delivery.bury().await?;
    Ok(delivery.tally)
}

/// Finds out about the server before there is anything to send, so that what is wrong is told at
/// once. Ends when it answers, or with the order to stop.
pub(super) async fn greet(context: Rc<Context>) {
    let mut greeting = Delivery::new(context, NOBODY_YET, String::new());
    loop {
        let context = &greeting.context;
        let Err(problem) = context.ready([Dataset::Access].into_iter()).await else {
            context.status.done(NOBODY_YET);
            return;
        };
        context.status.ill(NOBODY_YET, context.client.url(), &problem);
        context.client.turn();
        if greeting.wait(problem.fault).await.is_err() {
            return;
        }
    }
}

/// One batch on its way.
struct Delivery {
    context: Rc<Context>,
    number: Who,
    /// Name of its requests.
    own: String,
    tally: Tally,
    /// What was refused for good.
    letters: Letters,
    doubt: Doubt,
    backoff: Backoff,
}

/// What a server says of each document.
struct Answers {
    request: u64,
    outcomes: Vec<Outcome>,
}

/// What one answer leaves to be done.
struct Left {
    batch: Batch,
    /// Why it has to wait, when that is no passing matter.
    problem: Option<Problem>,
}

impl Delivery {
    fn new(context: Rc<Context>, number: Who, own: String) -> Self {
        let (tally, letters) = (Tally::default(), Letters::default());
        let (doubt, backoff) = (Doubt::default(), Backoff::default());
        Self { context, number, own, tally, letters, doubt, backoff }
    }

    /// Sends one part once; what is left of it goes back to `parts`.
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
                context.gate.widen();
                let left = self.settle(&part, answers);
                let fault = left.problem.as_ref().map_or(Fault::Overloaded, |left| left.fault);
                self.tell(&part, &left);
                if !left.batch.is_empty() {
                    context.metrics.retried_records_total.add(left.batch.len() as u64);
                    self.wait(fault).await?;
                }
                parts.push(left.batch);
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
        let datasets = part.items().iter().map(|item| item.stream.dataset());
        if let Err(problem) = context.ready(datasets).await {
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

    async fn send(&self, part: &Batch) -> Result<Answers, Problem> {
        let context = &self.context;
        let path = format!("/{}/_bulk?filter_path={FILTER}", path_stream(&context.namespace));
        let call = Call {
            opaque_id: &self.own,
            body: part.body(),
            content: "application/x-ndjson",
            fields: &[],
        };
        let request = context.request.get() + 1;
        context.request.set(request);
        context.metrics.batches_total.add(1);
        context.metrics.sent_bytes_total.add(part.bytes() as u64);
        let reply = context.client.call(Method::Post, &path, call).await?;
        if reply.status == 404 {
            let reason = "the server has no _bulk; is it Elasticsearch or OpenSearch?";
            return Err(Problem::new(Fault::Refused, reason));
        }
        Ok(Answers { request, outcomes: outcomes(&reply.body, part.len())? })
    }

    /// Books every answer; gives what has to be sent again.
    fn settle(&mut self, part: &Batch, answers: Answers) -> Left {
        let Answers { request, outcomes } = answers;
        let context = Rc::clone(&self.context);
        let mut problem = None;
        let mut again: Vec<Option<bool>> = vec![None; part.len()];
        let mut unclear = Vec::new();
        for (index, outcome) in outcomes.into_iter().enumerate() {
            let stream = part.items()[index].stream;
            let booked = match outcome {
                Outcome::Stored => &mut self.tally.acknowledged,
                Outcome::Duplicate => &mut self.tally.duplicate,
                Outcome::FailureStore => &mut self.tally.failure_store,
                Outcome::Again => {
                    again[index] = Some(false);
                    continue;
                }
                Outcome::Held(cause, refusal) => {
                    again[index] = Some(false);
                    let held = || held(&stream.data_stream(&context.namespace), cause, &refusal);
                    problem.get_or_insert_with(held);
                    continue;
                }
                Outcome::Unclear { refusal, is_suspect } => {
                    let dataset = stream.dataset();
                    unclear.push((index, Unclear { dataset, is_suspect }, refusal));
                    continue;
                }
                Outcome::Dead(refusal) => {
                    self.refuse(part, index, &refusal);
                    context.taken.note(stream.dataset(), request);
                    continue;
                }
            };
            *booked += 1;
            context.taken.note(stream.dataset(), request);
        }
        let all: Vec<_> = unclear.iter().map(|(_, one, _)| *one).collect();
        let own = self.doubt.judge(request, &all, &context.taken);
        for ((index, one, refusal), is_own) in unclear.into_iter().zip(own) {
            if is_own {
                self.refuse(part, index, &refusal);
                continue;
            }
            again[index] = Some(one.is_suspect);
            // A fault of the server passes, or is told when it lasts.
            if !one.is_suspect {
                let stream = part.items()[index].stream.data_stream(&context.namespace);
                problem.get_or_insert_with(|| undecided(&stream, &refusal));
            }
        }
        let batch = part.subset(|index, item| {
            item.is_suspect = again[index] == Some(true);
            again[index].is_some()
        });
        Left { batch, problem }
    }

    /// Tells what an answer to `part` says of shipping.
    fn tell(&mut self, part: &Batch, left: &Left) {
        let Context { status, client, .. } = &*self.context;
        let is_progress = left.batch.len() < part.len();
        match &left.problem {
            Some(problem) => status.ill(self.number, client.url(), problem),
            None if is_progress || part.is_empty() => {
                status.well(self.number, client.url());
                self.backoff = Backoff::default();
            }
            None => {
                let problem =
                    Problem::new(Fault::Overloaded, "it takes no document: 429, 503 or a fault");
                status.ill(self.number, client.url(), &problem);
            }
        }
    }

    /// Makes a dead letter of a document.
    fn refuse(&mut self, part: &Batch, index: usize, refusal: &Refusal) {
        let item = part.items()[index];
        let stream = item.stream.data_stream(&self.context.namespace);
        self.letters.refused(&stream, part.id(item), refusal, part.document(index));
    }

    /// After a request without answers: what comes next, and when.
    async fn react(
        &mut self,
        problem: &Problem,
        part: Batch,
        parts: &mut Vec<Batch>,
    ) -> Result<(), Unfinished> {
        let context = Rc::clone(&self.context);
        context.metrics.batch_errors_total.add(1);
        tracing::Span::current().record("otel.status_code", "ERROR");
        context.status.ill(self.number, context.client.url(), problem);
        match problem.fault {
            Fault::TooLarge if part.len() == 1 => {
                let (kind, reason) = ("too_large".to_owned(), problem.reason.clone());
                self.refuse(&part, 0, &Refusal { status: 413, kind, reason });
                return Ok(());
            }
            Fault::TooLarge => {
                let half = (part.bytes() / 2).max(1);
                context.body_bytes_max.set(context.body_bytes_max.get().min(half.max(64 * 1024)));
                let (first, second) = part.halves();
                parts.extend([second, first]);
                return Ok(());
            }
            Fault::Overloaded => context.gate.narrow(),
            Fault::Blocked | Fault::DeadLetters => (),
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

    /// Writes the dead letters of this batch once every older batch is acknowledged, trying until they
    /// are written.
    ///
    /// # Errors
    /// [`Unfinished`]; none is written then.
    async fn bury(&mut self) -> Result<(), Unfinished> {
        if self.letters.count == 0 {
            return Ok(());
        }
        let mut acknowledged = self.context.acknowledged.subscribe();
        // Fails only when the context is gone, and this with it.
        let _ = acknowledged.wait_for(|count| *count >= self.number).await;
        loop {
            let written = self.context.dead_letters.borrow_mut().write(&self.letters);
            let file = self.context.dead_letters.borrow().path().display().to_string();
            let problem = match written {
                Ok(Kept::Yes) => {
                    self.tally.dead_letter = self.letters.count;
                    self.context.status.well(self.number, self.context.client.url());
                    return Ok(());
                }
                Ok(Kept::NoRoom) => Problem::new(Fault::DeadLetters, format!("{file} is full")),
                Err(error) => {
                    let cure = "free disk space, or correct the folder's mode";
                    let reason = format!("{file} cannot be written: {error}");
                    Problem { cure, ..Problem::new(Fault::DeadLetters, reason) }
                }
            };
            self.context.status.ill(self.number, self.context.client.url(), &problem);
            self.wait(problem.fault).await?;
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

/// A stream that takes nothing, in the server's own words: they name no document.
fn held(stream: &str, cause: Cause, refusal: &Refusal) -> Problem {
    let Refusal { status, kind, reason } = refusal;
    let reason = format!("{stream}: {status} {kind}{}", in_short(reason));
    Problem { cure: cause.cure(), status: *status, ..Problem::new(cause.fault(), reason) }
}

/// A refusal of which nobody knows yet whose it is. The server's words may quote the document.
fn undecided(stream: &str, refusal: &Refusal) -> Problem {
    let Refusal { status, kind, .. } = refusal;
    let reason = format!("{stream}: {status} {kind}, and it takes no other document");
    let cure = "look at the server's own log; from time to time one document goes to \
                dead-letters.ndjson, with the server's words";
    Problem { cure, status: *status, ..Problem::new(Fault::Blocked, reason) }
}
