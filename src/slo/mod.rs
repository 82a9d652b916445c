//! Service level objectives: what is promised, whether it is kept, and what an alert says.
//!
//! Invariants: everything here is pure; the time is passed in, records come from outside, and the same
//! minutes give the same alerts, live or years later. No I/O, no clock. Not here: where records come from
//! (`consumer`, `cli`), how somebody is told (`notify`).

mod change;
mod level;
mod notice;
mod objective;
pub mod verdict;

pub use change::Compared;
pub use level::{Level, Targets};
pub use notice::{Absence, AlertStatus, Notice, Top, Trigger};
pub use objective::{
    BurnWindow, Dimension, Indicator, Maintenance, NoData, Objective, Period, Severity, Silence,
    TargetShare,
};
