//! Kibana or OpenSearch Dashboards as far as saved objects go: status, look, find, import, delete, by
//! space; Kibana's rules and SLOs are `alerting`'s.
//!
//! Written from the products' documentation and sources, as no such server can be had here. Kept from
//! them: the field against forged requests; `errors` of an import beside status 200; nothing is created
//! while an error could be resolved, though the others are listed as successes; types and versions
//! that are not known; references to views and searches that must be there; objects are brought to
//! another form when they are stored; workspaces, by which objects are made and found, and not got or
//! deleted. Not here: rights, ids that are taken in another space or workspace.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::bulk::Heard;
use super::request::Target;
use super::state::State;
use super::store::NAMES_MAX;
use super::{Product, request};

const SPACES: [&str; 2] = ["default", "operations"];
/// Types that both products know.
const TYPES: [&str; 3] = ["dashboard", "index-pattern", "search"];

/// What it has, and how it behaves.
#[derive(Debug, Default)]
pub(super) struct Dashboards {
    /// Its version; without one it is not there.
    pub(super) version: Option<String>,
    /// Objects by space and `TYPE/ID`.
    pub(super) spaces: BTreeMap<String, BTreeMap<String, Value>>,
    /// Errors of imports by `TYPE/ID`.
    pub(super) errors: BTreeMap<String, Value>,
    /// Workspaces, where it has such things.
    pub(super) workspaces: Option<Vec<String>>,
    /// Whether programs get at public routes only.
    pub(super) is_restricted: bool,
}

/// Whether a request is for it.
pub(super) fn is_for(state: &State, target: &Target) -> bool {
    let is_api = |segment: &String| ["api", "s", "w"].contains(&segment.as_str());
    state.dashboards.version.is_some() && target.segments.first().is_some_and(is_api)
}

pub(super) fn answer(
    state: &mut State,
    parts: &http::request::Parts,
    target: &Target,
    body: &[u8],
) -> Heard {
    let is_open = state.product == Product::OpenSearch;
    let (method, uri) = (parts.method.as_str(), parts.uri.path());
    let path: Vec<_> = target.segments.iter().map(String::as_str).collect();
    let field = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let tenant = field("securitytenant").filter(|_| is_open).unwrap_or("default");
    let (space, workspace, rest) = match path.as_slice() {
        ["s", space, "api", rest @ ..] if !is_open => (*space, None, rest),
        ["w", workspace, "api", rest @ ..] if state.dashboards.workspaces.is_some() => {
            (tenant, Some(*workspace), rest)
        }
        ["api", rest @ ..] => (tenant, None, rest),
        _ => return refusal(404, "Not Found"),
    };
    let xsrf = if is_open { "osd-xsrf" } else { "kbn-xsrf" };
    if method != "GET" && field(xsrf).is_none() {
        return refusal(400, &format!("Request must contain a {xsrf} header."));
    }
    let mut forbidden = state.setup.forbidden.iter();
    if forbidden.any(|(known, start)| known == method && uri.starts_with(start.as_str())) {
        return refusal(403, "Unable to access saved objects");
    }
    if !SPACES.contains(&space) && rest != ["status"] {
        return refusal(404, &format!("Saved object [space/{space}] not found"));
    }
    let flavor = state.setup.build_flavor.clone();
    let store = &mut state.dashboards;
    if store.is_restricted && !matches!(rest, ["status"] | ["saved_objects", "_import"]) {
        return closed(method, uri);
    }
    if let (Some(known), ["workspaces", id]) = (&store.workspaces, rest) {
        return workspaces(known, id);
    }
    if !is_open && let Some(answer) = state.alerting.kibana(method, rest, space, body) {
        return match answer {
            Ok(answer) => fine(&answer),
            Err((status, message)) => refusal(status, &message),
        };
    }
    let objects = store.spaces.entry(space.to_owned()).or_default();
    match (method, rest) {
        ("GET", ["status"]) => {
            let overall = if is_open {
                json!({ "overall": { "state": "green" }, "statuses": [{ "id": "core:opensearch@2" }] })
            } else {
                json!({ "overall": { "level": "available" } })
            };
            let version = json!({ "number": store.version, "build_flavor": flavor });
            fine(&json!({ "version": version, "status": overall }))
        }
        ("POST", ["saved_objects", "_bulk_get"]) => {
            let asked: Value = serde_json::from_slice(body).unwrap_or_default();
            let asked = asked.as_array().into_iter().flatten();
            fine(
                &json!({ "saved_objects": asked.map(|one| found(objects, one)).collect::<Value>() }),
            )
        }
        ("GET", ["saved_objects", "_find"]) => find(objects, target, workspace),
        ("DELETE", ["saved_objects", kind, id]) => {
            let removed = objects.remove(&format!("{kind}/{id}"));
            removed.map_or_else(|| refusal(404, "Not Found"), |_| fine(&json!({})))
        }
        ("POST", ["saved_objects", "_import"]) => match file(parts, body) {
            Some(lines) => {
                let overwrites = target.is_set("overwrite");
                import(objects, &store.errors, lines, (is_open, overwrites), workspace)
            }
            None => refusal(400, "[request body.file]: expected value of type [Stream]"),
        },
        _ => refusal(404, "Not Found"),
    }
}

