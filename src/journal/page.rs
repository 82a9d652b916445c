//! The file `gaps`: what each lane has dropped and not told of, where a later start finds it.
//!
//! ```text
//! gaps = page[4096] …       one for each lane; a lane of an earlier start keeps its page until it is told
//! page = copy at 0, copy at 2048
//! copy = magic[8] | version u16 | epoch u16 | crc32c u32 | instance u64 | generation u64 | lane u8 | 0[7]
//!        | 16 × (first_seq u64, count u64)
//! ```
//!
//! Invariants: a change overwrites the older of the two copies, and the valid one of the higher
//! generation counts: whenever the process ends, one is whole. Pages are allocated, never sparse, and
//! overwritten in place: a full disk takes none away. A page is mapped by its lane alone, so that a drop
//! costs no system call. A file that was cut, removed or replaced is made whole at the next look, and each
//! lane maps its page anew before it stores again. Not here: what is told, and when (`gap`, `lane`).

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex};

use rustix::fs::FallocateFlags;

use super::folder::{FolderFault, GAPS, Opened};
use super::format::{Key, PerStream, STREAMS_MAX, VERSION, u16_at, u32_at, u64_at};
use super::gap::Gaps;
use super::identity::open_in_place;
use super::lock;
use super::mapping::Mapping;

const MAGIC: [u8; 8] = *b"lbpgaps\0";
const PAGE_BYTES: usize = PAGE as usize;
pub(super) const PAGE: u32 = 4096;
/// Offsets of both copies.
const COPIES: [usize; 2] = [0, PAGE_BYTES / 2];
const HEAD_BYTES: usize = 40;
const COPY_BYTES: usize = HEAD_BYTES + STREAMS_MAX * 16;
/// Higher ones are damage: nobody drops that often, and the next one must be higher still.
const GENERATION_MAX: u64 = 1 << 63;
/// Most pages: those of many starts that ended before there was space. Lanes beyond have none.
pub(super) const PAGES_MAX: u64 = 1024;

/// The page of one lane.
#[derive(Debug)]
pub(super) struct Page {
    file: Arc<PageFile>,
    /// Which of the file.
    number: u64,
    /// None while the file cannot be used.
    mapping: Option<Mapping>,
    /// [`PageFile::made`] that it is mapped of.
    made: u64,
    /// Of the newest copy.
    generation: u64,
}

/// The file, as it is open.
#[derive(Debug)]
pub(super) struct PageFile {
    /// None while it cannot be used: what is dropped is only in memory then.
    file: Mutex<Option<Arc<File>>>,
    /// Its length.
    bytes: u64,
    /// Rises when lanes have to map their pages anew.
    made: AtomicU64,
    /// Whether there is something to bring to the disk.
    is_dirty: AtomicBool,
}

