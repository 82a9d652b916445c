//! The stopwatch of one exchange: starts with the request, ends in exactly one record.
//!
//! Invariant: no exit path can skip the record. Whoever holds the stopwatch finishes it; dropped
//! unfinished (hyper drops the exchange when the downstream leaves), it finishes itself.
//! The clock is read at the start, when the request is sent, at the response head, and once at the
//! end; everything else is derived. Not here: what the fields mean (`record::access`).

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::header::HeaderValue;
use http::request::Parts;
use http::{Method, Uri, Version};

use super::body::Upload;
use super::connection::Connection;
use super::endpoint::Endpoint;
use super::headers::Survey;
use super::queue::Permit;
use super::route;
use super::scan::Head;
use super::service::Service;
use super::streams::Stall;
use super::worker::Worker;
use crate::base::clock::{micros, wall_ms};
use crate::base::trace::{Context, Share};
use crate::record::{
    AccessRecord, Bytes, Count, EcsNanos, Flag, Ip, Micros, MicrosList, Outcome, Phase, Port,
    Reason, State, Status, Stream, Text, TextList, TimestampMs,
};

/// One attempt, kept only once there is a second.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) endpoint: Rc<Endpoint>,
    /// How it failed, or `complete`.
    pub(super) reason: Reason,
    /// From its begin to its failure.
    pub(super) took: Duration,
}

/// What is measured of one exchange.
#[derive(Debug)]
pub(super) struct Stopwatch {
    /// Where the record goes.
    pub(super) worker: Rc<Worker>,
    /// The connection it came on.
    connection: Rc<Connection>,
    /// Its ordinal on the connection.
    ordinal: u64,
    /// What the scanner saw of the head; absent for HTTP/2.
    head: Option<Head>,
    /// When the head was complete.
    pub(super) started: Instant,
    /// Wait on the open connection before the first byte.
    idle: Option<Duration>,
    /// The client as far as it is believed.
    client_ip: IpAddr,
    /// The HTTP/2 stream it came on.
    pub(super) stream: Option<Rc<Stall>>,
    pub(super) method: Method,
    target: Uri,
    version: Version,
    /// Fields noted on the way.
    pub(super) survey: Survey,
    /// Its server span, if there are spans.
    pub(super) trace: Option<Context>,
    /// Value of `Host` to go by.
    pub(super) host: Option<HeaderValue>,
    pub(super) phase: Phase,
    /// Whether it is the heartbeat's own: it leaves no record.
    pub(super) is_probe: bool,
    pub(super) service: Option<Rc<Service>>,
    /// Its permit, where the service limits exchanges under way; held until this one has ended.
    pub(super) permit: Option<Permit>,
    /// When it began to wait for that permit, and when it had it: both at the start when one was free.
    pub(super) queue: (Option<Instant>, Option<Instant>),
    /// Endpoint of the last attempt.
    pub(super) endpoint: Option<Rc<Endpoint>>,
    pub(super) attempts: u64,
    pub(super) failed: Vec<Attempt>,
    /// Time that the last attempt lost on a pooled connection that had just been closed.
    pub(super) stale: Duration,
    /// Name look-up of the connection this exchange opened.
    pub(super) dns: Option<Duration>,
    /// Connect of the connection this exchange opened.
    pub(super) connect: Option<Duration>,
    /// Whether the connection came from the pool, and its ordinal there.
    pub(super) reused: Option<(bool, u64)>,
    /// When the last attempt was sent.
    pub(super) sent: Option<Instant>,
    /// When the last attempt began (pick).
    pub(super) attempt_begun: Option<Instant>,
    /// When the response head came.
    pub(super) response_head: Option<Instant>,
    pub(super) upstream_status: Option<u16>,
    /// Status to the downstream.
    pub(super) status: Option<u16>,
    /// `Content-Type` of the response.
    pub(super) response_mime: Option<HeaderValue>,
    /// Bytes of the response head.
    pub(super) response_head_bytes: u64,
    /// Whether the body goes out in chunks, whose framing counts.
    pub(super) is_chunked: bool,
    /// Bytes of the response body.
    response_body_bytes: u64,
    /// Bytes that chunked framing added.
    framing_bytes: u64,
    /// The request body, if there is one.
    pub(super) upload: Option<Rc<Upload>>,
    /// Whether the record is written.
    is_finished: Cell<bool>,
}

