//! Figures for people.

use std::io::Write;

use super::super::table::Table;
use super::{Findings, QUANTILES, longest, rate};
use crate::base::units;
use crate::query::{Field, Group, Groups, Lane, Records, Sequences, show};
use crate::record::Value;

/// Everything, for people.
pub(super) fn write(
    out: &mut impl Write,
    found: Findings,
    top: usize,
    records: &Records,
) -> anyhow::Result<()> {
    let (total, span_ms) = (&found.total, found.span_ms);
    match found.range_ms {
        None => writeln!(out, "requests   0: no record of a request is meant by this")?,
        Some((first, last)) => {
            let time = |ms| Field::find("time").map(|field| show(field, Value::TimeMs(ms)));
            let span = units::format_micros(span_ms.saturating_mul(1_000));
            let rate = per_second(rate(total.requests, span_ms));
            writeln!(out, "requests   {} in {span}, {rate}", total.requests)?;
            writeln!(out, "           first {}, last {}", time(first)?, time(last)?)?;
            totals(out, total)?;
        }
    }
    if let Some(groups) = found.groups {
        writeln!(out)?;
        table(out, groups, span_ms, top)?;
    }
    writeln!(out)?;
    trust(out, &found.sequences, records)
}

/// What all requests have in common.
fn totals(out: &mut impl Write, total: &Group) -> std::io::Result<()> {
    let Group { success, failure, unknown, .. } = total;
    let share = percent(total.success_share());
    writeln!(out, "success    {share} ({success} served, {failure} failed, {unknown} unknown)")?;
    let names = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
    let classes = names.into_iter().zip(total.classes).filter(|(_, count)| *count > 0);
    let classes: Vec<_> = classes.map(|(name, count)| format!("{name} {count}")).collect();
    writeln!(out, "status     {}", classes.join(", "))?;
    let mut durations: Vec<_> = QUANTILES
        .iter()
        .map(|(name, quantile)| format!("{name} {}", micros(total.duration_us(*quantile))))
        .collect();
    durations.push(format!("max {}", micros(longest(total))));
    writeln!(out, "duration   {}", durations.join(", "))?;
    let (up, down) = (total.request_bytes, total.response_bytes);
    writeln!(out, "bytes      up {}, down {}", units::format_bytes(up), units::format_bytes(down))?;
    writeln!(out, "reused     {} of upstream connections", percent(total.reused_share()))
}

/// A row for each group.
fn table(out: &mut impl Write, groups: Groups, span_ms: u64, top: usize) -> std::io::Result<()> {
    let (name, beyond) = (groups.field.short, groups.beyond());
    let head = [name, "requests", "rate", "success", "2xx", "3xx", "4xx", "5xx", "none"];
    let head = head.into_iter().chain(QUANTILES.map(|(name, _)| name));
    let head: Vec<_> = head.chain(["max", "up", "down", "reused"]).map(str::to_owned).collect();
    let figures = (0..head.len()).map(|column| column > 0).collect();
    let mut table = Table::new(head, figures);
    let (groups, rest) = groups.top(top);
    for (value, group) in groups
        .iter()
        .map(|(value, group)| (value.as_str(), group))
        .chain(rest.iter().map(|rest| ("_other", rest)))
    {
        let [none, informational, ok, moved, refused, failed] = group.classes;
        let mut cells = vec![
            value.to_owned(),
            group.requests.to_string(),
            per_second(rate(group.requests, span_ms)),
            percent(group.success_share()),
            ok.to_string(),
            moved.to_string(),
            refused.to_string(),
            failed.to_string(),
            (none + informational).to_string(),
        ];
        cells.extend(QUANTILES.map(|(_, quantile)| micros(group.duration_us(quantile))));
        cells.push(micros(longest(group)));
        cells.push(units::format_bytes(group.request_bytes));
        cells.push(units::format_bytes(group.response_bytes));
        cells.push(percent(group.reused_share()));
        table.row(out, cells)?;
    }
    table.finish(out)?;
    if beyond > 0 {
        writeln!(out, "{name} has too many values: {beyond} requests of late ones are in _other")?;
    }
    Ok(())
}

/// The lanes with missing numbers.
fn incomplete(sequences: &Sequences) -> Vec<Lane> {
    sequences.lanes().filter(|lane| lane.holes() > 0 || lane.explained > 0).copied().collect()
}

/// Whether the figures can be trusted.
fn trust(out: &mut impl Write, sequences: &Sequences, records: &Records) -> anyhow::Result<()> {
    let read: u64 = sequences.lanes().map(|lane| lane.records).sum();
    let (damaged, newer) = records.unreadable();
    writeln!(
        out,
        "trust      {read} records read, {} overwritten or damaged before they could be read, \
         {damaged} unreadable, {newer} of a newer version",
        records.missed()
    )?;
    let lanes = incomplete(sequences);
    if lanes.is_empty() {
        writeln!(out, "           no numbers are missing")?;
    }
    for lane in lanes {
        let stream = lane.stream.map_or("unknown", |stream| stream.as_str());
        let Lane { epoch, worker, explained, first_seq, last_seq, .. } = lane;
        if lane.holes() == 0 {
            writeln!(
                out,
                "           gap records tell of {explained} dropped from {stream} of worker {worker}, start \
                 {epoch}; no other numbers are missing"
            )?;
            continue;
        }
        writeln!(
            out,
            "           {} numbers missing from {stream} of worker {worker}, start {epoch}, between \
             {first_seq} and {last_seq}; gap records explain {explained}",
            lane.holes()
        )?;
    }
    Ok(())
}

/// A share with one decimal, or `-`.
fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 1e2))
}

/// A rate with three digits, or `-`.
fn per_second(rate: Option<f64>) -> String {
    rate.map_or_else(
        || "-".to_owned(),
        |rate| {
            let decimals = usize::from(rate < 100.0) + usize::from(rate < 10.0);
            format!("{rate:.decimals$}/s")
        },
    )
}

/// A duration, or `-`.
fn micros(micros: Option<u64>) -> String {
    micros.map_or_else(|| "-".to_owned(), units::format_micros)
}
