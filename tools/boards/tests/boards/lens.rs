//! Reads a compiled dashboard of Kibana as Kibana does: columns of a form-based layer become
//! aggregations, formulas are worked out over them.

use serde_json::{Value, json};

use super::data::DAY_MS;
use super::figures::{Answer, Figures};
use super::{Asked, Objects, referenced, truth};

pub(super) fn ask(asked: &Asked<'_>, dashboard: &Value, id: &str) -> Answer {
    let panels = dashboard["attributes"]["panelsJSON"].as_array().unwrap();
    let panel = panels.iter().find(|panel| panel["panelIndex"] == id).unwrap();
    let state = &panel["embeddableConfig"]["attributes"]["state"];
    let layers = state["datasourceStates"]["formBased"]["layers"].as_object().unwrap();
    let visualization = &state["visualization"];
    let is_data = |layer: &str| {
        let layers = visualization["layers"].as_array();
        layers.is_none_or(|layers| {
            layers.iter().any(|own| own["layerId"] == layer && own["layerType"] == "data")
        })
    };
    let mut data = layers.iter().filter(|(layer, _)| is_data(layer));
    let (layer_id, layer) = data.next().unwrap();
    assert!(data.next().is_none(), "one layer with data");
    let view = referenced(dashboard, &format!("{id}:indexpattern-datasource-layer-{layer_id}"));
    let layer = Layer {
        shift: None,
        interval: asked.loaded.interval,
        objects: asked.objects,
        view,
        columns: &layer["columns"],
        order: &layer["columnOrder"],
        end_ms: asked.loaded.range_ms.1,
    };

    let mut figures = Figures::default();
    let (mut first, mut remark) = (None, "");
    // Kibana asks once for both days and tells them apart by filters; one search for each is the same.
    for shift in layer.shifts() {
        let layer = Layer { shift, ..layer };
        let query = asked.query_earlier(&[state["query"].clone()], layer.earlier_ms());
        let body = json!({ "size": 0, "query": query, "aggs": layer.aggregations() });
        let answer = asked.search(view, body);
        let has_histograms = layer.has_histograms() && asked.loaded.is_kept();
        let documents = if has_histograms { asked.documents(view, &query) } else { Vec::new() };
        let (buckets, at) = (layer.buckets(), &mut (String::new(), Vec::new()));
        layer.read(&answer["aggregations"], &buckets, at, &documents, &mut figures);
        if !documents.is_empty() {
            remark = "(histograms added up here: this build lacks the type)";
        }
        first.get_or_insert(answer);
    }
    let has_counters = layer.ids(false).iter().any(|id| is_counter(&layer.columns[id]));
    if has_counters {
        figures = risen(&figures);
    }
    let drawn = visualization["layers"].as_array().and_then(|layers| layers.first());
    let join = drawn.unwrap_or(visualization)["collapseFn"].as_str();
    if let Some(join) = join {
        figures = joined(figures, join);
    }
    Answer::new(figures, &first.unwrap()).with_remark(remark)
}

/// What counters have risen by since the bucket before; one that is less has begun anew.
fn risen(counters: &Figures) -> Figures {
    let mut by_time: std::collections::BTreeMap<_, Vec<(u64, f64)>> =
        std::collections::BTreeMap::new();
    for ((time, split, label), figure) in &counters.0 {
        let series = by_time.entry((split, label)).or_default();
        series.push((time.parse().unwrap(), *figure));
    }
    let mut figures = Figures::default();
    for ((split, label), mut series) in by_time {
        series.sort_by_key(|(time, _)| *time);
        for pair in series.windows(2) {
            let [(_, before), (time, now)] = pair else { unreachable!() };
            let rise = if now < before { *now } else { now - before };
            figures.add(&time.to_string(), split, label, Some(rise));
        }
    }
    figures
}

fn is_counter(column: &Value) -> bool {
    column["operationType"] == "counter_rate"
}

/// Figures of all values of the split together.
fn joined(apart: Figures, join: &str) -> Figures {
    let join = match join {
        "sum" => |one: f64, other: f64| one + other,
        "max" => f64::max,
        "min" => f64::min,
        other => panic!("{other}"),
    };
    let mut figures = Figures::default();
    for ((time, _, label), figure) in apart.0 {
        let place = (time, String::new(), label);
        let known = figures.0.get(&place).copied();
        figures.0.insert(place, known.map_or(figure, |known| join(known, figure)));
    }
    figures
}

/// A form-based layer, of which one shift in time is looked at.
#[derive(Clone, Copy)]
struct Layer<'a> {
    shift: Option<&'a str>,
    interval: &'a str,
    objects: &'a Objects,
    view: &'a str,
    columns: &'a Value,
    order: &'a Value,
    /// End of the range.
    end_ms: u64,
}

