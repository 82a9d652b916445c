//! Puts the rules of objectives into Kibana or OpenSearch, or takes them away.
//!
//! ```text
//! objectives ─► compile: objects, marked ─┐
//!      server: each, and all that are marked ┴─► steps ─► apply: made, changed, deleted
//! ```
//! What is wrong with them is a finding and leaves the rest of set-up alone. An object belongs to the namespace
//! in its mark: another lbproxy's are left alone, and so is what has no mark. What has the checksum of what is
//! wanted is left as it is, with what somebody has changed in it; an objective that is gone takes its objects
//! along. Not here: what they are (`compile`), printing (`cli::setup`).

use serde_json::{Value, json};

use super::Product;
use super::artefact::Request;
use super::client::Client;
use super::findings::{ASK_AN_ADMINISTRATOR, Finding, and_more};
use super::installer::{self, Outcome};
use super::plan::{Action, Change, Mode, leaves};
use super::problem::{Fault, Problem};
use super::saved_objects::{self, Body, Target};
use super::server::Version;
use crate::compile::alert_object::{AlertApi, AlertObject, MARK, key};
use crate::compile::{Site, kibana_query, kibana_slo, opensearch, subjects};
use crate::slo::file::Objectives;

/// Rules that are listed at once, and most of such pages.
const PAGE: usize = 100;
/// See [`PAGE`].
const PAGES_MAX: usize = 50;
/// Most monitors that are listed.
const MONITORS_MAX: usize = 10_000;
/// Licences of Elasticsearch that come with SLOs.
const SLO_LICENCES: [&str; 3] = ["platinum", "enterprise", "trial"];

/// The server that looks after objectives.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Watcher<'a> {
    /// Kibana, and whether its licence has SLOs.
    Kibana { target: Target<'a>, has_slos: bool },
    /// OpenSearch itself.
    OpenSearch(&'a Client),
}

/// One object and what is to be done about it.
#[derive(Debug)]
pub(crate) struct AlertStep {
    pub(crate) object: AlertObject,
    /// What is to be done.
    pub(crate) action: Action,
    /// What is there now; `None` when it is to be made.
    there: Option<OnServer>,
}

/// An object on the server.
#[derive(Debug, Clone)]
struct OnServer {
    /// As the server calls it.
    id: String,
    body: Value,
    /// Numbers that an update of a monitor names, so that it undoes nobody else's.
    sequence: Option<(u64, u64)>,
}

/// What is to be done, in order.
#[derive(Debug, Default)]
pub(crate) struct AlertPlan {
    pub(crate) steps: Vec<AlertStep>,
    /// Whether the server has no such things.
    pub(crate) is_unsupported: bool,
    /// What a person has to know or mend.
    pub(crate) findings: Vec<Finding>,
}

impl<'a> Watcher<'a> {
    /// Kibana, with what the licence of its Elasticsearch allows.
    pub(crate) fn kibana(target: Target<'a>, licence: Option<&str>) -> Self {
        let has_slos = licence.is_some_and(|licence| SLO_LICENCES.contains(&licence));
        Self::Kibana { target, has_slos }
    }

    /// Its address, of the node in use.
    pub(crate) fn url(&self) -> &'a str {
        match self {
            Self::Kibana { target, .. } => target.client.url(),
            Self::OpenSearch(client) => client.url(),
        }
    }

    /// What it is given.
    pub(crate) const fn title(&self) -> &'static str {
        match self {
            Self::Kibana { has_slos: true, .. } => "SLOs and burn-rate rules of Kibana",
            Self::Kibana { .. } => "Elasticsearch query rules of Kibana",
            Self::OpenSearch(_) => "monitors of OpenSearch",
        }
    }

    /// What objectives become there.
    fn objects(&self, objectives: &Objectives, site: &Site) -> Vec<AlertObject> {
        let subjects = subjects(&objectives.objectives);
        match self {
            Self::Kibana { has_slos: true, .. } => kibana_slo::objects(&subjects, site),
            Self::Kibana { .. } => kibana_query::rules(&subjects, site),
            Self::OpenSearch(_) => opensearch::monitors(&subjects, site),
        }
    }

    /// Sends a request; its answer as JSON, `None` when there is nothing at its path.
    async fn ask(
        &self,
        method: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Option<Value>, Problem> {
        let (reply, answer) = match self {
            Self::OpenSearch(client) => {
                let request = Request { body, ..Request::new(method, path) };
                installer::ask(client, &request).await?
            }
            Self::Kibana { target, .. } => {
                let path = target.path(path.trim_start_matches("/api/"));
                let body = body.map_or(Body::None, Body::Json);
                target.ask(installer::method(method), &path, body).await?
            }
        };
        Ok((reply.status != 404).then_some(answer))
    }
}

