//! Questions whose answer counts only when all of it is there.
//!
//! Not here: what is asked.

use elasticsearch::http::Method;
use serde_json::Value;

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
