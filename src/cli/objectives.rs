//! The evaluation of objectives as a part of the process: where its records and notices go, what is evaluated.
//!
//! Not here: what an objective is, when an alert fires (`slo`).

use std::sync::Arc;

use anyhow::Context as _;

use crate::admin;
use crate::base::clock::wall_ms;
use crate::config::Config;
use crate::consumer;
use crate::control::Control;
use crate::journal::Journal;
use crate::metrics::SloMetrics;
use crate::record::Stream;
use crate::slo::file::Objectives;
use crate::slo::{self, EvaluatorSettings, GROUPS_MAX, Recipient};

/// What the rest of the process gets of it.
pub(super) struct Evaluating {
    /// What figures are held against.
    pub(super) targets: slo::ServiceTargets,
    /// What pages show; `None` when nothing is evaluated.
    pub(super) slo: Option<admin::Slo>,
    pub(super) running: Option<consumer::Running>,
}

/// Starts it, if there are objectives, or alerts of earlier ones that nobody has ended. `read` is what files say.
///
/// # Errors
/// When there is no thread to be had, or the journal takes no reader.
pub(super) fn start(
    config: &Config,
    mut read: Objectives,
    journal: &Journal,
    control: &Arc<Control>,
    recipient: Box<dyn Recipient>,
) -> anyhow::Result<Evaluating> {
    let telemetry = &config.telemetry;
    let unread = slo::keep_unread(&mut read, &telemetry.journal.path, wall_ms());
    let objectives = read.objectives;
    let services = config.proxy.services.iter().map(|service| &*service.name);
    let targets = slo::file::targets(&objectives, services);
    // Without any, those that fire from before have to end.
    if objectives.is_empty() && recipient.open().is_empty() {
        return Ok(Evaluating { targets, slo: None, running: None });
    }
    let metrics = Arc::new(SloMetrics::default());
    metrics.objectives_unread.set(unread as u64);
    let statuses = Arc::new(slo::Statuses::default());
    let control = Arc::clone(control);
    let running = consumer::start(slo::Options {
        reader: journal.reader(slo::READER)?,
        identity: journal.identity(),
        objectives: objectives.clone(),
        settings: EvaluatorSettings {
            groups_max: GROUPS_MAX,
            heartbeat_every: telemetry.heartbeat_every,
            source: telemetry.instance.clone(),
        },
        settle: 2 * telemetry.journal.sync,
        held_bytes_max: telemetry.journal.size_bytes / 16,
        folder: telemetry.journal.path.clone(),
        append: Box::new(move |row| {
            control.append(Stream::Slo, |out| {
                out.get_mut(..row.len())?.copy_from_slice(row);
                Some(row.len())
            })
        }),
        recipient,
        metrics: Arc::clone(&metrics),
        statuses: Arc::clone(&statuses),
    })
    .context("cannot start the evaluation of objectives; raise the limit of threads")?;
    let slo = Some(admin::Slo { objectives, metrics, statuses });
    Ok(Evaluating { targets, slo, running: Some(running) })
}

/// Tells nobody: there is no channel, and the log and pages are all there is.
#[derive(Debug)]
pub(super) struct Nobody;

impl Recipient for Nobody {
    fn accept(&mut self, _: &[slo::Notice]) -> std::io::Result<()> {
        Ok(())
    }

    fn open(&self) -> Vec<slo::OpenAlert> {
        Vec::new()
    }
}
