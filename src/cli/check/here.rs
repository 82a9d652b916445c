//! What of this machine `lbproxy run` would stumble over, as the user who asks: looked at, never
//! touched. Nothing is bound, made or connected, so a proxy that runs is not disturbed.
//!
//! Not here: the file itself, certificates and secrets (`config`), and what only a start can tell:
//! whether a port is taken, whether the journal still fits on the disk.

use std::io;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::config::{Config, Finding};
use crate::{elk, otlp};

/// The right to listen on any port (capabilities(7)), as a bit of `CapEff`.
const CAP_NET_BIND_SERVICE: u64 = 1 << 10;
/// First port that everybody may listen on, where the system does not say.
const FIRST_FREE_PORT: u16 = 1024;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let places = &config.places;
    let telemetry = &config.telemetry;
    let mut found = Vec::new();
    if let Err(problem) = folder(&telemetry.journal.path) {
        let cure = "give lbproxy's user a folder it may write; check as that user".to_owned();
        found.push(places.finding("telemetry.journal.path", problem, cure));
    }
    let first = first_port();
    for (key, port) in ports(config) {
        if port != 0 && port < first {
            let problem = format!("port {port} is not for everybody, and this user may not use it");
            let cure = format!(
                "listen on {first} or higher, or grant CAP_NET_BIND_SERVICE; check as lbproxy's user"
            );
            found.push(places.finding(&key, problem, cure));
        }
    }
    // What else a client of TLS may find wrong than what the files themselves tell.
    if let Some(target) = &telemetry.elasticsearch
        && let Err(error) = elk::client::check(target)
    {
        let key = format!("telemetry.elasticsearch.{}", error.key);
        found.push(places.finding(&key, error.problem, error.cure));
    }
    if let Some(target) = &telemetry.otlp
        && let Err(error) = otlp::check(target)
    {
        let key = format!("telemetry.otlp.{}", error.key);
        found.push(places.finding(&key, error.problem, error.cure));
    }
    found.sort_by_key(|finding| (finding.line, finding.column));
    found
}

/// The ports to listen on, with their keys.
fn ports(config: &Config) -> Vec<(String, u16)> {
    let is_list = config.places.has("proxy.listeners");
    let listeners = config.proxy.listeners.iter().enumerate().map(|(index, listener)| {
        let at = if is_list { format!("listeners[{index}]") } else { "listen".to_owned() };
        (format!("proxy.{at}.port"), listener.port)
    });
    listeners.chain([("admin.listen".to_owned(), config.admin.listen.port())]).collect()
}

/// The first port that this process may listen on.
fn first_port() -> u16 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let status = read("/proc/self/status");
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    if mask.is_some_and(|mask| mask & CAP_NET_BIND_SERVICE != 0) {
        return 0;
    }
    read("/proc/sys/net/ipv4/ip_unprivileged_port_start").trim().parse().unwrap_or(FIRST_FREE_PORT)
}

/// Whether a journal can be written to this folder, or the folder made.
fn folder(path: &Path) -> Result<(), String> {
    let write = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    for around in path.ancestors() {
        // The last ancestor of a relative path.
        let around = if around.as_os_str().is_empty() { Path::new(".") } else { around };
        let (shown, is_it) = (around.display(), around == path);
        match std::fs::metadata(around) {
            Ok(facts) if !facts.is_dir() => return Err(format!("{shown} is not a folder")),
            Ok(_) => {
                may(around, write).map_err(|error| {
                    let what = if is_it { "be written to" } else { "be made" };
                    format!("{} cannot {what}: {shown}: {error}", path.display())
                })?;
                return if is_it { files(path) } else { Ok(()) };
            }
            // It is not there yet, or one of those above it is no folder.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) => {}
            Err(error) => return Err(format!("{shown} cannot be looked at: {error}")),
        }
    }
    Ok(())
}

/// Whether what stands in a journal's folder can be written: a run as another user may have made it.
fn files(folder: &Path) -> Result<(), String> {
    let entries = std::fs::read_dir(folder);
    let entries =
        entries.map_err(|error| format!("{} cannot be listed: {error}", folder.display()));
    for entry in entries?.filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            may(&entry.path(), Access::READ_OK | Access::WRITE_OK).map_err(|error| {
                format!("{} cannot be written to: {error}", entry.path().display())
            })?;
        }
    }
    Ok(())
}

/// Whether this process may do something with a file.
fn may(path: &Path, what: Access) -> io::Result<()> {
    Ok(accessat(CWD, path, what, AtFlags::EACCESS)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a folder that a journal cannot have is told before anything runs, and looking changes
    /// nothing. Method: named rows; those that only other users than root meet are not here.
    #[test]
    fn a_folder_that_cannot_be_is_told_and_none_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (name, path, want) in [
            ("there", dir.path().to_owned(), None),
            ("not yet", dir.path().join("a/b/c"), None),
            ("relative", Path::new("data/journal").to_owned(), None),
            ("a file", file.clone(), Some("is not a folder")),
            ("below a file", file.join("a/b"), Some("is not a folder")),
        ] {
            let told = folder(&path);
            match want {
                Some(want) => assert!(told.clone().unwrap_err().contains(want), "{name}: {told:?}"),
                None => assert_eq!(told, Ok(()), "{name}"),
            }
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was made");
    }
}
