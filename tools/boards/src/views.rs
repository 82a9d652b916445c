//! Data views: which index pattern a panel reads, and how its fields are written for people.
//!
//! Formats follow from the units in the tables of `record`, so that a time in microseconds and one in
//! nanoseconds both read in milliseconds. Not here: what is asked of a view (`model`).

pub use lbproxy::elk::boards::view_id;
use lbproxy::record::{Dataset, FieldSpec};
use serde_json::{Map, Value, json};

use super::model::{Metric, Panel};
use super::{Product, object};

/// A field that can be asked for: a row of a table, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewField {
    /// Its path.
    pub path: String,
    /// Its mapping type.
    pub index_type: &'static str,
    /// What its numbers are in.
    pub unit: FieldUnit,
}

/// Where Kibana shows a trace, from below any base path and space.
const TRACE: &str = "../app/apm/link-to/trace/{{value}}";

/// What the numbers of a field are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldUnit {
    /// Numbers of things, or no numbers.
    None,
    /// Nanoseconds.
    Ns,
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
    /// Seconds.
    Seconds,
    /// Seconds, as many as people want in days and hours.
    Age,
    /// Bytes.
    Bytes,
    /// Parts of 1.
    Share,
}

impl FieldUnit {
    /// What a number is multiplied with to be in milliseconds; 1 for what is no time.
    pub const fn to_ms(self) -> f64 {
        match self {
            Self::Ns => 1e-6,
            Self::Us => 1e-3,
            _ => 1.0,
        }
    }
}

/// Every field of a dataset.
pub fn fields(dataset: Dataset) -> Vec<ViewField> {
    let mut found = Vec::new();
    for field in dataset.document_fields() {
        if field.parts.is_empty() {
            let (path, index_type) = (field.path.to_owned(), field.kind.index_type);
            found.push(ViewField { path, index_type, unit: unit(field, "") });
        }
        found.extend(field.parts.iter().map(|part| ViewField {
            path: format!("{}.{}", field.path, part.name),
            index_type: part.index_type,
            unit: unit(field, part.name),
        }));
    }
    found
}

/// The field of a dataset with this path.
pub fn field(dataset: Dataset, path: &str) -> Option<ViewField> {
    fields(dataset).into_iter().find(|field| field.path == path)
}

/// What the raw numbers of a metric are multiplied with to be in its unit, where that is a time.
pub fn scale(panel: &Panel, metric: &Metric) -> f64 {
    metric.value.field().map_or(1.0, |path| unit_of(panel.dataset, path).to_ms())
}

/// The unit of a field, or of the values of a distribution.
pub fn unit_of(dataset: Dataset, path: &str) -> FieldUnit {
    let found = field(dataset, path).or_else(|| field(dataset, &format!("{path}.max")));
    found.map_or(FieldUnit::None, |field| field.unit)
}

/// The unit of a field, or of one of its parts.
fn unit(field: &FieldSpec, part: &str) -> FieldUnit {
    let ends = |end: &str| field.path.ends_with(end);
    match field.kind.unit {
        _ if part == "count" => FieldUnit::None,
        "ns" => FieldUnit::Ns,
        "µs" => FieldUnit::Us,
        "bytes" => FieldUnit::Bytes,
        _ if ends(".pct") || ends(".budget_left") || ends(".budget_spent") => FieldUnit::Share,
        _ if ends("_ms") || ends(".ms") || ends(".period") => FieldUnit::Ms,
        _ if ends(".uptime") => FieldUnit::Age,
        _ if ends("_seconds") => FieldUnit::Seconds,
        _ => FieldUnit::None,
    }
}

/// The saved object of a dataset's view.
pub fn saved_object(product: Product, dataset: Dataset) -> Value {
    let id = view_id(dataset);
    let formats: Map<_, _> = fields(dataset)
        .into_iter()
        .filter_map(|field| {
            let format = format(product, &field)?;
            Some((field.path, format))
        })
        .collect();
    let mut attributes = json!({
        "title": id,
        "timeFieldName": "@timestamp",
        "fields": Value::from(stored_fields(product, dataset)).to_string(),
        "fieldFormatMap": Value::from(formats).to_string(),
    });
    if product == Product::Elasticsearch {
        attributes["name"] = format!("lbproxy {}", dataset.as_str()).into();
        // A quiet site has no stream yet: nothing to show is no error.
        attributes["allowNoIndex"] = true.into();
    }
    object(product, "index-pattern", &id, &attributes, &json!([]))
}

