//! A mock of Elasticsearch and OpenSearch for fault tests of the shipper: true where the shipper
//! looks, with a script for what goes wrong.

mod pattern;
mod running;
mod script;
mod state;
mod store;

pub use running::{Running, Seen};
pub use script::{ItemFault, ItemOutcome, Reply, Step, Storing, Which};
pub use store::Stored;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{oneshot, watch};

use state::{Shared, State};

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
    /// Room for documents and their ids. A bulk request beyond it is answered 429 and counted in
    /// [`Running::refused_full`].
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
    let shared = Arc::new(Shared::new(State::new(&options)));
    let mut addresses = Vec::new();
    let mut outages = Vec::new();
    let mut nodes = Vec::new();
    for number in 0..options.nodes.max(1) {
        let mut address = options.address;
        if number > 0 {
            address.set_port(0);
        }
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        addresses.push(listener.local_addr()?);
        let (sender, outage) = watch::channel(Outage::None);
        outages.push(sender);
        nodes.push(Node { number, shared: Arc::clone(&shared), outage, listener });
    }
    let (stop, stopped) = oneshot::channel();
    let serve = move || match Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
    {
        Ok(runtime) => runtime.block_on(serve(nodes, stopped)),
        Err(error) => tracing::error!(%error, "the mock elasticsearch has no runtime; not serving"),
    };
    let thread = std::thread::Builder::new().name("mock-elastic".to_owned()).spawn(serve)?;
    Ok(Running { addresses, shared, outages, stop: Some(stop), thread: Some(thread) })
}

/// One address the mock listens on.
#[derive(Debug)]
struct Node {
    /// Its ordinal.
    number: usize,
    /// What all nodes share.
    shared: Arc<Shared>,
    /// How it is out of order.
    outage: watch::Receiver<Outage>,
    /// Its socket.
    listener: std::net::TcpListener,
}

/// Serves all nodes until told to stop.
async fn serve(nodes: Vec<Node>, stopped: oneshot::Receiver<()>) {
    let _nodes = nodes;
    let _ = stopped.await;
}
