//! The table: a row per service, the rows of its endpoints below it, in an order that can be chosen.
//!
//! Services are put in order among each other, then the endpoints within each. Not here: how rows are
//! drawn (`picture`).

use std::cmp::Ordering;
use std::collections::HashMap;

use super::super::number;
use super::figures::{Endpoint, Figures, Place, Queue, Shown, Times, Told, Totals};
use super::paint::{Tone, span_of};
use crate::slo::Level;

/// Width of the column of exchanges under way, with the space before it.
const FLIGHT_COLUMNS: u16 = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) service: Shown,
    /// The endpoint; `None` for the row of the service itself.
    pub(super) endpoint: Option<Shown>,
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) key: Key,
    /// State in words, with since when.
    pub(super) state: String,
    pub(super) tone: Tone,
    /// Attempts per second.
    rate: f64,
    /// Of all attempts, or of those of the service.
    share: Option<f64>,
    /// Share of failed requests.
    pub(super) errors: Option<f64>,
    /// Share of attempts on a connection that was open already.
    reuse: Option<f64>,
    in_flight: u64,
    /// Of a service that limits them.
    queue: Option<Queue>,
    /// Connections at work and waiting.
    pool: [u64; 2],
    /// The last minutes, if there was traffic.
    pub(super) past: Option<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// Most trouble first; has no column of its own.
    Trouble,
    /// Service, endpoint.
    Name,
    /// Word and since.
    State,
    /// Per second.
    Rate,
    /// Of attempts.
    Share,
    /// Failed.
    Errors,
    /// Attempts that failed, also those of requests that another endpoint served.
    Failed,
    /// Of the whole exchange.
    P50,
    /// Of the whole exchange.
    P95,
    /// Of the whole exchange.
    P99,
    /// Median until the first byte.
    FirstByte,
    /// Of connections.
    Reuse,
    /// Exchanges.
    InFlight,
    /// Exchanges that wait to be under way.
    Queue,
    /// Connections.
    Pool,
}

impl Column {
    /// In the order of the screen: the column, its title, the key that sorts by it, its width with
    /// the space before it, and what it shows.
    pub(super) const ALL: [(Self, &'static str, char, u16, &'static str); 14] = [
        (Self::Name, "SERVICE", 'N', 0, "service, and its endpoints below it"),
        (Self::State, "STATE", 'S', 13, "in rotation or not, and since when"),
        (Self::Rate, "RATE/s", 'R', 8, "attempts per second, over the last 5 s"),
        (Self::Share, "SHARE", 'H', 8, "of all attempts; of an endpoint: of its service's"),
        (Self::Errors, "ERRORS", 'E', 8, "failed, of those whose outcome is known"),
        (
            Self::Failed,
            "FAILED",
            'D',
            8,
            "attempts that failed here, whoever served the request then",
        ),
        (Self::P50, "P50", 'M', 9, "half of the requests took less"),
        (Self::P95, "P95", 'Q', 9, "95 of 100 took less"),
        (Self::P99, "P99", 'P', 9, "99 of 100 took less"),
        (Self::FirstByte, "1ST BYTE", 'F', 10, "median until the first byte of the response"),
        (Self::Reuse, "REUSE", 'U', 8, "attempts on an open connection, since the start"),
        (Self::InFlight, "FLIGHT", 'I', FLIGHT_COLUMNS, "requests under way/most that may be"),
        (Self::Queue, "QUEUE", 'W', 8, "requests that wait for one under way to end"),
        (Self::Pool, "POOL", 'O', 7, "connections at work/waiting"),
    ];

    /// Which to show where not all fit, most important first.
    const BY_WEIGHT: [Self; 13] = [
        Self::State,
        Self::Rate,
        Self::Errors,
        Self::P99,
        Self::P50,
        Self::InFlight,
        Self::Pool,
        Self::Queue,
        Self::P95,
        Self::Failed,
        Self::Share,
        Self::Reuse,
        Self::FirstByte,
    ];

