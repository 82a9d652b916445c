//! The record of one exchange: the table.
//!
//! `@timestamp` is the wall time of completion, so that a minute, once past, is closed for good.
//! Absent means "did not happen": never -1, never "-", never 0 for unknown.

use super::schema::record;
use super::termination::{Outcome, Reason, State};
use super::value::{
    Bytes, Count, EcsNanos, Flag, Ip, Micros, Port, Status, Text, TextList, TimestampMs,
};

record! {
    /// One request and its response.
    AccessRecord {
        #[doc = "Wall time of completion."]
        0 timestamp: TimestampMs => "@timestamp", "";
        #[doc = "First byte of the request (HTTP/2: its complete head) to the last byte of the response handed over, or to the abort."]
        1 duration: EcsNanos => "event.duration", "http.server.request.duration";
        #[doc = "Method, as it came."]
        2 method: Text<'a, 32> => "http.request.method", "http.request.method";
        #[doc = "Path, as it came."]
        3 path: Text<'a, 2048> => "url.path", "url.path";
        #[doc = "Query, without the question mark."]
        4 query: Text<'a, 2048> => "url.query", "url.query";
        #[doc = "Host asked for, without port."]
        5 domain: Text<'a, 255> => "url.domain", "server.address";
        #[doc = "http or https, as the downstream spoke."]
        6 scheme: Text<'a, 8> => "url.scheme", "url.scheme";
        #[doc = "HTTP version of the downstream: 1.0, 1.1, 2."]
        7 http_version: Text<'a, 8> => "http.version", "network.protocol.version";
        #[doc = "Status to the downstream; absent when none was sent."]
        8 status: Status => "http.response.status_code", "http.response.status_code";
        #[doc = "Status from the endpoint, when it differs."]
        9 upstream_status: Status => "lbproxy.upstream.status_code", "";
        #[doc = "Bytes of the request body."]
        10 request_body_bytes: Bytes => "http.request.body.bytes", "http.request.body.size";
        #[doc = "Bytes of request head and body; HTTP/1 only."]
        11 request_bytes: Bytes => "http.request.bytes", "http.request.size";
        #[doc = "Bytes of the response body."]
        12 response_body_bytes: Bytes => "http.response.body.bytes", "http.response.body.size";
        #[doc = "Bytes of response head, body and framing; for HTTP/2 as if its head were not compressed."]
        13 response_bytes: Bytes => "http.response.bytes", "http.response.size";
        #[doc = "Route that matched."]
        14 route: Text<'a, 255> => "lbproxy.route", "http.route";
        #[doc = "Service that the host routes to."]
        15 service: Text<'a, 255> => "lbproxy.service", "";
        #[doc = "Endpoint of the last attempt, address and port."]
        16 endpoint: Text<'a, 255> => "lbproxy.endpoint", "network.peer.address";
        #[doc = "Name look-up; only if this request opened the connection and the endpoint is a name."]
        17 dns_us: Micros => "lbproxy.upstream.dns_us", "";
        #[doc = "TCP connect; only if this request opened the connection."]
        18 connect_us: Micros => "lbproxy.upstream.connect_us", "";
        #[doc = "TLS handshake with the endpoint; only if this request opened the connection."]
        19 upstream_tls_us: Micros => "lbproxy.upstream.tls_us", "";
        #[doc = "Whether the upstream connection came from the pool."]
        20 reused: Flag => "lbproxy.upstream.reused", "";
        #[doc = "Ordinal of this request on the upstream connection, from 1."]
        21 upstream_requests: Count => "lbproxy.upstream.requests", "";
        #[doc = "Request handed to the connection to response head received."]
        22 first_byte_us: Micros => "lbproxy.upstream.first_byte_us", "";
        #[doc = "Start of the last attempt to the end of the exchange."]
        23 upstream_total_us: Micros => "lbproxy.upstream.total_us", "http.client.request.duration";
        #[doc = "Wait on the open connection before the first byte; not for its first request."]
        24 idle_us: Micros => "lbproxy.time.idle_us", "";
        #[doc = "First byte to complete request head; HTTP/1 only."]
        25 head_us: Micros => "lbproxy.time.head_us", "";
        #[doc = "First byte of the request to the last byte of its body."]
        26 body_us: Micros => "lbproxy.time.body_us", "";
        #[doc = "Wait for a permit or a connection slot."]
        27 queue_us: Micros => "lbproxy.time.queue_us", "";
        #[doc = "Response head received to last byte handed over."]
        28 response_us: Micros => "lbproxy.time.response_us", "";
        #[doc = "Complete request head to response head, without look-up, connect and wait for the first byte: the proxy's own part."]
        29 self_us: Micros => "lbproxy.time.self_us", "";
        #[doc = "Downstream TLS handshake; first request of a connection only."]
        30 tls_us: Micros => "lbproxy.time.tls_us", "";
        #[doc = "Downstream TLS version."]
        31 tls_version: Text<'a, 8> => "tls.version", "tls.protocol.version";
        #[doc = "Downstream TLS cipher suite."]
        32 tls_cipher: Text<'a, 64> => "tls.cipher", "tls.cipher";
        #[doc = "Name the client asked for in TLS."]
        33 tls_server_name: Text<'a, 255> => "tls.client.server_name", "tls.client.server_name";
        #[doc = "Whether the TLS session was resumed."]
        34 tls_resumed: Flag => "tls.resumed", "tls.resumed";
        #[doc = "Attempts made; 0 when the proxy answered by itself."]
        35 attempts: Count => "lbproxy.attempts", "http.request.resend_count";
        #[doc = "Endpoints of all attempts in order; only if more than one."]
        36 attempt_endpoints: TextList<'a> => "lbproxy.attempt.endpoint", "";
        #[doc = "Statuses of all attempts, - where there was none; only if more than one."]
        37 attempt_statuses: TextList<'a> => "lbproxy.attempt.status", "";
        #[doc = "Reasons of all attempts; only if more than one."]
        38 attempt_reasons: TextList<'a> => "lbproxy.attempt.reason", "";
        #[doc = "Who ended it and in which phase, two letters."]
        39 state: State => "lbproxy.termination.state", "";
        #[doc = "Why it ended, from a closed list."]
        40 reason: Reason => "lbproxy.termination.reason", "error.type";
        #[doc = "success, failure, or unknown when the client left."]
        41 outcome: Outcome => "event.outcome", "";
        #[doc = "Address of the peer's socket."]
        42 source_ip: Ip => "source.ip", "network.peer.address";
        #[doc = "Port of the peer's socket."]
        43 source_port: Port => "source.port", "network.peer.port";
        #[doc = "The client as far as it is believed: the peer, or what a trusted peer named."]
        44 client_ip: Ip => "client.ip", "client.address";
        #[doc = "User-Agent."]
        45 user_agent: Text<'a, 1024> => "user_agent.original", "user_agent.original";
        #[doc = "Referer."]
        46 referrer: Text<'a, 1024> => "http.request.referrer", "";
        #[doc = "Content-Type of the request."]
        47 request_mime: Text<'a, 255> => "http.request.mime_type", "";
        #[doc = "Content-Type of the response."]
        48 response_mime: Text<'a, 255> => "http.response.mime_type", "";
        #[doc = "X-Request-Id of the request."]
        49 request_id: Text<'a, 255> => "http.request.id", "";
        #[doc = "Number of the downstream connection, unique within one run."]
        50 connection_id: Count => "lbproxy.connection.id", "";
        #[doc = "Ordinal of this request on the downstream connection, from 1."]
        51 connection_requests: Count => "lbproxy.connection.requests", "";
    }
}
