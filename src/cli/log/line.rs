//! A record as one line for people.
//!
//! ```text
//! 2026-11-24T00:14:28.123Z 502 GET shop.example.com/cart 12.4 ms web→10.0.0.1:9090 ↑84 B ↓1.20 KiB upstream_closed SH
//! time                status method host+path+query   duration service→endpoint bytes up, down  why, unless normal
//! ```
//! Colours add to words and never stand for them. What clients sent is shown by `visible`.

use std::fmt::Display;

use crate::base::units;
use crate::base::visible::visible;
use crate::query::{Field, Row, show};
use crate::record::{AccessRecord, Blame, ConnectionRecord, GapRecord, Reason, State, Value};

/// Whether to use colours, and which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    pub(super) has_colours: bool,
}

/// What a colour means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tone {
    /// Less important than the rest.
    Quiet,
    /// Served.
    Good,
    /// For information.
    Note,
    /// The client's doing.
    Warn,
    /// Users are hurt.
    Bad,
}

impl Paint {
    pub(super) fn tone(self, tone: Tone, text: impl Display) -> String {
        let code = match tone {
            Tone::Quiet => "2",
            Tone::Good => "32",
            Tone::Note => "36",
            Tone::Warn => "33",
            Tone::Bad => "31",
        };
        if self.has_colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// A status in the tone of its class.
    fn status(self, status: Option<u16>) -> String {
        let Some(status) = status else { return self.tone(Tone::Bad, "---") };
        let tone = match status {
            200..300 => Tone::Good,
            ..400 => Tone::Note,
            400..500 => Tone::Warn,
            _ => Tone::Bad,
        };
        self.tone(tone, format_args!("{status:03}"))
    }

    /// Why it ended, in the tone of whose account it goes on.
    fn reason(self, reason: Reason, state: Option<State>) -> String {
        let tone = match reason.blame() {
            Blame::Nobody => Tone::Note,
            Blame::Downstream => Tone::Warn,
            Blame::Endpoint | Blame::Proxy => Tone::Bad,
        };
        let state = state.map_or_else(String::new, |state| format!(" {}", state.as_str()));
        self.tone(tone, format_args!("{}{state}", reason.as_str()))
    }
}

/// The line of a record, without its end.
pub(super) fn line(row: &Row<'_>, paint: Paint) -> String {
    let time = Field::find("time")
        .map_or_else(|_| String::new(), |field| show(field, Value::TimeMs(row.time_ms())));
    let mut parts = vec![paint.tone(Tone::Quiet, time)];
    if let Some(record) = row.access() {
        access(&record, paint, &mut parts);
    } else if let Some(record) = row.connection() {
        connection(&record, paint, &mut parts);
    } else if let Some(record) = row.gap() {
        parts.push(paint.tone(Tone::Bad, gap(&record)));
    } else {
        named(row, paint, &mut parts);
    }
    parts.join(" ")
}

/// What is shown of kinds without a line of their own, as far as a record has it.
const NAMED: [&str; 19] = [
    "monitor.status",
    "monitor.name",
    "monitor.duration.us",
    "event.action",
    "lbproxy.health.previous",
    "error.type",
    "error.message",
    "metricset.name",
    "lbproxy.sample.worker",
    "lbproxy.service",
    "lbproxy.route",
    "lbproxy.endpoint",
    "system.process.cpu.total.pct",
    "system.process.memory.rss.bytes",
    "lbproxy.downstream.received.bytes_per_second",
    "lbproxy.downstream.sent.bytes_per_second",
    "lbproxy.pool.active",
    "lbproxy.requests.per_second",
    "lbproxy.rollup.requests",
];

/// The kind, then fields by the names that questions know them by.
fn named(row: &Row<'_>, paint: Paint, parts: &mut Vec<String>) {
    parts.push(row.stream.as_str().to_owned());
    for field in NAMED.iter().filter_map(|path| Field::find(path).ok()) {
        if let Some(value) = row.get(field) {
            let name = paint.tone(Tone::Quiet, format_args!("{}=", field.short));
            parts.push(name + &show(field, value));
        }
    }
}

/// A text of a client.
fn text(bytes: &[u8]) -> String {
    visible(bytes).to_string()
}

fn access(record: &AccessRecord<'_>, paint: Paint, parts: &mut Vec<String>) {
    parts.push(paint.status(record.status.map(|status| status.0)));
    parts.push(record.method.map_or_else(|| "-".to_owned(), |method| text(method.0)));
    let mut target = record.domain.map_or_else(String::new, |domain| text(domain.0));
    target += &record.path.map_or_else(String::new, |path| text(path.0));
    if let Some(query) = record.query {
        target += &paint.tone(Tone::Quiet, format_args!("?{}", visible(query.0)));
    }
    parts.push(if target.is_empty() { "-".to_owned() } else { target });
    if let Some(duration) = record.duration {
        parts.push(units::format_micros(duration.0));
    }
    if let Some(service) = record.service {
        let endpoint = record.endpoint.map_or_else(|| "-".to_owned(), |name| text(name.0));
        parts.push(format!("{}→{endpoint}", text(service.0)));
    }
    let request = record.request_bytes.or(record.request_body_bytes);
    let response = record.response_bytes.or(record.response_body_bytes);
    for (arrow, bytes) in [('↑', request), ('↓', response)] {
        if let Some(bytes) = bytes {
            let size = units::format_bytes(bytes.0);
            parts.push(paint.tone(Tone::Quiet, format_args!("{arrow}{size}")));
        }
    }
    if let Some(attempts) = record.attempts.filter(|attempts| attempts.0 > 1) {
        parts.push(paint.tone(Tone::Warn, format_args!("{} attempts", attempts.0)));
    }
    if let Some(reason) = record.reason.filter(|&reason| reason != Reason::Complete) {
        parts.push(paint.reason(reason, record.state));
    }
}

/// A connection without a request.
fn connection(record: &ConnectionRecord<'_>, paint: Paint, parts: &mut Vec<String>) {
    parts.push(paint.status(record.status.map(|status| status.0)));
    let port = record.source_port.map_or(0, |port| port.0);
    parts.push(record.source_ip.map_or_else(
        || "connection".to_owned(),
        |ip| format!("connection from {}", std::net::SocketAddr::new(ip.0, port)),
    ));
    if let Some(duration) = record.duration {
        parts.push(units::format_micros(duration.0));
    }
    if let Some(reason) = record.reason {
        parts.push(paint.reason(reason, record.state));
    }
    if let Some(message) = record.message {
        parts.push(text(message.0));
    }
}

fn gap(record: &GapRecord<'_>) -> String {
    let number = |value: Option<crate::record::Count>| value.map_or(0, |count| count.0);
    let stream = u8::try_from(number(record.gap_stream)).ok();
    let stream = stream.and_then(crate::record::Stream::from_u8).map_or("?", |s| s.as_str());
    let epoch = record.gap_epoch.map(|epoch| format!(" of start {}", epoch.0));
    format!(
        "{} {stream} records of worker {}{} were not journaled, from number {}: {}",
        number(record.gap_count),
        number(record.gap_worker),
        epoch.unwrap_or_default(),
        number(record.gap_first_seq),
        record.gap_reason.map_or_else(String::new, |reason| text(reason.0)),
    )
}

#[cfg(test)]
mod tests;
