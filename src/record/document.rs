//! From a record's binary form to its document and `_id`.
//!
//! `_id` is 26 characters of unpadded base64url over
//! `time_ms(48) ‖ instance(40) ‖ epoch(16) ‖ lane(8) ‖ seq(40)`: ordered by time, and the same after
//! any replay, since all of it stands in the journal.

use super::schema::{DecodeError, take_bitmap};
use super::value::{Field as _, TimestampMs};
use super::{AccessRecord, ConnectionRecord, FieldSpec, GapRecord, json};

/// A kind of record, and with it the data stream it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    /// [`AccessRecord`].
    Access = 1,
    /// [`ConnectionRecord`].
    Connection = 2,
    /// [`GapRecord`], in the health stream.
    Gap = 3,
}

impl Stream {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Access, Self::Connection, Self::Gap];

    /// From its number in the journal.
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Access),
            2 => Some(Self::Connection),
            3 => Some(Self::Gap),
            _ => None,
        }
    }

    /// First part of the data stream's name; the namespace follows.
    pub const fn dataset(self) -> &'static str {
        match self {
            Self::Access => "logs-lbproxy.access",
            Self::Connection => "logs-lbproxy.connection",
            Self::Gap => "logs-lbproxy.health",
        }
    }

    /// Name of the data stream.
    pub fn data_stream(self, namespace: &str) -> String {
        format!("{}-{namespace}", self.dataset())
    }

    /// The table of this kind.
    pub const fn fields(self) -> &'static [FieldSpec] {
        match self {
            Self::Access => AccessRecord::FIELDS,
            Self::Connection => ConnectionRecord::FIELDS,
            Self::Gap => GapRecord::FIELDS,
        }
    }
}

/// What is constant for a run; stands in the journal's segment headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constants {
    /// Name of the process: `service.node.name`.
    pub node_name: String,
    /// Version of lbproxy: `service.version`.
    pub version: String,
    /// Hash of the configuration: `lbproxy.config.hash`.
    pub config_hash: String,
}

impl Constants {
    /// The bytes for a segment header: three texts with their lengths.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in [&self.node_name, &self.version, &self.config_hash] {
            let kept = text.get(..text.floor_char_boundary(255)).unwrap_or_default();
            bytes.push(u8::try_from(kept.len()).unwrap_or(0));
            bytes.extend_from_slice(kept.as_bytes());
        }
        bytes
    }

    /// From the bytes of a segment header.
    ///
    /// # Errors
    /// When they are cut.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut next = || {
            let (&count, rest) = bytes.split_first()?;
            let (text, rest) = rest.split_at_checked(usize::from(count))?;
            bytes = rest;
            Some(String::from_utf8_lossy(text).into_owned())
        };
        let mut field = || next().ok_or(DecodeError::Damaged);
        Ok(Self { node_name: field()?, version: field()?, config_hash: field()? })
    }
}

/// Where in the journal a record stands.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Number of the installation, 40 bits.
    pub instance: u64,
    /// Start of the process, counted.
    pub epoch: u16,
    /// Lane.
    pub worker: u8,
    /// Number within lane, stream and epoch, contiguous from 1.
    pub seq: u64,
    /// Constants of the run.
    pub constants: &'a Constants,
}

