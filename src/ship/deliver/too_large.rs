//! After a request that was too large: halves, down to one document.
//!
//! A document that is larger than any server's limit may be is a dead letter. Who refuses a smaller one,
//! say a gateway out of order, says nothing of its size: its neighbours decide, as of any refusal that
//! does not tell (`doubt`).

use std::rc::Rc;

use super::settle::undecided;
use super::{Delivery, Part, Unfinished};
use crate::elk::problem::Problem;
use crate::ship::answer::Refusal;
use crate::ship::doubt::Unclear;
use crate::ship::gate::SMALL_BYTES;

impl Delivery {
    /// See the head of this file.
    pub(super) async fn too_large(
        &mut self,
        problem: &Problem,
        part: Part,
        parts: &mut Vec<Part>,
    ) -> Result<(), Unfinished> {
        let context = Rc::clone(&self.context);
        let Part { batch, mut doubt } = part;
        let (url, bytes) = (context.client.url_of(self.node), batch.bytes());
        if batch.len() > 1 {
            if context.body_limit.lower(bytes) {
                tracing::info!(url, bytes, "shipping: the server wants smaller requests");
            }
            parts.extend(Part::halves(&batch));
            return Ok(());
        }
        let (kind, reason) = ("too_large".to_owned(), problem.reason.clone());
        let refusal = Refusal { status: 413, kind, reason };
        let stream = batch.items()[0].stream;
        let one = Unclear { dataset: stream.dataset(), is_suspect: false };
        if bytes > SMALL_BYTES || doubt.judge(self.request, &[one], &context.taken) == [true] {
            self.refuse(&batch, 0, &refusal);
            return Ok(());
        }
        context.body_limit.forget();
        context.metrics.retried_records_total.add(1);
        // Its neighbours go first, since they decide.
        parts.insert(0, Part { batch, doubt });
        if parts.len() > 1 && self.backoff.first() {
            return Ok(());
        }
        let problem = undecided(&stream.data_stream(&context.namespace), &refusal);
        context.status.waits(self.number, url, &problem);
        context.took_nothing(self.node, problem.fault).await;
        self.wait(problem.fault).await
    }
}
