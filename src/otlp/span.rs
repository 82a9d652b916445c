//! From an access record to its spans: the server's, and below it one of a client for each attempt.
//!
//! ```text
//! parent (the caller's span, if it sent one)
//! └─ GET /cart   SERVER  ├──────────────────────────────┤   span.id
//!    ├─ GET      CLIENT    ├────┤ connect_refused            attempt_span(span.id, 1)
//!    └─ GET      CLIENT          ├─────────────────────┤     attempt_span(span.id, 2)
//! ```
//! Names and attributes by the HTTP conventions. Pure: the same record gives the same spans, so one that
//! is sent twice is one span. Times are those of the record: its end is known to the millisecond,
//! everything within it to the microsecond.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::attribute;
use super::sample::failed;
use crate::base::trace::{attempt_span, number_of};
use crate::record::{AccessRecord, Blame, DecodeError, Micros, MicrosList, Reason, Stream, Values};

/// Fields of the server span that the conventions have no name for.
const SERVER_FIELDS: u128 = AccessRecord::bits(&[
    "service",
    "state",
    "attempts",
    "head_us",
    "body_us",
    "queue_us",
    "response_us",
    "self_us",
    "connection_id",
    "connection_requests",
]);
/// Fields of the client span of the last attempt.
const CLIENT_FIELDS: u128 = AccessRecord::bits(&[
    "dns_us",
    "connect_us",
    "upstream_tls_us",
    "reused",
    "upstream_requests",
    "first_byte_us",
]);
/// The conventions' fields that are treated one by one.
const SPECIAL_FIELDS: u128 = AccessRecord::bits(&["method", "reason"]);

/// Flags of a span (OTLP): whether its parent is remote is known, and it is.
const PARENT_IS_REMOTE: u32 = 0x100 | 0x200;
/// It is known, and it is not.
const PARENT_IS_OURS: u32 = 0x100;

/// Appends the spans of a record; none when it has no place in a trace.
pub(super) fn spans(payload: &[u8], out: &mut Vec<Span>) -> Result<(), DecodeError> {
    let record = AccessRecord::decode(payload)?;
    let values = Values::read(Stream::Access, payload)?;
    let Some(place) = Place::of(&record) else { return Ok(()) };
    out.push(server(&record, &values, &place));
    for attempt in attempts(&record, &place) {
        out.push(client(&record, &values, &place, attempt));
    }
    Ok(())
}

struct Place {
    trace_id: Vec<u8>,
    server: u64,
    flags: u32,
    /// Start of the server span.
    start_ns: u64,
    end_ns: u64,
}

impl Place {
    /// Of a record in a trace.
    fn of(record: &AccessRecord<'_>) -> Option<Self> {
        let trace_id = number_of(record.trace_id?.0)?.to_be_bytes().to_vec();
        let server = u64::try_from(number_of(record.span_id?.0)?).ok()?;
        let end_ns = record.timestamp?.0.saturating_mul(1_000_000);
        let took_ns = nanos(record.duration.map_or(0, |span| span.0));
        Some(Self {
            trace_id,
            server,
            flags: u32::from(record.trace_sampled.is_some_and(|sampled| sampled.0)),
            start_ns: end_ns.saturating_sub(took_ns),
            end_ns,
        })
    }
}

/// Microseconds in nanoseconds.
fn nanos(micros: u64) -> u64 {
    micros.saturating_mul(1_000)
}

/// What both kinds of span are named.
fn name(record: &AccessRecord<'_>) -> &'static str {
    record.method.and_then(|method| attribute::known_method(method.0)).unwrap_or("HTTP")
}

fn error() -> Status {
    Status { code: StatusCode::Error as i32, message: String::new() }
}

fn server(record: &AccessRecord<'_>, values: &Values<'_>, place: &Place) -> Span {
    let mut attributes = Vec::with_capacity(32);
    attribute::method(record.method.map_or(b"", |method| method.0), &mut attributes);
    for field in AccessRecord::FIELDS {
        let bit = 1_u128 << field.id;
        let key = match attribute::convention(field) {
            Some(key) if SPECIAL_FIELDS & bit == 0 => key,
            _ if SERVER_FIELDS & bit != 0 => field.path,
            _ => continue,
        };
        attributes.extend(values.get(field.id).map(|value| attribute::of(key, value)));
    }
    let (reason, is_failed) = (record.reason.unwrap_or(Reason::Complete), failed(record));
    attributes.push(attribute::text("lbproxy.termination.reason", reason.as_str()));
    if is_failed {
        attributes.push(error_type(reason, record.status.map(|status| status.0)));
    }
    let name = match record.route {
        Some(route) => format!("{} {}", name(record), attribute::lossy(route.0)),
        None => name(record).to_owned(),
    };
    let parent = record.parent_span_id.and_then(|id| number_of(id.0));
    Span {
        trace_id: place.trace_id.clone(),
        span_id: place.server.to_be_bytes().to_vec(),
        parent_span_id: parent.map_or(Vec::new(), |id| id.to_be_bytes()[8..].to_vec()),
        flags: place.flags | if parent.is_some() { PARENT_IS_REMOTE } else { PARENT_IS_OURS },
        name,
        kind: SpanKind::Server as i32,
        start_time_unix_nano: place.start_ns,
        end_time_unix_nano: place.end_ns,
        attributes,
        status: is_failed.then(error),
        ..Span::default()
    }
}

/// Why: the record's word where it has one, else the status.
fn error_type(reason: Reason, status: Option<u16>) -> KeyValue {
    match (reason, status) {
        (Reason::Complete, Some(status)) => attribute::text("error.type", status.to_string()),
        (reason, _) => attribute::text("error.type", reason.as_str()),
    }
}

#[derive(Debug, Clone, Copy)]
struct Attempt<'a> {
    /// Its number, from 1.
    number: u64,
    /// Where it went, address and port.
    endpoint: &'a [u8],
    status: Option<u16>,
    reason: &'a [u8],
    /// Whether nothing came after it.
    is_last: bool,
    /// Whether it failed, unless its status says more.
    is_failed: bool,
    start_ns: u64,
    end_ns: u64,
}

