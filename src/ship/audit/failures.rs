//! Which numbers stand in the failure store of a stream: Elasticsearch keeps there what does not fit,
//! each as a document that has the refused one in it, and answers that it is stored.
//!
//! Asked only for streams in which something is missing, page by page in the order of the `_id`s that
//! documents had. Reads only. Not here: what is missing (`compare`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::numbers::Runs;
use super::stored::{Asker, kind_of};
use super::{AuditError, Lane};
use crate::elk::problem::Fault;
use crate::record::Dataset;

/// Documents of one page.
const PAGE: usize = 1_000;
/// What is read of each: whose it is, and its number.
const FIELDS: [&str; 5] = ["instance", "epoch", "worker", "kind", "seq"];

impl Asker<'_> {
    /// Takes note of what the failure store of a dataset's stream holds; `false` when the credentials
    /// may not look.
    pub(super) async fn failures(
        &mut self,
        dataset: Dataset,
        failures: &mut BTreeMap<Lane, Runs>,
    ) -> Result<bool, AuditError> {
        let target = format!("{}::failures", dataset.data_stream(self.namespace));
        self.refresh_target(&target).await?;
        // Without `ignore_unavailable`: with it, what may not be read counts as not there.
        let path = format!(
            "/{target}/_search?filter_path=timed_out,_shards.failed,hits.hits._source,hits.hits.sort"
        );
        let fields = FIELDS.map(|field| format!("document.source.lbproxy.{field}"));
        let mut body = json!({
            "size": PAGE, "_source": fields, "track_total_hits": false,
            "sort": [{ "document.id": "asc" }],
            "query": { "bool": { "filter": [{ "exists": { "field": "document.id" } }] } },
        });
        loop {
            let answer = match self.ask(&path, Some(&body)).await {
                Err(AuditError::Server { problem, .. }) if problem.fault == Fault::Forbidden => {
                    return Ok(false);
                }
                answer => answer?,
            };
            let hits = answer["hits"]["hits"].as_array().map_or(&[][..], Vec::as_slice);
            for hit in hits {
                if let Some((lane, seq)) = place(dataset, &hit["_source"]["document"]["source"]) {
                    failures.entry(lane).or_default().add(seq);
                }
            }
            match hits.last() {
                Some(last) if hits.len() == PAGE => body["search_after"] = last["sort"].clone(),
                _ => return Ok(true),
            }
        }
    }
}

/// Lane and number of a document; `None` for one that is not lbproxy's.
fn place(dataset: Dataset, document: &Value) -> Option<(Lane, u64)> {
    let number = |name: &str| document[name].as_u64();
    let instance = u64::from_str_radix(document["lbproxy.instance"].as_str()?, 16).ok()?;
    let lane = Lane {
        instance,
        epoch: u16::try_from(number("lbproxy.epoch")?).ok()?,
        worker: u8::try_from(number("lbproxy.worker")?).ok()?,
        stream: kind_of(dataset, document["lbproxy.kind"].as_str())? as u8,
    };
    Some((lane, number("lbproxy.seq")?))
}
