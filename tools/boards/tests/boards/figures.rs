//! Figures by bucket, and how two sets of them differ.

use std::collections::BTreeMap;

use lbproxy::elk::Product;
use serde_json::Value;

/// Where a figure stands: start of its bucket of time, values of its splits, label.
pub(super) type Place = (String, String, String);

/// What was answered. Nothing and 0 are the same: a bucket without documents may be left out.
#[derive(Default)]
pub(super) struct Figures(pub(super) BTreeMap<Place, f64>);

impl Figures {
    /// Adds a figure, unless there is none.
    pub(super) fn add(&mut self, time: &str, split: &str, label: &str, figure: Option<f64>) {
        let Some(figure) = figure.filter(|figure| *figure != 0.0) else { return };
        let place = (time.to_owned(), split.to_owned(), label.to_owned());
        assert_eq!(self.0.insert(place, figure), None, "{time} {split} {label} twice");
    }
}

/// What must be answered: from lowest to highest.
pub(super) type Truth = BTreeMap<Place, (f64, f64)>;

/// An answer and what it cost.
pub(super) struct Answer {
    pub(super) figures: Figures,
    /// Documents that the search went through.
    documents: u64,
    /// How it was had, where not from the search alone.
    remark: &'static str,
}

impl Answer {
    pub(super) fn new(figures: Figures, answer: &Value) -> Self {
        let documents = answer["hits"]["total"]["value"].as_u64().unwrap();
        Self { figures, documents, remark: "" }
    }

    pub(super) fn with_remark(mut self, remark: &'static str) -> Self {
        self.remark = if remark.is_empty() { self.remark } else { remark };
        self
    }

    /// A line of the table: product, panel, documents touched, figures, the first of them.
    pub(super) fn line(&self, product: Product, panel: &str) -> String {
        let first = self.figures.0.first_key_value().map_or_else(String::new, |(place, figure)| {
            format!("{} {} {} = {figure:.4}", place.0, place.1, place.2)
        });
        let first = first.split_whitespace().collect::<Vec<_>>().join(" ");
        let (documents, count) = (self.documents, self.figures.0.len());
        format!(
            "{:<13} {panel:<28} {documents:>5} documents {count:>4} figures  {first}{}{}\n",
            product.as_str(),
            if self.remark.is_empty() { "" } else { "  " },
            self.remark
        )
    }
}

/// What is missing, too much, or different.
pub(super) fn differences(have: &Figures, want: &Truth) -> Vec<String> {
    let mut found = Vec::new();
    for (place, (low, high)) in want {
        match have.0.get(place) {
            Some(figure) => {
                // A float of 32 bits has 7 digits, and some parts of a sum are kept in it.
                let slack = 1e-6 * high.abs().max(1e-9);
                if *figure < low - slack || *figure > high + slack {
                    found.push(format!("{place:?} is {figure}, not {low} to {high}"));
                }
            }
            None if *low <= 0.0 && *high >= 0.0 => (),
            None => found.push(format!("{place:?} is missing, not {low} to {high}")),
        }
    }
    for (place, figure) in &have.0 {
        if !want.contains_key(place) {
            found.push(format!("{place:?} is {figure}, and should not be"));
        }
    }
    found.truncate(10);
    found
}
