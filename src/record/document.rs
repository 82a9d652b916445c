//! From a record's binary form to its document and its values. Not here: its `_id` (`id`).

use super::schema::{DecodeError, take_bitmap};
use super::value::{Count, Field, FieldKind, Text, TimestampMs, Value, cut};
use super::{
    AccessRecord, ConnectionRecord, Dataset, FieldSpec, GapRecord, HeartbeatRecord, IdForm,
    ProcessRecord, RollupRecord, SloRecord, derived, json,
};
use crate::journal::Entry;

/// A kind of record: a table, and a stream of its own in the journal, numbered from 1 per lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    /// [`AccessRecord`].
    Access = 1,
    /// [`ConnectionRecord`].
    Connection = 2,
    /// [`GapRecord`].
    Gap = 3,
    /// [`HeartbeatRecord`].
    Heartbeat = 4,
    /// [`ProcessRecord`].
    Process = 5,
    /// [`RollupRecord`].
    Rollup = 6,
    /// [`SloRecord`].
    Slo = 7,
}

impl Stream {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Access,
        Self::Connection,
        Self::Gap,
        Self::Heartbeat,
        Self::Process,
        Self::Rollup,
        Self::Slo,
    ];

    /// Its place in [`Stream::ALL`].
    pub const fn place(self) -> usize {
        self as usize - 1
    }

    /// From its number in the journal.
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Access),
            2 => Some(Self::Connection),
            3 => Some(Self::Gap),
            4 => Some(Self::Heartbeat),
            5 => Some(Self::Process),
            6 => Some(Self::Rollup),
            7 => Some(Self::Slo),
            _ => None,
        }
    }

    /// The data stream that its documents go to.
    pub const fn dataset(self) -> Dataset {
        match self {
            Self::Access => Dataset::Access,
            Self::Connection => Dataset::Connection,
            Self::Gap | Self::Heartbeat => Dataset::Health,
            Self::Process => Dataset::Process,
            Self::Rollup => Dataset::Rollup,
            Self::Slo => Dataset::Slo,
        }
    }

    /// Name of the data stream.
    pub fn data_stream(self, namespace: &str) -> String {
        self.dataset().data_stream(namespace)
    }

    /// Its word on the command line and in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Connection => "connection",
            Self::Gap => "gap",
            Self::Heartbeat => "heartbeat",
            Self::Process => "process",
            Self::Rollup => "rollup",
            Self::Slo => "slo",
        }
    }

    /// Every field that a document of this kind can have: its own, those made of them, `lbproxy.kind`
    /// where its dataset holds several, then [`ORIGIN_FIELDS`].
    pub fn document_fields(self) -> impl Iterator<Item = &'static FieldSpec> {
        let own = self.fields().iter().chain(self.derived_fields());
        own.chain(self.dataset().kind_field()).chain(ORIGIN_FIELDS)
    }

    /// The fields that only its documents have, made of its own.
    pub const fn derived_fields(self) -> &'static [FieldSpec] {
        derived::fields(self)
    }

    /// The table of this kind.
    pub const fn fields(self) -> &'static [FieldSpec] {
        match self {
            Self::Access => AccessRecord::FIELDS,
            Self::Connection => ConnectionRecord::FIELDS,
            Self::Gap => GapRecord::FIELDS,
            Self::Heartbeat => HeartbeatRecord::FIELDS,
            Self::Process => ProcessRecord::FIELDS,
            Self::Rollup => RollupRecord::FIELDS,
            Self::Slo => SloRecord::FIELDS,
        }
    }
}

/// What is constant for a run; stands in the journal's segment headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Constants {
    /// Name of the process: `service.node.name`.
    pub node_name: String,
    /// Version of lbproxy: `service.version`.
    pub version: String,
    /// Hash of the configuration: `lbproxy.config.hash`.
    pub config_hash: String,
    /// How the `_id`s of its records are made.
    pub ids: IdForm,
}

