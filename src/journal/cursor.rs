//! Where a durable reader stands: positions in memory, and the pair of files that keeps them.
//!
//! ```text
//! cursor-NAME.0, cursor-NAME.1 =
//!   magic[8] | version u16 | 0 u16 | crc32c u32 | generation u64 | marks u32 | note u32
//!   | mark[marks] | note bytes
//! mark = instance u64 | epoch u16 | lane u8 | 0[5] | ordinal u64 | offset u32 | records u32 | base u64
//! ```
//!
//! Invariants: an acknowledgement overwrites the older file of the two, in place and in reserved
//! space, so that neither a crash nor a full disk loses the newer; the valid file of the highest
//! generation counts. A cursor may lag behind what was shipped (records come again, with the same
//! numbers), never run ahead. Two broken files mean "from the oldest".

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use super::folder::Folder;
use super::format::{HEADER_BYTES, Key, VERSION, u16_at, u32_at, u64_at};
use super::identity::{open_in_place, open_to_read};
use super::segment::Segment;

/// First bytes of a cursor file.
const MAGIC: [u8; 8] = *b"lbpcursr";
/// Bytes before the marks.
const HEAD_BYTES: usize = 32;
const MARK_BYTES: usize = 40;
/// Longest note, in bytes.
pub const NOTE_BYTES_MAX: usize = 4096;

/// How far one lane has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Segment, by number of use; 0 before the first.
    pub(super) ordinal: u64,
    /// Offset of the next frame.
    pub(super) offset: u32,
    /// Records of the segment before that offset.
    pub(super) records: u32,
    /// Records of the lane before the segment.
    pub(super) base: u64,
    /// Records before this position that this run's reader found damaged; not in the file.
    pub(super) damaged: u64,
}

impl Mark {
    /// Before the first segment of a lane.
    #[expect(clippy::cast_possible_truncation, reason = "a page")]
    pub(super) const START: Self =
        Self { ordinal: 0, offset: HEADER_BYTES as u32, records: 0, base: 0, damaged: 0 };

    /// Before the first frame of a segment.
    pub(super) fn at_start(segment: &Segment) -> Self {
        let (ordinal, base) = segment.taken().map_or((0, 0), |taken| (taken.ordinal, taken.base));
        Self { ordinal, base, ..Self::START }
    }

    /// After the last frame of a measured segment.
    pub(super) fn at_end(segment: &Segment) -> Self {
        let progress = segment.says.progress();
        Self { offset: progress.end, records: progress.records, ..Self::at_start(segment) }
    }

    /// Moves behind a frame that ends before `offset`.
    pub(super) fn advance(&mut self, offset: usize) {
        self.offset = u32::try_from(offset).unwrap_or(u32::MAX);
        self.records += 1;
    }

    /// Records of the lane before this position.
    pub(super) fn index(&self) -> u64 {
        self.base.saturating_add(u64::from(self.records))
    }

    /// Whether `other` is further on in the same lane, be it by damaged records alone.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        let place = |mark: &Self| (mark.ordinal, mark.offset, mark.records);
        place(self) < place(other)
    }

    /// Whether everything in a measured segment that is not written any more lies before.
    pub(super) fn has_passed(&self, segment: &Segment) -> bool {
        let ordinal = segment.ordinal();
        self.ordinal > ordinal
            || self.ordinal == ordinal && self.offset >= segment.says.progress().end
    }

    /// Records of a measured segment that lie behind this position.
    pub(super) fn left_in(&self, segment: &Segment) -> u64 {
        let records = segment.says.progress().records;
        match self.ordinal.cmp(&segment.ordinal()) {
            std::cmp::Ordering::Less => u64::from(records),
            std::cmp::Ordering::Equal => u64::from(records.saturating_sub(self.records)),
            std::cmp::Ordering::Greater => 0,
        }
    }

    /// Bytes of a measured segment that lie behind this position.
    pub(super) fn bytes_left_in(&self, segment: &Segment) -> u64 {
        let end = segment.says.progress().end;
        let passed = match self.ordinal.cmp(&segment.ordinal()) {
            std::cmp::Ordering::Less => Self::START.offset,
            std::cmp::Ordering::Equal => self.offset,
            std::cmp::Ordering::Greater => end,
        };
        u64::from(end.saturating_sub(passed))
    }
}

/// A position in every lane.
pub(super) type Marks = BTreeMap<Key, Mark>;

/// What a cursor file holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Cursor {
    /// Position in every lane.
    pub(super) marks: Marks,
    /// The reader's own text.
    pub(super) note: String,
}

