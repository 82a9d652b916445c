//! The most exchanges of one service under way at once, and the line of those that wait for a place.
//!
//! ```text
//! enter ─► a place free, nobody waits ─────────────────────────────► Place ─► exchange ─► dropped: free
//!    └───► line of this worker (one for each worker, oldest first) ──► Place      │
//!               ▲ its time is up, or its client left: out of the line             │
//!               └───────────── who has waited longest, on whichever worker ◄──────┘
//! ```
//! [`Places`] are shared by all workers and count; a [`Line`] belongs to one worker. A request that
//! finds a place free costs one atomic step at its begin and one at its end. Nothing here locks but the
//! bell of another worker, which is rung only when a waiter there is next.
//!
//! Invariants, held by the tests below at every interleaving they find:
//! - Never more places taken than there are, and each is freed once, when its [`Place`] is dropped.
//! - Nobody waits while a place is free: whatever makes a place free, makes somebody wait or takes the
//!   oldest out of the line ends in [`Line::settle`]. It looks at the count of places after it has
//!   changed its own part, as everybody does, all of it sequentially consistent: of two workers that
//!   change something at once, one sees what the other did.
//! - Who is told to take a place and cannot use it any more passes it on by being dropped.
//! - Who comes does not pass those who wait, and workers take turns by the age of who waits.
//!
//! Not here: who answers what when there is no place (`exchange`).

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

/// Nobody waits at a door.
const NOBODY: u64 = u64::MAX;

/// The places of one service, for all workers.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) most: usize,
    /// How many exchanges may wait.
    pub(super) waiting_max: usize,
    timeout: Duration,
    taken: AtomicUsize,
    waiting: AtomicUsize,
    /// Those that ever stood in a line: their tickets say who came first.
    tickets: AtomicU64,
    /// One for each worker.
    doors: Box<[Door]>,
}

/// What other workers see of a worker's line.
#[derive(Debug)]
#[repr(align(64))] // written by its own worker as a rule
struct Door {
    /// Ticket of the first in line, or [`NOBODY`].
    first: AtomicU64,
    /// Rung when the first in line may go on.
    bell: Notify,
}

impl Places {
    /// All free; `None` where there is no limit.
    pub(super) fn new(limits: &ServiceLimits, workers: usize) -> Option<Arc<Self>> {
        let door = |_| Door { first: AtomicU64::new(NOBODY), bell: Notify::new() };
        Some(Arc::new(Self {
            most: limits.in_flight?,
            waiting_max: limits.queue,
            timeout: limits.queue_timeout,
            taken: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            tickets: AtomicU64::new(0),
            doors: (0..workers).map(door).collect(),
        }))
    }

    /// Places taken and exchanges in line, over all workers.
    pub(super) fn now(&self) -> (usize, usize) {
        (self.taken.load(SeqCst), self.waiting.load(SeqCst))
    }

    /// Adds one to `count` unless it has reached `most`.
    fn add_below(count: &AtomicUsize, most: usize) -> bool {
        count.fetch_update(SeqCst, SeqCst, |now| (now < most).then_some(now + 1)).is_ok()
    }

    /// The door behind which somebody has waited longest.
    fn oldest(&self) -> Option<usize> {
        let firsts = self.doors.iter().map(|door| door.first.load(SeqCst)).enumerate();
        firsts.filter(|&(_, first)| first != NOBODY).min_by_key(|&(_, first)| first).map(|(w, _)| w)
    }
}

/// The line of one worker for the places of one service.
#[derive(Debug)]
pub(super) struct Line {
    places: Arc<Places>,
    /// Number of the worker: its door.
    worker: usize,
    /// Oldest first, so in the order of their tickets.
    waiters: RefCell<VecDeque<Rc<Waiter>>>,
    /// Cells of this worker and service.
    metrics: Arc<ServiceMetrics>,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    /// Its place, once it is its turn.
    place: RefCell<Option<Place>>,
    waker: RefCell<Option<Waker>>,
}

/// How a request comes in.
#[derive(Debug)]
pub(super) enum Entered {
    At(Place),
    Waits(Wait),
    /// As many wait as may.
    Full,
}

impl Line {
    /// An empty line of `worker`.
    pub(super) fn new(
        places: &Arc<Places>,
        worker: usize,
        metrics: &Arc<ServiceMetrics>,
    ) -> Rc<Self> {
        Rc::new(Self {
            places: Arc::clone(places),
            worker,
            waiters: RefCell::default(),
            metrics: Arc::clone(metrics),
        })
    }