/// What a look at the file found.
#[derive(Debug)]
pub(super) enum Look {
    /// As it should be, or as at the look before.
    Same,
    /// It was harmed, as this says, and is whole again.
    MadeAnew(&'static str),
    /// It was harmed, and cannot be made whole.
    Lost(&'static str, io::Error),
}

/// What a copy holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stored {
    key: Key,
    generation: u64,
    first_seq: PerStream,
    counts: PerStream,
}

/// The file with a page for each of the lanes `keys`, and what earlier starts left, the oldest last.
#[derive(Debug)]
pub(super) struct Found {
    /// None where there are no pages.
    pub(super) file: Option<Arc<PageFile>>,
    pub(super) own: Vec<Gaps>,
    pub(super) left: Vec<Gaps>,
    /// Pages behind the last that is read.
    pub(super) unread: u64,
}

/// Opens or creates the file of a locked directory.
///
/// # Errors
/// What the system says; what stands in it is left for the next start then.
pub(super) fn open(dir: &Path, keys: &[Key]) -> io::Result<Found> {
    let path = dir.join(GAPS);
    let file = open_in_place(&path)?;
    let all = file.metadata()?.len() / PAGE_BYTES as u64;
    let there = all.min(PAGES_MAX);
    let (mut free, mut untold) = (Vec::new(), Vec::new());
    let (mut damaged, mut newer) = (0_u64, 0_u64);
    for number in 0..there {
        let mut bytes = [0; PAGE_BYTES];
        file.read_exact_at(&mut bytes, number * PAGE_BYTES as u64)?;
        match read(&bytes) {
            Read::Blank => free.push((number, 0)),
            Read::Damaged => {
                damaged += 1;
                free.push((number, 0));
            }
            Read::Newer => newer += 1,
            Read::Whole(copy) if copy.counts.iter().any(|count| *count > 0) => {
                untold.push((number, *copy));
            }
            Read::Whole(copy) => free.push((number, copy.generation)),
        }
    }
    if damaged + newer > 0 {
        tracing::warn!(
            path = %path.display(),
            damaged,
            newer,
            "pages of the journal's file `gaps` cannot be read: what damaged ones told of is lost, and \
             those of a newer version are left for it"
        );
    }
    let missing = (keys.len() as u64).saturating_sub(free.len() as u64);
    let pages = (there + missing).min(PAGES_MAX);
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, pages * PAGE_BYTES as u64)?;
    free.extend((there..pages).map(|number| (number, 0)));
    super::identity::sync_directory(&path)?;
    let file = Arc::new(PageFile {
        file: Mutex::new(Some(Arc::new(file))),
        bytes: pages * PAGE_BYTES as u64,
        made: AtomicU64::new(0),
        is_dirty: AtomicBool::new(false),
    });
    let page = |number: u64, generation: u64| -> io::Result<Page> {
        let mapping = Some(file.map(number)?);
        Ok(Page { file: Arc::clone(&file), number, mapping, made: 0, generation })
    };
    let without = keys.len().saturating_sub(free.len());
    if without > 0 {
        tracing::warn!(
            path = %path.display(),
            lanes = without,
            "the journal's file `gaps` is full of what earlier starts dropped and nobody was told of: what \
             these lanes drop leaves no trace when the process ends before it is told; let the server take \
             records"
        );
    }
    let mut free = free.into_iter();
    let own = keys.iter().map(|key| {
        let page = free.next().map(|(number, generation)| page(number, generation)).transpose()?;
        Ok(Gaps::none(*key, page))
    });
    let own = own.collect::<io::Result<_>>()?;
    untold.sort_unstable_by_key(|(_, copy)| std::cmp::Reverse(copy.key));
    let left = untold.into_iter().map(|(number, Stored { key, generation, first_seq, counts })| {
        Ok(Gaps::left(key, first_seq, counts, page(number, generation)?))
    });
    let left = left.collect::<io::Result<_>>()?;
    Ok(Found { file: Some(file), own, left, unread: all - there })
}

impl PageFile {
    /// Brings what has changed to the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        let Some(file) = lock(&self.file).clone() else { return Ok(()) };
        if self.is_dirty.swap(false, Ordering::AcqRel) { file.sync_data() } else { Ok(()) }
    }

    /// Whether it cannot be used: what is dropped leaves no trace when the process ends.
    pub(super) fn is_lost(&self) -> bool {
        lock(&self.file).is_none()
    }

    /// Looks whether it is still whole and in the folder, and makes it so; a few system calls. A store
    /// into a mapped page behind the end of a file would end the process (SIGBUS). In a folder that
    /// another process has taken, pages are left at once: they may be that one's.
    pub(super) fn look(&self, folder: &Opened, fault: Option<FolderFault>) -> Look {
        let held = lock(&self.file).clone();
        if fault == Some(FolderFault::Taken) {
            if held.is_some() {
                self.replace(None);
            }
            return Look::Same;
        }
        let harm = match &held {
            Some(held) => match self.harm(held, folder) {
                Ok(None) => return Look::Same,
                Ok(Some(harm)) => harm,
                Err(_) => "cannot be looked at",
            },
            None => "cannot be used",
        };
        match folder.open_gaps(self.bytes) {
            Ok(file) => {
                self.replace(Some(Arc::new(file)));
                Look::MadeAnew(harm)
            }
            Err(_) if held.is_none() => Look::Same, // said before
            Err(error) => {
                self.replace(None);
                Look::Lost(harm, error)
            }
        }
    }

    /// What is wrong with the open file.
    fn harm(&self, held: &File, folder: &Opened) -> io::Result<Option<&'static str>> {
        let metadata = held.metadata()?;
        let found = folder.gaps_id()?;
        Ok(if found.is_none() {
            Some("was removed")
        } else if found != Some((metadata.dev(), metadata.ino())) {
            Some("was replaced")
        } else if metadata.len() < self.bytes {
            Some("was cut")
        } else {
            None
        })
    }

    /// Has every lane leave its page for that of another file.
    fn replace(&self, file: Option<Arc<File>>) {
        let mut held = lock(&self.file);
        *held = file;
        self.made.fetch_add(1, Ordering::Release);
    }

    fn map(&self, number: u64) -> io::Result<Mapping> {
        let file = lock(&self.file).clone();
        let file = file.ok_or_else(|| io::Error::other("the file cannot be used"))?;
        Mapping::at(&file, number * PAGE_BYTES as u64, PAGE)
    }
}

