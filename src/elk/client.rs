//! One request to one of the nodes, with our own bodies.
//!
//! Plain `application/json` and `application/x-ndjson`, so that OpenSearch takes it too. Secrets are
//! read at each request, so that they can be rotated, and stand in no reason and no log, also where the
//! server quotes them.
//! Not here: connections and the bound of answers (`wire`), what an answer means (`problem`,
//! `ship::answer`), when to try again (`ship`).

mod wire;

use std::cell::Cell;
use std::io::Write as _;

use bytes::Bytes;
use elasticsearch::http::Method;
use elasticsearch::http::headers::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use url::Url;

use super::problem::{Fault, Problem, problem};
use crate::config::{Auth, Compression, Elasticsearch};
use crate::web::{self, Secrets};
use wire::{Wire, lost, read_body};

/// Why the client cannot be made: certificates.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.elasticsearch.{key}: {problem}; {cure}")]
pub struct ClientError {
    /// The key at fault, below `telemetry.elasticsearch`.
    pub key: &'static str,
    /// What is wrong.
    pub problem: String,
    /// How to mend it.
    pub cure: String,
}

/// Whether a client can be made of a configuration; connects to nothing.
///
/// # Errors
/// The first key that cannot be used, and its cure.
pub fn check(config: &Elasticsearch) -> Result<(), ClientError> {
    Client::new(config).map(drop)
}

/// An answer that can be used.
#[derive(Debug)]
pub(crate) struct Reply {
    /// 2xx or 404.
    pub(crate) status: u16,
    /// Whether it calls itself Elasticsearch.
    pub(crate) is_elastic: bool,
    pub(crate) body: Vec<u8>,
    /// What words of the body must not repeat.
    pub(crate) secrets: Secrets,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Call<'a> {
    /// `X-Opaque-Id`, by which a request can be found in `_tasks`; may be empty.
    pub(crate) opaque_id: &'a str,
    /// Its body; none when empty.
    pub(crate) body: Bytes,
    /// Media type of the body; JSON when empty.
    pub(crate) content: &'a str,
    /// Further fields, names in lower case.
    pub(crate) fields: &'a [(&'static str, &'a str)],
}

#[derive(Debug)]
struct Node {
    /// Its address, without credentials.
    url: Url,
    wire: Wire,
    /// Whether bodies are compressed on the way to it.
    compress: bool,
}

/// The nodes, one of which is in use.
#[derive(Debug)]
pub(crate) struct Client {
    /// At least one.
    nodes: Vec<Node>,
    /// The one in use.
    current: Cell<usize>,
    auth: Auth,
}

impl Client {
    /// Prepares all nodes; connects to none.
    pub(crate) fn new(config: &Elasticsearch) -> Result<Self, ClientError> {
        let nodes = config
            .urls
            .iter()
            .map(|url| {
                let compress = match config.compression {
                    Compression::Gzip => true,
                    Compression::None => false,
                    Compression::Auto => !is_loopback(url),
                };
                Ok(Node { url: url.clone(), wire: Wire::new(config, url)?, compress })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { nodes, current: Cell::new(0), auth: config.auth.clone() })
    }

    /// Address of the node in use.
    pub(crate) fn url(&self) -> &str {
        self.url_of(self.node())
    }

    /// Number of the node in use.
    pub(crate) fn node(&self) -> usize {
        self.current.get()
    }

    pub(crate) fn url_of(&self, node: usize) -> &str {
        self.nodes.get(node).map_or("", |node| node.url.as_str())
    }

    /// Turns to the next node, unless there is none, or somebody has turned from this one already.
    /// Says whether it has.
    pub(crate) fn turn(&self, from: usize) -> bool {
        let may_turn = self.nodes.len() > 1 && from == self.node();
        if may_turn {
            self.current.set((from + 1) % self.nodes.len());
        }
        may_turn
    }

    /// Sends a request to the node in use.
    ///
    /// # Errors
    /// A [`Problem`]: no connection, no whole answer in time, or an answer other than 2xx and 404; a
    /// redirect is not followed.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        call: Call<'_>,
    ) -> Result<Reply, Problem> {
        let Some(node) = self.nodes.get(self.current.get()) else {
            return Err(Problem::new(Fault::Refused, "no node is configured"));
        };
        let mut headers = self.headers(&call)?;
        let secrets = Secrets::of(&headers);
        let body = if node.compress && !call.body.is_empty() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            compress(&call.body)?
        } else {
            call.body
        };
        let mut request = node.wire.request(method, path)?.headers(headers);
        if !body.is_empty() {
            request = request.body(body);
        }
        let answer = request.send().await.map_err(|error| lost(&error))?;
        if let Some(redirect) = web::redirect(&answer) {
            let cure = "name the address that answers itself in telemetry.elasticsearch";
            let status = answer.status().as_u16();
            return Err(Problem { status, cure, ..Problem::new(Fault::Refused, redirect) });
        }
        let status = answer.status().as_u16();
        let is_elastic = answer.headers().contains_key("x-elastic-product");
        let body = read_body(answer).await?;
        match problem(status, &body, &secrets) {
            Some(problem) => Err(problem),
            None => Ok(Reply { status, is_elastic, body, secrets }),
        }
    }

    /// The fields of a request.
    fn headers(&self, call: &Call<'_>) -> Result<HeaderMap, Problem> {
        let mut headers = HeaderMap::new();
        let content = if call.content.is_empty() { "application/json" } else { call.content };
        for (name, value) in [(CONTENT_TYPE.as_str(), content)].iter().chain(call.fields) {
            let value = HeaderValue::from_str(value).map_err(|_| {
                Problem::new(Fault::Refused, format!("HTTP cannot carry this {name}"))
            })?;
            headers.insert(HeaderName::from_static(name), value);
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(call.opaque_id)
            && !id.is_empty()
        {
            headers.insert(HeaderName::from_static("x-opaque-id"), id);
        }
        if let Some(value) = authorization(&self.auth)? {
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }
}

/// `Authorization`, from secrets as they are now.
fn authorization(auth: &Auth) -> Result<Option<HeaderValue>, Problem> {
    let text = auth.authorization(|_, secret| {
        secret.reveal().map_err(|error| {
            let reason = format!("a secret of telemetry.elasticsearch cannot be read: {error}");
            Problem::new(Fault::Unauthorized, reason)
        })
    })?;
    let Some(text) = text else { return Ok(None) };
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        let reason = "a secret of telemetry.elasticsearch holds characters that HTTP cannot carry";
        Problem::new(Fault::Unauthorized, reason)
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// Whether a node is on this machine, so that compressing costs more than it saves.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// gzip, level 1.
///
/// # Errors
/// None in practice: it writes to memory.
fn compress(body: &[u8]) -> Result<Bytes, Problem> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Level::fast());
    encoder
        .write_all(body)
        .and_then(|()| encoder.finish())
        .map(Bytes::from)
        .map_err(|error| Problem::new(Fault::Refused, format!("gzip: {error}")))
}

#[cfg(test)]
mod tests;
