//! The live picture, and the same as one line a second where there is no terminal.
//!
//! Order: are users served, how much, whose fault, can this be trusted. Every line fits 80 columns or
//! loses only its least important end. Not here: the terminal (`screen`), the end (`summary`).

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fmt::Write as _, net::SocketAddr};

use super::super::number::{count, latency, percent, rate, share, sparkline};
use super::line::{LABEL_COLUMNS, Line, Tone};
use super::pulse::Pulse;
use super::tally::{Figures, HISTORY, Place, Tally};
use crate::admin;
use crate::base::clock::micros;
use crate::base::units;
use crate::metrics::{JournalMetrics, ShipMetrics};
use crate::proxy::EndpointState;
use crate::query::Group;
use crate::record::{Blame, Reason};
use crate::slo::verdict::{ShippingState, Verdicts};
use crate::slo::{Level, Targets};

/// What is shown of reasons on one line.
const REASONS_MAX: usize = 6;

/// What does not change while the demo runs.
#[derive(Debug)]
pub(super) struct Facts {
    /// How this program was called, for commands to copy.
    pub(super) program: String,
    pub(super) proxy: SocketAddr,
    pub(super) admin: SocketAddr,
    /// The folder of the journal.
    pub(super) journal: PathBuf,
    /// Whether it is kept at the end.
    pub(super) is_kept: bool,
    pub(super) elasticsearch: Option<String>,
    /// The stream that requests are shipped to.
    pub(super) stream: String,
    /// Requests a second that clients send.
    pub(super) rate: u32,
    /// When the demo ends by itself.
    pub(super) duration: Option<Duration>,
    /// What is to be known of each place, in their order.
    pub(super) about: Vec<&'static str>,
}

impl Facts {
    /// What this is and how to look closer.
    pub(super) fn head(&self, elapsed: Option<Duration>) -> Vec<Line> {
        let Self { program, proxy, admin, journal, rate, .. } = self;
        let clock = elapsed.map_or_else(String::new, |elapsed| clock(elapsed) + "   ");
        let end = match self.duration {
            Some(duration) => {
                format!("ends after {}, or with Ctrl-C", units::write_duration(micros(duration)))
            }
            None => "Ctrl-C ends it".to_owned(),
        };
        vec![
            Line::default().and(Tone::Strong, "lbproxy demo").and(
                Tone::Quiet,
                format!("   {} requests/s   {clock}{end}", count((*rate).into())),
            ),
            Line::labelled("page")
                .and(Tone::Strong, format!("http://{admin}/"))
                .and(Tone::Quiet, "   proxy ")
                .and(Tone::Normal, format!("http://{proxy}")),
            Line::labelled("try")
                .and(Tone::Normal, format!("curl -H 'Host: shop.demo' http://{proxy}/hello")),
            Line::labelled("records")
                .and(Tone::Normal, format!("{program} log tail --journal {}", journal.display())),
        ]
    }
}

/// What changes: figures, and what only memory knows.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    /// What does not change.
    pub(super) facts: &'a Facts,
    pub(super) tally: &'a Tally,
    /// Records that this reader could not get.
    pub(super) missed: u64,
    pub(super) elapsed: Duration,
    pub(super) endpoints: Vec<EndpointState>,
    /// Are users hurt, by what, since when.
    pub(super) verdicts: Verdicts,
    /// The process and its checks.
    pub(super) pulse: Pulse,
    pub(super) journal: &'a JournalMetrics,
    /// What shipping counts, and how many records wait for it.
    pub(super) shipping: Option<(&'a ShipMetrics, u64)>,
    /// The newest line of the log, with its time.
    pub(super) log: Option<(Instant, String)>,
}

