//! What a verdict is made of.

use super::Slice;
use crate::slo::ServiceTargets;

/// Everything that is known now.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'s> {
    /// The clock.
    pub now_ms: u64,
    /// Whether no new connections are taken.
    pub is_draining: bool,
    /// What became of requests.
    pub requests: Requests<'s>,
    /// Endpoints that are not plainly in rotation.
    pub out: &'s [OutOfRotation<'s>],
    /// What the system refuses the process, in words.
    pub shortages: &'s [&'s str],
    /// What became of the records.
    pub trust: Trust<'s>,
    /// What is promised.
    pub targets: &'s ServiceTargets,
}

/// What is known of requests.
#[derive(Debug, Clone, Copy)]
pub enum Requests<'s> {
    /// Nobody counts.
    Off,
    /// Nothing is counted yet.
    Soon,
    /// The last minutes.
    Counted(&'s Minutes),
}

/// The last minutes: [`WINDOW_MS`](super::WINDOW_MS), or a little more.
#[derive(Debug, Clone, Default)]
pub struct Minutes {
    /// Where the counts begin.
    pub since_ms: u64,
    /// When they were taken.
    pub until_ms: u64,
    /// Requests, whatever became of them.
    pub requests: u64,
    /// Services with requests.
    pub services: Vec<ServiceMinutes>,
}

/// What became of the requests of a service.
#[derive(Debug, Clone, Default)]
pub struct ServiceMinutes {
    /// `None` for requests that are of no service.
    pub name: Option<String>,
    /// Those that failed, of those whose outcome is known.
    pub failing: Misses,
    /// Those that took longer than its targets say.
    pub slow: Misses,
    /// The same time in pieces, oldest first.
    pub slices: Vec<Slice>,
}

/// Some of all, and what most of them have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Misses {
    /// How many.
    pub bad: u64,
    /// Of how many.
    pub all: u64,
    /// Why more than half of them.
    pub reason: Option<String>,
    /// Where more than half of them.
    pub endpoint: Option<String>,
}

/// The one that more than half of `all` have.
pub fn most(counts: impl IntoIterator<Item = (String, u64)>, all: u64) -> Option<String> {
    let (name, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (u128::from(count) * 2 > u128::from(all)).then_some(name)
}

/// An endpoint that is not plainly in rotation.
#[derive(Debug, Clone, Copy)]
pub struct OutOfRotation<'s> {
    /// Its service.
    pub service: &'s str,
    /// Its address.
    pub endpoint: &'s str,
    /// Whether it fails and is in rotation all the same.
    pub is_kept: bool,
    /// Since when, as far as that is known.
    pub since_ms: Option<u64>,
}

/// What became of the records.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trust<'s> {
    /// Lost: the journal was full, or they could not be read.
    pub lost: u64,
    /// What is wrong with the journal, and the cure.
    pub fault: Option<&'s str>,
    /// Whether they are stored.
    pub shipping: ShippingState,
    /// Age of the oldest that waits to be stored.
    pub oldest_pending_s: u64,
}

/// Whether records are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ShippingState {
    /// Not configured.
    #[default]
    Off,
    /// They are.
    Working,
    /// No server answers.
    Waiting,
    /// The server refuses the credentials.
    Unauthorized,
    /// The server does not take them.
    Blocked,
    /// What the server refuses for good has no room left.
    DeadLettersFull,
}

impl ShippingState {
    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Working => "shipping",
            Self::Waiting => "waiting",
            Self::Unauthorized => "unauthorized",
            Self::Blocked => "blocked",
            Self::DeadLettersFull => "dead_letters_full",
        }
    }
}

impl Trust<'_> {
    /// Whether records wait for so long that it is worth a word.
    pub fn is_behind(&self) -> bool {
        self.shipping != ShippingState::Off && self.oldest_pending_s > super::SHIPPING_BEHIND_S
    }
}
