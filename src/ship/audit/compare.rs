//! Lays what the server has upon what the journal says: an account for each lane and kind, and the holes.
//!
//! Not here: how either is asked (`held`, `stored`), sets of numbers (`numbers`).

use std::collections::{BTreeMap, BTreeSet};

use super::held::{self, Held, Journaled};
use super::numbers::{Account, Known, Runs};
use super::stored::{self, Asker, Span};
use super::{AuditError, Finding, Hole, Lane, Options, Window};
use crate::record::{Dataset, Stream};

/// Holes whose time is asked for, and that are told one by one.
const HOLES_MAX: usize = 20;
/// Most rollups that are looked up by `_id`.
const IDS_MAX: usize = 20_000;

/// What the server has of one lane and kind.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Numbers by index.
    stored: Vec<(String, Runs)>,
    /// Numbers that stand twice in one index.
    doubled: Runs,
    /// Numbers of documents in the window.
    meant: Option<(u64, u64)>,
    /// Whether an index of the stream was deleted.
    has_lost_index: bool,
}

#[derive(Debug, Default)]
pub(super) struct Failures {
    numbers: BTreeMap<Lane, Runs>,
    /// Whether the credentials may not look into one.
    pub(super) is_unread: bool,
}

/// An audit in the making.
pub(super) struct Audit<'a> {
    pub(super) options: &'a Options<'a>,
    pub(super) journaled: Journaled,
    /// Numbers of dead letters.
    pub(super) dead: BTreeMap<Lane, Runs>,
    /// What failure stores hold, where the server has any.
    pub(super) failures: Option<Failures>,
    pub(super) asker: Asker<'a>,
    pub(super) lanes: BTreeMap<Lane, Found>,
    /// Told what is looked at.
    pub(super) progress: &'a mut dyn FnMut(&str),
}

