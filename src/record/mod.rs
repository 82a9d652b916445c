//! Records: what leaves the process, as tables.
//!
//! One macro table per kind ([`AccessRecord`], [`HeartbeatRecord`], [`RollupRecord`] …); from a row come
//! struct field, binary codec, JSON, index mapping and documentation. `derived` adds what only
//! documents have. No I/O, no clock.
//! Not here: where the bytes are kept (`journal`), who measures (`proxy`).

mod access;
mod connection;
mod dataset;
mod derived;
mod docs;
mod document;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod gap;
mod heartbeat;
mod id;
mod json;
mod process;
mod rollup;
#[cfg(test)]
mod sample;
mod schema;
mod slo;
mod summary;
mod termination;
mod value;

pub use access::AccessRecord;
pub use connection::ConnectionRecord;
pub use dataset::{Dataset, KIND_FIELD};
pub use docs::records_markdown;
pub use document::{
    Constants, ORIGIN_FIELDS, Origin, Stream, Values, timestamp_ms, write_document,
};
pub use gap::GapRecord;
pub use heartbeat::HeartbeatRecord;
pub use id::{IdForm, write_id};
pub use json::{timestamp as write_timestamp, timestamp_text};
pub use process::ProcessRecord;
pub use rollup::RollupRecord;
pub use schema::{DecodeError, FieldSpec};
pub use slo::SloRecord;
pub use summary::{
    ClassCounts, MethodCounts, OutcomeCounts, ReasonCounts, StatusCounts, Times, push_counts,
};
pub use termination::{Blame, Outcome, Phase, Reason, State, Who};
pub use value::{
    Bytes, Count, EcsNanos, FieldKind, Flag, Ip, Micros, MicrosList, Part, Port, Ratio, Status,
    Text, TextList, TimespanMs, TimestampMs, Value,
};
