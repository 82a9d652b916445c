//! What was: figures of a span of time from rollups, as JSON for charts and tables.
//!
//! Totals are exact sums over the windows that touch the span, the open one included; `since_ms` says
//! where they really begin, `seen_s` what rates of them divide by (`seen`). Charts of up to a quarter of an hour have a point every five seconds,
//! longer ones a point per window. With them come the figures of the period before (`before`). Not
//! here: counters (`picture`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::before::Before;
use super::seen::Seen;
use super::verdict::levels;
use crate::record::{Outcome, Reason};
use crate::rollup::{Past, SLOT_MS, SlotRow, Sum, Totals, Window};
use crate::slo::verdict::behind_s;
use crate::slo::{ServiceTargets, Targets};

/// Spans up to this have a point per slot.
const SLOTS_SPAN_MS: u64 = 15 * 60_000;
/// Reasons that are named; the rest is one number.
const REASONS_MAX: usize = 8;
/// Points of a small chart in a table.
const SPARK_MAX: usize = 60;

pub(super) type Place = (Option<String>, Option<String>);

/// Which span, and when it was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) length_ms: u64,
    /// Its end.
    pub(super) now_ms: u64,
}

impl Span {
    /// Its start.
    pub(super) const fn since_ms(self) -> u64 {
        self.now_ms.saturating_sub(self.length_ms)
    }
}

/// All windows of the span, the open ones last.
fn windows(past: &Past, span: Span) -> impl Iterator<Item = &Window> {
    let windows = past.windows.iter().map(AsRef::as_ref).chain(past.open.iter());
    windows.filter(move |window| window.span.end_ms() > span.since_ms())
}

/// Totals by place over the span, and where they begin.
pub(super) fn totals(past: &Past, span: Span) -> (BTreeMap<Place, Totals>, Option<u64>) {
    let since_ms = windows(past, span).map(|window| window.span.start_ms).min();
    (by_place(windows(past, span)), since_ms)
}

/// Totals by place over some windows.
pub(super) fn by_place<'a>(windows: impl Iterator<Item = &'a Window>) -> BTreeMap<Place, Totals> {
    let mut totals: BTreeMap<Place, Totals> = BTreeMap::new();
    for (key, row) in windows.flat_map(|window| &window.rows) {
        let [service, _, endpoint] = key.names();
        let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        totals.entry((service.map(name), endpoint.map(name))).or_default().merge(row);
    }
    totals
}

fn by_service(places: &BTreeMap<Place, Totals>) -> (Totals, BTreeMap<Option<String>, Totals>) {
    let (mut all, mut services) = (Totals::default(), BTreeMap::<_, Totals>::new());
    for ((service, _), totals) in places {
        all.merge(totals);
        services.entry(service.clone()).or_default().merge(totals);
    }
    (all, services)
}

pub(super) fn figures(totals: &Totals) -> Map<String, Value> {
    let outcome = |outcome: Outcome| totals.outcomes.of(u16::from(outcome.to_u8()));
    let times = |histogram: &crate::base::histogram::Histogram| -> Value {
        let quantiles = histogram.quantiles([500, 950, 990]);
        quantiles.map_or(Value::Null, |[p50, p95, p99]| {
            json!({ "p50_us": p50, "p95_us": p95, "p99_us": p99, "max_us": histogram.max(),
                    "count": histogram.count() })
        })
    };
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    put("requests", totals.requests.into());
    put("success", outcome(Outcome::Success).into());
    put("failure", outcome(Outcome::Failure).into());
    put("unknown", outcome(Outcome::Unknown).into());
    put("classes", classes(totals).to_vec().into());
    put("attempts", totals.attempts.into());
    put("retries", totals.retries.into());
    put("failed_attempts", totals.failed_attempts.into());
    put("connections_opened", totals.connections_opened.into());
    put("request_bytes", totals.request_bytes.into());
    put("response_bytes", totals.response_bytes.into());
    put("duration", times(&totals.duration_us));
    put("first_byte", times(&totals.first_byte_us));
    put("connect", times(&totals.connect_us));
    map
}

/// The same, and how serious they are.
fn judged(totals: &Totals, targets: Targets) -> Map<String, Value> {
    let mut map = figures(totals);
    map.insert("levels".to_owned(), levels(totals, targets).json());
    map
}

