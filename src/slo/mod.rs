//! Service level objectives: what is promised, whether it is kept, and what an alert says.
//!
//! Invariants: everything here is pure; the time is passed in, records come from outside, and the same
//! minutes give the same alerts, live or years later. No clock; no I/O but what reads files (`file`). Not
//! here: where records come from (`consumer`, `cli`), how somebody is told (`notify`).

mod change;
pub mod file;
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

/// What must hold for any input.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed {
    pub(crate) use super::file::fuzzed::slo_file;
}
