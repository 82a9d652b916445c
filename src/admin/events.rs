//! Event streams: `text/event-stream` bodies, bounded in number and in what waits for a reader.
//!
//! A reader who is slow misses events and is told how many; one who does not read at all for
//! [`SEND_MAX`] is let go. Not here: what events say (`live`, `tail`).

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use http_body::Frame;
use tokio::sync::mpsc;

use super::Sources;
use crate::metrics::{AdminMetrics, Cell64};

/// Longest wait for a reader to take an event.
pub(super) const SEND_MAX: Duration = Duration::from_mins(1);
/// How long a reader should wait before it comes again, in milliseconds.
const RETRY_MS: u32 = 1_000;

/// A place among those that listen, free again when dropped. Its gauge counts them.
#[derive(Debug)]
pub(super) struct Seat {
    /// Holds the gauge.
    sources: Arc<Sources>,
    gauge: Gauge,
}

/// One of the gauges of the admin listener.
pub(super) type Gauge = fn(&AdminMetrics) -> &Cell64;

impl Seat {
    /// Takes one, unless `most` are taken. Several who come at once for the last may all be refused.
    pub(super) fn take(sources: &Arc<Sources>, gauge: Gauge, most: usize) -> Option<Self> {
        gauge(&sources.admin).add(1);
        let seat = Self { sources: Arc::clone(sources), gauge };
        (gauge(&sources.admin).value() <= most as u64).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        (self.gauge)(&self.sources.admin).sub(1);
    }
}

/// An event with its number.
pub(super) fn event(name: &str, id: u64, data: &str) -> Bytes {
    let mut text = String::with_capacity(data.len() + 64);
    // Writing to a String cannot fail; JSON has no line break outside of texts, nor in them.
    let _ = write!(text, "event: {name}\nid: {id}\ndata: {data}\n\n");
    text.into()
}

/// A comment, so that whoever is between sees the stream alive.
pub(super) fn heartbeat() -> Bytes {
    Bytes::from_static(b": alive\n\n")
}

/// The first bytes of a stream.
pub(super) fn opening() -> Bytes {
    format!("retry: {RETRY_MS}\n\n").into()
}

/// The answer that sends what comes through `frames` until its sender is dropped.
pub(super) fn answer(frames: mpsc::Receiver<Bytes>) -> Response {
    let fields = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (fields, Body::new(Events(frames))).into_response()
}

/// The answer when all seats are taken.
pub(super) fn full(most: usize) -> Response {
    let text = format!("{most} of these are open already; close a page and try again\n");
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "5")], text).into_response()
}

struct Events(mpsc::Receiver<Bytes>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
