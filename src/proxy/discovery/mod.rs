//! Endpoints that are found by name: looked up again and again, beside the traffic, on the first worker.
//!
//! ```text
//! each name: names::look_up ─► KnownName ─┐
//! hosts that are fixed ───────────────────┴─► each address once ─► Roster::set
//! ```
//! A request never waits for a look-up. A look-up that fails changes nothing; an answer without an address
//! counts after [`known::EMPTY_KEPT`]. Bounded: [`ENDPOINTS_MAX`] endpoints of a service, each name asked
//! once in [`names::TTL_MIN`] at most and in [`names::TTL_MAX`] at least while it answers.
//! Not here: what follows from an answer (`known`, pure), what others make of a new set (`roster`).

mod known;

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::roster::{Roster, Turnover};
use crate::config::{DiscoveredHost, Discovers, Endpoint};
use crate::metrics::DiscoveryMetrics;
use crate::names::{self, Addresses, NameKind};
use known::{KnownName, NameNews};

/// Most endpoints of a service whose endpoints are found by name.
const ENDPOINTS_MAX: usize = 1_000;
/// Most endpoints that a line of the log names.
const NAMED_MAX: usize = 10;
/// After so long a start waits no longer for the first answers.
const FIRST_ANSWERS: Duration = Duration::from_secs(5);

/// What others see of the discovery of one service.
#[derive(Debug)]
pub(super) struct DiscoveryState {
    pub(super) service: String,
    start: Instant,
    /// Names without a first answer.
    unanswered: AtomicUsize,
    metrics: DiscoveryMetrics,
}

impl DiscoveryState {
    /// Whether each name was answered once, or should have been.
    pub(super) fn has_looked(&self) -> bool {
        self.unanswered.load(Relaxed) == 0 || self.start.elapsed() >= FIRST_ANSWERS
    }

    pub(super) const fn metrics(&self) -> &DiscoveryMetrics {
        &self.metrics
    }
}

/// The discovery of one service.
#[derive(Debug)]
pub(super) struct Discovery {
    roster: Arc<Roster>,
    pub(super) state: Arc<DiscoveryState>,
}

impl Discovery {
    /// Of a service that has names; `None` for any other.
    pub(super) fn of(roster: &Arc<Roster>) -> Option<Self> {
        let names = roster.service.discovered.len();
        let state = Arc::new(DiscoveryState {
            service: roster.service.name.clone(),
            start: Instant::now(),
            unanswered: AtomicUsize::new(names),
            metrics: DiscoveryMetrics::default(),
        });
        (names > 0).then(|| Self { roster: Arc::clone(roster), state })
    }

    /// Looks up for ever, on the caller's thread.
    pub(super) fn start(self) {
        let hosts = self.roster.service.discovered.clone();
        let all: Vec<_> = hosts.iter().map(|_| KnownName::default()).collect();
        let looking = Rc::new(Looking { discovery: self, all: RefCell::new(all) });
        for (index, host) in hosts.into_iter().enumerate() {
            tokio::task::spawn_local(Rc::clone(&looking).look(index, host));
        }
    }
}

/// What is known of every name of a service.
struct Looking {
    discovery: Discovery,
    all: RefCell<Vec<KnownName>>,
}

impl Looking {
    /// Looks one name up again and again.
    async fn look(self: Rc<Self>, index: usize, host: DiscoveredHost) {
        let (kind, state) = (kind(&host), &self.discovery.state);
        let mut is_first = true;
        loop {
            let answer = names::look_up(&host.name, kind).await;
            let answer = answer.map(|found| (endpoints(&host, &found), found.until));
            let now = Instant::now();
            let (news, again) = match self.all.borrow_mut().get_mut(index) {
                Some(known) => known.take(answer, now),
                None => return,
            };
            self.count(&news);
            self.tell(&host, &news, index);
            if matches!(news, NameNews::Endpoints | NameNews::Gone) {
                self.publish(&host);
            }
            if std::mem::take(&mut is_first) {
                state.unanswered.fetch_sub(1, Relaxed);
            }
            tokio::time::sleep_until(again.into()).await;
        }
    }

