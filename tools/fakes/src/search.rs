//! What is asked of the store besides bulk requests: templates, names, rollover, searches, counts,
//! tasks. Everything here is done at once, under the lock.

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::refusal::Refusal;
use super::request::Target;
use super::state::State;
use super::store::{FAILURES, Index, NAMES_MAX};
use super::{Product, aggregate, find, pattern, setup};

/// Most hits of one search, as in the real servers.
const HITS_MAX: usize = 10_000;
/// What a bulk request is called among tasks.
const BULK_ACTION: &str = "indices:data/write/bulk";

/// An answer, or a refusal.
pub(super) type Answer = Result<Value, Refusal>;

/// `GET /`, where the server has it.
pub(super) fn main(state: &State) -> Answer {
    let (number, version, tagline) = match state.product {
        Product::ElasticsearchReduced => return Err(Refusal::no_main_action()),
        Product::Elasticsearch => {
            let flavor = state.setup.build_flavor.as_deref().unwrap_or("default");
            ("8.19.21", json!({ "build_flavor": flavor }), "You Know, for Search")
        }
        Product::OpenSearch => (
            "2.19.4",
            json!({ "distribution": "opensearch" }),
            "The OpenSearch Project: https://opensearch.org/",
        ),
    };
    let mut version = version;
    version["number"] = state.setup.version.as_deref().unwrap_or(number).into();
    Ok(json!({
        "name": "mock", "cluster_name": "mock", "cluster_uuid": "mock-cluster",
        "version": version, "tagline": tagline,
    }))
}

/// `GET /_cluster/health`.
pub(super) fn health(state: &State, nodes: usize) -> Value {
    let shards: usize = state.store.targets.values().map(|target| target.indices.len()).sum();
    json!({
        "cluster_name": "mock", "status": "green", "timed_out": false,
        "number_of_nodes": nodes, "number_of_data_nodes": nodes,
        "active_primary_shards": shards, "active_shards": shards, "relocating_shards": 0,
        "initializing_shards": 0, "unassigned_shards": 0, "number_of_pending_tasks": 0,
        "active_shards_percent_as_number": 100.0,
    })
}

/// `PUT /_index_template/NAME`.
pub(super) fn put_template(state: &mut State, name: &str, body: &[u8]) -> Answer {
    let template: Value = serde_json::from_slice(body)
        .map_err(|e| Refusal::exception(400, "x_content_parse_exception", &e.to_string()))?;
    let patterns = template["index_patterns"].as_array();
    if !patterns.is_some_and(|patterns| patterns.iter().all(Value::is_string)) {
        return Err(Refusal::illegal("Required [index_patterns]"));
    }
    if state.product == Product::ElasticsearchReduced && holds_histogram(&template["template"]) {
        let reason = "Failed to parse mapping: The mapper type [histogram] declared on field \
                      [histogram] does not exist. It might have been created within a future \
                      version or requires a plugin to be installed. Check the documentation.";
        return Err(Refusal::exception(400, "illegal_argument_exception", reason));
    }
    setup::check_template(state, name, &template)?;
    let templates = &mut state.store.templates;
    if templates.len() >= NAMES_MAX && !templates.contains_key(name) {
        return Err(Refusal::illegal("the mock keeps no more templates"));
    }
    templates.insert(name.to_owned(), template);
    Ok(json!({ "acknowledged": true }))
}

/// Whether a mapping has a field of type `histogram`, which the reduced build lacks.
fn holds_histogram(mapping: &Value) -> bool {
    mapping["type"] == "histogram"
        || mapping.as_object().is_some_and(|keys| keys.values().any(holds_histogram))
}

/// `GET /_index_template/NAME`, where the name may hold `*`.
pub(super) fn templates(state: &State, name: &str) -> Answer {
    let found = state.store.templates.iter().filter(|(known, _)| pattern::any_fits(name, known));
    let found: Vec<_> =
        found.map(|(name, template)| json!({ "name": name, "index_template": template })).collect();
    if found.is_empty() && !name.contains('*') {
        let reason = format!("index template matching [{name}] not found");
        return Err(Refusal::exception(404, "resource_not_found_exception", &reason));
    }
    Ok(json!({ "index_templates": found }))
}