/// The pair of files of one durable reader.
#[derive(Debug)]
pub(super) struct CursorFiles {
    /// Path without the number.
    stem: PathBuf,
    /// Generation of the newest file.
    generation: u64,
    /// Both files, once opened for writing.
    files: [Option<File>; 2],
    /// Marks that there is room for.
    lanes: usize,
    /// [`Folder::generation`] that the files are in.
    folder: u64,
}

impl CursorFiles {
    /// Reads the cursor `name` of `dir`: what it holds, if anything valid.
    pub(super) fn load(dir: &Path, name: &str) -> (Self, Option<Cursor>) {
        let stem = dir.join(format!("cursor-{name}"));
        let newest = [0, 1]
            .into_iter()
            .filter_map(|number| {
                let mut bytes = Vec::new();
                let mut file = open_to_read(&numbered(&stem, number)).ok()?;
                file.read_to_end(&mut bytes).ok()?;
                decode(&bytes)
            })
            .max_by_key(|(generation, _)| *generation);
        let generation = newest.as_ref().map_or(0, |(generation, _)| *generation);
        (
            Self { stem, generation, files: [None, None], lanes: 0, folder: 0 },
            newest.map(|(_, cursor)| cursor),
        )
    }

    /// Names of the cursors of `dir`, each once.
    pub(super) fn names(dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let file_name = entry?.file_name();
            let name = file_name.to_str().and_then(|name| name.strip_prefix("cursor-"));
            names.extend(
                name.and_then(|name| name.strip_suffix(['0', '1'])?.strip_suffix('.'))
                    .map(str::to_owned),
            );
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Removes both files.
    ///
    /// # Errors
    /// What the system says; files that are not there are none.
    pub(super) fn remove(dir: &Path, name: &str) -> io::Result<()> {
        let stem = dir.join(format!("cursor-{name}"));
        for number in [0, 1] {
            match std::fs::remove_file(numbered(&stem, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => (),
            }
        }
        Ok(())
    }

    /// Creates both files with room for `lanes` marks, so that storing needs no disk space later.
    pub(super) fn reserve(&mut self, lanes: usize) -> io::Result<()> {
        self.lanes = lanes;
        let bytes = HEAD_BYTES + lanes * MARK_BYTES + NOTE_BYTES_MAX;
        for number in [0, 1] {
            let path = numbered(&self.stem, number);
            let file = open_in_place(&path)?;
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes as u64)?;
            self.files[number] = Some(file);
        }
        super::identity::sync_directory(&self.stem)
    }

    /// Makes both files again where a new folder has taken the place of a removed one.
    pub(super) fn follow(&mut self, folder: &Folder) -> io::Result<()> {
        let generation = folder.generation();
        if self.folder != generation {
            self.reserve(self.lanes)?;
            self.folder = generation;
        }
        Ok(())
    }

    /// Stores `cursor` as the newest. With `sync`, it is on the disk afterwards.
    ///
    /// # Errors
    /// What the system says; the older state stays.
    pub(super) fn store(&mut self, cursor: &Cursor, sync: bool) -> io::Result<()> {
        let generation = self.generation + 1;
        let file = self.files[usize::from(generation.is_multiple_of(2))]
            .as_ref()
            .ok_or_else(|| io::Error::other("cursor files are not open"))?;
        file.write_all_at(&encode(generation, cursor), 0)?;
        if sync {
            file.sync_data()?;
        }
        self.generation = generation;
        Ok(())
    }
}

/// Path of one of the two files.
fn numbered(stem: &Path, number: usize) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(if number == 0 { ".0" } else { ".1" });
    path.into()
}

