//! Indicators: which records count, and which of them are good; as filters of [`crate::query`].
//!
//! Invariants: there is a record that counts and is good, and one that counts and is bad, as far as
//! filters tell without records. What a filter for `valid` says narrows the requests that count; one that
//! names `stream` stands for itself. `docs/slo.md` says what counts and why.

use std::time::Duration;

use crate::base::clock::micros;
use crate::base::units::write_duration;
use crate::config::map::Map;
use crate::config::tree::Item;
use crate::query::Filter;
use crate::slo::Indicator;

/// Requests that count for availability: answered, or not and not by the client's doing.
pub(super) const ANSWERABLE: &str = "stream = access and outcome != unknown";
/// Those that were.
pub(super) const ANSWERED: &str = "outcome = success";
/// Requests that count for latency: a failure is no fast answer, and no slow one.
pub(super) const SERVED: &str = "stream = access and outcome = success";
/// Of these, whose body has no end that says anything about speed: tunnels and streams of events.
const ENDLESS: &str = "status = 101 or response_mime = text/event-stream*";
/// Limits of a bound.
const BOUNDS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_hours(1));
/// What the key `valid` means.
const VALID: &str = "Requests that count, beside those of the default; a filter that names `stream` \
                     stands for itself.";
/// How to look for what a filter finds.
const TRY: &str = "`lbproxy log query` shows what a filter finds";

/// `x-lbproxy.indicator`
pub(super) fn read(map: Map<'_, '_>) -> Option<Indicator> {
    let mut map = map.means(&[
        ("availability", "Whether requests are answered."),
        ("latency", "Whether those that are answered are answered in time."),
    ]);
    let cure = "write `availability: {}`, or `latency: {bound: 300ms}`";
    let (availability_item, latency_item) = map.either("availability", "latency", Some(cure));
    map.end();
    let one = availability_item.and_then(Item::map).and_then(availability);
    let other = latency_item.and_then(Item::map).and_then(latency);
    one.or(other)
}

fn availability(map: Map<'_, '_>) -> Option<Indicator> {
    let mut map = map.means(&[("valid", VALID), ("good", "Those of them that are good.")]);
    let (valid_item, valid) = valid(&mut map, ANSWERABLE);
    let good = map.get("good");
    map.default("good", ANSWERED);
    let read =
        Read { valid, good: good.as_ref().map_or_else(|| own(ANSWERED), filter), bound: None };
    let parts =
        Parts { map: &map, valid: ("valid", valid_item.as_ref()), good: ("good", good.as_ref()) };
    let indicator = read.check(&parts);
    map.end();
    indicator
}

fn latency(map: Map<'_, '_>) -> Option<Indicator> {
    let mut map = map.means(&[
        (
            "bound",
            "The longest `duration` that is good; of a tunnel or a stream of events the longest \
             `first_byte`.",
        ),
        ("valid", VALID),
    ]);
    let bound = map.required("bound", "write one, such as `bound: 300ms`");
    let bound = bound.and_then(|item| item.span(BOUNDS.0, BOUNDS.1, "one, such as 300ms"));
    let (valid_item, valid) = valid(&mut map, SERVED);
    let read = Read {
        valid,
        good: bound.and_then(|bound| {
            let bound = write_duration(micros(bound));
            own(&format!("duration <= {bound} or ({ENDLESS}) and first_byte <= {bound}"))
        }),
        bound,
    };
    let parts = Parts { map: &map, valid: ("valid", valid_item.as_ref()), good: ("bound", None) };
    let indicator = read.check(&parts);
    map.end();
    indicator
}

/// `valid`, and what counts with it; without it what counts as usual.
fn valid<'s, 'n>(map: &mut Map<'s, 'n>, usual: &str) -> (Option<Item<'s, 'n>>, Option<Filter>) {
    let item = map.get("valid");
    map.default("valid", usual);
    let filter = item.as_ref().map_or_else(|| own(usual), |item| narrowed(item, usual));
    (item, filter)
}

/// `spec.indicator`: OpenSLO's own, where its metrics are filters.
pub(super) fn openslo(item: Item<'_, '_>) -> Option<Indicator> {
    if item.is_recording() {
        return None;
    }
    let mut map = item.map()?;
    map.get("metadata");
    let cure = "write `spec: {ratioMetric: …}`, or `x-lbproxy.indicator` instead";
    let spec = map.required("spec", cure);
    map.end();
    let mut map = spec?.map()?;
    map.get("description");
    if let Some(item) = map.get("thresholdMetric") {
        item.note("is not read", "write `x-lbproxy: {indicator: {latency: {bound: 300ms}}}`");
        return None;
    }
    let ratio = map.required("ratioMetric", "write `good` and `total` in it");
    map.end();
    let mut map = ratio?.map()?;
    map.flag("counter", true);
    for raw in ["raw", "rawType"] {
        if let Some(item) = map.get(raw) {
            item.note("is not read", "write `good` and `total`");
            return None;
        }
    }
    let (good_item, bad_item) = map.either("good", "bad", Some("write what is good"));
    let total = map.required("total", "write what counts").and_then(metric);
    let is_bad = bad_item.is_some();
    let good = good_item.or(bad_item).and_then(metric);
    let read = match (&total, &good) {
        (Some(total), Some(good)) => Read {
            valid: filter(&total.filter),
            good: filter(&good.filter).and_then(|filter| match filter.negated() {
                _ if !is_bad => Some(filter),
                Ok(good) => Some(good),
                Err(error) => {
                    good.filter.note(&error.to_string(), "say what is bad");
                    None
                }
            }),
            bound: good.bound,
        },
        _ => Read::default(),
    };
    let parts = Parts {
        map: &map,
        valid: ("total", total.as_ref().map(|metric| &metric.filter)),
        good: ("good", good.as_ref().map(|metric| &metric.filter)),
    };
    let indicator = read.check(&parts);
    map.end();
    indicator
}

