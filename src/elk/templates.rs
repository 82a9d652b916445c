//! Index templates of the data streams, one for each dataset and product.
//!
//! The mapping comes from the tables of `record`, so no document has a field it lacks; what is not
//! in the tables is kept in `_source` and not indexed (`dynamic: false`), so a newer lbproxy cannot
//! bloat the mapping. Types that some builds lack are left out with [`Types::Smallest`].
//! Not set on purpose: `index.mode` (newer Elasticsearch picks logsdb for `logs-*-*` by itself;
//! never time series, where a late document is refused), the refresh interval (an index nobody
//! searches then costs nothing), retention (deleting is the operator's decision).

use serde_json::{Map, Value, json};

use super::Product;
use crate::record::{Dataset, FieldSpec, Part};

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

/// Which mapping types a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Types {
    /// All that the product has in its usual builds.
    Usual,
    /// Those of the smallest builds: what needs another is kept in the document and not indexed.
    Smallest,
}

/// Whether a server may refuse the template for its types, so that it is to be put with
/// [`Types::Smallest`].
pub fn needs_usual_types(product: Product, dataset: Dataset) -> bool {
    product == Product::Elasticsearch
        && dataset
            .document_fields()
            .flat_map(|field| field.parts)
            .any(|part| part.index_type == HISTOGRAM)
}

/// A mapping type that Elasticsearch has with its analytics module, OpenSearch not at all.
const HISTOGRAM: &str = "histogram";

/// The body of `PUT _index_template/NAME`: JSON, indented, with a line feed at its end.
pub fn index_template(product: Product, dataset: Dataset, types: Types) -> String {
    let has_histograms = product == Product::Elasticsearch && types == Types::Usual;
    let name = template_name(dataset);
    let mut template = json!({
        "mappings": {
            "dynamic": false,
            "properties": properties(dataset.document_fields(), has_histograms),
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
fn properties(fields: impl Iterator<Item = &'static FieldSpec>, has_histograms: bool) -> Value {
    let mut root = Map::new();
    for field in fields {
        let mut at = &mut root;
        let mut names = field.path.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                at.insert(name.to_owned(), mapping(field, has_histograms));
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
fn mapping(field: &FieldSpec, has_histograms: bool) -> Value {
    if !field.parts.is_empty() {
        let part = |part: &Part| match part.index_type {
            HISTOGRAM if !has_histograms => json!({ "type": "object", "enabled": false }),
            index_type => json!({ "type": index_type }),
        };
        let parts = field.parts.iter().map(|own| (own.name.to_owned(), part(own)));
        return json!({ "properties": parts.collect::<Map<_, _>>() });
    }
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
            let body = index_template(product, dataset, Types::Usual);
            let body: Value = serde_json::from_str(&body).unwrap();
            let mut found = Vec::new();
            leaves(&body["template"]["mappings"]["properties"], "", &mut found);
            let mut want: Vec<_> = dataset
                .document_fields()
                .flat_map(|field| {
                    let path = field.path;
                    let own =
                        field.parts.is_empty().then(|| (path.to_owned(), field.kind.index_type));
                    let parts = field.parts.iter();
                    own.into_iter().chain(
                        parts.map(move |part| (format!("{path}.{}", part.name), part.index_type)),
                    )
                })
                .map(|(path, index_type)| match (index_type, product) {
                    (HISTOGRAM, Product::OpenSearch) => (path, "object".to_owned()),
                    _ => (path, index_type.to_owned()),
                })
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
            let body = index_template(Product::OpenSearch, dataset, Types::Usual);
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
        for (product, dataset) in
            Product::ALL.iter().flat_map(|product| Dataset::ALL.map(|dataset| (*product, dataset)))
        {
            let body = index_template(product, dataset, Types::Smallest);
            let body: Value = serde_json::from_str(&body).unwrap();
            let mut found = Vec::new();
            leaves(&body["template"]["mappings"]["properties"], "", &mut found);
            for (path, kind) in found {
                let known = [
                    "boolean",
                    "date",
                    "date_range",
                    "float",
                    "integer",
                    "ip",
                    "keyword",
                    "long",
                    "object",
                    "short",
                ];
                assert!(known.contains(&kind.as_str()), "{path}: {kind}");
            }
        }
    }

    #[test]
    fn distributions_are_histograms_where_the_server_has_them_and_kept_as_they_are_elsewhere() {
        let histogram = json!({ "type": "histogram" });
        let kept = json!({ "type": "object", "enabled": false });
        for (product, types, want) in [
            (Product::Elasticsearch, Types::Usual, &histogram),
            (Product::Elasticsearch, Types::Smallest, &kept),
            (Product::OpenSearch, Types::Usual, &kept),
        ] {
            let body = index_template(product, Dataset::Rollup, types);
            let body: Value = serde_json::from_str(&body).unwrap();
            let rollup =
                &body["template"]["mappings"]["properties"]["lbproxy"]["properties"]["rollup"];
            let times = &rollup["properties"]["duration_us"]["properties"];
            assert_eq!(&times["histogram"], want, "{product:?} {types:?}");
            assert_eq!(times["p99_9"], json!({ "type": "long" }));
        }
        assert!(needs_usual_types(Product::Elasticsearch, Dataset::Rollup));
        assert!(!needs_usual_types(Product::Elasticsearch, Dataset::Access));
        assert!(!needs_usual_types(Product::OpenSearch, Dataset::Rollup));
    }
}
