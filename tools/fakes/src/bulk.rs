//! One bulk request, from its actions to what its caller hears. It runs in a task of its own: as in
//! the real servers, a caller that leaves does not stop it.
//!
//! ```text
//! delay ─► settle write indices ─► (held until released) ─► store ─► (rollover) ─► heard
//! ```
//! Not here: reading the request (`answer`), the script itself (`script`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::action::Action;
use super::refusal::{self, Refusal};
use super::state::{Shared, State, Task};
use super::{ItemOutcome, Reply, Step, Storing, filter};

/// A bulk request that is well formed.
#[derive(Debug)]
pub(super) struct Job {
    /// Script, store, tasks.
    pub(super) shared: Arc<Shared>,
    pub(super) node: usize,
    pub(super) opaque_id: Option<String>,
    /// Length of its body, unpacked.
    pub(super) body_bytes: usize,
    /// What it is to do.
    pub(super) actions: Vec<Action>,
    /// What is done to it.
    pub(super) step: Step,
    pub(super) filters: Option<String>,
    /// Whether it writes to data streams only.
    pub(super) requires_stream: bool,
    /// Whether what it stores is found by searches at once.
    pub(super) refreshes: bool,
}

/// What the caller of a bulk request hears.
#[derive(Debug)]
pub(super) enum Heard {
    Answer(u16, Bytes),
    /// The first half of it.
    Half(Bytes),
    /// The end of the connection.
    Close,
    /// Nothing.
    Silence,
}

impl Heard {
    /// The status that is sent, if any.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Answer(status, _) => Some(*status),
            Self::Half(_) => Some(200),
            Self::Close | Self::Silence => None,
        }
    }
}

impl From<Refusal> for Heard {
    fn from(refusal: Refusal) -> Self {
        Self::Answer(refusal.status, refusal.body)
    }
}

/// A row in the list of tasks, gone when dropped.
#[derive(Debug)]
pub(super) struct Listed {
    /// Where it stands.
    shared: Arc<Shared>,
    number: u64,
}

