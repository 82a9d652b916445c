//! Of which instance a figure of now is: of each, joined; else it is of whichever wrote last.
//!
//! Lens: `x-pack/plugins/lens/public/datasources/form_based/operations/definitions/last_value.tsx` (the newest of
//! all documents of a bucket), `common/expressions/collapse/collapse_fn.ts` (joins what a breakdown tells
//! apart), `to_expression.ts` (`reducedTimeRange` narrows one column). Agg-based: `top_hits` likewise takes the
//! newest of all.

use serde_json::Value;

use super::super::model::{INSTANCE, INSTANCES, NOW_MINUTES};
use super::Findings;

const PROBLEM: &str = "a figure of whichever instance wrote last";
const CURE: &str = "take the newest of each instance, and join them";
const GONE: &str = "an instance that is gone counts for the whole range";

/// Whether terms are those of every instance.
pub(super) fn are_all(field: &Value, size: &Value) -> bool {
    *field == INSTANCE && size.as_u64().is_some_and(|size| size >= u64::from(INSTANCES))
}

/// Whether terms are the newest documents.
pub(super) fn is_newest(terms: &Value) -> bool {
    terms["field"] == "@timestamp" && terms["size"] == 1 && terms["order"]["_key"] == "desc"
}

/// Checks a form-based layer of Lens and what is drawn of it.
pub(super) fn lens(layer: &Value, drawn: &Value, findings: &mut Findings) {
    let columns = &layer["columns"];
    let ids = layer["columnOrder"].as_array().into_iter().flatten();
    let ids: Vec<_> = ids.filter_map(Value::as_str).collect();
    let last = ids.iter().find(|id| columns[**id]["operationType"] == "last_value");
    let counter = ids.iter().find(|id| columns[**id]["operationType"] == "counter_rate");
    let of_each = ids.iter().find(|id| {
        let own = &columns[**id];
        own["operationType"] == "terms" && are_all(&own["sourceField"], &own["params"]["size"])
    });
    if counter.is_some() {
        let mut data = drawn["layers"].as_array().into_iter().flatten();
        let is_sum = |own: &Value| {
            own["collapseFn"] == "sum" && own["splitAccessor"].as_str() == of_each.copied()
        };
        findings.require(
            of_each.is_some() && data.any(is_sum),
            "a counter that jumps from instance to instance",
            "tell the instances apart, and add up what each has risen by",
        );
    }
    let Some(last) = last.map(|id| &columns[*id]) else { return };
    findings.require(of_each.is_some(), PROBLEM, CURE);
    let is_joined = drawn["breakdownByAccessor"].as_str() == of_each.copied()
        && matches!(drawn["collapseFn"].as_str(), Some("sum" | "max" | "min"));
    findings.require(is_joined, "figures of instances that are not joined", CURE);
    let is_now = last["reducedTimeRange"] == format!("{NOW_MINUTES}m");
    findings.require(is_now, GONE, "reduce its range");
}

/// Checks the list of an agg-based visualization, which has no form for it.
pub(super) fn agg_based(aggs: &Value, findings: &mut Findings) {
    let mut all = aggs.as_array().into_iter().flatten();
    findings.require(all.all(|own| own["type"] != "top_hits"), PROBLEM, "draw it with Vega");
}

/// Checks the aggregations of a search of Vega's.
pub(super) fn nested(aggs: &Value, findings: &mut Findings) {
    within(aggs, [false; 2], findings);
}

/// The same below aggregations: whether these are of each instance, and of what is now.
fn within(aggs: &Value, [of_each, is_now]: [bool; 2], findings: &mut Findings) {
    for own in aggs.as_object().into_iter().flat_map(serde_json::Map::values) {
        let terms = &own["terms"];
        if is_newest(terms) || own["top_hits"].is_object() {
            findings.require(of_each, PROBLEM, CURE);
            findings.require(is_now, GONE, "filter by the end of the range");
        }
        let of_each = of_each || are_all(&terms["field"], &terms["size"]);
        let mut filters = own["filter"]["bool"]["filter"].as_array().into_iter().flatten();
        let is_end = |filter: &Value| {
            let from = &filter["range"]["@timestamp"]["gte"];
            from["%timefilter%"] == "max"
                && from["unit"] == "minute"
                && from["shift"] == -i32::from(NOW_MINUTES)
        };
        let is_now = is_now || filters.any(is_end);
        within(&own["aggs"], [of_each, is_now], findings);
    }
}
