//! Goal: on the real servers `lbproxy setup` installs what the documents need, once, and leaves a
//! cluster as it was when it goes. Method: the real program and servers of this test's own; listings
//! of the server before and after, traffic in between, shipped with the least rights where the server
//! has users, documents against rollups and mappings.
//!
//! What these builds lack is played by the mock (`setup`): `_data_stream` of Elasticsearch, ISM and
//! security of OpenSearch, roles and users, which small Elasticsearch refuses.

use std::collections::HashSet;
use std::process::Command;

use lbproxy::elk::access::{self, Rights};
use lbproxy::elk::server::Features;
use lbproxy::elk::{Product, templates, templates::Types};
use lbproxy::record::Dataset;
use serde_json::{Value, json};

use crate::server::{RealServer, on_both};
use crate::support::*;
use crate::{custom, removal_real};

/// Last part of the streams' names.
const NAMESPACE: &str = "setup";
const REQUESTS: usize = 400;
/// What is asked for here; the rest the builds lack. They lack what is behind retention, too, so the exit
/// code is 1.
pub(crate) const KINDS: [&str; 2] = ["--only", "templates,retention"];

/// Runs `lbproxy setup` with the configuration of `telemetry`; its exit code and what it printed.
pub(crate) fn setup(telemetry: &str, arguments: &[&str]) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("proxy.yaml");
    let proxy = one_service(&[nobody()], "");
    std::fs::write(&file, format!("proxy:\n{proxy}\ntelemetry:\n{telemetry}")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
        .args(["setup", "--config"])
        .arg(&file)
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("WARN"), "{text}");
    (output.status.code().unwrap(), text)
}

/// All templates of a server.
fn listing(server: &RealServer) -> Vec<Value> {
    ["/_index_template", "/_component_template"].map(|path| server.get(path)).to_vec()
}

#[test]
fn set_up_traffic_and_removal() {
    on_both(|product| {
        let mut server = RealServer::alone_with_user(
            product,
            &access::privileges(Rights::Lookup, Features::newest(product)),
        );
        server.start();
        let telemetry = server.telemetry(NAMESPACE);
        let theirs = json!({"index_patterns": ["logs-*"], "priority": 100, "data_stream": {}});
        server.must("PUT", "/_index_template/theirs", Some(&theirs));
        let before = listing(&server);

        let (code, text) = setup(&telemetry, &KINDS);
        assert!(code == 1 && text.contains(" put in place, "), "{product:?} {code}:\n{text}");
        assert!(
            text.contains("nothing deletes documents, they stay for ever"),
            "{product:?} {text}"
        );
        let (code, text) = setup(&telemetry, &KINDS);
        assert!(code == 1 && text.contains("nothing to do: "), "{product:?} {code}:\n{text}");
        if product == Product::OpenSearch {
            fields_are_found(&server);
            a_wrong_mapping_is_told(&server, &telemetry);
            removal_real::no_document_is_lost_that_comes_while_its_stream_goes(&server, NAMESPACE);
        }
        let (code, text) = setup(&telemetry, &["--remove", KINDS[0], KINDS[1]]);
        assert!(code == 0 && text.contains(" removed, "), "{product:?} {code}:\n{text}");
        assert_eq!(listing(&server), before, "{product:?}");
        assert_eq!(streams(&server), Vec::<String>::new(), "{product:?}");
        setup(&telemetry, &KINDS);
        if product == Product::Elasticsearch {
            make_streams(&server);
            fields_are_found(&server);
        }

        traffic(&server.telemetry_as_user(NAMESPACE));
        compare(&server);
        let (code, text) = setup(&telemetry, &KINDS);
        assert!(code == 1 && text.contains("nothing to do: "), "{product:?} {code}:\n{text}");

        let (code, text) = setup(&telemetry, &["--remove", KINDS[0], KINDS[1]]);
        let stays = format!("index template logs-lbproxy.access: stays as long as {}", stream());
        assert!(code == 0 && text.contains(&stays), "{product:?} {code}:\n{text}");
        let (code, text) = setup(&telemetry, &["--remove", "--data", KINDS[0], KINDS[1]]);
        if product == Product::OpenSearch {
            assert_eq!(code, 0, "{text}");
            assert_eq!(listing(&server), before);
            assert_eq!(streams(&server), Vec::<String>::new());
        } else {
            // This build cannot delete a data stream.
            assert!(
                text.contains(" of data stream: this server has no such things")
                    && text.contains(&stays),
                "{text}"
            );
        }
        custom::records_are_stored_with_a_pipeline(&server);
    });
}