    pub(super) fn title(self) -> &'static str {
        Self::ALL.iter().find(|column| column.0 == self).map_or("trouble", |column| column.1)
    }

    /// The column that a key sorts by.
    pub(super) fn of_letter(letter: char) -> Option<Self> {
        Self::ALL.iter().find(|column| column.2 == letter).map(|column| column.0)
    }

    /// The next one for who goes through all of them.
    pub(super) fn next(self) -> Self {
        let index = Self::ALL.iter().position(|column| column.0 == self);
        let next = index.map_or(0, |index| index + 1);
        Self::ALL.get(next).map_or(Self::Trouble, |column| column.0)
    }

    /// Those that fit beside a name of `name` columns, in the order of the screen.
    pub(super) fn fitting(width: u16, name: u16) -> Vec<(Self, u16)> {
        let mut left = width.saturating_sub(name);
        let width =
            |column: Self| Self::ALL.iter().find(|all| all.0 == column).map_or(0, |all| all.3);
        let mut taken = Vec::new();
        for column in Self::BY_WEIGHT {
            if width(column) > left {
                break;
            }
            left -= width(column);
            taken.push(column);
        }
        let all = Self::ALL.iter().filter(|all| taken.contains(&all.0));
        all.map(|all| (all.0, all.3)).collect()
    }
}

impl Row {
    /// Its name: endpoints stand below their service.
    pub(super) fn name(&self) -> String {
        match &self.key.endpoint {
            None => self.key.service.to_string(),
            Some(endpoint) => format!("  {endpoint}"),
        }
    }

    /// A cell, and how serious it is.
    pub(super) fn cell(&self, column: Column) -> (String, Tone) {
        let times = |pick: fn(&Times) -> u64| {
            number::latency(self.totals().and_then(|totals| totals.duration.as_ref()).map(pick))
        };
        let text = match column {
            Column::Trouble => String::new(),
            Column::Name => self.name(),
            Column::State => return (self.state.clone(), self.tone),
            Column::Rate => number::rate(self.rate),
            Column::Share => number::percent(self.share),
            Column::Errors => return (number::percent(self.errors), self.tones()[0]),
            Column::Failed => {
                self.totals().map_or_else(dash, |totals| number::count(totals.failed_attempts))
            }
            Column::P50 => times(|times| times.p50_us),
            Column::P95 => times(|times| times.p95_us),
            Column::P99 => return (times(|times| times.p99_us), self.tones()[1]),
            Column::FirstByte => {
                let times = self.totals().and_then(|totals| totals.first_byte);
                number::latency(times.map(|times| times.p50_us))
            }
            Column::Reuse => number::percent(self.reuse),
            Column::InFlight => self.flight(),
            Column::Queue => return self.queued(),
            Column::Pool => format!("{}/{}", self.pool[0], self.pool[1]),
        };
        (text, Tone::Normal)
    }

    /// Exchanges under way, and most of them as far as there is room.
    fn flight(&self) -> String {
        let alone = number::count(self.in_flight);
        let Some(queue) = &self.queue else { return alone };
        let both = format!("{alone}/{}", queue.in_flight_max);
        if both.len() < usize::from(FLIGHT_COLUMNS) { both } else { alone }
    }

    /// Exchanges that wait; of a service, for endpoints have no line.
    fn queued(&self) -> (String, Tone) {
        match &self.queue {
            Some(queue) if queue.waiting > 0 => (number::count(queue.waiting), Tone::Warn),
            Some(_) => ("0".to_owned(), Tone::Normal),
            None if self.key.endpoint.is_none() => (dash(), Tone::Normal),
            None => (String::new(), Tone::Normal),
        }
    }

    /// How serious its errors and its latency are.
    fn tones(&self) -> [Tone; 2] {
        let levels = self.totals().map(|totals| totals.levels).unwrap_or_default();
        [levels.success, levels.latency].map(tone)
    }

    /// Sums over the last minutes.
    pub(super) fn totals(&self) -> Option<&Totals> {
        self.past.as_ref().map(|place| &place.totals)
    }

