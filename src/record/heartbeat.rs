//! The record of one check of a listener or endpoint, and of one change of state: the table.
//!
//! Names are those of Elastic's Heartbeat where it has one, so that its Uptime views can read them.
//! `summary.*` is there for checks only: a change of state is a further record, not a further check.

use super::schema::record;
use super::value::{Count, Ip, Micros, Port, Status, Text, TimespanMs, TimestampMs};

record! {
    /// A check of a listener or endpoint, or a change of its state.
    HeartbeatRecord {
        /// Wall time of the end of the check, or at which the change was seen.
        0 timestamp: TimestampMs => "@timestamp", "";
        /// What is checked: `INSTANCE/listener/NAME` or `INSTANCE/endpoint/SERVICE/ADDRESS`.
        1 monitor_id: Text<'a, 600> => "monitor.id", "";
        /// The same for people.
        2 monitor_name: Text<'a, 600> => "monitor.name", "";
        /// `http`: a request was sent to a listener. `passive`: what traffic shows of an endpoint.
        3 monitor_type: Text<'a, 16> => "monitor.type", "";
        /// `up` or `down`.
        4 monitor_status: Text<'a, 8> => "monitor.status", "";
        /// The whole check; listeners only.
        5 monitor_duration_us: Micros => "monitor.duration.us", "";
        /// Address that was connected to, or of the endpoint.
        6 monitor_ip: Ip => "monitor.ip", "";
        /// How long the check speaks for: from its end to the next one.
        7 monitor_timespan: TimespanMs => "monitor.timespan", "";
        /// 1 for a check that found it up, else 0.
        8 summary_up: Count => "summary.up", "";
        /// 1 for a check that found it down, else 0.
        9 summary_down: Count => "summary.down", "";
        /// What was asked, or the endpoint as a URL.
        10 url_full: Text<'a, 300> => "url.full", "url.full";
        /// Scheme of it.
        11 url_scheme: Text<'a, 8> => "url.scheme", "url.scheme";
        /// Host of it.
        12 url_domain: Text<'a, 255> => "url.domain", "server.address";
        /// Port of it.
        13 url_port: Port => "url.port", "server.port";
        /// From the call of `connect` to the established TCP connection.
        14 probe_connect_us: Micros => "tcp.rtt.connect.us", "";
        /// From there to the end of the TLS handshake.
        15 probe_tls_us: Micros => "tls.rtt.handshake.us", "";
        /// The request handed to the socket.
        16 probe_write_us: Micros => "http.rtt.write_request.us", "";
        /// From there to the first byte of the response.
        17 probe_first_byte_us: Micros => "http.rtt.response_header.us", "";
        /// From there to the last byte of the response.
        18 probe_content_us: Micros => "http.rtt.content.us", "";
        /// From the start of the request to the last byte of the response.
        19 probe_total_us: Micros => "http.rtt.total.us", "";
        /// Status of the answer.
        20 status: Status => "http.response.status_code", "http.response.status_code";
        /// Which step failed: `connect`, `tls`, `write`, `read`, `status`, `timeout`; `outlier` for an
        /// endpoint that is ejected.
        21 error_type: Text<'a, 32> => "error.type", "error.type";
        /// What was said.
        22 error_message: Text<'a, 512> => "error.message", "error.message";
        /// Since when it is in this state, as an id: changes with the state.
        23 state_id: Text<'a, 64> => "state.id", "";
        /// Since when it is in this state, or when this process began to look.
        24 state_started_at: TimestampMs => "state.started_at", "";
        /// For how long it is in this state.
        25 state_duration_ms: Count => "state.duration_ms", "";
        /// `up` or `down`.
        26 state_status: Text<'a, 8> => "state.status", "";
        /// Checks in this state, this one included.
        27 state_checks: Count => "state.checks", "";
        /// Those that found it up.
        28 state_up: Count => "state.up", "";
        /// Those that found it down.
        29 state_down: Count => "state.down", "";
        /// `state_change` for a record of a change; absent for a check.
        30 action: Text<'a, 32> => "event.action", "";
        /// The state before; only for a change.
        31 previous: Text<'a, 8> => "lbproxy.health.previous", "";
        /// How long the state before had lasted; only for a change.
        32 previous_duration_ms: Count => "lbproxy.health.previous_duration_ms", "";
        /// Listener that was checked.
        33 listener: Text<'a, 255> => "lbproxy.listener", "";
        /// Service of the endpoint.
        34 service: Text<'a, 255> => "lbproxy.service", "";
        /// The endpoint.
        35 endpoint: Text<'a, 255> => "lbproxy.endpoint", "";
    }
}
