//! Lines as people see them.

use super::*;
use crate::record::{
    Bytes, Constants, Count, EcsNanos, HeartbeatRecord, Ip, Micros, Origin, Outcome, Phase, Port,
    ProcessRecord, Ratio, RollupRecord, Status, Stream, Text, TimestampMs,
};

/// What `ask` says of the row of an encoded record.
fn row<T>(stream: Stream, payload: &[u8], ask: impl FnOnce(&Row<'_>) -> T) -> T {
    let constants = Constants::default();
    let origin = Origin { instance: 1, epoch: 1, worker: 0, seq: 1, constants: &constants };
    ask(&Row::read(stream, payload, origin).unwrap())
}

/// The line of an encoded record.
fn shown(stream: Stream, payload: &[u8], has_colours: bool) -> String {
    row(stream, payload, |row| line(row, Paint { has_colours }))
}

#[test]
fn an_exchange_is_one_line_that_says_what_matters() {
    let served = AccessRecord {
        timestamp: Some(TimestampMs(1_795_479_268_123)),
        duration: Some(EcsNanos(12_400)),
        method: Some(Text(b"GET")),
        domain: Some(Text(b"shop.example.com")),
        path: Some(Text(b"/cart")),
        query: Some(Text(b"a=1")),
        status: Some(Status(200)),
        service: Some(Text(b"web")),
        endpoint: Some(Text(b"10.0.0.1:9090")),
        request_bytes: Some(Bytes(84)),
        response_bytes: Some(Bytes(1_229)),
        reason: Some(Reason::Complete),
        state: Some(State::new(Reason::Complete, Phase::Done)),
        outcome: Some(Outcome::Success),
        attempts: Some(Count(1)),
        ..AccessRecord::default()
    };
    let failed = AccessRecord {
        status: Some(Status(502)),
        reason: Some(Reason::UpstreamClosed),
        state: Some(State::new(Reason::UpstreamClosed, Phase::Head)),
        attempts: Some(Count(2)),
        query: None,
        ..served
    };
    let left = AccessRecord {
        timestamp: Some(TimestampMs(0)),
        reason: Some(Reason::DownstreamClosed),
        ..AccessRecord::default()
    };
    let mut out = [0; 4096];
    let mut access = |record: &AccessRecord<'_>, has_colours| {
        let used = record.encode(&mut out).unwrap();
        shown(Stream::Access, &out[..used], has_colours)
    };
    assert_eq!(
        access(&served, false),
        "2026-11-24T00:14:28.123Z 200 GET shop.example.com/cart?a=1 12.4 ms \
         web→10.0.0.1:9090 ↑84 B ↓1.20 KiB"
    );
    assert_eq!(
        access(&failed, false),
        "2026-11-24T00:14:28.123Z 502 GET shop.example.com/cart 12.4 ms web→10.0.0.1:9090 \
         ↑84 B ↓1.20 KiB 2 attempts upstream_closed SH"
    );
    assert_eq!(access(&left, false), "1970-01-01T00:00:00.000Z --- - - downstream_closed");
    let coloured = access(&failed, true);
    assert!(coloured.contains("\x1b[31m502\x1b[0m"), "{coloured:?}");
    assert!(coloured.contains("\x1b[31mupstream_closed SH\x1b[0m"), "{coloured:?}");
}

