//! Objectives as a consumer of the journal: the evaluator, its clock, and what is shown of it.
//!
//! ```text
//! journal::Reader ─► Evaluator ─► every 10 s: notices ─► slo-state ─► Recipient (the outbox, on the disk)
//!       ▲                │ └─► every minute: records ─► control lane of the journal ─► shipped
//!       └ acknowledge ◄──┴──► slo-state (file): counts, alerts, notices, records not yet written
//! ```
//! A notice is in the state before it is given, and leaves it only when the recipient has it: a crash between
//! the two gives it twice, with the same key, and none is given that nobody remembers. What still fires is
//! given again each minute, so that figures stay true and a recipient that lost something has it again; what
//! it holds to fire and the state does not know, for it was lost, goes on from there. Whatever fails here,
//! traffic does not notice. Not here: what is counted (`evaluator`), how each record and row counts once
//! (`consumer`).

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::EVALUATE_EVERY;
use super::evaluator::{Evaluator, EvaluatorCounts, EvaluatorSettings};
use super::log::log;
use super::notice::{Notice, OpenAlert};
use super::objective::Objective;
use super::shown::{Evaluated, Statuses};
use super::state::STATE_VERSION;
use crate::base::clock::{micros, millis, wall_ms};
use crate::base::trouble::Trouble;
use crate::consumer::{
    Aggregate, Append, Cells, Closing, Consumer, Earlier, ExactlyOnce, Form, Lanes, Limits,
    Pending, RowId, StateError, StateFile, Stopping,
};
use crate::journal::{Entry, Identity, Reader};
use crate::metrics::{Cell64, SloMetrics};
use crate::record::{Constants, Origin, SloRecord, Stream};

/// Name of the durable reader in the journal.
pub const READER: &str = "slo";
const FORM: Form = Form {
    file_name: "slo-state",
    magic: *b"lbpslo01",
    version: STATE_VERSION,
    loss: "error budgets begin anew; alerts that are not over go on from what the outbox remembers",
};
/// Longest sleep.
const TICK: Duration = Duration::from_secs(1);
/// How often the state is written, if anything was read.
const SAVE_EVERY: Duration = Duration::from_mins(1);
/// How often what still fires is given again.
const REPEAT_EVERY: Duration = Duration::from_mins(1);

/// Who tells people of notices.
pub trait Recipient: Send {
    /// Takes notices; they are on the disk when it returns.
    ///
    /// # Errors
    /// They are not; they are given again.
    fn accept(&mut self, notices: &[Notice]) -> io::Result<()>;

    /// The alerts that it was told of and that are not over.
    fn open(&self) -> Vec<OpenAlert>;
}

/// Time since some moment, by a clock that never jumps.
pub(super) type Steady = Box<dyn Fn() -> Duration + Send>;

/// What the evaluation needs; no defaults.
pub struct Options {
    /// The journal's durable reader [`READER`].
    pub reader: Reader,
    /// This start: counters have the events of its records alone.
    pub identity: Identity,
    /// The objectives that are evaluated, and no others.
    pub objectives: Vec<Arc<Objective>>,
    /// Bounds, heartbeats and name of the evaluator.
    pub settings: EvaluatorSettings,
    /// After so long an appended row is on the disk.
    pub settle: Duration,
    /// Most bytes of records that the journal holds for what is not in the state.
    pub held_bytes_max: u64,
    /// Folder of the journal.
    pub folder: PathBuf,
    /// Where records of objectives go: a lane of the journal.
    pub append: Append,
    /// Where notices go once the state has them.
    pub recipient: Box<dyn Recipient>,
    /// Figures that outlive a fault of the evaluation.
    pub metrics: Arc<SloMetrics>,
    /// Where each series stands.
    pub statuses: Arc<Statuses>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("objectives", &self.objectives).finish_non_exhaustive()
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
        let start = Instant::now();
        Service::new(self, wall_ms(), Box::new(move || start.elapsed())).run(stopping, TICK);
        Ok(())
    }
}

pub(super) type Service<'o> = ExactlyOnce<'o, Watching<'o>>;

