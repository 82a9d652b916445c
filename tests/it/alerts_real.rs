//! Goal: the rules that Kibana and OpenSearch are given return, on the documents that lbproxy writes of
//! objectives, the numbers of lbproxy's own evaluation. Method: seven hours of minutes through the evaluator,
//! which gives the documents and says what burns; the documents on real servers; the queries of the rules there,
//! number by number.
//!
//! Kibana and the alerting plugin are not to be had here: what they add to a query (a filter of time, the value
//! of `period_end`, the selection of buckets by a trigger's condition) is added as their sources have it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lbproxy::compile::{Site, Subject, kibana_query, opensearch, subjects};
use lbproxy::elk::Product;
use lbproxy::record::{Constants, Dataset, IdForm, Origin, Stream, write_document};
use lbproxy::slo::{Evaluator, EvaluatorSettings, EventCount, Objective, SeriesStatus};
use serde_json::{Value, json};

use crate::server::RealServer;
use crate::setup_real;

const NAMESPACE: &str = "alerts";
const MINUTE_MS: u64 = 60_000;
/// How far back documents go, in minutes: beyond the longest window.
const MINUTES: u64 = 420;
/// Two objectives: by service, and all together.
const OBJECTIVES: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: by-service}
spec:
  service: shop
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
x-lbproxy:
  indicator: {availability: {}}
  group_by: [service]
  windows: [{budget: 2%, long: 1h, short: 5m, severity: page}, {budget: 5%, long: 6h, short: 30m, severity: ticket}]
  min_bad: 5
  min_total: 10
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: all-together}
spec:
  service: shop
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.9993}]
x-lbproxy:
  indicator: {availability: {}}
  windows: [{budget: 2%, long: 1h, short: 5m, severity: page}, {budget: 5%, long: 6h, short: 30m, severity: ticket}]
  no_data: {after: 10m, severity: page, firing: keep}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: silent}
spec:
  service: shop
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
x-lbproxy:
  indicator: {availability: {}}
  no_data: {after: 10m, severity: page, firing: keep}
";

/// What a service sees in a minute so long ago: events, bad ones.
///
/// Nothing happens about the ends of windows, so that a minute that passes meanwhile makes no difference, nor
/// the width of the cells in which the evaluator keeps what is older than an hour.
fn events(service: &str, age: u64) -> EventCount {
    if matches!(age, 3..=9 | 27..=34 | 57..=65 | 300..=400) {
        return EventCount::default();
    }
    let (valid, bad) = match service {
        "outage" => (100, if age <= 2 { 100 } else { 0 }),
        "over" => (100, if (35..57).contains(&age) { 100 } else { 0 }),
        "slow" => (100, 1),
        "thin" => (1, u64::from(age <= 2)),
        "before" => (100, if age > 400 { 100 } else { 0 }),
        _ => (1_000, age % 2),
    };
    EventCount { valid, bad }
}

const SERVICES: [&str; 6] = ["outage", "over", "slow", "thin", "before", "fine"];

/// What burns: of an objective, a row of windows and a group the two rates.
type Burning = BTreeMap<(String, String, String), (f64, f64)>;

/// The same to a billionth: servers divide in another order.
fn rounded(burning: &Burning) -> BTreeMap<&(String, String, String), [String; 2]> {
    let round = |(long, short): &(f64, f64)| [long, short].map(|rate| format!("{rate:.9}"));
    burning.iter().map(|(key, rates)| (key, round(rates))).collect()
}