/// A metric of OpenSLO that is a filter.
struct Metric<'s, 'n> {
    filter: Item<'s, 'n>,
    bound: Option<Duration>,
}

/// `good`, `bad` or `total`.
fn metric<'s, 'n>(item: Item<'s, 'n>) -> Option<Metric<'s, 'n>> {
    let mut map = item.map()?;
    let source =
        map.required("metricSource", "write `metricSource: {type: lbproxy, spec: {filter: …}}`");
    map.end();
    let mut map = source?.map()?;
    map.get("metricSourceRef");
    let kind = map.required("type", "write `type: lbproxy`, and a filter as `spec.filter`")?;
    let is_ours = kind.text()?;
    if is_ours != "lbproxy" {
        let problem = format!("`{is_ours}` is for another tool");
        kind.note(&problem, "write `x-lbproxy: {indicator: {availability: {}}}` beside `spec`");
        return None;
    }
    let spec = map.required("spec", "write `spec: {filter: …}`");
    map.end();
    let mut map = spec?.map()?;
    let filter = map.required("filter", "write a filter, as `lbproxy log query` has it");
    let bound =
        map.get("bound").and_then(|item| item.span(BOUNDS.0, BOUNDS.1, "one, such as 300ms"));
    map.end();
    Some(Metric { filter: filter?, bound })
}

/// What was read of an indicator; a part with a mistake is absent.
#[derive(Default)]
struct Read {
    valid: Option<Filter>,
    good: Option<Filter>,
    bound: Option<Duration>,
}

/// Where the parts of an indicator stand.
struct Parts<'p, 's, 'n> {
    map: &'p Map<'s, 'n>,
    valid: (&'p str, Option<&'p Item<'s, 'n>>),
    good: (&'p str, Option<&'p Item<'s, 'n>>),
}

impl Parts<'_, '_, '_> {
    /// Notes a problem with a part, or with the mapping where it is not written.
    fn note(&self, part: (&str, Option<&Item<'_, '_>>), problem: &str, cure: &str) {
        match part {
            (_, Some(item)) => item.note(problem, cure),
            (key, None) => self.map.note_absent(key, problem, cure),
        }
    }
}

impl Read {
    /// The indicator, when a record can count and be good, and one can count and be bad.
    fn check(self, parts: &Parts<'_, '_, '_>) -> Option<Indicator> {
        let (valid, good) = (self.valid?, self.good?);
        if valid.streams().is_empty() {
            let problem = format!("no record can meet it: {}", valid.why_none());
            parts.note(parts.valid, &problem, TRY);
            return None;
        }
        let both = valid.and(&good);
        if both.streams().is_empty() {
            let problem = format!("no record that counts can be good: {}", both.why_none());
            parts.note(parts.good, &problem, TRY);
            return None;
        }
        let can_be_bad = good.negated().is_ok_and(|bad| !valid.and(&bad).streams().is_empty());
        if !can_be_bad {
            let problem = format!("every record that counts is good: `{valid}`");
            parts.note(parts.good, &problem, "let more records count, or fewer be good");
            return None;
        }
        // Whoever prints it has to be able to read it again.
        for (filter, part) in [(&valid, parts.valid), (&good, parts.good)] {
            if Filter::parse(&filter.to_string()).as_ref() != Ok(filter) {
                parts.note(part, "is too long, or nests too deep", "say it with less");
                return None;
            }
        }
        Some(Indicator { valid, good, bound: self.bound })
    }
}

/// A filter of ours.
fn own(text: &str) -> Option<Filter> {
    Filter::parse(text).ok()
}

/// A filter of the file; a mistake is told at its place.
fn filter(item: &Item<'_, '_>) -> Option<Filter> {
    let text = item.parse("a filter", "one", |text| Some(text.to_owned()))?;
    match Filter::parse(&text) {
        Ok(filter) => Some(filter),
        Err(error) => {
            let place = item.place_of(&text, error.at);
            item.source.note(place, &item.path, &error.problem, &error.cure);
            None
        }
    }
}

/// A filter of the file within the records that `base` says, unless it says itself which kinds it means.
fn narrowed(item: &Item<'_, '_>, base: &str) -> Option<Filter> {
    let filter = filter(item)?;
    if filter.asks("stream") || filter.asks("lbproxy.kind") {
        return Some(filter);
    }
    Some(own(base)?.and(&filter))
}
