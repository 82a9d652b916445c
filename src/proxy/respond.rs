//! Answers that the proxy gives by itself: short, as JSON or text by `Accept`, each with its record.

use std::fmt::Write as _;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};

use super::body::ResponseBody;
use super::connection::Connection;
use super::headers;
use super::rules::Refusal;
use super::stopwatch::Stopwatch;
use crate::record::Reason;

/// Methods that are served, for `Allow`.
const ALLOW: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");

/// Answers with `refusal` and ends the exchange.
pub(super) fn refuse(mut watch: Box<Stopwatch>, refusal: Refusal) -> Response<ResponseBody> {
    let Refusal { status, reason } = refusal;
    let wants_json = watch.survey.wants_json;
    let is_head = watch.method == Method::HEAD;
    let body = if is_head { Bytes::new() } else { body(refusal, wants_json, watch.numbers()) };
    let length = body.len();
    let mut response = Response::new(ResponseBody::Local((length > 0).then_some(body)));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    let mime = mime(wants_json);
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(mime));
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        fields.insert(header::ALLOW, ALLOW);
    }
    let closes = closes(reason) && watch.is_closed_by_field();
    if closes {
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
        watch.lingers();
    }
    watch.status = Some(status.as_u16());
    watch.response_mime = Some(HeaderValue::from_static(mime));
    let mut counted = fields.clone();
    let closing = if closes { "connection: close\r\n".len() as u64 } else { 0 };
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

/// The media type of an answer.
const fn mime(wants_json: bool) -> &'static str {
    if wants_json { "application/json" } else { "text/plain" }
}

/// The text of the answer: what happened, and the numbers under which the record stands, named as filters
/// of `lbproxy log` name its fields. The record of a connection has no number of a request.
fn body(refusal: Refusal, wants_json: bool, (connection, request): (u64, Option<u64>)) -> Bytes {
    let (status, reason) = (refusal.status.as_u16(), refusal.reason.as_str());
    let phrase = refusal.status.canonical_reason().unwrap_or("");
    let mut text = String::with_capacity(128);
    // Nothing that the client sent stands in it, so there is nothing to escape.
    let (before_request, end) = if wants_json {
        let _ = write!(
            text,
            r#"{{"status":{status},"error":"{phrase}","reason":"{reason}","connection":{connection}"#
        );
        (r#","request":"#, "}\n")
    } else {
        let _ = write!(text, "{status} {phrase}\nreason: {reason}\nconnection: {connection}");
        ("\nrequest: ", "\n")
    };
    if let Some(request) = request {
        let _ = write!(text, "{before_request}{request}");
    }
    text.push_str(end);
    Bytes::from(text)
}

/// The whole answer, as HTTP/1.1 writes it, to a request that never became an exchange.
pub(super) fn last_words(refusal: Refusal, connection: &Connection) -> Vec<u8> {
    let wants_json = connection.scanner.borrow().wants_json();
    let body = body(refusal, wants_json, (connection.id, None));
    let mut head = String::with_capacity(512);
    let _ = write!(
        head,
        "HTTP/1.1 {} {}\r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: close\r\n\
         date: {}\r\n\r\n",
        refusal.status.as_u16(),
        refusal.status.canonical_reason().unwrap_or(""),
        mime(wants_json),
        body.len(),
        httpdate::fmt_http_date(SystemTime::now()),
    );
    [head.as_bytes(), &body].concat()
}
