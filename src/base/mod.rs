//! What everything stands on: units with their text forms.
//!
//! Standard library and small crates only; no I/O, no async.

pub mod units;
