//! What was received, as JSON: reading a request's body in bounded memory, and writing the echo.

use std::net::SocketAddr;

use http::HeaderMap;
use http_body::Body as _;
use hyper::body::Incoming;
use serde::Serialize;

use crate::base::clock::wall_ms;
use crate::record::write_timestamp;

/// Longest body that is echoed as text; of a longer one only length and checksum are known.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Fields by name and value, in the order they came.
pub type Fields = Vec<(String, String)>;

/// A request body, read to its end.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// Its first bytes, [`BODY_BYTES_MAX`] at most.
    start: Vec<u8>,
    pub(super) bytes: u64,
    pub(super) crc32c: u32,
    trailers: Fields,
}

impl Received {
    /// Reads `body` to its end; keeps its start when `keeps`.
    pub(super) async fn read(body: &mut Incoming, keeps: bool) -> Result<Self, hyper::Error> {
        let mut received = Self::default();
        while let Some(frame) = next_frame(body).await {
            let frame = match frame?.into_data() {
                Ok(data) => {
                    received.bytes += data.len() as u64;
                    received.crc32c = crc32c::crc32c_append(received.crc32c, &data);
                    let room = if keeps { BODY_BYTES_MAX - received.start.len() } else { 0 };
                    received.start.extend_from_slice(&data[..room.min(data.len())]);
                    continue;
                }
                Err(frame) => frame,
            };
            if let Ok(trailers) = frame.into_trailers() {
                received.trailers = fields_of(&trailers);
            }
        }
        Ok(received)
    }

    /// The body as text, when it is short enough and UTF-8.
    fn text(&self) -> Option<&str> {
        let is_whole = self.start.len() as u64 == self.bytes;
        std::str::from_utf8(&self.start).ok().filter(|_| is_whole)
    }
}

/// The next frame of a body.
async fn next_frame(
    body: &mut Incoming,
) -> Option<Result<http_body::Frame<bytes::Bytes>, hyper::Error>> {
    std::future::poll_fn(|cx| std::pin::Pin::new(&mut *body).poll_frame(cx)).await
}

/// Fields as the HTTP library has them: names in lower case, values of one name together.
fn fields_of(headers: &HeaderMap) -> Fields {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// Fields as they came: read from the raw `head` when it is this request's, else from the library.
pub(super) fn fields_received(head: &[u8], request: &http::request::Parts) -> Fields {
    raw_fields(head, request).unwrap_or_else(|| fields_of(&request.headers))
}

/// The fields of a raw head; `None` when it is not the head of `request`.
fn raw_fields(head: &[u8], request: &http::request::Parts) -> Option<Fields> {
    let end = memchr::memmem::find(head, b"\r\n\r\n")?;
    let mut lines = head.get(..end)?.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    let start = lines.by_ref().find(|line| !line.is_empty())?;
    let mut words = start.split(|&byte| byte == b' ');
    let is_same = words.next()? == request.method.as_str().as_bytes()
        && words.next()? == request.uri.to_string().as_bytes();
    let field = |line: &[u8]| {
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at_checked(colon)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
        Some((text(name), text(value.get(1..)?)))
    };
    let fields: Fields = lines.map(field).collect::<Option<_>>()?;
    (is_same && fields.len() == request.headers.len()).then_some(fields)
}

/// The JSON document of one request.
#[derive(Debug, Serialize)]
struct Echo<'a> {
    name: &'a str,
    /// Ordinal of the request at this mock, from 1.
    request: u64,
    /// Wall time at which the request was complete.
    timestamp: &'a str,
    method: &'a str,
    /// Path, as it came.
    path: &'a str,
    /// Query, as it came.
    query: Option<&'a str>,
    version: &'a str,
    /// Fields, as they came.
    headers: &'a Fields,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trailers: &'a Fields,
    peer: SocketAddr,
    /// Ordinal of the connection at this mock, from 1.
    connection: u64,
    /// The body, when it is text of 64 KiB at most.
    body: Option<&'a str>,
    /// Length of the body.
    body_bytes: u64,
    /// CRC-32C of the body, eight hex digits.
    body_crc32c: String,
}

/// Who answers and who asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    /// Ordinal of the request.
    pub(super) request: u64,
    pub(super) peer: SocketAddr,
    /// Ordinal of the connection.
    pub(super) connection: u64,
}

/// Writes the echo, one line.
pub(super) fn write(
    place: Place<'_>,
    request: &http::request::Parts,
    headers: &Fields,
    received: &Received,
) -> Vec<u8> {
    let mut timestamp = Vec::with_capacity(26);
    write_timestamp(wall_ms(), &mut timestamp);
    let echo = Echo {
        name: place.name,
        request: place.request,
        timestamp: std::str::from_utf8(&timestamp).unwrap_or_default().trim_matches('"'),
        method: request.method.as_str(),
        path: request.uri.path(),
        query: request.uri.query(),
        version: version_text(request.version),
        headers,
        trailers: &received.trailers,
        peer: place.peer,
        connection: place.connection,
        body: received.text(),
        body_bytes: received.bytes,
        body_crc32c: format!("{:08x}", received.crc32c),
    };
    let mut out = serde_json::to_vec(&echo).unwrap_or_default();
    out.push(b'\n');
    out
}

/// The version as people write it.
pub(super) fn version_text(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_10 => "1.0",
        http::Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(target: &str, headers: &[(&str, &str)]) -> http::request::Parts {
        let mut request = http::Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn names_keep_case_and_order_when_the_raw_head_is_at_hand() {
        let head = b"GET /a?b HTTP/1.1\r\nHoSt: x\r\nX-Two:1\r\nx-one:  2 \r\nX-TWO: 3\r\n\r\nbody";
        let request =
            parts("/a?b", &[("host", "x"), ("x-two", "1"), ("x-two", "3"), ("x-one", "2")]);
        let want: Fields = [("HoSt", "x"), ("X-Two", "1"), ("x-one", "2"), ("X-TWO", "3")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(fields_received(head, &request), want);
    }

    #[test]
    fn another_head_is_not_taken_for_this_one() {
        let request = parts("/a", &[("host", "x")]);
        for head in [
            &b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"GET /a HTTP/1.1\r\nHost: x\r\nY: 1\r\n\r\n",
            b"GET /a HTTP/1.1\r\nHost: x\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"",
        ] {
            let want = vec![("host".to_owned(), "x".to_owned())];
            assert_eq!(fields_received(head, &request), want, "{:?}", head.escape_ascii());
        }
    }
}
