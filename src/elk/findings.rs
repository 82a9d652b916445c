//! What stands in the way of an installation: each with what is wrong and how to mend it.
//!
//! Pure: answers of a server in, findings out.

use serde_json::Value;

use super::access::{self, Credentials};
use super::artefact::{Api, Artefact, Kind};
use super::plan::{Action, leaves};
use super::server::Server;
use super::streams::StreamMapping;
use super::templates::PRIORITY;
use super::{Product, retention};
use crate::config::{Keep, Retention};
use crate::record::Dataset;

/// What helps when rights are lacking.
pub(crate) const ASK_AN_ADMINISTRATOR: &str = "ask an administrator to run this (--username, --password-file), \
                                    or leave out what is not allowed with --only";

/// Something that a person has to know or mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub cure: String,
    /// Whether nothing at all is changed because of it.
    pub blocks: bool,
}

impl Finding {
    /// One that leaves the rest alone.
    pub(super) fn new(problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { problem: problem.into(), cure: cure.into(), blocks: false }
    }

    /// One because of which nothing is changed.
    fn blocking(problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { blocks: true, ..Self::new(problem, cure) }
    }
}

/// A version that lacks what is needed.
pub(super) fn version(server: &Server) -> Option<Finding> {
    if server.is_serverless {
        let problem = "this is Elasticsearch Serverless, which refuses what lbproxy installs: settings \
                       of shards and replicas, users and roles";
        let cure = "use Elastic Cloud Hosted or an Elasticsearch of your own";
        return Some(Finding::blocking(problem, cure));
    }
    let version = server.version.filter(|_| server.is_too_old())?;
    let (title, oldest) = (server.product.title(), Server::oldest(server.product));
    let problem = format!("{title} {version} is too old");
    Some(Finding::blocking(problem, format!("upgrade it to {oldest} or newer")))
}

/// A cluster that takes no changes, by the answer to `GET /_cluster/settings?flat_settings=true`.
pub(super) fn read_only(answer: &Value) -> Option<Finding> {
    let (key, scope) = ["persistent", "transient"].into_iter().find_map(|scope| {
        let is_set = |(key, value): &(&String, &Value)| {
            key.starts_with("cluster.blocks.") && (*value == "true" || **value == true)
        };
        let (key, _) = answer[scope].as_object()?.iter().find(is_set)?;
        Some((key.clone(), scope))
    })?;
    let cure = format!(
        "when it may be changed: PUT /_cluster/settings {{\"{scope}\": {{\"{key}\": null}}}}"
    );
    Some(Finding::blocking(format!("the cluster is read-only: {key} is set"), cure))
}

/// What the asker needs for these kinds: privileges of `POST /_security/user/_has_privileges`.
pub(super) fn privileges(kinds: &[Kind]) -> Value {
    let mut cluster = Vec::new();
    if kinds.contains(&Kind::Templates) || kinds.contains(&Kind::Retention) {
        cluster.extend(["manage_index_templates", "monitor"]);
    }
    if kinds.contains(&Kind::Access) {
        cluster.push("manage_security");
    }
    serde_json::json!({
        "cluster": cluster,
        "index": [{ "names": access::stream_patterns(), "privileges": ["manage"] }],
    })
}

/// Rights that the asker lacks, by the answer to that.
pub(super) fn rights(answer: &Value, user: &str) -> Option<Finding> {
    let lacks = |rights: &Value| -> Vec<String> {
        let rights = rights.as_object().into_iter().flatten();
        rights.filter(|(_, has)| **has == false).map(|(name, _)| name.clone()).collect()
    };
    let mut lacking = lacks(&answer["cluster"]);
    let indices = answer["index"].as_object().into_iter().flatten();
    if indices.into_iter().any(|(_, rights)| !lacks(rights).is_empty()) {
        lacking.push(format!("manage on {}", access::stream_patterns().join(", ")));
    }
    if lacking.is_empty() {
        return None;
    }
    let problem = format!("user {user} lacks the privileges {}", lacking.join(", "));
    Some(Finding::blocking(problem, ASK_AN_ADMINISTRATOR))
}