impl<'a> Layer<'a> {
    fn ids(&self, is_bucket: bool) -> Vec<&'a str> {
        let ids = self.order.as_array().unwrap().iter().map(|id| id.as_str().unwrap());
        let is_own = |id: &&str| is_bucket || self.shift_of(id) == self.shift;
        ids.filter(|id| self.columns[id]["isBucketed"] == is_bucket).filter(is_own).collect()
    }

    /// The shift of a column; what is calculated has that of its parts.
    fn shift_of(&self, id: &str) -> Option<&'a str> {
        let column = &self.columns[id];
        let parts = column["references"].as_array().into_iter().flatten();
        let mut parts = parts.filter_map(|part| self.shift_of(part.as_str().unwrap()));
        column["timeShift"].as_str().or_else(|| parts.next())
    }

    /// Every shift, that of now first.
    fn shifts(&self) -> Vec<Option<&'a str>> {
        let ids = self.columns.as_object().unwrap().keys();
        let mut shifts: Vec<_> = ids.map(|id| self.shift_of(id)).collect();
        shifts.sort_unstable();
        shifts.dedup();
        shifts
    }

    fn earlier_ms(&self) -> u64 {
        match self.shift {
            None => 0,
            Some("1d") => DAY_MS,
            Some(other) => panic!("{other}"),
        }
    }

    /// Columns that group, outermost first.
    fn buckets(&self) -> Vec<&'a str> {
        self.ids(true)
    }

    /// Whether a column asks for a type of field that this build of Elasticsearch lacks.
    fn has_histograms(&self) -> bool {
        self.ids(false).iter().any(|id| is_histogram(&self.columns[id]))
    }

    fn aggregations(&self) -> Value {
        let mut aggregations = json!({});
        for id in self.ids(false) {
            let column = &self.columns[id];
            let Some(mut own) = metric(column) else { continue };
            if let Some(filter) = column["filter"]["query"].as_str() {
                let mut all = vec![lbproxy_boards::kql::parse(filter).unwrap().query()];
                if let Some(range) = column["reducedTimeRange"].as_str() {
                    let minutes: u64 = range.strip_suffix('m').unwrap().parse().unwrap();
                    let from = self.end_ms - minutes * 60_000;
                    all.push(json!({ "range": { "@timestamp": { "gte": from } } }));
                }
                own = json!({ "filter": { "bool": { "filter": all } }, "aggs": { "own": own } });
            }
            aggregations[id] = own;
        }
        for id in self.buckets().into_iter().rev() {
            let column = &self.columns[id];
            let (field, params) = (&column["sourceField"], &column["params"]);
            let mut around = json!({});
            around[id] = match column["operationType"].as_str().unwrap() {
                "date_histogram" => json!({
                    "date_histogram": { "field": field, "fixed_interval": self.interval, "min_doc_count": 1 },
                }),
                "terms" => {
                    assert_eq!(params["otherBucket"], false);
                    self.terms(field, params)
                }
                "range" => {
                    let ranges: Vec<_> =
                        params["ranges"].as_array().unwrap().iter().map(band).collect();
                    json!({ "range": { "field": field, "ranges": ranges } })
                }
                other => panic!("{other}"),
            };
            for (name, inner) in aggregations.as_object().unwrap() {
                around[id]["aggs"][name] = inner.clone();
            }
            aggregations = around;
        }
        aggregations
    }

    /// The values of a field, sorted by a column or by themselves.
    fn terms(&self, field: &Value, params: &Value) -> Value {
        let (mut order, mut aggregations) = (json!({}), json!({}));
        let by = params["orderBy"]["columnId"].as_str();
        let path = match by.map(|by| &self.columns[by]) {
            None if params["orderBy"]["type"] == "alphabetical" => "_key".to_owned(),
            None => {
                // Kibana cannot sort by what it calculates itself: by a column that is not shown.
                assert_eq!(params["orderBy"]["type"], "custom");
                assert!(params["orderAgg"]["filter"].is_null());
                aggregations["sorted"] = metric(&params["orderAgg"]).unwrap();
                "sorted".to_owned()
            }
            Some(sorted) => {
                assert!(sorted["filter"].is_null() && sorted["operationType"] != "formula");
                aggregations[by.unwrap()] = metric(sorted).unwrap();
                match sorted["operationType"].as_str().unwrap() {
                    "percentile" => format!("{}.{}", by.unwrap(), sorted["params"]["percentile"]),
                    _ => by.unwrap().to_owned(),
                }
            }
        };
        order[path] = params["orderDirection"].clone();
        json!({
            "terms": { "field": field, "size": params["size"], "order": order },
            "aggs": aggregations,
        })
    }

    /// Reads the figures below `value`, whose remaining groups are `buckets`.
    fn read(
        &self,
        value: &Value,
        buckets: &[&str],
        at: &mut (String, Vec<String>),
        documents: &[Value],
        figures: &mut Figures,
    ) {
        let Some((id, inner)) = buckets.split_first() else {
            let split = at.1.join(" · ");
            for id in self.ids(false) {
                let column = &self.columns[id];
                if column["label"].as_str().unwrap().starts_with("Part of ") {
                    continue;
                }
                let shown = self
                    .objects
                    .shown(self.view, column["sourceField"].as_str().unwrap_or_default());
                let figure = if is_histogram(column) {
                    truth::merged(documents, column, &at.0, &self.splits(&at.1))
                } else {
                    self.figure(value, id)
                };
                let seconds = match column["timeScale"].as_str() {
                    Some("s") => 60.0,
                    Some(other) => panic!("{other}"),
                    None => 1.0,
                };
                let label = column["label"].as_str().unwrap();
                let time = match at.0.as_str() {
                    "" => String::new(),
                    time => (time.parse::<u64>().unwrap() + self.earlier_ms()).to_string(),
                };
                let figure = figure.map(|figure| figure * shown / seconds);
                if let Some(counter) = figure.filter(|_| is_counter(column)) {
                    // Of one, 0 is told from nothing.
                    figures.0.insert((time, split.clone(), label.to_owned()), counter);
                    continue;
                }
                figures.add(&time, &split, label, figure);
            }
            return;
        };
        let is_time = self.columns[id]["operationType"] == "date_histogram";
        for bucket in value[id]["buckets"].as_array().unwrap() {
            let key = truth::key(bucket, is_time, self.columns[id]["operationType"] == "range");
            let before = at.clone();
            if is_time {
                at.0 = key;
            } else {
                at.1.push(key);
            }
            self.read(bucket, inner, at, documents, figures);
            *at = before;
        }
    }

    /// Fields and values of the splits that lead to a bucket.
    fn splits(&self, values: &[String]) -> Vec<(String, String)> {
        let terms =
            self.buckets().into_iter().filter(|id| self.columns[id]["operationType"] == "terms");
        let fields = terms.map(|id| self.columns[id]["sourceField"].as_str().unwrap().to_owned());
        fields.zip(values.iter().cloned()).collect()
    }

    /// The figure of a column.
    fn figure(&self, bucket: &Value, id: &str) -> Option<f64> {
        let column = &self.columns[id];
        match column["operationType"].as_str().unwrap() {
            "formula" | "counter_rate" => {
                self.figure(bucket, column["references"][0].as_str().unwrap())
            }
            "math" => self.math(bucket, &column["params"]["tinymathAst"]),
            operation => {
                let own = match column["filter"]["query"].as_str() {
                    Some(_) => &bucket[id]["own"],
                    None => &bucket[id],
                };
                match operation {
                    "percentile" => {
                        own["values"].as_object().unwrap().values().next().unwrap().as_f64()
                    }
                    "last_value" => {
                        let field = column["sourceField"].as_str().unwrap();
                        own["hits"]["hits"][0]["_source"][field].as_f64()
                    }
                    "count" => own["doc_count"].as_f64(),
                    _ => own["value"].as_f64(),
                }
            }
        }
    }

    fn math(&self, bucket: &Value, tree: &Value) -> Option<f64> {
        if let Some(number) = tree.as_f64() {
            return Some(number);
        }
        if let Some(id) = tree.as_str() {
            return self.figure(bucket, id);
        }
        let args = tree["args"].as_array().unwrap();
        let mut args = args.iter().map(|arg| self.math(bucket, arg));
        let (left, right) = (args.next()??, args.next()??);
        match tree["name"].as_str().unwrap() {
            "add" => Some(left + right),
            "subtract" => Some(left - right),
            "multiply" => Some(left * right),
            "divide" => (right != 0.0).then_some(left / right),
            other => panic!("{other}"),
        }
    }
}

