//! Header fields of an intermediary: what is looked at, what is taken off, what is set.
//!
//! Each message is walked once ([`Survey`], [`ResponseSurvey`]); everything else is decided from
//! that walk. Order (RFC 9110 §7.6.1): fields named in `Connection` and the hop-by-hop fields go
//! first, then ours are set, so that nobody can have ours removed by naming them.
//!
//! Not here: whether a request is acceptable (`rules`).

use std::net::{IpAddr, SocketAddr};

use http::Version;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::connection::Connection;
use crate::base::trace::{Context, Parent};

/// De-facto fields that tell an endpoint who called.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Host the client asked for.
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Port the client came to; not set by us, but nobody else is believed either.
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Trace and span that a request belongs to (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What tracing systems have to add to it.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Fields that concern one connection only, whether or not `Connection` names them.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Fields that `Connection` must not name: taking them off would change who is asked, what for, or
/// who asks (class of CVE-2024-45410, CVE-2022-31813).
const NOT_NOMINABLE: [&str; 12] = [
    "host",
    "content-length",
    "authorization",
    "cookie",
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "traceparent",
    "x-request-id",
];

/// Fields that have no business in a trailer (RFC 9110 §6.5.1), beside the hop-by-hop ones: they
/// frame, route or describe a message that has already been acted on.
const NOT_IN_TRAILERS: [HeaderName; 8] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::HOST,
    header::AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
];

/// What one walk over a request's fields found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// How many fields there are.
    pub(super) fields: usize,
    /// Their bytes as HTTP/1 would write them.
    pub(super) bytes: usize,
    /// First `Host`.
    pub(super) host: Option<HeaderValue>,
    /// How many `Host` fields there are.
    pub(super) host_count: u32,
    /// Bit per row of [`HOP_BY_HOP`] that is present.
    hop_by_hop: u8,
    /// How many `Cookie` fields there are (HTTP/2 may split it, RFC 9113 §8.2.3).
    cookies: u32,
    pub(super) expect: Option<HeaderValue>,
    pub(super) max_forwards: Option<HeaderValue>,
    /// `Content-Length`, if it is a number.
    pub(super) content_length: Option<u64>,
    pub(super) has_via: bool,
    /// `Accept` asks for JSON.
    pub(super) wants_json: bool,
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) referrer: Option<HeaderValue>,
    /// `Content-Type`.
    pub(super) mime: Option<HeaderValue>,
    pub(super) request_id: Option<HeaderValue>,
    /// `traceparent`, if there is one and it is valid.
    pub(super) parent: Option<Parent>,
    /// How many `traceparent` fields there are.
    traceparents: u32,
    /// How many `tracestate` fields there are.
    tracestates: u32,
    /// How many `X-Forwarded-For` fields there are.
    forwarded_for: u32,
    /// `Forwarded` or `X-Forwarded-Port` is present.
    has_forwarded: bool,
}

impl Survey {
    /// Walks `headers` once.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            found.fields += 1;
            found.bytes += name.as_str().len() + value.len() + ": \r\n".len();
            match name.as_str() {
                "host" => {
                    found.host_count += 1;
                    found.host.get_or_insert_with(|| value.clone());
                }
                "user-agent" => found.user_agent = Some(value.clone()),
                "accept" => found.wants_json |= is_json(value.as_bytes()),
                "referer" => found.referrer = Some(value.clone()),
                "content-type" => found.mime = Some(value.clone()),
                "content-length" => {
                    found.content_length = value.to_str().ok().and_then(|text| text.parse().ok());
                }
                "x-request-id" => found.request_id = Some(value.clone()),
                "x-forwarded-for" => found.forwarded_for += 1,
                "forwarded" | "x-forwarded-port" => found.has_forwarded = true,
                "via" => found.has_via = true,
                "expect" => found.expect = Some(value.clone()),
                "max-forwards" => found.max_forwards = Some(value.clone()),
                "cookie" => found.cookies += 1,
                "traceparent" => {
                    found.traceparents += 1;
                    let parent = Parent::parse(value.as_bytes());
                    found.parent = parent.filter(|_| found.traceparents == 1);
                }
                "tracestate" => found.tracestates += 1,
                other => found.hop_by_hop |= hop_by_hop_bit(other),
            }
        }
        found
    }
}

/// Bit of `Transfer-Encoding` in [`HOP_BY_HOP`].
const TRANSFER_ENCODING_BIT: u8 = 1 << 6;

