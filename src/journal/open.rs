//! Opening: lock, recovery, identity, reservation of the whole size, first segments, threads.
//!
//! Invariant: whatever fails, the directory is no worse than before.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock};

use crossbeam_queue::ArrayQueue;

use super::error::OpenError;
use super::folder::{Folder, Opened, segment_path};
use super::format::{Key, PREAMBLE_BYTES_MAX, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use super::gap::Gaps;
use super::identity::{self, Identity, IdentityFile, Lock};
use super::recovery::{self, Found};
use super::registry::FreeFile;
use super::shared::{Shared, Slot};
use super::{CONTROL_LANE, Journal, Lane, Options, page, prepare, sync};

/// Smallest segment that a tight `bytes_max` leads to, so that long records still fit.
const SHRUNK_BYTES_MIN: u32 = 128 * 1024;
/// Segments are whole pages.
const PAGE_BYTES: u32 = 4096;
/// Mappings that wait for being unmapped.
const UNMAP_QUEUE: usize = 64;

/// What a background thread does.
type Run = fn(&Shared);

/// See [`Journal::open`].
pub(super) fn open(options: Options) -> Result<(Journal, Vec<Lane>), OpenError> {
    let (shared, lanes) = set_up(options, identity::random())?;
    Ok((start(&shared)?, lanes))
}

/// A journal without threads, whose random numbers begin with `seed`: a test does by hand, and in an
/// order that it can repeat, what the threads do.
#[cfg(test)]
pub(super) fn open_by_hand(options: Options, seed: u64) -> Result<(Journal, Vec<Lane>), OpenError> {
    let (shared, lanes) = set_up(options, fastrand::Rng::with_seed(seed))?;
    Ok((Journal { shared, threads: Vec::new() }, lanes))
}

/// Everything but the threads.
fn set_up(
    options: Options,
    mut random: fastrand::Rng,
) -> Result<(Arc<Shared>, Vec<Lane>), OpenError> {
    let lanes = usize::from(options.workers.min(CONTROL_LANE - 1)) + 1;
    let segment_bytes = segment_bytes(&options, lanes)?;
    let (bytes, bytes_max) = (options.preamble.len(), PREAMBLE_BYTES_MAX);
    if bytes > bytes_max {
        return Err(OpenError::Preamble { bytes, bytes_max });
    }
    let dir = options.dir.as_path();
    std::fs::create_dir_all(dir)
        .map_err(|source| OpenError::Directory { path: dir.to_owned(), source })?;
    let directory_lock = Lock::take(dir)?;
    let identity_file = IdentityFile::load(dir)?;
    let folder = Folder::new(options.dir.clone())
        .map_err(|source| OpenError::Directory { path: dir.to_owned(), source })?;
    let mut found = recovery::recover(dir, &folder.opened())?;
    reserve(&folder, options.bytes_max, segment_bytes, &mut found)?;
    let used = recovery::keys(&found.registry)
        .map(|key| Identity { instance: key.instance, epoch: key.epoch });
    let identity = identity_file.advance(used, &mut random)?;

    let metrics = &options.metrics;
    metrics.recovered_total.add(found.records);
    metrics.damaged_records_total.add(found.damaged_records);
    metrics.damaged_segments_total.add(found.damaged_segments);
    let ahead = if options.bytes_max / u64::from(segment_bytes) < lanes as u64 * 6 { 1 } else { 2 };
    let slots: Vec<Slot> = (0..lanes).map(|index| slot(index, lanes, ahead)).collect();
    let Identity { instance, epoch } = identity;
    let keys = slots.iter().map(|slot| Key { instance, epoch, lane: slot.lane });
    let pages = open_pages(dir, &keys.collect::<Vec<_>>());
    let shared = Arc::new(Shared {
        folder,
        bytes_max: options.bytes_max,
        segment_bytes,
        sync_every: options.sync_every,
        identity,
        preamble: options.preamble.into(),
        teller: options.teller,
        gaps: pages.file,
        has_left: AtomicBool::new(!pages.left.is_empty()),
        left: Mutex::new(pages.left),
        metrics: options.metrics,
        registry: Mutex::new(found.registry),
        random: Mutex::new(random),
        slots,
        ahead,
        unmap: ArrayQueue::new(UNMAP_QUEUE),
        next_ordinal: AtomicU64::new(found.ordinal_max + 1),
        preparer: OnceLock::new(),
        is_stopping: AtomicBool::new(false),
        live_lanes: AtomicUsize::new(lanes),
        retry: Mutex::default(),
        looking: Mutex::default(),
        directory_lock: Mutex::new(Some(directory_lock)),
    });
    prepare::fill_slots(&shared);
    shared.refresh_metrics();
    let lanes = pages.own.into_iter().enumerate();
    let mut lanes: Vec<Lane> =
        lanes.map(|(index, untold)| Lane::new(Arc::clone(&shared), index, untold)).collect();
    if let Some(control) = lanes.last_mut() {
        control.tell_left(); // else behind the first record that finds space
    }
    Ok((shared, lanes))
}

/// The pages of `gaps`; without any, what is dropped is only in memory until it is told.
fn open_pages(dir: &Path, keys: &[Key]) -> page::Found {
    let path = dir.display();
    let found = page::open(dir, keys).unwrap_or_else(|error| {
        tracing::warn!(
            %error,
            %path,
            "the journal's file `gaps` cannot be used: records that find no space leave no trace when \
             the process ends before it is told; make room, or mend the file's mode"
        );
        let own = keys.iter().map(|key| Gaps::none(*key, None)).collect();
        page::Found { file: None, own, left: Vec::new(), unread: 0 }
    });
    let (pages, unread) = (page::PAGES_MAX, found.unread);
    if unread > 0 {
        tracing::warn!(
            %path,
            unread,
            "the journal's file `gaps` is longer than its {pages} pages: what the rest says of dropped \
             records is not told; stop lbproxy and cut the file to {} bytes, if nothing else is to read them",
            pages * u64::from(page::PAGE)
        );
    }
    found
}

/// Starts the threads.
///
/// # Errors
/// When the system has none to give.
fn start(shared: &Arc<Shared>) -> Result<Journal, OpenError> {
    let mut journal = Journal { shared: Arc::clone(shared), threads: Vec::new() };
    let runs = [("journal-prepare", prepare::run as Run), ("journal-sync", sync::run)];
    for (name, run) in runs {
        let shared = Arc::clone(shared);
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&shared)).map_err(
                |source| OpenError::File { path: journal.shared.folder.path().to_owned(), source },
            )?;
        if name == "journal-prepare" {
            // Set once: this is the only place.
            let _ = journal.shared.preparer.set(thread.thread().clone());
        }
        journal.threads.push(thread);
    }
    Ok(journal)
}