/// The evaluator's word on it, and its documents.
fn evaluated(objectives: &[Arc<Objective>], now_minute: u64) -> (Burning, Vec<String>) {
    let settings =
        EvaluatorSettings { groups_max: 20, heartbeat_every: None, source: "test".to_owned() };
    let mut evaluator = Evaluator::new(objectives, settings);
    let constants = Constants {
        node_name: "test".to_owned(),
        version: "0".to_owned(),
        config_hash: String::new(),
        ids: IdForm::Bytes,
    };
    let mut documents = Vec::new();
    let mut seq = 0;
    for age in (0..=MINUTES).rev() {
        let at_ms = (now_minute - age) * MINUTE_MS + 10_000;
        evaluator.look(at_ms, (MINUTES - age) * MINUTE_MS);
        evaluator.close_minutes(|payload| {
            seq += 1;
            let origin = Origin { instance: 1, epoch: 1, worker: 0, seq, constants: &constants };
            let mut document = Vec::new();
            write_document(Stream::Slo, &payload.unwrap(), &origin, &mut document).unwrap();
            documents.push(String::from_utf8(document).unwrap());
        });
        for service in SERVICES.iter().filter(|_| age > 0) {
            let events = events(service, age);
            if events.valid > 0 {
                assert!(evaluator.add("by-service", &[service.as_bytes()], at_ms, events));
                assert!(evaluator.add("all-together", &[], at_ms, events));
            }
        }
    }
    let mut burning = Burning::new();
    for SeriesStatus { objective, group, burns, .. } in evaluator.statuses() {
        for burn in burns.iter().filter(|burn| burn.is_active) {
            let long = burn.window.long.as_secs() / 60;
            let group = group.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(",");
            let key = (objective.name.clone(), format!("{long}m"), group);
            burning.insert(key, (burn.long.unwrap(), burn.short.unwrap()));
        }
    }
    (burning, documents)
}

/// A namespace's site without channels.
fn site() -> Site {
    Site { namespace: NAMESPACE.to_owned(), dashboards: None, alertmanager: None, channels: vec![] }
}

/// A server with the documents, and what burns by lbproxy's own word.
fn prepared(product: Product) -> (RealServer, Vec<Subject>, Burning, u64) {
    let text = OBJECTIVES.replace("\n\n", "\n");
    let all = lbproxy::slo::file::parse("test.yaml", &text, &|_| None);
    assert!(all.findings.is_empty(), "{:?}", all.findings);
    let mut server = RealServer::alone_with_languages(product);
    server.start();
    let (code, said) = setup_real::setup(&server.telemetry(NAMESPACE), &["--only", "templates"]);
    assert_eq!(code, 0, "{said}");
    // Only now: a minute may pass until the last query, not three.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ms = u64::try_from(now.as_millis()).unwrap();
    let (burning, documents) = evaluated(&all.objectives, now_ms / MINUTE_MS);
    let stream = Dataset::Slo.data_stream(NAMESPACE);
    let action = json!({"create": {"_index": stream}});
    let mut body = String::new();
    for document in &documents {
        writeln!(body, "{action}\n{document}").unwrap();
    }
    let answer = server.bulk(&body);
    assert_eq!(answer["errors"], false, "{}", answer["items"][0]);
    // The stream of heartbeats is there and empty.
    let health = Dataset::Health.data_stream(NAMESPACE);
    server.bulk(&format!(
        "{}\n{{\"@timestamp\":\"no time\"}}\n",
        json!({"create": {"_index": health}})
    ));
    server.post(&format!("/{stream}/_refresh"), &Value::Null);
    (server, subjects(&all.objectives), burning, now_ms)
}

/// Which services burn, as the table above has it.
fn expected(burning: &Burning) {
    let names: Vec<_> =
        burning.keys().map(|(name, long, group)| format!("{name} {long} {group}")).collect();
    let want = [
        "all-together 360m ",
        "all-together 60m ",
        "by-service 360m outage",
        "by-service 360m slow",
        "by-service 60m outage",
    ];
    assert_eq!(names, want, "{burning:#?}");
}

