//! From a record to a log record: every field, in the record's trace if it has one. Pure.

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};

use super::attribute;
use crate::base::trace::number_of;
use crate::record::{AccessRecord, DecodeError, Outcome, Stream, Values};

/// Fields that stand in the log record itself.
const OWN_FIELDS: u128 = AccessRecord::bits(&["timestamp", "trace_id", "span_id", "trace_sampled"]);

/// The log record of an exchange, observed at `now_ns`.
pub(super) fn log(payload: &[u8], now_ns: u64) -> Result<LogRecord, DecodeError> {
    let record = AccessRecord::decode(payload)?;
    let values = Values::read(Stream::Access, payload)?;
    let fields = AccessRecord::FIELDS.iter().filter(|field| OWN_FIELDS & 1 << field.id == 0);
    let attributes = fields.filter_map(|field| {
        let key = attribute::convention(field).unwrap_or(field.path);
        Some(attribute::of(key, values.get(field.id)?))
    });
    let text = |bytes: Option<&[u8]>| attribute::lossy(bytes.unwrap_or(b"-"));
    let status = record.status.map_or_else(|| "-".to_owned(), |status| status.0.to_string());
    let (method, path) = (text(record.method.map(|m| m.0)), text(record.path.map(|p| p.0)));
    let severity = match record.outcome {
        Some(Outcome::Failure) => SeverityNumber::Error,
        Some(Outcome::Unknown) => SeverityNumber::Warn,
        _ => SeverityNumber::Info,
    };
    let trace_id = record.trace_id.and_then(|id| number_of(id.0));
    let span_id = record.span_id.and_then(|id| number_of(id.0));
    Ok(LogRecord {
        time_unix_nano: record.timestamp.map_or(0, |time| time.0.saturating_mul(1_000_000)),
        observed_time_unix_nano: now_ns,
        severity_number: severity as i32,
        severity_text: severity.as_str_name().trim_start_matches("SEVERITY_NUMBER_").to_owned(),
        body: Some(AnyValue { value: Some(Any::StringValue(format!("{method} {path} {status}"))) }),
        attributes: attributes.collect(),
        flags: u32::from(record.trace_sampled.is_some_and(|sampled| sampled.0)),
        trace_id: trace_id.map_or(Vec::new(), |id| id.to_be_bytes().to_vec()),
        span_id: span_id.map_or(Vec::new(), |id| id.to_be_bytes()[8..].to_vec()),
        event_name: "lbproxy.access".to_owned(),
        ..LogRecord::default()
    })
}
