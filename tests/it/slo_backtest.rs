//! Goal: what `lbproxy slo backtest` and `lbproxy slo report` say is what happened: the alerts of the live
//! evaluation, the counts of `lbproxy log query`; and every way to ask wrongly has an answer. Method: the real
//! program on the journal of a proxy whose endpoint was gone, and on journals written here with known outages, whose
//! texts are in `tests/fixtures/slo` (`UPDATE=1` writes them).

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use lbproxy::base::instant::parse_rfc3339;
use lbproxy::record::{Outcome, Reason, Status, Text};
use serde_json::Value;

use crate::log::{ROOMY, append, journal, served};
use crate::support::*;

/// A minute, its record, and some time to write it.
const MINUTE: Duration = Duration::from_secs(100);
/// Start of planted traffic: 2026-09-21 14:14:00 UTC.
const T0: u64 = 1_790_000_040_000;

/// Runs `lbproxy` in the repository.
fn lbproxy(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbproxy"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

/// Exit code, standard output, standard error.
fn said(args: &[&str]) -> (Option<i32>, String, String) {
    let output = lbproxy(args);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Standard output of what must go well.
fn text(args: &[&str]) -> String {
    let (code, out, error) = said(args);
    assert_eq!(code, Some(0), "{args:?}: {error}");
    out
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&text(&[args, &["--format", "json"]].concat())).unwrap()
}

/// Lines that `lbproxy log query` finds.
fn count(journal: &str, filter: &str) -> u64 {
    let out = text(&["log", "query", filter, "--limit", "0", "--json", "--journal", journal]);
    out.lines().count() as u64
}

/// Compares with a text that is committed.
fn assert_committed(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/slo").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(committed, text, "{} is not what is said now; UPDATE=1 writes it", path.display());
}

#[test]
fn a_back_test_of_a_journal_gives_the_alerts_that_were_given() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let proxy = Proxy::start_in(Arc::clone(&dir), &one_service(&[nobody()], ""), "slo: {}\n");
    for _ in 0..100 {
        assert!(proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").head.contains(" 50"));
    }
    let folder = dir.path().join("journal");
    let folder = folder.to_str().unwrap();
    let config = dir.path().join("proxy.yaml");
    let config = config.to_str().unwrap();
    // The live evaluation's own records of the minutes.
    let live = || {
        let filter = "stream = slo and slo_name = availability and slo_valid > 0";
        let out = text(&["log", "query", filter, "--json", "--journal", folder]);
        let rows: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let sum = |path: &str| rows.iter().map(|row| row[path].as_u64().unwrap()).sum::<u64>();
        (sum("lbproxy.slo.valid"), sum("lbproxy.slo.bad"))
    };
    wait_within(MINUTE, "records of minutes", || (live() == (100, 100)).then_some(()));
    let log = proxy.terminate();
    // A line of the log: which alert, and when.
    let alerts: Vec<_> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["fields"]["message"] == "an objective is not kept: alert fires")
        .map(|line| {
            let at_ms = parse_rfc3339(line["timestamp"].as_str().unwrap()).unwrap();
            (line["fields"]["severity"].as_str().unwrap().to_owned(), at_ms)
        })
        .collect();
    assert_eq!(alerts.len(), 2, "a page and a ticket: {log}");

    let found = json(&["slo", "backtest", "--config", config]);
    let objective = |name: &str| {
        let mut objectives = found["objectives"].as_array().unwrap().iter();
        objectives.find(|objective| objective["name"] == name).unwrap().clone()
    };
    let availability = objective("availability");
    assert_eq!((&availability["valid"], &availability["bad"]), (&100.into(), &100.into()));
    let told = availability["alerts"].as_array().unwrap();
    assert_eq!(told.len(), alerts.len(), "{told:#?}");
    for (severity, at_ms) in alerts {
        let same = told.iter().find(|alert| alert["severity"] == severity.as_str()).unwrap();
        // Each evaluates every ten seconds, from its own start.
        let apart = same["since"].as_u64().unwrap().abs_diff(at_ms);
        assert!(apart <= 20_000, "{severity}: {apart} ms apart");
        assert_eq!(same["reason"], "connect_refused");
    }
    assert_eq!(objective("latency")["valid"], 0, "nothing succeeded");
    assert_eq!(count(folder, "stream = access and outcome = failure"), 100);
    assert_eq!(found["completeness"]["missing"], 0);
}