#[test]
fn connections_and_gaps_are_lines_of_their_own() {
    let mut out = [0; 4096];
    let record = ConnectionRecord {
        timestamp: Some(TimestampMs(0)),
        duration: Some(EcsNanos(870)),
        source_ip: Some(Ip("::1".parse().unwrap())),
        source_port: Some(Port(4242)),
        status: Some(Status(400)),
        reason: Some(Reason::BadRequest),
        message: Some(Text(b"no\x1b[2J method")),
        ..ConnectionRecord::default()
    };
    let used = record.encode(&mut out).unwrap();
    assert_eq!(
        shown(Stream::Connection, &out[..used], false),
        "1970-01-01T00:00:00.000Z 400 connection from [::1]:4242 870 µs bad_request \
         no\\x1b[2J method"
    );
    let record = GapRecord {
        timestamp: Some(TimestampMs(0)),
        gap_worker: Some(Count(3)),
        gap_stream: Some(Count(1)),
        gap_first_seq: Some(Count(17)),
        gap_count: Some(Count(5)),
        gap_reason: Some(Text(b"journal_full")),
        ..GapRecord::default()
    };
    let used = record.encode(&mut out).unwrap();
    assert_eq!(
        shown(Stream::Gap, &out[..used], false),
        "1970-01-01T00:00:00.000Z 5 access records of worker 3 were not journaled, from number \
         17: journal_full"
    );
}

/// Goal: no byte that a client chose reaches the terminal as a command. Method: the same hostile
/// text in every field that a client fills.
#[test]
fn hostile_text_in_any_field_stays_text() {
    let evil = "\x1b]0;owned\x07\x1b[2J\r\n\u{202e}\u{9b}31m".as_bytes();
    let record = AccessRecord {
        timestamp: Some(TimestampMs(0)),
        method: Some(Text(evil)),
        domain: Some(Text(evil)),
        path: Some(Text(evil)),
        query: Some(Text(evil)),
        service: Some(Text(evil)),
        endpoint: Some(Text(evil)),
        user_agent: Some(Text(evil)),
        ..AccessRecord::default()
    };
    let mut out = [0; 4096];
    let used = record.encode(&mut out).unwrap();
    let line = shown(Stream::Access, &out[..used], false);
    let is_harmless = |c: char| !c.is_control() && c != '\u{202e}';
    assert!(line.chars().all(is_harmless), "{line:?}");
    assert!(line.contains("\\x1b]0;owned\\x07"), "{line}");
}

/// Goal: no record is an empty line, and what comes at a fixed pace is known as such. Method: a record of
/// each further kind.
#[test]
fn other_kinds_say_what_they_are_by_name() {
    let now = Some(TimestampMs(0));
    let check = HeartbeatRecord {
        timestamp: now,
        monitor_name: Some(Text(b"listener web")),
        monitor_status: Some(Text(b"up")),
        monitor_duration_us: Some(Micros(870)),
        ..HeartbeatRecord::default()
    };
    let change = HeartbeatRecord {
        action: Some(Text(b"state_change")),
        previous: Some(Text(b"down")),
        monitor_duration_us: None,
        ..check
    };
    let sample = ProcessRecord {
        timestamp: now,
        metricset: Some(Text(b"process")),
        cpu: Some(Ratio(120)),
        rss_bytes: Some(Bytes(16 << 20)),
        ..ProcessRecord::default()
    };
    let rollup = RollupRecord {
        timestamp: now,
        service: Some(Text(b"web")),
        rollup_requests: Some(Count(7)),
        ..RollupRecord::default()
    };
    let mut out = [[0; 256]; 4];
    let [a, b, c, d] = &mut out;
    for (stream, used, payload, is_routine, want) in [
        (
            Stream::Heartbeat,
            check.encode(a),
            &a[..],
            true,
            "heartbeat monitor_status=up monitor_name=listener web monitor_duration_us=870 µs",
        ),
        (
            Stream::Heartbeat,
            change.encode(b),
            &b[..],
            false,
            "heartbeat monitor_status=up monitor_name=listener web action=state_change previous=down",
        ),
        (
            Stream::Process,
            sample.encode(c),
            &c[..],
            true,
            "process metricset=process cpu=0.0120 rss_bytes=16.0 MiB",
        ),
        (Stream::Rollup, rollup.encode(d), &d[..], true, "rollup service=web rollup_requests=7"),
    ] {
        let payload = &payload[..used.unwrap()];
        let paint = Paint { has_colours: false };
        let found = row(stream, payload, |row| (line(row, paint), row.is_routine()));
        assert_eq!(found, (format!("1970-01-01T00:00:00.000Z {want}"), is_routine));
    }
}
