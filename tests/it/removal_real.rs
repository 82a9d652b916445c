//! Goal: on a real server no document is lost that comes while its empty stream is removed. Method: `lbproxy setup
//! --remove` through a way that stores a document right before one of its requests goes on. OpenSearch only: the
//! small build of Elasticsearch deletes no data stream; the mock plays that (`setup`).

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use lbproxy::record::Dataset;

use crate::server::RealServer;
use crate::setup_real::{KINDS, setup};
use crate::support::*;

/// One request; the answer as it came.
fn ask(server: SocketAddr, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut stream = connect(server);
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// A way to a server on which a document comes to `stream` right before the first of these requests.
fn way_to(server: SocketAddr, stream: &str, before: (&'static str, String)) -> Upstream {
    let document = format!("/{stream}/_create/late");
    let has_come = AtomicBool::new(false);
    Upstream::start(move |head, body| {
        let mut words = head.split_whitespace();
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        if (method, path) == (before.0, before.1.as_str())
            && !has_come.swap(true, Ordering::Relaxed)
        {
            ask(server, "PUT", &document, br#"{"@timestamp": "2026-11-30T00:00:00.000Z"}"#);
        }
        ask(server, method, path, body)
    })
}

/// On an OpenSearch that is set up, without a document; it is as before afterwards.
pub(crate) fn no_document_is_lost_that_comes_while_its_stream_goes(
    server: &RealServer,
    namespace: &str,
) {
    let stream = Dataset::Access.data_stream(namespace);
    let (path, settings) = (format!("/_data_stream/{stream}"), format!("/{stream}/_settings"));
    for (name, before, is_kept) in [
        ("before the block", ("PUT", settings.clone()), true),
        ("after the block", ("DELETE", path.clone()), false),
    ] {
        let way = way_to(server.address, &stream, before);
        let telemetry = ship_to(&format!("http://{}", way.address), namespace, "");
        let (code, text) = setup(&telemetry, &["--remove", KINDS[0], KINDS[1]]);
        assert_eq!(code, i32::from(is_kept), "{name}:\n{text}");
        assert_eq!(
            text.contains("a document has come since; it stays"),
            is_kept,
            "{name}:\n{text}"
        );
        if is_kept {
            assert_eq!(server.stored(&stream, &[])[0].id, "late", "{name}");
            let settings = server.get(&settings).to_string();
            assert!(!settings.contains("blocks"), "{name}: the block is off again: {settings}");
            server.must("DELETE", &path, None);
        } else {
            let answer = server.call("GET", &path, None);
            assert_eq!(answer.status, 404, "{name}");
        }
        setup(&server.telemetry(namespace), &KINDS);
    }
}