/// Templates of others that fit a stream of ours and win over its own template, or tie with it: name
/// of our template, finding, and whether ours cannot be put beside it.
pub(super) fn overlaps(answer: &Value, namespace: &str) -> Vec<(&'static str, Finding, bool)> {
    let all = answer["index_templates"].as_array().into_iter().flatten();
    let mut found = Vec::new();
    for listed in all {
        let (name, template) = (listed["name"].as_str().unwrap_or("?"), &listed["index_template"]);
        let priority = template["priority"].as_u64().unwrap_or(0);
        if priority < PRIORITY {
            continue;
        }
        for dataset in Dataset::ALL.into_iter().filter(|dataset| dataset.name() != name) {
            let stream = dataset.data_stream(namespace);
            let patterns = template["index_patterns"].as_array().into_iter().flatten();
            let Some(pattern) = patterns.filter_map(Value::as_str).find(|p| fits(p, &stream))
            else {
                continue;
            };
            let is_tie = priority == PRIORITY;
            let than = if is_tie { "the same priority as ours" } else { "a higher priority" };
            let problem = format!(
                "index template {name} has the pattern {pattern} and {than} ({priority}): {stream} \
                 would not get its own mapping"
            );
            let cure = format!("give {name} a priority below {PRIORITY}, or a narrower pattern");
            found.push((dataset.name(), Finding::new(problem, cure), is_tie));
        }
    }
    found
}

/// Names of existing streams of ours, by the answer to `GET /_resolve/index/PATTERNS`.
pub(super) fn streams(answer: &Value) -> Vec<String> {
    let streams = answer["data_streams"].as_array().into_iter().flatten();
    let names = streams.filter_map(|stream| stream["name"].as_str().map(str::to_owned));
    names.filter(|name| access::stream_patterns().iter().any(|p| fits(p, name))).collect()
}

/// Streams that are not told, and what they need with them.
pub(super) fn unseen_streams(reason: &str) -> Finding {
    let problem = format!("it cannot be seen which streams there are: {reason}");
    let cure = "look at GET /_resolve/index/*-lbproxy.* with these credentials, or give those of an \
                administrator (--username, --password-file)";
    Finding::blocking(problem, cure)
}

/// Plain indices and aliases that have the name of a stream, by the same answer: name and finding.
pub(super) fn taken(answer: &Value, namespace: &str) -> Vec<(String, Finding)> {
    let listed = |kind: &str, name: &str| {
        let mut all = answer[kind].as_array().into_iter().flatten();
        all.find(|one| one["name"] == name)
    };
    let mut found = Vec::new();
    for stream in Dataset::ALL.map(|dataset| dataset.data_stream(namespace)) {
        if let Some(index) = listed("indices", &stream) {
            let (closed, open) = if is_closed(index) {
                ("closed ", format!("open it (POST /{stream}/_open), "))
            } else {
                ("", String::new())
            };
            let problem = format!("{stream} is a plain {closed}index, not a data stream");
            let cure = format!(
                "{open}move its documents (_reindex with op_type create into another namespace) and \
                 DELETE /{stream}, or set telemetry.namespace to another"
            );
            found.push((stream.clone(), Finding::new(problem, cure)));
        }
        if listed("aliases", &stream).is_some() {
            let problem = format!("{stream} is an alias, not a data stream");
            let cure = "remove the alias, or set telemetry.namespace to another";
            found.push((stream, Finding::new(problem, cure)));
        }
    }
    found
}

/// Whether an index is closed, by its part of that answer.
pub(super) fn is_closed(index: &Value) -> bool {
    index["attributes"].as_array().into_iter().flatten().any(|attribute| attribute == "closed")
}

