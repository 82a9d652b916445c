//! Goal: no committed artefact that is made from a table differs from what the table says now.
//! Method: everything is rendered in memory and compared; `UPDATE=1` rewrites what is stale; a file
//! that nothing makes any more is named.
//!
//! A further artefact is a further row of [`artefacts`].

use std::path::{Path, PathBuf};

use lbproxy::config;
use lbproxy::elk::{Product, templates};
use lbproxy::metrics::metrics_markdown;
use lbproxy::record::{Dataset, records_markdown};

/// Every generated file: path from the root of the repository, and what makes it.
fn artefacts() -> Vec<(String, Box<dyn Fn() -> String>)> {
    let mut all: Vec<(String, Box<dyn Fn() -> String>)> = vec![
        ("docs/records.md".to_owned(), Box::new(records_markdown)),
        ("docs/config.md".to_owned(), Box::new(config::reference_markdown)),
        ("docs/config.schema.json".to_owned(), Box::new(config::json_schema)),
        ("docs/metrics.md".to_owned(), Box::new(metrics_markdown)),
    ];
    for product in Product::ALL {
        for dataset in Dataset::ALL {
            let name = templates::template_name(dataset);
            all.push((
                format!("{TEMPLATES}/{name}.{}.json", product.as_str()),
                Box::new(move || {
                    templates::index_template(product, dataset, templates::Types::Usual)
                }),
            ));
        }
    }
    all
}

/// Folder of the index templates; holds nothing else.
const TEMPLATES: &str = "elk/templates";

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
        "stale: {stale:?}; `UPDATE=1 cargo test --test it generated` rewrites them, then look at the diff"
    );
    let known: Vec<_> = artefacts().into_iter().map(|(path, _)| rooted(&path)).collect();
    for entry in std::fs::read_dir(rooted(TEMPLATES)).unwrap() {
        let path = entry.unwrap().path();
        assert!(known.contains(&path), "{} is made by nothing; delete it", path.display());
    }
}
