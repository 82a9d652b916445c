//! Who may ask: the token, and no page of another site.
//!
//! A browser that visits a hostile page can be made to send requests here. Such a page learns nothing
//! (no CORS), its own requests are told by `Origin` and `Sec-Fetch-Site`, and a name of its own that it
//! points at this address (DNS rebinding) is told by `Host`: without a token only addresses and
//! `localhost` are answered. Health and readiness are open: they say nothing that a connection does
//! not. Not here: TLS.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Sources;

/// How a browser says whose page sent a request.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// And what for.
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Lets through what has the token, if there is one, and comes from no other site.
pub(super) async fn data(
    State(sources): State<Arc<Sources>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(refusal) = foreign(request.headers(), sources.token.is_some()) {
        return refusal;
    }
    match refuse_token(&sources, request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// Lets through the page itself, which holds no figures: with a token it is what asks for it.
pub(super) async fn shell(
    State(sources): State<Arc<Sources>>,
    request: Request,
    next: Next,
) -> Response {
    match foreign(request.headers(), sources.token.is_some()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// Refuses what lacks the token.
fn refuse_token(sources: &Sources, headers: &HeaderMap) -> Option<Response> {
    let token = sources.token.as_ref()?;
    let given = text(headers, &header::AUTHORIZATION).and_then(|v| v.strip_prefix("Bearer "));
    match (token.reveal(), given) {
        (Ok(want), Some(given)) if is_same(want.as_bytes(), given.as_bytes()) => None,
        (Ok(_), _) => {
            let fields = [(header::WWW_AUTHENTICATE, "Bearer")];
            let refusal = (StatusCode::UNAUTHORIZED, fields, "send the token of admin.token\n");
            Some(refusal.into_response())
        }
        (Err(_), _) => {
            let refusal = (StatusCode::SERVICE_UNAVAILABLE, "admin.token_file cannot be read\n");
            Some(refusal.into_response())
        }
    }
}

/// Compares in a time that does not tell where they differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (x, y)| all | (x ^ y)) == 0
}

/// Refuses what a page of another site sent.
fn foreign(headers: &HeaderMap, has_token: bool) -> Option<Response> {
    let refuse = |text: &'static str| Some((StatusCode::FORBIDDEN, text).into_response());
    let host = text(headers, &header::HOST);
    if let Some(host) = host
        && !has_token
        && !is_literal(host)
    {
        return refuse(
            "ask by address or as localhost; another name would let any web page read this \
             (or set admin.token_file)\n",
        );
    }
    let origin = headers.contains_key(header::ORIGIN);
    let is_own = || {
        let origin = text(headers, &header::ORIGIN)?;
        let origin = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))?;
        Some(origin.eq_ignore_ascii_case(host?))
    };
    if origin && is_own() != Some(true) {
        return refuse("this request comes from a page of another site\n");
    }
    let site = text(headers, &SEC_FETCH_SITE);
    let is_other = matches!(site, Some("cross-site" | "same-site"));
    if is_other && text(headers, &SEC_FETCH_MODE) != Some("navigate") {
        return refuse("this request comes from a page of another site\n");
    }
    None
}

/// A header as text; `None` also for one that is none.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a `Host` cannot be a name of somebody else: an address, or `localhost`.
fn is_literal(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: no page of another site is answered, every tool is. Method: a row per kind of asker.
    #[test]
    fn other_sites_are_refused_and_tools_are_not() {
        let own = "127.0.0.1:9901";
        for (name, fields, has_token, want) in [
            ("curl", &[("host", own)][..], false, true),
            ("HTTP/1.0 without a host", &[], false, true),
            ("localhost", &[("host", "localhost:9901")], false, true),
            ("IPv6", &[("host", "[::1]:9901")], false, true),
            ("a name", &[("host", "evil.example:9901")], false, false),
            ("an address within a name", &[("host", "127.0.0.1.evil.example")], false, false),
            ("a name, with a token", &[("host", "lb.internal:9901")], true, true),
            ("our page", &[("host", own), ("origin", "http://127.0.0.1:9901")], false, true),
            ("through TLS", &[("host", "lb"), ("origin", "https://lb")], true, true),
            ("their page", &[("host", own), ("origin", "http://evil.example")], false, false),
            ("another port", &[("host", own), ("origin", "http://127.0.0.1:80")], false, false),
            ("a sandboxed frame", &[("host", own), ("origin", "null")], false, false),
            ("their script", &[("host", own), ("sec-fetch-site", "cross-site")], false, false),
            (
                "a link",
                &[("host", own), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
                false,
                true,
            ),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(HeaderName::from_static(name), value.parse().unwrap());
            }
            assert_eq!(foreign(&headers, has_token).is_none(), want, "{name}");
        }
    }
}
