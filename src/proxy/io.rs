//! The socket wrapper below hyper: counts bytes, feeds the scanner, keeps the time limit of writing.
//!
//! Invariants: bytes pass through untouched, vectored writes stay vectored (one `writev` per small
//! response), and it adds no system call. A head that the scanner refuses is not passed on: reading
//! fails instead, as soon as everything before it is answered. When hyper lets go of the socket it is
//! left in [`Leftover`], for last words (`ending`).

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::{Connection, Expired};
use super::limit::{Pause, Timer};

/// Where a stream is left that hyper has let go of.
pub(super) type Leftover<S> = Rc<Cell<Option<S>>>;

/// A downstream stream, plain or TLS.
pub(super) struct Watched<S> {
    /// The stream itself, until it is left.
    inner: Option<S>,
    /// Where it is left.
    leftover: Leftover<S>,
    /// What is known of the connection.
    connection: Rc<Connection>,
    /// Passes when the downstream takes nothing for too long.
    write_pause: Pause,
    /// A head or a body was refused; hyper gets nothing more to read.
    is_refused: bool,
    /// hyper was given one more turn after that, to hand over what it has to write.
    has_yielded: bool,
}

impl<S> Watched<S> {
    /// Watches `inner` on behalf of `connection`; leaves it in `leftover`.
    pub(super) fn new(
        inner: S,
        connection: Rc<Connection>,
        timer: &Rc<Timer>,
        leftover: &Leftover<S>,
    ) -> Self {
        let write_pause = Pause::new(connection.listener.timeouts.idle, timer);
        Self {
            inner: Some(inner),
            leftover: Rc::clone(leftover),
            connection,
            write_pause,
            is_refused: false,
            has_yielded: false,
        }
    }

    /// A head was refused: reading fails, but not before earlier exchanges have ended and their
    /// bytes are gone. In a body it fails at once.
    fn refuse(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.scanner.borrow().is_body_bad() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into())); // its exchange waits for more
        }
        if self.connection.in_flight.get() > 0 || self.write_pause.is_on() {
            return Poll::Pending; // the end of the exchange, or the socket, wakes hyper
        }
        if !self.has_yielded {
            self.has_yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
    }

    /// Books the result of a write, and the time limit while the socket takes nothing.
    fn wrote(
        &mut self,
        cx: &Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Pending => {
                self.connection.is_sending.set(true);
                if self.write_pause.poll(cx).is_ready() {
                    self.connection.expired.set(Some(Expired::Write));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                Poll::Pending
            }
            Poll::Ready(result) => {
                if self.write_pause.is_on() {
                    self.connection.is_sending.set(false);
                    self.write_pause.end();
                }
                if let Ok(bytes) = result {
                    self.connection.on_write(bytes);
                }
                Poll::Ready(result)
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_refused {
            return this.refuse(cx);
        }
        let before = buf.filled().len();
        match Pin::new(inner(&mut this.inner)?).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                let new = buf.filled().get(before..).unwrap_or_default();
                if new.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                let passed = this.connection.on_read(new);
                if passed < new.len() {
                    this.is_refused = true;
                    buf.set_filled(before + passed);
                    if passed == 0 {
                        return this.refuse(cx);
                    }
                }
                Poll::Ready(Ok(()))
            }
            waits_or_failed => waits_or_failed,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(inner(&mut this.inner)?).poll_write(cx, buf);
        this.wrote(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(inner(&mut this.inner)?).poll_write_vectored(cx, bufs);
        this.wrote(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(inner(&mut this.inner)?).poll_flush(cx);
        // A TLS session may hold what a write has given it.
        this.connection.is_sending.set(flushed.is_pending() || this.write_pause.is_on());
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(inner(&mut self.get_mut().inner)?).poll_shutdown(cx)
    }
}

/// The stream, which is there until the wrapper is dropped.
///
/// # Errors
/// Never; an error stands for a panic.
fn inner<S>(stream: &mut Option<S>) -> io::Result<&mut S> {
    stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
}

impl<S> Drop for Watched<S> {
    fn drop(&mut self) {
        self.leftover.set(self.inner.take());
    }
}
