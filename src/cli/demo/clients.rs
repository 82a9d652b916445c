//! The crowds of clients that make the demo's traffic, and what they saw.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::mock::{story, traffic};

/// Running clients; stop when dropped.
#[derive(Debug)]
pub(super) struct Clients(Vec<traffic::Running>);

/// What clients saw, all together.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Requests begun.
    pub(super) sent: u64,
    /// Answers received whole.
    pub(super) answered: u64,
    /// Requests without a whole answer.
    pub(super) failed: u64,
    /// Latency of whole answers in microseconds; `None` only if there were no clients.
    latency_us: Option<Histogram<u64>>,
}

impl Clients {
    /// Starts all crowds.
    ///
    /// # Errors
    /// When a thread cannot be had; none is left running.
    pub(super) fn start(target: SocketAddr, rate: u32, duration: Duration) -> io::Result<Self> {
        let crowds = story::crowds(target, f64::from(rate), duration).into_iter();
        crowds.map(traffic::start).collect::<io::Result<_>>().map(Self)
    }

    /// Begins nothing more, waits for what is under way, and adds up. Blocks.
    pub(super) fn stop(self) -> io::Result<Seen> {
        let mut seen = Seen::default();
        for crowd in self.0 {
            let report = crowd.stop()?;
            seen.sent += report.counters.sent.value();
            seen.answered += report.counters.answered_total();
            seen.failed += report.counters.failed_total();
            match &mut seen.latency_us {
                Some(all) => all.add(&report.latency_us).map_err(io::Error::other)?,
                none => *none = Some(report.latency_us),
            }
        }
        Ok(seen)
    }
}

impl Seen {
    /// The latency that a share of whole answers did not exceed.
    pub(super) fn latency_us(&self, quantile: f64) -> Option<u64> {
        let latencies = self.latency_us.as_ref().filter(|latencies| !latencies.is_empty())?;
        Some(latencies.value_at_quantile(quantile))
    }
}
