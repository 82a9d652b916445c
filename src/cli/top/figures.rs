//! What the admin API of a proxy tells, read: counters of now and figures of the last minutes.
//!
//! A field that is not there is zero or absent, so that `top` reads the API of another version; only
//! `about` has to look like lbproxy's. Every text comes from outside and is a [`Shown`]: nothing in
//! here can act on a terminal. Not here: how it was fetched (`fetch`).

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::base::visible::visible;
use crate::slo::Level;
use crate::slo::verdict::Word;

/// A text from outside, safe to show.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(from = "Option<String>")]
pub(super) struct Shown(String);

impl From<Option<String>> for Shown {
    fn from(text: Option<String>) -> Self {
        Self(visible(text.unwrap_or_default().as_bytes()).to_string())
    }
}

impl From<&str> for Shown {
    fn from(text: &str) -> Self {
        Self(visible(text.as_bytes()).to_string())
    }
}

impl Shown {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How serious something is; unknown where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Option<String>")]
pub(super) struct Told(pub(super) Level);

impl From<Option<String>> for Told {
    fn from(word: Option<String>) -> Self {
        Self(Level::of_word(&word.unwrap_or_default()))
    }
}

/// Are users hurt, by what, since when: as the proxy says it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Verdicts {
    /// Most important first.
    pub(super) list: Vec<Verdict>,
    /// Those that it left out.
    pub(super) more: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Verdict {
    pub(super) level: Told,
    words: Vec<Fragment>,
}

/// A piece of a sentence.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Fragment {
    Text(Shown),
    Time { time_ms: u64 },
}

impl Verdict {
    /// Its sentence.
    pub(super) fn words(&self) -> Vec<Word> {
        let word = |piece: &Fragment| match piece {
            Fragment::Text(text) => Word::Text(text.to_string()),
            Fragment::Time { time_ms } => Word::Time(*time_ms),
        };
        self.words.iter().map(word).collect()
    }
}

/// The answers as they came; `null` for what is switched off.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub(super) struct Raw {
    /// `/api/v1/about`
    pub(super) about: Value,
    /// The first event of `/api/v1/live`.
    pub(super) live: Value,
    /// `/api/v1/overview?range=5m`
    pub(super) overview: Value,
    /// `/api/v1/services?range=5m`
    pub(super) services: Value,
}

#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) about: About,
    pub(super) live: Live,
    /// The last minutes; `None` where rollups are off.
    pub(super) past: Option<Past>,
}

/// The last minutes.
#[derive(Debug, Clone)]
pub(super) struct Past {
    /// Of the whole proxy.
    pub(super) overview: Overview,
    /// Of its services and endpoints: service, and endpoint unless it is the whole service.
    places: HashMap<(Shown, Option<Shown>), Place>,
}

/// What does not change.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct About {
    pub(super) version: Shown,
    pub(super) instance: Shown,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Live {
    /// The proxy's clock.
    pub(super) time_ms: u64,
    pub(super) uptime_s: u64,
    /// Whether it takes no new connections.
    pub(super) is_draining: bool,
    /// Exchanges per second.
    pub(super) requests_rate: f64,
    /// Bytes from downstreams per second.
    pub(super) received_rate: f64,
    /// Bytes to downstreams per second.
    pub(super) sent_rate: f64,
    /// CPU time per time.
    pub(super) cpu_ratio: f64,
    pub(super) resident_bytes: u64,
    /// Downstream connections.
    pub(super) connections: u64,
    /// Those that found no room, since the start.
    pub(super) connections_refused: u64,
    pub(super) in_flight: u64,
    /// Every endpoint of every service.
    pub(super) endpoints: Vec<Endpoint>,
    /// Every service that limits exchanges under way.
    pub(super) queues: Vec<Queue>,
    pub(super) trust: Trust,
    pub(super) verdict: Verdicts,
    /// `None` where there is none.
    pub(super) slo: Option<Objectives>,
}

/// Whether what is promised is kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Objectives {
    /// The one that is worst; `None` before the first evaluation.
    pub(super) worst: Option<Promised>,
}

/// One series of an objective.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Promised {
    /// Its name for people.
    pub(super) title: Shown,
    /// Which part of it, by what it is grouped.
    pub(super) group: BTreeMap<String, Shown>,
    pub(super) level: Told,
    /// `inactive`, `pending` or `firing`.
    pub(super) state: Shown,
    /// Which alert that is.
    pub(super) alert: Option<Shown>,
    /// Events of its period.
    pub(super) valid: u64,
    /// Share of its budget; below 0 when it is overspent.
    pub(super) budget_left: f64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Endpoint {
    pub(super) service: Shown,
    #[serde(rename = "endpoint")]
    pub(super) name: Shown,
    pub(super) state: Shown,
    /// Since when.
    pub(super) since_ms: Option<u64>,
    /// Per second.
    pub(super) attempts_rate: f64,
    /// Per second.
    pub(super) failures_rate: f64,
    pub(super) in_flight: u64,
    pub(super) connections_active: u64,
    pub(super) connections_idle: u64,
    /// Since the start.
    pub(super) connections_opened: u64,
    /// Since the start.
    pub(super) connections_reused: u64,
}

