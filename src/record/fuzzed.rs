//! What must hold of a record, whatever its bytes: read and written again it says the same, and its
//! document is JSON that a server takes.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::value::cut;
use super::{
    AccessRecord, ConnectionRecord, Constants, DecodeError, GapRecord, HeartbeatRecord, IdForm,
    Origin, ProcessRecord, RollupRecord, SloRecord, Stream, Value, Values, timestamp_ms,
    write_document, write_id,
};

/// For tests beside this too.
pub(super) const ORIGIN: Origin<'static> = Origin {
    instance: 0x12_3456_789a,
    epoch: 7,
    worker: 1,
    seq: 42,
    constants: &Constants {
        node_name: String::new(),
        version: String::new(),
        config_hash: String::new(),
        ids: IdForm::Bytes,
    },
};

/// Reads a record and writes it into `out`.
fn again(stream: Stream, payload: &[u8], out: &mut [u8]) -> Result<Option<usize>, DecodeError> {
    Ok(match stream {
        Stream::Access => AccessRecord::decode(payload)?.encode(out),
        Stream::Connection => ConnectionRecord::decode(payload)?.encode(out),
        Stream::Gap => GapRecord::decode(payload)?.encode(out),
        Stream::Heartbeat => HeartbeatRecord::decode(payload)?.encode(out),
        Stream::Process => ProcessRecord::decode(payload)?.encode(out),
        Stream::Rollup => RollupRecord::decode(payload)?.encode(out),
        Stream::Slo => SloRecord::decode(payload)?.encode(out),
    })
}

/// The keys of an object, in order, with their values.
struct Object<'j>(Vec<(String, &'j RawValue)>);

impl<'j> Deserialize<'j> for Object<'j> {
    fn deserialize<D: Deserializer<'j>>(from: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'j> Visitor<'j> for Keys {
            type Value = Object<'j>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<Object<'j>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }
        from.deserialize_map(Keys)
    }
}

/// The keys of a document. A server refuses one that has a key twice, at any depth.
fn keys(json: &str) -> Vec<String> {
    let read = serde_json::from_str::<Object<'_>>(json);
    assert!(read.is_ok(), "{json}: {:?}", read.err());
    let entries = read.map_or_else(|_| Vec::new(), |object| object.0);
    for (_, value) in entries.iter().filter(|(_, value)| value.get().starts_with('{')) {
        keys(value.get());
    }
    let names: Vec<_> = entries.into_iter().map(|(key, _)| key).collect();
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len(), "a key stands twice in {json}");
    names
}

/// The number of a kind, then the payload of a record.
pub(crate) fn record(data: &[u8]) {
    let Some((&kind, payload)) = data.split_first() else { return };
    let Some(stream) = Stream::from_u8(kind) else { return };
    let (mut slot, mut json) = (vec![0; payload.len()], b"before".to_vec());
    let written = write_document(stream, payload, &ORIGIN, &mut json);
    let values = Values::read(stream, payload);
    let used = match again(stream, payload, &mut slot) {
        Ok(used) => used,
        Err(error) => {
            assert_eq!(
                (written, values.err(), &json[..]),
                (Err(error), Some(error), &b"before"[..])
            );
            return;
        }
    };
    assert!(used.is_some(), "it needs more room than before");
    slot.truncate(used.unwrap_or_default());
    let (Ok(values), Ok(same)) = (values, Values::read(stream, &slot)) else {
        unreachable!("what was decoded is not read");
    };
    let fields = stream.fields().iter();
    for field in fields.clone() {
        match (values.get(field.id), same.get(field.id)) {
            (Some(Value::Text(text)), Some(Value::Text(kept))) => {
                assert_eq!(cut(text, field.kind.ignore_above), kept, "{}", field.path);
            }
            (value, kept) => assert_eq!(value, kept, "{}", field.path),
        }
    }
    let mut twice = vec![0; slot.len()];
    assert_eq!(again(stream, &slot, &mut twice), Ok(Some(slot.len())));
    assert_eq!(twice, slot, "written again, it is the same bytes");

    assert_eq!(written, Ok(()));
    let json = std::str::from_utf8(&json[b"before".len()..]);
    let keys = keys(json.unwrap_or_default());
    assert!(!json.is_ok_and(|json| json.contains(|c: char| c.is_ascii_control())));
    for field in fields {
        let is_there = keys.iter().any(|key| key == field.path);
        assert_eq!(is_there, values.get(field.id).is_some(), "{}", field.path);
    }
    let mut id = Vec::new();
    let has_id = write_id(stream, payload, &ORIGIN, &mut id).is_ok();
    assert_eq!(has_id, timestamp_ms(payload).is_ok());
    assert_eq!(has_id, keys.iter().any(|key| key == "@timestamp"));
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let characters = 27 - usize::from(matches!(stream, Stream::Rollup | Stream::Slo));
    assert!(id.len() == if has_id { characters } else { 0 });
    assert!(id.iter().all(is_plain));
}
