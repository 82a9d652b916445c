//! Index templates of the data streams, one for each dataset and product, and the component template
//! that they share.
//!
//! The mapping comes from the tables of `record`, so no document has a field it lacks; what is not
//! in the tables is kept in `_source` and not indexed (`dynamic: false`), so a newer lbproxy cannot
//! bloat the mapping. Types that some builds lack are left out with [`Types::Smallest`].
//! Settings stand in a component, so that an operator's own component, composed later, can have
//! others. Not set on purpose: `index.mode` (newer Elasticsearch picks logsdb for `logs-*-*` by
//! itself; never time series, where a late document is refused) and the refresh interval (an index
//! nobody searches then costs nothing). Not here: how long documents are kept (`retention`).

use serde_json::{Map, Value, json};

use super::server::Features;
use super::{MANAGED_BY, Product, retention};
use crate::record::{Dataset, FieldSpec, Part};

/// Raised when a template changes in anything but added fields, which count by themselves.
const REVISION: usize = 2;

/// The same for the shared component.
const SETTINGS_REVISION: usize = 1;

/// Above the products' own `logs-*-*` templates, which have 100.
pub const PRIORITY: u64 = 250;

/// Name of the component template that all of ours are composed of.
pub const SETTINGS: &str = "lbproxy@settings";

/// Name of a dataset's template, and first part of the names it is for.
pub const fn template_name(dataset: Dataset) -> &'static str {
    dataset.name()
}

/// Name of the component template where operators add what is theirs to a dataset's streams.
pub fn custom_name(dataset: Dataset) -> String {
    format!("{}@custom", dataset.name())
}

/// Version of a dataset's template; a later one is higher, so a server's template is replaced only
/// when its own is lower, and two versions of lbproxy side by side do not undo each other.
pub fn template_version(dataset: Dataset) -> usize {
    REVISION * 1_000 + dataset.document_fields().count()
}

/// First part of the name of the index in which watchers keep their lease; the namespace follows.
pub const WATCH: &str = "lbproxy.watch";

/// Name of the index in which the watchers of a namespace keep their lease.
pub fn watch_index(namespace: &str) -> String {
    format!("{WATCH}-{namespace}")
}

/// The body of `PUT` of that index. Its one document is read by `_id` alone; what is mapped is for people.
pub fn watch_index_body() -> Value {
    let keyword = json!({ "type": "keyword", "ignore_above": 512 });
    let watch = json!({ "properties": { "holder": keyword, "firing": { "type": "long" } } });
    json!({
        "settings": { "index.number_of_shards": 1, "index.auto_expand_replicas": "0-1" },
        "mappings": {
            "_meta": meta("Lease of `lbproxy slo watch`, and its alerts"),
            "dynamic": false,
            "properties": {
                "@timestamp": { "type": "date" },
                "lbproxy": { "properties": { "watch": watch } },
            },
        },
    })
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

/// The body of `PUT _component_template/lbproxy@settings`.
pub fn settings(features: Features) -> Value {
    let mut template = json!({
        "settings": {
            "index.auto_expand_replicas": "0-1",
            "index.codec": "best_compression",
            "index.number_of_shards": 1,
        },
    });
    if features.failure_store {
        template["data_stream_options"] = json!({ "failure_store": { "enabled": true } });
    }
    json!({
        "_meta": meta("Settings of all streams of lbproxy"),
        "template": template,
        "version": SETTINGS_REVISION,
    })
}

/// The body of `PUT _index_template/NAME`.
pub fn index_template(product: Product, dataset: Dataset, types: Types) -> Value {
    let has_histograms = product == Product::Elasticsearch && types == Types::Usual;
    let name = template_name(dataset);
    let description = format!("lbproxy {} records, one document each", dataset.as_str());
    let mut body = json!({
        "_meta": meta(&description),
        "composed_of": [SETTINGS],
        "data_stream": {},
        "index_patterns": [format!("{name}-*")],
        "priority": PRIORITY,
        "template": {
            "mappings": {
                "dynamic": false,
                "properties": properties(dataset.document_fields(), has_histograms),
            },
        },
        "version": template_version(dataset),
    });
    if product == Product::Elasticsearch {
        // OpenSearch refuses one that is missing.
        let optional = [retention::component_name(dataset), custom_name(dataset)];
        body["composed_of"] = json!([SETTINGS, optional[0], optional[1]]);
        body["ignore_missing_component_templates"] = json!(optional);
    }
    body
}

/// Composes a template with an operator's own component, which is on the server: on OpenSearch, where it has to be.
pub(super) fn compose_custom(template: &mut Value, dataset: Dataset) {
    template["composed_of"] = json!([SETTINGS, custom_name(dataset)]);
}

/// `_meta` of what is ours.
pub(super) fn meta(description: &str) -> Value {
    json!({ "description": description, "managed_by": MANAGED_BY })
}

/// JSON, indented, with a line feed at its end.
pub fn to_text(body: &Value) -> String {
    // A tree of strings and numbers always has a text.
    serde_json::to_string_pretty(body).unwrap_or_default() + "\n"
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
