//! Goal: every mistake is found at its place with a cure, what is read is what was written, and what is
//! printed reads as itself. Method: small files, named rows; any objective; the examples.

mod any;
mod mistakes;

use proptest::prelude::*;

use super::*;
use crate::slo::{Period, Severity, Silence, TargetShare, Targets};

/// The smallest complete file.
const SMALLEST: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: a}
spec:
  service: s
  objectives: [{target: 0.999}]
x-lbproxy:
  indicator: {availability: {}}
";

fn read(text: &str) -> Objectives {
    parse("f.yaml", text, &|name| (name == "SET").then(|| "value".to_owned()))
}

/// The only objective of a text without a mistake.
fn one(text: &str) -> Objective {
    let Objectives { objectives, findings, .. } = read(text);
    assert!(findings.is_empty(), "{findings:?}\n{text}");
    assert_eq!(objectives.len(), 1, "{text}");
    Objective::clone(&objectives[0])
}

/// An instruction to put something else into [`SMALLEST`].
fn with(from: &str, to: &str) -> String {
    assert!(SMALLEST.contains(from), "{from}");
    SMALLEST.replace(from, to)
}

#[test]
fn the_smallest_file_has_the_usual_rest() {
    let objective = one(SMALLEST);
    assert_eq!((objective.title.as_str(), objective.service.as_str()), ("a", "s"));
    assert_eq!(objective.indicator.valid.to_string(), "stream = access and outcome != unknown");
    assert_eq!(objective.indicator.good.to_string(), "outcome = success");
    assert_eq!((objective.target.ppm(), objective.period), (999_000, period::USUAL));
    assert_eq!((objective.min_total, objective.min_bad), (1, 5));
    assert_eq!((objective.no_data.after, objective.no_data.firing), (None, Silence::Keep));
    let factors: Vec<_> =
        objective.windows.iter().map(|window| window.factor(objective.period)).collect();
    let want = [14.4, 6.0, 3.0, 1.0];
    assert!(factors.iter().zip(want).all(|(have, want)| (have - want).abs() < 1e-9), "{factors:?}");
}

/// Goal: the usual windows keep shares and factors, whatever the period. Method: rows by hand: minutes of
/// the long and of the short ones, and how many page.
#[test]
fn usual_windows_follow_the_period_and_can_fire() {
    let days = |days: u64| Period::Rolling(std::time::Duration::from_hours(days * 24));
    let hours = |hours: u64| Period::Rolling(std::time::Duration::from_hours(hours));
    let month = Period::Month { offset_minutes: 0 };
    for (period, target, want, pages) in [
        (days(30), 999_000, &[(60, 5), (360, 30), (1_440, 120), (4_320, 360)][..], 2),
        (days(28), 999_000, &[(60, 5), (360, 30), (1_440, 120), (4_320, 360)], 2),
        (month, 999_000, &[(60, 5), (360, 30), (1_440, 120), (4_320, 360)], 2),
        (days(90), 999_000, &[(180, 15), (1_080, 90), (4_320, 360), (12_960, 1_080)], 2),
        (days(7), 999_000, &[(14, 1), (84, 7), (336, 28), (1_008, 84)], 2),
        (days(1), 999_000, &[(12, 1), (48, 4), (144, 12)], 1),
        (hours(1), 999_000, &[(6, 1)], 0),
        (days(30), 900_000, &[(360, 30), (1_440, 120), (4_320, 360)], 1),
        (days(30), 1, &[(4_320, 360)], 0),
    ] {
        let target = TargetShare::from_ppm(target).unwrap();
        let windows = windows::usual(period, target);
        let minutes = |span: std::time::Duration| span.as_secs() / 60;
        let have: Vec<_> =
            windows.iter().map(|window| (minutes(window.long), minutes(window.short))).collect();
        assert_eq!(have, want, "{period:?} {target}");
        let is_page = |window: &&crate::slo::BurnWindow| window.severity == Severity::Page;
        assert_eq!(windows.iter().filter(is_page).count(), pages, "{period:?} {target}");
        assert!(windows.iter().all(|window| window.is_reachable(period, target)));
    }
}

#[test]
fn what_valid_says_narrows_requests_unless_it_names_a_stream() {
    let indicator = |text: &str| one(&with("{availability: {}}", text)).indicator;
    for (text, valid, good) in [
        (
            "{availability: {valid: 'path = /a* or path = /b*'}}",
            "stream = access and outcome != unknown and (path = /a* or path = /b*)",
            "outcome = success",
        ),
        (
            "{availability: {valid: 'stream = heartbeat', good: monitor_status = up}}",
            "stream = heartbeat",
            "monitor_status = up",
        ),
        (
            "{latency: {bound: 300ms, valid: service = shop}}",
            "stream = access and outcome = success and service = shop",
            "duration <= 300ms or (status = 101 or response_mime = text/event-stream*) and \
             first_byte <= 300ms",
        ),
    ] {
        let have = indicator(text);
        assert_eq!(
            (have.valid.to_string().as_str(), have.good.to_string().as_str()),
            (valid, good)
        );
    }
    let bound = indicator("{latency: {bound: 1s}}").bound;
    assert_eq!(bound, Some(std::time::Duration::from_secs(1)));
}

