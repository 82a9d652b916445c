//! The records of a journal, each read once for however many back-tests; what is missing in it.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::{Asked, Completeness, Found};
use crate::base::instant::date_and_time;
use crate::base::units::format_count;
use crate::cli::log::server::Progress;
use crate::cli::slo::words;
use crate::query::{InOrder, Row, Sequences};
use crate::record::{DecodeError, Origin, Stream};
use crate::slo::Backtest;

/// Records between two looks at how far it is.
const TELL_EVERY: u64 = 50_000;

/// Gives each record to every back-test, in the order of time; those after the time that is asked about to none.
pub(super) fn read(dir: &Path, mut tests: Vec<Backtest>, asked: Asked) -> anyhow::Result<Found> {
    let mut records = InOrder::open::<anyhow::Error>(dir)?;
    let (mut seen, progress) = (Seen::default(), Progress::new());
    records.all::<anyhow::Error>(&mut |time_ms, stream, payload, origin| {
        if asked.to_ms.is_some_and(|to_ms| time_ms >= to_ms) {
            return Ok(());
        }
        let is_asked = asked.from_ms.is_none_or(|from_ms| time_ms >= from_ms);
        // What cannot be read is counted by the back-test.
        let _ = seen.note(time_ms, stream, payload, origin, is_asked);
        if let Some(down_ms) = seen.starts(time_ms, origin) {
            seen.down_ms += if is_asked { down_ms } else { 0 };
            for test in &mut tests {
                test.pass_over(time_ms);
            }
        }
        for test in &mut tests {
            test.take(time_ms, stream, payload, origin);
        }
        if seen.records.is_multiple_of(TELL_EVERY) {
            let count = format_count(seen.records);
            progress.show(&format!("{count} records, now at {} UTC", date_and_time(time_ms)));
        }
        Ok(())
    })?;
    drop(progress);
    let results: Vec<_> = tests.into_iter().map(Backtest::finish).collect();
    let mut told = records.complaints();
    if records.missed() > 0 {
        let missed = format_count(records.missed());
        told.push(format!(
            "{missed} records were overwritten or damaged before they could be read"
        ));
    }
    let first = results.first();
    let (from_ms, to_ms) = first.map_or((0, 0), |result| (result.from_ms, result.to_ms));
    let completeness = seen.completeness(from_ms, to_ms, &mut told);
    Ok(Found { results, completeness, whence: dir.display().to_string(), unit: "records", told })
}

/// What was seen of a journal.
#[derive(Debug, Default)]
struct Seen {
    records: u64,
    /// Times of the first record and the last.
    times_ms: Option<(u64, u64)>,
    /// The numbers of the time that is asked about.
    numbers: Sequences,
    /// Lanes and streams of which a record was seen.
    lanes: HashSet<(u64, u16, u8, u8)>,
    /// Before this time a lane may have had records that were overwritten.
    cut_ms: u64,
    cut_lanes: u64,
    /// The newest start of each instance.
    starts: HashMap<u64, u16>,
    down_ms: u64,
}

impl Seen {
    fn note(
        &mut self,
        time_ms: u64,
        stream: Stream,
        payload: &[u8],
        origin: Origin<'_>,
        is_asked: bool,
    ) -> Result<(), DecodeError> {
        self.records += 1;
        if is_asked {
            self.numbers.add(&Row::read_some(stream, payload, origin, 1)?);
        }
        let key = (origin.instance, origin.epoch, origin.worker, stream as u8);
        if self.lanes.insert(key) && origin.seq > 1 {
            self.cut_ms = self.cut_ms.max(time_ms);
            self.cut_lanes += 1;
        }
        Ok(())
    }

    /// Whether a process starts with this record: for how long none ran before. Notes its time.
    fn starts(&mut self, time_ms: u64, origin: Origin<'_>) -> Option<u64> {
        let (first_ms, last_ms) = self.times_ms.unwrap_or((time_ms, time_ms));
        self.times_ms = Some((first_ms, last_ms.max(time_ms)));
        let known = self.starts.entry(origin.instance).or_insert(origin.epoch);
        let is_later = origin.epoch > std::mem::replace(known, origin.epoch.max(*known));
        is_later.then(|| time_ms.saturating_sub(last_ms))
    }

    /// How complete a time is; tells what is not.
    fn completeness(&self, from_ms: u64, to_ms: u64, told: &mut Vec<String>) -> Completeness {
        let (there, missing, dropped) = self.numbers.lanes().fold((0, 0, 0), |sum, lane| {
            (sum.0 + lane.records, sum.1 + lane.holes(), sum.2 + lane.explained.min(lane.holes()))
        });
        let (first_ms, last_ms) = self.times_ms.unwrap_or((to_ms, to_ms));
        let whole_ms = first_ms.max(self.cut_ms).max(from_ms);
        if self.cut_ms > from_ms && self.times_ms.is_some() {
            let lanes = if self.cut_lanes == 1 { "lane" } else { "lanes" };
            told.push(format!(
                "records before {} UTC were overwritten ({} {lanes}): figures and alerts go without them",
                date_and_time(self.cut_ms),
                self.cut_lanes
            ));
        } else if first_ms > from_ms + 60_000 && self.times_ms.is_some() {
            told.push(format!("the journal begins at {} UTC", date_and_time(first_ms)));
        }
        if missing > 0 {
            told.push(format!(
                "{} records are missing in between, {} of them were dropped and told of",
                format_count(missing),
                format_count(dropped)
            ));
        }
        if self.down_ms > 0 {
            let lasted = words::lasted(self.down_ms);
            told.push(format!("no process ran for {lasted}: nothing was evaluated meanwhile"));
        }
        Completeness {
            there,
            missing,
            dropped,
            covered_ms: to_ms.min(last_ms + 60_000).saturating_sub(whole_ms),
            asked_ms: to_ms.saturating_sub(from_ms),
            down_ms: self.down_ms,
        }
    }
}
