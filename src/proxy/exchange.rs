//! One request and its response: rules, route, permit, attempts, answer.
//!
//! Invariant: every way out of [`run`] either answers with a finished record or hands the stopwatch
//! to the response body, which finishes it.

use std::convert::Infallible;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};

use super::body::{Relay, RequestBody, ResponseBody, Upload};
use super::connection::Connection;
use super::endpoint::{self, Endpoint, Lease, Load};
use super::headers;
use super::limit::Deadline;
use super::queue::Entered;
use super::respond::refuse;
use super::rules::{self, Refusal};
use super::service::Service;
use super::stopwatch::{Attempt, Stopwatch};
use super::worker::Worker;
use crate::config::WhenFull;
use crate::record::{Phase, Reason};

/// Serves one request.
///
/// # Errors
/// Never: every failure has an answer.
pub(super) async fn run(
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let (mut parts, body) = request.into_parts();
    let mut watch = Stopwatch::start(&worker, &connection, &parts);
    let service = match admit(&worker, &connection, &mut parts, &mut watch) {
        Ok(service) => service,
        Err(refusal) => {
            watch.is_probe = is_probe(&worker, &parts, refusal);
            return Ok(refuse(watch, refusal));
        }
    };
    watch.service = Some(Rc::clone(&service));
    if let Err(refusal) = acquire_permit(&worker, &service, &mut watch).await {
        return Ok(refuse(watch, refusal));
    }
    let body = take_body(&worker, &connection, &service, body, &mut watch);
    if body.size_hint().exact().is_none() {
        // Unless the head says so, hyper sends no body of unknown length with GET and HEAD.
        parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let request = Request::from_parts(parts, body);
    Ok(match attempt_all(&worker, &service, request, &mut watch).await {
        Ok((response, lease)) => relay(&worker, &service, response, lease, watch),
        Err(refusal) => refuse(watch, refusal),
    })
}

/// Whether a request answered here is the heartbeat's own.
fn is_probe(worker: &Worker, parts: &Parts, refusal: Refusal) -> bool {
    refusal.reason == Reason::AnsweredLocally
        && worker.probe_token.is_some()
        && parts.headers.get(super::PROBE_FIELD) == worker.probe_token.as_ref()
}

/// Rules and route; afterwards the head is what the endpoint gets.
fn admit(
    worker: &Worker,
    connection: &Connection,
    parts: &mut Parts,
    watch: &mut Stopwatch,
) -> Result<Rc<Service>, Refusal> {
    let limits = &connection.listener.limits;
    let host = rules::check(parts, &watch.survey, watch.head(), limits)?;
    watch.host = Some(host.clone());
    if worker.when_full == WhenFull::Reject && worker.is_journal_full() {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Reason::JournalFull));
    }
    if watch.survey.has_via && worker.via.is_in(&parts.headers) {
        return Err(Refusal::new(StatusCode::LOOP_DETECTED, Reason::LoopDetected));
    }
    let service = worker
        .service_for(host.to_str().unwrap_or_default())
        .ok_or(Refusal::new(StatusCode::NOT_FOUND, Reason::NoRoute))?;
    rules::check_for(&service.config, parts.uri.path(), &watch.survey)?;
    let via = worker.via.of(parts.version);
    headers::to_upstream(&mut parts.headers, &watch.survey, connection, &host, via);
    if watch.trace.is_some_and(|trace| trace.parent_id.is_none()) {
        headers::forget_trace(&mut parts.headers, &watch.survey);
    }
    parts.version = Version::HTTP_11;
    if parts.uri.authority().is_some() {
        let target = parts.uri.path_and_query().cloned();
        parts.uri = target.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
    Ok(service)
}

