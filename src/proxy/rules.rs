//! Protocol rules: which requests an intermediary refuses or answers itself.
//!
//! hyper's parser settles framing, field syntax and sizes; what it leaves to a proxy is here. Each
//! refusal has a status for the client and a reason for the record. Not here: rewriting (`headers`),
//! where a request goes (`route`).

use http::header::HeaderValue;
use http::request::Parts;
use http::{Method, StatusCode, Version};

use super::headers::{self, Survey};
use super::scan::Head;
use crate::config;
use crate::record::Reason;

/// An answer that the proxy gives by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) reason: Reason,
}

impl Refusal {
    /// A refusal with this status and reason.
    pub(super) const fn new(status: StatusCode, reason: Reason) -> Self {
        Self { status, reason }
    }
}

/// Malformed, or with two meanings.
pub(super) const BAD_REQUEST: Refusal = Refusal::new(StatusCode::BAD_REQUEST, Reason::BadRequest);

/// Too long a head, or too many fields.
pub(super) const HEAD_TOO_LARGE: Refusal =
    Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Reason::HeadTooLarge);
pub(super) const URI_TOO_LONG: Refusal = Refusal::new(StatusCode::URI_TOO_LONG, Reason::UriTooLong);

/// Checks what needs no service, and gives the value of `Host` to go by.
pub(super) fn check(
    parts: &mut Parts,
    survey: &Survey,
    head: Option<&Head>,
    limits: &config::ListenerLimits,
) -> Result<HeaderValue, Refusal> {
    if head.is_some_and(|head| head.has_fragment || head.is_ambiguous) {
        return Err(BAD_REQUEST); // RFC 9112 §3.2, §6.3
    }
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Reason::MethodNotAllowed));
    }
    // Over HTTP/1 the scanner has refused these before; what HTTP/2 compresses is counted here.
    if survey.fields > limits.headers || survey.bytes > limits.head_bytes {
        return Err(HEAD_TOO_LARGE);
    }
    let target_bytes = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target_bytes > limits.uri_bytes {
        return Err(URI_TOO_LONG);
    }
    if let Some(expect) = &survey.expect
        && !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(Refusal::new(StatusCode::EXPECTATION_FAILED, Reason::ExpectationFailed));
    }
    if headers::forbidden_nomination(&parts.headers, survey) {
        return Err(BAD_REQUEST); // RFC 9110 §7.6.1
    }
    max_forwards(parts, survey)?;
    host(parts, survey)
}

/// RFC 9110 §7.6.2: `OPTIONS` with `Max-Forwards: 0` ends here, otherwise it counts down.
fn max_forwards(parts: &mut Parts, survey: &Survey) -> Result<(), Refusal> {
    let Some(value) = survey.max_forwards.as_ref().filter(|_| parts.method == Method::OPTIONS)
    else {
        return Ok(());
    };
    match value.to_str().ok().and_then(|text| text.parse::<u32>().ok()) {
        None => Err(BAD_REQUEST),
        Some(0) => Err(Refusal::new(StatusCode::OK, Reason::AnsweredLocally)),
        Some(left) => {
            parts.headers.insert(http::header::MAX_FORWARDS, HeaderValue::from(left - 1));
            Ok(())
        }
    }
}

/// The host that is asked for (RFC 9112 §3.2, RFC 9113 §8.3.1): exactly one `Host` in HTTP/1.1; an
/// absolute target overrides it; in HTTP/2 `:authority` stands for it and must not contradict it.
fn host(parts: &Parts, survey: &Survey) -> Result<HeaderValue, Refusal> {
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    let is_h1 = parts.version <= Version::HTTP_11;
    if authority.is_some() && !matches!(parts.uri.scheme_str(), Some("http" | "https")) {
        return Err(BAD_REQUEST); // an authority alone is for CONNECT (RFC 9112 §3.2.3)
    }
    if survey.host_count > 1 || (parts.version == Version::HTTP_11 && survey.host_count == 0) {
        return Err(BAD_REQUEST);
    }
    let field = survey.host.as_ref();
    let host = match (authority, field) {
        (Some(authority), Some(field))
            if !is_h1 && !field.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) =>
        {
            return Err(BAD_REQUEST);
        }
        (Some(authority), _) => HeaderValue::from_str(authority).map_err(|_| BAD_REQUEST)?,
        (None, Some(field)) => field.clone(),
        (None, None) if parts.version == Version::HTTP_10 => HeaderValue::from_static(""),
        (None, None) => return Err(BAD_REQUEST),
    };
    if is_host(host.as_bytes()) { Ok(host) } else { Err(BAD_REQUEST) }
}

/// Whether it is `host [":" port]` (RFC 3986 §3.2.2), be it empty; user information is refused. Of an
/// address in brackets only the bytes are looked at.
fn is_host(value: &[u8]) -> bool {
    let ends_at = |text: &[u8], end: u8| text.iter().position(|&byte| byte == end);
    let bracketed = value.strip_prefix(b"[");
    let (name, port) = match bracketed {
        Some(rest) => match ends_at(rest, b']') {
            Some(at) => (rest.split_at(at).0, rest.split_at(at + 1).1),
            None => return false,
        },
        None => value.split_at(ends_at(value, b':').unwrap_or(value.len())),
    };
    let is_name = |&byte: &u8| {
        byte.is_ascii_alphanumeric()
            || b"-._~%!$&'()*+,;=".contains(&byte)
            || (bracketed.is_some() && byte == b':')
    };
    let is_port = match port {
        [] => true,
        [colon, digits @ ..] => *colon == b':' && digits.iter().all(u8::is_ascii_digit),
    };
    name.iter().all(is_name) && is_port
}

/// Checks what depends on the service.
pub(super) fn check_for(
    service: &config::Service,
    path: &str,
    survey: &Survey,
) -> Result<(), Refusal> {
    if service.http.path == config::PathPolicy::Reject && is_ambiguous(path) {
        return Err(BAD_REQUEST);
    }
    match (service.limits.body_bytes, survey.content_length) {
        (Some(most), Some(length)) if length > most => {
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Reason::BodyTooLarge))
        }
        _ => Ok(()),
    }
}

/// Whether servers disagree on what `path` names: dot segments, empty segments, encoded separators.
fn is_ambiguous(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    ["%2e", "%2f", "%5c", "%00", "\\", "//"].iter().any(|part| lower.contains(part))
        || path.split('/').any(|segment| {
            let name = segment.split(';').next().unwrap_or(segment);
            name == "." || name == ".."
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for (host, want) in [
            ("", true),
            ("a.b-c_d", true),
            ("a:80", true),
            ("a:", true),
            ("%61", true),
            ("1.2.3.4:5", true),
            ("[::1]", true),
            ("[::1]:80", true),
            ("a:b", false),
            ("a:80:90", false),
            ("::1", false),
            ("[::1", false),
            ("[::1]evil", false),
            ("[::1]80", false),
            ("[[::1]", false),
            ("a]", false),
            ("a[::1]", false),
            ("u@a", false),
            ("a/b", false),
            ("a b", false),
        ] {
            assert_eq!(is_host(host.as_bytes()), want, "{host:?}");
        }
    }

    #[test]
    fn paths_with_two_meanings_are_known() {
        for (path, want) in [
            ("/a/../%2e%2e/b//c;x=%2f", true),
            ("/a/..;/b", true),
            ("/a/./b", true),
            ("/a%5Cb", true),
            ("/a//b", true),
            ("/a/b.c/..d?x", false),
            ("/", false),
        ] {
            assert_eq!(is_ambiguous(path), want, "{path}");
        }
    }
}
