//! A histogram of times: any value within 0.4 %, merged without loss, small because sparse.
//!
//! ```text
//! value   0 … 255 │ 256 … 511 │ 512 … 1023 │ …        widths double from octave to octave
//! buckets 256     │ 128       │ 128        │ …        128 in each
//! ```
//! Log-linear as HdrHistogram's, but kept as a sorted list of the buckets that hold something: a
//! route's minute takes some hundred bytes, where the dense form takes 13 KiB. Coarser grids nest in
//! finer ones, so that merging and coarsening are exact in counts.
//! Not here: units and binary form (`record`), who measures.

/// Buckets of an octave, as a power of two: the error is half a bucket, 1/256.
const FINE_BITS: u32 = 7;
/// Largest value that is told from larger ones: 12 days in microseconds.
const VALUE_MAX: u64 = (1 << 40) - 1;

/// A bucket of the finest grid, by number; numbers rise with values.
pub type Bucket = u16;

/// Number of the highest bucket.
pub const BUCKET_MAX: Bucket = bucket(VALUE_MAX);

/// How many values lie in which bucket; their sum and maximum are exact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Buckets that hold something, in rising order.
    buckets: Vec<(Bucket, u64)>,
    sum: u64,
    max: u64,
}

impl Histogram {
    /// From what [`Histogram::buckets`], `sum` and `max` gave.
    /// `None` when buckets do not rise, are empty, do not exist, or hold more than can be counted.
    pub fn from_parts(buckets: Vec<(Bucket, u64)>, sum: u64, max: u64) -> Option<Self> {
        let rises = buckets.is_sorted_by(|a, b| a.0 < b.0);
        let exists = buckets.iter().all(|&(bucket, count)| bucket <= BUCKET_MAX && count > 0);
        let total = buckets.iter().try_fold(0_u64, |total, &(_, count)| total.checked_add(count));
        (rises && exists && total.is_some()).then_some(Self { buckets, sum, max })
    }

    /// Adds one value.
    pub fn add(&mut self, value: u64) {
        self.add_to(bucket(value), 1);
        self.sum = self.sum.saturating_add(value);
        self.max = self.max.max(value);
    }

    /// Adds everything in `other`.
    pub fn merge(&mut self, other: &Self) {
        for &(bucket, count) in &other.buckets {
            self.add_to(bucket, count);
        }
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// What was added since it was as `before`, which must be an earlier state of it. The highest value
    /// is known only as far as its bucket tells.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut older = before.buckets.iter().copied().peekable();
        let mut buckets = Vec::new();
        for &(bucket, count) in &self.buckets {
            while older.next_if(|&(old, _)| old < bucket).is_some() {}
            let old = older.next_if(|&(old, _)| old == bucket).map_or(0, |(_, count)| count);
            if count > old {
                buckets.push((bucket, count - old));
            }
        }
        let highest = buckets.last().map_or(0, |&(bucket, _)| middle(bucket, FINE_BITS));
        let is_new = self.max > before.max;
        let max = if is_new { self.max } else { highest.min(self.max) };
        Self { buckets, sum: self.sum.saturating_sub(before.sum), max }
    }

