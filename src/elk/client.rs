//! One request to one of the nodes: the `elasticsearch` crate's transport with our own bodies.
//!
//! Plain `application/json` and `application/x-ndjson`, so that OpenSearch takes it too. Secrets are
//! read at each request, so that they can be rotated, and stand in no reason and no log.
//! Not here: what an answer means (`problem`, `ship::answer`), when to try again (`ship`).

use std::cell::Cell;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use elasticsearch::auth::{ClientCertificate, Credentials};
use elasticsearch::cert::{Certificate, CertificateValidation};
use elasticsearch::http::Method;
use elasticsearch::http::headers::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use url::Url;

use super::problem::{Fault, Problem, problem};
use crate::config::{Auth, Compression, Elasticsearch, Secret};

/// Largest answer that is read. A bulk of 100 000 refusals stays below.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Why the client cannot be made: certificates.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.elasticsearch.{key}: {problem}")]
pub struct ClientError {
    /// The key at fault.
    key: String,
    /// What is wrong, and how to mend it.
    problem: String,
}

/// An answer that can be used.
#[derive(Debug)]
pub(crate) struct Reply {
    /// 2xx or 404.
    pub(crate) status: u16,
    /// Whether it calls itself Elasticsearch.
    pub(crate) is_elastic: bool,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

/// What is sent.
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

/// A node.
#[derive(Debug)]
struct Node {
    /// Its address, without credentials.
    url: Url,
    /// Its connections.
    transport: Transport,
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
    /// Credentials.
    auth: Auth,
    /// Limit of one request.
    timeout: Duration,
}

impl Client {
    /// Prepares all nodes; connects to none.
    ///
    /// # Errors
    /// A certificate that cannot be read or used.
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
                Ok(Node { url: url.clone(), transport: transport(config, url)?, compress })
            })
            .collect::<Result<_, _>>()?;
        let (auth, timeout) = (config.auth.clone(), config.timeout);
        Ok(Self { nodes, current: Cell::new(0), auth, timeout })
    }

    /// Address of the node in use.
    pub(crate) fn url(&self) -> &str {
        self.nodes.get(self.current.get()).map_or("", |node| node.url.as_str())
    }

    /// Turns to the next node.
    pub(crate) fn turn(&self) {
        self.current.set((self.current.get() + 1) % self.nodes.len().max(1));
    }

    /// Sends a request to the node in use.
    ///
    /// # Errors
    /// A [`Problem`]: no connection, no whole answer in time, or an answer other than 2xx and 404.
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
        let body = if node.compress && !call.body.is_empty() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            compress(&call.body)?
        } else {
            call.body
        };
        let body = (!body.is_empty()).then_some(body);
        let sent = node
            .transport
            .send(method, path, headers, None::<&()>, body, Some(self.timeout))
            .await
            .map_err(|error| lost(&error))?;
        let status = sent.status_code().as_u16();
        let is_elastic = sent.headers().get("x-elastic-product").is_some();
        let too_long = sent.content_length().is_some_and(|n| n > ANSWER_BYTES_MAX as u64);
        if too_long {
            return Err(Problem::new(Fault::Unknown, "the answer is larger than 64 MiB"));
        }
        // An answer with 2xx and half a body is no answer.
        let body = sent.bytes().await.map_err(|error| {
            let mut problem = lost(&error);
            problem.fault = Fault::Unknown;
            problem
        })?;
        match problem(status, &body) {
            Some(problem) => Err(problem),
            None => Ok(Reply { status, is_elastic, body: body.to_vec() }),
        }
    }

    /// The fields of a request.
    ///
    /// # Errors
    /// When a secret cannot be read or sent.
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
///
/// # Errors
/// When a secret cannot be read or sent.
fn authorization(auth: &Auth) -> Result<Option<HeaderValue>, Problem> {
    let reveal = |secret: &Secret| {
        secret.reveal().map_err(|error| {
            let reason = format!("a secret of telemetry.elasticsearch cannot be read: {error}");
            Problem::new(Fault::Unauthorized, reason)
        })
    };
    let text = match auth {
        Auth::None => return Ok(None),
        Auth::Basic { username, password } => {
            let pair = format!("{username}:{}", reveal(password)?);
            format!("Basic {}", base64(pair.as_bytes()))
        }
        Auth::ApiKey(key) => format!("ApiKey {}", reveal(key)?),
        Auth::Bearer(token) => format!("Bearer {}", reveal(token)?),
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        let reason = "a secret of telemetry.elasticsearch holds characters that HTTP cannot carry";
        Problem::new(Fault::Unauthorized, reason)
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// Base64 with padding (RFC 4648 §4).
fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
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

/// A request without an answer.
fn lost(error: &elasticsearch::Error) -> Problem {
    let mut fault = Fault::Unknown;
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut innermost = String::new();
    while let Some(cause) = source {
        if cause.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect) {
            fault = Fault::NotSent;
        }
        innermost = cause.to_string();
        source = cause.source();
    }
    let reason = if error.is_timeout() { "no answer in time".to_owned() } else { innermost };
    Problem::new(fault, reason)
}

/// The connections to one node.
///
/// # Errors
/// A certificate that cannot be read or used.
fn transport(config: &Elasticsearch, url: &Url) -> Result<Transport, ClientError> {
    let mut builder =
        TransportBuilder::new(SingleNodeConnectionPool::new(url.clone())).timeout(config.timeout);
    builder = match &config.proxy {
        Some(proxy) => builder.proxy(proxy.clone(), None, None),
        None => builder.disable_proxy(),
    };
    let tls = &config.tls;
    if !tls.verify {
        builder = builder.cert_validation(CertificateValidation::None);
    } else if let Some(path) = &tls.ca_file {
        let ca =
            Certificate::from_pem(&read(path, "tls.ca_file")?).map_err(|error| ClientError {
                key: "tls.ca_file".into(),
                problem: format!("{}: {error}; name a PEM file with certificates", path.display()),
            })?;
        builder = builder.cert_validation(CertificateValidation::Full(ca));
    }
    if let Some(cert) = &tls.cert_file {
        let mut pem = read(cert, "tls.cert_file")?;
        if let Some(key) = &tls.key_file {
            pem.push(b'\n');
            pem.extend_from_slice(&read(key, "tls.key_file")?);
        }
        builder = builder.auth(Credentials::Certificate(ClientCertificate::Pem(pem)));
    }
    builder.build().map_err(|error| ClientError {
        key: "tls".into(),
        problem: format!("{error}; check ca_file, cert_file and key_file"),
    })
}

/// A file that the configuration names.
///
/// # Errors
/// When it cannot be read.
fn read(path: &Path, key: &str) -> Result<Vec<u8>, ClientError> {
    std::fs::read(path).map_err(|error| ClientError {
        key: key.into(),
        problem: format!("{} cannot be read: {error}", path.display()),
    })
}
