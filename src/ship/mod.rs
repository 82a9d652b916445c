//! Shipping: a reader of the journal that turns records into `_bulk` requests to Elasticsearch or
//! OpenSearch, and acknowledges what the server says is settled.
//!
//! ```text
//! journal::Reader ─► Filler ─► Batch ─► deliver ─► Client ─► _bulk
//!        ▲                                 │ answers, document by document
//!        └──── acknowledge, in order ◄─────┴──► dead letters
//! ```
//!
//! One thread at low priority, asleep unless there is something to send. Invariants: a record is
//! acknowledged only when it is stored, was stored, is in the failure store, or is a dead letter; what
//! may be stored is looked up before it is sent again; memory is bounded by batches under way
//! whatever the backlog; a fault here never reaches traffic.
//! Not here: what a document holds (`record`), templates (`elk`). `docs/shipping.md` has the table of
//! answers and what is done about each.

mod answer;
pub mod audit;
mod batch;
mod context;
mod dead_letter;
mod deliver;
mod doubt;
mod gate;
mod lookup;
pub mod resend;
mod session;
mod shipper;
mod status;
mod suspects;

pub use crate::elk::client::ClientError;
pub use dead_letter::FILE_NAME as DEAD_LETTERS_FILE_NAME;

/// What must hold for any input.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed {
    pub(crate) use super::answer::fuzzed::answer;
    pub(crate) use super::dead_letter::fuzzed::dead_letter;
}

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;

use crate::base::background::{Background, RESTART_PAUSE};
use crate::base::trouble::Trouble;
use crate::config::Elasticsearch;
use crate::elk::Product;
use crate::elk::client::Client;
use crate::journal::{Identity, Reader};
use crate::metrics::ShipMetrics;
use batch::Filler;
use context::Context;
use dead_letter::DeadLetters;
use doubt::Taken;
use gate::{BodyLimit, Gate, NothingTaken};
use lookup::OpaqueIds;
use session::Session;
use shipper::{End, Shipper};
use status::Status;
use suspects::Suspicion;

/// Name of the durable reader in the journal.
pub const READER: &str = "ship";

/// What shipping needs; no defaults.
#[derive(Debug)]
pub struct Options {
    /// Where to.
    pub config: Elasticsearch,
    /// Last part of the streams' names.
    pub namespace: String,
    /// The journal's durable reader [`READER`].
    pub reader: Reader,
    /// The start whose records nobody has sent before.
    pub identity: Identity,
    /// Where dead letters go: the folder of the journal.
    pub folder: PathBuf,
    /// Counters.
    pub metrics: Arc<ShipMetrics>,
    /// Set when a server has answered for the first time.
    pub product: Arc<OnceLock<Product>>,
}

/// Why shipping cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Certificates.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No thread.
    #[error("cannot start shipping: {0}; raise the limit of threads")]
    Thread(#[from] std::io::Error),
}

/// Running shipping.
#[derive(Debug)]
pub struct Running {
    /// Becomes true when it is to stop.
    stop: watch::Sender<bool>,
    thread: Background,
}

impl Running {
    /// Ships what is left as long as the server takes it, at most until `deadline`; the rest stays in
    /// the journal. Says whether the thread ended in time. Blocks.
    pub fn stop(self, deadline: Duration) -> bool {
        self.stop.send_replace(true);
        self.thread.join_within(deadline)
    }
}

/// Starts shipping on a thread of its own. The server may be away: records wait. To be called before
/// the lanes are written, so that what waited at start is told from what is new.
///
/// # Errors
/// [`StartError`].
pub fn start(options: Options) -> Result<Running, StartError> {
    options.metrics.recovered.set(options.reader.pending());
    let mut client = Some(Client::new(&options.config)?); // what is wrong is told before anything runs
    let (stop, stopping) = watch::channel(false);
    let thread = Background::start("ship", move || supervise(options, &mut client, &stopping))?;
    Ok(Running { stop, thread })
}

/// Runs the shipper; starts it again after a fault of its own.
fn supervise(mut options: Options, client: &mut Option<Client>, stopping: &watch::Receiver<bool>) {
    let mut suspicion = Suspicion::at_start(options.reader.note(), options.identity);
    for run in 0_u64.. {
        let ended = std::panic::catch_unwind(AssertUnwindSafe(|| {
            once(&mut options, client.take(), suspicion, run, stopping)
        }));
        match ended {
            Ok(Ok(End::Told)) => return,
            Ok(Err(error)) => tracing::error!(%error, "shipping cannot run; it is tried again"),
            Ok(Ok(End::Fault)) | Err(_) => {
                tracing::error!("shipping had a fault and is started again; no record is lost");
            }
        }
        options.metrics.restarts_total.add(1);
        options.reader.rewind();
        suspicion = Suspicion::after_fault(options.reader.note());
        std::thread::park_timeout(RESTART_PAUSE);
    }
}

/// One run of the shipper.
fn once(
    options: &mut Options,
    client: Option<Client>,
    suspicion: Suspicion,
    run: u64,
    stopping: &watch::Receiver<bool>,
) -> Result<End, StartError> {
    let client = match client {
        Some(client) => client,
        None => Client::new(&options.config)?,
    };
    let Identity { instance, epoch } = options.identity;
    let installation = format!("lbproxy-{instance:010x}-");
    let context = Context {
        client,
        session: Session::new(
            options.config.setup,
            options.config.retention,
            Arc::clone(&options.product),
            &options.namespace,
        ),
        gate: Gate::new(options.config.batch.in_flight, Arc::clone(&options.metrics)),
        status: Status::new(Arc::clone(&options.metrics)),
        dead_letters: RefCell::new(DeadLetters::new(&options.folder, options.config.dead_letters)),
        settled: watch::Sender::new(0),
        request: Cell::new(0),
        taken: Taken::default(),
        namespace: options.namespace.clone(),
        opaque_ids: OpaqueIds { run: format!("{installation}{epoch}.{run}-"), installation },
        metrics: Arc::clone(&options.metrics),
        stopping: stopping.clone(),
        nothing_taken: NothingTaken::default(),
        body_limit: BodyLimit::new(options.config.batch.bytes),
    };
    let limits = options.config.batch;
    let mut shipper = Shipper {
        reader: &mut options.reader,
        context: Rc::new(context),
        filler: Filler::new(&options.namespace, limits.bytes, limits.documents),
        suspicion,
        limits,
        next_number: 0,
        unreadable: Trouble::new("shipping: the journal cannot be read"),
        unwritable: Trouble::new("shipping: the cursor cannot be written; it is tried again"),
        unremembered: deliver::Tally::default(),
    };
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    Ok(runtime.block_on(shipper.run(stopping.clone())))
}
