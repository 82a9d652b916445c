//! Deadlines that cost nothing until they pass.
//!
//! Every exchange has several time limits and nearly none is ever reached. A timer wheel would be
//! entered and left for each; here a deadline is a slot in a table, set by a store, and one task per
//! worker looks through the table every [`TICK`] while any slot is armed.
//!
//! Invariants: a deadline never fires early, and at most two ticks late; the table grows to the most
//! deadlines alive at once and no further; an idle worker does not tick.
//! Not here: what is done when time is up (the holder of the [`Deadline`] decides).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::metrics::WorkerMetrics;

/// How often armed deadlines are looked at.
const TICK: Duration = Duration::from_millis(50);

/// The deadlines of one worker.
#[derive(Debug)]
pub(in crate::proxy) struct Timer {
    /// Tick zero.
    start: Instant,
    /// Ticks since `start`, as of the last look.
    now: Cell<u64>,
    /// Deadlines armed now.
    armed: Cell<usize>,
    /// One per living [`Deadline`], and free ones.
    slots: RefCell<Vec<Slot>>,
    /// Indices of free slots.
    free: RefCell<Vec<usize>>,
    /// Wakes the ticking task when the first deadline is armed.
    first: Notify,
}

#[derive(Debug, Default)]
struct Slot {
    /// Tick at which it passes; 0 while not armed.
    due: u64,
    waker: Option<Waker>,
}

impl Timer {
    /// A table without deadlines. [`Timer::run`] must be spawned on the worker.
    pub(in crate::proxy) fn new() -> Rc<Self> {
        Rc::new(Self {
            start: Instant::now(),
            now: Cell::new(1),
            armed: Cell::new(0),
            slots: RefCell::default(),
            free: RefCell::default(),
            first: Notify::new(),
        })
    }

    /// Ticks for ever, sleeping while nothing is armed. How late a tick comes is what the event loop
    /// makes everything wait; it goes to `metrics`.
    pub(in crate::proxy) async fn run(self: Rc<Self>, metrics: Arc<WorkerMetrics>) {
        loop {
            if self.armed.get() == 0 {
                self.first.notified().await;
            }
            let due = Instant::now() + TICK;
            tokio::time::sleep(TICK).await;
            let late = Instant::now().saturating_duration_since(due).as_micros();
            let late_us = u64::try_from(late).unwrap_or(u64::MAX);
            metrics.loop_ticks_total.add_owned(1);
            metrics.loop_delay_us_total.add_owned(late_us);
            metrics.loop_delay_peak_us.raise_owned(late_us);
            self.tick();
        }
    }

    /// Wakes the tasks of all deadlines that have passed.
    fn tick(&self) {
        self.read_clock();
        let now = self.now.get();
        for slot in self.slots.borrow_mut().iter_mut() {
            if slot.due != 0
                && slot.due <= now
                && let Some(waker) = slot.waker.take()
            {
                waker.wake();
            }
        }
    }

    /// Brings `now` up to date.
    fn read_clock(&self) {
        let ticks = self.start.elapsed().as_millis() / TICK.as_millis();
        self.now.set(u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(1));
    }
}

/// A time limit that its holder sets, clears and polls. Not armed at first.
#[derive(Debug)]
pub(in crate::proxy) struct Deadline {
    timer: Rc<Timer>,
    /// Place in the table, taken at the first `set`.
    slot: Cell<Option<usize>>,
}

impl Deadline {
    /// A deadline of this worker; takes no slot until it is set.
    pub(in crate::proxy) fn new(timer: &Rc<Timer>) -> Self {
        Self { timer: Rc::clone(timer), slot: Cell::new(None) }
    }

    /// Arms it to pass in `span`, whatever it was before.
    pub(in crate::proxy) fn set(&self, span: Duration) {
        let timer = &self.timer;
        if timer.armed.get() == 0 {
            timer.read_clock();
            timer.first.notify_one();
        }
        let ticks = span.as_millis().div_ceil(TICK.as_millis());
        let due = timer.now.get() + u64::try_from(ticks).unwrap_or(u64::MAX / 2) + 1;
        let slot = self.slot.get().unwrap_or_else(|| {
            let free = timer.free.borrow_mut().pop();
            let slot = free.unwrap_or_else(|| {
                let mut slots = timer.slots.borrow_mut();
                slots.push(Slot::default());
                slots.len() - 1
            });
            self.slot.set(Some(slot));
            slot
        });
        if let Some(slot) = timer.slots.borrow_mut().get_mut(slot) {
            if slot.due == 0 {
                timer.armed.set(timer.armed.get() + 1);
            }
            slot.due = due;
        }
    }

    pub(in crate::proxy) fn clear(&self) {
        let Some(index) = self.slot.get() else { return };
        if let Some(slot) = self.timer.slots.borrow_mut().get_mut(index) {
            if slot.due != 0 {
                self.timer.armed.set(self.timer.armed.get() - 1);
            }
            *slot = Slot::default();
        }
    }

    /// Ready once the time is up; otherwise the task is woken then. Never ready while not armed.
    pub(in crate::proxy) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let Some(index) = self.slot.get() else { return Poll::Pending };
        let mut slots = self.timer.slots.borrow_mut();
        let Some(slot) = slots.get_mut(index).filter(|slot| slot.due != 0) else {
            return Poll::Pending;
        };
        if slot.due <= self.timer.now.get() {
            return Poll::Ready(());
        }
        match &mut slot.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.clear();
        if let Some(slot) = self.slot.get() {
            self.timer.free.borrow_mut().push(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(deadline: &Deadline) -> bool {
        deadline.poll(&Context::from_waker(Waker::noop())).is_ready()
    }

    /// Moves the clock of the table by whole ticks.
    fn advance(timer: &Timer, ticks: u64) {
        timer.now.set(timer.now.get() + ticks);
    }

    #[test]
    fn passes_after_its_span_and_never_before() {
        let timer = Timer::new();
        let deadline = Deadline::new(&timer);
        assert!(!poll(&deadline), "not armed");
        deadline.set(TICK * 3);
        advance(&timer, 3);
        assert!(!poll(&deadline), "the current tick had already begun");
        advance(&timer, 1);
        assert!(poll(&deadline));
        deadline.clear();
        assert!(!poll(&deadline), "cleared");
    }

    #[test]
    fn slots_are_used_again_and_the_count_of_armed_ones_is_exact() {
        let timer = Timer::new();
        for _ in 0..100 {
            let first = Deadline::new(&timer);
            let second = Deadline::new(&timer);
            first.set(TICK);
            first.set(TICK * 2);
            second.set(TICK);
            assert_eq!(timer.armed.get(), 2);
        }
        assert_eq!((timer.armed.get(), timer.slots.borrow().len()), (0, 2));
    }
}
