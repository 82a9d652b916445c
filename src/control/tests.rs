//! Goal: what a full journal does not take is told, whatever finds no space, a record of a gap too.
//! Method: records of all sizes into a few small segments, which a reader frees now and then.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::*;
use crate::journal::{CONTROL_LANE, Journal, Options, Reader};

/// Longest wait for space that was freed.
const DEADLINE: Duration = Duration::from_secs(20);
/// Streams that records are made of.
const STREAMS: [Stream; 3] = [Stream::Heartbeat, Stream::Process, Stream::Rollup];
/// Bytes of records: the last but one fills a segment, the last is larger than one.
const SIZES: [usize; 5] = [10, 300, 2_000, 4_080, 4_081];

/// How often each number of each stream was found, stored or told.
type Found = BTreeMap<(u8, u64), u32>;

/// Reads about so many bytes, and frees what was read.
fn read(reader: &mut Reader, bytes: usize, found: &mut Found) -> usize {
    let count = reader.read(bytes, &mut |entry| {
        *found.entry((entry.stream, entry.seq)).or_default() += 1;
        if entry.stream == Stream::Gap as u8 {
            let gap = GapRecord::decode(entry.payload).unwrap();
            let [lane, stream, first, count] =
                [gap.gap_worker, gap.gap_stream, gap.gap_first_seq, gap.gap_count]
                    .map(|number| number.unwrap().0);
            assert_eq!(lane, u64::from(CONTROL_LANE));
            for seq in first..first + count {
                *found.entry((u8::try_from(stream).unwrap(), seq)).or_default() += 1;
            }
        }
    });
    reader.acknowledge(&reader.positions(), "").unwrap();
    count.unwrap()
}

#[test]
fn every_number_is_stored_or_told_once_however_little_space_returns() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, mut lanes) = Journal::open(Options {
        dir: dir.path().to_owned(),
        bytes_max: 6 * 8192,
        segment_bytes: 8192,
        sync_every: Duration::from_secs(1),
        workers: 1,
        preamble: Vec::new(),
        teller: Some(TELLER),
        metrics: Arc::default(),
    })
    .unwrap();
    let control = Control::new(lanes.pop().unwrap());
    let mut reader = journal.reader("ship").unwrap();
    let (mut found, mut last) = (Found::new(), BTreeMap::<u8, u64>::new());
    let mut append = |stream: Stream, bytes: usize| {
        *last.entry(stream as u8).or_default() += 1;
        control.append(stream, |out| out.get_mut(..bytes).map(|_| bytes))
    };
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..5_000 {
        append(STREAMS[random.usize(..STREAMS.len())], SIZES[random.usize(..SIZES.len())]);
        if random.u8(..4) == 0 {
            read(&mut reader, random.usize(1..8_000), &mut found);
        }
    }
    let until = Instant::now() + DEADLINE;
    for stream in STREAMS {
        while !append(stream, 10) {
            assert!(Instant::now() < until, "no space returns");
            read(&mut reader, usize::MAX, &mut found);
        }
    }
    while read(&mut reader, usize::MAX, &mut found) > 0 {}
    for stream in STREAMS {
        let stream = stream as u8;
        let wrong: Vec<_> =
            (1..=last[&stream]).filter(|seq| found.get(&(stream, *seq)) != Some(&1)).collect();
        assert!(wrong.is_empty(), "stream {stream}: neither stored nor told, or twice: {wrong:?}");
    }
    let gaps = found.range((Stream::Gap as u8, 0)..(Stream::Gap as u8 + 1, 0));
    let gaps: Vec<_> = gaps.map(|((_, seq), times)| (*seq, *times)).collect();
    assert!(gaps.len() > 10, "{gaps:?}");
    assert_eq!(gaps, (1..=gaps.len() as u64).map(|seq| (seq, 1)).collect::<Vec<_>>());
    let (figures, created) = (journal.figures(), control.metrics().records_created_total.value());
    let metrics = figures.metrics();
    assert_eq!(created, metrics.appended_total.value() + metrics.dropped_full_total.value());
}