impl Constants {
    /// The bytes for a segment header: three texts with their lengths, then the form of `_id`s.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in [&self.node_name, &self.version, &self.config_hash] {
            let kept = cut(text.as_bytes(), 255);
            bytes.push(u8::try_from(kept.len()).unwrap_or(0));
            bytes.extend_from_slice(kept);
        }
        bytes.push(self.ids as u8);
        bytes
    }

    /// From the bytes of a segment header; those that end with the texts are of a version that made
    /// `_id`s as [`IdForm::Text`].
    ///
    /// # Errors
    /// When a text is cut, or the form of `_id`s is a later version's.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut next = || {
            let (&count, rest) = bytes.split_first()?;
            let (text, rest) = rest.split_at_checked(usize::from(count))?;
            bytes = rest;
            Some(String::from_utf8_lossy(text).into_owned())
        };
        let mut field = || next().ok_or(DecodeError::Damaged);
        let (node_name, version, config_hash) = (field()?, field()?, field()?);
        let ids = bytes.first().map_or(Some(IdForm::Text), |&number| IdForm::from_u8(number));
        let ids = ids.ok_or(DecodeError::Newer)?;
        Ok(Self { node_name, version, config_hash, ids })
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

impl<'a> Origin<'a> {
    /// Where a reader found a record of a run with these constants.
    pub const fn of(entry: &Entry<'_>, constants: &'a Constants) -> Self {
        let Entry { instance, epoch, lane: worker, seq, .. } = *entry;
        Self { instance, epoch, worker, seq, constants }
    }

    /// The instance as documents have it: ten hexadecimal digits.
    pub fn instance_digits(&self) -> [u8; 10] {
        let [_, _, _, number @ ..] = self.instance.to_be_bytes();
        let mut digits = [0; 10];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(number) {
            pair.copy_from_slice(&[json::hex_digit(byte >> 4), json::hex_digit(byte)]);
        }
        digits
    }
}

/// The fields of one record by their numbers, borrowed from its binary form.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    /// Bits of the fields that were read.
    present: u128,
    /// Their values, in the order of their numbers: a table of all that there could be would be 3 KB to
    /// fill and to move for each record, of which a filter asks for four or five.
    values: Vec<Value<'a>>,
}

impl<'a> Values<'a> {
    /// Reads the record of a kind.
    ///
    /// # Errors
    /// When the payload is no record of this kind.
    pub fn read(stream: Stream, payload: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read_some(stream, payload, u128::MAX)
    }

    /// Reads the fields of a record whose bits are in `wanted`; the others are as if it had none.
    ///
    /// # Errors
    /// When the payload is no record of this kind, as far as it is looked at.
    pub fn read_some(stream: Stream, payload: &'a [u8], wanted: u128) -> Result<Self, DecodeError> {
        let (mut present, most) = (0_u128, wanted.count_ones().min(64));
        let mut values = Vec::with_capacity(most as usize);
        let keep = |id: u8, value| {
            debug_assert!(present.checked_shr(id.into()) == Some(0), "numbers of a table rise");
            present |= 1 << (id & 127);
            values.push(value);
        };
        match stream {
            Stream::Access => AccessRecord::visit_fields(payload, wanted, keep),
            Stream::Connection => ConnectionRecord::visit_fields(payload, wanted, keep),
            Stream::Gap => GapRecord::visit_fields(payload, wanted, keep),
            Stream::Heartbeat => HeartbeatRecord::visit_fields(payload, wanted, keep),
            Stream::Process => ProcessRecord::visit_fields(payload, wanted, keep),
            Stream::Rollup => RollupRecord::visit_fields(payload, wanted, keep),
            Stream::Slo => SloRecord::visit_fields(payload, wanted, keep),
        }?;
        Ok(Self { present, values })
    }

    /// The value of the field with this number, if the record has it.
    pub fn get(&self, id: u8) -> Option<Value<'a>> {
        let bit = 1_u128.checked_shl(id.into()).filter(|bit| self.present & bit != 0)?;
        self.values.get((self.present & (bit - 1)).count_ones() as usize).copied()
    }

    /// The value of one of [`Stream::derived_fields`] of the record's kind, by its name in the source.
    pub fn derived(&self, stream: Stream, name: &str) -> Option<Value<'a>> {
        derived::value(stream, name, self)
    }
}

