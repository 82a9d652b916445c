//! Answers that the proxy gives by itself: short, as JSON or text by `Accept`, each with its record.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};

use super::body::ResponseBody;
use super::headers;
use super::rules::Refusal;
use super::stopwatch::Stopwatch;
use crate::record::Reason;

/// Methods that are served, for `Allow`.
const ALLOW: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");

/// Answers with `refusal` and ends the exchange.
pub(super) fn refuse(mut watch: Box<Stopwatch>, refusal: Refusal) -> Response<ResponseBody> {
    let Refusal { status, reason } = refusal;
    let body = if watch.method == Method::HEAD { Bytes::new() } else { body(&watch, refusal) };
    let length = body.len();
    let mut response = Response::new(ResponseBody::Local((length > 0).then_some(body)));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    let mime = if watch.survey.wants_json { "application/json" } else { "text/plain" };
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(mime));
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        fields.insert(header::ALLOW, ALLOW);
    }
    if closes(reason) {
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    watch.status = Some(status.as_u16());
    watch.response_mime = Some(HeaderValue::from_static(mime));
    let mut counted = fields.clone();
    let closing = if closes(reason) { "connection: close\r\n".len() as u64 } else { 0 };
    watch.response_head_bytes =
        headers::to_downstream(&mut counted).head_bytes(status, false) + closing;
    watch.add_response_bytes(length);
    watch.finish(reason);
    response
}

/// Whether the connection must not be used again: what follows on it cannot be trusted, or is a
/// body that nobody will read.
fn closes(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::BadRequest
            | Reason::BadBody
            | Reason::BodyTooLarge
            | Reason::BodyTimeout
            | Reason::ExpectationFailed
            | Reason::HeadTooLarge
            | Reason::UriTooLong
    )
}

/// The text of the answer: what happened, and a number to ask about.
fn body(watch: &Stopwatch, refusal: Refusal) -> Bytes {
    let (status, reason) = (refusal.status, refusal.reason.as_str());
    let phrase = status.canonical_reason().unwrap_or("");
    let mut text = String::with_capacity(128);
    let request = watch.label();
    // Nothing that the client sent stands in it, so there is nothing to escape.
    let _ = if watch.survey.wants_json {
        writeln!(
            text,
            r#"{{"status":{},"error":"{phrase}","reason":"{reason}","request":"{request}"}}"#,
            status.as_u16()
        )
    } else {
        writeln!(text, "{} {phrase}\nreason: {reason}\nrequest: {request}", status.as_u16())
    };
    Bytes::from(text)
}
