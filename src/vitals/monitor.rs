//! What is checked, and the state it is in: pure, time passed in.
//!
//! A check that finds another state than before gives a change beside itself. The first check gives
//! none: nothing is known to have changed. Not here: checking (`probe`), when (`heartbeat`).

use std::net::IpAddr;
use std::sync::Arc;

use crate::metrics::MonitorMetrics;
use crate::record::{Count, HeartbeatRecord, Ip, Port, Text, TimespanMs, TimestampMs};

/// A listener or endpoint as the heartbeat sees it.
#[derive(Debug)]
pub(super) struct Monitor {
    /// `INSTANCE/listener/NAME` or `INSTANCE/endpoint/SERVICE/ADDRESS`.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) subject: Subject,
    /// Scheme, host and port.
    pub(super) url: Url,
    /// What is known of it.
    state: Option<State>,
    /// Id of that state: changes with it.
    state_id: String,
    pub(super) metrics: Arc<MonitorMetrics>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// A listener, by its name.
    Listener(String),
    /// An endpoint, by service and address.
    Endpoint(String, String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) full: String,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// Host without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Url {
    /// From its parts; `authority` is host and port.
    pub(super) fn new(scheme: &'static str, authority: &str) -> Self {
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
        Self {
            full: format!("{scheme}://{authority}"),
            scheme,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.parse().unwrap_or(0),
        }
    }
}

/// A state and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    is_up: bool,
    /// Since when, wall time in milliseconds.
    since_ms: u64,
    /// Checks that found it so.
    checks: u64,
}

/// The state before, and how long it lasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    was_up: bool,
    /// For how long, in milliseconds.
    lasted_ms: u64,
}

/// The word of a state.
const fn word(is_up: bool) -> Text<'static, 8> {
    Text(if is_up { b"up" } else { b"down" })
}

impl Monitor {
    /// Nothing is known yet.
    pub(super) fn new(instance: &str, subject: Subject, url: Url) -> Self {
        let (id, name) = match &subject {
            Subject::Listener(name) => {
                (format!("{instance}/listener/{name}"), format!("listener {name}"))
            }
            Subject::Endpoint(service, endpoint) => (
                format!("{instance}/endpoint/{service}/{endpoint}"),
                format!("{service} {endpoint}"),
            ),
        };
        Self {
            id,
            name,
            subject,
            url,
            state: None,
            state_id: String::new(),
            metrics: Arc::default(),
        }
    }

    /// Notes what a look at `now_ms` found; says whether that is a change. `is_check` for a regular
    /// check, which counts.
    pub(super) fn see(&mut self, is_up: bool, now_ms: u64, is_check: bool) -> Option<Change> {
        let change = self.state.filter(|state| state.is_up != is_up).map(|state| Change {
            was_up: state.is_up,
            lasted_ms: now_ms.saturating_sub(state.since_ms),
        });
        let state = match &mut self.state {
            Some(state) if change.is_none() => state,
            other => {
                self.state_id = format!("{now_ms:x}");
                other.insert(State { is_up, since_ms: now_ms, checks: 0 })
            }
        };
        state.checks += u64::from(is_check);
        let cells = &self.metrics;
        cells.up.set(u64::from(is_up));
        cells.changes_total.add(u64::from(change.is_some()));
        if is_check {
            cells.checks_total.add(1);
            cells.failures_total.add(u64::from(!is_up));
        }
        change
    }

