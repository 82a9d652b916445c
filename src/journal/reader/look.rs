//! What can be told of a journal from outside: its lanes one by one, what its durable reader has left, and which
//! numbers were given out.
//!
//! Changes nothing. Not here: reading frames (`reader`).

use std::path::Path;

use super::super::cursor::CursorFiles;
use super::super::error::{OpenError, ReadError};
use super::super::format::{Key, PerStream};
use super::super::identity::Identity;
use super::{Entry, From, Reader};

impl Reader {
    /// The part of the journal in `dir` that its durable reader `name` has not acknowledged: all of
    /// it when there is no such reader. Else as [`Reader::open_directory`].
    ///
    /// # Errors
    /// As for [`Reader::open_directory`].
    pub fn open_unacknowledged(dir: &Path, name: &str) -> Result<Self, OpenError> {
        // The cursor first: what is acknowledged meanwhile is given too, nothing is left out.
        let marks = CursorFiles::load(dir, name).1.unwrap_or_default().marks;
        let mut reader = Self::open_directory(dir, From::Oldest)?;
        for lane in &mut reader.lanes {
            lane.mark = marks.get(&lane.key).copied().unwrap_or(lane.mark);
        }
        Ok(reader)
    }

    /// Lanes that had records when it was opened.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Visits what is next of one lane alone, up to about `bytes_max` bytes of payload and one record at
    /// least; returns how many records that were, 0 at the end of it. `lane` is below [`Reader::lanes`].
    ///
    /// # Errors
    /// As for [`Reader::read`].
    pub fn read_one(
        &mut self,
        lane: usize,
        bytes_max: usize,
        visit: &mut dyn FnMut(Entry<'_>),
    ) -> Result<usize, ReadError> {
        Ok(self.read_lane(lane, bytes_max.max(1), visit)?.entries)
    }

    /// The number that the next record of each stream had when a lane took its newest segment: every
    /// lower one was given out before. By start and lane.
    pub fn next_numbers(&self) -> Vec<(Identity, u8, PerStream)> {
        let newest = self.lanes.iter().filter_map(|lane| self.source.last(lane.key));
        let numbers = newest.filter_map(|segment| {
            let Key { instance, epoch, lane } = segment.key;
            Some((Identity { instance, epoch }, lane, segment.taken()?.first_seq))
        });
        numbers.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Journal, Options};
    use super::*;

    #[test]
    fn what_is_not_acknowledged_is_given_and_every_number_given_out_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            dir: dir.path().to_owned(),
            bytes_max: 1 << 20,
            segment_bytes: 8192,
            sync_every: std::time::Duration::from_secs(1),
            workers: 1,
            preamble: Vec::new(),
            teller: None,
            metrics: std::sync::Arc::default(),
        };
        let (journal, mut lanes) = Journal::open(options).unwrap();
        let mut reader = journal.reader("ship").unwrap();
        let mut append = |count: usize| {
            for _ in 0..count {
                let _ = lanes[0].append(1, |out| {
                    out.get_mut(..1000)?.fill(7); // too little room: it is asked again
                    Some(1000)
                });
            }
        };
        append(6);
        while reader.read(usize::MAX, &mut |_| ()).unwrap() > 0 {}
        reader.acknowledge(&reader.positions(), "").unwrap();
        append(2);
        let seen = |mut reader: Reader| {
            let mut seen = Vec::new();
            while reader.read(usize::MAX, &mut |entry| seen.push(entry.seq)).unwrap() > 0 {}
            seen
        };
        let open = |name| Reader::open_unacknowledged(dir.path(), name).unwrap();
        assert_eq!(seen(open("ship")), [7, 8]);
        assert_eq!(seen(open("nobody")), (1..=8).collect::<Vec<_>>(), "without a cursor: all");
        let next = open("ship").next_numbers();
        let (start, lane, numbers) = next[0];
        assert_eq!((start, lane), (journal.identity(), 0));
        assert!((2..=8).contains(&numbers[0]), "{}", numbers[0]);
        assert_eq!(super::super::super::last_start(dir.path()), Some(start));
    }
}
