//! Spans of the control plane: batches on their way, setting up the server, what else `tracing` has a
//! span for.
//!
//! A layer of the log hands ended spans to a bounded queue, from which the exporter takes them along with
//! those of records. They are in memory alone: a killed process loses the last ones. Never on the data
//! plane, which makes no `tracing` spans.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanProcessor};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::metrics::OtlpMetrics;

/// Most spans that wait; more are dropped and counted.
const QUEUE_MAX: usize = 256;

/// The end of the queue for the exporter.
#[derive(Debug)]
pub struct ControlPlane {
    spans: Receiver<SpanData>,
    /// The exporter's cells: the layer counts in them too.
    pub metrics: Arc<OtlpMetrics>,
}

impl ControlPlane {
    /// The layer that fills the queue, and its other end.
    pub fn new<S>() -> (impl Layer<S> + Send + Sync, Self)
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let (queue, spans) = sync_channel(QUEUE_MAX);
        let metrics = Arc::new(OtlpMetrics::default());
        let processor = Queue { queue, metrics: Arc::clone(&metrics) };
        let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("lbproxy"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            // Ours alone: the crates below have spans of their own, also while we export.
            .with_filter(Targets::new().with_target("lbproxy", LevelFilter::INFO));
        (layer, Self { spans, metrics })
    }

    pub(super) fn take(&self) -> Vec<Span> {
        self.spans.try_iter().take(QUEUE_MAX).map(Span::from).collect()
    }
}

/// Hands spans to the queue without waiting.
#[derive(Debug)]
struct Queue {
    queue: SyncSender<SpanData>,
    /// Where dropped ones are counted.
    metrics: Arc<OtlpMetrics>,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut opentelemetry_sdk::trace::Span, _cx: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.queue.try_send(span).is_err() {
            self.metrics.control_dropped_total.add(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn our_spans_wait_in_a_queue_that_is_bounded_and_counts() {
        let (layer, control) = ControlPlane::new();
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..QUEUE_MAX + 3 {
                let _span = tracing::info_span!(target: "lbproxy::ship", "batch", number).entered();
            }
            let _other = tracing::info_span!(target: "h2::codec", "frame").entered();
            let _small = tracing::debug_span!(target: "lbproxy::ship", "detail").entered();
        });
        let spans = control.take();
        assert_eq!(spans.len(), QUEUE_MAX);
        assert!(spans.iter().all(|span| span.name == "batch" && span.trace_id.len() == 16));
        assert_eq!(control.metrics.control_dropped_total.value(), 3);
        assert!(control.take().is_empty());
    }
}
