//! The verdict: are users hurt, by what, since when, where to look. One list for page, `top` and demo,
//! which only draw it.
//!
//! What is about users comes first, the worst before the others, and then what is about the records:
//! records that are late or lost hurt nobody. The list always begins with something about users, is bounded,
//! and says how many it left out. Pure. Not here: levels (`level`), when something began (`spell`), the
//! words (`words`).

mod situation;
mod spell;
mod words;

use std::cmp::Reverse;

pub use situation::{
    Minutes, Misses, OutOfRotation, Requests, ServiceMinutes, ShippingState, Situation, Trust, most,
};
pub use spell::Slice;
pub use words::{Word, render};

use super::level::{Level, Targets, is_over};
use spell::Spell;

/// What happened within this long before now is judged.
pub const WINDOW_MS: u64 = 5 * 60_000;
/// Figures older than this are behind: they are made every five seconds.
pub const FIGURES_BEHIND_MS: u64 = 15_000;
/// Records may wait to be stored for so long before it is worth a word.
pub const SHIPPING_BEHIND_S: u64 = 60;
/// Most verdicts at a time.
pub const LIST_MAX: usize = 8;

/// What a verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// Users.
    Users,
    /// Whether figures can be trusted.
    Records,
}

impl Concern {
    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Records => "records",
        }
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whom it concerns.
    pub about: Concern,
    /// How serious it is.
    pub level: Level,
    /// Which service; `None` for all, or for requests that are of none.
    pub service: Option<String>,
    /// How many requests of how many, since it began; 0 of 0 where it is not about requests.
    pub misses: Misses,
    /// Since when.
    pub since_ms: Option<u64>,
    /// Until when; `None` while it goes on.
    pub until_ms: Option<u64>,
    /// Where to look.
    pub look_at: LookAt,
    /// All of it in a sentence.
    pub words: Vec<Word>,
}

/// Where to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LookAt {
    /// Nowhere.
    #[default]
    Nothing,
    /// Requests since then, of the verdict's service.
    Requests {
        /// Where the counts begin.
        since_ms: u64,
        /// Which of them.
        which: Selection,
    },
    /// The verdict's service with its endpoints.
    Services,
    /// The process.
    Process,
    /// The way of the records.
    Shipping,
}

/// Some requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// Those that failed.
    Failed,
    /// Those that took at least so many microseconds.
    SlowerThan(u64),
}

impl LookAt {
    /// The page of the live page.
    pub const fn page(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Requests { .. } => Some("requests"),
            Self::Services => Some("services"),
            Self::Process => Some("process"),
            Self::Shipping => Some("shipping"),
        }
    }
}

/// All verdicts, most important first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdicts {
    /// At least one, the first about users.
    pub list: Vec<Verdict>,
    /// Those that found no room.
    pub more: usize,
}

/// The verdicts of a situation.
pub fn judge(situation: &Situation<'_>) -> Verdicts {
    let mut list = services(situation);
    let is_kept = list.is_empty();
    list.extend(words::shortages(situation.shortages));
    list.extend(out_of_rotation(situation.out));
    if situation.is_draining {
        list.push(words::draining());
    }
    list.extend(rest(situation, is_kept));
    list.sort_by_key(|one| Reverse(one.level));
    list.extend(words::trust(&situation.trust));
    let more = list.len().saturating_sub(LIST_MAX);
    list.truncate(LIST_MAX);
    Verdicts { list, more }
}

/// What is said of requests where nothing is missed, or nobody can tell.
fn rest(situation: &Situation<'_>, is_kept: bool) -> Option<Verdict> {
    let minutes = match situation.requests {
        Requests::Off => return Some(words::not_configured()),
        Requests::Soon => return Some(words::no_data_yet()),
        Requests::Counted(minutes) => minutes,
    };
    if let Some(seconds) = behind_s(minutes.until_ms, situation.now_ms) {
        return Some(words::behind(seconds));
    }
    let known: Vec<_> = minutes.services.iter().filter(|one| one.failing.all > 0).collect();
    let named: Vec<_> = known.iter().filter_map(|one| one.name.as_deref()).collect();
    is_kept.then(|| match (minutes.requests, known.is_empty(), &*named) {
        (0, ..) => words::no_traffic(),
        (requests, true, _) => words::no_outcome(requests),
        (_, false, []) => words::no_service(),
        (_, false, named) => words::kept(named),
    })
}

