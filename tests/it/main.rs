//! Integration tests: the real program on free ports, driven from outside.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]
#![expect(clippy::too_many_lines, reason = "a table of named rows is read row by row")]

mod endpoints;
mod frames;
mod generated;
mod hostile;
mod http2;
mod http_rules;
mod intermediary;
mod layers;
mod lifecycle;
mod shipping;
mod support;
mod terminations;
