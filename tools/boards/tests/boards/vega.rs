//! Reads a Vega-Lite specification as far as data goes: fills the placeholders in, runs its search,
//! and does its transforms, in the few words of Vega's language that they use.
//!
//! Not here: drawing.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the figures are small"
)]

use lbproxy::elk::Product;
use serde_json::{Value, json};

use super::Asked;
use super::data::DAY_MS;
use super::figures::{Answer, Figures};

pub(super) fn ask(asked: &Asked<'_>, spec: &Value) -> Answer {
    let mut figures = Figures::default();
    let first = rows_of(asked, spec, &mut figures);
    let mut answers = json!({ spec["data"]["name"].as_str().unwrap(): first });
    // A layer with data of its own has a search of its own.
    let layers = spec["layer"].as_array().into_iter().flatten();
    for layer in layers.filter(|layer| layer["data"]["url"].is_object()) {
        answers[layer["data"]["name"].as_str().unwrap()] = rows_of(asked, layer, &mut figures);
    }
    asked.drawn.borrow_mut().push(json!({ "spec": spec, "answers": answers }));
    Answer::new(figures, &first)
}

/// Times and labels of the events that a specification draws.
pub(super) fn events(asked: &Asked<'_>, spec: &Value) -> Vec<(u64, String)> {
    let layers = spec["layer"].as_array().unwrap().iter();
    let layers = layers.filter(|layer| layer["encoding"]["tooltip"][0]["field"] == "event");
    let mut found: Vec<_> = layers.flat_map(|layer| of_layer(asked, layer)).collect();
    found.sort();
    found
}

/// Those of a layer.
fn of_layer(asked: &Asked<'_>, layer: &Value) -> Vec<(u64, String)> {
    let url = &layer["data"]["url"];
    let answer = asked.search(url["index"].as_str().unwrap(), filled(asked, url["body"].clone()));
    let rows = at(&answer, layer["data"]["format"]["property"].as_str().unwrap());
    let of = |row: &Value, name: &str| {
        let transforms = layer["transform"].as_array().unwrap();
        let own = transforms.iter().find(|own| own["as"] == name).unwrap();
        calculated(row, own["calculate"].as_str().unwrap())
    };
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| (of(row, "time").as_u64().unwrap(), text(&of(row, "event")))).collect()
}

/// Runs one search and adds its figures; the answer.
fn rows_of(asked: &Asked<'_>, spec: &Value, figures: &mut Figures) -> Value {
    let url = &spec["data"]["url"];
    let body = filled(asked, url["body"].clone());
    let answer = asked.search(url["index"].as_str().unwrap(), body);
    let property = spec["data"]["format"]["property"].as_str().unwrap();
    let mut rows: Vec<Value> = at(&answer, property).as_array().unwrap().clone();
    for transform in spec["transform"].as_array().unwrap() {
        if let Some(path) = transform["flatten"][0].as_str() {
            rows = flattened(&rows, path, transform["as"][0].as_str().unwrap());
        } else if let Some(joined) = transform["joinaggregate"].as_array() {
            for own in joined {
                join(&mut rows, own);
            }
        } else if let Some(windows) = transform["window"].as_array() {
            rows = with_before(rows, windows);
        } else if let Some(sums) = transform["aggregate"].as_array() {
            rows = summed(&rows, sums);
        } else if transform["filter"].as_str().is_some_and(|own| own.starts_with("isValid(")) {
            rows.retain(|row| calculated(row, transform["filter"].as_str().unwrap()) == true);
        } else if transform["filter"].is_string() {
            // What is not drawn is no figure here either.
            assert_eq!(transform["filter"], "datum.figure > 0");
        } else if let Some(expression) = transform["calculate"].as_str() {
            let name = transform["as"].as_str().unwrap();
            // Of rows that a fold has made, for drawing.
            if !["text", "word", "end"].contains(&name) {
                for row in &mut rows {
                    row[name] = calculated(row, expression);
                }
            }
        } else {
            let names = transform["fold"].as_array().unwrap();
            for (row, name) in rows.iter().flat_map(|row| names.iter().map(move |name| (row, name)))
            {
                let name = name.as_str().unwrap();
                let (time, split) = (text(&row["time"]), text(&row["split"]));
                figures.add(&time, &split, name, row[name].as_f64());
            }
        }
    }
    answer
}

/// A value as Vega writes it next to others.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        // A sum is a float here, and Vega writes whole ones without a point.
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN).to_string(),
        other => other.to_string(),
    }
}