/// Bit of `name` in [`HOP_BY_HOP`], or 0.
fn hop_by_hop_bit(name: &str) -> u8 {
    match name {
        "connection" => 1,
        "keep-alive" => 1 << 1,
        "proxy-connection" => 1 << 2,
        "proxy-authorization" => 1 << 3,
        "te" => 1 << 4,
        "trailer" => 1 << 5,
        "transfer-encoding" => TRANSFER_ENCODING_BIT,
        "upgrade" => 1 << 7,
        _ => 0,
    }
}

/// Whether a value of `Transfer-Encoding` is the one coding that is read here: `chunked`, once.
pub(super) fn is_chunked(value: &[u8]) -> bool {
    value.trim_ascii().eq_ignore_ascii_case(b"chunked")
}

/// Whether `token` stands in a value, in any case.
fn has_token(value: &[u8], token: &[u8]) -> bool {
    value.windows(token.len()).any(|part| part.eq_ignore_ascii_case(token))
}

/// Whether a value of `Accept` asks for JSON.
pub(super) fn is_json(accept: &[u8]) -> bool {
    has_token(accept, b"application/json")
}

/// Names that `Connection` gives, trimmed; empty ones left out.
fn nominated(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty())
}

/// A field that `Connection` names though it must not, for the refusal.
pub(super) fn forbidden_nomination(headers: &HeaderMap, survey: &Survey) -> bool {
    survey.hop_by_hop & 1 != 0
        && nominated(headers)
            .any(|name| NOT_NOMINABLE.iter().any(|not| name.eq_ignore_ascii_case(not.as_bytes())))
}

/// Takes off the fields of one connection: those that `Connection` names, then the fixed list.
fn strip(headers: &mut HeaderMap, present: u8) {
    if present == 0 {
        return;
    }
    if present & 1 != 0 {
        let names: Vec<HeaderName> = nominated(headers)
            .filter(|name| !name.eq_ignore_ascii_case(b"close"))
            .filter_map(|name| HeaderName::from_bytes(name).ok())
            .collect();
        for name in names {
            headers.remove(name);
        }
    }
    for (index, name) in HOP_BY_HOP.iter().enumerate() {
        if present & (1 << index) != 0 {
            headers.remove(name);
        }
    }
}

/// Makes a request's fields those of a request from us.
pub(super) fn to_upstream(
    headers: &mut HeaderMap,
    survey: &Survey,
    connection: &Connection,
    host: &HeaderValue,
    via: &HeaderValue,
) {
    let keeps_trailers = survey.hop_by_hop & (1 << 4) != 0
        && headers.get(header::TE).is_some_and(|value| has_token(value.as_bytes(), b"trailers"));
    strip(headers, survey.hop_by_hop);
    if keeps_trailers {
        // A statement about trailers is the one part of TE that concerns the whole way (gRPC).
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    if survey.cookies > 1 {
        join_cookies(headers);
    }
    if survey.host.as_ref() != Some(host) || survey.host_count != 1 {
        headers.insert(header::HOST, host.clone());
    }
    let peer = connection.forwarded_for();
    if connection.is_trusted && survey.forwarded_for > 0 {
        let mut all: Vec<&[u8]> =
            headers.get_all(X_FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
        all.push(peer.as_bytes());
        let joined = HeaderValue::from_bytes(&all.join(&b", "[..]));
        headers.insert(X_FORWARDED_FOR, joined.unwrap_or(peer));
    } else {
        headers.insert(X_FORWARDED_FOR, peer);
    }
    if !connection.is_trusted && survey.has_forwarded {
        headers.remove(header::FORWARDED);
        headers.remove(X_FORWARDED_PORT);
    }
    if !(connection.is_trusted && headers.contains_key(X_FORWARDED_PROTO)) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(connection.scheme()));
    }
    if !(connection.is_trusted && headers.contains_key(X_FORWARDED_HOST)) {
        headers.insert(X_FORWARDED_HOST, host.clone());
    }
    headers.append(header::VIA, via.clone());
}

/// A trace begins here: what came of another, or of none that can be told, is left behind
/// (Trace Context §3.2.2.5, §3.3).
pub(super) fn forget_trace(headers: &mut HeaderMap, survey: &Survey) {
    if survey.tracestates > 0 {
        headers.remove(TRACESTATE);
    }
}

/// Tells the endpoint of an attempt, counted from 1, which span it works for.
pub(super) fn set_trace(headers: &mut HeaderMap, trace: &Context, attempt: u64) {
    if let Ok(value) = HeaderValue::from_bytes(&trace.traceparent(attempt)) {
        headers.insert(TRACEPARENT, value);
    }
}

