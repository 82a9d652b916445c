//! What an earlier run left in the directory: found by reading every segment, whatever its state.
//!
//! Invariants: damage never stops a start. The number of damaged records is exact where anything
//! valid follows: the headers of two neighbours tell how many records lie between them. Behind the
//! last valid frame of a lane it is exact for frames whose head is readable; a power failure may
//! take more than that without a trace.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cursor::{Cursor, CursorFiles, Mark};
use super::error::OpenError;
use super::folder::{Opened, segment_number};
use super::format::{
    HEADER_BYTES, Header, HeaderFault, Key, PerStream, SEGMENT_BYTES_MAX, State, VERSION,
    next_offset, stream_index,
};
use super::handover::Progress;
use super::registry::{Durable, FreeFile, Registry};
use super::scan::{Frame, Rules, Slot, Window};
use super::segment::Segment;

/// Folder for copies of damaged segments.
const ASIDE: &str = "damaged";
/// Most copies kept; later ones are only counted.
const ASIDE_MAX: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Found {
    /// All files, and the durable readers.
    pub(super) registry: Registry,
    /// Valid records that a durable reader has not acknowledged; all, without such a reader.
    pub(super) records: u64,
    /// Records known to be damaged, in segments not wholly acknowledged.
    pub(super) damaged_records: u64,
    /// Segments copied aside, or too many to be.
    pub(super) damaged_segments: u64,
    /// Highest number of use.
    pub(super) ordinal_max: u64,
    /// Highest number of a file.
    pub(super) file_max: u32,
}

/// A segment file with its header.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) number: u32,
    pub(super) path: PathBuf,
    /// Its length.
    pub(super) bytes: u64,
    /// Its header, or what stands there instead.
    pub(super) header: Result<Header, HeaderFault>,
}

/// Lists the segment files of a directory with their headers; files that vanish meanwhile are left
/// out.
///
/// # Errors
/// [`OpenError::Directory`] when it cannot be listed; [`OpenError::File`] for a segment that cannot be
/// opened: who passed it over would use its number, and its space, for something else.
pub(super) fn list(dir: &Path) -> Result<Vec<Listed>, OpenError> {
    let fault = |source| OpenError::Directory { path: dir.to_owned(), source };
    let mut listed = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let Some(number) = entry.file_name().to_str().and_then(segment_number) else { continue };
        let Some(file) = open(&entry.path())? else { continue };
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        listed.push(Listed { number, path: entry.path(), bytes, header: read_header(&file) });
    }
    listed.sort_unstable_by_key(|listed| listed.number);
    Ok(listed)
}

/// Opens a segment file; `None` when there is none.
fn open(path: &Path) -> Result<Option<File>, OpenError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OpenError::File { path: path.to_owned(), source }),
    }
}

/// Reads the header of a segment file.
pub(super) fn read_header(file: &File) -> Result<Header, HeaderFault> {
    let mut bytes = [0; HEADER_BYTES];
    let mut done = 0;
    while done < HEADER_BYTES {
        match file.read_at(&mut bytes[done..], done as u64) {
            Ok(0) | Err(_) => break, // the rest stays zero: blank, or one copy
            Ok(count) => done += count,
        }
    }
    Header::decode_either(&bytes)
}

/// Reads cursors and segments of a locked directory.
///
/// # Errors
/// [`OpenError::Newer`], and as for [`list`]; damage is none.
pub(super) fn recover(dir: &Path, folder: &Arc<Opened>) -> Result<Found, OpenError> {
    let mut found = Found::default();
    load_cursors(dir, &mut found.registry)?;
    let mut taken = Vec::new();
    for listed in list(dir)? {
        found.file_max = found.file_max.max(listed.number);
        let free = FreeFile { number: listed.number, bytes: listed.bytes, is_trusted: true };
        match listed.header {
            Ok(header)
                if header.state == State::Taken && header.segment_bytes <= SEGMENT_BYTES_MAX =>
            {
                found.ordinal_max = found.ordinal_max.max(header.ordinal);
                // Also where it was cut: it is as long again at its next use.
                found.registry.file_bytes += u64::from(header.segment_bytes);
                taken.push((listed.number, listed.path, header));
            }
            Err(HeaderFault::Newer(version)) => {
                return Err(OpenError::Newer {
                    path: listed.path,
                    found: version,
                    supported: VERSION,
                });
            }
            Err(HeaderFault::Broken) => {
                found.damaged_segments += 1;
                set_aside(dir, &listed.path, &format!("header-{:08}", listed.number));
                found.registry.give_back(free);
            }
            Ok(_) | Err(HeaderFault::Blank) => found.registry.give_back(free),
        }
    }
    taken.sort_unstable_by_key(|(_, _, header)| (header.key, header.ordinal));
    let mut window = Window::default();
    for (index, segment) in taken.iter().enumerate() {
        let (_, _, header) = segment;
        let next = taken.get(index + 1).map(|(_, _, next)| next);
        let next = next.filter(|next| next.key == header.key);
        let previous = index.checked_sub(1).and_then(|index| taken.get(index));
        if previous.is_none_or(|(_, _, previous)| previous.key != header.key) {
            found.damaged_records += missing_before(&found.registry, header);
        }
        measure_segment(dir, folder, segment, next, &mut window, &mut found)?;
    }
    Ok(found)
}

