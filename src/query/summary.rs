//! Figures over many records: how many, how well, how fast, and whether any are missing.
//!
//! Memory is bounded whatever the records say: a group is one small histogram, and values beyond
//! the first [`GROUPS_MAX`] are summed as one. Not here: choosing records (`filter`), printing.

use std::collections::{BTreeMap, HashMap};

use hdrhistogram::Histogram;

use super::field::Field;
use super::row::Row;
use super::show::show;
use crate::record::{AccessRecord, Outcome, Stream};

/// Most values that are told apart.
const GROUPS_MAX: usize = 2_048;
/// Digits that stay exact in durations of everything, and of one group.
const DIGITS: (u8, u8) = (3, 2);

/// Figures over some exchanges.
#[derive(Debug, Clone)]
pub struct Group {
    /// How many.
    pub requests: u64,
    /// How many were served.
    pub success: u64,
    /// How many were not.
    pub failure: u64,
    /// Of how many nobody knows, for the client left.
    pub unknown: u64,
    /// By status: none or an odd one, then 1xx to 5xx.
    pub classes: [u64; 6],
    /// Bytes from the downstream; bodies alone where the head is not counted.
    pub request_bytes: u64,
    /// Bytes to the downstream.
    pub response_bytes: u64,
    /// How many rode an open upstream connection.
    pub reused: u64,
    /// How many opened one.
    pub opened: u64,
    /// Longest duration in microseconds.
    pub duration_us_max: u64,
    /// Durations in microseconds; `None` only if the histogram cannot be made.
    durations: Option<Histogram<u64>>,
}

impl Default for Group {
    fn default() -> Self {
        Self::with_digits(DIGITS.0)
    }
}

impl Group {
    /// Nothing yet.
    fn with_digits(digits: u8) -> Self {
        Self {
            requests: 0,
            success: 0,
            failure: 0,
            unknown: 0,
            classes: [0; 6],
            request_bytes: 0,
            response_bytes: 0,
            reused: 0,
            opened: 0,
            duration_us_max: 0,
            durations: Histogram::new(digits).ok(),
        }
    }

    /// Counts an exchange.
    pub fn add(&mut self, record: &AccessRecord<'_>) {
        self.requests += 1;
        match record.outcome {
            Some(Outcome::Success) => self.success += 1,
            Some(Outcome::Failure) => self.failure += 1,
            Some(Outcome::Unknown) | None => self.unknown += 1,
        }
        let class = record.status.map_or(0, |status| usize::from(status.0 / 100));
        self.classes[if class < self.classes.len() { class } else { 0 }] += 1;
        let request = record.request_bytes.or(record.request_body_bytes);
        let response = record.response_bytes.or(record.response_body_bytes);
        self.request_bytes += request.map_or(0, |bytes| bytes.0);
        self.response_bytes += response.map_or(0, |bytes| bytes.0);
        match record.reused {
            Some(reused) if reused.0 => self.reused += 1,
            Some(_) => self.opened += 1,
            None => (),
        }
        if let (Some(duration), Some(durations)) = (record.duration, &mut self.durations) {
            self.duration_us_max = self.duration_us_max.max(duration.0);
            // Fails only where a histogram cannot grow; these can, to 18 KiB at 10 s in a group.
            let _ = durations.record(duration.0);
        }
    }

    /// Counts what another group has counted.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.success += other.success;
        self.failure += other.failure;
        self.unknown += other.unknown;
        for (own, others) in self.classes.iter_mut().zip(other.classes) {
            *own += others;
        }
        self.request_bytes += other.request_bytes;
        self.response_bytes += other.response_bytes;
        self.reused += other.reused;
        self.opened += other.opened;
        self.duration_us_max = self.duration_us_max.max(other.duration_us_max);
        if let (Some(own), Some(others)) = (&mut self.durations, &other.durations) {
            // Fails only where a histogram cannot grow; these can.
            let _ = own.add(others);
        }
    }

    /// The duration in microseconds that a share of exchanges did not exceed, to the digits kept;
    /// `None` without exchanges.
    pub fn duration_us(&self, quantile: f64) -> Option<u64> {
        let durations = self.durations.as_ref().filter(|durations| !durations.is_empty())?;
        Some(durations.value_at_quantile(quantile).min(self.duration_us_max))
    }

    /// Served among those of which it is known; `None` when none is.
    pub fn success_share(&self) -> Option<f64> {
        share(self.success, self.failure)
    }

    /// Reused among the upstream connections; `None` when none was needed.
    pub fn reused_share(&self) -> Option<f64> {
        share(self.reused, self.opened)
    }
}

