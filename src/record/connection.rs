//! The record of a connection that ended without a parsable request: the table.

use super::schema::record;
use super::termination::{Reason, State};
use super::value::{Bytes, Count, EcsNanos, Ip, Micros, Port, Status, Text, TimestampMs};

record! {
    /// A connection that ended without a request that could be read.
    ConnectionRecord {
        #[doc = "Wall time of its end."]
        0 timestamp: TimestampMs => "@timestamp", "";
        #[doc = "Accept to end."]
        1 duration: EcsNanos => "event.duration", "";
        #[doc = "Listener it came through."]
        2 listener: Text<'a, 255> => "lbproxy.listener", "";
        #[doc = "Address of the peer's socket."]
        3 source_ip: Ip => "source.ip", "network.peer.address";
        #[doc = "Port of the peer's socket."]
        4 source_port: Port => "source.port", "network.peer.port";
        #[doc = "Number of the connection, unique within one run."]
        5 connection_id: Count => "lbproxy.connection.id", "";
        #[doc = "Status that was answered, if any."]
        6 status: Status => "http.response.status_code", "http.response.status_code";
        #[doc = "Bytes received on it."]
        7 received_bytes: Bytes => "source.bytes", "";
        #[doc = "Bytes sent on it."]
        8 sent_bytes: Bytes => "destination.bytes", "";
        #[doc = "First byte of an incomplete head to the end."]
        9 head_us: Micros => "lbproxy.time.head_us", "";
        #[doc = "TLS handshake."]
        10 tls_us: Micros => "lbproxy.time.tls_us", "";
        #[doc = "TLS version."]
        11 tls_version: Text<'a, 8> => "tls.version", "tls.protocol.version";
        #[doc = "Name the client asked for in TLS."]
        12 tls_server_name: Text<'a, 255> => "tls.client.server_name", "tls.client.server_name";
        #[doc = "Who ended it and in which phase, two letters."]
        13 state: State => "lbproxy.termination.state", "";
        #[doc = "Why it ended, from a closed list."]
        14 reason: Reason => "lbproxy.termination.reason", "error.type";
        #[doc = "What the parser or TLS said."]
        15 message: Text<'a, 512> => "error.message", "";
    }
}
