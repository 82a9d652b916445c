//! The windows of the last hours in memory, for whoever shows them.
//!
//! Bounded by time and by rows; the oldest goes first. Not here: what is shown (`admin`).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Window;

/// How far back it goes.
const SPAN_MS: u64 = 6 * 60 * 60 * 1_000;
/// Most rows in all windows together: about 8 MiB.
const ROWS_TOTAL_MAX: usize = 8_192;

/// Closed windows in the order in which they were closed.
#[derive(Debug, Default)]
pub struct History(Mutex<Kept>);

/// What is kept.
#[derive(Debug, Default)]
struct Kept {
    /// The windows.
    windows: VecDeque<Arc<Window>>,
    /// Their rows.
    rows: usize,
}

impl History {
    /// The windows that end after `since_ms`. Several with one start are parts of a whole.
    pub fn since(&self, since_ms: u64) -> Vec<Arc<Window>> {
        let kept = self.lock();
        let wanted = kept.windows.iter().filter(|window| window.span.end_ms() > since_ms);
        wanted.cloned().collect()
    }

    /// Adds windows, and forgets what is too old or too much.
    pub(super) fn push(&self, windows: Vec<Window>, now_ms: u64) {
        let mut kept = self.lock();
        for window in windows {
            kept.rows += window.rows.len();
            kept.windows.push_back(Arc::new(window));
        }
        let oldest_ms = now_ms.saturating_sub(SPAN_MS);
        while let Some(first) = kept.windows.front() {
            if kept.rows <= ROWS_TOTAL_MAX && first.span.end_ms() > oldest_ms {
                break;
            }
            kept.rows -= first.rows.len();
            kept.windows.pop_front();
        }
    }

    /// What is kept; nothing is changed in two steps, so a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
            history.push(vec![window(minute, 1)], (minute + 1) * 60_000);
        }
        assert_eq!(history.since(0).len(), 360);
        assert_eq!(history.since(998 * 60_000).len(), 2);
        history.push(vec![window(1_000, ROWS_TOTAL_MAX)], 1_001 * 60_000);
        let kept = history.since(0);
        assert_eq!((kept.len(), kept[0].span.start_ms), (1, 60_000_000));
    }
}
