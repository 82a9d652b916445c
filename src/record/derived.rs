//! Fields that only documents have: worked out from others of the same record while the document is
//! written, so that servers can be asked for what they cannot work out themselves.
//!
//! One table per kind, from which templates, documentation, boards' checker and filters know them; none
//! has a number, as none is in the binary form. To add one: its row, and the arm of [`write()`] and
//! [`value`] that works it out. Not here: fields that are measured (the tables of the kinds).

use super::document::{Stream, Values};
use super::json;
use super::schema::{DecodeError, FieldSpec};
use super::summary::{self, ClassCounts};
use super::value::{Field as _, Part, Text, Value};
use super::{AccessRecord, RollupRecord};
use crate::base::histogram::Histogram;

/// Where bands of durations end, in microseconds; one more has what is longer. Steps of about the same
/// ratio, in numbers that people say.
const EDGES_US: [u64; 15] = [
    1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// The bands of [`EDGES_US`] and the one beyond.
const BANDS: [Part; 16] = summary::parts([
    "to_1ms", "to_2ms", "to_5ms", "to_10ms", "to_20ms", "to_50ms", "to_100ms", "to_200ms",
    "to_500ms", "to_1s", "to_2s", "to_5s", "to_10s", "to_30s", "to_60s", "over_60s",
]);

/// The class of a request's status.
const STATUS_CLASS: FieldSpec = FieldSpec {
    id: u8::MAX,
    rust: "status_class",
    path: "lbproxy.status_class",
    kind: Text::<'static, 8>::KIND,
    parts: &[],
    otel: "",
    doc: "Class of the status to the downstream: `1xx` to `5xx`, `other` beyond, `none` when none was \
          sent. Made from the status when the document is written.",
};

/// The durations of a rollup in fixed bands.
const DURATION_BUCKETS: FieldSpec = FieldSpec {
    id: u8::MAX,
    rust: "duration_bucket",
    path: "lbproxy.rollup.duration_bucket",
    kind: summary::object(""),
    parts: &BANDS,
    otel: "",
    doc: "Requests by duration, in bands that never change: `to_2ms` counts those over 1 ms and up to \
          2 ms. Together they are all requests that have a duration; a band without any is absent. Made \
          from the distribution when the document is written, so bounds are right within 0.4 %.",
};

/// The table of a kind.
pub(super) const fn fields(stream: Stream) -> &'static [FieldSpec] {
    match stream {
        Stream::Access => &[STATUS_CLASS],
        Stream::Rollup => &[DURATION_BUCKETS],
        Stream::Connection | Stream::Gap | Stream::Heartbeat | Stream::Process | Stream::Slo => &[],
    }
}

/// Appends the derived fields of a record as `,"path":value`.
pub(super) fn write(stream: Stream, payload: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    match stream {
        Stream::Access => {
            const STATUS: u128 = AccessRecord::bits(&["status"]);
            let record = AccessRecord::decode_only::<STATUS>(payload)?;
            out.extend_from_slice(b",\"lbproxy.status_class\":");
            json::plain(ClassCounts::name(record.status.map_or(0, |status| status.0)), out);
        }
        Stream::Rollup => {
            const DURATION: u128 = RollupRecord::bits(&["rollup_duration"]);
            let record = RollupRecord::decode_only::<DURATION>(payload)?;
            if let Some(times) = record.rollup_duration {
                out.extend_from_slice(b",\"lbproxy.rollup.duration_bucket\":");
                bands(&times.histogram()?, out);
            }
        }
        Stream::Connection | Stream::Gap | Stream::Heartbeat | Stream::Process | Stream::Slo => (),
    }
    Ok(())
}

/// Appends the bands of a distribution that are not empty, as an object.
fn bands(histogram: &Histogram, out: &mut Vec<u8>) {
    let (within, beyond) = histogram.bands(EDGES_US);
    let counts = BANDS.iter().zip(within.into_iter().chain([beyond]));
    let name = |band: &Part, out: &mut Vec<u8>| out.extend_from_slice(band.name.as_bytes());
    json::counts(counts.filter(|&(_, count)| count > 0), name, out);
}

/// The value of the derived field of this name in the source, for questions. Bands together are what
/// was counted in them.
pub(super) fn value<'a>(stream: Stream, name: &str, values: &Values<'a>) -> Option<Value<'a>> {
    const STATUS: u8 = id(AccessRecord::bits(&["status"]));
    const DURATION: u8 = id(RollupRecord::bits(&["rollup_duration"]));
    match (stream, name) {
        (Stream::Access, "status_class") => {
            let status = match values.get(STATUS) {
                Some(Value::Number(status)) => u16::try_from(status).unwrap_or(u16::MAX),
                _ => 0,
            };
            Some(Value::Text(ClassCounts::name(status)))
        }
        (Stream::Rollup, "duration_bucket") => values.get(DURATION),
        _ => None,
    }
}

/// The number of the field with this bit.
#[expect(clippy::cast_possible_truncation, reason = "a bit of 128")]
const fn id(bit: u128) -> u8 {
    bit.trailing_zeros() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document's part of a record.
    fn written(stream: Stream, payload: &[u8]) -> String {
        let mut out = Vec::new();
        write(stream, payload, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_request_has_the_class_of_its_status_and_can_be_asked_for_it() {
        use super::super::value::Status;
        let mut slot = [0; 64];
        for (status, want) in [
            (None, "none"),
            (Some(101), "1xx"),
            (Some(204), "2xx"),
            (Some(404), "4xx"),
            (Some(599), "5xx"),
            (Some(799), "other"),
        ] {
            let record = AccessRecord { status: status.map(Status), ..AccessRecord::default() };
            let used = record.encode(&mut slot).unwrap();
            let text = written(Stream::Access, &slot[..used]);
            assert_eq!(text, format!(",\"lbproxy.status_class\":\"{want}\""));
            let values = Values::read(Stream::Access, &slot[..used]).unwrap();
            let value = values.derived(Stream::Access, "status_class");
            assert_eq!(value, Some(Value::Text(want.as_bytes())));
        }
    }

    #[test]
    fn bands_hold_every_duration_once_and_end_where_they_say() {
        let mut histogram = Histogram::default();
        // Away from the edges by more than a bucket, within which nobody can tell.
        for (at, edge) in EDGES_US.into_iter().enumerate() {
            for _ in 0..=at {
                histogram.add(edge - edge / 100);
            }
        }
        histogram.add(61_000_000);
        histogram.add(u64::MAX);
        let mut out = Vec::new();
        bands(&histogram, &mut out);
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        for (at, band) in BANDS.iter().enumerate() {
            let want = if at == EDGES_US.len() { 2 } else { at + 1 };
            assert_eq!(read[band.name], want, "{}", band.name);
        }
        let sum: u64 = read.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!(sum, histogram.count());
        out.clear();
        bands(&Histogram::default(), &mut out);
        assert_eq!(out, b"{}");
    }

    #[test]
    fn names_of_bands_say_where_they_end() {
        for (band, edge) in BANDS.iter().zip(EDGES_US) {
            let want = match edge {
                ..1_000_000 => format!("to_{}ms", edge / 1_000),
                _ => format!("to_{}s", edge / 1_000_000),
            };
            assert_eq!(band.name, want);
        }
    }
}
