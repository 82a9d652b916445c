//! The journal as its users see it.

mod basic;
mod damage;
mod disk;
mod folder;
mod handover;
mod model;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Appended, Gap, Journal, Lane, Options, Reader, Teller};
use crate::metrics::JournalMetrics;

/// Options of a small journal: segments of two pages, 4 KiB of frames each.
fn options(dir: &Path, segments: u64) -> Options {
    Options {
        dir: dir.to_owned(),
        bytes_max: segments * 8192,
        segment_bytes: 8192,
        sync_every: Duration::from_secs(1),
        workers: 1,
        preamble: b"preamble".to_vec(),
        teller: Some(TELLER),
        metrics: Arc::new(JournalMetrics::default()),
    }
}

/// Stream of records of gaps.
const GAPS: u8 = 16;
/// Tells of a gap in as few bytes as a test needs.
const TELLER: Teller = Teller {
    stream: GAPS,
    encode: |gap, into| {
        let payload = format!("{gap:?}").into_bytes();
        into.get_mut(..payload.len())?.copy_from_slice(&payload);
        Some(payload.len())
    },
};

/// Opens a small journal: itself, the lane of the worker, the control lane.
fn open(options: &Options) -> (Journal, Lane, Lane) {
    let (journal, lanes) = Journal::open(options.clone()).unwrap();
    let [worker, control] = <[Lane; 2]>::try_from(lanes).unwrap();
    (journal, worker, control)
}

/// Appends `payload` to a stream.
fn append(lane: &mut Lane, stream: u8, payload: &[u8]) -> Appended {
    lane.append(stream, |into| {
        into.get_mut(..payload.len())?.copy_from_slice(payload);
        Some(payload.len())
    })
}

/// An entry, owned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Owned {
    epoch: u16,
    lane: u8,
    stream: u8,
    seq: u64,
    payload: Vec<u8>,
}

/// Reads until nothing is left.
fn read_all(reader: &mut Reader) -> Vec<Owned> {
    let mut entries = Vec::new();
    loop {
        let count = reader.read(10_000, &mut |entry| {
            entries.push(Owned {
                epoch: entry.epoch,
                lane: entry.lane,
                stream: entry.stream,
                seq: entry.seq,
                payload: entry.payload.to_vec(),
            });
        });
        if count.unwrap() == 0 {
            return entries;
        }
    }
}

/// What the entries tell of gaps.
fn told(entries: &[Owned]) -> Vec<String> {
    let gaps = entries.iter().filter(|entry| entry.stream == GAPS);
    gaps.map(|entry| String::from_utf8_lossy(&entry.payload).into_owned()).collect()
}

/// What tells of a gap of the worker's lane.
fn gap(stream: u8, first_seq: u64, count: u64) -> String {
    format!("{:?}", Gap { earlier: None, lane: 0, stream, first_seq, count })
}

/// Numbers of the entries of one stream.
fn seqs(entries: &[Owned], stream: u8) -> Vec<u64> {
    entries.iter().filter(|entry| entry.stream == stream).map(|entry| entry.seq).collect()
}

/// Waits until `holds`, which some other thread brings about.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "still not: {what}");
        std::thread::yield_now();
    }
}
