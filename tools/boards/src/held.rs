//! Boards held against other objectives: the same panels with other levels, and where their saved objects say so.
//!
//! ```text
//! boards ─► objects ─────────────┐
//!    └► with other targets ─► objects ─► where the two differ, and what stands there of any targets
//! ```
//! `lbproxy setup` puts the configured objectives into these places (`elk::boards::held_against`); a place whose
//! value is no level and no text of one is a mistake, told here. Not here: what the levels are (`source`).

use lbproxy::elk::boards::{INSIDE, Marks};
use lbproxy::slo::{TargetShare, Targets};
use serde_json::{Value, json};

use super::model::{Alarm, Board, Objective, Panel, Row};

/// Targets whose levels and texts nothing else says.
pub fn others() -> Targets {
    let share = |ppm| TargetShare::from_ppm(ppm).unwrap_or(TargetShare::SERVED);
    Targets { served: share(976_543), fast_us: 864_200, fast: share(913_579) }
}

/// Boards held against targets. They are kept until the program ends: it makes few.
pub fn boards(usual: &'static [Board], targets: &Targets) -> &'static [Board] {
    let held = Held { from: Marks::of(&Targets::DEFAULT), to: Marks::of(targets) };
    let boards = usual.iter().map(|board| Board {
        rows: leaked(board.rows.iter().map(|row| Row {
            panels: leaked(row.panels.iter().map(|panel| held.panel(panel))),
            ..*row
        })),
        ..*board
    });
    leaked(boards)
}

fn leaked<T>(items: impl Iterator<Item = T>) -> &'static [T] {
    Box::leak(items.collect::<Vec<_>>().into_boxed_slice())
}

struct Held {
    from: Marks,
    to: Marks,
}

impl Held {
    fn panel(&self, panel: &Panel) -> Panel {
        let level = |(level, word)| (self.level(level), word);
        Panel {
            note: self.text(panel.note),
            objective: panel
                .objective
                .map(|own| Objective { label: self.text(own.label), level: self.level(own.level) }),
            alarm: panel.alarm.map(|own| Alarm {
                amber: own.amber.map(level),
                red: own.red.map(level),
                ..own
            }),
            ..*panel
        }
    }

    /// A level that is one of the usual targets is that of the others.
    fn level(&self, level: f64) -> f64 {
        let mut pairs = self.from.all().zip(self.to.all());
        let found = pairs.find(|((_, from), _)| (from - level).abs() < f64::EPSILON);
        found.map_or(level, |(_, (_, to))| to)
    }

    fn text(&self, text: &'static str) -> &'static str {
        let pairs = self.from.all().zip(self.to.all());
        let new = pairs.fold(text.to_owned(), |text, ((name, from), (_, to))| {
            replaced(&text, &Marks::text(name, from), &Marks::text(name, to))
        });
        if new == text { text } else { Box::leak(new.into_boxed_str()) }
    }
}

/// A text with another one in the place of a number; not where that is the end of a longer one.
fn replaced(text: &str, from: &str, to: &str) -> String {
    let mut parts = text.split(from);
    let mut new = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_whole = !new.ends_with(|last: char| last.is_ascii_digit() || last == '.');
        new += if is_whole { to } else { from };
        new += part;
    }
    new
}

/// Where the objects of the usual targets and those of [`others`] differ, one place per line.
///
/// # Errors
/// A place that differs otherwise than by a level or its text.
pub fn places(usual: &str, other: &str) -> Result<String, String> {
    let mut lines = String::new();
    if usual.lines().count() != other.lines().count() {
        return Err("they are not the same objects".to_owned());
    }
    for (one, two) in usual.lines().zip(other.lines()) {
        let read = |line| serde_json::from_str::<Value>(line).map_err(|error| error.to_string());
        let (one, two) = (read(one)?, read(two)?);
        let text = |key: &str| one[key].as_str().unwrap_or_default();
        let object = format!("{}/{}", text("type"), text("id"));
        let mut found = Vec::new();
        differ(&one, &two, &mut Vec::new(), &mut found);
        for (way, one, two) in found {
            let mut place =
                said(&one, &two).ok_or_else(|| format!("{object} {way:?}: {one} and {two}"))?;
            place["object"] = object.clone().into();
            place["way"] = way.into();
            lines += &(place.to_string() + "\n");
        }
    }
    Ok(lines)
}

/// Adds the leaves in which two values differ.
fn differ(
    one: &Value,
    two: &Value,
    way: &mut Vec<Value>,
    found: &mut Vec<(Vec<Value>, Value, Value)>,
) {
    let mut into = |step: Value, one: &Value, two: &Value| {
        way.push(step);
        differ(one, two, way, found);
        way.pop();
    };
    match (one, two) {
        (Value::Object(first), Value::Object(second))
            if first.len() == second.len() && first.keys().all(|key| second.contains_key(key)) =>
        {
            first.iter().for_each(|(key, own)| into(key.as_str().into(), own, &second[key]));
        }
        (Value::Array(first), Value::Array(second)) if first.len() == second.len() => {
            let pairs = first.iter().zip(second).enumerate();
            pairs.for_each(|(at, (own, other))| into(at.into(), own, other));
        }
        (Value::String(first), Value::String(second)) if first != second => {
            match (inside(first), inside(second)) {
                (Some(own), Some(other)) => into(INSIDE, &own, &other),
                _ => found.push((way.clone(), one.clone(), two.clone())),
            }
        }
        _ if one != two => found.push((way.clone(), one.clone(), two.clone())),
        _ => (),
    }
}

/// The JSON in a text.
fn inside(text: &str) -> Option<Value> {
    let value = text.starts_with(['{', '[']).then(|| serde_json::from_str(text).ok()).flatten();
    value.filter(|value: &Value| value.is_object() || value.is_array())
}

/// What a place says of any targets, from what it says of two.
fn said(usual: &Value, other: &Value) -> Option<Value> {
    let (from, to) = (Marks::of(&Targets::DEFAULT), Marks::of(&others()));
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse::<f64>().ok());
    if let (Some(first), Some(second)) = (number(usual), number(other)) {
        let mut levels = from.all().zip(to.all());
        let level = levels.find(|((_, from), (_, to))| {
            (first / from - second / to).abs() < 1e-6 * (first / from).abs()
        });
        return level.map(|((name, from), _)| {
            json!({ "level": name, "times": first / from, "is_text": usual.is_string() })
        });
    }
    let (usual, other) = (usual.as_str()?, other.as_str()?);
    let template = to.all().fold(other.to_owned(), |text, (name, number)| {
        let text = replaced(&text, &Marks::text(name, number), &format!("{{{name}}}"));
        replaced(&text, &number.to_string(), &format!("{{{name}#}}"))
    });
    (from.fill(&template) == usual && to.fill(&template) == other)
        .then(|| json!({ "text": template }))
}
