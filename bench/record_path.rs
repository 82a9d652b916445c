//! Micro-benchmarks of a record's way: encode, document.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use lbproxy::record::{
    AccessRecord, Bytes, Constants, Count, EcsNanos, Flag, Ip, Micros, Origin, Outcome, Phase,
    Port, Reason, State, Status, Stream, Text, TimestampMs, write_document, write_id,
};

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