    /// What every record of it holds.
    fn base(&self, now_ms: u64) -> HeartbeatRecord<'_> {
        let mut record = HeartbeatRecord {
            timestamp: Some(TimestampMs(now_ms)),
            monitor_id: Some(Text(self.id.as_bytes())),
            monitor_name: Some(Text(self.name.as_bytes())),
            monitor_ip: self.url.host.parse::<IpAddr>().ok().map(Ip),
            url_full: Some(Text(self.url.full.as_bytes())),
            url_scheme: Some(Text(self.url.scheme.as_bytes())),
            url_domain: Some(Text(self.url.host.as_bytes())),
            url_port: (self.url.port != 0).then_some(Port(self.url.port)),
            ..HeartbeatRecord::default()
        };
        match &self.subject {
            Subject::Listener(name) => {
                record.monitor_type = Some(Text(b"http"));
                record.listener = Some(Text(name.as_bytes()));
            }
            Subject::Endpoint(service, endpoint) => {
                record.monitor_type = Some(Text(b"passive"));
                record.service = Some(Text(service.as_bytes()));
                record.endpoint = Some(Text(endpoint.as_bytes()));
            }
        }
        if let Some(State { is_up, since_ms, .. }) = self.state {
            record.monitor_status = Some(word(is_up));
            record.state_id = Some(Text(self.state_id.as_bytes()));
            record.state_status = Some(word(is_up));
            record.state_started_at = Some(TimestampMs(since_ms));
            record.state_duration_ms = Some(Count(now_ms.saturating_sub(since_ms)));
        }
        record
    }

    /// The record of a check that ended at `now_ms`; the next follows after `every_ms`.
    pub(super) fn check(&self, now_ms: u64, every_ms: u64) -> HeartbeatRecord<'_> {
        let mut record = self.base(now_ms);
        record.monitor_timespan = Some(TimespanMs(now_ms, now_ms.saturating_add(every_ms)));
        if let Some(State { is_up, checks, .. }) = self.state {
            let count = |is: bool| Some(Count(u64::from(is)));
            (record.summary_up, record.summary_down) = (count(is_up), count(!is_up));
            record.state_checks = Some(Count(checks));
            record.state_up = Some(Count(if is_up { checks } else { 0 }));
            record.state_down = Some(Count(if is_up { 0 } else { checks }));
        }
        record
    }

    /// The record of a change seen at `now_ms`.
    pub(super) fn change(&self, now_ms: u64, change: Change) -> HeartbeatRecord<'_> {
        let mut record = self.base(now_ms);
        record.action = Some(Text(b"state_change"));
        record.previous = Some(word(change.was_up));
        record.previous_duration_ms = Some(Count(change.lasted_ms));
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_state_is_a_change() {
        let subject = Subject::Endpoint("web".to_owned(), "[::1]:80".to_owned());
        let mut monitor = Monitor::new("i", subject, Url::new("http", "[::1]:80"));
        for (name, now_ms, is_up, is_check, lasted_ms, checks) in [
            ("the first look", 100, true, true, None, 1),
            ("the same", 200, true, true, None, 2),
            ("seen between checks", 250, false, false, Some(150), 0),
            ("the check after it", 300, false, true, None, 1),
            ("back", 400, true, true, Some(150), 1),
        ] {
            let change = monitor.see(is_up, now_ms, is_check);
            assert_eq!(change.map(|change| change.lasted_ms), lasted_ms, "{name}");
            let record = monitor.check(now_ms, 50);
            assert_eq!(record.monitor_status, Some(word(is_up)), "{name}");
            assert_eq!(record.state_checks, Some(Count(checks)), "{name}");
            assert_eq!(record.monitor_timespan, Some(TimespanMs(now_ms, now_ms + 50)), "{name}");
            if let Some(change) = change {
                let record = monitor.change(now_ms, change);
                assert_eq!(record.previous, Some(word(!is_up)), "{name}");
                assert_eq!((record.summary_up, record.summary_down), (None, None), "{name}");
            }
        }
        let cells = &monitor.metrics;
        let counts = [&cells.checks_total, &cells.failures_total, &cells.changes_total, &cells.up];
        assert_eq!(counts.map(crate::metrics::Cell64::value), [4, 1, 2, 1]);
    }

    #[test]
    fn a_monitor_says_what_and_where_it_is() {
        let subject = Subject::Endpoint("web".to_owned(), "[::1]:80".to_owned());
        let monitor = Monitor::new("i", subject, Url::new("http", "[::1]:80"));
        let record = monitor.check(5, 1);
        assert_eq!(record.monitor_id, Some(Text(b"i/endpoint/web/[::1]:80")));
        assert_eq!(record.url_full, Some(Text(b"http://[::1]:80")));
        assert_eq!(record.monitor_ip, Some(Ip("::1".parse().unwrap())));
        assert_eq!((record.url_port, record.listener), (Some(Port(80)), None));
        let listener =
            Monitor::new("i", Subject::Listener("l".to_owned()), Url::new("https", "h:1"));
        assert_eq!(listener.check(5, 1).monitor_type, Some(Text(b"http")));
        assert_eq!((listener.id.as_str(), listener.check(5, 1).monitor_ip), ("i/listener/l", None));
    }
}
