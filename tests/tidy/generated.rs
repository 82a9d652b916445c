//! Goal: no committed artefact that is made from a table differs from what the table says now.
//! Method: everything is rendered in memory and compared; `UPDATE=1` rewrites what is stale; a file
//! that nothing makes any more is named.
//!
//! A further artefact is a further row of [`artefacts`].

use std::path::{Path, PathBuf};

use lbproxy::config;
use lbproxy::elk::artefact::{Artefact, Settings, wanted};
use lbproxy::elk::server::{Server, Version};
use lbproxy::elk::{Product, access, templates};
use lbproxy::metrics::metrics_markdown;
use lbproxy::record::records_markdown;

/// Every generated file: path from the root of the repository, and what makes it.
fn artefacts() -> Vec<(String, Box<dyn Fn() -> String>)> {
    let mut all: Vec<(String, Box<dyn Fn() -> String>)> = vec![
        ("docs/records.md".to_owned(), Box::new(records_markdown)),
        ("docs/config.md".to_owned(), Box::new(config::reference_markdown)),
        ("docs/config.schema.json".to_owned(), Box::new(config::json_schema)),
        ("docs/slo.schema.json".to_owned(), Box::new(lbproxy::slo::file::json_schema)),
        ("docs/metrics.md".to_owned(), Box::new(metrics_markdown)),
        ("helm/lbproxy/values.schema.json".to_owned(), Box::new(chart_schema)),
        ("docs/slo-compile.md".to_owned(), Box::new(lbproxy::compile::compile_markdown)),
    ];
    for product in Product::ALL {
        for artefact in everything(product) {
            let (kind, name) = (artefact.kind.as_str(), &artefact.name);
            let path = format!("{FOLDER}/{kind}/{name}.{}.json", product.as_str());
            all.push((path, Box::new(move || templates::to_text(&artefact.body))));
        }
    }
    all
}

/// Folder of what is installed on servers; holds nothing else.
const FOLDER: &str = "elk";

/// What is installed on the newest server of a product with the defaults of the configuration.
fn everything(product: Product) -> Vec<Artefact> {
    let text = "proxy:\n  listen: {address: 127.0.0.1, port: 80}\n  services:\n    \
                - {name: a, domain: a, hosts: [{address: 127.0.0.1, port: 1}]}\n\
                telemetry: {elasticsearch: {urls: [\"http://localhost:9200\"]}}\n";
    let config = config::parse("defaults", text, &|_| None).unwrap();
    let retention = config.telemetry.elasticsearch.unwrap().retention;
    let newest = Version::parse("99.0.0");
    let (licence, user, plugins) = (None, None, Vec::new());
    let server = Server { product, version: newest, licence, user, plugins, is_serverless: false };
    let (credentials, rights) = (&[access::Credentials::User], access::Rights::Lookup);
    wanted(
        &server,
        Settings { retention: &retention, credentials, rights, streams: &[], custom: &[] },
    )
}

/// The schema of the chart's values: its own keys, and `config`, which is a whole proxy.yaml. Helm reads no file
/// beside it, so the one schema is copied into the other.
fn chart_schema() -> String {
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let own = std::fs::read_to_string(rooted("helm/lbproxy/schema/values.json")).unwrap();
    let (mut values, mut config) = (read(&own), read(&config::json_schema()));
    let whole = config.as_object_mut().unwrap();
    values["$defs"] = whole.remove("$defs").unwrap();
    for key in ["$schema", "title"] {
        whole.remove(key);
    }
    // The chart writes the addresses.
    whole["properties"]["telemetry"]["properties"]["elasticsearch"]
        .as_object_mut()
        .unwrap()
        .remove("required");
    whole.insert("description".to_owned(), "proxy.yaml: see docs/config.md.".into());
    values["properties"]["config"] = config;
    serde_json::to_string_pretty(&values).unwrap() + "\n"
}

/// A path of the repository.
fn rooted(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn committed_artefacts_say_what_the_tables_say() {
    let is_update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let mut stale = Vec::new();
    for (path, render) in artefacts() {
        let (file, want) = (rooted(&path), render());
        if std::fs::read_to_string(&file).is_ok_and(|have| have == want) {
            continue;
        }
        if is_update {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, want).unwrap();
        } else {
            stale.push(path);
        }
    }
    assert!(
        stale.is_empty(),
        "stale: {stale:?}; `UPDATE=1 cargo test --test tidy` rewrites them, then look at the diff"
    );
    let known: Vec<_> = artefacts().into_iter().map(|(path, _)| rooted(&path)).collect();
    for folder in std::fs::read_dir(rooted(FOLDER)).unwrap() {
        for entry in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = entry.unwrap().path();
            assert!(known.contains(&path), "{} is made by nothing; delete it", path.display());
        }
    }
}
