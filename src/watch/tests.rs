//! Watchers against a simulated server.

mod lease;
