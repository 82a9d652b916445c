//! Preparing segments ahead of the lanes, and the thread that does it.
//!
//! Invariants: a prepared segment is allocated on disk, never sparse (a store into a hole of a full
//! disk ends the process by SIGBUS), mapped, carries a header that says "prepared" and an empty
//! first slot. Runs on `journal-prepare` at nice 10, asleep unless woken or at a coarse tick;
//! on a lane only when the thread is late, and then counted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use super::CONTROL_LANE;
use super::folder::{FolderFault, GAPS, Look, segment_path};
use super::format::{COPY_BYTES, FRAME_HEAD_BYTES, HEADER_BYTES, Header, STREAMS_MAX, State};
use super::gap::Gaps;
use super::lock;
use super::mapping::Mapping;
use super::page;
use super::registry::FreeFile;
use super::segment::Segment;
use super::shared::{Prepared, Shared, Slot};

use crate::base::background::give_way;
use crate::base::trouble::RAISE_FILE_SIZE;

/// Longest sleep of the thread: what it does unasked is refresh gauges, and look at the folder.
const TICK: Duration = Duration::from_millis(500);
/// Span from a segment that could not be prepared to the next try: doubles up to [`TICK`].
const RETRY_FIRST: Duration = Duration::from_millis(25);

/// Most looks at the folder in a row that are put off while it changes.
const PUT_OFF_MAX: u8 = 3;
/// Files that are tried one after the other: one that cannot be used keeps no lane from the others.
const TRIES: usize = 3;

/// Waiting after a segment that could not be prepared.
#[derive(Debug, Default)]
pub(super) struct Retry {
    /// Not before, and the span that led there.
    next: Option<(Instant, Duration)>,
}

impl Retry {
    /// Whether the last try failed.
    pub(super) const fn is_failing(&self) -> bool {
        self.next.is_some()
    }

    fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|(next, _)| next <= now)
    }

    /// Takes note of a failure; says whether it is the first.
    fn failed(&mut self, now: Instant) -> bool {
        let was_failing = self.is_failing();
        let span = self.next.map_or(RETRY_FIRST, |(_, span)| (span * 2).min(TICK));
        // With jitter, for several processes may lack the same descriptors or space.
        self.next = Some((now + span.mul_f64(0.5 + fastrand::f64() / 2.0), span));
        !was_failing
    }

    /// Takes note of a success; says whether failures came before it.
    fn worked(&mut self) -> bool {
        self.next.take().is_some()
    }

    /// Has the next try wait for `span`, whatever was planned: time passes when a test says so.
    #[cfg(test)]
    pub(super) fn put_off(&mut self, span: Duration) {
        if let Some((next, _)) = &mut self.next {
            *next = Instant::now() + span;
        }
    }

    fn sleep(&self, now: Instant) -> Duration {
        self.next.map_or(TICK, |(next, _)| next.saturating_duration_since(now).min(TICK))
    }
}

/// Puts off looks at a folder while its names change: somebody who is removing it would find files that
/// were made anew between theirs, and `rm -r` would fail.
#[derive(Debug, Default)]
struct Settling {
    /// The last change, as of the last time.
    last: Option<(i64, i64)>,
    put_off: u8,
}

impl Settling {
    /// Whether a folder that was last changed `now` is to be looked at.
    fn is_settled(&mut self, now: Option<(i64, i64)>) -> bool {
        let is_changing = std::mem::replace(&mut self.last, now) != now;
        self.put_off = if is_changing && self.put_off < PUT_OFF_MAX { self.put_off + 1 } else { 0 };
        self.put_off == 0
    }
}

/// Whether the pages of a prepared segment are brought into memory at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pages {
    /// All of them, so that the lane meets no page fault.
    Populated,
    /// As they are touched: on a lane that is waiting, or where nobody waits for a fault.
    OnDemand,
}

impl Pages {
    /// For a segment prepared ahead. The control lane writes a few records a second, none of them on a
    /// request's way: its segments would hold memory for nothing.
    const fn ahead(lane: u8) -> Self {
        if lane == CONTROL_LANE { Self::OnDemand } else { Self::Populated }
    }
}

