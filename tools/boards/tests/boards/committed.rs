//! The committed files are what the source makes of them, and nothing is wrong with them.

use std::path::PathBuf;
use std::process::Command;

use lbproxy::elk::{self, Product};
use lbproxy::slo::{TargetShare, Targets};
use lbproxy_boards as boards;
use serde_json::Value;

/// The file of a product's saved objects.
const fn path(product: Product) -> &'static str {
    match product {
        Product::Elasticsearch => "dashboards/kibana/lbproxy.ndjson",
        Product::OpenSearch => "dashboards/opensearch/lbproxy.ndjson",
    }
}

pub(super) fn text(product: Product) -> String {
    std::fs::read_to_string(rooted(path(product))).unwrap()
}

/// What is committed: path and content.
fn artefacts() -> Vec<(&'static str, String)> {
    let all = boards::source::BOARDS;
    let others = boards::held::boards(all, &boards::held::others());
    let mut artefacts = vec![("docs/boards.md", boards::docs::markdown(all))];
    for (product, places) in [
        (Product::OpenSearch, "dashboards/opensearch/targets.ndjson"),
        (Product::Elasticsearch, "dashboards/kibana/targets.ndjson"),
    ] {
        let usual = made(product, all);
        artefacts.push((places, boards::held::places(&usual, &made(product, others)).unwrap()));
        artefacts.push((path(product), usual));
    }
    artefacts
}

/// The saved objects that a product gets of boards.
fn made(product: Product, all: &'static [boards::model::Board]) -> String {
    match product {
        Product::OpenSearch => boards::osd::saved_objects(all),
        Product::Elasticsearch => boards::kibana::finish(all, &compiled(all)).unwrap(),
    }
}

/// The number that rises whenever the objects change, and the checksum of those it is for.
const REVISION: &str = "dashboards/revision";

/// What is committed there, and what should be.
fn revisions() -> (String, String) {
    let objects: Vec<_> = Product::ALL.into_iter().map(text).collect();
    let sum = format!("{:08x}", crc32c::crc32c(objects.concat().as_bytes()));
    let have = std::fs::read_to_string(rooted(REVISION)).unwrap_or_default();
    let (number, known) = have.trim_end().split_once(' ').unwrap_or(("0", ""));
    let number: u64 = number.parse().unwrap();
    let number = number + u64::from(known != sum);
    (have.clone(), format!("{number} {sum}\n"))
}

/// A program of kb-dashboard, as `scripts/parts test` installs it.
fn kb_dashboard(name: &str) -> Command {
    let parts = rooted("scripts/parts");
    let found = Command::new(parts).args(["where", "kb-dashboard"]).output().unwrap();
    assert!(found.status.success(), "kb-dashboard is missing; run scripts/parts test");
    let path = PathBuf::from(String::from_utf8(found.stdout).unwrap().trim_end());
    Command::new(path.with_file_name(name))
}

/// Runs a program that must succeed.
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
}

/// The input of kb-dashboard as a file.
fn source(all: &'static [boards::model::Board]) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let source = boards::kibana::source(all);
    std::fs::write(file.path(), serde_json::to_string_pretty(&source).unwrap()).unwrap();
    file
}

/// What kb-dashboard makes of the source.
fn compiled(all: &'static [boards::model::Board]) -> String {
    let (source, out) = (source(all), tempfile::tempdir().unwrap());
    run(kb_dashboard("kb-dashboard")
        .args(["compile", "--output-file", "all.ndjson", "--input-file"])
        .arg(source.path())
        .arg("--output-dir")
        .arg(out.path()));
    std::fs::read_to_string(out.path().join("all.ndjson")).unwrap()
}

/// A path of the repository.
pub(super) fn rooted(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../..", path].iter().collect()
}

#[test]
fn boards_are_what_the_source_says() {
    let is_update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let mut stale = Vec::new();
    for (path, want) in artefacts() {
        if std::fs::read_to_string(rooted(path)).is_ok_and(|have| have == want) {
            continue;
        }
        if is_update {
            std::fs::write(rooted(path), want).unwrap();
        }
        stale.push(path);
    }
    let (have, want) = revisions();
    if have != want {
        if is_update {
            std::fs::write(rooted(REVISION), want).unwrap();
        }
        stale.push(REVISION);
    }
    assert!(is_update || stale.is_empty(), "stale: {stale:?}; `make dashboards` rewrites them");
    for product in Product::ALL.into_iter().filter(|_| !is_update) {
        assert!(elk::boards::saved_objects(product) == text(product), "{product:?}: build anew");
    }
}

/// Goal: boards of configured objectives are what their source would make of them. Method: targets that the
/// places were not found with; saved objects as `setup` puts them, and as the source makes them.
#[test]
fn boards_take_other_objectives_as_the_source_does() {
    let share = |ppm| TargetShare::from_ppm(ppm).unwrap();
    let all = boards::source::BOARDS;
    for (name, targets) in [
        ("strict", Targets { served: share(999_950), fast_us: 50_000, fast: share(999_000) }),
        ("lenient", Targets { served: share(900_000), fast_us: 2_500_000, fast: share(500_000) }),
    ] {
        let own = boards::held::boards(all, &targets);
        for product in Product::ALL {
            let put = elk::boards::held_against(product, &targets);
            let (put, made) = (rounded(&put), rounded(&made(product, own)));
            assert_eq!(put.len(), made.len());
            for (put, made) in put.iter().zip(&made) {
                assert_eq!(put, made, "{name} {product:?}");
            }
            assert!(
                put != rounded(&text(product)),
                "{name} {product:?}: nothing is held against it"
            );
        }
    }
    for product in Product::ALL {
        assert_eq!(elk::boards::held_against(product, &Targets::DEFAULT), text(product));
    }
}

/// Objects with their inner JSON taken out and numbers of as many digits as a level has.
fn rounded(text: &str) -> Vec<Value> {
    fn round(value: Value) -> Value {
        match value {
            Value::Object(map) => map.into_iter().map(|(key, own)| (key, round(own))).collect(),
            Value::Array(list) => list.into_iter().map(round).collect(),
            Value::Number(number) => format!("{:.6e}", number.as_f64().unwrap()).into(),
            // `5e-05` of the compiler, in Python, is `5e-5` in Rust.
            Value::String(text) if text.parse::<f64>().is_ok() => {
                format!("text {:.6e}", text.parse::<f64>().unwrap()).into()
            }
            other => other,
        }
    }
    text.lines().map(|line| round(super::unpack(serde_json::from_str(line).unwrap()))).collect()
}

#[test]
fn the_linter_of_kb_dashboard_has_no_complaint() {
    let source = source(boards::source::BOARDS);
    run(kb_dashboard("kb-dashboard-lint")
        .args(["check", "--severity-threshold", "info", "--config"])
        .arg(rooted("dashboards/kibana/lint.yaml"))
        .arg("--input-file")
        .arg(source.path()));
}

#[test]
fn the_checker_has_no_complaint() {
    let mut findings = boards::check::boards(boards::source::BOARDS);
    for product in Product::ALL {
        let text = text(product);
        assert!(text.lines().count() > boards::source::BOARDS.len());
        findings.extend(boards::check::objects(product, path(product), &text));
    }
    let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}
