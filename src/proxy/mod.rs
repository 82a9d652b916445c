//! The data plane: from an accepted connection to exactly one record per exchange.
//!
//! Invariants: names nothing of shipping, templates or admin; nothing on a worker locks, blocks or
//! waits for another core on a request's way.

mod balance;
mod limit;
