//! Which documents of a batch are stored, after an answer was lost or a shipper ended.
//!
//! An `_id` alone protects from a second copy only within one backing index: after a rollover the
//! same `_id` is taken once more, on both products. So suspects are looked up before they are sent:
//! first no earlier request of ours may still be running, then a refresh makes everything visible,
//! then an `ids` query over the stream tells what is there, in whichever index.
//! Exact as long as the credentials may ask; if not, the `_id` protects up to a rollover, which is
//! counted as `unverified`.

use std::collections::{BTreeSet, HashSet};

use elasticsearch::http::Method;
use serde_json::{Value, json};

use super::batch::Batch;
use crate::elk::client::{Call, Client};
use crate::elk::problem::{Fault, Problem};
use crate::elk::search::complete;
use crate::record::Stream;

/// Ids asked for at once; below `index.max_result_window`.
const IDS_MAX: usize = 5_000;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The ids that are stored.
    Ids(HashSet<String>),
    /// The credentials may not look.
    MayNotLook,
}

/// Which names requests of this shipper carry in `X-Opaque-Id`.
#[derive(Debug)]
pub(super) struct OpaqueIds {
    /// What all requests of this installation begin with.
    pub(super) installation: String,
    /// What those of this run of the shipper begin with.
    pub(super) run: String,
}

/// Looks up the suspects of `batch`, which is sent as `own`.
///
/// # Errors
/// What the server says, or that an earlier request is still running: look again later.
pub(super) async fn stored(
    client: &Client,
    batch: &Batch,
    namespace: &str,
    ids: &OpaqueIds,
    own: &str,
) -> Result<Found, Problem> {
    let suspects: Vec<_> = batch.items().iter().filter(|item| item.is_suspect).collect();
    let streams: BTreeSet<String> = suspects
        .iter()
        .map(|item: &&super::batch::Item| item.stream.data_stream(namespace))
        .collect();
    let wanted: Vec<&str> = suspects.iter().map(|item| batch.id(**item)).collect();
    stored_ids(client, &streams, &wanted, ids, own).await
}

/// Which of `wanted` are stored in `streams`; what may still be stored is sent as `own`.
pub(super) async fn stored_ids(
    client: &Client,
    streams: &BTreeSet<String>,
    wanted: &[&str],
    ids: &OpaqueIds,
    own: &str,
) -> Result<Found, Problem> {
    let streams = streams.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    if may(still_running(client, ids, own).await)? == Some(true) {
        return Err(Problem::new(Fault::Overloaded, "an earlier request is still running"));
    }
    let refresh = format!("/{streams}/_refresh?ignore_unavailable=true&filter_path=_shards.failed");
    let Some(()) = may(complete(client, Method::Post, &refresh, None).await.map(drop))? else {
        return Ok(Found::MayNotLook);
    };
    let mut found = HashSet::new();
    for some in wanted.chunks(IDS_MAX) {
        let path = format!(
            "/{streams}/_search?ignore_unavailable=true\
             &filter_path=timed_out,_shards.failed,hits.hits._id"
        );
        let query = json!({
            "size": some.len(), "_source": false, "track_total_hits": false,
            "query": { "ids": { "values": some } },
        });
        let Some(answer) = may(complete(client, Method::Post, &path, Some(&query)).await)? else {
            return Ok(Found::MayNotLook);
        };
        let hits = answer["hits"]["hits"].as_array().into_iter().flatten();
        found.extend(hits.filter_map(|hit| hit["_id"].as_str().map(str::to_owned)));
    }
    Ok(Found::Ids(found))
}

/// `None` where the credentials do not suffice.
fn may<T>(result: Result<T, Problem>) -> Result<Option<T>, Problem> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(problem) if problem.fault == Fault::Forbidden => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Whether an earlier sending of this batch, or anything of an earlier run, is still executed.
async fn still_running(client: &Client, ids: &OpaqueIds, own: &str) -> Result<bool, Problem> {
    let path = "/_tasks?actions=*bulk*&filter_path=nodes.*.tasks.*.headers";
    let reply = client.call(Method::Get, path, Call::default()).await?;
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    Ok(running(&answer)
        .any(|id| id == own || (id.starts_with(&ids.installation) && !id.starts_with(&ids.run))))
}

/// The `X-Opaque-Id` of every task in an answer.
fn running(answer: &Value) -> impl Iterator<Item = &str> {
    let nodes = answer["nodes"].as_object().into_iter().flat_map(|nodes| nodes.values());
    let tasks = nodes.filter_map(|node| node["tasks"].as_object()).flat_map(|tasks| tasks.values());
    tasks.filter_map(|task| task["headers"]["X-Opaque-Id"].as_str())
}

/// The stream that a request names in its path.
pub(super) fn path_stream(namespace: &str) -> String {
    Stream::Access.data_stream(namespace)
}