    fn add_to(&mut self, bucket: Bucket, count: u64) {
        match self.buckets.binary_search_by_key(&bucket, |&(bucket, _)| bucket) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(count),
            Err(at) => self.buckets.insert(at, (bucket, count)),
        }
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |total: u64, &(_, count)| total.saturating_add(count))
    }

    /// Their sum.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The highest; 0 when there is none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Buckets that hold something, in rising order, with their counts.
    pub fn buckets(&self) -> &[(Bucket, u64)] {
        &self.buckets
    }

    /// The values at these ranks, in thousandths (500 is the median), each within 0.4 %: the smallest
    /// value that at least so many thousandths of all do not exceed. `None` when there is none.
    pub fn quantiles<const N: usize>(&self, per_mille: [u16; N]) -> Option<[u64; N]> {
        let count = self.count();
        (count > 0).then(|| per_mille.map(|per_mille| self.at_rank(count, per_mille)))
    }

    /// The value at a rank.
    fn at_rank(&self, count: u64, per_mille: u16) -> u64 {
        let rank = (u128::from(count) * u128::from(per_mille)).div_ceil(1000);
        let mut below = 0_u128;
        for &(bucket, count) in &self.buckets {
            below += u128::from(count);
            if below >= rank {
                return middle(bucket, FINE_BITS).min(self.max);
            }
        }
        self.max
    }

    /// How many values lie up to each edge and above the one before, and how many beyond the last. Edges
    /// must rise. A bucket lies where its middle does, so an edge is right within 0.4 %.
    pub fn bands<const N: usize>(&self, edges: [u64; N]) -> ([u64; N], u64) {
        let (mut within, mut beyond) = ([0_u64; N], 0_u64);
        for &(bucket, count) in &self.buckets {
            let value = middle(bucket, FINE_BITS);
            let at = edges.partition_point(|edge| *edge < value);
            let band = within.get_mut(at).unwrap_or(&mut beyond);
            *band = band.saturating_add(count);
        }
        (within, beyond)
    }

    /// At most `most` pairs of a value and how often it stands for one, in rising order. As fine as
    /// that allows: within 0.8 % unless more than four octaves are filled from end to end.
    pub fn points(&self, most: usize) -> Vec<(u64, u64)> {
        let mut bits = FINE_BITS - 1;
        loop {
            let mut points: Vec<(Bucket, u64)> = Vec::new();
            for &(fine, count) in &self.buckets {
                let coarse = index(lowest(fine, FINE_BITS), bits);
                match points.last_mut() {
                    Some((last, total)) if *last == coarse => *total = total.saturating_add(count),
                    _ => points.push((coarse, count)),
                }
            }
            if points.len() <= most || bits == 0 {
                let point = |(bucket, count)| (middle(bucket, bits).min(self.max), count);
                return points.into_iter().map(point).collect();
            }
            bits -= 1;
        }
    }
}

/// The bucket of a value; values over 12 days share the highest.
const fn bucket(value: u64) -> Bucket {
    index(value, FINE_BITS)
}

/// Number of the bucket of `value` in a grid of `2^bits` buckets to an octave.
#[expect(clippy::cast_possible_truncation, reason = "at most 33 octaves of 128")]
const fn index(value: u64, bits: u32) -> Bucket {
    let value = if value > VALUE_MAX { VALUE_MAX } else { value };
    let shift = match value.checked_ilog2() {
        Some(octave) => octave.saturating_sub(bits),
        None => 0,
    };
    ((shift << bits) as u64 + (value >> shift)) as Bucket
}

/// Lowest value of a bucket and their number.
const fn range(bucket: Bucket, bits: u32) -> (u64, u64) {
    let shift = ((bucket as u32) >> bits).saturating_sub(1);
    let mantissa = bucket as u64 - ((shift as u64) << bits);
    (mantissa << shift, 1 << shift)
}

/// Lowest value of a bucket.
const fn lowest(bucket: Bucket, bits: u32) -> u64 {
    range(bucket, bits).0
}