/// The attempts of a record: the only one, or those of its lists.
fn attempts<'a>(record: &AccessRecord<'a>, place: &Place) -> Vec<Attempt<'a>> {
    let Some(endpoint) = record.endpoint else { return Vec::new() };
    let reason = record.reason.unwrap_or(Reason::Complete);
    let begun = place.start_ns.saturating_add(nanos(record.head_us.map_or(0, |span| span.0)));
    let begun = begun.min(place.end_ns);
    let (Some(endpoints), Some(statuses), Some(reasons)) =
        (record.attempt_endpoints, record.attempt_statuses, record.attempt_reasons)
    else {
        let came = record.response_us.and(record.upstream_status.or(record.status));
        return vec![Attempt {
            number: 1,
            endpoint: endpoint.0,
            status: came.map(|status| status.0),
            reason: reason.as_str().as_bytes(),
            is_last: true,
            is_failed: reason.blame() == Blame::Endpoint,
            start_ns: back(place.end_ns, record.upstream_total_us).max(begun),
            end_ns: place.end_ns,
        }];
    };
    let mut times = record.attempt_us.map(MicrosList::items).into_iter().flatten();
    let mut start_ns = begun;
    let all = endpoints.items().zip(statuses.items()).zip(reasons.items());
    let mut all: Vec<_> = (1..)
        .zip(all)
        .map(|(number, ((endpoint, status), word))| {
            let took = nanos(times.next().unwrap_or(0));
            let end_ns = start_ns.saturating_add(took).min(place.end_ns);
            let known = Reason::ALL.iter().find(|reason| reason.as_str().as_bytes() == word);
            let attempt = Attempt {
                number,
                endpoint,
                status: std::str::from_utf8(status).ok().and_then(|status| status.parse().ok()),
                reason: word,
                is_last: false,
                is_failed: known.is_none_or(|reason| reason.blame() == Blame::Endpoint),
                start_ns,
                end_ns,
            };
            start_ns = end_ns;
            attempt
        })
        .collect();
    if let Some(last) = all.last_mut() {
        last.is_last = true;
        // The time of the last one runs to the end: from there its start is known exactly.
        last.start_ns = back(place.end_ns, record.upstream_total_us).max(last.start_ns);
        last.end_ns = place.end_ns;
    }
    all
}

/// A span of time before an instant.
fn back(end_ns: u64, span: Option<Micros>) -> u64 {
    end_ns.saturating_sub(nanos(span.map_or(0, |span| span.0)))
}

/// The client span of an attempt.
fn client(
    record: &AccessRecord<'_>,
    values: &Values<'_>,
    place: &Place,
    attempt: Attempt<'_>,
) -> Span {
    let mut attributes = Vec::with_capacity(16);
    attribute::method(record.method.map_or(b"", |method| method.0), &mut attributes);
    let endpoint = attribute::lossy(attempt.endpoint);
    let (address, port) = endpoint.rsplit_once(':').unwrap_or((&endpoint, ""));
    attributes.push(attribute::text("server.address", address.trim_matches(['[', ']'])));
    attributes.extend(port.parse().ok().map(|port| attribute::number("server.port", port)));
    let path = record.path.map_or(String::new(), |path| attribute::lossy(path.0));
    let query =
        record.query.map_or(String::new(), |query| format!("?{}", attribute::lossy(query.0)));
    attributes.push(attribute::text("url.full", format!("http://{endpoint}{path}{query}")));
    attributes.push(attribute::text("network.protocol.version", "1.1"));
    if attempt.number > 1 {
        attributes.push(attribute::number("http.request.resend_count", attempt.number - 1));
    }
    let status = attempt.status;
    attributes.extend(status.map(|s| attribute::number("http.response.status_code", s.into())));
    attributes
        .extend(record.service.map(|s| attribute::text("lbproxy.service", attribute::lossy(s.0))));
    if attempt.is_last {
        for field in AccessRecord::FIELDS.iter().filter(|f| CLIENT_FIELDS & 1 << f.id != 0) {
            attributes.extend(values.get(field.id).map(|value| attribute::of(field.path, value)));
        }
    }
    let is_failed = attempt.is_failed || status.is_some_and(|status| status >= 400);
    if is_failed {
        let kind = match status {
            Some(status) if !attempt.is_failed => status.to_string(),
            _ => attribute::lossy(attempt.reason),
        };
        attributes.push(attribute::text("error.type", kind));
    }
    Span {
        trace_id: place.trace_id.clone(),
        span_id: attempt_span(place.server, attempt.number).to_be_bytes().to_vec(),
        parent_span_id: place.server.to_be_bytes().to_vec(),
        flags: place.flags | PARENT_IS_OURS,
        name: name(record).to_owned(),
        kind: SpanKind::Client as i32,
        start_time_unix_nano: attempt.start_ns,
        end_time_unix_nano: attempt.end_ns,
        attributes,
        status: is_failed.then(error),
        ..Span::default()
    }
}

#[cfg(test)]
mod tests;