/// Our entry in `Via`: the protocol we were spoken to in, and a name of this process
/// (RFC 9110 §7.6.3).
#[derive(Debug)]
pub(super) struct Via {
    pseudonym: String,
    /// Entries for HTTP/1.0, 1.1 and 2.
    entries: [HeaderValue; 3],
}

impl Via {
    /// The entries of a process that calls itself `pseudonym`.
    pub(super) fn new(pseudonym: &str) -> Self {
        let entries = ["1.0", "1.1", "2.0"].map(|version| {
            HeaderValue::from_str(&format!("{version} {pseudonym}"))
                .unwrap_or(HeaderValue::from_static("1.1 lbproxy"))
        });
        Self { pseudonym: pseudonym.to_owned(), entries }
    }

    /// The entry for a request that came in `version`.
    pub(super) fn of(&self, version: Version) -> &HeaderValue {
        let [http_10, http_11, http_2] = &self.entries;
        match version {
            Version::HTTP_10 => http_10,
            Version::HTTP_2 => http_2,
            _ => http_11,
        }
    }

    /// Whether a request has been here before.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let fields = headers.get_all(header::VIA).iter();
        let mut hops = fields.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
        hops.any(|hop| {
            let mut words = hop.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            words.nth(1) == Some(self.pseudonym.as_bytes())
        })
    }
}

/// The client as far as it is believed: of the hops that `X-Forwarded-For` names, each is vouched for
/// by the one to its right, and the last by the peer. So it is the rightmost address that is not
/// itself trusted; whatever stands left of it, or is no address, anybody may have written.
pub(super) fn client(
    headers: &HeaderMap,
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let fields = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let hops = fields.flat_map(|value| value.as_bytes().rsplit(|&byte| byte == b','));
    let mut client = peer;
    for hop in hops.map(<[u8]>::trim_ascii).filter(|hop| !hop.is_empty()) {
        if !is_trusted(client) {
            break;
        }
        let Some(address) = address_of(hop) else { break };
        client = address;
    }
    client
}

/// The address of a hop; some proxies write its port too.
fn address_of(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?;
    let address = hop.parse().or_else(|_| hop.parse().map(|socket: SocketAddr| socket.ip()));
    address.map(|address| address.to_canonical()).ok()
}

/// Takes out of a trailer what must not stand there.
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    for name in HOP_BY_HOP.iter().chain(&NOT_IN_TRAILERS) {
        trailers.remove(name);
    }
}

/// One `Cookie` field, as HTTP/1.1 wants it (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let all: Vec<&[u8]> =
        headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// What one walk over a response's fields found.
#[derive(Debug, Default)]
pub(super) struct ResponseSurvey {
    /// Bit per row of [`HOP_BY_HOP`] that is present.
    hop_by_hop: u8,
    /// Bytes of the field lines that stay, line ends included.
    fields_bytes: u64,
    /// `Content-Type`.
    pub(super) mime: Option<HeaderValue>,
    has_length: bool,
    has_date: bool,
    /// A transfer coding is named that is not exactly one `chunked`: nobody here undoes it.
    pub(super) has_other_coding: bool,
}

/// Bytes of `date: Tue, 24 Nov 2026 00:00:00 GMT` with its line end, which hyper adds if missing.
const DATE_LINE_BYTES: u64 = 37;

/// Makes a response's fields those of a response from us.
pub(super) fn to_downstream(headers: &mut HeaderMap) -> ResponseSurvey {
    let mut found = ResponseSurvey::default();
    for (name, value) in headers.iter() {
        let name = name.as_str();
        match name {
            "content-type" => found.mime = Some(value.clone()),
            "content-length" => found.has_length = true,
            "date" => found.has_date = true,
            "transfer-encoding" => {
                let is_second = found.hop_by_hop & TRANSFER_ENCODING_BIT != 0;
                found.has_other_coding |= is_second || !is_chunked(value.as_bytes());
                found.hop_by_hop |= TRANSFER_ENCODING_BIT;
            }
            _ => found.hop_by_hop |= hop_by_hop_bit(name),
        }
        found.fields_bytes += (name.len() + value.len() + 4) as u64;
    }
    if found.hop_by_hop & TRANSFER_ENCODING_BIT != 0 && found.has_length {
        // The coding is what counts, and whoever sends the response on takes the length off, or the
        // next reader would go by it (RFC 9112 §6.3).
        headers.remove(header::CONTENT_LENGTH);
        found.has_length = false;
    }
    if found.hop_by_hop != 0 {
        strip(headers, found.hop_by_hop);
        found.fields_bytes = headers
            .iter()
            .map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64)
            .sum();
    }
    found
}

