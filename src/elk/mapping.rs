//! Where the types of a stream's fields come from. Without any template the first document makes a plain
//! index with guessed types, which never rolls over and refuses what does not fit the guess.
//!
//! Whoever made a stream, an index or a template for our names has decided, whatever they decided: it is
//! told and used. What the product brings along for everybody (`logs-*-*` of Elasticsearch) is no decision.
//! Not here: putting our own templates (`installer`).

use serde_json::Value;

use super::artefact::Api;
use super::client::Client;
use super::findings::{fits, is_closed};
use super::installer::ask_if_there;
use super::problem::Problem;
use super::templates;
use crate::record::Dataset;

/// Where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// From a stream that is there already, or from the template of our name.
    Own,
    /// From somebody else's template of this name, or an index that is no data stream.
    Others(String),
    /// From nowhere.
    Guessed,
    /// The credentials may not look, or the server does not tell.
    Unknown,
}

/// Asks where those of a dataset come from; one request when the stream is there. No template reaches an
/// index that is there, nor what an alias of the name leads to.
pub(crate) async fn of(
    client: &Client,
    dataset: Dataset,
    namespace: &str,
) -> Result<Mapping, Problem> {
    let stream = dataset.data_stream(namespace);
    let path = format!("/_resolve/index/{stream}?expand_wildcards=all");
    if let Some(mapping) = of_names(&ask_if_there(client, &path).await?) {
        return Ok(mapping);
    }
    let name = templates::template_name(dataset);
    let own = ask_if_there(client, &format!("/_index_template/{name}")).await?;
    if Api::IndexTemplate.present(name, &own).is_some() {
        return Ok(Mapping::Own);
    }
    let all = ask_if_there(client, "/_index_template").await?;
    Ok(of_templates(&all, &stream))
}

/// By the answer to `GET /_resolve/index/STREAM`; nothing when the name is free.
fn of_names(answer: &Value) -> Option<Mapping> {
    let is_any = |kind: &str| answer[kind].as_array().is_some_and(|names| !names.is_empty());
    if is_any("data_streams") {
        return Some(Mapping::Own);
    }
    let index = &answer["indices"][0];
    let what = if is_any("aliases") {
        "an alias"
    } else if is_closed(index) {
        "a closed index"
    } else if index.is_object() {
        "an index"
    } else {
        return None;
    };
    Some(Mapping::Others(format!("{what} of that name, no data stream")))
}

/// By the answer to `GET /_index_template`.
fn of_templates(answer: &Value, stream: &str) -> Mapping {
    let Some(all) = answer["index_templates"].as_array() else { return Mapping::Unknown };
    let does_fit = |listed: &&Value| {
        let patterns = listed["index_template"]["index_patterns"].as_array();
        patterns.into_iter().flatten().filter_map(Value::as_str).any(|one| fits(one, stream))
    };
    let priority = |listed: &&Value| listed["index_template"]["priority"].as_u64().unwrap_or(0);
    let Some(best) = all.iter().filter(does_fit).max_by_key(priority) else {
        return Mapping::Guessed;
    };
    let template = &best["index_template"];
    let is_stock = template["_meta"]["managed"] == true;
    // One that sets shards for all names says nothing of fields.
    let has_types = template["data_stream"].is_object()
        || template["template"]["mappings"]["properties"].is_object();
    if is_stock || !has_types {
        return Mapping::Guessed;
    }
    Mapping::Others(format!("index template {}", best["name"].as_str().unwrap_or("?")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whoever_made_a_template_for_our_names_has_decided() {
        let template = |priority: u64, more: Value| {
            let mut body = json!({"index_patterns": ["logs-*-*"], "priority": priority});
            body.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
            json!({"name": "theirs", "index_template": body})
        };
        let stream = json!({"data_stream": {"hidden": false}});
        let stock = json!({"data_stream": {}, "_meta": {"managed": true}});
        let typed = json!({"template": {"mappings": {"properties": {"a": {}}}}});
        let others = || Mapping::Others("index template theirs".to_owned());
        for (name, templates, want) in [
            ("none", json!([]), Mapping::Guessed),
            ("a stream's", json!([template(5, stream.clone())]), others()),
            ("a plain index's with types", json!([template(5, typed)]), others()),
            ("one for shards", json!([template(5, json!({"template": {}}))]), Mapping::Guessed),
            ("the product's", json!([template(100, stock.clone())]), Mapping::Guessed),
            (
                "above the product's",
                json!([template(100, stock.clone()), template(200, stream.clone())]),
                others(),
            ),
            (
                "below the product's",
                json!([template(50, stream), template(100, stock)]),
                Mapping::Guessed,
            ),
            (
                "for other names",
                json!([{"name": "x", "index_template": {"index_patterns": ["logs-nginx*"]}}]),
                Mapping::Guessed,
            ),
            ("no list", Value::Null, Mapping::Unknown),
        ] {
            let answer = json!({ "index_templates": templates });
            assert_eq!(of_templates(&answer, "logs-lbproxy.access-default"), want, "{name}");
        }
    }

    #[test]
    fn what_is_there_has_its_types() {
        let of = |kind: &str| of_names(&json!({ kind: [{"name": "n"}] }));
        assert_eq!(of("data_streams"), Some(Mapping::Own));
        for kind in ["indices", "aliases"] {
            assert!(matches!(of(kind), Some(Mapping::Others(_))), "{kind}");
        }
        for free in
            [json!({"indices": [], "aliases": [], "data_streams": []}), json!({}), Value::Null]
        {
            assert_eq!(of_names(&free), None, "{free}");
        }
    }
}