/// A request a second for three hours to two endpoints; one of them refuses for six minutes, and another path fails
/// now and then.
fn plant(dir: &Path) -> String {
    let (journal, mut lane, _control) = journal(dir, ROOMY);
    for second in 0..3 * 3_600_u64 {
        let path = if second % 7 == 0 { "/cart" } else { "/" };
        let mut record = served(path, T0 + second * 1_000, 20_000 + second % 10 * 28_000);
        record.endpoint = Some(Text(if second % 2 == 0 { b"10.0.0.1:80" } else { b"10.0.0.2:80" }));
        record.route = Some(Text(path.as_bytes()));
        let is_refused = second % 2 == 1 && (5_400..5_760).contains(&second);
        if is_refused || second % 2_100 == 0 {
            record.outcome = Some(Outcome::Failure);
            record.reason =
                Some(if is_refused { Reason::ConnectRefused } else { Reason::Complete });
            record.status = Some(Status(if is_refused { 502 } else { 500 }));
        }
        append(&mut lane, &record);
    }
    drop((lane, journal));
    dir.join("journal").to_str().unwrap().to_owned()
}

/// A text without the folder of this run.
fn anywhere(text: &str, journal: &str) -> String {
    text.replace(journal, "JOURNAL")
}

const FILES: [&str; 3] = ["slo/availability.yaml", "slo/latency.yaml", "slo/per-endpoint.yaml"];

#[test]
fn known_outages_are_told_as_text_and_as_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let journal = plant(dir.path());
    let source = ["--journal", &journal];
    let backtest = [&["slo", "backtest"], &FILES[..], &source].concat();
    assert_committed("backtest.txt", &anywhere(&text(&backtest), &journal));
    let until = ["--until", "2026-09-21T17:14:00Z", "--window", "6h"];
    let report = [&["slo", "report"], &FILES[..], &source, &until].concat();
    assert_committed("report.md", &anywhere(&text(&report), &journal));

    // The same numbers as of somebody who counts records.
    let found = json(&report);
    let availability = &found["objectives"][0];
    let valid = count(&journal, "stream = access and outcome != unknown");
    let bad = count(&journal, "stream = access and outcome = failure");
    assert_eq!((&availability["valid"], &availability["bad"]), (&valid.into(), &bad.into()));
    let budget = &availability["budget"];
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let allowed = valid as f64 * 0.001;
    assert!((budget["events"].as_f64().unwrap() - allowed).abs() < 1e-6, "{budget}");
    assert_eq!(budget["spent"], bad);
    for (kind, value, filter) in [
        ("reason", "connect_refused", "reason = connect_refused"),
        ("endpoint", "10.0.0.2:80", "outcome = failure and endpoint = 10.0.0.2:80"),
        ("route", "/cart", "outcome = failure and route = /cart"),
    ] {
        let spenders = availability["spenders"][kind].as_array().unwrap();
        let spender = spenders.iter().find(|spender| spender["value"] == value).unwrap();
        assert_eq!(spender["bad"], count(&journal, filter), "{kind} {value}");
    }
    assert_eq!(found["completeness"]["missing"], 0);
    let share = found["completeness"]["share"].as_f64().unwrap();
    assert!((0.49..0.51).contains(&share), "three hours of six: {share}");
    // A page by itself: pictures, no script, nothing from elsewhere.
    let page = text(&[&report[..], &["--format", "html"]].concat());
    assert_eq!(page.matches("<svg").count(), 4, "two endpoints of the third");
    assert!(!page.contains("<script") && !page.contains("http:") && !page.contains("src="));
    let file = dir.path().join("out.svg");
    let svg = [&backtest[..], &["--format", "svg", "--out", file.to_str().unwrap()]].concat();
    assert_eq!(text(&svg), "");
    let svg = std::fs::read_to_string(file).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("class=\"band page\""), "{svg}");
}

#[test]
fn two_sets_of_files_are_compared_on_the_same_traffic() {
    let dir = tempfile::tempdir().unwrap();
    let journal = plant(dir.path());
    let against =
        ["--against", "tests/fixtures/slo/tight/availability.yaml", "--journal", &journal];
    let args = [&["slo", "backtest", FILES[0], FILES[1]], &against[..]].concat();
    assert_committed("against.txt", &anywhere(&text(&args), &journal));
    let found = json(&args);
    let changes = found["changes"].as_array().unwrap();
    let names: Vec<_> =
        changes.iter().map(|change| change["objective"].as_str().unwrap()).collect();
    assert_eq!(names, ["availability", "latency"]);
    let seconds = |set: &str| changes[0][set]["page_seconds"].as_u64().unwrap();
    assert!(seconds("after") > seconds("before"), "{changes:#?}");
    assert_eq!(changes[1]["after"], Value::Null);
}

