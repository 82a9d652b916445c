//! Which numbers a server has, asked with few requests and told with little memory.
//!
//! Within one backing index an `_id` is there once, and with it a number; so where a count is as large
//! as the span of its numbers and their sum is that of the span, every number is there. Only spans of
//! which that is not true are cut into smaller ones, and read at last. A number that is in two indices
//! shows when the indices are laid upon each other (`numbers`).
//!
//! Reads only. Not here: what is to be there (`held`).

use std::collections::BTreeMap;
use std::time::Duration;

use elasticsearch::http::Method;
use serde_json::{Value, json};

use super::numbers::Runs;
use super::{AuditError, Lane, Window};
use crate::elk::client::Client;
use crate::elk::problem::{Fault, Problem};
use crate::elk::search::complete;
use crate::record::{Dataset, Stream};
use crate::ship::gate::Backoff;

/// Tries of one request before it is given up.
const TRIES_MAX: usize = 6;
/// Lanes of one page.
const LANES_PAGE: usize = 500;
/// Spans of one request.
const SPANS_MAX: usize = 200;
/// Spans that an unclear one is cut into.
const CUTS: u64 = 20;
/// Numbers of a span that is read rather than cut: half of the most hits of one search.
const READ_MAX: u64 = 5_000;
/// Most runs that are kept of one lane and index; beyond that something else is wrong.
const RUNS_MAX: usize = 500_000;
/// Gap records of one page.
const GAPS_PAGE: usize = 1_000;

/// One lane and kind in one backing index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// Lowest number.
    pub(super) first: u64,
    /// Highest number.
    pub(super) last: u64,
    count: u64,
    /// Sum of their numbers, as far as floating point has it.
    sum: f64,
}

impl Span {
    /// Whether every number is there, once.
    #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 the count alone decides")]
    fn is_whole(&self) -> bool {
        /// Sums up to here are exact.
        const EXACT_MAX: f64 = 9e15;
        let width = self.last - self.first + 1;
        let sum = f64::midpoint(self.first as f64, self.last as f64) * width as f64;
        self.count == width && (sum > EXACT_MAX || (sum - self.sum).abs() < 0.5)
    }
}

/// Asks a server about one namespace.
pub(super) struct Asker<'a> {
    pub(super) client: &'a Client,
    /// Last part of the streams' names.
    pub(super) namespace: &'a str,
    /// Requests so far.
    pub(super) requests: u64,
}

