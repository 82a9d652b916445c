//! The socket of one connection: shared between the HTTP library and scripted bytes, and it keeps
//! the last request head as it came, since the library keeps neither case nor order of names.
//!
//! Both sides run on one thread; never at the same time.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Longest head that is kept; names of a longer one are reported in lower case.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A connection, shared by clones.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    /// The stream and the head.
    inner: Rc<Inner>,
}

/// What clones share.
#[derive(Debug)]
struct Inner {
    stream: TcpStream,
    /// Bytes of the request under way, while they may be its head; `None` when nobody looks.
    head: RefCell<Option<Vec<u8>>>,
}

impl Socket {
    /// Wraps an accepted connection; `keeps_head` when somebody will ask for the first head.
    pub(super) fn new(stream: TcpStream, keeps_head: bool) -> Self {
        let head = RefCell::new(keeps_head.then(Vec::new));
        Self { inner: Rc::new(Inner { stream, head }) }
    }

    /// What came since [`Socket::await_head`]; stops keeping until it is called again.
    pub(super) fn take_head(&self) -> Vec<u8> {
        self.inner.head.take().unwrap_or_default()
    }

    /// Keeps what comes from now on.
    pub(super) fn await_head(&self) {
        self.inner.head.replace(Some(Vec::new()));
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// When the peer has left.
    pub(super) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.inner.stream.writable().await?;
            match self.inner.stream.try_write(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until the peer has left; what it sends is thrown away.
    pub(super) async fn wait_for_end(&self) {
        let mut scratch = [0; 4096];
        while self.inner.stream.readable().await.is_ok() {
            match self.inner.stream.try_read(&mut scratch) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// Makes the coming close a reset.
    pub(super) fn reset_on_close(&self) {
        // Fails only on a socket that is gone already.
        let _ =
            socket2::SockRef::from(&self.inner.stream).set_linger(Some(std::time::Duration::ZERO));
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.inner.stream.poll_read_ready(cx))?;
            match self.inner.stream.try_read(buf.initialize_unfilled()) {
                Ok(count) => {
                    if let Some(head) = self.inner.head.borrow_mut().as_mut()
                        && head.len() < HEAD_BYTES_MAX
                    {
                        let start = buf.filled().len();
                        head.extend_from_slice(&buf.initialized()[start..start + count]);
                    }
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Tries `write` until it does something else than block.
fn poll_write_with(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    mut write: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match write() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = &self.inner.stream;
        poll_write_with(stream, cx, || stream.try_write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = &self.inner.stream;
        poll_write_with(stream, cx, || stream.try_write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = socket2::SockRef::from(&self.inner.stream).shutdown(std::net::Shutdown::Write);
        Poll::Ready(match ended {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
            _ => Ok(()),
        })
    }
}