/// The value in the middle of a bucket.
const fn middle(bucket: Bucket, bits: u32) -> u64 {
    let (lowest, values) = range(bucket, bits);
    lowest + (values - 1).div_ceil(2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RANKS: [u16; 7] = [0, 500, 750, 900, 950, 990, 999];

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for &value in values {
            histogram.add(value);
        }
        histogram
    }

    /// Values as services have them: a few octaves, with a long tail.
    fn values() -> impl Strategy<Value = Vec<u64>> {
        let value = prop_oneof![
            4 => 50..20_000_u64,
            1 => 0..300_u64,
            1 => (0..36_u32, any::<u64>()).prop_map(|(bits, n)| n % (1 << bits.max(1))),
        ];
        proptest::collection::vec(value, 1..2_000)
    }

    /// Whether `got` is within `percent` of `want`, or half a microsecond.
    fn is_near(got: u64, want: u64, percent: u64) -> bool {
        u128::from(got.abs_diff(want)) * 100 <= u128::from(want) * u128::from(percent)
    }

    #[test]
    fn buckets_tile_the_values_without_a_gap_in_every_grid() {
        for bits in 0..=FINE_BITS {
            let mut next = 0;
            for bucket in 0..=index(VALUE_MAX, bits) {
                let (lowest, values) = range(bucket, bits);
                assert_eq!(lowest, next, "bucket {bucket} of 2^{bits}");
                assert_eq!(index(lowest, bits), bucket);
                assert_eq!(index(lowest + values - 1, bits), bucket);
                next = lowest + values;
            }
            assert_eq!(next, VALUE_MAX + 1);
        }
        assert_eq!(bucket(u64::MAX), BUCKET_MAX);
    }

    #[test]
    fn nothing_has_no_quantiles_and_a_single_value_is_all_of_them() {
        assert_eq!(Histogram::default().quantiles(RANKS), None);
        assert_eq!(of(&[7]).quantiles(RANKS), Some([7; 7]));
        assert_eq!(of(&[100_000]).quantiles([1000]), Some([100_000]), "never above the maximum");
        assert_eq!(of(&[u64::MAX]).max(), u64::MAX);
    }

    #[test]
    fn parts_that_cannot_be_are_refused() {
        for (name, buckets) in [
            ("not rising", vec![(2, 1), (1, 1)]),
            ("twice", vec![(2, 1), (2, 1)]),
            ("empty", vec![(2, 0)]),
            ("no such bucket", vec![(BUCKET_MAX + 1, 1)]),
            ("too many", vec![(1, u64::MAX), (2, 1)]),
        ] {
            assert_eq!(Histogram::from_parts(buckets, 1, 1), None, "{name}");
        }
    }

    proptest! {
        /// Goal: percentiles within 1 % of the truth. Method: sorted values.
        #[test]
        fn quantiles_are_within_half_a_percent_of_sorted_values(mut values in values()) {
            let got = of(&values).quantiles(RANKS).unwrap();
            values.sort_unstable();
            for (per_mille, got) in RANKS.into_iter().zip(got) {
                let rank = (values.len() * usize::from(per_mille)).div_ceil(1000).max(1);
                let want = values[rank - 1];
                prop_assert!(
                    u128::from(got.abs_diff(want)) * 256 <= u128::from(want),
                    "{} per mille: {} is not {}", per_mille, got, want
                );
            }
        }

        /// Goal: workers and windows add up exactly. Method: cut anywhere, merge, compare.
        #[test]
        fn merging_is_the_same_as_counting_together(values in values(), at in any::<prop::sample::Index>()) {
            let (left, right) = values.split_at(at.index(values.len()));
            let mut merged = of(left);
            merged.merge(&of(right));
            prop_assert_eq!(merged, of(&values));
        }

        #[test]
        fn what_was_added_since_is_what_the_rest_would_make_alone(values in values(), at in any::<prop::sample::Index>()) {
            let (left, right) = values.split_at(at.index(values.len()));
            let (all, before, rest) = (of(&values), of(left), of(right));
            let since = all.since(&before);
            prop_assert_eq!(since.buckets(), rest.buckets());
            prop_assert_eq!(since.sum(), rest.sum());
            prop_assert!(is_near(since.max(), rest.max(), 1), "{} is not {}", since.max(), rest.max());
        }

        #[test]
        fn points_are_bounded_keep_every_count_and_stay_near(values in values(), most in 1..400_usize) {
            let histogram = of(&values);
            let points = histogram.points(most);
            prop_assert!(points.len() <= most.max(41), "an octave each is the coarsest");
            prop_assert_eq!(points.iter().map(|point| point.1).sum::<u64>(), histogram.count());
            prop_assert!(points.is_sorted_by(|a, b| a.0 < b.0));
            let all = histogram.points(usize::MAX);
            let mut left = all.iter().flat_map(|&(value, count)| (0..count).map(move |_| value));
            let mut sorted = values;
            sorted.sort_unstable();
            for want in sorted {
                let got = left.next().unwrap();
                prop_assert!(is_near(got, want, 1), "{} is not {}", got, want);
            }
        }
    }
}
