//! The thread that brings records to the disk: `fdatasync` of every segment with new bytes, at a
//! fixed span.
//!
//! Invariants: what `sync_every` ago was appended is on the disk, or the failure is counted; after
//! a failure the segment is never synced again, for the kernel would report success for pages it
//! has given up ("Can Applications Recover from fsync Failures?", USENIX ATC 2020): its lane goes
//! on in another segment and the file is made anew before its next use.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::lock;
use super::segment::Segment;
use super::shared::Shared;

use crate::base::background::give_way;

/// Shortest span between syncs: a busier disk would not make records safer.
const SPAN_MIN: Duration = Duration::from_millis(50);

/// Runs until the journal stops, then syncs once more.
pub(super) fn run(shared: &Shared) {
    give_way();
    while !shared.is_stopping.load(Ordering::SeqCst) {
        std::thread::park_timeout(shared.sync_every.max(SPAN_MIN));
        sync_all(shared);
    }
    sync_all(shared);
}

/// Syncs everything that is dirty.
pub(super) fn sync_all(shared: &Shared) {
    if let Some(Err(error)) = shared.gaps.as_ref().map(|gaps| gaps.sync()) {
        shared.metrics.sync_errors_total.add(1);
        tracing::warn!(%error, "what the journal has dropped is not synced");
    }
    let segments: Vec<Arc<Segment>> = lock(&shared.registry).segments.clone();
    for segment in segments {
        let Some((file, upto)) = segment.dirty() else {
            segment.close_when_synced();
            continue;
        };
        match file.sync_data() {
            Ok(()) => segment.synced(upto),
            Err(error) => {
                shared.metrics.sync_errors_total.add(1);
                segment.fail();
                let path = segment.path.display();
                tracing::warn!(%error, %path, "journal segment not synced; its lane goes on in another");
            }
        }
    }
}
