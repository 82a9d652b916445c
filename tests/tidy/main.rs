//! What `make check` asks of the tree itself: layers, and generated files. Starts no program and no server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking and says why")]

mod generated;
mod layers;
