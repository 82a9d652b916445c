//! Sequence numbers as runs, and the account of one lane: what became of each number.
//!
//! Invariants: runs are sorted, apart from each other and never empty, so that memory follows the
//! holes and not the records; every number of an account is in exactly one of its places, so the
//! account adds up by itself. Pure. Not here: where the numbers come from (`held`, `stored`).

/// Numbers, as inclusive runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs(Vec<(u64, u64)>);

impl Runs {
    /// The numbers from `first` to `last`; none when `last` is lower.
    pub fn between(first: u64, last: u64) -> Self {
        let mut runs = Self::default();
        runs.add_run(first, last);
        runs
    }

    /// Adds a number.
    pub fn add(&mut self, number: u64) {
        self.add_run(number, number);
    }

    /// Adds the numbers from `first` to `last`. Costs nothing worth naming where they come in order.
    pub fn add_run(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let begin = match self.0.last() {
            Some(newest) if newest.1.saturating_add(1) < first => self.0.len(),
            _ => self.0.partition_point(|run| run.1.saturating_add(1) < first),
        };
        let end = begin
            + self.0[begin..].iter().take_while(|run| run.0 <= last.saturating_add(1)).count();
        let (mut first, mut last) = (first, last);
        for run in &self.0[begin..end] {
            (first, last) = (first.min(run.0), last.max(run.1));
        }
        self.0.splice(begin..end, [(first, last)]);
    }

    /// How many numbers.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lowest.
    pub fn first(&self) -> Option<u64> {
        self.0.first().map(|run| run.0)
    }

    /// The highest.
    pub fn last(&self) -> Option<u64> {
        self.0.last().map(|run| run.1)
    }

    /// Whether a number is in them.
    pub fn contains(&self, number: u64) -> bool {
        let at = self.0.partition_point(|run| run.1 < number);
        self.0.get(at).is_some_and(|run| run.0 <= number)
    }

    /// The runs, lowest first.
    pub fn runs(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// Those of either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let (mut wide, narrow) = if self.0.len() >= other.0.len() {
            (self.clone(), other)
        } else {
            (other.clone(), self)
        };
        for (first, last) in &narrow.0 {
            wide.add_run(*first, *last);
        }
        wide
    }

    /// Those of both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = Self::default();
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            both.add_run(a.0.max(b.0), a.1.min(b.1));
            if a.1 < b.1 {
                left.next()
            } else {
                right.next()
            };
        }
        both
    }

    /// Those that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        let mut others = other.0.iter().peekable();
        for &(mut first, last) in &self.0 {
            while others.next_if(|run| run.1 < first).is_some() {}
            while let Some(run) = others.peek().filter(|run| run.0 <= last) {
                if run.0 > first {
                    rest.add_run(first, run.0 - 1);
                }
                first = run.1 + 1;
                if run.1 >= last {
                    break;
                }
                others.next();
            }
            rest.add_run(first, last);
        }
        rest
    }
}

/// What is known of the numbers of one lane and kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Numbers that were given out and are asked about.
    pub(super) asked: Runs,
    /// Numbers in each backing index.
    pub(super) stored: Vec<Runs>,
    /// Numbers that stand twice within one index, as far as that was seen.
    pub(super) doubled: Runs,
    /// Numbers in the journal that its cursor has not passed.
    pub(super) waiting: Runs,
    /// Numbers that dead letters have.
    pub(super) dead: Runs,
    /// Numbers in the failure store.
    pub(super) failure_store: Runs,
    /// Numbers that gap records explain: dropped, and told.
    pub(super) gaps: Runs,
    /// Numbers whose documents may have been deleted for their age.
    pub(super) aged: Runs,
}

/// What became of every number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Numbers asked about.
    pub created: u64,
    /// Stored once.
    pub once: u64,
    /// Stored more than once.
    pub twice: Runs,
    /// Not shipped yet.
    pub waiting: u64,
    /// Refused for good, and kept.
    pub dead: u64,
    /// In the failure store, and not in the stream.
    pub failure_store: u64,
    /// Dropped, and told by a gap record.
    pub gaps: u64,
    /// Deleted for its age: older than anything of the lane that is left.
    pub aged: u64,
    /// Stored under an earlier number: rollups that were written again after a crash.
    pub again: u64,
    /// Nobody knows.
    pub missing: Runs,
}

impl Known {
    pub(super) fn account(&self) -> Account {
        let (mut stored, mut twice) = (Runs::default(), self.doubled.clone());
        for index in &self.stored {
            twice = twice.or(&stored.and(index));
            stored = stored.or(index);
        }
        let stored = stored.and(&self.asked);
        let twice = twice.and(&stored);
        let once = stored.without(&twice);
        let mut left = self.asked.without(&stored);
        let mut take = |place: &Runs| {
            let taken = left.and(place);
            left = left.without(&taken);
            taken.count()
        };
        let (waiting, dead) = (take(&self.waiting), take(&self.dead));
        let (failure_store, gaps) = (take(&self.failure_store), take(&self.gaps));
        // Age takes from below: what is missing between documents is missing.
        let young = stored.first().unwrap_or(u64::MAX);
        let aged = take(&self.aged.and(&Runs::between(0, young.saturating_sub(1))));
        Account {
            created: self.asked.count(),
            once: once.count(),
            twice,
            waiting,
            dead,
            failure_store,
            gaps,
            aged,
            again: 0,
            missing: left,
        }
    }
}

impl Account {
    /// Whether nothing is missing and nothing stands twice.
    pub const fn holds(&self) -> bool {
        self.missing.is_empty() && self.twice.is_empty()
    }

    /// The sum of all places.
    pub fn sum(&self) -> u64 {
        let Self { once, twice, waiting, dead, failure_store, gaps, aged, again, .. } = self;
        let elsewhere = waiting + dead + failure_store + gaps + aged + again;
        once + twice.count() + elsewhere + self.missing.count()
    }

    /// Moves missing numbers to those that are stored under an earlier one.
    pub fn found_again(&mut self, found: &Runs) {
        let found = self.missing.and(found);
        self.again += found.count();
        self.missing = self.missing.without(&found);
    }
}

#[cfg(test)]
mod tests;
