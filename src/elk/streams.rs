//! Data streams before their first document: which are made, and how they are taken away again.
//!
//! Not here: what is to be done about them (`plan`), who does it (`installer`).

use serde_json::{Value, json};

use super::artefact::{Api, Artefact, Request};
use super::client::Client;
use super::findings::Finding;
use super::installer::{Step, acknowledged, ask, ask_if_there, must};
use super::plan::Action;
use super::problem::{Fault, Problem};

/// Where the documents of a stream get their types.
#[derive(Debug)]
pub(super) enum StreamMapping {
    /// The index that it writes to has these.
    Written(Value),
    /// It is not there; made now, it would have these.
    Simulated(Value),
    /// Its name is taken, which is told elsewhere, or the server cannot tell.
    Unknown,
}

/// Asks for the mapping of a stream. What is not there is simulated; OpenSearch refuses that for a stream
/// that is there.
pub(super) async fn mapping(client: &Client, stream: &str) -> Result<StreamMapping, Problem> {
    let names =
        ask_if_there(client, &format!("/_resolve/index/{stream}?expand_wildcards=all")).await?;
    let newest = |indices: &Value| {
        let indices = indices.as_array()?.iter().filter_map(Value::as_str);
        // They end with their generation; in between may stand a date.
        indices.max_by_key(|index| index.rsplit('-').next().map(str::to_owned)).map(str::to_owned)
    };
    if let Some(index) = newest(&names["data_streams"][0]["backing_indices"]) {
        let answer = ask_if_there(client, &format!("/{index}/_mapping")).await?;
        return Ok(match &answer[&index]["mappings"] {
            Value::Null => StreamMapping::Unknown,
            mappings => StreamMapping::Written(mappings.clone()),
        });
    }
    let is_taken = |kind: &str| names[kind].as_array().is_some_and(|names| !names.is_empty());
    if is_taken("indices") || is_taken("aliases") {
        return Ok(StreamMapping::Unknown);
    }
    let path = format!("/_index_template/_simulate_index/{stream}");
    match ask(client, &Request::new("POST", path)).await {
        Ok((_, answer)) => Ok(StreamMapping::Simulated(answer["template"]["mappings"].clone())),
        Err(problem) if problem.is_no_such_api() => Ok(StreamMapping::Unknown),
        Err(problem) => Err(problem),
    }
}

/// Holds back streams that would not get our mapping, or whose name is taken.
pub(super) fn hold(
    steps: &mut [Step],
    taken: &[(String, Finding)],
    overlaps: &[(&'static str, Finding)],
) {
    let is_put = |step: &&Step| {
        let is_template = step.artefact.api == Api::IndexTemplate;
        is_template && !matches!(step.action, Action::Foreign | Action::Conflict)
    };
    let put: Vec<_> =
        steps.iter().filter(is_put).filter_map(|step| step.artefact.dataset).collect();
    for step in steps.iter_mut().filter(|step| step.artefact.api == Api::Stream) {
        let Artefact { name, dataset: Some(dataset), .. } = &step.artefact else { continue };
        let is_taken = taken.iter().any(|(stream, _)| stream == name);
        let is_mapped =
            put.contains(dataset) && !overlaps.iter().any(|(own, _)| *own == dataset.name());
        // Some servers answer to a name that is taken as if they had no streams at all.
        if is_taken || !is_mapped && step.action == Action::Create {
            step.action = Action::Conflict;
        }
    }
}

/// Whether a stream has no document, not even one that searches do not find yet, nor any that was parked
/// beside it. One whose shards cannot all be seen has.
pub(super) async fn is_empty(client: &Client, stream: &str) -> bool {
    let get = |path: String| Request::new("GET", path);
    let refresh = Request::new("POST", format!("/{stream}/_refresh"));
    let shards = get(format!("/_cat/shards/{stream}?format=json&h=prirep,state,docs"));
    let answers = async {
        let (_, refreshed) = ask(client, &refresh).await?;
        let (_, shards) = ask(client, &shards).await?;
        let (_, about) = ask(client, &get(format!("/_data_stream/{stream}"))).await?;
        Ok::<_, Problem>((refreshed, shards, about))
    };
    let Ok((refreshed, shards, about)) = answers.await else { return false };
    // What a shard has not refreshed it does not count.
    let is_refreshed = refreshed["_shards"]["failed"] == 0;
    let parked = about["data_streams"][0]["failure_store"]["indices"].as_array();
    let is_nothing = |shard: &&Value| shard["state"] == "STARTED" && shard["docs"] == "0";
    let shards = shards.as_array().into_iter().flatten();
    let primary: Vec<_> = shards.filter(|shard| shard["prirep"] == "p").collect();
    let has_parked = parked.is_some_and(|indices| !indices.is_empty());
    is_refreshed && !primary.is_empty() && primary.iter().all(is_nothing) && !has_parked
}

/// Deletes a stream that has no document. Between the last look and that none can come: shipping waits at
/// a block. When the stream stays, everything is as it was.
pub(super) async fn delete_empty(client: &Client, stream: &str) -> Result<(), Problem> {
    let mut undo = Vec::new();
    let held = hold_back(client, stream, &mut undo).await;
    let deleted = async {
        held?;
        if !is_empty(client, stream).await {
            let reason = "a document has come since; it stays, and what it needs: run this again";
            return Err(Problem::new(Fault::Refused, reason));
        }
        let delete = Request::new("DELETE", format!("/_data_stream/{stream}"));
        let (reply, answer) = ask(client, &delete).await?;
        if reply.status == 404 { Ok(()) } else { acknowledged(Api::Stream, &answer) }
    };
    let Err(mut problem) = deleted.await else { return Ok(()) };
    for request in undo.iter().rev() {
        if let Err(left) = ask(client, request).await {
            let Request { method, path, body } = request;
            let body = body.as_ref().map(Value::to_string).unwrap_or_default();
            let more = format!("; not undone: {} ({method} {path} {body})", left.reason);
            problem.reason.push_str(&more);
        }
    }
    Err(problem)
}

/// Keeps documents from coming to a stream; `undo` gets what takes that back. `_block/write` would wait for
/// what is being written, but both products refuse it for the index that a stream writes to.
async fn hold_back(client: &Client, stream: &str, undo: &mut Vec<Request>) -> Result<(), Problem> {
    let path = format!("/_data_stream/{stream}");
    let (_, about) = ask(client, &Request::new("GET", path.as_str())).await?;
    if about["data_streams"][0]["failure_store"]["enabled"] == true {
        // It would take what meets the block.
        let path = format!("{path}/_options");
        let (_, own) = ask(client, &Request::new("GET", path.as_str())).await?;
        let own = &own["data_streams"][0]["options"];
        let has_own = own.as_object().is_some_and(|own| !own.is_empty());
        undo.push(if has_own {
            Request::new("PUT", path.as_str()).with(own.clone())
        } else {
            Request::new("DELETE", path.as_str())
        });
        let off = json!({ "failure_store": { "enabled": false } });
        acknowledged(Api::Stream, &must(client, &Request::new("PUT", path).with(off)).await?)?;
    }
    let block = |value: Value| {
        Request::new("PUT", format!("/{stream}/_settings"))
            .with(json!({ "index.blocks.write": value }))
    };
    undo.push(block(Value::Null));
    match must(client, &block(true.into())).await {
        Ok(answer) => acknowledged(Api::Stream, &answer),
        // A server without blocks: the look right before is all there is.
        Err(problem) if problem.is_no_such_api() => Ok(()),
        Err(problem) => Err(problem),
    }
}
