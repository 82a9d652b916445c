//! Whether the server has what the journal was given: number by number, for every lane and kind.
//!
//! ```text
//! journal ─► held: given out, there, waiting ─┐
//! dead letters ───────────────────────────────┼─► numbers: one account for each lane and kind
//! server ─► stored: numbers in each index ────┤
//!        └► failures: in the failure store ───┘
//! ```
//! Works beside a running proxy and after its end; changes nothing. Invariant: what was given out
//! before it began and is in no place is missing, and nothing else is, whatever moves on meanwhile
//! (`held` says why). What it cannot know: numbers behind the last one of an earlier start whose
//! segments were used again. Not here: words (`cli::log::audit`).

mod compare;
mod failures;
mod held;
mod numbers;
mod stored;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_json::{Value, json};

use super::dead_letter;
use crate::config::{Elasticsearch, Keep};
use crate::elk::Product;
use crate::elk::client::{Client, ClientError};
use crate::elk::problem::{Fault, Problem};
use crate::elk::{installer, retention};
use crate::journal;
use crate::record::{Dataset, Stream};
use compare::{Audit, Failures};
pub use numbers::{Account, Runs};
use stored::Asker;

/// Which time is meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    /// First millisecond that is meant.
    pub since_ms: Option<u64>,
    /// First that is not.
    pub until_ms: Option<u64>,
}

impl Window {
    /// Whether a time is in it.
    fn holds(self, time_ms: u64) -> bool {
        self.since_ms.is_none_or(|since| time_ms >= since)
            && self.until_ms.is_none_or(|until| time_ms < until)
    }

    /// Whether it leaves anything out.
    const fn is_open(self) -> bool {
        self.since_ms.is_none() && self.until_ms.is_none()
    }

    /// It as a clause of a query.
    fn clause(self) -> Option<Value> {
        let mut range = json!({ "format": "epoch_millis" });
        for (key, bound) in [("gte", self.since_ms), ("lt", self.until_ms)] {
            if let Some(bound) = bound {
                range[key] = bound.into();
            }
        }
        (!self.is_open()).then(|| json!({ "range": { "@timestamp": range } }))
    }
}

/// What is audited.
#[derive(Debug)]
pub struct Options<'a> {
    /// The server.
    pub config: &'a Elasticsearch,
    /// Last part of the streams' names.
    pub namespace: &'a str,
    /// Folder of the journal.
    pub folder: &'a Path,
    /// Which time is meant.
    pub window: Window,
    /// The time now, in milliseconds.
    pub now_ms: u64,
}

/// One lane of one start, and one kind of its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    /// Instance of the journal.
    pub instance: u64,
    /// Start of the process.
    pub epoch: u16,
    /// Lane.
    pub worker: u8,
    stream: u8,
}

impl Lane {
    /// The kind.
    pub const fn kind(self) -> Option<Stream> {
        Stream::from_u8(self.stream)
    }

    /// The clauses that find its documents; in any index when `index` is empty.
    fn clauses(self, index: &str) -> Vec<Value> {
        let mut clauses = vec![
            stored::term("lbproxy.instance", format!("{:010x}", self.instance)),
            stored::term("lbproxy.epoch", self.epoch),
            stored::term("lbproxy.worker", self.worker),
        ];
        if !index.is_empty() {
            clauses.push(stored::term("_index", index));
        }
        if let Some(kind) = self.kind().filter(|kind| kind.dataset().has_several_kinds()) {
            clauses.push(stored::term("lbproxy.kind", kind.as_str()));
        }
        clauses
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind().map_or("unknown", Stream::as_str);
        write!(f, "{kind}, start {}, worker {}", self.epoch, self.worker)
    }
}

/// Numbers next to each other that are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// Lowest number.
    pub first: u64,
    /// Highest number.
    pub last: u64,
    /// Time of the document before it, in milliseconds.
    pub after_ms: Option<u64>,
    /// Time of the document after it.
    pub before_ms: Option<u64>,
    /// How many of them the journal still holds.
    pub held: u64,
}

/// What was found of one lane and kind.
#[derive(Debug, Clone)]
pub struct Finding {
    /// It.
    pub lane: Lane,
    /// Its numbers.
    pub account: Account,
    /// The first holes.
    pub holes: Vec<Hole>,
    /// Indices that hold numbers which stand twice.
    pub twice_in: Vec<String>,
}

/// Everything that was found.
#[derive(Debug)]
pub struct Report {
    /// The product that was asked.
    pub product: Product,
    /// Its address.
    pub url: String,
    /// Instances that were asked about.
    pub instances: Vec<u64>,
    /// By lane and kind, those without a number left out.
    pub findings: Vec<Finding>,
    /// Lines of the file of dead letters.
    pub dead_letters: u64,
    /// Whether something is missing and the credentials may not look for it in a failure store.
    pub is_failure_store_unread: bool,
    /// Requests that it took.
    pub requests: u64,
}