/// The value at a path.
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(value, |value, key| &value[key])
}

/// A row for each element of an array in each row.
fn flattened(rows: &[Value], path: &str, name: &str) -> Vec<Value> {
    let inner = rows.iter().flat_map(|row| {
        let list = at(row, path).as_array().unwrap_or_else(|| panic!("no {path} in {row}"));
        list.iter().map(move |element| {
            let mut row = row.clone();
            row[name] = element.clone();
            row
        })
    });
    inner.collect()
}

/// Adds to each row what the row before it in time has, of the same split.
fn with_before(mut rows: Vec<Value>, windows: &[Value]) -> Vec<Value> {
    rows.sort_by_key(|row| (text(&row["split"]), row["time"].as_f64().unwrap() as u64));
    let earlier: Vec<_> = std::iter::once(Value::Null).chain(rows.iter().cloned()).collect();
    for (row, before) in rows.iter_mut().zip(earlier) {
        let is_same = before["split"] == row["split"];
        for own in windows {
            assert_eq!(own["op"], "lag");
            let value = &before[own["field"].as_str().unwrap()];
            row[own["as"].as_str().unwrap()] = if is_same { value.clone() } else { Value::Null };
        }
    }
    rows
}

/// Rows of one time added up.
fn summed(rows: &[Value], sums: &[Value]) -> Vec<Value> {
    let mut by_time: std::collections::BTreeMap<u64, Value> = std::collections::BTreeMap::new();
    for row in rows {
        let time = row["time"].as_f64().unwrap() as u64;
        let sum = by_time.entry(time).or_insert_with(|| json!({ "time": row["time"] }));
        for own in sums {
            assert_eq!(own["op"], "sum");
            let name = own["as"].as_str().unwrap();
            if let Some(figure) = row[own["field"].as_str().unwrap()].as_f64() {
                sum[name] = json!(sum[name].as_f64().unwrap_or(0.0) + figure);
            }
        }
    }
    by_time.into_values().collect()
}

/// Adds one figure over all rows to each of them.
fn join(rows: &mut [Value], what: &Value) {
    let (field, name) = (what["field"].as_str().unwrap(), what["as"].as_str().unwrap());
    let numbers = || rows.iter().map(|row| row[field].as_f64().unwrap());
    let joined = match what["op"].as_str().unwrap() {
        "min" => numbers().fold(f64::INFINITY, f64::min),
        "max" => numbers().fold(f64::NEG_INFINITY, f64::max),
        "distinct" => {
            let mut all: Vec<_> = numbers().collect();
            all.sort_by(f64::total_cmp);
            all.dedup();
            all.len() as f64
        }
        other => panic!("{other}"),
    };
    for row in rows {
        row[name] = json!(joined);
    }
}

/// An expression over a row.
fn calculated(row: &Value, expression: &str) -> Value {
    let mut parser = Parser { row, rest: expression };
    let value = parser.ternary();
    assert_eq!(parser.rest.trim(), "", "of {expression}");
    value
}

/// Reads and works out an expression: `a ? b : c`, `>`, `+`, `-`, `*`, `/`, `isValid()`, parentheses, numbers,
/// texts, `null` and paths below `datum`. As in Vega, a path below nothing is a fault.
struct Parser<'e> {
    row: &'e Value,
    rest: &'e str,
}

impl<'e> Parser<'e> {
    fn takes(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start();
        let found = rest.strip_prefix(token);
        self.rest = found.unwrap_or(rest);
        found.is_some()
    }

    /// The arm that is not taken is read, but what it comes to is not looked at.
    fn ternary(&mut self) -> Value {
        let condition = self.compared();
        if !self.takes("?") {
            return condition;
        }
        let holds = !matches!(condition, Value::Null | Value::Bool(false));
        let row = self.row;
        if !holds {
            self.row = &Value::Null;
        }
        let then = self.ternary();
        self.row = row;
        assert!(self.takes(":"), "{}", self.rest);
        let otherwise = self.ternary();
        if holds { then } else { otherwise }
    }

    fn compared(&mut self) -> Value {
        let left = self.sum();
        if self.takes(">") {
            let right = self.sum();
            return (left.as_f64() > right.as_f64()).into();
        }
        left
    }

