//! What the deliveries of all batches share; lives on one thread.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::dead_letter::DeadLetters;
use super::doubt::Taken;
use super::gate::{BodyLimit, Gate, NothingTaken};
use super::lookup::OpaqueIds;
use super::session::Session;
use super::status::Status;
use crate::consumer::Stopping;
use crate::elk::client::Client;
use crate::elk::problem::{Fault, Problem};
use crate::metrics::ShipMetrics;
use crate::record::Dataset;

/// See the head of this file.
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
    /// Batches whose documents all ended, in the order they were read: the number of the oldest that is not.
    /// One counts although its cursor could not be written.
    pub(super) settled: watch::Sender<u64>,
    /// Number of the request that was sent last.
    pub(super) request: Cell<u64>,
    /// Which streams take documents.
    pub(super) taken: Taken,
    /// Last part of the streams' names.
    pub(super) namespace: String,
    pub(super) opaque_ids: OpaqueIds,
    pub(super) metrics: Arc<ShipMetrics>,
    /// The order to end.
    pub(super) stopping: Stopping,
    /// How long the node in use has taken nothing.
    pub(super) nothing_taken: NothingTaken,
    /// How large a request may be.
    pub(super) body_limit: BodyLimit,
}

impl Context {
    /// Sees to it that documents of these datasets can be sent.
    pub(super) async fn ready(
        &self,
        datasets: impl Iterator<Item = Dataset>,
    ) -> Result<(), Problem> {
        self.find_out(datasets).await.map_err(|problem| match problem.fault {
            // Of a question; smaller batches do not help.
            Fault::TooLarge => Problem { fault: Fault::Refused, ..problem },
            // Nothing was sent yet: whoever asks first, it is the same that is told.
            Fault::Unknown => Problem { fault: Fault::NotSent, ..problem },
            _ => problem,
        })
    }

    /// After a try at `node` that brought nothing: perhaps another node is asked from now on, and what
    /// was found out about this one is forgotten.
    pub(super) async fn took_nothing(&self, node: usize, fault: Fault) {
        let is_away = matches!(fault, Fault::NotSent | Fault::Unknown);
        let has_turned =
            (is_away || self.nothing_taken.lasts(Instant::now())) && self.client.turn(node);
        if has_turned {
            self.nothing_taken.end();
        }
        let is_stranger = matches!(fault, Fault::Unauthorized | Fault::Forbidden | Fault::Refused);
        if has_turned || is_away || is_stranger {
            self.session.forget().await;
        }
    }

    async fn find_out(&self, datasets: impl Iterator<Item = Dataset>) -> Result<(), Problem> {
        self.session.ready(&self.client).await?;
        self.session.mapped(&self.client, datasets).await
    }
}
