//! Follows the framing of HTTP/1 requests beside hyper, on the bytes as they arrive.
//!
//! hyper calls the service with a parsed head; by then it is gone *when* the first byte came, how
//! many bytes a head had, and what the parser tidied away although RFC 9112 asks to refuse it
//! (`Content-Length` beside `Transfer-Encoding`, §6.3; a fragment in the target, §3.2). This scanner
//! sees the same bytes, finds line ends with SIMD search, and hands over one [`Head`] per request.
//!
//! Invariants: it never decides how a body is read (hyper does), so a disagreement can refuse a
//! request but never let one through; it keeps at most [`LINE_BYTES_MAX`] bytes of a cut line.
//! Off for HTTP/2, whose framing leaves none of these questions.

use std::collections::VecDeque;
use std::time::Instant;

/// Longest part of a line kept over a read; what matters stands at its start.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// What the bytes of one request head told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// When its first byte was read.
    pub(super) first_byte: Instant,
    /// Its length in bytes, the empty line included.
    pub(super) bytes: u64,
    /// The target has a fragment.
    pub(super) has_fragment: bool,
    /// Both `Content-Length` and `Transfer-Encoding` are present.
    pub(super) has_two_lengths: bool,
}

/// Where in a request the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a request.
    Start,
    /// In the request line.
    RequestLine,
    /// In the fields.
    Fields,
    /// In a body of known length: bytes left.
    Skip(u64),
    /// In the line that gives a chunk's length.
    ChunkLine,
    /// In a chunk and the line end after it: bytes left.
    Chunk(u64),
    /// In the trailer.
    Trailer,
    /// HTTP/2, or something hyper is about to refuse.
    Off,
}

/// The scanner of one connection.
#[derive(Debug)]
pub(super) struct Scanner {
    /// Where we are.
    state: State,
    /// Start of a line cut by the end of a read.
    line: Vec<u8>,
    /// The head being read.
    head: Option<Head>,
    /// `Content-Length` of the head being read.
    length: Option<u64>,
    /// Whether the head being read has `Transfer-Encoding`.
    is_chunked: bool,
    /// Heads complete and not yet taken, in order.
    ready: VecDeque<Head>,
    /// Bytes of the current request so far, head and body as they were on the wire.
    wire_bytes: u64,
}

impl Scanner {
    /// At the start of a connection.
    pub(super) fn new() -> Self {
        Self {
            state: State::Start,
            line: Vec::new(),
            head: None,
            length: None,
            is_chunked: false,
            ready: VecDeque::new(),
            wire_bytes: 0,
        }
    }

    /// The next complete head, in the order of requests; `None` for HTTP/2.
    pub(super) fn take_head(&mut self) -> Option<Head> {
        self.ready.pop_front()
    }

    /// Whether part of a head has been read, and its first byte's time.
    pub(super) fn head_begun(&self) -> Option<Instant> {
        self.head.as_ref().map(|head| head.first_byte)
    }

