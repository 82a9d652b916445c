//! The body of an answer: all of it, or its first half and then an error.

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// How a body ends.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    Whole,
    /// With an error, once what is there is sent: the connection is closed.
    Error,
    /// With an error now.
    ErrorNow,
}

/// A body that the HTTP library sends.
#[derive(Debug)]
pub(super) struct Body {
    rest: Bytes,
    ending: Ending,
}

impl Body {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { rest: bytes, ending: Ending::Whole }
    }

    pub(super) fn half(bytes: &Bytes) -> Self {
        Self { rest: bytes.slice(..bytes.len() / 2), ending: Ending::Error }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(mem::take(&mut self.rest)))));
        }
        match self.ending {
            Ending::Whole => Poll::Ready(None),
            Ending::Error => {
                // The library sends what it holds only when a body makes it wait.
                self.ending = Ending::ErrorNow;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Ending::ErrorNow => Poll::Ready(Some(Err(io::Error::other("cut by script")))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ending == Ending::Whole && self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.ending {
            Ending::Whole => SizeHint::with_exact(self.rest.len() as u64),
            Ending::Error | Ending::ErrorNow => SizeHint::default(),
        }
    }
}
