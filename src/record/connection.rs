//! The record of a connection that ended without a parsable request: the table.

use super::schema::record;
use super::termination::{Reason, State};
use super::value::{Bytes, Count, EcsNanos, Ip, Micros, Port, Status, Text, TimestampMs};

record! {
    /// A connection that ended without a request that could be read.
    ConnectionRecord {
        /// Wall time of its end: the instant the duration runs to.
        0 timestamp: TimestampMs => "@timestamp", "";
        /// From the accepted connection to its end. Kept in microseconds.
        1 duration: EcsNanos => "event.duration", "";
        /// Listener it came through.
        2 listener: Text<'a, 255> => "lbproxy.listener", "";
        /// Address of the peer's socket.
        3 source_ip: Ip => "source.ip", "network.peer.address";
        /// Port of the peer's socket.
        4 source_port: Port => "source.port", "network.peer.port";
        /// Number of the connection, unique within one run.
        5 connection_id: Count => "lbproxy.connection.id", "";
        /// Status that was answered, if any.
        6 status: Status => "http.response.status_code", "http.response.status_code";
        /// Bytes received on it.
        7 received_bytes: Bytes => "source.bytes", "";
        /// Bytes sent on it.
        8 sent_bytes: Bytes => "destination.bytes", "";
        /// From the first byte of an incomplete request head to the end.
        9 head_us: Micros => "lbproxy.time.head_us", "";
        /// From the accepted connection to the end of the TLS handshake, if it ended.
        10 tls_us: Micros => "lbproxy.time.tls_us", "";
        /// TLS version.
        11 tls_version: Text<'a, 8> => "tls.version", "tls.protocol.version";
        /// Name the client asked for in TLS.
        12 tls_server_name: Text<'a, 255> => "tls.client.server_name", "tls.client.server_name";
        /// Who ended it and in which phase, two letters; the grid stands below.
        13 state: State => "lbproxy.termination.state", "";
        /// Why it ended, from the closed list below.
        14 reason: Reason => "lbproxy.termination.reason", "error.type";
        /// What the parser or TLS said.
        15 message: Text<'a, 512> => "error.message", "error.message";
    }
}
