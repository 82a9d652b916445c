//! What objectives ask of records of one kind: each question once, however many objectives have it, and none
//! whose answer the kind is. Not here: what is made of the answers (`evaluator`).

use std::sync::Arc;

use super::objective::Objective;
use crate::query::{Field, Filter};
use crate::record::Stream;

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Of each objective that records of this kind can count for: its place, then which predicates say that a
    /// record counts, and that it is good.
    pub(super) objectives: Vec<(usize, usize, usize)>,
    pub(super) predicates: Vec<Filter>,
    /// What they say of the record at hand, as far as they were asked.
    pub(super) answers: Vec<Option<bool>>,
    /// What has to be read of a record.
    pub(super) wanted: u128,
}

impl Asked {
    /// By these objectives, which want to know `fields` besides.
    pub(super) fn of(
        objectives: &[Arc<Objective>],
        stream: Stream,
        fields: &[&'static Field],
    ) -> Self {
        let mut asked = Self::default();
        for (number, objective) in objectives.iter().enumerate() {
            let Some(valid) = objective.indicator.valid.given(stream) else { continue };
            // One that is never good says so itself.
            let good = &objective.indicator.good;
            let good = good.given(stream).unwrap_or_else(|| good.clone());
            let (valid, good) = (asked.place(valid), asked.place(good));
            asked.objectives.push((number, valid, good));
        }
        asked.answers.resize(asked.predicates.len(), None);
        let fields = fields.iter().copied().filter(|_| !asked.objectives.is_empty());
        let all = asked.predicates.iter().flat_map(Filter::fields).chain(fields);
        asked.wanted = all.fold(1, |bits, field| bits | field.bits(stream));
        asked
    }

    /// Which predicate it is.
    fn place(&mut self, filter: Filter) -> usize {
        let known = self.predicates.iter().position(|known| *known == filter);
        known.unwrap_or_else(|| {
            self.predicates.push(filter);
            self.predicates.len() - 1
        })
    }
}
