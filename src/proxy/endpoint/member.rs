//! An endpoint as all workers share it: what it is, its state, and the cells of each.
//!
//! Not here: which endpoints a service has (`roster`), a worker's side (`Endpoint`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Count, Outlier};
use crate::config;
use crate::metrics::EndpointMetrics;

/// See the head of this file.
#[derive(Debug)]
pub(in crate::proxy) struct Member {
    /// Tells it from one of the same address that was there before.
    pub(in crate::proxy) id: u64,
    pub(in crate::proxy) address: config::Endpoint,
    /// As records and metrics name it.
    pub(in crate::proxy) label: String,
    pub(in crate::proxy) outlier: Arc<Outlier>,
    /// Cells of each worker.
    cells: Vec<Arc<EndpointMetrics>>,
}

impl Member {
    /// One that was never there before.
    pub(in crate::proxy) fn new(
        address: &config::Endpoint,
        outlier: Outlier,
        workers: usize,
    ) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(1);
        Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            address: address.clone(),
            label: address.to_string(),
            outlier: Arc::new(outlier),
            cells: (0..workers).map(|_| Arc::default()).collect(),
        }
    }

    /// The same one with the weight of `address`.
    pub(in crate::proxy) fn weighing(&self, address: &config::Endpoint) -> Self {
        Self {
            id: self.id,
            address: address.clone(),
            label: self.label.clone(),
            outlier: Arc::clone(&self.outlier),
            cells: self.cells.clone(),
        }
    }

    /// Cells of the worker of this number.
    pub(in crate::proxy) fn cells(&self, worker: u8) -> Arc<EndpointMetrics> {
        self.cells.get(usize::from(worker)).map(Arc::clone).unwrap_or_default()
    }

    /// Cells of each worker, in order.
    pub(in crate::proxy) fn all_cells(&self) -> &[Arc<EndpointMetrics>] {
        &self.cells
    }

    /// Attempts that ended, over all workers.
    pub(in crate::proxy) fn attempts(&self) -> Count {
        let count = |cells: &Arc<EndpointMetrics>| Count {
            heads: cells.answers_total.value(),
            answers: cells.answers_whole_total.value(),
            failures: cells.failures_total.value(),
        };
        self.cells.iter().map(count).fold(Count::default(), |sum, one| sum + one)
    }
}