/// By class of status, 0 for none.
fn classes(totals: &Totals) -> [u64; 6] {
    let mut sum = Sum::default();
    sum.add_all(totals);
    sum.classes
}

/// Why exchanges ended otherwise than they should, most frequent first.
fn reasons(totals: &Totals) -> Value {
    let mut reasons: Vec<(Reason, u64)> = totals
        .reasons
        .iter()
        .filter_map(|(number, count)| Some((Reason::from_u8(u8::try_from(number).ok()?)?, count)))
        .filter(|(reason, _)| *reason != Reason::Complete)
        .collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let reasons = reasons.iter().take(REASONS_MAX);
    reasons
        .map(|(reason, count)| {
            json!({ "reason": reason.as_str(), "count": count, "meaning": reason.meaning(),
                    "blame": reason.blame().as_str() })
        })
        .collect()
}

pub(super) fn overview(
    past: &Past,
    span: Span,
    seen: Seen,
    before: Option<&Before>,
    targets: &ServiceTargets,
) -> Value {
    let (places, since_ms) = totals(past, span);
    let (all, services) = by_service(&places);
    let services = services.iter().filter(|(service, _)| service.is_some());
    let services: Vec<Value> = services
        .map(|(service, totals)| {
            let mut map = judged(totals, targets.of(service.as_deref()));
            map.insert("service".to_owned(), json!(service));
            let place = (service.as_deref(), None);
            let before = before.map(|before| before.of(place, totals, targets));
            map.insert("before".to_owned(), before.into());
            map.into()
        })
        .collect();
    json!({
        "range_s": span.length_ms / 1_000,
        "now_ms": span.now_ms,
        "since_ms": since_ms,
        "until_ms": past.open_ms,
        "behind_s": behind_s(past.open_ms, span.now_ms),
        "seen_s": since_ms.map(|since_ms| seen.seconds(since_ms, past.open_ms)),
        "totals": judged(&all, targets.all),
        "before": before.map(|before| before.overall(&all, targets.all)),
        "reasons": reasons(&all),
        "services": services,
        "series": series(past, span, seen),
    })
}

/// The Services page: every place with its figures and a small chart of its rate.
pub(super) fn services(
    past: &Past,
    span: Span,
    seen: Seen,
    before: Option<&Before>,
    targets: &ServiceTargets,
) -> Value {
    let (places, since_ms) = totals(past, span);
    let (all, services) = by_service(&places);
    let mut sparks = sparks(past);
    let mut rows = Vec::new();
    let mut add = |place: Place, totals: &Totals| {
        let own = (place.0.as_deref(), place.1.as_deref());
        let mut map = judged(totals, targets.of(own.0));
        map.insert("service".to_owned(), json!(place.0));
        map.insert("endpoint".to_owned(), json!(place.1));
        let before = before.map(|before| before.of(own, totals, targets));
        map.insert("before".to_owned(), before.into());
        map.insert("reasons".to_owned(), reasons(totals));
        map.insert("spark".to_owned(), json!(sparks.remove(&place)));
        rows.push(Value::from(map));
    };
    for (service, totals) in services {
        if service.is_some() {
            add((service, None), &totals);
        }
    }
    for (place, totals) in places {
        if place.1.is_some() {
            add(place, &totals);
        }
    }
    json!({
        "range_s": span.length_ms / 1_000,
        "now_ms": span.now_ms,
        "since_ms": since_ms,
        "until_ms": past.open_ms,
        "behind_s": behind_s(past.open_ms, span.now_ms),
        "seen_s": since_ms.map(|since_ms| seen.seconds(since_ms, past.open_ms)),
        "requests": all.requests,
        "before": before.map(|before| before.overall(&all, targets.all)),
        "rows": rows,
    })
}

