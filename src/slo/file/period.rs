//! `spec.timeWindow`: over which time a target holds, as OpenSLO writes it.
//!
//! OpenSLO names time zones; without their tables only those of whole hours from UTC are known, and
//! `x-lbproxy.utc_offset` says the rest. Not here: where a period begins and ends (`evaluate`).

use std::time::Duration;

use crate::base::clock::micros;
use crate::base::instant::parse_rfc3339;
use crate::base::units::write_duration;
use crate::config::map::Map;
use crate::config::tree::Item;
use crate::slo::Period;

/// When nothing is said.
pub(super) const USUAL: Period = Period::Rolling(Duration::from_hours(30 * 24));
/// Shortest and longest rolling window: what is kept of the past.
const ROLLING: (Duration, Duration) = (Duration::from_hours(1), Duration::from_hours(90 * 24));
/// Minutes east of UTC that a place on Earth can have.
const OFFSETS: std::ops::RangeInclusive<i16> = -12 * 60..=14 * 60;
const DAY_MS: u64 = 86_400_000;
/// Days from a Monday to 1970-01-01.
const MONDAY: u64 = 3;

/// A list of one.
pub(super) fn read(item: Item<'_, '_>) -> Option<Period> {
    let cure = "write one, such as `- {duration: 30d, isRolling: true}`";
    let mut items = item.filled_list(cure).into_iter();
    let first = items.next()?;
    if let Some(second) = items.next() {
        second.note("is a second window", "keep one of the two");
    }
    let mut map = first.map()?.means(&[
        (
            "duration",
            "A number and m, h, d, w, M (30 days) or Q (90 days), 1h to 90d; 1w or 1M of a \
             calendar.",
        ),
        ("isRolling", "Whether it ends now; else it is a week or month of the calendar."),
        ("calendar", "Where weeks or months begin."),
    ]);
    let duration = map.required("duration", "write one, such as `duration: 30d`");
    let is_rolling = map.flag("isRolling", true);
    let calendar = map.get("calendar");
    let period = match (is_rolling, calendar) {
        (true, calendar) => {
            // Read too when only the keys are asked for.
            if let Some(map) = calendar.and_then(Item::map) {
                map.note(
                    "stands beside `isRolling: true`",
                    "keep one: `isRolling: false` for a calendar",
                );
                calendar_section(map, None);
            }
            duration.and_then(|item| rolling(&item))
        }
        (false, Some(item)) => {
            let unit = duration.and_then(|item| {
                item.parse("a week or a month", "1w or 1M", |text| match text {
                    "1w" => Some(Unit::Week),
                    "1M" => Some(Unit::Month),
                    _ => None,
                })
            });
            item.map().and_then(|map| calendar_section(map, unit))
        }
        (false, None) => {
            let cure = "write `calendar: {startTime: 2026-01-01 00:00:00, timeZone: UTC}`, or \
                `isRolling: true`";
            map.missing("calendar", cure);
            None
        }
    };
    map.end();
    period
}

/// `30d`, within limits.
fn rolling(item: &Item<'_, '_>) -> Option<Period> {
    let (least, most) = ROLLING;
    let what = "a duration from 1h to 90d in m, h, d, w, M or Q";
    let length = item.parse(what, "one, such as 30d or 4w", |text| {
        let at = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(at);
        let minutes: u64 = match unit {
            "m" => 1,
            "h" => 60,
            "d" => 24 * 60,
            "w" => 7 * 24 * 60,
            "M" => 30 * 24 * 60,
            "Q" => 90 * 24 * 60,
            _ => return None,
        };
        let minutes = number.parse::<u64>().ok()?.checked_mul(minutes)?;
        let length = Duration::from_secs(minutes.checked_mul(60)?);
        (least..=most).contains(&length).then_some(length)
    })?;
    Some(Period::Rolling(length))
}

/// What of the calendar.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Week,
    Month,
}

