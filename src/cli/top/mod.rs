//! `lbproxy top`: a running proxy at a glance, in a terminal.
//!
//! ```text
//! fetch  ── figures, problems ──┐
//! keys   ── keys, sizes ────────┼──► state ──► picture ──► screen
//! signals ─ stop, go on, end ────┘
//! ```
//! Four threads wait, one draws; nothing is polled. The channel between them is bounded: a terminal
//! that takes nothing holds the others up. Not here: figures themselves, they are the admin API's.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use ratatui::crossterm::event::{self, Event, KeyEvent};
use reqwest::Url;

use super::interrupt::Interrupt;
use super::{output, upstream};
use crate::base::clock::wall_ms;
use crate::base::visible;
use fetch::{Client, Problem};
use figures::Figures;
use paint::Palette;
use picture::Form;
use screen::Screen;
use state::{After, State};

mod fetch;
mod figures;
mod paint;
mod picture;
mod rows;
mod screen;
mod state;
mod suspend;
mod words;

/// Width of a picture that is no terminal's: every column fits.
const PLAIN_COLUMNS: u16 = 160;
/// News that wait to be drawn.
const NEWS_MAX: usize = 16;
/// A picture without news is drawn again after this long: spans grow.
const REDRAW: Duration = Duration::from_secs(1);
/// Longest wait before a proxy that does not answer is asked again.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Arguments of `lbproxy top`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where the proxy's admin listener is.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9901", value_parser = fetch::admin_url)]
    admin: Url,
    /// A file with the token that it asks for (admin.token_file).
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How often to ask; at least 200ms.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// Print one picture as text; what happens anyway when standard output is no terminal.
    #[arg(long)]
    once: bool,
    /// Print the figures themselves, once, as one JSON document.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy top                                        the proxy of this machine; ? shows the keys
  lbproxy top --admin http://10.0.0.5:9901 --token-file token
  lbproxy top --once                                 one picture as text
  lbproxy top --json | jq '.services.rows[] | {service, endpoint, requests}'
Figures are those of the live page: rates over the last 5 seconds, everything else over the last 5
minutes. Times are UTC.";

/// For clap: how often.
fn interval(text: &str) -> Result<Duration, String> {
    let interval = upstream::duration(text)?;
    let is_long = interval >= Duration::from_millis(200);
    is_long
        .then_some(interval)
        .ok_or_else(|| "write 200ms or more; figures change once a second".into())
}

/// What the picture is made of next.
enum News {
    Figures(Box<Figures>),
    /// It has not, and is asked again after this long.
    Problem(Problem, Duration),
    Key(KeyEvent),
    /// The terminal has another size.
    Size,
    /// Ctrl-Z, or its signal.
    Stop,
    /// The process goes on: who has stopped it may have left the terminal otherwise.
    GoOn,
    /// A signal, or no more news of a kind that is needed.
    End,
}

/// Shows the figures until told to end.
///
/// # Errors
/// A wrong token file; with `--once` and `--json` a proxy that does not answer; a closed output.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(args.admin.clone(), args.token_file.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if args.json || args.once || !Screen::is_there() {
        let (raw, figures) = runtime.block_on(client.fetch())?;
        if args.json {
            output::line(&visible::json(&serde_json::to_string(&raw)?))?;
        } else {
            let mut state = State::new(client.place().to_owned(), Palette { has_colours: false });
            state.answered(figures);
            let width = rustix::termios::tcgetwinsize(std::io::stdout());
            let width = width.map_or(PLAIN_COLUMNS, |size| size.ws_col.max(40));
            output::line(&picture::plain(&mut state, wall_ms(), width).join("\n"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let place = client.place().to_owned();
    let interrupt = Interrupt::install().context("cannot watch for Ctrl-C")?;
    let (tell, news) = mpsc::sync_channel(NEWS_MAX);
    let mut state = State::new(place, Palette { has_colours: output::has_colours() });
    let mut screen = Some(open()?);
    let every = args.interval;
    let signals = suspend::watch().context("cannot watch for Ctrl-Z")?;
    thread("figures", &tell, move |tell| runtime.block_on(watch(&client, every, tell)))?;
    thread("keys", &tell, read_keys)?;
    thread("interrupt", &tell, move |_| interrupt.wait())?;
    thread("stop", &tell, signals)?;
    drop(tell);
    loop {
        if let Some(screen) = &mut screen {
            screen.draw(|buffer| picture::draw(&mut state, wall_ms(), Form::Screen, buffer))?;
        }
        let mut after = match news.recv_timeout(REDRAW) {
            Ok(one) => take(&mut state, one),
            Err(RecvTimeoutError::Timeout) => After::Draw,
            Err(RecvTimeoutError::Disconnected) => After::Quit,
        };
        // What has come meanwhile needs one picture only.
        while after == After::Draw
            && let Ok(one) = news.try_recv()
        {
            after = take(&mut state, one);
        }
        match after {
            After::Draw => {}
            After::AskToStop => suspend::ask().context("cannot stop")?,
            After::Stop => {
                drop(screen.take());
                suspend::stop().context("cannot stop")?;
            }
            After::GoOn => {
                // First as it was, so that it is that again in the end.
                drop(screen.take());
                screen = Some(open()?);
            }
            After::Quit => return Ok(ExitCode::SUCCESS),
        }
    }
}

fn open() -> anyhow::Result<Screen> {
    Screen::open().context("cannot draw on this terminal; use --once")
}

/// Adds news to the state.
fn take(state: &mut State, news: News) -> After {
    match news {
        News::Figures(figures) => state.answered(*figures),
        News::Problem(problem, wait) => {
            let (now, wait) = (wall_ms(), u64::try_from(wait.as_millis()).unwrap_or(0));
            state.failed(problem, now, now.saturating_add(wait));
        }
        News::Key(key) => return state.key(key),
        News::Size => {}
        News::Stop => return After::Stop,
        News::GoOn => return After::GoOn,
        News::End => return After::Quit,
    }
    After::Draw
}

/// Starts a thread that tells news; its end, by a panic too, is the end of the picture.
fn thread(
    name: &str,
    tell: &SyncSender<News>,
    run: impl FnOnce(&SyncSender<News>) + Send + 'static,
) -> anyhow::Result<()> {
    /// Tells the end when dropped.
    struct Last(SyncSender<News>);
    impl Drop for Last {
        fn drop(&mut self) {
            let _ = self.0.send(News::End);
        }
    }
    let tell = Last(tell.clone());
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&tell.0));
    thread.map(drop).map_err(|error| anyhow!("no thread for {name}: {error}"))
}

/// Asks again and again, less often while nobody answers.
async fn watch(client: &Client, every: Duration, tell: &SyncSender<News>) {
    let mut wait = every;
    loop {
        let news = match client.fetch().await {
            Ok((_, figures)) => {
                wait = every;
                News::Figures(Box::new(figures))
            }
            Err(problem) => News::Problem(problem, wait),
        };
        let is_problem = matches!(news, News::Problem(..));
        if tell.send(news).is_err() {
            return;
        }
        tokio::time::sleep(wait).await;
        if is_problem {
            wait = (wait * 2).min(RETRY_MAX.max(every));
        }
    }
}

/// Reads keys and sizes until the terminal goes away.
fn read_keys(tell: &SyncSender<News>) {
    while let Ok(event) = event::read() {
        let news = match event {
            Event::Key(key) => News::Key(key),
            Event::Resize(..) => News::Size,
            _ => continue,
        };
        if tell.send(news).is_err() {
            return;
        }
    }
}
