//! The queue of one worker: who waits in it, and how permits come to it.
//!
//! Not here: what workers share (`permits`).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::atomic::Ordering::SeqCst;
use super::permits::{Head, NOBODY, Permits};
use crate::base::clock::micros;
use crate::metrics::ServiceMetrics;
use crate::proxy::limit::{Deadline, Timer};

/// Exchanges of one worker that wait for a permit of one service.
#[derive(Debug)]
pub(in crate::proxy) struct WaitQueue {
    pub(super) permits: Arc<Permits>,
    /// Index of its head.
    pub(super) worker: usize,
    /// Oldest first, so in the order of their tickets.
    pub(super) waiters: RefCell<VecDeque<Rc<Waiter>>>,
    /// Cells of this worker and service.
    pub(super) metrics: Arc<ServiceMetrics>,
}

#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) ticket: u64,
    /// Its permit, once it is its turn.
    permit: RefCell<Option<Permit>>,
    waker: RefCell<Option<Waker>>,
}

/// How a request comes in.
#[derive(Debug)]
pub(in crate::proxy) enum Entered {
    Now(Permit),
    Waits(Wait),
    /// As many wait as may.
    Full,
}

impl WaitQueue {
    /// An empty queue of `worker`.
    pub(in crate::proxy) fn new(
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
    pub(in crate::proxy) fn enter(self: &Rc<Self>) -> Entered {
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

    pub(super) fn head(&self) -> &Head {
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
    pub(in crate::proxy) async fn settle_when_woken(self: Rc<Self>) {
        loop {
            self.head().changed.notified().await;
            self.settle();
        }
    }
}

/// The right to be under way; released when dropped, on the worker that acquired it.
#[derive(Debug)]
pub(in crate::proxy) struct Permit(pub(super) Rc<WaitQueue>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.metrics.queue_places_taken.sub_owned(1);
        self.0.permits.taken.fetch_sub(1, SeqCst);
        self.0.settle();
    }
}

/// A waiter. Dropped before its turn, it leaves the queue; dropped after, its permit goes on.
#[derive(Debug)]
pub(in crate::proxy) struct Wait {
    queue: Rc<WaitQueue>,
    waiter: Rc<Waiter>,
    /// When it joined.
    pub(in crate::proxy) since: Instant,
}

impl Wait {
    /// Waits for its turn; `None` when that takes too long.
    pub(in crate::proxy) async fn turn(self, timer: &Rc<Timer>) -> Option<Permit> {
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
