//! Documents, `_id`s and the codec of whole records.

use proptest::prelude::*;

use super::super::fuzzed::ORIGIN;
use super::super::sample::Source;
use super::super::*;
use super::{Stream, write_document};

fn encoded(record: &AccessRecord<'_>) -> Vec<u8> {
    let mut out = vec![0; 64 * 1024];
    let used = record.encode(&mut out).unwrap();
    out.truncate(used);
    out
}

#[test]
fn a_document_has_dotted_keys_and_its_place_in_the_journal() {
    let path = "/\"\u{202e}\n".repeat(10);
    let record = AccessRecord {
        timestamp: Some(TimestampMs(1_795_479_268_123)),
        duration: Some(EcsNanos(1_500)),
        path: Some(Text(path.as_bytes())),
        status: Some(Status(200)),
        source_ip: Some(Ip("::1".parse().unwrap())),
        reused: Some(Flag(false)),
        state: Some(State::new(Reason::UpstreamReset, Phase::Data)),
        reason: Some(Reason::UpstreamReset),
        ..AccessRecord::default()
    };
    let mut out = Vec::new();
    write_document(Stream::Access, &encoded(&record), &ORIGIN, &mut out).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let want = serde_json::json!({
        "@timestamp": "2026-11-24T00:14:28.123Z", "event.duration": 1_500_000, "url.path": path,
        "http.response.status_code": 200, "source.ip": "::1", "lbproxy.upstream.reused": false,
        "lbproxy.termination.state": "SD", "lbproxy.termination.reason": "upstream_reset",
        "lbproxy.status_class": "2xx", "service.node.name": "", "service.version": "", "lbproxy.config.hash": "",
        "lbproxy.instance": "123456789a", "lbproxy.worker": 1, "lbproxy.epoch": 7, "lbproxy.seq": 42,
    });
    assert_eq!(document, want);
}

/// The document as a tree.
fn document(stream: Stream, payload: &[u8]) -> serde_json::Map<String, serde_json::Value> {
    let mut out = b"before".to_vec();
    write_document(stream, payload, &ORIGIN, &mut out).unwrap();
    serde_json::from_slice(out.strip_prefix(b"before").unwrap()).unwrap()
}

#[test]
fn damage_leaves_the_buffer_alone() {
    let mut out = b"before".to_vec();
    let whole = encoded(&AccessRecord { status: Some(Status(200)), ..AccessRecord::default() });
    let cut = &whole[..whole.len() - 1];
    let written = write_document(Stream::Access, cut, &ORIGIN, &mut out);
    assert_eq!(written, Err(DecodeError::Damaged));
    assert_eq!(out, b"before");
}

#[test]
fn long_texts_are_cut_at_a_character() {
    let path = "\u{e9}".repeat(8 * 1024);
    let record = AccessRecord { path: Some(Text(path.as_bytes())), ..AccessRecord::default() };
    let bytes = encoded(&record);
    let kept = AccessRecord::decode(&bytes).unwrap().path.unwrap().0;
    assert_eq!(kept, &path.as_bytes()[..2048]);

    let odd = format!("a{path}");
    let record = AccessRecord { path: Some(Text(odd.as_bytes())), ..AccessRecord::default() };
    let bytes = encoded(&record);
    let kept = AccessRecord::decode(&bytes).unwrap().path.unwrap().0;
    assert_eq!(kept, &odd.as_bytes()[..2047], "2048 would end inside a character");
    assert_eq!(document(Stream::Access, &bytes)["url.path"], odd[..2047]);
}

#[test]
fn a_word_of_a_newer_version_is_not_called_damage() {
    let record = AccessRecord { reason: Some(Reason::Complete), ..AccessRecord::default() };
    let mut bytes = encoded(&record);
    *bytes.last_mut().unwrap() = 250;
    assert_eq!(AccessRecord::decode(&bytes), Err(DecodeError::Newer));
}

