//! Goal: Prometheus says what lbproxy says, from the same events. Method: the rules that `lbproxy slo compile`
//! makes of an objective; incidents in steps of ten seconds, told to the evaluator, whose counters are the series
//! of a unit test that the real promtool runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use lbproxy::slo::{
    AlertStatus, EVALUATE_EVERY, Evaluator, EvaluatorSettings, EventCount, GROUPS_MAX, Notice, file,
};

use crate::support::{part, rfc_3339};

/// A step of the simulation, an evaluation and a scrape.
const STEP_S: u64 = EVALUATE_EVERY.as_secs();
/// Second 0 of Prometheus' unit tests, as the evaluator has it: whole weeks after 1970, so that maintenance can
/// be written for both.
const T0_S: u64 = 2_000 * 7 * 86_400;
const HOUR: u64 = 3_600;

/// Events of one step.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    valid: u64,
    bad: u64,
}

/// An incident: what happens in the step that ends at a second, group by group.
struct Incident {
    name: &'static str,
    /// Keys of `x-lbproxy`.
    extension: &'static str,
    groups: &'static [&'static str],
    step: fn(u64, &str) -> Step,
    hours: u64,
    /// Alerts that lbproxy gives: severity, and seconds between what it says and what Prometheus says, at the begin
    /// and at the end.
    told: &'static [(&'static str, u64, u64)],
}

const fn good(valid: u64) -> Step {
    Step { valid, bad: 0 }
}

/// A thousand events a step, all of which are bad between two seconds.
fn outage(at_s: u64, from_s: u64, until_s: u64) -> Step {
    Step { valid: 1_000, bad: if at_s > from_s && at_s <= until_s { 1_000 } else { 0 } }
}

const INCIDENTS: [Incident; 10] = [
    Incident {
        name: "total outage, 2 minutes",
        extension: "",
        groups: &[""],
        step: |at_s, _| outage(at_s, 2 * HOUR, 2 * HOUR + 120),
        hours: 4,
        told: &[("page", 0, 60), ("ticket", 0, 0)],
    },
    Incident {
        name: "2 % errors",
        extension: "",
        groups: &[""],
        step: |at_s, _| Step { valid: 1_000, bad: if at_s > 2 * HOUR { 20 } else { 0 } },
        hours: 5,
        told: &[("page", 60, 0), ("ticket", 10, 0)],
    },
    Incident {
        name: "two failures at night are no page",
        extension: "  min_bad: 5\n",
        groups: &[""],
        step: |at_s, _| match at_s {
            7_200 | 7_260 => Step { valid: 1, bad: 1 },
            _ => good(u64::from(at_s.is_multiple_of(600))),
        },
        hours: 4,
        told: &[],
    },
    Incident {
        name: "few events are no page",
        extension: "  min_bad: 1\n  min_total: 100\n",
        groups: &[""],
        step: |at_s, _| Step {
            valid: u64::from(at_s.is_multiple_of(60)),
            bad: u64::from(at_s.is_multiple_of(60)),
        },
        hours: 1,
        told: &[],
    },
    Incident {
        name: "flapping: 3 minutes of errors, 5 without",
        extension: "",
        groups: &[""],
        step: |at_s, _| Step {
            valid: 1_000,
            bad: if at_s > 2 * HOUR && at_s <= 4 * HOUR && at_s % 480 < 180 { 1_000 } else { 0 },
        },
        hours: 7,
        told: &[("page", 0, 60), ("ticket", 0, 0)],
    },
    Incident {
        name: "no event for ten minutes, after an hour of them",
        extension: "  no_data: {after: 10m, severity: ticket}\n",
        groups: &[""],
        step: |at_s, _| good(if at_s > HOUR && at_s <= 2 * HOUR { 0 } else { 1_000 }),
        hours: 4,
        told: &[("ticket", 0, 0)],
    },
    Incident {
        name: "events stop while the page fires: it stays",
        extension: "  no_data: {firing: keep}\n",
        groups: &[""],
        step: |at_s, _| {
            if at_s > 2 * HOUR + 300 { good(0) } else { outage(at_s, 2 * HOUR, 2 * HOUR + 300) }
        },
        hours: 4,
        told: &[("page", 0, 0), ("ticket", 0, 0)],
    },
    Incident {
        name: "events stop while the page fires, and that ends it",
        extension: "  no_data: {firing: resolve}\n",
        groups: &[""],
        step: |at_s, _| {
            if at_s > 2 * HOUR + 300 { good(0) } else { outage(at_s, 2 * HOUR, 2 * HOUR + 300) }
        },
        hours: 4,
        told: &[("page", 0, 60), ("ticket", 0, 0)],
    },
    Incident {
        name: "an outage within maintenance and after it",
        extension: "  maintenance: [{start: \"@5400\", end: \"@9000\", every: 7d}]\n",
        groups: &[""],
        step: |at_s, _| outage(at_s, 2 * HOUR, 3 * HOUR),
        hours: 5,
        told: &[("page", 0, 60), ("ticket", 0, 0)],
    },
    Incident {
        name: "one endpoint of three browns out",
        extension: "  group_by: [endpoint]\n",
        groups: &["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"],
        step: |at_s, group| {
            let fails = group == "10.0.0.2:80" && at_s > 2 * HOUR && at_s <= 2 * HOUR + 600;
            Step { valid: 300, bad: if fails { 150 } else { 0 } }
        },
        hours: 4,
        told: &[("page", 0, 60), ("ticket", 0, 0)],
    },
];