#[test]
fn kibanas_queries_return_the_numbers_of_the_evaluation() {
    let (server, subjects, burning, _) = prepared(Product::Elasticsearch);
    expected(&burning);
    let mut found = Burning::new();
    for rule in kibana_query::rules(&subjects, &site()) {
        let params = &rule.body["params"];
        let answer = ask(&server, params);
        let columns: Vec<_> = answer["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        let rows = answer["values"].as_array().unwrap();
        if rule.id.ends_with("no-data") {
            let is_silent = rule.id == "lbp-silent-no-data";
            assert_eq!(rows.len(), usize::from(is_silent), "{}: {rows:?}", rule.id);
            if is_silent {
                assert_eq!(rows[0][0], "heartbeat", "{columns:?} {rows:?}");
            }
            continue;
        }
        let minutes = params["timeWindowSize"].as_u64().unwrap();
        for row in rows {
            let of = |name: &str| {
                let place = columns.iter().position(|column| *column == name);
                place.map_or(Value::Null, |place| row[place].clone())
            };
            let text = |name: &str| of(name).as_str().unwrap_or_default().to_owned();
            let rates =
                (of("burn_rate").as_f64().unwrap(), of("short_burn_rate").as_f64().unwrap());
            let key = (text("lbproxy.slo.name"), format!("{minutes}m"), text("lbproxy.service"));
            assert_eq!(found.insert(key, rates), None, "{}", rule.id);
        }
    }
    assert_eq!(rounded(&found), rounded(&burning));
}

/// What Kibana asks for a rule: `fetch_esql_query.ts`.
fn ask(server: &RealServer, params: &Value) -> Value {
    let minutes = params["timeWindowSize"].as_u64().unwrap();
    let range = json!({"gt": format!("now-{minutes}m"), "lte": "now"});
    let filter = json!({"bool": {"filter": [{"range": {"@timestamp": range}}]}});
    let query = format!("{}\n| LIMIT 1000", params["esqlQuery"]["esql"].as_str().unwrap());
    server.post("/_query", &json!({"query": query, "filter": filter}))
}

#[test]
fn opensearchs_monitors_return_the_numbers_of_the_evaluation() {
    let (server, subjects, burning, now_ms) = prepared(Product::OpenSearch);
    expected(&burning);
    let mut found = Burning::new();
    for monitor in opensearch::monitors(&subjects, &site()) {
        let search = &monitor.body["inputs"][0]["search"];
        let text = search["query"].to_string().replace("{{period_end}}", &now_ms.to_string());
        let indices: Vec<_> =
            search["indices"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        let path = format!("/{}/_search", indices.join(","));
        let query: Value = serde_json::from_str(&text).unwrap();
        for trigger in monitor.body["triggers"].as_array().unwrap() {
            if monitor.id.ends_with("no-data") {
                let answer = server.post(&path, &query);
                let valid = answer["aggregations"]["objective"]["valid"]["value"].as_f64().unwrap();
                let is_silent = monitor.id == "lbp-silent-no-data";
                assert_eq!(valid == 0.0, is_silent, "{}: {valid}", monitor.id);
                assert_eq!(answer["aggregations"]["heartbeats"]["doc_count"], 0);
                continue;
            }
            let trigger = &trigger["bucket_level_trigger"];
            let paths = &trigger["condition"]["buckets_path"];
            let mut selected = query.clone();
            // What the plugin adds to the query (`AggregationQueryRewriter`): its selector is the server's own,
            // that tells which buckets it selects and leaves them all in place.
            selected["aggregations"]["groups"]["aggregations"]["selected"] = json!({"bucket_selector": {
                "buckets_path": paths,
                "script": trigger["condition"]["script"],
                "gap_policy": trigger["condition"]["gap_policy"],
            }});
            let answer = server.post(&path, &selected);
            for bucket in answer["aggregations"]["groups"]["buckets"].as_array().unwrap() {
                let sum = |name: &str| {
                    let path = paths[name].as_str().unwrap();
                    path.split('>').fold(bucket, |value, step| &value[step])["value"]
                        .as_f64()
                        .unwrap()
                };
                let objective = subjects
                    .iter()
                    .find(|subject| subject.id == monitor.id)
                    .map(|subject| &subject.objective)
                    .unwrap();
                let allowed = objective.target.allowed();
                let rates = (
                    sum("long_bad") / sum("long_valid") / allowed,
                    sum("short_bad") / sum("short_valid") / allowed,
                );
                let long = paths["long_valid"].as_str().unwrap();
                let long = long.trim_start_matches('m').trim_end_matches(">valid");
                let group = bucket["key"]["lbproxy.service"].as_str().unwrap_or_default();
                let key = (objective.name.clone(), format!("{long}m"), group.to_owned());
                assert_eq!(found.insert(key, rates), None, "{}", monitor.id);
            }
        }
    }
    assert_eq!(rounded(&found), rounded(&burning));
}
