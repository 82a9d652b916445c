//! Goal: what Kibana and OpenSearch are sent is what they take, is known again, and says what objectives say.
//! Method: objectives of many kinds through each target; bodies held against the readers of `lbproxy_fakes`,
//! which are written from the products' sources, as no such server can be had here.

use std::collections::BTreeSet;
use std::sync::Arc;

use lbproxy_fakes::shape;
use serde_json::Value;

use super::alert_object::{AlertApi, AlertObject, key};
use super::*;
use crate::slo::file;

/// An objective with these lines below `x-lbproxy`, of a period.
fn objective(name: &str, period: &str, extension: &str) -> Arc<Objective> {
    let text = format!(
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: {name}, displayName: Checkout}}\nspec:\n  \
         service: shop\n  timeWindow: [{period}]\n  budgetingMethod: Occurrences\n  objectives: [{{target: \
         0.999}}]\nx-lbproxy:\n  indicator: {{availability: {{}}}}\n{extension}"
    );
    let all = file::parse("test.yaml", &text, &|_| None);
    assert!(all.findings.is_empty(), "{:?}\n{text}", all.findings);
    Arc::clone(&all.objectives[0])
}

const ROLLING: &str = "{duration: 30d, isRolling: true}";

fn simple() -> Arc<Objective> {
    objective("checkout", ROLLING, "")
}

/// One of each kind, with a name of each.
fn table() -> Vec<(&'static str, Arc<Objective>)> {
    let month = "{duration: 1M, isRolling: false, calendar: {startTime: '2026-01-01 00:00:00', timeZone: UTC}}";
    let week = month.replace("1M", "1w").replace("2026-01-01", "2026-01-05");
    let rows = [
        ("usual", ROLLING, ""),
        ("groups", ROLLING, "  group_by: [service, endpoint]\n"),
        ("a-group", ROLLING, "  group_by: [route]\n"),
        ("silence", ROLLING, "  no_data: {after: 10m, severity: page, firing: keep}\n"),
        ("no-alerts", ROLLING, "  windows: []\n"),
        ("month", month, "  owner: team-shop\n  runbook: https://wiki.example.com/a\n"),
        ("week", week.as_str(), ""),
        ("28-days", "{duration: 28d, isRolling: true}", "  notify: [on-call, chat]\n"),
        (
            "minutes",
            ROLLING,
            "  windows: [{budget: 1%, long: 90m, short: 7m, severity: ticket}]\n  min_bad: 1\n",
        ),
        ("a", ROLLING, ""),
        ("a-name-that-is-as-long-as-can-be", ROLLING, ""),
    ];
    rows.map(|(name, period, extension)| (name, objective(name, period, extension))).into()
}

fn site(channels: &[(&str, &str)]) -> Site {
    Site {
        namespace: "default".to_owned(),
        dashboards: Some("http://127.0.0.1:5601".to_owned()),
        alertmanager: None,
        channels: channels.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
    }
}

/// What all three targets make of objectives.
fn objects(objectives: &[Arc<Objective>], site: &Site) -> Vec<AlertObject> {
    let subjects = subjects(objectives);
    let all = [
        kibana_query::rules(&subjects, site),
        kibana_slo::objects(&subjects, site),
        opensearch::monitors(&subjects, site),
    ];
    all.concat()
}

#[test]
fn every_body_is_one_that_its_server_takes() {
    let channels = [
        ("on-call", "pagerduty:3f2c"),
        ("chat", "77aa"),
        ("log", "index:11bb"),
        ("hook", "webhook:9d"),
    ];
    for (name, objective) in table() {
        for site in [site(&[]), site(&channels)] {
            for object in objects(&[Arc::clone(&objective)], &site) {
                let kind = object.body["rule_type_id"].as_str().unwrap_or_default();
                let (made, changed) = match object.api {
                    AlertApi::Rule => (
                        shape::check_rule(&object.body),
                        shape::check_rule_update(kind, &object.update()),
                    ),
                    AlertApi::Slo => {
                        (shape::check_slo(&object.body), shape::check_slo_update(&object.update()))
                    }
                    AlertApi::Monitor => {
                        (shape::check_monitor(&object.body), shape::check_monitor(&object.update()))
                    }
                };
                assert_eq!((made, changed), (Ok(()), Ok(())), "{name}: {:#}", object.body);
            }
        }
    }
}

