//! The reader: a thread that feeds the core, keeps its state in a file and appends its rows.
//!
//! It sleeps a second at a time, at low priority. Invariants: a row is appended only after a state
//! that holds it was written; the journal is acknowledged only up to the last state; the state does not
//! let go of a row before the journal has brought it to the disk. Whatever fails here, traffic does not
//! notice: when the state cannot be written, the journal is let go all the same; the cursor's note then
//! names a generation that no state has, so that a start after a crash does not take the old one for
//! the last. Not here: windows (`core`).

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::core::{Core, Counted, RowId, Rules, row_id};
use super::history::History;
use super::recent::Recent;
use crate::base::background::{Background, RESTART_PAUSE};
use crate::base::clock::{millis, wall_ms};
use crate::base::trouble::Trouble;
use crate::journal::{Entry, Identity, Reader};
use crate::metrics::RollupMetrics;
use crate::record::{Stream, timestamp_ms};

/// Name of the durable reader in the journal.
pub const READER: &str = "rollup";
/// Name of the state's file, in the folder of the journal.
pub const STATE_FILE_NAME: &str = "rollup-state";
/// What the cursor's note begins with; the generation of the state that belongs to it follows.
const NOTE: &str = "state=";
/// Payload read at a time.
const SLICE_BYTES: usize = 256 * 1024;
/// Slices read before something else is looked at.
const SLICES_MAX: usize = 256;
/// Longest sleep.
const TICK_MAX: Duration = Duration::from_secs(1);
/// Wait before the journal is tried again when it is full.
const PAUSE: Duration = Duration::from_secs(1);

/// Appends a row to the journal; `false` when there is no space.
pub type Append = Box<dyn FnMut(&[u8]) -> bool + Send>;

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

/// Running rollups.
#[derive(Debug)]
pub struct Running {
    /// Dropped when they are to stop.
    stop: mpsc::Sender<()>,
    thread: Background,
}

impl Running {
    /// Reads to the end, closes every window, appends the rows. To be called when nothing is appended
    /// any more. Says whether it was done within `deadline`; blocks.
    pub fn stop(self, deadline: Duration) -> bool {
        drop(self.stop);
        self.thread.join_within(deadline)
    }
}

/// Starts rollups on a thread of their own.
///
/// # Errors
/// When there is no thread to be had.
pub fn start(mut options: Options) -> io::Result<Running> {
    let (stop, stopping) = mpsc::channel();
    let thread = Background::start("rollup", move || {
        let run = |options: &mut Options| Service::new(options, wall_ms()).run(&stopping);
        while std::panic::catch_unwind(AssertUnwindSafe(|| run(&mut options))).is_err() {
            tracing::error!("rollups had a fault and are started again; no record is lost");
            options.metrics.restarts_total.add(1);
            options.reader.rewind();
            std::thread::park_timeout(RESTART_PAUSE);
        }
    })?;
    Ok(Running { stop, thread })
}

/// One run of the reader.
pub(super) struct Service<'o> {
    options: &'o mut Options,
    core: Core,
    /// Rows found in the journal while the core has pending ones that may be among them; `None` once
    /// that is settled.
    written: Option<HashSet<RowId>>,
    /// Payload read since the last acknowledgement.
    held_bytes: u64,
    /// [`Core::rows_closed`] at the last save.
    rows_saved: u64,
    /// When the state was saved last.
    last_save: Instant,
    /// When a row was appended last.
    last_append: Option<Instant>,
    /// Do not try to append before.
    append_after: Option<Instant>,
    /// Figures already added to the metrics.
    shown: Counted,
    /// Makes slots for the history.
    recent: Recent,
    troubles: Troubles,
}

/// What may go wrong each second.
#[derive(Debug)]
struct Troubles {
    read: Trouble,
    state: Trouble,
    cursor: Trouble,
}

