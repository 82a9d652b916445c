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
use std::error::Error;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;

use crate::base::trouble::Trouble;
use crate::config::Elasticsearch;
use crate::consumer::{self, Consumer, Running, Stopping};
use crate::elk::Product;
use crate::elk::client::Client;
use crate::journal::{Identity, Reader};
use crate::metrics::{Cell64, ShipMetrics};
use batch::Filler;
use context::Context;
use dead_letter::DeadLetters;
use doubt::Taken;
use gate::{BodyLimit, Gate, NothingTaken};
use lookup::OpaqueIds;
use session::Session;
use shipper::Shipper;
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

/// Starts shipping on a thread of its own. The server may be away: records wait. To be called before
/// the lanes are written, so that what waited at start is told from what is new.
///
/// # Errors
/// [`StartError`].
pub fn start(options: Options) -> Result<Running, StartError> {
    options.metrics.recovered.set(options.reader.pending());
    let client = Some(Client::new(&options.config)?); // what is wrong is told before anything runs
    Ok(consumer::start(Shipping { options, client, run: 0 })?)
}

/// The shipper as a consumer.
struct Shipping {
    options: Options,
    /// For the first run: connections end with the runtime that they were opened on.
    client: Option<Client>,
    /// Number of the next run.
    run: u64,
}

impl Consumer for Shipping {
    const NAME: &'static str = READER;

    fn reader(&mut self) -> &mut Reader {
        &mut self.options.reader
    }

    fn restarts(&self) -> &Cell64 {
        &self.options.metrics.restarts_total
    }

    fn run(&mut self, stopping: &Stopping) -> Result<(), Box<dyn Error>> {
        let (note, run) = (self.options.reader.note(), self.run);
        let suspicion = match run {
            0 => Suspicion::at_start(note, self.options.identity),
            _ => Suspicion::after_fault(note),
        };
        self.run += 1;
        let client = match self.client.take() {
            Some(client) => client,
            None => Client::new(&self.options.config)?,
        };
        let context = context(&self.options, client, run, stopping);
        let options = &mut self.options;
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
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        Ok(runtime.block_on(shipper.run(stopping))?)
    }
}

/// What the deliveries of a run share.
fn context(options: &Options, client: Client, run: u64, stopping: &Stopping) -> Context {
    let Identity { instance, epoch } = options.identity;
    let installation = format!("lbproxy-{instance:010x}-");
    Context {
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
    }
}
