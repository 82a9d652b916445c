//! The configuration file: as typed → checked, with every mistake at once.
//!
//! [`load`] gives a [`Config`] that can be used without further thought, or a [`Report`] with file,
//! line, column, key, problem and cure of each mistake. Secrets never stand in a finding, in `Debug`
//! or in the hash. No network; the clock only tells whether certificates are out of date.

pub mod address;
pub mod certificates;
mod depth;
mod file;
mod finding;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod hosts;
pub(crate) mod keys;
pub(crate) mod map;
mod notify;
mod otlp;
mod read;
mod reference;
mod resolver;
mod schema;
mod slo;
mod telemetry;
mod tls;
pub(crate) mod tree;
mod twice;
mod types;

use std::path::{Path, PathBuf};

pub use finding::{Finding, Places, Report};
pub use hosts::{DiscoveredHost, Discovers, Endpoint};
pub use notify::{Channel, ChannelKind, Hours, MailTls, NotifiedBy, Notify, NotifyRoute, Target};
pub use reference::reference_markdown;
pub use resolver::Resolver;
pub use schema::json_schema;
pub(crate) use schema::of_keys as schema_of_keys;
pub use slo::Slo;
pub use telemetry::credential_keys;
pub use tree::Environment;
pub use types::*;

/// Where the journal is when the configuration does not say.
pub const JOURNAL_PATH: &str = "data/journal";
/// Where a file is looked for when none is named.
const PLACES: [&str; 2] = ["/etc/lbproxy/proxy.yaml", "proxy.yaml"];

/// The file to read: the one named, else the first that exists.
///
/// # Errors
/// When none is named and none exists.
pub fn find(named: Option<PathBuf>) -> Result<PathBuf, Report> {
    named.or_else(|| PLACES.iter().map(PathBuf::from).find(|path| path.is_file())).ok_or_else(
        || {
            let problem = format!("no configuration at {}", PLACES.join(" or "));
            whole_file("lbproxy", &problem, "name one with --config FILE")
        },
    )
}

/// Reads and checks a file with the environment of this process; `-` is standard input, as are the
/// names that the system has for it. Blocks until a pipe ends.
///
/// # Errors
/// Every mistake.
pub fn load(path: &Path) -> Result<Config, Report> {
    load_without(path, &[])
}

/// The same as if the keys with these paths were not there, for whoever has something in their place.
///
/// # Errors
/// Every mistake elsewhere.
pub fn load_without(path: &Path, unread: &[String]) -> Result<Config, Report> {
    let (name, text) = read(path)?;
    parse_without(&name, &text, &|variable| std::env::var(variable).ok(), unread)
}

/// Where the journal of a file is, whatever else stands in it: who reads records need not be able
/// to read certificates and secrets too.
///
/// # Errors
/// When the file cannot be read, or this key.
pub fn journal_path(path: &Path) -> Result<PathBuf, Report> {
    let (name, text) = read(path)?;
    let environment = |variable: &str| std::env::var(variable).ok();
    let source = tree::Source::new(&name, &text, &environment);
    let path = match source.parse() {
        Some(root) => telemetry::journal_path(tree::Item::root(&source, &root)),
        None => None,
    };
    if source.is_clean() {
        Ok(path.unwrap_or_else(|| PathBuf::from(JOURNAL_PATH)))
    } else {
        Err(source.report())
    }
}

/// The text of a regular file, or problem and cure.
pub(crate) fn text(path: &Path) -> Result<String, (String, &'static str)> {
    file::utf8(file::regular(path)?)
}

/// Name and text of a file.
fn read(path: &Path) -> Result<(String, String), Report> {
    file::configuration(path).map_err(|(name, (problem, cure))| whole_file(&name, &problem, cure))
}

/// Checks the text of a file, and the files that it names.
///
/// # Errors
/// Every mistake.
pub fn parse(name: &str, text: &str, environment: &Environment<'_>) -> Result<Config, Report> {
    parse_without(name, text, environment, &[])
}

fn parse_without(
    name: &str,
    text: &str,
    environment: &Environment<'_>,
    unread: &[String],
) -> Result<Config, Report> {
    let source = tree::Source::new(name, text, environment).without(unread);
    let hostname = hostname();
    let config = match source.parse() {
        Some(root) => read::config(tree::Item::root(&source, &root), &hostname),
        None => None,
    };
    match config {
        Some(mut config) if source.is_clean() => {
            // Debug leaves secrets out, so the hash cannot tell anything about them.
            config.hash = format!("{:08x}", crc32c::crc32c(format!("{config:?}").as_bytes()));
            // Not hashed: they are about the file and this moment.
            (config.warnings, config.places) = source.into_rest();
            Ok(config)
        }
        _ => Err(source.report()),
    }
}

/// Name of this host.
pub fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "lbproxy".to_owned(), |name| name.trim().to_owned())
}

/// Every key that the reader asks for.
fn keys() -> Vec<keys::Key> {
    let source = tree::Source::recording(&|_| None);
    // It gives no configuration, for nothing gave it a value.
    let _ = read::config(tree::Item::recording(&source), "");
    source.into_keys()
}

/// A report about a file as a whole.
fn whole_file(name: &str, problem: &str, cure: &str) -> Report {
    Report {
        findings: vec![Finding {
            file: name.to_owned(),
            line: 0,
            column: 0,
            key: String::new(),
            problem: problem.to_owned(),
            cure: cure.to_owned(),
        }],
    }
}

#[cfg(test)]
mod tests;
