//! A running mock, as its owner holds it: changes the script, looks at what came.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use super::state::Shared;
use super::thread::Thread;
use super::{Credentials, Outage, Step, Stored};

/// A request that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Node that received it, from 0.
    pub node: usize,
    /// Method.
    pub method: String,
    /// Target, as it came.
    pub target: String,
    /// Fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Length of the body as it came, packed or not.
    pub body_bytes: usize,
    /// Items of a bulk request; none when it is no bulk request, or was not read as one.
    pub items: Option<usize>,
    /// Status that was answered; none when nothing was, or not yet.
    pub status: Option<u16>,
}

impl Seen {
    /// The value of the field `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it is a bulk request.
    pub fn is_bulk(&self) -> bool {
        self.target.split('?').next().is_some_and(|path| path.ends_with("/_bulk"))
    }
}

/// A running mock; stops when dropped. Every method may be called at any time, from any thread.
#[derive(Debug)]
pub struct Running {
    /// Its thread; ends before what it watches.
    pub(super) thread: Thread,
    /// Where its nodes listen; never empty.
    pub(super) addresses: Vec<SocketAddr>,
    /// Script, store, requests seen.
    pub(super) shared: Arc<Shared>,
    /// How each node is out of order.
    pub(super) outages: Vec<watch::Sender<Outage>>,
}

/// Where it is.
impl Running {
    /// Where the first node listens; the port is the real one.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The URL of the first node, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The URLs of all nodes.
    pub fn urls(&self) -> Vec<String> {
        self.addresses.iter().map(|address| format!("http://{address}")).collect()
    }
}

/// The script.
impl Running {
    /// Adds a step for the next bulk request that has none; each step is for one request. Requests
    /// that are refused for their credentials or size take none.
    pub fn push(&self, step: Step) {
        self.shared.lock().steps.push_back(step);
    }

    /// Steps that no request has taken yet.
    pub fn steps_left(&self) -> usize {
        self.shared.lock().steps.len()
    }

    /// Sets the step of every bulk request that finds none in the queue.
    pub fn set_default(&self, step: Step) {
        self.shared.lock().default = step;
    }

    /// Puts a node out of order, or in order again; nothing happens when there is no such node.
    pub fn set_outage(&self, node: usize, outage: Outage) {
        if let Some(sender) = self.outages.get(node) {
            sender.send_replace(outage);
        }
    }

    /// Changes what callers must prove from now on.
    pub fn set_credentials(&self, credentials: Option<Credentials>) {
        self.shared.lock().credentials = credentials;
    }

    /// Changes the longest body that is accepted, unpacked.
    pub fn set_body_bytes_max(&self, bytes: usize) {
        self.shared.lock().body_bytes_max = bytes;
    }

    /// Lets every bulk request that is held now store its documents; says how many there were.
    pub fn release(&self) -> usize {
        let mut state = self.shared.lock();
        let held = state.tasks.values_mut().filter_map(|task| task.held.take());
        held.filter_map(|sender| sender.send(()).ok()).count()
    }

    /// Gives a stream a new write index, as `_rollover` does; its name, or `None` when there is no
    /// such stream.
    pub fn rollover(&self, stream: &str) -> Option<String> {
        self.shared.lock().store.rollover(stream).map(|(_, new)| new)
    }

    /// Answers requests with this method and start of a path 403 from now on.
    pub fn forbid(&self, method: &str, path: &str) {
        self.shared.lock().setup.forbidden.push((method.to_owned(), path.to_owned()));
    }

    /// Answers requests with this method and start of a path so from now on, and does nothing else.
    pub fn script(&self, method: &str, path: &str, status: u16, body: &str) {
        let scripted = (method.to_owned(), path.to_owned(), status, body.to_owned());
        self.shared.lock().setup.scripted.push(scripted);
    }

    /// Lets a document come to a stream right before the next request with this method and start of a
    /// path.
    pub fn come_before(&self, method: &str, path: &str, stream: &str) {
        let late = (method.to_owned(), path.to_owned(), stream.to_owned());
        self.shared.lock().setup.late.push(late);
    }