/// Whether a column is a percentile of a histogram.
fn is_histogram(column: &Value) -> bool {
    column["sourceField"].as_str().is_some_and(|field| field.ends_with(".histogram"))
}

/// A range without what is only for people.
fn band(range: &Value) -> Value {
    let mut band = json!({ "from": range["from"] });
    if !range["to"].is_null() {
        band["to"] = range["to"].clone();
    }
    band
}

/// The aggregation of a column, if it is one.
fn metric(column: &Value) -> Option<Value> {
    let field = &column["sourceField"];
    Some(match column["operationType"].as_str().unwrap() {
        "formula" | "math" | "static_value" | "counter_rate" => return None,
        _ if is_histogram(column) => return None,
        "count" => {
            assert_eq!(field, "___records___");
            json!({ "filter": { "match_all": {} } })
        }
        "average" => json!({ "avg": { "field": field } }),
        "unique_count" => json!({ "cardinality": { "field": field } }),
        "percentile" => {
            json!({ "percentiles": { "field": field, "percents": [column["params"]["percentile"]] } })
        }
        "last_value" => {
            let by = column["params"]["sortField"].as_str().unwrap();
            json!({ "top_hits": { "size": 1, "sort": [{ by: "desc" }], "_source": [field] } })
        }
        operation @ ("sum" | "max" | "min") => {
            let mut own = json!({});
            own[operation] = json!({ "field": field });
            own
        }
        other => panic!("{other}"),
    })
}
