//! The time in which a watcher holds the lease: what it has counted, its alerts, who it tells.
//!
//! A tenure begins with the alerts and notices that the document has, and with no counts: these are read
//! from the records, all of them, before anything is judged. Its outbox is its own and begins empty: what was
//! not told yet is in the document. It is told that the alerts which fire are known, so that nobody is told
//! of their begin again, and everybody of their end. Not here: the lease (`lease`), when what is done
//! (`watcher`).

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::WatchShown;
use super::read::{self, BucketSpan, SpanReading};
use super::signs::{self, LifeSigns};
use super::sums::BucketSums;
use crate::base::clock::{micros, millis, wall_ms};
use crate::consumer::StateError;
use crate::elk::client::Client;
use crate::elk::problem::{Fault, Problem};
use crate::notify::{self, Fence, StartError};
use crate::slo::{
    self, Evaluated, Evaluator, EvaluatorCounts, EvaluatorSettings, Objective, Period,
    Recipient as _, minute,
};

/// How often everything is read, back to the begin of the longest period: what came late by more than
/// [`read::NEAR_MINUTES`] is found then.
const WHOLE_EVERY: Duration = Duration::from_mins(10);
/// A whole reading goes on in the next turn after so long.
const TURN_MAX: Duration = Duration::from_secs(5);
/// How often alerts that fire are given to the outbox with figures of now.
const REPEAT_EVERY: Duration = Duration::from_mins(1);
/// Longest wait for an outbox that is given up.
const GIVE_UP: Duration = Duration::from_millis(500);
/// A channel whose hours began so lately may not have been told by the holder before.
const JUST_NOW_MS: u64 = 60_000;

/// What a tenure is given.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) namespace: String,
    pub(super) objectives: Vec<Arc<Objective>>,
    pub(super) settings: EvaluatorSettings,
    /// How often it evaluates.
    pub(super) every: Duration,
    pub(super) shown: Arc<WatchShown>,
}

impl Watched {
    /// Minutes that the whole reading goes back.
    fn reach(&self) -> u32 {
        let of = |objective: &Arc<Objective>| {
            let windows = objective.windows.iter().map(|window| window.long);
            // A month is up to a day longer than the 30 that it counts as.
            let is_month = matches!(objective.period, Period::Month { .. });
            let more = Duration::from_hours(if is_month { 24 } else { 0 });
            windows.chain([objective.period.length() + more]).max().unwrap_or_default()
        };
        let longest = self.objectives.iter().map(of).max().unwrap_or_default();
        u32::try_from(longest.as_secs() / 60).unwrap_or(u32::MAX)
    }

    /// After how long an instance is silent: several heartbeats, and the way to the server.
    fn silent_ms(&self) -> u64 {
        let every = self.settings.heartbeat_every.unwrap_or_default();
        millis((3 * every).max(Duration::from_mins(1)))
    }
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Tenure {
    evaluator: Evaluator,
    sums: BucketSums,
    /// When the last whole reading began; `None`: none did.
    whole: Option<Duration>,
    /// Spans of it that are still to be read.
    todo: Vec<BucketSpan>,
    /// Everything was read once.
    is_known: bool,
    /// Jumps of the clock that were seen to.
    jumps: u64,
    /// Time of the newest heartbeat that was heard.
    heartbeat_ms: Option<u64>,
    /// So many notices, the oldest, are in the outbox and not yet with everybody.
    handed: usize,
    /// When what fires was given again.
    repeated: Duration,
    /// Figures already added to the metrics.
    shown: EvaluatorCounts,
    outbox: notify::Running,
}

impl Tenure {
    /// Begins with the state of the last one.
    ///
    /// # Errors
    /// When no channel can be told; nothing was begun then.
    pub(super) fn begin(
        watched: &Watched,
        state: &[u8],
        config: notify::Options,
        fence: &Fence,
        steady: Duration,
    ) -> Result<Self, StartError> {
        let mut evaluator = evaluator(watched, state).unwrap_or_else(|error| {
            watched.shown.metrics.state_errors_total.add(1);
            tracing::error!(
                %error,
                "slo watch: the state of the last holder cannot be used; alerts that fire are told again, \
                 those that are over meanwhile have to be closed by hand"
            );
            Evaluator::new(&watched.objectives, watched.settings.clone())
        });
        evaluator.evaluate_each(watched.every);
        evaluator.keep_last();
        let now_ms = wall_ms();
        evaluator.look(now_ms, millis(steady));
        make_empty(&config.folder);
        let outbox = notify::start_within(config, fence.clone())?;
        let waiting: Vec<_> = evaluator.notices().iter().map(|one| one.key.clone()).collect();
        let mut known = evaluator.firing();
        known.retain(|notice| !waiting.contains(&notice.key));
        outbox.sink().adopt(&known, now_ms.saturating_sub(JUST_NOW_MS));
        watched.shown.set_notices(Some(outbox.metrics()));
        let (sums, shown) = (BucketSums::default(), EvaluatorCounts::default());
        Ok(Self {
            jumps: evaluator.counts().jumps,
            evaluator,
            sums,
            whole: None,
            todo: Vec::new(),
            is_known: false,
            heartbeat_ms: None,
            handed: 0,
            repeated: Duration::ZERO,
            shown,
            outbox,
        })
    }

