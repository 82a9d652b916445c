//! HTTP/2 as bytes: what no well-behaved library would send.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::support::*;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// One frame (RFC 9113 §4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header block of literal fields that are not indexed (RFC 7541 §6.2.2), any bytes in them.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            integer(&mut bytes, text.len());
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

/// An integer with a prefix of seven bits (RFC 7541 §5.1).
fn integer(bytes: &mut Vec<u8>, mut value: usize) {
    if value < 127 {
        bytes.push(u8::try_from(value).unwrap());
        return;
    }
    bytes.push(127);
    value -= 127;
    while value >= 128 {
        bytes.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    bytes.push(u8::try_from(value).unwrap());
}

/// The fields of `GET /` on host `a`.
pub(crate) const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];

/// The request frame of a stream, without a body.
pub(crate) fn request(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(fields))
}

#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Came {
    /// The status of a response head that begins with one of the static table (RFC 7541 A: 200,
    /// 204, 206, 304, 400, 404, 500), else `None`.
    pub(crate) fn status(&self) -> Option<u16> {
        let first = *self.payload.first().filter(|_| self.kind == HEADERS)?;
        let index = usize::from(first.checked_sub(0x88)?);
        [200, 204, 206, 304, 400, 404, 500].get(index).copied()
    }
}

/// A connection after preface and settings.
pub(crate) struct Frames(pub(crate) TcpStream);

impl Frames {
    /// Connects with these settings (RFC 9113 §6.5.2).
    pub(crate) fn connect(proxy: &Proxy, settings: &[(u16, u32)]) -> Self {
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat())
            .collect();
        let mut frames = Self(connect(proxy.address));
        frames.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frames.send(&frame(SETTINGS, 0, 0, &payload));
        frames
    }

    /// Sends bytes; that the proxy has closed is no failure of the test.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) fn next(&mut self) -> Option<Came> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some(Came { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// The next frame of this kind; `None` at the end of the connection.
    pub(crate) fn next_of(&mut self, kind: u8) -> Option<Came> {
        std::iter::from_fn(|| self.next()).find(|came| came.kind == kind)
    }

    /// What becomes of a stream: the status of its response, or `None` when it is reset or the
    /// connection ends first.
    pub(crate) fn outcome(&mut self, stream: u32) -> Option<u16> {
        let came = std::iter::from_fn(|| self.next()).find(|came| {
            (came.stream == stream && matches!(came.kind, HEADERS | RST_STREAM))
                || came.kind == GOAWAY
        })?;
        came.status()
    }
}
