//! The way of one batch, until every document of it is settled.
//!
//! ```text
//! ready? ─► suspects looked up ─► gate ─► _bulk ─► answers ─► settled
//!   ▲                                                │ again, held, unclear, halves
//!   └───────────────── wait (jitter) ◄───────────────┘
//! ```
//! Invariants: a document is settled once; nothing is given up but by the server's own word of that
//! document, and then it is a dead letter; dead letters are written last, together, and in the order of
//! batches, so that the file holds none of a batch before which another is not settled; no wait outlives the order
//! to stop.
//! Not here: the requests (`request`), what an answer means for documents (`settle`), halves (`too_large`).

mod request;
mod settle;
mod too_large;

use std::rc::Rc;
use std::time::Duration;

use super::batch::{Batch, Broken};
use super::context::Context;
use super::dead_letter::Letters;
use super::doubt::Doubt;
use super::gate::Backoff;
use super::status::{NOBODY_YET, Who};
use crate::elk::problem::{Fault, Problem};
use crate::record::Dataset;
pub(super) use request::FILTER;

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

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.duplicate += other.duplicate;
        self.failure_store += other.failure_store;
        self.dead_letter += other.dead_letter;
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
    let own = format!("{}{number}", context.opaque_ids.run);
    let mut delivery = Delivery::new(context, number, own);
    for broken in &broken {
        delivery.letters.broken(broken);
    }
    // The next one is last; a part is halved at most once per bit of its length.
    let mut parts = vec![Part::from(batch)];
    while let Some(part) = parts.pop() {
        if !part.batch.is_empty() {
            delivery.step(part, &mut parts).await?;
        }
    }
    delivery.write_letters().await?;
    // Whichever way: also what was looked up and found stored is no longer waited for.
    delivery.context.nothing_taken.end();
    delivery.context.status.accepted(number, delivery.context.client.url());
    Ok(delivery.tally)
}

/// Finds out about the server before there is anything to send, so that what is wrong is told at
/// once. Ends when it answers, when a batch is settled, or with the order to stop.
pub(super) async fn greet(context: Rc<Context>) {
    let mut settled = context.settled.subscribe();
    tokio::select! {
        _ = settled.wait_for(|count| *count > 0) => (),
        () = look(Rc::clone(&context)) => (),
    }
    context.status.done(NOBODY_YET);
}

/// Asks until the server is ready, or nobody waits any more.
async fn look(context: Rc<Context>) {
    let mut greeting = Delivery::new(context, NOBODY_YET, String::new());
    loop {
        let context = &greeting.context;
        let node = context.client.node();
        let Err(problem) = context.ready([Dataset::Access].into_iter()).await else { return };
        context.status.waits(NOBODY_YET, context.client.url_of(node), &problem);
        context.took_nothing(node, problem.fault).await;
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
    /// Number of the request that it sent last.
    request: u64,
    /// The node that is asked.
    node: usize,
    backoff: Backoff,
}

/// Documents of a batch that are sent together.
struct Part {
    batch: Batch,
    doubt: Doubt,
}

impl From<Batch> for Part {
    fn from(batch: Batch) -> Self {
        Self { batch, doubt: Doubt::default() }
    }
}

impl Part {
    /// Both halves of a batch, the first one last.
    fn halves(batch: &Batch) -> [Self; 2] {
        let (first, second) = batch.halves();
        [second, first].map(Self::from)
    }
}

impl Delivery {
    fn new(context: Rc<Context>, number: Who, own: String) -> Self {
        let (tally, letters) = (Tally::default(), Letters::default());
        let backoff = Backoff::default();
        Self { context, number, own, tally, letters, request: 0, node: 0, backoff }
    }

    /// Sends one part once; what is left of it goes back to `parts`.
    async fn step(&mut self, part: Part, parts: &mut Vec<Part>) -> Result<(), Unfinished> {
        let context = Rc::clone(&self.context);
        let Part { batch, mut doubt } = part;
        if batch.bytes() > context.body_limit.get() && batch.len() > 1 {
            parts.extend(Part::halves(&batch));
            return Ok(());
        }
        let permit = context.gate.enter().await;
        self.node = context.client.node();
        let (mut batch, result) = match self.look_up(batch).await {
            Ok(batch) if batch.is_empty() => return Ok(()),
            Ok(batch) => {
                let result = self.send(&batch).await;
                (batch, result)
            }
            Err((batch, mut problem)) => {
                problem.fault = match problem.fault {
                    // Nothing was sent, so nothing new is unknown.
                    Fault::Unknown => Fault::NotSent,
                    // A question about one document; no smaller one can be asked.
                    Fault::TooLarge if batch.len() == 1 => Fault::Refused,
                    fault => fault,
                };
                (batch, Err(problem))
            }
        };
        drop(permit);
        match result {
            Ok(outcomes) => {
                context.gate.widen();
                let left = self.settle(&batch, outcomes, &mut doubt);
                let fault = left.problem.as_ref().map_or(Fault::Overloaded, |left| left.fault);
                self.tell(&batch, &left);
                if left.problem.as_ref().is_some_and(|problem| problem.status == 404) {
                    context.session.forget().await; // perhaps its template is gone too
                }
                if left.batch.len() < batch.len() {
                    context.nothing_taken.end();
                } else {
                    context.took_nothing(self.node, fault).await;
                }
                if !left.batch.is_empty() {
                    context.metrics.retried_records_total.add(left.batch.len() as u64);
                    self.wait(fault).await?;
                }
                parts.push(Part { batch: left.batch, doubt });
                Ok(())
            }
            Err(problem) => {
                if problem.fault == Fault::Unknown {
                    batch.suspect_all();
                }
                self.react(&problem, Part { batch, doubt }, parts).await
            }
        }
    }

    /// After a request without answers: what comes next, and when.
    async fn react(
        &mut self,
        problem: &Problem,
        part: Part,
        parts: &mut Vec<Part>,
    ) -> Result<(), Unfinished> {
        let context = Rc::clone(&self.context);
        context.metrics.batch_errors_total.add(1);
        tracing::Span::current().record("otel.status_code", "ERROR");
        if problem.fault == Fault::TooLarge {
            return self.too_large(problem, part, parts).await;
        }
        context.status.waits(self.number, context.client.url_of(self.node), problem);
        if problem.fault == Fault::Overloaded {
            context.gate.narrow();
        }
        context.took_nothing(self.node, problem.fault).await;
        context.metrics.retried_records_total.add(part.batch.len() as u64);
        parts.push(part);
        self.wait(problem.fault).await
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
        tokio::select! {
            biased;
            () = self.context.stopping.given() => Err(Unfinished),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}
