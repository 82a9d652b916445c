//! Which journal is meant, and what could not be read of it. Not here: what is done with its records.

use std::path::PathBuf;

use super::super::output::UsageError;
use crate::config;
use crate::journal::{self, From, Reader};
use crate::query::Records;

/// Which journal is meant.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Place {
    /// The journal's directory.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    journal: Option<PathBuf>,
    /// The configuration that names it; default /etc/lbproxy/proxy.yaml, then ./proxy.yaml.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    /// As command lines have it.
    pub(in crate::cli) const fn new(journal: Option<PathBuf>, config: Option<PathBuf>) -> Self {
        Self { journal, config }
    }

    /// The directory of the journal.
    ///
    /// # Errors
    /// When there is none.
    pub(in crate::cli) fn directory(&self) -> anyhow::Result<PathBuf> {
        let (dir, whence) = match (&self.journal, config::find(self.config.clone())) {
            (Some(dir), _) => (dir.clone(), "--journal".to_owned()),
            (None, Ok(file)) => {
                let path = config::journal_path(&file).map_err(|r| UsageError(r.to_string()))?;
                (path, format!("telemetry.journal.path of {}", file.display()))
            }
            (None, Err(_)) => {
                (PathBuf::from(config::JOURNAL_PATH), "no configuration was found".to_owned())
            }
        };
        if journal::is_journal(&dir) {
            return Ok(dir);
        }
        let shown = dir.display();
        let problem = match std::fs::read_dir(&dir) {
            Ok(_) => format!("{shown} holds no journal ({whence})"),
            Err(error) => format!("no journal at {shown} ({whence}): {error}"),
        };
        let cure = "name its directory with --journal DIR, or the proxy's file with --config FILE";
        Err(UsageError(format!("{problem}; {cure}")).into())
    }

    /// Opens the journal.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub(super) fn open(&self, from: From) -> anyhow::Result<Records> {
        Ok(Records::new(Reader::open_directory(&self.directory()?, from)?))
    }
}

/// Tells what was missed, on standard error, where it disturbs no pipe.
pub(in crate::cli) fn tell(sentences: impl IntoIterator<Item = String>) {
    use std::io::Write as _;
    let mut stderr = std::io::stderr().lock();
    for sentence in sentences {
        let _ = writeln!(stderr, "lbproxy: {sentence}");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn without_a_journal_it_says_where_it_looked_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("proxy.yaml");
        let none = dir.path().join("none");
        std::fs::write(&file, format!("telemetry: {{journal: {{path: {none:?}}}}}")).unwrap();
        let by_dir = |path: &Path| Place { journal: Some(path.to_owned()), config: None };
        let by_file = |path: &Path| Place { journal: None, config: Some(path.to_owned()) };
        for (name, place, wants) in [
            ("an empty folder", by_dir(dir.path()), &["holds no journal", "--journal DIR"][..]),
            ("no folder", by_dir(&none), &["no journal at", "No such file"]),
            ("a configured one", by_file(&file), &["none", "telemetry.journal.path of"]),
            ("no configuration", by_file(&none), &["cannot be read"]),
        ] {
            let error = place.directory().unwrap_err();
            assert!(error.is::<UsageError>(), "{name}");
            for want in wants {
                assert!(error.to_string().contains(want), "{name}: {want:?} is not in {error}");
            }
        }
    }
}
