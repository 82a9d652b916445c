//! `x-lbproxy.windows`: when to tell somebody, and when nothing is said.
//!
//! The usual four are those of the SRE workbook (<https://sre.google/workbook/alerting-on-slos/>) with its
//! common fourth, for 30 days; for a shorter or longer period their length is scaled with it, so that
//! shares and factors stay. Those that could never fire are left out. Not here: when they fire (`burn`).

use std::time::Duration;

use super::value::{minutes, percent, share};
use crate::base::clock::micros;
use crate::base::units::write_duration;
use crate::config::map::Map;
use crate::config::tree::Item;
use crate::slo::{BurnWindow, Period, Severity, TargetShare};

/// Most windows of an objective.
pub(super) const WINDOWS_MAX: usize = 8;
const MINUTE: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(90 * 24);
/// Periods for which the usual windows are as they stand: 28 days, a month.
const USUAL_DAYS: std::ops::RangeInclusive<u64> = 28..=31;
/// Share in parts per million, minutes of the long and of the short window, for 30 days.
const USUAL: [(u32, u64, u64, Severity); 4] = [
    (20_000, 60, 5, Severity::Page),
    (50_000, 6 * 60, 30, Severity::Page),
    (100_000, 24 * 60, 2 * 60, Severity::Ticket),
    (100_000, 72 * 60, 6 * 60, Severity::Ticket),
];
/// Shortest long window that a usual one is scaled to: shorter, a minute of luck decides.
const SCALED_MIN_MINUTES: u64 = 5;
/// Below this factor a window fires while the budget would last the period.
const FACTOR_MIN: f64 = 0.9;

/// The usual windows for a period and a target, the fastest first.
pub(super) fn usual(period: Period, target: TargetShare) -> Vec<BurnWindow> {
    let length = period.length().as_secs() / 60;
    let is_usual = USUAL_DAYS.contains(&(length / (24 * 60)));
    let scaled = |minutes: u64| if is_usual { minutes } else { minutes * length / (30 * 24 * 60) };
    let all = USUAL.into_iter().map(|(budget_ppm, long, short, severity)| BurnWindow {
        budget_ppm,
        long: MINUTE * u32::try_from(scaled(long)).unwrap_or(u32::MAX),
        short: MINUTE * u32::try_from(scaled(short).max(1)).unwrap_or(u32::MAX),
        severity,
    });
    all.filter(|window| window.long >= MINUTE * u32::try_from(SCALED_MIN_MINUTES).unwrap_or(0))
        .filter(|window| window.is_reachable(period, target))
        .collect()
}

/// The windows of a file, the fastest first.
pub(super) fn read(
    item: Item<'_, '_>,
    period: Option<Period>,
    target: Option<TargetShare>,
) -> Vec<BurnWindow> {
    let mut all: Vec<BurnWindow> = Vec::new();
    for item in item.bounded_list(WINDOWS_MAX) {
        let Some(map) = item.clone().map() else { continue };
        let Some(window) = window(map, period, target) else { continue };
        if all.iter().any(|other| (other.long, other.short) == (window.long, window.short)) {
            item.note("has the long and the short window of another one", "keep one of the two");
            continue;
        }
        all.push(window);
    }
    all.sort_by_key(|window| (window.long, window.short));
    all
}

fn window(
    map: Map<'_, '_>,
    period: Option<Period>,
    target: Option<TargetShare>,
) -> Option<BurnWindow> {
    let mut map = map.means(&[
        (
            "budget",
            "Share of the period's budget that is spent within `long` at the pace at which this \
             fires, such as 2%.",
        ),
        ("long", "The window that says how bad it is; whole minutes, no longer than the period."),
        ("short", "The window that says that it still goes on; a twelfth of `long` when absent."),
        ("severity", "`page` wakes somebody, `ticket` waits for working hours."),
    ]);
    let budget = map.required("budget", "write one, such as `budget: 2%`");
    let ppm = budget.as_ref().and_then(|item| {
        let read = |text: &str| share(text).filter(|ppm| *ppm > 0);
        item.parse("a share of the budget", "one, such as 2% or 0.02", read)
    });
    let long_item = map.required("long", "write one, such as `long: 1h`");
    let long =
        long_item.as_ref().and_then(|item| minutes(item, MINUTE * 2, LONGEST, "one, such as 1h"));
    let short_item = map.get("short");
    let short = match &short_item {
        Some(item) => minutes(item, MINUTE, LONGEST, "one, such as 5m"),
        None => long.map(|long| {
            (MINUTE * u32::try_from(long.as_secs() / 60 / 12).unwrap_or(1)).max(MINUTE)
        }),
    };
    let severity = map.required("severity", "write `page` or `ticket`");
    let severity = severity
        .and_then(|item| item.choice(&Severity::ALL.map(|(severity, name)| (name, severity))));
    map.end();
    let window = BurnWindow { budget_ppm: ppm?, long: long?, short: short?, severity: severity? };
    let text = |span: Duration| write_duration(micros(span));
    if let Some(item) = &short_item
        && window.short >= window.long
    {
        let problem = format!("is not shorter than `long`, {}", text(window.long));
        item.note(&problem, "write a twelfth of it, or leave it out");
        return None;
    }
    let (Some(period), Some(target)) = (period, target) else { return Some(window) };
    if window.long > period.length() {
        let problem = format!("is longer than the period, {}", text(period.length()));
        long_item?.note(&problem, "write a shorter one");
        return None;
    }
    let factor = window.factor(period);
    if !window.is_reachable(period, target) {
        let problem = format!(
            "can never fire: it takes {factor:.3} times the pace, and with every event bad it is \
             {:.3}",
            1.0 / target.allowed()
        );
        let most = window.long.as_secs_f64() / period.length().as_secs_f64() / target.allowed();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 1 million"
        )]
        let most = percent((most * 1e6) as u32);
        budget?.note(&problem, &format!("write less than {most}, or a longer `long`"));
        return None;
    }
    if factor < FACTOR_MIN
        && let Some(item) = &budget
    {
        let problem =
            format!("fires at {factor:.2} times the pace at which the budget lasts the period");
        item.warn(&problem, "write a larger share, or a shorter `long`");
    }
    Some(window)
}
