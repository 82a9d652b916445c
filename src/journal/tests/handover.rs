//! Goal: what a reader concludes from what a lane says is true, in whatever order a processor brings
//! loads and stores about. Method: the source of `handover` once more, with the atomics of loom, which
//! tries every order that the memory model of the language allows. The bytes of a file are atomics
//! without an order of their own, as stores into a mapped page are.
//!
//! Not here: `Mapping::publish`, whose reader is the kernel (`pread`), or another process.

use std::sync::Arc;

use loom::sync::atomic; // for the module below
use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::super::format;

#[allow(clippy::duplicate_mod, reason = "the same source over the atomics of loom")]
#[path = "../handover.rs"]
mod under_loom;

use under_loom::{HandOver, Progress};

const FRAMES: u32 = 2;
/// What stands in the bytes of the first use, and of the second.
const USES: [u64; 2] = [7, 8];

/// A segment: what is said of it, and one word for each frame.
struct Segment {
    says: HandOver,
    words: [AtomicU64; FRAMES as usize],
}

fn segment() -> Arc<Segment> {
    let words = std::array::from_fn(|_| AtomicU64::new(0));
    Arc::new(Segment { says: HandOver::new(), words })
}

fn write(segment: &Segment) {
    for (word, records) in segment.words.iter().zip(1..) {
        word.store(USES[0], Relaxed);
        segment.says.set_progress(Progress { records, end: Progress::EMPTY.end + 8 * records });
    }
    segment.says.seal();
}

#[test]
fn a_reader_finds_every_frame_that_is_counted_and_all_of_them_behind_a_seal() {
    loom::model(|| {
        let segment = segment();
        let lane = Arc::clone(&segment);
        let lane = loom::thread::spawn(move || write(&lane));
        let is_sealed = segment.says.is_sealed();
        let Progress { records, end } = segment.says.progress();
        assert_eq!(end, Progress::EMPTY.end + 8 * records);
        for word in &segment.words[..records as usize] {
            assert_eq!(word.load(Relaxed), USES[0]);
        }
        assert!(!is_sealed || records == FRAMES, "a seal before the last frame");
        lane.join().unwrap();
    });
}

#[test]
fn a_reader_that_finds_bytes_of_the_next_use_is_told() {
    loom::model(|| {
        let segment = segment();
        write(&segment);
        let next = Arc::clone(&segment);
        let next = loom::thread::spawn(move || {
            next.says.retire();
            next.words[0].store(USES[1], Relaxed);
        });
        let found = segment.words[0].load(Relaxed);
        assert!(found == USES[0] || segment.says.is_retired(), "not told");
        next.join().unwrap();
    });
}
