//! Stand-ins for what lives around the proxy, for tests, demos and measurements on loopback.
//!
//! They speak real protocols over real sockets, each on a thread of its own, and are bounded in
//! memory, count and time. Nothing of the proxy depends on them.

pub mod upstream;
