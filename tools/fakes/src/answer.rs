//! One request of the mock: let in, read, recorded, sent to what answers it.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::{oneshot, watch};

use super::body::Body;
use super::bulk::{self, Heard, Job, Listed};
use super::refusal::Refusal;
use super::request::{self, Target, Unread};
use super::search;
use super::state::Shared;
use super::{Outage, Product, Seen, action, dashboards, filter, setup};

/// Field by which requests are found in the list of tasks.
const OPAQUE_ID: HeaderName = HeaderName::from_static("x-opaque-id");

/// What a connection knows of its node.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) node: usize,
    /// How many nodes there are.
    pub(super) nodes: usize,
    /// Script, store, requests seen.
    pub(super) shared: Arc<Shared>,
    /// How the node is out of order.
    pub(super) outage: watch::Receiver<Outage>,
}

/// The connection shall be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
pub(super) struct Closed;

/// A bulk request whose caller waits; counted until dropped.
#[derive(Debug)]
struct InFlight(Arc<Shared>);

impl InFlight {
    /// Counts one more.
    fn new(shared: &Arc<Shared>) -> Self {
        let mut state = shared.lock();
        state.in_flight += 1;
        state.in_flight_max = state.in_flight_max.max(state.in_flight);
        Self(Arc::clone(shared))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}

/// Answers one request.
///
/// # Errors
/// [`Closed`] ends the connection.
pub(super) async fn answer(
    session: Rc<Session>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Closed> {
    let (parts, mut body) = request.into_parts();
    let target = Target::new(&parts.uri);
    let is_bulk = target.segments.last().is_some_and(|segment| segment == "_bulk");
    // Read before it counts as in flight: whoever waits for that may end the outage.
    let outage = *session.outage.borrow();
    let _in_flight = is_bulk.then(|| InFlight::new(&session.shared));
    let (bytes_max, product, is_allowed, is_dashboards, scripted) = {
        let state = session.shared.lock();
        let is_allowed = request::is_allowed(state.credentials.as_ref(), &parts.headers)
            || state.setup.knows(&parts.headers);
        let is_dashboards = dashboards::is_for(&state, &target);
        let scripted = state.setup.scripted(&parts);
        (state.body_bytes_max, state.product, is_allowed, is_dashboards, scripted)
    };
    let read = request::read(&mut body, bytes_max).await;
    let body_bytes = read.as_ref().map_or(0, Bytes::len);
    let place = session.shared.lock().record(seen(session.node, &parts, body_bytes));
    let heard = match outage {
        Outage::Silent => std::future::pending().await,
        Outage::Unreachable => Heard::Close,
        Outage::Unavailable => Refusal::usual(product, 503).into(),
        Outage::None if !is_allowed => Refusal::usual(product, 401).into(),
        Outage::None if scripted.is_some() => scripted.unwrap_or(Heard::Close),
        Outage::None if is_dashboards => match read {
            Ok(body) => dashboards::answer(&mut session.shared.lock(), &parts, &target, &body),
            Err(_) => Refusal::usual(product, 413).into(),
        },
        Outage::None => match unpack(product, &parts, read, bytes_max) {
            Ok(body) if is_bulk => bulk(&session, &parts, &target, body, place).await,
            Ok(body) => plain(&session, &parts, &target, &body),
            Err(heard) => heard,
        },
    };
    if let (Some(status), Some(place)) = (heard.status(), place) {
        session.shared.lock().answered(place, status);
    }
    respond(heard, product, &parts).await
}

/// The record of a request.
fn seen(node: usize, parts: &http::request::Parts, body_bytes: usize) -> Seen {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    Seen {
        node,
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: headers.collect(),
        body_bytes,
        items: None,
        status: None,
    }
}

/// The body of a request, unpacked.
fn unpack(
    product: Product,
    parts: &http::request::Parts,
    read: Result<Bytes, Unread>,
    bytes_max: usize,
) -> Result<Bytes, Heard> {
    let refuse = |unread| match unread {
        Unread::TooLong => Refusal::usual(product, 413).into(),
        Unread::Broken => Heard::Close,
    };
    let body = read.map_err(refuse)?;
    request::check_format(product, &parts.headers, !body.is_empty()).map_err(Heard::from)?;
    request::unpack(&parts.headers, body, bytes_max).map_err(refuse)
}

async fn bulk(
    session: &Session,
    parts: &http::request::Parts,
    target: &Target,
    body: Bytes,
    place: Option<usize>,
) -> Heard {
    let product = session.shared.lock().product;
    let name = match target.segments.as_slice() {
        [_] => None,
        [name, _] => Some(name.as_str()),
        _ => return Refusal::no_handler(product, parts).into(),
    };
    if ![Method::POST, Method::PUT].contains(&parts.method) {
        return Refusal::no_handler(product, parts).into();
    }
    let checked = request::check_bulk_parameters(product, parts.uri.path(), target);
    let actions = match checked.and_then(|()| action::read(&body, name)) {
        Ok(actions) => actions,
        Err(refusal) => return refusal.into(),
    };
    let step = {
        let mut state = session.shared.lock();
        if let Some(seen) = place.and_then(|place| state.seen.get_mut(place)) {
            seen.items = Some(actions.len());
        }
        if !state.has_room(body.len()) {
            state.refused_full += 1;
            return Refusal::usual(product, 429).into();
        }
        state.next_step()
    };
    let job = Job {
        shared: Arc::clone(&session.shared),
        node: session.node,
        opaque_id: request::text(&parts.headers, &OPAQUE_ID).map(str::to_owned),
        body_bytes: body.len(),
        actions,
        step,
        filters: target.parameter("filter_path").map(str::to_owned),
        requires_stream: target.is_set("require_data_stream"),
        refreshes: target.is_set("refresh"),
    };
    let (caller, heard) = oneshot::channel();
    let listed = Listed::new(&job);
    tokio::task::spawn_local(bulk::run(job, listed, caller));
    heard.await.unwrap_or(Heard::Close)
}

fn plain(session: &Session, parts: &http::request::Parts, target: &Target, body: &[u8]) -> Heard {
    let mut state = session.shared.lock();
    let state = &mut *state;
    let path: Vec<_> = target.segments.iter().map(String::as_str).collect();
    let of_setup = setup::answer(state, parts, target, body);
    let answer = of_setup.unwrap_or_else(|| match (parts.method.as_str(), path.as_slice()) {
        ("GET" | "HEAD", []) => search::main(state),
        ("GET", ["_cluster", "health"]) => Ok(search::health(state, session.nodes)),
        ("PUT" | "POST", ["_index_template", name]) => search::put_template(state, name, body),
        ("GET" | "HEAD", ["_index_template", name]) => search::templates(state, name),
        ("GET" | "HEAD", ["_index_template"]) => search::templates(state, "*"),
        ("GET", ["_resolve", "index", names]) => search::resolve(state, target, names),
        ("GET", ["_tasks"]) => Ok(search::tasks(state, target)),
        ("POST", [name, "_rollover"]) => search::rollover(state, name),
        ("GET", [names, "_mapping"]) => search::mapping(state, names),
        ("POST" | "GET", [names, "_refresh"]) => search::refresh(state, names),
        ("POST" | "GET", [names, "_search"]) => search::search(state, names, body),
        ("POST" | "GET", [names, "_count"]) => search::count(state, names, body),
        _ => Err(Refusal::no_handler(state.product, parts)),
    });
    match (answer, target.parameter("filter_path")) {
        (Ok(answer), None) => Heard::Answer(200, answer.to_string().into()),
        (Ok(answer), Some(filters)) => {
            Heard::Answer(200, filter::apply(filters, &answer).to_string().into())
        }
        (Err(refusal), _) => refusal.into(),
    }
}

async fn respond(
    heard: Heard,
    product: Product,
    parts: &http::request::Parts,
) -> Result<Response<Body>, Closed> {
    let (status, bytes, is_cut) = match heard {
        Heard::Close => return Err(Closed),
        Heard::Silence => std::future::pending().await,
        Heard::Answer(status, bytes) => (status, bytes, false),
        Heard::Half(bytes) => (200, bytes, true),
    };
    let length = bytes.len() as u64;
    let content_type = match product {
        _ if !bytes.starts_with(b"{") => "text/plain; charset=UTF-8",
        Product::OpenSearch => "application/json; charset=UTF-8",
        Product::Elasticsearch | Product::ElasticsearchReduced => "application/json",
    };
    let body = if is_cut { Body::half(&bytes) } else { Body::whole(bytes) };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length.into());
    if length > 0 {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if product != Product::OpenSearch && ![401, 413].contains(&status) {
        headers.insert("x-elastic-product", HeaderValue::from_static("Elasticsearch"));
    }
    if status == 401 {
        let realm = HeaderValue::from_static("Basic realm=\"security\", charset=\"UTF-8\"");
        headers.insert(WWW_AUTHENTICATE, realm);
    }
    if let Some(opaque_id) = parts.headers.get(OPAQUE_ID) {
        headers.insert(OPAQUE_ID, opaque_id.clone());
    }
    Ok(response)
}
