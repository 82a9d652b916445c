//! Ejecting an endpoint that fails, and letting it back: the state that all workers share.
//!
//! What moves an endpoint between its states is pure ([`state`]), and so is the comparison with its
//! neighbours ([`share`], [`watch`]). A status from the endpoint never counts, since it may be the
//! right answer to that request. Invariant: of the endpoints of a service at most
//! [`Floor::ejected_max`] are ejected, and never the last.
//!
//! Relaxed atomics, written only when something fails or comes back: a success in rotation is two
//! loads. Time comes in as milliseconds since the start of the data plane. Not here: counting
//! attempts (cells of the workers), probing (`health`).

mod share;
mod state;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use tokio::sync::Notify;

pub(in crate::proxy) use share::Count;
pub(in crate::proxy) use state::{Cause, Entry, Probe};
pub(in crate::proxy) use watch::Watch;

use super::FailureKind;
use crate::config;
use crate::metrics::OutlierMetrics;
use state::{LEFT, Setting, State};

/// How many endpoints of a service may be ejected at once, and how many are.
#[derive(Debug)]
pub(in crate::proxy) struct Floor {
    ejected: AtomicU32,
    ejected_max: AtomicU32,
}

impl Floor {
    /// Of a service of `endpoints`, of which the share `max_ejected` may be out.
    pub(in crate::proxy) fn new(endpoints: usize, max_ejected: f64) -> Self {
        let floor = Self { ejected: AtomicU32::new(0), ejected_max: AtomicU32::new(0) };
        floor.set(endpoints, max_ejected);
        floor
    }

    /// The service has so many endpoints from now on: the share is rounded down, but one where there are
    /// two or more and the share is not 0, and never all.
    pub(in crate::proxy) fn set(&self, endpoints: usize, max_ejected: f64) {
        let endpoints = u32::try_from(endpoints).unwrap_or(u32::MAX);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to endpoints"
        )]
        let share = (f64::from(endpoints) * max_ejected) as u32;
        let least = u32::from(max_ejected > 0.0);
        self.ejected_max.store(share.max(least).min(endpoints.saturating_sub(1)), Relaxed);
    }

    /// Whether more are ejected than may be, since others have left.
    pub(in crate::proxy) fn is_exceeded(&self) -> bool {
        self.ejected.load(Relaxed) > self.ejected_max.load(Relaxed)
    }

    fn take(&self) -> bool {
        let most = self.ejected_max.load(Relaxed);
        let more = |ejected| (ejected < most).then_some(ejected + 1);
        self.ejected.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    fn give_back(&self) {
        self.ejected.fetch_sub(1, Relaxed);
    }
}

/// One endpoint as all workers share it.
#[derive(Debug)]
pub(in crate::proxy) struct Outlier {
    /// [`State`]; 0 while nothing is wrong.
    state: AtomicU64,
    /// Time-outs that [`Watch`] has not yet seen.
    timeouts: AtomicU32,
    /// Whether requests fail at the neighbours too; from [`Watch`].
    neighbours_fail: AtomicBool,
    limits: config::Outlier,
    floor: Arc<Floor>,
    /// Told of every change between in rotation and ejected.
    changed: Arc<Notify>,
    /// Its service and its address, for logs.
    names: (String, String),
    metrics: OutlierMetrics,
}

impl Outlier {
    /// In rotation, nothing counted. `names` are those of its service and of itself.
    pub(in crate::proxy) fn new(
        names: (String, String),
        limits: config::Outlier,
        floor: &Arc<Floor>,
        changed: &Arc<Notify>,
    ) -> Self {
        Self {
            state: AtomicU64::new(0),
            timeouts: AtomicU32::new(0),
            neighbours_fail: AtomicBool::new(false),
            limits,
            floor: Arc::clone(floor),
            changed: Arc::clone(changed),
            names,
            metrics: OutlierMetrics::default(),
        }
    }

    fn state(&self) -> State {
        State::from_bits(self.state.load(Relaxed))
    }

    /// Whether it is in rotation: not ejected, and no trial is due either.
    pub(in crate::proxy) fn is_in_rotation(&self) -> bool {
        !self.state().is_ejected()
    }

    /// Whether [`Outlier::enter`] would let an exchange in.
    pub(in crate::proxy) fn is_open(&self, now_ms: u64) -> bool {
        self.state().is_open(now_ms)
    }

    /// Whether the floor keeps it in rotation although it fails, as the metric says.
    pub(in crate::proxy) fn is_kept(&self) -> bool {
        self.metrics.kept.value() != 0
    }

    /// Whether a connection, or its refusal, would tell something.
    pub(in crate::proxy) fn wants_probe(&self) -> bool {
        !self.is_in_rotation()
    }

    /// Its cells, as they are now.
    pub(in crate::proxy) fn metrics(&self) -> &OutlierMetrics {
        // Set here, since two changes on two threads may end in either order.
        self.metrics.ejected.set(u64::from(!self.is_in_rotation()));
        &self.metrics
    }