    /// Which of two comes first when sorted by a column: names by the alphabet, figures from high.
    fn compare(&self, other: &Self, column: Column) -> Ordering {
        let float = |of: &dyn Fn(&Self) -> f64| of(other).total_cmp(&of(self));
        let time = |of: fn(&Times) -> u64| {
            let of = |row: &Self| row.totals().and_then(|totals| totals.duration.as_ref()).map(of);
            of(other).cmp(&of(self))
        };
        let known = |share: Option<f64>| share.unwrap_or(-1.0);
        match column {
            Column::Trouble => {
                let trouble = |row: &Self| row.tones().into_iter().fold(row.tone, Tone::max);
                let errors = float(&|row| known(row.errors));
                trouble(other).cmp(&trouble(self)).then(errors).then(float(&|row| row.rate))
            }
            Column::Name => self.name().cmp(&other.name()),
            Column::State => other.tone.cmp(&self.tone).then_with(|| self.state.cmp(&other.state)),
            Column::Rate => float(&|row| row.rate),
            Column::Share => float(&|row| known(row.share)),
            Column::Errors => float(&|row| known(row.errors)),
            Column::Failed => {
                let failed = |row: &Self| row.totals().map(|totals| totals.failed_attempts);
                failed(other).cmp(&failed(self))
            }
            Column::P50 => time(|times| times.p50_us),
            Column::P95 => time(|times| times.p95_us),
            Column::P99 => time(|times| times.p99_us),
            Column::FirstByte => {
                let of = |row: &Self| Some(row.totals()?.first_byte?.p50_us);
                of(other).cmp(&of(self))
            }
            Column::Reuse => float(&|row| known(row.reuse)),
            Column::InFlight => other.in_flight.cmp(&self.in_flight),
            Column::Queue => {
                let waiting = |row: &Self| row.queue.as_ref().map(|queue| queue.waiting);
                waiting(other).cmp(&waiting(self))
            }
            Column::Pool => other.pool.cmp(&self.pool),
        }
    }

    /// Whether it is meant by a filter in small letters.
    fn matches(&self, filter: &str) -> bool {
        let name = self.key.endpoint.as_ref().unwrap_or(&self.key.service).as_str();
        [name, &self.state].iter().any(|text| text.to_lowercase().contains(filter))
    }
}

/// Where nothing is known.
fn dash() -> String {
    "-".to_owned()
}

/// The tone of a figure, which has one only where something is wrong.
pub(super) fn tone(level: Told) -> Tone {
    match level.0 {
        Level::Hurt => Tone::Bad,
        Level::Warn => Tone::Warn,
        Level::Ok | Level::Unknown | Level::Note => Tone::Normal,
    }
}

/// How rows are chosen and put in order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order<'o> {
    pub(super) sort: Column,
    /// Whether the other way round.
    pub(super) is_reversed: bool,
    /// Only what contains this.
    pub(super) filter: &'o str,
    /// Only this service.
    pub(super) only: Option<&'o Shown>,
}

/// The rows in order. A service is shown with all its endpoints when it is meant itself, else with
/// those that are.
pub(super) fn rows(figures: &Figures, order: Order<'_>) -> Vec<Row> {
    let filter = order.filter.to_lowercase();
    let mut groups: Vec<(Row, Vec<Row>)> = groups(figures);
    groups.retain_mut(|(service, endpoints)| {
        let is_only = order.only.is_none_or(|only| service.key.service == *only);
        if !service.matches(&filter) {
            endpoints.retain(|row| row.matches(&filter));
        }
        is_only && (service.matches(&filter) || !endpoints.is_empty())
    });
    let compare = |a: &Row, b: &Row| {
        let order_of_two = a.compare(b, order.sort);
        if order.is_reversed { order_of_two.reverse() } else { order_of_two }
    };
    groups.sort_by(|(a, _), (b, _)| compare(a, b));
    let flat = groups.into_iter().flat_map(|(service, mut endpoints)| {
        endpoints.sort_by(compare);
        std::iter::once(service).chain(endpoints)
    });
    flat.collect()
}

