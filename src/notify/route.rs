//! Which channels a message goes to. Pure: the time is passed in.
//!
//! Invariant: an alert that no route takes is told by whoever asks (`outbox`), never dropped in silence.

use super::message::Message;
use crate::config::{Hours, Notify, NotifyRoute};

const DAY_MINUTES: i64 = 24 * 60;

/// What the routes say of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To these channels, by their places in the configuration; none: a route takes it later.
    To(Vec<usize>),
    /// No route takes it, at any time.
    Nowhere,
}

/// What the routes say of a message now.
pub(super) fn way(config: &Notify, message: &Message, now_ms: u64) -> Way {
    if config.routes.is_empty() {
        return Way::To((0..config.channels.len()).collect());
    }
    let is_meant = |route: &&NotifyRoute| message.routes.contains(&route.name);
    // Names that no route has would keep it from everybody.
    let is_named = config.routes.iter().any(|route| is_meant(&route));
    let taking: Vec<_> = config
        .routes
        .iter()
        .filter(|route| !is_named || is_meant(route))
        .filter(|route| takes(route, message))
        .collect();
    if taking.is_empty() {
        return Way::Nowhere;
    }
    let open = taking.iter().filter(|route| is_open(&route.hours, now_ms));
    let names: Vec<_> = open.flat_map(|route| &route.to).collect();
    let places = config.channels.iter().enumerate();
    Way::To(places.filter(|(_, one)| names.contains(&&one.name)).map(|(at, _)| at).collect())
}

/// Whether a message meets the conditions of a route.
fn takes(route: &NotifyRoute, message: &Message) -> bool {
    let meets = |(label, values): &(&str, Vec<String>)| {
        message.label(label).is_some_and(|value| values.iter().any(|one| one == value))
    };
    route.is_page.is_none_or(|is_page| is_page == message.is_page) && route.labels.iter().all(meets)
}

fn is_open(hours: &[Hours], now_ms: u64) -> bool {
    hours.is_empty() || hours.iter().any(|one| is_within(one, now_ms))
}

/// Whether an instant is within a time that comes again each week.
fn is_within(hours: &Hours, now_ms: u64) -> bool {
    let local = i64::try_from(now_ms / 60_000).unwrap_or(0) + i64::from(hours.offset_minutes);
    let (days, minute) = (local.div_euclid(DAY_MINUTES), local.rem_euclid(DAY_MINUTES));
    // 1970-01-01 was a Thursday.
    let begins = |day: i64| {
        let weekday = usize::try_from((day + 3).rem_euclid(7)).unwrap_or(0);
        hours.days[weekday]
    };
    let (from, to) = (i64::from(hours.from_minute), i64::from(hours.to_minute));
    if from < to {
        begins(days) && (from..to).contains(&minute)
    } else {
        (begins(days) && minute >= from) || (begins(days - 1) && minute < to)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{config, message};
    use super::*;
    use crate::base::instant::parse_rfc3339;

    #[test]
    fn hours_are_those_of_the_week_in_their_zone() {
        let week = "days: [mon, tue, wed, thu, fri], ";
        for (name, hours, at, want) in [
            ("Monday at nine", "from: \"09:00\", to: \"17:00\"", "2026-11-30T09:00:00Z", true),
            ("a minute before", "from: \"09:00\", to: \"17:00\"", "2026-11-30T08:59:59Z", false),
            ("at the end", "from: \"09:00\", to: \"17:00\"", "2026-11-30T17:00:00Z", false),
            (
                "Sunday",
                &format!("{week}from: \"09:00\", to: \"17:00\""),
                "2026-11-29T12:00:00Z",
                false,
            ),
            (
                "Monday there, Sunday in UTC",
                "days: [mon], from: \"00:00\", to: \"09:00\", offset: \"+02:00\"",
                "2026-11-29T22:30:00Z",
                true,
            ),
            (
                "west of UTC",
                "days: [sun], from: \"20:00\", to: \"24:00\", offset: \"-05:30\"",
                "2026-11-30T03:00:00Z",
                true,
            ),
            (
                "a night",
                "days: [fri], from: \"22:00\", to: \"06:00\"",
                "2026-11-28T05:59:00Z",
                true,
            ),
            (
                "its end",
                "days: [fri], from: \"22:00\", to: \"06:00\"",
                "2026-11-28T06:00:00Z",
                false,
            ),
            (
                "the night before",
                "days: [fri], from: \"22:00\", to: \"06:00\"",
                "2026-11-27T05:00:00Z",
                false,
            ),
            ("the whole day", "from: \"00:00\", to: \"24:00\"", "2026-11-30T23:59:59Z", true),
            ("one day on", "from: \"07:00\", to: \"07:00\"", "2026-11-30T06:00:00Z", true),
        ] {
            let config = config(&format!("[{{name: r, to: [a], hours: [{{{hours}}}]}}]"));
            let now_ms = parse_rfc3339(at).unwrap();
            assert_eq!(is_within(&config.routes[0].hours[0], now_ms), want, "{name}");
        }
    }

    /// Channels are `a`, `b`, `c`; the message is a page of `shop`, grouped by route `cart`.
    #[test]
    fn a_message_goes_where_every_condition_is_met() {
        let monday = parse_rfc3339("2026-11-30T12:00:00Z").unwrap();
        let to = |places: &[usize]| Way::To(places.to_vec());
        for (name, routes, want) in [
            ("no routes", "[]", to(&[0, 1, 2])),
            ("one", "[{name: r, to: [b]}]", to(&[1])),
            (
                "two that meet, each channel once",
                "[{name: r, to: [c, a]}, {name: s, to: [a]}]",
                to(&[0, 2]),
            ),
            (
                "severity",
                "[{name: r, to: [a], severity: ticket}, {name: s, to: [b], severity: page}]",
                to(&[1]),
            ),
            ("service", "[{name: r, to: [a], service: [other, shop]}]", to(&[0])),
            (
                "one of two conditions",
                "[{name: r, to: [a], service: [shop], owner: [nobody]}]",
                Way::Nowhere,
            ),
            (
                "group",
                "[{name: r, to: [a], route: [cart]}, {name: s, to: [b], endpoint: [x]}]",
                to(&[0]),
            ),
            ("later", "[{name: r, to: [a], hours: [{from: \"13:00\", to: \"14:00\"}]}]", to(&[])),
            ("by name", "[{name: r, to: [a]}, {name: team, to: [b]}]", to(&[1])),
            (
                "by name, which does not meet",
                "[{name: team, to: [b], severity: ticket}]",
                Way::Nowhere,
            ),
        ] {
            let mut message = message("k", true);
            if routes.contains("team") {
                message.routes = vec!["team".to_owned()];
            }
            assert_eq!(way(&config(routes), &message, monday), want, "{name}");
        }
        let mut unknown = message("k", true);
        unknown.routes = vec!["gone".to_owned()];
        assert_eq!(
            way(&config("[{name: r, to: [a]}]"), &unknown, monday),
            to(&[0]),
            "no such name"
        );
    }
}
