//! The windows of the last hours in memory, and the last minutes finer, for whoever shows them.
//!
//! Bounded by time and by rows; the oldest goes first. Not here: what is shown (`admin`).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{SLOT_MS, Slot, Window};

/// How far back windows go.
const SPAN_MS: u64 = 6 * 60 * 60 * 1_000;
/// Most rows in all windows together: about 8 MiB.
const ROWS_TOTAL_MAX: usize = 8_192;
/// How far back slots go.
const SLOTS_SPAN_MS: u64 = 15 * 60 * 1_000;
/// Most rows in all slots together: about 3 MiB.
const SLOT_ROWS_TOTAL_MAX: usize = 16_384;

/// Closed windows in the order in which they were closed, what is open, and slots.
#[derive(Debug, Default)]
pub struct History(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    windows: VecDeque<Arc<Window>>,
    rows: usize,
    /// End of the last one that was let go; 0 when none was.
    forgotten_ms: u64,
    /// Windows that are open, as they were at the last look.
    open: Arc<Vec<Window>>,
    /// When that was.
    open_ms: u64,
    /// The last minutes.
    slots: VecDeque<Arc<Slot>>,
    slot_rows: usize,
    /// See [`Past::earlier_ms`].
    earlier_ms: Option<(u64, u64)>,
}

/// What was, as far as it is kept; the parts belong to one instant.
#[derive(Debug, Clone)]
pub struct Past {
    /// Closed windows. Several with one start are parts of a whole.
    pub windows: Vec<Arc<Window>>,
    /// Windows that are open.
    pub open: Arc<Vec<Window>>,
    /// When the open ones were looked at; 0 for never.
    pub open_ms: u64,
    /// Slots, oldest first.
    pub slots: Vec<Arc<Slot>>,
    /// Windows that ended up to then may be missing; 0 when none is.
    pub forgotten_ms: u64,
    /// From when to when an earlier process counted what is in the windows; `None` when none did.
    pub earlier_ms: Option<(u64, u64)>,
}

impl History {
    /// Everything that ended after `since_ms`.
    pub fn since(&self, since_ms: u64) -> Past {
        let kept = self.lock();
        let windows = kept.windows.iter().filter(|window| window.span.end_ms() > since_ms);
        let slots = kept.slots.iter().filter(|slot| slot.start_ms + SLOT_MS > since_ms);
        Past {
            windows: windows.cloned().collect(),
            open: Arc::clone(&kept.open),
            open_ms: kept.open_ms,
            slots: slots.cloned().collect(),
            forgotten_ms: kept.forgotten_ms,
            earlier_ms: kept.earlier_ms,
        }
    }

    /// An earlier process counted from then to then.
    pub(super) fn counted_earlier(&self, from_ms: u64, to_ms: u64) {
        let mut kept = self.lock();
        let (first, last) = kept.earlier_ms.unwrap_or((from_ms, to_ms));
        kept.earlier_ms = Some((first.min(from_ms), last.max(to_ms)));
    }

    /// Start of the newest slot; 0 without one.
    pub fn newest_slot_ms(&self) -> u64 {
        self.lock().slots.back().map_or(0, |slot| slot.start_ms)
    }

    /// What is open now, together with the windows that were closed.
    pub(super) fn publish(&self, closed: Vec<Window>, open: Arc<Vec<Window>>, now_ms: u64) {
        let mut kept = self.lock();
        kept.push(closed, now_ms);
        (kept.open, kept.open_ms) = (open, now_ms);
    }

    pub(super) fn push_slot(&self, slot: Slot) {
        let mut kept = self.lock();
        let oldest_ms = slot.start_ms.saturating_sub(SLOTS_SPAN_MS);
        kept.slot_rows += slot.rows.len();
        kept.slots.push_back(Arc::new(slot));
        while let Some(first) = kept.slots.front() {
            if kept.slot_rows <= SLOT_ROWS_TOTAL_MAX && first.start_ms > oldest_ms {
                break;
            }
            kept.slot_rows -= first.rows.len();
            kept.slots.pop_front();
        }
    }

    /// What is kept; nothing is changed in two steps, so a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Adds windows, and forgets what is too old or too much.
    fn push(&mut self, windows: Vec<Window>, now_ms: u64) {
        for window in windows {
            self.rows += window.rows.len();
            self.windows.push_back(Arc::new(window));
        }
        let oldest_ms = now_ms.saturating_sub(SPAN_MS);
        while let Some(first) = self.windows.front() {
            if self.rows <= ROWS_TOTAL_MAX && first.span.end_ms() > oldest_ms {
                break;
            }
            self.rows -= first.rows.len();
            self.forgotten_ms = self.forgotten_ms.max(first.span.end_ms());
            self.windows.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Key, Span, Totals};
    use super::*;

    fn window(minute: u64, rows: usize) -> Window {
        let span = Span { start_ms: minute * 60_000, length_ms: 60_000, part: 0 };
        Window { span, rows: vec![(Key::rest_of(None), Totals::default()); rows] }
    }

    #[test]
    fn it_keeps_the_last_hours_and_no_more_rows_than_it_may() {
        let history = History::default();
        for minute in 0..1_000 {
            history.publish(vec![window(minute, 1)], Arc::default(), (minute + 1) * 60_000);
        }
        assert_eq!(history.since(0).windows.len(), 360);
        assert_eq!(history.since(998 * 60_000).windows.len(), 2);
        history.publish(vec![window(1_000, ROWS_TOTAL_MAX)], Arc::default(), 1_001 * 60_000);
        let kept = history.since(0).windows;
        assert_eq!((kept.len(), kept[0].span.start_ms), (1, 60_000_000));
        assert_eq!(history.since(0).forgotten_ms, 60_000_000, "and says what it let go");
    }

    #[test]
    fn slots_go_back_a_quarter_of_an_hour() {
        let history = History::default();
        for number in 0..1_000 {
            history.push_slot(Slot { start_ms: number * SLOT_MS, rows: Vec::new() });
        }
        let slots = history.since(0).slots;
        assert_eq!(slots.len(), 180);
        assert_eq!(history.newest_slot_ms(), 999 * SLOT_MS);
        assert_eq!(history.since(998 * SLOT_MS).slots.len(), 2);
    }

    #[test]
    fn what_is_open_changes_together_with_what_is_closed() {
        let history = History::default();
        history.publish(Vec::new(), Arc::new(vec![window(1, 1)]), 61_000);
        history.publish(vec![window(1, 1)], Arc::default(), 121_000);
        let past = history.since(0);
        assert_eq!((past.windows.len(), past.open.len(), past.open_ms), (1, 0, 121_000));
    }
}