/// `part` of the sum of both.
#[expect(clippy::cast_precision_loss, reason = "a share is shown with one decimal")]
fn share(part: u64, rest: u64) -> Option<f64> {
    let whole = part + rest;
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Figures by the value of one field.
#[derive(Debug)]
pub struct Groups {
    /// The field.
    pub field: &'static Field,
    /// By value as it is shown; exchanges without one are `-`.
    by_value: HashMap<String, Group>,
    /// Values that came when the table was full.
    beyond: Group,
}

impl Groups {
    /// Nothing yet.
    pub fn new(field: &'static Field) -> Self {
        Self { field, by_value: HashMap::new(), beyond: Group::with_digits(DIGITS.1) }
    }

    /// Counts an exchange.
    pub fn add(&mut self, row: &Row<'_>, record: &AccessRecord<'_>) {
        let value = row.get(self.field);
        let value = value.map_or_else(|| "-".to_owned(), |value| show(self.field, value));
        let is_full = self.by_value.len() >= GROUPS_MAX;
        match self.by_value.get_mut(&value) {
            Some(group) => group.add(record),
            None if is_full => self.beyond.add(record),
            None => {
                let mut group = Group::with_digits(DIGITS.1);
                group.add(record);
                self.by_value.insert(value, group);
            }
        }
    }

    /// The `most` largest groups, largest first, and the sum of the rest if there is one.
    pub fn top(mut self, most: usize) -> (Vec<(String, Group)>, Option<Group>) {
        let mut groups: Vec<_> = self.by_value.into_iter().collect();
        groups.sort_by(|(a, left), (b, right)| {
            right.requests.cmp(&left.requests).then_with(|| a.cmp(b))
        });
        for (_, group) in groups.drain(most.min(groups.len())..) {
            self.beyond.merge(&group);
        }
        (groups, Some(self.beyond).filter(|rest| rest.requests > 0))
    }

    /// How many exchanges had a value that came when the table was full.
    pub const fn beyond(&self) -> u64 {
        self.beyond.requests
    }
}

/// Numbers of records by lane, to find what is missing.
#[derive(Debug, Default)]
pub struct Sequences {
    /// By instance, epoch, lane and stream.
    lanes: BTreeMap<(u64, u16, u8, u8), Lane>,
}

/// What was seen of one lane and stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lane {
    /// Instance of the journal.
    pub instance: u64,
    /// Start of the process.
    pub epoch: u16,
    /// Lane.
    pub worker: u8,
    /// Stream.
    pub stream: Option<Stream>,
    /// Records.
    pub records: u64,
    /// Lowest number; 0 when no record was seen.
    pub first_seq: u64,
    /// Highest number.
    pub last_seq: u64,
    /// Missing numbers that gap records explain.
    pub explained: u64,
}

impl Lane {
    /// Numbers between the lowest and the highest that no record has.
    pub const fn holes(&self) -> u64 {
        match self.records {
            0 => 0,
            records => (self.last_seq - self.first_seq + 1).saturating_sub(records),
        }
    }
}

impl Sequences {
    /// Counts a record of any kind.
    pub fn add(&mut self, row: &Row<'_>) {
        let origin = row.origin;
        let lane = self.lane(origin.instance, origin.epoch, origin.worker, row.stream as u8);
        lane.first_seq =
            if lane.records == 0 { origin.seq } else { lane.first_seq.min(origin.seq) };
        lane.last_seq = lane.last_seq.max(origin.seq);
        lane.records += 1;
        if let Some(gap) = row.gap()
            && let (Some(worker), Some(stream), Some(count)) =
                (gap.gap_worker, gap.gap_stream, gap.gap_count)
            && let (Ok(worker), Ok(stream)) = (u8::try_from(worker.0), u8::try_from(stream.0))
        {
            let (instance, epoch) = gap.start((origin.instance, origin.epoch));
            let lane = self.lane(instance, epoch, worker, stream);
            lane.explained = lane.explained.saturating_add(count.0);
        }
    }

