//! `slo.notify` of the configuration: channels by name, and which notice goes to which.
//!
//! Secrets stand in files or in the environment; a URL that is one counts as such. Not here: what a
//! channel is sent (`notify`).

mod types;

use std::path::PathBuf;

use lettre::Address;

use super::certificates;
use super::map::Map;
use super::read::seconds;
use super::telemetry::{AUTH_DOCS, CREDENTIALS, Carrier, auth, bare_url, proxy_url, secret};
use super::tree::Item;
use super::types::{Auth, Docs, Secret};
use crate::base::nearest::nearest;
use types::RATE_CAP;
pub use types::{Channel, ChannelKind, Hours, MailTls, NotifiedBy, Notify, NotifyRoute, Target};

/// Most channels, and most routes.
const COUNT_MAX: usize = 50;

/// What a key of `channels` means.
const ONE_CHANNEL: &str = "A channel; its keys are those of its `type`.";
/// Days, as the file has them.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// What a notice can be told apart by.
const LABELS: [&str; 5] = ["service", "objective", "owner", "route", "endpoint"];

const DOCS: Docs = &[
    ("channels", "Channels by their names: letters, digits, `-` and `_`."),
    ("routes", "Which notice goes to which channels; without any, each goes to all."),
    (
        "by",
        "Who notifies: `instance`, each lbproxy for what it saw; `watch`, `lbproxy slo watch` for all instances \
         ([slo-watch.md](slo-watch.md)), and no instance.",
    ),
    (
        "rate_cap",
        "Most alerts that one channel is told of one by one within five minutes; more become one \
         summary. Alertmanager gets all of them.",
    ),
];

const CHANNEL_DOCS: Docs = &[
    ("type", "What it speaks; `jsm` is Jira Service Management or Opsgenie."),
    (
        "url",
        "pagerduty: where events go. jsm: the part before `/v2/alerts`. slack, webhook: the whole URL, a \
         secret.",
    ),
    ("url_file", "slack, webhook: file that holds the URL, read again at each use."),
    ("urls", "alertmanager: every replica, the part before `/api/v2/alerts`."),
    ("routing_key", "pagerduty: key of an integration \"Events API v2\"."),
    ("routing_key_file", "File that holds it, read again at each use."),
    ("api_key", "jsm: key of an integration \"API\". alertmanager, webhook: as for Elasticsearch."),
    (
        "sign",
        "webhook: key of the signature `x-lbproxy-signature` (HMAC-SHA256 of time, `.` and body).",
    ),
    ("sign_file", "File that holds it, read again at each use."),
    ("server", "email: host name of the SMTP server."),
    ("port", "email: its port; 587, 465 or 25 when absent, by `encryption`."),
    ("encryption", "email: `starttls` or `tls`; with `none` no password is sent."),
    ("from", "email: address of the sender."),
    ("to", "email: addresses of who reads it."),
    ("timeout", "Limit of one delivery."),
    ("ca_file", "Certificates to trust instead of the usual ones, PEM."),
    ("proxy", "HTTP proxy; not for email."),
];

const ROUTE_DOCS: Docs = &[
    ("name", "As `notify` of an objective has it."),
    ("to", "Names of channels."),
    ("severity", "Only pages, or only tickets."),
    ("service", "Only alerts of these services."),
    ("objective", "Only alerts of these objectives."),
    ("owner", "Only alerts of objectives of these owners."),
    ("route", "Only alerts of these routes; for objectives that are grouped by route."),
    ("endpoint", "Only alerts of these endpoints; for objectives that are grouped by endpoint."),
    (
        "hours",
        "Only then; one of them is enough. An alert that fires outside of them is told when they begin, \
         if it still fires.",
    ),
];

const HOURS_DOCS: Docs = &[
    ("days", "Days on which it begins; every day when absent."),
    ("from", "Its begin, such as \"09:00\"."),
    ("to", "Its end; up to `from` it is on the next day."),
    (
        "offset",
        "Distance from UTC, such as \"+01:00\"; it does not change with daylight saving time.",
    ),
];