    /// Whether a stream has a write block.
    pub fn is_write_blocked(&self, stream: &str) -> bool {
        self.shared.lock().setup.blocked.contains(stream)
    }

    /// Refuses every change but of documents, or does so no more.
    pub fn set_read_only(&self, is_read_only: bool) {
        self.shared.lock().setup.is_read_only = is_read_only;
    }

    /// Tells another version of itself from now on.
    pub fn set_version(&self, version: &str) {
        self.shared.lock().setup.version = Some(version.to_owned());
    }

    /// Tells another kind of build, as `serverless`, from now on; so do its dashboards.
    pub fn set_build_flavor(&self, flavor: &str) {
        self.shared.lock().setup.build_flavor = Some(flavor.to_owned());
    }

    /// Makes an index, or a stream where a template asks for one, without a document.
    pub fn create_index(&self, name: &str) {
        self.shared.lock().store.write_index(name);
    }

    /// Makes a plain index that is `closed` or `hidden`: patterns find it when all are asked for.
    pub fn create_index_that_is(&self, attribute: &str, name: &str) {
        let mut state = self.shared.lock();
        state.store.write_index(name);
        state.setup.attributes.insert(name.to_owned(), attribute.to_owned());
    }

    /// Makes an alias that leads nowhere.
    pub fn create_alias(&self, name: &str) {
        self.shared.lock().setup.aliases.insert(name.to_owned());
    }

    /// What set-up has left: paths of everything but index templates, and those of these.
    pub fn installed(&self) -> Vec<String> {
        let state = self.shared.lock();
        let templates = state.store.templates.keys();
        let templates = templates.map(|name| format!("/_index_template/{name}"));
        templates.chain(state.setup.paths()).collect()
    }

    /// Keeps something at a path, as if somebody had put it there.
    pub fn keep(&self, path: &str, body: Value) {
        // Without room nothing is kept; tests keep little.
        let _ = self.shared.lock().setup.put(path, body);
    }

    /// What set-up has left at a path.
    pub fn kept(&self, path: &str) -> Option<Value> {
        self.shared.lock().setup.get(path).cloned()
    }

    /// Deletes a stream with its documents, and an index template.
    pub fn delete(&self, stream: &str, template: &str) {
        let mut state = self.shared.lock();
        state.store.delete(stream);
        state.store.templates.remove(template);
    }

    /// Stores an index template without a request.
    pub fn put_template(&self, name: &str, template: Value) {
        self.shared.lock().store.templates.insert(name.to_owned(), template);
    }
}

/// Kibana or OpenSearch Dashboards at the same address.
impl Running {
    /// Plays the product's dashboards of this version too.
    pub fn set_dashboards(&self, version: &str) {
        self.shared.lock().dashboards.version = Some(version.to_owned());
    }

    /// Gives the dashboards these workspaces.
    pub fn set_workspaces(&self, ids: &[&str]) {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        self.shared.lock().dashboards.workspaces = Some(ids);
    }

    /// Lets programs get only at those routes of the dashboards that are public.
    pub fn restrict_dashboards(&self) {
        self.shared.lock().dashboards.is_restricted = true;
    }

    /// Lets every import of `TYPE/ID` fail with this `error`.
    pub fn fail_import(&self, name: &str, error: Value) {
        self.shared.lock().dashboards.errors.insert(name.to_owned(), error);
    }

    /// Saved objects of a space (`default` is one) by `TYPE/ID`.
    pub fn saved_objects(&self, space: &str) -> std::collections::BTreeMap<String, Value> {
        self.shared.lock().dashboards.spaces.get(space).cloned().unwrap_or_default()
    }

    /// Changes a saved object of a space, as an editor would; one that is not there is made.
    pub fn edit_saved_object(&self, space: &str, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut state = self.shared.lock();
        let objects = state.dashboards.spaces.entry(space.to_owned()).or_default();
        edit(objects.entry(name.to_owned()).or_default());
    }

    /// Gives Elasticsearch another licence than `basic`.
    pub fn set_licence(&self, licence: &str) {
        self.shared.lock().alerting.licence = Some(licence.to_owned());
    }

