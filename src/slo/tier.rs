//! A ring of counts: so many cells of so many minutes each.
//!
//! Invariants: cells of minutes that nobody counted are zero; a cell is overwritten when its place in the
//! ring is needed, never before. Times are minutes since 1970. Not here: which tiers a series has
//! (`series`).

use super::bytes::{Input, Output};
use crate::consumer::StateError;

/// Events that count, and those of them that are bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventCount {
    /// Events that count.
    pub valid: u64,
    /// Those of them that are bad.
    pub bad: u64,
}

impl EventCount {
    /// One event.
    pub const fn one(is_good: bool) -> Self {
        Self { valid: 1, bad: !is_good as u64 }
    }

    /// Those that are good.
    pub const fn good(self) -> u64 {
        self.valid.saturating_sub(self.bad)
    }

    /// Adds others; a sum that is too large stays at the highest number.
    pub const fn add(&mut self, more: Self) {
        self.valid = self.valid.saturating_add(more.valid);
        self.bad = self.bad.saturating_add(more.bad);
    }

    /// Bad events among those that count; `None` when there are none.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 events")]
    pub fn bad_share(self) -> Option<f64> {
        (self.valid > 0).then(|| self.bad as f64 / self.valid as f64)
    }
}

/// What a cell holds: valid and bad events, in numbers just large enough for its minutes.
pub(super) trait Cell: Copy + Default {
    fn add(&mut self, more: EventCount);
    fn count(self) -> EventCount;
}

/// Up to 4 294 967 295 events: two million a second for half an hour.
impl Cell for [u32; 2] {
    fn add(&mut self, more: EventCount) {
        let add = |to: &mut u32, more: u64| {
            *to = u32::try_from(u64::from(*to).saturating_add(more)).unwrap_or(u32::MAX);
        };
        add(&mut self[0], more.valid);
        add(&mut self[1], more.bad);
    }
    fn count(self) -> EventCount {
        EventCount { valid: u64::from(self[0]), bad: u64::from(self[1]) }
    }
}

impl Cell for [u64; 2] {
    fn add(&mut self, more: EventCount) {
        let mut count = self.count();
        count.add(more);
        *self = [count.valid, count.bad];
    }
    fn count(self) -> EventCount {
        EventCount { valid: self[0], bad: self[1] }
    }
}

/// A tier, whatever its cells hold.
pub(super) trait Ring {
    /// How many minutes it covers.
    fn reach(&self) -> u32;

    /// The first minute of the cells that a window of `minutes` minutes up to and with `now` has.
    fn first(&self, now: u32, minutes: u32) -> u32;

    /// The events of a minute and all later ones; in whole cells.
    fn since(&self, minute: u32) -> EventCount;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tier<C> {
    /// Minutes of a cell.
    width: u32,
    /// Number of the newest cell: its first minute divided by the width.
    newest: u32,
    /// Where in `cells` that one stands; older ones before it, around the end.
    at: usize,
    cells: Box<[C]>,
}

impl<C: Cell> Tier<C> {
    /// `length` cells of `width` minutes.
    pub(super) fn new(width: u32, length: u32) -> Self {
        let cells = vec![C::default(); length.max(1) as usize].into_boxed_slice();
        Self { width, newest: 0, at: 0, cells }
    }

    /// Whether a minute has a cell when the newest one is another.
    pub(super) fn spans(&self, newest: u32, minute: u32) -> bool {
        (newest / self.width).saturating_sub(minute / self.width) < self.length()
    }

    /// The cell that begins with a minute, as long as it is kept while the newest is that of `now`: the minute
    /// after it, and its events.
    pub(super) fn cell(&self, minute: u32, now: u32) -> Option<(u32, EventCount)> {
        let number = minute / self.width;
        if !minute.is_multiple_of(self.width) || !self.spans(now, minute) {
            return None;
        }
        // Later than the newest: nobody has counted anything since.
        let age = self.newest.checked_sub(number).map(|age| age as usize);
        let count = age
            .filter(|age| *age < self.cells.len())
            .map(|age| self.cells[self.place(age)].count());
        Some((minute + self.width, count.unwrap_or_default()))
    }

    fn length(&self) -> u32 {
        u32::try_from(self.cells.len()).unwrap_or(u32::MAX)
    }

    /// Where the cell stands that is so many cells older than the newest; fewer than there are.
    fn place(&self, age: usize) -> usize {
        if age <= self.at { self.at - age } else { self.at + self.cells.len() - age }
    }

    /// Adds events of a minute; `false` when its cell is gone.
    pub(super) fn add(&mut self, minute: u32, more: EventCount) -> bool {
        let number = minute / self.width;
        if number > self.newest {
            let steps = (number - self.newest).min(self.length());
            for _ in 0..steps {
                self.at = if self.at + 1 == self.cells.len() { 0 } else { self.at + 1 };
                self.cells[self.at] = C::default();
            }
            self.newest = number;
        }
        let age = (self.newest - number) as usize;
        if age >= self.cells.len() {
            return false;
        }
        let place = self.place(age);
        self.cells[place].add(more);
        true
    }

    /// Moves all of it in time, by whole cells.
    pub(super) fn shift(&mut self, minutes: i64) {
        let width = i64::from(self.width);
        let steps = (minutes + minutes.signum() * (width / 2)) / width;
        self.newest =
            u32::try_from(i64::from(self.newest).saturating_add(steps).max(0)).unwrap_or(u32::MAX);
    }

    /// Adds the events of another one of the same cells.
    pub(super) fn merge(&mut self, other: &Self) {
        for age in (0..other.length()).rev() {
            let count = other.cells[other.place(age as usize)].count();
            if count.valid > 0
                && let Some(number) = other.newest.checked_sub(age)
            {
                self.add(number.saturating_mul(self.width), count);
            }
        }
    }

    /// Appends it to a state: number of the newest cell, then each cell from the newest back.
    pub(super) fn encode(&self, out: &mut Output) {
        out.number(u64::from(self.newest));
        out.number(u64::from(self.length()));
        for age in 0..self.cells.len() {
            let count = self.cells[self.place(age)].count();
            out.number(count.valid);
            if count.valid > 0 {
                out.number(count.bad);
            }
        }
    }

    /// Fills an empty one from a state; one that had more cells loses the oldest.
    pub(super) fn decode(&mut self, input: &mut Input<'_>) -> Result<(), StateError> {
        self.newest = input.small()?;
        self.at = self.cells.len() - 1;
        for age in 0..input.length()? {
            let valid = input.number()?;
            let bad = if valid > 0 { input.number()? } else { 0 };
            if let Some(place) = self.at.checked_sub(age) {
                self.cells[place].add(EventCount { valid, bad });
            }
        }
        Ok(())
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.cells)
    }
}

impl<C: Cell> Ring for Tier<C> {
    fn reach(&self) -> u32 {
        self.width.saturating_mul(self.length())
    }

    fn first(&self, now: u32, minutes: u32) -> u32 {
        (now / self.width + 1).saturating_sub(minutes.div_ceil(self.width)) * self.width
    }

    fn since(&self, minute: u32) -> EventCount {
        let mut sum = EventCount::default();
        let Some(age) = self.newest.checked_sub(minute / self.width) else { return sum };
        let count = (age as usize).saturating_add(1).min(self.cells.len());
        let until = self.at + 1;
        let (near, far) = (count.min(until), count.saturating_sub(until));
        for cell in &self.cells[until - near..until] {
            sum.add(cell.count());
        }
        for cell in &self.cells[self.cells.len() - far..] {
            sum.add(cell.count());
        }
        sum
    }
}
