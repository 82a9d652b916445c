//! Goal: ElastAlert2 fires at the minutes at which lbproxy does. Method: an incident told to the evaluator; its
//! records, written as shipping writes them, in the real OpenSearch; the rules that `lbproxy slo compile` makes, run
//! by the real ElastAlert2 over that time.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use lbproxy::elk::Product;
use lbproxy::record::{self, Constants, Origin, SloRecord, Stream};
use lbproxy::slo::{
    AlertStatus, EVALUATE_EVERY, Evaluator, EvaluatorSettings, EventCount, GROUPS_MAX, file,
};
use serde_json::{Value, json};

use crate::server::RealServer;
use crate::support::*;

const STEP_MS: u64 = EVALUATE_EVERY.as_secs() * 1_000;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const NAMESPACE: &str = "elastalert2";
const STREAM: &str = "metrics-lbproxy.slo-elastalert2";

/// An objective for each endpoint, that tells of silence.
const OBJECTIVE: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: {name: shop, displayName: 'Shop answers {{ 7 }} $HOME'}
spec:
  service: shop
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
x-lbproxy:
  indicator: {availability: {}}
  group_by: [endpoint]
  no_data: {after: 10m, severity: ticket}
  owner: team-shop
";
const ENDPOINTS: [&str; 2] = ["10.0.0.1:80", "10.0.0.2:80"];

/// Events of one step of one endpoint: the second one fails from 2 h to 2 h 05 min; nothing at all comes from 3 h to
/// 3 h 30 min.
fn step(at_ms: u64, endpoint: &str) -> EventCount {
    if at_ms > 3 * HOUR_MS && at_ms <= 3 * HOUR_MS + 30 * MINUTE_MS {
        return EventCount::default();
    }
    let fails = at_ms > 2 * HOUR_MS && at_ms <= 2 * HOUR_MS + 5 * MINUTE_MS;
    EventCount { valid: 500, bad: if fails && endpoint == ENDPOINTS[1] { 500 } else { 0 } }
}

/// What lbproxy says of the incident.
#[derive(Default)]
struct Native {
    /// Bodies of records.
    rows: Vec<Vec<u8>>,
    /// Minutes whose records were written while the row `1h` burned, as milliseconds since 1970.
    burning_ms: BTreeSet<u64>,
    /// When the page and the ticket of silence began and ended.
    told_ms: Vec<(u64, AlertStatus, String)>,
}

fn native(start_ms: u64) -> Native {
    let objectives = file::parse("shop.yaml", OBJECTIVE, &|_| None).objectives;
    let settings = EvaluatorSettings {
        groups_max: GROUPS_MAX,
        heartbeat_every: None,
        source: "test".to_owned(),
    };
    let mut evaluator = Evaluator::new(&objectives, settings);
    let mut native = Native::default();
    for at_ms in (0..=4 * HOUR_MS).step_by(usize::try_from(STEP_MS).unwrap()) {
        let now_ms = start_ms + at_ms;
        evaluator.look(now_ms, at_ms);
        for endpoint in ENDPOINTS {
            let events = step(at_ms, endpoint);
            if events.valid > 0 {
                evaluator.add("shop", &[endpoint.as_bytes()], now_ms, events);
            }
        }
        evaluator.evaluate();
        let count = evaluator.notices().len();
        native.told_ms.extend(evaluator.notices().iter().map(|notice| {
            let what = if notice.group.is_empty() { "silence" } else { notice.severity.as_str() };
            (now_ms, notice.status, what.to_owned())
        }));
        evaluator.given(count);
        if !evaluator.has_minutes() {
            continue;
        }
        let statuses = evaluator.statuses();
        let is_burning = |row: &SloRecord<'_>| {
            let endpoint = row.endpoint.map(|text| String::from_utf8_lossy(text.0).into_owned());
            let own =
                statuses.iter().filter(|status| Some(&status.group[0].1) == endpoint.as_ref());
            own.flat_map(|status| &status.burns[..1]).any(|burn| burn.is_active)
        };
        let mut rows = Vec::new();
        evaluator.close_minutes(|row| rows.extend(row));
        for row in &rows {
            let record = SloRecord::decode(row).unwrap();
            if is_burning(&record) {
                native.burning_ms.insert(record.timestamp.unwrap().0);
            }
        }
        native.rows.append(&mut rows);
    }
    native
}

