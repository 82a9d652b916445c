//! Goal: the house keeps its shape. Method: read the sources as text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Folders by layer, lowest first; a folder may use lower layers, and its own where listed.
const LAYERS: [&[&str]; 5] = [
    &["base"],
    &["record", "journal", "config", "metrics", "names", "web"],
    &["proxy", "control", "consumer", "rollup", "query", "slo"],
    &["admin", "ship", "otlp", "vitals", "elk", "mock", "notify", "compile", "watch"],
    &["cli"],
];

/// Crates that stay in some folders: (crate, folders that may name it).
const CRATES: [(&str, &[&str]); 15] = [
    (
        "tokio",
        &[
            "proxy", "consumer", "admin", "ship", "otlp", "vitals", "elk", "mock", "notify",
            "watch", "cli", "names",
        ],
    ),
    ("hyper", &["proxy", "mock", "admin"]),
    ("http", &["proxy", "mock", "admin", "ship", "otlp"]),
    ("axum", &["admin"]),
    ("opentelemetry_proto", &["otlp"]),
    ("opentelemetry_sdk", &["otlp"]),
    ("tonic", &["otlp"]),
    ("elasticsearch", &["ship", "elk", "watch"]),
    (
        "serde_json",
        &["ship", "elk", "mock", "admin", "notify", "compile", "watch", "cli", "config"],
    ),
    ("reqwest", &["web", "elk", "otlp", "notify", "cli"]),
    ("lettre", &["config", "notify"]),
    ("hickory_resolver", &["names"]),
    ("clap", &["cli"]),
    ("ratatui", &["cli"]),
    ("anyhow", &["cli"]),
];

/// Every source below a folder of the repository.
fn sources(below: &str) -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(below), &mut found);
    found
}

/// The top folder of a source file, or nothing for `main.rs` and `lib.rs`.
fn folder(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    (inside.components().count() > 1)
        .then(|| inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned())
}

/// Whether the file is compiled for tests only: `tests.rs`, a `tests` folder, `fuzzed.rs` (for fuzzing,
/// too), or declared so by a file beside it.
fn is_test_only(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_string_lossy();
    let declaration = format!("#[cfg(test)]\nmod {name};");
    let dir = path.parent().unwrap();
    name == "tests"
        || name == "fuzzed"
        || dir.ends_with("tests")
        || std::fs::read_dir(dir).unwrap().any(|entry| {
            let beside = entry.unwrap().path();
            std::fs::read_to_string(beside).is_ok_and(|text| text.contains(&declaration))
        })
}

/// Code lines: without comments and without the tests at the end of the file.
fn code(path: &Path, text: &str) -> String {
    if is_test_only(path) {
        return String::new();
    }
    // A block for tests ends the code; a declaration (`mod tests;`) does not.
    let is_block = |at: &usize| {
        let lines = text[*at..].lines().skip(1);
        lines.map(str::trim).find(|l| !l.starts_with("#[")).is_some_and(|l| l.ends_with('{'))
    };
    let mut tests = text.match_indices("#[cfg(test)]").map(|(at, _)| at).filter(is_block);
    let code = &text[..tests.next().unwrap_or(text.len())];
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn level(folder: &str) -> usize {
    LAYERS.iter().position(|layer| layer.contains(&folder)).unwrap_or_else(|| {
        panic!("src/{folder} stands in no layer; add it to LAYERS and ARCHITECTURE.md")
    })
}

#[test]
fn arrows_point_down_only_and_there_is_no_cycle() {
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources("src") {
        let Some(from) = folder(&path) else { continue };
        for part in code(&path, &text).split("crate::").skip(1) {
            let to: String =
                part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if to.is_empty() || to == from || !LAYERS.concat().contains(&to.as_str()) {
                continue;
            }
            let (high, low) = (level(&from), level(&to));
            assert!(low <= high, "{}: {from} must not use {to}", path.display());
            arrows.entry(from.clone()).or_default().insert(to);
        }
    }
    // Within a layer arrows may run sideways, but never in a circle.
    for start in arrows.keys() {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&String> = arrows[start].iter().collect();
        while let Some(folder) = next.pop() {
            assert_ne!(folder, start, "{start} reaches itself");
            if seen.insert(folder) {
                next.extend(arrows.get(folder).into_iter().flatten());
            }
        }
    }
}

#[test]
fn crates_stay_where_they_belong() {
    for (path, text) in sources("src") {
        let Some(folder) = folder(&path) else { continue };
        let code = code(&path, &text);
        for (name, allowed) in CRATES {
            let is_named = [format!("use {name}::"), format!(" {name}::"), format!("({name}::")]
                .iter()
                .any(|form| code.contains(form.as_str()));
            assert!(
                !is_named || allowed.contains(&folder.as_str()),
                "{}: {name} belongs to {allowed:?}",
                path.display()
            );
        }
    }
}

#[test]
fn every_file_opens_with_what_it_is_and_stays_short() {
    for (path, text) in ["src", "tools/boards/src", "tools/fakes/src"].map(sources).concat() {
        let name = path.display();
        assert!(text.starts_with("//! "), "{name}: open with `//!`: what it is, what is not there");
        let lines = text.lines().count();
        assert!(lines <= 600, "{name}: {lines} lines; split it");
    }
}
