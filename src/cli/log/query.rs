//! `lbproxy log query`: records that a filter is true of.

use std::io::{BufWriter, Write as _};
use std::process::ExitCode;

use super::columns;
use super::source::{Place, tell};
use super::table::Table;
use super::{FieldArg, Window};
use crate::base::visible;
use crate::journal::From;
use crate::query::{Newest, Row};

/// Arguments of `lbproxy log query`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::with_language(EXAMPLES))]
pub(super) struct Args {
    /// Only records that it is true of; without one, all but routine (below).
    pub(super) filter: Vec<String>,
    /// Which time is meant.
    #[command(flatten)]
    pub(super) window: Window,
    /// The newest so many, in order of time; 0 for all, in the order of the journal's lanes.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 1_000)]
    pub(super) limit: usize,
    /// Fields to print, with commas between them, by path or short name; default
    /// time,stream,status,method,host,path,duration,service,endpoint,reason.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', hide_possible_values = true)]
    pub(super) fields: Vec<FieldArg>,
    /// Print documents, one a line; with --fields only these.
    #[arg(long, conflicts_with = "csv")]
    pub(super) json: bool,
    /// Print CSV, with values as documents have them: no units, durations in ns or µs.
    #[arg(long)]
    pub(super) csv: bool,
    /// Where the journal is.
    #[command(flatten)]
    pub(super) place: Place,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy log query 'status = 5xx' --since 10m
  lbproxy log query 'service = shop and duration > 200ms' --fields time,path,duration,first_byte
  lbproxy log query 'path = /cart/* and not reason = complete' --json
  lbproxy log query 'attempts > 1' --since 2026-11-24T08:00:00Z --limit 0 --csv > retried.csv
Without a filter, tables and CSV leave out routine as `log tail` does: samples, rollups, and checks that
found no change; `stream = process` and the like show them, `stream = *` shows everything.";

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    print(args, args.json || !args.filter.is_empty())
}

/// Prints what was asked for; `has_routine` says whether also what comes at a fixed pace.
pub(super) fn print(args: &Args, has_routine: bool) -> anyhow::Result<ExitCode> {
    let filter = super::filter(&args.filter)?;
    let (since_ms, until_ms) = args.window.bounds_ms();
    let mut records = args.place.open(From::Oldest)?;
    let mut out = Output::new(args)?;
    let mut newest = Newest::new(args.limit);
    records.all::<anyhow::Error>(&mut |row, constants| {
        let is_within = since_ms.is_none_or(|since| row.time_ms() >= since)
            && until_ms.is_none_or(|until| row.time_ms() < until);
        let is_wanted = has_routine || !row.is_routine();
        if is_within && is_wanted && filter.matches(row) {
            if args.limit == 0 {
                out.print(row)?;
            } else {
                newest.offer(row, constants);
            }
        }
        Ok(())
    })?;
    let offered = newest.offered;
    newest.take(|row| out.print(row))?;
    out.finish()?;
    let limit = args.limit as u64;
    let more = format!("the newest {limit} of {offered} are shown; --limit 0 shows all");
    tell((limit > 0 && offered > limit).then_some(more));
    tell(records.complaints().into_iter().chain(records.news()));
    Ok(ExitCode::SUCCESS)
}

/// Prints records to standard output in the form that was asked for.
struct Output {
    out: BufWriter<std::io::StdoutLock<'static>>,
    fields: Vec<FieldArg>,
    form: Form,
}

enum Form {
    /// Whole documents.
    Documents,
    Json,
    Csv,
    Table(Table),
}

impl Output {
    /// Prints the head, where the form has one.
    fn new(args: &Args) -> anyhow::Result<Self> {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let mut fields = args.fields.clone();
        if fields.is_empty() {
            fields = columns::defaults()?;
        }
        let form = if args.json {
            if args.fields.is_empty() { Form::Documents } else { Form::Json }
        } else if args.csv {
            writeln!(out, "{}", columns::csv_head(&fields))?;
            Form::Csv
        } else {
            let head = fields.iter().map(|arg| arg.name.clone()).collect();
            Form::Table(Table::new(head, fields.iter().map(columns::is_figure).collect()))
        };
        Ok(Self { out, fields, form })
    }

    fn print(&mut self, row: &Row<'_>) -> anyhow::Result<()> {
        match &mut self.form {
            Form::Documents => {
                let mut line = Vec::new();
                super::document(row, &mut line)?;
                line.push(b'\n');
                self.out.write_all(&line)?;
            }
            Form::Json => {
                let object = columns::json(row, &self.fields)?;
                writeln!(self.out, "{}", visible::json(&object))?;
            }
            Form::Csv => writeln!(self.out, "{}", columns::csv(row, &self.fields)?)?,
            Form::Table(table) => table.row(&mut self.out, columns::cells(row, &self.fields))?,
        }
        Ok(())
    }

    /// Hands over what was printed.
    fn finish(&mut self) -> anyhow::Result<()> {
        if let Form::Table(table) = &mut self.form {
            table.finish(&mut self.out)?;
        }
        Ok(self.out.flush()?)
    }
}
