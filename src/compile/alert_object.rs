//! What Kibana and OpenSearch are sent: rules, objectives, monitors; where each lives, and the mark by which
//! it is known again.
//!
//! Servers bring what they store to a form of their own, so the mark holds a checksum of what was sent. Kibana's
//! objects have it in their tags, monitors in `ui_metadata`. Not here: what is in the bodies (`kibana_query`,
//! `kibana_slo`, `opensearch`), sending them (`elk::alerts`).

use serde_json::{Value, json};

use super::header::hex;
use super::{Compiled, Header, Loss, OutputFile, Site, Subject, Tool, told};

/// Tag of all that is ours in Kibana, and what stands for it in a monitor.
pub const MARK: &str = "lbproxy";
/// Start of the tag that holds the namespace.
const NAMESPACE: &str = "lbproxy-namespace:";
/// Start of the tag that holds the checksum.
const CHECKSUM: &str = "lbproxy-checksum:";
/// Start of the tag that holds the id.
const ID: &str = "lbproxy-id:";
/// Hex digits of a checksum.
const CHECKSUM_DIGITS: usize = 12;

/// The part of a server's API that an object lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertApi {
    /// A rule of Kibana.
    Rule,
    /// An objective of Kibana, which its burn-rate rule asks.
    Slo,
    /// A monitor of OpenSearch.
    Monitor,
}

/// A rule, an SLO or a monitor, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertObject {
    /// The part of the API that takes it.
    pub api: AlertApi,
    /// For people: `lbp-NAME-LONG`.
    pub id: String,
    /// What the server calls it: the last part of its path; of a monitor its name, as the server gives the id.
    pub key: String,
    /// It, with its mark.
    pub body: Value,
}

/// What a mark says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertMark {
    /// See [`AlertObject::id`].
    pub id: String,
    /// `telemetry.namespace` of whoever put it.
    pub namespace: String,
    /// Of what was put, without its mark.
    pub checksum: String,
}

impl AlertApi {
    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Rule => "alert rule",
            Self::Slo => "SLO",
            Self::Monitor => "monitor",
        }
    }

    /// Where all of them are.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Rule => "/api/alerting/rule",
            Self::Slo => "/api/observability/slos",
            Self::Monitor => "/_plugins/_alerting/monitors",
        }
    }

    /// The mark of an object, if it has one.
    pub fn mark(self, body: &Value) -> Option<AlertMark> {
        if self == Self::Monitor {
            let mark = &body["ui_metadata"][MARK];
            let text = |key: &str| mark[key].as_str().map(str::to_owned);
            return Some(AlertMark {
                id: text("id")?,
                namespace: text("namespace")?,
                checksum: text("checksum")?,
            });
        }
        let tags: Vec<_> = body["tags"].as_array()?.iter().filter_map(Value::as_str).collect();
        let text =
            |start: &str| tags.iter().find_map(|tag| tag.strip_prefix(start)).map(str::to_owned);
        let (id, namespace) = (text(ID)?, text(NAMESPACE)?);
        tags.contains(&MARK).then(|| AlertMark {
            id,
            namespace,
            checksum: text(CHECKSUM).unwrap_or_default(),
        })
    }
}

impl AlertObject {
    /// An object with its mark; `body` has its `tags`, and of a monitor no `ui_metadata`.
    pub(super) fn new(api: AlertApi, id: &str, mut body: Value, site: &Site) -> Self {
        let mut checksum = hex(body.to_string().as_bytes());
        checksum.truncate(CHECKSUM_DIGITS);
        let namespace = &site.namespace;
        if api == AlertApi::Monitor {
            let mark = json!({ "id": id, "namespace": namespace, "checksum": checksum });
            body["ui_metadata"] = json!({ MARK: mark });
        } else if let Some(tags) = body["tags"].as_array_mut() {
            let mark = [
                MARK.to_owned(),
                format!("{ID}{id}"),
                format!("{NAMESPACE}{namespace}"),
                format!("{CHECKSUM}{checksum}"),
            ];
            tags.splice(0..0, mark.map(Value::from));
        }
        Self { api, id: id.to_owned(), key: key(api, id, site), body }
    }

    /// Where it is; `None` for a monitor, whose id the server gives.
    pub fn path(&self) -> Option<String> {
        (self.api != AlertApi::Monitor).then(|| format!("{}/{}", self.api.path(), self.key))
    }

    /// The body of a request that changes it: what cannot be changed is refused there.
    pub fn update(&self) -> Value {
        let fixed: &[&str] = match self.api {
            AlertApi::Rule => &["consumer", "rule_type_id", "enabled"],
            AlertApi::Slo => &["id"],
            AlertApi::Monitor => &[],
        };
        let mut body = self.body.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.retain(|name, _| !fixed.contains(&name.as_str()));
        }
        body
    }

    /// As a file: where it comes from, the request that makes it, its body.
    fn file(&self, header: &Header) -> OutputFile {
        let made = match self.api {
            AlertApi::Rule => format!("POST {}/{}", self.api.path(), self.key),
            AlertApi::Slo | AlertApi::Monitor => format!("POST {}", self.api.path()),
        };
        let file = json!({ "_made_by": header.line(), "request": made, "body": self.body });
        // Keys stand in the order of the alphabet: who made it comes first.
        let text = format!("{file:#}\n");
        OutputFile { path: format!("{}.json", self.id), text }
    }
}

/// Objectives as files of a tool, one for each object of theirs; they lose what `more` says, and of their channels.
pub(super) fn compiled(
    tool: &Tool,
    subjects: &[Subject],
    site: &Site,
    objects: fn(&[Subject], &Site) -> Vec<AlertObject>,
    more: fn(&Subject) -> Option<Loss>,
) -> Compiled {
    let mut compiled = Compiled::default();
    for subject in subjects {
        let one = std::slice::from_ref(subject);
        let header = Header::new(tool, one);
        compiled.files.extend(objects(one, site).iter().map(|object| object.file(&header)));
        compiled.losses.extend(more(subject));
        compiled.losses.extend(told::channels(subject, site).1);
    }
    compiled
}

/// What a server is to call an object.
pub fn key(api: AlertApi, id: &str, site: &Site) -> String {
    let namespace = &site.namespace;
    match api {
        AlertApi::Rule => uuid(&format!("lbproxy\0{namespace}\0{id}")),
        // From 8 bytes on; no objective's name has a `_`.
        AlertApi::Slo if namespace == "default" => format!("{id:_<8}"),
        AlertApi::Slo => {
            let hash = hex(format!("{namespace}\0{id}").as_bytes());
            format!("{}_{}", &id[..id.len().min(39)], &hash[..8])
        }
        AlertApi::Monitor if namespace == "default" => id.to_owned(),
        AlertApi::Monitor => format!("{id} ({namespace})"),
    }
}

/// A UUID of version 4's form, made of a text: Kibana takes no other id of a rule in some of its versions.
fn uuid(text: &str) -> String {
    let hash = hex(text.as_bytes());
    let (first, second, third) = (&hash[..8], &hash[8..12], &hash[13..16]);
    format!("{first}-{second}-4{third}-a{}-{}", &hash[17..20], &hash[20..32])
}
