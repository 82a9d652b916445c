//! Boards: the saved objects for Kibana and OpenSearch Dashboards, as committed below `dashboards/`, and held
//! against other objectives than the usual ones.
//!
//! Not here: what makes them (`tools/boards`), sending them to a server (`saved_objects`).

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;

use super::Product;
use crate::record::Dataset;
use crate::slo::Targets;

/// Oldest Kibana that the boards are for, and oldest OpenSearch Dashboards.
pub const OLDEST: [(Product, &str); 2] =
    [(Product::Elasticsearch, "8.14"), (Product::OpenSearch, "2.0")];

/// The saved objects for a product's dashboards, one JSON object per line: the body of
/// `POST /api/saved_objects/_import?overwrite=true`.
pub const fn saved_objects(product: Product) -> &'static str {
    match product {
        Product::Elasticsearch => include_str!("../../dashboards/kibana/lbproxy.ndjson"),
        Product::OpenSearch => include_str!("../../dashboards/opensearch/lbproxy.ndjson"),
    }
}

/// Where the saved objects say what is promised, one place per line.
const fn places(product: Product) -> &'static str {
    match product {
        Product::Elasticsearch => include_str!("../../dashboards/kibana/targets.ndjson"),
        Product::OpenSearch => include_str!("../../dashboards/opensearch/targets.ndjson"),
    }
}

/// Raised whenever the committed objects change, by the test that compares them with their source: what
/// an older lbproxy finds with a higher one is a newer lbproxy's.
pub fn revision() -> u64 {
    let text = include_str!("../../dashboards/revision");
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Id and title of the data view of a dataset: its index pattern.
pub fn view_id(dataset: Dataset) -> String {
    format!("{}-*", dataset.name())
}

/// What boards say of targets: a number of each, and its text.
#[derive(Debug, Clone, Copy)]
pub struct Marks([(&'static str, f64); 4]);

impl Marks {
    /// What boards say that are held against these targets.
    #[expect(clippy::cast_precision_loss, reason = "an hour at most")]
    pub fn of(targets: &Targets) -> Self {
        let share = |ppm: u32| f64::from(ppm) / 1e6;
        let served = targets.served;
        Self([
            ("served", share(served.ppm())),
            ("served_badly", share(1_000_000 - served.hurt_ppm())),
            ("may_fail", share(served.budget_ppm())),
            ("fast_ms", targets.fast_us as f64 / 1e3),
        ])
    }

    /// Names and numbers: shares, and milliseconds.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.0.into_iter()
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.all().find(|(own, _)| *own == name).map(|(_, number)| number)
    }

    /// A text with these in the places of their names: `{served}` for `99.9 %`, `{served#}` for `0.999`.
    pub fn fill(&self, template: &str) -> String {
        self.all().fold(template.to_owned(), |text, (name, number)| {
            let text = text.replace(&format!("{{{name}#}}"), &number.to_string());
            text.replace(&format!("{{{name}}}"), &Self::text(name, number))
        })
    }

    /// As people read it.
    pub fn text(name: &str, number: f64) -> String {
        if name == "fast_ms" { format!("{number} ms") } else { percent(number) }
    }
}

/// A part of 1 in percent.
pub fn percent(number: f64) -> String {
    // Parts of 1 that are meant to be exact are not, in binary.
    format!("{} %", (number * 1e8).round() / 1e6)
}

/// A text of JSON within an object, as a step of a way into it.
pub const INSIDE: Value = Value::Null;

/// The same held against targets: lines, levels and words.
pub fn held_against(product: Product, targets: &Targets) -> Cow<'static, str> {
    let usual = saved_objects(product);
    if *targets == Targets::DEFAULT {
        return Cow::Borrowed(usual);
    }
    let marks = Marks::of(targets);
    let mut places_of: HashMap<String, Vec<Value>> = HashMap::new();
    for place in places(product).lines().filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        let object = place["object"].as_str().unwrap_or_default().to_owned();
        places_of.entry(object).or_default().push(place);
    }
    let held = |line: &str| {
        let mut object: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        let places = places_of.get(&format!("{}/{}", text("type"), text("id")))?;
        for place in places {
            let way = place["way"].as_array()?;
            put(&mut object, way, &said(place, &marks)?)?;
        }
        Some(object.to_string())
    };
    let lines = usual.lines().map(|line| held(line).unwrap_or_else(|| line.to_owned()) + "\n");
    Cow::Owned(lines.collect())
}

/// What a place is to say.
fn said(place: &Value, marks: &Marks) -> Option<Value> {
    if let Some(template) = place["text"].as_str() {
        return Some(marks.fill(template).into());
    }
    let number = marks.number(place["level"].as_str()?)? * place["times"].as_f64()?;
    // Lens keeps the levels of lines as texts.
    Some(if place["is_text"] == true { format!("{number:?}").into() } else { number.into() })
}

/// Puts a value at the end of a way of keys, places in lists, and texts of JSON.
fn put(value: &mut Value, way: &[Value], new: &Value) -> Option<()> {
    let Some((step, rest)) = way.split_first() else {
        *value = new.clone();
        return Some(());
    };
    match step {
        Value::String(key) => put(value.get_mut(key)?, rest, new),
        Value::Number(at) => put(value.get_mut(usize::try_from(at.as_u64()?).ok()?)?, rest, new),
        _ => {
            let text = value.as_str()?;
            let is_pretty = text.starts_with("{\n");
            let mut inner: Value = serde_json::from_str(text).ok()?;
            put(&mut inner, rest, new)?;
            let pretty = is_pretty.then(|| serde_json::to_string_pretty(&inner).ok()).flatten();
            *value = pretty.unwrap_or_else(|| inner.to_string()).into();
            Some(())
        }
    }
}
