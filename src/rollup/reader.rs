//! Rollups as a consumer of the journal: the core, and what is shown of it.
//!
//! It sleeps a second at a time. Whatever fails here, traffic does not notice. Not here: windows (`core`),
//! how each record and row counts once (`consumer`).

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::core::{Core, Counted, Rules, row_id};
use super::history::History;
use super::recent::Recent;
use super::state::FORM;
use crate::base::clock::{millis, wall_ms};
use crate::consumer::{
    Aggregate, Append, Cells, Closing, Consumer, Earlier, ExactlyOnce, Lanes, Limits, Pending,
    RowId, StateFile, Stopping,
};
use crate::journal::{Entry, Identity, Reader};
use crate::metrics::{Cell64, RollupMetrics};
use crate::record::{Stream, timestamp_ms};

/// Name of the durable reader in the journal.
pub const READER: &str = "rollup";
/// Name of the state's file, in the folder of the journal.
pub const STATE_FILE_NAME: &str = FORM.file_name;
/// Shortest and longest sleep.
const TICK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What rollups need; no defaults.
pub struct Options {
    /// The journal's durable reader [`READER`].
    pub reader: Reader,
    /// This start.
    pub identity: Identity,
    /// Length of a window.
    pub window: Duration,
    /// After so long an appended row is on the disk.
    pub settle: Duration,
    /// Most bytes of records that the journal holds for open windows.
    pub held_bytes_max: u64,
    /// Folder of the journal.
    pub folder: PathBuf,
    /// Where rows go.
    pub append: Append,
    /// Counters.
    pub metrics: Arc<RollupMetrics>,
    /// Where windows are kept for whoever shows them.
    pub history: Arc<History>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("window", &self.window).finish_non_exhaustive()
    }
}

impl Consumer for Options {
    const NAME: &'static str = READER;

    fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    fn restarts(&self) -> &Cell64 {
        &self.metrics.restarts_total
    }

    fn run(&mut self, stopping: &Stopping) -> Result<(), Box<dyn Error>> {
        let tick = (self.window / 4).clamp(TICK.0, TICK.1);
        Service::new(self, wall_ms()).run(stopping, tick);
        Ok(())
    }
}

/// One run.
pub(super) type Service<'o> = ExactlyOnce<'o, Rollups<'o>>;

impl<'o> Service<'o> {
    /// Goes on from the state, if there is one.
    pub(super) fn new(options: &'o mut Options, now_ms: u64) -> Self {
        let window_ms = millis(options.window);
        let rules = Rules { window_ms, grace_ms: (window_ms / 30).clamp(100, 2_000) };
        let (state, earlier) =
            StateFile::open(FORM, &options.folder, options.reader.note(), |_, body| {
                Core::decode(rules, body, now_ms)
            });
        let core = match earlier {
            Earlier::State(core) => core,
            Earlier::Nothing => Core::new(rules),
            Earlier::Lost => {
                Core::after_loss(rules, now_ms, u64::from(options.identity.epoch) << 32 | 1)
            }
        };
        // Of a window that went on nobody knows more than its bounds.
        for span in core.open.keys() {
            options.history.counted_earlier(span.start_ms, span.end_ms());
        }
        let (metrics, history) = (&*options.metrics, &*options.history);
        let rollups = Rollups {
            core,
            own: options.identity,
            shown: Counted::default(),
            recent: Recent::default(),
            metrics,
            history,
        };
        let limits = Limits {
            settle: options.settle,
            save_every: options.window,
            held_bytes_max: options.held_bytes_max,
        };
        let cells = Cells { rows: &metrics.rows_total, state_errors: &metrics.state_errors_total };
        let ends = (&mut options.reader, &mut options.append);
        Self::over("rollups", ends, state, rollups, limits, cells)
    }
}

/// The core, and what is shown of it.
pub(super) struct Rollups<'o> {
    core: Core,
    /// This start.
    own: Identity,
    /// Figures already added to the metrics.
    shown: Counted,
    /// Makes slots for the history.
    recent: Recent,
    metrics: &'o RollupMetrics,
    history: &'o History,
}

impl Aggregate for Rollups<'_> {
    const ROWS: Stream = Stream::Rollup;

    fn row_id(row: &[u8]) -> Option<RowId> {
        row_id(row)
    }

    fn take(&mut self, entry: &Entry<'_>, now_ms: u64) {
        if (entry.instance, entry.epoch) != (self.own.instance, self.own.epoch)
            && let Ok(time_ms) = timestamp_ms(entry.payload)
        {
            self.history.counted_earlier(time_ms, time_ms);
        }
        if entry.stream == Stream::Access as u8
            && self.core.take(Lanes::key(entry), entry.seq, entry.payload, now_ms).is_err()
        {
            self.metrics.unreadable_total.add(1);
        }
    }

    fn look(&mut self, closing: Closing, now_ms: u64) {
        let closes = match closing {
            Closing::Nothing => false,
            Closing::Due => self.core.is_due(now_ms),
            Closing::All => true,
        };
        if !closes && !self.recent.is_due(now_ms) {
            return;
        }
        if let Some(slot) = self.recent.look(self.core.open_windows(), now_ms) {
            self.history.push_slot(slot);
        }
        let windows = match (closes, closing) {
            (false, _) => Vec::new(),
            (true, Closing::All) => self.core.close_all(),
            (true, _) => self.core.close_due(now_ms),
        };
        let open = self.recent.closed(&windows);
        self.history.publish(windows, open, now_ms);
    }

    fn pending(&mut self) -> &mut Pending {
        self.core.pending()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.core.encode(out);
    }

    fn show(&mut self) {
        let (metrics, now) = (self.metrics, self.core.counted());
        metrics.records_total.add(now.records - self.shown.records);
        metrics.late_total.add(now.late - self.shown.late);
        metrics.other_total.add(now.other - self.shown.other);
        metrics.rows_lost_total.add(now.rows_lost - self.shown.rows_lost);
        metrics.windows_open.set(self.core.open_count() as u64);
        metrics.rows_pending.set(self.core.pending().count() as u64);
        self.shown = now;
    }
}
