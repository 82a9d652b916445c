//! How long requests took, as a histogram with the bounds that OpenTelemetry recommends for
//! `http.server.request.duration`. Not here: exact percentiles, which records and rollups have.

use super::{Cell64, Exposition, Family, Kind};

/// Upper bounds, each inclusive: microseconds, and the same in seconds as the page has it.
const BOUNDS: [(u64, &str); 14] = [
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (75_000, "0.075"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (750_000, "0.75"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (7_500_000, "7.5"),
    (10_000_000, "10"),
];

/// Durations of one worker's requests of one service; longer than the last bound are in the last bucket.
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [Cell64; BOUNDS.len() + 1],
    sum_us: Cell64,
}

impl Durations {
    /// The row of the table.
    pub const FAMILY: Family = Family {
        name: "lbproxy_request_duration_seconds",
        labels: "",
        help: "Time from the first byte of a request to the last of its response, with the bounds of \
               OpenTelemetry (`le`).",
        kind: Kind::Histogram,
        divisor: 1_000_000,
    };

    /// Counts one request, without a locked instruction: for the single writer.
    #[inline]
    pub fn count_owned(&self, us: u64) {
        // Fourteen comparisons without a branch.
        let place = BOUNDS.iter().filter(|(bound, _)| us > *bound).count();
        self.buckets[place].add_owned(1);
        self.sum_us.add_owned(us);
    }

    /// Adds those of all workers to a page, as one histogram under `labels`.
    pub fn expose<'d>(
        all: impl IntoIterator<Item = &'d Self>,
        labels: &[(&str, &str)],
        page: &mut Exposition,
    ) {
        let (mut counts, mut sum_us) = ([0; BOUNDS.len() + 1], 0);
        for one in all {
            counts.iter_mut().zip(&one.buckets).for_each(|(sum, cell)| *sum += cell.value());
            sum_us += one.sum_us.value();
        }
        page.histogram(Self::FAMILY, labels, &BOUNDS.map(|(_, text)| text), &counts, sum_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a request is in the bucket of the first bound that it does not exceed. Method: at each bound
    /// and just above it, on two workers.
    #[test]
    fn buckets_add_up_over_workers_and_bounds_are_inclusive() {
        let workers = [Durations::default(), Durations::default()];
        for (bound, _) in BOUNDS {
            workers[0].count_owned(bound);
            workers[1].count_owned(bound + 1);
        }
        let mut page = Exposition::default();
        Durations::expose(&workers, &[("service", "shop")], &mut page);
        let page = page.finish();
        let line = |text: &str| assert!(page.lines().any(|line| line == text), "{text} in\n{page}");
        line("# TYPE lbproxy_request_duration_seconds histogram");
        for (place, (_, text)) in BOUNDS.iter().enumerate() {
            let below = 2 * place + 1; // those just above this bound are in the next bucket
            line(&format!(
                "lbproxy_request_duration_seconds_bucket{{service=\"shop\",le=\"{text}\"}} {below}"
            ));
        }
        line("lbproxy_request_duration_seconds_bucket{service=\"shop\",le=\"+Inf\"} 28");
        line("lbproxy_request_duration_seconds_count{service=\"shop\"} 28");
        line("lbproxy_request_duration_seconds_sum{service=\"shop\"} 55.530014");
    }
}
