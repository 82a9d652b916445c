//! What is done for endpoints beside the traffic: watching their counters and probing those that
//! are ejected. One task, on the first worker.
//!
//! A probe is a connect as an exchange would make it, closed at once. Bounded: one at a time and
//! endpoint, at most [`PROBES_MAX`] in all, each as long as [`PROBE_TIMEOUT`] at most, every
//! [`PROBE_TICKS`] ticks; so an endpoint that returns is back within two seconds as long as no more
//! than that many are black holes. Not here: what follows (`endpoint::Outlier`).

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::endpoint::{self, Count, Endpoint, Probe, Watch};
use super::figures::Figures;
use super::worker::Worker;
use crate::record::Reason;

/// Most probes at once.
const PROBES_MAX: usize = 32;
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Ticks from one probe of an endpoint to the next: 1 s.
const PROBE_TICKS: usize = 2;

/// An endpoint that may be probed.
struct Target {
    endpoint: Rc<Endpoint>,
    is_under_way: Rc<Cell<bool>>,
}

/// Watches for ever.
pub(super) async fn watch(worker: Rc<Worker>, figures: Arc<Figures>) {
    let services = worker.services.iter();
    let mut watches: Vec<_> = services
        .clone()
        .map(|service| {
            let outliers = service.endpoints.iter().map(|endpoint| Arc::clone(&endpoint.outlier));
            (service.endpoints.len(), Watch::new(outliers.collect()))
        })
        .collect();
    let targets: Vec<_> = services
        .flat_map(|service| &service.endpoints)
        .map(|endpoint| Target { endpoint: Rc::clone(endpoint), is_under_way: Rc::default() })
        .collect();
    let mut totals = vec![Count::default(); targets.len()];
    let mut next = 0;
    for tick in 1_usize.. {
        tokio::time::sleep(Watch::TICK).await;
        figures.attempts(&mut totals);
        let now_ms = worker.millis_at(Instant::now());
        let mut rest = totals.as_slice();
        for (endpoints, watch) in &mut watches {
            let (own, others) = rest.split_at((*endpoints).min(rest.len()));
            watch.tick(now_ms, own);
            rest = others;
        }
        if tick.is_multiple_of(PROBE_TICKS) {
            next = probe(&worker, &targets, next);
        }
    }
}

/// Begins probes, from the endpoint `from` on; gives where the next round begins, so that with more
/// than may be probed at once each has its turn.
fn probe(worker: &Rc<Worker>, targets: &[Target], from: usize) -> usize {
    let mut room = PROBES_MAX
        .saturating_sub(targets.iter().filter(|target| target.is_under_way.get()).count());
    let turns = targets.iter().enumerate().cycle().skip(from).take(targets.len());
    for (index, target) in turns {
        if target.is_under_way.get() || !target.endpoint.outlier.wants_probe() {
            continue;
        }
        if room == 0 {
            return index;
        }
        room -= 1;
        target.is_under_way.set(true);
        let (endpoint, is_under_way) =
            (Rc::clone(&target.endpoint), Rc::clone(&target.is_under_way));
        let worker = Rc::clone(worker);
        tokio::task::spawn_local(async move {
            let opening = endpoint::open(&endpoint, &worker.timer, &worker.shortages);
            let opened = tokio::time::timeout(PROBE_TIMEOUT, opening).await;
            endpoint.outlier.probed(match opened {
                Ok(Ok(_)) => Probe::Connected,
                Ok(Err(Reason::ConnectRefused)) => Probe::Refused,
                _ => Probe::Unknown,
            });
            is_under_way.set(false);
        });
    }
    from
}
