//! One request of the mock: read it, decide what its script asks for, answer.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use super::super::body::{Content, Ending, PacedBody, Parts};
use super::echo::{self, Received};
use super::raw::Plan;
use super::script::{After, Fault, Manner, Mistake, Place, Script};
use super::socket::Socket;
use super::{Seen, State};

/// One connection of the mock.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) state: Rc<State>,
    /// The socket, shared with the HTTP library.
    pub(super) socket: Socket,
    /// An answer to be played without the library, once it has given the socket back.
    pub(super) plan: RefCell<Option<Plan>>,
    /// Ordinal of the connection.
    pub(super) id: u64,
    pub(super) peer: SocketAddr,
}

/// The library shall stop serving this connection: it failed, or a [`Plan`] comes next.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not the library's")]
pub(super) struct Broken;

/// Answers one request.
///
/// # Errors
/// [`Broken`] ends the connection (HTTP/1) or resets the stream (HTTP/2).
pub(super) async fn answer(
    session: Rc<Session>,
    request: Request<Incoming>,
) -> Result<Response<PacedBody>, Broken> {
    let state = &session.state;
    let number = state.count_request();
    let (parts, mut body) = request.into_parts();
    let mut mistake = None;
    let script = script_of(state, &parts).unwrap_or_else(|found| {
        mistake = Some(found);
        Script::default()
    });
    let is_echo = script.size.is_none();
    let head = session.socket.take_head();
    let headers =
        if is_echo || state.records() { echo::fields_received(&head, &parts) } else { Vec::new() };
    wait(script.read_delay).await;
    let received = if script.is_unread {
        Received::default()
    } else {
        Received::read(&mut body, is_echo).await.map_err(|_| Broken)?
    };
    if state.keeps_heads() {
        session.socket.await_head();
    }
    let place = echo::Place {
        name: &state.name,
        request: number,
        peer: session.peer,
        connection: session.id,
    };
    let content = match script.size {
        Some(size) => Content::Pattern(size),
        None => Content::Bytes(echo::write(place, &parts, &headers, &received).into()),
    };
    state.record(|| Seen {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        version: echo::version_text(parts.version),
        headers,
        body_bytes: received.bytes,
        body_crc32c: received.crc32c,
        connection: session.id,
    });
    if let Some(mistake) = mistake {
        return Ok(refusal(&mistake));
    }
    wait(script.delay).await;
    respond(&session, &parts, &script, content).await
}

/// What is done to a request: the mock's own script, then its imperfection, then the request's.
fn script_of(state: &State, parts: &http::request::Parts) -> Result<Script, Mistake> {
    let mut script = state.script.clone();
    state.imperfection.apply(&mut state.rng.borrow_mut(), &mut script);
    if let Some(query) = parts.uri.query() {
        script.apply_query(query)?;
    }
    script.apply_headers(&parts.headers)?;
    Ok(script)
}

/// Waits, unless it is for nothing.
async fn wait(delay: std::time::Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// Tells the caller what is wrong with its script.
fn refusal(mistake: &Mistake) -> Response<PacedBody> {
    let text = Bytes::from(format!("{mistake}\n"));
    let mut response = Response::new(PacedBody::whole(Content::Bytes(text)));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// Answers as the script asks.
async fn respond(
    session: &Session,
    parts: &http::request::Parts,
    script: &Script,
    content: Content,
) -> Result<Response<PacedBody>, Broken> {
    let status = script.status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::OK);
    let content_type = if script.size.is_some() { "text/plain" } else { "application/json" };
    let is_bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let has_body = parts.method != Method::HEAD && !is_bodiless;
    let is_http2 = parts.version == Version::HTTP_2;
    if script.needs_raw() && !is_http2 {
        let is_last = parts.version == Version::HTTP_10
            || script.is_unread
            || parts.headers.get(CONNECTION).is_some_and(|value| value == "close");
        let plan = Plan::new(script, status, content, content_type, has_body, is_last);
        session.plan.replace(Some(plan));
        return Err(Broken);
    }
    let length = content.len();
    let mut body = PacedBody::whole(if has_body { content.clone() } else { Content::Pattern(0) });
    if let Some(fault) = script.fault {
        body = broken_body(fault, script, content).await?;
    } else if script.raw.is_some() {
        return Err(Broken); // Raw bytes have no meaning in a frame.
    } else if let (Some(chunks), true) = (script.chunks, has_body) {
        let end = content.len();
        body.parts = Parts::new(content, chunks, end);
    }
    body.pause = script.chunk_delay;
    body.hides_length = script.chunked && has_body;
    if !script.trailers.is_empty() && has_body {
        body.trailers = Some(header_map(&script.trailers));
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if !is_bodiless {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if parts.method == Method::HEAD && !script.chunked {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers.extend(header_map(&script.headers));
    if script.after == After::Close && !is_http2 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// A body that breaks off, for HTTP/2.
async fn broken_body(fault: Fault, script: &Script, content: Content) -> Result<PacedBody, Broken> {
    match fault {
        Fault { place: Place::Body, manner } => {
            let end = script.cut.unwrap_or(content.len() / 2);
            let is_hanging = manner == Manner::Hang;
            let mut body = PacedBody::whole(Content::Pattern(0));
            body.parts = Parts::new(content, script.chunks.unwrap_or(1), end);
            body.ending = if is_hanging { Ending::Never } else { Ending::Error };
            Ok(body)
        }
        Fault { manner: Manner::Hang, .. } => std::future::pending().await,
        Fault { .. } => Err(Broken),
    }
}

/// Fields for the library; the script has checked them.
fn header_map(fields: &[(String, String)]) -> HeaderMap {
    let parsed = fields.iter().filter_map(|(name, value)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    });
    let mut map = HeaderMap::new();
    for (name, value) in parsed {
        map.append(name, value);
    }
    map
}
