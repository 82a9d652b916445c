//! What a generator sent and saw, against what a server has stored.
//!
//! Every request of a run has a path of its own, so a document can be told to be the one of a
//! request. Not here: how documents are fetched (`server`).

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use serde_json::Value;

use crate::server::Stored;
use crate::traffic::Run;

/// Fields that [`exactly_once`] reads.
pub(crate) const FIELDS: [&str; 5] =
    ["url.path", "lbproxy.instance", "lbproxy.epoch", "lbproxy.worker", "lbproxy.seq"];

/// Checks that every exchange that a client saw whole is stored, that nothing is stored twice or was
/// never asked for, and that no number is missing. Gives the number of documents.
pub(crate) fn exactly_once(stored: &[Stored], runs: &[Run]) -> usize {
    let ids: HashSet<_> = stored.iter().map(|stored| stored.id.as_str()).collect();
    assert_eq!(ids.len(), stored.len(), "an _id stands twice, in two backing indices");
    let mut left: HashMap<String, bool> = HashMap::new();
    for run in runs {
        for exchange in &run.report.exchanges {
            left.insert(run.path(exchange), exchange.is_whole);
        }
    }
    for stored in stored {
        let path = stored.source["url.path"].as_str().expect("each of these exchanges has a path");
        assert!(left.remove(path).is_some(), "{path} is stored twice or was never asked for");
    }
    let lost: Vec<_> = left.iter().filter(|(_, is_whole)| **is_whole).take(10).collect();
    assert!(lost.is_empty(), "answered whole and lost, among others: {lost:?}");
    no_gaps(stored.iter().map(|stored| &stored.source));
    stored.len()
}

/// `max − min + 1 = count` and `min = 1` for each lane of each run of the program.
pub(crate) fn no_gaps<'d>(documents: impl Iterator<Item = &'d Value>) {
    let lane = |document: &Value| {
        (
            document["lbproxy.instance"].as_str().map(str::to_owned),
            document["lbproxy.epoch"].as_u64(),
            document["lbproxy.worker"].as_u64(),
        )
    };
    let numbers = documents.map(|document| (lane(document), document["lbproxy.seq"].as_u64()));
    for (lane, seqs) in grouped(numbers) {
        let distinct: HashSet<_> = seqs.iter().copied().map(Option::unwrap).collect();
        let (least, most) = (distinct.iter().min().unwrap(), distinct.iter().max().unwrap());
        let span = usize::try_from(most - least + 1).unwrap();
        assert_eq!((*least, span, distinct.len()), (1, seqs.len(), seqs.len()), "{lane:?}");
    }
}

/// The values of each key.
fn grouped<K: Eq + Hash, V>(pairs: impl Iterator<Item = (K, V)>) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups
}
