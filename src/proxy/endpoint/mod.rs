//! Endpoints of a worker: address, pool of open connections, load, and their shared state.

mod connect;
mod failure;
mod kept;
mod member;
mod outlier;
mod pool;

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub(super) use connect::open;
pub(super) use failure::FailureKind;
pub(super) use kept::Kept;
pub(super) use member::Member;
pub(super) use outlier::{Count, Entry, Floor, Outlier, Probe, Watch};
pub(super) use pool::{Lease, Load, Pool};

use crate::config;
use crate::metrics::EndpointMetrics;

/// One endpoint as one worker sees it.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// What all workers share of it.
    pub(super) member: Arc<Member>,
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
    /// A probe of our own is under way.
    pub(super) is_probed: Cell<bool>,
}

impl Endpoint {
    /// An endpoint with an empty pool, of the worker of this number.
    pub(super) fn new(member: &Arc<Member>, service: &config::Service, worker: u8) -> Self {
        let config::Endpoint { address, port, .. } = &member.address;
        Self {
            label: member.label.clone(),
            host: address.clone(),
            ip: address.parse().ok(),
            port: *port,
            outlier: Arc::clone(&member.outlier),
            in_flight: Cell::new(0),
            pool: Pool::new(service.pool),
            metrics: member.cells(worker),
            connect_timeout: service.timeouts.connect,
            is_probed: Cell::new(false),
            member: Arc::clone(member),
        }
    }
}