/// A stream that was made by somebody's template, which is gone, is told with its cure, which helps.
fn a_wrong_mapping_is_told(server: &RealServer, telemetry: &str) {
    let (stream, template) = (format!("/_data_stream/{}", stream()), "/_index_template/earlier");
    let mut earlier = json!({
        "index_patterns": ["logs-lbproxy.access-*"], "priority": 900, "data_stream": {},
        "template": {"mappings": {"dynamic": false}},
    });
    server.must("DELETE", &stream, None);
    server.must("PUT", template, Some(&earlier));
    server.must("PUT", &stream, None);
    let told = [format!("index that {} writes to has ", self::stream()), "_rollover".to_owned()];
    let is_told = |text: &str| told.iter().all(|told| text.contains(told));
    let (code, text) = setup(telemetry, &KINDS);
    assert!(code == 1 && is_told(&text) && text.contains("index template earlier has"), "{text}");
    // It cannot be deleted as long as its pattern fits a stream.
    earlier["index_patterns"] = json!(["unused"]);
    server.must("PUT", template, Some(&earlier));
    server.must("DELETE", template, None);
    let (code, text) = setup(telemetry, &KINDS);
    assert!(code == 1 && is_told(&text), "{code}:\n{text}");
    server.post(&format!("/{}/_rollover", self::stream()), &Value::Null);
    let (code, text) = setup(telemetry, &KINDS);
    assert!(code == 1 && text.contains("nothing to do: "), "{code}:\n{text}");
}

/// All streams of lbproxy's on a server.
fn streams(server: &RealServer) -> Vec<String> {
    let found = server.get(&format!("/_resolve/index/{}", access::stream_patterns().join(",")));
    let found = found["data_streams"].as_array().unwrap().iter();
    found.map(|stream| stream["name"].as_str().unwrap().to_owned()).collect()
}

/// Makes the streams where nobody can be asked to: by a document each that is refused.
fn make_streams(server: &RealServer) {
    for stream in Dataset::ALL.map(|dataset| dataset.data_stream(NAMESPACE)) {
        let answer = server.bulk(&format!(
            "{{\"create\":{{\"_index\":\"{stream}\"}}}}\n{{\"@timestamp\":\"no time\"}}\n"
        ));
        assert_eq!(answer["errors"], true, "{answer:#}");
    }
}

/// Every stream is there without a document, and in it every field that the boards' view of it has.
fn fields_are_found(server: &RealServer) {
    let mut want = Dataset::ALL.map(|dataset| dataset.data_stream(NAMESPACE)).to_vec();
    want.sort();
    assert_eq!(streams(server), want, "{:?}", server.product);
    let folder = match server.product {
        Product::Elasticsearch => "kibana",
        Product::OpenSearch => "opensearch",
    };
    let path = format!("{}/dashboards/{folder}/lbproxy.ndjson", env!("CARGO_MANIFEST_DIR"));
    let objects = std::fs::read_to_string(path).unwrap();
    let objects = objects.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let views: Vec<_> = objects.filter(|object| object["type"] == "index-pattern").collect();
    assert_eq!(views.len(), Dataset::ALL.len());
    for view in views {
        let title = view["attributes"]["title"].as_str().unwrap();
        assert_eq!(server.post(&format!("/{title}/_count"), &Value::Null)["count"], 0, "{title}");
        let found = server.get(&format!("/{title}/_field_caps?fields=*"));
        let fields = view["attributes"]["fields"].as_str().unwrap();
        for field in serde_json::from_str::<Vec<Value>>(fields).unwrap() {
            let name = field["name"].as_str().unwrap();
            // Those of every index are no business of ours; the small build of Elasticsearch has no
            // distributions.
            if name.starts_with('_') || field["type"] == "histogram" {
                continue;
            }
            let caps = found["fields"][name].as_object();
            let caps = caps.unwrap_or_else(|| panic!("{title} lacks {name}"));
            for key in ["searchable", "aggregatable"] {
                assert!(caps.values().all(|one| one[key] == field[key]), "{title} {name}: {key}");
            }
        }
    }
}

