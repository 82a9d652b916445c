//! A service as one worker sees it: its endpoints, its balance, its figures.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::watch;

use super::balance::{self, Balance, Candidates};
use super::endpoint::{Endpoint, Entry};
use super::queue::WaitQueue;
use super::roster::Members;
use crate::config;
use crate::metrics::ServiceMetrics;

/// A service of one worker.
pub(super) struct Service {
    pub(super) config: Arc<config::Service>,
    /// Number of the worker.
    worker: u8,
    rotation: RefCell<Rotation>,
    /// Tells of each other set of endpoints.
    told: watch::Receiver<Members>,
    /// Where this worker's exchanges wait, when those under way are limited.
    pub(super) queue: Option<Rc<WaitQueue>>,
    /// Cells of this worker.
    pub(super) metrics: Arc<ServiceMetrics>,
}

/// The endpoints of now, in the order of the roster, and the balance over them.
struct Rotation {
    /// The set that these are of.
    members: Members,
    endpoints: Rc<[Rc<Endpoint>]>,
    balance: Box<dyn Balance>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("name", &self.config.name).finish_non_exhaustive()
    }
}

impl Service {
    /// A service with these endpoints.
    pub(super) fn new(
        config: &Arc<config::Service>,
        worker: u8,
        told: watch::Receiver<Members>,
        queue: Option<Rc<WaitQueue>>,
        metrics: Arc<ServiceMetrics>,
    ) -> Self {
        let members = told.borrow().clone();
        let rotation = RefCell::new(Rotation {
            members: Members::default(),
            endpoints: Rc::default(),
            balance: balance::build(config.balance, &[]),
        });
        let service = Self { config: Arc::clone(config), worker, rotation, told, queue, metrics };
        service.set(members);
        service
    }

    /// The endpoints of now.
    pub(super) fn endpoints(&self) -> Rc<[Rc<Endpoint>]> {
        Rc::clone(&self.rotation.borrow().endpoints)
    }

    /// Takes over every other set of endpoints, until there can be none any more.
    pub(super) async fn follow(self: Rc<Self>) {
        let mut told = self.told.clone();
        while told.changed().await.is_ok() {
            self.catch_up();
        }
    }

    /// Takes over the set that was told of last; `false` when that is the one it has.
    fn catch_up(&self) -> bool {
        let members = self.told.borrow().clone();
        let is_other = !Arc::ptr_eq(&members, &self.rotation.borrow().members);
        if is_other {
            self.set(members);
        }
        is_other
    }

    /// From now on requests go to these. Pool and load of those that stay are kept; the pools of those
    /// that leave are closed.
    fn set(&self, members: Members) {
        let before = self.endpoints();
        let mut known: HashMap<u64, &Rc<Endpoint>> =
            before.iter().map(|endpoint| (endpoint.member.id, endpoint)).collect();
        let endpoint = |member| Rc::new(Endpoint::new(member, &self.config, self.worker));
        let endpoints = members
            .iter()
            .map(|member| known.remove(&member.id).map_or_else(|| endpoint(member), Rc::clone));
        let endpoints: Rc<[_]> = endpoints.collect();
        for left in known.values() {
            left.pool.close(left);
        }
        let weights: Vec<u32> = members.iter().map(|member| member.address.weight).collect();
        let balance = balance::build(self.config.balance, &weights);
        *self.rotation.borrow_mut() = Rotation { members, endpoints, balance };
    }

    /// The endpoint of the next attempt, none of those already `tried`; with the way it was let in. Where none is
    /// open, one of a set that was told of and is not taken over yet: no request fails for that moment.
    pub(super) fn pick(
        &self,
        tried: &[Rc<Endpoint>],
        now_ms: u64,
    ) -> Option<(Rc<Endpoint>, Entry)> {
        let known = self.pick_known(tried, now_ms);
        known.or_else(|| self.catch_up().then(|| self.pick_known(tried, now_ms)).flatten())
    }

    fn pick_known(&self, tried: &[Rc<Endpoint>], now_ms: u64) -> Option<(Rc<Endpoint>, Entry)> {
        let Rotation { endpoints, balance, .. } = &mut *self.rotation.borrow_mut();
        let view = View { endpoints, tried, now_ms };
        // A trial may be taken by another worker between look and entry: look again, boundedly.
        for _ in 0..=endpoints.len() {
            let endpoint = endpoints.get(balance.pick(&view)?)?;
            match endpoint.outlier.enter(now_ms) {
                Entry::Ejected => (),
                entry => return Some((Rc::clone(endpoint), entry)),
            }
        }
        None
    }
}

/// What the balance sees during one pick.
struct View<'a> {
    /// All endpoints of the service.
    endpoints: &'a [Rc<Endpoint>],
    /// Those tried for this exchange.
    tried: &'a [Rc<Endpoint>],
    /// Now, in milliseconds since the start of the data plane.
    now_ms: u64,
}

impl Candidates for View<'_> {
    fn len(&self) -> usize {
        self.endpoints.len()
    }

    fn is_open(&self, index: usize) -> bool {
        self.endpoints.get(index).is_some_and(|endpoint| {
            endpoint.outlier.is_open(self.now_ms)
                && !self.tried.iter().any(|tried| Rc::ptr_eq(tried, endpoint))
        })
    }

    fn in_flight(&self, index: usize) -> u32 {
        self.endpoints.get(index).map_or(0, |endpoint| endpoint.in_flight.get())
    }
}
