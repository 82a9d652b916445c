//! `_id`s as servers keep them.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::super::fuzzed::ORIGIN;
use super::super::{
    AccessRecord, Constants, Count, GapRecord, HeartbeatRecord, ProcessRecord, Text, TimestampMs,
    write_document,
};
use super::*;

const BYTES: &Constants = ORIGIN.constants;
const TEXT: &Constants = &Constants {
    node_name: String::new(),
    version: String::new(),
    config_hash: String::new(),
    ids: IdForm::Text,
};

/// The `_id` of a record of that time and place.
fn id(stream: Stream, time_ms: u64, origin: Origin<'_>) -> String {
    let record = AccessRecord { timestamp: Some(TimestampMs(time_ms)), ..AccessRecord::default() };
    let mut payload = [0; 64];
    let used = record.encode(&mut payload).unwrap();
    let mut out = Vec::new();
    write_id(stream, &payload[..used], &origin, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// What Elasticsearch and OpenSearch keep and sort by (their `Uid`): the bytes of canonical unpadded
/// base64url, behind a mark if they begin as a mark does; digits packed; anything else as text behind a
/// mark.
fn stored(id: &str) -> Vec<u8> {
    assert!(!id.bytes().all(|byte| byte.is_ascii_digit()), "{id} would be kept as digits");
    match URL_SAFE_NO_PAD.decode(id) {
        Ok(bytes) if bytes[0] < 0xfd => bytes,
        Ok(bytes) => [&[0xfd], &bytes[..]].concat(),
        Err(_) => [&[0xff], id.as_bytes()].concat(),
    }
}

#[test]
fn an_id_is_kept_as_the_bytes_of_time_and_place() {
    let place = |kind: u8| {
        [1, 2, 3, 4, 5, 6, 0x12, 0x34, 0x56, 0x78, 0x9a, 0, 7, 1, 0, 0, 0, 0, 42, kind].to_vec()
    };
    for stream in
        Stream::ALL.into_iter().filter(|stream| !matches!(stream, Stream::Rollup | Stream::Slo))
    {
        let id = id(stream, 0x0102_0304_0506, ORIGIN);
        assert_eq!(id.len(), 27, "{stream:?}");
        assert_eq!(stored(&id), place(stream as u8), "{stream:?}");
    }
    // The form of earlier versions never changes: their records may wait in journals for long.
    let old = id(Stream::Access, 0x0102_0304_0506, Origin { constants: TEXT, ..ORIGIN });
    assert_eq!(old, "AQIDBAUGEjRWeJoABwEAAAAAKh");
}

/// Goal: an `_id` tells one record from all others, in both forms. Method: one thing changed at a time.
#[test]
fn records_that_differ_in_one_thing_differ_in_their_id() {
    let places = |constants| {
        let origin = Origin { constants, ..ORIGIN };
        [
            id(Stream::Access, 1, origin),
            id(Stream::Access, 2, origin),
            id(Stream::Connection, 1, origin),
            id(Stream::Access, 1, Origin { instance: 1, ..origin }),
            id(Stream::Access, 1, Origin { epoch: 1, ..origin }),
            id(Stream::Access, 1, Origin { worker: 2, ..origin }),
            id(Stream::Access, 1, Origin { seq: 43, ..origin }),
        ]
    };
    let ids: Vec<_> = [places(BYTES), places(TEXT)].concat();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{ids:#?}");
}

#[test]
fn a_row_of_sums_has_the_same_id_whoever_writes_it() {
    let (time, shop) = (Some(TimestampMs(60_000)), Some(Text(b"shop".as_slice())));
    let rollup = RollupRecord { timestamp: time, service: shop, ..RollupRecord::default() };
    let slo = SloRecord { timestamp: time, service: shop, ..SloRecord::default() };
    let (mut first, mut second) = ([0; 256], [0; 256]);
    for (stream, used, payload) in [
        (Stream::Rollup, rollup.encode(&mut first), &first),
        (Stream::Slo, slo.encode(&mut second), &second),
    ] {
        let ids: HashSet<Vec<u8>> = [
            ORIGIN,
            Origin { constants: TEXT, ..ORIGIN },
            Origin { epoch: 8, worker: 255, seq: 7, ..ORIGIN },
        ]
        .iter()
        .map(|origin| {
            let mut id = Vec::new();
            write_id(stream, &payload[..used.unwrap()], origin, &mut id).unwrap();
            id
        })
        .collect();
        assert_eq!(ids.len(), 1, "{stream:?}");
    }
}

#[test]
fn rows_of_objectives_differ_in_part_name_and_group() {
    let names = |name: &'static str, service: Option<&'static str>| SloRecord {
        slo_name: Some(Text(name.as_bytes())),
        service: service.map(|service| Text(service.as_bytes())),
        ..SloRecord::default()
    };
    let prints = [
        names("a", None),
        names("b", None),
        names("a", Some("")),
        names("a", Some("shop")),
        SloRecord { route: Some(Text(b"shop")), ..names("a", None) },
        SloRecord { slo_part: Some(Count(1)), ..names("a", None) },
    ]
    .map(|record| record.fingerprint());
    assert_eq!(prints.iter().collect::<HashSet<_>>().len(), prints.len());
}

/// Goal: kinds that share a data stream never share an id. Method: a gap, a check, the change it found
/// and a sample, all of one millisecond and lane; numbers of each kind start at 1.
#[test]
fn kinds_of_one_lane_and_time_have_ids_of_their_own() {
    let now = Some(TimestampMs(1_795_479_268_123));
    let mut room = [[0_u8; 256]; 4];
    let [gap, check, change, process] = &mut room;
    let gap_bytes = GapRecord { timestamp: now, ..GapRecord::default() }.encode(gap).unwrap();
    let record = HeartbeatRecord { timestamp: now, ..HeartbeatRecord::default() };
    let check_bytes = record.encode(check).unwrap();
    let record = HeartbeatRecord { action: Some(Text(b"state_change")), ..record };
    let change_bytes = record.encode(change).unwrap();
    let record = ProcessRecord { timestamp: now, ..ProcessRecord::default() };
    let process_bytes = record.encode(process).unwrap();
    let mut ids = std::collections::HashSet::new();
    for (stream, seq, payload, want) in [
        (Stream::Gap, 1, &gap[..gap_bytes], Some("gap")),
        (Stream::Heartbeat, 1, &check[..check_bytes], Some("heartbeat")),
        (Stream::Heartbeat, 2, &change[..change_bytes], Some("heartbeat")),
        (Stream::Process, 1, &process[..process_bytes], None),
    ] {
        let origin = Origin { seq, ..ORIGIN };
        let mut id = Vec::new();
        write_id(stream, payload, &origin, &mut id).unwrap();
        let mut again = Vec::new();
        write_id(stream, payload, &origin, &mut again).unwrap();
        assert_eq!(id, again, "{stream:?}: the same after a replay");
        assert!(ids.insert(id), "{stream:?} {seq} has the id of another");
        let mut document = Vec::new();
        write_document(stream, payload, &origin, &mut document).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
        assert_eq!(document["lbproxy.kind"].as_str(), want, "{stream:?}");
    }
}

#[test]
fn a_payload_without_a_time_has_no_id_and_leaves_the_buffer_alone() {
    let mut payload = [0; 64];
    let used = AccessRecord::default().encode(&mut payload).unwrap();
    let mut out = b"before".to_vec();
    let written = write_id(Stream::Access, &payload[..used], &ORIGIN, &mut out);
    assert_eq!(written, Err(DecodeError::Damaged));
    assert_eq!(out, b"before");
}

proptest! {
    #[test]
    fn what_is_kept_compares_as_time_and_place(
        (early, late) in (0..1_u64 << 46, 0..1_u64 << 46),
        (instance, epoch, worker) in (0..1_u64 << 40, any::<u16>(), any::<u8>()),
        (low, high) in (1..1_u64 << 40, 1..1_u64 << 40),
    ) {
        let first = stored(&id(Stream::Access, early, ORIGIN));
        let origin = Origin { instance, epoch, worker, seq: low, ..ORIGIN };
        let second = stored(&id(Stream::Access, late, origin));
        prop_assert_eq!((first.len(), second.len()), (20, 20));
        if early != late {
            prop_assert_eq!(first < second, early < late);
        }
        let third = stored(&id(Stream::Access, late, Origin { seq: high, ..origin }));
        prop_assert_eq!(second.cmp(&third), low.cmp(&high), "within a millisecond and lane, by number");
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for stream in Stream::ALL {
            let _ = write_id(stream, &bytes, &ORIGIN, &mut Vec::new());
        }
    }
}
