//! lbproxy: a reverse proxy and load balancer whose every request becomes a record that survives.
//!
//! ```text
//! listener ─► worker ─► exchange ─► one record ─► journal lane ─► readers: ship, log, demo …
//! ```
//!
//! Layers, arrows down only (`tests/tidy/layers.rs` holds them):
//!
//! ```text
//! L4   cli
//! L3   admin  ship  otlp  vitals  elk  mock  notify  compile  watch
//! L2   proxy  control  consumer  rollup  query  slo
//! L1   record  journal  config  metrics  names  web
//! L0   base
//! ```
//! The map with every folder's purpose is `ARCHITECTURE.md`.

pub mod base;

pub mod config;
pub mod journal;
pub mod metrics;
pub mod names;
pub mod record;
pub mod web;

pub mod consumer;
pub mod control;
pub mod proxy;
pub mod query;
pub mod rollup;
pub mod slo;

pub mod admin;
pub mod compile;
pub mod elk;
pub mod mock;
pub mod notify;
pub mod otlp;
pub mod ship;
pub mod vitals;
pub mod watch;

pub mod cli;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
