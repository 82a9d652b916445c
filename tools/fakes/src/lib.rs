//! A mock of Elasticsearch and OpenSearch for fault tests of the shipper: true where the shipper
//! looks, with a script for what goes wrong.
//!
//! ```text
//! node ─► Session ─► answer ─┬─► bulk (a task of its own, played by a Step) ─┐
//!  …                         └─► search: templates, resolve, queries, tasks … ┴─► State: store, script
//! ```
//! Answers were compared with those of Elasticsearch 8.19.21 (reduced build) and OpenSearch 2.19.4,
//! request by request, in November 2026. Where the products differ, so does
//! the mock: names of backing indices (OpenSearch has no date in them), absent names in `_resolve`
//! (200 or 404) and `_rollover` (400 or 404), types of exceptions, formats and parameters.
//!
//! Known differences from the real servers:
//! - there are no mappings and no templates but those stored, which come back as they came; a
//!   document is refused for its contents only when a script says so, or when it is no JSON or has no
//!   `@timestamp`;
//! - searches find nothing before `_refresh` or `?refresh`, where the real ones refresh by themselves
//!   after a second or so;
//! - a wrong method is 400 instead of 405, texts of parse errors are others, answers are never packed,
//!   and keys stand in alphabetical order;
//! - every stream of Elasticsearch has a failure store, which nobody has to enable; what is in it was
//!   not compared, for the reduced build cannot fill one: it follows the definition of its mapping
//!   and the documentation;
//! - `_tasks` lists a bulk request, not its parts on single shards;
//! - OpenSearch 2.19.4 ends with a `NoSuchMethodError` when a request claims to be packed with zstd;
//!   the mock takes such a body as it is, as Elasticsearch does.
//!
//! On request it plays its product's dashboards too, at the same address (`dashboards`), and what of both looks
//! after objectives (`alerting`).
//!
//! One thread, one runtime. Memory is bounded by [`Options`]: what is stored, what is running, the
//! longest body, the requests recorded. Not here: TLS; updates, deletes, indexing over a document;
//! queries that neither shipping nor audits ask (`find`, `aggregate`); aliases; what policies and
//! lifecycles do (`setup` only keeps them).

mod action;
mod aggregate;
mod alerting;
mod answer;
mod body;
mod bulk;
mod dashboards;
mod filter;
mod find;
mod pattern;
mod refusal;
mod request;
mod running;
mod script;
mod search;
mod setup;
pub mod shape;
mod state;
mod store;
#[cfg(test)]
mod tests;
#[path = "../../../src/mock/thread.rs"]
mod thread; // that of the mocks: tokio alone

pub use dashboards::opened;
pub use running::{Running, Seen};
pub use script::{ItemFault, ItemOutcome, Reply, Step, Storing, Which};
pub use store::Stored;

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use answer::Session;
use state::{Shared, State};
use thread::Thread;

/// Most connections of one node at once; beyond it they are closed when accepted.
const CONNECTIONS_MAX: usize = 1_000;
/// Pause after a failed accept, so that a lack of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Which server is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Product {
    /// Elasticsearch 8.19 as it is distributed.
    Elasticsearch,
    /// Elasticsearch 8.19 without the module behind `GET /`, as Maven has it.
    ElasticsearchReduced,
    /// OpenSearch 2.19.
    OpenSearch,
}

/// What a caller must prove to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// `Authorization: Basic`.
    Basic {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// `Authorization: ApiKey`, as it stands in the header.
    ApiKey(String),
    /// `Authorization: Bearer`.
    Bearer(String),
}

/// How one node is out of order; see [`Running::set_outage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outage {
    /// It is not.
    #[default]
    None,
    /// Open connections are closed, new ones as soon as they are accepted. The port stays taken, so
    /// that nobody else gets it.
    Unreachable,
    /// Every request is answered 503.
    Unavailable,
    /// No request is answered; when the outage ends their connections are closed.
    Silent,
}

