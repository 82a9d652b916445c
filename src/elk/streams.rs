//! Data streams before their first document: which are made, and which are taken away again.
//!
//! Not here: what is to be done about them (`plan`), who does it (`installer`).

use serde_json::Value;

use super::artefact::{Api, Artefact, Request};
use super::client::Client;
use super::findings::Finding;
use super::installer::{Step, ask};
use super::plan::Action;
use super::problem::Problem;

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
