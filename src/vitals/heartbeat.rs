//! The heartbeat: checks at a fixed pace, changes of endpoints when they happen.
//!
//! Each beat sends a request through every listener and looks at the state of every endpoint; a
//! record for each. An endpoint that is ejected, comes or leaves between two beats wakes it for one more
//! look. Nothing is
//! sent to endpoints here: traffic shows how they are. Not here: the request (`probe`), states
//! (`monitor`).

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::Monitors;
use super::monitor::{Change, Monitor, Subject, Url};
use super::probe::{Finding, Prober};
use crate::base::clock::{micros, millis, wall_ms};
use crate::control::Control;
use crate::proxy::{EndpointState, Figures};
use crate::record::{HeartbeatRecord, Stream, Text};

/// A listener to be asked.
#[derive(Debug)]
pub(super) struct Target {
    /// Where.
    pub(super) address: SocketAddr,
    pub(super) is_tls: bool,
    /// What is known of it.
    pub(super) monitor: Monitor,
}

pub(super) struct Heartbeat {
    /// Time between two beats.
    pub(super) every: Duration,
    pub(super) prober: Prober,
    pub(super) listeners: Vec<Target>,
    /// Endpoints, in the order of [`Figures::endpoints`], each with its number there.
    pub(super) endpoints: Vec<(u64, Monitor)>,
    /// Where the cells of all of them are shown.
    pub(super) monitors: Arc<Monitors>,
    /// Name of this process in documents.
    pub(super) instance: String,
    pub(super) figures: Arc<Figures>,
    pub(super) control: Arc<Control>,
}

impl Heartbeat {
    /// Beats until dropped.
    pub(super) async fn run(mut self) {
        let figures = Arc::clone(&self.figures);
        self.show();
        let mut beat = tokio::time::interval(self.every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beat.tick() => {
                    self.check_endpoints(true);
                    self.check_listeners().await;
                }
                () = figures.endpoint_changed() => self.check_endpoints(false),
            }
        }
    }

    /// Time between two beats in milliseconds.
    fn every_ms(&self) -> u64 {
        millis(self.every)
    }

    /// One request through each listener.
    async fn check_listeners(&mut self) {
        let every_ms = self.every_ms();
        for target in &mut self.listeners {
            let finding = self.prober.probe(target.address, target.is_tls).await;
            let now_ms = wall_ms();
            let monitor = &mut target.monitor;
            let change = monitor.see(finding.error.is_none(), now_ms, true);
            let micros = micros(finding.duration);
            monitor.metrics.duration_us.set(micros);
            write_change(&self.control, monitor, now_ms, change, |record| fill(&finding, record));
            let mut record = monitor.check(now_ms, every_ms);
            finding.fill(&mut record);
            write(&self.control, &record);
        }
    }

    /// Watches the endpoints of `states`, of which some may have come and others left.
    fn follow(&mut self, states: &[EndpointState]) {
        let is_same = self.endpoints.iter().map(|(id, _)| *id).eq(states.iter().map(|s| s.id));
        if is_same {
            return;
        }
        let mut known: HashMap<u64, Monitor> = self.endpoints.drain(..).collect();
        let monitor = |state: &EndpointState| {
            let url = Url::new("http", &state.endpoint);
            let subject = Subject::Endpoint(state.service.clone(), state.endpoint.clone());
            Monitor::new(&self.instance, subject, url)
        };
        let all = states
            .iter()
            .map(|state| (state.id, known.remove(&state.id).unwrap_or_else(|| monitor(state))));
        self.endpoints = all.collect();
        self.show();
    }

    /// Shows the cells of everything that is checked.
    fn show(&self) {
        let listeners = self.listeners.iter().map(|target| &target.monitor);
        let all = listeners.chain(self.endpoints.iter().map(|(_, monitor)| monitor));
        let all = all.map(|monitor| (monitor.id.clone(), Arc::clone(&monitor.metrics))).collect();
        *self.monitors.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// Looks at each endpoint; a beat leaves a record of each, another look of changes only.
    fn check_endpoints(&mut self, is_beat: bool) {
        let (now_ms, every_ms) = (wall_ms(), self.every_ms());
        let states = self.figures.endpoints();
        self.follow(&states);
        for ((_, monitor), state) in self.endpoints.iter_mut().zip(states) {
            let is_up = state.is_in_rotation;
            let blame = |record: &mut HeartbeatRecord<'_>| {
                if !is_up {
                    record.error_type = Some(Text(b"outlier"));
                    record.error_message = Some(Text(b"ejected after failures"));
                }
            };
            let change = monitor.see(is_up, now_ms, is_beat);
            write_change(&self.control, monitor, now_ms, change, blame);
            if is_beat {
                let mut record = monitor.check(now_ms, every_ms);
                blame(&mut record);
                write(&self.control, &record);
            }
        }
    }
}

/// What a change says of the check that found it: the error alone.
fn fill<'a>(finding: &'a Finding, record: &mut HeartbeatRecord<'a>) {
    if let Some((step, message)) = &finding.error {
        record.error_type = Some(Text(step.as_bytes()));
        record.error_message = Some(Text(message.as_bytes()));
    }
}

/// Writes the record of a change, if there is one.
fn write_change<'a>(
    control: &Control,
    monitor: &'a Monitor,
    now_ms: u64,
    change: Option<Change>,
    fill: impl FnOnce(&mut HeartbeatRecord<'a>),
) {
    let Some(change) = change else { return };
    let mut record = monitor.change(now_ms, change);
    fill(&mut record);
    write(control, &record);
}

fn write(control: &Control, record: &HeartbeatRecord<'_>) {
    control.append(Stream::Heartbeat, |out| record.encode(out));
}

/// Where a listener can be reached from this host: loopback, when it listens on every address.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => return other,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        for (address, want) in
            [("0.0.0.0:8", "127.0.0.1:8"), ("[::]:8", "[::1]:8"), ("10.0.0.1:8", "10.0.0.1:8")]
        {
            assert_eq!(reachable(address.parse().unwrap()), want.parse().unwrap());
        }
    }
}