impl Stopwatch {
    /// Starts with a request whose head is complete.
    pub(super) fn start(
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        parts: &Parts,
    ) -> Box<Self> {
        let started = Instant::now();
        let (ordinal, head) = connection.begin();
        worker.metrics.requests_in_flight.add_owned(1);
        let idle = head
            .filter(|_| ordinal > 1)
            .map(|head| head.first_byte.saturating_duration_since(connection.last_end.get()));
        let survey = Survey::of(&parts.headers);
        let trace = worker.traces.map(|share| trace(&survey, share));
        Box::new(Self {
            worker: Rc::clone(worker),
            connection: Rc::clone(connection),
            ordinal,
            head,
            started,
            idle,
            client_ip: connection.client_of(&parts.headers),
            stream: connection.stream(),
            method: parts.method.clone(),
            target: parts.uri.clone(),
            version: parts.version,
            survey,
            trace,
            host: None,
            phase: Phase::Request,
            is_probe: false,
            service: None,
            permit: None,
            queue: (None, None),
            endpoint: None,
            attempts: 0,
            failed: Vec::new(),
            stale: Duration::ZERO,
            dns: None,
            connect: None,
            reused: None,
            sent: None,
            attempt_begun: None,
            response_head: None,
            upstream_status: None,
            status: None,
            response_mime: None,
            response_head_bytes: 0,
            is_chunked: false,
            response_body_bytes: 0,
            framing_bytes: 0,
            upload: None,
            is_finished: Cell::new(false),
        })
    }

    /// What the scanner saw of the head.
    pub(super) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Whether the downstream speaks HTTP/1.1, where a body of unknown length goes out in chunks.
    pub(super) fn is_h1(&self) -> bool {
        self.version == Version::HTTP_11
    }

    /// Numbers of connection and request, as the record has them: for people who report an error page.
    pub(super) fn numbers(&self) -> (u64, Option<u64>) {
        (self.connection.id, Some(self.ordinal))
    }

    /// The connection closes after the answer, whatever the downstream still sends.
    pub(super) fn lingers(&self) {
        self.connection.lingers.set(true);
    }

    /// Whether a connection is closed by a field; HTTP/2 has frames for that.
    pub(super) fn is_closed_by_field(&self) -> bool {
        self.version <= Version::HTTP_11
    }

