//! `lbproxy demo`: upstreams, clients, proxy and journal in one process, shown while they run.
//!
//! ```text
//! Clients ─► Process (as `lbproxy run` starts it) ─► Story: mock upstreams
//!                │ journal
//!                └─► Reader ─► Tally ─► view on a Screen, or a line a second; summary at the end
//! ```
//! The figures come from the journal, as any other reader of it would see them. Whatever ends the demo
//! (time, Ctrl-C, SIGTERM, a closed terminal, a drain asked for, a reader of its output that left),
//! it ends in order, and its folder goes away unless it was named.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior};

use super::process::Process;
use super::signals::{Hangup, Signals};
use super::upstream::duration;
use super::{kept_log, output};
use crate::admin;
use crate::config::address::{self, Unfit};
use crate::mock::story::Story;
use crate::record::Stream;
use crate::slo;
use clients::Clients;
use follow::Follower;
use line::Line;
use pulse::Pulse;
use screen::Screen;
use setup::Folder;
use summary::Run;
use view::{Facts, Picture};

mod clients;
mod follow;
mod line;
mod pulse;
mod screen;
mod setup;
mod summary;
mod tally;
mod view;

/// Last part of the streams' names, so that a demo never mixes with anything else.
const NAMESPACE: &str = "demo";
/// How long exchanges may go on at the end.
const DRAIN: Duration = Duration::from_secs(5);
/// Lines between the titles where there is no terminal.
const TITLES_EVERY: u64 = 20;
/// Between two pictures.
const TICK: Duration = Duration::from_secs(1);

/// Arguments of `lbproxy demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// End after this long; without it, Ctrl-C does.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    duration: Option<Duration>,
    /// Requests a second from all clients together.
    #[arg(long, default_value_t = 200, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rate: u32,
    /// Port of the proxy on 127.0.0.1, 0 for any free one; without it 8080, or any free one when that
    /// is in use.
    #[arg(long)]
    port: Option<u16>,
    /// Port of the live page, /healthz, /readyz and /metrics on 127.0.0.1; without it 9901, or any free one.
    #[arg(long)]
    admin_port: Option<u16>,
    /// Keep the journal in this folder; without it, a temporary one goes away at the end.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    /// Also ship to Elasticsearch or OpenSearch, into streams that end in -demo.
    #[arg(long, value_name = "URL", value_parser = url)]
    elasticsearch: Option<url::Url>,
}

/// Shown below `lbproxy demo --help`.
const EXAMPLES: &str = "\
Examples:
  lbproxy demo
  lbproxy demo --duration 30s --rate 1000
  lbproxy demo --elasticsearch http://127.0.0.1:9200
  lbproxy demo --journal data/demo          then: lbproxy log tail --journal data/demo
Nothing else needs to be installed; everything runs in this process, on 127.0.0.1.";

/// For clap: where to ship to.
fn url(text: &str) -> Result<url::Url, String> {
    let url = output::url(text)?;
    address::check(&url).map_err(|unfit| match unfit {
        Unfit::Credentials => {
            "leave user and password out; `lbproxy run` takes them from files".to_owned()
        }
        unfit => format!("it {}; {}", unfit.problem(), unfit.cure()),
    })?;
    Ok(url)
}

/// Runs the demo to its end.
///
/// # Errors
/// When something cannot be started, or the output is closed; nothing is left behind then.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the demo")?;
    let result = runtime.block_on(demo(args));
    // After a second Ctrl-C there may be something left that nobody waits for.
    runtime.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}

/// From the start to the summary.
async fn demo(args: &Args) -> anyhow::Result<()> {
    let mut signals = Signals::install(Hangup::Ends).context("cannot watch for Ctrl-C")?;
    let folder = Folder::open(args.journal.clone())?;
    let story = Story::start().context("cannot start the upstreams of the demo")?;
    let config = setup::configure(args, &story, folder.path())?;
    let process =
        Process::start(&config, slo::file::defaults(), None).await.map_err(setup::in_flags)?;
    let (places, about) = setup::places(&story);
    let facts = Facts {
        program: std::env::args().next().unwrap_or_else(|| "lbproxy".to_owned()),
        proxy: *process.addresses().first().context("the proxy has no address")?,
        admin: process.admin_address(),
        journal: folder.path().to_owned(),
        is_kept: args.journal.is_some(),
        elasticsearch: args
            .elasticsearch
            .as_ref()
            .map(|url| url.as_str().trim_end_matches('/').to_owned()),
        stream: Stream::Access.data_stream(NAMESPACE),
        rate: args.rate,
        duration: args.duration,
        about,
    };
    let length = args.duration.unwrap_or(Duration::MAX);
    let start = Instant::now();
    let follower = Follower::open(folder.path(), places, start)?;
    let clients =
        Clients::start(facts.proxy, args.rate, length).context("cannot start the clients")?;
    let mut demo = Demo { facts, follower, story, process, start };
    // An output that fails ends the demo as Ctrl-C does: in order.
    let watched = demo.watch(&mut signals, length).await;
    let summary = tokio::select! {
        biased;
        summary = demo.end(clients) => summary?,
        () = signals.end() => anyhow::bail!("ended at once, without a summary"),
    };
    folder.remove();
    watched?;
    for line in summary {
        output::line(&line.render(usize::MAX, output::has_colours()))?;
    }
    Ok(())
}