/// `GET /_resolve/index/EXPRESSION`.
pub(super) fn resolve(state: &State, asked: &Target, expression: &str) -> Answer {
    let (mut indices, mut streams) = (Vec::new(), Vec::new());
    let has_all = asked.parameter("expand_wildcards") == Some("all");
    for (name, target) in &state.store.targets {
        let attribute = state.setup.attributes.get(name).map_or("open", String::as_str);
        let is_named = expression.split(',').any(|one| one == name);
        let is_shown = attribute == "open" || has_all || is_named;
        if !pattern::any_fits(expression, name) || !is_shown {
            continue;
        }
        if target.is_stream {
            let backing: Vec<_> = target.indices.iter().map(|index| index.name.as_str()).collect();
            streams.push(json!({
                "name": name, "backing_indices": backing, "timestamp_field": "@timestamp",
            }));
        } else {
            indices.push(json!({ "name": name, "attributes": [attribute] }));
        }
    }
    // OpenSearch finds nothing where Elasticsearch complains.
    if state.product != Product::OpenSearch {
        let is_known = |name: &str| name.contains('*') || state.store.targets.contains_key(name);
        if let Some(absent) = expression.split(',').find(|name| !is_known(name)) {
            return Err(Refusal::no_index(absent));
        }
    }
    let aliases = state.setup.aliases.iter().filter(|name| pattern::any_fits(expression, name));
    let aliases: Vec<_> = aliases.map(|name| json!({ "name": name, "indices": [] })).collect();
    Ok(json!({ "indices": indices, "aliases": aliases, "data_streams": streams }))
}

/// `POST /STREAM/_rollover`.
pub(super) fn rollover(state: &mut State, name: &str) -> Answer {
    if let Some((old, new)) = state.store.rollover(name) {
        return Ok(json!({
            "acknowledged": true, "shards_acknowledged": true, "old_index": old, "new_index": new,
            "rolled_over": true, "dry_run": false, "conditions": {},
        }));
    }
    let reason = format!("rollover target [{name}] does not exist");
    Err(match state.product {
        Product::OpenSearch => Refusal::illegal(&reason),
        Product::Elasticsearch | Product::ElasticsearchReduced => {
            Refusal::exception(404, "resource_not_found_exception", &reason)
        }
    })
}

/// `POST /NAME/_refresh`.
pub(super) fn refresh(state: &mut State, expression: &str) -> Answer {
    named(state, expression)?;
    let count = state.store.refresh(expression);
    Ok(json!({ "_shards": { "total": count, "successful": count, "failed": 0 } }))
}

/// `GET /NAME/_mapping`.
pub(super) fn mapping(state: &State, expression: &str) -> Answer {
    let mapped = |index: &&Index| (index.name.clone(), json!({ "mappings": index.mappings }));
    Ok(named(state, expression)?.iter().map(mapped).collect())
}

/// The indices that an expression names.
fn named<'a>(state: &'a State, expression: &str) -> Result<Vec<&'a Index>, Refusal> {
    let is_absent = |name: &&str| !name.contains('*') && state.store.indices(name).is_empty();
    match expression.split(',').find(is_absent) {
        Some(absent) => Err(Refusal::no_index(absent.trim_end_matches(FAILURES))),
        None => Ok(state.store.indices(expression)),
    }
}

