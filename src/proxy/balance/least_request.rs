//! Least request: the endpoint with the fewest attempts of this worker under way, by weight.
//!
//! Up to [`SCAN_MAX`] endpoints are all looked at, beginning at another one each time so that equals
//! share; beyond that two random open ones are compared ("power of two choices", Mitzenmacher 2001),
//! so that a pick does not grow with the service.

use super::{Balance, Candidates};

/// Up to this many endpoints are compared one by one.
const SCAN_MAX: usize = 16;
/// Random draws before the scan takes over, when many endpoints are out of rotation.
const DRAWS_MAX: usize = 8;

/// Fewest attempts under way, divided by weight.
#[derive(Debug)]
pub(super) struct LeastRequest {
    /// Weight per endpoint, 1 or more.
    weights: Vec<u32>,
    /// Where the next scan begins.
    start: usize,
}

impl LeastRequest {
    /// A balance for endpoints of these weights.
    pub(super) fn new(weights: &[u32]) -> Self {
        Self { weights: weights.to_vec(), start: fastrand::usize(..weights.len().max(1)) }
    }

    /// Whether `a` carries less per weight than `b`, without division.
    fn is_less(&self, from: &dyn Candidates, a: usize, b: usize) -> bool {
        let weight = |index: usize| u64::from(self.weights.get(index).copied().unwrap_or(1));
        u64::from(from.in_flight(a)) * weight(b) < u64::from(from.in_flight(b)) * weight(a)
    }

    /// The best of all open ones, beginning at `self.start`.
    fn scan(&mut self, from: &dyn Candidates) -> Option<usize> {
        let len = from.len();
        self.start = (self.start + 1) % len.max(1);
        (0..len)
            .map(|step| (self.start + step) % len)
            .filter(|&index| from.is_open(index))
            .reduce(|best, index| if self.is_less(from, index, best) { index } else { best })
    }
}

impl Balance for LeastRequest {
    fn pick(&mut self, from: &dyn Candidates) -> Option<usize> {
        let len = from.len();
        if len > SCAN_MAX {
            let mut first = None;
            for _ in 0..DRAWS_MAX {
                let index = fastrand::usize(..len);
                match first {
                    _ if !from.is_open(index) => (),
                    None => first = Some(index),
                    Some(other) if other == index => (),
                    Some(other) => {
                        return Some(if self.is_less(from, index, other) { index } else { other });
                    }
                }
            }
        }
        self.scan(from)
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::Fake;
    use super::*;

    #[test]
    fn picks_the_least_loaded_by_weight_and_lets_equals_share() {
        for (name, weights, endpoints, want) in [
            ("fewest under way", [1, 1, 1], [(true, 4), (true, 2), (true, 3)], 1),
            ("weight counts", [4, 1, 1], [(true, 3), (true, 1), (true, 1)], 0),
            ("closed is passed over", [1, 1, 1], [(true, 4), (false, 0), (true, 3)], 2),
        ] {
            let mut balance = LeastRequest::new(&weights);
            assert_eq!(balance.pick(&Fake(endpoints.to_vec())), Some(want), "{name}");
        }
        let mut balance = LeastRequest::new(&[1, 1, 1]);
        let idle = Fake(vec![(true, 0); 3]);
        let mut seen: Vec<_> = (0..3).filter_map(|_| balance.pick(&idle)).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2], "idle equals take turns");
    }

    #[test]
    fn of_many_endpoints_the_overloaded_one_is_rarely_picked() {
        let mut balance = LeastRequest::new(&[1; 100]);
        let from = Fake((0..100).map(|index| (true, if index == 7 { 50 } else { 1 })).collect());
        let hits = (0..1_000).filter(|_| balance.pick(&from) == Some(7)).count();
        assert_eq!(hits, 0, "it loses every comparison");
    }
}
