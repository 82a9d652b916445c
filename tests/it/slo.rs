//! Goal: objectives are checked, kept and exported as docs/slo.md says. Method: the real program on our
//! examples and on broken files; OpenSLO's own reader for what is exported; a journal of known rates.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::log::{ROOMY, append, journal, served};
use crate::support::*;

/// Runs `lbproxy slo` in a folder.
fn slo(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lbproxy"))
        .arg("slo")
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Exit code and everything that was said.
fn said(output: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Our examples, relative to the repository.
fn examples() -> Vec<String> {
    let entries = std::fs::read_dir(repository().join("slo")).unwrap();
    let name =
        |entry: std::fs::DirEntry| format!("slo/{}", entry.file_name().into_string().unwrap());
    let mut files: Vec<_> = entries.map(|entry| name(entry.unwrap())).collect();
    files.sort();
    files
}

/// OpenSLO's own reader on some files: what it read, or what it said.
fn openslo(files: &[PathBuf]) -> Result<String, String> {
    let output = Command::new(part("openslo")).args(files).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[test]
fn openslo_s_own_reader_takes_what_is_exported() {
    let folder = tempfile::tempdir().unwrap();
    let export = |args: &[&str]| {
        let output = slo(&repository(), &[&["export", "--to", "openslo"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", said(&output).1);
        let file = folder.path().join("exported.yaml");
        std::fs::write(&file, output.stdout).unwrap();
        file
    };
    let files = examples();
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    let exported = export(&files);
    let read = openslo(std::slice::from_ref(&exported)).unwrap();
    assert_eq!(read.lines().count(), files.len(), "{read}");
    assert!(read.lines().all(|line| line.starts_with("openslo/v1 SLO ")), "{read}");
    let again = export(&[exported.to_str().unwrap()]);
    let (before, after) = (std::fs::read(&exported).unwrap(), std::fs::read(again).unwrap());
    assert_eq!(before, after, "lbproxy reads it as the same");
    let refused = openslo(&[repository().join("slo/latency.yaml")]).unwrap_err();
    assert!(refused.contains("x-lbproxy"), "it would take anything: {refused}");
}

#[test]
fn examples_are_valid_by_the_schema_and_mistakes_are_not() {
    for file in examples() {
        let text = std::fs::read_to_string(repository().join(&file)).unwrap();
        assert_eq!(schema::objective_faults(&text), Vec::<String>::new(), "{file}");
        let wrong = text.replace("  indicator:", "  indicatr:");
        assert!(!schema::objective_faults(&wrong).is_empty(), "{file}");
    }
    for seed in ["everything", "plain", "smallest"] {
        let text = std::fs::read_to_string(repository().join("fuzz/seeds/slo_file").join(seed));
        let text = text.unwrap();
        assert_eq!(
            schema::objective_faults(&text),
            Vec::<String>::new(),
            "the reader takes {seed}"
        );
    }
}

/// Goal: a broken file is found by `check`, and `run` warns and serves. Method: one good and one broken
/// objective.
#[test]
fn a_broken_file_stops_nothing() {
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let good = std::fs::read_to_string(repository().join("slo/availability.yaml")).unwrap();
    std::fs::create_dir(folder.path().join("slo")).unwrap();
    std::fs::write(folder.path().join("slo/good.yaml"), &good).unwrap();
    let broken = good.replace("name: availability", "name: broken").replace("0.999", "1");
    std::fs::write(folder.path().join("slo/broken.yaml"), broken).unwrap();
    let upstream = Upstream::ok();
    let proxy = Proxy::start_in(
        std::sync::Arc::clone(&folder),
        &one_service(&[upstream.address], ""),
        "slo: {files: [slo/*.yaml]}\n",
    );
    assert_eq!(proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    let log = proxy.log();
    assert!(
        log.contains("slo/broken.yaml:16:15: spec.objectives[0].target: leaves no budget"),
        "{log}"
    );
    assert!(log.contains("lbproxy runs without this"), "{log}");
    let config = folder.path().join("proxy.yaml");
    for args in [&["check"][..], &["slo", "check"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
            .args(args)
            .arg("--config")
            .arg(&config)
            .output()
            .unwrap();
        let (code, text) = said(&output);
        assert_eq!(code, Some(2), "{args:?}: {text}");
        assert!(text.contains("slo/broken.yaml:16:15") && text.contains("1 mistake\n"), "{text}");
    }
}

/// Goal: thin traffic is told by the journal's own rates. Method: 31 requests in half an hour, so about 60
/// an hour, where 69 are needed at 99.9 %; one endpoint of two gets one of them.
#[test]
fn thin_traffic_is_told_by_the_rates_of_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, mut lane, _control) = journal(folder.path(), ROOMY);
    for minute in 0..31_u64 {
        let endpoint: &[u8] = if minute == 7 { b"10.0.0.2:80" } else { b"10.0.0.1:80" };
        let mut record = served("/", 1_790_000_000_000 + minute * 60_000, 1_000);
        record.endpoint = Some(lbproxy::record::Text(endpoint));
        append(&mut lane, &record);
    }
    drop((lane, journal));
    let dir = folder.path().join("journal");
    let check = |file: &str| {
        let output = slo(&repository(), &["check", file, "--journal", dir.to_str().unwrap()]);
        let (code, text) = said(&output);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("records of 30m") && text.contains("\nok\n"), "{text}");
        text
    };
    let text = check("slo/availability.yaml");
    let want = "warning: availability: about 62 events come in 1h, and with fewer than 70 one \
        bad event alone";
    assert!(text.contains(want) && text.matches("warning").count() == 1, "{text}");
    let text = check("slo/per-endpoint.yaml");
    assert!(text.contains("about 12 events of web 10.0.0.2:80 come in 6h"), "{text}");
    assert!(text.contains("asks for 100: it cannot fire"), "{text}");
    let text = check("slo/heartbeat.yaml");
    assert!(text.contains("heartbeat: about 0 events come in 1h"), "{text}");
    let none = slo(&repository(), &["check", "slo/latency.yaml", "--journal", "/nowhere"]);
    assert_eq!(said(&none).0, Some(2));
}
