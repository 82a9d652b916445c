//! Service level objectives: what is promised, whether it is kept, and what an alert says.
//!
//! ```text
//! record ─► Evaluator: counts per minute, series and tier ─► burn rates, budget ─► alerts ─► Notice
//!               └── state: all of this as bytes
//! ```
//! Invariants: all but `file`, which reads objectives, `unread`, which remembers them, and `reader`, the journal's
//! consumer that feeds the evaluator, is pure: the time is passed in, records come from outside, and the same minutes
//! give the same alerts, live or years later. Everything is bounded, and every bound is counted
//! ([`EvaluatorCounts`]). Not here: how somebody is told (`notify`).

mod absence;
mod adopt;
mod alert;
mod asked;
mod backtest;
mod budget;
mod burn;
mod bytes;
mod change;
mod clock;
mod evaluator;
mod expose;
pub mod file;
mod group;
mod key;
mod level;
mod log;
mod notice;
mod objective;
mod past;
mod reader;
mod remote;
mod rows;
mod series;
mod shown;
mod spenders;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod tier;
mod top;
mod tracked;
mod unread;
pub mod verdict;

pub use absence::WAITING_SECONDS;
pub use alert::{AlertState, CLEAN, PENDING_EVALUATIONS, RELAPSE_MS, RELAPSES_MAX};
pub use backtest::{
    Backtest, BacktestSettings, Backtested, BudgetAccount, Difference, FIRINGS_MAX, Firing,
    FiringTotals, POINTS_MAX, PlotPoint, PlotPoints, SERIES_MAX, Tested, TestedSeries, differences,
};
pub use budget::Budget;
pub use burn::{CLEAN_SHARE, burn_rate};
pub use change::Compared;
pub(crate) use clock::minute;
pub use clock::{EVALUATE_EVERY, JUMP_MS};
pub use evaluator::{
    ENDED_MAX, Evaluator, EvaluatorCounts, EvaluatorSettings, GROUPS_MAX, NOTICES_MAX,
};
pub use expose::expose;
pub use group::{ABSENT, OTHER};
pub use key::key_of;
pub use level::{Level, ServiceTargets, Targets};
pub use log::log;
pub use notice::{Absence, AlertStatus, Notice, OpenAlert, Top, Trigger};
pub use objective::{
    BurnWindow, Dimension, Indicator, Maintenance, NoData, Objective, Period, Severity, Silence,
    TargetShare,
};
pub use past::BudgetPoint;
pub use reader::{Options, READER, Recipient};
pub use shown::{Evaluated, QUESTIONS_MAX, Statuses};
pub use spenders::{Spenders, VALUES_MAX};
pub use state::STATE_VERSION;
pub use status::{BURN_SPANS, BurnStatus, SeriesStatus};
pub use tier::EventCount;
pub use unread::{UNREAD_MAX, keep_unread};

/// What must hold for any input.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed {
    pub(crate) use super::file::fuzzed::slo_file;
}