    /// A place, or one in the line for it.
    pub(super) fn enter(self: &Rc<Self>) -> Entered {
        let places = &self.places;
        if places.waiting.load(SeqCst) == 0
            && let Some(place) = self.take()
        {
            return Entered::At(place);
        }
        if !Places::add_below(&places.waiting, places.waiting_max) {
            return Entered::Full;
        }
        self.metrics.queue_waiting.add_owned(1);
        self.metrics.queue_waits_total.add_owned(1);
        let ticket = places.tickets.fetch_add(1, SeqCst);
        let waiter =
            Rc::new(Waiter { ticket, place: RefCell::default(), waker: RefCell::default() });
        self.waiters.borrow_mut().push_back(Rc::clone(&waiter));
        self.show_first();
        let wait = Wait { line: Rc::clone(self), waiter, since: Instant::now() };
        self.settle(); // a place may have become free before this one was seen to wait
        Entered::Waits(wait)
    }

    fn take(self: &Rc<Self>) -> Option<Place> {
        Places::add_below(&self.places.taken, self.places.most).then(|| {
            self.metrics.queue_places_taken.add_owned(1);
            Place(Rc::clone(self))
        })
    }

    /// Tells other workers who is first here.
    fn show_first(&self) {
        let first = self.waiters.borrow().front().map_or(NOBODY, |waiter| waiter.ticket);
        self.door().first.store(first, SeqCst);
    }

    /// What others see of this line.
    fn door(&self) -> &Door {
        // One for each worker: `Places::new` was told how many there are.
        &self.places.doors[self.worker]
    }

    /// Gives free places to who has waited longest, or wakes its worker.
    fn settle(self: &Rc<Self>) {
        let places = &self.places;
        while places.waiting.load(SeqCst) > 0 && places.taken.load(SeqCst) < places.most {
            let Some(oldest) = places.oldest() else { return };
            if oldest == self.worker {
                let Some(place) = self.take() else { return };
                self.hand_over(place);
                continue;
            }
            let Some(door) = places.doors.get(oldest) else { return };
            door.bell.notify_one();
            if door.first.load(SeqCst) != NOBODY {
                return; // it settles, or who leaves that line does
            }
        }
    }

    /// Gives a place to the first in this line.
    fn hand_over(&self, place: Place) {
        let first = self.waiters.borrow_mut().pop_front();
        self.show_first();
        let Some(waiter) = first else { return };
        self.places.waiting.fetch_sub(1, SeqCst);
        *waiter.place.borrow_mut() = Some(place);
        let waker = waiter.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes one out of the line that has not had its turn.
    fn leave(self: &Rc<Self>, ticket: u64) {
        {
            let mut waiters = self.waiters.borrow_mut();
            let Ok(at) = waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket) else {
                return;
            };
            waiters.remove(at);
        }
        self.show_first();
        self.places.waiting.fetch_sub(1, SeqCst);
        self.settle(); // the bell may have been for this one
    }

    /// Answers this worker's bell for ever.
    pub(super) async fn keep(self: Rc<Self>) {
        loop {
            self.door().bell.notified().await;
            self.settle();
        }
    }
}

/// A place in flight. It is free again when this is dropped, on the worker that took it.
#[derive(Debug)]
pub(super) struct Place(Rc<Line>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.metrics.queue_places_taken.sub_owned(1);
        self.0.places.taken.fetch_sub(1, SeqCst);
        self.0.settle();
    }
}

/// One in line. Dropped before its turn, it leaves the line; dropped after, its place goes on.
#[derive(Debug)]
pub(super) struct Wait {
    line: Rc<Line>,
    waiter: Rc<Waiter>,
    /// When it joined.
    pub(super) since: Instant,
}

impl Wait {
    /// Waits for its turn; `None` when that takes too long.
    pub(super) async fn turn(self, timer: &Rc<Timer>) -> Option<Place> {
        let deadline = Deadline::new(timer);
        deadline.set(self.line.places.timeout);
        std::future::poll_fn(|cx| {
            if let Some(place) = self.waiter.place.take() {
                return Poll::Ready(Some(place));
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
        let metrics = &self.line.metrics;
        metrics.queue_waiting.sub_owned(1);
        metrics.queue_wait_us_total.add_owned(micros(self.since.elapsed()));
        self.line.leave(self.waiter.ticket);
    }
}

#[cfg(test)]
mod tests;
