//! Counters and gauges that only memory knows, and their Prometheus text.
//!
//! Every name stands once, in `table.rs`; a metric is an [`Cell64`] in a plain struct, so that adding
//! one is one row there and one call where it happens. Counters of a worker are written by that
//! worker alone and read by the admin thread. [`Ledger`] is what they say of records.
//!
//! Not here: exact percentiles and per-URI figures (they come from the journal), HTTP (see `admin`).

mod docs;
mod duration;
mod ledger;
mod table;
mod text;

pub use docs::metrics_markdown;
pub use duration::Durations;
pub use ledger::{Ledger, Shipped};
pub use table::{
    AdminMetrics, ChannelMetrics, ControlMetrics, DiscoveryMetrics, EndpointMetrics,
    JournalMetrics, MonitorMetrics, NamesMetrics, NotifyMetrics, OtlpMetrics, OutlierMetrics,
    ProcessMetrics, RollupMetrics, ServiceMetrics, ShipMetrics, ShortageMetrics, SloMetrics,
    SloSeriesMetrics, ThreadMetrics, WatchMetrics, WorkerMetrics,
};
pub use text::Exposition;

use std::sync::atomic::{AtomicU64, Ordering};

/// A 64-bit counter or gauge. Relaxed: figures are read for people, never to synchronise.
#[derive(Debug, Default)]
pub struct Cell64(AtomicU64);

impl Cell64 {
    /// The value of a gauge that nobody could read: pages leave it out.
    pub const UNKNOWN: u64 = u64::MAX;

    /// Raises a gauge to `value` without a locked instruction, if it is lower. Only for a cell with
    /// a single writer, but for those who [`take`](Self::take) it: what is taken between is lost.
    pub fn raise_owned(&self, value: u64) {
        if self.value() < value {
            self.set(value);
        }
    }

    /// The value now; 0 from here on.
    pub fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }

    /// The value of a gauge, if anybody could read it.
    pub fn known(&self) -> Option<u64> {
        Some(self.value()).filter(|&value| value != Self::UNKNOWN)
    }

    /// Sets a gauge that may not be known.
    pub fn set_known(&self, value: Option<u64>) {
        self.set(value.unwrap_or(Self::UNKNOWN));
    }

    /// Adds `n`; safe from several threads.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds `n` without a locked instruction. Only for a cell with a single writer.
    pub fn add_owned(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Takes `n` away without a locked instruction. Only for a cell with a single writer.
    pub fn sub_owned(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(n), Ordering::Relaxed);
    }

    /// Takes `n` away; safe from several threads.
    pub fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a metric's values do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises; its name ends in `_total`.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by upper bounds, their sum and number: `_bucket`, `_sum`, `_count`.
    Histogram,
}

impl Kind {
    /// As pages and documentation have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One row of a metrics table.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Prometheus name, base units.
    pub name: &'static str,
    /// Constant labels of this row, as `key="value"`, or empty.
    pub labels: &'static str,
    /// What it counts, one line.
    pub help: &'static str,
    /// What its values do.
    pub kind: Kind,
    /// What the cell's value is divided by on the page: a power of ten.
    pub divisor: u64,
}
