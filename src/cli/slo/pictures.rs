//! The pictures of all series that were found, the one with the least budget first.

use super::common::worst_first;
use super::plot::Plot;
use super::source::Found;
use super::svg::Svg;
use crate::slo::{Backtested, Tested, TestedSeries};

/// Most pictures of an objective.
const SERIES_SHOWN: usize = 12;

/// The series of an objective that are drawn: those with the least budget left.
pub(super) fn worst(tested: &Tested) -> Vec<&TestedSeries> {
    let mut series = worst_first(tested);
    series.truncate(SERIES_SHOWN);
    series
}

/// The plot of a series.
pub(super) fn plot<'a>(
    tested: &'a Tested,
    series: &'a TestedSeries,
    note: &'a str,
    result: &Backtested,
) -> Plot<'a> {
    Plot { tested, series, note, from_ms: result.from_ms, to_ms: result.to_ms }
}

/// One file with all of them; `notes` tell the sets of objectives apart.
pub(super) fn file(found: &Found, notes: [&str; 2]) -> String {
    let mut all = Svg::new(0.0, 0.0);
    let mut labels = Vec::new();
    for (result, note) in found.results.iter().zip(notes) {
        for tested in &result.objectives {
            for series in worst(tested) {
                let plot = plot(tested, series, note, result);
                labels.push(plot.label());
                all.append(&plot.draw());
            }
        }
    }
    all.file(&labels.join("; "))
}
