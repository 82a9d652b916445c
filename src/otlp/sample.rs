//! Which records become spans: those whose trace is kept, and whatever was decided, those that failed or
//! took long. Pure; the decision at the head stands in the record.

use std::time::Duration;

use crate::record::{AccessRecord, Outcome};

pub(super) const FIELDS: u128 =
    AccessRecord::bits(&["duration", "status", "outcome", "span_id", "trace_sampled"]);

/// Whether a record becomes spans; `slow` is from when on it does in any case.
pub(super) fn keeps(record: &AccessRecord<'_>, slow: Option<Duration>) -> bool {
    if record.span_id.is_none() {
        return false; // journaled when no spans were exported
    }
    let is_sampled = record.trace_sampled.is_some_and(|sampled| sampled.0);
    let is_slow = || {
        let took = record.duration.map_or(Duration::ZERO, |span| Duration::from_micros(span.0));
        slow.is_some_and(|slow| took >= slow)
    };
    is_sampled || failed(record) || is_slow()
}

/// Whether the server failed, as its span says.
pub(super) fn failed(record: &AccessRecord<'_>) -> bool {
    let status = record.status.map_or(0, |status| status.0);
    // A 4xx is the client's (HTTP conventions), whoever ended the exchange.
    status >= 500 || record.outcome == Some(Outcome::Failure) && !(400..500).contains(&status)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanKind, TraceId};
    use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample as _};

    use super::*;
    use crate::base::trace::Share;
    use crate::record::{EcsNanos, Flag, Status, Text};

    #[test]
    fn the_head_keeps_the_same_traces_as_the_sampler_of_opentelemetry() {
        let mut random = fastrand::Rng::with_seed(7);
        for ratio in [0.0, 0.001, 0.01, 0.3, 0.999, 1.0] {
            let (ours, theirs) = (Share::new(ratio), Sampler::TraceIdRatioBased(ratio));
            for _ in 0..2_000 {
                let id = random.u128(1..);
                let trace = TraceId::from(id);
                let result = theirs.should_sample(None, trace, "", &SpanKind::Server, &[], &[]);
                let is_kept = result.decision == SamplingDecision::RecordAndSample;
                assert_eq!(ours.keeps(id), is_kept, "{ratio} {id:032x}");
            }
        }
    }

    #[test]
    fn errors_and_slow_ones_are_kept_whatever_the_head_decided() {
        let id = Some(Text(&b"00f067aa0ba902b7"[..]));
        let slow = Some(Duration::from_secs(1));
        let record = |sampled, status, outcome, micros| AccessRecord {
            span_id: id,
            trace_sampled: Some(Flag(sampled)),
            status: Some(Status(status)),
            outcome: Some(outcome),
            duration: Some(EcsNanos(micros)),
            ..AccessRecord::default()
        };
        for (name, record, slow, want) in [
            ("sampled", record(true, 200, Outcome::Success, 1), slow, true),
            ("not sampled", record(false, 200, Outcome::Success, 1), slow, false),
            ("404", record(false, 404, Outcome::Success, 1), slow, false),
            ("503", record(false, 503, Outcome::Failure, 1), slow, true),
            ("cut short", record(false, 200, Outcome::Failure, 1), slow, true),
            ("the client left", record(false, 200, Outcome::Unknown, 1), slow, false),
            ("just fast", record(false, 200, Outcome::Success, 999_999), slow, false),
            ("slow", record(false, 200, Outcome::Success, 1_000_000), slow, true),
            ("slow is off", record(false, 200, Outcome::Success, u64::MAX), None, false),
            (
                "from before spans were exported",
                AccessRecord { span_id: None, ..record(true, 503, Outcome::Failure, 1) },
                slow,
                false,
            ),
        ] {
            assert_eq!(keeps(&record, slow), want, "{name}");
        }
    }
}
