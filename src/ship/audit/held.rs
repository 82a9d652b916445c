//! What a journal says of its numbers, without its lock: those it holds, those that wait, those that
//! were given out, and those that were dropped and told.
//!
//! Order is everything beside a running proxy. The cursor is read first, then the numbers given out,
//! then all records, then those behind the cursor; only afterwards is the server asked. Whatever moves
//! on meanwhile is then found further on the way and never nowhere. Not here: the server (`stored`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::numbers::Runs;
use super::{AuditError, Lane, Window};
use crate::journal::{self, Entry, Identity, Reader, STREAMS_MAX};
use crate::query::{self, PASS_BYTES};
use crate::record::{self, Constants, GapRecord, Origin, Stream};

/// What a journal says of one lane and kind.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Numbers of records that are there.
    pub(super) there: Runs,
    /// Those of them that are older than documents are kept.
    pub(super) old: Runs,
    /// Those of them in the window.
    pub(super) meant: Runs,
    /// Those behind the cursor.
    pub(super) waiting: Runs,
    /// The highest that was given out.
    pub(super) last: u64,
}

#[derive(Debug, Default)]
pub(super) struct Journaled {
    pub(super) lanes: BTreeMap<Lane, Held>,
    /// Dropped numbers that gap records tell of.
    pub(super) gaps: BTreeMap<Lane, Runs>,
    /// Instances of which there is anything, and the last start's.
    pub(super) instances: BTreeSet<u64>,
    /// The last start.
    pub(super) start: Option<Identity>,
}

/// Reads a journal. `old_before_ms` says for each kind what is older than documents are kept.
pub(super) fn read(
    folder: &Path,
    window: Window,
    old_before_ms: &dyn Fn(Stream) -> u64,
) -> Result<Journaled, AuditError> {
    let mut found = Journaled { start: journal::last_start(folder), ..Journaled::default() };
    found.instances.extend(found.start.map(|start| start.instance));
    let waiting = Reader::open_unacknowledged(folder, super::super::READER)?;
    let all = Reader::open_directory(folder, journal::From::Oldest)?;
    given_out(&all, &mut found);
    each(all, &mut |entry| {
        let Some((lane, stream)) = lane_of(entry) else { return };
        let time_ms = record::timestamp_ms(entry.payload).unwrap_or(0);
        found.instances.insert(entry.instance);
        let held = found.lanes.entry(lane).or_default();
        held.there.add(entry.seq);
        held.last = held.last.max(entry.seq);
        if time_ms < old_before_ms(stream) {
            held.old.add(entry.seq);
        }
        if window.holds(time_ms) {
            held.meant.add(entry.seq);
        }
        if stream == Stream::Gap {
            note_gap(entry, &mut found.gaps);
        }
    })?;
    each(waiting, &mut |entry| {
        // What came after the first reading is not asked about.
        let lane = lane_of(entry).and_then(|(lane, _)| found.lanes.get_mut(&lane));
        if let Some(held) = lane.filter(|held| entry.seq <= held.last) {
            held.waiting.add(entry.seq);
        }
    })?;
    for (lane, told) in &found.gaps {
        // Dropped numbers were given out, whether anything came behind them.
        if let Some(held) = found.lanes.get_mut(lane) {
            held.last = held.last.max(told.last().unwrap_or(0));
        }
    }
    Ok(found)
}

/// Numbers that were given out before the newest segments, whether their records are still there.
fn given_out(reader: &Reader, found: &mut Journaled) {
    for (Identity { instance, epoch }, worker, next) in reader.next_numbers() {
        found.instances.insert(instance);
        for stream in Stream::ALL {
            let Some(index) = (stream as usize).checked_sub(1).filter(|index| *index < STREAMS_MAX)
            else {
                continue;
            };
            let lane = Lane { instance, epoch, worker, stream: stream as u8 };
            let last = next[index].saturating_sub(1);
            let held = found.lanes.entry(lane).or_default();
            held.last = held.last.max(last);
        }
    }
}

/// Visits everything up to where the writer is when this comes there.
fn each(mut reader: Reader, visit: &mut dyn FnMut(&Entry<'_>)) -> Result<(), AuditError> {
    query::until_end(|| {
        let mut bytes = 0;
        reader.read(PASS_BYTES, &mut |entry| {
            bytes += entry.payload.len();
            visit(&entry);
        })?;
        Ok(bytes)
    })
}

/// Lane and kind of a record; `None` for a kind of a later version.
fn lane_of(entry: &Entry<'_>) -> Option<(Lane, Stream)> {
    let stream = Stream::from_u8(entry.stream)?;
    let Entry { instance, epoch, lane, .. } = *entry;
    Some((Lane { instance, epoch, worker: lane, stream: entry.stream }, stream))
}

/// Takes note of the numbers that a gap record tells of.
fn note_gap(entry: &Entry<'_>, gaps: &mut BTreeMap<Lane, Runs>) {
    let Ok(gap) = GapRecord::decode(entry.payload) else { return };
    let number = |value: Option<record::Count>| value.map_or(0, |count| count.0);
    super::note_gap(
        gaps,
        gap.start((entry.instance, entry.epoch)),
        (number(gap.gap_worker), number(gap.gap_stream)),
        (number(gap.gap_first_seq), number(gap.gap_count)),
    );
}

/// The `_id`s of records that the journal still holds, at most `most`.
pub(super) fn ids(
    folder: &Path,
    wanted: &BTreeMap<Lane, Runs>,
    most: usize,
) -> Result<Vec<(Lane, u64, String)>, AuditError> {
    let mut found = Vec::new();
    each(Reader::open_directory(folder, journal::From::Oldest)?, &mut |entry| {
        let Some((lane, stream)) = lane_of(entry) else { return };
        let is_wanted = wanted.get(&lane).is_some_and(|runs| runs.contains(entry.seq));
        if !is_wanted || found.len() >= most {
            return;
        }
        let Ok(constants) = Constants::decode(entry.preamble) else { return };
        let origin = Origin::of(entry, &constants);
        let mut id = Vec::new();
        if record::write_id(stream, entry.payload, &origin, &mut id).is_ok() {
            found.push((lane, entry.seq, String::from_utf8_lossy(&id).into_owned()));
        }
    })?;
    Ok(found)
}
