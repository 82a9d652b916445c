//! The words of verdicts: written here and nowhere else, so that page, `top` and demo say the same.
//!
//! A time stays a number to the end, since whoever reads it has a clock of their own. Names come from
//! outside and are made visible here.

use std::fmt::{self, Display};

use super::spell::Spell;
use super::{Concern, LookAt, Misses, OutOfRotation, ShippingState, Trust, Verdict};
use crate::base::instant::time_of_day;
use crate::base::units::{format_count, format_micros, format_seconds, format_share};
use crate::base::visible::visible;
use crate::slo::Level;

/// What is judged: `WINDOW_MS` in words.
const WINDOW: &str = "in the last 5 minutes";

/// A piece of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// As it is.
    Text(String),
    /// A time, in milliseconds since 1970.
    Time(u64),
}

/// A sentence, with times as this clock writes them.
pub fn render(words: &[Word], clock: impl Fn(u64) -> String) -> String {
    let text = |word: &Word| match word {
        Word::Text(text) => text.clone(),
        Word::Time(ms) => clock(*ms),
    };
    words.iter().map(text).collect()
}

impl Verdict {
    /// Its sentence, with times in UTC.
    pub fn text(&self) -> String {
        render(&self.words, time_of_day)
    }

    /// With nothing but a sentence.
    fn plain(about: Concern, level: Level, look_at: LookAt, words: Sentence) -> Self {
        Self {
            about,
            level,
            service: None,
            misses: Misses::default(),
            since_ms: None,
            until_ms: None,
            look_at,
            words: words.0,
        }
    }
}

/// A sentence that is being written.
#[derive(Debug, Default)]
struct Sentence(Vec<Word>);

impl Sentence {
    fn new(text: impl Display) -> Self {
        Self::default().and(text)
    }

    fn and(mut self, text: impl Display) -> Self {
        let text = text.to_string();
        match self.0.last_mut() {
            Some(Word::Text(last)) => last.push_str(&text),
            _ if text.is_empty() => (),
            _ => self.0.push(Word::Text(text)),
        }
        self
    }

    fn time(mut self, ms: u64) -> Self {
        self.0.push(Word::Time(ms));
        self
    }

    fn since(self, since_ms: Option<u64>) -> Self {
        match since_ms {
            Some(since_ms) => self.and(" since ").time(since_ms),
            None => self,
        }
    }

    /// When: since, or from and to; nothing where it is not known.
    fn when(self, spell: Option<Spell>) -> Self {
        match spell.map(|spell| (spell.since_ms, spell.until_ms)) {
            Some((from, Some(to))) => self.and(" from ").time(from).and(" to ").time(to),
            Some((since, None)) => self.since(Some(since)),
            None => self,
        }
    }

    /// What most of them have in common.
    fn most(self, misses: &Misses) -> Self {
        match (&misses.reason, &misses.endpoint) {
            (Some(reason), Some(endpoint)) => {
                self.and(format_args!(", most of them {} at {}", name(reason), name(endpoint)))
            }
            (Some(reason), None) => self.and(format_args!(", most of them {}", name(reason))),
            (None, Some(endpoint)) => {
                self.and(format_args!(", most of them at {}", name(endpoint)))
            }
            (None, None) => self,
        }
    }
}

/// A name from outside.
fn name(text: &str) -> impl fmt::Display + '_ {
    visible(text.as_bytes())
}

/// Whose requests.
fn whose(service: Option<&str>) -> String {
    service.map_or_else(|| "requests for no service".to_owned(), |one| name(one).to_string())
}

#[expect(clippy::cast_precision_loss, reason = "shares are shown with three digits")]
fn share(misses: &Misses) -> String {
    format_share(misses.bad as f64 / misses.all.max(1) as f64)
}

pub(super) fn failing(service: Option<&str>, misses: &Misses, spell: Option<Spell>) -> Vec<Word> {
    let text = format!("{}: {} of requests failed", whose(service), share(misses));
    let sentence = match spell {
        Some(_) => Sentence::new(text).when(spell),
        None => Sentence::new(format_args!("{text} {WINDOW}")),
    };
    sentence.most(misses).and('.').0
}

pub(super) fn slow(
    service: Option<&str>,
    misses: &Misses,
    spell: Option<Spell>,
    fast_us: u64,
) -> Vec<Word> {
    let is = if spell.is_some_and(|spell| spell.until_ms.is_some()) { "was" } else { "is" };
    let (bound, share) = (format_micros(fast_us), share(misses));
    Sentence::new(format_args!("{} {is} slow", whose(service)))
        .when(spell)
        .and(format_args!(": {share} of requests {WINDOW} took more than {bound}"))
        .most(misses)
        .and('.')
        .0
}