impl Picture<'_> {
    /// The whole picture for so many columns.
    pub(super) fn lines(&self, columns: usize) -> Vec<Line> {
        let recent = self.tally.recent();
        let mut lines = self.facts.head(Some(self.elapsed));
        lines.extend(self.verdict(columns.saturating_sub(LABEL_COLUMNS)));
        lines.push(Line::blank());
        lines.extend(self.sparklines(columns.saturating_sub(LABEL_COLUMNS + 8)));
        lines.push(Line::blank());
        lines.extend(self.totals(&recent));
        lines.push(Line::blank());
        lines.extend(self.places(&recent));
        lines.push(Line::blank());
        lines.push(reasons(&self.tally.total));
        lines.push(self.pulse.line());
        lines.push(self.journal());
        lines.push(self.shipping());
        lines.extend(self.log_lines(columns.saturating_sub(LABEL_COLUMNS)));
        lines
    }

    /// The first verdict, on two lines if it is long.
    fn verdict(&self, room: usize) -> Vec<Line> {
        let Some(first) = self.verdicts.list.first() else { return Vec::new() };
        let tone = tone(first.level);
        let line = |(label, text): (&str, &str)| Line::labelled(label).and(tone, text);
        let text = format!("{} {}", first.level.mark(), first.text());
        let (first, rest) = fold(&text, room);
        let second = Some(("", rest)).filter(|(_, rest)| !rest.is_empty());
        [Some(("users", first)), second].into_iter().flatten().map(line).collect()
    }

    /// Rate and latency over the last minute, or what of it fits.
    fn sparklines(&self, room: usize) -> [Line; 2] {
        let history = &self.tally.history;
        let shown = history.iter().skip(history.len().saturating_sub(room));
        let before = (shown.len()..room.min(HISTORY)).map(|_| None);
        let rates = before.clone().chain(shown.clone().map(|moment| Some(moment.rate)));
        #[expect(clippy::cast_precision_loss, reason = "drawn with eight levels")]
        let slowest = shown.map(|moment| moment.p95_us.map(|micros| micros as f64));
        let slowest = before.chain(slowest);
        let now = history.back();
        let label = |name, value: String| Line::labelled(name).left(8, Tone::Strong, value);
        [
            label("requests/s", now.map_or_else(|| "-".to_owned(), |now| rate(now.rate)))
                .and(Tone::Accent, sparkline(rates)),
            label("p95", latency(now.and_then(|now| now.p95_us)))
                .and(Tone::Accent, sparkline(slowest)),
        ]
    }

    /// Success and latency: now, and since the start.
    fn totals(&self, recent: &Figures) -> [Line; 4] {
        let titles = ["requests", "success", "p50", "p95", "p99", "longest"];
        let head = titles
            .into_iter()
            .fold(Line::labelled(""), |line, title| line.right(11, Tone::Quiet, title));
        let row =
            |label: &str, figures: &Figures| {
                let group = &figures.all;
                let line = Line::labelled(label)
                    .right(11, Tone::Strong, count(group.requests))
                    .right(11, success_tone(group), percent(group.success_share()));
                let line = [0.5, 0.95, 0.99].into_iter().fold(line, |line, quantile| {
                    line.right(11, Tone::Normal, latency(group.duration_us(quantile)))
                });
                line.right(11, Tone::Normal, latency(longest(group)))
            };
        let seconds = recent.span.as_secs_f64().round();
        let label = format!("last {seconds} s");
        let total = &self.tally.total;
        [head, row(&label, recent), row("since start", total), classes(total)]
    }

    /// A row for each service and each of its endpoints.
    fn places(&self, recent: &Figures) -> Vec<Line> {
        let head =
            Line::blank().left(20, Tone::Quiet, "service, endpoint").left(12, Tone::Quiet, "state");
        let head = ["share", "errors", "p95", "reused"]
            .into_iter()
            .fold(head, |line, title| line.right(9, Tone::Quiet, title));
        let mut lines = vec![head];
        let rows = recent.rows(&self.tally.places);
        for ((place, group, part), about) in rows.zip(&self.facts.about) {
            let state = self.endpoints.iter().find(|state| {
                state.service == place.service && Some(&state.endpoint) == place.endpoint.as_ref()
            });
            let (tone, state) = match state.map(|state| state.is_open) {
                None => (Tone::Normal, ""),
                Some(true) => (Tone::Normal, "in rotation"),
                Some(false) => (Tone::Warn, "ejected"),
            };
            let line = place_name(place, 20).left(12, tone, state);
            lines.push(
                line.right(9, Tone::Normal, percent(part))
                    .right(9, success_tone(group), percent(errors(group)))
                    .right(9, Tone::Normal, latency(group.duration_us(0.95)))
                    .right(9, Tone::Normal, percent(group.reused_share()))
                    .and(Tone::Quiet, format!("  {about}")),
            );
        }
        lines
    }

    fn journal(&self) -> Line {
        let journal = self.journal;
        let dropped = journal.dropped_full_total.value();
        let tone = if dropped > 0 { Tone::Warn } else { Tone::Normal };
        let used = units::format_bytes(journal.used_bytes.value());
        let capacity = units::format_bytes(journal.capacity_bytes.value());
        let appended = count(journal.appended_total.value());
        let line = Line::labelled("journal")
            .and(Tone::Normal, format!("{appended} appended   {used} of {capacity} used   "))
            .and(tone, format!("{} dropped", count(dropped)));
        match self.missed {
            0 => line,
            missed => line.and(Tone::Warn, format!("   {} not seen here", count(missed))),
        }
    }

    fn shipping(&self) -> Line {
        let line = Line::labelled("shipping");
        let (Some((ship, pending)), Some(url)) = (self.shipping, &self.facts.elasticsearch) else {
            return line.and(Tone::Quiet, "not configured: add --elasticsearch URL");
        };
        let (tone, state) = match admin::shipping_state(ship) {
            ShippingState::Working => (Tone::Normal, "connected"),
            ShippingState::Unauthorized => (Tone::Warn, "refused: credentials"),
            ShippingState::Blocked => (Tone::Warn, "blocked"),
            ShippingState::DeadLettersFull => (Tone::Warn, "dead letters full"),
            ShippingState::Waiting | ShippingState::Off
                if self.elapsed < Duration::from_secs(3) =>
            {
                (Tone::Normal, "connecting")
            }
            ShippingState::Waiting | ShippingState::Off => (Tone::Warn, "not connected"),
        };
        line.and(tone, state)
            .and(Tone::Normal, format!("   {} acknowledged", count(stored(ship))))
            .and(Tone::Normal, format!("   {} pending", count(pending)))
            .and(Tone::Quiet, format!("   {url}"))
    }

    /// The newest line of the log with its age, on two lines if it is long.
    fn log_lines(&self, room: usize) -> Vec<Line> {
        let Some((time, text)) = &self.log else { return Vec::new() };
        // The age says more than the time in front of the text.
        let is_time = |word: &str| word.ends_with('Z') && word.starts_with(char::is_numeric);
        let parts = text.split_once(' ').filter(|(word, _)| is_time(word));
        let text = parts.map_or(text.as_str(), |(_, rest)| rest.trim_start());
        let (first, rest) = fold(text, room);
        let line = |label: &str, text| Line::labelled(label).and(Tone::Quiet, text);
        vec![line(&format!("{} ago", clock(time.elapsed())), first), line("", rest)]
    }

    /// The picture as one line, and the titles above it.
    pub(super) fn plain(&self) -> (String, String) {
        let group = &self.tally.total.all;
        let now = self.tally.history.back();
        let [none, _, ok, moved, refused, failed] = group.classes;
        let journal = self.journal;
        let shipped = self.shipping.map(|(ship, _)| count(stored(ship)));
        let shipped = shipped.unwrap_or_else(|| "-".to_owned());
        let cells = [
            ("time", 6, clock(self.elapsed)),
            ("requests/s", 11, now.map_or_else(|| "-".to_owned(), |now| rate(now.rate))),
            ("requests", 10, count(group.requests)),
            ("success", 8, percent(group.success_share())),
            ("p50", 8, latency(group.duration_us(0.5))),
            ("p95", 8, latency(group.duration_us(0.95))),
            ("p99", 8, latency(group.duration_us(0.99))),
            ("2xx", 7, count(ok)),
            ("3xx", 6, count(moved)),
            ("4xx", 6, count(refused)),
            ("5xx", 6, count(failed)),
            ("none", 6, count(none)),
            ("appended", 10, count(journal.appended_total.value())),
            ("dropped", 8, count(journal.dropped_full_total.value())),
            ("shipped", 9, shipped),
        ];
        let cells = cells.into_iter().chain(self.pulse.cells());
        let mut lines = (String::new(), String::new());
        for (title, width, value) in cells {
            let _ = write!(lines.0, "{title:>width$}");
            let _ = write!(lines.1, "{value:>width$}");
        }
        lines
    }
}

