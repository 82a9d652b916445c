//! Bodies of the mocks: what they hold, how they are divided, and the paced body the HTTP library
//! sends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;

/// Largest part sent at once, in bytes.
const PART_BYTES_MAX: usize = 64 * 1024;

/// What a body of a given size is made of: lines of 64 characters.
static PATTERN: [u8; PART_BYTES_MAX] = {
    let mut pattern = [b'\n'; PART_BYTES_MAX];
    let line = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    let mut at = 0;
    while at < PART_BYTES_MAX {
        if at % 64 < 63 {
            pattern[at] = line[at % 64];
        }
        at += 1;
    }
    pattern
};

/// The bytes of a body.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// That many bytes of the pattern; costs no memory.
    Pattern(u64),
    Bytes(Bytes),
}

impl Content {
    /// Length in bytes.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Pattern(count) => *count,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Bytes from `from` up to `to`, fewer when that is more than one part.
    fn slice(&self, from: u64, to: u64) -> Bytes {
        match self {
            Self::Pattern(_) => {
                let start = usize::try_from(from % PART_BYTES_MAX as u64).unwrap_or(0);
                let count = usize::try_from(to - from).unwrap_or(usize::MAX);
                let end = start.saturating_add(count).min(PART_BYTES_MAX);
                Bytes::from_static(PATTERN.get(start..end).unwrap_or_default())
            }
            Self::Bytes(bytes) => {
                let at = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                bytes.slice(at(from)..at(to))
            }
        }
    }
}

/// A body divided into chunks, given out in parts.
#[derive(Debug)]
pub(super) struct Parts {
    content: Content,
    /// Chunks it is divided into.
    chunks: u64,
    /// Chunk that is given out next.
    chunk: u64,
    /// Byte that is given out next.
    at: u64,
    /// Where giving out ends; less than the content's length when cut.
    end: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its bytes, never none.
    pub(super) bytes: Bytes,
    /// Whether a chunk other than the first begins with it, so that a pause comes before it.
    pub(super) is_paused: bool,
}

impl Parts {
    /// Divides `content` into `chunks` and gives out the first `end` bytes of it.
    pub(super) fn new(content: Content, chunks: u64, end: u64) -> Self {
        let end = end.min(content.len());
        Self { content, chunks: chunks.max(1), chunk: 0, at: 0, end }
    }

    /// Bytes not yet given out.
    pub(super) fn remaining(&self) -> u64 {
        self.end - self.at
    }

    /// First byte of a chunk.
    fn boundary(&self, chunk: u64) -> u64 {
        let at = u128::from(self.content.len()) * u128::from(chunk) / u128::from(self.chunks);
        u64::try_from(at).unwrap_or(u64::MAX)
    }

    pub(super) fn next(&mut self) -> Option<Part> {
        if self.remaining() == 0 {
            return None;
        }
        while self.boundary(self.chunk + 1) <= self.at {
            self.chunk += 1;
        }
        let is_paused = self.at > 0 && self.boundary(self.chunk) == self.at;
        let bytes = self.content.slice(self.at, self.boundary(self.chunk + 1).min(self.end));
        self.at += bytes.len() as u64;
        Some(Part { bytes, is_paused })
    }
}

/// How a body ends. Over HTTP/1 the mock upstream plays faults itself (`raw`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Whole,
    /// With an error, once all before it is sent: resets the stream (HTTP/2), closes (HTTP/1).
    Error,
    /// With an error now.
    ErrorNow,
    Never,
}

/// A body that the HTTP library sends.
#[derive(Debug)]
pub(super) struct PacedBody {
    pub(super) parts: Parts,
    /// Pause before each chunk but the first.
    pub(super) pause: Duration,
    /// Whether the length is kept secret, so that chunked coding is used.
    pub(super) hides_length: bool,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) ending: Ending,
    /// Pause under way, and the bytes after it.
    pub(super) waiting: Option<(Pin<Box<Sleep>>, Bytes)>,
}

impl PacedBody {
    /// A body without pauses and faults.
    pub(super) fn whole(content: Content) -> Self {
        let end = content.len();
        Self {
            parts: Parts::new(content, 1, end),
            pause: Duration::ZERO,
            hides_length: false,
            trailers: None,
            ending: Ending::Whole,
            waiting: None,
        }
    }
}

impl http_body::Body for PacedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some((sleep, _)) = &mut self.waiting {
            ready!(sleep.as_mut().poll(cx));
            return Poll::Ready(self.waiting.take().map(|(_, bytes)| Ok(Frame::data(bytes))));
        }
        match self.parts.next() {
            Some(part) if part.is_paused && !self.pause.is_zero() => {
                self.waiting = Some((Box::pin(tokio::time::sleep(self.pause)), part.bytes));
                self.poll_frame(cx)
            }
            Some(part) => Poll::Ready(Some(Ok(Frame::data(part.bytes)))),
            None => match self.ending {
                Ending::Whole => Poll::Ready(self.trailers.take().map(|t| Ok(Frame::trailers(t)))),
                Ending::Error => {
                    // The library sends what it holds only when a body makes it wait.
                    self.ending = Ending::ErrorNow;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Ending::ErrorNow => Poll::Ready(Some(Err(io::Error::other("cut by script")))),
                Ending::Never => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ending == Ending::Whole
            && self.parts.remaining() == 0
            && self.waiting.is_none()
            && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.hides_length || self.ending != Ending::Whole {
            return SizeHint::default();
        }
        let waiting = self.waiting.as_ref().map_or(0, |(_, bytes)| bytes.len() as u64);
        SizeHint::with_exact(self.parts.remaining() + waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts_of(content: Content, chunks: u64, end: u64) -> (Vec<u8>, Vec<(usize, bool)>) {
        let mut parts = Parts::new(content, chunks, end);
        let (mut all, mut shape) = (Vec::new(), Vec::new());
        while let Some(part) = parts.next() {
            shape.push((part.bytes.len(), part.is_paused));
            all.extend_from_slice(&part.bytes);
        }
        (all, shape)
    }

    #[test]
    fn a_body_is_divided_evenly_and_cut_where_asked() {
        let text = || Content::Bytes(Bytes::from_static(b"0123456789"));
        for (chunks, end, want) in [
            (1, 10, vec![(10, false)]),
            (3, 10, vec![(3, false), (3, true), (4, true)]),
            (3, 4, vec![(3, false), (1, true)]),
            (20, 3, vec![(1, false), (1, true), (1, true)]),
            (1, 0, vec![]),
            (1, 99, vec![(10, false)]),
        ] {
            let (all, shape) = parts_of(text(), chunks, end);
            assert_eq!(shape, want, "{chunks} chunks, {end} bytes");
            assert_eq!(all, b"0123456789"[..all.len()]);
        }
    }

    #[test]
    fn the_pattern_goes_on_over_parts() {
        let (all, shape) = parts_of(Content::Pattern(150_000), 1, 150_000);
        assert_eq!(all.len(), 150_000);
        assert!(shape.iter().all(|&(bytes, is_paused)| bytes <= PART_BYTES_MAX && !is_paused));
        assert!(all.iter().enumerate().all(|(at, &byte)| byte == PATTERN[at % PART_BYTES_MAX]));
    }
}
