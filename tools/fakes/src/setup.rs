//! What set-up asks for: component templates, policies, lifecycles, roles, users, keys; kept by path
//! and given back in the form that each API has.
//!
//! Written from the products' documentation, since the builds that can be had lack ISM, API keys and
//! `_data_stream`, which OpenSearch has; templates were compared with the real servers. Known differences:
//! nothing is ever rolled over or deleted by a policy, and a stream has its policy at once; a template's
//! mappings are simulated without those of its components; a user may sign in, and may do everything.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::bulk::Heard;
use super::refusal::Refusal;
use super::request::{Target, is_allowed};
use super::search::Answer;
use super::state::State;
use super::store::NAMES_MAX;
use super::{Credentials, Product, pattern};

/// Priority of a template that names none.
const NO_PRIORITY: u64 = 0;

/// What set-up has left here, and what it may do.
#[derive(Debug, Default)]
pub(super) struct Setup {
    /// Objects by their path, with the number of the change that made them so.
    kept: BTreeMap<String, (Value, u64)>,
    /// Passwords of users by their names; the real servers keep a hash and never show it.
    passwords: BTreeMap<String, String>,
    /// Changes so far.
    changes: u64,
    /// Method and start of a path that are answered 403.
    pub(super) forbidden: Vec<(String, String)>,
    /// Method and start of a path that have this answer instead of the true one.
    pub(super) scripted: Vec<(String, String, u16, String)>,
    /// Method and start of a path before which a document comes to a stream, once each.
    pub(super) late: Vec<(String, String, String)>,
    /// Streams with a write block.
    pub(super) blocked: BTreeSet<String>,
    /// Whether every change is refused.
    pub(super) is_read_only: bool,
    /// Version to tell instead of the usual one.
    pub(super) version: Option<String>,
    /// Kind of build to tell instead of the usual one, also of the dashboards.
    pub(super) build_flavor: Option<String>,
    /// Plain indices that are `closed` or `hidden`.
    pub(super) attributes: BTreeMap<String, String>,
    /// Aliases, which lead nowhere.
    pub(super) aliases: BTreeSet<String>,
}

impl Setup {
    /// Paths of everything that is kept.
    pub(super) fn paths(&self) -> Vec<String> {
        self.kept.keys().cloned().collect()
    }

    /// What is kept at a path.
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        self.kept.get(path).map(|(body, _)| body)
    }

    /// Whether a user has signed in with this field.
    pub(super) fn knows(&self, headers: &HeaderMap) -> bool {
        self.passwords.iter().any(|(user, password)| {
            let (user, password) = (user.clone(), password.clone());
            is_allowed(Some(&Credentials::Basic { user, password }), headers)
        })
    }

    /// Keeps the password in a body, and takes it out; one without leaves a user the one it has.
    fn keep_password(&mut self, user: &str, body: &mut Value) {
        let password = body.as_object_mut().and_then(|fields| fields.remove("password"));
        if let Some(Value::String(password)) = password
            && self.passwords.len() < NAMES_MAX
        {
            self.passwords.insert(user.to_owned(), password);
        }
    }

    /// The answer that a request has instead of the true one.
    pub(super) fn scripted(&self, parts: &http::request::Parts) -> Option<Heard> {
        let (method, uri) = (parts.method.as_str(), parts.uri.path());
        let fits = |(known, start, ..): &&(String, String, u16, String)| {
            known == method && uri.starts_with(start.as_str())
        };
        let (.., status, body) = self.scripted.iter().find(fits)?;
        Some(Heard::Answer(*status, body.clone().into()))
    }

    pub(super) fn put(&mut self, path: &str, body: Value) -> Result<(), Refusal> {
        if self.kept.len() >= NAMES_MAX && !self.kept.contains_key(path) {
            return Err(Refusal::illegal("the mock keeps no more"));
        }
        self.changes += 1;
        self.kept.insert(path.to_owned(), (body, self.changes));
        Ok(())
    }
}

