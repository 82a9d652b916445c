//! `lbproxy log`: the records of a journal, for people and pipes. Reads without the journal's lock,
//! so it works while the proxy runs and after it has stopped, and changes nothing; `resend` alone
//! changes the file of dead letters beside it.
//!
//! Human forms show control characters of URLs and user agents as escapes; JSON is the exact form, in
//! which they are JSON's own escapes.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Subcommand;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser, ValueParserFactory};

use super::output::UsageError;
use crate::base::{instant, units, visible};
use crate::query::{FIELD_NAMES, Field, Filter, Row};

mod audit;
mod columns;
mod export;
mod line;
mod query;
mod resend;
pub(super) mod server;
pub(super) mod source;
mod stats;
pub(super) mod table;
mod tail;

/// Arguments of `lbproxy log`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// Shown below `lbproxy log --help`.
const EXAMPLES: &str = "\
Examples:
  lbproxy log tail                                   watch requests as they end
  lbproxy log query 'status = 5xx and path ~ cart' --since 10m
  lbproxy log stats --by service                     rate, success and latency of each service
  lbproxy log export --since 1h > requests.ndjson    every record as the document that is shipped
  lbproxy log audit                                  is everything on the server, and once?
  lbproxy log resend                                 what the server refused, once more
Where the journal is: --journal, else the configuration's telemetry.journal.path, else data/journal.";

/// Shown below the help of everything that takes a filter.
const LANGUAGE: &str = "\
Filter: FIELD OPERATOR VALUE, joined by and, or, not and parentheses; `and` may be left out.
  =  !=            status = 502, status = 5xx, method != GET, client = 10.0.0.0/8, reused = true
  <  <=  >  >=     duration > 200ms, bytes >= 1MiB, attempts > 1, time >= 2026-11-24T08:00:00Z
  ~                contains, capitals or not: path ~ cart, agent ~ firefox
  *  in a value    anything: path = /shop/*, upstream_status = * (is there), reason != *  (is not)
  \"a b\"  \\*        a value with spaces; a star itself
Fields are document paths (http.response.status_code) or short names (status); `lbproxy schema
record` lists them. Put the filter in '…', for > ~ * and ( mean something to the shell.";

/// What can be done with a journal.
#[derive(Debug, Subcommand)]
enum Command {
    /// Print the last records, then each new one.
    Tail(tail::Args),
    /// Find records.
    Query(query::Args),
    /// Count and measure requests.
    Stats(stats::Args),
    /// Print every record as a document, one a line.
    Export(export::Args),
    /// Prove that the server has every record once: number by number, against the journal.
    Audit(audit::Args),
    /// Send dead letters again, after what they were refused for is mended.
    Resend(resend::Args),
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Tail(args) => tail::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Stats(args) => stats::run(&args),
        Command::Export(args) => export::run(args),
        Command::Audit(args) => audit::run(&args),
        Command::Resend(args) => resend::run(&args),
    }
}

/// The examples of a command, then the language.
fn with_language(examples: &str) -> String {
    let mut text = String::from(examples);
    // Writing to a String cannot fail.
    let _ = write!(text, "\n\n{LANGUAGE}");
    text
}

/// The words of a filter as one.
fn filter(words: &[String]) -> Result<Filter, UsageError> {
    Filter::parse(&words.join(" ")).map_err(|error| UsageError(format!("filter: {error}")))
}

/// Writes the document of a record: as it is shipped, with what acts on a terminal as JSON's escapes.
///
/// # Errors
/// None: the record was read once.
fn document(row: &Row<'_>, line: &mut Vec<u8>) -> anyhow::Result<()> {
    row.write_document(line)?;
    if let Ok(Cow::Owned(escaped)) = std::str::from_utf8(line).map(visible::json) {
        *line = escaped.into_bytes();
    }
    Ok(())
}

/// Which time is meant.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct Window {
    /// Only records from then on: an age such as 10m or 2h, or an instant as in records.
    #[arg(long, visible_alias = "from", value_name = "TIME", value_parser = when)]
    since: Option<When>,
    /// Only records before then.
    #[arg(long, visible_alias = "to", value_name = "TIME", value_parser = when)]
    until: Option<When>,
}

impl Window {
    /// First millisecond that is meant, and first that is not.
    pub(super) fn bounds_ms(self) -> (Option<u64>, Option<u64>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let instant = |when| match when {
            When::At(ms) => ms,
            When::Ago(span) => {
                u64::try_from(now.saturating_sub(span).as_millis()).unwrap_or(u64::MAX)
            }
        };
        (self.since.map(instant), self.until.map(instant))
    }
}

/// A time on the command line.
#[derive(Debug, Clone, Copy)]
enum When {
    /// Milliseconds since 1970.
    At(u64),
    /// So long ago.
    Ago(Duration),
}

/// For clap: a time.
fn when(text: &str) -> Result<When, String> {
    let age = || units::parse_duration(text).map(When::Ago);
    let instant = instant::parse_rfc3339(text).map(When::At);
    instant.or_else(age).ok_or_else(|| {
        "write an age such as 10m, or an instant such as 2026-11-24T08:00:00Z".to_owned()
    })
}

/// A field on the command line; its names are completed by shells.
#[derive(Debug, Clone)]
struct FieldArg {
    name: String,
    field: &'static Field,
}

impl ValueParserFactory for FieldArg {
    type Parser = FieldArgParser;
    fn value_parser() -> FieldArgParser {
        FieldArgParser
    }
}

#[derive(Debug, Clone)]
struct FieldArgParser;

impl TypedValueParser for FieldArgParser {
    type Value = FieldArg;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<FieldArg, clap::Error> {
        let read = |name: String| match Field::find(&name) {
            Ok(field) => Ok(FieldArg { name, field }),
            Err(unknown) => Err(unknown),
        };
        StringValueParser::new().try_map(read).parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(FIELD_NAMES.iter().map(|name| PossibleValue::new(*name))))
    }
}