    /// Gives OpenSearch the plugin of monitors.
    pub fn set_alerting(&self) {
        self.shared.lock().alerting.has_plugin = true;
    }

    /// Rules, SLOs and monitors by path; those of Kibana begin with their space.
    pub fn alert_objects(&self) -> std::collections::BTreeMap<String, Value> {
        let state = self.shared.lock();
        let kept = state.alerting.kept.iter();
        kept.map(|(path, (body, _))| (path.clone(), body.clone())).collect()
    }

    /// Changes one of them, as somebody would; one that is not there is made.
    pub fn edit_alert_object(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        edit(&mut self.shared.lock().alerting.kept.entry(path.to_owned()).or_default().0);
    }
}

/// What is stored.
impl Running {
    /// An index template.
    pub fn template(&self, name: &str) -> Option<Value> {
        self.shared.lock().store.templates.get(name).cloned()
    }

    /// Documents of a stream or plain index, in the order they were stored; one that is in two
    /// backing indices stands here twice. Copies them all.
    pub fn documents(&self, name: &str) -> Vec<Stored> {
        self.shared.lock().store.documents(name)
    }

    /// Documents of a stream or plain index; one that is in two backing indices counts twice.
    pub fn count(&self, name: &str) -> usize {
        self.shared.lock().store.indices(name).iter().map(|index| index.len()).sum()
    }

    /// Ids that are in more than one backing index of a stream, sorted.
    pub fn duplicates(&self, stream: &str) -> Vec<String> {
        self.shared.lock().store.duplicates(stream)
    }

    /// Documents of the failure store of a stream, in the order they came, each with the one in it
    /// that was parked.
    pub fn failure_store(&self, stream: &str) -> Vec<Stored> {
        self.shared.lock().store.failures(stream)
    }

    /// Backing indices of a stream, oldest first; none when it is no stream.
    pub fn backing_indices(&self, stream: &str) -> Vec<String> {
        let state = self.shared.lock();
        let target = state.store.targets.get(stream).filter(|target| target.is_stream);
        let indices = target.into_iter().flat_map(|target| &target.indices);
        indices.map(|index| index.name.clone()).collect()
    }

    /// Plain indices, which were made because no template asked for a stream: usually a mistake.
    pub fn plain_indices(&self) -> Vec<String> {
        let state = self.shared.lock();
        let plain = state.store.targets.iter().filter(|(_, target)| !target.is_stream);
        plain.map(|(name, _)| name.clone()).collect()
    }
}

/// What came.
impl Running {
    /// Requests recorded so far, in the order their bodies ended.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// Bulk requests recorded so far, in the order their bodies ended.
    pub fn bulk_requests(&self) -> Vec<Seen> {
        self.shared.lock().seen.iter().filter(|seen| seen.is_bulk()).cloned().collect()
    }

    /// Requests received so far, recorded or not.
    pub fn requests_total(&self) -> u64 {
        self.shared.lock().requests
    }

    /// Bulk requests whose caller waits now.
    pub fn in_flight(&self) -> usize {
        self.shared.lock().in_flight
    }

    /// The most bulk requests whose callers waited at the same time.
    pub fn max_in_flight(&self) -> usize {
        self.shared.lock().in_flight_max
    }

    /// Bulk requests that are held now.
    pub fn held(&self) -> usize {
        self.shared.lock().tasks.values().filter(|task| task.held.is_some()).count()
    }

    /// Bulk requests still running, as `_tasks` lists them: their callers may be gone.
    pub fn tasks(&self) -> usize {
        self.shared.lock().tasks.len()
    }

    /// Bulk requests refused because there was no room; see
    /// [`Options::stored_bytes_max`](super::Options::stored_bytes_max).
    pub fn refused_full(&self) -> u64 {
        self.shared.lock().refused_full
    }
}

/// The end.
impl Running {
    /// Closes all sockets; what was held is thrown away. Blocks until the thread has ended.
    pub fn stop(self) {
        drop(self.thread);
    }
}
