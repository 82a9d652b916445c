//! Ids, hashes, losses and texts, on objectives as files have them.

use std::collections::BTreeSet;

use super::*;
use crate::record::Stream;
use crate::slo::{Dimension, file};

/// Objectives from the text of a file, which has no mistake.
fn parse(text: &str) -> Vec<Arc<Objective>> {
    let read = file::parse("test.yaml", text, &|_| None);
    assert!(read.findings.is_empty(), "{:?}", read.findings);
    read.objectives
}

/// A document with these keys of `x-lbproxy` beside its indicator.
fn document(name: &str, extension: &str) -> String {
    format!(
        "---\napiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: {name}}}\nspec:\n  service: shop\n  \
         timeWindow: [{{duration: 30d, isRolling: true}}]\n  budgetingMethod: Occurrences\n  \
         objectives: [{{target: 0.999}}]\nx-lbproxy:\n  indicator: {{availability: {{}}}}\n{extension}"
    )
}

fn site() -> Site {
    Site {
        namespace: "default".to_owned(),
        dashboards: None,
        alertmanager: Some("http://alertmanager:9093".to_owned()),
        channels: Vec::new(),
    }
}

/// Windows as `x-lbproxy` has them: long and short.
fn windows(pairs: &[(&str, &str)]) -> String {
    let rows = pairs.iter().map(|(long, short)| {
        format!("{{budget: 2%, long: {long}, short: {short}, severity: page}}")
    });
    format!("  windows: [{}]\n", rows.collect::<Vec<_>>().join(", "))
}

fn ids(objectives: &[Arc<Objective>]) -> Vec<String> {
    let subjects = subjects(objectives);
    let of = |one: &Subject| {
        let rules = one.rules.iter().map(|rule| rule.id.clone());
        let absence = one.absence.iter().map(|rule| rule.id.clone());
        std::iter::once(one.id.clone()).chain(rules).chain(absence).collect::<Vec<_>>()
    };
    subjects.iter().flat_map(of).collect()
}

#[test]
fn an_id_is_the_name_and_the_window() {
    let silent = "  no_data: {after: 10m, severity: ticket}\n";
    for (name, objective, extension, want) in [
        (
            "the usual four",
            "shop",
            String::new(),
            &["lbp-shop", "lbp-shop-1h", "lbp-shop-6h", "lbp-shop-1d", "lbp-shop-3d"][..],
        ),
        ("90 minutes", "a", windows(&[("90m", "5m")]), &["lbp-a", "lbp-a-90m"]),
        (
            "one long window twice",
            "a",
            windows(&[("1h", "5m"), ("1h", "10m"), ("2h", "5m")]),
            &["lbp-a", "lbp-a-1h-5m", "lbp-a-1h-10m", "lbp-a-2h"],
        ),
        ("silence", "a", windows(&[]) + silent, &["lbp-a", "lbp-a-no-data"]),
        (
            "32 bytes",
            "a23456789-b23456789-c23456789-d2",
            windows(&[("1441m", "59m")]),
            &["lbp-a23456789-b23456789-c23456789-d2", "lbp-a23456789-b23456789-c23456789-d2-1441m"],
        ),
    ] {
        assert_eq!(ids(&parse(&document(objective, &extension))), want, "{name}");
    }
}

/// Goal: an id that would be too long, or there twice, is another one, and the same in any order of files.
#[test]
fn ids_that_are_too_long_or_alike_end_in_a_hash() {
    let long = "a23456789-b23456789-c23456789-d2";
    let texts = [
        document(long, &windows(&[("1441m", "1439m"), ("1441m", "1438m")])),
        document("a", &windows(&[("1h", "5m")])),
        document("a-1h", &windows(&[("5h", "5m")])),
        document("b", "  no_data: {after: 10m, severity: ticket}\n  windows: []\n"),
        document("b-no-data", "  windows: []\n"),
    ];
    let all = parse(&texts.concat());
    let have = ids(&all);
    assert_eq!(have.iter().collect::<BTreeSet<_>>().len(), have.len(), "{have:?}");
    let too_long: Vec<_> = have.iter().filter(|id| id.len() > ID_BYTES_MAX).collect();
    assert!(too_long.is_empty(), "{too_long:?}");
    let hashed =
        |id: &&String| id.len() == 48 || id.starts_with("lbp-a-1h-") || id.contains("data-");
    assert_eq!(have.iter().filter(hashed).count(), 2 + 2 + 1 + 2, "{have:?}");
    let turned: Vec<_> = all.iter().rev().cloned().collect();
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(sorted(ids(&turned)), sorted(have));
}