impl Audit<'_> {
    /// Asks the server about one dataset.
    pub(super) async fn look_at(&mut self, dataset: Dataset) -> Result<(), AuditError> {
        self.asker.refresh(dataset).await?;
        let indices = self.asker.indices(dataset).await?;
        let has_lost_index = indices.first().is_some_and(|oldest| stored::generation(oldest) > 1);
        let window = self.options.window;
        let instances = self.journaled.instances.clone();
        for (n, index) in indices.iter().enumerate() {
            for instance in &instances {
                let spans = self.asker.lanes(dataset, index, *instance, Window::default()).await?;
                let meant = if window.is_open() {
                    BTreeMap::new()
                } else {
                    self.asker.lanes(dataset, index, *instance, window).await?
                };
                for (lane, span) in spans {
                    let requests = self.asker.requests;
                    let (place, of) = (n + 1, indices.len());
                    (self.progress)(&format!("{lane}, index {place} of {of}; {requests} requests"));
                    let (runs, doubled) = self.asker.numbers(index, lane, span).await?;
                    let found = self.lanes.entry(lane).or_default();
                    found.stored.push((index.clone(), runs));
                    found.doubled = found.doubled.or(&doubled);
                    found.has_lost_index = has_lost_index;
                    if let Some(Span { first, last, .. }) = meant.get(&lane) {
                        let (low, high) = found.meant.unwrap_or((*first, *last));
                        found.meant = Some((low.min(*first), high.max(*last)));
                    }
                }
            }
        }
        for (lane, _) in self
            .journaled
            .lanes
            .iter()
            .filter(|(lane, _)| lane.kind().is_some_and(|kind| kind.dataset() == dataset))
        {
            self.lanes.entry(*lane).or_default().has_lost_index = has_lost_index;
        }
        Ok(())
    }

    pub(super) async fn findings(&mut self) -> Result<Vec<Finding>, AuditError> {
        // Always: what a start dropped last is told by a later one, and leaves no hole.
        (self.progress)("looking for records of gaps");
        for instance in self.journaled.instances.clone() {
            self.asker.gaps(instance, &mut self.journaled.gaps).await?;
        }
        for lane in self.journaled.gaps.keys().filter(|lane| lane.kind().is_some()) {
            self.lanes.entry(*lane).or_default();
        }
        self.look_into_failure_stores().await?;
        let mut accounts = self.accounts();
        for kind in [Stream::Rollup, Stream::Slo] {
            self.find_again(kind, &mut accounts).await?;
        }
        let mut findings = Vec::new();
        let mut told = 0;
        for (lane, account) in accounts {
            let holes = self.holes(lane, &account, HOLES_MAX.saturating_sub(told)).await?;
            told += holes.len();
            let found = self.lanes.get(&lane);
            let indices = found.into_iter().flat_map(|found| &found.stored);
            let twice_in = indices
                .filter(|(_, runs)| !runs.and(&account.twice).is_empty())
                .map(|(index, _)| index.clone())
                .collect();
            findings.push(Finding { lane, account, holes, twice_in });
        }
        Ok(findings)
    }

    /// Asks for the failure stores of streams in which something is missing.
    async fn look_into_failure_stores(&mut self) -> Result<(), AuditError> {
        let accounts = self.accounts();
        let Some(failures) = &mut self.failures else { return Ok(()) };
        let is_incomplete = |dataset: &Dataset| {
            accounts.iter().any(|(lane, account)| {
                let own = lane.kind().map(Stream::dataset);
                own == Some(*dataset) && !account.missing.is_empty()
            })
        };
        for dataset in Dataset::ALL.into_iter().filter(is_incomplete) {
            (self.progress)("looking into the failure store");
            let may_look = self.asker.failures(dataset, &mut failures.numbers).await?;
            failures.is_unread |= !may_look;
        }
        Ok(())
    }

    /// The account of every lane and kind that has a number.
    fn accounts(&self) -> Vec<(Lane, Account)> {
        let nothing = Held::default();
        let accounts = self.lanes.iter().map(|(lane, found)| {
            let held = self.journaled.lanes.get(lane);
            let asked = self.asked(*lane, held, found);
            let held = held.unwrap_or(&nothing);
            // A record that is not in the journal any more can have been deleted for its age only
            // where an index was.
            let gone =
                if found.has_lost_index { asked.without(&held.there) } else { Runs::default() };
            let of =
                |by_lane: &BTreeMap<Lane, Runs>| by_lane.get(lane).cloned().unwrap_or_default();
            let known = Known {
                stored: found.stored.iter().map(|(_, runs)| runs.clone()).collect(),
                doubled: found.doubled.clone(),
                waiting: held.waiting.clone(),
                dead: of(&self.dead),
                failure_store: self.failures.as_ref().map(|f| of(&f.numbers)).unwrap_or_default(),
                gaps: of(&self.journaled.gaps),
                aged: gone.or(&held.old),
                asked,
            };
            (*lane, known.account())
        });
        accounts.filter(|(_, account)| account.created > 0).collect()
    }

    /// The numbers of a lane that are asked about.
    fn asked(&self, lane: Lane, held: Option<&Held>, found: &Found) -> Runs {
        let start = self.journaled.start;
        let is_earlier =
            start.is_none_or(|start| lane.instance != start.instance || lane.epoch < start.epoch);
        let told = self.journaled.gaps.get(&lane);
        asked(held, found, told, is_earlier, self.options.window.is_open())
    }

    /// Rows of sums that were written again after a crash have a new number and the `_id` of the first
    /// writing, under which they are stored. Those that the journal still holds are looked up; those
    /// that it does not hold were acknowledged and are believed.
    async fn find_again(
        &mut self,
        kind: Stream,
        accounts: &mut [(Lane, Account)],
    ) -> Result<(), AuditError> {
        let is_one = |lane: &Lane| lane.kind() == Some(kind);
        let missing: BTreeMap<Lane, Runs> = accounts
            .iter()
            .filter(|(lane, account)| is_one(lane) && !account.missing.is_empty())
            .map(|(lane, account)| (*lane, account.missing.clone()))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        (self.progress)("looking for rows that were written again");
        let ids = held::ids(self.options.folder, &missing, IDS_MAX)?;
        let names: Vec<&str> = ids.iter().map(|(_, _, id)| id.as_str()).collect();
        let stored = self.asker.ids(kind.dataset(), &names).await?;
        let stored: BTreeSet<_> = stored.into_iter().collect();
        for (lane, account) in accounts.iter_mut().filter(|(lane, _)| is_one(lane)) {
            let of_lane = ids.iter().filter(|(own, ..)| own == lane);
            let (mut found, mut held) = (Runs::default(), Runs::default());
            for (_, number, id) in of_lane {
                held.add(*number);
                if stored.contains(id) {
                    found.add(*number);
                }
            }
            account.found_again(&found.or(&account.missing.without(&held)));
        }
        Ok(())
    }

    /// The first holes of a lane, with their times.
    async fn holes(
        &mut self,
        lane: Lane,
        account: &Account,
        most: usize,
    ) -> Result<Vec<Hole>, AuditError> {
        let runs: Vec<_> = account.missing.runs().iter().copied().take(most).collect();
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let beside: Vec<u64> =
            runs.iter().flat_map(|(first, last)| [first.saturating_sub(1), last + 1]).collect();
        let times = self.asker.times_ms(lane, &beside).await?;
        let there = self.journaled.lanes.get(&lane).map(|held| held.there.clone());
        let there = there.unwrap_or_default();
        let hole = |(first, last): (u64, u64)| Hole {
            first,
            last,
            after_ms: times.get(&first.saturating_sub(1)).copied(),
            before_ms: times.get(&(last + 1)).copied(),
            held: there.and(&Runs::between(first, last)).count(),
        };
        Ok(runs.into_iter().map(hole).collect())
    }
}

