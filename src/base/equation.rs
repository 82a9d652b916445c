//! Sums that must agree, as people read them:
//!
//! ```text
//! created 5 = journaled 4 + dropped_full 1 (holds)
//! ```

use std::fmt;

/// A number with its name.
pub type Term = (&'static str, u64);

/// Two sums of the same things, and whether they agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equation {
    /// What there was.
    pub left: Vec<Term>,
    /// What became of it.
    pub right: Vec<Term>,
    /// Whether nothing is missing.
    pub holds: bool,
}

impl Equation {
    /// Holds when both sums are the same.
    pub fn new(left: &[Term], right: &[Term]) -> Self {
        let sum = |terms: &[Term]| terms.iter().map(|(_, number)| number).sum::<u64>();
        Self { left: left.to_vec(), right: right.to_vec(), holds: sum(left) == sum(right) }
    }
}

impl fmt::Display for Equation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |terms: &[Term]| {
            let terms: Vec<_> =
                terms.iter().map(|(name, number)| format!("{name} {number}")).collect();
            terms.join(" + ")
        };
        let verdict = if self.holds { "holds" } else { "DOES NOT HOLD" };
        write!(f, "{} = {} ({verdict})", sum(&self.left), sum(&self.right))
    }
}