/// Goal: a plain file of OpenSLO is read where its metrics are ours. Method: both forms of a ratio.
#[test]
fn a_plain_file_of_openslo_is_read() {
    let plain = |ratio: &str| {
        with("x-lbproxy:\n  indicator: {availability: {}}\n", "").replace(
            "  service: s\n",
            &format!(
                "  service: s\n  indicator: {{metadata: {{name: a}}, spec: {{ratioMetric: \
                 {{{ratio}}}}}}}\n"
            ),
        )
    };
    let metric =
        |filter: &str| format!("{{metricSource: {{type: lbproxy, spec: {{filter: '{filter}'}}}}}}");
    let (total, ok, bad) =
        (metric("stream = access"), metric("status != 5xx"), metric("status = 5xx"));
    for (ratio, good) in [
        (format!("counter: true, good: {ok}, total: {total}"), "status != 5xx"),
        (format!("counter: true, bad: {bad}, total: {total}"), "not status = 5xx"),
    ] {
        let objective = one(&plain(&ratio));
        assert_eq!(objective.indicator.valid.to_string(), "stream = access");
        assert_eq!(objective.indicator.good.to_string(), good);
    }
    let other = plain("good: {metricSource: {type: Prometheus, spec: {query: up}}}");
    let text = other.clone() + "x-lbproxy: {indicator: {availability: {}}}\n";
    assert_eq!(
        one(&text).indicator.good.to_string(),
        "outcome = success",
        "ours wins, unread is theirs"
    );
    assert!(!read(&other).findings.is_empty());
}

#[test]
fn several_documents_and_kinds_stand_in_one_file() {
    let text = format!(
        "---\n{SMALLEST}---\n{}---\napiVersion: openslo/v1\nkind: Service\nmetadata: {{name: \
         s}}\n---\n",
        SMALLEST.replace("name: a", "name: b")
    );
    let all = read(&text);
    let names: Vec<_> = all.objectives.iter().map(|objective| objective.name.as_str()).collect();
    assert_eq!((names, all.findings.len()), (vec!["a", "b"], 0));
    assert_eq!(all.warnings.len(), 1, "another kind is told: {:?}", all.warnings);
}

#[test]
fn an_objective_with_a_mistake_leaves_the_others_alone() {
    let text = format!("{}---\n{}", with("0.999", "2"), SMALLEST.replace("name: a", "name: b"));
    let all = read(&text);
    assert_eq!(all.objectives.len(), 1);
    assert_eq!(
        (all.objectives[0].name.as_str(), all.findings.len()),
        ("b", 1),
        "{:?}",
        all.findings
    );
}

#[test]
fn variables_are_replaced_as_in_the_configuration() {
    let text = with("service: s", "service: \"${SET}-$${SET}-${NO:-b}\"");
    assert_eq!(one(&text).service, "value-${SET}-b");
}

/// Goal: there is one promise where nothing is written. Method: the files that stand for it, against what
/// page and boards hold figures against.
#[test]
fn the_default_objectives_are_what_figures_are_held_against() {
    let defaults = defaults();
    let [availability, latency] = &*defaults.objectives else { panic!("{defaults:?}") };
    let promised = Targets::DEFAULT;
    assert_eq!((availability.target, latency.target), (promised.served, promised.fast));
    assert_eq!(latency.indicator.bound, Some(std::time::Duration::from_micros(promised.fast_us)));
}

/// Goal: no bound is only said. Method: one more than fits.
#[test]
fn files_and_objectives_are_bounded() {
    let many: Vec<_> = (0..=OBJECTIVES_MAX)
        .map(|index| SMALLEST.replace("name: a", &format!("name: a{index}")))
        .collect();
    let all = read(&many.join("---\n"));
    assert_eq!(
        (all.objectives.len(), all.findings.len()),
        (OBJECTIVES_MAX, 1),
        "{:?}",
        all.findings
    );
    assert!(all.findings[0].problem.contains("more than 100"), "{}", all.findings[0]);
    let large = format!("{SMALLEST}{}", "#\n".repeat(200 << 10));
    let all = read(&large);
    assert!(all.objectives.is_empty() && all.findings[0].problem.contains("larger than 256 KiB"));
}

/// Goal: what is usual, and what we give as examples, is free of mistakes and does not warn.
#[test]
fn the_examples_are_read_without_a_word() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/slo");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let all = load_files(&files);
    assert!(all.findings.is_empty() && all.warnings.is_empty(), "{all:?}");
    assert_eq!(all.objectives.len(), files.len());
    let page = include_str!("../../../docs/runbooks.md");
    for (objective, file) in all.objectives.iter().zip(&files) {
        let text = std::fs::read_to_string(file).unwrap();
        let link = format!("docs/runbooks.md#{}\n", objective.name);
        assert!(page.contains(&format!("\n## {}\n", objective.name)), "{}", objective.name);
        assert!(text.contains(&link), "{}: {link}", file.display());
    }
    let usual = defaults();
    assert!(usual.findings.is_empty() && usual.warnings.is_empty(), "{usual:?}");
    let names: Vec<_> = usual.objectives.iter().map(|objective| objective.name.as_str()).collect();
    assert_eq!(names, ["availability", "latency"]);
}

