//! `lbproxy log tail`: the last records, then each new one.

use std::io::{BufWriter, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::super::interrupt::Interrupt;
use super::super::output;
use super::line::{Paint, line};
use super::source::{Place, tell};
use crate::journal::From;
use crate::query::{Filter, Newest, PASS_BYTES, Records, Row};
use crate::record::Constants;

/// How long to wait when nothing is new: short for eyes, long for a processor.
const IDLE: Duration = Duration::from_millis(250);

/// Arguments of `lbproxy log tail`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::with_language(EXAMPLES))]
pub(super) struct Args {
    /// Only records that it is true of.
    filter: Vec<String>,
    /// How many of the records that are there already.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 10)]
    lines: usize,
    /// Wait for new records until Ctrl-C; the default.
    #[arg(long, short, overrides_with = "no_follow")]
    follow: bool,
    /// End after the records that are there.
    #[arg(long)]
    no_follow: bool,
    /// Print documents, one a line.
    #[arg(long)]
    json: bool,
    /// Where the journal is.
    #[command(flatten)]
    place: Place,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy log tail                                   the last 10, then each as it ends
  lbproxy log tail -n 100 --no-follow                the last 100
  lbproxy log tail 'status = 5xx or duration > 1s'   only what hurts
  lbproxy log tail --json | jq .                     documents as they are shipped
A line: time, status, method, host and path, duration, service→endpoint, bytes up and down, and why it
ended if that was not normal. Times are UTC. Without a filter, lines leave out what comes at a fixed pace:
samples, rollups, and checks that found no change; `stream = process` and the like show them, `stream = *`
shows everything.";

/// Prints records until there are no more, or until Ctrl-C.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let wanted = Wanted {
        filter: super::filter(&args.filter)?,
        has_routine: args.json || !args.filter.is_empty(),
    };
    let from = if args.lines == 0 { From::Now } else { From::Oldest };
    let mut records = args.place.open(from)?;
    let mut out = Printer::new(args.json);
    let mut newest = Newest::new(args.lines);
    let interrupt = Interrupt::install().context("cannot watch for Ctrl-C")?;
    records.all::<anyhow::Error>(&mut |row, constants| {
        if wanted.has(row) {
            newest.offer(row, constants);
        }
        Ok(())
    })?;
    newest.take(|row| out.print(row))?;
    out.flush()?;
    tell(records.complaints());
    // What was overwritten long ago is no news to somebody who asks for the last few.
    let _ = records.news();
    if !args.no_follow {
        follow(&mut records, &wanted, &mut out, &interrupt)?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug)]
struct Wanted {
    /// Those that it is true of.
    filter: Filter,
    /// Also those that come at a fixed pace and tell of nothing that happened.
    has_routine: bool,
}

impl Wanted {
    /// Whether this is one.
    fn has(&self, row: &Row<'_>) -> bool {
        (self.has_routine || !row.is_routine()) && self.filter.matches(row)
    }
}

/// Prints new records until Ctrl-C or until nobody reads any more.
fn follow(
    records: &mut Records,
    wanted: &Wanted,
    out: &mut Printer,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    let mut wait = Duration::ZERO;
    while !interrupt.wait_for(wait) && !output::is_closed() {
        // One pass is put in order of time; between passes lanes may overlap a little.
        let mut newest = Newest::new(usize::MAX);
        let mut visit = |row: &Row<'_>, constants: &Arc<Constants>| {
            if wanted.has(row) {
                newest.offer(row, constants);
            }
            Ok(())
        };
        let bytes = records.pass::<anyhow::Error>(&mut visit)?;
        newest.take(|row| out.print(row))?;
        out.flush()?;
        tell(records.news());
        wait = if bytes < PASS_BYTES { IDLE } else { Duration::ZERO };
    }
    Ok(())
}

/// Prints records to standard output.
#[derive(Debug)]
pub(super) struct Printer {
    /// Standard output.
    out: BufWriter<std::io::StdoutLock<'static>>,
    /// Whether as documents.
    json: bool,
    /// Else in which colours.
    paint: Paint,
    line: Vec<u8>,
}

impl Printer {
    /// Prints lines for people, or documents.
    pub(super) fn new(json: bool) -> Self {
        let out = BufWriter::new(std::io::stdout().lock());
        let paint = Paint { has_colours: output::has_colours() };
        Self { out, json, paint, line: Vec::new() }
    }

    pub(super) fn print(&mut self, row: &Row<'_>) -> anyhow::Result<()> {
        self.line.clear();
        if self.json {
            super::document(row, &mut self.line)?;
        } else {
            self.line.extend_from_slice(line(row, self.paint).as_bytes());
        }
        self.line.push(b'\n');
        Ok(self.out.write_all(&self.line)?)
    }

    /// Hands over what was printed.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        Ok(self.out.flush()?)
    }
}