fn fine(answer: &Value) -> Heard {
    Heard::Answer(200, answer.to_string().into())
}

fn refusal(status: u16, message: &str) -> Heard {
    let error = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    let body = json!({ "statusCode": status, "error": error, "message": message });
    Heard::Answer(status, body.to_string().into())
}

/// A route that is not public.
fn closed(method: &str, uri: &str) -> Heard {
    let method = method.to_lowercase();
    let what = "exists but is not available with the current configuration";
    refusal(400, &format!("uri [{uri}] with method [{method}] {what}"))
}

/// What is said of a workspace, or of all.
fn workspaces(known: &[String], id: &str) -> Heard {
    let about = |id: &String| json!({ "id": id, "name": format!("about {id}") });
    fine(&match known.iter().find(|known| *known == id) {
        Some(id) => json!({ "success": true, "result": about(id) }),
        None if id == "_list" => {
            let all: Vec<_> = known.iter().map(about).collect();
            json!({ "success": true, "result": { "total": all.len(), "workspaces": all } })
        }
        None => {
            let error = format!("Saved object [workspace/{id}] not found");
            json!({ "success": false, "error": error })
        }
    })
}

/// What `_bulk_get` says of an object.
fn found(objects: &BTreeMap<String, Value>, asked: &Value) -> Value {
    let mut answer = json!({ "type": asked["type"], "id": asked["id"] });
    let Some(object) = objects.get(&name(asked)) else {
        answer["error"] =
            json!({ "statusCode": 404, "error": "Not Found", "message": "not found" });
        return answer;
    };
    answer["references"] = object["references"].clone();
    for field in asked["fields"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if let Some(value) = object["attributes"].get(field) {
            answer["attributes"][field] = value.clone();
        }
        // Kept beside the attributes, and shown when it is named among them.
        if field == "workspaces" && !object[field].is_null() {
            answer[field] = object[field].clone();
        }
    }
    answer
}

/// What `_find` says: objects of the types asked for whose field has the phrase, page by page; in a
/// workspace only what is in it.
fn find(objects: &BTreeMap<String, Value>, target: &Target, workspace: Option<&str>) -> Heard {
    let all = |name: &str| {
        let all = target.parameters.iter().filter(|(key, _)| key == name);
        all.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    let number = |name: &str, usual: usize| {
        all(name).first().and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let (types, fields) = (all("type"), all("fields"));
    let phrase = all("search").first().map_or("", |text| text.trim_matches('"')).to_owned();
    if types.is_empty() {
        return refusal(400, "[request query.type]: expected at least one defined value");
    }
    let is_found = |object: &&Value| {
        let has_phrase = |field: &&str| {
            object["attributes"][*field].as_str().is_some_and(|text| text.contains(&phrase))
        };
        let is_of_type = types.iter().any(|kind| object["type"] == **kind);
        let is_in = |workspace: &str| {
            object["workspaces"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one == workspace))
        };
        is_of_type && workspace.is_none_or(is_in) && all("search_fields").iter().any(has_phrase)
    };
    let found: Vec<_> = objects.values().filter(is_found).collect();
    let (size, page) = (number("per_page", 20), number("page", 1));
    let listed = found.iter().skip(size * page.saturating_sub(1)).take(size).map(|object| {
        let attributes = fields.iter().map(|field| (*field, object["attributes"][*field].clone()));
        let attributes: serde_json::Map<_, _> =
            attributes.map(|(field, value)| (field.to_owned(), value)).collect();
        json!({ "type": object["type"], "id": object["id"], "attributes": attributes })
    });
    let listed: Vec<_> = listed.collect();
    fine(&json!({
        "page": page, "per_page": size, "total": found.len(), "saved_objects": listed,
    }))
}

/// `TYPE/ID`.
fn name(object: &Value) -> String {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    format!("{}/{}", text("type"), text("id"))
}

/// The lines of the file in a form.
fn file<'a>(parts: &http::request::Parts, body: &'a [u8]) -> Option<&'a str> {
    let content = request::text(&parts.headers, &http::header::CONTENT_TYPE)?;
    let boundary = content.strip_prefix("multipart/form-data; boundary=")?;
    let body = std::str::from_utf8(body).ok()?;
    let form = body.strip_prefix(&format!("--{boundary}\r\n"))?;
    let form = form.strip_suffix(&format!("\r\n--{boundary}--\r\n"))?;
    let (head, lines) = form.split_once("\r\n\r\n")?;
    let is_file = head.contains("name=\"file\"") && head.contains(".ndjson\"");
    is_file.then_some(lines)
}

