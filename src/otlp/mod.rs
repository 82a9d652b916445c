//! Traces: a reader of the journal that turns access records into spans, and exports them by OTLP.
//!
//! ```text
//! journal::Reader ─► sample ─► span (log) ─► Batch ─► Client ─► collector
//!        ▲                        ▲                     │ answer
//!        │          control plane ┘                     │
//!        └──── acknowledge ◄────────────────────────────┘
//! ```
//!
//! One thread at low priority, asleep unless there is something to send. Spans come from records, so a
//! killed proxy exports those of all answered requests after its next start. Memory is one batch
//! whatever the backlog; a fault here never reaches traffic. `docs/traces.md` has the spans and their
//! attributes. Not here: who continues a trace towards endpoints (`proxy`), what ids are (`base::trace`).

mod answer;
mod attribute;
mod batch;
mod client;
mod connect;
mod control;
mod exporter;
mod log;
mod sample;
mod span;

pub use batch::{Batch, Choice};
pub use client::{ClientError, check};
pub use control::ControlPlane;

use std::error::Error;
use std::sync::Arc;

use tokio::runtime::Builder;

use crate::base::trouble::Trouble;
use crate::config::Otlp;
use crate::consumer::{self, Consumer, Running, Stopping};
use crate::journal::Reader;
use crate::metrics::Cell64;
use crate::record::Constants;
use client::Plan;
use exporter::Exporter;

/// Name of the durable reader in the journal.
pub const READER: &str = "otlp";

/// What exporting needs; no defaults.
#[derive(Debug)]
pub struct Options {
    /// Where to, and what.
    pub config: Otlp,
    /// The journal's durable reader [`READER`].
    pub reader: Reader,
    /// Most bytes of the journal that wait for the collector.
    pub held_bytes_max: u64,
    /// Constants of this run.
    pub constants: Constants,
    /// Name of the host.
    pub host: String,
    /// Spans of the control plane, with the counters.
    pub control: ControlPlane,
}

/// Why exporting cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Certificates.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No thread.
    #[error("cannot start the export of traces: {0}; raise the limit of threads")]
    Thread(#[from] std::io::Error),
}

/// Starts exporting on a thread of its own. The collector may be away: spans wait.
///
/// # Errors
/// [`StartError`].
pub fn start(options: Options) -> Result<Running, StartError> {
    let plan = Plan::new(&options.config)?; // what is wrong is told before anything runs
    Ok(consumer::start(Exporting { options, plan })?)
}

/// The exporter as a consumer.
struct Exporting {
    options: Options,
    plan: Plan,
}

impl Consumer for Exporting {
    const NAME: &'static str = READER;

    fn reader(&mut self) -> &mut Reader {
        &mut self.options.reader
    }

    fn restarts(&self) -> &Cell64 {
        &self.options.control.metrics.restarts_total
    }

    fn run(&mut self, stopping: &Stopping) -> Result<(), Box<dyn Error>> {
        let Self { options, plan } = self;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut exporter = Exporter {
                reader: &mut options.reader,
                plan,
                client: plan.connect(),
                choice: Choice { slow: options.config.slow, logs: options.config.logs },
                held_bytes_max: options.held_bytes_max,
                host: &options.host,
                constants: &options.constants,
                metrics: Arc::clone(&options.control.metrics),
                control: &options.control,
                told: None,
                unreadable: Trouble::new("traces: the journal cannot be read"),
                unwritable: Trouble::new("traces: the cursor cannot be written; it is tried again"),
            };
            exporter.run(stopping).await;
        });
        Ok(())
    }
}