    /// Asks to use the endpoint. Of several exchanges that ask when its time out is over, one gets
    /// the trial; the others find it ejected for as long again.
    pub(in crate::proxy) fn enter(&self, now_ms: u64) -> Entry {
        let bits = self.state.load(Relaxed);
        let (next, entry) = State::from_bits(bits).entered(now_ms, self.limits);
        if entry != Entry::Trial {
            return entry;
        }
        match self.state.compare_exchange(bits, next.to_bits(), Relaxed, Relaxed) {
            Ok(_) => Entry::Trial,
            Err(_) => Entry::Ejected,
        }
    }

    /// An attempt got a response head.
    pub(in crate::proxy) fn head(&self, entry: Entry) {
        if self.state.load(Relaxed) != 0 {
            self.change("it responded", |state, _| state.after_head(entry));
        }
    }

    /// An attempt got a whole answer.
    pub(in crate::proxy) fn success(&self, entry: Entry) {
        if self.state.load(Relaxed) != 0 {
            self.change("answered", |state, _| state.after_success(entry));
        }
    }

    pub(in crate::proxy) fn failure(&self, entry: Entry, kind: FailureKind, now_ms: u64) {
        if kind == FailureKind::Silent {
            self.timeouts.fetch_add(1, Relaxed);
        }
        self.change("a trial got further than before", |state, may_eject| {
            state.after_failure(entry, kind, self.setting(now_ms, may_eject))
        });
    }

    /// What it did over a while is enough to eject it. Gives whether the floor kept it in rotation.
    fn verdict(&self, cause: Cause, now_ms: u64) -> bool {
        self.change("", |state, may_eject| {
            state.after_verdict(cause, self.setting(now_ms, may_eject))
        });
        self.is_in_rotation()
    }

    /// A probe of our own has ended.
    pub(in crate::proxy) fn probed(&self, end: Probe) {
        self.metrics.probes_total.add(1);
        self.change("a probe connected", |state, _| state.after_probe(end));
    }

    /// Its service has fewer endpoints than before: too many are ejected.
    pub(in crate::proxy) fn return_for_want_of_others(&self) {
        self.change("too few others are left", |_, _| State::Rotation { row: 0 });
    }

    /// It belongs to no service any more. What is under way goes on, and whoever has not heard of it yet
    /// may use it; nothing that happens there counts.
    pub(in crate::proxy) fn leave(&self) {
        if State::from_bits(self.state.swap(LEFT, Relaxed)).is_ejected() {
            self.floor.give_back();
        }
    }

    /// Whether it fails to connect and stays in rotation all the same.
    fn fails_to_connect(&self) -> bool {
        matches!(self.state(), State::Rotation { row } if row >= self.limits.failures)
    }

    fn setting(&self, now_ms: u64, may_eject: bool) -> Setting {
        let neighbours_fail = self.neighbours_fail.load(Relaxed);
        Setting { limits: self.limits, now_ms, may_eject, neighbours_fail }
    }

    /// Makes a transition, within the floor; `step` is told whether there is room to eject. `why` it
    /// comes back, if it does, is for the log.
    fn change(&self, why: &str, step: impl Fn(State, bool) -> State) {
        let mut bits = self.state.load(Relaxed);
        while bits != LEFT {
            let from = State::from_bits(bits);
            let mut to = step(from, true);
            let takes = to.is_ejected() && !from.is_ejected();
            if takes && !self.floor.take() {
                to = step(from, false);
            }
            if to == from {
                return; // only a late or a counted one: nothing to write
            }
            let takes = takes && to.is_ejected();
            match self.state.compare_exchange(bits, to.to_bits(), Relaxed, Relaxed) {
                Ok(_) => return self.tell(from, to, why),
                Err(now) => bits = now,
            }
            if takes {
                self.floor.give_back();
            }
        }
    }

    /// Says that it was ejected or came back; gives the room back then.
    fn tell(&self, from: State, to: State, why: &str) {
        let (service, endpoint) = (&self.names.0, &self.names.1);
        match (from, to) {
            (State::Rotation { .. }, State::Ejected { cause, .. }) => {
                let cell = match cause {
                    Cause::Connect => &self.metrics.ejections_connect_total,
                    Cause::Silence => &self.metrics.ejections_silence_total,
                    Cause::Share => &self.metrics.ejections_share_total,
                };
                cell.add(1);
                let cause = cause.as_str();
                tracing::warn!(
                    service,
                    endpoint,
                    cause,
                    "endpoint ejected; a probe or a trial request will let it back"
                );
            }
            (State::Ejected { .. }, State::Rotation { .. }) => {
                self.floor.give_back();
                tracing::info!(service, endpoint, why, "endpoint is back in rotation");
            }
            _ => return,
        }
        self.changed.notify_one();
    }

    /// Says whether the floor keeps it in rotation, once for each change.
    fn tell_kept(&self, is_kept: bool) {
        if is_kept == (self.metrics.kept.value() != 0) {
            return;
        }
        self.metrics.kept.set(u64::from(is_kept));
        let (service, endpoint) = (&self.names.0, &self.names.1);
        let ejected_max = self.floor.ejected_max.load(Relaxed);
        if is_kept {
            tracing::warn!(
                service,
                endpoint,
                ejected_max,
                "endpoint fails and stays in rotation: as many of its service are ejected as may be \
                 (outlier.max_ejected; the last one never)"
            );
        } else {
            tracing::info!(service, endpoint, "endpoint no longer needs to be kept in rotation");
        }
    }
}

#[cfg(test)]
mod tests;