/// Reads what is there; changes nothing. What keeps it from that is a finding.
pub(crate) async fn survey(
    watcher: Watcher<'_>,
    objectives: &Objectives,
    site: &Site,
    mode: Mode,
) -> AlertPlan {
    let mut plan = AlertPlan::default();
    if let Err(finding) = look(watcher, objectives, site, mode, &mut plan).await {
        plan.findings.push(finding);
    }
    plan
}

/// Reads what is there into a plan.
async fn look(
    watcher: Watcher<'_>,
    objectives: &Objectives,
    site: &Site,
    mode: Mode,
    plan: &mut AlertPlan,
) -> Result<(), Finding> {
    if mode != Mode::Remove && !objectives.findings.is_empty() {
        let count = objectives.findings.len();
        let problem = format!("the alert rules stay as they are: {count} mistakes in objectives");
        return Err(Finding::new(problem, "see `lbproxy slo check`, and run this again"));
    }
    let mut version = None;
    if let Watcher::Kibana { target, .. } = watcher {
        let mut known = saved_objects::Plan::default();
        saved_objects::identify(target, &mut known).await?;
        version = known.version;
    }
    let unasked = |problem: Problem| unasked(watcher, &problem);
    let ours = marked(watcher).await.map_err(unasked)?;
    let Some(ours) = ours else {
        plan.is_unsupported = true;
        return Ok(());
    };
    let wanted = match mode {
        Mode::Remove => Vec::new(),
        _ => watcher.objects(objectives, site),
    };
    for object in wanted {
        let there = match ours.iter().find(|(api, there)| is_at(&object, *api, there)) {
            Some((_, there)) => Some(there.clone()),
            None => at(watcher, &object).await.map_err(unasked)?,
        };
        let action = match version {
            Some(version) if needs_rows(&object) && !has_rows(version) => Action::NoApi,
            _ => action(&object, there.as_ref(), site),
        };
        plan.steps.push(AlertStep { object, action, there });
    }
    let mut left: Vec<_> = ours
        .into_iter()
        .filter_map(|(api, there)| left_over(api, there, site, &plan.steps))
        .collect();
    // Rules before the SLO that they ask.
    left.sort_by_key(|step| (step.object.api == AlertApi::Slo, step.object.id.clone()));
    plan.steps.extend(left);
    plan.findings.extend(of_steps(&plan.steps, version));
    Ok(())
}

/// All objects with our mark; `None` when the server has no such things.
async fn marked(watcher: Watcher<'_>) -> Result<Option<Vec<(AlertApi, OnServer)>>, Problem> {
    match watcher {
        Watcher::OpenSearch(_) => monitors(watcher).await,
        Watcher::Kibana { has_slos, .. } => {
            let mut found = listed(watcher, AlertApi::Rule).await?;
            if has_slos {
                found.extend(listed(watcher, AlertApi::Slo).await?);
            }
            Ok(Some(found))
        }
    }
}

/// Monitors whose names begin as ours do, also those without a mark.
async fn monitors(watcher: Watcher<'_>) -> Result<Option<Vec<(AlertApi, OnServer)>>, Problem> {
    let api = AlertApi::Monitor;
    let query = json!({
        "size": MONITORS_MAX, "query": { "prefix": { "monitor.name.keyword": "lbp-" } },
    });
    let answer = match watcher.ask("GET", &format!("{}/_search", api.path()), Some(query)).await {
        Err(problem) if problem.is_no_such_api() => return Ok(None),
        answer => answer?.unwrap_or_default(),
    };
    let hits = answer["hits"]["hits"].as_array().cloned().unwrap_or_default();
    let there = |hit: &Value| {
        let id = hit["_id"].as_str()?.to_owned();
        let sequence = hit["_seq_no"].as_u64().zip(hit["_primary_term"].as_u64());
        // Some versions show it as it is stored.
        let source = &hit["_source"];
        let body = if source["monitor"].is_object() { &source["monitor"] } else { source };
        Some((api, OnServer { id, body: body.clone(), sequence }))
    };
    Ok(Some(hits.iter().filter_map(there).collect()))
}

