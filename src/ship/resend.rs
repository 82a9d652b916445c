//! Dead letters sent again, after somebody has mended what they were refused for.
//!
//! ```text
//! file ─► bulk by bulk: looked up ─► _bulk ─► stored: gone; refused again: kept with the new answer
//! ```
//! Invariants: the file is replaced once, at the end and at one stroke, so that a crash leaves every
//! letter where it was; a letter is looked up before it is sent, so that it is stored once also after a
//! rollover; letters that a running shipper writes meanwhile stay. Not here: their file (`dead_letter`).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use elasticsearch::http::Method;

use super::answer::{Outcome, Refusal, outcomes};
use super::dead_letter::{self, Fresh, Known as Letter, Turn};
use super::deliver::FILTER;
use super::gate::Backoff;
use super::lookup::{self, Found, OpaqueIds, path_stream};
use super::session::Session;
use crate::config::Elasticsearch;
use crate::elk::client::{Call, Client, ClientError};
use crate::elk::problem::{Fault, Problem};
use crate::journal;

/// Most letters of one bulk.
const LETTERS_MAX: usize = 500;
/// Most bytes of their documents, unless one alone is larger.
const BYTES_MAX: usize = 1 << 20;
/// Tries of one bulk before the rest is left where it is.
const TRIES_MAX: usize = 8;

/// What is sent again.
#[derive(Debug)]
pub struct Options<'a> {
    /// The server.
    pub config: &'a Elasticsearch,
    /// Last part of the streams' names.
    pub namespace: &'a str,
    /// Folder of the journal.
    pub folder: &'a Path,
}

/// What became of the letters.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Letters, each once.
    pub letters: u64,
    /// Stored now.
    pub stored: u64,
    /// Stored before.
    pub duplicate: u64,
    /// Taken into the server's failure store.
    pub failure_store: u64,
    /// Refused again, by stream and the server's word for it.
    pub refused: BTreeMap<Reason, u64>,
    /// Records without a document, and lines that are no letter: they cannot be sent.
    pub unreadable: u64,
    /// Not settled: they are as they were.
    pub left: u64,
    /// Why they are left.
    pub problem: Option<String>,
}

