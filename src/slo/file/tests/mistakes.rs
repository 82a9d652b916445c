//! Named rows: what is wrong, and what is said of it. Each row has one mistake and finds one.

use super::{read, with};

/// Replaces the windows of the smallest file.
fn window(keys: &str) -> String {
    with("availability: {}}", &format!("availability: {{}}}}\n  windows: [{{{keys}}}]"))
}

/// Adds keys of `x-lbproxy`.
fn extra(keys: &str) -> String {
    with("availability: {}}", &format!("availability: {{}}}}\n  {keys}"))
}

/// Gives availability these keys.
fn availability(keys: &str) -> String {
    with("availability: {}", &format!("availability: {{{keys}}}"))
}

/// Gives `spec` one more key.
fn spec(key: &str) -> String {
    with("  service: s\n", &format!("  service: s\n  {key}\n"))
}

fn rows(rows: &[(&str, String, &[&str])]) {
    for (name, text, wants) in rows {
        let all = read(text);
        let found: Vec<_> = all.findings.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}\n{text}");
        assert!(all.objectives.is_empty(), "{name}: it is not left out\n{text}");
        for want in *wants {
            assert!(found[0].contains(want), "{name}: {want:?} is not in\n{}", found[0]);
        }
    }
}

#[test]
fn of_the_document() {
    let grown: Vec<_> = ('b'..'l')
        .zip('a'..)
        .map(|(to, from)| {
            format!("{to}: &{to} [{}]\n", [format!("*{from}").as_str()].repeat(10).join(","))
        })
        .collect();
    rows(&[
        ("no objective", "# nothing\n".to_owned(), &["f.yaml: holds no objective"]),
        ("no YAML", "a: [".to_owned(), &["f.yaml:", "is not YAML"]),
        ("a list", "- a\n".to_owned(), &["f.yaml:1:1: is not a mapping"]),
        ("an older version", with("openslo/v1", "openslo/v1alpha"), &["apiVersion", "openslo/v1"]),
        ("no kind", with("kind: SLO\n", ""), &["kind: is missing; write `kind: SLO`"]),
        ("an unknown kind", with("kind: SLO", "kind: Slo"), &["`Slo` is not a kind of OpenSLO"]),
        (
            "an unknown key",
            with("metadata: {name: a}", "metadata: {name: a, dispalyName: b}"),
            &["f.yaml:3:21: metadata.dispalyName: is not a known key; did you mean `displayName`?"],
        ),
        (
            "capitals in a name",
            with("name: a", "name: Aa"),
            &["f.yaml:3:18: metadata.name", "`Aa`"],
        ),
        ("a long name", with("name: a", &format!("name: {}", "a".repeat(33))), &["32 lower-case"]),
        ("no service", with("  service: s\n", ""), &["spec.service: is missing"]),
        ("an empty service", with("service: s", "service: ''"), &["spec.service: is empty"]),
        (
            "a text with a control character",
            with("service: s", "service: \"a\\eb\""),
            &["spec.service: holds a line end or a character that cannot be seen"],
        ),
        ("a reference", spec("indicatorRef: x"), &["spec.indicatorRef: is not followed"]),
        ("time slices", spec("budgetingMethod: Timeslices"), &["`Timeslices`", "`Occurrences`"]),
        (
            "anchors that grow",
            format!("a: &a [x,x,x,x,x,x,x,x,x,x]\n{}", grown.concat()),
            &["is not YAML: alias expansion"],
        ),
        ("depth", "- ".repeat(3_000) + "x\n", &["more than 64 lists and mappings"]),
        ("a key twice", with("kind: SLO\n", "kind: SLO\nkind: SLO\n"), &["kind: stands twice"]),
    ]);
}

