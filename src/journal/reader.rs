//! The reading end: visits records lane by lane, remembers where it stands, and acknowledges.
//!
//! Invariants: a record is visited only when it is valid as a whole, in order of its lane, and never
//! twice unless [`Reader::rewind`] asks for it. Memory is one window, whatever the backlog.
//! Reading never waits and never blocks a lane.

mod look;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::cursor::{Cursor, CursorFiles, Mark, Marks, NOTE_BYTES_MAX};
use super::directory::Directory;
use super::error::{OpenError, ReadError};
use super::folder::FolderFault;
use super::format::Key;
use super::handover::Progress;
use super::scan::{FRAME_ROOM_BYTES, Frame, Rules, Slot, WINDOW_BYTES, Window};
use super::segment::{self, Segment};
use super::shared::Shared;
use super::{From, lock, recovery};

/// One record, as it lies in the reader's window.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Lane that journaled it.
    pub lane: u8,
    /// Its stream.
    pub stream: u8,
    /// Its number, contiguous per instance, epoch, lane and stream.
    pub seq: u64,
    /// Instance of the journal.
    pub instance: u64,
    /// Start of the process within the instance.
    pub epoch: u16,
    /// The constant bytes that the writing process gave.
    pub preamble: &'a Arc<[u8]>,
    /// The record.
    pub payload: &'a [u8],
}

/// Where reading stands in every lane; to be given to [`Reader::acknowledge`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(Marks);

/// Reads the records of a journal.
#[derive(Debug)]
pub struct Reader {
    source: Source,
    /// One per lane of any start that still has records.
    lanes: Vec<LaneReader>,
    /// Lane that is read first, for fairness.
    turn: usize,
    /// Bytes of the segment being read.
    window: Window,
    /// What makes the position survive; `None` for a follower.
    durable: Option<DurableReader>,
    /// Records that could not be given.
    missed: u64,
}

/// The state of a durable reader.
#[derive(Debug)]
struct DurableReader {
    name: String,
    files: CursorFiles,
    /// What the files hold.
    cursor: Cursor,
    /// See [`Reader::damaged`].
    damaged: u64,
}

#[derive(Debug)]
enum Source {
    /// The journal of this process.
    Live(Arc<Shared>),
    /// A directory that another process may be writing.
    Directory(Directory),
}

#[derive(Debug)]
struct LaneReader {
    key: Key,
    /// Position of the next record.
    mark: Mark,
    /// The segment of that position, once entered.
    segment: Option<(Arc<Segment>, File)>,
    /// Records of that segment found damaged.
    lost: u64,
    /// A later segment of the lane was seen, and this one read again since: its end is final.
    confirmed: u64,
}

/// What one turn of a lane gave.
#[derive(Debug, Default, Clone, Copy)]
struct Turn {
    entries: usize,
    /// Bytes of their payloads.
    payload_bytes: usize,
}

/// What to do when no frame stands at a position.
enum Onward {
    /// Look again, at this or another position.
    Again,
    /// Nothing more for now.
    Wait,
}

impl Reader {
    /// A durable reader of this process's journal.
    pub(super) fn durable(
        shared: Arc<Shared>,
        name: &str,
        files: CursorFiles,
        cursor: Cursor,
    ) -> Self {
        let durable = DurableReader { name: name.to_owned(), files, cursor, damaged: 0 };
        let mut reader = Self::new(Source::Live(shared), Some(durable));
        reader.rewind();
        reader
    }

    /// A follower of this process's journal.
    pub(super) fn follower(shared: Arc<Shared>, from: From) -> Self {
        let mut reader = Self::new(Source::Live(shared), None);
        reader.add_lanes();
        if from == From::Now {
            for lane in &mut reader.lanes {
                lane.mark =
                    reader.source.last(lane.key).map_or(Mark::START, |last| Mark::at_end(&last));
            }
        }
        reader
    }

