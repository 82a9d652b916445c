//! Which server is meant and which journal goes with it, for the commands that ask both; and how they
//! show that they are at work.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;

use super::super::output::UsageError;
use super::super::signals::outlive_file_limit;
use crate::config::address::{self, Unfit};
use crate::config::{self, Config, Elasticsearch};
use crate::journal;
use crate::names;

/// Which server is meant.
#[derive(Debug, clap::Args)]
pub(super) struct Server {
    /// The proxy's configuration; default /etc/lbproxy/proxy.yaml, then ./proxy.yaml.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Server to ask instead of telemetry.elasticsearch.urls, with the credentials that stand there; may
    /// be given several times.
    #[arg(long, value_name = "URL", value_parser = crate::cli::output::url)]
    elasticsearch: Vec<url::Url>,
}

#[derive(Debug)]
pub(super) struct Target {
    pub(super) elasticsearch: Elasticsearch,
    /// Last part of the streams' names.
    pub(super) namespace: String,
    pub(super) folder: PathBuf,
}

impl Server {
    pub(super) fn target(&self) -> anyhow::Result<Target> {
        let usage = |report: config::Report| UsageError(report.to_string());
        let file = config::find(self.config.clone()).map_err(usage)?;
        let config = config::load(&file).map_err(usage)?;
        names::configure(&config.resolver);
        let elasticsearch = elasticsearch(&config, &self.elasticsearch)?;
        let telemetry = config.telemetry;
        let folder = telemetry.journal.path;
        if !journal::is_journal(&folder) {
            let problem = format!(
                "no journal at {} (telemetry.journal.path of {}); run this in the folder in which the \
                 proxy runs, or name its file with --config FILE",
                folder.display(),
                file.display()
            );
            return Err(UsageError(problem).into());
        }
        Ok(Target { elasticsearch, namespace: telemetry.namespace, folder })
    }
}

/// The server of a configuration; with `urls` those instead of its own, with its credentials.
pub(in crate::cli) fn elasticsearch(
    config: &Config,
    urls: &[url::Url],
) -> anyhow::Result<Elasticsearch> {
    urls.iter().try_for_each(check_url)?;
    let mut elasticsearch = match &config.telemetry.elasticsearch {
        Some(elasticsearch) => elasticsearch.clone(),
        None if urls.is_empty() => {
            let problem = format!(
                "{} has no telemetry.elasticsearch; write its urls there, or name the server with \
                 --elasticsearch URL",
                config.places.file
            );
            return Err(UsageError(problem).into());
        }
        None => defaults()?,
    };
    if !urls.is_empty() {
        elasticsearch.urls = urls.to_vec();
    }
    Ok(elasticsearch)
}

/// Refuses a URL that leads nowhere, or that would show a password in the list of processes.
fn check_url(url: &url::Url) -> Result<(), UsageError> {
    address::check(url).map_err(|unfit| {
        let cure = match unfit {
            Unfit::Credentials => "write them into telemetry.elasticsearch",
            unfit => unfit.cure(),
        };
        UsageError(format!("--elasticsearch {}; {cure}", unfit.problem()))
    })
}

/// A server without credentials, as the configuration would have it.
///
/// # Errors
/// None: a test reads it.
fn defaults() -> anyhow::Result<Elasticsearch> {
    let text = "proxy: {listen: {address: 127.0.0.1, port: 80}, services: [{name: a, domain: a, \
                hosts: [{address: 127.0.0.1, port: 1}]}]}\n\
                telemetry: {elasticsearch: {urls: [\"http://localhost:9200\"]}}\n";
    let config = config::parse("defaults", text, &|_| None);
    let config = config.map_err(|report| anyhow::anyhow!(report.to_string()))?;
    config.telemetry.elasticsearch.context("no defaults for a server")
}

/// Runs what asks a server.
pub(in crate::cli) fn run<T, E: Into<anyhow::Error>>(
    asking: impl Future<Output = Result<T, E>>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    {
        let _entered = runtime.enter();
        outlive_file_limit().context("cannot watch for signals")?;
    }
    runtime.block_on(asking).map_err(Into::into)
}

/// One line on a terminal's standard error that says what is done now; nothing elsewhere. Ctrl-C needs
/// no care: whoever uses it may be ended at any moment.
#[derive(Debug)]
pub(in crate::cli) struct Progress {
    is_shown: bool,
}

impl Progress {
    /// On this process's standard error.
    pub(in crate::cli) fn new() -> Self {
        Self { is_shown: std::io::stderr().is_terminal() }
    }

    /// Shows a text instead of the last one.
    pub(in crate::cli) fn show(&self, text: &str) {
        if self.is_shown {
            let text: String = text.chars().take(78).collect();
            let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.show("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_configuration_has_defaults_and_no_credentials() {
        let server = defaults().unwrap();
        assert!(matches!(server.auth, config::Auth::None));
    }

    #[test]
    fn a_url_that_leads_nowhere_is_told() {
        for (text, want) in [
            ("http://localhost:9200", ""),
            ("ftp://localhost", "is not http://host:port"),
            ("http://a:secret@localhost:9200", "holds credentials"),
            ("http://localhost:9200/?key=secret", "has a query"),
            ("http://localhost:9200/#secret", "has a fragment"),
        ] {
            let told = check_url(&text.parse().unwrap()).err().map(|e| e.to_string());
            let told = told.unwrap_or_default();
            assert!(told.contains(want) && !told.contains("secret"), "{text}: {told}");
            assert_eq!(told.is_empty(), want.is_empty(), "{text}");
        }
    }
}
