//! Who spends a budget: bad events by endpoint, route and reason, over a whole time.
//!
//! Exact up to [`VALUES_MAX`] values of each; beyond, an event counts in the sum alone, so that shares stay
//! true. Not here: those of the last minutes (`top`).

use std::collections::HashMap;

/// Values that are counted of each kind.
pub const VALUES_MAX: usize = 10_000;

/// See the head of this file.
#[derive(Debug, Clone, Default)]
pub struct Spenders {
    /// Endpoints, routes, reasons.
    kinds: [HashMap<Box<[u8]>, u64>; 3],
    /// Bad events, also those whose values have no place.
    pub bad: u64,
    /// Values that had no place, counted each time.
    pub beyond: u64,
}

impl Spenders {
    /// What they are called, in the order of [`Spenders::most`].
    pub const KINDS: [&'static str; 3] = ["endpoint", "route", "reason"];

    /// Counts a bad event.
    pub(super) fn add(&mut self, values: [Option<&[u8]>; 3]) {
        self.bad += 1;
        for (counts, value) in self.kinds.iter_mut().zip(values) {
            let Some(value) = value else { continue };
            if let Some(count) = counts.get_mut(value) {
                *count += 1;
            } else if counts.len() < VALUES_MAX {
                counts.insert(value.into(), 1);
            } else {
                self.beyond += 1;
            }
        }
    }

    /// The most frequent values of each kind, so many, the most frequent first.
    pub fn most(&self, places: usize) -> [Vec<(String, u64)>; 3] {
        self.kinds.each_ref().map(|counts| {
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            let mut all: Vec<_> = counts.iter().map(|(value, n)| (text(value), *n)).collect();
            all.sort_by(|(a, one), (b, other)| other.cmp(one).then_with(|| a.cmp(b)));
            all.truncate(places);
            all
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_and_what_has_no_place_is_in_the_sum() {
        let mut spenders = Spenders::default();
        for n in 0..VALUES_MAX + 5 {
            let endpoint = format!("10.0.0.1:{n}");
            spenders.add([Some(endpoint.as_bytes()), None, Some(b"503")]);
            spenders.add([Some(b"10.0.0.1:3"), None, None]);
        }
        let [endpoints, routes, reasons] = spenders.most(2);
        let many = VALUES_MAX as u64 + 5;
        // Among the first values, so it has a place.
        let wanted = [("10.0.0.1:3".to_owned(), many + 1), ("10.0.0.1:0".to_owned(), 1)];
        assert_eq!(endpoints, wanted);
        assert_eq!((routes, reasons), (vec![], vec![("503".to_owned(), many)]));
        assert_eq!((spenders.bad, spenders.beyond), (2 * many, 5));
    }
}