#[test]
fn the_same_objectives_give_the_same_bytes_however_they_are_spelled() {
    let spelled = document("shop", &windows(&[("1h", "5m")]));
    let other = spelled.replace("{target: 0.999}", "{targetPercent: 99.90}").replace("1h", "60m");
    let (one, two) = (parse(&spelled), parse(&format!("# a remark\n{other}")));
    let changed = parse(&spelled.replace("0.999", "0.9995"));
    assert_eq!(source_hash(&one), source_hash(&two));
    assert_ne!(source_hash(&one), source_hash(&changed));
    for tool in TOOLS {
        let compiled = tool.run(&one, &site());
        assert_eq!(compiled, tool.run(&two, &site()), "{}", tool.name);
        assert_ne!(compiled.files, tool.run(&changed, &site()).files, "{}", tool.name);
        for file in &compiled.files {
            let head: String = file.text.chars().take(500).collect();
            let mark = format!("lbproxy slo compile --to {}", tool.name);
            assert!(
                head.contains(&mark) && head.contains(&source_hash(&one)),
                "{}: {head}",
                file.path
            );
            assert!(file.text.ends_with('\n'), "{}", file.path);
        }
    }
}

/// Goal: whatever is asked for is in the report of a tool that does not do it. Method: one objective that asks
/// for each thing, and one that asks for nothing.
#[test]
fn what_is_asked_for_is_known_by_every_tool() {
    let plain = parse(&document("plain", "  windows: []\n"));
    let asked = |objectives: &[Arc<Objective>]| -> Vec<Feature> {
        Feature::ALL.into_iter().filter(|feature| feature.is_asked_by(&objectives[0])).collect()
    };
    assert_eq!(asked(&plain), [Feature::LeastEvents]);
    let month = "[{duration: 1M, isRolling: false, calendar: {startTime: 2026-01-01 00:00:00, timeZone: UTC}}]";
    let full = document(
        "full",
        "  group_by: [service]\n  no_data: {after: 10m, severity: ticket, firing: keep}\n  notify: [on-call]\n  \
         maintenance: [{start: \"2026-12-05T22:00:00Z\", end: \"2026-12-06T02:00:00Z\"}]\n  owner: team-shop\n",
    )
    .replace("[{duration: 30d, isRolling: true}]", month);
    let full = parse(&full);
    assert_eq!(asked(&full), Feature::ALL);
    let site = Site { channels: vec![("on-call".to_owned(), "1".to_owned())], ..site() };
    for tool in TOOLS {
        let losses = tool.run(&full, &site).losses;
        for feature in Feature::ALL {
            let is_whole = matches!((tool.support)(feature), Support::Whole(_));
            let is_told = losses.iter().any(|loss| loss.what == feature.title());
            assert_eq!(is_told, !is_whole, "{}: {}", tool.name, feature.title());
        }
        for Loss { objective, what, why, instead } in &losses {
            assert_eq!(objective, "full");
            assert!(!why.is_empty() && !instead.is_empty(), "{}: {what}", tool.name);
        }
    }
}

#[test]
fn what_documents_are_asked_for_is_in_the_table_of_records() {
    let known: BTreeSet<_> = Stream::Slo.document_fields().map(|spec| spec.path).collect();
    let dimensions = Dimension::ALL.map(|(dimension, _)| fields::dimension(dimension));
    let names = [
        fields::TIME,
        fields::NAME,
        fields::VALID,
        fields::GOOD,
        fields::BAD,
        fields::BUDGET_LEFT,
        fields::STATE,
        fields::BURNING,
    ];
    for name in names.into_iter().chain(dimensions) {
        assert!(known.contains(name), "{name}");
    }
    assert!(known.contains(format!("{}.1h", fields::BURN_RATE).as_str()));
    assert_eq!(fields::stream(&site()), "metrics-lbproxy.slo-default");
}

#[test]
fn texts_of_an_objective_are_texts_in_every_file() {
    let hostile = "\"}} {{ $value }} - alert: x # '\\";
    let text = document("shop", &format!("  owner: {}\n", serde_json::Value::from(hostile)));
    let text = text.replace("{name: shop}", "{name: shop, displayName: \"{{ 1 }}: \\\"#\"}");
    for tool in TOOLS {
        for file in tool.run(&parse(&text), &site()).files {
            let lines: Vec<_> =
                file.text.lines().filter(|line| line.contains("alert: x")).collect();
            assert!(lines.iter().all(|line| line.contains("owner:")), "{}: {lines:?}", file.path);
        }
    }
    let prometheus = &Tool::find("prometheus").unwrap().run(&parse(&text), &site()).files[0].text;
    assert!(
        prometheus.contains(r##"summary: "{{ \"{{\" }} 1 }}: \"#: the error budget"##),
        "{prometheus}"
    );
}

/// Goal: texts that say a time say the evaluator's. Method: the one that is said.
#[test]
fn twelve_minutes_are_the_evaluators() {
    assert_eq!(crate::slo::CLEAN, std::time::Duration::from_mins(12));
    assert!(Feature::Patience.title().contains("twelve clean minutes"));
}

#[test]
fn numbers_have_no_noise() {
    for (value, want) in [
        (14.4, "14.4"),
        (0.1 + 0.2, "0.3"),
        (1.0, "1"),
        (0.000_001, "0.000001"),
        (100.0, "100"),
        (0.0, "0"),
    ] {
        assert_eq!(number(value), want);
    }
}