/// What a step has found by itself.
pub(super) fn of_step(artefact: &Artefact, action: &Action) -> Option<Finding> {
    let (title, name) = (artefact.api.title(), &artefact.name);
    match action {
        Action::Foreign if artefact.api == Api::PolicyOfStream => Some(Finding::new(
            format!("another ISM policy manages {name}"),
            format!(
                "POST /_plugins/_ism/remove/{name}, or set telemetry.elasticsearch.retention to off"
            ),
        )),
        Action::Foreign => Some(Finding::new(
            format!("{title} {name} is somebody else's and stays as it is"),
            "rename or remove it, then run this again; ours says that it is managed by lbproxy",
        )),
        _ => None,
    }
}

/// What the credentials may not see: the first of it with the server's words, and how much more.
pub(super) fn hidden<'a>(
    steps: impl Iterator<Item = (&'a Artefact, &'a Action)>,
) -> Option<Finding> {
    let mut hidden = steps.filter_map(|(artefact, action)| match action {
        Action::MayNotLook(reason) => Some((artefact, reason)),
        _ => None,
    });
    let (artefact, reason) = hidden.next()?;
    let (title, name, more) = (artefact.api.title(), &artefact.name, and_more(hidden.count()));
    let problem = format!("the credentials may not see {title} {name}{more}: {reason}");
    Some(Finding::blocking(problem, ASK_AN_ADMINISTRATOR))
}

/// What follows the first of several: how many are behind it, if there are any.
pub(super) fn and_more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" and {count} more") }
}

/// Retention that is wanted and that this server lacks the parts for.
pub(super) fn no_retention<'a>(
    server: &Server,
    retention: &Retention,
    mut steps: impl Iterator<Item = (&'a Artefact, &'a Action)>,
) -> Option<Finding> {
    let is_open = server.product == Product::OpenSearch;
    let is_lacking = steps.any(|(artefact, action)| {
        // On Elasticsearch streams and their lifecycle are of one module.
        let tells = match artefact.api {
            Api::Policy => is_open,
            Api::StreamLifecycle | Api::Stream => !is_open,
            _ => false,
        };
        let keep = artefact.dataset.map(|dataset| retention::of(retention, dataset));
        tells && *action == Action::NoApi && matches!(keep, Some(Keep::For(_)))
    });
    let (lacks, cure) = if is_open {
        (
            "index state management (ISM)",
            "install the plugin opensearch-index-management on every node",
        )
    } else {
        (
            "data stream lifecycle",
            "use a build with the module data-streams, as all of Elastic's have",
        )
    };
    let problem = format!(
        "this {} has no {lacks}: nothing deletes documents, they stay for ever",
        server.product.title()
    );
    let cure = format!(
        "{cure} and run this again, or delete them yourself and set each key of \
         telemetry.elasticsearch.retention to off"
    );
    is_lacking.then(|| Finding::new(problem, cure))
}

/// API keys on a server that has none.
pub(super) fn no_api_keys(server: &Server, credentials: &[Credentials]) -> Option<Finding> {
    let is_wanted = credentials == [Credentials::ApiKey] && server.product == Product::OpenSearch;
    let finding = || Finding::blocking("OpenSearch has no API keys", "leave out --credentials");
    is_wanted.then(finding)
}

/// A user or key that is there already, when its secret is wanted in a `file` that does not hold it: the
/// server never tells it.
pub(crate) fn unknown_secret(artefact: &Artefact, action: &Action, file: &str) -> Option<Finding> {
    let is_there = matches!(action, Action::Unchanged | Action::Update(_));
    let (title, name) = (artefact.api.title(), &artefact.name);
    let secret = if artefact.api == Api::ApiKey { "the key itself" } else { "its password" };
    let problem = format!("{title} {name} is there already, and {secret} is not in {file}");
    let cure = "name the file that has it, or make it anew: `lbproxy setup --remove --only access`, then \
                run this again";
    (artefact.is_secret() && is_there).then(|| Finding::new(problem, cure))
}

