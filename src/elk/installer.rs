//! Asks a server what it is and what it has, and carries out a plan.
//!
//! Nothing is changed before everything was read, so that what stands in the way is known first. The
//! first failure ends it: what was done, what failed and what was not tried are all told. Not here:
//! what is to be done (`plan`, `findings`), printing (`cli::setup`).

use elasticsearch::http::Method;
use serde_json::Value;

use super::Product;
use super::access::{self, Credentials, Rights};
use super::artefact::{self, Api, Artefact, Kind, Request, Settings};
use super::client::{Call, Client, Reply};
pub use super::findings::Finding;
use super::plan::{self, Action, Found, Mode};
use super::problem::{Fault, Problem};
use super::secret::{self, Keep, NewSecret};
use super::server::Server;
use super::{findings, retention, streams, templates};
use crate::config::Retention;
use crate::record::Dataset;

/// What is to be installed or removed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options<'a> {
    /// Last part of the names of the streams of this configuration.
    pub(crate) namespace: &'a str,
    /// How long documents are kept.
    pub(crate) retention: &'a Retention,
    pub(crate) credentials: &'a [Credentials],
    /// Names of users that are given a password (`given`), and none by this.
    pub(crate) given: &'a [&'static str],
    pub(crate) rights: Rights,
    pub(crate) kinds: &'a [Kind],
    /// Whether they are to be there.
    pub(crate) mode: Mode,
    /// Datasets whose streams are to be there before their first document.
    pub(crate) datasets: &'a [Dataset],
    /// Whether the streams of the namespace are to be deleted too.
    pub(crate) deletes_data: bool,
}

/// One artefact and what is to be done about it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) artefact: Artefact,
    /// What is to be done.
    pub(crate) action: Action,
    /// Numbers that an update must name.
    sequence: Option<(u64, u64)>,
    /// Whether it goes only as long as no document is in it.
    must_be_empty: bool,
}

/// What is to be done, in order.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) server: Server,
    pub(crate) steps: Vec<Step>,
    /// What a person has to know or mend.
    pub(crate) findings: Vec<Finding>,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    /// Nothing was to be done.
    Nothing,
    Done(Option<NewSecret>),
    Failed(Problem),
    /// An earlier one failed.
    NotTried,
}

impl Outcome {
    /// Of a step that is not to be tried: it changes nothing, or an earlier one has failed; else `None`.
    pub(super) fn without_trying(action: &Action, earlier: &[Self]) -> Option<Self> {
        if !action.is_change() {
            Some(Self::Nothing)
        } else if earlier.iter().any(|outcome| matches!(outcome, Self::Failed(_))) {
            Some(Self::NotTried)
        } else {
            None
        }
    }

    /// Of a step that was tried.
    pub(super) fn of(tried: Result<Option<NewSecret>, Problem>) -> Self {
        tried.map_or_else(Self::Failed, Self::Done)
    }
}

/// The method that a [`Request`] names.
pub(super) fn method(name: &str) -> Method {
    match name {
        "PUT" => Method::Put,
        "POST" => Method::Post,
        "DELETE" => Method::Delete,
        _ => Method::Get,
    }
}

/// Asks for something; JSON, or null for what is none.
pub(super) async fn ask(client: &Client, request: &Request) -> Result<(Reply, Value), Problem> {
    let method = method(request.method);
    let body = request.body.as_ref().map(|body| body.to_string().into()).unwrap_or_default();
    let reply = client.call(method, &request.path, Call { body, ..Call::default() }).await?;
    let answer = serde_json::from_slice(&reply.body).unwrap_or_default();
    Ok((reply, answer))
}

/// The answer to a `GET` that some servers or credentials do not have; null then.
///
/// # Errors
/// When there is no answer at all, or the credentials are refused.
pub(super) async fn ask_if_there(client: &Client, path: &str) -> Result<Value, Problem> {
    match ask(client, &Request::new("GET", path)).await {
        Ok((reply, answer)) if reply.status != 404 => Ok(answer),
        Ok(_) => Ok(Value::Null),
        Err(problem) if problem.is_no_such_api() || problem.fault == Fault::Forbidden => {
            Ok(Value::Null)
        }
        // Small builds lack the parts behind some pages and say so with 500.
        Err(problem) if problem.status >= 500 && problem.status != 503 => Ok(Value::Null),
        Err(problem) => Err(problem),
    }
}

