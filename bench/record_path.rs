//! Micro-benchmarks of a record's way: encode, append, read, document, rollup, objectives, spans, bulk body,
//! recovery.
//!
//! `cargo bench --bench record_path`; the time of one record is the mean, the rate stands beside it.
//! Targets: append with encoding at most 0.5 µs; journal to bulk body at least 300 000 records/s on
//! one core; a rollup's part and that of the default objectives at most 0.3 µs each; recovery at least
//! 1 GiB/s. Journals are in the system's temporary folder: point
//! `TMPDIR` to a disk, for a tmpfs has no page cache to write back.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to say")]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lbproxy::journal::{Appended, From, Journal, Lane, Options, Reader};
use lbproxy::metrics::JournalMetrics;
use lbproxy::otlp::{Batch, Choice};
use lbproxy::query::{Filter, InOrder};
use lbproxy::record::{
    AccessRecord, Bytes, Constants, Count, EcsNanos, Flag, IdForm, Ip, Micros, Origin, Outcome,
    Phase, Port, Reason, State, Status, Stream, Text, TimestampMs, write_document, write_id,
};
use lbproxy::rollup::{Core, Rules};
use lbproxy::slo::{
    Backtest, BacktestSettings, BurnWindow, Dimension, Evaluator, EvaluatorSettings, EventCount,
    GROUPS_MAX, Indicator, NoData, Objective, Period, Severity, Silence, TargetShare,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

/// Bytes of a segment, as `lbproxy run` has them.
const SEGMENT_BYTES: u32 = 1 << 20;
/// Bytes of the journals that are read.
const JOURNAL_BYTES: u64 = 256 << 20;
/// Records in the journals that are read.
const RECORDS: u64 = 500_000;

/// A proxied `GET` over TLS that opened its connection: 40 fields, as many as are ever usual.
fn typical() -> AccessRecord<'static> {
    AccessRecord {
        timestamp: Some(TimestampMs(1_795_479_268_123)),
        duration: Some(EcsNanos(12_345)),
        method: Some(Text(b"GET")),
        path: Some(Text(b"/catalogue/products/8215/reviews")),
        query: Some(Text(b"page=2&sort=newest")),
        domain: Some(Text(b"shop.example.com")),
        scheme: Some(Text(b"https")),
        http_version: Some(Text(b"1.1")),
        status: Some(Status(200)),
        request_body_bytes: Some(Bytes(0)),
        request_bytes: Some(Bytes(412)),
        response_body_bytes: Some(Bytes(1_024)),
        response_bytes: Some(Bytes(1_310)),
        service: Some(Text(b"shop")),
        endpoint: Some(Text(b"10.0.0.1:9090")),
        connect_us: Some(Micros(310)),
        reused: Some(Flag(false)),
        upstream_requests: Some(Count(1)),
        first_byte_us: Some(Micros(10_800)),
        upstream_total_us: Some(Micros(12_100)),
        idle_us: Some(Micros(2_000_123)),
        head_us: Some(Micros(12)),
        response_us: Some(Micros(700)),
        self_us: Some(Micros(41)),
        tls_us: Some(Micros(1_900)),
        tls_version: Some(Text(b"1.3")),
        tls_cipher: Some(Text(b"TLS_AES_256_GCM_SHA384")),
        tls_server_name: Some(Text(b"shop.example.com")),
        tls_resumed: Some(Flag(false)),
        attempts: Some(Count(1)),
        state: Some(State::new(Reason::Complete, Phase::Done)),
        reason: Some(Reason::Complete),
        outcome: Some(Outcome::Success),
        source_ip: Some(Ip(std::net::IpAddr::from([192, 0, 2, 17]))),
        source_port: Some(Port(53_211)),
        client_ip: Some(Ip(std::net::IpAddr::from([198, 51, 100, 4]))),
        user_agent: Some(Text(
            b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        )),
        response_mime: Some(Text(b"application/json")),
        connection_id: Some(Count(81_234)),
        connection_requests: Some(Count(17)),
        ..AccessRecord::default()
    }
}

/// What is constant in a process.
fn constants() -> Constants {
    Constants {
        node_name: "node".to_owned(),
        version: "0.1.0".to_owned(),
        config_hash: "01234567".to_owned(),
        ids: IdForm::default(),
    }
}