/// A document of an objective; `@N` is second N of the simulation, that begins at `start_s`.
fn document(extension: &str, start_s: u64) -> String {
    let mut text = format!(
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: shop, displayName: Shop answers}}\nspec:\n  service: \
         shop\n  timeWindow: [{{duration: 30d, isRolling: true}}]\n  budgetingMethod: Occurrences\n  objectives: \
         [{{target: 0.999}}]\nx-lbproxy:\n  indicator: {{availability: {{}}}}\n  owner: team-shop\n{extension}"
    );
    while let Some(at) = text.find("\"@") {
        let end = at + 1 + text[at + 1..].find('"').unwrap();
        let second: u64 = text[at + 2..end].parse().unwrap();
        let moment = rfc_3339((start_s + second) * 1_000);
        text.replace_range(at..=end, &format!("\"{moment}\""));
    }
    text
}

/// What the evaluator says of an incident, and its counters at each step: series by labels.
#[derive(Default)]
struct Native {
    told: Vec<(u64, Notice)>,
    /// Burn rates over long windows, at a quarter past and to each hour: second, window, selector of the series, rate.
    rates: Vec<(u64, String, String, f64)>,
    series: BTreeMap<String, Vec<u64>>,
}

fn native(incident: &Incident) -> Native {
    let read = file::parse("shop.yaml", &document(incident.extension, T0_S), &|_| None);
    assert!(read.findings.is_empty(), "{}: {:?}", incident.name, read.findings);
    let settings = EvaluatorSettings {
        groups_max: GROUPS_MAX,
        heartbeat_every: None,
        source: "test".to_owned(),
    };
    let mut evaluator = Evaluator::new(&read.objectives, settings);
    let mut native = Native::default();
    let mut before: BTreeMap<(String, String), f64> = BTreeMap::new();
    for step in 0..=incident.hours * HOUR / STEP_S {
        let at_s = step * STEP_S;
        let wall_ms = (T0_S + at_s) * 1_000;
        evaluator.look(wall_ms, at_s * 1_000);
        for group in incident.groups {
            let Step { valid, bad } = (incident.step)(at_s, group);
            let values = if group.is_empty() { Vec::new() } else { vec![group.as_bytes()] };
            if valid > 0 {
                evaluator.add("shop", &values, wall_ms, EventCount { valid, bad });
            }
        }
        evaluator.evaluate();
        let count = evaluator.notices().len();
        native.told.extend(evaluator.notices().iter().map(|notice| (at_s, notice.clone())));
        evaluator.given(count);
        for status in evaluator.statuses() {
            let labels = |stem: &str| {
                let groups = status.group.iter();
                let groups = groups.map(|(dimension, value)| {
                    format!(", {stem}{}=\"{value}\"", dimension.as_str())
                });
                format!("{{objective=\"shop\"{}}}", groups.collect::<Vec<_>>().concat())
            };
            for (name, value) in [("valid", status.total.valid), ("bad", status.total.bad)] {
                let series = format!("lbproxy_slo_{name}_total{}", labels(""));
                let values = native.series.entry(series).or_default();
                assert_eq!(values.len() as u64, step, "series begin with the first event");
                values.push(value);
            }
            for burn in &status.burns {
                let window = status.objective.row_name(&burn.window);
                let Some(rate) = burn.long else { continue };
                let (quarter, series) = (at_s % (HOUR / 2) == HOUR / 4, labels("slo_"));
                let was = before.insert((window.clone(), series.clone()), rate);
                // Native windows begin with whole cells: what moves now is not compared.
                if quarter && was.is_some_and(|was| (rate - was).abs() <= 0.02 * rate) {
                    native.rates.push((at_s, window, series, rate));
                }
            }
        }
    }
    native
}

