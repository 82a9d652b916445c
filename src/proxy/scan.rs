//! Follows the framing of HTTP/1 requests beside hyper, on the bytes as they arrive.
//!
//! hyper calls the service with a parsed head; by then it is gone *when* the first byte came, how
//! many bytes a head had, and what the parser tidied away although RFC 9112 asks to refuse it
//! (`Content-Length` beside `Transfer-Encoding`, a coding that nobody undoes, §6.3; a fragment in the
//! target, §3.2). A head over a
//! limit never gets that far: hyper would answer it by itself, without a word. This scanner sees the
//! same bytes first, finds line ends with SIMD search, hands over one [`Head`] per request, and holds
//! back a head that is over a limit ([`Scanner::feed`]), so that the answer is ours.
//!
//! Invariants: it never decides how a body is read (hyper does), so a disagreement can refuse a
//! request but never let one through; it keeps at most [`LINE_BYTES_MAX`] bytes of a cut line and
//! [`READY_MAX`] heads. Off for HTTP/2, whose framing leaves none of these questions.

use std::collections::VecDeque;
use std::time::Instant;

use crate::record::Reason;

/// Longest part of a line kept over a read; what matters stands at its start.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// Most complete heads that wait for hyper. It reads on only when it has used what it holds, and no
/// buffer of its size holds so many.
const READY_MAX: usize = 1 << 17;
/// Longest request line: hyper takes no target beyond 65 534 bytes.
const REQUEST_LINE_BYTES_MAX: u64 = 65_000;
/// Empty lines passed over before a request.
const EMPTY_LINES_MAX: u32 = 8;

/// Beyond these a head is refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of a head, the empty line included.
    pub(super) head_bytes: u64,
    /// Field lines of a head.
    pub(super) fields: usize,
}

/// What the bytes of one request head told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// When its first byte was read.
    pub(super) first_byte: Instant,
    /// Its length in bytes, the empty line included.
    pub(super) bytes: u64,
    /// The target has a fragment.
    pub(super) has_fragment: bool,
    /// The length of the body can be read in two ways: `Content-Length` beside `Transfer-Encoding`, or a
    /// transfer coding that is not exactly one `chunked`.
    pub(super) is_ambiguous: bool,
}

/// Where in a request the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a request.
    Start,
    RequestLine,
    Fields,
    /// In a body of known length: bytes left.
    Skip(u64),
    /// In the line that gives a chunk's length.
    ChunkLine,
    /// In a chunk and the line end after it: bytes left.
    Chunk(u64),
    Trailer,
    /// In a head that is over a limit.
    Refused(Reason),
    /// In a body whose framing is none.
    BadBody,
    /// HTTP/2, or something hyper is about to refuse.
    Off,
}

/// The scanner of one connection.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    /// Beyond these a head is refused.
    limits: Limits,
    /// Start of a line cut by the end of a read.
    line: Vec<u8>,
    head: Option<Head>,
    /// Field lines of the head being read.
    fields: usize,
    /// Empty lines passed over since the last request.
    empty_lines: u32,
    /// `Content-Length` of the head being read.
    length: Option<u64>,
    /// Whether the head being read has `Transfer-Encoding`.
    is_chunked: bool,
    /// Whether the head being read asks for JSON.
    wants_json: bool,
    /// Heads complete and not yet taken, in order.
    ready: VecDeque<Head>,
}

impl Scanner {
    /// At the start of a connection.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            state: State::Start,
            limits,
            line: Vec::new(),
            head: None,
            fields: 0,
            empty_lines: 0,
            length: None,
            is_chunked: false,
            wants_json: false,
            ready: VecDeque::new(),
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

    /// Whether every byte so far belongs to a request that was taken. Never on HTTP/2.
    pub(super) fn is_between_requests(&self) -> bool {
        self.state == State::Start && self.empty_lines == 0 && self.ready.is_empty()
    }

    /// Whether the head being read has asked for JSON so far.
    pub(super) fn wants_json(&self) -> bool {
        self.wants_json
    }

