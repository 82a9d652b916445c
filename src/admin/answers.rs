//! Answers of the API in JSON, and mistakes: what, where, how to mend it.

use axum::Json;
use axum::extract::RawQuery;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// An answer in JSON that nobody keeps.
pub(super) fn answer(value: &Value) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(value)).into_response()
}

/// A mistake of the asker.
pub(super) fn mistake(problem: &str, cure: &str) -> Response {
    refused(StatusCode::BAD_REQUEST, problem, cure)
}

/// What is wrong, and how to mend it.
pub(super) fn refused(status: StatusCode, problem: &str, cure: &str) -> Response {
    (status, Json(json!({ "problem": problem, "cure": cure }))).into_response()
}

/// What is not configured, and how to configure it.
pub(super) fn off(problem: &str, cure: &str) -> Response {
    let text = Json(json!({ "problem": problem, "cure": cure, "is_off": true }));
    (StatusCode::NOT_FOUND, text).into_response()
}

/// The last value of a parameter; `None` when it is absent.
pub(super) fn parameter(RawQuery(query): &RawQuery, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(query.as_deref().unwrap_or("").as_bytes());
    pairs.filter(|(key, _)| key == name).last().map(|(_, value)| value.into_owned())
}