impl Page {
    /// Whether the file was made anew since it was mapped.
    pub(super) fn is_stale(&self) -> bool {
        self.made != self.file.made.load(Ordering::Acquire)
    }

    /// Maps the page of the file that was made anew.
    #[cold]
    fn map_again(&mut self) {
        self.made = self.file.made.load(Ordering::Acquire);
        self.mapping = self.file.map(self.number).ok(); // the look says what is wrong
    }

    /// Overwrites the older copy. A copy and a checksum of 296 bytes.
    pub(super) fn store(&mut self, key: Key, first_seq: &PerStream, counts: &PerStream) {
        if self.is_stale() {
            self.map_again();
        }
        let Some(mapping) = &mut self.mapping else { return };
        self.generation += 1;
        let copy =
            Stored { key, generation: self.generation, first_seq: *first_seq, counts: *counts };
        let at = COPIES[usize::from(!self.generation.is_multiple_of(2))];
        mapping.bytes_mut()[at..at + COPY_BYTES].copy_from_slice(&encode(&copy));
        fence(Ordering::SeqCst); // the next copy never overtakes this one
        self.file.is_dirty.store(true, Ordering::Release);
    }
}

fn encode(copy: &Stored) -> [u8; COPY_BYTES] {
    let mut bytes = [0; COPY_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    bytes[10..12].copy_from_slice(&copy.key.epoch.to_le_bytes());
    bytes[16..24].copy_from_slice(&copy.key.instance.to_le_bytes());
    bytes[24..32].copy_from_slice(&copy.generation.to_le_bytes());
    bytes[32] = copy.key.lane;
    let gaps = copy.first_seq.iter().zip(&copy.counts);
    for (entry, (first_seq, count)) in bytes[HEAD_BYTES..].chunks_exact_mut(16).zip(gaps) {
        entry[..8].copy_from_slice(&first_seq.to_le_bytes());
        entry[8..].copy_from_slice(&count.to_le_bytes());
    }
    let crc = crc32c::crc32c(&bytes);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// What a page holds.
enum Read {
    /// It was never written.
    Blank,
    /// Neither copy is whole.
    Damaged,
    /// Of a later format.
    Newer,
    /// The newest copy.
    Whole(Box<Stored>),
}

fn read(page: &[u8; PAGE_BYTES]) -> Read {
    let copies = || COPIES.iter().map(|at| &page[*at..]);
    let newest = copies().filter_map(decode).max_by_key(|copy| copy.generation);
    let says_newer = |copy: &&[u8]| copy.starts_with(&MAGIC) && u16_at(copy, 8) > VERSION;
    // A later format may have its checksum elsewhere; a copy of ours beside it means a flipped bit.
    if copies().any(|copy| says_newer(&copy) && is_whole(copy)) {
        return Read::Newer;
    }
    match newest {
        Some(copy) => Read::Whole(Box::new(copy)),
        None if copies().any(|copy| says_newer(&copy)) => Read::Newer,
        None if page.iter().all(|byte| *byte == 0) => Read::Blank,
        None => Read::Damaged,
    }
}

/// Whether a copy is what was written.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(mut zeroed) = bytes.first_chunk::<COPY_BYTES>().copied() else { return false };
    zeroed[12..16].fill(0);
    bytes.starts_with(&MAGIC) && crc32c::crc32c(&zeroed) == u32_at(bytes, 12)
}

/// Reads a copy; `None` when it is damaged, of a later format, or was never written.
fn decode(bytes: &[u8]) -> Option<Stored> {
    if !is_whole(bytes) || u16_at(bytes, 8) > VERSION || u64_at(bytes, 24) >= GENERATION_MAX {
        return None;
    }
    let at = |index: usize, of: usize| u64_at(bytes, HEAD_BYTES + 16 * index + of);
    Some(Stored {
        key: Key { instance: u64_at(bytes, 16), epoch: u16_at(bytes, 10), lane: bytes[32] },
        generation: u64_at(bytes, 24),
        first_seq: std::array::from_fn(|index| at(index, 0)),
        counts: std::array::from_fn(|index| at(index, 8)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(epoch: u16) -> Key {
        Key { instance: 5, epoch, lane: 1 }
    }

    /// Start, stream, first number, how many.
    type Told = (u16, u8, u64, u64);

    fn first(gaps: &Gaps) -> Option<Told> {
        let gap = gaps.first()?;
        Some((gap.earlier?.epoch, gap.stream, gap.first_seq, gap.count))
    }

    /// What a later start has to tell of.
    fn left(dir: &Path) -> Vec<Told> {
        open(dir, &[key(9)]).unwrap().left.iter().filter_map(first).collect()
    }

    #[test]
    fn the_newest_whole_copy_counts_and_a_told_gap_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(GAPS);
        let mut found = open(dir.path(), &[key(1)]).unwrap();
        let mut untold = found.own.pop().unwrap();
        for seq in 7..10 {
            untold.add(0, seq);
        }
        drop(untold);
        assert_eq!(left(dir.path()), [(1, 1, 7, 3)]);
        let whole = std::fs::read(&path).unwrap();
        for (name, at, want) in [("newest", COPIES[1], 2), ("older", COPIES[0], 3)] {
            for byte in at..at + COPY_BYTES {
                let mut bytes = whole.clone();
                bytes[byte] ^= 4;
                std::fs::write(&path, bytes).unwrap();
                assert_eq!(left(dir.path()), [(1, 1, 7, want)], "{name}, byte {byte}");
            }
        }
        std::fs::write(&path, whole).unwrap();

        // The next start drops too, and ends before there is space: both are left.
        let mut found = open(dir.path(), &[key(2)]).unwrap();
        found.own[0].add(3, 1);
        drop(found);
        assert_eq!(left(dir.path()), [(2, 4, 1, 1), (1, 1, 7, 3)]);

        // The one after it tells all of it.
        let found = open(dir.path(), &[key(3)]).unwrap();
        for mut gaps in found.left {
            let told = gaps.first().unwrap();
            gaps.forget(told.stream);
            assert!(gaps.is_empty());
        }
        assert_eq!(left(dir.path()), []);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 3 * 4096, "pages are used again");
    }

    #[test]
    fn pages_behind_the_last_that_is_read_are_counted() {
        for (pages, told, unread) in [(PAGES_MAX - 1, 1023, 0), (PAGES_MAX + 2, 1024, 2)] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(GAPS);
            std::fs::write(&path, written(1, VERSION).repeat(usize::try_from(pages).unwrap()))
                .unwrap();
            let found = open(dir.path(), &[key(9)]).unwrap();
            assert_eq!((found.left.len(), found.unread), (told, unread), "{pages} pages");
            drop(found);
            let bytes = std::fs::metadata(&path).unwrap().len();
            assert!(bytes >= pages * PAGE_BYTES as u64, "{pages} pages: none is cut off");
        }
    }

    /// A page whose first copy is made of `stored`, of this version of the format.
    fn written(generation: u64, version: u16) -> Vec<u8> {
        let (first_seq, counts) = ([7; STREAMS_MAX], [3; STREAMS_MAX]);
        let mut copy = encode(&Stored { key: key(1), generation, first_seq, counts });
        copy[8..10].copy_from_slice(&version.to_le_bytes());
        copy[12..16].fill(0);
        let crc = crc32c::crc32c(&copy);
        copy[12..16].copy_from_slice(&crc.to_le_bytes());
        let mut page = copy.to_vec();
        page.resize(PAGE_BYTES, 0);
        page
    }

    #[test]
    fn a_page_that_cannot_be_read_is_left_to_its_version_or_used_again() {
        let mut elsewhere = written(1, VERSION + 1);
        elsewhere[12] ^= 1;
        for (name, page, is_kept) in [
            ("later version", written(1, VERSION + 1), true),
            ("later version with its checksum elsewhere", elsewhere, true),
            ("garbage", vec![9; PAGE_BYTES], false),
            ("highest generation", written(u64::MAX, VERSION), false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(GAPS);
            std::fs::write(&path, &page).unwrap();
            let mut found = open(dir.path(), &[key(2)]).unwrap();
            assert_eq!(found.left.iter().filter_map(first).count(), 0, "{name}");
            found.own[0].add(0, 5);
            assert_eq!(std::fs::read(&path).unwrap()[..PAGE_BYTES] == page, is_kept, "{name}");
            drop(found);
            assert_eq!(left(dir.path()), [(2, 1, 5, 1)], "{name}");
        }
    }
}