/// Whether a stream has the mapping that its template has, or would have it.
pub(super) fn mapped(
    template: &Artefact,
    stream: &str,
    mapping: &StreamMapping,
) -> Option<Finding> {
    let (StreamMapping::Written(got) | StreamMapping::Simulated(got)) = mapping else {
        return None;
    };
    let got = leaves(got);
    let lacks = |body: &Value| {
        let wanted = leaves(&body["template"]["mappings"]);
        wanted.into_iter().find(|(path, value)| got.get(path) != Some(value))
    };
    let (path, wanted) = lacks(&template.body)?;
    if template.instead.as_ref().is_some_and(|instead| lacks(instead).is_none()) {
        return None;
    }
    let got = got.get(&path).map_or("nothing", String::as_str);
    let differs = format!("{path}: {got} instead of {wanted}");
    Some(match mapping {
        StreamMapping::Written(_) => Finding::new(
            format!("the index that {stream} writes to has {differs}"),
            format!("give it an index with the mapping of its template: POST /{stream}/_rollover"),
        ),
        _ => Finding::new(
            format!("a new {stream} would have {differs}"),
            format!(
                "look for a template with a higher priority: POST \
                 /_index_template/_simulate_index/{stream}"
            ),
        ),
    })
}

/// Whether `name` fits `pattern`, in which `*` stands for any text.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(start) else { return false };
    // What the star stands for may end at any place.
    (0..=name.len()).filter(|&at| name.is_char_boundary(at)).any(|at| fits(rest, &name[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates_of_others_count_when_they_fit_and_win_or_tie() {
        let template = |name: &str, pattern: &str, priority: u64| {
            let template = json!({"index_patterns": ["other", pattern], "priority": priority});
            json!({"index_templates": [{"name": name, "index_template": template}]})
        };
        for (name, answer, want) in [
            ("lower", template("logs", "logs-*-*", 100), None),
            ("ours", template("logs-lbproxy.access", "logs-lbproxy.access-*", 250), None),
            ("another name", template("x", "logs-nginx.access-*", 500), None),
            ("higher", template("x", "logs-*.access-*", 500), Some(false)),
            ("a tie", template("x", "*-lbproxy.access-default", 250), Some(true)),
            ("none", json!({}), None),
        ] {
            let found = overlaps(&answer, "default");
            let found: Vec<_> = found.iter().map(|(name, _, is_tie)| (*name, *is_tie)).collect();
            let want: Vec<_> =
                want.map(|is_tie| ("logs-lbproxy.access", is_tie)).into_iter().collect();
            assert_eq!(found, want, "{name}");
        }
    }

    #[test]
    fn a_plain_index_counts_only_with_the_name_of_a_stream() {
        let answer = |kind: &str, name: &str| json!({kind: [{"name": name}]});
        for (name, answer, want) in [
            ("index", answer("indices", "logs-lbproxy.access-default"), 1),
            ("alias", answer("aliases", "logs-lbproxy.health-default"), 1),
            ("other namespace", answer("indices", "logs-lbproxy.access-other"), 0),
            ("stream", answer("data_streams", "logs-lbproxy.access-default"), 0),
        ] {
            assert_eq!(taken(&answer, "default").len(), want, "{name}");
        }
        let found = streams(&answer("data_streams", "logs-lbproxy.access-other"));
        assert_eq!(found, ["logs-lbproxy.access-other"]);
        assert!(streams(&answer("data_streams", "logs-nginx-default")).is_empty());
    }

    #[test]
    fn rights_and_blocks_are_told_with_their_names() {
        let answer = json!({
            "cluster": {"manage_index_templates": false, "monitor": true},
            "index": {"logs-lbproxy.access-*": {"manage": false}},
        });
        let problem = rights(&answer, "joe").unwrap().problem;
        let start = "user joe lacks the privileges manage_index_templates, manage on logs-";
        assert!(problem.starts_with(start), "{problem}");
        assert_eq!(rights(&json!({"cluster": {"monitor": true}}), "joe"), None);
        let blocked = json!({"persistent": {"cluster.blocks.read_only": "true"}});
        let finding = read_only(&blocked).unwrap();
        assert!(finding.blocks && finding.problem.contains("cluster.blocks.read_only"));
        assert_eq!(read_only(&json!({"persistent": {"cluster.blocks.read_only": "false"}})), None);
        assert_eq!(read_only(&json!({})), None);
    }
}