/// Kibana's objects with our tag.
async fn listed(watcher: Watcher<'_>, api: AlertApi) -> Result<Vec<(AlertApi, OnServer)>, Problem> {
    let mut found = Vec::new();
    for page in 1..=PAGES_MAX {
        let (path, list) = if api == AlertApi::Slo {
            (format!("{}/_definitions?page={page}&perPage={PAGE}", api.path()), "results")
        } else {
            let find = "/api/alerting/rules/_find?search_fields=tags";
            (format!("{find}&search={MARK}&page={page}&per_page={PAGE}"), "data")
        };
        let answer = watcher.ask("GET", &path, None).await?.unwrap_or_default();
        let all = answer[list].as_array().map_or(&[][..], Vec::as_slice);
        let marked = all.iter().filter(|body| api.mark(body).is_some());
        found.extend(marked.filter_map(|body| {
            let id = body["id"].as_str()?.to_owned();
            Some((api, OnServer { id, body: body.clone(), sequence: None }))
        }));
        if all.len() < PAGE {
            break;
        }
    }
    Ok(found)
}

/// Whether an object on the server is where this one is to be.
fn is_at(object: &AlertObject, api: AlertApi, there: &OnServer) -> bool {
    let known =
        if api == AlertApi::Monitor { there.body["name"].as_str() } else { Some(&*there.id) };
    object.api == api && known == Some(&object.key)
}

/// What is where an object is to be, with or without a mark; monitors are all known already.
async fn at(watcher: Watcher<'_>, object: &AlertObject) -> Result<Option<OnServer>, Problem> {
    let Some(path) = object.path() else { return Ok(None) };
    let answer = watcher.ask("GET", &path, None).await?;
    Ok(answer.map(|body| OnServer { id: object.key.clone(), body, sequence: None }))
}

/// What is to be done about an object.
fn action(object: &AlertObject, there: Option<&OnServer>, site: &Site) -> Action {
    let Some(there) = there else { return Action::Create };
    let (own, found) = (object.api.mark(&object.body), object.api.mark(&there.body));
    match (own, found) {
        (own, found) if own == found => Action::Unchanged,
        (Some(own), Some(found)) if found.namespace == site.namespace && found.id == own.id => {
            Action::Update(changes(object, there))
        }
        _ => Action::Foreign,
    }
}

/// What differs, as far as the server shows it in the form in which it was sent; at least the checksum.
fn changes(object: &AlertObject, there: &OnServer) -> Vec<Change> {
    let found = leaves(&there.body);
    let is_shown = |path: &str| object.api != AlertApi::Monitor && !path.starts_with("tags");
    let mut changes: Vec<_> = leaves(&object.update())
        .into_iter()
        .filter(|(path, to)| is_shown(path) && found.get(path) != Some(to))
        .map(|(path, to)| Change { from: found.get(&path).cloned(), path, to: Some(to) })
        .collect();
    if changes.is_empty() {
        let checksum = |body| object.api.mark(body).map(|mark| mark.checksum);
        let (from, to) = (checksum(&there.body), checksum(&object.body));
        changes.push(Change { path: "checksum".into(), from, to });
    }
    changes
}

/// The step about an object of ours that nobody wants any more; `None` for whatever else is listed.
fn left_over(
    api: AlertApi,
    there: OnServer,
    site: &Site,
    steps: &[AlertStep],
) -> Option<AlertStep> {
    let mark = api.mark(&there.body).filter(|mark| mark.namespace == site.namespace)?;
    let object = AlertObject { api, key: key(api, &mark.id, site), id: mark.id, body: Value::Null };
    // A copy that somebody has made has another id, and its maker's.
    let is_wanted =
        steps.iter().any(|step| step.object.api == api && step.object.key == object.key);
    let is_ours = is_at(&object, api, &there) && !is_wanted;
    is_ours.then_some(AlertStep { object, action: Action::Remove, there: Some(there) })
}

