//! The counters as they stand, as JSON: what `live` tells once a second.
//!
//! Not here: when (`live`), latencies and outcomes, which come from rollups (`summary`).

use std::time::Instant;

use serde_json::{Value, json};

use super::live::{Look, Rates, Since};
use super::{Sources, objectives};
use crate::metrics::{Cell64, ShipMetrics, Shipped, WorkerMetrics};
use crate::proxy::EndpointState;
use crate::slo::verdict::{ShippingState, Trust};
use crate::vitals::Usage;

/// One look at the counters.
pub(super) fn look(sources: &Sources) -> Look {
    let workers = sources.proxy.workers();
    let sum = |cell: fn(&WorkerMetrics) -> &Cell64| -> u64 {
        workers.iter().map(|cells| cell(cells).value()).sum()
    };
    let endpoints = sources.proxy.endpoint_totals();
    Look {
        at: Instant::now(),
        cpu_ms: Usage::now().cpu_ms,
        requests: sum(|cells| &cells.requests_total),
        received: sum(|cells| &cells.downstream_received_bytes_total),
        sent: sum(|cells| &cells.downstream_sent_bytes_total),
        endpoints: endpoints
            .iter()
            .map(|totals| (totals.id, [totals.attempts, totals.failures]))
            .collect(),
    }
}

/// Connections and exchanges that are open now.
pub(super) fn open_now(sources: &Sources) -> (u64, u64) {
    let workers = sources.proxy.workers().iter();
    workers.fold((0, 0), |(connections, exchanges), cells| {
        (connections + cells.connections.value(), exchanges + cells.requests_in_flight.value())
    })
}

/// The state of an endpoint in a word.
pub(super) fn word(state: &EndpointState) -> &'static str {
    match (state.is_in_rotation, state.is_open) {
        (true, _) if state.is_kept => "kept",
        (true, _) => "up",
        (false, true) => "trial",
        (false, false) => "ejected",
    }
}

/// Everything that is told once a second.
pub(super) fn picture(
    sources: &Sources,
    seq: u64,
    now_ms: u64,
    rates: &Rates,
    since: &Since,
) -> Value {
    let (connections, in_flight) = open_now(sources);
    let refused: u64 =
        sources.proxy.workers().iter().map(|cells| cells.connections_refused_total.value()).sum();
    json!({
        "seq": seq,
        "time_ms": now_ms,
        "uptime_s": sources.start.elapsed().as_secs(),
        "is_draining": *sources.drain.borrow(),
        "requests_rate": rates.requests,
        "received_rate": rates.received,
        "sent_rate": rates.sent,
        "cpu_ratio": rates.cpu,
        "resident_bytes": Usage::now().resident_bytes,
        "connections": connections,
        "connections_refused": refused,
        "in_flight": in_flight,
        "slot_ms": sources.rollup.as_ref().map(|rollup| rollup.history.newest_slot_ms()),
        "endpoints": endpoints(sources, rates, since),
        "queues": queues(sources),
        "trust": trust(sources),
        "slo": sources.slo.as_ref().map(objectives::worst),
    })
}

fn endpoints(sources: &Sources, rates: &Rates, since: &Since) -> Value {
    let all = sources.proxy.states_and_totals().into_iter();
    all.map(|(state, totals)| {
        let rates = rates.endpoints.get(&state.id).copied().unwrap_or_default();
        let since_ms = since.get(&state.id).map(|(_, ms)| *ms);
        json!({
            "service": state.service,
            "endpoint": state.endpoint,
            "state": word(&state),
            "since_ms": since_ms,
            "attempts": totals.attempts,
            "failures": totals.failures,
            "attempts_rate": rates[0],
            "failures_rate": rates[1],
            "in_flight": totals.in_flight,
            "connections_active": totals.active,
            "connections_idle": totals.idle,
            "connections_opened": totals.opened,
            "connections_reused": totals.reused,
        })
    })
    .collect()
}

/// Every service that limits exchanges under way.
fn queues(sources: &Sources) -> Value {
    let queues = sources.proxy.queues().into_iter();
    queues
        .map(|queue| {
            json!({
                "service": queue.service,
                "in_flight": queue.in_flight,
                "in_flight_max": queue.in_flight_max,
                "waiting": queue.waiting,
                "waiting_max": queue.waiting_max,
            })
        })
        .collect()
}

/// Whether the figures can be trusted: where every record is.
pub(super) fn trust(sources: &Sources) -> Value {
    let (ledger, journal) = (sources.ledger(), sources.journal.metrics());
    json!({
        "created": ledger.created,
        "journaled": ledger.journaled,
        "dropped": ledger.dropped_full,
        "damaged": journal.damaged_records_total.value(),
        "shortages": sources.proxy.shortages(),
        "journal_fault": sources.journal.fault(),
        "journal_used_bytes": journal.used_bytes.value(),
        "journal_capacity_bytes": journal.capacity_bytes.value(),
        "rollup_unreadable": sources.rollup.as_ref().map(|r| r.metrics.unreadable_total.value()),
        "rollup_lost": sources.rollup.as_ref().map(|r| r.metrics.rows_lost_total.value()),
        "shipping": shipping(sources, ledger.shipped),
    })
}

/// Whether records are stored.
pub(super) fn stored(sources: &Sources) -> Trust<'_> {
    let Some(ship) = &sources.ship else { return Trust::default() };
    Trust {
        shipping: shipping_state(&ship.metrics),
        oldest_pending_s: ship.metrics.oldest_pending_seconds.value(),
        ..Trust::default()
    }
}

/// Where shipping stands, which is configured.
pub fn shipping_state(cells: &ShipMetrics) -> ShippingState {
    let states = [
        (ShippingState::Working, &cells.connected),
        (ShippingState::Unauthorized, &cells.unauthorized),
        (ShippingState::Blocked, &cells.blocked),
        (ShippingState::DeadLettersFull, &cells.dead_letters_full),
    ];
    let state = states.into_iter().find(|(_, cell)| cell.value() == 1);
    state.map_or(ShippingState::Waiting, |(state, _)| state)
}

/// Shipping: its state in a word, and its counts.
fn shipping(sources: &Sources, shipped: Option<Shipped>) -> Value {
    let Some((ship, shipped)) = sources.ship.as_ref().zip(shipped) else {
        return json!({ "state": "off" });
    };
    let cells = &ship.metrics;
    let stored = stored(sources);
    json!({
        "state": stored.shipping.as_str(),
        "is_behind": stored.is_behind(),
        "recovered": shipped.recovered,
        "acknowledged": shipped.acknowledged,
        "duplicate": shipped.duplicate,
        "failure_store": shipped.failure_store,
        "dead_letter": shipped.dead_letter,
        "damaged": shipped.damaged,
        "pending": shipped.pending,
        "oldest_pending_s": cells.oldest_pending_seconds.value(),
        "batches": cells.batches_total.value(),
        "batch_errors": cells.batch_errors_total.value(),
        "batches_in_flight": cells.batches_in_flight.value(),
        "batches_in_flight_max": cells.batches_in_flight_max.value(),
        "retried": cells.retried_records_total.value(),
        "sent_bytes": cells.sent_bytes_total.value(),
        "restarts": cells.restarts_total.value(),
    })
}
