//! What the verdict is made of, put together from counters and rollups; and the verdict as JSON.
//!
//! The counts of the last minutes are added up once per look of the rollups, however often the verdict is
//! asked for. Not here: the verdict (`slo::verdict`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::live::Since;
use super::summary::{self, Span};
use super::{Sources, picture};
use crate::base::clock::wall_ms;
use crate::proxy::EndpointState;
use crate::record::{Blame, Outcome, Reason};
use crate::rollup::{Past, SLOT_MS, Totals};
use crate::slo::verdict::{
    LookAt, Minutes, Misses, OutOfRotation, Requests, Selection, ServiceMinutes, Situation, Slice,
    Trust, Verdict, Verdicts, WINDOW_MS, Word, judge, most,
};
use crate::slo::{Compared, Level, ServiceTargets, Targets};

/// The counts at the last look of the rollups, with its time.
#[derive(Debug, Default)]
pub(super) struct LastCount(Mutex<Option<(u64, Arc<Minutes>)>>);

/// The verdict of now, for who runs in this process. Since when an endpoint is out is not known here.
pub fn verdict(sources: &Sources) -> Verdicts {
    now(sources, wall_ms(), &Since::new(), &LastCount::default())
}

/// The verdict of now. `since` has the state of each endpoint, and since when it has it.
pub(super) fn now(sources: &Sources, now_ms: u64, since: &Since, last: &LastCount) -> Verdicts {
    let (rollup, targets) = (sources.rollup.as_ref(), &sources.targets);
    let counted = rollup.map(|rollup| last.counted(&rollup.history, now_ms, targets));
    let requests = match &counted {
        None => Requests::Off,
        Some(counted) if counted.until_ms == 0 => Requests::Soon,
        Some(counted) => Requests::Counted(counted),
    };
    let states = sources.proxy.endpoints();
    let out = out(&states, since);
    let shortages = sources.proxy.shortages();
    let journal = sources.journal.metrics();
    let trust = Trust {
        lost: journal.dropped_full_total.value() + journal.damaged_records_total.value(),
        fault: sources.journal.fault(),
        ..picture::stored(sources)
    };
    judge(&Situation {
        now_ms,
        is_draining: *sources.drain.borrow(),
        requests,
        out: &out,
        shortages: &shortages,
        trust,
        targets,
    })
}

/// Endpoints that are not plainly in rotation.
fn out<'s>(states: &'s [EndpointState], since: &Since) -> Vec<OutOfRotation<'s>> {
    let all = states.iter().filter(|state| picture::word(state) != "up");
    all.map(|state| OutOfRotation {
        service: &state.service,
        endpoint: &state.endpoint,
        is_kept: state.is_kept,
        since_ms: since.get(&state.id).map(|(_, ms)| *ms),
    })
    .collect()
}

impl LastCount {
    fn counted(
        &self,
        history: &crate::rollup::History,
        now_ms: u64,
        targets: &ServiceTargets,
    ) -> Arc<Minutes> {
        let span = Span { length_ms: WINDOW_MS, now_ms };
        let past = history.since(span.since_ms());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((open_ms, counted)) if *open_ms == past.open_ms => Arc::clone(counted),
            _ => {
                let counted = Arc::new(counted(&past, span, targets));
                *kept = Some((past.open_ms, Arc::clone(&counted)));
                counted
            }
        }
    }
}

/// The last minutes by service.
fn counted(past: &Past, span: Span, targets: &ServiceTargets) -> Minutes {
    let (places, since_ms) = summary::totals(past, span);
    let mut slices = slices(past);
    let mut services: BTreeMap<Option<&str>, Vec<(Option<&str>, &Totals)>> = BTreeMap::new();
    for ((service, endpoint), totals) in &places {
        services.entry(service.as_deref()).or_default().push((endpoint.as_deref(), totals));
    }
    let services = services.into_iter().map(|(name, places)| {
        let slices = name.and_then(|name| slices.remove(name)).unwrap_or_default();
        service(name, &places, slices, targets.of(name).fast_us)
    });
    Minutes {
        since_ms: since_ms.unwrap_or(past.open_ms),
        until_ms: past.open_ms,
        requests: places.values().map(|totals| totals.requests).sum(),
        services: services.collect(),
    }
}

/// Pieces of the time of each service.
fn slices(past: &Past) -> BTreeMap<&str, Vec<Slice>> {
    let mut slices: BTreeMap<&str, Vec<Slice>> = BTreeMap::new();
    for slot in &past.slots {
        for row in slot.rows.iter().filter(|row| row.endpoint.is_none()) {
            let Some(service) = row.service.as_deref() else { continue };
            slices.entry(service).or_default().push(Slice {
                start_ms: slot.start_ms,
                end_ms: slot.start_ms + SLOT_MS,
                all: row.success + row.failure,
                bad: row.failure,
                p99_us: row.quantiles_us.map(|[.., p99_us]| p99_us),
            });
        }
    }
    slices
}