/// Services as they are configured, each with its endpoints.
fn groups(figures: &Figures) -> Vec<(Row, Vec<Row>)> {
    let live = &figures.live;
    let all: f64 = live.endpoints.iter().map(|one| one.attempts_rate).sum();
    let mut services: Vec<(&Shown, Vec<&Endpoint>)> = Vec::new();
    let mut indexes = HashMap::new();
    for one in &live.endpoints {
        let index = *indexes.entry(&one.service).or_insert(services.len());
        if index == services.len() {
            services.push((&one.service, Vec::new()));
        }
        services[index].1.push(one);
    }
    let group = |(name, own): (&Shown, Vec<&Endpoint>)| {
        let rate = own.iter().map(|one| one.attempts_rate).sum();
        let endpoints = own.iter().map(|one| endpoint(figures, one, rate)).collect();
        (service(figures, name, &own, all), endpoints)
    };
    services.into_iter().map(group).collect()
}

/// A part of a rate.
fn part(rate: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then_some(rate / whole)
}

/// The row of a service.
fn service(figures: &Figures, name: &Shown, own: &[&Endpoint], all_rate: f64) -> Row {
    let sum = |of: fn(&Endpoint) -> u64| -> u64 { own.iter().map(|one| of(one)).sum() };
    let up = own.iter().filter(|one| one.state.as_str() == "up").count();
    let (state, tone) = match own.len() {
        count if up == count => (format!("{up} up"), Tone::Good),
        count if up == 0 => (format!("0 of {count} up"), Tone::Bad),
        count => (format!("{up} of {count} up"), Tone::Warn),
    };
    let past = figures.past.as_ref().and_then(|past| past.of(name, None)).cloned();
    let rate = own.iter().map(|one| one.attempts_rate).sum();
    let reused = sum(|one| one.connections_reused);
    let queue = figures.live.queues.iter().find(|queue| queue.service == *name).cloned();
    Row {
        key: Key { service: name.clone(), endpoint: None },
        state,
        tone,
        rate,
        share: part(rate, all_rate),
        errors: past.as_ref().and_then(|place| place.totals.failed_share()),
        reuse: number::share(reused, reused + sum(|one| one.connections_opened)),
        in_flight: queue.as_ref().map_or(sum(|one| one.in_flight), |queue| queue.in_flight),
        queue,
        pool: [sum(|one| one.connections_active), sum(|one| one.connections_idle)],
        past,
    }
}

/// The row of an endpoint.
fn endpoint(figures: &Figures, one: &Endpoint, service_rate: f64) -> Row {
    let past = figures.past.as_ref().and_then(|past| past.of(&one.service, Some(&one.name)));
    let tone = match one.state.as_str() {
        "up" => Tone::Good,
        "trial" | "kept" | "ejected" => Tone::Warn,
        _ => Tone::Normal,
    };
    let now_ms = figures.live.time_ms;
    let since = one.since_ms.map(|since_ms| span_of(now_ms.saturating_sub(since_ms) / 1_000));
    let state =
        since.map_or_else(|| one.state.to_string(), |since| format!("{} {since}", one.state));
    let reused = one.connections_reused;
    let known = past.and_then(|place| place.totals.failed_share());
    Row {
        key: Key { service: one.service.clone(), endpoint: Some(one.name.clone()) },
        state,
        tone,
        rate: one.attempts_rate,
        share: part(one.attempts_rate, service_rate),
        // Without rollups, of attempts and of the last seconds.
        errors: if figures.past.is_some() {
            known
        } else {
            part(one.failures_rate, one.attempts_rate)
        },
        reuse: number::share(reused, reused + one.connections_opened),
        in_flight: one.in_flight,
        queue: None,
        pool: [one.connections_active, one.connections_idle],
        past: past.cloned(),
    }
}
