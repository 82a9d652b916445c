//! Micro-benchmarks of a record's way: encode, document.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use lbproxy::record::{
    AccessRecord, Bytes, Constants, EcsNanos, Ip, Micros, Origin, Reason, Status, Stream, Text,
    TimestampMs, write_document, write_id,
};

/// A record as most exchanges leave it.
fn typical() -> AccessRecord<'static> {
    AccessRecord {
        timestamp: Some(TimestampMs(1_795_479_268_123)),
        duration: Some(EcsNanos(2_345)),
        method: Some(Text(b"GET")),
        path: Some(Text(b"/products/4711/reviews")),
        query: Some(Text(b"page=2&sort=newest")),
        domain: Some(Text(b"shop.example.com")),
        status: Some(Status(200)),
        response_body_bytes: Some(Bytes(1_024)),
        response_bytes: Some(Bytes(1_210)),
        service: Some(Text(b"shop")),
        endpoint: Some(Text(b"10.0.0.1:9090")),
        first_byte_us: Some(Micros(1_800)),
        reason: Some(Reason::Complete),
        source_ip: Some(Ip(std::net::Ipv4Addr::LOCALHOST.into())),
        user_agent: Some(Text(b"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/130.0")),
        ..AccessRecord::default()
    }
}

/// Encode into a slice; document and id into a buffer.
fn record(criterion: &mut Criterion) {
    let record = typical();
    let mut slice = vec![0; 4_096];
    criterion.bench_function("record/encode", |bench| {
        bench.iter(|| black_box(&record).encode(black_box(&mut slice)));
    });
    let used = record.encode(&mut slice).unwrap_or(0);
    let payload = slice.get(..used).unwrap_or_default();
    let constants = Constants {
        node_name: "node".to_owned(),
        version: "0.1.0".to_owned(),
        config_hash: "01234567".to_owned(),
    };
    let origin = Origin { instance: 1, epoch: 1, worker: 0, seq: 1, constants: &constants };
    let mut out = Vec::with_capacity(4_096);
    criterion.bench_function("record/document", |bench| {
        bench.iter(|| {
            out.clear();
            let _ = write_id(black_box(payload), &origin, &mut out);
            let _ = write_document(Stream::Access, black_box(payload), &origin, &mut out);
        });
    });
}

criterion_group!(benches, record);
criterion_main!(benches);
