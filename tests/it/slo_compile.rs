//! Goal: `lbproxy slo compile` writes what objectives say, tells what it did and what is lost, and touches nothing
//! else. Method: the real program in a folder; for each tool.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// An objective by this name, with these keys of `x-lbproxy`.
fn document(name: &str, extension: &str) -> String {
    format!(
        "---\napiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: {name}}}\nspec:\n  service: shop\n  \
         timeWindow: [{{duration: 30d, isRolling: true}}]\n  budgetingMethod: Occurrences\n  \
         objectives: [{{target: 0.999}}]\nx-lbproxy:\n  indicator: {{availability: {{}}}}\n{extension}"
    )
}

/// Exit code, standard output, standard error.
fn compile(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbproxy"));
    let output = command.args(["slo", "compile"]).args(args).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A folder with the objectives `shop` and `pay`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.yaml"), document("shop", "")).unwrap();
    std::fs::write(folder.path().join("pay.yaml"), document("pay", "")).unwrap();
    folder
}

const BOTH: [&str; 6] = ["--to", "elastalert2", "--out", "rules", "shop.yaml", "pay.yaml"];

#[test]
fn without_a_folder_rules_are_printed_and_losses_told_beside_them() {
    let folder = folder();
    let (code, out, told) = compile(folder.path(), &["--to", "prometheus", "shop.yaml"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(out.starts_with("# Made by lbproxy slo compile --to prometheus"), "{out}");
    assert!(out.contains("- alert: lbp-shop-1h\n"), "{out}");
    assert!(
        told.contains("not as lbproxy does: one alert for all windows of a severity"),
        "{told}"
    );
    let entries = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(entries, 2, "nothing is written");
}

#[test]
fn a_folder_becomes_what_objectives_say_and_check_tells_when_it_is_not() {
    let folder = folder();
    let rules = folder.path().join("rules");
    let check = || compile(folder.path(), &[&BOTH[..], &["--check"]].concat());
    let (code, out, _) = check();
    assert_eq!(code, Some(1));
    assert!(out.contains("rules/lbp-shop-1h.yaml: is not there") && !rules.exists(), "{out}");

    let (code, out, told) = compile(folder.path(), &BOTH);
    assert_eq!(code, Some(0), "{told}");
    assert!(out.contains("written  rules/lbp-pay-3d.yaml"), "{out}");
    let file = rules.join("lbp-shop-1h.yaml");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&rules), mode(&file)), (0o755, 0o644), "another account reads them");
    assert_eq!(std::fs::read_dir(&rules).unwrap().count(), 8, "no file is left half written");
    let (code, out, _) = check();
    assert_eq!((code, out.contains("same     rules/lbp-shop-1h.yaml")), (Some(0), true), "{out}");

    let text = std::fs::read_to_string(&file).unwrap();
    let number = text.lines().position(|line| line.starts_with("type: any")).unwrap() + 1;
    std::fs::write(&file, text.replace("type: any", "type: all")).unwrap();
    std::fs::write(rules.join("theirs.yaml"), "name: theirs\n").unwrap();
    let (code, out, _) = check();
    let want =
        format!("rules/lbp-shop-1h.yaml: differs from line {number} on: 1 lines new, 1 gone");
    assert!(code == Some(1) && out.contains(&want), "{out}");

    let only = [&BOTH[..4], &["shop.yaml"]].concat();
    let (code, out, _) = compile(folder.path(), &[&only[..], &["--check"]].concat());
    assert!(
        code == Some(1) && out.contains("lbp-pay-1h.yaml: no objective makes it any more"),
        "{out}"
    );
    let (code, out, _) = compile(folder.path(), &only);
    assert!(code == Some(0) && out.contains("removed  rules/lbp-pay-1h.yaml"), "{out}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let mut left: Vec<_> = std::fs::read_dir(&rules)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left.last().unwrap(), "theirs.yaml", "what others made stays");
    assert_eq!(left.len(), 5, "{left:?}");
}

#[test]
fn a_report_for_programs_names_files_and_losses() {
    let folder = folder();
    let (_, out, _) = compile(folder.path(), &[&BOTH[..], &["--format", "json"]].concat());
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["tool"], "elastalert2");
    assert_eq!(report["objectives"], serde_json::json!(["shop", "pay"]));
    assert_eq!(report["source_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(report["files"].as_array().unwrap().len(), 8);
    let losses = report["losses"].as_array().unwrap();
    let is_told = |name: &str| losses.iter().any(|loss| loss["objective"] == name);
    assert!(is_told("shop") && is_told("pay"), "{losses:?}");
    assert!(losses.iter().all(|loss| !loss["instead"].as_str().unwrap().is_empty()), "{losses:?}");
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_its_cure() {
    let folder = folder();
    let path = folder.path();
    std::fs::write(path.join("broken.yaml"), document("broken", "  min_bad: many\n")).unwrap();
    std::fs::create_dir_all(path.join("taken/lbproxy-slo.rules.yml")).unwrap();
    let to = ["--to", "prometheus"];
    for (name, args, code, want) in [
        ("no tool", &["--to", "nagios", "shop.yaml"][..], 2, &["prometheus", "elastalert2"][..]),
        ("no tool at all", &["shop.yaml"], 2, &["--to"]),
        ("a check of nothing", &["--to", "prometheus", "--check", "shop.yaml"], 2, &["--out"]),
        (
            "an objective with a mistake",
            &[to[0], to[1], "broken.yaml"],
            2,
            &["broken.yaml:", "min_bad"],
        ),
        ("no such file", &[to[0], to[1], "none.yaml"], 2, &["none.yaml"]),
        (
            "a file for a folder",
            &[to[0], to[1], "--out", "shop.yaml", "shop.yaml"],
            1,
            &["shop.yaml", "--out"],
        ),
        (
            "a folder for a file",
            &[to[0], to[1], "--out", "taken", "shop.yaml"],
            1,
            &["taken/lbproxy-slo.rules.yml", "move it away"],
        ),
        (
            "a secret",
            &["--to", "elastalert2", "--alertmanager", "http://u:hidden@am:9093", "shop.yaml"],
            2,
            &["--alertmanager has credentials"],
        ),
        (
            "no address",
            &["--to", "elastalert2", "--alertmanager", "am", "shop.yaml"],
            2,
            &["http://"],
        ),
        (
            "no id",
            &["--to", "prometheus", "--channel", "on-call", "shop.yaml"],
            2,
            &["on-call=my-connector"],
        ),
    ] {
        let (have, out, told) = compile(path, args);
        assert_eq!(have, Some(code), "{name}: {told}");
        for word in want {
            assert!(told.contains(word), "{name}: {told}");
        }
        assert!(!(out + &told).contains("hidden"), "{name}");
    }
}
