//! A model of traffic: so many requests in ten seconds, so many of them bad, the same for a seed.

use std::f64::consts::TAU;

use super::*;

/// Length of a step of the simulation: one evaluation.
pub(super) const STEP_MS: u64 = 10_000;

/// What the world is like at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct World {
    /// Requests a second.
    pub(super) rate: f64,
    /// Share of them that fail.
    pub(super) failing: f64,
    /// Share of them that are slow.
    pub(super) slow: f64,
    /// Share of those of [`BAD_ENDPOINT`] that fail.
    pub(super) endpoint_failing: f64,
    /// Heartbeats arrive.
    pub(super) has_heartbeat: bool,
    /// The oldest record waits for so many seconds.
    pub(super) waiting_seconds: u64,
    /// The process is down.
    pub(super) is_down: bool,
}

/// Endpoints of the model, each with as many requests.
pub(super) const ENDPOINTS: [&str; 4] = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", BAD_ENDPOINT];
/// The one that has incidents of its own.
pub(super) const BAD_ENDPOINT: &str = "10.0.0.4:80";

/// A good day: a hundred requests a second, a tenth of the budget spent on what always fails.
pub(super) const HEALTHY: World = World {
    rate: 100.0,
    failing: 0.000_1,
    slow: 0.001,
    endpoint_failing: 0.0,
    has_heartbeat: true,
    waiting_seconds: 0,
    is_down: false,
};

impl Random {
    /// How many of `n` things happen that each happen with a probability: one by one when they are few,
    /// as a Poisson process when it is rare, else normal.
    pub(super) fn binomial(&mut self, n: u64, probability: f64) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "a model")]
        let mean = n as f64 * probability;
        if probability >= 1.0 {
            n
        } else if n <= 64 {
            (0..n).map(|_| u64::from(self.share() < probability)).sum()
        } else if mean < 25.0 {
            let mut left = mean;
            (0..n)
                .take_while(|_| {
                    left += (1.0 - self.share() * 0.999_999).ln(); // an exponential time to the next
                    left >= 0.0
                })
                .fold(0, |count, _| count + 1)
        } else {
            // Twelve uniform numbers are normal enough.
            let normal: f64 = (0..12).map(|_| self.share()).sum::<f64>() - 6.0;
            let count = mean + normal * (mean * (1.0 - probability)).sqrt();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to n")]
            let count = count.round().max(0.0) as u64;
            count.min(n)
        }
    }

    /// Requests of one step at a rate.
    pub(super) fn requests(&mut self, rate: f64) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a model")]
        let most = (rate * 20.0).ceil() as u64;
        #[expect(clippy::cast_precision_loss, reason = "a model")]
        let share = if most == 0 { 0.0 } else { rate * 10.0 / most as f64 };
        self.binomial(most, share)
    }
}

/// Traffic over day and night, with small faults now and then: what no page is for.
pub(super) fn healthy_day(random: &mut Random, now_ms: u64) -> World {
    #[expect(clippy::cast_precision_loss, reason = "a share of a day")]
    let of_day = (now_ms % 86_400_000) as f64 / 86_400_000.0;
    let weekend = if (now_ms / 86_400_000 + 4) % 7 < 2 { 0.5 } else { 1.0 };
    let rate = weekend * (40.0 - 36.0 * (TAU * (of_day - 0.125)).sin()).max(0.5);
    // Twice a day a deploy or a hiccup: ten seconds with some failures.
    let is_hiccup = random.below(4_320) == 0;
    let failing = if is_hiccup { 0.05 } else { 0.000_2 };
    let slow = if is_hiccup { 0.2 } else { 0.002 };
    World { rate, failing, slow, ..HEALTHY }
}