impl<'o> Service<'o> {
    /// Goes on from the state, if there is one.
    pub(super) fn new(options: &'o mut Options, now_ms: u64, steady: Steady) -> Self {
        let (objectives, settings) = (&options.objectives, &options.settings);
        let decode = |_, body: &mut &[u8]| Kept::decode(objectives, settings, body);
        let (state, earlier) =
            StateFile::open(FORM, &options.folder, options.reader.note(), decode);
        let is_lost = matches!(earlier, Earlier::Lost);
        let mut kept = match earlier {
            Earlier::State(kept) => kept,
            Earlier::Nothing | Earlier::Lost => Kept::new(objectives, settings),
        };
        if is_lost {
            kept.evaluator.after_loss(now_ms, u64::from(options.identity.epoch) << 32 | 1);
        }
        kept.evaluator.adopt(options.recipient.open(), now_ms);
        let metrics = &*options.metrics;
        kept.evaluator.count_from(options.identity);
        let watching = Watching {
            kept,
            steady,
            evaluated: None,
            repeated: Duration::ZERO,
            now_ms: 0,
            preamble: None,
            is_urgent: false,
            recipient: &mut *options.recipient,
            trouble: Trouble::new(
                "objectives: notices cannot be written to the outbox; they wait, and are told all the same",
            ),
            shown: EvaluatorCounts::default(),
            shown_lost: 0,
            metrics,
            statuses: &options.statuses,
        };
        let limits = Limits {
            settle: options.settle,
            save_every: SAVE_EVERY,
            held_bytes_max: options.held_bytes_max,
        };
        let cells = Cells { rows: &metrics.rows_total, state_errors: &metrics.state_errors_total };
        let ends = (&mut options.reader, &mut options.append);
        Self::over("objectives", ends, state, watching, limits, cells)
    }
}

/// What survives a start.
struct Kept {
    /// Of each kind of record, which were taken.
    lanes: [Lanes; Stream::ALL.len()],
    pending: Pending,
    evaluator: Evaluator,
}

impl Kept {
    fn new(objectives: &[Arc<Objective>], settings: &EvaluatorSettings) -> Self {
        let evaluator = Evaluator::new(objectives, settings.clone());
        Self { lanes: Default::default(), pending: Pending::default(), evaluator }
    }

    /// Takes it from a state. One of an earlier version knows fewer kinds of records.
    fn decode(
        objectives: &[Arc<Objective>],
        settings: &EvaluatorSettings,
        body: &mut &[u8],
    ) -> Result<Self, StateError> {
        let mut lanes: [Lanes; Stream::ALL.len()] = Default::default();
        let (&count, rest) = body.split_first().ok_or(StateError::Damaged)?;
        *body = rest;
        for place in 0..usize::from(count) {
            *lanes.get_mut(place).ok_or(StateError::Newer)? = Lanes::decode(body)?;
        }
        let pending = Pending::decode(body)?;
        let evaluator = Evaluator::decode(objectives, settings.clone(), body)?;
        Ok(Self { lanes, pending, evaluator })
    }
}

/// The evaluator at work.
pub(super) struct Watching<'o> {
    kept: Kept,
    steady: Steady,
    /// Steady time of the last evaluation.
    evaluated: Option<Duration>,
    /// When what fires was given again.
    repeated: Duration,
    /// Wall time of this turn.
    now_ms: u64,
    /// Of the last record: what its run said of itself, as bytes and read.
    preamble: Option<(Arc<[u8]>, Constants)>,
    /// An alert moved, or a notice waits.
    is_urgent: bool,
    recipient: &'o mut dyn Recipient,
    trouble: Trouble,
    /// Figures already added to the metrics.
    shown: EvaluatorCounts,
    shown_lost: u64,
    metrics: &'o SloMetrics,
    statuses: &'o Statuses,
}