    /// Whether the downstream has let its stream wait for too long.
    fn has_stalled(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.is_over())
    }

    /// Whether the downstream has nothing left to send.
    pub(super) fn is_upload_over(&self) -> bool {
        self.upload.as_ref().is_none_or(|upload| upload.ended.get().is_some())
    }

    /// Counts a frame of the response body.
    pub(super) fn add_response_bytes(&mut self, bytes: usize) {
        self.response_body_bytes += bytes as u64;
        if self.is_chunked && bytes > 0 {
            // RFC 9112 §7.1: hex length, CR LF, data, CR LF.
            let digits = (usize::BITS - bytes.leading_zeros()).div_ceil(4);
            self.framing_bytes += u64::from(digits) + 4;
        }
    }

    /// Ends the exchange: writes its record, counts it. Gives the time; only the first call counts.
    pub(super) fn finish(&mut self, reason: Reason) -> Instant {
        let now = Instant::now();
        if self.is_finished.replace(true) {
            return now;
        }
        if self.is_chunked && reason == Reason::Complete {
            self.framing_bytes += "0\r\n\r\n".len() as u64;
        }
        self.connection.end(now);
        if self.is_probe {
            self.worker.metrics.requests_in_flight.sub_owned(1);
            self.worker.metrics.probes_total.add_owned(1);
            return now;
        }
        self.count(now, reason);
        let mut lists = Lists::default();
        let record = self.record(now, reason, &mut lists);
        self.worker.append(Stream::Access, |out| record.encode(out));
        self.permit = None;
        now
    }

    /// When the request began: at its first byte.
    fn begun(&self) -> Instant {
        self.head.map_or(self.started, |head| head.first_byte)
    }

    /// Adds to the figures of worker and service.
    fn count(&self, now: Instant, reason: Reason) {
        self.worker.metrics.requests_total.add_owned(1);
        self.worker.metrics.requests_in_flight.sub_owned(1);
        let Some(service) = &self.service else { return };
        let cells = &service.metrics;
        let cell = match self.status.map(|status| status / 100) {
            Some(1) => &cells.status_1xx,
            Some(2) => &cells.status_2xx,
            Some(3) => &cells.status_3xx,
            Some(4) => &cells.status_4xx,
            Some(_) => &cells.status_5xx,
            None => &cells.aborted,
        };
        cell.add_owned(1);
        let took = now.saturating_duration_since(self.begun());
        cells.durations.count_owned(micros(took));
        if reason == Reason::NoEndpoint {
            cells.no_endpoint_total.add_owned(1);
        }
        cells.retries_total.add_owned(self.attempts.saturating_sub(1));
    }

    /// The record, borrowing from here.
    fn record<'a>(
        &'a self,
        now: Instant,
        reason: Reason,
        lists: &'a mut Lists,
    ) -> AccessRecord<'a> {
        let micros = |span: Duration| Micros(micros(span));
        let since = |from: Instant, to: Instant| micros(to.saturating_duration_since(from));
        let begun = self.begun();
        let uploaded = self.upload.as_ref().map(|upload| upload.bytes.get());
        let head_bytes = self.head.map(|head| head.bytes);
        let sends_bytes = self.response_body_bytes + self.framing_bytes;
        let first_byte = match (self.sent, self.response_head) {
            (Some(sent), Some(head)) => Some(head.saturating_duration_since(sent)),
            _ => None,
        };
        if self.attempts < 2 {
            lists.clear();
        } else {
            let begun = self.attempt_begun.unwrap_or(now);
            let last = now.saturating_duration_since(begun);
            lists.fill(&self.failed, self.endpoint.as_deref(), reason, self.upstream_status, last);
        }
        let lists: &'a Lists = lists;
        let list = |bytes: &'a Vec<u8>| (!bytes.is_empty()).then(|| TextList(bytes));
        AccessRecord {
            timestamp: Some(wall_clock()),
            duration: Some(EcsNanos(since(begun, now).0)),
            status: self.status.map(Status),
            upstream_status: self
                .upstream_status
                .filter(|_| self.upstream_status != self.status)
                .map(Status),
            request_body_bytes: Some(Bytes(uploaded.unwrap_or(0))),
            request_bytes: head_bytes.map(|head| Bytes(head + uploaded.unwrap_or(0))),
            response_body_bytes: self.status.map(|_| Bytes(self.response_body_bytes)),
            response_bytes: self.status.map(|_| Bytes(self.response_head_bytes + sends_bytes)),
            queue_us: self.queue_time(now).map(micros),
            route: None,
            service: self.service.as_ref().map(|service| Text(service.config.name.as_bytes())),
            endpoint: self.endpoint.as_ref().map(|endpoint| Text(endpoint.label.as_bytes())),
            dns_us: self.dns.map(micros),
            connect_us: self.connect.map(micros),
            reused: self.reused.map(|(reused, _)| Flag(reused)),
            upstream_requests: self.reused.map(|(_, requests)| Count(requests)),
            first_byte_us: first_byte.map(micros),
            upstream_total_us: self.attempt_begun.map(|begun| since(begun, now)),
            idle_us: self.idle.map(micros),
            head_us: self.head.map(|head| since(head.first_byte, self.started)),
            body_us: self
                .upload
                .as_ref()
                .and_then(|upload| upload.ended.get())
                .map(|ended| since(begun, ended)),
            response_us: self.response_head.map(|head| since(head, now)),
            self_us: self.own_time(first_byte).map(micros),
            attempts: Some(Count(self.attempts)),
            attempt_endpoints: list(&lists.endpoints),
            attempt_statuses: list(&lists.statuses),
            attempt_reasons: list(&lists.reasons),
            attempt_us: (!lists.micros.is_empty()).then_some(MicrosList(&lists.micros)),
            state: Some(State::new(reason, self.phase)),
            reason: Some(reason),
            outcome: Some(Outcome::of(self.status, reason)),
            response_mime: text(self.response_mime.as_ref()),
            ..self.request_fields()
        }
    }

    /// What was known of the request and its connection from the start.
    fn request_fields(&self) -> AccessRecord<'_> {
        let peer = self.connection.peer;
        let tls = self.connection.tls.get();
        let handshake = tls.filter(|_| self.ordinal == 1).map(|tls| tls.handshake.as_micros());
        AccessRecord {
            method: Some(Text(self.method.as_str().as_bytes())),
            path: Some(Text(self.target.path().as_bytes())),
            query: self.target.query().map(|query| Text(query.as_bytes())),
            domain: self
                .host
                .as_ref()
                .and_then(|host| host.to_str().ok())
                .map(|host| Text(route::name_of(host).as_bytes())),
            scheme: Some(Text(self.connection.scheme().as_bytes())),
            http_version: Some(Text(version_text(self.version).as_bytes())),
            tls_us: handshake.map(|span| Micros(u64::try_from(span).unwrap_or(u64::MAX))),
            tls_version: tls.map(|tls| Text(tls.version.as_bytes())),
            tls_cipher: tls.map(|tls| Text(tls.cipher.as_bytes())),
            tls_server_name: tls
                .and_then(|tls| tls.server_name.as_ref())
                .map(|name| Text(name.as_bytes())),
            tls_resumed: tls.map(|tls| Flag(tls.resumed)),
            source_ip: Some(Ip(peer.ip().to_canonical())),
            source_port: Some(Port(peer.port())),
            client_ip: Some(Ip(self.client_ip)),
            user_agent: text(self.survey.user_agent.as_ref()),
            referrer: text(self.survey.referrer.as_ref()),
            request_mime: text(self.survey.mime.as_ref()),
            request_id: text(self.survey.request_id.as_ref()),
            connection_id: Some(Count(self.connection.id)),
            connection_requests: Some(Count(self.ordinal)),
            ..self.trace_fields()
        }
    }

    /// Where it stands in its trace.
    fn trace_fields(&self) -> AccessRecord<'_> {
        let Some(trace) = &self.trace else {
            let parent = self.survey.parent.as_ref();
            let trace_id = parent.map(|parent| Text(&parent.trace_id[..]));
            return AccessRecord { trace_id, ..AccessRecord::default() };
        };
        AccessRecord {
            trace_id: Some(Text(&trace.trace_id)),
            span_id: Some(Text(&trace.span_id)),
            parent_span_id: trace.parent_id.as_ref().map(|id| Text(&id[..])),
            trace_sampled: Some(Flag(trace.is_sampled())),
            ..AccessRecord::default()
        }
    }

    /// Time in the queue until it had its permit, or until `now`.
    fn queue_time(&self, now: Instant) -> Option<Duration> {
        let (begun, ended) = self.queue;
        begun.map(|begun| ended.unwrap_or(now).saturating_duration_since(begun))
    }

    /// Time between complete head and response head that was not spent in the queue, on attempts that
    /// failed, name look-up, connect or waiting for the first byte: routing, header work, scheduling.
    /// Absent without a response head.
    fn own_time(&self, first_byte: Option<Duration>) -> Option<Duration> {
        let parts = [self.queue_time(self.started), self.dns, self.connect, first_byte];
        let waited: Duration = parts.into_iter().flatten().sum();
        let failed: Duration = self.failed.iter().map(|attempt| attempt.took).sum();
        let whole = self.response_head?.saturating_duration_since(self.started);
        Some(whole.saturating_sub(waited + failed + self.stale))
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        if !self.is_finished.get() {
            let fault = self.upload.as_ref().and_then(|upload| upload.fault.get());
            let reason = if std::thread::panicking() {
                Reason::Internal
            } else if self.worker.is_killed.get() {
                Reason::DrainTimeout
            } else if self.connection.expired.get().is_some() || self.has_stalled() {
                Reason::ResponseTimeout
            } else {
                fault.unwrap_or(Reason::DownstreamClosed)
            };
            self.finish(reason);
        }
    }
}

