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
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior};

use super::output::{self, UsageError};
use super::process::Process;
use super::upstream::duration;
use crate::config::{self, Config};
use crate::mock::story::Story;
use crate::record::Stream;
use clients::Clients;
use follow::Follower;
use line::Line;
use screen::Screen;
use summary::Run;
use tally::Place;
use view::{Facts, Picture};

mod clients;
mod follow;
mod line;
mod number;
mod screen;
mod summary;
mod tally;
mod view;

/// Port of the proxy, if it is free.
const PORT: u16 = 8080;
/// Port of the admin listener, if it is free.
const ADMIN_PORT: u16 = 9901;
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
    /// Port of /healthz, /readyz and /metrics on 127.0.0.1; without it 9901, or any free one.
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
    let url = url::Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or("write a URL such as http://127.0.0.1:9200")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("leave user and password out; `lbproxy run` takes them from files".to_owned());
    }
    Ok(url)
}

/// Runs the demo to its end.
///
/// # Errors
/// When something cannot be started, or the output is closed; nothing is left behind then.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the demo")?;
    let result = runtime.block_on(demo(&args));
    // After a second Ctrl-C there may be something left that nobody waits for.
    runtime.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}

/// From the start to the summary.
///
/// # Errors
/// When something cannot be started, or the output is closed.
async fn demo(args: &Args) -> anyhow::Result<()> {
    let mut ends = Ends::install().context("cannot watch for Ctrl-C")?;
    let folder = Folder::open(args.journal.clone())?;
    let ports = (
        free_port("--port", args.port, PORT)?,
        free_port("--admin-port", args.admin_port, ADMIN_PORT)?,
    );
    let story = Story::start().context("cannot start the upstreams of the demo")?;
    let config = configure(args, &story, folder.path(), ports)?;
    let process = Process::start(&config).await?;
    let (places, about) = places(&story);
    let facts = Facts {
        program: std::env::args().next().unwrap_or_else(|| "lbproxy".to_owned()),
        proxy: *process.addresses().first().context("the proxy has no address")?,
        admin: process.admin_address(),
        journal: folder.path().to_owned(),
        is_kept: args.journal.is_some(),
        elasticsearch: args.elasticsearch.as_ref().map(ToString::to_string),
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
    let watched = demo.watch(&mut ends, length).await;
    let summary = tokio::select! {
        biased;
        summary = demo.end(clients) => summary?,
        () = ends.next() => anyhow::bail!("ended at once, without a summary"),
    };
    folder.remove();
    watched?;
    for line in summary {
        output::line(&line.render(usize::MAX, output::has_colours()))?;
    }
    Ok(())
}

/// A running demo.
struct Demo {
    /// What does not change.
    facts: Facts,
    /// Figures.
    follower: Follower,
    /// The upstreams.
    story: Story,
    /// The proxy.
    process: Process,
    /// When the clients began.
    start: Instant,
}

impl Demo {
    /// Shows what happens until something ends it.
    ///
    /// # Errors
    /// When the output is closed.
    async fn watch(&mut self, ends: &mut Ends, length: Duration) -> io::Result<()> {
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
                () = ends.next() => return Ok(()),
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

    /// Where things stand.
    fn picture(&self) -> Picture<'_> {
        Picture {
            facts: &self.facts,
            tally: &self.follower.tally,
            missed: self.follower.missed(),
            elapsed: self.start.elapsed(),
            sources: self.process.sources(),
            log: output::kept_log(),
        }
    }

    /// Ends everything in order: clients, proxy, upstreams. Gives the summary.
    ///
    /// # Errors
    /// When a thread of the end cannot be had, or one ended with a panic.
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
    ///
    /// # Errors
    /// When it is closed.
    fn open(picture: &Picture<'_>) -> io::Result<Self> {
        if let Some(mut screen) = Screen::open()? {
            screen.draw(picture.lines())?;
            return Ok(Self::Screen(screen));
        }
        picture.facts.head(None).iter().try_for_each(|line| output::line(&line.plain()))?;
        Ok(Self::Lines(0))
    }

    /// Shows where things stand.
    ///
    /// # Errors
    /// When it is closed.
    fn show(&mut self, picture: &Picture<'_>) -> io::Result<()> {
        match self {
            Self::Screen(screen) => screen.draw(picture.lines()),
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
    ///
    /// # Errors
    /// When it is closed.
    fn resized(&mut self, picture: &Picture<'_>) -> io::Result<()> {
        match self {
            Self::Screen(screen) => screen.draw(picture.lines()),
            Self::Lines(_) => Ok(()),
        }
    }
}

/// The signals that end the demo: Ctrl-C, SIGTERM, and a terminal that was closed.
struct Ends([Signal; 3]);

impl Ends {
    /// Watches from now on.
    ///
    /// # Errors
    /// When the system gives no signal watch.
    fn install() -> io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    /// Waits for the next.
    async fn next(&mut self) {
        let Self([interrupt, terminate, hangup]) = self;
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
            _ = hangup.recv() => (),
        }
    }
}

/// Where the journal is.
enum Folder {
    /// In a folder that goes away.
    Temporary(tempfile::TempDir),
    /// Where the user wants it.
    Named(PathBuf),
}

impl Folder {
    /// The named folder, or a new one.
    ///
    /// # Errors
    /// When no folder can be made.
    fn open(named: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(named) = named {
            return Ok(Self::Named(named));
        }
        let made = tempfile::Builder::new().prefix("lbproxy-demo-").tempdir();
        let made = made.with_context(|| {
            let parent = std::env::temp_dir();
            format!("cannot make a folder in {}; name another: --journal DIR", parent.display())
        })?;
        Ok(Self::Temporary(made))
    }

    /// Its path.
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Named(path) => path,
        }
    }

    /// Removes it, unless it was named.
    fn remove(self) {
        let Self::Temporary(folder) = self else { return };
        let path = folder.path().to_owned();
        if let Err(error) = folder.close() {
            tracing::warn!(%error, path = %path.display(), "the demo's folder is left; remove it");
        }
    }
}

