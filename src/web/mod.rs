//! HTTP clients that are not the data plane's: one way to make them, what a redirect means, how long to
//! wait after a failure, and how no secret comes back in words.
//!
//! Invariants: no redirect is followed, so that records, secrets and figures reach the host that the
//! configuration names and no other; proxies of the environment are not asked; names are looked up by
//! `names`. `clippy.toml` forbids every other way to a client. Not here: what is asked, and what an answer means otherwise.

mod secrets;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, Response};

pub use secrets::Secrets;

use crate::names::{self, NameKind};

/// `User-Agent` of every request of our own.
pub const AGENT: &str = concat!("lbproxy/", env!("CARGO_PKG_VERSION"));

/// The only place where clients begin. A proxy, time limits and TLS may be added.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn client() -> ClientBuilder {
    let builder = reqwest::Client::builder().redirect(Policy::none()).no_proxy().user_agent(AGENT);
    builder.dns_resolver(Arc::new(ReqwestNames))
}

/// Names looked up as everywhere in this process.
struct ReqwestNames;

impl Resolve for ReqwestNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Addresses to connect to, without a port.
///
/// # Errors
/// When there are none, or nobody can tell.
pub async fn addresses(name: &str) -> Result<Vec<SocketAddr>, names::LookupFailure> {
    let found = names::look_up(name, NameKind::Connect).await?;
    Ok(found.addresses.iter().map(|address| SocketAddr::new(address.ip, 0)).collect())
}

/// Makes a client trust these authorities, in DER, and no others.
///
/// # Errors
/// One of them is no certificate.
pub fn trusting(
    builder: ClientBuilder,
    roots: &[impl AsRef<[u8]>],
) -> reqwest::Result<ClientBuilder> {
    let mut builder = builder.tls_built_in_root_certs(false);
    for root in roots {
        builder = builder.add_root_certificate(Certificate::from_der(root.as_ref())?);
    }
    Ok(builder)
}

/// What a redirect says, in words; `None` when the answer is none. Names the host alone: path and
/// query of a location may hold what is nobody's business.
pub fn redirect(answer: &Response) -> Option<String> {
    let status = answer.status();
    if !status.is_redirection() {
        return None;
    }
    let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let host = location.and_then(|text| {
        let url = answer.url().join(text).ok()?;
        let host = url.host_str()?;
        Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    });
    let place = host.unwrap_or_else(|| "nowhere".to_owned());
    Some(format!("{} redirects to {place}, and no redirect is followed", status.as_u16()))
}

/// The wait that `Retry-After` asks for: seconds, or a date (RFC 9110, 10.2.3).
pub fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text.trim()).ok()?.duration_since(now).ok(),
    }
}

/// The wait after so many failures in a row: from the first to the longest, doubled by each, with jitter, so
/// that several lbproxies do not come back at once.
pub fn backoff((first, most): (Duration, Duration), failures: u32) -> Duration {
    first.saturating_mul(1 << failures.min(10)).min(most).mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// An error with its causes. May hold what a server said.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        source = cause.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_names_the_host_and_nothing_else_of_its_location() {
        let answer = |status: u16, location: Option<&str>| {
            let mut answer = http::Response::builder().status(status);
            if let Some(location) = location {
                answer = answer.header("location", location);
            }
            redirect(&Response::from(answer.body("").unwrap()))
        };
        for (name, status, location, want) in [
            (
                "elsewhere",
                307,
                Some("https://u:secret@h:1/p?key=secret#x"),
                Some("307 redirects to h:1,"),
            ),
            (
                "usual port",
                301,
                Some("https://example.com/"),
                Some("301 redirects to example.com,"),
            ),
            ("no location", 302, None, Some("302 redirects to nowhere,")),
            ("no URL", 308, Some("http://[secret"), Some("308 redirects to nowhere,")),
            ("well", 200, Some("http://h/"), None),
            ("not there", 404, None, None),
        ] {
            let got = answer(status, location);
            assert_eq!(got.is_some(), want.is_some(), "{name}: {got:?}");
            let text = got.unwrap_or_default();
            assert!(text.starts_with(want.unwrap_or_default()), "{name}: {text}");
            assert!(!text.contains("secret"), "{name}: {text}");
        }
    }
}
