//! What the endpoints of one service did over the last seconds, and the verdicts that follow.
//!
//! Called once a [`TICK`](Watch::TICK) with the sums of the workers' cells; so an attempt costs a
//! worker nothing but its counters. Pure but for the states that it changes: time comes in.
//! Not here: who calls (`health`).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::share::{Count, SHORT, SLICES, Window};
use super::{Cause, Outlier};

/// How long an endpoint answers nobody until time-outs in a row are its own.
const SILENCE_MS: u64 = 10_000;
/// How many ticks an endpoint must do without being kept in rotation until that is told.
const CALM_TICKS: u32 = 10;

/// The endpoints of one service, watched.
#[derive(Debug)]
pub(in crate::proxy) struct Watch {
    outliers: Vec<Arc<Outlier>>,
    seen: Vec<Seen>,
}

/// What was seen of one endpoint.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// Counters at the last tick.
    totals: Count,
    window: Window,
    /// Time-outs since its last answer.
    timeouts: u32,
    /// When it last had an answer, or came back.
    answered_ms: u64,
    /// Ticks since it was last kept in rotation.
    calm: u32,
}

impl Watch {
    /// Time between two ticks.
    pub(in crate::proxy) const TICK: Duration = Duration::from_millis(500);

    /// Nothing was seen yet.
    pub(in crate::proxy) fn new(outliers: Vec<Arc<Outlier>>) -> Self {
        let seen = vec![Seen::default(); outliers.len()];
        Self { outliers, seen }
    }

    /// The service has these endpoints from now on; of those that stay nothing is forgotten.
    pub(in crate::proxy) fn follow(&mut self, outliers: Vec<Arc<Outlier>>) {
        let known = self.outliers.drain(..).map(|outlier| Arc::as_ptr(&outlier) as usize);
        let mut known: HashMap<_, _> = known.zip(self.seen.drain(..)).collect();
        let seen = outliers.iter().map(|outlier| known.remove(&(Arc::as_ptr(outlier) as usize)));
        self.seen = seen.map(Option::unwrap_or_default).collect();
        self.outliers = outliers;
    }

    /// Looks at what was counted since the last tick: `totals` of each endpoint, over all workers.
    pub(in crate::proxy) fn tick(&mut self, now_ms: u64, totals: &[Count]) {
        for ((seen, outlier), &totals) in self.seen.iter_mut().zip(&self.outliers).zip(totals) {
            seen.count(totals, outlier, now_ms);
        }
        let (mut short, mut long) = (self.in_rotation(SHORT), self.in_rotation(SLICES));
        for (seen, outlier) in self.seen.iter_mut().zip(&self.outliers) {
            if !outlier.is_in_rotation() {
                outlier.neighbours_fail.store(long.is_failing(), Relaxed);
                outlier.tell_kept(false);
                continue;
            }
            let (own_short, own_long) = (seen.window.last(SHORT), seen.window.last(SLICES));
            let failures_min = outlier.limits.failures;
            outlier.neighbours_fail.store((long - own_long).is_failing(), Relaxed);
            let stands_out = own_short.stands_out(short - own_short, failures_min)
                || own_long.stands_out(long - own_long, failures_min);
            let is_silent = seen.timeouts >= failures_min
                && now_ms.saturating_sub(seen.answered_ms) >= SILENCE_MS;
            let cause = match (is_silent, stands_out) {
                (true, _) => Some(Cause::Silence),
                (false, true) => Some(Cause::Share),
                (false, false) => None,
            };
            let is_kept = match cause {
                Some(cause) => outlier.verdict(cause, now_ms),
                None => outlier.fails_to_connect(),
            };
            if !outlier.is_in_rotation() {
                // The others are compared with those that are left.
                (short, long) = (short - own_short, long - own_long);
            }
            seen.calm = if is_kept { 0 } else { seen.calm.saturating_add(1) };
            if is_kept || seen.calm >= CALM_TICKS {
                outlier.tell_kept(is_kept);
            }
        }
    }

    /// What all in rotation did over the last `slices`.
    fn in_rotation(&self, slices: usize) -> Count {
        let seen = self.seen.iter().zip(&self.outliers);
        seen.filter(|(_, outlier)| outlier.is_in_rotation())
            .fold(Count::default(), |sum, (seen, _)| sum + seen.window.last(slices))
    }
}

impl Seen {
    /// Adds what was counted since the last tick. What an ejected endpoint did is forgotten: it comes
    /// back with a clean window.
    fn count(&mut self, totals: Count, outlier: &Outlier, now_ms: u64) {
        let new = totals - self.totals;
        let timeouts = match outlier.timeouts.load(Relaxed) {
            0 => 0, // nothing to write
            _ => outlier.timeouts.swap(0, Relaxed),
        };
        self.totals = totals;
        if !outlier.is_in_rotation() {
            (self.window, self.timeouts, self.answered_ms) = (Window::default(), 0, now_ms);
            return;
        }
        self.window.push(new);
        if new.heads > 0 {
            (self.timeouts, self.answered_ms) = (0, now_ms);
        } else {
            self.timeouts = self.timeouts.saturating_add(timeouts);
        }
    }
}
