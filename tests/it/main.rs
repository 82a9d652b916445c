//! Integration tests: the real program on free ports, driven from outside.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking and says why"
)]
#![expect(clippy::too_many_lines, reason = "a table of named rows is read row by row")]

mod admin;
mod alerts_real;
mod audit;
mod audit_failures;
mod audit_real;
mod blocked_real;
mod channels;
mod chart;
mod chart_pod;
mod chart_rolling;
mod chart_run;
mod check;
mod compile_elastalert2;
mod compile_prometheus;
mod config;
mod custom;
mod demo;
mod discovery;
mod disk;
mod ejection;
mod endpoints;
mod frames;
mod h2spec;
mod health;
mod hostile;
mod http2;
mod http_rules;
mod intermediary;
mod journal;
mod lifecycle;
mod log;
mod names;
mod notify;
mod original;
mod parked;
mod queue;
mod real;
mod removal_real;
mod resend;
mod rollup;
mod server;
mod setup;
mod setup_alerts;
mod setup_dashboards;
mod setup_real;
mod setup_secret;
mod setup_users;
mod shipping;
mod signals;
mod slo;
mod slo_backtest;
mod slo_backtest_real;
mod slo_compile;
mod slo_page;
mod slo_run;
mod slo_watch;
mod support;
mod terminations;
mod top;
mod traces;
mod traffic;
mod upgrade;
mod vitals;
