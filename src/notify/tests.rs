//! Goal: what is accepted is told, once as a rule, at least once whatever happens, in order, by every
//! channel in its own form. Method: local receivers that answer as they are told; a real Alertmanager and
//! a real SMTP server are in `tests/it/notify.rs`.

mod crash;
mod deliver;
mod mail;
mod payload;
mod receiver;
mod summary;
mod turns;
mod words;
