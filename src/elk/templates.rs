//! Index templates of the data streams, one for each dataset and product.
//!
//! The mapping comes from the tables of `record`, so no document has a field it lacks; what is not
//! in the tables is kept in `_source` and not indexed (`dynamic: false`), so a newer lbproxy cannot
//! bloat the mapping. Only types that the smallest builds of both products have are used.
//! Not set on purpose: `index.mode` (newer Elasticsearch picks logsdb for `logs-*-*` by itself;
//! never time series, where a late document is refused), the refresh interval (an index nobody
//! searches then costs nothing), retention (deleting is the operator's decision).

use serde_json::{Map, Value, json};

use super::Product;
use crate::record::{Dataset, FieldSpec};

/// Raised when a template changes in anything but added fields, which count by themselves.
const REVISION: usize = 1;

/// Above the products' own `logs-*-*` templates, which have 100.
const PRIORITY: u32 = 250;

/// Name of a dataset's template, and first part of the names it is for.
pub const fn template_name(dataset: Dataset) -> &'static str {
    dataset.name()
}

/// Version of a dataset's template; a later one is higher, so a server's template is replaced only
/// when its own is lower, and two versions of lbproxy side by side do not undo each other.
pub fn template_version(dataset: Dataset) -> usize {
    REVISION * 1_000 + dataset.document_fields().count()
}

/// The body of `PUT _index_template/NAME`: JSON, indented, with a line feed at its end.
pub fn index_template(product: Product, dataset: Dataset) -> String {
    let name = template_name(dataset);
    let mut template = json!({
        "mappings": {
            "dynamic": false,
            "properties": properties(dataset.document_fields()),
        },
        "settings": {
            "index.auto_expand_replicas": "0-1",
            "index.codec": "best_compression",
            "index.number_of_shards": 1,
        },
    });
    let mut body = json!({
        "_meta": {
            "description": format!("lbproxy {} records, one document each", dataset.as_str()),
            "managed_by": "lbproxy",
        },
        "data_stream": {},
        "index_patterns": [format!("{name}-*")],
        "priority": PRIORITY,
        "version": template_version(dataset),
    });
    if product == Product::Elasticsearch {
        // Rolls over by itself; keeps everything until someone sets a retention.
        template["lifecycle"] = json!({ "enabled": true });
        // Where operators add what is theirs; OpenSearch refuses one that is missing.
        let custom = json!([format!("{name}@custom")]);
        body["composed_of"] = custom.clone();
        body["ignore_missing_component_templates"] = custom;
    }
    body["template"] = template;
    // A tree of strings and numbers always has a text.
    serde_json::to_string_pretty(&body).unwrap_or_default() + "\n"
}

/// The `properties` of a mapping: dotted paths as nested objects, as servers give them back.
fn properties(fields: impl Iterator<Item = &'static FieldSpec>) -> Value {
    let mut root = Map::new();
    for field in fields {
        let mut at = &mut root;
        let mut names = field.path.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                at.insert(name.to_owned(), mapping(field));
                break;
            }
            let object = at.entry(name).or_insert_with(|| json!({ "properties": {} }));
            let Some(inner) = object.get_mut("properties").and_then(Value::as_object_mut) else {
                break; // A path below a leaf: the tables have none, a test sees to it.
            };
            at = inner;
        }
    }
    root.into()
}

/// The mapping of one field.
fn mapping(field: &FieldSpec) -> Value {
    match field.kind.ignore_above {
        0 => json!({ "type": field.kind.index_type }),
        longest => json!({ "type": field.kind.index_type, "ignore_above": longest }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves of a `properties` object as dotted paths with their types.
    fn leaves(properties: &Value, before: &str, found: &mut Vec<(String, String)>) {
        for (name, value) in properties.as_object().unwrap() {
            let path = format!("{before}{name}");
            match value.get("properties") {
                Some(inner) => {
                    assert_eq!(value.get("type"), None, "{path} is leaf and object");
                    leaves(inner, &format!("{path}."), found);
                }
                None => found.push((path, value["type"].as_str().unwrap().to_owned())),
            }
        }
    }

    #[test]
    fn every_field_is_mapped_once_with_its_type() {
        for (product, dataset) in
            Product::ALL.iter().flat_map(|product| Dataset::ALL.map(|dataset| (*product, dataset)))
        {
            let body: Value = serde_json::from_str(&index_template(product, dataset)).unwrap();
            let mut found = Vec::new();
            leaves(&body["template"]["mappings"]["properties"], "", &mut found);
            let mut want: Vec<_> = dataset
                .document_fields()
                .map(|field| (field.path.to_owned(), field.kind.index_type.to_owned()))
                .collect();
            found.sort();
            want.sort();
            assert_eq!(found, want, "{product:?} {dataset:?}");
            assert_eq!(body["template"]["mappings"]["dynamic"], false);
        }
    }

    #[test]
    fn a_template_is_for_every_namespace_of_its_dataset_and_no_other() {
        for dataset in Dataset::ALL {
            let body = index_template(Product::OpenSearch, dataset);
            let body: Value = serde_json::from_str(&body).unwrap();
            let pattern = body["index_patterns"][0].as_str().unwrap().to_owned();
            let start = pattern.strip_suffix('*').unwrap();
            for other in Dataset::ALL {
                let is_matched = other.data_stream("default").starts_with(start);
                assert_eq!(is_matched, other == dataset, "{pattern} {other:?}");
            }
            assert_eq!(body["data_stream"], json!({}));
            assert_eq!(body["_meta"]["managed_by"], "lbproxy");
        }
    }

    #[test]
    fn only_types_that_the_smallest_builds_have() {
        for dataset in Dataset::ALL {
            for field in dataset.document_fields() {
                let kind = field.kind.index_type;
                assert!(
                    [
                        "boolean",
                        "date",
                        "date_range",
                        "float",
                        "integer",
                        "ip",
                        "keyword",
                        "long",
                        "short"
                    ]
                    .contains(&kind),
                    "{}: {kind}",
                    field.path
                );
            }
        }
    }
}