    fn sum(&mut self) -> Value {
        let mut sum = self.product();
        loop {
            if self.takes("-") {
                let less = self.product();
                sum = match (sum.as_f64(), less.as_f64()) {
                    (Some(left), Some(right)) => json!(left - right),
                    _ if self.row.is_null() => Value::Null,
                    _ => panic!("{sum} and {less} are no numbers"),
                };
                continue;
            }
            if !self.takes("+") {
                return sum;
            }
            let more = self.product();
            sum = match (sum.as_f64(), more.as_f64()) {
                (Some(left), Some(right)) => json!(left + right),
                _ => json!(text(&sum) + &text(&more)),
            };
        }
    }

    fn product(&mut self) -> Value {
        let mut product = self.atom();
        loop {
            let (is_times, is_by) = (self.takes("*"), self.takes("/"));
            if !is_times && !is_by {
                return product;
            }
            let other = self.atom();
            product = match (product.as_f64(), other.as_f64()) {
                (Some(left), Some(right)) if is_times => json!(left * right),
                (Some(left), Some(right)) => json!(left / right),
                _ if self.row.is_null() => Value::Null,
                _ => panic!("{product} and {other} are no numbers"),
            };
        }
    }

    fn atom(&mut self) -> Value {
        if self.takes("isValid(") {
            let value = self.ternary();
            assert!(self.takes(")"), "{}", self.rest);
            return (!value.is_null()).into();
        }
        if self.takes("(") {
            let value = self.ternary();
            assert!(self.takes(")"), "{}", self.rest);
            return value;
        }
        if self.takes("null") {
            return Value::Null;
        }
        if self.takes("'") {
            return self.until('\'').into();
        }
        let ends = |c: char| !c.is_ascii_alphanumeric() && !"._".contains(c);
        let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        if let Ok(number) = word.parse::<f64>() {
            return json!(number);
        }
        let path = word.strip_prefix("datum.").unwrap_or_else(|| panic!("{word}?"));
        let (holder, last) = path
            .rsplit_once('.')
            .map_or((self.row, path), |(before, last)| (at(self.row, before), last));
        assert!(holder.is_object() || self.row.is_null(), "{path} is below nothing");
        let mut value = holder[last].clone();
        if self.takes("['") {
            let key = self.until('\'');
            assert!(self.takes("]"), "{}", self.rest);
            value = value[key].clone();
        }
        value
    }

    /// What stands before a mark.
    fn until(&mut self, mark: char) -> &'e str {
        let (text, rest) = self.rest.split_once(mark).unwrap();
        self.rest = rest;
        text
    }
}

/// A body without placeholders, as both products fill them in, and nowhere else than they do: the range
/// of the data, buckets of a minute, no filter of a dashboard.
fn filled(asked: &Asked<'_>, value: Value) -> Value {
    match value {
        Value::Object(map) => {
            if map.contains_key("%timefilter%") {
                return bound(asked, &map);
            }
            let filled_in = map.into_iter().map(|(key, value)| {
                if key == "interval" && value.get("%autointerval%").is_some() {
                    // Kibana renames it; what OpenSearch Dashboards leaves, OpenSearch understands.
                    let is_open = asked.server.product == Product::OpenSearch;
                    let key = if is_open { key } else { "fixed_interval".to_owned() };
                    return (key, json!(asked.loaded.interval));
                }
                (key, filled(asked, value))
            });
            filled_in.collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(list) => {
            let is_kept = |value: &Value| {
                !value.as_str().is_some_and(|text| text.starts_with("%dashboard_context-"))
            };
            list.into_iter()
                .filter(is_kept)
                .map(|value| filled(asked, value))
                .collect::<Vec<_>>()
                .into()
        }
        other => other,
    }
}

/// What a placeholder of time becomes.
fn bound(asked: &Asked<'_>, placeholder: &serde_json::Map<String, Value>) -> Value {
    let earlier_ms = match (placeholder.get("shift"), placeholder.get("unit")) {
        (None, None) => 0,
        (Some(shift), Some(unit)) => {
            let unit_ms = match unit.as_str() {
                Some("day") => DAY_MS,
                Some("minute") => 60_000,
                other => panic!("{other:?}"),
            };
            shift.as_i64().unwrap().unsigned_abs() * unit_ms
        }
        other => panic!("{other:?}"),
    };
    let (from, to) = asked.loaded.range_ms;
    match &placeholder["%timefilter%"] {
        Value::Bool(true) => asked.range(earlier_ms),
        end if end == "min" => json!(from - earlier_ms),
        end if end == "max" => json!(to - 1 - earlier_ms),
        other => panic!("{other}"),
    }
}
