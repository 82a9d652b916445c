//! The most exchanges of one service under way at once, and the queue of those that wait for a permit.
//!
//! ```text
//! enter ─► a permit free, nobody waits ─────────────────────────────► Permit ─► exchange ─► dropped: free
//!    └───► queue of this worker (one for each, oldest first) ───────► Permit      │
//!               ▲ its time is up, or its client left: out of the queue            │
//!               └───────────── who has waited longest, on whichever worker ◄──────┘
//! ```
//! [`Permits`] are shared by all workers and count; a [`WaitQueue`] belongs to one worker. A request that
//! finds a permit free costs one atomic step at its begin and one at its end. Nothing here locks but the
//! notification of another worker, which is sent only when a waiter there is next.
//!
//! Invariants, held by the tests below at every interleaving they find:
//! - Never more permits held than there are, and each is released once, when its [`Permit`] is dropped.
//! - Nobody waits while a permit is free: whatever makes a permit free, makes somebody wait or takes the
//!   oldest out of the queue ends in [`WaitQueue::settle`]. It looks at the count of permits after it has
//!   changed its own part, as everybody does, all of it sequentially consistent: of two workers that
//!   change something at once, one sees what the other did.
//! - Who was given a permit and cannot use it any more passes it on by being dropped.
//! - Who comes does not pass those who wait, and workers take turns by the age of who waits.
//!
//! Not here: who answers what when there is no permit (`exchange`).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::limit::{Deadline, Timer};
use crate::base::clock::micros;
use crate::config::ServiceLimits;
use crate::metrics::ServiceMetrics;

/// The ticket of an empty queue.
const NOBODY: u64 = u64::MAX;

/// The permits of one service: one counter for all workers.
#[derive(Debug)]
pub(super) struct Permits {
    pub(super) most: usize,
    /// How many exchanges may wait.
    pub(super) waiting_max: usize,
    timeout: Duration,
    taken: AtomicUsize,
    waiting: AtomicUsize,
    /// Waiters so far: their tickets say who came first.
    tickets: AtomicU64,
    /// One for each worker.
    heads: Box<[Head]>,
}

/// The head of a worker's queue, as other workers see it.
#[derive(Debug)]
#[repr(align(64))] // written by its own worker as a rule
struct Head {
    /// Ticket of the first waiter, or [`NOBODY`].
    first: AtomicU64,
    /// Notified when the first waiter may go on.
    changed: Notify,
}

impl Permits {
    /// All free; `None` where there is no limit.
    pub(super) fn new(limits: &ServiceLimits, workers: usize) -> Option<Arc<Self>> {
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
    pub(super) fn now(&self) -> (usize, usize) {
        (self.taken.load(SeqCst), self.waiting.load(SeqCst))
    }

    /// Adds one to `count` unless it has reached `most`.
    fn add_below(count: &AtomicUsize, most: usize) -> bool {
        count.fetch_update(SeqCst, SeqCst, |now| (now < most).then_some(now + 1)).is_ok()
    }

    /// The worker whose first waiter has waited longest.
    fn oldest(&self) -> Option<usize> {
        let firsts = self.heads.iter().map(|head| head.first.load(SeqCst)).enumerate();
        firsts.filter(|&(_, first)| first != NOBODY).min_by_key(|&(_, first)| first).map(|(w, _)| w)
    }
}

/// Exchanges of one worker that wait for a permit of one service.
#[derive(Debug)]
pub(super) struct WaitQueue {
    permits: Arc<Permits>,
    /// Index of its head.
    worker: usize,
    /// Oldest first, so in the order of their tickets.
    waiters: RefCell<VecDeque<Rc<Waiter>>>,
    /// Cells of this worker and service.
    metrics: Arc<ServiceMetrics>,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    /// Its permit, once it is its turn.
    permit: RefCell<Option<Permit>>,
    waker: RefCell<Option<Waker>>,
}

/// How a request comes in.
#[derive(Debug)]
pub(super) enum Entered {
    Now(Permit),
    Waits(Wait),
    /// As many wait as may.
    Full,
}

impl WaitQueue {
    /// An empty queue of `worker`.
    pub(super) fn new(
        permits: &Arc<Permits>,
        worker: usize,
        metrics: &Arc<ServiceMetrics>,
    ) -> Rc<Self> {
        Rc::new(Self {
            permits: Arc::clone(permits),
            worker,
            waiters: RefCell::default(),
            metrics: Arc::clone(metrics),
        })
    }