impl Asker<'_> {
    /// Makes what was stored visible, where the credentials may.
    pub(super) async fn refresh(&mut self, dataset: Dataset) -> Result<(), AuditError> {
        self.refresh_target(&dataset.data_stream(self.namespace)).await
    }

    /// The same of whatever can be named.
    pub(super) async fn refresh_target(&mut self, target: &str) -> Result<(), AuditError> {
        let path = format!("/{target}/_refresh?ignore_unavailable=true&filter_path=_shards.failed");
        match self.ask(&path, None).await {
            Err(AuditError::Server { problem, .. }) if problem.fault == Fault::Forbidden => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Backing indices of a stream that hold a document, whoever's.
    pub(super) async fn indices(&mut self, dataset: Dataset) -> Result<Vec<String>, AuditError> {
        let body = json!({ "aggs": { "all": { "terms": { "field": "_index", "size": 10_000 } } } });
        let answer = self.search(dataset, &[], body).await?;
        let buckets = answer["aggregations"]["all"]["buckets"].as_array();
        let names = buckets.into_iter().flatten().filter_map(|one| one["key"].as_str());
        let mut names: Vec<_> = names.map(str::to_owned).collect();
        // Older ones first: names end in a number that grows.
        names.sort_unstable_by_key(|name| (generation(name), name.clone()));
        Ok(names)
    }

    /// Lanes of an instance in one index, with the span of their numbers.
    pub(super) async fn lanes(
        &mut self,
        dataset: Dataset,
        index: &str,
        instance: u64,
        window: Window,
    ) -> Result<BTreeMap<Lane, Span>, AuditError> {
        let mut clauses =
            vec![term("_index", index), term("lbproxy.instance", format!("{instance:010x}"))];
        clauses.extend(window.clause());
        let source =
            |name: &str| json!({ name: { "terms": { "field": format!("lbproxy.{name}") } } });
        let mut sources = vec![source("epoch"), source("worker")];
        if dataset.has_several_kinds() {
            sources.push(source("kind"));
        }
        let of = |function: &str| json!({ function: { "field": "lbproxy.seq" } });
        let mut lanes = BTreeMap::new();
        let mut after = Value::Null;
        loop {
            let mut composite = json!({ "size": LANES_PAGE, "sources": sources });
            if !after.is_null() {
                composite["after"] = after;
            }
            let body = json!({ "aggs": { "lanes": {
                "composite": composite,
                "aggs": { "first": of("min"), "last": of("max"), "sum": of("sum") },
            } } });
            let answer = self.search(dataset, &clauses, body).await?;
            let page = &answer["aggregations"]["lanes"];
            let buckets = page["buckets"].as_array().map_or(&[][..], Vec::as_slice);
            for bucket in buckets {
                if let Some((lane, span)) = lane_of(dataset, instance, bucket) {
                    lanes.insert(lane, span);
                }
            }
            after = page["after_key"].clone();
            if buckets.len() < LANES_PAGE || after.is_null() {
                return Ok(lanes);
            }
        }
    }

    /// Which of the numbers of a span are there, and which stand there twice.
    ///
    /// # Errors
    /// When the server cannot be asked, or there are more holes than can be kept.
    pub(super) async fn numbers(
        &mut self,
        index: &str,
        lane: Lane,
        span: Span,
    ) -> Result<(Runs, Runs), AuditError> {
        let (mut there, mut doubled) = (Runs::default(), Runs::default());
        if span.is_whole() {
            return Ok((Runs::between(span.first, span.last), doubled));
        }
        let Some(dataset) = lane.kind().map(Stream::dataset) else { return Ok((there, doubled)) };
        let clauses = lane.clauses(index);
        let mut unclear = vec![(span.first, span.last)];
        while let Some((first, last)) = unclear.pop() {
            if last - first < READ_MAX {
                self.read(dataset, &clauses, (first, last), &mut there, &mut doubled).await?;
            } else {
                let spans = self.cut(dataset, &clauses, (first, last)).await?;
                for span in spans.into_iter().filter(|span| span.count > 0) {
                    if span.is_whole() {
                        there.add_run(span.first, span.last);
                    } else {
                        unclear.push((span.first, span.last));
                    }
                }
            }
            if there.runs().len() > RUNS_MAX {
                return Err(AuditError::TooManyHoles { lane: lane.to_string() });
            }
        }
        Ok((there, doubled))
    }

    /// Cuts a span, and counts in each part.
    async fn cut(
        &mut self,
        dataset: Dataset,
        clauses: &[Value],
        (first, last): (u64, u64),
    ) -> Result<Vec<Span>, AuditError> {
        let width = last - first + 1;
        let parts = (width / READ_MAX).clamp(CUTS, SPANS_MAX as u64);
        let step = width.div_ceil(parts);
        let mut spans = Vec::new();
        let mut from = first;
        while from <= last {
            let to = last.min(from + step - 1);
            spans.push(Span { first: from, last: to, count: 0, sum: 0.0 });
            from = to + 1;
        }
        let ranges: Vec<_> = spans
            .iter()
            .enumerate()
            .map(|(n, span)| json!({ "key": n.to_string(), "from": span.first, "to": span.last + 1 }))
            .collect();
        let body = json!({ "aggs": { "parts": {
            "range": { "field": "lbproxy.seq", "ranges": ranges },
            "aggs": { "sum": { "sum": { "field": "lbproxy.seq" } } },
        } } });
        let clauses = [clauses, &[between(first, last)]].concat();
        let answer = self.search(dataset, &clauses, body).await?;
        for bucket in answer["aggregations"]["parts"]["buckets"].as_array().into_iter().flatten() {
            let number = bucket["key"].as_str().and_then(|key| key.parse::<usize>().ok());
            if let Some(span) = number.and_then(|number| spans.get_mut(number)) {
                span.count = bucket["doc_count"].as_u64().unwrap_or(0);
                span.sum = bucket["sum"]["value"].as_f64().unwrap_or(0.0);
            }
        }
        Ok(spans)
    }

    /// Reads the numbers of a short span.
    async fn read(
        &mut self,
        dataset: Dataset,
        clauses: &[Value],
        (first, last): (u64, u64),
        there: &mut Runs,
        doubled: &mut Runs,
    ) -> Result<(), AuditError> {
        let clauses = [clauses, &[between(first, last)]].concat();
        let body =
            json!({ "size": READ_MAX * 2, "_source": false, "sort": [{ "lbproxy.seq": "asc" }] });
        let answer = self.search(dataset, &clauses, body).await?;
        let mut before = None;
        for hit in answer["hits"]["hits"].as_array().into_iter().flatten() {
            let Some(number) = hit["sort"][0].as_u64() else { continue };
            if before == Some(number) {
                doubled.add(number);
            }
            there.add(number);
            before = Some(number);
        }
        Ok(())
    }

    /// What gap records tell of an instance.
    pub(super) async fn gaps(
        &mut self,
        instance: u64,
        gaps: &mut BTreeMap<Lane, Runs>,
    ) -> Result<(), AuditError> {
        let clauses = [
            term("lbproxy.instance", format!("{instance:010x}")),
            term("lbproxy.kind", Stream::Gap.as_str()),
        ];
        let order = ["lbproxy.epoch", "lbproxy.worker", "lbproxy.seq"];
        let sort: Vec<_> = order.iter().map(|field| json!({ *field: "asc" })).collect();
        let mut after = Value::Null;
        loop {
            let mut body = json!({
                "size": GAPS_PAGE, "sort": sort,
                "_source": ["lbproxy.epoch", "lbproxy.gap.*"],
            });
            if !after.is_null() {
                body["search_after"] = after;
            }
            let answer = self.search(Stream::Gap.dataset(), &clauses, body).await?;
            let hits = answer["hits"]["hits"].as_array().map_or(&[][..], Vec::as_slice);
            for hit in hits {
                super::note_gap_document(gaps, instance, &hit["_source"]);
            }
            after = hits.last().map(|hit| hit["sort"].clone()).unwrap_or_default();
            if hits.len() < GAPS_PAGE {
                return Ok(());
            }
        }
    }

    /// Times of the documents with these numbers, in milliseconds, over all indices.
    pub(super) async fn times_ms(
        &mut self,
        lane: Lane,
        numbers: &[u64],
    ) -> Result<BTreeMap<u64, u64>, AuditError> {
        let Some(dataset) = lane.kind().map(Stream::dataset) else { return Ok(BTreeMap::new()) };
        let mut clauses = lane.clauses("");
        clauses.push(json!({ "terms": { "lbproxy.seq": numbers } }));
        let body = json!({
            "size": numbers.len() * 2, "_source": false,
            "sort": [{ "lbproxy.seq": "asc" }, { "@timestamp": "asc" }],
        });
        let answer = self.search(dataset, &clauses, body).await?;
        let hits = answer["hits"]["hits"].as_array().into_iter().flatten();
        Ok(hits
            .filter_map(|hit| Some((hit["sort"][0].as_u64()?, hit["sort"][1].as_u64()?)))
            .collect())
    }

    /// Which of these `_id`s are stored.
    pub(super) async fn ids(
        &mut self,
        dataset: Dataset,
        ids: &[&str],
    ) -> Result<Vec<String>, AuditError> {
        let mut found = Vec::new();
        for some in ids.chunks(5_000) {
            let body = json!({ "size": some.len() * 2, "_source": false });
            let clauses = [json!({ "ids": { "values": some } })];
            let answer = self.search(dataset, &clauses, body).await?;
            let hits = answer["hits"]["hits"].as_array().into_iter().flatten();
            found.extend(hits.filter_map(|hit| hit["_id"].as_str().map(str::to_owned)));
        }
        Ok(found)
    }

    /// One search in the stream of a dataset; nothing where there is no such stream.
    async fn search(
        &mut self,
        dataset: Dataset,
        clauses: &[Value],
        mut body: Value,
    ) -> Result<Value, AuditError> {
        let stream = dataset.data_stream(self.namespace);
        let path = format!(
            "/{stream}/_search?ignore_unavailable=true&filter_path=timed_out,_shards.failed,\
             hits.hits._id,hits.hits._source,hits.hits.sort,aggregations"
        );
        body["query"] = json!({ "bool": { "filter": clauses } });
        body["track_total_hits"] = false.into();
        if body["size"].is_null() {
            body["size"] = 0.into();
        }
        self.ask(&path, Some(&body)).await
    }

    /// One request, tried again as long as that may help.
    pub(super) async fn ask(
        &mut self,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, AuditError> {
        let mut backoff = Backoff::default();
        for left in (0..TRIES_MAX).rev() {
            self.requests += 1;
            let problem = match complete(self.client, Method::Post, path, body).await {
                Ok(answer) => return Ok(answer),
                Err(problem) => problem,
            };
            match problem.fault {
                Fault::NotSent | Fault::Unknown | Fault::Overloaded if left > 0 => {
                    let wait: Duration = backoff.next(problem.fault);
                    self.client.turn(self.client.node());
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(self.fail(problem)),
            }
        }
        Err(self.fail(Problem::new(Fault::Unknown, "no answer")))
    }

    /// A problem with its place.
    fn fail(&self, problem: Problem) -> AuditError {
        AuditError::Server { url: self.client.url().to_owned(), problem }
    }
}

/// The clause that a field has a value.
pub(super) fn term(field: &str, value: impl Into<Value>) -> Value {
    let value: Value = value.into();
    json!({ "term": { field: value } })
}

/// The clause that a number is in a span.
fn between(first: u64, last: u64) -> Value {
    json!({ "range": { "lbproxy.seq": { "gte": first, "lte": last } } })
}

/// Lane and span of a bucket.
fn lane_of(dataset: Dataset, instance: u64, bucket: &Value) -> Option<(Lane, Span)> {
    let key = &bucket["key"];
    let kind = kind_of(dataset, key["kind"].as_str())?;
    let lane = Lane {
        instance,
        epoch: u16::try_from(key["epoch"].as_u64()?).ok()?,
        worker: u8::try_from(key["worker"].as_u64()?).ok()?,
        stream: kind as u8,
    };
    let span = Span {
        first: whole(&bucket["first"])?,
        last: whole(&bucket["last"])?,
        count: bucket["doc_count"].as_u64()?,
        sum: bucket["sum"]["value"].as_f64()?,
    };
    Some((lane, span))
}

/// The kind with this name; the only one of a dataset that has no names for them.
pub(super) fn kind_of(dataset: Dataset, word: Option<&str>) -> Option<Stream> {
    let mut kinds = dataset.kinds().iter();
    match word {
        Some(word) => kinds.find(|kind| kind.as_str() == word).copied(),
        None => kinds.next().copied(),
    }
}

/// A number that an aggregation gives as floating point.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sequence number is a whole number below 2^53"
)]
fn whole(metric: &Value) -> Option<u64> {
    metric["value"].as_f64().filter(|value| *value >= 0.0).map(|value| value as u64)
}

/// The number at the end of a backing index's name; 1 where there is none.
pub(super) fn generation(index: &str) -> u64 {
    index.rsplit('-').next().and_then(|end| end.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_whole_when_count_and_sum_say_so() {
        let span = |first, last, count, sum| Span { first, last, count, sum };
        for (name, span, want) in [
            ("one", span(7, 7, 1, 7.0), true),
            ("all of them", span(1, 4, 4, 10.0), true),
            ("one is missing", span(1, 4, 3, 7.0), false),
            ("one is missing, another there twice", span(1, 4, 4, 11.0), false),
            ("none", span(1, 4, 0, 0.0), false),
        ] {
            assert_eq!(span.is_whole(), want, "{name}");
        }
    }

    #[test]
    fn backing_indices_of_both_products_have_a_generation() {
        for (name, want) in [
            (".ds-logs-lbproxy.access-default-2026.11.24-000012", 12),
            (".ds-logs-lbproxy.access-default-000003", 3),
            ("logs-lbproxy.access-default", 1),
        ] {
            assert_eq!(generation(name), want, "{name}");
        }
    }
}