#[test]
fn keys_are_each_their_own_and_stay_while_names_and_windows_do() {
    let objectives: Vec<_> = table().into_iter().map(|(_, objective)| objective).collect();
    let (here, mut there) = (site(&[]), site(&[]));
    there.namespace = "staging".to_owned();
    let keys = |site: &Site| -> Vec<_> {
        // The rule of silence is the same for both licences.
        let mut all: Vec<_> =
            objects(&objectives, site).into_iter().map(|one| (one.api.title(), one.key)).collect();
        all.sort();
        all.dedup();
        all
    };
    let (own, other) = (keys(&here), keys(&there));
    let unique: BTreeSet<_> = own.iter().chain(&other).collect();
    assert_eq!(unique.len(), own.len() + other.len(), "another namespace's are others");

    let mut changed = (*simple()).clone();
    (changed.title, changed.min_bad) = ("Another title".to_owned(), 77);
    for (one, two) in objects(&[simple()], &here).iter().zip(objects(&[Arc::new(changed)], &here)) {
        assert_eq!((&one.key, &one.id), (&two.key, &two.id));
        let mark = |object: &AlertObject| object.api.mark(&object.body).unwrap();
        let (own, other) = (mark(one), mark(&two));
        assert_eq!((&own.id, own.namespace.as_str()), (&one.id, "default"));
        assert_eq!(own.checksum != other.checksum, one.update() != two.update(), "{}", one.id);
    }
    for (api, id, want) in [
        (AlertApi::Rule, "lbp-checkout-1h", "b156815d-e7b2-4cca-a49c-686952632904"),
        (AlertApi::Slo, "lbp-checkout", "lbp-checkout"),
        (AlertApi::Slo, "lbp-a", "lbp-a___"),
        (AlertApi::Monitor, "lbp-checkout", "lbp-checkout"),
    ] {
        let key = key(api, id, &here);
        assert!(key.starts_with(want), "{api:?} {id}: {key}");
    }
}

#[test]
fn an_objective_says_the_same_in_every_language() {
    let subjects = subjects(&[objective("checkout", ROLLING, "  group_by: [service]\n")]);
    let (site, row) = (site(&[]), &subjects[0].rules[0]);
    let query = "\
FROM metrics-lbproxy.slo-default
| WHERE lbproxy.slo.name == \"checkout\" AND @timestamp > NOW() - 60 minutes
| EVAL in_short = CASE(@timestamp > NOW() - 5 minutes, 1, 0)
| STATS valid = SUM(lbproxy.slo.valid), bad = SUM(lbproxy.slo.bad), short_valid = SUM(lbproxy.slo.valid * \
in_short), short_bad = SUM(lbproxy.slo.bad * in_short) BY lbproxy.slo.name, lbproxy.service
| WHERE valid >= 1 AND bad >= 5 AND short_valid > 0
| EVAL burn_rate = TO_DOUBLE(bad) / TO_DOUBLE(valid) / 0.001, short_burn_rate = TO_DOUBLE(short_bad) / \
TO_DOUBLE(short_valid) / 0.001
| WHERE burn_rate >= 14.4 AND short_burn_rate >= 14.4
| KEEP lbproxy.slo.name, lbproxy.service, valid, bad, short_valid, short_bad, burn_rate, short_burn_rate";
    assert_eq!(kibana_query::burn_query(&subjects[0], row, &site), query);
    let condition = "params.long_valid >= 1 && params.long_bad >= 5 && params.short_valid > 0 && \
                     params.long_bad / params.long_valid / 0.001 >= 14.4 && \
                     params.short_bad / params.short_valid / 0.001 >= 14.4";
    assert_eq!(opensearch::condition(&subjects[0], row), condition);
    let objects = kibana_slo::objects(&subjects, &site);
    let windows = &objects[1].body["params"]["windows"];
    let texts = [
        "[1,h] [5,m] 14.4 slo.burnRate.alert",
        "[6,h] [30,m] 6.0 slo.burnRate.high",
        "[24,h] [2,h] 3.0 slo.burnRate.medium",
        "[72,h] [6,h] 1.0 slo.burnRate.low",
    ];
    for (window, want) in windows.as_array().unwrap().iter().zip(texts) {
        let span = |name: &str| {
            format!("[{},{}]", window[name]["value"], window[name]["unit"].as_str().unwrap())
        };
        let told = format!(
            "{} {} {} {}",
            span("longWindow"),
            span("shortWindow"),
            window["burnRateThreshold"],
            window["actionGroup"].as_str().unwrap()
        );
        assert_eq!(told, want);
    }
    assert_eq!(windows.as_array().unwrap().len(), texts.len());
    assert_eq!(objects[0].body["groupBy"], "lbproxy.service");
}

