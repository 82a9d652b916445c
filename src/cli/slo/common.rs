//! What back-test and report share: which time is meant, what is told beside the result, where it goes.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::source::{Asked, Found};
use crate::base::clock::{millis, wall_ms};
use crate::cli::log::Window;
use crate::cli::output::UsageError;
use crate::slo::{Backtested, Firing, Tested, TestedSeries};

/// There is nothing to look at.
pub(super) fn no_objectives() -> anyhow::Error {
    let problem = "there are no objectives: name files, or leave out `slo.files` for the usual two";
    UsageError(problem.to_owned()).into()
}

/// First millisecond that is meant, and first that is not; with a length the time ends now, or then.
pub(super) fn bounds(window: Window, length: Option<Duration>) -> anyhow::Result<Asked> {
    let (mut from_ms, mut to_ms) = window.bounds_ms();
    if let Some(length) = length {
        let end_ms = to_ms.unwrap_or_else(wall_ms);
        to_ms = Some(end_ms);
        from_ms = from_ms.or(Some(end_ms.saturating_sub(millis(length))));
    }
    let minute_ms = 60_000;
    let from_ms = from_ms.map(|from_ms| from_ms / minute_ms * minute_ms);
    let to_ms = to_ms.map(|to_ms| to_ms.div_ceil(minute_ms) * minute_ms);
    if from_ms.zip(to_ms).is_some_and(|(from_ms, to_ms)| from_ms >= to_ms) {
        let problem = "the time ends before it begins; --since is the earlier, --until the later";
        return Err(UsageError(problem.to_owned()).into());
    }
    if from_ms.is_some_and(|from_ms| from_ms > wall_ms()) {
        let problem =
            "the time has not begun yet; --since is an age such as 6h, or an instant of the past";
        return Err(UsageError(problem.to_owned()).into());
    }
    Ok(Asked { from_ms, to_ms })
}

/// Which share of the budget of its group the bad events of an alert were.
pub(super) fn share_of(firing: &Firing, tested: &Tested) -> Option<f64> {
    let series = tested.series.iter().find(|series| series.group == firing.group)?;
    series.account()?.share(firing.bad)
}

/// The series of an objective, those with the least budget left first.
pub(super) fn worst_first(tested: &Tested) -> Vec<&TestedSeries> {
    let left =
        |series: &TestedSeries| series.status.as_ref().map_or(1.0, |status| status.budget.left);
    let mut series: Vec<_> = tested.series.iter().collect();
    series.sort_by(|one, other| left(one).total_cmp(&left(other)));
    series
}

/// Tells what has to be known of what was read, on standard error.
pub(super) fn tell(found: &Found) {
    let first = found.results.first();
    let count = |figure: fn(&Backtested) -> u64| first.map_or(0, figure);
    let counted = [
        (count(|result| result.unreadable), "records cannot be read"),
        (count(|result| result.ahead), "records are of a time to come and left out"),
        (count(|result| result.counts.late), "events are older than the period of their objective"),
        (count(|result| result.series_lost), "minutes of groups beyond the bound are left out"),
    ];
    let counted = counted.iter().filter(|(count, _)| *count > 0);
    let counted = counted.map(|(count, what)| format!("{count} {what}"));
    crate::cli::log::source::tell(found.told.iter().cloned().chain(counted));
}

/// Writes to a file, or to standard output.
pub(super) fn output(file: Option<&Path>, text: &str) -> anyhow::Result<()> {
    let Some(file) = file else {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        return Ok(out.flush()?);
    };
    std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
}