/// Stores records as shipping does, in a data stream with our mappings.
fn store(server: &RealServer, rows: &[Vec<u8>]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("elk/templates/metrics-lbproxy.slo.opensearch.json");
    let mut template: Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    // Our mappings alone: what else a server has installed is not of interest here.
    template["composed_of"] = json!([]);
    template["index_patterns"] = json!([STREAM]);
    template["priority"] = json!(9_000);
    server.must("PUT", "/_index_template/compile-elastalert2", Some(&template));
    let constants = Constants::default();
    let origin = Origin { instance: 1, epoch: 1, worker: 255, seq: 1, constants: &constants };
    let mut body = Vec::new();
    for row in rows {
        body.extend_from_slice(
            format!("{{\"create\":{{\"_index\":\"{STREAM}\",\"_id\":\"").as_bytes(),
        );
        record::write_id(Stream::Slo, row, &origin, &mut body).unwrap();
        body.extend_from_slice(b"\"}}\n");
        record::write_document(Stream::Slo, row, &origin, &mut body).unwrap();
        body.push(b'\n');
    }
    let answer = server.bulk(&String::from_utf8(body).unwrap());
    assert_eq!(answer["errors"], false, "{answer}");
    server.post(&format!("/{STREAM}/_refresh"), &Value::Null);
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Compiles the objective into a folder, with more arguments.
fn compile(folder: &Path, args: &[&str]) -> String {
    std::fs::write(folder.join("shop.yaml"), OBJECTIVE).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbproxy"));
    command.args(["slo", "compile", "--to", "elastalert2", "--out", "rules", "shop.yaml"]);
    command.args(["--namespace", NAMESPACE]).args(args);
    said(&command.current_dir(folder).output().unwrap())
}

/// Runs the real `elastalert-test-rule` and prints the matches that it alerts of as milliseconds since 1970.
const DRIVER: &str = "
import json, sys
from unittest import mock
from elastalert import test_rule
from elastalert.elastalert import ElastAlerter
from elastalert.util import ts_to_dt

seen, real = [], ElastAlerter.alert
def alert(self, matches, rule, *args, **kwargs):
    for match in matches:
        seen.append([int(ts_to_dt(match['@timestamp']).timestamp() * 1000), match.get('lbproxy.endpoint')])
    return real(self, matches, rule, *args, **kwargs)
with mock.patch.object(ElastAlerter, 'alert', alert):
    test_rule.main(sys.argv[1:])
print('MATCHES ' + json.dumps(seen))
";

/// Runs a rule over a time: when it matched, and of which endpoint.
fn run(folder: &Path, rule: &str, start_ms: u64) -> Vec<(u64, Option<String>)> {
    let mut command = Command::new(part("elastalert2"));
    command.args(["-c", DRIVER, "--alert", "--stop-error", "--config", "config.yaml"]);
    command.args([
        "--start",
        &rfc_3339(start_ms),
        "--end",
        &rfc_3339(start_ms + 4 * HOUR_MS + 2 * MINUTE_MS),
    ]);
    let output = command.arg(format!("rules/{rule}.yaml")).current_dir(folder).output().unwrap();
    let told = said(&output);
    let line = told.lines().find_map(|line| line.strip_prefix("MATCHES "));
    let line = line.unwrap_or_else(|| panic!("no matches: {told}"));
    serde_json::from_str(line).unwrap()
}

#[test]
fn elastalert2_fires_at_the_minutes_at_which_lbproxy_does() {
    let server = RealServer::shared(Product::OpenSearch);
    let now_ms = u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let start_ms = (now_ms - 5 * HOUR_MS) / HOUR_MS * HOUR_MS;
    let native = native(start_ms);
    store(server, &native.rows);
    let receiver = Upstream::ok();
    let folder = tempfile::tempdir().unwrap();
    let alertmanager = format!("http://{}", receiver.address);
    compile(folder.path(), &["--alertmanager", &alertmanager]);
    let config = format!(
        "rules_folder: rules\nrun_every: {{minutes: 1}}\nbuffer_time: {{minutes: 15}}\nes_host: {}\nes_port: {}\n\
         writeback_index: elastalert\nalert_time_limit: {{days: 2}}\n",
        server.address.ip(),
        server.address.port()
    );
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    let told = |what: &str, status: fn(&AlertStatus) -> bool| {
        let mut own = native.told_ms.iter().filter(|(_, is, of)| of == what && status(is));
        own.next().unwrap_or_else(|| panic!("{what}: {:?}", native.told_ms)).0
    };
    let is_begin = |status: &AlertStatus| *status == AlertStatus::Firing;

    let matches = run(folder.path(), "lbp-shop-1h", start_ms);
    assert!(
        matches.iter().all(|(_, endpoint)| endpoint.as_deref() == Some(ENDPOINTS[1])),
        "{matches:?}"
    );
    let minutes: BTreeSet<_> = matches.iter().map(|(at_ms, _)| *at_ms).collect();
    assert_eq!(minutes, native.burning_ms);
    // The record of the minute in which the page began; what is stored at its end.
    let page_ms = told("page", is_begin);
    let first_ms = *minutes.first().unwrap();
    assert!(page_ms.abs_diff(first_ms) < 2 * MINUTE_MS, "page {page_ms}, first match {first_ms}");
    let sent = receiver.seen();
    let (head, body) = sent.first().unwrap();
    assert!(head.contains("POST /api/v2/alerts "), "{head}");
    let alert: Value = serde_json::from_slice(body).unwrap();
    let want = json!({
        "alertname": "lbp-shop-1h", "elastalert_rule": "lbp-shop-1h", "objective": "shop", "severity": "page",
        "service": "shop", "owner": "team-shop", "slo_endpoint": ENDPOINTS[1],
    });
    assert_eq!(alert[0]["labels"], want);
    let summary = alert[0]["annotations"]["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("Shop answers {{ 7 }} $HOME: the error budget burns 14.4 times"),
        "{summary}"
    );
    assert!(summary.ends_with("; endpoint 10.0.0.2:80"), "{summary}");
    assert!(alert[0]["endsAt"].is_string(), "it ends when nothing comes any more: {alert}");

    // Silence: after ten minutes, and two more for records to be stored, until events come again.
    let matches = run(folder.path(), "lbp-shop-no-data", start_ms);
    let silence_ms = told("silence", is_begin);
    let first_ms = matches.first().unwrap().0;
    assert!(
        first_ms.abs_diff(silence_ms) <= 3 * MINUTE_MS,
        "silence {silence_ms}, first match {first_ms}"
    );
    let last_ms = matches.last().unwrap().0;
    let resumed_ms = start_ms + 3 * HOUR_MS + 30 * MINUTE_MS;
    assert!(
        last_ms.abs_diff(resumed_ms) <= 4 * MINUTE_MS,
        "events from {resumed_ms}, last match {last_ms}"
    );
}

/// Goal: every rule of every example is one that ElastAlert2 loads. Method: its own check of schemas, and its loader,
/// which asks for more; with an Alertmanager and with a file that says where alerts go.
#[test]
fn elastalert2_takes_the_rules_of_every_example() {
    const LOAD: &str = "
import argparse, glob, sys
from elastalert.config import load_conf
args = argparse.Namespace(config='config.yaml', debug=False, verbose=False, es_debug=False, es_debug_trace=None)
conf = load_conf(args, {}, {'rules_loader': 'file'})
for path in sorted(glob.glob(sys.argv[1] + '/*.yaml')):
    print(conf['rules_loader'].load_configuration(path, conf)['name'])
";
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let config = "rules_folder: empty\nrun_every: {minutes: 1}\nbuffer_time: {minutes: 15}\nes_host: localhost\n\
                  es_port: 9200\nwriteback_index: elastalert\n";
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    let examples = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("slo")).unwrap();
    let examples: Vec<_> = examples.map(|entry| entry.unwrap().path()).collect();
    for (out, args) in [("am", &["--alertmanager", "http://am:9093"][..]), ("import", &[])] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbproxy"));
        command
            .args(["slo", "compile", "--to", "elastalert2", "--out", out])
            .args(args)
            .args(&examples);
        said(&command.current_dir(folder.path()).output().unwrap());
        std::fs::write(folder.path().join(out).join("lbproxy-alert.inc"), "alert: [debug]\n")
            .unwrap();
        let written = std::fs::read_dir(folder.path().join(out)).unwrap().count() - 1;
        let mut command = Command::new(part("elastalert2"));
        let loaded =
            said(&command.args(["-c", LOAD, out]).current_dir(folder.path()).output().unwrap());
        let loaded = loaded.lines().filter(|line| line.starts_with("lbp-")).count();
        assert!(loaded == written && written > 10, "{out}: {loaded} of {written}");
    }
}