/// A permit to be under way, at once or after a wait; needs none where the service has no limit.
async fn acquire_permit(
    worker: &Worker,
    service: &Service,
    watch: &mut Stopwatch,
) -> Result<(), Refusal> {
    let Some(queue) = &service.queue else { return Ok(()) };
    watch.phase = Phase::Queue;
    let refused = |reason| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason);
    let permit = match queue.enter() {
        Entered::Now(permit) => {
            watch.queue = (Some(watch.started), Some(watch.started));
            permit
        }
        Entered::Waits(wait) => {
            watch.queue.0 = Some(wait.since);
            let permit = wait.turn(&worker.timer).await.ok_or(refused(Reason::QueueTimeout))?;
            watch.queue.1 = Some(Instant::now());
            permit
        }
        Entered::Full => return Err(refused(Reason::QueueFull)),
    };
    watch.permit = Some(permit);
    Ok(())
}

/// The body to send, with what the stopwatch sees of it.
fn take_body(
    worker: &Worker,
    connection: &Connection,
    service: &Service,
    body: Incoming,
    watch: &mut Stopwatch,
) -> RequestBody {
    if body.is_end_stream() {
        return RequestBody::empty();
    }
    let idle = connection.listener.timeouts.idle;
    let most = service.config.limits.body_bytes;
    let (body, upload) = RequestBody::streamed(body, idle, most, &worker.timer);
    watch.upload = Some(upload);
    body
}

struct Failure {
    reason: Reason,
    /// The request, when it may be sent again.
    request: Option<Request<RequestBody>>,
}

/// Attempts until one gives a response head. Another endpoint is tried only when no connection could
/// be made; a stale pooled connection is replaced by a fresh one to the same endpoint.
async fn attempt_all(
    worker: &Rc<Worker>,
    service: &Rc<Service>,
    mut request: Request<RequestBody>,
    watch: &mut Stopwatch,
) -> Result<(Response<Incoming>, Lease), Refusal> {
    let mut tried: Vec<Rc<Endpoint>> = Vec::new();
    loop {
        let first = watch.queue.1.unwrap_or(watch.started);
        let begun = if tried.is_empty() { first } else { Instant::now() };
        if tried.is_empty() {
            watch.phase = Phase::Queue;
        }
        let now_ms = worker.millis_at(begun);
        let Some((endpoint, entry)) = service.pick(&tried, now_ms) else {
            return Err(watch.failed.last().map_or(
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Reason::NoEndpoint),
                |attempt| answer_to(attempt.reason),
            ));
        };
        watch.endpoint = Some(Rc::clone(&endpoint));
        (watch.attempt_begun, watch.stale) = (Some(begun), Duration::ZERO);
        watch.attempts += 1;
        if let Some(trace) = &watch.trace {
            headers::set_trace(request.headers_mut(), trace, watch.attempts);
        }
        let load = Load::new(&endpoint, entry);
        match attempt(worker, service, &endpoint, request, watch).await {
            Ok((response, mut lease)) => {
                load.head();
                lease.carry(load); // until the response has ended
                return Ok((response, lease));
            }
            Err(failure) => {
                load.end(failure.reason, worker.millis_at(Instant::now()));
                match failure.request {
                    Some(again) if watch.attempts < u64::from(service.config.retry.attempts) => {
                        watch.failed.push(Attempt {
                            endpoint: Rc::clone(&endpoint),
                            reason: failure.reason,
                            took: begun.elapsed(),
                        });
                        tried.push(endpoint);
                        request = again;
                    }
                    _ => return Err(answer_to(failure.reason)),
                }
            }
        }
    }
}

