//! Bodies in both directions: streamed, counted, never held.
//!
//! [`RequestBody`] goes to the endpoint and notes what the downstream did (bytes, end, fault).
//! [`ResponseBody`] goes to the downstream and ends the exchange: **the record is appended before
//! the last frame, or the end, is handed over**, so no client ever saw a complete response whose
//! record is not in the journal. Dropped early, it ends the exchange as a downstream that left.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::endpoint::Lease;
use super::headers::clean_trailers;
use super::limit::{Pause, Timer};
use super::stopwatch::Stopwatch;
use crate::record::Reason;

/// Why a body ended early; the reason is what the record says.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("body ended early: {}", .0.as_str())]
pub(super) struct BodyFault(pub(super) Reason);

/// What is known of a request body, shared with its exchange.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) bytes: Cell<u64>,
    /// When the last of them came.
    pub(super) last: Cell<Instant>,
    pub(super) ended: Cell<Option<Instant>>,
    pub(super) fault: Cell<Option<Reason>>,
}

/// A request body on its way to an endpoint.
#[derive(Debug)]
pub(in crate::proxy) struct RequestBody {
    /// What hyper reads from the downstream; `None` for a request without a body.
    stream: Option<Stream>,
}

/// The parts of a request body that exist only if there is one.
#[derive(Debug)]
struct Stream {
    /// What hyper reads from the downstream.
    inner: Incoming,
    /// Shared with the exchange.
    upload: Rc<Upload>,
    /// Longest pause.
    pause: Pause,
    /// Largest body.
    bytes_max: Option<u64>,
}

impl RequestBody {
    pub(super) const fn empty() -> Self {
        Self { stream: None }
    }

    /// A body with its limits.
    pub(super) fn streamed(
        inner: Incoming,
        idle: Duration,
        bytes_max: Option<u64>,
        timer: &Rc<Timer>,
    ) -> (Self, Rc<Upload>) {
        let upload = Rc::new(Upload {
            bytes: Cell::new(0),
            last: Cell::new(Instant::now()),
            ended: Cell::new(None),
            fault: Cell::new(None),
        });
        let pause = Pause::new(idle, timer);
        let stream = Stream { inner, upload: Rc::clone(&upload), pause, bytes_max };
        (Self { stream: Some(stream) }, upload)
    }
}

impl Stream {
    /// Ends it early.
    fn fail(&self, reason: Reason) -> BodyFault {
        self.upload.fault.set(Some(reason));
        BodyFault(reason)
    }