/// Bytes of the list fields of a record, kept while it is encoded.
#[derive(Debug, Default)]
struct Lists {
    /// Endpoints in order of attempts.
    endpoints: Vec<u8>,
    /// Statuses, `-` where there was none.
    statuses: Vec<u8>,
    reasons: Vec<u8>,
    micros: Vec<u8>,
}

impl Lists {
    /// No lists: there was one attempt.
    fn clear(&mut self) {
        *self = Self::default();
    }

    /// All attempts: the failed ones, then the last.
    fn fill(
        &mut self,
        failed: &[Attempt],
        last: Option<&Endpoint>,
        reason: Reason,
        status: Option<u16>,
        last_took: Duration,
    ) {
        for attempt in failed {
            TextList::push(&mut self.endpoints, attempt.endpoint.label.as_bytes());
            TextList::push(&mut self.statuses, b"-");
            TextList::push(&mut self.reasons, attempt.reason.as_str().as_bytes());
            MicrosList::push(&mut self.micros, micros(attempt.took));
        }
        let is_last_failed = last.is_some_and(|last| {
            failed.last().is_some_and(|attempt| std::ptr::eq(&raw const *attempt.endpoint, last))
        });
        if let Some(last) = last.filter(|_| !is_last_failed || status.is_some()) {
            let status = status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            TextList::push(&mut self.endpoints, last.label.as_bytes());
            TextList::push(&mut self.statuses, status.as_bytes());
            TextList::push(&mut self.reasons, reason.as_str().as_bytes());
            MicrosList::push(&mut self.micros, micros(last_took));
        }
    }
}

/// The server span of a request: in the trace that it names, else in a new one.
pub(super) fn trace(survey: &Survey, share: Share) -> Context {
    let span = fastrand::u64(1..);
    match &survey.parent {
        Some(parent) => Context::continued(parent, span),
        None => Context::begun(fastrand::u128(1..), span, share),
    }
}

/// A field value as a record's text.
fn text<const N: usize>(value: Option<&HeaderValue>) -> Option<Text<'_, N>> {
    value.map(|value| Text(value.as_bytes()))
}

/// The wall clock, in milliseconds since 1970.
pub(super) fn wall_clock() -> TimestampMs {
    TimestampMs(wall_ms())
}

/// ECS `http.version`.
fn version_text(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