/// One attempt at one endpoint: connection from the pool or fresh, send, wait for the head.
async fn attempt(
    worker: &Rc<Worker>,
    service: &Service,
    endpoint: &Rc<Endpoint>,
    mut request: Request<RequestBody>,
    watch: &mut Stopwatch,
) -> Result<(Response<Incoming>, Lease), Failure> {
    let begun = watch.attempt_begun.unwrap_or(watch.started);
    if let Some(mut lease) = ready_lease(endpoint, begun).await {
        endpoint.metrics.connections_reused_total.add_owned(1);
        watch.reused = Some((true, lease.requests));
        watch.sent = Some(Instant::now());
        let line = keep(&mut lease, &request);
        watch.phase = Phase::Head;
        match send(worker, service, &mut lease, request, watch).await {
            Ok(response) => return Ok((response, lease)),
            Err(Failure { reason: Reason::UpstreamClosed, request: unsent }) => {
                match unsent.or_else(|| line.map(|line| once_more(line, &lease))) {
                    Some(again) => request = again,
                    None => return Err(Failure { reason: Reason::UpstreamClosed, request: None }),
                }
            }
            Err(failure) => return Err(failure),
        }
    }
    // Whatever was seen of a pooled connection is not what this exchange rides.
    watch.stale = watch.sent.take().map_or(Duration::ZERO, |sent| sent.elapsed());
    (watch.phase, watch.reused) = (Phase::Connect, None);
    let opened = match endpoint::open(endpoint, &worker.timer, &worker.shortages).await {
        Ok(opened) => opened,
        Err(reason) => return Err(Failure { reason, request: Some(request) }),
    };
    (watch.dns, watch.connect) = (opened.dns, Some(opened.connect));
    watch.reused = Some((false, 1));
    watch.sent = Some(Instant::now());
    watch.phase = Phase::Head;
    let mut lease = Lease::opened(endpoint, opened.sender);
    match send(worker, service, &mut lease, request, watch).await {
        Ok(response) => Ok((response, lease)),
        Err(failure) => Err(Failure { request: None, ..failure }),
    }
}

/// A pooled connection that can take a request now.
async fn ready_lease(endpoint: &Rc<Endpoint>, now: Instant) -> Option<Lease> {
    while let Some(mut lease) = Lease::take(endpoint, now) {
        if let Some(sender) = lease.sender()
            && (sender.is_ready() || sender.ready().await.is_ok())
        {
            return Some(lease);
        }
    }
    None
}

/// Method and target of a request.
type Line = (Method, Uri);

/// Keeps a request that may be sent twice (RFC 9110 §9.2.2) and has no body: a pooled connection may
/// just be closing at the other end. Nothing is allocated: its fields go into the connection's buffer.
fn keep(lease: &mut Lease, request: &Request<RequestBody>) -> Option<Line> {
    if !request.body().is_end_stream() || !request.method().is_idempotent() {
        return None;
    }
    lease.kept.keep(request.headers());
    Some((request.method().clone(), request.uri().clone()))
}

/// The request that `lease` keeps.
fn once_more((method, uri): Line, lease: &Lease) -> Request<RequestBody> {
    let mut request = Request::new(RequestBody::empty());
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    *request.headers_mut() = lease.kept.fields();
    request
}

/// Sends a request and waits for the response head, as long as the service allows.
async fn send(
    worker: &Rc<Worker>,
    service: &Service,
    lease: &mut Lease,
    request: Request<RequestBody>,
    watch: &Stopwatch,
) -> Result<Response<Incoming>, Failure> {
    let Some(sender) = lease.sender() else {
        return Err(Failure { reason: Reason::Internal, request: Some(request) });
    };
    let limit = service.config.timeouts.first_byte;
    let deadline = Deadline::new(&worker.timer);
    deadline.set(limit);
    let upload = watch.upload.clone();
    let mut answer = std::pin::pin!(sender.try_send_request(request));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(result) = answer.as_mut().poll(cx) {
            return Poll::Ready(result.map_err(|mut error| Failure {
                reason: reason_of(error.error(), upload.as_deref()),
                request: error.take_message(),
            }));
        }
        while deadline.poll(cx).is_ready() {
            // While a body is still coming, the endpoint is not late: count from its last byte.
            match upload.as_deref().and_then(|upload| upload_rest(upload, limit)) {
                Some(rest) => deadline.set(rest),
                None => {
                    return Poll::Ready(Err(Failure {
                        reason: Reason::FirstByteTimeout,
                        request: None,
                    }));
                }
            }
        }
        Poll::Pending
    })
    .await
}