/// Whether a rule makes an alert of each row.
fn needs_rows(object: &AlertObject) -> bool {
    object.body["params"]["groupBy"] == "row"
}

/// Whether a Kibana can do that.
fn has_rows(version: Version) -> bool {
    let in_eight = Version::new(8, 19, 0)..Version::new(9, 0, 0);
    in_eight.contains(&version) || version >= Version::new(9, 1, 0)
}

/// What the steps have found.
fn of_steps(steps: &[AlertStep], version: Option<Version>) -> Vec<Finding> {
    let first = |wanted: Action| {
        let mut all = steps.iter().filter(|step| step.action == wanted);
        let first = all.next()?;
        let more = and_more(all.count());
        Some(format!("{} {}{more}", first.object.api.title(), first.object.id))
    };
    let foreign = first(Action::Foreign).map(|names| {
        let cure = "rename or delete it, then run this again; ours have the tag lbproxy, or \
                    ui_metadata that says so";
        Finding::new(format!("{names}: somebody else's, and stays as it is"), cure)
    });
    let rows = first(Action::NoApi).map(|names| {
        let version = version.map_or(String::new(), |version| format!(" {version}"));
        let problem = format!("{names}: Kibana{version} makes no alert for each group");
        Finding::new(problem, "upgrade it to 8.19, 9.1 or newer, or leave out `group_by`")
    });
    foreign.into_iter().chain(rows).collect()
}

/// Nothing that can be used is answered.
fn unasked(watcher: Watcher<'_>, problem: &Problem) -> Finding {
    let cure = match problem.fault {
        Fault::Unauthorized => "correct the credentials, or give --username and --password-file",
        Fault::Forbidden => ASK_AN_ADMINISTRATOR,
        Fault::NotSent => "start it, or correct its address",
        Fault::Overloaded => "wait until it is ready, and run this again",
        _ => "see its log, and run this again",
    };
    let problem =
        format!("the alert rules stay as they are: {}: {}", watcher.url(), problem.reason);
    Finding::new(problem, cure)
}

/// Carries out a plan up to its first failure; one outcome for each step.
pub(crate) async fn apply(watcher: Watcher<'_>, plan: &AlertPlan) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for step in &plan.steps {
        let outcome = match Outcome::without_trying(&step.action, &outcomes) {
            Some(outcome) => outcome,
            None => Outcome::of(carry_out(watcher, step).await.map(|()| None)),
        };
        outcomes.push(outcome);
    }
    outcomes
}

async fn carry_out(watcher: Watcher<'_>, step: &AlertStep) -> Result<(), Problem> {
    let object = &step.object;
    let root = object.api.path();
    let there = |there: &OnServer| {
        let query = there.sequence.map_or(String::new(), |(number, term)| {
            format!("?if_seq_no={number}&if_primary_term={term}")
        });
        (format!("{root}/{}", there.id), query)
    };
    let answer = match (&step.action, &step.there) {
        (Action::Create, _) => {
            // An SLO has its id in its body, a monitor gets one.
            let is_named = object.api == AlertApi::Rule;
            let path = if is_named { format!("{root}/{}", object.key) } else { root.to_owned() };
            watcher.ask("POST", &path, Some(object.body.clone())).await?
        }
        (Action::Update(_), Some(found)) => {
            let (path, query) = there(found);
            watcher.ask("PUT", &(path + &query), Some(object.update())).await?
        }
        (Action::Remove, Some(found)) => {
            // Already gone is fine.
            watcher.ask("DELETE", &there(found).0, None).await?;
            return Ok(());
        }
        _ => return Ok(()),
    };
    let is_done = answer.as_ref().is_some_and(Value::is_object);
    if is_done { Ok(()) } else { Err(installer::unacknowledged()) }
}

/// The watcher of objectives whose documents are on a product; `None` where nobody is named.
pub(crate) fn watcher<'a>(
    product: Product,
    licence: Option<&str>,
    store: &'a Client,
    dashboards: Option<Target<'a>>,
) -> Option<Watcher<'a>> {
    match product {
        Product::OpenSearch => Some(Watcher::OpenSearch(store)),
        Product::Elasticsearch => dashboards.map(|target| Watcher::kibana(target, licence)),
    }
}