/// Seconds that figures are behind, where that is worth a word.
pub fn behind_s(until_ms: u64, now_ms: u64) -> Option<u64> {
    let late_ms = now_ms.saturating_sub(until_ms);
    (until_ms > 0 && late_ms > FIGURES_BEHIND_MS).then_some(late_ms / 1_000)
}

/// Services that miss what is promised, those that do so most first.
fn services(situation: &Situation<'_>) -> Vec<Verdict> {
    let Requests::Counted(minutes) = situation.requests else { return Vec::new() };
    let mut missed = Vec::new();
    for service in &minutes.services {
        let targets = situation.targets.of(service.name.as_deref());
        missed.extend(failing(service, minutes, targets));
        missed.extend(slow(service, minutes, targets));
    }
    let share = |of: &Misses| u128::from(of.bad) * 1_000_000 / u128::from(of.all.max(1));
    missed.sort_by_key(|one| Reverse((one.level, share(&one.misses))));
    missed
}

fn failing(service: &ServiceMinutes, minutes: &Minutes, targets: Targets) -> Option<Verdict> {
    let (misses, budget_ppm) = (&service.failing, targets.served.budget_ppm());
    let is_bad = |slice: &Slice| is_over(slice.bad, slice.all, budget_ppm);
    let spell = spell::last(&service.slices, minutes.until_ms, is_bad);
    // What is counted since it began says more than the same with the minutes before.
    let (bad, all) = spell.map_or((misses.bad, misses.all), |spell| (spell.bad, spell.all));
    missed(Missed {
        name: service.name.as_deref(),
        level: targets.failing(misses.bad, misses.all),
        misses: Misses { bad, all, ..misses.clone() },
        spell,
        since_ms: minutes.since_ms,
        which: Selection::Failed,
    })
}

fn slow(service: &ServiceMinutes, minutes: &Minutes, targets: Targets) -> Option<Verdict> {
    let (misses, fast_us) = (&service.slow, targets.fast_us);
    let is_bad = |slice: &Slice| slice.p99_us.is_some_and(|p99_us| p99_us > fast_us);
    missed(Missed {
        name: service.name.as_deref(),
        level: targets.slow(misses.bad, misses.all),
        misses: misses.clone(),
        spell: spell::last(&service.slices, minutes.until_ms, is_bad),
        since_ms: minutes.since_ms,
        which: Selection::SlowerThan(fast_us),
    })
}

/// What a service has missed, or not.
struct Missed<'m> {
    name: Option<&'m str>,
    level: Level,
    misses: Misses,
    spell: Option<Spell>,
    /// Where the counts begin.
    since_ms: u64,
    which: Selection,
}

/// Its verdict, if it is worth one. What is over hurts nobody now.
fn missed(missed: Missed<'_>) -> Option<Verdict> {
    let Missed { name, level, misses, spell, since_ms, which } = missed;
    if level < Level::Warn {
        return None;
    }
    let is_over = spell.is_some_and(|spell| spell.until_ms.is_some());
    let words = match which {
        Selection::Failed => words::failing(name, &misses, spell),
        Selection::SlowerThan(us) => words::slow(name, &misses, spell, us),
    };
    Some(Verdict {
        about: Concern::Users,
        level: if is_over { Level::Warn } else { level },
        service: name.map(str::to_owned),
        misses,
        since_ms: spell.map(|spell| spell.since_ms),
        until_ms: spell.and_then(|spell| spell.until_ms),
        look_at: LookAt::Requests { since_ms, which },
        words,
    })
}

/// One verdict for each service with endpoints that are not in rotation.
fn out_of_rotation(out: &[OutOfRotation<'_>]) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = Vec::new();
    for one in out {
        let is_same = |known: &Verdict| known.service.as_deref() == Some(one.service);
        if !verdicts.iter().any(is_same) {
            let own = out.iter().filter(|other| other.service == one.service).count();
            verdicts.push(words::out(one, own - 1));
        }
    }
    verdicts
}

#[cfg(test)]
mod tests;
