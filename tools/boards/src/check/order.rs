//! What splits are asked first, and sorted by what: those with most of the whole range, not of each bucket
//! of time.
//!
//! Lens: `x-pack/plugins/lens/public/datasources/form_based/to_expression.ts` (buckets nest in the order of
//! `columnOrder`), `operations/definitions/terms/helpers.ts` (`isSortableByColumn`,
//! `getDisallowedTermsMessage`). Agg-based: `src/plugins/data/common/search/aggs/agg_configs.ts` of
//! OpenSearch Dashboards (buckets nest in the order of the list).

use serde_json::Value;

use super::{Findings, instances};

/// What to do where splits stand within time.
const AROUND: &str = "put splits before time";

/// Checks a form-based layer of Lens.
pub(super) fn lens(layer: &Value, findings: &mut Findings) {
    let columns = &layer["columns"];
    let ids = layer["columnOrder"].as_array().map_or(&[][..], Vec::as_slice);
    let kinds: Vec<_> = ids
        .iter()
        .map(|id| columns[id.as_str().unwrap_or_default()]["operationType"].as_str())
        .map(Option::unwrap_or_default)
        .collect();
    of_list(&kinds, findings);
    let all = || columns.as_object().into_iter().flat_map(serde_json::Map::values);
    for column in all().filter(|own| own["operationType"] == "terms") {
        let by = &column["params"]["orderBy"];
        let sorted = &columns[by["columnId"].as_str().unwrap_or_default()];
        let is_sortable = match by["type"].as_str() {
            Some("column") => {
                ids.contains(&by["columnId"])
                    && sorted["isBucketed"] == false
                    && sorted["references"].is_null()
            }
            Some("custom") => column["params"]["orderAgg"]["operationType"].is_string(),
            _ if instances::are_all(&column["sourceField"], &column["params"]["size"]) => true,
            _ => false,
        };
        findings.require(
            is_sortable,
            format!("{} is not sorted by a metric: {by}", column["label"]),
            "sort by a metric that the server works out",
        );
    }
    let is_asked = |own: &&Value| own["isBucketed"] == false && own["references"].is_null();
    let mut shifts: Vec<_> = all().filter(is_asked).map(|own| own["timeShift"].as_str()).collect();
    shifts.sort_unstable();
    shifts.dedup();
    findings.require(
        shifts.len() < 2 || !kinds.contains(&"terms"),
        "Lens refuses values of a split beside those of another time",
        "draw it with Vega",
    );
}

/// Checks the list of an agg-based visualization.
pub(super) fn agg_based(aggs: &Value, findings: &mut Findings) {
    let kinds: Vec<_> =
        aggs.as_array().into_iter().flatten().map(|own| own["type"].as_str()).collect();
    let kinds: Vec<_> = kinds.into_iter().map(Option::unwrap_or_default).collect();
    of_list(&kinds, findings);
}

/// That no split of a list stands after time.
fn of_list(kinds: &[&str], findings: &mut Findings) {
    let mut after = kinds.iter().skip_while(|kind| **kind != "date_histogram");
    let is_within = after.any(|kind| *kind == "terms");
    findings.require(!is_within, "a split within time", AROUND);
}

/// Checks the aggregations of a search of Vega's.
pub(super) fn nested(aggs: &Value, is_within: bool, findings: &mut Findings) {
    for own in aggs.as_object().into_iter().flat_map(serde_json::Map::values) {
        if let Some(terms) = own.get("terms") {
            findings.require(!is_within, "a split within time", AROUND);
            let by = terms["order"].as_object().and_then(|order| order.keys().next());
            let first = by.and_then(|by| by.split(['>', '.']).next()).unwrap_or_default();
            let is_each = instances::are_all(&terms["field"], &terms["size"])
                || terms["field"] == "@timestamp";
            findings.require(
                own["aggs"].get(first).is_some() || is_each,
                format!("a split is sorted by `{first}`, which is not beside it"),
                "sort by a metric of the whole split",
            );
        }
        nested(&own["aggs"], is_within || own.get("date_histogram").is_some(), findings);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(name: &str, of: fn(&Value, &mut Findings), value: &Value, want: &[&str]) {
        let mut findings = Findings::new("file");
        of(value, &mut findings);
        let found: Vec<_> = findings.found.iter().map(|own| own.problem.as_str()).collect();
        assert_eq!(found.len(), want.len(), "{name}: {found:?}");
        for (found, want) in found.iter().zip(want) {
            assert!(found.contains(want), "{name}: {found}");
        }
    }

    #[test]
    fn splits_within_time_or_without_a_metric_to_sort_by_are_found() {
        let layer = |order: &[&str], by: Value, shift: Value| {
            json!({ "columnOrder": order, "columns": {
                "time": { "operationType": "date_histogram", "isBucketed": true },
                "s0": {
                    "operationType": "terms", "isBucketed": true, "label": "Split",
                    "params": { "orderBy": by, "orderAgg": { "operationType": "sum" } },
                },
                "m0": { "operationType": "sum", "isBucketed": false },
                "m1": { "operationType": "count", "isBucketed": false, "timeShift": shift },
                "m2": { "operationType": "formula", "isBucketed": false, "references": ["m0"] },
            } })
        };
        let column = |id: &str| json!({ "type": "column", "columnId": id });
        let order = ["s0", "time", "m0", "m1", "m2"];
        let none = Value::Null;
        let by_name = json!({ "type": "alphabetical", "fallback": true });
        for (name, value, want) in [
            ("right", layer(&order, column("m0"), none.clone()), &[][..]),
            ("its own", layer(&order, json!({ "type": "custom" }), none.clone()), &[]),
            (
                "within",
                layer(&["time", "s0", "m0"], column("m0"), none.clone()),
                &["a split within time"],
            ),
            ("a formula", layer(&order, column("m2"), none.clone()), &["not sorted by a metric"]),
            ("nothing", layer(&order, column("m9"), none.clone()), &["not sorted by a metric"]),
            ("by name", layer(&order, by_name, none), &["not sorted by a metric"]),
            ("two days", layer(&order, column("m0"), json!("1d")), &["of another time"]),
        ] {
            check(name, lens, &value, want);
        }
        let list = |kinds: &[&str]| kinds.iter().map(|kind| json!({ "type": kind })).collect();
        let (around, within) = (["sum", "terms", "date_histogram"], ["date_histogram", "terms"]);
        check("around time", agg_based, &list(&around), &[]);
        check("within time", agg_based, &list(&within), &["a split within time"]);
        let search: fn(&Value, &mut Findings) = |aggs, findings| nested(aggs, false, findings);
        let time = |inner: Value| json!({ "date_histogram": {}, "aggs": inner });
        let terms = |by: &str| {
            let sorted = json!({ "terms": { "order": { by: "desc" } } , "aggs": { "m0r": {} } });
            json!({ "s0": sorted })
        };
        check("a search", search, &terms("m0r.95"), &[]);
        check("by documents", search, &terms("_count"), &["sorted by `_count`"]);
        check(
            "within time",
            search,
            &json!({ "time": time(terms("m0r")) }),
            &["a split within time"],
        );
    }
}
