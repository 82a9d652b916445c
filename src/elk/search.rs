//! Questions whose answer counts only when all of it is there.
//!
//! Not here: what is asked.

use elasticsearch::http::Method;
use serde_json::{Value, json};

use super::client::{Call, Client};
use super::problem::{Fault, Problem};

/// Whether every shard took part in an answer.
pub(super) fn is_whole(answer: &Value) -> bool {
    answer["timed_out"] != true && answer["_shards"]["failed"].as_u64().unwrap_or(0) == 0
}

/// A request whose answer counts only when every shard took part.
///
/// # Errors
/// What the server says, or that a shard did not answer.
pub(crate) async fn complete(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Problem> {
    let body = body.map(|body| body.to_string().into()).unwrap_or_default();
    let reply = client.call(method, path, Call { body, ..Call::default() }).await?;
    if reply.status == 404 {
        return Ok(Value::Null); // nothing of the kind: nothing is stored there
    }
    let answer: Value = serde_json::from_slice(&reply.body)
        .map_err(|error| Problem::new(Fault::Unknown, format!("unreadable answer: {error}")))?;
    if !is_whole(&answer) {
        return Err(Problem::new(Fault::Overloaded, "not every shard answers"));
    }
    Ok(answer)
}

/// A document of a stream with this value in a keyword field, without its source; `None` when there is none yet.
/// What is stored is made visible first, where the credentials may do that; elsewhere the server takes its time.
///
/// # Errors
/// As [`complete`].
pub(crate) async fn first(
    client: &Client,
    stream: &str,
    field: &str,
    value: &str,
) -> Result<Option<Value>, Problem> {
    let refresh = format!("/{stream}/_refresh?ignore_unavailable=true&filter_path=_shards.failed");
    match complete(client, Method::Post, &refresh, None).await {
        Err(problem) if problem.fault != Fault::Forbidden => return Err(problem),
        _ => (),
    }
    let path = format!("/{stream}/_search?ignore_unavailable=true");
    let query = json!({ "size": 1, "_source": false, "query": { "term": { field: value } } });
    let answer = complete(client, Method::Post, &path, Some(&query)).await?;
    let hit = &answer["hits"]["hits"][0];
    Ok(hit.is_object().then(|| hit.clone()))
}
