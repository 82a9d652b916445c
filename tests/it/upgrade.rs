//! Goal: whoever replaces an older lbproxy by this one has each of its records once, under the `_id`
//! that the older one would have given it. Method: a journal that version 0.1.0 left when it was killed
//! between a request and its answer (`tests/fixtures/journal-text-ids`), the mock with what had been
//! stored by then, a rollover, and the real program on both.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use lbproxy::elk::templates::{self, Types};
use lbproxy::record::Dataset;
use lbproxy_fakes::{ItemOutcome, Options, Product, Running, Step, Which};

use crate::support::*;

/// Requests of the older program: `/n/0` to `/n/39`.
const OLD: usize = 40;
/// Requests of this one.
const NEW: usize = 20;
const STREAM: &str = "logs-lbproxy.access-default";
const ROLLUPS: &str = "metrics-lbproxy.rollup-default";

/// The fixture as a journal; segments are committed without the zeros at their end.
fn journal(to: &Path) {
    let from =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal-text-ids/journal");
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        fs::copy(entry.path(), to.join(&name)).unwrap();
        if name.starts_with("segment-") {
            let file = fs::File::options().write(true).open(to.join(&name)).unwrap();
            file.set_len(1 << 20).unwrap();
        }
    }
}

/// A server with what the older program had stored, acknowledged or not; both streams have rolled over
/// since, so that an `_id` alone protects from nothing.
fn server(product: Product) -> Running {
    let server = lbproxy_fakes::start(Options::local(product)).unwrap();
    for dataset in Dataset::ALL {
        let template = templates::index_template(product_of(product), dataset, Types::Usual);
        server.put_template(templates::template_name(dataset), template);
    }
    let body = include_str!("../fixtures/journal-text-ids/stored.ndjson");
    let request = format!(
        "POST /{STREAM}/_bulk HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = connect(server.address());
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let response = read_response(&mut std::io::BufReader::new(stream), false).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!((server.count(STREAM), server.count(ROLLUPS)), (25, 2), "what was stored");
    server.rollover(STREAM).unwrap();
    server.rollover(ROLLUPS).unwrap();
    server
}

/// The product that a mock is.
fn product_of(product: Product) -> lbproxy::elk::Product {
    match product {
        Product::OpenSearch => lbproxy::elk::Product::OpenSearch,
        Product::Elasticsearch | Product::ElasticsearchReduced => {
            lbproxy::elk::Product::Elasticsearch
        }
    }
}

/// Exit code and words of `lbproxy log COMMAND`.
fn log(command: &str, dir: &Path) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lbproxy"))
        .args(["log", command, "--config"])
        .arg(dir.join("proxy.yaml"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

/// Each request stands once, those of the older program under ids of 26 characters; and the rollups
/// add up to all of them.
fn each_once(name: &str, server: &Running) {
    let mut times = HashMap::<String, usize>::new();
    for document in server.documents(STREAM) {
        let path = document.source["url.path"].as_str().unwrap().to_owned();
        let length = if path.starts_with("/n/") { 26 } else { 27 };
        assert_eq!(document.id.len(), length, "{name}: {path} is {}", document.id);
        *times.entry(path).or_default() += 1;
    }
    assert_eq!(times.len(), OLD + NEW, "{name}: lost");
    assert!(times.values().all(|&times| times == 1), "{name}: twice: {times:?}");
    assert_eq!(server.duplicates(STREAM), Vec::<String>::new(), "{name}");
    assert_eq!(server.duplicates(ROLLUPS), Vec::<String>::new(), "{name}");
    let rollups = server.documents(ROLLUPS);
    let ids: HashSet<_> = rollups.iter().map(|row| row.id.as_str()).collect();
    let sum: u64 =
        rollups.iter().map(|row| row.source["lbproxy.rollup.requests"].as_u64().unwrap()).sum();
    assert_eq!((ids.len(), sum), (rollups.len(), (OLD + NEW) as u64), "{name}: rollups");
}

/// Old records, new ones, a dead letter of each, resend and audit.
fn check(product: Product) {
    let name = format!("{product:?}");
    let server = server(product);
    let outcome = ItemOutcome::Malformed;
    server.set_default(Step::item(Which::Containing("/39\"".into()), outcome.clone()));
    let dir = Arc::new(tempfile::tempdir().unwrap());
    journal(&dir.path().join("journal"));
    let upstream = Upstream::ok();
    let rest = format!(
        "  rollup: {{every: 1s}}\n  elasticsearch: {{urls: [\"{}\"], batch: {{wait: 50ms}}}}\n",
        server.url()
    );
    let service = one_service(&[upstream.address], "");
    let proxy = Proxy::start_in(Arc::clone(&dir), &service, &rest);
    for n in 39 - NEW / 2..39 + NEW / 2 {
        assert_eq!(proxy.send(format!("GET /new/{n} HTTP/1.1\r\nHost: a\r\n\r\n")).status, 200);
    }
    proxy.await_figure("lbproxy_ship_dead_letter_total", |dead| dead == 2);
    proxy.await_figure("lbproxy_ship_duplicate_total", |found| found >= 15);
    let told = proxy.terminate();
    assert!(!told.contains("DOES NOT HOLD"), "{name}: {told}");

    server.set_default(Step::default());
    let (code, text) = log("resend", dir.path());
    assert!(code == 0 && text.contains("dead_letters 2 = stored 2 "), "{name}: {text}");
    each_once(&name, &server);
    let (code, text) = log("audit", dir.path());
    assert!(code == 0 && text.contains("(holds)"), "{name}: {text}");
}

#[test]
fn a_journal_of_an_older_version_arrives_once_under_its_own_ids() {
    for product in [Product::OpenSearch, Product::Elasticsearch] {
        check(product);
    }
}