/// Encode into a slice; document and id into a buffer.
fn record(criterion: &mut Criterion) {
    let record = typical();
    let mut slice = vec![0; 4_096];
    criterion.bench_function("record/encode", |bench| {
        bench.iter(|| black_box(&record).encode(black_box(&mut slice)));
    });
    let used = record.encode(&mut slice).expect("4 KiB hold a record");
    let payload = slice.get(..used).unwrap_or_default();
    let constants = constants();
    let origin = Origin { instance: 1, epoch: 1, worker: 0, seq: 1, constants: &constants };
    let mut out = Vec::with_capacity(4_096);
    criterion.bench_function("record/document", |bench| {
        bench.iter(|| {
            out.clear();
            write_id(Stream::Access, black_box(payload), &origin, &mut out)
                .expect("it has a timestamp");
            write_document(Stream::Access, black_box(payload), &origin, &mut out)
                .expect("it was encoded just now");
        });
    });
}

/// What rollups add to a record's cost: decoded and added to its row, among forty rows and over three
/// octaves of times.
fn rollup(criterion: &mut Criterion) {
    let endpoints: Vec<_> = (0..40).map(|n| format!("10.0.0.{n}:9090")).collect();
    let payloads: Vec<_> = (0..1_000_u64)
        .map(|n| {
            let endpoint = endpoints.get(usize::try_from(n % 40).unwrap_or(0));
            let record = AccessRecord {
                duration: Some(EcsNanos(2_000 + n * 7_919 % 14_000)),
                first_byte_us: Some(Micros(1_000 + n * 6_007 % 7_000)),
                endpoint: endpoint.map(|endpoint| Text(endpoint.as_bytes())),
                connect_us: None,
                ..typical()
            };
            let mut slice = vec![0; 4_096];
            let used = record.encode(&mut slice).expect("4 KiB hold a record");
            slice.truncate(used);
            slice
        })
        .collect();
    let mut core = Core::new(Rules { window_ms: 60_000, grace_ms: 2_000 });
    let mut seq = 0;
    criterion.benchmark_group("rollup").throughput(Throughput::Elements(1)).bench_function(
        "observe",
        |bench| {
            let mut payloads = payloads.iter().cycle();
            bench.iter(|| {
                let payload = payloads.next().expect("a cycle does not end");
                seq += 1;
                core.take((1, 1, 0), seq, black_box(payload), 0).expect("it is a record");
            });
        },
    );
}

/// An objective over 30 days, with the usual windows.
fn objective(name: &str, valid: &str, good: &str, group_by: &[Dimension]) -> Arc<Objective> {
    let filter = |text| Filter::parse(text).expect("a filter");
    let window = |budget_ppm, hours, short_minutes| BurnWindow {
        budget_ppm,
        long: std::time::Duration::from_hours(hours),
        short: std::time::Duration::from_mins(short_minutes),
        severity: Severity::Page,
    };
    Arc::new(Objective {
        name: name.to_owned(),
        title: name.to_owned(),
        description: String::new(),
        service: "shop".to_owned(),
        owner: None,
        runbook: None,
        dashboard: None,
        indicator: Indicator { valid: filter(valid), good: filter(good), bound: None },
        target: TargetShare::from_ppm(999_000).expect("between none and all"),
        period: Period::Rolling(std::time::Duration::from_hours(30 * 24)),
        group_by: group_by.to_vec(),
        windows: vec![
            window(20_000, 1, 5),
            window(50_000, 6, 30),
            window(100_000, 24, 120),
            window(100_000, 72, 360),
        ],
        min_total: 50,
        min_bad: 10,
        no_data: NoData { after: None, firing: Silence::Keep },
        notify: Vec::new(),
        maintenance: Vec::new(),
    })
}

/// Requests that could be served.
const ANSWERABLE: &str = "stream = access and outcome != unknown";

/// The two objectives of a proxy without files.
fn defaults(group_by: &[Dimension]) -> [Arc<Objective>; 2] {
    let served = "stream = access and outcome = success";
    [
        objective("availability", ANSWERABLE, "outcome = success", group_by),
        objective("latency", served, "duration <= 300ms", group_by),
    ]
}

fn settings() -> EvaluatorSettings {
    let source = "bench".to_owned();
    EvaluatorSettings { groups_max: GROUPS_MAX, heartbeat_every: None, source }
}

fn evaluator(objectives: &[Arc<Objective>]) -> Evaluator {
    Evaluator::new(objectives, settings())
}

/// A back-test of all that there is.
fn backtest(objectives: &[Arc<Objective>]) -> Backtest {
    let settings =
        BacktestSettings { evaluator: settings(), from_ms: None, to_ms: None, now_ms: u64::MAX };
    Backtest::new(objectives, settings)
}

