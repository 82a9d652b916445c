//! What is wrong with a board, or with the saved objects made of it: everything at once, with place
//! and cure.
//!
//! Saved objects are read as text, so a file that came from elsewhere can be checked as well. What the
//! products ask for is transcribed from their sources, which each file names: what they take (`schema`), what
//! they write themselves (`seen`), what they make of it (`reading`, `lens`, `stored`, `order`, `color`, `units`,
//! `ways`); `planted` breaks each rule. Specifications of Vega are compiled and run by `make vega`. Not here:
//! whether the figures are true (the tests ask real servers).

mod color;
mod drilldowns;
mod events;
mod instances;
mod lens;
mod objects;
mod order;
#[cfg(test)]
mod planted;
mod reading;
mod schema;
mod seen;
mod source;
mod stored;
#[cfg(test)]
mod tests;
mod units;
mod ways;

use std::fmt;

pub use objects::objects;
pub use source::boards;

use super::views::ViewField;

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, or `source`.
    pub file: String,
    /// The board or saved object.
    pub board: String,
    /// The panel; empty when it is the whole board.
    pub panel: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub cure: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.board)?;
        if !self.panel.is_empty() {
            write!(f, "/{}", self.panel)?;
        }
        write!(f, ": {}; {}", self.problem, self.cure)
    }
}

struct Findings {
    /// The file, or `source`.
    file: String,
    /// The board or saved object being looked at.
    board: String,
    /// The panel being looked at.
    panel: String,
    found: Vec<Finding>,
}

impl Findings {
    fn new(file: &str) -> Self {
        let (file, found) = (file.to_owned(), Vec::new());
        Self { file, board: String::new(), panel: String::new(), found }
    }

    fn add(&mut self, problem: impl Into<String>, cure: impl Into<String>) {
        self.found.push(Finding {
            file: self.file.clone(),
            board: self.board.clone(),
            panel: self.panel.clone(),
            problem: problem.into(),
            cure: cure.into(),
        });
    }

    /// One more, unless `holds`.
    fn require(&mut self, holds: bool, problem: impl Into<String>, cure: impl Into<String>) {
        if !holds {
            self.add(problem, cure);
        }
    }

    /// That a field exists, and that an aggregation can be made of it.
    fn field(&mut self, known: &[ViewField], view: &str, operation: &str, path: &str) {
        let Some(field) = known.iter().find(|field| field.path == path) else {
            let near = lbproxy::base::nearest::nearest(path, known.iter().map(|f| f.path.as_str()));
            let cure = near.map_or_else(
                || "see docs/records.md".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            return self.add(format!("`{path}` is no field of {view}"), cure);
        };
        let index_type = field.index_type;
        self.require(
            fits(operation, index_type),
            format!("`{operation}` cannot be made of `{path}`, which is of type {index_type}"),
            "take another field or aggregation",
        );
    }
}

/// Whether an aggregation, by its name in Lens, an agg-based visualization or a search, can be made of
/// a field of this type.
fn fits(operation: &str, index_type: &str) -> bool {
    let is_number = matches!(index_type, "long" | "integer" | "short" | "float" | "double");
    match operation {
        "sum" | "avg" | "average" | "max" | "min" | "range" | "last_value" | "top_hits" => {
            is_number
        }
        "percentile" | "percentiles" => is_number || index_type == "histogram",
        "date_histogram" => index_type == "date",
        "terms" | "optionsListControl" | "list" | "cardinality" | "unique_count" => {
            is_number || matches!(index_type, "keyword" | "ip" | "boolean" | "date")
        }
        // A filter, or a column of a search.
        _ => index_type != "object",
    }
}
