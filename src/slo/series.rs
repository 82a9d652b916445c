//! One series: the events of one group of an objective by minute, kept in tiers that grow coarser with
//! age.
//!
//! ```text
//! open minute ─► 60 × 1 min    72 × 5 min    144 × 30 min    12 h up to the period
//!            └─► calendar: since the start of the month or week
//! ```
//! Every tier has every event that it reaches, so a window is read at the finest tier that covers it,
//! and no event moves from one to the next. About 3 KB for 30 days. A window of so many minutes is the
//! minute of now and those before; events of later minutes (a clock went back a little) count as now.
//! Not here: which events are counted (`evaluator`), what is made of sums (`burn`, `budget`).

use super::bytes::{Input, Output};
use super::tier::{EventCount, Ring, Tier};
use crate::consumer::StateError;

/// Minutes of a cell of the longest tier.
const LONG_MINUTES: u32 = 12 * 60;
/// Most minutes of which a series keeps what no row has yet; beyond, they are added to the newest.
const UNWRITTEN_MAX: usize = 8;

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Series {
    /// A minute whose events are in no tier yet.
    open: (u32, EventCount),
    fine: Tier<[u32; 2]>,
    middle: Tier<[u32; 2]>,
    coarse: Tier<[u32; 2]>,
    long: Tier<[u64; 2]>,
    /// First minute of the calendar period, and the events since.
    calendar: (u32, EventCount),
    /// Events that are in no row yet, by minute.
    unwritten: Vec<(u32, EventCount)>,
    /// Newest minute of which there is a row.
    written: u32,
    /// Newest minute with an event.
    last: u32,
}

impl Series {
    /// Without events; `minutes` is the longest time that is asked for.
    pub(super) fn new(minutes: u32) -> Self {
        Self {
            open: (0, EventCount::default()),
            fine: Tier::new(1, 60),
            middle: Tier::new(5, 72),
            coarse: Tier::new(30, 144),
            long: Tier::new(LONG_MINUTES, minutes.div_ceil(LONG_MINUTES) + 1),
            calendar: (0, EventCount::default()),
            unwritten: Vec::new(),
            written: 0,
            last: 0,
        }
    }

    /// Counts events; `false` when they are too old for every tier.
    pub(super) fn count(&mut self, minute: u32, events: EventCount) -> bool {
        if self.open.0 != minute {
            let settled = self.settle();
            debug_assert!(settled, "checked when the minute was opened");
            if !self.long.spans(self.last, minute) {
                return false;
            }
            self.open.0 = minute;
            self.last = self.last.max(minute);
        }
        self.open.1.add(events);
        true
    }

    /// Brings the open minute into the tiers; to be called before anything is asked.
    pub(super) fn settle(&mut self) -> bool {
        let (minute, count) = std::mem::take(&mut self.open);
        count == EventCount::default() || self.add(minute, count)
    }

    /// Adds events of a minute.
    fn add(&mut self, minute: u32, count: EventCount) -> bool {
        self.last = self.last.max(minute);
        let is_kept = self.long.add(minute, count);
        self.coarse.add(minute, count);
        self.middle.add(minute, count);
        self.fine.add(minute, count);
        if minute >= self.calendar.0 {
            self.calendar.1.add(count);
        }
        self.owe(minute, count);
        is_kept
    }

    /// Notes events that are in no row yet.
    fn owe(&mut self, minute: u32, count: EventCount) {
        let known = self.unwritten.iter().position(|(at, _)| *at == minute);
        let is_full = self.unwritten.len() >= UNWRITTEN_MAX;
        match known.or(is_full.then_some(UNWRITTEN_MAX - 1)) {
            Some(place) => self.unwritten[place].1.add(count),
            None => self.unwritten.push((minute, count)),
        }
    }

    /// The finest tier that reaches so many minutes back, the longest if none does.
    fn finest(&self, minutes: u32) -> &dyn Ring {
        let finer: [&dyn Ring; 3] = [&self.fine, &self.middle, &self.coarse];
        finer.into_iter().find(|tier| minutes <= tier.reach()).unwrap_or(&self.long)
    }

    /// The events of a window that ends now, and of whatever is later; in whole cells.
    pub(super) fn sum(&self, now: u32, minutes: u32) -> EventCount {
        let tier = self.finest(minutes);
        tier.since(tier.first(now, minutes))
    }

    /// The first minute of the window that [`Series::sum`] adds up.
    pub(super) fn first(&self, now: u32, minutes: u32) -> u32 {
        self.finest(minutes).first(now, minutes)
    }