/// What is left of `limit` since the last byte of a body, if any is.
fn upload_rest(upload: &Upload, limit: Duration) -> Option<Duration> {
    let rest = limit.saturating_sub(upload.last.get().elapsed());
    (!rest.is_zero()).then_some(rest)
}

/// The record's word for a failed send.
fn reason_of(error: &hyper::Error, upload: Option<&Upload>) -> Reason {
    if let Some(fault) = upload.and_then(|upload| upload.fault.get()) {
        fault
    } else if error.is_parse() {
        Reason::UpstreamBadResponse
    } else {
        Reason::UpstreamClosed
    }
}

/// The answer to the client when an attempt failed for `reason`.
fn answer_to(reason: Reason) -> Refusal {
    let status = match reason {
        Reason::ConnectTimeout | Reason::FirstByteTimeout => StatusCode::GATEWAY_TIMEOUT,
        Reason::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Reason::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
        Reason::BadBody | Reason::DownstreamClosed => StatusCode::BAD_REQUEST,
        Reason::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Reason::NoDescriptor | Reason::NoLocalPort | Reason::NoMemory | Reason::ConnectDenied => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::BAD_GATEWAY,
    };
    Refusal::new(status, reason)
}

/// Turns the endpoint's response into ours.
fn relay(
    worker: &Worker,
    service: &Service,
    response: Response<Incoming>,
    mut lease: Lease,
    mut watch: Box<Stopwatch>,
) -> Response<ResponseBody> {
    let now = Instant::now();
    watch.response_head = Some(now);
    let (mut parts, body) = response.into_parts();
    if parts.version < Version::HTTP_11 {
        // hyper goes on in HTTP/1.0, and drops each body whose length is not known.
        lease.retire(now);
    }
    watch.upstream_status = Some(parts.status.as_u16());
    let survey = headers::to_downstream(&mut parts.headers);
    // Nobody asked to switch: `Upgrade` is not sent on (RFC 9110 §7.8).
    if parts.status == StatusCode::SWITCHING_PROTOCOLS || survey.has_other_coding {
        lease.end(Reason::UpstreamBadResponse, worker.millis_at(now));
        return refuse(watch, answer_to(Reason::UpstreamBadResponse));
    }
    let is_empty = body.is_end_stream();
    if parts.status == StatusCode::NO_CONTENT {
        parts.headers.remove(CONTENT_LENGTH); // RFC 9110 §8.6
    }
    parts.version = Version::HTTP_11;
    watch.status = Some(parts.status.as_u16());
    watch.phase = Phase::Data;
    watch.is_chunked = watch.is_h1() && !is_empty && body.size_hint().exact().is_none();
    watch.response_head_bytes = survey.head_bytes(parts.status, watch.is_chunked);
    watch.response_mime = survey.mime;
    if is_empty {
        if watch.method == Method::HEAD {
            // Its length describes what GET would have sent.
        } else if body.size_hint().exact() == Some(0)
            && !parts.headers.contains_key(CONTENT_LENGTH)
            && parts.status != StatusCode::NO_CONTENT
            && parts.status != StatusCode::NOT_MODIFIED
        {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            watch.response_head_bytes += "content-length: 0\r\n".len() as u64;
        }
        let now = watch.finish(Reason::Complete);
        lease.end(Reason::Complete, worker.millis_at(now));
        if watch.is_upload_over() {
            lease.give_back(now);
        }
        let has_length = parts.headers.contains_key(CONTENT_LENGTH);
        let body = match parts.status {
            StatusCode::NOT_MODIFIED if has_length => ResponseBody::Unsaid,
            _ => ResponseBody::Local(None),
        };
        return Response::from_parts(parts, body);
    }
    let idle = service.config.timeouts.idle;
    let body = ResponseBody::Relay(Relay::new(body, watch, lease, idle, &worker.timer));
    Response::from_parts(parts, body)
}