pub(super) fn shortages(kinds: &[&str]) -> Option<Verdict> {
    (!kinds.is_empty()).then(|| {
        let kinds = kinds.join(", ");
        let text = Sentence::new(format_args!(
            "The system refuses this process {kinds}: connections fail; the log says what to raise."
        ));
        Verdict::plain(Concern::Users, Level::Hurt, LookAt::Process, text)
    })
}

/// An endpoint that is not in rotation, and so many more of its service.
pub(super) fn out(one: &OutOfRotation<'_>, more: usize) -> Verdict {
    let state = if one.is_kept { "fails and is kept in rotation" } else { "is ejected" };
    let sentence =
        Sentence::new(format_args!("{} of {} {state}", name(one.endpoint), name(one.service)))
            .since(one.since_ms);
    let sentence = match more {
        0 => sentence,
        more => sentence.and(format_args!(", and {more} more")),
    };
    Verdict {
        service: Some(one.service.to_owned()),
        misses: Misses { endpoint: Some(one.endpoint.to_owned()), ..Misses::default() },
        since_ms: one.since_ms,
        ..Verdict::plain(Concern::Users, Level::Warn, LookAt::Services, sentence.and('.'))
    }
}

pub(super) fn draining() -> Verdict {
    let text = Sentence::new("Draining: no new connections are taken.");
    Verdict::plain(Concern::Users, Level::Note, LookAt::Nothing, text)
}

pub(super) fn not_configured() -> Verdict {
    let text = Sentence::new(
        "Not configured: outcomes and latencies need telemetry.rollup.every, such as 1m.",
    );
    Verdict::plain(Concern::Users, Level::Unknown, LookAt::Nothing, text)
}

pub(super) fn no_data_yet() -> Verdict {
    let text =
        Sentence::new("No data yet: the first figures come within five seconds of the start.");
    Verdict::plain(Concern::Users, Level::Unknown, LookAt::Nothing, text)
}

pub(super) fn behind(seconds: u64) -> Verdict {
    let late = format_seconds(seconds);
    let text = Sentence::new(format_args!("No data: the figures are behind by {late}."));
    Verdict::plain(Concern::Users, Level::Unknown, LookAt::Process, text)
}

pub(super) fn no_traffic() -> Verdict {
    let text = Sentence::new(format_args!("No traffic {WINDOW}."));
    Verdict::plain(Concern::Users, Level::Unknown, LookAt::Nothing, text)
}

pub(super) fn no_outcome(requests: u64) -> Verdict {
    let text = Sentence::new(format_args!(
        "No outcome is known: clients left before the end of all {} requests {WINDOW}.",
        format_count(requests)
    ));
    Verdict::plain(Concern::Users, Level::Unknown, LookAt::Nothing, text)
}

pub(super) fn no_service() -> Verdict {
    let text = Sentence::new(format_args!("No request {WINDOW} was for a service."));
    Verdict::plain(Concern::Users, Level::Unknown, LookAt::Nothing, text)
}

/// Every service with requests keeps its objectives.
pub(super) fn kept(services: &[&str]) -> Verdict {
    let text = match services {
        [one] => Sentence::new(format_args!("{} is within its objectives.", name(one))),
        all => Sentence::new(format_args!(
            "All {} services with traffic are within their objectives.",
            all.len()
        )),
    };
    Verdict::plain(Concern::Users, Level::Ok, LookAt::Nothing, text)
}

/// What keeps figures and stored records from telling everything.
pub(super) fn trust(trust: &Trust<'_>) -> Vec<Verdict> {
    let fault = trust.fault.map(|fault| format!("Records: {}.", name(fault)));
    let lost = (trust.lost > 0).then(|| {
        format!("{} records are lost: figures say less than happened.", format_count(trust.lost))
    });
    let shipping = match trust.shipping {
        ShippingState::Blocked => Some(
            "Elasticsearch does not take records: they wait in the journal, the log says why."
                .to_owned(),
        ),
        ShippingState::DeadLettersFull => Some(
            "The file of dead letters is full: records wait in the journal until `lbproxy log resend` \
             has made room."
                .to_owned(),
        ),
        ShippingState::Unauthorized => {
            Some("Elasticsearch refuses the credentials: records wait in the journal.".to_owned())
        }
        _ if trust.is_behind() => {
            let late = format_seconds(trust.oldest_pending_s);
            Some(format!("Shipping is behind by {late}: what is stored is not all."))
        }
        _ => None,
    };
    let all = [fault, lost, shipping].into_iter().flatten();
    let verdict =
        |text| Verdict::plain(Concern::Records, Level::Warn, LookAt::Shipping, Sentence::new(text));
    all.map(verdict).collect()
}
