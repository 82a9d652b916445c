//! The rows of one window: bounded, whatever routes and endpoints there are.
//!
//! Up to [`TRACKED_MAX`] keys are counted each for itself. When one more comes, all but the
//! [`ROWS_MAX`] largest are added to `_other` of their service, and counting goes on: so a key with
//! many requests stays, in whatever order keys come, and sums are exact at any time. A key that was
//! added to `_other` and comes again begins anew. Not here: which window (`core`).

use std::collections::HashMap;

use super::totals::{Key, OTHER, Totals};

/// Most rows of a window beside `_other`.
pub const ROWS_MAX: usize = 200;
/// Most keys that are counted at a time.
pub const TRACKED_MAX: usize = 2 * ROWS_MAX;
/// Most services with an `_other` of their own; further ones share one.
pub const RESTS_MAX: usize = 64;

#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// Where the row of a key stands.
    places: HashMap<Box<[u8]>, usize>,
    /// Rows of keys for themselves.
    tracked: Vec<(Key, Totals)>,
    /// `_other`, by service.
    rests: HashMap<Key, Totals>,
}

impl Table {
    /// The row of a key as [`Key::write`] made it, and how many requests went to `_other` to make room
    /// for it.
    pub(super) fn row(&mut self, key: &[u8]) -> (&mut Totals, u64) {
        let (place, folded) = match self.places.get(key) {
            Some(&place) => (place, 0),
            None => self.insert(key),
        };
        (&mut self.tracked[place].1, folded)
    }

    /// Makes a row for a new key.
    fn insert(&mut self, key: &[u8]) -> (usize, u64) {
        let folded = if self.tracked.len() >= TRACKED_MAX { self.fold() } else { 0 };
        let place = self.tracked.len();
        self.places.insert(key.into(), place);
        self.tracked.push((Key(key.into()), Totals::default()));
        (place, folded)
    }

    /// Adds a row as it was read from a state.
    pub(super) fn restore(&mut self, key: Key, totals: &Totals) {
        if key.is_rest() {
            self.rests.entry(key).or_default().merge(totals);
        } else {
            self.row(&key.0).0.merge(totals);
        }
    }

    /// Adds all but the largest rows to `_other`; gives the number of their requests.
    fn fold(&mut self) -> u64 {
        if self.tracked.len() <= ROWS_MAX {
            return 0;
        }
        self.tracked.sort_unstable_by(|(a, left), (b, right)| {
            let count = |totals: &Totals| totals.requests.saturating_add(totals.failed_attempts);
            count(right).cmp(&count(left)).then_with(|| a.cmp(b))
        });
        let mut folded = 0;
        for (key, totals) in self.tracked.drain(ROWS_MAX..) {
            folded += totals.requests;
            let mut rest = Key::rest_of(key.service());
            if self.rests.len() >= RESTS_MAX && !self.rests.contains_key(&rest) {
                rest = Key::rest_of(Some(OTHER));
            }
            self.rests.entry(rest).or_default().merge(&totals);
        }
        let places = self.tracked.iter().enumerate();
        self.places = places.map(|(place, (key, _))| (key.0.clone(), place)).collect();
        folded
    }

    /// The rows so far, in no order.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&Key, &Totals)> {
        self.tracked.iter().map(|(key, totals)| (key, totals)).chain(&self.rests)
    }

    /// The rows at the end, sorted by key, and how many requests went to `_other` just now.
    pub(super) fn finish(mut self) -> (Vec<(Key, Totals)>, u64) {
        let folded = self.fold();
        let mut rows = self.tracked;
        rows.extend(self.rests);
        rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        (rows, folded)
    }
}
