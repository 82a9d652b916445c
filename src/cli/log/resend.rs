//! `lbproxy log resend`: dead letters once more. Not here: how they are sent (`ship::resend`).
//!
//! Exit code 0: none is left that could be sent. 1: some were refused again, or could not be sent.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use super::server::{self, Progress, Server};
use crate::base::equation::Equation;
use crate::base::visible::visible;
use crate::ship::DEAD_LETTERS_FILE_NAME;
use crate::ship::resend::{self, Options, Report};

/// Arguments of `lbproxy log resend`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Show what would be sent and what it was refused for; ask nobody, change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Which server is meant.
    #[command(flatten)]
    server: Server,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy log resend --dry-run      how many, and what they were refused for
  lbproxy log resend                beside a running proxy or after its end
Each goes to its own stream with its own _id and is looked up before, so that it is stored once however
often this is run; what is refused again stays, with the new reason. May be ended at any time.
Exit code 0: none is left that can be sent. 1: some were refused again, or the server cannot be asked.
2: usage or configuration.";

/// Sends them, and prints what became of them.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let target = args.server.target()?;
    let folder = &target.folder;
    let report = if args.dry_run {
        resend::survey(folder)?
    } else {
        let (config, namespace) = (&target.elasticsearch, target.namespace.as_str());
        let progress = Progress::new();
        let options = Options { config, namespace, folder };
        let mut show = |settled, all| progress.show(&format!("{settled} of {all} dead letters"));
        server::run(resend::resend(&options, &mut show))?
    };
    let file = folder.join(DEAD_LETTERS_FILE_NAME).display().to_string();
    let mut out = std::io::stdout().lock();
    out.write_all(text(&report, &file, args.dry_run).as_bytes())?;
    out.flush()?;
    let is_well = args.dry_run || report.refused_total() + report.left == 0;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What became of them, or would be sent.
fn text(report: &Report, file: &str, is_dry_run: bool) -> String {
    let Report { letters, stored, duplicate, failure_store, refused, unreadable, left, problem } =
        report;
    if *letters == 0 {
        return format!("no dead letters in {file}: nothing to do\n");
    }
    let mut text = String::new();
    // Writing to a String cannot fail, here and below.
    let again = if is_dry_run { "" } else { " again" };
    for (reason, count) in refused {
        let resend::Reason { stream, status, kind, example } = reason;
        let example: String = example.chars().take(300).collect();
        let line = format!("{count} refused{again}: {stream}: {status} {kind}: {example}");
        let _ = writeln!(text, "{}", visible(line.as_bytes()));
    }
    if *unreadable > 0 {
        let _ = writeln!(
            text,
            "{unreadable} cannot be sent: records without a document, or lines that are no letter; \
             they stay in {file} until somebody removes them"
        );
    }
    if is_dry_run {
        let ready = report.refused_total();
        let _ = writeln!(text, "{ready} would be sent again; nothing was changed");
        return text;
    }
    if let Some(problem) = problem {
        let _ = writeln!(text, "{left} were left as they were: {}", visible(problem.as_bytes()));
    }
    let refused = report.refused_total();
    let ends = [
        ("stored", *stored),
        ("duplicate", *duplicate),
        ("failure_store", *failure_store),
        ("refused", refused),
        ("unreadable", *unreadable),
        ("left", *left),
    ];
    let _ = writeln!(text, "{}", Equation::new(&[("dead_letters", *letters)], &ends));
    if refused + left > 0 {
        let _ = writeln!(text, "mend what the reasons say and run it again; they stay in {file}");
    }
    text
}
