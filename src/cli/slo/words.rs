//! Figures of objectives as texts: the same in tables, reports and pictures. Times are UTC.

use std::time::Duration;

use crate::base::clock::micros;
use crate::base::instant::{civil, date_and_time};
use crate::base::units::{format_seconds, write_duration};
use crate::base::visible::visible;
use crate::slo::{Absence, Dimension, EventCount, Firing, Objective, Period, Top, Trigger};

const DAY_MS: u64 = 86_400_000;

/// A span as files have it.
pub(super) fn span(span: Duration) -> String {
    write_duration(micros(span))
}

/// Over which time a target holds: `30d`, `a month`.
pub(super) fn period(period: Period) -> String {
    match period {
        Period::Rolling(length) => span(length),
        Period::Month { .. } => "a month".to_owned(),
        Period::Week { .. } => "a week".to_owned(),
    }
}

/// What is promised: `99 % within 300ms over 30d`.
pub(super) fn promise(objective: &Objective) -> String {
    let bound = objective.indicator.bound;
    let bound = bound.map_or_else(String::new, |bound| format!(" within {}", span(bound)));
    format!("{} %{bound} over {}", objective.target, period(objective.period))
}

/// Which group, for people; empty when there is one for all.
pub(super) fn group(group: &[(Dimension, String)]) -> String {
    let values: Vec<_> =
        group.iter().map(|(_, value)| visible(value.as_bytes()).to_string()).collect();
    values.join(" ")
}

/// An objective and which group of it.
pub(super) fn name(objective: &str, of: &[(Dimension, String)]) -> String {
    let group = group(of);
    if group.is_empty() { objective.to_owned() } else { format!("{objective} {group}") }
}

/// A share in percent with one decimal, also below 0 and above 1; `<0.1 %` rather than nothing.
pub(super) fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.001 {
        return "<0.1 %".to_owned();
    }
    let text = format!("{:.1} %", share * 100.0);
    if text == "-0.0 %" { "0.0 %".to_owned() } else { text }
}

/// The same of what may be unknown: `-` then.
pub(super) fn percent_if(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), percent)
}

/// The share of good events, as exact as targets are: `99.9531 %`; never rounded up to all of them.
#[expect(clippy::cast_precision_loss, reason = "six digits")]
pub(super) fn sli(count: EventCount) -> String {
    if count.valid == 0 {
        return "-".to_owned();
    }
    let share = count.good() as f64 / count.valid as f64;
    let text = format!("{:.4}", (share * 1e6).floor() / 1e4);
    text.trim_end_matches('0').trim_end_matches('.').to_owned() + " %"
}

/// A burn rate: `14.4`, `0.25`; `-` without events.
pub(super) fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(
        || "-".to_owned(),
        |rate| {
            if rate >= 10.0 || rate == 0.0 { format!("{rate:.1}") } else { format!("{rate:.2}") }
        },
    )
}

/// A count of events that is no whole number.
pub(super) fn events(count: f64) -> String {
    if count.abs() < 100.0 { format!("{count:.1}") } else { format!("{count:.0}") }
}

/// `11-30`
pub(super) fn day(ms: u64) -> String {
    let (_, month, day) = civil(ms / DAY_MS);
    format!("{month:02}-{day:02}")
}

/// `09:12`
pub(super) fn clock(ms: u64) -> String {
    let minutes = ms % DAY_MS / 60_000;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// From when to when: the day of the end is left out where it is that of the start.
pub(super) fn from_to(from_ms: u64, to_ms: u64) -> String {
    let to = date_and_time(to_ms);
    let to = if from_ms / DAY_MS == to_ms / DAY_MS {
        to.split(' ').next_back().unwrap_or("")
    } else {
        &to
    };
    format!("{} to {to}", date_and_time(from_ms))
}

/// For how long: `36 min`; `2 h 10 min`.
pub(super) fn lasted(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        7_200..172_800 if seconds % 3_600 >= 60 => {
            format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60)
        }
        3_600..7_200 => format!("{} min", seconds / 60),
        _ => format_seconds(seconds),
    }
}

/// Who is told: `page`, `ticket`; of silence `no data (page)`.
pub(super) fn alert(firing: &Firing) -> String {
    let severity = firing.severity.as_str();
    if firing.is_silence() { format!("no data ({severity})") } else { severity.to_owned() }
}

/// Why an alert fired.
pub(super) fn trigger(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Burn { rate, factor, long, .. } => {
            format!("burns {rate:.1}x over {} (from {factor:.1}x)", span(*long))
        }
        Trigger::Absent { what, lasted } => {
            let what = match what {
                Absence::Traffic => "no event",
                Absence::Records => "records wait",
                Absence::Heartbeat => "no heartbeat",
            };
            format!("{what} for {}", format_seconds(lasted.as_secs()))
        }
        Trigger::Test => "test".to_owned(),
    }
}

/// Where most of the bad events of an alert were: its group, then endpoint, route and reason.
pub(super) fn whereabouts(firing: &Firing) -> String {
    let Top { endpoint, route, reason } = &firing.top;
    // What the group says is not said again.
    let is_new = |part: &&String| firing.group.iter().all(|(_, value)| value != *part);
    let parts = [endpoint, route, reason].into_iter().flatten().filter(is_new);
    let parts: Vec<_> = parts.map(|part| visible(part.as_bytes()).to_string()).collect();
    let places = [group(&firing.group), parts.join(" ")];
    let places: Vec<_> = places.into_iter().filter(|place| !place.is_empty()).collect();
    places.join(": ")
}

/// An alert in a line, for whoever points at it.
pub(super) fn firing(firing: &Firing, objective: &Objective) -> String {
    let until = firing.until_ms.map_or_else(
        || format!("since {}", date_and_time(firing.since_ms)),
        |until_ms| from_to(firing.since_ms, until_ms),
    );
    format!(
        "{} {}, {until}: {}",
        name(&objective.name, &firing.group),
        alert(firing),
        trigger(&firing.trigger)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_never_rounded_to_all_or_nothing() {
        for (share, want) in [
            (1.0, "100.0 %"),
            (0.0005, "<0.1 %"),
            (-0.00001, "0.0 %"),
            (-3.4, "-340.0 %"),
            (0.125, "12.5 %"),
        ] {
            assert_eq!(percent(share), want);
        }
        for (valid, bad, want) in [
            (0, 0, "-"),
            (10_000_000, 1, "99.9999 %"),
            (1_000, 1, "99.9 %"),
            (7, 0, "100 %"),
            (3, 1, "66.6666 %"),
        ] {
            assert_eq!(sli(EventCount { valid, bad }), want);
        }
        assert_eq!(
            (rate(None), rate(Some(14.44)), rate(Some(0.254))),
            ("-".into(), "14.4".into(), "0.25".into())
        );
    }

    #[test]
    fn times_say_no_more_than_they_have_to() {
        let at = 1_800_000_000_000; // 2027-01-15 08:00:00
        for (until, want) in [
            (at + 90_000, "2027-01-15 08:00:00 to 08:01:30"),
            (at + DAY_MS, "2027-01-15 08:00:00 to 2027-01-16 08:00:00"),
        ] {
            assert_eq!(from_to(at, until), want);
        }
        assert_eq!((day(at), clock(at)), ("01-15".into(), "08:00".into()));
        for (seconds, want) in [
            (59, "59 s"),
            (2_160, "36 min"),
            (5_400, "90 min"),
            (7_800, "2 h 10 min"),
            (7_200, "2 h"),
            (400_000, "4 d"),
        ] {
            assert_eq!(lasted(seconds * 1_000), want);
        }
    }
}
