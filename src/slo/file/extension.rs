//! `x-lbproxy`: what OpenSLO cannot say.
//!
//! Not here: indicators (`indicator`), windows (`windows`), printing (`print`).

use std::time::Duration;

use super::load::Names;
use super::value::{line, link, minutes};
use super::{indicator, period, windows};
use crate::base::instant::parse_rfc3339;
use crate::config::map::Map;
use crate::config::tree::{Item, Source};
use crate::slo::{
    BurnWindow, Dimension, Indicator, Maintenance, NoData, Period, Severity, Silence, TargetShare,
};

/// Below so many events that count, or bad ones, in its long window no window fires.
pub(super) const MIN_TOTAL: u64 = 1;
pub(super) const MIN_BAD: u64 = 5;
/// Most routes, times of maintenance, and characters of a name.
const NOTIFY_MAX: usize = 16;
const MAINTENANCE_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 64;
const COUNT_MAX: u64 = 1_000_000_000;
const DAY: Duration = Duration::from_hours(24);

/// What was read; what is not written is as usual.
pub(super) struct Extension {
    /// Whether it is written, maybe with a mistake.
    pub(super) has_indicator: bool,
    pub(super) indicator: Option<Indicator>,
    pub(super) group_by: Vec<Dimension>,
    /// `None`: the usual ones.
    pub(super) windows: Option<Vec<BurnWindow>>,
    pub(super) min_total: u64,
    pub(super) min_bad: u64,
    pub(super) no_data: NoData,
    pub(super) notify: Vec<String>,
    pub(super) maintenance: Vec<Maintenance>,
    pub(super) owner: Option<String>,
    pub(super) runbook: Option<String>,
    pub(super) dashboard: Option<String>,
    /// Minutes east of UTC.
    utc_offset: Option<i16>,
}

impl Default for Extension {
    fn default() -> Self {
        Self {
            has_indicator: false,
            indicator: None,
            group_by: Vec::new(),
            windows: None,
            min_total: MIN_TOTAL,
            min_bad: MIN_BAD,
            no_data: NoData { after: None, firing: Silence::Keep },
            notify: Vec::new(),
            maintenance: Vec::new(),
            owner: None,
            runbook: None,
            dashboard: None,
            utc_offset: None,
        }
    }
}

impl Extension {
    /// A period of the calendar, where the offset from UTC is said here.
    pub(super) const fn shift(&self, period: Period) -> Period {
        match (period, self.utc_offset) {
            (Period::Month { .. }, Some(offset_minutes)) => Period::Month { offset_minutes },
            (Period::Week { .. }, Some(offset_minutes)) => Period::Week { offset_minutes },
            (period, _) => period,
        }
    }
}

/// What stands as a text in an annotation.
pub(super) fn read_inside(
    item: &Item<'_, '_>,
    period: Option<Period>,
    target: Option<TargetShare>,
    names: &Names,
) -> Extension {
    let Some(text) = item.text() else { return Extension::default() };
    let inner = Source::inside(item, &text);
    let documents = inner.documents().unwrap_or_default();
    let extension = match documents.as_slice() {
        [only] => {
            let map = Item::root(&inner, only).below(&item.path).map();
            map.map(|map| read(map, period, target, names))
        }
        _ if inner.is_clean() => {
            item.note("is not one YAML document", "write the keys of `x-lbproxy` as a text");
            None
        }
        _ => None,
    };
    item.source.adopt(inner);
    extension.unwrap_or_default()
}