    /// Reads the journal in `dir` without its lock: of a running process, whose segments may be
    /// used again while this reader is behind (counted in [`Reader::missed`]), or of a stopped one.
    /// Changes nothing in the directory.
    ///
    /// # Errors
    /// [`OpenError::Directory`] when it cannot be listed, [`OpenError::Newer`].
    pub fn open_directory(dir: &Path, from: From) -> Result<Self, OpenError> {
        let mut reader = Self::new(Source::Directory(Directory::open(dir)?), None);
        reader.add_lanes();
        if from == From::Now {
            for lane in &mut reader.lanes {
                let last = reader.source.last(lane.key);
                lane.mark = last.map_or(Mark::START, |last| Mark::at_start(&last));
            }
            reader.skip_to_end();
        }
        Ok(reader)
    }

    /// A reader without lanes.
    fn new(source: Source, durable: Option<DurableReader>) -> Self {
        let window = Window::default();
        Self { source, lanes: Vec::new(), turn: 0, window, durable, missed: 0 }
    }

    /// Visits what is available now, round robin over the lanes, until about `bytes_max` bytes of
    /// payload are visited; returns how many records that were, 0 when there is nothing new. Reads
    /// at least one record if there is one. Blocks on the disk only.
    ///
    /// # Errors
    /// When a segment cannot be opened and nothing was visited; the position stays. Damage is no
    /// error: it is skipped and counted.
    pub fn read(
        &mut self,
        bytes_max: usize,
        visit: &mut dyn FnMut(Entry<'_>),
    ) -> Result<usize, ReadError> {
        let entries = self.pass(bytes_max, visit)?;
        if entries > 0 || !self.source.refresh() {
            return Ok(entries);
        }
        self.add_lanes();
        self.pass(bytes_max, visit)
    }

    /// Where reading stands.
    pub fn positions(&self) -> Positions {
        let read = self.lanes.iter().filter(|lane| lane.mark.ordinal > 0);
        Positions(read.map(|lane| (lane.key, lane.mark)).collect())
    }

    /// Declares everything before `upto` settled and stores `note` (at most [`NOTE_BYTES_MAX`]
    /// bytes) with it. Survives the end of the process at once, and power loss whenever it frees a
    /// segment. Positions that were acknowledged already stay.
    ///
    /// # Errors
    /// What the system says, and then nothing has changed; also for a follower, a longer note, or a
    /// closed journal.
    pub fn acknowledge(&mut self, upto: &Positions, note: &str) -> Result<(), io::Error> {
        let (Source::Live(shared), Some(durable)) = (&self.source, &mut self.durable) else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "a follower has no cursor"));
        };
        if note.len() > NOTE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the note is too long"));
        }
        let held = lock(&shared.directory_lock);
        if held.is_none() {
            return Err(io::Error::other("the journal is closed"));
        }
        let mut cursor = Cursor { marks: durable.cursor.marks.clone(), note: note.to_owned() };
        let mut damaged = 0;
        for (key, mark) in &upto.0 {
            let known = cursor.marks.entry(*key).or_insert(Mark::START);
            if known.is_before(mark) {
                damaged += mark.damaged.saturating_sub(known.damaged);
                *known = *mark;
            }
        }
        let frees = {
            let registry = lock(&shared.registry);
            registry.prune(&mut cursor.marks, |key| shared.is_current(key));
            registry.passes_more(&durable.cursor.marks, &cursor.marks)
        };
        // In a folder that another process has taken, its cursor stands.
        if shared.folder.fault() != Some(FolderFault::Taken) {
            durable.files.follow(&shared.folder)?;
            durable.files.store(&cursor, frees)?;
        }
        drop(held);
        durable.cursor = cursor;
        durable.damaged += damaged;
        if let Some(known) = lock(&shared.registry).durable.get_mut(&durable.name) {
            known.acked.clone_from(&durable.cursor.marks);
            known.note.clone_from(&durable.cursor.note);
        }
        let marks = &durable.cursor.marks;
        self.lanes.retain(|lane| marks.contains_key(&lane.key) || !lane.is_finished(shared));
        if frees {
            shared.wake_preparer();
        }
        Ok(())
    }

    /// The note stored at the last acknowledgement, of this process or an earlier one.
    pub fn note(&self) -> &str {
        self.durable.as_ref().map_or("", |durable| &durable.cursor.note)
    }

    /// Goes back to the acknowledged positions. A follower stays where it is.
    pub fn rewind(&mut self) {
        let Some(durable) = &self.durable else { return };
        let marks = durable.cursor.marks.clone();
        self.lanes.clear();
        self.window.clear();
        self.add_lanes();
        for lane in &mut self.lanes {
            lane.mark = marks.get(&lane.key).copied().unwrap_or(lane.mark);
        }
    }

    /// Records journaled and not acknowledged by this reader; for a follower, not read by it; 0 for
    /// a reader of another process's journal, which does not know.
    pub fn pending(&self) -> u64 {
        let Source::Live(shared) = &self.source else { return 0 };
        let registry = lock(&shared.registry);
        match &self.durable {
            Some(durable) => registry.records_behind(&durable.cursor.marks),
            None => registry.records_behind(&self.positions().0),
        }
    }

    /// Bytes of the journal behind what this durable reader acknowledged, framing included; 0 for a
    /// follower.
    pub fn pending_bytes(&self) -> u64 {
        let (Source::Live(shared), Some(durable)) = (&self.source, &self.durable) else { return 0 };
        lock(&shared.registry).bytes_behind(&durable.cursor.marks)
    }

    /// Of the records that this reader acknowledged since it was opened, those that it could not give,
    /// since they were damaged or their file was gone.
    pub fn damaged(&self) -> u64 {
        self.durable.as_ref().map_or(0, |durable| durable.damaged)
    }

    /// Whether damaged records lie between what is acknowledged and `upto`.
    pub fn passes_damage(&self, upto: &Positions) -> bool {
        let Some(durable) = &self.durable else { return false };
        let known = |key| durable.cursor.marks.get(key).map_or(0, |mark| mark.damaged);
        upto.0.iter().any(|(key, mark)| mark.damaged > known(key))
    }

    /// Records that were journaled and that this reader could not give: damaged, or overwritten
    /// before it came to them.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Adds lanes that appeared since, each at its oldest record.
    fn add_lanes(&mut self) {
        for key in self.source.keys() {
            if self.lanes.iter().all(|lane| lane.key != key) {
                let first = self.source.at_or_after(key, 0);
                let mark = first.map_or(Mark::START, |first| Mark::at_start(&first));
                self.lanes.push(LaneReader { key, mark, segment: None, lost: 0, confirmed: 0 });
            }
        }
    }

    /// Reads to the end without visiting anybody.
    fn skip_to_end(&mut self) {
        // Bounded, should the writer be faster than this.
        for _ in 0..1024 {
            if !matches!(self.pass(usize::MAX, &mut |_| ()), Ok(1..)) {
                break;
            }
        }
        self.missed = 0;
    }

    /// One round, or more as long as there is something and the budget lasts.
    fn pass(
        &mut self,
        bytes_max: usize,
        visit: &mut dyn FnMut(Entry<'_>),
    ) -> Result<usize, ReadError> {
        let (mut entries, mut left) = (0, bytes_max.max(1));
        loop {
            let before = entries;
            for _ in 0..self.lanes.len() {
                self.turn = (self.turn + 1) % self.lanes.len();
                match self.read_lane(self.turn, left, visit) {
                    Ok(turn) => {
                        entries += turn.entries;
                        left = left.saturating_sub(turn.payload_bytes.max(turn.entries));
                    }
                    Err(error) if entries == 0 => return Err(error),
                    Err(_) => return Ok(entries), // it comes back at the next call
                }
                if left == 0 {
                    return Ok(entries);
                }
            }
            if entries == before {
                return Ok(entries);
            }
        }
    }

    /// Visits a windowful of one lane.
    fn read_lane(
        &mut self,
        index: usize,
        bytes_max: usize,
        visit: &mut dyn FnMut(Entry<'_>),
    ) -> Result<Turn, ReadError> {
        self.window.clear();
        loop {
            let Some((segment, is_sealed)) = self.enter(index)? else { return Ok(Turn::default()) };
            let progress = segment.says.progress();
            let end = if segment.measured { progress.end } else { segment.bytes };
            self.settle_damage(index, &segment, progress);
            let lane = &mut self.lanes[index];
            if segment.measured && lane.mark.offset >= end {
                let next = self.source.at_or_after(lane.key, segment.ordinal() + 1);
                let Some(next) = next.filter(|_| is_sealed) else { return Ok(Turn::default()) };
                self.missed += lane.go_to(&next);
                continue;
            }
            let turn = self.visit_window(index, &segment, end, bytes_max, visit);
            if turn.entries > 0 {
                return Ok(turn);
            }
            match self.pass_gap(index, &segment, end) {
                Onward::Again => (),
                Onward::Wait => return Ok(turn),
            }
        }
    }

    /// Makes sure that a lane has its segment open; `None` when there is none. Says whether the
    /// segment was sealed before anything else is asked of it.
    ///
    /// # Errors
    /// When the file is there and cannot be opened.
    fn enter(&mut self, index: usize) -> Result<Option<(Arc<Segment>, bool)>, ReadError> {
        loop {
            let lane = &mut self.lanes[index];
            if let Some((segment, _)) = &lane.segment {
                return Ok(Some((Arc::clone(segment), segment.says.is_sealed())));
            }
            let Some(segment) = self.source.at_or_after(lane.key, lane.mark.ordinal) else {
                return Ok(None);
            };
            self.missed += lane.go_to(&segment);
            match segment.open() {
                Ok(file) => lane.segment = Some((segment, file)),
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ReadError { path: segment.path.clone(), source: error });
                }
                Err(_) => match &mut self.source {
                    Source::Directory(directory) => directory.forget(&segment),
                    Source::Live(_) if segment.says.is_retired() => (),
                    // Somebody removed the file: all that was in it is gone.
                    Source::Live(_) => {
                        lane.mark.offset = segment.says.progress().end;
                        self.settle_damage(index, &segment, segment.says.progress());
                        let next = self.source.at_or_after(segment.key, segment.ordinal() + 1);
                        let Some(next) = next.filter(|_| segment.says.is_sealed()) else {
                            return Ok(None);
                        };
                        self.missed += self.lanes[index].go_to(&next);
                    }
                },
            }
        }
    }

    /// Visits frames from the position on, within one window.
    fn visit_window(
        &mut self,
        index: usize,
        segment: &Arc<Segment>,
        end: u32,
        bytes_max: usize,
        visit: &mut dyn FnMut(Entry<'_>),
    ) -> Turn {
        let lane = &mut self.lanes[index];
        let (Some((_, file)), Some(rules)) = (&lane.segment, rules(segment, end)) else {
            return Turn::default();
        };
        let mut turn = Turn::default();
        let mut at = lane.mark.offset as usize;
        let room = bytes_max.saturating_add(4096).clamp(FRAME_ROOM_BYTES, WINDOW_BYTES);
        self.window.load(file, at, room.min(rules.limit.saturating_sub(at)));
        while turn.payload_bytes < bytes_max && (turn.entries == 0 || self.window.holds_slot(at)) {
            let Slot::Frame(frame) = rules.slot(&mut self.window, file, at) else { break };
            let Some(entry) = entry(segment, &self.window, &frame) else { break };
            visit(entry);
            turn.entries += 1;
            turn.payload_bytes += frame.payload_bytes;
            at = frame.next;
            lane.mark.advance(at);
        }
        turn
    }

    /// Finds the way on when no frame stands at the position of a lane.
    fn pass_gap(&mut self, index: usize, segment: &Arc<Segment>, end: u32) -> Onward {
        let lane = &mut self.lanes[index];
        let (Some((_, file)), Some(rules)) = (&lane.segment, rules(segment, end)) else {
            return Onward::Wait;
        };
        let at = lane.mark.offset as usize;
        if segment.measured {
            if segment.says.is_retired() {
                lane.segment = None;
                return Onward::Again;
            }
            let resumed = rules.resync(&mut self.window, file, at);
            lane.mark.offset = resumed.and_then(|at| u32::try_from(at).ok()).unwrap_or(end);
            return Onward::Again;
        }
        let same = |header: &super::format::Header| {
            header.seed == segment.seed && header.ordinal == segment.ordinal()
        };
        if !recovery::read_header(file).is_ok_and(|header| same(&header)) {
            if let Source::Directory(directory) = &mut self.source {
                directory.forget(segment);
            }
            lane.segment = None;
            return Onward::Again;
        }
        // The end of a segment is final only when a later one exists, and what was appended before
        // that one appeared has been read too.
        let next = self.source.at_or_after(lane.key, segment.ordinal() + 1);
        if let Some(next) = next.as_ref().filter(|next| next.ordinal() != lane.confirmed) {
            lane.confirmed = next.ordinal();
            return Onward::Again;
        }
        self.window.clear();
        match rules.slot(&mut self.window, file, at) {
            Slot::Frame(_) => return Onward::Again, // appended since the last look
            Slot::Empty if next.is_none() => return Onward::Wait,
            Slot::Empty | Slot::Broken => (),
        }
        match (rules.resync(&mut self.window, file, at), next) {
            (Some(resumed), _) => lane.mark.offset = u32::try_from(resumed).unwrap_or(end),
            (None, Some(next)) => self.missed += lane.go_to(&next),
            (None, None) => return Onward::Wait,
        }
        Onward::Again
    }

    /// Where a measured segment ends, its own count tells what was damaged in it.
    fn settle_damage(&mut self, index: usize, segment: &Segment, progress: Progress) {
        let LaneReader { mark, lost: lost_here, .. } = &mut self.lanes[index];
        if !segment.measured || mark.offset < progress.end || mark.records >= progress.records {
            return;
        }
        let lost = u64::from(progress.records - mark.records);
        mark.records = progress.records;
        mark.damaged += lost;
        *lost_here += lost;
        self.missed += lost;
        if let Source::Live(shared) = &self.source {
            shared.count_lost(segment, *lost_here);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let (Source::Live(shared), Some(durable)) = (&self.source, &self.durable)
            && let Some(known) = lock(&shared.registry).durable.get_mut(&durable.name)
        {
            known.in_use = false;
        }
    }
}

impl LaneReader {
    /// Moves to `segment`, and returns how many records lie between: lost to this reader.
    fn go_to(&mut self, segment: &Arc<Segment>) -> u64 {
        let start = Mark::at_start(segment);
        self.segment = None;
        if start.ordinal == self.mark.ordinal {
            return 0;
        }
        let missed = start.base.saturating_sub(self.mark.index());
        (self.mark, self.lost) = (Mark { damaged: self.mark.damaged, ..start }, 0);
        missed
    }

    /// Whether the lane is of an earlier start and none of its segments is left.
    fn is_finished(&self, shared: &Shared) -> bool {
        !shared.is_current(self.key)
            && segment::last(&lock(&shared.registry).segments, self.key).is_none()
    }
}

impl Source {
    fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<_> = match self {
            Self::Live(shared) => {
                let current = shared.slots.iter().map(|slot| shared.key(slot.lane));
                lock(&shared.registry).keys().into_iter().chain(current).collect()
            }
            Self::Directory(directory) => directory.segments.iter().map(|s| s.key).collect(),
        };
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The first segment of a lane whose number of use is `ordinal` or higher.
    fn at_or_after(&self, key: Key, ordinal: u64) -> Option<Arc<Segment>> {
        match self {
            Self::Live(shared) => {
                segment::at_or_after(&lock(&shared.registry).segments, key, ordinal)
            }
            Self::Directory(directory) => segment::at_or_after(&directory.segments, key, ordinal),
        }
    }

    /// The newest segment of a lane.
    fn last(&self, key: Key) -> Option<Arc<Segment>> {
        match self {
            Self::Live(shared) => segment::last(&lock(&shared.registry).segments, key),
            Self::Directory(directory) => segment::last(&directory.segments, key),
        }
    }

    /// Looks for new segments; `false` when there is nothing to look for. Errors count as nothing
    /// new: the next call looks again.
    fn refresh(&mut self) -> bool {
        match self {
            Self::Live(_) => false,
            Self::Directory(directory) => directory.refresh().is_ok(),
        }
    }
}

/// What makes bytes before `end` a frame of `segment`.
fn rules(segment: &Segment, end: u32) -> Option<Rules<'_>> {
    let taken = segment.taken()?;
    let limit = usize::try_from(end).ok()?;
    Some(Rules { seed: segment.seed, first_seq: &taken.first_seq, limit })
}

/// The record of a frame in the window.
fn entry<'a>(segment: &'a Segment, window: &'a Window, frame: &Frame) -> Option<Entry<'a>> {
    Some(Entry {
        lane: segment.key.lane,
        stream: frame.stream,
        seq: frame.seq,
        instance: segment.key.instance,
        epoch: segment.key.epoch,
        preamble: &segment.preamble,
        payload: window.get(frame.payload_at, frame.payload_bytes)?,
    })
}