#[test]
fn of_target_and_period() {
    rows(&[
        ("no target", with("{target: 0.999}", "{}"), &["objectives[0].target: is missing"]),
        ("all of it", with("0.999", "1"), &["f.yaml:6:25:", "leaves no budget", "0.999"]),
        ("100 %", with("target: 0.999", "targetPercent: 100"), &["leaves no budget", "99.9"]),
        ("nothing", with("0.999", "0"), &["promises nothing"]),
        ("percent as a share", with("0.999", "99.9"), &["`99.9` is not a number from 0 to 1"]),
        ("too fine", with("0.999", "0.9999999"), &["6 places at most"]),
        ("both", with("{target: 0.999}", "{target: 0.9, targetPercent: 90}"), &["stands beside"]),
        ("two", with("[{target: 0.999}]", "[{target: 0.9}, {target: 0.8}]"), &["second objective"]),
        ("none", with("[{target: 0.999}]", "[]"), &["spec.objectives: is empty"]),
        ("a short period", spec("timeWindow: [{duration: 5m}]"), &["1h to 90d"]),
        ("a long period", spec("timeWindow: [{duration: 1Y}]"), &["1h to 90d"]),
        (
            "a calendar that rolls",
            spec("timeWindow: [{duration: 1M, calendar: {startTime: 2026-01-01 00:00:00}}]"),
            &["spec.timeWindow[0].calendar: stands beside `isRolling: true`"],
        ),
        (
            "no calendar",
            spec("timeWindow: [{duration: 1M, isRolling: false}]"),
            &["calendar: is missing"],
        ),
        (
            "a day of the calendar",
            spec(
                "timeWindow: [{duration: 1d, isRolling: false, calendar: {startTime: 2026-01-01 \
                 00:00:00}}]",
            ),
            &["`1d` is not a week or a month"],
        ),
        (
            "a month that begins on the second",
            spec(
                "timeWindow: [{duration: 1M, isRolling: false, calendar: {startTime: 2026-01-02 \
                 00:00:00}}]",
            ),
            &["is not the first of a month"],
        ),
        (
            "a week that begins on Tuesday",
            spec(
                "timeWindow: [{duration: 1w, isRolling: false, calendar: {startTime: 2026-01-06 \
                 00:00:00}}]",
            ),
            &["is no Monday"],
        ),
        (
            "a zone with summer",
            spec(
                "timeWindow: [{duration: 1w, isRolling: false, calendar: {startTime: 2026-01-05 \
                 00:00:00, \
                 timeZone: Europe/Berlin}}]",
            ),
            &["`Europe/Berlin` is not a time zone without", "utc_offset"],
        ),
        ("an offset of nothing", extra("utc_offset: '+01:00'"), &["does nothing with a rolling"]),
    ]);
}

#[test]
fn of_the_indicator() {
    rows(&[
        ("none", with("availability: {}", ""), &["x-lbproxy.indicator.availability: is missing"]),
        (
            "no indicator at all",
            with("x-lbproxy:\n  indicator: {availability: {}}\n", ""),
            &["x-lbproxy.indicator: is missing; write `indicator: {availability: {}}`"],
        ),
        ("two", with("availability: {}", "availability: {}, latency: {bound: 1s}"), &["stands beside"]),
        ("no bound", with("availability: {}", "latency: {}"), &["latency.bound: is missing"]),
        ("a bound without unit", with("availability: {}", "latency: {bound: 300}"), &["300ms"]),
        (
            "an unknown field, at its place",
            availability("good: \"status < 500 and statsu = 200\""),
            &["f.yaml:8:54: x-lbproxy.indicator.availability.good: `statsu` is not a field; did \
                you mean"],
        ),
        (
            "the same without quotation marks",
            availability("good: statsu = 200"),
            &["f.yaml:8:36: x-lbproxy.indicator.availability.good: `statsu`"],
        ),
        (
            "a status that none has",
            availability("valid: status > 999"),
            &["availability.valid: no record can meet it: `status > 999` is true of no record"],
        ),
        (
            "a field of another kind of record",
            availability("good: monitor_status = up"),
            &["no record that counts can be good", "`monitor_status` is in heartbeat"],
        ),
        (
            "parts that contradict each other",
            availability("valid: outcome = unknown"),
            &["valid: no record can meet it: its parts contradict each other"],
        ),
        (
            "everything is good",
            availability("good: outcome != unknown"),
            &["every record that counts is good", "fewer be good"],
        ),
        ("nothing is asked of the good", availability("good: ''"), &["every record that counts \
            is good"]),
        (
            "groups that no record has",
            with(
                "availability: {}}",
                "availability: {valid: stream = heartbeat, good: monitor_status = up}}\n  \
                 group_by: [route]",
            ),
            &["x-lbproxy.group_by: no record that counts has `route`"],
        ),
        ("an unknown group", extra("group_by: [upstream]"), &["group_by[0]: `upstream`", "endpoint"]),
        ("a group twice", extra("group_by: [route, route]"), &["group_by[1]: stands twice"]),
        (
            "a metric of another tool",
            with("x-lbproxy:\n  indicator: {availability: {}}\n", "").replace(
                "  service: s\n",
                "  service: s\n  indicator: {spec: {ratioMetric: {good: {metricSource: {type: \
                 Prometheus, spec: \
                 {query: up}}}, total: {metricSource: {type: lbproxy, spec: {filter: stream = access}}}}}}\n",
            ),
            &["spec.indicator.spec.ratioMetric.good.metricSource.type: `Prometheus` is for \
                another tool"],
        ),
    ]);
}