/// `slo.notify`.
pub(super) fn section(map: Map<'_, '_>) -> Notify {
    let mut map = map.means(DOCS);
    let items = map.get("channels").map(|item| item.named(ONE_CHANNEL)).unwrap_or_default();
    let names: Vec<_> = items.iter().map(|(name, _)| name.clone()).collect();
    let channels: Vec<_> =
        items.into_iter().filter_map(|(name, item)| channel(name, item)).collect();
    let mut routes: Vec<NotifyRoute> = Vec::new();
    for item in map.list("routes") {
        if routes.len() == COUNT_MAX {
            item.note("is one route too many", &format!("keep {COUNT_MAX}"));
            break;
        }
        if let Some(route) = item.map().and_then(|map| route(map, &names, &routes)) {
            routes.push(route);
        }
    }
    if channels.len() > COUNT_MAX {
        map.note("has too many channels", &format!("keep {COUNT_MAX}"));
    }
    let rate_cap = map.number("rate_cap", RATE_CAP, 1, 1_000);
    let by = map.choice("by", NotifiedBy::default(), &NotifiedBy::ALL);
    map.end();
    Notify { channels, routes, rate_cap, by }
}

/// A value of `channels`.
fn channel(name: String, item: Item<'_, '_>) -> Option<Channel> {
    let is_byte = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_byte) {
        item.note("is not a name of a channel", "write letters, digits, `-` and `_`, at most 64");
        return None;
    }
    let mut map = item.map()?.means(CHANNEL_DOCS).means(AUTH_DOCS);
    let kind = map.required("type", "write one, such as `type: pagerduty`");
    let kind = kind.and_then(|item| item.choice(&ChannelKind::ALL));
    let before = map.found();
    // Of an unknown kind, every key is known.
    let mut target = None;
    for (_, one) in ChannelKind::ALL.iter().filter(|(_, one)| kind.is_none_or(|kind| kind == *one))
    {
        target = self::target(&mut map, *one, kind.is_some());
    }
    let timeout = map.duration("timeout", seconds(10));
    let ca_file = map.get("ca_file").and_then(|item| {
        let path = PathBuf::from(item.file()?);
        if let Err(unusable) = certificates::roots(&path) {
            item.note(&format!("{} {}", path.display(), unusable.problem), &unusable.cure);
        }
        Some(path)
    });
    let proxy = match kind {
        Some(ChannelKind::Email) => None,
        _ => map.get("proxy").and_then(|item| proxy_url(&item)),
    };
    let is_sound = kind.is_some() && map.found() == before;
    map.end();
    let target = target.filter(|_| is_sound)?;
    Some(Channel { name, target, timeout, ca_file, proxy })
}

/// The keys of one kind; what is missing is noted only where the kind is known.
fn target(map: &mut Map<'_, '_>, kind: ChannelKind, is_known: bool) -> Option<Target> {
    match kind {
        ChannelKind::PagerDuty => {
            let url = url_or(map, "https://events.pagerduty.com/v2/enqueue");
            let routing_key = key(map, ["routing_key", "routing_key_file"], is_known);
            Some(Target::PagerDuty { url: url?, routing_key: routing_key? })
        }
        ChannelKind::Alertmanager => {
            let cure = "write every replica, such as `urls: [http://localhost:9093]`";
            let items = map.get("urls").map(|item| item.filled_list(cure));
            if items.is_none() && is_known {
                map.missing("urls", cure);
            }
            let example = "http://host:9093 or https://host:9093";
            let urls: Vec<_> = items.unwrap_or_default();
            let urls: Vec<_> =
                urls.iter().filter_map(|item| bare_url(item, example, CREDENTIALS)).collect();
            let auth = auth(map);
            (!urls.is_empty()).then_some(Target::Alertmanager { urls, auth })
        }
        ChannelKind::Jsm => {
            let url = url_or(map, "https://api.atlassian.com/jsm/ops/integration");
            let api_key = key(map, ["api_key", "api_key_file"], is_known);
            Some(Target::Jsm { url: url?, api_key: api_key? })
        }
        ChannelKind::Slack => Some(Target::Slack { url: secret_url(map, is_known)? }),
        ChannelKind::Webhook => {
            let url = secret_url(map, is_known);
            let sign = secret(map, "sign", "sign_file", Carrier::Field);
            Some(Target::Webhook { url: url?, sign, auth: auth(map) })
        }
        ChannelKind::Email => email(map, is_known),
    }
}