/// Exchanges under way of a service that limits them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Queue {
    pub(super) service: Shown,
    pub(super) in_flight: u64,
    /// Its limit.
    pub(super) in_flight_max: u64,
    /// Exchanges that wait for one to end.
    pub(super) waiting: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Trust {
    pub(super) created: u64,
    /// Of those, in the journal.
    pub(super) journaled: u64,
    /// Lost: the journal was full.
    pub(super) dropped: u64,
    /// Lost: they could not be read.
    pub(super) damaged: u64,
    /// What is wrong with the journal folder, and the cure.
    pub(super) journal_fault: Option<Shown>,
    /// Bytes that readers still need.
    pub(super) journal_used_bytes: u64,
    /// Bytes that there are.
    pub(super) journal_capacity_bytes: u64,
    /// Rows of rollups that found no room.
    pub(super) rollup_lost: Option<u64>,
    pub(super) shipping: Shipping,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Shipping {
    /// In a word: `off`, `shipping`, `waiting`, `unauthorized`, `blocked`, `dead_letters_full`.
    pub(super) state: Shown,
    /// Stored.
    pub(super) acknowledged: u64,
    /// Stored before.
    pub(super) duplicate: u64,
    /// Stored aside by the server.
    pub(super) failure_store: u64,
    /// Refused, kept in a file.
    pub(super) dead_letter: u64,
    pub(super) pending: u64,
    /// Age of the oldest of them.
    pub(super) oldest_pending_s: u64,
    /// Whether that is worth a word.
    pub(super) is_behind: bool,
}

/// The last minutes of the whole proxy.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Overview {
    /// Where the figures begin.
    pub(super) since_ms: Option<u64>,
    pub(super) totals: Totals,
    /// Why exchanges ended, unless normally.
    pub(super) reasons: Vec<Reason>,
    pub(super) services: Vec<Place>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Services {
    /// Services, and endpoints of services.
    rows: Vec<Place>,
}

/// Figures of a service, or of one of its endpoints.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    pub(super) service: Shown,
    /// The endpoint; `None` for the whole service.
    pub(super) endpoint: Option<Shown>,
    /// Why exchanges ended, unless normally.
    pub(super) reasons: Vec<Reason>,
    #[serde(flatten)]
    pub(super) totals: Totals,
}

/// Sums over the last minutes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Totals {
    pub(super) requests: u64,
    pub(super) success: u64,
    /// Not served.
    pub(super) failure: u64,
    /// By class of status, 0 for none.
    pub(super) classes: [u64; 6],
    /// Attempts that failed here, whoever served the request then.
    pub(super) failed_attempts: u64,
    /// Of the whole exchange.
    pub(super) duration: Option<Times>,
    /// Until the first byte of the response.
    pub(super) first_byte: Option<Times>,
    pub(super) connect: Option<Times>,
    pub(super) levels: Levels,
}

/// How serious sums are.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Levels {
    pub(super) success: Told,
    pub(super) latency: Told,
}

/// A distribution of times, in microseconds.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Times {
    pub(super) p50_us: u64,
    /// 95 of 100 are shorter.
    pub(super) p95_us: u64,
    /// 99 of 100 are shorter.
    pub(super) p99_us: u64,
    pub(super) max_us: u64,
    pub(super) count: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reason {
    #[serde(rename = "reason")]
    pub(super) word: Shown,
    pub(super) count: u64,
    pub(super) meaning: Shown,
    pub(super) blame: Shown,
}

impl Figures {
    pub(super) fn read(raw: &Raw) -> Result<Self, serde_json::Error> {
        let past = if raw.overview.is_null() {
            None
        } else {
            let services = Services::deserialize(&raw.services)?;
            let places = services.rows.into_iter();
            let places = places.map(|one| ((one.service.clone(), one.endpoint.clone()), one));
            let overview = Overview::deserialize(&raw.overview)?;
            Some(Past { overview, places: places.collect() })
        };
        let (about, live) = (About::deserialize(&raw.about)?, Live::deserialize(&raw.live)?);
        Ok(Self { about, live, past })
    }
}

impl Past {
    /// The figures of a service, or of one of its endpoints.
    pub(super) fn of(&self, service: &Shown, endpoint: Option<&Shown>) -> Option<&Place> {
        self.places.get(&(service.clone(), endpoint.cloned()))
    }
}

impl Totals {
    /// The share that failed, of those whose outcome is known.
    pub(super) fn failed_share(&self) -> Option<f64> {
        super::super::number::share(self.failure, self.success + self.failure)
    }
}
