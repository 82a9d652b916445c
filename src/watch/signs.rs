//! Signs of life: heartbeats and samples of the processes, for telling one kind of no data from another.
//!
//! Times of documents are compared with each other and never with our clock: a heartbeat is new when its
//! time is later than the last one's. Not here: what is made of it (`slo`).

use elasticsearch::http::Method;
use serde_json::{Value, json};

use crate::elk::client::Client;
use crate::elk::problem::Problem;
use crate::elk::search;
use crate::record::{Dataset, Stream};
use crate::slo::WAITING_SECONDS;

/// Most instances that are told apart.
const INSTANCES_MAX: usize = 1_000;
/// How far back an instance is one of ours.
const KNOWN_MS: u64 = 15 * 60_000;
/// How far back a sample says how things are: several of them, and the way to the server.
const SAMPLES_MS: u64 = 3 * 60_000;

/// What heartbeats and samples of the last minutes say.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct LifeSigns {
    /// Time of the newest heartbeat, in milliseconds since 1970.
    pub(super) heartbeat_ms: Option<u64>,
    /// Instances with a heartbeat lately.
    pub(super) instances: u64,
    /// Of these, those that others have left behind.
    pub(super) silent: u64,
    /// An instance says that records wait, or were dropped.
    pub(super) is_waiting: bool,
}

/// Looks for them. An instance is silent when its last heartbeat is older than the newest one by more than
/// `silent_ms`.
///
/// # Errors
/// What the server says.
pub(super) async fn look(
    client: &Client,
    namespace: &str,
    now_ms: u64,
    silent_ms: u64,
) -> Result<LifeSigns, Problem> {
    let health = search(client, namespace, Dataset::Health, &heartbeats(now_ms)).await?;
    let process = search(client, namespace, Dataset::Process, &samples(now_ms)).await?;
    Ok(read(&health, &process, silent_ms))
}

async fn search(
    client: &Client,
    namespace: &str,
    dataset: Dataset,
    body: &Value,
) -> Result<Value, Problem> {
    let stream = dataset.data_stream(namespace);
    let path = format!("/{stream}/_search?filter_path=timed_out,_shards.failed,aggregations");
    search::complete(client, Method::Post, &path, Some(body)).await
}

/// A request for the instances that have such a document since a moment.
fn by_instance(kind: &Value, since_ms: u64, of_each: &Value) -> Value {
    json!({
        "size": 0,
        "track_total_hits": false,
        "query": { "bool": { "filter": [
            { "term": kind },
            { "range": { "@timestamp": { "gte": since_ms, "format": "epoch_millis" } } },
        ] } },
        "aggs": { "instances": {
            "terms": { "field": "lbproxy.instance", "size": INSTANCES_MAX }, "aggs": of_each,
        } },
    })
}

fn heartbeats(now_ms: u64) -> Value {
    let kind = json!({ "lbproxy.kind": Stream::Heartbeat.as_str() });
    let newest = json!({ "newest": { "max": { "field": "@timestamp" } } });
    by_instance(&kind, now_ms.saturating_sub(KNOWN_MS), &newest)
}

fn samples(now_ms: u64) -> Value {
    let of = |function: &str, field: &str| json!({ function: { "field": field } });
    let dropped = "lbproxy.records.dropped_full";
    let of_each = json!({
        "oldest": of("max", "lbproxy.ship.oldest_pending_seconds"),
        "dropped_first": of("min", dropped),
        "dropped_last": of("max", dropped),
    });
    let kind = json!({ "metricset.name": "process" });
    by_instance(&kind, now_ms.saturating_sub(SAMPLES_MS), &of_each)
}

/// What both answers say; each may be null, where there is no such stream.
fn read(health: &Value, process: &Value, silent_ms: u64) -> LifeSigns {
    let instances = |answer: &Value| {
        answer["aggregations"]["instances"]["buckets"].as_array().cloned().unwrap_or_default()
    };
    let number = |one: &Value, name: &str| one[name]["value"].as_f64();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "since 1970")]
    let beats: Vec<u64> = instances(health)
        .iter()
        .filter_map(|one| number(one, "newest"))
        .map(|ms| ms.max(0.0) as u64)
        .collect();
    let newest = beats.iter().copied().max();
    let is_silent = |ms: &&u64| newest.is_some_and(|newest| newest - **ms > silent_ms);
    let is_waiting = instances(process).iter().any(|one| {
        let oldest = number(one, "oldest").unwrap_or(0.0);
        let drops = number(one, "dropped_last") > number(one, "dropped_first");
        drops || oldest > f64::from(u32::try_from(WAITING_SECONDS).unwrap_or(u32::MAX))
    });
    LifeSigns {
        heartbeat_ms: newest,
        instances: beats.len() as u64,
        silent: beats.iter().filter(is_silent).count() as u64,
        is_waiting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_the_records() {
        for (dataset, fields) in [
            (Dataset::Health, &["@timestamp", "lbproxy.kind", "lbproxy.instance"][..]),
            (
                Dataset::Process,
                &[
                    "@timestamp",
                    "lbproxy.instance",
                    "metricset.name",
                    "lbproxy.ship.oldest_pending_seconds",
                    "lbproxy.records.dropped_full",
                ],
            ),
        ] {
            for field in fields {
                let is_known = dataset.document_fields().any(|known| known.path == *field);
                assert!(is_known, "{field}");
            }
        }
    }

    #[test]
    fn answers_say_who_is_alive_and_whose_records_wait() {
        let buckets =
            |buckets: Value| json!({ "aggregations": { "instances": { "buckets": buckets } } });
        let beat = |ms: u64| json!({ "newest": { "value": ms } });
        let sample = |oldest: Value, first: u64, last: u64| {
            json!({ "oldest": { "value": oldest }, "dropped_first": { "value": first },
                    "dropped_last": { "value": last } })
        };
        let none = LifeSigns::default();
        for (name, health, process, want) in [
            ("no such streams", Value::Null, Value::Null, none),
            ("no documents", buckets(json!([])), buckets(json!([])), none),
            (
                "two, one left behind",
                buckets(json!([beat(100_000), beat(9_000)])),
                buckets(json!([sample(60.into(), 3, 3)])),
                LifeSigns {
                    heartbeat_ms: Some(100_000),
                    instances: 2,
                    silent: 1,
                    is_waiting: false,
                },
            ),
            (
                "records wait",
                Value::Null,
                buckets(json!([sample(0.into(), 0, 0), sample(61.into(), 0, 0)])),
                LifeSigns { is_waiting: true, ..none },
            ),
            (
                "records were dropped",
                Value::Null,
                buckets(json!([sample(Value::Null, 3, 4)])),
                LifeSigns { is_waiting: true, ..none },
            ),
        ] {
            assert_eq!(read(&health, &process, 90_000), want, "{name}");
        }
    }
}