impl Watching<'_> {
    /// Gives what still fires once more, if it is time; the state has it.
    fn repeat(&mut self) {
        let now = (self.steady)();
        if now.saturating_sub(self.repeated) < REPEAT_EVERY {
            return;
        }
        self.repeated = now;
        let firing = self.kept.evaluator.firing();
        if !firing.is_empty() {
            self.trouble.note(&self.recipient.accept(&firing));
        }
    }

    /// Evaluates, and shows where things stand.
    fn evaluate(&mut self) {
        let (start, now) = (Instant::now(), (self.steady)());
        self.evaluated = Some(now);
        let evaluator = &mut self.kept.evaluator;
        evaluator.evaluate();
        self.is_urgent = evaluator.is_unsaved() || !evaluator.notices().is_empty();
        if !self.is_urgent {
            self.repeat();
        }
        self.statuses.publish(Evaluated::by(&mut self.kept.evaluator));
        self.metrics.evaluations_total.add(1);
        self.metrics.evaluation_us_total.add(micros(start.elapsed()));
    }
}

impl Aggregate for Watching<'_> {
    const ROWS: Stream = Stream::Slo;

    fn row_id(row: &[u8]) -> Option<RowId> {
        let record = SloRecord::decode(row).ok()?;
        Some((record.timestamp?.0, record.fingerprint()))
    }

    fn take(&mut self, entry: &Entry<'_>, now_ms: u64) {
        // Its own records are no events, and those of a newer version nobody knows.
        let stream = Stream::from_u8(entry.stream).filter(|stream| *stream != Stream::Slo);
        let Some(stream) = stream else { return };
        let Kept { lanes, evaluator, .. } = &mut self.kept;
        if self.now_ms != now_ms {
            self.now_ms = now_ms;
            evaluator.look(now_ms, millis((self.steady)()));
        }
        if !lanes[stream.place()].advance(Lanes::key(entry), entry.seq) {
            return;
        }
        if self.preamble.as_ref().is_none_or(|(last, _)| !Arc::ptr_eq(last, entry.preamble)) {
            let constants = Constants::decode(entry.preamble).unwrap_or_default();
            self.preamble = Some((Arc::clone(entry.preamble), constants));
        }
        let Some((_, constants)) = &self.preamble else { return };
        if evaluator.take(stream, entry.payload, Origin::of(entry, constants)).is_err() {
            self.metrics.unreadable_total.add(1);
        }
    }

    fn look(&mut self, closing: Closing, now_ms: u64) {
        self.now_ms = now_ms;
        let now = (self.steady)();
        self.kept.evaluator.look(now_ms, millis(now));
        let is_due = self.evaluated.is_none_or(|at| now.saturating_sub(at) >= EVALUATE_EVERY);
        if is_due || closing == Closing::All {
            self.evaluate();
        }
        self.statuses.answer(&mut self.kept.evaluator);
        if closing != Closing::Nothing && self.kept.evaluator.has_minutes() {
            let Kept { pending, evaluator, .. } = &mut self.kept;
            evaluator.close_minutes(|row| pending.push(row));
        }
    }

    fn pending(&mut self) -> &mut Pending {
        &mut self.kept.pending
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let Kept { lanes, pending, evaluator } = &self.kept;
        out.push(u8::try_from(lanes.len()).unwrap_or(u8::MAX));
        for lanes in lanes {
            lanes.encode(out);
        }
        pending.encode(out);
        evaluator.encode(out);
    }

    fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// Gives notices to the recipient; those that it does not take are tried at the next evaluation.
    fn saved(&mut self) -> bool {
        self.is_urgent = false;
        let evaluator = &mut self.kept.evaluator;
        evaluator.saved();
        let notices = evaluator.notices();
        if notices.is_empty() {
            self.repeat();
            return false;
        }
        let (count, given) = (notices.len(), self.recipient.accept(notices));
        self.trouble.note(&given);
        if given.is_ok() {
            notices.iter().for_each(log);
            evaluator.given(count);
        }
        given.is_ok()
    }

    fn show(&mut self) {
        let (metrics, now) = (self.metrics, self.kept.evaluator.counts());
        now.show(std::mem::replace(&mut self.shown, now), metrics);
        let lost = self.kept.pending.lost();
        metrics.rows_lost_total.add(lost - std::mem::replace(&mut self.shown_lost, lost));
        metrics.rows_pending.set(self.kept.pending.count() as u64);
        metrics.notices_pending.set(self.kept.evaluator.notices().len() as u64);
        metrics.series.set(self.statuses.last().series.len() as u64);
    }
}