/// The port to listen on: the wanted one, or the preferred one if it is free, else any (0).
///
/// # Errors
/// When the wanted one is in use.
fn free_port(option: &str, wanted: Option<u16>, preferred: u16) -> anyhow::Result<u16> {
    let port = wanted.unwrap_or(preferred);
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(port),
        Err(_) if wanted.is_none() => Ok(0),
        Err(error) => Err(anyhow::anyhow!(
            "cannot listen on 127.0.0.1:{port} ({option}): {error}; \
             stop what holds the port, choose another, or leave {option} out"
        )),
    }
}

/// The configuration of the demo, read and checked as a file is.
///
/// # Errors
/// When what the user gave cannot stand in one.
fn configure(
    args: &Args,
    story: &Story,
    journal: &Path,
    (port, admin_port): (u16, u16),
) -> anyhow::Result<Config> {
    let mut text = format!(
        "{}admin: {{listen: \"127.0.0.1:{admin_port}\"}}\n\
         telemetry:\n  instance: demo\n  namespace: {NAMESPACE}\n  journal: {{size: 64MiB}}\n",
        story.proxy_yaml(port)
    );
    if let Some(url) = &args.elasticsearch {
        let quoted = serde_json::to_string(url.as_str())?;
        text.push_str(&format!("  elasticsearch: {{urls: [{quoted}]}}\n"));
    }
    let parsed = config::parse("demo", &text, &|_| None);
    let mut config = parsed.map_err(|report| {
        let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        UsageError(findings.join("\n"))
    })?;
    // Not through the text: a path may hold anything.
    journal.clone_into(&mut config.telemetry.journal.path);
    Ok(config)
}

/// The services with their endpoints, as records name them, and what is to be known of each.
fn places(story: &Story) -> (Vec<Place>, Vec<&'static str>) {
    let mut places: Vec<Place> = Vec::new();
    let mut about = Vec::new();
    for endpoint in &story.endpoints {
        let place = Place { service: endpoint.service.to_owned(), endpoint: None };
        if !places.contains(&place) {
            places.push(place.clone());
            about.push("");
        }
        places.push(Place { endpoint: Some(endpoint.address.to_string()), ..place });
        about.push(endpoint.about);
    }
    (places, about)
}
