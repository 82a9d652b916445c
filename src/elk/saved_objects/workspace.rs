//! Workspaces of OpenSearch Dashboards: which one the boards are in, and what is not supported of data
//! sources.
//!
//! An id is there once, whatever the workspace: an import over an object of another one would make a copy
//! with another id, which no link leads to. So nothing is done as long as the boards are elsewhere.
//! Background: OpenSearch Dashboards "Workspace". Its data sources send a board's questions to another
//! cluster; a specification in Vega has several sources and only the first would follow.

use elasticsearch::http::Method;
use serde_json::{Value, json};

use super::super::Product;
use super::super::findings::Finding;
use super::super::plan::Mode;
use super::{Body, Target, object, unasked};

/// Where the workspace comes from.
const KEYS: &str = "telemetry.elasticsearch.dashboards.workspace or --workspace";
/// Most workspaces that are named.
const NAMED_MAX: usize = 20;

/// Sees to it that the workspace is there, and that one is named where boards outside are not shown.
pub(super) async fn check(target: Target<'_>, mode: Mode) -> Result<(), Finding> {
    let url = target.client.url();
    let Some(workspace) = target.workspace else {
        let has_them = target.product == Product::OpenSearch && mode == Mode::Setup;
        let known = if has_them { known(target).await? } else { String::new() };
        if known.is_empty() {
            return Ok(());
        }
        let problem = format!("{url} has workspaces, and outside of them nobody sees a board");
        return Err(Finding::new(problem, format!("name one of {known} with {KEYS}")));
    };
    if target.product == Product::Elasticsearch {
        let problem = format!("Kibana has no workspaces, but {workspace} is named");
        return Err(Finding::new(problem, format!("leave out {KEYS}, or name a space")));
    }
    let path = format!("/api/workspaces/{workspace}");
    let asked = target.ask(Method::Get, &path, Body::None).await;
    let (reply, answer) = asked.map_err(|problem| unasked(url, &problem))?;
    if answer["success"] == true {
        return Ok(());
    }
    if reply.status == 404 {
        let cure = format!("leave out {KEYS}, or set workspace.enabled there");
        return Err(Finding::new(format!("{url} has no workspaces"), cure));
    }
    let why = answer["error"].as_str().unwrap_or("no reason is given");
    let known = known(target).await.unwrap_or_default();
    let known = if known.is_empty() { known } else { format!(", such as {known},") };
    let problem = format!("{url} shows no workspace {workspace}: {why}");
    Err(Finding::new(problem, format!("name the id of one that is there{known} with {KEYS}")))
}

/// The workspaces that are shown, by id and name; empty where there are none.
///
/// # Errors
/// When they cannot be listed: only 404 says that the server has no such things.
async fn known(target: Target<'_>) -> Result<String, Finding> {
    let url = target.client.url();
    let page = Body::Json(json!({ "perPage": NAMED_MAX }));
    let asked = target.ask(Method::Post, "/api/workspaces/_list", page).await;
    let (reply, answer) = asked.map_err(|problem| unasked(url, &problem))?;
    if reply.status == 404 {
        return Ok(String::new());
    }
    let Some(listed) = answer["result"]["workspaces"].as_array() else {
        let why = answer["error"].as_str().unwrap_or("the answer is no list");
        let problem = format!("{url} does not say which workspaces it has: {why}");
        return Err(Finding::new(problem, format!("name one with {KEYS}")));
    };
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or("?").to_owned();
    let named = listed.iter().map(|one| format!("{} ({})", text(one, "id"), text(one, "name")));
    Ok(named.collect::<Vec<_>>().join(", "))
}

/// Whether what was found is in the workspace, and asks this server's own cluster.
pub(super) fn is_here(target: Target<'_>, mode: Mode, found: &[Value]) -> Result<(), Finding> {
    if target.product != Product::OpenSearch {
        return Ok(());
    }
    let name = |one: &Value| {
        let kind = object::type_title(one["type"].as_str().unwrap_or_default(), target.product);
        format!("{kind} {}", one["id"].as_str().unwrap_or("?"))
    };
    let of = |one: &Value| -> Vec<String> {
        let all = one["workspaces"].as_array().into_iter().flatten();
        all.filter_map(|id| id.as_str().map(str::to_owned)).collect()
    };
    let is_elsewhere = |one: &&Value| match target.workspace {
        Some(workspace) => !of(one).iter().any(|id| id == workspace),
        None => !of(one).is_empty(),
    };
    let there = || found.iter().filter(|one| one["error"].is_null());
    if let Some(other) = there().find(is_elsewhere) {
        let (name, place) = (name(other), of(other).join(", "));
        let remove = "remove the boards there first (--remove --only dashboards";
        return Err(if place.is_empty() {
            let problem =
                format!("{name} is outside of all workspaces, and can be there only once");
            Finding::new(problem, format!("{remove}, without a workspace)"))
        } else {
            let problem = format!("{name} is in the workspace {place}, and can be there only once");
            let cure = format!("name that one with {KEYS}, or {remove} --workspace {place})");
            Finding::new(problem, cure)
        });
    }
    let asks_another = |one: &&Value| {
        let mut references = one["references"].as_array().into_iter().flatten();
        references.any(|reference| reference["type"] == "data-source")
    };
    if let Some(other) = there().find(asks_another).filter(|_| mode == Mode::Setup) {
        let problem = format!("{} asks a data source, which is not supported", name(other));
        let cure = "import the boards where OpenSearch Dashboards itself uses the cluster that stores \
                    the documents; to replace these: --remove, then run this again";
        return Err(Finding::new(problem, cure));
    }
    Ok(())
}