    /// The entry of a lane.
    fn lane(&mut self, instance: u64, epoch: u16, worker: u8, stream: u8) -> &mut Lane {
        let lane = self.lanes.entry((instance, epoch, worker, stream)).or_default();
        let stream = Stream::from_u8(stream);
        (lane.instance, lane.epoch, lane.worker, lane.stream) = (instance, epoch, worker, stream);
        lane
    }

    /// Every lane and stream, oldest start first.
    pub fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.values()
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::{CONSTANTS, with_row};
    use super::*;
    use crate::record::{
        Bytes, Count, EcsNanos, Flag, GapRecord, Origin, Status, Text, TimestampMs,
    };

    fn record(path: &str, status: u16, duration_us: u64) -> AccessRecord<'_> {
        let outcome = if status >= 500 { Outcome::Failure } else { Outcome::Success };
        AccessRecord {
            timestamp: Some(TimestampMs(1)),
            path: Some(Text(path.as_bytes())),
            status: Some(Status(status)),
            duration: Some(EcsNanos(duration_us)),
            outcome: Some(outcome),
            response_bytes: Some(Bytes(10)),
            reused: Some(Flag(status == 200)),
            ..AccessRecord::default()
        }
    }

    #[test]
    fn a_group_counts_and_measures_what_it_was_given() {
        let mut group = Group::default();
        assert_eq!((group.duration_us(0.5), group.success_share()), (None, None));
        for micros in 1..=100 {
            group.add(&record("/", 200, micros * 10));
        }
        group.add(&record("/", 502, 50_000));
        group.add(&AccessRecord { outcome: Some(Outcome::Unknown), ..AccessRecord::default() });
        assert_eq!((group.requests, group.success, group.failure, group.unknown), (102, 100, 1, 1));
        assert_eq!(group.classes, [1, 0, 100, 0, 0, 1]);
        assert_eq!((group.reused, group.opened, group.response_bytes), (100, 1, 1_010));
        assert_eq!(group.duration_us(0.5), Some(510), "the 51st of 101");
        assert_eq!(group.duration_us(0.99), Some(1_000));
        assert_eq!((group.duration_us(1.0), group.duration_us_max), (Some(50_000), 50_000));
        assert!(group.success_share().is_some_and(|share| (0.990..0.991).contains(&share)));
    }

    #[test]
    fn the_largest_groups_stand_alone_and_the_rest_is_one() {
        let mut groups = Groups::new(Field::find("path").unwrap());
        let mut total = 0;
        for n in 0..GROUPS_MAX + 10 {
            let path = format!("/{n}");
            for _ in 0..=usize::from(n < 2) {
                let record = record(&path, 200, 5);
                with_row(&record, |row| groups.add(row, &record));
                total += 1;
            }
        }
        assert_eq!(groups.beyond(), 10, "the table is bounded");
        let (top, rest) = groups.top(2);
        let names: Vec<_> =
            top.iter().map(|(name, group)| (name.as_str(), group.requests)).collect();
        assert_eq!(names, [("/0", 2), ("/1", 2)]);
        let rest = rest.unwrap();
        assert_eq!(rest.requests + 4, total);
        assert_eq!(rest.duration_us(0.99), Some(5));
    }

    #[test]
    fn missing_numbers_are_found_and_gaps_explain_them() {
        let mut sequences = Sequences::default();
        let mut add = |stream, payload: &[u8], worker, seq| {
            let origin = Origin { instance: 1, epoch: 2, worker, seq, constants: &CONSTANTS };
            sequences.add(&Row::read(stream, payload, origin).unwrap());
        };
        let mut payload = [0; 256];
        let used = record("/", 200, 1).encode(&mut payload).unwrap();
        for seq in [10, 11, 15, 12] {
            add(Stream::Access, &payload[..used], 0, seq);
        }
        let gap = GapRecord {
            timestamp: Some(TimestampMs(1)),
            gap_worker: Some(Count(0)),
            gap_stream: Some(Count(1)),
            gap_first_seq: Some(Count(13)),
            gap_count: Some(Count(2)),
            ..GapRecord::default()
        };
        let used = gap.encode(&mut payload).unwrap();
        add(Stream::Gap, &payload[..used], 255, 1);
        let figures = |lane: &Lane| (lane.worker, lane.records, lane.holes(), lane.explained);
        let lanes: Vec<_> = sequences.lanes().map(figures).collect();
        assert_eq!(lanes, [(0, 4, 2, 2), (255, 1, 0, 0)]);
    }
}