fn service(
    name: Option<&str>,
    places: &[(Option<&str>, &Totals)],
    slices: Vec<Slice>,
    fast_us: u64,
) -> ServiceMinutes {
    let mut whole = Totals::default();
    for (_, totals) in places {
        whole.merge(totals);
    }
    let by_endpoint = |count: &dyn Fn(&Totals) -> u64| {
        // One service has one row for each of its routes and endpoints.
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (endpoint, totals) in places {
            if let Some(endpoint) = endpoint {
                *counts.entry(endpoint).or_default() += count(totals);
            }
        }
        counts.into_iter().map(|(endpoint, count)| (endpoint.to_owned(), count))
    };
    let (failing, slow) = (failed(&whole), slower(&whole, fast_us));
    ServiceMinutes {
        name: name.map(str::to_owned),
        failing: Misses {
            reason: most(reasons(&whole), failing.0),
            endpoint: most(by_endpoint(&|totals| failed(totals).0), failing.0),
            bad: failing.0,
            all: failing.1,
        },
        slow: Misses {
            reason: None,
            endpoint: most(by_endpoint(&|totals| slower(totals, fast_us).0), slow.0),
            bad: slow.0,
            all: slow.1,
        },
        slices,
    }
}

/// Requests that failed, and those whose outcome is known.
fn failed(totals: &Totals) -> (u64, u64) {
    let of = |outcome: Outcome| totals.outcomes.of(u16::from(outcome.to_u8()));
    let failed = of(Outcome::Failure);
    (failed, failed + of(Outcome::Success))
}

/// Requests that took longer than this, and all.
fn slower(totals: &Totals, fast_us: u64) -> (u64, u64) {
    let ([_], beyond) = totals.duration_us.bands([fast_us]);
    (beyond, totals.duration_us.count())
}

/// Why requests failed: our reason, or a status that the endpoint chose.
fn reasons(totals: &Totals) -> Vec<(String, u64)> {
    let reasons = totals.reasons.iter().filter_map(|(number, count)| {
        let reason = Reason::from_u8(u8::try_from(number).ok()?)?;
        Some((reason, count)).filter(|_| matches!(reason.blame(), Blame::Endpoint | Blame::Proxy))
    });
    let reasons: Vec<_> = reasons.collect();
    let ours: u64 = reasons.iter().map(|(_, count)| count).sum();
    let theirs = failed(totals).0.saturating_sub(ours);
    let named = reasons.iter().map(|(reason, count)| (reason.as_str().to_owned(), *count));
    let statuses = totals.statuses.iter().filter(|(status, _)| *status >= 500);
    // Those with a reason of ours have a status, too, and it is ours.
    let answered = statuses.map(|(status, count)| (format!("status {status}"), count.min(theirs)));
    named.chain(answered).collect()
}

/// How serious some figures are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Levels {
    success: Level,
    latency: Level,
}

impl Levels {
    pub(super) fn json(self) -> Value {
        json!({ "success": self.success.as_str(), "latency": self.latency.as_str() })
    }
}

/// Of the figures of a service, or of one of its endpoints.
pub(super) fn levels(totals: &Totals, targets: Targets) -> Levels {
    let (failed, slower) = (failed(totals), slower(totals, targets.fast_us));
    Levels {
        success: targets.failing(failed.0, failed.1),
        latency: targets.slow(slower.0, slower.1),
    }
}

/// Of what became worse since the period before.
pub(super) fn changes(totals: &Totals, before: &Totals, targets: Targets) -> Levels {
    let compared = |totals: &Totals| {
        let (failed, known) = failed(totals);
        let p99_us = totals.duration_us.quantiles([990]).map(|[p99_us]| p99_us);
        Compared { requests: totals.requests, known, failed, p99_us }
    };
    let (now, before, levels) = (compared(totals), compared(before), levels(totals, targets));
    Levels {
        success: now.failing(&before, levels.success),
        latency: now.slower(&before, levels.latency),
    }
}

/// The verdict for programs and pages. `words` is `text` in pieces, so that a reader writes times by a
/// clock of its own.
pub(super) fn json(verdicts: &Verdicts) -> Value {
    let level = verdicts.list.first().map_or(Level::Unknown, |one| one.level);
    let list: Vec<Value> = verdicts.list.iter().map(one).collect();
    json!({ "level": level.as_str(), "list": list, "more": verdicts.more })
}

fn one(verdict: &Verdict) -> Value {
    let Misses { bad, all, reason, endpoint } = &verdict.misses;
    let words = verdict.words.iter().map(|word| match word {
        Word::Text(text) => json!(text),
        Word::Time(ms) => json!({ "time_ms": ms }),
    });
    json!({
        "level": verdict.level.as_str(),
        "about": verdict.about.as_str(),
        "text": verdict.text(),
        "words": words.collect::<Value>(),
        "service": verdict.service,
        "endpoint": endpoint,
        "reason": reason,
        "bad": bad,
        "of": all,
        "since_ms": verdict.since_ms,
        "until_ms": verdict.until_ms,
        "look_at": look_at(verdict),
    })
}

/// A page of the live page, and what to ask it for; null where there is nothing to look at.
fn look_at(verdict: &Verdict) -> Value {
    let mut ask = Map::new();
    let Some(page) = verdict.look_at.page() else { return Value::Null };
    ask.insert("page".to_owned(), json!(page));
    if let LookAt::Requests { since_ms, which } = verdict.look_at {
        ask.insert("since_ms".to_owned(), json!(since_ms));
        match which {
            Selection::Failed => ask.insert("outcome".to_owned(), json!("failure")),
            Selection::SlowerThan(us) => ask.insert("slower_than_us".to_owned(), json!(us)),
        };
    }
    ask.into()
}

#[cfg(test)]
mod tests;