/// Why letters were refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// Their stream.
    pub stream: String,
    /// Status of the answer.
    pub status: u16,
    /// The server's word for the error.
    pub kind: String,
    /// The explanation that the first of them got.
    pub example: String,
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ResendError {
    /// Certificates.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Somebody else does it.
    #[error("another `lbproxy log resend` is at work on {path}; wait for its end", path = path.display())]
    Busy {
        /// Folder of the journal.
        path: std::path::PathBuf,
    },
    /// The file.
    #[error("{path}: {source}; no letter is lost", path = path.display())]
    File {
        /// The folder.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What became of one letter.
#[derive(Debug)]
enum Fate {
    /// Stored now.
    Stored,
    /// Stored before.
    Duplicate,
    FailureStore,
    /// Refused again.
    Refused(Refusal),
    /// As before.
    Left,
}

impl Report {
    fn refuse(&mut self, stream: &str, (status, kind, reason): (u16, &str, &str)) {
        let same = |known: &Reason| {
            (known.stream.as_str(), known.status, known.kind.as_str()) == (stream, status, kind)
        };
        if let Some((_, count)) = self.refused.iter_mut().find(|(known, _)| same(known)) {
            *count += 1;
            return;
        }
        let (stream, kind, example) = (stream.to_owned(), kind.to_owned(), reason.to_owned());
        self.refused.insert(Reason { stream, status, kind, example }, 1);
    }

    /// Letters that were refused again.
    pub fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }

    /// The sum of all ends.
    pub fn sum(&self) -> u64 {
        let Self { stored, duplicate, failure_store, unreadable, left, .. } = self;
        stored + duplicate + failure_store + unreadable + left + self.refused_total()
    }
}

/// What there is to send, and why it was refused; sends nothing.
///
/// # Errors
/// When the file cannot be read.
pub fn survey(folder: &Path) -> Result<Report, ResendError> {
    let mut report = Report::default();
    let mut seen = HashSet::new();
    let read = dead_letter::each(folder, &mut |line| match letter(line, &mut seen) {
        Line::Again => (),
        Line::Unreadable => {
            report.letters += 1;
            report.unreadable += 1;
        }
        Line::Letter(letter) => {
            report.letters += 1;
            let Letter { stream, status, error_type, error_reason, .. } = &*letter;
            report.refuse(stream, (*status, error_type, error_reason));
        }
    });
    read.map_err(|source| fail(folder, source))?;
    Ok(report)
}

/// Sends every letter again. `progress` is told how many are settled, and of how many.
///
/// # Errors
/// [`ResendError`]; then every letter is where it was.
pub async fn resend(
    options: &Options<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, ResendError> {
    let folder = options.folder;
    let on_file = |source| fail(folder, source);
    let turn = Turn::take(folder).map_err(on_file)?;
    let Some(turn) = turn else { return Err(ResendError::Busy { path: folder.to_owned() }) };
    let mut lines = Vec::new();
    let end = dead_letter::each(folder, &mut |line| lines.push(line.to_vec())).map_err(on_file)?;
    if lines.is_empty() {
        return Ok(Report::default());
    }
    let sender = Sender::new(options)?;
    let mut fresh = Fresh::new(folder, &turn).map_err(on_file)?;
    let mut report = Report::default();
    let (mut seen, mut waiting, mut bytes) = (HashSet::new(), Vec::new(), 0);
    for line in &lines {
        match letter(line, &mut seen) {
            Line::Again => continue,
            Line::Unreadable => {
                report.letters += 1;
                report.unreadable += 1;
                fresh.keep(line).map_err(on_file)?;
                continue;
            }
            Line::Letter(letter) => {
                report.letters += 1;
                bytes += letter.document.get().len();
                waiting.push((line.as_slice(), letter));
            }
        }
        if waiting.len() >= LETTERS_MAX || bytes >= BYTES_MAX {
            sender.settle(&mut waiting, &mut report, &mut fresh).await.map_err(on_file)?;
            bytes = 0;
            progress(report.sum(), lines.len() as u64);
        }
    }
    sender.settle(&mut waiting, &mut report, &mut fresh).await.map_err(on_file)?;
    if report.stored + report.duplicate + report.failure_store + report.refused_total() == 0 {
        fresh.leave();
    } else {
        fresh.replace(end).map_err(on_file)?;
    }
    Ok(report)
}

/// An error of the file.
fn fail(folder: &Path, source: std::io::Error) -> ResendError {
    ResendError::File { path: folder.join(dead_letter::FILE_NAME), source }
}

enum Line {
    /// A letter that can be sent.
    Letter(Box<Letter>),
    /// Something that cannot.
    Unreadable,
    /// The same as an earlier line: written twice by a crash.
    Again,
}

/// Reads a line; `seen` are the `_id`s of earlier ones, or whole lines.
fn letter(line: &[u8], seen: &mut HashSet<Vec<u8>>) -> Line {
    let letter = Letter::read(line).filter(Letter::can_be_sent);
    let key = match &letter {
        Some(letter) => [letter.stream.as_bytes(), b" ", letter.id.as_bytes()].concat(),
        None => line.to_vec(),
    };
    match letter {
        _ if !seen.insert(key) => Line::Again,
        Some(letter) => Line::Letter(Box::new(letter)),
        None => Line::Unreadable,
    }
}

struct Sender {
    client: Client,
    /// What was found out about the server.
    session: Session,
    /// Names of requests, of their own so that nobody waits for them.
    ids: OpaqueIds,
    /// The stream that requests name in their path.
    path_stream: String,
}

impl Sender {
    /// Connects to nothing yet.
    fn new(options: &Options<'_>) -> Result<Self, ResendError> {
        let instance = journal::last_start(options.folder).map_or(0, |start| start.instance);
        let installation = format!("lbproxy-resend-{instance:010x}-");
        let run = format!("{installation}{:08x}-", fastrand::u32(..));
        Ok(Self {
            client: Client::new(options.config)?,
            session: Session::new(
                options.config.setup,
                options.config.retention,
                Arc::default(),
                options.namespace,
            ),
            ids: OpaqueIds { installation, run },
            path_stream: path_stream(options.namespace),
        })
    }

    /// Sends letters until each has its fate, and books it. After a problem the rest is left.
    ///
    /// # Errors
    /// When what is kept cannot be written.
    async fn settle(
        &self,
        waiting: &mut Vec<(&[u8], Box<Letter>)>,
        report: &mut Report,
        fresh: &mut Fresh,
    ) -> std::io::Result<()> {
        let letters: Vec<_> = waiting.iter().map(|(_, letter)| &**letter).collect();
        let fates = if report.problem.is_none() {
            let (fates, problem) = self.send(&letters).await;
            report.problem =
                problem.map(|problem| format!("{}: {}", self.client.url(), problem.reason));
            fates
        } else {
            letters.iter().map(|_| Fate::Left).collect()
        };
        for ((line, letter), fate) in waiting.drain(..).zip(fates) {
            match fate {
                Fate::Stored => report.stored += 1,
                Fate::Duplicate => report.duplicate += 1,
                Fate::FailureStore => report.failure_store += 1,
                Fate::Refused(refusal) => {
                    let Refusal { status, kind, reason } = &refusal;
                    report.refuse(&letter.stream, (*status, kind, reason));
                    fresh.keep_refused(&letter, &refusal)?;
                }
                Fate::Left => {
                    report.left += 1;
                    fresh.keep(line)?;
                }
            }
        }
        Ok(())
    }

    /// The fate of each letter, and what stood in the way of those that are left.
    async fn send(&self, letters: &[&Letter]) -> (Vec<Fate>, Option<Problem>) {
        let mut fates: Vec<Option<Fate>> = letters.iter().map(|_| None).collect();
        let (mut backoff, mut trouble) = (Backoff::default(), None);
        let mut most = letters.len();
        let mut left = TRIES_MAX;
        loop {
            let open: Vec<usize> =
                (0..letters.len()).filter(|n| fates[*n].is_none()).take(most).collect();
            if open.is_empty() {
                break;
            }
            let problem = match self.try_once(letters, &open, &mut fates).await {
                Ok(None) => continue,
                Ok(Some(problem)) | Err(problem) => problem,
            };
            match problem.fault {
                Fault::TooLarge if open.len() == 1 => {
                    let (kind, reason) = ("too_large".to_owned(), problem.reason);
                    fates[open[0]] = Some(Fate::Refused(Refusal { status: 413, kind, reason }));
                    continue;
                }
                Fault::TooLarge => {
                    most = open.len() / 2;
                    continue;
                }
                Fault::NotSent | Fault::Unknown => {
                    self.client.turn(self.client.node());
                    self.session.forget().await;
                }
                Fault::Overloaded => (),
                // A person has to act: nobody waits at a prompt for that.
                Fault::Unauthorized
                | Fault::Forbidden
                | Fault::Refused
                | Fault::Blocked
                | Fault::DeadLetters => left = 1,
            }
            left -= 1;
            let wait = backoff.next(problem.fault);
            trouble = Some(problem);
            if left == 0 {
                break;
            }
            tokio::time::sleep(wait).await;
        }
        let is_left = fates.iter().any(Option::is_none);
        let fates = fates.into_iter().map(|fate| fate.unwrap_or(Fate::Left)).collect();
        (fates, trouble.filter(|_| is_left))
    }

    /// Looks up and sends the letters `open` once. Gives what asks for another try.
    async fn try_once(
        &self,
        letters: &[&Letter],
        open: &[usize],
        fates: &mut [Option<Fate>],
    ) -> Result<Option<Problem>, Problem> {
        self.session.ready(&self.client).await?;
        let datasets = open.iter().filter_map(|n| letters[*n].dataset());
        self.session.mapped(&self.client, datasets).await?;
        let own = format!("{}{:08x}", self.ids.run, fastrand::u32(..));
        let streams: BTreeSet<String> = open.iter().map(|n| letters[*n].stream.clone()).collect();
        let wanted: Vec<&str> = open.iter().map(|n| letters[*n].id.as_str()).collect();
        let found = lookup::stored_ids(&self.client, &streams, &wanted, &self.ids, &own).await;
        let mut sent: Vec<usize> = open.to_vec();
        // Nothing was sent, so nothing new is unknown.
        if let Found::Ids(ids) = found? {
            sent.retain(|n| !ids.contains(&letters[*n].id));
            for n in open.iter().filter(|n| ids.contains(&letters[**n].id)) {
                fates[*n] = Some(Fate::Duplicate);
            }
        }
        if sent.is_empty() {
            return Ok(None);
        }
        let mut body = Vec::new();
        for n in &sent {
            letters[*n].write_bulk(&mut body);
        }
        let path = format!("/{}/_bulk?filter_path={FILTER}", self.path_stream);
        let call = Call {
            opaque_id: &own,
            body: body.into(),
            content: "application/x-ndjson",
            fields: &[],
        };
        let reply = self.client.call(Method::Post, &path, call).await?;
        let mut problem = None;
        for (n, outcome) in sent.iter().zip(outcomes(&reply.body, sent.len(), &reply.secrets)?) {
            fates[*n] = match outcome {
                Outcome::Stored => Some(Fate::Stored),
                Outcome::Duplicate => Some(Fate::Duplicate),
                Outcome::FailureStore => Some(Fate::FailureStore),
                // Whoever sends by hand reads what the server says.
                Outcome::Dead(refusal) | Outcome::Unclear { refusal, is_suspect: false } => {
                    Some(Fate::Refused(refusal))
                }
                Outcome::Again => {
                    problem = Some(Problem::new(Fault::Overloaded, "the server asks for less"));
                    None
                }
                Outcome::Unclear { .. } => {
                    problem = Some(Problem::new(Fault::Unknown, "the server had a fault"));
                    None
                }
                Outcome::Held(cause, Refusal { status, kind, reason }) => {
                    let cure = if cause.cure().is_empty() { "" } else { "; " };
                    let reason = format!(
                        "the server answers {status} {kind}: {reason}{cure}{}",
                        cause.cure()
                    );
                    problem = Some(Problem::new(cause.fault(), reason));
                    None
                }
            };
        }
        Ok(problem)
    }
}
