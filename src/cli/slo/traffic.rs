//! How many events that count there are, as a journal has them. Not here: how many are needed
//! (`slo::file::thin`).

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::base::clock::micros;
use crate::base::units::write_duration;
use crate::journal::{From, Reader};
use crate::query::{Field, Records, Row, show};
use crate::slo::{Dimension, Objective};

/// Most groups of an objective that are told apart; the rest is one.
const GROUPS_MAX: usize = 20;
/// Name of the rest.
const REST: &str = "other";

/// What a journal holds of some objectives.
#[derive(Debug)]
pub(super) struct Traffic {
    /// Milliseconds since 1970 of its oldest and newest record.
    times_ms: Option<(u64, u64)>,
    /// Events that count, of each objective by group.
    counts: Vec<HashMap<String, u64>>,
}

/// The thinnest group of an objective.
#[derive(Debug)]
pub(super) struct Rate {
    /// Its name; empty when there are no groups.
    pub(super) group: String,
    pub(super) per_second: f64,
}

/// Reads a journal once.
///
/// # Errors
/// When it cannot be read.
pub(super) fn look(dir: &Path, objectives: &[Arc<Objective>]) -> anyhow::Result<Traffic> {
    let mut traffic = Traffic { times_ms: None, counts: vec![HashMap::new(); objectives.len()] };
    let fields: Vec<_> = objectives.iter().map(|one| fields(&one.group_by)).collect();
    let mut records = Records::new(Reader::open_directory(dir, From::Oldest)?);
    records.all::<anyhow::Error>(&mut |row, _| {
        let now = row.time_ms();
        if now > 0 {
            let (first, last) = traffic.times_ms.unwrap_or((now, now));
            traffic.times_ms = Some((first.min(now), last.max(now)));
        }
        let each = objectives.iter().zip(&fields).zip(&mut traffic.counts);
        for ((objective, fields), counts) in each {
            if objective.indicator.valid.matches(row) {
                let group = group(fields, row);
                let is_room = counts.len() < GROUPS_MAX || counts.contains_key(&group);
                *counts.entry(if is_room { group } else { REST.to_owned() }).or_default() += 1;
            }
        }
        Ok(())
    })?;
    Ok(traffic)
}

/// The fields that records are told apart by.
fn fields(dimensions: &[Dimension]) -> Vec<&'static Field> {
    let names = Dimension::ALL.iter().filter(|(dimension, _)| dimensions.contains(dimension));
    names.filter_map(|(_, name)| Field::find(name).ok()).collect()
}

/// What a record is told apart by, for people.
fn group(fields: &[&Field], row: &Row<'_>) -> String {
    let values = fields
        .iter()
        .map(|field| row.get(field).map_or_else(|| "none".to_owned(), |value| show(field, value)));
    values.collect::<Vec<_>>().join(" ")
}

impl Traffic {
    /// Seconds from the oldest record to the newest.
    fn seconds(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate is compared, not told")]
        let seconds = self.times_ms.map_or(0, |(first, last)| last - first) as f64 / 1e3;
        seconds.max(1.0)
    }

    /// Of each objective its thinnest group; none of an objective without an event.
    pub(super) fn rates(&self) -> impl Iterator<Item = Rate> {
        self.counts.iter().map(|counts| {
            let thinnest = counts.iter().min_by_key(|(group, count)| (**count, (*group).clone()));
            let (group, count) =
                thinnest.map_or((String::new(), 0), |(group, count)| (group.clone(), *count));
            #[expect(clippy::cast_precision_loss, reason = "a rate is compared, not told")]
            let per_second = count as f64 / self.seconds();
            Rate { group, per_second }
        })
    }

    /// A line about the journal.
    pub(super) fn told(&self, dir: &Path) -> String {
        let Some((first, last)) = self.times_ms else {
            return format!("journal {}: no record yet", dir.display());
        };
        let minutes = std::time::Duration::from_mins((last - first) / 60_000);
        format!("journal {}: records of {}", dir.display(), write_duration(micros(minutes)))
    }
}
