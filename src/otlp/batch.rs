//! What one export holds: spans and log records of a stretch of the journal, and where it ends.
//!
//! Invariant: bounded by its encoded size, well below what a collector takes (gRPC: 4 MiB). Not here: who
//! takes it (`exporter`).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

use super::{attribute, log, sample, span};
use crate::journal::{Entry, Reader};
use crate::record::{AccessRecord, Constants, DecodeError, Stream};

/// Encoded size from which on a batch is full.
const FULL_BYTES: usize = 1 << 20;
/// Payload read at a time: even if each byte of it became many, the batch stays small.
const SLICE_BYTES: usize = 64 * 1024;
/// Payload without anything to export after which the cursor moves all the same.
const QUIET_BYTES: u64 = 4 << 20;
/// Version of the conventions that names follow.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.37.0";

/// What is exported of records.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// From when on a request is slow.
    pub slow: Option<Duration>,
    /// Whether log records too.
    pub logs: bool,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Batch {
    /// Spans by resource: one, or two after a restart with another name or version.
    pub spans: Vec<ResourceSpans>,
    /// How many.
    pub span_count: u64,
    /// Log records by resource.
    pub logs: Vec<ResourceLogs>,
    /// How many.
    pub log_count: u64,
    /// Records that could not be read.
    pub unreadable: u64,
    /// Encoded size, about.
    bytes: usize,
    payload_bytes: u64,
    /// Constants of the run whose records came last.
    preamble: Option<Arc<[u8]>>,
}

impl Batch {
    /// Whether there is anything to send.
    pub fn is_empty(&self) -> bool {
        self.span_count == 0 && self.log_count == 0
    }

    /// Whether it is to be sent, or, empty, to be done with.
    pub fn is_full(&self) -> bool {
        self.bytes >= FULL_BYTES || self.is_empty() && self.payload_bytes >= QUIET_BYTES
    }

    /// Whether anything was read for it.
    pub(super) fn has_read(&self) -> bool {
        self.payload_bytes > 0
    }

    /// Reads on until it is full or nothing is left. Says whether nothing is.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn fill(
        &mut self,
        reader: &mut Reader,
        choice: Choice,
        host: &str,
    ) -> Result<bool, crate::journal::ReadError> {
        while !self.is_full() {
            if reader.read(SLICE_BYTES, &mut |entry| self.take(&entry, choice, host))? == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take(&mut self, entry: &Entry<'_>, choice: Choice, host: &str) {
        self.payload_bytes += entry.payload.len() as u64;
        if Stream::from_u8(entry.stream) == Some(Stream::Access)
            && self.take_access(entry, choice, host).is_err()
        {
            self.unreadable += 1;
        }
    }

    /// Takes the record of an exchange.
    ///
    /// # Errors
    /// When it is none.
    fn take_access(
        &mut self,
        entry: &Entry<'_>,
        choice: Choice,
        host: &str,
    ) -> Result<(), DecodeError> {
        let record = AccessRecord::decode_only::<{ sample::FIELDS }>(entry.payload)?;
        let is_kept = sample::keeps(&record, choice.slow);
        if !is_kept && !choice.logs {
            return Ok(());
        }
        if self.preamble.as_ref().is_none_or(|known| known != entry.preamble) {
            self.preamble = Some(Arc::clone(entry.preamble));
            let constants = Constants::decode(entry.preamble)?;
            let resource = resource(&constants, host);
            self.spans.push(resource_spans(resource.clone(), constants.version.clone()));
            self.logs.push(resource_logs(resource, constants.version));
        }
        if is_kept && let Some(scope) = self.spans.last_mut().and_then(|r| r.scope_spans.last_mut())
        {
            let before = scope.spans.len();
            span::spans(entry.payload, &mut scope.spans)?;
            self.span_count += (scope.spans.len() - before) as u64;
            self.bytes += scope.spans[before..].iter().map(Span::encoded_len).sum::<usize>();
        }
        if choice.logs
            && let Some(scope) = self.logs.last_mut().and_then(|r| r.scope_logs.last_mut())
        {
            let log: LogRecord = log::log(entry.payload, now_ns())?;
            self.bytes += log.encoded_len();
            self.log_count += 1;
            scope.log_records.push(log);
        }
        Ok(())
    }

    /// Adds spans of the control plane.
    pub(super) fn add_control(&mut self, spans: Vec<Span>, constants: &Constants, host: &str) {
        if spans.is_empty() {
            return;
        }
        let mut all = resource_spans(resource(constants, host), constants.version.clone());
        self.span_count += spans.len() as u64;
        self.bytes += spans.iter().map(Span::encoded_len).sum::<usize>();
        if let Some(scope) = all.scope_spans.last_mut() {
            scope.scope = Some(scope_of("lbproxy.control", constants.version.clone()));
            scope.spans = spans;
        }
        // Before those of records, so that what comes next still belongs to the last.
        self.spans.insert(0, all);
    }
}

fn resource(constants: &Constants, host: &str) -> Resource {
    Resource {
        attributes: vec![
            attribute::text("service.name", "lbproxy"),
            attribute::text("service.instance.id", constants.node_name.as_str()),
            attribute::text("service.version", constants.version.as_str()),
            attribute::text("host.name", host),
        ],
        ..Resource::default()
    }
}

/// Which part of us.
fn scope_of(name: &str, version: String) -> InstrumentationScope {
    InstrumentationScope { name: name.to_owned(), version, ..InstrumentationScope::default() }
}

/// No spans yet.
fn resource_spans(resource: Resource, version: String) -> ResourceSpans {
    ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![ScopeSpans {
            scope: Some(scope_of("lbproxy", version)),
            ..ScopeSpans::default()
        }],
        schema_url: SCHEMA_URL.to_owned(),
    }
}

/// No log records yet.
fn resource_logs(resource: Resource, version: String) -> ResourceLogs {
    ResourceLogs {
        resource: Some(resource),
        scope_logs: vec![ScopeLogs {
            scope: Some(scope_of("lbproxy", version)),
            ..ScopeLogs::default()
        }],
        schema_url: SCHEMA_URL.to_owned(),
    }
}

/// Wall time.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