/// The numbers of a lane that are asked about; `told` are those that gap records tell of.
fn asked(
    held: Option<&Held>,
    found: &Found,
    told: Option<&Runs>,
    is_earlier: bool,
    is_window_open: bool,
) -> Runs {
    let on_server = found.stored.iter().filter_map(|(_, runs)| runs.last()).max();
    let last_told = told.and_then(Runs::last);
    let last = match held {
        // The journal tells the last; an earlier start may have lost its end with the power, or have
        // dropped it.
        Some(held) if is_earlier => held.last.max(on_server.max(last_told).unwrap_or(0)),
        Some(held) => held.last,
        None if is_earlier && on_server.is_none() && is_window_open => {
            return told.cloned().unwrap_or_default(); // what came before may be gone for its age
        }
        None if is_earlier => on_server.max(last_told).unwrap_or(0),
        None => 0, // begun after this audit
    };
    if is_window_open {
        return Runs::between(1, last);
    }
    let ends = held.and_then(|held| Some((held.meant.first()?, held.meant.last()?)));
    let both = [ends, found.meant];
    let (low, high) = both
        .into_iter()
        .flatten()
        .fold((u64::MAX, 0), |(low, high), one| (low.min(one.0), high.max(one.1)));
    Runs::between(low, high.min(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a start dropped at its end is told by the next one, behind every document that it left.
    #[test]
    fn numbers_behind_the_last_document_are_asked_about_when_a_gap_record_tells_of_them() {
        let held = Held { last: 4, ..Held::default() };
        let stored = |last| Found {
            stored: vec![("index".to_owned(), Runs::between(1, last))],
            ..Found::default()
        };
        for (name, held, found, is_earlier, created, gaps) in [
            ("stored before them", None, stored(4), true, 10, 6),
            ("held before them", Some(&held), stored(4), true, 10, 6),
            ("nothing else is left", None, Found::default(), true, 6, 6),
            ("told after the journal was read", Some(&held), stored(4), false, 4, 0),
            ("begun after this audit", None, stored(4), false, 0, 0),
        ] {
            let told = Runs::between(5, 10);
            let asked = asked(held, &found, Some(&told), is_earlier, true);
            let stored = found.stored.into_iter().map(|(_, runs)| runs).collect();
            let account = Known { asked, stored, gaps: told, ..Known::default() }.account();
            let figures = (account.created, account.gaps, account.sum(), account.missing.count());
            assert_eq!(figures, (created, gaps, created, 0), "{name}");
        }
    }
}
