//! What lbproxy installs on a server, as one list; and how each kind of thing is asked for, told to
//! be ours, put and deleted.
//!
//! A further artefact is a line in [`wanted`]; a further API a variant of [`Api`] and its lines
//! below. Pure: no request is made here. Not here: what stands in the bodies (`templates`,
//! `retention`, `access`), what is to be done (`plan`).

use serde_json::{Value, json};

use super::access::{self, Credentials, Rights};
use super::server::Server;
use super::templates::{self, Types};
use super::{MANAGED_BY, Product, retention};
use crate::config::Retention;
use crate::record::Dataset;

/// What an artefact is good for; the words of `lbproxy setup --only`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Types of fields and settings of indices.
    Templates,
    /// How long documents are kept.
    Retention,
    /// Role and credentials for shipping.
    Access,
    /// Boards: saved objects of Kibana or OpenSearch Dashboards (`saved_objects`).
    Dashboards,
    /// Rules of objectives: in Kibana, or monitors of OpenSearch (`alerts`).
    Alerts,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Templates, Self::Retention, Self::Access, Self::Dashboards, Self::Alerts];

    /// Its word on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Templates => "templates",
            Self::Retention => "retention",
            Self::Access => "access",
            Self::Dashboards => "dashboards",
            Self::Alerts => "alerts",
        }
    }
}

/// Method and path, and a body where one is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// `GET`, `PUT`, `POST` or `DELETE`.
    pub method: &'static str,
    /// Path with its query.
    pub path: String,
    /// Body.
    pub body: Option<Value>,
}

impl Request {
    /// One without a body.
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), body: None }
    }

    /// The same with a body.
    #[must_use]
    pub fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

/// The part of a server's API that an artefact lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// A part of index templates.
    ComponentTemplate,
    /// What a new stream of some names looks like.
    IndexTemplate,
    /// Retention of a stream that is there already (Elasticsearch).
    StreamLifecycle,
    /// A policy of index state management (OpenSearch).
    Policy,
    /// That policy for the indices that are there already.
    PolicyOfStream,
    /// A stream: made without documents, deleted with all of them.
    Stream,
    /// A role (Elasticsearch).
    Role,
    /// A user (Elasticsearch).
    User,
    /// An API key (Elasticsearch).
    ApiKey,
    /// A role (OpenSearch).
    OpenRole,
    /// A user (OpenSearch).
    OpenUser,
}

/// Something found on a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Present {
    /// It, in the form in which it is put, with what the server added.
    pub body: Value,
    /// Numbers that an update must name, so that it undoes nobody else's.
    pub sequence: Option<(u64, u64)>,
}

impl Api {
    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ComponentTemplate => "component template",
            Self::IndexTemplate => "index template",
            Self::StreamLifecycle => "lifecycle of stream",
            Self::Policy => "ISM policy",
            Self::PolicyOfStream => "ISM policy of stream",
            Self::Stream => "data stream",
            Self::Role | Self::OpenRole => "role",
            Self::User | Self::OpenUser => "user",
            Self::ApiKey => "API key",
        }
    }

    /// Where the artefact of that name is.
    fn path(self, name: &str) -> String {
        match self {
            Self::ComponentTemplate => format!("/_component_template/{name}"),
            Self::IndexTemplate => format!("/_index_template/{name}"),
            Self::StreamLifecycle => format!("/_data_stream/{name}/_lifecycle"),
            Self::Policy => format!("/_plugins/_ism/policies/{name}"),
            Self::PolicyOfStream => format!("/_plugins/_ism/explain/{name}"),
            Self::Stream => format!("/_data_stream/{name}"),
            Self::Role => format!("/_security/role/{name}"),
            Self::User => format!("/_security/user/{name}"),
            Self::ApiKey => format!("/_security/api_key?active_only=true&name={name}"),
            Self::OpenRole => format!("/_plugins/_security/api/roles/{name}"),
            Self::OpenUser => format!("/_plugins/_security/api/internalusers/{name}"),
        }
    }

    /// Reads the answer to the request for it; `None` when it is not there.
    pub fn present(self, name: &str, answer: &Value) -> Option<Present> {
        let body = match self {
            Self::ComponentTemplate => &answer["component_templates"][0]["component_template"],
            Self::IndexTemplate => &answer["index_templates"][0]["index_template"],
            Self::StreamLifecycle => &answer["data_streams"][0]["lifecycle"],
            Self::Policy => &answer["policy"],
            Self::PolicyOfStream => return policy_of_stream(answer),
            Self::ApiKey => &answer["api_keys"][0],
            Self::Stream => &answer["data_streams"][0],
            Self::Role | Self::User | Self::OpenRole | Self::OpenUser => &answer[name],
        };
        let sequence = answer["_seq_no"].as_u64().zip(answer["_primary_term"].as_u64());
        body.is_object().then(|| Present { body: body.clone(), sequence })
    }

    /// Whether it says that it is ours.
    pub fn is_ours(self, wanted: &Value, found: &Value) -> bool {
        let starts_so = || {
            let description = found["description"].as_str().unwrap_or_default();
            description.starts_with(&format!("managed by {MANAGED_BY}"))
        };
        match self {
            Self::ComponentTemplate | Self::IndexTemplate => {
                found["_meta"]["managed_by"] == MANAGED_BY
            }
            Self::Role | Self::User | Self::ApiKey => found["metadata"]["managed_by"] == MANAGED_BY,
            Self::OpenUser => found["attributes"]["managed_by"] == MANAGED_BY,
            Self::Policy | Self::OpenRole => starts_so(),
            // The stream is ours by its name.
            Self::StreamLifecycle | Self::Stream => true,
            Self::PolicyOfStream => found == wanted,
        }
    }

    /// Whether something at this path that is found and not wanted makes a difference. Elsewhere it
    /// is what servers add.
    pub fn is_exact(self, path: &str) -> bool {
        match self {
            Self::ComponentTemplate | Self::IndexTemplate => path.starts_with("template."),
            Self::StreamLifecycle => path == "data_retention",
            _ => false,
        }
    }

    /// Whether parts of what is wanted cannot be seen on the server.
    pub fn is_hidden(self, path: &str) -> bool {
        // A key is never changed, only made; older servers do not show what it may do.
        self == Self::ApiKey && !path.starts_with("metadata.")
    }
}