/// Goal: `slo.files` finds what it says, and says what it does not find. Method: a folder, rows of patterns.
#[test]
fn files_are_found_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let slo = folder.path().join("slo");
    std::fs::create_dir(&slo).unwrap();
    for (file, name) in [("b.yaml", "b"), ("a.yaml", "a"), (".hidden.yaml", "h"), ("c.yml", "c")] {
        std::fs::write(slo.join(file), SMALLEST.replace("name: a", &format!("name: {name}")))
            .unwrap();
    }
    std::fs::create_dir(slo.join("folder.yaml")).unwrap();
    std::os::unix::fs::symlink("nowhere", slo.join("lost.txt")).unwrap();
    let proxy = "proxy:\n  listen: {port: 0}\n  services:\n    - {name: a, domain: a, hosts: \
        [\"127.0.0.1:1\"]}\n";
    for (files, names, findings) in [
        ("[slo/*.yaml]", "a b", &[][..]),
        ("[slo/*.yaml, slo/c.yml, slo/a.yaml]", "a b c", &[]),
        ("[]", "", &[]),
        ("[slo/a.yaml, slo/none.yaml]", "a", &["slo/none.yaml: cannot be read"]),
        ("[slo/*.text]", "", &["proxy.yaml:5:14: slo.files: `slo/*.text` matches no file"]),
        ("[slo/*.txt]", "", &["slo/lost.txt: cannot be read"]),
        ("[none/*.yaml]", "", &["cannot be looked for"]),
        ("['*/a.yaml']", "", &["has a `*` in the name of a folder"]),
    ] {
        let file = folder.path().join("proxy.yaml");
        std::fs::write(&file, format!("{proxy}slo: {{files: {files}}}\n")).unwrap();
        let all = load(&config::load(&file).unwrap());
        let have: Vec<_> = all.objectives.iter().map(|objective| objective.name.as_str()).collect();
        assert_eq!(have.join(" "), names, "{files}");
        let told: Vec<_> = all.findings.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), findings.len(), "{files}: {told:?}");
        for (have, want) in told.iter().zip(findings) {
            assert!(have.contains(want), "{files}: {want:?} is not in {have}");
        }
    }
    let file = folder.path().join("proxy.yaml");
    std::fs::write(&file, proxy).unwrap();
    assert_eq!(load(&config::load(&file).unwrap()).objectives.len(), 2, "the usual two");
}

#[test]
fn a_route_that_is_not_there_is_told_and_the_objective_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (file, slo) = (folder.path().join("proxy.yaml"), folder.path().join("slo.yaml"));
    let routes = "slo: {notify: {channels: {c: {type: slack, url: \"https://h/x\"}}, routes: [{name: shop-team, \
                  to: [c]}]}, files: [slo.yaml]}\n";
    let proxy = "proxy:\n  listen: {port: 0}\n  services:\n    - {name: a, domain: a, hosts: \
        [\"127.0.0.1:1\"]}\n";
    std::fs::write(&file, format!("{proxy}{routes}")).unwrap();
    for (notify, want) in [
        ("shop-team", ""),
        ("shop-taem", "slo.yaml:9:12: x-lbproxy.notify[0]: `shop-taem` is no route"),
        ("ops", "name one of slo.notify.routes"),
    ] {
        std::fs::write(&slo, format!("{SMALLEST}  notify: [{notify}]\n")).unwrap();
        let all = load(&config::load(&file).unwrap());
        assert_eq!((all.objectives.len(), all.findings.len()), (1, 0), "{notify}: {all:?}");
        let told = all.warnings.iter().map(ToString::to_string).collect::<String>();
        assert!(told.contains(want) && told.is_empty() == want.is_empty(), "{notify}: {told}");
        assert!(
            load_files(std::slice::from_ref(&slo)).warnings.is_empty(),
            "nobody knows the routes"
        );
    }
}

#[test]
fn windows_that_see_too_few_events_are_told() {
    let objective = one(SMALLEST);
    let rates = [(0.0, 4, 4), (1.0 / 3600.0, 4, 1), (60.0 / 3600.0, 1, 0), (70.0 / 3600.0, 0, 0)];
    for (per_second, count, mute) in rates {
        let thin = thin(&objective, per_second);
        let is_mute = thin.iter().filter(|thin| thin.is_mute).count();
        assert_eq!((thin.len(), is_mute), (count, mute), "{per_second}: {thin:?}");
    }
}

proptest! {
    #[test]
    fn an_objective_printed_reads_as_itself(objective in any::objective()) {
        let text = print(&objective);
        let all = read(&text);
        prop_assert!(all.findings.is_empty(), "{:?}\n{}", all.findings, text);
        prop_assert_eq!(all.objectives.len(), 1);
        prop_assert_eq!(&*all.objectives[0], &objective, "{}", text);
    }
}