#[test]
fn constants_come_back_and_a_cut_is_damage() {
    let constants = Constants {
        node_name: "proxy-1".to_owned(),
        version: "0.1.0".to_owned(),
        config_hash: "\u{e9}".repeat(200),
        ids: IdForm::Bytes,
    };
    let bytes = constants.encode();
    let read = Constants::decode(&bytes).unwrap();
    assert_eq!((read.node_name, read.version), (constants.node_name, constants.version));
    assert_eq!(read.config_hash, "\u{e9}".repeat(127), "255 bytes at most, whole characters");
    let (form, texts) = bytes.split_last().unwrap();
    for cut in 0..texts.len() {
        assert_eq!(Constants::decode(&texts[..cut]), Err(DecodeError::Damaged), "cut at {cut}");
    }
    let ids = |bytes: &[u8]| Constants::decode(bytes).map(|constants| constants.ids);
    for (name, last, want) in [
        ("a version that says nothing of ids", &[][..], Ok(IdForm::Text)),
        ("this version", &[*form][..], Ok(IdForm::Bytes)),
        ("a later version that adds something", &[*form, 9][..], Ok(IdForm::Bytes)),
        ("a later version with ids of its own", &[2][..], Err(DecodeError::Newer)),
    ] {
        assert_eq!(ids(&[texts, last].concat()), want, "{name}");
    }
}

#[test]
fn a_record_of_a_newer_version_and_damage_are_told_apart() {
    let mut newer = vec![0; 16];
    newer[15] = 0x80;
    assert_eq!(AccessRecord::decode(&newer), Err(DecodeError::Newer));
    assert_eq!(AccessRecord::decode(&[1; 3]), Err(DecodeError::Damaged));
}

#[test]
fn every_path_is_ecs_a_beats_or_ours_and_stands_once_per_kind() {
    /// ECS 9.5 names in use (elastic/ecs, generated/csv/fields.csv).
    const ECS: &[&str] = &[
        "@timestamp",
        "event.duration",
        "event.outcome",
        "http.request.method",
        "url.path",
        "url.query",
        "url.domain",
        "url.scheme",
        "http.version",
        "http.response.status_code",
        "http.request.body.bytes",
        "http.request.bytes",
        "http.response.body.bytes",
        "http.response.bytes",
        "tls.version",
        "tls.cipher",
        "tls.client.server_name",
        "tls.resumed",
        "source.ip",
        "source.port",
        "source.bytes",
        "destination.bytes",
        "client.ip",
        "user_agent.original",
        "http.request.referrer",
        "http.request.mime_type",
        "http.response.mime_type",
        "http.request.id",
        "trace.id",
        "span.id",
        "error.message",
        "service.node.name",
        "service.version",
        "event.action",
        "url.full",
        "url.port",
        "error.type",
        "process.pid",
        "process.uptime",
    ];
    /// Names of Elastic's Heartbeat and Metricbeat, where ECS has none.
    const BEATS: &[&str] = &[
        "monitor.",
        "summary.",
        "state.",
        "tcp.rtt.",
        "tls.rtt.",
        "http.rtt.",
        "metricset.",
        "system.",
    ];
    for stream in Stream::ALL {
        let mut seen = std::collections::HashSet::new();
        let mut otel = std::collections::HashSet::new();
        for field in stream.document_fields() {
            assert!(seen.insert(field.path), "{} twice", field.path);
            assert!(field.otel.is_empty() || otel.insert(field.otel), "{} twice", field.otel);
            assert!(field.doc.ends_with('.'), "{} is not explained", field.path);
            let known = ECS.contains(&field.path)
                || field.path.starts_with("lbproxy.")
                || BEATS.iter().any(|beat| field.path.starts_with(beat));
            assert!(known, "{} is neither ECS nor ours", field.path);
        }
    }
}

/// What a document says for a value of a field with that unit.
fn as_json(value: Value<'_>, unit: &str) -> serde_json::Value {
    match value {
        Value::Number(number) => number.into(),
        Value::Micros(micros) if unit == "ns" => micros.saturating_mul(1_000).into(),
        Value::Micros(micros) => micros.into(),
        Value::TimeMs(ms) => {
            let mut out = Vec::new();
            write_timestamp(ms, &mut out);
            serde_json::from_slice(&out).unwrap()
        }
        Value::TimespanMs(from, to) => serde_json::json!({
            "gte": as_json(Value::TimeMs(from), unit), "lt": as_json(Value::TimeMs(to), unit),
        }),
        Value::Ratio(ratio) => (f64::from(u32::try_from(ratio).unwrap()) / 10_000.0).into(),
        Value::Flag(flag) => flag.into(),
        Value::Address(address) => address.to_string().into(),
        Value::Text(text) => String::from_utf8_lossy(text).into(),
        Value::Texts(texts) => {
            texts.items().map(|text| String::from_utf8_lossy(text)).collect::<Vec<_>>().into()
        }
    }
}

