//! `lbproxy health`: whether an address answers, for `HEALTHCHECK` of an image and exec probes: there is
//! neither a shell nor curl beside this program.
//!
//! No configuration is read, so that a mistake in a file that changes under a running proxy makes nobody restart
//! it. Not here: what readiness means (`admin`).

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use reqwest::{Response, Url};

use super::log::server;
use super::output::{self, UsageError};
use super::upstream::duration;
use crate::base::visible::visible;
use crate::config::address::{self, Unfit};
use crate::web;

/// Longest text of a refusal that is told.
const REFUSAL_CHARS_MAX: usize = 200;

/// Arguments of `lbproxy health`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// What is asked for; by default whether a proxy of this machine takes connections.
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:9901/readyz", value_parser = output::url)]
    url: Url,
    /// Longest wait for the answer.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    within: Duration,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy health                                   does the proxy take connections? (not while it drains)
  lbproxy health http://127.0.0.1:9901/healthz     is the process alive?
  lbproxy health http://127.0.0.1:9902/readyz      a watcher: lbproxy slo watch --listen 127.0.0.1:9902
  lbproxy health http://127.0.0.1:9090/            a mock: lbproxy upstream
Exit code 0: it answers 2xx. 1: it does not, and the line says why. 2: usage.";

/// Asks once.
///
/// # Errors
/// Anything but an answer of 2xx.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let url = &args.url;
    let unfit = |unfit: Unfit| UsageError(format!("the URL {}; {}", unfit.problem(), unfit.cure()));
    address::check(url).map_err(unfit)?;
    let said = server::run(ask(url, args.within))?;
    output::line(&said)?;
    Ok(ExitCode::SUCCESS)
}

/// What is said at `url`, in short.
async fn ask(url: &Url, within: Duration) -> anyhow::Result<String> {
    let http = web::client().timeout(within).build().context("cannot make an HTTP client")?;
    let answer = http.get(url.clone()).send().await.map_err(|error| {
        let why = if error.is_timeout() {
            format!("no answer within {} ms", within.as_millis())
        } else {
            web::chain(&error.without_url())
        };
        let why = visible(why.as_bytes());
        anyhow!("{url}: {why}; start what is to answer there, or name its address (admin.listen)")
    })?;
    if let Some(redirect) = web::redirect(&answer) {
        return Err(anyhow!("{url}: {redirect}; name the address that answers itself"));
    }
    let status = answer.status();
    let said = words(answer).await;
    if status.is_success() { Ok(said) } else { Err(anyhow!("{url}: {}: {said}", status.as_u16())) }
}

/// The first words of an answer, on one line. One that breaks off has said enough.
async fn words(mut answer: Response) -> String {
    let mut body = Vec::new();
    while body.len() < REFUSAL_CHARS_MAX
        && let Ok(Some(part)) = answer.chunk().await
    {
        body.extend_from_slice(&part);
    }
    let text = String::from_utf8_lossy(&body);
    let line = text.lines().next().unwrap_or_default();
    let line: String = line.chars().take(REFUSAL_CHARS_MAX).collect();
    visible(line.as_bytes()).to_string()
}
