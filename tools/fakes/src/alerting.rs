//! Rules and SLOs of Kibana, monitors of OpenSearch: kept, listed, given back in the form of a server.
//!
//! Written from the products' sources (`shape`), as no such server can be had here. Kept from them: bodies are
//! checked; a rule's id is a UUID; SLOs want a Platinum licence; monitors get their ids, and an update names the
//! number of the last change; what is given back has more than what was sent. Nothing is ever run.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::refusal::Refusal;
use super::request::Target;
use super::search::Answer;
use super::shape;

/// What a server has of it, and what it allows.
#[derive(Debug, Default)]
pub(super) struct Alerting {
    /// By path, of Kibana with its space; with the number of the last change.
    pub(super) kept: BTreeMap<String, (Value, u64)>,
    changes: u64,
    /// Licence to tell instead of `basic`.
    pub(super) licence: Option<String>,
    /// Whether OpenSearch has the plugin.
    pub(super) has_plugin: bool,
}

/// A refusal of Kibana: status and message.
pub(super) type Refused = (u16, String);

impl Alerting {
    /// The licence that Elasticsearch tells.
    pub(super) fn licence(&self) -> &str {
        self.licence.as_deref().unwrap_or("basic")
    }

    fn put(&mut self, path: &str, body: Value) {
        self.changes += 1;
        self.kept.insert(path.to_owned(), (body, self.changes));
    }

