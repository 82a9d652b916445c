//! Who may ask: the token, and no page of another site.
//!
//! A browser that visits a hostile page can be made to send requests here. Such a page learns nothing
//! (no CORS), its own requests are told by `Origin` and `Sec-Fetch-Site`, and a name of its own that it
//! points at this address (DNS rebinding) is told by `Host`: without a token only addresses and
//! `localhost` are answered. Health and readiness are open: they say nothing that a connection does
//! not. Not here: TLS.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use http_body::Body as _;

use super::host::{self, Authority};
use crate::config::Secret;

/// Largest body that is let through; none is read.
const BODY_BYTES_MAX: u64 = 64 * 1024;

/// The token to ask for, if there is one.
pub(super) type Token = Arc<Option<Secret>>;

/// How a browser says whose page sent a request.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// And what for.
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Whom a request asks for; `None` when it does not say.
#[derive(Debug, Clone)]
struct Asked(Option<Authority>);

/// Lets through what is a whole request for this listener, and not too long: before anything else.
pub(super) async fn request(mut request: Request, next: Next) -> Response {
    let refuse = |status: StatusCode, text: String| (status, text).into_response();
    match host::asked(request.version(), request.uri(), request.headers()) {
        Ok(asked) => request.extensions_mut().insert(Asked(asked)),
        Err(problem) => {
            let text = format!("the Host of this request cannot be used: {problem}\n");
            return refuse(StatusCode::BAD_REQUEST, text);
        }
    };
    // Nothing here takes a body; one of unknown length is never read, and ends its connection.
    if request.body().size_hint().lower() > BODY_BYTES_MAX {
        let text = format!("this body is longer than {BODY_BYTES_MAX} bytes, and none is needed\n");
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, text);
    }
    next.run(request).await
}

/// Lets through what has the token, if there is one, and comes from no other site.
pub(super) async fn data(State(token): State<Token>, request: Request, next: Next) -> Response {
    if let Some(refusal) = foreign(&request, token.is_some()) {
        return refusal;
    }
    match refuse_token(token.as_ref().as_ref(), request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// Lets through the page itself, which holds no figures: with a token it is what asks for it.
pub(super) async fn shell(State(token): State<Token>, request: Request, next: Next) -> Response {
    match foreign(&request, token.is_some()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// Refuses what lacks the token.
fn refuse_token(token: Option<&Secret>, headers: &HeaderMap) -> Option<Response> {
    let token = token?;
    let given = text(headers, &header::AUTHORIZATION).and_then(bearer);
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

/// The token of an `Authorization` field; the name of the scheme is the same in any case (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

/// Compares in a time that does not tell where they differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (x, y)| all | (x ^ y)) == 0
}

/// Refuses what a page of another site sent. Only a link to here is nothing of the kind: it reads, and
/// who follows it sees the answer, not that page.
fn foreign(request: &Request, has_token: bool) -> Option<Response> {
    let refuse = |text: &'static str| Some((StatusCode::FORBIDDEN, text).into_response());
    let headers = request.headers();
    let asked = request.extensions().get::<Asked>().and_then(|Asked(asked)| asked.as_ref());
    if let Some(asked) = asked
        && !has_token
        && !asked.is_literal()
    {
        return refuse(
            "ask by address or as localhost; another name would let any web page read this \
             (or set admin.token_file)\n",
        );
    }
    let is_own = |origin: &HeaderValue| {
        let origin = origin.to_str().ok();
        origin.zip(asked).is_some_and(|(origin, asked)| host::is_same_origin(origin, asked))
    };
    let is_link = request.method().is_safe()
        && text(headers, &SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate");
    // A value that is not known counts as that of another site.
    let is_site = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
    let is_foreign = !headers.get_all(header::ORIGIN).iter().all(is_own)
        || !(headers.get_all(SEC_FETCH_SITE).iter().all(is_site) || is_link);
    if is_foreign {
        return refuse("this request comes from a page of another site\n");
    }
    None
}

/// A header as text; `None` also for one that is none.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use axum::http::Version;

    use super::*;

    #[test]
    fn the_scheme_of_a_token_may_be_in_any_case() {
        for (value, want) in [
            ("Bearer T", Some("T")),
            ("bearer T", Some("T")),
            ("BEARER  T", Some("T")),
            ("BearerT", None),
            ("Basic T", None),
            ("T", None),
        ] {
            assert_eq!(bearer(value), want, "{value}");
        }
    }

    /// Goal: no page of another site is answered, every tool is. Method: a row per kind of asker.
    #[test]
    fn other_sites_are_refused_and_tools_are_not() {
        let own = "127.0.0.1:9901";
        let both = &["GET", "POST"][..];
        let host = ("host", own);
        let (origin, theirs) =
            (("origin", "http://127.0.0.1:9901"), ("origin", "http://evil.example"));
        let (cross, navigate) = (("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"));
        for (name, methods, fields, has_token, want) in [
            ("curl", both, &[host][..], false, true),
            ("HTTP/1.0 without a host", both, &[], false, true),
            ("localhost", both, &[("host", "localhost:9901")], false, true),
            ("IPv6", both, &[("host", "[::1]:9901")], false, true),
            ("a name", both, &[("host", "evil.example:9901")], false, false),
            ("an address within a name", both, &[("host", "127.0.0.1.evil.example")], false, false),
            ("a name, with a token", both, &[("host", "lb.internal:9901")], true, true),
            ("our page", both, &[host, origin], false, true),
            ("through TLS", both, &[("host", "lb"), ("origin", "https://lb")], true, true),
            ("their page", both, &[host, theirs], false, false),
            ("another port", both, &[host, ("origin", "http://127.0.0.1:80")], false, false),
            ("a sandboxed frame", both, &[host, ("origin", "null")], false, false),
            ("their script", both, &[host, cross], false, false),
            ("a link", &["GET", "HEAD"][..], &[host, cross, navigate], false, true),
            (
                "a form of theirs",
                &["POST", "PUT", "DELETE"][..],
                &[host, cross, navigate],
                false,
                false,
            ),
            (
                "a form of the same host's other port",
                &["POST"][..],
                &[host, ("sec-fetch-site", "same-site"), navigate],
                false,
                false,
            ),
            ("an unknown relation", both, &[host, ("sec-fetch-site", "x")], false, false),
            ("typed by hand", both, &[host, ("sec-fetch-site", "none")], false, true),
            ("theirs beside ours", both, &[host, origin, theirs], false, false),
        ] {
            let mut asked = Request::builder();
            for (name, value) in fields {
                asked = asked.header(*name, *value);
            }
            let mut request = asked.body(axum::body::Body::empty()).unwrap();
            let host = host::asked(Version::HTTP_10, request.uri(), request.headers()).unwrap();
            request.extensions_mut().insert(Asked(host));
            for method in methods {
                *request.method_mut() = method.parse().unwrap();
                let is_answered = foreign(&request, has_token).is_none();
                assert_eq!(is_answered, want, "{method}: {name}");
            }
        }
    }
}
