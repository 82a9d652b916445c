//! A service as one worker sees it: its endpoints, its balance, its figures.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::balance::{self, Balance, Candidates};
use super::endpoint::{Endpoint, Entry, Outlier};
use super::queue::WaitQueue;
use crate::config;
use crate::metrics::{EndpointMetrics, ServiceMetrics};

/// A service of one worker.
pub(super) struct Service {
    pub(super) config: Arc<config::Service>,
    /// Its endpoints, in the order of the configuration.
    pub(super) endpoints: Vec<Rc<Endpoint>>,
    balance: RefCell<Box<dyn Balance>>,
    /// Where this worker's exchanges wait, when those under way are limited.
    pub(super) queue: Option<Rc<WaitQueue>>,
    /// Cells of this worker.
    pub(super) metrics: Arc<ServiceMetrics>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("name", &self.config.name).finish_non_exhaustive()
    }
}

impl Service {
    /// A service with its shared states and this worker's cells, in the order of its endpoints.
    pub(super) fn new(
        config: &Arc<config::Service>,
        outliers: &[Arc<Outlier>],
        cells: &[Arc<EndpointMetrics>],
        queue: Option<Rc<WaitQueue>>,
        metrics: Arc<ServiceMetrics>,
    ) -> Self {
        let endpoints = config
            .hosts
            .iter()
            .zip(outliers.iter().zip(cells))
            .map(|(host, (outlier, cells))| {
                Rc::new(Endpoint::new(host, config, Arc::clone(outlier), Arc::clone(cells)))
            })
            .collect();
        let weights: Vec<u32> = config.hosts.iter().map(|host| host.weight).collect();
        let balance = RefCell::new(balance::build(config.balance, &weights));
        Self { config: Arc::clone(config), endpoints, balance, queue, metrics }
    }

    /// The endpoint of the next attempt, none of those already `tried`; with the way it was let in.
    pub(super) fn pick(
        &self,
        tried: &[Rc<Endpoint>],
        now_ms: u64,
    ) -> Option<(Rc<Endpoint>, Entry)> {
        let view = View { endpoints: &self.endpoints, tried, now_ms };
        // A trial may be taken by another worker between look and entry: look again, boundedly.
        for _ in 0..=self.endpoints.len() {
            let index = self.balance.borrow_mut().pick(&view)?;
            let endpoint = self.endpoints.get(index)?;
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