/// `url`, or the usual one.
fn url_or(map: &mut Map<'_, '_>, usual: &str) -> Option<url::Url> {
    match map.get("url") {
        Some(item) => bare_url(&item, usual, "use the key for them"),
        None => usual.parse().ok(),
    }
}

/// A secret that must be there, in place or in a file.
fn key(map: &mut Map<'_, '_>, [inline, file]: [&'static str; 2], is_known: bool) -> Option<Secret> {
    let before = map.found();
    let key = secret(map, inline, file, Carrier::Field);
    if key.is_none() && is_known && map.found() == before {
        map.missing(file, &format!("write the file that holds it, or `{inline}`"));
    }
    key
}

/// A whole URL that is a secret itself; never shown.
fn secret_url(map: &mut Map<'_, '_>, is_known: bool) -> Option<Secret> {
    let url = key(map, ["url", "url_file"], is_known)?;
    let text = url.reveal().unwrap_or_default();
    let parsed = url::Url::parse(&text).ok();
    let parsed = parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let (problem, cure) = match parsed {
        None => ("is not a URL of HTTP", "write https://host/path as it was given to you"),
        Some(parsed) if parsed.username().is_empty() && parsed.password().is_none() => {
            return Some(url);
        }
        Some(_) => ("has a user or password in it", CREDENTIALS),
    };
    map.note_absent("url", problem, cure);
    None
}

/// The keys of mail.
fn email(map: &mut Map<'_, '_>, is_known: bool) -> Option<Target> {
    let mut required = |key: &'static str, cure: &str| {
        let item = map.get(key);
        if item.is_none() && is_known {
            map.missing(key, cure);
        }
        item
    };
    let server = required("server", "write the host name of the SMTP server");
    let server = server.and_then(|item| {
        item.parse("a host name", "one, such as smtp.example.com", |text| {
            let is_byte = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
            (!text.is_empty() && text.bytes().all(is_byte)).then(|| text.to_owned())
        })
    });
    let from = required("from", "write one, such as `from: lbproxy@example.com`");
    let from = from.and_then(|item| address(&item));
    let cure = "write at least one, such as `to: [oncall@example.com]`";
    let to = required("to", cure).map(|item| item.filled_list(cure)).unwrap_or_default();
    let to: Vec<_> = to.iter().filter_map(address).collect();
    let choices = [("starttls", MailTls::StartTls), ("tls", MailTls::Tls), ("none", MailTls::None)];
    let tls = map.choice("encryption", MailTls::StartTls, &choices);
    let usual = match tls {
        MailTls::StartTls => 587,
        MailTls::Tls => 465,
        MailTls::None => 25,
    };
    let port = map.number_if_given("port", usual, 1, u16::MAX).unwrap_or(usual);
    let login = match auth(map) {
        Auth::None => None,
        Auth::Basic { .. } if tls == MailTls::None => {
            let problem = "would send the password in the clear";
            map.note_absent("encryption", problem, "write `starttls` or `tls`, or no password");
            None
        }
        Auth::Basic { username, password } => Some((username, password)),
        Auth::ApiKey(_) | Auth::Bearer(_) => {
            map.note("has a key that mail does not use", "write `username` and `password_file`");
            None
        }
    };
    (!to.is_empty()).then_some(Target::Email { server: server?, port, tls, login, from: from?, to })
}