/// Reads all cursors of the directory.
fn load_cursors(dir: &Path, registry: &mut Registry) -> Result<(), OpenError> {
    let names = CursorFiles::names(dir)
        .map_err(|source| OpenError::Directory { path: dir.to_owned(), source })?;
    for name in names {
        let Cursor { marks, note } = CursorFiles::load(dir, &name).1.unwrap_or_default();
        registry.durable.insert(name, Durable { acked: marks, note, in_use: false });
    }
    Ok(())
}

/// Records between the acknowledged position of a lane and its first segment: a segment that stood
/// there was destroyed, for it is used again only after everything in it was acknowledged.
fn missing_before(registry: &Registry, first: &Header) -> u64 {
    let missing = |reader: &Durable| {
        let mark = reader.acked.get(&first.key).filter(|mark| mark.ordinal < first.ordinal)?;
        Some(first.base().saturating_sub(mark.index()))
    };
    registry.durable.values().filter_map(missing).max().unwrap_or(0)
}

/// Measures one segment and registers it.
fn measure_segment(
    dir: &Path,
    folder: &Arc<Opened>,
    (number, path, header): &(u32, PathBuf, Header),
    next: Option<&Header>,
    window: &mut Window,
    found: &mut Found,
) -> Result<(), OpenError> {
    let durable = &mut found.registry.durable;
    let offset = |reader: &Durable| {
        let mark = reader.acked.get(&header.key).filter(|mark| mark.ordinal == header.ordinal)?;
        Some(mark.offset)
    };
    let mut measured = Measured::new(header, durable.values().filter_map(offset).collect());
    if let Some(file) = open(path)? {
        measured.read(&file, header, window);
    }
    let records = u64::from(measured.progress.records);
    let lost = next.map_or_else(
        || measured.lost(),
        |next| next.base().saturating_sub(header.base()).saturating_sub(records),
    );
    let segment =
        Segment::recovered(*number, path.clone(), Arc::clone(folder), header, measured.progress);
    let (mut unread, mut lost_unread) = (0, 0);
    for reader in durable.values_mut() {
        let shipped =
            reader.acked.get_mut(&header.key).map_or(0, |mark| measured.adjust(mark, header));
        let mark = reader.acked.get(&header.key).unwrap_or(&Mark::START);
        unread = unread.max(mark.left_in(&segment));
        let lost_to_it = match next {
            _ if mark.ordinal <= header.ordinal => lost.saturating_sub(shipped),
            // It stands in a segment that is lost.
            Some(next) if mark.ordinal < next.ordinal => next.base().saturating_sub(mark.index()),
            _ => 0,
        };
        lost_unread = lost_unread.max(lost_to_it);
    }
    if durable.is_empty() {
        (unread, lost_unread) = (records, lost);
    }
    found.records += unread;
    if lost_unread > 0 {
        found.damaged_records += lost_unread;
        found.damaged_segments += 1;
        set_aside(dir, path, &format!("{:012}-{:08x}", header.ordinal, header.seed));
    }
    found.registry.segments.push(Arc::new(segment));
    Ok(())
}

/// Keeps a copy of a damaged segment, once per name, in bounded number. Best effort: the segment
/// itself stays in use until its valid records are shipped.
fn set_aside(dir: &Path, path: &Path, name: &str) {
    let aside = dir.join(ASIDE);
    let target = aside.join(name);
    let copy = || -> std::io::Result<()> {
        std::fs::create_dir_all(&aside)?;
        if !target.exists() && std::fs::read_dir(&aside)?.count() < ASIDE_MAX {
            std::fs::copy(path, &target)?;
        }
        Ok(())
    };
    if let Err(error) = copy() {
        let _ = std::fs::remove_file(&target); // half a copy helps nobody
        tracing::warn!(%error, path = %path.display(), "no copy kept of a damaged journal segment");
    }
}

