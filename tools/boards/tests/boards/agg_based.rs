//! Reads an aggregation-based visualization as OpenSearch Dashboards does: its buckets from first to
//! last around its metrics.

use serde_json::{Value, json};

use super::figures::{Answer, Figures};
use super::{Asked, referenced, truth};

pub(super) fn ask(asked: &Asked<'_>, object: &Value) -> Answer {
    let view = referenced(object, "kibanaSavedObjectMeta.searchSourceJSON.index");
    let source = &object["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"];
    let aggs = object["attributes"]["visState"]["aggs"].as_array().unwrap();
    let (metrics, buckets): (Vec<_>, Vec<_>) =
        aggs.iter().partition(|agg| agg["schema"] == "metric");
    let mut aggregations = json!({});
    for agg in &metrics {
        if let Some(own) = metric(agg) {
            aggregations[agg["id"].as_str().unwrap()] = own;
        }
    }
    for agg in buckets.iter().rev() {
        let params = &agg["params"];
        let field = &params["field"];
        let mut around = json!({});
        let id = agg["id"].as_str().unwrap();
        around[id] = match agg["type"].as_str().unwrap() {
            "date_histogram" => json!({
                "date_histogram": { "field": field, "fixed_interval": asked.loaded.interval, "min_doc_count": 1 },
            }),
            "terms" => {
                let by = params["orderBy"].as_str().unwrap();
                let sorted = metrics.iter().find(|agg| agg["id"] == by.split('.').next().unwrap());
                let own = metric(sorted.unwrap());
                let mut order = json!({});
                // A count is what buckets have anyway.
                order[if own.is_some() { by } else { "_count" }] = params["order"].clone();
                let mut terms = json!({
                    "terms": { "field": field, "size": params["size"], "order": order }, "aggs": {},
                });
                if let Some(own) = own {
                    terms["aggs"][by.split('.').next().unwrap()] = own;
                }
                terms
            }
            "range" => json!({ "range": { "field": field, "ranges": params["ranges"] } }),
            other => panic!("{other}"),
        };
        for (name, inner) in aggregations.as_object().unwrap() {
            around[id]["aggs"][name] = inner.clone();
        }
        aggregations = around;
    }
    let query = asked.query(&[source["query"].clone()]);
    let answer = asked.search(view, json!({ "size": 0, "query": query, "aggs": aggregations }));
    let mut figures = Figures::default();
    let mut total = answer["aggregations"].clone();
    if total.is_null() {
        total = json!({});
    }
    total["doc_count"] = answer["hits"]["total"]["value"].clone();
    let reader = Reader { asked, view, metrics };
    reader.read(&total, &buckets, "", &[], &mut figures);
    Answer::new(figures, &answer)
}

/// Reads figures out of buckets.
struct Reader<'a> {
    asked: &'a Asked<'a>,
    view: &'a str,
    metrics: Vec<&'a Value>,
}

impl Reader<'_> {
    fn read(
        &self,
        value: &Value,
        buckets: &[&Value],
        time: &str,
        split: &[String],
        figures: &mut Figures,
    ) {
        let Some((agg, inner)) = buckets.split_first() else {
            for agg in &self.metrics {
                let id = agg["id"].as_str().unwrap();
                let field = agg["params"]["field"].as_str().unwrap_or_default();
                let figure = match agg["type"].as_str().unwrap() {
                    "count" => value["doc_count"].as_f64(),
                    "percentiles" => {
                        value[id]["values"].as_object().unwrap().values().next().unwrap().as_f64()
                    }
                    _ => value[id]["value"].as_f64(),
                };
                let shown = self.asked.objects.shown(self.view, field);
                let label = agg["params"]["customLabel"].as_str().unwrap();
                // What stands behind it is the unit.
                let label = label.trim_end_matches(", ms").trim_end_matches(", s");
                figures.add(time, &split.join(" · "), label, figure.map(|figure| figure * shown));
            }
            return;
        };
        let is_time = agg["type"] == "date_histogram";
        for bucket in value[agg["id"].as_str().unwrap()]["buckets"].as_array().unwrap() {
            let key = truth::key(bucket, is_time, agg["type"] == "range");
            if is_time {
                self.read(bucket, inner, &key, split, figures);
            } else {
                let split = [split, &[key]].concat();
                self.read(bucket, inner, time, &split, figures);
            }
        }
    }
}

/// The aggregation of a metric; none for a count.
fn metric(agg: &Value) -> Option<Value> {
    let params = &agg["params"];
    let field = &params["field"];
    let kind = agg["type"].as_str().unwrap();
    let mut own = json!({});
    own[kind] = match kind {
        "count" => return None,
        "percentiles" => json!({ "field": field, "percents": params["percents"] }),
        _ => json!({ "field": field }),
    };
    Some(own)
}
