//! Goal: HTTP/2 from clients, by prior knowledge and over TLS, becomes HTTP/1.1 to endpoints and comes
//! back whole. Method: the h2 and rustls crates as client, a raw endpoint.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response as Head};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::*;

/// What came back on one stream.
struct Answer {
    head: Head<()>,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

/// Opens HTTP/2 on a stream.
async fn open<S>(stream: S) -> SendRequest<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Opens HTTP/2 by prior knowledge.
async fn open_plain(address: SocketAddr) -> SendRequest<Bytes> {
    open(TcpStream::connect(address).await.unwrap()).await
}

/// Sends one request and reads what comes back.
async fn exchange(
    client: &SendRequest<Bytes>,
    request: Request<()>,
    body: Option<Bytes>,
) -> Result<Answer, h2::Error> {
    let mut client = client.clone().ready().await?;
    let (answer, mut sender) = client.send_request(request, body.is_none())?;
    if let Some(body) = body {
        sender.send_data(body, true)?;
    }
    let (head, mut stream) = answer.await?.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        body.extend_from_slice(&data);
        stream.flow_control().release_capacity(data.len())?;
    }
    let trailers = stream.trailers().await?;
    Ok(Answer { head: Head::from_parts(head, ()), body, trailers })
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("http://a{path}")).body(()).unwrap()
}

#[test]
fn streams_are_exchanges_of_their_own_on_one_connection() {
    let upstream = Upstream::start(|head, _| {
        let path = head.split(' ').nth(1).unwrap();
        format!("HTTP/1.1 200 OK\r\nX-MiXed: 1\r\nContent-Length: {}\r\n\r\n{path}", path.len())
            .into_bytes()
    });
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
    run(async {
        let client = open_plain(proxy.address).await;
        let answers = (0..100).map(|n| {
            let client = client.clone();
            tokio::spawn(async move { exchange(&client, get(&format!("/{n}")), None).await })
        });
        for (n, answer) in answers.collect::<Vec<_>>().into_iter().enumerate() {
            let answer = answer.await.unwrap().unwrap();
            assert_eq!((answer.head.status().as_u16(), answer.body), (200, format!("/{n}").into()));
            assert_eq!(answer.head.headers()["x-mixed"], "1");
        }
    });
    let documents = proxy.documents();
    assert_eq!(documents.len(), 100);
    for document in documents {
        assert_eq!(document["http.version"], "2");
        assert_eq!(document["url.scheme"], "http");
        assert_eq!(document["url.domain"], "a");
        assert_eq!(document.get("lbproxy.time.head_us"), None, "not seen in HTTP/2");
        crate::terminations::timers_add_up("h2", &document);
    }
}

#[test]
fn bodies_cookies_and_trailers_pass_between_the_versions() {
    let upstream = Upstream::start(|_, body| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n";
        let chunk = format!("{:x}\r\n", body.len());
        let end = "\r\n0\r\nX-Sum: 7\r\nContent-Length: 3\r\nConnection: x\r\n\r\n";
        [head.as_bytes(), chunk.as_bytes(), body, end.as_bytes()].concat()
    });
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), "");
    let sent = Bytes::from(vec![b'x'; 3 << 20]);
    let answer = run(async {
        let request = Request::put("http://a/up")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let client = open_plain(proxy.address).await;
        exchange(&client, request, Some(sent.clone())).await.unwrap()
    });
    assert_eq!(answer.body.len(), sent.len());
    let trailers = answer.trailers.expect("trailers");
    assert_eq!((trailers.len(), &trailers["x-sum"]), (1, &"7".parse().unwrap()), "{trailers:?}");
    let (head, body) = upstream.seen().remove(0);
    assert_eq!(body.len(), sent.len());
    assert_eq!(field(&head, "cookie"), Some("a=1; b=2"), "{head}");
    assert_eq!(field(&head, "te"), Some("trailers"), "{head}");
    assert_eq!(field(&head, "host"), Some("a"), "{head}");
    assert_eq!(field(&head, "transfer-encoding"), Some("chunked"), "{head}");
    let document = proxy.documents().remove(0);
    assert_eq!(document["http.request.body.bytes"], sent.len());
    assert_eq!(document["http.response.body.bytes"], sent.len());
}

