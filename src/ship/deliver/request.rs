//! The requests of a delivery: the look-up of suspects, and the `_bulk`.

use elasticsearch::http::Method;

use super::Delivery;
use crate::elk::client::Call;
use crate::elk::problem::{Fault, Problem};
use crate::ship::answer::{Outcome, outcomes};
use crate::ship::batch::Batch;
use crate::ship::context::Context;
use crate::ship::lookup::{self, Found, path_stream};

/// Keeps of an answer only what is looked at.
pub(in crate::ship) const FILTER: &str = "errors,items.*.status,items.*.error.type,items.*.error.reason,\
                      items.*.failure_store,error.type,error.reason,status";

impl Delivery {
    /// Takes those documents out of a part that are stored already.
    ///
    /// # Errors
    /// The part as it was, and what the server says.
    pub(super) async fn look_up(&mut self, part: Batch) -> Result<Batch, (Batch, Problem)> {
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

    /// What the server says of each document.
    pub(super) async fn send(&mut self, part: &Batch) -> Result<Vec<Outcome>, Problem> {
        let context = &self.context;
        let path = format!("/{}/_bulk?filter_path={FILTER}", path_stream(&context.namespace));
        let call = Call {
            opaque_id: &self.own,
            body: part.body(),
            content: "application/x-ndjson",
            fields: &[],
        };
        self.request = context.request.get() + 1;
        context.request.set(self.request);
        context.metrics.batches_total.add(1);
        context.metrics.sent_bytes_total.add(part.bytes() as u64);
        let reply = context.client.call(Method::Post, &path, call).await?;
        if reply.status == 404 {
            let reason = "the server has no _bulk; is it Elasticsearch or OpenSearch?";
            return Err(Problem::new(Fault::Refused, reason));
        }
        outcomes(&reply.body, part.len(), &reply.secrets)
    }
}
