//! The data plane: from an accepted connection to exactly one record per exchange.
//!
//! ```text
//! listener::accept ─► listener::serve ─► exchange::run ─► queue, service.pick ─► endpoint (pool, connect)
//!   (one socket per      (hyper h1/h2       rules, route,                     │ send, head
//!    worker)              over io::Watched)  headers)                         ▼
//!                                            body::Relay ─► stopwatch::finish ─► journal lane
//! ```
//!
//! Invariants: names nothing of shipping, templates, admin or JSON; nothing on a worker locks,
//! blocks or waits for another core on a request's way; each exchange ends in one record, appended
//! before the last bytes of its response are handed over.

mod balance;
mod body;
mod connection;
mod counted;
mod discovery;
mod ending;
mod endpoint;
mod exchange;
mod figures;
mod headers;
mod health;
mod io;
mod limit;
mod listener;
mod queue;
mod respond;
mod roster;
mod route;
mod rules;
mod running;
mod scan;
mod service;
mod shortage;
mod silence;
mod stopwatch;
mod streams;
mod tls;
mod worker;

pub use figures::{EndpointState, EndpointTotals, Figures, QueueState};
pub use running::{Options, Running, StartError, start};

/// Field of the heartbeat's own requests. Its value is drawn anew for each process, so nobody else
/// can send one; they are answered here, leave no record and count in `lbproxy_probes_total` only.
pub const PROBE_FIELD: &str = "lbproxy-probe";

/// What must hold for any input.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed {
    pub(crate) use super::headers::fuzzed::trace;
    pub(crate) use super::scan::fuzzed::scan;
}