/// What reading one segment tells.
#[derive(Debug)]
pub(super) struct Measured {
    /// Valid frames, and the offset after the last.
    pub(super) progress: Progress,
    /// Number after the last one seen of each stream.
    expected: PerStream,
    /// Streams that may lack records since the last damage.
    suspect: [bool; super::format::STREAMS_MAX],
    /// Damaged frames that later numbers of their streams tell of.
    lost: u64,
    /// Damaged frames seen that no later number has explained yet.
    unexplained: u64,
    /// Valid frames before each acknowledged offset.
    before: Vec<(u32, u32)>,
}

impl Measured {
    /// Nothing read yet; `offsets` are acknowledged positions in the segment.
    pub(super) fn new(header: &Header, offsets: Vec<u32>) -> Self {
        Self {
            progress: Progress::EMPTY,
            expected: header.first_seq,
            suspect: [false; super::format::STREAMS_MAX],
            lost: 0,
            unexplained: 0,
            before: offsets.into_iter().map(|offset| (offset, 0)).collect(),
        }
    }

    /// Reads a whole segment.
    pub(super) fn read(&mut self, file: &File, header: &Header, window: &mut Window) {
        let rules = Rules {
            seed: header.seed,
            first_seq: &header.first_seq,
            limit: usize::try_from(header.segment_bytes).unwrap_or(0),
        };
        window.clear();
        let mut at = HEADER_BYTES;
        loop {
            if let Slot::Frame(frame) = rules.slot(window, file, at) {
                self.see(&frame);
                at = frame.next;
                continue;
            }
            let resumed = rules.resync(window, file, at);
            self.walk(&rules, window, file, at, resumed);
            let Some(resumed) = resumed else { return };
            at = resumed;
        }
    }

    /// Makes a mark in this segment count valid frames only, as everybody does from now on; returns
    /// how many frames before it are damaged by now: acknowledged when they were whole.
    fn adjust(&self, mark: &mut Mark, header: &Header) -> u64 {
        let known = self.before.iter().find(|(offset, _)| *offset == mark.offset);
        let Some((_, valid)) = known.filter(|_| mark.ordinal == header.ordinal) else { return 0 };
        let shipped = mark.records.saturating_sub(*valid);
        mark.records = *valid;
        mark.base = mark.base.saturating_add(shipped.into()); // its place in the lane stays
        u64::from(shipped)
    }

    /// Takes note of a valid frame.
    fn see(&mut self, frame: &Frame) {
        self.progress.records += 1;
        self.progress.end = u32::try_from(frame.next).unwrap_or(u32::MAX);
        for (offset, valid) in &mut self.before {
            *valid += u32::from(self.progress.end <= *offset);
        }
        let Some(index) = stream_index(frame.stream) else { return };
        if std::mem::take(&mut self.suspect[index]) {
            let missing = frame.seq.saturating_sub(self.expected[index]);
            self.unexplained = self.unexplained.saturating_sub(missing);
            self.lost += missing;
        }
        self.expected[index] = frame.seq + 1;
    }

    /// Counts damaged frames between `at` and `resumed` by what is left of their heads: how many, not
    /// of which stream, for that may be damaged too. A zero first word is the regular end, unless valid
    /// frames follow.
    fn walk(
        &mut self,
        rules: &Rules<'_>,
        window: &mut Window,
        file: &File,
        mut at: usize,
        resumed: Option<usize>,
    ) {
        let (mut is_first, mut expected) = (true, self.expected);
        while resumed.is_none_or(|resumed| at < resumed) {
            let Some(head) = rules.head(window, file, at) else { break };
            if head.is_empty && resumed.is_none() {
                break;
            }
            let index = stream_index(head.stream);
            let is_next = index.is_some_and(|index| expected[index] == head.seq);
            let is_frame = resumed.is_some() || head.payload_bytes.is_some() && head.crc != 0;
            if !(is_next || is_first && is_frame) {
                break;
            }
            self.unexplained += 1;
            if let Some(index) = index {
                expected[index] = head.seq + 1;
            }
            is_first = false;
            let Some(payload_bytes) = head.payload_bytes else { break };
            at = next_offset(at, payload_bytes);
        }
        // Where the heads lead to the next valid frame, they are all there is; what numbers lack besides was
        // dropped.
        self.suspect = [resumed.is_some_and(|resumed| at != resumed); super::format::STREAMS_MAX];
    }

    /// Damaged records, as far as this segment alone tells.
    pub(super) fn lost(&self) -> u64 {
        self.lost + self.unexplained
    }
}

/// Identities of all segments, for the choice of the next.
pub(super) fn keys(registry: &Registry) -> impl Iterator<Item = Key> + '_ {
    registry.segments.iter().map(|segment| segment.key)
}
