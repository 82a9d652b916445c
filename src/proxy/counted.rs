//! A socket whose bytes are counted as they are on the wire: below TLS, on either side.
//!
//! Two additions to cells that only this worker writes, no lock and no system call. Not here: bytes of
//! one connection, inside TLS (`io`).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::metrics::{Cell64, EndpointMetrics, WorkerMetrics};

/// Cells that bytes of sockets are counted in.
pub(super) trait Wire {
    /// Bytes read.
    fn received(&self) -> &Cell64;
    /// Bytes written.
    fn sent(&self) -> &Cell64;
}

impl Wire for EndpointMetrics {
    fn received(&self) -> &Cell64 {
        &self.received_bytes_total
    }
    fn sent(&self) -> &Cell64 {
        &self.sent_bytes_total
    }
}

impl Wire for WorkerMetrics {
    fn received(&self) -> &Cell64 {
        &self.downstream_received_bytes_total
    }
    fn sent(&self) -> &Cell64 {
        &self.downstream_sent_bytes_total
    }
}

/// Counts what passes through `inner`.
#[derive(Debug)]
pub(super) struct Counted<S, M> {
    inner: S,
    /// Cells of this worker, or of this worker and endpoint.
    metrics: Arc<M>,
}

impl<S, M: Wire> Counted<S, M> {
    /// Counts into `metrics`.
    pub(super) fn new(inner: S, metrics: Arc<M>) -> Self {
        Self { inner, metrics }
    }

    pub(super) fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Notes bytes that were written.
    fn wrote(&self, result: io::Result<usize>) -> Poll<io::Result<usize>> {
        if let Ok(bytes) = result {
            self.metrics.sent().add_owned(bytes as u64);
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncRead + Unpin, M: Wire> AsyncRead for Counted<S, M> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.inner).poll_read(cx, buffer));
        self.metrics.received().add_owned((buffer.filled().len() - before) as u64);
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin, M: Wire> AsyncWrite for Counted<S, M> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes));
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, parts));
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
