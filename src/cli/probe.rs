//! `lbproxy probe`: one request through a running proxy, and its document found on the server: whether all of
//! it works together, from outside.
//!
//! The request begins a trace of its own (`traceparent`), by whose id its document is known. Not here: whether
//! every record is there (`log audit`).

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use reqwest::{StatusCode, Url, header};
use serde_json::Value;

use super::log::server;
use super::output::{self, UsageError};
use super::patience;
use super::signals::unless_ended;
use super::upstream::duration;
use crate::base::visible::visible;
use crate::config::address::{self, Unfit};
use crate::config::{self, certificates};
use crate::elk::client::Client;
use crate::elk::problem::{Fault, Problem};
use crate::elk::search;
use crate::record::Dataset;
use crate::web;

/// Longest wait for the answer of the proxy.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Shortest and longest pause between two looks at the server.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// Arguments of `lbproxy probe`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A listener of the proxy, with the path to ask for.
    #[arg(long, value_name = "URL", value_parser = output::url)]
    through: Url,
    /// Host to ask for, instead of that of the URL.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Authorities that the listener's certificate may be from, PEM; default the usual ones.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<std::path::PathBuf>,
    /// The proxy's configuration; default /etc/lbproxy/proxy.yaml, then ./proxy.yaml.
    #[arg(long, short, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    /// Server to ask instead of telemetry.elasticsearch.urls, with the credentials that stand there; may
    /// be given several times.
    #[arg(long, value_name = "URL", value_parser = output::url)]
    elasticsearch: Vec<Url>,
    /// Longest wait for the document, after the answer.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    within: Duration,
}

const EXAMPLES: &str = "\
Examples:
  lbproxy probe --through http://127.0.0.1:8080/
  lbproxy probe --through http://lbproxy/cart --host shop.example.com --within 2m
  lbproxy probe --through https://10.0.0.5/ --host shop.example.com --ca-file ca.pem
Sends one GET and waits until the server of telemetry.elasticsearch, if there is one, has its document. Its
credentials have to be allowed to read: those of `lbproxy setup` are, unless made with --write-only.
Exit code 0: answered below 500, and the document is there. 1: one of them is not so, and the line says which.
2: usage or configuration.";

/// Sends a request, and looks for its document.
///
/// # Errors
/// No answer; one of 500 or more; no document in time.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let usage = |report: config::Report| UsageError(report.to_string());
    let file = config::find(args.config.clone()).map_err(usage)?;
    let config = config::load(&file).map_err(usage)?;
    let told =
        |unfit: Unfit| UsageError(format!("--through {}; {}", unfit.problem(), unfit.cure()));
    address::check(&args.through).map_err(told)?;
    let is_shipped = config.telemetry.elasticsearch.is_some() || !args.elasticsearch.is_empty();
    let client = is_shipped.then(|| server::elasticsearch(&config, &args.elasticsearch));
    let client = client.transpose()?.map(|server| Client::new(&server)).transpose()?;
    let http = http(args)?;
    let stream = Dataset::Access.data_stream(&config.telemetry.namespace);
    server::run(unless_ended(probe(args, &http, client.as_ref(), &stream)))
}

/// A client for the listener.
fn http(args: &Args) -> anyhow::Result<reqwest::Client> {
    let mut builder = web::client().timeout(ANSWER_WITHIN);
    if let Some(path) = &args.ca_file {
        let roots = certificates::roots(path).map_err(|unusable| {
            let (file, problem) = (unusable.file.display(), &unusable.problem);
            UsageError(format!("--ca-file {file} {problem}; {}", unusable.cure))
        })?;
        builder = web::trusting(builder, &roots.certificates).context("--ca-file")?;
    }
    builder.build().context("cannot make an HTTP client")
}

async fn probe(
    args: &Args,
    http: &reqwest::Client,
    client: Option<&Client>,
    stream: &str,
) -> anyhow::Result<ExitCode> {
    let trace = format!("{:032x}", fastrand::u128(1..));
    let begin = Instant::now();
    let status = ask(args, http, &trace).await?;
    let through = &args.through;
    let took = begin.elapsed().as_millis();
    output::line(&format!("answer    {} from {through} in {took} ms", status.as_u16()))?;
    let begin = Instant::now();
    let document = if let Some(client) = client {
        let found = find(client, stream, &trace, args.within).await?;
        let text = |key: &str| visible(found[key].as_str().unwrap_or("?").as_bytes()).to_string();
        let took = begin.elapsed().as_millis();
        format!("{} in {}, after {took} ms", text("_id"), text("_index"))
    } else {
        "not looked for: telemetry.elasticsearch is not set".to_owned()
    };
    output::line(&format!("document  {document}"))?;
    if status.is_server_error() {
        return Err(anyhow!(
            "{through}: the answer is {}; `lbproxy log query 'trace = {trace}'` beside the proxy says why",
            status.as_u16()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends the request; the status of its answer.
async fn ask(args: &Args, http: &reqwest::Client, trace: &str) -> anyhow::Result<StatusCode> {
    let through = &args.through;
    let traceparent = format!("00-{trace}-{:016x}-00", fastrand::u64(1..));
    let mut request = http.get(through.clone()).header("traceparent", traceparent);
    if let Some(host) = &args.host {
        request = request.header(header::HOST, host);
    }
    let answer = request.send().await.map_err(|error| {
        let why = if error.is_timeout() {
            format!("no answer within {} s", ANSWER_WITHIN.as_secs())
        } else {
            web::chain(&error.without_url())
        };
        let why = visible(why.as_bytes());
        anyhow!("{through}: {why}; start the proxy, or name the address of one of its listeners")
    })?;
    Ok(answer.status())
}

/// Waits for the document of a trace.
async fn find(
    client: &Client,
    stream: &str,
    trace: &str,
    within: Duration,
) -> anyhow::Result<Value> {
    let look = async || {
        let found = search::first(client, stream, "trace.id", trace).await?;
        found.ok_or_else(|| {
            Problem::new(Fault::Unknown, format!("{stream} has no document of trace {trace}"))
        })
    };
    let found = patience::ask(within, PAUSES, |_, _| (), look).await;
    found.map_err(|problem| anyhow!("{}: {}", client.url(), shown(&problem)))
}

/// A problem for people.
fn shown(problem: &Problem) -> String {
    let cure = match (problem.cure, problem.fault) {
        ("", Fault::Unauthorized) => "correct the credentials of telemetry.elasticsearch",
        ("", Fault::Forbidden) => "these credentials may not read; those of `lbproxy setup` may",
        ("", _) => "the proxy's log, and `lbproxy log audit` beside it, say where its record is",
        (cure, _) => cure,
    };
    format!("{}; {cure}", visible(problem.reason.as_bytes()))
}