/// Several spans have their sum as one value; anything else is itself.
fn one_value(value: &serde_json::Value) -> serde_json::Value {
    let spans: Option<Vec<_>> =
        value.as_array().and_then(|list| list.iter().map(serde_json::Value::as_u64).collect());
    match spans {
        Some(spans) if !spans.is_empty() => spans.into_iter().fold(0, u64::saturating_add).into(),
        _ => value.clone(),
    }
}

/// Goal, for each kind of record: what was written comes back, its document and its values say the
/// same, in part too, and a cut is never taken for a record. Method: any record, cut at every byte.
macro_rules! properties {
    ($($test:ident $record:ident $stream:expr;)*) => {proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        $(#[test]
        fn $test(source in Source::any(), wanted in any::<u128>()) {
            let record = $record::draw(&source);
            let mut slot = vec![0; 64 * 1024];
            let used = record.encode(&mut slot).unwrap();
            let bytes = &slot[..used];
            prop_assert_eq!($record::decode(bytes), Ok(record));

            let mut want = record.expected();
            if $stream.dataset().has_several_kinds() {
                want.insert("lbproxy.kind".to_owned(), $stream.as_str().into());
            }
            for field in ORIGIN_FIELDS {
                let value = match field.rust {
                    "instance" => "123456789a".into(),
                    "worker" => 1.into(),
                    "epoch" => 7.into(),
                    "seq" => 42.into(),
                    _ => "".into(),
                };
                want.insert(field.path.to_owned(), value);
            }
            let mut have = document($stream, bytes);
            for field in $stream.derived_fields() {
                // What they say is told beside them; here, that each is there when it should be.
                let made = have.remove(field.path);
                let count = want.get("lbproxy.rollup.duration_us").map(|times| times["count"].as_u64());
                let sum = made.as_ref().and_then(|made| made.as_object()).map(|bands| {
                    Some(bands.values().filter_map(serde_json::Value::as_u64).sum::<u64>())
                });
                match field.rust {
                    "duration_bucket" => prop_assert_eq!(sum, count),
                    _ => prop_assert!(made.is_some(), "{}", field.path),
                }
            }
            prop_assert_eq!(&have, &want);
            let values = Values::read($stream, bytes).unwrap();
            let some = Values::read_some($stream, bytes, wanted).unwrap();
            for field in $stream.fields() {
                let value = values.get(field.id).filter(|_| wanted & 1 << field.id != 0);
                prop_assert_eq!(some.get(field.id), value, "{}", field.path);
            }
            for field in $stream.fields().iter().filter(|field| field.parts.is_empty()) {
                let value = values.get(field.id).map(|value| as_json(value, field.kind.unit));
                prop_assert_eq!(value, have.get(field.path).map(one_value), "{}", field.path);
            }

            let mut short = vec![0; used];
            for cut in 0..used {
                prop_assert!($record::decode(&bytes[..cut]).is_err(), "cut at {}", cut);
                prop_assert_eq!(record.encode(&mut short[..cut]), None, "room for {}", cut);
            }
        })*
    }};
}

properties! {
    access_records_come_back_whole_or_not_at_all AccessRecord Stream::Access;
    connection_records_come_back_whole_or_not_at_all ConnectionRecord Stream::Connection;
    gap_records_come_back_whole_or_not_at_all GapRecord Stream::Gap;
    heartbeat_records_come_back_whole_or_not_at_all HeartbeatRecord Stream::Heartbeat;
    process_records_come_back_whole_or_not_at_all ProcessRecord Stream::Process;
    rollup_records_come_back_whole_or_not_at_all RollupRecord Stream::Rollup;
    slo_records_come_back_whole_or_not_at_all SloRecord Stream::Slo;
}

proptest! {
    /// Goal: garbage is an error or an odd record whose document is JSON, never a panic. Method:
    /// random bytes, some below a bitmap that promises only known fields.
    #[test]
    fn garbage_never_panics(
        bitmap in any::<u128>(),
        is_known in any::<bool>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let bitmap = if is_known { bitmap & ((1 << 57) - 1) } else { bitmap };
        let payload = [&bitmap.to_le_bytes()[..], &bytes].concat();
        for stream in Stream::ALL {
            for payload in [&payload[..], &bytes] {
                let mut out = Vec::new();
                let _ = super::super::write_id(stream, payload, &ORIGIN, &mut out);
                out.clear();
                if write_document(stream, payload, &ORIGIN, &mut out).is_ok() {
                    let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
                    prop_assert!(read.is_object());
                }
            }
        }
        let _ = Constants::decode(&bytes);
    }
}
