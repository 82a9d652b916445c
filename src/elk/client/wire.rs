//! Below the client: the connections to one node, and answers read up to a bound.
//!
//! The transport of the `elasticsearch` crate gives out an answer whole or not at all
//! (elasticsearch-rs#246), so that nothing could stop one without an end. So requests go through the
//! `reqwest` below it, which unpacks answers: what is counted is what is kept in memory.
//! Not here: what is asked (`client`), what an answer means (`problem`).

use elasticsearch::http::Method;
use reqwest::{Identity, Proxy, RequestBuilder, Response};
use url::Url;

use super::super::problem::{Fault, Problem};
use super::ClientError;
use crate::config::Elasticsearch;
use crate::config::certificates::{self, Unusable};
use crate::web;

/// Largest answer that is read, in bytes, unpacked. A bulk of 100 000 refusals stays below.
pub(super) const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The connections to one node.
#[derive(Debug)]
pub(super) struct Wire {
    /// What paths stand below; ends with a slash.
    base: Url,
    http: reqwest::Client,
}

impl Wire {
    /// To a node of a configuration; connects to nothing.
    pub(super) fn new(config: &Elasticsearch, url: &Url) -> Result<Self, ClientError> {
        let mut base = url.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let mut builder = web::client().timeout(config.timeout);
        if let Some(proxy) = config.proxy.as_ref().and_then(|proxy| proxy.reveal().ok()) {
            builder = builder.proxy(Proxy::all(proxy).map_err(|error| ClientError {
                key: "proxy",
                problem: error.to_string(),
                cure: "name a URL".to_owned(),
            })?);
        }
        let tls = &config.tls;
        if !tls.verify {
            builder = builder.danger_accept_invalid_certs(true);
        } else if let Some(path) = &tls.ca_file {
            let roots =
                certificates::roots(path).map_err(|error| unusable("tls.ca_file", error))?;
            builder = web::trusting(builder, &roots.certificates).map_err(|error| unfit(&error))?;
        }
        if let Some(cert) = &tls.cert_file {
            let pem = certificates::identity_pem(cert, tls.key_file.as_deref())
                .map_err(|error| unusable("tls.cert_file", error))?;
            builder = builder.identity(Identity::from_pem(&pem).map_err(|error| unfit(&error))?);
        }
        let http = builder.build().map_err(|error| unfit(&error))?;
        Ok(Self { base, http })
    }

    /// A request for what is at `path`.
    pub(super) fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Problem> {
        let method = match method {
            Method::Get => reqwest::Method::GET,
            Method::Put => reqwest::Method::PUT,
            Method::Post => reqwest::Method::POST,
            Method::Delete => reqwest::Method::DELETE,
            Method::Head => reqwest::Method::HEAD,
        };
        // With the dot, what stands before a colon is no scheme.
        let url = self.base.join(&format!("./{}", path.trim_start_matches('/')));
        let url = url.map_err(|error| {
            Problem::new(Fault::Refused, format!("HTTP cannot ask for {path}: {error}"))
        })?;
        Ok(self.http.request(method, url))
    }
}

/// The body of an answer, unpacked.
///
/// # Errors
/// [`Fault::Unknown`]: it breaks off, or is longer than [`ANSWER_BYTES_MAX`].
pub(super) async fn read_body(mut answer: Response) -> Result<Vec<u8>, Problem> {
    check_length(answer.content_length().unwrap_or(0))?;
    let mut body = Vec::new();
    // An answer with 2xx and half a body is no answer.
    let broken_off = |error| Problem { fault: Fault::Unknown, ..lost(&error) };
    while let Some(part) = answer.chunk().await.map_err(broken_off)? {
        check_length((body.len() + part.len()) as u64)?;
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// Whether so much is read of an answer.
fn check_length(bytes: u64) -> Result<(), Problem> {
    if bytes <= ANSWER_BYTES_MAX as u64 {
        return Ok(());
    }
    let most = ANSWER_BYTES_MAX >> 20;
    let reason = format!(
        "the answer is longer than {most} MiB; look at what answers at this address: lbproxy asks \
         for nothing of that size"
    );
    Err(Problem::new(Fault::Unknown, reason))
}

/// A request without an answer.
pub(super) fn lost(error: &reqwest::Error) -> Problem {
    let fault = if error.is_connect() { Fault::NotSent } else { Fault::Unknown };
    let mut innermost: &dyn std::error::Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let reason =
        if error.is_timeout() { "no answer in time".to_owned() } else { innermost.to_string() };
    let cure = tls_cure(&reason);
    Problem { cure, ..Problem::new(fault, reason) }
}

/// What a person can do about a handshake that failed, by the words of rustls; nothing for another fault.
fn tls_cure(reason: &str) -> &'static str {
    if reason.contains("InvalidContentType") {
        "this port does not speak TLS: write http://, or name the one that does"
    } else if reason.contains("invalid peer certificate") {
        "name its authority in telemetry.elasticsearch.tls.ca_file, and a host that the certificate is for"
    } else {
        ""
    }
}

/// A file that cannot be used.
fn unusable(key: &'static str, Unusable { file, problem, cure }: Unusable) -> ClientError {
    ClientError { key, problem: format!("{} {problem}", file.display()), cure }
}

/// Certificates that the client does not take, for whatever reason.
fn unfit(error: &reqwest::Error) -> ClientError {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let cure = "check ca_file, cert_file and key_file".to_owned();
    ClientError { key: "tls", problem: innermost.to_string(), cure }
}
