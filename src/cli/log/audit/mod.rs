//! `lbproxy log audit`: can I believe it? Whether the server has every record of the journal once.
//!
//! Exit code 0: every number is accounted for. 1: something is missing or stands twice. Not here: how
//! that is found out (`ship::audit`).

mod text;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::Window;
use super::server::{self, Progress, Server};
use crate::base::visible;
use crate::record::Stream;
use crate::ship::audit::{self, Account, Finding, Hole, Options, Report, Runs};

/// Arguments of `lbproxy log audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Which time is meant.
    #[command(flatten)]
    window: Window,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// Which server is meant.
    #[command(flatten)]
    server: Server,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy log audit                         everything, beside a running proxy or after its end
  lbproxy log audit --since 1h
  lbproxy log audit --json | jq .holds
  lbproxy log audit --elasticsearch http://other:9200
It reads only, and may be ended with Ctrl-C at any time.
Exit code 0: every number is accounted for. 1: something is missing or stands twice, or the server
cannot be asked. 2: usage or configuration.";

/// Compares, and prints what was found.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let target = args.server.target()?;
    let (since_ms, until_ms) = args.window.bounds_ms();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let options = Options {
        config: &target.elasticsearch,
        namespace: &target.namespace,
        folder: &target.folder,
        window: audit::Window { since_ms, until_ms },
        now_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
    };
    let progress = Progress::new();
    let found = server::run(audit::audit(&options, &mut |what| progress.show(what)));
    drop(progress);
    let report = found?;
    let total = total(&report.findings);
    let text = if args.json {
        let object = serde_json::to_string_pretty(&object(&report, &total, &options))?;
        visible::json(&object).into_owned() + "\n"
    } else {
        text::report(&report, &total, &options)
    };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(if total.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Debug, Default, Clone, Copy)]
struct Total {
    /// Numbers asked about.
    created: u64,
    /// Stored once.
    once: u64,
    /// Stored more than once.
    twice: u64,
    /// Not shipped yet.
    waiting: u64,
    /// Refused for good.
    dead: u64,
    failure_store: u64,
    /// Dropped and told.
    gaps: u64,
    /// Deleted for their age.
    aged: u64,
    /// Rollups stored under an earlier number.
    again: u64,
    /// In no place.
    missing: u64,
}

impl Total {
    fn add(&mut self, account: &Account) {
        self.created += account.created;
        self.once += account.once;
        self.twice += account.twice.count();
        self.waiting += account.waiting;
        self.dead += account.dead;
        self.failure_store += account.failure_store;
        self.gaps += account.gaps;
        self.aged += account.aged;
        self.again += account.again;
        self.missing += account.missing.count();
    }

    /// Whether nothing is missing and nothing stands twice.
    const fn holds(&self) -> bool {
        self.missing == 0 && self.twice == 0
    }

    /// Every place with its name, in the order of the equation.
    const fn places(&self) -> [(&'static str, u64); 9] {
        [
            ("stored", self.once),
            ("waiting", self.waiting),
            ("dead_letter", self.dead),
            ("failure_store", self.failure_store),
            ("dropped", self.gaps),
            ("aged", self.aged),
            ("again", self.again),
            ("twice", self.twice),
            ("missing", self.missing),
        ]
    }
}

/// The sum of all findings.
fn total(findings: &[Finding]) -> Total {
    let mut total = Total::default();
    for finding in findings {
        total.add(&finding.account);
    }
    total
}

/// The sum of each kind that there is.
fn by_kind(findings: &[Finding]) -> Vec<(Stream, Total)> {
    let kinds = Stream::ALL.into_iter().map(|kind| {
        let of_kind = findings.iter().filter(|finding| finding.lane.kind() == Some(kind));
        let mut total = Total::default();
        of_kind.for_each(|finding| total.add(&finding.account));
        (kind, total)
    });
    kinds.filter(|(_, total)| total.created > 0).collect()
}

/// Everything, for programs.
fn object(report: &Report, total: &Total, options: &Options<'_>) -> Value {
    let counts = |total: &Total| {
        let mut object = json!({ "created": total.created });
        for (name, count) in total.places() {
            object[name] = count.into();
        }
        object
    };
    let runs =
        |runs: &Runs| runs.runs().iter().take(1_000).map(|run| json!([run.0, run.1])).collect();
    let lane = |finding: &Finding| {
        let Finding { lane, account, holes, twice_in } = finding;
        let mut sum = Total::default();
        sum.add(account);
        let mut object = counts(&sum);
        object["kind"] = lane.kind().map(Stream::as_str).into();
        object["instance"] = format!("{:010x}", lane.instance).into();
        object["epoch"] = lane.epoch.into();
        object["worker"] = lane.worker.into();
        object["missing_runs"] = runs(&account.missing);
        object["twice_runs"] = runs(&account.twice);
        object["twice_in"] = json!(twice_in);
        object["holes"] = holes.iter().map(hole).collect();
        object
    };
    let mut object = counts(total);
    object["holds"] = total.holds().into();
    object["product"] = report.product.as_str().into();
    object["url"] = report.url.as_str().into();
    object["namespace"] = options.namespace.into();
    object["journal"] = options.folder.display().to_string().into();
    object["dead_letter_lines"] = report.dead_letters.into();
    object["failure_store_unread"] = report.is_failure_store_unread.into();
    object["requests"] = report.requests.into();
    object["lanes"] = report.findings.iter().map(lane).collect();
    object
}

/// A hole, for programs.
fn hole(hole: &Hole) -> Value {
    let Hole { first, last, after_ms, before_ms, held } = hole;
    json!({
        "first": first, "last": last, "after_ms": after_ms, "before_ms": before_ms,
        "in_journal": held,
    })
}