/// The slot of one lane.
fn slot(index: usize, lanes: usize, ahead: usize) -> Slot {
    let lane = u8::try_from(index).ok().filter(|_| index + 1 < lanes).unwrap_or(CONTROL_LANE);
    Slot {
        lane,
        ready: ArrayQueue::new(ahead),
        is_full: AtomicBool::new(false),
        is_preparing: AtomicBool::new(false),
        is_live: AtomicBool::new(true),
        appended: AtomicU64::new(0),
        dropped: AtomicU64::new(0),
    }
}

/// Length of new segments: as asked for, unless fewer than three per lane fit.
fn segment_bytes(options: &Options, lanes: usize) -> Result<u32, OpenError> {
    let asked = options.segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
    let lowest = asked.min(SHRUNK_BYTES_MIN);
    let share = u32::try_from(options.bytes_max / (lanes as u64 * 3)).unwrap_or(u32::MAX);
    let bytes = asked.min(share).max(lowest) / PAGE_BYTES * PAGE_BYTES;
    let needed_bytes = u64::from(bytes) * 2 * lanes as u64;
    if options.bytes_max < needed_bytes {
        return Err(OpenError::TooSmall { bytes_max: options.bytes_max, lanes, needed_bytes });
    }
    Ok(bytes)
}

/// Creates files until the whole size is reserved; on failure removes what it created.
///
/// # Errors
/// [`OpenError::NoSpace`], [`OpenError::File`].
fn reserve(
    folder: &Folder,
    bytes_max: u64,
    segment_bytes: u32,
    found: &mut Found,
) -> Result<(), OpenError> {
    let (dir, opened): (_, Arc<Opened>) = (folder.path(), folder.opened());
    let registry = &mut found.registry;
    let missing = bytes_max.saturating_sub(registry.file_bytes) / u64::from(segment_bytes);
    let mut created: Vec<FreeFile> = Vec::new();
    for index in 0..missing {
        let Ok(number) = u32::try_from(u64::from(found.file_max) + 1 + index) else { break };
        let Err(fault) = opened.reserve(number, segment_bytes) else {
            created.push(FreeFile { number, bytes: u64::from(segment_bytes), is_trusted: true });
            continue;
        };
        for number in created.iter().map(|file| file.number).chain([number]) {
            let _ = opened.remove(number); // the first fault is told
        }
        return Err(if fault.kind() == io::ErrorKind::StorageFull {
            let left = (missing - index) * u64::from(segment_bytes);
            OpenError::NoSpace { path: dir.to_owned(), needed_bytes: left, source: fault }
        } else {
            OpenError::File { path: segment_path(dir, number), source: fault }
        });
    }
    registry.file_bytes += created.len() as u64 * u64::from(segment_bytes);
    registry.free.extend(created);
    Ok(())
}