/// What objectives add to a record's cost: the two default ones, while all is well and while every
/// request fails; the same by endpoint. Then an evaluation of a hundred objectives of twenty groups, which
/// comes every ten seconds.
fn slo(criterion: &mut Criterion) {
    const NOW_MS: u64 = 1_795_479_268_123;
    let constants = constants();
    let origin = Origin { instance: 1, epoch: 1, worker: 0, seq: 1, constants: &constants };
    let mut group = criterion.benchmark_group("slo");
    group.throughput(Throughput::Elements(1));
    for (name, outcome, group_by) in [
        ("count", Outcome::Success, &[][..]),
        ("count_outage", Outcome::Failure, &[]),
        ("count_by_endpoint", Outcome::Success, &[Dimension::Endpoint]),
    ] {
        let record = AccessRecord { outcome: Some(outcome), ..typical() };
        let mut payload = vec![0; 4_096];
        let used = record.encode(&mut payload).expect("4 KiB hold a record");
        payload.truncate(used);
        let mut evaluator = evaluator(&defaults(group_by));
        evaluator.look(NOW_MS, 0);
        group.bench_function(name, |bench| {
            bench.iter(|| evaluator.take(Stream::Access, black_box(&payload), origin));
        });
    }
    let by_endpoint = [Dimension::Endpoint];
    let objectives: Vec<_> = (0..100)
        .map(|n| objective(&format!("o{n}"), ANSWERABLE, "outcome = success", &by_endpoint))
        .collect();
    let mut evaluator = evaluator(&objectives);
    for step in 0..150 {
        let now_ms = NOW_MS + step * 30 * 60_000;
        evaluator.look(now_ms, now_ms);
        for n in 0..2_000 {
            let endpoint = format!("10.0.0.{}:8080", n % 20);
            let events = EventCount { valid: 90_000, bad: 20 };
            evaluator.add(&format!("o{}", n / 20), &[endpoint.as_bytes()], now_ms, events);
        }
    }
    group.throughput(Throughput::Elements(2_000));
    group.bench_function("evaluate_100x20", |bench| bench.iter(|| evaluator.evaluate()));
    group.throughput(Throughput::Elements(1_440));
    group.sample_size(10);
    let objectives = defaults(&[]);
    group.bench_function("backtest_day_of_minutes", |bench| {
        bench.iter(|| day_of_minutes(&objectives, NOW_MS));
    });
    group.finish();
}

/// A back-test over a day of minutes, evaluated every ten seconds.
fn day_of_minutes(objectives: &[Arc<Objective>], now_ms: u64) -> u64 {
    let mut test = backtest(objectives);
    let events = EventCount { valid: 6_000, bad: 3 };
    for minute in 0..1_440 {
        let rows = objectives.iter().map(|objective| (objective.name.as_str(), &[][..], events));
        test.add_minute(now_ms / 60_000 * 60_000 + minute * 60_000, &rows);
    }
    test.finish().records
}

/// A journal of one worker lane in `dir`.
fn open(dir: &Path, bytes_max: u64) -> (Journal, Vec<Lane>) {
    Journal::open(Options {
        dir: dir.to_owned(),
        bytes_max,
        segment_bytes: SEGMENT_BYTES,
        sync_every: std::time::Duration::from_secs(1),
        workers: 1,
        preamble: constants().encode(),
        teller: None,
        metrics: Arc::new(JournalMetrics::default()),
    })
    .expect("the temporary folder takes a journal")
}

/// Appends `record` once, with its encoding.
fn append(lane: &mut Lane, record: &AccessRecord<'_>) -> Appended {
    lane.append(Stream::Access as u8, |out| record.encode(out))
}

/// What a worker pays for a record: encoded straight into the mapped segment, changes of segment
/// and their preparation in the background included. Nothing reads, so segments are used again.
fn journal_append(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (journal, mut lanes) = open(dir.path(), 64 << 20);
    let record = typical();
    let lane = lanes.first_mut().expect("one worker");
    criterion.benchmark_group("journal").throughput(Throughput::Elements(1)).bench_function(
        "append",
        |bench| {
            bench.iter(|| {
                let appended = append(lane, black_box(&record));
                assert!(matches!(appended, Appended::Stored), "the journal has space");
            });
        },
    );
    drop(lanes);
    journal.close();
}

/// A closed journal with [`RECORDS`] records that a durable reader has not acknowledged, and the
/// bytes of their segments; one in so many is of a trace that is kept, if there are traces.
fn filled(dir: &Path, kept_each: Option<u64>) -> u64 {
    let (journal, mut lanes) = open(dir, JOURNAL_BYTES);
    drop(journal.reader("ship").expect("the first of its name"));
    let record = typical();
    let lane = lanes.first_mut().expect("one worker");
    for number in 0..RECORDS {
        let record = AccessRecord {
            trace_id: kept_each.map(|_| Text(b"4bf92f3577b34da6a3ce929d0e0e4736")),
            span_id: kept_each.map(|_| Text(b"00f067aa0ba902b7")),
            trace_sampled: kept_each.map(|each| Flag(number % each == 0)),
            ..record
        };
        assert!(matches!(append(lane, &record), Appended::Stored), "the journal is large enough");
    }
    drop(lanes);
    journal.close();
    let mut slice = vec![0; 4_096];
    let payload_bytes = record.encode(&mut slice).expect("4 KiB hold a record");
    RECORDS * (payload_bytes as u64 + 16).next_multiple_of(8)
}

