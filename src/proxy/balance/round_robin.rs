//! Round robin: turns by weight, spread evenly.
//!
//! The order is worked out once, by smooth weighted round robin (each turn every endpoint gains its
//! weight, the richest is chosen and pays the sum), so a pick is one index step.

use super::{Balance, Candidates};

/// Longest order worked out; larger sums of weights are scaled down to it.
const ORDER_LEN_MAX: u64 = 1 << 14;
/// Most steps, of one endpoint in one turn each, that it takes: a worker makes it while it serves.
const ORDER_STEPS_MAX: u64 = 1 << 22;

/// Walks a fixed order of endpoint indices.
#[derive(Debug)]
pub(super) struct RoundRobin {
    /// Endpoint of each turn.
    order: Vec<usize>,
    /// The next turn.
    next: usize,
}

impl RoundRobin {
    /// The order for these weights. Starts at a random turn, so that several workers do not begin
    /// on the same endpoint together.
    pub(super) fn new(weights: &[u32]) -> Self {
        let order = order(weights);
        let next = if order.is_empty() { 0 } else { fastrand::usize(..order.len()) };
        Self { order, next }
    }
}

impl Balance for RoundRobin {
    fn pick(&mut self, from: &dyn Candidates) -> Option<usize> {
        for _ in 0..self.order.len() {
            let index = *self.order.get(self.next)?;
            self.next = (self.next + 1) % self.order.len();
            if from.is_open(index) {
                return Some(index);
            }
        }
        None
    }
}

/// Smooth weighted round robin over weights reduced by their greatest common divisor.
fn order(weights: &[u32]) -> Vec<usize> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let sum: u64 = weights.iter().map(|&weight| u64::from(weight / divisor)).sum();
    let len_max = ORDER_LEN_MAX.min(ORDER_STEPS_MAX / (weights.len().max(1) as u64)).max(1);
    let scale = sum.div_ceil(len_max).max(1);
    let turns: Vec<u64> =
        weights.iter().map(|&weight| (u64::from(weight / divisor) / scale).max(1)).collect();
    let total: u64 = turns.iter().sum();
    if turns.iter().all(|&turn| turn == 1) {
        return (0..weights.len()).collect();
    }
    let mut credit = vec![0_i128; turns.len()];
    (0..total)
        .map(|_| {
            let mut richest = 0;
            for (index, &turn) in turns.iter().enumerate() {
                credit[index] += i128::from(turn);
                if credit[index] > credit[richest] {
                    richest = index;
                }
            }
            credit[richest] -= i128::from(total);
            richest
        })
        .collect()
}

/// Greatest common divisor; `gcd(0, n) = n`.
fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_turns_by_weight_and_spreads_them() {
        for (name, weights, want) in [
            ("equal weights take turns", &[3, 3, 3][..], &[0, 1, 2][..]),
            ("a heavy one is interleaved", &[5, 1, 1], &[0, 0, 1, 0, 2, 0, 0]),
            ("one endpoint", &[7], &[0]),
            ("none", &[], &[]),
        ] {
            assert_eq!(order(weights), want, "{name}");
        }
    }

    #[test]
    fn huge_weights_stay_bounded_and_nobody_is_forgotten() {
        let order = order(&[u32::MAX, 1, u32::MAX - 1]);
        assert!(order.len() <= 2 * usize::try_from(ORDER_LEN_MAX).unwrap());
        assert!(order.contains(&1));
    }
}