#[test]
fn refusals_are_of_one_stream_and_have_a_record() {
    let upstream = Upstream::ok();
    let limits = ", limits: {body_bytes: 4B}";
    let service = one_service(&[upstream.address], limits).replace("\"*\"", "a");
    let proxy = Proxy::start(&service, "");
    let with =
        |name: &str, value: String| Request::get("http://a/").header(name, value).body(()).unwrap();
    let many = (0..101).fold(Request::get("http://a/"), |all, _| all.header("x", "1"));
    run(async {
        let client = open_plain(proxy.address).await;
        for (name, request, body, status, reason) in [
            ("host", Request::get("http://b/").body(()).unwrap(), None, 404, "no_route"),
            ("target", get(&format!("/{}", "a".repeat(9_000))), None, 414, "uri_too_long"),
            ("head", with("x", "a".repeat(40_000)), None, 431, "head_too_large"),
            ("fields", many.body(()).unwrap(), None, 431, "head_too_large"),
            ("expectation", with("expect", "x".into()), None, 417, "expectation_failed"),
            (
                "body",
                Request::post("http://a/").body(()).unwrap(),
                Some("abcde"),
                413,
                "body_too_large",
            ),
            (
                "method",
                Request::trace("http://a/").body(()).unwrap(),
                None,
                405,
                "method_not_allowed",
            ),
        ] {
            let mut request = request;
            request.headers_mut().insert("accept", "application/json".parse().unwrap());
            let answer = exchange(&client, request, body.map(Bytes::from)).await.unwrap();
            assert_eq!(answer.head.status(), status, "{name}");
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(body["reason"], reason, "{name}");
            assert_eq!(answer.head.headers().get("connection"), None, "{name}");
        }
        assert_eq!(exchange(&client, get("/"), None).await.unwrap().head.status(), 200);
        // Far beyond the limit h2 refuses by itself, before anything is kept of it.
        let huge = exchange(&client, with("x", "a".repeat(100_000)), None).await;
        assert!(huge.is_err() || huge.is_ok_and(|answer| answer.head.status() == 431));
        assert_eq!(exchange(&client, get("/"), None).await.unwrap().head.status(), 200);
    });
    assert_eq!(proxy.documents().len(), 9);
}

#[test]
fn a_listener_without_http2_does_not_speak_it() {
    let upstream = Upstream::ok();
    let service = one_service(&[upstream.address], "");
    let proxy = Proxy::start(&service.replace("trusted_proxies: []", "http2: false"), "");
    let answer = proxy.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_eq!(answer.status, 400);
    assert_eq!(proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
}

#[test]
fn tls_agrees_on_the_version_by_alpn_and_stands_in_the_record() {
    let upstream = Upstream::ok();
    let service = one_service(&[upstream.address], "");
    let proxy = Proxy::start(&service.replace("trusted_proxies: []", &tls::certificate()), "");
    run(async {
        let stream = tls::connect(proxy.address, &[b"h2", b"http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let client = open(stream).await;
        for _ in 0..2 {
            let request = Request::get("https://a/").body(()).unwrap();
            assert_eq!(exchange(&client, request, None).await.unwrap().head.status(), 200);
        }
        let mut stream = tls::connect(proxy.address, &[b"http/1.1"]).await;
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        // A refusal over TLS, where the last words must be encrypted too.
        let mut stream = tls::connect(proxy.address, &[]).await;
        let head = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(40_000));
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
    });
    let seen = upstream.seen();
    assert!(seen.iter().all(|(head, _)| field(head, "x-forwarded-proto") == Some("https")));
    let documents = proxy.documents();
    assert_eq!(documents.len(), 4);
    for document in &documents {
        assert_eq!(document["tls.version"], "1.3", "{document:#}");
        assert_eq!(document["tls.client.server_name"], "localhost");
        let is_first = document.get("lbproxy.connection.requests").is_none_or(|n| n == 1);
        assert_eq!(document.get("lbproxy.time.tls_us").is_some(), is_first, "{document:#}");
    }
}