/// The policy of a stream's indices: with several, or some without, it is none or another's.
fn policy_of_stream(answer: &Value) -> Option<Present> {
    const KEY: &str = "index.plugins.index_state_management.policy_id";
    let indices = answer.as_object()?.values().filter(|value| value.is_object());
    let mut policies: Vec<_> = indices.map(|index| index[KEY].as_str()).collect();
    policies.sort_unstable();
    policies.dedup();
    match policies.as_slice() {
        [] | [None, ..] => None,
        [Some(first), ..] => Some(Present { body: json!({ "policy_id": first }), sequence: None }),
    }
}

/// One thing that lbproxy wants on a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Artefact {
    /// What it is good for.
    pub kind: Kind,
    /// Where it lives.
    pub api: Api,
    /// Its name.
    pub name: String,
    /// What it is to be.
    pub body: Value,
    /// What it is to be where the server refuses `body`.
    pub instead: Option<Value>,
    /// The dataset it serves; none when it serves all.
    pub dataset: Option<Dataset>,
    /// What makes an update reach the streams that are there already.
    pub after_update: Vec<Request>,
}

impl Artefact {
    /// One that serves a dataset, or all.
    fn new(
        kind: Kind,
        api: Api,
        name: impl Into<String>,
        body: Value,
        dataset: Option<Dataset>,
    ) -> Self {
        let (name, after_update) = (name.into(), Vec::new());
        Self { kind, api, name, body, instead: None, dataset, after_update }
    }

    /// Asks for it.
    pub fn get(&self) -> Request {
        Request::new("GET", self.api.path(&self.name))
    }

    /// Makes or changes it; `body` is what it is to be.
    pub fn put(&self, body: Value, sequence: Option<(u64, u64)>) -> Request {
        let path = self.api.path(&self.name);
        match self.api {
            Api::Policy => {
                let query = sequence.map_or(String::new(), |(number, term)| {
                    format!("?if_seq_no={number}&if_primary_term={term}")
                });
                Request::new("PUT", path + &query).with(json!({ "policy": body }))
            }
            Api::PolicyOfStream => {
                Request::new("POST", format!("/_plugins/_ism/add/{}", self.name)).with(body)
            }
            Api::ApiKey => Request::new("POST", "/_security/api_key").with(body),
            // Its template says what it is.
            Api::Stream => Request::new("PUT", path),
            _ => Request::new("PUT", path).with(body),
        }
    }

    /// Deletes it; `None` for what ends with its stream.
    pub fn delete(&self) -> Option<Request> {
        match self.api {
            Api::StreamLifecycle | Api::PolicyOfStream => None,
            Api::ApiKey => {
                let request = Request::new("DELETE", "/_security/api_key");
                Some(request.with(json!({ "name": self.name })))
            }
            _ => Some(Request::new("DELETE", self.api.path(&self.name))),
        }
    }

    /// Whether a password or key comes into being with it.
    pub const fn is_secret(&self) -> bool {
        matches!(self.api, Api::User | Api::OpenUser | Api::ApiKey)
    }
}

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// How long documents are kept.
    pub retention: &'a Retention,
    /// Credentials for shipping.
    pub credentials: &'a [Credentials],
    /// Their rights.
    pub rights: Rights,
    /// Streams that are there already.
    pub streams: &'a [String],
    /// Datasets that have a component template of an operator's own on an OpenSearch.
    pub custom: &'a [Dataset],
}

