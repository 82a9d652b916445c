//! What is done for endpoints beside the traffic: watching their counters and probing those that
//! are ejected. One task, on the first worker.
//!
//! A probe is a connect as an exchange would make it, closed at once. Bounded: one at a time and
//! endpoint, at most [`PROBES_MAX`] in all, each as long as [`PROBE_TIMEOUT`] at most, every
//! [`PROBE_TICKS`] ticks; so an endpoint that returns is back within two seconds as long as no more
//! than that many are black holes. Not here: what follows (`endpoint::Outlier`).

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::endpoint::{self, Endpoint, Probe, Watch};
use super::roster::{Members, Roster};
use super::service::Service;
use super::worker::Worker;
use crate::record::Reason;

/// Most probes at once.
const PROBES_MAX: usize = 32;
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Ticks from one probe of an endpoint to the next: 1 s.
const PROBE_TICKS: usize = 2;

/// One service, watched.
struct WatchedService {
    service: Rc<Service>,
    roster: Arc<Roster>,
    /// Those that `watch` follows.
    members: Members,
    watch: Watch,
}

/// Watches for ever.
pub(super) async fn watch(worker: Rc<Worker>, rosters: Vec<Arc<Roster>>) {
    let services = worker.services.iter().zip(rosters);
    let mut all: Vec<_> = services
        .map(|(service, roster)| WatchedService {
            service: Rc::clone(service),
            roster,
            members: Members::default(),
            watch: Watch::new(Vec::new()),
        })
        .collect();
    let mut next = 0;
    for tick in 1_usize.. {
        tokio::time::sleep(Watch::TICK).await;
        let now_ms = worker.millis_at(Instant::now());
        for watched in &mut all {
            let members = watched.roster.members();
            if !Arc::ptr_eq(&members, &watched.members) {
                let outliers = members.iter().map(|member| Arc::clone(&member.outlier));
                watched.watch.follow(outliers.collect());
                watched.members = members;
            }
            let totals: Vec<_> = watched.members.iter().map(|member| member.attempts()).collect();
            watched.watch.tick(now_ms, &totals);
        }
        if tick.is_multiple_of(PROBE_TICKS) {
            let targets = all.iter().map(|watched| watched.service.endpoints());
            let targets: Vec<_> = targets.collect();
            next = probe(
                &worker,
                &targets.iter().flat_map(|some| some.iter()).collect::<Vec<_>>(),
                next,
            );
        }
    }
}

/// Begins probes, from the endpoint `from` on; gives where the next round begins, so that with more
/// than may be probed at once each has its turn.
fn probe(worker: &Rc<Worker>, targets: &[&Rc<Endpoint>], from: usize) -> usize {
    let under_way = targets.iter().filter(|endpoint| endpoint.is_probed.get()).count();
    let mut room = PROBES_MAX.saturating_sub(under_way);
    let turns = targets.iter().enumerate().cycle().skip(from).take(targets.len());
    for (index, &endpoint) in turns {
        if endpoint.is_probed.get() || !endpoint.outlier.wants_probe() {
            continue;
        }
        if room == 0 {
            return index;
        }
        room -= 1;
        endpoint.is_probed.set(true);
        let (endpoint, worker) = (Rc::clone(endpoint), Rc::clone(worker));
        tokio::task::spawn_local(async move {
            let opening = endpoint::open(&endpoint, &worker.timer, &worker.shortages);
            let opened = tokio::time::timeout(PROBE_TIMEOUT, opening).await;
            endpoint.outlier.probed(match opened {
                Ok(Ok(_)) => Probe::Connected,
                Ok(Err(Reason::ConnectRefused)) => Probe::Refused,
                _ => Probe::Unknown,
            });
            endpoint.is_probed.set(false);
        });
    }
    from
}
