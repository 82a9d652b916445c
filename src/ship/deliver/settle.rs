//! What the answers to one part of a batch mean for its documents: settled, sent again, or refused for
//! good. Invariant: every document of the part is booked once, or is in what is left.
//! Not here: which answer means what (`answer`), whose fault an unclear one is (`doubt`).

use std::rc::Rc;

use super::{Delivery, Unfinished};
use crate::base::trouble::RAISE_FILE_SIZE;
use crate::elk::problem::{Fault, Problem, in_short};
use crate::ship::answer::{Cause, Outcome, Refusal};
use crate::ship::batch::Batch;
use crate::ship::context::Context;
use crate::ship::dead_letter::Kept;
use crate::ship::doubt::{Doubt, Unclear};
use crate::ship::gate::Backoff;

/// What one answer leaves to be done.
pub(super) struct Left {
    pub(super) batch: Batch,
    /// Why it has to wait, when that is no passing matter.
    pub(super) problem: Option<Problem>,
}

impl Delivery {
    /// Books every answer; gives what has to be sent again.
    pub(super) fn settle(
        &mut self,
        part: &Batch,
        outcomes: Vec<Outcome>,
        doubt: &mut Doubt,
    ) -> Left {
        let (request, context) = (self.request, Rc::clone(&self.context));
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
        let own = doubt.judge(request, &all, &context.taken);
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
    pub(super) fn tell(&mut self, part: &Batch, left: &Left) {
        let Context { status, client, .. } = &*self.context;
        let url = client.url_of(self.node);
        let is_progress = left.batch.len() < part.len();
        match &left.problem {
            Some(problem) => status.waits(self.number, url, problem),
            None if is_progress || part.is_empty() => {
                status.accepted(self.number, url);
                self.backoff = Backoff::default();
            }
            None => {
                let problem =
                    Problem::new(Fault::Overloaded, "it takes no document: 429, 503 or a fault");
                status.waits(self.number, url, &problem);
            }
        }
    }

    /// Makes a dead letter of a document.
    pub(super) fn refuse(&mut self, part: &Batch, index: usize, refusal: &Refusal) {
        let item = part.items()[index];
        let stream = item.stream.data_stream(&self.context.namespace);
        self.letters.refused(&stream, part.id(item), refusal, part.document(index));
    }

    /// Writes the dead letters of this batch once every older batch is settled, trying until they
    /// are written.
    ///
    /// # Errors
    /// [`Unfinished`]; none is written then.
    pub(super) async fn write_letters(&mut self) -> Result<(), Unfinished> {
        if self.letters.count == 0 {
            return Ok(());
        }
        let mut settled = self.context.settled.subscribe();
        // Fails only when the context is gone, and this with it.
        let _ = settled.wait_for(|count| *count >= self.number).await;
        loop {
            let written = self.context.dead_letters.borrow_mut().write(&self.letters);
            let file = self.context.dead_letters.borrow().path().display().to_string();
            let problem = match written {
                Ok(Kept::Yes) => {
                    self.tally.dead_letter = self.letters.count;
                    return Ok(());
                }
                Ok(Kept::NoRoom) => Problem::new(Fault::DeadLetters, format!("{file} is full")),
                Err(error) => {
                    let cure = match error.kind() {
                        std::io::ErrorKind::FileTooLarge => RAISE_FILE_SIZE,
                        _ => "free disk space, correct modes, or put away what is no file",
                    };
                    let reason = format!("{file} cannot be written: {error}");
                    Problem { cure, ..Problem::new(Fault::DeadLetters, reason) }
                }
            };
            self.context.status.waits(self.number, self.context.client.url(), &problem);
            self.wait(problem.fault).await?;
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
pub(super) fn undecided(stream: &str, refusal: &Refusal) -> Problem {
    let Refusal { status, kind, .. } = refusal;
    let reason = format!("{stream}: {status} {kind}, and it takes no other document");
    let cure = "look at the server's own log; from time to time one document goes to \
                dead-letters.ndjson, with the server's words";
    Problem { cure, status: *status, ..Problem::new(Fault::Blocked, reason) }
}