    /// A request to `/api/alerting` or `/api/observability/slos` in a space; `None` when it is none.
    pub(super) fn kibana(
        &mut self,
        method: &str,
        rest: &[&str],
        space: &str,
        body: &[u8],
    ) -> Option<Result<Value, Refused>> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let path = format!("/{space}/{}", rest.join("/"));
        match (method, rest) {
            ("GET", ["alerting", "rules", "_find"]) => {
                let found = self.under(&format!("/{space}/alerting/rule/"));
                let ours = |rule: &Value| {
                    rule["tags"]
                        .as_array()
                        .is_some_and(|tags| tags.iter().any(|tag| tag == "lbproxy"))
                };
                let found: Vec<_> = found.into_iter().filter(ours).collect();
                Some(Ok(json!({ "page": 1, "per_page": 100, "total": found.len(), "data": found })))
            }
            (_, ["alerting", "rule", id]) => Some(self.rule(method, id, &path, body)),
            (_, ["observability", "slos", ..])
                if !["platinum", "trial"].contains(&self.licence()) =>
            {
                Some(Err((
                    403,
                    "Platinum license or higher is needed to make use of this feature.".into(),
                )))
            }
            ("GET", ["observability", "slos", "_definitions"]) => {
                let found = self.under(&format!("/{space}/observability/slos/"));
                Some(Ok(
                    json!({ "page": 1, "perPage": 100, "total": found.len(), "results": found }),
                ))
            }
            ("POST", ["observability", "slos"]) => {
                if let Err(mistake) = shape::check_slo(&body) {
                    return Some(Err((400, mistake)));
                }
                let id = body["id"].as_str().unwrap_or_default().to_owned();
                let path = format!("{path}/{id}");
                if self.kept.contains_key(&path) {
                    return Some(Err((409, format!("SLO [{id}] already exists"))));
                }
                self.put(
                    &path,
                    with(body, &json!({ "revision": 1, "enabled": true, "version": 2 })),
                );
                Some(Ok(json!({ "id": id })))
            }
            (_, ["observability", "slos", id]) => Some(self.slo(method, id, &path, &body)),
            _ => None,
        }
    }

    fn rule(&mut self, method: &str, id: &str, path: &str, body: Value) -> Result<Value, Refused> {
        let known = self.kept.get(path).map(|(body, _)| body.clone());
        match (method, known) {
            ("POST", Some(_)) => Err((409, format!("Saved object [alert/{id}] conflict"))),
            ("POST", None) if !is_uuid(id) => Err((
                400,
                "Predefined IDs are not allowed for saved objects with encrypted attributes unless the ID \
                 is a UUID."
                    .into(),
            )),
            ("POST", None) => {
                shape::check_rule(&body).map_err(|mistake| (400, mistake))?;
                let extra = json!({ "id": id, "mute_all": false, "throttle": null, "revision": 0 });
                self.put(path, with(body, &extra));
                Ok(json!({ "id": id }))
            }
            (_, None) => Err((404, format!("Saved object [alert/{id}] not found"))),
            ("PUT", Some(known)) => {
                let kind = known["rule_type_id"].as_str().unwrap_or_default();
                shape::check_rule_update(kind, &body).map_err(|mistake| (400, mistake))?;
                self.put(path, with(known, &body));
                Ok(json!({ "id": id }))
            }
            ("DELETE", Some(_)) => {
                self.kept.remove(path);
                Ok(Value::Null)
            }
            (_, Some(known)) => Ok(known),
        }
    }

    fn slo(&mut self, method: &str, id: &str, path: &str, body: &Value) -> Result<Value, Refused> {
        let Some((known, _)) = self.kept.get(path).cloned() else {
            return Err((404, format!("SLO [{id}] not found")));
        };
        match method {
            "PUT" => {
                shape::check_slo_update(body).map_err(|mistake| (400, mistake))?;
                self.put(path, with(known.clone(), body));
                Ok(known)
            }
            "DELETE" => {
                self.kept.remove(path);
                Ok(Value::Null)
            }
            _ => Ok(known),
        }
    }

    /// A request to `/_plugins/_alerting/monitors`.
    pub(super) fn monitors(
        &mut self,
        method: &str,
        rest: &[&str],
        target: &Target,
        body: Value,
        id: impl FnOnce() -> String,
    ) -> Answer {
        const ROOT: &str = "/_plugins/_alerting/monitors/";
        match (method, rest) {
            ("GET" | "POST", ["_search"]) => {
                let prefix =
                    body["query"]["prefix"]["monitor.name.keyword"].as_str().unwrap_or_default();
                let hits =
                    self.kept.range(ROOT.to_owned()..).filter_map(|(path, (body, number))| {
                        let id = path.strip_prefix(ROOT)?;
                        let is_found =
                            body["name"].as_str().is_some_and(|name| name.starts_with(prefix));
                        is_found.then(|| {
                            json!({
                                "_id": id, "_seq_no": number, "_primary_term": 1, "_source": body,
                            })
                        })
                    });
                Ok(json!({ "hits": { "hits": hits.collect::<Vec<_>>() } }))
            }
            ("POST", []) => {
                shape::check_monitor(&body).map_err(|mistake| Refusal::illegal(&mistake))?;
                let id = id();
                self.put(&format!("{ROOT}{id}"), monitor(body));
                Ok(json!({ "_id": id, "_version": 1 }))
            }
            (_, [id]) => {
                let path = format!("{ROOT}{id}");
                let Some((_, number)) = self.kept.get(&path) else {
                    return Err(Refusal::exception(
                        404,
                        "alerting_exception",
                        "Monitor not found.",
                    ));
                };
                if method == "DELETE" {
                    self.kept.remove(&path);
                    return Ok(json!({ "_id": id, "_version": 2 }));
                }
                if target.parameter("if_seq_no").is_some_and(|asked| asked != number.to_string()) {
                    let reason = "version conflict, required seqNo does not fit";
                    return Err(Refusal::exception(
                        409,
                        "version_conflict_engine_exception",
                        reason,
                    ));
                }
                shape::check_monitor(&body).map_err(|mistake| Refusal::illegal(&mistake))?;
                self.put(&path, monitor(body));
                Ok(json!({ "_id": id, "_version": 2 }))
            }
            _ => Err(Refusal::illegal("the mock knows no more of alerting")),
        }
    }

    /// What is kept below a path.
    fn under(&self, start: &str) -> Vec<Value> {
        let kept = self.kept.iter().filter(|(path, _)| path.starts_with(start));
        kept.map(|(_, (body, _))| body.clone()).collect()
    }
}

/// An object with the fields of another one.
fn with(mut body: Value, more: &Value) -> Value {
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    body
}

/// A monitor as it is given back: a query is read and written anew.
fn monitor(body: Value) -> Value {
    let mut body =
        with(body, &json!({ "schema_version": 8, "enabled_time": 1, "last_update_time": 1 }));
    body["inputs"][0]["search"]["query"]["query"]["bool"]["boost"] = 1.0.into();
    body
}

fn is_uuid(id: &str) -> bool {
    let parts: Vec<_> = id.split('-').collect();
    let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
    let is_hex = parts.iter().all(|part| part.chars().all(|c| c.is_ascii_hexdigit()));
    let version = parts.get(2).is_some_and(|part| part.starts_with('4'));
    let variant = parts.get(3).is_some_and(|part| part.starts_with(['8', '9', 'a', 'b']));
    lengths == [8, 4, 4, 4, 12] && is_hex && version && variant
}