struct Demo {
    /// What does not change.
    facts: Facts,
    follower: Follower,
    /// The upstreams.
    story: Story,
    process: Process,
    start: Instant,
}

impl Demo {
    /// Shows what happens until something ends it.
    async fn watch(&mut self, signals: &mut Signals, length: Duration) -> io::Result<()> {
        let mut output = Output::open(&self.picture())?;
        let mut resized = signal(SignalKind::window_change())?;
        let mut tick = tokio::time::interval_at(self.start + TICK, TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = async {
            match self.start.checked_add(length) {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        let mut end = std::pin::pin!(end);
        loop {
            tokio::select! {
                biased;
                () = signals.end() => return Ok(()),
                () = self.process.drain_asked() => return Ok(()),
                () = &mut end => return Ok(()),
                _ = tick.tick() => {
                    self.story.play(self.start.elapsed());
                    self.follower.close_second(Instant::now());
                    output.show(&self.picture())?;
                }
                _ = resized.recv() => output.resized(&self.picture())?,
            }
        }
    }

    fn picture(&self) -> Picture<'_> {
        let sources = self.process.sources();
        let shipping = sources.ship.as_ref();
        Picture {
            facts: &self.facts,
            tally: &self.follower.tally,
            missed: self.follower.missed(),
            elapsed: self.start.elapsed(),
            endpoints: sources.proxy.endpoints(),
            verdicts: admin::verdict(sources),
            pulse: Pulse::of(&sources.vitals),
            journal: sources.journal.metrics(),
            shipping: shipping.map(|ship| (&*ship.metrics, sources.journal.pending(ship.reader))),
            log: kept_log::newest(),
        }
    }

    /// Ends everything in order: clients, proxy, upstreams. Gives the summary.
    async fn end(self, clients: Clients) -> anyhow::Result<Vec<Line>> {
        let Self { facts, mut follower, story, process, start } = self;
        let seen = tokio::task::spawn_blocking(|| clients.stop()).await??;
        let stopped = Instant::now();
        let ledger = process.drain(DRAIN).await?;
        drop(story);
        follower.close_second(stopped);
        let run = Run {
            facts: &facts,
            tally: &follower.tally,
            missed: follower.missed(),
            seen: &seen,
            ledger,
            elapsed: stopped - start,
        };
        Ok(run.lines())
    }
}

/// Where the demo is shown.
enum Output {
    /// A terminal that is drawn on.
    Screen(Screen),
    /// Anything else gets a line a second; how many so far.
    Lines(u64),
}

impl Output {
    /// Standard output, with the first picture or the head of the lines.
    fn open(picture: &Picture<'_>) -> io::Result<Self> {
        if let Some(mut screen) = Screen::open()? {
            screen.draw(|columns| picture.lines(columns))?;
            return Ok(Self::Screen(screen));
        }
        picture.facts.head(None).iter().try_for_each(|line| output::line(&line.plain()))?;
        Ok(Self::Lines(0))
    }

    fn show(&mut self, picture: &Picture<'_>) -> io::Result<()> {
        match self {
            Self::Screen(screen) => screen.draw(|columns| picture.lines(columns)),
            Self::Lines(count) => {
                let (titles, values) = picture.plain();
                if count.is_multiple_of(TITLES_EVERY) {
                    output::line(&titles)?;
                }
                *count += 1;
                output::line(&values)
            }
        }
    }

    /// Shows it again in the new size, where that matters.
    fn resized(&mut self, picture: &Picture<'_>) -> io::Result<()> {
        match self {
            Self::Screen(screen) => screen.draw(|columns| picture.lines(columns)),
            Self::Lines(_) => Ok(()),
        }
    }
}