/// Reading as such; reading and writing a `_bulk` body; starting again with all of it unshipped.
fn journal_read(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let used_bytes = filled(dir.path(), None);
    let reader = || Reader::open_directory(dir.path(), From::Oldest).expect("it can be listed");
    let mut group = criterion.benchmark_group("journal");
    group
        .sample_size(10)
        .throughput(Throughput::ElementsAndBytes { elements: RECORDS, bytes: used_bytes });
    group.bench_function("read", |bench| {
        bench.iter_batched(
            reader,
            |mut reader| {
                let mut count = 0;
                while reader.read(2 << 20, &mut |_| count += 1).expect("it can be read") > 0 {}
                assert_eq!(count, RECORDS);
            },
            BatchSize::PerIteration,
        );
    });
    let constants = constants();
    let mut body = Vec::with_capacity(4 << 20);
    group.bench_function("bulk_body", |bench| {
        bench.iter_batched(
            reader,
            |mut reader| assert_eq!(bulk_bodies(&mut reader, &constants, &mut body), RECORDS),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("backtest", |bench| {
        bench.iter(|| {
            let mut test = backtest(&defaults(&[]));
            let mut records =
                InOrder::open::<Box<dyn Error>>(dir.path()).expect("it can be listed");
            let read = records.all::<Box<dyn Error>>(&mut |time_ms, stream, payload, origin| {
                test.take(time_ms, stream, payload, origin);
                Ok(())
            });
            read.expect("it can be read");
            assert_eq!(test.finish().records, RECORDS);
        });
    });
    group.bench_function("recovery", |bench| {
        bench.iter_batched(|| (), |()| open(dir.path(), JOURNAL_BYTES), BatchSize::PerIteration);
    });
    group.finish();
}

/// What traces add to a record's cost beside reading it: one in a hundred becomes spans, in batches as a
/// collector gets them.
fn spans(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    filled(dir.path(), Some(100));
    let mut group = criterion.benchmark_group("otlp");
    group.sample_size(10).throughput(Throughput::Elements(RECORDS));
    group.bench_function("read", |bench| {
        bench.iter_batched(
            || Reader::open_directory(dir.path(), From::Oldest).expect("it can be listed"),
            |mut reader| {
                let mut count = 0;
                while reader.read(64 << 10, &mut |_| count += 1).expect("it can be read") > 0 {}
                assert_eq!(count, RECORDS);
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("spans_1_percent", |bench| {
        let choice = Choice { slow: Some(std::time::Duration::from_secs(1)), logs: false };
        bench.iter_batched(
            || Reader::open_directory(dir.path(), From::Oldest).expect("it can be listed"),
            |mut reader| {
                let (mut count, mut is_at_end) = (0, false);
                while !is_at_end {
                    let mut batch = Batch::default();
                    is_at_end = batch.fill(&mut reader, choice, "host").expect("it can be read");
                    count += batch.span_count;
                    let request = ExportTraceServiceRequest { resource_spans: batch.spans };
                    black_box(request.encode_to_vec());
                }
                assert_eq!(count, 2 * RECORDS / 100, "server and client");
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Reads everything into bodies of about 2 MiB; gives the number of records.
fn bulk_bodies(reader: &mut Reader, constants: &Constants, body: &mut Vec<u8>) -> u64 {
    let mut count = 0;
    loop {
        body.clear();
        let entries = reader.read(512 << 10, &mut |entry| {
            let origin = Origin {
                instance: entry.instance,
                epoch: entry.epoch,
                worker: entry.lane,
                seq: entry.seq,
                constants,
            };
            let stream = Stream::from_u8(entry.stream).expect("a stream of this version");
            body.extend_from_slice(b"{\"create\":{\"_id\":\"");
            write_id(Stream::Access, entry.payload, &origin, body).expect("it has a timestamp");
            body.extend_from_slice(b"\"}}\n");
            write_document(stream, entry.payload, &origin, body).expect("a whole record");
            body.push(b'\n');
            count += 1;
        });
        black_box(&body);
        if entries.expect("it can be read") == 0 {
            return count;
        }
    }
}

criterion_group!(benches, record, rollup, slo, journal_append, journal_read, spans);
criterion_main!(benches);
