//! Balancing: which endpoint an attempt goes to.
//!
//! A `Balance` belongs to one worker and one service: no lock, no allocation on a pick. To add one:
//! a file here, a line in [`build`], a variant of `config::BalanceKind`.
//! Not here: whether an endpoint may be picked at all (`endpoint::outlier`).

mod least_request;
mod round_robin;

use crate::config::BalanceKind;

/// What a balance sees of the endpoints of its service.
pub(super) trait Candidates {
    /// How many endpoints the service has.
    fn len(&self) -> usize;
    /// Whether `index` is in rotation and not yet tried for this exchange.
    fn is_open(&self, index: usize) -> bool;
    /// Attempts of this worker under way at `index`.
    fn in_flight(&self, index: usize) -> u32;
}

/// Chooses the endpoint of one attempt.
pub(super) trait Balance {
    /// Index of an open endpoint, or `None` when there is none.
    fn pick(&mut self, from: &dyn Candidates) -> Option<usize>;
}

/// The balance of `kind` for endpoints of these weights.
pub(super) fn build(kind: BalanceKind, weights: &[u32]) -> Box<dyn Balance> {
    match kind {
        BalanceKind::RoundRobin => Box::new(round_robin::RoundRobin::new(weights)),
        BalanceKind::LeastRequest => Box::new(least_request::LeastRequest::new(weights)),
    }
}

/// What the tests of all balances share: endpoints as plain data.
#[cfg(test)]
mod harness {
    use super::Candidates;

    /// Endpoints as (open, in flight).
    pub(super) struct Fake(pub(super) Vec<(bool, u32)>);

    impl Candidates for Fake {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn is_open(&self, index: usize) -> bool {
            self.0[index].0
        }
        fn in_flight(&self, index: usize) -> u32 {
            self.0[index].1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::harness::Fake;
    use super::*;

    /// Goal: no balance picks a closed endpoint, and all find an open one. Method: every kind,
    /// every subset of four endpoints.
    #[test]
    fn every_balance_picks_only_open_endpoints_and_always_finds_one() {
        for kind in [BalanceKind::RoundRobin, BalanceKind::LeastRequest] {
            for open in 0_u8..16 {
                let mut balance = build(kind, &[1, 2, 1, 5]);
                let from = Fake((0..4).map(|index| (open >> index & 1 == 1, index)).collect());
                for _ in 0..20 {
                    let picked = balance.pick(&from);
                    assert_eq!(picked.is_some(), open != 0, "{kind:?} {open:04b}");
                    assert!(picked.is_none_or(|index| from.is_open(index)), "{kind:?} {open:04b}");
                }
            }
        }
    }
}