#[test]
fn every_way_to_ask_wrongly_has_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (planted, mut lane, _control) = journal(dir.path(), ROOMY);
    append(&mut lane, &served("/", T0, 1_000));
    drop((lane, planted));
    let journal = dir.path().join("journal");
    let journal = journal.to_str().unwrap();
    let none = dir.path().join("none.yaml");
    std::fs::write(&none, "{}\n").unwrap();
    let nothing = dir.path().join("nothing.yaml");
    let proxy = "proxy: {listen: {address: 127.0.0.1, port: 80}, services: [{name: a, domain: a, hosts: \
                 [{address: 127.0.0.1, port: 1}]}]}\nslo: {files: []}\n";
    std::fs::write(&nothing, proxy).unwrap();
    let (none, nothing) = (none.to_str().unwrap(), nothing.to_str().unwrap());
    let folder = dir.path().to_str().unwrap();
    for (name, args, code, wants) in [
        (
            "an empty time",
            &["--from", "2026-09-22", "--to", "2026-09-23"][..],
            0,
            &["no alert", "completeness 0.0 %"][..],
        ),
        (
            "reversed",
            &["--from", "2026-09-23", "--to", "2026-09-22"],
            2,
            &["ends before it begins"],
        ),
        ("to come", &["--from", "2099-01-01"], 2, &["has not begun"]),
        ("no time", &["--since", "yesterday"], 2, &["write an age such as 10m"]),
        ("no such form", &["--format", "pdf"], 2, &["text, json, svg"]),
        ("both sources", &["--elasticsearch"], 2, &["cannot be used with"]),
        ("another with a mistake", &["--against", none], 2, &["kind"]),
        ("another that is not there", &["--against", "/nowhere.yaml"], 2, &["/nowhere.yaml"]),
    ] {
        let all = [&["slo", "backtest", FILES[0], "--journal", journal], args].concat();
        let (have, out, error) = said(&all);
        assert_eq!(have, Some(code), "{name}: {out}{error}");
        for want in wants {
            assert!(
                (out.clone() + &error).contains(want),
                "{name}: {want:?} is not in {out}{error}"
            );
        }
    }
    for (name, args, wants) in [
        (
            "a folder of somebody else",
            &["slo", "backtest", FILES[0], "--journal", folder][..],
            "holds no journal",
        ),
        (
            "no folder",
            &["slo", "report", FILES[0], "--journal", "/nowhere"],
            "no journal at /nowhere",
        ),
        (
            "no objectives",
            &["slo", "backtest", "--config", nothing, "--journal", journal],
            "there are no objectives",
        ),
        (
            "no objectives",
            &["slo", "report", "--config", nothing, "--journal", journal],
            "there are no objectives",
        ),
        (
            "no server",
            &["slo", "backtest", FILES[0], "--config", nothing, "--elasticsearch"],
            "has no telemetry.elasticsearch",
        ),
        ("a window of nothing", &["slo", "report", FILES[0], "--window", "0s"], "--window"),
        (
            "nobody at the server",
            &[
                "slo",
                "report",
                FILES[0],
                "--config",
                nothing,
                "--elasticsearch",
                "http://127.0.0.1:1",
            ],
            "127.0.0.1:1",
        ),
    ] {
        let (code, out, error) = said(args);
        assert!(
            code == Some(2) || (code == Some(1) && name.starts_with("nobody")),
            "{name}: {code:?}"
        );
        assert!(error.contains(wants) && out.is_empty(), "{name}: {wants:?} is not in {error}");
    }
}

/// Goal: a journal that was used again says from when on it is whole. Method: small segments and far more records
/// than they hold.
#[test]
fn a_journal_that_was_overwritten_says_from_when_on_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (planted, mut lane, _control) = journal(dir.path(), 64 << 10);
    for second in 0..30_000 {
        append(&mut lane, &served("/", T0 + second * 1_000, 1_000));
    }
    drop((lane, planted));
    let journal = dir.path().join("journal");
    let args = [
        "slo",
        "backtest",
        FILES[0],
        "--journal",
        journal.to_str().unwrap(),
        "--since",
        "2026-09-21T14:14:00Z",
    ];
    let (code, out, error) = said(&args);
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains("were overwritten (1 lane)"), "{out}{error}");
}
