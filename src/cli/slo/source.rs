//! What a back-test is made of: the records of a journal, or minutes that were stored; and how complete they are.
//!
//! Every record is read once, for however many back-tests. Not here: what they make of it (`slo`), how a server is
//! asked (`elk`).

mod journal;
mod stored;

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::clock::wall_ms;
use crate::cli::log::source::Place;
use crate::cli::output::UsageError;
use crate::config::Config;
use crate::slo::{
    Backtest, BacktestSettings, Backtested, EvaluatorSettings, GROUPS_MAX, Objective,
};

/// Where records come from.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Source {
    /// The journal's directory; default that of the configuration.
    #[arg(long, value_name = "DIR", conflicts_with = "elasticsearch")]
    journal: Option<PathBuf>,
    /// Ask the server of the configuration for the minutes of objectives that `lbproxy run` has stored there, of all
    /// instances; or another server, with the credentials that stand in the configuration.
    #[arg(long, value_name = "URL", num_args = 0..=1, value_parser = crate::cli::output::url)]
    #[expect(clippy::option_option, reason = "absent, without a value, with one")]
    elasticsearch: Option<Option<url::Url>>,
}

/// Which time is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) from_ms: Option<u64>,
    pub(super) to_ms: Option<u64>,
}

/// What was found by each set of objectives, and in what.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) results: Vec<Backtested>,
    pub(super) completeness: Completeness,
    /// What was read, for people.
    pub(super) whence: String,
    /// What there are so many of: `records` or `minutes`.
    pub(super) unit: &'static str,
    /// What has to be known of it: one sentence each.
    pub(super) told: Vec<String>,
}

/// How much of what happened is in it.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Completeness {
    /// Records, or minutes, of the time.
    pub(super) there: u64,
    /// Numbers between the first record and the last that no record has; minutes that are not stored.
    pub(super) missing: u64,
    /// Of these, records that were dropped and told of.
    pub(super) dropped: u64,
    /// Milliseconds of the time of which there is something.
    pub(super) covered_ms: u64,
    /// Milliseconds of the time.
    pub(super) asked_ms: u64,
    /// Milliseconds of it in which no process ran.
    pub(super) down_ms: u64,
}

impl Completeness {
    /// Share of the time of which there is something.
    #[expect(clippy::cast_precision_loss, reason = "a share with one decimal")]
    pub(super) fn covered(&self) -> f64 {
        if self.asked_ms == 0 {
            0.0
        } else {
            (self.covered_ms as f64 / self.asked_ms as f64).min(1.0)
        }
    }

    /// Share of all that happened, as far as is known.
    #[expect(clippy::cast_precision_loss, reason = "a share with one decimal")]
    pub(super) fn share(&self) -> f64 {
        let all = self.there + self.missing;
        if all == 0 { 0.0 } else { self.covered() * self.there as f64 / all as f64 }
    }
}

impl Source {
    /// Whether a configuration has to be known.
    pub(super) const fn needs_config(&self) -> bool {
        self.elasticsearch.is_some()
    }

    /// Back-tests each set of objectives; `file` is where the configuration was asked for.
    pub(super) fn test(
        &self,
        sets: &[Vec<Arc<Objective>>],
        asked: Asked,
        file: Option<PathBuf>,
        config: Option<&Config>,
    ) -> anyhow::Result<Found> {
        let now_ms = wall_ms();
        let settings = BacktestSettings {
            evaluator: EvaluatorSettings {
                groups_max: GROUPS_MAX,
                heartbeat_every: config.and_then(|config| config.telemetry.heartbeat_every),
                source: "back-test".to_owned(),
            },
            from_ms: asked.from_ms,
            to_ms: asked.to_ms,
            now_ms,
        };
        let start = |objectives: &Vec<_>| Backtest::new(objectives, settings.clone());
        let tests: Vec<_> = sets.iter().map(start).collect();
        match (&self.elasticsearch, config) {
            (None, _) => {
                let dir = Place::new(self.journal.clone(), file).directory()?;
                journal::read(&dir, tests, asked)
            }
            (Some(url), Some(config)) => stored::read(
                config,
                url.as_ref(),
                sets,
                tests,
                (asked.from_ms, asked.to_ms.unwrap_or(now_ms)),
            ),
            (Some(_), None) => {
                let problem = "--elasticsearch needs the configuration that has its credentials; name it with --config FILE";
                Err(UsageError(problem.to_owned()).into())
            }
        }
    }
}