/// Appends the document of a record: one JSON object with dotted keys.
///
/// # Errors
/// When the payload is no record of this kind; `out` is then as it was.
pub fn write_document(
    stream: Stream,
    payload: &[u8],
    origin: &Origin<'_>,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let start = out.len();
    out.push(b'{');
    let written = match stream {
        Stream::Access => AccessRecord::write_fields(payload, out),
        Stream::Connection => ConnectionRecord::write_fields(payload, out),
        Stream::Gap => GapRecord::write_fields(payload, out),
    };
    if let Err(error) = written {
        out.truncate(start);
        return Err(error);
    }
    for (key, text) in [
        ("\"service.node.name\":", &origin.constants.node_name),
        ("\"service.version\":", &origin.constants.version),
        ("\"lbproxy.config.hash\":", &origin.constants.config_hash),
    ] {
        out.extend_from_slice(key.as_bytes());
        json::text(text.as_bytes(), out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"lbproxy.instance\":\"");
    for shift in (0..40).step_by(4).rev() {
        let nibble = (origin.instance >> shift & 15) as usize;
        out.push(b"0123456789abcdef"[nibble]);
    }
    for (key, value) in [
        ("\",\"lbproxy.worker\":", u64::from(origin.worker)),
        (",\"lbproxy.epoch\":", u64::from(origin.epoch)),
        (",\"lbproxy.seq\":", origin.seq),
    ] {
        out.extend_from_slice(key.as_bytes());
        json::integer(value, out);
    }
    out.push(b'}');
    Ok(())
}

/// Appends the `_id` of a record. Every kind has its timestamp as field 0.
///
/// # Errors
/// When the payload has no timestamp.
pub fn write_id(payload: &[u8], origin: &Origin<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (bitmap, mut input) = take_bitmap(payload, u128::MAX)?;
    let time = (bitmap & 1 == 1).then(|| TimestampMs::take(&mut input)).flatten();
    let TimestampMs(time_ms) = time.ok_or(DecodeError::Damaged)?;
    let mut id = [0_u8; 19];
    id[0..6].copy_from_slice(&time_ms.to_be_bytes()[2..]);
    id[6..11].copy_from_slice(&origin.instance.to_be_bytes()[3..]);
    id[11..13].copy_from_slice(&origin.epoch.to_be_bytes());
    id[13] = origin.worker;
    id[14..19].copy_from_slice(&origin.seq.to_be_bytes()[3..]);
    for group in id.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..=group.len() {
            out.push(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

    const ORIGIN: Origin<'static> = Origin {
        instance: 0x12_3456_789a,
        epoch: 7,
        worker: 1,
        seq: 42,
        constants: &Constants {
            node_name: String::new(),
            version: String::new(),
            config_hash: String::new(),
        },
    };

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
            "service.node.name": "", "service.version": "", "lbproxy.config.hash": "",
            "lbproxy.instance": "123456789a", "lbproxy.worker": 1, "lbproxy.epoch": 7, "lbproxy.seq": 42,
        });
        assert_eq!(document, want);
    }

    #[test]
    fn ids_are_ordered_by_time_and_differ_in_every_part() {
        let id = |time_ms: u64, origin: Origin<'_>| {
            let record =
                AccessRecord { timestamp: Some(TimestampMs(time_ms)), ..AccessRecord::default() };
            let mut out = Vec::new();
            write_id(&encoded(&record), &origin, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let ids = [
            id(1, ORIGIN),
            id(2, ORIGIN),
            id(1, Origin { instance: 1, ..ORIGIN }),
            id(1, Origin { epoch: 1, ..ORIGIN }),
            id(1, Origin { worker: 2, ..ORIGIN }),
            id(1, Origin { seq: 43, ..ORIGIN }),
        ];
        let unique: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len());
        assert!(ids.iter().all(|id| id.len() == 26), "{ids:?}");
        assert_eq!(
            id(0, Origin { instance: 0, epoch: 0, worker: 0, seq: 0, ..ORIGIN }),
            "A".repeat(26)
        );
    }

    #[test]
    fn a_record_of_a_newer_version_and_damage_are_told_apart() {
        let mut newer = vec![0; 16];
        newer[15] = 0x80;
        assert_eq!(AccessRecord::decode(&newer), Err(DecodeError::Newer));
        assert_eq!(AccessRecord::decode(&[1; 3]), Err(DecodeError::Damaged));
    }

    #[test]
    fn every_path_is_ecs_or_ours_and_stands_once_per_kind() {
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
            "error.message",
        ];
        for stream in Stream::ALL {
            let mut seen = std::collections::HashSet::new();
            for field in stream.fields() {
                assert!(seen.insert(field.path), "{} twice", field.path);
                let known = ECS.contains(&field.path) || field.path.starts_with("lbproxy.");
                assert!(known, "{} is neither ECS nor ours", field.path);
            }
        }
    }

    mod properties {
        use proptest::prelude::*;

        use super::super::super::*;
        use super::encoded;

        proptest! {
            /// Goal: what was written comes back, and a cut is never taken for a record.
            #[test]
            fn a_record_comes_back_whole_or_not_at_all(
                path in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
                duration in any::<Option<u64>>(),
                status in any::<Option<u16>>(),
                reused in any::<Option<bool>>(),
                v6 in any::<Option<u128>>(),
                reason in proptest::option::of(0..32_u8),
            ) {
                let record = AccessRecord {
                    duration: duration.map(EcsNanos),
                    path: path.as_deref().map(Text),
                    status: status.map(Status),
                    reused: reused.map(Flag),
                    source_ip: v6.map(|bits| Ip(std::net::Ipv6Addr::from(bits).into())),
                    reason: reason.and_then(Reason::from_u8),
                    ..AccessRecord::default()
                };
                let bytes = encoded(&record);
                prop_assert_eq!(AccessRecord::decode(&bytes), Ok(record));
                for cut in 0..bytes.len() {
                    prop_assert!(AccessRecord::decode(&bytes[..cut]).is_err(), "cut at {}", cut);
                    let mut short = vec![0; cut];
                    prop_assert_eq!(record.encode(&mut short), None);
                }
            }

            #[test]
            fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
                let _ = AccessRecord::decode(&bytes);
                let _ = ConnectionRecord::decode(&bytes);
                let _ = GapRecord::decode(&bytes);
            }
        }
    }
}
