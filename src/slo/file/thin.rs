//! Where traffic is too thin for a window to say anything: fewer events than one bad one among them
//! stays below its pace.

use crate::slo::{BurnWindow, Objective};

/// A window that sees too few events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thin {
    /// The window.
    pub window: BurnWindow,
    /// Events that count within its long window, as they come now.
    pub expected: f64,
    /// Events from which on one bad one does not make it fire.
    pub needed: f64,
    /// Whether there are fewer events than `min_bad` or `min_total` ask for, so that it never fires.
    pub is_mute: bool,
}

/// The windows of an objective for which so many events that count per second are too few.
pub fn thin(objective: &Objective, per_second: f64) -> Vec<Thin> {
    #[expect(clippy::cast_precision_loss, reason = "counts of events are compared, not told")]
    let least = objective.min_bad.max(objective.min_total) as f64;
    let windows = objective.windows.iter().map(|&window| {
        let expected = per_second * window.long.as_secs_f64();
        let needed = 1.0 / (window.factor(objective.period) * objective.target.allowed());
        Thin { window, expected, needed, is_mute: expected < least }
    });
    windows.filter(|thin| thin.is_mute || thin.expected < thin.needed).collect()
}