/// A text in two, where it is too long for one line.
fn fold(text: &str, room: usize) -> (&str, &str) {
    let space = |(at, _): &(usize, char)| *at < room;
    let last = text.char_indices().filter(|(_, c)| *c == ' ').take_while(space).last();
    let (first, rest) = match last.filter(|_| text.len() > room) {
        Some((at, _)) => text.split_at(at),
        None => (text, ""),
    };
    (first, rest.trim_start())
}

fn stored(ship: &ShipMetrics) -> u64 {
    ship.acknowledged_total.value() + ship.duplicate_total.value()
}

/// The longest duration, if there is one.
fn longest(group: &Group) -> Option<u64> {
    (group.requests > 0).then_some(group.duration_us_max)
}

/// Responses by class of status, and what needed a second attempt.
pub(super) fn classes(figures: &Figures) -> Line {
    let [none, informational, ok, moved, refused, failed] = figures.all.classes;
    let mut line = Line::labelled("status");
    for (name, value, tone) in [
        ("1xx", informational, Tone::Normal),
        ("2xx", ok, Tone::Normal),
        ("3xx", moved, Tone::Normal),
        ("4xx", refused, Tone::Normal),
        ("5xx", failed, Tone::Bad),
        ("none", none, Tone::Warn),
    ] {
        if value > 0 || name == "2xx" || name == "5xx" {
            let tone = if value > 0 { tone } else { Tone::Normal };
            line = line.and(Tone::Quiet, format!("{name} ")).and(tone, count(value) + "   ");
        }
    }
    line.and(Tone::Quiet, "retried ").and(Tone::Normal, count(figures.retried))
}

