//! The permits of one service, counted over all workers, and what each worker shows of its queue.
//!
//! Not here: who gets a permit, and when (`wait_queue`).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use crate::config::ServiceLimits;

/// The ticket of an empty queue.
pub(super) const NOBODY: u64 = u64::MAX;

/// The permits of one service: one counter for all workers.
#[derive(Debug)]
pub(in crate::proxy) struct Permits {
    pub(in crate::proxy) most: usize,
    /// How many exchanges may wait.
    pub(in crate::proxy) waiting_max: usize,
    pub(super) timeout: Duration,
    pub(super) taken: AtomicUsize,
    pub(super) waiting: AtomicUsize,
    /// Waiters so far: their tickets say who came first.
    pub(super) tickets: AtomicU64,
    /// One for each worker.
    pub(super) heads: Box<[Head]>,
}

/// The head of a worker's queue, as other workers see it.
#[derive(Debug)]
#[repr(align(64))] // written by its own worker as a rule
pub(super) struct Head {
    /// Ticket of the first waiter, or [`NOBODY`].
    pub(super) first: AtomicU64,
    /// Notified when the first waiter may go on.
    pub(super) changed: Notify,
}

impl Permits {
    /// All free; `None` where there is no limit.
    pub(in crate::proxy) fn new(limits: &ServiceLimits, workers: usize) -> Option<Arc<Self>> {
        let head = |_| Head { first: AtomicU64::new(NOBODY), changed: Notify::new() };
        Some(Arc::new(Self {
            most: limits.in_flight?,
            waiting_max: limits.queue,
            timeout: limits.queue_timeout,
            taken: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            tickets: AtomicU64::new(0),
            heads: (0..workers).map(head).collect(),
        }))
    }

    /// Permits held and exchanges waiting, over all workers.
    pub(in crate::proxy) fn now(&self) -> (usize, usize) {
        (self.taken.load(SeqCst), self.waiting.load(SeqCst))
    }

    /// Adds one to `count` unless it has reached `most`.
    pub(super) fn add_below(count: &AtomicUsize, most: usize) -> bool {
        count.fetch_update(SeqCst, SeqCst, |now| (now < most).then_some(now + 1)).is_ok()
    }

    /// The worker whose first waiter has waited longest.
    pub(super) fn oldest(&self) -> Option<usize> {
        let firsts = self.heads.iter().map(|head| head.first.load(SeqCst)).enumerate();
        firsts.filter(|&(_, first)| first != NOBODY).min_by_key(|&(_, first)| first).map(|(w, _)| w)
    }
}