/// Name of the stream of requests.
fn stream() -> String {
    Dataset::Access.data_stream(NAMESPACE)
}

/// Sends requests through a proxy and lets it ship all it has.
fn traffic(telemetry: &str) {
    let upstream = Upstream::ok();
    let telemetry = telemetry.to_owned() + "  rollup: {every: 1h}\n";
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), &telemetry);
    for n in 0..REQUESTS {
        assert_eq!(proxy.send(format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).status, 200);
    }
    let log = proxy.terminate();
    assert!(!log.contains("DOES NOT HOLD") && log.contains("pending 0"), "{log}");
    assert!(log.contains("failure_store 0") && log.contains("dead_letter 0"), "{log}");
    assert!(!log.contains("put in place"), "set-up has left nothing to shipping: {log}");
}

/// Documents, mappings and rollups are as they should be.
fn compare(server: &RealServer) {
    let product = server.product;
    for dataset in [Dataset::Access, Dataset::Rollup] {
        let stream = dataset.data_stream(NAMESPACE);
        let stored = server.stored(&stream, &[]);
        assert!(!stored.is_empty(), "{stream}");
        let declared = [Types::Usual, Types::Smallest].map(|types| {
            templates::index_template(product, dataset, types)["template"]["mappings"].take()
        });
        let indices: HashSet<_> = stored.iter().map(|stored| stored.index.as_str()).collect();
        for index in indices {
            let mappings = server.get(&format!("/{index}/_mapping"))[index]["mappings"].take();
            let is_declared =
                declared.iter().any(|declared| declared["properties"] == mappings["properties"]);
            assert!(is_declared, "{product:?} {index}: a field came or went: {mappings:#}");
            assert_eq!(mappings["dynamic"], "false");
            let settings =
                &server.get(&format!("/{index}/_settings"))[index]["settings"]["index"].take();
            assert_eq!(settings["codec"], "best_compression", "{settings}");
        }
        let ignored = json!({"query": {"exists": {"field": "_ignored"}}});
        assert_eq!(server.post(&format!("/{stream}/_count"), &ignored)["count"], 0);
    }
    rollups_equal_records(server);
}

/// The value of an aggregation over counts or microseconds.
fn whole(aggregation: &Value) -> u64 {
    let value = aggregation["value"].as_f64().unwrap();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let whole = value as u64;
    whole
}

/// Sums of rollups are counts of records; their percentiles are those of the records within 1 %.
fn rollups_equal_records(server: &RealServer) {
    let max = |path: &str| json!({ "max": { "field": path } });
    let rollup = Dataset::Rollup.data_stream(NAMESPACE);
    let path = |name: &str| format!("lbproxy.rollup.duration_us.{name}");
    let percentiles = [("p50", 50), ("p90", 90), ("p99", 99)];
    let mut of_window = json!({ "requests": { "sum": { "field": "lbproxy.rollup.requests" } } });
    for (name, _) in percentiles {
        of_window[name] = max(&path(name));
    }
    let windows = json!({ "terms": { "field": "@timestamp", "size": 10 }, "aggs": of_window });
    let query = json!({ "size": 0, "aggs": { "windows": windows } });
    let answer = server.post(&format!("/{rollup}/_search"), &query);
    let records = server.stored(&stream(), &["@timestamp", "event.duration"]);
    assert_eq!(records.len(), REQUESTS);
    let mut sum = 0;
    for window in answer["aggregations"]["windows"]["buckets"].as_array().unwrap() {
        let start = window["key_as_string"].as_str().unwrap();
        let hour = &start[..13]; // the windows of this test are whole hours
        let mut times: Vec<u64> = records
            .iter()
            .filter(|record| record.source["@timestamp"].as_str().unwrap().starts_with(hour))
            .map(|record| record.source["event.duration"].as_u64().unwrap() / 1_000)
            .collect();
        times.sort_unstable();
        assert_eq!(whole(&window["requests"]), times.len() as u64, "{window}");
        sum += times.len();
        for (name, percent) in percentiles {
            let want = times[(percent * times.len()).div_ceil(100) - 1];
            let got = whole(&window[name]);
            assert!(got.abs_diff(want) * 100 <= want + 100, "{name}: {got} instead of {want}");
        }
    }
    assert_eq!(sum, REQUESTS, "{answer:#}");
}
