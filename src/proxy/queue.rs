//! The most exchanges of one service under way at once, and the queue of those that wait for a permit.
//!
//! ```text
//! enter ─► a permit free, nobody waits ─────────────────────────────► Permit ─► exchange ─► dropped: free
//!    └───► queue of this worker (one for each, oldest first) ───────► Permit      │
//!               ▲ its time is up, or its client left: out of the queue            │
//!               └───────────── who has waited longest, on whichever worker ◄──────┘
//! ```
//! [`Permits`] are shared by all workers and count; a [`WaitQueue`] belongs to one worker. A request that
//! finds a permit free costs one atomic step at its begin and one at its end. Nothing here locks but the
//! notification of another worker, which is sent only when a waiter there is next.
//!
//! Invariants, held by the tests below at every interleaving they find:
//! - Never more permits held than there are, and each is released once, when its [`Permit`] is dropped.
//! - Nobody waits while a permit is free: whatever makes a permit free, makes somebody wait or takes the
//!   oldest out of the queue ends in [`WaitQueue::settle`]. It looks at the count of permits after it has
//!   changed its own part, as everybody does, all of it sequentially consistent: of two workers that
//!   change something at once, one sees what the other did.
//! - Who was given a permit and cannot use it any more passes it on by being dropped.
//! - Who comes does not pass those who wait, and workers take turns by the age of who waits.
//!
//! Not here: who answers what when there is no permit (`exchange`).

mod permits;
#[cfg(test)]
mod tests;
mod wait_queue;

use std::sync::atomic; // for both modules: `tests/interleaved.rs` has others

pub(super) use permits::Permits;
pub(super) use wait_queue::{Entered, Permit, WaitQueue};