    /// A permit, or a wait for one.
    pub(super) fn enter(self: &Rc<Self>) -> Entered {
        let permits = &self.permits;
        if permits.waiting.load(SeqCst) == 0
            && let Some(permit) = self.try_acquire()
        {
            return Entered::Now(permit);
        }
        if !Permits::add_below(&permits.waiting, permits.waiting_max) {
            return Entered::Full;
        }
        self.metrics.queue_waiting.add_owned(1);
        self.metrics.queue_waits_total.add_owned(1);
        let ticket = permits.tickets.fetch_add(1, SeqCst);
        let waiter =
            Rc::new(Waiter { ticket, permit: RefCell::default(), waker: RefCell::default() });
        self.waiters.borrow_mut().push_back(Rc::clone(&waiter));
        self.show_first();
        let wait = Wait { queue: Rc::clone(self), waiter, since: Instant::now() };
        self.settle(); // a permit may have become free before this one was seen to wait
        Entered::Waits(wait)
    }

    fn try_acquire(self: &Rc<Self>) -> Option<Permit> {
        Permits::add_below(&self.permits.taken, self.permits.most).then(|| {
            self.metrics.queue_places_taken.add_owned(1);
            Permit(Rc::clone(self))
        })
    }

    /// Tells other workers who is first here.
    fn show_first(&self) {
        let first = self.waiters.borrow().front().map_or(NOBODY, |waiter| waiter.ticket);
        self.head().first.store(first, SeqCst);
    }

    fn head(&self) -> &Head {
        // One for each worker: `Permits::new` was told how many there are.
        &self.permits.heads[self.worker]
    }

    /// Gives free permits to who has waited longest, or wakes its worker.
    fn settle(self: &Rc<Self>) {
        let permits = &self.permits;
        while permits.waiting.load(SeqCst) > 0 && permits.taken.load(SeqCst) < permits.most {
            let Some(oldest) = permits.oldest() else { return };
            if oldest == self.worker {
                let Some(permit) = self.try_acquire() else { return };
                self.hand_over(permit);
                continue;
            }
            let Some(head) = permits.heads.get(oldest) else { return };
            head.changed.notify_one();
            if head.first.load(SeqCst) != NOBODY {
                return; // it settles, or who leaves that queue does
            }
        }
    }

    /// Gives a permit to the first in this queue.
    fn hand_over(&self, permit: Permit) {
        let first = self.waiters.borrow_mut().pop_front();
        self.show_first();
        let Some(waiter) = first else { return };
        self.permits.waiting.fetch_sub(1, SeqCst);
        *waiter.permit.borrow_mut() = Some(permit);
        let waker = waiter.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Removes a waiter that has not had its turn.
    fn leave(self: &Rc<Self>, ticket: u64) {
        {
            let mut waiters = self.waiters.borrow_mut();
            let Ok(at) = waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket) else {
                return;
            };
            waiters.remove(at);
        }
        self.show_first();
        self.permits.waiting.fetch_sub(1, SeqCst);
        self.settle(); // the notification may have been for this one
    }

    /// Hands over permits that other workers have released; runs for ever.
    pub(super) async fn settle_when_woken(self: Rc<Self>) {
        loop {
            self.head().changed.notified().await;
            self.settle();
        }
    }
}

/// The right to be under way; released when dropped, on the worker that acquired it.
#[derive(Debug)]
pub(super) struct Permit(Rc<WaitQueue>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.metrics.queue_places_taken.sub_owned(1);
        self.0.permits.taken.fetch_sub(1, SeqCst);
        self.0.settle();
    }
}

/// A waiter. Dropped before its turn, it leaves the queue; dropped after, its permit goes on.
#[derive(Debug)]
pub(super) struct Wait {
    queue: Rc<WaitQueue>,
    waiter: Rc<Waiter>,
    /// When it joined.
    pub(super) since: Instant,
}

impl Wait {
    /// Waits for its turn; `None` when that takes too long.
    pub(super) async fn turn(self, timer: &Rc<Timer>) -> Option<Permit> {
        let deadline = Deadline::new(timer);
        deadline.set(self.queue.permits.timeout);
        std::future::poll_fn(|cx| {
            if let Some(permit) = self.waiter.permit.take() {
                return Poll::Ready(Some(permit));
            }
            if deadline.poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            match &mut *self.waiter.waker.borrow_mut() {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let metrics = &self.queue.metrics;
        metrics.queue_waiting.sub_owned(1);
        metrics.queue_wait_us_total.add_owned(micros(self.since.elapsed()));
        self.queue.leave(self.waiter.ticket);
    }
}

#[cfg(test)]
mod tests;
