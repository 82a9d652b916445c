//! Which records were taken: per lane of each start, the number up to which.
//!
//! Part of a state, so that a record that is read again is not taken again. Numbers are those of one
//! stream: whoever takes several keeps one of these for each. Bounded.

use std::collections::BTreeMap;

use super::state::{StateError, push_length, take};
use crate::journal::Entry;

/// Most lanes that are remembered; beyond, those of the earliest starts are forgotten.
const LANES_MAX: usize = 4_096;

/// A lane of one start: instance, epoch, lane.
pub type LaneKey = (u64, u16, u8);

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Lanes(BTreeMap<LaneKey, u64>);

impl Lanes {
    /// The lane of an entry.
    pub fn key(entry: &Entry<'_>) -> LaneKey {
        (entry.instance, entry.epoch, entry.lane)
    }

    /// Takes the next number of a lane; `false` for one that was taken.
    pub fn advance(&mut self, lane: LaneKey, seq: u64) -> bool {
        let next = self.0.entry(lane).or_insert(0);
        if seq < *next {
            return false;
        }
        *next = seq + 1;
        if self.0.len() > LANES_MAX {
            let oldest = self.0.keys().min_by_key(|(_, epoch, _)| *epoch).copied();
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        true
    }

    /// The number from which on records of a lane are new.
    pub fn next(&self, lane: LaneKey) -> u64 {
        self.0.get(&lane).copied().unwrap_or(0)
    }

    /// Appends them to a state: `lanes u32, (instance u64, epoch u16, lane u8, next u64)*`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        push_length(self.0.len(), out);
        for ((instance, epoch, lane), next) in &self.0 {
            out.extend_from_slice(&instance.to_le_bytes());
            out.extend_from_slice(&epoch.to_le_bytes());
            out.push(*lane);
            out.extend_from_slice(&next.to_le_bytes());
        }
    }

    /// Takes them from a state.
    ///
    /// # Errors
    /// When it ends before.
    pub fn decode(input: &mut &[u8]) -> Result<Self, StateError> {
        let mut lanes = Self::default();
        for _ in 0..u32::from_le_bytes(take(input)?) {
            let instance = u64::from_le_bytes(take(input)?);
            let epoch = u16::from_le_bytes(take(input)?);
            let [lane] = take(input)?;
            lanes.0.insert((instance, epoch, lane), u64::from_le_bytes(take(input)?));
        }
        Ok(lanes)
    }
}