/// A row of [`ORIGIN_FIELDS`], whose fields have no number: they are not in the payload.
const fn origin_field(
    rust: &'static str,
    path: &'static str,
    kind: FieldKind,
    otel: &'static str,
    doc: &'static str,
) -> FieldSpec {
    FieldSpec { id: u8::MAX, rust, path, kind, parts: &[], otel, doc }
}

/// What every document has beside its record's own fields: whose run it is, and its place there.
pub const ORIGIN_FIELDS: &[FieldSpec] = &[
    origin_field(
        "node_name",
        "service.node.name",
        Text::<'static, 255>::KIND,
        "service.instance.id",
        "Name of the lbproxy process, `telemetry.instance`.",
    ),
    origin_field(
        "version",
        "service.version",
        Text::<'static, 255>::KIND,
        "service.version",
        "Version of lbproxy.",
    ),
    origin_field(
        "config_hash",
        "lbproxy.config.hash",
        Text::<'static, 255>::KIND,
        "",
        "Hash of the effective configuration, secrets left out.",
    ),
    origin_field(
        "instance",
        "lbproxy.instance",
        Text::<'static, 10>::KIND,
        "",
        "Number of the journal folder, drawn once when it was made; ten hexadecimal digits.",
    ),
    origin_field(
        "worker",
        "lbproxy.worker",
        Count::KIND,
        "",
        "Lane of the journal: the worker's number, 255 for the lane of everything else.",
    ),
    origin_field(
        "epoch",
        "lbproxy.epoch",
        Count::KIND,
        "",
        "Start of the process on this journal, counted from 1.",
    ),
    origin_field(
        "seq",
        "lbproxy.seq",
        Count::KIND,
        "",
        "Number of the record within its kind, instance, epoch and worker: from 1, without holes.",
    ),
];

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
    let written = match stream {
        Stream::Access => AccessRecord::write_fields(payload, out),
        Stream::Connection => ConnectionRecord::write_fields(payload, out),
        Stream::Gap => GapRecord::write_fields(payload, out),
        Stream::Heartbeat => HeartbeatRecord::write_fields(payload, out),
        Stream::Process => ProcessRecord::write_fields(payload, out),
        Stream::Rollup => RollupRecord::write_fields(payload, out),
        Stream::Slo => SloRecord::write_fields(payload, out),
    };
    if let Err(error) = written.and_then(|()| derived::write(stream, payload, out)) {
        out.truncate(start);
        return Err(error);
    }
    if stream.dataset().has_several_kinds() {
        out.extend_from_slice(b",\"lbproxy.kind\":");
        json::plain(stream.as_str().as_bytes(), out);
    }
    write_origin(origin, out);
    // Each key came with a comma before it; the first becomes the bracket.
    if let Some(first) = out.get_mut(start) {
        *first = b'{';
    }
    out.push(b'}');
    Ok(())
}

/// Appends [`ORIGIN_FIELDS`] as `,"path":value`.
fn write_origin(origin: &Origin<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"service.node.name\":");
    json::text(origin.constants.node_name.as_bytes(), out);
    out.extend_from_slice(b",\"service.version\":");
    json::text(origin.constants.version.as_bytes(), out);
    out.extend_from_slice(b",\"lbproxy.config.hash\":");
    json::text(origin.constants.config_hash.as_bytes(), out);
    out.extend_from_slice(b",\"lbproxy.instance\":");
    json::plain(&origin.instance_digits(), out);
    out.extend_from_slice(b",\"lbproxy.worker\":");
    json::integer(u64::from(origin.worker), out);
    out.extend_from_slice(b",\"lbproxy.epoch\":");
    json::integer(u64::from(origin.epoch), out);
    out.extend_from_slice(b",\"lbproxy.seq\":");
    json::integer(origin.seq, out);
}

/// Wall time of a record in milliseconds: every kind has its timestamp as field 0.
///
/// # Errors
/// When the payload has no timestamp.
pub fn timestamp_ms(payload: &[u8]) -> Result<u64, DecodeError> {
    let (bitmap, mut input) = take_bitmap(payload, u128::MAX)?;
    if bitmap & 1 == 0 {
        return Err(DecodeError::Damaged);
    }
    TimestampMs::take(&mut input).map(|TimestampMs(time_ms)| time_ms)
}

#[cfg(test)]
mod tests;
