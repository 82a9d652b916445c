//! What must hold of a file of objectives, whatever its text: every mistake has a place, an objective that
//! is read holds what its type says, and what is printed of it reads as itself.

use super::{Objectives, parse, print};
use crate::config::fuzzed::check;
use crate::slo::Objective;

fn read(text: &str) -> Objectives {
    parse("f.yaml", text, &|name| (name == "SET").then(|| "value".to_owned()))
}

/// The text of a file.
pub(crate) fn slo_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Objectives { objectives, findings, warnings } = read(text);
    findings.iter().chain(&warnings).for_each(|finding| check(finding, text, false));
    assert!(
        !objectives.is_empty() || !findings.is_empty() || !warnings.is_empty(),
        "without a word"
    );
    for objective in &objectives {
        holds(objective);
        let printed = print(objective);
        let again = read(&printed);
        assert!(again.findings.is_empty(), "{:?} in\n{printed}", again.findings);
        assert_eq!(again.objectives.as_slice(), std::slice::from_ref(objective), "{printed}");
    }
}

/// What the types promise.
fn holds(objective: &Objective) {
    let Objective { name, windows, period, target, indicator, .. } = objective;
    assert!((1..=32).contains(&name.len()), "{name}");
    for window in windows {
        assert!(window.short < window.long && window.long <= period.length(), "{window:?}");
        assert!(window.is_reachable(*period, *target), "{window:?} of {target}");
    }
    assert!(windows.is_sorted_by_key(|window| window.long), "{windows:?}");
    assert!(!indicator.valid.and(&indicator.good).streams().is_empty(), "{indicator:?}");
}