fn import(
    objects: &mut BTreeMap<String, Value>,
    scripted: &BTreeMap<String, Value>,
    lines: &str,
    (is_open, overwrites): (bool, bool),
    workspace: Option<&str>,
) -> Heard {
    let sent: Vec<Value> =
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let names: Vec<_> = sent.iter().map(name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != sent.len() || sent.len() > NAMES_MAX {
        return refusal(400, "Non-unique import objects detected");
    }
    let newer = sent.iter().find(|object| is_newer(object, is_open));
    if let Some(newer) = newer {
        let text = format!("Document \"{}\" belongs to a more recent version", name(newer));
        return refusal(422, &text);
    }
    let (mut errors, mut created, mut is_held_back) = (Vec::new(), Vec::new(), false);
    for (object, name) in sent.iter().zip(&names) {
        let error = scripted.get(name).filter(|error| !error.is_null()).cloned();
        let error = error.or_else(|| error_of(object, &names, objects, (is_open, overwrites)));
        let mut listed = json!({ "type": object["type"], "id": object["id"] });
        if let Some(error) = error {
            let kind = error["type"].as_str().unwrap_or_default();
            is_held_back |=
                ["conflict", "ambiguous_conflict", "missing_references"].contains(&kind);
            listed["error"] = error;
            errors.push(listed);
        } else {
            created.push(listed);
        }
    }
    let is_created = |object: &&Value| created.iter().any(|one| name(one) == name(object));
    for object in sent.iter().filter(is_created).filter(|_| !is_held_back) {
        let mut object = object.clone();
        // The form that a newer server keeps; what was sent stands beside it, for tests.
        if object["type"] == "dashboard" {
            object["sent_panels"] = object["attributes"]["panelsJSON"].take();
            object["attributes"]["panelsJSON"] = "[]".into();
            object["attributes"]["optionsJSON"] = "{}".into();
        }
        if let Some(workspace) = workspace {
            object["workspaces"] = json!([workspace]);
        }
        objects.insert(name(&object), object);
    }
    let mut answer = json!({
        "success": errors.is_empty(), "successCount": created.len(), "successResults": created,
    });
    if !errors.is_empty() {
        answer["errors"] = errors.into();
    }
    fine(&answer)
}

/// Whether an object is of a form that this product does not know yet, or is not told.
fn is_newer(object: &Value, is_open: bool) -> bool {
    let of_kind = |kind: &str| &object["migrationVersion"][kind];
    if is_open {
        object["type"].as_str().is_none_or(|kind| !of_kind(kind).is_string())
    } else {
        !object["typeMigrationVersion"].as_str().is_some_and(|version| version.starts_with("8."))
    }
}

/// What is wrong with an object by itself.
fn error_of(
    object: &Value,
    names: &[String],
    objects: &BTreeMap<String, Value>,
    (is_open, overwrites): (bool, bool),
) -> Option<Value> {
    let kind = object["type"].as_str().unwrap_or_default();
    let is_known = TYPES.contains(&kind) || kind == if is_open { "visualization" } else { "tag" };
    if !is_known {
        return Some(json!({ "type": "unsupported_type" }));
    }
    let references = object["references"].as_array().into_iter().flatten();
    let is_looked_for = |one: &&Value| one["type"] == "index-pattern" || one["type"] == "search";
    let is_there = |one: &Value| names.contains(&name(one)) || objects.contains_key(&name(one));
    let missing: Vec<_> =
        references.filter(is_looked_for).filter(|one| !is_there(one)).cloned().collect();
    if !missing.is_empty() {
        return Some(json!({ "type": "missing_references", "references": missing }));
    }
    let is_taken = !overwrites && objects.contains_key(&name(object));
    is_taken.then(|| json!({ "type": "conflict" }))
}

/// What is stored of a view after OpenSearch Dashboards before 3.7 has opened it, or any version has been
/// told to ask for its fields anew: what it does not know stays, formats of other than fields go.
pub fn opened(attributes: &Value, is_told: bool, found: &[Value]) -> Value {
    let parsed = |key: &str| -> Value {
        serde_json::from_str(attributes[key].as_str().unwrap_or_default()).unwrap_or_default()
    };
    let fields = parsed("fields").as_array().cloned().unwrap_or_default();
    let mut stored = attributes.clone();
    if !is_told && !is_asked_anew(&fields) {
        return stored;
    }
    let has = |name: &String| found.iter().any(|field| field["name"] == name.as_str());
    let formats: Map<_, _> = parsed("fieldFormatMap")
        .as_object()
        .cloned()
        .unwrap_or_default()
        .into_iter()
        .filter(|(name, _)| has(name))
        .map(|(name, format)| (name, json!({ "params": format["params"], "id": format["id"] })))
        .collect();
    stored["fieldFormatMap"] = Value::from(formats).to_string().into();
    stored["fields"] = Value::from(found.to_vec()).to_string().into();
    stored
}

/// Whether OpenSearch Dashboards before 3.7 asks for the fields anew when a view is opened, and stores the
/// whole view: `src/plugins/data/common/index_patterns/index_patterns/index_patterns.ts`
/// (`isFieldRefreshRequired`).
fn is_asked_anew(fields: &[Value]) -> bool {
    fields.iter().all(|field| {
        (field["aggregatable"].is_null() && field["searchable"].is_null())
            || field["readFromDocValues"].is_null()
    })
}