    /// Follows `bytes`, read just now.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let used = match self.state {
                State::Off => return,
                State::Start => self.start(bytes),
                State::Skip(left) => self.skip(bytes, left, State::Skip),
                State::Chunk(left) => self.skip(bytes, left, State::Chunk),
                State::RequestLine | State::Fields | State::ChunkLine | State::Trailer => {
                    self.read_line(bytes)
                }
            };
            self.wire_bytes += used as u64;
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// First byte of a request. Empty lines before it are passed over (RFC 9112 §2.2).
    fn start(&mut self, bytes: &[u8]) -> usize {
        if matches!(bytes.first(), Some(b'\r' | b'\n')) {
            return 1;
        }
        self.wire_bytes = 0;
        self.head = Some(Head {
            first_byte: Instant::now(),
            bytes: 0,
            has_fragment: false,
            has_two_lengths: false,
        });
        (self.length, self.is_chunked) = (None, false);
        self.state = State::RequestLine;
        0
    }

    /// Passes over a part of a body.
    fn skip(&mut self, bytes: &[u8], left: u64, rest: fn(u64) -> State) -> usize {
        let used = left.min(bytes.len() as u64);
        self.state = match (left - used, rest(left)) {
            (0, State::Chunk(_)) => State::ChunkLine,
            (0, _) => State::Start,
            (left, _) => rest(left),
        };
        usize::try_from(used).unwrap_or(bytes.len())
    }

    /// Reads to the end of the line, or keeps what there is of it.
    fn read_line(&mut self, bytes: &[u8]) -> usize {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.line.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
            self.count_head(bytes.len());
            return bytes.len();
        };
        let part = bytes.get(..end).unwrap_or_default();
        self.count_head(end + 1);
        if self.line.is_empty() {
            self.line_done(part.strip_suffix(b"\r").unwrap_or(part));
        } else {
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(part);
            self.line_done(line.strip_suffix(b"\r").unwrap_or(&line));
        }
        end + 1
    }

    /// Adds to the length of the head while in it.
    fn count_head(&mut self, bytes: usize) {
        if let Some(head) = &mut self.head {
            head.bytes += bytes as u64;
        }
    }

    /// One whole line, without its end.
    fn line_done(&mut self, line: &[u8]) {
        match self.state {
            State::RequestLine => {
                if line.starts_with(b"PRI * HTTP/2") {
                    self.head = None;
                    self.state = State::Off;
                    return;
                }
                let target = memchr::memchr(b' ', line).and_then(|space| line.get(space..));
                if let Some(head) = &mut self.head {
                    head.has_fragment = target.is_some_and(|t| memchr::memchr(b'#', t).is_some());
                }
                self.state = State::Fields;
            }
            State::Fields if line.is_empty() => self.head_done(),
            State::Fields => self.field(line),
            State::ChunkLine => match chunk_length(line) {
                Some(0) => self.state = State::Trailer,
                Some(length) => self.state = State::Chunk(length.saturating_add(2)),
                None => self.state = State::Off,
            },
            State::Trailer if line.is_empty() => self.state = State::Start,
            _ => (),
        }
    }

    /// One field line: only the two that frame the body matter.
    fn field(&mut self, line: &[u8]) {
        if let Some(value) = value_of(line, b"content-length:") {
            // hyper refuses values that differ or are no number; what is noted here is enough.
            self.length = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
            if self.length.is_none() {
                self.length = Some(0);
            }
        } else if value_of(line, b"transfer-encoding:").is_some() {
            self.is_chunked = true;
        }
    }

    /// The empty line after the fields.
    fn head_done(&mut self) {
        if let Some(mut head) = self.head.take() {
            head.has_two_lengths = self.is_chunked && self.length.is_some();
            self.ready.push_back(head);
        }
        self.state = match (self.is_chunked, self.length) {
            (true, _) => State::ChunkLine,
            (false, Some(length)) if length > 0 => State::Skip(length),
            _ => State::Start,
        };
    }
}

/// The value of a field line if its name (lower case, with colon) is `name`.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let start = line.get(..name.len())?;
    start.eq_ignore_ascii_case(name).then(|| line.get(name.len()..)).flatten()
}

/// Length in a chunk line, extensions left out; `None` when it is none.
fn chunk_length(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let digits = std::str::from_utf8(line.get(..end)?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Heads found as (bytes, fragment, two lengths), fed whole and then byte by byte.
    fn check(name: &str, bytes: &[u8], want: &[(u64, bool, bool)]) {
        for step in [bytes.len().max(1), 1, 7] {
            let mut scanner = Scanner::new();
            bytes.chunks(step).for_each(|part| scanner.feed(part));
            let heads: Vec<_> = std::iter::from_fn(|| scanner.take_head())
                .map(|head| (head.bytes, head.has_fragment, head.has_two_lengths))
                .collect();
            assert_eq!(heads, want, "{name}, {step} bytes a read");
        }
    }

    #[test]
    fn finds_every_head_whatever_the_reads() {
        let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let n = get.len() as u64;
        check("one", get, &[(n, false, false)]);
        check("pipelined", &get.repeat(3), &[(n, false, false); 3]);
        check("empty lines before it", &[b"\r\n\r\n", &get[..]].concat(), &[(n, false, false)]);
        check("cut short", &get[..20], &[]);
        check("fragment", b"GET /a#f HTTP/1.1\r\n\r\n", &[(21, true, false)]);
        check("# in a field is none", b"GET / HTTP/1.1\r\nA: #\r\n\r\n", &[(24, false, false)]);
        let post = b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nGET / a\r\n";
        check(
            "body is not a head",
            &[post, &get[..]].concat(),
            &[(38, false, false), (n, false, false)],
        );
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = b"5;x=y\r\nGET /\r\nA\r\n0123456789\r\n0\r\nContent-Length: 3\r\n\r\n";
        check(
            "chunks and trailer are not a head",
            &[chunked, &body[..], &get[..]].concat(),
            &[(47, false, false), (n, false, false)],
        );
        check(
            "two lengths, in either order",
            b"POST / HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
            &[(66, false, true)],
        );
        check("h2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[]);
    }

    #[test]
    fn nothing_makes_it_panic_or_grow() {
        for seed in 0..2_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut scanner = Scanner::new();
            for _ in 0..20 {
                let alphabet = b"GET /#\r\n:0aF content-length:transfer-encoding:chunked;\xff\0";
                let bytes: Vec<u8> =
                    (0..rng.usize(..200)).map(|_| alphabet[rng.usize(..alphabet.len())]).collect();
                scanner.feed(&bytes);
                while scanner.take_head().is_some() {}
            }
            assert!(scanner.line.len() <= LINE_BYTES_MAX);
        }
    }
}
