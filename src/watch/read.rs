//! Readings of the records of objectives: sums by minute, objective and group over all instances.
//!
//! A reading asks for every minute of its span again, so it does not matter when a document came: what is
//! new is told by the sums of before (`sums`). The near reading is of the last [`NEAR_MINUTES`]; the whole
//! one goes back over the longest period, in buckets as wide as the cells that the evaluator keeps of that
//! age. Pages of a composite aggregation; a page in which a shard is missing does not count. Not here: what
//! is new (`sums`), how it is judged (`slo`).

use std::sync::Arc;

use elasticsearch::http::Method;
use serde_json::Value;

use super::sums::BucketRow;
use crate::elk::client::Client;
use crate::elk::problem::Problem;
use crate::elk::{minutes, search};
use crate::record::Dataset;
use crate::slo::{ABSENT, Dimension, EventCount, Objective};

/// Minutes that each reading asks for: instances write a minute's record within seconds of its end, and
/// ship it as soon as the server takes it.
pub(super) const NEAR_MINUTES: u32 = 15;
/// Minutes ahead of our clock that count: clocks differ.
const AHEAD_MINUTES: u32 = 5;
/// Buckets of a page; servers allow 65 536 of one answer.
const PAGE: usize = 5_000;
/// Most pages of one span: a million buckets.
const PAGES_MAX: usize = 200;

/// A time in buckets, in minutes since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BucketSpan {
    pub(super) from: u32,
    /// The minute after its last.
    pub(super) to: u32,
    /// Minutes of a bucket; `from` is a multiple of it.
    pub(super) width: u32,
}

/// What the near reading asks for.
pub(super) fn near(now: u32) -> BucketSpan {
    BucketSpan { from: now.saturating_sub(NEAR_MINUTES), to: now + AHEAD_MINUTES, width: 1 }
}

/// What the whole reading asks for, the oldest first: `reach` minutes back, in buckets of the widths of the
/// evaluator's series.
pub(super) fn whole(now: u32, reach: u32) -> Vec<BucketSpan> {
    /// Up to which age, in minutes; width of a bucket; width of the next coarser ones, at a multiple of which
    /// it begins.
    const TIERS: [(u32, u32, u32); 4] =
        [(60, 1, 5), (6 * 60, 5, 30), (3 * 24 * 60, 30, 720), (u32::MAX, 720, 720)];
    let mut to = now + AHEAD_MINUTES;
    let mut spans = Vec::new();
    for (age, width, next) in TIERS {
        let from = now.saturating_sub(age.min(reach)) / next * next;
        if from < to {
            spans.push(BucketSpan { from, to, width });
            to = from;
        }
    }
    spans.reverse();
    spans
}

/// What a reading gave.
#[derive(Debug, Default)]
pub(super) struct SpanReading {
    pub(super) rows: Vec<BucketRow>,
    /// There were more pages than are read.
    pub(super) is_cut: bool,
    /// The stream is not there.
    pub(super) is_missing: bool,
}

/// Asks for every page of a span.
///
/// # Errors
/// What the server says, or that a shard did not answer; nothing of the span counts then.
pub(super) async fn span(
    client: &Client,
    namespace: &str,
    objectives: &[Arc<Objective>],
    span: BucketSpan,
) -> Result<SpanReading, Problem> {
    let stream = Dataset::Slo.data_stream(namespace);
    let path = format!("/{stream}/_search?filter_path=timed_out,_shards.failed,aggregations");
    let names: Vec<_> = objectives.iter().map(|objective| objective.name.as_str()).collect();
    let span_ms = [span.from, span.to].map(|minute| u64::from(minute) * 60_000);
    let mut reading = SpanReading::default();
    let mut after = Value::Null;
    for _ in 0..PAGES_MAX {
        let body = minutes::page(&names, span_ms, span.width, PAGE, &after);
        let mut answer = search::complete(client, Method::Post, &path, Some(&body)).await?;
        if answer.is_null() {
            return Ok(SpanReading { is_missing: true, ..reading });
        }
        let mut page = answer["aggregations"]["minutes"].take();
        let buckets = page["buckets"].as_array().map_or(&[][..], Vec::as_slice);
        reading.rows.extend(buckets.iter().filter_map(|bucket| row(objectives, bucket)));
        let is_last = buckets.len() < PAGE;
        after = page["after_key"].take();
        if is_last || after.is_null() {
            return Ok(reading);
        }
    }
    reading.is_cut = true;
    Ok(reading)
}

/// What a bucket says; `None` for one of an objective that is not ours.
fn row(objectives: &[Arc<Objective>], bucket: &Value) -> Option<BucketRow> {
    let key = &bucket["key"];
    let name = key["objective"].as_str()?;
    let place = objectives.iter().position(|objective| objective.name == name)?;
    let value =
        |dimension: &Dimension| key[dimension.as_str()].as_str().unwrap_or(ABSENT).to_owned();
    let count = |name: &str| whole_number(&bucket[name]["value"]);
    Some(BucketRow {
        objective: place,
        group: objectives[place].group_by.iter().map(value).collect(),
        minute: u32::try_from(key["minute"].as_u64()? / 60_000).ok()?,
        count: EventCount { valid: count("valid"), bad: count("bad") },
    })
}

/// A sum as servers give it: a floating-point number, exact up to 2^53.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn whole_number(value: &Value) -> u64 {
    value.as_f64().map_or(0, |value| value.clamp(0.0, 9e15) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::fields;

    #[test]
    fn fields_are_those_of_the_records() {
        let names = Dimension::ALL.map(|(dimension, _)| fields::dimension(dimension));
        for name in
            [fields::NAME, fields::VALID, fields::BAD, fields::TIME].into_iter().chain(names)
        {
            let is_known = Dataset::Slo.document_fields().any(|field| field.path == name);
            assert!(is_known, "{name}");
        }
    }

    /// Goal: the spans of the whole reading meet, and each begins at a multiple of its width. Method: over
    /// a day of moments and several periods.
    #[test]
    fn spans_meet_at_multiples_of_their_widths() {
        let start = 29_700_000;
        for (name, reach) in [("an hour", 60), ("a day", 24 * 60), ("a month", 31 * 24 * 60)] {
            for now in start..start + 24 * 60 {
                let spans = whole(now, reach);
                assert!(spans.first().unwrap().from <= now - reach, "{name}");
                assert_eq!(spans.last().unwrap().to, now + AHEAD_MINUTES, "{name}");
                assert!(spans.windows(2).all(|two| two[0].to == two[1].from), "{spans:?}");
                for BucketSpan { from, to, width } in &spans {
                    assert_eq!(from % width, 0, "{spans:?}");
                    assert!(*to == now + AHEAD_MINUTES || to % width == 0, "{spans:?}");
                }
                let finest = spans.last().unwrap();
                assert!(finest.width == 1 && finest.from <= near(now).from);
            }
        }
    }
}
