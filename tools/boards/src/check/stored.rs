//! What products keep of an object, and what they do to it.
//!
//! OpenSearch Dashboards: `src/plugins/data/common/index_patterns/index_patterns/index_patterns.ts` (`get`,
//! `isFieldRefreshRequired`) and `index_pattern.ts` (`getAsSavedObjectBody`), `osd_field_types_factory.ts`. From
//! 3.7 on nothing fills in fields that are missing. Kibana: `data_views.ts` (`refreshFieldSpecMap`). Not here:
//! what attributes a type has (`schema`).

use serde_json::Value;

use super::super::Product;
use super::super::views::ViewField;
use super::Findings;

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