/// Answers a request of set-up; `None` when it is none.
pub(super) fn answer(
    state: &mut State,
    parts: &http::request::Parts,
    target: &Target,
    body: &[u8],
) -> Option<Answer> {
    let (method, uri) = (parts.method.as_str(), parts.uri.path());
    let is_late = |(known, start, _): &(String, String, String)| {
        known == method && uri.starts_with(start.as_str())
    };
    if let Some(place) = state.setup.late.iter().position(is_late) {
        let (.., stream) = state.setup.late.remove(place);
        come(state, &stream);
    }
    let is_forbidden = state.setup.forbidden.iter();
    let mut is_forbidden =
        is_forbidden.filter(|(known, start)| known == method && uri.starts_with(start.as_str()));
    if is_forbidden.next().is_some() {
        let reason = format!("action on [{uri}] is unauthorized for user");
        return Some(Err(Refusal::exception(403, "security_exception", &reason)));
    }
    let path: Vec<_> = target.segments.iter().map(String::as_str).collect();
    let is_asking = method == "GET" || matches!(path.last(), Some(&"_search" | &"_has_privileges"));
    let is_ours = path.first().is_some_and(|first| first.starts_with('_') && *first != "_bulk");
    if state.setup.is_read_only && is_ours && !is_asking {
        return Some(Err(Refusal::usual(state.product, 403)));
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let is_open = state.product == Product::OpenSearch;
    match (method, path.as_slice()) {
        ("GET", ["_cluster", "settings"]) => {
            let blocks = json!({ "persistent": { "cluster.blocks.read_only": "true" } });
            Some(Ok(if state.setup.is_read_only { blocks } else { json!({}) }))
        }
        ("GET", ["_cat", "plugins"]) if is_open => {
            Some(Ok(json!([{ "component": "opensearch-index-management" }])))
        }
        ("GET", ["_cat", "plugins"]) => Some(Ok(json!([]))),
        ("GET", ["_cat", "shards", name]) => Some(shards(state, name)),
        ("GET", ["_license"]) if !is_open => {
            let licence = state.alerting.licence();
            Some(Ok(json!({ "license": { "status": "active", "type": licence } })))
        }
        ("GET", ["_nodes", "_local"]) => {
            let version = state.setup.version.as_deref().unwrap_or("8.19.21");
            Some(Ok(json!({ "nodes": { "mock": { "version": version } } })))
        }
        (_, ["_component_template", name]) => Some(component(state, method, name, body)),
        ("DELETE", ["_index_template", name]) => Some(delete_template(state, name)),
        ("POST", ["_index_template", "_simulate_index", name]) => Some(simulate(state, name)),
        (_, ["_data_stream", name]) if state.product != Product::ElasticsearchReduced => {
            Some(stream(state, method, name))
        }
        (_, ["_data_stream", name, "_lifecycle"]) if state.product == Product::Elasticsearch => {
            Some(lifecycle(state, method, name, uri, body))
        }
        (_, ["_data_stream", name, "_options"]) if state.product == Product::Elasticsearch => {
            Some(stream_options(state, method, name, uri, body))
        }
        ("PUT", [name, "_settings"]) => Some(block(state, name, &body)),
        (_, ["_plugins", "_ism", rest @ ..]) if is_open => {
            Some(ism(state, method, rest, target, &body, uri))
        }
        (_, ["_plugins", "_alerting", "monitors", rest @ ..]) if state.alerting.has_plugin => {
            let id = state.next_id();
            Some(state.alerting.monitors(method, rest, target, body, || id))
        }
        (_, ["_plugins", "_security", rest @ ..]) if is_open && state.credentials.is_some() => {
            Some(open_security(state, method, rest, uri, body))
        }
        (_, ["_security", rest @ ..]) if !is_open && state.credentials.is_some() => {
            Some(security(state, method, rest, uri, target, body))
        }
        _ => None,
    }
}

/// Whether a template can be put beside the others, and what it is composed of is there.
pub(super) fn check_template(state: &State, name: &str, template: &Value) -> Result<(), Refusal> {
    let texts = |value: &Value| -> Vec<String> {
        let items = value.as_array().into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let optional = texts(&template["ignore_missing_component_templates"]);
    let missing = texts(&template["composed_of"]).into_iter().find(|part| {
        let is_there = state.setup.get(&format!("/_component_template/{part}")).is_some();
        !is_there && !optional.contains(part)
    });
    if let Some(missing) = missing {
        let reason = format!(
            "index template [{name}] specifies component templates [{missing}] that do not exist"
        );
        return Err(Refusal::exception(400, "invalid_index_template_exception", &reason));
    }
    let priority = |template: &Value| template["priority"].as_u64().unwrap_or(NO_PRIORITY);
    for (other, theirs) in state.store.templates.iter().filter(|(other, _)| *other != name) {
        let ours = texts(&template["index_patterns"]);
        let mut pairs = ours.iter().flat_map(|own| {
            texts(&theirs["index_patterns"]).into_iter().map(move |their| (own.clone(), their))
        });
        let meets = |(own, their): (String, String)| {
            pattern::fits(&their, &own.replace('*', "x"))
                || pattern::fits(&own, &their.replace('*', "x"))
        };
        if priority(theirs) == priority(template) && pairs.any(meets) {
            let reason = format!(
                "index template [{name}] has index patterns matching patterns from existing \
                 templates [{other}] that have the same priority [{}], multiple index templates may \
                 not match during index creation, please use a different priority",
                priority(template)
            );
            return Err(Refusal::illegal(&reason));
        }
    }
    Ok(())
}

/// What an index of that name would be. OpenSearch puts it beside what is there.
fn simulate(state: &State, name: &str) -> Answer {
    let is_stream = state.store.targets.get(name).is_some_and(|target| target.is_stream);
    if is_stream && state.product == Product::OpenSearch {
        let reason = format!(
            "index, alias, and data stream names need to be unique, but the following duplicates were \
             found [data stream [{name}] conflicts with index]"
        );
        return Err(Refusal::exception(500, "illegal_state_exception", &reason));
    }
    let mappings = state.store.mappings(name);
    Ok(json!({ "template": { "mappings": mappings }, "overlapping": [] }))
}

/// `_component_template/NAME`.
fn component(state: &mut State, method: &str, name: &str, body: Value) -> Answer {
    let path = format!("/_component_template/{name}");
    match method {
        "PUT" | "POST" => {
            let has_options = !body["template"]["data_stream_options"].is_null();
            if has_options && state.product == Product::OpenSearch {
                let reason = "[1:2] [template] unknown field [data_stream_options]";
                return Err(Refusal::exception(400, "x_content_parse_exception", reason));
            }
            state.setup.put(&path, body)?;
            Ok(acknowledged())
        }
        "DELETE" => {
            let needs = |template: &&Value| {
                let has = |key: &str| {
                    let parts = template[key].as_array().into_iter().flatten();
                    parts.into_iter().any(|part| part == name)
                };
                has("composed_of") && !has("ignore_missing_component_templates")
            };
            if state.store.templates.values().any(|template| needs(&template)) {
                let reason = format!(
                    "component templates [{name}] cannot be removed as they are still in use by \
                     index templates"
                );
                return Err(Refusal::illegal(&reason));
            }
            removed(state, &path)
        }
        _ => match state.setup.get(&path) {
            Some(body) => Ok(json!({
                "component_templates": [{ "name": name, "component_template": body }],
            })),
            None => Err(missing(&format!("component template matching [{name}] not found"))),
        },
    }
}

/// `DELETE _index_template/NAME`, which streams can forbid.
fn delete_template(state: &mut State, name: &str) -> Answer {
    let Some(template) = state.store.templates.get(name) else {
        return Err(missing(&format!("index_template [{name}] missing")));
    };
    let patterns = template["index_patterns"].as_array().cloned().unwrap_or_default();
    let fits = |stream: &str| {
        patterns.iter().filter_map(Value::as_str).any(|one| pattern::fits(one, stream))
    };
    let streams = state.store.targets.iter().filter(|(_, target)| target.is_stream);
    let using: Vec<_> = streams.map(|(stream, _)| stream.as_str()).filter(|s| fits(s)).collect();
    if !using.is_empty() {
        let reason = format!(
            "unable to remove composable templates [{name}] as they are in use by a data streams [{}]",
            using.join(", ")
        );
        return Err(Refusal::illegal(&reason));
    }
    state.store.templates.remove(name);
    Ok(acknowledged())
}

/// `_data_stream/NAME`.
fn stream(state: &mut State, method: &str, name: &str) -> Answer {
    let found = state.store.targets.get(name).map(|target| target.is_stream);
    let is_alias = state.setup.aliases.contains(name);
    match (method, found) {
        ("PUT", Some(true)) => {
            let reason = format!("data_stream [{name}] already exists");
            Err(Refusal::exception(400, "resource_already_exists_exception", &reason))
        }
        ("PUT", _) if is_alias || found.is_some() => {
            let reason = "index, alias, and data stream names need to be unique";
            Err(Refusal::exception(500, "illegal_state_exception", reason))
        }
        ("PUT", _) if !state.store.is_stream_wanted(name) => {
            let reason = format!("no matching index template found for data stream [{name}]");
            Err(Refusal::illegal(&reason))
        }
        ("PUT", _) => {
            state.store.write_index(name);
            Ok(acknowledged())
        }
        _ if is_alias => Err(Refusal::illegal("The provided expression matches an alias")),
        (_, None) => Err(Refusal::no_index(name)),
        (_, Some(false)) => Ok(json!({ "data_streams": [] })),
        ("DELETE", _) => {
            state.store.delete(name);
            state.setup.blocked.remove(name);
            let is_of_it = |path: &str| path.rsplit('/').take(2).any(|part| part == name);
            state.setup.kept.retain(|path, _| !is_of_it(path));
            Ok(acknowledged())
        }
        _ => {
            let parked = state.store.failures(name).into_iter().map(|one| one.index);
            let parked: Vec<_> = parked.map(|index| json!({ "index_name": index })).collect();
            Ok(json!({ "data_streams": [{
                "name": name, "timestamp_field": { "name": "@timestamp" },
                "failure_store": {
                    "enabled": state.product != Product::OpenSearch
                        && !is_failure_store_off(state, name),
                    "indices": parked,
                },
            }] }))
        }
    }
}

/// `PUT NAME/_settings`, of which only the write block is known.
fn block(state: &mut State, name: &str, body: &Value) -> Answer {
    if !state.store.targets.contains_key(name) {
        return Err(Refusal::no_index(name));
    }
    match &body["index.blocks.write"] {
        Value::Bool(true) => state.setup.blocked.insert(name.to_owned()),
        _ => state.setup.blocked.remove(name),
    };
    Ok(acknowledged())
}

/// A document that comes to a stream, unless that is blocked; then its failure store takes it.
fn come(state: &mut State, stream: &str) {
    let document = Bytes::from_static(br#"{"@timestamp":"2026-11-30T00:00:00.000Z"}"#);
    let id = state.next_id();
    if !state.setup.blocked.contains(stream) {
        let index = state.store.write_index(stream).map(str::to_owned).unwrap_or_default();
        state.store.create(stream, &index, &id, &document);
    } else if state.product == Product::Elasticsearch && !is_failure_store_off(state, stream) {
        state.store.park(stream, &id, &document);
    }
}

/// `_data_stream/NAME/_options`; a stream has its template's until it is given others.
fn stream_options(state: &mut State, method: &str, name: &str, path: &str, body: Value) -> Answer {
    match method {
        "PUT" => {
            state.setup.put(path, body)?;
            Ok(acknowledged())
        }
        "DELETE" => removed(state, path),
        _ => {
            let options = state.setup.get(path).cloned().unwrap_or_else(|| json!({}));
            Ok(json!({ "data_streams": [{ "name": name, "options": options }] }))
        }
    }
}

fn is_failure_store_off(state: &State, stream: &str) -> bool {
    let options = state.setup.get(&format!("/_data_stream/{stream}/_options"));
    options.is_some_and(|options| options["failure_store"]["enabled"] == false)
}

/// `_cat/shards/NAME`: one for each index, in which only what a refresh has reached is counted.
fn shards(state: &State, name: &str) -> Answer {
    let target = state.store.targets.get(name).ok_or_else(|| Refusal::no_index(name))?;
    let shard =
        |docs: usize| json!({ "prirep": "p", "state": "STARTED", "docs": docs.to_string() });
    Ok(target.indices.iter().map(|index| shard(index.found())).collect())
}

/// `_data_stream/NAME/_lifecycle`; a stream has the one of its template's components until it is given
/// another.
fn lifecycle(state: &mut State, method: &str, name: &str, path: &str, body: Value) -> Answer {
    if !state.store.targets.contains_key(name) {
        return Err(Refusal::no_index(name));
    }
    if method == "PUT" {
        let mut body = body;
        body["enabled"] = true.into();
        state.setup.put(path, body)?;
        return Ok(acknowledged());
    }
    let of_template = || {
        let parts = state.store.best_template(name)?["composed_of"].as_array()?;
        let parts = parts.iter().rev().filter_map(Value::as_str);
        let mut parts =
            parts.filter_map(|part| state.setup.get(&format!("/_component_template/{part}")));
        Some(
            parts.find(|part| part["template"]["lifecycle"].is_object())?["template"]["lifecycle"]
                .clone(),
        )
    };
    let found = state.setup.get(path).cloned().or_else(of_template);
    let mut stream = json!({ "name": name });
    if let Some(found) = found {
        stream["lifecycle"] = found;
    }
    Ok(json!({ "data_streams": [stream] }))
}

/// Index state management.
fn ism(
    state: &mut State,
    method: &str,
    rest: &[&str],
    target: &Target,
    body: &Value,
    path: &str,
) -> Answer {
    const POLICY: &str = "index.plugins.index_state_management.policy_id";
    let streams = |state: &State, expression: &str| -> Vec<String> {
        let names = state.store.targets.keys().filter(|name| pattern::any_fits(expression, name));
        names.cloned().collect()
    };
    match (method, rest) {
        ("PUT", ["policies", name]) => {
            let current = state.setup.kept.get(path).map(|(_, number)| number.to_string());
            if current.as_deref() != target.parameter("if_seq_no") {
                let reason = format!("[{name}]: version conflict, required seqNo does not fit");
                return Err(Refusal::exception(409, "version_conflict_engine_exception", &reason));
            }
            let mut policy = body["policy"].clone();
            policy["policy_id"] = (*name).into();
            policy["schema_version"] = 21.into();
            state.setup.put(path, policy)?;
            Ok(json!({ "_id": name }))
        }
        ("GET", ["policies", name]) => match state.setup.kept.get(path) {
            Some((policy, number)) => Ok(json!({
                "_id": name, "_seq_no": number, "_primary_term": 1, "policy": policy,
            })),
            None => Err(Refusal::exception(404, "status_exception", "Policy not found")),
        },
        ("DELETE", ["policies", _]) => removed(state, path),
        ("POST", ["add" | "change_policy", expression]) => {
            let names = streams(state, expression);
            for name in &names {
                state
                    .setup
                    .put(&format!("/_plugins/_ism/managed/{name}"), body["policy_id"].clone())?;
            }
            Ok(json!({ "updated_indices": names.len(), "failures": false, "failed_indices": [] }))
        }
        ("GET", ["explain", expression]) => {
            let mut answer = json!({ "total_managed_indices": 0 });
            for name in streams(state, expression) {
                let kept = state.setup.get(&format!("/_plugins/_ism/managed/{name}")).cloned();
                let policy = kept.or_else(|| policy_for(state, &name));
                let index = format!(".ds-{name}-000001");
                answer[index] = json!({ POLICY: policy });
            }
            Ok(answer)
        }
        _ => Err(Refusal::illegal("the mock knows no more of ISM")),
    }
}

/// The policy that a new stream of that name gets by itself.
fn policy_for(state: &State, name: &str) -> Option<Value> {
    let fits = |policy: &&Value| {
        let patterns = policy["ism_template"][0]["index_patterns"].as_array();
        let mut patterns = patterns.into_iter().flatten().filter_map(Value::as_str);
        patterns.any(|pattern| pattern::fits(pattern, name))
    };
    let policies = state.setup.kept.range("/_plugins/_ism/policies/".to_owned()..);
    let found = policies.map(|(_, (policy, _))| policy).find(fits)?;
    Some(found["policy_id"].clone())
}

/// The user that callers prove to be.
fn user(state: &State) -> String {
    match &state.credentials {
        Some(Credentials::Basic { user, .. }) => user.clone(),
        _ => "mock".to_owned(),
    }
}

fn open_security(
    state: &mut State,
    method: &str,
    rest: &[&str],
    path: &str,
    mut body: Value,
) -> Answer {
    match (method, rest) {
        ("GET", ["authinfo"]) => Ok(json!({ "user_name": user(state) })),
        ("GET", ["api", _, name]) => match state.setup.get(path) {
            Some(body) => Ok(json!({ *name: body })),
            None => Err(missing(&format!("Resource '{name}' not found."))),
        },
        ("PUT", ["api", _, name]) => {
            state.setup.keep_password(name, &mut body);
            state.setup.put(path, body)?;
            Ok(json!({ "status": "CREATED", "message": format!("'{name}' created.") }))
        }
        ("DELETE", ["api", ..]) => removed(state, path),
        _ => Err(Refusal::illegal("the mock knows no more of security")),
    }
}

fn security(
    state: &mut State,
    method: &str,
    rest: &[&str],
    path: &str,
    target: &Target,
    mut body: Value,
) -> Answer {
    const KEY: &str = "/_security/api_key/";
    match (method, rest) {
        ("GET", ["_authenticate"]) => Ok(json!({ "username": user(state) })),
        ("POST", ["user", "_has_privileges"]) => Ok(has_privileges(state, &body)),
        ("GET", ["api_key"]) => {
            let name = target.parameter("name").unwrap_or_default();
            let key = state.setup.get(&format!("{KEY}{name}")).cloned();
            Ok(json!({ "api_keys": key.into_iter().collect::<Vec<_>>() }))
        }
        ("POST", ["api_key"]) => {
            let name = body["name"].as_str().unwrap_or_default().to_owned();
            state.setup.put(&format!("{KEY}{name}"), body)?;
            Ok(json!({ "id": "mock", "name": name, "api_key": "k", "encoded": "bW9jazpr" }))
        }
        ("DELETE", ["api_key"]) => {
            let name = body["name"].as_str().unwrap_or_default();
            removed(state, &format!("{KEY}{name}"))
        }
        ("GET", [_, name]) => match state.setup.get(path) {
            Some(body) => Ok(json!({ *name: body })),
            None => Err(Refusal { status: 404, body: "{}".into() }),
        },
        ("POST", ["user", name, "_password"]) => {
            state.setup.keep_password(name, &mut body);
            Ok(json!({}))
        }
        ("PUT" | "POST", [_, name]) => {
            state.setup.keep_password(name, &mut body);
            state.setup.put(path, body)?;
            Ok(json!({ "created": true }))
        }
        ("DELETE", _) => removed(state, path),
        _ => Err(Refusal::illegal("the mock knows no more of security")),
    }
}

/// `_has_privileges`: those whose paths are not forbidden.
fn has_privileges(state: &State, body: &Value) -> Value {
    let is_open = |privilege: &str| {
        let start = match privilege {
            "manage_index_templates" => "/_index_template",
            "manage_security" => "/_security/role",
            _ => return true,
        };
        !state.setup.forbidden.iter().any(|(_, forbidden)| forbidden.starts_with(start))
    };
    let cluster = body["cluster"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let cluster: serde_json::Map<_, _> =
        cluster.map(|privilege| (privilege.to_owned(), is_open(privilege).into())).collect();
    json!({ "username": user(state), "cluster": cluster, "index": {} })
}

/// Removes what is kept at a path.
fn removed(state: &mut State, path: &str) -> Answer {
    state.setup.passwords.remove(path.rsplit('/').next().unwrap_or_default());
    match state.setup.kept.remove(path) {
        Some(_) => Ok(acknowledged()),
        None => Err(missing(&format!("[{path}] not found"))),
    }
}

fn acknowledged() -> Value {
    json!({ "acknowledged": true })
}

fn missing(reason: &str) -> Refusal {
    Refusal::exception(404, "resource_not_found_exception", reason)
}
