//! What products keep of an object, and what they do to it.
//!
//! OpenSearch Dashboards: `src/plugins/data/common/index_patterns/index_patterns/index_patterns.ts` (`get`,
//! `isFieldRefreshRequired`) and `index_pattern.ts` (`getAsSavedObjectBody`), `osd_field_types_factory.ts`,
//! and the mappings in `server/saved_objects` of its plugins: types without `dynamic` refuse what they do not
//! know. From 3.7 on nothing fills in fields that are missing. Kibana: `data_views.ts`
//! (`refreshFieldSpecMap`) and `dashboard/server/dashboard_saved_object/schema/v1`.

use serde_json::Value;

use super::super::Product;
use super::super::views::ViewField;
use super::Findings;

/// Attributes that a type has, where it has no others.
const CLOSED: [(Product, &str, &[&str]); 6] = [
    (Product::Elasticsearch, "tag", &["name", "description", "color"]),
    (
        Product::OpenSearch,
        "dashboard",
        &[
            "title",
            "description",
            "panelsJSON",
            "optionsJSON",
            "hits",
            "version",
            "timeRestore",
            "timeFrom",
            "timeTo",
            "refreshInterval",
            "kibanaSavedObjectMeta",
        ],
    ),
    (
        Product::OpenSearch,
        "visualization",
        &[
            "title",
            "description",
            "visState",
            "uiStateJSON",
            "version",
            "savedSearchRefName",
            "kibanaSavedObjectMeta",
        ],
    ),
    (
        Product::OpenSearch,
        "search",
        &["title", "description", "columns", "sort", "hits", "version", "kibanaSavedObjectMeta"],
    ),
    (
        Product::Elasticsearch,
        "dashboard",
        &[
            "title",
            "description",
            "panelsJSON",
            "optionsJSON",
            "hits",
            "version",
            "timeRestore",
            "timeFrom",
            "timeTo",
            "refreshInterval",
            "controlGroupInput",
            "kibanaSavedObjectMeta",
        ],
    ),
    (
        Product::Elasticsearch,
        "search",
        &[
            "title",
            "description",
            "columns",
            "sort",
            "grid",
            "hideChart",
            "rowHeight",
            "rowsPerPage",
            "breakdownField",
            "isTextBasedQuery",
            "usesAdHocDataView",
            "timeRestore",
            "timeRange",
            "refreshInterval",
            "viewMode",
            "hideAggregatedPreview",
            "hits",
            "version",
            "kibanaSavedObjectMeta",
        ],
    ),
];

/// That an object has no attribute for which its import would be refused.
pub(super) fn attributes(product: Product, object: &Value, findings: &mut Findings) {
    let known = CLOSED.iter().find(|(own, kind, _)| *own == product && object["type"] == *kind);
    let Some((.., known)) = known else { return };
    for name in object["attributes"].as_object().into_iter().flat_map(serde_json::Map::keys) {
        findings.require(
            known.contains(&name.as_str()),
            format!("the attribute {name} is not known to its type"),
            "leave it out: the import would be refused",
        );
    }
}

/// What a product calls a mapping type.
fn type_of(product: Product, index_type: &str) -> &str {
    match index_type {
        "keyword" | "text" => "string",
        "long" | "integer" | "short" | "byte" | "float" | "half_float" | "double" => "number",
        "date" | "ip" | "boolean" | "histogram" => index_type,
        "date_range" if product == Product::Elasticsearch => index_type,
        _ => "unknown",
    }
}

/// Whether OpenSearch Dashboards before 3.7 asks for the fields anew when a pattern is opened, and stores
/// the whole pattern.
fn is_asked_anew(fields: &[Value]) -> bool {
    fields.iter().all(|field| {
        (field["aggregatable"].is_null() && field["searchable"].is_null())
            || field["readFromDocValues"].is_null()
    })
}

/// The fields that a product knows of a view when the server names those that are found.
fn known<'f>(product: Product, attributes: &'f Value, found: &'f [Value]) -> &'f [Value] {
    let stored = attributes["fields"].as_array().map_or(&[][..], Vec::as_slice);
    match product {
        Product::OpenSearch => stored,
        // No more than what every index has.
        Product::Elasticsearch if attributes["allowNoIndex"] == true && found.len() <= 5 => stored,
        Product::Elasticsearch => found,
    }
}

/// Checks a view: it has the fields of its dataset, also while there is no document and no stream.
pub(super) fn view(
    product: Product,
    attributes: &Value,
    fields: &[ViewField],
    findings: &mut Findings,
) {
    let known = known(product, attributes, &[]);
    if product == Product::OpenSearch {
        findings.require(
            !is_asked_anew(known),
            "its first opening rewrites it",
            "give each field its flags",
        );
    }
    let names: Vec<_> = known.iter().map(|field| field["name"].as_str()).collect();
    findings.require(
        names.is_sorted_by(|one, other| one < other),
        "its fields are out of order or twice there",
        "sort them by their names",
    );
    let is_histogram = |field: &ViewField| field.index_type == "histogram";
    for field in fields {
        let stored = known.iter().find(|own| own["name"] == field.path.as_str());
        if product == Product::OpenSearch && is_histogram(field) {
            // Kept as an object that is not indexed, which no product lists.
            findings.require(stored.is_none(), format!("`{}` is no field", field.path), "drop it");
            continue;
        }
        let is_whole = stored.is_some_and(|own| {
            own["type"] == type_of(product, field.index_type)
                && own["esTypes"][0] == field.index_type
                && own["aggregatable"] == true
                && own["searchable"].is_boolean()
                && own["readFromDocValues"] == true
        });
        findings.require(
            is_whole,
            format!("`{}` is not known before there is data", field.path),
            "write it with its type and flags",
        );
    }
}