/// An address of mail.
fn address(item: &Item<'_, '_>) -> Option<Address> {
    item.parse("an address of mail", "one, such as oncall@example.com", |text| {
        let is_char = |c: char| !c.is_control() && !c.is_whitespace() && !"<>(),;\"".contains(c);
        text.parse().ok().filter(|_| text.chars().all(is_char))
    })
}

/// An item of `routes`.
fn route(map: Map<'_, '_>, channels: &[String], earlier: &[NotifyRoute]) -> Option<NotifyRoute> {
    let mut map = map.means(ROUTE_DOCS);
    let name = map.required("name", "write one, such as `name: oncall`");
    let name = name.and_then(|item| {
        let name = item.text()?;
        if earlier.iter().any(|route| route.name == name) {
            item.note("is the name of an earlier route", "give each route a name of its own");
        }
        Some(name)
    });
    let to = map.required_list("to", "write the names of channels, such as `to: [oncall]`");
    let to: Vec<_> = to
        .iter()
        .filter_map(|item| {
            let name = item.text()?;
            if !channels.contains(&name) {
                let cure = match nearest(&name, channels.iter().map(String::as_str)) {
                    _ if channels.is_empty() => "slo.notify.channels has none".to_owned(),
                    Some(known) => format!("did you mean `{known}`?"),
                    None => format!("write one of: {}", channels.join(", ")),
                };
                item.note("is no channel of `slo.notify.channels`", &cure);
            }
            Some(name)
        })
        .collect();
    let severity = map.get("severity");
    let is_page = severity.and_then(|item| item.choice(&[("page", true), ("ticket", false)]));
    let labels = LABELS.map(|label| {
        let values = map.list(label);
        (label, values.iter().filter_map(Item::text).collect::<Vec<_>>())
    });
    let labels = labels.into_iter().filter(|(_, values)| !values.is_empty()).collect();
    let hours = map.list("hours").into_iter().filter_map(|item| hours(item.map()?)).collect();
    map.end();
    Some(NotifyRoute { name: name?, to, is_page, labels, hours })
}

/// An item of `hours`.
fn hours(map: Map<'_, '_>) -> Option<Hours> {
    let mut map = map.means(HOURS_DOCS);
    let mut days = [false; 7];
    let items = map.list("days");
    if items.is_empty() {
        days = [true; 7];
    }
    for item in &items {
        let choices: Vec<_> = DAYS.iter().enumerate().map(|(day, name)| (*name, day)).collect();
        if let Some(day) = item.choice(&choices) {
            days[day] = true;
        }
    }
    let mut time = |key: &'static str, cure: &str| {
        let item = map.required(key, cure)?;
        item.parse(
            "a time of day",
            "one from \"00:00\" to \"24:00\", such as \"09:00\"",
            minute_of_day,
        )
    };
    let from_minute = time("from", "write the begin, such as `from: \"09:00\"`");
    let to_minute = time("to", "write the end, such as `to: \"17:00\"`");
    let offset = map.get("offset");
    map.default("offset", "+00:00");
    let offset_minutes = offset.map_or(Some(0), |item| {
        item.parse("a distance from UTC", "one, such as \"+01:00\" or \"-05:30\"", |text| {
            let (sign, rest) = match text.split_at_checked(1)? {
                ("+", rest) => (1, rest),
                ("-", rest) => (-1, rest),
                _ => return None,
            };
            let minutes = minute_of_day(rest).filter(|&minutes| minutes <= 14 * 60)?;
            Some(sign * i16::try_from(minutes).ok()?)
        })
    });
    map.end();
    Some(Hours {
        days,
        from_minute: from_minute?,
        to_minute: to_minute?,
        offset_minutes: offset_minutes?,
    })
}

/// Reads `09:30`, up to `24:00`.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let is_pair = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| is_pair)
    };
    let (hour, minute) = (number(hour)?, number(minute).filter(|&minute| minute < 60)?);
    Some(hour * 60 + minute).filter(|&minutes| minutes <= 24 * 60)
}

#[cfg(test)]
mod tests;