/// `POST /NAME/_search`, by the queries that `find` knows.
pub(super) fn search(state: &State, expression: &str, body: &[u8]) -> Answer {
    let indices = named(state, expression)?;
    let request: Value = read_json(body)?;
    let size = match &request["size"] {
        Value::Null => 10,
        size => size.as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX),
    };
    if size > HITS_MAX {
        let reason = format!(
            "Result window is too large, from + size must be less than or equal to: [{HITS_MAX}] but \
             was [{size}]"
        );
        return Err(Refusal::exception(400, "search_phase_execution_exception", &reason));
    }
    let mut found = find::found(&indices, &request["query"]).ok_or_else(unknown_query)?;
    let fields = find::sort_fields(&request);
    found.sort_by(|one, other| {
        find::compare_all(&one.sorted_by(&fields), &other.sorted_by(&fields))
    });
    let all: Vec<_> = found.iter().collect();
    let figures = aggregate::aggregate(&request["aggs"], &all).ok_or_else(unknown_query)?;
    let after = request["search_after"].as_array().map(Vec::as_slice);
    let is_behind = |one: &&find::Found<'_>| {
        after.is_none_or(|after| find::compare_all(&one.sorted_by(&fields), after).is_gt())
    };
    let hits = found.iter().filter(is_behind).take(size);
    let hits: Vec<_> = hits.map(|one| find::hit(one, &request, &fields)).collect();
    let total = found.len();
    let is_scored = total > 0 && fields.is_empty();
    let mut answer = json!({
        "took": 1, "timed_out": false, "_shards": shards(indices.len()),
        "hits": { "max_score": if is_scored { json!(1.0) } else { Value::Null }, "hits": hits },
    });
    if request["track_total_hits"] != false {
        let relation = if total > HITS_MAX { "gte" } else { "eq" };
        answer["hits"]["total"] = json!({ "value": total.min(HITS_MAX), "relation": relation });
    }
    if !figures.is_empty() {
        answer["aggregations"] = figures.into();
    }
    Ok(answer)
}

/// `POST /NAME/_count`, of everything.
pub(super) fn count(state: &State, expression: &str, body: &[u8]) -> Answer {
    let indices = named(state, expression)?;
    if !body.trim_ascii().is_empty() {
        let query = &read_json(body)?["query"];
        if !query.is_null() && !query["match_all"].is_object() {
            return Err(Refusal::exception(400, "parsing_exception", "the mock counts everything"));
        }
    }
    let count: usize = indices.iter().map(|index| index.found()).sum();
    Ok(json!({ "count": count, "_shards": shards(indices.len()) }))
}

/// How a search went over so many shards.
fn shards(count: usize) -> Value {
    json!({ "total": count, "successful": count, "skipped": 0, "failed": 0 })
}

fn read_json(body: &[u8]) -> Answer {
    serde_json::from_slice(body)
        .map_err(|e| Refusal::exception(400, "parsing_exception", &e.to_string()))
}

/// What the mock says to a search it does not know.
fn unknown_query() -> Refusal {
    let reason = "the mock knows no such query; src/mock/elastic/find.rs says which it knows";
    Refusal::exception(400, "parsing_exception", reason)
}

/// `GET /_tasks`: bulk requests that are still running.
pub(super) fn tasks(state: &State, target: &Target) -> Value {
    let mut nodes = json!({});
    let is_asked = target.parameter("actions").is_none_or(|a| pattern::any_fits(a, BULK_ACTION));
    for (number, task) in state.tasks.iter().filter(|_| is_asked) {
        let node = format!("mock-node-{}", task.node);
        let since = task.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let running = task.started.elapsed().unwrap_or_default();
        let mut listed = json!({
            "node": node, "id": number, "type": "transport", "action": BULK_ACTION,
            "start_time_in_millis": u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            "running_time_in_nanos": u64::try_from(running.as_nanos()).unwrap_or(u64::MAX),
            "cancellable": false, "headers": {},
        });
        if let Some(opaque_id) = &task.opaque_id {
            listed["headers"]["X-Opaque-Id"] = opaque_id.as_str().into();
        }
        if target.is_set("detailed") {
            listed["description"] = task.description.as_str().into();
        }
        let id = format!("{node}:{number}");
        nodes[&node]["name"] = node.as_str().into();
        nodes[&node]["tasks"][&id] = listed;
    }
    json!({ "nodes": nodes })
}
