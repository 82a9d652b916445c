//! The minutes of objectives that `lbproxy run` has stored on a server, of all instances.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Completeness, Found};
use crate::base::clock::millis;
use crate::base::instant::date_and_time;
use crate::cli::log::server::{self, Progress};
use crate::config::Config;
use crate::elk::minutes::{self, StoredMinute};
use crate::slo::{Backtest, Objective};

/// Reads minutes that were stored.
pub(super) fn read(
    config: &Config,
    url: Option<&url::Url>,
    sets: &[Vec<Arc<Objective>>],
    mut tests: Vec<Backtest>,
    (from_ms, to_ms): (Option<u64>, u64),
) -> anyhow::Result<Found> {
    let elasticsearch = server::elasticsearch(config, url.map_or(&[], std::slice::from_ref))?;
    let objectives = || sets.iter().flatten();
    let reach = objectives().map(|objective| millis(objective.period.length())).max().unwrap_or(0);
    let from_ms = from_ms.unwrap_or_else(|| to_ms.saturating_sub(reach));
    let names: Vec<_> = objectives().map(|objective| objective.name.as_str()).collect();
    let question = minutes::Question {
        config: &elasticsearch,
        namespace: &config.telemetry.namespace,
        objectives: &names,
        from_ms: from_ms.saturating_sub(reach) / 60_000 * 60_000,
        to_ms,
    };
    let groups: HashMap<_, _> = objectives()
        .map(|objective| (objective.name.as_str(), objective.group_by.clone()))
        .collect();
    let progress = Progress::new();
    let (mut there, mut first_ms) = (0, None);
    let mut visit = |start_ms: u64, all: &[StoredMinute]| {
        first_ms.get_or_insert(start_ms);
        there += u64::from(start_ms >= from_ms);
        let values: Vec<_> = all
            .iter()
            .map(|minute| {
                minute.group(groups.get(minute.objective.as_str()).map_or(&[][..], Vec::as_slice))
            })
            .collect();
        let events = all.iter().zip(&values);
        let events = events
            .map(|(minute, values)| (minute.objective.as_str(), values.as_slice(), minute.events));
        for test in &mut tests {
            test.add_minute(start_ms, &events);
        }
        if there % 500 == 0 {
            progress.show(&format!("minutes up to {} UTC", date_and_time(start_ms)));
        }
    };
    server::run(minutes::read(&question, &mut visit))?;
    drop(progress);
    let asked_ms = to_ms.saturating_sub(from_ms);
    let minutes = asked_ms / 60_000;
    let mut told = vec![
        "minutes are as they were counted when they were written, by the objective of that name; within a minute \
         events are spread evenly"
            .to_owned(),
    ];
    if first_ms.is_none_or(|first_ms| first_ms > from_ms + 60_000) {
        let first = first_ms.map_or_else(
            || "no minute is stored".to_owned(),
            |first_ms| format!("minutes are stored from {} UTC on", date_and_time(first_ms)),
        );
        told.push(first);
    }
    Ok(Found {
        results: tests.into_iter().map(Backtest::finish).collect(),
        completeness: Completeness {
            there,
            missing: minutes.saturating_sub(there),
            covered_ms: asked_ms,
            asked_ms,
            ..Completeness::default()
        },
        whence: format!(
            "{} of namespace {}",
            elasticsearch.urls.first().map_or("", url::Url::as_str),
            config.telemetry.namespace
        ),
        unit: "minutes",
        told,
    })
}
