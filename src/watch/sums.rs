//! What was counted so far of each series, by time: so that reading the same minutes again adds only what
//! has come since, however often, in whatever order, and whoever shipped late.
//!
//! A reading gives sums of whole buckets. What is here of the same bucket is taken away from each, and the
//! rest is new. Buckets of an hour are minutes; older ones are read as 5, 30 or 720 minutes, and kept so
//! then: each width is a multiple of the one before, and starts at a multiple of itself, so a sum here never
//! straddles two buckets of a reading. Sums of records only grow; where the server has less than before
//! (documents were deleted, a snapshot was put back) what was counted stays, and is counted as shrunk. Pure.
//! Not here: readings (`read`), what is made of counts (`slo::Evaluator`).

use std::collections::{BTreeMap, HashMap};

use crate::slo::{EventCount, OTHER};

/// Most groups of an objective; events of others are added up under [`OTHER`].
const GROUPS_MAX: usize = 1_000;

/// The events of one bucket of one series, as the server has them now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BucketRow {
    /// Place of the objective.
    pub(super) objective: usize,
    /// Values of its `group_by`, in that order.
    pub(super) group: Vec<String>,
    /// First minute since 1970.
    pub(super) minute: u32,
    pub(super) count: EventCount,
}

/// What a reading was good for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Grown {
    /// Events that are new, in the order of time.
    pub(super) rows: Vec<BucketRow>,
    /// Buckets of which the server has less than was counted.
    pub(super) shrunk: u64,
    /// Rows whose group was one too many.
    pub(super) folded: u64,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct BucketSums {
    /// By objective and group: counts by first minute.
    series: HashMap<(usize, Vec<String>), BTreeMap<u32, EventCount>>,
    /// How many groups of each objective have a place, up to [`GROUPS_MAX`].
    groups: HashMap<usize, usize>,
}

impl BucketSums {
    /// Takes a reading of buckets of so many minutes.
    pub(super) fn take(&mut self, rows: impl IntoIterator<Item = BucketRow>, width: u32) -> Grown {
        let mut grown = Grown::default();
        // Several groups of the server may be one here.
        let mut sums: BTreeMap<(u32, usize, Vec<String>), EventCount> = BTreeMap::new();
        for row in rows {
            let BucketRow { objective, group, minute, count } = row;
            let (group, is_folded) = self.group(objective, group);
            grown.folded += u64::from(is_folded);
            sums.entry((minute, objective, group)).or_default().add(count);
        }
        for ((minute, objective, group), count) in sums {
            let known = self.series.entry((objective, group.clone())).or_default();
            let end = minute.saturating_add(width);
            let mut before = EventCount::default();
            known.range(minute..end).for_each(|(_, part)| before.add(*part));
            if count.valid < before.valid || count.bad < before.bad {
                grown.shrunk += 1;
                continue;
            }
            let parts: Vec<u32> = known.range(minute..end).map(|(at, _)| *at).collect();
            for at in parts {
                known.remove(&at);
            }
            known.insert(minute, count);
            let more =
                EventCount { valid: count.valid - before.valid, bad: count.bad - before.bad };
            if more != EventCount::default() {
                grown.rows.push(BucketRow { objective, group, minute, count: more });
            }
        }
        grown
    }

    /// The group that a row counts for, and whether that is not its own.
    fn group(&mut self, objective: usize, group: Vec<String>) -> (Vec<String>, bool) {
        let key = (objective, group);
        if key.1.is_empty() || self.series.contains_key(&key) {
            return (key.1, false);
        }
        let groups = self.groups.entry(objective).or_default();
        if *groups < GROUPS_MAX {
            *groups += 1;
            return (key.1, false);
        }
        (vec![OTHER.to_owned(); key.1.len()], true)
    }

    /// Forgets what is before a minute; that may have been counted under another group by now, so groups
    /// keep their places.
    pub(super) fn forget(&mut self, before: u32) {
        for known in self.series.values_mut() {
            *known = known.split_off(&before);
        }
    }

    /// Series that were read.
    pub(super) fn len(&self) -> usize {
        self.series.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(group: &str, minute: u32, valid: u64, bad: u64) -> BucketRow {
        let group = if group.is_empty() { Vec::new() } else { vec![group.to_owned()] };
        BucketRow { objective: 0, group, minute, count: EventCount { valid, bad } }
    }

    /// Goal: whatever is read how often, what was added up is what the server has. Method: readings one
    /// after the other, and what each adds.
    #[test]
    fn a_reading_adds_what_is_new_alone() {
        let mut sums = BucketSums::default();
        for (name, width, read, want, shrunk) in [
            (
                "first",
                1,
                &[("", 720, 10, 1), ("", 721, 20, 0)][..],
                &[("", 720, 10, 1), ("", 721, 20, 0)][..],
                0,
            ),
            ("again", 1, &[("", 720, 10, 1), ("", 721, 20, 0)], &[], 0),
            (
                "another instance",
                1,
                &[("", 720, 15, 1), ("", 721, 20, 2)],
                &[("", 720, 5, 0), ("", 721, 0, 2)],
                0,
            ),
            ("a minute is away", 1, &[("", 721, 20, 2)], &[], 0),
            ("less than before", 1, &[("", 720, 10, 1)], &[], 1),
            ("and back", 1, &[("", 720, 15, 1)], &[], 0),
            ("as five minutes", 5, &[("", 720, 35, 3)], &[], 0),
            ("late, as five minutes", 5, &[("", 720, 36, 4)], &[("", 720, 1, 1)], 0),
            ("late, as half an hour", 30, &[("", 720, 40, 4)], &[("", 720, 4, 0)], 0),
            ("late, as half a day", 720, &[("", 720, 40, 4), ("", 0, 7, 7)], &[("", 0, 7, 7)], 0),
        ] {
            let rows = |rows: &[(&str, u32, u64, u64)]| -> Vec<BucketRow> {
                rows.iter().map(|&(group, at, valid, bad)| row(group, at, valid, bad)).collect()
            };
            let grown = sums.take(rows(read), width);
            assert_eq!((grown.rows, grown.shrunk), (rows(want), shrunk), "{name}");
        }
    }

    #[test]
    fn groups_beyond_the_bound_are_one() {
        let mut sums = BucketSums::default();
        let all = |valid| (0..GROUPS_MAX + 3).map(move |n| row(&format!("g{n}"), 5, valid, 0));
        let grown = sums.take(all(2), 1);
        assert_eq!((grown.rows.len(), grown.folded), (GROUPS_MAX + 1, 3));
        assert!(grown.rows.contains(&row(OTHER, 5, 6, 0)), "three of them, added up");
        assert_eq!(sums.take(all(2), 1).rows, [], "again");
        let late =
            (0..3).map(|n| row(&format!("g{}", GROUPS_MAX + n), 5, 2 + u64::from(n == 0), 0));
        assert_eq!(sums.take(late, 1).rows, [row(OTHER, 5, 1, 0)]);
        assert_eq!(sums.len(), GROUPS_MAX + 1);
        sums.forget(6);
        let grown = sums.take([row("g0", 7, 1, 0)], 1);
        assert_eq!(grown.rows, [row("g0", 7, 1, 0)]);
    }
}