/// How the mock behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its first node listens; port 0 takes any free one.
    pub address: SocketAddr,
    /// Which server is played.
    pub product: Product,
    /// Addresses it has; all but the first take a free port. They share everything stored.
    pub nodes: usize,
    /// What callers must prove; nothing when absent.
    pub credentials: Option<Credentials>,
    /// Longest body that is accepted, unpacked; a longer one is answered 413.
    pub body_bytes_max: usize,
    /// Room for documents and their ids, and as much again for bulk requests that are running. A bulk
    /// request beyond it is answered 429 and counted in [`Running::refused_full`].
    pub stored_bytes_max: usize,
    /// Whether documents are kept, or only their ids.
    pub keeps_sources: bool,
    /// Requests kept for [`Running::requests`]; more are only counted.
    pub recorded_max: usize,
}

impl Options {
    /// One node on a free loopback port, without users, that keeps 256 MiB of documents and 10 000
    /// requests.
    pub fn local(product: Product) -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            product,
            nodes: 1,
            credentials: None,
            body_bytes_max: 100 << 20,
            stored_bytes_max: 256 << 20,
            keeps_sources: true,
            recorded_max: 10_000,
        }
    }
}

/// Starts a mock on a thread of its own.
///
/// # Errors
/// When an address cannot be listened on, or a thread cannot be had.
pub fn start(options: Options) -> io::Result<Running> {
    let (mut address, count) = (options.address, options.nodes.max(1));
    let shared = Arc::new(Shared::new(State::new(options)));
    let mut addresses = Vec::new();
    let mut outages = Vec::new();
    let mut nodes = Vec::new();
    for number in 0..count {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        addresses.push(listener.local_addr()?);
        address.set_port(0);
        let (sender, outage) = watch::channel(Outage::None);
        outages.push(sender);
        nodes.push(Node { number, shared: Arc::clone(&shared), outage, listener });
    }
    let thread = Thread::start("mock-elastic", |stopped| serve(nodes, stopped))?;
    Ok(Running { thread, addresses, shared, outages })
}

/// One address the mock listens on.
#[derive(Debug)]
struct Node {
    number: usize,
    shared: Arc<Shared>,
    /// How it is out of order.
    outage: watch::Receiver<Outage>,
    listener: std::net::TcpListener,
}

/// Serves all nodes until told to stop.
async fn serve(nodes: Vec<Node>, stopped: oneshot::Receiver<()>) {
    let count = nodes.len();
    for node in nodes {
        tokio::task::spawn_local(accept(node, count));
    }
    // Whether told or left alone makes no difference. What runs ends with the runtime.
    let _ = stopped.await;
}

/// Accepts connections of one node.
async fn accept(node: Node, nodes: usize) {
    let listener = match TcpListener::from_std(node.listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the mock elasticsearch cannot watch its socket; not serving");
            return;
        }
    };
    let open = Rc::new(Cell::new(0_usize));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let is_unreachable = *node.outage.borrow() == Outage::Unreachable;
                if is_unreachable || open.get() >= CONNECTIONS_MAX {
                    continue;
                }
                open.set(open.get() + 1);
                let session = Session {
                    node: node.number,
                    nodes,
                    shared: Arc::clone(&node.shared),
                    outage: node.outage.clone(),
                };
                let open = Rc::clone(&open);
                tokio::task::spawn_local(async move {
                    serve_connection(Rc::new(session), stream).await;
                    open.set(open.get() - 1);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed; trying again shortly");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end, or until its node gets out of order.
async fn serve_connection(session: Rc<Session>, stream: TcpStream) {
    let _ = stream.set_nodelay(true); // Slower, not wrong, where it fails.
    let mut outage = session.outage.clone();
    let mut before = *outage.borrow_and_update();
    let service = service_fn(|request| answer::answer(Rc::clone(&session), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    loop {
        tokio::select! {
            biased;
            changed = outage.changed() => {
                let now = *outage.borrow_and_update();
                if changed.is_err() || before == Outage::Silent || now == Outage::Unreachable {
                    return;
                }
                before = now;
            }
            // Broken connections are what a mock is for: nothing to report.
            _ = connection.as_mut() => return,
        }
    }
}