/// Why an audit could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Certificates.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The journal.
    #[error("the journal cannot be read: {0}")]
    Open(#[from] journal::OpenError),
    /// A segment of it.
    #[error("the journal cannot be read: {0}")]
    Read(#[from] journal::ReadError),
    /// The dead letters.
    #[error("{path} cannot be read: {source}", path = path.display())]
    DeadLetters {
        /// Their file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The server.
    #[error("{url}: {}; {}", problem.reason, cure(problem.fault))]
    #[expect(private_interfaces, reason = "shown as words only")]
    Server {
        /// The node.
        url: String,
        /// What it says.
        problem: Problem,
    },
    /// Half of a lane is missing.
    #[error("{lane}: more holes than can be kept in memory; narrow it with --since and --until")]
    TooManyHoles {
        /// The lane.
        lane: String,
    },
}

/// What a person can do.
const fn cure(fault: Fault) -> &'static str {
    match fault {
        Fault::NotSent => "start the server, or name another with --elasticsearch URL",
        Fault::Unauthorized => "correct user, password or key of telemetry.elasticsearch",
        Fault::Forbidden => "grant the user `read` on *-lbproxy.*, as `lbproxy setup` does",
        _ => "try again; nothing was changed",
    }
}

/// Compares journal and server. `progress` is told in words what is looked at.
///
/// # Errors
/// [`AuditError`].
pub async fn audit(
    options: &Options<'_>,
    progress: &mut dyn FnMut(&str),
) -> Result<Report, AuditError> {
    let client = Client::new(options.config)?;
    progress("reading the journal");
    let keep = |stream: Stream| retention::of(&options.config.retention, stream.dataset());
    let old_before_ms = |stream| match keep(stream) {
        Keep::For(span) => {
            options.now_ms.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
        }
        Keep::Forever | Keep::Off => 0,
    };
    let journaled = held::read(options.folder, options.window, &old_before_ms)?;
    let (dead, dead_letters) = dead_numbers(options.folder)?;
    progress("asking the server what it is");
    let server = installer::detect(&client)
        .await
        .map_err(|problem| AuditError::Server { url: client.url().to_owned(), problem })?;
    let asker = Asker { client: &client, namespace: options.namespace, requests: 1 };
    let failures = server.features().failure_store.then(Failures::default);
    let lanes = BTreeMap::new();
    let mut audit = Audit { options, journaled, dead, failures, asker, lanes, progress };
    for dataset in Dataset::ALL {
        audit.look_at(dataset).await?;
    }
    let findings = audit.findings().await?;
    Ok(Report {
        product: server.product,
        url: client.url().to_owned(),
        instances: audit.journaled.instances.iter().copied().collect(),
        findings,
        dead_letters,
        is_failure_store_unread: audit.failures.is_some_and(|failures| failures.is_unread),
        requests: audit.asker.requests,
    })
}

/// Takes note of numbers that a gap record tells of: whose, which lane and kind, from which on how many.
fn note_gap(
    gaps: &mut BTreeMap<Lane, Runs>,
    (instance, epoch): (u64, u16),
    (worker, stream): (u64, u64),
    (first, count): (u64, u64),
) {
    if let (Ok(worker), Ok(stream)) = (u8::try_from(worker), u8::try_from(stream))
        && count > 0
    {
        let lane = Lane { instance, epoch, worker, stream };
        gaps.entry(lane).or_default().add_run(first, first.saturating_add(count - 1));
    }
}

/// The same from its document.
fn note_gap_document(gaps: &mut BTreeMap<Lane, Runs>, instance: u64, document: &Value) {
    let number = |name: &str| document[name].as_u64().unwrap_or(0);
    // Of an earlier start, if it says so.
    let epoch = document["lbproxy.gap.epoch"].as_u64().unwrap_or(number("lbproxy.epoch"));
    let digits = document["lbproxy.gap.instance"].as_str();
    let earlier = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let instance = earlier.unwrap_or(instance);
    if let Ok(epoch) = u16::try_from(epoch) {
        note_gap(
            gaps,
            (instance, epoch),
            (number("lbproxy.gap.worker"), number("lbproxy.gap.stream")),
            (number("lbproxy.gap.first_seq"), number("lbproxy.gap.count")),
        );
    }
}

/// The numbers of dead letters, and how many lines there are.
///
/// # Errors
/// When their file is there and cannot be read.
fn dead_numbers(folder: &Path) -> Result<(BTreeMap<Lane, Runs>, u64), AuditError> {
    let (mut dead, mut count) = (BTreeMap::<Lane, Runs>::new(), 0);
    let read = dead_letter::each(folder, &mut |line| {
        count += 1;
        let Some(place) = dead_letter::place(line) else { return };
        let lane = Lane {
            instance: place.instance,
            epoch: place.epoch,
            worker: place.worker,
            stream: place.stream,
        };
        dead.entry(lane).or_default().add(place.seq);
    });
    read.map_err(|source| AuditError::DeadLetters {
        path: folder.join(dead_letter::FILE_NAME),
        source,
    })?;
    Ok((dead, count))
}