#[test]
fn what_a_server_does_not_do_is_told() {
    let named = |name: &str| table().into_iter().find(|(row, _)| *row == name).unwrap().1;
    let channels = [("on-call", "3f2c")];
    for (tool, name, with_channels, what, is_lost) in [
        ("kibana-slo", "usual", false, "`min_total` and `min_bad`", true),
        ("kibana-slo", "28-days", false, "the period", true),
        ("kibana-slo", "usual", false, "the period", false),
        ("kibana-slo", "month", false, "the period", false),
        ("kibana-slo", "usual", false, "somebody is told", true),
        ("kibana-slo", "usual", true, "somebody is told", false),
        ("kibana-slo", "no-alerts", false, "somebody is told", false),
        ("kibana-query", "usual", false, "`min_total` and `min_bad`", false),
        ("kibana-query", "usual", false, "one alert for all windows of a severity", true),
        ("kibana-query", "28-days", true, "`notify`", true),
        ("opensearch", "usual", true, "the end of an alert is told", false),
        ("opensearch", "silence", true, "`no_data.after`", true),
        ("opensearch", "groups", true, "`group_by`", false),
        ("opensearch", "28-days", true, "`notify`", true),
    ] {
        let site = site(if with_channels { &channels } else { &[] });
        let compiled = Tool::find(tool).unwrap().run(&[named(name)], &site);
        let is_told = compiled.losses.iter().any(|loss| loss.what == what);
        assert_eq!(is_told, is_lost, "{tool} {name} {what}: {:#?}", compiled.losses);
    }
}

#[test]
fn files_are_the_same_each_time_and_name_their_source() {
    let objectives: Vec<_> = table().into_iter().map(|(_, objective)| objective).collect();
    for tool in ["kibana-query", "kibana-slo", "opensearch"] {
        let tool = Tool::find(tool).unwrap();
        let site = site(&[("on-call", "3f2c")]);
        let compiled = tool.run(&objectives, &site);
        assert_eq!(compiled, tool.run(&objectives, &site));
        let paths: BTreeSet<_> = compiled.files.iter().map(|file| &file.path).collect();
        assert_eq!(paths.len(), compiled.files.len(), "{}", tool.name);
        for file in &compiled.files {
            let read: Value = serde_json::from_str(&file.text).unwrap();
            let made_by = read["_made_by"].as_str().unwrap();
            assert!(
                made_by.starts_with(&format!("lbproxy slo compile --to {}: ", tool.name)),
                "{made_by}"
            );
            assert!(read["request"].as_str().unwrap().starts_with("POST /"), "{}", file.path);
            assert!(file.text.ends_with("}\n"), "{}", file.path);
        }
    }
}