/// Asks which product a server is, and its version. A build of Elasticsearch without `GET /` tells by
/// a header.
pub(crate) async fn detect(client: &Client) -> Result<Server, Problem> {
    let (reply, answer) = match ask(client, &Request::new("GET", "/")).await {
        Ok(found) => found,
        // Only a product with rights of its own answers so; what it is shows in the next answers.
        Err(problem) if matches!(problem.fault, Fault::Forbidden | Fault::Refused) => {
            let nodes = Request::new("GET", "/_nodes/_local?filter_path=nodes.*.version");
            match ask(client, &nodes).await {
                Err(problem) if problem.fault == Fault::Forbidden => {
                    let name = templates::template_name(Dataset::Access);
                    ask(client, &Request::new("GET", format!("/_index_template/{name}"))).await?
                }
                found => found?,
            }
        }
        Err(problem) => return Err(problem),
    };
    Server::read(&answer, reply.is_elastic).ok_or_else(|| {
        let reason = "the server is neither Elasticsearch nor OpenSearch";
        let cure = "name the address of one in telemetry.elasticsearch.urls; its port is 9200 unless \
                    it was told otherwise";
        Problem { cure, ..Problem::new(Fault::Refused, reason) }
    })
}

/// Asks for more than shipping needs to know: licence, user, plugins.
async fn details(client: &Client, server: &mut Server) -> Result<(), Problem> {
    let (user, key) = artefact::who_am_i(server.product);
    server.user = ask_if_there(client, user).await?[key].as_str().map(str::to_owned);
    if server.product == Product::Elasticsearch {
        let answer = ask_if_there(client, "/_license").await?;
        server.licence = answer["license"]["type"].as_str().map(str::to_owned);
    }
    let plugins = ask_if_there(client, "/_cat/plugins?h=component&format=json").await?;
    let plugins = plugins.as_array().into_iter().flatten();
    server.plugins =
        plugins.filter_map(|one| one["component"].as_str().map(str::to_owned)).collect();
    server.plugins.sort_unstable();
    server.plugins.dedup();
    Ok(())
}

/// Looks at the server; changes nothing.
pub(crate) async fn survey(client: &Client, options: Options<'_>) -> Result<Plan, Problem> {
    let mut server = detect(client).await?;
    if options.mode == Mode::Start {
        let steps = steps(client, &server, options, &[]).await?;
        return Ok(Plan { server, steps, findings: Vec::new() });
    }
    details(client, &mut server).await?;
    let mut findings: Vec<_> = findings::version(&server).into_iter().collect();
    if !findings.is_empty() {
        return Ok(Plan { server, steps: Vec::new(), findings });
    }
    let path = "/_cluster/settings?flat_settings=true";
    findings.extend(findings::read_only(&ask_if_there(client, path).await?));
    // Closed and hidden ones too.
    let patterns = access::stream_patterns().join(",");
    let path = format!("/_resolve/index/{patterns}?expand_wildcards=all");
    let names = match options.mode {
        // Streams that are not seen would lose what they need.
        Mode::Remove => match all_streams(client, &path).await {
            Ok(names) => names,
            Err(reason) => {
                findings.push(findings::unseen_streams(&reason));
                return Ok(Plan { server, steps: Vec::new(), findings });
            }
        },
        _ => ask_if_there(client, &path).await?,
    };
    let streams = findings::streams(&names);
    let mut steps = steps(client, &server, options, &streams).await?;
    let each = || steps.iter().map(|step| (&step.artefact, &step.action));
    findings.extend(each().filter_map(|(artefact, action)| findings::of_step(artefact, action)));
    findings.extend(findings::hidden(each()));
    let is_changing = steps.iter().any(|step| step.action.is_change());
    if options.mode == Mode::Setup {
        if is_changing {
            findings.extend(rights(client, &server, options.kinds).await?);
        }
        if options.kinds.contains(&Kind::Access) {
            findings.extend(findings::no_api_keys(&server, options.credentials));
        }
        if options.kinds.contains(&Kind::Templates) {
            let taken = findings::taken(&names, options.namespace);
            let overlaps = overlaps(client, options.namespace, &mut steps).await?;
            streams::hold(&mut steps, &taken, &overlaps);
            findings.extend(taken.into_iter().map(|(_, finding)| finding));
            findings.extend(overlaps.into_iter().map(|(_, finding)| finding));
        }
        if options.kinds.contains(&Kind::Retention) {
            let each = steps.iter().map(|step| (&step.artefact, &step.action));
            findings.extend(findings::no_retention(&server, options.retention, each));
        }
    }
    Ok(Plan { server, steps, findings })
}

/// All streams of ours; why not, where they are not told.
async fn all_streams(client: &Client, path: &str) -> Result<Value, String> {
    let request = Request::new("GET", path);
    let (reply, answer) = ask(client, &request).await.map_err(|problem| problem.reason)?;
    if reply.status == 200 && answer["data_streams"].is_array() {
        return Ok(answer);
    }
    Err(format!("what the server answers ({}) is no list of streams", reply.status))
}