#[test]
fn of_windows() {
    rows(&[
        ("no length", window("budget: 2%, severity: page"), &["windows[0].long: is missing"]),
        ("no severity", window("budget: 2%, long: 1h"), &["windows[0].severity: is missing"]),
        (
            "short is long",
            window("budget: 2%, long: 1h, short: 1h, severity: page"),
            &["is not shorter"],
        ),
        (
            "seconds",
            window("budget: 2%, long: 90s, severity: page"),
            &["a duration from 2m to 90d"],
        ),
        (
            "half a minute",
            window("budget: 2%, long: 150s, severity: page"),
            &["whole number of minutes"],
        ),
        (
            "longer than the period",
            window("budget: 2%, long: 31d, severity: page"),
            &["longer than the period, 30d"],
        ),
        ("no budget", window("budget: 0, long: 1h, severity: page"), &["`0` is not a share"]),
        ("more than the budget", window("budget: 150%, long: 1h, severity: page"), &["`150%`"]),
        (
            "one that can never fire",
            window("budget: 2%, long: 1h, short: 5m, severity: page").replace("0.999", "0.9"),
            &[
                "windows[0].budget: can never fire: it takes 14.400 times the pace",
                "10.000; write less than 1.3888%",
            ],
        ),
        (
            "one twice",
            window(
                "budget: 2%, long: 1h, severity: page}, {budget: 3%, long: 1h, severity: ticket",
            ),
            &["windows[1]: has the long and the short window of another one"],
        ),
        (
            "too many",
            extra(&format!("windows: [{}]", ["{}"; 9].join(", "))),
            &["x-lbproxy.windows: has 9 items; write 8 at most"],
        ),
    ]);
    let all = read(&window("budget: 10%, long: 15d, severity: ticket"));
    assert_eq!((all.objectives.len(), all.warnings.len()), (1, 1));
    assert!(all.warnings[0].to_string().contains("0.20 times the pace"), "{}", all.warnings[0]);
}

#[test]
fn of_the_rest() {
    rows(&[
        (
            "no bad event is enough",
            extra("min_bad: 0"),
            &["min_bad: `0` is not a whole number \
            from 1"],
        ),
        (
            "who without when",
            extra("no_data: {severity: page}"),
            &["no_data.severity: does nothing without `after`"],
        ),
        ("an unknown word", extra("no_data: {firing: stay}"), &["keep or resolve"]),
        ("a link without scheme", extra("runbook: wiki/lbproxy"), &["runbook: is no link"]),
        ("a link that is a script", extra("runbook: 'javascript:alert(1)'"), &["is no link"]),
        ("a link with a password", extra("dashboard: https://u:p@h/"), &["dashboard: is no link"]),
        (
            "maintenance that ends first",
            extra("maintenance: [{start: 2026-12-02T00:00:00Z, end: 2026-12-01T00:00:00Z}]"),
            &["maintenance[0].end: is not after `start`"],
        ),
        (
            "maintenance for ever",
            extra(
                "maintenance: [{start: 2026-12-01T00:00:00Z, end: 2026-12-02T00:00:00Z, \
                every: 1d}]",
            ),
            &["nothing would ever count"],
        ),
        (
            "an instant without a zone",
            extra("maintenance: [{start: 2026-12-01T00:00:00, end: 2026-12-02T00:00:00Z}]"),
            &["maintenance[0].start: `2026-12-01T00:00:00` is not an instant with its zone"],
        ),
        (
            "both forms",
            with("{name: a}", "{name: a, annotations: {x-lbproxy: 'min_bad: 1'}}"),
            &["metadata.annotations.x-lbproxy: stands beside `x-lbproxy`"],
        ),
        (
            "a mistake within the annotation",
            with(
                "{name: a}",
                "{name: a, annotations: {x-lbproxy: '{indicator: {availability: \
                {}}, min_bda: 1}'}}",
            )
            .replace("x-lbproxy:\n  indicator", "#"),
            &["f.yaml:3:46: metadata.annotations.x-lbproxy.min_bda: is not a known key; did you \
                mean `min_bad`?"],
        ),
    ]);
}

#[test]
fn two_objectives_with_one_name_are_found_over_files() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["one.yaml", "two.yaml"].map(|name| folder.path().join(name));
    for file in &files {
        std::fs::write(file, super::SMALLEST).unwrap();
    }
    let all = super::load_files(&files);
    assert_eq!((all.objectives.len(), all.findings.len()), (1, 1), "{:?}", all.findings);
    let told = all.findings[0].to_string();
    let want = format!(
        "{}:3:18: metadata.name: `a` is also the name of {}:3;",
        files[1].display(),
        files[0].display()
    );
    assert!(told.starts_with(&want), "{told}");
}

#[test]
fn all_mistakes_come_at_once() {
    let text =
        with("name: a", "name: A").replace("0.999", "1").replace("availability: {}", "latency: {}");
    let all = read(&text);
    let lines: Vec<_> = all.findings.iter().map(|finding| finding.line).collect();
    assert_eq!(lines, [3, 6, 8], "{:?}", all.findings);
}
