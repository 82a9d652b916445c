//! Where records come from: which journal, and its entries as rows.
//!
//! Invariant: a pass over a journal ends although the proxy writes on: it stops where it has caught
//! up. Not here: what is done with a row.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::output::UsageError;
use crate::config;
use crate::journal::{self, Entry, From, Reader};
use crate::query::Row;
use crate::record::{Constants, DecodeError, Origin, Stream};

/// Bytes of records that are looked at between two looks at anything else.
pub(super) const PASS_BYTES: usize = 1 << 20;
/// Runs whose constants are kept; beyond that they are read again.
const RUNS_MAX: usize = 64;

/// Which journal is meant.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The journal's directory.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    journal: Option<PathBuf>,
    /// The configuration that names it; default /etc/lbproxy/proxy.yaml, then ./proxy.yaml.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    /// The directory of the journal.
    ///
    /// # Errors
    /// When the configuration cannot be read or there is no journal.
    fn directory(&self) -> anyhow::Result<PathBuf> {
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
        let reader = Reader::open_directory(&self.directory()?, from)?;
        Ok(Records { reader, runs: Runs::default(), told: 0 })
    }
}

/// The records of a journal, in the order in which they are found.
#[derive(Debug)]
pub(super) struct Records {
    /// Reads them.
    reader: Reader,
    /// What is constant in each run, and what could not be read.
    runs: Runs,
    /// Missed records that were told of.
    told: u64,
}

/// What is known of the runs that wrote the journal.
#[derive(Debug, Default)]
struct Runs {
    /// Preambles with what they mean.
    known: Vec<(Arc<[u8]>, Arc<Constants>)>,
    /// Records that are damaged.
    damaged: u64,
    /// Records of a later version.
    newer: u64,
}

impl Records {
    /// Visits what there is now; says how many bytes of records that was, 0 for none.
    ///
    /// # Errors
    /// When the journal cannot be read, or what `visit` says, which is then not called again.
    pub(super) fn pass(
        &mut self,
        visit: &mut dyn FnMut(&Row<'_>, &Arc<Constants>) -> anyhow::Result<()>,
    ) -> anyhow::Result<usize> {
        let (mut bytes, mut result) = (0, Ok(()));
        let runs = &mut self.runs;
        self.reader.read(PASS_BYTES, &mut |entry| {
            bytes += entry.payload.len();
            if result.is_ok() {
                result = runs.with_row(&entry, visit);
            }
        })?;
        result.map(|()| bytes)
    }

    /// Visits everything up to where the writer is when this comes there.
    ///
    /// # Errors
    /// As for [`Records::pass`].
    pub(super) fn all(
        &mut self,
        visit: &mut dyn FnMut(&Row<'_>, &Arc<Constants>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        // A pass of less than a full one has seen the end of every lane, unless a file could not be
        // opened for a moment: hence a second one.
        let mut short = 0;
        while short < 2 {
            match self.pass(visit)? {
                0 => break,
                PASS_BYTES.. => short = 0,
                _ => short += 1,
            }
        }
        Ok(())
    }

    /// Records that were overwritten or damaged before they could be read.
    pub(super) fn missed(&self) -> u64 {
        self.reader.missed()
    }

    /// Records whose frame is whole and whose content is not, and those of a later version.
    pub(super) const fn unreadable(&self) -> (u64, u64) {
        (self.runs.damaged, self.runs.newer)
    }

    /// A sentence about what was missed since the last time this was asked.
    pub(super) fn news(&mut self) -> Option<String> {
        let missed = self.missed() - self.told;
        self.told += missed;
        (missed > 0).then(|| {
            let records = if missed == 1 { "record was" } else { "records were" };
            format!("{missed} {records} overwritten or damaged before they could be read")
        })
    }

    /// Sentences about what could not be read at all.
    pub(super) fn complaints(&self) -> Vec<String> {
        let (damaged, newer) = self.unreadable();
        [(damaged, DecodeError::Damaged), (newer, DecodeError::Newer)]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, why)| format!("{count} records cannot be read: {why}"))
            .collect()
    }
}

impl Runs {
    /// Gives an entry as a row to `visit`; counts it when it is none.
    ///
    /// # Errors
    /// What `visit` says.
    fn with_row(
        &mut self,
        entry: &Entry<'_>,
        visit: &mut dyn FnMut(&Row<'_>, &Arc<Constants>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Some(stream) = Stream::from_u8(entry.stream) else {
            self.newer += 1;
            return Ok(());
        };
        let constants = match self.constants(entry.preamble) {
            Ok(constants) => constants,
            Err(error) => {
                self.count(error);
                return Ok(());
            }
        };
        let origin = Origin {
            instance: entry.instance,
            epoch: entry.epoch,
            worker: entry.lane,
            seq: entry.seq,
            constants: &constants,
        };
        match Row::read(stream, entry.payload, origin) {
            Ok(row) => visit(&row, &constants),
            Err(error) => {
                self.count(error);
                Ok(())
            }
        }
    }

    /// What a preamble says.
    ///
    /// # Errors
    /// When it is damaged.
    fn constants(&mut self, preamble: &Arc<[u8]>) -> Result<Arc<Constants>, DecodeError> {
        if let Some((_, constants)) = self.known.iter().find(|(known, _)| known == preamble) {
            return Ok(Arc::clone(constants));
        }
        let constants = Arc::new(Constants::decode(preamble)?);
        if self.known.len() >= RUNS_MAX {
            self.known.clear();
        }
        self.known.push((Arc::clone(preamble), Arc::clone(&constants)));
        Ok(constants)
    }

    /// Counts what could not be read.
    const fn count(&mut self, error: DecodeError) {
        match error {
            DecodeError::Damaged => self.damaged += 1,
            DecodeError::Newer => self.newer += 1,
        }
    }
}

/// Tells what was missed, on standard error, where it disturbs no pipe.
pub(super) fn tell(sentences: impl IntoIterator<Item = String>) {
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
