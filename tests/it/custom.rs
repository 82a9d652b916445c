//! Goal: an ingest pipeline and fields that operators put into `NAME@custom` reach the streams of both products,
//! and records are stored once and under their own ids, as without. Method: `lbproxy setup` against the mock; then
//! the program and the real servers, whose builds have no processors: a pipeline without any, which servers look up
//! and then skip, stands for those of docs/setup.md.

use std::collections::HashSet;

use lbproxy::elk::Product;
use lbproxy::elk::templates::{Types, index_template};
use lbproxy::record::Dataset;
use lbproxy_fakes::Product as Fake;
use serde_json::{Value, json};

use crate::server::RealServer;
use crate::setup::{changes, server, setup as setup_mock};
use crate::setup_real::{KINDS, setup};
use crate::support::*;
use crate::traffic::access;

const NAMESPACE: &str = "custom";
const COMPONENT: &str = "/_component_template/logs-lbproxy.access@custom";
/// What docs/setup.md has operators put there, and the name of its pipeline.
const FIELDS: &str = include_str!("../../docs/enrich/fields.json");
const PIPELINE: &str = "lbproxy-enrich";
const REQUESTS: usize = 100;

#[test]
fn an_operators_own_component_is_composed_where_it_is_there() {
    let own = || serde_json::from_str::<Value>(FIELDS).unwrap();
    for product in [Fake::OpenSearch, Fake::Elasticsearch] {
        let name = &format!("{product:?}");
        let (server, is_open) = (server(product), product == Fake::OpenSearch);
        setup_mock(&server, &[]).expect(name, 0, &[]);
        server.keep(COMPONENT, own());
        let before = server.requests().len();
        // Elasticsearch has named it all the time.
        let told = "  ~ index template logs-lbproxy.access\n      \
                    composed_of: [lbproxy@settings] -> [lbproxy@settings, logs-lbproxy.access@custom]\n";
        let told = if is_open { told } else { "nothing to do" };
        setup_mock(&server, &[]).expect(name, 0, &[told]);
        let put = "PUT /_index_template/logs-lbproxy.access".to_owned();
        let want = if is_open { vec![put] } else { Vec::new() };
        assert_eq!(changes(&server, before), want, "{name}: streams keep their index");
        setup_mock(&server, &[]).expect(name, 0, &["nothing to do"]);
        setup_mock(&server, &["--remove", "--data"]).expect(name, 0, &["removed"]);
        assert_eq!(server.kept(COMPONENT), Some(own()), "{name}");
        setup_mock(&server, &[]).expect(name, 0, &["+ index template logs-lbproxy.access"]);
        let composed = server.template("logs-lbproxy.access").unwrap()["composed_of"].to_string();
        assert!(composed.contains("logs-lbproxy.access@custom"), "{name}: {composed}");
        let other = server.template("logs-lbproxy.health").unwrap()["composed_of"].to_string();
        assert_eq!(other.contains("@custom"), !is_open, "{name}: {other}");
    }
}

/// The leaves of a mapping, or of fields that a processor adds.
fn leaves(properties: &Value, before: &str, found: &mut HashSet<String>) {
    for (name, own) in properties.as_object().unwrap() {
        match own.get("properties") {
            Some(inner) => leaves(inner, &format!("{before}{name}."), found),
            None => drop(found.insert(format!("{before}{name}"))),
        }
    }
}

#[test]
fn the_pipelines_of_the_docs_read_fields_of_records_and_add_others_that_are_mapped() {
    let fields: Value = serde_json::from_str(FIELDS).unwrap();
    assert_eq!(fields["template"]["settings"], json!({"index.default_pipeline": PIPELINE}));
    let template = index_template(Product::OpenSearch, Dataset::Access, Types::Usual);
    let (mut ours, mut added) = (HashSet::new(), HashSet::new());
    leaves(&template["template"]["mappings"]["properties"], "", &mut ours);
    leaves(&fields["template"]["mappings"]["properties"], "", &mut added);
    assert!(ours.is_disjoint(&added), "{added:?}");
    for text in [
        include_str!("../../docs/enrich/pipeline.elasticsearch.json"),
        include_str!("../../docs/enrich/pipeline.opensearch.json"),
    ] {
        let pipeline: Value = serde_json::from_str(text).unwrap();
        let mut expanded = HashSet::new();
        for processor in pipeline["processors"].as_array().unwrap() {
            let (kind, own) = processor.as_object().unwrap().iter().next().unwrap();
            let field = own["field"].as_str().unwrap();
            assert!(ours.contains(field), "{kind}: {field}");
            assert_eq!(own["ignore_failure"], true, "{kind}: a failure would refuse the record");
            // Records have dots in the names of their fields; other processors look for objects.
            if kind == "dot_expander" {
                expanded.insert(field);
                continue;
            }
            assert!(expanded.contains(field), "{kind}: {field} is not expanded before");
            assert_eq!(own["ignore_missing"], true, "{kind}");
            let target = own["target_field"].as_str().unwrap_or(kind);
            let names = own["properties"].as_array().into_iter().flatten();
            for name in names.map(|name| name.as_str().unwrap()) {
                assert!(added.contains(&format!("{target}.{name}")), "{target}.{name}");
            }
        }
    }
}

/// On a server that nobody ships to in this namespace.
pub(crate) fn records_are_stored_with_a_pipeline(server: &RealServer) {
    let (stream, telemetry) = (access(NAMESPACE), server.telemetry(NAMESPACE));
    let own: Value = serde_json::from_str(FIELDS).unwrap();
    let pipeline = json!({"processors": []});
    server.must("PUT", &format!("/_ingest/pipeline/{PIPELINE}"), Some(&pipeline));
    server.must("PUT", COMPONENT, Some(&own));
    setup(&telemetry, &KINDS);
    let (_, text) = setup(&telemetry, &KINDS);
    assert!(text.contains("nothing to do: "), "{text}");

    let upstream = Upstream::ok();
    let proxy = Proxy::start(&one_service(&[upstream.address], ""), &telemetry);
    for n in 0..REQUESTS {
        assert_eq!(proxy.send(format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).status, 200);
    }
    let log = proxy.terminate();
    assert!(log.contains("pending 0") && log.contains("dead_letter 0"), "{log}");
    let stored = server.stored(&stream, &["url.path", "lbproxy.seq"]);
    let ids: HashSet<_> = stored.iter().map(|stored| stored.id.as_str()).collect();
    assert_eq!((stored.len(), ids.len()), (REQUESTS, REQUESTS));

    let index = &stored[0].index;
    let mapping = server.get(&format!("/{index}/_mapping"))[index]["mappings"].take();
    let client = &mapping["properties"]["client"]["properties"];
    assert_eq!(client["geo"]["properties"]["location"]["type"], "geo_point", "{mapping:#}");
    assert_eq!(client["ip"]["type"], "ip", "{mapping:#}");
    let settings = server.get(&format!("/{index}/_settings"))[index]["settings"].take();
    assert_eq!(settings["index"]["default_pipeline"], PIPELINE, "{settings:#}");
}