/// `calendar`
fn calendar_section(map: Map<'_, '_>, unit: Option<Unit>) -> Option<Period> {
    let mut map = map.means(&[
        (
            "startTime",
            "The first moment of any week or month: a Monday, or the first of a month, at \
             00:00:00.",
        ),
        (
            "timeZone",
            "`UTC`, or `Etc/GMT-1` for one hour east; no time of summer. UTC when absent.",
        ),
    ]);
    let start = map.required("startTime", "write the first moment of one: 2026-01-01 00:00:00");
    let start = start.and_then(|item| {
        let what = "a date and a time";
        let (instant, is_first) = item.parse(what, "2026-01-01 00:00:00", |text| {
            let instant = parse_rfc3339(&format!("{text}Z")).filter(|_| text.len() == 19)?;
            Some((instant, text.get(8..10) == Some("01")))
        })?;
        let (problem, cure) = match unit? {
            _ if !instant.is_multiple_of(DAY_MS) => ("is not midnight", "write 00:00:00"),
            Unit::Week if !(instant / DAY_MS + MONDAY).is_multiple_of(7) => {
                ("is no Monday", "write one: weeks begin on Monday, such as 2026-01-05 00:00:00")
            }
            Unit::Month if !is_first => {
                ("is not the first of a month", "write one, such as 2026-01-01 00:00:00")
            }
            _ => return Some(()),
        };
        item.note(problem, cure);
        None
    });
    let zone = map.get("timeZone");
    let offset = zone.map_or(Some(0), |item| {
        let cure =
            "UTC, or Etc/GMT-1 for an hour east; `x-lbproxy.utc_offset: \"+05:30\"` for other ones";
        item.parse("a time zone without a time of summer", cure, zone_offset)
    });
    map.end();
    start?;
    let offset_minutes = offset?;
    Some(match unit? {
        Unit::Week => Period::Week { offset_minutes },
        Unit::Month => Period::Month { offset_minutes },
    })
}

/// Minutes east of UTC of `UTC`, or of `Etc/GMT-1`, which is east although it says minus.
fn zone_offset(name: &str) -> Option<i16> {
    if matches!(name, "UTC" | "Etc/UTC" | "GMT" | "Etc/GMT") {
        return Some(0);
    }
    let west: i16 = name.strip_prefix("Etc/GMT")?.parse().ok()?;
    let offset = west.checked_mul(-60)?;
    OFFSETS.contains(&offset).then_some(offset)
}

/// Reads `+05:30`.
pub(super) fn offset(text: &str) -> Option<i16> {
    let (hours, minutes) = text.split_once(':')?;
    let sign = if hours.starts_with('-') { -1 } else { 1 };
    let digits = hours.strip_prefix(['+', '-'])?;
    let is_two = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let minute = minutes.parse::<i16>().ok().filter(|minute| is_two(minutes) && *minute < 60)?;
    let hour = digits.parse::<i16>().ok().filter(|_| is_two(digits))?;
    let offset = sign * (hour * 60 + minute);
    OFFSETS.contains(&offset).then_some(offset)
}

/// The item of `timeWindow`, and `utc_offset` where its zone cannot say it.
pub(super) fn write(period: Period) -> (String, Option<String>) {
    let (unit, start, offset_minutes) = match period {
        Period::Rolling(length) => {
            return (
                format!("{{duration: {}, isRolling: true}}", write_duration(micros(length))),
                None,
            );
        }
        Period::Month { offset_minutes } => ("1M", "2026-01-01", offset_minutes),
        Period::Week { offset_minutes } => ("1w", "2026-01-05", offset_minutes),
    };
    let is_hours = offset_minutes % 60 == 0;
    let zone = match offset_minutes / 60 {
        hours if is_hours && hours != 0 => format!("Etc/GMT{:+}", -hours),
        _ => "UTC".to_owned(),
    };
    let item = format!(
        "{{duration: {unit}, isRolling: false, calendar: {{startTime: \"{start} 00:00:00\", \
         timeZone: {zone}}}}}"
    );
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset_minutes.abs() / 60, offset_minutes.abs() % 60);
    (item, (!is_hours).then(|| format!("{sign}{hours:02}:{minutes:02}")))
}