impl<'o> Service<'o> {
    /// Goes on from the state, if there is one.
    pub(super) fn new(options: &'o mut Options, now_ms: u64) -> Self {
        let core = load(options, now_ms);
        let folder = options.folder.display();
        let state = format!(
            "rollups: the state in {folder} cannot be written; until it can, a crash costs the open \
             windows"
        );
        // Of a window that went on nobody knows more than its bounds.
        for span in core.open.keys() {
            options.history.counted_earlier(span.start_ms, span.end_ms());
        }
        Self {
            written: (core.pending_count() > 0).then(HashSet::new),
            core,
            options,
            held_bytes: 0,
            rows_saved: 0,
            last_save: Instant::now(),
            last_append: None,
            append_after: None,
            shown: Counted::default(),
            recent: Recent::default(),
            troubles: Troubles {
                read: Trouble::new("rollups: the journal cannot be read"),
                state: Trouble::new(state),
                cursor: Trouble::new("rollups: the cursor cannot be written"),
            },
        }
    }

    /// Until it is told to stop, and then once more.
    fn run(mut self, stopping: &mpsc::Receiver<()>) {
        let tick = (self.options.window / 4).clamp(Duration::from_millis(50), TICK_MAX);
        loop {
            let is_last = stopping.recv_timeout(tick) == Err(RecvTimeoutError::Disconnected);
            // The time before reading: what was appended until then will have been read.
            let is_at_end = self.turn(wall_ms(), is_last);
            self.show();
            if is_last && is_at_end {
                return;
            }
        }
    }

    /// Reads what there is, closes what is due, appends rows. Says whether everything was read.
    pub(super) fn turn(&mut self, now_ms: u64, is_last: bool) -> bool {
        let is_at_end = self.read(now_ms);
        if is_at_end && let Some(written) = self.written.take() {
            self.core.forget_written(&written);
        }
        let is_settled =
            is_last || self.last_append.is_none_or(|at| at.elapsed() >= self.options.settle);
        if is_at_end {
            self.close(now_ms, is_settled, is_last);
        }
        if is_settled {
            let is_old = self.held_bytes > 0 && self.last_save.elapsed() >= self.options.window;
            if self.core.rows_closed() != self.rows_saved || is_old {
                self.save();
            }
        }
        if self.written.is_none() && self.core.rows_closed() == self.rows_saved {
            self.append();
        }
        is_at_end
    }

    /// Closes what is due, if rows are settled, and shows where things stand. Everything was read.
    fn close(&mut self, now_ms: u64, is_settled: bool, is_last: bool) {
        let closes = is_settled && (is_last || self.core.is_due(now_ms));
        if !closes && !self.recent.is_due(now_ms) {
            return;
        }
        let history = &self.options.history;
        if let Some(slot) = self.recent.look(self.core.open_windows(), now_ms) {
            history.push_slot(slot);
        }
        let windows = match (closes, is_last) {
            (false, _) => Vec::new(),
            (true, false) => self.core.close_due(now_ms),
            (true, true) => self.core.close_all(),
        };
        let open = self.recent.closed(&windows);
        history.publish(windows, open, now_ms);
    }

    /// Feeds the core until nothing is left, or a good deal has been read. Says whether nothing is.
    fn read(&mut self, now_ms: u64) -> bool {
        for _ in 0..SLICES_MAX {
            let (core, written, held) = (&mut self.core, &mut self.written, &mut self.held_bytes);
            let (metrics, own) = (&self.options.metrics, self.options.identity);
            let mut earlier: Option<(u64, u64)> = None;
            let read = self.options.reader.read(SLICE_BYTES, &mut |entry| {
                *held += entry.payload.len() as u64;
                if (entry.instance, entry.epoch) != (own.instance, own.epoch)
                    && let Ok(time_ms) = timestamp_ms(entry.payload)
                {
                    let (first, last) = earlier.unwrap_or((time_ms, time_ms));
                    earlier = Some((first.min(time_ms), last.max(time_ms)));
                }
                visit(core, written.as_mut(), metrics, &entry, now_ms);
            });
            self.troubles.read.note(&read);
            if let Some((first_ms, last_ms)) = earlier {
                self.options.history.counted_earlier(first_ms, last_ms);
            }
            match read {
                Ok(0) => return true,
                Ok(_) => (),
                Err(_) => return false,
            }
            let is_settled = self.last_append.is_none_or(|at| at.elapsed() >= self.options.settle);
            if self.held_bytes >= self.options.held_bytes_max && is_settled {
                self.save();
            }
        }
        false
    }