/// Rights that are lacking, where the server can be asked beforehand.
async fn rights(
    client: &Client,
    server: &Server,
    kinds: &[Kind],
) -> Result<Option<Finding>, Problem> {
    let Some(user) = server.user.as_ref().filter(|_| server.product == Product::Elasticsearch)
    else {
        return Ok(None);
    };
    let request = Request::new("POST", "/_security/user/_has_privileges");
    match ask(client, &request.with(findings::privileges(kinds))).await {
        Ok((_, answer)) => Ok(findings::rights(&answer, user)),
        Err(problem) if problem.is_no_such_api() => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Templates of others that win over ours, with the names of these. Those that ours cannot stand beside
/// are not put.
async fn overlaps(
    client: &Client,
    namespace: &str,
    steps: &mut [Step],
) -> Result<Vec<(&'static str, Finding)>, Problem> {
    let all = ask_if_there(client, "/_index_template").await?;
    let mut findings = Vec::new();
    for (name, finding, is_tie) in findings::overlaps(&all, namespace) {
        let own = |step: &&mut Step| {
            step.artefact.api == Api::IndexTemplate && step.artefact.name == name
        };
        if let Some(step) = steps.iter_mut().find(own).filter(|_| is_tie) {
            step.action = Action::Conflict;
        }
        findings.push((name, finding));
    }
    Ok(findings)
}

/// Compares each artefact with what the server has.
async fn steps(
    client: &Client,
    server: &Server,
    options: Options<'_>,
    streams: &[String],
) -> Result<Vec<Step>, Problem> {
    let is_removal = options.mode == Mode::Remove;
    let Options { retention, credentials, rights, .. } = options;
    let retention = if is_removal { &retention::everything(retention) } else { retention };
    let custom = match server.product {
        Product::OpenSearch if !is_removal => custom(client, options.kinds).await?,
        _ => Vec::new(),
    };
    let settings = Settings { retention, credentials, rights, streams, custom: &custom };
    let mut wanted = artefact::wanted(server, settings);
    let is_given = |artefact: &Artefact| {
        artefact.is_secret() && options.given.contains(&artefact.name.as_str())
    };
    wanted.retain(|artefact| options.kinds.contains(&artefact.kind) && !is_given(artefact));
    let mut kept = streams.to_vec();
    let own = Dataset::ALL.map(|dataset| dataset.data_stream(options.namespace));
    if is_removal {
        wanted.retain(|artefact| artefact.delete().is_some());
        let mut gone = Vec::new();
        // Into those of other namespaces somebody else may ship.
        let of_us = streams.iter().filter(|stream| own.contains(stream));
        for stream in of_us.filter(|_| options.kinds.contains(&Kind::Templates)) {
            if options.deletes_data || streams::is_empty(client, stream).await {
                gone.push(stream.clone());
            }
        }
        wanted.extend(artefact::streams(&gone));
        wanted.reverse();
    } else if options.mode == Mode::Setup && options.kinds.contains(&Kind::Templates) {
        let all = options.datasets.iter().map(|dataset| dataset.data_stream(options.namespace));
        // Last, after the templates and policies that they get what they are from.
        wanted.extend(artefact::streams(&all.collect::<Vec<_>>()));
    }
    let mut steps = Vec::new();
    for artefact in wanted {
        let found = look(client, &artefact).await?;
        let sequence = match &found {
            Found::Present(present) => present.sequence,
            _ => None,
        };
        let needs: Vec<_> = match (artefact.api, artefact.kind, artefact.dataset) {
            (Api::Stream, ..) | (_, Kind::Access, _) => Vec::new(),
            (_, _, Some(dataset)) => {
                artefact::streams_of(dataset, &kept).map(str::to_owned).collect()
            }
            (_, _, None) => kept.clone(),
        };
        let action = plan::action(&artefact, &found, options.mode, &needs);
        if artefact.api == Api::Stream && action == Action::Remove {
            kept.retain(|stream| *stream != artefact.name);
        }
        let must_be_empty = is_removal && !options.deletes_data && artefact.api == Api::Stream;
        steps.push(Step { artefact, action, sequence, must_be_empty });
    }
    Ok(steps)
}

/// Datasets for which operators have put a component template of their own.
async fn custom(client: &Client, kinds: &[Kind]) -> Result<Vec<Dataset>, Problem> {
    let mut found = Vec::new();
    for dataset in Dataset::ALL.into_iter().filter(|_| kinds.contains(&Kind::Templates)) {
        let path = format!("/_component_template/{}", templates::custom_name(dataset));
        let answer = ask_if_there(client, &path).await?;
        if answer["component_templates"][0].is_object() {
            found.push(dataset);
        }
    }
    Ok(found)
}

/// What is where an artefact is to be.
pub(super) async fn look(client: &Client, artefact: &Artefact) -> Result<Found, Problem> {
    match ask(client, &artefact.get()).await {
        Ok((_, answer)) => {
            let present = artefact.api.present(&artefact.name, &answer);
            Ok(present.map_or(Found::Missing, Found::Present))
        }
        Err(problem) if problem.is_no_such_api() => Ok(Found::NoApi),
        Err(problem) if problem.fault == Fault::Forbidden => Ok(Found::MayNotLook(problem.reason)),
        Err(problem) => Err(problem),
    }
}

/// Carries out a plan up to its first failure; one outcome for each step.
pub(crate) async fn apply(client: &Client, plan: &Plan, keep: &mut Keep<'_>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for step in &plan.steps {
        let outcome = match Outcome::without_trying(&step.action, &outcomes) {
            Some(outcome) => outcome,
            None if step.action == Action::Create && step.artefact.is_secret() => {
                Outcome::of(secret::create(client, &step.artefact, keep).await.map(Some))
            }
            None => Outcome::of(carry_out(client, step).await.map(|()| None)),
        };
        outcomes.push(outcome);
    }
    outcomes
}

/// Carries out one step, but for one that a secret comes into being with.
pub(crate) async fn carry_out(client: &Client, step: &Step) -> Result<(), Problem> {
    let artefact = &step.artefact;
    match &step.action {
        Action::Remove if step.must_be_empty => streams::delete_empty(client, &artefact.name).await,
        Action::Remove => match artefact.delete() {
            Some(request) => {
                let (reply, answer) = ask(client, &request).await?;
                // Already gone is fine.
                if reply.status == 404 {
                    return Ok(());
                }
                acknowledged(artefact.api, &answer)
            }
            None => Ok(()),
        },
        Action::Create => put(client, step).await,
        Action::Update(changes) => {
            put(client, step).await?;
            let reaches_documents = artefact.api != Api::IndexTemplate
                || changes.iter().any(|change| change.path.starts_with("template."));
            if reaches_documents {
                for request in &artefact.after_update {
                    must(client, request).await?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Puts what is wanted, or what is wanted where the server lacks types for it.
async fn put(client: &Client, step: &Step) -> Result<(), Problem> {
    let artefact = &step.artefact;
    let put = async |body: &Value| {
        let answer = must(client, &artefact.put(body.clone(), step.sequence)).await?;
        acknowledged(artefact.api, &answer)
    };
    match (put(&artefact.body).await, &artefact.instead) {
        (Err(problem), Some(instead)) if problem.fault == Fault::Refused => put(instead).await,
        // Shipping may have made it since.
        (Err(problem), None) if artefact.api == Api::Stream => match look(client, artefact).await {
            Ok(Found::Present(_)) => Ok(()),
            _ => Err(problem),
        },
        (result, _) => result,
    }
}

/// Asks for something that must be there.
pub(super) async fn must(client: &Client, request: &Request) -> Result<Value, Problem> {
    let (reply, answer) = ask(client, request).await?;
    if reply.status == 404 {
        let reason = format!("the server has nothing at {}", request.path);
        return Err(Problem::new(Fault::Refused, reason));
    }
    Ok(answer)
}

/// Whether the server says that a change is made: most of its parts acknowledge that, others only say
/// something that is no error.
pub(super) fn acknowledged(api: Api, answer: &Value) -> Result<(), Problem> {
    let is_done = match api {
        Api::ComponentTemplate | Api::IndexTemplate | Api::StreamLifecycle | Api::Stream => {
            answer["acknowledged"] == true
        }
        _ => answer.is_object() && answer["error"].is_null(),
    };
    if is_done { Ok(()) } else { Err(unacknowledged()) }
}

pub(super) fn unacknowledged() -> Problem {
    let reason = "the server does not say that it is done; look at its log and run this again";
    Problem::new(Fault::Unknown, reason)
}

/// What was found after a change.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    /// Streams that do not have the mapping they should.
    pub(crate) findings: Vec<Finding>,
    /// The first stream that could not be looked at, and why.
    pub(crate) unseen: Option<(String, Problem)>,
}

/// Asks the server whether streams have the mapping of their templates, or would have it.
pub(crate) async fn verify(client: &Client, plan: &Plan, namespace: &str) -> Verified {
    let mut verified = Verified::default();
    for Step { artefact, action, .. } in &plan.steps {
        let is_ours = !matches!(action, Action::Foreign | Action::Conflict | Action::Newer(_));
        let is_template = artefact.api == Api::IndexTemplate;
        let Some(dataset) = artefact.dataset.filter(|_| is_ours && is_template) else { continue };
        let stream = dataset.data_stream(namespace);
        match streams::mapping(client, &stream).await {
            Ok(mapping) => verified.findings.extend(findings::mapped(artefact, &stream, &mapping)),
            Err(problem) => {
                verified.unseen.get_or_insert((stream, problem));
            }
        }
    }
    verified
}