    fn pass(&mut self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyFault> {
        let now = Instant::now();
        let upload = &self.upload;
        if let Some(data) = frame.data_ref() {
            upload.bytes.set(upload.bytes.get() + data.len() as u64);
        }
        if let Some(trailers) = frame.trailers_mut() {
            clean_trailers(trailers);
        }
        upload.last.set(now);
        if is_last(&frame, &self.inner) {
            upload.ended.set(Some(now));
        }
        if self.bytes_max.is_some_and(|most| upload.bytes.get() > most) {
            return Err(self.fail(Reason::BodyTooLarge));
        }
        Ok(frame)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Some(stream) = &mut self.get_mut().stream else { return Poll::Ready(None) };
        match Pin::new(&mut stream.inner).poll_frame(cx) {
            Poll::Pending => {
                stream.pause.poll(cx).map(|()| Some(Err(stream.fail(Reason::BodyTimeout))))
            }
            Poll::Ready(next) => {
                stream.pause.end();
                Poll::Ready(match next {
                    Some(Ok(frame)) => Some(stream.pass(frame)),
                    Some(Err(error)) => Some(Err(stream.fail(downstream_fault(&error)))),
                    None => {
                        stream.upload.ended.set(Some(Instant::now()));
                        None
                    }
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.as_ref().is_none_or(|stream| stream.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.stream
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |stream| stream.inner.size_hint())
    }
}

/// Whether nothing comes after `frame` of `body`: hyper asks for no more then, and drops the body. Of
/// HTTP/2, the length that was promised may have come before the end of the stream is told.
fn is_last(frame: &Frame<Bytes>, body: &Incoming) -> bool {
    frame.is_trailers() || body.is_end_stream() || body.size_hint().exact() == Some(0)
}

/// Whether the downstream left or sent what is no body (RFC 9112 §7.1).
fn downstream_fault(error: &hyper::Error) -> Reason {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return match io.kind() {
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Reason::BadBody,
                io::ErrorKind::TimedOut => Reason::BodyTimeout,
                _ => Reason::DownstreamClosed,
            };
        }
        cause = error.source();
    }
    Reason::DownstreamClosed
}

/// A response body on its way to the downstream.
#[derive(Debug)]
pub(super) enum ResponseBody {
    /// Made here, or empty; its exchange has ended.
    Local(Option<Bytes>),
    /// Empty, without saying so: of a 304 that is known to be empty hyper drops `Content-Length`,
    /// which tells what a 200 would have had (RFC 9110 §8.6).
    Unsaid,
    Relay(Box<Relay>),
}

/// A response body that comes from an endpoint.
#[derive(Debug)]
pub(super) struct Relay {
    /// What hyper reads from the endpoint.
    inner: Incoming,
    /// Ends the exchange.
    watch: Box<Stopwatch>,
    /// The connection; goes back to its pool at a clean end.
    lease: Option<Lease>,
    /// Longest pause.
    pause: Pause,
}

impl Relay {
    /// Relays `inner` until its end.
    pub(super) fn new(
        inner: Incoming,
        watch: Box<Stopwatch>,
        lease: Lease,
        idle: Duration,
        timer: &Rc<Timer>,
    ) -> Box<Self> {
        Box::new(Self { inner, watch, lease: Some(lease), pause: Pause::new(idle, timer) })
    }

    /// The body is complete: record first, then the connection goes back.
    fn complete(&mut self) {
        let now = self.watch.finish(Reason::Complete);
        let Some(mut lease) = self.lease.take() else { return };
        lease.end(Reason::Complete, self.watch.worker.millis_at(now));
        if self.watch.is_upload_over() {
            lease.give_back(now);
        }
    }

    /// Why the endpoint's side broke off: because of what the downstream did to the request body, if
    /// anything.
    fn fault(&self) -> Reason {
        let upload = self.watch.upload.as_deref();
        upload.and_then(|upload| upload.fault.get()).unwrap_or(Reason::UpstreamReset)
    }

    /// The endpoint failed in the middle; hyper closes the downstream connection on the error.
    fn fail(&mut self, reason: Reason) -> BodyFault {
        let now = self.watch.finish(reason);
        if let Some(mut lease) = self.lease.take() {
            lease.end(reason, self.watch.worker.millis_at(now));
        }
        BodyFault(reason)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let relay = match self.get_mut() {
            Self::Local(bytes) => return Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Unsaid => return Poll::Ready(None),
            Self::Relay(relay) => relay,
        };
        if let Some(stream) = &relay.watch.stream {
            stream.is_taken(); // hyper comes back once the frame before has gone
        }
        match Pin::new(&mut relay.inner).poll_frame(cx) {
            Poll::Pending => {
                relay.pause.poll(cx).map(|()| Some(Err(relay.fail(Reason::UpstreamIdleTimeout))))
            }
            Poll::Ready(next) => {
                relay.pause.end();
                Poll::Ready(match next {
                    Some(Ok(mut frame)) => {
                        if let Some(trailers) = frame.trailers_mut() {
                            clean_trailers(trailers);
                        }
                        if let Some(stream) = &relay.watch.stream {
                            stream.waits();
                        }
                        relay.watch.add_response_bytes(frame.data_ref().map_or(0, Bytes::len));
                        if is_last(&frame, &relay.inner) {
                            relay.complete();
                        }
                        Some(Ok(frame))
                    }
                    Some(Err(_)) => Some(Err(relay.fail(relay.fault()))),
                    None => {
                        relay.complete();
                        None
                    }
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Local(bytes) => bytes.is_none(),
            Self::Unsaid => false,
            Self::Relay(relay) => relay.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Local(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Unsaid => SizeHint::default(),
            Self::Relay(relay) => relay.inner.size_hint(),
        }
    }
}
