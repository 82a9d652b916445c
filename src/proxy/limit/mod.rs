//! Limits of the data plane that need machinery of their own: time.
//!
//! Sizes and counts are plain comparisons where they are met (`rules`, `body`, `listener`).

mod pause;
mod timer;

pub(super) use pause::Pause;
pub(super) use timer::{Deadline, Timer};
