//! What everything stands on: units and instants with their text forms, the wall clock, threads beside
//! the traffic, trace contexts, text from strangers, names mistyped, names in keys, digits and hashes of
//! bytes, sums that must agree, trouble that is told once, JSON objects read as nothing else.
//!
//! Standard library and small crates only; no I/O, no async.

pub mod background;
pub mod clock;
pub mod equation;
pub mod fnv;
pub mod hex;
pub mod histogram;
pub mod instant;
pub mod names;
pub mod nearest;
pub(crate) mod object;
pub mod trace;
pub mod trouble;
pub mod units;
pub mod visible;
