//! The index of the lease, asked and written: one document.
//!
//! Reading by `_id` sees what was written last, without a refresh. Every write says which writing it
//! replaces, so that the server refuses one of two. Not here: what stands in it (`document`), whose turn it
//! is (`lease`).

use elasticsearch::http::Method;
use serde_json::Value;

use super::lease::Sequence;
use crate::elk::client::{Call, Client};
use crate::elk::problem::{Fault, Problem};
use crate::elk::templates;

/// `_id` of the document.
const ID: &str = "lease";

/// See the head of this file.
#[derive(Debug)]
pub(super) struct LeaseStore {
    index: String,
    /// Whether the index is known to be there.
    is_there: bool,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseWrite {
    Done(Sequence),
    /// Another write came before, or the document is gone.
    Refused,
}

impl LeaseStore {
    pub(super) fn new(namespace: &str) -> Self {
        Self { index: templates::watch_index(namespace), is_there: false }
    }

    /// The document, if there is one.
    pub(super) async fn read(
        &mut self,
        client: &Client,
    ) -> Result<Option<(Sequence, Value)>, Problem> {
        let path = format!("/{}/_doc/{ID}", self.index);
        let reply = client.call(Method::Get, &path, Call::default()).await?;
        if reply.status == 404 {
            self.is_there = false; // the index or the document
            return Ok(None);
        }
        let mut answer = parse(&reply.body)?;
        self.is_there = true;
        let sequence = sequence(&answer)
            .ok_or_else(|| Problem::new(Fault::Unknown, "the answer has no _seq_no"))?;
        Ok(Some((sequence, answer["_source"].take())))
    }

    /// Writes it over that writing of it; creates it when there is none.
    pub(super) async fn write(
        &mut self,
        client: &Client,
        over: Option<Sequence>,
        document: &Value,
    ) -> Result<LeaseWrite, Problem> {
        let path = if let Some(Sequence { number, term }) = over {
            let query = format!("if_seq_no={number}&if_primary_term={term}");
            format!("/{}/_doc/{ID}?{query}", self.index)
        } else {
            self.create_index(client).await?;
            format!("/{}/_create/{ID}", self.index)
        };
        let call = Call { body: document.to_string().into(), ..Call::default() };
        match client.call(Method::Put, &path, call).await {
            Ok(reply) if reply.status == 404 => Ok(LeaseWrite::Refused),
            Ok(reply) => {
                let sequence = sequence(&parse(&reply.body)?);
                let unclear = || Problem::new(Fault::Unknown, "the answer has no _seq_no");
                sequence.map(LeaseWrite::Done).ok_or_else(unclear)
            }
            Err(problem) if problem.status == 409 => Ok(LeaseWrite::Refused),
            Err(problem) => Err(problem),
        }
    }

    /// Makes the index, so that no type of a field is guessed.
    async fn create_index(&mut self, client: &Client) -> Result<(), Problem> {
        if self.is_there {
            return Ok(());
        }
        let body = templates::watch_index_body().to_string().into();
        let call = Call { body, ..Call::default() };
        match client.call(Method::Put, &format!("/{}", self.index), call).await {
            Ok(_) => tracing::info!(index = self.index, "slo watch: index of the lease created"),
            Err(problem) if problem.reason.contains("resource_already_exists_exception") => (),
            Err(problem) => return Err(problem),
        }
        self.is_there = true;
        Ok(())
    }
}

fn sequence(answer: &Value) -> Option<Sequence> {
    let (number, term) = (answer["_seq_no"].as_u64()?, answer["_primary_term"].as_u64()?);
    Some(Sequence { number, term })
}

fn parse(body: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(Fault::Unknown, format!("unreadable answer: {error}")))
}
