//! The list that a journal is held against, and what a start may say of it.

use std::collections::BTreeMap;

use super::disk::Key;

/// What became of a stored record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is there.
    Whole,
    /// Damaged since the last start: counters still speak of it.
    Hurt,
    /// Damaged before the last start.
    Lost,
    /// Its segment was used again.
    Gone,
}

/// A stored record.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) stream: u8,
    pub(super) seq: u64,
    pub(super) payload: Vec<u8>,
    pub(super) fate: Fate,
    /// Length and tag can still be read.
    pub(super) has_head: bool,
    /// Offset, and the end without padding; 0 until it is found there.
    pub(super) place: (usize, usize),
}

/// One use of a segment file.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub(super) file: std::ffi::OsString,
    pub(super) key: Key,
    /// Its records in the list of the lane.
    pub(super) records: std::ops::Range<usize>,
    /// Offset after the last of them.
    pub(super) end: usize,
    /// Header copies that are damaged.
    pub(super) copies_hurt: [bool; 2],
    /// The file is there.
    pub(super) is_there: bool,
    /// Bits were flipped where no frame stands.
    pub(super) is_littered: bool,
}

impl Use {
    /// Whether a start finds it.
    pub(super) fn is_present(&self) -> bool {
        self.is_there && self.copies_hurt != [true, true]
    }
}

/// A lane of one start.
#[derive(Debug, Clone)]
pub(super) struct LaneList {
    pub(super) records: Vec<Record>,
    pub(super) next_seq: [u64; 17],
    pub(super) untold: [u64; 17],
}

impl LaneList {
    pub(super) fn new() -> Self {
        Self { records: Vec::new(), next_seq: [1; 17], untold: [0; 17] }
    }

    pub(super) fn store(&mut self, stream: u8, payload: Vec<u8>) {
        let seq = self.next_seq[usize::from(stream)];
        self.next_seq[usize::from(stream)] += 1;
        let (fate, has_head, place) = (Fate::Whole, false, (0, 0));
        self.records.push(Record { stream, seq, payload, fate, has_head, place });
    }

    /// Their segment was used again: all of them must have been acknowledged.
    pub(super) fn overwrite(&mut self, range: std::ops::Range<usize>, acked: usize) {
        for at in range {
            let record = &mut self.records[at];
            if record.fate == Fate::Whole {
                assert!(at < acked, "{record:?}: overwritten or never written, not acknowledged");
                record.fate = Fate::Gone;
            }
        }
    }

    /// The next whole record at or after `from`.
    pub(super) fn next_whole(&self, from: usize) -> Option<usize> {
        (from..self.records.len()).find(|&at| self.records[at].fate == Fate::Whole)
    }

    fn count(&self, range: std::ops::Range<usize>, holds: impl Fn(&Record) -> bool) -> u64 {
        self.records[range].iter().filter(|record| holds(record)).count() as u64
    }

    /// Numbers that dropped records used up, before or between those of `range`.
    fn unused_numbers(&self, range: std::ops::Range<usize>) -> u64 {
        let mut next = [1; 17];
        let mut unused = 0;
        for (at, record) in self.records[..range.end].iter().enumerate() {
            let next = &mut next[usize::from(record.stream)];
            unused += if range.contains(&at) { record.seq - *next } else { 0 };
            *next = record.seq + 1;
        }
        unused
    }

    pub(super) fn whole(&self, range: std::ops::Range<usize>) -> u64 {
        self.count(range, |record| record.fate == Fate::Whole)
    }

    pub(super) fn damaged(&self, range: std::ops::Range<usize>) -> u64 {
        self.count(range, |record| matches!(record.fate, Fate::Hurt | Fate::Lost))
    }
}

/// A place in every lane.
pub(super) type Places = BTreeMap<Key, usize>;

/// The records of one lane that a start finds missing, at least and at most. `seen` and `passed` are
/// what every reader has acknowledged: up to the last record that it was given, and as far as it may
/// have passed damage behind that.
pub(super) fn missing(list: &LaneList, uses: &[&Use], seen: usize, passed: usize) -> (u64, u64) {
    let (mut least, mut most) = (0, 0);
    let mut add = |range: std::ops::Range<usize>| {
        least += list.damaged(passed.clamp(range.start, range.end)..range.end);
        most += list.damaged(seen.clamp(range.start, range.end)..range.end);
    };
    let present: Vec<_> = uses.iter().filter(|usage| usage.is_present()).collect();
    let Some(first) = present.first() else { return (0, 0) };
    add(0..first.records.start);
    for pair in present.windows(2) {
        add(pair[0].records.start..pair[1].records.start);
    }
    // What was missing before a position in a segment may be told again.
    for usage in uses {
        if (usage.records.start..=usage.records.end).contains(&seen) {
            most += list.damaged(usage.records.start..seen);
        }
    }
    let Some(newest) = present.last() else { return (least, most) };
    let (least_last, most_last) = missing_in_newest(list, newest, seen, passed);
    (least + least_last, most + most_last)
}

/// The same for the newest segment of a lane: no later header tells how many there were.
fn missing_in_newest(list: &LaneList, newest: &Use, seen: usize, passed: usize) -> (u64, u64) {
    let range = newest.records.clone();
    let tail = passed.clamp(range.start, range.end)..range.end;
    let damaged: Vec<_> = range
        .clone()
        .filter(|&at| matches!(list.records[at].fate, Fate::Hurt | Fate::Lost))
        .collect();
    let in_tail = damaged.iter().filter(|&&at| tail.contains(&at)).count() as u64;
    let is_followed = |at: usize| list.whole(at..range.end) > 0;
    let least = if damaged.iter().all(|&at| list.records[at].has_head) {
        in_tail // each can be read
    } else if let [only] = damaged[..] {
        u64::from(tail.contains(&only) && is_followed(only))
    } else {
        0
    };
    let mut most = list.damaged(seen.clamp(range.start, range.end)..range.end);
    if damaged.iter().any(|&at| !list.records[at].has_head) {
        most += list.unused_numbers(range); // nothing tells them from damaged ones
    }
    (least, most + u64::from(newest.is_littered))
}