/// Everything that lbproxy wants on `server`, in the order in which it is installed.
pub fn wanted(server: &Server, settings: Settings<'_>) -> Vec<Artefact> {
    let (product, retention) = (server.product, settings.retention);
    let component = Api::ComponentTemplate;
    let shared = templates::settings(server.features());
    let mut all =
        vec![Artefact::new(Kind::Templates, component, templates::SETTINGS, shared, None)];
    let mut of_streams = Vec::new();
    for dataset in Dataset::ALL {
        let keep = retention::of(retention, dataset);
        let own: Vec<_> = streams_of(dataset, settings.streams).collect();
        let mut add = |api, name: String, body: Option<Value>| {
            let Some(body) = body else { return };
            let artefact = Artefact::new(Kind::Retention, api, name, body, Some(dataset));
            match api {
                Api::StreamLifecycle | Api::PolicyOfStream => of_streams.push(artefact),
                _ => all.push(artefact),
            }
        };
        match product {
            Product::Elasticsearch => {
                let name = retention::component_name(dataset);
                add(component, name, retention::component(dataset, keep));
                for stream in &own {
                    let body = retention::stream_lifecycle(keep);
                    add(Api::StreamLifecycle, (*stream).to_owned(), body);
                }
            }
            Product::OpenSearch => {
                let name = retention::policy_name(dataset);
                let policy = retention::policy(dataset, keep);
                let attached = policy.is_some().then(|| json!({ "policy_id": name }));
                add(Api::Policy, name, policy);
                for stream in &own {
                    add(Api::PolicyOfStream, (*stream).to_owned(), attached.clone());
                }
            }
        }
        if let Some(policy) = all.last_mut().filter(|last| last.api == Api::Policy)
            && !own.is_empty()
        {
            // Indices keep the policy as it was when they met it.
            let path = format!("/_plugins/_ism/change_policy/{}-*", dataset.name());
            let request = Request::new("POST", path).with(json!({ "policy_id": policy.name }));
            policy.after_update.push(request);
        }
    }
    all.extend(Dataset::ALL.map(|dataset| index_template(product, dataset, settings)));
    all.extend(of_streams);
    let access = settings.credentials.iter();
    all.extend(access.flat_map(|&kind| credentials(server, kind, settings.rights)));
    all
}

/// Streams, to be made or deleted.
pub fn streams(names: &[String]) -> Vec<Artefact> {
    let stream = |dataset: Dataset, name: &str| {
        Artefact::new(Kind::Templates, Api::Stream, name, json!({}), Some(dataset))
    };
    let own = |dataset| streams_of(dataset, names).map(move |name| stream(dataset, name));
    Dataset::ALL.into_iter().flat_map(own).collect()
}

/// The index template of a dataset.
fn index_template(product: Product, dataset: Dataset, settings: Settings<'_>) -> Artefact {
    let body = |types| templates::index_template(product, dataset, types);
    let (api, name) = (Api::IndexTemplate, templates::template_name(dataset));
    let mut usual = body(Types::Usual);
    if settings.custom.contains(&dataset) {
        templates::compose_custom(&mut usual, dataset);
    }
    let mut template = Artefact::new(Kind::Templates, api, name, usual, Some(dataset));
    if templates::needs_usual_types(product, dataset) {
        template.instead = Some(body(Types::Smallest));
    }
    // An index keeps its mapping; the next one has the new one.
    let rollover = |stream| Request::new("POST", format!("/{stream}/_rollover"));
    template.after_update = streams_of(dataset, settings.streams).map(rollover).collect();
    template
}

/// A user with a role.
pub fn user(product: Product, name: &str, role: &str) -> Artefact {
    let api = match product {
        Product::Elasticsearch => Api::User,
        Product::OpenSearch => Api::OpenUser,
    };
    Artefact::new(Kind::Access, api, name, access::user(product, role), None)
}

/// Where a server says who asks, and the key of the name in its answer.
pub const fn who_am_i(product: Product) -> (&'static str, &'static str) {
    match product {
        Product::Elasticsearch => ("/_security/_authenticate", "username"),
        Product::OpenSearch => ("/_plugins/_security/authinfo", "user_name"),
    }
}

/// Role, and user or key.
fn credentials(server: &Server, kind: Credentials, rights: Rights) -> Vec<Artefact> {
    let (product, features) = (server.product, server.features());
    let new = |api, name: &str, body| Artefact::new(Kind::Access, api, name, body, None);
    let role = match product {
        Product::Elasticsearch => Api::Role,
        Product::OpenSearch => Api::OpenRole,
    };
    match kind {
        Credentials::ApiKey if product == Product::OpenSearch => Vec::new(),
        Credentials::ApiKey => {
            vec![new(Api::ApiKey, access::API_KEY, access::api_key(rights, features))]
        }
        Credentials::User => vec![
            new(role, access::ROLE, access::role(product, rights, features)),
            user(product, access::USER, access::ROLE),
            new(role, access::WATCH_ROLE, access::watch_role(product)),
        ],
        Credentials::Watch => vec![user(product, access::WATCH_USER, access::WATCH_ROLE)],
    }
}

/// The streams that are for documents of a dataset.
pub fn streams_of(dataset: Dataset, streams: &[String]) -> impl Iterator<Item = &str> {
    let start = format!("{}-", dataset.name());
    streams.iter().map(String::as_str).filter(move |stream| stream.starts_with(&start))
}