/// Runs promtool in a folder, which has to be content; gives what it says.
fn run_promtool(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(part("promtool")).args(args).current_dir(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {args:?}: {text}");
    text.into_owned()
}

/// Compiles a file of objectives into a folder.
fn compile(folder: &Path, text: &str) {
    std::fs::write(folder.join("shop.yaml"), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
        .args(["slo", "compile", "--to", "prometheus", "--out", ".", "shop.yaml"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A term that is 1 where `value` is within so many seconds of `second`, and nothing elsewhere.
fn near(value: &str, second: u64, tolerance_s: u64) -> String {
    format!("group by (severity) (abs({value} - {second}) <= {tolerance_s})")
}

/// The unit test of an incident: when alerts of each severity begin and end, as lbproxy says, and in between they
/// fire.
fn unit_test(incident: &Incident, native: &Native) -> String {
    let end_s = incident.hours * HOUR;
    let mut out = format!(
        "rule_files: [lbproxy-slo.rules.yml]\nevaluation_interval: {STEP_S}s\ngroup_eval_order: [lbp-shop, \
         lbp-shop/slow]\ntests:\n- interval: {STEP_S}s\n  name: {:?}\n  input_series:\n",
        incident.name
    );
    for (series, values) in &native.series {
        let values: Vec<_> = values.iter().map(u64::to_string).collect();
        let _ = write!(out, "  - series: '{series}'\n    values: '{}'\n", values.join(" "));
    }
    out += "  promql_expr_test:\n";
    let mut expect_at = |at_s: u64, expr: &str, samples: &str| {
        let _ = write!(
            out,
            "  - expr: '{expr}'\n    eval_time: {at_s}s\n    exp_samples: [{samples}]\n"
        );
    };
    // Native windows begin with whole cells of minutes: up to a tenth of what changes within them.
    for (at_s, window, series, rate) in &native.rates {
        let have = format!("objective:lbproxy_slo_burn:ratio{window}{series}");
        let near = format!("group (abs({have} - {rate}) <= {})", 0.1 * rate + 0.05);
        expect_at(*at_s, &near, "{labels: \"{}\", value: 1}");
    }
    let mut expect = |expr: &str, samples: &str| expect_at(end_s, expr, samples);
    let firing =
        |severity: &str| format!("ALERTS{{alertstate=\"firing\", severity=\"{severity}\"}}");
    let span = format!("[{end_s}s:{STEP_S}s]");
    for severity in ["page", "ticket"] {
        let firing = firing(severity);
        let times = format!("(timestamp(group by (severity) ({firing})))");
        let Some((_, begin_by, end_by)) = incident.told.iter().find(|(told, ..)| *told == severity)
        else {
            expect(&format!("count_over_time({firing}{span})"), "");
            continue;
        };
        let of = |wanted: fn(&Notice) -> bool| {
            let own = native.told.iter().filter(|(_, notice)| notice.severity.as_str() == severity);
            let times: Vec<_> =
                own.filter(|(_, notice)| wanted(notice)).map(|(at_s, _)| *at_s).collect();
            times
        };
        let begins = of(|notice| notice.status == AlertStatus::Firing);
        let resolves = of(|notice| notice.status != AlertStatus::Firing);
        assert!(
            begins.len() == 1 && resolves.len() <= 1,
            "{}: {begins:?} {resolves:?}",
            incident.name
        );
        let last = resolves.first().map_or(end_s, |end| end - STEP_S);
        let one = format!("{{labels: \"{{severity=\\\"{severity}\\\"}}\", value: 1}}");
        expect(&near(&format!("min_over_time({times}{span})"), begins[0], *begin_by), &one);
        expect(&near(&format!("max_over_time({times}{span})"), last, *end_by), &one);
        // No gap between the two.
        let steps = format!("count_over_time({times}{span}) * {STEP_S}");
        let length =
            format!("max_over_time({times}{span}) - min_over_time({times}{span}) + {STEP_S}");
        expect(&format!("group by (severity) ({steps} == {length})"), &one);
    }
    out
}

#[test]
fn prometheus_fires_and_ends_when_lbproxy_does() {
    let mut compared = 0;
    for incident in &INCIDENTS {
        let native = native(incident);
        let told: BTreeSet<_> = incident.told.iter().map(|(severity, ..)| *severity).collect();
        let have = native.told.iter().filter(|(_, notice)| notice.status == AlertStatus::Firing);
        let have: BTreeSet<_> = have.map(|(_, notice)| notice.severity.as_str()).collect();
        assert_eq!(have, told, "{}: {:#?}", incident.name, native.told);
        let folder = tempfile::tempdir().unwrap();
        compile(folder.path(), &document(incident.extension, 0));
        compared += native.rates.iter().filter(|(.., rate)| *rate > 0.0).count();
        std::fs::write(folder.path().join("test.yml"), unit_test(incident, &native)).unwrap();
        run_promtool(folder.path(), &["check", "rules", "lbproxy-slo.rules.yml"]);
        run_promtool(folder.path(), &["test", "rules", "test.yml"]);
    }
    println!("{compared} burn rates compared");
    assert!(compared > 50, "{compared} burn rates above 0 were compared");
}

/// Goal: an alert says who, what and where. Method: the alert of the group that fails, word by word.
#[test]
fn an_alert_has_labels_to_route_by_and_words_for_people() {
    let incident = INCIDENTS.iter().find(|incident| !incident.groups[0].is_empty()).unwrap();
    let native = native(incident);
    let at_s = 2 * HOUR + 300;
    let folder = tempfile::tempdir().unwrap();
    let text = document(incident.extension, 0)
        + "  runbook: https://wiki.example.com/shop\n  notify: [a, b]\n";
    compile(folder.path(), &text);
    let unit = unit_test(incident, &native);
    let unit = unit.split("  promql_expr_test:").next().unwrap();
    let alert = format!(
        "  alert_rule_test:\n  - eval_time: {at_s}s\n    alertname: lbp-shop-1h\n    exp_alerts:\n    - exp_labels: \
         {{severity: page, objective: shop, service: shop, owner: team-shop, notify: \"a,b\", slo_endpoint: \
         \"10.0.0.2:80\"}}\n      exp_annotations:\n        runbook_url: https://wiki.example.com/shop\n        summary: \
         \"Shop answers: the error budget burns 14.4 times faster than allowed, over 1h and over 5m; endpoint \
         10.0.0.2:80\"\n"
    );
    std::fs::write(folder.path().join("test.yml"), format!("{unit}{alert}")).unwrap();
    run_promtool(folder.path(), &["test", "rules", "test.yml"]);
}

/// Goal: every example can be loaded as it stands. Method: promtool reads the rules of all of them, and of an
/// objective without alerts.
#[test]
fn promtool_takes_the_rules_of_every_example() {
    let folder = tempfile::tempdir().unwrap();
    let examples = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("slo")).unwrap();
    let texts = examples.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let silent = document("  windows: []\n", 0);
    let text: Vec<_> = texts.chain([silent.clone()]).collect();
    compile(folder.path(), &text.join("---\n"));
    let told = run_promtool(folder.path(), &["check", "rules", "lbproxy-slo.rules.yml"]);
    assert!(told.contains("rules found"), "{told}");
    compile(folder.path(), &silent);
    run_promtool(folder.path(), &["check", "rules", "lbproxy-slo.rules.yml"]);
}
