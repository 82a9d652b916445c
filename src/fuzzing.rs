//! What must hold for any bytes that reach lbproxy from outside: one function per target.
//!
//! `make fuzz` runs each on inputs that it makes up, a test on those in `fuzz/seeds`; an input that once
//! failed becomes one of them. The functions stand beside the code that they speak of, in `fuzzed.rs`,
//! and panic where something does not hold. Compiled for tests and for fuzzing only.

use crate::{admin, config, journal, notify, proxy, query, record, ship, slo};

/// A target: its name, and what must hold.
type Target = (&'static str, fn(&[u8]));

/// Every target. To add one: a row, its file in `fuzz/targets`, and its folder in `fuzz/seeds`.
const TARGETS: [Target; 12] = [
    ("answer", ship::fuzzed::answer),
    ("config", config::fuzzed::config),
    ("dead_letter", ship::fuzzed::dead_letter),
    ("filter", query::fuzzed::filter),
    ("frames", journal::fuzzed::frames),
    ("header", journal::fuzzed::header),
    ("host", admin::fuzzed::host),
    ("outbox", notify::fuzzed::outbox),
    ("record", record::fuzzed::record),
    ("scan", proxy::fuzzed::scan),
    ("slo_file", slo::fuzzed::slo_file),
    ("trace", proxy::fuzzed::trace),
];

/// Runs a target.
///
/// # Panics
/// When something does not hold for `data`, or there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    assert!(target.is_some(), "no target is called {name}");
    if let Some((_, holds)) = target {
        holds(data);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    fn names(folder: &str) -> BTreeSet<String> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
        let entries = std::fs::read_dir(&folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn every_target_has_a_program_and_seeds() {
        let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let programs: BTreeSet<_> = targets.iter().map(|name| format!("{name}.rs")).collect();
        assert_eq!(names("seeds"), targets);
        assert_eq!(names("targets"), programs);
        let manifest = include_str!("../fuzz/Cargo.toml");
        for name in targets {
            assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
        }
    }

    /// Most places where a seed is cut.
    const CUTS_MAX: usize = 50;

    /// Method: each seed, and its first bytes up to some places: a cut input is one as well.
    #[test]
    fn every_seed_holds_whole_and_cut() {
        let mut failed = Vec::new();
        for (name, holds) in TARGETS {
            for seed in names(&format!("seeds/{name}")) {
                let path = format!("{}/fuzz/seeds/{name}/{seed}", env!("CARGO_MANIFEST_DIR"));
                let data = std::fs::read(&path).unwrap();
                let step = data.len().div_ceil(CUTS_MAX).max(1);
                let mut ends = (0..data.len()).step_by(step).chain([data.len()]);
                let fails =
                    |end: &usize| std::panic::catch_unwind(|| holds(&data[..*end])).is_err();
                failed
                    .extend(ends.find(fails).map(|end| format!("the first {end} bytes of {path}")));
            }
        }
        assert!(failed.is_empty(), "these fail, see above:\n{}", failed.join("\n"));
    }
}
