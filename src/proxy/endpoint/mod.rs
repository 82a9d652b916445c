//! Endpoints of a worker: address, pool of open connections, load, and their shared state.

mod connect;
mod failure;
mod kept;
mod outlier;
mod pool;

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub(super) use connect::open;
pub(super) use failure::FailureKind;
pub(super) use kept::Kept;
pub(super) use outlier::{Count, Entry, Floor, Outlier, Probe, Watch};
pub(super) use pool::{Lease, Load, Pool};

use crate::config;
use crate::metrics::EndpointMetrics;

/// One endpoint as one worker sees it.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// As records and metrics name it.
    pub(super) label: String,
    /// Host part of the address.
    pub(super) host: String,
    /// The host as an IP address, when it is one: no name look-up then.
    pub(super) ip: Option<IpAddr>,
    pub(super) port: u16,
    /// Shared by all workers.
    pub(super) outlier: Arc<Outlier>,
    /// Attempts of this worker under way.
    pub(super) in_flight: Cell<u32>,
    /// Idle connections of this worker.
    pub(super) pool: Pool,
    /// Cells of this worker.
    pub(super) metrics: Arc<EndpointMetrics>,
    /// Limit of look-up and connect together.
    pub(super) connect_timeout: Duration,
}

impl Endpoint {
    /// An endpoint with an empty pool.
    pub(super) fn new(
        address: &config::Endpoint,
        service: &config::Service,
        outlier: Arc<Outlier>,
        metrics: Arc<EndpointMetrics>,
    ) -> Self {
        let ip = address.address.parse().ok();
        Self {
            label: address.to_string(),
            host: address.address.clone(),
            ip,
            port: address.port,
            outlier,
            in_flight: Cell::new(0),
            pool: Pool::new(service.pool),
            metrics,
            connect_timeout: service.timeouts.connect,
        }
    }
}
