//! A back-test as tables.

use std::fmt::Write as _;

use super::common::{share_of, worst_first};
use super::source::Found;
use super::words;
use crate::base::units::format_count;
use crate::cli::log::table::Table;
use crate::slo::{Backtested, Firing, Tested};

/// Most series of an objective that are shown; those with the least budget first.
const SERIES_SHOWN: usize = 10;
/// Most alerts of an objective that are shown; the newest.
const FIRINGS_SHOWN: usize = 40;

/// Everything that was found.
pub(super) fn write(found: &Found) -> anyhow::Result<String> {
    let mut text = String::new();
    for (place, result) in found.results.iter().enumerate() {
        if place == 0 {
            let span = words::lasted(result.to_ms.saturating_sub(result.from_ms));
            writeln!(text, "{span}, {} UTC", words::from_to(result.from_ms, result.to_ms))?;
            let (count, share) =
                (format_count(result.records), words::percent(found.completeness.share()));
            writeln!(text, "{count} {} of {}; completeness {share}", found.unit, found.whence)?;
        } else {
            writeln!(text, "\n== --against")?;
        }
        for tested in &result.objectives {
            objective(&mut text, tested, result)?;
        }
    }
    Ok(text)
}

fn objective(text: &mut String, tested: &Tested, result: &Backtested) -> anyhow::Result<()> {
    let name = &tested.objective.name;
    writeln!(text, "\n{name}: {}", words::promise(&tested.objective))?;
    let series = worst_first(tested);
    let rows = series.iter().take(SERIES_SHOWN).map(|series| {
        let status = series.status.as_ref();
        let rate = |place: usize| words::rate(status.and_then(|status| status.rates[place]));
        let group = words::group(&series.group);
        vec![
            format!("  {}", if group.is_empty() { "all" } else { &group }),
            format_count(series.count.valid),
            format_count(series.count.bad),
            words::sli(series.count),
            words::percent_if(status.map(|status| status.budget.left)),
            words::percent_if(series.points.lowest()),
            rate(2),
            rate(4),
            rate(6),
        ]
    });
    let head = ["  events", "valid", "bad", "good", "budget left", "lowest", "burn 1h", "6h", "3d"];
    text.push_str(&table(
        &head,
        &[false, true, true, true, true, true, true, true, true],
        rows.collect(),
    )?);
    if series.len() > SERIES_SHOWN {
        writeln!(
            text,
            "  and {} groups with more of their budget left",
            series.len() - SERIES_SHOWN
        )?;
    }
    firings(text, tested, result)
}

fn firings(text: &mut String, tested: &Tested, result: &Backtested) -> anyhow::Result<()> {
    let firings = &tested.firings;
    let earlier = firings.len().saturating_sub(FIRINGS_SHOWN);
    if firings.is_empty() {
        writeln!(text, "  no alert")?;
    } else {
        if earlier > 0 {
            writeln!(
                text,
                "  the last {FIRINGS_SHOWN} of {} alerts; --format json has all",
                firings.len()
            )?;
        }
        let head = ["  alert", "from", "for", "", "budget spent", "where"];
        let rows = firings[earlier..].iter().map(|firing| row(firing, tested, result));
        text.push_str(&table(&head, &[false, false, true, false, true, false], rows.collect())?);
    }
    if tested.firings_lost > 0 {
        writeln!(
            text,
            "  {} more alerts fired and are not kept",
            format_count(tested.firings_lost)
        )?;
    }
    Ok(())
}

fn row(firing: &Firing, tested: &Tested, result: &Backtested) -> Vec<String> {
    let lasted = words::lasted(firing.lasted_ms(0, result.to_ms));
    let lasted = if firing.until_ms.is_some() { lasted } else { format!("{lasted}, still fires") };
    vec![
        format!("  {}", words::alert(firing)),
        crate::base::instant::date_and_time(firing.since_ms),
        lasted,
        words::trigger(&firing.trigger),
        words::percent_if(share_of(firing, tested)),
        words::whereabouts(firing),
    ]
}

/// Rows with aligned columns.
pub(super) fn table(
    head: &[&str],
    figures: &[bool],
    rows: Vec<Vec<String>>,
) -> anyhow::Result<String> {
    let mut table =
        Table::new(head.iter().map(|&name| name.to_owned()).collect(), figures.to_vec());
    let mut out = Vec::new();
    for row in rows {
        table.row(&mut out, row)?;
    }
    table.finish(&mut out)?;
    Ok(String::from_utf8(out)?)
}