impl ResponseSurvey {
    /// Bytes of the head as HTTP/1.1 writes it; for HTTP/2, whose compression hides it from us, the
    /// same sum as if uncompressed. `is_chunked` when a body of unknown length follows.
    pub(super) fn head_bytes(&self, status: http::StatusCode, is_chunked: bool) -> u64 {
        let reason = status.canonical_reason().unwrap_or("<none>").len() as u64;
        let status_line = "HTTP/1.1 200 \r\n".len() as u64 + reason;
        let date = if self.has_date { 0 } else { DATE_LINE_BYTES };
        let chunked = if is_chunked && !self.has_length {
            "transfer-encoding: chunked\r\n".len() as u64
        } else {
            0
        };
        status_line + self.fields_bytes + date + chunked + 2
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    /// Goal: nothing of one connection leaves by the other side. Method: every hop-by-hop field and
    /// a named one, in a response (the request side is tested over sockets).
    #[test]
    fn takes_off_hop_by_hop_fields_and_those_that_connection_names() {
        for name in HOP_BY_HOP {
            let mut headers = map(&[(name.as_str(), "x"), ("a", "1")]);
            to_downstream(&mut headers);
            assert_eq!(headers, map(&[("a", "1")]), "{name}");
        }
        let mut headers = map(&[("Connection", "close, X-Hop ,,"), ("x-hop", "1"), ("b", "2")]);
        to_downstream(&mut headers);
        assert_eq!(headers, map(&[("b", "2")]));
    }

    #[test]
    fn the_bits_and_the_list_of_hop_by_hop_fields_agree() {
        for (index, name) in HOP_BY_HOP.iter().enumerate() {
            assert_eq!(hop_by_hop_bit(name.as_str()), 1 << index, "{name}");
        }
    }

    /// Goal: nobody outside chooses the address that records name. Method: 10.0.0.0/8 is trusted,
    /// the peer is 10.0.0.1 unless it says otherwise.
    #[test]
    fn the_client_is_the_rightmost_address_that_is_not_trusted() {
        let is_trusted = |ip: IpAddr| ip.to_string().starts_with("10.");
        for (name, peer, fields, want) in [
            ("none named", "10.0.0.1", &[][..], "10.0.0.1"),
            ("one hop", "10.0.0.1", &["9.9.9.9"], "9.9.9.9"),
            ("what the client wrote itself", "10.0.0.1", &["6.6.6.6, 9.9.9.9"], "9.9.9.9"),
            ("through two of ours", "10.0.0.1", &["6.6.6.6,9.9.9.9 , 10.0.0.2"], "9.9.9.9"),
            ("several fields", "10.0.0.1", &["6.6.6.6", "9.9.9.9", "10.0.0.2"], "9.9.9.9"),
            ("all ours", "10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("no address", "10.0.0.1", &["9.9.9.9, unknown, 10.0.0.2"], "10.0.0.2"),
            ("nothing between commas", "10.0.0.1", &["9.9.9.9, ,"], "9.9.9.9"),
            ("with ports", "10.0.0.1", &["[2001:db8::1]:8080, 10.0.0.2:90"], "2001:db8::1"),
            ("an untrusted peer", "8.8.8.8", &["9.9.9.9"], "8.8.8.8"),
        ] {
            let fields: Vec<_> = fields.iter().map(|value| ("x-forwarded-for", *value)).collect();
            let client = client(&map(&fields), peer.parse().unwrap(), is_trusted);
            assert_eq!(client.to_string(), want, "{name}");
        }
    }

    #[test]
    fn a_trailer_keeps_what_may_stand_there() {
        let mut trailers = map(&[
            ("grpc-status", "0"),
            ("content-length", "3"),
            ("connection", "x"),
            ("host", "a"),
        ]);
        clean_trailers(&mut trailers);
        assert_eq!(trailers, map(&[("grpc-status", "0")]));
    }

    #[test]
    fn connection_must_not_name_what_tells_who_asks_for_what() {
        for (value, want) in [("close", false), ("X-Hop", false), ("keep-alive, HOST", true)] {
            let headers = map(&[("connection", value)]);
            assert_eq!(forbidden_nomination(&headers, &Survey::of(&headers)), want, "{value}");
        }
    }
}