    /// Reads what is new, and evaluates.
    ///
    /// # Errors
    /// When records cannot be read: nothing was evaluated then.
    pub(super) async fn poll(
        &mut self,
        client: &Client,
        watched: &Watched,
        steady: Duration,
    ) -> Result<(), Problem> {
        let now_ms = wall_ms();
        self.evaluator.look(now_ms, millis(steady));
        self.see_to_jumps(watched, now_ms, steady);
        let now = minute(now_ms);
        if self.todo.is_empty() && self.is_whole_due(steady) {
            self.todo = read::whole(now, watched.reach());
            self.todo.reverse();
            self.whole = Some(steady);
            // A day more than is read: buckets are half as long.
            self.sums.forget(now.saturating_sub(watched.reach()).saturating_sub(24 * 60));
        }
        let start = Instant::now();
        let mut next = Some(read::near(now)).filter(|_| self.is_known);
        while let Some(span) = next.or_else(|| self.todo.last().copied()) {
            let (namespace, objectives) = (&watched.namespace, &watched.objectives);
            let reading = read::span(client, namespace, objectives, span).await?;
            self.take(watched, reading, span, now)?;
            if next.take().is_none() {
                self.todo.pop();
            }
            if start.elapsed() >= TURN_MAX {
                break; // the rest in the next turn: the lease is to be renewed
            }
        }
        self.is_known |= self.todo.is_empty();
        if !self.is_known {
            return Ok(());
        }
        self.hear(client, watched, now_ms).await;
        self.evaluate(&watched.shown);
        Ok(())
    }

    fn is_whole_due(&self, steady: Duration) -> bool {
        self.whole.is_none_or(|at| steady.saturating_sub(at) >= WHOLE_EVERY)
    }

    /// After a jump of the clock counts are read again: records have the time of their instances.
    fn see_to_jumps(&mut self, watched: &Watched, now_ms: u64, steady: Duration) {
        let jumps = self.evaluator.counts().jumps;
        if jumps == self.jumps {
            return;
        }
        self.jumps = jumps;
        let mut state = Vec::new();
        self.evaluator.encode_alerts(&mut state);
        if let Ok(anew) = evaluator(watched, &state) {
            tracing::warn!("slo watch: the clock jumped; everything is read again");
            self.show(&watched.shown);
            (self.evaluator, self.jumps) = (anew, 0);
            self.shown = EvaluatorCounts::default();
            self.evaluator.look(now_ms, millis(steady));
            self.sums = BucketSums::default();
            (self.whole, self.todo, self.is_known) = (None, Vec::new(), false);
        }
    }

    /// Counts what is new in a reading.
    fn take(
        &mut self,
        watched: &Watched,
        reading: SpanReading,
        span: BucketSpan,
        now: u32,
    ) -> Result<(), Problem> {
        let metrics = &watched.shown.metrics;
        let stream = crate::record::Dataset::Slo.data_stream(&watched.namespace);
        if reading.is_missing {
            let reason =
                format!("{stream} is not there: no instance has shipped a record of an objective");
            let cure = "run `lbproxy setup`, and let instances ship to this server with the same namespace";
            return Err(Problem { cure, ..Problem::new(Fault::Blocked, reason) });
        }
        if reading.is_cut {
            metrics.cut_total.add(1);
            tracing::warn!(
                stream,
                "slo watch: more series than are read; the rest is not evaluated"
            );
        }
        metrics.buckets_total.add(reading.rows.len() as u64);
        let newest = reading.rows.iter().map(|row| row.minute).max();
        if let Some(newest) = newest.filter(|_| span.width == 1) {
            metrics.newest_age_seconds.set(60 * u64::from(now.saturating_sub(newest)));
        }
        let grown = self.sums.take(reading.rows, span.width);
        metrics.shrunk_total.add(grown.shrunk);
        metrics.folded_total.add(grown.folded);
        metrics.series.set(self.sums.len() as u64);
        let near = read::near(now).from;
        for row in grown.rows {
            let objective = &watched.objectives[row.objective];
            let group: Vec<_> = row.group.iter().map(String::as_bytes).collect();
            let time_ms = u64::from(row.minute) * 60_000;
            self.evaluator.add(&objective.name, &group, time_ms, row.count);
            if self.is_known && row.minute < near {
                metrics.late_total.add(row.count.valid);
            }
        }
        Ok(())
    }