/// A dataset's fields as products store them, which ask a server for them only while there is an index, or
/// (OpenSearch Dashboards from 3.7) when they are told to.
fn stored_fields(product: Product, dataset: Dataset) -> Vec<Value> {
    let flags = |mut field: Value, [searchable, aggregatable, has_doc_values]: [bool; 3]| {
        field["count"] = 0.into();
        field["scripted"] = false.into();
        field["searchable"] = searchable.into();
        field["aggregatable"] = aggregatable.into();
        field["readFromDocValues"] = has_doc_values.into();
        field
    };
    let of_document =
        fields(dataset).into_iter().filter_map(|ViewField { path, index_type, .. }| {
            let kind = match index_type {
                "keyword" => "string",
                "long" | "integer" | "short" | "float" | "double" => "number",
                "date" | "ip" | "boolean" => index_type,
                "date_range" | "histogram" if product == Product::Elasticsearch => index_type,
                // There it is kept, not indexed.
                "histogram" => return None,
                _ => "unknown",
            };
            let field = json!({ "name": path, "type": kind, "esTypes": [index_type] });
            Some(flags(field, [index_type != "histogram", true, true]))
        });
    let of_index = [
        (json!({ "name": "_id", "type": "string", "esTypes": ["_id"] }), [true, true, false]),
        (json!({ "name": "_index", "type": "string", "esTypes": ["_index"] }), [true, true, false]),
        (json!({ "name": "_score", "type": "number" }), [false, false, false]),
        (json!({ "name": "_source", "type": "_source", "esTypes": ["_source"] }), [false; 3]),
    ];
    let of_index = of_index.into_iter().map(|(field, own)| flags(field, own));
    let mut all: Vec<_> = of_document.chain(of_index).collect();
    all.sort_by(|one, other| one["name"].as_str().cmp(&other["name"].as_str()));
    all
}

/// Whether a number that a product has written says its unit: OpenSearch Dashboards would write
/// `Milliseconds`, and is told not to.
pub fn says_unit(product: Product, unit: FieldUnit) -> bool {
    match unit {
        FieldUnit::None => false,
        FieldUnit::Ns | FieldUnit::Us | FieldUnit::Ms | FieldUnit::Seconds => {
            product == Product::Elasticsearch
        }
        FieldUnit::Age | FieldUnit::Bytes | FieldUnit::Share => true,
    }
}

/// How a product is told to write a field.
fn format(product: Product, field: &ViewField) -> Option<Value> {
    let time = |input: &str, output: &str, precision: u8| {
        let mut params = json!({
            "inputFormat": input, "outputFormat": output, "outputPrecision": precision,
            "showSuffix": false,
        });
        if product == Product::Elasticsearch {
            params["showSuffix"] = true.into();
            params["useShortSuffix"] = true.into();
            params["includeSpaceWithSuffix"] = true.into();
        }
        json!({ "id": "duration", "params": params })
    };
    // What the proxy itself takes is microseconds.
    let is_short = field.path.contains("self_us") || field.path.contains("loop_delay");
    let precision = if is_short { 2 } else { 1 };
    match field.unit {
        // Traces are an application of Kibana's; what OpenSearch Dashboards calls its own differs by version.
        _ if field.path == "trace.id" && product == Product::Elasticsearch => Some(json!({
            "id": "url",
            "params": { "type": "a", "urlTemplate": TRACE, "labelTemplate": "{{value}}" },
        })),
        FieldUnit::None => None,
        FieldUnit::Ns => Some(time("nanoseconds", "asMilliseconds", precision)),
        FieldUnit::Us => Some(time("microseconds", "asMilliseconds", precision)),
        FieldUnit::Ms => Some(time("milliseconds", "asMilliseconds", 0)),
        FieldUnit::Seconds => Some(time("seconds", "asSeconds", 0)),
        FieldUnit::Age if product == Product::Elasticsearch => {
            Some(time("seconds", "humanizePrecise", 1))
        }
        FieldUnit::Age => Some(time("seconds", "humanize", 0)),
        FieldUnit::Bytes => Some(json!({ "id": "bytes", "params": {} })),
        FieldUnit::Share => Some(json!({ "id": "percent", "params": { "pattern": "0,0.[0]%" } })),
    }
}
