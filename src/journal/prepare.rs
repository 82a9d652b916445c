//! Preparing segments ahead of the lanes, and the thread that does it.
//!
//! Invariants: a prepared segment is allocated on disk, never sparse (a store into a hole of a full
//! disk ends the process by SIGBUS), mapped, carries a header that says "prepared" and an empty
//! first slot. Runs on `journal-prepare` at nice 10, asleep unless woken or at a coarse tick;
//! on a lane only when the thread is late, and then counted.

use std::fs::{File, OpenOptions};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use rustix::fs::FallocateFlags;

use super::CONTROL_LANE;
use super::format::{COPY_BYTES, FRAME_HEAD_BYTES, HEADER_BYTES, Header, STREAMS_MAX, State};
use super::lock;
use super::mapping::Mapping;
use super::registry::FreeFile;
use super::segment::Segment;
use super::shared::{Prepared, Shared, Slot, segment_path};

use crate::base::background::give_way;

/// Longest sleep of the thread: what it does unasked is refresh gauges.
const TICK: Duration = Duration::from_millis(500);

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
    while !shared.is_stopping.load(Ordering::SeqCst) {
        unmap(shared);
        fill_slots(shared);
        shared.refresh_metrics();
        std::thread::park_timeout(TICK);
    }
    unmap(shared);
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
/// file still holds something a reader needs. A file that fails is given up and counted.
pub(super) fn prepare(shared: &Shared, slot: &Slot, pages: Pages) -> Option<Prepared> {
    loop {
        let claimed = claim(shared, slot)?;
        match build(shared, slot.lane, claimed, pages) {
            Ok(prepared) => {
                let mut registry = lock(&shared.registry);
                registry.file_bytes += u64::from(shared.segment_bytes);
                registry.segments.push(Arc::clone(&prepared.segment));
                return Some(prepared);
            }
            Err(error) => {
                shared.metrics.prepare_errors_total.add(1);
                let path = segment_path(&shared.dir, claimed.number);
                tracing::warn!(%error, path = %path.display(), "journal segment given up");
            }
        }
    }
}

/// Takes a file out of the registry, and removes what is more than the journal may take since its
/// size was lowered.
fn claim(shared: &Shared, slot: &Slot) -> Option<FreeFile> {
    loop {
        let mut registry = lock(&shared.registry);
        let Some(claimed) = registry.claim() else {
            // Under the lock, so that whoever frees a file afterwards finds the mark.
            slot.is_full.store(true, Ordering::Release);
            return None;
        };
        registry.file_bytes = registry.file_bytes.saturating_sub(u64::from(claimed.bytes));
        if registry.file_bytes + u64::from(shared.segment_bytes) <= shared.bytes_max {
            return Some(claimed);
        }
        drop(registry);
        if let Err(error) = std::fs::remove_file(segment_path(&shared.dir, claimed.number)) {
            tracing::warn!(%error, number = claimed.number, "surplus journal segment not removed");
        }
    }
}

/// Brings one file into the prepared state.
///
/// # Errors
/// What the system says; the file is not usable then.
fn build(shared: &Shared, lane: u8, free: FreeFile, pages: Pages) -> io::Result<Prepared> {
    let path = segment_path(&shared.dir, free.number);
    let bytes = shared.segment_bytes;
    if free.bytes == 0 {
        // A sync of this file failed: nothing about it is believed any more.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
    }
    let file = reserve(&path, bytes)?;
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
    let segment = Arc::new(Segment::prepared(free.number, path, &header, file));
    Ok(Prepared { mapping, segment })
}

/// Opens or creates a segment file of exactly `bytes`, every block allocated.
///
/// # Errors
/// What the system says, such as no space.
pub(super) fn reserve(path: &std::path::Path, bytes: u32) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    if file.metadata()?.len() > u64::from(bytes) {
        file.set_len(u64::from(bytes))?;
    }
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, u64::from(bytes))?;
    Ok(file)
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
}
