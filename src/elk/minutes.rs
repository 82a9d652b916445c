//! The minutes of objectives that are stored on a server, added up over all instances.
//!
//! One aggregation, page by page: by minute, objective and group, in the order of time. Sums are exact: each event is
//! in one document. Reads only. Not here: what is made of them (`slo`).

use elasticsearch::http::Method;
use serde_json::{Value, json};

use super::client::{Call, Client, ClientError};
use super::problem::{Fault, Problem};
use super::search;
use crate::compile::fields;
use crate::config::Elasticsearch;
use crate::record::Dataset;
use crate::slo::{Dimension, EventCount};

/// Groups of one page.
const PAGE: usize = 2_000;

/// Which minutes are meant, and where they are.
#[derive(Debug)]
pub struct Question<'a> {
    /// How the server is reached: a node that gives no answer is followed by the next.
    pub config: &'a Elasticsearch,
    /// Last part of the stream's name.
    pub namespace: &'a str,
    /// Names of objectives; minutes of others are left out.
    pub objectives: &'a [&'a str],
    /// First millisecond since 1970 that is meant.
    pub from_ms: u64,
    /// First one that is not meant.
    pub to_ms: u64,
}

/// A minute of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMinute {
    /// Name of the objective.
    pub objective: String,
    /// Service, route, endpoint, as far as it is grouped by them.
    values: [Option<String>; 3],
    /// Its events, of all instances.
    pub events: EventCount,
}

impl StoredMinute {
    /// The values of its group, in the order of a `group_by`.
    pub fn group(&self, dimensions: &[Dimension]) -> Vec<&[u8]> {
        let value = |dimension: &Dimension| {
            let place = Dimension::ALL.iter().position(|(each, _)| each == dimension);
            let value = place.and_then(|place| self.values[place].as_deref());
            value.unwrap_or_default().as_bytes()
        };
        dimensions.iter().map(value).collect()
    }
}

/// Why a server cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum MinutesError {
    /// There is no client for it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It gives no answer that can be used.
    #[error("{url}: {reason}")]
    Server {
        /// The node that was asked last.
        url: String,
        /// Its words, or why it had none.
        reason: String,
    },
}

/// Visits each minute that has something, in order: its start, and all that it has.
///
/// # Errors
/// When no node gives an answer.
pub async fn read(
    question: &Question<'_>,
    visit: &mut dyn FnMut(u64, &[StoredMinute]),
) -> Result<(), MinutesError> {
    let client = Client::new(question.config)?;
    let (mut after, mut minute) = (Value::Null, (0, Vec::new()));
    loop {
        let answer = ask(&client, question, &after).await?;
        let page = &answer["aggregations"]["minutes"];
        let buckets = page["buckets"].as_array().map_or(&[][..], Vec::as_slice);
        for (start_ms, stored) in buckets.iter().filter_map(stored) {
            if start_ms != minute.0 {
                if !minute.1.is_empty() {
                    visit(minute.0, &minute.1);
                }
                minute = (start_ms, Vec::new());
            }
            minute.1.push(stored);
        }
        after = page["after_key"].clone();
        if buckets.len() < PAGE || after.is_null() {
            break;
        }
    }
    if !minute.1.is_empty() {
        visit(minute.0, &minute.1);
    }
    Ok(())
}

/// One page; each node is asked until one answers.
async fn ask(
    client: &Client,
    question: &Question<'_>,
    after: &Value,
) -> Result<Value, MinutesError> {
    let stream = Dataset::Slo.data_stream(question.namespace);
    let path = format!(
        "/{stream}/_search?ignore_unavailable=true&filter_path=timed_out,_shards.failed,aggregations"
    );
    let span_ms = [question.from_ms, question.to_ms];
    let body = page(question.objectives, span_ms, 1, PAGE, after).to_string();
    let first = client.node();
    loop {
        let (node, url) = (client.node(), client.url().to_owned());
        let call = Call { body: body.clone().into(), ..Call::default() };
        let problem = match client.call(Method::Post, &path, call).await {
            Ok(reply) if reply.status == 404 => return Ok(Value::Null),
            Ok(reply) => match serde_json::from_slice::<Value>(&reply.body) {
                Ok(answer) if search::is_whole(&answer) => return Ok(answer),
                Ok(_) => Problem::new(Fault::Overloaded, "not every shard answers; try again"),
                Err(error) => Problem::new(Fault::Unknown, format!("unreadable answer: {error}")),
            },
            Err(problem) => problem,
        };
        let may_help = matches!(problem.fault, Fault::NotSent | Fault::Unknown | Fault::Overloaded);
        if !may_help || !client.turn(node) || client.node() == first {
            return Err(MinutesError::Server { url, reason: problem.reason });
        }
    }
}

/// The search for a page of sums over all instances, its aggregation `minutes`: by time in buckets so many minutes
/// wide, objective and group. `after` is the key of the page before, or null.
pub(crate) fn page(
    objectives: &[&str],
    [from_ms, to_ms]: [u64; 2],
    width: u32,
    buckets: usize,
    after: &Value,
) -> Value {
    let sum = |field: &str| json!({ "sum": { "field": field } });
    let time = json!({ "field": fields::TIME, "fixed_interval": format!("{width}m") });
    let mut sources = vec![
        json!({ "minute": { "date_histogram": time } }),
        json!({ "objective": { "terms": { "field": fields::NAME } } }),
    ];
    sources.extend(Dimension::ALL.map(|(dimension, name)| {
        let field = fields::dimension(dimension);
        json!({ name: { "terms": { "field": field, "missing_bucket": true } } })
    }));
    let mut composite = json!({ "size": buckets, "sources": sources });
    if !after.is_null() {
        composite["after"] = after.clone();
    }
    json!({
        "size": 0,
        "track_total_hits": false,
        "query": { "bool": { "filter": [
            { "terms": { fields::NAME: objectives } },
            { "range": { fields::TIME: {
                "gte": from_ms, "lt": to_ms, "format": "epoch_millis",
            } } },
        ] } },
        "aggs": { "minutes": {
            "composite": composite,
            "aggs": { "valid": sum(fields::VALID), "bad": sum(fields::BAD) },
        } },
    })
}

/// Start and figures of a bucket.
fn stored(bucket: &Value) -> Option<(u64, StoredMinute)> {
    let key = &bucket["key"];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sum of events is a whole number, exact below 2^53"
    )]
    let sum = |name: &str| bucket[name]["value"].as_f64().map(|sum| sum.max(0.0) as u64);
    let value = |name: &str| key[name].as_str().map(str::to_owned);
    Some((
        key["minute"].as_u64()?,
        StoredMinute {
            objective: value("objective")?,
            values: [value("service"), value("route"), value("endpoint")],
            events: EventCount { valid: sum("valid")?, bad: sum("bad")? },
        },
    ))
}
