//! `lbproxy log export`: every record as the document that is shipped. What `query --limit 0 --json`
//! prints, under the name by which it is looked for.

use std::process::ExitCode;

use super::query;
use super::source::Place;
use super::{FieldArg, Window};

/// Arguments of `lbproxy log export`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::with_language(EXAMPLES))]
pub(super) struct Args {
    /// Only records that it is true of; all without one.
    filter: Vec<String>,
    /// Which time is meant.
    #[command(flatten)]
    window: Window,
    /// Only these fields, with commas between them, by path or short name.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', hide_possible_values = true)]
    fields: Vec<FieldArg>,
    /// Print CSV instead of JSON.
    #[arg(long)]
    csv: bool,
    /// Where the journal is.
    #[command(flatten)]
    place: Place,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy log export > records.ndjson
  lbproxy log export 'service = shop' --since 1h | gzip > shop.ndjson.gz
  lbproxy log export --csv --fields time,path,status,duration > requests.csv";

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { filter, window, fields, csv, place } = args;
    let args = query::Args { filter, window, limit: 0, fields, json: !csv, csv, place };
    query::print(&args, true)
}