    /// Why the head being read is refused, if it is. Nothing on the connection is read any more.
    pub(super) fn refused(&self) -> Option<Reason> {
        match self.state {
            State::Refused(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether the body being read has no valid framing. Nothing on the connection is read any more.
    pub(super) fn is_body_bad(&self) -> bool {
        self.state == State::BadBody
    }

    /// Follows `bytes`, read just now. Gives how many of them hyper may see: all, unless a head
    /// or a body is refused in them.
    #[must_use]
    pub(super) fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut seen = 0;
        while let Some(rest) = bytes.get(seen..).filter(|rest| !rest.is_empty()) {
            let used = match self.state {
                State::Off => return bytes.len(),
                State::Refused(_) | State::BadBody => return seen,
                State::Start => self.start(rest),
                State::Skip(left) => self.skip(rest, left, State::Skip),
                State::Chunk(left) => self.skip(rest, left, State::Chunk),
                State::RequestLine | State::Fields | State::ChunkLine | State::Trailer => {
                    self.read_line(rest)
                }
            };
            seen += used;
        }
        seen
    }

    /// First byte of a request. Empty lines before it are passed over (RFC 9112 §2.2).
    fn start(&mut self, bytes: &[u8]) -> usize {
        if matches!(bytes.first(), Some(b'\r' | b'\n')) {
            self.empty_lines += 1;
            if self.empty_lines > 2 * EMPTY_LINES_MAX {
                self.state = State::Refused(Reason::BadRequest);
                return 0;
            }
            return 1;
        }
        self.head = Some(Head {
            first_byte: Instant::now(),
            bytes: 0,
            has_fragment: false,
            is_ambiguous: false,
        });
        (self.length, self.is_chunked, self.wants_json) = (None, false, false);
        (self.fields, self.empty_lines) = (0, 0);
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

    /// Reads to the end of the line, or keeps what there is of it. Nothing of it is used when it
    /// takes the head over a limit.
    fn read_line(&mut self, bytes: &[u8]) -> usize {
        let end = memchr::memchr(b'\n', bytes);
        let used = end.map_or(bytes.len(), |end| end + 1);
        if let Some(reason) = self.over_limit(bytes, used) {
            self.state = State::Refused(reason);
            return 0;
        }
        let part = bytes.get(..end.unwrap_or(used)).unwrap_or_default();
        // In a body hyper ends a line at CR LF alone: what looks like a head behind a bare LF is none.
        let is_body = matches!(self.state, State::ChunkLine | State::Trailer);
        if is_body && end.is_some() && part.last().or(self.line.last()) != Some(&b'\r') {
            self.state = State::BadBody;
            return 0;
        }
        if end.is_some() && self.line.is_empty() {
            self.line_done(part.strip_suffix(b"\r").unwrap_or(part));
            return used;
        }
        let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
        self.line.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            self.line_done(line.strip_suffix(b"\r").unwrap_or(&line));
        }
        used
    }

    /// Adds `used` bytes to the head, while in one; gives the limit that they pass, if any.
    fn over_limit(&mut self, bytes: &[u8], used: usize) -> Option<Reason> {
        let head = self.head.as_mut()?;
        head.bytes += used as u64;
        let most = self.limits.head_bytes;
        if self.state == State::RequestLine {
            return (head.bytes > most.min(REQUEST_LINE_BYTES_MAX)).then_some(Reason::UriTooLong);
        }
        // hyper counts a field as soon as its first byte is there.
        let is_new = self.line.is_empty() && !matches!(bytes.first(), Some(b'\r' | b'\n'));
        let is_over = head.bytes > most || (is_new && self.fields >= self.limits.fields);
        is_over.then_some(Reason::HeadTooLarge)
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
                None => self.state = State::BadBody,
            },
            State::Trailer if line.is_empty() => self.state = State::Start,
            _ => (),
        }
    }

    /// One field line: only those that frame the body, and `Accept`, matter.
    fn field(&mut self, line: &[u8]) {
        self.fields += 1;
        match line.first().map(u8::to_ascii_lowercase) {
            Some(b'c') => {
                if let Some(value) = value_of(line, b"content-length:") {
                    // hyper refuses values that differ or are no number; what is noted is enough.
                    let value = std::str::from_utf8(value).ok();
                    self.length =
                        Some(value.and_then(|text| text.trim().parse().ok()).unwrap_or(0));
                }
            }
            Some(b't') => {
                if let Some(value) = value_of(line, b"transfer-encoding:") {
                    if let Some(head) = &mut self.head {
                        head.is_ambiguous |= self.is_chunked || !super::headers::is_chunked(value);
                    }
                    self.is_chunked = true;
                }
            }
            Some(b'a') => {
                self.wants_json |= value_of(line, b"accept:").is_some_and(super::headers::is_json);
            }
            _ => (),
        }
    }

    /// The empty line after the fields.
    fn head_done(&mut self) {
        if let Some(mut head) = self.head.take() {
            head.is_ambiguous |= self.is_chunked && self.length.is_some();
            if self.ready.len() == READY_MAX {
                self.state = State::Refused(Reason::BadRequest);
                return;
            }
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

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
#[cfg(test)]
mod tests;