    /// Looks for signs of life; if it cannot, nothing is said to be missing.
    async fn hear(&mut self, client: &Client, watched: &Watched, now_ms: u64) {
        let metrics = &watched.shown.metrics;
        let signs = signs::look(client, &watched.namespace, now_ms, watched.silent_ms()).await;
        let LifeSigns { heartbeat_ms, instances, silent, is_waiting } = match signs {
            Ok(signs) => signs,
            Err(problem) => {
                metrics.signs_failures_total.add(1);
                let reason = problem.reason;
                tracing::debug!(reason, "slo watch: heartbeats and samples cannot be read");
                self.evaluator.hear(true, false);
                return;
            }
        };
        self.evaluator.hear(heartbeat_ms > self.heartbeat_ms, is_waiting);
        self.heartbeat_ms = self.heartbeat_ms.max(heartbeat_ms);
        metrics.instances.set(instances);
        metrics.instances_silent.set(silent);
    }

    fn evaluate(&mut self, shown: &WatchShown) {
        let start = Instant::now();
        self.evaluator.evaluate();
        let evaluated = Evaluated::by(&mut self.evaluator);
        shown.slo.evaluations_total.add(1);
        shown.slo.series.set(evaluated.series.len() as u64);
        shown.statuses.publish(evaluated);
        self.show(shown);
        shown.slo.evaluation_us_total.add(micros(start.elapsed()));
    }

    fn show(&mut self, shown: &WatchShown) {
        let now = self.evaluator.counts();
        let before = std::mem::replace(&mut self.shown, now);
        let lost = now.notices_lost.saturating_sub(before.notices_lost);
        self.handed = self.handed.saturating_sub(usize::try_from(lost).unwrap_or(usize::MAX));
        now.show(before, &shown.slo);
        shown.slo.notices_pending.set(self.evaluator.notices().len() as u64);
    }

    /// All that the next holder has to know, and how many alerts fire.
    pub(super) fn state(&mut self) -> (Vec<u8>, usize) {
        state(&mut self.evaluator)
    }

    /// Gives notices to the outbox. They are in the document, and this one holds the lease.
    pub(super) fn hand_over(&mut self, steady: Duration) {
        let mut sink = self.outbox.sink();
        let notices = self.evaluator.notices();
        if notices.len() > self.handed {
            let new = &notices[self.handed..];
            // What is not on this disk is in the document.
            let _ = sink.accept(new);
            new.iter().for_each(slo::log);
            self.handed = notices.len();
        }
        if steady.saturating_sub(self.repeated) >= REPEAT_EVERY {
            self.repeated = steady;
            let firing = self.evaluator.firing();
            if !firing.is_empty() {
                let _ = sink.accept(&firing);
            }
        }
        self.handed -= settle(&mut self.evaluator, self.handed, &sink);
    }

    /// Ends it: tells what waits, at most until `deadline`, and gives the state for the next holder.
    pub(super) fn finish(self, deadline: Duration, shown: &WatchShown) -> (Vec<u8>, usize) {
        let Self { mut evaluator, handed, outbox, .. } = self;
        let sink = outbox.sink();
        outbox.stop(deadline);
        settle(&mut evaluator, handed, &sink);
        forget(shown);
        state(&mut evaluator)
    }

    /// Ends it: another goes on. The fence is closed, so nothing more is told.
    pub(super) fn give_up(self, shown: &WatchShown) {
        self.outbox.stop(GIVE_UP);
        forget(shown);
    }
}

fn state(evaluator: &mut Evaluator) -> (Vec<u8>, usize) {
    let mut state = Vec::new();
    evaluator.encode_alerts(&mut state);
    (state, evaluator.firing().len())
}

/// Drops those of the first `handed` notices that every channel has; says how many.
fn settle(evaluator: &mut Evaluator, handed: usize, sink: &notify::Sink) -> usize {
    let (mut place, mut gone) = (0, 0);
    evaluator.settle(|notice| {
        place += 1;
        let is_told = place <= handed && !sink.waits_for(&notice.key);
        gone += usize::from(is_told);
        is_told
    });
    gone
}

/// Nothing is shown of who does not hold the lease.
fn forget(shown: &WatchShown) {
    shown.set_notices(None);
    shown.statuses.publish(Evaluated::default());
    shown.slo.series.set(0);
    shown.slo.notices_pending.set(0);
}

/// An evaluator with the alerts of a state, or none.
fn evaluator(watched: &Watched, state: &[u8]) -> Result<Evaluator, StateError> {
    let (objectives, settings) = (&watched.objectives, watched.settings.clone());
    if state.is_empty() {
        return Ok(Evaluator::new(objectives, settings));
    }
    Evaluator::decode(objectives, settings, state)
}

/// Empties the folder of the outbox.
fn make_empty(folder: &Path) {
    let emptied = match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => std::fs::create_dir_all(folder),
    };
    if let Err(error) = emptied {
        let folder = folder.display();
        tracing::warn!(%folder, %error, "slo watch: the outbox cannot be begun anew; notices are told all the same");
    }
}