/// Whole contents of a cursor file.
fn encode(generation: u64, cursor: &Cursor) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + cursor.marks.len() * MARK_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 6]);
    bytes.extend_from_slice(&generation.to_le_bytes());
    for length in [cursor.marks.len(), cursor.note.len()] {
        bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }
    for (key, mark) in &cursor.marks {
        bytes.extend_from_slice(&key.instance.to_le_bytes());
        bytes.extend_from_slice(&key.epoch.to_le_bytes());
        bytes.extend_from_slice(&[key.lane, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&mark.ordinal.to_le_bytes());
        bytes.extend_from_slice(&mark.offset.to_le_bytes());
        bytes.extend_from_slice(&mark.records.to_le_bytes());
        bytes.extend_from_slice(&mark.base.to_le_bytes());
    }
    bytes.extend_from_slice(cursor.note.as_bytes());
    let crc = crc32c::crc32c(&bytes);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Reads a cursor file; `None` when it is damaged or of a later format.
fn decode(bytes: &[u8]) -> Option<(u64, Cursor)> {
    let marks = usize::try_from(u32_at(bytes, 24)).ok()?;
    let note_bytes = usize::try_from(u32_at(bytes, 28)).ok()?;
    let note_at = marks.checked_mul(MARK_BYTES)?.checked_add(HEAD_BYTES)?;
    let mut covered = bytes.get(..note_at.checked_add(note_bytes)?)?.to_vec();
    let crc = u32_at(&covered, 12);
    covered.get_mut(12..16)?.fill(0);
    if covered[..8] != MAGIC || crc32c::crc32c(&covered) != crc || u16_at(bytes, 8) > VERSION {
        return None;
    }
    let marks = covered[HEAD_BYTES..note_at].chunks_exact(MARK_BYTES).map(|entry| {
        let key = Key { instance: u64_at(entry, 0), epoch: u16_at(entry, 8), lane: entry[10] };
        let mark = Mark {
            ordinal: u64_at(entry, 16),
            offset: u32_at(entry, 24),
            records: u32_at(entry, 28),
            base: u64_at(entry, 32),
            damaged: 0,
        };
        (key, mark)
    });
    let note = String::from_utf8(covered[note_at..].to_vec()).ok()?;
    Some((u64_at(bytes, 16), Cursor { marks: marks.collect(), note }))
}

/// What must hold of a cursor file for any bytes.
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzed {
    use std::collections::BTreeMap;

    use super::{decode, encode};

    /// Generation, marks by lane, and note, without the code under test.
    type Plain = (u64, BTreeMap<Vec<u8>, Vec<u8>>, String);

    /// What a whole cursor file says.
    fn plain(bytes: &[u8]) -> Option<Plain> {
        let number = |at: usize, count: usize| {
            let bytes = bytes.get(at..at + count)?;
            Some(bytes.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)))
        };
        let size = |at| usize::try_from(number(at, 4)?).ok();
        let note_at = 32 + 40 * size(24)?;
        let covered = bytes.get(..note_at + size(28)?)?;
        let crc = crc32c::crc32c(&[&covered[..12], &[0; 4], &covered[16..]].concat());
        if !bytes.starts_with(b"lbpcursr") || number(8, 2)? > 1 || number(12, 4)? != u64::from(crc)
        {
            return None;
        }
        let marks = covered[32..note_at].chunks_exact(40);
        let marks = marks.map(|mark| (mark[..11].to_vec(), mark[16..].to_vec())).collect();
        Some((number(16, 8)?, marks, String::from_utf8(covered[note_at..].to_vec()).ok()?))
    }

    pub(in crate::journal) fn check(data: &[u8], is_sealed: bool) {
        let mut bytes = data.to_vec();
        if is_sealed && let Some(crc) = bytes.get_mut(12..16) {
            crc.fill(0);
            let crc = crc32c::crc32c(&bytes);
            bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        }
        let (found, plain_found) = (decode(&bytes), plain(&bytes));
        assert_eq!(found.is_some(), plain_found.is_some(), "{found:?}");
        let Some((generation, cursor)) = found else { return };
        assert!(cursor.marks.values().all(|mark| mark.index() >= mark.base));
        let again = encode(generation, &cursor);
        assert!(again.len() <= bytes.len());
        assert_eq!(plain(&again), plain_found, "written again, it says the same");
        assert_eq!(decode(&again), Some((generation, cursor)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(ordinal: u64, note: &str) -> Cursor {
        let key = Key { instance: 5, epoch: 2, lane: 1 };
        let mark = Mark { ordinal, offset: 5000, records: 9, base: 70, damaged: 0 };
        Cursor { marks: [(key, mark)].into(), note: note.to_owned() }
    }

    #[test]
    fn the_newest_valid_file_counts_and_damage_falls_back_to_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let (mut files, found) = CursorFiles::load(dir.path(), "ship");
        assert_eq!(found, None);
        files.reserve(10).unwrap();
        for ordinal in 1..=4 {
            files.store(&cursor(ordinal, "index-000002"), ordinal % 2 == 0).unwrap();
        }
        let load = || CursorFiles::load(dir.path(), "ship").1;
        assert_eq!(load(), Some(cursor(4, "index-000002")));
        assert_eq!(CursorFiles::names(dir.path()).unwrap(), ["ship"]);

        let newest = dir.path().join("cursor-ship.1");
        let whole = std::fs::read(&newest).unwrap();
        for at in 0..HEAD_BYTES + MARK_BYTES + 12 {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            std::fs::write(&newest, bytes).unwrap();
            assert_eq!(load(), Some(cursor(3, "index-000002")), "byte {at}");
        }
        std::fs::write(dir.path().join("cursor-ship.0"), b"").unwrap();
        assert_eq!(load(), None, "both broken: from the oldest");
        CursorFiles::remove(dir.path(), "ship").unwrap();
        assert!(CursorFiles::names(dir.path()).unwrap().is_empty());
    }
}
