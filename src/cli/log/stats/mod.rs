//! `lbproxy log stats`: figures over the requests in a journal, and whether any are missing.

use std::io::{BufWriter, Write as _};
use std::process::ExitCode;

use super::source::Place;
use super::{FieldArg, Window};
use crate::base::visible;
use crate::journal::From;
use crate::query::{Group, Groups, Sequences};

mod json;
mod text;

/// Arguments of `lbproxy log stats`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::with_language(EXAMPLES))]
pub(super) struct Args {
    /// Only requests that it is true of.
    filter: Vec<String>,
    /// Which time is meant.
    #[command(flatten)]
    window: Window,
    /// A row for each value of this field, such as service, endpoint, status, path or reason.
    #[arg(long, value_name = "FIELD", hide_possible_values = true)]
    by: Option<FieldArg>,
    /// The largest so many; the rest is one row, _other.
    #[arg(long, value_name = "COUNT", default_value_t = 20, requires = "by")]
    top: usize,
    /// Print one JSON object: counts, bytes, microseconds, shares from 0 to 1.
    #[arg(long)]
    json: bool,
    /// Where the journal is.
    #[command(flatten)]
    place: Place,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy log stats --since 10m
  lbproxy log stats --by service
  lbproxy log stats 'service = shop' --by path --top 5
  lbproxy log stats --by endpoint --json | jq '.groups[] | select(.success_share < 0.99)'
Success is served / (served + failed); requests whose client left are unknown and in neither. The rate
is over --since to --until, or first to last request. Trust counts every record, whatever the filter.";

/// The quantiles that are shown.
const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];

#[derive(Debug, Default)]
struct Findings {
    total: Group,
    groups: Option<Groups>,
    /// Times of the first and last request.
    range_ms: Option<(u64, u64)>,
    /// What the rate is over.
    span_ms: u64,
    sequences: Sequences,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let filter = super::filter(&args.filter)?;
    let (since_ms, until_ms) = args.window.bounds_ms();
    let mut records = args.place.open(From::Oldest)?;
    let groups = args.by.as_ref().map(|by| Groups::new(by.field));
    let mut found = Findings { groups, ..Findings::default() };
    records.all::<anyhow::Error>(&mut |row, _| {
        found.sequences.add(row);
        let time_ms = row.time_ms();
        let is_within = since_ms.is_none_or(|since| time_ms >= since)
            && until_ms.is_none_or(|until| time_ms < until);
        if let (true, Some(record)) = (is_within && filter.matches(row), row.access()) {
            found.total.add(&record);
            if let Some(groups) = &mut found.groups {
                groups.add(row, &record);
            }
            let (first, last) = found.range_ms.unwrap_or((time_ms, time_ms));
            found.range_ms = Some((first.min(time_ms), last.max(time_ms)));
        }
        Ok(())
    })?;
    found.span_ms = found.range_ms.map_or(0, |(first, last)| {
        until_ms.unwrap_or(last).saturating_sub(since_ms.unwrap_or(first))
    });
    let mut out = BufWriter::new(std::io::stdout().lock());
    if args.json {
        let object = json::object(found, args.top, &records).to_string();
        writeln!(out, "{}", visible::json(&object))?;
    } else {
        text::write(&mut out, found, args.top, &records)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Requests per second.
#[expect(clippy::cast_precision_loss, reason = "a rate has three digits")]
fn rate(requests: u64, span_ms: u64) -> Option<f64> {
    (span_ms > 0).then(|| requests as f64 * 1e3 / span_ms as f64)
}

/// The longest duration, if there was any.
fn longest(group: &Group) -> Option<u64> {
    group.duration_us(1.0).map(|_| group.duration_us_max)
}
