//! Goal: every item that the original project names has a field here, and the names in
//! `docs/original.md` are real. Method: the page's table is read cell by cell and each name looked up in
//! the tables that documents, templates and `/metrics` are made from.

use std::collections::HashSet;
use std::path::Path;

use lbproxy::metrics::metrics_markdown;
use lbproxy::record::Dataset;

const ITEMS: [&str; 13] = [
    "URI",
    "response time",
    "success",
    "status",
    "response size",
    "upstream connect time",
    "liveness",
    "proxy response time",
    "%CPU",
    "%memory",
    "bandwidth",
    "memory usage",
    "HTTP pool",
];

/// The names between backquotes.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn each_item_of_the_original_has_fields_that_exist() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/original.md");
    let page = std::fs::read_to_string(page).unwrap();
    let metrics = metrics_markdown();
    let mut found = HashSet::new();
    for line in page.lines().filter(|line| line.starts_with("| ") && !line.contains("'s word")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [item, fields, stream, on_page] = cells[..] else { panic!("four cells in {line}") };
        let stream = names(stream).next().unwrap_or_else(|| panic!("no data stream in {line}"));
        let dataset = Dataset::ALL.into_iter().find(|dataset| dataset.name() == stream);
        let dataset = dataset.unwrap_or_else(|| panic!("{item}: {stream} is no data stream"));
        let known: HashSet<_> = dataset.document_fields().map(|field| field.path).collect();
        assert!(names(fields).count() > 0, "{item} has no field");
        for field in names(fields) {
            assert!(known.contains(field), "{item}: {stream} has no field {field}");
        }
        for name in names(on_page) {
            let is_there = [format!("| `{name}` |"), format!("| `{name}{{")]
                .iter()
                .any(|start| metrics.contains(start));
            assert!(is_there, "{item}: no metric {name}");
        }
        found.insert(item);
    }
    assert_eq!(found, HashSet::from(ITEMS), "the items of the original, and no others");
}