/// The mapping.
pub(super) fn read(
    map: Map<'_, '_>,
    period: Option<Period>,
    target: Option<TargetShare>,
    names: &Names,
) -> Extension {
    let mut map = map.means(&[
        ("indicator", "What is measured; one of the two. Wins over `spec.indicator`."),
        ("group_by", "What has a budget and alerts of its own; one for all when absent."),
        (
            "windows",
            "When to tell somebody. When absent, for 30 days: 2 % of the budget in 1h and 5 % in \
             6h page, 10 % in 24h and 10 % in 72h are tickets; scaled to other periods. An empty \
             list: never.",
        ),
        ("min_total", "Least events that count in `long`, below which no window fires."),
        (
            "min_bad",
            "Least bad events in `long`, below which no window fires: one failure at night is no \
             page.",
        ),
        ("no_data", "What to do when there are no events that count."),
        ("notify", "Names of routes of `slo.notify`; what the routes say themselves when absent."),
        ("maintenance", "When nothing counts and nobody is told."),
        ("owner", "Team or person in charge."),
        ("runbook", "Link to what to do; in every message."),
        ("dashboard", "Link to where to look; in every message."),
        ("utc_offset", "Where weeks and months begin, when no time zone says it: `+05:30`."),
    ]);
    let indicator = map.get("indicator");
    let mut extension = Extension {
        has_indicator: indicator.is_some(),
        indicator: indicator.and_then(Item::map).and_then(indicator::read),
        ..Extension::default()
    };
    let choices = Dimension::ALL.map(|(dimension, name)| (name, dimension));
    for item in map.get("group_by").map(|item| item.bounded_list(choices.len())).unwrap_or_default()
    {
        let Some(dimension) = item.choice(&choices) else { continue };
        if extension.group_by.contains(&dimension) {
            item.note("stands twice", "keep one of the two");
        }
        extension.group_by.push(dimension);
    }
    extension.windows = map.get("windows").map(|item| windows::read(item, period, target));
    extension.min_total = map.number("min_total", MIN_TOTAL, 0, COUNT_MAX);
    extension.min_bad = map.number("min_bad", MIN_BAD, 1, COUNT_MAX);
    if let Some(map) = map.map("no_data") {
        extension.no_data = no_data(map);
    }
    let items = map.get("notify").map(|item| item.bounded_list(NOTIFY_MAX)).unwrap_or_default();
    let route = |item| line(item, NAME_CHARS_MAX).inspect(|name| names.check_route(name, item));
    extension.notify = items.iter().filter_map(route).collect();
    let items = map.get("maintenance").map(|item| item.bounded_list(MAINTENANCE_MAX));
    let items = items.unwrap_or_default().into_iter();
    extension.maintenance = items.filter_map(|item| maintenance(item.map()?)).collect();
    extension.owner = map.get("owner").and_then(|item| line(&item, NAME_CHARS_MAX));
    extension.runbook = map.get("runbook").and_then(|item| link(&item));
    extension.dashboard = map.get("dashboard").and_then(|item| link(&item));
    if let Some(item) = map.get("utc_offset") {
        let what = "an offset from UTC, from -12:00 to +14:00";
        extension.utc_offset = item.parse(what, "one, such as \"+05:30\"", period::offset);
        if matches!(period, Some(Period::Rolling(_))) {
            item.note("does nothing with a rolling window", "remove it, or write a `calendar`");
        }
    }
    if let Some(indicator) = &extension.indicator {
        check_groups(&map, indicator, &extension.group_by);
    }
    map.end();
    extension
}

/// `no_data`
fn no_data(map: Map<'_, '_>) -> NoData {
    let mut map = map.means(&[
        ("after", "Tells somebody after so long without an event that counts; nobody when absent."),
        ("severity", "Who is told."),
        ("firing", "What an alert does that fires meanwhile."),
    ]);
    let after = map.get("after");
    let after =
        after.and_then(|item| minutes(&item, Duration::from_mins(1), DAY * 7, "one, such as 10m"));
    let choices = Severity::ALL.map(|(severity, name)| (name, severity));
    let severity = map.choice("severity", Severity::Ticket, &choices);
    let choices = [Silence::Keep, Silence::Resolve].map(|silence| (silence.as_str(), silence));
    let firing = map.choice("firing", Silence::Keep, &choices);
    map.useless_without("after", &["severity"]);
    map.end();
    NoData { after: after.map(|after| (after, severity)), firing }
}

/// An item of `maintenance`.
fn maintenance(map: Map<'_, '_>) -> Option<Maintenance> {
    let mut map = map.means(&[
        ("start", "Its first moment, with a zone: 2026-12-05T22:00:00Z."),
        ("end", "The moment after its last."),
        ("every", "Comes again after so long, such as 7d; once when absent."),
    ]);
    let mut instant = |key| {
        let cure = format!("write it with a zone: `{key}: 2026-12-05T22:00:00Z`");
        let item = map.required(key, &cure)?;
        item.parse("an instant with its zone", "one, such as 2026-12-05T22:00:00Z", parse_rfc3339)
            .map(|ms| (ms, item))
    };
    let (start, end) = (instant("start"), instant("end"));
    let every = map
        .get("every")
        .map(|item| (minutes(&item, Duration::from_mins(2), DAY * 366, "one, such as 7d"), item));
    map.end();
    let ((start_ms, _), (end_ms, end)) = (start?, end?);
    let Some(length) = end_ms.checked_sub(start_ms).filter(|length| *length > 0) else {
        end.note("is not after `start`", "write a later one");
        return None;
    };
    let every = match every {
        None => None,
        Some((span, item)) => {
            let span = span?;
            if span.as_millis() <= u128::from(length) {
                item.note(
                    "is no longer than the maintenance: nothing would ever count",
                    "write a longer one",
                );
                return None;
            }
            Some(span)
        }
    };
    Some(Maintenance { start_ms, end_ms, every })
}

/// Notes what no record that counts can be told apart by.
fn check_groups(map: &Map<'_, '_>, indicator: &Indicator, group_by: &[Dimension]) {
    for &dimension in group_by {
        let name = dimension.as_str();
        let has = crate::query::Field::find(name)
            .is_ok_and(|field| indicator.valid.streams().iter().any(|stream| field.is_in(*stream)));
        if !has {
            let problem = format!("no record that counts has `{name}`");
            map.note_absent("group_by", &problem, "leave it out, or let other records count");
        }
    }
}
