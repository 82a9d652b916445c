//! What an audit found, for people: a line for each kind, what is wrong number by number, the equation,
//! and what to do.

use std::fmt::Write as _;

use super::super::table::Table;
use super::{Total, by_kind};
use crate::base::equation::Equation;
use crate::record::timestamp_text;
use crate::ship::audit::{Finding, Hole, Options, Report};

/// Runs of numbers that are told of one lane.
const RUNS_MAX: usize = 5;

pub(super) fn report(report: &Report, total: &Total, options: &Options<'_>) -> String {
    let mut text = String::new();
    let instances: Vec<_> =
        report.instances.iter().map(|instance| format!("{instance:010x}")).collect();
    // Writing to a String cannot fail, here and below.
    let _ =
        writeln!(text, "journal  {}, instance {}", options.folder.display(), instances.join(", "));
    let (product, url) = (report.product.title(), &report.url);
    let namespace = options.namespace;
    let _ = writeln!(text, "server   {product} at {url}, namespace {namespace}\n");
    text += &table(report, total);
    let wrong: String = report.findings.iter().map(wrong).collect();
    if !wrong.is_empty() {
        let _ = write!(text, "\n{wrong}");
    }
    let _ = writeln!(text, "\n{}", equation(total));
    for cure in cures(report, total) {
        let _ = writeln!(text, "{cure}");
    }
    text
}

/// A row for each kind. Places that hold nothing at all have no column.
fn table(report: &Report, total: &Total) -> String {
    let is_shown = |(_, (name, count)): &(usize, (&str, u64))| {
        *count > 0 || ["stored", "twice", "missing"].contains(name)
    };
    let columns: Vec<usize> =
        total.places().into_iter().enumerate().filter(is_shown).map(|(n, _)| n).collect();
    let row = |name: &str, total: &Total| {
        let places = total.places();
        let counts = columns.iter().map(|n| places[*n].1.to_string());
        [name.to_owned(), total.created.to_string()].into_iter().chain(counts).collect()
    };
    let names = total.places();
    let head = ["kind", "created"].into_iter().chain(columns.iter().map(|n| names[*n].0));
    let head: Vec<_> = head.map(str::to_owned).collect();
    let figures = (0..head.len()).map(|column| column > 0).collect();
    let (mut table, mut out) = (Table::new(head, figures), Vec::new());
    for (kind, total) in by_kind(&report.findings) {
        let _ = table.row(&mut out, row(kind.as_str(), &total)); // memory takes everything
    }
    let _ = table.finish(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// What is wrong with a lane; nothing when all is well.
fn wrong(finding: &Finding) -> String {
    let Finding { lane, account, holes, twice_in } = finding;
    let mut text = String::new();
    if !account.missing.is_empty() {
        let _ = writeln!(text, "{lane}: {} missing", account.missing.count());
        for hole in holes.iter().take(RUNS_MAX) {
            let _ = writeln!(text, "  {}", told(hole));
        }
        more(&mut text, account.missing.runs().len(), holes.len().min(RUNS_MAX));
    }
    if !account.twice.is_empty() {
        let _ = writeln!(
            text,
            "{lane}: {} stored twice, in {}",
            account.twice.count(),
            twice_in.join(" and ")
        );
        for (first, last) in account.twice.runs().iter().take(RUNS_MAX) {
            let _ = writeln!(text, "  {}", numbers(*first, *last));
        }
        more(&mut text, account.twice.runs().len(), RUNS_MAX);
    }
    text
}

/// Says how many runs are not told.
fn more(text: &mut String, all: usize, told: usize) {
    if all > told {
        let _ = writeln!(text, "  and {} more runs; --json tells 1000 of them", all - told);
    }
}

fn numbers(first: u64, last: u64) -> String {
    if first == last {
        format!("lbproxy.seq {first}")
    } else {
        format!("lbproxy.seq {first} to {last}")
    }
}

fn told(hole: &Hole) -> String {
    let Hole { first, last, after_ms, before_ms, held } = hole;
    let mut text = numbers(*first, *last);
    let times = [("after", after_ms), ("before", before_ms)];
    for (word, time) in times.iter().filter_map(|(word, ms)| Some((word, (**ms)?))) {
        let _ = write!(text, ", {word} {time}", time = timestamp_text(time));
    }
    if *held > 0 {
        let _ = write!(text, "; the journal still holds {held}");
    }
    text
}

/// The last line that matters, in the manner of a run's last lines.
fn equation(total: &Total) -> Equation {
    let (left, right) = (vec![("created", total.created)], total.places().to_vec());
    Equation { left, right, holds: total.holds() }
}

fn cures(report: &Report, total: &Total) -> Vec<String> {
    let mut cures = Vec::new();
    if total.created == 0 {
        cures.push("no record is meant by this".to_owned());
    }
    if report.dead_letters > 0 {
        let count = report.dead_letters;
        cures.push(format!("{count} dead letters: `lbproxy log resend` sends them again"));
    }
    if total.failure_store > 0 {
        cures.push(format!(
            "{} in the failure store: kept, and in no search of the streams; \
             `GET STREAM::failures/_search` says why, docs/shipping.md, \"Proof and repair\", what to do",
            total.failure_store
        ));
    }
    if report.is_failure_store_unread && total.missing > 0 {
        cures.push(
            "the failure store may hold some that are missing: grant the user `read_failure_store` on \
             *-lbproxy.*, as `lbproxy setup` does"
                .to_owned(),
        );
    }
    if total.waiting > 0 {
        cures.push(format!("{} waiting: the proxy ships them while it runs", total.waiting));
    }
    if total.missing > 0 {
        cures.push(
            "missing: neither stored, waiting, refused, in the failure store, dropped nor old; \
             docs/shipping.md, \"Proof and repair\", says what may have happened and what the journal \
             can still give"
                .to_owned(),
        );
    }
    if total.twice > 0 {
        cures.push(
            "twice: delete the copy in the newer index, by lbproxy.instance, epoch, worker and seq"
                .to_owned(),
        );
    }
    cures
}