    fn count(&self, news: &NameNews) {
        let metrics = &self.discovery.state.metrics;
        match news {
            NameNews::Failed { .. } => metrics.failures_total.add(1),
            NameNews::Empty { .. } | NameNews::Gone => metrics.empty_total.add(1),
            NameNews::Endpoints | NameNews::Nothing => (),
        }
        let is_stale = self.all.borrow().iter().any(KnownName::is_stale);
        metrics.stale.set(u64::from(is_stale));
    }

    /// Says what is new of a name, once.
    fn tell(&self, host: &DiscoveredHost, news: &NameNews, index: usize) {
        let (service, name) = (self.discovery.state.service.as_str(), host.name.as_str());
        let kept = self.all.borrow().get(index).map_or(0, |known| known.endpoints().len());
        match news {
            NameNews::Failed { failure, is_first: true } => tracing::warn!(
                service,
                name,
                %failure,
                endpoints = kept,
                "a name cannot be looked up; the endpoints that it had stay"
            ),
            NameNews::Empty { is_first: true } if kept == 0 => tracing::warn!(
                service,
                name,
                "a name has no address, so there is no endpoint of it; check it, or wait for what it \
                 stands for"
            ),
            NameNews::Empty { is_first: true } => tracing::warn!(
                service,
                name,
                endpoints = kept,
                seconds = known::EMPTY_KEPT.as_secs(),
                "a name has no address any more; the endpoints that it had stay for so long"
            ),
            _ => (),
        }
    }

    /// Gives the service the endpoints of now.
    fn publish(&self, host: &DiscoveredHost) {
        let Discovery { roster, state } = &self.discovery;
        let fixed = &roster.service.hosts;
        let mut seen = HashSet::new();
        let all = self.all.borrow();
        let found = all.iter().flat_map(KnownName::endpoints);
        let mut endpoints: Vec<Endpoint> = fixed.iter().chain(found).cloned().collect();
        endpoints.retain(|endpoint| seen.insert((endpoint.address.clone(), endpoint.port)));
        let refused = endpoints.len().saturating_sub(ENDPOINTS_MAX.max(fixed.len()));
        endpoints.truncate(ENDPOINTS_MAX.max(fixed.len()));
        let metrics = &state.metrics;
        metrics.refused_total.add(refused as u64);
        let turnover = roster.set(&endpoints);
        // After it: whoever sees the figure may send.
        metrics.endpoints.set(endpoints.len().saturating_sub(fixed.len()) as u64);
        metrics.changes_total.add(1);
        let (service, name) = (state.service.as_str(), host.name.as_str());
        if refused > 0 {
            let most = ENDPOINTS_MAX;
            tracing::warn!(service, name, refused, most, "more addresses than a service may have");
        }
        let Turnover { came, left } = turnover;
        let (came, left) = (some(&came), some(&left));
        tracing::info!(service, name, came, left, endpoints = endpoints.len(), "other endpoints");
    }
}

const fn kind(host: &DiscoveredHost) -> NameKind {
    match host.by {
        Discovers::Addresses { .. } => NameKind::Each,
        Discovers::Services => NameKind::Services,
    }
}

/// The endpoints that an answer stands for, in an order that is the same each time: servers turn theirs.
fn endpoints(host: &DiscoveredHost, found: &Addresses) -> Vec<Endpoint> {
    let mut addresses = found.addresses.clone();
    addresses.sort_unstable();
    let endpoint = |address: names::Address| {
        let (port, weight) = match (host.by, address.service) {
            (Discovers::Addresses { port, weight }, _) => (port, weight),
            // A weight of 0 means hardly ever (RFC 2782), and 1 is the least there is.
            (Discovers::Services, Some((port, weight))) => (port, u32::from(weight).max(1)),
            (Discovers::Services, None) => return None,
        };
        Some(Endpoint { address: address.ip.to_string(), port, weight })
    };
    addresses.into_iter().filter_map(endpoint).collect()
}

/// Labels for the log.
fn some(labels: &[String]) -> String {
    let mut text = labels.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(" ");
    if labels.len() > NAMED_MAX {
        // Writing to a String cannot fail.
        let _ = write!(text, " and {} more", labels.len() - NAMED_MAX);
    }
    text
}
