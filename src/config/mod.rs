//! The configuration file, as checked types.
//!
//! Not here yet: reading it.

mod types;

pub use types::*;
