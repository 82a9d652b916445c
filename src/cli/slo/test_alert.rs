//! `lbproxy slo test-alert`: whether a channel takes an alert, before one matters.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::base::clock::wall_ms;
use crate::base::nearest::nearest;
use crate::base::units;
use crate::base::visible::visible;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{self, UsageError};
use crate::config::{self, Channel, Config};
use crate::names;
use crate::notify;
use crate::query::Filter;
use crate::slo::{
    AlertStatus, Indicator, NoData, Notice, Objective, Period, Severity, Silence, TargetShare, Top,
    Trigger,
};

/// Arguments of `lbproxy slo test-alert`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Configuration, `-` for standard input; default /etc/lbproxy/proxy.yaml, then ./proxy.yaml.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Name of the channel in `slo.notify.channels`.
    #[arg(long, value_name = "NAME")]
    to: String,
    /// As a ticket instead of a page.
    #[arg(long)]
    ticket: bool,
    /// How long it fires, up to 3m; Ctrl-C ends it before.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = hold)]
    hold: Duration,
}

/// Longest time that it fires: Alertmanager, which is told once, takes it for over after four minutes.
const HOLD_MAX: Duration = Duration::from_mins(3);

fn hold(text: &str) -> Result<Duration, String> {
    units::parse_duration(text)
        .filter(|hold| *hold <= HOLD_MAX)
        .ok_or_else(|| "write a number and a unit, from 0s to 3m".into())
}

const EXAMPLES: &str = "\
Examples:
  lbproxy slo test-alert --to oncall                 somebody's phone rings, and is told that it is over
  lbproxy slo test-alert -c proxy.yaml --to chat --ticket --hold 0s
Fires, and is over after a minute, so that PagerDuty has called and Alertmanager has told its receivers by then.
Past routes, hours and outbox. Says what the channel answered. Exit code 0: it took both. 1: it did not take one
of them. 2: there is no such channel, or the configuration has mistakes.";

/// Tells the channel twice.
///
/// # Errors
/// No such channel; no runtime.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = match config::find(args.config.clone()).and_then(|path| config::load(&path)) {
        Ok(config) => config,
        Err(report) => return Ok(crate::cli::check::refuse(&report)),
    };
    names::configure(&config.resolver);
    let channel = find(&config, &args.to)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start a runtime; raise the limit of threads")?;
    // From here on Ctrl-C leaves nobody with an alert that never ends.
    let interrupt = Interrupt::install().context("cannot wait for signals")?;
    let severity = if args.ticket { Severity::Ticket } else { Severity::Page };
    let mut notice = notice(&config.telemetry.instance, severity, wall_ms());
    let mut tell = |status, what| {
        notice.status = status;
        let kind = channel.target.kind().as_str();
        let answer = runtime.block_on(notify::tell(channel, &notice));
        let told = match &answer {
            Ok(words) => format!("taken: {words}"),
            Err(reason) => format!("NOT taken: {reason}"),
        };
        let told = visible(told.as_bytes());
        output::line(&format!("{} ({kind}): {what:<5} {told}", channel.name))?;
        anyhow::Ok(answer.is_ok())
    };
    let fires = tell(AlertStatus::Firing, "fires")?;
    if fires && !args.hold.is_zero() {
        interrupt.wait_for(args.hold);
    }
    // Though it was not taken: an answer may have been lost.
    let over = tell(AlertStatus::Resolved { at_ms: wall_ms() }, "over")?;
    // A mail that never ends is not waited for.
    runtime.shutdown_background();
    Ok(if fires && over { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The channel of that name.
fn find<'c>(config: &'c Config, name: &str) -> Result<&'c Channel, UsageError> {
    let channels = &config.slo.notify.channels;
    channels.iter().find(|channel| channel.name == name).ok_or_else(|| {
        let names: Vec<_> = channels.iter().map(|channel| channel.name.as_str()).collect();
        let cure = match nearest(name, names.iter().copied()) {
            Some(known) => format!("did you mean {known}?"),
            None if names.is_empty() => "slo.notify.channels has none; write one".to_owned(),
            None => format!("write one of: {}", names.join(", ")),
        };
        UsageError(format!("--to: there is no channel {name:?}; {cure}"))
    })
}

/// An alert that is none. Its key has the moment in it, so that no test ends another's.
fn notice(instance: &str, severity: Severity, now_ms: u64) -> Notice {
    let objective = Objective {
        name: "test-alert".to_owned(),
        title: "Test alert".to_owned(),
        description: "Nothing is wrong. Somebody tries whether alerts arrive.".to_owned(),
        service: "lbproxy".to_owned(),
        owner: None,
        runbook: None,
        dashboard: None,
        indicator: Indicator { valid: Filter::default(), good: Filter::default(), bound: None },
        target: TargetShare::SERVED,
        period: Period::Week { offset_minutes: 0 },
        group_by: Vec::new(),
        windows: Vec::new(),
        min_total: 0,
        min_bad: 0,
        no_data: NoData { after: None, firing: Silence::Keep },
        notify: Vec::new(),
        maintenance: Vec::new(),
    };
    Notice {
        key: format!("lbproxy/{now_ms:032x}"),
        status: AlertStatus::Firing,
        severity,
        objective: Arc::new(objective),
        group: Vec::new(),
        trigger: Trigger::Test,
        since_ms: now_ms,
        budget_left: 1.0,
        exhausted_ms: None,
        top: Top::default(),
        source: instance.to_owned(),
    }
}