/// Why requests ended, other than well.
pub(super) fn reasons(figures: &Figures) -> Line {
    let line = Line::labelled("reasons");
    let mut others = figures.reasons();
    others.retain(|(reason, _)| *reason != Reason::Complete);
    if others.is_empty() {
        return line.and(Tone::Quiet, "none but complete");
    }
    others.into_iter().take(REASONS_MAX).fold(line, |line, (reason, times)| {
        let tone = match reason.blame() {
            Blame::Endpoint | Blame::Proxy => Tone::Bad,
            Blame::Downstream => Tone::Warn,
            Blame::Nobody => Tone::Normal,
        };
        line.and(tone, reason.as_str()).and(Tone::Normal, format!(" {}   ", count(times)))
    })
}

/// A service, or one of its endpoints below it.
pub(super) fn place_name(place: &Place, width: usize) -> Line {
    match &place.endpoint {
        None => Line::blank().left(width, Tone::Strong, &*place.service),
        Some(endpoint) => Line::blank().left(width, Tone::Normal, format!("  {endpoint}")),
    }
}

/// The share of requests that failed, of those whose outcome is known.
pub(super) fn errors(group: &Group) -> Option<f64> {
    share(group.failure, group.success + group.failure)
}

/// How serious the failures are.
pub(super) fn success_tone(group: &Group) -> Tone {
    tone(Targets::DEFAULT.failing(group.failure, group.success + group.failure))
}

/// The tone of what has one only where something is wrong.
const fn tone(level: Level) -> Tone {
    match level {
        Level::Hurt => Tone::Bad,
        Level::Warn => Tone::Warn,
        Level::Ok | Level::Unknown | Level::Note => Tone::Normal,
    }
}

/// Minutes and seconds: `01:05`.
fn clock(span: Duration) -> String {
    let seconds = (span.as_secs_f64() + 0.5).floor();
    let (minutes, seconds) = ((seconds / 60.0).floor(), seconds % 60.0);
    format!("{minutes:02}:{seconds:02}")
}

#[cfg(test)]
mod tests;
