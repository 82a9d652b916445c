//! Consumers: readers of the journal that work beside the traffic, each on a thread of its own.
//!
//! ```text
//! start ─► run ─► told to stop ─► end
//!           ▲ └─► error or panic ─► told, counted ─► reader rewound ─► pause ─┐
//!           └─────────────────────────────────────────────────────────────────┘
//! ```
//! [`Consumer`] is what one has to say; `ship`, `otlp` and `rollup` are three. One that adds records up
//! and writes rows of them, exactly once, says what its sums are (`Aggregate`) and leaves the rest to
//! `ExactlyOnce`, with its state in a `StateFile`.
//!
//! Invariants: a fault here never reaches traffic and loses no record, for the reader goes back to what
//! it acknowledged. Not here: the journal's cursors (`journal`), which consumers there are and in which
//! order they end (`cli::process`).

mod exactly_once;
mod lanes;
mod pending;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use exactly_once::{Aggregate, Cells, Closing, ExactlyOnce, Limits};
pub use exactly_once::{Append, RowId};
pub use lanes::{LaneKey, Lanes};
pub use pending::{PENDING_MAX, Pending};
pub use state::{
    Earlier, Form, StateError, StateFile, push_counted, push_length, take, take_counted,
};

use std::error::Error;
use std::io;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::base::background::Background;
use crate::journal::Reader;
use crate::metrics::Cell64;

/// Pause after a fault: the first, and the longest; one that follows another at once is twice as long.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// What reads the journal beside the traffic.
pub trait Consumer {
    /// Name of its durable reader in the journal, and of its thread.
    const NAME: &'static str;

    /// Where it reads.
    fn reader(&mut self) -> &mut Reader;

    /// Counts how often it was started again.
    fn restarts(&self) -> &Cell64;

    /// Works until it is told to stop, and finishes what there is. After a fault it is called again, with
    /// the reader where it acknowledged last.
    ///
    /// # Errors
    /// What keeps it from working now; it is tried again.
    fn run(&mut self, stopping: &Stopping) -> Result<(), Box<dyn Error>>;
}

/// The order to stop, as a consumer sees it: given once and for good.
#[derive(Debug, Clone)]
pub struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Whether it was given. Whoever could give it is gone: that is the order, too.
    pub fn is_given(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Sleeps so long, or until the order; says whether it was given. For a thread without a runtime.
    pub fn sleep(&self, span: Duration) -> bool {
        if !self.is_given() {
            std::thread::park_timeout(span); // `Running::ask_to_stop` ends it
        }
        self.is_given()
    }

    /// Waits for the order.
    pub async fn given(&self) {
        let mut order = self.0.clone();
        // An error means that nobody is left who could give it.
        let _ = order.wait_for(|is_given| *is_given).await;
    }
}

/// A running consumer.
#[derive(Debug)]
pub struct Running {
    /// Becomes true when it is to stop.
    stop: watch::Sender<bool>,
    thread: Background,
}

impl Running {
    /// From now on it only finishes what is in the journal. Does not wait.
    pub fn ask_to_stop(&self) {
        self.stop.send_replace(true);
        self.thread.unpark();
    }

    /// Waits for its end at most until `deadline`; what is left stays in the journal. Says whether it
    /// ended in time. Blocks.
    pub fn stop(self, deadline: Duration) -> bool {
        self.ask_to_stop();
        self.thread.join_within(deadline)
    }
}

/// Runs a consumer on a thread of its own, again after each fault.
///
/// # Errors
/// When there is no thread to be had.
pub fn start<C: Consumer + Send + 'static>(mut consumer: C) -> io::Result<Running> {
    let (stop, stopping) = watch::channel(false);
    let stopping = Stopping(stopping);
    let thread = Background::start(C::NAME, move || supervise(&mut consumer, &stopping))?;
    Ok(Running { stop, thread })
}

fn supervise<C: Consumer>(consumer: &mut C, stopping: &Stopping) {
    let mut pause = None;
    loop {
        let start = Instant::now();
        match std::panic::catch_unwind(AssertUnwindSafe(|| consumer.run(stopping))) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                tracing::error!(%error, "{} cannot run; it is tried again, no record is lost", C::NAME);
            }
            Err(_) => {
                tracing::error!("{} had a fault and is started again; no record is lost", C::NAME);
            }
        }
        consumer.restarts().add(1);
        consumer.reader().rewind();
        let span = next_pause(pause, start.elapsed(), stopping.is_given());
        std::thread::park_timeout(span); // the order to stop ends it
        pause = Some(span);
    }
}

/// The pause after a run of so long, that another pause came before. Nobody waits long at the end.
fn next_pause(before: Option<Duration>, ran: Duration, is_stopping: bool) -> Duration {
    let (first, most) = PAUSES;
    match before {
        Some(before) if ran < most && !is_stopping => (2 * before).min(most),
        _ => first,
    }
}
