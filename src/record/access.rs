//! The record of one exchange: the table.
//!
//! `@timestamp` is the wall time of completion, so that a minute, once past, is closed for good.
//! Absent means "did not happen": never -1, never "-", never 0 for unknown.

use super::schema::record;
use super::termination::{Outcome, Reason, State};
use super::value::{
    Bytes, Count, EcsNanos, Flag, Ip, Micros, MicrosList, Port, Status, Text, TextList, TimestampMs,
};

record! {
    /// One request and its response.
    AccessRecord {
        /// Wall time of the end: the instant the duration runs to.
        0 timestamp: TimestampMs => "@timestamp", "";
        /// From the first byte of the request (HTTP/2: its complete head) to the last byte of the
        /// response handed to the socket, or to the abort. Kept in microseconds.
        1 duration: EcsNanos => "event.duration", "http.server.request.duration";
        /// Method, as it came.
        2 method: Text<'a, 32> => "http.request.method", "http.request.method";
        /// Path, as it came.
        3 path: Text<'a, 2048> => "url.path", "url.path";
        /// Query, without the question mark.
        4 query: Text<'a, 2048> => "url.query", "url.query";
        /// Host asked for, without port.
        5 domain: Text<'a, 255> => "url.domain", "server.address";
        /// `http` or `https`, as the downstream spoke.
        6 scheme: Text<'a, 8> => "url.scheme", "url.scheme";
        /// HTTP version of the downstream: `1.0`, `1.1`, `2`.
        7 http_version: Text<'a, 8> => "http.version", "network.protocol.version";
        /// Status to the downstream; absent when none was sent.
        8 status: Status => "http.response.status_code", "http.response.status_code";
        /// Status from the endpoint, when it differs.
        9 upstream_status: Status => "lbproxy.upstream.status_code", "";
        /// Bytes of the request body.
        10 request_body_bytes: Bytes => "http.request.body.bytes", "http.request.body.size";
        /// Bytes of request head and body, without chunked framing; HTTP/1 only.
        11 request_bytes: Bytes => "http.request.bytes", "http.request.size";
        /// Bytes of the response body.
        12 response_body_bytes: Bytes => "http.response.body.bytes", "http.response.body.size";
        /// Bytes of response head, body and chunked framing; for HTTP/2 as if its head were not
        /// compressed.
        13 response_bytes: Bytes => "http.response.bytes", "http.response.size";
        /// Route that matched.
        14 route: Text<'a, 255> => "lbproxy.route", "http.route";
        /// Service that the host routes to.
        15 service: Text<'a, 255> => "lbproxy.service", "";
        /// Endpoint of the last attempt, address and port.
        16 endpoint: Text<'a, 255> => "lbproxy.endpoint", "";
        /// From the start of the name look-up to its answer; only if this request opened the
        /// connection and the endpoint is a name.
        17 dns_us: Micros => "lbproxy.upstream.dns_us", "";
        /// From the call of `connect` to the established TCP connection; only if this request opened
        /// it.
        18 connect_us: Micros => "lbproxy.upstream.connect_us", "";
        /// From the established TCP connection to the end of the TLS handshake with the endpoint; only
        /// if this request opened it.
        19 upstream_tls_us: Micros => "lbproxy.upstream.tls_us", "";
        /// Whether the upstream connection came from the pool; if so there is no connect time.
        20 reused: Flag => "lbproxy.upstream.reused", "";
        /// Ordinal of this request on the upstream connection, from 1.
        21 upstream_requests: Count => "lbproxy.upstream.requests", "";
        /// From the request handed to the upstream connection to the response head received.
        22 first_byte_us: Micros => "lbproxy.upstream.first_byte_us", "";
        /// From the start of the last attempt (an endpoint is picked) to the end of the exchange.
        23 upstream_total_us: Micros => "lbproxy.upstream.total_us", "http.client.request.duration";
        /// From the end of the previous exchange on this connection to the first byte of the request;
        /// not for its first request, HTTP/1 only. Not part of the duration.
        24 idle_us: Micros => "lbproxy.time.idle_us", "";
        /// From the first byte of the request to its complete head; HTTP/1 only.
        25 head_us: Micros => "lbproxy.time.head_us", "";
        /// From the first byte of the request to the last byte of its body; overlaps with the others.
        26 body_us: Micros => "lbproxy.time.body_us", "";
        /// Waiting for a permit of its service (`limits.in_flight`); 0 when one was free, absent where
        /// there is no limit.
        27 queue_us: Micros => "lbproxy.time.queue_us", "";
        /// From the response head received to the last byte of the response handed to the socket.
        28 response_us: Micros => "lbproxy.time.response_us", "";
        /// From the complete request head to the response head, less look-up, connect, TLS, queue, first
        /// byte and attempts that failed: the proxy's own part.
        29 self_us: Micros => "lbproxy.time.self_us", "";
        /// From the accepted connection to the end of the downstream TLS handshake; first request of a
        /// connection only. Not part of the duration.
        30 tls_us: Micros => "lbproxy.time.tls_us", "";
        /// Downstream TLS version.
        31 tls_version: Text<'a, 8> => "tls.version", "tls.protocol.version";
        /// Downstream TLS cipher suite.
        32 tls_cipher: Text<'a, 64> => "tls.cipher", "tls.cipher";
        /// Name the client asked for in TLS.
        33 tls_server_name: Text<'a, 255> => "tls.client.server_name", "tls.client.server_name";
        /// Whether the TLS session was resumed.
        34 tls_resumed: Flag => "tls.resumed", "tls.resumed";
        /// Attempts made; 0 when the proxy answered by itself.
        35 attempts: Count => "lbproxy.attempts", "";
        /// Endpoints of all attempts in order; only if more than one.
        36 attempt_endpoints: TextList<'a> => "lbproxy.attempt.endpoint", "";
        /// Statuses of all attempts, `-` where there was none; only if more than one.
        37 attempt_statuses: TextList<'a> => "lbproxy.attempt.status", "";
        /// Reasons of all attempts; only if more than one.
        38 attempt_reasons: TextList<'a> => "lbproxy.attempt.reason", "";
        /// Who ended it and in which phase, two letters; the grid stands below.
        39 state: State => "lbproxy.termination.state", "";
        /// Why it ended, from the closed list below.
        40 reason: Reason => "lbproxy.termination.reason", "error.type";
        /// `success`, `failure`, or `unknown` when the client left.
        41 outcome: Outcome => "event.outcome", "";
        /// Address of the peer's socket.
        42 source_ip: Ip => "source.ip", "network.peer.address";
        /// Port of the peer's socket.
        43 source_port: Port => "source.port", "network.peer.port";
        /// The client as far as it is believed: the peer, or what a trusted peer named.
        44 client_ip: Ip => "client.ip", "client.address";
        /// `User-Agent` of the request.
        45 user_agent: Text<'a, 1024> => "user_agent.original", "user_agent.original";
        /// `Referer` of the request.
        46 referrer: Text<'a, 1024> => "http.request.referrer", "http.request.header.referer";
        /// `Content-Type` of the request.
        47 request_mime: Text<'a, 255> => "http.request.mime_type", "http.request.header.content-type";
        /// `Content-Type` of the response.
        48 response_mime: Text<'a, 255> => "http.response.mime_type", "http.response.header.content-type";
        /// `X-Request-Id` of the request, as it came.
        49 request_id: Text<'a, 255> => "http.request.id", "http.request.header.x-request-id";
        /// Number of the downstream connection, unique within one run.
        50 connection_id: Count => "lbproxy.connection.id", "";
        /// Ordinal of this request on the downstream connection, from 1.
        51 connection_requests: Count => "lbproxy.connection.requests", "";
        /// Trace, 32 hex digits: that of a valid `traceparent` of the request, else our own if spans are
        /// exported.
        52 trace_id: Text<'a, 32> => "trace.id", "";
        /// Our server span in the trace, 16 hex digits; only if spans are exported.
        53 span_id: Text<'a, 16> => "span.id", "";
        /// Span that the request came from, 16 hex digits; only if spans are exported.
        54 parent_span_id: Text<'a, 16> => "lbproxy.trace.parent_id", "";
        /// Whether the trace is kept, as its head decided; only if spans are exported.
        55 trace_sampled: Flag => "lbproxy.trace.sampled", "";
        /// Times of all attempts, from the pick of the endpoint to the failure or the end of the exchange;
        /// only if more than one.
        56 attempt_us: MicrosList<'a> => "lbproxy.attempt.time_us", "";
    }
}
