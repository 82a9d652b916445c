//! Lines at events in charts over time.
//!
//! Lens: `x-pack/plugins/lens/public/visualizations/xy/persistence.ts` and
//! `packages/kbn-event-annotation-common/types.ts`: a layer of annotations is stored by value under a name that is
//! spelled so, finds its view by a reference of its own, and without one takes any of the panel's.

use serde_json::Value;

use super::super::kql;
use super::super::source::event_layers;
use super::super::views::ViewField;
use super::Findings;

/// Checks a layer of annotations over a view with these fields.
pub(super) fn lens(layer: &Value, known: Option<&[ViewField]>, findings: &mut Findings) {
    let Some(known) = known else {
        return findings.add("events without a view", "add the reference of their layer");
    };
    findings.require(
        layer["persistanceType"] == "byValue",
        "events that are looked for in a library",
        "store them by value",
    );
    findings.require(
        layer["ignoreGlobalFilters"] == true,
        "a list would take the events away",
        "let no filter of the board narrow them",
    );
    for own in layer["annotations"].as_array().into_iter().flatten() {
        let is_query = own["type"] == "query"
            && own["key"]["type"] == "point_in_time"
            && own["filter"]["type"] == "kibana_query"
            && own["label"].as_str().is_some_and(|label| !label.is_empty());
        findings.require(is_query, "an event of no known kind", "write it anew");
        let extra = own["extraFields"].as_array().into_iter().flatten();
        let fields = extra.chain([&own["timeField"]]).map(|path| path.as_str().unwrap_or_default());
        for path in fields {
            findings.field(known, "the events", "column", path);
        }
        match kql::parse(own["filter"]["query"].as_str().unwrap_or_default()) {
            Ok(filter) => {
                for path in filter.fields() {
                    findings.field(known, "the events", "filter", path);
                }
            }
            Err(error) => findings.add(format!("no KQL: {error}"), "mend the filter"),
        }
    }
}

/// Checks that a specification of Vega's has them.
pub(super) fn vega(spec: &Value, findings: &mut Findings) {
    for (name, ..) in event_layers() {
        let mut layers = spec["layer"].as_array().into_iter().flatten();
        findings.require(
            layers.any(|own| own["data"]["name"] == name && own["mark"]["type"] == "rule"),
            format!("no {name}"),
            "add their layer",
        );
    }
}
