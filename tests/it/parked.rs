//! Goal: a connection that is idle holds no buffers, and nobody can tell. Method: clients that wait until
//! the program says that it has parked their connection, and then go on in every way there is.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::*;

/// Connections parked now.
const PARKED: &str = "lbproxy_connections_parked";

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A program with further keys of its listener.
fn start(upstream: &Upstream, keys: &str) -> Proxy {
    let service = one_service(&[upstream.address], "");
    Proxy::start(&service.replace("trusted_proxies: []", keys), "")
}

/// Reads one whole answer; its head.
async fn answer(stream: &mut dyn Stream) -> String {
    let mut bytes = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "closed before its answer");
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = field(head, "content-length").unwrap().parse::<usize>().unwrap();
        if body.len() == length {
            return head.to_owned();
        }
    }
}

/// Sends one request and reads its answer.
async fn ask(stream: &mut dyn Stream) {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(answer(stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_parked_connection_goes_on_where_it_was() {
    for (name, keys) in [("plain", "http2: true".to_owned()), ("TLS", tls::certificate())] {
        let upstream = Upstream::ok();
        let proxy = start(&upstream, &keys);
        run(async {
            let mut stream: Box<dyn Stream> = if name == "TLS" {
                Box::new(tls::connect(proxy.address, &[b"http/1.1"]).await)
            } else {
                Box::new(TcpStream::connect(proxy.address).await.unwrap())
            };
            for _ in 0..3 {
                ask(&mut stream).await;
                proxy.await_figure(PARKED, |parked| parked == 1);
            }
            // A head in two parts, and parked no more from its first byte on.
            stream.write_all(b"POST / HTTP/1.1\r\nHo").await.unwrap();
            proxy.await_figure(PARKED, |parked| parked == 0);
            stream.write_all(b"st: a\r\nContent-Length: 3\r\n\r\nabc").await.unwrap();
            assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"), "{name}");
        });
        let documents = proxy.documents();
        let ordinals: Vec<_> =
            documents.iter().map(|document| &document["lbproxy.connection.requests"]).collect();
        assert_eq!(ordinals, [1, 2, 3, 4], "{name}: all on one connection");
        assert!(documents.iter().all(|d| d["http.response.status_code"] == 200), "{name}");
        assert_eq!(upstream.seen().last().unwrap().1, b"abc", "{name}");
        assert!(proxy.terminate().contains("(holds)"), "{name}");
    }
}

/// How a parked connection of a program ends.
type End = fn(Proxy, std::net::TcpStream);

#[test]
fn a_parked_connection_ends_as_any_other() {
    let ends: [(&str, &str, End); 4] = [
        ("the peer closes", "http2: true", |proxy, stream| {
            proxy.await_figure(PARKED, |parked| parked == 1);
            drop(stream);
            proxy.await_figure("lbproxy_connections", |open| open == 0);
            assert_eq!(proxy.figures()[PARKED], 0);
        }),
        // Parked for too short a time to be seen.
        ("its time is over", "timeouts: {keep_alive: 1500ms}", |proxy, stream| {
            assert!(is_at_end(stream));
            proxy.await_figure("lbproxy_connections", |open| open == 0);
            assert_eq!(proxy.figures()[PARKED], 0);
        }),
        ("the program drains", "http2: true", |proxy, stream| {
            proxy.await_figure(PARKED, |parked| parked == 1);
            assert!(proxy.terminate().contains("(holds)"));
            assert!(is_at_end(stream));
        }),
        ("a further request asks for it", "http2: true", |proxy, mut stream| {
            use std::io::Write as _;
            proxy.await_figure(PARKED, |parked| parked == 1);
            let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            stream.write_all(request).unwrap();
            proxy.await_figure("lbproxy_connections", |open| open == 0);
            assert_eq!(proxy.documents().len(), 2);
        }),
    ];
    for (name, keys, end) in ends {
        eprintln!("{name}");
        let upstream = Upstream::ok();
        let proxy = start(&upstream, keys);
        let stream = run(async {
            let mut stream = TcpStream::connect(proxy.address).await.unwrap();
            ask(&mut stream).await;
            stream.into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        end(proxy, stream);
    }
}

/// Whether the other side has closed, or does so in time.
fn is_at_end(mut stream: std::net::TcpStream) -> bool {
    use std::io::Read as _;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read(&mut [0]).unwrap() == 0
}
