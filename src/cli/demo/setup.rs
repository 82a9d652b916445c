//! What the demo needs before it starts: a folder for the journal, free ports, a configuration.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::super::output::UsageError;
use super::tally::Place;
use super::{Args, NAMESPACE};
use crate::config::{self, Config};
use crate::journal::OpenError;
use crate::mock::story::Story;

/// Port of the proxy, if it is free.
const PORT: u16 = 8080;
/// Port of the admin listener, if it is free.
const ADMIN_PORT: u16 = 9901;

pub(super) enum Folder {
    /// In a folder that goes away.
    Temporary(tempfile::TempDir),
    /// Where the user wants it.
    Named(PathBuf),
}

impl Folder {
    /// The named folder, or a new one.
    pub(super) fn open(named: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(named) = named {
            return Ok(Self::Named(named));
        }
        let made = tempfile::Builder::new().prefix("lbproxy-").tempdir();
        let made = made.with_context(|| {
            let parent = std::env::temp_dir();
            format!("cannot make a folder in {}; set TMPDIR, or --journal DIR", parent.display())
        })?;
        Ok(Self::Temporary(made))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Named(path) => path,
        }
    }

    /// Removes it, unless it was named.
    pub(super) fn remove(self) {
        let Self::Temporary(folder) = self else { return };
        let path = folder.path().to_owned();
        if let Err(error) = folder.close() {
            tracing::warn!(%error, path = %path.display(), "the demo's folder is left; remove it");
        }
    }
}

/// The port to listen on: the wanted one, else the preferred one if it is free, else any (0).
fn free_port(option: &str, wanted: Option<u16>, preferred: Option<u16>) -> anyhow::Result<u16> {
    let port = wanted.or(preferred).unwrap_or(0);
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
pub(super) fn configure(args: &Args, story: &Story, journal: &Path) -> anyhow::Result<Config> {
    // Neither prefers what the other is told to take.
    let unless =
        |taken: Option<u16>, preferred| Some(preferred).filter(|_| taken != Some(preferred));
    let port = free_port("--port", args.port, unless(args.admin_port, PORT))?;
    let admin_port = free_port("--admin-port", args.admin_port, unless(args.port, ADMIN_PORT))?;
    let elasticsearch = match &args.elasticsearch {
        Some(url) => {
            format!("  elasticsearch: {{urls: [{}]}}\n", serde_json::to_string(url.as_str())?)
        }
        None => String::new(),
    };
    let text = format!(
        "{}admin: {{listen: \"127.0.0.1:{admin_port}\"}}\n\
         telemetry:\n  instance: demo\n  namespace: {NAMESPACE}\n  \
         journal: {{size: 64MiB}}\n  heartbeat: {{every: 1s}}\n  process: {{every: 1s}}\n{elasticsearch}",
        story.proxy_yaml(port)
    );
    let parsed = config::parse("demo", &text, &|_| None);
    let mut config = parsed.map_err(|report| {
        let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        UsageError(findings.join("\n"))
    })?;
    // Not through the text: a path may hold anything.
    journal.clone_into(&mut config.telemetry.journal.path);
    Ok(config)
}

/// An error of the start in words of the demo, which has no file: where the journal cannot be.
pub(super) fn in_flags(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<OpenError>() {
        Some(OpenError::Directory { path, source }) => anyhow::anyhow!(
            "cannot use {} for the journal: {source}; name a folder that can be made and written with \
             --journal DIR, or leave it out",
            path.display()
        ),
        Some(open) => {
            let text = open
                .to_string()
                .replace("set another telemetry.journal.path", "name another with --journal DIR");
            anyhow::Error::msg(text)
        }
        None => error,
    }
}

/// The services with their endpoints, as records name them, and what is to be known of each.
pub(super) fn places(story: &Story) -> (Vec<Place>, Vec<&'static str>) {
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