    /// Writes the state and acknowledges what is in it.
    fn save(&mut self) {
        if let Some(written) = &self.written {
            // What was found so far lies before the position, and will not be found again.
            self.core.forget_written(written);
        }
        let positions = self.options.reader.positions();
        let written = write_state(&self.options.folder, &self.core.save());
        self.options.metrics.state_errors_total.add(u64::from(written.is_err()));
        self.troubles.state.note(&written);
        self.rows_saved = self.core.rows_closed();
        self.last_save = Instant::now();
        let note = format!("{NOTE}{}", self.core.generation());
        let acknowledged = self.options.reader.acknowledge(&positions, &note);
        self.troubles.cursor.note(&acknowledged);
        if acknowledged.is_ok() {
            self.held_bytes = 0;
        }
    }

    /// Appends pending rows as long as there is space.
    fn append(&mut self) {
        if self.append_after.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.append_after = None;
        while let Some(row) = self.core.pending() {
            if !(self.options.append)(row) {
                self.append_after = Some(Instant::now() + PAUSE);
                return;
            }
            self.core.written();
            self.last_append = Some(Instant::now());
            self.options.metrics.rows_total.add(1);
        }
    }

    /// Brings the metrics up to date.
    fn show(&mut self) {
        let (metrics, now) = (&self.options.metrics, self.core.counted());
        metrics.records_total.add(now.records - self.shown.records);
        metrics.late_total.add(now.late - self.shown.late);
        metrics.other_total.add(now.other - self.shown.other);
        metrics.rows_lost_total.add(now.rows_lost - self.shown.rows_lost);
        metrics.windows_open.set(self.core.open_count() as u64);
        metrics.rows_pending.set(self.core.pending_count() as u64);
        self.shown = now;
    }
}

/// Takes one entry of the journal.
fn visit(
    core: &mut Core,
    written: Option<&mut HashSet<RowId>>,
    metrics: &RollupMetrics,
    entry: &Entry<'_>,
    now_ms: u64,
) {
    match Stream::from_u8(entry.stream) {
        Some(Stream::Access) => {
            let lane = (entry.instance, entry.epoch, entry.lane);
            if core.take(lane, entry.seq, entry.payload, now_ms).is_err() {
                metrics.unreadable_total.add(1);
            }
        }
        Some(Stream::Rollup) => {
            if let (Some(written), Some(id)) = (written, row_id(entry.payload)) {
                written.insert(id);
            }
        }
        _ => (),
    }
}

/// The core as it was, or a new one.
fn load(options: &Options, now_ms: u64) -> Core {
    let window_ms = millis(options.window);
    let rules = Rules { window_ms, grace_ms: (window_ms / 30).clamp(100, 2_000) };
    let path = options.folder.join(STATE_FILE_NAME);
    let noted = options.reader.note().strip_prefix(NOTE).and_then(|text| text.parse::<u64>().ok());
    let problem = match fs::read(&path).map(|bytes| Core::load(rules, &bytes, now_ms)) {
        Ok(Ok(core)) if noted.is_none_or(|noted| noted <= core.generation()) => return core,
        Ok(Ok(_)) => "the last one could not be written".to_owned(),
        Ok(Err(error)) => {
            // For whoever wants to look; the next state takes its place in any case.
            let _ = fs::rename(&path, path.with_extension("unreadable"));
            error.to_string()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && noted.is_none() => {
            return Core::new(rules);
        }
        Err(error) => error.to_string(),
    };
    tracing::warn!(
        file = %path.display(), problem,
        "rollups: there is no state to go on from; windows that were open begin anew in late parts"
    );
    let first_part = u64::from(options.identity.epoch) << 32 | 1;
    Core::after_loss(rules, now_ms, first_part, noted.unwrap_or(0))
}

/// Replaces the state; it is on the disk afterwards.
///
/// # Errors
/// What the system says; the state before stays.
fn write_state(folder: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = folder.join("rollup-state.new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&new, folder.join(STATE_FILE_NAME))?;
    File::open(folder)?.sync_all()
}