/// Runs until the journal stops.
pub(super) fn run(shared: &Shared) {
    give_way();
    let changed = || shared.folder.opened().changed().ok();
    let mut settling = Settling { last: changed(), put_off: 0 };
    let mut looked = Instant::now();
    while !shared.is_stopping.load(Ordering::SeqCst) {
        if looked.elapsed() >= TICK {
            looked = Instant::now();
            if settling.is_settled(changed()) {
                look(shared);
            }
        }
        turn(shared);
        let sleep = lock(&shared.retry).sleep(Instant::now());
        std::thread::park_timeout(sleep);
    }
    unmap(shared);
}

/// What the thread does whenever it is woken.
pub(super) fn turn(shared: &Shared) {
    unmap(shared);
    fill_slots(shared);
    shared.refresh_metrics();
}

/// Looks at the folder, and at the files of segments that are open.
pub(super) fn look(shared: &Shared) {
    let _alone = lock(&shared.looking);
    let path = shared.folder.path().display();
    let look = shared.folder.look(shared.identity, &shared.directory_lock);
    match look {
        Look::Same => (),
        Look::Fault(fault) => {
            tracing::warn!(%path, "{}", fault.text());
            if fault == FolderFault::Taken && !shared.folder.is_removed() {
                lock(&shared.registry).segments.iter().for_each(|segment| segment.leave());
            }
        }
        Look::Back => tracing::info!(%path, "the journal folder is as it should be again"),
        Look::MadeAnew => {
            shared.metrics.folders_removed_total.add(1);
            tracing::warn!(
                %path,
                "the journal folder was removed or emptied; it is made anew for what follows, and what \
                 was in it and is not shipped cannot be found after a restart: see what removes it"
            );
        }
    }
    let segments: Vec<Arc<Segment>> = lock(&shared.registry).segments.clone();
    // Without a folder there are no others to go on in.
    let may_leave = !shared.folder.is_removed();
    let harmed = segments.iter().filter_map(|segment| Some((segment.look(may_leave)?, segment)));
    let harmed: Vec<(&'static str, &Arc<Segment>)> = harmed.collect();
    if let Some((fault, segment)) = harmed.first() {
        shared.metrics.segments_removed_total.add(harmed.len() as u64);
        let (path, segments) = (segment.path.display(), harmed.len());
        tracing::warn!(
            %path,
            segments,
            "a journal segment {fault} while it was open; lanes go on in others: see what does that"
        );
    }
    look_at_pages(shared);
    if look == Look::MadeAnew {
        reserve_again(shared); // last: what is journaled until the lanes go on elsewhere is not found
    }
}

/// Looks at the file of what was dropped and not told of.
fn look_at_pages(shared: &Shared) {
    // Without a folder there is nowhere to make another, and nobody cuts a removed one.
    let Some(pages) = shared.gaps.as_ref().filter(|_| !shared.folder.is_removed()) else { return };
    let path = shared.folder.path().join(GAPS);
    let path = path.display();
    match pages.look(&shared.folder.opened(), shared.folder.fault()) {
        page::Look::Same => (),
        page::Look::MadeAnew(harm) => {
            tracing::warn!(
                %path,
                "the journal's file `gaps` {harm} while it was open; it is made anew: see what does that"
            );
            lock(&shared.left).iter_mut().for_each(Gaps::store_again);
        }
        page::Look::Lost(harm, error) => tracing::warn!(
            %error,
            %path,
            "the journal's file `gaps` {harm} while it was open, and cannot be made anew: records that \
             find no space leave no trace when the process ends before they are told of{}",
            cure(&error)
        ),
    }
}

/// Makes the free files again, so that the size is reserved as at a start. Where it cannot be, each is
/// tried again when it is needed.
fn reserve_again(shared: &Shared) {
    let free: Vec<u32> = lock(&shared.registry).free.iter().map(|free| free.number).collect();
    let folder = shared.folder.opened();
    for (done, number) in free.iter().enumerate() {
        if let Err(error) = folder.reserve(*number, shared.segment_bytes) {
            let (cure, left) = (cure(&error), free.len() - done);
            tracing::warn!(%error, left, "the size of the journal is not reserved again{cure}");
            return;
        }
    }
}

/// Unmaps what lanes are done with.
fn unmap(shared: &Shared) {
    while shared.unmap.pop().is_some() {}
}

/// Prepares until every lane has its share: first one for each, then a second.
pub(super) fn fill_slots(shared: &Shared) {
    for round in 0..shared.ahead {
        for slot in &shared.slots {
            if slot.ready.len() > round || !slot.is_live.load(Ordering::SeqCst) {
                continue;
            }
            slot.is_preparing.store(true, Ordering::Release);
            let is_filled = fill_slot(shared, slot);
            slot.is_preparing.store(false, Ordering::Release);
            if !is_filled {
                return; // none left for any lane
            }
        }
    }
}

/// Prepares one segment for a lane; `false` when there is no file for it.
fn fill_slot(shared: &Shared, slot: &Slot) -> bool {
    let Some(prepared) = prepare(shared, slot, Pages::ahead(slot.lane)) else { return false };
    if let Err(prepared) = slot.ready.push(prepared) {
        lock(&shared.registry).release(&prepared.segment);
    }
    slot.is_full.store(false, Ordering::Release);
    if !slot.is_live.load(Ordering::SeqCst) {
        // The lane was dropped meanwhile and may have looked before the push.
        while let Some(prepared) = slot.ready.pop() {
            lock(&shared.registry).release(&prepared.segment);
        }
    }
    true
}

/// Makes a segment ready for the lane of `slot`. `None`, with the slot marked full, when every
/// file still holds something a reader needs, and when none could be opened or mapped: those stay
/// free and are tried again after a while.
pub(super) fn prepare(shared: &Shared, slot: &Slot, pages: Pages) -> Option<Prepared> {
    if !lock(&shared.retry).is_due(Instant::now()) {
        slot.is_full.store(true, Ordering::Release);
        return None;
    }
    let mut fault = None;
    for _ in 0..TRIES {
        let is_reuse_first = fault.is_some() || lock(&shared.retry).is_failing();
        let Some(claimed) = claim(shared, slot, is_reuse_first) else { break };
        match build(shared, slot.lane, claimed, pages) {
            Ok(prepared) => {
                let mut registry = lock(&shared.registry);
                registry.in_preparation -= 1;
                registry.segments.push(Arc::clone(&prepared.segment));
                drop(registry);
                if fault.is_none() && lock(&shared.retry).worked() {
                    tracing::info!("journal segments can be prepared again");
                }
                return Some(prepared);
            }
            Err(error) => {
                let mut registry = lock(&shared.registry);
                registry.in_preparation -= 1;
                registry.file_bytes -= u64::from(shared.segment_bytes);
                registry.give_back(claimed);
                drop(registry);
                shared.metrics.prepare_errors_total.add(1);
                fault = Some((claimed.number, error));
            }
        }
    }
    let (number, error) = fault?;
    slot.is_full.store(true, Ordering::Release);
    if lock(&shared.retry).failed(Instant::now()) {
        let (path, cure) = (segment_path(shared.folder.path(), number), cure(&error));
        tracing::warn!(
            %error,
            path = %path.display(),
            "journal segment cannot be prepared; it is tried again, and what finds no space meanwhile \
             is dropped and counted{cure}"
        );
    }
    None
}

/// What helps against an error of [`build`], as the end of a message.
fn cure(error: &io::Error) -> String {
    use rustix::io::Errno;
    let help = match Errno::from_io_error(error) {
        Some(Errno::MFILE) => "raise the limit of open files (ulimit -n, LimitNOFILE=)",
        Some(Errno::NFILE) => "raise fs.file-max",
        Some(Errno::NOSPC | Errno::DQUOT) => "make room on the disk of telemetry.journal.path",
        Some(Errno::FBIG) => RAISE_FILE_SIZE,
        Some(Errno::NOMEM) => "raise the memory limit or vm.max_map_count",
        Some(Errno::ROFS | Errno::ACCESS | Errno::PERM) => "make telemetry.journal.path writable",
        _ => return String::new(),
    };
    format!(": {help}")
}

/// Takes a file out of the registry, which counts it on with the size that it will have; removes what is
/// more than the journal may take since its size was lowered.
fn claim(shared: &Shared, slot: &Slot, is_reuse_first: bool) -> Option<FreeFile> {
    loop {
        let mut registry = lock(&shared.registry);
        let Some(claimed) = registry.claim(is_reuse_first) else {
            // Under the lock, so that whoever frees a file afterwards finds the mark.
            slot.is_full.store(true, Ordering::Release);
            return None;
        };
        registry.file_bytes = registry.file_bytes.saturating_sub(claimed.bytes);
        if registry.file_bytes + u64::from(shared.segment_bytes) <= shared.bytes_max {
            registry.file_bytes += u64::from(shared.segment_bytes);
            registry.in_preparation += 1;
            return Some(claimed);
        }
        drop(registry);
        if let Err(error) = shared.folder.opened().remove(claimed.number) {
            tracing::warn!(%error, number = claimed.number, "surplus journal segment not removed");
        }
    }
}

/// Brings one file into the prepared state.
///
/// # Errors
/// What the system says; the file is not usable then.
fn build(shared: &Shared, lane: u8, free: FreeFile, pages: Pages) -> io::Result<Prepared> {
    let (folder, bytes) = (shared.folder.opened(), shared.segment_bytes);
    if shared.folder.fault() == Some(FolderFault::Taken) {
        return Err(io::Error::other("another process writes the journal folder"));
    }
    if !free.is_trusted {
        // A sync of this file failed, say: nothing about it is believed any more.
        folder.remove(free.number)?;
    }
    let file = folder.reserve(free.number, bytes)?;
    let mut mapping = Mapping::new(&file, bytes)?;
    if pages == Pages::Populated {
        // Refused before Linux 5.14; then the lane meets the page faults.
        let _ = mapping.populate();
    }
    let header = Header {
        state: State::Prepared,
        key: shared.key(lane),
        seed: lock(&shared.random).u32(..),
        ordinal: 0,
        segment_bytes: bytes,
        first_seq: [1; STREAMS_MAX],
        dropped: [0; STREAMS_MAX],
        preamble: Arc::clone(&shared.preamble),
    };
    write_header(&mut mapping, &header);
    mapping.bytes_mut()[HEADER_BYTES..HEADER_BYTES + FRAME_HEAD_BYTES].fill(0);
    let path = segment_path(shared.folder.path(), free.number);
    let segment = Arc::new(Segment::prepared(free.number, path, folder, &header, file));
    Ok(Prepared { mapping, segment })
}

/// Writes both header copies, one after the other: whenever the process ends, one is whole.
pub(super) fn write_header(mapping: &mut Mapping, header: &Header) {
    let copy = header.encode();
    for at in [0, COPY_BYTES] {
        mapping.bytes_mut()[at..at + COPY_BYTES].copy_from_slice(&copy);
        fence(Ordering::SeqCst); // the second copy never overtakes the first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lanes_of_workers_meet_no_page_fault_and_the_control_lane_holds_no_memory_for_nothing() {
        for (lane, want) in [
            (0, Pages::Populated),
            (CONTROL_LANE - 1, Pages::Populated),
            (CONTROL_LANE, Pages::OnDemand),
        ] {
            assert_eq!(Pages::ahead(lane), want, "lane {lane}");
        }
    }

    #[test]
    fn a_folder_is_looked_at_once_nobody_changes_it_and_soon_in_any_case() {
        let at = |second| Some((second, 0));
        for (name, changes, want) in [
            ("nothing changes", [at(1); 6], [true; 6]),
            (
                "a removal",
                [at(2), at(3), at(3), at(3), at(3), at(3)],
                [false, false, true, true, true, true],
            ),
            (
                "names change all the time",
                [at(2), at(3), at(4), at(5), at(6), at(7)],
                [false, false, false, true, false, false],
            ),
            (
                "nobody knows",
                [at(1), None, None, at(1), at(1), at(1)],
                [true, false, true, false, true, true],
            ),
        ] {
            let mut settling = Settling { last: at(1), put_off: 0 };
            assert_eq!(changes.map(|now| settling.is_settled(now)), want, "{name}");
        }
    }
}
