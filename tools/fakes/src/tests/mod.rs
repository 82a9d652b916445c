//! The mock over real sockets: what a caller sees of it, and what its owner sees of the caller.
//!
//! Goal: it answers as the real servers do, and each fault is exactly the one that was asked for.
//! Method: a client that writes requests as text; answers compared with those of Elasticsearch
//! 8.19.21 and OpenSearch 2.19.4 to the same requests, taken down by hand.

mod faults;
mod queries;
mod truth;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;

/// No answer takes this long; only a failure waits for it.
const DEADLINE: Duration = Duration::from_secs(20);
/// The stream that most tests write to.
const STREAM: &str = "logs-lbproxy.access-default";
/// Parameters that the shipper sends.
const FILTERS: &str = "?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,\
                       items.*.failure_store";

/// A mock with a template for [`STREAM`].
fn mock(product: Product) -> Running {
    let mock = start(Options::local(product)).unwrap();
    mock.put_template("logs", json!({ "index_patterns": ["logs-lbproxy.*"], "data_stream": {} }));
    mock
}

#[derive(Debug, PartialEq)]
struct Reply {
    status: u16,
    /// Status line and fields, in lower case.
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Writes a request on a connection of its own.
fn send(address: SocketAddr, head: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write(&mut stream, head, body);
    stream
}

/// Writes a request; `head` is method, target and any more fields, by line.
fn write(stream: &mut TcpStream, head: &str, body: &[u8]) {
    let (start, fields) = head.split_once('\n').unwrap_or((head, ""));
    let mut request = format!("{start} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n", body.len());
    let has_type = fields.to_ascii_lowercase().contains("content-type:");
    if !body.is_empty() && !has_type {
        request.push_str("Content-Type: application/x-ndjson\r\n");
    }
    for field in fields.lines() {
        request.push_str(field);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(&[request.as_bytes(), body].concat()).unwrap();
}

/// Reads one answer; nothing when the connection ends before its head does.
fn read(stream: &mut TcpStream) -> Option<Reply> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(0) => return None,
            Ok(_) => head.push(byte[0]),
            // Nothing for so long is no end of the connection.
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
                return None;
            }
        }
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let status = head["http/1.1 ".len()..][..3].parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = Vec::new();
    stream.take(length.parse().unwrap()).read_to_end(&mut body).unwrap();
    Some(Reply { status, head, body })
}

fn call(mock: &Running, head: &str, body: impl AsRef<[u8]>) -> Reply {
    read(&mut send(mock.address(), head, body.as_ref())).unwrap()
}

/// One request; the answer as JSON, with its status.
fn call_json(mock: &Running, head: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let reply = call(mock, head, body);
    (reply.status, reply.json())
}

/// A bulk body that creates documents with these ids.
fn create(ids: &[&str]) -> String {
    let pair = |id: &&str| {
        format!(
            "{{\"create\":{{\"_id\":\"{id}\"}}}}\n{{\"@timestamp\":\"2026-11-24T00:00:00Z\",\"n\":\"{id}\"}}\n"
        )
    };
    ids.iter().map(pair).collect()
}

/// Sends a bulk request as the shipper does; status, and the answer.
fn bulk(mock: &Running, ids: &[&str]) -> (u16, Value) {
    let reply = call(mock, &format!("POST /{STREAM}/_bulk{FILTERS}"), create(ids));
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
}

/// Statuses of the items of a bulk answer.
fn statuses((status, answer): &(u16, Value)) -> Vec<u64> {
    assert_eq!(*status, 200, "{answer}");
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item["create"]["status"].as_u64().unwrap()).collect()
}

/// Ids of what is stored, in order.
fn ids(mock: &Running) -> Vec<String> {
    mock.documents(STREAM).into_iter().map(|stored| stored.id).collect()
}

fn wait(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "never came: {what}");
        std::thread::yield_now();
    }
}