    /// The events from a minute on, oldest first, in cells as fine as they are kept: the minute after each, and
    /// its events. Settled before. Where the minute is within the cell of half a day, the whole cell.
    pub(super) fn cells(&self, first: u32, now: u32) -> Vec<(u32, EventCount)> {
        let (mut cells, mut at) = (Vec::new(), first);
        while at <= now {
            let finest = self.fine.cell(at, now).or_else(|| self.middle.cell(at, now));
            let finer = finest.or_else(|| self.coarse.cell(at, now));
            let start = at / LONG_MINUTES * LONG_MINUTES;
            let cell = finer.or_else(|| self.long.cell(start, now));
            let cell = cell.unwrap_or((start + LONG_MINUTES, EventCount::default()));
            at = cell.0;
            cells.push(cell);
        }
        cells
    }

    /// The events since a minute, exact within the last hour, else in whole cells of the tier that
    /// reaches so far.
    fn since(&self, minute: u32) -> EventCount {
        let age = self.last.saturating_sub(minute);
        self.finest(age.saturating_add(1)).since(minute)
    }

    /// The events of the calendar period that started then.
    pub(super) fn since_start(&mut self, start: u32) -> EventCount {
        if self.calendar.0 != start {
            self.calendar = (start, self.since(start));
        }
        self.calendar.1
    }

    /// The newest minute with an event; 0 without one.
    pub(super) fn last(&self) -> u32 {
        self.last.max(if self.open.1.valid > 0 { self.open.0 } else { 0 })
    }

    /// Takes the events of the minutes before `now` that are in no row yet: minute, whether there is a
    /// row of it already, events. Settled before.
    pub(super) fn take_unwritten(
        &mut self,
        now: u32,
        mut visit: impl FnMut(u32, bool, EventCount),
    ) {
        self.unwritten.sort_unstable_by_key(|(minute, _)| *minute);
        let written = &mut self.written;
        self.unwritten.retain(|&(minute, count)| {
            if minute >= now {
                return true;
            }
            visit(minute, minute <= *written, count);
            *written = minute.max(*written);
            false
        });
    }

    /// Takes the minute before `now`, in which nothing was counted, if it has no row yet.
    pub(super) fn skip(&mut self, now: u32) -> Option<u32> {
        let minute = now.checked_sub(1).filter(|minute| *minute > self.written)?;
        self.written = minute;
        Some(minute)
    }

    /// Moves all of it in time: the clock jumped by so many minutes.
    pub(super) fn shift(&mut self, minutes: i64) {
        self.settle();
        let moved = |at: u32| u32::try_from((i64::from(at) + minutes).max(0)).unwrap_or(u32::MAX);
        self.fine.shift(minutes);
        self.middle.shift(minutes);
        self.coarse.shift(minutes);
        self.long.shift(minutes);
        self.last = moved(self.last);
        self.unwritten.iter_mut().for_each(|(minute, _)| *minute = moved(*minute));
        // The calendar stays: whichever period it is now is what `since_start` is asked for.
    }

    /// Adds the events of another one.
    pub(super) fn merge(&mut self, mut other: Self) {
        other.settle();
        self.settle();
        self.fine.merge(&other.fine);
        self.middle.merge(&other.middle);
        self.coarse.merge(&other.coarse);
        self.long.merge(&other.long);
        if self.calendar.0 == other.calendar.0 {
            self.calendar.1.add(other.calendar.1);
        } else {
            self.calendar.0 = 0; // summed up anew when it is asked for
        }
        other.unwritten.into_iter().for_each(|(minute, count)| self.owe(minute, count));
        self.last = self.last.max(other.last);
    }

    /// Appends it to a state.
    pub(super) fn encode(&self, out: &mut Output) {
        let pair = |out: &mut Output, (minute, count): (u32, EventCount)| {
            for number in [u64::from(minute), count.valid, count.bad] {
                out.number(number);
            }
        };
        pair(out, self.open);
        pair(out, self.calendar);
        out.length(self.unwritten.len());
        self.unwritten.iter().for_each(|&unwritten| pair(out, unwritten));
        out.number(u64::from(self.written));
        out.number(u64::from(self.last));
        self.fine.encode(out);
        self.middle.encode(out);
        self.coarse.encode(out);
        self.long.encode(out);
    }

    /// Fills an empty one from a state.
    pub(super) fn decode(mut self, input: &mut Input<'_>) -> Result<Self, StateError> {
        let pair = |input: &mut Input<'_>| -> Result<_, StateError> {
            let minute = input.small()?;
            Ok((minute, EventCount { valid: input.number()?, bad: input.number()? }))
        };
        self.open = pair(input)?;
        self.calendar = pair(input)?;
        self.unwritten = input.list(pair)?;
        self.written = input.small()?;
        self.last = input.small()?;
        self.fine.decode(input)?;
        self.middle.decode(input)?;
        self.coarse.decode(input)?;
        self.long.decode(input)?;
        Ok(self)
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let tiers = self.fine.heap_bytes() + self.middle.heap_bytes() + self.coarse.heap_bytes();
        tiers + self.long.heap_bytes() + size_of::<(u32, EventCount)>() * self.unwritten.capacity()
    }
}