impl Listed {
    /// Puts `job` on the list.
    pub(super) fn new(job: &Job) -> Self {
        let mut names: Vec<_> = job.actions.iter().map(|action| action.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let count = job.actions.len();
        let task = Task {
            node: job.node,
            opaque_id: job.opaque_id.clone(),
            body_bytes: job.body_bytes,
            description: format!("requests[{count}], indices[{}]", names.join(", ")),
            started: SystemTime::now(),
            held: None,
        };
        let mut state = job.shared.lock();
        state.last_task += 1;
        let number = state.last_task;
        state.tasks.insert(number, task);
        Self { shared: Arc::clone(&job.shared), number }
    }

    /// Waits until the owner of the mock lets it go on; `false` when the mock ends first.
    async fn wait(&self) -> bool {
        let (release, released) = oneshot::channel();
        if let Some(task) = self.shared.lock().tasks.get_mut(&self.number) {
            task.held = Some(release);
        }
        released.await.is_ok()
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.shared.lock().tasks.remove(&self.number);
    }
}

/// Runs a bulk request to its end; `caller` hears of it, if it is still there.
pub(super) async fn run(job: Job, listed: Listed, caller: oneshot::Sender<Heard>) {
    let mut caller = Some(caller);
    let mut say = |heard| {
        // A caller that has left is told nothing.
        let _ = caller.take().map(|caller| caller.send(heard));
    };
    if !job.step.delay.is_zero() {
        tokio::time::sleep(job.step.delay).await;
    }
    let settled = settle(&mut job.shared.lock(), &job);
    if job.step.storing == Storing::Held {
        if let Some(heard) = untrue(&job) {
            say(heard);
        }
        if !listed.wait().await {
            return;
        }
    }
    let truth = store(&mut job.shared.lock(), &job, &settled);
    drop(listed);
    say(untrue(&job).unwrap_or_else(|| match truth {
        Ok(truth) => told(&job, truth),
        Err(refusal) => refusal.into(),
    }));
}

/// What the caller hears when that does not depend on what was stored.
fn untrue(job: &Job) -> Option<Heard> {
    match &job.step.reply {
        Reply::True | Reply::Half | Reply::ItemCount(_) => None,
        Reply::Status { status, body: Some(body) } => {
            Some(Heard::Answer(*status, body.clone().into()))
        }
        Reply::Status { status, body: None } => {
            Some(Refusal::usual(job.shared.lock().product, *status).into())
        }
        Reply::Garbage(body) => Some(Heard::Answer(200, body.clone().into())),
        Reply::Close => Some(Heard::Close),
        Reply::Silence => Some(Heard::Silence),
    }
}

/// What the caller hears of the truth.
fn told(job: &Job, mut truth: Value) -> Heard {
    if let (Reply::ItemCount(count), Some(items)) = (&job.step.reply, truth["items"].as_array_mut())
    {
        let last = items.last().cloned().unwrap_or_default();
        items.resize(*count, last);
    }
    if let Some(filters) = &job.filters {
        truth = filter::apply(filters, &truth);
    }
    let body = Bytes::from(truth.to_string());
    if job.step.reply == Reply::Half { Heard::Half(body) } else { Heard::Answer(200, body) }
}

/// The write index of each name, or the status and error of its items.
type Settled = HashMap<String, Result<String, (u16, Value)>>;

/// Settles the write index of each stream or index that `job` names. They are made when missing,
/// unless nothing is to be stored.
fn settle(state: &mut State, job: &Job) -> Settled {
    let mut settled = Settled::new();
    for action in &job.actions {
        if !settled.contains_key(&action.name) {
            let index = settle_name(state, &action.name, job);
            settled.insert(action.name.clone(), index);
        }
    }
    settled
}

/// Settles the write index of `name`.
fn settle_name(state: &mut State, name: &str, job: &Job) -> Result<String, (u16, Value)> {
    let error = |status: u16, kind: &str, reason: String| {
        Err((
            status,
            json!({ "type": kind, "reason": reason, "index_uuid": "_na_", "index": name }),
        ))
    };
    let store = &mut state.store;
    if let Some(stream) = store.stream_of(name) {
        let reason = format!(
            "index request with op_type=create targeting backing indices is disallowed, target \
             corresponding data stream [{stream}] instead"
        );
        return error(400, "illegal_argument_exception", reason);
    }
    let is_known = store.targets.contains_key(name);
    let is_bad = |byte: u8| !byte.is_ascii_graphic() || b"\\/*?\"<>|,#:".contains(&byte);
    if name.is_empty()
        || name.starts_with(['-', '_', '+'])
        || name.bytes().any(|byte| byte.is_ascii_uppercase() || is_bad(byte))
    {
        let reason = format!("Invalid index name [{name}]");
        return error(400, "invalid_index_name_exception", reason);
    }
    let is_stream = store.targets.get(name).map(|target| target.is_stream);
    if job.requires_stream && !is_stream.unwrap_or_else(|| store.is_stream_wanted(name)) {
        let reason = format!(
            "no such index [{name}] and the index creation request requires a data stream, but no \
             matching index template with data stream template was found for it"
        );
        return error(404, "index_not_found_exception", reason);
    }
    if job.step.storing == Storing::Never && !is_known {
        return Ok(name.to_owned());
    }
    match store.write_index(name) {
        Some(index) => Ok(index.to_owned()),
        None => error(
            400,
            "validation_exception",
            "this action would add [1] shards, but this cluster has its maximum open".to_owned(),
        ),
    }
}

/// Stores the documents of `job` as its step asks; gives the true answer.
fn store(state: &mut State, job: &Job, settled: &Settled) -> Result<Value, Refusal> {
    let sizes = job.actions.iter().map(|a| (a.id.as_deref().unwrap_or(""), a.source.len()));
    if job.step.storing != Storing::Never && !state.store.has_room(sizes) {
        state.refused_full += 1;
        return Err(Refusal::exception(
            429,
            "circuit_breaking_exception",
            "the mock is full; raise stored_bytes_max, or keep no sources",
        ));
    }
    let items: Vec<_> = job
        .actions
        .iter()
        .enumerate()
        .map(|(ordinal, action)| item(state, job, settled, ordinal, action))
        .collect();
    for (name, index) in settled.iter().filter(|_| job.step.storing != Storing::Never) {
        if job.refreshes {
            state.store.refresh(name);
        }
        if job.step.rolls_over && index.is_ok() {
            state.store.rollover(name);
        }
    }
    let has_errors = items.iter().any(|item| item["status"].as_u64() >= Some(300));
    let word = |action: &Action| if action.is_create { "create" } else { "index" };
    let items: Vec<_> =
        job.actions.iter().zip(items).map(|(action, item)| json!({ word(action): item })).collect();
    Ok(json!({ "took": 1, "errors": has_errors, "items": items }))
}

/// Does one action; gives its part of the answer.
fn item(state: &mut State, job: &Job, settled: &Settled, ordinal: usize, action: &Action) -> Value {
    let name = &action.name;
    let id = action.id.clone().unwrap_or_else(|| state.next_id());
    let failed = |index: &str, (status, error): (u16, Value)| json!({ "_index": index, "_id": id, "status": status, "error": error });
    let index = match settled.get(name) {
        Some(Ok(index)) => index,
        Some(Err(error)) => return failed(name, error.clone()),
        None => return Value::Null,
    };
    let outcome = job.step.outcome(ordinal, &action.source);
    let is_blocked = state.setup.blocked.contains(name);
    let outcome = if is_blocked { Some(&ItemOutcome::WriteBlocked) } else { outcome };
    let is_stored = job.step.storing != Storing::Never;
    if let Some(outcome) = outcome
        && let Some(error) = refusal::item(outcome, state.product, &id, index)
    {
        return failed(index, error);
    }
    let is_stream = state.store.targets.get(name).is_some_and(|target| target.is_stream);
    if let Err(error) = check(state, action, is_stream) {
        return failed(index, error);
    }
    if outcome == Some(&ItemOutcome::FailureStored) {
        let (index, id) = if is_stored {
            state.store.park(name, &id, &action.source)
        } else {
            Default::default()
        };
        let mut item = created(&index, &id, 0);
        item["failure_store"] = "used".into();
        return item;
    }
    let seq_no = if is_stored {
        state.store.create(name, index, &id, &action.source)
    } else {
        (!state.store.has(name, index, &id)).then_some(0)
    };
    match seq_no {
        Some(seq_no) => created(index, &id, seq_no),
        None => failed(index, (409, refusal::conflict(&id, index))),
    }
}

/// The part of the answer for a document that was stored.
fn created(index: &str, id: &str, seq_no: usize) -> Value {
    json!({
        "_index": index, "_id": id, "_version": 1, "result": "created",
        "_shards": { "total": 1, "successful": 1, "failed": 0 },
        "_seq_no": seq_no, "_primary_term": 1, "status": 201,
    })
}

/// What is looked at in a document.
#[derive(Debug, Deserialize)]
struct Document {
    /// Each document of a stream has one.
    #[serde(rename = "@timestamp")]
    timestamp: Option<IgnoredAny>,
}

/// Whether an action can be done: the mock creates only, streams want a timestamp.
fn check(state: &State, action: &Action, is_stream: bool) -> Result<(), (u16, Value)> {
    let error = |kind: &str, reason: &str| Err((400, json!({ "type": kind, "reason": reason })));
    if !action.is_create {
        let reason = "only write ops with an op_type of create are allowed in data streams";
        return error("illegal_argument_exception", reason);
    }
    let parsing = refusal::parsing(state.product);
    match serde_json::from_slice::<Document>(&action.source) {
        Err(cause) => error(parsing, &format!("failed to parse: {cause}")),
        Ok(Document { timestamp: None }) if is_stream => {
            let reason = "failed to parse: data stream timestamp field [@timestamp] is missing";
            error(parsing, reason)
        }
        Ok(_) => Ok(()),
    }
}