/// Requests per slot of each place over the last five minutes.
fn sparks(past: &Past) -> BTreeMap<Place, Vec<u64>> {
    let slots = &past.slots[past.slots.len().saturating_sub(SPARK_MAX)..];
    let mut sparks: BTreeMap<Place, Vec<u64>> = BTreeMap::new();
    for (index, slot) in slots.iter().enumerate() {
        for row in slot.rows.iter().filter(|row| row.service.is_some()) {
            let name = |name: &Option<std::sync::Arc<str>>| name.as_deref().map(str::to_owned);
            let place = (name(&row.service), name(&row.endpoint));
            let counts = sparks.entry(place).or_insert_with(|| vec![0; slots.len()]);
            counts[index] = row.requests;
        }
    }
    sparks
}

/// One point of the charts.
struct Dot {
    /// Its start.
    time_ms: u64,
    /// Its length in seconds.
    seconds: f64,
    /// Exchanges by class of status, 0 for none.
    classes: [u64; 6],
    /// Served and not served.
    outcomes: [u64; 2],
    /// Bytes of requests and of responses.
    bytes: [u64; 2],
    /// p50, p95, p99.
    quantiles_us: Option<[u64; 3]>,
}

/// Lines over time, column by column; the first column of each is the oldest.
fn series(past: &Past, span: Span, seen: Seen) -> Value {
    let is_fine = span.length_ms <= SLOTS_SPAN_MS;
    let dots = if is_fine { slot_dots(past, span, seen) } else { window_dots(past, span, seen) };
    let column = |of: &dyn Fn(&Dot) -> Value| -> Value { dots.iter().map(of).collect() };
    let quantile = |index: usize| {
        column(&|dot: &Dot| dot.quantiles_us.map_or(Value::Null, |all| all[index].into()))
    };
    let rate = |count: u64, dot: &Dot| json!(per_second(count, dot.seconds));
    let class = |index: usize| column(&|dot: &Dot| rate(dot.classes[index], dot));
    json!({
        "step_s": if is_fine { Some(SLOT_MS / 1_000) } else { None },
        "time_ms": column(&|dot| dot.time_ms.into()),
        "classes": [class(0), class(1), class(2), class(3), class(4), class(5)],
        "success": column(&|dot| dot.outcomes[0].into()),
        "failure": column(&|dot| dot.outcomes[1].into()),
        "received": column(&|dot| rate(dot.bytes[0], dot)),
        "sent": column(&|dot| rate(dot.bytes[1], dot)),
        "p50_us": quantile(0),
        "p95_us": quantile(1),
        "p99_us": quantile(2),
    })
}

/// Points of the last minutes.
fn slot_dots(past: &Past, span: Span, seen: Seen) -> Vec<Dot> {
    let seen = seen.by_this_process();
    let slots = past.slots.iter().filter(|slot| slot.start_ms + SLOT_MS > span.since_ms());
    let all = slots.filter_map(|slot| Some((slot.start_ms, slot.rows.first()?)));
    let dot = |(time_ms, row): (u64, &SlotRow)| Dot {
        time_ms,
        seconds: seen.seconds(time_ms, time_ms + SLOT_MS),
        classes: row.classes,
        outcomes: [row.success, row.failure],
        bytes: [row.request_bytes, row.response_bytes],
        quantiles_us: row.quantiles_us,
    };
    all.map(dot).collect()
}

/// A point per window; parts of one window are one point.
fn window_dots(past: &Past, span: Span, seen: Seen) -> Vec<Dot> {
    let mut sums: BTreeMap<u64, (u64, Sum)> = BTreeMap::new();
    for window in windows(past, span) {
        let (_, sum) =
            sums.entry(window.span.start_ms).or_insert((window.span.end_ms(), Sum::default()));
        window.rows.iter().for_each(|(_, totals)| sum.add_all(totals));
    }
    let dot = |(time_ms, (end_ms, sum)): (u64, (u64, Sum))| Dot {
        time_ms,
        seconds: seen.seconds(time_ms, end_ms),
        classes: sum.classes,
        outcomes: [sum.success, sum.failure],
        bytes: [sum.request_bytes, sum.response_bytes],
        quantiles_us: sum.quantiles_us(),
    };
    sums.into_iter().map(dot).collect()
}

/// A rate with three decimals at most: it is for eyes.
#[expect(clippy::cast_precision_loss, reason = "a rate is for eyes")]
fn per_second(count: u64, seconds: f64) -> f64 {
    (count as f64 / seconds * 1_000.0).round() / 1_000.0
}
